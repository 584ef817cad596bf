-- Facts: recorded whatever they say, with what they end, pause, free and set.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence

BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
-- A lead with a sales sequence, a marketing one that lost to it, and a transactional one; a touch that is held.
CREATE FUNCTION pg_temp.busy(lead text, mail text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO kam.Leads (lead_id, icp_tier, email, owner_id) VALUES (lead, 'T1', mail, 'rep');
	PERFORM pg_temp.ask(lead, 'newsletter', 'activation', 'M'), pg_temp.ask(lead, 'transactional', 'activation', 'X'), pg_temp.ask(lead, 'outbound', 'activation', 'S');
	FOR i IN 1 .. 4 LOOP
		PERFORM pg_temp.ask(lead, 'outbound', 'touch', 'S', i);
	END LOOP;
END
$$;
-- What became of it, in one line.
CREATE FUNCTION pg_temp.now_is(lead text, OUT enrolments text, OUT queued text, OUT leads text, OUT agrees boolean) LANGUAGE sql AS $$
	SELECT (SELECT string_agg(concat_ws(' ', c.sequence_id, c.state, coalesce(c.paused_reason, c.end_reason)), ', ' ORDER BY c.sequence_id) FROM kam.Cadence c WHERE c.lead_id = lead),
	       (SELECT string_agg(concat_ws(' ', q.sequence_id, q.kind, q.state, q.end_reason, to_char(q.release_at, 'MM-DD HH24:MI')), ', ' ORDER BY q.event_id) FROM kam.CadenceQueue q WHERE q.lead_id = lead),
	       (SELECT concat_ws(' ', l.cadence_state, l.active_sequence_id, CASE WHEN l.unsubscribe_flag THEN 'unsubscribed' END, CASE WHEN l.opt_out_flag THEN 'opted_out' END,
	               'sales ' || to_char(l.sales_signal_at, 'MM-DD HH24:MI'), 'marketing ' || to_char(l.marketing_signal_at, 'MM-DD HH24:MI')) FROM kam.Leads l WHERE l.lead_id = lead),
	       (SELECT s.derived_alike FROM state s WHERE s.lead_id = lead)
$$;
SELECT pg_temp.busy('as it was');
SELECT * FROM pg_temp.now_is('as it was');

-- ---- resume: what was held is due at once
SELECT pg_temp.tell('as it was', 'pause', 'S');
SET kam.clock = '2026-02-03T09:00:00Z';
SELECT pg_temp.ask('as it was', 'outbound', 'resume', 'S') AS by_hand;
SELECT * FROM pg_temp.now_is('as it was');
SET kam.clock = '2026-02-02T09:00:00Z';

-- ---- what ends sequences: the one named, or all that are not transactional
CREATE FUNCTION pg_temp.after(event text, sequence text, payload jsonb DEFAULT NULL, type text DEFAULT NULL, occurred timestamptz DEFAULT NULL,
	OUT said text, OUT enrolments text, OUT queued text, OUT leads text, OUT agrees boolean) LANGUAGE plpgsql AS $$
DECLARE
	lead text := concat_ws(' ', event, sequence, payload, type, occurred);
BEGIN
	PERFORM pg_temp.busy(lead, replace(format('%s-%s@x.example', event, coalesce(sequence, 'all')), '_', '-'));
	said := pg_temp.tell(lead, event, sequence, payload, type, occurred);
	SELECT n.* INTO enrolments, queued, leads, agrees FROM pg_temp.now_is(lead) n;
END
$$;
\pset format unaligned
SELECT f.event, f.sequence, a.* FROM (VALUES
	(1, 'reply', NULL), (2, 'reply', 'S'), (3, 'reply', 'M'), (4, 'reply', 'X'), (5, 'reply', 'unknown'), (6, 'meeting_booked', NULL), (7, 'meeting_booked', 'M'),
	(8, 'bounce', NULL), (9, 'bounce', 'S'), (10, 'stop', NULL), (11, 'stop', 'S'), (12, 'stop', 'M'), (13, 'complete', NULL), (14, 'complete', 'S'),
	(15, 'pause', NULL), (16, 'pause', 'S'), (17, 'pause', 'M'), (18, 'opt_out', NULL), (19, 'opt_out', 'S'), (20, 'unsubscribe', NULL), (21, 'unsubscribe', 'M'),
	(22, 'out_of_office', NULL), (23, 'out_of_office', 'S'), (24, 'out_of_office', 'M')) f (n, event, sequence)
 CROSS JOIN LATERAL pg_temp.after(f.event, f.sequence) a ORDER BY f.n;
-- Signals at the time that is claimed; of marketing when it was a marketing sequence that ended.
SELECT f.sequence, a.leads FROM (VALUES (1, 'M'), (2, 'S'), (3, 'unknown'), (4, NULL)) f (n, sequence) CROSS JOIN LATERAL pg_temp.after('reply', f.sequence, '{}', NULL, '2026-01-15T12:00:00Z') a ORDER BY f.n;
-- A soft bounce is only recorded.
SELECT f.payload, a.enrolments, a.queued FROM (VALUES (1, '{"type": "soft"}'::jsonb), (2, '{"type": "hard"}'), (3, '"soft"'), (4, '["soft"]')) f (n, payload) CROSS JOIN LATERAL pg_temp.after('bounce', NULL, f.payload) a ORDER BY f.n;
\pset format aligned
-- Suppressed for good: e-mail, else phone, else profile; without any the log remembers.
SELECT address, kind, source, created_by = session_user AS by_us FROM kam.Suppression ORDER BY address;
INSERT INTO kam.Leads (lead_id, email, phone, linkedin_url) VALUES ('w1', 'w1@x.example', '+33611111111', NULL), ('w2', NULL, '+33 6 22 22 22 22', 'https://linkedin.com/in/w2'), ('w3', NULL, NULL, 'https://linkedin.com/in/w3'), ('w4', NULL, NULL, NULL);
SELECT lead_id, pg_temp.tell(lead_id, 'opt_out', payload => '{"reason": "said so"}') FROM kam.Leads WHERE lead_id LIKE 'w_' ORDER BY 1;
SELECT address, kind, source, reason FROM kam.Suppression WHERE reason IS NOT NULL ORDER BY address;
UPDATE kam.Leads SET opt_out_flag = false WHERE lead_id LIKE 'w_';
SELECT lead_id, pg_temp.ask(lead_id, 'transactional') AS flag_cleared_by_a_sync FROM kam.Leads WHERE lead_id LIKE 'w_' ORDER BY 1;

-- ---- an absence: paused, and resumed through the gates on the day of return, 09:00 where the lead is
CREATE FUNCTION pg_temp.back(lead text, zone text, until jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO kam.Leads (lead_id, time_zone) VALUES (lead, zone);
	PERFORM pg_temp.ask(lead, 'outbound', 'activation', 'S');
	PERFORM pg_temp.tell(lead, 'out_of_office', 'S', CASE WHEN until IS NOT NULL THEN jsonb_build_object('until', until) END);
	RETURN (SELECT q.release_at FROM kam.CadenceQueue q WHERE q.lead_id = lead);
END
$$;
SELECT b.zone, b.until, pg_temp.back('b' || b.n, b.zone, b.until) AS resumes FROM (VALUES
	(1, NULL, '"2026-02-20"'::jsonb), (2, 'America/New_York', '"2026-02-20"'), (3, 'Asia/Tokyo', '"2026-02-20"'), (4, 'Mars/Olympus', '"2026-02-20"'), (5, NULL, '"2026-02-20T14:30:00+05:00"'),
	(6, NULL, NULL), (7, NULL, 'null'), (8, 'Europe/Paris', '"2026-03-30"'), (9, NULL, '"2026-01-01"'), (10, 'Asia/Tokyo', '"2026-02-20T14:30"'), (11, NULL, '"2026-02-20 14:30:00.5Z"')) b (n, zone, until) ORDER BY b.n;
SET kam.clock = '2026-02-02T09:00:01Z';
SELECT kam.kam_tick() ->> 'released' AS back_already;
SELECT pg_temp.refused(format('SELECT pg_temp.back(%L, NULL, %L)', 'bad' || b, b)) FROM unnest(ARRAY['"soon"', '"2026-02-30"', '"20.02.2026 noon"', '""', '"infinity"', '"tomorrow"', '20260220', '["2026-02-20"]']) b;
SELECT count(*) FROM kam.Leads WHERE lead_id LIKE 'bad%';
SET kam.clock = '2026-02-20T08:00:00Z';
SELECT kam.kam_tick() ->> 'released' AS released;
SELECT lead_id, sequence, state, why FROM enrolment WHERE lead_id LIKE 'b_';
SELECT requested_event_type, coordinator_action, originating_agent, (SELECT p.event_type FROM kam.CadenceEventLog p WHERE p.lead_id = e.lead_id AND p.event_id = e.parent_event_id) AS parent
  FROM kam.CadenceEventLog e WHERE lead_id = 'b1' ORDER BY event_id;
-- A resume by hand meanwhile: the absence has nothing left to do.
SELECT pg_temp.ask('b2', 'outbound', 'resume', 'S');
SELECT * FROM queue WHERE lead_id = 'b2';

-- ---- a failed send gives its slot back, once, and makes what waits due
SET kam.clock = '2026-03-02T09:00:00Z';
SELECT pg_temp.busy('failed');
CREATE FUNCTION pg_temp.touch(lead text, n integer) RETURNS bigint LANGUAGE sql AS $$ SELECT event_id FROM kam.CadenceEventLog WHERE lead_id = lead AND step = n AND event_type = 'touch' $$;
SET kam.clock = '2026-03-02T09:00:01Z';
SELECT pg_temp.tell('failed', 'send_failed', parent_event_id => pg_temp.touch('failed', 2)), pg_temp.tell('failed', 'send_failed', parent_event_id => pg_temp.touch('failed', 2)) AS again;
SELECT step, counted, touch_no FROM kam.CadenceEventLog WHERE lead_id = 'failed' AND event_type = 'touch' ORDER BY 1;
SELECT * FROM pg_temp.now_is('failed');
SELECT kam.kam_tick(as_of => '2026-03-02T09:00:02Z') ->> 'released' AS released;
SELECT step, counted, touch_no, touch_earliest FROM kam.CadenceEventLog WHERE lead_id = 'failed' AND event_type = 'touch' ORDER BY touch_no;
SELECT pg_temp.tell('failed', 'send_failed', payload => jsonb_build_object('event_id', pg_temp.touch('failed', 4))) AS named_in_the_payload, pg_temp.ask('failed', 'outbound', 'touch', 'S', 5) AS then;
SELECT * FROM state WHERE lead_id = 'failed';
SELECT pg_temp.refused($$SELECT pg_temp.tell('failed', 'send_failed')$$);
-- What is no touch of this lead frees nothing.
SELECT pg_temp.tell('failed', 'send_failed', parent_event_id => pg_temp.touch('as it was', 1)), pg_temp.tell('failed', 'send_failed', parent_event_id => -1);
SELECT count(*) FILTER (WHERE counted) AS counted FROM kam.CadenceEventLog WHERE lead_id IN ('failed', 'as it was');

-- ---- touches observed elsewhere: counted when they happened, and never refused
INSERT INTO kam.Leads (lead_id, owner_id) VALUES ('o1', 'rep'), ('o2', NULL), ('o3', NULL);
SELECT pg_temp.ask('o1', 'outbound', 'activation', 'S'), pg_temp.ask('o1', 'outbound', 'touch', 'S', 1), pg_temp.tell('o1', 'touch_observed'), pg_temp.tell('o1', 'touch_observed', sequence_type => 'transactional') AS transactional;
SELECT pg_temp.tell('o1', 'touch_observed', occurred_at => '2026-02-23T09:00:00.500Z') AS just_before_the_window, pg_temp.ask('o1', 'outbound', 'touch', 'S', 2) AS still_one, pg_temp.ask('o1', 'outbound', 'touch', 'S', 3) AS none;
SELECT pg_temp.tell('o1', 'touch_observed', occurred_at => '2026-02-26T09:00:00Z') AS beyond_the_cap, pg_temp.ask('o1', 'outbound', 'touch', 'S', 4) AS then;
SELECT event_type, step, counted, touch_at, touch_no, touch_earliest FROM kam.CadenceEventLog WHERE lead_id = 'o1' AND (touch_no IS NOT NULL OR event_type = 'touch_observed') ORDER BY event_id;
SELECT * FROM state WHERE lead_id = 'o1';
SELECT f.kind, f.detail, n.recipient FROM kam.CadenceFlag f JOIN kam.notification n ON n.topic = f.kind AND n.lead_id = f.lead_id WHERE f.lead_id = 'o1';
-- An import of the past: counted, not judged, no flag for what no longer counts.
INSERT INTO kam.CadenceEventLog (lead_id, event_type, occurred_at) SELECT 'o2', 'touch_observed', '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 hour' FROM generate_series(1, 20) n;
SELECT pg_temp.ask('o2', 'outbound', 'activation', 'S'), pg_temp.ask('o2', 'outbound') AS nothing_counts, (SELECT count(*) FROM kam.CadenceFlag WHERE lead_id = 'o2') AS flags;
SELECT * FROM state WHERE lead_id = 'o2';
-- A reply whose time is older than the one known sets nothing back; what opted out may still be told of.
UPDATE kam.Leads SET sales_signal_at = '2026-03-01T00:00:00Z' WHERE lead_id = 'o3';
SELECT pg_temp.tell('o3', 'reply', occurred_at => '2026-02-01T00:00:00Z'), pg_temp.tell('o3', 'opt_out'), pg_temp.tell('o3', 'touch_observed') AS recorded_nevertheless;
SELECT sales_signal_at FROM kam.Leads WHERE lead_id = 'o3';
SELECT bool_and(derived_alike) AS derived_alike FROM state;
ROLLBACK;
