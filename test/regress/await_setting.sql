\set ECHO none
-- Reloads, and waits until this session has :setting = :value.  A session reads new settings between two statements, never within one.
SELECT pg_reload_conf() \g /dev/null
SELECT format('DO $do$ BEGIN IF current_setting(%L) <> %L THEN PERFORM pg_sleep(0.01); END IF; END $do$', :'setting', :'value')
  FROM generate_series(1, 1000) \gexec
\set ECHO all
