-- What calls have cost, by day: from the calls themselves, and, of days that are over and of runs that were deleted, from sums that stay.

CREATE TABLE cost_day (
	day					date NOT NULL,
	agent				text NOT NULL,
	provider			text NOT NULL,
	model				text NOT NULL,
	owner				text NOT NULL,
	runs				bigint NOT NULL DEFAULT 0,
	decisions			bigint NOT NULL DEFAULT 0,
	calls				bigint NOT NULL DEFAULT 0,
	failed				bigint NOT NULL DEFAULT 0,
	input_tokens		bigint NOT NULL DEFAULT 0,
	output_tokens		bigint NOT NULL DEFAULT 0,
	cache_read_tokens	bigint NOT NULL DEFAULT 0,
	cache_write_tokens	bigint NOT NULL DEFAULT 0,
	cost_usd			numeric NOT NULL DEFAULT 0,
	failed_usd			numeric NOT NULL DEFAULT 0,
	reserved_usd		numeric NOT NULL DEFAULT 0,
	replay_usd			numeric NOT NULL DEFAULT 0,
	PRIMARY KEY (day, agent, provider, model, owner)
);
COMMENT ON TABLE cost_day IS 'The part of kam_cost that does not need the calls any more: days that are over (the worker adds them up two days later), and earlier what runs had cost that were deleted. Its columns are those of kam_cost, an unknown owner as an empty text.';

CREATE TABLE _cost_closed (
	only_row	boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	day			date NOT NULL
);
COMMENT ON TABLE _cost_closed IS 'Up to which day cost_day holds all there is; no row: of no day.';
COMMENT ON COLUMN _cost_closed.only_row IS 'Always true: there is one row at most.';
COMMENT ON COLUMN _cost_closed.day IS 'The last such day.';

CREATE VIEW _cost_call AS
SELECT c.session_id, c.sent_on AS day, c.agent, c.provider, c.model, coalesce(d.owner_name, r.contact #>> '{contact_info,owner}', '') AS owner,
       f.is_first::integer AS runs, (f.is_first AND d.session_id IS NOT NULL)::integer AS decisions, 1 AS calls, b.is_bad::integer AS failed,
       c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_tokens,
       c.cost_usd, CASE WHEN b.is_bad THEN c.cost_usd ELSE 0 END AS failed_usd, c.reserved_usd,
       CASE WHEN r.replay_of IS NOT NULL THEN c.cost_usd ELSE 0 END AS replay_usd
  FROM agent_call c JOIN request r USING (session_id) LEFT JOIN final_decision d USING (session_id)
 CROSS JOIN LATERAL (SELECT NOT EXISTS (SELECT FROM agent_call e WHERE e.session_id = c.session_id AND e.call_no < c.call_no AND e.sent_on IS NOT NULL)) f (is_first)
 CROSS JOIN LATERAL (SELECT c.status IN ('failed', 'in_doubt')) b (is_bad)
 WHERE c.sent_on IS NOT NULL;
COMMENT ON VIEW _cost_call IS 'The calls of models as rows of cost_day. A run is counted at its first one.';

CREATE VIEW kam_cost AS
SELECT s.day, s.agent, s.provider, s.model, nullif(s.owner, '') AS owner,
       sum(s.runs)::bigint AS runs, sum(s.decisions)::bigint AS decisions, sum(s.calls)::bigint AS calls, sum(s.failed)::bigint AS failed,
       sum(s.input_tokens)::bigint AS input_tokens, sum(s.output_tokens)::bigint AS output_tokens,
       sum(s.cache_read_tokens)::bigint AS cache_read_tokens, sum(s.cache_write_tokens)::bigint AS cache_write_tokens,
       sum(s.cost_usd) AS cost_usd, sum(s.failed_usd) AS failed_usd, sum(s.reserved_usd) AS reserved_usd, sum(s.replay_usd) AS replay_usd
  FROM (SELECT day, agent, provider, model, owner, runs, decisions, calls, failed, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
               cost_usd, failed_usd, reserved_usd, replay_usd
          FROM cost_day
        UNION ALL
        SELECT day, agent, provider, model, owner, runs, decisions, calls, failed, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
               cost_usd, failed_usd, reserved_usd, replay_usd
          FROM _cost_call WHERE day > coalesce((SELECT c.day FROM _cost_closed c), '2000-01-01')) s
 GROUP BY s.day, s.agent, s.provider, s.model, s.owner;
COMMENT ON VIEW kam_cost IS 'What calls of models cost, by day, agent, provider, model and owner; group it as you like. It stays when the runs are deleted. A condition on day keeps it fast. Example: SELECT day, sum(cost_usd) AS usd, sum(cost_usd - replay_usd) / nullif(sum(decisions), 0) AS usd_per_decision FROM kam.kam_cost WHERE day > current_date - 30 GROUP BY day ORDER BY day;';
COMMENT ON COLUMN kam_cost.day IS 'Day of kam.default_timezone on which the calls were sent.';
COMMENT ON COLUMN kam_cost.agent IS 'Key of the agent.';
COMMENT ON COLUMN kam_cost.provider IS 'Who was asked.';
COMMENT ON COLUMN kam_cost.model IS 'Which model was asked.';
COMMENT ON COLUMN kam_cost.owner IS 'The contact''s owner; NULL when unknown.';
COMMENT ON COLUMN kam_cost.runs IS 'Runs, replays included, each in the row of its first call: sums over agents and models count no run twice.';
COMMENT ON COLUMN kam_cost.decisions IS 'Of those, how many came to a decision.';
COMMENT ON COLUMN kam_cost.calls IS 'Calls sent.';
COMMENT ON COLUMN kam_cost.failed IS 'Of those, how many failed or are in doubt.';
COMMENT ON COLUMN kam_cost.input_tokens IS 'Input tokens, not counting the cache''s.';
COMMENT ON COLUMN kam_cost.output_tokens IS 'Output tokens.';
COMMENT ON COLUMN kam_cost.cache_read_tokens IS 'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN kam_cost.cache_write_tokens IS 'Input tokens written to the provider''s cache.';
COMMENT ON COLUMN kam_cost.cost_usd IS 'US dollars, failed calls included.';
COMMENT ON COLUMN kam_cost.failed_usd IS 'Of those, what failed calls cost.';
COMMENT ON COLUMN kam_cost.reserved_usd IS 'US dollars that calls may cost besides, at most: under way, or their bill unknown.';
COMMENT ON COLUMN kam_cost.replay_usd IS 'Of cost_usd, what replays and back-tests cost: they come to no decision.';

DO $do$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT a.attname AS name, col_description(a.attrelid, a.attnum) AS text
	           FROM pg_attribute a WHERE a.attrelid = 'kam.kam_cost'::regclass AND a.attnum > 0
	LOOP
		EXECUTE format('COMMENT ON COLUMN kam.cost_day.%I IS %L', c.name, c.text);
	END LOOP;
END
$do$;

CREATE FUNCTION _add_cost(condition text, value text) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	EXECUTE format($sql$
		INSERT INTO kam.cost_day AS t (day, agent, provider, model, owner, runs, decisions, calls, failed, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
			cost_usd, failed_usd, reserved_usd, replay_usd)
		SELECT x.day, x.agent, x.provider, x.model, x.owner, sum(x.runs), sum(x.decisions), sum(x.calls), sum(x.failed),
		       sum(x.input_tokens), sum(x.output_tokens), sum(x.cache_read_tokens), sum(x.cache_write_tokens),
		       sum(x.cost_usd), sum(x.failed_usd), sum(x.reserved_usd), sum(x.replay_usd)
		  FROM kam._cost_call x
		 WHERE %s
		 GROUP BY x.day, x.agent, x.provider, x.model, x.owner
		 ORDER BY x.day, x.agent, x.provider, x.model, x.owner
		ON CONFLICT (day, agent, provider, model, owner) DO UPDATE SET
			runs = t.runs + EXCLUDED.runs, decisions = t.decisions + EXCLUDED.decisions, calls = t.calls + EXCLUDED.calls, failed = t.failed + EXCLUDED.failed,
			input_tokens = t.input_tokens + EXCLUDED.input_tokens, output_tokens = t.output_tokens + EXCLUDED.output_tokens,
			cache_read_tokens = t.cache_read_tokens + EXCLUDED.cache_read_tokens, cache_write_tokens = t.cache_write_tokens + EXCLUDED.cache_write_tokens,
			cost_usd = t.cost_usd + EXCLUDED.cost_usd, failed_usd = t.failed_usd + EXCLUDED.failed_usd, reserved_usd = t.reserved_usd + EXCLUDED.reserved_usd,
			replay_usd = t.replay_usd + EXCLUDED.replay_usd
		$sql$, format(condition, value));
END
$$;
COMMENT ON FUNCTION _add_cost(text, text) IS 'Adds the calls that fulfil a condition (on x, with %L for the value) to cost_day.';

CREATE FUNCTION _close_costs() RETURNS boolean
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	closed date := coalesce((SELECT c.day FROM kam._cost_closed c), '2000-01-01');
	-- By then no call of that day is under way any more, in no zone.
	last date := current_date - 3;
	due date;
BEGIN
	IF closed >= last THEN
		RETURN false;
	END IF;
	-- Who deletes a run holds it in ROW EXCLUSIVE mode: each call is added by one of the two.
	LOCK TABLE kam.cost_day IN SHARE ROW EXCLUSIVE MODE;
	closed := coalesce((SELECT c.day FROM kam._cost_closed c), '2000-01-01');
	due := (SELECT min(c.sent_on) FROM kam.agent_call c WHERE c.sent_on > closed AND c.sent_on <= last);
	IF due IS NULL THEN
		RETURN false;
	END IF;
	PERFORM kam._add_cost('x.day = %L::date', due::text);
	INSERT INTO kam._cost_closed AS c (day) VALUES (due) ON CONFLICT (only_row) DO UPDATE SET day = EXCLUDED.day;
	RETURN true;
END
$$;
COMMENT ON FUNCTION _close_costs() IS 'Adds up one day that is over for good, the oldest that is not yet; the worker calls it every hour. True when there may be another.';

CREATE FUNCTION _keep_cost() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF EXISTS (SELECT FROM kam.agent_call c WHERE c.session_id = OLD.session_id AND c.sent_on IS NOT NULL) THEN
		LOCK TABLE kam.cost_day IN ROW EXCLUSIVE MODE;
		PERFORM kam._add_cost('x.session_id = %L::uuid AND x.day > coalesce((SELECT c.day FROM kam._cost_closed c), ''2000-01-01'')', OLD.session_id::text);
	END IF;
	RETURN OLD;
END
$$;
COMMENT ON FUNCTION _keep_cost() IS 'Row trigger: what a run has cost stays when it is deleted.';
CREATE TRIGGER request_keep_cost BEFORE DELETE ON request FOR EACH ROW EXECUTE FUNCTION _keep_cost();

CREATE FUNCTION _keep_costs() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	LOCK TABLE kam.cost_day IN ROW EXCLUSIVE MODE;
	PERFORM kam._add_cost('x.day > coalesce((SELECT c.day FROM kam._cost_closed c), %L::date)', '2000-01-01');
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _keep_costs() IS 'Statement trigger: what all calls have cost stays when they are truncated, with request or alone.';
-- On the calls: whoever truncates request truncates them with it, and every such trigger fires before anything is gone.
CREATE TRIGGER agent_call_keep_costs BEFORE TRUNCATE ON agent_call FOR EACH STATEMENT EXECUTE FUNCTION _keep_costs();
