-- Runs: asking for one, waiting for it, stopping it, judging what it decided.

CREATE FUNCTION kam_run(contact jsonb, options jsonb DEFAULT '{}') RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_run';
COMMENT ON FUNCTION kam_run(jsonb, jsonb) IS 'Asks for a decision and returns at once: {"message", "started_at", "session_id"}. Options: idempotency_key (the same key answers with the same session), priority (integer, higher first), as_of (ISO 8601), lead_id, rerun (whether a wait runs again at its time; by default when the lead is known). Without lead_id the lead is the one whose key is contact_info.hubspot_id, else the only one with the contact''s e-mail address. What the log has of a lead by then and its contact has not (none of that type within 60 seconds) is added to the stored contact''s activities, the latest 100: touches that did not come from kam''s own decisions, as outbound activities with metadata {subject, body, owner, event_id}, and replies, as inbound ones. A contact that has unsubscribed, opted out or is suppressed, by its addresses or its lead, gets no_action without any call to an agent; an opt-out that comes while the agents work overrules what they decided. Example: SELECT kam.kam_run(contact, ''{"priority": 5}'') FROM crm;';

CREATE FUNCTION _run_state(session_id uuid, OUT status text, OUT error text, OUT sqlstate text, OUT parked boolean, OUT decision jsonb, OUT unasked boolean, OUT held boolean)
	RETURNS record
	LANGUAGE sql STABLE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT r.status, r.error, r.sqlstate, r.home <> kam._home(), coalesce(d.decision, p.decision),
		       coalesce(d.guard, p.guard) #>> '{compliance,status}' <> 'clear'
		       AND NOT EXISTS (SELECT FROM kam.agent_call c WHERE c.session_id = r.session_id),
		       r.finished_at IS NULL AND r.next_attempt_at = 'infinity'
		  FROM kam.request r LEFT JOIN kam.final_decision d USING (session_id) LEFT JOIN kam.replay_decision p USING (session_id)
		 WHERE r.session_id = _run_state.session_id;
	END;
COMMENT ON FUNCTION _run_state(uuid) IS 'How a run stands. For kam_wait, which cannot be SECURITY DEFINER itself.';

CREATE PROCEDURE kam_wait(session_id uuid, INOUT decision jsonb DEFAULT NULL, timeout interval DEFAULT '15 min')
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_api_wait';
COMMENT ON PROCEDURE kam_wait(uuid, jsonb, interval) IS 'Waits for a run and gives its decision; a NOTICE at each stage. Holds no snapshot, so it must be called outside a transaction block (else 25001). Returns when the run is finished, or two seconds after its decision was saved when the judgement takes longer. Unknown run P0002; time over, parked or held 55000; cancelled 57014; a failed run raises its own error. Example: CALL kam.kam_wait(''b7c9...'');';

CREATE FUNCTION kam_cancel(session_id uuid) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	-- A wait that is to run again is cancelled by forgetting that.
	UPDATE kam.request r SET rerun_at = NULL WHERE r.session_id = kam_cancel.session_id AND r.rerun_at IS NOT NULL;
	IF FOUND THEN
		RETURN true;
	END IF;
	UPDATE kam.request r
	   SET status = 'cancelled', finished_at = kam._now(), lease_owner = NULL, lease_until = NULL, next_attempt_at = NULL
	 WHERE r.session_id = kam_cancel.session_id AND r.status NOT IN ('judged', 'failed', 'cancelled');
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	-- Without the lease the worker writes nothing more: what it has under way it breaks off, and nobody will learn the answer.
	UPDATE kam.agent_call c
	   SET status = 'in_doubt', finished_at = clock_timestamp(), error_class = 'in_doubt',
	       error = 'cancelled before the answer was recorded; it may have been made, and may have to be paid'
	 WHERE c.session_id = kam_cancel.session_id AND c.status = 'sending';
	INSERT INTO kam.workflow_run AS w (session_id, status, iterations, calls, cost_usd, input_tokens, output_tokens, started_at, finished_at)
	SELECT r.session_id, r.status, r.iteration, count(c.call_no), coalesce(sum(c.cost_usd), 0),
	       coalesce(sum(c.input_tokens + c.cache_read_tokens + c.cache_write_tokens), 0), coalesce(sum(c.output_tokens), 0),
	       r.started_at, r.finished_at
	  FROM kam.request r LEFT JOIN kam.agent_call c USING (session_id)
	 WHERE r.session_id = kam_cancel.session_id
	 GROUP BY r.session_id
	ON CONFLICT (session_id) DO UPDATE SET status = EXCLUDED.status, finished_at = EXCLUDED.finished_at;
	-- The worker that has calls of it under way should not wait for their answers.
	PERFORM kam._wake_worker();
	RETURN true;
END
$$;
COMMENT ON FUNCTION kam_cancel(uuid) IS 'Stops a run that is not finished, one that is held too; what it recorded stays, and calls under way are broken off. A finished wait will not run again. False when there is nothing to stop. Example: SELECT kam.kam_cancel(''b7c9...'');';

CREATE FUNCTION kam_retry(session_id uuid) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	UPDATE kam.request r
	   SET status = 'queued', finished_at = NULL, error = NULL, sqlstate = NULL, attempts = 0,
	       next_attempt_at = NULL, lease_owner = NULL, lease_until = NULL
	 WHERE r.session_id = kam_retry.session_id
	   AND (r.status IN ('failed', 'cancelled') OR r.finished_at IS NULL AND r.next_attempt_at = 'infinity');
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	-- Who takes up again what was in doubt has decided to ask again.
	UPDATE kam.agent_call c
	   SET status = 'failed', finished_at = coalesce(c.finished_at, clock_timestamp()), error_class = 'in_doubt',
	       error = concat_ws('; ', c.error, 'asked again by kam_retry')
	 WHERE c.session_id = kam_retry.session_id AND c.status IN ('sending', 'in_doubt');
	DELETE FROM kam.workflow_run w WHERE w.session_id = kam_retry.session_id;
	PERFORM kam._wake_worker();
	RETURN true;
END
$$;
COMMENT ON FUNCTION kam_retry(uuid) IS 'Takes a run up again where it stopped, when it failed, was cancelled, or is held because of a call whose answer was lost: calls that succeeded are not made again, that one is. False when the run is none of these. Example: SELECT kam.kam_retry(session_id) FROM kam.request WHERE status = ''failed'';';

CREATE FUNCTION kam_resume() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	counter record;
	highest bigint;
	went_on bigint;
	total bigint := 0;
BEGIN
	-- Before any other lock: who writes calls holds it, and others behind it.
	PERFORM kam._count_all_spend();
	-- Rows that replication applied passed no gate here.  First of what gates want: from here on gates wait, holding nothing that is wanted below.
	TRUNCATE kam.prospect_state;
	INSERT INTO kam.prospect_state (lead_id, stale)
	SELECT c.lead_id, true FROM kam.Cadence c WHERE c.state = 'active' AND c.family <> 'transactional' GROUP BY c.lead_id HAVING count(*) > 1;
	-- Nor does replication carry the numbers' counters.
	FOR counter IN
		SELECT s.tab, s.col, pg_get_serial_sequence(s.tab, s.col) AS seq
		  FROM (VALUES ('kam.cadenceeventlog', 'event_id'), ('kam.cadenceflag', 'flag_id'), ('kam.lead_merge', 'merge_id'),
		               ('kam.notification', 'notification_id'), ('kam.sheet_import', 'import_id')) s (tab, col)
	LOOP
		EXECUTE format('SELECT max(%I) FROM %s WHERE %I > coalesce(pg_sequence_last_value(%L), 0)', counter.col, counter.tab, counter.col, counter.seq)
			INTO highest;
		PERFORM setval(counter.seq, highest) WHERE highest IS NOT NULL;
	END LOOP;

	-- Of the Coordinator: what runs and waits, open flags, suppressions that are to be settled.
	UPDATE kam.Cadence SET home = kam._home() WHERE home <> kam._home() AND state <> 'finished';
	UPDATE kam.CadenceQueue SET home = kam._home() WHERE home <> kam._home() AND state = 'waiting';
	GET DIAGNOSTICS went_on = ROW_COUNT;
	total := total + went_on;
	UPDATE kam.Suppression SET home = kam._home() WHERE home <> kam._home() AND settled_at IS NULL;
	UPDATE kam.CadenceFlag SET home = kam._home() WHERE home <> kam._home() AND closed_at IS NULL;
	-- Plays look at all leads again: nobody is enrolled twice.
	UPDATE kam.SalesPlayLibrary SET home = kam._home() WHERE home <> kam._home();
	UPDATE kam.ABMPlaybook SET home = kam._home() WHERE home <> kam._home();

	-- Waits that are to run again are parked as well; finished rows keep the mark of where they ran.
	UPDATE kam.request SET home = kam._home(), lease_owner = NULL, lease_until = NULL
	 WHERE home <> kam._home() AND (finished_at IS NULL OR rerun_at IS NOT NULL);
	GET DIAGNOSTICS went_on = ROW_COUNT;
	total := total + went_on;
	-- What was on its way when the copy was made arrived or not: the original knows, and here it is as after a crash.
	PERFORM kam._outbox_recover(came => true);
	UPDATE kam.notification SET home = kam._home(), status = CASE status WHEN 'parked' THEN 'pending' ELSE status END
	 WHERE home <> kam._home() AND status IN ('pending', 'failed', 'parked')
	    OR status = 'parked';
	GET DIAGNOSTICS went_on = ROW_COUNT;
	total := total + went_on;
	-- What was given up there can be read, and delivered again, here.
	UPDATE kam.notification SET home = kam._home() WHERE home <> kam._home() AND status = 'dead';
	PERFORM kam._wake_worker();
	RETURN total;
END
$$;
COMMENT ON FUNCTION kam_resume() IS 'Makes a restored database, a copy or a replica that is written to from now on the one that goes on: runs, held requests, sequences and notifications that came with it were parked, so that it does not do again what the original is doing; what the gates know of each lead is derived again, and numbers go on after the highest that came. Returns how many runs, held requests and notifications go on. Example: SELECT kam.kam_resume();';

CREATE FUNCTION kam_validate(session_id uuid, type_of_validation text, user_slack_message text DEFAULT NULL, edited_message text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	saved kam.final_decision;
	shown text;
BEGIN
	IF kam_validate.type_of_validation IS NULL OR kam_validate.type_of_validation NOT IN ('approved', 'edited', 'rejected') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('unknown type of validation: %s', coalesce(quote_ident(kam_validate.type_of_validation), 'NULL')),
			HINT = 'It is one of approved, edited, rejected.';
	END IF;
	IF kam_validate.type_of_validation = 'edited' AND coalesce(btrim(kam_validate.edited_message), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'an edited decision needs the edited message',
			HINT = 'Pass it as edited_message.';
	END IF;
	IF kam_validate.type_of_validation <> 'edited' AND kam_validate.edited_message IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('a decision that is %s takes no edited message', kam_validate.type_of_validation),
			HINT = 'Use type_of_validation edited.';
	END IF;

	SELECT d.* INTO saved FROM kam.final_decision d WHERE d.session_id = kam_validate.session_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		IF EXISTS (SELECT FROM kam.request r WHERE r.session_id = kam_validate.session_id AND r.replay_of IS NOT NULL) THEN
			RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
				MESSAGE = format('session %s is a replay: there is nothing to approve', kam_validate.session_id),
				HINT = 'Judge the run that it replays (request.replay_of); kam_run(contact) decides anew.';
		END IF;
		RAISE EXCEPTION USING ERRCODE = 'no_data_found',
			MESSAGE = format('there is no decision of session %s', coalesce(kam_validate.session_id::text, 'NULL')),
			HINT = 'SELECT status, error FROM kam.request tells how the run stands.';
	END IF;

	-- What learns from validated decisions finds them by this text: it is never empty.
	shown := coalesce(nullif(btrim(kam_validate.user_slack_message), ''),
		nullif(saved.decision #>> '{final_decision,selected_content,message}', ''),
		nullif(saved.decision #>> '{final_decision,rationale,action_reasoning}', ''),
		saved.action);
	UPDATE kam.final_decision d
	   SET type_of_validation = kam_validate.type_of_validation,
	       user_slack_message = shown,
	       edited_message = kam_validate.edited_message,
	       validated_by = session_user,
	       validated_at = kam._now()
	 WHERE d.session_id = kam_validate.session_id;
	RETURN kam._enact_decision(kam_validate.session_id);
END
$$;
COMMENT ON FUNCTION kam_validate(uuid, text, text, text) IS 'Records what a person made of a decision: approved, edited (with edited_message) or rejected. user_slack_message: the message as shown to the person, by default the decision''s. The ten latest validated decisions are examples for later messages. An approved or edited send_message or break_up of a known lead asks the Coordinator for a sequence of type outbound, with the session_id as its key, the message (edited, as edited) as first step and the sequence_plan as further ones; returns the event_id of that activation, whatever the verdict (kam_explain shows it under gate), else NULL. Judged again, it is not asked twice: an edit changes the message that has not gone out yet, a rejection stops the sequence. Unknown session P0002, a replay 55000, unknown type or edited message missing 22023. Example: SELECT kam.kam_validate(''b7c9...'', ''approved'');';

CREATE FUNCTION kam_use_provider(provider text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	chosen kam.provider;
BEGIN
	SELECT p.* INTO chosen FROM kam.provider p WHERE p.provider = kam_use_provider.provider;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('there is no provider "%s"', coalesce(kam_use_provider.provider, 'NULL')),
			HINT = format('There are: %s.', (SELECT string_agg(p.provider, ', ' ORDER BY p.provider) FROM kam.provider p));
	END IF;
	IF chosen.default_model IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('provider "%s" has no default model', chosen.provider),
			HINT = 'UPDATE kam.provider SET default_model = ... first, or set model in kam.agent.';
	END IF;
	UPDATE kam.agent a SET provider = chosen.provider, model = n.model, fallback_model = nullif(chosen.fallback_model, n.model)
	  FROM (SELECT b.agent, coalesce(chosen.agent_models ->> b.agent, chosen.default_model) AS model FROM kam.agent b) n
	 WHERE n.agent = a.agent
	   AND (a.provider, a.model, a.fallback_model) IS DISTINCT FROM (chosen.provider, n.model, nullif(chosen.fallback_model, n.model));
END
$$;
COMMENT ON FUNCTION kam_use_provider(text) IS 'Points all ten agents at a provider and its models (agent_models, default_model, fallback_model), for runs taken up from now on; the agents'' temperature and max_tokens stay. Example: SELECT kam.kam_use_provider(''anthropic'');';

CREATE FUNCTION kam_run_on_change() RETURNS trigger
	LANGUAGE c SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_run_on_change';
COMMENT ON FUNCTION kam_run_on_change() IS 'Row trigger for a table that a CRM is synced into: asks for a run when a contact changes. Arguments: the jsonb column that holds the contact, or several columns contact_info, activities, ... (part=column when named otherwise); then options debounce=5 min, key=column, lead_id=column, priority=0. Changes of one contact within the debounce join one run. A contact that cannot be read becomes a failed run with its reason; the user''s statement goes through. Example: CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm_contacts FOR EACH ROW EXECUTE FUNCTION kam.kam_run_on_change(''contact'', ''debounce=5 min'');';

CREATE FUNCTION kam_import_csv(kind text, csv text) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_import_csv';
COMMENT ON FUNCTION kam_import_csv(text, text) IS 'Adds rows to resource or best_practice (kind), or replaces those with the same key; returns how many. The first line names the columns, in any order; comma, semicolon or tab separate; lists within a field are split on ";" or "|". All or nothing: an error names its line. Example: SELECT kam.kam_import_csv(''resource'', E''resource_id,title,match_terms\nr1,Price list,price;tarif\n'');';
