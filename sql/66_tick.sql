-- The schedules of the Coordinator: what is due is released, expired, settled and ended; flags are opened, escalated and closed.  kam_tick() and the
-- worker go through the same functions.
--
-- A tick never waits for a lead's row, nor for a row of Cadence or Suppression: what somebody else holds at the moment is passed over and found
-- again next time.  So it cannot deadlock with the gate, in whatever order that takes leads.  Each item has a subtransaction of its own, which also
-- takes the lead's lock: taken outside, every later write in the subtransaction would cost a multixact.

-- ---- business days ---------------------------------------------------------------

CREATE FUNCTION _business_days_after("from" timestamptz, days integer, zone text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	start timestamp;
	last date;
	left_over integer := days;
BEGIN
	IF days < 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('days must not be negative: %s', days);
	END IF;
	IF NOT isfinite("from") THEN
		RAISE EXCEPTION USING ERRCODE = 'datetime_field_overflow', MESSAGE = 'a moment must be finite';
	END IF;
	start := "from" AT TIME ZONE zone;
	last := start::date;
	WHILE left_over > 0 LOOP
		last := last + 1;
		IF last - start::date > 3660 THEN
			RAISE EXCEPTION USING ERRCODE = 'data_exception',
				MESSAGE = format('there are no %s business days within ten years after %s in %s', days, start::date, zone),
				HINT = 'Look at the rows of kam.holiday.';
		END IF;
		IF extract(isodow FROM last) < 6
		   AND NOT EXISTS (SELECT FROM kam.holiday h WHERE h.day = last AND h.time_zone IN ('*', zone)) THEN
			left_over := left_over - 1;
		END IF;
	END LOOP;
	RETURN (last + start::time) AT TIME ZONE zone;
END
$$;
COMMENT ON FUNCTION _business_days_after(timestamptz, integer, text) IS 'The same local time on the n-th business day after a moment, in a time zone: Monday to Friday but the rows of holiday for that zone or "*". Negative days and unknown zones raise 22023. Example: SELECT kam._business_days_after(''2026-03-06 15:00-05'', 3, ''America/New_York'');';

CREATE FUNCTION _zone(written text) RETURNS text
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	-- The server would take "(GMT+01:00) Paris" for a zone of its own making.
	IF written ~ '^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$' THEN
		PERFORM now() AT TIME ZONE written;
		RETURN written;
	END IF;
	RETURN NULL;
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _zone(text) IS 'A time zone as a CRM wrote it down; NULL when it is none.';

CREATE FUNCTION _rep_zone(rep_id text) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	RETURN coalesce(kam._zone((SELECT r.time_zone FROM kam.Reps r WHERE r.rep_id = _rep_zone.rep_id)), current_setting('kam.default_timezone'));
COMMENT ON FUNCTION _rep_zone(text) IS 'The time zone that a rep''s business days are counted in: Reps.time_zone, or kam.default_timezone when that is none or nobody.';

-- ---- what failed -----------------------------------------------------------------

CREATE TABLE _tick_failure (
	duty		text NOT NULL,
	lead_id		text NOT NULL,
	item		text NOT NULL,
	failed_at	timestamptz NOT NULL,
	retry_at	timestamptz NOT NULL,
	sqlstate	text,
	error		text,
	PRIMARY KEY (lead_id, duty, item)
);
COMMENT ON TABLE _tick_failure IS 'What the schedules could not do, and when they try again (kam''s clock). Not dumped.';

CREATE FUNCTION _tick_put_off(duty text, lead_id text, item text, at timestamptz, retry_in interval, sqlstate text, error text) RETURNS void
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		INSERT INTO kam._tick_failure (duty, lead_id, item, failed_at, retry_at, sqlstate, error)
		VALUES (_tick_put_off.duty, _tick_put_off.lead_id, _tick_put_off.item, _tick_put_off.at, _tick_put_off.at + _tick_put_off.retry_in,
			_tick_put_off.sqlstate, _tick_put_off.error)
		ON CONFLICT (lead_id, duty, item) DO UPDATE
		   SET failed_at = EXCLUDED.failed_at, retry_at = EXCLUDED.retry_at, sqlstate = EXCLUDED.sqlstate, error = EXCLUDED.error;
	END;
COMMENT ON FUNCTION _tick_put_off(text, text, text, timestamptz, interval, text, text) IS 'Keeps an item out of the schedules'' way for a while.';

-- ---- duties on one lead at a time -------------------------------------------------

CREATE FUNCTION _tick_due(duty text, at timestamptz, batch integer, passed integer)
	RETURNS TABLE (lead_id text, item text, holder text)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	here CONSTANT bigint := kam._home();
	outreach CONSTANT boolean := current_setting('kam.outreach')::boolean;
BEGIN
	CASE _tick_due.duty
		WHEN 'release' THEN
			-- Who has waited longest comes first; of a lead everything that is due, in the order in which it may go.
			RETURN QUERY
			SELECT q.lead_id::text, q.event_id::text, coalesce(a.canonical_id, q.lead_id)
			  FROM (SELECT DISTINCT d.lead_id
			          FROM (SELECT q.lead_id FROM kam.CadenceQueue q
			                 WHERE q.home = here AND q.state = 'waiting' AND q.release_at <= _tick_due.at AND (outreach OR q.kind <> 'held')
			                 ORDER BY q.release_at LIMIT _tick_due.batch OFFSET _tick_due.passed) d) lead
			  JOIN kam.CadenceQueue q USING (lead_id)
			  LEFT JOIN kam.lead_alias a USING (lead_id)
			 WHERE q.state = 'waiting' AND q.release_at <= _tick_due.at AND q.home = here AND (outreach OR q.kind <> 'held')
			 ORDER BY lead_id, q.priority DESC, q.event_id
			 LIMIT _tick_due.batch;
		WHEN 'expire' THEN
			RETURN QUERY
			SELECT due.lead_id::text, due.event_id::text, coalesce(a.canonical_id, due.lead_id)
			  FROM (SELECT q.lead_id, q.event_id FROM kam.CadenceQueue q
			         WHERE q.home = here AND q.state = 'waiting' AND q.expires_at <= _tick_due.at
			           AND NOT EXISTS (SELECT FROM kam._tick_failure f
			                            WHERE f.lead_id = q.lead_id AND f.duty = 'expire' AND f.item = q.event_id::text AND f.retry_at > _tick_due.at)
			         ORDER BY q.expires_at LIMIT _tick_due.batch OFFSET _tick_due.passed) due
			  LEFT JOIN kam.lead_alias a USING (lead_id)
			 ORDER BY lead_id, due.event_id;
		WHEN 'end' THEN
			RETURN QUERY
			SELECT due.lead_id::text, due.sequence_id::text, due.lead_id::text
			  FROM (SELECT c.lead_id, c.sequence_id FROM kam.Cadence c
			         WHERE c.home = here AND c.state <> 'finished' AND c.active_until <= _tick_due.at
			           AND NOT EXISTS (SELECT FROM kam._tick_failure f
			                            WHERE f.lead_id = c.lead_id AND f.duty = 'end' AND f.item = c.sequence_id AND f.retry_at > _tick_due.at)
			         ORDER BY c.active_until LIMIT _tick_due.batch OFFSET _tick_due.passed) due
			 ORDER BY due.lead_id, due.sequence_id;
		WHEN 'step' THEN
			RETURN QUERY
			SELECT due.lead_id::text, due.sequence_id::text, due.lead_id::text
			  FROM (SELECT c.lead_id, c.sequence_id FROM kam.Cadence c
			         WHERE outreach AND c.home = here AND c.state = 'active' AND c.next_step_at <= _tick_due.at
			         ORDER BY c.next_step_at LIMIT _tick_due.batch OFFSET _tick_due.passed) due
			 ORDER BY due.lead_id, due.sequence_id;
		WHEN 'conflict' THEN
			RETURN QUERY
			SELECT due.lead_id::text, ''::text, due.lead_id::text
			  FROM (SELECT s.lead_id FROM kam.prospect_state s WHERE s.sales_sequence IS NOT NULL AND s.marketing_sequence IS NOT NULL
			        UNION
			        SELECT s.lead_id FROM kam.prospect_state s WHERE s.stale) due
			 WHERE NOT EXISTS (SELECT FROM kam._tick_failure f
			                    WHERE f.lead_id = due.lead_id AND f.duty = 'conflict' AND f.item = '' AND f.retry_at > _tick_due.at)
			   AND NOT EXISTS (SELECT FROM kam.Cadence c WHERE c.lead_id = due.lead_id AND c.home <> here)
			 ORDER BY due.lead_id LIMIT _tick_due.batch OFFSET _tick_due.passed;
	END CASE;
END
$$;
COMMENT ON FUNCTION _tick_due(text, timestamptz, integer, integer) IS 'What is due of a duty, found without a lock: the lead it stands under, the item (event or sequence), the lead whose row is to be locked. "passed" of the oldest are left out.';

CREATE FUNCTION _tick_release(lead_id text, event_id bigint, holder text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	outcome text;
	waiting record;
BEGIN
	-- Another ticker may have seen to it between the look and the lock.
	PERFORM FROM kam.CadenceQueue q
	  WHERE q.lead_id = _tick_release.lead_id AND q.event_id = _tick_release.event_id AND q.state = 'waiting' AND q.release_at <= _tick_release.at;
	IF NOT FOUND THEN
		RETURN 'gone';
	END IF;
	outcome := kam._step_release(_tick_release.lead_id, _tick_release.event_id, _tick_release.at);
	IF outcome IS NOT NULL THEN
		RETURN outcome;
	END IF;
	outcome := kam._release(_tick_release.lead_id, _tick_release.event_id);
	IF outcome = 'moved' THEN
		-- A conflict that does not settle is for people.
		SELECT q.sequence_id, q.reason, q.rounds, l.owner_id, r.manager_id INTO waiting
		  FROM kam.CadenceQueue q
		  JOIN kam.Leads l ON l.lead_id = _tick_release.holder
		  LEFT JOIN kam.Reps r ON r.rep_id = l.owner_id
		 WHERE q.lead_id = _tick_release.lead_id AND q.event_id = _tick_release.event_id AND q.kind = 'deferred' AND q.rounds >= 3
		   AND q.reason IN ('t2_sales_fresher', 't2_marketing_fresher', 't2_tie_sales', 'no_tier_incumbent');
		IF FOUND THEN
			PERFORM kam._raise_flag('concurrency', _tick_release.holder, NULL, waiting.sequence_id,
				jsonb_build_object('reason', waiting.reason, 'rounds', waiting.rounds, 'event_id', _tick_release.event_id),
				ARRAY[coalesce(waiting.owner_id, 'AGT-301'), waiting.manager_id]);
		END IF;
	END IF;
	RETURN outcome;
END
$$;
COMMENT ON FUNCTION _tick_release(text, bigint, text, timestamptz) IS 'Lets one due request through the gates again: released, moved, blocked, gone. From the third round of a conflict that waits by the clock on, rep and manager get a flag.';

CREATE FUNCTION _tick_expire(lead_id text, event_id bigint, holder text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	expired record;
BEGIN
	UPDATE kam.CadenceQueue q
	   SET state = 'expired', ended_at = _tick_expire.at, end_reason = 'expired'
	  FROM kam.CadenceEventLog e
	 WHERE q.lead_id = _tick_expire.lead_id AND q.event_id = _tick_expire.event_id AND q.state = 'waiting' AND q.expires_at <= _tick_expire.at
	   AND e.lead_id = q.lead_id AND e.event_id = q.event_id
	RETURNING coalesce(q.sequence_id, e.sequence_id) AS sequence_id, e.sequence_type, q.kind INTO expired;
	IF NOT FOUND THEN
		RETURN 'gone';
	END IF;
	PERFORM kam._system_event(_tick_expire.lead_id, 'expired', _tick_expire.event_id,
		CASE WHEN EXISTS (SELECT FROM kam.Cadence c WHERE c.lead_id = _tick_expire.holder AND c.sequence_id = expired.sequence_id AND c.active_until <= _tick_expire.at)
		     THEN 'sequence_over' ELSE 'waited_too_long' END,
		expired.sequence_id, expired.sequence_type);
	-- Nobody else is going to start or resume it.
	IF expired.kind = 'deferred'
	   AND EXISTS (SELECT FROM kam.Cadence c
	                WHERE c.lead_id = _tick_expire.holder AND c.sequence_id = expired.sequence_id AND c.state IN ('queued', 'paused'))
	   AND NOT EXISTS (SELECT FROM kam.CadenceQueue q
	                    WHERE q.lead_id = _tick_expire.holder AND q.sequence_id = expired.sequence_id AND q.state = 'waiting' AND q.kind = 'deferred') THEN
		PERFORM kam._end_enrolments(_tick_expire.holder, expired.sequence_id, 'expired', _tick_expire.at, true);
	END IF;
	PERFORM kam._settle_lead(_tick_expire.holder, _tick_expire.at);
	PERFORM kam._rebuild_state(_tick_expire.holder);
	RETURN 'expired';
END
$$;
COMMENT ON FUNCTION _tick_expire(text, bigint, text, timestamptz) IS 'Gives up a request that has waited too long, with its row in the log; an enrolment that never began, or was never resumed, ends with the last that waited for it. expired or gone.';

CREATE FUNCTION _tick_end(lead_id text, sequence_id text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	play text;
BEGIN
	SELECT c.play_id INTO play
	  FROM kam.Cadence c
	 WHERE c.lead_id = _tick_end.lead_id AND c.sequence_id = _tick_end.sequence_id AND c.state <> 'finished' AND c.active_until <= _tick_end.at;
	IF NOT FOUND THEN
		RETURN 'gone';
	END IF;
	PERFORM kam._end_enrolments(_tick_end.lead_id, _tick_end.sequence_id, CASE WHEN play IS NULL THEN 'expired' ELSE 'play_ended' END, _tick_end.at, true);
	PERFORM kam._settle_lead(_tick_end.lead_id, _tick_end.at);
	PERFORM kam._rebuild_state(_tick_end.lead_id);
	RETURN 'ended';
END
$$;
COMMENT ON FUNCTION _tick_end(text, text, timestamptz) IS 'Finishes an enrolment whose time is over. ended or gone.';

CREATE FUNCTION _tick_conflict(lead_id text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	rivals kam.Cadence[];
	verdict kam.CadenceEventLog;
BEGIN
	PERFORM kam._rebuild_state(_tick_conflict.lead_id);
	-- The later one is the newcomer: it is stopped and has to ask again.  If it wins, the gate pauses the other.
	SELECT array_agg(c ORDER BY c.activated_at DESC NULLS LAST, c.family) INTO rivals
	  FROM kam.Cadence c
	 WHERE c.lead_id = _tick_conflict.lead_id AND c.state = 'active' AND c.family <> 'transactional';
	IF cardinality(rivals) IS DISTINCT FROM 2 THEN
		RETURN 'rebuilt';
	END IF;
	PERFORM kam._pause_enrolments(_tick_conflict.lead_id, rivals[1].sequence_id, 'conflict', _tick_conflict.at);
	PERFORM kam._rebuild_state(_tick_conflict.lead_id);
	INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, originating_agent)
	VALUES (_tick_conflict.lead_id, rivals[1].sequence_id, rivals[1].sequence_type, 'resume', rivals[1].originating_agent)
	RETURNING * INTO verdict;
	PERFORM kam._settle_lead(_tick_conflict.lead_id, _tick_conflict.at);
	PERFORM kam._raise_flag('concurrency', _tick_conflict.lead_id, NULL, NULL,
		jsonb_build_object(rivals[1].family, rivals[1].sequence_id, rivals[2].family, rivals[2].sequence_id,
			'paused', CASE verdict.coordinator_action WHEN 'executed' THEN rivals[2].sequence_id ELSE rivals[1].sequence_id END,
			'resolution', verdict.resolution), NULL);
	RETURN 'resolved';
END
$$;
COMMENT ON FUNCTION _tick_conflict(text, timestamptz) IS 'A lead active in sales and marketing at once (an import or a merge can do that): applies the matrix by pausing the later one and having it ask to resume, and flags it. resolved, or rebuilt when only prospect_state was out of date.';

CREATE FUNCTION _tick_passed_over(duty text, lead_id text, item text, holder text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	IF EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = _tick_passed_over.holder) THEN
		RETURN 'skipped';
	END IF;
	CASE _tick_passed_over.duty
		WHEN 'release', 'expire' THEN
			UPDATE kam.CadenceQueue q SET state = 'cancelled', ended_at = _tick_passed_over.at, end_reason = 'lead_deleted'
			 WHERE q.lead_id = _tick_passed_over.lead_id AND q.event_id = _tick_passed_over.item::bigint AND q.state = 'waiting';
		WHEN 'end', 'step' THEN
			PERFORM kam._end_enrolments(_tick_passed_over.lead_id, _tick_passed_over.item, 'lead_deleted', _tick_passed_over.at, true);
		WHEN 'conflict' THEN
			DELETE FROM kam.prospect_state s WHERE s.lead_id = _tick_passed_over.lead_id;
	END CASE;
	RETURN 'orphaned';
END
$$;
COMMENT ON FUNCTION _tick_passed_over(text, text, text, text, timestamptz) IS 'An item whose lead could not be locked: skipped when somebody else holds it, else the lead is gone, and what is left of it is put away (orphaned).';

CREATE FUNCTION _tick_items(duty text, at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	due record;
	outcome text;
	tally jsonb := '{}';
	errors jsonb := '[]';
	done integer := 0;
	passed integer := 0;
	seen integer;
	state text;
	message text;
BEGIN
	-- Several looks when leads that are locked stand in front, and for steps: the next of a sequence may be due as well.
	FOR look IN 1 .. 10 LOOP
		seen := 0;
		FOR due IN SELECT * FROM kam._tick_due(duty, at, batch - done, passed) LOOP
			seen := seen + 1;
			BEGIN
				PERFORM FROM kam.Leads l WHERE l.lead_id = due.holder FOR NO KEY UPDATE SKIP LOCKED;
				IF FOUND THEN
					outcome := CASE duty
						WHEN 'release' THEN kam._tick_release(due.lead_id, due.item::bigint, due.holder, at)
						WHEN 'expire' THEN kam._tick_expire(due.lead_id, due.item::bigint, due.holder, at)
						WHEN 'end' THEN kam._tick_end(due.lead_id, due.item, at)
						WHEN 'conflict' THEN kam._tick_conflict(due.lead_id, at)
						WHEN 'step' THEN kam._tick_step(due.lead_id, due.item, at)
					END;
				ELSE
					outcome := kam._tick_passed_over(duty, due.lead_id, due.item, due.holder, at);
				END IF;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
				-- Of a snapshot that is too old every further item would fail as well.
				IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
					RAISE;
				END IF;
				RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not %s %s of lead %s: %s', duty, nullif(due.item, ''), due.lead_id, message),
					HINT = 'It is tried again in five minutes.';
				IF duty = 'release' THEN
					UPDATE kam.CadenceQueue q SET release_at = at + interval '5 min'
					 WHERE q.lead_id = due.lead_id AND q.event_id = due.item::bigint AND q.state = 'waiting';
				ELSIF duty = 'step' THEN
					UPDATE kam.Cadence c SET next_step_at = at + interval '5 min', step_note = message
					 WHERE c.lead_id = due.lead_id AND c.sequence_id = due.item AND c.state = 'active';
				END IF;
				PERFORM kam._tick_put_off(duty, due.lead_id, due.item, at, '5 min', state, message);
				errors := errors || jsonb_build_object('duty', duty, 'lead_id', due.lead_id, 'item', due.item, 'sqlstate', state, 'message', message);
				outcome := 'failed';
			END;
			tally := tally || jsonb_build_object(outcome, coalesce((tally ->> outcome)::integer, 0) + 1);
			IF outcome IN ('skipped', 'gone') THEN
				passed := passed + 1;
			ELSE
				done := done + 1;
			END IF;
		END LOOP;
		EXIT WHEN seen = 0 OR done >= batch OR passed = 0 AND duty <> 'step';
	END LOOP;
	RETURN tally || jsonb_build_object('more', done >= batch) || CASE WHEN errors = '[]' THEN '{}' ELSE jsonb_build_object('errors', errors) END;
END
$$;
COMMENT ON FUNCTION _tick_items(text, timestamptz, integer) IS 'Does at most "batch" items of a duty, each in a subtransaction of its own under its lead''s lock. Counts per outcome, whether there may be more, errors.';

-- ---- duties on many rows ------------------------------------------------------------

CREATE FUNCTION _tick_rejudge(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	known kam.coordinator_state;
	leads text[];
	moved integer;
BEGIN
	SELECT * INTO known FROM kam.coordinator_state FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		-- Not beside a row that somebody is writing: ON CONFLICT would wait for them.
		IF NOT EXISTS (SELECT FROM kam.coordinator_state) THEN
			INSERT INTO kam.coordinator_state (touch_cap, touch_window) VALUES (kam._touch_cap(), kam._touch_window()) ON CONFLICT DO NOTHING;
		END IF;
		RETURN '{}';
	END IF;
	IF (known.touch_cap, known.touch_window) IS DISTINCT FROM (kam._touch_cap(), kam._touch_window()) THEN
		known.rejudge_from := '';
		UPDATE kam.coordinator_state SET touch_cap = kam._touch_cap(), touch_window = kam._touch_window(), rejudge_from = '';
	END IF;
	IF known.rejudge_from IS NULL THEN
		RETURN '{}';
	END IF;

	leads := ARRAY(SELECT DISTINCT q.lead_id FROM kam.CadenceQueue q
	                WHERE q.state = 'waiting' AND q.lead_id > known.rejudge_from
	                ORDER BY q.lead_id LIMIT batch);
	-- A lead that is locked keeps the time it has: an older rule's, so its holds are late at the worst.
	WITH locked AS MATERIALIZED (
		SELECT l.lead_id FROM kam.Leads l WHERE l.lead_id = ANY (leads) FOR NO KEY UPDATE SKIP LOCKED
	)
	UPDATE kam.CadenceQueue q SET release_at = at
	  FROM locked
	 WHERE q.lead_id = locked.lead_id AND q.state = 'waiting' AND q.kind = 'held' AND q.release_at > at AND q.home = kam._home();
	GET DIAGNOSTICS moved = ROW_COUNT;
	UPDATE kam.coordinator_state
	   SET rejudge_from = CASE WHEN cardinality(leads) = batch THEN leads[batch] END;
	RETURN jsonb_build_object('rejudged', moved, 'more', cardinality(leads) = batch);
END
$$;
COMMENT ON FUNCTION _tick_rejudge(timestamptz, integer) IS 'After kam.touch_cap or kam.touch_window changed: makes what is held due now, lead by lead, so that the gates judge it by the new rule.';

CREATE FUNCTION _leads_with_address(address text, kind text, after text, most integer) RETURNS TABLE (lead_id text)
	LANGUAGE plpgsql STABLE ROWS 1000
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	-- One index each; a condition on all at once would have none.
	CASE _leads_with_address.kind
		WHEN 'email' THEN
			RETURN QUERY SELECT l.lead_id::text FROM kam.Leads l
			 WHERE l.email IS NOT NULL AND kam._address(l.email) = _leads_with_address.address AND l.lead_id > _leads_with_address.after
			 ORDER BY l.lead_id LIMIT _leads_with_address.most;
		WHEN 'domain' THEN
			RETURN QUERY SELECT l.lead_id::text FROM kam.Leads l
			 WHERE l.email IS NOT NULL AND kam._address_domain(l.email) = _leads_with_address.address AND l.lead_id > _leads_with_address.after
			 ORDER BY l.lead_id LIMIT _leads_with_address.most;
		WHEN 'phone' THEN
			RETURN QUERY SELECT l.lead_id::text FROM kam.Leads l
			 WHERE l.phone IS NOT NULL AND kam._address(l.phone) = _leads_with_address.address AND l.lead_id > _leads_with_address.after
			 ORDER BY l.lead_id LIMIT _leads_with_address.most;
		WHEN 'linkedin' THEN
			RETURN QUERY SELECT l.lead_id::text FROM kam.Leads l
			 WHERE l.linkedin_url IS NOT NULL AND kam._address(l.linkedin_url) = _leads_with_address.address AND l.lead_id > _leads_with_address.after
			 ORDER BY l.lead_id LIMIT _leads_with_address.most;
	END CASE;
END
$$;
COMMENT ON FUNCTION _leads_with_address(text, text, text, integer) IS 'Leads that have a normalised address, by lead_id, those after one.';

CREATE FUNCTION _tick_settle(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	look CONSTANT integer := greatest(batch, 20 * batch);
	suppressed record;
	lead record;
	reached text;
	seen integer;
	locked integer;
	settled integer := 0;
	skipped integer := 0;
	failed integer := 0;
	suppressions integer := 0;
	errors jsonb := '[]';
	state text;
	message text;
BEGIN
	FOR suppressed IN
		SELECT s.address, s.kind, s.settled_upto
		  FROM kam.Suppression s
		 WHERE s.home = kam._home() AND s.settled_at IS NULL
		   AND NOT EXISTS (SELECT FROM kam._tick_failure f WHERE f.lead_id = s.address AND f.duty = 'settle' AND f.item = '' AND f.retry_at > at)
		 ORDER BY s.created_at LIMIT batch
		   FOR NO KEY UPDATE SKIP LOCKED
	LOOP
		reached := coalesce(suppressed.settled_upto, '');
		seen := 0;
		locked := 0;
		FOR lead IN
			SELECT w.lead_id,
			       EXISTS (SELECT FROM kam.Cadence c WHERE c.lead_id = w.lead_id AND c.state <> 'finished')
			       OR EXISTS (SELECT FROM kam.CadenceQueue q WHERE q.lead_id = w.lead_id AND q.state = 'waiting') AS unfinished
			  FROM kam._leads_with_address(suppressed.address, suppressed.kind, reached, look) w
		LOOP
			EXIT WHEN settled + failed >= batch;
			seen := seen + 1;
			reached := lead.lead_id;
			CONTINUE WHEN NOT lead.unfinished;
			BEGIN
				PERFORM FROM kam.Leads l WHERE l.lead_id = lead.lead_id FOR NO KEY UPDATE SKIP LOCKED;
				IF NOT FOUND THEN
					locked := locked + 1;
				ELSIF kam._stop_lead(lead.lead_id, 'suppressed', at) THEN
					settled := settled + 1;
				END IF;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
				IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
					RAISE;
				END IF;
				RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not settle lead %s, which is suppressed: %s', lead.lead_id, message),
					HINT = 'It is tried again in five minutes.';
				PERFORM kam._tick_put_off('settle', suppressed.address, lead.lead_id, at, '5 min', state, message);
				errors := errors || jsonb_build_object('duty', 'settle', 'lead_id', lead.lead_id, 'item', suppressed.address, 'sqlstate', state, 'message', message);
				failed := failed + 1;
			END;
		END LOOP;
		skipped := skipped + locked;
		IF locked > 0 THEN
			PERFORM kam._tick_put_off('settle', suppressed.address, '#locked', at, '1 s', '55P03', 'a lead was locked');
		END IF;
		IF settled + failed >= batch OR seen = look THEN
			UPDATE kam.Suppression s SET settled_upto = reached WHERE s.address = suppressed.address;
			RETURN jsonb_build_object('settled', settled, 'suppressions', suppressions, 'skipped', skipped, 'failed', failed, 'more', true, 'errors', errors);
		END IF;
		-- Through with it, unless a lead on the way was locked or failed: then once more from the start, where little is left to do.
		IF EXISTS (SELECT FROM kam._tick_failure f WHERE f.lead_id = suppressed.address AND f.duty = 'settle' AND f.item <> '') THEN
			INSERT INTO kam._tick_failure (duty, lead_id, item, failed_at, retry_at, sqlstate, error)
			SELECT 'settle', f.lead_id, '', at, max(f.retry_at), max(f.sqlstate), max(f.error)
			  FROM kam._tick_failure f WHERE f.lead_id = suppressed.address AND f.duty = 'settle' AND f.item <> '' GROUP BY f.lead_id
			ON CONFLICT (lead_id, duty, item) DO UPDATE
			   SET failed_at = EXCLUDED.failed_at, retry_at = EXCLUDED.retry_at, sqlstate = EXCLUDED.sqlstate, error = EXCLUDED.error;
			DELETE FROM kam._tick_failure f WHERE f.lead_id = suppressed.address AND f.duty = 'settle' AND f.item <> '';
			UPDATE kam.Suppression s SET settled_upto = NULL WHERE s.address = suppressed.address;
		ELSE
			DELETE FROM kam._tick_failure f WHERE f.lead_id = suppressed.address AND f.duty = 'settle';
			UPDATE kam.Suppression s SET settled_at = at, settled_upto = NULL WHERE s.address = suppressed.address;
			suppressions := suppressions + 1;
		END IF;
	END LOOP;
	RETURN jsonb_build_object('settled', settled, 'suppressions', suppressions, 'skipped', skipped, 'failed', failed, 'more', suppressions >= batch, 'errors', errors);
END
$$;
COMMENT ON FUNCTION _tick_settle(timestamptz, integer) IS 'Ends what still runs or waits for leads whose address was suppressed; a domain with many leads in several goes (settled_upto). The gates block them from the commit of the suppression on.';

-- ---- flags ----------------------------------------------------------------------------

CREATE FUNCTION _open_flags(kind text, many jsonb, at timestamptz) RETURNS integer
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	opened integer := 0;
	one jsonb;
	state text;
	message text;
BEGIN
	BEGIN
		WITH wanted AS MATERIALIZED (
			SELECT * FROM jsonb_to_recordset(_open_flags.many) AS w (lead_id text, rep_id text, sequence_id text, detail jsonb, recipients text[])
		), opened AS (
			INSERT INTO kam.CadenceFlag (kind, lead_id, rep_id, sequence_id, opened_at, escalated_at, detail)
			SELECT _open_flags.kind, w.lead_id, w.rep_id, w.sequence_id, _open_flags.at,
			       CASE WHEN 'AGT-303' = ANY (w.recipients) THEN _open_flags.at END, coalesce(w.detail, '{}')
			  FROM wanted w
			ON CONFLICT (kind, lead_id, rep_id, sequence_id) WHERE closed_at IS NULL DO NOTHING
			RETURNING flag_id, lead_id, rep_id, sequence_id, detail
		), told AS (
			INSERT INTO kam.notification (recipient, topic, lead_id, payload)
			SELECT r.recipient, _open_flags.kind, o.lead_id,
			       jsonb_strip_nulls(jsonb_build_object('flag_id', o.flag_id, 'kind', _open_flags.kind, 'lead_id', o.lead_id,
			           'rep_id', o.rep_id, 'sequence_id', o.sequence_id)) || jsonb_build_object('detail', o.detail)
			  FROM opened o
			  JOIN wanted w ON coalesce(w.lead_id, '') = coalesce(o.lead_id, '') AND coalesce(w.rep_id, '') = coalesce(o.rep_id, '')
			       AND coalesce(w.sequence_id, '') = coalesce(o.sequence_id, '')
			 CROSS JOIN LATERAL (SELECT DISTINCT u.recipient FROM unnest(w.recipients) u (recipient) WHERE u.recipient IS NOT NULL) r
		)
		SELECT count(*) INTO opened FROM opened;
		RETURN opened;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
		IF jsonb_array_length(many) = 1 THEN
			RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not open flag %s: %s', kind, message);
			PERFORM kam._tick_put_off('flag ' || kind, coalesce(many -> 0 ->> 'lead_id', many -> 0 ->> 'rep_id'), coalesce(many -> 0 ->> 'sequence_id', ''),
				at, '1 min', state, message);
			RETURN 0;
		END IF;
	END;
	-- One of them fails: each by itself.
	FOR one IN SELECT * FROM jsonb_array_elements(many) LOOP
		opened := opened + kam._open_flags(kind, jsonb_build_array(one), at);
	END LOOP;
	RETURN opened;
END
$$;
COMMENT ON FUNCTION _open_flags(text, jsonb, timestamptz) IS 'As _raise_flag() for many: an array of {lead_id, rep_id, sequence_id, detail, recipients}; returns how many were not open yet. One that fails is a WARNING and costs no other.';

CREATE FUNCTION _tick_cap_warning(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	last_but_one CONSTANT integer := kam._touch_cap() - 1;
	since CONSTANT timestamptz := at - kam._touch_window();
	closed integer;
	news jsonb;
BEGIN
	-- With a cap of one everybody who has had no touch would be near it; that warns nobody.
	IF last_but_one < 1 THEN
		UPDATE kam.CadenceFlag f SET closed_at = at
		 WHERE f.kind = 'cap_warning' AND f.closed_at IS NULL AND f.home = kam._home();
		GET DIAGNOSTICS closed = ROW_COUNT;
		RETURN jsonb_build_object('closed', jsonb_build_object('cap_warning', closed));
	END IF;

	WITH near AS MATERIALIZED (
		SELECT coalesce(a.canonical_id, e.lead_id) AS lead_id, max(e.touch_at) AS touch_at
		  FROM kam.CadenceEventLog e
		  LEFT JOIN kam.lead_alias a ON a.lead_id = e.lead_id
		 WHERE e.counted AND e.touch_at > since
		 GROUP BY 1
		HAVING count(*) = last_but_one
	), warned AS MATERIALIZED (
		SELECT n.lead_id, n.touch_at, l.owner_id FROM near n JOIN kam.Leads l USING (lead_id)
	), closed AS (
		UPDATE kam.CadenceFlag f SET closed_at = at
		 WHERE f.kind = 'cap_warning' AND f.closed_at IS NULL AND f.home = kam._home()
		   AND f.lead_id NOT IN (SELECT w.lead_id FROM warned w)
		RETURNING f.flag_id
	), fresh AS (
		SELECT w.* FROM warned w
		 WHERE w.lead_id NOT IN (SELECT f.lead_id FROM kam.CadenceFlag f
		                          WHERE f.kind = 'cap_warning' AND f.closed_at IS NULL AND f.lead_id IS NOT NULL)
		 LIMIT batch
	)
	SELECT (SELECT count(*) FROM closed),
	       (SELECT jsonb_agg(jsonb_build_object('lead_id', n.lead_id, 'recipients', jsonb_build_array(coalesce(n.owner_id, 'AGT-301')),
	            'detail', jsonb_build_object('counted', last_but_one, 'cap', last_but_one + 1, 'last_touch_at', n.touch_at))) FROM fresh n)
	  INTO closed, news;
	RETURN jsonb_build_object('closed', jsonb_build_object('cap_warning', closed),
		'opened', jsonb_build_object('cap_warning', kam._open_flags('cap_warning', coalesce(news, '[]'), at)),
		'more', coalesce(jsonb_array_length(news), 0) >= batch);
END
$$;
COMMENT ON FUNCTION _tick_cap_warning(timestamptz, integer) IS 'Flags leads with exactly one touch left, for their owner; closes the flags of those who have another number left.';

CREATE FUNCTION _tick_stall(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	patience CONSTANT interval := '168:00:00';
	looked integer;
	news jsonb;
BEGIN
	-- A lazy timer: activity does not move it, the look does.  After a flag it looks again a week later, before which nothing can have stalled anew.
	WITH due AS MATERIALIZED (
		SELECT c.lead_id, c.sequence_id, c.enrolment_no, greatest(c.last_activity_at, c.activated_at, c.created_at) AS quiet_since,
		       EXISTS (SELECT FROM kam.CadenceQueue q
		                WHERE q.lead_id = c.lead_id AND q.state = 'waiting' AND q.sequence_id = c.sequence_id) AS waiting
		  FROM kam.Cadence c
		 WHERE c.home = kam._home() AND c.state = 'active' AND c.stall_check_at <= _tick_stall.at
		 ORDER BY c.stall_check_at LIMIT _tick_stall.batch
		   FOR NO KEY UPDATE SKIP LOCKED
	), looked AS (
		UPDATE kam.Cadence c
		   SET stall_check_at = CASE WHEN d.quiet_since + patience > _tick_stall.at THEN d.quiet_since + patience
		                             WHEN d.waiting THEN _tick_stall.at + interval '1 hour'
		                             ELSE _tick_stall.at + patience END
		  FROM due d
		 WHERE c.lead_id = d.lead_id AND c.sequence_id = d.sequence_id AND c.enrolment_no = d.enrolment_no
		RETURNING d.lead_id, d.sequence_id, c.family, d.quiet_since, d.waiting
	)
	SELECT count(*), jsonb_agg(jsonb_build_object('lead_id', k.lead_id, 'sequence_id', k.sequence_id,
	           'recipients', jsonb_build_array(coalesce(l.owner_id, 'AGT-301')), 'detail', jsonb_build_object('quiet_since', k.quiet_since)))
	       FILTER (WHERE l.lead_id IS NOT NULL AND NOT k.waiting AND k.family <> 'transactional' AND k.quiet_since + patience <= _tick_stall.at)
	  INTO looked, news
	  FROM looked k LEFT JOIN kam.Leads l USING (lead_id);
	RETURN jsonb_build_object('opened', jsonb_build_object('stall', kam._open_flags('stall', coalesce(news, '[]'), _tick_stall.at)),
		'more', looked >= _tick_stall.batch);
END
$$;
COMMENT ON FUNCTION _tick_stall(timestamptz, integer) IS 'Flags active sequences without an executed step or an inbound signal for 7 times 24 hours, for the lead''s owner. Waiting for a hold is no stall.';

CREATE FUNCTION _tick_escalate(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	escalated integer;
BEGIN
	-- Three business days take 71 hours at least (a spring night in them), so younger flags are not looked at.
	WITH patient AS MATERIALIZED (
		SELECT f.flag_id, kam._rep_zone(l.owner_id) AS zone,
		       greatest(f.opened_at, (SELECT max(e.event_at) FROM kam.CadenceEventLog e
		                               WHERE e.lead_id = ANY (kam._lead_ids(f.lead_id)) AND e.originating_agent = l.owner_id)) AS since
		  FROM kam.CadenceFlag f
		  JOIN kam.Leads l USING (lead_id)
		 WHERE f.kind = 'stall' AND f.closed_at IS NULL AND f.escalated_at IS NULL AND f.home = kam._home()
		   AND f.opened_at <= _tick_escalate.at - interval '71 hours'
	), escalated AS (
		UPDATE kam.CadenceFlag f SET escalated_at = _tick_escalate.at
		  FROM (SELECT p.flag_id FROM patient p
		         WHERE p.since <= _tick_escalate.at - interval '71 hours' AND kam._business_days_after(p.since, 3, p.zone) <= _tick_escalate.at
		         ORDER BY p.flag_id LIMIT _tick_escalate.batch) p
		 WHERE f.flag_id = p.flag_id
		RETURNING f.flag_id, f.lead_id, f.sequence_id, f.detail, f.opened_at
	), told AS (
		INSERT INTO kam.notification (recipient, topic, lead_id, payload)
		SELECT 'AGT-303', 'stall', e.lead_id, jsonb_build_object('flag_id', e.flag_id, 'kind', 'stall', 'lead_id', e.lead_id,
		           'sequence_id', e.sequence_id, 'detail', e.detail, 'opened_at', e.opened_at)
		  FROM escalated e
	)
	SELECT count(*) INTO escalated FROM escalated;
	RETURN jsonb_build_object('escalated', jsonb_build_object('stall', escalated), 'more', escalated >= _tick_escalate.batch);
END
$$;
COMMENT ON FUNCTION _tick_escalate(timestamptz, integer) IS 'Hands a stall flag to AGT-303 three business days (in the owner''s zone) after it was opened, or after the last event that the owner originated.';

CREATE FUNCTION _tick_backlog(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	closed integer;
	news jsonb;
BEGIN
	WITH loaded AS MATERIALIZED (
		SELECT l.owner_id, count(DISTINCT c.lead_id) AS paused
		  FROM kam.Cadence c
		  JOIN kam.Leads l USING (lead_id)
		 WHERE c.state = 'paused' AND c.family <> 'transactional' AND c.home = kam._home() AND l.merged_into IS NULL AND l.owner_id IS NOT NULL
		 GROUP BY l.owner_id
		HAVING count(DISTINCT c.lead_id) >= 10
	), closed AS (
		UPDATE kam.CadenceFlag f SET closed_at = at
		 WHERE f.kind = 'backlog_risk' AND f.closed_at IS NULL AND f.home = kam._home()
		   AND f.rep_id NOT IN (SELECT o.owner_id FROM loaded o)
		RETURNING f.flag_id
	), fresh AS (
		SELECT o.owner_id, o.paused, r.manager_id
		  FROM loaded o
		  LEFT JOIN kam.Reps r ON r.rep_id = o.owner_id
		 WHERE o.owner_id NOT IN (SELECT f.rep_id FROM kam.CadenceFlag f
		                           WHERE f.kind = 'backlog_risk' AND f.closed_at IS NULL AND f.rep_id IS NOT NULL)
		 ORDER BY o.owner_id LIMIT batch
	)
	SELECT (SELECT count(*) FROM closed),
	       (SELECT jsonb_agg(jsonb_build_object('rep_id', n.owner_id, 'recipients', jsonb_build_array(n.owner_id, n.manager_id, 'AGT-303'),
	            'detail', jsonb_build_object('paused', n.paused))) FROM fresh n)
	  INTO closed, news;
	RETURN jsonb_build_object('closed', jsonb_build_object('backlog_risk', closed),
		'opened', jsonb_build_object('backlog_risk', kam._open_flags('backlog_risk', coalesce(news, '[]'), at)),
		'more', coalesce(jsonb_array_length(news), 0) >= batch);
END
$$;
COMMENT ON FUNCTION _tick_backlog(timestamptz, integer) IS 'Flags reps with ten or more prospects whose sequence is paused, for the rep, the manager and AGT-303; closes below ten.';

CREATE FUNCTION _tick_close(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	closed jsonb;
BEGIN
	WITH settled AS MATERIALIZED (
		SELECT f.flag_id, CASE
			WHEN l.lead_id IS NULL THEN 'the lead is gone'
			WHEN l.merged_into IS NOT NULL THEN 'the lead was merged'
			WHEN f.kind = 'concurrency' AND f.sequence_id IS NULL
				AND NOT EXISTS (SELECT FROM kam.prospect_state s
				                 WHERE s.lead_id = f.lead_id AND (s.stale OR s.sales_sequence IS NOT NULL AND s.marketing_sequence IS NOT NULL))
				THEN 'one of the two is no longer active'
			WHEN f.kind = 'concurrency' AND f.sequence_id IS NOT NULL
				AND NOT EXISTS (SELECT FROM kam.CadenceQueue q
				                 WHERE q.lead_id = ANY (kam._lead_ids(f.lead_id)) AND q.state = 'waiting' AND q.sequence_id = f.sequence_id)
				THEN 'it no longer waits'
			WHEN f.kind = 'stall' AND NOT EXISTS (SELECT FROM kam.Cadence c
			                                       WHERE c.lead_id = f.lead_id AND c.sequence_id = f.sequence_id AND c.state = 'active')
				THEN 'the sequence is no longer active'
			WHEN f.kind = 'stall' AND EXISTS (SELECT FROM kam.Cadence c
			                                   WHERE c.lead_id = f.lead_id AND c.sequence_id = f.sequence_id AND c.state = 'active'
			                                     AND greatest(c.last_activity_at, c.activated_at) > f.opened_at)
				THEN 'there was activity'
			WHEN f.kind = 'routing_error' AND coalesce(l.icp_tier, a.icp_tier) IS DISTINCT FROM 'T3' THEN 'the tier is no longer T3'
			WHEN f.kind = 'routing_error'
				AND NOT EXISTS (SELECT FROM kam.CadenceEventLog e
				                 WHERE e.lead_id = ANY (kam._lead_ids(f.lead_id)) AND e.family = 'sales'
				                   AND e.requested_event_type IN ('activation', 'touch', 'resume')
				                   -- IS TRUE hides the time from the index on it: to statistics older than a week, nothing is
				                   -- younger than one, and each flag would read the week of everybody.
				                   AND (e.event_at > _tick_close.at - interval '168:00:00') IS TRUE)
				AND f.opened_at <= _tick_close.at - interval '168:00:00'
				THEN 'no sales request for seven days'
			WHEN f.kind = 'data_quality' AND f.sequence_id IS NULL AND coalesce(l.icp_tier, a.icp_tier) IS NOT NULL THEN 'the tier is known'
			WHEN f.kind = 'data_quality' AND f.sequence_id IS NOT NULL
				AND NOT EXISTS (SELECT FROM kam.Cadence c
				                 WHERE c.lead_id = f.lead_id AND c.sequence_id = f.sequence_id AND c.state IN ('active', 'paused')
				                   AND coalesce(c.plan_step, 0) < (f.detail ->> 'step')::integer)
				THEN 'the step was dealt with'
			WHEN f.kind = 'cap_breach' AND (kam._touch_cap() < 0 OR kam._touch_cap() >=
				(SELECT count(*) FROM kam.CadenceEventLog e
				  WHERE e.lead_id = ANY (kam._lead_ids(f.lead_id)) AND e.touch_no IS NOT NULL AND e.counted
				    AND e.touch_at > _tick_close.at - kam._touch_window()))
				THEN 'no more touches than the cap'
			END AS why
		  FROM kam.CadenceFlag f
		  LEFT JOIN kam.Leads l ON l.lead_id = f.lead_id
		  LEFT JOIN kam.Accounts a ON a.account_id = l.account_id
		 WHERE f.closed_at IS NULL AND f.lead_id IS NOT NULL AND f.home = kam._home()
	), closed AS (
		UPDATE kam.CadenceFlag f
		   SET closed_at = _tick_close.at, detail = f.detail || jsonb_build_object('closed', s.why)
		  FROM settled s
		 WHERE f.flag_id = s.flag_id AND s.why IS NOT NULL
		RETURNING f.kind
	)
	SELECT coalesce(jsonb_object_agg(k.kind, k.n), '{}') INTO closed FROM (SELECT c.kind, count(*) AS n FROM closed c GROUP BY c.kind) k;
	RETURN jsonb_build_object('closed', closed);
END
$$;
COMMENT ON FUNCTION _tick_close(timestamptz, integer) IS 'Closes flags whose reason is gone (cap_warning and backlog_risk have closed their own), and says why in detail.';

-- ---- the tick ----------------------------------------------------------------------------

CREATE FUNCTION _tick_sum(a jsonb, b jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	part record;
BEGIN
	FOR part IN SELECT * FROM jsonb_each(b) LOOP
		a := a || jsonb_build_object(part.key, CASE
			WHEN a -> part.key IS NULL THEN part.value
			WHEN jsonb_typeof(part.value) = 'number' THEN to_jsonb((a ->> part.key)::bigint + (part.value #>> '{}')::bigint)
			WHEN jsonb_typeof(part.value) = 'boolean' THEN to_jsonb((a ->> part.key)::boolean OR (part.value #>> '{}')::boolean)
			WHEN jsonb_typeof(part.value) = 'object' THEN kam._tick_sum(a -> part.key, part.value)
			ELSE (a -> part.key) || part.value END);
	END LOOP;
	RETURN a;
END
$$;
COMMENT ON FUNCTION _tick_sum(jsonb, jsonb) IS 'Two reports in one: numbers are added, arrays joined, true wins.';

CREATE FUNCTION _tick_duties(duties text[], at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	report jsonb := '{}';
	duty text;
	state text;
	message text;
BEGIN
	FOREACH duty IN ARRAY duties LOOP
		-- Items see to their own failures; this is for what hits a duty as a whole, and keeps it from the others.
		BEGIN
			report := kam._tick_sum(report, CASE duty
				WHEN 'rejudge' THEN kam._tick_rejudge(at, batch)
				WHEN 'settle' THEN kam._tick_settle(at, batch)
				WHEN 'close' THEN kam._tick_close(at, batch)
				WHEN 'cap_warning' THEN kam._tick_cap_warning(at, batch)
				WHEN 'backlog' THEN kam._tick_backlog(at, batch)
				WHEN 'stall' THEN kam._tick_stall(at, batch)
				WHEN 'escalate' THEN kam._tick_escalate(at, batch)
				-- An event costs far less to count than a flag to look for.
				WHEN 'fold' THEN jsonb_build_object('more', kam._fold_intelligence(greatest(10000, least(batch, 10000) * 20)))
				WHEN 'plays' THEN kam._tick_plays(at, batch)
				ELSE kam._tick_items(duty, at, batch) END);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
			IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
				RAISE;
			END IF;
			RAISE WARNING USING ERRCODE = state, MESSAGE = format('schedules: %s: %s', duty, message);
			report := kam._tick_sum(report, jsonb_build_object('failed', 1, 'errors',
				jsonb_build_array(jsonb_build_object('duty', duty, 'sqlstate', state, 'message', message))));
		END;
	END LOOP;
	RETURN report;
END
$$;
COMMENT ON FUNCTION _tick_duties(text[], timestamptz, integer) IS 'Does these duties in this order and adds up their reports.';

CREATE FUNCTION _tick_scan(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	report jsonb;
	part record;
BEGIN
	-- One scan at a time: two would wait for each other's flags.
	PERFORM FROM kam.coordinator_state FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN '{"scan": "another one is under way"}';
	END IF;
	-- Closing comes first: what is gone is neither escalated nor in the way of a new flag.
	report := kam._tick_duties('{close,cap_warning,backlog,stall,escalate,fold}', at, batch);
	DELETE FROM kam._tick_failure f
	 WHERE f.retry_at <= at AND f.failed_at < at - CASE f.duty WHEN 'settle' THEN interval '168:00:00' ELSE interval '1 hour' END;
	-- Only what happened.
	FOR part IN SELECT * FROM jsonb_each(report) p WHERE jsonb_typeof(p.value) = 'object' LOOP
		report := report || jsonb_build_object(part.key,
			(SELECT coalesce(jsonb_object_agg(k.key, k.value) FILTER (WHERE k.value <> '0'), '{}') FROM jsonb_each(part.value) k));
	END LOOP;
	RETURN report;
END
$$;
COMMENT ON FUNCTION _tick_scan(timestamptz, integer) IS 'The flags: closes, opens, escalates.';

-- Every statement has its index, and sorts only what it found by that: no plan made while a table was small may stay when it has grown.  (What must be
-- scanned all the same looks so dear then that it would be compiled.)
CREATE FUNCTION _tick(at timestamptz, items integer, flags integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	SET enable_sort = on
	SET jit = off
	AS $$
DECLARE
	report jsonb := '{"released": 0, "moved": 0, "blocked": 0, "expired": 0, "settled": 0, "ended": 0, "resolved": 0, "failed": 0, "skipped": 0,
		"opened": {}, "escalated": {}, "closed": {}, "more": false, "errors": []}';
BEGIN
	IF items > 0 THEN
		-- What is over must not be released any more: expire and end come before release.
		report := kam._tick_sum(report, kam._tick_duties('{rejudge,settle,expire,end,release,conflict,plays,step}', at, items));
	END IF;
	IF flags > 0 THEN
		report := kam._tick_sum(report, kam._tick_scan(at, flags));
	END IF;
	RETURN report;
END
$$;
COMMENT ON FUNCTION _tick(timestamptz, integer, integer) IS 'One turn of the schedules: what kam_tick() and the worker call. items: how many of each duty on leads; flags: how many of each kind are opened or escalated; 0 leaves that half out.';

CREATE FUNCTION _tick_next() RETURNS timestamptz
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT least(
			(SELECT q.release_at FROM kam.CadenceQueue q
			  WHERE q.home = kam._home() AND q.state = 'waiting' AND q.release_at IS NOT NULL ORDER BY q.release_at LIMIT 1),
			(SELECT q.expires_at FROM kam.CadenceQueue q
			  WHERE q.home = kam._home() AND q.state = 'waiting' ORDER BY q.expires_at LIMIT 1),
			(SELECT c.active_until FROM kam.Cadence c
			  WHERE c.home = kam._home() AND c.state <> 'finished' AND c.active_until IS NOT NULL ORDER BY c.active_until LIMIT 1),
			(SELECT s.created_at FROM kam.Suppression s
			  WHERE s.home = kam._home() AND s.settled_at IS NULL ORDER BY s.created_at LIMIT 1),
			(SELECT c.next_step_at FROM kam.Cadence c
			  WHERE c.home = kam._home() AND c.state = 'active' AND c.next_step_at IS NOT NULL AND current_setting('kam.outreach')::boolean
			  ORDER BY c.next_step_at LIMIT 1),
			(SELECT min(p.active_period_end) FROM kam.SalesPlayLibrary p WHERE p.state = 'active' AND p.home = kam._home()),
			(SELECT min(n.next_at) FROM kam._play_scan n JOIN kam.SalesPlayLibrary p USING (play_id) WHERE p.home = kam._home()),
			(SELECT c.not_before FROM kam._play_candidate c ORDER BY c.not_before LIMIT 1));
	END;
COMMENT ON FUNCTION _tick_next() IS 'When the next item of the schedules is due (kam''s clock), flags apart; NULL for none.';

CREATE FUNCTION kam_tick(as_of timestamptz DEFAULT NULL, batch integer DEFAULT 1000) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	report jsonb;
BEGIN
	IF batch IS NULL OR batch < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('batch must be at least 1: %s', coalesce(batch::text, 'NULL')),
			HINT = 'It is how many items of each duty are done at most.';
	END IF;
	IF NOT isfinite(as_of) THEN
		RAISE EXCEPTION USING ERRCODE = 'datetime_field_overflow', MESSAGE = format('as_of must be a moment: %s', as_of);
	END IF;
	IF current_setting('kam.paused')::boolean THEN
		RETURN jsonb_build_object('paused', true, 'more', false);
	END IF;
	IF as_of IS NULL THEN
		RETURN kam._tick(kam._now(), batch, batch);
	END IF;
	PERFORM kam._set_clock(as_of);
	BEGIN
		report := kam._tick(as_of, batch, batch);
	EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
		-- Whoever catches this goes on in the same transaction, by the real clock.
		PERFORM kam._set_clock(NULL);
		RAISE;
	END;
	PERFORM kam._set_clock(NULL);
	RETURN report;
END
$$;
COMMENT ON FUNCTION kam_tick(timestamptz, integer) IS 'Does what is due: judges held requests again after a change of the cap, ends what runs for suppressed addresses, expires and releases what waits (through all gates), finishes enrolments whose time is over, executes due steps, settles conflicts, enrols leads that active plays match and ends plays whose period is over, opens, escalates and closes flags. At most "batch" items of each duty; "more" tells to call again. What somebody else holds locked is skipped. One item''s failure is a WARNING, an entry of "errors", and costs that item five minutes. as_of takes the place of the clock, for gates and stamps too. The worker does the same while kam.schedules is on; while kam.paused is on nothing happens. Returns counts: released, moved (judged again and refused for now), blocked, expired, settled, ended, resolved, failed, skipped, and per kind of flag opened, escalated, closed; of steps, when there were any, stepped (executed), step_held, step_refused, step_skipped, step_moved (to a time when it may go), step_lacking (a field), completed; of plays enrolled (active or queued), refused (by a gate) and plays_ended. Batch below 1 raises 22023, an infinite as_of 22008. Example: SELECT kam.kam_tick(''2026-03-10 09:00+01'');';

CREATE FUNCTION _tick_health() RETURNS TABLE (item text, state text, detail text, hint text)
	LANGUAGE plpgsql VOLATILE ROWS 5
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	present CONSTANT timestamptz := kam._now();
	-- What the schedules leave for a minute is on its way; what they leave longer they do not do.
	late CONSTANT timestamptz := present - interval '1 min';
	stuck record;
BEGIN
	IF NOT current_setting('kam.schedules')::boolean THEN
		RETURN QUERY VALUES ('schedules', 'warning', 'kam.schedules is off: holds are not released, waits do not run again, flags are not raised',
			'ALTER SYSTEM SET kam.schedules = on, then reload; or call kam.kam_tick() yourself.');
	END IF;

	-- Counted up to a thousand: more tells no more.
	SELECT count(*) AS n, min(q.release_at) AS since INTO stuck
	  FROM (SELECT q.release_at FROM kam.CadenceQueue q
	         WHERE q.home = kam._home() AND q.state = 'waiting' AND q.release_at <= late ORDER BY q.release_at LIMIT 1000) q;
	RETURN QUERY SELECT 'holds', CASE WHEN stuck.n > 0 THEN 'warning' ELSE 'ok' END,
		CASE WHEN stuck.n > 0 THEN format('%s%s due requests are not released, the oldest since %s', CASE WHEN stuck.n = 1000 THEN 'at least ' ELSE '' END, stuck.n, stuck.since)
		     ELSE 'none overdue' END,
		CASE WHEN stuck.n > 0 THEN 'Is a worker running, are kam.schedules on and kam.paused off? SELECT kam.kam_tick() does it by hand.' END;

	SELECT count(*) AS n, min(c.next_step_at) AS since INTO stuck
	  FROM (SELECT c.next_step_at FROM kam.Cadence c
	         WHERE c.home = kam._home() AND c.state = 'active' AND c.next_step_at <= late ORDER BY c.next_step_at LIMIT 1000) c;
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('steps', 'warning', format('%s%s due steps are not executed, the oldest since %s',
			CASE WHEN stuck.n = 1000 THEN 'at least ' ELSE '' END, stuck.n, stuck.since),
			'Is a worker running, are kam.schedules and kam.outreach on and kam.paused off? SELECT kam.kam_tick() does it by hand.');
	END IF;

	SELECT count(*) AS n INTO stuck FROM kam.CadenceQueue q WHERE q.state = 'waiting' AND q.home <> kam._home();
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('parked holds', 'warning', format('%s waiting requests came with a restore or a copy', stuck.n), 'SELECT kam.kam_resume() lets them go on.');
	END IF;

	SELECT count(*) AS n INTO stuck FROM kam.SalesPlayLibrary p WHERE p.state = 'active' AND p.home <> kam._home();
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('parked plays', 'warning', format('%s active plays came with a restore or a copy and enrol nobody', stuck.n), 'SELECT kam.kam_resume() lets them go on.');
	END IF;

	SELECT count(*) AS n, min(s.created_at) AS since INTO stuck
	  FROM (SELECT s.created_at FROM kam.Suppression s
	         WHERE s.home = kam._home() AND s.settled_at IS NULL AND s.created_at <= late ORDER BY s.created_at LIMIT 1000) s;
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('suppressions', 'warning',
			format('sequences and holds of %s suppressed addresses are not ended yet, the oldest since %s', stuck.n, stuck.since),
			'New touches are blocked all the same. SELECT kam.kam_tick() does it by hand.');
	END IF;

	SELECT count(*) AS n, (array_agg(f.error ORDER BY f.failed_at DESC))[1] AS latest INTO stuck
	  FROM kam._tick_failure f WHERE f.sqlstate <> '55P03';
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('schedule failures', 'warning', format('%s items of the schedules failed, the latest: %s', stuck.n, stuck.latest),
			'SELECT * FROM kam._tick_failure; each is tried again at retry_at.');
	END IF;

	RETURN QUERY SELECT h.item, h.state, h.detail, h.hint FROM kam._intelligence_health() h;

	RETURN QUERY SELECT 'flags', 'ok', coalesce(string_agg(format('%s %s', k.n, k.kind), ', ' ORDER BY k.n DESC, k.kind) || ' open', 'none open'),
		CASE WHEN count(*) > 0 THEN 'SELECT * FROM kam.CadenceFlag WHERE closed_at IS NULL;' END
	  FROM (SELECT f.kind, count(*) AS n FROM kam.CadenceFlag f WHERE f.closed_at IS NULL AND f.home = kam._home() GROUP BY f.kind) k;
END
$$;
COMMENT ON FUNCTION _tick_health() IS 'What kam_health() says of the schedules.';

-- Something new may be due sooner than the worker thought.
CREATE TRIGGER queue_wake AFTER INSERT OR UPDATE OF release_at ON CadenceQueue FOR EACH STATEMENT EXECUTE FUNCTION _wake();
CREATE TRIGGER suppression_wake AFTER INSERT OR UPDATE OF settled_at ON Suppression FOR EACH STATEMENT EXECUTE FUNCTION _wake();

INSERT INTO coordinator_state (touch_cap, touch_window) VALUES (_touch_cap(), _touch_window());
