-- bench/gate: the gates for touches in PL/pgSQL, as other triggers of kam's own tables: what kam would be without C.  Off until a run enables them.
--
-- The same rules, locks, layout and few statements as kam's: one that locks, one that reads what stands elsewhere, one that writes the state, one
-- for the projections.  No SET search_path and no SECURITY DEFINER, which would cost more; the read of the send rule, which kam caches, is part
-- of the last statement.  At READ COMMITTED, with a cap within the ring.  Left out, as the benchmark sends touches alone: activations and facts,
-- merged leads, lineage of plays, the flags of routing errors, the seal between the triggers.

CREATE SCHEMA bench;

CREATE FUNCTION bench.gate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	p record;
	r record;
	state text;
	type text;
	enrolment integer;
	step integer;
	at timestamptz;
	since timestamptz;
	cap integer := kam._touch_cap();
	count integer := 0;
	place integer;
	due boolean := false;
BEGIN
	IF NEW.event_type IS DISTINCT FROM 'touch' THEN
		RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = 'these gates judge touches alone';
	END IF;

	-- The lock is the read: after a wait, the columns of both rows are those just committed.
	SELECT l.account_id, l.icp_tier, l.email, l.phone, l.linkedin_url, l.unsubscribe_flag OR s.unsubscribed AS unsubscribed,
	       l.opt_out_flag OR s.opted_out AS opted_out, s.last_at, s.touch_no, s.touches, s.holding,
	       s.sales_sequence, s.sales_type, s.sales_enrolment, s.sales_step,
	       s.marketing_sequence, s.marketing_type, s.marketing_enrolment, s.marketing_step
	  INTO p
	  FROM kam.leads l JOIN kam.prospect_state s ON s.lead_id = l.lead_id
	 WHERE l.lead_id = NEW.lead_id
	   FOR NO KEY UPDATE OF l, s;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation', MESSAGE = format('there is no lead "%s"', NEW.lead_id);
	END IF;
	NEW.event_id := nextval('kam.cadenceeventlog_event_id_seq');
	at := kam._now();
	IF at <= p.last_at THEN
		at := p.last_at + interval '1 microsecond';
	END IF;

	SELECT t.family, coalesce(p.icp_tier, a.icp_tier) AS tier, coalesce(a.abm_active, false) AS abm_active,
	       EXISTS (SELECT FROM kam.suppression s
	                WHERE s.address = ANY (ARRAY[kam._address(p.email), kam._address_domain(p.email), kam._address(p.phone), kam._address(p.linkedin_url)])) AS suppressed,
	       EXISTS (SELECT FROM kam.cadenceeventlog e WHERE e.lead_id = NEW.lead_id AND e.idempotency_key = NEW.idempotency_key) AS used
	  INTO r
	  FROM kam.sequence_type t LEFT JOIN kam.accounts a ON a.account_id = p.account_id
	 WHERE t.sequence_type = NEW.sequence_type;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('unknown sequence_type "%s"', NEW.sequence_type);
	END IF;
	NEW.requested_event_type := NEW.event_type;
	NEW.event_at := at;
	NEW.gate_version := 1;
	NEW.family := r.family;
	NEW.counted := false;
	IF r.used THEN
		NEW.event_type := 'cancelled';
		NEW.coordinator_action := 'recorded';
		RETURN NEW;
	END IF;

	since := at - kam._touch_window();
	place := cardinality(p.touches);
	WHILE place > 0 AND p.touches[place] > since LOOP
		count := count + 1;
		place := place - 1;
	END LOOP;
	NEW.touch_cap_at_event := count;
	NEW.compliance_status := CASE WHEN p.unsubscribed THEN 'unsubscribed' WHEN p.opted_out THEN 'opted_out' WHEN r.suppressed THEN 'suppressed' ELSE 'clear' END;
	IF p.holding AND count < cap THEN
		due := EXISTS (SELECT FROM kam.cadencequeue q
		                WHERE q.lead_id = NEW.lead_id AND q.state = 'waiting' AND q.kind = 'held' AND q.release_at <= at
		                  AND q.priority >= coalesce((NEW.payload->>'priority')::integer, 0) AND q.home = kam._home());
	END IF;

	IF r.family = 'sales' AND p.sales_sequence = NEW.sequence_id THEN
		state := 'active'; type := p.sales_type; enrolment := p.sales_enrolment; step := p.sales_step;
	ELSIF r.family = 'marketing' AND p.marketing_sequence = NEW.sequence_id THEN
		state := 'active'; type := p.marketing_type; enrolment := p.marketing_enrolment; step := p.marketing_step;
	ELSE
		SELECT k.state, k.sequence_type, k.enrolment_no, k.current_step INTO state, type, enrolment, step
		  FROM kam.cadence k WHERE k.lead_id = NEW.lead_id AND k.sequence_id = NEW.sequence_id ORDER BY k.enrolment_no DESC LIMIT 1;
	END IF;
	NEW.enrolment_no := enrolment;

	IF NEW.compliance_status <> 'clear' THEN
		NEW.event_type := 'suppressed';
		NEW.coordinator_action := 'blocked';
		NEW.suppressed_reason := 'compliance_block';
	ELSIF NEW.sequence_type = 'nurture' AND r.abm_active THEN
		NEW.event_type := 'suppressed';
		NEW.coordinator_action := 'blocked';
		NEW.suppressed_reason := 'abm_active_suppression';
	ELSIF r.family <> 'transactional' AND (due OR (cap >= 0 AND count >= cap)) THEN
		NEW.event_type := 'held';
		NEW.coordinator_action := 'held';
		NEW.suppressed_reason := 'touch_cap_exceeded';
		NEW.release_at := CASE WHEN due THEN at ELSE p.touches[cardinality(p.touches) - cap + 1] + kam._touch_window() END;
		IF NOT p.holding THEN
			UPDATE kam.prospect_state SET holding = true, last_at = at WHERE lead_id = NEW.lead_id;
		END IF;
	ELSIF r.family = 'sales' AND r.tier = 'T3' THEN
		NEW.event_type := 'suppressed';
		NEW.coordinator_action := 'blocked';
		NEW.suppressed_reason := 'routing_error';
		NEW.resolution := 't3_marketing_always';
	ELSIF r.family <> 'transactional' AND state IS DISTINCT FROM 'active' THEN
		NEW.event_type := 'rejected';
		NEW.coordinator_action := 'blocked';
		NEW.suppressed_reason := 'illegal_transition';
		NEW.resolution := 'the enrolment is not active';
	ELSIF r.family <> 'transactional' AND type IS DISTINCT FROM NEW.sequence_type THEN
		NEW.event_type := 'rejected';
		NEW.coordinator_action := 'blocked';
		NEW.suppressed_reason := 'illegal_transition';
		NEW.resolution := 'the sequence is of another type';
	ELSIF (r.family = 'transactional' OR NEW.step <= step) AND
	      EXISTS (SELECT FROM kam.cadenceeventlog e
	               WHERE e.lead_id = NEW.lead_id AND e.sequence_id = NEW.sequence_id AND e.step = NEW.step AND e.event_type = 'touch'
	                 AND e.enrolment_no IS NOT DISTINCT FROM enrolment) THEN
		NEW.event_type := 'rejected';
		NEW.coordinator_action := 'blocked';
		NEW.suppressed_reason := 'illegal_transition';
		NEW.resolution := 'the step was executed before';
	ELSE
		NEW.coordinator_action := 'executed';
		IF r.family <> 'transactional' THEN
			NEW.counted := true;
			NEW.touch_at := at;
			NEW.touch_no := p.touch_no + 1;
			NEW.touch_earliest := p.touches[cardinality(p.touches) - cap + 1] + kam._touch_window();
			UPDATE kam.prospect_state
			   SET last_at = at, touch_no = NEW.touch_no, touches = (p.touches || at)[greatest(1, cardinality(p.touches) - 6):],
			       sales_step = CASE WHEN NEW.family = 'sales' THEN greatest(p.sales_step, NEW.step) ELSE p.sales_step END,
			       marketing_step = CASE WHEN NEW.family = 'marketing' THEN greatest(p.marketing_step, NEW.step) ELSE p.marketing_step END
			 WHERE lead_id = NEW.lead_id;
		END IF;
	END IF;
	RETURN NEW;
END
$$;

CREATE FUNCTION bench.gate_done() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.coordinator_action = 'executed' THEN
		WITH l AS (
			UPDATE kam.leads SET last_touch_at = NEW.event_at,
			       current_step = CASE WHEN active_sequence_id = NEW.sequence_id THEN greatest(current_step, NEW.step) ELSE current_step END
			 WHERE lead_id = NEW.lead_id RETURNING owner_id
		), c AS (
			UPDATE kam.cadence SET current_step = greatest(current_step, NEW.step), last_activity_at = NEW.event_at
			 WHERE lead_id = NEW.lead_id AND sequence_id = NEW.sequence_id AND enrolment_no = NEW.enrolment_no
		)
		INSERT INTO kam.notification (recipient, topic, lead_id, event_id, payload)
		SELECT m.recipient, 'touch', NEW.lead_id, NEW.event_id, coalesce(NEW.payload, '{}')
		  FROM l LEFT JOIN kam.sendrule s ON s.sequence_type = NEW.sequence_type AND s.channel = NEW.channel,
		       LATERAL (SELECT NEW.channel AS recipient WHERE s.mode IN ('auto_send', 'both')
		                UNION ALL
		                SELECT coalesce(l.owner_id, 'AGT-301') WHERE s.mode IN ('notify_rep', 'both') OR s.mode IS NULL) m;
	ELSIF NEW.coordinator_action = 'held' THEN
		INSERT INTO kam.cadencequeue (lead_id, event_id, kind, priority, sequence_id, reason, release_at, queued_at, expires_at)
		VALUES (NEW.lead_id, NEW.event_id, 'held', coalesce((NEW.payload->>'priority')::integer, 0), NEW.sequence_id, NEW.suppressed_reason,
		        NEW.release_at, NEW.event_at, NEW.event_at + make_interval(mins => kam._hold_expiry()));
	ELSIF NEW.coordinator_action = 'blocked' THEN
		INSERT INTO kam.notification (recipient, topic, lead_id, event_id, payload)
		VALUES (coalesce(NEW.originating_agent, CASE WHEN NEW.family = 'marketing' THEN 'AGT-304' ELSE 'AGT-301' END), NEW.suppressed_reason, NEW.lead_id,
		        NEW.event_id, jsonb_build_object('sequence_id', NEW.sequence_id, 'sequence_type', NEW.sequence_type, 'resolution', NEW.resolution));
	END IF;
	RETURN NULL;
END
$$;

CREATE TRIGGER bench_gate BEFORE INSERT ON kam.cadenceeventlog FOR EACH ROW EXECUTE FUNCTION bench.gate();
CREATE TRIGGER bench_gate_done AFTER INSERT ON kam.cadenceeventlog FOR EACH ROW EXECUTE FUNCTION bench.gate_done();
ALTER TABLE kam.cadenceeventlog DISABLE TRIGGER bench_gate, DISABLE TRIGGER bench_gate_done;
