-- Sequences that run by themselves: times in the recipient's zone, send window, holidays, quiet hours, conditions, templates, holds, pauses, ends,
-- daily limits, the kill switch; each step once.
-- In a database of its own: the log keeps what other tests wrote, and a tick is for all leads.
\set home :DBNAME
SET client_min_messages = error;
DROP DATABASE IF EXISTS regress_steps;
CREATE DATABASE regress_steps TEMPLATE template0 ENCODING 'UTF8';
\c regress_steps
CREATE EXTENSION kam;
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers

\set ECHO none
SET timezone = 'UTC';
SET client_min_messages = warning;
\set reload :srcdir /reload.sql
-- What a tick did, zeroes left out.
CREATE FUNCTION pg_temp.tick(at timestamptz, batch integer DEFAULT 1000) RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(jsonb_object_agg(r.key, r.value) FILTER (WHERE r.value::text NOT IN ('0', '{}', '[]', 'false')), '{}') - 'opened' - 'closed'
	  FROM jsonb_each(kam.kam_tick(at, batch)) r
$$;
-- A lead enrolled at a moment: its first step's time, in the zone given.
CREATE FUNCTION pg_temp.enrol(lead text, zone text, at text, steps jsonb, type text DEFAULT 'outbound') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('kam.clock', at, false);
	INSERT INTO kam.Leads (lead_id, time_zone, icp_tier) VALUES (lead, zone, 'T1') ON CONFLICT DO NOTHING;
	PERFORM kam.kam_enrol(lead, type, steps, 'AGT-301', 's-' || lead);
	RETURN pg_temp.next(lead);
END
$$;
CREATE FUNCTION pg_temp.at(moment text) RETURNS void LANGUAGE sql AS $$ SELECT set_config('kam.clock', moment, false) IS NULL $$;
-- What was asked or told, and what became of it.
CREATE FUNCTION pg_temp.ask(lead text, type text, event text, step integer DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', r.event_type, r.coordinator_action, r.suppressed_reason) FROM kam.kam_request(lead, type, event, 's-' || lead, 'email', step => step) r
$$;
CREATE FUNCTION pg_temp.next(lead text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', 'step', coalesce(c.plan_step, 0) + 1, coalesce(to_char(c.next_step_at AT TIME ZONE kam._recipient_zone(lead), 'Dy DD Mon HH24:MI'), 'none'), c.step_note,
	       nullif(c.state, 'active'), c.end_reason)
	  FROM kam.Cadence c WHERE c.lead_id = lead ORDER BY c.enrolment_no DESC LIMIT 1
$$;
CREATE FUNCTION pg_temp.log(lead text) RETURNS TABLE (at text, event text, step integer, action text, why text, payload jsonb) LANGUAGE sql AS $$
	SELECT to_char(e.event_at AT TIME ZONE kam._recipient_zone(lead), 'Dy DD Mon HH24:MI'), e.event_type, e.step, e.coordinator_action, coalesce(e.suppressed_reason, e.resolution),
	       e.payload - 'steps' - 'planned_at'
	  FROM kam.CadenceEventLog e WHERE e.lead_id = lead ORDER BY e.event_id
$$;
CREATE FUNCTION pg_temp.tell_touch(lead text) RETURNS text LANGUAGE sql AS $$ SELECT coordinator_action FROM kam.kam_request(lead, NULL, 'touch_observed', channel => 'email') $$;
CREATE FUNCTION pg_temp.plan(steps text) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.refused(format('SELECT kam.kam_enrol(''bad'', ''outbound'', %L, ''AGT-301'')', steps))
$$;
\pset null '-'
\set ECHO all

-- ---- when: Tuesday 3 March 2026, 10:15 in Paris; each step at the same time of day, counted from the one before
SELECT pg_temp.enrol('paris', 'Europe/Paris', '2026-03-03T09:15:00Z',
	'[{"day": 0, "channel": "email", "content": "a"}, {"day": 2, "channel": "email", "content": "b"}, {"day": 4, "channel": "phone", "at": "16:30"},
	  {"delay": "3 hours", "channel": "email", "content": "d"}]');
SELECT pg_temp.tick('2026-03-03 09:15Z'), pg_temp.next('paris');
SELECT pg_temp.tick('2026-03-03 09:15Z') AS nothing_twice, pg_temp.tick('2026-03-05 09:14:59Z') AS too_early;
SELECT pg_temp.tick('2026-03-05 09:15Z'), pg_temp.next('paris') AS saturday_is_monday;
SELECT pg_temp.tick('2026-03-09 15:30Z'), pg_temp.next('paris') AS three_hours_later;
-- A week's cap: the fourth is held, which a release executes; then nothing is left.
SELECT pg_temp.tick('2026-03-10 08:00Z'), pg_temp.next('paris') AS held;
SELECT pg_temp.tick('2026-03-10 09:14Z') AS still_held;
SELECT pg_temp.tick('2026-03-10 10:00Z') AS released, pg_temp.next('paris') AS over;
SELECT * FROM pg_temp.log('paris');
SELECT current_step, runs, plan_step, end_reason FROM kam.Cadence WHERE lead_id = 'paris';

-- ---- zones: the lead's, else the account owner's, else the default
INSERT INTO kam.Reps (rep_id, time_zone) VALUES ('ny', 'America/New_York');
INSERT INTO kam.Accounts (account_id, name, owner_id) VALUES ('acme', 'Acme', 'ny');
INSERT INTO kam.Leads (lead_id, account_id, icp_tier, time_zone) VALUES ('of-ny', 'acme', 'T1', NULL), ('odd', NULL, 'T1', '(GMT+01:00) Paris');
SELECT pg_temp.enrol('of-ny', NULL, '2026-03-03T09:15:00Z', '[{"day": 0, "channel": "email", "content": "a"}]') AS opens_at_nine_there,
       kam._recipient_zone('of-ny'), pg_temp.enrol('odd', NULL, '2026-03-03T09:15:00Z', '[{"day": 0, "channel": "email", "content": "a"}]') AS default_zone,
       pg_temp.enrol('tokyo', 'Asia/Tokyo', '2026-03-06T09:15:00Z', '[{"day": 0, "channel": "email", "content": "a"}]') AS friday_evening;

-- ---- both ways of the clocks: the same time of day on the wall, hours as hours
SELECT pg_temp.enrol('spring', 'Europe/Paris', '2026-03-27T09:30:00Z',
	'[{"day": 0, "channel": "email", "content": "a"}, {"day": 3, "channel": "email", "content": "b"}]'), pg_temp.tick('2026-03-27 09:30Z');
SELECT next_step_at FROM kam.Cadence WHERE lead_id = 'spring';
SELECT pg_temp.enrol('autumn', 'America/New_York', '2026-10-30T14:30:00Z',
	'[{"day": 0, "channel": "email", "content": "a"}, {"delay": "3 days", "channel": "email", "content": "b"}]'), pg_temp.tick('2026-10-30 14:30Z') -> 'stepped';
SELECT next_step_at FROM kam.Cadence WHERE lead_id = 'autumn';
-- A time of day that the night of the change does not have, or has twice, is one moment.
SELECT kam._step_due(c, 1, 'Europe/Paris') AS skipped_hour FROM jsonb_populate_record(NULL::kam.Cadence,
	'{"steps": [{"day": 1, "at": "02:30"}], "plan_at": "2026-03-28T09:00:00Z"}') c;
SELECT kam._step_due(c, 1, 'Europe/Paris') AS repeated_hour FROM jsonb_populate_record(NULL::kam.Cadence,
	'{"steps": [{"day": 1, "at": "02:30"}], "plan_at": "2026-10-24T09:00:00Z"}') c;

-- ---- holidays of the zone and of all; quiet hours by channel, across midnight
INSERT INTO kam.holiday (day, time_zone) VALUES ('2026-07-14', 'Europe/Paris'), ('2026-07-15', '*');
INSERT INTO kam.SendRule (sequence_type, channel, mode, quiet_from, quiet_until) VALUES
	('outbound', 'sms', 'auto_send', '16:00', '11:00'), ('outbound', 'phone', 'notify_rep', '12:00', '14:00');
SELECT pg_temp.enrol('h1', 'Europe/Paris', '2026-07-13T16:30:00Z', '[{"day": 0, "channel": "email", "content": "a"}]') AS paris,
       pg_temp.enrol('h2', 'Europe/Berlin', '2026-07-13T16:30:00Z', '[{"day": 0, "channel": "email", "content": "a"}]') AS berlin,
       pg_temp.enrol('h3', 'Europe/Paris', '2026-07-16T07:30:00Z', '[{"day": 0, "channel": "SMS ", "content": "a"}]') AS quiet_until_eleven,
       pg_temp.enrol('h4', 'Europe/Paris', '2026-07-16T14:30:00Z', '[{"day": 0, "channel": "sms", "content": "a"}]') AS quiet_from_sixteen,
       pg_temp.enrol('h5', 'Europe/Paris', '2026-07-16T10:30:00Z', '[{"day": 0, "channel": "phone"}]') AS lunch;
-- What nobody can send at is for people to mend.
SELECT kam._send_moment('2026-07-16 07:30Z', 'Europe/Paris', 'nurture', 'email') AS window_opens;
-- Rules that change before the time count: the step is looked at again when it is due.
INSERT INTO kam.holiday (day) VALUES ('2026-07-17');
SELECT pg_temp.tick('2026-07-17 09:00Z') - 'ended', pg_temp.next('h4') AS moved_to_monday;

-- ---- skip instead of next
SELECT pg_temp.enrol('skip', 'Europe/Paris', '2026-03-05T09:15:00Z',
	'[{"day": 0, "channel": "email", "content": "a"}, {"day": 2, "channel": "email", "content": "b", "on_quiet": "skip"}, {"day": 5, "channel": "email", "content": "c"}]');
SELECT pg_temp.tick('2026-03-05 09:15Z'), pg_temp.next('skip') AS saturday;
SELECT pg_temp.tick('2026-03-07 09:15Z'), pg_temp.next('skip');
SELECT * FROM pg_temp.log('skip');
-- Its time was fine, nobody ticked then: it goes at the next one.
SELECT pg_temp.enrol('late', 'Europe/Paris', '2026-03-05T09:15:00Z', '[{"day": 0, "channel": "email", "content": "a", "on_quiet": "skip"}]');
SELECT pg_temp.tick('2026-03-05 20:00Z') - 'stepped', pg_temp.next('late');

-- ---- conditions: over the lead, its attributes, its account
INSERT INTO kam.Leads (lead_id, account_id, icp_tier, time_zone, attributes) VALUES ('cond', 'acme', 'T1', 'Europe/Paris', '{"seats": 40}');
SELECT pg_temp.enrol('cond', NULL, '2026-03-03T09:15:00Z',
	'[{"day": 0, "channel": "email", "content": "a", "condition": "$.attributes.seats > 250"}, {"day": 0, "channel": "email", "content": "b", "condition": "$.nothing.at.all == 1"},
	  {"day": 0, "channel": "email", "content": "c", "condition": "$.account.name == \"Acme\" && $.icp_tier == \"T1\""}]');
SELECT pg_temp.tick('2026-03-03 09:15Z') - 'step_moved';
SELECT * FROM pg_temp.log('cond');

-- ---- templates
INSERT INTO kam.Leads (lead_id, account_id, icp_tier, time_zone, owner_id, full_name, job_title, attributes) VALUES
	('tpl', 'acme', 'T1', 'Europe/Paris', 'ny', 'Ines Caron', 'CTO', '{"first_name": "Ines", "crm": {"plan": "gold", "seats": 12, "{{x}}": 1}, "odd": "{{full_name}}", "list": [1]}');
SELECT (kam._render(t, kam._lead_fields('tpl'))).* FROM unnest(ARRAY['Hello {{first_name}}', '{{ full_name }}, {{job_title}} at {{account.name}}: {{attributes.crm.seats}}', '{{attributes.odd}}',
	'{{attributes.no|none}}{{last_name | there}}{{owner.name|}}', '{{owner.name}} and {{attributes.list}} and {{email}}', '', NULL]) WITH ORDINALITY t (t, n) ORDER BY n;
-- Not one that could never be filled in: refused where it is written, with the path.
SELECT pg_temp.plan('[{"day": 0, "channel": "email", "content": "a"}, {"day": 1, "channel": "email", "content": "Hi {{firstname}}"}]');
SELECT pg_temp.plan('[{"day": 0, "channel": "email", "content": "a", "subject": "{{account.size}}"}]');
SELECT pg_temp.plan('[{"day": 0, "channel": "email", "content": "{{full_name"}]'), pg_temp.plan('[{"day": 0, "channel": "email", "template": "{{ }}"}]');
SELECT pg_temp.plan('[{"day": 0, "channel": "email", "content": 7}]'), pg_temp.plan('[{"day": 0, "channel": "email", "condition": "$.a >"}]');
-- A condition that would be an error when the step is due, and two times that do not agree.
SELECT c, pg_temp.plan(jsonb_build_array(jsonb_build_object('day', 0, 'channel', 'email', 'content', 'a', 'condition', c))::text)
  FROM unnest('{$.account.attributes.seats,$.a == 1 && $.b == $size}'::text[]) c;
SELECT pg_temp.plan('[{"day": 0, "delay": "1 day", "channel": "email"}]'), pg_temp.plan('[{"delay": "1 day", "execute_at": "2026-03-10T09:00:00+01:00", "channel": "email"}]');
SELECT pg_temp.plan('[{"delay": "soon", "channel": "email"}]'), pg_temp.plan('[{"delay": "-1 day", "channel": "email"}]'), pg_temp.plan('[{"execute_at": "infinity", "channel": "email"}]');
SELECT pg_temp.plan('[{"day": 0, "channel": "email", "at": "9:30"}]'), pg_temp.plan('[{"day": 0, "channel": "email", "on_quiet": "wait"}]');
SELECT pg_temp.plan('[{"channel": "email"}]'), pg_temp.plan('[{"day": 99999999, "channel": "email"}]');
SELECT pg_temp.refused($$SELECT kam.kam_request('tpl', 'outbound', 'activation', 'x', payload => '{"steps": [{"day": 0, "channel": "email", "content": "{{nobody}}"}]}')$$);
SELECT pg_temp.refused($$INSERT INTO kam.SalesPlayLibrary (play_id, suggested_cadence) VALUES ('p', '{"steps": [{"day": 0, "channel": "email", "content": "{{nobody}}"}]}')$$);
SELECT pg_temp.refused($$INSERT INTO kam.ABMPlaybook (playbook_id, steps) VALUES ('p', '[{"day": "x"}]')$$);
-- ... for administrators too.
SET ROLE kam_admin;
SELECT pg_temp.refused($$INSERT INTO kam.ABMPlaybook (playbook_id, steps) VALUES ('p', '[{"day": "x"}]')$$);
SELECT pg_temp.refused($$INSERT INTO kam.Cadence (lead_id, sequence_id, sequence_type, family, state, steps) VALUES ('tpl', 'x', 'outbound', 'sales', 'active', '[{"day": "x"}]')$$);
RESET ROLE;
SELECT count(*) AS left_nothing FROM kam.CadenceEventLog WHERE lead_id IN ('tpl', 'bad');
-- A field that this lead lacks puts the step off, with a flag, until it is there.
SELECT pg_temp.enrol('tpl', NULL, '2026-03-03T09:15:00Z', '[{"day": 0, "channel": "email", "subject": "{{account.name}}", "content": "Dear {{last_name}} of {{attributes.city}}, {{owner.name|us}}", "priority": 1, "tag": "t"}]');
SELECT pg_temp.tick('2026-03-03 09:15Z') - 'step_moved', pg_temp.next('tpl');
SELECT kind, sequence_id, detail FROM kam.CadenceFlag WHERE lead_id = 'tpl' AND closed_at IS NULL;
SELECT pg_temp.tick('2026-03-03 10:15Z') - 'step_moved' AS still;
UPDATE kam.Leads SET attributes = attributes || '{"last_name": "Caron", "city": "Lyon"}' WHERE lead_id = 'tpl';
SELECT pg_temp.tick('2026-03-03 11:15Z') - 'step_moved', pg_temp.next('tpl');
SELECT * FROM pg_temp.log('tpl');
SELECT kam.kam_tick('2026-03-03 11:16Z') -> 'errors' AS errors;
SELECT closed_at IS NOT NULL AS closed, detail ->> 'closed' AS why FROM kam.CadenceFlag WHERE lead_id = 'tpl' AND kind = 'data_quality';
-- Nothing to say is nothing that a machine sends; a rep may be told.
SELECT pg_temp.enrol('mute', 'Europe/Paris', '2026-03-03T11:15:00Z', '[{"day": 0, "channel": "sms"}]'), pg_temp.enrol('told', 'Europe/Paris', '2026-03-03T11:15:00Z', '[{"day": 0, "channel": "linkedin"}]');
SELECT pg_temp.tick('2026-03-03 11:15Z') - 'step_moved', pg_temp.next('mute'), pg_temp.next('told');

-- ---- a hold shifts what comes after it; one that is given up lets the next go
SELECT pg_temp.enrol('hold', 'Europe/Paris', '2026-03-03T09:15:00Z', '[{"day": 0, "channel": "email", "content": "a"}, {"day": 3, "channel": "email", "content": "b"}, {"day": 6, "channel": "email", "content": "c"}]');
SELECT count(kam.kam_request('hold', 'outbound', 'touch', 's-hold', 'email')) FROM generate_series(1, 3);
SELECT pg_temp.tick('2026-03-03 09:15Z') ->> 'step_held', pg_temp.next('hold');
-- The slot is free at 10:15 on Tuesday; the next steps follow at their distance.
SELECT pg_temp.tick('2026-03-10 09:15:01Z') ->> 'released' AS released, pg_temp.next('hold');
SELECT pg_temp.tick('2026-03-13 09:16Z') ->> 'stepped' AS stepped, pg_temp.next('hold');
SELECT pg_temp.at('2026-03-16T08:00:00Z') AS at, count(kam.kam_request('hold', 'outbound', 'touch', 's-hold', 'email')) FROM generate_series(1, 2);
SELECT pg_temp.tick('2026-03-16 09:16Z') ->> 'step_held', pg_temp.next('hold');
SELECT kam.kam_cancel_held(q.lead_id, q.event_id) FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e USING (lead_id, event_id) WHERE q.lead_id = 'hold' AND q.state = 'waiting' AND e.step = 3;
SELECT pg_temp.tick('2026-03-16 09:17Z') ->> 'completed', pg_temp.next('hold');
-- A held step is not released at night, whenever the slot frees.
SELECT pg_temp.enrol('night', 'Europe/Paris', '2026-03-03T21:15:00Z', '[]');
SELECT count(kam.kam_request('night', 'outbound', 'touch', 's-night', 'email')) FROM generate_series(1, 3);
SELECT pg_temp.ask('night', 'outbound', 'stop'), pg_temp.enrol('night', 'Europe/Paris', '2026-03-04T09:00:00Z', '[{"day": 0, "channel": "email", "content": "a"}]');
SELECT pg_temp.tick('2026-03-04 09:00Z') ->> 'step_held', pg_temp.tick('2026-03-10 21:15:01Z') ->> 'moved' AS moved;
SELECT release_at FROM kam.CadenceQueue WHERE lead_id = 'night' AND state = 'waiting';
SELECT pg_temp.tick('2026-03-11 08:00Z') ->> 'released' AS released;

-- ---- a pause stops it, a resume goes on where it stood; a reply ends it
SELECT pg_temp.enrol('pause', 'Europe/Paris', '2026-03-03T09:15:00Z', '[{"day": 0, "channel": "email", "content": "a"}, {"day": 2, "channel": "email", "content": "b"}, {"day": 9, "channel": "email", "content": "c"}]');
SELECT pg_temp.tick('2026-03-03 09:15Z') ->> 'stepped', pg_temp.next('pause');
SELECT pg_temp.at('2026-03-04T09:00:00Z') AS at, pg_temp.ask('pause', NULL, 'pause'), pg_temp.next('pause');
SELECT pg_temp.tick('2026-03-06 09:15Z') ->> 'stepped' AS none, pg_temp.next('pause');
SELECT pg_temp.at('2026-03-09T21:00:00Z') AS at, pg_temp.ask('pause', 'outbound', 'resume');
SELECT pg_temp.next('pause') AS next_morning, pg_temp.tick('2026-03-10 08:00Z') ->> 'stepped' AS stepped;
SELECT pg_temp.next('pause') AS a_week_on;
SELECT pg_temp.at('2026-03-11T09:00:00Z') AS at, pg_temp.ask('pause', NULL, 'reply'), pg_temp.next('pause');
SELECT pg_temp.tick('2026-03-31 09:15Z') ? 'stepped' AS goes_on;

-- ---- refused for good: recorded, and the sequence goes on; a step that somebody executed by hand is not executed again
UPDATE kam.Accounts SET abm_active = true WHERE account_id = 'acme';
INSERT INTO kam.Leads (lead_id, account_id, time_zone, icp_tier) VALUES ('abm', 'acme', 'Europe/Paris', 'T1');
UPDATE kam.Accounts SET abm_active = false WHERE account_id = 'acme';
SELECT pg_temp.enrol('abm', NULL, '2026-03-03T09:15:00Z', '[{"day": 0, "channel": "email", "content": "a"}, {"day": 1, "channel": "email", "content": "b"}]', 'nurture');
UPDATE kam.Accounts SET abm_active = true WHERE account_id = 'acme';
SELECT pg_temp.tick('2026-03-03 09:15Z') ->> 'step_refused' AS refused, pg_temp.next('abm');
UPDATE kam.Accounts SET abm_active = false WHERE account_id = 'acme';
SELECT pg_temp.at('2026-03-03T10:00:00Z') AS at, pg_temp.ask('abm', 'nurture', 'touch', 2), pg_temp.next('abm');
SELECT pg_temp.tick('2026-03-04 10:00Z') ->> 'completed', pg_temp.next('abm');
SELECT * FROM pg_temp.log('abm');
SELECT pg_temp.enrol('gone', 'Europe/Paris', '2026-03-03T09:15:00Z', '[{"day": 1, "channel": "email", "content": "a"}]');
UPDATE kam.Leads SET opt_out_flag = true WHERE lead_id = 'gone';
SELECT pg_temp.tick('2026-03-04 10:00Z') ? 'stepped' AS goes_on, pg_temp.next('gone');

-- ---- steps without a time are asked for, as ever
INSERT INTO kam.Leads (lead_id, icp_tier) VALUES ('hand', 'T1');
SELECT coordinator_action FROM kam.kam_request('hand', 'outbound', 'activation', 's-hand', payload => '{"steps": [{"channel": "email", "content": "a"}]}');
SELECT runs, steps, pg_temp.next('hand') FROM kam.Cadence WHERE lead_id = 'hand';

-- ---- an absolute time, and a message that is no template
INSERT INTO kam.Leads (lead_id, time_zone, icp_tier) VALUES ('abs', 'Europe/Paris', 'T1');
SELECT pg_temp.enrol('abs', NULL, '2026-03-03T09:15:00Z', '[{"execute_at": "2026-03-04T15:00:00+01:00", "channel": "email", "content": "{{literal", "verbatim": true}, {"execute_at": "2026-03-06T15:00:00+01:00", "channel": "email", "content": "b"}]');
SELECT pg_temp.tick('2026-03-05 14:00Z') ->> 'stepped', pg_temp.next('abs') AS a_day_later_too;
SELECT * FROM pg_temp.log('abs') WHERE event = 'touch';

-- ---- a decision that a person approved runs at its time, in the words that were approved last
INSERT INTO kam.Leads (lead_id, time_zone, icp_tier, email) VALUES ('dec', 'Europe/Paris', 'T1', 'dec@x.example');
SELECT pg_temp.at('2026-04-07T07:00:00Z') AS at;
INSERT INTO kam.final_decision (session_id, decision, action, selected_channel, contact_hubspot_id) VALUES ('00000000-0000-4000-8000-00000000f001',
	'{"final_decision": {"action": "send_message", "selected_channel": "EMAIL", "selected_content": {"subject": "Devis {{1}}", "message": "Bonjour"},
	  "execution_timing": {"execute_at": "2026-04-08T09:30:00+02:00"},
	  "sequence_instructions": {"sequence_plan": [{"channel": "PHONE", "planned_date": "2026-04-10T10:00:00+02:00", "content_hint": "Rappeler"}]}}}', 'send_message', 'EMAIL', 'dec');
SELECT count(pg_temp.tell_touch('dec')) FROM generate_series(1, 3);
SELECT kam.kam_validate('00000000-0000-4000-8000-00000000f001', 'approved') IS NOT NULL AS approved, pg_temp.next('dec');
SELECT pg_temp.tick('2026-04-08 07:29Z') - 'closed' - 'ended' AS early, pg_temp.tick('2026-04-08 07:30Z') ->> 'step_held' AS held;
SELECT pg_temp.at('2026-04-08T08:00:00Z') AS at, kam.kam_validate('00000000-0000-4000-8000-00000000f001', 'edited', NULL, 'Bonjour, plus court') IS NOT NULL AS edited, pg_temp.next('dec');
SELECT pg_temp.tick('2026-04-08 08:00Z') ->> 'step_held' AS held, pg_temp.next('dec');
SELECT pg_temp.tick('2026-04-14 07:00:00.1Z') ->> 'released' AS released, pg_temp.next('dec') AS six_days_later_too;
SELECT pg_temp.tick('2026-04-16 08:00Z') ->> 'stepped' AS stepped, pg_temp.next('dec');
SELECT * FROM pg_temp.log('dec') WHERE event <> 'touch_observed';

-- ---- what waits to begin begins when it is let through; an absence pauses
SELECT pg_temp.enrol('queue', 'Europe/Paris', '2026-05-04T08:00:00Z', '[]'), kam.kam_enrol('queue', 'follow_up', '[{"day": 1, "channel": "email", "content": "a"}]', 'AGT-301', 's2') IS NULL AS refused;
SELECT state, runs, plan_at, next_step_at FROM kam.Cadence WHERE lead_id = 'queue' AND sequence_id = 's2';
SELECT pg_temp.at('2026-05-06T08:00:00Z') AS at, pg_temp.ask('queue', NULL, 'stop');
SELECT pg_temp.tick('2026-05-06 08:00:01Z') ->> 'released' AS released;
SELECT state, runs, plan_at, next_step_at FROM kam.Cadence WHERE lead_id = 'queue' AND sequence_id = 's2';
SELECT coordinator_action FROM kam.kam_request('queue', NULL, 'out_of_office', 's2', payload => '{"until": "2026-05-12"}');
SELECT pg_temp.tick('2026-05-07 08:00:01Z') ? 'stepped' AS away, pg_temp.tick('2026-05-12 07:00Z') AS back;

-- ---- a merge takes the plan along where it stood, held step and all
INSERT INTO kam.Leads (lead_id, time_zone, icp_tier) VALUES ('win', 'Europe/Paris', 'T1');
SELECT pg_temp.enrol('lose', 'Europe/Paris', '2026-06-01T08:00:00Z', '[{"day": 0, "channel": "email", "content": "a"}, {"day": 1, "channel": "email", "content": "b"}, {"day": 2, "channel": "email", "content": "c"}]');
SELECT pg_temp.tick('2026-06-01 08:00Z') ->> 'stepped' AS stepped, pg_temp.at('2026-06-01T09:00:00Z') AS at, count(pg_temp.tell_touch('lose')) FROM generate_series(1, 2);
SELECT pg_temp.tick('2026-06-02 08:00Z') ->> 'step_held' AS held, pg_temp.at('2026-06-02T09:00:00Z') AS at, kam.kam_merge_leads('lose', 'win') > 0 AS merged;
SELECT pg_temp.next('win'), pg_temp.next('lose'), pg_temp.tick('2026-06-02 09:00:01Z') ->> 'stepped' AS none, pg_temp.next('win') AS held;
SELECT pg_temp.tick('2026-06-08 08:00:01Z') ->> 'released' AS released, pg_temp.next('win') AS held;
SELECT pg_temp.tick('2026-06-09 08:00:02Z') ->> 'stepped' AS stepped, pg_temp.next('win') AS held;
SELECT lead_id, step, event_type FROM kam.CadenceEventLog WHERE lead_id IN ('win', 'lose') AND step IS NOT NULL ORDER BY event_id;

-- ---- an enrolment anew is a plan anew
SELECT pg_temp.at('2026-06-22T08:00:00Z') AS at, r.coordinator_action, r.enrolment_no FROM kam.kam_enrol('win', 'outbound', '[{"day": 0, "channel": "email", "content": "a"}]', 'AGT-301', 's-lose') r;
SELECT pg_temp.tick('2026-06-22 08:00Z') ->> 'stepped' AS stepped, pg_temp.next('win');

-- ---- one failure costs that one five minutes
SELECT pg_temp.enrol('fail', 'Europe/Paris', '2026-03-10T09:15:00Z', '[{"day": 0, "channel": "email", "content": "a"}]'), pg_temp.enrol('fine', 'Europe/Paris', '2026-03-10T09:15:00Z', '[{"day": 0, "channel": "email", "content": "a"}]');
CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room for %', NEW.lead_id; END $$;
CREATE TRIGGER fail BEFORE INSERT ON kam.notification FOR EACH ROW WHEN (NEW.lead_id = 'fail' AND NEW.topic = 'touch') EXECUTE FUNCTION public.fail();
SET client_min_messages = error;
SELECT t -> 'errors' -> 0 AS error, (t ->> 'failed')::int AS failed, (t ->> 'stepped')::int > 0 AS others FROM pg_temp.tick('2026-03-10 09:15Z') t;
RESET client_min_messages;
SELECT pg_temp.next('fail'), pg_temp.next('fine');
DROP TRIGGER fail ON kam.notification;
SELECT pg_temp.tick('2026-03-10 09:20Z') ->> 'stepped' AS stepped, pg_temp.next('fail');

-- ---- daily limits
SET client_min_messages = warning;
INSERT INTO kam.Reps (rep_id, time_zone, daily_limit) VALUES ('busy', 'Europe/Paris', 2), ('free', 'Europe/Paris', NULL);
INSERT INTO kam.Accounts (account_id, owner_id) VALUES ('few', 'free'), ('many', 'busy');
INSERT INTO kam.Leads (lead_id, account_id, owner_id, icp_tier, time_zone) SELECT 'few-' || i, 'few', 'free', 'T1', 'Europe/Paris' FROM generate_series(1, 4) i;
INSERT INTO kam.Leads (lead_id, account_id, owner_id, icp_tier, time_zone) SELECT 'many-' || i, 'many', 'busy', 'T1', 'Europe/Paris' FROM generate_series(1, 4) i;
SELECT count(pg_temp.enrol(l.lead_id, NULL, '2026-09-01T09:00:00Z', '[{"day": 0, "channel": "email", "content": "a"}]')) FROM kam.Leads l WHERE lead_id ~ '^(few|many)-';
ALTER SYSTEM SET kam.account_daily_cap = 3;
\set setting kam.account_daily_cap
\set value 3
\i :reload
DELETE FROM kam.Cadence WHERE lead_id !~ '^(few|many)-';
-- One that was asked for by hand counts.
SELECT coordinator_action FROM kam.kam_request('few-4', 'outbound', 'touch', 's-few-4', 'email');
SELECT pg_temp.tick('2026-09-01 09:00Z');
SELECT lead_id, pg_temp.next(lead_id) FROM kam.Leads WHERE lead_id ~ '^(few|many)-' ORDER BY 1;
SELECT pg_temp.tick('2026-09-02 06:59Z') AS not_before_the_window, pg_temp.tick('2026-09-02 07:00Z') AS next_morning;
SELECT lead_id, pg_temp.next(lead_id) FROM kam.Leads WHERE lead_id ~ '^(few|many)-' ORDER BY 1;
ALTER SYSTEM RESET kam.account_daily_cap;
\set value 0
\i :reload

-- ---- the kill switch
SELECT pg_temp.enrol('kill', 'Europe/Paris', '2026-09-08T09:00:00Z', '[{"day": 0, "channel": "email", "content": "a"}, {"day": 0, "channel": "email", "content": "b"}]');
ALTER SYSTEM SET kam.outreach = off;
\set setting kam.outreach
\set value off
\i :reload
SELECT pg_temp.tick('2026-09-08 09:00Z') AS nothing_goes, pg_temp.next('kill');
SELECT coordinator_action, suppressed_reason, release_at FROM kam.kam_request('kill', 'outbound', 'touch', 's-kill', 'email');
SELECT coordinator_action FROM kam.kam_request('kill', NULL, 'touch_observed', 's-kill', 'email');
SELECT coordinator_action FROM kam.kam_request('kill', 'transactional', 'touch', NULL, 'email');
SELECT pg_temp.tick('2026-09-08 10:00Z') AS nor_is_released;
SELECT item, state, detail FROM kam.kam_health() WHERE item = 'outreach';
ALTER SYSTEM RESET kam.outreach;
\set value on
\i :reload
SELECT pg_temp.tick('2026-09-08 10:00Z') AS goes, pg_temp.next('kill');
SELECT item, state, detail FROM kam.kam_health() WHERE item = 'outreach';

-- ---- settings that make no sense
SELECT 'ALTER SYSTEM SET kam.send_window = ' || quote_literal(w) FROM unnest('{9-18,18:00-09:00,09:00-24:30,09:00-09:00}'::text[]) w \gexec

-- ---- I: no step twice, none out of order, no active sequence with a step whose time nobody knows
SELECT count(*) FILTER (WHERE n > 1) AS twice FROM (SELECT count(*) AS n FROM kam.CadenceEventLog WHERE event_type = 'touch' AND step IS NOT NULL GROUP BY lead_id, sequence_id, enrolment_no, step) x;
SELECT count(*) AS unsound FROM kam.Cadence WHERE next_step_at IS NOT NULL AND state <> 'active' OR runs AND state = 'active' AND next_step_at IS NULL AND step_note IS DISTINCT FROM 'held';
\c :home
DROP DATABASE regress_steps;
