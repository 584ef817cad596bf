-- kam_gate: what a request would be answered, and what each gate says by itself; writes nothing.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence

BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
INSERT INTO kam.Accounts (account_id, icp_tier) VALUES ('t1', 'T1'), ('t3', 'T3');
INSERT INTO kam.Leads (lead_id, account_id) VALUES ('v1', 't1'), ('v2', 't3'), ('v3', NULL), ('fresh', NULL);
SELECT pg_temp.ask('v1', 'newsletter', 'activation', 'M'), pg_temp.ask('v1', 'newsletter'), pg_temp.ask('v1', 'newsletter'), pg_temp.ask('v1', 'newsletter');
SELECT v.sequence_type, v.event_type, g.allowed, g.gate, g.coordinator_action, g.resolution, g.suppressed_reason, g.compliance_status, g.touch_count, g.release_at
  FROM (VALUES (1, 'newsletter', 'touch'), (2, 'outbound', 'activation'), (3, 'newsletter', 'activation'), (4, 'event', 'activation'), (5, 'transactional', 'touch')) v (n, sequence_type, event_type), kam.kam_gate('v1', v.sequence_type, v.event_type) g ORDER BY v.n;
-- Each gate by itself, and whom a winner would pause.
SELECT x.* FROM kam.kam_gate('v1', 'outbound') g, jsonb_to_recordset(g.gates) x (gate integer, name text, passes boolean, coordinator_action text, suppressed_reason text, resolution text, release_at timestamptz, pauses text) ORDER BY 1;
SELECT x.gate, x.passes, x.coordinator_action, x.suppressed_reason, x.resolution, x.release_at FROM kam.kam_gate('v1', 'newsletter', 'touch', 'none') g, jsonb_to_recordset(g.gates) x (gate integer, passes boolean, coordinator_action text, suppressed_reason text, resolution text, release_at timestamptz) ORDER BY 1;
-- Defaults; a lead that was never asked for.
SELECT (kam.kam_gate('fresh', 'outbound')).allowed, (kam.kam_gate('fresh', 'outbound')).touch_count, (kam.kam_gate('fresh', 'outbound', NULL)).coordinator_action AS null_event;
SELECT count(*) AS states FROM kam.prospect_state WHERE lead_id = 'fresh';
-- A merged lead is the one that stands for it.
INSERT INTO kam.Leads (lead_id) VALUES ('old');
SELECT kam.kam_merge_leads('old', 'v1') IS NOT NULL AS merged;
SELECT touch_count FROM kam.kam_gate('old', 'newsletter', 'touch');
ROLLBACK;

-- Nothing is written: no row, not even a transaction id, also in a read-only transaction, for a lead without a state, and for a stale one.
INSERT INTO kam.Leads (lead_id) VALUES ('v9');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('v9', 'S', 'outbound', 'activation');
UPDATE kam.prospect_state SET stale = true, touches = ARRAY['2026-01-01'::timestamptz] WHERE lead_id = 'v9';
BEGIN;
SELECT allowed, touch_count FROM kam.kam_gate('v9', 'outbound', 'touch');
SELECT pg_current_xact_id_if_assigned() AS xid, (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode NOT IN ('AccessShareLock', 'ExclusiveLock')) AS locks;
COMMIT;
BEGIN READ ONLY;
SELECT allowed, touch_count FROM kam.kam_gate('v9', 'outbound', 'touch');
SELECT allowed, resolution FROM kam.kam_gate('v9', 'nurture');
COMMIT;
SELECT stale FROM kam.prospect_state WHERE lead_id = 'v9';
-- Who may look.
CREATE ROLE regress_reader;
GRANT kam_read TO regress_reader;
SET ROLE regress_reader;
SELECT allowed FROM kam.kam_gate('v9', 'outbound', 'touch');
RESET ROLE;
DROP ROLE regress_reader;
SET session_replication_role = replica;
DELETE FROM kam.CadenceEventLog WHERE lead_id = 'v9';
DELETE FROM kam.Cadence WHERE lead_id = 'v9';
DELETE FROM kam.prospect_state WHERE lead_id = 'v9';
DELETE FROM kam.notification WHERE lead_id = 'v9';
DELETE FROM kam.Leads WHERE lead_id = 'v9';
RESET session_replication_role;
