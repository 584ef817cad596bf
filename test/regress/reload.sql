\set ECHO none
-- Has the server read its configuration again, and waits until this session has :setting at :value.  A session reads it between commands,
-- so the waiting is many commands, each a look.
SELECT pg_reload_conf() \gset none_
SELECT format('DO $do$ BEGIN IF current_setting(%L) <> %L THEN PERFORM pg_sleep(0.01); END IF; END $do$', :'setting', :'value') FROM generate_series(1, 1000) \gexec
SELECT current_setting(:'setting') = :'value' AS reloaded \gset
\if :reloaded
\else
\echo the setting did not arrive
\endif
\set ECHO all
