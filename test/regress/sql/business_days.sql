-- Business days in a rep's zone: weekends, holidays, the clocks' changes.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'UTC';
INSERT INTO kam.holiday (day, time_zone, name) VALUES
	('2026-05-01', 'Europe/Paris', 'Fête du Travail'), ('2026-12-25', '*', 'Christmas'), ('2026-07-03', 'America/New_York', 'Independence Day, observed');

SELECT note, start AT TIME ZONE zone AS local_start, kam._business_days_after(start, days, zone) AS utc, kam._business_days_after(start, days, zone) AT TIME ZONE zone AS local
  FROM (VALUES
	(1, 'within a week', timestamptz '2026-03-02 09:30:15.123456+01', 3, 'Europe/Paris'),
	(2, 'over a weekend', '2026-03-05 15:00+01', 3, 'Europe/Paris'),
	(3, 'from a Saturday: Monday is the first', '2026-03-07 11:00+01', 3, 'Europe/Paris'),
	(4, 'from a Sunday', '2026-03-08 23:59+01', 3, 'Europe/Paris'),
	(5, 'from a Friday', '2026-03-06 15:00+01', 1, 'Europe/Paris'),
	(6, 'the day is the zone''s: Sunday in Paris, Monday in Tokyo', '2026-03-08 20:00+00', 3, 'Asia/Tokyo'),
	(7, 'a holiday of the zone', '2026-04-29 10:00+02', 3, 'Europe/Paris'),
	(8, 'is none elsewhere', '2026-04-29 10:00+02', 3, 'Europe/Berlin'),
	(9, 'a holiday and a weekend', '2026-07-01 16:00-04', 3, 'America/New_York'),
	(10, 'a holiday everywhere', '2026-12-24 12:00+01', 3, 'Europe/Paris'),
	(11, 'the clocks go forward in Paris', '2026-03-26 10:00+01', 3, 'Europe/Paris'),
	(12, 'and back', '2026-10-22 10:00+02', 3, 'Europe/Paris'),
	(13, 'forward in New York', '2026-03-05 15:00-05', 3, 'America/New_York'),
	(14, 'none', '2026-03-07 11:00+01', 0, 'Europe/Paris'),
	(15, 'many', '2026-01-01 08:00+01', 250, 'Europe/Paris')
  ) v (n, note, start, days, zone) ORDER BY n;

-- A local time that the change of the clocks leaves out, and one that comes twice: Amman changed them on Fridays.
SELECT kam._business_days_after('2019-03-26 00:30+02', 3, 'Asia/Amman') AS left_out, kam._business_days_after('2019-10-22 00:30+03', 3, 'Asia/Amman') AS twice;

SELECT kam._business_days_after(NULL, 3, 'Europe/Paris') IS NULL AS null_moment, kam._business_days_after(now(), NULL, 'Europe/Paris') IS NULL AS null_days,
       kam._business_days_after(now(), 3, NULL) IS NULL AS null_zone;
SELECT pg_temp.refused('SELECT kam._business_days_after(now(), -1, ''Europe/Paris'')');
SELECT pg_temp.refused('SELECT kam._business_days_after(now(), 3, ''Mars/Olympus'')');
SELECT pg_temp.refused('SELECT kam._business_days_after(''infinity'', 3, ''Europe/Paris'')');
-- A calendar without any working day ends in an error, not in a loop.
BEGIN;
INSERT INTO kam.holiday (day, time_zone) SELECT d::date, '*' FROM generate_series('2026-03-02'::timestamp, '2036-12-31', '1 day') d ON CONFLICT DO NOTHING;
SELECT pg_temp.refused('SELECT kam._business_days_after(''2026-03-01 12:00+00'', 1, ''UTC'')');
ROLLBACK;

-- The zone of a rep: theirs, else the default; a name that is no zone counts as none.
INSERT INTO kam.Reps (rep_id, time_zone) VALUES ('tokyo', 'Asia/Tokyo'), ('nowhere', NULL), ('odd', '(GMT+01:00) Paris'), ('wrong', 'Europe/Atlantis');
SELECT kam._rep_zone('tokyo') AS tokyo, kam._rep_zone('nowhere') AS nowhere, kam._rep_zone('odd') AS odd, kam._rep_zone('wrong') AS wrong, kam._rep_zone('unknown') AS unknown, kam._rep_zone(NULL) AS nobody;

DELETE FROM kam.Reps;
DELETE FROM kam.holiday;
