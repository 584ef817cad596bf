-- The schedules: release, expiry, suppression, ends, conflicts; bounds, failures, the clock.
-- In a database of its own: the log keeps what other tests wrote, and a tick is for all leads.
\set home :DBNAME
SET client_min_messages = error;
DROP DATABASE IF EXISTS regress_tick;
CREATE DATABASE regress_tick TEMPLATE template0 ENCODING 'UTF8';
\c regress_tick
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
CREATE VIEW pg_temp.queue AS
	SELECT q.lead_id, e.step, e.sequence_id, q.kind, q.state, q.rounds, q.release_at, q.end_reason
	  FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e USING (lead_id, event_id) ORDER BY q.lead_id, q.event_id;
\set reload :srcdir /reload.sql
\set ECHO all

-- ---- arguments
SELECT pg_temp.refused('SELECT kam.kam_tick(batch => 0)');
SELECT pg_temp.refused('SELECT kam.kam_tick(batch => NULL)');
SELECT pg_temp.refused('SELECT kam.kam_tick(''infinity'')');
SELECT kam.kam_tick() AS nothing_to_do;

-- ---- releases: at the microsecond, by priority, then who came first; as many as the cap lets through, the rest to the next time
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) VALUES ('A', 'rep', 'T1');
SELECT pg_temp.log('A', 'outbound', 'activation', 'a');
SELECT pg_temp.log('A', 'outbound', 'touch', 'a', step) FROM generate_series(1, 6) step;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step, payload) VALUES ('A', 'a', 'outbound', 'touch', 7, '{"priority": 5}');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step, payload) VALUES ('A', 'a', 'outbound', 'touch', 8, '{"priority": -1}');
SELECT pg_temp.tick('2026-03-09 09:00:00Z') AS too_early;
SELECT pg_temp.tick('2026-03-09 09:00:00.000001Z') AS one_slot;
SELECT * FROM pg_temp.queue;
SELECT pg_temp.tick('2026-03-09 12:00Z') AS the_other_two;
SELECT pg_temp.tick('2026-03-09 12:00Z') AS none_left;
SELECT * FROM pg_temp.queue;
SELECT e.step, e.event_type, e.coordinator_action, e.event_at, p.step AS of FROM kam.CadenceEventLog e JOIN kam.CadenceEventLog p ON p.lead_id = e.lead_id AND p.event_id = e.parent_event_id ORDER BY e.event_id;

-- The real clock is back after the tick, also when it failed and somebody caught that.
SELECT kam._now() AS the_clock;
CREATE FUNCTION pg_temp.cancelled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'cancelled' USING ERRCODE = '57014'; END $$;
CREATE FUNCTION pg_temp.caught() RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
	PERFORM kam.kam_tick('2026-03-16 12:00Z');
	RETURN NULL;
EXCEPTION WHEN query_canceled THEN
	RETURN kam._now();
END
$$;
CREATE TRIGGER cancelled BEFORE UPDATE ON kam.CadenceQueue FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.cancelled();
SELECT pg_temp.caught() AS the_clock;
DROP TRIGGER cancelled ON kam.CadenceQueue;

-- ---- ten days without a tick: no burst, oldest first
SELECT pg_temp.clear('2026-03-23T09:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) VALUES ('B1', 'rep', 'T1'), ('B2', 'rep', 'T1');
SELECT count(pg_temp.log(l, 'outbound', 'activation', l)) FROM unnest('{B1,B2}'::text[]) l;
SELECT count(pg_temp.log(l, 'outbound', 'touch', l, step)) FROM generate_series(1, 8) step, unnest('{B1,B2}'::text[]) l;
SELECT pg_temp.tick('2026-04-02 09:00Z') - 'opened' AS ten_days_on;
SELECT pg_temp.tick('2026-04-02 09:00Z') - 'opened' AS at_once_again;
SELECT lead_id, count(*) FILTER (WHERE state = 'released') AS released, count(*) FILTER (WHERE state = 'waiting' AND release_at > '2026-04-09 08:59Z') AS waiting
  FROM pg_temp.queue WHERE lead_id LIKE 'B_' GROUP BY 1 ORDER BY 1;
-- I1: no window holds more than the cap.
SELECT max(n) AS most_in_a_window FROM (
	SELECT count(*) OVER (PARTITION BY lead_id ORDER BY touch_at RANGE BETWEEN '167:59:59.999999' PRECEDING AND CURRENT ROW) AS n
	  FROM kam.CadenceEventLog WHERE counted) w;

-- ---- bounded: the batch, and "more"
SELECT pg_temp.tick('2026-04-02 09:00Z', 100) - 'opened' AS nothing_due;
UPDATE kam.CadenceQueue SET release_at = '2026-04-01 00:00Z' WHERE state = 'waiting' AND lead_id LIKE 'B_';
SELECT pg_temp.tick('2026-04-02 09:00Z', 3) - 'opened' AS three, pg_temp.tick('2026-04-02 09:00Z', 3) - 'opened' AS the_fourth;

-- ---- expiry: a hold after 14 days; what was queued never begins
SELECT pg_temp.clear('2026-05-04T09:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) VALUES ('X', 'rep', 'T1');
SELECT pg_temp.log('X', 'outbound', 'activation', 'x1'), pg_temp.log('X', 'nurture', 'activation', 'x2');
SELECT count(pg_temp.log('X', 'outbound', 'touch', 'x1', step)) FROM generate_series(1, 3) step;
-- Three observed touches each week keep the slot taken.
SELECT pg_temp.log('X', 'outbound', 'touch', 'x1', 4);
SELECT pg_temp.clock('2026-05-10T09:00:00Z');
SELECT count(pg_temp.log('X', 'outbound', 'touch_observed')) FROM generate_series(1, 3);
SELECT pg_temp.tick('2026-05-11 12:00Z') - 'opened' AS moved;
SELECT pg_temp.clock('2026-05-16T09:00:00Z');
SELECT count(pg_temp.log('X', 'outbound', 'touch_observed')) FROM generate_series(1, 3);
SELECT pg_temp.tick('2026-05-18 08:59:59Z') - 'opened' AS one_below, pg_temp.tick('2026-05-18 09:00:01Z') - 'opened' AS expired;
SELECT * FROM pg_temp.queue WHERE lead_id = 'X';
SELECT sequence_id, state, end_reason FROM kam.Cadence WHERE lead_id = 'X' ORDER BY 1;
SELECT e.event_type, e.coordinator_action, e.resolution, e.sequence_id, e.requested_event_type, p.event_type AS of
  FROM kam.CadenceEventLog e JOIN kam.CadenceEventLog p ON p.lead_id = e.lead_id AND p.event_id = e.parent_event_id WHERE e.lead_id = 'X' ORDER BY e.event_id;
SELECT holding, stale FROM kam.prospect_state WHERE lead_id = 'X';

-- A resume that has waited too long is given up with what it was to resume, a held touch alone is not.
SELECT pg_temp.clear('2026-05-18T12:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) VALUES ('Y', 'rep', 'T1'), ('Z', 'rep', 'T1');
SELECT pg_temp.log('Y', 'outbound', 'activation', 'y1'), pg_temp.log('Y', 'outbound', 'pause', 'y1'), pg_temp.log('Y', 'follow_up', 'activation', 'y2'), pg_temp.log('Y', 'outbound', 'resume', 'y1');
SELECT pg_temp.log('Z', 'outbound', 'activation', 'z1');
SELECT pg_temp.log('Z', 'outbound', 'touch', 'z1', step) FROM generate_series(1, 4) step;
SELECT pg_temp.log('Z', 'outbound', 'pause', 'z1'), pg_temp.log('Z', 'follow_up', 'activation', 'z2');
SELECT pg_temp.tick('2026-06-01 12:00:01Z') - 'opened' - 'closed' - 'moved' AS expired;
SELECT lead_id, sequence_id, state, coalesce(end_reason, paused_reason) AS why FROM kam.Cadence WHERE lead_id IN ('Y', 'Z') ORDER BY 1, 2;
SELECT lead_id, event_type, resolution, sequence_id FROM kam.CadenceEventLog WHERE lead_id IN ('Y', 'Z') AND event_type = 'expired' ORDER BY event_id;
SELECT lead_id, cadence_state, active_sequence_id FROM kam.Leads WHERE lead_id IN ('Y', 'Z') ORDER BY 1;

-- ---- an enrolment's own end
SELECT pg_temp.clear('2026-06-01T09:00:00Z');
INSERT INTO kam.SalesPlayLibrary (play_id, state, active_period_end) VALUES ('P', 'active', '2026-06-10 00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) VALUES ('P1', 'rep', 'T1'), ('P2', 'rep', 'T1');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, play_id) VALUES ('P1', 'p1', 'play', 'activation', 'P') RETURNING coordinator_action;
SELECT pg_temp.log('P2', 'outbound', 'activation', 'p2');
UPDATE kam.Cadence SET active_until = '2026-06-09 00:00Z' WHERE lead_id = 'P2';
SELECT count(pg_temp.log('P1', 'play', 'touch', 'p1', step)) FROM generate_series(1, 5) step;
SELECT DISTINCT expires_at FROM kam.CadenceQueue WHERE lead_id = 'P1';
SELECT pg_temp.tick('2026-06-08 09:00:01Z') - 'opened' AS released;
SELECT count(pg_temp.log('P1', 'play', 'touch', 'p1', step)) FROM generate_series(6, 7) step;
SELECT pg_temp.tick('2026-06-08 23:59:59.999999Z') - 'opened' - 'closed' AS one_below, pg_temp.tick('2026-06-09 00:00Z') - 'opened' - 'closed' AS one, pg_temp.tick('2026-06-10 00:00Z') - 'opened' - 'closed' AS the_play;
SELECT lead_id, state, end_reason, finished_at FROM kam.Cadence WHERE lead_id LIKE 'P_' ORDER BY 1;
SELECT * FROM pg_temp.queue WHERE lead_id = 'P1';
SELECT event_type, resolution FROM kam.CadenceEventLog WHERE lead_id = 'P1' AND event_type IN ('expired', 'cancelled');
SELECT lead_id, cadence_state, active_sequence_id FROM kam.Leads WHERE lead_id LIKE 'P_' ORDER BY 1;

-- ---- suppressed addresses: everything of every lead that has one ends, in several goes
SELECT pg_temp.clear('2026-07-01T09:00:00Z');
INSERT INTO kam.Leads (lead_id, email, owner_id, icp_tier) SELECT 'D' || i, 'p' || i || '@Big.example', 'rep', 'T1' FROM generate_series(1, 7) i;
INSERT INTO kam.Leads (lead_id, email, phone, owner_id, icp_tier) VALUES ('E1', 'one@small.example', NULL, 'rep', 'T1'), ('E2', ' ONE@Small.example ', NULL, NULL, 'T1'), ('E3', 'two@small.example', '+33 6 12 34 56 78', NULL, 'T1');
SELECT count(pg_temp.log(lead_id, 'outbound', 'activation', 's-' || lead_id)) FROM kam.Leads WHERE lead_id ~ '^[DE]\d';
SELECT count(pg_temp.log(lead_id, 'outbound', 'touch', 's-' || lead_id, step)) FROM kam.Leads, generate_series(1, 4) step WHERE lead_id ~ '^[DE]\d';
SELECT pg_temp.log('E2', 'transactional', 'activation', 'receipts');
INSERT INTO kam.Suppression (address, kind, source, created_at) VALUES ('big.example', 'domain', 'test', '2026-07-01 08:00Z'), ('one@small.example', 'email', 'test', '2026-07-01 08:01Z'), ('nobody@nowhere.example', 'email', 'test', '2026-07-01 08:02Z');
SELECT pg_temp.tick(NULL, 3) - 'opened' AS three;
SELECT settled_upto FROM kam.Suppression WHERE address = 'big.example';
SELECT pg_temp.tick(NULL, 3) - 'opened' AS six;
SELECT pg_temp.tick(NULL, 3) - 'opened' AS the_last_and_two;
SELECT pg_temp.tick(NULL, 3) - 'opened' AS the_rest;
SELECT pg_temp.tick(NULL, 3) - 'opened' AS no_more;
SELECT address, settled_at, settled_upto FROM kam.Suppression ORDER BY 1;
SELECT lead_id, sequence_id, state, end_reason FROM kam.Cadence WHERE lead_id ~ '^[DE]\d' ORDER BY 1, 2;
SELECT state, end_reason, count(*) FROM kam.CadenceQueue WHERE lead_id ~ '^[DE]\d' GROUP BY 1, 2 ORDER BY 1;
SELECT event_type, resolution, count(*) FROM kam.CadenceEventLog WHERE lead_id ~ '^[DE]\d' AND event_type = 'cancelled' GROUP BY 1, 2;
INSERT INTO kam.Suppression (address, kind, source) VALUES ('+33612345678', 'phone', 'test');
SELECT pg_temp.tick() - 'opened' - 'closed' AS by_phone;
SELECT lead_id, state, end_reason FROM kam.Cadence WHERE lead_id = 'E3';

-- ---- sales and marketing both active (an import did that): the matrix is applied at once
SELECT pg_temp.clear('2026-08-03T09:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier, sales_signal_at, marketing_signal_at) VALUES
	('K1', 'rep', 'T1', NULL, '2026-08-01'), ('K2', 'rep', 'T2', '2026-07-01', '2026-08-01'), ('K3', 'rep', 'T2', '2026-08-01', '2026-07-01'), ('K4', 'rep', 'T3', NULL, NULL), ('K5', 'rep', NULL, NULL, NULL);
INSERT INTO kam.Cadence (lead_id, sequence_id, sequence_type, family, state, activated_at, last_activity_at)
SELECT l.lead_id, l.lead_id || '-' || s.family, s.type, s.family, 'active', s.since, s.since FROM kam.Leads l,
	(VALUES ('outbound', 'sales', timestamptz '2026-08-01 09:00Z'), ('nurture', 'marketing', '2026-08-02 09:00Z')) s (type, family, since) WHERE l.lead_id LIKE 'K_';
SELECT kam._rebuild_state(lead_id) FROM kam.Leads WHERE lead_id LIKE 'K_' \g /dev/null
SELECT pg_temp.tick() AS resolved;
SELECT lead_id, sequence_id, state, paused_reason FROM kam.Cadence WHERE lead_id LIKE 'K_' ORDER BY 1, 2;
SELECT lead_id, sequence_id, event_type, requested_event_type, coordinator_action, resolution, release_at FROM kam.CadenceEventLog WHERE lead_id LIKE 'K_' ORDER BY event_id;
SELECT lead_id, sequence_id, kind, state, release_at FROM pg_temp.queue WHERE lead_id LIKE 'K_';
SELECT kind, lead_id, sequence_id, detail - 'event_id' AS detail FROM kam.CadenceFlag WHERE lead_id LIKE 'K_' ORDER BY lead_id, kind;
SELECT lead_id, cadence_state, active_sequence_id FROM kam.Leads WHERE lead_id LIKE 'K_' ORDER BY 1;

-- ---- what fails costs itself alone
SELECT pg_temp.clear('2026-09-07T09:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) VALUES ('Z1', 'rep', 'T1'), ('Z2', 'rep', 'T1'), ('Z3', 'rep', 'T1');
SELECT count(pg_temp.log(l, 'outbound', 'activation', l)) FROM unnest('{Z1,Z2,Z3}'::text[]) l;
SELECT count(pg_temp.log(l, 'outbound', 'touch', l, step)) FROM generate_series(1, 4) step, unnest('{Z1,Z2,Z3}'::text[]) l;
CREATE FUNCTION public.no_z2() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not for Z2' USING ERRCODE = '22000'; END $$;
CREATE TRIGGER no_z2 BEFORE INSERT ON kam.notification FOR EACH ROW WHEN (NEW.lead_id = 'Z2' AND NEW.topic = 'touch') EXECUTE FUNCTION public.no_z2();
SET client_min_messages = error;
SELECT r.key, CASE r.key WHEN 'errors' THEN (r.value -> 0) - 'item' ELSE r.value END AS value FROM jsonb_each(pg_temp.tick('2026-09-14 09:00:01Z') - 'opened' - 'closed') r ORDER BY 1;
SET client_min_messages = warning;
SELECT lead_id, step, state, release_at FROM pg_temp.queue WHERE lead_id LIKE 'Z_';
SELECT count(*) FILTER (WHERE event_type = 'touch') AS touches FROM kam.CadenceEventLog WHERE lead_id = 'Z2';
SELECT duty, lead_id, failed_at, retry_at, sqlstate, error FROM kam._tick_failure;
SELECT item, state, regexp_replace(detail, '\d+', 'N') AS detail FROM kam.kam_health() WHERE item IN ('schedules', 'schedule failures', 'holds', 'suppressions', 'flags') ORDER BY 1;
SELECT pg_temp.tick('2026-09-14 09:05:00Z') - 'opened' - 'closed' AS not_yet;
DROP TRIGGER no_z2 ON kam.notification;
SELECT pg_temp.tick('2026-09-14 09:05:01Z') - 'opened' - 'closed' AS better;
SELECT pg_temp.tick('2026-09-14 11:00:01Z') - 'opened' - 'closed' AS an_hour_later;
SELECT count(*) AS failures FROM kam._tick_failure;

-- A flag that cannot be opened keeps no other from it, nor the releases.
CREATE TRIGGER no_z2 BEFORE INSERT ON kam.notification FOR EACH ROW WHEN (NEW.lead_id = 'Z2' AND NEW.topic = 'cap_warning') EXECUTE FUNCTION public.no_z2();
SELECT pg_temp.clear('2026-09-30T09:00:00Z');
SELECT count(pg_temp.log(l, 'outbound', 'touch_observed')) FROM generate_series(1, 2), unnest('{Z1,Z2,Z3}'::text[]) l;
SET client_min_messages = error;
SELECT pg_temp.tick() AS two_of_three;
SET client_min_messages = warning;
DROP TRIGGER no_z2 ON kam.notification;
SELECT pg_temp.tick() AS the_third;

-- ---- rows that came with a copy of the database wait for kam_resume()
SELECT pg_temp.log('Z1', 'outbound', 'activation', 'z1');
SELECT pg_temp.log('Z1', 'outbound', 'touch', 'z1', step) FROM generate_series(1, 4) step;
UPDATE kam.CadenceQueue SET home = 1 WHERE lead_id = 'Z1' AND state = 'waiting';
UPDATE kam.Cadence SET home = 1, active_until = '2026-10-02' WHERE lead_id = 'Z1';
INSERT INTO kam.Suppression (address, kind, source, home) VALUES ('elsewhere@example.com', 'email', 'test', 1);
SELECT pg_temp.tick('2027-01-01') AS untouched;
SELECT state, count(*) FROM pg_temp.queue WHERE lead_id = 'Z1' GROUP BY 1 ORDER BY 1;
SELECT kam._tick_next() > '2026-10-02' IS NOT FALSE AS nothing_of_it_is_next;

-- ---- kam.paused: nothing happens, and it says so
ALTER SYSTEM SET kam.paused = on;
\set setting kam.paused
\set value on
\i :reload
SELECT kam.kam_tick('2028-01-01') AS paused;
ALTER SYSTEM RESET kam.paused;
\set setting kam.paused
\set value off
\i :reload

-- ---- another cap: what is held is judged by it at once
SELECT pg_temp.clear('2026-10-05T09:00:00Z');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) SELECT 'Q' || i, 'rep', 'T1' FROM generate_series(1, 5) i;
SELECT count(pg_temp.log('Q' || i, 'outbound', 'activation', 'q' || i)) FROM generate_series(1, 5) i;
SELECT count(pg_temp.log('Q' || i, 'outbound', 'touch', 'q' || i, step)) FROM generate_series(1, 6) step, generate_series(1, 5) i;
SELECT pg_temp.tick() - 'opened' - 'closed' - 'expired' - 'ended' AS none;
ALTER SYSTEM SET kam.touch_cap = 5;
\set setting kam.touch_cap
\set value 5
\i :reload
SELECT t -> 'rejudged' AS two_leads, t -> 'more' AS more FROM pg_temp.tick(NULL, 2) t;
SELECT rejudge_from FROM kam.coordinator_state;
SELECT t -> 'rejudged' AS two_more, t -> 'more' AS more FROM pg_temp.tick(NULL, 2) t;
SELECT t -> 'rejudged' AS the_last, t -> 'more' AS more FROM pg_temp.tick() t;
SELECT rejudge_from FROM kam.coordinator_state;
SELECT lead_id, count(*) FILTER (WHERE state = 'released') AS released, count(*) FILTER (WHERE state = 'waiting') AS waiting, min(release_at) FILTER (WHERE state = 'waiting') AS until
  FROM pg_temp.queue WHERE lead_id LIKE 'Q_' GROUP BY 1 ORDER BY 1;
-- A shorter window as well; a lower cap releases nothing.
ALTER SYSTEM SET kam.touch_window = '1h';
\set setting kam.touch_window
\set value 1h
\i :reload
SELECT pg_temp.tick('2026-10-05 10:30Z') - 'opened' - 'closed' AS an_hour;
ALTER SYSTEM RESET kam.touch_window;
ALTER SYSTEM SET kam.touch_cap = 0;
\set setting kam.touch_cap
\set value 0
\i :reload
SELECT pg_temp.log('Q1', 'outbound', 'touch', 'q1', 7);
SELECT pg_temp.tick('2026-10-18 09:00Z') - 'opened' - 'closed' AS none_allowed;
ALTER SYSTEM SET kam.touch_cap = -1;
\set setting kam.touch_cap
\set value -1
\i :reload
SELECT pg_temp.tick('2026-10-18 09:00Z') - 'opened' - 'closed' AS no_cap;
ALTER SYSTEM RESET kam.touch_cap;
\set setting kam.touch_cap
\set value 3
\i :reload

-- ---- who may
SET ROLE kam_read;
SELECT pg_temp.refused('SELECT kam.kam_tick()');
RESET ROLE;
SET ROLE kam_admin;
SELECT kam.kam_tick('2026-10-18 09:00Z') IS NOT NULL AS administrators_may;
RESET ROLE;

\c :home
DROP DATABASE regress_tick;
