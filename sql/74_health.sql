-- Watching calls and runs from outside: telemetry under the names that tools know, and what is wrong and what to do about it.

CREATE VIEW call_telemetry AS
SELECT replace(c.session_id::text, '-', '') AS trace_id,
       left(md5(c.session_id || '/' || c.call_no), 16) AS span_id,
       'chat ' || c.model AS span_name,
       'CLIENT' AS span_kind,
       c.started_at AS start_time,
       c.finished_at AS end_time,
       CASE c.status WHEN 'succeeded' THEN 'OK' WHEN 'sending' THEN 'UNSET' ELSE 'ERROR' END AS span_status,
       'chat' AS "gen_ai.operation.name",
       CASE WHEN p.api = 'anthropic' THEN 'anthropic'
            WHEN p.base_url ~* '^https?://([^/]*\.)?openai\.azure\.com(:\d+)?(/|$)' THEN 'azure.ai.openai'
            WHEN p.base_url ~* '^https?://api\.openai\.com(:\d+)?(/|$)' THEN 'openai'
            ELSE c.provider END AS "gen_ai.provider.name",
       c.model AS "gen_ai.request.model",
       c.provider_request_id AS "gen_ai.response.id",
       CASE WHEN c.stop_reason IS NOT NULL THEN ARRAY[c.stop_reason] END AS "gen_ai.response.finish_reasons",
       (c.first_byte_ms / 1000.0)::double precision AS "gen_ai.response.time_to_first_chunk",
       c.input_tokens + c.cache_read_tokens + c.cache_write_tokens AS "gen_ai.usage.input_tokens",
       c.output_tokens AS "gen_ai.usage.output_tokens",
       c.cache_read_tokens AS "gen_ai.usage.cache_read.input_tokens",
       c.cache_write_tokens AS "gen_ai.usage.cache_creation.input_tokens",
       'json' AS "gen_ai.output.type",
       c.session_id::text AS "gen_ai.conversation.id",
       c.agent AS "gen_ai.agent.name",
       (c.latency_ms / 1000.0)::double precision AS "gen_ai.client.operation.duration",
       c.error_class AS "error.type",
       substring(p.base_url FROM '^[A-Za-z]+://(\[[^]]*\]|[^/:]+)') AS "server.address",
       substring(p.base_url FROM '^[A-Za-z]+://(?:\[[^]]*\]|[^/:]+):(\d+)')::integer AS "server.port",
       c.http_status AS "http.response.status_code",
       c.session_id AS "kam.session_id",
       c.call_no AS "kam.call_no",
       c.iteration AS "kam.iteration",
       c.attempt AS "kam.attempt",
       c.status AS "kam.status",
       c.provider AS "kam.provider",
       c.prompt_version AS "kam.prompt_version",
       c.cost_usd AS "kam.cost_usd"
  FROM agent_call c LEFT JOIN provider p USING (provider);
COMMENT ON VIEW call_telemetry IS 'One row per attempt of agent_call, as a span with the attribute names of OpenTelemetry''s GenAI conventions; no text of a contact or an answer. The address is the provider''s as it is now. Example: SELECT "gen_ai.request.model", "error.type", count(*), sum("kam.cost_usd") FROM kam.call_telemetry WHERE start_time > now() - interval ''1 hour'' GROUP BY 1, 2;';
COMMENT ON COLUMN call_telemetry.trace_id IS 'The run: its session_id without dashes.';
COMMENT ON COLUMN call_telemetry.span_id IS 'The attempt; always the same for the same row.';
COMMENT ON COLUMN call_telemetry.span_name IS 'Operation and model.';
COMMENT ON COLUMN call_telemetry.span_kind IS 'Always CLIENT.';
COMMENT ON COLUMN call_telemetry.start_time IS 'When it was sent.';
COMMENT ON COLUMN call_telemetry.end_time IS 'When it was answered or given up.';
COMMENT ON COLUMN call_telemetry.span_status IS 'OK, ERROR, UNSET while it is under way.';
COMMENT ON COLUMN call_telemetry."gen_ai.operation.name" IS 'Always chat.';
COMMENT ON COLUMN call_telemetry."gen_ai.provider.name" IS 'anthropic, openai, azure.ai.openai, or the provider''s own name.';
COMMENT ON COLUMN call_telemetry."gen_ai.request.model" IS 'Which model was asked.';
COMMENT ON COLUMN call_telemetry."gen_ai.response.id" IS 'The provider''s own name for the call.';
COMMENT ON COLUMN call_telemetry."gen_ai.response.finish_reasons" IS 'Why the model stopped, in the provider''s words.';
COMMENT ON COLUMN call_telemetry."gen_ai.response.time_to_first_chunk" IS 'Seconds.';
COMMENT ON COLUMN call_telemetry."gen_ai.usage.input_tokens" IS 'With those that the cache read and wrote, whatever the API.';
COMMENT ON COLUMN call_telemetry."gen_ai.usage.output_tokens" IS 'Output tokens.';
COMMENT ON COLUMN call_telemetry."gen_ai.usage.cache_read.input_tokens" IS 'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN call_telemetry."gen_ai.usage.cache_creation.input_tokens" IS 'Input tokens written to the provider''s cache.';
COMMENT ON COLUMN call_telemetry."gen_ai.output.type" IS 'Always json.';
COMMENT ON COLUMN call_telemetry."gen_ai.conversation.id" IS 'The run.';
COMMENT ON COLUMN call_telemetry."gen_ai.agent.name" IS 'Key of the agent.';
COMMENT ON COLUMN call_telemetry."gen_ai.client.operation.duration" IS 'Seconds from sending to the whole answer.';
COMMENT ON COLUMN call_telemetry."error.type" IS 'Kind of failure (agent_call.error_class); NULL when it succeeded.';
COMMENT ON COLUMN call_telemetry."server.address" IS 'Host of the provider''s base_url as it is now.';
COMMENT ON COLUMN call_telemetry."server.port" IS 'Port, where base_url names one.';
COMMENT ON COLUMN call_telemetry."http.response.status_code" IS 'HTTP status of the answer.';
COMMENT ON COLUMN call_telemetry."kam.session_id" IS 'The run.';
COMMENT ON COLUMN call_telemetry."kam.call_no" IS 'Order within the run, from 1.';
COMMENT ON COLUMN call_telemetry."kam.iteration" IS 'Pass of wave 1.';
COMMENT ON COLUMN call_telemetry."kam.attempt" IS 'Attempts of this agent in this iteration, from 1.';
COMMENT ON COLUMN call_telemetry."kam.status" IS 'sending, succeeded, failed, in_doubt.';
COMMENT ON COLUMN call_telemetry."kam.provider" IS 'Row of provider that was asked.';
COMMENT ON COLUMN call_telemetry."kam.prompt_version" IS 'With which prompt.';
COMMENT ON COLUMN call_telemetry."kam.cost_usd" IS 'US dollars at the prices of model.';

-- Kinds of failures as llm/fate.c and the worker name them; no_key where no call was made for want of one.
CREATE FUNCTION _remedy(class text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT coalesce(max(r.remedy), 'SELECT session_id, error FROM kam.request WHERE status = ''failed''; kam_retry takes one up again.')
		  FROM (VALUES
			('{no_key,auth,permission}'::text[], 'Put a key that may do this into the file with the provider''s name in kam.key_directory (mode 0600), or into the server''s environment; reload, then kam_retry the runs.'),
			('{spend_limit}', 'Raise the limit or add credit at the provider, then kam_retry the runs; or kam_use_provider another.'),
			('{rate_limit}', 'They are made again by themselves. For more speed ask the provider for higher limits; a lower kam.max_in_flight asks less at once.'),
			('{overloaded,server_error,timeout,stall,cut,conflict}', 'The provider is in trouble: look at its status page, give the agents a fallback_model, kam_retry the runs later.'),
			('{resolve,connect,tls,proxy,address,redirect,not_found,unreadable}', 'The provider is not reached: look at its base_url and dialect.path, kam.proxy, kam.ca_file and the network, then kam_retry the runs.'),
			('{model_not_found}', 'The provider does not have the model: correct model and fallback_model in kam.agent, then kam_retry the runs.'),
			('{bad_request}', 'The request is not taken: correct kam.provider.dialect or kam.model.capabilities, then kam_retry the runs.'),
			('{context_window,request_too_large,too_large}', 'A model with a larger context, or fewer resources and best practices.'),
			('{refusal,malformed,truncated,empty,no_text}', 'Another model or more max_tokens in kam.agent; the built-in agents answer meanwhile.'),
			('{internal,not_sent}', 'Lower kam.max_in_flight, or give the server more memory and open files.'),
			('{not_recorded}', 'Provider replay has no answer to this prompt: prompts, resources or the contact differ from the run recorded.'),
			('{in_doubt}', 'kam.provider.in_doubt says what becomes of lost answers; kam_retry asks again.')
		  ) r (classes, remedy) WHERE _remedy.class = ANY (r.classes);
	END;
COMMENT ON FUNCTION _remedy(text) IS 'What people can do about a kind of failure (agent_call.error_class).';

CREATE FUNCTION _call_health() RETURNS TABLE (item text, state text, detail text, hint text)
	LANGUAGE plpgsql VOLATILE ROWS 5
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	present CONSTANT timestamptz := kam._now();
	stuck record;
BEGIN
	-- Runs that only a person takes up again.
	SELECT count(*) AS n, min(r.created_at) AS since, (array_agg(r.error ORDER BY r.created_at))[1] AS first INTO stuck
	  FROM (SELECT r.created_at, r.error FROM kam.request r
	         WHERE r.home = kam._home() AND r.finished_at IS NULL AND r.next_attempt_at = 'infinity' LIMIT 1000) r;
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('held runs', 'warning', format('%s held, the oldest since %s: %s', stuck.n, stuck.since, stuck.first),
			'SELECT session_id, error FROM kam.request WHERE next_attempt_at = ''infinity''; kam_retry asks again, kam_cancel ends the run.');
	END IF;

	-- Runs that are taken up and do not get on.  Their failed attempts say why.
	SELECT count(DISTINCT r.session_id) AS n, min(r.started_at) AS since,
	       (SELECT string_agg(format('%s %s', w.n, w.class), ', ' ORDER BY w.n DESC, w.class)
	          FROM (SELECT c.error_class AS class, count(*) AS n
	                  FROM kam.request x JOIN kam.agent_call c USING (session_id)
	                 WHERE x.home = kam._home() AND x.finished_at IS NULL AND x.started_at < present - interval '15 min' AND c.status = 'failed'
	                 GROUP BY c.error_class) w) AS why,
	       (SELECT c.error_class FROM kam.request x JOIN kam.agent_call c USING (session_id)
	         WHERE x.home = kam._home() AND x.finished_at IS NULL AND x.started_at < present - interval '15 min' AND c.status = 'failed'
	         GROUP BY c.error_class ORDER BY count(*) DESC, c.error_class LIMIT 1) AS class
	  INTO stuck
	  FROM kam.request r
	 WHERE r.home = kam._home() AND r.finished_at IS NULL AND r.started_at < present - interval '15 min'
	   AND r.next_attempt_at IS DISTINCT FROM 'infinity' AND r.sqlstate IS DISTINCT FROM '53400';
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('slow runs', 'warning',
			format('%s under way for more than 15 minutes, the oldest since %s%s', stuck.n, stuck.since, coalesce('; attempts failed: ' || stuck.why, '')),
			CASE WHEN stuck.class IS NULL THEN 'kam.kam_progress shows what each waits for.' ELSE kam._remedy(stuck.class) END);
	END IF;

	-- Providers that fail just now, by the attempts of runs under way.
	RETURN QUERY
		SELECT 'provider ' || w.provider, 'warning',
		       format('%s of %s attempts of runs under way failed within five minutes (%s), the last at %s',
		              sum(w.failed), sum(w.ended), string_agg(w.failed || ' ' || w.class, ', ' ORDER BY w.failed DESC, w.class) FILTER (WHERE w.failed > 0), max(w.last_failed)),
		       kam._remedy((array_agg(w.class ORDER BY w.failed DESC, w.class))[1])
		  FROM (SELECT c.provider, c.error_class AS class, count(*) AS ended,
		               count(*) FILTER (WHERE c.status = 'failed') AS failed, max(c.finished_at) FILTER (WHERE c.status = 'failed') AS last_failed
		          FROM (SELECT r.session_id FROM kam.request r
		                 WHERE r.home = kam._home() AND r.finished_at IS NULL AND r.started_at IS NOT NULL LIMIT 1000) r
		          JOIN kam.agent_call c USING (session_id)
		         WHERE c.finished_at > now() - interval '5 min'
		         GROUP BY c.provider, c.error_class) w
		 GROUP BY w.provider HAVING sum(w.failed) > 0 ORDER BY w.provider;

	-- What a crash may have cost.
	SELECT count(*) AS n, string_agg(DISTINCT c.provider, ', ') AS providers INTO stuck
	  FROM kam.agent_call c WHERE c.status = 'in_doubt' AND c.error_class = 'in_doubt' AND c.finished_at > now() - interval '1 day';
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('calls in doubt', 'warning', format('%s answers were lost within a day (%s); they may have to be paid', stuck.n, stuck.providers),
			'SELECT * FROM kam.agent_call WHERE status = ''in_doubt''; kam.provider.in_doubt says what becomes of their runs.');
	END IF;

	-- Models that the agents are to be answered by.
	SELECT string_agg(format('%s (%s)', m.model, m.agents), ', ' ORDER BY m.model) AS which INTO stuck
	  FROM (SELECT u.model, string_agg(DISTINCT u.agent, ', ') AS agents
	          FROM (SELECT a.agent, unnest(ARRAY[a.model, a.fallback_model]) AS model FROM kam.agent a JOIN kam.provider p USING (provider)
	                 WHERE p.api IN ('anthropic', 'openai')) u
	         WHERE u.model IS NOT NULL AND NOT EXISTS (SELECT FROM kam.model m WHERE m.model = u.model AND m.effective_from <= present::date)
	         GROUP BY u.model) m;
	IF stuck.which IS NOT NULL THEN
		RETURN QUERY VALUES ('model rows', 'warning', format('no row of kam.model for %s: calls count as free, and requests hold what most models take', stuck.which),
			'INSERT INTO kam.model (model, capabilities, input_usd_per_mtok, ...).');
	END IF;

	SELECT string_agg(format('%s (%s) on %s', r.model, r.agents, r.retires_on), ', ' ORDER BY r.retires_on, r.model) AS which,
	       bool_or(NOT r.covered AND r.retires_on <= present::date) AS bare INTO stuck
	  FROM (SELECT u.model, u.retires_on, string_agg(u.agent, ', ' ORDER BY u.agent) AS agents, bool_and(u.covered) AS covered
	          FROM (SELECT a.agent, n.model, m.retires_on, n.first AND a.fallback_model IS NOT NULL AS covered
	                  FROM kam.agent a JOIN kam.provider p USING (provider)
	                 CROSS JOIN LATERAL (VALUES (a.model, true), (a.fallback_model, false)) n (model, first)
	                 CROSS JOIN LATERAL (SELECT m.retires_on FROM kam.model m WHERE m.model = n.model AND m.effective_from <= present::date
	                                      ORDER BY m.effective_from DESC LIMIT 1) m
	                 WHERE p.api IN ('anthropic', 'openai') AND m.retires_on < present::date + 60) u
	         GROUP BY u.model, u.retires_on) r;
	IF stuck.which IS NOT NULL THEN
		RETURN QUERY VALUES ('model retirement', CASE WHEN stuck.bare THEN 'error' ELSE 'warning' END,
			format('may be retired by their provider: %s', stuck.which),
			'UPDATE kam.agent SET model = ... WHERE model = ...; the fallback_model answers meanwhile, where there is one.');
	END IF;

	-- Contacts' texts and the key in the clear, beyond the own network.
	SELECT string_agg(DISTINCT p.provider, ', ') AS which INTO stuck
	  FROM kam.agent a JOIN kam.provider p USING (provider)
	 WHERE substring(lower(p.base_url) FROM '^http://(\[[^]]*\]|[^/:]+)')
	       !~ '^(localhost|(127|10)(\.\d+){3}|192\.168(\.\d+){2}|172\.(1[6-9]|2\d|3[01])(\.\d+){2}|\[::1\]|\[f[cd][0-9a-f:]*\]|[a-z0-9_-]+|.*\.(local|localhost|internal|lan|svc))$';
	IF stuck.which IS NOT NULL THEN
		RETURN QUERY VALUES ('addresses', 'warning', format('contacts'' texts and the key go to %s unencrypted', stuck.which), 'Use an https base_url.');
	END IF;
END
$$;
COMMENT ON FUNCTION _call_health() IS 'What kam_health() says of calls to models.';

CREATE FUNCTION kam_health() RETURNS TABLE (item text, state text, detail text, hint text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 10
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	preloaded boolean := EXISTS (SELECT FROM regexp_split_to_table(current_setting('shared_preload_libraries'), '[\s,"]+') l (name)
	                              WHERE l.name IN ('kam', '$libdir/kam'));
	paused boolean := current_setting('kam.paused')::boolean;
	alive bigint;
	trouble text;
	stuck record;
BEGIN
	RETURN QUERY SELECT 'preload', CASE WHEN preloaded THEN 'ok' ELSE 'warning' END,
		CASE WHEN preloaded THEN 'kam is in shared_preload_libraries' ELSE 'kam is not in shared_preload_libraries: no worker starts by itself' END,
		CASE WHEN NOT preloaded THEN 'Add it and restart, or SELECT kam.kam_worker_start().' END;

	SELECT count(*) FILTER (WHERE s.state IN ('idle', 'busy', 'paused')), string_agg(DISTINCT coalesce(s.reason, s.state), '; ')
	  INTO alive, trouble
	  FROM kam.kam_worker_status() s WHERE s.database = current_database();
	RETURN QUERY SELECT 'worker', CASE WHEN alive > 0 THEN 'ok' ELSE 'error' END,
		CASE WHEN alive > 0 THEN format('%s running', alive) ELSE coalesce(trouble, 'none') END,
		CASE WHEN alive = 0 THEN 'SELECT * FROM kam.kam_worker_status() tells more.' END;

	IF paused THEN
		RETURN QUERY VALUES ('paused', 'warning', 'kam.paused is on: nothing is decided', 'ALTER SYSTEM SET kam.paused = off, then reload.');
	END IF;
	IF NOT current_setting('kam.outreach')::boolean THEN
		RETURN QUERY VALUES ('outreach', 'warning', 'kam.outreach is off: no step is executed, touches are held and none is released',
			'ALTER SYSTEM SET kam.outreach = on, then reload.');
	END IF;
	IF current_setting('kam.clock') <> '' THEN
		RETURN QUERY VALUES ('clock', 'warning', format('kam.clock stands at %s', current_setting('kam.clock')), 'Only for tests and back-tests.');
	END IF;

	SELECT count(*) AS n, min(r.created_at) AS since INTO stuck
	  FROM kam.request r
	 WHERE r.finished_at IS NULL AND r.home = kam._home() AND r.lease_until IS NULL AND coalesce(r.next_attempt_at <= now(), true)
	   -- Replays come last: they may take their time.
	   AND r.replay_of IS NULL;
	RETURN QUERY SELECT 'queue', CASE WHEN stuck.n > 0 AND kam._now() - stuck.since > interval '5 min' THEN 'warning' ELSE 'ok' END,
		CASE WHEN stuck.n > 0 THEN format('%s waiting, the oldest since %s', stuck.n, stuck.since) ELSE 'empty' END,
		CASE WHEN stuck.n = 0 OR kam._now() - stuck.since <= interval '5 min' THEN NULL
		     WHEN alive = 0 THEN 'No worker runs: see the item worker.'
		     WHEN paused THEN 'See the item paused.'
		     ELSE 'kam.kam_progress shows each; are there enough workers (kam.workers, kam.max_in_flight)?' END;

	SELECT count(*) AS n INTO stuck FROM kam.request r WHERE r.finished_at IS NULL AND r.home = kam._home() AND r.lease_until < now() - interval '1 min';
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('leases', 'warning', format('%s runs belong to workers that are gone', stuck.n), 'A running worker takes them over at its next look.');
	END IF;

	SELECT count(*) AS n INTO stuck FROM kam.request r WHERE r.home <> kam._home() AND (r.finished_at IS NULL OR r.rerun_at IS NOT NULL);
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('parked', 'warning', format('%s runs came with a restore or a copy', stuck.n), 'SELECT kam.kam_resume() lets them go on.');
	END IF;

	-- Each failed run with the kind of its latest failed call, else its SQLSTATE.
	SELECT sum(f.n)::bigint AS n, string_agg(format('%s %s', f.n, f.class), ', ' ORDER BY f.n DESC, f.class) AS classes,
	       (array_agg(f.class ORDER BY f.n DESC, f.class))[1] AS class, (array_agg(f.latest ORDER BY f.at DESC))[1] AS latest INTO stuck
	  FROM (SELECT coalesce(CASE WHEN r.sqlstate = '28000' THEN 'no_key' END, c.error_class, r.sqlstate, 'unknown') AS class, count(*) AS n,
	               (array_agg(r.error ORDER BY r.finished_at DESC))[1] AS latest, max(r.finished_at) AS at
	          FROM (SELECT * FROM kam.request r WHERE r.status = 'failed' AND r.replay_of IS NULL AND r.finished_at > kam._now() - interval '1 day'
	                 ORDER BY r.finished_at DESC LIMIT 1000) r
	          LEFT JOIN LATERAL (SELECT c.error_class FROM kam.agent_call c WHERE c.session_id = r.session_id AND c.error_class IS NOT NULL
	                              ORDER BY c.call_no DESC LIMIT 1) c ON true
	         GROUP BY 1) f;
	RETURN QUERY SELECT 'failures', CASE WHEN stuck.n > 0 THEN 'warning' ELSE 'ok' END,
		CASE WHEN stuck.n > 0 THEN format('%s runs failed within a day (%s), the latest: %s', stuck.n, stuck.classes, stuck.latest) ELSE 'none within a day' END,
		CASE WHEN stuck.n > 0 THEN kam._remedy(stuck.class) END;

	RETURN QUERY SELECT h.* FROM kam._call_health() h;

	RETURN QUERY SELECT h.* FROM kam._delivery_health() h;
	RETURN QUERY SELECT h.* FROM kam._tick_health() h;
	RETURN QUERY SELECT h.* FROM kam._budget_health() h;
	RETURN QUERY SELECT h.* FROM kam._retention_health() h;

	SELECT count(*) AS n, string_agg(a.agent, ', ' ORDER BY a.agent) AS latest INTO stuck
	  FROM kam.agent a
	 WHERE NOT EXISTS (SELECT FROM kam.prompt p WHERE p.agent = a.agent AND p.version = a.prompt_version);
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('prompts', 'error', format('no prompt of the version in use for %s', stuck.latest), 'Set kam.agent.prompt_version to a row of kam.prompt.');
	END IF;
END
$$;
COMMENT ON FUNCTION kam_health() IS 'What is well and what is not, as far as the tables tell: one row per item with state ok, warning or error, what was found, and what to do. Asks nobody else, and works without a worker. Example: SELECT * FROM kam.kam_health() WHERE state <> ''ok'';';
