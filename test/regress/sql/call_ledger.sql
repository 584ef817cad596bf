-- Calls whose answers were lost, runs that are held because of them, and calls under the names that telemetry knows.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET client_min_messages = warning;
SELECT pg_temp.example('10_meeting_scheduled_fr') AS c \gset
\set held '\'00000000-0000-4000-8000-0000000000b1\''
\set busy '\'00000000-0000-4000-8000-0000000000b2\''
-- Nothing of this is committed: no worker takes these runs.
BEGIN;
INSERT INTO kam.request (session_id, contact, as_of, status, iteration, next_attempt_at, error, created_at, started_at)
VALUES (:held, :'c', '2026-03-11 10:00+01', 'wave1', 1, 'infinity', 'call 2 of agent opportunity_detector is in doubt', now() - interval '1 hour', now() - interval '1 hour');
INSERT INTO kam.request (session_id, contact, as_of, status, iteration, lease_owner, lease_until, started_at)
VALUES (:busy, :'c', '2026-03-11 10:00+01', 'wave1', 1, 0, now() + interval '1 min', now());
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, attempt, provider, model, prompt_version, status, http_status, provider_request_id, stop_reason, output,
	response, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, latency_ms, first_byte_ms, error_class, error, request_sha256, started_at, finished_at)
VALUES
	(:held, 1, 'context_relationship_analyzer', 1, 1, 'anthropic', 'claude-sonnet-5-5', 1, 'succeeded', 200, 'req_1', 'end_turn', '{}', '{}',
	 10, 200, 3000, 400, 0.0031, 2500, 800, NULL, NULL, sha256('a'), '2026-03-11 10:00:00+01', '2026-03-11 10:00:02.5+01'),
	(:held, 2, 'opportunity_detector', 1, 1, 'anthropic', 'claude-sonnet-5-5', 1, 'in_doubt', NULL, NULL, NULL, NULL, NULL,
	 0, 0, 0, 0, 0, NULL, NULL, 'in_doubt', 'lost', sha256('b'), '2026-03-11 10:00:00+01', now()),
	(:held, 3, 'state_analyzer', 1, 1, 'anthropic', 'claude-sonnet-5-5', 1, 'failed', 529, 'req_3', NULL, NULL, NULL,
	 0, 0, 0, 0, 0, 300, 290, 'overloaded', 'busy', sha256('c'), '2026-03-11 10:00:00+01', '2026-03-11 10:00:00.3+01'),
	(:held, 4, 'timing_strategist', 1, 1, 'builtin', 'builtin', 1, 'succeeded', NULL, NULL, NULL, '{}', NULL,
	 0, 0, 0, 0, 0, 1, NULL, NULL, NULL, NULL, '2026-03-11 10:00:00+01', '2026-03-11 10:00:00.001+01'),
	(:busy, 1, 'state_analyzer', 1, 1, 'openai', 'gpt-6.1-terra', 1, 'sending', NULL, NULL, NULL, NULL, NULL,
	 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, sha256('d'), '2026-03-11 10:00:00+01', NULL),
	(:busy, 2, 'timing_strategist', 1, 1, 'openai', 'gpt-6.1-terra', 1, 'sending', NULL, NULL, NULL, NULL, NULL,
	 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, sha256('e'), '2026-03-11 10:00:00+01', NULL);

-- As people see it.
SELECT right(session_id::text, 2) AS run, status, eta IS NULL AS no_eta, note FROM kam.kam_progress WHERE session_id IN (:held, :busy) ORDER BY 1;
SELECT item, state, regexp_replace(detail, 'since [^:]*:..:..[^:]*:', 'since …:') AS detail, hint FROM kam.kam_health() WHERE item IN ('held runs', 'calls in doubt', 'slow runs') ORDER BY item;
SELECT jsonb_path_query_array(kam.kam_explain(:held), '$.calls[*]') @> '[{"call_no": 1, "stop_reason": "end_turn", "first_byte_ms": 800}, {"call_no": 3, "error_class": "overloaded"}]' AS explained;

-- As telemetry sees it.
SELECT * FROM kam.call_telemetry WHERE "kam.session_id" = :held AND "kam.call_no" = 1 \gx
SELECT "kam.call_no" AS n, span_name, span_status, end_time IS NULL AS open, "gen_ai.provider.name" AS provider, "error.type", "http.response.status_code" AS status, "gen_ai.usage.input_tokens" AS input,
       "gen_ai.client.operation.duration" AS seconds, "server.address"
  FROM kam.call_telemetry WHERE "kam.session_id" IN (:held, :busy) ORDER BY "kam.session_id", "kam.call_no";
SELECT count(DISTINCT span_id) AS spans, count(DISTINCT trace_id) AS traces, bool_and(span_id ~ '^[0-9a-f]{16}$' AND trace_id ~ '^[0-9a-f]{32}$') AS well_formed
  FROM kam.call_telemetry WHERE "kam.session_id" IN (:held, :busy);
SAVEPOINT addresses;
INSERT INTO kam.provider (provider, api, base_url) VALUES ('a', 'openai', 'https://res.openai.azure.com/openai/v1'), ('b', 'openai', 'http://[::1]:8080/v1'),
	('c', 'openai', 'https://api.openai.com.evil.example/v1'), ('d', 'openai', 'http://vllm:8000');
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, provider, model, prompt_version, status)
SELECT :busy, 10 + n, 'synthesis_orchestrator', n, p, 'm', 1, 'sending' FROM unnest('{a,b,c}'::text[]) WITH ORDINALITY u (p, n);
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, provider, model, prompt_version, status)
VALUES (:busy, 14, 'decision_evaluator', 1, 'd', 'm', 1, 'sending'), (:busy, 15, 'decision_evaluator', 2, 'gone', 'm', 1, 'sending');
SELECT "kam.provider", "gen_ai.provider.name", "server.address", "server.port" FROM kam.call_telemetry WHERE "kam.session_id" = :busy AND "kam.call_no" > 10 ORDER BY "kam.call_no";
ROLLBACK TO addresses;

-- A held run is taken up again: what is in doubt is asked again, what succeeded is not.
SAVEPOINT held;
SELECT kam.kam_retry(:held) AS taken_up, kam.kam_retry(:held) AS again, kam.kam_retry(:busy) AS one_that_runs;
SELECT status, next_attempt_at, error, attempts FROM kam.request WHERE session_id = :held;
SELECT call_no, status, error_class, error FROM kam.agent_call WHERE session_id = :held ORDER BY call_no;
ROLLBACK TO held;
-- Or ended.
SELECT kam.kam_cancel(:held) AS cancelled;
SELECT status, next_attempt_at FROM kam.request WHERE session_id = :held;
-- What is under way is broken off; nobody will learn the answer.
SELECT kam.kam_cancel(:busy) AS cancelled;
SELECT status, lease_owner FROM kam.request WHERE session_id = :busy;
SELECT call_no, status, finished_at IS NOT NULL AS over, error_class, error FROM kam.agent_call WHERE session_id = :busy ORDER BY call_no;
SELECT status, calls FROM kam.workflow_run WHERE session_id = :busy;
SELECT kam.kam_retry(:busy) AS taken_up;
SELECT call_no, status, error FROM kam.agent_call WHERE session_id = :busy ORDER BY call_no;
ROLLBACK;

-- What the rows may hold.
BEGIN;
INSERT INTO kam.request (session_id, contact, next_attempt_at) VALUES (:held, :'c', 'infinity');
PREPARE put AS INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, provider, model, prompt_version, status, output, finished_at, error_class, request_sha256, first_byte_ms)
VALUES (:held, 1, 'state_analyzer', 1, 'p', 'm', 1, $1, $2, now(), $3, $4, $5);
SELECT split_part(pg_temp.refused('EXECUTE put(''failed'', NULL, ''Rate limit!'', NULL, NULL)'), E'\n', 1) AS refused
UNION ALL SELECT split_part(pg_temp.refused('EXECUTE put(''failed'', NULL, NULL, ''short'', NULL)'), E'\n', 1)
UNION ALL SELECT split_part(pg_temp.refused('EXECUTE put(''failed'', NULL, NULL, NULL, -1)'), E'\n', 1)
UNION ALL SELECT split_part(pg_temp.refused('EXECUTE put(''succeeded'', NULL, NULL, NULL, NULL)'), E'\n', 1)
UNION ALL SELECT split_part(pg_temp.refused('EXECUTE put(''failed'', ''{}'', ''refusal'', sha256(''x''), 3)'), E'\n', 1)
UNION ALL SELECT split_part(pg_temp.refused('EXECUTE put(''failed'', NULL, ''refusal'', sha256(''x''), 3)'), E'\n', 1);
DEALLOCATE put;
-- What is in doubt is found by an index, and so is a recorded answer.
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT FROM kam.agent_call WHERE status = 'in_doubt' AND error_class = 'in_doubt';
EXPLAIN (COSTS OFF) SELECT output FROM kam.agent_call WHERE request_sha256 = sha256('x') AND status = 'succeeded';
ROLLBACK;
