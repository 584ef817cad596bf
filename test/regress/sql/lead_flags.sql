-- What a CRM sync writes has its effects: flags, addresses, deletion, accounts; Cadence by hand.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set ECHO none
SET client_min_messages = warning;
SET timezone = 'Europe/Paris';
SET kam.clock = '2026-03-02 09:00+01';
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql AS $$ SELECT set_config('kam.clock', at, false) $$;
-- Asks or tells, and says what became of it.
CREATE FUNCTION pg_temp.ask(lead text, type text, event text, sequence text DEFAULT NULL, step integer DEFAULT NULL, payload jsonb DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', r.event_type, r.coordinator_action, r.suppressed_reason, r.resolution, r.compliance_status)
	  FROM kam.kam_request(lead, type, event, sequence, 'email', 'AGT-301', step, payload) r
$$;
-- Enrolments, what waits or waited, and the log of a lead.
CREATE FUNCTION pg_temp.cadence(lead text) RETURNS TABLE (sequence_id text, no integer, type text, state text, why text, step integer) LANGUAGE sql AS $$
	SELECT sequence_id, enrolment_no, sequence_type, state, coalesce(end_reason, paused_reason), current_step FROM kam.Cadence
	 WHERE lead_id = lead ORDER BY created_at, sequence_id, enrolment_no
$$;
CREATE FUNCTION pg_temp.queue(lead text) RETURNS TABLE (kind text, sequence_id text, step integer, reason text, release_at timestamptz, state text, end_reason text)
LANGUAGE sql AS $$
	SELECT kind, q.sequence_id, e.step, reason, q.release_at, state, end_reason FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e USING (lead_id, event_id)
	 WHERE lead_id = lead ORDER BY event_id
$$;
CREATE FUNCTION pg_temp.log(lead text) RETURNS TABLE (n bigint, event_type text, requested text, action text, reason text, resolution text, of bigint)
LANGUAGE sql AS $$
	WITH e AS (SELECT *, row_number() OVER (ORDER BY event_id) AS n FROM kam.CadenceEventLog WHERE lead_id = lead)
	SELECT e.n, e.event_type, e.requested_event_type, e.coordinator_action, e.suppressed_reason, e.resolution, p.n
	  FROM e LEFT JOIN e p ON p.event_id = e.parent_event_id ORDER BY e.n
$$;
CREATE FUNCTION pg_temp.lead(lead text) RETURNS TABLE (unsubscribed boolean, opted_out boolean, cadence_state text, active text, step integer, last_touch_at timestamptz, merged_into text)
LANGUAGE sql AS $$
	SELECT unsubscribe_flag, opt_out_flag, cadence_state, active_sequence_id, current_step, last_touch_at, merged_into FROM kam.Leads WHERE lead_id = lead
$$;
-- The kept state is the one that the tables tell.
CREATE FUNCTION pg_temp.state_is_true(pattern text) RETURNS boolean LANGUAGE sql AS $$
	SELECT coalesce(bool_and(s = d AND NOT s.stale), true) FROM kam.prospect_state s, kam._derive_state(s.lead_id) d WHERE s.lead_id LIKE pattern
$$;
\pset null '-'
\set ECHO all
INSERT INTO kam.Accounts (account_id, icp_tier) VALUES ('fla-a', 'T2'), ('fla-b', 'T2');
INSERT INTO kam.Leads (lead_id, account_id, email, owner_id) SELECT 'fla-' || i, 'fla-a', 'fla' || i || '@x.example', 'rep' FROM generate_series(1, 9) i;
CREATE VIEW pg_temp.suppressed AS SELECT address, source, reason FROM kam.Suppression WHERE address ~ '^fla|3362200000|in/fla' ORDER BY address;

-- A flag set: as if the person had said so.
SELECT pg_temp.ask('fla-1', 'outbound', 'activation', 'S'), pg_temp.ask('fla-1', 'nurture', 'activation', 'N'), pg_temp.ask('fla-1', 'transactional', 'activation', 'T');
SELECT pg_temp.ask('fla-1', 'outbound', 'touch', 'S', i) FROM generate_series(1, 4) i;
UPDATE kam.Leads SET unsubscribe_flag = true WHERE lead_id = 'fla-1';
SELECT * FROM pg_temp.cadence('fla-1');
SELECT kind, sequence_id, step, state, end_reason FROM pg_temp.queue('fla-1');
SELECT * FROM pg_temp.log('fla-1') WHERE event_type = 'cancelled';
SELECT * FROM pg_temp.lead('fla-1');
SELECT * FROM pg_temp.suppressed;
SELECT pg_temp.ask('fla-1', 'transactional', 'touch', 'T', 1);
SELECT unsubscribed, opted_out, sales_sequence, holding FROM kam.prospect_state WHERE lead_id = 'fla-1';
-- Cleared: what it had suppressed itself is lifted, nothing is revived.
UPDATE kam.Leads SET unsubscribe_flag = false WHERE lead_id = 'fla-1';
SELECT * FROM pg_temp.suppressed;
SELECT state FROM pg_temp.cadence('fla-1');
SELECT pg_temp.ask('fla-1', 'outbound', 'activation', 'S'), pg_temp.ask('fla-1', 'outbound', 'touch', 'S', 1);
-- One flag of two still blocks; the last one lifts.
UPDATE kam.Leads SET unsubscribe_flag = true, opt_out_flag = true WHERE lead_id = 'fla-1';
SELECT DISTINCT why FROM pg_temp.cadence('fla-1');
UPDATE kam.Leads SET unsubscribe_flag = false WHERE lead_id = 'fla-1';
SELECT pg_temp.ask('fla-1', 'outbound', 'activation', 'S');
SELECT * FROM pg_temp.suppressed;
UPDATE kam.Leads SET opt_out_flag = false WHERE lead_id = 'fla-1';
SELECT pg_temp.ask('fla-1', 'outbound', 'activation', 'S');
-- Another source is not lifted, and comes before or after.
INSERT INTO kam.Suppression (address, source) VALUES ('fla2@x.example', 'import');
UPDATE kam.Leads SET opt_out_flag = true WHERE lead_id IN ('fla-2', 'fla-3');
INSERT INTO kam.Suppression (address, source) VALUES ('fla3@x.example', 'import');
SELECT * FROM pg_temp.suppressed;
UPDATE kam.Leads SET opt_out_flag = false WHERE lead_id IN ('fla-2', 'fla-3');
SELECT * FROM pg_temp.suppressed;
SELECT pg_temp.ask(l, 'outbound', 'activation') FROM unnest('{fla-2,fla-3}'::text[]) l;
DELETE FROM kam.Suppression WHERE address ~ '^fla';
-- Two leads with one address: it is lifted when the second is cleared.
INSERT INTO kam.Leads (lead_id, account_id, email, phone) VALUES ('fla-t1', 'fla-a', 'FlaT@x.example', NULL), ('fla-t2', 'fla-a', 'flat@X.example', NULL);
SELECT pg_temp.ask('fla-t2', 'outbound', 'activation', 'S');
UPDATE kam.Leads SET opt_out_flag = true WHERE lead_id = 'fla-t1';
SELECT pg_temp.ask('fla-t2', 'outbound', 'touch', 'S', 1);
UPDATE kam.Leads SET opt_out_flag = true WHERE lead_id = 'fla-t2';
UPDATE kam.Leads SET opt_out_flag = false WHERE lead_id = 'fla-t1';
SELECT * FROM pg_temp.suppressed;
SELECT pg_temp.ask('fla-t1', 'outbound', 'activation', 'S');
UPDATE kam.Leads SET opt_out_flag = false WHERE lead_id = 'fla-t2';
SELECT * FROM pg_temp.suppressed;
SELECT pg_temp.ask('fla-t1', 'outbound', 'activation', 'S');
-- Flagged from the first import on, by what names the lead best; its further addresses follow.
INSERT INTO kam.Leads (lead_id, phone, linkedin_url, opt_out_flag) VALUES ('fla-i1', '00 33 6 22 00 00 01', 'linkedin.com/in/fla-i1', true),
	('fla-i2', NULL, 'https://www.linkedin.com/in/FLA-I2', true), ('fla-i3', NULL, NULL, true);
SELECT * FROM pg_temp.suppressed;
UPDATE kam.Leads SET email = 'flai3@x.example' WHERE lead_id = 'fla-i3';
UPDATE kam.Leads SET email = 'flai1@x.example' WHERE lead_id = 'fla-i1';
SELECT * FROM pg_temp.suppressed;
UPDATE kam.Leads SET opt_out_flag = false WHERE lead_id LIKE 'fla-i%';
SELECT * FROM pg_temp.suppressed;
-- A lead that takes on a suppressed address is stopped.
INSERT INTO kam.Suppression (address, source, settled_at) VALUES ('fla-old.example', 'import', kam._now());
SELECT pg_temp.ask('fla-4', 'outbound', 'activation', 'S');
UPDATE kam.Leads SET email = 'somebody@fla-old.example' WHERE lead_id = 'fla-4';
SELECT * FROM pg_temp.cadence('fla-4');
-- A merged lead's flag is that of the lead that stands for it.
SELECT pg_temp.ask('fla-6', 'outbound', 'activation', 'S');
SELECT kam.kam_merge_leads('fla-5', 'fla-6') > 0 AS merged;
UPDATE kam.Leads SET unsubscribe_flag = true WHERE lead_id = 'fla-5';
SELECT lead_id, unsubscribe_flag FROM kam.Leads WHERE lead_id ~ 'fla-[56]' ORDER BY 1;
SELECT * FROM pg_temp.cadence('fla-6');
SELECT pg_temp.ask('fla-6', 'outbound', 'activation', 'S');
SELECT pg_temp.state_is_true('fla-%');

-- Deleted: nothing is left running; the log stays.
SELECT pg_temp.ask('fla-7', 'outbound', 'activation', 'S'), pg_temp.ask('fla-7', 'transactional', 'activation', 'T'), pg_temp.ask('fla-7', 'nurture', 'activation', 'N');
SELECT pg_temp.ask('fla-7', 'outbound', 'touch', 'S', i) FROM generate_series(1, 4) i;
SELECT kam._raise_flag('data_quality', 'fla-7', NULL, NULL, NULL, NULL) IS NOT NULL AS opened;
DELETE FROM kam.Leads WHERE lead_id = 'fla-7';
SELECT * FROM pg_temp.cadence('fla-7');
SELECT kind, sequence_id, state, end_reason FROM pg_temp.queue('fla-7');
SELECT event_type, requested, action, resolution FROM pg_temp.log('fla-7');
SELECT kind, closed_at FROM kam.CadenceFlag WHERE lead_id = 'fla-7';
SELECT count(*) FROM kam.prospect_state WHERE lead_id = 'fla-7';
-- It comes back with the cap it had.
INSERT INTO kam.Leads (lead_id, account_id, email) VALUES ('fla-7', 'fla-a', 'fla7@x.example');
SELECT pg_temp.ask('fla-7', 'outbound', 'activation', 'S'), pg_temp.ask('fla-7', 'outbound', 'touch', 'S', 1);
SELECT * FROM pg_temp.cadence('fla-7');
SELECT pg_temp.refused('UPDATE kam.Leads SET lead_id = ''fla-70'' WHERE lead_id = ''fla-7''');
-- The Coordinator's columns may be written; they are set again.
UPDATE kam.Leads SET cadence_state = NULL, active_sequence_id = 'nonsense', current_step = 99, last_touch_at = NULL WHERE lead_id = 'fla-7';
SELECT pg_temp.ask('fla-7', NULL, 'reply', 'S');
SELECT * FROM pg_temp.lead('fla-7');
-- TRUNCATE and a fresh import: the same.
BEGIN;
TRUNCATE kam.Leads;
INSERT INTO kam.Leads (lead_id, account_id, email) VALUES ('fla-7', 'fla-a', 'fla7@x.example');
SELECT pg_temp.ask('fla-7', 'outbound', 'activation', 'S'), pg_temp.ask('fla-7', 'outbound', 'touch', 'S', 1);
ROLLBACK;

-- Cadence by hand: the gate sees it.
SELECT pg_temp.ask('fla-8', 'outbound', 'activation', 'S');
UPDATE kam.Cadence SET state = 'paused', paused_reason = 'manual' WHERE lead_id = 'fla-8';
SELECT stale FROM kam.prospect_state WHERE lead_id = 'fla-8';
SELECT pg_temp.ask('fla-8', 'outbound', 'touch', 'S', 1), pg_temp.ask('fla-8', 'follow_up', 'activation', 'S2');
DELETE FROM kam.Cadence WHERE lead_id = 'fla-8' AND sequence_id = 'S2';
SELECT pg_temp.ask('fla-8', 'outbound', 'resume', 'S');
SELECT pg_temp.state_is_true('fla-8');

-- Account-based marketing begins: each agent with nurture sequences there is told once, nothing is paused.
INSERT INTO kam.Leads (lead_id, account_id) SELECT 'fla-n' || i, CASE WHEN i < 4 THEN 'fla-a' ELSE 'fla-b' END FROM generate_series(1, 5) i;
SELECT event_type FROM unnest('{fla-n1,fla-n2,fla-n4}'::text[]) l, kam.kam_request(l, 'nurture', 'activation', 'N', originating_agent => 'AGT-304');
SELECT event_type FROM kam.kam_request('fla-n3', 'nurture', 'activation', 'N', originating_agent => 'AGT-900');
SELECT event_type FROM kam.kam_request('fla-n5', 'newsletter', 'activation', 'N', originating_agent => 'AGT-999');
SELECT coalesce(max(notification_id), 0) AS last FROM kam.notification \gset
UPDATE kam.Accounts SET abm_active = true WHERE account_id IN ('fla-a', 'fla-b');
SELECT recipient, topic, payload FROM kam.notification WHERE notification_id > :last ORDER BY recipient;
SELECT DISTINCT state FROM kam.Cadence WHERE lead_id LIKE 'fla-n%';
SELECT pg_temp.ask('fla-n1', 'nurture', 'touch', 'N', 1), pg_temp.ask('fla-n5', 'newsletter', 'touch', 'N', 1);
SELECT coalesce(max(notification_id), 0) AS last FROM kam.notification \gset
UPDATE kam.Accounts SET abm_active = true, name = 'again' WHERE account_id IN ('fla-a', 'fla-b');
UPDATE kam.Accounts SET abm_active = false WHERE account_id IN ('fla-a', 'fla-b');
SELECT count(*) FROM kam.notification WHERE notification_id > :last;
SELECT pg_temp.ask('fla-n1', 'nurture', 'touch', 'N', 1);

-- Sequence types: a user's change makes a seed row the user's, and a restored row takes its place.
BEGIN;
SELECT sequence_type, family FROM kam.sequence_type WHERE builtin ORDER BY family, sequence_type;
UPDATE kam.sequence_type SET family = 'marketing' WHERE sequence_type = 'abm' RETURNING builtin;
INSERT INTO kam.sequence_type VALUES ('renewal', 'marketing');
SELECT * FROM kam.sequence_type WHERE NOT builtin ORDER BY 1;
SELECT sequence_type, family FROM kam.kam_request('fla-9', 'renewal', 'activation', 'R');
ROLLBACK;

DELETE FROM kam.Leads WHERE lead_id LIKE 'fla-%';
DELETE FROM kam.lead_alias WHERE lead_id LIKE 'fla-%';
DELETE FROM kam.Accounts WHERE account_id LIKE 'fla-%';
DELETE FROM kam.Suppression WHERE address ~ '^fla|3362200000|in/fla';
