\set ECHO none
-- What several tests need.  Included by each, so that each runs by itself.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET datestyle = 'ISO, YMD';

-- How a statement is refused: SQLSTATE, message, detail, hint; 'not refused' otherwise.
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	m text; d text; h text;
BEGIN
	EXECUTE statement;
	RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ' ' || m, nullif(d, ''), nullif(h, ''));
END
$$;

-- An activity, short to write.
CREATE FUNCTION pg_temp.act(type text, at text, direction text DEFAULT NULL, body text DEFAULT NULL, more jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE sql AS $$
	SELECT jsonb_build_object('activity_type', type, 'recorded_on', at, 'direction', direction,
	                          'metadata', jsonb_strip_nulls(jsonb_build_object('body', body)) || more)
$$;

-- A contact of Ines in Paris with these activities.
CREATE FUNCTION pg_temp.contact(VARIADIC activities jsonb[] DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object(
		'contact_info', '{"first_name": "Ines", "last_name": "Caron", "company": "Argelia", "email": "ines.caron@argelia.example",
		                  "hubspot_id": "4711", "owner": "Jean Bert", "timezone": "Europe/Paris"}'::jsonb,
		'activities', to_jsonb(activities))
$$;

-- A sample contact of examples/, by the start of its name.
\getenv srcdir PG_ABS_SRCDIR
\set folder :srcdir '/../../examples/contacts'
CREATE FUNCTION pg_temp.folder() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('test.folder') $$;
SELECT set_config('test.folder', :'folder', false) IS NULL AS nothing \gset
CREATE FUNCTION pg_temp.example(name text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT pg_read_file(pg_temp.folder() || '/' || name || '.json')::jsonb
$$;
CREATE FUNCTION pg_temp.examples() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT left(f, -5) FROM pg_ls_dir(pg_temp.folder()) f
	 WHERE f LIKE '%.json' AND f NOT LIKE '%.expect.json' ORDER BY f COLLATE "C"
$$;

-- A value without its evidence: pointers and quoted instants move with the way the contact is written down.
CREATE FUNCTION pg_temp.bare(v jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	CASE jsonb_typeof(v)
		WHEN 'object' THEN
			RETURN (SELECT coalesce(jsonb_object_agg(key, pg_temp.bare(value)), '{}') FROM jsonb_each(v)
			         WHERE (value -> 0 ? 'path' AND value -> 0 ? 'quote') IS NOT TRUE);
		WHEN 'array' THEN
			RETURN (SELECT coalesce(jsonb_agg(pg_temp.bare(value) ORDER BY n), '[]') FROM jsonb_array_elements(v) WITH ORDINALITY e (value, n));
		ELSE
			RETURN v;
	END CASE;
END
$$;
RESET client_min_messages;
\set ECHO all
