-- Budgets: what a row may say, who may write it, what it counts, and what a change sets going.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET client_min_messages = warning;
SELECT pg_temp.example('10_meeting_scheduled_fr') AS c \gset

-- What a row may say.
\set SHOW_CONTEXT never
INSERT INTO kam.budget (budget, limit_usd) VALUES ('Daily!', 20);
INSERT INTO kam.budget (budget, limit_usd, scope) VALUES ('daily', 20, 'week');
INSERT INTO kam.budget (budget, limit_usd, scope) VALUES ('daily', 20, 'provider-day');
INSERT INTO kam.budget (budget, limit_usd, provider) VALUES ('daily', 20, 'anthropic');
INSERT INTO kam.budget (budget, limit_usd) VALUES ('daily', -1);
INSERT INTO kam.budget (budget, limit_usd) VALUES ('daily', 'NaN');
INSERT INTO kam.budget (budget, limit_usd) VALUES ('daily', NULL);
INSERT INTO kam.budget (budget, limit_usd, alert_at) VALUES ('daily', 20, 80);
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse
-- Who may write it.
SET ROLE kam_read;
INSERT INTO kam.budget (budget, limit_usd) VALUES ('daily', 20);
RESET ROLE;
SET ROLE kam_submit;
SELECT count(*) FROM kam.budget;
RESET ROLE;
\set VERBOSITY default

BEGIN;
-- One day for all, whatever the hour.
SET LOCAL kam.default_timezone = 'UTC';
SET LOCAL timezone = 'UTC';
-- Calls of today, by two providers, one under way and one in doubt; and one of the built-in agents.
INSERT INTO kam.request (session_id, contact, as_of, status, iteration, lease_owner, lease_until, started_at)
VALUES ('00000000-0000-4000-8000-0000000000b3', :'c', '2026-03-11 10:00+01', 'wave1', 1, 0, now() + interval '1 min', now());
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, provider, model, prompt_version, status, output, error, cost_usd, reserved_usd, sent_on, finished_at)
SELECT '00000000-0000-4000-8000-0000000000b3', n, a, 1, p, 'm', 1, s, CASE s WHEN 'succeeded' THEN '{}'::jsonb END, CASE s WHEN 'failed' THEN 'x' END, c, r,
       CASE WHEN p <> 'builtin' THEN current_date END, now()
  FROM (VALUES (1, 'state_analyzer', 'anthropic', 'succeeded', 1.25, 0), (2, 'timing_strategist', 'openai', 'failed', 0.5, 0), (3, 'opportunity_detector', 'openai', 'sending', 0, 0.75),
               (4, 'channel_selector', 'anthropic', 'in_doubt', 0, 0.25), (5, 'wave1_evaluator', 'builtin', 'succeeded', 0, 0)) v (n, a, p, s, c, r);
-- Runs that wait: for a budget, and for a person.
INSERT INTO kam.request (session_id, contact, status, next_attempt_at, sqlstate, error) VALUES
	('00000000-0000-4000-8000-0000000000b4', :'c', 'queued', now() + interval '1 hour', '53400', 'waits: budget ''daily'' of 20.00 USD has no room'),
	('00000000-0000-4000-8000-0000000000b5', :'c', 'queued', 'infinity', '53400', 'held');
SELECT right(session_id::text, 2) AS run, status, note FROM kam.kam_progress WHERE session_id::text LIKE '%b_' ORDER BY 1;

-- A budget that comes later counts them; an administrator makes it.
SET ROLE kam_admin;
INSERT INTO kam.budget (budget, limit_usd) VALUES ('daily', 2);
INSERT INTO kam.budget (budget, scope, provider, limit_usd, alert_at) VALUES ('openai', 'provider-day', 'openai', 10, 0.05), ('typo', 'provider-day', 'openay', 10, 1);
INSERT INTO kam.budget (budget, scope, limit_usd) VALUES ('each', 'run', 0.5);
RESET ROLE;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT budget, scope, provider, limit_usd, alert_at, enabled, changed_at >= created_at AS dated FROM kam.budget ORDER BY 1;
SELECT budget, day = current_date AS today, spent_usd, reserved_usd, alerted_at FROM kam.budget_spend ORDER BY 1;

-- Who waits for a budget looks again, who waits for a person does not.
SELECT right(session_id::text, 2) AS run, next_attempt_at FROM kam.request WHERE session_id::text LIKE '%b_' ORDER BY 1;

-- What it counts follows the row.
UPDATE kam.budget SET scope = 'provider-day', provider = 'anthropic' WHERE budget = 'daily';
SELECT budget, spent_usd, reserved_usd FROM kam.budget_spend ORDER BY 1;
UPDATE kam.budget SET budget = 'claude' WHERE budget = 'daily';
SELECT budget, spent_usd FROM kam.budget_spend ORDER BY 1;
SELECT item, state, regexp_replace(detail, '\d{4}-\d\d-\d\d', 'today') AS detail, hint FROM kam.kam_health() WHERE item LIKE 'budget%' ORDER BY 1;
-- One too small for any call has spent nothing, and holds all.
INSERT INTO kam.budget (budget, limit_usd) VALUES ('none', 0), ('tiny', 0.01);
UPDATE kam.budget_spend SET spent_usd = 0, reserved_usd = 0, alerted_at = CASE budget WHEN 'tiny' THEN now() END WHERE budget IN ('none', 'tiny');
SELECT item, regexp_replace(detail, '\d{4}-\d\d-\d\d', 'today') AS detail FROM kam.kam_health() WHERE item IN ('budget none', 'budget tiny');
DELETE FROM kam.budget WHERE budget IN ('none', 'tiny');
DELETE FROM kam.budget WHERE budget = 'claude';
SELECT count(*) FROM kam.budget_spend WHERE budget = 'claude';

-- What runs had cost that were deleted meanwhile is spent all the same.
SAVEPOINT deleted;
DELETE FROM kam.request WHERE session_id = '00000000-0000-4000-8000-0000000000b3';
INSERT INTO kam.budget (budget, limit_usd) VALUES ('late', 2);
SELECT budget, spent_usd, reserved_usd FROM kam.budget_spend WHERE budget = 'late';
ROLLBACK TO deleted;

-- A restore counts anew.
UPDATE kam.budget_spend SET spent_usd = 0;
SELECT kam.kam_resume() >= 0 AS resumed;
SELECT budget, spent_usd, reserved_usd FROM kam.budget_spend ORDER BY 1;
ROLLBACK;
