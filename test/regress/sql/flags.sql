-- The Coordinator's flags: each one below its threshold, at it, escalating, closing.
-- In a database of its own: the log keeps what other tests wrote, and a tick is for all leads.
\set home :DBNAME
SET client_min_messages = error;
DROP DATABASE IF EXISTS regress_flags;
CREATE DATABASE regress_flags TEMPLATE template0 ENCODING 'UTF8';
\c regress_flags
CREATE EXTENSION kam;
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

\set ECHO none
SET timezone = 'UTC';
SET client_min_messages = warning;
SELECT set_config('kam.clock', '2026-03-02T09:00:00Z', false) IS NULL AS nothing \gset
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql AS $$ SELECT set_config('kam.clock', at, false) $$;
-- Asks or tells, and says what became of it.
CREATE FUNCTION pg_temp.log(lead text, type text, event text, sequence text DEFAULT NULL, step integer DEFAULT NULL, agent text DEFAULT NULL,
	occurred timestamptz DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	e kam.CadenceEventLog;
BEGIN
	INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, originating_agent, occurred_at)
	VALUES (lead, type, event, sequence, step, agent, occurred) RETURNING * INTO e;
	RETURN concat_ws(' ', e.event_type, e.coordinator_action, e.suppressed_reason, e.resolution);
END
$$;
-- A tick at the clock or at a time given: what it did, zeroes left out.
CREATE FUNCTION pg_temp.tick(at timestamptz DEFAULT NULL, batch integer DEFAULT 1000) RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(jsonb_object_agg(r.key, r.value) FILTER (WHERE r.value::text NOT IN ('0', '{}', '[]', 'false')), '{}')
	  FROM jsonb_each(kam.kam_tick(at, batch)) r
$$;
CREATE VIEW pg_temp.flags AS
	SELECT kind, lead_id, rep_id, sequence_id, opened_at, escalated_at, closed_at, detail ->> 'closed' AS closed FROM kam.CadenceFlag ORDER BY flag_id;
CREATE VIEW pg_temp.told AS
	SELECT recipient, topic, lead_id, payload ->> 'rep_id' AS rep_id, payload ->> 'sequence_id' AS sequence_id
	  FROM kam.notification WHERE payload ? 'flag_id' ORDER BY notification_id;
-- What runs is stopped between the sections, so that each speaks of its own alone.
CREATE FUNCTION pg_temp.clear(at text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('kam.clock', at, false);
	PERFORM pg_temp.log(l.lead_id, NULL, 'stop') FROM (SELECT lead_id FROM kam.Leads ORDER BY lead_id) l;
	PERFORM kam.kam_tick();
	DELETE FROM kam.notification;
	DELETE FROM kam.CadenceFlag;
END
$$;
\set ECHO all

INSERT INTO kam.Reps (rep_id, manager_id, time_zone) VALUES ('paris', 'boss', 'Europe/Paris'), ('york', 'boss', 'America/New_York'), ('boss', NULL, NULL);

-- ---- cap warning: exactly one touch left
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) VALUES ('C1', 'paris', 'T1'), ('C2', NULL, 'T1');
SELECT pg_temp.log('C1', 'outbound', 'activation', 'c1'), pg_temp.log('C2', 'outbound', 'activation', 'c2');
SELECT pg_temp.log('C1', 'outbound', 'touch', 'c1', 1);
SELECT pg_temp.tick() AS one_below;
SELECT pg_temp.clock('2026-03-02T10:00:00Z');
SELECT pg_temp.log('C1', 'outbound', 'touch', 'c1', 2), pg_temp.log('C2', 'outbound', 'touch', 'c2', 1), pg_temp.log('C2', 'transactional', 'touch', 't'), pg_temp.log('C2', 'transactional', 'touch', 't');
SELECT pg_temp.tick() AS at_it;
SELECT pg_temp.tick() AS not_twice;
SELECT pg_temp.log('C1', 'outbound', 'touch', 'c1', 3), pg_temp.log('C2', 'outbound', 'touch', 'c2', 2);
SELECT pg_temp.tick() AS one_closes_one_opens;
-- A touch leaves the window to the microsecond: one is left again, then two.
SELECT pg_temp.tick('2026-03-09 08:59:59.999999Z') AS just_before, pg_temp.tick('2026-03-09 09:00:00Z') AS then, pg_temp.tick('2026-03-09 10:00:00Z') AS later;
SELECT * FROM pg_temp.flags WHERE kind = 'cap_warning';
SELECT * FROM pg_temp.told;
-- A touch that never left the house does not count, one that was observed does.
SELECT pg_temp.clear('2026-03-12T09:00:00Z');
SELECT pg_temp.log('C1', 'outbound', 'activation', 'c3');
SELECT pg_temp.log('C1', 'outbound', 'touch_observed', NULL, NULL, 'paris', '2026-03-12 08:00Z'), pg_temp.log('C1', 'outbound', 'touch', 'c3', 1);
SELECT pg_temp.tick() AS warned;
INSERT INTO kam.CadenceEventLog (lead_id, event_type, parent_event_id) SELECT 'C1', 'send_failed', max(event_id) FROM kam.CadenceEventLog WHERE lead_id = 'C1' AND event_type = 'touch';
SELECT pg_temp.tick() AS closed;

-- ---- cap breach: observed touches beyond the cap
SELECT pg_temp.clear('2026-04-01T09:00:00Z');
SELECT pg_temp.log('C1', 'outbound', 'touch_observed', NULL, NULL, 'paris', occurred) FROM unnest('{2026-04-01 06:00Z,2026-04-01 07:00Z,2026-04-01 08:00Z}'::timestamptz[]) occurred;
SELECT kind FROM pg_temp.flags;
SELECT pg_temp.log('C1', 'outbound', 'touch_observed', NULL, NULL, 'paris', '2026-04-01 08:30Z');
SELECT kind, lead_id, opened_at, closed_at FROM pg_temp.flags;
SELECT pg_temp.tick('2026-04-08 05:59:59.999999Z') AS still, pg_temp.tick('2026-04-08 06:00:00Z') AS closed;
SELECT kind, closed_at, closed FROM pg_temp.flags WHERE kind = 'cap_breach';

-- ---- routing error: sales for T3; told by the gate, closed here
SELECT pg_temp.clear('2026-04-20T09:00:00Z');
INSERT INTO kam.Accounts (account_id, icp_tier) VALUES ('A3', 'T3');
INSERT INTO kam.Leads (lead_id, owner_id, account_id) VALUES ('R1', 'paris', 'A3'), ('R2', 'paris', 'A3');
SELECT pg_temp.log('R1', 'outbound', 'activation', 'r1'), pg_temp.log('R2', 'outbound', 'activation', 'r2');
SELECT * FROM pg_temp.told;
SELECT pg_temp.tick() AS stays;
-- Another sales request within the seven days keeps it open, though it is refused as well.
SELECT pg_temp.clock('2026-04-23T09:00:00Z');
SELECT pg_temp.log('R2', 'follow_up', 'activation', 'r2');
SELECT pg_temp.tick('2026-04-27 08:59:59.999999Z') AS one_below, pg_temp.tick('2026-04-27 09:00:00Z') AS seven_days;
UPDATE kam.Accounts SET icp_tier = 'T2' WHERE account_id = 'A3';
SELECT pg_temp.tick('2026-04-27 09:00:01Z') AS better_tier;
SELECT kind, lead_id, sequence_id, closed_at, closed FROM pg_temp.flags;

-- ---- data quality: no tier to decide a conflict by
SELECT pg_temp.clear('2026-05-04T09:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id) VALUES ('D1', 'paris');
SELECT pg_temp.log('D1', 'outbound', 'activation', 'd1'), pg_temp.log('D1', 'nurture', 'activation', 'd2');
SELECT kind, lead_id, opened_at FROM pg_temp.flags;
SELECT pg_temp.tick() AS stays;
UPDATE kam.Leads SET icp_tier = 'T1' WHERE lead_id = 'D1';
SELECT pg_temp.tick() AS closed;
SELECT kind, closed FROM pg_temp.flags;

-- ---- a conflict that does not settle in three rounds: rep and manager
SELECT pg_temp.clear('2026-05-04T10:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier, sales_signal_at) VALUES ('T1', 'paris', 'T2', '2026-05-01'), ('T2', NULL, NULL, NULL);
SELECT pg_temp.log('T1', 'outbound', 'activation', 't1'), pg_temp.log('T1', 'nurture', 'activation', 't2');
SELECT pg_temp.log('T2', 'nurture', 'activation', 't3'), pg_temp.log('T2', 'outbound', 'activation', 't4');
SELECT pg_temp.tick('2026-05-06 10:00:00Z') AS too_early, pg_temp.tick('2026-05-06 10:00:01Z') AS first, pg_temp.tick('2026-05-08 10:00:02Z') AS second;
SELECT kind, lead_id FROM pg_temp.flags;
SELECT pg_temp.tick('2026-05-10 10:00:03Z') AS third;
SELECT kind, lead_id, sequence_id, opened_at FROM pg_temp.flags WHERE kind = 'concurrency';
SELECT * FROM pg_temp.told WHERE topic = 'concurrency';
SELECT pg_temp.tick('2026-05-12 10:00:03.5Z') - 'opened' AS fourth;
-- The other family's signal is fresher now: the waiting one wins, the flag closes with it.
UPDATE kam.Leads SET marketing_signal_at = '2026-05-12 12:00Z' WHERE lead_id = 'T1';
SELECT pg_temp.tick('2026-05-14 10:00:04Z') - 'opened' AS one_wins;
SELECT kind, lead_id, sequence_id, closed_at, closed FROM pg_temp.flags WHERE kind = 'concurrency';
SELECT lead_id, sequence_id, state, paused_reason FROM kam.Cadence WHERE lead_id IN ('T1', 'T2') ORDER BY 1, 2;

-- ---- stall: seven times 24 hours without activity
SELECT pg_temp.clear('2026-06-01T09:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) VALUES ('S1', 'paris', 'T1'), ('S2', 'york', 'T1'), ('S3', NULL, 'T1'), ('S4', 'paris', 'T1'), ('S5', 'paris', 'T1');
SELECT pg_temp.log(l, 'outbound', 'activation', lower(l)) FROM unnest('{S1,S2,S3,S4,S5}'::text[]) l;
SELECT pg_temp.log('S5', 'transactional', 'activation', 'receipts');
-- S3 has a touch two days later, S4 waits for a slot until the 12th, S5 is paused.
SELECT pg_temp.clock('2026-06-03T09:00:00Z');
SELECT pg_temp.log('S3', 'outbound', 'touch', 's3', 1), pg_temp.log('S5', NULL, 'pause', 's5');
SELECT pg_temp.clock('2026-06-05T10:00:00Z');
SELECT pg_temp.log('S4', 'outbound', 'touch_observed', NULL, NULL, 'paris') FROM generate_series(1, 3);
SELECT pg_temp.log('S4', 'outbound', 'touch', 's4', 1);
SELECT pg_temp.tick('2026-06-08 08:59:59.999999Z') AS one_below, pg_temp.tick('2026-06-08 09:00:00Z') AS at_it;
SELECT * FROM pg_temp.told WHERE topic = 'stall';
SELECT lead_id, state, stall_check_at FROM kam.Cadence WHERE lead_id IN ('S1', 'S3', 'S4') ORDER BY 1;
SELECT pg_temp.tick('2026-06-10 08:59:59Z') AS not_yet, pg_temp.tick('2026-06-10 09:00:00Z') AS after_its_touch;
-- Waiting is no stall; given up, it is.
SELECT pg_temp.clock('2026-06-10T10:00:00Z');
SELECT kam.kam_cancel_held(lead_id, event_id) FROM kam.CadenceQueue WHERE lead_id = 'S4' AND state = 'waiting';
SELECT pg_temp.tick() AS no_longer_waiting;
-- Activity closes, and a week of silence after it flags again: to the second, though nobody looked in between.
SELECT pg_temp.clock('2026-06-10T15:00:00Z');
SELECT pg_temp.log('S1', 'outbound', 'touch', 's1', 1);
SELECT pg_temp.tick() AS closed;
SELECT pg_temp.tick('2026-06-17 14:59:59.999999Z') AS one_below, pg_temp.tick('2026-06-17 15:00:00Z') AS again;
SELECT pg_temp.clock('2026-06-17T16:00:00Z');
SELECT pg_temp.log('S1', NULL, 'reply', 's1');
SELECT pg_temp.tick() AS replied;
SELECT lead_id, opened_at, closed_at, closed FROM pg_temp.flags WHERE kind = 'stall' AND lead_id IN ('S1', 'S5');

-- ---- escalation: three business days of the rep, without activity and without anything the rep did
SELECT pg_temp.clear('2027-02-26T15:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) VALUES ('E1', 'paris', 'T1'), ('E2', 'york', 'T1'), ('E3', NULL, 'T1'), ('E4', 'york', 'T1');
INSERT INTO kam.holiday (day, time_zone, name) VALUES ('2027-03-09', 'Europe/Paris', 'a feast of ours');
SELECT pg_temp.log(l, 'outbound', 'activation', lower(l)) FROM unnest('{E1,E2,E3,E4}'::text[]) l;
-- Friday 5 March; New York changes its clocks on the 14th, Paris on the 28th.
SELECT pg_temp.tick('2027-03-05 15:00Z') -> 'opened' AS opened;
-- Wednesday is the third business day, in Paris Thursday, since Tuesday is a feast there.
SELECT pg_temp.tick('2027-03-10 14:59:59.999999Z') AS one_below, pg_temp.tick('2027-03-10 15:00Z') AS new_york;
SELECT pg_temp.tick('2027-03-11 14:59:59.999999Z') AS one_below, pg_temp.tick('2027-03-11 15:00Z') AS paris_and_the_default_zone;
SELECT lead_id, opened_at, escalated_at, closed_at FROM pg_temp.flags;
SELECT * FROM pg_temp.told;
SELECT pg_temp.tick('2027-03-12 15:00Z') AS once;

-- Over the change of the clocks in the rep's zone: Thursday 11:00 in New York to Tuesday 11:00, an hour less.
SELECT pg_temp.clear('2027-03-04T16:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) VALUES ('F1', 'york', 'T1'), ('F2', 'york', 'T1');
SELECT pg_temp.log(l, 'outbound', 'activation', lower(l)) FROM unnest('{F1,F2}'::text[]) l;
SELECT pg_temp.tick('2027-03-11 16:00Z') -> 'opened' AS opened;
-- What the rep does about it, even what the gate refuses, gives the rep three more.
SELECT pg_temp.clock('2027-03-12T16:00:00Z');
SELECT pg_temp.log('F2', 'nurture', 'activation', 'f2-other', NULL, 'york');
SELECT pg_temp.tick('2027-03-16 14:59:59.999999Z') AS one_below, pg_temp.tick('2027-03-16 15:00Z') AS third_day;
SELECT pg_temp.tick('2027-03-17 14:59:59.999999Z') AS one_below, pg_temp.tick('2027-03-17 15:00Z') AS of_the_other;
SELECT lead_id, escalated_at FROM pg_temp.flags WHERE kind = 'stall';

-- ---- backlog: ten prospects of a rep paused
SELECT pg_temp.clear('2027-04-05T09:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) SELECT 'B' || i, 'paris', 'T1' FROM generate_series(0, 9) i;
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) SELECT 'N' || i, NULL, 'T1' FROM generate_series(0, 11) i;
SELECT count(pg_temp.log(lead_id, 'outbound', 'activation', lower(lead_id))) FROM kam.Leads WHERE lead_id ~ '^[BN]\d';
SELECT count(pg_temp.log(lead_id, NULL, 'pause')) FROM kam.Leads WHERE lead_id ~ '^[BN]\d' AND lead_id <> 'B9';
-- Two paused sequences of one prospect are one prospect.
SELECT pg_temp.log('B0', 'nurture', 'activation', 'b0-other'), pg_temp.log('B0', NULL, 'pause');
SELECT pg_temp.tick() AS nine;
SELECT pg_temp.log('B9', NULL, 'out_of_office');
SELECT pg_temp.tick() AS ten;
SELECT pg_temp.tick() AS not_twice;
SELECT kind, rep_id, opened_at, escalated_at FROM pg_temp.flags WHERE kind = 'backlog_risk';
SELECT recipient, topic, rep_id FROM pg_temp.told WHERE topic = 'backlog_risk' ORDER BY 1;
UPDATE kam.Leads SET owner_id = 'york' WHERE lead_id = 'B9';
SELECT pg_temp.tick() AS nine_again;
UPDATE kam.Leads SET owner_id = 'paris' WHERE lead_id = 'B9';
SELECT pg_temp.tick() AS ten_again;

-- ---- a lead that goes takes its flags with it; at most one open flag of a kind per subject, ever
SELECT pg_temp.log('B1', 'outbound', 'touch_observed', NULL, NULL, NULL, '2027-04-05 08:00Z') FROM generate_series(1, 2);
SELECT pg_temp.tick() AS warned;
DELETE FROM kam.Leads WHERE lead_id = 'B1';
SELECT pg_temp.tick() -> 'closed' AS gone;
SELECT kind, lead_id, rep_id, sequence_id, count(*) FROM kam.CadenceFlag WHERE closed_at IS NULL GROUP BY 1, 2, 3, 4 HAVING count(*) > 1;

-- ---- a log that nobody has analysed for a week: it is read by lead all the same, not by time
BEGIN;
INSERT INTO kam.Leads (lead_id, icp_tier) VALUES ('W0', 'T3');
SELECT pg_temp.log('W0', 'newsletter', 'activation', 'w0-news'), pg_temp.log('W0', 'outbound', 'activation', 'w0-out');
SELECT count(*) AS flagged FROM kam.CadenceFlag WHERE kind = 'routing_error' AND lead_id = 'W0' AND closed_at IS NULL;
SET LOCAL session_replication_role = replica;
INSERT INTO kam.CadenceEventLog
SELECT (jsonb_populate_record(e, jsonb_build_object('event_id', 1000000 + i, 'lead_id', 'W' || i % 50))).*
  FROM (SELECT l AS e FROM kam.CadenceEventLog l WHERE l.event_type = 'pause' AND l.idempotency_key IS NULL LIMIT 1) one, generate_series(1, 20000) i;
SET LOCAL session_replication_role = origin;
ANALYZE kam.CadenceEventLog;
SELECT pg_temp.clock('2027-04-16T09:00:00Z');
SELECT pg_temp.tick() -> 'closed' AS closed;
SELECT pg_stat_get_xact_numscans('kam.cadenceeventlog_event_at'::regclass) AS walks;
ROLLBACK;

-- ---- many at once: bounded, and "more" says so
INSERT INTO kam.Leads (lead_id, icp_tier) SELECT 'M' || i, 'T1' FROM generate_series(1, 25) i;
SELECT count(pg_temp.log('M' || i, 'outbound', 'touch_observed', NULL, NULL, NULL, '2027-04-05 08:00Z')) FROM generate_series(1, 25) i, generate_series(1, 2) j;
SELECT pg_temp.tick(NULL, 10) AS ten, pg_temp.tick(NULL, 10) AS ten_more, pg_temp.tick(NULL, 10) AS five;

\c :home
DROP DATABASE regress_flags;
