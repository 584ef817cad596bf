-- What a decision entails, what a deleted run takes with it, and decisions that came from elsewhere.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET client_min_messages = warning;
-- An opt-out in the contact's own words suppresses the address, once.
SELECT pg_temp.example('17_opted_out_fr') AS c \gset
SELECT kam.kam_run(:'c', '{"as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS first \gset
CALL kam.kam_wait(:'first') \gset
SELECT kam.kam_run(:'c', '{"as_of": "2026-03-12T10:00:00+01:00"}') ->> 'session_id' AS second \gset
CALL kam.kam_wait(:'second') \gset
SELECT address = lower(:'c'::jsonb #>> '{contact_info,email}') AS theirs, kind, source, reason, created_by FROM kam.Suppression;

-- A run that is deleted leaves nothing behind.
DELETE FROM kam.request WHERE session_id IN (:'first', :'second');
SELECT (SELECT count(*) FROM kam.final_decision d WHERE d.session_id IN (:'first', :'second')) AS decisions,
       (SELECT count(*) FROM kam.n8n_orchestrator_synthesis s WHERE s.session_id IN (:'first', :'second')) AS syntheses,
       (SELECT count(*) FROM kam.agent_call c WHERE c.session_id IN (:'first', :'second')) AS calls,
       (SELECT count(*) FROM kam.notification n WHERE n.session_id IN (:'first', :'second')) AS notifications;

-- Decisions of the n8n workflow may be brought along: the content agent learns from them.
INSERT INTO kam.final_decision (session_id, decision, action, selected_channel, user_slack_message, type_of_validation)
SELECT gen_random_uuid(), '{"final_decision": {"action": "send_message", "selected_channel": "EMAIL"}}', 'send_message', 'EMAIL', 'Bonjour', 'approved'
  FROM generate_series(1, 3);
SELECT pg_temp.example('01_inbound_question_fr') AS c \gset
SELECT kam.kam_run(:'c', '{"as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS third \gset
CALL kam.kam_wait(:'third') \gset
SELECT :'decision'::jsonb #>> '{metadata,historical_validation_performed}' AS learnt,
       (SELECT c.output #>> '{historical_context,has_historical_data}' FROM kam.agent_call c WHERE c.session_id = :'third' AND c.agent = 'content_generator') AS seen;
DELETE FROM kam.final_decision WHERE user_slack_message = 'Bonjour';
DELETE FROM kam.request WHERE session_id = :'third';
DELETE FROM kam.Suppression;
