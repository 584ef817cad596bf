-- kam_run and kam_wait: asking for a decision and getting it.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'Europe/Paris';
SELECT pg_temp.example('10_meeting_scheduled_fr') AS c \gset

-- The answer has exactly three keys, and comes at once.
SELECT jsonb_object_keys(r) AS key, jsonb_typeof(r -> jsonb_object_keys(r)) AS type
  FROM kam.kam_run(:'c', '{"idempotency_key": "first", "as_of": "2026-03-11T10:00:00+01:00", "lead_id": "L-1", "priority": 3}') r ORDER BY key;
-- The same key answers with the same session, whatever else is asked.
SELECT kam.kam_run(:'c', '{"idempotency_key": "first"}') ->> 'session_id' AS first \gset
SELECT kam.kam_run(pg_temp.contact(), '{"idempotency_key": "first", "priority": 9}') ->> 'session_id' = :'first' AS same_session;
SELECT kam.kam_run(:'c', '{"idempotency_key": "First"}') ->> 'session_id' <> :'first' AS other_session;
SELECT lead_id, priority, as_of, options, contact = :'c' AS whole_contact FROM kam.request WHERE session_id = :'first';
SELECT (kam.kam_run(:'c', '{"idempotency_key": "first"}') ->> 'started_at')::timestamptz = date_trunc('second', created_at) AS when_it_was_asked
  FROM kam.request WHERE session_id = :'first';

-- Waiting for it: every stage is told, then the decision.
CALL kam.kam_wait(:'first') \gset
SELECT :'decision'::jsonb -> 'final_decision' = kam.kam_decide(:'c', '2026-03-11 10:00+01') -> 'final_decision' AS same_decision,
       :'decision'::jsonb #>> '{metadata,session_id}' = :'first' AS own_session;
SELECT action, selected_channel, contact_hubspot_id, owner_name, linkedin_url, type_of_validation, decision = :'decision'::jsonb AS same
  FROM kam.final_decision WHERE session_id = :'first';
SELECT status, iteration, error, finished_at IS NOT NULL AS finished FROM kam.request WHERE session_id = :'first';
SELECT call_no, agent, iteration, attempt, provider, model, status FROM kam.agent_call WHERE session_id = :'first' ORDER BY call_no;
SELECT status, iterations, calls, cost_usd, input_tokens FROM kam.workflow_run WHERE session_id = :'first';
SELECT verdict, overall_score BETWEEN 0 AND 10 AS scored FROM kam.decision_evaluation WHERE session_id = :'first';
SELECT final_decision = :'decision'::jsonb AS same FROM kam.n8n_orchestrator_synthesis WHERE session_id = :'first';

-- As of the clock, when nothing else is said.
SET kam.clock = '2026-03-11T10:00:00+01:00';
SELECT r ->> 'session_id' AS clocked, (r ->> 'started_at')::timestamptz AS started_at FROM kam.kam_run(:'c', '{"idempotency_key": "clock"}') r \gset
SELECT :'started_at' AS started_at, as_of, created_at FROM kam.request WHERE session_id = :'clocked';
RESET kam.clock;

-- Options that are none.
SELECT options, pg_temp.refused(format('SELECT kam.kam_run(pg_temp.contact(), %L)', options)) FROM (VALUES
	('[]'), ('"x"'), ('{"prioritty": 1}'), ('{"priority": "high"}'), ('{"priority": 1.5}'), ('{"priority": 3000000000}'), ('{"as_of": "tomorrow"}'),
	('{"as_of": 20260310}'), ('{"idempotency_key": ""}'), ('{"idempotency_key": 7}'), ('{"lead_id": {}}'), ('{"lead_id": ""}'), ('{"rerun": "yes"}')) AS t (options);
SELECT pg_temp.refused(format('SELECT kam.kam_run(pg_temp.contact(), jsonb_build_object(''idempotency_key'', %L))', repeat('k', 1001)));
SELECT pg_temp.refused('SELECT kam.kam_run(NULL)');
SELECT count(*) AS null_is_absent FROM kam.kam_run(pg_temp.contact(), '{"priority": null, "as_of": null, "idempotency_key": null, "lead_id": null, "rerun": null}');
SELECT count(*) AS no_options FROM kam.kam_run(pg_temp.contact(), NULL);

-- Straight into the table: runs as well; what cannot be read fails alone, with its reason on its row.
INSERT INTO kam.request (session_id, contact, as_of) VALUES
	('00000000-0000-4000-8000-000000000001', :'c', '2026-03-11 10:00+01'),
	('00000000-0000-4000-8000-000000000002', '{"contact_info": {}, "activities": [{"activity_type": "email", "recorded_on": "soon"}]}', NULL),
	('00000000-0000-4000-8000-000000000003', '[1, 2]', NULL),
	('00000000-0000-4000-8000-000000000004', :'c', '2026-03-11 10:00+01');
SET client_min_messages = warning;
CALL kam.kam_wait('00000000-0000-4000-8000-000000000001') \gset
CALL kam.kam_wait('00000000-0000-4000-8000-000000000004') \gset
CALL kam.kam_wait('00000000-0000-4000-8000-000000000002');
\echo :LAST_ERROR_SQLSTATE
CALL kam.kam_wait('00000000-0000-4000-8000-000000000003');
\echo :LAST_ERROR_SQLSTATE
SELECT session_id, status, sqlstate, error FROM kam.request WHERE session_id::text LIKE '%-00000000000_' ORDER BY session_id;
SELECT session_id, action FROM kam.final_decision WHERE session_id::text LIKE '%-00000000000_' ORDER BY session_id;
SELECT statement, split_part(pg_temp.refused('INSERT INTO kam.request ' || statement), E'\n', 1) AS refused FROM (VALUES
	($$(contact, options) VALUES ('{}', '[]')$$), ($$(contact, status) VALUES ('{}', 'thinking')$$), ($$(contact, status) VALUES ('{}', 'judged')$$),
	($$(contact, status, finished_at) VALUES ('{}', 'failed', now())$$), ($$(contact, iteration) VALUES ('{}', 4)$$),
	($$(contact, lease_owner) VALUES ('{}', 1)$$), ($$(contact) VALUES (NULL)$$)) AS t (statement);

-- kam_wait cannot wait where it would never see the answer.
BEGIN;
CALL kam.kam_wait(:'first');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
CALL kam.kam_wait('00000000-0000-4000-8000-00000000dead');
\echo :LAST_ERROR_SQLSTATE
CALL kam.kam_wait(NULL);
\echo :LAST_ERROR_SQLSTATE
-- One that cannot be finished in time, since it is not to be taken before tomorrow.
INSERT INTO kam.request (session_id, contact, next_attempt_at) VALUES ('00000000-0000-4000-8000-000000000005', :'c', clock_timestamp() + interval '1 day');
CALL kam.kam_wait('00000000-0000-4000-8000-000000000005', timeout => '20 ms');
\echo :LAST_ERROR_SQLSTATE
SELECT kam.kam_cancel('00000000-0000-4000-8000-000000000005');
CALL kam.kam_wait('00000000-0000-4000-8000-000000000005');
\echo :LAST_ERROR_SQLSTATE
-- When only the judgement failed, the decision stands.
INSERT INTO kam.request (session_id, contact, status, error, finished_at) VALUES ('00000000-0000-4000-8000-000000000006', :'c', 'failed', 'the judge is ill', now());
INSERT INTO kam.final_decision (session_id, decision, action) VALUES ('00000000-0000-4000-8000-000000000006', '{"x": 1}', 'wait');
CALL kam.kam_wait('00000000-0000-4000-8000-000000000006');
-- From a procedural block outside a transaction it works too.
DO $$
DECLARE
	session uuid := (kam.kam_run(pg_temp.contact(), '{"idempotency_key": "block", "as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id')::uuid;
	decision jsonb;
BEGIN
	COMMIT;
	CALL kam.kam_wait(session, decision);
	RAISE WARNING 'decided: %', decision IS NOT NULL;
END
$$;

-- Many in one transaction: all are decided, those of higher priority first.
CREATE TEMP TABLE asked AS
	SELECT (kam.kam_run(pg_temp.example('20_sparse_email_only'), jsonb_build_object('priority', n % 5, 'as_of', '2026-03-11T10:00:00+01:00')) ->> 'session_id')::uuid AS session_id
	  FROM generate_series(1, 300) n;
DO $$
DECLARE
	next uuid;
	decision jsonb;
BEGIN
	FOR next IN SELECT session_id FROM asked LOOP
		CALL kam.kam_wait(next, decision);
	END LOOP;
END
$$;
SELECT count(*) AS decided, count(DISTINCT f.action) AS actions FROM asked JOIN kam.final_decision f USING (session_id);
SELECT count(*) AS overtaken FROM (
	SELECT r.priority, max(r.priority) OVER (ORDER BY r.started_at DESC, r.priority ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS later
	  FROM asked JOIN kam.request r USING (session_id)) t WHERE later > priority;
SELECT agent_calls, count(*) AS runs FROM asked, LATERAL (SELECT count(*) FROM kam.agent_call c WHERE c.session_id = asked.session_id) n (agent_calls) GROUP BY 1;
