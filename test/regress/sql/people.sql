-- What people agreed to, what kam holds of them, forgetting them.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence
\pset null '-'

-- ---- no table is forgotten: whoever adds one with a lead or a run says in _personal_data() what becomes of it.  Reps are our own people.
SELECT DISTINCT c.relname AS not_covered
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'kam'::regnamespace AND c.relkind IN ('r', 'p')
   AND a.attname ~ '^(lead_ids?|session_ids?|loser|winner|canonical_id|contact.*|email|phone|linkedin_url|address)$'
   AND c.relname <> 'reps' AND c.relname NOT IN (SELECT relation FROM kam._personal_data())
 ORDER BY 1;
SELECT DISTINCT k.conrelid::regclass AS not_covered FROM pg_constraint k
 WHERE k.contype = 'f' AND k.confrelid IN ('kam.request'::regclass, 'kam.Leads'::regclass)
   AND (SELECT relname FROM pg_class WHERE oid = k.conrelid) NOT IN (SELECT relation FROM kam._personal_data());
-- Every column that could hold words is emptied or named as one that names nobody, and each that is named is there.
WITH said AS (
	SELECT d.relation, jsonb_object_keys(d.scrubs) AS name, true AS scrubbed FROM kam._personal_data() d
	UNION ALL SELECT d.relation, unnest(d.keeps), false FROM kam._personal_data() d
), there AS (
	SELECT d.relation, a.attname::text AS name
	  FROM kam._personal_data() d JOIN pg_attribute a ON a.attrelid = format('kam.%I', d.relation)::regclass AND a.attnum > 0 AND NOT a.attisdropped
	  JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = t.typbasetype
	 WHERE d.scrubs IS NOT NULL AND coalesce(nullif(t.typbasetype, 0), t.oid) IN ('text'::regtype, 'jsonb'::regtype, 'bytea'::regtype, 'text[]'::regtype, 'varchar'::regtype, 'json'::regtype)
)
SELECT coalesce(t.relation, s.relation) AS relation, coalesce(t.name, s.name) AS name, CASE WHEN s.name IS NULL THEN 'neither emptied nor kept' ELSE 'not a column of words' END AS what
  FROM there t FULL JOIN said s USING (relation, name)
 WHERE (t.name IS NULL AND NOT s.scrubbed) OR s.name IS NULL ORDER BY 1, 2;
SELECT relation, name FROM (SELECT d.relation, unnest(d.keeps) AS name FROM kam._personal_data() d INTERSECT SELECT d.relation, jsonb_object_keys(d.scrubs) FROM kam._personal_data() d) both_said;

-- Everything in one transaction: nothing is left for other tests, and no worker looks in.
BEGIN;
SELECT pg_temp.at('2026-03-02T09:00:00Z');
CREATE FUNCTION pg_temp.force(type text, channel text DEFAULT 'email', lead text DEFAULT 'ppl-1') RETURNS boolean LANGUAGE sql AS $$ SELECT kam._consent_in_force(lead, type, channel, kam._now()) $$;
INSERT INTO kam.Accounts (account_id, name, icp_tier) VALUES ('ppl-a', 'Argelia', 'T2');
INSERT INTO kam.Leads (lead_id, account_id, full_name, job_title, email, phone, linkedin_url, time_zone, owner_id, attributes) VALUES
	('ppl-1', 'ppl-a', 'Zebedia Quorn', 'CTO of Quorn', 'Zebedia.Quorn@acme.example', '+33 6 11 22 33 44', 'https://fr.linkedin.com/in/Zebedia-Quorn', 'Europe/Paris', 'rep-1', '{"about": "Zebedia sails"}'),
	('ppl-2', 'ppl-a', 'Z. Quorn', NULL, 'zebedia.quorn@acme.example ', NULL, NULL, NULL, 'rep-1', '{}'),
	('ppl-3', 'ppl-a', 'Zeb Other', NULL, 'zeb@home.example', NULL, NULL, NULL, 'rep-1', '{}'),
	('ppl-4', 'ppl-a', 'Ann Other', NULL, 'ann@acme.example', '+33 1 40 00 00 00', NULL, NULL, 'rep-1', '{}'),
	('ppl-5', 'ppl-a', 'Bob Other', NULL, 'bob@acme.example', '+33 1 40 00 00 00', NULL, NULL, 'rep-1', '{}');

-- ---- the ledger
SELECT pg_temp.force('newsletter') AS nothing_said;
SELECT kam.kam_record_consent('ppl-1', 'newsletter', 'Email', 'consent', ' web_form ', '{"wording": "Yes, I, Zebedia Quorn, agree"}', expires_at => '2026-06-01') > 0 AS recorded;
SELECT pg_temp.force('newsletter'), pg_temp.force('newsletter', 'EMAIL') AS upper, pg_temp.force('newsletter', 'phone') AS phone, pg_temp.force('event') AS other_type;
SELECT kam._consent_in_force('ppl-1', 'newsletter', 'email', '2026-03-02T08:59:59Z') AS before_it, kam._consent_in_force('ppl-1', 'newsletter', 'email', '2026-05-31T23:59:59Z') AS last_moment,
       kam._consent_in_force('ppl-1', 'newsletter', 'email', '2026-06-01') AS expired;
-- Another basis is recorded, and is no consent.
SELECT kam.kam_record_consent('ppl-1', 'outbound', '*', 'legitimate_interest', 'assessment-7') > 0 AS recorded;
SELECT pg_temp.force('outbound') AS is_consent;
-- A family, all; an address that the lead has, and no longer has.
SELECT kam.kam_record_consent('ppl-1', 'marketing', '*', 'consent', 'fair') > 0 AS recorded;
SELECT pg_temp.force('event', 'phone') AS covered, pg_temp.force('outbound') AS sales;
SELECT kam.kam_record_consent('ppl-3', '*', 'email', 'consent', 'call', address => 'Zeb <ZEB@home.example>') > 0 AS recorded;
SELECT pg_temp.force('outbound', 'email', 'ppl-3') AS has_it;
UPDATE kam.Leads SET email = 'zeb@work.example' WHERE lead_id = 'ppl-3';
SELECT pg_temp.force('outbound', 'email', 'ppl-3') AS moved;
UPDATE kam.Leads SET email = 'zeb@home.example' WHERE lead_id = 'ppl-3';
SELECT lead_id, purpose, channel, basis, address, source, given_at, expires_at, exceptions FROM kam.kam_consent WHERE lead_id LIKE 'ppl-%' ORDER BY consent_id;
-- Narrower than what was given: the rest stays.
SELECT pg_temp.at('2026-03-03T09:00:00Z');
SELECT kam.kam_withdraw_consent('ppl-1', 'preference_page', 'newsletter', 'email') > 0 AS withdrawn;
SELECT pg_temp.force('newsletter') AS newsletter, pg_temp.force('newsletter', 'phone') AS by_phone, pg_temp.force('event') AS event;
SELECT purpose, channel, basis, exceptions FROM kam.kam_consent WHERE lead_id = 'ppl-1' ORDER BY consent_id;
-- What was given before the withdrawal and is recorded late does not revive it; what is given after does.
SELECT kam.kam_record_consent('ppl-1', 'newsletter', 'email', 'consent', 'old paper', given_at => '2026-02-01') > 0 AS late;
SELECT pg_temp.force('newsletter');
SELECT kam.kam_record_consent('ppl-1', 'newsletter', 'email', 'consent', 'web_form') > 0 AS anew;
SELECT pg_temp.force('newsletter');
SELECT unsubscribe_flag, opt_out_flag FROM kam.Leads WHERE lead_id = 'ppl-1';
-- Nobody rewrites it.
SELECT s, pg_temp.refused(s) FROM unnest(ARRAY['UPDATE kam.consent SET expires_at = NULL', 'UPDATE kam.consent SET evidence = NULL', 'DELETE FROM kam.consent', 'TRUNCATE kam.consent']) s;
-- What it does not take.
SELECT pg_temp.refused($$SELECT kam.kam_record_consent('ppl-0', '*', '*', 'consent', 'x')$$);
SELECT pg_temp.refused($$SELECT kam.kam_record_consent('ppl-1', 'spam', '*', 'consent', 'x')$$);
SELECT pg_temp.refused($$SELECT kam.kam_record_consent('ppl-1', '*', ' ', 'consent', 'x')$$);
SELECT pg_temp.refused($$SELECT kam.kam_record_consent('ppl-1', '*', '*', 'hope', 'x')$$);
SELECT pg_temp.refused($$SELECT kam.kam_record_consent('ppl-1', '*', '*', 'consent', NULL)$$);
SELECT pg_temp.refused($$SELECT kam.kam_record_consent('ppl-1', '*', '*', 'consent', 'x', '[]')$$);
SELECT pg_temp.refused($$SELECT kam.kam_record_consent('ppl-1', '*', '*', 'consent', 'x', given_at => '2026-03-04')$$);
SELECT pg_temp.refused($$SELECT kam.kam_record_consent('ppl-1', '*', '*', 'consent', 'x', expires_at => '2026-03-01')$$);
SELECT pg_temp.refused($$SELECT kam.kam_record_consent('ppl-1', '*', '*', 'consent', 'x', address => 'acme.example')$$);
-- All of it: an unsubscribe, at once.
SELECT pg_temp.ask('ppl-3', 'outbound', 'activation', 'S3'), pg_temp.ask('ppl-3', 'outbound', 'touch', 'S3', 1), pg_temp.ask('ppl-3', 'outbound', 'touch', 'S3', 2), pg_temp.ask('ppl-3', 'outbound', 'touch', 'S3', 3), pg_temp.ask('ppl-3', 'outbound', 'touch', 'S3', 4);
SELECT kam.kam_withdraw_consent('ppl-3', 'call') > 0 AS withdrawn;
SELECT * FROM enrolment WHERE lead_id = 'ppl-3';
SELECT lead_id, kind, asked, state, end_reason FROM queue WHERE lead_id = 'ppl-3';
SELECT unsubscribe_flag, pg_temp.force('outbound', 'email', 'ppl-3') FROM kam.Leads WHERE lead_id = 'ppl-3';
SELECT address, source FROM kam.Suppression WHERE address LIKE 'zeb@%';
SELECT pg_temp.ask('ppl-3', 'transactional');

-- ---- what is held of a person, in every table
SELECT pg_temp.ask('ppl-1', 'outbound', 'activation', 'S1', NULL, '{"steps": [{"day": 0, "channel": "email", "content": "Hello Zebedia"}]}'),
       pg_temp.ask('ppl-1', 'outbound', 'touch', 'S1', 1, '{"message": "Hello Zebedia"}'), pg_temp.ask('ppl-1', 'outbound', 'touch', 'S1', 2), pg_temp.ask('ppl-1', 'outbound', 'touch', 'S1', 3),
       pg_temp.ask('ppl-1', 'outbound', 'touch', 'S1', 4, '{"message": "Dear Ms Quorn"}');
SELECT coordinator_action FROM kam.kam_request('ppl-2', 'transactional', 'touch', idempotency_key => 'zebedia.quorn@acme.example/7');
SELECT kam.kam_merge_leads('ppl-2', 'ppl-1') > 0 AS merged;
SELECT pg_temp.tell('ppl-1', 'touch_observed', 'S1', '{"body": "Quorn, Zebedia"}');
UPDATE kam.CadenceFlag SET detail = '{"said": "Quorn"}' WHERE lead_id = 'ppl-1';
INSERT INTO kam.CadenceFlag (kind, lead_id, detail) VALUES ('stall', 'ppl-1', '{"who": "Zebedia Quorn"}');
INSERT INTO kam.ABMPlaybook (playbook_id, lead_id, state, steps, attributes) VALUES ('ppl-pb', 'ppl-1', 'draft', '[{"day": 0, "channel": "email", "content": "Ms Quorn"}]', '{"contact": "Quorn"}');
INSERT INTO kam.CommBriefLog (brief_id, lead_id, body) VALUES ('ppl-b', 'ppl-1', '{"about": "Zebedia Quorn"}');
INSERT INTO kam.NurtureRecommendations (recommendation_id, lead_id, body) VALUES ('ppl-n', 'ppl-2', '{"about": "Zebedia Quorn"}');
INSERT INTO kam.Opportunities (opportunity_id, account_id, lead_id, name, status, amount) VALUES ('ppl-o', 'ppl-a', 'ppl-1', 'Deal of Quorn', 'OPEN', 1000);
INSERT INTO kam._tick_failure VALUES ('settle', 'zebedia.quorn@acme.example', '', now(), now(), '55P03', 'Quorn'), ('release', 'ppl-1', '1', now(), now(), 'XX000', 'Quorn');
-- Runs: queued, judged, failed, replayed; and one that no lead stands behind, known by its contact's address alone.
SELECT '{"contact_info": {"first_name": "Zebedia", "last_name": "Quorn", "email": "zebedia.quorn@acme.example", "phone": "0033611223344", "owner": "Jean Bert", "hubspot_id": "ppl-1"},
         "activities": [{"activity_type": "note", "metadata": {"body": "Quorn"}}]}' AS c \gset
CREATE FUNCTION pg_temp.session(n integer) RETURNS uuid LANGUAGE sql AS $$ SELECT ('99999999-0000-0000-0000-00000000000' || n)::uuid $$;
INSERT INTO kam.request (session_id, contact, options, lead_id, status, error, finished_at, replay_of) VALUES
	(pg_temp.session(1), :'c', '{"idempotency_key": "quorn-1"}', 'ppl-1', 'judged', NULL, kam._now(), NULL),
	(pg_temp.session(2), :'c', '{}', 'ppl-1', 'failed', 'no model would have Quorn', kam._now(), NULL),
	(pg_temp.session(3), :'c', '{}', 'ppl-1', 'queued', NULL, NULL, NULL),
	(pg_temp.session(4), :'c', '{}', NULL, 'judged', NULL, kam._now(), pg_temp.session(1)),
	(pg_temp.session(5), jsonb_set(:'c', '{contact_info,hubspot_id}', '"0815"'), '{}', NULL, 'judged', NULL, kam._now(), NULL),
	(pg_temp.session(6), pg_temp.contact(), '{}', NULL, 'judged', NULL, kam._now(), NULL);
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, provider, model, prompt_version, status, response, output, input_tokens, cost_usd, sent_on, request_sha256, finished_at, error, error_class) VALUES
	(pg_temp.session(1), 1, 'content_generator', 1, 'p', 'm', 1, 'succeeded', '{"m": "Dear Quorn"}', '{"m": "Dear Quorn"}', 100, 0.01, '2026-03-02', sha256('Quorn'), now(), NULL, NULL),
	(pg_temp.session(1), 2, 'decision_evaluator', 1, 'p', 'm', 1, 'failed', 'Quorn', NULL, 10, 0.001, '2026-03-02', sha256('Quorn'), now(), 'not JSON: Quorn', 'shape');
INSERT INTO kam.workflow_run (session_id, status, calls, cost_usd, input_tokens) VALUES (pg_temp.session(1), 'judged', 2, 0.011, 110);
SELECT '{"final_decision": {"action": "send_message", "selected_channel": "EMAIL", "selected_content": {"message": "Dear Quorn"}, "rationale": {"opportunity_strength": 0.55, "action_reasoning": "Quorn asked"}}}' AS d \gset
INSERT INTO kam.final_decision (session_id, decision, action, selected_channel, contact_hubspot_id, owner_name, linkedin_url, user_slack_message, type_of_validation, edited_message, guard) VALUES
	(pg_temp.session(1), :'d', 'send_message', 'EMAIL', 'ppl-1', 'Jean Bert', 'https://linkedin.com/in/zebedia-quorn', 'Dear Quorn', 'edited', 'Dear Ms Quorn', '{"findings": [{"quote": "Quorn"}]}'),
	-- of the workflow that kam replaces: no run stands behind it
	(pg_temp.session(7), :'d', 'send_message', 'EMAIL', 'ppl-2', 'Jean Bert', NULL, 'Dear Quorn', 'approved', NULL, '{}');
INSERT INTO kam.n8n_orchestrator_synthesis (session_id, output, final_decision) SELECT pg_temp.session(n), 'Dear Quorn', :'d' FROM unnest('{1,7}'::int[]) n;
INSERT INTO kam.decision_evaluation (session_id, overall_score, criteria, verdict) VALUES (pg_temp.session(1), 8, '[{"name": "tone", "score": 8, "comment": "Quorn will like it"}]', 'good');
INSERT INTO kam.replay_decision (session_id, decision, action, synthesis, criteria) VALUES (pg_temp.session(4), :'d', 'send_message', 'Dear Quorn', '[{"comment": "Quorn"}]');
INSERT INTO kam.notification (recipient, topic, session_id, lead_id, payload) VALUES ('AGT-304', 'decision', pg_temp.session(1), NULL, '{"message": "Dear Quorn"}'), ('rep-1', 'touch', NULL, 'ppl-1', '{"to": "Zebedia Quorn"}');
INSERT INTO kam._change (source, contact_key, session_id) VALUES (1, 'zebedia.quorn@acme.example', pg_temp.session(3));

SELECT x ->> 'found' AS found, x -> 'lead_ids' AS lead_ids, x -> 'addresses' AS addresses, jsonb_array_length(x -> 'session_ids') AS sessions, x ->> 'as_of' AS as_of
  FROM (SELECT kam.kam_export_person('zebedia.quorn@ACME.example') AS x) e;
-- Notes for plays there are only while a play of another test is active.
SELECT k AS "table", jsonb_array_length(v) AS rows FROM jsonb_each(kam.kam_export_person('ppl-2') -> 'data') e (k, v) WHERE k <> '_play_candidate' ORDER BY k COLLATE "C";
-- By whatever names the person it is the same.
SELECT count(DISTINCT kam.kam_export_person(p) -> 'data') AS answers FROM unnest(ARRAY['ppl-1', 'ppl-2', 'Zebedia Quorn <zebedia.quorn@acme.example>', '+33 (0)6 11 22 33 44', 'linkedin.com/in/zebedia-quorn']) p;
SELECT jsonb_pretty(x #> '{data,decision_evaluation}') FROM (SELECT kam.kam_export_person('ppl-1') AS x) e;
-- Of nobody there is nothing; what names nobody, or several, is refused.
SELECT x ->> 'found' AS found, (SELECT sum(jsonb_array_length(v)) FROM jsonb_each(x -> 'data') e (k, v)) AS rows FROM unnest(ARRAY['nobody@acme.example', 'ppl-none', 'just words']) p CROSS JOIN LATERAL (SELECT kam.kam_export_person(p) AS x) e;
SELECT pg_temp.refused(format('SELECT kam.%I(%L)', f, p)) FROM unnest(ARRAY['kam_export_person', 'kam_erase_person']) f CROSS JOIN unnest(ARRAY[NULL, ' ', 'acme.example', '+33 1 40 00 00 00']) p;

-- ---- forgetting
CREATE FUNCTION pg_temp.traces() RETURNS TABLE (relation text, rows bigint) LANGUAGE plpgsql AS $$
DECLARE
	name text; n bigint;
BEGIN
	FOR name IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'kam'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname COLLATE "C" LOOP
		EXECUTE format('SELECT count(*) FROM kam.%I t WHERE t::text ~* ''zebedia|quorn|611223344''', name) INTO n;
		IF n > 0 THEN
			relation := name; rows := n; RETURN NEXT;
		END IF;
	END LOOP;
END
$$;
SELECT count(*) AS tables_with_traces, sum(rows) >= 25 AS many FROM pg_temp.traces();
-- What must come out as it was: counts, caps, costs, the lineage.
CREATE TEMP VIEW counts AS
	SELECT (SELECT jsonb_object_agg(k, n) FROM (SELECT 'log/' || coordinator_action || '/' || requested_event_type AS k, count(*) AS n FROM kam.CadenceEventLog WHERE lead_id LIKE 'ppl-%' AND event_type NOT IN ('cancelled') GROUP BY 1) l) AS log,
	       (SELECT array_agg((touch_no, counted, touch_at)::text ORDER BY event_id) FROM kam.CadenceEventLog WHERE lead_id LIKE 'ppl-%' AND touch_no IS NOT NULL) AS touches,
	       (SELECT count(*) FROM kam.Cadence WHERE lead_id LIKE 'ppl-%') AS enrolments,
	       (SELECT (sum(calls), sum(cost_usd), sum(input_tokens))::text FROM kam.workflow_run WHERE session_id::text LIKE '99999999%' AND status = 'judged') AS runs,
	       (SELECT array_agg((owner, cost_usd)::text ORDER BY owner, cost_usd) FROM kam.kam_cost WHERE owner = 'Jean Bert' AND model = 'm') AS costs,
	       (SELECT array_agg((action, selected_channel, owner_name, type_of_validation, decision #>> '{final_decision,rationale,opportunity_strength}')::text ORDER BY session_id) FROM kam.final_decision WHERE session_id::text LIKE '99999999%') AS decisions,
	       (SELECT array_agg((touches_used, remaining)::text) FROM (SELECT (kam.kam_why('ppl-1') #> '{touches,counted}') AS touches_used, kam.kam_why('ppl-1') #> '{touches,remaining}' AS remaining) w) AS cap,
	       (SELECT (count(*), sum(executed), sum(touches))::text FROM kam.cadence_intelligence) AS intelligence;
CREATE TEMP TABLE before AS TABLE counts;
SELECT x - 'erasure_id' #- '{rows,_play_candidate}' AS answer, x ? 'erasure_id' AS noted FROM (SELECT kam.kam_erase_person('zebedia.quorn@acme.example', 'request 12') AS x) e;
SELECT * FROM pg_temp.traces();
SELECT b.log = c.log AS log, b.touches = c.touches AS touches, b.enrolments = c.enrolments AS enrolments, b.runs = c.runs AS runs, b.costs = c.costs AS costs, b.decisions = c.decisions AS decisions,
       b.cap = c.cap AS cap, b.intelligence = c.intelligence AS intelligence FROM before b, counts c;
SELECT * FROM enrolment WHERE lead_id LIKE 'ppl-_' ORDER BY 1, 2;
SELECT lead_id, kind, asked, state, end_reason FROM queue WHERE lead_id = 'ppl-1';
SELECT session_id, status, contact, options, error FROM kam.request WHERE session_id::text LIKE '99999999%' ORDER BY 1 LIMIT 5;
SELECT contact #>> '{contact_info,last_name}' AS others_stay FROM kam.request WHERE session_id = pg_temp.session(6);
SELECT recipient, payload, status FROM kam.notification WHERE session_id = pg_temp.session(1) OR lead_id = 'ppl-1' AND topic = 'touch' ORDER BY 1;
SELECT lead_id, full_name, account_id, owner_id, opt_out_flag, merged_into, erased_at FROM kam.Leads WHERE lead_id LIKE 'ppl-%' ORDER BY 1;
-- The addresses stay blocked, and are not told.
SELECT kind, source, address ~ '^sha256:[0-9a-f]{64}$' AS hashed, reason, settled_at IS NOT NULL AS settled FROM kam.Suppression WHERE source = 'erasure' ORDER BY kind;
SELECT erased_by = session_user AS by_us, reason, lead_ids, rows ->> 'leads' AS leads FROM kam.erasure ORDER BY erasure_id DESC LIMIT 1;
-- Again: nothing is left to do, whoever is named.
SELECT p, x ->> 'found' AS found, x -> 'rows' AS rows, x -> 'erasure_id' AS noted FROM unnest(ARRAY['ppl-1', 'ppl-2', 'zebedia.quorn@acme.example', 'nobody@acme.example']) p CROSS JOIN LATERAL (SELECT kam.kam_erase_person(p) AS x) e;
SELECT count(*) AS hashes FROM kam.Suppression WHERE address LIKE 'sha256:%';
-- It can still be explained, told, unmerged, replayed, without a word.
SELECT kam.kam_why('ppl-1') -> 'story' IS NOT NULL AS told, kam.kam_explain(pg_temp.session(1)) IS NOT NULL AS explained, kam.kam_unmerge_leads('ppl-2') AS unmerged;
SELECT lead_id, opt_out_flag FROM kam.Leads WHERE lead_id IN ('ppl-1', 'ppl-2') ORDER BY 1;
SELECT bool_and(derived_alike) AS state_is_true FROM state WHERE lead_id LIKE 'ppl-%';

-- ---- who comes back
INSERT INTO kam.Leads (lead_id, email, phone, linkedin_url) VALUES ('new-1', 'ZEBEDIA.Quorn@acme.example', NULL, NULL), ('new-2', NULL, '0033 6 11 22 33 44', NULL), ('new-3', NULL, NULL, 'linkedin.com/in/zebedia-quorn'), ('new-4', 'other@acme.example', NULL, NULL);
SELECT l, pg_temp.ask(l, 'outbound', 'activation', 'N'), pg_temp.ask(l, 'transactional', 'touch') FROM unnest(ARRAY['new-1', 'new-2', 'new-3', 'new-4']) l;
SELECT jsonb_array_length(kam.kam_why('new-1') -> 'suppressions') AS suppressions;
-- A lead that takes the address on is stopped.
UPDATE kam.Leads SET email = 'zebedia.quorn@acme.example' WHERE lead_id = 'new-4';
SELECT sequence, state, why FROM enrolment WHERE lead_id = 'new-4';
SELECT status, source, about FROM kam._contact_compliance('{"email": "zebedia.quorn@acme.example"}', NULL);
-- The address is not written down again by whoever suppresses it.
SELECT kam.kam_unsubscribe('zebedia.quorn@acme.example', 'web_form') AS affected;
UPDATE kam.Leads SET opt_out_flag = true WHERE lead_id = 'new-2';
SELECT count(*) AS plain FROM kam.Suppression WHERE address ~ 'quorn|611223344';
-- A sync that still knows the person, and an agent that still has a message for them.
INSERT INTO kam.Leads (lead_id, full_name, email) VALUES ('ppl-1', 'Zebedia Quorn', 'zebedia.quorn@acme.example')
	ON CONFLICT (lead_id) DO UPDATE SET full_name = EXCLUDED.full_name, email = EXCLUDED.email, opt_out_flag = false, attributes = '{"about": "Quorn"}';
SELECT full_name, email, opt_out_flag, attributes FROM kam.Leads WHERE lead_id = 'ppl-1';
SELECT event_type, suppressed_reason, payload FROM kam.kam_request('ppl-1', 'outbound', 'touch', payload => '{"message": "Dear Quorn"}');
DELETE FROM kam.Leads WHERE lead_id LIKE 'new-%';
SELECT * FROM pg_temp.traces();

-- ---- the door is only the erasure's
SELECT s, split_part(pg_temp.refused(s), E'\n', 1) FROM unnest(ARRAY['UPDATE kam.CadenceEventLog SET payload = NULL', 'UPDATE kam._erasure_salt SET salt = sha256(salt)', 'DELETE FROM kam._erasure_salt', 'TRUNCATE kam._erasure_salt',
	$$SELECT kam._erase_rows('UPDATE kam.CadenceEventLog SET channel = NULL', '{}', '{}', '{}')$$, $$SELECT kam._erase_rows('UPDATE kam.CadenceEventLog SET payload = ''{}''', '{}', '{}', '{}')$$,
	$$SELECT kam._erase_rows('DELETE FROM kam.CadenceEventLog', '{}', '{}', '{}')$$, $$SELECT kam._erase_rows('UPDATE kam.consent SET state = ''granted''', '{}', '{}', '{}')$$]) s;
-- After one that failed it is shut.
SELECT split_part(pg_temp.refused($$UPDATE kam.CadenceEventLog SET payload = NULL$$), E'\n', 1) AS shut;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.refused('SELECT kam.kam_erase_person(''ppl-1'')');
ROLLBACK;

BEGIN;
-- An id that names the person stays, and is told of.
INSERT INTO kam.Leads (lead_id, full_name, email) VALUES ('six@acme.example', 'Six', 'Six@acme.example');
SELECT kam.kam_erase_person('six@acme.example') -> 'lead_ids' AS lead_ids;
-- Of an address that many leads have, the lead alone is the person, and the address is not blocked.
INSERT INTO kam.Leads (lead_id, full_name, email) SELECT 'info-' || g, 'Number ' || g, 'info@acme.example' FROM generate_series(1, 11) g;
SELECT split_part(pg_temp.refused('SELECT kam.kam_erase_person(''info@acme.example'')'), E'\n', 1);
SELECT x -> 'lead_ids' AS lead_ids, x -> 'suppressed' AS suppressed FROM kam.kam_erase_person('info-3') x;
SELECT count(*) FILTER (WHERE full_name IS NULL) AS erased, count(*) AS leads FROM kam.Leads WHERE lead_id LIKE 'info-%';
SELECT pg_temp.ask('info-4', 'outbound', 'activation') AS others;
-- Who comes back of their own will is an ordinary lead again.
UPDATE kam.Leads SET erased_at = NULL WHERE lead_id = 'info-3';
UPDATE kam.Leads SET full_name = 'Number 3', opt_out_flag = false WHERE lead_id = 'info-3';
SELECT full_name, opt_out_flag FROM kam.Leads WHERE lead_id = 'info-3';
ROLLBACK;

-- ---- who may
CREATE ROLE regress_program IN ROLE kam_submit;
CREATE ROLE regress_person IN ROLE kam_review;
CREATE ROLE regress_auditor IN ROLE kam_read;
CREATE ROLE regress_admin IN ROLE kam_admin;
INSERT INTO kam.Leads (lead_id, email) VALUES ('ppl-7', 'seven@acme.example');
CREATE FUNCTION pg_temp.may(role text) RETURNS TABLE (who name, statement text, answer text) LANGUAGE plpgsql AS $$
DECLARE
	s text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', may.role);
	FOREACH s IN ARRAY ARRAY[$s$SELECT kam.kam_record_consent('ppl-7', '*', '*', 'consent', 'x')$s$, $s$SELECT kam.kam_withdraw_consent('ppl-7', 'x', 'event')$s$, 'SELECT count(*) FROM kam.kam_consent', 'SELECT count(*) FROM kam.consent', 'SELECT count(*) FROM kam.erasure',
		'SELECT count(*) FROM kam._erasure_salt', $s$INSERT INTO kam.consent (lead_id, state, purpose, channel, source, given_at) VALUES ('ppl-7', 'withdrawn', '*', '*', 'x', now())$s$,
		$s$SELECT kam.kam_export_person('ppl-7')$s$, $s$SELECT kam._erase_rows('SELECT', '{}', '{}', '{}')$s$, $s$SELECT kam.kam_erase_person('ppl-7')$s$]
	LOOP
		who := current_user; statement := left(s, 50); answer := split_part(pg_temp.refused(s), E'\n', 1);
		RETURN NEXT;
	END LOOP;
	RESET ROLE;
END
$$;
BEGIN;
SELECT m.* FROM unnest(ARRAY['regress_program', 'regress_person', 'regress_auditor', 'regress_admin']) r CROSS JOIN LATERAL pg_temp.may(r) m;
ROLLBACK;
DELETE FROM kam.Leads WHERE lead_id = 'ppl-7';
DROP ROLE regress_program, regress_person, regress_auditor, regress_admin;
