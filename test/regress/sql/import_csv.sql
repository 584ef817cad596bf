-- kam_import_csv: resources and best practices from a spreadsheet.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

BEGIN;
SELECT kam.kam_import_csv('resource', E'resource_id,title,url,language,topics,match_terms,body,active\n'
	'r1,"Price list, 2026",https://x.example/p,en,pricing;plans,"price; cost | tarif",The prices.,true\n'
	'r2,"Fiche ""module 4""\nsuite",,fr,,,,\n');
SELECT * FROM kam.resource ORDER BY resource_id;
-- Again: replaced, not doubled. Columns in any order, what is not named gets its default.
SELECT kam.kam_import_csv('resource', E'\uFEFFTitle;resource_id\r\nPrices;r1\r\n\r\nNew;r3\r\n');
SELECT resource_id, title, url, topics, active FROM kam.resource ORDER BY resource_id;
SELECT kam.kam_import_csv('best_practice', E'practice_id\ttitle\tbody\tapplies_to\tactive\np1\tShort\tWrite short.\tEMAIL|LINKEDIN\tno\n');
SELECT * FROM kam.best_practice;
SELECT kam.kam_import_csv('best_practice', E'practice_id,title,body\n') AS header_alone;
ROLLBACK;

-- Every refusal names its line, and nothing of the text is kept.
SELECT pg_temp.refused($$SELECT kam.kam_import_csv('contacts', 'a')$$);
SELECT pg_temp.refused($$SELECT kam.kam_import_csv('resource', '')$$);
SELECT pg_temp.refused($$SELECT kam.kam_import_csv('resource', E'resource_id,titel\n')$$);
SELECT pg_temp.refused($$SELECT kam.kam_import_csv('resource', E'resource_id\n')$$);
SELECT pg_temp.refused($$SELECT kam.kam_import_csv('resource', E'resource_id,title,title\n')$$);
SELECT pg_temp.refused($$SELECT kam.kam_import_csv('resource', E'resource_id,title\nr1,One\nr2\n')$$);
SELECT pg_temp.refused($$SELECT kam.kam_import_csv('resource', E'resource_id,title\nr1,One\n,Two\n')$$);
SELECT pg_temp.refused($$SELECT kam.kam_import_csv('resource', E'resource_id,title,active\nr1,One,perhaps\n')$$);
SELECT pg_temp.refused($$SELECT kam.kam_import_csv('resource', E'resource_id,title,language\nr1,One,de\n')$$);
SELECT pg_temp.refused($$SELECT kam.kam_import_csv('resource', E'resource_id,title\nr1,"One\n')$$);
SELECT count(*) AS kept FROM kam.resource;

-- A line is where the reader of the file sees it: after a field of three lines too.
\set VERBOSITY default
\set SHOW_CONTEXT errors
SELECT kam.kam_import_csv('resource', E'resource_id,title,language,body\nr1,One,en,"a\nb\nc"\nr2,Two,xx,\n');
\set SHOW_CONTEXT never
-- Large, and with what SQL would trip over.
SELECT kam.kam_import_csv('best_practice', E'practice_id,title,body\n' || string_agg(format(E'p%s,"It''s %s; \\$1 {x}","%s"\n', n, n, repeat('long ', 50)), ''))
  FROM generate_series(1, 3000) n;
SELECT count(*), min(title), max(length(body)) FROM kam.best_practice;
DELETE FROM kam.best_practice;
