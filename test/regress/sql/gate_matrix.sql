-- The conflict matrix: who goes on and who waits when two sequences want one lead.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence

BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
-- Every tier, every order of signals, either incumbent.  The tier is set when the incumbent runs already: nothing else makes sales active at T3.
CREATE TEMP TABLE signals (place serial, signals text, sales timestamptz, marketing timestamptz);
INSERT INTO signals (signals, sales, marketing) VALUES
	('none', NULL, NULL),
	('sales alone', '2026-02-01', NULL),
	('marketing alone', NULL, '2026-02-01'),
	('sales fresher', '2026-02-01 00:00:00.000001', '2026-02-01'),
	('marketing fresher', '2026-01-31', '2026-02-01'),
	('equal', '2026-02-01', '2026-02-01'),
	('sales in the future', '2026-03-01', '2026-02-01'),
	('both in the future', '2026-03-01', '2026-04-01');
CREATE FUNCTION pg_temp.compete(tier text, s signals, incumbent text, OUT newcomer text, OUT states text, OUT pause_row text, OUT waits text, OUT flags text) LANGUAGE plpgsql AS $$
DECLARE
	lead text := format('%s %s %s', tier, s.place, incumbent);
BEGIN
	INSERT INTO kam.Leads (lead_id, sales_signal_at, marketing_signal_at) VALUES (lead, s.sales, s.marketing);
	PERFORM pg_temp.ask(lead, incumbent, 'activation', 'I');
	UPDATE kam.Leads SET icp_tier = tier WHERE lead_id = lead;
	newcomer := pg_temp.ask(lead, CASE incumbent WHEN 'outbound' THEN 'nurture' ELSE 'outbound' END, 'activation', 'N');
	states := (SELECT string_agg(c.sequence_id || ' ' || c.state, ', ' ORDER BY c.sequence_id) FROM kam.Cadence c WHERE c.lead_id = lead);
	pause_row := (SELECT concat_ws(' ', e.event_type, e.coordinator_action, e.suppressed_reason, e.resolution) FROM kam.CadenceEventLog e WHERE e.lead_id = lead AND e.sequence_id = 'I' AND e.requested_event_type = 'resume');
	waits := (SELECT string_agg(concat_ws(' ', q.sequence_id, q.release_at - q.queued_at), ', ') FROM kam.CadenceQueue q WHERE q.lead_id = lead);
	flags := (SELECT string_agg(f.kind, ', ') FROM kam.CadenceFlag f WHERE f.lead_id = lead);
END
$$;
\pset format unaligned
SELECT coalesce(t.tier, 'none') AS tier, s.signals, i.incumbent, c.*
  FROM (VALUES ('T1'), ('T2'), ('T3'), (NULL)) t (tier) CROSS JOIN signals s CROSS JOIN (VALUES ('outbound'), ('nurture')) i (incumbent)
 CROSS JOIN LATERAL pg_temp.compete(t.tier, s, i.incumbent) c
 ORDER BY t.tier, i.incumbent DESC, s.place;
\pset format aligned
-- Never two active, and the state says what the tables say.
SELECT count(*) AS leads, bool_and(one.n <= 1) AS one_active FROM (SELECT lead_id, count(*) FILTER (WHERE state = 'active') AS n FROM kam.Cadence WHERE lead_id IN (SELECT lead_id FROM kam.Leads) GROUP BY 1) one;
SELECT count(*) AS states, bool_and(derived_alike) AS derived_alike FROM state;
SELECT recipient, topic, count(*) FROM kam.notification WHERE topic IN ('routing_error', 'data_quality') AND event_id IS NULL GROUP BY 1, 2 ORDER BY 1, 2;
ROLLBACK;

BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
INSERT INTO kam.Accounts (account_id, icp_tier) VALUES ('t1', 'T1'), ('t2', 'T2'), ('t3', 'T3'), ('none', NULL);
INSERT INTO kam.Leads (lead_id, account_id, icp_tier, owner_id) VALUES ('own1', 't3', 'T1', NULL), ('own3', 't1', 'T3', NULL), ('of_account', 't1', NULL, NULL), ('neither', 'none', NULL, 'rep'), ('alone', NULL, NULL, NULL);
-- The lead's tier goes before its account's.
SELECT lead_id, pg_temp.ask(lead_id, 'newsletter', 'activation', 'M') AS marketing, pg_temp.ask(lead_id, 'outbound', 'activation', 'S') AS sales FROM kam.Leads ORDER BY lead_id;
SELECT lead_id, sequence, state, why FROM enrolment WHERE lead_id IN (SELECT lead_id FROM kam.Leads) ORDER BY lead_id COLLATE "C", sequence COLLATE "C";
SELECT f.kind, f.lead_id, f.sequence_id, f.detail - 'event_id' AS detail, n.recipient FROM kam.CadenceFlag f JOIN kam.notification n ON n.topic = f.kind AND n.lead_id = f.lead_id ORDER BY 2, 5;
-- Asking again opens no second flag.
SELECT pg_temp.ask('own3', 'outbound', 'activation', 'S'), (SELECT count(*) FROM kam.CadenceFlag WHERE lead_id = 'own3');

-- A displaced sequence: a row and a place in the queue of its own; its touches wait with it; its lineage goes along.
INSERT INTO kam.BrainAnalysisLog (proposal_id) VALUES ('P');
INSERT INTO kam.SalesPlayLibrary (play_id, state, active_period_end, originating_proposal_id) VALUES ('play', 'active', '2026-02-05T00:00:00Z', 'P');
INSERT INTO kam.Leads (lead_id, account_id, marketing_signal_at) VALUES ('d1', 't2', '2026-02-01');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, play_id) VALUES ('d1', 'S', 'play', 'activation', 'play');
SELECT n, pg_temp.ask('d1', 'play', 'touch', 'S', n) FROM generate_series(1, 4) n ORDER BY n;
SELECT pg_temp.ask('d1', 'nurture', 'activation', 'M') AS newcomer;
SELECT pg_temp.ask('d1', 'play', 'touch', 'S', 5, '{"priority": 1}') AS touch_of_the_paused;
SELECT sequence_id, event_type, requested_event_type AS asked, coordinator_action AS action, suppressed_reason, resolution, originating_agent AS agent, release_at, play_id, originating_proposal_id AS proposal,
       (SELECT p.sequence_id FROM kam.CadenceEventLog p WHERE p.lead_id = e.lead_id AND p.event_id = e.parent_event_id) AS parent, event_at = (SELECT p.event_at FROM kam.CadenceEventLog p WHERE p.lead_id = e.lead_id AND p.event_id = e.parent_event_id) AS at_once
  FROM kam.CadenceEventLog e WHERE lead_id = 'd1' AND requested_event_type IN ('activation', 'resume') ORDER BY event_id;
SELECT * FROM queue WHERE lead_id = 'd1';
SELECT * FROM lead WHERE lead_id = 'd1';
-- Who was displaced asks again, through the matrix, with the signals of then.
SELECT pg_temp.ask('d1', 'play', 'resume', 'S') AS too_early;
UPDATE kam.Leads SET sales_signal_at = '2026-02-02T08:00:00Z' WHERE lead_id = 'd1';
SET kam.clock = '2026-02-04T09:00:01Z';
SELECT kam.kam_tick() ->> 'released' AS released;
SELECT lead_id, sequence, state, why FROM enrolment WHERE lead_id = 'd1';
SELECT * FROM queue WHERE lead_id = 'd1';
SELECT * FROM lead WHERE lead_id = 'd1';

-- One family: the newcomer waits until the incumbent has ended, then goes through the gates again.
INSERT INTO kam.Leads (lead_id) VALUES ('f1');
SELECT pg_temp.ask('f1', 'newsletter', 'activation', 'A'), pg_temp.ask('f1', 'event', 'activation', 'B'), pg_temp.ask('f1', 'nurture', 'activation', 'C'), pg_temp.ask('f1', 'event', 'activation', 'B') AS again;
SELECT pg_temp.tell('f1', 'complete', 'A');
SELECT * FROM queue WHERE lead_id = 'f1';
SET kam.clock = '2026-02-04T09:00:02Z';
SELECT kam.kam_tick() ->> 'released' AS released;
SELECT * FROM queue WHERE lead_id = 'f1';
SELECT lead_id, sequence, state, why FROM enrolment WHERE lead_id = 'f1';
SELECT * FROM lead WHERE lead_id = 'f1';
-- What is only queued can be touched by nobody.
SELECT pg_temp.ask('f1', 'nurture', 'touch', 'C');

-- Whoever waits is judged again by what holds then: tier and signals may have changed, the winner may have ended or gone on.
INSERT INTO kam.Accounts (account_id, icp_tier) VALUES ('moves', 'T2');
INSERT INTO kam.Leads (lead_id, account_id, marketing_signal_at) SELECT 'q' || n, 'moves', '2026-02-01' FROM generate_series(1, 4) n;
SELECT lead_id, pg_temp.ask(lead_id, 'nurture', 'activation', 'M') AS marketing, pg_temp.ask(lead_id, 'outbound', 'activation', 'S') AS sales FROM kam.Leads WHERE lead_id LIKE 'q_' ORDER BY 1;
UPDATE kam.Leads SET icp_tier = 'T1' WHERE lead_id = 'q1';
UPDATE kam.Leads SET icp_tier = 'T3' WHERE lead_id = 'q2';
SELECT pg_temp.tell('q3', 'complete', 'M');
SET kam.clock = '2026-02-06T09:00:01.999999Z';
SELECT kam.kam_tick() IS NOT NULL AS ticked, (SELECT count(*) FROM kam.CadenceQueue WHERE lead_id LIKE 'q_' AND state = 'waiting') AS before;
SELECT count(*) AS still_waiting FROM kam.CadenceQueue WHERE lead_id LIKE 'q_' AND state = 'waiting';
SET kam.clock = '2026-02-06T09:00:02.000001Z';
SELECT kam.kam_tick() IS NOT NULL AS ticked;
SELECT q.lead_id, q.sequence_id AS sequence, q.state, q.end_reason, q.rounds, q.reason, q.release_at FROM kam.CadenceQueue q WHERE q.lead_id LIKE 'q_' ORDER BY q.lead_id, q.event_id;
SELECT lead_id, sequence, state, why FROM enrolment WHERE lead_id LIKE 'q_' AND state IN ('active', 'paused');

-- Transactional sequences neither compete nor wait nor count, but stop where everything stops.
INSERT INTO kam.Leads (lead_id, icp_tier) VALUES ('x1', 'T3');
SELECT pg_temp.ask('x1', 'newsletter', 'activation', 'M'), pg_temp.ask('x1', 'transactional', 'activation', 'X'), pg_temp.ask('x1', 'transactional', 'activation', 'Y');
SELECT pg_temp.ask('x1', 'newsletter') FROM generate_series(1, 3);
SELECT pg_temp.ask('x1', 'newsletter') AS at_the_cap, pg_temp.ask('x1', 'transactional', 'touch', 'X', 1), pg_temp.ask('x1', 'transactional') AS without_enrolment, pg_temp.ask('x1', 'transactional', 'touch', 'X', 1) AS twice;
SELECT * FROM state WHERE lead_id = 'x1';
SELECT * FROM lead WHERE lead_id = 'x1';
UPDATE kam.Leads SET unsubscribe_flag = true WHERE lead_id = 'x1';
SELECT pg_temp.ask('x1', 'transactional') AS unsubscribed;
SELECT * FROM enrolment WHERE lead_id = 'x1';
ROLLBACK;
