-- What calls may cost: budgets, and what of each is spent and reserved, day by day.

CREATE FUNCTION _budget_check() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	fault text;
	advice text;
BEGIN
	SELECT f.fault, f.advice INTO fault, advice
	  FROM (VALUES
		(NEW.budget IS NULL OR NEW.budget !~ '^[a-z0-9][a-z0-9_.-]{0,62}$', format('budget "%s" is no name', NEW.budget),
		 'A name is lower-case letters, digits, dots, dashes and underscores, at most 63.'),
		(NEW.scope IS NULL OR NEW.scope NOT IN ('day', 'run', 'provider-day'), format('scope "%s" of budget "%s" is unknown', NEW.scope, NEW.budget),
		 'It is one of day, run, provider-day.'),
		(NEW.scope = 'provider-day' AND coalesce(NEW.provider, '') = '', format('budget "%s" of scope provider-day names no provider', NEW.budget),
		 'Set provider to a row of kam.provider, or scope to day, which counts them all.'),
		(NEW.scope <> 'provider-day' AND NEW.provider IS NOT NULL, format('budget "%s" of scope %s names a provider', NEW.budget, NEW.scope),
		 'Leave provider NULL, which counts them all, or set scope to provider-day.'),
		(NEW.limit_usd IS NULL OR NOT NEW.limit_usd BETWEEN 0 AND 1000000, format('limit_usd %s of budget "%s" is out of range', NEW.limit_usd, NEW.budget),
		 'It takes US dollars from 0 to 1000000.'),
		(NEW.alert_at IS NULL OR NOT NEW.alert_at BETWEEN 0.01 AND 1, format('alert_at %s of budget "%s" is out of range', NEW.alert_at, NEW.budget),
		 'It takes a share of the limit, from 0.01 to 1: 0.8 alerts at four fifths.')
	  ) f (found, fault, advice)
	 WHERE f.found LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = fault, HINT = advice;
	END IF;
	IF TG_OP = 'UPDATE' THEN
		NEW.changed_at := now();
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _budget_check() IS 'Row trigger: refuses (22023) a budget that could not be kept, and notes when one is changed.';

CREATE TABLE budget (
	budget		text PRIMARY KEY,
	scope		text NOT NULL DEFAULT 'day',
	provider	text,
	limit_usd	numeric NOT NULL,
	alert_at	numeric NOT NULL DEFAULT 0.8,
	enabled		boolean NOT NULL DEFAULT true,
	created_at	timestamptz NOT NULL DEFAULT now(),
	changed_at	timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON budget FOR EACH ROW EXECUTE FUNCTION _budget_check();
COMMENT ON TABLE budget IS 'What calls to models may cost. A call is sent when what is spent, what calls under way may cost at most, and what it may cost itself stay within every budget that counts it; else its run waits, or, where the run''s own budget is spent, the built-in agents answer. Calls that cost nothing are never held. No rows: no limits. Example: INSERT INTO kam.budget (budget, limit_usd) VALUES (''daily'', 20);';
COMMENT ON COLUMN budget.budget IS 'Name, as in the reasons of runs that wait.';
COMMENT ON COLUMN budget.scope IS 'What it counts: day (all calls of a day), provider-day (those of one provider), run (all calls of each run by itself).';
COMMENT ON COLUMN budget.provider IS 'The provider of provider-day; else NULL, all of them.';
COMMENT ON COLUMN budget.limit_usd IS 'US dollars, 0 to 1000000, per day or run. A day is one of kam.default_timezone as the worker knows it, in real time whatever kam.clock says. 0 sends nothing that costs.';
COMMENT ON COLUMN budget.alert_at IS 'Share of the limit, 0.01 to 1: when so much of a day''s is spent, or a call is held, the endpoints with the topic budget are told, once a day.';
COMMENT ON COLUMN budget.enabled IS 'Off, it counts on and holds nothing.';
COMMENT ON COLUMN budget.created_at IS 'When the row was made.';
COMMENT ON COLUMN budget.changed_at IS 'When it was changed last.';

CREATE TABLE budget_spend (
	day				date NOT NULL,
	budget			text NOT NULL REFERENCES budget ON UPDATE CASCADE ON DELETE CASCADE,
	spent_usd		numeric NOT NULL DEFAULT 0 CHECK (spent_usd >= 0),
	reserved_usd	numeric NOT NULL DEFAULT 0 CHECK (reserved_usd >= 0),
	alerted_at		timestamptz,
	PRIMARY KEY (day, budget)
);
-- Written with every batch of calls: room for HOT updates.
ALTER TABLE budget_spend SET (fillfactor = 20);
COMMENT ON TABLE budget_spend IS 'What is spent of each budget of scope day and provider-day, by the day on which the calls were sent. The sums of agent_call.cost_usd and reserved_usd, kept up in the transactions that write those. Example: SELECT * FROM kam.budget_spend WHERE day = current_date;';
COMMENT ON COLUMN budget_spend.day IS 'Day of kam.default_timezone.';
COMMENT ON COLUMN budget_spend.budget IS 'Row of budget.';
COMMENT ON COLUMN budget_spend.spent_usd IS 'US dollars of calls that have ended.';
COMMENT ON COLUMN budget_spend.reserved_usd IS 'US dollars that calls under way may cost at most, and those whose bill nobody knows: in doubt, or broken off before the provider told it.';
COMMENT ON COLUMN budget_spend.alerted_at IS 'When the alert of the day went out; NULL: not yet.';

CREATE FUNCTION _forget_budgets() RETURNS void
	LANGUAGE c VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_forget_budgets';
COMMENT ON FUNCTION _forget_budgets() IS 'Has every worker read kam.budget again, once this transaction is committed.';

CREATE FUNCTION _count_spend(budget text) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	since date := current_date - 2;	-- days of any zone, and calls that began before midnight
BEGIN
	UPDATE kam.budget_spend s SET spent_usd = 0, reserved_usd = 0 WHERE s.budget = _count_spend.budget AND s.day >= since;
	INSERT INTO kam.budget_spend AS s (day, budget, spent_usd, reserved_usd)
	SELECT c.day, b.budget, sum(c.cost_usd), sum(c.reserved_usd)
	  FROM kam.budget b JOIN kam.kam_cost c ON c.day >= since AND (b.provider IS NULL OR c.provider = b.provider)
	 WHERE b.budget = _count_spend.budget AND b.scope <> 'run'
	 GROUP BY 1, 2 ORDER BY 1, 2
	ON CONFLICT (day, budget) DO UPDATE SET spent_usd = EXCLUDED.spent_usd, reserved_usd = EXCLUDED.reserved_usd;
END
$$;
COMMENT ON FUNCTION _count_spend(text) IS 'Counts what is spent of a budget today and in the days before, as kam_cost tells: from the calls, and of runs that were deleted. Whoever calls it holds agent_call in SHARE mode.';

CREATE FUNCTION _budget_changed() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	-- Workers hold it in ROW EXCLUSIVE mode from before they look at budgets until they have committed: from here on each knows this change, or has ended.
	LOCK TABLE kam.agent_call IN SHARE MODE;
	PERFORM kam._forget_budgets();
	IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND (OLD.scope, OLD.provider) IS DISTINCT FROM (NEW.scope, NEW.provider) THEN
		PERFORM kam._count_spend(NEW.budget);
	END IF;
	-- Who waits for a budget looks again.  A row that is locked is being taken up, or cancelled.
	UPDATE kam.request r SET next_attempt_at = NULL
	 WHERE r.session_id IN (
		SELECT w.session_id FROM kam.request w
		 WHERE w.home = kam._home() AND w.finished_at IS NULL AND w.sqlstate = '53400' AND w.lease_owner IS NULL AND w.next_attempt_at < 'infinity'
		   FOR NO KEY UPDATE SKIP LOCKED);
	PERFORM kam._wake_worker();
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _budget_changed() IS 'Row trigger, at the end of the transaction: workers keep to the budget as it is now, and runs that wait for one are looked at again.';
-- Deferred, so that a long transaction of an administrator does not hold the workers up.
CREATE CONSTRAINT TRIGGER budget_changed AFTER INSERT OR UPDATE OR DELETE ON budget DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION _budget_changed();

CREATE FUNCTION _count_all_spend() RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	LOCK TABLE kam.agent_call IN SHARE MODE;
	PERFORM kam._count_spend(b.budget) FROM kam.budget b ORDER BY b.budget;
	PERFORM kam._forget_budgets();
END
$$;
COMMENT ON FUNCTION _count_all_spend() IS 'Counts what is spent of every budget anew: a restore brings budgets and calls, not their sums.';

CREATE FUNCTION _budget_health(OUT item text, OUT state text, OUT detail text, OUT hint text) RETURNS SETOF record
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT 'budget ' || b.budget, 'warning',
		       format('%s of %s USD are spent of %s''s, %s reserved; %s runs wait for a budget', round(s.spent_usd, 2), b.limit_usd, s.day, round(s.reserved_usd, 2),
		              (SELECT count(*) FROM kam.request r WHERE r.home = kam._home() AND r.finished_at IS NULL AND r.sqlstate = '53400')),
		       'Raise it: UPDATE kam.budget SET limit_usd = ...; what waits goes on at once. SELECT * FROM kam.kam_cost WHERE day = current_date tells who spends it.'
		  FROM kam.budget b
		  JOIN kam.budget_spend s ON s.budget = b.budget AND s.day = (now() AT TIME ZONE coalesce(current_setting('kam.default_timezone', true), 'Europe/Paris'))::date
		 -- One that has let no call through yet, the first being too dear for it, has only been told of.
		 WHERE b.enabled AND (s.alerted_at IS NOT NULL OR s.spent_usd > 0 AND s.spent_usd >= b.limit_usd * b.alert_at)
		UNION ALL
		SELECT 'budget ' || b.budget, 'warning', format('it counts the calls of provider "%s", of which there is no row', b.provider),
		       'Correct provider, or delete the budget.'
		  FROM kam.budget b
		 WHERE b.enabled AND b.scope = 'provider-day' AND NOT EXISTS (SELECT FROM kam.provider p WHERE p.provider = b.provider)
		 ORDER BY 1;
	END;
COMMENT ON FUNCTION _budget_health() IS 'The rows of kam_health() about budgets.';
