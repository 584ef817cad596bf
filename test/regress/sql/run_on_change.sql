-- kam_run_on_change: a table that a CRM is synced into asks for runs by itself.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET client_min_messages = warning;
CREATE TABLE crm (id int PRIMARY KEY, contact jsonb, note text, lead text);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm FOR EACH ROW
	EXECUTE FUNCTION kam.kam_run_on_change('contact', 'debounce=1 hour', 'lead_id=lead', 'priority=7');
CREATE VIEW pg_temp.asked AS
	SELECT r.status, r.lead_id, r.priority, r.as_of, r.next_attempt_at - r.created_at BETWEEN interval '59 min' AND interval '61 min' AS within_the_hour,
	       jsonb_array_length(r.contact -> 'activities') AS activities, r.sqlstate, r.error
	  FROM kam.request r WHERE r.lead_id LIKE 'crm-%' ORDER BY r.created_at;

-- A new contact: one run, which waits for further changes.
INSERT INTO crm VALUES (1, pg_temp.contact(), 'x', 'crm-1');
SELECT * FROM pg_temp.asked;
-- Changes of the contact join it; a change of something else is none.
UPDATE crm SET contact = pg_temp.contact(pg_temp.act('call', '2026-03-02T09:00:00+01:00', 'outbound'));
UPDATE crm SET contact = pg_temp.contact(pg_temp.act('call', '2026-03-02T09:00:00+01:00', 'outbound'), pg_temp.act('note', '2026-03-03T09:00:00+01:00'));
UPDATE crm SET note = 'y';
SELECT * FROM pg_temp.asked;
-- Once it has been taken, a change asks for another.
UPDATE kam.request SET status = 'cancelled', finished_at = now() WHERE lead_id = 'crm-1';
UPDATE crm SET contact = contact || '{"x": 1}';
UPDATE crm SET contact = contact || '{"x": 2}';
SELECT * FROM pg_temp.asked;
-- A bad contact does not break the statement: the run says why it failed, and a repaired contact mends it.
UPDATE crm SET contact = '{"contact_info": {"hubspot_id": "4711"}, "activities": [{"activity_type": "email", "recorded_on": "?"}]}';
SELECT * FROM pg_temp.asked;
UPDATE crm SET contact = pg_temp.contact();
SELECT * FROM pg_temp.asked;
-- No contact, no run.
INSERT INTO crm VALUES (2, NULL, 'x', 'crm-2');
SELECT count(*) FROM pg_temp.asked WHERE lead_id = 'crm-2';
-- What the transaction takes back was not asked.
BEGIN;
INSERT INTO crm VALUES (3, pg_temp.contact() #- '{contact_info,hubspot_id}', 'x', 'crm-3');
ROLLBACK;
SELECT count(*) FROM pg_temp.asked WHERE lead_id = 'crm-3';

-- Many rows in a statement: one run for each contact.
INSERT INTO crm SELECT n, jsonb_set(pg_temp.contact(), '{contact_info,hubspot_id}', to_jsonb(n % 10)), 'x', 'crm-many' FROM generate_series(100, 129) n;
SELECT count(*) AS runs FROM pg_temp.asked WHERE lead_id = 'crm-many';

-- A contact in several columns, under other names, with a key of its own.
CREATE TABLE crm_parts (id text, info json, activities jsonb, deals jsonb, lead text);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm_parts FOR EACH ROW
	EXECUTE FUNCTION kam.kam_run_on_change('contact_info=info', 'activities', 'deals', 'key=id', 'debounce=1 hour', 'lead_id=lead');
INSERT INTO crm_parts VALUES ('a', '{"email": "a@x.example"}', '[]', NULL, 'crm-parts'), ('b', '{"email": "a@x.example"}', '[]', '[{"deal_id": 1, "status": "OPEN"}]', 'crm-parts');
UPDATE crm_parts SET activities = activities WHERE id = 'a';
UPDATE crm_parts SET info = '{"email": "b@x.example"}' WHERE id = 'a';
SELECT status, contact FROM kam.request WHERE lead_id = 'crm-parts' ORDER BY contact::text;

-- Without a debounce each change runs by itself, and is decided.
CREATE TABLE crm_now (contact jsonb, lead text);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm_now FOR EACH ROW EXECUTE FUNCTION kam.kam_run_on_change('contact', 'lead_id=lead');
INSERT INTO crm_now VALUES (pg_temp.contact(), 'crm-now');
UPDATE crm_now SET contact = contact || '{"x": 1}';
SELECT session_id AS one FROM kam.request WHERE lead_id = 'crm-now' AND NOT contact ? 'x' \gset
SELECT session_id AS two FROM kam.request WHERE lead_id = 'crm-now' AND contact ? 'x' \gset
CALL kam.kam_wait(:'one') \gset
CALL kam.kam_wait(:'two') \gset
SELECT status, as_of IS NOT NULL AS as_of_the_moment_it_ran FROM kam.request WHERE lead_id = 'crm-now';

-- A trigger set up wrongly says so.
CREATE TABLE crm_wrong (contact jsonb, name text);
CREATE FUNCTION pg_temp.with_trigger(made text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'CREATE TRIGGER kam ' || made;
	RETURN pg_temp.refused('INSERT INTO crm_wrong VALUES (pg_temp.contact(), ''x'')');
END
$$;
BEGIN; SELECT pg_temp.with_trigger('AFTER INSERT ON crm_wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_run_on_change()'); ROLLBACK;
BEGIN; SELECT pg_temp.with_trigger('AFTER INSERT ON crm_wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_run_on_change(''contct'')'); ROLLBACK;
BEGIN; SELECT pg_temp.with_trigger('AFTER INSERT ON crm_wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_run_on_change(''name'')'); ROLLBACK;
BEGIN; SELECT pg_temp.with_trigger('AFTER INSERT ON crm_wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_run_on_change(''contact'', ''debounse=1 h'')'); ROLLBACK;
BEGIN; SELECT pg_temp.with_trigger('AFTER INSERT ON crm_wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_run_on_change(''contact'', ''debounce=soon'')'); ROLLBACK;
BEGIN; SELECT pg_temp.with_trigger('BEFORE INSERT ON crm_wrong FOR EACH ROW EXECUTE FUNCTION kam.kam_run_on_change(''contact'')'); ROLLBACK;
BEGIN; SELECT pg_temp.with_trigger('AFTER INSERT ON crm_wrong FOR EACH STATEMENT EXECUTE FUNCTION kam.kam_run_on_change(''contact'')'); ROLLBACK;
-- Whoever may write to the table needs no right on kam.
CREATE ROLE regress_syncer;
GRANT INSERT ON crm_now TO regress_syncer;
SET ROLE regress_syncer;
INSERT INTO crm_now VALUES ('{"contact_info": {"email": "s@x.example"}, "activities": []}', 'crm-syncer');
RESET ROLE;
SELECT count(*) AS asked FROM kam.request WHERE lead_id = 'crm-syncer';
DROP TABLE crm, crm_parts, crm_now, crm_wrong;
DROP ROLE regress_syncer;
SELECT kam.kam_cancel(session_id) FROM kam.request WHERE lead_id LIKE 'crm-%' AND finished_at IS NULL AND next_attempt_at > clock_timestamp() + interval '1 min' LIMIT 1;
DELETE FROM kam.request WHERE lead_id LIKE 'crm-%' AND status = 'queued' AND next_attempt_at > clock_timestamp() + interval '1 min';
