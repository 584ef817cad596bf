-- Prompts: versions are added, compared, put to use and back, and never changed.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'Europe/Paris';
SET client_min_messages = warning;
SELECT body AS body1, output_schema AS schema1 FROM kam.prompt WHERE agent = 'timing_strategist' AND version = 1 \gset
-- Seeds stand the check that new versions have to stand.
SELECT agent, kam._schema_fault(output_schema, kam._agent_examples() -> agent) AS fault FROM kam.prompt WHERE kam._schema_fault(output_schema, kam._agent_examples() -> agent) IS NOT NULL;
SELECT agent FROM kam.prompt WHERE sha256 <> encode(sha256(convert_to(body, 'UTF8')), 'hex');

-- A version more, in use at once; the same again is the same version.
SELECT kam.kam_set_prompt('timing_strategist', :'body1' || E'\nBe brief.\n');
SELECT prompt_version, builtin FROM kam.agent WHERE agent = 'timing_strategist';
SELECT kam.kam_set_prompt('timing_strategist', :'body1' || E'\nBe brief.\n');
SELECT kam.kam_set_prompt('timing_strategist', E'Another one.\n', activate => false);
SELECT version, left(body, 20), output_schema = :'schema1'::jsonb AS same_schema, sha256 = encode(sha256(convert_to(body, 'UTF8')), 'hex') AS hashed, builtin
  FROM kam.prompt WHERE agent = 'timing_strategist' ORDER BY version;
SELECT prompt_version FROM kam.agent WHERE agent = 'timing_strategist';
SELECT line FROM kam.kam_prompt_diff('timing_strategist', 1) line WHERE line ~ '^[+-]';
SELECT count(*) FROM kam.kam_prompt_diff('timing_strategist', 2);
SELECT line FROM kam.kam_prompt_diff('timing_strategist', 3, 2) WITH ORDINALITY d (line, n) WHERE n IN (1, 2, 4);
-- A schema of one's own: further keys are fine, and the body alone does not say which version.
SELECT kam.kam_set_prompt('timing_strategist', E'Another one.\n', jsonb_set(:'schema1', '{properties,note}', '{"type": "string", "maxLength": 80}'), false);
SELECT * FROM kam.kam_prompt_diff('timing_strategist', 3, 4);
-- Back to the first.
SELECT kam.kam_set_prompt('timing_strategist', :'body1');
SELECT prompt_version FROM kam.agent WHERE agent = 'timing_strategist';

-- What is refused.
SELECT pg_temp.refused('SELECT kam.kam_set_prompt(''timing'', ''x'')');
SELECT pg_temp.refused('SELECT kam.kam_set_prompt(NULL, ''x'')');
SELECT pg_temp.refused('SELECT kam.kam_set_prompt(''timing_strategist'', NULL)');
SELECT pg_temp.refused(E'SELECT kam.kam_set_prompt(''timing_strategist'', '' \n\t'')');
SELECT s.schema, r.refused FROM unnest(ARRAY['1', '{"type": "objet"}', '{"type": "object", "patternProperties": {}}', '{"properties": {"velocity": {"enum": []}}}', '{"properties": {"velocity": {"type": "integer"}}}',
	'{}', '{"required": ["optimal_send_window", "velocity", "patterns", "claims"]}', '{"anyOf": []}', '{"items": {"minItems": -1}}', '{"required": "velocity"}', '{"properties": {"a": {"properties": {"b": 7}}}}']) s (schema),
	LATERAL (SELECT pg_temp.refused(format('SELECT kam.kam_set_prompt(''timing_strategist'', ''x'', %L)', s.schema)) AS refused) r;
SELECT pg_temp.refused('SELECT * FROM kam.kam_prompt_diff(''timing_strategist'', 7)');
SELECT pg_temp.refused('SELECT * FROM kam.kam_prompt_diff(''timing_strategist'', 1, 99)');
SELECT pg_temp.refused('SELECT * FROM kam.kam_prompt_diff(''timing'', 1)');
SELECT pg_temp.refused('UPDATE kam.prompt SET body = ''x'' WHERE agent = ''timing_strategist'' AND version = 3');
SELECT pg_temp.refused('UPDATE kam.prompt SET output_schema = ''{}'' WHERE agent = ''timing_strategist'' AND version = 1');
SELECT pg_temp.refused('UPDATE kam.prompt SET version = 9 WHERE agent = ''timing_strategist'' AND version = 3');
SELECT pg_temp.refused('UPDATE kam.prompt SET sha256 = repeat(''0'', 64) WHERE agent = ''timing_strategist'' AND version = 3');
SELECT pg_temp.refused('INSERT INTO kam.prompt (agent, version, body, output_schema, sha256) VALUES (''timing_strategist'', 9, ''x'', ''{}'', repeat(''0'', 64))');
SELECT pg_temp.refused('TRUNCATE kam.prompt');
SELECT pg_temp.refused('DELETE FROM kam.prompt WHERE agent = ''timing_strategist'' AND version = 1');
SELECT version FROM kam.prompt WHERE agent = 'timing_strategist' ORDER BY version;

-- An unfinished run keeps what it was begun with, and so does what a model was asked.
INSERT INTO kam.request (session_id, contact, as_of, prompts, next_attempt_at) VALUES ('5e550000-0000-4000-8000-0000000051a1', pg_temp.contact(), '2026-03-11', '{"timing_strategist": 2}', 'infinity');
SELECT pg_temp.refused('DELETE FROM kam.prompt WHERE agent = ''timing_strategist'' AND version = 2');
UPDATE kam.request SET status = 'cancelled', finished_at = now() WHERE session_id = '5e550000-0000-4000-8000-0000000051a1';
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, provider, model, prompt_version, status, finished_at, request_sha256)
VALUES ('5e550000-0000-4000-8000-0000000051a1', 1, 'timing_strategist', 1, 'anthropic', 'x', 2, 'failed', now(), sha256('x'));
SELECT pg_temp.refused('DELETE FROM kam.prompt WHERE agent = ''timing_strategist'' AND version = 2');
DELETE FROM kam.request WHERE session_id = '5e550000-0000-4000-8000-0000000051a1';
DELETE FROM kam.prompt WHERE agent = 'timing_strategist' AND version > 1 RETURNING version;

-- A run records what it was asked with.
SELECT kam.kam_set_prompt('timing_strategist', E'For this run.\n');
SELECT kam.kam_run(pg_temp.example('01_inbound_question_fr'), '{"idempotency_key": "prompts 1", "as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS run \gset
CALL kam.kam_wait(:'run') \gset
SELECT kam.kam_explain(:'run') #> '{asked,prompts}' AS prompts;
SELECT kam.kam_set_prompt('timing_strategist', :'body1');
SELECT prompts -> 'timing_strategist' AS still FROM kam.request WHERE session_id = :'run';
SELECT prompt_version FROM kam.agent_call WHERE session_id = :'run' AND agent = 'timing_strategist';
-- A dump's row takes the place of the seed with its key.
BEGIN;
INSERT INTO kam.prompt (agent, version, body, output_schema, sha256, created_at, builtin)
SELECT agent, version, body || 'restored', output_schema, encode(sha256(convert_to(body || 'restored', 'UTF8')), 'hex'), created_at, false FROM kam.prompt WHERE agent = 'timing_strategist' AND version = 1;
SELECT version, right(body, 8), builtin FROM kam.prompt WHERE agent = 'timing_strategist' ORDER BY version;
ROLLBACK;

DELETE FROM kam.request WHERE session_id = :'run';
DELETE FROM kam.prompt WHERE agent = 'timing_strategist' AND version > 1;
SELECT agent, version FROM kam.prompt WHERE NOT builtin;
