-- A week in the life of ten leads, under the Cadence Coordinator.
--
--   psql -X -q -f examples/cadence.sql        as superuser, in a database with kam (CREATE EXTENSION kam)
--
-- Every touch is an INSERT into kam.CadenceEventLog; the verdict comes back in the row.  The clock stands where kam.clock puts it, and kam_tick() does
-- what the worker does by itself.  All is one transaction: an error leaves nothing behind, a second run stops at the first lead that is there already.
-- With kam.schedules on, the worker then finds holds that are long overdue by the real clock, and expires them.
-- examples/cadence.out is what it prints.
\set ON_ERROR_STOP on
\encoding UTF8
\pset footer off
\pset linestyle ascii
\pset null ''
SET client_min_messages = warning;
\o /dev/null
BEGIN;
SET LOCAL timezone = 'Europe/Paris';
SET LOCAL search_path = kam, pg_catalog;

-- ---- what a CRM sync writes ---------------------------------------------------------

SET LOCAL kam.clock = '2026-03-02 08:00+01';

INSERT INTO Reps (rep_id, name, manager_id, time_zone) VALUES
	('camille', 'Camille Roussel', 'nadia', 'Europe/Paris'),
	('paul', 'Paul Mercier', 'nadia', 'Europe/Paris'),
	('nadia', 'Nadia Haddad', NULL, 'Europe/Paris');
INSERT INTO Accounts (account_id, name, icp_tier, abm_active) VALUES
	('valmont', 'Valmont Fours', 'T1', false),
	('borealis', 'Borealis Alu', 'T1', true),			-- in account-based marketing
	('hexa', 'Hexa Plastics', 'T2', false),
	('nordmetal', 'Nordmetall', 'T3', false);
INSERT INTO Leads (lead_id, full_name, account_id, email, owner_id, sales_signal_at, marketing_signal_at) VALUES
	('w-ines', 'Inès Carpentier', 'valmont', 'ines@valmont.example', 'camille', NULL, NULL),
	('w-marc', 'Marc Delcourt', 'valmont', 'marc@valmont.example', 'camille', NULL, '2026-02-27 15:00+01'),
	('w-sofia', 'Sofia Lindqvist', 'hexa', 'sofia@hexa.example', 'camille', '2026-02-10 10:00+01', '2026-02-26 10:00+01'),
	('w-tom', 'Tom Okafor', 'hexa', 'tom@hexa.example', 'camille', '2026-02-25 11:00+01', '2026-01-15 11:00+01'),
	('w-lena', 'Lena Vogt', 'nordmetal', 'lena@nordmetall.example', 'camille', NULL, NULL),
	('w-pierre', 'Pierre Aubry', 'borealis', 'pierre@borealis.example', 'camille', NULL, NULL),
	('w-anna', 'Anna Keller', 'hexa', 'Anna Keller <anna@hexa.example>', 'camille', NULL, NULL),
	('w-karl', 'Karl Braun', 'valmont', 'karl@valmont.example', 'camille', NULL, NULL),
	('w-yuki', 'Yuki Tanaka', NULL, 'yuki@tanaka-works.example', NULL, NULL, NULL),		-- no account, so no tier
	('w-thomas', 'Thomas Okafor', 'hexa', 't.okafor@hexa.example', 'camille', NULL, NULL);	-- Tom once more, as it will turn out
-- Ten others, for one rep's backlog.
INSERT INTO Leads (lead_id, full_name, account_id, email, owner_id)
SELECT 'x-' || n, 'Prospect ' || n, 'hexa', 'prospect' || n || '@hexa.example', 'paul' FROM generate_series(1, 10) n;

-- ---- Monday, 2 March -------------------------------------------------------------------

SET LOCAL kam.clock = '2026-03-02 09:00+01';

-- An enrolment with its plan: kam_tick() executes each step when it is due.  Others ask for their touches themselves.
SELECT * FROM kam_enrol('w-ines', 'outbound', '[
	{"day": 0, "at": "09:30", "channel": "email", "content": "Bonjour {{full_name}}, vos fours à induction …"},
	{"day": 1, "at": "10:00", "channel": "linkedin", "content": "Invitation"},
	{"day": 3, "at": "10:00", "channel": "phone"},
	{"day": 4, "at": "09:00", "channel": "email", "content": "Une dernière question"}]', 'AGT-301', 'ines-out');
-- The same as plain INSERTs.  Pierre's account is in account-based marketing: no nurture, but a sequence of its own.
INSERT INTO CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, originating_agent) VALUES
	('w-marc', 'newsletter', 'activation', 'marc-news', 'AGT-304'),
	('w-sofia', 'nurture', 'activation', 'sofia-nurture', 'AGT-304'),
	('w-tom', 'outbound', 'activation', 'tom-out', 'AGT-301'),
	('w-tom', 'newsletter', 'activation', 'tom-news', 'AGT-304'),
	('w-lena', 'newsletter', 'activation', 'lena-news', 'AGT-304'),
	('w-pierre', 'nurture', 'activation', 'pierre-nurture', 'AGT-304'),
	('w-pierre', 'abm', 'activation', 'pierre-abm', 'AGT-203'),
	('w-anna', 'outbound', 'activation', 'anna-out', 'AGT-301'),
	('w-karl', 'outbound', 'activation', 'karl-out', 'AGT-301'),
	('w-yuki', 'newsletter', 'activation', 'yuki-news', 'AGT-304'),
	('w-yuki', 'outbound', 'activation', 'yuki-out', 'AGT-301');
INSERT INTO CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, originating_agent)
SELECT 'x-' || n, 'outbound', 'activation', 'x-' || n || '-out', 'AGT-301' FROM generate_series(1, 10) n ORDER BY 'x-' || n;

SET LOCAL kam.clock = '2026-03-02 09:30+01';
SELECT kam_tick();																		-- Inès's first step
SELECT * FROM kam_request('w-anna', 'outbound', 'touch', 'anna-out', 'email', 'AGT-301', 0, idempotency_key => 'anna-out/0');
SELECT * FROM kam_request('w-anna', 'outbound', 'touch', 'anna-out', 'email', 'AGT-301', 0, idempotency_key => 'anna-out/0');	-- a retry: the same row
INSERT INTO CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel, originating_agent) VALUES
	('w-karl', 'outbound', 'touch', 'karl-out', 0, 'email', 'AGT-301'),
	('w-pierre', 'abm', 'touch', 'pierre-abm', 0, 'email', 'AGT-203');

-- ---- Tuesday ---------------------------------------------------------------------------------

SET LOCAL kam.clock = '2026-03-03 10:00+01';
SELECT kam_tick();																		-- Inès's second: she has one touch left, her rep is told
INSERT INTO CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel, originating_agent) VALUES
	('w-marc', 'outbound', 'activation', 'marc-out', NULL, NULL, 'AGT-301'),			-- T1: sales wins, whatever is fresher
	('w-sofia', 'outbound', 'activation', 'sofia-out', NULL, NULL, 'AGT-301'),			-- T2: marketing is fresher
	('w-lena', 'outbound', 'activation', 'lena-out', NULL, NULL, 'AGT-301');			-- T3: never sales
INSERT INTO CadenceEventLog (lead_id, event_type, originating_agent, payload) VALUES
	('w-karl', 'bounce', 'mail server', '{"type": "hard"}'),
	('w-pierre', 'out_of_office', 'mail server', '{"until": "2026-03-06"}');

SET LOCAL kam.clock = '2026-03-03 18:00+01';
SELECT kam_tick();

-- ---- Wednesday ---------------------------------------------------------------------------------

SET LOCAL kam.clock = '2026-03-04 10:00+01';
SELECT kam_tick();																		-- Tom's newsletter is judged again: refused
INSERT INTO CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel, originating_agent) VALUES
	('w-marc', 'outbound', 'touch', 'marc-out', 0, 'email', 'AGT-301'),
	('w-marc', 'outbound', 'touch', 'marc-out', 0, 'email', 'AGT-301'),					-- that step went out a moment ago
	('w-tom', 'outbound', 'touch', 'tom-out', 0, 'email', 'AGT-301');
-- A rep's own mail, found in the mailbox: a fact, counted where it happened.
INSERT INTO CadenceEventLog (lead_id, event_type, channel, originating_agent, occurred_at) VALUES
	('w-thomas', 'touch_observed', 'email', 'camille', '2026-03-03 17:40+01'),
	('w-thomas', 'touch_observed', 'phone', 'camille', '2026-03-04 09:20+01');
UPDATE Leads SET sales_signal_at = '2026-03-04 11:15+01' WHERE lead_id = 'w-sofia';		-- the sync: she took a call

SET LOCAL kam.clock = '2026-03-04 14:00+01';
SELECT kam_unsubscribe('anna@hexa.example', 'link');									-- Anna clicked on "unsubscribe"
SELECT * FROM kam_request('w-anna', 'outbound', 'touch', 'anna-out', 'email', 'AGT-301', 1);
SELECT * FROM kam_request('w-anna', 'transactional', 'touch', NULL, 'email', 'billing');

-- ---- Thursday ----------------------------------------------------------------------------------

SET LOCAL kam.clock = '2026-03-05 10:00+01';
SELECT kam_tick();																		-- Sofia: sales is fresher now; Inès's third step
INSERT INTO CadenceEventLog (lead_id, event_type, sequence_type, sequence_id, channel, originating_agent, payload) VALUES
	('w-marc', 'reply', 'outbound', 'marc-out', 'email', 'mail server', '{"body": "Appelez-moi lundi."}');
SELECT kam_unsubscribe('tanaka-works.example', 'legal');								-- a whole company
SELECT kam_merge_leads('w-thomas', 'w-tom');											-- two rows, one person: three touches this week

SET LOCAL kam.clock = '2026-03-05 10:05+01';
SELECT kam_tick();																		-- Marc's newsletter goes on; Yuki's sequences end

-- ---- Friday ------------------------------------------------------------------------------------

SET LOCAL kam.clock = '2026-03-06 09:00+01';
SELECT kam_tick();																		-- Pierre is back; Inès's fourth within 7 days is held
INSERT INTO CadenceEventLog (lead_id, sequence_type, event_type, sequence_id, step, channel, originating_agent) VALUES
	('w-ines', 'transactional', 'touch', NULL, NULL, 'email', 'billing'),				-- an invoice
	('w-thomas', 'outbound', 'touch', 'tom-out', 1, 'email', 'AGT-301'),				-- asked for under the old id
	('w-yuki', 'newsletter', 'activation', 'yuki-again', NULL, NULL, 'AGT-304');
UPDATE Leads SET opt_out_flag = true WHERE lead_id = 'w-karl';							-- the sync: he wants nothing any more
SELECT * FROM kam_request('w-karl', 'nurture', 'activation', NULL, NULL, 'AGT-304');
-- Before his holiday Paul pauses all he has.
INSERT INTO CadenceEventLog (lead_id, event_type, sequence_id, originating_agent)
SELECT 'x-' || n, 'pause', 'x-' || n || '-out', 'paul' FROM generate_series(1, 10) n ORDER BY 'x-' || n;
SELECT kam_tick();

-- ---- the weekend: the schedules go on ------------------------------------------------------------------

SET LOCAL kam.clock = '2026-03-06 17:00+01';
SELECT kam_tick();
SET LOCAL kam.clock = '2026-03-08 18:00+01';
SELECT kam_tick();																		-- Tom's newsletter, refused for the third time: people are asked

-- ---- Monday, 9 March -------------------------------------------------------------------------------

SET LOCAL kam.clock = '2026-03-09 09:29+01';
SELECT kam_tick();																		-- Inès's first touch still counts, for a minute; Lena's newsletter stalls
SET LOCAL kam.clock = '2026-03-09 09:30+01';
SELECT kam_tick();

-- ---- what became of it -------------------------------------------------------------------------------

\o
\echo Verdicts: who asked for what, what became of it, why, and when to look again
SELECT to_char(e.event_at, 'Dy DD HH24:MI') AS "when", coalesce(l.full_name, e.lead_id) AS lead, e.originating_agent AS "by",
       concat_ws(' ', e.requested_event_type, e.sequence_type, e.step, e.channel) AS asked, CASE WHEN e.event_type IN ('cancelled', 'expired') THEN e.event_type ELSE e.coordinator_action END AS verdict,
       concat_ws(': ', e.suppressed_reason, coalesce(e.resolution, nullif(e.compliance_status, 'clear'))) AS why,
       to_char(e.release_at, 'Dy DD HH24:MI') AS next
  FROM CadenceEventLog e LEFT JOIN Leads l USING (lead_id)
 WHERE e.lead_id LIKE 'w-%'
 ORDER BY e.event_id;

\echo What still waits (held_queue)
SELECT lead_id, requested_event_type AS asked, sequence_id, reason, rounds, to_char(next_allowed_at, 'Dy DD HH24:MI') AS next_allowed,
       to_char(expires_at, 'Dy DD HH24:MI') AS expires
  FROM held_queue WHERE lead_id LIKE 'w-%' ORDER BY next_allowed_at, event_id;

\echo Touches left (touch_headroom)
SELECT lead_id, touch_count, remaining, to_char(next_slot_at, 'Dy DD HH24:MI') AS next_slot, to_char(last_touch_at, 'Dy DD HH24:MI') AS last_touch
  FROM touch_headroom WHERE lead_id LIKE 'w-%' AND touch_count > 0 ORDER BY lead_id;

\echo What was not let through at once, and what became of it (suppression_audit)
SELECT lead_id, gate, originating_agent AS "by", suppressed_reason, coalesce(resolution, nullif(compliance_status, 'clear')) AS because,
       outcome, outcome_reason, to_char(outcome_at, 'Dy DD HH24:MI') AS at
  FROM suppression_audit WHERE lead_id LIKE 'w-%' AND gate IS NOT NULL ORDER BY event_id;

\echo Flags, and who was told
SELECT to_char(f.opened_at, 'Dy DD HH24:MI') AS opened, to_char(f.closed_at, 'Dy DD HH24:MI') AS closed, f.kind, coalesce(f.lead_id, f.rep_id) AS about,
       f.sequence_id, (SELECT string_agg(n.recipient, ', ' ORDER BY n.recipient) FROM notification n WHERE n.payload ->> 'flag_id' = f.flag_id::text) AS told
  FROM CadenceFlag f
 WHERE f.lead_id LIKE 'w-%' OR f.rep_id = 'paul'
 ORDER BY f.opened_at, f.flag_id;

\echo Why does nobody write to Tom? (kam_why, in part)
SELECT jsonb_pretty(jsonb_build_object('merged_from', w -> 'merged_from', 'touches', (w -> 'touches') - '{list,window_hours}'::text[],
           'holds', (SELECT jsonb_agg(jsonb_build_object('waits', concat_ws(' ', h ->> 'requested', h ->> 'sequence_id'), 'reason', h -> 'reason',
                                                         'release_at', h -> 'release_at') ORDER BY h -> 'event_id') FROM jsonb_array_elements(w -> 'holds') h))) AS kam_why
  FROM kam_why('w-tom') w;

\echo What would the gates say to one more mail to Tom, each by itself? (kam_gate)
SELECT g.gate, g.name, CASE WHEN g.passes THEN 'passes' ELSE g.coordinator_action END AS says, g.suppressed_reason, to_char(g.release_at, 'Dy DD HH24:MI') AS next
  FROM kam_gate('w-tom', 'nurture', 'touch', 'tom-out') k, jsonb_to_recordset(k.gates) AS g (gate int, name text, passes boolean, coordinator_action text,
       suppressed_reason text, release_at timestamptz);
\o /dev/null
COMMIT;
