-- kam_request and kam_request_batch: what comes back, the same key, and what cannot be asked.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
SET timezone = 'Europe/Paris';
SET kam.clock = '2026-03-02 09:00+01';
\pset null '-'
INSERT INTO kam.Accounts (account_id, icp_tier) VALUES ('req-a', 'T2');
INSERT INTO kam.Leads (lead_id, account_id, email) SELECT 'req-' || i, 'req-a', 'req' || i || '@x.example' FROM generate_series(1, 9) i;
CREATE FUNCTION pg_temp.events(lead text) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM kam.CadenceEventLog WHERE lead_id = lead $$;

-- The row with the verdict.
SELECT lead_id, sequence_id, sequence_type, event_type, coordinator_action, originating_agent, enrolment_no, compliance_status, event_at
  FROM kam.kam_request('req-1', 'outbound', 'activation', 'S', originating_agent => 'AGT-301', payload => '{"steps": [{"day": 0}]}');
SELECT event_type, coordinator_action, channel, step, touch_cap_at_event, counted, payload
  FROM kam.kam_request('req-1', 'outbound', 'touch', 'S', 'email', 'AGT-301', 1, '{"content": "Hello"}');
SELECT event_type, requested_event_type, coordinator_action, suppressed_reason, resolution
  FROM kam.kam_request('req-1', 'outbound', 'touch', 'S', 'email', 'AGT-301', 1);
-- An activation without a sequence gets one.
SELECT event_type, coordinator_action, sequence_id ~ '^sequence-\d+$' AS named FROM kam.kam_request('req-2', 'outbound', 'activation');
-- Facts may be told this way as well.
SELECT event_type, coordinator_action, suppressed_reason FROM kam.kam_request('req-1', NULL, 'reply', 'S', 'email');
SELECT state, end_reason FROM kam.Cadence WHERE lead_id = 'req-1';
SELECT event_type, coordinator_action FROM kam.kam_request('req-1', NULL, 'send_failed',
	payload => jsonb_build_object('event_id', (SELECT event_id FROM kam.CadenceEventLog WHERE lead_id = 'req-1' AND event_type = 'touch')));
SELECT counted FROM kam.CadenceEventLog WHERE lead_id = 'req-1' AND event_type = 'touch';

-- The same key: the first row again, whatever is asked with it, and nothing is done.
SELECT event_id AS first FROM kam.kam_request('req-3', 'transactional', 'touch', channel => 'email', payload => '{"n": 1}', idempotency_key => 'k') \gset
SELECT event_id = :first AS same, event_type, payload FROM kam.kam_request('req-3', 'transactional', 'touch', channel => 'email', payload => '{"n": 2}', idempotency_key => 'k');
SELECT event_id = :first AS same, event_type FROM kam.kam_request('req-3', 'nonsense', 'nonsense', idempotency_key => 'k');
SELECT pg_temp.events('req-3');
-- It is the lead's own.
SELECT event_id <> :first AS another FROM kam.kam_request('req-4', 'transactional', 'touch', idempotency_key => 'k');
-- A refusal is an answer too, and stays it when the circumstances have changed.
SELECT event_id AS first FROM kam.kam_request('req-3', 'outbound', 'touch', idempotency_key => 'refused') \gset
SELECT coordinator_action FROM kam.kam_request('req-3', 'outbound', 'activation', 'S');
SELECT event_id = :first AS same, coordinator_action, suppressed_reason FROM kam.kam_request('req-3', 'outbound', 'touch', idempotency_key => 'refused');
-- At the other isolation levels too.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT event_id = :first AS same FROM kam.kam_request('req-3', 'outbound', 'touch', idempotency_key => 'refused');
SELECT event_type FROM kam.kam_request('req-3', 'outbound', 'touch', idempotency_key => 'new');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT event_type FROM kam.kam_request('req-3', 'outbound', 'touch', idempotency_key => 'newer');
SELECT event_type FROM kam.kam_request('req-3', 'outbound', 'touch', idempotency_key => 'newer');
COMMIT;
SELECT pg_temp.events('req-3');
-- A row inserted with a key answers as well.
INSERT INTO kam.CadenceEventLog (lead_id, event_type, channel, idempotency_key) VALUES ('req-4', 'touch_observed', 'phone', 'crm-1');
SELECT event_type, channel FROM kam.kam_request('req-4', 'outbound', 'touch', idempotency_key => 'crm-1');

-- What cannot be asked.
SELECT pg_temp.refused('SELECT kam.kam_request(''req-none'', ''outbound'', ''touch'')');
SELECT pg_temp.refused('SELECT kam.kam_request(''req-none'', ''outbound'', ''touch'', idempotency_key => ''k'')');
SELECT pg_temp.refused('SELECT kam.kam_request(NULL, ''outbound'', ''touch'')');
SELECT pg_temp.refused('SELECT kam.kam_request(''req-1'', NULL, ''touch'')');
SELECT pg_temp.refused('SELECT kam.kam_request(''req-1'', ''cold_calls'', ''touch'')');
SELECT pg_temp.refused('SELECT kam.kam_request(''req-1'', ''outbound'', ''shout'')');
SELECT pg_temp.refused('SELECT kam.kam_request(''req-1'', ''outbound'', ''held'')');
SELECT pg_temp.refused('SELECT kam.kam_request(''req-1'', ''outbound'', NULL)');
SELECT pg_temp.events('req-none') AS left_nothing;

-- Many at once: answered in the order of the requests, a lead's own in that order too.
SELECT r.lead_id, r.event_type, r.coordinator_action, r.sequence_id, r.step, r.channel, r.payload
  FROM kam.kam_request_batch('[
	{"lead_id": "req-7", "sequence_type": "outbound", "event_type": "activation", "sequence_id": "B", "originating_agent": "AGT-301", "payload": {"steps": []}},
	{"lead_id": "req-5", "sequence_type": "nurture", "event_type": "activation", "sequence_id": "N", "payload": null},
	{"lead_id": "req-7", "sequence_type": "outbound", "event_type": "touch", "sequence_id": "B", "step": 1, "channel": "email"},
	{"lead_id": "req-6", "event_type": "reply", "sequence_type": null},
	{"lead_id": "req-7", "sequence_type": "outbound", "event_type": "touch", "sequence_id": "B", "step": 1, "channel": "email"}]') WITH ORDINALITY r
 ORDER BY r.ordinality;
-- With keys: those used already answer with their rows.
SELECT r.ordinality AS n, r.lead_id, r.event_type, r.step, r.idempotency_key
  FROM kam.kam_request_batch('[
	{"lead_id": "req-7", "sequence_type": "outbound", "event_type": "touch", "sequence_id": "B", "step": 2, "idempotency_key": "b2"},
	{"lead_id": "req-4", "sequence_type": "outbound", "event_type": "touch", "idempotency_key": "crm-1"},
	{"lead_id": "req-7", "sequence_type": "outbound", "event_type": "touch", "sequence_id": "B", "step": 9, "idempotency_key": "b2"}]') WITH ORDINALITY r;
SELECT count(*) FROM kam.kam_request_batch('[]');

-- All or nothing; an error says where.
CREATE FUNCTION pg_temp.batch(bad text) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.refused(format('SELECT * FROM kam.kam_request_batch(%L)',
		'[{"lead_id": "req-8", "sequence_type": "transactional", "event_type": "touch"}, ' || bad || ']'))
$$;
SELECT pg_temp.batch('3');
SELECT pg_temp.batch('{"sequence_type": "outbound", "event_type": "touch"}');
SELECT pg_temp.batch('{"lead_id": 3, "sequence_type": "outbound", "event_type": "touch"}');
SELECT pg_temp.batch('{"lead_id": "req-8", "sequence_type": "outbound"}');
SELECT pg_temp.batch('{"lead_id": "req-8", "sequence_type": "outbound", "event_type": "shout"}');
SELECT pg_temp.batch('{"lead_id": "req-8", "sequence_type": "outbound", "event_type": "suppressed"}');
SELECT pg_temp.batch('{"lead_id": "req-8", "event_type": "touch"}');
SELECT pg_temp.batch('{"lead_id": "req-8", "sequence_type": "cold_calls", "event_type": "touch"}');
SELECT pg_temp.batch('{"lead_id": "req-8", "sequence_type": "outbound", "event_type": "touch", "step": 1.5}');
SELECT pg_temp.batch('{"lead_id": "req-8", "sequence_type": "outbound", "event_type": "touch", "step": "1"}');
SELECT pg_temp.batch('{"lead_id": "req-8", "sequence_type": "outbound", "event_type": "touch", "step": -1}');
SELECT pg_temp.batch('{"lead_id": "req-8", "sequence_type": "outbound", "event_type": "touch", "step": 1e30}');
SELECT pg_temp.batch('{"lead_id": "req-8", "sequence_type": "outbound", "event_type": "touch", "chanel": "email"}');
SELECT pg_temp.batch('{"lead_id": "req-none", "sequence_type": "outbound", "event_type": "touch"}');
-- What only the gate can see, with and without keys.
SELECT pg_temp.batch('{"lead_id": "req-8", "sequence_type": "outbound", "event_type": "touch", "payload": {"priority": "high"}}');
SELECT pg_temp.batch('{"lead_id": "req-8", "sequence_type": "outbound", "event_type": "touch", "payload": {"priority": "high"}, "idempotency_key": "x"}');
SELECT pg_temp.refused('SELECT kam.kam_request_batch(NULL)');
SELECT pg_temp.refused('SELECT kam.kam_request_batch(''{}'')');
SELECT pg_temp.events('req-8') AS left_nothing;

-- Gone again: nothing of this is in another test's way.
DELETE FROM kam.Leads WHERE lead_id LIKE 'req-%';
DELETE FROM kam.Accounts WHERE account_id LIKE 'req-%';
