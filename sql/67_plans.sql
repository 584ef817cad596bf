-- What the plan of a sequence may say, checked where it is written, and what its messages become.

-- ---- what a plan may say --------------------------------------------------------------

CREATE FUNCTION _names_variable(path jsonpath) RETURNS boolean
	LANGUAGE sql IMMUTABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	-- In a path as the server writes it, a variable is the one quoted name that stands right behind a $.
	RETURN regexp_replace(path::text, '"(\\.|[^"\\])*"', 'S', 'g') ~ '\$S';
COMMENT ON FUNCTION _names_variable(jsonpath) IS 'Whether a path uses variables, which nothing of kam''s would give it.';

CREATE FUNCTION _reads_as(type text, written text) RETURNS boolean
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	CASE _reads_as.type
		WHEN 'interval' THEN RETURN written::interval >= interval '0' AND written::interval < interval '3660 days';
		WHEN 'timestamptz' THEN RETURN isfinite(written::timestamptz);
		WHEN 'predicate' THEN
			-- A predicate is true, false or unknown of whatever it is asked; a path finds nothing in an empty document.
			PERFORM jsonb_path_match('{}', written::jsonpath) WHERE NOT kam._names_variable(written::jsonpath);
			RETURN FOUND;
	END CASE;
EXCEPTION WHEN data_exception OR syntax_error THEN
	RETURN false;
END
$$;
COMMENT ON FUNCTION _reads_as(text, text) IS 'Whether a text is an interval from 0 to ten years, a finite timestamptz, a jsonpath predicate without variables.';

CREATE FUNCTION _template_parts(template text) RETURNS TABLE (place integer, literal text, field text, fallback text, trouble text)
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	rest text := template;
	opens integer;
	closes integer;
	inner_text text;
BEGIN
	place := 0;
	LOOP
		opens := strpos(rest, '{{');
		place := place + 1;
		IF opens = 0 THEN
			literal := rest; field := NULL; fallback := NULL; trouble := NULL;
			RETURN NEXT;
			RETURN;
		END IF;
		literal := left(rest, opens - 1);
		rest := substr(rest, opens + 2);
		closes := strpos(rest, '}}');
		inner_text := CASE WHEN closes > 0 THEN left(rest, closes - 1) END;
		field := btrim(split_part(inner_text, '|', 1));
		fallback := CASE WHEN strpos(inner_text, '|') > 0 THEN btrim(substr(inner_text, strpos(inner_text, '|') + 1)) END;
		trouble := CASE
			WHEN inner_text IS NULL THEN '"{{" without "}}"'
			WHEN inner_text ~ '[{}]' THEN format('"{{%s}}" has braces inside', inner_text)
			WHEN field !~ '^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_ -]+)*$' THEN format('"{{%s}}" names no field', inner_text)
			WHEN field !~ '^(full_name|first_name|last_name|job_title|email|phone|linkedin_url|account\.(name|account_id|icp_tier|attributes\..+)|attributes\..+|owner\.(name|rep_id))$'
				THEN format('unknown field "%s"', field) END;
		RETURN NEXT;
		EXIT WHEN closes = 0;
		rest := substr(rest, closes + 2);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _template_parts(text) IS 'A template taken apart: text and the field after it (NULL after the last), its fallback, and what is wrong with it.';

CREATE FUNCTION _check_steps(steps jsonb, at_path text, complete boolean) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	example CONSTANT text := 'For example [{"day": 0, "channel": "email", "content": "…"}].';
	bad record;
BEGIN
	IF steps IS NULL OR jsonb_typeof(steps) <> 'array' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'steps must be an array of objects',
			DETAIL = format('The value is at "%s".', at_path), HINT = example;
	END IF;
	SELECT e.n, e.path, e.what, e.hint INTO bad
	  FROM jsonb_array_elements(steps) WITH ORDINALITY s (value, n)
	 CROSS JOIN LATERAL (
		SELECT s.n, '' AS path, 'a step must be an object' AS what, example AS hint, 0 AS rank WHERE jsonb_typeof(s.value) <> 'object'
		UNION ALL
		SELECT s.n, '/day', 'the day of a step must be a number from 0', CASE WHEN s.value ? 'day' THEN example
		           ELSE example || ' Instead of day it may have delay (since the step before) or execute_at.' END, 1
		 WHERE jsonb_typeof(s.value) = 'object'
		   AND CASE WHEN NOT s.value ? 'day' THEN complete AND NOT s.value ?| '{delay,execute_at}'
		            WHEN jsonb_typeof(s.value -> 'day') = 'number' THEN (s.value ->> 'day')::numeric NOT BETWEEN 0 AND 3660 ELSE true END
		UNION ALL
		-- Decisions have day and execute_at, which say the same.
		SELECT s.n, '/delay', 'a step with a delay has no day and no execute_at', example, 2
		 WHERE jsonb_typeof(s.value) = 'object' AND s.value ? 'delay' AND s.value ?| '{day,execute_at}'
		UNION ALL
		SELECT s.n, '/channel', 'the channel of a step must be text', example, 2
		 WHERE jsonb_typeof(s.value) = 'object' AND (complete OR s.value ? 'channel')
		   AND (jsonb_typeof(s.value -> 'channel') IS DISTINCT FROM 'string' OR btrim(s.value ->> 'channel') = '')
		UNION ALL
		SELECT s.n, '/' || r.key, r.what, r.hint, r.rank
		  FROM (VALUES
		           ('delay', 'the delay of a step must be an interval from 0', 'For example "2 days" or "4 hours", counted from the step before.', 3,
		            kam._reads_as('interval', s.value ->> 'delay')),
		           ('execute_at', 'the execute_at of a step must be a time', 'ISO 8601 with its zone, for example "2026-03-10T09:00:00+01:00".', 4,
		            kam._reads_as('timestamptz', s.value ->> 'execute_at')),
		           ('at', 'the time of day of a step must be HH:MM', 'For example "09:30", in the recipient''s time zone.', 5,
		            s.value ->> 'at' ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'),
		           ('on_quiet', 'on_quiet must be next or skip', 'What becomes of a step whose time is not one to send at: it goes at the next one that is, or not at all.', 6,
		            s.value ->> 'on_quiet' IN ('next', 'skip')),
		           ('condition', 'the condition of a step must be a jsonpath predicate', 'For example "$.account.attributes.seats > 250".', 7,
		            kam._reads_as('predicate', s.value ->> 'condition'))) r (key, what, hint, rank, good)
		 WHERE jsonb_typeof(s.value) = 'object' AND s.value ? r.key AND (jsonb_typeof(s.value -> r.key) <> 'string' OR r.good IS NOT TRUE)
		UNION ALL
		SELECT s.n, '/' || k.key, format('the %s of a step must be text', k.key), example, 8
		  FROM unnest('{content,template,subject}'::text[]) k (key)
		 WHERE jsonb_typeof(s.value) = 'object' AND s.value ? k.key AND jsonb_typeof(s.value -> k.key) <> 'string'
		UNION ALL
		SELECT s.n, '/' || k.key, p.trouble,
		       'Fields are full_name, first_name, last_name, job_title, email, phone, linkedin_url, attributes.…, account.name, account.account_id, account.icp_tier, account.attributes.…, owner.name, owner.rep_id; {{first_name|there}} has a fallback.', 9
		  FROM unnest('{content,template,subject}'::text[]) k (key)
		 CROSS JOIN LATERAL kam._template_parts(s.value ->> k.key) p
		 WHERE jsonb_typeof(s.value) = 'object' AND jsonb_typeof(s.value -> k.key) = 'string' AND s.value -> 'verbatim' IS DISTINCT FROM 'true'
		   AND p.trouble IS NOT NULL) e
	 ORDER BY e.n, e.rank, e.path
	 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = bad.what,
			DETAIL = format('The value is at "%s/%s%s".', at_path, bad.n - 1, bad.path), HINT = bad.hint;
	END IF;
END
$$;
COMMENT ON FUNCTION _check_steps(jsonb, text, boolean) IS 'Refuses what is no plan of a sequence: 22023 with the path. complete: each step needs a time and a channel.';

-- ---- what a step says ---------------------------------------------------------------------------

-- What runs per step is in plpgsql: a session keeps the plans of that.
CREATE FUNCTION _lead_document(lead_id text) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN (SELECT to_jsonb(l) || jsonb_build_object('account', to_jsonb(a))
	          FROM kam.Leads l LEFT JOIN kam.Accounts a USING (account_id)
	         WHERE l.lead_id = _lead_document.lead_id);
END
$$;
COMMENT ON FUNCTION _lead_document(text) IS 'What conditions of steps are evaluated on: the lead''s columns, its attributes among them, and its account (null for none).';

CREATE FUNCTION _lead_fields(lead_id text) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN (SELECT to_jsonb(l) || jsonb_build_object('account', to_jsonb(a), 'first_name', l.attributes -> 'first_name', 'last_name', l.attributes -> 'last_name',
	                   'owner', to_jsonb(r))
	          FROM kam.Leads l LEFT JOIN kam.Accounts a USING (account_id) LEFT JOIN kam.Reps r ON r.rep_id = l.owner_id
	         WHERE l.lead_id = _lead_fields.lead_id);
END
$$;
COMMENT ON FUNCTION _lead_fields(text) IS 'What templates of steps draw on: _lead_document(), first_name and last_name from attributes, and owner.';

CREATE FUNCTION _render(template text, fields jsonb, OUT message text, OUT missing text[]) RETURNS record
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	part record;
	value jsonb;
	said text;
BEGIN
	missing := '{}';
	message := CASE WHEN template IS NOT NULL THEN '' END;
	FOR part IN SELECT * FROM kam._template_parts(template) p WHERE template IS NOT NULL ORDER BY p.place LOOP
		message := message || part.literal;
		CONTINUE WHEN part.field IS NULL AND part.trouble IS NULL;
		value := fields #> string_to_array(part.field, '.');
		said := coalesce(CASE WHEN jsonb_typeof(value) IN ('string', 'number', 'boolean') THEN nullif(btrim(value #>> '{}'), '') END, part.fallback);
		IF part.trouble IS NOT NULL OR said IS NULL THEN
			missing := missing || coalesce(part.field, part.trouble);
		ELSE
			message := message || said;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _render(text, jsonb) IS 'A template with its fields filled in, and the fields that have neither a value nor a fallback: with any of these the message must not be sent.';
