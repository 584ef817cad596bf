-- kam_enrol and kam_cancel_held: the plan is checked, the gate judges, what waits can be given up.
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
INSERT INTO kam.Accounts (account_id, icp_tier) VALUES ('enr-a', 'T1');
INSERT INTO kam.Leads (lead_id, account_id, email) SELECT 'enr-' || i, 'enr-a', 'enr' || i || '@x.example' FROM generate_series(1, 9) i;
INSERT INTO kam.BrainAnalysisLog (proposal_id, agent) VALUES ('enr-proposal', 'AGT-901');
INSERT INTO kam.SalesPlayLibrary (play_id, state, originating_proposal_id, active_period_end) VALUES ('enr-play', 'active', 'enr-proposal', '2026-04-01 00:00+02');

-- The plan is kept.
SELECT lead_id, sequence_id, sequence_type, event_type, coordinator_action, originating_agent
  FROM kam.kam_enrol('enr-1', 'outbound', '[{"day": 0, "channel": "email", "content": "Hello"}, {"day": 2.5, "channel": "phone"}]', 'AGT-301', 'S');
SELECT state, steps, originating_agent, play_id FROM kam.Cadence WHERE lead_id = 'enr-1';
SELECT * FROM pg_temp.lead('enr-1');
-- Lineage is inherited from the play.
SELECT coordinator_action, play_id, originating_proposal_id FROM kam.kam_enrol('enr-2', 'play', '[{"day": 0, "channel": "email"}]', 'AGT-302', play_id => 'enr-play');
SELECT c.sequence_id = e.sequence_id AS same, c.play_id, c.originating_proposal_id, c.active_until
  FROM kam.Cadence c JOIN kam.CadenceEventLog e USING (lead_id) WHERE lead_id = 'enr-2';
-- A refusal is a row.
SELECT event_type, coordinator_action, suppressed_reason, resolution FROM kam.kam_enrol('enr-1', 'outbound', '[]', 'AGT-301', 'S');
SELECT event_type, coordinator_action, suppressed_reason, resolution FROM kam.kam_enrol('enr-1', 'follow_up', '[]', 'AGT-301', 'S2');
SELECT event_type, coordinator_action, suppressed_reason, resolution FROM kam.kam_enrol('enr-1', 'nurture', '[]', 'AGT-304', 'N');
SELECT * FROM pg_temp.cadence('enr-1');
SELECT * FROM pg_temp.queue('enr-1');

-- What is no plan.
CREATE FUNCTION pg_temp.plan(steps text) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.refused(format('SELECT kam.kam_enrol(''enr-3'', ''outbound'', %L, ''AGT-301'')', steps))
$$;
SELECT pg_temp.plan(NULL);
SELECT pg_temp.plan('{"day": 0}');
SELECT pg_temp.plan('[{"day": 0, "channel": "email"}, "email"]');
SELECT pg_temp.plan('[{"channel": "email"}]');
SELECT pg_temp.plan('[{"day": "0", "channel": "email"}]');
SELECT pg_temp.plan('[{"day": -1, "channel": "email"}]');
SELECT pg_temp.plan('[{"day": 0}]');
SELECT pg_temp.plan('[{"day": 0, "channel": " "}]');
SELECT pg_temp.plan('[{"day": 0, "channel": ["email"]}]');
SELECT pg_temp.refused('SELECT kam.kam_enrol(''enr-none'', ''outbound'', ''[]'', ''AGT-301'')');
SELECT pg_temp.refused('SELECT kam.kam_enrol(''enr-3'', ''cold_calls'', ''[]'', ''AGT-301'')');
SELECT pg_temp.refused('SELECT kam.kam_enrol(''enr-3'', ''play'', ''[]'', ''AGT-301'', play_id => ''none'')');
SELECT count(*) AS left_nothing FROM kam.CadenceEventLog WHERE lead_id = 'enr-3';

-- Giving up what waits: a queued enrolment ends with it, the running one is not touched.
CREATE FUNCTION pg_temp.give_up(lead text, sequence text) RETURNS SETOF boolean LANGUAGE sql AS $$
	SELECT kam.kam_cancel_held(q.lead_id, q.event_id) FROM kam.held_queue q WHERE q.lead_id = lead AND q.sequence_id = sequence ORDER BY q.event_id
$$;
SELECT pg_temp.give_up('enr-1', 'S2');
SELECT * FROM pg_temp.cadence('enr-1');
SELECT * FROM pg_temp.queue('enr-1');
SELECT * FROM pg_temp.log('enr-1');
-- Once only, and only what waits.
SELECT kam.kam_cancel_held(lead_id, event_id) FROM kam.CadenceQueue WHERE lead_id = 'enr-1' AND sequence_id = 'S2';
SELECT kam.kam_cancel_held('enr-1', min(event_id)) FROM kam.CadenceEventLog WHERE lead_id = 'enr-1';
SELECT kam.kam_cancel_held('enr-none', 1), kam.kam_cancel_held(NULL, 1), kam.kam_cancel_held('enr-1', NULL);
-- A held touch: its enrolment goes on, and who comes after it moves up.
SELECT pg_temp.ask('enr-1', 'outbound', 'touch', 'S', i) FROM generate_series(1, 5) i;
SELECT step, position, next_allowed_at FROM kam.held_queue WHERE lead_id = 'enr-1' AND kind = 'held' ORDER BY position;
SELECT kam.kam_cancel_held(lead_id, event_id) FROM kam.held_queue WHERE lead_id = 'enr-1' AND step = 4;
SELECT step, position, next_allowed_at FROM kam.held_queue WHERE lead_id = 'enr-1' AND kind = 'held' ORDER BY position;
SELECT * FROM pg_temp.cadence('enr-1');
SELECT pg_temp.state_is_true('enr-%');
-- What is paused by a conflict stays so when its resume is given up.
SELECT coordinator_action FROM kam.kam_enrol('enr-4', 'nurture', '[]', 'AGT-304', 'N');
SELECT coordinator_action FROM kam.kam_enrol('enr-4', 'outbound', '[]', 'AGT-301', 'S');
SELECT * FROM pg_temp.queue('enr-4');
SELECT pg_temp.give_up('enr-4', 'N');
SELECT * FROM pg_temp.cadence('enr-4');
SELECT pg_temp.ask('enr-4', 'outbound', 'stop', 'S');
SELECT * FROM pg_temp.cadence('enr-4');
SELECT pg_temp.state_is_true('enr-%');

DELETE FROM kam.Leads WHERE lead_id LIKE 'enr-%';
DELETE FROM kam.Accounts WHERE account_id LIKE 'enr-%';
