-- kam_health names what is wrong with runs, calls, providers and models, and what to do.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET client_min_messages = warning;
SELECT pg_temp.example('10_meeting_scheduled_fr') AS c \gset
-- The real time must not make items come and go; nothing is committed.
BEGIN;
SET LOCAL kam.clock = '2026-10-01T10:00:00Z';
CREATE FUNCTION pg_temp.health(VARIADIC wanted text[]) RETURNS TABLE (item text, state text, detail text, hint text) LANGUAGE sql AS $$
	SELECT h.item, h.state, regexp_replace(h.detail, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^ ;:]*', '…', 'g'), h.hint FROM kam.kam_health() h WHERE h.item = ANY (wanted) ORDER BY h.item COLLATE "C"
$$;

-- All is well with the built-in agents, whatever models are old.
SELECT item FROM kam.kam_health() WHERE item LIKE 'model%' OR item = 'addresses';

-- Models.
SAVEPOINT models;
SELECT kam.kam_use_provider('anthropic');
SELECT * FROM pg_temp.health('model rows', 'model retirement', 'addresses');
SET LOCAL kam.clock = '2027-01-01T10:00:00Z';
SELECT state, detail FROM pg_temp.health('model retirement');
UPDATE kam.agent SET fallback_model = NULL WHERE agent = 'wave1_evaluator';
SELECT state, detail FROM pg_temp.health('model retirement');
UPDATE kam.agent SET model = 'claude-opus-5-5' WHERE wave IN (1, 3);
SELECT * FROM pg_temp.health('model retirement');
UPDATE kam.agent SET model = 'claude-next' WHERE agent IN ('channel_selector', 'content_generator');
SELECT * FROM pg_temp.health('model rows');
INSERT INTO kam.model (model, effective_from) VALUES ('claude-next', '2027-01-01');
SELECT * FROM pg_temp.health('model rows');
ROLLBACK TO models;

-- Addresses: unencrypted within the house is nobody's business.
SAVEPOINT addresses;
INSERT INTO kam.provider (provider, api, base_url, default_model) VALUES ('house', 'openai', 'http://localhost:8000', 'm');
SELECT kam.kam_use_provider('house');
CREATE FUNCTION pg_temp.warns(url text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE kam.provider SET base_url = url WHERE provider = 'house';
	RETURN EXISTS (SELECT FROM kam.kam_health() WHERE item = 'addresses');
END
$$;
SELECT url, pg_temp.warns(url) FROM unnest(ARRAY['http://localhost:8000', 'http://127.0.0.1', 'http://10.0.0.1/v1', 'http://172.20.1.1', 'http://192.168.1.1:1', 'http://[::1]/', 'http://vllm:8000/v1',
	'http://llm.internal/v1', 'https://api.example.com', 'http://api.example.com', 'http://172.32.0.1', 'http://11.0.0.1', 'http://localhost.example.com', 'http://10.0.0.1.example.com', 'http://10.example.com', 'http://[2001:db8::1]']) u (url);
SELECT * FROM pg_temp.health('addresses');
ROLLBACK TO addresses;

-- Failures, with the kind of the latest call.
SAVEPOINT failures;
DELETE FROM kam.request;
SELECT * FROM pg_temp.health('failures', 'slow runs', 'queue');
INSERT INTO kam.request (session_id, contact, status, error, sqlstate, started_at, finished_at)
SELECT ('00000000-0000-4000-8000-0000000000c' || n)::uuid, :'c', 'failed', 'it failed as ' || n, CASE n WHEN 5 THEN '28000' ELSE '58000' END,
       kam._now(), kam._now() - n * interval '1 min' FROM generate_series(1, 6) n;
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, attempt, provider, model, prompt_version, status, error_class, finished_at)
SELECT ('00000000-0000-4000-8000-0000000000c' || n)::uuid, k, 'state_analyzer', 1, k, 'p', 'm', 1, 'failed', CASE WHEN k = 2 AND n < 4 THEN 'spend_limit' ELSE 'rate_limit' END, now()
  FROM generate_series(1, 4) n, generate_series(1, 2) k;
SELECT * FROM pg_temp.health('failures');
-- A day later they are history.
SET LOCAL kam.clock = '2026-10-02T10:00:01Z';
SELECT state, detail FROM pg_temp.health('failures');
SET LOCAL kam.clock = '2026-10-01T10:00:00Z';
-- For every kind that calls fail with there is something to do.
SELECT kam._remedy('what is this'), kam._remedy(NULL) = kam._remedy('') AS unknown;
\set source :srcdir '/../../src/llm/fate.c'
SELECT count(*) > 20 AS many, array_agg(kind ORDER BY kind) FILTER (WHERE kam._remedy(kind) = kam._remedy('')) AS without_remedy
  FROM (SELECT DISTINCT m[1] AS kind FROM regexp_matches(pg_read_file(:'source'), '\{"([a-z_]+)", (?:RETRY|OTHER_MODEL|GIVE_UP|\.kind)', 'g') m
         UNION VALUES ('in_doubt'), ('malformed'), ('not_sent'), ('not_recorded'), ('no_key')) k
 WHERE kind <> 'answered';
ROLLBACK TO failures;

-- Runs that do not get on.
SAVEPOINT slow;
DELETE FROM kam.request;
INSERT INTO kam.request (session_id, contact, status, started_at, lease_owner, lease_until)
SELECT ('00000000-0000-4000-8000-0000000000d' || n)::uuid, :'c', 'wave1', kam._now() - interval '20 min', 0, clock_timestamp() + interval '1 min' FROM generate_series(1, 2) n;
SELECT item, state, detail, hint FROM pg_temp.health('slow runs');
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, attempt, provider, model, prompt_version, status, error_class, finished_at)
SELECT '00000000-0000-4000-8000-0000000000d1', k, 'state_analyzer', 1, k, 'p', 'm', 1, 'failed', CASE WHEN k < 3 THEN 'rate_limit' ELSE 'overloaded' END, now() FROM generate_series(1, 5) k;
SELECT item, state, detail, hint FROM pg_temp.health('slow runs');
ROLLBACK TO slow;

-- Notifications that nobody delivers.
INSERT INTO kam.endpoint (endpoint, kind, url) VALUES ('regress', 'webhook', 'https://hooks.example.com');
INSERT INTO kam.notification (recipient, topic, created_at) VALUES ('regress', 'decision', kam._now() - interval '2 days'), ('AGT-304', 'decision', kam._now() - interval '2 days'),
	('regress', 'decision', kam._now());
SELECT * FROM pg_temp.health('old notifications');
ROLLBACK;
