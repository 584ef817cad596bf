-- Who may do what, role by role.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE 'kam\_%' ORDER BY rolname;

-- x: may call it.
SELECT p.proname AS function,
       CASE WHEN has_function_privilege('kam_submit', p.oid, 'EXECUTE') THEN 'x' END AS submit,
       CASE WHEN has_function_privilege('kam_review', p.oid, 'EXECUTE') THEN 'x' END AS review,
       CASE WHEN has_function_privilege('kam_read', p.oid, 'EXECUTE') THEN 'x' END AS read,
       CASE WHEN has_function_privilege('kam_admin', p.oid, 'EXECUTE') THEN 'x' END AS admin,
       CASE WHEN has_function_privilege('kam_restore', p.oid, 'EXECUTE') THEN 'x' END AS restore,
       CASE WHEN has_function_privilege('kam_worker', p.oid, 'EXECUTE') THEN 'x' END AS worker
  FROM pg_proc p WHERE p.pronamespace = 'kam'::regnamespace ORDER BY p.proname COLLATE "C";

-- s, i, u, d: on every column, S, I, U: on some.
CREATE FUNCTION pg_temp.may(role text, rel oid) RETURNS text LANGUAGE sql AS $$
	SELECT nullif(concat(
		CASE WHEN has_table_privilege(role, rel, 'SELECT') THEN 's' WHEN has_any_column_privilege(role, rel, 'SELECT') THEN 'S' END,
		CASE WHEN has_table_privilege(role, rel, 'INSERT') THEN 'i' WHEN has_any_column_privilege(role, rel, 'INSERT') THEN 'I' END,
		CASE WHEN has_table_privilege(role, rel, 'UPDATE') THEN 'u' WHEN has_any_column_privilege(role, rel, 'UPDATE') THEN 'U' END,
		CASE WHEN has_table_privilege(role, rel, 'DELETE') THEN 'd' END), '')
$$;
SELECT c.relname, pg_temp.may('kam_submit', c.oid) AS submit, pg_temp.may('kam_review', c.oid) AS review,
       pg_temp.may('kam_read', c.oid) AS read, pg_temp.may('kam_admin', c.oid) AS admin, pg_temp.may('kam_restore', c.oid) AS restore,
       pg_temp.may('kam_worker', c.oid) AS worker
  FROM pg_class c WHERE c.relnamespace = 'kam'::regnamespace AND c.relkind IN ('r', 'v') ORDER BY c.relname COLLATE "C";

-- The roles at work.
CREATE ROLE regress_program IN ROLE kam_submit;
CREATE ROLE regress_person IN ROLE kam_review;
CREATE ROLE regress_stranger;
SELECT pg_temp.contact(pg_temp.act('email', '2026-03-02T09:00:00+01:00', 'outbound', 'Bonjour')) AS c \gset

SET ROLE regress_program;
SELECT jsonb_object_keys(kam.kam_run(:'c', '{"idempotency_key": "privileges", "as_of": "2026-03-10T10:00:00+01:00"}')) AS key ORDER BY 1;
SELECT kam.kam_decide(:'c', '2026-03-10T10:00:00+01:00') ? 'final_decision' AS decides;
SELECT pg_temp.refused('SELECT * FROM kam.request');
SELECT pg_temp.refused('SELECT * FROM kam.resource');
SELECT pg_temp.refused('INSERT INTO kam.request (contact) VALUES (''{}'')');
SELECT pg_temp.refused('SELECT kam.kam_validate(NULL, ''approved'')');
SELECT pg_temp.refused('SELECT kam.kam_cancel(''00000000-0000-0000-0000-000000000000'')');
SELECT pg_temp.refused('SELECT kam.kam_use_provider(''builtin'')');
SELECT pg_temp.refused('SELECT kam._agent(''state_analyzer'', ''{}'')');
SELECT pg_temp.refused('SET kam.clock = ''2026-03-10''');
SELECT pg_temp.refused('SET kam.paused = on');
SELECT count(*) >= 0 AS progress FROM kam.kam_progress;
RESET ROLE;

SET ROLE regress_person;
SELECT pg_temp.refused('SELECT kam.kam_validate(''00000000-0000-0000-0000-000000000000'', ''approved'')');
SELECT pg_temp.refused('SELECT kam.kam_run(''{}'')');
SELECT count(*) >= 0 AS decisions FROM kam.final_decision;
SELECT pg_temp.refused('UPDATE kam.final_decision SET type_of_validation = ''approved''');
SELECT pg_temp.refused('SELECT contact FROM kam.request');
RESET ROLE;

SET ROLE regress_stranger;
SELECT pg_temp.refused('SELECT kam.kam_facts(''{}'')');
SELECT pg_temp.refused('TABLE kam.final_decision');
RESET ROLE;

-- Where texts go is not the administrator's to change.
SET ROLE kam_admin;
SELECT pg_temp.refused('INSERT INTO kam.provider (provider, api, base_url) VALUES (''x'', ''openai'', ''https://x.example'')');
SELECT pg_temp.refused('INSERT INTO kam.endpoint (endpoint, kind, url) VALUES (''x'', ''slack'', ''https://x.example'')');
SELECT pg_temp.refused('UPDATE kam.final_decision SET action = ''wait''');
SELECT pg_temp.refused('UPDATE kam.request SET contact = ''{}''');
RESET ROLE;

-- A look-alike in the caller's path or temporary schema does not get in between.
CREATE FUNCTION pg_temp._now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'infinity'::timestamptz $$;
CREATE TEMP TABLE request (session_id uuid, contact jsonb);
SET search_path = pg_temp, kam, public;
SELECT kam_run(:'c', '{"idempotency_key": "look-alike", "as_of": "2026-03-10T10:00:00+01:00"}') ->> 'session_id' AS session_id \gset
RESET search_path;
SELECT count(*) AS in_the_temporary_table FROM pg_temp.request;
SELECT count(*) AS in_kam, bool_and(isfinite(created_at)) AS real_time FROM kam.request WHERE session_id = :'session_id';
DROP TABLE pg_temp.request;

DROP ROLE regress_program, regress_person, regress_stranger;
