-- Where decisions and the Coordinator meet: the lead of a contact, contacts that must not be written to, touches of others.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'Europe/Paris';
SET client_min_messages = warning;
-- A run of Ines, its key.
CREATE FUNCTION pg_temp.run(contact jsonb, options jsonb DEFAULT '{}') RETURNS uuid LANGUAGE sql AS $$
	SELECT (kam.kam_run(contact, '{"as_of": "2026-03-11T10:00:00+01:00"}' || options) ->> 'session_id')::uuid
$$;
CREATE FUNCTION pg_temp.with_info(contact jsonb, info jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_set(contact, '{contact_info}', jsonb_strip_nulls(contact -> 'contact_info' || info))
$$;

-- ---- which lead a contact is -------------------------------------------------
INSERT INTO kam.Leads (lead_id, email) VALUES
	('4711', 'somebody.else@argelia.example'), ('meet-mail', 'Ines.Caron@Argelia.example'),
	('meet-twin-1', 'twin@argelia.example'), ('meet-twin-2', 'twin@argelia.example'),
	('meet-winner', 'one@argelia.example'), ('meet-loser', 'ONE@argelia.example'), ('meet-old', 'old@argelia.example');
SELECT kam.kam_merge_leads('meet-loser', 'meet-winner') IS NOT NULL AS merged;
SELECT kam.kam_merge_leads('meet-old', 'meet-winner') IS NOT NULL AS merged;
SELECT what, kam._lead_of(pg_temp.with_info(pg_temp.contact(), info), named) AS lead FROM (VALUES
	(1, 'its key', '{}'::jsonb, NULL),
	(2, 'its key, a number', '{"hubspot_id": 4711}', NULL),
	(3, 'no such key: the address', '{"hubspot_id": "none"}', NULL),
	(4, 'the address, written otherwise', '{"hubspot_id": null, "email": " INES.CARON@argelia.example "}', NULL),
	(5, 'two leads with the address', '{"hubspot_id": null, "email": "twin@argelia.example"}', NULL),
	(6, 'two that were merged', '{"hubspot_id": null, "email": "one@argelia.example"}', NULL),
	(7, 'the key of a merged one', '{"hubspot_id": "meet-old"}', NULL),
	(8, 'nobody', '{"hubspot_id": null, "email": "nobody@argelia.example"}', NULL),
	(9, 'no address', '{"hubspot_id": "", "email": "none given"}', NULL),
	(10, 'the one named', '{}', 'meet-mail'),
	(11, 'the one named, merged', '{}', 'meet-loser'),
	(12, 'the one named, unknown', '{}', 'crm-77')) c (n, what, info, named) ORDER BY n;
SELECT kam._lead_of(odd, NULL) IS NULL AS none FROM (VALUES ('3'::jsonb), ('[]'), ('{"contact_info": []}'), ('{"contact_info": {"email": ["x"], "hubspot_id": {}}}')) o (odd);
SELECT pg_temp.run(pg_temp.contact()) AS a, pg_temp.run(pg_temp.contact(), '{"lead_id": "crm-77"}') AS b, pg_temp.run(pg_temp.contact(), '{"lead_id": "meet-old"}') AS c_run \gset
SELECT r.lead_id FROM kam.request r JOIN (VALUES (1, :'a'::uuid), (2, :'b'), (3, :'c_run')) v (n, s) ON s = r.session_id ORDER BY n;

-- ---- contacts that must not be written to -----------------------------------------
-- Each is asked for a decision; nobody may be asked for it, and the decision must stand by itself.
CREATE TABLE pg_temp.cases (n integer PRIMARY KEY, what text, contact jsonb, options jsonb DEFAULT '{}', session_id uuid);
INSERT INTO pg_temp.cases (n, what, contact) SELECT c.n, c.what, pg_temp.with_info(pg_temp.example('01_inbound_question_fr'), c.info) FROM (VALUES
	(1, 'nothing known', '{"hubspot_id": "m1", "email": "m1@meet.example"}'::jsonb),
	(2, 'the address, no lead', '{"hubspot_id": null, "email": "M2@Meet.example"}'),
	(3, 'the domain, no lead', '{"hubspot_id": null, "email": "m3@meet-banned.example"}'),
	(4, 'the phone, no lead', '{"hubspot_id": null, "email": "m4@meet.example", "phone": "+33 6 12 34 56 04"}'),
	(5, 'the profile, no lead', '{"hubspot_id": null, "email": "m5@meet.example", "linkedin_url": "https://www.linkedin.com/in/Meet-Five/"}'),
	(6, 'unsubscribed lead', '{"hubspot_id": "m6", "email": "m6@meet.example"}'),
	(7, 'lead that opted out', '{"hubspot_id": "m7", "email": "m7@meet.example"}'),
	(8, 'lead whose own address is suppressed', '{"hubspot_id": "m8", "email": "m8@meet.example"}'),
	(9, 'English', '{"hubspot_id": null, "email": "m2@meet.example", "language": "en"}')) c (n, what, info);
INSERT INTO kam.Leads (lead_id, email) VALUES ('m1', 'm1@meet.example'), ('m6', 'm6@meet.example'), ('m7', 'm7@meet.example'), ('m8', 'another@meet.example');
INSERT INTO kam.Suppression (address, source, created_at) VALUES ('m2@meet.example', 'web_form', '2026-03-01 12:00+01'), ('meet-banned.example', 'legal', '2026-03-02 12:00+01'),
	('+33612345604', 'call', '2026-03-03 12:00+01'), ('linkedin.com/in/meet-five', 'crm', '2026-03-04 12:00+01'), ('another@meet.example', 'import', '2026-03-05 12:00+01');
UPDATE kam.Leads SET unsubscribe_flag = true WHERE lead_id = 'm6';
UPDATE kam.Leads SET opt_out_flag = true WHERE lead_id = 'm7';
UPDATE pg_temp.cases SET session_id = pg_temp.run(contact, options);
\set ECHO none
\o /dev/null
SELECT format('CALL kam.kam_wait(%L)', session_id) FROM pg_temp.cases ORDER BY n \gexec
\o
\set ECHO all
SELECT c.n, c.what, r.status, d.action, d.decision #>> '{final_decision,compliance,status}' AS compliance, d.decision #>> '{final_decision,compliance,source}' AS source,
       (SELECT count(*) FROM kam.agent_call a WHERE a.session_id = c.session_id) AS calls, w.cost_usd AS cost,
       (SELECT count(*) FROM kam.notification n WHERE n.session_id = c.session_id) AS notices,
       (SELECT count(*) FROM kam.decision_evaluation e WHERE e.session_id = c.session_id) AS judged
  FROM pg_temp.cases c JOIN kam.request r USING (session_id) JOIN kam.final_decision d USING (session_id) JOIN kam.workflow_run w USING (session_id) ORDER BY c.n;
SELECT c.n, regexp_replace(d.decision #>> '{final_decision,rationale,action_reasoning}', '20[0-9]{2}-[0-9-]+', 'DATE') AS reasoning
  FROM pg_temp.cases c JOIN kam.final_decision d USING (session_id) WHERE c.n > 1 ORDER BY c.n;
-- Each stands under kam_check, whole and alone; without the reason it states it would not.
SELECT c.n, k.* FROM pg_temp.cases c JOIN kam.final_decision d USING (session_id)
 CROSS JOIN LATERAL kam.kam_check(d.decision, c.contact, '2026-03-11 10:00+01') k;
SELECT c.n, k.* FROM pg_temp.cases c JOIN kam.final_decision d USING (session_id)
 CROSS JOIN LATERAL kam.kam_check(d.decision -> 'final_decision', c.contact, '2026-03-11 10:00+01') k;
SELECT k.rule, k.severity FROM pg_temp.cases c JOIN kam.final_decision d USING (session_id)
 CROSS JOIN LATERAL kam.kam_check(d.decision #- '{final_decision,compliance}', c.contact, '2026-03-11 10:00+01') k WHERE c.n = 2;
-- A message beside such a reason is refused.
SELECT k.rule, k.severity, k.message FROM pg_temp.cases c JOIN kam.final_decision d USING (session_id)
 CROSS JOIN LATERAL kam.kam_check(jsonb_set(d.decision, '{final_decision,compliance}', '{"status": "opted_out"}'), c.contact, '2026-03-11 10:00+01') k WHERE c.n = 1;
SELECT x #>> '{plan,rule}' AS rule, x -> 'compliance' AS compliance, x -> 'calls' AS calls, x -> 'overrides' AS overrides, x -> 'gate' AS gate, x -> 'gate_now' AS gate_now
  FROM pg_temp.cases c CROSS JOIN LATERAL kam.kam_explain(c.session_id) x WHERE c.n = 2;
SELECT x #>> '{plan,rule}' AS rule, x -> 'compliance' AS compliance, x -> 'gate_now' ->> 'allowed' AS allowed
  FROM pg_temp.cases c CROSS JOIN LATERAL kam.kam_explain(c.session_id) x WHERE c.n = 1;
SELECT n.payload -> 'compliance' ->> 'status' AS told, n.payload ->> 'action' AS action FROM pg_temp.cases c JOIN kam.notification n USING (session_id) WHERE c.n IN (1, 6) ORDER BY c.n, n.recipient;
-- Nothing that was suppressed afterwards changes a decision that was made.
INSERT INTO kam.Suppression (address, source) VALUES ('m1@meet.example', 'later');
SELECT x #>> '{decision,final_decision,action}' AS action, x #>> '{compliance,status}' AS found, x #>> '{compliance,now,status}' AS now, x #>> '{gate_now,suppressed_reason}' AS gate
  FROM pg_temp.cases c CROSS JOIN LATERAL kam.kam_explain(c.session_id) x WHERE c.n = 1;

-- ---- touches of others -------------------------------------------------------------
SET kam.clock = '2026-02-20 10:00+01';
INSERT INTO kam.Leads (lead_id, email, owner_id) VALUES ('meet-touched', 'touched@argelia.example', 'rep-9'), ('meet-was', 'was@argelia.example', NULL);
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, channel, originating_agent, payload, occurred_at)
SELECT coalesce(lead_id, 'meet-touched'), kind, event, seq, channel, agent, payload, at FROM (VALUES
	(NULL, 'nurture', 'touch_observed', 'drip', 'email', 'AGT-304', '{"subject": "News", "content": "Our webinar"}'::jsonb, '2026-02-02 10:00+01'::timestamptz),
	(NULL, 'outbound', 'touch_observed', NULL, 'phone', NULL, NULL, '2026-02-03 10:00+01'),
	(NULL, 'outbound', 'touch_observed', 'x', 'linkedin', 'AGT-301', '{"text": "Hello"}', '2026-02-04 10:00+01'),
	(NULL, 'outbound', 'touch_observed', 'x', 'whatsapp', 'AGT-301', '{"content": {"odd": true}}', '2026-02-05 10:00+01'),
	(NULL, 'outbound', 'touch_observed', 'x', 'fax', 'AGT-301', NULL, '2026-02-06 10:00+01'),
	(NULL, 'transactional', 'touch_observed', 'bill', 'email', 'billing', '{"subject": "Invoice 7"}', '2026-02-07 10:00+01'),
	(NULL, NULL, 'reply', 'drip', NULL, NULL, '{"body": "Thank you, I am coming."}', '2026-02-08 10:00+01'),
	(NULL, NULL, 'meeting_booked', 'drip', 'email', NULL, NULL, '2026-02-08 11:00+01'),
	('meet-was', 'outbound', 'touch_observed', 'y', 'email', 'AGT-203', '{"content": "Before the merge"}', '2026-02-09 10:00+01'),
	(NULL, 'outbound', 'touch_observed', 'x', 'email', 'AGT-301', '{"content": "Known to the contact"}', '2026-02-10 10:00+01'),
	(NULL, 'outbound', 'touch_observed', 'x', 'email', 'AGT-301', '{"content": "A minute and a second off"}', '2026-02-11 10:00+01')) t (lead_id, kind, event, seq, channel, agent, payload, at);
SELECT kam.kam_merge_leads('meet-was', 'meet-touched') IS NOT NULL AS merged;
-- kam's own decision, and a touch that never left.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, channel, occurred_at)
SELECT 'meet-touched', 'outbound', 'touch_observed', session_id::text, 'email', '2026-02-12 10:00+01' FROM pg_temp.cases WHERE n = 1;
SET kam.clock = '2026-03-01 10:00+01';
SELECT coordinator_action FROM kam.kam_request('meet-touched', 'outbound', 'activation', 'x', 'email', 'AGT-301');
SELECT coordinator_action FROM kam.kam_request('meet-touched', 'outbound', 'touch', 'x', 'email', 'AGT-301', 1, '{"content": "Sent by the gate"}');
SELECT coordinator_action, event_id AS failed FROM kam.kam_request('meet-touched', 'outbound', 'touch', 'x', 'phone', 'AGT-301', 2) \gset
INSERT INTO kam.CadenceEventLog (lead_id, event_type, parent_event_id) VALUES ('meet-touched', 'send_failed', :failed);
SELECT coordinator_action, event_id AS failed FROM kam.kam_request('meet-touched', 'transactional', 'touch', 'bill', 'email', 'billing', NULL, '{"content": "Never left"}') \gset
INSERT INTO kam.CadenceEventLog (lead_id, event_type, parent_event_id) VALUES ('meet-touched', 'send_failed', :failed);
-- What was refused is no touch either.
SELECT coordinator_action FROM kam.kam_request('meet-touched', 'outbound', 'touch', 'x', 'email', 'AGT-301', 1);
-- What came after the moment the run judges from is not known to it.
SET kam.clock = '2026-03-12 10:00+01';
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, channel, occurred_at) VALUES ('meet-touched', 'outbound', 'touch_observed', 'email', '2026-03-11 10:00:01+01');
RESET kam.clock;
SELECT pg_temp.with_info(pg_temp.contact(
	pg_temp.act('email', '2026-02-10T10:01:00', 'outbound', 'The same, as the mailbox has it'),
	pg_temp.act('call', '2026-02-11T10:00:00+01:00', 'outbound', 'A call of that time'),
	pg_temp.act('email', '2026-02-11T10:01:01+01:00', 'outbound', 'Another')), '{"hubspot_id": "meet-touched", "big": 12345678901234567890.000}') AS c \gset
SELECT pg_temp.run(:'c') AS s \gset
SELECT a ->> 'activity_type' AS type, a ->> 'recorded_on' AS recorded_on, a ->> 'direction' AS direction, a #>> '{metadata,subject}' AS subject,
       a #>> '{metadata,body}' AS body, a #>> '{metadata,owner}' AS owner, jsonb_typeof(a #> '{metadata,event_id}') AS event
  FROM kam.request r CROSS JOIN LATERAL jsonb_array_elements(r.contact -> 'activities') WITH ORDINALITY e (a, n) WHERE r.session_id = :'s' ORDER BY n;
SELECT r.contact #- '{activities}' = :'c'::jsonb #- '{activities}' AS rest_as_given, r.contact #>> '{contact_info,big}' AS every_digit FROM kam.request r WHERE r.session_id = :'s';
-- A colleague's touch is seen.
CALL kam.kam_wait(:'s') \gset
SELECT x #>> '{facts,last_inbound_at,value}' AS last_inbound, x #>> '{facts,last_outbound_at,value}' AS last_outbound, x #>> '{plan,rule}' AS rule,
       x #>> '{decision,final_decision,action}' AS action FROM kam.kam_explain(:'s') x;
-- A contact without anything new stays as it is; so does one without a lead, or with one that has no history.
SELECT kam._with_touches(contact, 'meet-touched', '2026-03-11 10:00+01') = contact AS unchanged FROM kam.request WHERE session_id = :'s';
SELECT kam._with_touches(:'c', NULL, '2026-03-11 10:00+01') = :'c' AS no_lead, kam._with_touches(:'c', 'crm-77', '2026-03-11 10:00+01') = :'c' AS no_history,
       kam._with_touches('{"activities": 3}', 'meet-touched', '2026-03-11 10:00+01') AS unreadable;
-- A table that a CRM is synced into: the same.
CREATE TABLE pg_temp.crm (id text, contact jsonb);
CREATE TRIGGER kam AFTER INSERT OR UPDATE ON pg_temp.crm FOR EACH ROW EXECUTE FUNCTION kam.kam_run_on_change('contact', 'debounce=1 h', 'key=id');
INSERT INTO pg_temp.crm VALUES ('row 1', :'c');
SELECT r.lead_id, r.status, jsonb_array_length(r.contact -> 'activities') - jsonb_array_length(:'c'::jsonb -> 'activities') AS added
  FROM kam.request r WHERE r.status = 'queued' AND r.lead_id = 'meet-touched';
UPDATE pg_temp.crm SET contact = jsonb_set(contact, '{contact_info}', contact -> 'contact_info' || '{"hubspot_id": "nobody", "email": "touched@argelia.example", "job_title": "CEO"}');
SELECT r.lead_id, r.status, jsonb_array_length(r.contact -> 'activities') - jsonb_array_length(:'c'::jsonb -> 'activities') AS added
  FROM kam.request r WHERE r.status = 'queued' AND r.lead_id = 'meet-touched';
DELETE FROM kam.request WHERE status = 'queued' AND lead_id = 'meet-touched';
DROP TABLE pg_temp.crm;

-- At most the latest hundred.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, channel, occurred_at)
SELECT 'meet-was', 'outbound', 'touch_observed', 'email', '2025-01-01 10:00+01'::timestamptz + i * interval '3 hours' FROM generate_series(1, 130) i;
SELECT jsonb_array_length(kam._touches('meet-touched', '2026-03-11 10:00+01')) AS touches,
       kam._touches('meet-touched', '2026-03-11 10:00+01') -> 99 ->> 'recorded_on' AS latest;

-- Leave nothing that other tests would find.
DELETE FROM kam.request WHERE session_id IN (:'a', :'b', :'c_run', :'s') OR session_id IN (SELECT session_id FROM pg_temp.cases);
DELETE FROM kam.Suppression WHERE address LIKE '%meet%' OR address = '+33612345604';
DELETE FROM kam.Leads WHERE merged_into IS NOT NULL AND lead_id LIKE 'meet-%';
DELETE FROM kam.Leads WHERE lead_id LIKE 'meet-%' OR lead_id IN ('4711', 'm1', 'm6', 'm7', 'm8');
