-- suppression_audit, touch_headroom, held_queue, sequence_outcomes and kam_why: what people see of the Coordinator.
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
INSERT INTO kam.Accounts (account_id, icp_tier, abm_active) VALUES ('vie-a', 'T1', false), ('vie-abm', 'T2', true), ('vie-3', 'T3', false);
INSERT INTO kam.Leads (lead_id, account_id, email, owner_id) VALUES
	('vie-1', 'vie-a', 'vie1@x.example', 'rep'), ('vie-2', 'vie-a', 'vie2@x.example', 'rep'), ('vie-3', 'vie-abm', 'vie3@x.example', 'rep'),
	('vie-4', 'vie-3', 'vie4@x.example', 'rep'), ('vie-5', 'vie-a', 'vie5@x.example', 'rep'), ('vie-6', 'vie-a', NULL, NULL);
INSERT INTO kam.BrainAnalysisLog (proposal_id) VALUES ('vie-proposal');
INSERT INTO kam.SalesPlayLibrary (play_id, state, originating_proposal_id) VALUES ('vie-play', 'active', 'vie-proposal');
INSERT INTO kam.Suppression (address, source, reason, created_by) VALUES ('vie5@x.example', 'import', 'asked in 2024', 'crm');

-- One of each refusal; what waits is later released, cancelled, expired, or still waits.
SELECT coordinator_action FROM kam.kam_enrol('vie-1', 'play', '[{"day": 0, "channel": "email"}]', 'AGT-302', 'vie-P', 'vie-play');
SELECT pg_temp.ask('vie-1', 'play', 'touch', 'vie-P', i) FROM generate_series(1, 6) i;
SELECT pg_temp.ask('vie-1', 'nurture', 'activation', 'vie-N'), pg_temp.ask('vie-1', 'play', 'touch', 'vie-P', 1);
SELECT pg_temp.ask('vie-2', 'newsletter', 'activation', 'vie-N');
SELECT pg_temp.ask('vie-3', 'nurture', 'activation', 'vie-N');
SELECT pg_temp.ask('vie-4', 'outbound', 'activation', 'vie-S');
SELECT pg_temp.ask('vie-5', 'outbound', 'activation', 'vie-S');
SELECT pg_temp.clock('2026-03-03 10:00+01') IS NULL AS nothing \gset
SELECT kam.kam_cancel_held(lead_id, event_id) FROM kam.held_queue WHERE lead_id = 'vie-1' AND step = 5;
SELECT pg_temp.clock('2026-03-09 10:00+01') IS NULL AS nothing \gset
SELECT kam._release(lead_id, event_id) FROM kam.held_queue WHERE lead_id = 'vie-1' AND step = 4;

SELECT position, kind, step, sequence_type, reason, next_allowed_at, rounds, expires_at, requested_event_type, originating_agent, play_id, parked
  FROM kam.held_queue WHERE lead_id LIKE 'vie-%' ORDER BY lead_id, kind, position;
SELECT a.lead_id, a.step, a.event_type, a.requested_event_type AS requested, a.gate, a.suppressed_reason, a.resolution, a.outcome, a.outcome_reason, a.outcome_at,
       r.event_type AS released, a.next_allowed_at
  FROM kam.suppression_audit a LEFT JOIN kam.CadenceEventLog r ON r.lead_id = a.lead_id AND r.event_id = a.released_event_id
 WHERE a.lead_id LIKE 'vie-%' ORDER BY a.lead_id, a.event_id;
SELECT lead_id, originating_agent, play_id, originating_proposal_id, compliance_status, touch_count
  FROM kam.suppression_audit WHERE lead_id LIKE 'vie-%' AND gate IN (1, 3) ORDER BY lead_id, event_id;
SELECT * FROM kam.touch_headroom WHERE lead_id LIKE 'vie-%' ORDER BY lead_id;
-- To the microsecond: the window is half-open.
SELECT pg_temp.clock('2026-03-16 09:59:59.999999+01') IS NULL AS nothing \gset
SELECT touch_count, remaining, next_slot_at FROM kam.touch_headroom WHERE lead_id = 'vie-1';
SELECT pg_temp.clock('2026-03-16 10:00:00+01') IS NULL AS nothing \gset
SELECT touch_count, remaining, next_slot_at FROM kam.touch_headroom WHERE lead_id = 'vie-1';

-- How sequences fare.
SELECT pg_temp.ask('vie-2', NULL, 'reply', 'vie-N'), pg_temp.ask('vie-2', NULL, 'meeting_booked', 'vie-N');
SELECT sequence_type, sequence_id, play_id, originating_proposal_id, enrolments, active, paused, queued, finished, finished_by
  FROM kam.sequence_outcomes WHERE sequence_id IN ('vie-P', 'vie-N', 'vie-S') ORDER BY 1, 2, 3;
SELECT sequence_type, sequence_id, touches, held, deferred, blocked, suppressed_by, replies, meetings, reply_rate
  FROM kam.sequence_outcomes WHERE sequence_id IN ('vie-P', 'vie-N', 'vie-S') ORDER BY 1, 2, play_id;

-- Why.
SELECT pg_temp.clock('2026-03-09 10:30+01') IS NULL AS nothing \gset
SELECT jsonb_object_keys(kam.kam_why('vie-1')) AS key ORDER BY 1;
CREATE FUNCTION pg_temp.bare_ids(j jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT regexp_replace(j::text, '"(parent_)?event_id": \d+, |, "(parent_)?event_id": \d+(?=})', '', 'g')::jsonb
$$;
SELECT jsonb_pretty(pg_temp.bare_ids(kam.kam_why('vie-1') - '{events,gate,story,now,story_omitted}'::text[]));
SELECT x.* FROM jsonb_to_recordset(kam.kam_why('vie-1') -> 'events') x (at timestamptz, event_type text, coordinator_action text, suppressed_reason text, resolution text, step integer);
SELECT g.key, v.* FROM jsonb_each(kam.kam_why('vie-1') -> 'gate') g,
       jsonb_to_record(g.value) v (allowed boolean, gate integer, sequence_type text, suppressed_reason text, resolution text, touch_count integer, release_at timestamptz)
 ORDER BY 1;
SELECT jsonb_path_query_array(kam.kam_why('vie-1'), '$.gate.sales_touch.refusing[*].name') AS sales_touch,
       jsonb_path_query_array(kam.kam_why('vie-4'), '$.gate.sales_activation.refusing[*].name') AS t3;
-- A suppressed lead: by what, since when, from where.
SELECT kam.kam_why('vie-5') -> 'suppressions' AS suppressions, kam.kam_why('vie-5') #> '{gate,marketing_touch,compliance_status}' AS compliance;
-- By an alias; a lead of which only the log is left; none at all.
SELECT kam.kam_merge_leads('vie-2', 'vie-6') > 0 AS merged;
SELECT w -> 'lead_id' AS lead_id, w -> 'merged_from' AS merged_from, jsonb_array_length(w -> 'events') AS events FROM kam.kam_why('vie-2') w;
DELETE FROM kam.Leads WHERE lead_id = 'vie-5';
SELECT w -> 'known' AS known, w -> 'gate' AS gate, jsonb_array_length(w -> 'events') AS events FROM kam.kam_why('vie-5') w;
SELECT pg_temp.refused('SELECT kam.kam_why(''vie-none'')');
SELECT pg_temp.refused('SELECT kam.kam_why(NULL)');

-- Whoever may read sees all of it.
CREATE ROLE regress_auditor IN ROLE kam_read;
SET ROLE regress_auditor;
SELECT count(*) > 0 AS audit FROM kam.suppression_audit WHERE lead_id = 'vie-1';
SELECT count(*) AS headroom FROM kam.touch_headroom WHERE lead_id = 'vie-1';
SELECT count(*) AS held FROM kam.held_queue WHERE lead_id = 'vie-1';
SELECT count(*) > 0 AS outcomes FROM kam.sequence_outcomes WHERE sequence_id = 'vie-P';
SELECT kam.kam_why('vie-1') ->> 'lead_id' AS why;
SELECT pg_temp.refused('SELECT kam.kam_request(''vie-1'', ''outbound'', ''touch'')');
RESET ROLE;
DROP ROLE regress_auditor;

DELETE FROM kam.Leads WHERE lead_id LIKE 'vie-%';
DELETE FROM kam.lead_alias WHERE lead_id LIKE 'vie-%';
DELETE FROM kam.Accounts WHERE account_id LIKE 'vie-%';
DELETE FROM kam.Suppression WHERE address LIKE 'vie%';
