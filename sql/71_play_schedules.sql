-- How the schedules enrol whom plays match, and end what runs of plays that are over (docs/plays.md).  Rows of ABMPlaybook are seen to by the same duty.
--
-- Locks: the play's row of _play_scan, then leads one at a time, never waited for; a lead's row is locked before what is written of it, as everywhere.

-- ---- enrolling ------------------------------------------------------------------------------------

CREATE FUNCTION _schedule_ask(lead_id text, sequence_id text, sequence_type text, agent text, key text, play_id text, steps jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	attempts integer;
	verdict record;
BEGIN
	SELECT count(*) INTO attempts
	  FROM kam.CadenceEventLog e
	 WHERE e.lead_id = ANY (kam._lead_ids(_schedule_ask.lead_id)) AND e.idempotency_key IS NOT NULL
	   AND starts_with(e.idempotency_key, _schedule_ask.key || '/');
	-- A refusal is in the log once: while the gates say the same they are not asked again.
	IF attempts > 0 THEN
		SELECT g.coordinator_action, g.suppressed_reason INTO verdict
		  FROM kam.kam_gate(_schedule_ask.lead_id, _schedule_ask.sequence_type, 'activation', _schedule_ask.sequence_id) g;
		IF verdict.coordinator_action = 'blocked' THEN
			RETURN CASE verdict.suppressed_reason WHEN 'illegal_transition' THEN 'later' ELSE 'never' END;
		END IF;
	END IF;
	-- Two who ask at once would ask with one key, which the log has once.
	INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, originating_agent, play_id, idempotency_key, payload)
	VALUES (_schedule_ask.lead_id, _schedule_ask.sequence_id, _schedule_ask.sequence_type, 'activation', _schedule_ask.agent, _schedule_ask.play_id,
		_schedule_ask.key || '/' || attempts, jsonb_build_object('steps', _schedule_ask.steps))
	RETURNING e.coordinator_action, e.suppressed_reason INTO verdict;
	RETURN CASE WHEN verdict.coordinator_action <> 'blocked' THEN 'enrolled'
	            WHEN verdict.suppressed_reason = 'illegal_transition' THEN 'refused, later' ELSE 'refused' END;
END
$$;
COMMENT ON FUNCTION _schedule_ask(text, text, text, text, text, text, jsonb) IS 'Asks for a lead, whose lock the caller holds, to be enrolled by the schedules: enrolled (active or queued); refused, or "refused, later" when only time is in the way; never, later when the gates still say what they said. key: with the number of earlier attempts it is the idempotency key.';

CREATE FUNCTION _play_enrol(play SalesPlayLibrary, lead_id text) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	ids CONSTANT text[] := kam._lead_ids(_play_enrol.lead_id);
BEGIN
	-- Once per lead, whoever asked; of an account-level play once per account.
	IF EXISTS (SELECT FROM kam.Cadence c WHERE c.play_id = (play).play_id AND c.lead_id = ANY (ids))
	   OR (play).target_definition ->> 'level' = 'account'
	      AND EXISTS (SELECT FROM kam.Leads l
	                    JOIN kam.Leads o ON o.account_id = l.account_id
	                    JOIN kam.Cadence c ON c.play_id = (play).play_id AND c.lead_id = o.lead_id
	                   WHERE l.lead_id = _play_enrol.lead_id) THEN
		RETURN 'known';
	END IF;
	-- It may have changed before the lock.
	IF NOT EXISTS (SELECT FROM kam._play_match((play).target_definition, ARRAY[_play_enrol.lead_id])) THEN
		RETURN 'known';
	END IF;
	RETURN kam._schedule_ask(_play_enrol.lead_id, 'play-' || (play).play_id, (play).sequence_type, 'AGT-302', 'play/' || (play).play_id, (play).play_id,
		(play).suggested_cadence -> 'steps');
END
$$;
COMMENT ON FUNCTION _play_enrol(SalesPlayLibrary, text) IS 'Enrols a lead, whose lock the caller holds, in a play: known (it was already, or does not match), else as _schedule_ask().';

CREATE FUNCTION _play_later(play_id text, lead_id text, at timestamptz, not_before timestamptz) RETURNS void
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		INSERT INTO kam._play_candidate (lead_id, play_id, not_before)
		SELECT _play_later.lead_id, _play_later.play_id, _play_later.not_before
		 WHERE NOT EXISTS (SELECT FROM kam._play_candidate c
		                    WHERE c.lead_id = _play_later.lead_id AND c.play_id = _play_later.play_id
		                      AND c.not_before > _play_later.at AND c.not_before <= _play_later.not_before);
	END;
COMMENT ON FUNCTION _play_later(text, text, timestamptz, timestamptz) IS 'Notes that a lead is to be looked at for a play again, unless that is noted already.';

CREATE FUNCTION _play_work(play SalesPlayLibrary, leads text[], at timestamptz, most integer, daily integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	-- In lead order, as everybody locks leads, and as the daily rate is promised.
	matching CONSTANT text[] := ARRAY(
		SELECT m FROM kam._play_match((play).target_definition, leads) m
		 WHERE NOT EXISTS (SELECT FROM kam.Cadence c WHERE c.play_id = (play).play_id AND c.lead_id = m)
		   AND NOT EXISTS (SELECT FROM kam._tick_failure f
		                    WHERE f.lead_id = m AND f.duty = 'play' AND f.item = (play).play_id AND f.retry_at > at)
		 ORDER BY m);
	outcome text;
	again timestamptz;
	tally jsonb := '{}';
	errors jsonb := '[]';
	asked integer := 0;
	enrolled integer := 0;
	n integer := 0;
	state text;
	message text;
BEGIN
	WHILE n < cardinality(matching) AND asked < most AND enrolled < daily LOOP
		n := n + 1;
		again := NULL;
		BEGIN
			PERFORM FROM kam.Leads l WHERE l.lead_id = matching[n] FOR NO KEY UPDATE SKIP LOCKED;
			IF FOUND THEN
				outcome := kam._play_enrol(play, matching[n]);
				again := CASE WHEN outcome IN ('later', 'refused, later') THEN at + interval '24:00:00' END;
			ELSE
				outcome := 'skipped';
				again := at + interval '1 s';
			END IF;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
			IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
				RAISE;
			END IF;
			RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not enrol lead %s in play %s: %s', matching[n], (play).play_id, message),
				HINT = 'It is tried again in five minutes.';
			PERFORM kam._tick_put_off('play', matching[n], (play).play_id, at, '5 min', state, message);
			errors := errors || jsonb_build_object('duty', 'plays', 'lead_id', matching[n], 'item', (play).play_id, 'sqlstate', state, 'message', message);
			outcome := 'failed';
			again := at + interval '5 min';
		END;
		IF again IS NOT NULL THEN
			PERFORM kam._play_later((play).play_id, matching[n], at, again);
		END IF;
		outcome := CASE WHEN outcome LIKE 'refused%' THEN 'refused' WHEN outcome IN ('never', 'later') THEN 'known' ELSE outcome END;
		tally := tally || jsonb_build_object(outcome, coalesce((tally ->> outcome)::integer, 0) + 1);
		asked := asked + (outcome <> 'known')::integer;
		enrolled := enrolled + (outcome = 'enrolled')::integer;
	END LOOP;
	RETURN jsonb_build_object('asked', asked, 'enrolled', enrolled, 'rest', to_jsonb(matching[n + 1:]), 'daily', enrolled >= daily,
		'report', (tally - 'known'::text) || CASE WHEN errors = '[]' THEN '{}' ELSE jsonb_build_object('errors', errors) END);
END
$$;
COMMENT ON FUNCTION _play_work(SalesPlayLibrary, text[], timestamptz, integer, integer) IS 'Enrols those of these leads that match and are not enrolled, in lead order, each in a subtransaction of its own under its lock: at most "most" requests and "daily" enrolments. Returns asked, enrolled, rest (matching ones not come to), daily (whether that was why) and a report.';

-- ---- the schedules ----------------------------------------------------------------------------------

CREATE FUNCTION _play_stop_lead(play_id text, lead_id text, at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	over record;
	waiting record;
BEGIN
	FOR over IN
		UPDATE kam.Cadence c SET active_until = least(c.active_until, _play_stop_lead.at)
		 WHERE c.lead_id = _play_stop_lead.lead_id AND c.play_id = _play_stop_lead.play_id AND c.state <> 'finished'
		RETURNING c.sequence_id
	LOOP
		FOR waiting IN
			UPDATE kam.CadenceQueue q SET expires_at = least(q.expires_at, _play_stop_lead.at)
			  FROM kam.CadenceEventLog e
			 WHERE q.lead_id = _play_stop_lead.lead_id AND q.state = 'waiting' AND e.lead_id = q.lead_id AND e.event_id = q.event_id
			   AND coalesce(q.sequence_id, e.sequence_id) = over.sequence_id
			RETURNING q.event_id
		LOOP
			PERFORM kam._tick_expire(_play_stop_lead.lead_id, waiting.event_id, _play_stop_lead.lead_id, _play_stop_lead.at);
		END LOOP;
		PERFORM kam._tick_end(_play_stop_lead.lead_id, over.sequence_id, _play_stop_lead.at);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _play_stop_lead(text, text, timestamptz) IS 'Expires what waits of a lead''s enrolment in an ended play, and finishes it; the caller holds the lead''s lock.';

CREATE FUNCTION _play_stop(play_id text, at timestamptz, most integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	running record;
	reached text;
	seen integer := 0;
	stopped integer := 0;
	skipped integer := 0;
	failed integer := 0;
	errors jsonb := '[]';
	state text;
	message text;
BEGIN
	SELECT coalesce(s.upto, '') INTO reached FROM kam._play_scan s WHERE s.play_id = _play_stop.play_id;
	FOR running IN
		SELECT DISTINCT c.lead_id FROM kam.Cadence c
		 WHERE c.play_id = _play_stop.play_id AND c.state <> 'finished' AND c.lead_id > reached AND c.home = kam._home()
		 ORDER BY c.lead_id LIMIT most
	LOOP
		seen := seen + 1;
		reached := running.lead_id;
		BEGIN
			PERFORM FROM kam.Leads l WHERE l.lead_id = running.lead_id FOR NO KEY UPDATE SKIP LOCKED;
			IF FOUND THEN
				PERFORM kam._play_stop_lead(_play_stop.play_id, running.lead_id, at);
				stopped := stopped + 1;
			ELSIF EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = running.lead_id) THEN
				skipped := skipped + 1;
			ELSE
				PERFORM kam._end_enrolments(running.lead_id, 'play-' || _play_stop.play_id, 'lead_deleted', at, true);
			END IF;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
			IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
				RAISE;
			END IF;
			RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not end play %s of lead %s: %s', _play_stop.play_id, running.lead_id, message),
				HINT = 'It is tried again in five minutes.';
			PERFORM kam._tick_put_off('play', running.lead_id, _play_stop.play_id, at, '5 min', state, message);
			errors := errors || jsonb_build_object('duty', 'plays', 'lead_id', running.lead_id, 'item', _play_stop.play_id, 'sqlstate', state, 'message', message);
			failed := failed + 1;
		END;
	END LOOP;
	-- Through with it, unless a lead on the way was locked or failed: then once more from the start.
	IF seen >= most THEN
		UPDATE kam._play_scan s SET upto = reached WHERE s.play_id = _play_stop.play_id;
	ELSIF skipped + failed > 0 OR EXISTS (SELECT FROM kam.Cadence c WHERE c.play_id = _play_stop.play_id AND c.state <> 'finished' AND c.home = kam._home()) THEN
		UPDATE kam._play_scan s SET upto = '', next_at = at + CASE WHEN failed > 0 THEN interval '5 min' ELSE interval '1 s' END
		 WHERE s.play_id = _play_stop.play_id;
	ELSE
		DELETE FROM kam._play_scan s WHERE s.play_id = _play_stop.play_id;
	END IF;
	RETURN jsonb_build_object('seen', seen, 'report', jsonb_strip_nulls(jsonb_build_object('ended', nullif(stopped, 0),
		'skipped', nullif(skipped, 0), 'failed', nullif(failed, 0), 'errors', CASE WHEN failed > 0 THEN errors END)));
END
$$;
COMMENT ON FUNCTION _play_stop(text, timestamptz, integer) IS 'Ends what runs of an ended play, in lead order.';

CREATE FUNCTION _playbook_work(playbook_id text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	book kam.ABMPlaybook;
	sequence CONSTANT text := 'abm-' || _playbook_work.playbook_id;
	lead text;
	outcome text;
BEGIN
	SELECT b.* INTO book FROM kam.ABMPlaybook b WHERE b.playbook_id = _playbook_work.playbook_id AND b.home = kam._home();
	IF NOT FOUND OR book.state = 'draft' THEN
		RETURN 'known';
	END IF;
	IF book.state = 'ended' THEN
		-- Whoever it enrolled: the account's primary lead may be another by now.
		SELECT c.lead_id INTO lead FROM kam.CadenceEventLog e
		  JOIN kam.Cadence c ON c.lead_id = kam._canonical(e.lead_id) AND c.sequence_id = sequence AND c.state <> 'finished'
		 WHERE e.lead_id IN (SELECT l.lead_id FROM kam.Leads l WHERE l.account_id = book.account_id UNION SELECT book.lead_id)
		   AND e.idempotency_key IS NOT NULL AND starts_with(e.idempotency_key, 'abm/' || book.playbook_id || '/')
		 LIMIT 1;
		IF NOT FOUND THEN
			RETURN 'known';
		END IF;
		PERFORM FROM kam.Leads l WHERE l.lead_id = lead FOR NO KEY UPDATE SKIP LOCKED;
		IF NOT FOUND THEN
			RETURN 'skipped';
		END IF;
		INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, originating_agent)
		VALUES (lead, sequence, coalesce(book.sequence_type, 'abm'), 'stop', 'AGT-203');
		RETURN 'stopped';
	END IF;

	lead := kam._canonical(coalesce(book.lead_id, kam._primary_lead(book.account_id)));
	PERFORM FROM kam.Leads l WHERE l.lead_id = lead;
	IF NOT FOUND THEN
		RETURN 'later';
	END IF;
	PERFORM FROM kam.Leads l WHERE l.lead_id = lead FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN 'skipped';
	END IF;
	IF EXISTS (SELECT FROM kam.Cadence c WHERE c.lead_id = ANY (kam._lead_ids(lead)) AND c.sequence_id = sequence) THEN
		RETURN 'known';
	END IF;
	outcome := kam._schedule_ask(lead, sequence, coalesce(book.sequence_type, 'abm'), 'AGT-203', 'abm/' || book.playbook_id, book.play_id, book.steps);
	-- Nobody notes what stands in a playbook's way: it is looked at each day while it is active.
	RETURN CASE outcome WHEN 'refused' THEN 'refused, later' WHEN 'never' THEN 'later' ELSE outcome END;
END
$$;
COMMENT ON FUNCTION _playbook_work(text, timestamptz) IS 'Enrols the lead of an active row of ABMPlaybook in sequence abm-<playbook_id>, for AGT-203, once; stops it when the row has ended. known, skipped (the lead is locked), stopped, or as _schedule_ask().';

CREATE FUNCTION _tick_playbooks(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	note record;
	outcome text;
	again timestamptz;
	tally jsonb := '{}';
	errors jsonb := '[]';
	seen integer := 0;
	state text;
	message text;
BEGIN
	FOR note IN
		DELETE FROM kam._play_candidate c
		 WHERE c.candidate_id IN (SELECT d.candidate_id FROM kam._play_candidate d
		                           WHERE d.not_before <= at AND d.playbook_id IS NOT NULL ORDER BY d.not_before LIMIT batch FOR UPDATE SKIP LOCKED)
		RETURNING c.playbook_id
	LOOP
		seen := seen + 1;
		BEGIN
			outcome := kam._playbook_work(note.playbook_id, at);
			again := at + CASE WHEN outcome IN ('later', 'refused, later') THEN interval '24:00:00' WHEN outcome = 'skipped' THEN interval '1 s' END;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
			IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
				RAISE;
			END IF;
			RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not enrol playbook %s: %s', note.playbook_id, message),
				HINT = 'It is tried again in five minutes.';
			PERFORM kam._tick_put_off('playbook', note.playbook_id, '', at, '5 min', state, message);
			errors := errors || jsonb_build_object('duty', 'plays', 'item', note.playbook_id, 'sqlstate', state, 'message', message);
			outcome := 'failed';
			again := at + interval '5 min';
		END;
		IF again IS NOT NULL THEN
			INSERT INTO kam._play_candidate (playbook_id, not_before) VALUES (note.playbook_id, again);
		END IF;
		outcome := CASE WHEN outcome LIKE 'refused%' THEN 'refused' WHEN outcome IN ('later', 'stopped') THEN 'known' ELSE outcome END;
		tally := tally || jsonb_build_object(outcome, coalesce((tally ->> outcome)::integer, 0) + 1);
	END LOOP;
	RETURN (tally - 'known'::text) || jsonb_build_object('more', seen >= batch)
		|| CASE WHEN errors = '[]' THEN '{}' ELSE jsonb_build_object('errors', errors) END;
END
$$;
COMMENT ON FUNCTION _tick_playbooks(timestamptz, integer) IS 'Enrols and stops what rows of ABMPlaybook ask for.';

CREATE FUNCTION _play_noted(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	account record;
	part text[];
	everybody text[] := '{}';
	chosen jsonb := '{}';
	seen integer := 0;
BEGIN
	WITH taken AS (
		DELETE FROM kam._play_candidate c
		 WHERE c.candidate_id IN (SELECT d.candidate_id FROM kam._play_candidate d
		                           WHERE d.not_before <= at AND d.lead_id IS NOT NULL ORDER BY d.not_before, d.candidate_id LIMIT 20 * batch FOR UPDATE SKIP LOCKED)
		RETURNING c.lead_id, c.play_id
	), chosen AS (
		SELECT t.play_id, jsonb_agg(t.lead_id) AS leads FROM taken t WHERE t.play_id IS NOT NULL GROUP BY t.play_id
	)
	SELECT (SELECT count(*) FROM taken), ARRAY(SELECT t.lead_id FROM taken t WHERE t.play_id IS NULL),
	       (SELECT coalesce(jsonb_object_agg(c.play_id, c.leads), '{}') FROM chosen c)
	  INTO seen, everybody, chosen;
	-- Of an account with very many leads some at a time.
	FOR account IN
		SELECT c.candidate_id, c.account_id, c.upto FROM kam._play_candidate c
		 WHERE c.not_before <= at AND c.account_id IS NOT NULL ORDER BY c.not_before, c.candidate_id LIMIT batch FOR UPDATE SKIP LOCKED
	LOOP
		EXIT WHEN seen >= 20 * batch;
		part := ARRAY(SELECT l.lead_id FROM kam.Leads l
		               WHERE l.account_id = account.account_id AND l.lead_id > coalesce(account.upto, '') ORDER BY l.lead_id LIMIT 20 * batch - seen);
		everybody := everybody || part;
		seen := seen + greatest(cardinality(part), 1);
		IF seen >= 20 * batch AND cardinality(part) > 0 THEN
			UPDATE kam._play_candidate c SET upto = part[cardinality(part)] WHERE c.candidate_id = account.candidate_id;
		ELSE
			DELETE FROM kam._play_candidate c WHERE c.candidate_id = account.candidate_id;
		END IF;
	END LOOP;
	RETURN jsonb_build_object('everybody', to_jsonb(everybody), 'chosen', chosen, 'more', seen >= 20 * batch);
END
$$;
COMMENT ON FUNCTION _play_noted(timestamptz, integer) IS 'Takes due notes of changed leads and accounts: everybody (leads for every play), chosen (leads by the play they wait for), whether there are more.';

CREATE FUNCTION _tick_plays(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	zone CONSTANT text := current_setting('kam.default_timezone');
	today CONSTANT date := (at AT TIME ZONE zone)::date;
	tomorrow CONSTANT timestamptz := (today + 1)::timestamp AT TIME ZONE zone;
	-- Matching costs far less than enrolling.
	look CONSTANT integer := greatest(batch, 20 * batch);
	play kam.SalesPlayLibrary;
	scan kam._play_scan;
	over integer;
	noted jsonb;
	leads text[];
	rest text[];
	work jsonb;
	room integer := batch;
	daily integer;
	report jsonb := '{}';
	more boolean := false;
BEGIN
	-- Plays whose time is over; their enrolments have had their end since they began.
	UPDATE kam.SalesPlayLibrary p SET state = 'ended', ended_by = 'AGT-302'
	 WHERE p.play_id IN (SELECT o.play_id FROM kam.SalesPlayLibrary o
	                      WHERE o.state = 'active' AND o.active_period_end <= at AND o.home = kam._home()
	                      ORDER BY o.active_period_end LIMIT batch FOR NO KEY UPDATE SKIP LOCKED);
	GET DIAGNOSTICS over = ROW_COUNT;
	IF over > 0 THEN
		report := jsonb_build_object('plays_ended', over);
	END IF;
	FOR scan IN
		SELECT s.* FROM kam._play_scan s JOIN kam.SalesPlayLibrary p USING (play_id)
		 WHERE p.state = 'ended' AND p.home = kam._home() AND s.next_at <= at ORDER BY s.play_id
		   FOR NO KEY UPDATE OF s SKIP LOCKED
	LOOP
		EXIT WHEN room <= 0;
		work := kam._play_stop(scan.play_id, at, room);
		room := room - (work ->> 'seen')::integer;
		report := kam._tick_sum(report, work -> 'report');
	END LOOP;

	report := kam._tick_sum(report, kam._tick_playbooks(at, batch));

	noted := kam._play_noted(at, batch);
	more := (noted ->> 'more')::boolean;
	-- Of two plays that match a lead the one promoted first asks first.
	FOR play IN
		SELECT p.* FROM kam.SalesPlayLibrary p
		 WHERE p.state = 'active' AND p.home = kam._home() AND (p.active_period_start <= at) IS NOT FALSE
		   AND (p.active_period_end > at) IS NOT FALSE
		 ORDER BY p.promoted_at, p.play_id
	LOOP
		leads := ARRAY(SELECT DISTINCT CASE WHEN play.target_definition ->> 'level' = 'account' THEN kam._primary_lead(l.account_id) ELSE l.lead_id END
		                 FROM (SELECT jsonb_array_elements_text(noted -> 'everybody') AS lead_id
		                       UNION SELECT jsonb_array_elements_text(coalesce(noted -> 'chosen' -> play.play_id, '[]'))) n
		                 JOIN kam.Leads l USING (lead_id));
		SELECT s.* INTO scan FROM kam._play_scan s WHERE s.play_id = play.play_id FOR NO KEY UPDATE SKIP LOCKED;
		IF NOT FOUND THEN
			-- Another tick is at it.
			PERFORM kam._play_later(play.play_id, l, at, at + interval '1 s') FROM unnest(leads) l WHERE l IS NOT NULL;
			CONTINUE;
		END IF;
		IF scan.day IS DISTINCT FROM today THEN
			scan.day := today;
			scan.enrolled := 0;
		END IF;
		daily := coalesce((play.suggested_cadence ->> 'daily_limit')::numeric::integer, 2147483647) - scan.enrolled;

		IF cardinality(leads) > 0 THEN
			work := kam._play_work(play, leads, at, room, daily);
			PERFORM kam._play_later(play.play_id, r, at, CASE WHEN (work ->> 'daily')::boolean THEN tomorrow ELSE at END)
			   FROM jsonb_array_elements_text(work -> 'rest') r;
			more := more OR work -> 'rest' <> '[]' AND NOT (work ->> 'daily')::boolean;
			report := kam._tick_sum(report, work -> 'report');
			scan.enrolled := scan.enrolled + (work ->> 'enrolled')::integer;
			daily := daily - (work ->> 'enrolled')::integer;
			room := room - (work ->> 'asked')::integer;
		END IF;

		IF scan.next_at <= at AND daily <= 0 THEN
			scan.next_at := tomorrow;
		ELSIF scan.next_at <= at AND scan.upto IS NULL AND pg_snapshot_xmin(pg_current_snapshot()) < scan.horizon THEN
			scan.next_at := at + interval '1 min';
		ELSIF scan.next_at <= at AND room > 0 THEN
			-- Who was writing leads while the play became active left no note: once more when those have ended.
			scan.horizon := CASE WHEN scan.upto = '' THEN pg_snapshot_xmax(pg_current_snapshot()) WHEN scan.upto IS NOT NULL THEN scan.horizon END;
			leads := ARRAY(SELECT l.lead_id FROM kam.Leads l WHERE l.lead_id > coalesce(scan.upto, '') ORDER BY l.lead_id LIMIT look);
			work := kam._play_work(play, leads, at, room, daily);
			rest := ARRAY(SELECT jsonb_array_elements_text(work -> 'rest'));
			report := kam._tick_sum(report, work -> 'report');
			scan.enrolled := scan.enrolled + (work ->> 'enrolled')::integer;
			room := room - (work ->> 'asked')::integer;
			IF cardinality(rest) > 0 THEN
				scan.upto := coalesce(leads[array_position(leads, rest[1]) - 1], scan.upto, '');
				IF (work ->> 'daily')::boolean THEN
					scan.next_at := tomorrow;
				END IF;
			ELSIF cardinality(leads) = look THEN
				scan.upto := leads[look];
			ELSE
				scan.upto := NULL;
				scan.next_at := CASE WHEN scan.horizon IS NOT NULL THEN at END;
			END IF;
			more := more OR coalesce(scan.next_at <= at, false);
		END IF;
		UPDATE kam._play_scan s SET upto = scan.upto, horizon = scan.horizon, next_at = scan.next_at, day = scan.day, enrolled = scan.enrolled
		 WHERE s.play_id = scan.play_id AND (s.upto, s.horizon, s.next_at, s.day, s.enrolled) IS DISTINCT FROM (scan.upto, scan.horizon, scan.next_at, scan.day, scan.enrolled);
	END LOOP;
	RETURN report || jsonb_build_object('more', more OR room <= 0 OR coalesce((report ->> 'more')::boolean, false));
END
$$;
COMMENT ON FUNCTION _tick_plays(timestamptz, integer) IS 'The duty of plays: ends plays whose period is over and what runs of ended ones, enrols leads that active plays match: those noted as changed, and after a promotion all, in lead order from where the last tick came to. At most "batch" requests, twenty times as many leads looked at.';
