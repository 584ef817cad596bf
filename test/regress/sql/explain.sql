-- kam_explain: every step of a run, from one query.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'Europe/Paris';
SET client_min_messages = warning;
INSERT INTO kam.endpoint (endpoint, kind, url) VALUES ('regress-slack', 'slack', 'https://hooks.slack.example/x');
SELECT kam.kam_run(pg_temp.example('10_meeting_scheduled_fr'), '{"idempotency_key": "explain", "as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS s \gset
CALL kam.kam_wait(:'s') \gset
CREATE TEMP TABLE explained AS SELECT kam.kam_explain(:'s') AS x;
SELECT key, jsonb_typeof(value) AS type FROM explained, jsonb_each(x) ORDER BY key COLLATE "C";
SELECT x #>> '{plan,rule}' AS rule, x #>> '{plan,action}' AS action, x #>> '{plan,wait_type}' AS wait_type, jsonb_array_length(x #> '{plan,evidence}') > 0 AS with_evidence
  FROM explained;
SELECT x -> 'facts' = kam.kam_facts(pg_temp.example('10_meeting_scheduled_fr'), '2026-03-11 10:00+01') AS facts,
       (x #>> '{score,total}')::numeric = (x #>> '{decision,final_decision,rationale,opportunity_strength}')::numeric AS score,
       x -> 'decision' = :'decision'::jsonb AS decision FROM explained;
-- The calls in order, with their outputs and times.
SELECT c ->> 'call_no' AS no, c ->> 'agent' AS agent, c ->> 'status' AS status, jsonb_typeof(c -> 'output') AS output, c ? 'latency_ms' AS timed
  FROM explained, jsonb_array_elements(x -> 'calls') c;
-- Every claim of the agents with its verdict; what they claim of this contact holds.
SELECT count(*) > 0 AS claims, bool_and((e ->> 'holds')::boolean) AS hold, bool_and(e ? 'agent') AS named
  FROM explained, jsonb_array_elements(x -> 'evidence') e;
SELECT x -> 'findings' AS findings, x -> 'overrides' AS overrides FROM explained;
SELECT n ->> 'recipient' AS recipient, n ->> 'topic' AS topic, n ->> 'status' AS status FROM explained, jsonb_array_elements(x -> 'notifications') n;
SELECT x #>> '{workflow_run,status}' AS run, x #>> '{evaluation,verdict}' AS verdict, x -> 'error' AS error, x -> 'validation' AS validation FROM explained;

-- An invented claim is told from one that holds.
SELECT kam._claim_verdicts('{"claims": [
	{"text": "Elle a confirmé.", "evidence": [{"path": "/contact_info/company", "quote": "Cimenterie des Alpilles"}]},
	{"text": "She signed.", "evidence": [{"path": "/activities/0/metadata/body", "quote": "I hereby sign"}]},
	{"text": "Nowhere.", "evidence": [{"path": "/activities/999/metadata/body", "quote": "x"}]}, 7]}',
	pg_temp.example('10_meeting_scheduled_fr'), '2026-03-11 10:00+01') AS v \gset
SELECT v -> 'holds' AS holds, v ? 'fault' AS says_why FROM jsonb_array_elements(:'v') v;

-- A run that failed: what it was asked, and why not.
INSERT INTO kam.request (session_id, contact) VALUES ('00000000-0000-4000-8000-0000000000e1', '{"contact_info": 3}');
CALL kam.kam_wait('00000000-0000-4000-8000-0000000000e1');
SELECT x ->> 'status' AS status, x -> 'error' AS error, x -> 'facts' AS facts, x -> 'calls' AS calls, x -> 'decision' AS decision
  FROM kam.kam_explain('00000000-0000-4000-8000-0000000000e1') x;
SELECT pg_temp.refused('SELECT kam.kam_explain(''00000000-0000-4000-8000-00000000dead'')');
SELECT kam.kam_explain(NULL) IS NULL AS null_of_null;
DELETE FROM kam.endpoint WHERE endpoint = 'regress-slack';

-- One agent by itself.
SELECT a.agent, jsonb_typeof(kam._agent(a.agent, pg_temp.example('01_inbound_question_fr'), '{}', '2026-03-11 10:00+01')) AS output FROM kam.agent a ORDER BY wave, agent COLLATE "C";
-- Its output is valid by its own schema's required keys.
SELECT a.agent AS incomplete, k AS missing
  FROM kam.agent a JOIN kam.prompt p ON p.agent = a.agent AND p.version = a.prompt_version, jsonb_array_elements_text(p.output_schema -> 'required') k
 WHERE NOT kam._agent(a.agent, pg_temp.example('01_inbound_question_fr'), '{}', '2026-03-11 10:00+01') ? k;
SELECT pg_temp.refused('SELECT kam._agent(''nobody'', ''{}'')');
SELECT pg_temp.refused('SELECT kam._agent(NULL, ''{}'')');
SELECT pg_temp.refused('SELECT kam._agent(''state_analyzer'', ''{}'')');
SELECT pg_temp.refused('SELECT kam._agent(''state_analyzer'', pg_temp.contact(), ''[]'')');
SELECT count(*) AS odd_inputs FROM kam.agent a, (VALUES ('{"output": 3, "resources": {}, "practices": "x", "history": [7, null, []], "instruction": [1], "iteration": "x", "decision": []}'::jsonb),
	('{"output": {"state_analyzer": {}, "content_generator": {"generated_content": []}, "wave1_evaluator": {"evaluation_decision": 7}}, "resources": [{"title": 7}], "iteration": -5}')) i (n)
 WHERE kam._agent(a.agent, pg_temp.example('01_inbound_question_fr'), n, '2026-03-11 10:00+01') IS NOT NULL;

-- Every claim of the agents, and all evidence of the decision itself, stands in the contact: where, in which words, on what day.
SELECT e ->> 'agent' AS agent, e #>> '{claim,text}' AS claim, e ->> 'verdict' AS verdict, a ->> 'path' AS path, left(a ->> 'found', 30) AS found, a ->> 'recorded_on' AS recorded_on
  FROM explained, jsonb_array_elements(x -> 'evidence') e, jsonb_array_elements(e -> 'at') a ORDER BY (e ->> 'call_no')::integer, claim, path LIMIT 4;
SELECT count(*) FILTER (WHERE a ->> 'found' IS NULL) AS nowhere, count(*) > 3 AS claims
  FROM explained, jsonb_array_elements(x -> 'evidence') e, jsonb_array_elements(e -> 'at') a;
SELECT e ->> 'part' AS part, e ->> 'text' AS text, e ->> 'verdict' AS verdict, jsonb_array_length(e -> 'at') > 0 AS stands FROM explained, jsonb_array_elements(x -> 'decision_evidence') e;
SELECT a ->> 'path' AS path, a ->> 'quote' = a ->> 'found' AS found, a ->> 'recorded_on' AS recorded_on FROM explained, jsonb_array_elements(x #> '{plan,at}') a;
-- A pointer that is wrong is put right where the quote stands at one place; what is wrong in the text never is.
SELECT v ->> 'verdict' AS verdict, v ->> 'holds' AS holds, coalesce(v ->> 'repair', v ->> 'fault') AS why, jsonb_path_query_array(v, '$.at[*].path') AS at
  FROM jsonb_array_elements(kam._claim_verdicts('{"claims": [
	{"text": "She brings a colleague on 17 March.", "evidence": [{"path": "/activities/0/metadata/body", "quote": "Je viens avec mon collègue"}]},
	{"text": "They are a cement works.", "evidence": [{"path": "/contact_info/full_name", "quote": "Cimenterie des Alpilles"}]},
	{"text": "They are Cimenterie de Vicat.", "evidence": [{"path": "/contact_info/company", "quote": "Cimenterie des Alpilles"}]},
	{"text": "They ordered 12 trucks.", "evidence": [{"path": "/contact_info/company", "quote": "Cimenterie des Alpilles"}]}]}',
	pg_temp.example('10_meeting_scheduled_fr'), '2026-03-11 10:00+01')) v;
SELECT jsonb_agg(v ->> 'verdict') AS verdicts FROM jsonb_array_elements(kam._decision_evidence('{"a": [{"evidence": [{"path": "/nowhere", "quote": "x"}]}, {"evidence": []}, {"evidence": 7}], "factor": "x", "evidence": "nobody wrote this"}',
	pg_temp.example('10_meeting_scheduled_fr'), '2026-03-11 10:00+01')) v;
SELECT kam._decision_evidence('[]', '{"contact_info": 3}', now()) AS of_no_contact, kam._decision_evidence(NULL, '{}', now()) AS of_null;
