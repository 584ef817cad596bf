-- Bad input: a clear error, or carried through unharmed; never a crash, never half a row.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET client_min_messages = warning;
CREATE FUNCTION pg_temp.both(input text) RETURNS text LANGUAGE sql AS $$
	SELECT split_part(pg_temp.refused(format('SELECT kam.kam_facts(%L)', input)), E'\n', 1) || ' | '
	    || split_part(pg_temp.refused(format('SELECT kam.kam_decide(%L)', input)), E'\n', 1) || ' | '
	    || split_part(pg_temp.refused(format('SELECT kam.kam_run(%L, ''{"as_of": "2026-03-11T10:00:00Z"}'')', input)), E'\n', 1)
$$;
SELECT count(*) AS before FROM kam.request \gset
-- Text that is no JSON, or that jsonb cannot hold.
SELECT pg_temp.both('{"contact_info": {}, "activities": ['), pg_temp.both('{"contact_info": {"a": "\u0000"}, "activities": []}'),
       pg_temp.both('{"contact_info": {"a": "\ud800"}, "activities": []}');
SELECT pg_temp.refused($$SELECT kam.kam_facts(convert_from('\x7b2261223a22ff227d', 'UTF8')::jsonb)$$);
-- Every JSON type in every place that is read.
CREATE TEMP TABLE odd (v jsonb);
INSERT INTO odd VALUES ('null'), ('true'), ('0'), ('-1.5'), ('1e400'), ('12345678901234567890123'), ('1e-400'), ('""'), ('"x"'), ('[]'), ('[[]]'), ('[null]'), ('{}'), ('{"": ""}'), ('[1e400]');
SELECT pg_temp.example('12_pilot_review_fr') AS c \gset
CREATE TEMP TABLE place AS
	WITH RECURSIVE walk (path, value) AS (
		SELECT '{}'::text[], :'c'::jsonb
		UNION ALL
		SELECT w.path || coalesce(o.key, (a.n - 1)::text), coalesce(o.value, a.value)
		  FROM walk w
		  LEFT JOIN LATERAL jsonb_each(CASE jsonb_typeof(w.value) WHEN 'object' THEN w.value END) o ON true
		  LEFT JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(w.value) WHEN 'array' THEN w.value END) WITH ORDINALITY a (value, n) ON o.key IS NULL
		 WHERE (o.key IS NOT NULL OR a.n IS NOT NULL) AND cardinality(w.path) < 6)
	SELECT path FROM walk WHERE cardinality(path) > 0;
CREATE FUNCTION pg_temp.outcome(c jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM kam.kam_decide(c, '2026-03-11 10:00+01');
	RETURN 'decided';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
SELECT count(*) > 500 AS enough, array_agg(DISTINCT o ORDER BY o) AS outcomes FROM place, odd, LATERAL pg_temp.outcome(jsonb_set(:'c', path, v)) o;
-- Every decided one also passes the guard without an error.
SELECT count(*) AS guard_errors
  FROM place, odd, LATERAL (SELECT jsonb_set(:'c', path, v)) s (c), LATERAL pg_temp.outcome(c) o,
       LATERAL (SELECT CASE WHEN o = 'decided' THEN kam.kam_decide(c, '2026-03-11 10:00+01') END) x (d),
       LATERAL (SELECT * FROM kam.kam_check(d, CASE WHEN o = 'decided' THEN c ELSE pg_temp.contact() END, '2026-03-11 10:00+01') WHERE d IS NOT NULL) k
 WHERE o = 'decided' AND k.severity = 'error' AND md5(place.path::text || v::text) < '1';
-- Unknown fields and numbers of any size are stored digit by digit.
SELECT kam.kam_run((pg_temp.contact() || '{"big": 1e400, "long": 12345678901234567890.12345678901234567890, "nested": {"a": [1, {"b": null}]}}'),
                   '{"idempotency_key": "digits", "as_of": "2026-03-11T10:00:00Z"}') ->> 'session_id' AS s \gset
SELECT contact -> 'long' AS long, length((contact ->> 'big')) AS digits, contact -> 'nested' AS nested FROM kam.request WHERE session_id = :'s';
-- Nesting: deeper than anybody writes is carried, deeper than the server can take is refused by it.
SELECT pg_temp.outcome(jsonb_set(pg_temp.contact(), '{deep}', (repeat('[', 5000) || repeat(']', 5000))::jsonb)) AS unknown_deep,
       pg_temp.outcome(jsonb_set(pg_temp.contact(), '{contact_info,first_name}', (repeat('{"a":', 3000) || '1' || repeat('}', 3000))::jsonb)) AS known_deep;
SELECT split_part(pg_temp.refused($$SELECT kam.kam_facts((repeat('[', 1000000) || repeat(']', 1000000))::jsonb)$$), E'\n', 1);
-- Size: a text of 10 MB, and 100,000 activities.
SELECT pg_temp.outcome(pg_temp.contact(pg_temp.act('email', '2026-03-02T09:00:00+01:00', 'inbound', repeat('Bonjour, merci. ', 700000)))) AS ten_megabytes;
SELECT pg_temp.outcome(jsonb_set(pg_temp.contact(), '{activities}', (
	SELECT jsonb_agg(pg_temp.act('note', to_char(timestamp '2020-01-01' + n * interval '10 min', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), NULL, 'x')) FROM generate_series(1, 100000) n))) AS many_activities;
-- Nothing was half stored, and the worker is well.
CALL kam.kam_wait(:'s') \gset
SELECT count(*) - :before AS stored FROM kam.request;
