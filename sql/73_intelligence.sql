-- Cadence intelligence (AGT-303): what was asked, what became of it and what came back, by day, play, type, channel, agent and step.
--
-- intelligence_day holds sums of the log up to an event_id, _intelligence_state.upto; the view adds what is above it as it stands.  Nobody who writes
-- to the log writes here: the schedules fold.  Rows of the log commit in another order than their event_ids were drawn in, so a fold goes only as far as
-- a mark below which nobody can still commit: event_ids are drawn by transactions that have an id (src/cadence/horizon.c), so once every transaction
-- that had one when the mark was taken has ended, all rows up to the mark are there for good.  A decided row that comes in below the numbers that are
-- drawn already (an import) is noted in _intelligence_late; a restore brings sums and state along with the log.
--
-- What is counted of a row is what it says, with those that it names, which came before it; no row that comes later, no merge or deletion of a
-- lead and no cleared "counted" changes it.  So sums stay right, and counting again gives the same.

CREATE TABLE intelligence_day (
	day				date NOT NULL,
	play_id			text NOT NULL,
	originating_proposal_id text NOT NULL,
	sequence_type	text NOT NULL,
	channel			text NOT NULL,
	originating_agent text NOT NULL,
	step			integer NOT NULL,
	requested		bigint NOT NULL,
	executed		bigint NOT NULL,
	touches			bigint NOT NULL,
	released		bigint NOT NULL,
	held			bigint NOT NULL,
	deferred		bigint NOT NULL,
	suppressed_compliance bigint NOT NULL,
	suppressed_abm	bigint NOT NULL,
	suppressed_routing bigint NOT NULL,
	rejected		bigint NOT NULL,
	expired			bigint NOT NULL,
	cancelled		bigint NOT NULL,
	observed		bigint NOT NULL,
	failed			bigint NOT NULL,
	replies			bigint NOT NULL,
	meetings		bigint NOT NULL,
	opt_outs		bigint NOT NULL,
	bounces			bigint NOT NULL,
	holds			bigint NOT NULL,
	hold_seconds	bigint NOT NULL,
	hold_histogram	bigint[] NOT NULL,
	PRIMARY KEY (day, play_id, originating_proposal_id, sequence_type, channel, originating_agent, step)
);
COMMENT ON TABLE intelligence_day IS 'The part of cadence_intelligence that does not need the log any more; its columns are the view''s, an unknown text as an empty one, no step as -1. Written by the schedules, kept for ever: it says nothing of any person.';

CREATE TABLE _intelligence_state (
	only_row	boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	upto		bigint NOT NULL DEFAULT -9223372036854775807,
	mark		bigint,
	mark_xid	xid8,
	home		bigint NOT NULL DEFAULT kam._home()
);
COMMENT ON TABLE _intelligence_state IS 'Up to which event_id intelligence_day counts the log; no row: nothing yet.';
COMMENT ON COLUMN _intelligence_state.only_row IS 'Always true: there is one row at most.';
COMMENT ON COLUMN _intelligence_state.upto IS 'The last event_id that is counted, with all below it.';
COMMENT ON COLUMN _intelligence_state.mark IS 'The last event_id drawn when the schedules looked last: the next to count up to.';
COMMENT ON COLUMN _intelligence_state.mark_xid IS 'Once no transaction below this one runs, nothing can commit up to the mark any more.';
COMMENT ON COLUMN _intelligence_state.home IS 'The database whose transactions mark_xid speaks of.';

CREATE TABLE _intelligence_late (
	lead_id		text NOT NULL,
	event_id	bigint NOT NULL,
	PRIMARY KEY (event_id, lead_id)
);
COMMENT ON TABLE _intelligence_late IS 'Decided rows that were brought in below the event_ids drawn by then; counted by themselves.';
COMMENT ON COLUMN _intelligence_late.lead_id IS 'The lead.';
COMMENT ON COLUMN _intelligence_late.event_id IS 'The row of CadenceEventLog.';

CREATE FUNCTION _next_xid() RETURNS xid8
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_next_xid';
COMMENT ON FUNCTION _next_xid() IS 'The id that the next transaction will get, given to nobody: all that have one have a smaller one.';

-- ---- time in hold --------------------------------------------------------------

CREATE FUNCTION _hold_bounds() RETURNS float8[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN '{0,2,8,24,48,72,96,120,144,168,192,336}'::float8[];
COMMENT ON FUNCTION _hold_bounds() IS 'Where the twelve classes of hold_histogram begin, in hours; the last has no end.';

CREATE FUNCTION _add_holds(a bigint[], b bigint[]) RETURNS bigint[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN ARRAY[a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4], a[5] + b[5], a[6] + b[6],
		a[7] + b[7], a[8] + b[8], a[9] + b[9], a[10] + b[10], a[11] + b[11], a[12] + b[12]];
COMMENT ON FUNCTION _add_holds(bigint[], bigint[]) IS 'The sum of two histograms.';

CREATE AGGREGATE kam_sum_holds(bigint[]) (
	SFUNC = _add_holds, STYPE = bigint[], INITCOND = '{0,0,0,0,0,0,0,0,0,0,0,0}', COMBINEFUNC = _add_holds, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kam_sum_holds(bigint[]) IS 'The sum of hold_histogram over rows of cadence_intelligence, for kam_median_hold(). Example: SELECT month, kam.kam_median_hold(kam.kam_sum_holds(hold_histogram)) FROM kam.cadence_intelligence GROUP BY month ORDER BY month;';

CREATE FUNCTION kam_median_hold(histogram bigint[]) RETURNS interval
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT CASE WHEN c.up_to IS NULL THEN c.begins ELSE c.begins + (c.up_to - c.begins) * (c.half - c.before) / c.n END * interval '1 hour'
		  FROM (SELECT b.begins, lead(b.begins) OVER (ORDER BY b.place) AS up_to, h.n, sum(h.n) OVER () / 2.0::float8 AS half,
		               (sum(h.n) OVER (ORDER BY b.place) - h.n)::float8 AS before
		          FROM unnest(kam._hold_bounds()) WITH ORDINALITY b (begins, place)
		          JOIN unnest(histogram) WITH ORDINALITY h (n, place) USING (place)) c
		 WHERE c.n > 0 AND c.before + c.n >= c.half
		 ORDER BY c.begins
		 LIMIT 1;
	END;
COMMENT ON FUNCTION kam_median_hold(bigint[]) IS 'The median time in hold, estimated from a hold_histogram: linear within its class (of hours: from 0, 2, 8, 24, 48, 72, 96, 120, 144, 168, 192, 336). NULL for none. Medians cannot be added up: add histograms with kam_sum_holds(). Example: SELECT kam.kam_median_hold(kam.kam_sum_holds(hold_histogram)) FROM kam.cadence_intelligence WHERE day > current_date - 30;';

-- ---- what a row counts for -------------------------------------------------------

CREATE FUNCTION _lead_ids_at(lead_id text, at timestamptz) RETURNS text[]
	LANGUAGE sql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		WITH RECURSIVE one (lead_id) AS (
			SELECT _lead_ids_at.lead_id
			UNION
			SELECT m.loser FROM one o JOIN kam.lead_merge m ON m.winner = o.lead_id
			 WHERE m.merged_at <= _lead_ids_at.at AND (m.undone_at IS NULL OR m.undone_at > _lead_ids_at.at))
		SELECT array_agg(o.lead_id) FROM one o;
	END;
COMMENT ON FUNCTION _lead_ids_at(text, timestamptz) IS 'As _lead_ids() at a moment: a merge that came later, or was undone since, makes no difference.';

CREATE VIEW _intelligence_event AS
SELECT e.lead_id,
       e.event_id,
       (w.at AT TIME ZONE current_setting('kam.default_timezone'))::date AS day,
       coalesce(s.play_id, '') AS play_id,
       coalesce(s.originating_proposal_id, '') AS originating_proposal_id,
       coalesce(s.sequence_type, '') AS sequence_type,
       coalesce(s.channel, '') AS channel,
       coalesce(s.originating_agent, '') AS originating_agent,
       coalesce(s.step, -1) AS step,
       (e.coordinator_action <> 'recorded' AND e.parent_event_id IS NULL)::integer AS requested,
       (e.coordinator_action = 'executed')::integer AS executed,
       (e.event_type = 'touch')::integer AS touches,
       (e.coordinator_action = 'executed' AND e.parent_event_id IS NOT NULL)::integer AS released,
       (e.event_type = 'held')::integer AS held,
       (e.event_type = 'deferred')::integer AS deferred,
       (e.event_type = 'suppressed' AND e.suppressed_reason = 'compliance_block')::integer AS suppressed_compliance,
       (e.event_type = 'suppressed' AND e.suppressed_reason = 'abm_active_suppression')::integer AS suppressed_abm,
       (e.event_type = 'suppressed' AND e.suppressed_reason = 'routing_error')::integer AS suppressed_routing,
       (e.event_type = 'rejected')::integer AS rejected,
       (e.event_type = 'expired')::integer AS expired,
       (e.event_type = 'cancelled')::integer AS cancelled,
       (e.event_type = 'touch_observed')::integer AS observed,
       -- A failure that is told twice is one.
       (e.event_type = 'send_failed' AND coalesce(p.event_type, '') = 'touch'
        AND NOT EXISTS (SELECT FROM CadenceEventLog f
                         WHERE f.lead_id = e.lead_id AND f.event_type = 'send_failed' AND f.parent_event_id = e.parent_event_id AND f.event_id < e.event_id))::integer AS failed,
       (e.event_type = 'reply')::integer AS replies,
       (e.event_type = 'meeting_booked')::integer AS meetings,
       (e.event_type IN ('opt_out', 'unsubscribe'))::integer AS opt_outs,
       (e.event_type = 'bounce')::integer AS bounces,
       CASE WHEN p.event_type IN ('held', 'deferred') AND e.event_type <> 'send_failed'
            THEN greatest(EXTRACT(epoch FROM e.event_at - p.event_at), 0)::float8 END AS hold_seconds
  FROM CadenceEventLog e
  -- What it releases, ends or tells the failure of.  That of a running sequence that was displaced is the request that did it.
  LEFT JOIN LATERAL (
       SELECT p.* FROM CadenceEventLog p
        WHERE p.lead_id = e.lead_id AND p.event_id = e.parent_event_id AND e.event_type <> 'deferred'
          AND (e.event_type <> 'suppressed' OR p.event_type IN ('held', 'deferred'))) p ON true
  -- What the person answers: the touch before it, of the sequence that it names, or of any that is not transactional.
  LEFT JOIN LATERAL (
       SELECT t.* FROM CadenceEventLog t
        WHERE e.event_type IN ('reply', 'meeting_booked', 'opt_out', 'unsubscribe', 'bounce')
          AND t.lead_id = ANY (CASE WHEN EXISTS (SELECT FROM lead_merge m WHERE m.winner = e.lead_id)
                                    THEN _lead_ids_at(e.lead_id, e.event_at) ELSE ARRAY[e.lead_id] END)
          AND t.event_id < e.event_id AND t.event_type IN ('touch', 'touch_observed')
          AND CASE WHEN e.sequence_id IS NULL THEN t.family IS DISTINCT FROM 'transactional' ELSE t.sequence_id = e.sequence_id END
        ORDER BY t.event_id DESC LIMIT 1) t ON true
 CROSS JOIN LATERAL (SELECT CASE WHEN e.coordinator_action = 'recorded' THEN coalesce(e.occurred_at, e.event_at) ELSE e.event_at END AS at) w
 CROSS JOIN LATERAL (
       SELECT t.play_id, t.originating_proposal_id, t.sequence_type, t.channel, t.originating_agent, t.step WHERE t.event_id IS NOT NULL
       UNION ALL
       SELECT p.play_id, p.originating_proposal_id, p.sequence_type, p.channel, p.originating_agent, p.step
        WHERE t.event_id IS NULL AND p.event_id IS NOT NULL AND e.coordinator_action = 'recorded'
       UNION ALL
       SELECT e.play_id, e.originating_proposal_id, e.sequence_type, e.channel,
              CASE WHEN e.coordinator_action <> 'recorded' OR e.event_type = 'touch_observed' THEN e.originating_agent END, e.step
        WHERE t.event_id IS NULL AND (p.event_id IS NULL OR e.coordinator_action <> 'recorded')) s
 WHERE e.event_type NOT IN ('pause', 'stop', 'complete', 'out_of_office');
COMMENT ON VIEW _intelligence_event IS 'What each row of the log adds to intelligence_day, in the terms of the touch that it answers, releases, ends or tells of. hold_seconds: of what ends a hold.';

CREATE FUNCTION _intelligence_query(source text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	RETURN format($sql$
		SELECT v.day, v.play_id, v.originating_proposal_id, v.sequence_type, v.channel, v.originating_agent, v.step,
		       sum(v.requested), sum(v.executed), sum(v.touches), sum(v.released), sum(v.held), sum(v.deferred),
		       sum(v.suppressed_compliance), sum(v.suppressed_abm), sum(v.suppressed_routing), sum(v.rejected), sum(v.expired), sum(v.cancelled),
		       sum(v.observed), sum(v.failed), sum(v.replies), sum(v.meetings), sum(v.opt_outs), sum(v.bounces),
		       count(v.class), coalesce(sum(v.hold_seconds), 0)::bigint,
		       ARRAY[count(*) FILTER (WHERE v.class = 1), count(*) FILTER (WHERE v.class = 2), count(*) FILTER (WHERE v.class = 3),
		             count(*) FILTER (WHERE v.class = 4), count(*) FILTER (WHERE v.class = 5), count(*) FILTER (WHERE v.class = 6),
		             count(*) FILTER (WHERE v.class = 7), count(*) FILTER (WHERE v.class = 8), count(*) FILTER (WHERE v.class = 9),
		             count(*) FILTER (WHERE v.class = 10), count(*) FILTER (WHERE v.class = 11), count(*) FILTER (WHERE v.class = 12)]
		  FROM (SELECT i.*, width_bucket(i.hold_seconds / 3600, kam._hold_bounds()) AS class FROM (%s) i) v
		 GROUP BY v.day, v.play_id, v.originating_proposal_id, v.sequence_type, v.channel, v.originating_agent, v.step
		$sql$, source);
COMMENT ON FUNCTION _intelligence_query(text) IS 'The statement that sums rows of _intelligence_event, given as a statement, to rows of intelligence_day.';

-- ---- folding ------------------------------------------------------------------------

CREATE FUNCTION _intelligence_drawn() RETURNS bigint
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END FROM kam.CadenceEventLog_event_id_seq s;
	END;
COMMENT ON FUNCTION _intelligence_drawn() IS 'The last event_id that was drawn, by whomever; 0 for none. A restore sets the numbers after all rows are there.';

CREATE FUNCTION _add_intelligence(source text, after bigint, upto bigint, before bigint, most integer) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	SET jit = off
	AS $$
DECLARE
	added bigint;
BEGIN
	-- What was late is taken out by the statement that counts it, and sees what it sees.
	EXECUTE format($sql$
		WITH late AS (
			DELETE FROM kam._intelligence_late l
			 WHERE l.event_id > $3 AND l.event_id <= $2
			    OR (l.event_id, l.lead_id) IN (SELECT k.event_id, k.lead_id FROM kam._intelligence_late k WHERE k.event_id <= $3 ORDER BY k.event_id LIMIT $4)
			RETURNING l.lead_id, l.event_id)
		INSERT INTO kam.intelligence_day AS d %s
		ON CONFLICT (day, play_id, originating_proposal_id, sequence_type, channel, originating_agent, step) DO UPDATE SET
			requested = d.requested + EXCLUDED.requested, executed = d.executed + EXCLUDED.executed, touches = d.touches + EXCLUDED.touches,
			released = d.released + EXCLUDED.released, held = d.held + EXCLUDED.held, deferred = d.deferred + EXCLUDED.deferred,
			suppressed_compliance = d.suppressed_compliance + EXCLUDED.suppressed_compliance, suppressed_abm = d.suppressed_abm + EXCLUDED.suppressed_abm,
			suppressed_routing = d.suppressed_routing + EXCLUDED.suppressed_routing, rejected = d.rejected + EXCLUDED.rejected,
			expired = d.expired + EXCLUDED.expired, cancelled = d.cancelled + EXCLUDED.cancelled, observed = d.observed + EXCLUDED.observed,
			failed = d.failed + EXCLUDED.failed, replies = d.replies + EXCLUDED.replies, meetings = d.meetings + EXCLUDED.meetings,
			opt_outs = d.opt_outs + EXCLUDED.opt_outs, bounces = d.bounces + EXCLUDED.bounces, holds = d.holds + EXCLUDED.holds,
			hold_seconds = d.hold_seconds + EXCLUDED.hold_seconds, hold_histogram = kam._add_holds(d.hold_histogram, EXCLUDED.hold_histogram)
		$sql$, kam._intelligence_query(source))
	USING after, upto, before, most;
	GET DIAGNOSTICS added = ROW_COUNT;
	RETURN added;
END
$$;
COMMENT ON FUNCTION _add_intelligence(text, bigint, bigint, bigint, integer) IS 'Adds what "source" gives of _intelligence_event ($1 after, $2 upto; "late" are rows taken out of _intelligence_late) to intelligence_day. Of the late rows all above "before" are taken, and at most so many up to it. Returns how many rows it wrote there.';

CREATE FUNCTION _fold_intelligence(batch integer) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	here CONSTANT bigint := kam._home();
	state kam._intelligence_state;
	horizon bigint;
	reached bigint;
	drawn bigint;
	ahead xid8;
BEGIN
	SELECT * INTO state FROM kam._intelligence_state FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		IF kam._intelligence_drawn() = 0 OR EXISTS (SELECT FROM kam._intelligence_state) THEN
			RETURN false;
		END IF;
		-- No mark before others can see that there are marks: from here on they note what they bring in late.
		INSERT INTO kam._intelligence_state DEFAULT VALUES ON CONFLICT DO NOTHING;
		RETURN false;
	END IF;

	-- Of a database that this one is a copy of, all that was drawn has ended.
	horizon := CASE WHEN state.home = here AND pg_snapshot_xmin(pg_current_snapshot()) >= state.mark_xid THEN state.mark ELSE state.upto END;
	-- From the first number that is there: what is brought in may have any.
	reached := greatest(state.upto, least(horizon,
		coalesce((SELECT min(e.event_id + 0) FROM kam.CadenceEventLog e WHERE e.event_id + 0 > state.upto) - 1 + batch, horizon)));
	IF reached > state.upto OR EXISTS (SELECT FROM kam._intelligence_late l WHERE l.event_id <= state.upto) THEN
		PERFORM kam._add_intelligence(
			'SELECT * FROM kam._intelligence_event WHERE event_id + 0 > $1 AND event_id + 0 <= $2
			 UNION ALL
			 SELECT e.* FROM late l JOIN kam._intelligence_event e USING (lead_id, event_id) WHERE l.event_id <= $1',
			state.upto, reached, state.upto, batch);
	END IF;
	-- The numbers first, then who may have drawn them.
	IF reached >= horizon AND (horizon = state.mark OR state.mark IS NULL OR state.home <> here) THEN
		drawn := kam._intelligence_drawn();
		ahead := kam._next_xid();
		UPDATE kam._intelligence_state s SET upto = reached, mark = drawn, mark_xid = ahead, home = here
		 WHERE (s.upto, s.mark, s.home) IS DISTINCT FROM (reached, drawn, here);
	ELSE
		UPDATE kam._intelligence_state s SET upto = reached WHERE s.upto <> reached;
	END IF;
	RETURN reached < horizon OR (SELECT count(*) FROM (SELECT FROM kam._intelligence_late l WHERE l.event_id <= reached LIMIT 1) l) > 0;
END
$$;
COMMENT ON FUNCTION _fold_intelligence(integer) IS 'Counts what the log has got, at most so many event_ids, up to the mark, once nobody can commit anything below it, and takes the next mark. Does nothing while somebody else does the same. True when there is more to count at once.';

CREATE FUNCTION kam_rebuild_intelligence(since date DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	state kam._intelligence_state;
	forgotten date;
	-- What is late is taken out by the same statement: of the days that stay it is added, of the others it is found in the log.
	source CONSTANT text := 'SELECT * FROM kam._intelligence_event WHERE event_id + 0 > $1 AND event_id + 0 <= $2' || CASE WHEN since IS NULL THEN '' ELSE
		format(' AND day >= %L UNION ALL SELECT e.* FROM late l JOIN kam._intelligence_event e USING (lead_id, event_id) WHERE l.event_id <= $2 AND e.day < %1$L', since) END;
BEGIN
	SELECT * INTO state FROM kam._intelligence_state FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	SELECT (r.gone_before AT TIME ZONE current_setting('kam.default_timezone'))::date INTO forgotten FROM kam._retention r WHERE r.kind = 'events';
	IF forgotten IS NOT NULL AND coalesce(since <= forgotten, true) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('the log does not tell everything of %s and before any more', forgotten),
			DETAIL = 'Rows were deleted (kam.retain_events); the sums have them still.',
			HINT = format('Count later days: SELECT kam.kam_rebuild_intelligence(%L);', forgotten + 1);
	END IF;
	DELETE FROM kam.intelligence_day d WHERE since IS NULL OR d.day >= since;
	RETURN kam._add_intelligence(source, -9223372036854775807, state.upto, state.upto, 2147483647);
END
$$;
COMMENT ON FUNCTION kam_rebuild_intelligence(date) IS 'Counts the log anew into intelligence_day: all of it, or the days from "since" on; earlier days stay as they are. For after rows were loaded past the triggers, or kam.default_timezone was changed. Days of which kam.retain_events has deleted rows cannot be counted again (55000). Readers see the old sums until it commits, nobody who writes to the log waits. Returns how many rows intelligence_day got. Example: SELECT kam.kam_rebuild_intelligence(''2026-01-01'');';

CREATE FUNCTION _intelligence_health() RETURNS TABLE (item text, state text, detail text, hint text)
	LANGUAGE sql VOLATILE ROWS 1
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT 'intelligence', 'warning',
		       format('%s event_ids are not counted yet: cadence_intelligence reads their events from the log', behind.n),
		       CASE WHEN pg_snapshot_xmin(pg_current_snapshot()) < s.mark_xid
		            THEN 'A transaction stays open: SELECT pid, xact_start FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start; SELECT * FROM pg_prepared_xacts;'
		            ELSE 'Is a worker running, are kam.schedules on and kam.paused off? SELECT kam.kam_tick() does it by hand.' END
		  FROM (SELECT kam._intelligence_drawn() AS drawn) d
		  LEFT JOIN kam._intelligence_state s ON true
		 CROSS JOIN LATERAL (SELECT d.drawn - greatest(s.upto, 0) AS n) behind
		 WHERE behind.n > 200000;
	END;
COMMENT ON FUNCTION _intelligence_health() IS 'What kam_health() says of the sums: a row when they lag far behind.';

-- ---- looking -----------------------------------------------------------------------------

CREATE FUNCTION _intelligence_tail() RETURNS SETOF intelligence_day
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 1000
	SET search_path = pg_catalog, kam, pg_temp
	-- However the table was analysed: above upto there is little.
	SET enable_seqscan = off
	SET jit = off
	AS $$
BEGIN
	RETURN QUERY EXECUTE kam._intelligence_query(
		'SELECT * FROM kam._intelligence_event WHERE event_id + 0 > $1
		 UNION ALL
		 SELECT e.* FROM kam._intelligence_late l JOIN kam._intelligence_event e USING (lead_id, event_id) WHERE l.event_id <= $1')
	USING coalesce((SELECT s.upto FROM kam._intelligence_state s), -9223372036854775807);
END
$$;
COMMENT ON FUNCTION _intelligence_tail() IS 'What is not counted in intelligence_day yet, summed as it stands.';

CREATE VIEW cadence_intelligence AS
SELECT d.day,
       date_trunc('week', d.day::timestamp)::date AS week,
       date_trunc('month', d.day::timestamp)::date AS month,
       date_trunc('quarter', d.day::timestamp)::date AS quarter,
       nullif(d.play_id, '') AS play_id,
       nullif(d.originating_proposal_id, '') AS originating_proposal_id,
       nullif(d.sequence_type, '') AS sequence_type,
       nullif(d.channel, '') AS channel,
       nullif(d.originating_agent, '') AS originating_agent,
       nullif(d.step, -1) AS step,
       d.requested, d.executed, d.touches, d.released, d.held, d.deferred,
       d.suppressed_compliance + d.suppressed_abm + d.suppressed_routing AS suppressed,
       jsonb_strip_nulls(jsonb_build_object(
           'compliance_block', nullif(d.suppressed_compliance, 0),
           'abm_active_suppression', nullif(d.suppressed_abm, 0),
           'touch_cap_exceeded', nullif(d.held, 0),
           'conflict_resolved_queued', nullif(d.deferred, 0),
           'routing_error', nullif(d.suppressed_routing, 0),
           'illegal_transition', nullif(d.rejected, 0))) AS suppressed_by,
       d.suppressed_compliance, d.suppressed_abm, d.suppressed_routing,
       d.rejected, d.expired, d.cancelled, d.observed, d.failed, d.replies, d.meetings, d.opt_outs, d.bounces,
       d.holds,
       CASE WHEN d.holds > 0 THEN d.hold_seconds::float8 / d.holds * interval '1 second' END AS average_hold,
       CASE WHEN d.holds > 0 THEN kam_median_hold(d.hold_histogram) END AS median_hold,
       d.hold_seconds,
       d.hold_histogram
  FROM (SELECT s.day, s.play_id, s.originating_proposal_id, s.sequence_type, s.channel, s.originating_agent, s.step,
               sum(s.requested)::bigint AS requested, sum(s.executed)::bigint AS executed, sum(s.touches)::bigint AS touches,
               sum(s.released)::bigint AS released, sum(s.held)::bigint AS held, sum(s.deferred)::bigint AS deferred,
               sum(s.suppressed_compliance)::bigint AS suppressed_compliance, sum(s.suppressed_abm)::bigint AS suppressed_abm,
               sum(s.suppressed_routing)::bigint AS suppressed_routing, sum(s.rejected)::bigint AS rejected, sum(s.expired)::bigint AS expired,
               sum(s.cancelled)::bigint AS cancelled, sum(s.observed)::bigint AS observed, sum(s.failed)::bigint AS failed,
               sum(s.replies)::bigint AS replies, sum(s.meetings)::bigint AS meetings, sum(s.opt_outs)::bigint AS opt_outs,
               sum(s.bounces)::bigint AS bounces, sum(s.holds)::bigint AS holds, sum(s.hold_seconds)::bigint AS hold_seconds,
               kam_sum_holds(s.hold_histogram) AS hold_histogram
          FROM (SELECT * FROM intelligence_day UNION ALL SELECT * FROM _intelligence_tail()) s
         GROUP BY s.day, s.play_id, s.originating_proposal_id, s.sequence_type, s.channel, s.originating_agent, s.step) d;
COMMENT ON VIEW cadence_intelligence IS 'How cadences fare (AGT-303), by day, play, proposal, sequence type, channel, agent and step; add rows up by week, month, quarter or whatever else, medians with kam_sum_holds(). Up to the last committed event, and quick however long the log is: days are kept as sums, for ever, and only what came since is read from the log. What a person does (replies, meetings, opt_outs, bounces) is counted on the day it happened and credited to the touch before it, of the sequence that it names or of any that is not transactional: its play, type, channel, agent and step; to none of these where nothing was sent before. A failed send, a cancelled or expired request: under that request''s. Example: SELECT week, sequence_type, sum(touches) AS touches, sum(replies) AS replies FROM kam.cadence_intelligence WHERE day > current_date - 90 GROUP BY 1, 2 ORDER BY 1, 2;';
COMMENT ON COLUMN cadence_intelligence.day IS 'Day of kam.default_timezone: of the decision, of what was told (replies, observed touches, …) the day it happened.';
COMMENT ON COLUMN cadence_intelligence.week IS 'The Monday of that week.';
COMMENT ON COLUMN cadence_intelligence.month IS 'The first of that month.';
COMMENT ON COLUMN cadence_intelligence.quarter IS 'The first day of that quarter.';
COMMENT ON COLUMN cadence_intelligence.play_id IS 'The play; NULL for none.';
COMMENT ON COLUMN cadence_intelligence.originating_proposal_id IS 'The proposal the play derives from; NULL when no brain had part in it.';
COMMENT ON COLUMN cadence_intelligence.sequence_type IS 'Type of the sequence.';
COMMENT ON COLUMN cadence_intelligence.channel IS 'Channel of the touch; NULL for activations.';
COMMENT ON COLUMN cadence_intelligence.originating_agent IS 'Who asked for it.';
COMMENT ON COLUMN cadence_intelligence.step IS 'Step of the sequence.';
COMMENT ON COLUMN cadence_intelligence.requested IS 'Activations, touches and resumes asked for, each once, releases not included; each is executed, held, deferred, suppressed or rejected at first. What a merge of leads asks for again is asked for once more.';
COMMENT ON COLUMN cadence_intelligence.executed IS 'Let through, at once or on release.';
COMMENT ON COLUMN cadence_intelligence.touches IS 'Of these, touches, transactional ones too; of them, "failed" were never sent.';
COMMENT ON COLUMN cadence_intelligence.released IS 'Of executed, those that had waited.';
COMMENT ON COLUMN cadence_intelligence.held IS 'Touches held by the cap.';
COMMENT ON COLUMN cadence_intelligence.deferred IS 'Activations and resumes that a conflict made wait, running sequences that it displaced too.';
COMMENT ON COLUMN cadence_intelligence.suppressed IS 'Refused by gates 1, 2 and 4, at once or on release.';
COMMENT ON COLUMN cadence_intelligence.suppressed_by IS 'What was not let through at once, by suppressed_reason: {"compliance_block": 2, "touch_cap_exceeded": 5}.';
COMMENT ON COLUMN cadence_intelligence.suppressed_compliance IS 'Of suppressed, compliance_block.';
COMMENT ON COLUMN cadence_intelligence.suppressed_abm IS 'Of suppressed, abm_active_suppression.';
COMMENT ON COLUMN cadence_intelligence.suppressed_routing IS 'Of suppressed, routing_error.';
COMMENT ON COLUMN cadence_intelligence.rejected IS 'Refused by gate 5.';
COMMENT ON COLUMN cadence_intelligence.expired IS 'Had waited too long, or longer than their sequence ran.';
COMMENT ON COLUMN cadence_intelligence.cancelled IS 'Given up while they waited.';
COMMENT ON COLUMN cadence_intelligence.observed IS 'Touches by others, as told.';
COMMENT ON COLUMN cadence_intelligence.failed IS 'Touches of which send_failed was told.';
COMMENT ON COLUMN cadence_intelligence.replies IS 'Replies.';
COMMENT ON COLUMN cadence_intelligence.meetings IS 'Meetings booked.';
COMMENT ON COLUMN cadence_intelligence.opt_outs IS 'Opt-outs and unsubscribes told as events; flags that a sync sets and kam_unsubscribe() are of no touch.';
COMMENT ON COLUMN cadence_intelligence.bounces IS 'Bounces, soft ones too.';
COMMENT ON COLUMN cadence_intelligence.holds IS 'Waits that ended on this day: released, refused, cancelled or expired.';
COMMENT ON COLUMN cadence_intelligence.average_hold IS 'How long these had waited on average.';
COMMENT ON COLUMN cadence_intelligence.median_hold IS 'Their median, estimated from the histogram.';
COMMENT ON COLUMN cadence_intelligence.hold_seconds IS 'Their sum, in seconds.';
COMMENT ON COLUMN cadence_intelligence.hold_histogram IS 'How many waited less than 2, 8, 24, 48, 72, 96, 120, 144, 168, 192, 336 hours, and more.';

DO $do$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT a.attname AS name, col_description('kam.cadence_intelligence'::regclass, v.attnum) AS text
	           FROM pg_attribute a JOIN pg_attribute v ON v.attrelid = 'kam.cadence_intelligence'::regclass AND v.attname = a.attname
	          WHERE a.attrelid = 'kam.intelligence_day'::regclass AND a.attnum > 0
	LOOP
		EXECUTE format('COMMENT ON COLUMN kam.intelligence_day.%I IS %L', c.name, c.text);
	END LOOP;
END
$do$;
