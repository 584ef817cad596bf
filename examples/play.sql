-- A play, from a brain's draft to the quarter's retrospective, under the Cadence Coordinator.
--
--   psql -X -q -f examples/play.sql        as superuser, in a database with kam (CREATE EXTENSION kam)
--
-- A brain agent (AGT-902) drafts a play, a person looks at the preview and promotes it, and the schedules do the rest: they enrol the leads that match and
-- execute each step at its time, through the gates.  The clock stands where kam.clock puts it, and kam_tick() does what the worker does by itself.
-- All is one transaction.  examples/play.out is what it prints.
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

INSERT INTO Reps (rep_id, name, time_zone) VALUES ('p-camille', 'Camille Roussel', 'Europe/Paris');
INSERT INTO Accounts (account_id, name, icp_tier, owner_id, attributes) VALUES
	('p-valmont', 'Valmont Fours', 'T1', 'p-camille', '{"sites": 6}'),
	('p-hexa', 'Hexa Plastics', 'T2', 'p-camille', '{"sites": 4}'),
	('p-nordmetal', 'Nordmetall', 'T3', 'p-camille', '{"sites": 9}'),		-- no tier for sales
	('p-small', 'Atelier Vidal', 'T1', 'p-camille', '{"sites": 1}');		-- too small for this play
INSERT INTO Leads (lead_id, full_name, account_id, email, owner_id, unsubscribe_flag, attributes) VALUES
	('p-ines', 'Inès Carpentier', 'p-valmont', 'ines@valmont.example', 'p-camille', false, '{"first_name": "Inès"}'),
	('p-marc', 'Marc Delcourt', 'p-valmont', 'marc@valmont.example', 'p-camille', false, '{"first_name": "Marc"}'),
	('p-sofia', 'Sofia Lindqvist', 'p-hexa', 'sofia@hexa.example', 'p-camille', false, '{"first_name": "Sofia"}'),
	('p-anna', 'Anna Keller', 'p-hexa', 'anna@hexa.example', 'p-camille', true, '{"first_name": "Anna"}'),
	('p-lena', 'Lena Vogt', 'p-nordmetal', 'lena@nordmetall.example', 'p-camille', false, '{"first_name": "Lena"}'),
	('p-paul', 'Paul Vidal', 'p-small', 'paul@vidal.example', 'p-camille', false, '{"first_name": "Paul"}');
-- Two touches that Marc had last week from elsewhere count too.
INSERT INTO CadenceEventLog (lead_id, sequence_type, event_type, channel, occurred_at) VALUES
	('p-marc', 'outbound', 'touch_observed', 'email', '2026-02-25 15:00+01'),
	('p-marc', 'outbound', 'touch_observed', 'phone', '2026-02-26 11:00+01');

-- ---- a brain drafts --------------------------------------------------------------------

INSERT INTO BrainAnalysisLog (proposal_id, agent, analysis) VALUES
	('p-proposal-17', 'AGT-902', '{"finding": "accounts with several sites close twice as often after a visit"}');
INSERT INTO SalesPlayLibrary (play_id, name, originating_proposal_id, active_period_start, active_period_end, target_definition, suggested_cadence) VALUES
	('p-sites', 'Several sites', 'p-proposal-17', '2026-03-02 08:00+01', '2026-03-27 18:00+01', '{"match": "$.account.attributes.sites >= 3"}', '{"sequence_type": "play", "steps": [
		{"day": 0, "channel": "email", "subject": "{{account.name}}", "content": "Bonjour {{first_name|à vous}}, comment comparez-vous vos sites ?"},
		{"day": 1, "at": "10:30", "channel": "linkedin", "content": "Une visite de {{account.name}} ?"},
		{"day": 2, "channel": "email", "content": "{{first_name}}, voici l''exemple promis."}]}');

\o
\echo Who would be enrolled, and who not? (kam_play_preview of the draft; it writes nothing)
SELECT p ->> 'matching' AS matching, p -> 'allowed_lead_ids' AS allowed, b ->> 'gate' AS gate, b ->> 'reason' AS reason, b ->> 'resolution' AS because, b -> 'lead_ids' AS blocked
  FROM kam_play_preview('p-sites') p LEFT JOIN LATERAL jsonb_array_elements(p -> 'blocked_by') b ON true;
\o /dev/null

-- ---- a person promotes -----------------------------------------------------------------

SELECT kam_promote_play('p-sites', 'Nadia Haddad');

-- ---- Monday to Wednesday -----------------------------------------------------------------

SET LOCAL kam.clock = '2026-03-02 09:00+01';
SELECT kam_tick();					-- enrols, and executes the first steps
SET LOCAL kam.clock = '2026-03-02 16:20+01';
INSERT INTO CadenceEventLog (lead_id, sequence_id, event_type, payload) VALUES ('p-sofia', 'play-p-sites', 'reply', '{"body": "Avec plaisir, appelez-moi."}');	-- it stops hers
SET LOCAL kam.clock = '2026-03-03 10:30+01';
SELECT kam_tick();					-- Marc's second step is his fourth touch in seven days
SET LOCAL kam.clock = '2026-03-04 15:00+01';
SELECT kam_tick();					-- Marc's slot is free; Inès gets the third
SET LOCAL kam.clock = '2026-03-05 15:00+01';
SELECT kam_tick();					-- and Marc, a day later than planned
SET LOCAL kam.clock = '2026-03-06 15:00+01';
SELECT kam_tick();

-- ---- what became of it -------------------------------------------------------------------------------

\o
\echo What the play asked for, and what the gates said
SELECT to_char(e.event_at, 'Dy DD HH24:MI') AS "when", l.full_name AS lead, concat_ws(' ', coalesce(e.requested_event_type, e.event_type), e.step, e.channel) AS asked,
       CASE WHEN e.event_type = 'complete' THEN 'completed' ELSE e.coordinator_action END AS verdict,
       concat_ws(': ', e.suppressed_reason, coalesce(e.resolution, nullif(e.compliance_status, 'clear'))) AS why,
       to_char(e.release_at, 'Dy DD HH24:MI') AS next, e.payload ->> 'message' AS message
  FROM CadenceEventLog e JOIN Leads l USING (lead_id)
 WHERE e.lead_id LIKE 'p-%' AND e.event_type <> 'touch_observed'
 ORDER BY e.event_at, e.event_id;

\echo The story of Marc (kam_why)
SELECT s AS story FROM jsonb_array_elements_text(kam_why('p-marc') -> 'story') s;

\echo What worked (cadence_intelligence)
SELECT play_id, channel, step, sum(requested) AS requested, sum(executed) AS executed, sum(held) AS held, sum(replies) AS replies
  FROM cadence_intelligence WHERE play_id = 'p-sites' AND step IS NOT NULL GROUP BY play_id, channel, step ORDER BY step, channel;

-- ---- the quarter's end ---------------------------------------------------------------------------------

\o /dev/null
INSERT INTO Opportunities (opportunity_id, account_id, lead_id, status, amount, currency, created_at, closed_at) VALUES
	('p-1', 'p-valmont', 'p-ines', 'WON', 48000, 'EUR', '2026-03-06 10:00+01', '2026-03-27 10:00+01'),
	('p-2', 'p-hexa', 'p-sofia', 'LOST', 21000, 'EUR', '2026-03-04 10:00+01', '2026-03-24 10:00+01');
\o
\echo The quarter, by cohort (cohort_retrospective)
SELECT quarter, cohort, n, won, win_rate, win_rate_low AS low, win_rate_high AS high, median_cycle_days AS days, mean_acv, note FROM cohort_retrospective ORDER BY quarter, cohort;
\o /dev/null
COMMIT;
