-- The Coordinator's rare events in SQL, and what users call (contract section 8).  The gates themselves are C (src/cadence).
--
-- Locks, always in this order: Leads (several in the order of lead_id), prospect_state, Cadence, CadenceQueue, Suppression.

-- ---- inside: the caller holds the lock on the lead's row ------------------------------

CREATE FUNCTION _canonical(lead_id text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT coalesce((SELECT a.canonical_id FROM kam.lead_alias a WHERE a.lead_id = _canonical.lead_id), _canonical.lead_id);
	END;
COMMENT ON FUNCTION _canonical(text) IS 'The lead that stands for a merged one; any other lead stands for itself.';

CREATE FUNCTION _lead_ids(lead_id text) RETURNS text[]
	LANGUAGE sql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT ARRAY[_lead_ids.lead_id] || ARRAY(SELECT a.lead_id FROM kam.lead_alias a WHERE a.canonical_id = _lead_ids.lead_id ORDER BY a.lead_id);
	END;
COMMENT ON FUNCTION _lead_ids(text) IS 'The ids under which a lead''s history stands in the log: its own first, then those it stands for.';

-- By key, also before the tables were analysed for the first time: who fills them in one go would otherwise have each row read all before it.
CREATE FUNCTION _derive_state(lead_id text) RETURNS prospect_state
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	AS $$
#variable_conflict use_column
DECLARE
	ids CONSTANT text[] := kam._lead_ids(_derive_state.lead_id);
	lead kam.Leads;
	derived kam.prospect_state;
BEGIN
	derived.lead_id := _derive_state.lead_id;

	SELECT max(last.event_at) INTO derived.last_at
	  FROM unnest(ids) i(id)
	 CROSS JOIN LATERAL (SELECT e.event_at FROM kam.CadenceEventLog e
	                      WHERE e.lead_id = i.id AND e.coordinator_action <> 'blocked' AND e.event_type NOT IN ('cancelled', 'expired')
	                        AND NOT (e.event_type = 'touch' AND e.family = 'transactional')
	                      ORDER BY e.event_id DESC LIMIT 1) last;
	SELECT coalesce(max(e.touch_no), 0) INTO derived.touch_no
	  FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids) AND e.touch_no IS NOT NULL;
	-- The lead's rows first (OFFSET): the index on touch_at, read from its end, has everybody's.
	derived.touches := ARRAY(
		SELECT t.touch_at
		  FROM (SELECT o.touch_at
		          FROM (SELECT e.touch_at FROM kam.CadenceEventLog e
		                 WHERE e.lead_id = ANY (ids) AND e.touch_no IS NOT NULL AND e.counted OFFSET 0) o
		         ORDER BY o.touch_at DESC LIMIT 8) t
		 ORDER BY t.touch_at);

	SELECT l.* INTO lead FROM kam.Leads l WHERE l.lead_id = _derive_state.lead_id;
	derived.unsubscribed := coalesce(lead.unsubscribe_flag, false);
	derived.opted_out := coalesce(lead.opt_out_flag, false);
	-- Who said so without any address to suppress is remembered by the log alone: a sync that clears the flag must not undo it.
	IF lead.lead_id IS NOT NULL AND cardinality(kam._lead_addresses(lead)) = 0 THEN
		SELECT derived.unsubscribed OR coalesce(bool_or(e.event_type = 'unsubscribe'), false),
		       derived.opted_out OR coalesce(bool_or(e.event_type = 'opt_out'), false)
		  INTO derived.unsubscribed, derived.opted_out
		  FROM kam.CadenceEventLog e
		 WHERE e.lead_id = ANY (ids) AND e.event_type IN ('unsubscribe', 'opt_out');
	END IF;

	SELECT c.sequence_id, c.sequence_type, c.enrolment_no, c.current_step, c.play_id, c.originating_proposal_id, c.active_until
	  INTO derived.sales_sequence, derived.sales_type, derived.sales_enrolment, derived.sales_step,
	       derived.sales_play, derived.sales_proposal, derived.sales_until
	  FROM kam.Cadence c
	 WHERE c.lead_id = _derive_state.lead_id AND c.state = 'active' AND c.family = 'sales';
	SELECT c.sequence_id, c.sequence_type, c.enrolment_no, c.current_step, c.play_id, c.originating_proposal_id, c.active_until
	  INTO derived.marketing_sequence, derived.marketing_type, derived.marketing_enrolment, derived.marketing_step,
	       derived.marketing_play, derived.marketing_proposal, derived.marketing_until
	  FROM kam.Cadence c
	 WHERE c.lead_id = _derive_state.lead_id AND c.state = 'active' AND c.family = 'marketing';

	-- A touch held by an earlier row of the same statement has no row in the queue yet.
	derived.holding := EXISTS (SELECT FROM kam.CadenceQueue q
	                            WHERE q.lead_id = _derive_state.lead_id AND q.state = 'waiting' AND q.kind = 'held')
		OR EXISTS (SELECT FROM kam.CadenceEventLog e
		            WHERE e.lead_id = _derive_state.lead_id AND e.event_type = 'held'
		              AND NOT EXISTS (SELECT FROM kam.CadenceQueue q WHERE q.lead_id = e.lead_id AND q.event_id = e.event_id));
	derived.stale := false;
	RETURN derived;
END
$$;
COMMENT ON FUNCTION _derive_state(text) IS 'The lead''s prospect_state as its log (with that of the leads it stands for), Cadence, CadenceQueue and Leads say.';

CREATE FUNCTION _rebuild_state(lead_id text) RETURNS void
	LANGUAGE sql VOLATILE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		INSERT INTO kam.prospect_state AS s
		SELECT d.* FROM kam._derive_state(_rebuild_state.lead_id) d
		ON CONFLICT (lead_id) DO UPDATE
		   SET (last_at, touch_no, touches, unsubscribed, opted_out, holding, stale,
		        sales_sequence, sales_type, sales_enrolment, sales_step, sales_play, sales_proposal, sales_until,
		        marketing_sequence, marketing_type, marketing_enrolment, marketing_step, marketing_play, marketing_proposal, marketing_until)
		     = (greatest(s.last_at, EXCLUDED.last_at), EXCLUDED.touch_no, EXCLUDED.touches, EXCLUDED.unsubscribed, EXCLUDED.opted_out,
		        EXCLUDED.holding, false,
		        EXCLUDED.sales_sequence, EXCLUDED.sales_type, EXCLUDED.sales_enrolment, EXCLUDED.sales_step,
		        EXCLUDED.sales_play, EXCLUDED.sales_proposal, EXCLUDED.sales_until,
		        EXCLUDED.marketing_sequence, EXCLUDED.marketing_type, EXCLUDED.marketing_enrolment, EXCLUDED.marketing_step,
		        EXCLUDED.marketing_play, EXCLUDED.marketing_proposal, EXCLUDED.marketing_until);
	END;
COMMENT ON FUNCTION _rebuild_state(text) IS 'Writes the lead''s prospect_state anew.';

CREATE FUNCTION _end_enrolments(lead_id text, sequence_id text, end_reason text, at timestamptz, transactional_too boolean) RETURNS integer
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	ended integer;
BEGIN
	UPDATE kam.Cadence c
	   SET state = 'finished', end_reason = _end_enrolments.end_reason, finished_at = _end_enrolments.at,
	       paused_reason = NULL, next_step_at = NULL, stall_check_at = NULL,
	       last_activity_at = CASE WHEN _end_enrolments.end_reason IN ('replied', 'meeting_booked') THEN _end_enrolments.at ELSE c.last_activity_at END
	 WHERE c.lead_id = _end_enrolments.lead_id AND c.state <> 'finished'
	   AND (c.sequence_id = _end_enrolments.sequence_id
	        OR _end_enrolments.sequence_id IS NULL AND (_end_enrolments.transactional_too OR c.family <> 'transactional'));
	GET DIAGNOSTICS ended = ROW_COUNT;
	RETURN ended;
END
$$;
COMMENT ON FUNCTION _end_enrolments(text, text, text, timestamptz, boolean) IS 'Finishes the lead''s unfinished enrolments in a sequence, or in all (sequence_id NULL), transactional ones only when told; returns how many.';

CREATE FUNCTION _pause_enrolments(lead_id text, sequence_id text, paused_reason text, at timestamptz) RETURNS integer
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	paused integer;
BEGIN
	UPDATE kam.Cadence c
	   SET state = 'paused', paused_reason = _pause_enrolments.paused_reason, paused_at = _pause_enrolments.at
	 WHERE c.lead_id = _pause_enrolments.lead_id AND c.state = 'active'
	   AND (c.sequence_id = _pause_enrolments.sequence_id OR _pause_enrolments.sequence_id IS NULL AND c.family <> 'transactional');
	GET DIAGNOSTICS paused = ROW_COUNT;
	RETURN paused;
END
$$;
COMMENT ON FUNCTION _pause_enrolments(text, text, text, timestamptz) IS 'Pauses the lead''s active enrolment in a sequence, or every active one that is not transactional (sequence_id NULL); returns how many.';

CREATE FUNCTION _cancel_holds(lead_id text, event_id bigint, reason text, at timestamptz) RETURNS integer
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	waiting record;
	cancelled integer := 0;
BEGIN
	FOR waiting IN
		SELECT q.event_id, e.sequence_id, e.sequence_type
		  FROM kam.CadenceQueue q
		  JOIN kam.CadenceEventLog e USING (lead_id, event_id)
		 WHERE q.lead_id = _cancel_holds.lead_id AND q.state = 'waiting'
		   AND (_cancel_holds.event_id IS NULL OR q.event_id = _cancel_holds.event_id)
		 ORDER BY q.event_id
		   FOR UPDATE OF q
	LOOP
		UPDATE kam.CadenceQueue q
		   SET state = 'cancelled', ended_at = _cancel_holds.at, end_reason = _cancel_holds.reason
		 WHERE q.lead_id = _cancel_holds.lead_id AND q.event_id = waiting.event_id;
		PERFORM kam._system_event(_cancel_holds.lead_id, 'cancelled', waiting.event_id, _cancel_holds.reason,
			waiting.sequence_id, waiting.sequence_type);
		cancelled := cancelled + 1;
	END LOOP;
	RETURN cancelled;
END
$$;
COMMENT ON FUNCTION _cancel_holds(text, bigint, text, timestamptz) IS 'Cancels one waiting request of the lead, or all (event_id NULL), each with its row in the log; returns how many.';

CREATE FUNCTION _settle_lead(lead_id text, at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	AS $$
#variable_conflict use_column
DECLARE
	ids CONSTANT text[] := kam._lead_ids(_settle_lead.lead_id);
	lead kam.Leads;
	over record;
BEGIN
	SELECT l.* INTO lead FROM kam.Leads l WHERE l.lead_id = _settle_lead.lead_id;

	-- What waits for who must not be contacted, or for an enrolment that has ended, waits for nothing.
	IF lead.opt_out_flag OR lead.unsubscribe_flag THEN
		PERFORM kam._cancel_holds(_settle_lead.lead_id, NULL, CASE WHEN lead.opt_out_flag THEN 'opted_out' ELSE 'unsubscribed' END, _settle_lead.at);
	ELSE
		FOR over IN
			SELECT q.event_id, c.end_reason
			  FROM kam.CadenceQueue q
			  JOIN kam.CadenceEventLog e USING (lead_id, event_id)
			 CROSS JOIN LATERAL (SELECT c.state, c.end_reason FROM kam.Cadence c
			                      WHERE c.lead_id = q.lead_id AND c.sequence_id = coalesce(q.sequence_id, e.sequence_id)
			                        AND c.enrolment_no = coalesce(e.enrolment_no, c.enrolment_no)
			                      ORDER BY c.enrolment_no DESC LIMIT 1) c
			 WHERE q.lead_id = _settle_lead.lead_id AND q.state = 'waiting' AND c.state = 'finished'
			 ORDER BY q.event_id
		LOOP
			PERFORM kam._cancel_holds(_settle_lead.lead_id, over.event_id, over.end_reason, _settle_lead.at);
		END LOOP;
	END IF;

	-- A loser without a time has waited for an active sequence: of its own family, or of any when the matrix made it wait.  One that an absence pauses still
	-- stands in the way: nobody else writes to who is away.
	UPDATE kam.CadenceQueue q
	   SET release_at = _settle_lead.at
	  FROM kam.CadenceEventLog e
	 WHERE q.lead_id = _settle_lead.lead_id AND q.state = 'waiting' AND q.kind = 'deferred' AND q.release_at IS NULL
	   AND e.lead_id = q.lead_id AND e.event_id = q.event_id
	   AND NOT EXISTS (SELECT FROM kam.Cadence c
	                    WHERE c.lead_id = q.lead_id AND (c.state = 'active' OR c.state = 'paused' AND c.paused_reason = 'out_of_office') AND c.family <> 'transactional'
	                      AND c.sequence_id <> e.sequence_id
	                      AND (c.family = e.family OR q.reason <> 'same_family_incumbent'));
	IF FOUND THEN
		PERFORM kam._wake_worker();
	END IF;

	IF lead.lead_id IS NOT NULL THEN
		UPDATE kam.Leads l
		   SET cadence_state = now.cadence_state, active_sequence_id = now.sequence_id, current_step = now.current_step, last_touch_at = now.last_touch_at
		  FROM (SELECT CASE min(CASE c.state WHEN 'active' THEN 1 WHEN 'paused' THEN 2 WHEN 'queued' THEN 3 ELSE 4 END)
		               WHEN 1 THEN 'active' WHEN 2 THEN 'paused' WHEN 3 THEN 'queued' WHEN 4 THEN 'finished' END AS cadence_state,
		               (array_agg(c.sequence_id ORDER BY c.family DESC) FILTER (WHERE c.state = 'active'))[1] AS sequence_id,
		               (array_agg(c.current_step ORDER BY c.family DESC) FILTER (WHERE c.state = 'active'))[1] AS current_step,
		               -- FILTER: the lead's rows, not the end of the index on touch_at, which has everybody's.
		               (SELECT max(e.touch_at) FILTER (WHERE e.counted) FROM kam.CadenceEventLog e
		                 WHERE e.lead_id = ANY (ids) AND e.touch_no IS NOT NULL) AS last_touch_at
		          FROM kam.Cadence c
		         WHERE c.lead_id = _settle_lead.lead_id AND c.family <> 'transactional') now
		 WHERE l.lead_id = _settle_lead.lead_id
		   AND (l.cadence_state, l.active_sequence_id, l.current_step, l.last_touch_at)
		       IS DISTINCT FROM (now.cadence_state, now.sequence_id, now.current_step, now.last_touch_at);
	END IF;
END
$$;
COMMENT ON FUNCTION _settle_lead(text, timestamptz) IS 'After enrolments of the lead changed: cancels what waits for a finished one, makes due what waited for an active one, and sets the lead''s cadence columns. Doing it again changes nothing.';

CREATE FUNCTION _stop_lead(lead_id text, reason text, at timestamptz) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	ended integer;
	cancelled integer;
BEGIN
	ended := kam._end_enrolments(_stop_lead.lead_id, NULL, _stop_lead.reason, _stop_lead.at, true);
	cancelled := kam._cancel_holds(_stop_lead.lead_id, NULL, _stop_lead.reason, _stop_lead.at);
	IF ended + cancelled = 0 THEN
		RETURN false;
	END IF;
	PERFORM kam._settle_lead(_stop_lead.lead_id, _stop_lead.at);
	PERFORM kam._rebuild_state(_stop_lead.lead_id);
	RETURN true;
END
$$;
COMMENT ON FUNCTION _stop_lead(text, text, timestamptz) IS 'Finishes all enrolments of the lead, transactional ones too, and cancels all its holds (reason: unsubscribed, opted_out, suppressed). False when there was nothing to stop.';

CREATE FUNCTION _raise_flag(kind text, lead_id text, rep_id text, sequence_id text, detail jsonb, recipients text[]) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	opened bigint;
BEGIN
	INSERT INTO kam.CadenceFlag (kind, lead_id, rep_id, sequence_id, detail)
	VALUES (_raise_flag.kind, _raise_flag.lead_id, _raise_flag.rep_id, _raise_flag.sequence_id, coalesce(_raise_flag.detail, '{}'))
	ON CONFLICT (kind, lead_id, rep_id, sequence_id) WHERE closed_at IS NULL DO NOTHING
	RETURNING flag_id INTO opened;
	IF opened IS NULL THEN
		RETURN NULL;
	END IF;
	INSERT INTO kam.notification (recipient, topic, lead_id, payload)
	SELECT r.recipient, _raise_flag.kind, _raise_flag.lead_id,
	       jsonb_strip_nulls(jsonb_build_object('flag_id', opened, 'kind', _raise_flag.kind, 'lead_id', _raise_flag.lead_id,
	           'rep_id', _raise_flag.rep_id, 'sequence_id', _raise_flag.sequence_id))
	       || jsonb_build_object('detail', coalesce(_raise_flag.detail, '{}'))
	  FROM (SELECT DISTINCT u.recipient
	          FROM unnest(coalesce(nullif(array_remove(_raise_flag.recipients, NULL), '{}'),
	                   ARRAY[coalesce((SELECT l.owner_id FROM kam.Leads l WHERE l.lead_id = _raise_flag.lead_id), 'AGT-301')])) u(recipient)) r
	 ORDER BY r.recipient;
	RETURN opened;
END
$$;
COMMENT ON FUNCTION _raise_flag(text, text, text, text, jsonb, text[]) IS 'Opens a flag and tells each recipient (none given: the lead''s owner, else AGT-301); NULL, and nothing happens, when one is open already. The flag_id otherwise.';

-- ---- asking ---------------------------------------------------------------------------

CREATE FUNCTION _lock_lead(lead_id text) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._canonical(_lock_lead.lead_id);
	now_is text;
BEGIN
	-- A merge that committed while we waited moves us on to the lead that stands for this one.
	LOOP
		PERFORM FROM kam.Leads l WHERE l.lead_id = canonical FOR NO KEY UPDATE;
		IF NOT FOUND THEN
			RETURN NULL;
		END IF;
		now_is := kam._canonical(_lock_lead.lead_id);
		EXIT WHEN now_is = canonical;
		canonical := now_is;
	END LOOP;
	RETURN canonical;
END
$$;
COMMENT ON FUNCTION _lock_lead(text) IS 'Locks the lead, or the one that stands for it, and returns which; NULL when there is none.';

CREATE FUNCTION _unknown_lead(lead_id text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF lead_id IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'lead_id must not be null';
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation',
		MESSAGE = format('there is no lead "%s"', lead_id),
		DETAIL = format('Key (lead_id)=(%s) is not present in table "leads".', lead_id),
		HINT = 'Insert it into kam.Leads first.';
END
$$;
COMMENT ON FUNCTION _unknown_lead(text) IS 'Refuses a lead that is not in Leads, in the gate''s own words (23503).';

CREATE FUNCTION _first_answer(lead_id text, canonical text, idempotency_key text) RETURNS SETOF CadenceEventLog
	LANGUAGE sql STABLE ROWS 1
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT e.*
		  FROM unnest(kam._lead_ids(canonical)) WITH ORDINALITY i (id, place)
		  JOIN kam.CadenceEventLog e ON e.lead_id = i.id AND e.idempotency_key = _first_answer.idempotency_key
		 ORDER BY i.id <> _first_answer.lead_id, i.place
		 LIMIT 1;
	END;
COMMENT ON FUNCTION _first_answer(text, text, text) IS 'The row that a key was used for already, before a merge too: under the id asked for, then that of the lead that stands for it, then its others.';

CREATE FUNCTION kam_request(lead_id text, sequence_type text, event_type text, sequence_id text DEFAULT NULL, channel text DEFAULT NULL,
		originating_agent text DEFAULT NULL, step integer DEFAULT NULL, payload jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
	RETURNS CadenceEventLog
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_variable
DECLARE
	answer kam.CadenceEventLog;
	canonical text;
BEGIN
	IF idempotency_key IS NOT NULL THEN
		-- Under the lock nobody else can be asking with this key; the next statement sees what was committed while we waited.
		canonical := kam._lock_lead(lead_id);
		SELECT a.* INTO answer FROM kam._first_answer(lead_id, canonical, idempotency_key) a;
		IF FOUND THEN
			RETURN answer;
		END IF;
		IF current_setting('transaction_isolation') <> 'read committed' THEN
			BEGIN
				INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent,
					idempotency_key, payload)
				VALUES (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, idempotency_key, payload)
				RETURNING e.* INTO answer;
			EXCEPTION WHEN unique_violation THEN
				RAISE EXCEPTION USING ERRCODE = 'serialization_failure',
					MESSAGE = 'could not serialize access: another transaction has just used the idempotency key',
					DETAIL = format('Key (lead_id, idempotency_key)=(%s, %s).', canonical, idempotency_key),
					HINT = 'Retry the transaction: the same key then gives the first answer.';
			END;
			RETURN answer;
		END IF;
	END IF;
	INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent,
		idempotency_key, payload)
	VALUES (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, idempotency_key, payload)
	RETURNING e.* INTO answer;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION kam_request(text, text, text, text, text, text, integer, jsonb, text) IS 'Asks the Coordinator (event_type activation, touch, resume) or tells it a fact (reply, bounce, opt_out, …), and returns the row of CadenceEventLog with the verdict: coordinator_action executed, held, queued, blocked or recorded. The same idempotency_key again returns the first row and does nothing; sessions that race get the same row too (REPEATABLE READ and SERIALIZABLE: or 40001). A refusal is a row; errors are for an unknown lead (23503), an unknown event or sequence type (22023), a missing sequence_type of a request (23502). Call it in FROM: (kam_request(…)).* would ask once per column. Example: SELECT coordinator_action, suppressed_reason, release_at FROM kam.kam_request(''lead-1'', ''outbound'', ''touch'', channel => ''email'', idempotency_key => ''mail-42'');';

-- ---- asking for many --------------------------------------------------------------------

CREATE FUNCTION _check_requests(requests jsonb) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	bad record;
BEGIN
	IF requests IS NULL OR jsonb_typeof(requests) <> 'array' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'requests must be an array of objects',
			HINT = 'For example [{"lead_id": "lead-1", "sequence_type": "outbound", "event_type": "touch", "channel": "email"}].';
	END IF;
	SELECT e.n, e.path, e.what, e.hint, e.code INTO bad
	  FROM jsonb_array_elements(requests) WITH ORDINALITY r (value, n)
	 CROSS JOIN LATERAL (
		SELECT r.n, '' AS path, 'a request must be an object' AS what, NULL AS hint, '22023' AS code, 0 AS rank WHERE jsonb_typeof(r.value) <> 'object'
		UNION ALL
		SELECT r.n, '/' || replace(replace(m.key, '~', '~0'), '/', '~1'),
		       CASE WHEN k.kind IS NULL THEN format('a request has no "%s"', m.key)
		            WHEN k.kind = 'text' THEN m.key || ' must be text'
		            ELSE m.key || ' must be an integer from 0' END,
		       CASE WHEN k.kind IS NULL THEN 'It may have lead_id, sequence_type, event_type, sequence_id, channel, originating_agent, step, payload, idempotency_key.' END,
		       '22023', 1
		  FROM jsonb_each(CASE jsonb_typeof(r.value) WHEN 'object' THEN r.value ELSE '{}' END) m
		  LEFT JOIN (VALUES ('lead_id', 'text'), ('sequence_type', 'text'), ('event_type', 'text'), ('sequence_id', 'text'), ('channel', 'text'),
		                    ('originating_agent', 'text'), ('step', 'integer'), ('payload', 'any'), ('idempotency_key', 'text')) k (name, kind)
		         ON k.name = m.key
		 WHERE k.kind IS NULL
		    OR k.kind = 'text' AND jsonb_typeof(m.value) NOT IN ('string', 'null')
		    OR k.kind = 'integer' AND NOT (jsonb_typeof(m.value) = 'null'
		         OR CASE WHEN jsonb_typeof(m.value) = 'number'
		                 THEN m.value::numeric BETWEEN 0 AND 2147483647 AND m.value::numeric = trunc(m.value::numeric) ELSE false END)
		UNION ALL
		SELECT r.n, '/' || w.name, w.name || ' is missing', NULL, '22023', 2
		  FROM (VALUES ('lead_id'), ('event_type')) w (name)
		 WHERE jsonb_typeof(r.value) = 'object' AND r.value ->> w.name IS NULL
		UNION ALL
		SELECT r.n, '/event_type', format('unknown event_type "%s"', r.value ->> 'event_type'),
		       'Requests are activation, touch, resume; facts are touch_observed, reply, meeting_booked, bounce, out_of_office, opt_out, unsubscribe, pause, stop, complete, send_failed.',
		       '22023', 3
		 WHERE r.value ->> 'event_type' NOT IN ('activation', 'touch', 'resume', 'touch_observed', 'reply', 'meeting_booked', 'bounce',
		       'out_of_office', 'opt_out', 'unsubscribe', 'pause', 'stop', 'complete', 'send_failed')
		UNION ALL
		SELECT r.n, '/sequence_type', format('a request (%s) needs a sequence_type', r.value ->> 'event_type'), NULL, '22023', 4
		 WHERE r.value ->> 'event_type' IN ('activation', 'touch', 'resume') AND r.value ->> 'sequence_type' IS NULL
		UNION ALL
		SELECT r.n, '/sequence_type', format('unknown sequence_type "%s"', r.value ->> 'sequence_type'),
		       'Types are the rows of kam.sequence_type; add one of your own.', '22023', 5
		 WHERE r.value ->> 'sequence_type' IS NOT NULL
		   AND NOT EXISTS (SELECT FROM kam.sequence_type t WHERE t.sequence_type = r.value ->> 'sequence_type')
		UNION ALL
		SELECT r.n, '/lead_id', format('there is no lead "%s"', r.value ->> 'lead_id'), 'Insert it into kam.Leads first.', '23503', 6
		 WHERE r.value ->> 'lead_id' IS NOT NULL
		   AND NOT EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = kam._canonical(r.value ->> 'lead_id'))) e
	 ORDER BY e.n, e.rank, e.path
	 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = bad.code, MESSAGE = bad.what, DETAIL = format('The value is at "/%s%s".', bad.n - 1, bad.path),
			HINT = coalesce(bad.hint, '');
	END IF;
END
$$;
COMMENT ON FUNCTION _check_requests(jsonb) IS 'Refuses requests of kam_request_batch that cannot be asked, with the path of the first: 22023, or 23503 for an unknown lead.';

CREATE FUNCTION kam_request_batch(requests jsonb) RETURNS SETOF CadenceEventLog
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	one jsonb;
	answers kam.CadenceEventLog[];
	place integer;
	code text; message text; detail text; hint text;
BEGIN
	PERFORM kam._check_requests(requests);
	-- All locks first, in the order that everybody takes them in: two batches cannot deadlock.
	PERFORM FROM kam.Leads l
	  WHERE l.lead_id = ANY (ARRAY(SELECT kam._canonical(r.value ->> 'lead_id') FROM jsonb_array_elements(requests) r (value)))
	  ORDER BY l.lead_id
	    FOR NO KEY UPDATE;

	IF NOT jsonb_path_exists(requests, '$[*].idempotency_key ? (@ != null)') THEN
		BEGIN
			WITH asked AS (
				INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, payload)
				SELECT r.value ->> 'lead_id', r.value ->> 'sequence_id', r.value ->> 'sequence_type', r.value ->> 'event_type',
				       (r.value ->> 'step')::numeric::integer, r.value ->> 'channel', r.value ->> 'originating_agent', nullif(r.value -> 'payload', 'null')
				  FROM jsonb_array_elements(requests) WITH ORDINALITY r (value, n)
				 ORDER BY r.n
				RETURNING e.*)
			-- Ids are drawn in the order of the rows.
			SELECT coalesce(array_agg(asked::kam.CadenceEventLog ORDER BY asked.event_id), '{}') INTO answers FROM asked;
			RETURN QUERY SELECT a.* FROM unnest(answers) a;
			RETURN;
		EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
			NULL;				-- once more, one by one, to tell which
		END;
	END IF;

	BEGIN
		FOR one, place IN SELECT r.value, r.n - 1 FROM jsonb_array_elements(requests) WITH ORDINALITY r (value, n) ORDER BY r.n
		LOOP
			RETURN NEXT kam.kam_request(one ->> 'lead_id', one ->> 'sequence_type', one ->> 'event_type', one ->> 'sequence_id', one ->> 'channel',
				one ->> 'originating_agent', (one ->> 'step')::numeric::integer, nullif(one -> 'payload', 'null'), one ->> 'idempotency_key');
		END LOOP;
	EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
		GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
		RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message, DETAIL = concat_ws(' ', format('The request is at "/%s".', place), nullif(detail, '')),
			HINT = hint;
	END;
END
$$;
COMMENT ON FUNCTION kam_request_batch(jsonb) IS 'kam_request for an array of objects with its arguments'' names; leads are locked in order, so that batches do not deadlock with each other, and the rows come in the order of the requests. All or nothing: an element that cannot be asked raises 22023 (23503 for an unknown lead) with its path, such as /3/event_type. Example: SELECT lead_id, coordinator_action FROM kam.kam_request_batch(''[{"lead_id": "lead-1", "sequence_type": "newsletter", "event_type": "touch", "channel": "email"}]'');';

-- ---- enrolling --------------------------------------------------------------------------

CREATE FUNCTION kam_enrol(lead_id text, sequence_type text, steps jsonb, originating_agent text, sequence_id text DEFAULT NULL,
		play_id text DEFAULT NULL)
	RETURNS CadenceEventLog
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_variable
DECLARE
	answer kam.CadenceEventLog;
BEGIN
	PERFORM kam._check_steps(steps, '/steps', true);
	INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, originating_agent, play_id, payload)
	VALUES (lead_id, sequence_id, sequence_type, 'activation', originating_agent, play_id, jsonb_build_object('steps', steps))
	RETURNING e.* INTO answer;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION kam_enrol(text, text, jsonb, text, text, text) IS 'Asks for a sequence to be activated with its plan, and returns the row with the verdict: executed, queued or blocked. steps: [{"day": 0, "channel": "email", "content": "Hello {{first_name|there}}", "subject": …}, …]; day counts from the activation, or delay from the step before, or execute_at; each is executed at its time by the schedules (docs/sequences.md). Without sequence_id it gets a new one. Errors: steps that are none (22023 with the path), unknown lead (23503), sequence type (22023), play (23503). Example: SELECT sequence_id, coordinator_action FROM kam.kam_enrol(''lead-1'', ''outbound'', ''[{"day": 0, "channel": "email", "content": "Hello"}]'', ''AGT-301'');';

-- ---- holds --------------------------------------------------------------------------------

CREATE FUNCTION kam_cancel_held(lead_id text, event_id bigint) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._lock_lead(kam_cancel_held.lead_id);
	at timestamptz := kam._now();
BEGIN
	IF canonical IS NULL OR kam._cancel_holds(canonical, kam_cancel_held.event_id, 'cancelled', at) = 0 THEN
		RETURN false;
	END IF;
	-- An activation that was never let through ends with it; what is paused stays paused.
	UPDATE kam.Cadence c
	   SET state = 'finished', end_reason = 'cancelled', finished_at = at
	  FROM kam.CadenceEventLog e
	 WHERE e.lead_id = canonical AND e.event_id = kam_cancel_held.event_id AND e.requested_event_type = 'activation'
	   AND c.lead_id = canonical AND c.sequence_id = e.sequence_id AND c.enrolment_no = e.enrolment_no AND c.state = 'queued';
	PERFORM kam._settle_lead(canonical, at);
	PERFORM kam._rebuild_state(canonical);
	RETURN true;
END
$$;
COMMENT ON FUNCTION kam_cancel_held(text, bigint) IS 'Gives up a request that is held or deferred (a row of held_queue); an enrolment that was still queued ends. False when it does not wait. Example: SELECT kam.kam_cancel_held(lead_id, event_id) FROM kam.held_queue WHERE originating_agent = ''AGT-304'';';

-- ---- suppression ----------------------------------------------------------------------------

CREATE FUNCTION kam_unsubscribe(address text, source text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	plain text := kam._address(kam_unsubscribe.address);
	what text := kam._address_kind(kam_unsubscribe.address);
	matching text[];
	affected bigint;
BEGIN
	IF plain IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not an address: %s', coalesce(quote_literal(kam_unsubscribe.address), 'NULL')),
			HINT = 'Give an e-mail address, a domain, a phone number with its country code, or a LinkedIn profile.';
	END IF;
	IF coalesce(btrim(kam_unsubscribe.source), '') IN ('', 'lead_flag') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not a source: %s', coalesce(quote_literal(kam_unsubscribe.source), 'NULL')),
			HINT = 'Say where the request came from, for example web_form; lead_flag is for what a CRM sync sets and clears.';
	END IF;

	-- Leads before Suppression, in order: the lock order of everybody.
	matching := ARRAY(
		SELECT DISTINCT kam._canonical(m.lead_id)
		  FROM (SELECT l.lead_id FROM kam.Leads l WHERE what = 'email' AND kam._address(l.email) = plain
		        UNION ALL
		        SELECT l.lead_id FROM kam.Leads l WHERE what = 'phone' AND kam._address(l.phone) = plain
		        UNION ALL
		        SELECT l.lead_id FROM kam.Leads l WHERE what = 'linkedin' AND kam._address(l.linkedin_url) = plain) m);
	PERFORM FROM kam.Leads l WHERE l.lead_id = ANY (matching) ORDER BY l.lead_id FOR NO KEY UPDATE;

	INSERT INTO kam.Suppression AS s (address, kind, source)
	VALUES (plain, what, btrim(kam_unsubscribe.source))
	ON CONFLICT (address) DO NOTHING;
	IF what = 'domain' THEN
		-- A domain may be that of very many leads: the schedules end what they have running.
		IF NOT FOUND THEN
			RETURN 0;
		END IF;
		SELECT count(DISTINCT kam._canonical(l.lead_id)) INTO affected FROM kam.Leads l WHERE kam._address_domain(l.email) = plain;
		RETURN affected;
	END IF;
	UPDATE kam.Leads l SET unsubscribe_flag = true WHERE l.lead_id = ANY (matching) AND NOT l.unsubscribe_flag;
	GET DIAGNOSTICS affected = ROW_COUNT;
	RETURN affected;
END
$$;
COMMENT ON FUNCTION kam_unsubscribe(text, text) IS 'Nobody at this e-mail address, domain, phone number or LinkedIn profile is contacted again, whatever the sequence type, known as a lead now, later or never. Leads with the address get unsubscribe_flag, their sequences end and their holds are cancelled; those of a domain by the schedules, blocked at once. No later import undoes it. Returns how many leads it newly affects: 0 when repeated. source: where the request came from. Errors: 22023 for what is no address. Example: SELECT kam.kam_unsubscribe(''Jane Doe <jane@acme.com>'', ''web_form'');';

-- ---- merging --------------------------------------------------------------------------------

CREATE FUNCTION _hand_over(from_lead text, to_lead text, reason text, at timestamptz, chosen jsonb) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	taken jsonb;
BEGIN
	SELECT jsonb_build_object(
		'enrolments', coalesce((
			SELECT jsonb_agg(to_jsonb(c) ORDER BY c.state <> 'active', c.created_at, c.sequence_id)
			  FROM kam.Cadence c
			 WHERE c.lead_id = from_lead AND c.state <> 'finished'
			   AND (chosen IS NULL OR chosen @> jsonb_build_array(jsonb_build_object('sequence_id', c.sequence_id)))), '[]'),
		'holds', coalesce((
			SELECT jsonb_agg(to_jsonb(q) || jsonb_build_object('request', to_jsonb(e)) ORDER BY q.priority DESC, q.event_id)
			  FROM kam.CadenceQueue q
			  JOIN kam.CadenceEventLog e USING (lead_id, event_id)
			 WHERE q.lead_id = from_lead AND q.state = 'waiting'
			   AND (chosen IS NULL OR chosen @> jsonb_build_array(jsonb_build_object('sequence_id', q.sequence_id))
			        OR chosen @> jsonb_build_array(jsonb_build_object('event_id', q.event_id)))), '[]'))
	  INTO taken;

	PERFORM kam._cancel_holds(from_lead, (h.value ->> 'event_id')::bigint, reason, at)
	   FROM jsonb_array_elements(taken -> 'holds') WITH ORDINALITY h (value, n);
	UPDATE kam.Cadence c
	   SET state = 'finished', end_reason = reason, finished_at = at, paused_reason = NULL, next_step_at = NULL, stall_check_at = NULL
	  FROM jsonb_array_elements(taken -> 'enrolments') t (value)
	 WHERE c.lead_id = from_lead AND c.sequence_id = t.value ->> 'sequence_id' AND c.enrolment_no = (t.value ->> 'enrolment_no')::integer;
	PERFORM kam._settle_lead(from_lead, at);
	PERFORM kam._rebuild_state(from_lead);
	RETURN taken;
END
$$;
COMMENT ON FUNCTION _hand_over(text, text, text, timestamptz, jsonb) IS 'Ends the enrolments and holds of a lead that another is to go on with, and returns them as they were; chosen: those of these sequences and events, NULL for all.';

CREATE FUNCTION _take_over(taken jsonb, to_lead text, at timestamptz) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	was kam.Cadence;
	hold kam.CadenceQueue;
	request kam.CadenceEventLog;
	answer kam.CadenceEventLog;
	one jsonb;
	asked jsonb := '[]';
BEGIN
	-- What was active first: among equals the incumbent stays.
	FOR one IN SELECT t.value FROM jsonb_array_elements(taken -> 'enrolments') WITH ORDINALITY t (value, n) ORDER BY t.n
	LOOP
		was := jsonb_populate_record(NULL::kam.Cadence, one);
		INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, originating_agent, play_id, payload)
		VALUES (to_lead, was.sequence_id, was.sequence_type, 'activation', was.originating_agent, was.play_id, jsonb_build_object('steps', was.steps))
		RETURNING e.* INTO answer;
		-- It goes on where it was, unless there is one already: the lead's own, which goes on for both.
		UPDATE kam.Cadence c
		   SET current_step = was.current_step, plan_step = was.plan_step, plan_at = was.plan_at, active_until = coalesce(c.active_until, was.active_until),
		       last_activity_at = coalesce(was.last_activity_at, c.last_activity_at)
		 WHERE c.lead_id = to_lead AND c.sequence_id = answer.sequence_id AND c.enrolment_no = answer.enrolment_no AND c.created_at = answer.event_at
		   AND answer.coordinator_action IN ('executed', 'queued');
		IF NOT FOUND THEN
			asked := asked || jsonb_build_object('shared', was.sequence_id);
			CONTINUE;
		END IF;
		PERFORM kam._plan_write(kam._plan_next(c, NULL, NULL)) FROM kam.Cadence c
		  WHERE c.lead_id = to_lead AND c.sequence_id = answer.sequence_id AND c.enrolment_no = answer.enrolment_no AND c.runs;
		asked := asked || jsonb_build_object('event_id', answer.event_id, 'sequence_id', answer.sequence_id);
		PERFORM kam._rebuild_state(to_lead);
		IF was.state = 'paused' AND was.paused_reason = 'manual' AND answer.coordinator_action = 'executed' THEN
			INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, originating_agent)
			VALUES (to_lead, was.sequence_id, was.sequence_type, 'pause', 'AGT-302');
		END IF;
	END LOOP;

	-- Activations and resumes that waited were asked for with their enrolments.
	FOR one IN SELECT t.value FROM jsonb_array_elements(taken -> 'holds') WITH ORDINALITY t (value, n) ORDER BY t.n
	LOOP
		hold := jsonb_populate_record(NULL::kam.CadenceQueue, one);
		request := jsonb_populate_record(NULL::kam.CadenceEventLog, one -> 'request');
		CONTINUE WHEN hold.kind = 'deferred' AND hold.reason <> 'out_of_office';
		IF hold.kind = 'held' THEN
			PERFORM kam._carry_next();
		END IF;
		INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, play_id, payload)
		VALUES (to_lead, request.sequence_id, request.sequence_type, request.requested_event_type, request.step, request.channel,
			request.originating_agent, request.play_id,
			CASE WHEN hold.reason = 'out_of_office' THEN coalesce(request.payload, '{}') || jsonb_build_object('until', hold.release_at)
			     WHEN hold.priority <> 0 THEN coalesce(request.payload, '{}') || jsonb_build_object('priority', hold.priority)
			     ELSE request.payload END)
		RETURNING e.* INTO answer;
		asked := asked || jsonb_build_object('event_id', answer.event_id);
	END LOOP;
	PERFORM kam._settle_lead(to_lead, at);
	RETURN asked;
END
$$;
COMMENT ON FUNCTION _take_over(jsonb, text, timestamptz) IS 'Asks for a lead, through all gates, for the enrolments and held touches that _hand_over ended; returns which events and sequences came of it, and which sequences the lead was enrolled in itself (shared).';

CREATE FUNCTION kam_merge_leads(loser text, winner text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	kept text;
	known bigint;
	lost kam.Leads;
	stays kam.Leads;
	at timestamptz := kam._now();
	taken jsonb;
	made bigint;
	before jsonb;
BEGIN
	IF kam_merge_leads.loser IS NULL OR kam_merge_leads.winner IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'loser and winner must not be null';
	END IF;
	LOOP
		kept := kam._canonical(kam_merge_leads.winner);
		IF kept = kam_merge_leads.loser THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('lead "%s" cannot be merged into itself', kam_merge_leads.loser),
				DETAIL = CASE WHEN kam_merge_leads.winner <> kept THEN format('It stands for "%s".', kam_merge_leads.winner) ELSE '' END,
				HINT = CASE WHEN kam_merge_leads.winner <> kept THEN format('SELECT kam.kam_unmerge_leads(%L) first.', kam_merge_leads.winner) ELSE '' END;
		END IF;
		IF kam._canonical(kam_merge_leads.loser) <> kam_merge_leads.loser THEN
			-- Merged already: the same again is done; otherwise somebody must say which is right.
			SELECT max(m.merge_id) INTO known FROM kam.lead_merge m WHERE m.loser = kam_merge_leads.loser AND m.undone_at IS NULL;
			IF kam._canonical(kam_merge_leads.loser) = kept THEN
				RETURN known;
			END IF;
			RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
				MESSAGE = format('lead "%s" was merged into "%s" already', kam_merge_leads.loser, kam._canonical(kam_merge_leads.loser)),
				HINT = format('Merge that lead, or SELECT kam.kam_unmerge_leads(%L) first.', kam_merge_leads.loser);
		END IF;
		PERFORM FROM kam.Leads l WHERE l.lead_id IN (kam_merge_leads.loser, kept) ORDER BY l.lead_id FOR NO KEY UPDATE;
		-- Another merge may have committed while we waited.
		EXIT WHEN kam._canonical(kam_merge_leads.winner) = kept AND kam._canonical(kam_merge_leads.loser) = kam_merge_leads.loser;
	END LOOP;
	SELECT l.* INTO lost FROM kam.Leads l WHERE l.lead_id = kam_merge_leads.loser;
	IF NOT FOUND THEN
		PERFORM kam._unknown_lead(kam_merge_leads.loser);
	END IF;
	SELECT l.* INTO stays FROM kam.Leads l WHERE l.lead_id = kept;
	IF NOT FOUND THEN
		PERFORM kam._unknown_lead(kept);
	END IF;

	before := jsonb_build_object(
		'loser', to_jsonb(lost),
		'winner', to_jsonb(stays),
		'aliases', (SELECT coalesce(jsonb_agg(a.lead_id ORDER BY a.lead_id), '[]') FROM kam.lead_alias a WHERE a.canonical_id = lost.lead_id));
	taken := kam._hand_over(lost.lead_id, kept, 'merged', at, NULL);

	UPDATE kam.lead_alias a SET canonical_id = kept WHERE a.canonical_id = lost.lead_id;
	INSERT INTO kam.lead_alias (lead_id, canonical_id) VALUES (lost.lead_id, kept);
	UPDATE kam.Leads l SET merged_into = kept
	  FROM kam.lead_alias a
	 WHERE a.canonical_id = kept AND l.lead_id = a.lead_id AND l.merged_into IS DISTINCT FROM kept;
	DELETE FROM kam.prospect_state s WHERE s.lead_id = lost.lead_id;

	-- A flag that this sets has the effects it has when a sync sets it.
	UPDATE kam.Leads l
	   SET unsubscribe_flag = l.unsubscribe_flag OR lost.unsubscribe_flag, opt_out_flag = l.opt_out_flag OR lost.opt_out_flag,
	       sales_signal_at = greatest(l.sales_signal_at, lost.sales_signal_at),
	       marketing_signal_at = greatest(l.marketing_signal_at, lost.marketing_signal_at)
	 WHERE l.lead_id = kept;
	PERFORM kam._rebuild_state(kept);

	INSERT INTO kam.lead_merge (loser, winner, merged_at, before)
	VALUES (lost.lead_id, kept, at,
		before || taken || jsonb_build_object('asked', kam._take_over(taken, kept, at)))
	RETURNING merge_id INTO made;
	PERFORM kam._settle_lead(kept, at);
	RETURN made;
END
$$;
COMMENT ON FUNCTION kam_merge_leads(text, text) IS 'Two leads are one person: from now on winner stands for loser. Flags are joined, both histories count toward the cap, loser''s unfinished sequences and held touches end (merged) and are asked for again for winner, through all gates; Suppression stays as it is. Requests for loser are judged and logged for winner, also when loser''s row in Leads is deleted. Merging them again returns the same merge_id. Errors: unknown lead 23503, a lead into itself 22023, a loser that was merged into another 55000. Undo with kam_unmerge_leads(loser). Example: SELECT kam.kam_merge_leads(''lead-2'', ''lead-1'');';

CREATE FUNCTION kam_unmerge_leads(loser text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	kept text;
	undone kam.lead_merge;
	at timestamptz := kam._now();
	present boolean;
	taken jsonb;
	new_unsubscribe boolean;
	new_opt_out boolean;
BEGIN
	LOOP
		kept := kam._canonical(kam_unmerge_leads.loser);
		IF kept = kam_unmerge_leads.loser THEN
			RETURN false;
		END IF;
		PERFORM FROM kam.Leads l WHERE l.lead_id IN (kam_unmerge_leads.loser, kept) ORDER BY l.lead_id FOR NO KEY UPDATE;
		EXIT WHEN kam._canonical(kam_unmerge_leads.loser) = kept;
	END LOOP;
	SELECT m.* INTO undone FROM kam.lead_merge m
	 WHERE m.loser = kam_unmerge_leads.loser AND m.undone_at IS NULL ORDER BY m.merge_id DESC LIMIT 1;
	present := EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = kam_unmerge_leads.loser);

	-- What was asked for in the loser's stead ends; all that was done meanwhile stays in the winner's history.
	taken := kam._hand_over(kept, kam_unmerge_leads.loser, 'merged', at, coalesce(undone.before -> 'asked', '[]'));
	-- Of a sequence that both were in, each goes on with their own.
	taken := jsonb_set(taken, '{enrolments}', (taken -> 'enrolments') || coalesce((
		SELECT jsonb_agg(e.value ORDER BY e.n)
		  FROM jsonb_array_elements(undone.before -> 'enrolments') WITH ORDINALITY e (value, n)
		 WHERE undone.before -> 'asked' @> jsonb_build_array(jsonb_build_object('shared', e.value -> 'sequence_id'))
		   AND EXISTS (SELECT FROM kam.Cadence c
		                WHERE c.lead_id = kept AND c.sequence_id = e.value ->> 'sequence_id' AND c.state <> 'finished')), '[]'));

	DELETE FROM kam.lead_alias a WHERE a.lead_id = kam_unmerge_leads.loser;
	UPDATE kam.lead_alias a SET canonical_id = kam_unmerge_leads.loser
	 WHERE a.canonical_id = kept AND undone.before -> 'aliases' @> to_jsonb(a.lead_id);
	UPDATE kam.Leads l SET merged_into = NULL WHERE l.lead_id = kam_unmerge_leads.loser;
	UPDATE kam.Leads l SET merged_into = a.canonical_id
	  FROM kam.lead_alias a
	 WHERE a.canonical_id = kam_unmerge_leads.loser AND l.lead_id = a.lead_id AND l.merged_into IS DISTINCT FROM a.canonical_id;
	UPDATE kam.lead_merge m SET undone_at = at WHERE m.merge_id = undone.merge_id;

	-- Whose word an opt-out of the meantime was nobody can tell: it holds for both.  A flag that only the merge had set goes.
	SELECT l.unsubscribe_flag AND NOT (undone.before #>> '{loser,unsubscribe_flag}')::boolean AND NOT (undone.before #>> '{winner,unsubscribe_flag}')::boolean,
	       l.opt_out_flag AND NOT (undone.before #>> '{loser,opt_out_flag}')::boolean AND NOT (undone.before #>> '{winner,opt_out_flag}')::boolean
	  INTO new_unsubscribe, new_opt_out
	  FROM kam.Leads l WHERE l.lead_id = kept;
	IF new_unsubscribe OR new_opt_out THEN
		UPDATE kam.Leads l SET unsubscribe_flag = l.unsubscribe_flag OR new_unsubscribe, opt_out_flag = l.opt_out_flag OR new_opt_out
		 WHERE l.lead_id = kam_unmerge_leads.loser;
	END IF;
	IF kept = undone.winner THEN
		UPDATE kam.Leads l
		   SET unsubscribe_flag = l.unsubscribe_flag AND (new_unsubscribe OR (undone.before #>> '{winner,unsubscribe_flag}')::boolean),
		       opt_out_flag = l.opt_out_flag AND (new_opt_out OR (undone.before #>> '{winner,opt_out_flag}')::boolean)
		 WHERE l.lead_id = kept;
	END IF;
	PERFORM kam._rebuild_state(kept);
	PERFORM kam._settle_lead(kept, at);
	IF present THEN
		PERFORM kam._rebuild_state(kam_unmerge_leads.loser);
		PERFORM kam._take_over(taken, kam_unmerge_leads.loser, at);
		PERFORM kam._settle_lead(kam_unmerge_leads.loser, at);
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION kam_unmerge_leads(text) IS 'Undoes kam_merge_leads: loser stands for itself again, with the leads that it stood for; flags that only the merge had set are cleared, an opt-out given meanwhile holds for both; what was going on in loser''s stead is asked for again for loser, also a sequence that both were in, as long as it goes on for winner. What was sent and told meanwhile stays in winner''s history. False when the lead is not merged. Example: SELECT kam.kam_unmerge_leads(''lead-2'');';
