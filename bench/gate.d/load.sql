-- bench/gate: leads, their accounts, enrolments and history.
-- Variables: leads, per_lead (rows of the log each), base (the moment of the first new touch; the newest old one is 8 days before).
--
-- Four of five leads are in a sales sequence and one in nurture; nobody is suppressed, in the wrong tier or over the cap, so that a touch is
-- executed, the dearest way through the gates.

SET search_path = kam, pg_catalog;
SET synchronous_commit = off;
SET work_mem = '256MB';
SET maintenance_work_mem = '512MB';
-- The rows are history: no trigger looks at them.
SET session_replication_role = replica;

-- The log's own indexes are made when its rows are there; the primary key stays.
CREATE TEMP TABLE later AS
SELECT c.relname, pg_get_indexdef(i.indexrelid) AS definition
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = 'cadenceeventlog'::regclass AND NOT i.indisprimary;
SELECT format('DROP INDEX %I', relname) FROM later \gexec

INSERT INTO sequence_type (sequence_type, family) VALUES ('outbound', 'sales'), ('nurture', 'marketing') ON CONFLICT DO NOTHING;
INSERT INTO SendRule (sequence_type, channel, mode) VALUES ('outbound', 'email', 'notify_rep'), ('nurture', 'email', 'auto_send') ON CONFLICT DO NOTHING;

INSERT INTO Accounts (account_id, name, icp_tier, abm_active, owner_id, attributes)
SELECT 'A' || a, 'Fonderies ' || a, CASE WHEN a % 2 = 0 THEN 'T1' ELSE 'T2' END, a % 10 = 3, 'rep-' || a % 200,
       jsonb_build_object('industry', 'metal', 'seats', a % 700, 'country', 'FR')
  FROM generate_series(1, :leads / 10) a;

INSERT INTO Leads (lead_id, account_id, full_name, job_title, email, phone, linkedin_url, owner_id, time_zone, cadence_state, active_sequence_id,
                   current_step, last_touch_at, attributes)
SELECT (1000000 + i)::text, 'A' || 1 + i % (:leads / 10), 'Camille Roussel ' || i, 'Directrice des achats', 'camille.roussel' || i || '@fonderies' || i % (:leads / 10) || '.example',
       '+336' || 10000000 + i, 'https://www.linkedin.com/in/camille-roussel-' || i, 'rep-' || i % 200, 'Europe/Paris', 'active',
       CASE WHEN i % 5 = 0 THEN 'nurture-2026-q1' ELSE 'outbound-2026-q1' END, :per_lead,
       timestamptz :'base' - interval '192 hours' - make_interval(secs => i % 86400),
       jsonb_build_object('source', 'salon', 'language', 'fr', 'seats', i % 700, 'note', repeat('x', 120))
  FROM generate_series(1, :leads) i;

INSERT INTO Suppression (address, kind, source)
SELECT 'gone' || i || '@former.example', 'email', 'unsubscribe' FROM generate_series(1, :leads / 5) i
UNION ALL
SELECT 'closed' || i || '.example', 'domain', 'unsubscribe' FROM generate_series(1, :leads / 100) i;

INSERT INTO Cadence (lead_id, sequence_id, sequence_type, family, originating_agent, state, steps, current_step, created_at, activated_at,
                     last_activity_at, stall_check_at)
SELECT (1000000 + i)::text, s.sequence_id, s.sequence_type, s.family, s.agent, 'active',
       jsonb_build_array(jsonb_build_object('day', 0, 'channel', 'email', 'content', repeat('Bonjour Camille. ', 8)),
                         jsonb_build_object('day', 4, 'channel', 'email', 'content', repeat('Et si nous en parlions ? ', 6))),
       :per_lead, timestamptz :'base' - interval '400 days', timestamptz :'base' - interval '400 days', timestamptz :'base' - interval '192 hours',
       timestamptz :'base' - interval '24 hours'
  FROM generate_series(1, :leads) i
  JOIN (VALUES (true, 'nurture-2026-q1', 'nurture', 'marketing', 'AGT-304'), (false, 'outbound-2026-q1', 'outbound', 'sales', 'AGT-301'))
       AS s (nurture, sequence_id, sequence_type, family, agent) ON s.nurture = (i % 5 = 0);

-- In the order of time, as a log grows.
SELECT format($f$INSERT INTO cadenceeventlog (lead_id, event_id, sequence_id, sequence_type, event_type, requested_event_type, step, channel,
	originating_agent, coordinator_action, touch_cap_at_event, compliance_status, idempotency_key, payload, event_at, gate_version, family, enrolment_no,
	counted, touch_at, touch_no, touch_earliest)
SELECT c.lead_id, (%1$s - 1) * %2$s + row_number() OVER (), c.sequence_id, c.sequence_type, 'touch', 'touch', %1$s, 'email', c.originating_agent, 'executed',
       least(%1$s - 1, 1), 'clear', (100000000000 + %1$s)::text, '{"content": "Bonjour Camille, votre pilote se termine vendredi : voulez-vous en parler ?"}',
       t.at, 1, c.family, 1, true, t.at, %1$s, CASE WHEN %1$s > 3 THEN t.at - interval '120 hours' END
  FROM cadence c, LATERAL (SELECT c.last_activity_at - make_interval(secs => (c.lead_id::int %% 86400)) - make_interval(hours => 96 * (%3$s - %1$s)) AS at) t$f$,
              k, :leads, :per_lead)
  FROM generate_series(1, :per_lead) k \gexec
SELECT setval(pg_get_serial_sequence('cadenceeventlog', 'event_id'), :leads::bigint * :per_lead + 1) \g /dev/null

INSERT INTO prospect_state (lead_id, last_at, touch_no, touches, sales_sequence, sales_type, sales_enrolment, sales_step,
                            marketing_sequence, marketing_type, marketing_enrolment, marketing_step)
SELECT c.lead_id, c.last_activity_at, :per_lead,
       ARRAY(SELECT c.last_activity_at - make_interval(secs => (c.lead_id::int % 86400)) - make_interval(hours => 96 * k)
               FROM generate_series(least(:per_lead, 8) - 1, 0, -1) k),
       CASE WHEN c.family = 'sales' THEN c.sequence_id END, CASE WHEN c.family = 'sales' THEN c.sequence_type END,
       CASE WHEN c.family = 'sales' THEN 1 END, CASE WHEN c.family = 'sales' THEN :per_lead END,
       CASE WHEN c.family = 'marketing' THEN c.sequence_id END, CASE WHEN c.family = 'marketing' THEN c.sequence_type END,
       CASE WHEN c.family = 'marketing' THEN 1 END, CASE WHEN c.family = 'marketing' THEN :per_lead END
  FROM cadence c;

SELECT definition FROM later \gexec
RESET session_replication_role;
-- With a row or two per lead the planner would think any index on lead_id as good as that on the key, which a log in use cannot make it think.
ALTER TABLE CadenceEventLog ALTER lead_id SET (n_distinct = -0.01);
VACUUM (FREEZE, ANALYZE) Accounts, Leads, Suppression, Cadence, CadenceEventLog, CadenceQueue, prospect_state, notification, sequence_type, SendRule;
-- All in memory before the first run: half of the indexes were never read, and a run of seconds would pay for that, not for its work.
CREATE EXTENSION pg_prewarm SCHEMA bench;
SELECT sum(bench.pg_prewarm(c.oid)) FROM pg_class c WHERE c.relnamespace = 'kam'::regnamespace AND c.relkind IN ('r', 'i', 't') \g /dev/null
