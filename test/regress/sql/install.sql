-- Everything the contract names is there, explained, closed to PUBLIC, and goes without a trace.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SELECT extname, extversion, extnamespace::regnamespace, extrelocatable FROM pg_extension WHERE extname = 'kam';

-- Tables and their columns.
SELECT c.relname AS "table", string_agg(a.attname, ' ' ORDER BY a.attnum) AS columns
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'kam'::regnamespace AND c.relkind IN ('r', 'v')
 GROUP BY c.relname ORDER BY c.relname COLLATE "C";

-- Functions.
SELECT p.proname AS function, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result,
       CASE p.provolatile WHEN 'v' THEN 'volatile' WHEN 's' THEN 'stable' ELSE 'immutable' END AS volatility, p.prosecdef AS definer
  FROM pg_proc p WHERE p.pronamespace = 'kam'::regnamespace ORDER BY p.proname COLLATE "C";

-- Nothing without a comment.
SELECT p.oid::regprocedure AS uncommented FROM pg_proc p WHERE p.pronamespace = 'kam'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.relname AS uncommented FROM pg_class c
 WHERE c.relnamespace = 'kam'::regnamespace AND c.relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT c.relname, a.attname AS uncommented
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'kam'::regnamespace AND c.relkind = 'r' AND c.relname !~ '^_' AND col_description(c.oid, a.attnum) IS NULL;
-- An example with every function that people call.
SELECT p.proname AS without_example FROM pg_proc p
 WHERE p.pronamespace = 'kam'::regnamespace AND p.proname ~ '^kam_' AND obj_description(p.oid, 'pg_proc') !~ 'Example: ';

-- Every function pins its search_path, save the ones that look nothing up by name: C without SQL, and kam_wait, which ends transactions.
SELECT p.proname AS unpinned FROM pg_proc p
 WHERE p.pronamespace = 'kam'::regnamespace AND NOT coalesce(p.proconfig::text ~ 'search_path=pg_catalog, kam, pg_temp', false)
 ORDER BY p.proname COLLATE "C";

-- Nothing for PUBLIC.
CREATE ROLE regress_nobody;
SELECT p.oid::regprocedure AS open FROM pg_proc p
 WHERE p.pronamespace = 'kam'::regnamespace AND has_function_privilege('regress_nobody', p.oid, 'EXECUTE');
SELECT c.relname AS open FROM pg_class c
 WHERE c.relnamespace = 'kam'::regnamespace AND c.relkind IN ('r', 'v', 'S')
   AND has_table_privilege('regress_nobody', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
SELECT has_schema_privilege('regress_nobody', 'kam', 'USAGE') AS usage;
DROP ROLE regress_nobody;

-- Seeds.
SELECT agent, wave, provider, model, prompt_version, builtin FROM kam.agent ORDER BY wave, agent COLLATE "C";
SELECT provider, api, in_doubt, default_model FROM kam.provider;
SELECT count(*) FILTER (WHERE sha256 <> encode(sha256(convert_to(body, 'UTF8')), 'hex')) AS wrong_sums,
       count(*) FILTER (WHERE output_schema = '{}') AS without_schema
  FROM kam.prompt JOIN kam.agent USING (agent);
SELECT a.agent AS without_prompt FROM kam.agent a
 WHERE NOT EXISTS (SELECT FROM kam.prompt p WHERE p.agent = a.agent AND p.version = a.prompt_version);

-- What a dump carries.
SELECT c.relname, x.condition
  FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS x (oid, condition) JOIN pg_class c ON c.oid = x.oid
 WHERE e.extname = 'kam' ORDER BY c.relname COLLATE "C";

-- A seed that somebody changes is a seed no more; the row of a restore takes its place.
BEGIN;
UPDATE kam.agent SET max_tokens = 99 WHERE agent = 'channel_selector';
UPDATE kam.agent SET max_tokens = max_tokens WHERE agent = 'content_generator';
SELECT agent, max_tokens, builtin FROM kam.agent WHERE agent IN ('channel_selector', 'content_generator') ORDER BY 1;
INSERT INTO kam.agent (agent, wave, provider, model, max_tokens) VALUES ('content_generator', 2, 'builtin', 'builtin', 77);
SELECT agent, max_tokens, builtin FROM kam.agent WHERE agent = 'content_generator';
INSERT INTO kam.provider (provider, api, default_model) VALUES ('builtin', 'builtin', 'builtin');
SELECT count(*), bool_or(builtin) AS builtin FROM kam.provider WHERE provider = 'builtin';
ROLLBACK;

-- Where it does not belong.
SELECT pg_temp.refused('CREATE EXTENSION kam SCHEMA public');
SELECT pg_temp.refused('ALTER EXTENSION kam SET SCHEMA public');
CREATE DATABASE kam_regress_latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\set db :DBNAME
\c kam_regress_latin
CREATE EXTENSION kam;
SELECT count(*) AS left_behind FROM pg_namespace WHERE nspname = 'kam';
\c :db
DROP DATABASE kam_regress_latin;
CREATE DATABASE kam_regress_taken ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c kam_regress_taken
CREATE SCHEMA kam;
CREATE TABLE kam.mine (n int);
CREATE EXTENSION kam;
DROP TABLE kam.mine;
CREATE FUNCTION kam.kam_run(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
CREATE EXTENSION kam;
DROP FUNCTION kam.kam_run(jsonb);
CREATE ROLE regress_owner;
ALTER SCHEMA kam OWNER TO regress_owner;
CREATE EXTENSION kam;
DROP SCHEMA kam;
DROP ROLE regress_owner;
-- Away and back again.
CREATE EXTENSION kam;
DROP EXTENSION kam;
SELECT count(*) AS left_behind FROM pg_class WHERE relnamespace = to_regnamespace('kam');
CREATE EXTENSION kam;
SELECT count(*) AS agents FROM kam.agent;
\c :db
DROP DATABASE kam_regress_taken;
