-- What a play would do: who matches, who is blocked and by which gate, how many a day; nothing is written.
\set home :DBNAME
SET client_min_messages = error;
DROP DATABASE IF EXISTS regress_preview;
CREATE DATABASE regress_preview TEMPLATE template0 ENCODING 'UTF8';
\c regress_preview
CREATE EXTENSION kam;
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set ECHO none
SET timezone = 'UTC';
SELECT set_config('kam.clock', '2026-03-02T09:00:00Z', false) IS NULL AS nothing \gset
\set ECHO all
INSERT INTO kam.Accounts (account_id, icp_tier) VALUES ('one', 'T1'), ('three', 'T3');
INSERT INTO kam.Leads (lead_id, account_id, email, opt_out_flag, attributes)
SELECT 'p' || to_char(g, 'FM000'), CASE WHEN g <= 3 THEN 'three' ELSE 'one' END, format('p%s@example.com', g), g = 4, '{"p": 1}' FROM generate_series(1, 50) g;
INSERT INTO kam.Leads (lead_id) VALUES ('other');
SELECT coordinator_action FROM kam.kam_enrol('p005', 'outbound', '[]', 'AGT-301', 'outbound');
SELECT kam.kam_unsubscribe('p6@example.com', 'web_form');
INSERT INTO kam.SalesPlayLibrary (play_id, target_definition, suggested_cadence, active_period_end) VALUES ('pv', '{"match": "$.attributes.p == 1"}',
	'{"daily_limit": 20, "steps": [{"day": 0, "channel": "email"}, {"day": 1, "channel": "email"}, {"day": 2, "channel": "phone"}, {"day": 6, "channel": "email"}, {"day": 20, "channel": "email"}]}', '2026-03-10T09:00Z');
CREATE TEMP TABLE before AS SELECT (SELECT count(*) FROM kam.CadenceEventLog) AS log, (SELECT count(*) FROM kam.Cadence) AS cadence, (SELECT count(*) FROM kam._play_candidate) AS noted;
SELECT jsonb_pretty(kam.kam_play_preview('pv') - 'allowed_lead_ids');
SELECT jsonb_array_length(kam.kam_play_preview('pv') -> 'allowed_lead_ids') AS listed;
-- Of some of them.
SELECT p -> 'judged' AS judged, p -> 'allowed' AS allowed, p -> 'blocked' AS blocked, p -> 'waiting' AS waiting, p -> 'matching' AS matching FROM kam.kam_play_preview('pv', 10) p;
SELECT b.log = (SELECT count(*) FROM kam.CadenceEventLog) AND b.cadence = (SELECT count(*) FROM kam.Cadence) AND b.noted = (SELECT count(*) FROM kam._play_candidate) AS nothing_written FROM before b;
-- What it said is what happens.
SELECT (kam.kam_promote_play('pv', 'jane')).state;
SELECT r -> 'enrolled' AS enrolled, r -> 'refused' AS refused FROM kam.kam_tick() r;
SELECT p -> 'enrolled_already' AS enrolled, p #> '{rate,per_day,0}' AS first_day FROM kam.kam_play_preview('pv') p;
SELECT pg_temp.refused($$SELECT kam.kam_play_preview('none')$$);
SELECT pg_temp.refused($$SELECT kam.kam_play_preview('pv', 0)$$);
INSERT INTO kam.SalesPlayLibrary (play_id) VALUES ('empty');
SELECT kam.kam_play_preview('empty') - 'starts';
SELECT kam._step_days('[{"day": 0.5}, {"delay": "36 hours"}, {"delay": "1 day"}, {"execute_at": "2026-03-12T09:00:00Z"}, {}]', '2026-03-02T09:00:00Z');
\c :home
DROP DATABASE regress_preview;
