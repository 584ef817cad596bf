-- Tables that people fill and change: who answers (provider, model, agent, prompt), what the messages may draw on, where news goes.

-- What a CHECK can only refuse, these refuse with the path of what is wrong and what may stand there.
CREATE FUNCTION _provider_check() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_api_provider_check';
COMMENT ON FUNCTION _provider_check() IS 'Row trigger: refuses (22023) a provider whose name, api, base_url, dialect, models or policy the worker could not use.';

CREATE FUNCTION _model_check() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_api_model_check';
COMMENT ON FUNCTION _model_check() IS 'Row trigger: refuses (22023) a model with capabilities that requests could not be shaped by.';

CREATE TABLE provider (
	provider		text PRIMARY KEY CHECK (provider ~ '^[a-z0-9][a-z0-9_.-]{0,62}$' AND provider <> 'proxy'),
	api				text NOT NULL CHECK (api IN ('builtin', 'anthropic', 'openai', 'replay')),
	base_url		text CHECK (base_url ~* '^https?://[^/?#@]+(/[^?#]*)?$'),
	dialect			jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(dialect) = 'object'),
	in_doubt		text NOT NULL DEFAULT 'retry' CHECK (in_doubt IN ('retry', 'hold', 'fail')),
	default_model	text CHECK (default_model <> ''),
	fallback_model	text CHECK (fallback_model <> ''),
	agent_models	jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(agent_models) = 'object'),
	builtin			boolean NOT NULL DEFAULT false,
	CONSTRAINT provider_has_address CHECK (api IN ('builtin', 'replay') OR base_url IS NOT NULL)
);
CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON provider FOR EACH ROW EXECUTE FUNCTION _provider_check();
COMMENT ON TABLE provider IS 'Who answers the agents'' calls. builtin: the rules that are part of kam, no network. Owned by a superuser: a row decides where contacts'' texts go.';
COMMENT ON COLUMN provider.provider IS 'Name, as in agent.provider, and of the file in kam.key_directory that holds its key.';
COMMENT ON COLUMN provider.api IS 'The protocol spoken: builtin (none), anthropic (Messages), openai (Chat Completions), replay (recorded answers).';
COMMENT ON COLUMN provider.base_url IS 'Address, http and private ones included, without user, query and fragment; the dialect''s path is appended. NULL for builtin and replay.';
COMMENT ON COLUMN provider.dialect IS 'Differences of this server from its protocol, e.g. {"auth_header": "api-key", "auth_prefix": ""}; docs/providers.md lists the keys.';
COMMENT ON COLUMN provider.in_doubt IS 'What becomes of a call whose answer was lost in a crash: retry (asked again, perhaps paid twice), hold (the run waits for kam_retry or kam_cancel) or fail (the run fails).';
COMMENT ON COLUMN provider.default_model IS 'The model kam_use_provider gives the agents.';
COMMENT ON COLUMN provider.fallback_model IS 'The fallback model kam_use_provider gives the agents.';
COMMENT ON COLUMN provider.agent_models IS 'Agents to which kam_use_provider gives another model than default_model: {"agent": "model"}.';
COMMENT ON COLUMN provider.builtin IS 'A seed row as installed; false as soon as somebody changes it.';

CREATE TABLE model (
	model					text NOT NULL CHECK (model <> ''),
	effective_from			date NOT NULL DEFAULT '2000-01-01',
	capabilities			jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(capabilities) = 'object'),
	input_usd_per_mtok		numeric NOT NULL DEFAULT 0 CHECK (input_usd_per_mtok BETWEEN 0 AND 1000000),
	output_usd_per_mtok		numeric NOT NULL DEFAULT 0 CHECK (output_usd_per_mtok BETWEEN 0 AND 1000000),
	cache_read_usd_per_mtok	numeric NOT NULL DEFAULT 0 CHECK (cache_read_usd_per_mtok BETWEEN 0 AND 1000000),
	cache_write_usd_per_mtok numeric NOT NULL DEFAULT 0 CHECK (cache_write_usd_per_mtok BETWEEN 0 AND 1000000),
	long_prompt_tokens		integer CHECK (long_prompt_tokens > 0),
	long_input_factor		numeric NOT NULL DEFAULT 1 CHECK (long_input_factor > 0 AND long_input_factor <= 1000),
	long_output_factor		numeric NOT NULL DEFAULT 1 CHECK (long_output_factor > 0 AND long_output_factor <= 1000),
	retires_on				date,
	builtin					boolean NOT NULL DEFAULT false,
	PRIMARY KEY (model, effective_from)
);
CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON model FOR EACH ROW EXECUTE FUNCTION _model_check();
COMMENT ON TABLE model IS 'Models with what they can do and what they cost, by the day a price came into force.';
COMMENT ON COLUMN model.model IS 'Name as the provider knows it; builtin for the rules of kam.';
COMMENT ON COLUMN model.effective_from IS 'First day of these prices.';
COMMENT ON COLUMN model.capabilities IS 'What requests to it may hold, e.g. {"temperature": false, "structured_output": true}; docs/providers.md lists the keys.';
COMMENT ON COLUMN model.input_usd_per_mtok IS 'US dollars per million input tokens.';
COMMENT ON COLUMN model.output_usd_per_mtok IS 'US dollars per million output tokens.';
COMMENT ON COLUMN model.cache_read_usd_per_mtok IS 'US dollars per million input tokens read from the provider''s cache.';
COMMENT ON COLUMN model.cache_write_usd_per_mtok IS 'US dollars per million input tokens written to the provider''s cache, for five minutes where it offers several times.';
COMMENT ON COLUMN model.long_prompt_tokens IS 'A request with more tokens of input than this, the cache''s included, costs the factors as much, all of it; NULL: every length costs the same.';
COMMENT ON COLUMN model.long_input_factor IS 'What such a request''s input, read and written tokens cost, as a multiple of the prices above.';
COMMENT ON COLUMN model.long_output_factor IS 'What its output tokens cost, as a multiple of the price above.';
COMMENT ON COLUMN model.retires_on IS 'First day on which its provider may no longer answer for it, as announced; NULL when nothing was.';
COMMENT ON COLUMN model.builtin IS 'A seed row as installed; false as soon as somebody changes it.';

CREATE TABLE agent (
	agent			text PRIMARY KEY CHECK (agent IN (
						'context_relationship_analyzer', 'opportunity_detector', 'state_analyzer', 'timing_strategist',
						'wave1_evaluator', 'channel_selector', 'content_generator', 'sequence_strategist',
						'synthesis_orchestrator', 'decision_evaluator')),
	wave			smallint NOT NULL CHECK (wave BETWEEN 1 AND 4),
	provider		text NOT NULL REFERENCES provider DEFERRABLE,
	model			text NOT NULL CHECK (model <> ''),
	fallback_model	text CHECK (fallback_model <> ''),
	temperature		numeric CHECK (temperature BETWEEN 0 AND 2),
	max_tokens		integer NOT NULL CHECK (max_tokens > 0),
	prompt_version	integer NOT NULL DEFAULT 1,
	builtin			boolean NOT NULL DEFAULT false
);
CREATE INDEX agent_provider ON agent (provider);
COMMENT ON TABLE agent IS 'The ten agents of the workflow and who answers for each. Change a row, or all at once with kam_use_provider.';
COMMENT ON COLUMN agent.agent IS 'Key of the agent.';
COMMENT ON COLUMN agent.wave IS '1 analysis and its evaluation, 2 action, 3 synthesis, 4 judgement.';
COMMENT ON COLUMN agent.provider IS 'Row of provider that answers.';
COMMENT ON COLUMN agent.model IS 'Model asked.';
COMMENT ON COLUMN agent.fallback_model IS 'Model asked when the first cannot answer; NULL for none.';
COMMENT ON COLUMN agent.temperature IS 'Sent with the request, unless the model takes none; NULL sends none.';
COMMENT ON COLUMN agent.max_tokens IS 'Longest answer, in tokens, a model''s thinking included; cut to what the model can.';
COMMENT ON COLUMN agent.prompt_version IS 'Row of prompt in use.';
COMMENT ON COLUMN agent.builtin IS 'A seed row as installed; false as soon as somebody changes it.';

CREATE TABLE prompt (
	agent			text NOT NULL,
	version			integer NOT NULL CHECK (version > 0),
	body			text NOT NULL,
	output_schema	jsonb NOT NULL CHECK (jsonb_typeof(output_schema) = 'object'),
	sha256			text NOT NULL,
	created_at		timestamptz NOT NULL DEFAULT now(),
	builtin			boolean NOT NULL DEFAULT false,
	PRIMARY KEY (agent, version)
);
COMMENT ON TABLE prompt IS 'What each agent is asked, by version. Rows are added, not changed: a call records the version it used.';
COMMENT ON COLUMN prompt.agent IS 'Key of the agent.';
COMMENT ON COLUMN prompt.version IS 'Counted from 1; agent.prompt_version says which is in use.';
COMMENT ON COLUMN prompt.body IS 'The agent''s own part of the request, Markdown.';
COMMENT ON COLUMN prompt.output_schema IS 'JSON Schema of a valid answer.';
COMMENT ON COLUMN prompt.sha256 IS 'SHA-256 of body, hexadecimal.';
COMMENT ON COLUMN prompt.created_at IS 'When the row was made.';
COMMENT ON COLUMN prompt.builtin IS 'A seed row as installed; false as soon as somebody changes it.';

DO $do$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{provider,model,agent,prompt}'::text[]
	LOOP
		EXECUTE format('CREATE TRIGGER seed_changed BEFORE UPDATE ON kam.%I FOR EACH ROW
			WHEN (OLD.builtin AND NEW.builtin AND OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION kam._seed_changed()', t);
		EXECUTE format('CREATE TRIGGER seed_replaced BEFORE INSERT ON kam.%I FOR EACH ROW
			WHEN (NOT NEW.builtin) EXECUTE FUNCTION kam._seed_replaced()', t);
	END LOOP;
END
$do$;

CREATE TABLE resource (
	resource_id	text PRIMARY KEY,
	title		text NOT NULL CHECK (title <> ''),
	url			text,
	language	text CHECK (language IN ('fr', 'en')),
	topics		text[] NOT NULL DEFAULT '{}',
	match_terms	text[] NOT NULL DEFAULT '{}',
	body		text,
	active		boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE resource IS 'Content worth sharing (articles, sheets, case studies). Activities are matched against match_terms and topics. Fill with kam_import_csv(''resource'', ...).';
COMMENT ON COLUMN resource.resource_id IS 'Your key.';
COMMENT ON COLUMN resource.title IS 'As a message would name it.';
COMMENT ON COLUMN resource.url IS 'Where the reader finds it.';
COMMENT ON COLUMN resource.language IS 'fr, en, or NULL for any.';
COMMENT ON COLUMN resource.topics IS 'Subjects, in plain words.';
COMMENT ON COLUMN resource.match_terms IS 'Words or phrases in a conversation that call for it, in any case and with or without accents.';
COMMENT ON COLUMN resource.body IS 'Summary or text.';
COMMENT ON COLUMN resource.active IS 'Only active rows are offered.';

CREATE TABLE best_practice (
	practice_id	text PRIMARY KEY,
	title		text NOT NULL CHECK (title <> ''),
	body		text NOT NULL,
	applies_to	text[] NOT NULL DEFAULT '{}',
	language	text CHECK (language IN ('fr', 'en')),
	active		boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE best_practice IS 'Rules of your house for writing to people. Fill with kam_import_csv(''best_practice'', ...).';
COMMENT ON COLUMN best_practice.practice_id IS 'Your key.';
COMMENT ON COLUMN best_practice.title IS 'The rule in a few words.';
COMMENT ON COLUMN best_practice.body IS 'The rule in full.';
COMMENT ON COLUMN best_practice.applies_to IS 'Channels, actions or variants it is for; empty for all.';
COMMENT ON COLUMN best_practice.language IS 'fr, en, or NULL for any.';
COMMENT ON COLUMN best_practice.active IS 'Only active rows are used.';

CREATE TABLE endpoint (
	endpoint		text PRIMARY KEY,
	kind			text NOT NULL CHECK (kind IN ('slack', 'zapier', 'webhook', 'smtp')),
	url				text,
	topics			text[] NOT NULL DEFAULT '{decision}',
	allow_private	boolean NOT NULL DEFAULT false,
	enabled			boolean NOT NULL DEFAULT true,
	created_at		timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE endpoint IS 'Where news of decisions goes: each enabled row gets a notification per saved decision.';
COMMENT ON COLUMN endpoint.endpoint IS 'Name, the recipient of its notifications.';
COMMENT ON COLUMN endpoint.kind IS 'slack, zapier, webhook or smtp.';
COMMENT ON COLUMN endpoint.url IS 'Address of the receiver; https unless allow_private.';
COMMENT ON COLUMN endpoint.topics IS 'Which news it gets: decision, failure (of a run), budget (nearly spent, or a call is held).';
COMMENT ON COLUMN endpoint.allow_private IS 'Whether addresses of private networks are allowed.';
COMMENT ON COLUMN endpoint.enabled IS 'Off keeps the row and makes no notifications.';
COMMENT ON COLUMN endpoint.created_at IS 'When the row was made.';

-- The worker keeps what it read of these tables until this count changes.  It begins at a moment, so that a count of an extension dropped before is not met again.
CREATE TABLE _configuration (
	only_row	boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	version		bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
);
INSERT INTO _configuration DEFAULT VALUES;
COMMENT ON TABLE _configuration IS 'Counts the changes of provider, model, agent, prompt, resource and best_practice.';
COMMENT ON COLUMN _configuration.only_row IS 'Always true: there is one row.';
COMMENT ON COLUMN _configuration.version IS 'Grows with every statement that changed something.';

CREATE FUNCTION _configuration_changed() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	UPDATE kam._configuration SET version = version + 1;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _configuration_changed() IS 'Statement trigger: has the worker read the tables again for the next run it takes.';

DO $do$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{provider,model,agent,prompt,resource,best_practice}'::text[]
	LOOP
		EXECUTE format('CREATE TRIGGER configuration_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON kam.%I
			FOR EACH STATEMENT EXECUTE FUNCTION kam._configuration_changed()', t);
	END LOOP;
END
$do$;
