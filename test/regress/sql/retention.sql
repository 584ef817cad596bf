-- Retention: what goes after its time and what stays, however old; nobody else gets past the guard of the log.
-- In a database of its own: what is kept depends on everything that is there.
\set home :DBNAME
SET client_min_messages = error;
DROP DATABASE IF EXISTS regress_retention;
CREATE DATABASE regress_retention TEMPLATE template0 ENCODING 'UTF8';
\c regress_retention
CREATE EXTENSION kam;
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set cadence :srcdir /cadence.sql
\i :cadence
\set reload :srcdir /reload.sql

\set ECHO none
SET client_min_messages = warning;
-- Counts the log into intelligence_day, up to its end: what is not counted stays.
CREATE PROCEDURE pg_temp.fold() LANGUAGE plpgsql AS $$
BEGIN
	FOR round IN 1 .. 2 LOOP
		COMMIT;
		FOR i IN 1 .. 3000 LOOP
			EXIT WHEN coalesce(pg_snapshot_xmin(pg_current_snapshot()) >= (SELECT mark_xid FROM kam._intelligence_state), true);
			PERFORM pg_sleep(0.01);
			COMMIT;
		END LOOP;
		PERFORM kam._fold_intelligence(1000000);
	END LOOP;
	COMMIT;
END
$$;
CREATE TEMP VIEW kept AS
	SELECT e.lead_id, string_agg(concat_ws(' ', to_char(e.event_at, 'MM-DD'), e.event_type, e.step), ', ' ORDER BY e.event_id) AS log
	  FROM kam.CadenceEventLog e GROUP BY e.lead_id ORDER BY e.lead_id COLLATE "C";
-- Everything that retention must not change: the sums, what the gates say, what they say it by.
CREATE TEMP VIEW unchanged AS
	SELECT 'sums' AS what, md5(string_agg(i::text, '|' ORDER BY i::text)) AS is FROM kam.cadence_intelligence i
	UNION ALL
	SELECT 'gate ' || l.lead_id || a.event_type, g::text
	  FROM kam.Leads l CROSS JOIN (VALUES ('activation'), ('touch')) a (event_type) CROSS JOIN LATERAL kam.kam_gate(l.lead_id, 'outbound', a.event_type) g
	UNION ALL
	SELECT 'state ' || s.lead_id, to_jsonb(s)::text FROM kam.prospect_state s
	UNION ALL
	SELECT 'derived ' || l.lead_id, to_jsonb(kam._derive_state(l.lead_id))::text FROM kam.Leads l;
CREATE FUNCTION pg_temp.retain(batch integer DEFAULT 1000) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(t.key || ' ' || t.value, ', ' ORDER BY t.key) FILTER (WHERE t.value NOT IN ('0', 'false', '[]')), 'nothing') FROM jsonb_each_text(kam.kam_retain(batch)) t
$$;
\set ECHO all

-- ---- a history
INSERT INTO kam.Leads (lead_id, icp_tier, email) VALUES ('done', 'T1', 'done@x.example'), ('many', 'T1', NULL), ('live', 'T1', NULL), ('held', 'T1', NULL), ('out', 'T1', NULL), ('gone', 'T1', NULL), ('one', 'T1', NULL), ('two', 'T1', NULL),
	('waits', 'T1', NULL), ('play', 'T1', NULL);
SELECT pg_temp.at('2026-01-05T09:00:00Z') IS NULL AS nothing \gset
SELECT lead, pg_temp.ask(lead, 'outbound', 'activation', 'S'), pg_temp.ask(lead, 'outbound', 'touch', 'S', 1), pg_temp.ask(lead, 'outbound', 'touch', 'S', 2)
  FROM unnest('{done,many,live,held,out,gone,one,two}'::text[]) lead;
-- Held by the cap, released a week later.
SELECT pg_temp.ask('held', 'outbound', 'touch', 'S', 3), pg_temp.ask('held', 'outbound', 'touch', 'S', 4);
SELECT pg_temp.at('2026-01-13T09:00:00Z') IS NULL AS nothing \gset
SELECT kam.kam_tick() ->> 'released' AS released;
SELECT pg_temp.tell(lead, 'reply', 'S') FROM unnest('{done,many,held,gone,one,two}'::text[]) lead;
SELECT pg_temp.tell('out', 'opt_out');
SELECT pg_temp.ask('out', 'outbound') AS refused FROM generate_series(1, 3);
-- Many touches outside any plan; a sequence that runs since; what waits for years.
DO $$
BEGIN
	FOR week IN 3 .. 12 LOOP
		PERFORM set_config('kam.clock', (timestamptz '2026-01-05T09:00:00Z' + week * interval '168:00:00')::text, false);
		INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, channel, idempotency_key) VALUES ('many', 'transactional', 'touch', 'email', 'key ' || week);
		INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, channel) VALUES ('many', 'outbound', 'touch_observed', 'email');
	END LOOP;
END
$$;
SELECT pg_temp.ask('waits', 'nurture', 'activation', 'N'), pg_temp.ask('waits', 'outbound', 'activation', 'S'), pg_temp.ask('waits', 'newsletter', 'activation', 'M');
UPDATE kam.CadenceQueue SET expires_at = '2030-01-01', release_at = '2029-01-01' WHERE lead_id = 'waits';
INSERT INTO kam.SalesPlayLibrary (play_id, state) VALUES ('P', 'active');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, play_id) VALUES ('play', 'play-P', 'play', 'activation', 'P');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, event_type) VALUES ('play', 'play-P', 'stop');
SELECT kam.kam_merge_leads('two', 'one') > 0 AS merged;
DELETE FROM kam.Leads WHERE lead_id = 'gone';
INSERT INTO kam.CadenceFlag (kind, lead_id, opened_at, closed_at) VALUES ('stall', 'done', '2026-01-10', '2026-01-12'), ('stall', 'many', '2026-01-10', NULL), ('stall', 'live', '2026-01-10', '2026-12-30');
SELECT pg_temp.at('2026-12-31T09:00:00Z') IS NULL AS nothing \gset
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, channel) VALUES ('done', 'transactional', 'touch', 'email');
SELECT * FROM kept;
SELECT state, count(*) FROM kam.CadenceQueue GROUP BY state ORDER BY state;

-- ---- nothing goes while nobody says so
SELECT setting_name, current_setting(setting_name) FROM unnest('{kam.retain_calls,kam.retain_events,kam.retain_notifications,kam.retain_runs}'::text[]) setting_name;
SELECT kam.kam_retain();
SELECT count(*) FROM kam.kam_health() WHERE item = 'retention';
SELECT pg_temp.refused('SET kam.retain_events = 5');
SELECT pg_temp.refused('SELECT kam.kam_retain(0)'), pg_temp.refused('SELECT kam.kam_retain(NULL)');

-- ---- the log
ALTER SYSTEM SET kam.retain_events = '90d';
\set setting kam.retain_events
\set value 90d
\i :reload
-- Not while the sums lack it.
SELECT pg_temp.retain();
CALL pg_temp.fold();
CREATE TEMP TABLE before AS TABLE unchanged;
SELECT pg_temp.retain(3) AS in_batches;
SELECT pg_temp.retain(3) AS in_batches;
SELECT pg_temp.retain();
SELECT pg_temp.retain() AS again;
SELECT * FROM kept;
SELECT state, count(*) FROM kam.CadenceQueue GROUP BY state ORDER BY state;
SELECT kind, lead_id FROM kam.CadenceFlag ORDER BY flag_id;
TABLE before EXCEPT TABLE unchanged;
TABLE unchanged EXCEPT TABLE before;
SELECT * FROM state;
-- A state that is built anew is the one there was.
SELECT count(kam._rebuild_state(lead_id)) IS NOT NULL AS rebuilt FROM kam.Leads;
SELECT what FROM (TABLE before EXCEPT TABLE unchanged) d;
-- Days whose rows are gone cannot be counted anew.
SELECT pg_temp.refused('SELECT kam.kam_rebuild_intelligence()');
SELECT kam.kam_rebuild_intelligence('2026-12-01') > 0 AS later_days;
SELECT what FROM (TABLE before EXCEPT TABLE unchanged) d;
-- Step-once of what runs; of a key that is gone, a request is a new one.
SELECT pg_temp.ask('live', 'outbound', 'touch', 'S', 1), pg_temp.ask('live', 'outbound', 'touch', 'S', 3);
SELECT (r).touch_no, (r).event_id > 40 AS new FROM (SELECT kam.kam_request('many', 'transactional', 'touch', channel => 'email', idempotency_key => 'key 3') r) q;
SELECT pg_temp.ask('done', 'outbound', 'touch', 'S', 1) AS of_a_finished_enrolment;

-- ---- what was kept goes once its reason has
-- A row that is brought in late: when it is counted.
INSERT INTO kam.CadenceEventLog (lead_id, event_id, sequence_id, sequence_type, event_type, requested_event_type, coordinator_action, suppressed_reason, compliance_status, event_at, gate_version)
VALUES ('done', 1, 'S', 'outbound', 'suppressed', 'touch', 'blocked', 'compliance_block', 'opted_out', '2026-01-06', 1);
SELECT pg_temp.retain();
CALL pg_temp.fold();
SELECT pg_temp.retain();
UPDATE kam.SalesPlayLibrary SET state = 'ended', ended_at = now() WHERE play_id = 'P';
SELECT pg_temp.tell('live', 'stop', 'S');
-- Of a lead all is kept until its latest row is counted: that may be an answer.
SELECT pg_temp.retain();
CALL pg_temp.fold();
SELECT pg_temp.retain();
SELECT * FROM kept WHERE lead_id IN ('live', 'play');
-- Never less than the window and two days.
ALTER SYSTEM SET kam.retain_events = '1min';
\set value 1min
\i :reload
SELECT pg_temp.at('2027-01-09T08:59:00Z') IS NULL AS nothing \gset
CALL pg_temp.fold();
CREATE TEMP TABLE young AS SELECT e.event_id FROM kam.CadenceEventLog e WHERE e.event_at >= '2026-12-31';
SELECT pg_temp.retain() IS NOT NULL AS retained;
SELECT count(*) > 0 AS some, count(e.event_id) = count(*) AS all_there FROM young LEFT JOIN kam.CadenceEventLog e USING (event_id);
SELECT touch_count FROM kam.kam_gate('live', 'outbound', 'touch', 'S');

-- ---- one lead's failure is its own; what somebody holds is passed over
ALTER SYSTEM SET kam.retain_events = '100d';
\set value 100d
\i :reload
SELECT pg_temp.at('2027-12-31T09:00:00Z') IS NULL AS nothing \gset
INSERT INTO kam.Leads (lead_id) VALUES ('a'), ('b'), ('c');
INSERT INTO kam.CadenceEventLog (lead_id, sequence_type, event_type, channel) SELECT l, 'transactional', 'touch', 'email' FROM unnest('{a,b,c}'::text[]) l, generate_series(1, 3);
CALL pg_temp.fold();
SELECT pg_temp.at('2028-12-31T09:00:00Z') IS NULL AS nothing \gset
CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'b stays'; END $$;
CREATE TRIGGER fail BEFORE DELETE ON kam.CadenceEventLog FOR EACH ROW WHEN (OLD.lead_id = 'b') EXECUTE FUNCTION public.fail();
SELECT t -> 'failed' AS failed, (t -> 'events')::int > 0 AS others, t -> 'errors' AS errors FROM kam.kam_retain() t;
SELECT lead_id, count(*) FROM kam.CadenceEventLog WHERE lead_id IN ('a', 'b', 'c') GROUP BY lead_id ORDER BY lead_id;
SELECT item, state, detail, hint FROM kam.kam_health() WHERE item = 'retention';
DROP TRIGGER fail ON kam.CadenceEventLog;
SELECT pg_temp.retain();
SELECT lead_id, count(*) FROM kam.CadenceEventLog WHERE lead_id IN ('a', 'b', 'c') GROUP BY lead_id ORDER BY lead_id;

-- ---- the door
SELECT pg_temp.refused($$DELETE FROM kam.CadenceEventLog$$);
SELECT pg_temp.refused($$SELECT kam._change_log('DELETE FROM kam.CadenceEventLog e WHERE e.lead_id = $1 AND e.event_id = ANY ($2)', 'many', '{1}')$$);
CREATE FUNCTION public.change(statement text, lead text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
	SELECT kam._change_log(statement, lead, (SELECT array_agg(event_id) FROM kam.CadenceEventLog WHERE lead_id = lead))
$$;
-- From within a function of the owner's: that lead's rows, that statement.
SELECT public.change('UPDATE kam.CadenceEventLog e SET payload = ''{}'' WHERE e.lead_id = $1 AND e.event_id = ANY ($2)', 'many');
SELECT pg_temp.refused($$SELECT public.change('UPDATE kam.CadenceEventLog e SET payload = ''{}'' WHERE $1 IS NOT NULL AND $2 IS NOT NULL', 'many')$$);
SELECT pg_temp.refused($$SELECT public.change('TRUNCATE kam.CadenceEventLog, kam.CadenceQueue', 'many')$$);
SELECT pg_temp.refused($$SELECT public.change('SELECT $1, $2', 'many')$$);
SELECT pg_temp.refused($$UPDATE kam.CadenceEventLog SET payload = NULL WHERE lead_id = 'many'$$);

-- ---- notifications
ALTER SYSTEM SET kam.retain_notifications = '30d';
\set setting kam.retain_notifications
\set value 30d
\i :reload
DELETE FROM kam.notification;
INSERT INTO kam.endpoint (endpoint, kind, url) VALUES ('hook', 'webhook', 'https://hook.example/');
INSERT INTO kam.Reps (rep_id, endpoint) VALUES ('rep', 'hook'), ('reader', NULL);
INSERT INTO kam.notification (recipient, topic, status, created_at, home)
SELECT r, 'old ' || s, s::kam.notification_status, timestamptz '2028-11-01', kam._home() FROM unnest('{hook,rep,reader,AGT-304}'::text[]) r, unnest('{pending,sent,failed,dead,acknowledged,parked}'::text[]) s
UNION ALL SELECT r, 'new', 'sent', '2028-12-20', kam._home() FROM unnest('{hook,rep}'::text[]) r
UNION ALL SELECT 'reader', 'from elsewhere', 'pending', '2028-11-01', kam._home() + 1;
SELECT pg_temp.retain();
SELECT recipient, string_agg(topic, ', ' ORDER BY notification_id) AS kept FROM kam.notification GROUP BY recipient ORDER BY recipient;

-- ---- calls
ALTER SYSTEM SET kam.retain_calls = '30d';
\set setting kam.retain_calls
\set value 30d
\i :reload
INSERT INTO kam.request (session_id, contact, status, created_at, finished_at, error)
SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, '{"contact_info": {}, "activities": []}', s, at, CASE WHEN s <> 'queued' THEN at END, CASE s WHEN 'failed' THEN 'x' END
  FROM (VALUES (1, 'judged', '2028-11-01'::timestamptz), (2, 'failed', '2028-11-01'), (3, 'queued', '2028-11-01'), (4, 'judged', '2028-12-20'), (5, 'judged', '2028-11-01')) t (n, s, at);
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, provider, model, prompt_version, status, response, output, cost_usd, input_tokens, sent_on, finished_at, request_sha256)
SELECT session_id, 1, 'orchestrator', 1, 'anthropic', 'm', 1, 'succeeded', 'Dear Ines', '{"text": "Dear Ines"}', 0.5, 10, '2028-11-01', now(), sha256('x') FROM kam.request;
INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, attempt, provider, model, prompt_version, status, response, error, error_class, sent_on, finished_at)
SELECT session_id, 2, 'orchestrator', 1, 2, 'anthropic', 'm', 1, 'failed', 'garbage', 'no JSON', 'malformed', '2028-11-01', now() FROM kam.request;
-- A replay that is under way needs its run's answers.
INSERT INTO kam.request (session_id, contact, replay_of) VALUES ('00000000-0000-0000-0000-000000000006', '{"contact_info": {}, "activities": []}', '00000000-0000-0000-0000-000000000005');
CREATE TEMP TABLE cost AS SELECT day, agent, runs, calls, failed, cost_usd, input_tokens FROM kam.kam_cost;
SELECT pg_temp.retain();
SELECT right(session_id::text, 1) AS run, call_no, status, response, output, request_sha256 IS NOT NULL AS hash, cost_usd, error FROM kam.agent_call ORDER BY session_id, call_no;
SELECT count(*) AS cost_differs FROM (TABLE cost EXCEPT SELECT day, agent, runs, calls, failed, cost_usd, input_tokens FROM kam.kam_cost) d;
SELECT jsonb_typeof(kam.kam_explain('00000000-0000-0000-0000-000000000001')) AS explained;
UPDATE kam.request SET status = 'cancelled', finished_at = now() WHERE session_id::text LIKE '%6';
SELECT pg_temp.retain() AS after_the_replay;

-- ---- runs, as the worker does
ALTER SYSTEM SET kam.retain_runs = '30d';
\set setting kam.retain_runs
\set value 30d
\i :reload
SELECT pg_temp.retain();
SELECT right(session_id::text, 1) AS run, status FROM kam.request ORDER BY 1;
SELECT item, state, regexp_replace(detail, '20[0-9-]+ [0-9:.+]+', '…', 'g') AS detail FROM kam.kam_health() WHERE item = 'retention';

-- ---- who may
CREATE ROLE regress_retainer;
SET ROLE regress_retainer;
SELECT pg_temp.refused('SELECT kam.kam_retain()');
RESET ROLE;
GRANT kam_admin TO regress_retainer;
SET ROLE regress_retainer;
SELECT pg_temp.retain();
SELECT count(*) AS kinds FROM kam._retention;
SELECT pg_temp.refused('SELECT kam._retain(now(), 1)'), pg_temp.refused('SELECT kam._forget_events(''{a}'', now(), 1)'), pg_temp.refused('SELECT kam._change_log('''', '''', ''{}'')'), pg_temp.refused('UPDATE kam._retention SET upto = NULL');
RESET ROLE;
DROP OWNED BY regress_retainer;
DROP ROLE regress_retainer;

-- ---- paused
ALTER SYSTEM SET kam.paused = on;
\set setting kam.paused
\set value on
\i :reload
SELECT kam.kam_retain();
ALTER SYSTEM RESET kam.paused;
ALTER SYSTEM RESET kam.retain_runs;
ALTER SYSTEM RESET kam.retain_calls;
ALTER SYSTEM RESET kam.retain_notifications;
ALTER SYSTEM RESET kam.retain_events;
\set setting kam.retain_events
\set value 0
\i :reload
SELECT current_setting('kam.paused');

\c :home
DROP DATABASE regress_retention;
