-- Each gate by itself, their order, and the touch cap: its window to the microsecond, in every time zone and over the changes of the clocks.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence

BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
INSERT INTO kam.Accounts (account_id, icp_tier, abm_active) VALUES ('plain', 'T2', false), ('abm', 'T1', true), ('poor', 'T3', false);
INSERT INTO kam.Leads (lead_id, account_id) VALUES ('g1', 'plain'), ('g2', 'abm'), ('g3', 'plain'), ('g4', 'plain'), ('g5', 'plain'), ('g6', 'poor'), ('g7', NULL);

-- ---- gate 1: no type passes for who does not want to be contacted
UPDATE kam.Leads SET unsubscribe_flag = true WHERE lead_id = 'g1';
SELECT t.sequence_type, e.event_type, pg_temp.ask('g1', t.sequence_type, e.event_type)
  FROM kam.sequence_type t, (VALUES ('activation'), ('touch'), ('resume')) e (event_type) ORDER BY t.family, t.sequence_type, e.event_type;
UPDATE kam.Leads SET opt_out_flag = true WHERE lead_id = 'g1';
SELECT pg_temp.ask('g1', 'outbound', 'activation') AS both;
UPDATE kam.Leads SET unsubscribe_flag = false WHERE lead_id = 'g1';
SELECT pg_temp.ask('g1', 'outbound', 'activation') AS opted_out;
UPDATE kam.Leads SET opt_out_flag = false WHERE lead_id = 'g1';
SELECT pg_temp.ask('g1', 'outbound', 'activation') AS neither;
-- Addresses: of the e-mail, its domain, the phone, the profile, however they are written.
INSERT INTO kam.Leads (lead_id, email, phone, linkedin_url) VALUES
	('a1', 'Ann <ANN@Acme.example>', NULL, NULL), ('a2', 'bob@acme.example', NULL, NULL), ('a3', 'eve@sub.acme.example', NULL, NULL),
	('a4', NULL, '+33 (0)6 12 34 56 78', NULL), ('a5', NULL, NULL, 'https://www.linkedin.com/in/Ann-Lee/?trk=x'), ('a6', 'ann@other.example', NULL, NULL), ('a7', '', '', '');
INSERT INTO kam.Suppression (address, kind, source) VALUES ('ann@acme.example', 'email', 'import'), ('+33612345678', 'phone', 'import'), ('linkedin.com/in/ann-lee', 'linkedin', 'import');
SELECT lead_id, pg_temp.ask(lead_id, 'newsletter', 'activation'), pg_temp.ask(lead_id, 'transactional') FROM kam.Leads WHERE lead_id LIKE 'a_' ORDER BY 1;
INSERT INTO kam.Suppression (address, kind, source) VALUES ('ACME.example', 'domain', 'legal');
SELECT lead_id, pg_temp.ask(lead_id, 'newsletter') FROM kam.Leads WHERE lead_id IN ('a2', 'a3', 'a6') ORDER BY 1;
DELETE FROM kam.Suppression WHERE address = 'acme.example';
SELECT pg_temp.ask('a2', 'newsletter') AS lifted;

-- ---- gate 2: nurture alone, activation, touch and resume, while the account is in account-based marketing
SELECT t.sequence_type, pg_temp.ask('g2', t.sequence_type, 'activation', 'S-' || t.sequence_type) FROM kam.sequence_type t WHERE t.family = 'marketing' ORDER BY 1;
SELECT pg_temp.ask('g2', 'nurture'), pg_temp.ask('g2', 'nurture', 'resume');
SELECT pg_temp.ask('g7', 'nurture', 'activation', 'N') AS no_account;
INSERT INTO kam.sequence_type (sequence_type, family) VALUES ('nurturing', 'marketing');
SELECT pg_temp.ask('g2', 'nurturing') AS another_type;
-- It begins while a nurture sequence is running, and ends again.
SELECT pg_temp.ask('g5', 'nurture', 'activation', 'N'), pg_temp.ask('g5', 'nurture') AS touch;
UPDATE kam.Accounts SET abm_active = true WHERE account_id = 'plain';
SELECT pg_temp.ask('g5', 'nurture') AS during;
SELECT recipient, topic, payload FROM kam.notification WHERE topic = 'abm_active_suppression' AND event_id IS NULL;
UPDATE kam.Accounts SET abm_active = false WHERE account_id = 'plain';
SELECT pg_temp.ask('g5', 'nurture') AS after;
SELECT * FROM enrolment WHERE lead_id = 'g5';

-- Of what waits, at its release: a held touch and a deferred activation.
INSERT INTO kam.Leads (lead_id, account_id) VALUES ('r1', 'plain'), ('r2', 'plain');
SELECT pg_temp.ask('r1', 'nurture', 'activation', 'N'), pg_temp.ask('r2', 'newsletter', 'activation', 'L'), pg_temp.ask('r2', 'nurture', 'activation', 'N');
SELECT pg_temp.ask('r1', 'nurture', 'touch', 'N', n) FROM generate_series(1, 4) n ORDER BY n;
SELECT pg_temp.tell('r2', 'stop', 'L');
UPDATE kam.Accounts SET abm_active = true WHERE account_id = 'plain';
SELECT t ->> 'released' AS released, t ->> 'blocked' AS blocked FROM kam.kam_tick('2026-02-10T09:00:00Z') t;
SELECT * FROM queue WHERE lead_id LIKE 'r_';
SELECT lead_id, event_type, requested_event_type AS asked, suppressed_reason, parent_event_id IS NOT NULL AS released FROM kam.CadenceEventLog WHERE lead_id LIKE 'r_' AND suppressed_reason = 'abm_active_suppression' ORDER BY lead_id;
UPDATE kam.Accounts SET abm_active = false WHERE account_id = 'plain';

-- ---- gate 3: touches that are not transactional, of any family together
SELECT pg_temp.ask('g3', 'outbound', 'activation', 'S');
SELECT n, pg_temp.ask('g3', 'outbound', 'touch', 'S', n) FROM generate_series(1, 5) n ORDER BY n;
SELECT pg_temp.ask('g3', 'transactional') AS transactional, pg_temp.ask('g3', 'nurture', 'activation', 'N') AS activation;
SELECT * FROM queue WHERE lead_id = 'g3';
SELECT * FROM state WHERE lead_id = 'g3';
-- A newer touch stays behind what is due, and a higher priority goes first.
SET kam.clock = '2026-02-09T09:00:00.000004Z';
SELECT pg_temp.ask('g3', 'outbound', 'touch', 'S', 6) AS behind, pg_temp.ask('g3', 'outbound', 'touch', 'S', 7, '{"priority": -1}') AS lower;
SELECT pg_temp.ask('g3', 'outbound', 'touch', 'S', 8, '{"priority": 1}') AS higher;
SELECT kam.kam_tick() ->> 'released' AS released;
SELECT * FROM queue WHERE lead_id = 'g3';

-- ---- gate 4 by itself: gate_matrix has all of it.  Of touches it refuses sales for T3 alone.
SELECT pg_temp.ask('g4', 'outbound', 'activation', 'S'), pg_temp.ask('g4', 'follow_up', 'activation', 'F') AS same_family;
SELECT pg_temp.ask('g6', 'outbound', 'activation'), pg_temp.ask('g6', 'outbound'), pg_temp.ask('g6', 'outbound', 'resume'), pg_temp.ask('g6', 'newsletter', 'activation');

-- ---- the order: whoever fails several gates hears of the first; mended one by one, of the next
INSERT INTO kam.Leads (lead_id, account_id, unsubscribe_flag) VALUES ('o1', 'abm', true), ('o2', 'poor', true), ('o3', 'abm', true);
SELECT pg_temp.tell(lead_id, 'touch_observed') FROM kam.Leads, generate_series(1, 3) WHERE lead_id IN ('o1', 'o2') ORDER BY lead_id;
SELECT jsonb_path_query_array(gates, '$[*] ? (@.passes == false).gate') AS fails, (g).gate AS first FROM kam.kam_gate('o1', 'nurture', 'touch', 'none') g;
SELECT pg_temp.ask('o1', 'nurture', 'touch', 'none') AS gate_1;
UPDATE kam.Leads SET unsubscribe_flag = false WHERE lead_id LIKE 'o_';
SELECT pg_temp.ask('o1', 'nurture', 'touch', 'none') AS gate_2;
UPDATE kam.Accounts SET abm_active = false WHERE account_id = 'abm';
SELECT pg_temp.ask('o1', 'nurture', 'touch', 'none') AS gate_3;
SELECT jsonb_path_query_array(gates, '$[*] ? (@.passes == false).gate') AS fails, (g).gate AS first FROM kam.kam_gate('o2', 'outbound', 'touch', 'none') g;
SELECT pg_temp.ask('o2', 'outbound', 'touch', 'none') AS gate_3;
SET kam.clock = '2026-03-02T09:00:00Z';
SELECT pg_temp.ask('o2', 'outbound', 'touch', 'none', payload => '{"priority": 9}') AS gate_4;
UPDATE kam.Accounts SET icp_tier = 'T1' WHERE account_id = 'poor';
SELECT pg_temp.ask('o2', 'outbound', 'touch', 'none', payload => '{"priority": 9}') AS gate_5;
UPDATE kam.Accounts SET abm_active = true WHERE account_id = 'abm';
SELECT pg_temp.ask('o3', 'outbound', 'activation', 'S');
INSERT INTO kam.type_transition (from_type, to_type, reason) VALUES ('outbound', 'nurture', 'sales_has_begun');
SELECT pg_temp.ask('o3', 'nurture', 'activation', 'N') AS gate_2;
UPDATE kam.Accounts SET abm_active = false WHERE account_id = 'abm';
SELECT pg_temp.ask('o3', 'nurture', 'activation', 'N') AS gate_4;
SELECT pg_temp.tell('o3', 'pause', 'S');
SELECT pg_temp.ask('o3', 'nurture', 'activation', 'N') AS gate_5;
SELECT pg_temp.tell('o3', 'stop', 'S');
SELECT pg_temp.ask('o3', 'nurture', 'activation', 'N') AS none;
ROLLBACK;

-- ---- the window is half-open: a touch counts for 168 hours, to the microsecond
BEGIN;
INSERT INTO kam.Leads (lead_id) VALUES ('w1'), ('w2');
SET kam.clock = '2026-02-02T09:00:00Z';
SELECT pg_temp.ask('w1', 'outbound', 'activation', 'S');
SET kam.clock = '2026-02-02T10:00:00Z';
SELECT pg_temp.ask('w1', 'outbound');
SET kam.clock = '2026-02-04T10:00:00Z';
SELECT pg_temp.ask('w1', 'outbound'), pg_temp.ask('w1', 'outbound');
SET kam.clock = '2026-02-09T09:59:59.999999Z';
SELECT allowed, touch_count, release_at FROM kam.kam_gate('w1', 'outbound', 'touch');
SAVEPOINT one_microsecond_before;
SELECT pg_temp.ask('w1', 'outbound') AS a_microsecond_early;
ROLLBACK TO one_microsecond_before;
SET kam.clock = '2026-02-09T10:00:00Z';
SELECT pg_temp.ask('w1', 'outbound') AS exactly;
SELECT pg_temp.ask('w1', 'outbound') AS next;
SELECT touch_no, touch_at, touch_earliest, event_at = touch_earliest AS at_the_earliest FROM kam.CadenceEventLog WHERE lead_id = 'w1' AND counted ORDER BY touch_no;
-- A clock that was set back: stamps go on rising, and nothing is let through twice.
SET kam.clock = '2026-02-01T00:00:00Z';
SELECT pg_temp.ask('w1', 'outbound') AS an_hour_ago;
SELECT bool_and(event_at > before) AS rising FROM (SELECT event_at, lag(event_at) OVER (ORDER BY event_id) AS before FROM kam.CadenceEventLog WHERE lead_id = 'w1' AND coordinator_action = 'executed') e;
ROLLBACK;

-- ---- 168 hours are 168 hours when the clocks change, in whatever zone the session is
CREATE TEMP TABLE zones AS SELECT * FROM (VALUES
	('Europe/Paris', 'spring', '2026-03-26T09:00:00Z'), ('Europe/Paris', 'autumn', '2026-10-22T09:00:00Z'),
	('America/New_York', 'spring', '2026-03-05T09:00:00Z'), ('America/New_York', 'autumn', '2026-10-29T09:00:00Z'), ('UTC', 'spring', '2026-03-26T09:00:00Z')) z (zone, season, at);
CREATE FUNCTION pg_temp.over_the_change(zone text, at text, OUT days numeric, OUT held text, OUT early text, OUT on_time text, OUT hours numeric) LANGUAGE plpgsql AS $$
DECLARE
	lead text := 'z-' || zone || at;
BEGIN
	PERFORM set_config('TimeZone', zone, false), pg_temp.at(at);
	INSERT INTO kam.Leads (lead_id) VALUES (lead);
	PERFORM pg_temp.ask(lead, 'outbound', 'activation', 'S');
	-- Three touches at known moments.
	FOR i IN 0 .. 2 LOOP
		PERFORM pg_temp.at(to_char((at::timestamptz + i * interval '1 hour') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), pg_temp.ask(lead, 'outbound', 'touch', 'S', i);
	END LOOP;
	SELECT extract(epoch FROM g.release_at - touch_at) / 3600, to_char(g.release_at, 'MM-DD HH24:MI') INTO hours, held
	  FROM kam.kam_gate(lead, 'outbound', 'touch', 'S') g, kam.CadenceEventLog e WHERE e.lead_id = lead AND touch_no = 1;
	-- What interval '7 days' would have made of it.
	SELECT extract(epoch FROM touch_at + interval '7 days' - touch_at) / 3600 INTO days FROM kam.CadenceEventLog e WHERE e.lead_id = lead AND touch_no = 1;
	PERFORM pg_temp.at(to_char((SELECT touch_at + interval '167:59:59.999999' FROM kam.CadenceEventLog e WHERE e.lead_id = lead AND touch_no = 1) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
	early := (kam.kam_gate(lead, 'outbound', 'touch', 'S')).coordinator_action;
	PERFORM pg_temp.at(to_char((SELECT touch_at + interval '168:00' FROM kam.CadenceEventLog e WHERE e.lead_id = lead AND touch_no = 1) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
	on_time := pg_temp.ask(lead, 'outbound', 'touch', 'S', 9);
END
$$;
BEGIN;
SELECT z.zone, z.season, round(o.days, 1) AS seven_days, o.held AS until_local, o.early, o.on_time, round(o.hours, 1) AS hours FROM zones z, LATERAL pg_temp.over_the_change(z.zone, z.at) o;
ROLLBACK;
SHOW timezone;

-- ---- many at once: every row sees those before it
BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
INSERT INTO kam.Leads (lead_id) VALUES ('m1'), ('m2'), ('m3'), ('m4'), ('m5');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) SELECT lead_id, 'S', 'outbound', 'activation' FROM kam.Leads WHERE lead_id LIKE 'm_';
COPY kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step) FROM stdin;
m1	S	outbound	touch	1
m1	S	outbound	touch	2
m1	S	outbound	touch	3
m1	S	outbound	touch	4
m1	S	outbound	touch	5
m1	S	outbound	touch	6
m1	S	outbound	touch	7
m1	S	outbound	touch	8
m1	S	outbound	touch	9
m1	S	outbound	touch	10
\.
SELECT coordinator_action, array_agg(step ORDER BY event_id) FROM kam.CadenceEventLog WHERE lead_id = 'm1' AND step > 0 GROUP BY 1;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step)
SELECT CASE n % 2 WHEN 0 THEN 'm2' ELSE 'm3' END, 'S', 'outbound', 'touch', n FROM generate_series(1, 10) n ORDER BY n;
SELECT lead_id, coordinator_action, array_agg(step ORDER BY event_id) FROM kam.CadenceEventLog WHERE lead_id IN ('m2', 'm3') AND step > 0 GROUP BY 1, 2 ORDER BY 1, 2;
-- Requests and facts in one statement.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step) VALUES
	('m4', 'S', 'outbound', 'touch', 1), ('m4', NULL, NULL, 'touch_observed', NULL), ('m4', 'S', 'outbound', 'touch', 2), ('m4', 'S', 'outbound', 'touch', 3),
	('m4', 'S', NULL, 'pause', NULL), ('m4', 'S', 'outbound', 'resume', NULL), ('m4', 'S', 'outbound', 'activation', NULL), ('m4', NULL, NULL, 'reply', NULL),
	('m4', 'S', 'outbound', 'activation', NULL), ('m4', 'M', 'nurture', 'activation', NULL), ('m4', NULL, NULL, 'opt_out', NULL), ('m4', 'S', 'outbound', 'touch', 4),
	('m4', NULL, 'transactional', 'touch', NULL)
RETURNING requested_event_type, step, coordinator_action, suppressed_reason, resolution, touch_cap_at_event AS before, enrolment_no AS no, compliance_status;
SELECT * FROM enrolment WHERE lead_id = 'm4';
SELECT * FROM queue WHERE lead_id = 'm4';
SELECT * FROM lead WHERE lead_id LIKE 'm_';
SELECT * FROM state WHERE lead_id LIKE 'm_';
-- Several INSERTs in one statement.
WITH a AS (INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step) SELECT 'm5', 'S', 'outbound', 'touch', n FROM generate_series(1, 2) n RETURNING 1),
     b AS (INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step) SELECT 'm5', 'S', 'outbound', 'touch', n FROM generate_series(3, 6) n RETURNING 1)
SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b) AS rows;
SELECT count(*) FILTER (WHERE counted) AS counted, count(*) FILTER (WHERE event_type = 'held') AS held FROM kam.CadenceEventLog WHERE lead_id = 'm5';
ROLLBACK;

-- ---- the cap and its window are settings
\set reload :srcdir /reload.sql
ALTER SYSTEM SET kam.touch_cap = 0;
\set setting kam.touch_cap
\set value 0
\i :reload
BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
INSERT INTO kam.Leads (lead_id) VALUES ('c1');
SELECT pg_temp.ask('c1', 'outbound', 'activation', 'S'), pg_temp.ask('c1', 'outbound') AS none_allowed, pg_temp.ask('c1', 'transactional') AS transactional;
SELECT pg_temp.tell('c1', 'touch_observed') AS a_fact;
SELECT kind, detail FROM kam.CadenceFlag;
ROLLBACK;

ALTER SYSTEM SET kam.touch_cap = -1;
\set value -1
\i :reload
BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
INSERT INTO kam.Leads (lead_id) VALUES ('c1');
SELECT pg_temp.ask('c1', 'outbound', 'activation', 'S');
SELECT n, pg_temp.ask('c1', 'outbound', 'touch', 'S', n) AS no_cap FROM generate_series(1, 12) n ORDER BY n;
SELECT pg_temp.tell('c1', 'touch_observed');
SELECT count(touch_earliest) AS distances FROM kam.CadenceEventLog;
SELECT count(*) AS flags FROM kam.CadenceFlag;
ROLLBACK;

-- More than the state keeps: the log is asked.
ALTER SYSTEM SET kam.touch_cap = 10;
\set value 10
\i :reload
BEGIN;
INSERT INTO kam.Leads (lead_id) VALUES ('c1');
SET kam.clock = '2026-02-02T09:00:00Z';
SELECT pg_temp.ask('c1', 'outbound', 'activation', 'S');
SET kam.clock = '2026-02-03T09:00:00Z';
SELECT n, pg_temp.ask('c1', 'outbound', 'touch', 'S', n) AS ten FROM generate_series(1, 12) n ORDER BY n;
SELECT pg_temp.tell('c1', 'touch_observed', occurred_at => '2026-02-02T10:00:00Z') AS backdated, pg_temp.ask('c1', 'outbound', 'touch', 'S', 13) AS then;
SET kam.clock = '2026-02-10T09:00:00.000001Z';
SELECT pg_temp.ask('c1', 'outbound', 'touch', 'S', 14, '{"priority": 1}') AS a_week_later;
SELECT touch_no, touch_at, touch_earliest FROM kam.CadenceEventLog WHERE touch_no >= 10 ORDER BY touch_no;
SELECT * FROM state;
ROLLBACK;

-- Lowered below what was sent already, and raised again.
ALTER SYSTEM SET kam.touch_cap = 3;
\set value 3
\i :reload
SET kam.clock = '2026-02-02T09:00:00Z';
INSERT INTO kam.Leads (lead_id) VALUES ('c9');
SELECT pg_temp.ask('c9', 'outbound', 'activation', 'S');
SELECT n, pg_temp.ask('c9', 'outbound', 'touch', 'S', n) AS three FROM generate_series(1, 3) n ORDER BY n;
ALTER SYSTEM SET kam.touch_cap = 1;
\set value 1
\i :reload
BEGIN;
-- One is allowed again a window after the latest, not after the first.
SELECT pg_temp.ask('c9', 'outbound', 'touch', 'S', 4) AS lowered;
ROLLBACK;
BEGIN;
SET kam.clock = '2026-02-09T09:00:00.000002Z';
SELECT pg_temp.ask('c9', 'outbound', 'touch', 'S', 4) AS a_microsecond_early;
SET kam.clock = '2026-02-09T09:00:00.000003Z';
SELECT pg_temp.ask('c9', 'outbound', 'touch', 'S', 5, '{"priority": 1}') AS a_window_after;
ROLLBACK;
ALTER SYSTEM SET kam.touch_cap = 5;
\set value 5
\i :reload
BEGIN;
SELECT n, pg_temp.ask('c9', 'outbound', 'touch', 'S', n) AS raised FROM generate_series(4, 7) n ORDER BY n;
SELECT touch_no, touch_earliest FROM kam.CadenceEventLog WHERE lead_id = 'c9' AND touch_no > 0 ORDER BY 1;
ROLLBACK;
ALTER SYSTEM RESET kam.touch_cap;
\set value 3
\i :reload
-- Another window.
ALTER SYSTEM SET kam.touch_window = '90 min';
\set setting kam.touch_window
\set value 90min
\i :reload
BEGIN;
SELECT pg_temp.ask('c9', 'outbound', 'touch', 'S', 4) AS shorter;
SET kam.clock = '2026-02-02T10:30:00.000001Z';
SELECT pg_temp.ask('c9', 'outbound', 'touch', 'S', 5, '{"priority": 1}') AS after_90_minutes;
SELECT kam._touch_window();
ROLLBACK;
ALTER SYSTEM RESET kam.touch_window;
\set value 7d
\i :reload
SELECT kam._touch_window(), kam._touch_cap();
SELECT pg_temp.refused('SET kam.touch_cap = 100'), pg_temp.refused('SET kam.touch_window = 1');
ALTER SYSTEM SET kam.touch_cap = '';
ALTER SYSTEM SET kam.touch_cap = -2;
-- Nothing of this file stays.
SET session_replication_role = replica;
DELETE FROM kam.CadenceQueue WHERE lead_id = 'c9';
DELETE FROM kam.CadenceEventLog WHERE lead_id = 'c9';
DELETE FROM kam.Cadence WHERE lead_id = 'c9';
DELETE FROM kam.prospect_state WHERE lead_id = 'c9';
DELETE FROM kam.notification WHERE lead_id = 'c9';
DELETE FROM kam.Leads WHERE lead_id = 'c9';
RESET session_replication_role;
