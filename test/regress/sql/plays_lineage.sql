-- The play and its proposal on every event of an enrolment, and on what other services write.
\set home :DBNAME
SET client_min_messages = error;
DROP DATABASE IF EXISTS regress_lineage;
CREATE DATABASE regress_lineage TEMPLATE template0 ENCODING 'UTF8';
\c regress_lineage
CREATE EXTENSION kam;
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set ECHO none
SET timezone = 'UTC';
SET client_min_messages = warning;
SELECT set_config('kam.clock', '2026-03-02T09:00:00Z', false) IS NULL AS nothing \gset
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql AS $$ SELECT set_config('kam.clock', at, false) $$;
CREATE FUNCTION pg_temp.tick() RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(jsonb_object_agg(r.key, r.value) FILTER (WHERE r.value::text NOT IN ('0', '{}', '[]', 'false') AND r.key NOT IN ('more', 'opened', 'closed')), '{}')
	  FROM jsonb_each(kam.kam_tick()) r
$$;
CREATE TEMP VIEW log AS
	SELECT e.lead_id, e.event_type, e.requested_event_type AS asked, e.coordinator_action AS action, e.sequence_id AS sequence, e.enrolment_no AS no, e.play_id AS play, e.originating_proposal_id AS proposal
	  FROM kam.CadenceEventLog e ORDER BY e.event_id;
\set ECHO all
INSERT INTO kam.BrainAnalysisLog (proposal_id, agent) VALUES ('B', 'AGT-901'), ('C', 'AGT-902');
INSERT INTO kam.SalesPlayLibrary (play_id, originating_proposal_id, target_definition, suggested_cadence)
VALUES ('brain', 'B', '{"match": "$.attributes.b == 1"}', '{"steps": [{"day": 60, "channel": "email", "content": "Hello"}]}'),
       ('human', NULL, '{"match": "$.attributes.h == 1"}', '{"steps": [{"day": 60, "channel": "email", "content": "Hello"}]}');
SELECT (kam.kam_promote_play(p, 'jane')).state FROM unnest('{brain,human}'::text[]) p;
INSERT INTO kam.Leads (lead_id, email, icp_tier, attributes) VALUES ('b', 'b@example.com', 'T1', '{"b": 1}'), ('c', 'c@example.com', 'T1', '{"b": 1}'), ('d', 'd@example.com', 'T1', '{"b": 1}'),
	('h', 'h@example.com', 'T1', '{"h": 1}'), ('n', 'n@example.com', 'T1', '{}');
SELECT pg_temp.tick();

-- ---- touches, holds, their releases and ends, a loser's deferral, facts of all kinds
SELECT coordinator_action FROM kam.kam_enrol('b', 'nurture', '[]', 'AGT-304', 'news');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) SELECT 'b', 'play-brain', 'play', 'touch' FROM generate_series(1, 7);
SELECT pg_temp.clock('2026-03-10T09:00:00Z');
SELECT pg_temp.tick();
SELECT kam.kam_cancel_held(lead_id, event_id) FROM kam.CadenceQueue WHERE state = 'waiting' AND kind = 'held';
INSERT INTO kam.CadenceEventLog (lead_id, event_type, payload) VALUES ('b', 'out_of_office', '{"until": "2026-03-12"}');
SELECT pg_temp.clock('2026-03-12T12:00:00Z');
SELECT pg_temp.tick();
INSERT INTO kam.CadenceEventLog (lead_id, event_type) VALUES ('b', 'reply');
-- Late: the enrolment has ended.
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('b', 'play-brain', 'play', 'meeting_booked');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('c', 'play-brain', 'play', 'pause');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type) VALUES ('c', 'play-brain', 'play', 'reply');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step) VALUES ('c', 'play-brain', 'play', 'touch', 9);
-- Touches by others, and those of no sequence, are not the play's.
INSERT INTO kam.CadenceEventLog (lead_id, event_type, sequence_type) VALUES ('d', 'touch_observed', 'outbound');
INSERT INTO kam.CadenceEventLog (lead_id, event_type) VALUES ('d', 'bounce'), ('h', 'opt_out'), ('n', 'reply');
SELECT * FROM log;

-- ---- what the caller says counts where no enrolment says otherwise, and must not contradict the play
INSERT INTO kam.CadenceEventLog (lead_id, event_type, play_id) VALUES ('n', 'reply', 'brain') RETURNING play_id, originating_proposal_id;
SELECT pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, event_type, play_id, originating_proposal_id) VALUES ('n', 'reply', 'human', 'B')$$);
SELECT pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, event_type, play_id, originating_proposal_id) VALUES ('n', 'reply', 'brain', 'C')$$);
SELECT pg_temp.refused($$INSERT INTO kam.CadenceEventLog (lead_id, event_type, play_id) VALUES ('n', 'reply', 'none')$$);

-- ---- the services: inherited, never contradicted
INSERT INTO kam.Accounts (account_id) VALUES ('acc');
CREATE FUNCTION pg_temp.services() RETURNS TABLE (service text, key text) LANGUAGE sql AS $$
	VALUES ('ABMPlaybook', 'playbook_id'), ('ExpansionLog', 'expansion_id'), ('QBRLog', 'qbr_id'), ('OpportunityBriefLog', 'brief_id'), ('CommBriefLog', 'brief_id'),
	       ('NurtureRecommendations', 'recommendation_id'), ('Opportunities', 'opportunity_id') $$;
CREATE FUNCTION pg_temp.put(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE said text;
BEGIN
	EXECUTE statement || ' RETURNING concat_ws('' '', coalesce(play_id, ''-''), coalesce(originating_proposal_id, ''-''))' INTO said;
	RETURN said;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT s.service, v.play, v.proposal, pg_temp.put(format('INSERT INTO kam.%I (%I, play_id, originating_proposal_id) VALUES (%L, %L, %L)', lower(s.service), s.key, v.n, v.play, v.proposal))
  FROM pg_temp.services() s, (VALUES (1, 'brain', NULL), (2, 'human', NULL), (3, NULL, NULL), (4, 'brain', 'B'), (5, NULL, 'B'), (6, 'brain', 'C'), (7, 'human', 'B'), (8, 'none', NULL)) v (n, play, proposal)
 ORDER BY s.service, v.n;
SELECT s.service, pg_temp.put(format('UPDATE kam.%I SET play_id = %L WHERE %I = %L', lower(s.service), 'human', s.key, '1')) AS another_play,
       pg_temp.put(format('UPDATE kam.%I SET originating_proposal_id = NULL WHERE %I = %L', lower(s.service), s.key, '4')) AS cannot_be_cleared,
       pg_temp.put(format('UPDATE kam.%I SET originating_proposal_id = %L WHERE %I = %L', lower(s.service), 'C', s.key, '4')) AS contradiction
  FROM pg_temp.services() s ORDER BY s.service;
SELECT pg_temp.refused($$INSERT INTO kam.QBRLog (qbr_id, play_id, originating_proposal_id) VALUES ('x', 'human', 'B')$$);
SELECT pg_temp.refused($$INSERT INTO kam.QBRLog (qbr_id, play_id, originating_proposal_id) VALUES ('x', 'brain', 'C')$$);

-- ---- ABMPlaybook: an active row is a sequence of AGT-203's; its new columns NULL unless it names a play
INSERT INTO kam.Leads (lead_id, account_id, email) VALUES ('m1', 'acc', NULL), ('m2', 'acc', 'm2@example.com'), ('m3', 'acc', 'm3@example.com'), ('m4', NULL, 'm4@example.com');
SELECT pg_temp.refused($$INSERT INTO kam.ABMPlaybook (playbook_id, account_id, steps) VALUES ('bad', 'acc', '[{"day": 0}]')$$);
SELECT split_part(pg_temp.refused($$INSERT INTO kam.ABMPlaybook (playbook_id, state) VALUES ('bad', 'active')$$), E'\n', 1);
INSERT INTO kam.ABMPlaybook (playbook_id, account_id, steps, state) VALUES ('pb1', 'acc', '[{"day": 60, "channel": "email", "content": "Hello"}]', 'active'), ('draft', 'acc', '[]', 'draft');
INSERT INTO kam.ABMPlaybook (playbook_id, lead_id, sequence_type, state, play_id) VALUES ('pb2', 'm3', 'expansion', 'active', 'brain'), ('pb3', 'unheard', NULL, 'active', NULL);
SELECT pg_temp.tick() - 'suppressions' AS two;
SELECT pg_temp.tick() AS once;
SELECT lead_id, sequence_id, sequence_type, state, originating_agent, play_id, originating_proposal_id, jsonb_array_length(steps) AS steps FROM kam.Cadence WHERE originating_agent = 'AGT-203' ORDER BY sequence_id;
UPDATE kam.ABMPlaybook SET state = 'active' WHERE playbook_id = 'pb1';
SELECT pg_temp.tick() AS known;
UPDATE kam.ABMPlaybook SET state = 'ended' WHERE playbook_id = 'pb1';
SELECT pg_temp.tick();
SELECT sequence_id, state, end_reason FROM kam.Cadence WHERE originating_agent = 'AGT-203' ORDER BY sequence_id;
-- The lead of pb3 comes later: it is looked at each day.
INSERT INTO kam.Leads (lead_id) VALUES ('unheard');
SELECT pg_temp.clock('2026-03-13T12:00:00Z');
SELECT pg_temp.tick();

-- ---- AGT-301's: kam_enrol and an activation with steps, both columns NULL
SELECT coordinator_action, play_id, originating_proposal_id FROM kam.kam_enrol('m4', 'outbound', '[{"day": 0, "channel": "email"}]', 'AGT-301', 'own');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, originating_agent, payload)
VALUES ('n', 'activation', 'outbound', 'activation', 'AGT-301', '{"steps": [{"day": 0, "channel": "email"}]}') RETURNING coordinator_action, play_id, originating_proposal_id;
SELECT lead_id, sequence_id, steps, play_id, originating_proposal_id FROM kam.Cadence WHERE sequence_id IN ('own', 'activation') ORDER BY 1;
INSERT INTO kam.Cadence (lead_id, sequence_id, sequence_type, family, state, end_reason, play_id) VALUES ('n', 'imported', 'play', 'sales', 'finished', 'completed', 'brain') RETURNING originating_proposal_id;

\c :home
DROP DATABASE regress_lineage;
