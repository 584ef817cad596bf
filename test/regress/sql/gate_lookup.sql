-- The gate finds rows by their keys without a statement: it sees what a statement would see, whatever was done to tables and indexes.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence

BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
INSERT INTO kam.Accounts (account_id, icp_tier, abm_active) VALUES ('plain', 'T1', false), ('abm', 'T1', true);
INSERT INTO kam.Leads (lead_id, account_id, email) SELECT 'a' || n, 'plain', 'a' || n || '@x.example' FROM generate_series(1, 9) n;
INSERT INTO kam.Suppression (address, kind, source, reason) VALUES ('gone@x.example', 'email', 'test', 'r1');
SELECT pg_temp.ask('a1', 'outbound', 'activation', 'S'), pg_temp.ask('a1', 'outbound', 'touch', 'S', 1);

-- ---- nothing reads the log from end to end, however small it is: the session that fills it would go on doing so
INSERT INTO kam.Leads (lead_id, icp_tier) SELECT 'c' || n, 'T1' FROM generate_series(1, 8) n;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) SELECT 'c' || n, 'S', 'outbound', 'activation' FROM generate_series(1, 8) n;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step, idempotency_key) SELECT 'c' || n, 'S', 'outbound', 'touch', s % 3, 'k' || s FROM generate_series(1, 8) n, generate_series(1, 5) s;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, event_type) SELECT 'c' || n, 'S', 'pause' FROM generate_series(1, 8) n;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) SELECT 'c' || n, 'S', 'outbound', 'resume' FROM generate_series(1, 8) n;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, event_type) SELECT 'c' || n, 'S', 'reply' FROM generate_series(1, 8) n;
INSERT INTO kam.CadenceEventLog (lead_id, event_type) SELECT 'c' || n, 'unsubscribe' FROM generate_series(1, 8) n;
SELECT pg_stat_get_xact_tuples_returned('kam.cadenceeventlog'::regclass) AS read_in_passing;
SELECT event_type, count(*) FROM kam.CadenceEventLog WHERE lead_id LIKE 'c_' GROUP BY 1 ORDER BY 1;

-- ---- columns are known by name and type, whatever ALTER TABLE does between two rows of a session
SAVEPOINT before;
ALTER TABLE kam.Leads RENAME unsubscribe_flag TO swapped;
ALTER TABLE kam.Leads RENAME opt_out_flag TO unsubscribe_flag;
ALTER TABLE kam.Leads RENAME swapped TO opt_out_flag;
INSERT INTO kam.Leads (lead_id, opt_out_flag) VALUES ('b1', true);
SELECT pg_temp.ask('b1', 'transactional') AS opted_out;
ROLLBACK TO before;
INSERT INTO kam.Leads (lead_id, opt_out_flag) VALUES ('b2', true);
SELECT pg_temp.ask('b2', 'transactional') AS opted_out;
ALTER TABLE kam.Accounts ADD COLUMN mine text DEFAULT 'x', DROP COLUMN attributes;
ALTER TABLE kam.Leads ADD COLUMN mine integer;
UPDATE kam.Leads SET account_id = 'abm' WHERE lead_id = 'a2';
SELECT pg_temp.ask('a2', 'nurture', 'activation', 'N') AS abm, pg_temp.ask('a3', 'nurture', 'activation', 'N') AS not_abm;
ROLLBACK TO before;
ALTER TABLE kam.Accounts ALTER abm_active DROP DEFAULT, ALTER abm_active TYPE text USING 'no';
SELECT pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type) VALUES ('a1', 'transactional', 'touch')$$);
ROLLBACK TO before;
SELECT pg_temp.ask('a1', 'outbound', 'touch', 'S', 2) AS as_ever;

-- ---- rows are found when the index is another, or none
UPDATE kam.Leads SET email = 'Gone@X.example' WHERE lead_id = 'a4';
SELECT pg_temp.ask('a4', 'outbound', 'activation', 'S') AS suppressed;
ALTER TABLE kam.Suppression DROP CONSTRAINT suppression_pkey;
SELECT pg_temp.ask('a4', 'outbound', 'activation', 'S') AS without_index;
ALTER TABLE kam.Suppression ADD PRIMARY KEY (reason);
SELECT pg_temp.ask('a4', 'outbound', 'activation', 'S') AS with_another;
ALTER TABLE kam.Suppression DROP CONSTRAINT suppression_pkey, ADD PRIMARY KEY (address);
SELECT pg_temp.ask('a4', 'outbound', 'activation', 'S') AS with_a_new_one;
REINDEX TABLE kam.Suppression;
SELECT pg_temp.ask('a4', 'outbound', 'activation', 'S') AS reindexed;
DELETE FROM kam.Suppression;
SELECT pg_temp.ask('a4', 'outbound', 'activation', 'S') AS lifted;
-- Of a key that was used, nothing is decided.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, idempotency_key) VALUES ('a5', 'S', 'outbound', 'activation', 'k') RETURNING event_type, coordinator_action;
DROP INDEX kam.cadenceeventlog_idempotency_key;
SELECT split_part(pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, idempotency_key) VALUES ('a5', 'S', 'outbound', 'touch', 'k')$$), E'\n', 1) AS again;
CREATE UNIQUE INDEX cadenceeventlog_idempotency_key ON kam.CadenceEventLog (idempotency_key, lead_id, event_id);
SELECT split_part(pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, idempotency_key) VALUES ('a5', 'S', 'outbound', 'touch', 'k')$$), E'\n', 1) AS again;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, idempotency_key) VALUES ('a5', 'S', 'outbound', 'touch', 'l') RETURNING event_type, coordinator_action;
ROLLBACK TO before;
ALTER TABLE kam.Leads DROP CONSTRAINT leads_pkey;
SELECT pg_temp.ask('a1', 'outbound', 'touch', 'S', 2) AS by_a_scan, pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type) VALUES ('nobody', 'transactional', 'touch')$$);
ROLLBACK TO before;
-- A child of the table belongs to it.
CREATE TABLE public.elsewhere () INHERITS (kam.Suppression);
INSERT INTO public.elsewhere (address, kind, source) VALUES ('a6@x.example', 'email', 'test');
SELECT pg_temp.ask('a6', 'outbound', 'activation', 'S') AS suppressed_elsewhere;
ROLLBACK TO before;

-- ---- versions: updated again and again within one statement, one page or more
SELECT pg_temp.ask('a7', 'outbound', 'activation', 'S');
UPDATE kam.Leads SET attributes = jsonb_build_object('n', n) FROM generate_series(1, 40) n WHERE lead_id = 'a7';
DO $$ BEGIN FOR n IN 1 .. 300 LOOP UPDATE kam.Leads SET attributes = jsonb_build_object('n', n, 'x', repeat('x', 300)) WHERE lead_id = 'a7'; END LOOP; END $$;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step) SELECT 'a7', 'S', 'outbound', 'touch', n FROM generate_series(1, 5) n RETURNING step, coordinator_action, touch_no;
-- Values that are stored out of line.
UPDATE kam.Leads SET phone = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 400) n), email = 'a8@x.example' WHERE lead_id = 'a8';
SELECT pg_temp.ask('a8', 'outbound', 'activation', 'S'), pg_temp.ask('a8', 'outbound', 'touch', 'S', 1);
-- Each error leaves the session as it was.
SELECT count(pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type) VALUES ('nobody', 'outbound', 'touch')$$)) FROM generate_series(1, 50);
SELECT count(pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, payload) VALUES ('a9', 'outbound', 'touch', '{"priority": "x"}')$$)) FROM generate_series(1, 50);
SELECT pg_temp.ask('a9', 'outbound', 'activation', 'S');
ROLLBACK;
