-- What cannot be asked or told raises, with the value, and leaves nothing behind; business refusals never raise.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence

BEGIN;
SET kam.clock = '2026-02-02T09:00:00Z';
INSERT INTO kam.Leads (lead_id) VALUES ('a');
SELECT pg_temp.ask('a', 'outbound', 'activation', 'S');
CREATE TEMP TABLE before AS SELECT (SELECT count(*) FROM kam.CadenceEventLog) AS events, (SELECT to_jsonb(s) FROM kam.prospect_state s) AS state, (SELECT jsonb_agg(c) FROM kam.Cadence c) AS cadence, (SELECT count(*) FROM kam.notification) AS told;

-- A row, its columns given as an object.
CREATE FUNCTION pg_temp.row(columns jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO kam.CadenceEventLog (%1$s) SELECT %1$s FROM jsonb_populate_record(NULL::kam.CadenceEventLog, %2$L)',
		(SELECT string_agg(quote_ident(k), ', ' ORDER BY k) FROM jsonb_object_keys(columns) k), columns);
	RETURN NULL;
END
$$;
\pset format unaligned
SELECT t.c, pg_temp.refused(format('SELECT pg_temp.row(%L)', t.c)) FROM (VALUES
	(1, '{"sequence_type": "outbound", "event_type": "touch"}'::jsonb),
	(2, '{"lead_id": null, "sequence_type": "outbound", "event_type": "touch"}'),
	(3, '{"lead_id": "", "sequence_type": "outbound", "event_type": "touch"}'),
	(4, '{"lead_id": "nobody", "sequence_type": "outbound", "event_type": "touch"}'),
	(5, '{"lead_id": "nobody", "event_type": "opt_out"}'),
	(6, '{"lead_id": "A", "sequence_type": "outbound", "event_type": "touch"}'),
	(7, '{"lead_id": "a", "sequence_type": "outbound"}'),
	(8, '{"lead_id": "a", "sequence_type": "outbound", "event_type": ""}'),
	(9, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "Touch"}'),
	(10, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "call"}'),
	(11, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "suppressed"}'),
	(12, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "cancelled"}'),
	(13, '{"lead_id": "a", "event_type": "activation"}'),
	(14, '{"lead_id": "a", "event_type": "touch"}'),
	(15, '{"lead_id": "a", "event_type": "resume"}'),
	(16, '{"lead_id": "a", "sequence_type": "", "event_type": "touch"}'),
	(17, '{"lead_id": "a", "sequence_type": "spam", "event_type": "touch"}'),
	(18, '{"lead_id": "a", "sequence_type": "Outbound", "event_type": "touch"}'),
	(19, '{"lead_id": "a", "sequence_type": "spam", "event_type": "reply"}'),
	(20, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "step": -1}'),
	(21, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "sequence_id": ""}'),
	(22, '{"lead_id": "a", "event_type": "touch_observed", "occurred_at": "2026-02-02T09:00:00.000001Z"}'),
	(23, '{"lead_id": "a", "event_type": "reply", "occurred_at": "infinity"}'),
	(24, '{"lead_id": "a", "event_type": "reply", "occurred_at": "-infinity"}'),
	(25, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "occurred_at": "2027-01-01"}'),
	(26, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "payload": {"priority": "high"}}'),
	(27, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "payload": {"priority": 99999999999}}'),
	(280, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "payload": {"priority": 1.4}}'),
	(281, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "payload": {"priority": [1]}}'),
	(290, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "activation", "sequence_id": "T", "payload": {"steps": {"day": 0}}}'),
	(300, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "activation", "sequence_id": "T", "payload": {"steps": "none"}}'),
	(310, '{"lead_id": "a", "sequence_type": "play", "event_type": "activation", "sequence_id": "T", "play_id": "none"}'),
	(320, '{"lead_id": "a", "event_type": "send_failed"}'),
	(330, '{"lead_id": "a", "event_type": "send_failed", "payload": {"event_id": "1"}}'),
	(340, '{"lead_id": "a", "event_type": "out_of_office", "payload": {"until": "some day"}}')) t (n, c) ORDER BY t.n;
-- kam_gate refuses what the gate refuses.
SELECT a, pg_temp.refused(format('SELECT kam.kam_gate(%s)', a)) FROM unnest(ARRAY['NULL, ''outbound''', '''nobody'', ''outbound''', '''a'', NULL', '''a'', ''spam''', '''a'', ''outbound'', ''call''', '''a'', ''outbound'', ''reply''', '''a'', ''outbound'', ''held''']) a;
\pset format aligned
-- Nothing of all this left a trace, and one bad row takes its whole statement along.
SELECT pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('a', 'S', 'outbound', 'touch'), ('a', 'S', 'outbound', 'touch'), ('nobody', 'S', 'outbound', 'touch')$$);
SELECT (SELECT count(*) FROM kam.CadenceEventLog) = events AS no_event, (SELECT to_jsonb(s) FROM kam.prospect_state s WHERE lead_id = 'a') = state AS same_state, (SELECT jsonb_agg(c) FROM kam.Cadence c) = cadence AS same_cadence,
       (SELECT count(*) FROM kam.notification) = told AS nobody_told FROM before;

-- Fine, though odd.
SELECT t.c, pg_temp.refused(format('SELECT pg_temp.row(%L)', t.c)) FROM (VALUES
	(1, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "step": 0, "payload": null}'::jsonb),
	(2, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "payload": [1, 2]}'),
	(3, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "payload": "text", "channel": ""}'),
	(4, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "payload": {"priority": null, "steps": 5}}'),
	(5, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "payload": {"priority": 1.0}, "step": 2147483647}'),
	(6, '{"lead_id": "a", "event_type": "reply", "occurred_at": "2026-02-02T09:00:00Z"}'),
	(7, '{"lead_id": "a", "event_type": "reply", "occurred_at": "0044-03-15 BC"}'),
	(8, '{"lead_id": "a", "event_type": "complete", "sequence_id": "never heard of"}'),
	(9, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "activation", "sequence_id": "T", "payload": {"steps": null}}'),
	(10, '{"lead_id": "a", "sequence_type": "outbound", "event_type": "touch", "idempotency_key": ""}'),
	(11, '{"lead_id": "a", "event_type": "stop", "parent_event_id": 12345}')) t (n, c) ORDER BY t.n;
-- Names longer than any identifier, text that is no ASCII, quotes.
INSERT INTO kam.Leads (lead_id) VALUES (repeat('x', 5000)), ($$O'Brien "élan" \ 你好$$);
SELECT left(lead_id, 12) AS lead, pg_temp.ask(lead_id, 'outbound', 'activation', repeat('s', 5000)), pg_temp.ask(lead_id, 'outbound', 'touch', repeat('s', 5000)) FROM kam.Leads WHERE lead_id <> 'a' ORDER BY 1;
-- A key that was used: 23505 before anything is done, ON CONFLICT DO NOTHING skips it; another lead may use it.
INSERT INTO kam.Leads (lead_id) VALUES ('k1'), ('k2');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, idempotency_key) VALUES ('k1', 'S', 'outbound', 'activation', 'one'), ('k2', 'S', 'outbound', 'activation', 'one') RETURNING lead_id, coordinator_action;
SELECT pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, idempotency_key) VALUES ('k1', 'S', 'outbound', 'touch', 'one')$$);
SELECT pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, event_type, idempotency_key) VALUES ('k1', 'opt_out', 'one')$$);
INSERT INTO kam.CadenceEventLog (lead_id, event_type, idempotency_key) VALUES ('k1', 'opt_out', 'one') ON CONFLICT DO NOTHING RETURNING event_type;
-- The same key twice in one statement; the rows between are asked as ever.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step, idempotency_key) VALUES ('k1', 'S', 'outbound', 'touch', 1, 'two'), ('k1', 'S', 'outbound', 'touch', 2, 'two'), ('k1', 'S', 'outbound', 'touch', 3, 'three')
ON CONFLICT DO NOTHING RETURNING step, coordinator_action, touch_cap_at_event;
SELECT * FROM state WHERE lead_id = 'k1';
SELECT lead_id, sequence, state FROM enrolment WHERE lead_id = 'k1';
SELECT (kam.kam_request('k1', 'outbound', 'touch', 'S', step => 99, idempotency_key => 'two')).step AS first_one;
ROLLBACK;
