-- kam_cost: what calls cost, by day, agent, model and owner, from the calls or from what stays of them.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET client_min_messages = warning;
SELECT pg_temp.example('10_meeting_scheduled_fr') AS c \gset

BEGIN;
-- The worker of this server stays out of it.
LOCK TABLE kam.cost_day IN SHARE ROW EXCLUSIVE MODE;
DELETE FROM kam._cost_closed;
-- Two runs of ten days ago, one of today, one that failed and has no decision; a run of the built-in agents does not count.
INSERT INTO kam.request (session_id, contact, status, finished_at, error)
SELECT ('00000000-0000-4000-8000-0000000000c' || n)::uuid, jsonb_set(:'c', '{contact_info,owner}', to_jsonb(o)), s, now(), CASE s WHEN 'failed' THEN 'x' END
  FROM (VALUES (1, 'Alice'::text, 'judged'), (2, 'Bob', 'judged'), (3, 'Alice', 'judged'), (4, 'Chloe', 'failed'), (5, 'Bob', 'judged')) v (n, o, s);
INSERT INTO kam.final_decision (session_id, decision, action, owner_name)
SELECT session_id, '{}', 'wait', contact #>> '{contact_info,owner}' FROM kam.request WHERE session_id::text LIKE '%c_' AND status = 'judged';
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, attempt, provider, model, prompt_version, status, output, error, error_class, input_tokens, output_tokens,
	cache_read_tokens, cache_write_tokens, cost_usd, reserved_usd, sent_on, finished_at)
SELECT ('00000000-0000-4000-8000-0000000000c' || r)::uuid, n, a, 1, n, p, m, 1, s, CASE s WHEN 'succeeded' THEN '{}'::jsonb END, CASE s WHEN 'failed' THEN 'x' END,
       CASE s WHEN 'failed' THEN 'overloaded' END, i, o, cr, cw, c, v, current_date - d, now()
  FROM (VALUES
	(1, 1, 'state_analyzer', 'anthropic', 'small', 'succeeded', 100, 10, 1000, 0, 0.01, 0, 10),
	(1, 2, 'state_analyzer', 'anthropic', 'small', 'failed', 0, 5, 0, 1100, 0.02, 0, 10),
	(1, 3, 'synthesis_orchestrator', 'openai', 'large', 'succeeded', 500, 50, 0, 0, 0.10, 0, 10),
	(2, 1, 'state_analyzer', 'anthropic', 'small', 'succeeded', 100, 10, 0, 1000, 0.03, 0, 10),
	-- over midnight: the run counts on the first day
	(2, 2, 'synthesis_orchestrator', 'openai', 'large', 'in_doubt', 0, 0, 0, 0, 0, 0.4, 9),
	(3, 2, 'state_analyzer', 'anthropic', 'small', 'succeeded', 100, 10, 1000, 0, 0.01, 0, 0),
	(4, 1, 'state_analyzer', 'anthropic', 'small', 'failed', 100, 0, 0, 0, 0.005, 0, 0),
	(3, 1, 'timing_strategist', 'builtin', 'builtin', 'succeeded', 0, 0, 0, 0, 0, 0, NULL),
	(5, 1, 'timing_strategist', 'builtin', 'builtin', 'succeeded', 0, 0, 0, 0, 0, 0, NULL)) x (r, n, a, p, m, s, i, o, cr, cw, c, v, d);

-- A replay: a run that comes to no decision.
INSERT INTO kam.request (session_id, contact, status, finished_at, replay_of)
VALUES ('00000000-0000-4000-8000-0000000000c6', jsonb_set(:'c', '{contact_info,owner}', '"Alice"'), 'judged', now(), '00000000-0000-4000-8000-0000000000c3');
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, provider, model, prompt_version, status, output, input_tokens, output_tokens, cost_usd, sent_on, finished_at)
VALUES ('00000000-0000-4000-8000-0000000000c6', 1, 'state_analyzer', 1, 'anthropic', 'small', 1, 'succeeded', '{}', 1000, 10, 0.07, current_date, now());

CREATE TEMP VIEW report AS
SELECT current_date - day AS days_ago, agent, provider, model, owner, runs, decisions, calls, failed, input_tokens AS input, output_tokens AS output, cache_read_tokens AS read,
       cache_write_tokens AS written, cost_usd, failed_usd, reserved_usd, replay_usd FROM kam.kam_cost;
CREATE TEMP TABLE before AS SELECT * FROM report;
GRANT SELECT ON report TO kam_read;
SET ROLE kam_read;
SELECT * FROM report ORDER BY 1 DESC, 2, 3, 4, 5;
SELECT owner, sum(cost_usd) AS usd, sum(cost_usd - replay_usd) / nullif(sum(decisions), 0) AS usd_per_decision FROM kam.kam_cost GROUP BY owner ORDER BY owner;
RESET ROLE;

-- Days that are over are added up one by one, once.
SELECT kam._close_costs() AS first, kam._close_costs() AS second, kam._close_costs() AS third;
SELECT current_date - day AS days_ago, sum(cost_usd) AS usd FROM kam.cost_day GROUP BY 1 ORDER BY 1 DESC;
(TABLE report EXCEPT TABLE before) UNION ALL (TABLE before EXCEPT TABLE report);

-- All runs at once: the same.
SAVEPOINT truncated;
SET LOCAL client_min_messages = warning;
TRUNCATE kam.request CASCADE;
SELECT count(*) FROM kam.agent_call;
(TABLE report EXCEPT TABLE before) UNION ALL (TABLE before EXCEPT TABLE report);
ROLLBACK TO truncated;
TRUNCATE kam.agent_call;
(TABLE report EXCEPT TABLE before) UNION ALL (TABLE before EXCEPT TABLE report);
ROLLBACK TO truncated;

-- Runs that are deleted, of days that are over and of today: what they cost stays.
DELETE FROM kam.request WHERE session_id::text LIKE '%c_';
SELECT count(*) FROM kam.agent_call WHERE session_id::text LIKE '%c_';
(TABLE report EXCEPT TABLE before) UNION ALL (TABLE before EXCEPT TABLE report);
ROLLBACK;
