-- Settings: defaults, who may change them, what they refuse.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SELECT name, setting, unit, context, vartype, boot_val FROM pg_settings WHERE name LIKE 'kam.%'
   AND name NOT IN ('kam.databases', 'kam.poll_interval', 'kam.schedules') ORDER BY name COLLATE "C";
SELECT name, context, vartype, boot_val FROM pg_settings WHERE name IN ('kam.databases', 'kam.poll_interval', 'kam.schedules') ORDER BY name COLLATE "C";
SELECT name AS undescribed FROM pg_settings WHERE name LIKE 'kam.%' AND (short_desc = '' OR extra_desc IS NULL);

SELECT pg_temp.refused('SET kam.clock = ''yesterday''');
SELECT pg_temp.refused('SET kam.clock = ''2026-02-30T10:00:00Z''');
SELECT pg_temp.refused('SET kam.default_timezone = ''Mars/Olympus''');
SELECT pg_temp.refused('SET kam.default_timezone = ''''');
SELECT pg_temp.refused('SET kam.databases = ''x''');
SELECT pg_temp.refused('SET kam.no_such_setting = 1');
-- Paths are whole, and a proxy's password stands elsewhere.
ALTER SYSTEM SET kam.key_directory = 'keys';
ALTER SYSTEM SET kam.ca_file = '../ca.pem';
ALTER SYSTEM SET kam.proxy = 'http://user:hush@proxy.example:3128';
ALTER SYSTEM SET kam.proxy = 'proxy.example:3128';
ALTER SYSTEM SET kam.proxy = 'ftp://proxy.example';
ALTER SYSTEM SET kam.proxy = 'http://';
ALTER SYSTEM SET kam.proxy = 'http://proxy example';
ALTER SYSTEM SET kam.max_in_flight = 0;
ALTER SYSTEM SET kam.max_in_flight = 65537;
SELECT pg_temp.refused('SET kam.key_directory = ''/x''');
SELECT pg_temp.refused('SET kam.proxy = ''http://proxy.example''');
-- Where keys lie and calls go is for superusers to see.
CREATE ROLE regress_looker;
SET ROLE regress_looker;
SELECT left(pg_temp.refused('SHOW kam.key_directory'), 5) AS sqlstate;
SELECT left(pg_temp.refused('SHOW kam.proxy'), 5) AS sqlstate;
SELECT name FROM pg_settings WHERE name IN ('kam.key_directory', 'kam.proxy', 'kam.max_in_flight') ORDER BY 1;
RESET ROLE;
DROP ROLE regress_looker;

-- The clock stands where it is put, and moves again when it is let go.
SET kam.clock = '2026-03-10T10:00:00+01:00';
SELECT kam._now() AT TIME ZONE 'UTC' AS now;
SET kam.clock = '2026-03-10 10:00:00.25';
SELECT kam._now() AT TIME ZONE 'UTC' AS now;
SELECT kam.kam_decide(pg_temp.contact()) #>> '{metadata,processing_date}' AS processing_date;
SET kam.clock = '';
SELECT abs(extract(epoch FROM clock_timestamp() - kam._now())) < 5 AS real_time;
RESET kam.clock;

-- Contacts without a zone of their own are read in the default one.
SELECT (pg_temp.contact() #- '{contact_info,timezone}') AS c \gset
SELECT kam.kam_decide(:'c', '2026-03-10T03:00:00Z') #>> '{final_decision,execution_timing,timezone}' AS zone;
SET kam.default_timezone = 'America/New_York';
SELECT kam.kam_decide(:'c', '2026-03-10T03:00:00Z') #>> '{final_decision,execution_timing,timezone}' AS zone;
RESET kam.default_timezone;
