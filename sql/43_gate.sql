-- The gate: the triggers of CadenceEventLog and what they stand on.  The decisions are made in C, src/cadence/README.md tells how.

CREATE TYPE gate_verdict AS (
	allowed			boolean,
	gate			smallint,
	coordinator_action text,
	resolution		text,
	suppressed_reason text,
	compliance_status text,
	touch_count		integer,
	release_at		timestamptz,
	gates			jsonb
);
COMMENT ON TYPE gate_verdict IS 'What the gates say of a request: gate is the first that refuses (1 compliance, 2 ABM, 3 touch cap, 4 conflict, 5 transition; NULL when allowed), gates what each says by itself.';

CREATE FUNCTION _gate() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_cadence_gate';
COMMENT ON FUNCTION _gate() IS 'BEFORE INSERT row trigger of CadenceEventLog: passes a request through the gates, records a fact, and writes the verdict into the row.';

CREATE FUNCTION _gate_done() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_cadence_gate_done';
COMMENT ON FUNCTION _gate_done() IS 'AFTER INSERT row trigger of CadenceEventLog: Leads'' cadence columns, the queue, flags and notifications follow the verdict; raises 27000 when the row is not what was decided.';

CREATE FUNCTION _log_guard() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_cadence_guard';
COMMENT ON FUNCTION _log_guard() IS 'Trigger of append-only tables: UPDATE, DELETE and TRUNCATE raise 23001, for superusers too; what retention deletes goes by _change_log(). Arguments: the table''s name as messages write it, and the columns that kam_erase_person may empty; none for the log.';

CREATE FUNCTION _erase_rows(statement text, lead_ids text[], session_ids uuid[], addresses text[]) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_cadence_erase_rows';
COMMENT ON FUNCTION _erase_rows(text, text[], uuid[], text[]) IS 'Runs one statement of kam_erase_person, for which the arrays are $1 to $3, and returns how many rows it wrote. While it runs the guards of append-only tables let the columns that they name become NULL.';

CREATE FUNCTION _rules_changed() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_cadence_rules_changed';
COMMENT ON FUNCTION _rules_changed() IS 'Trigger of sequence_type, SendRule, signal_rule and _erasure_salt: every process reads them anew.';

CREATE FUNCTION _cadence_changed() RETURNS trigger
	LANGUAGE c SECURITY DEFINER
	AS 'MODULE_PATHNAME', 'kam_cadence_changed';
COMMENT ON FUNCTION _cadence_changed() IS 'Row trigger of Cadence: what somebody else than the gate writes makes the lead''s prospect_state stale.';

-- Of the triggers of one kind, the name that sorts last fires last: nobody's BEFORE trigger sees a row before its verdict and changes it after.
CREATE TRIGGER zzz_kam_gate BEFORE INSERT ON CadenceEventLog FOR EACH ROW EXECUTE FUNCTION _gate();
CREATE TRIGGER aaa_kam_gate_done AFTER INSERT ON CadenceEventLog FOR EACH ROW EXECUTE FUNCTION _gate_done();
CREATE TRIGGER aaa_kam_log_guard BEFORE UPDATE OR DELETE ON CadenceEventLog FOR EACH ROW EXECUTE FUNCTION _log_guard();
CREATE TRIGGER aaa_kam_log_guard_all BEFORE TRUNCATE ON CadenceEventLog FOR EACH STATEMENT EXECUTE FUNCTION _log_guard();
CREATE TRIGGER _rules_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sequence_type FOR EACH STATEMENT EXECUTE FUNCTION _rules_changed();
CREATE TRIGGER _rules_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON SendRule FOR EACH STATEMENT EXECUTE FUNCTION _rules_changed();
CREATE TRIGGER _rules_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON signal_rule FOR EACH STATEMENT EXECUTE FUNCTION _rules_changed();
-- Not of what the state does not derive from: the schedules and every touch write that.
CREATE TRIGGER _cadence_changed AFTER INSERT OR DELETE OR UPDATE OF lead_id, sequence_id, enrolment_no, sequence_type, family, state, play_id,
	originating_proposal_id, active_until ON Cadence FOR EACH ROW EXECUTE FUNCTION _cadence_changed();

CREATE FUNCTION kam_gate(lead_id text, sequence_type text, event_type text DEFAULT 'activation', sequence_id text DEFAULT NULL) RETURNS gate_verdict
	LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_cadence_look';
COMMENT ON FUNCTION kam_gate(text, text, text, text) IS 'What the gates would say now of an activation, touch or resume, and what each later gate would say (gates). Writes and locks nothing; the answer may be out of date a moment later. touch_count: counted touches within the window. release_at: when to ask again, NULL when that depends on another sequence. Unknown lead 23503, unknown type 22023. Example: SELECT * FROM kam.kam_gate(''L1'', ''outbound'', ''touch'', ''S1'');';

CREATE FUNCTION _touch_cap() RETURNS integer
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_touch_cap';
COMMENT ON FUNCTION _touch_cap() IS 'The setting kam.touch_cap.';

CREATE FUNCTION _touch_window() RETURNS interval
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_touch_window';
COMMENT ON FUNCTION _touch_window() IS 'The setting kam.touch_window, in hours: adding it never depends on a time zone.';

CREATE FUNCTION _hold_expiry() RETURNS integer
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_hold_expiry';
COMMENT ON FUNCTION _hold_expiry() IS 'The setting kam.hold_expiry, in minutes.';

CREATE FUNCTION _set_clock(at timestamptz) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_set_clock';
COMMENT ON FUNCTION _set_clock(timestamptz) IS 'Another present for the rest of the transaction; NULL ends it.';

CREATE FUNCTION _release(lead_id text, event_id bigint) RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_cadence_release';
COMMENT ON FUNCTION _release(text, bigint) IS 'Passes what waits in CadenceQueue through all gates again: released (executed), moved (refused for now: the queue row has the next time), blocked (refused for good), gone (nothing waits).';

CREATE FUNCTION _carry_next() RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_carry_next';
COMMENT ON FUNCTION _carry_next() IS 'The next request of this transaction is a touch that was held for a lead which has just been merged: while the sequence it belongs to waits or is paused, it is held.';

CREATE FUNCTION _system_event(lead_id text, event_type text, parent_event_id bigint, resolution text, sequence_id text, sequence_type text,
		enrolment_no integer DEFAULT NULL, step integer DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_cadence_system_event';
COMMENT ON FUNCTION _system_event(text, text, bigint, text, text, text, integer, integer) IS 'Writes an expired, cancelled or deferred row past the gates and returns its event_id; with enrolment and step, of a step that no touch was asked for. The lead need not exist any more.';

-- When somebody who is out of office is back: a date means 09:00 in the lead's zone.
CREATE FUNCTION _return_time(said text, zone text, at timestamptz) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF said IS NULL THEN
		RETURN at + interval '168 hours';
	END IF;
	-- Not all that timestamptz reads: "tomorrow" and "infinity" are no dates of return, and the session's zone is nobody's.
	IF said !~ '^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$' THEN
		RAISE invalid_datetime_format;
	END IF;
	IF said ~ ':.*(Z|[+-]\d{2}(:?\d{2})?)$' THEN
		RETURN said::timestamptz;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = zone) THEN
		zone := current_setting('kam.default_timezone');
	END IF;
	RETURN CASE WHEN said ~ ':' THEN said::timestamp ELSE said::date + time '09:00' END AT TIME ZONE zone;
EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow THEN
	RAISE EXCEPTION USING ERRCODE = 'invalid_datetime_format',
		MESSAGE = format('unreadable return date "%s"', said),
		DETAIL = 'The value is at "/payload/until".',
		HINT = 'It takes ISO 8601, for example "2026-03-10" or "2026-03-10T09:00:00+01:00".';
END
$$;
COMMENT ON FUNCTION _return_time(text, text, timestamptz) IS 'When an absence ends: a date is 09:00 of that day in the zone, a time without offset is of the zone, nothing is a week from "at".';

CREATE FUNCTION _supersede(lead_id text, sequence_id text, released bigint, at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	waiting CadenceQueue;
BEGIN
	FOR waiting IN
		UPDATE CadenceQueue q SET state = 'cancelled', ended_at = _supersede.at, end_reason = 'superseded'
		 WHERE q.lead_id = _supersede.lead_id AND q.state = 'waiting' AND q.kind = 'deferred' AND q.sequence_id = _supersede.sequence_id
		   AND q.event_id <> _supersede.released
		RETURNING q.*
	LOOP
		PERFORM _system_event(waiting.lead_id, 'cancelled', waiting.event_id, 'superseded', waiting.sequence_id, NULL);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _supersede(text, text, bigint, timestamptz) IS 'Cancels what else waits to start or resume a sequence that has just become active. released: the waiting request whose release this is, 0 for none.';

-- Before the enrolments end, and before the next row of the same statement is judged: T2 goes by the fresher signal.
CREATE FUNCTION _stamp_signal(lead_id text, event_type text, channel text, sequence_id text, family text, at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	-- Marketing when what it answers is marketing's alone; what it says itself when it answers nothing.
	answered CONSTANT text := coalesce(
		(SELECT CASE WHEN bool_and(c.family = 'marketing') THEN 'marketing' WHEN bool_and(c.family = 'transactional') THEN 'transactional'
		             WHEN count(*) > 0 THEN 'sales' END
		   FROM Cadence c
		  WHERE c.lead_id = _stamp_signal.lead_id AND c.state <> 'finished'
		    AND (c.sequence_id = _stamp_signal.sequence_id OR _stamp_signal.sequence_id IS NULL AND c.family <> 'transactional')),
		_stamp_signal.family, 'none');
	fresher CONSTANT text := (
		SELECT r.family FROM signal_rule r
		 WHERE r.event_type = _stamp_signal.event_type AND r.channel IN (_stamp_signal.channel, '*') AND r.answers IN (answered, '*')
		 ORDER BY r.channel = '*', r.answers = '*' LIMIT 1);
BEGIN
	UPDATE Leads l
	   SET sales_signal_at = CASE fresher WHEN 'sales' THEN _stamp_signal.at ELSE l.sales_signal_at END,
	       marketing_signal_at = CASE fresher WHEN 'marketing' THEN _stamp_signal.at ELSE l.marketing_signal_at END
	 WHERE l.lead_id = _stamp_signal.lead_id
	   AND CASE fresher WHEN 'sales' THEN coalesce(l.sales_signal_at < _stamp_signal.at, true)
	                    WHEN 'marketing' THEN coalesce(l.marketing_signal_at < _stamp_signal.at, true) ELSE false END;
END
$$;
COMMENT ON FUNCTION _stamp_signal(text, text, text, text, text, timestamptz) IS 'Notes a fact as the lead''s latest signal to the family that signal_rule names: by its channel and by the family of the sequence that it is about to end (sequence_id NULL: all), or, when it ends none, the family given. Only ever forward.';

-- What a fact leaves for others to see; the gate has ended or paused the enrolments already, under the lead's lock.
CREATE FUNCTION _after_fact(lead_id text, event_id bigint, paused text, paused_type text) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	e CadenceEventLog;
	l Leads;
	suppressed text;
BEGIN
	SELECT * INTO STRICT e FROM CadenceEventLog c WHERE c.lead_id = _after_fact.lead_id AND c.event_id = _after_fact.event_id;
	IF e.event_type = 'touch_observed' THEN
		UPDATE Leads SET last_touch_at = greatest(last_touch_at, e.touch_at) WHERE lead_id = e.lead_id AND e.counted;
		UPDATE Cadence SET last_activity_at = greatest(last_activity_at, e.touch_at)
		 WHERE lead_id = e.lead_id AND sequence_id = e.sequence_id AND state = 'active';
		RETURN;
	END IF;
	SELECT * INTO STRICT l FROM Leads WHERE lead_id = e.lead_id;

	IF e.event_type IN ('opt_out', 'unsubscribe') THEN
		suppressed := coalesce(_address(l.email), _address(l.phone), _address(l.linkedin_url));
		IF suppressed IS NOT NULL THEN
			-- The person's own word outweighs a flag that a sync may clear again.
			INSERT INTO Suppression AS s (address, kind, source, reason, created_by)
			VALUES (suppressed, _address_kind(suppressed), e.event_type, e.payload->>'reason', coalesce(e.originating_agent, session_user))
			ON CONFLICT (address) DO UPDATE SET source = EXCLUDED.source, reason = EXCLUDED.reason, created_by = EXCLUDED.created_by
			 WHERE s.source = 'lead_flag';
		END IF;
		UPDATE Leads SET unsubscribe_flag = unsubscribe_flag OR e.event_type = 'unsubscribe', opt_out_flag = opt_out_flag OR e.event_type = 'opt_out'
		 WHERE lead_id = e.lead_id AND NOT CASE e.event_type WHEN 'opt_out' THEN opt_out_flag ELSE unsubscribe_flag END;
	ELSIF e.event_type = 'out_of_office' AND paused IS NOT NULL THEN
		INSERT INTO CadenceQueue (lead_id, event_id, kind, sequence_id, reason, release_at, queued_at, expires_at)
		SELECT e.lead_id, e.event_id, 'deferred', paused, 'out_of_office', r.at, e.event_at,
		       least(greatest(r.at, e.event_at) + make_interval(mins => _hold_expiry()), c.active_until)
		  FROM (SELECT _return_time(e.payload->>'until', l.time_zone, e.event_at) AS at) r
		  LEFT JOIN Cadence c ON c.lead_id = e.lead_id AND c.sequence_id = paused AND c.state = 'paused';
	ELSIF e.event_type = 'send_failed' THEN
		UPDATE CadenceQueue SET release_at = e.event_at
		 WHERE lead_id = e.lead_id AND state = 'waiting' AND kind = 'held' AND release_at > e.event_at;
	END IF;
	PERFORM _settle_lead(e.lead_id, e.event_at);
END
$$;
COMMENT ON FUNCTION _after_fact(text, bigint, text, text) IS 'The effects of a recorded fact beyond the enrolments and signals: Leads'' flags, Suppression, holds, the resume of an absence. paused: the sequence that an absence paused.';
