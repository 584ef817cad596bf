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
	endpoint		text PRIMARY KEY CHECK (endpoint <> ''),
	kind			text NOT NULL CHECK (kind IN ('slack', 'zapier', 'webhook', 'smtp')),
	url				text,
	topics			text[] NOT NULL,
	allow_private	boolean NOT NULL DEFAULT false,
	enabled			boolean NOT NULL DEFAULT true,
	created_at		timestamptz NOT NULL DEFAULT now(),
	concurrency		integer NOT NULL CHECK (concurrency BETWEEN 1 AND 64),
	per_minute		integer CHECK (per_minute > 0),
	ordered			boolean NOT NULL DEFAULT false,
	timeout			interval NOT NULL CHECK (timeout BETWEEN interval '1 s' AND interval '10 min'),
	max_age			interval NOT NULL DEFAULT '3 days' CHECK (max_age > interval '0'),
	schedule		interval[] NOT NULL DEFAULT '{5 s,5 min,30 min,2 h,5 h,10 h,14 h,20 h,24 h}' CHECK (cardinality(schedule) > 0 AND interval '0' < ALL (schedule)),
	in_doubt		text NOT NULL CHECK (in_doubt IN ('retry', 'hold')),
	review_url		text,
	sender			text,
	reply_to		text,
	mail_to			text,
	username		text,
	unsubscribe_url	text CHECK (unsubscribe_url LIKE 'https://%' AND unsubscribe_url LIKE '%{token}%'),
	unsubscribe_mailto text,
	footer			text
);
COMMENT ON TABLE endpoint IS 'Where notifications go: news of the topics listed, and the messages of the channel that it is named as (SendRule). A superuser''s: an address is a way out. Its key is never in SQL: the file endpoint.NAME under kam.key_directory.';
COMMENT ON COLUMN endpoint.endpoint IS 'Name, the recipient of its notifications: a channel (email, linkedin, ...) for what is sent to people, slack and zapier for decisions, an agent''s code, or any other.';
COMMENT ON COLUMN endpoint.kind IS 'slack, zapier, webhook or smtp.';
COMMENT ON COLUMN endpoint.url IS 'Address of the receiver: https://..., or for smtp smtps://host:465 or smtp://host:587 (STARTTLS); http and SMTP without TLS with allow_private only. {key} in it stands for the key of the file. NULL: kam delivers nothing, its notifications wait for whoever fetches them.';
COMMENT ON COLUMN endpoint.topics IS 'Which news it gets: decision, failure (of a run), budget (nearly spent, or a call is held). By default decision, of smtp none.';
COMMENT ON COLUMN endpoint.allow_private IS 'Whether it may be in a private network or on this machine, over http or SMTP without TLS.';
COMMENT ON COLUMN endpoint.enabled IS 'Off keeps the row, delivers nothing and makes no notifications of decisions.';
COMMENT ON COLUMN endpoint.created_at IS 'When the row was made.';
COMMENT ON COLUMN endpoint.concurrency IS 'Deliveries at once. By default 1 for slack, 4 otherwise.';
COMMENT ON COLUMN endpoint.per_minute IS 'Deliveries begun per minute at most; NULL: no limit. By default 60 for slack, 1800 for zapier.';
COMMENT ON COLUMN endpoint.ordered IS 'One after the other in the order of their keys: one that fails is tried again before the next.';
COMMENT ON COLUMN endpoint.timeout IS 'How long one delivery may take. By default 30 s, of smtp 2 minutes.';
COMMENT ON COLUMN endpoint.max_age IS 'What could not be delivered for so long is given up (status dead).';
COMMENT ON COLUMN endpoint.schedule IS 'How long to wait after the first failure, the second, ...; the last again and again. A receiver that asks for longer (Retry-After) is given longer.';
COMMENT ON COLUMN endpoint.in_doubt IS 'What is done when it went out and no answer came: retry (webhooks carry a webhook-id by which the receiver knows it again) or hold (dead and in_doubt, for a person to decide; default of smtp).';
COMMENT ON COLUMN endpoint.review_url IS 'Where people judge decisions: shown as a button, {session_id} and {lead_id} filled in.';
COMMENT ON COLUMN endpoint.sender IS 'smtp: From, as "Jane Doe <jane@acme.com>" or a bare address.';
COMMENT ON COLUMN endpoint.reply_to IS 'smtp: Reply-To of messages to people; by default the e-mail address of the lead''s owner.';
COMMENT ON COLUMN endpoint.mail_to IS 'smtp: who gets its news; messages to people go to them, news of a rep to the rep.';
COMMENT ON COLUMN endpoint.username IS 'smtp: user name; the password is the endpoint''s key. NULL: no login.';
COMMENT ON COLUMN endpoint.unsubscribe_url IS 'smtp: where one click unsubscribes (RFC 8058), with {token}; what stands behind it calls kam_unsubscribe_token(). This or unsubscribe_mailto is a must for what is not transactional.';
COMMENT ON COLUMN endpoint.unsubscribe_mailto IS 'smtp: address that takes unsubscribes by e-mail; the token is the subject.';
COMMENT ON COLUMN endpoint.footer IS 'smtp: text below each message to people that is not transactional; {unsubscribe_url} filled in.';

-- Its definer's rights: who may switch an endpoint off and on has none on its state.
CREATE FUNCTION _endpoint_sound() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	scheme CONSTANT text := lower(substring(NEW.url FROM '^([A-Za-z][A-Za-z0-9+.-]*)://[^/?#]'));
	authority CONSTANT text := substring(NEW.url FROM '^[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)');
	fault text;
	preset record;
BEGIN
	SELECT * INTO preset
	  FROM (VALUES ('slack', 1, 60, interval '30 s', 'retry', '{decision}'::text[]),
	               ('zapier', 4, 1800, '30 s', 'retry', '{decision}'),
	               ('webhook', 4, NULL, '30 s', 'retry', '{decision}'),
	               ('smtp', 4, NULL, '2 min', 'hold', '{}')) k (kind, concurrency, per_minute, timeout, in_doubt, topics)
	 WHERE k.kind = NEW.kind;
	IF TG_OP = 'INSERT' THEN
		NEW.per_minute := coalesce(NEW.per_minute, preset.per_minute);
	END IF;
	-- Of an unknown kind the table's own rule speaks.
	NEW.concurrency := coalesce(NEW.concurrency, preset.concurrency, 1);
	NEW.timeout := coalesce(NEW.timeout, preset.timeout, '30 s');
	NEW.in_doubt := coalesce(NEW.in_doubt, preset.in_doubt, 'hold');
	NEW.topics := coalesce(NEW.topics, preset.topics, '{}');
	IF NEW.ordered THEN
		NEW.concurrency := 1;
	END IF;

	fault := CASE
		WHEN NEW.url IS NULL THEN NULL
		WHEN scheme IS NULL THEN 'is no URL'
		WHEN NEW.url ~ '[[:space:][:cntrl:]]' THEN 'has white space in it'
		WHEN authority LIKE '%@%' THEN 'has a user name or password in it'
		WHEN NEW.url LIKE '%#%' THEN 'has a fragment'
		WHEN NEW.kind = 'smtp' AND scheme NOT IN ('smtp', 'smtps') THEN 'is not of SMTP'
		WHEN NEW.kind <> 'smtp' AND scheme NOT IN ('http', 'https') THEN 'is not of HTTP'
		WHEN scheme = 'http' AND NOT NEW.allow_private THEN 'is not encrypted'
		END;
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('the url of endpoint "%s" %s', NEW.endpoint, fault),
			HINT = CASE WHEN NEW.kind = 'smtp' THEN 'Write smtps://host:465 or smtp://host:587; the user name is a column, the password a file under kam.key_directory.'
			            ELSE 'Write https://host/path; http:// with allow_private. A secret in it is written {key} and stands in a file under kam.key_directory.' END;
	END IF;
	IF NEW.kind = 'smtp' AND kam._bare_address(NEW.sender) IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('the sender of endpoint "%s" is no e-mail address', NEW.endpoint),
			HINT = 'Write sender as "Jane Doe <jane@acme.com>" or a bare address.';
	END IF;
	IF TG_OP = 'UPDATE' AND NEW IS DISTINCT FROM OLD THEN
		-- What stopped it may be mended.
		DELETE FROM kam.delivery_state s WHERE s.endpoint = NEW.endpoint;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _endpoint_sound() IS 'Row trigger: fills in what depends on the kind and refuses a url that cannot or must not be used, and a mail server without a sender (22023). A row that changed is tried again at once.';
CREATE TRIGGER _endpoint_sound BEFORE INSERT OR UPDATE ON endpoint FOR EACH ROW EXECUTE FUNCTION _endpoint_sound();
CREATE TRIGGER _endpoint_wake AFTER INSERT OR UPDATE ON endpoint FOR EACH STATEMENT EXECUTE FUNCTION _wake();

CREATE TABLE delivery_state (
	endpoint		text PRIMARY KEY REFERENCES endpoint ON UPDATE CASCADE ON DELETE CASCADE,
	failures		integer NOT NULL DEFAULT 0,
	retry_at		timestamptz,
	halted_at		timestamptz,
	last_error		text,
	last_error_at	timestamptz,
	last_sent_at	timestamptz
);
COMMENT ON TABLE delivery_state IS 'How each endpoint does. Written by the worker, in real time; without a row all is well.';
COMMENT ON COLUMN delivery_state.endpoint IS 'The endpoint.';
COMMENT ON COLUMN delivery_state.failures IS 'Deliveries that failed in a row.';
COMMENT ON COLUMN delivery_state.retry_at IS 'Nothing is tried before this.';
COMMENT ON COLUMN delivery_state.halted_at IS 'The receiver says that there is no such address (410; of Slack 403 and 404 too): nothing is tried until the endpoint''s row is changed or kam_redeliver(endpoint) is called.';
COMMENT ON COLUMN delivery_state.last_error IS 'Why the last delivery failed.';
COMMENT ON COLUMN delivery_state.last_error_at IS 'When it failed.';
COMMENT ON COLUMN delivery_state.last_sent_at IS 'When one was last delivered.';

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
