-- People's rights: what they agreed to, what kam holds of them, forgetting them.

-- ---- consent ---------------------------------------------------------------------------

CREATE FUNCTION _consent_purposes(purpose text) RETURNS text[]
	LANGUAGE sql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT array_remove(ARRAY['*', (SELECT t.family FROM kam.sequence_type t WHERE t.sequence_type = _consent_purposes.purpose), _consent_purposes.purpose], NULL);
	END;
COMMENT ON FUNCTION _consent_purposes(text) IS 'The purposes that cover one: itself, its family when it is a sequence type, "*".';

CREATE FUNCTION _consent_in_force(lead_id text, sequence_type text, channel text, at timestamptz) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		WITH said AS MATERIALIZED (
			SELECT c.*
			  FROM kam.consent c
			 WHERE c.lead_id = ANY (kam._lead_ids(kam._canonical(_consent_in_force.lead_id)))
			   AND c.purpose = ANY (kam._consent_purposes(_consent_in_force.sequence_type))
			   AND c.channel IN ('*', lower(_consent_in_force.channel))
			   AND c.given_at <= _consent_in_force.at
		)
		SELECT EXISTS (
			SELECT FROM said g
			 WHERE g.state = 'granted' AND g.basis = 'consent' AND (g.expires_at > _consent_in_force.at OR g.expires_at IS NULL)
			   AND (g.address IS NULL OR EXISTS (
			        SELECT FROM kam.Leads l
			         WHERE l.lead_id = kam._canonical(_consent_in_force.lead_id) AND g.address = ANY (kam._lead_addresses(l))))
			   AND NOT EXISTS (SELECT FROM said w WHERE w.state = 'withdrawn' AND (w.given_at, w.consent_id) > (g.given_at, g.consent_id)));
	END;
COMMENT ON FUNCTION _consent_in_force(text, text, text, timestamptz) IS 'Whether the lead, or one that was merged into it, has consented (basis consent) to messages of this type through this channel at this moment: a grant that covers both, given by then, not expired, for an address that the lead still has, and not followed by a withdrawal that covers both. For the last look before a message of a rule with requires_consent leaves.';

CREATE FUNCTION _check_consent(lead_id text, purpose text, channel text, source text, evidence jsonb, given_at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._lock_lead(_check_consent.lead_id);
BEGIN
	IF canonical IS NULL THEN
		PERFORM kam._unknown_lead(_check_consent.lead_id);
	END IF;
	IF _check_consent.purpose IS NULL OR _check_consent.purpose NOT IN ('*', 'sales', 'marketing', 'transactional')
	   AND NOT EXISTS (SELECT FROM kam.sequence_type t WHERE t.sequence_type = _check_consent.purpose) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not a purpose: %s', coalesce(quote_literal(_check_consent.purpose), 'NULL')),
			HINT = 'It is a sequence type, a family (sales, marketing, transactional), or "*" for all.';
	END IF;
	IF coalesce(btrim(_check_consent.channel), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not a channel: %s', coalesce(quote_literal(_check_consent.channel), 'NULL')),
			HINT = 'For example email, phone, or "*" for all.';
	END IF;
	IF coalesce(btrim(_check_consent.source), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not a source: %s', coalesce(quote_literal(_check_consent.source), 'NULL')),
			HINT = 'Say where it comes from, for example web_form.';
	END IF;
	IF jsonb_typeof(_check_consent.evidence) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'evidence must be an object',
			HINT = 'For example {"form": "newsletter", "wording": "…", "ip": "…"}.';
	END IF;
	IF _check_consent.given_at > kam._now() OR NOT isfinite(_check_consent.given_at) THEN
		RAISE EXCEPTION USING ERRCODE = 'datetime_field_overflow',
			MESSAGE = format('given_at %s is not a moment of the past', _check_consent.given_at),
			HINT = 'It is when the person said so; leave it out for now.';
	END IF;
	RETURN canonical;
END
$$;
COMMENT ON FUNCTION _check_consent(text, text, text, text, jsonb, timestamptz) IS 'Refuses what the ledger cannot take (22023, unknown lead 23503, a time to come 22008); locks the lead, or the one that stands for it, and returns which.';

CREATE FUNCTION kam_record_consent(lead_id text, purpose text, channel text, basis text, source text, evidence jsonb DEFAULT NULL,
		given_at timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL, address text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._check_consent(kam_record_consent.lead_id, kam_record_consent.purpose, kam_record_consent.channel,
		kam_record_consent.source, kam_record_consent.evidence, kam_record_consent.given_at);
	given timestamptz := coalesce(kam_record_consent.given_at, kam._now());
	made bigint;
BEGIN
	IF kam_record_consent.basis IS NULL OR kam_record_consent.basis
	   NOT IN ('consent', 'contract', 'legal_obligation', 'vital_interests', 'public_task', 'legitimate_interest') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not a basis: %s', coalesce(quote_literal(kam_record_consent.basis), 'NULL')),
			HINT = 'It is one of consent, contract, legal_obligation, vital_interests, public_task, legitimate_interest.';
	END IF;
	IF kam_record_consent.address IS NOT NULL AND coalesce(kam._address_kind(kam_record_consent.address), 'domain') = 'domain' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('not an address: %L', kam_record_consent.address),
			HINT = 'Give an e-mail address, a phone number with its country code, or a LinkedIn profile; leave it out for whatever the lead has.';
	END IF;
	IF kam_record_consent.expires_at <= given THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('it would expire %s, before it was given %s', kam_record_consent.expires_at, given);
	END IF;
	INSERT INTO kam.consent (lead_id, state, purpose, channel, basis, address, source, evidence, given_at, expires_at)
	VALUES (canonical, 'granted', kam_record_consent.purpose, lower(btrim(kam_record_consent.channel)), kam_record_consent.basis,
		kam._address(kam_record_consent.address), btrim(kam_record_consent.source), kam_record_consent.evidence, given, kam_record_consent.expires_at)
	RETURNING consent_id INTO made;
	RETURN made;
END
$$;
COMMENT ON FUNCTION kam_record_consent(text, text, text, text, text, jsonb, timestamptz, timestamptz, text) IS 'Records in the ledger on what contacting a person rests, and returns the consent_id. purpose: a sequence type, a family (sales, marketing, transactional) or "*"; channel: "*" for all; basis: consent, contract, legal_obligation, vital_interests, public_task or legitimate_interest (GDPR Art. 6); evidence: an object that proves it; given_at: now when left out; expires_at: in force until before then; address: only for this address. It lifts no unsubscribe, opt-out or suppression. Errors: unknown lead 23503, what the ledger cannot take 22023, a given_at to come 22008. Example: SELECT kam.kam_record_consent(''lead-1'', ''newsletter'', ''email'', ''consent'', ''web_form'', ''{"form": "footer"}'', expires_at => now() + interval ''2 years'');';

CREATE FUNCTION kam_withdraw_consent(lead_id text, source text, purpose text DEFAULT '*', channel text DEFAULT '*', evidence jsonb DEFAULT NULL,
		given_at timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._check_consent(kam_withdraw_consent.lead_id, kam_withdraw_consent.purpose, kam_withdraw_consent.channel,
		kam_withdraw_consent.source, kam_withdraw_consent.evidence, kam_withdraw_consent.given_at);
	what text := lower(btrim(kam_withdraw_consent.channel));
	made bigint;
BEGIN
	INSERT INTO kam.consent (lead_id, state, purpose, channel, source, evidence, given_at)
	VALUES (canonical, 'withdrawn', kam_withdraw_consent.purpose, what, btrim(kam_withdraw_consent.source), kam_withdraw_consent.evidence,
		coalesce(kam_withdraw_consent.given_at, kam._now()))
	RETURNING consent_id INTO made;
	-- Everything through every channel: the fact has the effects, as if the person had unsubscribed.
	IF kam_withdraw_consent.purpose = '*' AND what = '*'
	   AND EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = canonical AND NOT l.unsubscribe_flag) THEN
		INSERT INTO kam.CadenceEventLog (lead_id, event_type, originating_agent, payload)
		VALUES (canonical, 'unsubscribe', session_user, jsonb_build_object('consent_id', made, 'source', btrim(kam_withdraw_consent.source)));
	END IF;
	RETURN made;
END
$$;
COMMENT ON FUNCTION kam_withdraw_consent(text, text, text, text, jsonb, timestamptz) IS 'Records that a person took consent back, and returns the consent_id. For everything ("*" and "*", as by default) it is an unsubscribe: flag, suppression, sequences and holds in the same transaction. Narrower, it ends what it covers: rules with requires_consent send nothing more of that purpose and channel by themselves; a later grant counts again. Errors as kam_record_consent. Example: SELECT kam.kam_withdraw_consent(''lead-1'', ''preference_page'', ''newsletter'', ''email'');';

CREATE VIEW kam_consent AS
SELECT kam._canonical(g.lead_id) AS lead_id, g.purpose, g.channel, g.basis, g.address, g.source, g.given_at, g.expires_at, g.consent_id,
       ARRAY(SELECT DISTINCT w.purpose || '/' || w.channel
               FROM kam.consent w
              WHERE w.lead_id = ANY (i.ids) AND w.state = 'withdrawn' AND (w.given_at, w.consent_id) > (g.given_at, g.consent_id)
                AND (g.purpose = ANY (kam._consent_purposes(w.purpose)) OR w.purpose = ANY (kam._consent_purposes(g.purpose)))
                AND (w.channel = g.channel OR '*' IN (w.channel, g.channel))
              ORDER BY 1) AS exceptions
  FROM kam.consent g
 CROSS JOIN LATERAL (SELECT kam._lead_ids(kam._canonical(g.lead_id)) AS ids OFFSET 0) i
 WHERE g.state = 'granted' AND g.given_at <= kam._now() AND (g.expires_at > kam._now() OR g.expires_at IS NULL)
   AND (g.address IS NULL OR EXISTS (
        SELECT FROM kam.Leads l WHERE l.lead_id = kam._canonical(g.lead_id) AND g.address = ANY (kam._lead_addresses(l))))
   AND NOT EXISTS (
        SELECT FROM kam.consent w
         WHERE w.lead_id = ANY (i.ids) AND w.state = 'withdrawn' AND (w.given_at, w.consent_id) > (g.given_at, g.consent_id)
           AND w.purpose = ANY (kam._consent_purposes(g.purpose)) AND w.channel IN ('*', g.channel));
COMMENT ON VIEW kam_consent IS 'What is in force of each lead now: grants that have not expired nor been withdrawn as a whole. exceptions: what was withdrawn of it since, as purpose/channel.';

-- ---- who a person is --------------------------------------------------------------------

CREATE FUNCTION _shared_address(address text, lead_ids text[]) RETURNS boolean
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	RETURN CASE kam._address_kind(address)
		-- A switchboard's number is its company's.
		WHEN 'phone' THEN EXISTS (SELECT FROM kam._leads_with_address(address, 'phone', '', cardinality(lead_ids) + 1) w WHERE w.lead_id <> ALL (lead_ids))
		ELSE (SELECT count(*) > 10 FROM kam._leads_with_address(address, kam._address_kind(address), '', 11)) END;
COMMENT ON FUNCTION _shared_address(text, text[]) IS 'Whether an address names no one person: a phone number that leads besides these have, an e-mail address or profile of more than ten leads.';

CREATE FUNCTION _person(person text, OUT lead_ids text[], OUT session_ids uuid[], OUT addresses text[])
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	plain CONSTANT text := kam._address(person);
	canonical CONSTANT text := kam._canonical(person);
	one text;
BEGIN
	IF coalesce(btrim(person), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'person must not be empty',
			HINT = 'Give a lead_id, an e-mail address, a phone number with its country code, or a LinkedIn profile.';
	END IF;
	addresses := '{}';
	lead_ids := '{}';
	-- The id of a lead goes before an address that looks the same: many are nothing but digits.
	IF EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = canonical) OR EXISTS (SELECT FROM kam.CadenceEventLog e WHERE e.lead_id = canonical)
	   OR EXISTS (SELECT FROM kam.request r WHERE r.lead_id = canonical) OR EXISTS (SELECT FROM kam.consent c WHERE c.lead_id = canonical)
	   OR EXISTS (SELECT FROM kam.lead_alias a WHERE a.canonical_id = canonical) THEN
		lead_ids := kam._lead_ids(canonical);
	ELSIF kam._address_kind(person) = 'domain' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('a domain is not a person: %s', plain),
			HINT = 'Give a lead_id, an e-mail address, a phone number with its country code, or a LinkedIn profile.';
	ELSIF plain IS NOT NULL THEN
		lead_ids := ARRAY(
			SELECT DISTINCT i.id
			  FROM (SELECT w.lead_id FROM kam._leads_with_address(plain, kam._address_kind(plain), '', 11) w
			        UNION ALL SELECT c.lead_id FROM kam.consent c WHERE c.address = plain
			        UNION ALL SELECT m.loser FROM kam.lead_merge m
			                   WHERE m.undone_at IS NULL AND plain = ANY (kam._lead_addresses(jsonb_populate_record(NULL::kam.Leads, m.before -> 'loser')))) f
			 CROSS JOIN LATERAL unnest(kam._lead_ids(kam._canonical(f.lead_id))) i (id)
			 ORDER BY 1);
		IF kam._shared_address(plain, lead_ids)
		   OR (SELECT count(DISTINCT kam._address(l.email)) > 1 FROM kam.Leads l WHERE kam._address_kind(plain) = 'phone' AND l.lead_id = ANY (lead_ids) AND l.merged_into IS NULL) THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('several people have the address %s', plain),
				DETAIL = format('Leads with it: %s%s.', array_to_string(lead_ids[:10], ', '), CASE WHEN cardinality(lead_ids) > 10 THEN ', …' ELSE '' END),
				HINT = 'Give the lead_id of one.';
		END IF;
		addresses := ARRAY[plain];
	END IF;

	-- Whoever has their e-mail address or profile is the same person.
	FOR one IN SELECT DISTINCT a.address FROM kam.Leads l CROSS JOIN LATERAL unnest(kam._lead_addresses(l)) a (address)
	            WHERE l.lead_id = ANY (lead_ids) AND kam._address_kind(a.address) <> 'phone'
	LOOP
		CONTINUE WHEN kam._shared_address(one, lead_ids);
		lead_ids := lead_ids || ARRAY(
			SELECT i.id FROM kam._leads_with_address(one, kam._address_kind(one), '', 11) w CROSS JOIN LATERAL unnest(kam._lead_ids(kam._canonical(w.lead_id))) i (id));
	END LOOP;
	lead_ids := ARRAY(SELECT DISTINCT u.id FROM unnest(lead_ids) u (id) ORDER BY u.id);
	addresses := ARRAY(
		SELECT DISTINCT a.address
		  FROM (SELECT unnest(addresses)
		        UNION ALL SELECT unnest(kam._lead_addresses(l)) FROM kam.Leads l WHERE l.lead_id = ANY (lead_ids)
		        UNION ALL SELECT c.address FROM kam.consent c WHERE c.lead_id = ANY (lead_ids) AND c.address IS NOT NULL
		        UNION ALL SELECT unnest(kam._lead_addresses(jsonb_populate_record(NULL::kam.Leads, m.before -> 'loser'))) FROM kam.lead_merge m WHERE m.loser = ANY (lead_ids)) a (address)
		 WHERE a.address IS NOT NULL AND NOT kam._shared_address(a.address, lead_ids)
		 ORDER BY 1);

	session_ids := ARRAY(
		SELECT r.session_id
		  FROM kam.request r
		 CROSS JOIN LATERAL (SELECT r.contact -> 'contact_info' AS contact_info OFFSET 0) i
		 WHERE r.lead_id = ANY (lead_ids) OR i.contact_info ->> 'hubspot_id' = ANY (lead_ids) OR kam._address(i.contact_info ->> 'email') = ANY (addresses)
		    OR kam._address(i.contact_info ->> 'phone') = ANY (addresses) OR kam._address(i.contact_info ->> 'linkedin_url') = ANY (addresses)
		UNION
		SELECT d.session_id FROM kam.final_decision d
		 WHERE d.contact_hubspot_id = ANY (lead_ids) OR kam._address(d.linkedin_url) = ANY (addresses)
		ORDER BY 1);
	session_ids := ARRAY(
		SELECT unnest(session_ids) UNION SELECT r.session_id FROM kam.request r WHERE r.replay_of = ANY (session_ids) ORDER BY 1);
	-- What the contact of a run says besides.
	addresses := ARRAY(
		SELECT unnest(addresses)
		UNION
		SELECT a.address
		  FROM kam.request r
		 CROSS JOIN LATERAL unnest(ARRAY['email', 'phone', 'linkedin_url']) k (key)
		 CROSS JOIN LATERAL (SELECT kam._address(r.contact #>> ARRAY['contact_info', k.key]) AS address OFFSET 0) a
		 WHERE r.session_id = ANY (session_ids) AND kam._address_kind(a.address) <> 'domain' AND NOT kam._shared_address(a.address, lead_ids)
		ORDER BY 1);
END
$$;
COMMENT ON FUNCTION _person(text) IS 'What of kam is a person''s: the leads with this id or address, merged ones and others with the same e-mail address or profile too; the runs about them, or whose contact has such an address; the addresses. An address that several people share is none of theirs (22023 when it is all that was given, as for a domain). Empty arrays for nobody.';

-- ---- what is held, and what becomes of it -------------------------------------------------

CREATE FUNCTION _personal_data() RETURNS TABLE (relation text, finds text, scrubs jsonb, keeps text[])
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	VALUES
		-- Leads first: what its triggers note of the change is emptied after it.
		('leads', 't.lead_id = ANY ($1)',
			'{"full_name": "NULL", "job_title": "NULL", "email": "NULL", "phone": "NULL", "linkedin_url": "NULL", "time_zone": "NULL", "attributes": "''{}''",
			  "opt_out_flag": "true", "erased_at": "coalesce(t.erased_at, kam._now())"}'::jsonb,
			'{lead_id,account_id,owner_id,icp_tier,cadence_state,active_sequence_id,merged_into}'::text[]),
		('lead_alias', 't.lead_id = ANY ($1) OR t.canonical_id = ANY ($1)', '{}', '{lead_id,canonical_id}'),
		-- Enough is left for kam_unmerge_leads.
		('lead_merge', 't.loser = ANY ($1) OR t.winner = ANY ($1)',
			'{"before": "jsonb_build_object(''loser'', ''{\"unsubscribe_flag\": true, \"opt_out_flag\": true}''::jsonb, ''winner'', ''{\"unsubscribe_flag\": true, \"opt_out_flag\": true}''::jsonb, ''aliases'', t.before -> ''aliases'', ''asked'', t.before -> ''asked'', ''enrolments'', ''[]''::jsonb, ''holds'', ''[]''::jsonb)"}',
			'{loser,winner,merged_by}'),
		('prospect_state', 't.lead_id = ANY ($1)', '{}',
			'{lead_id,sales_sequence,sales_type,sales_play,sales_proposal,marketing_sequence,marketing_type,marketing_play,marketing_proposal}'),
		('cadence', 't.lead_id = ANY ($1)', '{"steps": "''[]''"}',
			'{lead_id,sequence_id,sequence_type,family,originating_agent,state,paused_reason,end_reason,play_id,originating_proposal_id,step_note}'),
		('cadenceeventlog', 't.lead_id = ANY ($1)', '{"payload": "NULL", "idempotency_key": "NULL"}',
			'{lead_id,sequence_id,sequence_type,event_type,requested_event_type,channel,originating_agent,coordinator_action,resolution,suppressed_reason,compliance_status,play_id,originating_proposal_id,family}'),
		('cadencequeue', 't.lead_id = ANY ($1)', '{}', '{lead_id,kind,sequence_id,reason,state,end_reason}'),
		('cadenceflag', 't.lead_id = ANY ($1)', '{"detail": "''{}''", "closed_at": "coalesce(t.closed_at, kam._now())"}', '{kind,lead_id,rep_id,sequence_id}'),
		('consent', 't.lead_id = ANY ($1)', '{"address": "NULL", "evidence": "NULL"}', '{lead_id,state,purpose,channel,basis,source,recorded_by}'),
		('suppression', 't.address = ANY (kam._suppression_keys($3))',
			'{"address": "CASE WHEN t.address LIKE ''sha256:%'' THEN t.address ELSE (kam._suppression_keys(ARRAY[t.address]))[2] END", "source": "''erasure''", "reason": "NULL",
			  "settled_at": "coalesce(t.settled_at, kam._now())"}',
			'{kind,created_by,settled_upto}'),
		('erasure', 't.lead_ids && $1', '{}', '{erased_by,reason,lead_ids,rows}'),

		('abmplaybook', 't.lead_id = ANY ($1)', '{"steps": "''[]''", "attributes": "''{}''", "state": "CASE t.state WHEN ''draft'' THEN t.state ELSE ''ended'' END"}',
			'{playbook_id,account_id,lead_id,sequence_type,play_id,originating_proposal_id}'),
		('commbrieflog', 't.lead_id = ANY ($1)', '{"body": "''{}''"}', '{brief_id,account_id,lead_id,play_id,originating_proposal_id}'),
		('nurturerecommendations', 't.lead_id = ANY ($1)', '{"body": "''{}''"}',
			'{recommendation_id,account_id,lead_id,suppressed_reason,play_id,originating_proposal_id}'),
		('opportunities', 't.lead_id = ANY ($1)', '{"name": "NULL"}',
			'{opportunity_id,account_id,lead_id,stage,status,currency,play_id,originating_proposal_id}'),

		-- The owner stays: costs are told by owner.
		('request', 't.session_id = ANY ($2)',
			'{"contact": "jsonb_build_object(''contact_info'', jsonb_strip_nulls(jsonb_build_object(''owner'', t.contact #> ''{contact_info,owner}'')), ''activities'', ''[]''::jsonb)",
			  "options": "t.options - ''idempotency_key''", "error": "CASE WHEN t.error IS NOT NULL THEN ''erased'' END"}',
			'{lead_id,status,sqlstate,prompts,settings}'),
		('agent_call', 't.session_id = ANY ($2)',
			'{"response": "NULL", "output": "CASE WHEN t.output IS NOT NULL THEN ''{}''::jsonb END", "error": "NULL", "request_sha256": "NULL"}',
			'{agent,provider,model,status,provider_request_id,stop_reason,error_class}'),
		('final_decision', 't.session_id = ANY ($2)',
			'{"decision": "kam._erased_decision(t.decision)", "linkedin_url": "NULL", "user_slack_message": "NULL", "edited_message": "NULL", "guard": "''{}''"}',
			'{action,selected_channel,contact_hubspot_id,owner_name,type_of_validation,validated_by}'),
		('replay_decision', 't.session_id = ANY ($2)',
			'{"decision": "kam._erased_decision(t.decision)", "guard": "''{}''", "synthesis": "NULL", "criteria": "CASE WHEN t.criteria IS NOT NULL THEN ''[]''::jsonb END"}',
			'{action,selected_channel,verdict}'),
		('n8n_orchestrator_synthesis', 't.session_id = ANY ($2)',
			'{"output": "NULL", "final_decision": "kam._erased_decision(t.final_decision)"}', '{}'),
		('decision_evaluation', 't.session_id = ANY ($2)', '{"criteria": "''[]''"}', '{verdict}'),
		('workflow_run', 't.session_id = ANY ($2)', '{}', '{status,timings}'),
		('notification', 't.session_id = ANY ($2) OR t.lead_id = ANY ($1)',
			'{"payload": "''{}''", "last_error": "NULL", "status": "CASE WHEN t.status IN (''pending'', ''failed'', ''parked'') THEN ''dead'' ELSE t.status END",
			  "next_attempt_at": "CASE WHEN t.status IN (''pending'', ''failed'', ''parked'') THEN ''infinity'' ELSE t.next_attempt_at END"}',
			'{recipient,topic,lead_id,endpoint,acknowledged_by}'),
		('sent_message', 't.lead_id = ANY ($1)', NULL, '{}'),
		('unsubscribe_token', 't.lead_id = ANY ($1)', NULL, '{}'),

		-- Notes of what is to be done: there is nothing left to do.
		('_change', 't.session_id = ANY ($2)', NULL, '{}'),
		('_play_candidate', 't.lead_id = ANY ($1)', NULL, '{}'),
		('_tick_failure', 't.lead_id = ANY ($1) OR t.lead_id = ANY ($3)', NULL, '{}'),
		('_intelligence_late', 't.lead_id = ANY ($1)', '{}', '{lead_id}')
	$$;
COMMENT ON FUNCTION _personal_data() IS 'Every table that holds something of people. finds: which rows t are a person''s, by the leads $1, runs $2 and addresses $3 of _person. scrubs: what kam_erase_person sets each personal column to; NULL: it deletes the rows. keeps: the other columns of text or jsonb, which name nobody. A table with a lead or run that is not in here fails the tests.';

CREATE FUNCTION _erased_decision(decision jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT jsonb_build_object('final_decision', jsonb_strip_nulls(jsonb_build_object('action', d.said -> 'action', 'selected_channel', d.said -> 'selected_channel',
		           'rationale', jsonb_build_object('opportunity_strength', CASE jsonb_typeof(d.said #> '{rationale,opportunity_strength}')
		               WHEN 'number' THEN d.said #> '{rationale,opportunity_strength}' END))))
		  FROM (SELECT coalesce(_erased_decision.decision -> 'final_decision', _erased_decision.decision) AS said) d;
	END;
COMMENT ON FUNCTION _erased_decision(jsonb) IS 'What stays of a decision about somebody who was erased, for counting: action, channel, opportunity_strength.';

CREATE FUNCTION kam_export_person(person text) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET timezone = 'UTC'
	AS $$
#variable_conflict use_column
DECLARE
	who record;
	held record;
	rows jsonb;
	data jsonb := '{}';
	found boolean := false;
BEGIN
	SELECT p.* INTO who FROM kam._person(kam_export_person.person) p;
	FOR held IN SELECT d.* FROM kam._personal_data() d LOOP
		EXECUTE format('SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t), ''[]'') FROM kam.%I t WHERE %s', held.relation, held.finds)
		   INTO rows USING who.lead_ids, who.session_ids, who.addresses;
		data := data || jsonb_build_object(held.relation, rows);
		found := found OR rows <> '[]';
	END LOOP;
	RETURN jsonb_build_object('person', kam_export_person.person, 'as_of', kam._now(), 'found', found, 'lead_ids', to_jsonb(who.lead_ids),
		'session_ids', to_jsonb(who.session_ids), 'addresses', to_jsonb(who.addresses), 'data', data);
END
$$;
COMMENT ON FUNCTION kam_export_person(text) IS 'Everything that kam holds of a person, for an access request (GDPR Art. 15, 20). person: a lead_id, e-mail address, phone number or LinkedIn profile; leads merged with theirs, others with the same e-mail address or profile, and runs whose contact has such an address are theirs too. {"person", "as_of", "found", "lead_ids", "session_ids", "addresses", "data": {table: [row, …]}}: every table that may hold something is there, rows with their columns'' names, times ISO 8601 in UTC. found is false when nothing is held. A domain, or an address that several people share: 22023. Reads all of request: seconds where it is large. Example: SELECT jsonb_pretty(kam.kam_export_person(''jane@acme.com''));';

-- ---- forgetting -----------------------------------------------------------------------------

CREATE FUNCTION _lead_erased() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	NEW.full_name := NULL;
	NEW.job_title := NULL;
	NEW.email := NULL;
	NEW.phone := NULL;
	NEW.linkedin_url := NULL;
	NEW.time_zone := NULL;
	NEW.attributes := '{}';
	NEW.opt_out_flag := true;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _lead_erased() IS 'Row trigger on Leads: a sync that still knows a person who was erased does not write them back, nor clears the opt-out. Setting erased_at to NULL, alone, makes the row an ordinary lead again.';
CREATE TRIGGER _lead_erased BEFORE UPDATE OF full_name, job_title, email, phone, linkedin_url, time_zone, attributes, opt_out_flag ON Leads FOR EACH ROW
	WHEN (OLD.erased_at IS NOT NULL) EXECUTE FUNCTION _lead_erased();

CREATE FUNCTION kam_erase_person(person text, reason text DEFAULT NULL) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	at CONSTANT timestamptz := kam._now();
	who record;
	again record;
	one record;
	done bigint;
	cancelled integer := 0;
	ended bigint;
	holds bigint;
	suppressed bigint := 0;
	counts jsonb := '{}';
	made bigint;
	naming text[];
	known boolean;
BEGIN
	-- What commits while it waits for a lock must be seen, to be erased too.
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = 'kam_erase_person needs the isolation level READ COMMITTED',
			HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED, or call it outside a transaction.';
	END IF;

	-- Runs before leads, as kam_validate locks them.  A run that ends while we wait may have begun another.
	LOOP
		SELECT p.* INTO who FROM kam._person(kam_erase_person.person) p;
		PERFORM FROM kam.request r WHERE r.session_id = ANY (who.session_ids) ORDER BY r.session_id FOR NO KEY UPDATE;
		PERFORM FROM kam.final_decision d WHERE d.session_id = ANY (who.session_ids) ORDER BY d.session_id FOR NO KEY UPDATE;
		SELECT count(*) FILTER (WHERE kam.kam_cancel(u.session_id)) INTO done
		  FROM (SELECT r.session_id FROM kam.request r
		         WHERE r.session_id = ANY (who.session_ids) AND (r.finished_at IS NULL OR r.rerun_at IS NOT NULL) ORDER BY r.session_id OFFSET 0) u;
		cancelled := cancelled + done;
		SELECT p.* INTO again FROM kam._person(kam_erase_person.person) p;
		EXIT WHEN done = 0 AND again = who;
	END LOOP;
	LOOP
		PERFORM FROM kam.Leads l WHERE l.lead_id = ANY (who.lead_ids) ORDER BY l.lead_id FOR NO KEY UPDATE;
		SELECT p.* INTO again FROM kam._person(kam_erase_person.person) p;
		EXIT WHEN again = who;
		who := again;
	END LOOP;

	-- Of whom nothing is held nothing is written down either.
	known := who.lead_ids <> '{}' OR who.session_ids <> '{}'
		OR EXISTS (SELECT FROM kam.Suppression s WHERE s.address = ANY (kam._suppression_keys(who.addresses)));
	IF NOT known THEN
		who.addresses := '{}';
	END IF;

	-- The person wants no contact: sequences end, holds are cancelled, as by an opt-out.
	SELECT count(*) INTO ended FROM kam.Cadence c WHERE c.lead_id = ANY (who.lead_ids) AND c.state <> 'finished';
	SELECT count(*) INTO holds FROM kam.CadenceQueue q WHERE q.lead_id = ANY (who.lead_ids) AND q.state = 'waiting';
	-- The flag follows with the addresses: set before, it would suppress one that others share.
	PERFORM kam._stop_lead(l.lead_id, 'opted_out', at)
	   FROM (SELECT o.lead_id FROM kam.Leads o WHERE o.lead_id = ANY (who.lead_ids) ORDER BY o.lead_id OFFSET 0) l;
	INSERT INTO kam.consent (lead_id, state, purpose, channel, source, given_at)
	SELECT DISTINCT b.lead_id, 'withdrawn', '*', '*', 'erasure', at FROM kam_consent b WHERE b.lead_id = ANY (who.lead_ids);

	-- What stays to know the person by.
	IF cardinality(who.addresses) > 0 THEN
		INSERT INTO kam._erasure_salt (salt)
		SELECT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
		ON CONFLICT DO NOTHING;
		SELECT count(*) INTO suppressed FROM unnest(who.addresses) a (address)
		 WHERE NOT EXISTS (SELECT FROM kam.Suppression s WHERE s.address = (kam._suppression_keys(ARRAY[a.address]))[2]);
		-- An address that is known by its hash is not written (_suppression_normal).
		INSERT INTO kam.Suppression (address, kind, source)
		SELECT a.address, kam._address_kind(a.address), 'erasure' FROM unnest(who.addresses) a (address) ORDER BY a.address
		ON CONFLICT (address) DO NOTHING;
	END IF;

	FOR one IN
		SELECT d.relation,
		       CASE WHEN d.scrubs IS NULL THEN format('DELETE FROM kam.%I t WHERE %s', d.relation, d.finds)
		            ELSE format('UPDATE kam.%I t SET %s WHERE (%s) AND (%s)', d.relation, s.sets, d.finds, s.differs) END AS statement
		  FROM kam._personal_data() WITH ORDINALITY d
		 CROSS JOIN LATERAL (SELECT string_agg(format('%I = %s', c.key, c.value), ', ') AS sets,
		                            string_agg(format('t.%I IS DISTINCT FROM %s', c.key, c.value), ' OR ') AS differs
		                       FROM jsonb_each_text(d.scrubs) c) s
		 WHERE d.scrubs IS DISTINCT FROM '{}'
		 ORDER BY d.ordinality
	LOOP
		done := kam._erase_rows(one.statement, who.lead_ids, who.session_ids, who.addresses);
		IF done > 0 THEN
			counts := counts || jsonb_build_object(one.relation, done);
		END IF;
	END LOOP;
	PERFORM kam._rebuild_state(l.lead_id) FROM kam.Leads l WHERE l.lead_id = ANY (who.lead_ids) AND l.merged_into IS NULL;

	IF counts <> '{}' THEN
		INSERT INTO kam.erasure (erased_at, reason, lead_ids, rows) VALUES (at, kam_erase_person.reason, who.lead_ids, counts)
		RETURNING erasure_id INTO made;
	END IF;
	-- An id that is an address stays one.
	naming := ARRAY(SELECT u.id FROM unnest(who.lead_ids) u (id) WHERE EXISTS (SELECT FROM unnest(who.addresses) a (address) WHERE kam._address(u.id) = a.address));
	IF cardinality(naming) > 0 THEN
		RAISE WARNING USING MESSAGE = format('ids that are addresses of the person stay: %s', cardinality(naming)),
			HINT = 'Ids are the keys of the log: import people under ids that name nobody.';
	END IF;
	RETURN jsonb_build_object(
		'found', known, 'erasure_id', made, 'lead_ids', to_jsonb(who.lead_ids), 'runs_cancelled', cancelled, 'sequences_ended', ended, 'holds_cancelled', holds,
		'suppressed', suppressed, 'rows', counts);
END
$$;
COMMENT ON FUNCTION kam_erase_person(text, text) IS 'Forgets a person (GDPR Art. 17), for good. person as for kam_export_person, which shows beforehand what is theirs. Unfinished runs are cancelled, sequences end, holds are cancelled; names, addresses, texts, payloads and what models said are emptied in every table; the rows stay, with their numbers, under the lead_id, so that caps, counts and costs are what they were. The addresses stay blocked, as salted hashes (Suppression): a later import of the person passes no gate. A sync that still knows them does not write them back into the lead (Leads.erased_at). {"found", "erasure_id" (NULL when there was nothing left to do), "lead_ids", "runs_cancelled", "sequences_ended", "holds_cancelled", "suppressed" (addresses newly), "rows": {table: n}}; again it does nothing. Nobody known: found is false, and nothing is written. A domain, or an address that several people share: 22023; in REPEATABLE READ or SERIALIZABLE 0A000. Example: SELECT kam.kam_erase_person(''lead-1'', ''request of 2026-03-02'');';
