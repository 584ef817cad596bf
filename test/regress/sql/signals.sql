-- sales_signal_at and marketing_signal_at follow the facts that signal_rule names.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence

BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
CREATE FUNCTION pg_temp.signals(lead text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(', ', 'sales ' || to_char(sales_signal_at, 'MM-DD HH24:MI'), 'marketing ' || to_char(marketing_signal_at, 'MM-DD HH24:MI')) FROM kam.Leads WHERE lead_id = lead
$$;
-- A lead of its own, with an active sequence (or none), is told a fact.
CREATE FUNCTION pg_temp.after(event text, channel text, running text, named boolean DEFAULT false, type text DEFAULT NULL, occurred timestamptz DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	lead text := concat_ws(' ', event, channel, running, named, type, occurred);
BEGIN
	INSERT INTO kam.Leads (lead_id, icp_tier) VALUES (lead, 'T2');
	IF running IS NOT NULL THEN
		INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES (lead, 's', running, 'activation');
	END IF;
	INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, channel, occurred_at)
	VALUES (lead, CASE WHEN named THEN 's' END, type, event, channel, occurred);
	RETURN pg_temp.signals(lead);
END
$$;

-- Creating or changing a lead sets no stamp; nor does what we send, nor a fact that is no signal.
INSERT INTO kam.Leads (lead_id, icp_tier) VALUES ('l', 'T2');
UPDATE kam.Leads SET full_name = 'L', attributes = '{"seats": 3}' WHERE lead_id = 'l';
SELECT pg_temp.ask('l', 'outbound', 'activation', 'S'), pg_temp.ask('l', 'outbound', 'touch', 'S', 1), pg_temp.signals('l');
SELECT e, pg_temp.after(e, 'email', 'outbound') AS signals FROM unnest('{touch_observed,bounce,out_of_office,opt_out,unsubscribe,pause,stop,complete}'::text[]) e;

-- ---- the rules that come with it
SELECT event_type, channel, answers, family FROM kam.signal_rule WHERE builtin ORDER BY 1, 2, 3;
SELECT f.*, pg_temp.after(f.event, f.channel, f.running, f.named, f.type) AS signals FROM (VALUES
	(1, 'reply', 'email', 'outbound', false, NULL), (2, 'reply', 'email', 'newsletter', false, NULL), (3, 'reply', 'email', 'newsletter', true, NULL), (4, 'reply', NULL, NULL, false, NULL),
	(5, 'reply', 'email', NULL, false, 'newsletter'), (6, 'reply', 'email', 'outbound', false, 'newsletter'), (7, 'reply', 'form', NULL, false, NULL), (8, 'reply', 'form', 'outbound', true, NULL),
	(9, 'reply', 'newsletter', 'outbound', false, NULL), (10, 'meeting_booked', NULL, 'newsletter', false, NULL), (11, 'meeting_booked', 'form', NULL, false, NULL), (12, 'meeting_booked', NULL, 'outbound', true, NULL),
	(13, 'reply', 'email', 'transactional', true, NULL), (14, 'reply', 'email', NULL, true, NULL), (15, 'reply', 'webinar', NULL, false, NULL)) f (n, event, channel, running, named, type) ORDER BY n;

-- ---- only ever forward, at the time that is claimed, never in the future
SELECT pg_temp.tell('l', 'reply', occurred_at => '2026-02-01T10:00:00Z'), pg_temp.signals('l');
SELECT pg_temp.tell('l', 'reply', occurred_at => '2026-01-01T10:00:00Z'), pg_temp.tell('l', 'reply', occurred_at => '2026-02-01T10:00:00Z'), pg_temp.signals('l');
SELECT pg_temp.tell('l', 'reply', occurred_at => '2026-02-01T10:00:00.000001Z'), pg_temp.signals('l');
SAVEPOINT s;
SELECT pg_temp.refused($$SELECT pg_temp.tell('l', 'reply', occurred_at => '2026-02-02T09:00:00.000001Z')$$), pg_temp.signals('l');
UPDATE kam.Leads SET sales_signal_at = '2026-01-15' WHERE lead_id = 'l';
SELECT pg_temp.tell('l', 'reply', occurred_at => '2026-01-14T10:00:00Z'), pg_temp.signals('l') AS a_sync_set_it_back;

-- ---- T2 goes by it, in the same statement too
INSERT INTO kam.Leads (lead_id, icp_tier, marketing_signal_at) VALUES ('t1', 'T2', '2026-02-01'), ('t2', 'T2', '2026-02-01'), ('t3', 'T2', '2026-02-01');
SELECT pg_temp.ask('t1', 'newsletter', 'activation', 'M'), pg_temp.ask('t1', 'outbound', 'activation', 'S') AS marketing_is_fresher;
SELECT pg_temp.ask('t2', 'transactional', 'activation', 'X'), pg_temp.tell('t2', 'reply', 'X'), pg_temp.ask('t2', 'newsletter', 'activation', 'M'), pg_temp.ask('t2', 'outbound', 'activation', 'S') AS sales_is_fresher;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, channel)
VALUES ('t3', 'S', 'outbound', 'activation', NULL), ('t3', NULL, NULL, 'reply', 'email'), ('t3', 'S2', 'outbound', 'activation', NULL), ('t3', 'M', 'newsletter', 'activation', NULL);
SELECT e.sequence_id, e.event_type, e.coordinator_action, e.resolution FROM kam.CadenceEventLog e WHERE lead_id = 't3' ORDER BY event_id;

-- ---- rules are the user's
UPDATE kam.signal_rule SET family = 'none' WHERE event_type = 'reply' AND channel = 'newsletter';
INSERT INTO kam.signal_rule VALUES ('touch_observed', 'phone', '*', 'sales'), ('out_of_office', '*', 'none', 'marketing'), ('reply', 'chat', 'sales', 'marketing');
SELECT pg_temp.after('reply', 'newsletter', NULL, type => 'event') AS none, pg_temp.after('touch_observed', 'phone', NULL) AS a_call, pg_temp.after('touch_observed', 'sms', NULL) AS not_this,
       pg_temp.after('out_of_office', NULL, NULL) AS away, pg_temp.after('reply', 'chat', 'renewal') AS chat, pg_temp.after('reply', 'chat', NULL) AS chat_of_nobody;
DELETE FROM kam.signal_rule;
SELECT pg_temp.after('reply', NULL, NULL, occurred => '2026-01-01') AS without_rules;
-- A changed seed row is dumped; one of the user's takes its place.
ROLLBACK;
BEGIN;
UPDATE kam.signal_rule SET family = 'none' WHERE event_type = 'reply' AND channel = 'form';
INSERT INTO kam.signal_rule (event_type, channel, answers, family) VALUES ('reply', 'webinar', '*', 'sales');
SELECT * FROM kam.signal_rule WHERE NOT builtin ORDER BY channel;
ROLLBACK;
SELECT pg_temp.refused($$INSERT INTO kam.signal_rule (event_type, family) VALUES ('touch', 'sales')$$);
SELECT pg_temp.refused($$INSERT INTO kam.signal_rule (event_type, family) VALUES ('bounce', 'transactional')$$);
