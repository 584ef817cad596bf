-- kam_merge_leads and kam_unmerge_leads: two leads are one person, and it can be undone.
\getenv srcdir PG_ABS_SRCDIR
\set helpers :srcdir /helpers.sql
\i :helpers
\set ECHO none
SET client_min_messages = warning;
SET timezone = 'Europe/Paris';
SET kam.clock = '2026-03-02 09:00+01';
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql AS $$ SELECT set_config('kam.clock', at, false) $$;
-- Asks or tells, and says what became of it.
CREATE FUNCTION pg_temp.ask(lead text, type text, event text, sequence text DEFAULT NULL, step integer DEFAULT NULL, payload jsonb DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', r.event_type, r.coordinator_action, r.suppressed_reason, r.resolution, r.compliance_status)
	  FROM kam.kam_request(lead, type, event, sequence, 'email', 'AGT-301', step, payload) r
$$;
-- Enrolments, what waits or waited, and the log of a lead.
CREATE FUNCTION pg_temp.cadence(lead text) RETURNS TABLE (sequence_id text, no integer, type text, state text, why text, step integer) LANGUAGE sql AS $$
	SELECT sequence_id, enrolment_no, sequence_type, state, coalesce(end_reason, paused_reason), current_step FROM kam.Cadence
	 WHERE lead_id = lead ORDER BY created_at, sequence_id, enrolment_no
$$;
CREATE FUNCTION pg_temp.queue(lead text) RETURNS TABLE (kind text, sequence_id text, step integer, reason text, release_at timestamptz, state text, end_reason text)
LANGUAGE sql AS $$
	SELECT kind, q.sequence_id, e.step, reason, q.release_at, state, end_reason FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e USING (lead_id, event_id)
	 WHERE lead_id = lead ORDER BY event_id
$$;
CREATE FUNCTION pg_temp.log(lead text) RETURNS TABLE (n bigint, event_type text, requested text, action text, reason text, resolution text, of bigint)
LANGUAGE sql AS $$
	WITH e AS (SELECT *, row_number() OVER (ORDER BY event_id) AS n FROM kam.CadenceEventLog WHERE lead_id = lead)
	SELECT e.n, e.event_type, e.requested_event_type, e.coordinator_action, e.suppressed_reason, e.resolution, p.n
	  FROM e LEFT JOIN e p ON p.event_id = e.parent_event_id ORDER BY e.n
$$;
CREATE FUNCTION pg_temp.lead(lead text) RETURNS TABLE (unsubscribed boolean, opted_out boolean, cadence_state text, active text, step integer, last_touch_at timestamptz, merged_into text)
LANGUAGE sql AS $$
	SELECT unsubscribe_flag, opt_out_flag, cadence_state, active_sequence_id, current_step, last_touch_at, merged_into FROM kam.Leads WHERE lead_id = lead
$$;
-- The kept state is the one that the tables tell.
CREATE FUNCTION pg_temp.state_is_true(pattern text) RETURNS boolean LANGUAGE sql AS $$
	SELECT coalesce(bool_and(s = d AND NOT s.stale), true) FROM kam.prospect_state s, kam._derive_state(s.lead_id) d WHERE s.lead_id LIKE pattern
$$;
\pset null '-'
\set ECHO all
INSERT INTO kam.Accounts (account_id, icp_tier) VALUES ('mer-a', 'T2');
INSERT INTO kam.Leads (lead_id, account_id, email) SELECT 'mer-' || i, 'mer-a', 'mer' || i || '@x.example' FROM generate_series(1, 9) i;

-- Two histories: two touches each, and a held one, an active sequence, a paused one.
SELECT coordinator_action FROM kam.kam_enrol('mer-1', 'outbound', '[{"day": 0, "channel": "email"}]', 'AGT-301', 'W');
SELECT pg_temp.ask('mer-1', 'outbound', 'touch', 'W', i) FROM generate_series(1, 2) i;
SELECT coordinator_action FROM kam.kam_enrol('mer-2', 'follow_up', '[{"day": 0, "channel": "email"}, {"day": 3, "channel": "phone"}]', 'AGT-301', 'L');
SELECT pg_temp.ask('mer-2', 'follow_up', 'touch', 'L', i) FROM generate_series(1, 3) i;
SELECT pg_temp.ask('mer-2', 'follow_up', 'touch', 'L', 4, '{"content": "four"}'), pg_temp.ask('mer-2', 'follow_up', 'touch', 'L', 5, '{"priority": 2}');
SELECT event_id AS keyed FROM kam.kam_request('mer-2', 'transactional', 'touch', idempotency_key => 'receipt') \gset
UPDATE kam.Leads SET sales_signal_at = '2026-02-01 10:00+01' WHERE lead_id = 'mer-2';
UPDATE kam.Leads SET sales_signal_at = '2026-01-01 10:00+01', marketing_signal_at = '2026-01-02 10:00+01' WHERE lead_id = 'mer-1';

SELECT kam.kam_merge_leads('mer-2', 'mer-1') AS merge \gset
SELECT loser, winner, merged_at, undone_at, merged_by = current_user AS by_us FROM kam.lead_merge WHERE merge_id = :merge;
SELECT * FROM kam.lead_alias WHERE lead_id LIKE 'mer-%';
-- What the loser had running ends and is asked for again behind the winner's; the step it was at goes along.
SELECT * FROM pg_temp.cadence('mer-2');
SELECT * FROM pg_temp.queue('mer-2');
SELECT * FROM pg_temp.cadence('mer-1');
SELECT * FROM pg_temp.queue('mer-1');
SELECT * FROM pg_temp.log('mer-1');
SELECT sequence_id, steps FROM kam.Cadence WHERE lead_id = 'mer-1' ORDER BY 1;
SELECT lead_id, l.* FROM unnest('{mer-1,mer-2}'::text[]) lead_id, pg_temp.lead(lead_id) l;
SELECT sales_signal_at, marketing_signal_at FROM kam.Leads WHERE lead_id = 'mer-1';
-- Both histories count.
SELECT touch_count, remaining, next_slot_at FROM kam.touch_headroom WHERE lead_id LIKE 'mer-%' AND lead_id < 'mer-3';
SELECT lead_id FROM kam.prospect_state WHERE lead_id ~ 'mer-[12]';
SELECT pg_temp.state_is_true('mer-%');
-- Whoever asks for the loser asks for the winner, and a key of before still answers.
SELECT lead_id, event_type, touch_cap_at_event FROM kam.kam_request('mer-2', 'outbound', 'touch', 'W', step => 3);
SELECT (kam.kam_gate('mer-2', 'outbound', 'touch')).touch_count;
SELECT event_id = :keyed AS same, lead_id FROM kam.kam_request('mer-2', 'transactional', 'touch', idempotency_key => 'receipt');
SELECT event_id = :keyed AS same, lead_id FROM kam.kam_request('mer-1', 'transactional', 'touch', idempotency_key => 'receipt');
SELECT lead_id, coordinator_action FROM kam.kam_request_batch('[{"lead_id": "mer-2", "sequence_type": "transactional", "event_type": "touch"},
	{"lead_id": "mer-1", "sequence_type": "transactional", "event_type": "touch"}]');
-- Again is the same; the other way round, or elsewhere, must be said.
SELECT kam.kam_merge_leads('mer-2', 'mer-1') = :merge AS same;
SELECT pg_temp.refused('SELECT kam.kam_merge_leads(''mer-1'', ''mer-2'')');
SELECT pg_temp.refused('SELECT kam.kam_merge_leads(''mer-2'', ''mer-3'')');
SELECT pg_temp.refused('SELECT kam.kam_merge_leads(''mer-3'', ''mer-3'')');
SELECT pg_temp.refused('SELECT kam.kam_merge_leads(''mer-none'', ''mer-3'')');
SELECT pg_temp.refused('SELECT kam.kam_merge_leads(''mer-3'', ''mer-none'')');
SELECT pg_temp.refused('SELECT kam.kam_merge_leads(NULL, ''mer-3'')');
-- A winner that is merged itself: no chains.
SELECT kam.kam_merge_leads('mer-1', 'mer-3') > :merge AS merged;
SELECT * FROM kam.lead_alias WHERE lead_id LIKE 'mer-%' ORDER BY 1;
SELECT lead_id, merged_into FROM kam.Leads WHERE lead_id ~ 'mer-[123]' ORDER BY 1;
SELECT * FROM pg_temp.cadence('mer-3');
SELECT pg_temp.state_is_true('mer-%');
-- Merging into an alias is merging into who stands for it.
SELECT kam.kam_merge_leads('mer-4', 'mer-2') > 0 AS merged;
SELECT canonical_id FROM kam.lead_alias WHERE lead_id = 'mer-4';
-- The loser's row goes, and comes back with the next import: it stays merged.
DELETE FROM kam.Leads WHERE lead_id = 'mer-2';
SELECT lead_id FROM kam.kam_request('mer-2', 'transactional', 'touch');
INSERT INTO kam.Leads (lead_id, email) VALUES ('mer-2', 'mer2@x.example');
SELECT merged_into FROM kam.Leads WHERE lead_id = 'mer-2';
SELECT lead_id FROM kam.kam_request('mer-2', 'transactional', 'touch');

-- Undone, the latest first: who stood for others does again.
SELECT kam.kam_unmerge_leads('mer-1');
SELECT * FROM kam.lead_alias WHERE lead_id LIKE 'mer-%' ORDER BY 1;
SELECT lead_id, merged_into FROM kam.Leads WHERE lead_id ~ 'mer-[1234]' ORDER BY 1;
SELECT * FROM pg_temp.cadence('mer-3');
SELECT * FROM pg_temp.cadence('mer-1');
SELECT kam.kam_unmerge_leads('mer-2');
SELECT * FROM pg_temp.cadence('mer-2');
SELECT * FROM pg_temp.queue('mer-2');
SELECT lead_id, merged_into FROM kam.Leads WHERE lead_id ~ 'mer-[1234]' ORDER BY 1;
SELECT kam.kam_unmerge_leads('mer-2'), kam.kam_unmerge_leads('mer-none'), kam.kam_unmerge_leads(NULL);
SELECT lead_id, touch_count FROM kam.touch_headroom WHERE lead_id ~ 'mer-[123]' ORDER BY 1;
SELECT count(*) AS not_undone FROM kam.lead_merge WHERE loser LIKE 'mer-%' AND undone_at IS NULL;
SELECT pg_temp.state_is_true('mer-%');

-- Flags are joined: the winner stops, what it would have taken over is refused.
SELECT pg_temp.ask('mer-5', 'outbound', 'activation', 'A'), pg_temp.ask('mer-6', 'nurture', 'activation', 'B');
SELECT pg_temp.ask('mer-6', 'nurture', 'touch', 'B', i) FROM generate_series(1, 4) i;
UPDATE kam.Leads SET opt_out_flag = true WHERE lead_id = 'mer-5';
SELECT kam.kam_merge_leads('mer-5', 'mer-6') > 0 AS merged;
SELECT * FROM pg_temp.lead('mer-6');
SELECT * FROM pg_temp.cadence('mer-6');
SELECT state, end_reason FROM pg_temp.queue('mer-6');
SELECT address, source FROM kam.Suppression WHERE address ~ 'mer[56]@' ORDER BY 1;
-- Undone: the flag that only the merge had set goes, with what it suppressed.
SELECT kam.kam_unmerge_leads('mer-5');
SELECT lead_id, opt_out_flag FROM kam.Leads WHERE lead_id ~ 'mer-[56]' ORDER BY 1;
SELECT address, source FROM kam.Suppression WHERE address ~ 'mer[56]@' ORDER BY 1;
-- An opt-out given meanwhile holds for both: nobody can tell whose it was.
SELECT kam.kam_merge_leads('mer-7', 'mer-8') > 0 AS merged;
SELECT lead_id, event_type FROM kam.kam_request('mer-7', NULL, 'opt_out');
SELECT kam.kam_unmerge_leads('mer-7');
SELECT lead_id, opt_out_flag FROM kam.Leads WHERE lead_id ~ 'mer-[78]' ORDER BY 1;
SELECT pg_temp.ask('mer-7', 'outbound', 'activation'), pg_temp.ask('mer-8', 'outbound', 'activation');
SELECT pg_temp.state_is_true('mer-%');

-- What was paused by hand stays paused; an absence goes along with its return.
INSERT INTO kam.Leads (lead_id, account_id, email) SELECT 'mer-p' || i, 'mer-a', 'merp' || i || '@x.example' FROM generate_series(1, 4) i;
SELECT pg_temp.ask('mer-p1', 'outbound', 'activation', 'P'), pg_temp.ask('mer-p1', 'outbound', 'pause', 'P');
SELECT kam.kam_merge_leads('mer-p1', 'mer-p2') > 0 AS merged;
SELECT * FROM pg_temp.cadence('mer-p2');
SELECT pg_temp.ask('mer-p3', 'outbound', 'activation', 'O'), pg_temp.ask('mer-p3', NULL, 'out_of_office', NULL, NULL, '{"until": "2026-03-20"}');
SELECT * FROM pg_temp.queue('mer-p3');
SELECT kam.kam_merge_leads('mer-p3', 'mer-p4') > 0 AS merged;
SELECT * FROM pg_temp.cadence('mer-p4');
SELECT * FROM pg_temp.queue('mer-p4');
SELECT pg_temp.state_is_true('mer-%');

-- Both in one sequence: the winner's goes on for both, and when the merge is undone each goes on with their own.
INSERT INTO kam.Leads (lead_id, account_id, email) SELECT 'mer-s' || i, 'mer-a', 'mers' || i || '@x.example' FROM generate_series(1, 8) i;
SELECT pg_temp.ask('mer-s1', 'outbound', 'activation', 'S'), pg_temp.ask('mer-s1', 'outbound', 'touch', 'S', 1), pg_temp.ask('mer-s1', 'outbound', 'touch', 'S', 2);
SELECT pg_temp.ask('mer-s2', 'outbound', 'activation', 'S'), pg_temp.ask('mer-s2', 'outbound', 'touch', 'S', 1);
SELECT kam.kam_merge_leads('mer-s1', 'mer-s2') > 0 AS merged;
SELECT lead, c.* FROM unnest('{mer-s1,mer-s2}'::text[]) lead, pg_temp.cadence(lead) c;
SELECT kam.kam_unmerge_leads('mer-s1');
SELECT lead, c.* FROM unnest('{mer-s1,mer-s2}'::text[]) lead, pg_temp.cadence(lead) c;
SELECT pg_temp.ask('mer-s1', 'outbound', 'touch', 'S', 3), pg_temp.ask('mer-s2', 'outbound', 'touch', 'S', 2);
-- What has ended meanwhile has ended for both.
SELECT kam.kam_merge_leads('mer-s1', 'mer-s2') > 0 AS merged;
SELECT pg_temp.ask('mer-s2', NULL, 'complete', 'S'), kam.kam_unmerge_leads('mer-s1');
SELECT * FROM pg_temp.cadence('mer-s1');

-- What the winner was to begin itself is not the loser's: its step and its end stay its own.
SELECT pg_temp.ask('mer-s4', 'outbound', 'activation', 'A'), pg_temp.ask('mer-s4', 'follow_up', 'activation', 'S');
UPDATE kam.Cadence SET active_until = '2026-05-01' WHERE lead_id = 'mer-s4' AND sequence_id = 'S';
SELECT pg_temp.ask('mer-s3', 'follow_up', 'activation', 'S'), pg_temp.ask('mer-s3', 'follow_up', 'touch', 'S', 1);
UPDATE kam.Cadence SET active_until = '2026-04-01' WHERE lead_id = 'mer-s3';
SELECT kam.kam_merge_leads('mer-s3', 'mer-s4') > 0 AS merged;
SELECT * FROM pg_temp.cadence('mer-s4');
SELECT sequence_id, active_until FROM kam.Cadence WHERE lead_id = 'mer-s4' ORDER BY 1;
SELECT kam.kam_unmerge_leads('mer-s3');
SELECT lead, c.* FROM unnest('{mer-s3,mer-s4}'::text[]) lead, pg_temp.cadence(lead) c;

-- A held touch waits with its sequence, which waits behind the winner's or is paused, and goes when that begins.
SELECT pg_temp.ask('mer-s6', 'outbound', 'activation', 'A'), pg_temp.ask('mer-s5', 'follow_up', 'activation', 'Q');
SELECT pg_temp.ask('mer-s5', 'follow_up', 'touch', 'Q', i) FROM generate_series(1, 4) i;
SELECT set_config('kam.clock', '2026-03-09 09:30+01', false) IS NULL AS later;
SELECT kam.kam_merge_leads('mer-s5', 'mer-s6') > 0 AS merged;
SELECT * FROM pg_temp.cadence('mer-s6');
SELECT * FROM pg_temp.queue('mer-s6');
SELECT * FROM pg_temp.log('mer-s6');
SELECT set_config('kam.clock', '2026-03-10 09:31+01', false) IS NULL AS later;
SELECT kam.kam_tick() ->> 'moved' AS moved;
SELECT step, reason, release_at, state FROM pg_temp.queue('mer-s6') WHERE kind = 'held';
SELECT pg_temp.ask('mer-s6', NULL, 'complete', 'A');
SELECT kam.kam_tick('2026-03-10 09:32+01') ->> 'released' AS released, kam.kam_tick('2026-03-10 09:33+01') ->> 'released' AS the_touch;
SELECT * FROM pg_temp.cadence('mer-s6');
SELECT step, state FROM pg_temp.queue('mer-s6') WHERE kind = 'held';
SELECT pg_temp.ask('mer-s7', 'outbound', 'activation', 'H');
SELECT pg_temp.ask('mer-s7', 'outbound', 'touch', 'H', i) FROM generate_series(1, 4) i;
SELECT pg_temp.ask('mer-s7', NULL, 'pause', 'H'), set_config('kam.clock', '2026-03-17 09:32+01', false) IS NULL AS later;
SELECT kam.kam_merge_leads('mer-s7', 'mer-s8') > 0 AS merged;
SELECT * FROM pg_temp.cadence('mer-s8');
SELECT * FROM pg_temp.queue('mer-s8');
SELECT pg_temp.ask('mer-s8', 'outbound', 'resume', 'H');
SELECT kam.kam_tick('2026-03-17 09:33+01') ->> 'released' AS released;
SELECT step, state FROM pg_temp.queue('mer-s8');
SELECT pg_temp.state_is_true('mer-%');
SET kam.clock = '2026-03-02 09:00+01';

DELETE FROM kam.Leads WHERE lead_id LIKE 'mer-%';
DELETE FROM kam.lead_alias WHERE lead_id LIKE 'mer-%';
DELETE FROM kam.Accounts WHERE account_id LIKE 'mer-%';
DELETE FROM kam.Suppression WHERE address LIKE 'mer%';
