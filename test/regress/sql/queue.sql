-- The queue as people see it: progress, health, cancelling, taking up again, restored runs, providers.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET client_min_messages = warning;
SELECT pg_temp.example('10_meeting_scheduled_fr') AS c \gset
-- Runs that stay in the queue: not before tomorrow.
INSERT INTO kam.request (session_id, contact, as_of, priority, next_attempt_at)
SELECT ('00000000-0000-4000-8000-0000000000a' || n)::uuid, :'c', '2026-03-11 10:00+01', n, clock_timestamp() + interval '1 day' FROM generate_series(1, 3) n;
SELECT right(session_id::text, 2) AS run, status, percent, calls, place, priority, started_at, left(note, 11) AS note
  FROM kam.kam_progress WHERE session_id::text LIKE '%-0000000000a_' ORDER BY place;
SELECT kam.kam_cancel('00000000-0000-4000-8000-0000000000a1') AS cancelled, kam.kam_cancel('00000000-0000-4000-8000-0000000000a1') AS again,
       kam.kam_cancel('00000000-0000-4000-8000-00000000dead') AS unknown, kam.kam_cancel(NULL) AS of_null;
SELECT status, finished_at IS NOT NULL AS finished, lease_until FROM kam.request WHERE session_id = '00000000-0000-4000-8000-0000000000a1';
SELECT status, calls FROM kam.workflow_run WHERE session_id = '00000000-0000-4000-8000-0000000000a1';
-- Taken up again: at once.
SELECT kam.kam_retry('00000000-0000-4000-8000-0000000000a1') AS taken_up, kam.kam_retry('00000000-0000-4000-8000-0000000000a2') AS queued,
       kam.kam_retry('00000000-0000-4000-8000-00000000dead') AS unknown;
CALL kam.kam_wait('00000000-0000-4000-8000-0000000000a1') \gset
SELECT status FROM kam.request WHERE session_id = '00000000-0000-4000-8000-0000000000a1';
SELECT kam.kam_retry('00000000-0000-4000-8000-0000000000a1') AS finished_is_not_taken_up, kam.kam_cancel('00000000-0000-4000-8000-0000000000a1') AS nor_cancelled;
SELECT session_id FROM kam.kam_progress WHERE session_id = '00000000-0000-4000-8000-0000000000a1';
-- A wait that is to run again is cancelled by forgetting that.
UPDATE kam.request SET rerun_at = now() + interval '1 day' WHERE session_id = '00000000-0000-4000-8000-0000000000a1';
SELECT kam.kam_cancel('00000000-0000-4000-8000-0000000000a1') AS forgotten;
SELECT status, rerun_at FROM kam.request WHERE session_id = '00000000-0000-4000-8000-0000000000a1';

-- As after a restore: rows of another home stay where they are until they are let go.
UPDATE kam.request SET home = home + 1, next_attempt_at = NULL WHERE session_id::text LIKE '%-0000000000a_';
INSERT INTO kam.notification (recipient, topic, home, status) VALUES ('AGT-304', 'regress', 1, 'pending'), ('AGT-304', 'regress', 1, 'sent');
SELECT right(session_id::text, 2) AS run, status, eta, note FROM kam.kam_progress WHERE session_id::text LIKE '%-0000000000a_' ORDER BY 1;
CALL kam.kam_wait('00000000-0000-4000-8000-0000000000a2');
\echo :LAST_ERROR_SQLSTATE
-- One that was finished before is not waited for.
CALL kam.kam_wait('00000000-0000-4000-8000-0000000000a1') \gset
SELECT :'decision'::jsonb #>> '{final_decision,action}' AS action;
SELECT item, state, detail, hint FROM kam.kam_health() WHERE item IN ('parked', 'preload', 'worker', 'paused', 'prompts') ORDER BY item COLLATE "C";
SELECT kam.kam_resume() AS resumed;
SELECT status, home = kam._home() AS here FROM kam.notification WHERE topic = 'regress' ORDER BY notification_id;
CALL kam.kam_wait('00000000-0000-4000-8000-0000000000a2') \gset
CALL kam.kam_wait('00000000-0000-4000-8000-0000000000a3') \gset
SELECT right(session_id::text, 2) AS run, status, home = kam._home() AS here FROM kam.request WHERE session_id::text LIKE '%-0000000000a_' ORDER BY 1;
SELECT kam.kam_resume() AS nothing_left;
DELETE FROM kam.notification WHERE topic = 'regress';

-- Health says where the clock stands.
SET kam.clock = '2026-03-11T10:00:00Z';
SELECT item, state, detail FROM kam.kam_health() WHERE item = 'clock';
RESET kam.clock;
SELECT DISTINCT state FROM kam.kam_health() WHERE state NOT IN ('ok', 'warning', 'error');

-- Providers.
BEGIN;
INSERT INTO kam.provider (provider, api, base_url, default_model, fallback_model) VALUES ('house', 'openai', 'http://10.0.0.7:8000/v1', 'big', 'small');
SELECT kam.kam_use_provider('house');
SELECT DISTINCT provider, model, fallback_model, builtin FROM kam.agent;
SELECT kam.kam_use_provider('builtin');
SELECT DISTINCT provider, model, fallback_model FROM kam.agent;
ROLLBACK;
SELECT pg_temp.refused('SELECT kam.kam_use_provider(''nobody'')');
SELECT pg_temp.refused('SELECT kam.kam_use_provider(NULL)');
SELECT pg_temp.refused('INSERT INTO kam.provider (provider, api) VALUES (''x'', ''openai'')');
SELECT pg_temp.refused('INSERT INTO kam.provider (provider, api, base_url) VALUES (''x'', ''smoke'', ''https://x'')');
SELECT pg_temp.refused('INSERT INTO kam.provider (provider, api, base_url) VALUES (''x'', ''openai'', ''file:///etc/passwd'')');
SELECT pg_temp.refused('DELETE FROM kam.provider WHERE provider = ''builtin''');
SELECT pg_temp.refused('UPDATE kam.agent SET wave = 9');
