-- kam_check: sound decisions pass, and for each rule a spoilt one fires it.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'Europe/Paris';
CREATE TEMP TABLE decided AS
	SELECT x AS name, c, (e ->> 'as_of')::timestamptz AS as_of, kam.kam_decide(c, (e ->> 'as_of')::timestamptz) AS d
	  FROM pg_temp.examples() x, pg_temp.example(x) c, pg_temp.example(x || '.expect') e;
SELECT name, k.* FROM decided, kam.kam_check(d, c, as_of) k;
SELECT name, k.* FROM decided, kam.kam_check(d -> 'final_decision', c, as_of) k;

-- Spoilt: one thing at a time, and what is found.
CREATE FUNCTION pg_temp.spoilt(example text, path text[], value jsonb) RETURNS TABLE (rule text, severity text, at text) LANGUAGE sql AS $$
	SELECT k.rule, k.severity, k.path FROM decided, kam.kam_check(jsonb_set(d, path, value), c, as_of) k WHERE name = example
$$;
SELECT s.what, k.rule, k.severity, k.at FROM (VALUES
	('no action', '{final_decision,action}', 'null'),
	('unknown action', '{final_decision,action}', '"call"'),
	('unknown channel', '{final_decision,selected_channel}', '"FAX"'),
	('no message', '{final_decision,selected_content,message}', '""'),
	('two questions', '{final_decision,selected_content,message}', '"Bonjour ? Vraiment ?"'),
	('no time', '{final_decision,execution_timing,execute_at}', 'null'),
	('a time without zone', '{final_decision,execution_timing,execute_at}', '"2026-03-12T10:00:00"'),
	('a Sunday', '{final_decision,execution_timing,execute_at}', '"2026-03-15T10:00:00+01:00"'),
	('a wrong sum', '{final_decision,rationale,opportunity_strength_breakdown,calculated_total}', '0.99'),
	('a wrong strength', '{final_decision,rationale,opportunity_strength}', '0.01'),
	('no rationale', '{final_decision,rationale}', 'null'),
	('a number for a text', '{final_decision,rationale,action_reasoning}', '7'),
	('everything gone', '{final_decision}', '{}')) AS s (what, path, value)
  CROSS JOIN LATERAL pg_temp.spoilt('01_inbound_question_fr', s.path::text[], s.value::jsonb) k
 ORDER BY s.what, k.rule COLLATE "C", k.at COLLATE "C";
SELECT s.what, k.rule, k.severity, k.at FROM (VALUES
	('a wait of no kind', '{final_decision,wait_type}', 'null'),
	('a wait without end', '{final_decision,execution_timing,reevaluate_at}', 'null'),
	('a wait that writes', '{final_decision,selected_content}', '{"message": "Bonjour", "tone": "x", "content_source": "x", "variant": null}'),
	('sent all the same', '{final_decision,action}', '"send_message"')) AS s (what, path, value)
  CROSS JOIN LATERAL pg_temp.spoilt('10_meeting_scheduled_fr', s.path::text[], s.value::jsonb) k
 ORDER BY s.what, k.rule COLLATE "C", k.at COLLATE "C";

-- What a message may lead to: the active resources, the contact's and our own addresses, nothing else.
BEGIN;
INSERT INTO kam.resource (resource_id, title, url) VALUES ('R-1', 'Cas client', 'https://lumio.example/cas/7');
CREATE FUNCTION pg_temp.leads(words text) RETURNS SETOF text LANGUAGE sql AS
	$$SELECT rule || ': ' || message FROM decided, kam.kam_check(jsonb_set(d, '{final_decision,selected_content,message}', to_jsonb(words)), c, as_of)
	   WHERE name = '01_inbound_question_fr'$$;
SELECT pg_temp.leads('Bonjour, voici le cas : https://lumio.example/cas/7');
SELECT pg_temp.leads('Bonjour, voici le cas : https://lumio.example/cas/8');
UPDATE kam.resource SET active = false WHERE resource_id = 'R-1';
SELECT pg_temp.leads('Bonjour, voici le cas : https://lumio.example/cas/7');
SELECT pg_temp.leads('Bonjour, écrivez à marc@evil.example ou au 07 11 22 33 44.');
SELECT pg_temp.leads('Bonjour, réglez sur FR76 3000 6000 0112 3456 7890 189.');
SELECT pg_temp.leads('Bonjour' || chr(8203) || ', voici <b>le cas</b>.');
ROLLBACK;

-- Any JSON may come in.
SELECT input, count(*) > 0 AS refused, bool_or(severity = 'error') AS error
  FROM (VALUES ('null'), ('1'), ('"x"'), ('[]'), ('{}'), ('{"final_decision": 3}'), ('{"final_decision": {"action": ["x"]}}')) AS t (input)
  LEFT JOIN LATERAL kam.kam_check(input::jsonb, pg_temp.contact(), '2026-03-10 10:00+01') k ON true GROUP BY input ORDER BY input COLLATE "C";
SELECT pg_temp.refused('SELECT * FROM kam.kam_check(NULL, pg_temp.contact())');
SELECT pg_temp.refused('SELECT * FROM kam.kam_check(''{}'', ''{}'')');
-- No message is empty, no path without its slash.
SELECT count(*) FILTER (WHERE message = '' OR message IS NULL) AS silent, count(*) FILTER (WHERE path <> '' AND path NOT LIKE '/%') AS astray
  FROM kam.kam_check('{}', pg_temp.contact(), '2026-03-10 10:00+01');
