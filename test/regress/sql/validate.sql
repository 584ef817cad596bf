-- kam_validate: what people make of decisions.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

SET timezone = 'Europe/Paris';
SET client_min_messages = warning;
SELECT kam.kam_run(pg_temp.example('01_inbound_question_fr'), '{"idempotency_key": "validate 1", "as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS sent \gset
SELECT kam.kam_run(pg_temp.example('10_meeting_scheduled_fr'), '{"idempotency_key": "validate 2", "as_of": "2026-03-11T10:00:00+01:00"}') ->> 'session_id' AS waits \gset
CALL kam.kam_wait(:'sent') \gset
CALL kam.kam_wait(:'waits') \gset

-- The historical query of the workflow finds validated decisions only.
CREATE VIEW pg_temp.history AS
	SELECT * FROM kam.final_decision
	 WHERE user_slack_message IS NOT NULL AND user_slack_message != '' AND type_of_validation IS NOT NULL AND type_of_validation != ''
	 ORDER BY created_at DESC LIMIT 10;
SELECT count(*) AS before FROM pg_temp.history WHERE session_id IN (:'sent', :'waits');

SELECT kam.kam_validate(:'sent', 'approved') IS NULL AS nothing_enrolled;
SELECT type_of_validation, user_slack_message = decision #>> '{final_decision,selected_content,message}' AS message_as_decided,
       edited_message, validated_by = session_user AS by_me, validated_at IS NOT NULL AS stamped FROM kam.final_decision WHERE session_id = :'sent';
-- A wait has no message: what was shown was its reason.
SELECT kam.kam_validate(:'waits', 'rejected', '  ');
SELECT type_of_validation, user_slack_message = decision #>> '{final_decision,rationale,action_reasoning}' AS reason FROM kam.final_decision WHERE session_id = :'waits';
-- People change their minds.
SELECT kam.kam_validate(:'sent', 'edited', 'Shown in Slack', 'Bonjour, voici la fiche.');
SELECT type_of_validation, user_slack_message, edited_message FROM kam.final_decision WHERE session_id = :'sent';
SELECT count(*) AS after FROM pg_temp.history WHERE session_id IN (:'sent', :'waits');
SELECT kam.kam_explain(:'sent') -> 'validation' ->> 'edited_message' AS explained;

SELECT pg_temp.refused(format('SELECT kam.kam_validate(%L, ''maybe'')', :'sent'));
SELECT pg_temp.refused(format('SELECT kam.kam_validate(%L, NULL)', :'sent'));
SELECT pg_temp.refused(format('SELECT kam.kam_validate(%L, ''edited'')', :'sent'));
SELECT pg_temp.refused(format('SELECT kam.kam_validate(%L, ''edited'', ''x'', '' '')', :'sent'));
SELECT pg_temp.refused(format('SELECT kam.kam_validate(%L, ''approved'', ''x'', ''y'')', :'sent'));
SELECT pg_temp.refused('SELECT kam.kam_validate(''00000000-0000-4000-8000-00000000dead'', ''approved'')');
SELECT pg_temp.refused('SELECT kam.kam_validate(NULL, ''approved'')');
SELECT split_part(pg_temp.refused(format('UPDATE kam.final_decision SET type_of_validation = ''later'' WHERE session_id = %L', :'sent')), E'\n', 1) AS refused;
-- What was validated is an example for later messages: leave none behind.
DELETE FROM kam.request WHERE session_id IN (:'sent', :'waits');
SELECT count(*) AS gone_with_its_run FROM kam.final_decision WHERE session_id IN (:'sent', :'waits');
