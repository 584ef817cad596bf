-- Plays: their life cycle, what their definitions may say, whom they match, what a play would do (docs/plays.md).  Who writes leads or accounts only
-- leaves a note (_play_candidate); the schedules match and enrol (71_play_schedules.sql).

-- ---- definitions ------------------------------------------------------------------------

CREATE FUNCTION _play_refuse(path text, what text, hint text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = what, DETAIL = format('The value is at "%s".', path), HINT = hint;
END
$$;
COMMENT ON FUNCTION _play_refuse(text, text, text) IS 'Raises 22023 with the path of what a play may not say.';

CREATE FUNCTION _check_target(target jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	example CONSTANT text := 'For example {"match": "$.attributes.seats > 250"} or {"contains": {"account": {"icp_tier": "T1"}}}, with "level": "account" for primary leads.';
	odd text;
	path jsonpath;
BEGIN
	IF target IS NULL OR jsonb_typeof(target) <> 'object' THEN
		PERFORM kam._play_refuse('/target_definition', 'a target_definition must be an object', example);
	END IF;
	SELECT k INTO odd FROM jsonb_object_keys(target) k WHERE k NOT IN ('match', 'contains', 'level') ORDER BY k LIMIT 1;
	IF FOUND THEN
		PERFORM kam._play_refuse('/target_definition/' || replace(replace(odd, '~', '~0'), '/', '~1'), format('a target_definition has no "%s"', odd), example);
	END IF;
	IF target ? 'level' AND (target -> 'level') NOT IN ('"lead"', '"account"') THEN
		PERFORM kam._play_refuse('/target_definition/level', format('unknown level: %s', target -> 'level'), 'It is "lead", also when left out, or "account".');
	END IF;
	IF target ? 'contains' AND (jsonb_typeof(target -> 'contains') <> 'object' OR target -> 'contains' = '{}') THEN
		PERFORM kam._play_refuse('/target_definition/contains', 'contains must be an object that says something', example);
	END IF;
	IF NOT target ? 'match' THEN
		RETURN;
	END IF;
	IF jsonb_typeof(target -> 'match') <> 'string' THEN
		PERFORM kam._play_refuse('/target_definition/match', 'match must be a jsonpath predicate in a text', example);
	END IF;
	BEGIN
		path := (target ->> 'match')::jsonpath;
	EXCEPTION WHEN syntax_error OR data_exception OR program_limit_exceeded THEN
		PERFORM kam._play_refuse('/target_definition/match', format('match is no jsonpath: %s', SQLERRM), example);
	END;
	IF kam._names_variable(path) THEN
		PERFORM kam._play_refuse('/target_definition/match', 'match must not use variables', 'Write the value itself, for example $.icp_tier == "T1".');
	END IF;
	BEGIN
		-- A predicate is true, false or unknown of whatever it is asked; a path finds nothing in an empty document.
		PERFORM jsonb_path_match('{}', path);
	EXCEPTION WHEN data_exception THEN
		PERFORM kam._play_refuse('/target_definition/match', format('match is no predicate: %s', target ->> 'match'),
			'A predicate compares: $.attributes.seats > 250, $.attributes.hot == true, exists($.attributes.tags[*] ? (@ == "hot")).');
	END;
END
$$;
COMMENT ON FUNCTION _check_target(jsonb) IS 'Refuses what is no target_definition of a play: 22023 with the path and a hint.';

CREATE FUNCTION _check_cadence(cadence jsonb) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	example CONSTANT text := 'For example {"sequence_type": "play", "steps": [{"day": 0, "channel": "email", "content": "…"}], "daily_limit": 40}.';
	odd text;
BEGIN
	IF cadence IS NULL OR jsonb_typeof(cadence) <> 'object' THEN
		PERFORM kam._play_refuse('/suggested_cadence', 'a suggested_cadence must be an object', example);
	END IF;
	SELECT k INTO odd FROM jsonb_object_keys(cadence) k WHERE k NOT IN ('sequence_type', 'steps', 'daily_limit') ORDER BY k LIMIT 1;
	IF FOUND THEN
		PERFORM kam._play_refuse('/suggested_cadence/' || replace(replace(odd, '~', '~0'), '/', '~1'), format('a suggested_cadence has no "%s"', odd), example);
	END IF;
	IF cadence ? 'sequence_type' AND (jsonb_typeof(cadence -> 'sequence_type') <> 'string'
	   OR NOT EXISTS (SELECT FROM kam.sequence_type t WHERE t.sequence_type = cadence ->> 'sequence_type')) THEN
		PERFORM kam._play_refuse('/suggested_cadence/sequence_type', format('unknown sequence_type %s', cadence -> 'sequence_type'),
			'Types are the rows of kam.sequence_type; add one of your own. Left out it is play.');
	END IF;
	IF cadence ? 'daily_limit' AND (CASE WHEN jsonb_typeof(cadence -> 'daily_limit') = 'number'
		THEN (cadence ->> 'daily_limit')::numeric NOT BETWEEN 1 AND 1000000 OR (cadence ->> 'daily_limit')::numeric % 1 <> 0 ELSE true END) THEN
		PERFORM kam._play_refuse('/suggested_cadence/daily_limit', format('daily_limit must be an integer from 1 to 1000000: %s', cadence -> 'daily_limit'),
			'It is how many leads are enrolled per day; leave it out for no limit.');
	END IF;
	IF cadence ? 'steps' THEN
		PERFORM kam._check_steps(cadence -> 'steps', '/suggested_cadence/steps', true);
	END IF;
END
$$;
COMMENT ON FUNCTION _check_cadence(jsonb) IS 'Refuses what is no suggested_cadence of a play: 22023 with the path and a hint.';

-- ---- life cycle ---------------------------------------------------------------------------

CREATE FUNCTION _is_person(name text) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT coalesce(btrim(_is_person.name), '') <> '' AND _is_person.name !~* '\mAGT[-_ ]*[0-9]';
	END;
COMMENT ON FUNCTION _is_person(text) IS 'Whether this names somebody, and no agent (AGT-901).';

CREATE FUNCTION _play_written() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	-- A dump brings plays as they are; so may who could write anything.
	IF NOT pg_has_role(current_user, 'kam_restore', 'member') THEN
		NEW.home := kam._home();
		IF NEW.state <> 'draft' THEN
			RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
				MESSAGE = format('play "%s" must begin as a draft', NEW.play_id),
				HINT = 'Insert it with state draft; a person makes it active: SELECT kam.kam_promote_play(play_id, promoted_by).';
		END IF;
	END IF;
	IF NEW.state = 'draft' THEN
		NEW.promoted_by := NULL;
		NEW.promoted_at := NULL;
		NEW.ended_by := NULL;
		NEW.ended_at := NULL;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _play_written() IS 'Row trigger of SalesPlayLibrary: a new play is a draft, unless a restore brings it; 55000.';

CREATE FUNCTION _play_defined() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	PERFORM kam._check_target(NEW.target_definition);
	PERFORM kam._check_cadence(NEW.suggested_cadence);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _play_defined() IS 'Row trigger of SalesPlayLibrary: definition and cadence are checked when they are written (22023).';

CREATE FUNCTION _play_ordered() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	fixed text;
	lacks text;
	hint text;
BEGIN
	IF NEW.play_id <> OLD.play_id THEN
		RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = format('play "%s" cannot become "%s"', OLD.play_id, NEW.play_id),
			HINT = 'Its events name it; draft another play.';
	END IF;
	IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (('draft', 'active'), ('active', 'ended')) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('play "%s" is %s and cannot become %s', NEW.play_id, OLD.state, NEW.state),
			HINT = CASE OLD.state WHEN 'draft' THEN 'Only an active play ends; delete a draft that nobody wants.'
			       ELSE 'A play goes from draft to active to ended; draft another one.' END;
	END IF;

	fixed := CASE
		WHEN OLD.state <> 'draft' AND NEW.target_definition <> OLD.target_definition THEN 'target_definition'
		WHEN OLD.state <> 'draft' AND NEW.suggested_cadence <> OLD.suggested_cadence THEN 'suggested_cadence'
		WHEN OLD.state <> 'draft' AND NEW.active_period_start IS DISTINCT FROM OLD.active_period_start THEN 'active_period_start'
		WHEN OLD.state <> 'draft' AND NEW.active_period_end IS DISTINCT FROM OLD.active_period_end THEN 'active_period_end'
		WHEN OLD.state <> 'draft' AND (NEW.promoted_by, NEW.promoted_at) IS DISTINCT FROM (OLD.promoted_by, OLD.promoted_at) THEN 'promoted_by'
		WHEN OLD.state = 'ended' AND (NEW.ended_by, NEW.ended_at) IS DISTINCT FROM (OLD.ended_by, OLD.ended_at) THEN 'ended_by'
		WHEN (OLD.state <> 'draft' OR OLD.originating_proposal_id IS NOT NULL) AND NEW.originating_proposal_id IS DISTINCT FROM OLD.originating_proposal_id
			THEN 'originating_proposal_id' END;
	IF fixed IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('%s of play "%s" cannot be changed: it is %s', fixed, NEW.play_id, OLD.state),
			HINT = CASE WHEN OLD.state = 'active' THEN format('End it, SELECT kam.kam_end_play(%L, ended_by), and draft another.', NEW.play_id)
			       ELSE 'Draft another play.' END;
	END IF;

	IF NEW.state = 'draft' THEN
		NEW.promoted_by := NULL;
		NEW.promoted_at := NULL;
	END IF;
	IF NEW.state <> 'ended' THEN
		NEW.ended_by := NULL;
		NEW.ended_at := NULL;
	END IF;
	IF NEW.state = OLD.state THEN
		RETURN NEW;
	END IF;
	IF NEW.state = 'ended' THEN
		NEW.ended_by := coalesce(nullif(btrim(NEW.ended_by), ''), session_user);
		NEW.ended_at := kam._now();
		RETURN NEW;
	END IF;

	IF NOT kam._is_person(NEW.promoted_by) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('a play is promoted by a person, not by %s', coalesce(quote_literal(NEW.promoted_by), 'NULL')),
			HINT = format('Agents draft, people promote: SELECT kam.kam_promote_play(%L, ''jane@acme.com'').', NEW.play_id);
	END IF;
	SELECT e.lacks, e.hint INTO lacks, hint
	  FROM (VALUES
		(1, NOT NEW.target_definition ?| '{match,contains}' AND NEW.target_definition ->> 'level' IS DISTINCT FROM 'account',
		 'its target_definition is empty', 'Say whom it is for, for example {"match": "$.attributes.seats > 250"}.'),
		(2, coalesce(NEW.suggested_cadence -> 'steps', '[]') = '[]',
		 'its suggested_cadence has no steps', 'Say what is to be done, for example {"steps": [{"day": 0, "channel": "email", "content": "…"}]}.'),
		(3, coalesce(NEW.active_period_end <= kam._now(), false),
		 format('its period was over at %s', NEW.active_period_end), 'Set a later active_period_end.')) e (n, so, lacks, hint)
	 WHERE e.so ORDER BY e.n LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('play "%s" cannot become active: %s', NEW.play_id, lacks), HINT = hint;
	END IF;
	NEW.promoted_by := btrim(NEW.promoted_by);
	NEW.promoted_at := kam._now();
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _play_ordered() IS 'Row trigger of SalesPlayLibrary: a play goes from draft to active to ended, whoever updates; what is active keeps its definition, cadence, period and origin (55000). A person makes it active (22023).';

CREATE FUNCTION _play_turned() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	-- An ended play of a restore has nothing left to end here.
	IF NEW.state = 'active' OR TG_OP = 'UPDATE' THEN
		INSERT INTO kam._play_scan AS s (play_id, upto, next_at)
		VALUES (NEW.play_id, '', greatest(kam._now(), CASE NEW.state WHEN 'active' THEN NEW.active_period_start END))
		ON CONFLICT (play_id) DO UPDATE SET upto = EXCLUDED.upto, next_at = EXCLUDED.next_at, horizon = NULL;
	END IF;
	PERFORM kam._wake_worker();
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _play_turned() IS 'Row trigger of SalesPlayLibrary: a play that has become active or has ended is work for the schedules; of a restore, once kam_resume() says so.';

CREATE TRIGGER _play_1_written BEFORE INSERT ON SalesPlayLibrary FOR EACH ROW EXECUTE FUNCTION _play_written();
CREATE TRIGGER _play_2_ordered BEFORE UPDATE ON SalesPlayLibrary FOR EACH ROW EXECUTE FUNCTION _play_ordered();
-- What another database wrote was checked there.
CREATE TRIGGER _play_3_defined BEFORE INSERT OR UPDATE OF target_definition, suggested_cadence ON SalesPlayLibrary
	FOR EACH ROW WHEN (NEW.home = _home()) EXECUTE FUNCTION _play_defined();
CREATE TRIGGER _play_turned AFTER INSERT OR UPDATE OF state, home ON SalesPlayLibrary
	FOR EACH ROW WHEN (NEW.home = _home() AND NEW.state <> 'draft') EXECUTE FUNCTION _play_turned();

CREATE FUNCTION kam_promote_play(play_id text, promoted_by text) RETURNS SalesPlayLibrary
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	play kam.SalesPlayLibrary;
BEGIN
	SELECT p.* INTO play FROM kam.SalesPlayLibrary p WHERE p.play_id = kam_promote_play.play_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no play "%s"', coalesce(kam_promote_play.play_id, 'NULL')),
			HINT = 'SELECT play_id, state FROM kam.SalesPlayLibrary lists them.';
	END IF;
	IF play.state <> 'draft' THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('play "%s" is %s, not a draft', play.play_id, play.state),
			DETAIL = coalesce(format('%s promoted it at %s.', play.promoted_by, play.promoted_at), ''),
			HINT = 'A play is promoted once; draft another one.';
	END IF;
	UPDATE kam.SalesPlayLibrary p SET state = 'active', promoted_by = kam_promote_play.promoted_by
	 WHERE p.play_id = kam_promote_play.play_id
	RETURNING p.* INTO play;
	RETURN play;
END
$$;
COMMENT ON FUNCTION kam_promote_play(text, text) IS 'A person makes a drafted play active: from active_period_start (or now) on the schedules enrol every lead that it matches, once, through all gates, until active_period_end. Records promoted_by, which must name a person: an agent''s code (AGT-901) raises 22023. Errors: unknown play P0002; one that is no draft, has no target, no steps, or whose period is over 55000. Returns the play. kam_play_preview(play_id) tells before what would come of it. Example: SELECT state, promoted_at FROM kam.kam_promote_play(''big-accounts'', ''jane@acme.com'');';

CREATE FUNCTION kam_end_play(play_id text, ended_by text) RETURNS SalesPlayLibrary
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	play kam.SalesPlayLibrary;
BEGIN
	SELECT p.* INTO play FROM kam.SalesPlayLibrary p WHERE p.play_id = kam_end_play.play_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no play "%s"', coalesce(kam_end_play.play_id, 'NULL')),
			HINT = 'SELECT play_id, state FROM kam.SalesPlayLibrary lists them.';
	END IF;
	-- Ending it again changes nothing.
	IF play.state = 'ended' THEN
		RETURN play;
	END IF;
	IF coalesce(btrim(kam_end_play.ended_by), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('who ends play "%s"?', play.play_id),
			HINT = format('SELECT kam.kam_end_play(%L, ''jane@acme.com'').', play.play_id);
	END IF;
	UPDATE kam.SalesPlayLibrary p SET state = 'ended', ended_by = kam_end_play.ended_by
	 WHERE p.play_id = kam_end_play.play_id
	RETURNING p.* INTO play;
	RETURN play;
END
$$;
COMMENT ON FUNCTION kam_end_play(text, text) IS 'Ends an active play before its time: from the commit on nothing of it is executed and nobody is enrolled; the schedules expire its holds and finish its enrolments (play_ended). Returns the play; one that has ended stays as it was. Errors: unknown play P0002, a draft 55000, nobody in ended_by 22023. Example: SELECT ended_at FROM kam.kam_end_play(''big-accounts'', ''jane@acme.com'');';

-- ---- who matches ----------------------------------------------------------------------------

CREATE FUNCTION _primary_lead(account_id text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT l.lead_id FROM kam.Leads l
		 WHERE l.account_id = _primary_lead.account_id AND l.merged_into IS NULL AND cardinality(kam._lead_addresses(l)) > 0
		 ORDER BY l.lead_id LIMIT 1;
	END;
COMMENT ON FUNCTION _primary_lead(text) IS 'The account''s primary lead: the lowest lead_id that has an e-mail address, phone or profile and was not merged; NULL for none. A CRM''s keys rise, so that it is the first that was entered.';

-- Times as text in one zone, whoever asks.
CREATE FUNCTION _play_match(target jsonb, leads text[]) RETURNS SETOF text
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
	SET search_path = pg_catalog, kam, pg_temp
	SET timezone = 'UTC'
	AS $$
DECLARE
	path CONSTANT jsonpath := (target ->> 'match')::jsonpath;
	part CONSTANT jsonb := target -> 'contains';
	primary_only CONSTANT boolean := coalesce(target ->> 'level' = 'account', false);
BEGIN
	-- Of an empty definition nobody.
	IF path IS NULL AND part IS NULL AND NOT primary_only THEN
		RETURN;
	END IF;
	RETURN QUERY
	SELECT l.lead_id::text
	  FROM unnest(leads) u (lead_id)
	  JOIN kam.Leads l USING (lead_id)
	  LEFT JOIN kam.Accounts a ON a.account_id = l.account_id
	 CROSS JOIN LATERAL (SELECT to_jsonb(l) || jsonb_build_object('account', to_jsonb(a)) AS about OFFSET 0) d
	 WHERE l.merged_into IS NULL
	   AND (path IS NULL OR jsonb_path_match(d.about, path, '{}', true))
	   AND (part IS NULL OR d.about @> part)
	   AND (NOT primary_only OR l.lead_id = kam._primary_lead(l.account_id))
	 ORDER BY l.lead_id;
END
$$;
COMMENT ON FUNCTION _play_match(jsonb, text[]) IS 'Those of these leads that a target_definition matches, in order. It is asked of the lead''s columns with "attributes" and "account" (the account''s columns, null for none); times are text in UTC. What cannot be compared does not match.';

-- ---- notes of those who write leads and accounts -----------------------------------------------

CREATE FUNCTION _play_leads_came() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF EXISTS (SELECT FROM kam.SalesPlayLibrary p WHERE p.state = 'active') THEN
		INSERT INTO kam._play_candidate (lead_id) SELECT c.lead_id FROM came c;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _play_leads_came() IS 'Statement trigger on Leads: while a play is active, new leads are noted for the schedules.';
CREATE TRIGGER _play_leads_came AFTER INSERT ON Leads REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION _play_leads_came();

CREATE FUNCTION _play_lead_changed() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF EXISTS (SELECT FROM kam.SalesPlayLibrary p WHERE p.state = 'active') THEN
		INSERT INTO kam._play_candidate (lead_id) VALUES (NEW.lead_id);
		-- The account that it leaves may have another primary lead now.
		IF OLD.account_id <> coalesce(NEW.account_id, '') THEN
			INSERT INTO kam._play_candidate (account_id) VALUES (OLD.account_id);
		END IF;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _play_lead_changed() IS 'Row trigger on Leads: while a play is active, leads that a CRM sync or a person changed are noted for the schedules.';
-- For each row, since only then a trigger can tell by its columns that the gate wrote: each touch writes a lead.
CREATE TRIGGER _play_lead_changed AFTER UPDATE OF account_id, full_name, job_title, email, phone, linkedin_url, owner_id, icp_tier, time_zone, unsubscribe_flag,
	opt_out_flag, sales_signal_at, marketing_signal_at, attributes, merged_into ON Leads FOR EACH ROW
	WHEN ((OLD.account_id, OLD.full_name, OLD.job_title, OLD.email, OLD.phone, OLD.linkedin_url, OLD.owner_id, OLD.icp_tier, OLD.time_zone, OLD.unsubscribe_flag,
	       OLD.opt_out_flag, OLD.sales_signal_at, OLD.marketing_signal_at, OLD.attributes, OLD.merged_into)
	      IS DISTINCT FROM (NEW.account_id, NEW.full_name, NEW.job_title, NEW.email, NEW.phone, NEW.linkedin_url, NEW.owner_id, NEW.icp_tier, NEW.time_zone,
	       NEW.unsubscribe_flag, NEW.opt_out_flag, NEW.sales_signal_at, NEW.marketing_signal_at, NEW.attributes, NEW.merged_into))
	EXECUTE FUNCTION _play_lead_changed();

CREATE FUNCTION _play_leads_went() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF EXISTS (SELECT FROM kam.SalesPlayLibrary p WHERE p.state = 'active') THEN
		INSERT INTO kam._play_candidate (account_id) SELECT DISTINCT w.account_id FROM went w WHERE w.account_id IS NOT NULL;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _play_leads_went() IS 'Statement trigger on Leads: accounts that have lost a lead may have another primary one.';
CREATE TRIGGER _play_leads_went AFTER DELETE ON Leads REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION _play_leads_went();

CREATE FUNCTION _play_accounts_changed() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF EXISTS (SELECT FROM kam.SalesPlayLibrary p WHERE p.state = 'active') THEN
		INSERT INTO kam._play_candidate (account_id)
		SELECT a.account_id FROM after a JOIN before b USING (account_id) WHERE a IS DISTINCT FROM b;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _play_accounts_changed() IS 'Statement trigger on Accounts: while a play is active, accounts that changed are noted for the schedules.';
CREATE TRIGGER _play_accounts_changed AFTER UPDATE ON Accounts REFERENCING OLD TABLE AS before NEW TABLE AS after
	FOR EACH STATEMENT EXECUTE FUNCTION _play_accounts_changed();
CREATE TRIGGER _play_candidate_wake AFTER INSERT ON _play_candidate FOR EACH STATEMENT EXECUTE FUNCTION _wake();

CREATE FUNCTION _playbook_written() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	PERFORM kam._check_steps(NEW.steps, '/steps', true);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _playbook_written() IS 'Row trigger of ABMPlaybook: its steps are checked when they are written (22023).';
CREATE TRIGGER _playbook_written BEFORE INSERT OR UPDATE OF steps ON ABMPlaybook
	FOR EACH ROW WHEN (NEW.home = _home()) EXECUTE FUNCTION _playbook_written();

CREATE FUNCTION _playbook_turned() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	INSERT INTO kam._play_candidate (playbook_id) VALUES (NEW.playbook_id);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _playbook_turned() IS 'Row trigger of ABMPlaybook: a row that became active or ended is noted for the schedules.';
CREATE TRIGGER _playbook_turned AFTER INSERT OR UPDATE OF state, home, lead_id, account_id ON ABMPlaybook
	FOR EACH ROW WHEN (NEW.home = _home() AND NEW.state <> 'draft') EXECUTE FUNCTION _playbook_turned();

-- ---- what a play would do ---------------------------------------------------------------------------

CREATE FUNCTION _step_days(steps jsonb, starts timestamptz) RETURNS numeric[]
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	step jsonb;
	day numeric := 0;
	days numeric[] := '{}';
BEGIN
	FOR step IN SELECT s FROM jsonb_array_elements(steps) WITH ORDINALITY e (s, n) ORDER BY e.n LOOP
		day := CASE WHEN jsonb_typeof(step -> 'day') = 'number' THEN (step ->> 'day')::numeric
		            WHEN step ? 'execute_at' THEN greatest(0, extract(epoch FROM (step ->> 'execute_at')::timestamptz - starts) / 86400)
		            WHEN step ? 'delay' THEN day + extract(epoch FROM (step ->> 'delay')::interval) / 86400
		            ELSE day END;
		days := days || round(day, 4);
	END LOOP;
	RETURN days;
END
$$;
COMMENT ON FUNCTION _step_days(jsonb, timestamptz) IS 'How many days after an enrolment each step of a plan is due, send windows apart.';

CREATE FUNCTION _play_days(steps numeric[], daily_limit numeric, allowed integer, waiting integer, days integer) RETURNS jsonb
	LANGUAGE sql IMMUTABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		WITH daily AS (
			SELECT d AS day, greatest(0, least(c.daily, allowed + waiting - d * c.daily)) AS enrolled
			  FROM (SELECT coalesce(daily_limit, greatest(allowed + waiting, 1)) AS daily) c
			 CROSS JOIN generate_series(0, days - 1) d
		), planned AS (
			SELECT d.day, d.enrolled,
			       round(coalesce((SELECT sum(e.enrolled) FROM unnest(steps) s JOIN daily e ON e.day = d.day - floor(s)), 0)
			             * allowed / greatest(allowed + waiting, 1))::integer AS touches
			  FROM daily d
		)
		SELECT coalesce(jsonb_agg(jsonb_build_object('day', p.day, 'enrolled', p.enrolled, 'touches', p.touches) ORDER BY p.day), '[]')
		  FROM planned p WHERE p.enrolled > 0 OR p.touches > 0;
	END;
COMMENT ON FUNCTION _play_days(numeric[], numeric, integer, integer, integer) IS 'How many leads a play enrols and how many touches it asks for on each of its first days; steps: the days of each. Those who wait are enrolled, but not touched.';

CREATE FUNCTION kam_play_preview(play_id text, most integer DEFAULT 1000) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	look CONSTANT integer := 100000;
	listed CONSTANT integer := 100;
	play kam.SalesPlayLibrary;
	leads text[];
	matching text[];
	fresh text[];
	every integer;
	judged integer;
	allowed integer;
	waiting integer;
	blocked integer;
	groups jsonb;
	lists jsonb;
	scale numeric;
	starts timestamptz;
	days integer;
	step_days numeric[];
	complete boolean;
BEGIN
	IF most IS NULL OR most < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('most must be at least 1: %s', coalesce(most::text, 'NULL')),
			HINT = 'It is of how many matching leads the gates are asked.';
	END IF;
	SELECT p.* INTO play FROM kam.SalesPlayLibrary p WHERE p.play_id = kam_play_preview.play_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no play "%s"', coalesce(kam_play_preview.play_id, 'NULL')),
			HINT = 'SELECT play_id, state FROM kam.SalesPlayLibrary lists them.';
	END IF;

	leads := ARRAY(SELECT l.lead_id FROM kam.Leads l WHERE l.merged_into IS NULL ORDER BY l.lead_id LIMIT look + 1);
	complete := cardinality(leads) <= look;
	matching := ARRAY(SELECT m FROM kam._play_match(play.target_definition, leads[:look]) m);
	fresh := ARRAY(SELECT m FROM unnest(matching) WITH ORDINALITY u (m, n)
	                WHERE NOT EXISTS (SELECT FROM kam.Cadence c WHERE c.play_id = play.play_id AND c.lead_id = m) ORDER BY n);

	-- Spread over all of them: a CRM's keys tell age.
	every := ceil(cardinality(fresh)::numeric / most)::integer;
	WITH asked AS MATERIALIZED (
		SELECT u.lead_id, u.n, g.coordinator_action AS action, g.gate, g.suppressed_reason AS reason, g.resolution, g.compliance_status, g.release_at
		  FROM unnest(fresh) WITH ORDINALITY u (lead_id, n)
		 CROSS JOIN LATERAL kam.kam_gate(u.lead_id, play.sequence_type, 'activation', 'play-' || play.play_id) g
		 WHERE (u.n - 1) % greatest(every, 1) = 0
	), grouped AS (
		SELECT CASE a.action WHEN 'blocked' THEN 'blocked' ELSE 'waiting' END AS outcome, a.gate, a.reason, coalesce(a.resolution, nullif(a.compliance_status, 'clear')) AS why,
		       count(*) AS n, (array_agg(a.lead_id ORDER BY a.n))[:20] AS leads
		  FROM asked a WHERE a.action <> 'executed' GROUP BY 1, 2, 3, 4
	)
	SELECT (SELECT count(*) FROM asked), (SELECT count(*) FROM asked a WHERE a.action = 'executed'),
	       (SELECT count(*) FROM asked a WHERE a.action NOT IN ('executed', 'blocked')), (SELECT count(*) FROM asked a WHERE a.action = 'blocked'),
	       (SELECT jsonb_object_agg(o.outcome, (SELECT coalesce(jsonb_agg(jsonb_build_object('gate', g.gate, 'reason', g.reason, 'resolution', g.why, 'leads', g.n,
	                   'lead_ids', g.leads) ORDER BY g.n DESC, g.gate, g.why), '[]') FROM grouped g WHERE g.outcome = o.outcome))
	          FROM (VALUES ('blocked'), ('waiting')) o (outcome)),
	       (SELECT coalesce(jsonb_agg(a.lead_id ORDER BY a.n), '[]') FROM (SELECT * FROM asked WHERE action = 'executed' ORDER BY n LIMIT listed) a)
	  INTO judged, allowed, waiting, blocked, groups, lists;

	scale := CASE WHEN judged > 0 THEN cardinality(fresh)::numeric / judged ELSE 1 END;
	starts := greatest(kam._now(), play.active_period_start);
	days := least(60, ceil(extract(epoch FROM play.active_period_end - starts) / 86400))::integer;
	step_days := kam._step_days(coalesce(play.suggested_cadence -> 'steps', '[]'), starts);
	RETURN jsonb_build_object(
		'play_id', play.play_id,
		'state', play.state,
		'sequence_type', play.sequence_type,
		'starts', starts,
		'ends', play.active_period_end,
		'leads', jsonb_build_object('looked_at', least(cardinality(leads), look), 'all', complete),
		'matching', cardinality(matching),
		'enrolled_already', cardinality(matching) - cardinality(fresh),
		'judged', judged,
		'allowed', round(allowed * scale),
		'allowed_lead_ids', lists,
		'waiting', round(waiting * scale),
		'waiting_by', groups -> 'waiting',
		'blocked', round(blocked * scale),
		'blocked_by', groups -> 'blocked',
		'rate', jsonb_build_object(
			'daily_limit', play.suggested_cadence -> 'daily_limit',
			'steps', cardinality(step_days),
			'steps_held_by_the_cap', CASE WHEN kam._touch_cap() < 0 THEN 0 ELSE (
				SELECT count(*) FROM unnest(step_days) WITH ORDINALITY a (day, n)
				 WHERE kam._touch_cap() <= (SELECT count(*) FROM unnest(step_days) WITH ORDINALITY b (day, n)
				                             WHERE b.n < a.n AND b.day > a.day - extract(epoch FROM kam._touch_window()) / 86400)) END,
			'per_day', kam._play_days(step_days, (play.suggested_cadence ->> 'daily_limit')::numeric, round(allowed * scale)::integer, round(waiting * scale)::integer, greatest(coalesce(days, 60), 0))));
END
$$;
COMMENT ON FUNCTION kam_play_preview(text, integer) IS 'What a play, also a draft, would do if it were active now; writes nothing. matching: leads its target_definition matches; enrolled_already: of these, in the play before; judged: of the others, those of whom the gates were asked, "most" at most, spread evenly: allowed, waiting (gate 4 lets another sequence go first) and blocked are scaled up from them when they are fewer than all; waiting_by and blocked_by tell of those judged the gate, the reason, how many and twenty of them, allowed_lead_ids a hundred. rate.per_day: leads enrolled and touches asked for on each of the first 60 days or until the period''s end; touches beyond the cap (steps_held_by_the_cap) go out later. Looks at the first 100,000 leads in the order of lead_id (leads.all false: there are more), in about three seconds; 10,000 take some tenths. Errors: unknown play P0002, most below 1 22023. Example: SELECT jsonb_pretty(kam.kam_play_preview(''big-accounts''));';
