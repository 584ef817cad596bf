-- Prompts by version: rows are added, never changed, and go only when nothing refers to them.

CREATE FUNCTION _prompt_guard() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	used text;
BEGIN
	IF TG_OP = 'INSERT' THEN
		-- Whoever inserts may leave it out; a dump's is compared.
		IF NEW.sha256 IS DISTINCT FROM kam._sha256(NEW.body) THEN
			IF NEW.sha256 IS NOT NULL THEN
				RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
					MESSAGE = format('sha256 of prompt %s/%s is not that of its body', NEW.agent, NEW.version),
					HINT = 'Leave sha256 out, or use kam_set_prompt(agent, body).';
			END IF;
			NEW.sha256 := kam._sha256(NEW.body);
		END IF;
		RETURN NEW;
	END IF;
	IF TG_OP = 'UPDATE' THEN
		IF (NEW.agent, NEW.version, NEW.body, NEW.output_schema, NEW.sha256) IS DISTINCT FROM (OLD.agent, OLD.version, OLD.body, OLD.output_schema, OLD.sha256) THEN
			RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
				MESSAGE = format('prompt %s/%s cannot be changed: calls and runs refer to it', OLD.agent, OLD.version),
				HINT = 'SELECT kam.kam_set_prompt(agent, body) adds a version and puts it to use.';
		END IF;
		RETURN NEW;
	END IF;
	-- A seed gives way to the row of a dump that has its key (_seed_replaced).
	IF OLD.builtin AND pg_trigger_depth() > 1 THEN
		RETURN OLD;
	END IF;
	used := CASE
		WHEN EXISTS (SELECT FROM kam.agent a WHERE a.agent = OLD.agent AND a.prompt_version = OLD.version) THEN 'the agent uses it'
		WHEN EXISTS (SELECT FROM kam.request r WHERE r.finished_at IS NULL
		                AND (r.prompts -> OLD.agent = to_jsonb(OLD.version) OR r.settings #> ARRAY['agents', OLD.agent, 'prompt_version'] = to_jsonb(OLD.version)))
			THEN 'a run that is not finished uses it'
		WHEN EXISTS (SELECT FROM kam.agent_call c WHERE c.agent = OLD.agent AND c.prompt_version = OLD.version AND c.request_sha256 IS NOT NULL)
			THEN 'calls were made with it' END;
	IF used IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('prompt %s/%s cannot be deleted: %s', OLD.agent, OLD.version, used),
			HINT = 'A version that is not in use costs nothing; what calls were made with goes once retention has deleted them.';
	END IF;
	RETURN OLD;
END
$$;
COMMENT ON FUNCTION _prompt_guard() IS 'Row trigger: a prompt is not changed (55000), and is deleted only when no agent, no unfinished run and no call of a model refers to it; sha256 is that of the body (22023).';

CREATE FUNCTION _prompt_kept() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'prompts cannot be truncated',
		HINT = 'DELETE takes those that nothing refers to.';
END
$$;
COMMENT ON FUNCTION _prompt_kept() IS 'Statement trigger: refuses TRUNCATE of prompt (55000).';

CREATE TRIGGER prompt_guard BEFORE INSERT OR UPDATE OR DELETE ON prompt FOR EACH ROW EXECUTE FUNCTION _prompt_guard();
CREATE TRIGGER prompt_kept BEFORE TRUNCATE ON prompt FOR EACH STATEMENT EXECUTE FUNCTION _prompt_kept();

CREATE FUNCTION _sha256(body text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT encode(sha256(convert_to(body, 'UTF8')), 'hex');
	END;
COMMENT ON FUNCTION _sha256(text) IS 'SHA-256 of a text in UTF-8, hexadecimal.';

CREATE FUNCTION _schema_fault(output_schema jsonb, example jsonb) RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_schema_fault';
COMMENT ON FUNCTION _schema_fault(jsonb, jsonb) IS 'Why a schema will not do for the agent whose valid output is the example: it says what kam does not check, the example breaks it, or a key that the workflow reads may be missing; NULL when it will.';

CREATE FUNCTION _diff(from_name text, from_text text, to_name text, to_text text) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_diff';
COMMENT ON FUNCTION _diff(text, text, text, text) IS 'A unified diff of two texts; empty when they are the same.';

CREATE FUNCTION kam_set_prompt(agent text, body text, output_schema jsonb DEFAULT NULL, activate boolean DEFAULT true) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	asked kam.agent;
	schema jsonb := kam_set_prompt.output_schema;
	fault text;
	chosen integer;
BEGIN
	-- The agent's row keeps two of these from drawing the same number.
	SELECT a.* INTO asked FROM kam.agent a WHERE a.agent = kam_set_prompt.agent FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('there is no agent "%s"', coalesce(kam_set_prompt.agent, 'NULL')),
			HINT = format('There are: %s.', (SELECT string_agg(a.agent, ', ' ORDER BY a.wave, a.agent) FROM kam.agent a));
	END IF;
	IF coalesce(btrim(kam_set_prompt.body, E' \t\r\n'), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the prompt is empty',
			HINT = format('SELECT body FROM kam.prompt WHERE agent = ''%s'' shows what others say.', asked.agent);
	END IF;
	IF schema IS NULL THEN
		SELECT p.output_schema INTO schema FROM kam.prompt p WHERE p.agent = asked.agent AND p.version = asked.prompt_version;
		IF NOT FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('agent "%s" has no prompt of version %s, whose schema could be taken over', asked.agent, asked.prompt_version),
				HINT = 'Pass output_schema.';
		END IF;
	ELSE
		fault := kam._schema_fault(schema, kam._agent_examples() -> asked.agent);
		IF fault IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('output_schema will not do for agent "%s": %s', asked.agent, fault),
				HINT = format('Further keys are allowed, those there are must stay: SELECT jsonb_pretty(output_schema) FROM kam.prompt WHERE agent = ''%s'' AND version = 1.', asked.agent);
		END IF;
	END IF;

	SELECT max(p.version) INTO chosen
	  FROM kam.prompt p
	 WHERE p.agent = asked.agent AND p.body = kam_set_prompt.body AND p.output_schema = schema;
	IF chosen IS NULL THEN
		INSERT INTO kam.prompt (agent, version, body, output_schema)
		SELECT asked.agent, coalesce(max(p.version), 0) + 1, kam_set_prompt.body, schema FROM kam.prompt p WHERE p.agent = asked.agent
		RETURNING version INTO chosen;
	END IF;
	IF coalesce(kam_set_prompt.activate, true) AND asked.prompt_version <> chosen THEN
		UPDATE kam.agent a SET prompt_version = chosen WHERE a.agent = asked.agent;
	END IF;
	RETURN chosen;
END
$$;
COMMENT ON FUNCTION kam_set_prompt(text, text, jsonb, boolean) IS 'Adds a version of an agent''s prompt and puts it to use for the runs taken up from now on (activate); runs that have begun keep theirs. output_schema: JSON Schema of a valid answer, NULL for that of the version in use. Returns the version; the same body and schema again give the version there is, so an earlier one comes back into use that way. Unknown agent, empty body, or a schema that kam could not check or that lets keys go missing which the workflow reads (contract of the agent''s output): 22023. Example: SELECT kam.kam_set_prompt(''content_generator'', pg_read_file(''content_generator.md''));';

CREATE FUNCTION kam_prompt_diff(agent text, from_version integer, to_version integer DEFAULT NULL) RETURNS SETOF text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 30
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	wanted integer := to_version;
	old kam.prompt;
	new kam.prompt;
BEGIN
	IF wanted IS NULL THEN
		SELECT a.prompt_version INTO wanted FROM kam.agent a WHERE a.agent = kam_prompt_diff.agent;
	END IF;
	SELECT p.* INTO old FROM kam.prompt p WHERE p.agent = kam_prompt_diff.agent AND p.version = from_version;
	SELECT p.* INTO new FROM kam.prompt p WHERE p.agent = kam_prompt_diff.agent AND p.version = wanted;
	IF old.agent IS NULL OR new.agent IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('there is no prompt %s/%s', coalesce(kam_prompt_diff.agent, 'NULL'),
				coalesce(CASE WHEN old.agent IS NULL THEN from_version ELSE wanted END::text, 'NULL')),
			HINT = coalesce('There are versions ' || (SELECT string_agg(p.version::text, ', ' ORDER BY p.version) FROM kam.prompt p WHERE p.agent = kam_prompt_diff.agent) || '.',
				'SELECT DISTINCT agent FROM kam.prompt lists the agents.');
	END IF;
	RETURN QUERY
	SELECT l.line
	  FROM (VALUES (1, kam._diff(format('%s/%s', old.agent, old.version), old.body, format('%s/%s', new.agent, new.version), new.body)),
	               (2, kam._diff(format('%s/%s schema', old.agent, old.version), jsonb_pretty(old.output_schema) || E'\n',
	                             format('%s/%s schema', new.agent, new.version), jsonb_pretty(new.output_schema) || E'\n'))) d (part, diff),
	       LATERAL string_to_table(rtrim(d.diff, E'\n'), E'\n') WITH ORDINALITY l (line, n)
	 WHERE d.diff <> ''
	 ORDER BY d.part, l.n;
END
$$;
COMMENT ON FUNCTION kam_prompt_diff(text, integer, integer) IS 'What changed between two versions of an agent''s prompt, as the lines of a unified diff: body first, then the schema; no line when they are the same. to_version NULL: the version in use. Unknown agent or version 22023. Example: SELECT * FROM kam.kam_prompt_diff(''content_generator'', 1);';
