-- Who answers: seeds, pointing the agents at a provider, what rows of provider and model may say.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET client_min_messages = warning;
-- Other tests may have left rows of their own.
SELECT provider, api, base_url, dialect, in_doubt, default_model, fallback_model FROM kam.provider WHERE builtin ORDER BY provider COLLATE "C";
SELECT agent_models FROM kam.provider WHERE provider = 'anthropic';
SELECT model, effective_from, input_usd_per_mtok AS input, output_usd_per_mtok AS output, cache_read_usd_per_mtok AS read, cache_write_usd_per_mtok AS write, retires_on
  FROM kam.model WHERE builtin ORDER BY model COLLATE "C", effective_from;
SELECT model, effective_from, long_prompt_tokens, long_input_factor AS input, long_output_factor AS output FROM kam.model WHERE builtin AND long_prompt_tokens IS NOT NULL;
SELECT model, effective_from, capabilities FROM kam.model WHERE builtin AND capabilities <> '{}' ORDER BY model COLLATE "C", effective_from;
-- Every model that a seed names has a row.
SELECT p.provider, m.model AS without_row FROM kam.provider p, LATERAL (
	SELECT p.default_model UNION SELECT p.fallback_model UNION SELECT value FROM jsonb_each_text(p.agent_models)) m (model)
 WHERE p.builtin AND m.model IS NOT NULL AND NOT EXISTS (SELECT FROM kam.model x WHERE x.model = m.model);

-- All ten at once, each with its model; temperature and length are the agent's.
BEGIN;
SELECT kam.kam_use_provider('anthropic');
SELECT agent, provider, model, fallback_model, temperature, max_tokens FROM kam.agent ORDER BY wave, agent COLLATE "C";
SELECT kam.kam_use_provider('openai');
SELECT DISTINCT provider, model, fallback_model FROM kam.agent;
INSERT INTO kam.provider (provider, api, base_url, default_model, fallback_model, agent_models)
VALUES ('local_vllm', 'openai', 'http://10.0.0.7:8000/v1/', 'house-large', 'house-large', '{"decision_evaluator": "house-small"}');
SELECT kam.kam_use_provider('local_vllm');
SELECT DISTINCT provider, model, fallback_model FROM kam.agent ORDER BY model;
UPDATE kam.agent SET temperature = 0.3 WHERE agent = 'content_generator';
SELECT kam.kam_use_provider('replay');
SELECT DISTINCT provider, model, fallback_model FROM kam.agent;
SELECT kam.kam_use_provider('builtin');
SELECT DISTINCT provider, model, fallback_model FROM kam.agent;
SELECT temperature FROM kam.agent WHERE agent = 'content_generator';
ROLLBACK;
BEGIN;
UPDATE kam.provider SET default_model = NULL WHERE provider = 'openai';
SELECT pg_temp.refused('SELECT kam.kam_use_provider(''openai'')');
ROLLBACK;

-- What a provider's row may say.
CREATE FUNCTION pg_temp.provider(api text, base_url text, dialect jsonb DEFAULT '{}', agent_models jsonb DEFAULT '{}', provider text DEFAULT 'regress') RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN pg_temp.refused(format('INSERT INTO kam.provider (provider, api, base_url, dialect, agent_models) VALUES (%L, %L, %L, %L, %L)',
		provider, api, base_url, dialect, agent_models));
END
$$;
BEGIN;
SELECT url, pg_temp.provider('openai', url, '{}', '{}', 'regress' || n) AS refused
  FROM unnest(ARRAY['https://api.example.com/v1', 'HTTPS://api.example.com/v1/', 'http://localhost:11434/v1', 'http://[::1]:8080', 'http://10.1.2.3',
                    'http://vllm.internal:8000/a/b/c/']) WITH ORDINALITY u (url, n);
ROLLBACK;
SELECT left(url, 45) AS url, split_part(pg_temp.provider('openai', url), E'\n', 1) AS refused
  FROM unnest(ARRAY['', 'api.example.com/v1', 'ftp://api.example.com', 'https://', 'https:///v1', 'https://u:p@api.example.com/v1', 'https://token@api.example.com',
                    'https://api.example.com/@v1', 'https://api.example.com/v1?api-version=1', 'https://api.example.com/v1#x', 'https://api example.com',
                    E'https://api.example.com/\nx', 'https://api.example.com:99999/', 'https://api.example.com:port', 'https://exämple.com',
                    'https://a.example/' || repeat('x', 1000)]) u (url);
-- The address is not repeated: there may be a password in it.
SELECT pg_temp.provider('openai', 'https://user:hush@api.example.com') LIKE '%hush%' AS shown;
SELECT left(name, 20) AS name, left(split_part(pg_temp.provider('openai', 'https://x.example', '{}', '{}', name), E'\n', 1), 60) AS refused
  FROM unnest(ARRAY['', 'Upper', '../etc/passwd', '.hidden', 'a/b', 'proxy', 'a b', repeat('x', 64)]) n (name);
SELECT pg_temp.provider('openai', NULL);
SELECT pg_temp.provider('anthropic', NULL);
SELECT pg_temp.provider('gemini', 'https://x.example');
SELECT pg_temp.provider('builtin', NULL, '{"stream": false}');
SELECT pg_temp.refused('INSERT INTO kam.provider (provider, api, base_url, in_doubt) VALUES (''regress'', ''openai'', ''https://x.example'', ''maybe'')');
SELECT pg_temp.refused('INSERT INTO kam.provider (provider, api, base_url, default_model) VALUES (''regress'', ''openai'', ''https://x.example'', '''')');
SELECT pg_temp.refused('INSERT INTO kam.provider (provider, api) VALUES (''regress'', NULL)');
SELECT pg_temp.provider('openai', 'https://x.example', '{"pth": "/x"}');
SELECT pg_temp.provider('openai', 'https://x.example', '{"timeout_s": "long"}');
SELECT pg_temp.provider('openai', 'https://x.example', '{"headers": {"Authorization": "Bearer hush"}}');
SELECT pg_temp.provider('anthropic', 'https://x.example', '{"body": {"messages": []}}');
SELECT pg_temp.provider('openai', 'https://x.example', '[]');
SELECT pg_temp.provider('openai', 'https://x.example', '{}', '{"the_boss": "m"}');
SELECT pg_temp.provider('openai', 'https://x.example', '{}', '{"wave1_evaluator": 5}');
SELECT pg_temp.provider('openai', 'https://x.example', '{}', '[]');
SELECT pg_temp.refused('UPDATE kam.provider SET base_url = ''https://a:b@x.example'' WHERE provider = ''openai''');
-- What differs between servers of one protocol.
BEGIN;
SELECT pg_temp.provider('openai', 'https://res.openai.azure.com/openai/v1', '{"auth_header": "api-key", "auth_prefix": ""}', '{}', 'azure');
SELECT pg_temp.provider('openai', 'https://res.openai.azure.com', '{"path": "/openai/deployments/d/chat/completions?api-version=2024-10-21", "auth_header": "api-key", "auth_prefix": ""}', '{}', 'azure_old');
SELECT pg_temp.provider('openai', 'http://localhost:8080/v1', '{"max_tokens": "max_tokens", "json": "object", "stream": false, "headers": {"x-team": "sales"}, "body": {"seed": 1}}', '{}', 'llama');
ROLLBACK;

-- What a model's row may say.
SELECT capabilities, pg_temp.refused(format('INSERT INTO kam.model (model, capabilities) VALUES (''regress'', %L)', capabilities)) AS refused
  FROM unnest(ARRAY['[]', '{"temprature": true}', '{"temperature": "no"}', '{"max_output_tokens": -1}', '{"body": {"model": "x"}}']) c (capabilities);
SELECT pg_temp.refused('INSERT INTO kam.model (model) VALUES ('''')');
SELECT pg_temp.refused('INSERT INTO kam.model (model, input_usd_per_mtok) VALUES (''regress'', -1)');
SELECT column_name, usd, pg_temp.refused(format('INSERT INTO kam.model (model, %I) VALUES (''regress'', %L)', column_name, usd)) AS refused
  FROM unnest(ARRAY['input_usd_per_mtok', 'output_usd_per_mtok', 'cache_read_usd_per_mtok', 'cache_write_usd_per_mtok']) column_name, unnest(ARRAY['NaN', 'Infinity', '1e12']) usd;
SELECT pg_temp.refused('INSERT INTO kam.model (model, long_prompt_tokens) VALUES (''regress'', 0)');
SELECT pg_temp.refused('INSERT INTO kam.model (model, long_input_factor) VALUES (''regress'', ''NaN'')');

-- The triggers are for these tables and these moments.
CREATE TEMP TABLE other (provider text, api integer);
CREATE TRIGGER t BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION kam._provider_check();
SELECT pg_temp.refused('INSERT INTO other VALUES (''x'', 1)');
DROP TABLE other;
CREATE TEMP TABLE other (model text, capabilities jsonb);
CREATE TRIGGER t AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION kam._model_check();
SELECT pg_temp.refused('INSERT INTO other VALUES (''x'', ''{}'')');
DROP TABLE other;

-- The worker learns of every change.
BEGIN;
CREATE FUNCTION pg_temp.counts(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	before bigint := (SELECT version FROM kam._configuration);
BEGIN
	EXECUTE statement;
	RETURN (SELECT version FROM kam._configuration) > before;
END
$$;
SELECT statement, pg_temp.counts(statement)
  FROM unnest(ARRAY['UPDATE kam.agent SET temperature = 0.2', 'UPDATE kam.provider SET in_doubt = ''hold'' WHERE provider = ''openai''',
                    'INSERT INTO kam.model (model) VALUES (''regress'')', 'DELETE FROM kam.model WHERE model = ''regress''',
                    'INSERT INTO kam.prompt (agent, version, body, output_schema) VALUES (''state_analyzer'', 99, '''', ''{}'')',
                    'INSERT INTO kam.resource (resource_id, title) VALUES (''regress'', ''x'')', 'TRUNCATE kam.best_practice', 'SELECT 1']) s (statement);
ROLLBACK;
SELECT pg_temp.refused('INSERT INTO kam._configuration VALUES (false, 1)');

-- A changed seed is dumped, and its row takes the seed's place.
BEGIN;
UPDATE kam.provider SET dialect = '{"timeout_s": 60}' WHERE provider = 'anthropic';
SELECT builtin FROM kam.provider WHERE provider = 'anthropic';
ROLLBACK;
BEGIN;
INSERT INTO kam.provider (provider, api, base_url, default_model) VALUES ('anthropic', 'anthropic', 'https://gateway.example', 'm');
SELECT base_url, builtin FROM kam.provider WHERE provider = 'anthropic';
ROLLBACK;
