-- kam_when: words of time, in French and English, relative to the moment they were said.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'Europe/Paris';
-- The specification's table.
SELECT said, kam.kam_when(said, '2026-02-10 10:00+01') FROM (VALUES
	('début avril'), ('mi-mars'), ('fin mars'), ('dans 2 semaines'), ('après le meeting du 15 mars'),
	('early April'), ('mid-March'), ('end of March'), ('in two weeks'), ('after the meeting on March 15')) AS t (said);
-- The next future occurrence.
SELECT said, kam.kam_when(said, '2026-03-20 10:00+01') FROM (VALUES ('début mars'), ('mi-mars'), ('fin mars')) AS t (said);
-- Ordinary words.
SELECT said, kam.kam_when(said, '2026-02-10 10:00+01') FROM (VALUES
	('demain'), ('tomorrow'), ('lundi prochain'), ('next Monday'), ('semaine 14'), ('le 15 mars'), ('on 15 March 2026'), ('2026-05-04')) AS t (said);
-- No time in it, or nothing at all.
SELECT said, kam.kam_when(said, '2026-02-10 10:00+01') FROM (VALUES
	('bonjour'), (''), ('   '), ('15'), ('marsouin'), (repeat('x', 100000))) AS t (said) WHERE kam.kam_when(said, '2026-02-10 10:00+01') IS NOT NULL;
SELECT kam.kam_when(NULL, now()) IS NULL AS null_text, kam.kam_when('demain', NULL) IS NULL AS null_moment,
       kam.kam_when('demain', now(), NULL) IS NULL AS null_zone;
-- The zone decides what nine o'clock is, summer time too.
SELECT kam.kam_when('mi-avril', '2026-02-10 10:00+01') AS paris, kam.kam_when('mi-avril', '2026-02-10 10:00+01', 'America/New_York') AS new_york,
       kam.kam_when('mi-avril', '2026-02-10 10:00+01', 'UTC') AS utc;
SELECT pg_temp.refused('SELECT kam.kam_when(''demain'', now(), ''Mars/Olympus'')');
SELECT pg_temp.refused('SELECT kam.kam_when(''demain'', ''infinity'')');
