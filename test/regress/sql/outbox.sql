-- What leaves the database: what answers mean, endpoints, how notifications look, taking and settling, and what people and programs do with them.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET client_min_messages = warning;
\pset null '-'

-- What a delivery that ended means, per kind.
SELECT s.loss, s.status, kam._delivery_verdict('webhook', s.loss, s.status, false, 'retry') AS webhook, kam._delivery_verdict('zapier', s.loss, s.status, false, 'retry') AS zapier,
       kam._delivery_verdict('slack', s.loss, s.status, false, 'retry') AS slack
  FROM (SELECT 'none' AS loss, unnest('{200,202,204,299,300,301,302,304,307,400,401,402,403,404,405,408,409,410,413,418,422,425,429,451,500,501,502,503,504,505,520,529,599}'::integer[]) AS status
        UNION ALL SELECT unnest('{address,resolve,connect,tls,login,timeout,cut,too_large,internal,key}'::text[]), 0) s;
SELECT s.loss, s.status, kam._delivery_verdict('smtp', s.loss, s.status, false, 'hold') AS smtp
  FROM (SELECT 'none' AS loss, unnest('{250,354,399,421,422,450,452,500,521,529,530,534,535,538,539,550,554}'::integer[]) AS status
        UNION ALL SELECT unnest('{address,resolve,connect,tls,login,timeout,cut,internal,key}'::text[]), 0) s;
-- What may have arrived: held where the endpoint says so.
SELECT s.loss, s.status, kam._delivery_verdict('webhook', s.loss, s.status, true, 'retry') AS retried, kam._delivery_verdict('webhook', s.loss, s.status, true, 'hold') AS held
  FROM (VALUES ('timeout', 0), ('cut', 0), ('none', 500), ('none', 200), ('none', 400), ('connect', 0), ('address', 0)) s (loss, status);

-- Nothing below is committed: the worker sees none of it.
BEGIN;
SET LOCAL kam.clock = '2026-03-11T10:00:00+01:00';
SET LOCAL timezone = 'UTC';

-- ---- endpoints -------------------------------------------------------------------------

INSERT INTO kam.endpoint (endpoint, kind, url) VALUES ('o-slack', 'slack', 'https://hooks.slack.example/services/{key}'), ('o-zap', 'zapier', 'https://hooks.zapier.example/x'), ('o-hook', 'webhook', 'https://hook.example/in'),
	('o-fetched', 'webhook', NULL);
INSERT INTO kam.endpoint (endpoint, kind, url, sender) VALUES ('o-email', 'smtp', 'smtps://mail.example:465', 'Jane <jane@acme.example>');
SELECT endpoint, kind, topics, concurrency, per_minute, ordered, timeout, max_age, in_doubt FROM kam.endpoint WHERE endpoint LIKE 'o-%' ORDER BY endpoint;
SELECT DISTINCT schedule FROM kam.endpoint WHERE endpoint LIKE 'o-%';
-- What is said goes before what depends on the kind; who wants order gets it.
INSERT INTO kam.endpoint (endpoint, kind, url, concurrency, per_minute, ordered, timeout, in_doubt, topics) VALUES ('o-own', 'slack', NULL, 8, 5, true, '5 s', 'hold', '{failure,budget}')
	RETURNING topics, concurrency, per_minute, ordered, timeout, in_doubt;
UPDATE kam.endpoint SET per_minute = NULL WHERE endpoint = 'o-slack' RETURNING per_minute;

CREATE FUNCTION pg_temp.endpoint(columns text, vals text) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.refused(format('INSERT INTO kam.endpoint (endpoint, %s) VALUES (''e'', %s)', columns, vals))
$$;
SELECT v AS url, pg_temp.endpoint('kind, url', v) FROM unnest(ARRAY[$$'webhook', 'http://hook.example/'$$, $$'slack', 'hook.example'$$, $$'webhook', 'https:///path'$$, $$'webhook', 'https://u:p@hook.example/'$$,
	$$'webhook', 'https://hook.example/#a'$$, $$'webhook', 'https://hook.example/a b'$$, $$'webhook', 'smtp://hook.example'$$, $$'zapier', 'file:///etc/passwd'$$]) v;
SELECT pg_temp.endpoint('kind, url, sender', $$'smtp', 'https://mail.example', 'a@b.example'$$);
SELECT left(pg_temp.endpoint(c, v), 5) AS sqlstate, c, v FROM (VALUES ('kind', $$'fax'$$), ('kind', 'NULL'), ('kind, url', $$'smtp', 'smtps://mail.example'$$), ('kind, concurrency', $$'slack', 0$$), ('kind, concurrency', $$'slack', 65$$),
	('kind, per_minute', $$'slack', 0$$), ('kind, timeout', $$'slack', '0.5 s'$$), ('kind, timeout', $$'slack', '11 min'$$), ('kind, max_age', $$'slack', '0'$$), ('kind, schedule', $$'slack', '{}'$$),
	('kind, schedule', $$'slack', '{1 s,0 s}'$$), ('kind, in_doubt', $$'slack', 'drop'$$), ('kind, unsubscribe_url', $$'webhook', 'http://a.example/{token}'$$), ('kind, unsubscribe_url', $$'webhook', 'https://a.example/'$$)) x (c, v);
SELECT left(pg_temp.refused($$INSERT INTO kam.endpoint (endpoint, kind) VALUES ('', 'slack')$$), 5) AS no_name;
SELECT pg_temp.endpoint('kind, url, allow_private', $$'webhook', 'http://127.0.0.1:9000/in', true$$) AS within_the_house;
-- A row that changed is tried again; one that did not is not.
INSERT INTO kam.delivery_state (endpoint, failures, halted_at) VALUES ('o-hook', 3, '2026-03-11T08:00Z'), ('o-zap', 3, '2026-03-11T08:00Z');
UPDATE kam.endpoint SET url = url WHERE endpoint = 'o-hook';
UPDATE kam.endpoint SET timeout = '10 s' WHERE endpoint = 'o-zap';
SELECT endpoint, failures FROM kam.delivery_state ORDER BY 1;
DELETE FROM kam.delivery_state;

-- ---- how they look -----------------------------------------------------------------------------

INSERT INTO kam.Leads (lead_id, full_name, email, phone, linkedin_url, owner_id, time_zone) VALUES
	('o-ines', 'Inès <Carpentier>', 'ines@valmont.example', '+33123456789', 'https://linkedin.example/in/ines', 'camille', 'Europe/Paris');
CREATE FUNCTION pg_temp.news(id bigint, recipient text, topic text, payload jsonb DEFAULT '{}', lead text DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO kam.notification (notification_id, recipient, topic, payload, lead_id) VALUES (id, recipient, topic, payload, lead) RETURNING notification_id
$$;
SELECT pg_temp.news(9001, 'o-slack', 'decision', '{"action": "send_message", "channel": "EMAIL", "contact": {"name": "Inès & <@U1>", "company": "<https://evil.example|Valmont>"}, "owner": "Camille",
	"opportunity_strength": 0.75, "reasons": {"b": "second > first", "a": "first", "c": ""}, "subject": "Votre demande", "message": "Bonjour <!channel> & tous"}');
SELECT jsonb_pretty(kam._slack_message(n, e)) FROM kam.notification n CROSS JOIN kam.endpoint e WHERE n.notification_id = 9001 AND e.endpoint = 'o-slack';
SELECT jsonb_pretty(kam._webhook_message(n, NULL::kam.Leads)) FROM kam.notification n WHERE n.notification_id = 9001;
SELECT t.topic, kam._event_kind(t.topic), kam._say_line(jsonb_populate_record(NULL::kam.notification, jsonb_build_object('topic', t.topic, 'lead_id', 'o-ines', 'payload', t.payload::jsonb))) AS line
  FROM (VALUES ('decision', '{"action": "wait", "channel": "PHONE"}'), ('failure', '{"error": "no model"}'), ('budget', '{"budget": "month", "held": true}'), ('budget', '{"budget": "month", "held": false}'),
               ('touch', '{"channel": "linkedin"}'), ('activation', '{}'), ('resume', '{}'), ('reply_received', '{}'), ('decision', '{}')) t (topic, payload);
-- With the lead, for who sends to it.
SELECT jsonb_pretty(kam._webhook_message(n, l) -> 'data' -> 'to') FROM kam.notification n CROSS JOIN kam.Leads l WHERE n.notification_id = 9001 AND l.lead_id = 'o-ines';
-- Cut where Slack would refuse, not within an escape.
SELECT most, kam._slack_text('a&b<c>d', most) FROM unnest('{3,5,6,7,8,9,15,16,20}'::integer[]) most;

-- ---- taking and settling ------------------------------------------------------------------------------

SELECT pg_temp.news(n, 'o-hook', 'decision', jsonb_build_object('n', n)) FROM generate_series(9011, 9018) n;
SELECT notification_id, webhook_id ~ '^msg_[0-9a-f]{32}$' AS id, headers[1], left(headers[2], 16) AS header, body::jsonb #> '{data,payload}' AS payload FROM kam._outbox_take('o-hook', 6);
SELECT notification_id, state, attempts FROM kam.kam_delivery WHERE recipient = 'o-hook' ORDER BY 1;
-- What is on its way is not taken again.
SELECT notification_id FROM kam._outbox_take('o-hook', 1);
SELECT kam._outbox_settle('{9011,9012,9013,9014,9015,9016}', '{none,none,none,none,timeout,address}', '{204,500,400,429,0,0}', '{f,f,f,f,t,f}', '{NULL,NULL,NULL,60,NULL,NULL}', '{"",oops,"no such field",slow,"timed out","the address is not a public one"}') AS told_again;
SELECT notification_id, state, attempts, next_attempt_at BETWEEN now() AND now() + interval '1 min' AS soon, answer_status, last_error, sent_at IS NOT NULL AS sent FROM kam.kam_delivery WHERE recipient = 'o-hook' ORDER BY 1;
SELECT endpoint, kind, host, state, failures, retry_at > now() + interval '55 s' AS waits, last_error, last_sent_at IS NOT NULL AS sent, waiting, dead FROM kam.kam_endpoints WHERE endpoint LIKE 'o-%' AND endpoint <> 'o-own' ORDER BY 1;
SELECT h.item, h.state, h.detail FROM kam.kam_health() h WHERE h.item IN ('notifications', 'endpoint o-hook');
-- Where it is held, what may have arrived is nobody's but a person's to send again.
UPDATE kam.endpoint SET in_doubt = 'hold' WHERE endpoint = 'o-zap';
SELECT pg_temp.news(9021, 'o-zap', 'failure');
SELECT notification_id FROM kam._outbox_take('o-zap', 1);
SELECT kam._outbox_settle('{9021}', '{cut}', '{0}', '{t}', '{NULL}', '{gone}');
SELECT state, last_error FROM kam.kam_delivery WHERE notification_id = 9021;
SELECT kam.kam_redeliver('o-zap') AS none_of_those_in_doubt;
SELECT kam.kam_redeliver(9021);
-- A worker that starts: what was on its way.
SELECT notification_id FROM kam._outbox_take('o-zap', 1);
SELECT pg_temp.news(9022, 'o-slack', 'failure'), count(*) FROM kam._outbox_take('o-slack', 9);
SELECT kam._outbox_recover() AS found;
SELECT notification_id, state, last_error FROM kam.kam_delivery WHERE notification_id IN (9001, 9008, 9021, 9022, 9018) ORDER BY 1;
-- A key that cannot be read, and an endpoint that went with its row.
SELECT notification_id FROM kam._outbox_take('o-slack', 1);
SELECT kam._outbox_settle('{9001}', '{key}', '{0}', '{f}', '{NULL}', '{"no key"}');
SELECT state, last_error FROM kam.kam_delivery WHERE notification_id = 9001;
SELECT state, failures FROM kam.kam_endpoints WHERE endpoint = 'o-slack';
UPDATE kam.delivery_state SET retry_at = NULL;
SELECT notification_id FROM kam._outbox_take('o-slack', 1);
DELETE FROM kam.endpoint WHERE endpoint = 'o-slack';
SELECT kam._outbox_settle('{9001}', '{none}', '{500}', '{f}', '{NULL}', '{oops}');
SELECT state, last_error FROM kam.kam_delivery WHERE notification_id = 9001;
-- Of an endpoint that is not there, and nothing.
SELECT kam._outbox_take('nobody', 5);
SELECT kam._outbox_settle('{}', '{}', '{}', '{}', '{}', '{}');

-- A rep's news, where they take it.
INSERT INTO kam.Reps (rep_id, name, endpoint) VALUES ('camille', 'Camille Roussel', 'o-hook');
SELECT pg_temp.news(9031, 'camille', 'activation', '{}', 'o-ines'), pg_temp.news(9032, 'nobody', 'activation');
SELECT notification_id, endpoint, state FROM kam.kam_delivery WHERE notification_id IN (9031, 9032) ORDER BY 1;
SELECT kam._outbox_due('o-hook', 10);
UPDATE kam.endpoint SET enabled = false WHERE endpoint = 'o-hook';
SELECT kam._outbox_take('o-hook', 10), (SELECT state FROM kam.kam_endpoints WHERE endpoint = 'o-hook');

-- In order: what has to wait has what stands behind it wait, and what stands before it not.
INSERT INTO kam.endpoint (endpoint, kind, ordered) VALUES ('o-row', 'webhook', true);
SELECT pg_temp.news(9091, 'o-row', 'budget'), pg_temp.news(9092, 'o-row', 'budget'), pg_temp.news(9093, 'o-row', 'budget');
UPDATE kam.notification SET next_attempt_at = '2100-01-01Z' WHERE notification_id = 9092;
SELECT notification_id FROM kam._outbox_take('o-row', 10);
UPDATE kam.notification SET next_attempt_at = NULL WHERE notification_id = 9092;
SELECT notification_id FROM kam._outbox_take('o-row', 10);

-- However many were sent, what is due is found without passing them by.
INSERT INTO kam.endpoint (endpoint, kind, url) VALUES ('o-busy', 'zapier', 'https://busy.example/');
INSERT INTO kam.notification (notification_id, recipient, topic, status) SELECT 10000 + n, 'o-busy', 'decision', CASE WHEN n <= 3000 THEN 'sent' ELSE 'pending' END FROM generate_series(1, 3200) n;
ANALYZE kam.notification;
SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read AS before FROM pg_stat_xact_all_tables WHERE relid = 'kam.notification'::regclass \gset
SELECT * FROM kam._outbox_due('o-busy', 3);
SELECT due FROM kam._outbox_endpoints() WHERE endpoint = 'o-busy';
SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read - :before < 100 AS few_rows_read FROM pg_stat_xact_all_tables WHERE relid = 'kam.notification'::regclass;

-- ---- people and programs ------------------------------------------------------------------------------------

SELECT pg_temp.news(n, 'AGT-399', 'activation', '{}', 'o-ines') FROM generate_series(9041, 9043) n;
SELECT notification_id, topic, lead_id, status FROM kam.kam_inbox('AGT-399');
SELECT notification_id FROM kam.kam_inbox('AGT-399', 1);
SELECT kam.kam_acknowledge(9041, 9042, 9041, 424242) AS first, kam.kam_acknowledge(9041, 9042) AS again, kam.kam_acknowledge(VARIADIC '{}') AS none;
SELECT notification_id FROM kam.kam_inbox('AGT-399');
SELECT notification_id, state, next_attempt_at FROM kam.kam_delivery WHERE notification_id IN (9041, 9043) ORDER BY 1;
SELECT count(*) FROM kam.kam_inbox('no-one');

SELECT pg_temp.refused('SELECT kam.kam_redeliver(424242)');
SELECT pg_temp.refused('SELECT kam.kam_redeliver(NULL::bigint)');
SELECT pg_temp.refused('SELECT kam.kam_redeliver(9043)');
SELECT pg_temp.refused($$SELECT kam.kam_redeliver('nobody')$$);
SELECT pg_temp.refused('SELECT kam.kam_redeliver(NULL::text)');
SELECT kam.kam_redeliver(9013), (SELECT state FROM kam.kam_delivery WHERE notification_id = 9013) AS before;
SELECT state, attempts FROM kam.kam_delivery WHERE notification_id = 9013;

INSERT INTO kam.unsubscribe_token (lead_id, token) VALUES ('o-ines', '5f0c1b7e-0000-4000-8000-000000000001');
SELECT kam.kam_unsubscribe_token('5f0c1b7e-0000-4000-8000-000000000002') AS unknown, kam.kam_unsubscribe_token('') AS empty, kam.kam_unsubscribe_token('5f0c') AS short, kam.kam_unsubscribe_token(NULL) AS none;
SELECT unsubscribe_flag FROM kam.Leads WHERE lead_id = 'o-ines';

INSERT INTO kam.sent_message (lead_id, notification_id, event_id, sequence_id, message_id, subject, sent_at) VALUES ('o-ines', 9050, 1, 'o-out', '<one@acme.example>', 'Bonjour', now());
SELECT pg_temp.refused($$SELECT kam.kam_reply('<two@acme.example>')$$);
SELECT pg_temp.refused($$SELECT kam.kam_reply('one@acme.example')$$);
SELECT pg_temp.refused('SELECT kam.kam_reply(NULL)');
SELECT kam.kam_reply(E'<x@y> <one@acme.example>\n <z@y>', '{"message_id": "<answer@valmont.example>"}') > 0 AS written;
SELECT lead_id, sequence_id, event_type, channel, payload - 'event_id' AS payload FROM kam.CadenceEventLog WHERE lead_id = 'o-ines';
SELECT left(pg_temp.refused($$SELECT kam.kam_reply('<one@acme.example>', '{"message_id": "<answer@valmont.example>"}')$$), 5) AS again;
SELECT kam.kam_unsubscribe_token('5F0C1B7E-0000-4000-8000-000000000001') AS unsubscribed, kam.kam_unsubscribe_token('5f0c1b7e000040008000000000000001') AS again;
SELECT unsubscribe_flag, (SELECT count(*) FROM kam.CadenceEventLog WHERE lead_id = 'o-ines' AND event_type = 'unsubscribe') AS told FROM kam.Leads WHERE lead_id = 'o-ines';

-- What came of one cannot be written down (here a trigger of the user's refuses the fact): what may have arrived is in doubt, the rest is tried again.
CREATE FUNCTION pg_temp.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE TRIGGER aaa_no BEFORE INSERT ON kam.delivery_state FOR EACH ROW EXECUTE FUNCTION pg_temp.no();
INSERT INTO kam.endpoint (endpoint, kind, in_doubt) VALUES ('o-odd', 'webhook', 'hold');
SELECT pg_temp.news(9101, 'o-odd', 'budget'), pg_temp.news(9102, 'o-odd', 'budget'), pg_temp.news(9103, 'o-odd', 'budget');
SELECT count(*) FROM kam._outbox_take('o-odd', 10);
SELECT kam._outbox_settle('{9101,9102,9103}', '{none,cut,none}', '{503,0,204}', '{f,t,f}', '{NULL,NULL,NULL}', '{busy,gone,ok}') AS later;
SELECT notification_id, state, next_attempt_at > clock_timestamp() AS again, last_error FROM kam.kam_delivery WHERE endpoint = 'o-odd' ORDER BY 1;
SELECT count(*) AS under_way FROM kam._delivery WHERE endpoint = 'o-odd';
DROP TRIGGER aaa_no ON kam.delivery_state;

-- A pause that is over is no reason to look where nothing waits.
INSERT INTO kam.endpoint (endpoint, kind, url) VALUES ('o-idle', 'webhook', 'https://idle.example/');
INSERT INTO kam.delivery_state (endpoint, failures, retry_at) VALUES ('o-idle', 3, clock_timestamp() - interval '1 min');
SELECT room, due, next_at FROM kam._outbox_endpoints() WHERE endpoint = 'o-idle';
INSERT INTO kam.notification (recipient, topic, status, next_attempt_at) VALUES ('o-idle', 'budget', 'failed', '2100-01-01Z');
SELECT due, next_at = '2100-01-01Z' AS then FROM kam._outbox_endpoints() WHERE endpoint = 'o-idle';
UPDATE kam.delivery_state SET retry_at = '2101-01-01Z' WHERE endpoint = 'o-idle';
SELECT due, next_at = '2101-01-01Z' AS then FROM kam._outbox_endpoints() WHERE endpoint = 'o-idle';
UPDATE kam.delivery_state SET halted_at = now() WHERE endpoint = 'o-idle';
SELECT due, next_at FROM kam._outbox_endpoints() WHERE endpoint = 'o-idle';

-- ---- who may -----------------------------------------------------------------------------------------------------

SELECT r.role, f.name, has_function_privilege(r.role, f.name::regprocedure, 'EXECUTE') AS may
  FROM unnest('{kam_submit,kam_review,kam_read,kam_admin}'::text[]) WITH ORDINALITY r (role, n)
 CROSS JOIN unnest('{"kam.kam_inbox(text,integer)","kam.kam_acknowledge(bigint[])","kam.kam_redeliver(bigint)","kam.kam_reply(text,jsonb,timestamptz)","kam.kam_unsubscribe_token(text,text)","kam.kam_import_sheet(text,text)"}'::text[])
       WITH ORDINALITY f (name, n) ORDER BY f.n, r.n;
SET LOCAL ROLE kam_read;
SELECT pg_temp.refused('SELECT url FROM kam.endpoint');
SELECT pg_temp.refused('SELECT * FROM kam.endpoint');
SELECT left(pg_temp.refused('SELECT review_url FROM kam.endpoint'), 5) AS review_url, left(pg_temp.refused('SELECT unsubscribe_url FROM kam.endpoint'), 5) AS unsubscribe_url,
       left(pg_temp.refused('SELECT token FROM kam.unsubscribe_token'), 5) AS tokens, left(pg_temp.refused('SELECT * FROM kam._delivery'), 5) AS underway;
SELECT endpoint, host FROM kam.kam_endpoints WHERE endpoint IN ('o-zap', 'o-email') ORDER BY 1;
SELECT count(*) > 0 AS deliveries FROM kam.kam_delivery;
SELECT endpoint, kind FROM kam.endpoint WHERE endpoint = 'o-zap';
RESET ROLE;
SET LOCAL ROLE kam_admin;
SELECT left(pg_temp.refused($$UPDATE kam.endpoint SET url = 'https://elsewhere.example/' WHERE endpoint = 'o-zap'$$), 5) AS an_address_is_a_superusers,
       left(pg_temp.refused($$INSERT INTO kam.endpoint (endpoint, kind) VALUES ('mine', 'slack')$$), 5) AS so_is_a_row;
UPDATE kam.endpoint SET enabled = false WHERE endpoint = 'o-zap' RETURNING enabled;
RESET ROLE;
ROLLBACK;
