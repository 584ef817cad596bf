-- Gate 5: what the state of an enrolment, its type and its steps allow; enrolments are counted, a step goes out once.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence

BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
-- ---- every request in every state
CREATE FUNCTION pg_temp.in_state(state text, request text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	lead text := state || ' ' || request;
	said text;
BEGIN
	INSERT INTO kam.Leads (lead_id, icp_tier) VALUES (lead, 'T1');
	-- Queued: behind another, which then pauses.
	IF state = 'queued' THEN
		PERFORM pg_temp.ask(lead, 'follow_up', 'activation', 'F');
	END IF;
	IF state <> 'none' THEN
		PERFORM pg_temp.ask(lead, 'outbound', 'activation', 'S');
	END IF;
	PERFORM CASE state WHEN 'queued' THEN pg_temp.tell(lead, 'pause', 'F') WHEN 'paused' THEN pg_temp.tell(lead, 'pause', 'S') WHEN 'finished' THEN pg_temp.tell(lead, 'stop', 'S') END;
	said := pg_temp.ask(lead, 'outbound', request, 'S');
	RETURN said || ' -> '
		|| coalesce((SELECT c.state || ' ' || c.enrolment_no FROM kam.Cadence c WHERE c.lead_id = lead AND c.sequence_id = 'S' ORDER BY c.enrolment_no DESC LIMIT 1), 'none');
END
$$;
SELECT s.state, pg_temp.in_state(s.state, 'activation') AS activation, pg_temp.in_state(s.state, 'touch') AS touch, pg_temp.in_state(s.state, 'resume') AS resume
  FROM (VALUES (1, 'none'), (2, 'queued'), (3, 'active'), (4, 'paused'), (5, 'finished')) s (n, state) ORDER BY s.n;
SELECT bool_and(derived_alike) AS derived_alike FROM state;

-- ---- which sequence is meant
INSERT INTO kam.Leads (lead_id) VALUES ('n1'), ('n2');
SELECT pg_temp.ask('n1', 'outbound') AS nothing_runs, pg_temp.ask('n1', 'outbound', 'resume') AS nothing_paused;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type) VALUES ('n1', 'outbound', 'activation') RETURNING coordinator_action, sequence_id = 'sequence-' || event_id AS a_new_one, enrolment_no;
SELECT pg_temp.ask('n1', 'outbound') AS the_active_one, pg_temp.ask('n1', 'follow_up') AS of_another_type, pg_temp.ask('n1', 'outbound', 'touch', 'T') AS another_sequence;
SELECT pg_temp.tell('n1', 'pause'), pg_temp.ask('n1', 'outbound', 'resume') AS the_paused_one;
SELECT count(DISTINCT sequence_id) AS sequences FROM kam.CadenceEventLog WHERE lead_id = 'n1' AND coordinator_action = 'executed';
-- As another type than it has: a nurture sequence could go past gate 2.
SELECT pg_temp.ask('n2', 'nurture', 'activation', 'N'), pg_temp.ask('n2', 'newsletter', 'touch', 'N') AS touch, pg_temp.tell('n2', 'pause', 'N'), pg_temp.ask('n2', 'newsletter', 'resume', 'N') AS resume;
SELECT pg_temp.ask('n2', 'transactional', 'touch', 'N') AS transactional_touch;
SELECT pg_temp.tell('n2', 'stop', 'N'), pg_temp.ask('n2', 'newsletter', 'activation', 'N') AS a_new_enrolment;
SELECT * FROM enrolment WHERE lead_id = 'n2';

-- ---- steps: once per enrolment, in whatever order; a step of none as often as one likes
INSERT INTO kam.Leads (lead_id) VALUES ('s1'), ('s2'), ('s3'), ('s4');
SELECT pg_temp.ask('s1', 'outbound', 'activation', 'S'), pg_temp.ask('s1', 'outbound', 'touch', 'S', 2), pg_temp.ask('s1', 'outbound', 'touch', 'S', 2) AS twice, pg_temp.ask('s1', 'outbound', 'touch', 'S', 0) AS an_earlier_one, pg_temp.ask('s1', 'outbound', 'touch', 'S', 0) AS twice;
SELECT * FROM lead WHERE lead_id = 's1';
-- At the cap a repetition is held, and refused when its turn comes.
SELECT pg_temp.ask('s1', 'outbound', 'touch', 'S', 3), pg_temp.ask('s1', 'outbound', 'touch', 'S', 3) AS twice;
SET kam.clock = '2026-02-10T09:00:00Z';
SELECT kam.kam_tick() ->> 'blocked' AS blocked;
SELECT * FROM queue WHERE lead_id = 's1';
SELECT event_type, step, coordinator_action, suppressed_reason, resolution, parent_event_id IS NOT NULL AS of_a_hold FROM kam.CadenceEventLog WHERE lead_id = 's1' AND step = 3 ORDER BY event_id;
-- A new enrolment begins with its steps afresh.
SELECT pg_temp.tell('s1', 'complete', 'S'), pg_temp.ask('s1', 'outbound', 'activation', 'S'), pg_temp.ask('s1', 'outbound', 'touch', 'S', 2) AS second_enrolment, pg_temp.ask('s1', 'outbound', 'touch', 'S', 2) AS twice;
SELECT * FROM enrolment WHERE lead_id = 's1';
SELECT enrolment_no, step, count(*) FROM kam.CadenceEventLog WHERE lead_id = 's1' AND event_type = 'touch' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT pg_temp.ask('s2', 'outbound', 'activation', 'S'), pg_temp.ask('s2', 'outbound', 'touch', 'S') AS no_step, pg_temp.ask('s2', 'outbound', 'touch', 'S') AS no_step;
-- Twice in one statement; and a step of the same number elsewhere.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step) VALUES ('s2', 'S', 'outbound', 'touch', 1), ('s2', 'S', 'outbound', 'touch', 1) RETURNING coordinator_action, resolution;
SELECT pg_temp.ask('s3', 'outbound', 'activation', 'S'), pg_temp.ask('s3', 'outbound', 'touch', 'S', 1), pg_temp.tell('s3', 'stop', 'S'), pg_temp.ask('s3', 'outbound', 'activation', 'S2'), pg_temp.ask('s3', 'outbound', 'touch', 'S2', 1);
-- A failed send leaves the step done: sending again is another step.
SELECT pg_temp.ask('s4', 'outbound', 'activation', 'S'), pg_temp.ask('s4', 'outbound', 'touch', 'S', 1);
SELECT pg_temp.tell('s4', 'send_failed', parent_event_id => (SELECT max(event_id) FROM kam.CadenceEventLog WHERE lead_id = 's4')), pg_temp.ask('s4', 'outbound', 'touch', 'S', 1) AS again, pg_temp.ask('s4', 'outbound', 'touch', 'S') AS without_number;

-- ---- what type may follow what: a table of one's own
INSERT INTO kam.type_transition (from_type, to_type, reason) VALUES ('renewal', 'outbound', 'is_a_customer'), ('newsletter', 'renewal', 'x');
INSERT INTO kam.Leads (lead_id, icp_tier) VALUES ('y1', 'T1'), ('y2', 'T1');
SELECT pg_temp.ask('y1', 'renewal', 'activation', 'R'), pg_temp.tell('y1', 'pause', 'R'), pg_temp.ask('y1', 'outbound', 'activation', 'S') AS while_paused, pg_temp.ask('y1', 'follow_up', 'activation', 'F') AS another, pg_temp.tell('y1', 'stop'), pg_temp.ask('y1', 'outbound', 'activation', 'S') AS after;
-- Who would be refused by gate 5 displaces nobody.
SELECT pg_temp.ask('y2', 'newsletter', 'activation', 'L'), pg_temp.ask('y2', 'renewal', 'activation', 'R') AS illegal;
SELECT * FROM enrolment WHERE lead_id = 'y2';

-- ---- nothing is executed from active_until on
INSERT INTO kam.SalesPlayLibrary (play_id, state, active_period_end) VALUES ('short', 'active', '2026-02-12T00:00:00Z');
INSERT INTO kam.Leads (lead_id) VALUES ('u1');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, play_id) VALUES ('u1', 'S', 'play', 'activation', 'short');
SET kam.clock = '2026-02-11T23:59:59.999999Z';
SELECT pg_temp.ask('u1', 'play') AS before;
SET kam.clock = '2026-02-12T00:00:00Z';
SELECT pg_temp.ask('u1', 'play') AS at, pg_temp.tell('u1', 'pause', 'S'), pg_temp.ask('u1', 'play', 'resume', 'S') AS resumed;
SELECT kam.kam_tick() ->> 'ended' AS ended;
SELECT lead_id, sequence, state, why FROM enrolment WHERE lead_id = 'u1';
-- Nobody is enrolled in a play that does not run: not promoted yet, not begun, ended by hand, over.
INSERT INTO kam.SalesPlayLibrary (play_id, state, active_period_start, active_period_end) VALUES ('drafted', 'draft', NULL, NULL), ('early', 'active', '2026-02-12T00:00:00.000001Z', NULL),
	('just begun', 'active', '2026-02-12T00:00:00Z', NULL), ('stopped', 'ended', NULL, NULL), ('over', 'active', NULL, '2026-02-12T00:00:00Z');
INSERT INTO kam.Leads (lead_id, icp_tier) SELECT 'v' || n, 'T1' FROM generate_series(1, 6) n;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, play_id)
SELECT 'v' || n, 'S', 'play', 'activation', play FROM unnest('{drafted,early,just begun,stopped,over}'::text[]) WITH ORDINALITY p (play, n)
RETURNING lead_id, play_id, event_type, coordinator_action, suppressed_reason, resolution;
SELECT pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, play_id) VALUES ('v1', 'S', 'play', 'activation', 'none')$$);
-- Nor does one begin that has waited while its play was ended.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, play_id) VALUES ('v6', 'A', 'outbound', 'activation', NULL), ('v6', 'B', 'play', 'activation', 'just begun')
RETURNING sequence_id, coordinator_action, resolution;
UPDATE kam.SalesPlayLibrary SET state = 'ended' WHERE play_id = 'just begun';
SELECT pg_temp.tell('v6', 'complete', 'A');
SELECT kam.kam_tick('2026-02-12T00:00:01Z') ->> 'blocked' AS blocked;
SELECT * FROM enrolment WHERE lead_id = 'v6';
SELECT event_type, sequence_id, resolution, play_id FROM kam.CadenceEventLog WHERE lead_id = 'v6' ORDER BY event_id;

-- ---- types are known by their whole names
INSERT INTO kam.sequence_type (sequence_type, family) VALUES (repeat('é', 40) || 'a', 'sales'), (repeat('é', 40) || 'b', 'marketing');
INSERT INTO kam.SendRule (sequence_type, channel, mode) VALUES (repeat('é', 40) || 'a', repeat('c', 70) || '1', 'auto_send');
INSERT INTO kam.Leads (lead_id) VALUES ('w1');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('w1', 'S', repeat('é', 40) || 'a', 'activation') RETURNING family, coordinator_action;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('w1', 'M', repeat('é', 40) || 'b', 'activation') RETURNING family, coordinator_action;
SELECT pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type) VALUES ('w1', repeat('é', 40) || 'c', 'activation')$$);
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, channel) SELECT 'w1', repeat('é', 40) || 'a', 'touch', repeat('c', 70) || n FROM generate_series(1, 2) n RETURNING coordinator_action;
SELECT right(recipient, 3) AS recipient FROM kam.notification WHERE lead_id = 'w1' AND topic = 'touch' ORDER BY notification_id;
-- Steps come with the activation.
INSERT INTO kam.Leads (lead_id) VALUES ('p1');
SELECT pg_temp.ask('p1', 'outbound', 'activation', 'S', payload => '{"steps": [{"day": 0, "channel": "email", "content": "Hello"}, {"day": 3, "channel": "phone"}]}');
SELECT steps FROM kam.Cadence WHERE lead_id = 'p1';
ROLLBACK;
