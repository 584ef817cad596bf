-- kam_why(): all there is to say of one lead, in plain words and as data.

-- ---- words ------------------------------------------------------------------------------

CREATE FUNCTION _say(what text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	RETURN coalesce('{
		"email": "e-mail", "linkedin": "LinkedIn", "whatsapp": "WhatsApp", "sms": "text message", "call": "phone",

		"unsubscribed": "the person has unsubscribed",
		"opted_out": "the person wants no contact",
		"suppressed": "the address is on the suppression list",
		"clear": "the person was not to be contacted",

		"t1_sales_wins": "at T1 sales goes first",
		"t2_sales_fresher": "at T2 the fresher signal wins, and that was to sales",
		"t2_marketing_fresher": "at T2 the fresher signal wins, and that was to marketing",
		"t2_tie_sales": "at T2 sales goes first when neither signal is fresher",
		"no_tier_incumbent": "nobody knows the tier, so what runs goes on",
		"same_family_incumbent": "another sequence of its kind runs already",
		"t3_marketing_always": "at T3 sales never contacts anybody; AGT-202 was told",

		"not_enrolled": "the lead is not in this sequence",
		"already_active": "the sequence runs already",
		"enrolment_queued": "the sequence has not begun yet",
		"enrolment_paused": "the sequence is paused",
		"enrolment_finished": "the sequence is over",
		"sequence_ended": "the time of the sequence is over",
		"type_mismatch": "the sequence is of another type",
		"step_repeated": "this step went out before",
		"play_draft": "the play is a draft",
		"play_ended": "the play is over",
		"play_not_started": "the play has not begun yet",

		"waited_too_long": "it had waited too long",
		"sequence_over": "the time of its sequence was over",
		"superseded": "the sequence had become active without it",
		"cancelled": "somebody cancelled it",
		"completed": "the sequence was complete",
		"stopped": "the sequence was stopped",
		"replied": "the person replied",
		"meeting_booked": "a meeting was booked",
		"bounced": "a message bounced",
		"expired": "its time was over",
		"merged": "the lead was merged",
		"lead_deleted": "the lead was deleted",
		"compliance_block": "the person must not be contacted",
		"abm_active_suppression": "the account is in account-based marketing",
		"routing_error": "at T3 sales never contacts anybody",
		"illegal_transition": "its sequence no longer allowed it",

		"manual": "by hand",
		"conflict": "because it lost to the other family",
		"out_of_office": "while the person is away",

		"cap_warning": "one touch is left under the cap",
		"concurrency": "sales and marketing both want the lead",
		"stall": "a sequence has stalled",
		"backlog_risk": "many prospects are paused",
		"cap_breach": "more touches than the cap allows were observed",
		"data_quality": "the tier is missing"
	}'::jsonb ->> what, replace(what, '_', ' '));
COMMENT ON FUNCTION _say(text) IS 'What a word of the log, the queue, an enrolment or a flag means, in plain words; one that kam does not know (a user''s own reason, channel or type) as it is.';

CREATE FUNCTION _say_time(at timestamptz, zone text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	RETURN CASE WHEN isfinite(at) THEN to_char(at AT TIME ZONE zone, 'YYYY-MM-DD HH24:MI') ELSE at::text END;
COMMENT ON FUNCTION _say_time(timestamptz, text) IS 'A moment as people write it down in a time zone.';

-- ---- what happened ------------------------------------------------------------------------

CREATE FUNCTION _say_subject(e CadenceEventLog, asked text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	SELECT CASE asked
	           WHEN 'activation' THEN coalesce('sequence ' || (e).sequence_id, 'a sequence')
	           WHEN 'resume' THEN 'the resumption of ' || coalesce('sequence ' || (e).sequence_id, 'a sequence')
	           WHEN 'out_of_office' THEN 'the resumption of ' || coalesce('sequence ' || (e).sequence_id, 'a sequence')
	           ELSE coalesce('touch ' || (e).step, 'a touch') || coalesce(' of sequence ' || (e).sequence_id, '') || coalesce(' by ' || kam._say((e).channel), '')
	       END || coalesce(' (' || nullif(concat_ws(', ', replace((e).sequence_type, '_', ' '), 'play ' || (e).play_id,
	           CASE WHEN (e).originating_agent <> 'AGT-302' THEN 'asked by ' || (e).originating_agent END), '') || ')', '')
$$;
COMMENT ON FUNCTION _say_subject(CadenceEventLog, text) IS 'What a row is about: touch 2 of sequence S by e-mail (outbound, asked by AGT-301).';

CREATE FUNCTION _say_event(e CadenceEventLog, p CadenceEventLog, q CadenceQueue, zone text) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	-- Of a cancelled or expired one, what was asked.
	subject CONSTANT text := CASE WHEN e.event_type IN ('cancelled', 'expired') AND p.event_id IS NOT NULL THEN kam._say_subject(p, p.requested_event_type)
	                              ELSE kam._say_subject(e, e.requested_event_type) END;
	named CONSTANT text := coalesce(' to sequence ' || e.sequence_id, '');
	waited CONSTANT text := CASE WHEN p.event_type IN ('held', 'deferred', 'out_of_office') THEN
		', having waited since ' || kam._say_time(p.event_at, zone) ELSE '' END;
	became CONSTANT text := CASE q.state
		WHEN 'released' THEN '; released on ' || kam._say_time(q.ended_at, zone)
		WHEN 'cancelled' THEN format('; cancelled on %s, because %s', kam._say_time(q.ended_at, zone), kam._say(q.end_reason))
		WHEN 'expired' THEN '; given up on ' || kam._say_time(q.ended_at, zone)
		WHEN 'waiting' THEN CASE WHEN q.kind = 'held' AND q.release_at = e.release_at THEN ''
		                         WHEN q.release_at IS NULL THEN '; it waits until the other one has ended'
		                         ELSE '; it waits until ' || kam._say_time(q.release_at, zone) END
			|| CASE WHEN q.rounds > 0 THEN format(' (looked at %s times in vain)', q.rounds) ELSE '' END
		ELSE '' END;
	told CONSTANT text := CASE WHEN e.coordinator_action = 'recorded' AND e.occurred_at < e.event_at - interval '1 minute'
		THEN format(' (it happened on %s)', kam._say_time(e.occurred_at, zone)) ELSE '' END;
BEGIN
	RETURN CASE
		-- Requests.
		WHEN e.event_type = 'touch' THEN subject || ' went out' || waited
		WHEN e.event_type = 'activation' THEN subject || ' was started' || waited || coalesce('; it won: ' || kam._say(e.resolution), '')
		WHEN e.event_type = 'resume' THEN subject || ' was let through' || waited || coalesce('; it won: ' || kam._say(e.resolution), '')
		WHEN e.suppressed_reason = 'compliance_block' THEN subject || ' was refused' || waited || ': ' || kam._say(e.compliance_status)
		WHEN e.suppressed_reason = 'abm_active_suppression' THEN subject || ' was refused' || waited
			|| ': nurture does not run while the account is in account-based marketing'
		WHEN e.event_type = 'suppressed' AND e.originating_agent = 'AGT-302' AND p.event_type IN ('activation', 'resume') THEN
			coalesce('sequence ' || e.sequence_id, 'a sequence') || ' was paused: ' || kam._say(e.resolution)
		WHEN e.suppressed_reason = 'routing_error' THEN subject || ' was refused' || waited || ': ' || kam._say(coalesce(e.resolution, e.suppressed_reason))
		WHEN e.event_type = 'rejected' THEN subject || ' was refused' || waited || ': ' || kam._say(e.resolution)
		WHEN e.event_type = 'held' THEN subject || ' was held: ' || CASE
			WHEN e.release_at <= e.event_at THEN 'touches that are due go first'
			ELSE format('%s %s counted in the %s hours before%s', CASE e.touch_cap_at_event WHEN 0 THEN 'no' ELSE e.touch_cap_at_event::text END,
				CASE e.touch_cap_at_event WHEN 1 THEN 'touch' ELSE 'touches' END, round(EXTRACT(epoch FROM kam._touch_window()) / 3600),
				coalesce('; free again on ' || kam._say_time(e.release_at, zone), '')) END || became
		WHEN e.event_type = 'deferred' AND p.event_id IS NOT NULL THEN
			coalesce('sequence ' || e.sequence_id, 'a sequence') || ' was paused: ' || kam._say(e.resolution) || became
		WHEN e.event_type = 'deferred' THEN subject || ' has to wait: ' || kam._say(e.resolution) || became
		WHEN e.event_type = 'cancelled' THEN subject || ' was cancelled' || waited || coalesce(': ' || kam._say(e.resolution), '')
		WHEN e.event_type = 'expired' THEN subject || ' was given up' || waited || coalesce(': ' || kam._say(e.resolution), '')
		-- Facts.
		WHEN e.event_type = 'touch_observed' THEN coalesce(e.originating_agent, 'somebody') || ' contacted the person' || coalesce(' by ' || kam._say(e.channel), '')
			|| CASE WHEN e.family = 'transactional' THEN ', which does not count' ELSE '' END
		WHEN e.event_type = 'reply' THEN 'the person replied' || named || coalesce(' by ' || kam._say(e.channel), '')
		WHEN e.event_type = 'meeting_booked' THEN 'the person booked a meeting' || coalesce(', answering sequence ' || e.sequence_id, '')
		WHEN e.event_type = 'bounce' THEN CASE WHEN e.payload ->> 'type' = 'soft' THEN 'a message bounced for now' ELSE 'a message bounced' END
			|| coalesce(' in sequence ' || e.sequence_id, '')
		WHEN e.event_type = 'out_of_office' THEN 'the person is away' || coalesce(', back on ' || (e.payload ->> 'until'), '') || became
		WHEN e.event_type = 'opt_out' THEN 'the person asked not to be contacted any more'
		WHEN e.event_type = 'unsubscribe' THEN 'the person unsubscribed'
		WHEN e.event_type = 'pause' THEN coalesce('sequence ' || e.sequence_id || ' was', 'all sequences were') || ' paused' || coalesce(' by ' || e.originating_agent, '')
		WHEN e.event_type = 'stop' THEN coalesce('sequence ' || e.sequence_id || ' was', 'all sequences were') || ' stopped' || coalesce(' by ' || e.originating_agent, '')
		WHEN e.event_type = 'complete' THEN coalesce('sequence ' || e.sequence_id || ' was', 'all sequences were') || ' completed'
		WHEN e.event_type = 'send_failed' AND p.event_type = 'touch' THEN kam._say_subject(p, 'touch') || ' could not be sent: it no longer counts'
		WHEN e.event_type = 'send_failed' THEN 'a send failed that is no touch of this lead'
		ELSE concat_ws(' ', subject, e.event_type, e.coordinator_action) END || told;
END
$$;
COMMENT ON FUNCTION _say_event(CadenceEventLog, CadenceEventLog, CadenceQueue, text) IS 'A row of the log as a sentence. p: the row that it names as its parent; q: its place in the queue; both may be NULL.';

CREATE FUNCTION _story(lead_id text, ids text[], zone text, most integer) RETURNS text[]
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	WITH latest AS MATERIALIZED (
		SELECT e FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids) ORDER BY e.event_id DESC LIMIT most),
	line AS (
		SELECT (l.e).event_at AS at, (l.e).event_id AS place, 0 AS merges,
		       CASE WHEN (l.e).lead_id <> _story.lead_id THEN format('(as %s) ', (l.e).lead_id) ELSE '' END || kam._say_event(l.e, p, q, zone) AS says
		  FROM latest l
		  LEFT JOIN kam.CadenceEventLog p ON p.lead_id = (l.e).lead_id AND p.event_id = (l.e).parent_event_id
		  LEFT JOIN kam.CadenceQueue q ON q.lead_id = (l.e).lead_id AND q.event_id = (l.e).event_id
		UNION ALL
		SELECT w.at, coalesce((SELECT max((l.e).event_id) FROM latest l WHERE (l.e).event_at < w.at), 0), 1, w.says
		  FROM kam.lead_merge m
		 CROSS JOIN LATERAL (VALUES
			(m.merged_at, format('lead %s was merged into %s by %s', m.loser, m.winner, m.merged_by)),
			(m.undone_at, format('the merge of lead %s into %s was undone', m.loser, m.winner))) w (at, says)
		 WHERE (m.winner = ANY (ids) OR m.loser = ANY (ids)) AND w.at IS NOT NULL
		   AND w.at >= coalesce((SELECT min((l.e).event_at) FROM latest l), '-infinity'))
	SELECT coalesce(array_agg(format('%s %s: %s', kam._say_time(x.at, zone), zone, x.says) ORDER BY x.place, x.merges, x.at, x.says), '{}') FROM line x
$$;
COMMENT ON FUNCTION _story(text, text[], text, integer) IS 'The latest events of a lead as sentences, oldest first; ids: it and the leads that it stands for.';

-- ---- how it stands ----------------------------------------------------------------------------

CREATE FUNCTION _story_now(lead Leads, lead_id text, suppressions jsonb, zone text) RETURNS text[]
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	WITH line (rank, at, says) AS (
		SELECT 1, NULL::timestamptz, format('lead %s is not in Leads any more', _story_now.lead_id) WHERE (lead).lead_id IS NULL
		UNION ALL
		SELECT 2, NULL, 'nobody may contact the person: ' || f.why
		  FROM (VALUES ((lead).unsubscribe_flag, 'unsubscribe_flag is set'), ((lead).opt_out_flag, 'opt_out_flag is set')) f (said, why) WHERE f.said
		UNION ALL
		SELECT 3, (s.value ->> 'created_at')::timestamptz,
		       format('nobody may contact the person: %s is suppressed since %s (%s)', s.value ->> 'address',
		           kam._say_time((s.value ->> 'created_at')::timestamptz, zone), concat_ws(', ', s.value ->> 'source', s.value ->> 'reason'))
		  FROM jsonb_array_elements(suppressions) s
		UNION ALL
		SELECT 4, NULL, 'the account is in account-based marketing: no nurture sequence runs'
		 WHERE EXISTS (SELECT FROM kam.Accounts a WHERE a.account_id = (lead).account_id AND a.abm_active)
		UNION ALL
		SELECT 5, c.created_at, format('sequence %s (%s) is %s%s%s', c.sequence_id, replace(c.sequence_type, '_', ' '), c.state,
		           CASE c.state WHEN 'paused' THEN coalesce(' ' || kam._say(c.paused_reason), '') WHEN 'active' THEN coalesce(', step ' || c.current_step || ' went out last', '') ELSE '' END,
		           CASE WHEN c.state = 'active' THEN coalesce('; the next step is due on ' || kam._say_time(c.next_step_at, zone), '') ELSE '' END)
		  FROM kam.Cadence c WHERE c.lead_id = _story_now.lead_id AND c.state <> 'finished'
		UNION ALL
		SELECT 6, q.queued_at, format('%s waits %s%s',
		           kam._say_subject(e, CASE e.event_type WHEN 'out_of_office' THEN 'resume' ELSE e.requested_event_type END),
		           coalesce('until ' || kam._say_time(q.release_at, zone), 'until the other sequence has ended'),
		           CASE WHEN q.home <> kam._home() THEN ', and for kam_resume()' ELSE '' END)
		  FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e ON e.lead_id = q.lead_id AND e.event_id = q.event_id
		 WHERE q.lead_id = _story_now.lead_id AND q.state = 'waiting'
		UNION ALL
		SELECT 7, f.opened_at, format('flag %s since %s: %s', f.kind, kam._say_time(f.opened_at, zone), kam._say(f.kind))
		  FROM kam.CadenceFlag f WHERE f.lead_id = _story_now.lead_id AND f.closed_at IS NULL)
	SELECT coalesce(array_agg(x.says ORDER BY x.rank, x.at, x.says), '{}') FROM line x
$$;
COMMENT ON FUNCTION _story_now(Leads, text, jsonb, text) IS 'What forbids contact now, what runs with its next step, what waits, which flags are open, as sentences.';

-- ---- all of it ----------------------------------------------------------------------------------

CREATE FUNCTION kam_why(lead_id text) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._canonical(kam_why.lead_id);
	ids text[];
	lead kam.Leads;
	account kam.Accounts;
	cap CONSTANT integer := kam._touch_cap();
	since CONSTANT timestamptz := kam._now() - kam._touch_window();
	touches jsonb;
	counted integer;
	nth timestamptz;
	suppressions jsonb;
	story text[];
	told bigint;
	zone text;
BEGIN
	ids := kam._lead_ids(canonical);
	SELECT l.* INTO lead FROM kam.Leads l WHERE l.lead_id = canonical;
	IF NOT FOUND AND NOT EXISTS (SELECT FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids)) THEN
		PERFORM kam._unknown_lead(kam_why.lead_id);
	END IF;
	SELECT a.* INTO account FROM kam.Accounts a WHERE a.account_id = lead.account_id;

	SELECT coalesce(jsonb_agg(jsonb_build_object('address', s.address, 'kind', s.kind, 'source', s.source, 'reason', s.reason,
	           'created_at', s.created_at, 'created_by', s.created_by) ORDER BY s.created_at, s.address), '[]')
	  INTO suppressions
	  FROM kam.Suppression s
	 WHERE s.address = ANY (kam._suppression_keys(kam._lead_addresses(lead) || kam._address_domain(lead.email)));
	SELECT count(*), coalesce(jsonb_agg(jsonb_build_object('event_id', t.event_id, 'at', t.touch_at, 'observed', t.event_type = 'touch_observed',
	           'sequence_id', t.sequence_id, 'sequence_type', t.sequence_type, 'channel', t.channel, 'originating_agent', t.originating_agent)
	           ORDER BY t.touch_at DESC), '[]'),
	       (array_agg(t.touch_at ORDER BY t.touch_at DESC))[cap]
	  INTO counted, touches, nth
	  FROM kam.CadenceEventLog t
	 WHERE t.lead_id = ANY (ids) AND t.touch_no IS NOT NULL AND t.counted AND t.touch_at > since;

	zone := kam._recipient_zone(lead.lead_id);
	told := (SELECT count(*) FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids));
	story := kam._story(canonical, ids, zone, 200);

	RETURN jsonb_build_object(
		'lead_id', canonical,
		'as_of', kam._now(),
		'known', lead.lead_id IS NOT NULL,
		'merged_from', to_jsonb(ids[2:]),
		'unsubscribe_flag', lead.unsubscribe_flag,
		'opt_out_flag', lead.opt_out_flag,
		'suppressions', suppressions,
		'account', CASE WHEN account.account_id IS NOT NULL THEN
			jsonb_build_object('account_id', account.account_id, 'abm_active', account.abm_active, 'icp_tier', account.icp_tier) END,
		'icp_tier', coalesce(lead.icp_tier, account.icp_tier),
		'signals', jsonb_build_object('sales', lead.sales_signal_at, 'marketing', lead.marketing_signal_at),
		'touches', jsonb_build_object(
			'cap', cap, 'window_hours', (EXTRACT(epoch FROM kam._touch_window()) / 3600)::float8,
			'counted', counted,
			'remaining', CASE WHEN cap >= 0 THEN greatest(cap - counted, 0) END,
			'next_allowed_at', CASE WHEN cap < 0 OR counted < cap THEN kam._now() WHEN cap > 0 THEN nth + kam._touch_window() END,
			'list', touches),
		'enrolments', (
			SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('sequence_id', c.sequence_id, 'enrolment_no', c.enrolment_no,
			           'sequence_type', c.sequence_type, 'family', c.family, 'state', c.state, 'paused_reason', c.paused_reason,
			           'end_reason', c.end_reason, 'current_step', c.current_step, 'steps', jsonb_array_length(c.steps),
			           'originating_agent', c.originating_agent, 'play_id', c.play_id, 'created_at', c.created_at, 'activated_at', c.activated_at,
			           'paused_at', c.paused_at, 'finished_at', c.finished_at, 'next_step_at', c.next_step_at, 'active_until', c.active_until))
			       ORDER BY c.state = 'finished', c.created_at DESC, c.sequence_id), '[]')
			  FROM kam.Cadence c WHERE c.lead_id = ANY (ids)),
		'holds', (
			SELECT coalesce(jsonb_agg(jsonb_build_object('event_id', q.event_id, 'kind', q.kind, 'reason', q.reason, 'requested', e.requested_event_type,
			           'sequence_id', q.sequence_id, 'sequence_type', e.sequence_type, 'step', e.step, 'channel', e.channel, 'priority', q.priority,
			           'release_at', q.release_at, 'rounds', q.rounds, 'queued_at', q.queued_at, 'expires_at', q.expires_at,
			           'parked', q.home <> kam._home())
			       ORDER BY q.priority DESC, q.event_id), '[]')
			  FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e USING (lead_id, event_id)
			 WHERE q.lead_id = canonical AND q.state = 'waiting'),
		'flags', (
			SELECT coalesce(jsonb_agg(jsonb_build_object('kind', f.kind, 'sequence_id', f.sequence_id, 'opened_at', f.opened_at,
			           'escalated_at', f.escalated_at, 'detail', f.detail) ORDER BY f.opened_at, f.flag_id), '[]')
			  FROM kam.CadenceFlag f WHERE f.lead_id = canonical AND f.closed_at IS NULL),
		'events', (
			SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('event_id', r.event_id, 'at', r.event_at, 'event_type', r.event_type,
			           'requested', r.requested_event_type, 'coordinator_action', r.coordinator_action, 'suppressed_reason', r.suppressed_reason,
			           'resolution', r.resolution, 'sequence_id', r.sequence_id, 'sequence_type', r.sequence_type, 'step', r.step, 'channel', r.channel,
			           'originating_agent', r.originating_agent, 'release_at', r.release_at, 'parent_event_id', r.parent_event_id))
			       ORDER BY r.event_id DESC), '[]')
			  FROM (SELECT e.* FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids) ORDER BY e.event_id DESC LIMIT 20) r),
		'story', to_jsonb(story),
		'story_omitted', greatest(told - 200, 0),
		'now', to_jsonb(kam._story_now(lead, canonical, suppressions, zone)),
		'gate', CASE WHEN lead.lead_id IS NOT NULL THEN (
			SELECT jsonb_object_agg(f.family || '_' || w.event_type,
			           to_jsonb(g) - 'gates' || jsonb_build_object('sequence_type', f.sequence_type,
			               'refusing', jsonb_strip_nulls(jsonb_path_query_array(g.gates, '$[*] ? (@.passes == false)'))))
			  FROM (SELECT y.family, coalesce(
			                   (SELECT c.sequence_type FROM kam.Cadence c
			                     WHERE c.lead_id = canonical AND c.family = y.family AND c.state = 'active'),
			                   (array_agg(y.sequence_type ORDER BY y.sequence_type NOT IN ('outbound', 'nurture'), y.sequence_type))[1]) AS sequence_type
			          FROM kam.sequence_type y WHERE y.family <> 'transactional' GROUP BY y.family) f
			 CROSS JOIN (VALUES ('touch'), ('activation')) w (event_type)
			 CROSS JOIN LATERAL kam.kam_gate(canonical, f.sequence_type, w.event_type) g) END);
END
$$;
COMMENT ON FUNCTION kam_why(text) IS 'Why a lead is contacted or not, in one answer. story: what happened, a sentence per event, oldest first, in the recipient''s time zone, with that of leads merged into it; the latest 200 events (story_omitted: how many came before them). now: how it stands, in sentences. Then the same as data: flags and suppressions with their source, the touches that count now and when the next is allowed (touches.next_allowed_at: NULL when none ever is), enrolments, holds with reason and time, open flags, the latest 20 events with their verdicts, and what the gates say now of a touch and an activation by sales and by marketing (gate; refusing lists every gate that would refuse, not the first alone). Unknown lead 23503. Example: SELECT jsonb_array_elements_text(kam.kam_why(''lead-1'') -> ''story'');';
