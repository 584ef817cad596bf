-- A send rule that requires a consent: with one the message leaves; without, it becomes the rep's task, and the touch stands.
BEGIN;
SET LOCAL kam.clock = '2026-03-02T09:00:00Z';
INSERT INTO kam.endpoint (endpoint, kind, topics) VALUES ('whatsapp', 'webhook', '{}');
INSERT INTO kam.SendRule (sequence_type, channel, mode, requires_consent) VALUES ('newsletter', 'whatsapp', 'auto_send', true), ('event', 'whatsapp', 'both', true);
INSERT INTO kam.Leads (lead_id, owner_id, phone) VALUES ('yes', 'consent-rep', '+33611223344'), ('no', 'consent-rep', '+33611223355'), ('both', 'consent-rep', '+33611223366');
SELECT kam.kam_record_consent('yes', 'newsletter', 'whatsapp', 'consent', 'web_form') > 0 AS recorded;
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type)
VALUES ('yes', 'S', 'newsletter', 'activation'), ('no', 'S', 'newsletter', 'activation'), ('both', 'S', 'event', 'activation');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, channel, payload)
VALUES ('yes', 'S', 'newsletter', 'touch', 'whatsapp', '{"message": "hello"}'), ('no', 'S', 'newsletter', 'touch', 'whatsapp', '{"message": "hello"}'),
       ('both', 'S', 'event', 'touch', 'whatsapp', '{"message": "hello"}')
RETURNING lead_id, coordinator_action;

SELECT (SELECT n.lead_id FROM kam.notification n WHERE n.notification_id = t.notification_id) AS leaves, body::jsonb -> 'type' AS type, body::jsonb #> '{data,to,phone}' AS "to"
  FROM kam._outbox_take('whatsapp', 10) t;
SELECT lead_id, recipient, status, payload FROM kam.notification WHERE lead_id IN ('yes', 'no', 'both') AND topic = 'touch' ORDER BY lead_id, notification_id;
SELECT lead_id, channel, payload ->> 'reason' AS why_yours FROM kam.kam_inbox('consent-rep') WHERE topic = 'touch' ORDER BY lead_id;
-- The slot is the rep's: nothing failed.
SELECT count(*) FILTER (WHERE counted) AS counted, count(*) FILTER (WHERE event_type = 'send_failed') AS failed FROM kam.CadenceEventLog WHERE lead_id IN ('yes', 'no', 'both');

-- Withdrawn while it waits for another try.
SELECT cardinality(kam._outbox_settle(array_agg(notification_id), '{none}', '{503}', '{f}', '{NULL}', '{busy}')) AS later FROM kam._delivery;
UPDATE kam.delivery_state SET retry_at = NULL;
SELECT kam.kam_withdraw_consent('yes', 'preference_page', 'newsletter', 'whatsapp') > 0 AS withdrawn;
SELECT count(*) FROM kam._outbox_take('whatsapp', 10);
SELECT recipient, status, attempts FROM kam.notification WHERE lead_id = 'yes' AND topic = 'touch';
ROLLBACK;
