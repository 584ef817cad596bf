-- kam_replay and kam_backtest with the built-in agents: a past run again, compared, and nothing comes of it.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'Europe/Paris';
SET client_min_messages = warning;
SELECT kam.kam_run(pg_temp.example('01_inbound_question_fr'), '{"idempotency_key": "replay 1", "as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS sent \gset
SELECT kam.kam_run(pg_temp.example('10_meeting_scheduled_fr'), '{"idempotency_key": "replay 2", "as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS waits \gset
SELECT kam.kam_run(pg_temp.example('16_break_up_fr'), '{"idempotency_key": "replay 3", "as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS ends \gset
CALL kam.kam_wait(:'sent') \gset
CALL kam.kam_wait(:'waits') \gset
CALL kam.kam_wait(:'ends') \gset

-- What nobody may write to or learn from by a replay.
CREATE VIEW pg_temp.world AS
	SELECT (SELECT md5(string_agg(d::text, '' ORDER BY d.session_id)) FROM kam.final_decision d) AS decisions,
	       (SELECT md5(string_agg(s::text, '' ORDER BY s.session_id)) FROM kam.n8n_orchestrator_synthesis s) AS syntheses,
	       (SELECT md5(string_agg(e::text, '' ORDER BY e.session_id)) FROM kam.decision_evaluation e) AS evaluations,
	       (SELECT count(*) FROM kam.notification) AS notifications,
	       (SELECT count(*) FROM kam.Suppression) AS suppressions,
	       (SELECT count(*) FROM kam.CadenceEventLog) AS events,
	       (SELECT count(*) FROM kam.request WHERE rerun_at IS NOT NULL) AS reruns;
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.world;

SELECT kam.kam_replay(:'sent') AS again \gset
CALL kam.kam_wait(:'again') \gset
SELECT p.decision::text = d.decision::text AS same_to_the_byte, p.guard = d.guard AS same_guard, p.overall_score = e.overall_score AS same_score, p.verdict = e.verdict AS same_verdict
  FROM kam.replay_decision p, kam.final_decision d JOIN kam.decision_evaluation e USING (session_id) WHERE p.session_id = :'again' AND d.session_id = :'sent';
-- Made at once, without a worker, it is the same.
SELECT made -> 'decision' = d.decision AS same_decision, made -> 'guard' = d.guard AS same_guard
  FROM kam.request r JOIN kam.final_decision d USING (session_id), kam._replay_builtin(r.contact, r.as_of, r.session_id::text, '[]', d.decision, false) made WHERE r.session_id = :'sent';
SELECT r.status, r.replay_of = :'sent' AS replays, r.as_of = o.as_of AS same_moment, r.contact = o.contact AS same_contact, r.priority, r.prompts = o.prompts AS same_prompts, r.lead_id
  FROM kam.request r, kam.request o WHERE r.session_id = :'again' AND o.session_id = :'sent';
SELECT x -> 'asked' ->> 'replay_of' = :'sent' AS told, x #> '{decision,final_decision,action}' AS action, x #> '{asked,prompts,content_generator}' AS prompt, x -> 'evaluation' ->> 'verdict' AS verdict
  FROM kam.kam_explain(:'again') x;
-- A replay of a replay is one of the run behind it; another moment makes another decision.
SELECT kam.kam_replay(:'again', '{"as_of": "2026-09-11T10:00:00+02:00"}') AS later \gset
CALL kam.kam_wait(:'later') \gset
SELECT r.replay_of = :'sent' AS of_the_run, r.as_of, p.decision #>> '{metadata,processing_date}' AS judged_from, p.decision #>> '{metadata,session_id}' = :'sent' AS named
  FROM kam.request r JOIN kam.replay_decision p USING (session_id) WHERE session_id = :'later';
SELECT replace(pg_temp.refused(format('SELECT kam.kam_validate(%L, ''approved'')', :'again')), :'again', '...');
SELECT count(*) FROM kam.final_decision WHERE session_id IN (:'again', :'later');

-- A wait that is replayed does not run again; an opt-out found again suppresses nobody.
SELECT kam.kam_run(pg_temp.example('17_opted_out_fr'), '{"idempotency_key": "replay 4", "as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS opted \gset
CALL kam.kam_wait(:'opted') \gset
DELETE FROM kam.Suppression WHERE source = 'decision';
TRUNCATE pg_temp.before;
INSERT INTO before SELECT * FROM pg_temp.world;
SELECT kam.kam_replay(:'opted') AS opted_again, kam.kam_replay(:'waits') AS waits_again \gset
CALL kam.kam_wait(:'opted_again') \gset
CALL kam.kam_wait(:'waits_again') \gset
SELECT p.decision::text = d.decision::text AS same FROM kam.replay_decision p, kam.final_decision d WHERE p.session_id = :'waits_again' AND d.session_id = :'waits';
SELECT p.action, p.decision::text = d.decision::text AS same FROM kam.replay_decision p, kam.final_decision d WHERE p.session_id = :'opted_again' AND d.session_id = :'opted';
SELECT b = w AS nothing_came_of_it FROM before b, pg_temp.world w;

-- Who may be written to is what it was then, not what it is now.
INSERT INTO kam.Suppression (address, kind, source) SELECT kam._address(contact #>> '{contact_info,email}'), 'email', 'manual' FROM kam.request WHERE session_id = :'sent';
SELECT kam.kam_replay(:'sent') AS again \gset
CALL kam.kam_wait(:'again') \gset
SELECT p.decision::text = d.decision::text AS same FROM kam.replay_decision p, kam.final_decision d WHERE p.session_id = :'again' AND d.session_id = :'sent';
SELECT kam.kam_run(pg_temp.example('01_inbound_question_fr'), '{"idempotency_key": "replay 5", "as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS forbidden \gset
CALL kam.kam_wait(:'forbidden') \gset
DELETE FROM kam.Suppression WHERE source = 'manual';
SELECT kam.kam_replay(:'forbidden') AS again \gset
CALL kam.kam_wait(:'again') \gset
SELECT p.action, p.decision::text = d.decision::text AS same, p.guard = d.guard AS same_guard, p.overall_score FROM kam.replay_decision p, kam.final_decision d WHERE p.session_id = :'again' AND d.session_id = :'forbidden';

-- A back-test with the built-in agents is done when it returns.
SELECT kam.kam_validate(:'sent', 'approved');
SELECT kam.kam_validate(:'waits', 'rejected');
SELECT kam.kam_validate(:'ends', 'edited', NULL, 'Au revoir, à bientôt.');
CREATE TEMP TABLE tried AS SELECT * FROM kam.kam_backtest(jsonb_build_object('sessions', jsonb_build_array(:'sent', :'waits', :'ends')));
SELECT t.session_id = :'sent' AS sent, status, changed, human, outcome, action_before, action_after, channel_before, channel_after, strength_before = strength_after AS same_strength,
       score_before = score_after AS same_score, cost_before, cost_after, message_likeness FROM tried t ORDER BY human;
SELECT p.decision::text = d.decision::text AS same FROM tried t JOIN kam.replay_decision p ON p.session_id = t.replay JOIN kam.final_decision d ON d.session_id = t.session_id;
-- What the resources offer changes what is written: what changed stands first.
INSERT INTO kam.resource (resource_id, title, url, language, match_terms) VALUES ('replay', 'Fiche technique', 'https://www.example.com/fiche.pdf', 'fr', '{fiche technique,module}');
CREATE TEMP TABLE changed AS SELECT row_number() OVER () AS n, c.* FROM kam.kam_backtest('{"last": 50, "validated": true, "from": "2000-01-01"}') c;
SELECT n, session_id = :'sent' AS sent, changed, human, outcome, message_likeness < 1 AS reworded FROM changed ORDER BY n;
DELETE FROM kam.resource WHERE resource_id = 'replay';
SELECT s.runs, s.decided, s.failed, s.changed, s.action_changed, s.message_changed, s.judged_by_people, s.agreement_before, s.agreement_after, s.lost, s.gained
  FROM changed c, kam.kam_backtest_summary(c.backtest_id) s WHERE n = 1;
-- Later changes are seen by the report: an edit that the message comes nearer to, an approval that is lost.
SELECT DISTINCT count(*) = 3 AS all_of_it FROM kam.kam_backtest_report((SELECT backtest_id FROM tried LIMIT 1));
UPDATE kam.replay_decision SET decision = jsonb_set(decision, '{final_decision,selected_content,message}', '"Au revoir, à bientôt."') WHERE session_id = (SELECT replay FROM tried WHERE human = 'edited');
UPDATE kam.replay_decision SET decision = jsonb_set(decision, '{final_decision,action}', '"wait"'), action = 'wait' WHERE session_id = (SELECT replay FROM tried WHERE human = 'approved');
UPDATE kam.replay_decision SET decision = jsonb_set(decision, '{final_decision,wait_type,type}', '"long_cycle"') WHERE session_id = (SELECT replay FROM tried WHERE human = 'rejected');
SELECT human, changed, outcome, action_before, action_after, message_likeness FROM kam.kam_backtest_report((SELECT backtest_id FROM tried LIMIT 1));
SELECT agreement_before, agreement_after, lost, gained FROM kam.kam_backtest_summary((SELECT backtest_id FROM tried LIMIT 1));
SELECT count(*) FROM kam.kam_backtest('{"action": ["wait"], "owner": "nobody at all"}');
SELECT count(*) FROM kam.kam_backtest('{"sessions": []}');
SELECT kam._likeness('Bonjour Inès, voici', 'bonjour inès voilà'), kam._likeness(NULL, 'a'), kam._likeness('a', 'a'), kam._likeness('', ' ');

-- A decision put in from elsewhere may say its strength in words.
BEGIN;
UPDATE kam.final_decision SET decision = jsonb_set(decision, '{final_decision,rationale,opportunity_strength}', '"high"') WHERE session_id = :'ends';
SELECT status, changed, strength_before, strength_after > 0 AS after FROM kam.kam_backtest(jsonb_build_object('sessions', jsonb_build_array(:'ends')));
ROLLBACK;

-- Bad settings and samples say where.
SELECT s.settings, r.refused FROM unnest(ARRAY['[]', '{"provider": "nobody"}', '{"provider": 1}', '{"prompts": "old"}', '{"as_of": "soon"}', '{"as_of": "infinity"}', '{"as_of": "2026-03-11 10:00 Mars/Phobos"}', '{"model": "x"}',
	'{"agents": []}', '{"agents": {"content": {}}}', '{"agents": {"content_generator": 1}}', '{"agents": {"content_generator": {"modle": "x"}}}', '{"agents": {"content_generator": {"model": ""}}}',
	'{"agents": {"content_generator": {"provider": "nobody"}}}', '{"agents": {"content_generator": {"temperature": 3}}}', '{"agents": {"content_generator": {"max_tokens": 0}}}',
	'{"agents": {"content_generator": {"max_tokens": 1e30}}}', '{"agents": {"content_generator": {"prompt_version": 99}}}', '{"agents": {"content_generator": {"prompt_version": "1"}}}']) s (settings),
	LATERAL (SELECT pg_temp.refused(format('SELECT kam.kam_replay(%L, %L)', (SELECT session_id FROM kam.final_decision LIMIT 1), s.settings)) AS refused) r;
SELECT s.sample, r.refused FROM unnest(ARRAY['[]', '{"last": 0}', '{"last": "all"}', '{"last": 1.5}', '{"from": "soon"}', '{"to": "2026-03-11 10:00 Mars/Phobos"}', '{"to": 1}', '{"action": "dance"}', '{"action": [1]}', '{"owner": {}}', '{"validated": "yes"}',
	'{"sessions": "x"}', '{"sessions": ["x"]}', '{"sessions": [], "last": 1}', '{"where": "true; DROP TABLE x"}']) s (sample),
	LATERAL (SELECT pg_temp.refused(format('SELECT kam.kam_backtest(%L)', s.sample)) AS refused) r;
SELECT pg_temp.refused('SELECT kam.kam_backtest(''{}'', ''{"as_of": "2026-03-11"}'')');
SELECT pg_temp.refused('SELECT kam.kam_replay(''00000000-0000-4000-8000-00000000dead'')');
SELECT pg_temp.refused('SELECT * FROM kam.kam_backtest_report(''00000000-0000-4000-8000-00000000dead'')');
SELECT pg_temp.refused('SELECT * FROM kam.kam_backtest_summary(''00000000-0000-4000-8000-00000000dead'')');
\set VERBOSITY terse
CALL kam.kam_backtest_wait('00000000-0000-4000-8000-00000000dead');
BEGIN;
CALL kam.kam_backtest_wait('00000000-0000-4000-8000-00000000dead');
ROLLBACK;
SELECT backtest_id AS done FROM tried LIMIT 1 \gset
SET client_min_messages = notice;
CALL kam.kam_backtest_wait(:'done');
-- An insert by hand with settings that nobody checked fails by itself, and takes no other run along.
SET client_min_messages = warning;
INSERT INTO kam.request (session_id, contact, as_of, replay_of, settings) SELECT '00000000-0000-4000-8000-0000000000dd', contact, as_of, session_id, '{"provider": "gone", "agents": {"content_generator": {"max_tokens": "many", "temperature": "hot"}}}' FROM kam.request WHERE session_id = :'sent';
CALL kam.kam_wait('00000000-0000-4000-8000-0000000000dd');
-- Many replays, each asked otherwise: more than a worker keeps in mind at a time.
SELECT count(kam.kam_replay(:'sent', jsonb_build_object('agents', jsonb_build_object('content_generator', jsonb_build_object('max_tokens', 1000 + n)))))
  FROM generate_series(1, 40) n;
DO $$
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM kam.request WHERE finished_at IS NULL AND settings ? 'agents');
		PERFORM pg_sleep(0.1);
	END LOOP;
END
$$;
SELECT status, count(*) FROM kam.request WHERE settings ? 'agents' AND session_id <> '00000000-0000-4000-8000-0000000000dd' GROUP BY status;
-- The one that failed above is nobody's trouble.
SELECT detail FROM kam.kam_health() WHERE item = 'failures' AND detail LIKE '%"gone"%';

-- Leave nothing behind.
DELETE FROM kam.request WHERE session_id IN (:'sent', :'waits', :'ends', :'opted', :'forbidden') OR replay_of IN (:'sent', :'waits', :'ends', :'opted', :'forbidden');
DELETE FROM kam.backtest;
DELETE FROM kam.Suppression WHERE source = 'decision';
SELECT count(*) AS replays_left FROM kam.replay_decision;
