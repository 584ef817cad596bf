-- Where decisions and the Coordinator meet: which lead a contact is, whether anybody may write to it, what others sent it, and what becomes of a
-- decision that a person approved.

-- ---- the lead of a contact --------------------------------------------------------

-- These become part of the query that asks them: no SET, which would keep them out of it.
CREATE FUNCTION _lead_behind(contact_info jsonb, named text) RETURNS TABLE (lead_id text)
	LANGUAGE sql STABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE
		           -- Who was named by the caller is named, known here or not.
		           WHEN _lead_behind.named IS NOT NULL OR l.lead_id IS NOT NULL THEN coalesce(a.canonical_id, n.id)
		           ELSE (SELECT CASE count(DISTINCT coalesce(b.canonical_id, m.lead_id)) WHEN 1 THEN min(coalesce(b.canonical_id, m.lead_id)) END
		                   FROM kam.Leads m
		                   LEFT JOIN kam.lead_alias b ON b.lead_id = m.lead_id
		                  WHERE kam._address(m.email) = kam._address(_lead_behind.contact_info ->> 'email') AND m.email IS NOT NULL)
		       END
		  FROM (SELECT coalesce(_lead_behind.named, nullif(_lead_behind.contact_info ->> 'hubspot_id', '')) AS id) n
		  LEFT JOIN kam.lead_alias a ON a.lead_id = n.id
		  LEFT JOIN kam.Leads l ON l.lead_id = coalesce(a.canonical_id, n.id);
	END;
COMMENT ON FUNCTION _lead_behind(jsonb, text) IS 'The lead that a contact is: the one named, else the one whose key is contact_info.hubspot_id, else the only one with its e-mail address; NULL for none. A merged lead''s winner stands for it.';

CREATE FUNCTION _lead_of(contact jsonb, lead_id text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	SET plan_cache_mode = force_generic_plan
	AS $$
BEGIN
	RETURN (SELECT b.lead_id FROM kam._lead_behind(contact -> 'contact_info', _lead_of.lead_id) b);
END
$$;
COMMENT ON FUNCTION _lead_of(jsonb, text) IS 'The same of one contact.';

-- ---- whether anybody may write ------------------------------------------------------

CREATE FUNCTION _lead_addresses(lead Leads) RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT array_remove(ARRAY[kam._address((_lead_addresses.lead).email), kam._address((_lead_addresses.lead).phone),
			kam._address((_lead_addresses.lead).linkedin_url)], NULL);
	END;
COMMENT ON FUNCTION _lead_addresses(Leads) IS 'The lead''s normalised addresses, the one to suppress first: e-mail, else phone, else profile.';

CREATE FUNCTION _contact_compliance(contact_info jsonb, lead_id text) RETURNS TABLE (status text, source text, about text, since timestamptz)
	LANGUAGE sql STABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT v.status, coalesce(s.source, 'lead_flag'), coalesce(s.kind, 'lead'), s.created_at
		  FROM kam._lead_behind(_contact_compliance.contact_info, _contact_compliance.lead_id) p
		  LEFT JOIN kam.Leads l ON l.lead_id = p.lead_id
		  -- The person's own address before a whole domain, the earliest of several.
		  LEFT JOIN LATERAL (
		      SELECT u.*
		        FROM kam.Suppression u
		       WHERE u.address = ANY (kam._suppression_keys(ARRAY[kam._address(_contact_compliance.contact_info ->> 'email'),
		                 kam._address_domain(_contact_compliance.contact_info ->> 'email'), kam._address(_contact_compliance.contact_info ->> 'phone'),
		                 kam._address(_contact_compliance.contact_info ->> 'linkedin_url')] || CASE WHEN l.lead_id IS NOT NULL THEN kam._lead_addresses(l) END))
		       ORDER BY u.kind = 'domain', u.created_at, u.address
		       LIMIT 1) s ON true
		 CROSS JOIN LATERAL (SELECT CASE WHEN l.unsubscribe_flag THEN 'unsubscribed'
		                                 WHEN l.opt_out_flag THEN 'opted_out'
		                                 WHEN s.address IS NOT NULL THEN 'suppressed' END AS status) v
		 WHERE v.status IS NOT NULL;
	END;
COMMENT ON FUNCTION _contact_compliance(jsonb, text) IS 'What forbids to write to a contact, by its addresses and by the lead''s flags and addresses: status unsubscribed, opted_out, suppressed; source as in Suppression, about (email, domain, phone, linkedin, lead) and since. No row when nothing does.';

CREATE FUNCTION _run_compliance(session_ids uuid[]) RETURNS TABLE (session_id uuid, status text, source text, about text, since timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET plan_cache_mode = force_generic_plan
	-- By key, also when the tables were empty when they were first asked.
	SET enable_seqscan = off
	SET enable_hashjoin = off
	SET enable_mergejoin = off
	AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT r.session_id, c.status, c.source, c.about, c.since
	  FROM kam.request r
	 -- Taken out of the contact, which may be long, once.
	 CROSS JOIN LATERAL (SELECT r.contact -> 'contact_info' AS contact_info OFFSET 0) i
	 CROSS JOIN LATERAL kam._contact_compliance(i.contact_info, r.lead_id) c
	 WHERE r.session_id = ANY (session_ids);
END
$$;
COMMENT ON FUNCTION _run_compliance(uuid[]) IS 'The same of the contacts of runs: a row for each that must not be written to. For the worker.';

CREATE FUNCTION _suppress_decided(session_id uuid, reason text) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	written integer;
BEGIN
	-- Of the contact and of its lead, the address that names them best.  Known already is as good: who asked first, and how, stays.
	INSERT INTO kam.Suppression (address, kind, source, reason, created_by)
	SELECT DISTINCT a.address, kam._address_kind(a.address), 'decision', _suppress_decided.reason, 'kam'
	  FROM kam.request r
	  LEFT JOIN kam.Leads l ON l.lead_id = kam._lead_of(r.contact, r.lead_id)
	 CROSS JOIN LATERAL (VALUES
	           (coalesce(kam._address(r.contact #>> '{contact_info,email}'), kam._address(r.contact #>> '{contact_info,phone}'),
	                     kam._address(r.contact #>> '{contact_info,linkedin_url}'))),
	           (coalesce(kam._address(l.email), kam._address(l.phone), kam._address(l.linkedin_url)))) a (address)
	 WHERE r.session_id = _suppress_decided.session_id AND a.address IS NOT NULL AND kam._address_kind(a.address) <> 'domain'
	 ORDER BY a.address
	ON CONFLICT (address) DO NOTHING;
	GET DIAGNOSTICS written = ROW_COUNT;
	RETURN written;
END
$$;
COMMENT ON FUNCTION _suppress_decided(uuid, text) IS 'Suppresses the contact of a run in which an opt-out in its own words was found: its e-mail address, else phone, else profile, and its lead''s. Returns how many are new.';

-- ---- what others sent ------------------------------------------------------------------

CREATE FUNCTION _touches(lead_id text, as_of timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	SET plan_cache_mode = force_generic_plan
	AS $$
#variable_conflict use_column
DECLARE
	ids text[] := kam._lead_ids(_touches.lead_id);
	activities jsonb;
BEGIN
	SELECT jsonb_agg(jsonb_build_object(
	           'activity_type', CASE WHEN t.family = 'transactional' THEN 'note' ELSE CASE t.channel
	               WHEN 'email' THEN 'email'
	               WHEN 'phone' THEN 'call'
	               WHEN 'call' THEN 'call'
	               WHEN 'linkedin' THEN 'linkedin_message'
	               WHEN 'whatsapp' THEN 'whatsapp_message'
	               ELSE 'note' END END,
	           'recorded_on', to_char(t.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
	           'direction', CASE WHEN t.event_type = 'reply' THEN 'inbound' ELSE 'outbound' END,
	           'metadata', jsonb_strip_nulls(jsonb_build_object(
	               'subject', CASE WHEN jsonb_typeof(t.payload -> 'subject') = 'string' THEN t.payload ->> 'subject' END,
	               'body', CASE WHEN t.event_type = 'reply' AND jsonb_typeof(t.payload -> 'body') = 'string' THEN t.payload ->> 'body'
	                            WHEN jsonb_typeof(t.payload -> 'message') = 'string' THEN t.payload ->> 'message'
	                            WHEN jsonb_typeof(t.payload -> 'content') = 'string' THEN t.payload ->> 'content'
	                            WHEN jsonb_typeof(t.payload -> 'text') = 'string' THEN t.payload ->> 'text' END,
	               -- Another rep; what agents send for the lead's owner is the owner's.
	               'owner', CASE WHEN t.event_type <> 'reply' AND t.family <> 'transactional' AND t.originating_agent !~ '^AGT-'
	                                  AND t.originating_agent IS DISTINCT FROM t.owner_id
	                             THEN coalesce((SELECT r.name FROM kam.Reps r WHERE r.rep_id = t.originating_agent), t.originating_agent) END,
	               'event_id', t.event_id)))
	       ORDER BY t.at, t.event_id)
	  INTO activities
	  FROM (SELECT e.event_id, e.event_type, e.payload, e.originating_agent, l.owner_id,
	               coalesce(e.family, 'sales') AS family,
	               CASE WHEN e.event_type = 'touch' THEN e.event_at ELSE coalesce(e.occurred_at, e.event_at) END AS at,
	               -- An answer came the way it was asked for.
	               CASE WHEN e.event_type = 'reply' THEN coalesce(e.channel, (
	                   SELECT p.channel FROM kam.CadenceEventLog p
	                    WHERE p.lead_id = e.lead_id AND p.event_id < e.event_id AND p.event_type IN ('touch', 'touch_observed')
	                      AND p.sequence_id IS NOT DISTINCT FROM coalesce(e.sequence_id, p.sequence_id)
	                    ORDER BY p.event_id DESC LIMIT 1), 'email') ELSE e.channel END AS channel
	          FROM kam.CadenceEventLog e
	          LEFT JOIN kam.Leads l ON l.lead_id = _touches.lead_id
	         WHERE e.lead_id = ANY (ids)
	           AND e.event_type IN ('touch', 'touch_observed', 'reply')
	           -- What never left is no touch.
	           AND (e.counted OR e.event_type = 'reply' OR e.family = 'transactional' AND NOT EXISTS (
	                   SELECT FROM kam.CadenceEventLog f
	                    WHERE f.lead_id = e.lead_id AND f.event_type = 'send_failed' AND f.parent_event_id = e.event_id))
	           -- kam's own decisions are no news to it.
	           AND (e.event_type = 'reply' OR e.sequence_id IS NULL
	                OR NOT EXISTS (SELECT FROM kam.CadenceEventLog o
	                                WHERE o.lead_id = e.lead_id AND o.idempotency_key = kam._decision_key(e.sequence_id, 1))
	                   AND NOT EXISTS (SELECT FROM kam.request r
	                                    WHERE r.session_id = CASE WHEN e.sequence_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN e.sequence_id::uuid END))
	           AND CASE WHEN e.event_type = 'touch' THEN e.event_at ELSE coalesce(e.occurred_at, e.event_at) END <= _touches.as_of
	         ORDER BY at DESC, e.event_id DESC
	         LIMIT 100) t;
	RETURN activities;
END
$$;
COMMENT ON FUNCTION _touches(text, timestamptz) IS 'The latest 100 touches of a lead that did not come from kam''s own decisions, and its replies, up to a moment, as activities of a contact; NULL for none. A transactional touch is a note: no message that an answer is awaited to.';

CREATE FUNCTION _new_activities(contact jsonb, activities jsonb) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_new_activities';
COMMENT ON FUNCTION _new_activities(jsonb, jsonb) IS 'Those of the activities that the contact does not have: it has none of that type within 60 seconds. None for a contact that cannot be read.';

CREATE FUNCTION _with_touches(contact jsonb, lead_id text, as_of timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	news jsonb;
BEGIN
	IF lead_id IS NOT NULL THEN
		news := kam._new_activities(contact, kam._touches(kam._canonical(lead_id), as_of));
	END IF;
	IF news <> '[]' THEN
		RETURN jsonb_set(contact, '{activities}', (contact -> 'activities') || news);
	END IF;
	RETURN contact;
END
$$;
COMMENT ON FUNCTION _with_touches(jsonb, text, timestamptz) IS 'A contact with the touches of others and the replies that the log has of its lead and the contact has not.';

-- ---- a decision becomes a request ----------------------------------------------------------

CREATE FUNCTION _decision_key(session_id text, round integer) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT 'kam_validate ' || session_id || CASE WHEN round > 1 THEN ' ' || round ELSE '' END;
	END;
COMMENT ON FUNCTION _decision_key(text, integer) IS 'Idempotency key of the activation that a validated decision asks for; each rejection in between starts another round.';

CREATE FUNCTION _time_or_null(written text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN written::timestamptz;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _time_or_null(text) IS 'A time as a decision made elsewhere may have it; NULL for what is none.';

CREATE FUNCTION _decision_steps(decision jsonb, message text) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	starts_at timestamptz := kam._time_or_null(decision #>> '{execution_timing,execute_at}');
	further jsonb;
BEGIN
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
	           'step', p.n + 1, 'day', CASE WHEN p.planned_at >= starts_at THEN floor(EXTRACT(epoch FROM p.planned_at - starts_at) / 86400)::integer END,
	           'channel', lower(p.step ->> 'channel'), 'execute_at', CASE WHEN p.planned_at IS NOT NULL THEN p.step ->> 'planned_date' END,
	           'trigger', p.step ->> 'trigger', 'action_type', p.step ->> 'action_type', 'content_hint', p.step ->> 'content_hint'))
	       ORDER BY p.n)
	  INTO further
	  FROM (SELECT q.step, row_number() OVER (ORDER BY q.place) AS n, kam._time_or_null(q.step ->> 'planned_date') AS planned_at
	          FROM jsonb_path_query(decision, 'lax $.sequence_instructions.sequence_plan[*]') WITH ORDINALITY q (step, place)
	         WHERE jsonb_typeof(q.step) = 'object') p;
	RETURN jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
	           'step', 1, 'day', 0, 'channel', lower(decision ->> 'selected_channel'),
	           'execute_at', CASE WHEN starts_at IS NOT NULL THEN decision #>> '{execution_timing,execute_at}' END,
	           'subject', decision #>> '{selected_content,subject}', 'content', _decision_steps.message,
	           -- Braces in a message are its own.
	           'verbatim', CASE WHEN strpos(concat(_decision_steps.message, decision #>> '{selected_content,subject}'), '{{') > 0 THEN true END)))
	       || coalesce(further, '[]');
END
$$;
COMMENT ON FUNCTION _decision_steps(jsonb, text) IS 'Steps of the sequence that a final_decision amounts to: the message at execute_at, then the sequence_plan.';

CREATE FUNCTION _enact_decision(session_id uuid) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	saved kam.final_decision;
	sequence text := session_id::text;
	person text;
	ids text[];
	round integer := 1;
	asked bigint;
	event_id bigint;
	decision jsonb;
	plan jsonb;
BEGIN
	SELECT d.* INTO saved FROM kam.final_decision d WHERE d.session_id = _enact_decision.session_id;
	-- A decision that was brought along has no run: its contact's key is all there is.
	SELECT kam._lead_of(r.contact, r.lead_id) INTO person FROM kam.request r WHERE r.session_id = _enact_decision.session_id;
	SELECT l.lead_id INTO person
	  FROM kam.Leads l WHERE l.lead_id = CASE WHEN FOUND THEN person ELSE kam._canonical(saved.contact_hubspot_id) END;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;

	-- The round that is open: asked for and not rejected since.  A merge leaves the log where it was written.
	ids := kam._lead_ids(person);
	LOOP
		SELECT e.event_id INTO asked FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids) AND e.idempotency_key = kam._decision_key(sequence, round);
		EXIT WHEN asked IS NULL OR NOT EXISTS (
			SELECT FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids) AND e.idempotency_key = kam._decision_key(sequence, round) || ' rejected');
		round := round + 1;
	END LOOP;

	IF saved.type_of_validation = 'rejected' THEN
		IF asked IS NOT NULL THEN
			PERFORM kam.kam_request(person, 'outbound', 'stop', sequence, NULL, 'AGT-301', NULL,
				jsonb_build_object('reason', 'rejected', 'by', saved.validated_by), kam._decision_key(sequence, round) || ' rejected');
		END IF;
		RETURN NULL;
	END IF;
	IF saved.action NOT IN ('send_message', 'break_up') THEN
		RETURN NULL;
	END IF;

	decision := coalesce(saved.decision -> 'final_decision', saved.decision);
	plan := kam._decision_steps(decision,
		CASE saved.type_of_validation WHEN 'edited' THEN saved.edited_message ELSE decision #>> '{selected_content,message}' END);
	IF asked IS NOT NULL THEN
		-- Asked for already: what has not gone out yet goes out as it reads now.
		PERFORM FROM kam.Leads l WHERE l.lead_id = person FOR NO KEY UPDATE;
		PERFORM kam._withdraw_step(person, sequence, plan);
		UPDATE kam.Cadence c SET steps = plan
		 WHERE c.lead_id = person AND c.sequence_id = sequence AND c.state <> 'finished' AND c.current_step IS NULL;
		RETURN asked;
	END IF;
	SELECT e.event_id INTO event_id
	  FROM kam.kam_request(person, 'outbound', 'activation', sequence, lower(saved.selected_channel), 'AGT-301', NULL,
	           jsonb_build_object('sequence_type', 'outbound', 'steps', plan, 'session_id', sequence, 'validated_by', saved.validated_by),
	           kam._decision_key(sequence, round)) e;
	RETURN event_id;
END
$$;
COMMENT ON FUNCTION _enact_decision(uuid) IS 'Asks the Coordinator for what a validated decision amounts to, once per validation that was not rejected: a sequence of type outbound under the session''s id. Returns the activation''s event_id; NULL when there is nothing to ask or nobody to ask for.';

CREATE FUNCTION _gate_verdicts(session_id uuid, lead_id text, OUT events jsonb, OUT now jsonb) RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	sequence text := _gate_verdicts.session_id::text;
	asking text;
BEGIN
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
	           'event_id', e.event_id, 'event', e.event_type, 'requested', nullif(e.requested_event_type, e.event_type), 'step', e.step,
	           'channel', e.channel, 'action', e.coordinator_action, 'reason', e.suppressed_reason, 'resolution', e.resolution,
	           'compliance_status', e.compliance_status, 'at', e.event_at, 'release_at', coalesce(q.release_at, e.release_at),
	           'waiting', nullif(q.state = 'waiting', false), 'parent_event_id', e.parent_event_id)) ORDER BY e.event_id)
	  INTO events
	  FROM kam.CadenceEventLog e
	  LEFT JOIN kam.CadenceQueue q ON (q.lead_id, q.event_id) = (e.lead_id, e.event_id)
	 WHERE e.lead_id = ANY (kam._lead_ids(_gate_verdicts.lead_id)) AND e.sequence_id = sequence;
	events := coalesce(events, '[]');

	IF EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = _gate_verdicts.lead_id) THEN
		asking := CASE WHEN EXISTS (SELECT FROM kam.Cadence c WHERE c.lead_id = _gate_verdicts.lead_id AND c.sequence_id = sequence AND c.state = 'active')
		               THEN 'touch' ELSE 'activation' END;
		SELECT jsonb_build_object('lead_id', _gate_verdicts.lead_id, 'event_type', asking) || jsonb_strip_nulls(to_jsonb(g)) INTO now
		  FROM kam.kam_gate(_gate_verdicts.lead_id, 'outbound', asking, sequence) g;
	END IF;
END
$$;
COMMENT ON FUNCTION _gate_verdicts(uuid, text) IS 'What the Coordinator said to a decision''s sequence (rows of the log), and what it would say now. For kam_explain.';
