-- Retention: what is older than kam.retain_runs, kam.retain_calls, kam.retain_events and kam.retain_notifications say goes, in bounded batches.  The worker
-- and kam_retain() go through the same functions.
--
-- Each kind is walked in the order in which its rows came, from where the last turn stopped, up to the first row that is too young.  So a turn reads a
-- batch by an index, however much is kept behind it; what was kept on the way (in use, locked, failed) is looked at again in the next round.

-- ---- the kinds -----------------------------------------------------------------------

CREATE TABLE _retention (
	kind		text PRIMARY KEY,
	upto		text,
	again_at	timestamptz,
	skipped		bigint NOT NULL DEFAULT 0,
	turned_at	timestamptz,
	gone		bigint NOT NULL DEFAULT 0,
	gone_at		timestamptz,
	gone_before	timestamptz,
	failed_at	timestamptz,
	sqlstate	text,
	error		text
);
COMMENT ON TABLE _retention IS 'How far retention has come with each kind of rows. A row comes with the first turn; whoever holds it deletes that kind.';
COMMENT ON COLUMN _retention.kind IS 'calls (emptied), events (with their rows of CadenceQueue), flags, notifications.';
COMMENT ON COLUMN _retention.upto IS 'The place of the row that was looked at last; NULL: none yet in this round.';
COMMENT ON COLUMN _retention.again_at IS 'The round is through, and the next one begins then (kam''s clock); until then only rows that have become old since are looked at. NULL while it lasts.';
COMMENT ON COLUMN _retention.skipped IS 'Passed over in this round because somebody had them locked, or because they failed.';
COMMENT ON COLUMN _retention.turned_at IS 'The last turn (real time).';
COMMENT ON COLUMN _retention.gone IS 'Rows deleted (of calls: emptied) so far.';
COMMENT ON COLUMN _retention.gone_at IS 'When any were last.';
COMMENT ON COLUMN _retention.gone_before IS 'Nothing younger than this was (kam''s clock): of earlier days the log does not tell everything.';
COMMENT ON COLUMN _retention.failed_at IS 'When an item last failed (real time).';
COMMENT ON COLUMN _retention.sqlstate IS 'Of that failure.';
COMMENT ON COLUMN _retention.error IS 'Its message.';

CREATE FUNCTION _retention_kinds() RETURNS TABLE (kind text, setting text, least_period interval, item_rows integer, next_round interval, walk text, dispose text)
	LANGUAGE sql STABLE ROWS 4
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		VALUES
		-- The order of request_finished; what is decided for good does not change its place.
		('calls', 'kam.retain_calls', interval '0', 10, interval '7 days',
			'SELECT concat_ws(''|'', r.finished_at, r.session_id), r.session_id::text, r.finished_at FROM kam.request r
			  WHERE r.finished_at IS NOT NULL AND (r.finished_at, r.session_id) > (coalesce(nullif(split_part($1, ''|'', 1), ''''), ''-infinity'')::timestamptz,
			        coalesce(nullif(split_part($1, ''|'', 2), ''''), ''00000000-0000-0000-0000-000000000000'')::uuid)
			  ORDER BY r.finished_at, r.session_id LIMIT $2',
			'_empty_calls'),
		-- A lead's rows are also looked at whenever another one of them has become old: rounds are for the rest, and read everything that is kept.
		-- What intelligence_day does not count yet stays, late rows too.  Daily limits look back a day, in any zone.
		('events', 'kam.retain_events', kam._touch_window() + interval '48:00:00', 1, interval '7 days',
			'SELECT e.event_id::text, e.lead_id, coalesce(e.event_at, ''-infinity'') FROM kam.CadenceEventLog e
			  WHERE e.event_id + 0 > coalesce($1::bigint, -9223372036854775807) AND e.event_id + 0 <= (SELECT s.upto FROM kam._intelligence_state s)
			    AND NOT EXISTS (SELECT FROM kam._intelligence_late)
			  ORDER BY e.event_id + 0 LIMIT $2',
			'_forget_events'),
		('flags', 'kam.retain_events', interval '0', 1, interval '1 day',
			'SELECT f.flag_id::text, f.flag_id::text, f.opened_at FROM kam.CadenceFlag f
			  WHERE f.flag_id > coalesce($1::bigint, -9223372036854775807) ORDER BY f.flag_id LIMIT $2',
			'_forget_flags'),
		('notifications', 'kam.retain_notifications', interval '0', 1, interval '1 day',
			'SELECT n.notification_id::text, n.notification_id::text, n.created_at FROM kam.notification n
			  WHERE n.notification_id > coalesce($1::bigint, -9223372036854775807) ORDER BY n.notification_id LIMIT $2',
			'_forget_notifications');
	END;
COMMENT ON FUNCTION _retention_kinds() IS 'What retention knows of each kind: its setting, the shortest period that it takes, how many rows an item stands for, when what was kept is looked at again, the statement that walks it ($1: after this place, $2: how many; gives place, item, time), and the function that deletes items.';

CREATE FUNCTION _retention_period(setting text) RETURNS interval
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	-- In seconds: a day of a setting is 24 hours, also when the clocks change.
	RETURN make_interval(secs => nullif(extract(epoch FROM current_setting(setting)::interval), 0)::float8);
COMMENT ON FUNCTION _retention_period(text) IS 'A setting of retention; NULL for 0, which is for ever.';

-- ---- runs and calls ---------------------------------------------------------------------

CREATE FUNCTION _retain_runs(before timestamptz, most integer) RETURNS integer
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	gone integer := 0;
	due uuid;
BEGIN
	-- A wait that is still to run again is kept: its row is what runs.  So is what a person judged: later runs learn from it.
	FOR due IN
		SELECT r.session_id FROM kam.request r
		 WHERE r.finished_at IS NOT NULL AND r.finished_at < before AND r.rerun_at IS NULL
		   AND NOT EXISTS (SELECT FROM kam.final_decision d WHERE d.session_id = r.session_id AND d.type_of_validation IS NOT NULL)
		 ORDER BY r.finished_at LIMIT most
	LOOP
		DELETE FROM kam.request r
		 WHERE r.session_id = due AND r.finished_at IS NOT NULL AND r.finished_at < before AND r.rerun_at IS NULL
		   AND NOT EXISTS (SELECT FROM kam.final_decision d WHERE d.session_id = r.session_id AND d.type_of_validation IS NOT NULL);
		IF FOUND THEN
			gone := gone + 1;
		END IF;
	END LOOP;
	RETURN gone;
END
$$;
COMMENT ON FUNCTION _retain_runs(timestamptz, integer) IS 'Deletes runs that finished before a moment, at most so many, with all that hangs on them; returns how many.';

-- A run that is judged is never taken up again; one that failed or was cancelled may be, and goes on from its answers.
CREATE FUNCTION _empty_calls(items text[], before timestamptz, most integer, OUT gone integer, OUT skipped integer, OUT undone text[])
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	due uuid[];
	held uuid[];
BEGIN
	due := ARRAY(
		SELECT r.session_id FROM kam.request r
		 WHERE r.session_id = ANY (items::uuid[]) AND r.status = 'judged'
		   AND EXISTS (SELECT FROM kam.agent_call c WHERE c.session_id = r.session_id
		                  AND (c.response IS NOT NULL OR c.output <> '{}' OR c.request_sha256 IS NOT NULL) OFFSET 0));
	-- A replay under way may still ask for the answers.  (By keys throughout: not by finished_at, which would lead through all that finished.)
	held := ARRAY(
		SELECT r.session_id FROM kam.request r
		 WHERE r.session_id = ANY (due) AND NOT EXISTS (SELECT FROM kam.request p WHERE p.replay_of = r.session_id AND p.status NOT IN ('judged', 'failed', 'cancelled') OFFSET 0)
		   FOR KEY SHARE SKIP LOCKED);
	-- No answer is found any more under the hash of what was asked: an empty one must not be taken for it.
	UPDATE kam.agent_call c
	   SET response = NULL, request_sha256 = NULL, output = CASE WHEN c.output IS NOT NULL THEN '{}'::jsonb END
	 WHERE c.session_id = ANY (held) AND (c.response IS NOT NULL OR c.output <> '{}' OR c.request_sha256 IS NOT NULL);
	GET DIAGNOSTICS gone = ROW_COUNT;
	skipped := cardinality(due) - cardinality(held);
	undone := '{}';
END
$$;
COMMENT ON FUNCTION _empty_calls(text[], timestamptz, integer) IS 'Empties the answers to the calls of these runs, as far as they are judged.';

-- ---- notifications and flags --------------------------------------------------------------

CREATE FUNCTION _forget_notifications(items text[], before timestamptz, most integer, OUT gone integer, OUT skipped integer, OUT undone text[])
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	due bigint[];
BEGIN
	-- What came with a restore waits for kam_resume(), what goes to an endpoint for its delivery.  An inbox is nobody's to empty but its reader's,
	-- until the time is over.
	due := ARRAY(
		SELECT n.notification_id FROM kam.notification n
		 WHERE n.notification_id = ANY (items::bigint[]) AND n.created_at < before
		   AND (n.status IN ('sent', 'dead', 'acknowledged')
		        OR n.status IN ('pending', 'failed') AND n.home = kam._home()
		           AND NOT EXISTS (SELECT FROM kam.endpoint e WHERE e.endpoint = n.recipient)
		           AND NOT EXISTS (SELECT FROM kam.Reps p WHERE p.rep_id = n.recipient AND p.endpoint IS NOT NULL)));
	DELETE FROM kam.notification n
	 WHERE n.notification_id = ANY (ARRAY(SELECT d.notification_id FROM kam.notification d WHERE d.notification_id = ANY (due) FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS gone = ROW_COUNT;
	skipped := cardinality(due) - gone;
	undone := '{}';
END
$$;
COMMENT ON FUNCTION _forget_notifications(text[], timestamptz, integer) IS 'Deletes notifications of before a moment, but for those that an endpoint has still to get.';

CREATE FUNCTION _forget_flags(items text[], before timestamptz, most integer, OUT gone integer, OUT skipped integer, OUT undone text[])
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	due bigint[];
BEGIN
	due := ARRAY(SELECT f.flag_id FROM kam.CadenceFlag f WHERE f.flag_id = ANY (items::bigint[]) AND f.closed_at < before);
	DELETE FROM kam.CadenceFlag f
	 WHERE f.flag_id = ANY (ARRAY(SELECT d.flag_id FROM kam.CadenceFlag d WHERE d.flag_id = ANY (due) AND d.closed_at < before FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS gone = ROW_COUNT;
	skipped := cardinality(due) - gone;
	undone := '{}';
END
$$;
COMMENT ON FUNCTION _forget_flags(text[], timestamptz, integer) IS 'Deletes flags that were closed before a moment.';

-- ---- the log ---------------------------------------------------------------------------------

CREATE FUNCTION _change_log(statement text, lead_id text, event_ids bigint[]) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_cadence_change_log';
COMMENT ON FUNCTION _change_log(text, text, bigint[]) IS 'Runs one UPDATE or DELETE of CadenceEventLog with $1 the lead and $2 the events, and returns how many rows it changed: the only way past _log_guard(), for that lead''s rows alone, from a SECURITY DEFINER function of the log''s owner that holds the lead''s lock (42501 otherwise, for superusers too).';

CREATE FUNCTION _disposable_events(lead_id text, holder text, before timestamptz, most integer) RETURNS bigint[]
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	summed CONSTANT bigint := (SELECT s.upto FROM kam._intelligence_state s);
	known CONSTANT boolean := EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = _disposable_events.holder);
	-- Step-once and answers look at all leads that are one person.
	ids CONSTANT text[] := kam._lead_ids(holder);
	running CONSTANT text[] := ARRAY(SELECT c.sequence_id FROM kam.Cadence c WHERE c.lead_id = ANY (ids) AND c.state <> 'finished');
	-- What _derive_state() reads of the lead's own rows.
	last_decision bigint;
	last_touch bigint;
	ring bigint[] := '{}';
BEGIN
	-- What is not counted yet may be the answer to any touch before it.
	IF summed IS NULL OR EXISTS (SELECT FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids || _disposable_events.lead_id) AND e.event_id > summed) THEN
		RETURN '{}';
	END IF;
	IF known THEN
		last_decision := (
			SELECT e.event_id FROM kam.CadenceEventLog e
			 WHERE e.lead_id = _disposable_events.lead_id AND e.coordinator_action <> 'blocked' AND e.event_type NOT IN ('cancelled', 'expired')
			   AND NOT (e.event_type = 'touch' AND e.family = 'transactional')
			 ORDER BY e.event_id DESC LIMIT 1);
		last_touch := (
			SELECT e.event_id FROM kam.CadenceEventLog e
			 WHERE e.lead_id = _disposable_events.lead_id AND e.touch_no IS NOT NULL ORDER BY e.touch_no DESC LIMIT 1);
		ring := ARRAY(
			SELECT o.event_id
			  FROM (SELECT e.event_id, e.touch_at FROM kam.CadenceEventLog e
			         WHERE e.lead_id = _disposable_events.lead_id AND e.touch_no IS NOT NULL AND e.counted OFFSET 0) o
			 ORDER BY o.touch_at DESC LIMIT 8);
	END IF;
	-- Each is looked up by its key: hashed (but for OFFSET 0), or found by an index of all that waits, a whole table would be read for each lead.
	RETURN ARRAY(
		WITH RECURSIVE mine AS MATERIALIZED (
			SELECT e.event_id, e.parent_event_id,
			       -- too young, or late and not counted yet
			       coalesce(e.event_at >= before OR e.counted AND e.touch_at >= before, true)
			       OR EXISTS (SELECT FROM kam._intelligence_late l WHERE l.event_id = e.event_id AND l.lead_id = e.lead_id OFFSET 0)
			       -- a person's word is proof, and where there is no address nothing else remembers it
			       OR e.event_type IN ('opt_out', 'unsubscribe')
			       -- what waits, what runs, what schedules go by
			       OR coalesce((SELECT q.state FROM kam.CadenceQueue q WHERE q.lead_id = e.lead_id AND q.event_id = e.event_id) = 'waiting', false)
			       OR coalesce(e.sequence_id = ANY (running), false)
			       OR e.play_id IS NOT NULL AND EXISTS (SELECT FROM kam.SalesPlayLibrary p WHERE p.play_id = e.play_id AND p.state <> 'ended' OFFSET 0)
			       OR e.originating_agent = 'AGT-203' AND EXISTS (
			          SELECT FROM kam.ABMPlaybook b WHERE e.sequence_id = 'abm-' || b.playbook_id AND b.playbook_id = substr(e.sequence_id, 5) AND b.state <> 'ended' OFFSET 0)
			       -- what the lead's state derives from
			       OR coalesce(e.event_id IN (last_decision, last_touch), false) OR e.event_id = ANY (ring) AS kept
			  FROM kam.CadenceEventLog e
			 WHERE e.lead_id = _disposable_events.lead_id
		), link AS MATERIALIZED (
			SELECT m.event_id, m.parent_event_id AS other FROM mine m WHERE m.parent_event_id IS NOT NULL
			UNION ALL
			SELECT m.parent_event_id, m.event_id FROM mine m WHERE m.parent_event_id IS NOT NULL
		), kept AS (
			-- A request, its releases and what became of them go together.
			SELECT m.event_id FROM mine m WHERE m.kept
			UNION
			SELECT l.other FROM kept k JOIN link l USING (event_id)
		)
		SELECT m.event_id FROM mine m WHERE NOT EXISTS (SELECT FROM kept k WHERE k.event_id = m.event_id) ORDER BY m.event_id LIMIT most);
END
$$;
COMMENT ON FUNCTION _disposable_events(text, text, timestamptz, integer) IS 'The rows of a lead''s log that nobody needs any more, oldest first, at most so many; none while intelligence_day does not count all that is known of the person. Kept are rows since "before"; opt-outs; what waits in the queue; everything of sequences that are not finished, of plays and of playbooks that have not ended; while the lead (holder: who stands for it) is in Leads, its last decision, its last touch and its eight newest counted touches; and whatever belongs to one of these by parent_event_id.';

CREATE FUNCTION _forget_events(items text[], before timestamptz, most integer, OUT gone integer, OUT skipped integer, OUT undone text[])
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	lead text;
	holder text;
	doomed bigint[];
BEGIN
	gone := 0;
	skipped := 0;
	undone := '{}';
	FOREACH lead IN ARRAY items LOOP
		IF gone >= most THEN
			undone := undone || lead;
			CONTINUE;
		END IF;
		-- Most leads have nothing to give: they are not locked for that.
		holder := kam._canonical(lead);
		CONTINUE WHEN cardinality(kam._disposable_events(lead, holder, before, 1)) = 0;
		PERFORM FROM kam.Leads l WHERE l.lead_id = holder FOR NO KEY UPDATE SKIP LOCKED;
		IF NOT FOUND AND EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = holder) OR kam._canonical(lead) <> holder THEN
			skipped := skipped + 1;
			CONTINUE;
		END IF;
		PERFORM FROM kam.prospect_state s WHERE s.lead_id = holder FOR NO KEY UPDATE;
		doomed := kam._disposable_events(lead, holder, before, most - gone);
		IF cardinality(doomed) = most - gone THEN
			undone := undone || lead;
		END IF;
		DELETE FROM kam.CadenceQueue q WHERE q.lead_id = lead AND q.event_id = ANY (doomed);
		DELETE FROM kam.sent_message m WHERE m.lead_id IN (lead, holder) AND m.event_id = ANY (doomed);
		gone := gone + kam._change_log('DELETE FROM kam.CadenceEventLog e WHERE e.lead_id = $1 AND e.event_id = ANY ($2)', lead, doomed);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _forget_events(text[], timestamptz, integer) IS 'Deletes rows of these leads'' logs that nobody needs any more, with their rows of CadenceQueue and sent_message. undone: leads that may have more.';

-- ---- the interpreter ---------------------------------------------------------------------------

CREATE FUNCTION _retain_kind(kind text, at timestamptz, batch integer, by_hand boolean) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	SET datestyle = 'ISO, YMD'
	SET timezone = 'UTC'
	AS $$
#variable_conflict use_column
DECLARE
	k record;
	own kam._retention;
	before timestamptz;
	most integer;
	place text[];
	item text[];
	items text[];
	full_batch boolean;
	more boolean;
	first_undone integer;
	outcome record;
	gone integer := 0;
	skipped integer := 0;
	failed integer := 0;
	undone text[] := '{}';
	errors jsonb := '[]';
	state text;
	message text;
	one text;
BEGIN
	SELECT * INTO STRICT k FROM kam._retention_kinds() r WHERE r.kind = _retain_kind.kind;
	before := at - greatest(kam._retention_period(k.setting), CASE WHEN kam._retention_period(k.setting) IS NOT NULL THEN k.least_period END);
	IF before IS NULL THEN
		RETURN '{"seen": 0, "more": false}';
	END IF;
	IF NOT EXISTS (SELECT FROM kam._retention r WHERE r.kind = _retain_kind.kind) THEN
		INSERT INTO kam._retention (kind) VALUES (_retain_kind.kind) ON CONFLICT DO NOTHING;
	END IF;
	SELECT * INTO own FROM kam._retention r WHERE r.kind = _retain_kind.kind FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN '{"seen": 0, "more": false}';
	END IF;
	IF own.again_at <= at OR own.again_at IS NOT NULL AND by_hand THEN
		own.upto := NULL;
		own.again_at := NULL;
		own.skipped := 0;
	END IF;

	most := greatest(batch / k.item_rows, 1);
	EXECUTE format('WITH seen AS MATERIALIZED (SELECT row_number() OVER () AS n, w.* FROM (%s) w (place, item, at))
		SELECT array_agg(s.place ORDER BY s.n), array_agg(s.item ORDER BY s.n) FROM seen s
		 WHERE s.n < (SELECT coalesce(min(y.n), $2 + 1) FROM seen y WHERE y.at >= $3)', k.walk)
	   INTO place, item USING own.upto, most, before;
	full_batch := coalesce(cardinality(item), 0) = most;
	items := ARRAY(SELECT DISTINCT i FROM unnest(item) i ORDER BY i);

	IF items <> '{}' THEN
		BEGIN
			EXECUTE format('SELECT * FROM kam.%I($1, $2, $3)', k.dispose) INTO STRICT outcome USING items, before, batch;
			gone := outcome.gone;
			skipped := outcome.skipped;
			undone := outcome.undone;
		EXCEPTION WHEN OTHERS THEN
			-- Of a snapshot that is too old every item fails.
			IF SQLSTATE = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
				RAISE;
			END IF;
			FOREACH one IN ARRAY items LOOP
				IF gone >= batch THEN
					undone := undone || one;
					CONTINUE;
				END IF;
				BEGIN
					EXECUTE format('SELECT * FROM kam.%I($1, $2, $3)', k.dispose) INTO STRICT outcome USING ARRAY[one], before, batch - gone;
					gone := gone + outcome.gone;
					skipped := skipped + outcome.skipped;
					undone := undone || outcome.undone;
				EXCEPTION WHEN OTHERS THEN
					GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
					-- When nothing goes, a few say why.
					IF failed < 5 THEN
						RAISE WARNING USING ERRCODE = state, MESSAGE = format('retention of %s: %s is kept: %s', kind, one, message),
							HINT = 'It is tried again within a day; kam_retain() does it at once.';
					END IF;
					errors := errors || jsonb_build_object('kind', kind, 'item', one, 'sqlstate', state, 'message', message);
					failed := failed + 1;
				END;
			END LOOP;
		END;
	END IF;

	-- Up to where everything was seen to.
	first_undone := (SELECT min(u.n) FROM unnest(item) WITH ORDINALITY u (item, n) WHERE u.item = ANY (undone));
	own.upto := CASE WHEN first_undone IS NULL THEN coalesce(place[cardinality(place)], own.upto)
	                 WHEN first_undone > 1 THEN place[first_undone - 1] ELSE own.upto END;
	more := full_batch OR first_undone IS NOT NULL;
	own.skipped := own.skipped + skipped + failed;
	IF NOT more THEN
		own.again_at := coalesce(own.again_at, at + k.next_round);
		IF own.skipped > 0 THEN
			own.again_at := least(own.again_at, at + interval '1 day');
		END IF;
	END IF;
	UPDATE kam._retention r
	   SET upto = own.upto, again_at = own.again_at, skipped = own.skipped, turned_at = clock_timestamp(),
	       gone = r.gone + turn.gone, gone_at = CASE WHEN turn.gone > 0 THEN clock_timestamp() ELSE r.gone_at END,
	       gone_before = CASE WHEN turn.gone > 0 THEN greatest(r.gone_before, before) ELSE r.gone_before END,
	       failed_at = CASE WHEN failed > 0 THEN clock_timestamp() ELSE r.failed_at END,
	       sqlstate = CASE WHEN failed > 0 THEN state ELSE r.sqlstate END, error = CASE WHEN failed > 0 THEN message ELSE r.error END
	  FROM (VALUES (gone)) turn (gone)
	 WHERE r.kind = _retain_kind.kind;
	RETURN jsonb_build_object('seen', cardinality(items), 'gone', gone, 'skipped', skipped, 'failed', failed, 'more', more, 'errors', errors);
END
$$;
COMMENT ON FUNCTION _retain_kind(text, timestamptz, integer, boolean) IS 'One turn of a kind: at most about so many rows of what is old at a moment. All items in one go; when that fails each in a subtransaction of its own. by_hand: a round that is through begins anew at once.';

CREATE FUNCTION _retain(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	SET enable_sort = on
	SET jit = off
	AS $$
DECLARE
	kind text;
	report jsonb;
BEGIN
	-- The kind that waited longest; those with nothing to do cost a look.
	FOR kind IN SELECT k.kind FROM kam._retention_kinds() k LEFT JOIN kam._retention r USING (kind) ORDER BY r.turned_at NULLS FIRST, k.kind LOOP
		report := kam._retain_kind(kind, at, batch, false);
		EXIT WHEN (report ->> 'seen')::integer > 0;
	END LOOP;
	RETURN jsonb_build_object('more', (report ->> 'seen')::integer > 0, 'error', report #>> '{errors,0,message}');
END
$$;
COMMENT ON FUNCTION _retain(timestamptz, integer) IS 'One turn of the worker: a batch of one kind, the kinds taking turns. more: another turn at once; error: of an item that failed.';

CREATE FUNCTION kam_retain(batch integer DEFAULT 1000) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	SET enable_sort = on
	SET jit = off
	AS $$
DECLARE
	present CONSTANT timestamptz := kam._now();
	report jsonb;
	turn jsonb;
	runs integer;
	kind text;
BEGIN
	IF batch IS NULL OR batch < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('batch must be at least 1: %s', coalesce(batch::text, 'NULL')),
			HINT = 'It is how many rows of each kind are deleted at most.';
	END IF;
	IF current_setting('kam.paused')::boolean THEN
		RETURN jsonb_build_object('paused', true, 'more', false);
	END IF;
	runs := kam._retain_runs(present - kam._retention_period('kam.retain_runs'), batch);
	report := jsonb_build_object('runs', runs, 'skipped', 0, 'failed', 0, 'more', runs = batch, 'errors', '[]'::jsonb);
	FOR kind IN SELECT k.kind FROM kam._retention_kinds() k ORDER BY k.kind LOOP
		turn := kam._retain_kind(kind, present, batch, true);
		report := report || jsonb_build_object(
			kind, coalesce((turn ->> 'gone')::bigint, 0),
			'skipped', (report ->> 'skipped')::bigint + coalesce((turn ->> 'skipped')::bigint, 0),
			'failed', (report ->> 'failed')::bigint + coalesce((turn ->> 'failed')::bigint, 0),
			'more', (report ->> 'more')::boolean OR (turn ->> 'more')::boolean,
			'errors', (report -> 'errors') || coalesce(turn -> 'errors', '[]'));
	END LOOP;
	RETURN report;
END
$$;
COMMENT ON FUNCTION kam_retain(integer) IS 'Deletes what is older than kam.retain_runs, kam.retain_calls, kam.retain_events and kam.retain_notifications say, as the worker does by itself: at most about "batch" rows of each kind; "more" tells to call again. What somebody holds locked is skipped. One item''s failure is a WARNING and an entry of "errors", and costs that item alone. While kam.paused is on nothing happens. Returns counts: runs, calls (emptied), events (rows of CadenceEventLog), flags (closed), notifications, skipped, failed. What is kept however old: docs/operations.md. Batch below 1 raises 22023. Example: SELECT kam.kam_retain();';

CREATE FUNCTION _retention_health() RETURNS TABLE (item text, state text, detail text, hint text)
	LANGUAGE sql VOLATILE ROWS 1
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT 'retention', CASE WHEN count(*) FILTER (WHERE f.failed) > 0 THEN 'warning' ELSE 'ok' END,
		       coalesce(string_agg(format('%s: %s', k.kind, r.error), '; ' ORDER BY k.kind) FILTER (WHERE f.failed),
		                string_agg(format('%s %s gone%s', coalesce(r.gone, 0), k.kind, ', the last at ' || r.gone_at), '; ' ORDER BY k.kind)),
		       CASE WHEN count(*) FILTER (WHERE f.failed) > 0 THEN 'SELECT * FROM kam._retention; the server''s log names the items. They are tried again within a day, by kam_retain() at once.' END
		  FROM kam._retention_kinds() k
		  LEFT JOIN kam._retention r USING (kind)
		 CROSS JOIN LATERAL (SELECT coalesce(r.failed_at > now() - interval '1 day' AND r.skipped > 0, false) AS failed) f
		 WHERE kam._retention_period(k.setting) IS NOT NULL
		HAVING count(*) > 0;
	END;
COMMENT ON FUNCTION _retention_health() IS 'What kam_health() says of retention: nothing while everything is kept for ever.';
