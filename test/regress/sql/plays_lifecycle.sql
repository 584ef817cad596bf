-- A play's life: what its definition may say, who promotes it, what stays as it is, who ends it.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set ECHO none
SET timezone = 'UTC';
SELECT set_config('kam.clock', '2026-03-02T09:00:00Z', false) IS NULL AS nothing \gset
CREATE FUNCTION pg_temp.target(target jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.refused(format('SELECT kam._check_target(%L)', target)) $$;
CREATE FUNCTION pg_temp.cadence(cadence jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.refused(format('SELECT kam._check_cadence(%L)', cadence)) $$;
\set ECHO all

-- ---- targets
SELECT t, pg_temp.target(t::jsonb) FROM unnest(ARRAY[
	'{}', '{"match": "$.attributes.seats > 250"}', '{"match": "strict $.attributes.seats > 250"}', '{"contains": {"icp_tier": "T1"}}', '{"level": "account"}',
	'{"match": "exists($.attributes.tags[*] ? (@ == \"$hot\"))", "contains": {"account": {"abm_active": true}}, "level": "lead"}',
	'{"match": "$.\"full_name\" like_regex \"^a$\" || !($.icp_tier == \"T3\")"}']) t;
SELECT t, pg_temp.target(t::jsonb) FROM unnest(ARRAY[
	'[]', '{"where": "true"}', '{"a/b~": 1}', '{"level": "team"}', '{"level": null}', '{"contains": {}}', '{"contains": []}', '{"match": 5}', '{"match": ""}',
	'{"match": "$.attributes.seats >"}', '{"match": "$.attributes.seats"}', '{"match": "$"}', '{"match": "$.a ? (@ > 1)"}', '{"match": "$.a.double() "}',
	'{"match": "1 = 1; DROP TABLE kam.Leads"}', '{"match": "$.seats > $limit"}', '{"match": "$.a == 1 && $x == 2"}', '{"match": "strict $.a"}',
	'{"match": "$.name like_regex \"(\""}']) t;
SELECT pg_temp.refused('SELECT kam._check_target(NULL)');

-- ---- cadences
SELECT t, pg_temp.cadence(t::jsonb) FROM unnest(ARRAY[
	'{}', '{"sequence_type": "nurture"}', '{"steps": []}', '{"daily_limit": 1}', '{"steps": [{"day": 0, "channel": "email"}, {"day": 2.5, "channel": "phone"}], "daily_limit": 40}']) t;
SELECT t, pg_temp.cadence(t::jsonb) FROM unnest(ARRAY[
	'[]', '{"limit": 3}', '{"sequence_type": "unheard"}', '{"sequence_type": null}', '{"daily_limit": 0}', '{"daily_limit": 1.5}', '{"daily_limit": "3"}',
	'{"steps": {}}', '{"steps": [{"day": 0, "channel": "email"}, {"day": -1, "channel": "email"}]}', '{"steps": [{"day": 0}]}']) t;

-- ---- drafts
INSERT INTO kam.BrainAnalysisLog (proposal_id, agent) VALUES ('plc-proposal', 'AGT-901'), ('plc-other', 'AGT-902');
INSERT INTO kam.SalesPlayLibrary (play_id, promoted_by, promoted_at, ended_by) VALUES ('plc-1', 'somebody', now(), 'somebody')
RETURNING state, promoted_by, promoted_at, ended_by, sequence_type;
SELECT pg_temp.refused($$INSERT INTO kam.SalesPlayLibrary (play_id, target_definition) VALUES ('plc-2', '{"match": "true or false"}')$$);
SELECT pg_temp.refused($$UPDATE kam.SalesPlayLibrary SET suggested_cadence = '{"sequence_type": "unheard"}' WHERE play_id = 'plc-1'$$);
SELECT pg_temp.refused($$UPDATE kam.SalesPlayLibrary SET play_id = 'plc-9' WHERE play_id = 'plc-1'$$);
UPDATE kam.SalesPlayLibrary SET originating_proposal_id = 'plc-proposal', promoted_by = 'nobody' WHERE play_id = 'plc-1' RETURNING originating_proposal_id, promoted_by;
SELECT pg_temp.refused($$UPDATE kam.SalesPlayLibrary SET originating_proposal_id = 'plc-other' WHERE play_id = 'plc-1'$$);
-- Somebody who may draft may not begin with an active one.
CREATE ROLE plc_brain; GRANT kam_submit TO plc_brain;
SET ROLE plc_brain;
INSERT INTO kam.SalesPlayLibrary (play_id, home) VALUES ('plc-brain', 42);
SELECT pg_temp.refused($$INSERT INTO kam.SalesPlayLibrary (play_id, state) VALUES ('plc-3', 'active')$$);
SELECT pg_temp.refused($$SELECT kam.kam_promote_play('plc-brain', 'jane')$$);
RESET ROLE;
SELECT state, home = kam._home() AS here FROM kam.SalesPlayLibrary WHERE play_id = 'plc-brain';

-- ---- promotion
SELECT pg_temp.refused($$SELECT kam.kam_promote_play('none', 'jane')$$);
SELECT pg_temp.refused($$SELECT kam.kam_promote_play(NULL, 'jane')$$);
SELECT who, pg_temp.refused(format('SELECT kam.kam_promote_play(%L, %L)', 'plc-1', who)) FROM unnest(ARRAY[NULL, ' ', 'AGT-901', 'agt 902', 'AGT-901 for Jane', 'Pierre d''AGTe']) who;
UPDATE kam.SalesPlayLibrary SET target_definition = '{"level": "lead"}', suggested_cadence = '{"steps": [{"day": 0, "channel": "email"}]}' WHERE play_id = 'plc-1';
SELECT pg_temp.refused($$SELECT kam.kam_promote_play('plc-1', 'jane')$$);
UPDATE kam.SalesPlayLibrary SET target_definition = '{"match": "$.attributes.plc == 1"}', suggested_cadence = '{}' WHERE play_id = 'plc-1';
SELECT pg_temp.refused($$SELECT kam.kam_promote_play('plc-1', 'jane')$$);
UPDATE kam.SalesPlayLibrary SET suggested_cadence = '{"steps": [{"day": 0, "channel": "email"}]}', active_period_end = '2026-03-02T09:00:00Z' WHERE play_id = 'plc-1';
SELECT pg_temp.refused($$SELECT kam.kam_promote_play('plc-1', 'jane')$$);
SELECT pg_temp.refused($$UPDATE kam.SalesPlayLibrary SET state = 'ended', ended_by = 'jane' WHERE play_id = 'plc-1'$$);
SELECT pg_temp.refused($$SELECT kam.kam_end_play('plc-1', 'jane')$$);
UPDATE kam.SalesPlayLibrary SET active_period_end = '2026-03-02T09:00:00.000001Z' WHERE play_id = 'plc-1';
SELECT state, promoted_by, promoted_at FROM kam.kam_promote_play('plc-1', ' jane@acme.com ');
SELECT pg_temp.refused($$SELECT kam.kam_promote_play('plc-1', 'joe')$$);
-- By hand it is the same.
INSERT INTO kam.SalesPlayLibrary (play_id, target_definition, suggested_cadence)
VALUES ('plc-4', '{"contains": {"attributes": {"plc": 4}}}', '{"steps": [{"day": 0, "channel": "email"}]}');
SELECT pg_temp.refused($$UPDATE kam.SalesPlayLibrary SET state = 'active' WHERE play_id = 'plc-4'$$);
UPDATE kam.SalesPlayLibrary SET state = 'active', promoted_by = 'jane', promoted_at = '2020-01-01' WHERE play_id = 'plc-4' RETURNING promoted_at;

-- ---- what stays as it is
SELECT what, pg_temp.refused(format('UPDATE kam.SalesPlayLibrary SET %s WHERE play_id = %L', what, 'plc-1')) FROM unnest(ARRAY[
	'state = ''draft''', 'target_definition = ''{"match": "true == true"}''', 'suggested_cadence = ''{}''', 'active_period_end = ''2030-01-01''',
	'active_period_start = ''2020-01-01''', 'promoted_by = ''joe''', 'originating_proposal_id = NULL']) what;
UPDATE kam.SalesPlayLibrary SET name = 'Big ones' WHERE play_id = 'plc-1' RETURNING name;

-- ---- the end
SELECT pg_temp.refused($$SELECT kam.kam_end_play('none', 'jane')$$);
SELECT pg_temp.refused($$SELECT kam.kam_end_play('plc-1', ' ')$$);
SELECT state, ended_by, ended_at FROM kam.kam_end_play('plc-1', 'jane@acme.com');
SELECT set_config('kam.clock', '2026-03-03T09:00:00Z', false) IS NULL AS nothing \gset
SELECT state, ended_by, ended_at FROM kam.kam_end_play('plc-1', 'joe@acme.com');
SELECT what, pg_temp.refused(format('UPDATE kam.SalesPlayLibrary SET %s WHERE play_id = %L', what, 'plc-1')) FROM unnest(ARRAY['state = ''active''', 'state = ''draft''', 'ended_by = ''joe''']) what;
SELECT pg_temp.refused($$SELECT kam.kam_promote_play('plc-1', 'jane')$$);
UPDATE kam.SalesPlayLibrary SET state = 'ended' WHERE play_id = 'plc-4' RETURNING ended_by = session_user AS by_me, ended_at;
DELETE FROM kam._play_scan WHERE play_id LIKE 'plc-%';
DROP ROLE plc_brain;
