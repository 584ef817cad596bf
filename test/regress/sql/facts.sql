-- kam_facts: shape, order, evidence that resolves, and independence from how the contact is written down.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'Europe/Paris';
SELECT pg_temp.contact(
	pg_temp.act('email', '2026-03-02T09:00:00+01:00', 'outbound', 'Bonjour Ines, voici nos tarifs. Souhaitez-vous une démonstration ?', '{"subject": "Tarifs"}'),
	pg_temp.act('email', '2026-03-04T11:30:00+01:00', 'inbound', 'Bonjour, merci, je reviens vers vous.', '{"subject": "Re: Tarifs"}'),
	pg_temp.act('linkedin_like', '2026-03-06T08:00:00Z', 'inbound')) AS c \gset

-- Every fact of the contract, each with a value and evidence, in an object.
SELECT key, jsonb_typeof(value -> 'value') AS value, jsonb_typeof(value -> 'evidence') AS evidence
  FROM jsonb_each(kam.kam_facts(:'c', '2026-03-10 10:00+01')) ORDER BY key COLLATE "C";
SELECT f #>> '{available_channels,value}' AS channels, f #>> '{conversation_state,value}' AS state,
       f #>> '{days_since_last_contact,value}' AS days, f #>> '{language,value}' AS language, f #>> '{validation,value}' AS validation
  FROM kam.kam_facts(:'c', '2026-03-10 10:00+01') f;

-- Every pointer resolves, and the quote stands there.
WITH found AS (
	SELECT x, f.key, e ->> 'path' AS path, e ->> 'quote' AS quote,
	       c #>> string_to_array(substr(e ->> 'path', 2), '/') AS there
	  FROM pg_temp.examples() x, pg_temp.example(x) c, jsonb_each(kam.kam_facts(c, '2026-03-11 10:00+01')) f, jsonb_array_elements(f.value -> 'evidence') e
)
SELECT count(*) > 50 AS enough, count(*) FILTER (WHERE there IS NULL) AS dangling,
       count(*) FILTER (WHERE position(regexp_replace(quote, '…$', '') IN regexp_replace(there, '\s+', ' ', 'g')) = 0
                          AND position(regexp_replace(quote, '…$', '') IN there) = 0) AS misquoted
  FROM found;

-- Shuffled activities, another zone, unknown fields, numbers of any size: the same values.
CREATE FUNCTION pg_temp.values_of(facts jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_object_agg(key, value -> 'value') FROM jsonb_each(facts)
$$;
SELECT count(*) AS differ
  FROM pg_temp.examples() x, pg_temp.example(x) c,
       LATERAL (SELECT jsonb_set(c, '{activities}', (SELECT coalesce(jsonb_agg(a ORDER BY md5(a::text)), '[]') FROM jsonb_array_elements(c -> 'activities') a)) ) s (shuffled),
       LATERAL (SELECT shuffled || '{"x_unknown": {"deep": [1, 1e400, 12345678901234567890123]}}') u (more)
 WHERE pg_temp.values_of(kam.kam_facts(c, '2026-03-11 10:00+01')) <> pg_temp.values_of(kam.kam_facts(more, '2026-03-11 10:00+01'));

-- As of when: NULL is the clock.
SET kam.clock = '2026-03-10T10:00:00+01:00';
SELECT kam.kam_facts(:'c') = kam.kam_facts(:'c', '2026-03-10 10:00+01') AS same;
RESET kam.clock;
SELECT pg_temp.refused('SELECT kam.kam_facts(pg_temp.contact(), ''infinity'')');

-- What cannot be read is refused with its place.
SELECT input, pg_temp.refused(format('SELECT kam.kam_facts(%L)', input)) FROM (VALUES
	('null'), ('"x"'), ('[]'), ('{}'), ('{"contact_info": {}}'), ('{"contact_info": [], "activities": []}'), ('{"contact_info": {}, "activities": {}}'),
	('{"contact_info": {}, "activities": [7]}'), ('{"contact_info": {}, "activities": [{}]}'),
	('{"contact_info": {}, "activities": [{"activity_type": "email"}]}'),
	('{"contact_info": {}, "activities": [{"activity_type": "email", "recorded_on": "hier"}]}'),
	('{"contact_info": {}, "activities": [{"activity_type": "email", "recorded_on": 20260310}]}'),
	('{"contact_info": {}, "activities": [{"activity_type": "email", "recorded_on": "2026-03-01T00:00:00Z", "direction": "sideways"}]}'),
	('{"contact_info": {}, "activities": [], "deals": {}}')) AS t (input);
SELECT pg_temp.refused('SELECT kam.kam_facts(NULL)');
