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
