-- kam_unsubscribe: whatever the kind of address, known or not, and nothing undoes it but a person.
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
INSERT INTO kam.Accounts (account_id, icp_tier) VALUES ('uns-a', 'T2');
INSERT INTO kam.Leads (lead_id, account_id, email, phone, linkedin_url) VALUES
	('uns-1', 'uns-a', 'Jane@Uns.example', NULL, NULL),
	('uns-2', 'uns-a', 'jane@uns.example ', '+33 6 12 00 00 01', NULL),
	('uns-3', 'uns-a', 'john@uns.example', '0033612000001', 'https://www.linkedin.com/in/Uns-John/'),
	('uns-4', 'uns-a', NULL, NULL, 'fr.linkedin.com/in/uns-john?x'),
	('uns-5', 'uns-a', 'mary@other.example', NULL, NULL),
	('uns-6', 'uns-a', 'ann@dom.example', NULL, NULL),
	('uns-7', 'uns-a', 'bob@dom.example', NULL, NULL),
	('uns-8', 'uns-a', 'eve@sub.dom.example', NULL, NULL);
SELECT pg_temp.ask('uns-1', 'outbound', 'activation', 'S'), pg_temp.ask('uns-1', 'transactional', 'activation', 'T');
SELECT pg_temp.ask('uns-1', 'outbound', 'touch', 'S', i) FROM generate_series(1, 4) i;

-- All leads with the address, once.
SELECT kam.kam_unsubscribe('Jane Doe <JANE@uns.example>', 'web_form');
SELECT kam.kam_unsubscribe('jane@uns.example', 'web_form');
SELECT address, kind, source, created_by = current_user AS by_us FROM kam.Suppression WHERE address LIKE '%@uns.example';
SELECT lead_id, unsubscribe_flag, opt_out_flag FROM kam.Leads WHERE lead_id LIKE 'uns-%' ORDER BY lead_id;
SELECT * FROM pg_temp.cadence('uns-1');
SELECT * FROM pg_temp.queue('uns-1');
SELECT * FROM pg_temp.log('uns-1');
SELECT * FROM pg_temp.lead('uns-1');
SELECT pg_temp.ask('uns-1', t, 'touch', 'S', 9) FROM unnest('{outbound,nurture,transactional}'::text[]) t;
-- By phone: whatever it is written like.
SELECT kam.kam_unsubscribe('+33 (0)6 12 00 00 01', 'call');
SELECT pg_temp.ask('uns-3', 'transactional', 'touch');
-- By profile.
SELECT kam.kam_unsubscribe('https://linkedin.com/in/UNS-john', 'inmail');
SELECT pg_temp.ask('uns-4', 'outbound', 'activation');
-- A domain: its leads are blocked at once; subdomains and others are not.
SELECT pg_temp.ask(l, 'nurture', 'activation', 'N') FROM unnest('{uns-6,uns-7,uns-8}'::text[]) l;
SELECT kam.kam_unsubscribe('@DOM.example', 'legal');
SELECT kam.kam_unsubscribe('dom.example', 'legal');
SELECT l, pg_temp.ask(l, 'nurture', 'touch', 'N', 1) FROM unnest('{uns-6,uns-7,uns-8}'::text[]) l;
SELECT lead_id, unsubscribe_flag FROM kam.Leads WHERE lead_id ~ 'uns-[678]' ORDER BY 1;
-- An address that no lead has: the lead that comes with it later is blocked.
SELECT kam.kam_unsubscribe('late@uns.example', 'web_form');
INSERT INTO kam.Leads (lead_id, email) VALUES ('uns-late', 'LATE@uns.example');
SELECT pg_temp.ask('uns-late', 'outbound', 'activation');

-- A sync that clears the flag does not undo it, nor does deleting and importing the lead again.
UPDATE kam.Leads SET unsubscribe_flag = false WHERE lead_id = 'uns-1';
SELECT pg_temp.ask('uns-1', 'outbound', 'activation');
DELETE FROM kam.Leads WHERE lead_id = 'uns-1';
INSERT INTO kam.Leads (lead_id, account_id, email) VALUES ('uns-1', 'uns-a', 'jane@uns.example');
SELECT pg_temp.ask('uns-1', 'outbound', 'activation');
-- Nor an opt-out in an event; it outweighs a flag of the sync.
SELECT pg_temp.ask('uns-5', NULL, 'opt_out');
SELECT address, source FROM kam.Suppression WHERE address LIKE 'mary@%';
UPDATE kam.Leads SET opt_out_flag = false WHERE lead_id = 'uns-5';
SELECT address, source FROM kam.Suppression WHERE address LIKE 'mary@%';
SELECT pg_temp.ask('uns-5', 'outbound', 'activation');
-- A person who lifts the suppression does; nothing is revived.
DELETE FROM kam.Suppression WHERE address LIKE 'mary@%';
SELECT pg_temp.ask('uns-5', 'outbound', 'activation');
-- Whoever said so when there was no address to suppress is remembered, and suppressed with the first that comes.
INSERT INTO kam.Leads (lead_id, account_id) VALUES ('uns-9', 'uns-a');
SELECT pg_temp.ask('uns-9', NULL, 'unsubscribe');
UPDATE kam.Leads SET unsubscribe_flag = false WHERE lead_id = 'uns-9';
SELECT pg_temp.ask('uns-9', 'outbound', 'activation');
UPDATE kam.Leads SET email = 'nine@uns.example' WHERE lead_id = 'uns-9';
SELECT address, source FROM kam.Suppression WHERE address LIKE 'nine@%';
SELECT pg_temp.ask('uns-9', 'outbound', 'activation');
SELECT pg_temp.state_is_true('uns-%');

SELECT pg_temp.refused('SELECT kam.kam_unsubscribe(''jane'', ''web_form'')');
SELECT pg_temp.refused('SELECT kam.kam_unsubscribe(NULL, ''web_form'')');
SELECT pg_temp.refused('SELECT kam.kam_unsubscribe(''jane@uns.example'', '' '')');
SELECT pg_temp.refused('SELECT kam.kam_unsubscribe(''jane@uns.example'', NULL)');
SELECT pg_temp.refused('SELECT kam.kam_unsubscribe(''jane@uns.example'', ''lead_flag'')');

DELETE FROM kam.Leads WHERE lead_id LIKE 'uns-%';
DELETE FROM kam.Accounts WHERE account_id LIKE 'uns-%';
DELETE FROM kam.Suppression WHERE address ~ 'uns|dom.example|3361200000';
