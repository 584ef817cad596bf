-- The house the extension moves into: refuses a schema that somebody else has furnished, and a database that cannot hold every contact's text.

DO $do$
BEGIN
	IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
		RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
			MESSAGE = 'kam needs a database in UTF8, this one is in ' || pg_catalog.getdatabaseencoding(),
			HINT = 'CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
	IF EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) 'kam'::pg_catalog.regnamespace)
	   OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace OPERATOR(pg_catalog.=) 'kam'::pg_catalog.regnamespace)
	   OR EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace OPERATOR(pg_catalog.=) 'kam'::pg_catalog.regnamespace)
	   OR EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace OPERATOR(pg_catalog.=) 'kam'::pg_catalog.regnamespace) THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_schema',
			MESSAGE = 'schema "kam" already holds objects that are not the extension''s',
			HINT = 'Move them away or drop the schema; the extension makes it itself.';
	END IF;
	-- Who owns the schema could later plant a look-alike of a kam function in it.
	IF NOT (SELECT r.rolsuper FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) n.nspowner
	         WHERE n.nspname OPERATOR(pg_catalog.=) 'kam') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_schema_definition',
			MESSAGE = 'schema "kam" belongs to a role that is no superuser',
			HINT = 'Drop the empty schema; the extension makes it itself.';
	END IF;
END
$do$;

COMMENT ON SCHEMA kam IS 'Sales decisions from a contact''s history (kam_run, kam_decide) and the records behind them.';
