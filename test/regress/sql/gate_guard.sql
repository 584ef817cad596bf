-- Nobody goes past the gates: other triggers, superusers, callers who write the verdict, look-alikes, partitions; and what stands when nothing is fired.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence

BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
INSERT INTO kam.Leads (lead_id, unsubscribe_flag) VALUES ('a', false), ('no', true);
SELECT pg_temp.ask('a', 'outbound', 'activation', 'S'), pg_temp.ask('a', 'outbound', 'touch', 'S', 1);

-- ---- the log is append-only
SELECT s, pg_temp.refused(s) FROM unnest(ARRAY['UPDATE kam.CadenceEventLog SET event_type = ''touch''', 'UPDATE kam.CadenceEventLog SET counted = false', 'UPDATE kam.CadenceEventLog SET payload = ''{}''',
	'DELETE FROM kam.CadenceEventLog', 'TRUNCATE kam.CadenceEventLog, kam.CadenceQueue',
	'INSERT INTO kam.CadenceEventLog (lead_id, event_id, sequence_type, event_type) VALUES (''a'', 1, ''outbound'', ''activation'') ON CONFLICT (lead_id, event_id) DO UPDATE SET payload = ''{}''']) s;
SELECT count(*) AS still_there FROM kam.CadenceEventLog WHERE lead_id IN (SELECT lead_id FROM kam.Leads);
-- A touch that did fail is the one thing that is changed, and by the gate alone.
SELECT pg_temp.tell('a', 'send_failed', parent_event_id => max(event_id)) FROM kam.CadenceEventLog WHERE event_type = 'touch';
SELECT pg_temp.refused('UPDATE kam.CadenceEventLog SET counted = true WHERE event_type = ''touch''');

-- ---- a trigger that fires later cannot overturn a verdict
CREATE FUNCTION public.overturn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW := jsonb_populate_record(NEW, TG_ARGV[0]::jsonb);
	RETURN NEW;
END
$$;
CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
-- With a trigger of this name and this change: what becomes of a request that is blocked, and of one that is executed.
CREATE FUNCTION pg_temp.under(name text, change jsonb, lead text DEFAULT 'no') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	EXECUTE format('CREATE TRIGGER %I BEFORE INSERT ON kam.CadenceEventLog FOR EACH ROW EXECUTE FUNCTION public.overturn(%L)', name, change);
	said := pg_temp.refused(format('INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES (%L, ''S'', ''outbound'', ''touch'')', lead));
	EXECUTE format('DROP TRIGGER %I ON kam.CadenceEventLog', name);
	-- Of a constraint the name alone would tell what else there is.
	RETURN CASE WHEN said LIKE '23514%' THEN '23514' ELSE split_part(said, E'\n', 1) END;
END
$$;
SELECT c, pg_temp.under('zzzz_later', c) FROM (VALUES (1, '{"event_type": "touch", "coordinator_action": "executed", "suppressed_reason": null, "compliance_status": "clear", "touch_no": 99, "touch_at": "2026-02-02T09:00:00.000004Z", "counted": true}'::jsonb),
	(2, '{"suppressed_reason": "routing_error"}'), (3, '{"resolution": "because"}'), (4, '{"lead_id": "a"}'), (5, '{"event_id": 1000000}'), (6, '{"event_at": "2026-02-03"}'), (7, '{"sequence_type": "nurture"}')) t (n, c) ORDER BY n;
SELECT c, pg_temp.under('zzzz_later', c, 'a') FROM (VALUES (1, '{"counted": false}'::jsonb), (2, '{"touch_at": "2026-01-01"}'), (3, '{"touch_no": 7}'), (4, '{"touch_earliest": "2026-01-01"}'), (5, '{"step": 9}'), (6, '{"idempotency_key": "x"}'), (7, '{"enrolment_no": 2}')) t (n, c) ORDER BY n;
-- What is the caller's may be changed, before and after.
SELECT n, pg_temp.under(n, '{"payload": {"signed": true}}', 'a'), pg_temp.under(n, '{"channel": "email", "originating_agent": "AGT-301"}', 'a') FROM unnest(ARRAY['aaa_before', 'zzzz_later']) n;
SELECT payload, channel, originating_agent FROM kam.CadenceEventLog WHERE lead_id = 'a' AND (payload IS NOT NULL OR channel = 'email') AND step IS NULL AND event_type IN ('touch', 'held') ORDER BY event_id;
-- One that fires before and changes the request: the request as it then is is judged.
SELECT pg_temp.under('aaa_before', '{"lead_id": "no"}', 'a');
SELECT event_type, suppressed_reason FROM kam.CadenceEventLog WHERE lead_id = 'no' ORDER BY event_id DESC LIMIT 1;
-- One that drops the row: nothing is logged, and nothing goes wrong later.  Of kam's own rows none may be dropped.
CREATE TRIGGER zzzz_swallow BEFORE INSERT ON kam.CadenceEventLog FOR EACH ROW WHEN (NEW.lead_id = 's') EXECUTE FUNCTION public.swallow();
INSERT INTO kam.Leads (lead_id) VALUES ('s');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('s', 'S', 'outbound', 'activation') RETURNING event_type;
SELECT pg_temp.refused($$SELECT kam._system_event('s', 'cancelled', NULL, 'x', 'S', 'outbound')$$);
DROP TRIGGER zzzz_swallow ON kam.CadenceEventLog;
SELECT pg_temp.ask('a', 'transactional') AS afterwards;

-- ---- outcome columns are the gate's, whoever fills them in
INSERT INTO kam.Leads (lead_id) VALUES ('b');
SELECT pg_temp.ask('b', 'outbound', 'activation', 'S');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, event_id, requested_event_type, coordinator_action, resolution, suppressed_reason, touch_cap_at_event, compliance_status, release_at, event_at, gate_version,
	family, enrolment_no, counted, touch_at, touch_no, touch_earliest, parent_event_id)
VALUES ('b', 'S', 'outbound', 'touch', 99999999, 'reply', 'blocked', 'x', 'compliance_block', 77, 'unsubscribed', '2030-01-01', '2000-01-01', NULL, 'marketing', 9, false, '2000-01-01', 77, '2030-01-01', 5)
RETURNING event_id = 99999999 AS own_id, requested_event_type, coordinator_action, resolution, suppressed_reason, touch_cap_at_event, compliance_status, release_at, event_at, gate_version, family, enrolment_no, counted, touch_at, touch_no, touch_earliest, parent_event_id;

-- ---- rows that were decided come back as they are: for a superuser or kam_restore, not for kam_submit
CREATE ROLE regress_submit;
CREATE ROLE regress_restore;
CREATE ROLE regress_nobody;
GRANT kam_submit TO regress_submit; GRANT kam_restore TO regress_restore;
CREATE FUNCTION pg_temp.restore(id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	e kam.CadenceEventLog;
BEGIN
	INSERT INTO kam.CadenceEventLog (lead_id, event_id, sequence_id, sequence_type, event_type, requested_event_type, coordinator_action, suppressed_reason, compliance_status, event_at, gate_version)
	VALUES ('no', id, 'S', 'outbound', 'suppressed', 'touch', 'blocked', 'compliance_block', 'opted_out', '2025-01-01', 1) RETURNING * INTO e;
	RETURN concat_ws(' ', e.event_id = id, e.event_type, e.coordinator_action, e.suppressed_reason, e.compliance_status, e.event_at);
END
$$;
SELECT pg_temp.restore(900001) AS superuser;
SET ROLE regress_restore;
SELECT pg_temp.restore(900002) AS kam_restore;
SET ROLE regress_submit;
SELECT pg_temp.refused('SELECT pg_temp.restore(900003)') AS kam_submit;
-- An executed row for who has unsubscribed, as a caller would like to have it.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, coordinator_action, compliance_status, event_at, gate_version)
VALUES ('no', 'S', 'outbound', 'touch', 'executed', 'clear', '2025-01-01', 1) RETURNING coordinator_action, suppressed_reason, event_at;
SET ROLE regress_nobody;
SELECT pg_temp.refused('SELECT count(*) FROM kam.CadenceEventLog'), pg_temp.refused('SELECT kam.kam_gate(''a'', ''outbound'')'), pg_temp.refused('INSERT INTO kam.CadenceEventLog (lead_id) VALUES (''a'')');
RESET ROLE;
-- A lead that does not exist needs none, and what is no verdict is none.
INSERT INTO kam.CadenceEventLog (lead_id, event_id, event_type, coordinator_action, event_at, gate_version) VALUES ('gone', 900010, 'reply', 'recorded', '2025-01-01', 1);
SELECT split_part(pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, event_id, event_type, coordinator_action, event_at, gate_version) VALUES ('gone', 900011, 'touch', 'blocked', '2025-01-01', 1)$$), E'\n', 1);
-- Counted touches that come back are counted by the next decision.
INSERT INTO kam.Leads (lead_id) VALUES ('c');
SELECT pg_temp.ask('c', 'outbound', 'activation', 'S');
INSERT INTO kam.CadenceEventLog (lead_id, event_id, sequence_type, event_type, coordinator_action, compliance_status, event_at, gate_version, family, counted, touch_at, touch_no)
SELECT 'c', 900100 + n, 'outbound', 'touch', 'executed', 'clear', '2026-02-01', 1, 'sales', true, '2026-02-01', n FROM generate_series(1, 3) n;
SELECT pg_temp.ask('c', 'outbound') AS counted;

-- ---- the caller's row security, search_path and rights change no verdict
INSERT INTO kam.Leads (lead_id) VALUES ('r');
SELECT pg_temp.ask('r', 'outbound', 'activation', 'S'), pg_temp.ask('r', 'outbound'), pg_temp.ask('r', 'outbound'), pg_temp.ask('r', 'outbound');
ALTER TABLE kam.Leads ENABLE ROW LEVEL SECURITY;
ALTER TABLE kam.CadenceEventLog ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON kam.Leads FOR SELECT TO regress_submit USING (owner_id = current_user);
CREATE POLICY own ON kam.CadenceEventLog FOR SELECT TO regress_submit USING (originating_agent = current_user);
CREATE POLICY ask ON kam.CadenceEventLog FOR INSERT TO regress_submit WITH CHECK (true);
SET ROLE regress_submit;
SELECT count(*) AS sees FROM kam.CadenceEventLog;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('r', 'S', 'outbound', 'touch'), ('no', 'S', 'outbound', 'touch');
SELECT coordinator_action, touch_count FROM kam.kam_gate('r', 'outbound', 'touch', 'S');
RESET ROLE;
SELECT lead_id, coordinator_action, touch_cap_at_event FROM kam.CadenceEventLog ORDER BY event_id < 900000 DESC, event_id DESC LIMIT 2;
ALTER TABLE kam.Leads DISABLE ROW LEVEL SECURITY;
ALTER TABLE kam.CadenceEventLog DISABLE ROW LEVEL SECURITY;

CREATE SCHEMA decoy;
CREATE FUNCTION decoy.same(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'a look-alike was called'; END $$;
CREATE OPERATOR decoy.= (LEFTARG = text, RIGHTARG = text, FUNCTION = decoy.same);
CREATE FUNCTION decoy.later(timestamptz, interval) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'a look-alike was called'; END $$;
CREATE OPERATOR decoy.+ (LEFTARG = timestamptz, RIGHTARG = interval, FUNCTION = decoy.later);
CREATE FUNCTION decoy.less(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'a look-alike was called'; END $$;
CREATE OPERATOR decoy.> (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = decoy.less);
CREATE OPERATOR decoy.<= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = decoy.less);
CREATE FUNCTION decoy.count() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'a look-alike was called'; END $$;
CREATE FUNCTION decoy._address(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'a look-alike was called'; END $$;
CREATE FUNCTION decoy.jsonb_build_object(VARIADIC "any") RETURNS jsonb LANGUAGE internal AS 'jsonb_build_object';
CREATE TABLE decoy.leads (LIKE kam.Leads); CREATE TABLE decoy.prospect_state (LIKE kam.prospect_state); CREATE TABLE decoy.cadence (LIKE kam.Cadence);
CREATE TABLE decoy.suppression (LIKE kam.Suppression); CREATE TABLE decoy.sequence_type (LIKE kam.sequence_type); CREATE TABLE decoy.cadencequeue (LIKE kam.CadenceQueue);
INSERT INTO kam.Leads (lead_id, email) VALUES ('d', 'd@x.example'), ('e', 'e@y.example');
INSERT INTO kam.Suppression (address, kind, source) VALUES ('y.example', 'domain', 'import');
-- In a session that has planned nothing of this yet, too: the plans are made anew.
DISCARD PLANS;
SET search_path = decoy, pg_catalog, kam, public;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step) VALUES ('d', 'S', 'outbound', 'activation', NULL), ('d', 'S', 'outbound', 'touch', 1), ('d', 'S', 'outbound', 'touch', 2),
	('d', 'S', 'outbound', 'touch', 3), ('d', 'S', 'outbound', 'touch', 4), ('d', 'M', 'newsletter', 'activation', NULL), ('e', 'S', 'outbound', 'activation', NULL), ('d', NULL, NULL, 'out_of_office', NULL), ('d', 'S', 'outbound', 'resume', NULL), ('d', NULL, NULL, 'opt_out', NULL)
RETURNING lead_id, event_type, step, suppressed_reason;
SELECT coordinator_action FROM kam.kam_gate('d', 'outbound');
SELECT jsonb_typeof(kam.kam_why('d'));
RESET search_path;
SELECT (SELECT count(*) FROM decoy.leads) + (SELECT count(*) FROM decoy.prospect_state) + (SELECT count(*) FROM decoy.cadence) + (SELECT count(*) FROM decoy.cadencequeue) AS in_the_decoys;
SELECT * FROM enrolment WHERE lead_id IN ('d', 'e');
SET LOCAL client_min_messages = warning;
DROP SCHEMA decoy CASCADE;
RESET client_min_messages;

-- ---- with no trigger fired (a replica, a superuser who says so) the constraints stand
INSERT INTO kam.Leads (lead_id) VALUES ('x');
SELECT pg_temp.ask('x', 'outbound', 'activation', 'S'), pg_temp.ask('x', 'outbound', 'touch', 'S', 1), pg_temp.ask('x', 'outbound', 'touch', 'S', 2), pg_temp.ask('x', 'outbound', 'touch', 'S', 3);
SET session_replication_role = replica;
CREATE FUNCTION pg_temp.smuggle(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	e kam.CadenceEventLog;
BEGIN
	SELECT * INTO e FROM kam.CadenceEventLog WHERE lead_id = 'x' AND step = 3;
	e.event_id := 800000; e.step := 4; e.touch_no := 4; e.event_at := e.event_at + interval '1 hour'; e.touch_at := e.event_at; e.touch_earliest := '2026-02-09T09:00:00Z';
	e := jsonb_populate_record(e, change::jsonb);
	BEGIN
		INSERT INTO kam.CadenceEventLog SELECT e.*;
		RAISE SQLSTATE 'ZZ000';
	EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
		RETURN 'not refused';
	WHEN OTHERS THEN
		RETURN SQLSTATE || ' ' || SQLERRM;
	END;
END
$$;
SELECT c, pg_temp.smuggle(c) FROM unnest(ARRAY[
	'{}',                                                                 -- too early by its own earliest time
	'{"touch_no": 3}', '{"touch_no": 3, "touch_earliest": null}',         -- decided on the same state as the third
	'{"touch_no": null, "touch_earliest": null}', '{"touch_no": null, "touch_earliest": null, "counted": false}',
	'{"touch_at": "2026-01-01", "touch_earliest": null}', '{"compliance_status": "unsubscribed", "touch_earliest": null}', '{"compliance_status": null, "touch_earliest": null}',
	'{"suppressed_reason": "compliance_block", "touch_earliest": null}', '{"coordinator_action": "blocked", "touch_earliest": null}', '{"coordinator_action": null, "touch_earliest": null}', '{"coordinator_action": "recorded", "touch_earliest": null}',
	'{"event_at": null, "touch_earliest": null}', '{"gate_version": null, "touch_earliest": null}', '{"step": 3, "touch_earliest": null}', '{"event_type": "reply", "coordinator_action": "recorded"}',
	'{"event_at": "2026-02-09T09:00:00Z", "touch_at": "2026-02-09T09:00:00Z"}']) c;
INSERT INTO kam.Cadence (lead_id, sequence_id, sequence_type, family, state) VALUES ('x', 'T', 'follow_up', 'sales', 'queued');
SELECT pg_temp.refused('UPDATE kam.Cadence SET state = ''active'' WHERE sequence_id = ''T''');
-- Nothing is decided there: what the publisher decided is kept as it is.
INSERT INTO kam.CadenceEventLog (lead_id, event_id, sequence_type, event_type, coordinator_action, compliance_status, event_at, gate_version) VALUES ('nobody', 800001, 'outbound', 'activation', 'executed', 'clear', '2026-01-01', 1);
RESET session_replication_role;

-- ---- partitions by lead in the log's place: the same verdicts
INSERT INTO kam.Leads (lead_id, icp_tier) SELECT 'before' || n, 'T1' FROM generate_series(1, 3) n UNION ALL SELECT 'after' || n, 'T1' FROM generate_series(1, 3) n;
INSERT INTO kam.Leads (lead_id) VALUES ('merged');
INSERT INTO kam.lead_alias (lead_id, canonical_id) VALUES ('merged', 'before1');
UPDATE kam.Leads SET merged_into = 'before1' WHERE lead_id = 'merged';
CREATE FUNCTION pg_temp.story(prefix text) RETURNS TABLE (n bigint, lead_no text, asked text, step integer, action text, reason text, resolution text, touches integer, no integer, counted boolean, touch_no bigint) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY
	WITH e AS (
		INSERT INTO kam.CadenceEventLog AS g (lead_id, sequence_id, sequence_type, event_type, step)
		SELECT prefix || s.lead, s.sequence, s.type, s.event, s.step FROM (VALUES
			(1, 1, 'M', 'nurture', 'activation', NULL::integer), (2, 2, 'S', 'outbound', 'activation', NULL), (3, 1, 'S', 'outbound', 'activation', NULL), (4, 1, 'S', 'outbound', 'touch', 1), (5, 1, 'S', 'outbound', 'touch', 2),
			(6, 2, 'S', 'outbound', 'touch', 1), (7, 1, 'S', 'outbound', 'touch', 2), (8, 1, 'S', 'outbound', 'touch', 3), (9, 1, 'S', 'outbound', 'touch', 4), (10, 3, NULL, NULL, 'opt_out', NULL), (11, 3, 'S', 'outbound', 'activation', NULL),
			(12, 1, NULL, NULL, 'reply', NULL), (13, 2, NULL, 'transactional', 'touch', NULL)) s (n, lead, sequence, type, event, step) ORDER BY s.n
		RETURNING g.*)
	SELECT row_number() OVER (ORDER BY e.event_id), right(e.lead_id, 1), e.requested_event_type, e.step, e.coordinator_action, e.suppressed_reason, e.resolution, e.touch_cap_at_event, e.enrolment_no, e.counted, e.touch_no FROM e;
END
$$;
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.story('before');
SELECT asked, step, action, reason, resolution, touches, no, counted, touch_no FROM before ORDER BY n;
ALTER EXTENSION kam DROP TABLE kam.CadenceEventLog;
ALTER TABLE kam.CadenceEventLog RENAME TO whole;
ALTER TABLE kam.CadenceQueue DROP CONSTRAINT cadencequeue_lead_id_event_id_fkey;
CREATE TABLE kam.CadenceEventLog (LIKE kam.whole INCLUDING ALL) PARTITION BY HASH (lead_id);
SELECT format('CREATE TABLE kam.part_%s PARTITION OF kam.CadenceEventLog FOR VALUES WITH (MODULUS 4, REMAINDER %s)', n, n) FROM generate_series(0, 3) n \gexec
CREATE TRIGGER zzz_kam_gate BEFORE INSERT ON kam.CadenceEventLog FOR EACH ROW EXECUTE FUNCTION kam._gate();
CREATE TRIGGER aaa_kam_gate_done AFTER INSERT ON kam.CadenceEventLog FOR EACH ROW EXECUTE FUNCTION kam._gate_done();
CREATE TRIGGER aaa_kam_log_guard BEFORE UPDATE OR DELETE ON kam.CadenceEventLog FOR EACH ROW EXECUTE FUNCTION kam._log_guard();
CREATE TEMP TABLE after AS SELECT * FROM pg_temp.story('after');
SELECT count(*) AS rows, (SELECT count(*) FROM (TABLE before EXCEPT TABLE after) d) AS otherwise, (SELECT count(DISTINCT tableoid) > 1 FROM kam.CadenceEventLog) AS in_several FROM after;
SELECT right(lead_id, 1) AS lead, cadence_state, active_sequence_id, current_step, last_touch_at IS NOT NULL AS touched FROM kam.Leads WHERE lead_id LIKE 'after_' ORDER BY 1;
SELECT sequence_id, kind, reason, state, end_reason FROM kam.CadenceQueue WHERE lead_id LIKE 'after_' ORDER BY event_id;
SELECT pg_temp.refused('DELETE FROM kam.CadenceEventLog');
-- A partition cannot move its row to that of another lead.
SELECT pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type) VALUES ('merged', 'outbound', 'touch')$$);
ROLLBACK;
-- As it was.
SELECT relkind FROM pg_class WHERE oid = 'kam.CadenceEventLog'::regclass;
