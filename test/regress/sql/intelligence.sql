-- cadence_intelligence: what each event counts for and where, the same folded, live and counted anew.
-- In a database of its own: it counts the log of everybody.
\set home :DBNAME
SET client_min_messages = error;
DROP DATABASE IF EXISTS regress_intelligence;
CREATE DATABASE regress_intelligence TEMPLATE template0 ENCODING 'UTF8';
\c regress_intelligence
CREATE EXTENSION kam;
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence

\set ECHO none
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.say(lead text, type text, event text, sequence text DEFAULT NULL, step integer DEFAULT NULL, channel text DEFAULT NULL,
	agent text DEFAULT NULL, occurred timestamptz DEFAULT NULL, parent bigint DEFAULT NULL, play text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel, originating_agent, occurred_at, parent_event_id, play_id)
	VALUES (lead, type, event, sequence, step, channel, agent, occurred, parent, play)
	RETURNING concat_ws(' ', event_type, coordinator_action, suppressed_reason)
$$;
-- Counters that are not zero, by row of the view.
CREATE VIEW pg_temp.counted AS
	SELECT i.day, concat_ws('/', play_id, sequence_type, channel, originating_agent, step) AS what, c.counters
	  FROM kam.cadence_intelligence i
	 CROSS JOIN LATERAL (
		SELECT string_agg(k.key || ' ' || k.value, ', ' ORDER BY k.key) AS counters
		  FROM jsonb_each_text(to_jsonb(i) - '{day,week,month,quarter,play_id,originating_proposal_id,sequence_type,channel,originating_agent,step,suppressed_by,average_hold,median_hold,hold_seconds,hold_histogram}'::text[]) k
		 WHERE k.value <> '0') c
	 ORDER BY day, play_id, sequence_type, channel, originating_agent, step;
-- Waits until nobody runs who did when the mark was taken: autovacuum may.
CREATE PROCEDURE pg_temp.await() LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	FOR i IN 1 .. 3000 LOOP
		EXIT WHEN pg_snapshot_xmin(pg_current_snapshot()) >= (SELECT mark_xid FROM kam._intelligence_state);
		PERFORM pg_sleep(0.01);
		COMMIT;
	END LOOP;
END
$$;
-- A mark, and up to it.
CREATE PROCEDURE pg_temp.fold(batch integer DEFAULT 1000) LANGUAGE plpgsql AS $$
BEGIN
	CALL pg_temp.await();
	PERFORM kam._fold_intelligence(batch);
	CALL pg_temp.await();
	PERFORM kam._fold_intelligence(batch);
	COMMIT;
END
$$;
-- Whether what is kept and what is live together say what a count of the whole log says.
CREATE FUNCTION pg_temp.agrees() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	wrong bigint;
BEGIN
	EXECUTE format('WITH whole AS MATERIALIZED (%s),
		seen AS MATERIALIZED (%s)
		SELECT count(*) FROM ((TABLE whole EXCEPT ALL TABLE seen) UNION ALL (TABLE seen EXCEPT ALL TABLE whole)) d',
		kam._intelligence_query('SELECT * FROM kam._intelligence_event'),
		'SELECT day, coalesce(play_id, ''''), coalesce(originating_proposal_id, ''''), coalesce(sequence_type, ''''), coalesce(channel, ''''), coalesce(originating_agent, ''''), coalesce(step, -1),
			requested, executed, touches, released, held, deferred, suppressed_compliance, suppressed_abm, suppressed_routing, rejected, expired, cancelled, observed, failed,
			replies, meetings, opt_outs, bounces, holds, hold_seconds, hold_histogram FROM kam.cadence_intelligence') INTO wrong;
	RETURN CASE wrong WHEN 0 THEN 'agrees' ELSE wrong || ' rows differ' END;
END
$$;
CREATE FUNCTION pg_temp.kept() RETURNS text LANGUAGE sql AS $$
	SELECT format('%s of %s events, %s late', (SELECT sum(requested + released + expired + cancelled + observed + failed + replies + meetings + opt_outs + bounces) FROM kam.intelligence_day),
		(SELECT count(*) FROM kam._intelligence_event), (SELECT count(*) FROM kam._intelligence_late))
$$;
SELECT pg_temp.at('2026-03-02T09:00:00Z') IS NULL AS nothing \gset
\set ECHO all

INSERT INTO kam.Accounts (account_id, icp_tier, abm_active) VALUES ('a', 'T1', false), ('abm', 'T2', true);
INSERT INTO kam.Leads (lead_id, account_id, icp_tier, email) VALUES ('l1', 'a', NULL, 'l1@x.example'), ('l2', 'a', NULL, NULL), ('l3', 'abm', NULL, NULL), ('l4', NULL, 'T3', NULL), ('l5', NULL, 'T1', NULL);
INSERT INTO kam.BrainAnalysisLog (proposal_id) VALUES ('proposal');
INSERT INTO kam.SalesPlayLibrary (play_id, state, originating_proposal_id) VALUES ('P', 'active', 'proposal');

-- ---- each outcome
SELECT pg_temp.say('l1', 'play', 'activation', 'S', agent => 'AGT-302', play => 'P');
SELECT pg_temp.say('l1', 'play', 'touch', 'S', n, 'email', 'AGT-301') FROM generate_series(1, 5) n;
SELECT pg_temp.say('l1', 'play', 'touch', 'S', 1, 'email', 'AGT-301') AS repeated, pg_temp.say('l1', 'newsletter', 'activation', 'M', agent => 'AGT-304') AS loses;
SELECT pg_temp.say('l2', 'newsletter', 'activation', 'M', agent => 'AGT-304'), pg_temp.say('l2', 'outbound', 'activation', 'S', agent => 'AGT-301') AS displaces;
SELECT pg_temp.say('l3', 'nurture', 'activation', 'N', agent => 'AGT-304') AS abm, pg_temp.say('l4', 'outbound', 'activation', 'S', agent => 'AGT-301') AS t3;
SELECT pg_temp.say('l4', NULL, 'unsubscribe'), pg_temp.say('l4', 'newsletter', 'touch', NULL, NULL, 'email', 'AGT-304') AS unsubscribed;
SELECT * FROM pg_temp.counted;
SELECT jsonb_object_agg(k, n ORDER BY k) AS suppressed_by
  FROM (SELECT s.key AS k, sum(s.value::bigint) AS n FROM kam.cadence_intelligence i, jsonb_each_text(i.suppressed_by) s GROUP BY 1) s;

-- ---- folded in three looks: one says that it is counted, one takes the mark, the next goes up to it
SELECT pg_temp.kept(), pg_temp.agrees();
SELECT kam.kam_tick() -> 'failed' AS failed;
SELECT upto < 0 AS nothing_yet, mark FROM kam._intelligence_state;
SELECT kam.kam_tick() -> 'failed' AS failed;
SELECT pg_temp.kept(), pg_temp.agrees();
CREATE TEMP TABLE before AS TABLE pg_temp.counted;
CALL pg_temp.await();
SELECT kam.kam_tick() -> 'failed' AS failed;
SELECT pg_temp.kept(), pg_temp.agrees();
SELECT count(*) FROM ((TABLE before EXCEPT TABLE pg_temp.counted) UNION ALL (TABLE pg_temp.counted EXCEPT TABLE before)) d;
-- Nothing new: nothing is written.
SELECT xmin AS was, upto FROM kam._intelligence_state \gset
SELECT kam._fold_intelligence(1000) AS more, (SELECT xmin = :'was' AND upto = :upto FROM kam._intelligence_state) AS untouched;

-- ---- holds: released after a week, cancelled after a day
SELECT pg_temp.at('2026-03-03T09:00:00Z') IS NULL AS nothing \gset
SELECT kam.kam_cancel_held(lead_id, event_id) FROM kam.held_queue WHERE lead_id = 'l1' AND step = 5;
SELECT pg_temp.at('2026-03-09T12:00:00Z') IS NULL AS nothing \gset
SELECT kam.kam_tick() -> 'released' AS released;
SELECT day, step, released, cancelled, holds, average_hold, median_hold, hold_histogram FROM kam.cadence_intelligence WHERE holds > 0 ORDER BY day;
SELECT sum(holds) AS holds, sum(hold_seconds) / sum(holds) * interval '1 second' AS average, kam.kam_median_hold(kam.kam_sum_holds(hold_histogram)) AS median
  FROM kam.cadence_intelligence GROUP BY quarter;
SELECT h, kam.kam_median_hold(h::bigint[]) FROM unnest(ARRAY['{0,0,0,0,0,0,0,0,0,0,0,0}', '{1,0,0,0,0,0,0,0,0,0,0,0}', '{0,0,0,0,0,0,0,0,0,0,0,3}', '{2,0,0,0,2,0,0,0,0,0,0,0}', '{1,1,1,0,0,0,0,0,0,0,0,0}']) h;

-- ---- what comes back is of the touch before it; of that sequence when it is named; on the day it happened
SELECT pg_temp.say('l5', 'outbound', 'activation', 'S', agent => 'AGT-301'), pg_temp.say('l5', 'outbound', 'touch', 'S', 1, 'email', 'AGT-301'), pg_temp.say('l5', 'outbound', 'touch', 'S', 2, 'linkedin', 'AGT-301');
SELECT pg_temp.say('l5', 'transactional', 'touch', 'T', 7, 'sms', 'billing');
SELECT pg_temp.at('2026-03-12T12:00:00Z') IS NULL AS nothing \gset
SELECT pg_temp.say('l5', NULL, 'bounce', 'T'), pg_temp.say('l5', NULL, 'reply', 'S', NULL, 'email', 'inbox', '2026-03-11T08:00:00Z'), pg_temp.say('l5', NULL, 'meeting_booked');
SELECT pg_temp.say('l2', 'outbound', 'reply', 'S', NULL, 'email', 'inbox') AS nothing_was_sent, pg_temp.say('l2', NULL, 'opt_out');
SELECT * FROM pg_temp.counted WHERE day > '2026-03-09';
SELECT pg_temp.agrees();

-- ---- a failed send is counted once, under its touch; executed it stays
SELECT event_id AS sent FROM kam.CadenceEventLog WHERE lead_id = 'l1' AND step = 1 AND event_type = 'touch' \gset
CALL pg_temp.fold();
SELECT pg_temp.say('l1', NULL, 'send_failed', parent => :sent), pg_temp.say('l1', NULL, 'send_failed', parent => :sent), pg_temp.say('l2', NULL, 'send_failed', parent => :sent) AS not_its;
SELECT sum(touches) AS touches, sum(failed) AS failed FROM kam.cadence_intelligence WHERE play_id = 'P' AND step = 1;
SELECT pg_temp.agrees();

-- ---- a merge asks again for what it ends; what was counted stays where it is, also once the merge is undone
INSERT INTO kam.Leads (lead_id, icp_tier) VALUES ('m1', 'T1'), ('m2', 'T1');
SELECT pg_temp.say('m1', 'outbound', 'activation', 'S1', agent => 'AGT-301'), pg_temp.say('m1', 'outbound', 'touch', 'S1', 1, 'whatsapp', 'AGT-301');
SELECT kam.kam_merge_leads('m1', 'm2') > 0 AS merged;
SELECT pg_temp.at('2026-03-13T12:00:00Z') IS NULL AS nothing \gset
SELECT pg_temp.say('m2', NULL, 'reply', 'S1');
SELECT day, channel, step, replies FROM kam.cadence_intelligence WHERE day = '2026-03-13';
CALL pg_temp.fold();
SELECT pg_temp.at('2026-03-14T12:00:00Z') IS NULL AS nothing \gset
SELECT kam.kam_unmerge_leads('m1');
SELECT pg_temp.agrees();
-- Nor does the deletion of a lead.
DELETE FROM kam.Leads WHERE lead_id IN ('m1', 'l5');
CALL pg_temp.fold();
SELECT pg_temp.kept(), pg_temp.agrees();

-- ---- few at a time
INSERT INTO kam.Leads (lead_id) SELECT 'many' || n FROM generate_series(1, 30) n;
SELECT count(pg_temp.say('many' || n, 'outbound', 'activation', 'S')) FROM generate_series(1, 30) n;
CALL pg_temp.fold(10);
SELECT pg_temp.kept(), pg_temp.agrees();
CALL pg_temp.fold(10);
SELECT pg_temp.kept(), pg_temp.agrees();
CALL pg_temp.fold(10);
CALL pg_temp.await();
SELECT kam._fold_intelligence(10) AS more, pg_temp.kept(), pg_temp.agrees();

-- ---- decided rows that are brought in below the numbers drawn
INSERT INTO kam.CadenceEventLog (lead_id, event_id, event_type, requested_event_type, sequence_type, channel, coordinator_action, event_at, gate_version, compliance_status, family)
SELECT 'old' || n, n - 100, 'touch', 'touch', 'transactional', 'post', 'executed', timestamptz '2020-01-01 12:00Z' + n * interval '1 day', 1, 'clear', 'transactional' FROM generate_series(1, 5) n;
SELECT pg_temp.kept(), pg_temp.agrees(), (SELECT sum(touches) FROM kam.cadence_intelligence WHERE channel = 'post') AS brought_in;
SELECT kam._fold_intelligence(2) AS more, pg_temp.kept(), pg_temp.agrees();
SELECT kam._fold_intelligence(10) AS more, pg_temp.kept(), pg_temp.agrees();
SELECT sum(touches) AS brought_in FROM kam.intelligence_day WHERE channel = 'post';

-- ---- far behind: said by kam_health(); numbers that nobody used are nothing to count
SELECT setval('kam.cadenceeventlog_event_id_seq', 1000000) > 0 AS drawn;
SELECT * FROM kam._tick_health() WHERE item = 'intelligence';
CALL pg_temp.fold();
SELECT count(*) AS behind FROM kam._tick_health() WHERE item = 'intelligence';
SELECT pg_temp.agrees();

-- ---- counted anew
UPDATE kam.intelligence_day SET touches = touches + 7;
SELECT pg_temp.agrees() <> 'agrees' AS spoilt;
-- Two more that are late, one of a day that stays.
INSERT INTO kam.CadenceEventLog (lead_id, event_id, event_type, requested_event_type, coordinator_action, event_at, gate_version, compliance_status)
VALUES ('old6', -90, 'reply', 'reply', 'recorded', '2020-02-01', 1, 'clear'), ('old7', -89, 'reply', 'reply', 'recorded', '2026-03-12', 1, 'clear');
SELECT pg_temp.kept();
SELECT kam.kam_rebuild_intelligence('2026-03-10') > 0 AS rebuilt, (SELECT sum(touches) FROM kam.intelligence_day WHERE day < '2026-03-10') > 30 AS earlier_days_stay;
SELECT day, replies FROM kam.intelligence_day WHERE sequence_type = '' AND replies > 0 ORDER BY day;
SELECT count(*) AS late FROM kam._intelligence_late;
SELECT kam.kam_rebuild_intelligence() > 0 AS rebuilt, pg_temp.agrees();
SET kam.default_timezone = 'Pacific/Auckland';
SELECT kam.kam_rebuild_intelligence() > 0 AS rebuilt, pg_temp.agrees(), (SELECT min(day) FROM kam.cadence_intelligence WHERE day > '2026-01-01') AS first_day;
RESET kam.default_timezone;

-- ---- who may
CREATE ROLE regress_analyst IN ROLE kam_review;
SET ROLE regress_analyst;
SELECT count(*) > 0 AS looks, count(median_hold) > 0 AS medians FROM kam.cadence_intelligence;
SELECT pg_temp.refused('SELECT kam.kam_rebuild_intelligence()');
SELECT pg_temp.refused('SELECT * FROM kam._intelligence_event');
RESET ROLE;
DROP ROLE regress_analyst;
\c :home
DROP DATABASE regress_intelligence;
