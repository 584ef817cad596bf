-- kam_agreement: how far people agree with decisions.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SELECT * FROM (VALUES (0, 0), (0, 1), (1, 1), (5, 10), (81, 263), (30, 30)) v (hits, n), kam._wilson(hits, n);
BEGIN;
DELETE FROM kam.final_decision;
SELECT count(*) FROM kam.kam_agreement;
INSERT INTO kam.request (session_id, contact, as_of, status, finished_at)
SELECT md5('agreement ' || n)::uuid, pg_temp.contact(), '2026-03-11', 'judged', now() FROM generate_series(1, 40) n;
INSERT INTO kam.final_decision (session_id, decision, action, selected_channel, owner_name, type_of_validation, user_slack_message)
SELECT md5('agreement ' || n)::uuid, '{}', CASE WHEN n <= 32 THEN 'send_message' ELSE 'wait' END, CASE WHEN n <= 32 THEN 'EMAIL' END, CASE WHEN n % 2 = 0 THEN 'Jean Bert' END,
       CASE WHEN n <= 24 THEN 'approved' WHEN n <= 30 THEN 'edited' WHEN n <= 36 THEN 'rejected' WHEN n <= 38 THEN '' END, 'x' FROM generate_series(1, 40) n;
-- The first answer failed, the second was the model's; one run was asked with another version; the built-in agents have no prompt.
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, attempt, provider, model, prompt_version, status, output, finished_at, request_sha256)
SELECT md5('agreement ' || n)::uuid, a.call_no, a.agent, 1, a.attempt, a.provider, a.model, CASE WHEN n = 1 THEN 2 ELSE 1 END, a.status, CASE a.status WHEN 'succeeded' THEN '{}'::jsonb END, now(), sha256('x')
  FROM generate_series(1, 3) n, (VALUES (1, 'synthesis_orchestrator', 1, 'anthropic', 'm', 'failed'), (2, 'synthesis_orchestrator', 2, 'anthropic', 'm', 'succeeded'),
                                        (3, 'channel_selector', 1, 'builtin', 'builtin', 'succeeded')) a (call_no, agent, attempt, provider, model, status);
SELECT * FROM kam.kam_agreement ORDER BY by, name;
ROLLBACK;
