-- Sequences that run by themselves: when the next step is due, what it sends, and the duty of the schedules that executes it (docs/sequences.md).
--
-- A step becomes a touch as anybody's: the gates judge it.  Whatever happens to it, Cadence.plan_step says that it was dealt
-- with in the same transaction, and its idempotency key that it was asked for.

-- ---- when somebody may be written to ----------------------------------------------------

CREATE FUNCTION _recipient_zone(lead_id text) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	said record;
BEGIN
	SELECT l.time_zone, a.owner_id INTO said
	  FROM kam.Leads l LEFT JOIN kam.Accounts a USING (account_id) WHERE l.lead_id = _recipient_zone.lead_id;
	RETURN coalesce(kam._zone(said.time_zone), kam._rep_zone(said.owner_id));
END
$$;
COMMENT ON FUNCTION _recipient_zone(text) IS 'The time zone of a lead: its own, else that of the rep who owns its account, else kam.default_timezone.';

CREATE FUNCTION _send_rule(sequence_type text, channel text) RETURNS SendRule
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT r.* FROM kam.SendRule r
		 WHERE r.sequence_type = _send_rule.sequence_type AND r.channel IN (_send_rule.channel, '*')
		 ORDER BY r.channel = '*' LIMIT 1;
	END;
COMMENT ON FUNCTION _send_rule(text, text) IS 'The send rule of a type and channel, else that of the type''s "*"; NULL for none.';

CREATE FUNCTION _quiet_spans(rule SendRule, local_day date, zone text) RETURNS TABLE (since timestamptz, till timestamptz)
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT (n + (rule).quiet_from) AT TIME ZONE zone,
		       (n + (rule).quiet_until + CASE WHEN (rule).quiet_until < (rule).quiet_from THEN interval '1 day' ELSE '0' END) AT TIME ZONE zone
		  FROM (VALUES (local_day - 1), (local_day)) q (n)
		 WHERE (rule).quiet_from IS NOT NULL
		 ORDER BY n;
	END;
COMMENT ON FUNCTION _quiet_spans(SendRule, date, text) IS 'The quiet hours of a rule that may reach into a day: last night''s and its own.';

CREATE FUNCTION _send_moment("from" timestamptz, zone text, sequence_type text, channel text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	opens CONSTANT time := split_part(current_setting('kam.send_window'), '-', 1);
	closes CONSTANT time := split_part(current_setting('kam.send_window'), '-', 2);
	today CONSTANT date := ("from" AT TIME ZONE _send_moment.zone)::date;
	rule CONSTANT kam.SendRule := kam._send_rule(sequence_type, channel);
	local_day date;
	moment timestamptz;
	until timestamptz;
	quiet record;
BEGIN
	-- A year of holidays and quiet hours without a gap is a mistake; a step waits for somebody to mend it.
	FOR ahead IN 0 .. 400 LOOP
		local_day := today + ahead;
		CONTINUE WHEN extract(isodow FROM local_day) > 5
			OR EXISTS (SELECT FROM kam.holiday h WHERE h.day = local_day AND h.time_zone IN ('*', _send_moment.zone));
		moment := greatest("from", (local_day + opens) AT TIME ZONE _send_moment.zone);
		until := (local_day + closes) AT TIME ZONE _send_moment.zone;
		FOR quiet IN SELECT * FROM kam._quiet_spans(rule, local_day, _send_moment.zone) LOOP
			IF moment >= quiet.since AND moment < quiet.till THEN
				moment := quiet.till;
			END IF;
		END LOOP;
		IF moment < until THEN
			RETURN moment;
		END IF;
	END LOOP;
	RETURN "from" + interval '400 days';
END
$$;
COMMENT ON FUNCTION _send_moment(timestamptz, text, text, text) IS 'The first moment from one on at which a step may go: within kam.send_window of a working day (Monday to Friday but holiday) and outside the SendRule''s quiet hours, all in the zone. 400 days later when there is none.';

CREATE FUNCTION _step_due(c Cadence, n integer, zone text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	step CONSTANT jsonb := c.steps -> (n - 1);
	before CONSTANT jsonb := c.steps -> (n - 2);
	base CONSTANT timestamptz := coalesce(c.plan_at, c.activated_at, c.created_at);
	days numeric;
	delay interval;
	due timestamptz;
	earliest timestamptz := base;
BEGIN
	IF step ? 'execute_at' THEN
		due := kam._time_or_null(step ->> 'execute_at');
		-- What came before was late: so is this.
		IF n > 1 AND kam._time_or_null(before ->> 'execute_at') < base THEN
			due := due + (base - kam._time_or_null(before ->> 'execute_at'));
		END IF;
		RETURN due;
	ELSIF step ? 'delay' THEN
		delay := (step ->> 'delay')::interval;
		-- Days are the zone's, hours are hours.
		due := ((base AT TIME ZONE zone) + date_trunc('day', delay)) AT TIME ZONE zone + (delay - date_trunc('day', delay));
		earliest := due;
	ELSIF jsonb_typeof(step -> 'day') = 'number' THEN
		days := (step ->> 'day')::numeric;
		IF n > 1 AND jsonb_typeof(before -> 'day') = 'number' THEN
			days := greatest(days - (before ->> 'day')::numeric, 0);
		ELSIF n > 1 THEN
			-- After one that counts otherwise: from the activation, never before that one.
			RETURN greatest(base, ((c.created_at AT TIME ZONE zone) + days::float8 * interval '1 day') AT TIME ZONE zone);
		END IF;
		due := ((base AT TIME ZONE zone) + trunc(days)::integer * interval '1 day') AT TIME ZONE zone + (days - trunc(days))::float8 * interval '24 hours';
	ELSE
		RETURN NULL;
	END IF;
	IF step ? 'at' THEN
		due := ((due AT TIME ZONE zone)::date + (step ->> 'at')::time) AT TIME ZONE zone;
		IF due < earliest THEN
			due := ((earliest AT TIME ZONE zone)::date + 1 + (step ->> 'at')::time) AT TIME ZONE zone;
		END IF;
	END IF;
	RETURN due;
END
$$;
COMMENT ON FUNCTION _step_due(Cadence, integer, text) IS 'The time of the n-th step of an enrolment as planned, counted from when the step before was dealt with; NULL for a step without a time.';

-- ---- Cadence keeps the time of its next step ------------------------------------------------

CREATE FUNCTION _plan_next(c Cadence, dealt_with integer, at timestamptz) RETURNS Cadence
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	present CONSTANT timestamptz := kam._now();
	step jsonb;
	zone text;
	due timestamptz;
BEGIN
	IF dealt_with > coalesce(c.plan_step, 0) THEN
		c.plan_step := dealt_with;
		-- In time is what the schedules came to within minutes: their pace does not add up over the steps.
		c.plan_at := CASE WHEN c.next_step_at BETWEEN at - interval '10 min' AND at THEN c.next_step_at ELSE date_trunc('second', at) END;
	END IF;
	c.step_note := NULL;
	c.next_step_at := NULL;
	IF c.state <> 'active' OR NOT c.runs THEN
		RETURN c;
	END IF;
	c.plan_at := coalesce(c.plan_at, c.activated_at, present);
	step := c.steps -> coalesce(c.plan_step, 0);
	IF step IS NULL THEN
		c.next_step_at := present;	-- for the schedules to complete it
	ELSE
		zone := kam._recipient_zone(c.lead_id);
		due := kam._step_due(c, coalesce(c.plan_step, 0) + 1, zone);
		IF due IS NOT NULL THEN
			-- A pause moves nothing: what has come due meanwhile is due.
			c.next_step_at := greatest(due, present);
			IF step ->> 'on_quiet' IS DISTINCT FROM 'skip' THEN
				c.next_step_at := kam._send_moment(c.next_step_at, zone, c.sequence_type, lower(btrim(step ->> 'channel')));
			END IF;
		END IF;
	END IF;
	IF c.next_step_at IS NOT NULL THEN
		PERFORM kam._wake_worker();
	END IF;
	RETURN c;
END
$$;
COMMENT ON FUNCTION _plan_next(Cadence, integer, timestamptz) IS 'An enrolment with the time of its next step, after a step was dealt with (NULL for none). Writes nothing.';

CREATE FUNCTION _plan_write(c Cadence) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	UPDATE kam.Cadence k
	   SET runs = c.runs, plan_step = c.plan_step, plan_at = c.plan_at, next_step_at = c.next_step_at, step_note = c.step_note
	 WHERE k.lead_id = c.lead_id AND k.sequence_id = c.sequence_id AND k.enrolment_no = c.enrolment_no
	   AND (k.runs, k.plan_step, k.plan_at, k.next_step_at, k.step_note) IS DISTINCT FROM (c.runs, c.plan_step, c.plan_at, c.next_step_at, c.step_note);
END
$$;
COMMENT ON FUNCTION _plan_write(Cadence) IS 'Writes what _plan_next() says.';

CREATE FUNCTION _plan_changed() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF TG_OP = 'INSERT' AND NEW.home <> kam._home() THEN
		RETURN NEW;				-- of a restore: as it was
	END IF;
	IF TG_OP = 'INSERT' OR NEW.steps IS DISTINCT FROM OLD.steps THEN
		PERFORM kam._check_steps(NEW.steps, '/payload/steps', false);
		NEW.runs := jsonb_path_exists(NEW.steps, '$[*] ? (exists (@.day) || exists (@.delay) || exists (@.execute_at))');
	END IF;
	NEW := kam._plan_next(NEW, NEW.current_step, coalesce(NEW.last_activity_at, kam._now()));
	IF TG_WHEN = 'AFTER' THEN
		PERFORM kam._plan_write(NEW);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _plan_changed() IS 'Row trigger of Cadence: checks a plan (22023 with the path) and keeps runs, plan_step, plan_at, next_step_at and step_note.';
CREATE TRIGGER _plan_came BEFORE INSERT ON Cadence FOR EACH ROW WHEN (NEW.steps <> '[]') EXECUTE FUNCTION _plan_changed();
-- AFTER: a row trigger before an UPDATE would cost every touch of every sequence a lock on the row.
CREATE TRIGGER _plan_changed AFTER UPDATE OF state, current_step, steps ON Cadence FOR EACH ROW
	WHEN ((NEW.runs OR NEW.steps IS DISTINCT FROM OLD.steps)
	      AND (OLD.state, OLD.current_step, OLD.steps) IS DISTINCT FROM (NEW.state, NEW.current_step, NEW.steps))
	EXECUTE FUNCTION _plan_changed();

CREATE FUNCTION _step_dealt_with(lead_id text, sequence_id text, enrolment_no integer, step integer, at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	c kam.Cadence;
BEGIN
	SELECT k.* INTO c FROM kam.Cadence k
	 WHERE k.lead_id = _step_dealt_with.lead_id AND k.sequence_id = _step_dealt_with.sequence_id AND k.enrolment_no = _step_dealt_with.enrolment_no
	   AND k.runs AND k.state <> 'finished' AND coalesce(k.plan_step, 0) < _step_dealt_with.step
	   FOR NO KEY UPDATE;
	IF FOUND THEN
		PERFORM kam._plan_write(kam._plan_next(c, _step_dealt_with.step, _step_dealt_with.at));
	END IF;
END
$$;
COMMENT ON FUNCTION _step_dealt_with(text, text, integer, integer, timestamptz) IS 'The enrolment goes on after a step, unless it did already.';

CREATE FUNCTION _step_hold_ended() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	held kam.CadenceEventLog;
BEGIN
	SELECT e.* INTO held FROM kam.CadenceEventLog e WHERE e.lead_id = NEW.lead_id AND e.event_id = NEW.event_id;
	IF held.step IS NOT NULL THEN
		PERFORM kam._step_dealt_with(held.lead_id, held.sequence_id, held.enrolment_no, held.step, NEW.ended_at);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _step_hold_ended() IS 'Row trigger of CadenceQueue: the sequence whose step was held goes on when the hold was released, given up or has expired.';
CREATE TRIGGER _step_hold_ended AFTER UPDATE OF state ON CadenceQueue FOR EACH ROW
	WHEN (OLD.state = 'waiting' AND NEW.state <> 'waiting' AND NEW.kind = 'held' AND NEW.end_reason IS DISTINCT FROM 'rewritten') EXECUTE FUNCTION _step_hold_ended();

CREATE FUNCTION _withdraw_step(lead_id text, sequence_id text, steps jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	held bigint;
BEGIN
	FOR held IN
		SELECT q.event_id
		  FROM kam.Cadence c
		  JOIN kam.CadenceEventLog e ON e.lead_id = c.lead_id AND e.sequence_id = c.sequence_id AND e.enrolment_no = c.enrolment_no
		       AND e.step = coalesce(c.plan_step, 0) + 1 AND e.payload ? 'planned_at'
		  JOIN kam.CadenceQueue q ON q.lead_id = e.lead_id AND q.event_id = e.event_id AND q.state = 'waiting' AND q.kind = 'held'
		 WHERE c.lead_id = _withdraw_step.lead_id AND c.sequence_id = _withdraw_step.sequence_id AND c.state <> 'finished' AND c.runs
		   AND c.steps IS DISTINCT FROM _withdraw_step.steps
	LOOP
		PERFORM kam._cancel_holds(_withdraw_step.lead_id, held, 'rewritten', kam._now());
		PERFORM kam._rebuild_state(_withdraw_step.lead_id);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _withdraw_step(text, text, jsonb) IS 'Before a plan is rewritten: a held touch of its next step has the old words, so it is cancelled (rewritten), and the step is asked for anew. Wants the lead''s lock.';

-- ---- limits by the day ----------------------------------------------------------------------------

CREATE FUNCTION _rep_limit(rep_id text) RETURNS integer
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN CASE WHEN _rep_limit.rep_id IS NULL THEN 0
	            ELSE coalesce((SELECT r.daily_limit FROM kam.Reps r WHERE r.rep_id = _rep_limit.rep_id), current_setting('kam.rep_daily_limit')::integer) END;
END
$$;
COMMENT ON FUNCTION _rep_limit(text) IS 'A rep''s daily limit: Reps.daily_limit, else kam.rep_daily_limit; 0 for none.';

CREATE FUNCTION _touches_since(account_id text, owner_id text, since timestamptz) RETURNS bigint
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		-- Of leads that were touched since, each by its own rows.
		SELECT coalesce(sum((SELECT count(*) FROM kam.CadenceEventLog e
		                      WHERE e.lead_id = l.lead_id AND e.touch_no IS NOT NULL AND e.counted AND e.event_type = 'touch'
		                        AND e.touch_at >= _touches_since.since)), 0)::bigint
		  FROM (SELECT l.lead_id FROM kam.Leads l WHERE l.account_id = _touches_since.account_id AND l.last_touch_at >= _touches_since.since
		        UNION ALL
		        SELECT l.lead_id FROM kam.Leads l WHERE l.owner_id = _touches_since.owner_id AND l.last_touch_at >= _touches_since.since) l;
	END;
COMMENT ON FUNCTION _touches_since(text, text, timestamptz) IS 'Executed touches that count, since a moment, of the leads of an account or of a rep (the other NULL).';

CREATE FUNCTION _limited_until(lead_id text, at timestamptz, OUT until timestamptz, OUT why text) RETURNS record
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	lead record;
	cap CONSTANT integer := current_setting('kam.account_daily_cap')::integer;
	rep_limit integer;
	zone text;
	today timestamp;
BEGIN
	SELECT l.account_id, l.owner_id, a.owner_id AS account_owner INTO lead
	  FROM kam.Leads l LEFT JOIN kam.Accounts a USING (account_id) WHERE l.lead_id = _limited_until.lead_id;
	rep_limit := kam._rep_limit(lead.owner_id);
	IF (cap = 0 OR lead.account_id IS NULL) AND rep_limit = 0 THEN
		RETURN;
	END IF;
	-- One at a time: two that counted the same day at once would both find room.
	PERFORM FROM kam.coordinator_state FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		why := 'locked';
		RETURN;
	END IF;
	-- Written, so that one with an older snapshot fails (40001) instead of counting by it.
	UPDATE kam.coordinator_state SET stepped_at = _limited_until.at WHERE stepped_at IS DISTINCT FROM _limited_until.at;
	IF cap > 0 AND lead.account_id IS NOT NULL THEN
		zone := kam._rep_zone(lead.account_owner);
		today := date_trunc('day', _limited_until.at AT TIME ZONE zone);
		IF kam._touches_since(lead.account_id, NULL, today AT TIME ZONE zone) >= cap THEN
			why := 'account_daily_cap';
			until := (today + interval '1 day') AT TIME ZONE zone;
			RETURN;
		END IF;
	END IF;
	IF rep_limit > 0 THEN
		zone := kam._rep_zone(lead.owner_id);
		today := date_trunc('day', _limited_until.at AT TIME ZONE zone);
		IF kam._touches_since(NULL, lead.owner_id, today AT TIME ZONE zone) >= rep_limit THEN
			why := 'rep_daily_limit';
			until := (today + interval '1 day') AT TIME ZONE zone;
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION _limited_until(text, timestamptz) IS 'Until when a daily limit keeps the steps of a lead, and which (account_daily_cap, rep_daily_limit); NULL when none does. why is locked while another run of the schedules counts.';

CREATE FUNCTION _step_moment(lead_id text, sequence_type text, channel text, at timestamptz, OUT moment timestamptz, OUT why text) RETURNS record
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	zone CONSTANT text := kam._recipient_zone(lead_id);
	limited record;
BEGIN
	moment := kam._send_moment(at, zone, sequence_type, channel);
	IF moment > at THEN
		why := 'send_window';
		RETURN;
	END IF;
	IF (SELECT t.family FROM kam.sequence_type t WHERE t.sequence_type = _step_moment.sequence_type) = 'transactional' THEN
		RETURN;
	END IF;
	SELECT * INTO limited FROM kam._limited_until(lead_id, at);
	why := limited.why;
	IF limited.until IS NOT NULL THEN
		moment := kam._send_moment(limited.until, zone, sequence_type, channel);
	END IF;
END
$$;
COMMENT ON FUNCTION _step_moment(text, text, text, timestamptz) IS 'When a step that is due may go: at once (why NULL), or later and why.';

-- ---- the duty ---------------------------------------------------------------------------------------

CREATE FUNCTION _step_later(c Cadence, moment timestamptz, why text) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	UPDATE kam.Cadence k SET next_step_at = moment, step_note = why
	 WHERE k.lead_id = c.lead_id AND k.sequence_id = c.sequence_id AND k.enrolment_no = c.enrolment_no;
END
$$;
COMMENT ON FUNCTION _step_later(Cadence, timestamptz, text) IS 'Puts the next step of an enrolment off (NULL: until its hold ends), and says why.';

CREATE FUNCTION _step_skip(c Cadence, n integer, why text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	PERFORM kam._system_event(c.lead_id, 'cancelled', NULL, why, c.sequence_id, c.sequence_type, c.enrolment_no, n);
	PERFORM kam._step_dealt_with(c.lead_id, c.sequence_id, c.enrolment_no, n, at);
	RETURN 'step_skipped';
END
$$;
COMMENT ON FUNCTION _step_skip(Cadence, integer, text, timestamptz) IS 'Leaves a step out: a row "cancelled" in the log, with the step and why (condition, quiet).';

CREATE FUNCTION _step_message(c Cadence, n integer, OUT payload jsonb, OUT missing text[]) RETURNS record
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	step CONSTANT jsonb := c.steps -> (n - 1);
	template CONSTANT text := coalesce(step ->> 'content', step ->> 'template');
	fields jsonb;
	message record;
	subject record;
BEGIN
	payload := step - '{day,delay,at,execute_at,condition,on_quiet,content,template,subject,verbatim,channel,step,message,planned_at}'::text[];
	IF step -> 'verbatim' = 'true' THEN
		payload := payload || jsonb_strip_nulls(jsonb_build_object('message', template, 'subject', step -> 'subject'));
		missing := '{}';
	ELSE
		fields := kam._lead_fields(c.lead_id);
		SELECT * INTO message FROM kam._render(template, fields);
		SELECT * INTO subject FROM kam._render(step ->> 'subject', fields);
		payload := payload || jsonb_strip_nulls(jsonb_build_object('message', message.message, 'subject', subject.message));
		missing := ARRAY(SELECT DISTINCT m FROM unnest(message.missing || subject.missing) m ORDER BY m);
	END IF;
	-- A rep can do without words, a machine that sends cannot.
	IF coalesce(btrim(payload ->> 'message'), '') = '' AND (kam._send_rule(c.sequence_type, lower(btrim(step ->> 'channel')))).mode <> 'notify_rep' THEN
		missing := missing || 'content'::text;
	END IF;
	payload := payload || jsonb_build_object('planned_at', kam._step_due(c, n, kam._recipient_zone(c.lead_id)));
END
$$;
COMMENT ON FUNCTION _step_message(Cadence, integer) IS 'The payload of a step''s touch: message and subject as they go out, planned_at, and what else the step says; with what is missing for it, a step that is sent by itself but has no words among that.';

CREATE FUNCTION _tick_step(lead_id text, sequence_id text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	c kam.Cadence;
	n integer;
	step jsonb;
	place text;
	said record;
	may record;
	key text;
	answer kam.CadenceEventLog;
BEGIN
	SELECT k.* INTO c FROM kam.Cadence k
	 WHERE k.lead_id = _tick_step.lead_id AND k.sequence_id = _tick_step.sequence_id AND k.state = 'active' AND k.next_step_at <= _tick_step.at
	   FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN 'gone';
	END IF;
	n := coalesce(c.plan_step, 0) + 1;
	step := c.steps -> (n - 1);
	IF step IS NULL THEN
		PERFORM kam._step_complete(c);
		RETURN 'completed';
	END IF;
	IF EXISTS (SELECT FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e USING (lead_id, event_id)
	            WHERE q.lead_id = c.lead_id AND q.state = 'waiting' AND q.kind = 'held'
	              AND e.sequence_id = c.sequence_id AND e.enrolment_no = c.enrolment_no AND e.step = n) THEN
		PERFORM kam._step_later(c, NULL, 'held');
		RETURN 'step_held';
	END IF;

	place := lower(btrim(step ->> 'channel'));
	IF step ->> 'on_quiet' = 'skip'
	   AND kam._send_moment(c.next_step_at, kam._recipient_zone(c.lead_id), c.sequence_type, place) > c.next_step_at THEN
		RETURN kam._step_skip(c, n, 'quiet', _tick_step.at);
	END IF;
	SELECT * INTO may FROM kam._step_moment(c.lead_id, c.sequence_type, place, _tick_step.at);
	IF may.moment > _tick_step.at THEN
		PERFORM kam._step_later(c, may.moment, may.why);
		RETURN 'step_moved';
	ELSIF may.why = 'locked' THEN
		RETURN 'skipped';
	END IF;
	IF step ? 'condition'
	   AND jsonb_path_match(kam._lead_document(c.lead_id), (step ->> 'condition')::jsonpath, silent => true) IS NOT TRUE THEN
		RETURN kam._step_skip(c, n, 'condition', _tick_step.at);
	END IF;
	SELECT * INTO said FROM kam._step_message(c, n);
	IF cardinality(said.missing) > 0 THEN
		PERFORM kam._raise_flag('data_quality', c.lead_id, NULL, c.sequence_id,
			jsonb_build_object('step', n, 'missing', to_jsonb(said.missing), 'path', format('/steps/%s', n - 1)), NULL);
		PERFORM kam._step_later(c, _tick_step.at + interval '1 hour', 'missing: ' || array_to_string(said.missing, ', '));
		RETURN 'step_lacking';
	END IF;

	-- As kam_request, whose lock we have: the same step again is given its first answer.
	key := format('step %s/%s/%s', c.sequence_id, c.enrolment_no, n)
		|| coalesce(' ' || nullif((SELECT count(*) FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e USING (lead_id, event_id)
		                            WHERE q.lead_id = c.lead_id AND q.end_reason = 'rewritten' AND e.sequence_id = c.sequence_id
		                              AND e.enrolment_no = c.enrolment_no AND e.step = n), 0), '');
	SELECT e.* INTO answer FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (kam._lead_ids(c.lead_id)) AND e.idempotency_key = key LIMIT 1;
	IF NOT FOUND THEN
		INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, idempotency_key, payload)
		VALUES (c.lead_id, c.sequence_id, c.sequence_type, 'touch', n, place, c.originating_agent, key, said.payload)
		RETURNING e.* INTO answer;
	END IF;
	IF answer.coordinator_action = 'held'
	   AND EXISTS (SELECT FROM kam.CadenceQueue q WHERE q.lead_id = answer.lead_id AND q.event_id = answer.event_id AND q.state = 'waiting') THEN
		PERFORM kam._step_later(c, NULL, 'held');
		RETURN 'step_held';
	END IF;
	PERFORM kam._step_dealt_with(c.lead_id, c.sequence_id, c.enrolment_no, n, _tick_step.at);
	IF answer.coordinator_action <> 'executed' THEN
		RETURN 'step_refused';
	END IF;
	IF n = jsonb_array_length(c.steps) THEN
		PERFORM kam._step_complete(c);
	END IF;
	RETURN 'stepped';
END
$$;
COMMENT ON FUNCTION _tick_step(text, text, timestamptz) IS 'Deals with the due step of an enrolment, under its lead''s lock: stepped (executed), step_held (by the cap), step_refused (for good, with its row), step_skipped (condition, quiet), step_moved (to when it may go), step_lacking (a field; a flag says which), completed (nothing is left), gone.';

CREATE FUNCTION _step_complete(c Cadence) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, originating_agent)
	VALUES (c.lead_id, c.sequence_id, c.sequence_type, 'complete', 'AGT-302');
END
$$;
COMMENT ON FUNCTION _step_complete(Cadence) IS 'Ends an enrolment whose last step was dealt with, by a fact.';

CREATE FUNCTION _step_release(lead_id text, event_id bigint, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	held kam.CadenceEventLog;
	may record;
BEGIN
	SELECT e.* INTO held FROM kam.CadenceEventLog e WHERE e.lead_id = _step_release.lead_id AND e.event_id = _step_release.event_id;
	IF held.event_type IS DISTINCT FROM 'held' OR held.payload -> 'planned_at' IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT * INTO may FROM kam._step_moment(held.lead_id, held.sequence_type, held.channel, _step_release.at);
	IF may.moment > _step_release.at THEN
		UPDATE kam.CadenceQueue q SET release_at = may.moment WHERE q.lead_id = held.lead_id AND q.event_id = held.event_id;
		RETURN 'moved';
	END IF;
	RETURN CASE may.why WHEN 'locked' THEN 'skipped' END;
END
$$;
COMMENT ON FUNCTION _step_release(text, bigint, timestamptz) IS 'Whether a held touch that a step asked for may be released now: NULL for yes, and for everybody else''s; moved to when it may, or skipped.';
