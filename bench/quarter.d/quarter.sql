-- bench/quarter: what happens in a quarter, day by day, and what must hold of all of it.

CREATE TABLE bench_day (day integer PRIMARY KEY, requests bigint, events bigint, request_seconds float8, tick_seconds float8, both_families bigint, ticks integer);
CREATE TABLE bench_abm (account_id text, since timestamptz, until timestamptz);
CREATE TABLE bench_flagged (lead_id text PRIMARY KEY, at timestamptz);

-- Between 0 and 1, the same for the same words.
CREATE FUNCTION bench_dice(VARIADIC words text[]) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT (hashtextextended(array_to_string(words, '/'), 7) & 1048575) / 1048576.0::float8
$$;

-- The requests and facts of a day: what a few agents, a CRM and people's answers make of where everybody stands.
CREATE FUNCTION bench_requests(day integer) RETURNS TABLE (lead_id text, request jsonb) LANGUAGE sql STABLE AS $$
	WITH lead AS (
		SELECT l.lead_id, d.*, s.sequence_id AS sales, s.step AS sales_step, m.sequence_id AS marketing, m.step AS marketing_step
		  FROM kam.Leads l
		 CROSS JOIN LATERAL (SELECT bench_dice(l.lead_id, day::text, 'enrol') AS enrol, bench_dice(l.lead_id, day::text, 'kind') AS kind,
		                            bench_dice(l.lead_id, day::text, 'touch') AS touch, bench_dice(l.lead_id, day::text, 'channel') AS channel,
		                            bench_dice(l.lead_id, day::text, 'fact') AS fact, bench_dice(l.lead_id, day::text, 'more') AS more) d
		  LEFT JOIN LATERAL (SELECT c.sequence_id, coalesce(c.current_step, 0) + 1 AS step, c.sequence_type FROM kam.Cadence c
		                      WHERE c.lead_id = l.lead_id AND c.state IN ('active', 'paused') AND c.family = 'sales' ORDER BY c.state LIMIT 1) s ON true
		  LEFT JOIN LATERAL (SELECT c.sequence_id, coalesce(c.current_step, 0) + 1 AS step, c.sequence_type FROM kam.Cadence c
		                      WHERE c.lead_id = l.lead_id AND c.state IN ('active', 'paused') AND c.family = 'marketing' ORDER BY c.state LIMIT 1) m ON true),
	asked AS (
		SELECT l.lead_id, 1 AS rank, jsonb_build_object('event_type', 'activation', 'sequence_id', format('s-%s-%s', l.lead_id, day),
		           'sequence_type', (ARRAY['outbound', 'follow_up', 'expansion', 'outbound'])[1 + floor(l.kind * 4)::integer], 'originating_agent', 'AGT-301') AS request
		  FROM lead l WHERE l.enrol < CASE WHEN l.sales IS NULL THEN 0.10 ELSE 0.004 END
		UNION ALL
		SELECT l.lead_id, 1, jsonb_build_object('event_type', 'activation', 'sequence_id', format('m-%s-%s', l.lead_id, day),
		           'sequence_type', (ARRAY['nurture', 'newsletter', 'event', 'nurture'])[1 + floor(l.kind * 4)::integer], 'originating_agent', 'AGT-304')
		  FROM lead l WHERE l.enrol > 1 - CASE WHEN l.marketing IS NULL THEN 0.06 ELSE 0.004 END
		UNION ALL
		-- Now and then a step is asked for again.
		SELECT l.lead_id, 2, jsonb_build_object('event_type', 'touch', 'sequence_id', c.sequence_id, 'sequence_type', c.sequence_type,
		           'step', greatest(coalesce(c.current_step, 0) + CASE WHEN l.more < 0.03 THEN 0 ELSE 1 END, 1), 'originating_agent', CASE c.family WHEN 'sales' THEN 'AGT-301' ELSE 'AGT-304' END,
		           'channel', (ARRAY['email', 'email', 'linkedin', 'phone'])[1 + floor(l.channel * 4)::integer], 'payload', '{"content": "Bonjour, avez-vous pu regarder le guide ?"}'::jsonb)
		  FROM lead l JOIN kam.Cadence c ON c.lead_id = l.lead_id AND c.sequence_id IN (l.sales, l.marketing) AND c.state <> 'finished'
		 WHERE l.touch < 0.32
		UNION ALL
		SELECT l.lead_id, 3, jsonb_build_object('event_type', 'touch', 'sequence_id', 'billing', 'sequence_type', 'transactional', 'channel', 'email', 'originating_agent', 'billing')
		  FROM lead l WHERE l.more > 0.99
		UNION ALL
		SELECT l.lead_id, 4, CASE
			WHEN l.fact < 0.006 THEN jsonb_build_object('event_type', 'reply', 'channel', 'email', 'sequence_id', coalesce(l.sales, l.marketing))
			WHEN l.fact < 0.008 THEN jsonb_build_object('event_type', 'meeting_booked', 'sequence_id', l.sales)
			WHEN l.fact < 0.010 THEN jsonb_build_object('event_type', 'bounce', 'channel', 'email', 'payload', '{"type": "soft"}'::jsonb)
			WHEN l.fact < 0.011 THEN jsonb_build_object('event_type', 'bounce', 'channel', 'email')
			WHEN l.fact < 0.0115 THEN '{"event_type": "unsubscribe"}'
			WHEN l.fact < 0.0118 THEN '{"event_type": "opt_out"}'
			WHEN l.fact < 0.014 THEN '{"event_type": "out_of_office"}'
			WHEN l.fact < 0.024 THEN '{"event_type": "touch_observed", "channel": "phone", "originating_agent": "a rep"}'
			WHEN l.fact < 0.027 THEN jsonb_build_object('event_type', 'complete', 'sequence_id', coalesce(l.sales, l.marketing))
			ELSE jsonb_build_object('event_type', 'send_failed', 'payload', jsonb_build_object('event_id', (
				SELECT max(e.event_id) FROM kam.CadenceEventLog e WHERE e.lead_id = l.lead_id AND e.event_type = 'touch'))) END
		  FROM lead l WHERE l.fact < 0.028 AND (l.fact < 0.027 OR EXISTS (SELECT FROM kam.CadenceEventLog e WHERE e.lead_id = l.lead_id AND e.event_type = 'touch')))
	SELECT a.lead_id, jsonb_strip_nulls(a.request) || jsonb_build_object('lead_id', a.lead_id) FROM asked a ORDER BY a.lead_id, a.rank
$$;

CREATE PROCEDURE bench_tick(at timestamptz, INOUT ticks integer) LANGUAGE plpgsql AS $$
DECLARE
	report jsonb;
BEGIN
	LOOP
		report := kam.kam_tick(at, 10000);
		COMMIT;
		ticks := ticks + 1;
		IF (report ->> 'failed')::integer > 0 THEN
			RAISE EXCEPTION 'the schedules failed: %', report;
		END IF;
		EXIT WHEN NOT (report ->> 'more')::boolean;
	END LOOP;
END
$$;

CREATE PROCEDURE bench_a_day(day integer, size integer) LANGUAGE plpgsql AS $$
DECLARE
	morning CONSTANT timestamptz := timestamptz '2026-01-05 08:00Z' + day * interval '24 hours';
	began timestamptz;
	asking float8 := 0;
	ticking float8 := 0;
	ticks integer := 0;
	asked bigint := 0;
	batch jsonb;
	before bigint := coalesce((SELECT sum(b.events) FROM bench_day b), 0);
	n integer := 0;
BEGIN
	began := clock_timestamp();
	CALL bench_tick(morning, ticks);
	ticking := EXTRACT(epoch FROM clock_timestamp() - began);

	PERFORM set_config('kam.clock', to_char(morning + interval '30 min', 'YYYY-MM-DD"T"HH24:MI:SSOF":00"'), false);
	-- The CRM: accounts enter and leave account-based marketing, flags are set, addresses asked to be left alone.
	WITH changed AS (
		UPDATE kam.Accounts a SET abm_active = NOT a.abm_active WHERE bench_dice(a.account_id, day::text, 'abm') < 0.004 RETURNING a.account_id, a.abm_active
	), over AS (
		UPDATE bench_abm b SET until = kam._now() FROM changed c WHERE NOT c.abm_active AND b.account_id = c.account_id AND b.until IS NULL
	)
	INSERT INTO bench_abm SELECT c.account_id, kam._now(), NULL FROM changed c WHERE c.abm_active;
	WITH flagged AS (
		UPDATE kam.Leads l SET unsubscribe_flag = true
		 WHERE bench_dice(l.lead_id, day::text, 'flag') < 0.0002 AND NOT l.unsubscribe_flag RETURNING l.lead_id)
	INSERT INTO bench_flagged SELECT f.lead_id, kam._now() FROM flagged f ON CONFLICT DO NOTHING;
	PERFORM kam.kam_unsubscribe(l.email, 'web_form') FROM kam.Leads l WHERE bench_dice(l.lead_id, day::text, 'form') < 0.0002;
	COMMIT;

	began := clock_timestamp();
	CREATE TEMP TABLE IF NOT EXISTS today (batch integer, requests jsonb);
	TRUNCATE today;
	INSERT INTO today SELECT (r.n - 1) / size, jsonb_agg(r.request ORDER BY r.n) FROM (SELECT b.request, row_number() OVER (ORDER BY b.lead_id) AS n FROM bench_requests(day) b) r GROUP BY 1;
	COMMIT;
	began := clock_timestamp();
	FOR batch IN SELECT t.requests FROM today t ORDER BY t.batch LOOP
		n := n + 1;
		PERFORM set_config('kam.clock', to_char(morning + interval '1 hour' + n * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SSOF":00"'), false);
		PERFORM FROM kam.kam_request_batch(batch);
		asked := asked + jsonb_array_length(batch);
		COMMIT;
	END LOOP;
	asking := EXTRACT(epoch FROM clock_timestamp() - began);

	began := clock_timestamp();
	CALL bench_tick(morning + interval '10 hours', ticks);
	ticking := ticking + EXTRACT(epoch FROM clock_timestamp() - began);
	INSERT INTO bench_day
	SELECT day, asked, (SELECT count(*) FROM kam.CadenceEventLog) - before, asking, ticking,
	       (SELECT count(*) FROM kam.Cadence s JOIN kam.Cadence m USING (lead_id)
	         WHERE s.state = 'active' AND s.family = 'sales' AND m.state = 'active' AND m.family = 'marketing'), ticks;
	COMMIT;
END
$$;

-- The sums once more, by reading the whole log, and where the two differ.
DO $do$
BEGIN
	EXECUTE format('CREATE VIEW bench_scan (%s) AS %s',
		(SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = 'kam.intelligence_day'::regclass AND a.attnum > 0),
		kam._intelligence_query('SELECT * FROM kam._intelligence_event'));
END
$do$;
CREATE VIEW bench_seen AS
SELECT day, coalesce(play_id, '') AS play_id, coalesce(originating_proposal_id, '') AS originating_proposal_id, coalesce(sequence_type, '') AS sequence_type,
       coalesce(channel, '') AS channel, coalesce(originating_agent, '') AS originating_agent, coalesce(step, -1) AS step,
       requested, executed, touches, released, held, deferred, suppressed_compliance, suppressed_abm, suppressed_routing, rejected, expired, cancelled, observed, failed,
       replies, meetings, opt_outs, bounces, holds, hold_seconds, hold_histogram
  FROM kam.cadence_intelligence;

-- What must hold of every event of the quarter: how often it does not.
CREATE VIEW bench_broken AS
SELECT 'more touches than the cap in 168 hours' AS what, count(*) AS n
  FROM (SELECT e.touch_at - lag(e.touch_at, 3) OVER (PARTITION BY e.lead_id ORDER BY e.touch_at) AS apart
          FROM kam.CadenceEventLog e WHERE e.event_type = 'touch' AND e.counted) t WHERE t.apart < interval '168 hours'
UNION ALL
SELECT 'a touch let through at the cap, touches by others included', count(*)
  FROM kam.CadenceEventLog e WHERE e.event_type = 'touch' AND e.family <> 'transactional' AND e.touch_cap_at_event >= 3
UNION ALL
SELECT 'executed for who had opted out', count(*)
  FROM kam.CadenceEventLog e JOIN kam.CadenceEventLog o ON o.lead_id = e.lead_id AND o.event_type IN ('opt_out', 'unsubscribe') AND o.event_id < e.event_id
 WHERE e.coordinator_action = 'executed'
UNION ALL
SELECT 'executed for a suppressed address or a flagged lead', count(*)
  FROM kam.CadenceEventLog e
  JOIN kam.Leads l USING (lead_id)
  LEFT JOIN kam.Suppression s ON s.address = kam._address(l.email)
  LEFT JOIN bench_flagged f USING (lead_id)
 WHERE e.coordinator_action = 'executed' AND (s.created_at + interval '1 second' < e.event_at OR f.at + interval '1 second' < e.event_at)
UNION ALL
SELECT 'nurture executed while the account was in account-based marketing', count(*)
  FROM kam.CadenceEventLog e JOIN kam.Leads l USING (lead_id) JOIN bench_abm b USING (account_id)
 WHERE e.coordinator_action = 'executed' AND e.sequence_type = 'nurture' AND e.event_at >= b.since AND (b.until IS NULL OR e.event_at < b.until)
UNION ALL
SELECT 'two active sequences of one family', count(*)
  FROM (SELECT FROM kam.Cadence c WHERE c.state = 'active' AND c.family <> 'transactional' GROUP BY c.lead_id, c.family HAVING count(*) > 1) c
UNION ALL
SELECT 'sales and marketing active at the end of a day', coalesce(sum(d.both_families), 0) FROM bench_day d
UNION ALL
SELECT 'a sequence started while one of its family had neither ended nor paused', count(*)
  FROM (SELECT e.lead_id, e.event_id, e.sequence_id, lead(e.event_id) OVER (PARTITION BY e.lead_id, e.family ORDER BY e.event_id) AS next
          FROM kam.CadenceEventLog e
         WHERE e.coordinator_action = 'executed' AND e.event_type IN ('activation', 'resume') AND e.family <> 'transactional') s
 WHERE s.next IS NOT NULL AND NOT EXISTS (
       SELECT FROM kam.CadenceEventLog e
        WHERE e.lead_id = s.lead_id AND e.event_id > s.event_id AND e.event_id < s.next
          AND (e.event_type IN ('reply', 'meeting_booked', 'stop', 'complete', 'pause', 'out_of_office', 'bounce') AND e.payload ->> 'type' IS DISTINCT FROM 'soft'
               AND (e.sequence_id IS NULL OR e.sequence_id = s.sequence_id)
               OR e.event_type IN ('opt_out', 'unsubscribe')
               OR e.event_type IN ('deferred', 'suppressed') AND e.originating_agent = 'AGT-302' AND e.sequence_id = s.sequence_id))
UNION ALL
SELECT 'a step executed twice', count(*)
  FROM (SELECT FROM kam.CadenceEventLog e WHERE e.event_type = 'touch' AND e.step IS NOT NULL GROUP BY e.lead_id, e.sequence_id, e.enrolment_no, e.step HAVING count(*) > 1) e
UNION ALL
SELECT 'sales executed for T3', count(*)
  FROM kam.CadenceEventLog e JOIN kam.Leads l USING (lead_id) WHERE e.coordinator_action = 'executed' AND e.family = 'sales' AND l.icp_tier = 'T3'
UNION ALL
SELECT 'a hold that is nowhere', count(*)
  FROM kam.CadenceEventLog e LEFT JOIN kam.CadenceQueue q USING (lead_id, event_id) WHERE e.event_type IN ('held', 'deferred') AND q.event_id IS NULL
UNION ALL
SELECT 'a release before its time, or of what was not waiting', count(*)
  FROM kam.CadenceEventLog e LEFT JOIN kam.CadenceQueue q ON q.lead_id = e.lead_id AND q.event_id = e.parent_event_id
 WHERE e.coordinator_action = 'executed' AND e.parent_event_id IS NOT NULL AND (q.state IS DISTINCT FROM 'released' OR q.release_at > e.event_at)
UNION ALL
SELECT 'a sum of cadence_intelligence that the log does not have', count(*)
  FROM ((TABLE bench_seen EXCEPT ALL TABLE bench_scan) UNION ALL (TABLE bench_scan EXCEPT ALL TABLE bench_seen)) d;
