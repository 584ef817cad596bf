-- The worker, as SQL sees it.

CREATE FUNCTION kam_worker_start() RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'kam_worker_start';
COMMENT ON FUNCTION kam_worker_start() IS 'Starts a worker for this database at once, where the launcher does not (kam not preloaded, or database not in kam.databases); returns its process id, or that of one already running when all kam.workers slots are taken. It ends with the server, and nobody starts it again; without preload it looks for work every second. Example: SELECT kam.kam_worker_start();';

CREATE FUNCTION kam_worker_stop() RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'kam_worker_stop';
COMMENT ON FUNCTION kam_worker_stop() IS 'Ends this database''s workers that kam_worker_start() started; returns how many. Runs in hand are taken up again by the next worker. Example: SELECT kam.kam_worker_stop();';

CREATE FUNCTION kam_worker_status(
	OUT database text, OUT slot integer, OUT pid integer, OUT state text, OUT reason text, OUT started_at timestamptz, OUT restarts integer,
	OUT next_start timestamptz, OUT runs bigint, OUT calls bigint, OUT failures bigint, OUT reruns bigint, OUT last_error text,
	OUT last_error_at timestamptz)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 2
	AS 'MODULE_PATHNAME', 'kam_worker_status';
COMMENT ON FUNCTION kam_worker_status() IS 'One row per worker, and one for this database when it has none: state (idle, busy, paused, starting, connecting, waiting, stopping, no extension, wrong version, no role, no slot, not running) and, when it does no work, the reason and what to do. Counters since the server started: runs ended, calls recorded, failures, waits run again. Example: SELECT database, state, reason FROM kam.kam_worker_status();';

CREATE FUNCTION kam_lanes()
	RETURNS TABLE (slot integer, provider text, model text, in_flight integer,
		requests_per_minute bigint, input_tokens_per_minute bigint, output_tokens_per_minute bigint, tokens_per_minute bigint,
		requests_left bigint, input_tokens_left bigint, output_tokens_left bigint, tokens_left bigint,
		breaker text, next_call_at timestamptz, reason text, seen_at timestamptz)
	LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 10
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_lanes';
COMMENT ON FUNCTION kam_lanes() IS 'What the workers of this database have learnt of their providers'' limits, one row per worker (slot), provider and model asked since it started: calls in flight; limits per minute, as response headers tell them or, of requests, as 429s taught (tokens: input and output together; NULL: no limit is known); what of a told limit is left, below 0 a debt; breaker (closed, open: one probe at a time, recovering: few calls at once); next_call_at, before which nothing is sent, and the reason (NULL: a call may be sent at once). As the worker saw it at seen_at, when it last asked anybody. No rows without kam in shared_preload_libraries, before the first call of a model, or of models behind the first 256 of the server. Example: SELECT provider, model, in_flight, requests_per_minute, breaker, reason FROM kam.kam_lanes();';
