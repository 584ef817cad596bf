\set ECHO none
-- What the tests of the Coordinator need.  Included by each after helpers.sql.
SET client_min_messages = warning;
SET timezone = 'UTC';
SET intervalstyle = 'postgres';

-- The clock stands where it is put, so that every time in a verdict is known.
CREATE FUNCTION pg_temp.at(moment text) RETURNS void LANGUAGE sql AS $$ SELECT set_config('kam.clock', moment, false) IS NULL $$;

CREATE FUNCTION pg_temp.verdict(action text, reason text, resolution text, release_at timestamptz, touches integer) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', action, reason, resolution, 'until ' || to_char(release_at, 'MM-DD HH24:MI:SS.US'), 'after ' || nullif(touches, 0))
$$;

-- Asks, and says what came of it.  kam_gate is asked first and has to have said the same, and to have done nothing.
CREATE FUNCTION pg_temp.ask(lead_id text, sequence_type text, event_type text DEFAULT 'touch', sequence_id text DEFAULT NULL,
	step integer DEFAULT NULL, payload jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	before kam.gate_verdict := kam.kam_gate(lead_id, sequence_type, event_type, sequence_id);
	e kam.CadenceEventLog;
	foretold text;
	said text;
BEGIN
	INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel, payload)
	VALUES (lead_id, sequence_type, event_type, sequence_id, step, 'email', payload) RETURNING * INTO e;
	said := pg_temp.verdict(e.coordinator_action, e.suppressed_reason, e.resolution, e.release_at, e.touch_cap_at_event) || coalesce(' ' || nullif(e.compliance_status, 'clear'), '');
	foretold := pg_temp.verdict(before.coordinator_action, before.suppressed_reason, before.resolution, before.release_at, before.touch_count)
		|| coalesce(' ' || nullif(before.compliance_status, 'clear'), '');
	-- kam_gate knows neither step nor priority.
	IF (foretold, before.allowed, before.gate IS NULL) IS DISTINCT FROM (said, e.coordinator_action = 'executed', e.coordinator_action = 'executed')
	   AND e.resolution IS DISTINCT FROM 'step_repeated' AND NOT coalesce(payload ? 'priority', false) THEN
		said := format('%s, BUT kam_gate had said %s at gate %s', said, foretold, before.gate);
	END IF;
	RETURN said;
END
$$;

-- Tells a fact.
CREATE FUNCTION pg_temp.tell(lead_id text, event_type text, sequence_id text DEFAULT NULL, payload jsonb DEFAULT NULL,
	sequence_type text DEFAULT NULL, occurred_at timestamptz DEFAULT NULL, parent_event_id bigint DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	e kam.CadenceEventLog;
BEGIN
	INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, payload, occurred_at, parent_event_id)
	VALUES (lead_id, sequence_type, event_type, sequence_id, payload, occurred_at, parent_event_id) RETURNING * INTO e;
	RETURN pg_temp.verdict(e.coordinator_action, e.suppressed_reason, e.resolution, e.release_at, e.touch_cap_at_event)
		|| coalesce(' ' || nullif(e.compliance_status, 'clear'), '');
END
$$;

CREATE TEMP VIEW enrolment AS
	SELECT c.lead_id, c.sequence_id AS sequence, c.enrolment_no AS no, c.sequence_type AS type, c.state, coalesce(c.paused_reason, c.end_reason) AS why, c.current_step AS step
	  FROM kam.Cadence c ORDER BY c.lead_id COLLATE "C", c.created_at, c.sequence_id COLLATE "C", c.enrolment_no;
CREATE TEMP VIEW queue AS
	SELECT q.lead_id, q.kind, e.requested_event_type AS asked, q.sequence_id AS sequence, e.step, q.reason, to_char(q.release_at, 'MM-DD HH24:MI:SS.US') AS release_at,
	       to_char(q.expires_at, 'MM-DD HH24:MI:SS') AS expires_at, q.state, q.end_reason
	  FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e USING (lead_id, event_id) ORDER BY q.lead_id COLLATE "C", q.event_id;
CREATE TEMP VIEW lead AS
	SELECT l.lead_id, l.cadence_state, l.active_sequence_id AS active, l.current_step AS step, to_char(l.last_touch_at, 'MM-DD HH24:MI:SS.US') AS last_touch_at
	  FROM kam.Leads l ORDER BY l.lead_id COLLATE "C";
-- What the state says, and whether it is what the tables say.  "holding" may be out of date on the safe side.
CREATE TEMP VIEW state AS
	SELECT s.lead_id, s.touch_no, cardinality(s.touches) AS touches, s.sales_sequence AS sales, s.marketing_sequence AS marketing, s.holding,
	       to_jsonb(s) - 'last_at' - 'holding' = to_jsonb(d) - 'last_at' - 'holding' AND s.holding >= d.holding AS derived_alike
	  FROM kam.prospect_state s CROSS JOIN LATERAL kam._derive_state(s.lead_id) d ORDER BY s.lead_id COLLATE "C";
RESET client_min_messages;
\set ECHO all
