-- A decision that a person approved becomes a request; its verdict shows in kam_explain.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'Europe/Paris';
SET client_min_messages = warning;
-- Three contacts to write to, one to wait with, one to say farewell to; all but the last are leads.
CREATE TABLE pg_temp.cases (n integer PRIMARY KEY, name text, session_id uuid);
INSERT INTO pg_temp.cases (n, name) VALUES (1, '01_inbound_question_fr'), (2, '07_active_deal_multi_deal_fr'), (3, '10_meeting_scheduled_fr'), (4, '16_break_up_fr'), (5, '06_engagement_signal_fr'),
	(6, '03_first_touch_note_only_fr');
INSERT INTO kam.Leads (lead_id, owner_id, icp_tier) SELECT 'v' || n, 'rep-1', CASE n WHEN 5 THEN 'T3' END FROM pg_temp.cases WHERE n < 6;
UPDATE pg_temp.cases SET session_id = (kam.kam_run(
	jsonb_set(pg_temp.example(name), '{contact_info,hubspot_id}', to_jsonb('v' || n)), '{"as_of": "2026-03-11T10:00:00+01:00", "rerun": false}') ->> 'session_id')::uuid;
\set ECHO none
\o /dev/null
SELECT format('CALL kam.kam_wait(%L)', session_id) FROM pg_temp.cases ORDER BY n \gexec
\o
\set ECHO all
SELECT n, r.lead_id, d.action, d.selected_channel FROM pg_temp.cases c JOIN kam.request r USING (session_id) JOIN kam.final_decision d USING (session_id) ORDER BY n;
CREATE FUNCTION pg_temp.session(n integer) RETURNS uuid LANGUAGE sql AS $$ SELECT c.session_id FROM pg_temp.cases c WHERE c.n = session.n $$;
-- The log of a session's sequence, keys left out.
CREATE FUNCTION pg_temp.log(n integer) RETURNS TABLE (requested text, event text, action text, reason text, resolution text, channel text, agent text, type text)
LANGUAGE sql AS $$
	SELECT e.requested_event_type, e.event_type, e.coordinator_action, e.suppressed_reason, e.resolution, e.channel, e.originating_agent, e.sequence_type
	  FROM kam.CadenceEventLog e WHERE e.sequence_id = pg_temp.session(n)::text ORDER BY e.event_id
$$;
SET kam.clock = '2026-03-11 10:00+01';

-- ---- approved: enrolled, the message first -----------------------------------------
SELECT kam.kam_validate(pg_temp.session(1), 'approved') AS first \gset
SELECT * FROM pg_temp.log(1);
SELECT event_id = :first AS same_event FROM kam.CadenceEventLog WHERE sequence_id = pg_temp.session(1)::text;
SELECT c.lead_id, c.state, c.sequence_type, jsonb_array_length(c.steps) AS steps, c.steps -> 0 ->> 'channel' AS channel, c.steps -> 0 ->> 'execute_at' AS execute_at,
       c.steps -> 0 ->> 'content' = d.decision #>> '{final_decision,selected_content,message}' AS message,
       c.steps -> 0 ->> 'subject' = d.decision #>> '{final_decision,selected_content,subject}' AS subject
  FROM kam.Cadence c JOIN kam.final_decision d ON d.session_id::text = c.sequence_id WHERE d.session_id = pg_temp.session(1);
SELECT cadence_state, active_sequence_id = pg_temp.session(1)::text AS this_one FROM kam.Leads WHERE lead_id = 'v1';
-- Judged again: asked once; the edited message takes the place of the one that has not gone out.
SELECT kam.kam_validate(pg_temp.session(1), 'approved') = :first AS same;
SELECT kam.kam_validate(pg_temp.session(1), 'edited', NULL, 'Bonjour, plus court.') = :first AS same;
SELECT count(*) AS asked FROM pg_temp.log(1);
SELECT steps -> 0 ->> 'content' AS content, enrolment_no FROM kam.Cadence WHERE lead_id = 'v1';
-- ... but not of one that has.
SELECT coordinator_action FROM kam.kam_request('v1', 'outbound', 'touch', pg_temp.session(1)::text, 'email', 'AGT-301', 1);
SELECT kam.kam_validate(pg_temp.session(1), 'edited', NULL, 'Trop tard.') = :first AS same;
SELECT steps -> 0 ->> 'content' AS content FROM kam.Cadence WHERE lead_id = 'v1';
-- Rejected in the end: the sequence stops, once.
SELECT kam.kam_validate(pg_temp.session(1), 'rejected') IS NULL AS nothing, kam.kam_validate(pg_temp.session(1), 'rejected') IS NULL AS again;
SELECT * FROM pg_temp.log(1);
SELECT state, end_reason FROM kam.Cadence WHERE lead_id = 'v1';
-- And approved after all: a new enrolment.
SELECT kam.kam_validate(pg_temp.session(1), 'approved') > :first AS asked_anew;
SELECT kam.kam_validate(pg_temp.session(1), 'approved') > :first AS asked_anew;
SELECT enrolment_no, state, end_reason FROM kam.Cadence WHERE lead_id = 'v1' ORDER BY enrolment_no;

-- ---- the sequence plan: further steps ------------------------------------------------
SELECT kam.kam_validate(pg_temp.session(2), 'edited', 'As shown', 'Bonjour Pierre.') IS NOT NULL AS asked;
SELECT s ->> 'step' AS step, s ->> 'day' AS day, s ->> 'channel' AS channel, s ->> 'execute_at' AS execute_at, s ->> 'action_type' AS action_type,
       CASE WHEN s ->> 'step' = '1' THEN s ->> 'content' END AS content
  FROM kam.Cadence c CROSS JOIN LATERAL jsonb_array_elements(c.steps) s WHERE c.lead_id = 'v2';
SELECT count(*) AS planned_in_decision FROM kam.final_decision d, jsonb_array_elements(d.decision #> '{final_decision,sequence_instructions,sequence_plan}') WHERE d.session_id = pg_temp.session(2);

-- ---- what asks for nothing ------------------------------------------------------------
SELECT kam.kam_validate(pg_temp.session(3), 'approved') IS NULL AS a_wait;
SELECT kam.kam_validate(pg_temp.session(6), 'approved') IS NULL AS nobody_known;
SELECT kam.kam_validate(pg_temp.session(4), 'rejected') IS NULL AS rejected;
SELECT count(*) AS asked FROM kam.CadenceEventLog WHERE sequence_id IN (pg_temp.session(3)::text, pg_temp.session(4)::text, pg_temp.session(6)::text);
-- A farewell is sent, and found by the lead that came later.
SELECT kam.kam_validate(pg_temp.session(4), 'approved') IS NOT NULL AS farewell;
INSERT INTO kam.Leads (lead_id) VALUES ('v6');
SELECT kam.kam_validate(pg_temp.session(6), 'approved') IS NOT NULL AS known_by_now;

-- ---- refused by the gates ----------------------------------------------------------------
SELECT kam.kam_validate(pg_temp.session(5), 'approved') AS refused \gset
SELECT * FROM pg_temp.log(5);
SELECT kam.kam_validate(pg_temp.session(5), 'edited', NULL, 'Autrement') = :refused AS asked_once;
SELECT jsonb_array_length(x -> 'gate') AS events, x #>> '{gate,0,event}' AS event, x #>> '{gate,0,action}' AS action, x #>> '{gate,0,reason}' AS reason,
       x #>> '{gate_now,allowed}' AS allowed_now, x #>> '{gate_now,gate}' AS gate_now, x #>> '{gate_now,lead_id}' AS lead
  FROM kam.kam_explain(pg_temp.session(5)) x;
-- Queued behind a sequence that runs: when it may go is shown.
SELECT coordinator_action FROM kam.kam_request('v4', 'outbound', 'stop', pg_temp.session(4)::text);
INSERT INTO kam.Leads (lead_id, icp_tier, sales_signal_at, marketing_signal_at) VALUES ('v7', 'T2', '2026-03-01', '2026-03-05');
SELECT coordinator_action FROM kam.kam_request('v7', 'nurture', 'activation', 'drip', 'email', 'AGT-304');
SELECT (kam.kam_run(jsonb_set(pg_temp.example('01_inbound_question_fr'), '{contact_info,hubspot_id}', '"v7"'), '{"as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id') AS queued \gset
CALL kam.kam_wait(:'queued') \gset
SELECT kam.kam_validate(:'queued', 'approved') IS NOT NULL AS asked;
SELECT x #>> '{gate,0,event}' AS event, x #>> '{gate,0,action}' AS action, x #>> '{gate,0,resolution}' AS resolution, x #>> '{gate,0,release_at}' AS release_at,
       x #>> '{gate,0,waiting}' AS waiting, x #>> '{gate_now,event_type}' AS asking FROM kam.kam_explain(:'queued') x;
-- Edited while it waits: that is what runs once it is let through.
SELECT kam.kam_validate(:'queued', 'edited', NULL, 'Bonjour, autrement.') IS NOT NULL AS same;
SELECT coordinator_action FROM kam.kam_request('v7', 'nurture', 'stop', 'drip');
SELECT kam.kam_tick('2026-03-14 10:00+01') IS NOT NULL AS ticked;
SELECT state, steps -> 0 ->> 'content' AS content FROM kam.Cadence WHERE lead_id = 'v7' AND sequence_id = :'queued';
SELECT e ->> 'event' AS event, e ->> 'action' AS action, e ->> 'waiting' AS waiting FROM jsonb_array_elements(kam.kam_explain(:'queued') -> 'gate') e;
-- Rejected while it waits: it no longer does.
INSERT INTO kam.Leads (lead_id, icp_tier, sales_signal_at, marketing_signal_at) VALUES ('v6b', 'T2', '2026-03-01', '2026-03-05');
SELECT coordinator_action FROM kam.kam_request('v6b', 'nurture', 'activation', 'drip', 'email', 'AGT-304');
INSERT INTO kam.final_decision (session_id, decision, action, selected_channel, contact_hubspot_id)
VALUES ('00000000-0000-4000-8000-00000000f004', '{"action": "send_message", "selected_content": {"message": "Hello"}}', 'send_message', 'EMAIL', 'v6b');
-- The reviewers' role is enough.
SET ROLE kam_review;
SELECT kam.kam_validate('00000000-0000-4000-8000-00000000f004', 'approved') IS NOT NULL AS queued;
SELECT kam.kam_validate('00000000-0000-4000-8000-00000000f004', 'rejected') IS NULL AS rejected;
RESET ROLE;
SELECT state, end_reason FROM kam.CadenceQueue WHERE lead_id = 'v6b';
-- Suppressed meanwhile: the gate has the last word.
SELECT kam.kam_unsubscribe('late@meet.example', 'web_form') >= 0 AS done;
INSERT INTO kam.Leads (lead_id, email) VALUES ('v8', 'late@meet.example');
INSERT INTO kam.final_decision (session_id, decision, action, selected_channel, contact_hubspot_id)
VALUES ('00000000-0000-4000-8000-00000000f001', '{"final_decision": {"action": "send_message", "selected_channel": "EMAIL", "selected_content": {"message": "Hello"}, "execution_timing": {"execute_at": "not_specified"}, "sequence_instructions": {"sequence_plan": [7, {"channel": "PHONE", "planned_date": "soon"}]}}}',
        'send_message', 'EMAIL', 'v8'),
       ('00000000-0000-4000-8000-00000000f002', '{"action": "send_message", "selected_content": "Hello"}', 'send_message', NULL, 'v6'),
       ('00000000-0000-4000-8000-00000000f003', '{"action": "send_message"}', 'send_message', NULL, 'nobody');
SELECT kam.kam_validate('00000000-0000-4000-8000-00000000f001', 'approved') IS NOT NULL AS brought_along;
SELECT coordinator_action, suppressed_reason, compliance_status, payload -> 'steps' AS steps FROM kam.CadenceEventLog WHERE lead_id = 'v8';
SELECT kam.kam_validate('00000000-0000-4000-8000-00000000f002', 'approved') IS NOT NULL AS odd_shape, kam.kam_validate('00000000-0000-4000-8000-00000000f003', 'approved') IS NULL AS nobody;
SELECT payload -> 'steps' AS steps FROM kam.CadenceEventLog WHERE sequence_id = '00000000-0000-4000-8000-00000000f002';

-- kam's own touches are no news to it.
SELECT count(*) FILTER (WHERE a -> 'metadata' ? 'event_id') AS own FROM jsonb_array_elements(kam._with_touches(pg_temp.contact(), 'v1', '2026-03-12 10:00+01') -> 'activities') a;
DELETE FROM kam.request WHERE session_id IN (SELECT session_id FROM pg_temp.cases);
SELECT jsonb_array_length(kam._with_touches(pg_temp.contact(), 'v1', '2026-03-12 10:00+01') -> 'activities') AS own_of_a_run_that_is_gone;
RESET kam.clock;

-- ---- an opt-out in their own words -------------------------------------------------------
SELECT jsonb_set(pg_temp.example('17_opted_out_fr'), '{contact_info}', pg_temp.example('17_opted_out_fr') -> 'contact_info' || '{"email": "n/a", "phone": "+33 6 99 88 77 66", "hubspot_id": "v9"}') AS c \gset
INSERT INTO kam.Leads (lead_id, email) VALUES ('v9', 'Ninth@Meet.example');
SELECT coordinator_action FROM kam.kam_request('v9', 'outbound', 'activation', 'z', 'email', 'AGT-301');
SELECT kam.kam_run(:'c', '{"as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS first_opt_out \gset
CALL kam.kam_wait(:'first_opt_out') \gset
SELECT address, kind, source, reason IS NOT NULL AS in_their_words, created_by, settled_at IS NULL AS to_settle FROM kam.Suppression WHERE source = 'decision' ORDER BY address;
SELECT g.allowed, g.compliance_status FROM kam.kam_gate('v9', 'outbound') g;
-- What runs ends with the next tick.
SELECT kam.kam_tick() IS NOT NULL AS ticked;
SELECT state, end_reason FROM kam.Cadence WHERE lead_id = 'v9';
-- No address at all: the decision is saved all the same.
SELECT jsonb_set(:'c', '{contact_info}', '{"full_name": "Odd", "email": "@@", "phone": "call me", "linkedin_url": "?", "linkedin_urn": "urn:li:person:odd"}') AS odd \gset
SELECT kam.kam_run(:'odd', '{"as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS s \gset
CALL kam.kam_wait(:'s') \gset
SELECT :'decision'::jsonb #>> '{final_decision,action}' AS action, (SELECT count(*) FROM kam.Suppression WHERE source = 'decision') AS suppressed;

-- Leave nothing that other tests would find.
DELETE FROM kam.request WHERE session_id IN (:'s', :'first_opt_out', :'queued');
DELETE FROM kam.final_decision WHERE session_id::text LIKE '00000000-0000-4000-8000-00000000f00_';
DELETE FROM kam.Suppression WHERE source = 'decision' OR address = 'late@meet.example';
DELETE FROM kam.Leads WHERE lead_id ~ '^v[1-9]b?$';
