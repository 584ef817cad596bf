-- bench/gate: the schema twin, kam's tables once more with the same columns, defaults, constraints, indexes and storage, and without triggers.

CREATE SCHEMA twin;

DO $$
DECLARE
	names text[] := '{brainanalysislog,salesplaylibrary,accounts,leads,sequence_type,sendrule,suppression,cadence,cadenceeventlog,cadencequeue,prospect_state,notification}';
	name text;
	item record;
BEGIN
	PERFORM set_config('search_path', 'pg_catalog', true);
	FOREACH name IN ARRAY names
	LOOP
		EXECUTE format('CREATE TABLE twin.%I (LIKE kam.%I INCLUDING ALL)', name, name);
		-- LIKE leaves out the fill factor.
		FOR item IN SELECT unnest(c.reloptions) AS option FROM pg_class c WHERE c.oid = format('kam.%I', name)::regclass
		LOOP
			EXECUTE format('ALTER TABLE twin.%I SET (%s)', name, item.option);
		END LOOP;
		FOR item IN SELECT c.conname, pg_get_constraintdef(c.oid) AS definition, r.relname AS target
		              FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid
		             WHERE c.conrelid = format('kam.%I', name)::regclass AND c.contype = 'f'
		LOOP
			EXECUTE format('ALTER TABLE twin.%I ADD CONSTRAINT %I %s', name, item.conname,
			               CASE WHEN item.target = ANY (names) THEN replace(item.definition, 'REFERENCES kam.', 'REFERENCES twin.') ELSE item.definition END);
		END LOOP;
	END LOOP;
END
$$;
