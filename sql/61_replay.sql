-- Trying a change before trusting it: runs of the past again, with other prompts, models or agents.

CREATE FUNCTION _agents_as(settings jsonb, prompts jsonb)
	RETURNS TABLE (agent text, provider text, model text, fallback_model text, temperature double precision, max_tokens integer, prompt_version integer)
	LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT a.agent, n.provider,
		       coalesce(o.own ->> 'model', CASE WHEN n.other THEN coalesce(p.agent_models ->> a.agent, p.default_model, a.model) ELSE a.model END),
		       nullif(CASE WHEN o.own ? 'fallback_model' THEN o.own ->> 'fallback_model' WHEN n.other THEN p.fallback_model ELSE a.fallback_model END,
		              coalesce(o.own ->> 'model', CASE WHEN n.other THEN coalesce(p.agent_models ->> a.agent, p.default_model, a.model) ELSE a.model END)),
		       CASE jsonb_typeof(o.own -> 'temperature') WHEN 'number' THEN least((o.own ->> 'temperature')::numeric, 2)::float8
		            WHEN 'null' THEN NULL ELSE a.temperature::float8 END,
		       CASE jsonb_typeof(o.own -> 'max_tokens') WHEN 'number' THEN greatest(1, least((o.own ->> 'max_tokens')::numeric, 2000000000))::integer
		            ELSE a.max_tokens END,
		       CASE jsonb_typeof(_agents_as.prompts -> a.agent) WHEN 'number' THEN least((_agents_as.prompts ->> a.agent)::numeric, 2000000000)::integer
		            ELSE a.prompt_version END
		  FROM kam.agent a
		 CROSS JOIN LATERAL (SELECT coalesce(_agents_as.settings #> ARRAY['agents', a.agent], '{}') AS own) o
		 CROSS JOIN LATERAL (SELECT coalesce(o.own ->> 'provider', _agents_as.settings ->> 'provider', a.provider) AS provider,
		                            coalesce(o.own ->> 'provider', _agents_as.settings ->> 'provider', a.provider) <> a.provider AS other) n
		  LEFT JOIN kam.provider p ON p.provider = n.provider;
	END;
COMMENT ON FUNCTION _agents_as(jsonb, jsonb) IS 'The rows of agent with what a replay is asked with instead (settings) and the versions of prompts a run began with; NULL for the rows as they are. An agent that another provider is to answer for gets that one''s models.';

-- ---- settings --------------------------------------------------------------------

CREATE FUNCTION _refuse_setting(path text, message text, hint text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF path = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = message, HINT = hint;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = message, DETAIL = format('The value is at "%s".', path), HINT = hint;
END
$$;
COMMENT ON FUNCTION _refuse_setting(text, text, text) IS 'Raises 22023 with the place in an argument.';

CREATE FUNCTION _check_replay_settings(settings jsonb) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	one record;
	own record;
	providers CONSTANT text := (SELECT format('There are: %s.', string_agg(p.provider, ', ' ORDER BY p.provider)) FROM kam.provider p);
BEGIN
	IF jsonb_typeof(settings) IS DISTINCT FROM 'object' THEN
		PERFORM kam._refuse_setting('', 'settings must be an object', 'For example {"provider": "replay"}; {} for the agents as they are.');
	END IF;
	FOR one IN SELECT s.key, s.value, jsonb_typeof(s.value) AS type FROM jsonb_each(settings) s LOOP
		IF one.key = 'provider' AND (one.type <> 'string' OR NOT EXISTS (SELECT FROM kam.provider p WHERE p.provider = one.value #>> '{}')) THEN
			PERFORM kam._refuse_setting('/provider', format('there is no provider %s', one.value), providers);
		ELSIF one.key = 'prompts' AND one.value NOT IN ('"current"', '"pinned"') THEN
			PERFORM kam._refuse_setting('/prompts', format('prompts is %s', one.value), 'It is "current" (the versions in use, the default) or "pinned" (those that the run was asked with).');
		ELSIF one.key = 'as_of' THEN
			BEGIN
				IF one.type <> 'string' OR NOT isfinite((one.value #>> '{}')::timestamptz) THEN
					RAISE invalid_datetime_format;
				END IF;
			EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR invalid_parameter_value THEN
				PERFORM kam._refuse_setting('/as_of', format('as_of is %s', one.value), 'It is a moment in ISO 8601, such as "2026-03-11T10:00:00+01:00".');
			END;
		ELSIF one.key = 'agents' THEN
			IF one.type <> 'object' THEN
				PERFORM kam._refuse_setting('/agents', 'agents must be an object', 'For example {"content_generator": {"prompt_version": 2}}.');
			END IF;
			FOR own IN SELECT a.key AS agent, a.value AS whole, s.key, s.value, jsonb_typeof(s.value) AS type, format('/agents/%s/%s', a.key, s.key) AS path
			             FROM jsonb_each(one.value) a
			             LEFT JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof(a.value) = 'object' THEN a.value END) s ON true LOOP
				IF NOT EXISTS (SELECT FROM kam.agent a WHERE a.agent = own.agent) THEN
					PERFORM kam._refuse_setting('/agents/' || own.agent, format('there is no agent "%s"', own.agent),
						format('There are: %s.', (SELECT string_agg(a.agent, ', ' ORDER BY a.wave, a.agent) FROM kam.agent a)));
				ELSIF jsonb_typeof(own.whole) <> 'object' THEN
					PERFORM kam._refuse_setting('/agents/' || own.agent, 'an agent''s settings must be an object', 'For example {"prompt_version": 2}.');
				ELSIF own.key = 'provider' AND (own.type <> 'string' OR NOT EXISTS (SELECT FROM kam.provider p WHERE p.provider = own.value #>> '{}')) THEN
					PERFORM kam._refuse_setting(own.path, format('there is no provider %s', own.value), providers);
				ELSIF own.key = 'model' AND (own.type <> 'string' OR own.value = '""') OR own.key = 'fallback_model' AND (own.type NOT IN ('string', 'null') OR own.value = '""') THEN
					PERFORM kam._refuse_setting(own.path, format('%s is %s', own.key, own.value), 'It is a model''s name as its provider knows it.');
				ELSIF own.key = 'temperature' AND (own.type NOT IN ('number', 'null') OR (own.type = 'number' AND NOT (own.value #>> '{}')::numeric BETWEEN 0 AND 2)) THEN
					PERFORM kam._refuse_setting(own.path, format('temperature is %s', own.value), 'It is a number from 0 to 2, or null to send none.');
				ELSIF own.key = 'max_tokens' AND (own.type <> 'number' OR NOT (own.value #>> '{}')::numeric BETWEEN 1 AND 2000000000 OR (own.value #>> '{}')::numeric % 1 <> 0) THEN
					PERFORM kam._refuse_setting(own.path, format('max_tokens is %s', own.value), 'It is an integer from 1 on.');
				ELSIF own.key = 'prompt_version' AND NOT EXISTS (SELECT FROM kam.prompt p WHERE p.agent = own.agent AND to_jsonb(p.version) = own.value) THEN
					PERFORM kam._refuse_setting(own.path, format('there is no prompt %s/%s', own.agent, own.value),
						format('There are versions %s; kam_set_prompt(agent, body, activate => false) adds one.',
							(SELECT string_agg(p.version::text, ', ' ORDER BY p.version) FROM kam.prompt p WHERE p.agent = own.agent)));
				ELSIF own.key NOT IN ('provider', 'model', 'fallback_model', 'temperature', 'max_tokens', 'prompt_version') THEN
					PERFORM kam._refuse_setting(own.path, format('unknown setting "%s"', own.key),
						'An agent''s settings are provider, model, fallback_model, temperature, max_tokens, prompt_version.');
				END IF;
			END LOOP;
		ELSIF one.key NOT IN ('provider', 'prompts', 'agents') THEN
			PERFORM kam._refuse_setting('/' || one.key, format('unknown setting "%s"', one.key), 'Settings are provider, prompts, as_of, agents.');
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _check_replay_settings(jsonb) IS 'Raises 22023 with path and hint for settings that a replay could not be asked with.';

-- ---- one replay --------------------------------------------------------------------

CREATE FUNCTION _replay_builtin(contact jsonb, as_of timestamptz, session_id text, history jsonb, original jsonb, overruled boolean) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_replay_builtin';
COMMENT ON FUNCTION _replay_builtin(jsonb, timestamptz, text, jsonb, jsonb, boolean) IS 'The whole workflow at once with the built-in agents, judge included: {"decision", "guard", "synthesis", "judgement"}. history: the validated decisions to learn from. original: the decision of the run replayed, which says whether the contact might be written to then; overruled: that was learnt while its agents worked.';

CREATE FUNCTION _replay(session_id uuid, settings jsonb, backtest_id uuid) RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	run kam.request;
	versions jsonb;
	made uuid;
BEGIN
	-- Of a replay the run behind it is meant.
	SELECT o.* INTO run FROM kam.request r JOIN kam.request o ON o.session_id = coalesce(r.replay_of, r.session_id) WHERE r.session_id = _replay.session_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no run %s', coalesce(_replay.session_id::text, 'NULL')),
			HINT = 'Runs that finished longer ago than the retention says are gone with their contacts.';
	END IF;
	IF run.as_of IS NULL AND NOT settings ? 'as_of' THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('run %s has not begun', run.session_id),
			HINT = 'It has no moment to judge from yet: pass as_of in the settings, or wait until it is decided.';
	END IF;
	-- Pinned at once: the replays of a back-test are asked alike, whatever is put to use meanwhile.
	SELECT jsonb_object_agg(a.agent, coalesce(settings #> ARRAY['agents', a.agent, 'prompt_version'],
	           CASE WHEN settings ->> 'prompts' = 'pinned' THEN run.prompts -> a.agent END, to_jsonb(a.prompt_version))) INTO versions
	  FROM kam.agent a;
	INSERT INTO kam.request (contact, priority, as_of, prompts, history, replay_of, backtest_id, settings)
	VALUES (run.contact, -100, coalesce((settings ->> 'as_of')::timestamptz, run.as_of), versions, coalesce(run.history, '{}'), run.session_id,
	        _replay.backtest_id, settings)
	RETURNING session_id INTO made;
	RETURN made;
END
$$;
COMMENT ON FUNCTION _replay(uuid, jsonb, uuid) IS 'Queues a replay of a run; settings are checked already.';

CREATE FUNCTION kam_replay(session_id uuid, settings jsonb DEFAULT '{}') RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	PERFORM kam._check_replay_settings(coalesce(kam_replay.settings, '{}'));
	RETURN kam._replay(kam_replay.session_id, coalesce(kam_replay.settings, '{}'), NULL);
END
$$;
COMMENT ON FUNCTION kam_replay(uuid, jsonb) IS 'Runs a past contact again as it was stored, at the same as_of, with the validated decisions that the run learnt from and knowing of opt-outs what it knew; returns the session_id of the new run (kam_wait, kam_explain). Its decision goes into replay_decision: nobody is told, nobody is enrolled or suppressed, no wait runs again, no later run learns from it, and the past run stays as it is. settings: {"provider": who answers instead of the agents'' own, "replay" for the recorded answers; "prompts": "current" (default) or "pinned" (the versions the run was asked with); "as_of": another moment; "agents": {"content_generator": {"provider", "model", "fallback_model", "temperature", "max_tokens", "prompt_version"}}}, all optional. A replay of a replay replays the run behind it. It comes after all runs that count (priority -100). Unknown run P0002, unfit settings 22023 with their path, a run that has not begun 55000. Example: SELECT kam.kam_replay(''b7c9...'', ''{"provider": "replay", "prompts": "pinned"}'');';

-- ---- many --------------------------------------------------------------------------

CREATE TABLE backtest (
	backtest_id	uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	sample		jsonb NOT NULL CHECK (jsonb_typeof(sample) = 'object'),
	settings	jsonb NOT NULL CHECK (jsonb_typeof(settings) = 'object'),
	created_at	timestamptz NOT NULL DEFAULT kam._now(),
	created_by	text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE backtest IS 'What kam_backtest was asked for; its runs are the rows of request with that backtest_id.';
COMMENT ON COLUMN backtest.backtest_id IS 'Key.';
COMMENT ON COLUMN backtest.sample IS 'Which runs were tried again.';
COMMENT ON COLUMN backtest.settings IS 'With what.';
COMMENT ON COLUMN backtest.created_at IS 'When (kam''s clock).';
COMMENT ON COLUMN backtest.created_by IS 'The database role that asked.';

CREATE TYPE backtest_row AS (
	backtest_id		uuid,
	session_id		uuid,
	replay			uuid,
	status			text,
	changed			text[],
	human			text,
	outcome			text,
	action_before	text,
	action_after	text,
	channel_before	text,
	channel_after	text,
	strength_before	numeric,
	strength_after	numeric,
	score_before	numeric,
	score_after		numeric,
	cost_before		numeric,
	cost_after		numeric,
	message_likeness numeric,
	error			text
);
COMMENT ON TYPE backtest_row IS 'One run of a back-test, before and after.';
COMMENT ON COLUMN backtest_row.backtest_id IS 'The back-test.';
COMMENT ON COLUMN backtest_row.session_id IS 'The past run.';
COMMENT ON COLUMN backtest_row.replay IS 'Its replay.';
COMMENT ON COLUMN backtest_row.status IS 'Of the replay, as in request: judged when it is done, queued and so on before.';
COMMENT ON COLUMN backtest_row.changed IS 'What came out differently, of action, channel, variant, wait, timing, strength, message; empty when nothing did; NULL until it is decided.';
COMMENT ON COLUMN backtest_row.human IS 'What a person made of the past decision: approved, edited, rejected; NULL when nobody judged it.';
COMMENT ON COLUMN backtest_row.outcome IS 'Against that: kept, lost (approved, and decided differently now), gained (rejected, and decided differently now; or nearer to the edited message), still wrong. action, channel, variant and wait count as decided; a message only where a person edited it.';
COMMENT ON COLUMN backtest_row.action_before IS 'Of the past run.';
COMMENT ON COLUMN backtest_row.action_after IS 'Of the replay.';
COMMENT ON COLUMN backtest_row.channel_before IS 'Of the past run.';
COMMENT ON COLUMN backtest_row.channel_after IS 'Of the replay.';
COMMENT ON COLUMN backtest_row.strength_before IS 'opportunity_strength, 0 to 1.';
COMMENT ON COLUMN backtest_row.strength_after IS 'opportunity_strength, 0 to 1.';
COMMENT ON COLUMN backtest_row.score_before IS 'The judge''s overall_score, 0 to 10. Two judges may differ on the same decision: compare like with like.';
COMMENT ON COLUMN backtest_row.score_after IS 'The judge''s overall_score, 0 to 10.';
COMMENT ON COLUMN backtest_row.cost_before IS 'US dollars.';
COMMENT ON COLUMN backtest_row.cost_after IS 'US dollars.';
COMMENT ON COLUMN backtest_row.message_likeness IS 'How many of the words of both messages they share, 0 to 1; NULL when neither writes.';
COMMENT ON COLUMN backtest_row.error IS 'Why the replay failed.';

CREATE FUNCTION _likeness(a text, b text) RETURNS numeric
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT CASE WHEN _likeness.a IS NULL AND _likeness.b IS NULL THEN NULL
		            WHEN _likeness.a = _likeness.b THEN 1
		            WHEN count(*) = 0 THEN 0
		            ELSE round(count(*) FILTER (WHERE w.both) ::numeric / count(*), 2) END
		  FROM (SELECT count(DISTINCT t.side) = 2 AS both
		          FROM (SELECT 1 AS side, unnest(regexp_split_to_array(lower(_likeness.a), '[^[:alnum:]]+')) AS word
		                UNION ALL
		                SELECT 2, unnest(regexp_split_to_array(lower(_likeness.b), '[^[:alnum:]]+'))) t
		         WHERE t.word <> '' GROUP BY t.word) w;
	END;
COMMENT ON FUNCTION _likeness(text, text) IS 'The share of the different words of two texts that stand in both, 0 to 1; NULL when both are NULL.';

CREATE FUNCTION _backtest_report(backtest_id uuid) RETURNS SETOF backtest_row
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		WITH run AS MATERIALIZED (
			SELECT r.session_id AS replay, r.replay_of, r.status, r.error, r.finished_at, d.decision -> 'final_decision' AS old, p.decision -> 'final_decision' AS new,
			       nullif(d.type_of_validation, '') AS human, d.edited_message, d.decision -> 'final_decision' IS NOT NULL AND p.decision IS NOT NULL AS decided,
			       e.overall_score AS score_before, p.overall_score AS score_after, w.cost_usd AS cost_before, x.cost_usd AS cost_after
			  FROM kam.request r
			  LEFT JOIN kam.final_decision d ON d.session_id = r.replay_of
			  LEFT JOIN kam.replay_decision p ON p.session_id = r.session_id
			  LEFT JOIN kam.decision_evaluation e ON e.session_id = r.replay_of
			  LEFT JOIN kam.workflow_run w ON w.session_id = r.replay_of
			  LEFT JOIN kam.workflow_run x ON x.session_id = r.session_id
			 WHERE r.backtest_id = _backtest_report.backtest_id
		), compared AS (
			-- A decision put in from elsewhere may say anything of its strength.
			SELECT r.*, c.changed, c.changed && '{action,channel,variant,wait}' AS otherwise,
			       CASE jsonb_typeof(r.old #> '{rationale,opportunity_strength}') WHEN 'number' THEN (r.old #>> '{rationale,opportunity_strength}')::numeric END AS strength_before,
			       CASE jsonb_typeof(r.new #> '{rationale,opportunity_strength}') WHEN 'number' THEN (r.new #>> '{rationale,opportunity_strength}')::numeric END AS strength_after
			  FROM run r
			 CROSS JOIN LATERAL (
				SELECT CASE WHEN r.decided THEN coalesce(array_agg(k.name ORDER BY k.n) FILTER (WHERE r.old #> k.path IS DISTINCT FROM r.new #> k.path), '{}') END AS changed
				  FROM (VALUES (1, 'action', '{action}'::text[]), (2, 'channel', '{selected_channel}'), (3, 'variant', '{selected_content,variant}'),
				               (4, 'wait', '{wait_type,type}'), (5, 'timing', '{execution_timing}'), (6, 'strength', '{rationale,opportunity_strength}'),
				               (7, 'message', '{selected_content,message}')) k (n, name, path)) c
		), told AS (
			SELECT c.*, CASE
			           WHEN NOT c.decided OR c.human IS NULL THEN NULL
			           WHEN c.human = 'approved' THEN CASE WHEN c.otherwise THEN 'lost' ELSE 'kept' END
			           WHEN c.human = 'rejected' THEN CASE WHEN c.otherwise THEN 'gained' ELSE 'still wrong' END
			           WHEN c.otherwise THEN 'lost'
			           ELSE CASE sign(kam._likeness(c.new #>> '{selected_content,message}', c.edited_message)
			                          - kam._likeness(c.old #>> '{selected_content,message}', c.edited_message))
			                WHEN 1 THEN 'gained' WHEN -1 THEN 'lost' ELSE 'kept' END END AS outcome
			  FROM compared c
		)
		SELECT _backtest_report.backtest_id, t.replay_of, t.replay, t.status, t.changed, t.human, t.outcome,
		       t.old ->> 'action', t.new ->> 'action', t.old ->> 'selected_channel', t.new ->> 'selected_channel',
		       t.strength_before, t.strength_after,
		       t.score_before, t.score_after, t.cost_before, CASE WHEN t.finished_at IS NOT NULL THEN coalesce(t.cost_after, 0) END,
		       CASE WHEN t.decided THEN kam._likeness(t.old #>> '{selected_content,message}', t.new #>> '{selected_content,message}') END,
		       t.error
		  FROM told t
		 ORDER BY t.decided DESC, t.outcome = 'lost' IS TRUE DESC, t.otherwise DESC NULLS LAST, t.changed <> '{}' DESC NULLS LAST,
		          abs(t.strength_after - t.strength_before) DESC NULLS LAST,
		          t.replay_of;
	END;
COMMENT ON FUNCTION _backtest_report(uuid) IS 'The rows of kam_backtest_report.';

CREATE FUNCTION kam_backtest_report(backtest_id uuid) RETURNS SETOF backtest_row
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	IF NOT EXISTS (SELECT FROM kam.backtest b WHERE b.backtest_id = kam_backtest_report.backtest_id) THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no back-test %s', coalesce(kam_backtest_report.backtest_id::text, 'NULL')),
			HINT = 'SELECT * FROM kam.backtest ORDER BY created_at DESC lists them.';
	END IF;
	RETURN QUERY SELECT * FROM kam._backtest_report(kam_backtest_report.backtest_id);
END
$$;
COMMENT ON FUNCTION kam_backtest_report(uuid) IS 'A back-test as a table, one row per run, before and after side by side: first what a person had approved and is decided differently now (lost), then the others that are decided differently, then those that differ in their message or numbers, then the rest; runs not decided yet come last. Unknown back-test P0002. Example: SELECT session_id, changed, outcome, action_before, action_after FROM kam.kam_backtest_report(''5d1f...'') WHERE changed <> ''{}'';';

CREATE FUNCTION kam_backtest(sample jsonb DEFAULT '{"last": 100}', settings jsonb DEFAULT '{}') RETURNS SETOF backtest_row
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	asked kam.backtest;
	chosen uuid[];
	one uuid;
	made uuid;
	at_once boolean;
BEGIN
	PERFORM kam._check_replay_settings(coalesce(kam_backtest.settings, '{}'));
	IF kam_backtest.settings ? 'as_of' THEN
		PERFORM kam._refuse_setting('/as_of', 'a back-test takes no as_of', 'Each run is judged from its own moment again; kam_replay takes another one.');
	END IF;
	chosen := kam._backtest_sample(coalesce(kam_backtest.sample, '{}'));
	INSERT INTO kam.backtest (sample, settings) VALUES (coalesce(kam_backtest.sample, '{}'), coalesce(kam_backtest.settings, '{}')) RETURNING * INTO asked;
	SELECT bool_and(p.api = 'builtin') INTO at_once FROM kam._agents_as(asked.settings, NULL) a JOIN kam.provider p USING (provider);
	FOREACH one IN ARRAY chosen LOOP
		made := kam._replay(one, asked.settings, asked.backtest_id);
		IF at_once THEN
			PERFORM kam._replay_now(made);
		END IF;
	END LOOP;
	IF NOT at_once AND cardinality(chosen) > 0 THEN
		RAISE NOTICE USING MESSAGE = format('back-test %s: %s runs queued', asked.backtest_id, cardinality(chosen)),
			HINT = format('CALL kam.kam_backtest_wait(''%s''); then SELECT * FROM kam.kam_backtest_report(''%1$s'');', asked.backtest_id);
	END IF;
	RETURN QUERY SELECT * FROM kam._backtest_report(asked.backtest_id);
END
$$;
COMMENT ON FUNCTION kam_backtest(jsonb, jsonb) IS 'Tries a sample of past runs again, each as kam_replay does with these settings, and compares. Where the built-in agents answer it is done when this returns, and the rows are those of kam_backtest_report, what changed first; where models answer the runs are queued, the rows show what was decided before, and CALL kam_backtest_wait(backtest_id) waits for the rest. sample: {"last": n (100, at most 10000), "from", "to" (moments of the decision), "action", "owner" (text or array), "validated": true (only what a person judged)}, or {"sessions": [...]}. It costs what the models cost. Unfit sample or settings 22023 with their path. Example: SELECT * FROM kam.kam_backtest(''{"last": 200, "validated": true}'', ''{"agents": {"content_generator": {"prompt_version": 2}}}'');';

CREATE FUNCTION _backtest_sample(sample jsonb) RETURNS uuid[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	one record;
	most integer := 100;
	since timestamptz := '-infinity';
	until timestamptz := 'infinity';
	actions text[];
	owners text[];
	chosen uuid[];
BEGIN
	IF jsonb_typeof(sample) IS DISTINCT FROM 'object' THEN
		PERFORM kam._refuse_setting('', 'sample must be an object', 'For example {"last": 100}.');
	END IF;
	FOR one IN SELECT s.key, s.value, jsonb_typeof(s.value) AS type, '/' || s.key AS path FROM jsonb_each(sample) s LOOP
		CASE one.key
			WHEN 'last' THEN
				IF one.type <> 'number' OR NOT (one.value #>> '{}')::numeric BETWEEN 1 AND 10000 OR (one.value #>> '{}')::numeric % 1 <> 0 THEN
					PERFORM kam._refuse_setting(one.path, format('last is %s', one.value), 'It is an integer from 1 to 10000.');
				END IF;
				most := (one.value #>> '{}')::numeric;
			WHEN 'from', 'to' THEN
				BEGIN
					IF one.type <> 'string' THEN
						RAISE invalid_datetime_format;
					ELSIF one.key = 'from' THEN
						since := (one.value #>> '{}')::timestamptz;
					ELSE
						until := (one.value #>> '{}')::timestamptz;
					END IF;
				EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR invalid_parameter_value THEN
					PERFORM kam._refuse_setting(one.path, format('%s is %s', one.key, one.value), 'It is a moment in ISO 8601, such as "2026-03-11T10:00:00+01:00".');
				END;
			WHEN 'action', 'owner' THEN
				IF one.type NOT IN ('string', 'array') OR jsonb_path_exists(one.value, 'strict $[*] ? (@.type() != "string")', '{}', true) THEN
					PERFORM kam._refuse_setting(one.path, format('%s is %s', one.key, one.value), 'It is a text or an array of texts.');
				ELSIF one.key = 'action' THEN
					actions := ARRAY(SELECT jsonb_array_elements_text(CASE one.type WHEN 'array' THEN one.value ELSE jsonb_build_array(one.value) END));
					IF NOT actions <@ '{send_message,wait,break_up,no_action}' THEN
						PERFORM kam._refuse_setting(one.path, format('action is %s', one.value), 'Actions are send_message, wait, break_up, no_action.');
					END IF;
				ELSE
					owners := ARRAY(SELECT jsonb_array_elements_text(CASE one.type WHEN 'array' THEN one.value ELSE jsonb_build_array(one.value) END));
				END IF;
			WHEN 'validated' THEN
				IF one.type <> 'boolean' THEN
					PERFORM kam._refuse_setting(one.path, format('validated is %s', one.value), 'It is true or false.');
				END IF;
			WHEN 'sessions' THEN
				BEGIN
					chosen := ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(one.value) x);
				EXCEPTION WHEN invalid_text_representation OR invalid_parameter_value THEN
					PERFORM kam._refuse_setting(one.path, 'sessions must be an array of session ids', 'SELECT session_id FROM kam.final_decision lists them.');
				END;
				IF cardinality(chosen) > 10000 THEN
					PERFORM kam._refuse_setting(one.path, 'sessions has more than 10000 members', 'Try fewer at a time.');
				END IF;
				-- Each once, in the order given.
				chosen := ARRAY(SELECT x.id FROM unnest(chosen) WITH ORDINALITY x (id, n) WHERE x.id IS NOT NULL GROUP BY x.id ORDER BY min(x.n));
			ELSE
				PERFORM kam._refuse_setting(one.path, format('unknown key "%s"', one.key), 'A sample has last, from, to, action, owner, validated, or sessions.');
		END CASE;
	END LOOP;
	IF chosen IS NOT NULL THEN
		IF sample <> jsonb_build_object('sessions', sample -> 'sessions') THEN
			PERFORM kam._refuse_setting('/sessions', 'sessions goes with nothing else', 'They are taken as they are.');
		END IF;
		RETURN chosen;
	END IF;
	RETURN ARRAY(
		SELECT d.session_id
		  FROM kam.final_decision d JOIN kam.request r USING (session_id)
		 WHERE d.created_at >= since AND d.created_at <= until AND r.as_of IS NOT NULL
		   AND (actions IS NULL OR d.action = ANY (actions)) AND (owners IS NULL OR d.owner_name = ANY (owners))
		   AND (sample -> 'validated' IS DISTINCT FROM 'true' OR coalesce(d.type_of_validation, '') <> '')
		 ORDER BY d.created_at DESC, d.session_id LIMIT most);
END
$$;
COMMENT ON FUNCTION _backtest_sample(jsonb) IS 'The sessions that a sample of kam_backtest means, latest first.';

CREATE FUNCTION _replay_now(session_id uuid) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	run kam.request;
	past kam.final_decision;
	history jsonb;
	made jsonb;
BEGIN
	SELECT r.* INTO run FROM kam.request r WHERE r.session_id = _replay_now.session_id;
	SELECT d.* INTO past FROM kam.final_decision d WHERE d.session_id = run.replay_of;
	SELECT jsonb_agg(jsonb_build_object('session_id', d.session_id, 'action', d.action, 'selected_channel', d.selected_channel, 'decision', d.decision,
	           'user_slack_message', d.user_slack_message, 'type_of_validation', d.type_of_validation, 'edited_message', d.edited_message,
	           'created_at', d.created_at) ORDER BY d.created_at DESC, d.session_id) INTO history
	  FROM kam.final_decision d
	 WHERE d.session_id = ANY (run.history) AND d.user_slack_message <> '' AND d.type_of_validation <> '';
	BEGIN
		made := kam._replay_builtin(run.contact, run.as_of, run.replay_of::text, coalesce(history, '[]'), past.decision,
			coalesce(past.guard #> '{compliance,instead_of}' IS NOT NULL, false));
		INSERT INTO kam.replay_decision (session_id, decision, action, selected_channel, guard, synthesis, overall_score, criteria, verdict)
		VALUES (run.session_id, made -> 'decision', made #>> '{decision,final_decision,action}', made #>> '{decision,final_decision,selected_channel}',
		        made -> 'guard', made ->> 'synthesis', (made #>> '{judgement,overall_score}')::numeric, made #> '{judgement,criteria}', made #>> '{judgement,verdict}');
		UPDATE kam.request r SET status = 'judged', iteration = 1, started_at = kam._now(), finished_at = kam._now() WHERE r.session_id = run.session_id;
	EXCEPTION WHEN data_exception THEN
		UPDATE kam.request r SET status = 'failed', error = SQLERRM, sqlstate = SQLSTATE, finished_at = kam._now() WHERE r.session_id = run.session_id;
	END;
END
$$;
COMMENT ON FUNCTION _replay_now(uuid) IS 'Does a queued replay at once, with the built-in agents.';

CREATE FUNCTION _backtest_state(backtest_id uuid, OUT asked bigint, OUT finished bigint, OUT parked bigint, OUT known boolean)
	RETURNS record
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT count(*), count(r.finished_at), count(*) FILTER (WHERE r.finished_at IS NULL AND (r.home <> kam._home() OR r.next_attempt_at = 'infinity')),
		       EXISTS (SELECT FROM kam.backtest b WHERE b.backtest_id = _backtest_state.backtest_id)
		  FROM kam.request r WHERE r.backtest_id = _backtest_state.backtest_id;
	END;
COMMENT ON FUNCTION _backtest_state(uuid) IS 'How far a back-test is. For kam_backtest_wait, which cannot be SECURITY DEFINER itself.';

CREATE PROCEDURE kam_backtest_wait(backtest_id uuid, timeout interval DEFAULT '1 hour')
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_api_backtest_wait';
COMMENT ON PROCEDURE kam_backtest_wait(uuid, interval) IS 'Waits until the runs of a back-test are finished; a NOTICE at each tenth. Holds no snapshot, so it must be called outside a transaction block (else 25001). Unknown back-test P0002; time over, or nothing left but runs that are held or parked, 55000. Example: CALL kam.kam_backtest_wait(''5d1f...'');';

CREATE FUNCTION kam_backtest_summary(backtest_id uuid)
	RETURNS TABLE (runs bigint, decided bigint, failed bigint, changed bigint, action_changed bigint, channel_changed bigint, message_changed bigint,
		strength_before numeric, strength_after numeric, score_before numeric, score_after numeric, cost_before numeric, cost_after numeric,
		judged_by_people bigint, agreement_before numeric, agreement_after numeric, lost bigint, gained bigint)
	LANGUAGE sql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT count(*), count(r.changed), count(*) FILTER (WHERE r.status = 'failed'), count(*) FILTER (WHERE r.changed <> '{}'),
		       count(*) FILTER (WHERE 'action' = ANY (r.changed)), count(*) FILTER (WHERE 'channel' = ANY (r.changed)), count(*) FILTER (WHERE 'message' = ANY (r.changed)),
		       round(avg(r.strength_before) FILTER (WHERE r.changed IS NOT NULL), 3), round(avg(r.strength_after), 3),
		       round(avg(r.score_before) FILTER (WHERE r.score_after IS NOT NULL), 2), round(avg(r.score_after) FILTER (WHERE r.score_before IS NOT NULL), 2),
		       sum(r.cost_before) FILTER (WHERE r.cost_after IS NOT NULL), sum(r.cost_after),
		       count(r.outcome),
		       round(count(*) FILTER (WHERE r.outcome IS NOT NULL AND r.human = 'approved')::numeric / nullif(count(r.outcome), 0), 3),
		       round(count(*) FILTER (WHERE r.outcome = 'gained' OR (r.outcome = 'kept' AND r.human = 'approved'))::numeric / nullif(count(r.outcome), 0), 3),
		       count(*) FILTER (WHERE r.outcome = 'lost'), count(*) FILTER (WHERE r.outcome = 'gained')
		  FROM kam.kam_backtest_report(kam_backtest_summary.backtest_id) r;
	END;
COMMENT ON FUNCTION kam_backtest_summary(uuid) IS 'A back-test in one row: how many runs were tried, decided, failed and changed; means of strength and of the judge''s score and sums of cost over the runs that have both; and against people''s verdicts, which share of the decisions they judged agreed with them before (approved as it was) and after (approved and decided the same, or rejected or edited and gained). Unknown back-test P0002. Example: SELECT * FROM kam.kam_backtest_summary(''5d1f...'');';
