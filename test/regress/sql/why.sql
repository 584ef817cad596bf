-- kam_why tells the story of a lead: a sentence for every outcome there is.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence

BEGIN;
SELECT pg_temp.at('2026-03-02T09:00:00Z') IS NULL AS nothing \gset
CREATE FUNCTION pg_temp.say(lead text, type text, event text, sequence text DEFAULT NULL, step integer DEFAULT NULL, channel text DEFAULT NULL, agent text DEFAULT NULL,
	occurred timestamptz DEFAULT NULL, parent bigint DEFAULT NULL, payload jsonb DEFAULT NULL, play text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel, originating_agent, occurred_at, parent_event_id, payload, play_id)
	VALUES (lead, type, event, sequence, step, channel, agent, occurred, parent, payload, play)
	RETURNING event_type
$$;
-- Words of the log that no sentence has its own for would come with underscores.
CREATE FUNCTION pg_temp.story(lead text, key text DEFAULT 'story') RETURNS SETOF text LANGUAGE sql AS $$ SELECT jsonb_array_elements_text(kam.kam_why(lead) -> key) $$;
\pset tuples_only on
\pset format unaligned

INSERT INTO kam.Accounts (account_id, icp_tier, abm_active) VALUES ('a', 'T1', false), ('abm', 'T2', true);
INSERT INTO kam.Leads (lead_id, account_id, icp_tier, email, owner_id, time_zone) VALUES
	('l1', 'a', NULL, 'l1@why.example', 'rep', 'America/New_York'), ('l2', 'a', NULL, NULL, NULL, 'Mars/Olympus'), ('l3', 'abm', NULL, NULL, NULL, NULL), ('l4', NULL, 'T3', NULL, NULL, NULL),
	('l5', NULL, 'T2', 'l5@why.example', NULL, NULL), ('l6', NULL, NULL, NULL, NULL, NULL), ('l7', NULL, 'T2', NULL, NULL, NULL);
INSERT INTO kam.SalesPlayLibrary (play_id, state) VALUES ('P', 'active');
INSERT INTO kam.type_transition (from_type, to_type, reason) VALUES ('renewal', 'expansion', 'still_renewing');

-- ---- touches: sent, held by the cap, behind those that are due, repeated, released, cancelled; a conflict at T1
SELECT pg_temp.say('l1', 'play', 'activation', 'S', agent => 'AGT-302', play => 'P');
SELECT count(pg_temp.say('l1', 'play', 'touch', 'S', n, 'email', 'AGT-301')) FROM generate_series(1, 5) n;
SELECT pg_temp.say('l1', 'newsletter', 'activation', 'M', agent => 'AGT-304');
SELECT pg_temp.story('l1');
SELECT pg_temp.story('l1', 'now');
SELECT pg_temp.at('2026-03-09T10:30:00Z') IS NULL AS nothing \gset
SELECT pg_temp.say('l1', 'play', 'touch', 'S', 6, 'linkedin', 'AGT-301') AS behind_those_due;
SELECT kam.kam_tick() -> 'released' AS released;
SELECT kam.kam_cancel_held(lead_id, event_id) FROM kam.held_queue WHERE lead_id = 'l1' AND step = 6;
SELECT pg_temp.say('l1', 'play', 'touch', 'S', 1, 'phone'), pg_temp.say('l1', NULL, 'send_failed', parent => (SELECT event_id FROM kam.CadenceEventLog WHERE lead_id = 'l1' AND step = 2 AND event_type = 'touch'));
SELECT pg_temp.say('l1', NULL, 'meeting_booked', 'S');
SELECT s FROM pg_temp.story('l1') WITH ORDINALITY o (s, n) WHERE n > 4;
SELECT pg_temp.story('l1', 'now');

-- ---- conflicts: displaced and resumed; no tier; one family; T2 both ways
SELECT pg_temp.say('l2', 'newsletter', 'activation', 'M'), pg_temp.say('l2', 'outbound', 'activation', 'S', agent => 'AGT-301'), pg_temp.say('l2', 'renewal', 'activation', 'R');
SELECT pg_temp.story('l2', 'now');
SELECT pg_temp.say('l2', NULL, 'complete', 'S');
SELECT pg_temp.at('2026-03-09T11:30:00Z') IS NULL AS nothing \gset
SELECT kam.kam_tick() -> 'released' AS released;
SELECT pg_temp.story('l2');
SELECT pg_temp.say('l6', 'newsletter', 'activation', 'M'), pg_temp.say('l6', 'outbound', 'activation', 'S');
SELECT pg_temp.say('l7', 'newsletter', 'activation', 'M'), pg_temp.say('l7', 'outbound', 'activation', 'S') AS tie, pg_temp.say('l7', NULL, 'reply', 'M', channel => 'email');
SELECT pg_temp.say('l7', 'event', 'activation', 'E');
UPDATE kam.Leads SET marketing_signal_at = '2026-03-09T11:00:00Z', sales_signal_at = NULL WHERE lead_id = 'l7';
SELECT pg_temp.story('l6');
SELECT pg_temp.story('l7');

-- ---- refused: ABM, T3, unsubscribed, opted out, suppressed, and what is illegal
SELECT pg_temp.say('l3', 'nurture', 'activation', 'N', agent => 'AGT-304');
SELECT pg_temp.story('l3'), pg_temp.story('l3', 'now');
SELECT pg_temp.say('l4', 'outbound', 'activation', 'S', agent => 'AGT-301'), pg_temp.say('l4', 'newsletter', 'touch', 'N'), pg_temp.say('l4', 'newsletter', 'activation', 'N'), pg_temp.say('l4', 'newsletter', 'activation', 'N'),
       pg_temp.say('l4', 'event', 'touch', 'N'), pg_temp.say('l4', NULL, 'pause', agent => 'rep'), pg_temp.say('l4', 'newsletter', 'touch', 'N'), pg_temp.say('l4', 'newsletter', 'resume', 'N'),
       pg_temp.say('l4', NULL, 'stop', 'N', agent => 'rep'), pg_temp.say('l4', 'newsletter', 'touch', 'N'), pg_temp.say('l4', 'newsletter', 'resume', 'N'), pg_temp.say('l4', NULL, 'complete'),
       pg_temp.say('l4', NULL, 'unsubscribe'), pg_temp.say('l4', 'newsletter', 'touch', 'N');
SELECT pg_temp.story('l4');
SELECT pg_temp.story('l4', 'now');
SELECT pg_temp.say('l5', 'renewal', 'activation', 'R'), pg_temp.say('l5', 'expansion', 'activation', 'X');
SELECT pg_temp.say('l5', NULL, 'out_of_office', 'R', payload => '{"until": "2026-03-20"}'), pg_temp.say('l5', NULL, 'bounce', payload => '{"type": "soft"}'), pg_temp.say('l5', NULL, 'bounce', 'R'),
       pg_temp.say('l5', NULL, 'touch_observed', channel => 'phone', agent => 'rep', occurred => '2026-03-01T08:00:00Z'), pg_temp.say('l5', 'transactional', 'touch_observed', channel => 'email'),
       pg_temp.say('l5', NULL, 'reply', channel => 'whatsapp', occurred => '2026-03-08T08:00:00Z'), pg_temp.say('l5', NULL, 'send_failed', parent => -1), pg_temp.say('l5', NULL, 'opt_out'),
       pg_temp.say('l5', 'transactional', 'touch', 'T', channel => 'email');
INSERT INTO kam.Suppression (address, source, reason) VALUES ('why.example', 'legal', 'a letter') ON CONFLICT DO NOTHING;
SELECT pg_temp.say('l1', 'outbound', 'touch', NULL, NULL, 'email');
SELECT pg_temp.story('l5');
SELECT regexp_replace(n, 'since [^ ]+ [^ ]+', 'since …') FROM pg_temp.story('l5', 'now') n;
SELECT s FROM pg_temp.story('l1') WITH ORDINALITY o (s, n) ORDER BY n DESC LIMIT 1;

-- ---- what waited too long
INSERT INTO kam.Leads (lead_id, icp_tier) VALUES ('l8', 'T1');
SELECT pg_temp.say('l8', 'outbound', 'activation', 'A'), pg_temp.say('l8', 'outbound', 'activation', 'B');
SELECT kam.kam_tick('2026-06-01T09:00:00Z') -> 'expired' AS expired;
SELECT pg_temp.story('l8');

-- ---- two that became one tell of both, under either name
SELECT pg_temp.at('2026-03-10T09:00:00Z') IS NULL AS nothing \gset
INSERT INTO kam.Leads (lead_id, icp_tier) VALUES ('m1', 'T1'), ('m2', 'T1');
SELECT pg_temp.say('m1', 'outbound', 'activation', 'S'), pg_temp.say('m1', 'outbound', 'touch', 'S', 1, 'sms'), pg_temp.say('m2', 'newsletter', 'activation', 'M');
SELECT pg_temp.at('2026-03-11T09:00:00Z') IS NULL AS nothing \gset
SELECT kam.kam_merge_leads('m1', 'm2') > 0 AS merged;
SELECT replace(s, session_user, 'someone') FROM pg_temp.story('m1') s;
SELECT kam.kam_why('m1') -> 'story' = kam.kam_why('m2') -> 'story' AS the_same, kam.kam_why('m1') -> 'lead_id' AS of;

-- ---- never more than 200 events
INSERT INTO kam.Leads (lead_id) VALUES ('long');
INSERT INTO kam.CadenceEventLog (lead_id, event_type, occurred_at) SELECT 'long', 'touch_observed', '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 hour' FROM generate_series(1, 203) n;
SELECT jsonb_array_length(w -> 'story') AS told, w -> 'story_omitted' AS omitted, w #>> '{story,0}' AS first FROM kam.kam_why('long') w;
SELECT jsonb_array_length(w -> 'story') AS told, w -> 'story_omitted' AS omitted FROM kam.kam_why('l8') w;

-- ---- a lead without a zone, or with none that there is, lives where its account's rep does
SELECT pg_temp.at('2026-03-02T09:00:00Z') IS NULL AS nothing \gset
INSERT INTO kam.Reps (rep_id, time_zone) VALUES ('denver', 'America/Denver');
INSERT INTO kam.Accounts (account_id, owner_id) VALUES ('west', 'denver');
INSERT INTO kam.Leads (lead_id, account_id, time_zone) VALUES ('w1', 'west', NULL), ('w2', 'west', 'Mars/Olympus'), ('w3', 'west', 'Asia/Tokyo');
SELECT pg_temp.say(l, NULL, 'reply') FROM unnest('{w1,w2,w3}'::text[]) l;
SELECT l, pg_temp.story(l) FROM unnest('{w1,w2,w3}'::text[]) l;

-- ---- nobody
SELECT pg_temp.refused('SELECT kam.kam_why(''why-none'')');
-- No word of the log is told as it stands.
SELECT s FROM unnest('{l1,l2,l3,l4,l5,l6,l7,l8,m2}'::text[]) l, pg_temp.story(l) s WHERE s ~ '[a-z]_[a-z]';
ROLLBACK;
