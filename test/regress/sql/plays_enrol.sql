-- Plays at work: after a promotion in lead order and bounds, afterwards as leads and accounts change; once per lead, through the gates, until the end.
\set home :DBNAME
SET client_min_messages = error;
DROP DATABASE IF EXISTS regress_plays;
CREATE DATABASE regress_plays TEMPLATE template0 ENCODING 'UTF8';
\c regress_plays
CREATE EXTENSION kam;
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set ECHO none
SET timezone = 'UTC';
SET client_min_messages = warning;
SELECT set_config('kam.default_timezone', 'Europe/Paris', false), set_config('kam.clock', '2026-03-02T09:00:00Z', false) \gset
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql AS $$ SELECT set_config('kam.clock', at, false) $$;
-- One tick: what it did, zeroes left out ("more" may wait for other sessions' transactions).
CREATE FUNCTION pg_temp.tick(batch integer DEFAULT 1000) RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(jsonb_object_agg(r.key, r.value) FILTER (WHERE r.value::text NOT IN ('0', '{}', '[]', 'false') AND r.key NOT IN ('more', 'opened', 'closed', 'suppressions')), '{}')
	  FROM jsonb_each(kam.kam_tick(batch => batch)) r
$$;
CREATE FUNCTION pg_temp.draft(play text, target jsonb, more jsonb DEFAULT '{}', until timestamptz DEFAULT NULL, since timestamptz DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO kam.SalesPlayLibrary (play_id, target_definition, suggested_cadence, active_period_start, active_period_end)
	VALUES (play, target, '{"steps": [{"day": 60, "channel": "email", "content": "Hello"}, {"day": 63, "channel": "email", "content": "Again"}]}' || more, since, until);
	RETURN (kam.kam_promote_play(play, 'jane')).state;
END
$$;
CREATE TEMP VIEW enrolled AS
	SELECT c.play_id, c.lead_id, c.sequence_id, c.sequence_type AS type, c.state, c.end_reason, c.originating_agent AS agent, jsonb_array_length(c.steps) AS steps
	  FROM kam.Cadence c ORDER BY c.created_at, c.play_id, c.lead_id COLLATE "C";
\set ECHO all

INSERT INTO kam.Accounts (account_id, icp_tier, attributes) VALUES ('big', 'T1', '{"seats": 500}'), ('small', 'T2', '{"seats": 5}'), ('third', 'T3', '{"seats": 900}');
INSERT INTO kam.Leads (lead_id, account_id, email, job_title, attributes)
SELECT format('l%s', to_char(g, 'FM00')), CASE WHEN g <= 6 THEN 'big' WHEN g <= 9 THEN 'small' WHEN g = 10 THEN 'third' END, format('l%s@example.com', g),
       CASE g % 2 WHEN 0 THEN 'CTO' ELSE 'CFO' END, jsonb_build_object('n', g)
  FROM generate_series(1, 12) g;

-- ---- the document: columns, attributes, account; nothing is noted while no play is active
SELECT t, array_to_string(ARRAY(SELECT * FROM kam._play_match(t::jsonb, (SELECT array_agg(lead_id) FROM kam.Leads))), ' ') AS matches FROM unnest(ARRAY[
	'{}', '{"level": "lead"}', '{"match": "$.attributes.n > 10"}', '{"match": "$.account.attributes.seats > 250 && $.job_title == \"CTO\""}', '{"contains": {"account": {"icp_tier": "T2"}}}',
	'{"contains": {"account": null}}', '{"match": "$.attributes.n < 6", "contains": {"job_title": "CFO"}}', '{"match": "$.attributes.n like_regex \"1\""}', '{"level": "account"}',
	'{"level": "account", "match": "$.account.icp_tier == \"T1\""}', '{"level": "account", "match": "$.attributes.n == 2"}', '{"match": "$.attributes.absent > 1"}']) t;
SELECT count(*) AS noted FROM kam._play_candidate;

-- ---- a promotion: in lead order, as many as the batch, from where the last tick came to
SELECT pg_temp.draft('cto', '{"match": "$.job_title == \"CTO\" && $.attributes.n < 10"}', '{}', '2026-04-01Z');
SELECT pg_temp.tick(3) AS three, pg_temp.tick(3) AS the_fourth, pg_temp.tick(3) AS none_left;
SELECT * FROM enrolled;
SELECT lead_id, event_type, coordinator_action, play_id, originating_agent, idempotency_key, sequence_id, payload FROM kam.CadenceEventLog ORDER BY event_id LIMIT 1;

-- ---- afterwards: who comes, who changes, whose account changes
INSERT INTO kam.Leads (lead_id, email, job_title, attributes) VALUES ('n1', 'n1@example.com', 'CTO', '{"n": 1}'), ('n2', 'n2@example.com', 'CEO', '{"n": 2}');
UPDATE kam.Leads SET job_title = 'CTO' WHERE lead_id = 'l03';
-- What the Coordinator writes, and a sync that changes nothing, leaves no note.
UPDATE kam.Leads SET full_name = full_name, attributes = attributes;
UPDATE kam.Leads SET last_touch_at = now() WHERE lead_id = 'l05';
SELECT lead_id, account_id, play_id FROM kam._play_candidate ORDER BY candidate_id;
SELECT pg_temp.tick();
SELECT play_id, lead_id, state FROM enrolled WHERE lead_id NOT LIKE 'l_[24680]';
-- Who no longer matches stays.
UPDATE kam.Leads SET job_title = 'retired' WHERE lead_id = 'n1';
SELECT pg_temp.tick();
SELECT (SELECT state FROM kam.Cadence WHERE lead_id = 'n1') AS still;
-- Once for ever: an end is no beginning.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('l03', 'play-cto', 'play', 'stop');
UPDATE kam.Leads SET full_name = 'Léa' WHERE lead_id = 'l03';
SELECT pg_temp.tick();
SELECT (SELECT count(*) FROM kam.Cadence WHERE lead_id = 'l03') AS enrolments;

-- ---- a merge: what one of two was enrolled in, the person was
SELECT kam.kam_merge_leads('l03', 'n2') > 0 AS merged;
UPDATE kam.Leads SET job_title = 'CTO' WHERE lead_id = 'n2';
SELECT pg_temp.tick();
SELECT (SELECT count(*) FROM kam.Cadence WHERE lead_id = 'n2') AS enrolments;

-- ---- gates: compliance is not asked again until the flag is cleared, T3 until the tier changes; gate 5 each day, without a row each time
SELECT (kam.kam_end_play('cto', 'jane')).state;
SELECT pg_temp.tick();
INSERT INTO kam.Leads (lead_id, account_id, email, opt_out_flag, attributes) VALUES ('g1', NULL, 'g1@example.com', true, '{"g": 1}');
INSERT INTO kam.Leads (lead_id, account_id, email, attributes) VALUES ('g2', 'third', 'g2@example.com', '{"g": 2}'), ('g3', 'small', 'g3@example.com', '{"g": 3}'), ('g4', 'big', 'g4@example.com', '{"g": 4}');
INSERT INTO kam.type_transition VALUES ('renewal', 'play', 'in renewal');
SELECT coordinator_action FROM kam.kam_enrol('g3', 'renewal', '[]', 'AGT-301', 'renewal');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('g3', 'renewal', 'renewal', 'pause');
SELECT coordinator_action FROM kam.kam_enrol('g4', 'outbound', '[]', 'AGT-301', 'outbound');
SELECT pg_temp.draft('gated', '{"match": "$.attributes.g > 0"}');
SELECT pg_temp.tick();
SELECT lead_id, event_type, coordinator_action, suppressed_reason, resolution, play_id FROM kam.CadenceEventLog WHERE play_id = 'gated' ORDER BY lead_id;
SELECT lead_id, play_id, not_before FROM kam._play_candidate;
UPDATE kam.Leads SET full_name = 'changed' WHERE lead_id LIKE 'g_';
SELECT pg_temp.clock('2026-03-03T09:00:00Z');
SELECT pg_temp.tick();
SELECT count(*) AS still_four_rows FROM kam.CadenceEventLog WHERE play_id = 'gated' AND requested_event_type = 'activation';
SELECT lead_id, play_id, not_before FROM kam._play_candidate;
UPDATE kam.Leads SET opt_out_flag = false WHERE lead_id = 'g1';
UPDATE kam.Accounts SET icp_tier = 'T2' WHERE account_id = 'third';
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('g3', 'renewal', 'renewal', 'complete');
SELECT pg_temp.clock('2026-03-04T09:00:00Z');
SELECT pg_temp.tick();
SELECT lead_id, play_id, state FROM enrolled WHERE play_id = 'gated';
SELECT lead_id, idempotency_key FROM kam.CadenceEventLog WHERE idempotency_key LIKE 'play/gated/%' ORDER BY 1, 2;

-- ---- a limit per day, of the day in kam.default_timezone
SELECT (kam.kam_end_play('gated', 'jane')).state;
SELECT pg_temp.tick();
SELECT pg_temp.draft('daily', '{"match": "$.job_title == \"CFO\""}', '{"daily_limit": 2}');
SELECT pg_temp.tick();
SELECT pg_temp.tick(1), (SELECT next_at FROM kam._play_scan WHERE play_id = 'daily') AS next_at;
INSERT INTO kam.Leads (lead_id, email, job_title) VALUES ('a1', 'a1@example.com', 'CFO');
SELECT pg_temp.tick();
SELECT (SELECT not_before FROM kam._play_candidate) AS waits_until, kam._tick_next() AS next_look;
SELECT pg_temp.clock('2026-03-04T22:59:59Z'); SELECT pg_temp.tick();
SELECT pg_temp.clock('2026-03-04T23:00:00Z'); SELECT pg_temp.tick();
SELECT pg_temp.clock('2026-03-05T23:00:00Z'); SELECT pg_temp.tick();
SELECT lead_id, state FROM enrolled WHERE play_id = 'daily';
SELECT (kam.kam_end_play('daily', 'jane')).state;

-- ---- its time: not before active_period_start, by itself over at active_period_end, holds expired
SELECT pg_temp.draft('timed', '{"level": "account"}', '{}', '2026-03-12T00:00:00Z', '2026-03-10T00:00:00Z');
SELECT pg_temp.tick();
SELECT kam._tick_next();
INSERT INTO kam.Leads (lead_id, account_id) VALUES ('a0', 'big');
SELECT pg_temp.tick() AS too_early;
SELECT pg_temp.clock('2026-03-10T00:00:00Z'); SELECT pg_temp.tick();
SELECT lead_id, state FROM enrolled WHERE play_id = 'timed';
-- Another primary lead: one per account for ever.
UPDATE kam.Leads SET email = 'a0@example.com' WHERE lead_id = 'a0';
SELECT kam._primary_lead('big') AS is_primary;
SELECT pg_temp.tick();
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type)
SELECT 'g2', 'play-timed', 'play', 'touch' FROM generate_series(1, 4) RETURNING coordinator_action, play_id;
SELECT pg_temp.clock('2026-03-11T23:59:59.999999Z'); SELECT pg_temp.tick();
SELECT pg_temp.clock('2026-03-12T00:00:00Z'); SELECT pg_temp.tick();
SELECT play_id, state, ended_by, ended_at FROM kam.SalesPlayLibrary ORDER BY play_id;
SELECT lead_id, state, end_reason FROM enrolled WHERE play_id = 'timed';
SELECT event_type, resolution, play_id FROM kam.CadenceEventLog WHERE lead_id = 'g2' AND event_type = 'expired';
SELECT pg_temp.tick();
SELECT (SELECT count(*) FROM kam._play_scan) AS scans, kam._tick_next();

-- ---- ended early: nothing of it is executed from the commit on
SELECT pg_temp.draft('short', '{"match": "$.attributes.n >= 11"}');
SELECT pg_temp.tick();
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type)
SELECT 'l12', 'play-short', 'play', 'touch' FROM generate_series(1, 4) RETURNING coordinator_action;
SELECT (kam.kam_end_play('short', 'jane')).state;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step) VALUES ('l11', 'play-short', 'play', 'touch', 1) RETURNING coordinator_action, suppressed_reason, resolution, play_id;
SELECT pg_temp.tick();
SELECT lead_id, state, end_reason FROM enrolled WHERE play_id = 'short';
SELECT state, end_reason FROM kam.CadenceQueue WHERE lead_id = 'l12';

-- ---- one that fails costs that one five minutes
INSERT INTO kam.Leads (lead_id, email, attributes) SELECT 'f' || g, format('f%s@example.com', g), '{"f": 1}' FROM generate_series(1, 3) g;
CREATE FUNCTION pg_temp.fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'out of order'; END $$;
CREATE TRIGGER fails BEFORE INSERT ON kam.CadenceEventLog FOR EACH ROW WHEN (NEW.lead_id = 'f2') EXECUTE FUNCTION pg_temp.fails();
SELECT pg_temp.draft('failing', '{"match": "$.attributes.f == 1"}');
SELECT pg_temp.tick() - 'errors' AS two_enrolled;
SELECT duty, lead_id, item, retry_at, error FROM kam._tick_failure;
DROP TRIGGER fails ON kam.CadenceEventLog;
SELECT pg_temp.tick();
SELECT pg_temp.clock('2026-03-12T00:05:00Z'); SELECT pg_temp.tick();
SELECT lead_id, state FROM enrolled WHERE play_id = 'failing';

\c :home
DROP DATABASE regress_plays;
