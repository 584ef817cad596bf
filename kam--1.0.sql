/* Built by scripts/build-sql from sql/ and prompts/: change those. */

\echo Use "CREATE EXTENSION kam" to load this file. \quit

-- The house the extension moves into: refuses a schema that somebody else has furnished, and a database that cannot hold every contact's text.

DO $do$
BEGIN
	IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
		RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
			MESSAGE = 'kam needs a database in UTF8, this one is in ' || pg_catalog.getdatabaseencoding(),
			HINT = 'CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
	IF EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) 'kam'::pg_catalog.regnamespace)
	   OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace OPERATOR(pg_catalog.=) 'kam'::pg_catalog.regnamespace)
	   OR EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace OPERATOR(pg_catalog.=) 'kam'::pg_catalog.regnamespace)
	   OR EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace OPERATOR(pg_catalog.=) 'kam'::pg_catalog.regnamespace) THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_schema',
			MESSAGE = 'schema "kam" already holds objects that are not the extension''s',
			HINT = 'Move them away or drop the schema; the extension makes it itself.';
	END IF;
	-- Who owns the schema could later plant a look-alike of a kam function in it.
	IF NOT (SELECT r.rolsuper FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) n.nspowner
	         WHERE n.nspname OPERATOR(pg_catalog.=) 'kam') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_schema_definition',
			MESSAGE = 'schema "kam" belongs to a role that is no superuser',
			HINT = 'Drop the empty schema; the extension makes it itself.';
	END IF;
END
$do$;

COMMENT ON SCHEMA kam IS 'Sales decisions from a contact''s history (kam_run, kam_decide) and the records behind them.';

-- Roles that an administrator grants to people and programs.  They are shared by the whole cluster, so another database may have made them already.

DO $do$
DECLARE
	wanted pg_catalog.text;
BEGIN
	FOREACH wanted IN ARRAY '{kam_submit,kam_review,kam_read,kam_admin,kam_restore,kam_worker}'::pg_catalog.text[]
	LOOP
		BEGIN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', wanted);
		EXCEPTION WHEN duplicate_object THEN
			NULL;
		END;
	END LOOP;
END
$do$;

-- What the tables' defaults and triggers stand on.

CREATE FUNCTION _now() RETURNS timestamptz
	LANGUAGE c VOLATILE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_now';
COMMENT ON FUNCTION _now() IS 'The present: the setting kam.clock, or the real time when that is empty.';

CREATE FUNCTION _home() RETURNS bigint
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_home';
COMMENT ON FUNCTION _home() IS 'A number that stands for this database of this cluster (system identifier and database oid). A row that carries another number came with a restore or a copy, and stays parked until kam_resume().';

CREATE FUNCTION _wake() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_api_wake_trigger';
COMMENT ON FUNCTION _wake() IS 'Statement trigger: wakes the worker of this database when the transaction commits.';

CREATE FUNCTION _wake_worker() RETURNS void
	LANGUAGE c VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_wake_worker';
COMMENT ON FUNCTION _wake_worker() IS 'Wakes the worker of this database when the transaction commits.';

-- Addresses in the one spelling in which they are compared; indexes stand on these.
CREATE FUNCTION _address(address text) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_address';
COMMENT ON FUNCTION _address(text) IS 'An e-mail address, domain, phone number or LinkedIn profile as Suppression writes it: jane@acme.com, acme.com, +33612345678, linkedin.com/in/jane. NULL for what is none.';

CREATE FUNCTION _address_kind(address text) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_address_kind';
COMMENT ON FUNCTION _address_kind(text) IS 'email, domain, phone or linkedin; NULL for what is no address.';

CREATE FUNCTION _address_domain(address text) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_api_address_domain';
COMMENT ON FUNCTION _address_domain(text) IS 'The domain of an e-mail address; NULL for anything else.';

-- Seed rows are not dumped, changed ones are.  A changed seed row therefore stops being one, and a restored row takes the place of the seed.
CREATE FUNCTION _seed_changed() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	NEW.builtin := false;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _seed_changed() IS 'Row trigger: a seed row that somebody changes is the user''s from then on, and is dumped.';

CREATE FUNCTION _seed_replaced() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	condition text;
BEGIN
	SELECT string_agg(format('%I = ($1).%I', a.attname, a.attname), ' AND ') INTO condition
	  FROM pg_index i
	  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
	 WHERE i.indrelid = TG_RELID AND i.indisprimary;
	-- Between the two rows the agents' provider is missing.
	IF TG_TABLE_NAME = 'provider' THEN
		SET CONSTRAINTS kam.agent_provider_fkey DEFERRED;
	END IF;
	EXECUTE format('DELETE FROM %I.%I WHERE builtin AND %s', TG_TABLE_SCHEMA, TG_TABLE_NAME, condition) USING NEW;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _seed_replaced() IS 'Row trigger: a user''s row takes the place of the seed row with its key, so that a dump of changed seeds restores.';

CREATE FUNCTION _suppression_keys(addresses text[]) RETURNS text[]
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_cadence_suppression_keys';
COMMENT ON FUNCTION _suppression_keys(text[]) IS 'Normalised addresses and, where somebody was erased, the hash under which Suppression keeps each if its person was (sha256:…). NULLs are left out.';

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

-- Words and shapes that columns take.  Domains, where a statement of the gate writes the table: the server reads a domain's rule once per session and applies it to
-- the columns that are written; it reads the text of a table's CHECKs anew in every statement.

CREATE DOMAIN crm_key AS text CHECK (VALUE <> '');
COMMENT ON DOMAIN crm_key IS 'A key as the CRM or an agent gives it: any text but the empty one.';
CREATE DOMAIN tier AS text CHECK (VALUE IN ('T1', 'T2', 'T3'));
COMMENT ON DOMAIN tier IS 'How well an account fits the ideal customer: T1 best.';
CREATE DOMAIN sequence_family AS text CHECK (VALUE IN ('sales', 'marketing', 'transactional'));
COMMENT ON DOMAIN sequence_family IS 'Who competes with whom.';
CREATE DOMAIN enrolment_state AS text CHECK (VALUE IN ('queued', 'active', 'paused', 'finished'));
COMMENT ON DOMAIN enrolment_state IS 'Where an enrolment stands.';
CREATE DOMAIN object_jsonb AS jsonb CHECK (jsonb_typeof(VALUE) = 'object');
COMMENT ON DOMAIN object_jsonb IS 'A jsonb that is an object.';
CREATE DOMAIN array_jsonb AS jsonb CHECK (jsonb_typeof(VALUE) = 'array');
COMMENT ON DOMAIN array_jsonb IS 'A jsonb that is an array.';

CREATE DOMAIN notification_status AS text CHECK (VALUE IN ('pending', 'sent', 'failed', 'dead', 'acknowledged', 'parked'));
COMMENT ON DOMAIN notification_status IS 'Where a notification stands.';
CREATE DOMAIN tally AS integer CHECK (VALUE >= 0);
COMMENT ON DOMAIN tally IS 'A number of times.';

CREATE FUNCTION _log_row_is_sound(coordinator_action text, event_type text, suppressed_reason text, compliance_status text, family text, counted boolean,
	touch_no bigint, touch_at timestamptz, event_at timestamptz) RETURNS boolean
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_row_is_sound';
COMMENT ON FUNCTION _log_row_is_sound(text, text, text, text, text, boolean, bigint, timestamptz, timestamptz) IS 'Whether a row of CadenceEventLog is one that can be: a verdict of the contract''s table; nothing executed unless compliance_status is clear; an executed touch numbered and counted from its event_at unless transactional; only numbered touches counted.';

-- Runs and what they leave behind.  Every key leads with session_id.

CREATE TABLE request (
	session_id		uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	contact			jsonb NOT NULL,
	options			jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(options) = 'object'),
	lead_id			text,
	priority		integer NOT NULL DEFAULT 0,
	status			text NOT NULL DEFAULT 'queued' CHECK (status IN (
						'queued', 'wave1', 'evaluation', 'wave2', 'synthesis', 'guard', 'saved', 'judged', 'failed', 'cancelled')),
	iteration		smallint NOT NULL DEFAULT 0 CHECK (iteration BETWEEN 0 AND 3),
	as_of			timestamptz,
	error			text,
	sqlstate		text CHECK (sqlstate ~ '^[0-9A-Z]{5}$'),
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	started_at		timestamptz,
	finished_at		timestamptz,
	-- the queue's own
	home			bigint NOT NULL DEFAULT kam._home(),
	attempts		integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	next_attempt_at	timestamptz,
	lease_owner		integer,
	lease_until		timestamptz,
	rerun_of		uuid,
	rerun_at		timestamptz,
	-- what it was asked with, and what it tries out
	prompts			jsonb CHECK (jsonb_typeof(prompts) = 'object'),
	history			uuid[],
	replay_of		uuid,
	backtest_id		uuid,
	settings		jsonb CHECK (jsonb_typeof(settings) = 'object'),
	CONSTRAINT request_lease_is_whole CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
	CONSTRAINT request_finished_has_time CHECK ((status IN ('judged', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
	CONSTRAINT request_failed_has_error CHECK (status <> 'failed' OR error IS NOT NULL),
	CONSTRAINT request_reruns_another CHECK (rerun_of <> session_id),
	CONSTRAINT request_replays_another CHECK (replay_of <> session_id),
	CONSTRAINT request_replay_alone CHECK (replay_of IS NOT NULL OR (backtest_id IS NULL AND settings IS NULL)),
	CONSTRAINT request_replay_ends CHECK (replay_of IS NULL OR rerun_at IS NULL)
);
CREATE INDEX request_claim ON request (home, priority DESC, created_at, session_id) WHERE finished_at IS NULL;
CREATE INDEX request_rerun ON request (home, rerun_at) WHERE rerun_at IS NOT NULL;
CREATE INDEX request_finished ON request (finished_at, session_id) WHERE finished_at IS NOT NULL;
CREATE INDEX request_lead ON request (lead_id, created_at) WHERE lead_id IS NOT NULL;
CREATE INDEX request_replays ON request (replay_of) WHERE replay_of IS NOT NULL;
CREATE INDEX request_backtest ON request (backtest_id) WHERE backtest_id IS NOT NULL;
CREATE TRIGGER request_wake AFTER INSERT ON request FOR EACH STATEMENT EXECUTE FUNCTION _wake();
-- A lease is taken and given back several times per run: leave room for HOT updates.
ALTER TABLE request SET (fillfactor = 80, toast_tuple_target = 512);
COMMENT ON TABLE request IS 'One row per run, the truth about it. kam_run writes it; an INSERT straight into it runs too.';
COMMENT ON COLUMN request.session_id IS 'Key of the run everywhere.';
COMMENT ON COLUMN request.contact IS 'The contact as given, every field and every digit of it; its activities followed by what the log knew of its lead besides (kam_run).';
COMMENT ON COLUMN request.options IS 'Options of kam_run: idempotency_key, priority, as_of, lead_id, rerun.';
COMMENT ON COLUMN request.lead_id IS 'CRM key of the lead, as given or as kam_run found it; NULL when unknown.';
COMMENT ON COLUMN request.priority IS 'Higher runs first; among equals the older.';
COMMENT ON COLUMN request.status IS 'queued, wave1, evaluation, wave2, synthesis, guard, saved (the decision is written), judged (done), failed, cancelled.';
COMMENT ON COLUMN request.iteration IS 'Passes of wave 1 begun, at most 3.';
COMMENT ON COLUMN request.as_of IS 'The moment the run judges from; NULL until the worker takes a row that came without.';
COMMENT ON COLUMN request.error IS 'Why the run failed, is held, or was interrupted last.';
COMMENT ON COLUMN request.sqlstate IS 'SQLSTATE of error; 53400: it waits for a budget.';
COMMENT ON COLUMN request.created_at IS 'When it was asked for (kam''s clock).';
COMMENT ON COLUMN request.started_at IS 'When the worker first took it.';
COMMENT ON COLUMN request.finished_at IS 'When it was judged, failed or cancelled; NULL until then.';
COMMENT ON COLUMN request.home IS 'The database it was asked for in (_home()). Another value means a restore or copy: parked until kam_resume().';
COMMENT ON COLUMN request.attempts IS 'Times a worker took it since it last got any further; at kam.max_attempts it fails.';
COMMENT ON COLUMN request.next_attempt_at IS 'Not before this (real time); NULL for at once, infinity for held: until kam_retry or kam_cancel.';
COMMENT ON COLUMN request.lease_owner IS 'The worker''s slot within this database.';
COMMENT ON COLUMN request.lease_until IS 'When another worker may take it over (real time).';
COMMENT ON COLUMN request.rerun_of IS 'The run whose wait this one ends.';
COMMENT ON COLUMN request.rerun_at IS 'When a wait runs again by itself (kam''s clock); NULL when it does not, or has.';
COMMENT ON COLUMN request.prompts IS 'The version of each agent''s prompt that it is asked with: those in use when a worker first took it, whatever was put to use since; NULL until then.';
COMMENT ON COLUMN request.history IS 'The sessions of the validated decisions that it learnt from, latest first; NULL until it came to wave 2.';
COMMENT ON COLUMN request.replay_of IS 'The run that this one tries again (kam_replay); its decision stands in replay_decision, and nothing comes of it. NULL for a run that counts.';
COMMENT ON COLUMN request.backtest_id IS 'The back-test it belongs to (kam_backtest).';
COMMENT ON COLUMN request.settings IS 'What a replay is asked with instead of the agents'' rows (kam_replay).';

CREATE TABLE agent_call (
	session_id			uuid NOT NULL REFERENCES request ON DELETE CASCADE,
	call_no				integer NOT NULL CHECK (call_no > 0),
	agent				text NOT NULL,
	iteration			smallint NOT NULL CHECK (iteration BETWEEN 1 AND 3),
	attempt				smallint NOT NULL DEFAULT 1 CHECK (attempt > 0),
	provider			text NOT NULL,
	model				text NOT NULL,
	prompt_version		integer NOT NULL,
	status				text NOT NULL CHECK (status IN ('sending', 'succeeded', 'failed', 'in_doubt')),
	http_status			integer CHECK (http_status BETWEEN 100 AND 599),
	provider_request_id	text,
	stop_reason			text,
	response			text,
	output				jsonb,
	input_tokens		bigint NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),
	output_tokens		bigint NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),
	cache_read_tokens	bigint NOT NULL DEFAULT 0 CHECK (cache_read_tokens >= 0),
	cache_write_tokens	bigint NOT NULL DEFAULT 0 CHECK (cache_write_tokens >= 0),
	cost_usd			numeric NOT NULL DEFAULT 0 CHECK (cost_usd >= 0),
	reserved_usd		numeric NOT NULL DEFAULT 0 CHECK (reserved_usd >= 0),
	sent_on				date,
	latency_ms			integer CHECK (latency_ms >= 0),
	first_byte_ms		integer CHECK (first_byte_ms >= 0),
	error_class			text CHECK (error_class ~ '^[a-z][a-z0-9_]*$'),
	error				text,
	request_sha256		bytea CHECK (octet_length(request_sha256) = 32),
	started_at			timestamptz NOT NULL DEFAULT clock_timestamp(),
	finished_at			timestamptz,
	PRIMARY KEY (session_id, call_no),
	UNIQUE (session_id, agent, iteration, attempt),
	CONSTRAINT agent_call_success_has_output CHECK ((status = 'succeeded') = (output IS NOT NULL)),
	CONSTRAINT agent_call_over_has_time CHECK (status = 'sending' OR finished_at IS NOT NULL)
);
-- What a crash left in doubt: a few rows, whatever the table holds; no entry while a call goes as it should.
CREATE INDEX agent_call_in_doubt ON agent_call (session_id, call_no) WHERE error_class = 'in_doubt' AND status = 'in_doubt';
CREATE INDEX agent_call_replay ON agent_call (request_sha256) WHERE status = 'succeeded' AND request_sha256 IS NOT NULL;
-- Calls of models, by the day that pays them.
CREATE INDEX agent_call_sent_on ON agent_call (sent_on) WHERE sent_on IS NOT NULL;
COMMENT ON TABLE agent_call IS 'One row per attempt to have an agent answer, the built-in ones too. A row that succeeded is never written again while its run may go on from it; of runs that are decided the answers go after kam.retain_calls.';
COMMENT ON COLUMN agent_call.session_id IS 'The run.';
COMMENT ON COLUMN agent_call.call_no IS 'Order within the run, from 1.';
COMMENT ON COLUMN agent_call.agent IS 'Key of the agent.';
COMMENT ON COLUMN agent_call.iteration IS 'Pass of wave 1, 1 to 3; the later waves carry the last pass''s number.';
COMMENT ON COLUMN agent_call.attempt IS 'Attempts of this agent in this iteration, from 1.';
COMMENT ON COLUMN agent_call.provider IS 'Who was asked.';
COMMENT ON COLUMN agent_call.model IS 'Which model was asked.';
COMMENT ON COLUMN agent_call.prompt_version IS 'With which prompt.';
COMMENT ON COLUMN agent_call.status IS 'sending, succeeded, failed, in_doubt (sent, and the answer lost in a crash).';
COMMENT ON COLUMN agent_call.http_status IS 'HTTP status of the answer; NULL when none came, and for the built-in agents.';
COMMENT ON COLUMN agent_call.provider_request_id IS 'The provider''s own name for the call, which its support asks for.';
COMMENT ON COLUMN agent_call.stop_reason IS 'Why the model stopped, in the provider''s words: end_turn, stop, max_tokens, length, refusal, ...';
COMMENT ON COLUMN agent_call.response IS 'The answer''s text as received; NULL for the built-in agents, and once kam.retain_calls emptied it.';
COMMENT ON COLUMN agent_call.output IS 'The agent''s output, as the next ones read it; {} once kam.retain_calls emptied it.';
COMMENT ON COLUMN agent_call.input_tokens IS 'Input tokens, not counting the cache''s.';
COMMENT ON COLUMN agent_call.output_tokens IS 'Output tokens.';
COMMENT ON COLUMN agent_call.cache_read_tokens IS 'Input tokens read from the provider''s cache.';
COMMENT ON COLUMN agent_call.cache_write_tokens IS 'Input tokens written to the provider''s cache.';
COMMENT ON COLUMN agent_call.cost_usd IS 'Cost in US dollars at the prices of model on the day it was sent, of failed attempts too, as far as the provider told their tokens.';
COMMENT ON COLUMN agent_call.reserved_usd IS 'What it may cost besides, at most, in US dollars: while it is under way, and for good when nobody knows its bill (in doubt, broken off before the provider told it); else 0.';
COMMENT ON COLUMN agent_call.sent_on IS 'Day of kam.default_timezone on which it was sent, whose budgets and prices count; NULL for what was not sent to a model.';
COMMENT ON COLUMN agent_call.latency_ms IS 'Milliseconds from sending to the whole answer.';
COMMENT ON COLUMN agent_call.first_byte_ms IS 'Milliseconds from sending to the first byte of the answer; NULL when none came, and for the built-in agents.';
COMMENT ON COLUMN agent_call.error_class IS 'Kind of failure, one word for counting: rate_limit, overloaded, timeout, auth, refusal, truncated, budget (not sent: its run''s budget is spent), ...; NULL when it succeeded.';
COMMENT ON COLUMN agent_call.error IS 'Why it failed, and what to do.';
COMMENT ON COLUMN agent_call.request_sha256 IS 'SHA-256 of the parts of the prompt, under which the provider replay finds the answer; NULL for the built-in agents.';
COMMENT ON COLUMN agent_call.started_at IS 'When it was sent.';
COMMENT ON COLUMN agent_call.finished_at IS 'When it was answered or given up.';

-- Decisions made elsewhere (the n8n workflow this replaces) may be put in beside ours: no run need stand behind a row.
CREATE TABLE final_decision (
	session_id			uuid PRIMARY KEY,
	decision			jsonb NOT NULL CHECK (jsonb_typeof(decision) = 'object'),
	action				text NOT NULL CHECK (action IN ('send_message', 'wait', 'break_up', 'no_action')),
	selected_channel	text CHECK (selected_channel IN ('LINKEDIN', 'EMAIL', 'PHONE', 'WHATSAPP')),
	contact_hubspot_id	text,
	owner_name			text,
	linkedin_url		text,
	created_at			timestamptz NOT NULL DEFAULT kam._now(),
	user_slack_message	text,
	type_of_validation	text CHECK (type_of_validation IN ('', 'approved', 'edited', 'rejected')),
	edited_message		text,
	validated_by		text,
	validated_at		timestamptz,
	guard				jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(guard) = 'object')
);
-- "Get historial recomendations" of the workflow: the latest that a person has judged.
CREATE INDEX final_decision_validated ON final_decision (created_at DESC)
	WHERE user_slack_message <> '' AND type_of_validation <> '';
CREATE INDEX final_decision_created ON final_decision (created_at);
CREATE INDEX final_decision_hubspot ON final_decision (contact_hubspot_id) WHERE contact_hubspot_id IS NOT NULL;
COMMENT ON TABLE final_decision IS 'What each run decided, and what a person made of it (kam_validate).';
COMMENT ON COLUMN final_decision.session_id IS 'The run.';
COMMENT ON COLUMN final_decision.decision IS '{"final_decision": {...}, "metadata": {...}}, as kam_decide gives it.';
COMMENT ON COLUMN final_decision.action IS 'send_message, wait, break_up or no_action.';
COMMENT ON COLUMN final_decision.selected_channel IS 'LINKEDIN, EMAIL, PHONE, WHATSAPP; NULL when nothing is sent.';
COMMENT ON COLUMN final_decision.contact_hubspot_id IS 'contact_info.hubspot_id of the contact.';
COMMENT ON COLUMN final_decision.owner_name IS 'Our person in charge of the contact.';
COMMENT ON COLUMN final_decision.linkedin_url IS 'contact_info.linkedin_url of the contact.';
COMMENT ON COLUMN final_decision.created_at IS 'When it was decided (kam''s clock).';
COMMENT ON COLUMN final_decision.user_slack_message IS 'The message as the person who judged it saw it.';
COMMENT ON COLUMN final_decision.type_of_validation IS 'approved, edited, rejected; NULL or empty until a person judges.';
COMMENT ON COLUMN final_decision.edited_message IS 'The message as the person rewrote it.';
COMMENT ON COLUMN final_decision.validated_by IS 'The database role that judged.';
COMMENT ON COLUMN final_decision.validated_at IS 'When it was judged (kam''s clock).';
COMMENT ON COLUMN final_decision.guard IS 'What the guard did: {"findings": [...], "repairs": [...], "repair_call": {"asked": bool, "agents": [...], "findings": [...], "helped": bool, "left": [...]}, "replaced": bool, "forced": bool, "compliance": {"status": "clear", ...}}.';

CREATE TABLE workflow_run (
	session_id		uuid PRIMARY KEY REFERENCES request ON DELETE CASCADE,
	status			text NOT NULL,
	iterations		integer NOT NULL DEFAULT 0,
	calls			integer NOT NULL DEFAULT 0,
	cost_usd		numeric NOT NULL DEFAULT 0,
	input_tokens	bigint NOT NULL DEFAULT 0,
	output_tokens	bigint NOT NULL DEFAULT 0,
	timings			jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(timings) = 'object'),
	started_at		timestamptz,
	finished_at		timestamptz
);
CREATE INDEX workflow_run_finished ON workflow_run (finished_at DESC);
COMMENT ON TABLE workflow_run IS 'What each run took: calls, tokens, money, time.';
COMMENT ON COLUMN workflow_run.session_id IS 'The run.';
COMMENT ON COLUMN workflow_run.status IS 'How it stands or ended, as in request.';
COMMENT ON COLUMN workflow_run.iterations IS 'Passes of wave 1.';
COMMENT ON COLUMN workflow_run.calls IS 'Rows of agent_call.';
COMMENT ON COLUMN workflow_run.cost_usd IS 'Their cost in US dollars.';
COMMENT ON COLUMN workflow_run.input_tokens IS 'Their input tokens, the caches'' included.';
COMMENT ON COLUMN workflow_run.output_tokens IS 'Their output tokens.';
COMMENT ON COLUMN workflow_run.timings IS 'Milliseconds per stage, e.g. {"queued": 12, "wave1": 3}.';
COMMENT ON COLUMN workflow_run.started_at IS 'When a worker first took it.';
COMMENT ON COLUMN workflow_run.finished_at IS 'When it ended.';

CREATE TABLE decision_evaluation (
	session_id		uuid PRIMARY KEY REFERENCES request ON DELETE CASCADE,
	overall_score	numeric NOT NULL CHECK (overall_score BETWEEN 0 AND 10),
	criteria		jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(criteria) = 'array'),
	verdict			text NOT NULL CHECK (verdict IN ('good', 'acceptable', 'poor')),
	created_at		timestamptz NOT NULL DEFAULT kam._now()
);
COMMENT ON TABLE decision_evaluation IS 'The judge''s opinion of each decision, made after it was saved.';
COMMENT ON COLUMN decision_evaluation.session_id IS 'The run.';
COMMENT ON COLUMN decision_evaluation.overall_score IS '0 to 10.';
COMMENT ON COLUMN decision_evaluation.criteria IS '[{"name": ..., "score": 0-10, "comment": ...}].';
COMMENT ON COLUMN decision_evaluation.verdict IS 'good, acceptable or poor.';
COMMENT ON COLUMN decision_evaluation.created_at IS 'When it was judged (kam''s clock).';

-- Apart from final_decision and decision_evaluation: who reads those reads what was decided, never what was tried out.
CREATE TABLE replay_decision (
	session_id			uuid PRIMARY KEY REFERENCES request ON DELETE CASCADE,
	decision			jsonb NOT NULL CHECK (jsonb_typeof(decision) = 'object'),
	action				text NOT NULL CHECK (action IN ('send_message', 'wait', 'break_up', 'no_action')),
	selected_channel	text CHECK (selected_channel IN ('LINKEDIN', 'EMAIL', 'PHONE', 'WHATSAPP')),
	guard				jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(guard) = 'object'),
	synthesis			text,
	overall_score		numeric CHECK (overall_score BETWEEN 0 AND 10),
	criteria			jsonb CHECK (jsonb_typeof(criteria) = 'array'),
	verdict				text CHECK (verdict IN ('good', 'acceptable', 'poor')),
	created_at			timestamptz NOT NULL DEFAULT kam._now()
);
COMMENT ON TABLE replay_decision IS 'What each replay decided (kam_replay, kam_backtest), and what the judge made of it. Nobody is told, nothing is sent, no later run learns from it.';
COMMENT ON COLUMN replay_decision.session_id IS 'The replay, a run with replay_of.';
COMMENT ON COLUMN replay_decision.decision IS 'As in final_decision; its metadata.session_id is that of the run replayed, so that equal decisions are equal to the byte.';
COMMENT ON COLUMN replay_decision.action IS 'send_message, wait, break_up or no_action.';
COMMENT ON COLUMN replay_decision.selected_channel IS 'LINKEDIN, EMAIL, PHONE, WHATSAPP; NULL when nothing would be sent.';
COMMENT ON COLUMN replay_decision.guard IS 'What the guard did, as in final_decision.';
COMMENT ON COLUMN replay_decision.synthesis IS 'The synthesis agent''s answer as text.';
COMMENT ON COLUMN replay_decision.overall_score IS 'The judge''s, 0 to 10; NULL until judged, and when the contact must not be written to.';
COMMENT ON COLUMN replay_decision.criteria IS 'As in decision_evaluation.';
COMMENT ON COLUMN replay_decision.verdict IS 'good, acceptable or poor.';
COMMENT ON COLUMN replay_decision.created_at IS 'When it was decided (kam''s clock).';

CREATE TABLE n8n_orchestrator_synthesis (
	session_id		uuid PRIMARY KEY,
	output			text,
	final_decision	jsonb,
	created_at		timestamptz NOT NULL DEFAULT kam._now()
);
COMMENT ON TABLE n8n_orchestrator_synthesis IS 'The synthesis as it came, and the decision made of it: the table readers of the n8n workflow know.';
COMMENT ON COLUMN n8n_orchestrator_synthesis.session_id IS 'The run.';
COMMENT ON COLUMN n8n_orchestrator_synthesis.output IS 'The synthesis agent''s answer as text.';
COMMENT ON COLUMN n8n_orchestrator_synthesis.final_decision IS 'The decision after the guard.';
COMMENT ON COLUMN n8n_orchestrator_synthesis.created_at IS 'When it was written (kam''s clock).';

CREATE FUNCTION _forget_decision() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	DELETE FROM kam.final_decision d WHERE d.session_id = OLD.session_id;
	DELETE FROM kam.n8n_orchestrator_synthesis s WHERE s.session_id = OLD.session_id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _forget_decision() IS 'Row trigger: a run that is deleted takes its decision with it, as a foreign key would.';
CREATE TRIGGER request_forget AFTER DELETE ON request FOR EACH ROW EXECUTE FUNCTION _forget_decision();

CREATE TABLE notification (
	notification_id	bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	recipient		text NOT NULL,
	topic			text NOT NULL,
	session_id		uuid REFERENCES request ON DELETE CASCADE,
	lead_id			text,
	event_id		bigint,
	payload			jsonb NOT NULL DEFAULT '{}',
	status			notification_status NOT NULL DEFAULT 'pending',
	attempts		tally NOT NULL DEFAULT 0,
	next_attempt_at	timestamptz,
	last_error		text,
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	home			bigint NOT NULL DEFAULT kam._home(),
	endpoint		text,
	sent_at			timestamptz,
	answer_status	integer,
	in_doubt		boolean NOT NULL DEFAULT false,
	renewed_at		timestamptz,
	acknowledged_at	timestamptz,
	acknowledged_by	text
);
-- Each run tells each recipient once of each topic; news of no run (the Coordinator's) is not in it.
CREATE UNIQUE INDEX notification_once ON notification (session_id, recipient, topic) WHERE session_id IS NOT NULL;
-- One index for who delivers and who reads: what is on its way or dead stands at infinity.
CREATE INDEX notification_due ON notification (home, recipient, next_attempt_at, notification_id) WHERE status IN ('pending', 'failed', 'dead');
COMMENT ON TABLE notification IS 'News for people and systems, written with what caused it.';
COMMENT ON COLUMN notification.notification_id IS 'Key.';
COMMENT ON COLUMN notification.recipient IS 'An agent''s code (AGT-304), a rep, or an endpoint.';
COMMENT ON COLUMN notification.topic IS 'What it is about: decision, failure, budget; of the Coordinator touch, activation, resume, a verdict, a kind of flag.';
COMMENT ON COLUMN notification.session_id IS 'The run it is about.';
COMMENT ON COLUMN notification.lead_id IS 'The lead it is about.';
COMMENT ON COLUMN notification.event_id IS 'The event it is about.';
COMMENT ON COLUMN notification.payload IS 'What is told.';
COMMENT ON COLUMN notification.status IS 'pending, sent, failed (tried again), dead (given up), acknowledged, parked (came with a restore; kam_resume).';
COMMENT ON COLUMN notification.attempts IS 'Deliveries tried.';
COMMENT ON COLUMN notification.next_attempt_at IS 'Not before this (real time); NULL for at once, infinity while it is on its way and when it is dead.';
COMMENT ON COLUMN notification.last_error IS 'Why the last delivery failed.';
COMMENT ON COLUMN notification.created_at IS 'When it was written (kam''s clock).';
COMMENT ON COLUMN notification.endpoint IS 'The endpoint it was last given to.';
COMMENT ON COLUMN notification.sent_at IS 'When the receiver took it (real time).';
COMMENT ON COLUMN notification.answer_status IS 'What the receiver last answered, as HTTP or SMTP count it.';
COMMENT ON COLUMN notification.in_doubt IS 'It went out, its answer was lost, and the endpoint holds such (endpoint.in_doubt): it may have arrived. kam_redeliver() sends it again.';
COMMENT ON COLUMN notification.renewed_at IS 'When kam_redeliver() made it pending again; its age counts from then.';
COMMENT ON COLUMN notification.acknowledged_at IS 'When its recipient took note of it (kam_acknowledge).';
COMMENT ON COLUMN notification.acknowledged_by IS 'The role that did.';
COMMENT ON COLUMN notification.home IS 'The database it was written in (_home()); another value means a restore or copy.';

CREATE TABLE _delivery (
	notification_id	bigint PRIMARY KEY,
	endpoint		text NOT NULL,
	begun_at		timestamptz NOT NULL DEFAULT clock_timestamp(),
	home			bigint NOT NULL DEFAULT kam._home()
);
COMMENT ON TABLE _delivery IS 'What is on its way: committed before the first byte leaves, gone with the result. What stands here when a worker starts was on its way when the one before died.';

CREATE TABLE sent_message (
	lead_id			text NOT NULL,
	notification_id	bigint NOT NULL,
	event_id		bigint NOT NULL,
	sequence_id		text,
	message_id		text NOT NULL,
	subject			text,
	sent_at			timestamptz NOT NULL,
	PRIMARY KEY (lead_id, notification_id)
);
CREATE INDEX sent_message_id ON sent_message (message_id);
COMMENT ON TABLE sent_message IS 'E-mails that left for people, for answers to be recognised and threads to be continued.';
COMMENT ON COLUMN sent_message.lead_id IS 'To whom.';
COMMENT ON COLUMN sent_message.notification_id IS 'The notification that was sent.';
COMMENT ON COLUMN sent_message.event_id IS 'The touch.';
COMMENT ON COLUMN sent_message.sequence_id IS 'Of which sequence.';
COMMENT ON COLUMN sent_message.message_id IS 'The e-mail''s Message-ID, with its angle brackets; kam_reply() finds the message by it.';
COMMENT ON COLUMN sent_message.subject IS 'Its subject.';
COMMENT ON COLUMN sent_message.sent_at IS 'When the mail server took it (real time).';

CREATE TABLE unsubscribe_token (
	lead_id			text PRIMARY KEY,
	token			uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
	created_at		timestamptz NOT NULL DEFAULT kam._now()
);
COMMENT ON TABLE unsubscribe_token IS 'By what a lead unsubscribes with one click: stands in List-Unsubscribe of each e-mail to them.';
COMMENT ON COLUMN unsubscribe_token.lead_id IS 'The lead.';
COMMENT ON COLUMN unsubscribe_token.token IS 'Random; who knows it may unsubscribe that lead and nothing else (kam_unsubscribe_token).';
COMMENT ON COLUMN unsubscribe_token.created_at IS 'When the first e-mail was made.';

CREATE TABLE _change (
	source			oid NOT NULL,
	contact_key		text NOT NULL,
	session_id		uuid NOT NULL,
	PRIMARY KEY (source, contact_key),
	FOREIGN KEY (session_id) REFERENCES request ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX _change_session ON _change (session_id);
COMMENT ON TABLE _change IS 'The latest run that kam_run_on_change asked for, per table and contact: further changes join it while it is queued.';

-- What is long and read seldom is packed by the faster method where the server has it.
DO $$
BEGIN
	ALTER TABLE request ALTER COLUMN contact SET COMPRESSION lz4;
	ALTER TABLE agent_call ALTER COLUMN response SET COMPRESSION lz4, ALTER COLUMN output SET COMPRESSION lz4;
	ALTER TABLE final_decision ALTER COLUMN decision SET COMPRESSION lz4, ALTER COLUMN guard SET COMPRESSION lz4;
	ALTER TABLE n8n_orchestrator_synthesis ALTER COLUMN output SET COMPRESSION lz4, ALTER COLUMN final_decision SET COMPRESSION lz4;
	ALTER TABLE notification ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL;
END
$$;

-- The Cadence Coordinator: who may be contacted, what runs, what happened (contract section 7, spec AGT-302).
--
-- Accounts, Leads and Reps mirror a CRM: a sync writes them, in any order, with what it knows.  The rest is the Coordinator's.  The log has no
-- foreign key to Leads: it outlives them, and a restore may bring it first.

-- ---- what a CRM sync writes ----------------------------------------------------

CREATE TABLE Accounts (
	account_id		crm_key PRIMARY KEY,
	name			text,
	icp_tier		tier,
	abm_active		boolean NOT NULL DEFAULT false,
	owner_id		text,
	attributes		object_jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE Accounts IS 'Companies, as the CRM has them.';
COMMENT ON COLUMN Accounts.account_id IS 'The CRM''s key.';
COMMENT ON COLUMN Accounts.name IS 'Name.';
COMMENT ON COLUMN Accounts.icp_tier IS 'T1, T2, T3: how well it fits the ideal customer; NULL when nobody has said.';
COMMENT ON COLUMN Accounts.abm_active IS 'In account-based marketing: no nurture sequence runs for its leads (gate 2).';
COMMENT ON COLUMN Accounts.owner_id IS 'The rep who owns it.';
COMMENT ON COLUMN Accounts.attributes IS 'Everything else, for targeting plays.';

CREATE TABLE Leads (
	lead_id			crm_key PRIMARY KEY,
	account_id		text REFERENCES Accounts,
	full_name		text,
	job_title		text,
	email			text,
	phone			text,
	linkedin_url	text,
	owner_id		text,
	icp_tier		tier,
	time_zone		text,
	unsubscribe_flag boolean NOT NULL DEFAULT false,
	opt_out_flag	boolean NOT NULL DEFAULT false,
	sales_signal_at	timestamptz,
	marketing_signal_at timestamptz,
	cadence_state	enrolment_state,
	active_sequence_id text,
	current_step	integer,
	last_touch_at	timestamptz,
	attributes		object_jsonb NOT NULL DEFAULT '{}',
	merged_into		text,
	erased_at		timestamptz
) WITH (fillfactor = 80);
CREATE INDEX leads_account ON Leads (account_id, lead_id) WHERE account_id IS NOT NULL;
CREATE INDEX leads_owner ON Leads (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX leads_email ON Leads (_address(email), lead_id) WHERE email IS NOT NULL;
CREATE INDEX leads_email_domain ON Leads (_address_domain(email), lead_id) WHERE email IS NOT NULL;
CREATE INDEX leads_phone ON Leads (_address(phone), lead_id) WHERE phone IS NOT NULL;
CREATE INDEX leads_linkedin ON Leads (_address(linkedin_url), lead_id) WHERE linkedin_url IS NOT NULL;
COMMENT ON TABLE Leads IS 'People, as the CRM has them, with where the Coordinator stands with each (cadence_state to last_touch_at, merged_into: written by kam).';
COMMENT ON COLUMN Leads.lead_id IS 'The CRM''s key.';
COMMENT ON COLUMN Leads.account_id IS 'The company; NULL counts as outside account-based marketing.';
COMMENT ON COLUMN Leads.full_name IS 'Name.';
COMMENT ON COLUMN Leads.job_title IS 'Title.';
COMMENT ON COLUMN Leads.email IS 'Not unique: two leads with one address are suppressed together.';
COMMENT ON COLUMN Leads.phone IS 'Phone.';
COMMENT ON COLUMN Leads.linkedin_url IS 'Profile.';
COMMENT ON COLUMN Leads.owner_id IS 'The rep who owns it: hears of flags and touches.';
COMMENT ON COLUMN Leads.icp_tier IS 'Overrides the account''s tier.';
COMMENT ON COLUMN Leads.time_zone IS 'IANA name; else that of the rep who owns the account, else kam.default_timezone.';
COMMENT ON COLUMN Leads.unsubscribe_flag IS 'Blocks every sequence type (gate 1). Setting it cancels holds and ends sequences; clearing it revives none.';
COMMENT ON COLUMN Leads.opt_out_flag IS 'As unsubscribe_flag; the person wants no contact on any channel.';
COMMENT ON COLUMN Leads.sales_signal_at IS 'The person''s latest signal to sales (reply, meeting, call); decides conflicts at T2. A later time than the present counts as the present. Follows the facts that signal_rule names, only ever forward; a sync may set it too.';
COMMENT ON COLUMN Leads.marketing_signal_at IS 'The person''s latest signal to marketing (click, form, webinar), likewise.';
COMMENT ON COLUMN Leads.cadence_state IS 'active when a sequence is, else paused, else queued, else finished; NULL before the first. Transactional sequences do not show.';
COMMENT ON COLUMN Leads.active_sequence_id IS 'The active sequence, that of sales when there are two.';
COMMENT ON COLUMN Leads.current_step IS 'The step it last executed.';
COMMENT ON COLUMN Leads.last_touch_at IS 'The latest counted touch.';
COMMENT ON COLUMN Leads.attributes IS 'Everything else, for targeting plays.';
COMMENT ON COLUMN Leads.merged_into IS 'The lead that stands for this one since kam_merge_leads(); requests for this one are judged and logged there.';
COMMENT ON COLUMN Leads.erased_at IS 'When kam_erase_person forgot who it is (kam''s clock): from then on nobody writes name, title, addresses or attributes into the row, and it stays opted out.';

CREATE TABLE Reps (
	rep_id			text PRIMARY KEY CHECK (rep_id <> ''),
	name			text,
	manager_id		text,
	time_zone		text,
	endpoint		text,
	email			text,
	daily_limit		integer CHECK (daily_limit >= 0)
);
COMMENT ON TABLE Reps IS 'Salespeople, as the CRM has them.';
COMMENT ON COLUMN Reps.rep_id IS 'The CRM''s key; owner_id of accounts and leads.';
COMMENT ON COLUMN Reps.name IS 'Name.';
COMMENT ON COLUMN Reps.manager_id IS 'The rep''s manager, also a rep: hears of backlogs and of conflicts that do not settle.';
COMMENT ON COLUMN Reps.time_zone IS 'IANA name: business days are counted in it; else kam.default_timezone.';
COMMENT ON COLUMN Reps.endpoint IS 'The endpoint that the rep''s notifications are delivered to; NULL: they wait in the inbox (kam_inbox).';
COMMENT ON COLUMN Reps.email IS 'Where news goes when the endpoint is one of e-mail, and where people''s answers go (Reply-To).';
COMMENT ON COLUMN Reps.daily_limit IS 'Instead of kam.rep_daily_limit: from so many touches of the rep''s leads in a day their steps wait for the next day; 0: no limit.';

CREATE TABLE holiday (
	day				date NOT NULL,
	time_zone		text NOT NULL DEFAULT '*',
	name			text,
	PRIMARY KEY (day, time_zone)
);
COMMENT ON TABLE holiday IS 'Days that are no business days, per time zone of the rep; "*" for all.';
COMMENT ON COLUMN holiday.day IS 'The day.';
COMMENT ON COLUMN holiday.time_zone IS 'IANA name as in Reps.time_zone, or "*".';
COMMENT ON COLUMN holiday.name IS 'What is celebrated.';

-- ---- rules ---------------------------------------------------------------------

CREATE TABLE sequence_type (
	sequence_type	text PRIMARY KEY CHECK (sequence_type <> ''),
	family			text NOT NULL CHECK (family IN ('sales', 'marketing', 'transactional')),
	builtin			boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE sequence_type IS 'Kinds of sequences. An unknown kind is refused; add a row for one of your own.';
COMMENT ON COLUMN sequence_type.sequence_type IS 'Name.';
COMMENT ON COLUMN sequence_type.family IS 'sales and marketing compete for a lead (gate 4); transactional neither competes nor counts toward the cap. All are subject to gate 1.';
COMMENT ON COLUMN sequence_type.builtin IS 'Came with the extension and was not changed since.';

CREATE TABLE type_transition (
	from_type		text NOT NULL,
	to_type			text NOT NULL,
	reason			text NOT NULL,
	builtin			boolean NOT NULL DEFAULT false,
	PRIMARY KEY (from_type, to_type)
);
COMMENT ON TABLE type_transition IS 'Illegal moves: while a sequence of from_type is unfinished (queued, active, paused), none of to_type may be activated (gate 5).';
COMMENT ON COLUMN type_transition.from_type IS 'Type of the unfinished sequence.';
COMMENT ON COLUMN type_transition.to_type IS 'Type asked for.';
COMMENT ON COLUMN type_transition.reason IS 'Shown as the verdict''s resolution.';
COMMENT ON COLUMN type_transition.builtin IS 'Came with the extension and was not changed since.';

CREATE TABLE SendRule (
	sequence_type	text NOT NULL REFERENCES sequence_type,
	channel			text NOT NULL CHECK (channel <> ''),
	mode			text NOT NULL CHECK (mode IN ('auto_send', 'notify_rep', 'both')),
	quiet_from		time,
	quiet_until		time,
	requires_consent boolean NOT NULL DEFAULT false,
	PRIMARY KEY (sequence_type, channel),
	CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
);
COMMENT ON TABLE SendRule IS 'What an executed touch does, per sequence type and channel. Without a row the rep is notified and nothing is sent.';
COMMENT ON COLUMN SendRule.sequence_type IS 'Type.';
COMMENT ON COLUMN SendRule.channel IS 'email, linkedin, phone, whatsapp or another, in lower case; "*" for all that have no row.';
COMMENT ON COLUMN SendRule.mode IS 'auto_send (to the endpoint named as the channel), notify_rep (the lead''s owner), both.';
COMMENT ON COLUMN SendRule.quiet_from IS 'Nothing is sent from here, in the lead''s time zone.';
COMMENT ON COLUMN SendRule.quiet_until IS 'Until here; before quiet_from means the next morning.';
COMMENT ON COLUMN SendRule.requires_consent IS 'Nothing of this type and channel is sent by itself without a consent in force (kam_record_consent); the rep is told instead.';

CREATE TABLE signal_rule (
	event_type		text NOT NULL CHECK (event_type IN ('touch_observed', 'reply', 'meeting_booked', 'bounce', 'out_of_office', 'opt_out', 'unsubscribe')),
	channel			text NOT NULL DEFAULT '*' CHECK (channel <> ''),
	answers			text NOT NULL DEFAULT '*' CHECK (answers IN ('*', 'sales', 'marketing', 'transactional', 'none')),
	family			text NOT NULL CHECK (family IN ('sales', 'marketing', 'none')),
	builtin			boolean NOT NULL DEFAULT false,
	PRIMARY KEY (event_type, channel, answers)
);
COMMENT ON TABLE signal_rule IS 'Which facts are signals of the person, and to which family: sales_signal_at and marketing_signal_at of Leads follow them, and T2''s conflicts go by the fresher. A rule for the fact''s channel goes before one for all channels, then one for what it answers before one for everything. Change family to none rather than delete a row that came with the extension: deleted ones come back with a restore.';
COMMENT ON COLUMN signal_rule.event_type IS 'The fact.';
COMMENT ON COLUMN signal_rule.channel IS 'The channel it is told with, in lower case; "*" for all.';
COMMENT ON COLUMN signal_rule.answers IS 'Family of the unfinished sequence that it names, or of those that it may answer when it names none (marketing when all are); else the family of the sequence_type it is told with; none; "*" for all.';
COMMENT ON COLUMN signal_rule.family IS 'Whose signal it is: sales, marketing, none.';
COMMENT ON COLUMN signal_rule.builtin IS 'Came with the extension and was not changed since.';

-- ---- suppression -----------------------------------------------------------------

CREATE TABLE Suppression (
	address			text PRIMARY KEY CHECK (address = _address(address) OR address ~ '^sha256:[0-9a-f]{64}$'),
	kind			text NOT NULL CHECK (kind IN ('email', 'domain', 'phone', 'linkedin')),
	source			text NOT NULL CHECK (source <> ''),
	reason			text,
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	created_by		text NOT NULL DEFAULT session_user,
	settled_at		timestamptz,
	settled_upto	text,
	home			bigint NOT NULL DEFAULT kam._home()
);
CREATE INDEX suppression_unsettled ON Suppression (home, created_at) WHERE settled_at IS NULL;
COMMENT ON TABLE Suppression IS 'Addresses and domains that must not be contacted, whoever the lead (gate 1). Has no tie to Leads: it survives deletion, re-import and merge. Addresses are normalised as they are written. A decision that finds an opt-out in a contact''s own words adds the contact''s address, unless kam.auto_suppress is off.';
COMMENT ON COLUMN Suppression.address IS 'Normalised: e-mail addresses and domains in lower case, phone numbers as + and digits, LinkedIn profiles as linkedin.com/in/name. Of who was erased (kam_erase_person): sha256: and a salted hash of that.';
COMMENT ON COLUMN Suppression.kind IS 'email, domain, phone, linkedin; told from the address when not given.';
COMMENT ON COLUMN Suppression.source IS 'Where it comes from: decision, lead_flag (a flag set on Leads, lifted when the flag is cleared), unsubscribe or opt_out (an event), erasure, or what kam_unsubscribe() was told.';
COMMENT ON COLUMN Suppression.reason IS 'The words that say so.';
COMMENT ON COLUMN Suppression.created_at IS 'Since when (kam''s clock).';
COMMENT ON COLUMN Suppression.created_by IS 'The database role that wrote it.';
COMMENT ON COLUMN Suppression.settled_at IS 'When sequences and holds of all leads with this address were ended; NULL until the schedules have seen to it. New touches are blocked from the commit on.';
COMMENT ON COLUMN Suppression.settled_upto IS 'Of many leads, the one that the schedules have got to.';
COMMENT ON COLUMN Suppression.home IS 'The database it was written in.';

-- ---- plays and what proposed them --------------------------------------------------

CREATE TABLE BrainAnalysisLog (
	proposal_id		text PRIMARY KEY CHECK (proposal_id <> ''),
	agent			text,
	analysis		jsonb NOT NULL DEFAULT '{}',
	created_at		timestamptz NOT NULL DEFAULT kam._now()
);
COMMENT ON TABLE BrainAnalysisLog IS 'What the brain agents (AGT-901, AGT-902) proposed; the start of a play''s lineage.';
COMMENT ON COLUMN BrainAnalysisLog.proposal_id IS 'Key.';
COMMENT ON COLUMN BrainAnalysisLog.agent IS 'AGT-901, AGT-902.';
COMMENT ON COLUMN BrainAnalysisLog.analysis IS 'The analysis.';
COMMENT ON COLUMN BrainAnalysisLog.created_at IS 'When.';

CREATE TABLE SalesPlayLibrary (
	play_id			text PRIMARY KEY CHECK (play_id <> ''),
	name			text,
	state			text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'active', 'ended')),
	target_definition jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(target_definition) = 'object'),
	suggested_cadence jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(suggested_cadence) = 'object'),
	active_period_start timestamptz,
	active_period_end timestamptz,
	originating_proposal_id text REFERENCES BrainAnalysisLog,
	promoted_by		text,
	promoted_at		timestamptz,
	ended_by		text,
	ended_at		timestamptz,
	-- A play names a row of sequence_type, and a dump brings that first.
	sequence_type	text GENERATED ALWAYS AS (coalesce(suggested_cadence ->> 'sequence_type', 'play')) STORED REFERENCES sequence_type,
	home			bigint NOT NULL DEFAULT kam._home(),
	CHECK (active_period_end > active_period_start)
);
CREATE INDEX salesplaylibrary_active ON SalesPlayLibrary (active_period_end) WHERE state = 'active';
COMMENT ON TABLE SalesPlayLibrary IS 'Plays: whom to contact and how. Events of a play carry its play_id and its originating_proposal_id.';
COMMENT ON COLUMN SalesPlayLibrary.play_id IS 'Key.';
COMMENT ON COLUMN SalesPlayLibrary.name IS 'Name.';
COMMENT ON COLUMN SalesPlayLibrary.state IS 'draft, active (kam_promote_play), ended (kam_end_play, or by itself at active_period_end); in this order only.';
COMMENT ON COLUMN SalesPlayLibrary.target_definition IS '{"match": "$.attributes.seats > 250"}, a jsonpath predicate on the lead''s columns, its attributes and its account, or {"contains": {…}}, what these must contain; with "level": "account" for each account''s primary lead alone. Checked when written (22023 with the path); fixed once active.';
COMMENT ON COLUMN SalesPlayLibrary.suggested_cadence IS '{"sequence_type": "play", "steps": [{"day": 0, "channel": "email", "content": "…"}], "daily_limit": 40}: type of the sequence (play when left out), its plan, and how many leads are enrolled per day of kam.default_timezone (no limit when left out). Checked when written (22023 with the path); fixed once active.';
COMMENT ON COLUMN SalesPlayLibrary.active_period_start IS 'Runs from here; fixed once active.';
COMMENT ON COLUMN SalesPlayLibrary.active_period_end IS 'Until before here: nothing of the play is executed from then on; fixed once active.';
COMMENT ON COLUMN SalesPlayLibrary.originating_proposal_id IS 'The proposal it was drafted from; NULL when no brain had part in it. Fixed once it is said or the play is active.';
COMMENT ON COLUMN SalesPlayLibrary.promoted_by IS 'The person who made it active.';
COMMENT ON COLUMN SalesPlayLibrary.promoted_at IS 'When (kam''s clock).';
COMMENT ON COLUMN SalesPlayLibrary.ended_by IS 'Who ended it; AGT-302 when its time was over.';
COMMENT ON COLUMN SalesPlayLibrary.ended_at IS 'When (kam''s clock).';
COMMENT ON COLUMN SalesPlayLibrary.sequence_type IS 'That of suggested_cadence, or play.';
COMMENT ON COLUMN SalesPlayLibrary.home IS 'The database it was written in; plays of another enrol nobody until kam_resume().';

-- What the schedules of plays remember.  Neither is dumped: whoever is enrolled stands in Cadence.
CREATE TABLE _play_scan (
	play_id			text PRIMARY KEY REFERENCES SalesPlayLibrary ON DELETE CASCADE,
	upto			text,
	horizon			xid8,
	next_at			timestamptz,
	day				date,
	enrolled		integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE _play_scan IS 'How far the schedules have come with each play that is active, or whose enrolments are being ended. Whoever holds the row works on the play. Not dumped.';
COMMENT ON COLUMN _play_scan.upto IS 'The lead looked at last; NULL when all were.';
COMMENT ON COLUMN _play_scan.horizon IS 'Transactions from here on saw the play when they wrote leads; after the others have ended leads are looked at once more. NULL when that was done.';
COMMENT ON COLUMN _play_scan.next_at IS 'When there is something to do next (kam''s clock); NULL for nothing.';
COMMENT ON COLUMN _play_scan.day IS 'The day that "enrolled" counts, in kam.default_timezone.';
COMMENT ON COLUMN _play_scan.enrolled IS 'Leads enrolled that day.';

-- Only ever added to by those who write leads: a note that is there already would have to be waited for.
CREATE TABLE _play_candidate (
	candidate_id	bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	lead_id			text,
	account_id		text,
	playbook_id		text,
	play_id			text,
	upto			text,
	not_before		timestamptz NOT NULL DEFAULT kam._now(),
	CHECK (num_nonnulls(lead_id, account_id, playbook_id) = 1)
);
CREATE INDEX _play_candidate_due ON _play_candidate (not_before, candidate_id);
CREATE INDEX _play_candidate_again ON _play_candidate (lead_id, play_id) WHERE play_id IS NOT NULL;
COMMENT ON TABLE _play_candidate IS 'Leads, accounts and rows of ABMPlaybook that changed, for the schedules to look at. Not dumped.';
COMMENT ON COLUMN _play_candidate.play_id IS 'The play that the lead waits for; NULL for all that are active.';
COMMENT ON COLUMN _play_candidate.upto IS 'Of an account, the lead looked at last.';
COMMENT ON COLUMN _play_candidate.not_before IS 'Not looked at before (kam''s clock).';

-- ---- enrolments ------------------------------------------------------------------

CREATE TABLE Cadence (
	lead_id			text NOT NULL,
	sequence_id		crm_key NOT NULL,
	enrolment_no	integer NOT NULL DEFAULT 1 CHECK (enrolment_no > 0),
	sequence_type	text NOT NULL REFERENCES sequence_type,
	family			sequence_family NOT NULL,
	originating_agent text,
	state			enrolment_state NOT NULL,
	paused_reason	text,
	end_reason		text,
	steps			array_jsonb NOT NULL DEFAULT '[]',
	current_step	integer,
	next_step_at	timestamptz,
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog,
	active_until	timestamptz,
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	activated_at	timestamptz,
	paused_at		timestamptz,
	finished_at		timestamptz,
	last_activity_at timestamptz,
	stall_check_at	timestamptz,
	runs			boolean NOT NULL DEFAULT false,
	plan_step		integer,
	plan_at			timestamptz,
	step_note		text,
	home			bigint NOT NULL DEFAULT kam._home(),
	PRIMARY KEY (lead_id, sequence_id, enrolment_no),
	CHECK ((state = 'finished') = (end_reason IS NOT NULL)),
	CHECK (state = 'paused' OR paused_reason IS NULL)
) WITH (fillfactor = 80);
-- Never two active sequences of one family, whatever the code does.
CREATE UNIQUE INDEX cadence_one_active ON Cadence (lead_id, family) WHERE state = 'active' AND family <> 'transactional';
CREATE INDEX cadence_waiting ON Cadence (lead_id) WHERE state IN ('queued', 'paused');
CREATE INDEX cadence_stall ON Cadence (home, stall_check_at) WHERE state = 'active';
CREATE INDEX cadence_until ON Cadence (home, active_until) WHERE state <> 'finished' AND active_until IS NOT NULL;
CREATE INDEX cadence_next_step ON Cadence (home, next_step_at) WHERE state = 'active' AND next_step_at IS NOT NULL;
CREATE INDEX cadence_play ON Cadence (play_id, lead_id) WHERE play_id IS NOT NULL;
COMMENT ON TABLE Cadence IS 'Enrolments: one row each time a lead goes through a sequence. Written by the Coordinator.';
COMMENT ON COLUMN Cadence.lead_id IS 'The lead.';
COMMENT ON COLUMN Cadence.sequence_id IS 'The sequence.';
COMMENT ON COLUMN Cadence.enrolment_no IS 'Counts the lead''s enrolments in this sequence, from 1.';
COMMENT ON COLUMN Cadence.sequence_type IS 'Its type.';
COMMENT ON COLUMN Cadence.family IS 'The type''s family.';
COMMENT ON COLUMN Cadence.originating_agent IS 'Who asked for it.';
COMMENT ON COLUMN Cadence.state IS 'queued (gate 4 made it wait), active, paused, finished.';
COMMENT ON COLUMN Cadence.paused_reason IS 'manual, conflict (lost to the other family), out_of_office.';
COMMENT ON COLUMN Cadence.end_reason IS 'completed, stopped, replied, meeting_booked, bounced, unsubscribed, opted_out, suppressed, expired, cancelled, merged, play_ended, lead_deleted.';
COMMENT ON COLUMN Cadence.steps IS 'The plan: [{"day": 0, "channel": "email", "content": "…"}, …]; a step''s number is its place, from 1. Steps with day, delay or execute_at run by themselves (docs/sequences.md), others are asked for.';
COMMENT ON COLUMN Cadence.current_step IS 'The highest step executed.';
COMMENT ON COLUMN Cadence.next_step_at IS 'When the schedules look at the next step: its time, moved into the send window. NULL unless active, while the step is held, and when the next step has no time.';
COMMENT ON COLUMN Cadence.play_id IS 'The play it executes.';
COMMENT ON COLUMN Cadence.originating_proposal_id IS 'Inherited from the play.';
COMMENT ON COLUMN Cadence.active_until IS 'Nothing of it is executed from here on.';
COMMENT ON COLUMN Cadence.created_at IS 'When it was asked for.';
COMMENT ON COLUMN Cadence.activated_at IS 'When it last became active.';
COMMENT ON COLUMN Cadence.paused_at IS 'When it was last paused.';
COMMENT ON COLUMN Cadence.finished_at IS 'When it ended.';
COMMENT ON COLUMN Cadence.last_activity_at IS 'The latest executed step or inbound signal.';
COMMENT ON COLUMN Cadence.stall_check_at IS 'When to look next whether it has stalled.';
COMMENT ON COLUMN Cadence.runs IS 'Its steps have times and run by themselves; told from steps.';
COMMENT ON COLUMN Cadence.plan_step IS 'The step that was dealt with last: executed, skipped, refused for good or given up.';
COMMENT ON COLUMN Cadence.plan_at IS 'When that was, or the activation: the next step''s time counts from here.';
COMMENT ON COLUMN Cadence.step_note IS 'Why the next step does not go at its time: held, send_window, account_daily_cap, rep_daily_limit, or what it lacks.';
COMMENT ON COLUMN Cadence.home IS 'The database it was written in.';

-- ---- the log ----------------------------------------------------------------------

CREATE TABLE CadenceEventLog (
	lead_id			text NOT NULL,
	event_id		bigint GENERATED BY DEFAULT AS IDENTITY,
	sequence_id		text,
	sequence_type	text,
	event_type		text,
	requested_event_type text,
	step			integer,
	channel			text,
	originating_agent text,
	coordinator_action text,
	resolution		text,
	suppressed_reason text,
	touch_cap_at_event integer,
	compliance_status text,
	release_at		timestamptz,
	parent_event_id	bigint,
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog,
	idempotency_key	text,
	payload			jsonb,
	occurred_at		timestamptz,
	event_at		timestamptz,
	gate_version	smallint,
	family			text,
	enrolment_no	integer,
	counted			boolean NOT NULL DEFAULT false,
	touch_at		timestamptz,
	touch_no		bigint,
	touch_earliest	timestamptz,
	PRIMARY KEY (lead_id, event_id),
	-- The backstop, which trusts no code: verdicts are those that exist, nothing is executed for who must not be contacted, an executed touch has its number ...
	CONSTRAINT sound CHECK (_log_row_is_sound(coordinator_action, event_type, suppressed_reason, compliance_status, family, counted, touch_no, touch_at, event_at)),
	-- ... and keeps its distance.
	CONSTRAINT touch_keeps_distance CHECK (touch_earliest IS NULL OR event_at >= touch_earliest),
	CONSTRAINT judged_at CHECK (event_at IS NOT NULL AND gate_version IS NOT NULL)
);
-- Two touches decided on the same state would carry the same number.  It is also the index of the gate.
CREATE UNIQUE INDEX cadenceeventlog_touch ON CadenceEventLog (lead_id, touch_no) WHERE touch_no IS NOT NULL;
CREATE UNIQUE INDEX cadenceeventlog_idempotency_key ON CadenceEventLog (lead_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX cadenceeventlog_step ON CadenceEventLog (lead_id, sequence_id, enrolment_no, step) WHERE event_type = 'touch' AND step IS NOT NULL;
CREATE UNIQUE INDEX cadenceeventlog_release ON CadenceEventLog (lead_id, parent_event_id) WHERE coordinator_action = 'executed' AND parent_event_id IS NOT NULL;
-- Inserts go to its right end.
CREATE INDEX cadenceeventlog_touch_at ON CadenceEventLog (touch_at) INCLUDE (lead_id) WHERE counted;
-- For who reads what is new, whoever it is about.  An expression: the plain column would look like a short way to somebody's latest event, and is
-- the way through everybody's.
CREATE INDEX cadenceeventlog_place ON CadenceEventLog ((event_id + 0));
CREATE INDEX cadenceeventlog_event_at ON CadenceEventLog USING brin (event_at);
CREATE INDEX cadenceeventlog_play ON CadenceEventLog (play_id) WHERE play_id IS NOT NULL;
COMMENT ON TABLE CadenceEventLog IS 'Everything that was asked, decided and observed, in the order in which it was decided. An INSERT asks or tells; the trigger writes the verdict into the row; read it with RETURNING. Append-only.';
COMMENT ON COLUMN CadenceEventLog.lead_id IS 'The lead; of a merged one, the lead that stands for it.';
COMMENT ON COLUMN CadenceEventLog.event_id IS 'Rises with the order of decisions within a lead.';
COMMENT ON COLUMN CadenceEventLog.sequence_id IS 'The sequence. A NULL activation gets a new one; a NULL touch or resume means the one that is active, or paused, of the type''s family.';
COMMENT ON COLUMN CadenceEventLog.sequence_type IS 'Its type; required for requests.';
COMMENT ON COLUMN CadenceEventLog.event_type IS 'As asked: activation, touch, resume (requests); touch_observed, reply, meeting_booked, bounce, out_of_office, opt_out, unsubscribe, pause, stop, complete, send_failed (facts). As decided: the same, or suppressed, held, deferred, rejected; expired and cancelled end a hold.';
COMMENT ON COLUMN CadenceEventLog.requested_event_type IS 'What was asked.';
COMMENT ON COLUMN CadenceEventLog.step IS 'Step of the sequence; executed once per enrolment. NULL for a touch outside the plan.';
COMMENT ON COLUMN CadenceEventLog.channel IS 'email, linkedin, phone, whatsapp or another, in lower case.';
COMMENT ON COLUMN CadenceEventLog.originating_agent IS 'Who asks: AGT-301, AGT-304, a rep.';
COMMENT ON COLUMN CadenceEventLog.coordinator_action IS 'executed, blocked, held, queued (requests); recorded (facts). Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.resolution IS 'The row of the conflict matrix that decided, what was illegal, or why a hold ended. Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.suppressed_reason IS 'compliance_block, abm_active_suppression, touch_cap_exceeded, conflict_resolved_queued, routing_error, illegal_transition; NULL when nothing was suppressed. Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.touch_cap_at_event IS 'Counted touches of the lead within the window before this event. Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.compliance_status IS 'clear, unsubscribed, opted_out, suppressed. Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.release_at IS 'When what is held or queued is looked at again, as decided then (CadenceQueue has the present state); NULL for when the other sequence ends. Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.parent_event_id IS 'The request that this event releases, expires or cancels; of send_failed, the touch (given by the caller).';
COMMENT ON COLUMN CadenceEventLog.play_id IS 'The play it belongs to; inherited by the events of a sequence.';
COMMENT ON COLUMN CadenceEventLog.originating_proposal_id IS 'Inherited from the play.';
COMMENT ON COLUMN CadenceEventLog.idempotency_key IS 'Unique per lead.';
COMMENT ON COLUMN CadenceEventLog.payload IS 'What is to be sent or was told: steps of an activation, content of a touch, "priority" of a request (integer, higher first, 0), "until" of out_of_office.';
COMMENT ON COLUMN CadenceEventLog.occurred_at IS 'When a fact happened, as the caller says; not later than the present.';
COMMENT ON COLUMN CadenceEventLog.event_at IS 'When it was decided (kam''s clock). Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.gate_version IS 'Version of the rules that decided. Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.family IS 'The type''s family. Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.enrolment_no IS 'The enrolment it belongs to. Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.counted IS 'Counts toward the cap; cleared by send_failed. Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.touch_at IS 'When it counts from: event_at, of an observed touch occurred_at. Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.touch_no IS 'Number among the lead''s touches. Written by the trigger.';
COMMENT ON COLUMN CadenceEventLog.touch_earliest IS 'The earliest time at which the cap allowed this touch; NULL for observed ones and while fewer than the cap had been counted. Written by the trigger.';

CREATE TABLE CadenceQueue (
	lead_id			text NOT NULL,
	event_id		bigint NOT NULL,
	kind			text NOT NULL CHECK (kind IN ('held', 'deferred')),
	priority		integer NOT NULL DEFAULT 0,
	sequence_id		text,
	reason			text NOT NULL,
	release_at		timestamptz,
	rounds			integer NOT NULL DEFAULT 0 CHECK (rounds >= 0),
	state			text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'released', 'cancelled', 'expired')),
	queued_at		timestamptz NOT NULL,
	expires_at		timestamptz NOT NULL,
	ended_at		timestamptz,
	end_reason		text,
	home			bigint NOT NULL DEFAULT kam._home(),
	PRIMARY KEY (lead_id, event_id),
	FOREIGN KEY (lead_id, event_id) REFERENCES CadenceEventLog,
	CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE INDEX cadencequeue_due ON CadenceQueue (home, release_at) WHERE state = 'waiting';
CREATE INDEX cadencequeue_lead ON CadenceQueue (lead_id, priority DESC, event_id) WHERE state = 'waiting';
CREATE INDEX cadencequeue_expiry ON CadenceQueue (home, expires_at) WHERE state = 'waiting';
COMMENT ON TABLE CadenceQueue IS 'Requests that wait: held by the touch cap, or deferred by a conflict. Each release goes through all gates again.';
COMMENT ON COLUMN CadenceQueue.lead_id IS 'The lead.';
COMMENT ON COLUMN CadenceQueue.event_id IS 'The held or deferred request in the log, or the out_of_office whose pause ends.';
COMMENT ON COLUMN CadenceQueue.kind IS 'held (a touch, by the cap), deferred (an activation or resume, by a conflict or an absence).';
COMMENT ON COLUMN CadenceQueue.priority IS 'Higher goes first; among equals, who came first.';
COMMENT ON COLUMN CadenceQueue.sequence_id IS 'The sequence.';
COMMENT ON COLUMN CadenceQueue.reason IS 'touch_cap_exceeded, the resolution of the conflict, out_of_office.';
COMMENT ON COLUMN CadenceQueue.release_at IS 'Not before this; NULL until the sequence that it waits for has ended.';
COMMENT ON COLUMN CadenceQueue.rounds IS 'Releases that were refused.';
COMMENT ON COLUMN CadenceQueue.state IS 'waiting, released, cancelled, expired.';
COMMENT ON COLUMN CadenceQueue.queued_at IS 'Since when.';
COMMENT ON COLUMN CadenceQueue.expires_at IS 'Given up then.';
COMMENT ON COLUMN CadenceQueue.ended_at IS 'When it was released, cancelled or expired.';
COMMENT ON COLUMN CadenceQueue.end_reason IS 'Why it was cancelled.';
COMMENT ON COLUMN CadenceQueue.home IS 'The database it was written in; rows of another wait for kam_resume().';

CREATE TABLE prospect_state (
	lead_id			text PRIMARY KEY,
	last_at			timestamptz,
	touch_no		bigint NOT NULL DEFAULT 0,
	touches			timestamptz[] NOT NULL DEFAULT '{}',
	unsubscribed	boolean NOT NULL DEFAULT false,
	opted_out		boolean NOT NULL DEFAULT false,
	sales_sequence	text,
	sales_type		text,
	sales_enrolment	integer,
	sales_step		integer,
	sales_play		text,
	sales_proposal	text,
	sales_until		timestamptz,
	marketing_sequence text,
	marketing_type	text,
	marketing_enrolment integer,
	marketing_step	integer,
	marketing_play	text,
	marketing_proposal	text,
	marketing_until	timestamptz,
	holding			boolean NOT NULL DEFAULT false,
	stale			boolean NOT NULL DEFAULT false
) WITH (fillfactor = 60);
CREATE INDEX prospect_state_stale ON prospect_state (lead_id) WHERE stale;
CREATE INDEX prospect_state_concurrent ON prospect_state (lead_id) WHERE sales_sequence IS NOT NULL AND marketing_sequence IS NOT NULL;
COMMENT ON TABLE prospect_state IS 'What the gate must see of a lead under its lock, also of earlier rows of the same statement. Derived from log, Cadence, CadenceQueue and Leads by _rebuild_state(); never dumped.';
COMMENT ON COLUMN prospect_state.lead_id IS 'The lead.';
COMMENT ON COLUMN prospect_state.last_at IS 'The latest decision that wrote here; the next is later.';
COMMENT ON COLUMN prospect_state.touch_no IS 'The highest number given to a touch.';
COMMENT ON COLUMN prospect_state.touches IS 'The eight newest counted touches, oldest first.';
COMMENT ON COLUMN prospect_state.unsubscribed IS 'A fact or a flag said so.';
COMMENT ON COLUMN prospect_state.opted_out IS 'A fact or a flag said so.';
COMMENT ON COLUMN prospect_state.sales_sequence IS 'The active sequence of the sales family.';
COMMENT ON COLUMN prospect_state.sales_type IS 'Its type.';
COMMENT ON COLUMN prospect_state.sales_enrolment IS 'Its enrolment.';
COMMENT ON COLUMN prospect_state.sales_step IS 'The highest step it executed.';
COMMENT ON COLUMN prospect_state.sales_play IS 'Its play.';
COMMENT ON COLUMN prospect_state.sales_proposal IS 'The proposal its play derives from.';
COMMENT ON COLUMN prospect_state.sales_until IS 'Its active_until.';
COMMENT ON COLUMN prospect_state.marketing_sequence IS 'The active sequence of the marketing family.';
COMMENT ON COLUMN prospect_state.marketing_type IS 'Its type.';
COMMENT ON COLUMN prospect_state.marketing_enrolment IS 'Its enrolment.';
COMMENT ON COLUMN prospect_state.marketing_step IS 'The highest step it executed.';
COMMENT ON COLUMN prospect_state.marketing_play IS 'Its play.';
COMMENT ON COLUMN prospect_state.marketing_proposal IS 'The proposal its play derives from.';
COMMENT ON COLUMN prospect_state.marketing_until IS 'Its active_until.';
COMMENT ON COLUMN prospect_state.holding IS 'Touches may be waiting in CadenceQueue.';
COMMENT ON COLUMN prospect_state.stale IS 'Something else than the gate wrote what this derives from: rebuild before use.';

CREATE TABLE CadenceFlag (
	flag_id			bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	kind			text NOT NULL CHECK (kind IN ('cap_warning', 'concurrency', 'stall', 'backlog_risk', 'routing_error', 'cap_breach', 'data_quality')),
	lead_id			text,
	rep_id			text,
	sequence_id		text,
	opened_at		timestamptz NOT NULL DEFAULT kam._now(),
	escalated_at	timestamptz,
	closed_at		timestamptz,
	detail			jsonb NOT NULL DEFAULT '{}',
	home			bigint NOT NULL DEFAULT kam._home()
);
CREATE UNIQUE INDEX cadenceflag_open ON CadenceFlag (kind, lead_id, rep_id, sequence_id) NULLS NOT DISTINCT WHERE closed_at IS NULL;
CREATE INDEX cadenceflag_lead ON CadenceFlag (lead_id) WHERE lead_id IS NOT NULL;
COMMENT ON TABLE CadenceFlag IS 'What people should look at. At most one open flag of a kind per lead, rep and sequence; opening one writes a notification. The schedules close a flag when its reason is gone.';
COMMENT ON COLUMN CadenceFlag.flag_id IS 'Key.';
COMMENT ON COLUMN CadenceFlag.kind IS 'cap_warning (one touch left), concurrency (sales and marketing both active, or a conflict after three rounds), stall (7 days without activity), backlog_risk (10 paused prospects of a rep), routing_error (sales for T3), cap_breach (observed touches beyond the cap), data_quality (no tier to decide a conflict by).';
COMMENT ON COLUMN CadenceFlag.lead_id IS 'The lead.';
COMMENT ON COLUMN CadenceFlag.rep_id IS 'The rep it is about (backlog_risk).';
COMMENT ON COLUMN CadenceFlag.sequence_id IS 'The sequence (stall, concurrency).';
COMMENT ON COLUMN CadenceFlag.opened_at IS 'Since when (kam''s clock).';
COMMENT ON COLUMN CadenceFlag.escalated_at IS 'When it was handed to AGT-303.';
COMMENT ON COLUMN CadenceFlag.closed_at IS 'When its reason was gone.';
COMMENT ON COLUMN CadenceFlag.detail IS 'What was found.';
COMMENT ON COLUMN CadenceFlag.home IS 'The database it was written in.';

CREATE TABLE lead_alias (
	lead_id			text PRIMARY KEY,
	canonical_id	text NOT NULL,
	CHECK (lead_id <> canonical_id)
);
CREATE INDEX lead_alias_canonical ON lead_alias (canonical_id);
COMMENT ON TABLE lead_alias IS 'Which lead stands for a merged one; survives the deletion of its row. Never a chain: a lead that stands for others is repointed when it is merged itself.';
COMMENT ON COLUMN lead_alias.lead_id IS 'The merged lead.';
COMMENT ON COLUMN lead_alias.canonical_id IS 'The lead that stands for it.';

CREATE TABLE lead_merge (
	merge_id		bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	loser			text NOT NULL,
	winner			text NOT NULL,
	merged_at		timestamptz NOT NULL DEFAULT kam._now(),
	merged_by		text NOT NULL DEFAULT session_user,
	undone_at		timestamptz,
	before			jsonb NOT NULL
);
CREATE INDEX lead_merge_winner ON lead_merge (winner);
COMMENT ON TABLE lead_merge IS 'Merges, with what is needed to undo them.';
COMMENT ON COLUMN lead_merge.merge_id IS 'Key.';
COMMENT ON COLUMN lead_merge.loser IS 'The lead that was merged.';
COMMENT ON COLUMN lead_merge.winner IS 'The lead that stands for it.';
COMMENT ON COLUMN lead_merge.merged_at IS 'When.';
COMMENT ON COLUMN lead_merge.merged_by IS 'By which role.';
COMMENT ON COLUMN lead_merge.undone_at IS 'When it was undone.';
COMMENT ON COLUMN lead_merge.before IS 'Both leads'' flags, enrolments and holds as they were.';

-- Which cap the waiting holds were judged by: when the settings change, the schedules judge them again.
CREATE TABLE coordinator_state (
	singleton		boolean PRIMARY KEY DEFAULT true CHECK (singleton),
	touch_cap		integer NOT NULL,
	touch_window	interval NOT NULL,
	rejudge_from	text,
	stepped_at		timestamptz
);
COMMENT ON TABLE coordinator_state IS 'The touch cap and window that the schedules last worked with.';
COMMENT ON COLUMN coordinator_state.singleton IS 'One row.';
COMMENT ON COLUMN coordinator_state.touch_cap IS 'kam.touch_cap then.';
COMMENT ON COLUMN coordinator_state.touch_window IS 'kam.touch_window then.';
COMMENT ON COLUMN coordinator_state.rejudge_from IS 'After a change: the lead whose holds were made due last; NULL when all were.';
COMMENT ON COLUMN coordinator_state.stepped_at IS 'When steps last ran under a daily limit: who runs them holds this row, so that two do not count the same day at once.';

-- The gate: the triggers of CadenceEventLog and what they stand on.  The decisions are made in C, src/cadence/README.md tells how.

CREATE TYPE gate_verdict AS (
	allowed			boolean,
	gate			smallint,
	coordinator_action text,
	resolution		text,
	suppressed_reason text,
	compliance_status text,
	touch_count		integer,
	release_at		timestamptz,
	gates			jsonb
);
COMMENT ON TYPE gate_verdict IS 'What the gates say of a request: gate is the first that refuses (1 compliance, 2 ABM, 3 touch cap, 4 conflict, 5 transition; NULL when allowed), gates what each says by itself.';

CREATE FUNCTION _gate() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_cadence_gate';
COMMENT ON FUNCTION _gate() IS 'BEFORE INSERT row trigger of CadenceEventLog: passes a request through the gates, records a fact, and writes the verdict into the row.';

CREATE FUNCTION _gate_done() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_cadence_gate_done';
COMMENT ON FUNCTION _gate_done() IS 'AFTER INSERT row trigger of CadenceEventLog: Leads'' cadence columns, the queue, flags and notifications follow the verdict; raises 27000 when the row is not what was decided.';

CREATE FUNCTION _log_guard() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_cadence_guard';
COMMENT ON FUNCTION _log_guard() IS 'Trigger of append-only tables: UPDATE, DELETE and TRUNCATE raise 23001, for superusers too; what retention deletes goes by _change_log(). Arguments: the table''s name as messages write it, and the columns that kam_erase_person may empty; none for the log.';

CREATE FUNCTION _erase_rows(statement text, lead_ids text[], session_ids uuid[], addresses text[]) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_cadence_erase_rows';
COMMENT ON FUNCTION _erase_rows(text, text[], uuid[], text[]) IS 'Runs one statement of kam_erase_person, for which the arrays are $1 to $3, and returns how many rows it wrote. While it runs the guards of append-only tables let the columns that they name become NULL.';

CREATE FUNCTION _rules_changed() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_cadence_rules_changed';
COMMENT ON FUNCTION _rules_changed() IS 'Trigger of sequence_type, SendRule, signal_rule and _erasure_salt: every process reads them anew.';

CREATE FUNCTION _cadence_changed() RETURNS trigger
	LANGUAGE c SECURITY DEFINER
	AS 'MODULE_PATHNAME', 'kam_cadence_changed';
COMMENT ON FUNCTION _cadence_changed() IS 'Row trigger of Cadence: what somebody else than the gate writes makes the lead''s prospect_state stale.';

-- Of the triggers of one kind, the name that sorts last fires last: nobody's BEFORE trigger sees a row before its verdict and changes it after.
CREATE TRIGGER zzz_kam_gate BEFORE INSERT ON CadenceEventLog FOR EACH ROW EXECUTE FUNCTION _gate();
CREATE TRIGGER aaa_kam_gate_done AFTER INSERT ON CadenceEventLog FOR EACH ROW EXECUTE FUNCTION _gate_done();
CREATE TRIGGER aaa_kam_log_guard BEFORE UPDATE OR DELETE ON CadenceEventLog FOR EACH ROW EXECUTE FUNCTION _log_guard();
CREATE TRIGGER aaa_kam_log_guard_all BEFORE TRUNCATE ON CadenceEventLog FOR EACH STATEMENT EXECUTE FUNCTION _log_guard();
CREATE TRIGGER _rules_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sequence_type FOR EACH STATEMENT EXECUTE FUNCTION _rules_changed();
CREATE TRIGGER _rules_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON SendRule FOR EACH STATEMENT EXECUTE FUNCTION _rules_changed();
CREATE TRIGGER _rules_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON signal_rule FOR EACH STATEMENT EXECUTE FUNCTION _rules_changed();
-- Not of what the state does not derive from: the schedules and every touch write that.
CREATE TRIGGER _cadence_changed AFTER INSERT OR DELETE OR UPDATE OF lead_id, sequence_id, enrolment_no, sequence_type, family, state, play_id,
	originating_proposal_id, active_until ON Cadence FOR EACH ROW EXECUTE FUNCTION _cadence_changed();

CREATE FUNCTION kam_gate(lead_id text, sequence_type text, event_type text DEFAULT 'activation', sequence_id text DEFAULT NULL) RETURNS gate_verdict
	LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_cadence_look';
COMMENT ON FUNCTION kam_gate(text, text, text, text) IS 'What the gates would say now of an activation, touch or resume, and what each later gate would say (gates). Writes and locks nothing; the answer may be out of date a moment later. touch_count: counted touches within the window. release_at: when to ask again, NULL when that depends on another sequence. Unknown lead 23503, unknown type 22023. Example: SELECT * FROM kam.kam_gate(''L1'', ''outbound'', ''touch'', ''S1'');';

CREATE FUNCTION _touch_cap() RETURNS integer
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_touch_cap';
COMMENT ON FUNCTION _touch_cap() IS 'The setting kam.touch_cap.';

CREATE FUNCTION _touch_window() RETURNS interval
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_touch_window';
COMMENT ON FUNCTION _touch_window() IS 'The setting kam.touch_window, in hours: adding it never depends on a time zone.';

CREATE FUNCTION _hold_expiry() RETURNS integer
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_hold_expiry';
COMMENT ON FUNCTION _hold_expiry() IS 'The setting kam.hold_expiry, in minutes.';

CREATE FUNCTION _set_clock(at timestamptz) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_set_clock';
COMMENT ON FUNCTION _set_clock(timestamptz) IS 'Another present for the rest of the transaction; NULL ends it.';

CREATE FUNCTION _release(lead_id text, event_id bigint) RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_cadence_release';
COMMENT ON FUNCTION _release(text, bigint) IS 'Passes what waits in CadenceQueue through all gates again: released (executed), moved (refused for now: the queue row has the next time), blocked (refused for good), gone (nothing waits).';

CREATE FUNCTION _carry_next() RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_carry_next';
COMMENT ON FUNCTION _carry_next() IS 'The next request of this transaction is a touch that was held for a lead which has just been merged: while the sequence it belongs to waits or is paused, it is held.';

CREATE FUNCTION _system_event(lead_id text, event_type text, parent_event_id bigint, resolution text, sequence_id text, sequence_type text,
		enrolment_no integer DEFAULT NULL, step integer DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_cadence_system_event';
COMMENT ON FUNCTION _system_event(text, text, bigint, text, text, text, integer, integer) IS 'Writes an expired, cancelled or deferred row past the gates and returns its event_id; with enrolment and step, of a step that no touch was asked for. The lead need not exist any more.';

-- When somebody who is out of office is back: a date means 09:00 in the lead's zone.
CREATE FUNCTION _return_time(said text, zone text, at timestamptz) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF said IS NULL THEN
		RETURN at + interval '168 hours';
	END IF;
	-- Not all that timestamptz reads: "tomorrow" and "infinity" are no dates of return, and the session's zone is nobody's.
	IF said !~ '^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$' THEN
		RAISE invalid_datetime_format;
	END IF;
	IF said ~ ':.*(Z|[+-]\d{2}(:?\d{2})?)$' THEN
		RETURN said::timestamptz;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = zone) THEN
		zone := current_setting('kam.default_timezone');
	END IF;
	RETURN CASE WHEN said ~ ':' THEN said::timestamp ELSE said::date + time '09:00' END AT TIME ZONE zone;
EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow THEN
	RAISE EXCEPTION USING ERRCODE = 'invalid_datetime_format',
		MESSAGE = format('unreadable return date "%s"', said),
		DETAIL = 'The value is at "/payload/until".',
		HINT = 'It takes ISO 8601, for example "2026-03-10" or "2026-03-10T09:00:00+01:00".';
END
$$;
COMMENT ON FUNCTION _return_time(text, text, timestamptz) IS 'When an absence ends: a date is 09:00 of that day in the zone, a time without offset is of the zone, nothing is a week from "at".';

CREATE FUNCTION _supersede(lead_id text, sequence_id text, released bigint, at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	waiting CadenceQueue;
BEGIN
	FOR waiting IN
		UPDATE CadenceQueue q SET state = 'cancelled', ended_at = _supersede.at, end_reason = 'superseded'
		 WHERE q.lead_id = _supersede.lead_id AND q.state = 'waiting' AND q.kind = 'deferred' AND q.sequence_id = _supersede.sequence_id
		   AND q.event_id <> _supersede.released
		RETURNING q.*
	LOOP
		PERFORM _system_event(waiting.lead_id, 'cancelled', waiting.event_id, 'superseded', waiting.sequence_id, NULL);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _supersede(text, text, bigint, timestamptz) IS 'Cancels what else waits to start or resume a sequence that has just become active. released: the waiting request whose release this is, 0 for none.';

-- Before the enrolments end, and before the next row of the same statement is judged: T2 goes by the fresher signal.
CREATE FUNCTION _stamp_signal(lead_id text, event_type text, channel text, sequence_id text, family text, at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	-- Marketing when what it answers is marketing's alone; what it says itself when it answers nothing.
	answered CONSTANT text := coalesce(
		(SELECT CASE WHEN bool_and(c.family = 'marketing') THEN 'marketing' WHEN bool_and(c.family = 'transactional') THEN 'transactional'
		             WHEN count(*) > 0 THEN 'sales' END
		   FROM Cadence c
		  WHERE c.lead_id = _stamp_signal.lead_id AND c.state <> 'finished'
		    AND (c.sequence_id = _stamp_signal.sequence_id OR _stamp_signal.sequence_id IS NULL AND c.family <> 'transactional')),
		_stamp_signal.family, 'none');
	fresher CONSTANT text := (
		SELECT r.family FROM signal_rule r
		 WHERE r.event_type = _stamp_signal.event_type AND r.channel IN (_stamp_signal.channel, '*') AND r.answers IN (answered, '*')
		 ORDER BY r.channel = '*', r.answers = '*' LIMIT 1);
BEGIN
	UPDATE Leads l
	   SET sales_signal_at = CASE fresher WHEN 'sales' THEN _stamp_signal.at ELSE l.sales_signal_at END,
	       marketing_signal_at = CASE fresher WHEN 'marketing' THEN _stamp_signal.at ELSE l.marketing_signal_at END
	 WHERE l.lead_id = _stamp_signal.lead_id
	   AND CASE fresher WHEN 'sales' THEN coalesce(l.sales_signal_at < _stamp_signal.at, true)
	                    WHEN 'marketing' THEN coalesce(l.marketing_signal_at < _stamp_signal.at, true) ELSE false END;
END
$$;
COMMENT ON FUNCTION _stamp_signal(text, text, text, text, text, timestamptz) IS 'Notes a fact as the lead''s latest signal to the family that signal_rule names: by its channel and by the family of the sequence that it is about to end (sequence_id NULL: all), or, when it ends none, the family given. Only ever forward.';

-- What a fact leaves for others to see; the gate has ended or paused the enrolments already, under the lead's lock.
CREATE FUNCTION _after_fact(lead_id text, event_id bigint, paused text, paused_type text) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	e CadenceEventLog;
	l Leads;
	suppressed text;
BEGIN
	SELECT * INTO STRICT e FROM CadenceEventLog c WHERE c.lead_id = _after_fact.lead_id AND c.event_id = _after_fact.event_id;
	IF e.event_type = 'touch_observed' THEN
		UPDATE Leads SET last_touch_at = greatest(last_touch_at, e.touch_at) WHERE lead_id = e.lead_id AND e.counted;
		UPDATE Cadence SET last_activity_at = greatest(last_activity_at, e.touch_at)
		 WHERE lead_id = e.lead_id AND sequence_id = e.sequence_id AND state = 'active';
		RETURN;
	END IF;
	SELECT * INTO STRICT l FROM Leads WHERE lead_id = e.lead_id;

	IF e.event_type IN ('opt_out', 'unsubscribe') THEN
		suppressed := coalesce(_address(l.email), _address(l.phone), _address(l.linkedin_url));
		IF suppressed IS NOT NULL THEN
			-- The person's own word outweighs a flag that a sync may clear again.
			INSERT INTO Suppression AS s (address, kind, source, reason, created_by)
			VALUES (suppressed, _address_kind(suppressed), e.event_type, e.payload->>'reason', coalesce(e.originating_agent, session_user))
			ON CONFLICT (address) DO UPDATE SET source = EXCLUDED.source, reason = EXCLUDED.reason, created_by = EXCLUDED.created_by
			 WHERE s.source = 'lead_flag';
		END IF;
		UPDATE Leads SET unsubscribe_flag = unsubscribe_flag OR e.event_type = 'unsubscribe', opt_out_flag = opt_out_flag OR e.event_type = 'opt_out'
		 WHERE lead_id = e.lead_id AND NOT CASE e.event_type WHEN 'opt_out' THEN opt_out_flag ELSE unsubscribe_flag END;
	ELSIF e.event_type = 'out_of_office' AND paused IS NOT NULL THEN
		INSERT INTO CadenceQueue (lead_id, event_id, kind, sequence_id, reason, release_at, queued_at, expires_at)
		SELECT e.lead_id, e.event_id, 'deferred', paused, 'out_of_office', r.at, e.event_at,
		       least(greatest(r.at, e.event_at) + make_interval(mins => _hold_expiry()), c.active_until)
		  FROM (SELECT _return_time(e.payload->>'until', l.time_zone, e.event_at) AS at) r
		  LEFT JOIN Cadence c ON c.lead_id = e.lead_id AND c.sequence_id = paused AND c.state = 'paused';
	ELSIF e.event_type = 'send_failed' THEN
		UPDATE CadenceQueue SET release_at = e.event_at
		 WHERE lead_id = e.lead_id AND state = 'waiting' AND kind = 'held' AND release_at > e.event_at;
	END IF;
	PERFORM _settle_lead(e.lead_id, e.event_at);
END
$$;
COMMENT ON FUNCTION _after_fact(text, bigint, text, text) IS 'The effects of a recorded fact beyond the enrolments and signals: Leads'' flags, Suppression, holds, the resume of an absence. paused: the sequence that an absence paused.';

-- What other agents write and read along the lineage of plays (spec AGT-302, wire 4): each row may name the play and the proposal it derives from.

CREATE TABLE ABMPlaybook (
	playbook_id		text PRIMARY KEY CHECK (playbook_id <> ''),
	account_id		text REFERENCES Accounts,
	lead_id			text,
	sequence_type	text REFERENCES sequence_type,
	steps			jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(steps) = 'array'),
	state			text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'active', 'ended')),
	attributes		jsonb NOT NULL DEFAULT '{}',
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog,
	home			bigint NOT NULL DEFAULT kam._home(),
	CONSTRAINT abmplaybook_for_somebody CHECK (account_id IS NOT NULL OR lead_id IS NOT NULL OR state <> 'active')
);
COMMENT ON TABLE ABMPlaybook IS 'Sequences for accounts in account-based marketing (AGT-203). While a row is active the schedules enrol its lead, once, through all gates; when it ends, the sequence is stopped.';
COMMENT ON COLUMN ABMPlaybook.playbook_id IS 'Key.';
COMMENT ON COLUMN ABMPlaybook.account_id IS 'The account.';
COMMENT ON COLUMN ABMPlaybook.lead_id IS 'The lead; NULL for the account''s primary one: the lowest lead_id with an address.';
COMMENT ON COLUMN ABMPlaybook.sequence_type IS 'Type of the sequence; NULL for abm.';
COMMENT ON COLUMN ABMPlaybook.steps IS 'As Cadence.steps.';
COMMENT ON COLUMN ABMPlaybook.state IS 'draft, active, ended.';
COMMENT ON COLUMN ABMPlaybook.attributes IS 'Everything else.';
COMMENT ON COLUMN ABMPlaybook.created_at IS 'When.';
COMMENT ON COLUMN ABMPlaybook.play_id IS 'The play it derives from.';
COMMENT ON COLUMN ABMPlaybook.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';
COMMENT ON COLUMN ABMPlaybook.home IS 'The database it was written in; rows of another enrol nobody until kam_resume().';

CREATE TABLE ExpansionLog (
	expansion_id	text PRIMARY KEY CHECK (expansion_id <> ''),
	account_id		text REFERENCES Accounts,
	body			jsonb NOT NULL DEFAULT '{}',
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
COMMENT ON TABLE ExpansionLog IS 'Expansions.';
COMMENT ON COLUMN ExpansionLog.expansion_id IS 'Key.';
COMMENT ON COLUMN ExpansionLog.account_id IS 'The account.';
COMMENT ON COLUMN ExpansionLog.body IS 'The record.';
COMMENT ON COLUMN ExpansionLog.created_at IS 'When.';
COMMENT ON COLUMN ExpansionLog.play_id IS 'The play it derives from.';
COMMENT ON COLUMN ExpansionLog.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

CREATE TABLE QBRLog (
	qbr_id			text PRIMARY KEY CHECK (qbr_id <> ''),
	account_id		text REFERENCES Accounts,
	body			jsonb NOT NULL DEFAULT '{}',
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
COMMENT ON TABLE QBRLog IS 'Quarterly business reviews.';
COMMENT ON COLUMN QBRLog.qbr_id IS 'Key.';
COMMENT ON COLUMN QBRLog.account_id IS 'The account.';
COMMENT ON COLUMN QBRLog.body IS 'The record.';
COMMENT ON COLUMN QBRLog.created_at IS 'When.';
COMMENT ON COLUMN QBRLog.play_id IS 'The play it derives from.';
COMMENT ON COLUMN QBRLog.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

CREATE TABLE OpportunityBriefLog (
	brief_id		text PRIMARY KEY CHECK (brief_id <> ''),
	account_id		text REFERENCES Accounts,
	body			jsonb NOT NULL DEFAULT '{}',
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
COMMENT ON TABLE OpportunityBriefLog IS 'Briefs on opportunities.';
COMMENT ON COLUMN OpportunityBriefLog.brief_id IS 'Key.';
COMMENT ON COLUMN OpportunityBriefLog.account_id IS 'The account.';
COMMENT ON COLUMN OpportunityBriefLog.body IS 'The record.';
COMMENT ON COLUMN OpportunityBriefLog.created_at IS 'When.';
COMMENT ON COLUMN OpportunityBriefLog.play_id IS 'The play it derives from.';
COMMENT ON COLUMN OpportunityBriefLog.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

CREATE TABLE CommBriefLog (
	brief_id		text PRIMARY KEY CHECK (brief_id <> ''),
	account_id		text REFERENCES Accounts,
	lead_id			text,
	body			jsonb NOT NULL DEFAULT '{}',
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
COMMENT ON TABLE CommBriefLog IS 'Briefs on communications.';
COMMENT ON COLUMN CommBriefLog.brief_id IS 'Key.';
COMMENT ON COLUMN CommBriefLog.account_id IS 'The account.';
COMMENT ON COLUMN CommBriefLog.lead_id IS 'The lead.';
COMMENT ON COLUMN CommBriefLog.body IS 'The record.';
COMMENT ON COLUMN CommBriefLog.created_at IS 'When.';
COMMENT ON COLUMN CommBriefLog.play_id IS 'The play it derives from.';
COMMENT ON COLUMN CommBriefLog.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

CREATE TABLE NurtureRecommendations (
	recommendation_id text PRIMARY KEY CHECK (recommendation_id <> ''),
	account_id		text REFERENCES Accounts,
	lead_id			text,
	body			jsonb NOT NULL DEFAULT '{}',
	suppressed_reason text,
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
COMMENT ON TABLE NurtureRecommendations IS 'What AGT-304 recommends, and what it held back itself.';
COMMENT ON COLUMN NurtureRecommendations.recommendation_id IS 'Key.';
COMMENT ON COLUMN NurtureRecommendations.account_id IS 'The account.';
COMMENT ON COLUMN NurtureRecommendations.lead_id IS 'The lead.';
COMMENT ON COLUMN NurtureRecommendations.body IS 'The record.';
COMMENT ON COLUMN NurtureRecommendations.suppressed_reason IS 'Why AGT-304 held it back.';
COMMENT ON COLUMN NurtureRecommendations.created_at IS 'When.';
COMMENT ON COLUMN NurtureRecommendations.play_id IS 'The play it derives from.';
COMMENT ON COLUMN NurtureRecommendations.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

CREATE TABLE Opportunities (
	opportunity_id	text PRIMARY KEY CHECK (opportunity_id <> ''),
	account_id		text REFERENCES Accounts,
	lead_id			text,
	name			text,
	stage			text,
	status			text CHECK (status IN ('OPEN', 'WON', 'LOST')),
	amount			numeric,
	currency		text,
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	closed_at		timestamptz,
	play_id			text REFERENCES SalesPlayLibrary,
	originating_proposal_id text REFERENCES BrainAnalysisLog
);
CREATE INDEX opportunities_account ON Opportunities (account_id);
COMMENT ON TABLE Opportunities IS 'Deals, as the CRM has them: what plays are compared by.';
COMMENT ON COLUMN Opportunities.opportunity_id IS 'The CRM''s key.';
COMMENT ON COLUMN Opportunities.account_id IS 'The account.';
COMMENT ON COLUMN Opportunities.lead_id IS 'The lead.';
COMMENT ON COLUMN Opportunities.name IS 'Name.';
COMMENT ON COLUMN Opportunities.stage IS 'Stage.';
COMMENT ON COLUMN Opportunities.status IS 'OPEN, WON, LOST.';
COMMENT ON COLUMN Opportunities.amount IS 'Annual contract value.';
COMMENT ON COLUMN Opportunities.currency IS 'ISO 4217.';
COMMENT ON COLUMN Opportunities.created_at IS 'When it was opened.';
COMMENT ON COLUMN Opportunities.closed_at IS 'When it was won or lost.';
COMMENT ON COLUMN Opportunities.play_id IS 'The play it derives from.';
COMMENT ON COLUMN Opportunities.originating_proposal_id IS 'The proposal that the play derives from; inherited from play_id.';

-- ---- inheritance ---------------------------------------------------------------------

CREATE FUNCTION _inherit_proposal() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	proposal text;
BEGIN
	SELECT p.originating_proposal_id INTO proposal FROM kam.SalesPlayLibrary p WHERE p.play_id = NEW.play_id;
	IF NOT FOUND THEN
		RETURN NEW;				-- the foreign key says so
	END IF;
	-- Another play brings another proposal along.
	IF TG_OP = 'UPDATE' THEN
		IF NEW.play_id IS DISTINCT FROM OLD.play_id AND NEW.originating_proposal_id IS NOT DISTINCT FROM OLD.originating_proposal_id THEN
			NEW.originating_proposal_id := NULL;
		END IF;
	END IF;
	IF NEW.originating_proposal_id IS NOT NULL AND NEW.originating_proposal_id IS DISTINCT FROM proposal THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA, COLUMN = 'originating_proposal_id',
			MESSAGE = format('play "%s" does not derive from proposal "%s"', NEW.play_id, NEW.originating_proposal_id),
			DETAIL = CASE WHEN proposal IS NULL THEN 'No brain had part in it.' ELSE format('It derives from "%s".', proposal) END,
			HINT = 'Leave originating_proposal_id out: it is inherited from the play.';
	END IF;
	NEW.originating_proposal_id := proposal;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _inherit_proposal() IS 'Row trigger: a row that names a play has the proposal that the play derives from; another one raises 23514.';

CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON ABMPlaybook
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON ExpansionLog
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON QBRLog
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON OpportunityBriefLog
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON CommBriefLog
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON NurtureRecommendations
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON Opportunities
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL) EXECUTE FUNCTION _inherit_proposal();
-- An import of enrolments; the gate names both.
CREATE TRIGGER _inherit_proposal BEFORE INSERT OR UPDATE OF play_id, originating_proposal_id ON Cadence
	FOR EACH ROW WHEN (NEW.play_id IS NOT NULL AND NEW.originating_proposal_id IS NULL) EXECUTE FUNCTION _inherit_proposal();

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

-- Where decisions and the Coordinator meet: which lead a contact is, whether anybody may write to it, what others sent it, and what becomes of a
-- decision that a person approved.

-- ---- the lead of a contact --------------------------------------------------------

-- These become part of the query that asks them: no SET, which would keep them out of it.
CREATE FUNCTION _lead_behind(contact_info jsonb, named text) RETURNS TABLE (lead_id text)
	LANGUAGE sql STABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE
		           -- Who was named by the caller is named, known here or not.
		           WHEN _lead_behind.named IS NOT NULL OR l.lead_id IS NOT NULL THEN coalesce(a.canonical_id, n.id)
		           ELSE (SELECT CASE count(DISTINCT coalesce(b.canonical_id, m.lead_id)) WHEN 1 THEN min(coalesce(b.canonical_id, m.lead_id)) END
		                   FROM kam.Leads m
		                   LEFT JOIN kam.lead_alias b ON b.lead_id = m.lead_id
		                  WHERE kam._address(m.email) = kam._address(_lead_behind.contact_info ->> 'email') AND m.email IS NOT NULL)
		       END
		  FROM (SELECT coalesce(_lead_behind.named, nullif(_lead_behind.contact_info ->> 'hubspot_id', '')) AS id) n
		  LEFT JOIN kam.lead_alias a ON a.lead_id = n.id
		  LEFT JOIN kam.Leads l ON l.lead_id = coalesce(a.canonical_id, n.id);
	END;
COMMENT ON FUNCTION _lead_behind(jsonb, text) IS 'The lead that a contact is: the one named, else the one whose key is contact_info.hubspot_id, else the only one with its e-mail address; NULL for none. A merged lead''s winner stands for it.';

CREATE FUNCTION _lead_of(contact jsonb, lead_id text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	SET plan_cache_mode = force_generic_plan
	AS $$
BEGIN
	RETURN (SELECT b.lead_id FROM kam._lead_behind(contact -> 'contact_info', _lead_of.lead_id) b);
END
$$;
COMMENT ON FUNCTION _lead_of(jsonb, text) IS 'The same of one contact.';

-- ---- whether anybody may write ------------------------------------------------------

CREATE FUNCTION _lead_addresses(lead Leads) RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT array_remove(ARRAY[kam._address((_lead_addresses.lead).email), kam._address((_lead_addresses.lead).phone),
			kam._address((_lead_addresses.lead).linkedin_url)], NULL);
	END;
COMMENT ON FUNCTION _lead_addresses(Leads) IS 'The lead''s normalised addresses, the one to suppress first: e-mail, else phone, else profile.';

CREATE FUNCTION _contact_compliance(contact_info jsonb, lead_id text) RETURNS TABLE (status text, source text, about text, since timestamptz)
	LANGUAGE sql STABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT v.status, coalesce(s.source, 'lead_flag'), coalesce(s.kind, 'lead'), s.created_at
		  FROM kam._lead_behind(_contact_compliance.contact_info, _contact_compliance.lead_id) p
		  LEFT JOIN kam.Leads l ON l.lead_id = p.lead_id
		  -- The person's own address before a whole domain, the earliest of several.
		  LEFT JOIN LATERAL (
		      SELECT u.*
		        FROM kam.Suppression u
		       WHERE u.address = ANY (kam._suppression_keys(ARRAY[kam._address(_contact_compliance.contact_info ->> 'email'),
		                 kam._address_domain(_contact_compliance.contact_info ->> 'email'), kam._address(_contact_compliance.contact_info ->> 'phone'),
		                 kam._address(_contact_compliance.contact_info ->> 'linkedin_url')] || CASE WHEN l.lead_id IS NOT NULL THEN kam._lead_addresses(l) END))
		       ORDER BY u.kind = 'domain', u.created_at, u.address
		       LIMIT 1) s ON true
		 CROSS JOIN LATERAL (SELECT CASE WHEN l.unsubscribe_flag THEN 'unsubscribed'
		                                 WHEN l.opt_out_flag THEN 'opted_out'
		                                 WHEN s.address IS NOT NULL THEN 'suppressed' END AS status) v
		 WHERE v.status IS NOT NULL;
	END;
COMMENT ON FUNCTION _contact_compliance(jsonb, text) IS 'What forbids to write to a contact, by its addresses and by the lead''s flags and addresses: status unsubscribed, opted_out, suppressed; source as in Suppression, about (email, domain, phone, linkedin, lead) and since. No row when nothing does.';

CREATE FUNCTION _run_compliance(session_ids uuid[]) RETURNS TABLE (session_id uuid, status text, source text, about text, since timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET plan_cache_mode = force_generic_plan
	-- By key, also when the tables were empty when they were first asked.
	SET enable_seqscan = off
	SET enable_hashjoin = off
	SET enable_mergejoin = off
	AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT r.session_id, c.status, c.source, c.about, c.since
	  FROM kam.request r
	 -- Taken out of the contact, which may be long, once.
	 CROSS JOIN LATERAL (SELECT r.contact -> 'contact_info' AS contact_info OFFSET 0) i
	 CROSS JOIN LATERAL kam._contact_compliance(i.contact_info, r.lead_id) c
	 WHERE r.session_id = ANY (session_ids);
END
$$;
COMMENT ON FUNCTION _run_compliance(uuid[]) IS 'The same of the contacts of runs: a row for each that must not be written to. For the worker.';

CREATE FUNCTION _suppress_decided(session_id uuid, reason text) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	written integer;
BEGIN
	-- Of the contact and of its lead, the address that names them best.  Known already is as good: who asked first, and how, stays.
	INSERT INTO kam.Suppression (address, kind, source, reason, created_by)
	SELECT DISTINCT a.address, kam._address_kind(a.address), 'decision', _suppress_decided.reason, 'kam'
	  FROM kam.request r
	  LEFT JOIN kam.Leads l ON l.lead_id = kam._lead_of(r.contact, r.lead_id)
	 CROSS JOIN LATERAL (VALUES
	           (coalesce(kam._address(r.contact #>> '{contact_info,email}'), kam._address(r.contact #>> '{contact_info,phone}'),
	                     kam._address(r.contact #>> '{contact_info,linkedin_url}'))),
	           (coalesce(kam._address(l.email), kam._address(l.phone), kam._address(l.linkedin_url)))) a (address)
	 WHERE r.session_id = _suppress_decided.session_id AND a.address IS NOT NULL AND kam._address_kind(a.address) <> 'domain'
	 ORDER BY a.address
	ON CONFLICT (address) DO NOTHING;
	GET DIAGNOSTICS written = ROW_COUNT;
	RETURN written;
END
$$;
COMMENT ON FUNCTION _suppress_decided(uuid, text) IS 'Suppresses the contact of a run in which an opt-out in its own words was found: its e-mail address, else phone, else profile, and its lead''s. Returns how many are new.';

-- ---- what others sent ------------------------------------------------------------------

CREATE FUNCTION _touches(lead_id text, as_of timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	SET plan_cache_mode = force_generic_plan
	AS $$
#variable_conflict use_column
DECLARE
	ids text[] := kam._lead_ids(_touches.lead_id);
	activities jsonb;
BEGIN
	SELECT jsonb_agg(jsonb_build_object(
	           'activity_type', CASE WHEN t.family = 'transactional' THEN 'note' ELSE CASE t.channel
	               WHEN 'email' THEN 'email'
	               WHEN 'phone' THEN 'call'
	               WHEN 'call' THEN 'call'
	               WHEN 'linkedin' THEN 'linkedin_message'
	               WHEN 'whatsapp' THEN 'whatsapp_message'
	               ELSE 'note' END END,
	           'recorded_on', to_char(t.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
	           'direction', CASE WHEN t.event_type = 'reply' THEN 'inbound' ELSE 'outbound' END,
	           'metadata', jsonb_strip_nulls(jsonb_build_object(
	               'subject', CASE WHEN jsonb_typeof(t.payload -> 'subject') = 'string' THEN t.payload ->> 'subject' END,
	               'body', CASE WHEN t.event_type = 'reply' AND jsonb_typeof(t.payload -> 'body') = 'string' THEN t.payload ->> 'body'
	                            WHEN jsonb_typeof(t.payload -> 'message') = 'string' THEN t.payload ->> 'message'
	                            WHEN jsonb_typeof(t.payload -> 'content') = 'string' THEN t.payload ->> 'content'
	                            WHEN jsonb_typeof(t.payload -> 'text') = 'string' THEN t.payload ->> 'text' END,
	               -- Another rep; what agents send for the lead's owner is the owner's.
	               'owner', CASE WHEN t.event_type <> 'reply' AND t.family <> 'transactional' AND t.originating_agent !~ '^AGT-'
	                                  AND t.originating_agent IS DISTINCT FROM t.owner_id
	                             THEN coalesce((SELECT r.name FROM kam.Reps r WHERE r.rep_id = t.originating_agent), t.originating_agent) END,
	               'event_id', t.event_id)))
	       ORDER BY t.at, t.event_id)
	  INTO activities
	  FROM (SELECT e.event_id, e.event_type, e.payload, e.originating_agent, l.owner_id,
	               coalesce(e.family, 'sales') AS family,
	               CASE WHEN e.event_type = 'touch' THEN e.event_at ELSE coalesce(e.occurred_at, e.event_at) END AS at,
	               -- An answer came the way it was asked for.
	               CASE WHEN e.event_type = 'reply' THEN coalesce(e.channel, (
	                   SELECT p.channel FROM kam.CadenceEventLog p
	                    WHERE p.lead_id = e.lead_id AND p.event_id < e.event_id AND p.event_type IN ('touch', 'touch_observed')
	                      AND p.sequence_id IS NOT DISTINCT FROM coalesce(e.sequence_id, p.sequence_id)
	                    ORDER BY p.event_id DESC LIMIT 1), 'email') ELSE e.channel END AS channel
	          FROM kam.CadenceEventLog e
	          LEFT JOIN kam.Leads l ON l.lead_id = _touches.lead_id
	         WHERE e.lead_id = ANY (ids)
	           AND e.event_type IN ('touch', 'touch_observed', 'reply')
	           -- What never left is no touch.
	           AND (e.counted OR e.event_type = 'reply' OR e.family = 'transactional' AND NOT EXISTS (
	                   SELECT FROM kam.CadenceEventLog f
	                    WHERE f.lead_id = e.lead_id AND f.event_type = 'send_failed' AND f.parent_event_id = e.event_id))
	           -- kam's own decisions are no news to it.
	           AND (e.event_type = 'reply' OR e.sequence_id IS NULL
	                OR NOT EXISTS (SELECT FROM kam.CadenceEventLog o
	                                WHERE o.lead_id = e.lead_id AND o.idempotency_key = kam._decision_key(e.sequence_id, 1))
	                   AND NOT EXISTS (SELECT FROM kam.request r
	                                    WHERE r.session_id = CASE WHEN e.sequence_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN e.sequence_id::uuid END))
	           AND CASE WHEN e.event_type = 'touch' THEN e.event_at ELSE coalesce(e.occurred_at, e.event_at) END <= _touches.as_of
	         ORDER BY at DESC, e.event_id DESC
	         LIMIT 100) t;
	RETURN activities;
END
$$;
COMMENT ON FUNCTION _touches(text, timestamptz) IS 'The latest 100 touches of a lead that did not come from kam''s own decisions, and its replies, up to a moment, as activities of a contact; NULL for none. A transactional touch is a note: no message that an answer is awaited to.';

CREATE FUNCTION _new_activities(contact jsonb, activities jsonb) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_new_activities';
COMMENT ON FUNCTION _new_activities(jsonb, jsonb) IS 'Those of the activities that the contact does not have: it has none of that type within 60 seconds. None for a contact that cannot be read.';

CREATE FUNCTION _with_touches(contact jsonb, lead_id text, as_of timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	news jsonb;
BEGIN
	IF lead_id IS NOT NULL THEN
		news := kam._new_activities(contact, kam._touches(kam._canonical(lead_id), as_of));
	END IF;
	IF news <> '[]' THEN
		RETURN jsonb_set(contact, '{activities}', (contact -> 'activities') || news);
	END IF;
	RETURN contact;
END
$$;
COMMENT ON FUNCTION _with_touches(jsonb, text, timestamptz) IS 'A contact with the touches of others and the replies that the log has of its lead and the contact has not.';

-- ---- a decision becomes a request ----------------------------------------------------------

CREATE FUNCTION _decision_key(session_id text, round integer) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT 'kam_validate ' || session_id || CASE WHEN round > 1 THEN ' ' || round ELSE '' END;
	END;
COMMENT ON FUNCTION _decision_key(text, integer) IS 'Idempotency key of the activation that a validated decision asks for; each rejection in between starts another round.';

CREATE FUNCTION _time_or_null(written text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN written::timestamptz;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _time_or_null(text) IS 'A time as a decision made elsewhere may have it; NULL for what is none.';

CREATE FUNCTION _decision_steps(decision jsonb, message text) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	starts_at timestamptz := kam._time_or_null(decision #>> '{execution_timing,execute_at}');
	further jsonb;
BEGIN
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
	           'step', p.n + 1, 'day', CASE WHEN p.planned_at >= starts_at THEN floor(EXTRACT(epoch FROM p.planned_at - starts_at) / 86400)::integer END,
	           'channel', lower(p.step ->> 'channel'), 'execute_at', CASE WHEN p.planned_at IS NOT NULL THEN p.step ->> 'planned_date' END,
	           'trigger', p.step ->> 'trigger', 'action_type', p.step ->> 'action_type', 'content_hint', p.step ->> 'content_hint'))
	       ORDER BY p.n)
	  INTO further
	  FROM (SELECT q.step, row_number() OVER (ORDER BY q.place) AS n, kam._time_or_null(q.step ->> 'planned_date') AS planned_at
	          FROM jsonb_path_query(decision, 'lax $.sequence_instructions.sequence_plan[*]') WITH ORDINALITY q (step, place)
	         WHERE jsonb_typeof(q.step) = 'object') p;
	RETURN jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
	           'step', 1, 'day', 0, 'channel', lower(decision ->> 'selected_channel'),
	           'execute_at', CASE WHEN starts_at IS NOT NULL THEN decision #>> '{execution_timing,execute_at}' END,
	           'subject', decision #>> '{selected_content,subject}', 'content', _decision_steps.message,
	           -- Braces in a message are its own.
	           'verbatim', CASE WHEN strpos(concat(_decision_steps.message, decision #>> '{selected_content,subject}'), '{{') > 0 THEN true END)))
	       || coalesce(further, '[]');
END
$$;
COMMENT ON FUNCTION _decision_steps(jsonb, text) IS 'Steps of the sequence that a final_decision amounts to: the message at execute_at, then the sequence_plan.';

CREATE FUNCTION _enact_decision(session_id uuid) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	saved kam.final_decision;
	sequence text := session_id::text;
	person text;
	ids text[];
	round integer := 1;
	asked bigint;
	event_id bigint;
	decision jsonb;
	plan jsonb;
BEGIN
	SELECT d.* INTO saved FROM kam.final_decision d WHERE d.session_id = _enact_decision.session_id;
	-- A decision that was brought along has no run: its contact's key is all there is.
	SELECT kam._lead_of(r.contact, r.lead_id) INTO person FROM kam.request r WHERE r.session_id = _enact_decision.session_id;
	SELECT l.lead_id INTO person
	  FROM kam.Leads l WHERE l.lead_id = CASE WHEN FOUND THEN person ELSE kam._canonical(saved.contact_hubspot_id) END;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;

	-- The round that is open: asked for and not rejected since.  A merge leaves the log where it was written.
	ids := kam._lead_ids(person);
	LOOP
		SELECT e.event_id INTO asked FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids) AND e.idempotency_key = kam._decision_key(sequence, round);
		EXIT WHEN asked IS NULL OR NOT EXISTS (
			SELECT FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids) AND e.idempotency_key = kam._decision_key(sequence, round) || ' rejected');
		round := round + 1;
	END LOOP;

	IF saved.type_of_validation = 'rejected' THEN
		IF asked IS NOT NULL THEN
			PERFORM kam.kam_request(person, 'outbound', 'stop', sequence, NULL, 'AGT-301', NULL,
				jsonb_build_object('reason', 'rejected', 'by', saved.validated_by), kam._decision_key(sequence, round) || ' rejected');
		END IF;
		RETURN NULL;
	END IF;
	IF saved.action NOT IN ('send_message', 'break_up') THEN
		RETURN NULL;
	END IF;

	decision := coalesce(saved.decision -> 'final_decision', saved.decision);
	plan := kam._decision_steps(decision,
		CASE saved.type_of_validation WHEN 'edited' THEN saved.edited_message ELSE decision #>> '{selected_content,message}' END);
	IF asked IS NOT NULL THEN
		-- Asked for already: what has not gone out yet goes out as it reads now.
		PERFORM FROM kam.Leads l WHERE l.lead_id = person FOR NO KEY UPDATE;
		PERFORM kam._withdraw_step(person, sequence, plan);
		UPDATE kam.Cadence c SET steps = plan
		 WHERE c.lead_id = person AND c.sequence_id = sequence AND c.state <> 'finished' AND c.current_step IS NULL;
		RETURN asked;
	END IF;
	SELECT e.event_id INTO event_id
	  FROM kam.kam_request(person, 'outbound', 'activation', sequence, lower(saved.selected_channel), 'AGT-301', NULL,
	           jsonb_build_object('sequence_type', 'outbound', 'steps', plan, 'session_id', sequence, 'validated_by', saved.validated_by),
	           kam._decision_key(sequence, round)) e;
	RETURN event_id;
END
$$;
COMMENT ON FUNCTION _enact_decision(uuid) IS 'Asks the Coordinator for what a validated decision amounts to, once per validation that was not rejected: a sequence of type outbound under the session''s id. Returns the activation''s event_id; NULL when there is nothing to ask or nobody to ask for.';

CREATE FUNCTION _gate_verdicts(session_id uuid, lead_id text, OUT events jsonb, OUT now jsonb) RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	sequence text := _gate_verdicts.session_id::text;
	asking text;
BEGIN
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
	           'event_id', e.event_id, 'event', e.event_type, 'requested', nullif(e.requested_event_type, e.event_type), 'step', e.step,
	           'channel', e.channel, 'action', e.coordinator_action, 'reason', e.suppressed_reason, 'resolution', e.resolution,
	           'compliance_status', e.compliance_status, 'at', e.event_at, 'release_at', coalesce(q.release_at, e.release_at),
	           'waiting', nullif(q.state = 'waiting', false), 'parent_event_id', e.parent_event_id)) ORDER BY e.event_id)
	  INTO events
	  FROM kam.CadenceEventLog e
	  LEFT JOIN kam.CadenceQueue q ON (q.lead_id, q.event_id) = (e.lead_id, e.event_id)
	 WHERE e.lead_id = ANY (kam._lead_ids(_gate_verdicts.lead_id)) AND e.sequence_id = sequence;
	events := coalesce(events, '[]');

	IF EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = _gate_verdicts.lead_id) THEN
		asking := CASE WHEN EXISTS (SELECT FROM kam.Cadence c WHERE c.lead_id = _gate_verdicts.lead_id AND c.sequence_id = sequence AND c.state = 'active')
		               THEN 'touch' ELSE 'activation' END;
		SELECT jsonb_build_object('lead_id', _gate_verdicts.lead_id, 'event_type', asking) || jsonb_strip_nulls(to_jsonb(g)) INTO now
		  FROM kam.kam_gate(_gate_verdicts.lead_id, 'outbound', asking, sequence) g;
	END IF;
END
$$;
COMMENT ON FUNCTION _gate_verdicts(uuid, text) IS 'What the Coordinator said to a decision''s sequence (rows of the log), and what it would say now. For kam_explain.';

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

-- What people agreed to, and who was forgotten.  The functions stand in 78_people.sql.

CREATE TABLE consent (
	lead_id			text NOT NULL CHECK (lead_id <> ''),
	consent_id		bigint GENERATED BY DEFAULT AS IDENTITY,
	state			text NOT NULL CHECK (state IN ('granted', 'withdrawn')),
	purpose			text NOT NULL CHECK (purpose <> ''),
	channel			text NOT NULL CHECK (channel <> '' AND channel = lower(channel)),
	basis			text CHECK (basis IN ('consent', 'contract', 'legal_obligation', 'vital_interests', 'public_task', 'legitimate_interest')),
	address			text CHECK (address = _address(address)),
	source			text NOT NULL CHECK (source <> ''),
	evidence		jsonb,
	given_at		timestamptz NOT NULL,
	expires_at		timestamptz,
	recorded_at		timestamptz NOT NULL DEFAULT kam._now(),
	recorded_by		text NOT NULL DEFAULT session_user,
	PRIMARY KEY (lead_id, consent_id),
	CONSTRAINT consent_expires_later CHECK (expires_at > given_at),
	CONSTRAINT consent_granted_has_basis CHECK ((state = 'granted') = (basis IS NOT NULL)),
	CONSTRAINT consent_withdrawn_for_good CHECK (state = 'granted' OR (expires_at IS NULL AND address IS NULL))
);
CREATE INDEX consent_address ON consent (address) WHERE address IS NOT NULL;
COMMENT ON TABLE consent IS 'Ledger of what each person agreed to and took back, and on what else contacting them rests. Written by kam_record_consent and kam_withdraw_consent; append-only: the state at any moment can be told afterwards. kam_consent shows what is in force now.';
COMMENT ON COLUMN consent.lead_id IS 'The lead; like the log, the ledger outlives it.';
COMMENT ON COLUMN consent.consent_id IS 'Rises with the order of recording.';
COMMENT ON COLUMN consent.state IS 'granted, withdrawn.';
COMMENT ON COLUMN consent.purpose IS 'What it is for: a sequence type, a family of them (sales, marketing, transactional), "*" for all.';
COMMENT ON COLUMN consent.channel IS 'email, linkedin, phone, whatsapp or another, in lower case; "*" for all.';
COMMENT ON COLUMN consent.basis IS 'The basis of GDPR Art. 6(1): consent (a), contract (b), legal_obligation (c), vital_interests (d), public_task (e), legitimate_interest (f). Only consent is one that a rule with requires_consent asks for. NULL of a withdrawal.';
COMMENT ON COLUMN consent.address IS 'The address that it was given for, normalised: it lapses when the lead no longer has it. NULL for whatever the lead has, and after an erasure.';
COMMENT ON COLUMN consent.source IS 'Where it comes from, for example web_form, contract, call.';
COMMENT ON COLUMN consent.evidence IS 'What proves it: the wording, the form, the mail. NULL after an erasure.';
COMMENT ON COLUMN consent.given_at IS 'When the person gave it or took it back; of two that contradict each other the later holds.';
COMMENT ON COLUMN consent.expires_at IS 'In force until before here; NULL for no end.';
COMMENT ON COLUMN consent.recorded_at IS 'When it was recorded (kam''s clock).';
COMMENT ON COLUMN consent.recorded_by IS 'The database role that recorded it.';
CREATE TRIGGER aaa_kam_consent_guard BEFORE UPDATE OR DELETE ON consent FOR EACH ROW
	EXECUTE FUNCTION _log_guard('consent', 'address', 'evidence');
CREATE TRIGGER aaa_kam_consent_guard_all BEFORE TRUNCATE ON consent FOR EACH STATEMENT EXECUTE FUNCTION _log_guard('consent');

CREATE TABLE erasure (
	erasure_id		bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	erased_at		timestamptz NOT NULL DEFAULT kam._now(),
	erased_by		text NOT NULL DEFAULT session_user,
	reason			text,
	lead_ids		text[] NOT NULL,
	rows			jsonb NOT NULL CHECK (jsonb_typeof(rows) = 'object')
);
COMMENT ON TABLE erasure IS 'Who was forgotten, by pseudonym: one row per kam_erase_person that found something to forget. After a backup older than these rows is restored, they say whom to erase again.';
COMMENT ON COLUMN erasure.erasure_id IS 'Key.';
COMMENT ON COLUMN erasure.erased_at IS 'When (kam''s clock).';
COMMENT ON COLUMN erasure.erased_by IS 'By which database role.';
COMMENT ON COLUMN erasure.reason IS 'Why, as told; name nobody in it.';
COMMENT ON COLUMN erasure.lead_ids IS 'The pseudonyms: ids of leads under which what is left of the person stands; empty for a person who was only in runs.';
COMMENT ON COLUMN erasure.rows IS 'How many rows were emptied or deleted, per table: {"leads": 1, "cadenceeventlog": 7, …}.';

-- Empty until somebody is erased: a dump brings its own into an empty database.
CREATE TABLE _erasure_salt (
	only_row	boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	salt		bytea NOT NULL CHECK (octet_length(salt) BETWEEN 16 AND 64)
);
COMMENT ON TABLE _erasure_salt IS 'What the hashes in Suppression are salted with. Without it they name nobody; nobody may read it.';
-- For each row and always: a subscriber's sessions must hear of the first erasure too.
CREATE TRIGGER _rules_changed AFTER INSERT OR UPDATE OR DELETE ON _erasure_salt FOR EACH ROW EXECUTE FUNCTION _rules_changed();
ALTER TABLE _erasure_salt ENABLE ALWAYS TRIGGER _rules_changed;
-- Another salt would let everybody who was erased be written to again.
CREATE TRIGGER aaa_kam_salt_guard BEFORE UPDATE OR DELETE ON _erasure_salt FOR EACH ROW EXECUTE FUNCTION _log_guard('_erasure_salt');
CREATE TRIGGER aaa_kam_salt_guard_all BEFORE TRUNCATE ON _erasure_salt FOR EACH STATEMENT EXECUTE FUNCTION _log_guard('_erasure_salt');

-- Decide: facts, decisions and checks of a contact given as an argument.  Nothing is written.

CREATE FUNCTION kam_facts(contact jsonb, as_of timestamptz DEFAULT NULL) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_facts';
COMMENT ON FUNCTION kam_facts(jsonb, timestamptz) IS 'What is known of a contact, every fact with its evidence: {"fact": {"value": ..., "evidence": [{"path", "quote"}]}}. as_of: the moment to judge from, NULL for the present. Example: SELECT kam.kam_facts(contact) -> ''opted_out'' FROM crm;';

CREATE FUNCTION kam_decide(contact jsonb, as_of timestamptz DEFAULT NULL) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_decide';
COMMENT ON FUNCTION kam_decide(jsonb, timestamptz) IS 'The whole workflow at once with the built-in agents: {"final_decision": {...}, "metadata": {...}}. No network, nothing written. Example: SELECT kam.kam_decide(contact) -> ''final_decision'' ->> ''action'' FROM crm;';

CREATE FUNCTION kam_check(decision jsonb, contact jsonb, as_of timestamptz DEFAULT NULL)
	RETURNS TABLE (rule text, severity text, path text, message text)
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER ROWS 5
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_check';
COMMENT ON FUNCTION kam_check(jsonb, jsonb, timestamptz) IS 'The guard: one row per rule that a decision (whole, or its final_decision) breaks for this contact, none for a sound one. severity: error or warning. What a message may link to is read from the active rows of kam.resource; docs/guard.md has a line for each rule. Example: SELECT * FROM kam.kam_check(kam.kam_decide(contact), contact);';

CREATE FUNCTION kam_when(expression text, as_of timestamptz, zone text DEFAULT 'Europe/Paris') RETURNS timestamptz
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_when';
COMMENT ON FUNCTION kam_when(text, timestamptz, text) IS 'The time that French or English words mean, said at as_of in zone; NULL when they mean none. Example: SELECT kam.kam_when(''mi-mars'', ''2026-02-10 10:00+01'');  -- 2026-03-15 09:00+01';

CREATE FUNCTION _agent(agent text, contact jsonb, inputs jsonb DEFAULT '{}', as_of timestamptz DEFAULT NULL) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_agent';
COMMENT ON FUNCTION _agent(text, jsonb, jsonb, timestamptz) IS 'Runs one built-in agent. inputs: {"output": {agent: its output, ...}, "resources": [...], "practices": [...], "history": [...], "instruction": ..., "decision": {...}, "iteration": 1-3}, all optional; earlier outputs not given are made. Example: SELECT kam._agent(''channel_selector'', contact) FROM crm;';

CREATE FUNCTION _basis(contact jsonb, as_of timestamptz, decision jsonb DEFAULT NULL) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_basis';
COMMENT ON FUNCTION _basis(jsonb, timestamptz, jsonb) IS 'What a run starts from: {"facts", "plan", "score", "steering"}, the plan with what forbids to write, as the decision states it; NULL for a contact that cannot be read. For kam_explain.';

CREATE FUNCTION _claim_verdicts(output jsonb, contact jsonb, as_of timestamptz) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_claim_verdicts';
COMMENT ON FUNCTION _claim_verdicts(jsonb, jsonb, timestamptz) IS 'The claims of an agent''s output, each with "holds", "verdict" (verified, repaired, unverified), "fault" or "repair" where it is not simply verified, and "at": where its evidence stands, [{path, quote, found, recorded_on}]. For kam_explain.';

CREATE FUNCTION _decision_evidence(decision jsonb, contact jsonb, as_of timestamptz) RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_decision_evidence';
COMMENT ON FUNCTION _decision_evidence(jsonb, jsonb, timestamptz) IS 'The evidence that a decision carries in itself: [{"part": pointer into the decision, "text", "holds", "verdict", "fault" or "repair", "at"}]. For kam_explain.';

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

-- Runs: asking for one, waiting for it, stopping it, judging what it decided.

CREATE FUNCTION kam_run(contact jsonb, options jsonb DEFAULT '{}') RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_run';
COMMENT ON FUNCTION kam_run(jsonb, jsonb) IS 'Asks for a decision and returns at once: {"message", "started_at", "session_id"}. Options: idempotency_key (the same key answers with the same session), priority (integer, higher first), as_of (ISO 8601), lead_id, rerun (whether a wait runs again at its time; by default when the lead is known). Without lead_id the lead is the one whose key is contact_info.hubspot_id, else the only one with the contact''s e-mail address. What the log has of a lead by then and its contact has not (none of that type within 60 seconds) is added to the stored contact''s activities, the latest 100: touches that did not come from kam''s own decisions, as outbound activities with metadata {subject, body, owner, event_id}, and replies, as inbound ones. A contact that has unsubscribed, opted out or is suppressed, by its addresses or its lead, gets no_action without any call to an agent; an opt-out that comes while the agents work overrules what they decided. Example: SELECT kam.kam_run(contact, ''{"priority": 5}'') FROM crm;';

CREATE FUNCTION _run_state(session_id uuid, OUT status text, OUT error text, OUT sqlstate text, OUT parked boolean, OUT decision jsonb, OUT unasked boolean, OUT held boolean)
	RETURNS record
	LANGUAGE sql STABLE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT r.status, r.error, r.sqlstate, r.home <> kam._home(), coalesce(d.decision, p.decision),
		       coalesce(d.guard, p.guard) #>> '{compliance,status}' <> 'clear'
		       AND NOT EXISTS (SELECT FROM kam.agent_call c WHERE c.session_id = r.session_id),
		       r.finished_at IS NULL AND r.next_attempt_at = 'infinity'
		  FROM kam.request r LEFT JOIN kam.final_decision d USING (session_id) LEFT JOIN kam.replay_decision p USING (session_id)
		 WHERE r.session_id = _run_state.session_id;
	END;
COMMENT ON FUNCTION _run_state(uuid) IS 'How a run stands. For kam_wait, which cannot be SECURITY DEFINER itself.';

CREATE PROCEDURE kam_wait(session_id uuid, INOUT decision jsonb DEFAULT NULL, timeout interval DEFAULT '15 min')
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_api_wait';
COMMENT ON PROCEDURE kam_wait(uuid, jsonb, interval) IS 'Waits for a run and gives its decision; a NOTICE at each stage. Holds no snapshot, so it must be called outside a transaction block (else 25001). Returns when the run is finished, or two seconds after its decision was saved when the judgement takes longer. Unknown run P0002; time over, parked or held 55000; cancelled 57014; a failed run raises its own error. Example: CALL kam.kam_wait(''b7c9...'');';

CREATE FUNCTION kam_cancel(session_id uuid) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	-- A wait that is to run again is cancelled by forgetting that.
	UPDATE kam.request r SET rerun_at = NULL WHERE r.session_id = kam_cancel.session_id AND r.rerun_at IS NOT NULL;
	IF FOUND THEN
		RETURN true;
	END IF;
	UPDATE kam.request r
	   SET status = 'cancelled', finished_at = kam._now(), lease_owner = NULL, lease_until = NULL, next_attempt_at = NULL
	 WHERE r.session_id = kam_cancel.session_id AND r.status NOT IN ('judged', 'failed', 'cancelled');
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	-- Without the lease the worker writes nothing more: what it has under way it breaks off, and nobody will learn the answer.
	UPDATE kam.agent_call c
	   SET status = 'in_doubt', finished_at = clock_timestamp(), error_class = 'in_doubt',
	       error = 'cancelled before the answer was recorded; it may have been made, and may have to be paid'
	 WHERE c.session_id = kam_cancel.session_id AND c.status = 'sending';
	INSERT INTO kam.workflow_run AS w (session_id, status, iterations, calls, cost_usd, input_tokens, output_tokens, started_at, finished_at)
	SELECT r.session_id, r.status, r.iteration, count(c.call_no), coalesce(sum(c.cost_usd), 0),
	       coalesce(sum(c.input_tokens + c.cache_read_tokens + c.cache_write_tokens), 0), coalesce(sum(c.output_tokens), 0),
	       r.started_at, r.finished_at
	  FROM kam.request r LEFT JOIN kam.agent_call c USING (session_id)
	 WHERE r.session_id = kam_cancel.session_id
	 GROUP BY r.session_id
	ON CONFLICT (session_id) DO UPDATE SET status = EXCLUDED.status, finished_at = EXCLUDED.finished_at;
	-- The worker that has calls of it under way should not wait for their answers.
	PERFORM kam._wake_worker();
	RETURN true;
END
$$;
COMMENT ON FUNCTION kam_cancel(uuid) IS 'Stops a run that is not finished, one that is held too; what it recorded stays, and calls under way are broken off. A finished wait will not run again. False when there is nothing to stop. Example: SELECT kam.kam_cancel(''b7c9...'');';

CREATE FUNCTION kam_retry(session_id uuid) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	UPDATE kam.request r
	   SET status = 'queued', finished_at = NULL, error = NULL, sqlstate = NULL, attempts = 0,
	       next_attempt_at = NULL, lease_owner = NULL, lease_until = NULL
	 WHERE r.session_id = kam_retry.session_id
	   AND (r.status IN ('failed', 'cancelled') OR r.finished_at IS NULL AND r.next_attempt_at = 'infinity');
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	-- Who takes up again what was in doubt has decided to ask again.
	UPDATE kam.agent_call c
	   SET status = 'failed', finished_at = coalesce(c.finished_at, clock_timestamp()), error_class = 'in_doubt',
	       error = concat_ws('; ', c.error, 'asked again by kam_retry')
	 WHERE c.session_id = kam_retry.session_id AND c.status IN ('sending', 'in_doubt');
	DELETE FROM kam.workflow_run w WHERE w.session_id = kam_retry.session_id;
	PERFORM kam._wake_worker();
	RETURN true;
END
$$;
COMMENT ON FUNCTION kam_retry(uuid) IS 'Takes a run up again where it stopped, when it failed, was cancelled, or is held because of a call whose answer was lost: calls that succeeded are not made again, that one is. False when the run is none of these. Example: SELECT kam.kam_retry(session_id) FROM kam.request WHERE status = ''failed'';';

CREATE FUNCTION kam_resume() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	counter record;
	highest bigint;
	went_on bigint;
	total bigint := 0;
BEGIN
	-- Before any other lock: who writes calls holds it, and others behind it.
	PERFORM kam._count_all_spend();
	-- Rows that replication applied passed no gate here.  First of what gates want: from here on gates wait, holding nothing that is wanted below.
	TRUNCATE kam.prospect_state;
	INSERT INTO kam.prospect_state (lead_id, stale)
	SELECT c.lead_id, true FROM kam.Cadence c WHERE c.state = 'active' AND c.family <> 'transactional' GROUP BY c.lead_id HAVING count(*) > 1;
	-- Nor does replication carry the numbers' counters.
	FOR counter IN
		SELECT s.tab, s.col, pg_get_serial_sequence(s.tab, s.col) AS seq
		  FROM (VALUES ('kam.cadenceeventlog', 'event_id'), ('kam.cadenceflag', 'flag_id'), ('kam.lead_merge', 'merge_id'),
		               ('kam.notification', 'notification_id'), ('kam.sheet_import', 'import_id')) s (tab, col)
	LOOP
		EXECUTE format('SELECT max(%I) FROM %s WHERE %I > coalesce(pg_sequence_last_value(%L), 0)', counter.col, counter.tab, counter.col, counter.seq)
			INTO highest;
		PERFORM setval(counter.seq, highest) WHERE highest IS NOT NULL;
	END LOOP;

	-- Of the Coordinator: what runs and waits, open flags, suppressions that are to be settled.
	UPDATE kam.Cadence SET home = kam._home() WHERE home <> kam._home() AND state <> 'finished';
	UPDATE kam.CadenceQueue SET home = kam._home() WHERE home <> kam._home() AND state = 'waiting';
	GET DIAGNOSTICS went_on = ROW_COUNT;
	total := total + went_on;
	UPDATE kam.Suppression SET home = kam._home() WHERE home <> kam._home() AND settled_at IS NULL;
	UPDATE kam.CadenceFlag SET home = kam._home() WHERE home <> kam._home() AND closed_at IS NULL;
	-- Plays look at all leads again: nobody is enrolled twice.
	UPDATE kam.SalesPlayLibrary SET home = kam._home() WHERE home <> kam._home();
	UPDATE kam.ABMPlaybook SET home = kam._home() WHERE home <> kam._home();

	-- Waits that are to run again are parked as well; finished rows keep the mark of where they ran.
	UPDATE kam.request SET home = kam._home(), lease_owner = NULL, lease_until = NULL
	 WHERE home <> kam._home() AND (finished_at IS NULL OR rerun_at IS NOT NULL);
	GET DIAGNOSTICS went_on = ROW_COUNT;
	total := total + went_on;
	-- What was on its way when the copy was made arrived or not: the original knows, and here it is as after a crash.
	PERFORM kam._outbox_recover(came => true);
	UPDATE kam.notification SET home = kam._home(), status = CASE status WHEN 'parked' THEN 'pending' ELSE status END
	 WHERE home <> kam._home() AND status IN ('pending', 'failed', 'parked')
	    OR status = 'parked';
	GET DIAGNOSTICS went_on = ROW_COUNT;
	total := total + went_on;
	-- What was given up there can be read, and delivered again, here.
	UPDATE kam.notification SET home = kam._home() WHERE home <> kam._home() AND status = 'dead';
	PERFORM kam._wake_worker();
	RETURN total;
END
$$;
COMMENT ON FUNCTION kam_resume() IS 'Makes a restored database, a copy or a replica that is written to from now on the one that goes on: runs, held requests, sequences and notifications that came with it were parked, so that it does not do again what the original is doing; what the gates know of each lead is derived again, and numbers go on after the highest that came. Returns how many runs, held requests and notifications go on. Example: SELECT kam.kam_resume();';

CREATE FUNCTION kam_validate(session_id uuid, type_of_validation text, user_slack_message text DEFAULT NULL, edited_message text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	saved kam.final_decision;
	shown text;
BEGIN
	IF kam_validate.type_of_validation IS NULL OR kam_validate.type_of_validation NOT IN ('approved', 'edited', 'rejected') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('unknown type of validation: %s', coalesce(quote_ident(kam_validate.type_of_validation), 'NULL')),
			HINT = 'It is one of approved, edited, rejected.';
	END IF;
	IF kam_validate.type_of_validation = 'edited' AND coalesce(btrim(kam_validate.edited_message), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'an edited decision needs the edited message',
			HINT = 'Pass it as edited_message.';
	END IF;
	IF kam_validate.type_of_validation <> 'edited' AND kam_validate.edited_message IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('a decision that is %s takes no edited message', kam_validate.type_of_validation),
			HINT = 'Use type_of_validation edited.';
	END IF;

	SELECT d.* INTO saved FROM kam.final_decision d WHERE d.session_id = kam_validate.session_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		IF EXISTS (SELECT FROM kam.request r WHERE r.session_id = kam_validate.session_id AND r.replay_of IS NOT NULL) THEN
			RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
				MESSAGE = format('session %s is a replay: there is nothing to approve', kam_validate.session_id),
				HINT = 'Judge the run that it replays (request.replay_of); kam_run(contact) decides anew.';
		END IF;
		RAISE EXCEPTION USING ERRCODE = 'no_data_found',
			MESSAGE = format('there is no decision of session %s', coalesce(kam_validate.session_id::text, 'NULL')),
			HINT = 'SELECT status, error FROM kam.request tells how the run stands.';
	END IF;

	-- What learns from validated decisions finds them by this text: it is never empty.
	shown := coalesce(nullif(btrim(kam_validate.user_slack_message), ''),
		nullif(saved.decision #>> '{final_decision,selected_content,message}', ''),
		nullif(saved.decision #>> '{final_decision,rationale,action_reasoning}', ''),
		saved.action);
	UPDATE kam.final_decision d
	   SET type_of_validation = kam_validate.type_of_validation,
	       user_slack_message = shown,
	       edited_message = kam_validate.edited_message,
	       validated_by = session_user,
	       validated_at = kam._now()
	 WHERE d.session_id = kam_validate.session_id;
	RETURN kam._enact_decision(kam_validate.session_id);
END
$$;
COMMENT ON FUNCTION kam_validate(uuid, text, text, text) IS 'Records what a person made of a decision: approved, edited (with edited_message) or rejected. user_slack_message: the message as shown to the person, by default the decision''s. The ten latest validated decisions are examples for later messages. An approved or edited send_message or break_up of a known lead asks the Coordinator for a sequence of type outbound, with the session_id as its key, the message (edited, as edited) as first step and the sequence_plan as further ones; returns the event_id of that activation, whatever the verdict (kam_explain shows it under gate), else NULL. Judged again, it is not asked twice: an edit changes the message that has not gone out yet, a rejection stops the sequence. Unknown session P0002, a replay 55000, unknown type or edited message missing 22023. Example: SELECT kam.kam_validate(''b7c9...'', ''approved'');';

CREATE FUNCTION kam_use_provider(provider text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	chosen kam.provider;
BEGIN
	SELECT p.* INTO chosen FROM kam.provider p WHERE p.provider = kam_use_provider.provider;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('there is no provider "%s"', coalesce(kam_use_provider.provider, 'NULL')),
			HINT = format('There are: %s.', (SELECT string_agg(p.provider, ', ' ORDER BY p.provider) FROM kam.provider p));
	END IF;
	IF chosen.default_model IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('provider "%s" has no default model', chosen.provider),
			HINT = 'UPDATE kam.provider SET default_model = ... first, or set model in kam.agent.';
	END IF;
	UPDATE kam.agent a SET provider = chosen.provider, model = n.model, fallback_model = nullif(chosen.fallback_model, n.model)
	  FROM (SELECT b.agent, coalesce(chosen.agent_models ->> b.agent, chosen.default_model) AS model FROM kam.agent b) n
	 WHERE n.agent = a.agent
	   AND (a.provider, a.model, a.fallback_model) IS DISTINCT FROM (chosen.provider, n.model, nullif(chosen.fallback_model, n.model));
END
$$;
COMMENT ON FUNCTION kam_use_provider(text) IS 'Points all ten agents at a provider and its models (agent_models, default_model, fallback_model), for runs taken up from now on; the agents'' temperature and max_tokens stay. Example: SELECT kam.kam_use_provider(''anthropic'');';

CREATE FUNCTION kam_run_on_change() RETURNS trigger
	LANGUAGE c SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_run_on_change';
COMMENT ON FUNCTION kam_run_on_change() IS 'Row trigger for a table that a CRM is synced into: asks for a run when a contact changes. Arguments: the jsonb column that holds the contact, or several columns contact_info, activities, ... (part=column when named otherwise); then options debounce=5 min, key=column, lead_id=column, priority=0. Changes of one contact within the debounce join one run. A contact that cannot be read becomes a failed run with its reason; the user''s statement goes through. Example: CREATE TRIGGER kam AFTER INSERT OR UPDATE ON crm_contacts FOR EACH ROW EXECUTE FUNCTION kam.kam_run_on_change(''contact'', ''debounce=5 min'');';

CREATE FUNCTION kam_import_csv(kind text, csv text) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_import_csv';
COMMENT ON FUNCTION kam_import_csv(text, text) IS 'Adds rows to resource or best_practice (kind), or replaces those with the same key; returns how many. The first line names the columns, in any order; comma, semicolon or tab separate; lists within a field are split on ";" or "|". All or nothing: an error names its line. Example: SELECT kam.kam_import_csv(''resource'', E''resource_id,title,match_terms\nr1,Price list,price;tarif\n'');';

-- Trying a change before trusting it: runs of the past again, with other prompts, models or agents.

CREATE FUNCTION _agents_as(settings jsonb, prompts jsonb)
	RETURNS TABLE (agent text, provider text, model text, fallback_model text, temperature double precision, max_tokens integer, prompt_version integer)
	LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT a.agent, n.provider,
		       coalesce(o.own ->> 'model', CASE WHEN n.other THEN coalesce(p.agent_models ->> a.agent, p.default_model, a.model) ELSE a.model END),
		       nullif(CASE WHEN o.own ? 'fallback_model' THEN o.own ->> 'fallback_model' WHEN n.other THEN p.fallback_model ELSE a.fallback_model END,
		              coalesce(o.own ->> 'model', CASE WHEN n.other THEN coalesce(p.agent_models ->> a.agent, p.default_model, a.model) ELSE a.model END)),
		       CASE jsonb_typeof(o.own -> 'temperature') WHEN 'number' THEN least((o.own ->> 'temperature')::numeric, 2)::float8
		            WHEN 'null' THEN NULL ELSE a.temperature::float8 END,
		       CASE jsonb_typeof(o.own -> 'max_tokens') WHEN 'number' THEN greatest(1, least((o.own ->> 'max_tokens')::numeric, 2000000000))::integer
		            ELSE a.max_tokens END,
		       CASE jsonb_typeof(_agents_as.prompts -> a.agent) WHEN 'number' THEN least((_agents_as.prompts ->> a.agent)::numeric, 2000000000)::integer
		            ELSE a.prompt_version END
		  FROM kam.agent a
		 CROSS JOIN LATERAL (SELECT coalesce(_agents_as.settings #> ARRAY['agents', a.agent], '{}') AS own) o
		 CROSS JOIN LATERAL (SELECT coalesce(o.own ->> 'provider', _agents_as.settings ->> 'provider', a.provider) AS provider,
		                            coalesce(o.own ->> 'provider', _agents_as.settings ->> 'provider', a.provider) <> a.provider AS other) n
		  LEFT JOIN kam.provider p ON p.provider = n.provider;
	END;
COMMENT ON FUNCTION _agents_as(jsonb, jsonb) IS 'The rows of agent with what a replay is asked with instead (settings) and the versions of prompts a run began with; NULL for the rows as they are. An agent that another provider is to answer for gets that one''s models.';

-- ---- settings --------------------------------------------------------------------

CREATE FUNCTION _refuse_setting(path text, message text, hint text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF path = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = message, HINT = hint;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = message, DETAIL = format('The value is at "%s".', path), HINT = hint;
END
$$;
COMMENT ON FUNCTION _refuse_setting(text, text, text) IS 'Raises 22023 with the place in an argument.';

CREATE FUNCTION _check_replay_settings(settings jsonb) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	one record;
	own record;
	providers CONSTANT text := (SELECT format('There are: %s.', string_agg(p.provider, ', ' ORDER BY p.provider)) FROM kam.provider p);
BEGIN
	IF jsonb_typeof(settings) IS DISTINCT FROM 'object' THEN
		PERFORM kam._refuse_setting('', 'settings must be an object', 'For example {"provider": "replay"}; {} for the agents as they are.');
	END IF;
	FOR one IN SELECT s.key, s.value, jsonb_typeof(s.value) AS type FROM jsonb_each(settings) s LOOP
		IF one.key = 'provider' AND (one.type <> 'string' OR NOT EXISTS (SELECT FROM kam.provider p WHERE p.provider = one.value #>> '{}')) THEN
			PERFORM kam._refuse_setting('/provider', format('there is no provider %s', one.value), providers);
		ELSIF one.key = 'prompts' AND one.value NOT IN ('"current"', '"pinned"') THEN
			PERFORM kam._refuse_setting('/prompts', format('prompts is %s', one.value), 'It is "current" (the versions in use, the default) or "pinned" (those that the run was asked with).');
		ELSIF one.key = 'as_of' THEN
			BEGIN
				IF one.type <> 'string' OR NOT isfinite((one.value #>> '{}')::timestamptz) THEN
					RAISE invalid_datetime_format;
				END IF;
			EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR invalid_parameter_value THEN
				PERFORM kam._refuse_setting('/as_of', format('as_of is %s', one.value), 'It is a moment in ISO 8601, such as "2026-03-11T10:00:00+01:00".');
			END;
		ELSIF one.key = 'agents' THEN
			IF one.type <> 'object' THEN
				PERFORM kam._refuse_setting('/agents', 'agents must be an object', 'For example {"content_generator": {"prompt_version": 2}}.');
			END IF;
			FOR own IN SELECT a.key AS agent, a.value AS whole, s.key, s.value, jsonb_typeof(s.value) AS type, format('/agents/%s/%s', a.key, s.key) AS path
			             FROM jsonb_each(one.value) a
			             LEFT JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof(a.value) = 'object' THEN a.value END) s ON true LOOP
				IF NOT EXISTS (SELECT FROM kam.agent a WHERE a.agent = own.agent) THEN
					PERFORM kam._refuse_setting('/agents/' || own.agent, format('there is no agent "%s"', own.agent),
						format('There are: %s.', (SELECT string_agg(a.agent, ', ' ORDER BY a.wave, a.agent) FROM kam.agent a)));
				ELSIF jsonb_typeof(own.whole) <> 'object' THEN
					PERFORM kam._refuse_setting('/agents/' || own.agent, 'an agent''s settings must be an object', 'For example {"prompt_version": 2}.');
				ELSIF own.key = 'provider' AND (own.type <> 'string' OR NOT EXISTS (SELECT FROM kam.provider p WHERE p.provider = own.value #>> '{}')) THEN
					PERFORM kam._refuse_setting(own.path, format('there is no provider %s', own.value), providers);
				ELSIF own.key = 'model' AND (own.type <> 'string' OR own.value = '""') OR own.key = 'fallback_model' AND (own.type NOT IN ('string', 'null') OR own.value = '""') THEN
					PERFORM kam._refuse_setting(own.path, format('%s is %s', own.key, own.value), 'It is a model''s name as its provider knows it.');
				ELSIF own.key = 'temperature' AND (own.type NOT IN ('number', 'null') OR (own.type = 'number' AND NOT (own.value #>> '{}')::numeric BETWEEN 0 AND 2)) THEN
					PERFORM kam._refuse_setting(own.path, format('temperature is %s', own.value), 'It is a number from 0 to 2, or null to send none.');
				ELSIF own.key = 'max_tokens' AND (own.type <> 'number' OR NOT (own.value #>> '{}')::numeric BETWEEN 1 AND 2000000000 OR (own.value #>> '{}')::numeric % 1 <> 0) THEN
					PERFORM kam._refuse_setting(own.path, format('max_tokens is %s', own.value), 'It is an integer from 1 on.');
				ELSIF own.key = 'prompt_version' AND NOT EXISTS (SELECT FROM kam.prompt p WHERE p.agent = own.agent AND to_jsonb(p.version) = own.value) THEN
					PERFORM kam._refuse_setting(own.path, format('there is no prompt %s/%s', own.agent, own.value),
						format('There are versions %s; kam_set_prompt(agent, body, activate => false) adds one.',
							(SELECT string_agg(p.version::text, ', ' ORDER BY p.version) FROM kam.prompt p WHERE p.agent = own.agent)));
				ELSIF own.key NOT IN ('provider', 'model', 'fallback_model', 'temperature', 'max_tokens', 'prompt_version') THEN
					PERFORM kam._refuse_setting(own.path, format('unknown setting "%s"', own.key),
						'An agent''s settings are provider, model, fallback_model, temperature, max_tokens, prompt_version.');
				END IF;
			END LOOP;
		ELSIF one.key NOT IN ('provider', 'prompts', 'agents') THEN
			PERFORM kam._refuse_setting('/' || one.key, format('unknown setting "%s"', one.key), 'Settings are provider, prompts, as_of, agents.');
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _check_replay_settings(jsonb) IS 'Raises 22023 with path and hint for settings that a replay could not be asked with.';

-- ---- one replay --------------------------------------------------------------------

CREATE FUNCTION _replay_builtin(contact jsonb, as_of timestamptz, session_id text, history jsonb, original jsonb, overruled boolean) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS 'MODULE_PATHNAME', 'kam_api_replay_builtin';
COMMENT ON FUNCTION _replay_builtin(jsonb, timestamptz, text, jsonb, jsonb, boolean) IS 'The whole workflow at once with the built-in agents, judge included: {"decision", "guard", "synthesis", "judgement"}. history: the validated decisions to learn from. original: the decision of the run replayed, which says whether the contact might be written to then; overruled: that was learnt while its agents worked.';

CREATE FUNCTION _replay(session_id uuid, settings jsonb, backtest_id uuid) RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	run kam.request;
	versions jsonb;
	made uuid;
BEGIN
	-- Of a replay the run behind it is meant.
	SELECT o.* INTO run FROM kam.request r JOIN kam.request o ON o.session_id = coalesce(r.replay_of, r.session_id) WHERE r.session_id = _replay.session_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no run %s', coalesce(_replay.session_id::text, 'NULL')),
			HINT = 'Runs that finished longer ago than the retention says are gone with their contacts.';
	END IF;
	IF run.as_of IS NULL AND NOT settings ? 'as_of' THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('run %s has not begun', run.session_id),
			HINT = 'It has no moment to judge from yet: pass as_of in the settings, or wait until it is decided.';
	END IF;
	-- Pinned at once: the replays of a back-test are asked alike, whatever is put to use meanwhile.
	SELECT jsonb_object_agg(a.agent, coalesce(settings #> ARRAY['agents', a.agent, 'prompt_version'],
	           CASE WHEN settings ->> 'prompts' = 'pinned' THEN run.prompts -> a.agent END, to_jsonb(a.prompt_version))) INTO versions
	  FROM kam.agent a;
	INSERT INTO kam.request (contact, priority, as_of, prompts, history, replay_of, backtest_id, settings)
	VALUES (run.contact, -100, coalesce((settings ->> 'as_of')::timestamptz, run.as_of), versions, coalesce(run.history, '{}'), run.session_id,
	        _replay.backtest_id, settings)
	RETURNING session_id INTO made;
	RETURN made;
END
$$;
COMMENT ON FUNCTION _replay(uuid, jsonb, uuid) IS 'Queues a replay of a run; settings are checked already.';

CREATE FUNCTION kam_replay(session_id uuid, settings jsonb DEFAULT '{}') RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	PERFORM kam._check_replay_settings(coalesce(kam_replay.settings, '{}'));
	RETURN kam._replay(kam_replay.session_id, coalesce(kam_replay.settings, '{}'), NULL);
END
$$;
COMMENT ON FUNCTION kam_replay(uuid, jsonb) IS 'Runs a past contact again as it was stored, at the same as_of, with the validated decisions that the run learnt from and knowing of opt-outs what it knew; returns the session_id of the new run (kam_wait, kam_explain). Its decision goes into replay_decision: nobody is told, nobody is enrolled or suppressed, no wait runs again, no later run learns from it, and the past run stays as it is. settings: {"provider": who answers instead of the agents'' own, "replay" for the recorded answers; "prompts": "current" (default) or "pinned" (the versions the run was asked with); "as_of": another moment; "agents": {"content_generator": {"provider", "model", "fallback_model", "temperature", "max_tokens", "prompt_version"}}}, all optional. A replay of a replay replays the run behind it. It comes after all runs that count (priority -100). Unknown run P0002, unfit settings 22023 with their path, a run that has not begun 55000. Example: SELECT kam.kam_replay(''b7c9...'', ''{"provider": "replay", "prompts": "pinned"}'');';

-- ---- many --------------------------------------------------------------------------

CREATE TABLE backtest (
	backtest_id	uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	sample		jsonb NOT NULL CHECK (jsonb_typeof(sample) = 'object'),
	settings	jsonb NOT NULL CHECK (jsonb_typeof(settings) = 'object'),
	created_at	timestamptz NOT NULL DEFAULT kam._now(),
	created_by	text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE backtest IS 'What kam_backtest was asked for; its runs are the rows of request with that backtest_id.';
COMMENT ON COLUMN backtest.backtest_id IS 'Key.';
COMMENT ON COLUMN backtest.sample IS 'Which runs were tried again.';
COMMENT ON COLUMN backtest.settings IS 'With what.';
COMMENT ON COLUMN backtest.created_at IS 'When (kam''s clock).';
COMMENT ON COLUMN backtest.created_by IS 'The database role that asked.';

CREATE TYPE backtest_row AS (
	backtest_id		uuid,
	session_id		uuid,
	replay			uuid,
	status			text,
	changed			text[],
	human			text,
	outcome			text,
	action_before	text,
	action_after	text,
	channel_before	text,
	channel_after	text,
	strength_before	numeric,
	strength_after	numeric,
	score_before	numeric,
	score_after		numeric,
	cost_before		numeric,
	cost_after		numeric,
	message_likeness numeric,
	error			text
);
COMMENT ON TYPE backtest_row IS 'One run of a back-test, before and after.';
COMMENT ON COLUMN backtest_row.backtest_id IS 'The back-test.';
COMMENT ON COLUMN backtest_row.session_id IS 'The past run.';
COMMENT ON COLUMN backtest_row.replay IS 'Its replay.';
COMMENT ON COLUMN backtest_row.status IS 'Of the replay, as in request: judged when it is done, queued and so on before.';
COMMENT ON COLUMN backtest_row.changed IS 'What came out differently, of action, channel, variant, wait, timing, strength, message; empty when nothing did; NULL until it is decided.';
COMMENT ON COLUMN backtest_row.human IS 'What a person made of the past decision: approved, edited, rejected; NULL when nobody judged it.';
COMMENT ON COLUMN backtest_row.outcome IS 'Against that: kept, lost (approved, and decided differently now), gained (rejected, and decided differently now; or nearer to the edited message), still wrong. action, channel, variant and wait count as decided; a message only where a person edited it.';
COMMENT ON COLUMN backtest_row.action_before IS 'Of the past run.';
COMMENT ON COLUMN backtest_row.action_after IS 'Of the replay.';
COMMENT ON COLUMN backtest_row.channel_before IS 'Of the past run.';
COMMENT ON COLUMN backtest_row.channel_after IS 'Of the replay.';
COMMENT ON COLUMN backtest_row.strength_before IS 'opportunity_strength, 0 to 1.';
COMMENT ON COLUMN backtest_row.strength_after IS 'opportunity_strength, 0 to 1.';
COMMENT ON COLUMN backtest_row.score_before IS 'The judge''s overall_score, 0 to 10. Two judges may differ on the same decision: compare like with like.';
COMMENT ON COLUMN backtest_row.score_after IS 'The judge''s overall_score, 0 to 10.';
COMMENT ON COLUMN backtest_row.cost_before IS 'US dollars.';
COMMENT ON COLUMN backtest_row.cost_after IS 'US dollars.';
COMMENT ON COLUMN backtest_row.message_likeness IS 'How many of the words of both messages they share, 0 to 1; NULL when neither writes.';
COMMENT ON COLUMN backtest_row.error IS 'Why the replay failed.';

CREATE FUNCTION _likeness(a text, b text) RETURNS numeric
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT CASE WHEN _likeness.a IS NULL AND _likeness.b IS NULL THEN NULL
		            WHEN _likeness.a = _likeness.b THEN 1
		            WHEN count(*) = 0 THEN 0
		            ELSE round(count(*) FILTER (WHERE w.both) ::numeric / count(*), 2) END
		  FROM (SELECT count(DISTINCT t.side) = 2 AS both
		          FROM (SELECT 1 AS side, unnest(regexp_split_to_array(lower(_likeness.a), '[^[:alnum:]]+')) AS word
		                UNION ALL
		                SELECT 2, unnest(regexp_split_to_array(lower(_likeness.b), '[^[:alnum:]]+'))) t
		         WHERE t.word <> '' GROUP BY t.word) w;
	END;
COMMENT ON FUNCTION _likeness(text, text) IS 'The share of the different words of two texts that stand in both, 0 to 1; NULL when both are NULL.';

CREATE FUNCTION _backtest_report(backtest_id uuid) RETURNS SETOF backtest_row
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		WITH run AS MATERIALIZED (
			SELECT r.session_id AS replay, r.replay_of, r.status, r.error, r.finished_at, d.decision -> 'final_decision' AS old, p.decision -> 'final_decision' AS new,
			       nullif(d.type_of_validation, '') AS human, d.edited_message, d.decision -> 'final_decision' IS NOT NULL AND p.decision IS NOT NULL AS decided,
			       e.overall_score AS score_before, p.overall_score AS score_after, w.cost_usd AS cost_before, x.cost_usd AS cost_after
			  FROM kam.request r
			  LEFT JOIN kam.final_decision d ON d.session_id = r.replay_of
			  LEFT JOIN kam.replay_decision p ON p.session_id = r.session_id
			  LEFT JOIN kam.decision_evaluation e ON e.session_id = r.replay_of
			  LEFT JOIN kam.workflow_run w ON w.session_id = r.replay_of
			  LEFT JOIN kam.workflow_run x ON x.session_id = r.session_id
			 WHERE r.backtest_id = _backtest_report.backtest_id
		), compared AS (
			-- A decision put in from elsewhere may say anything of its strength.
			SELECT r.*, c.changed, c.changed && '{action,channel,variant,wait}' AS otherwise,
			       CASE jsonb_typeof(r.old #> '{rationale,opportunity_strength}') WHEN 'number' THEN (r.old #>> '{rationale,opportunity_strength}')::numeric END AS strength_before,
			       CASE jsonb_typeof(r.new #> '{rationale,opportunity_strength}') WHEN 'number' THEN (r.new #>> '{rationale,opportunity_strength}')::numeric END AS strength_after
			  FROM run r
			 CROSS JOIN LATERAL (
				SELECT CASE WHEN r.decided THEN coalesce(array_agg(k.name ORDER BY k.n) FILTER (WHERE r.old #> k.path IS DISTINCT FROM r.new #> k.path), '{}') END AS changed
				  FROM (VALUES (1, 'action', '{action}'::text[]), (2, 'channel', '{selected_channel}'), (3, 'variant', '{selected_content,variant}'),
				               (4, 'wait', '{wait_type,type}'), (5, 'timing', '{execution_timing}'), (6, 'strength', '{rationale,opportunity_strength}'),
				               (7, 'message', '{selected_content,message}')) k (n, name, path)) c
		), told AS (
			SELECT c.*, CASE
			           WHEN NOT c.decided OR c.human IS NULL THEN NULL
			           WHEN c.human = 'approved' THEN CASE WHEN c.otherwise THEN 'lost' ELSE 'kept' END
			           WHEN c.human = 'rejected' THEN CASE WHEN c.otherwise THEN 'gained' ELSE 'still wrong' END
			           WHEN c.otherwise THEN 'lost'
			           ELSE CASE sign(kam._likeness(c.new #>> '{selected_content,message}', c.edited_message)
			                          - kam._likeness(c.old #>> '{selected_content,message}', c.edited_message))
			                WHEN 1 THEN 'gained' WHEN -1 THEN 'lost' ELSE 'kept' END END AS outcome
			  FROM compared c
		)
		SELECT _backtest_report.backtest_id, t.replay_of, t.replay, t.status, t.changed, t.human, t.outcome,
		       t.old ->> 'action', t.new ->> 'action', t.old ->> 'selected_channel', t.new ->> 'selected_channel',
		       t.strength_before, t.strength_after,
		       t.score_before, t.score_after, t.cost_before, CASE WHEN t.finished_at IS NOT NULL THEN coalesce(t.cost_after, 0) END,
		       CASE WHEN t.decided THEN kam._likeness(t.old #>> '{selected_content,message}', t.new #>> '{selected_content,message}') END,
		       t.error
		  FROM told t
		 ORDER BY t.decided DESC, t.outcome = 'lost' IS TRUE DESC, t.otherwise DESC NULLS LAST, t.changed <> '{}' DESC NULLS LAST,
		          abs(t.strength_after - t.strength_before) DESC NULLS LAST,
		          t.replay_of;
	END;
COMMENT ON FUNCTION _backtest_report(uuid) IS 'The rows of kam_backtest_report.';

CREATE FUNCTION kam_backtest_report(backtest_id uuid) RETURNS SETOF backtest_row
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	IF NOT EXISTS (SELECT FROM kam.backtest b WHERE b.backtest_id = kam_backtest_report.backtest_id) THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no back-test %s', coalesce(kam_backtest_report.backtest_id::text, 'NULL')),
			HINT = 'SELECT * FROM kam.backtest ORDER BY created_at DESC lists them.';
	END IF;
	RETURN QUERY SELECT * FROM kam._backtest_report(kam_backtest_report.backtest_id);
END
$$;
COMMENT ON FUNCTION kam_backtest_report(uuid) IS 'A back-test as a table, one row per run, before and after side by side: first what a person had approved and is decided differently now (lost), then the others that are decided differently, then those that differ in their message or numbers, then the rest; runs not decided yet come last. Unknown back-test P0002. Example: SELECT session_id, changed, outcome, action_before, action_after FROM kam.kam_backtest_report(''5d1f...'') WHERE changed <> ''{}'';';

CREATE FUNCTION kam_backtest(sample jsonb DEFAULT '{"last": 100}', settings jsonb DEFAULT '{}') RETURNS SETOF backtest_row
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	asked kam.backtest;
	chosen uuid[];
	one uuid;
	made uuid;
	at_once boolean;
BEGIN
	PERFORM kam._check_replay_settings(coalesce(kam_backtest.settings, '{}'));
	IF kam_backtest.settings ? 'as_of' THEN
		PERFORM kam._refuse_setting('/as_of', 'a back-test takes no as_of', 'Each run is judged from its own moment again; kam_replay takes another one.');
	END IF;
	chosen := kam._backtest_sample(coalesce(kam_backtest.sample, '{}'));
	INSERT INTO kam.backtest (sample, settings) VALUES (coalesce(kam_backtest.sample, '{}'), coalesce(kam_backtest.settings, '{}')) RETURNING * INTO asked;
	SELECT bool_and(p.api = 'builtin') INTO at_once FROM kam._agents_as(asked.settings, NULL) a JOIN kam.provider p USING (provider);
	FOREACH one IN ARRAY chosen LOOP
		made := kam._replay(one, asked.settings, asked.backtest_id);
		IF at_once THEN
			PERFORM kam._replay_now(made);
		END IF;
	END LOOP;
	IF NOT at_once AND cardinality(chosen) > 0 THEN
		RAISE NOTICE USING MESSAGE = format('back-test %s: %s runs queued', asked.backtest_id, cardinality(chosen)),
			HINT = format('CALL kam.kam_backtest_wait(''%s''); then SELECT * FROM kam.kam_backtest_report(''%1$s'');', asked.backtest_id);
	END IF;
	RETURN QUERY SELECT * FROM kam._backtest_report(asked.backtest_id);
END
$$;
COMMENT ON FUNCTION kam_backtest(jsonb, jsonb) IS 'Tries a sample of past runs again, each as kam_replay does with these settings, and compares. Where the built-in agents answer it is done when this returns, and the rows are those of kam_backtest_report, what changed first; where models answer the runs are queued, the rows show what was decided before, and CALL kam_backtest_wait(backtest_id) waits for the rest. sample: {"last": n (100, at most 10000), "from", "to" (moments of the decision), "action", "owner" (text or array), "validated": true (only what a person judged)}, or {"sessions": [...]}. It costs what the models cost. Unfit sample or settings 22023 with their path. Example: SELECT * FROM kam.kam_backtest(''{"last": 200, "validated": true}'', ''{"agents": {"content_generator": {"prompt_version": 2}}}'');';

CREATE FUNCTION _backtest_sample(sample jsonb) RETURNS uuid[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	one record;
	most integer := 100;
	since timestamptz := '-infinity';
	until timestamptz := 'infinity';
	actions text[];
	owners text[];
	chosen uuid[];
BEGIN
	IF jsonb_typeof(sample) IS DISTINCT FROM 'object' THEN
		PERFORM kam._refuse_setting('', 'sample must be an object', 'For example {"last": 100}.');
	END IF;
	FOR one IN SELECT s.key, s.value, jsonb_typeof(s.value) AS type, '/' || s.key AS path FROM jsonb_each(sample) s LOOP
		CASE one.key
			WHEN 'last' THEN
				IF one.type <> 'number' OR NOT (one.value #>> '{}')::numeric BETWEEN 1 AND 10000 OR (one.value #>> '{}')::numeric % 1 <> 0 THEN
					PERFORM kam._refuse_setting(one.path, format('last is %s', one.value), 'It is an integer from 1 to 10000.');
				END IF;
				most := (one.value #>> '{}')::numeric;
			WHEN 'from', 'to' THEN
				BEGIN
					IF one.type <> 'string' THEN
						RAISE invalid_datetime_format;
					ELSIF one.key = 'from' THEN
						since := (one.value #>> '{}')::timestamptz;
					ELSE
						until := (one.value #>> '{}')::timestamptz;
					END IF;
				EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR invalid_parameter_value THEN
					PERFORM kam._refuse_setting(one.path, format('%s is %s', one.key, one.value), 'It is a moment in ISO 8601, such as "2026-03-11T10:00:00+01:00".');
				END;
			WHEN 'action', 'owner' THEN
				IF one.type NOT IN ('string', 'array') OR jsonb_path_exists(one.value, 'strict $[*] ? (@.type() != "string")', '{}', true) THEN
					PERFORM kam._refuse_setting(one.path, format('%s is %s', one.key, one.value), 'It is a text or an array of texts.');
				ELSIF one.key = 'action' THEN
					actions := ARRAY(SELECT jsonb_array_elements_text(CASE one.type WHEN 'array' THEN one.value ELSE jsonb_build_array(one.value) END));
					IF NOT actions <@ '{send_message,wait,break_up,no_action}' THEN
						PERFORM kam._refuse_setting(one.path, format('action is %s', one.value), 'Actions are send_message, wait, break_up, no_action.');
					END IF;
				ELSE
					owners := ARRAY(SELECT jsonb_array_elements_text(CASE one.type WHEN 'array' THEN one.value ELSE jsonb_build_array(one.value) END));
				END IF;
			WHEN 'validated' THEN
				IF one.type <> 'boolean' THEN
					PERFORM kam._refuse_setting(one.path, format('validated is %s', one.value), 'It is true or false.');
				END IF;
			WHEN 'sessions' THEN
				BEGIN
					chosen := ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(one.value) x);
				EXCEPTION WHEN invalid_text_representation OR invalid_parameter_value THEN
					PERFORM kam._refuse_setting(one.path, 'sessions must be an array of session ids', 'SELECT session_id FROM kam.final_decision lists them.');
				END;
				IF cardinality(chosen) > 10000 THEN
					PERFORM kam._refuse_setting(one.path, 'sessions has more than 10000 members', 'Try fewer at a time.');
				END IF;
				-- Each once, in the order given.
				chosen := ARRAY(SELECT x.id FROM unnest(chosen) WITH ORDINALITY x (id, n) WHERE x.id IS NOT NULL GROUP BY x.id ORDER BY min(x.n));
			ELSE
				PERFORM kam._refuse_setting(one.path, format('unknown key "%s"', one.key), 'A sample has last, from, to, action, owner, validated, or sessions.');
		END CASE;
	END LOOP;
	IF chosen IS NOT NULL THEN
		IF sample <> jsonb_build_object('sessions', sample -> 'sessions') THEN
			PERFORM kam._refuse_setting('/sessions', 'sessions goes with nothing else', 'They are taken as they are.');
		END IF;
		RETURN chosen;
	END IF;
	RETURN ARRAY(
		SELECT d.session_id
		  FROM kam.final_decision d JOIN kam.request r USING (session_id)
		 WHERE d.created_at >= since AND d.created_at <= until AND r.as_of IS NOT NULL
		   AND (actions IS NULL OR d.action = ANY (actions)) AND (owners IS NULL OR d.owner_name = ANY (owners))
		   AND (sample -> 'validated' IS DISTINCT FROM 'true' OR coalesce(d.type_of_validation, '') <> '')
		 ORDER BY d.created_at DESC, d.session_id LIMIT most);
END
$$;
COMMENT ON FUNCTION _backtest_sample(jsonb) IS 'The sessions that a sample of kam_backtest means, latest first.';

CREATE FUNCTION _replay_now(session_id uuid) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	run kam.request;
	past kam.final_decision;
	history jsonb;
	made jsonb;
BEGIN
	SELECT r.* INTO run FROM kam.request r WHERE r.session_id = _replay_now.session_id;
	SELECT d.* INTO past FROM kam.final_decision d WHERE d.session_id = run.replay_of;
	SELECT jsonb_agg(jsonb_build_object('session_id', d.session_id, 'action', d.action, 'selected_channel', d.selected_channel, 'decision', d.decision,
	           'user_slack_message', d.user_slack_message, 'type_of_validation', d.type_of_validation, 'edited_message', d.edited_message,
	           'created_at', d.created_at) ORDER BY d.created_at DESC, d.session_id) INTO history
	  FROM kam.final_decision d
	 WHERE d.session_id = ANY (run.history) AND d.user_slack_message <> '' AND d.type_of_validation <> '';
	BEGIN
		made := kam._replay_builtin(run.contact, run.as_of, run.replay_of::text, coalesce(history, '[]'), past.decision,
			coalesce(past.guard #> '{compliance,instead_of}' IS NOT NULL, false));
		INSERT INTO kam.replay_decision (session_id, decision, action, selected_channel, guard, synthesis, overall_score, criteria, verdict)
		VALUES (run.session_id, made -> 'decision', made #>> '{decision,final_decision,action}', made #>> '{decision,final_decision,selected_channel}',
		        made -> 'guard', made ->> 'synthesis', (made #>> '{judgement,overall_score}')::numeric, made #> '{judgement,criteria}', made #>> '{judgement,verdict}');
		UPDATE kam.request r SET status = 'judged', iteration = 1, started_at = kam._now(), finished_at = kam._now() WHERE r.session_id = run.session_id;
	EXCEPTION WHEN data_exception THEN
		UPDATE kam.request r SET status = 'failed', error = SQLERRM, sqlstate = SQLSTATE, finished_at = kam._now() WHERE r.session_id = run.session_id;
	END;
END
$$;
COMMENT ON FUNCTION _replay_now(uuid) IS 'Does a queued replay at once, with the built-in agents.';

CREATE FUNCTION _backtest_state(backtest_id uuid, OUT asked bigint, OUT finished bigint, OUT parked bigint, OUT known boolean)
	RETURNS record
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT count(*), count(r.finished_at), count(*) FILTER (WHERE r.finished_at IS NULL AND (r.home <> kam._home() OR r.next_attempt_at = 'infinity')),
		       EXISTS (SELECT FROM kam.backtest b WHERE b.backtest_id = _backtest_state.backtest_id)
		  FROM kam.request r WHERE r.backtest_id = _backtest_state.backtest_id;
	END;
COMMENT ON FUNCTION _backtest_state(uuid) IS 'How far a back-test is. For kam_backtest_wait, which cannot be SECURITY DEFINER itself.';

CREATE PROCEDURE kam_backtest_wait(backtest_id uuid, timeout interval DEFAULT '1 hour')
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'kam_api_backtest_wait';
COMMENT ON PROCEDURE kam_backtest_wait(uuid, interval) IS 'Waits until the runs of a back-test are finished; a NOTICE at each tenth. Holds no snapshot, so it must be called outside a transaction block (else 25001). Unknown back-test P0002; time over, or nothing left but runs that are held or parked, 55000. Example: CALL kam.kam_backtest_wait(''5d1f...'');';

CREATE FUNCTION kam_backtest_summary(backtest_id uuid)
	RETURNS TABLE (runs bigint, decided bigint, failed bigint, changed bigint, action_changed bigint, channel_changed bigint, message_changed bigint,
		strength_before numeric, strength_after numeric, score_before numeric, score_after numeric, cost_before numeric, cost_after numeric,
		judged_by_people bigint, agreement_before numeric, agreement_after numeric, lost bigint, gained bigint)
	LANGUAGE sql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT count(*), count(r.changed), count(*) FILTER (WHERE r.status = 'failed'), count(*) FILTER (WHERE r.changed <> '{}'),
		       count(*) FILTER (WHERE 'action' = ANY (r.changed)), count(*) FILTER (WHERE 'channel' = ANY (r.changed)), count(*) FILTER (WHERE 'message' = ANY (r.changed)),
		       round(avg(r.strength_before) FILTER (WHERE r.changed IS NOT NULL), 3), round(avg(r.strength_after), 3),
		       round(avg(r.score_before) FILTER (WHERE r.score_after IS NOT NULL), 2), round(avg(r.score_after) FILTER (WHERE r.score_before IS NOT NULL), 2),
		       sum(r.cost_before) FILTER (WHERE r.cost_after IS NOT NULL), sum(r.cost_after),
		       count(r.outcome),
		       round(count(*) FILTER (WHERE r.outcome IS NOT NULL AND r.human = 'approved')::numeric / nullif(count(r.outcome), 0), 3),
		       round(count(*) FILTER (WHERE r.outcome = 'gained' OR (r.outcome = 'kept' AND r.human = 'approved'))::numeric / nullif(count(r.outcome), 0), 3),
		       count(*) FILTER (WHERE r.outcome = 'lost'), count(*) FILTER (WHERE r.outcome = 'gained')
		  FROM kam.kam_backtest_report(kam_backtest_summary.backtest_id) r;
	END;
COMMENT ON FUNCTION kam_backtest_summary(uuid) IS 'A back-test in one row: how many runs were tried, decided, failed and changed; means of strength and of the judge''s score and sums of cost over the runs that have both; and against people''s verdicts, which share of the decisions they judged agreed with them before (approved as it was) and after (approved and decided the same, or rejected or edited and gained). Unknown back-test P0002. Example: SELECT * FROM kam.kam_backtest_summary(''5d1f...'');';

-- The Coordinator's rare events in SQL, and what users call (contract section 8).  The gates themselves are C (src/cadence).
--
-- Locks, always in this order: Leads (several in the order of lead_id), prospect_state, Cadence, CadenceQueue, Suppression.

-- ---- inside: the caller holds the lock on the lead's row ------------------------------

CREATE FUNCTION _canonical(lead_id text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT coalesce((SELECT a.canonical_id FROM kam.lead_alias a WHERE a.lead_id = _canonical.lead_id), _canonical.lead_id);
	END;
COMMENT ON FUNCTION _canonical(text) IS 'The lead that stands for a merged one; any other lead stands for itself.';

CREATE FUNCTION _lead_ids(lead_id text) RETURNS text[]
	LANGUAGE sql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT ARRAY[_lead_ids.lead_id] || ARRAY(SELECT a.lead_id FROM kam.lead_alias a WHERE a.canonical_id = _lead_ids.lead_id ORDER BY a.lead_id);
	END;
COMMENT ON FUNCTION _lead_ids(text) IS 'The ids under which a lead''s history stands in the log: its own first, then those it stands for.';

-- By key, also before the tables were analysed for the first time: who fills them in one go would otherwise have each row read all before it.
CREATE FUNCTION _derive_state(lead_id text) RETURNS prospect_state
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	AS $$
#variable_conflict use_column
DECLARE
	ids CONSTANT text[] := kam._lead_ids(_derive_state.lead_id);
	lead kam.Leads;
	derived kam.prospect_state;
BEGIN
	derived.lead_id := _derive_state.lead_id;

	SELECT max(last.event_at) INTO derived.last_at
	  FROM unnest(ids) i(id)
	 CROSS JOIN LATERAL (SELECT e.event_at FROM kam.CadenceEventLog e
	                      WHERE e.lead_id = i.id AND e.coordinator_action <> 'blocked' AND e.event_type NOT IN ('cancelled', 'expired')
	                        AND NOT (e.event_type = 'touch' AND e.family = 'transactional')
	                      ORDER BY e.event_id DESC LIMIT 1) last;
	SELECT coalesce(max(e.touch_no), 0) INTO derived.touch_no
	  FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids) AND e.touch_no IS NOT NULL;
	-- The lead's rows first (OFFSET): the index on touch_at, read from its end, has everybody's.
	derived.touches := ARRAY(
		SELECT t.touch_at
		  FROM (SELECT o.touch_at
		          FROM (SELECT e.touch_at FROM kam.CadenceEventLog e
		                 WHERE e.lead_id = ANY (ids) AND e.touch_no IS NOT NULL AND e.counted OFFSET 0) o
		         ORDER BY o.touch_at DESC LIMIT 8) t
		 ORDER BY t.touch_at);

	SELECT l.* INTO lead FROM kam.Leads l WHERE l.lead_id = _derive_state.lead_id;
	derived.unsubscribed := coalesce(lead.unsubscribe_flag, false);
	derived.opted_out := coalesce(lead.opt_out_flag, false);
	-- Who said so without any address to suppress is remembered by the log alone: a sync that clears the flag must not undo it.
	IF lead.lead_id IS NOT NULL AND cardinality(kam._lead_addresses(lead)) = 0 THEN
		SELECT derived.unsubscribed OR coalesce(bool_or(e.event_type = 'unsubscribe'), false),
		       derived.opted_out OR coalesce(bool_or(e.event_type = 'opt_out'), false)
		  INTO derived.unsubscribed, derived.opted_out
		  FROM kam.CadenceEventLog e
		 WHERE e.lead_id = ANY (ids) AND e.event_type IN ('unsubscribe', 'opt_out');
	END IF;

	SELECT c.sequence_id, c.sequence_type, c.enrolment_no, c.current_step, c.play_id, c.originating_proposal_id, c.active_until
	  INTO derived.sales_sequence, derived.sales_type, derived.sales_enrolment, derived.sales_step,
	       derived.sales_play, derived.sales_proposal, derived.sales_until
	  FROM kam.Cadence c
	 WHERE c.lead_id = _derive_state.lead_id AND c.state = 'active' AND c.family = 'sales';
	SELECT c.sequence_id, c.sequence_type, c.enrolment_no, c.current_step, c.play_id, c.originating_proposal_id, c.active_until
	  INTO derived.marketing_sequence, derived.marketing_type, derived.marketing_enrolment, derived.marketing_step,
	       derived.marketing_play, derived.marketing_proposal, derived.marketing_until
	  FROM kam.Cadence c
	 WHERE c.lead_id = _derive_state.lead_id AND c.state = 'active' AND c.family = 'marketing';

	-- A touch held by an earlier row of the same statement has no row in the queue yet.
	derived.holding := EXISTS (SELECT FROM kam.CadenceQueue q
	                            WHERE q.lead_id = _derive_state.lead_id AND q.state = 'waiting' AND q.kind = 'held')
		OR EXISTS (SELECT FROM kam.CadenceEventLog e
		            WHERE e.lead_id = _derive_state.lead_id AND e.event_type = 'held'
		              AND NOT EXISTS (SELECT FROM kam.CadenceQueue q WHERE q.lead_id = e.lead_id AND q.event_id = e.event_id));
	derived.stale := false;
	RETURN derived;
END
$$;
COMMENT ON FUNCTION _derive_state(text) IS 'The lead''s prospect_state as its log (with that of the leads it stands for), Cadence, CadenceQueue and Leads say.';

CREATE FUNCTION _rebuild_state(lead_id text) RETURNS void
	LANGUAGE sql VOLATILE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		INSERT INTO kam.prospect_state AS s
		SELECT d.* FROM kam._derive_state(_rebuild_state.lead_id) d
		ON CONFLICT (lead_id) DO UPDATE
		   SET (last_at, touch_no, touches, unsubscribed, opted_out, holding, stale,
		        sales_sequence, sales_type, sales_enrolment, sales_step, sales_play, sales_proposal, sales_until,
		        marketing_sequence, marketing_type, marketing_enrolment, marketing_step, marketing_play, marketing_proposal, marketing_until)
		     = (greatest(s.last_at, EXCLUDED.last_at), EXCLUDED.touch_no, EXCLUDED.touches, EXCLUDED.unsubscribed, EXCLUDED.opted_out,
		        EXCLUDED.holding, false,
		        EXCLUDED.sales_sequence, EXCLUDED.sales_type, EXCLUDED.sales_enrolment, EXCLUDED.sales_step,
		        EXCLUDED.sales_play, EXCLUDED.sales_proposal, EXCLUDED.sales_until,
		        EXCLUDED.marketing_sequence, EXCLUDED.marketing_type, EXCLUDED.marketing_enrolment, EXCLUDED.marketing_step,
		        EXCLUDED.marketing_play, EXCLUDED.marketing_proposal, EXCLUDED.marketing_until);
	END;
COMMENT ON FUNCTION _rebuild_state(text) IS 'Writes the lead''s prospect_state anew.';

CREATE FUNCTION _end_enrolments(lead_id text, sequence_id text, end_reason text, at timestamptz, transactional_too boolean) RETURNS integer
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	ended integer;
BEGIN
	UPDATE kam.Cadence c
	   SET state = 'finished', end_reason = _end_enrolments.end_reason, finished_at = _end_enrolments.at,
	       paused_reason = NULL, next_step_at = NULL, stall_check_at = NULL,
	       last_activity_at = CASE WHEN _end_enrolments.end_reason IN ('replied', 'meeting_booked') THEN _end_enrolments.at ELSE c.last_activity_at END
	 WHERE c.lead_id = _end_enrolments.lead_id AND c.state <> 'finished'
	   AND (c.sequence_id = _end_enrolments.sequence_id
	        OR _end_enrolments.sequence_id IS NULL AND (_end_enrolments.transactional_too OR c.family <> 'transactional'));
	GET DIAGNOSTICS ended = ROW_COUNT;
	RETURN ended;
END
$$;
COMMENT ON FUNCTION _end_enrolments(text, text, text, timestamptz, boolean) IS 'Finishes the lead''s unfinished enrolments in a sequence, or in all (sequence_id NULL), transactional ones only when told; returns how many.';

CREATE FUNCTION _pause_enrolments(lead_id text, sequence_id text, paused_reason text, at timestamptz) RETURNS integer
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	paused integer;
BEGIN
	UPDATE kam.Cadence c
	   SET state = 'paused', paused_reason = _pause_enrolments.paused_reason, paused_at = _pause_enrolments.at
	 WHERE c.lead_id = _pause_enrolments.lead_id AND c.state = 'active'
	   AND (c.sequence_id = _pause_enrolments.sequence_id OR _pause_enrolments.sequence_id IS NULL AND c.family <> 'transactional');
	GET DIAGNOSTICS paused = ROW_COUNT;
	RETURN paused;
END
$$;
COMMENT ON FUNCTION _pause_enrolments(text, text, text, timestamptz) IS 'Pauses the lead''s active enrolment in a sequence, or every active one that is not transactional (sequence_id NULL); returns how many.';

CREATE FUNCTION _cancel_holds(lead_id text, event_id bigint, reason text, at timestamptz) RETURNS integer
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	waiting record;
	cancelled integer := 0;
BEGIN
	FOR waiting IN
		SELECT q.event_id, e.sequence_id, e.sequence_type
		  FROM kam.CadenceQueue q
		  JOIN kam.CadenceEventLog e USING (lead_id, event_id)
		 WHERE q.lead_id = _cancel_holds.lead_id AND q.state = 'waiting'
		   AND (_cancel_holds.event_id IS NULL OR q.event_id = _cancel_holds.event_id)
		 ORDER BY q.event_id
		   FOR UPDATE OF q
	LOOP
		UPDATE kam.CadenceQueue q
		   SET state = 'cancelled', ended_at = _cancel_holds.at, end_reason = _cancel_holds.reason
		 WHERE q.lead_id = _cancel_holds.lead_id AND q.event_id = waiting.event_id;
		PERFORM kam._system_event(_cancel_holds.lead_id, 'cancelled', waiting.event_id, _cancel_holds.reason,
			waiting.sequence_id, waiting.sequence_type);
		cancelled := cancelled + 1;
	END LOOP;
	RETURN cancelled;
END
$$;
COMMENT ON FUNCTION _cancel_holds(text, bigint, text, timestamptz) IS 'Cancels one waiting request of the lead, or all (event_id NULL), each with its row in the log; returns how many.';

CREATE FUNCTION _settle_lead(lead_id text, at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	AS $$
#variable_conflict use_column
DECLARE
	ids CONSTANT text[] := kam._lead_ids(_settle_lead.lead_id);
	lead kam.Leads;
	over record;
BEGIN
	SELECT l.* INTO lead FROM kam.Leads l WHERE l.lead_id = _settle_lead.lead_id;

	-- What waits for who must not be contacted, or for an enrolment that has ended, waits for nothing.
	IF lead.opt_out_flag OR lead.unsubscribe_flag THEN
		PERFORM kam._cancel_holds(_settle_lead.lead_id, NULL, CASE WHEN lead.opt_out_flag THEN 'opted_out' ELSE 'unsubscribed' END, _settle_lead.at);
	ELSE
		FOR over IN
			SELECT q.event_id, c.end_reason
			  FROM kam.CadenceQueue q
			  JOIN kam.CadenceEventLog e USING (lead_id, event_id)
			 CROSS JOIN LATERAL (SELECT c.state, c.end_reason FROM kam.Cadence c
			                      WHERE c.lead_id = q.lead_id AND c.sequence_id = coalesce(q.sequence_id, e.sequence_id)
			                        AND c.enrolment_no = coalesce(e.enrolment_no, c.enrolment_no)
			                      ORDER BY c.enrolment_no DESC LIMIT 1) c
			 WHERE q.lead_id = _settle_lead.lead_id AND q.state = 'waiting' AND c.state = 'finished'
			 ORDER BY q.event_id
		LOOP
			PERFORM kam._cancel_holds(_settle_lead.lead_id, over.event_id, over.end_reason, _settle_lead.at);
		END LOOP;
	END IF;

	-- A loser without a time has waited for an active sequence: of its own family, or of any when the matrix made it wait.  One that an absence pauses still
	-- stands in the way: nobody else writes to who is away.
	UPDATE kam.CadenceQueue q
	   SET release_at = _settle_lead.at
	  FROM kam.CadenceEventLog e
	 WHERE q.lead_id = _settle_lead.lead_id AND q.state = 'waiting' AND q.kind = 'deferred' AND q.release_at IS NULL
	   AND e.lead_id = q.lead_id AND e.event_id = q.event_id
	   AND NOT EXISTS (SELECT FROM kam.Cadence c
	                    WHERE c.lead_id = q.lead_id AND (c.state = 'active' OR c.state = 'paused' AND c.paused_reason = 'out_of_office') AND c.family <> 'transactional'
	                      AND c.sequence_id <> e.sequence_id
	                      AND (c.family = e.family OR q.reason <> 'same_family_incumbent'));
	IF FOUND THEN
		PERFORM kam._wake_worker();
	END IF;

	IF lead.lead_id IS NOT NULL THEN
		UPDATE kam.Leads l
		   SET cadence_state = now.cadence_state, active_sequence_id = now.sequence_id, current_step = now.current_step, last_touch_at = now.last_touch_at
		  FROM (SELECT CASE min(CASE c.state WHEN 'active' THEN 1 WHEN 'paused' THEN 2 WHEN 'queued' THEN 3 ELSE 4 END)
		               WHEN 1 THEN 'active' WHEN 2 THEN 'paused' WHEN 3 THEN 'queued' WHEN 4 THEN 'finished' END AS cadence_state,
		               (array_agg(c.sequence_id ORDER BY c.family DESC) FILTER (WHERE c.state = 'active'))[1] AS sequence_id,
		               (array_agg(c.current_step ORDER BY c.family DESC) FILTER (WHERE c.state = 'active'))[1] AS current_step,
		               -- FILTER: the lead's rows, not the end of the index on touch_at, which has everybody's.
		               (SELECT max(e.touch_at) FILTER (WHERE e.counted) FROM kam.CadenceEventLog e
		                 WHERE e.lead_id = ANY (ids) AND e.touch_no IS NOT NULL) AS last_touch_at
		          FROM kam.Cadence c
		         WHERE c.lead_id = _settle_lead.lead_id AND c.family <> 'transactional') now
		 WHERE l.lead_id = _settle_lead.lead_id
		   AND (l.cadence_state, l.active_sequence_id, l.current_step, l.last_touch_at)
		       IS DISTINCT FROM (now.cadence_state, now.sequence_id, now.current_step, now.last_touch_at);
	END IF;
END
$$;
COMMENT ON FUNCTION _settle_lead(text, timestamptz) IS 'After enrolments of the lead changed: cancels what waits for a finished one, makes due what waited for an active one, and sets the lead''s cadence columns. Doing it again changes nothing.';

CREATE FUNCTION _stop_lead(lead_id text, reason text, at timestamptz) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	ended integer;
	cancelled integer;
BEGIN
	ended := kam._end_enrolments(_stop_lead.lead_id, NULL, _stop_lead.reason, _stop_lead.at, true);
	cancelled := kam._cancel_holds(_stop_lead.lead_id, NULL, _stop_lead.reason, _stop_lead.at);
	IF ended + cancelled = 0 THEN
		RETURN false;
	END IF;
	PERFORM kam._settle_lead(_stop_lead.lead_id, _stop_lead.at);
	PERFORM kam._rebuild_state(_stop_lead.lead_id);
	RETURN true;
END
$$;
COMMENT ON FUNCTION _stop_lead(text, text, timestamptz) IS 'Finishes all enrolments of the lead, transactional ones too, and cancels all its holds (reason: unsubscribed, opted_out, suppressed). False when there was nothing to stop.';

CREATE FUNCTION _raise_flag(kind text, lead_id text, rep_id text, sequence_id text, detail jsonb, recipients text[]) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	opened bigint;
BEGIN
	INSERT INTO kam.CadenceFlag (kind, lead_id, rep_id, sequence_id, detail)
	VALUES (_raise_flag.kind, _raise_flag.lead_id, _raise_flag.rep_id, _raise_flag.sequence_id, coalesce(_raise_flag.detail, '{}'))
	ON CONFLICT (kind, lead_id, rep_id, sequence_id) WHERE closed_at IS NULL DO NOTHING
	RETURNING flag_id INTO opened;
	IF opened IS NULL THEN
		RETURN NULL;
	END IF;
	INSERT INTO kam.notification (recipient, topic, lead_id, payload)
	SELECT r.recipient, _raise_flag.kind, _raise_flag.lead_id,
	       jsonb_strip_nulls(jsonb_build_object('flag_id', opened, 'kind', _raise_flag.kind, 'lead_id', _raise_flag.lead_id,
	           'rep_id', _raise_flag.rep_id, 'sequence_id', _raise_flag.sequence_id))
	       || jsonb_build_object('detail', coalesce(_raise_flag.detail, '{}'))
	  FROM (SELECT DISTINCT u.recipient
	          FROM unnest(coalesce(nullif(array_remove(_raise_flag.recipients, NULL), '{}'),
	                   ARRAY[coalesce((SELECT l.owner_id FROM kam.Leads l WHERE l.lead_id = _raise_flag.lead_id), 'AGT-301')])) u(recipient)) r
	 ORDER BY r.recipient;
	RETURN opened;
END
$$;
COMMENT ON FUNCTION _raise_flag(text, text, text, text, jsonb, text[]) IS 'Opens a flag and tells each recipient (none given: the lead''s owner, else AGT-301); NULL, and nothing happens, when one is open already. The flag_id otherwise.';

-- ---- asking ---------------------------------------------------------------------------

CREATE FUNCTION _lock_lead(lead_id text) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._canonical(_lock_lead.lead_id);
	now_is text;
BEGIN
	-- A merge that committed while we waited moves us on to the lead that stands for this one.
	LOOP
		PERFORM FROM kam.Leads l WHERE l.lead_id = canonical FOR NO KEY UPDATE;
		IF NOT FOUND THEN
			RETURN NULL;
		END IF;
		now_is := kam._canonical(_lock_lead.lead_id);
		EXIT WHEN now_is = canonical;
		canonical := now_is;
	END LOOP;
	RETURN canonical;
END
$$;
COMMENT ON FUNCTION _lock_lead(text) IS 'Locks the lead, or the one that stands for it, and returns which; NULL when there is none.';

CREATE FUNCTION _unknown_lead(lead_id text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF lead_id IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'lead_id must not be null';
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation',
		MESSAGE = format('there is no lead "%s"', lead_id),
		DETAIL = format('Key (lead_id)=(%s) is not present in table "leads".', lead_id),
		HINT = 'Insert it into kam.Leads first.';
END
$$;
COMMENT ON FUNCTION _unknown_lead(text) IS 'Refuses a lead that is not in Leads, in the gate''s own words (23503).';

CREATE FUNCTION _first_answer(lead_id text, canonical text, idempotency_key text) RETURNS SETOF CadenceEventLog
	LANGUAGE sql STABLE ROWS 1
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT e.*
		  FROM unnest(kam._lead_ids(canonical)) WITH ORDINALITY i (id, place)
		  JOIN kam.CadenceEventLog e ON e.lead_id = i.id AND e.idempotency_key = _first_answer.idempotency_key
		 ORDER BY i.id <> _first_answer.lead_id, i.place
		 LIMIT 1;
	END;
COMMENT ON FUNCTION _first_answer(text, text, text) IS 'The row that a key was used for already, before a merge too: under the id asked for, then that of the lead that stands for it, then its others.';

CREATE FUNCTION kam_request(lead_id text, sequence_type text, event_type text, sequence_id text DEFAULT NULL, channel text DEFAULT NULL,
		originating_agent text DEFAULT NULL, step integer DEFAULT NULL, payload jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL)
	RETURNS CadenceEventLog
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_variable
DECLARE
	answer kam.CadenceEventLog;
	canonical text;
BEGIN
	IF idempotency_key IS NOT NULL THEN
		-- Under the lock nobody else can be asking with this key; the next statement sees what was committed while we waited.
		canonical := kam._lock_lead(lead_id);
		SELECT a.* INTO answer FROM kam._first_answer(lead_id, canonical, idempotency_key) a;
		IF FOUND THEN
			RETURN answer;
		END IF;
		IF current_setting('transaction_isolation') <> 'read committed' THEN
			BEGIN
				INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent,
					idempotency_key, payload)
				VALUES (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, idempotency_key, payload)
				RETURNING e.* INTO answer;
			EXCEPTION WHEN unique_violation THEN
				RAISE EXCEPTION USING ERRCODE = 'serialization_failure',
					MESSAGE = 'could not serialize access: another transaction has just used the idempotency key',
					DETAIL = format('Key (lead_id, idempotency_key)=(%s, %s).', canonical, idempotency_key),
					HINT = 'Retry the transaction: the same key then gives the first answer.';
			END;
			RETURN answer;
		END IF;
	END IF;
	INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent,
		idempotency_key, payload)
	VALUES (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, idempotency_key, payload)
	RETURNING e.* INTO answer;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION kam_request(text, text, text, text, text, text, integer, jsonb, text) IS 'Asks the Coordinator (event_type activation, touch, resume) or tells it a fact (reply, bounce, opt_out, …), and returns the row of CadenceEventLog with the verdict: coordinator_action executed, held, queued, blocked or recorded. The same idempotency_key again returns the first row and does nothing; sessions that race get the same row too (REPEATABLE READ and SERIALIZABLE: or 40001). A refusal is a row; errors are for an unknown lead (23503), an unknown event or sequence type (22023), a missing sequence_type of a request (23502). Call it in FROM: (kam_request(…)).* would ask once per column. Example: SELECT coordinator_action, suppressed_reason, release_at FROM kam.kam_request(''lead-1'', ''outbound'', ''touch'', channel => ''email'', idempotency_key => ''mail-42'');';

-- ---- asking for many --------------------------------------------------------------------

CREATE FUNCTION _check_requests(requests jsonb) RETURNS void
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	bad record;
BEGIN
	IF requests IS NULL OR jsonb_typeof(requests) <> 'array' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'requests must be an array of objects',
			HINT = 'For example [{"lead_id": "lead-1", "sequence_type": "outbound", "event_type": "touch", "channel": "email"}].';
	END IF;
	SELECT e.n, e.path, e.what, e.hint, e.code INTO bad
	  FROM jsonb_array_elements(requests) WITH ORDINALITY r (value, n)
	 CROSS JOIN LATERAL (
		SELECT r.n, '' AS path, 'a request must be an object' AS what, NULL AS hint, '22023' AS code, 0 AS rank WHERE jsonb_typeof(r.value) <> 'object'
		UNION ALL
		SELECT r.n, '/' || replace(replace(m.key, '~', '~0'), '/', '~1'),
		       CASE WHEN k.kind IS NULL THEN format('a request has no "%s"', m.key)
		            WHEN k.kind = 'text' THEN m.key || ' must be text'
		            ELSE m.key || ' must be an integer from 0' END,
		       CASE WHEN k.kind IS NULL THEN 'It may have lead_id, sequence_type, event_type, sequence_id, channel, originating_agent, step, payload, idempotency_key.' END,
		       '22023', 1
		  FROM jsonb_each(CASE jsonb_typeof(r.value) WHEN 'object' THEN r.value ELSE '{}' END) m
		  LEFT JOIN (VALUES ('lead_id', 'text'), ('sequence_type', 'text'), ('event_type', 'text'), ('sequence_id', 'text'), ('channel', 'text'),
		                    ('originating_agent', 'text'), ('step', 'integer'), ('payload', 'any'), ('idempotency_key', 'text')) k (name, kind)
		         ON k.name = m.key
		 WHERE k.kind IS NULL
		    OR k.kind = 'text' AND jsonb_typeof(m.value) NOT IN ('string', 'null')
		    OR k.kind = 'integer' AND NOT (jsonb_typeof(m.value) = 'null'
		         OR CASE WHEN jsonb_typeof(m.value) = 'number'
		                 THEN m.value::numeric BETWEEN 0 AND 2147483647 AND m.value::numeric = trunc(m.value::numeric) ELSE false END)
		UNION ALL
		SELECT r.n, '/' || w.name, w.name || ' is missing', NULL, '22023', 2
		  FROM (VALUES ('lead_id'), ('event_type')) w (name)
		 WHERE jsonb_typeof(r.value) = 'object' AND r.value ->> w.name IS NULL
		UNION ALL
		SELECT r.n, '/event_type', format('unknown event_type "%s"', r.value ->> 'event_type'),
		       'Requests are activation, touch, resume; facts are touch_observed, reply, meeting_booked, bounce, out_of_office, opt_out, unsubscribe, pause, stop, complete, send_failed.',
		       '22023', 3
		 WHERE r.value ->> 'event_type' NOT IN ('activation', 'touch', 'resume', 'touch_observed', 'reply', 'meeting_booked', 'bounce',
		       'out_of_office', 'opt_out', 'unsubscribe', 'pause', 'stop', 'complete', 'send_failed')
		UNION ALL
		SELECT r.n, '/sequence_type', format('a request (%s) needs a sequence_type', r.value ->> 'event_type'), NULL, '22023', 4
		 WHERE r.value ->> 'event_type' IN ('activation', 'touch', 'resume') AND r.value ->> 'sequence_type' IS NULL
		UNION ALL
		SELECT r.n, '/sequence_type', format('unknown sequence_type "%s"', r.value ->> 'sequence_type'),
		       'Types are the rows of kam.sequence_type; add one of your own.', '22023', 5
		 WHERE r.value ->> 'sequence_type' IS NOT NULL
		   AND NOT EXISTS (SELECT FROM kam.sequence_type t WHERE t.sequence_type = r.value ->> 'sequence_type')
		UNION ALL
		SELECT r.n, '/lead_id', format('there is no lead "%s"', r.value ->> 'lead_id'), 'Insert it into kam.Leads first.', '23503', 6
		 WHERE r.value ->> 'lead_id' IS NOT NULL
		   AND NOT EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = kam._canonical(r.value ->> 'lead_id'))) e
	 ORDER BY e.n, e.rank, e.path
	 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = bad.code, MESSAGE = bad.what, DETAIL = format('The value is at "/%s%s".', bad.n - 1, bad.path),
			HINT = coalesce(bad.hint, '');
	END IF;
END
$$;
COMMENT ON FUNCTION _check_requests(jsonb) IS 'Refuses requests of kam_request_batch that cannot be asked, with the path of the first: 22023, or 23503 for an unknown lead.';

CREATE FUNCTION kam_request_batch(requests jsonb) RETURNS SETOF CadenceEventLog
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	one jsonb;
	answers kam.CadenceEventLog[];
	place integer;
	code text; message text; detail text; hint text;
BEGIN
	PERFORM kam._check_requests(requests);
	-- All locks first, in the order that everybody takes them in: two batches cannot deadlock.
	PERFORM FROM kam.Leads l
	  WHERE l.lead_id = ANY (ARRAY(SELECT kam._canonical(r.value ->> 'lead_id') FROM jsonb_array_elements(requests) r (value)))
	  ORDER BY l.lead_id
	    FOR NO KEY UPDATE;

	IF NOT jsonb_path_exists(requests, '$[*].idempotency_key ? (@ != null)') THEN
		BEGIN
			WITH asked AS (
				INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, payload)
				SELECT r.value ->> 'lead_id', r.value ->> 'sequence_id', r.value ->> 'sequence_type', r.value ->> 'event_type',
				       (r.value ->> 'step')::numeric::integer, r.value ->> 'channel', r.value ->> 'originating_agent', nullif(r.value -> 'payload', 'null')
				  FROM jsonb_array_elements(requests) WITH ORDINALITY r (value, n)
				 ORDER BY r.n
				RETURNING e.*)
			-- Ids are drawn in the order of the rows.
			SELECT coalesce(array_agg(asked::kam.CadenceEventLog ORDER BY asked.event_id), '{}') INTO answers FROM asked;
			RETURN QUERY SELECT a.* FROM unnest(answers) a;
			RETURN;
		EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
			NULL;				-- once more, one by one, to tell which
		END;
	END IF;

	BEGIN
		FOR one, place IN SELECT r.value, r.n - 1 FROM jsonb_array_elements(requests) WITH ORDINALITY r (value, n) ORDER BY r.n
		LOOP
			RETURN NEXT kam.kam_request(one ->> 'lead_id', one ->> 'sequence_type', one ->> 'event_type', one ->> 'sequence_id', one ->> 'channel',
				one ->> 'originating_agent', (one ->> 'step')::numeric::integer, nullif(one -> 'payload', 'null'), one ->> 'idempotency_key');
		END LOOP;
	EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
		GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
		RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message, DETAIL = concat_ws(' ', format('The request is at "/%s".', place), nullif(detail, '')),
			HINT = hint;
	END;
END
$$;
COMMENT ON FUNCTION kam_request_batch(jsonb) IS 'kam_request for an array of objects with its arguments'' names; leads are locked in order, so that batches do not deadlock with each other, and the rows come in the order of the requests. All or nothing: an element that cannot be asked raises 22023 (23503 for an unknown lead) with its path, such as /3/event_type. Example: SELECT lead_id, coordinator_action FROM kam.kam_request_batch(''[{"lead_id": "lead-1", "sequence_type": "newsletter", "event_type": "touch", "channel": "email"}]'');';

-- ---- enrolling --------------------------------------------------------------------------

CREATE FUNCTION kam_enrol(lead_id text, sequence_type text, steps jsonb, originating_agent text, sequence_id text DEFAULT NULL,
		play_id text DEFAULT NULL)
	RETURNS CadenceEventLog
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_variable
DECLARE
	answer kam.CadenceEventLog;
BEGIN
	PERFORM kam._check_steps(steps, '/steps', true);
	INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, originating_agent, play_id, payload)
	VALUES (lead_id, sequence_id, sequence_type, 'activation', originating_agent, play_id, jsonb_build_object('steps', steps))
	RETURNING e.* INTO answer;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION kam_enrol(text, text, jsonb, text, text, text) IS 'Asks for a sequence to be activated with its plan, and returns the row with the verdict: executed, queued or blocked. steps: [{"day": 0, "channel": "email", "content": "Hello {{first_name|there}}", "subject": …}, …]; day counts from the activation, or delay from the step before, or execute_at; each is executed at its time by the schedules (docs/sequences.md). Without sequence_id it gets a new one. Errors: steps that are none (22023 with the path), unknown lead (23503), sequence type (22023), play (23503). Example: SELECT sequence_id, coordinator_action FROM kam.kam_enrol(''lead-1'', ''outbound'', ''[{"day": 0, "channel": "email", "content": "Hello"}]'', ''AGT-301'');';

-- ---- holds --------------------------------------------------------------------------------

CREATE FUNCTION kam_cancel_held(lead_id text, event_id bigint) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._lock_lead(kam_cancel_held.lead_id);
	at timestamptz := kam._now();
BEGIN
	IF canonical IS NULL OR kam._cancel_holds(canonical, kam_cancel_held.event_id, 'cancelled', at) = 0 THEN
		RETURN false;
	END IF;
	-- An activation that was never let through ends with it; what is paused stays paused.
	UPDATE kam.Cadence c
	   SET state = 'finished', end_reason = 'cancelled', finished_at = at
	  FROM kam.CadenceEventLog e
	 WHERE e.lead_id = canonical AND e.event_id = kam_cancel_held.event_id AND e.requested_event_type = 'activation'
	   AND c.lead_id = canonical AND c.sequence_id = e.sequence_id AND c.enrolment_no = e.enrolment_no AND c.state = 'queued';
	PERFORM kam._settle_lead(canonical, at);
	PERFORM kam._rebuild_state(canonical);
	RETURN true;
END
$$;
COMMENT ON FUNCTION kam_cancel_held(text, bigint) IS 'Gives up a request that is held or deferred (a row of held_queue); an enrolment that was still queued ends. False when it does not wait. Example: SELECT kam.kam_cancel_held(lead_id, event_id) FROM kam.held_queue WHERE originating_agent = ''AGT-304'';';

-- ---- suppression ----------------------------------------------------------------------------

CREATE FUNCTION kam_unsubscribe(address text, source text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	plain text := kam._address(kam_unsubscribe.address);
	what text := kam._address_kind(kam_unsubscribe.address);
	matching text[];
	affected bigint;
BEGIN
	IF plain IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not an address: %s', coalesce(quote_literal(kam_unsubscribe.address), 'NULL')),
			HINT = 'Give an e-mail address, a domain, a phone number with its country code, or a LinkedIn profile.';
	END IF;
	IF coalesce(btrim(kam_unsubscribe.source), '') IN ('', 'lead_flag') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not a source: %s', coalesce(quote_literal(kam_unsubscribe.source), 'NULL')),
			HINT = 'Say where the request came from, for example web_form; lead_flag is for what a CRM sync sets and clears.';
	END IF;

	-- Leads before Suppression, in order: the lock order of everybody.
	matching := ARRAY(
		SELECT DISTINCT kam._canonical(m.lead_id)
		  FROM (SELECT l.lead_id FROM kam.Leads l WHERE what = 'email' AND kam._address(l.email) = plain
		        UNION ALL
		        SELECT l.lead_id FROM kam.Leads l WHERE what = 'phone' AND kam._address(l.phone) = plain
		        UNION ALL
		        SELECT l.lead_id FROM kam.Leads l WHERE what = 'linkedin' AND kam._address(l.linkedin_url) = plain) m);
	PERFORM FROM kam.Leads l WHERE l.lead_id = ANY (matching) ORDER BY l.lead_id FOR NO KEY UPDATE;

	INSERT INTO kam.Suppression AS s (address, kind, source)
	VALUES (plain, what, btrim(kam_unsubscribe.source))
	ON CONFLICT (address) DO NOTHING;
	IF what = 'domain' THEN
		-- A domain may be that of very many leads: the schedules end what they have running.
		IF NOT FOUND THEN
			RETURN 0;
		END IF;
		SELECT count(DISTINCT kam._canonical(l.lead_id)) INTO affected FROM kam.Leads l WHERE kam._address_domain(l.email) = plain;
		RETURN affected;
	END IF;
	UPDATE kam.Leads l SET unsubscribe_flag = true WHERE l.lead_id = ANY (matching) AND NOT l.unsubscribe_flag;
	GET DIAGNOSTICS affected = ROW_COUNT;
	RETURN affected;
END
$$;
COMMENT ON FUNCTION kam_unsubscribe(text, text) IS 'Nobody at this e-mail address, domain, phone number or LinkedIn profile is contacted again, whatever the sequence type, known as a lead now, later or never. Leads with the address get unsubscribe_flag, their sequences end and their holds are cancelled; those of a domain by the schedules, blocked at once. No later import undoes it. Returns how many leads it newly affects: 0 when repeated. source: where the request came from. Errors: 22023 for what is no address. Example: SELECT kam.kam_unsubscribe(''Jane Doe <jane@acme.com>'', ''web_form'');';

-- ---- merging --------------------------------------------------------------------------------

CREATE FUNCTION _hand_over(from_lead text, to_lead text, reason text, at timestamptz, chosen jsonb) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	taken jsonb;
BEGIN
	SELECT jsonb_build_object(
		'enrolments', coalesce((
			SELECT jsonb_agg(to_jsonb(c) ORDER BY c.state <> 'active', c.created_at, c.sequence_id)
			  FROM kam.Cadence c
			 WHERE c.lead_id = from_lead AND c.state <> 'finished'
			   AND (chosen IS NULL OR chosen @> jsonb_build_array(jsonb_build_object('sequence_id', c.sequence_id)))), '[]'),
		'holds', coalesce((
			SELECT jsonb_agg(to_jsonb(q) || jsonb_build_object('request', to_jsonb(e)) ORDER BY q.priority DESC, q.event_id)
			  FROM kam.CadenceQueue q
			  JOIN kam.CadenceEventLog e USING (lead_id, event_id)
			 WHERE q.lead_id = from_lead AND q.state = 'waiting'
			   AND (chosen IS NULL OR chosen @> jsonb_build_array(jsonb_build_object('sequence_id', q.sequence_id))
			        OR chosen @> jsonb_build_array(jsonb_build_object('event_id', q.event_id)))), '[]'))
	  INTO taken;

	PERFORM kam._cancel_holds(from_lead, (h.value ->> 'event_id')::bigint, reason, at)
	   FROM jsonb_array_elements(taken -> 'holds') WITH ORDINALITY h (value, n);
	UPDATE kam.Cadence c
	   SET state = 'finished', end_reason = reason, finished_at = at, paused_reason = NULL, next_step_at = NULL, stall_check_at = NULL
	  FROM jsonb_array_elements(taken -> 'enrolments') t (value)
	 WHERE c.lead_id = from_lead AND c.sequence_id = t.value ->> 'sequence_id' AND c.enrolment_no = (t.value ->> 'enrolment_no')::integer;
	PERFORM kam._settle_lead(from_lead, at);
	PERFORM kam._rebuild_state(from_lead);
	RETURN taken;
END
$$;
COMMENT ON FUNCTION _hand_over(text, text, text, timestamptz, jsonb) IS 'Ends the enrolments and holds of a lead that another is to go on with, and returns them as they were; chosen: those of these sequences and events, NULL for all.';

CREATE FUNCTION _take_over(taken jsonb, to_lead text, at timestamptz) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	was kam.Cadence;
	hold kam.CadenceQueue;
	request kam.CadenceEventLog;
	answer kam.CadenceEventLog;
	one jsonb;
	asked jsonb := '[]';
BEGIN
	-- What was active first: among equals the incumbent stays.
	FOR one IN SELECT t.value FROM jsonb_array_elements(taken -> 'enrolments') WITH ORDINALITY t (value, n) ORDER BY t.n
	LOOP
		was := jsonb_populate_record(NULL::kam.Cadence, one);
		INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, originating_agent, play_id, payload)
		VALUES (to_lead, was.sequence_id, was.sequence_type, 'activation', was.originating_agent, was.play_id, jsonb_build_object('steps', was.steps))
		RETURNING e.* INTO answer;
		-- It goes on where it was, unless there is one already: the lead's own, which goes on for both.
		UPDATE kam.Cadence c
		   SET current_step = was.current_step, plan_step = was.plan_step, plan_at = was.plan_at, active_until = coalesce(c.active_until, was.active_until),
		       last_activity_at = coalesce(was.last_activity_at, c.last_activity_at)
		 WHERE c.lead_id = to_lead AND c.sequence_id = answer.sequence_id AND c.enrolment_no = answer.enrolment_no AND c.created_at = answer.event_at
		   AND answer.coordinator_action IN ('executed', 'queued');
		IF NOT FOUND THEN
			asked := asked || jsonb_build_object('shared', was.sequence_id);
			CONTINUE;
		END IF;
		PERFORM kam._plan_write(kam._plan_next(c, NULL, NULL)) FROM kam.Cadence c
		  WHERE c.lead_id = to_lead AND c.sequence_id = answer.sequence_id AND c.enrolment_no = answer.enrolment_no AND c.runs;
		asked := asked || jsonb_build_object('event_id', answer.event_id, 'sequence_id', answer.sequence_id);
		PERFORM kam._rebuild_state(to_lead);
		IF was.state = 'paused' AND was.paused_reason = 'manual' AND answer.coordinator_action = 'executed' THEN
			INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, originating_agent)
			VALUES (to_lead, was.sequence_id, was.sequence_type, 'pause', 'AGT-302');
		END IF;
	END LOOP;

	-- Activations and resumes that waited were asked for with their enrolments.
	FOR one IN SELECT t.value FROM jsonb_array_elements(taken -> 'holds') WITH ORDINALITY t (value, n) ORDER BY t.n
	LOOP
		hold := jsonb_populate_record(NULL::kam.CadenceQueue, one);
		request := jsonb_populate_record(NULL::kam.CadenceEventLog, one -> 'request');
		CONTINUE WHEN hold.kind = 'deferred' AND hold.reason <> 'out_of_office';
		IF hold.kind = 'held' THEN
			PERFORM kam._carry_next();
		END IF;
		INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, play_id, payload)
		VALUES (to_lead, request.sequence_id, request.sequence_type, request.requested_event_type, request.step, request.channel,
			request.originating_agent, request.play_id,
			CASE WHEN hold.reason = 'out_of_office' THEN coalesce(request.payload, '{}') || jsonb_build_object('until', hold.release_at)
			     WHEN hold.priority <> 0 THEN coalesce(request.payload, '{}') || jsonb_build_object('priority', hold.priority)
			     ELSE request.payload END)
		RETURNING e.* INTO answer;
		asked := asked || jsonb_build_object('event_id', answer.event_id);
	END LOOP;
	PERFORM kam._settle_lead(to_lead, at);
	RETURN asked;
END
$$;
COMMENT ON FUNCTION _take_over(jsonb, text, timestamptz) IS 'Asks for a lead, through all gates, for the enrolments and held touches that _hand_over ended; returns which events and sequences came of it, and which sequences the lead was enrolled in itself (shared).';

CREATE FUNCTION kam_merge_leads(loser text, winner text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	kept text;
	known bigint;
	lost kam.Leads;
	stays kam.Leads;
	at timestamptz := kam._now();
	taken jsonb;
	made bigint;
	before jsonb;
BEGIN
	IF kam_merge_leads.loser IS NULL OR kam_merge_leads.winner IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'loser and winner must not be null';
	END IF;
	LOOP
		kept := kam._canonical(kam_merge_leads.winner);
		IF kept = kam_merge_leads.loser THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('lead "%s" cannot be merged into itself', kam_merge_leads.loser),
				DETAIL = CASE WHEN kam_merge_leads.winner <> kept THEN format('It stands for "%s".', kam_merge_leads.winner) ELSE '' END,
				HINT = CASE WHEN kam_merge_leads.winner <> kept THEN format('SELECT kam.kam_unmerge_leads(%L) first.', kam_merge_leads.winner) ELSE '' END;
		END IF;
		IF kam._canonical(kam_merge_leads.loser) <> kam_merge_leads.loser THEN
			-- Merged already: the same again is done; otherwise somebody must say which is right.
			SELECT max(m.merge_id) INTO known FROM kam.lead_merge m WHERE m.loser = kam_merge_leads.loser AND m.undone_at IS NULL;
			IF kam._canonical(kam_merge_leads.loser) = kept THEN
				RETURN known;
			END IF;
			RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
				MESSAGE = format('lead "%s" was merged into "%s" already', kam_merge_leads.loser, kam._canonical(kam_merge_leads.loser)),
				HINT = format('Merge that lead, or SELECT kam.kam_unmerge_leads(%L) first.', kam_merge_leads.loser);
		END IF;
		PERFORM FROM kam.Leads l WHERE l.lead_id IN (kam_merge_leads.loser, kept) ORDER BY l.lead_id FOR NO KEY UPDATE;
		-- Another merge may have committed while we waited.
		EXIT WHEN kam._canonical(kam_merge_leads.winner) = kept AND kam._canonical(kam_merge_leads.loser) = kam_merge_leads.loser;
	END LOOP;
	SELECT l.* INTO lost FROM kam.Leads l WHERE l.lead_id = kam_merge_leads.loser;
	IF NOT FOUND THEN
		PERFORM kam._unknown_lead(kam_merge_leads.loser);
	END IF;
	SELECT l.* INTO stays FROM kam.Leads l WHERE l.lead_id = kept;
	IF NOT FOUND THEN
		PERFORM kam._unknown_lead(kept);
	END IF;

	before := jsonb_build_object(
		'loser', to_jsonb(lost),
		'winner', to_jsonb(stays),
		'aliases', (SELECT coalesce(jsonb_agg(a.lead_id ORDER BY a.lead_id), '[]') FROM kam.lead_alias a WHERE a.canonical_id = lost.lead_id));
	taken := kam._hand_over(lost.lead_id, kept, 'merged', at, NULL);

	UPDATE kam.lead_alias a SET canonical_id = kept WHERE a.canonical_id = lost.lead_id;
	INSERT INTO kam.lead_alias (lead_id, canonical_id) VALUES (lost.lead_id, kept);
	UPDATE kam.Leads l SET merged_into = kept
	  FROM kam.lead_alias a
	 WHERE a.canonical_id = kept AND l.lead_id = a.lead_id AND l.merged_into IS DISTINCT FROM kept;
	DELETE FROM kam.prospect_state s WHERE s.lead_id = lost.lead_id;

	-- A flag that this sets has the effects it has when a sync sets it.
	UPDATE kam.Leads l
	   SET unsubscribe_flag = l.unsubscribe_flag OR lost.unsubscribe_flag, opt_out_flag = l.opt_out_flag OR lost.opt_out_flag,
	       sales_signal_at = greatest(l.sales_signal_at, lost.sales_signal_at),
	       marketing_signal_at = greatest(l.marketing_signal_at, lost.marketing_signal_at)
	 WHERE l.lead_id = kept;
	PERFORM kam._rebuild_state(kept);

	INSERT INTO kam.lead_merge (loser, winner, merged_at, before)
	VALUES (lost.lead_id, kept, at,
		before || taken || jsonb_build_object('asked', kam._take_over(taken, kept, at)))
	RETURNING merge_id INTO made;
	PERFORM kam._settle_lead(kept, at);
	RETURN made;
END
$$;
COMMENT ON FUNCTION kam_merge_leads(text, text) IS 'Two leads are one person: from now on winner stands for loser. Flags are joined, both histories count toward the cap, loser''s unfinished sequences and held touches end (merged) and are asked for again for winner, through all gates; Suppression stays as it is. Requests for loser are judged and logged for winner, also when loser''s row in Leads is deleted. Merging them again returns the same merge_id. Errors: unknown lead 23503, a lead into itself 22023, a loser that was merged into another 55000. Undo with kam_unmerge_leads(loser). Example: SELECT kam.kam_merge_leads(''lead-2'', ''lead-1'');';

CREATE FUNCTION kam_unmerge_leads(loser text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	kept text;
	undone kam.lead_merge;
	at timestamptz := kam._now();
	present boolean;
	taken jsonb;
	new_unsubscribe boolean;
	new_opt_out boolean;
BEGIN
	LOOP
		kept := kam._canonical(kam_unmerge_leads.loser);
		IF kept = kam_unmerge_leads.loser THEN
			RETURN false;
		END IF;
		PERFORM FROM kam.Leads l WHERE l.lead_id IN (kam_unmerge_leads.loser, kept) ORDER BY l.lead_id FOR NO KEY UPDATE;
		EXIT WHEN kam._canonical(kam_unmerge_leads.loser) = kept;
	END LOOP;
	SELECT m.* INTO undone FROM kam.lead_merge m
	 WHERE m.loser = kam_unmerge_leads.loser AND m.undone_at IS NULL ORDER BY m.merge_id DESC LIMIT 1;
	present := EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = kam_unmerge_leads.loser);

	-- What was asked for in the loser's stead ends; all that was done meanwhile stays in the winner's history.
	taken := kam._hand_over(kept, kam_unmerge_leads.loser, 'merged', at, coalesce(undone.before -> 'asked', '[]'));
	-- Of a sequence that both were in, each goes on with their own.
	taken := jsonb_set(taken, '{enrolments}', (taken -> 'enrolments') || coalesce((
		SELECT jsonb_agg(e.value ORDER BY e.n)
		  FROM jsonb_array_elements(undone.before -> 'enrolments') WITH ORDINALITY e (value, n)
		 WHERE undone.before -> 'asked' @> jsonb_build_array(jsonb_build_object('shared', e.value -> 'sequence_id'))
		   AND EXISTS (SELECT FROM kam.Cadence c
		                WHERE c.lead_id = kept AND c.sequence_id = e.value ->> 'sequence_id' AND c.state <> 'finished')), '[]'));

	DELETE FROM kam.lead_alias a WHERE a.lead_id = kam_unmerge_leads.loser;
	UPDATE kam.lead_alias a SET canonical_id = kam_unmerge_leads.loser
	 WHERE a.canonical_id = kept AND undone.before -> 'aliases' @> to_jsonb(a.lead_id);
	UPDATE kam.Leads l SET merged_into = NULL WHERE l.lead_id = kam_unmerge_leads.loser;
	UPDATE kam.Leads l SET merged_into = a.canonical_id
	  FROM kam.lead_alias a
	 WHERE a.canonical_id = kam_unmerge_leads.loser AND l.lead_id = a.lead_id AND l.merged_into IS DISTINCT FROM a.canonical_id;
	UPDATE kam.lead_merge m SET undone_at = at WHERE m.merge_id = undone.merge_id;

	-- Whose word an opt-out of the meantime was nobody can tell: it holds for both.  A flag that only the merge had set goes.
	SELECT l.unsubscribe_flag AND NOT (undone.before #>> '{loser,unsubscribe_flag}')::boolean AND NOT (undone.before #>> '{winner,unsubscribe_flag}')::boolean,
	       l.opt_out_flag AND NOT (undone.before #>> '{loser,opt_out_flag}')::boolean AND NOT (undone.before #>> '{winner,opt_out_flag}')::boolean
	  INTO new_unsubscribe, new_opt_out
	  FROM kam.Leads l WHERE l.lead_id = kept;
	IF new_unsubscribe OR new_opt_out THEN
		UPDATE kam.Leads l SET unsubscribe_flag = l.unsubscribe_flag OR new_unsubscribe, opt_out_flag = l.opt_out_flag OR new_opt_out
		 WHERE l.lead_id = kam_unmerge_leads.loser;
	END IF;
	IF kept = undone.winner THEN
		UPDATE kam.Leads l
		   SET unsubscribe_flag = l.unsubscribe_flag AND (new_unsubscribe OR (undone.before #>> '{winner,unsubscribe_flag}')::boolean),
		       opt_out_flag = l.opt_out_flag AND (new_opt_out OR (undone.before #>> '{winner,opt_out_flag}')::boolean)
		 WHERE l.lead_id = kept;
	END IF;
	PERFORM kam._rebuild_state(kept);
	PERFORM kam._settle_lead(kept, at);
	IF present THEN
		PERFORM kam._rebuild_state(kam_unmerge_leads.loser);
		PERFORM kam._take_over(taken, kam_unmerge_leads.loser, at);
		PERFORM kam._settle_lead(kam_unmerge_leads.loser, at);
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION kam_unmerge_leads(text) IS 'Undoes kam_merge_leads: loser stands for itself again, with the leads that it stood for; flags that only the merge had set are cleared, an opt-out given meanwhile holds for both; what was going on in loser''s stead is asked for again for loser, also a sequence that both were in, as long as it goes on for winner. What was sent and told meanwhile stays in winner''s history. False when the lead is not merged. Example: SELECT kam.kam_unmerge_leads(''lead-2'');';

-- What follows when somebody else than the gate writes Leads, Suppression or Accounts: mostly a CRM sync.

-- ---- Suppression -----------------------------------------------------------------------

CREATE FUNCTION _suppression_normal() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	plain text := kam._address(NEW.address);
BEGIN
	-- Of who was erased: by the erasure itself, or a restore.
	IF NEW.address ~ '^sha256:[0-9a-f]{64}$' AND NEW.kind IS NOT NULL THEN
		RETURN NEW;
	END IF;
	IF plain IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not an address: %s', coalesce(quote_literal(NEW.address), 'NULL')),
			HINT = 'Give an e-mail address, a domain, a phone number with its country code, or a LinkedIn profile.';
	END IF;
	NEW.address := plain;
	NEW.kind := kam._address_kind(plain);
	IF TG_OP = 'INSERT' THEN
		-- Known by its hash is as good, and says less.
		IF EXISTS (SELECT FROM kam.Suppression s WHERE s.address <> plain AND s.address = ANY (kam._suppression_keys(ARRAY[plain]))) THEN
			RETURN NULL;
		END IF;
		-- Any other source outweighs a flag that a sync may clear again; and a dump's rows take the place of those that its leads just made.
		DELETE FROM kam.Suppression s WHERE s.address = plain AND s.source = 'lead_flag';
	ELSIF NEW.address <> OLD.address THEN
		NEW.settled_at := NULL;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _suppression_normal() IS 'Row trigger: writes the address normalised and tells its kind; 22023 for what is no address. An insert takes the place of a lead_flag row; an address whose person was erased is not written again.';
CREATE TRIGGER _suppression_normal BEFORE INSERT OR UPDATE OF address, kind ON Suppression FOR EACH ROW EXECUTE FUNCTION _suppression_normal();
-- The schedules end what the leads with the address have running.
CREATE TRIGGER _suppression_wake AFTER INSERT OR UPDATE ON Suppression FOR EACH STATEMENT EXECUTE FUNCTION _wake();

-- ---- flags of Leads ----------------------------------------------------------------------

CREATE FUNCTION _suppress_flagged(lead Leads) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	named text := (kam._lead_addresses(lead))[1];
BEGIN
	IF named IS NULL OR EXISTS (SELECT FROM kam.Suppression s WHERE s.address = named) THEN
		RETURN;
	END IF;
	INSERT INTO kam.Suppression (address, kind, source, reason)
	VALUES (named, kam._address_kind(named), 'lead_flag',
		format('%s of lead %s', CASE WHEN lead.opt_out_flag THEN 'opt_out_flag' ELSE 'unsubscribe_flag' END, lead.lead_id))
	ON CONFLICT (address) DO NOTHING;
END
$$;
COMMENT ON FUNCTION _suppress_flagged(Leads) IS 'Suppresses the address that names a flagged lead best: its e-mail, else phone, else profile.';

CREATE FUNCTION _lead_flagged() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	reason text := CASE WHEN NEW.opt_out_flag THEN 'opted_out' ELSE 'unsubscribed' END;
	canonical text := kam._canonical(NEW.lead_id);
BEGIN
	PERFORM kam._suppress_flagged(NEW);
	IF canonical <> NEW.lead_id THEN
		-- Its own trigger does the rest.
		UPDATE kam.Leads l SET unsubscribe_flag = l.unsubscribe_flag OR NEW.unsubscribe_flag, opt_out_flag = l.opt_out_flag OR NEW.opt_out_flag
		 WHERE l.lead_id = canonical AND (NEW.unsubscribe_flag AND NOT l.unsubscribe_flag OR NEW.opt_out_flag AND NOT l.opt_out_flag);
	ELSIF NOT kam._stop_lead(NEW.lead_id, reason, kam._now()) AND TG_OP = 'UPDATE' THEN
		PERFORM kam._rebuild_state(NEW.lead_id);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _lead_flagged() IS 'Row trigger on Leads: a flag that somebody sets has the effects of an unsubscribe or opt_out event: the address is suppressed (source lead_flag), sequences end, holds are cancelled; of a merged lead, those of the lead that stands for it.';
CREATE TRIGGER _lead_flagged AFTER UPDATE OF unsubscribe_flag, opt_out_flag ON Leads FOR EACH ROW
	WHEN (NEW.unsubscribe_flag AND NOT OLD.unsubscribe_flag OR NEW.opt_out_flag AND NOT OLD.opt_out_flag)
	EXECUTE FUNCTION _lead_flagged();
CREATE TRIGGER _lead_came_flagged AFTER INSERT ON Leads FOR EACH ROW
	WHEN (NEW.unsubscribe_flag OR NEW.opt_out_flag)
	EXECUTE FUNCTION _lead_flagged();

CREATE FUNCTION _lead_cleared() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF NOT NEW.unsubscribe_flag AND NOT NEW.opt_out_flag THEN
		-- Only what flags had suppressed, and of an address that no other flagged lead has.
		DELETE FROM kam.Suppression s
		 WHERE s.source = 'lead_flag' AND s.address = ANY (kam._lead_addresses(OLD) || kam._lead_addresses(NEW))
		   AND NOT EXISTS (SELECT FROM kam.Leads l WHERE kam._address(l.email) = s.address AND (l.unsubscribe_flag OR l.opt_out_flag))
		   AND NOT EXISTS (SELECT FROM kam.Leads l WHERE kam._address(l.phone) = s.address AND (l.unsubscribe_flag OR l.opt_out_flag))
		   AND NOT EXISTS (SELECT FROM kam.Leads l WHERE kam._address(l.linkedin_url) = s.address AND (l.unsubscribe_flag OR l.opt_out_flag));
	END IF;
	IF kam._canonical(NEW.lead_id) = NEW.lead_id THEN
		PERFORM kam._rebuild_state(NEW.lead_id);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _lead_cleared() IS 'Row trigger on Leads: a flag that somebody clears lifts what it had suppressed itself (source lead_flag), nothing else, and revives nothing.';
CREATE TRIGGER _lead_cleared AFTER UPDATE OF unsubscribe_flag, opt_out_flag ON Leads FOR EACH ROW
	WHEN (OLD.unsubscribe_flag AND NOT NEW.unsubscribe_flag OR OLD.opt_out_flag AND NOT NEW.opt_out_flag)
	EXECUTE FUNCTION _lead_cleared();

-- ---- addresses of Leads ---------------------------------------------------------------------

CREATE FUNCTION _lead_moved() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	addresses text[] := kam._lead_addresses(NEW);
	said text;
BEGIN
	IF NEW.unsubscribe_flag OR NEW.opt_out_flag THEN
		PERFORM kam._suppress_flagged(NEW);
		RETURN NULL;
	END IF;
	IF cardinality(kam._lead_addresses(OLD)) = 0 AND cardinality(addresses) > 0 THEN
		-- What the person said while there was no address to suppress holds for the first that comes.
		SELECT e.event_type INTO said
		  FROM kam.CadenceEventLog e
		 WHERE e.lead_id = ANY (kam._lead_ids(NEW.lead_id)) AND e.event_type IN ('opt_out', 'unsubscribe')
		 ORDER BY e.event_id DESC LIMIT 1;
		IF FOUND THEN
			INSERT INTO kam.Suppression (address, kind, source) VALUES (addresses[1], kam._address_kind(addresses[1]), said)
			ON CONFLICT (address) DO NOTHING;
			PERFORM kam._rebuild_state(NEW.lead_id);
		END IF;
	END IF;
	-- The schedules have settled the new address long ago.
	IF kam._canonical(NEW.lead_id) = NEW.lead_id
	   AND EXISTS (SELECT FROM kam.Suppression s WHERE s.address = ANY (kam._suppression_keys(addresses || kam._address_domain(NEW.email)))) THEN
		PERFORM kam._stop_lead(NEW.lead_id, 'suppressed', kam._now());
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _lead_moved() IS 'Row trigger on Leads: a flagged lead''s new address is suppressed too; a lead that takes on a suppressed address is stopped.';
CREATE TRIGGER _lead_moved AFTER UPDATE OF email, phone, linkedin_url ON Leads FOR EACH ROW
	WHEN ((OLD.email, OLD.phone, OLD.linkedin_url) IS DISTINCT FROM (NEW.email, NEW.phone, NEW.linkedin_url))
	EXECUTE FUNCTION _lead_moved();

-- ---- coming and going -------------------------------------------------------------------------

CREATE FUNCTION _leads_came() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	UPDATE kam.Leads l SET merged_into = a.canonical_id
	  FROM kam.lead_alias a
	 WHERE l.lead_id = a.lead_id AND l.lead_id IN (SELECT c.lead_id FROM came c) AND l.merged_into IS DISTINCT FROM a.canonical_id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _leads_came() IS 'Statement trigger on Leads: a merged lead that a sync brings back stays merged.';
CREATE TRIGGER _leads_came AFTER INSERT ON Leads REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION _leads_came();

CREATE FUNCTION _lead_renamed() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
		MESSAGE = format('lead "%s" cannot become "%s"', OLD.lead_id, NEW.lead_id),
		HINT = format('Insert the new lead, then SELECT kam.kam_merge_leads(%L, %L): its history goes along.', OLD.lead_id, NEW.lead_id);
END
$$;
COMMENT ON FUNCTION _lead_renamed() IS 'Row trigger on Leads: the key of a lead is that of its history and stays.';
CREATE TRIGGER _lead_renamed BEFORE UPDATE OF lead_id ON Leads FOR EACH ROW WHEN (NEW.lead_id <> OLD.lead_id) EXECUTE FUNCTION _lead_renamed();

CREATE FUNCTION _lead_deleted() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	PERFORM kam._end_enrolments(OLD.lead_id, NULL, 'lead_deleted', kam._now(), true);
	PERFORM kam._cancel_holds(OLD.lead_id, NULL, 'lead_deleted', kam._now());
	UPDATE kam.CadenceFlag f SET closed_at = kam._now() WHERE f.lead_id = OLD.lead_id AND f.closed_at IS NULL;
	DELETE FROM kam.prospect_state s WHERE s.lead_id = OLD.lead_id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _lead_deleted() IS 'Row trigger on Leads: sequences end, holds are cancelled, flags close. The log, Suppression and merges stay.';
CREATE TRIGGER _lead_deleted AFTER DELETE ON Leads FOR EACH ROW EXECUTE FUNCTION _lead_deleted();

CREATE FUNCTION _leads_emptied() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	TRUNCATE kam.prospect_state;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _leads_emptied() IS 'Statement trigger on Leads: when it is truncated, states are derived again for the leads that come back; what they have running goes on.';
CREATE TRIGGER _leads_emptied AFTER TRUNCATE ON Leads FOR EACH STATEMENT EXECUTE FUNCTION _leads_emptied();

-- ---- Accounts ------------------------------------------------------------------------------------

CREATE FUNCTION _accounts_changed() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	INSERT INTO kam.notification (recipient, topic, payload)
	SELECT s.agent, 'abm_active_suppression',
	       jsonb_build_object('accounts', jsonb_agg(DISTINCT s.account_id), 'sequences', count(*),
	           'leads', to_jsonb((array_agg(DISTINCT s.lead_id))[:100]), 'lead_count', count(DISTINCT s.lead_id))
	  FROM (SELECT coalesce(c.originating_agent, 'AGT-304') AS agent, l.account_id, l.lead_id
	          FROM after a
	          JOIN before b USING (account_id)
	          JOIN kam.Leads l ON l.account_id = a.account_id
	          JOIN kam.Cadence c ON c.lead_id = l.lead_id AND c.sequence_type = 'nurture' AND c.state <> 'finished'
	         WHERE a.abm_active AND NOT b.abm_active) s
	 GROUP BY s.agent
	 ORDER BY s.agent;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _accounts_changed() IS 'Statement trigger on Accounts: when account-based marketing begins, each agent with nurture sequences there is told once that gate 2 blocks them from now on. The sequences themselves are left as they are.';
CREATE TRIGGER _accounts_changed AFTER UPDATE ON Accounts REFERENCING OLD TABLE AS before NEW TABLE AS after
	FOR EACH STATEMENT EXECUTE FUNCTION _accounts_changed();

-- Leads and Accounts follow the tables that a CRM is synced into: which column becomes what is data (crm_mapping), two row triggers do the rest.
--
-- They run inside the sync's transaction, which no value of a row may break: what cannot be read is left out and noted with the lead.  A trigger that is
-- set up wrongly does raise: nobody would ever notice it otherwise.  Columns that are kam's own (cadence_state to last_touch_at, merged_into) are never written.

-- ---- the mapping --------------------------------------------------------------------

CREATE FUNCTION _crm_fields() RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN '{
		"lead": {"lead_id": "text", "account_id": "text", "full_name": "text", "job_title": "text", "email": "text", "phone": "text", "linkedin_url": "text",
			"owner_id": "text", "icp_tier": "tier", "time_zone": "zone", "unsubscribe_flag": "opt_out", "opt_out_flag": "opt_out",
			"sales_signal_at": "time", "marketing_signal_at": "time"},
		"account": {"account_id": "text", "name": "text", "icp_tier": "tier", "abm_active": "boolean", "owner_id": "text"}
	}'::jsonb;
COMMENT ON FUNCTION _crm_fields() IS 'What a sync may write, and how each field is read; besides these attributes.… as they come.';

CREATE FUNCTION _crm_is_field(target text, field text) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN coalesce(_crm_fields() -> target ? field OR _crm_fields() ? target AND field ~ '^attributes\.[^=]', false);
COMMENT ON FUNCTION _crm_is_field(text, text) IS 'Whether a sync may write this field.';

CREATE TABLE crm_mapping (
	mapping			text NOT NULL CHECK (mapping <> ''),
	target			text NOT NULL,
	field			text NOT NULL,
	sources			text[] NOT NULL CHECK (array_position(sources, NULL) IS NULL AND array_position(sources, '') IS NULL),
	words			object_jsonb NOT NULL DEFAULT '{}',
	builtin			boolean NOT NULL DEFAULT false,
	PRIMARY KEY (mapping, target, field),
	CHECK (kam._crm_is_field(target, field))
);
COMMENT ON TABLE crm_mapping IS 'From which columns of a sync table each field of Leads and Accounts comes, by the shape that kam_lead_on_change() and kam_account_on_change() are told. Add rows for a shape of your own; give a row that came with the extension empty sources rather than delete it: deleted ones come back with a restore. Example: INSERT INTO kam.crm_mapping (mapping, target, field, sources) VALUES (''hubspot'', ''lead'', ''attributes.seats'', ''{"properties,seats"}'');';
COMMENT ON COLUMN crm_mapping.mapping IS 'The shape: hubspot, salesforce, pipedrive, or one of your own.';
COMMENT ON COLUMN crm_mapping.target IS 'lead or account.';
COMMENT ON COLUMN crm_mapping.field IS 'A column of Leads or Accounts that is not kam''s own, or attributes.… for a key of attributes.';
COMMENT ON COLUMN crm_mapping.sources IS 'Where it is looked for, in order; the first that is not empty wins. A column, whatever its case, or after commas a path into its jsonb: properties,email.';
COMMENT ON COLUMN crm_mapping.words IS 'What values of this CRM mean, by the value in lower case: {"tier_1": "T1", "unsubscribed": true}.';
COMMENT ON COLUMN crm_mapping.builtin IS 'Came with the extension and was not changed since.';

-- A property of HubSpot stands in the properties of its API, or in a column of its own: property_ (Fivetran), properties_ (Airbyte), or bare.
INSERT INTO crm_mapping (mapping, target, field, sources, words, builtin)
SELECT 'hubspot', p.target, p.field, ARRAY(SELECT v.prefix || n.name FROM unnest(p.properties) WITH ORDINALITY n (name, n),
		unnest('{"properties,",property_,properties_,""}'::text[]) WITH ORDINALITY v (prefix, n) ORDER BY n.n, v.n), p.words::jsonb, true
  FROM (VALUES
	('lead', 'lead_id', '{id,hs_object_id,vid}'::text[], '{}'),
	('lead', 'account_id', '{associatedcompanyid}', '{}'),
	('lead', 'attributes.first_name', '{firstname}', '{}'),
	('lead', 'attributes.last_name', '{lastname}', '{}'),
	('lead', 'job_title', '{jobtitle}', '{}'),
	('lead', 'email', '{email}', '{}'),
	('lead', 'phone', '{phone,mobilephone}', '{}'),
	('lead', 'linkedin_url', '{hs_linkedin_url}', '{}'),
	('lead', 'owner_id', '{hubspot_owner_id}', '{}'),
	('lead', 'time_zone', '{hs_timezone}', '{}'),
	('lead', 'unsubscribe_flag', '{hs_email_optout}', '{}'),
	('lead', 'opt_out_flag', '{do_not_contact}', '{}'),
	('account', 'account_id', '{id,hs_object_id,companyid}', '{}'),
	('account', 'name', '{name}', '{}'),
	('account', 'icp_tier', '{hs_ideal_customer_profile}', '{"tier_1": "T1", "tier_2": "T2", "tier_3": "T3"}'),
	('account', 'abm_active', '{hs_is_target_account}', '{}'),
	('account', 'owner_id', '{hubspot_owner_id}', '{}')) p (target, field, properties, words);

INSERT INTO crm_mapping (mapping, target, field, sources, words, builtin) VALUES
	('salesforce', 'lead', 'lead_id', '{Id}', '{}', true),
	('salesforce', 'lead', 'account_id', '{AccountId,account_id}', '{}', true),
	('salesforce', 'lead', 'full_name', '{Name}', '{}', true),
	('salesforce', 'lead', 'attributes.first_name', '{FirstName,first_name}', '{}', true),
	('salesforce', 'lead', 'attributes.last_name', '{LastName,last_name}', '{}', true),
	('salesforce', 'lead', 'attributes.do_not_call', '{DoNotCall,do_not_call}', '{"true": true, "false": false}', true),
	('salesforce', 'lead', 'job_title', '{Title}', '{}', true),
	('salesforce', 'lead', 'email', '{Email}', '{}', true),
	('salesforce', 'lead', 'phone', '{Phone,MobilePhone,mobile_phone}', '{}', true),
	('salesforce', 'lead', 'linkedin_url', '{LinkedIn__c,LinkedIn_URL__c}', '{}', true),
	('salesforce', 'lead', 'owner_id', '{OwnerId,owner_id}', '{}', true),
	('salesforce', 'lead', 'time_zone', '{TimeZone__c,Time_Zone__c}', '{}', true),
	('salesforce', 'lead', 'unsubscribe_flag', '{HasOptedOutOfEmail,has_opted_out_of_email}', '{}', true),
	('salesforce', 'lead', 'opt_out_flag', '{DoNotContact__c,Do_Not_Contact__c}', '{}', true),
	('salesforce', 'account', 'account_id', '{Id}', '{}', true),
	('salesforce', 'account', 'name', '{Name}', '{}', true),
	('salesforce', 'account', 'icp_tier', '{ICP_Tier__c}', '{}', true),
	('salesforce', 'account', 'abm_active', '{ABM_Active__c}', '{}', true),
	('salesforce', 'account', 'owner_id', '{OwnerId,owner_id}', '{}', true),

	('pipedrive', 'lead', 'lead_id', '{id}', '{}', true),
	('pipedrive', 'lead', 'account_id', '{org_id}', '{}', true),
	('pipedrive', 'lead', 'full_name', '{name}', '{}', true),
	('pipedrive', 'lead', 'attributes.first_name', '{first_name}', '{}', true),
	('pipedrive', 'lead', 'attributes.last_name', '{last_name}', '{}', true),
	('pipedrive', 'lead', 'job_title', '{job_title}', '{}', true),
	('pipedrive', 'lead', 'email', '{email,emails,primary_email}', '{}', true),
	('pipedrive', 'lead', 'phone', '{phone,phones}', '{}', true),
	('pipedrive', 'lead', 'linkedin_url', '{linkedin,linkedin_url}', '{}', true),
	('pipedrive', 'lead', 'owner_id', '{owner_id}', '{}', true),
	('pipedrive', 'lead', 'time_zone', '{timezone}', '{}', true),
	-- no_consent is what a person begins with, archived an address that bounced: neither is a word of the person's.
	('pipedrive', 'lead', 'unsubscribe_flag', '{marketing_status}', '{"unsubscribed": true, "subscribed": false, "no_consent": false, "archived": false}', true),
	('pipedrive', 'lead', 'opt_out_flag', '{do_not_contact}', '{}', true),
	('pipedrive', 'account', 'account_id', '{id}', '{}', true),
	('pipedrive', 'account', 'name', '{name}', '{}', true),
	('pipedrive', 'account', 'icp_tier', '{icp_tier}', '{}', true),
	('pipedrive', 'account', 'abm_active', '{abm_active}', '{}', true),
	('pipedrive', 'account', 'owner_id', '{owner_id}', '{}', true);

-- ---- reading a row --------------------------------------------------------------------

-- PostgreSQL folds the names of columns that nobody quoted.
CREATE FUNCTION _crm_folded(entry jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN (SELECT coalesce(jsonb_object_agg(lower(e.key), e.value ORDER BY e.key = lower(e.key)), '{}') FROM jsonb_each(entry) e);
COMMENT ON FUNCTION _crm_folded(jsonb) IS 'A row, or an object in its stead, with its outermost keys in lower case.';

CREATE FUNCTION _crm_path(source text) RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN lower(split_part(source, ',', 1)) || (string_to_array(source, ','))[2:];
COMMENT ON FUNCTION _crm_path(text) IS 'A source of crm_mapping as a path into a folded row.';

CREATE FUNCTION _crm_text(value jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF jsonb_typeof(value) = 'array' THEN
		value := (SELECT e.value FROM jsonb_array_elements(value) WITH ORDINALITY e (value, n)
		           WHERE kam._crm_text(e.value) IS NOT NULL ORDER BY e.value -> 'primary' IS NOT DISTINCT FROM 'true' DESC, e.n LIMIT 1);
	END IF;
	IF jsonb_typeof(value) = 'object' THEN
		IF NOT value ?| '{value,id}' AND value <> '{}' THEN
			RETURN value::text;
		END IF;
		value := coalesce(value -> 'value', value -> 'id');
	END IF;
	RETURN CASE jsonb_typeof(value)
		WHEN 'number' THEN trim_scale(value::numeric)::text
		WHEN 'string' THEN nullif(btrim(value #>> '{}'), '')
		WHEN 'boolean' THEN value #>> '{}' END;
END
$$;
COMMENT ON FUNCTION _crm_text(jsonb) IS 'A value as a CRM means it: of several the primary one, else the first that is not empty; of an object its value or id, or else its own text. NULL for an empty one.';

CREATE FUNCTION _crm_time(written text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN CASE WHEN written ~ '^\d{4}-\d\d-\d\d' THEN written::timestamptz
	            WHEN written ~ '^\d{12,13}$' THEN to_timestamp(written::numeric / 1000) END;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _crm_time(text) IS 'A time as a CRM writes it: ISO 8601, or milliseconds since 1970; NULL when it is none.';

CREATE FUNCTION _crm_as(kind text, written text) RETURNS jsonb
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN CASE kind
		-- An object that is no reference to anything is no name either.
		WHEN 'text' THEN CASE WHEN written NOT LIKE '{"%' THEN to_jsonb(written) END
		WHEN 'tier' THEN to_jsonb(substring(upper(written) FROM '^T[123]$'))
		-- HubSpot's names of zones have no slash: europe_slash_paris.
		WHEN 'zone' THEN to_jsonb(kam._zone(CASE WHEN strpos(written, '_slash_') > 0 THEN initcap(replace(written, '_slash_', '/')) ELSE written END))
		WHEN 'time' THEN to_jsonb(kam._crm_time(written))
		ELSE CASE WHEN lower(written) = ANY ('{true,t,yes,y,on,1}') THEN 'true'::jsonb
		          WHEN lower(written) = ANY ('{false,f,no,n,off,0}') THEN 'false' END
	END;
END
$$;
COMMENT ON FUNCTION _crm_as(text, text) IS 'A value of one of the kinds of _crm_fields(); NULL for what cannot be read.';

CREATE FUNCTION _crm_plan(relation regclass, target text, mapping text, options text[], has jsonb)
	RETURNS TABLE (field text, kind text, sources text[], words jsonb)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	bad text;
BEGIN
	IF NOT EXISTS (SELECT FROM kam.crm_mapping m WHERE m.mapping = _crm_plan.mapping AND m.target = _crm_plan.target) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = CASE WHEN _crm_plan.mapping IS NULL THEN format('kam_%s_on_change needs the name of a mapping', _crm_plan.target)
			               ELSE format('there is no mapping "%s" for %ss', _crm_plan.mapping, _crm_plan.target) END,
			HINT = format('Mappings are the rows of kam.crm_mapping: %s.', (SELECT string_agg(DISTINCT quote_literal(m.mapping), ', ')
			                                                                FROM kam.crm_mapping m WHERE m.target = _crm_plan.target));
	END IF;
	IF cardinality(options) > 0 THEN
		SELECT o INTO bad FROM unnest(options) o
		 WHERE NOT (strpos(o, '=') > 0 AND kam._crm_is_field(_crm_plan.target, split_part(o, '=', 1)) OR o LIKE 'row=_%') LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('unknown argument "%s" of kam_%s_on_change', bad, _crm_plan.target),
				HINT = format('After the mapping come field=column or field=column,key, and row=column. Fields are %s and attributes.….',
					(SELECT string_agg(f.name, ', ' ORDER BY f.name) FROM jsonb_object_keys(kam._crm_fields() -> _crm_plan.target) f (name)));
		END IF;
		-- Of a row that lies in a jsonb nobody can say which keys it ought to have.
		SELECT split_part(s.path, ',', 1) INTO bad
		  FROM unnest(options) o CROSS JOIN LATERAL (SELECT substr(o, strpos(o, '=') + 1)) s (path)
		 WHERE s.path <> '' AND NOT has ? (kam._crm_path(s.path))[1] AND (o LIKE 'row=%' OR NOT EXISTS (SELECT FROM unnest(options) r WHERE r LIKE 'row=%')) LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'undefined_column',
				MESSAGE = format('column "%s" of relation "%s" does not exist', bad, relation),
				HINT = format('An argument of kam_%s_on_change names it; keys within a column follow after a comma: properties,email.', _crm_plan.target);
		END IF;
	END IF;

	RETURN QUERY
	WITH asked AS (
		SELECT split_part(o, '=', 1) AS field, coalesce(array_agg(s.path ORDER BY u.n) FILTER (WHERE s.path <> ''), '{}') AS sources
		  FROM unnest(options) WITH ORDINALITY u (o, n) CROSS JOIN LATERAL (SELECT substr(o, strpos(o, '=') + 1)) s (path)
		 WHERE o NOT LIKE 'row=%'
		 GROUP BY 1
	), mapped AS (
		SELECT m.field, m.sources, m.words FROM kam.crm_mapping m WHERE m.mapping = _crm_plan.mapping AND m.target = _crm_plan.target
	)
	SELECT p.field, coalesce(kam._crm_fields() -> _crm_plan.target ->> p.field, 'any'),
	       ARRAY(SELECT s.path FROM unnest(p.sources) WITH ORDINALITY s (path, n) WHERE has IS NULL OR has ? lower(split_part(s.path, ',', 1)) ORDER BY s.n),
	       p.words
	  FROM (SELECT coalesce(a.field, m.field), coalesce(a.sources, m.sources), coalesce(m.words::jsonb, '{}')
	          FROM mapped m FULL JOIN asked a ON a.field = m.field) p (field, sources, words);
END
$$;
COMMENT ON FUNCTION _crm_plan(regclass, text, text, text[], jsonb) IS 'Each field of a mapping with those of its sources that a table or row has, with all when has is NULL; what the trigger''s options name goes before the mapping. 22023 for an unknown mapping or argument, 42703 for an unknown column.';

CREATE FUNCTION _crm_read(relation regclass, target text, mapping text, options text[], entry jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	key CONSTANT text := _crm_read.target || '_id';
	whole jsonb := kam._crm_folded(entry);
	within CONSTANT text := (SELECT lower(substr(o, 5)) FROM unnest(options) o WHERE o LIKE 'row=%' LIMIT 1);
	said jsonb := '{}';
	attributes jsonb := '{}';
	unread jsonb := '{}';
	has_key boolean := within IS NOT NULL;
	f record;
	meant jsonb;
BEGIN
	IF jsonb_typeof(whole -> within) = 'object' THEN
		whole := whole || kam._crm_folded(whole -> within);
	END IF;

	FOR f IN
		SELECT p.field, p.kind, p.sources, p.words, s.value, s.written
		  FROM kam._crm_plan(relation, _crm_read.target, _crm_read.mapping, options, whole) p
		  -- The first source that says something; of opt-outs the first that does not say no.
		  LEFT JOIN LATERAL (
			SELECT v.value, t.written
			  FROM unnest(p.sources) WITH ORDINALITY u (path, n)
			 CROSS JOIN LATERAL (SELECT whole #> kam._crm_path(u.path)) v (value)
			 CROSS JOIN LATERAL (SELECT kam._crm_text(v.value) OFFSET 0) t (written)
			 WHERE v.value IS NOT NULL
			 ORDER BY t.written IS NULL AND NOT (p.kind = 'any' AND jsonb_typeof(v.value) IN ('array', 'object')),
			          p.kind = 'opt_out' AND coalesce(p.words -> lower(t.written), kam._crm_as('boolean', t.written)) IS NOT DISTINCT FROM 'false', u.n
			 LIMIT 1) s ON true
		 WHERE s.value IS NOT NULL OR p.field = key
	LOOP
		has_key := has_key OR f.field = key AND cardinality(f.sources) > 0;
		meant := CASE WHEN f.written IS NULL AND f.kind <> 'any' THEN 'null'
		              WHEN f.words ? lower(f.written) THEN f.words -> lower(f.written)
		              WHEN jsonb_typeof(f.value) = 'string' AND f.kind = 'any' THEN coalesce(to_jsonb(f.written), 'null')
		              WHEN f.kind = 'any' THEN f.value
		              ELSE kam._crm_as(f.kind, f.written) END;
		IF meant IS NULL THEN
			unread := unread || jsonb_build_object(f.field, f.written);
			-- Who fills in such a field means something by it.
			CONTINUE WHEN f.kind <> 'opt_out';
			meant := 'true';
		END IF;
		IF f.kind = 'any' THEN
			attributes := attributes || jsonb_build_object(substr(f.field, length('attributes.') + 1), meant);
		ELSIF f.kind = 'boolean' THEN
			said := said || jsonb_build_object(f.field, meant = 'true');
		-- The CRM sets an opt-out and never lifts one.
		ELSIF f.kind <> 'opt_out' OR meant = 'true' THEN
			said := said || jsonb_build_object(f.field, meant);
		END IF;
	END LOOP;

	IF NOT has_key THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_column',
			MESSAGE = format('relation "%s" has none of the columns that hold %s in the mapping "%s"', relation, key, _crm_read.mapping),
			HINT = format('Name it as an argument: ''%s=column''.', key);
	ELSIF said ->> key IS NULL THEN
		RAISE WARNING USING MESSAGE = format('a row of "%s" has no %s: it is left out', relation, key);
		RETURN CASE WHEN 'true' IN (said ->> 'unsubscribe_flag', said ->> 'opt_out_flag') THEN said END;
	END IF;
	IF _crm_read.target = 'lead' AND said ->> 'full_name' IS NULL AND attributes ?| '{first_name,last_name}' THEN
		said := said || jsonb_build_object('full_name', nullif(concat_ws(' ', attributes ->> 'first_name', attributes ->> 'last_name'), ''));
	END IF;
	RETURN said || jsonb_build_object('attributes', attributes || jsonb_build_object('crm_unread', nullif(unread, '{}')));
END
$$;
COMMENT ON FUNCTION _crm_read(regclass, text, text, text[], jsonb) IS 'What a row of a sync table says of a lead or account, by field. A field that the row does not have is absent, an empty one null; what cannot be read is absent and stands in attributes.crm_unread, but an opt-out that cannot be read is one. NULL, with a WARNING, for a row without a key, unless it carries an opt-out.';

CREATE FUNCTION _crm_attributes(known jsonb, said jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN (known || said) - ARRAY(SELECT s.key FROM jsonb_each(said) s WHERE s.value = 'null');
COMMENT ON FUNCTION _crm_attributes(jsonb, jsonb) IS 'Attributes with what a row says of them; an empty one goes.';

-- ---- the triggers ------------------------------------------------------------------------

CREATE FUNCTION _crm_fires(called text, tg_when text, tg_level text, tg_op text) RETURNS boolean
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF tg_when <> 'AFTER' OR tg_level <> 'ROW' THEN
		RAISE EXCEPTION USING ERRCODE = 'trigger_protocol_violated',
			MESSAGE = format('%s must be an AFTER INSERT OR UPDATE trigger FOR EACH ROW', called);
	END IF;
	-- A sync that loads a table anew deletes first: nobody is forgotten for that.
	RETURN tg_op <> 'DELETE';
END
$$;
COMMENT ON FUNCTION _crm_fires(text, text, text, text) IS 'Refuses a trigger of another kind (39P01); false for a deletion, which means nothing.';

CREATE FUNCTION kam_lead_on_change() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	said jsonb;
	lead kam.Leads;
	wanted kam.Leads;
	known boolean;
	locked boolean := false;
BEGIN
	IF NOT kam._crm_fires('kam_lead_on_change', TG_WHEN, TG_LEVEL, TG_OP) THEN
		RETURN NULL;
	END IF;
	said := kam._crm_read(TG_RELID, 'lead', TG_ARGV[0], TG_ARGV[1:], to_jsonb(NEW));
	IF said ->> 'lead_id' IS NULL THEN
		-- Nobody's row may be somebody's word.
		PERFORM kam.kam_unsubscribe(a.address, 'crm')
		   FROM (SELECT coalesce(kam._address(said ->> 'email'), kam._address(said ->> 'phone'), kam._address(said ->> 'linkedin_url')) AS address) a
		  WHERE a.address IS NOT NULL;
		RETURN NULL;
	END IF;
	-- Looked at without a lock first: most of what a sync brings is known.
	LOOP
		SELECT l.* INTO lead FROM kam.Leads l WHERE l.lead_id = said ->> 'lead_id';
		known := FOUND;
		IF NOT known THEN
			lead := jsonb_populate_record(NULL::kam.Leads, '{"unsubscribe_flag": false, "opt_out_flag": false, "attributes": {}}');
		END IF;
		wanted := jsonb_populate_record(lead, said - 'attributes');
		wanted.attributes := kam._crm_attributes(lead.attributes, said -> 'attributes');
		wanted.sales_signal_at := greatest(lead.sales_signal_at, wanted.sales_signal_at);
		wanted.marketing_signal_at := greatest(lead.marketing_signal_at, wanted.marketing_signal_at);
		EXIT WHEN known AND wanted IS NOT DISTINCT FROM lead;

		-- The company may come later.
		IF wanted.account_id IS NOT NULL AND NOT EXISTS (SELECT FROM kam.Accounts a WHERE a.account_id = wanted.account_id) THEN
			INSERT INTO kam.Accounts (account_id) VALUES (wanted.account_id) ON CONFLICT (account_id) DO NOTHING;
		END IF;
		IF NOT known THEN
			INSERT INTO kam.Leads (lead_id, account_id, full_name, job_title, email, phone, linkedin_url, owner_id, icp_tier, time_zone,
				unsubscribe_flag, opt_out_flag, sales_signal_at, marketing_signal_at, attributes)
			VALUES (wanted.lead_id, wanted.account_id, wanted.full_name, wanted.job_title, wanted.email, wanted.phone, wanted.linkedin_url, wanted.owner_id,
				wanted.icp_tier, wanted.time_zone, wanted.unsubscribe_flag, wanted.opt_out_flag, wanted.sales_signal_at, wanted.marketing_signal_at, wanted.attributes)
			ON CONFLICT (lead_id) DO NOTHING;
			EXIT WHEN FOUND;
		ELSIF locked THEN
			UPDATE kam.Leads l
			   SET (account_id, full_name, job_title, email, phone, linkedin_url, owner_id, icp_tier, time_zone,
			        unsubscribe_flag, opt_out_flag, sales_signal_at, marketing_signal_at, attributes)
			     = (wanted.account_id, wanted.full_name, wanted.job_title, wanted.email, wanted.phone, wanted.linkedin_url, wanted.owner_id, wanted.icp_tier, wanted.time_zone,
			        wanted.unsubscribe_flag, wanted.opt_out_flag, wanted.sales_signal_at, wanted.marketing_signal_at, wanted.attributes)
			 WHERE l.lead_id = wanted.lead_id;
			EXIT;
		END IF;
		-- With the lead that stands for it, which an opt-out stops too: in the order that everybody locks leads in.
		PERFORM FROM kam.Leads l WHERE l.lead_id IN (wanted.lead_id, kam._canonical(wanted.lead_id)) ORDER BY l.lead_id FOR NO KEY UPDATE;
		locked := true;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION kam_lead_on_change() IS 'Row trigger for a table of contacts that a CRM is synced into: Leads follows it, in the same transaction. Arguments: a mapping (hubspot, salesforce, pipedrive, or one of your own in crm_mapping); then field=column, or field=column,key for a value within a jsonb, instead of the mapping''s sources (several for one field are tried in order; field= leaves it alone), and row=column when the row lies in a jsonb. An opt-out ends sequences and cancels holds at once; no value of the CRM lifts one. A field that the row does not have is left alone, an empty one becomes empty; what cannot be read is left out and stands in attributes.crm_unread, but an opt-out that cannot be read is one. A deleted row changes nothing. Wrong arguments raise 22023, 42703 or 39P01 with the first row. Example: CREATE TRIGGER kam AFTER INSERT OR UPDATE ON hubspot_contacts FOR EACH ROW EXECUTE FUNCTION kam.kam_lead_on_change(''hubspot'', ''attributes.seats=properties,seats'');';

CREATE FUNCTION kam_account_on_change() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	said jsonb;
	account kam.Accounts;
	wanted kam.Accounts;
	known boolean;
	locked boolean := false;
BEGIN
	IF NOT kam._crm_fires('kam_account_on_change', TG_WHEN, TG_LEVEL, TG_OP) THEN
		RETURN NULL;
	END IF;
	said := kam._crm_read(TG_RELID, 'account', TG_ARGV[0], TG_ARGV[1:], to_jsonb(NEW));
	IF said IS NULL THEN
		RETURN NULL;
	END IF;
	LOOP
		SELECT a.* INTO account FROM kam.Accounts a WHERE a.account_id = said ->> 'account_id';
		known := FOUND;
		IF NOT known THEN
			account := jsonb_populate_record(NULL::kam.Accounts, '{"abm_active": false, "attributes": {}}');
		END IF;
		wanted := jsonb_populate_record(account, said - 'attributes');
		wanted.attributes := kam._crm_attributes(account.attributes, said -> 'attributes');
		EXIT WHEN known AND wanted IS NOT DISTINCT FROM account;

		IF NOT known THEN
			INSERT INTO kam.Accounts (account_id, name, icp_tier, abm_active, owner_id, attributes)
			VALUES (wanted.account_id, wanted.name, wanted.icp_tier, wanted.abm_active, wanted.owner_id, wanted.attributes)
			ON CONFLICT (account_id) DO NOTHING;
			EXIT WHEN FOUND;
		ELSIF locked THEN
			UPDATE kam.Accounts a
			   SET (name, icp_tier, abm_active, owner_id, attributes)
			     = (wanted.name, wanted.icp_tier, wanted.abm_active, wanted.owner_id, wanted.attributes)
			 WHERE a.account_id = wanted.account_id;
			EXIT;
		END IF;
		PERFORM FROM kam.Accounts a WHERE a.account_id = wanted.account_id FOR NO KEY UPDATE;
		locked := true;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION kam_account_on_change() IS 'Row trigger for a table of companies that a CRM is synced into: Accounts follows it, in the same transaction. Arguments as those of kam_lead_on_change(). Example: CREATE TRIGGER kam AFTER INSERT OR UPDATE ON hubspot_companies FOR EACH ROW EXECUTE FUNCTION kam.kam_account_on_change(''hubspot'', ''icp_tier=properties,fit'');';

CREATE FUNCTION kam_crm_check(relation regclass) RETURNS TABLE (trigger_name name, target text, field text, source text)
	LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	columns jsonb := (SELECT jsonb_object_agg(lower(a.attname), NULL) FROM pg_attribute a
	                   WHERE a.attrelid = kam_crm_check.relation AND a.attnum > 0 AND NOT a.attisdropped);
	t record;
BEGIN
	FOR t IN
		SELECT g.tgname, substring(p.proname FROM 'kam_(lead|account)_') AS target,
		       ARRAY(SELECT convert_from(decode(a.arg, 'escape'), 'UTF8')
		               FROM regexp_split_to_table(encode(g.tgargs, 'escape'), '\\000') WITH ORDINALITY a (arg, n) WHERE a.n <= g.tgnargs ORDER BY a.n) AS args
		  FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
		 WHERE g.tgrelid = kam_crm_check.relation AND g.tgfoid IN ('kam.kam_lead_on_change()'::regprocedure, 'kam.kam_account_on_change()'::regprocedure)
		 ORDER BY g.tgname
	LOOP
		PERFORM kam._crm_plan(kam_crm_check.relation, t.target, t.args[1], t.args[2:], columns);
		RETURN QUERY
		SELECT t.tgname, t.target, p.field, array_to_string(p.sources, ' ')
		  FROM kam._crm_plan(kam_crm_check.relation, t.target, t.args[1], t.args[2:],
		       CASE WHEN NOT EXISTS (SELECT FROM unnest(t.args[2:]) o WHERE o LIKE 'row=%') THEN columns END) p
		 ORDER BY p.field;
	END LOOP;
END
$$;
COMMENT ON FUNCTION kam_crm_check(regclass) IS 'What the triggers kam_lead_on_change() and kam_account_on_change() of a sync table read: each field with those of its sources that the table has, in the order they are tried; empty when it has none. Which keys a jsonb has is known with a row only: of them, and with row=column, all stand there. Raises what the triggers would for their arguments. Example: SELECT field, source FROM kam.kam_crm_check(''hubspot_contacts'');';

-- The schedules of the Coordinator: what is due is released, expired, settled and ended; flags are opened, escalated and closed.  kam_tick() and the
-- worker go through the same functions.
--
-- A tick never waits for a lead's row, nor for a row of Cadence or Suppression: what somebody else holds at the moment is passed over and found
-- again next time.  So it cannot deadlock with the gate, in whatever order that takes leads.  Each item has a subtransaction of its own, which also
-- takes the lead's lock: taken outside, every later write in the subtransaction would cost a multixact.

-- ---- business days ---------------------------------------------------------------

CREATE FUNCTION _business_days_after("from" timestamptz, days integer, zone text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	start timestamp;
	last date;
	left_over integer := days;
BEGIN
	IF days < 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('days must not be negative: %s', days);
	END IF;
	IF NOT isfinite("from") THEN
		RAISE EXCEPTION USING ERRCODE = 'datetime_field_overflow', MESSAGE = 'a moment must be finite';
	END IF;
	start := "from" AT TIME ZONE zone;
	last := start::date;
	WHILE left_over > 0 LOOP
		last := last + 1;
		IF last - start::date > 3660 THEN
			RAISE EXCEPTION USING ERRCODE = 'data_exception',
				MESSAGE = format('there are no %s business days within ten years after %s in %s', days, start::date, zone),
				HINT = 'Look at the rows of kam.holiday.';
		END IF;
		IF extract(isodow FROM last) < 6
		   AND NOT EXISTS (SELECT FROM kam.holiday h WHERE h.day = last AND h.time_zone IN ('*', zone)) THEN
			left_over := left_over - 1;
		END IF;
	END LOOP;
	RETURN (last + start::time) AT TIME ZONE zone;
END
$$;
COMMENT ON FUNCTION _business_days_after(timestamptz, integer, text) IS 'The same local time on the n-th business day after a moment, in a time zone: Monday to Friday but the rows of holiday for that zone or "*". Negative days and unknown zones raise 22023. Example: SELECT kam._business_days_after(''2026-03-06 15:00-05'', 3, ''America/New_York'');';

CREATE FUNCTION _zone(written text) RETURNS text
	LANGUAGE plpgsql STABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	-- The server would take "(GMT+01:00) Paris" for a zone of its own making.
	IF written ~ '^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$' THEN
		PERFORM now() AT TIME ZONE written;
		RETURN written;
	END IF;
	RETURN NULL;
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _zone(text) IS 'A time zone as a CRM wrote it down; NULL when it is none.';

CREATE FUNCTION _rep_zone(rep_id text) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	RETURN coalesce(kam._zone((SELECT r.time_zone FROM kam.Reps r WHERE r.rep_id = _rep_zone.rep_id)), current_setting('kam.default_timezone'));
COMMENT ON FUNCTION _rep_zone(text) IS 'The time zone that a rep''s business days are counted in: Reps.time_zone, or kam.default_timezone when that is none or nobody.';

-- ---- what failed -----------------------------------------------------------------

CREATE TABLE _tick_failure (
	duty		text NOT NULL,
	lead_id		text NOT NULL,
	item		text NOT NULL,
	failed_at	timestamptz NOT NULL,
	retry_at	timestamptz NOT NULL,
	sqlstate	text,
	error		text,
	PRIMARY KEY (lead_id, duty, item)
);
COMMENT ON TABLE _tick_failure IS 'What the schedules could not do, and when they try again (kam''s clock). Not dumped.';

CREATE FUNCTION _tick_put_off(duty text, lead_id text, item text, at timestamptz, retry_in interval, sqlstate text, error text) RETURNS void
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		INSERT INTO kam._tick_failure (duty, lead_id, item, failed_at, retry_at, sqlstate, error)
		VALUES (_tick_put_off.duty, _tick_put_off.lead_id, _tick_put_off.item, _tick_put_off.at, _tick_put_off.at + _tick_put_off.retry_in,
			_tick_put_off.sqlstate, _tick_put_off.error)
		ON CONFLICT (lead_id, duty, item) DO UPDATE
		   SET failed_at = EXCLUDED.failed_at, retry_at = EXCLUDED.retry_at, sqlstate = EXCLUDED.sqlstate, error = EXCLUDED.error;
	END;
COMMENT ON FUNCTION _tick_put_off(text, text, text, timestamptz, interval, text, text) IS 'Keeps an item out of the schedules'' way for a while.';

-- ---- duties on one lead at a time -------------------------------------------------

CREATE FUNCTION _tick_due(duty text, at timestamptz, batch integer, passed integer)
	RETURNS TABLE (lead_id text, item text, holder text)
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	here CONSTANT bigint := kam._home();
	outreach CONSTANT boolean := current_setting('kam.outreach')::boolean;
BEGIN
	CASE _tick_due.duty
		WHEN 'release' THEN
			-- Who has waited longest comes first; of a lead everything that is due, in the order in which it may go.
			RETURN QUERY
			SELECT q.lead_id::text, q.event_id::text, coalesce(a.canonical_id, q.lead_id)
			  FROM (SELECT DISTINCT d.lead_id
			          FROM (SELECT q.lead_id FROM kam.CadenceQueue q
			                 WHERE q.home = here AND q.state = 'waiting' AND q.release_at <= _tick_due.at AND (outreach OR q.kind <> 'held')
			                 ORDER BY q.release_at LIMIT _tick_due.batch OFFSET _tick_due.passed) d) lead
			  JOIN kam.CadenceQueue q USING (lead_id)
			  LEFT JOIN kam.lead_alias a USING (lead_id)
			 WHERE q.state = 'waiting' AND q.release_at <= _tick_due.at AND q.home = here AND (outreach OR q.kind <> 'held')
			 ORDER BY lead_id, q.priority DESC, q.event_id
			 LIMIT _tick_due.batch;
		WHEN 'expire' THEN
			RETURN QUERY
			SELECT due.lead_id::text, due.event_id::text, coalesce(a.canonical_id, due.lead_id)
			  FROM (SELECT q.lead_id, q.event_id FROM kam.CadenceQueue q
			         WHERE q.home = here AND q.state = 'waiting' AND q.expires_at <= _tick_due.at
			           AND NOT EXISTS (SELECT FROM kam._tick_failure f
			                            WHERE f.lead_id = q.lead_id AND f.duty = 'expire' AND f.item = q.event_id::text AND f.retry_at > _tick_due.at)
			         ORDER BY q.expires_at LIMIT _tick_due.batch OFFSET _tick_due.passed) due
			  LEFT JOIN kam.lead_alias a USING (lead_id)
			 ORDER BY lead_id, due.event_id;
		WHEN 'end' THEN
			RETURN QUERY
			SELECT due.lead_id::text, due.sequence_id::text, due.lead_id::text
			  FROM (SELECT c.lead_id, c.sequence_id FROM kam.Cadence c
			         WHERE c.home = here AND c.state <> 'finished' AND c.active_until <= _tick_due.at
			           AND NOT EXISTS (SELECT FROM kam._tick_failure f
			                            WHERE f.lead_id = c.lead_id AND f.duty = 'end' AND f.item = c.sequence_id AND f.retry_at > _tick_due.at)
			         ORDER BY c.active_until LIMIT _tick_due.batch OFFSET _tick_due.passed) due
			 ORDER BY due.lead_id, due.sequence_id;
		WHEN 'step' THEN
			RETURN QUERY
			SELECT due.lead_id::text, due.sequence_id::text, due.lead_id::text
			  FROM (SELECT c.lead_id, c.sequence_id FROM kam.Cadence c
			         WHERE outreach AND c.home = here AND c.state = 'active' AND c.next_step_at <= _tick_due.at
			         ORDER BY c.next_step_at LIMIT _tick_due.batch OFFSET _tick_due.passed) due
			 ORDER BY due.lead_id, due.sequence_id;
		WHEN 'conflict' THEN
			RETURN QUERY
			SELECT due.lead_id::text, ''::text, due.lead_id::text
			  FROM (SELECT s.lead_id FROM kam.prospect_state s WHERE s.sales_sequence IS NOT NULL AND s.marketing_sequence IS NOT NULL
			        UNION
			        SELECT s.lead_id FROM kam.prospect_state s WHERE s.stale) due
			 WHERE NOT EXISTS (SELECT FROM kam._tick_failure f
			                    WHERE f.lead_id = due.lead_id AND f.duty = 'conflict' AND f.item = '' AND f.retry_at > _tick_due.at)
			   AND NOT EXISTS (SELECT FROM kam.Cadence c WHERE c.lead_id = due.lead_id AND c.home <> here)
			 ORDER BY due.lead_id LIMIT _tick_due.batch OFFSET _tick_due.passed;
	END CASE;
END
$$;
COMMENT ON FUNCTION _tick_due(text, timestamptz, integer, integer) IS 'What is due of a duty, found without a lock: the lead it stands under, the item (event or sequence), the lead whose row is to be locked. "passed" of the oldest are left out.';

CREATE FUNCTION _tick_release(lead_id text, event_id bigint, holder text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	outcome text;
	waiting record;
BEGIN
	-- Another ticker may have seen to it between the look and the lock.
	PERFORM FROM kam.CadenceQueue q
	  WHERE q.lead_id = _tick_release.lead_id AND q.event_id = _tick_release.event_id AND q.state = 'waiting' AND q.release_at <= _tick_release.at;
	IF NOT FOUND THEN
		RETURN 'gone';
	END IF;
	outcome := kam._step_release(_tick_release.lead_id, _tick_release.event_id, _tick_release.at);
	IF outcome IS NOT NULL THEN
		RETURN outcome;
	END IF;
	outcome := kam._release(_tick_release.lead_id, _tick_release.event_id);
	IF outcome = 'moved' THEN
		-- A conflict that does not settle is for people.
		SELECT q.sequence_id, q.reason, q.rounds, l.owner_id, r.manager_id INTO waiting
		  FROM kam.CadenceQueue q
		  JOIN kam.Leads l ON l.lead_id = _tick_release.holder
		  LEFT JOIN kam.Reps r ON r.rep_id = l.owner_id
		 WHERE q.lead_id = _tick_release.lead_id AND q.event_id = _tick_release.event_id AND q.kind = 'deferred' AND q.rounds >= 3
		   AND q.reason IN ('t2_sales_fresher', 't2_marketing_fresher', 't2_tie_sales', 'no_tier_incumbent');
		IF FOUND THEN
			PERFORM kam._raise_flag('concurrency', _tick_release.holder, NULL, waiting.sequence_id,
				jsonb_build_object('reason', waiting.reason, 'rounds', waiting.rounds, 'event_id', _tick_release.event_id),
				ARRAY[coalesce(waiting.owner_id, 'AGT-301'), waiting.manager_id]);
		END IF;
	END IF;
	RETURN outcome;
END
$$;
COMMENT ON FUNCTION _tick_release(text, bigint, text, timestamptz) IS 'Lets one due request through the gates again: released, moved, blocked, gone. From the third round of a conflict that waits by the clock on, rep and manager get a flag.';

CREATE FUNCTION _tick_expire(lead_id text, event_id bigint, holder text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	expired record;
BEGIN
	UPDATE kam.CadenceQueue q
	   SET state = 'expired', ended_at = _tick_expire.at, end_reason = 'expired'
	  FROM kam.CadenceEventLog e
	 WHERE q.lead_id = _tick_expire.lead_id AND q.event_id = _tick_expire.event_id AND q.state = 'waiting' AND q.expires_at <= _tick_expire.at
	   AND e.lead_id = q.lead_id AND e.event_id = q.event_id
	RETURNING coalesce(q.sequence_id, e.sequence_id) AS sequence_id, e.sequence_type, q.kind INTO expired;
	IF NOT FOUND THEN
		RETURN 'gone';
	END IF;
	PERFORM kam._system_event(_tick_expire.lead_id, 'expired', _tick_expire.event_id,
		CASE WHEN EXISTS (SELECT FROM kam.Cadence c WHERE c.lead_id = _tick_expire.holder AND c.sequence_id = expired.sequence_id AND c.active_until <= _tick_expire.at)
		     THEN 'sequence_over' ELSE 'waited_too_long' END,
		expired.sequence_id, expired.sequence_type);
	-- Nobody else is going to start or resume it.
	IF expired.kind = 'deferred'
	   AND EXISTS (SELECT FROM kam.Cadence c
	                WHERE c.lead_id = _tick_expire.holder AND c.sequence_id = expired.sequence_id AND c.state IN ('queued', 'paused'))
	   AND NOT EXISTS (SELECT FROM kam.CadenceQueue q
	                    WHERE q.lead_id = _tick_expire.holder AND q.sequence_id = expired.sequence_id AND q.state = 'waiting' AND q.kind = 'deferred') THEN
		PERFORM kam._end_enrolments(_tick_expire.holder, expired.sequence_id, 'expired', _tick_expire.at, true);
	END IF;
	PERFORM kam._settle_lead(_tick_expire.holder, _tick_expire.at);
	PERFORM kam._rebuild_state(_tick_expire.holder);
	RETURN 'expired';
END
$$;
COMMENT ON FUNCTION _tick_expire(text, bigint, text, timestamptz) IS 'Gives up a request that has waited too long, with its row in the log; an enrolment that never began, or was never resumed, ends with the last that waited for it. expired or gone.';

CREATE FUNCTION _tick_end(lead_id text, sequence_id text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	play text;
BEGIN
	SELECT c.play_id INTO play
	  FROM kam.Cadence c
	 WHERE c.lead_id = _tick_end.lead_id AND c.sequence_id = _tick_end.sequence_id AND c.state <> 'finished' AND c.active_until <= _tick_end.at;
	IF NOT FOUND THEN
		RETURN 'gone';
	END IF;
	PERFORM kam._end_enrolments(_tick_end.lead_id, _tick_end.sequence_id, CASE WHEN play IS NULL THEN 'expired' ELSE 'play_ended' END, _tick_end.at, true);
	PERFORM kam._settle_lead(_tick_end.lead_id, _tick_end.at);
	PERFORM kam._rebuild_state(_tick_end.lead_id);
	RETURN 'ended';
END
$$;
COMMENT ON FUNCTION _tick_end(text, text, timestamptz) IS 'Finishes an enrolment whose time is over. ended or gone.';

CREATE FUNCTION _tick_conflict(lead_id text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	rivals kam.Cadence[];
	verdict kam.CadenceEventLog;
BEGIN
	PERFORM kam._rebuild_state(_tick_conflict.lead_id);
	-- The later one is the newcomer: it is stopped and has to ask again.  If it wins, the gate pauses the other.
	SELECT array_agg(c ORDER BY c.activated_at DESC NULLS LAST, c.family) INTO rivals
	  FROM kam.Cadence c
	 WHERE c.lead_id = _tick_conflict.lead_id AND c.state = 'active' AND c.family <> 'transactional';
	IF cardinality(rivals) IS DISTINCT FROM 2 THEN
		RETURN 'rebuilt';
	END IF;
	PERFORM kam._pause_enrolments(_tick_conflict.lead_id, rivals[1].sequence_id, 'conflict', _tick_conflict.at);
	PERFORM kam._rebuild_state(_tick_conflict.lead_id);
	INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, originating_agent)
	VALUES (_tick_conflict.lead_id, rivals[1].sequence_id, rivals[1].sequence_type, 'resume', rivals[1].originating_agent)
	RETURNING * INTO verdict;
	PERFORM kam._settle_lead(_tick_conflict.lead_id, _tick_conflict.at);
	PERFORM kam._raise_flag('concurrency', _tick_conflict.lead_id, NULL, NULL,
		jsonb_build_object(rivals[1].family, rivals[1].sequence_id, rivals[2].family, rivals[2].sequence_id,
			'paused', CASE verdict.coordinator_action WHEN 'executed' THEN rivals[2].sequence_id ELSE rivals[1].sequence_id END,
			'resolution', verdict.resolution), NULL);
	RETURN 'resolved';
END
$$;
COMMENT ON FUNCTION _tick_conflict(text, timestamptz) IS 'A lead active in sales and marketing at once (an import or a merge can do that): applies the matrix by pausing the later one and having it ask to resume, and flags it. resolved, or rebuilt when only prospect_state was out of date.';

CREATE FUNCTION _tick_passed_over(duty text, lead_id text, item text, holder text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	IF EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = _tick_passed_over.holder) THEN
		RETURN 'skipped';
	END IF;
	CASE _tick_passed_over.duty
		WHEN 'release', 'expire' THEN
			UPDATE kam.CadenceQueue q SET state = 'cancelled', ended_at = _tick_passed_over.at, end_reason = 'lead_deleted'
			 WHERE q.lead_id = _tick_passed_over.lead_id AND q.event_id = _tick_passed_over.item::bigint AND q.state = 'waiting';
		WHEN 'end', 'step' THEN
			PERFORM kam._end_enrolments(_tick_passed_over.lead_id, _tick_passed_over.item, 'lead_deleted', _tick_passed_over.at, true);
		WHEN 'conflict' THEN
			DELETE FROM kam.prospect_state s WHERE s.lead_id = _tick_passed_over.lead_id;
	END CASE;
	RETURN 'orphaned';
END
$$;
COMMENT ON FUNCTION _tick_passed_over(text, text, text, text, timestamptz) IS 'An item whose lead could not be locked: skipped when somebody else holds it, else the lead is gone, and what is left of it is put away (orphaned).';

CREATE FUNCTION _tick_items(duty text, at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	due record;
	outcome text;
	tally jsonb := '{}';
	errors jsonb := '[]';
	done integer := 0;
	passed integer := 0;
	seen integer;
	state text;
	message text;
BEGIN
	-- Several looks when leads that are locked stand in front, and for steps: the next of a sequence may be due as well.
	FOR look IN 1 .. 10 LOOP
		seen := 0;
		FOR due IN SELECT * FROM kam._tick_due(duty, at, batch - done, passed) LOOP
			seen := seen + 1;
			BEGIN
				PERFORM FROM kam.Leads l WHERE l.lead_id = due.holder FOR NO KEY UPDATE SKIP LOCKED;
				IF FOUND THEN
					outcome := CASE duty
						WHEN 'release' THEN kam._tick_release(due.lead_id, due.item::bigint, due.holder, at)
						WHEN 'expire' THEN kam._tick_expire(due.lead_id, due.item::bigint, due.holder, at)
						WHEN 'end' THEN kam._tick_end(due.lead_id, due.item, at)
						WHEN 'conflict' THEN kam._tick_conflict(due.lead_id, at)
						WHEN 'step' THEN kam._tick_step(due.lead_id, due.item, at)
					END;
				ELSE
					outcome := kam._tick_passed_over(duty, due.lead_id, due.item, due.holder, at);
				END IF;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
				-- Of a snapshot that is too old every further item would fail as well.
				IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
					RAISE;
				END IF;
				RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not %s %s of lead %s: %s', duty, nullif(due.item, ''), due.lead_id, message),
					HINT = 'It is tried again in five minutes.';
				IF duty = 'release' THEN
					UPDATE kam.CadenceQueue q SET release_at = at + interval '5 min'
					 WHERE q.lead_id = due.lead_id AND q.event_id = due.item::bigint AND q.state = 'waiting';
				ELSIF duty = 'step' THEN
					UPDATE kam.Cadence c SET next_step_at = at + interval '5 min', step_note = message
					 WHERE c.lead_id = due.lead_id AND c.sequence_id = due.item AND c.state = 'active';
				END IF;
				PERFORM kam._tick_put_off(duty, due.lead_id, due.item, at, '5 min', state, message);
				errors := errors || jsonb_build_object('duty', duty, 'lead_id', due.lead_id, 'item', due.item, 'sqlstate', state, 'message', message);
				outcome := 'failed';
			END;
			tally := tally || jsonb_build_object(outcome, coalesce((tally ->> outcome)::integer, 0) + 1);
			IF outcome IN ('skipped', 'gone') THEN
				passed := passed + 1;
			ELSE
				done := done + 1;
			END IF;
		END LOOP;
		EXIT WHEN seen = 0 OR done >= batch OR passed = 0 AND duty <> 'step';
	END LOOP;
	RETURN tally || jsonb_build_object('more', done >= batch) || CASE WHEN errors = '[]' THEN '{}' ELSE jsonb_build_object('errors', errors) END;
END
$$;
COMMENT ON FUNCTION _tick_items(text, timestamptz, integer) IS 'Does at most "batch" items of a duty, each in a subtransaction of its own under its lead''s lock. Counts per outcome, whether there may be more, errors.';

-- ---- duties on many rows ------------------------------------------------------------

CREATE FUNCTION _tick_rejudge(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	known kam.coordinator_state;
	leads text[];
	moved integer;
BEGIN
	SELECT * INTO known FROM kam.coordinator_state FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		-- Not beside a row that somebody is writing: ON CONFLICT would wait for them.
		IF NOT EXISTS (SELECT FROM kam.coordinator_state) THEN
			INSERT INTO kam.coordinator_state (touch_cap, touch_window) VALUES (kam._touch_cap(), kam._touch_window()) ON CONFLICT DO NOTHING;
		END IF;
		RETURN '{}';
	END IF;
	IF (known.touch_cap, known.touch_window) IS DISTINCT FROM (kam._touch_cap(), kam._touch_window()) THEN
		known.rejudge_from := '';
		UPDATE kam.coordinator_state SET touch_cap = kam._touch_cap(), touch_window = kam._touch_window(), rejudge_from = '';
	END IF;
	IF known.rejudge_from IS NULL THEN
		RETURN '{}';
	END IF;

	leads := ARRAY(SELECT DISTINCT q.lead_id FROM kam.CadenceQueue q
	                WHERE q.state = 'waiting' AND q.lead_id > known.rejudge_from
	                ORDER BY q.lead_id LIMIT batch);
	-- A lead that is locked keeps the time it has: an older rule's, so its holds are late at the worst.
	WITH locked AS MATERIALIZED (
		SELECT l.lead_id FROM kam.Leads l WHERE l.lead_id = ANY (leads) FOR NO KEY UPDATE SKIP LOCKED
	)
	UPDATE kam.CadenceQueue q SET release_at = at
	  FROM locked
	 WHERE q.lead_id = locked.lead_id AND q.state = 'waiting' AND q.kind = 'held' AND q.release_at > at AND q.home = kam._home();
	GET DIAGNOSTICS moved = ROW_COUNT;
	UPDATE kam.coordinator_state
	   SET rejudge_from = CASE WHEN cardinality(leads) = batch THEN leads[batch] END;
	RETURN jsonb_build_object('rejudged', moved, 'more', cardinality(leads) = batch);
END
$$;
COMMENT ON FUNCTION _tick_rejudge(timestamptz, integer) IS 'After kam.touch_cap or kam.touch_window changed: makes what is held due now, lead by lead, so that the gates judge it by the new rule.';

CREATE FUNCTION _leads_with_address(address text, kind text, after text, most integer) RETURNS TABLE (lead_id text)
	LANGUAGE plpgsql STABLE ROWS 1000
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	-- One index each; a condition on all at once would have none.
	CASE _leads_with_address.kind
		WHEN 'email' THEN
			RETURN QUERY SELECT l.lead_id::text FROM kam.Leads l
			 WHERE l.email IS NOT NULL AND kam._address(l.email) = _leads_with_address.address AND l.lead_id > _leads_with_address.after
			 ORDER BY l.lead_id LIMIT _leads_with_address.most;
		WHEN 'domain' THEN
			RETURN QUERY SELECT l.lead_id::text FROM kam.Leads l
			 WHERE l.email IS NOT NULL AND kam._address_domain(l.email) = _leads_with_address.address AND l.lead_id > _leads_with_address.after
			 ORDER BY l.lead_id LIMIT _leads_with_address.most;
		WHEN 'phone' THEN
			RETURN QUERY SELECT l.lead_id::text FROM kam.Leads l
			 WHERE l.phone IS NOT NULL AND kam._address(l.phone) = _leads_with_address.address AND l.lead_id > _leads_with_address.after
			 ORDER BY l.lead_id LIMIT _leads_with_address.most;
		WHEN 'linkedin' THEN
			RETURN QUERY SELECT l.lead_id::text FROM kam.Leads l
			 WHERE l.linkedin_url IS NOT NULL AND kam._address(l.linkedin_url) = _leads_with_address.address AND l.lead_id > _leads_with_address.after
			 ORDER BY l.lead_id LIMIT _leads_with_address.most;
	END CASE;
END
$$;
COMMENT ON FUNCTION _leads_with_address(text, text, text, integer) IS 'Leads that have a normalised address, by lead_id, those after one.';

CREATE FUNCTION _tick_settle(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	look CONSTANT integer := greatest(batch, 20 * batch);
	suppressed record;
	lead record;
	reached text;
	seen integer;
	locked integer;
	settled integer := 0;
	skipped integer := 0;
	failed integer := 0;
	suppressions integer := 0;
	errors jsonb := '[]';
	state text;
	message text;
BEGIN
	FOR suppressed IN
		SELECT s.address, s.kind, s.settled_upto
		  FROM kam.Suppression s
		 WHERE s.home = kam._home() AND s.settled_at IS NULL
		   AND NOT EXISTS (SELECT FROM kam._tick_failure f WHERE f.lead_id = s.address AND f.duty = 'settle' AND f.item = '' AND f.retry_at > at)
		 ORDER BY s.created_at LIMIT batch
		   FOR NO KEY UPDATE SKIP LOCKED
	LOOP
		reached := coalesce(suppressed.settled_upto, '');
		seen := 0;
		locked := 0;
		FOR lead IN
			SELECT w.lead_id,
			       EXISTS (SELECT FROM kam.Cadence c WHERE c.lead_id = w.lead_id AND c.state <> 'finished')
			       OR EXISTS (SELECT FROM kam.CadenceQueue q WHERE q.lead_id = w.lead_id AND q.state = 'waiting') AS unfinished
			  FROM kam._leads_with_address(suppressed.address, suppressed.kind, reached, look) w
		LOOP
			EXIT WHEN settled + failed >= batch;
			seen := seen + 1;
			reached := lead.lead_id;
			CONTINUE WHEN NOT lead.unfinished;
			BEGIN
				PERFORM FROM kam.Leads l WHERE l.lead_id = lead.lead_id FOR NO KEY UPDATE SKIP LOCKED;
				IF NOT FOUND THEN
					locked := locked + 1;
				ELSIF kam._stop_lead(lead.lead_id, 'suppressed', at) THEN
					settled := settled + 1;
				END IF;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
				IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
					RAISE;
				END IF;
				RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not settle lead %s, which is suppressed: %s', lead.lead_id, message),
					HINT = 'It is tried again in five minutes.';
				PERFORM kam._tick_put_off('settle', suppressed.address, lead.lead_id, at, '5 min', state, message);
				errors := errors || jsonb_build_object('duty', 'settle', 'lead_id', lead.lead_id, 'item', suppressed.address, 'sqlstate', state, 'message', message);
				failed := failed + 1;
			END;
		END LOOP;
		skipped := skipped + locked;
		IF locked > 0 THEN
			PERFORM kam._tick_put_off('settle', suppressed.address, '#locked', at, '1 s', '55P03', 'a lead was locked');
		END IF;
		IF settled + failed >= batch OR seen = look THEN
			UPDATE kam.Suppression s SET settled_upto = reached WHERE s.address = suppressed.address;
			RETURN jsonb_build_object('settled', settled, 'suppressions', suppressions, 'skipped', skipped, 'failed', failed, 'more', true, 'errors', errors);
		END IF;
		-- Through with it, unless a lead on the way was locked or failed: then once more from the start, where little is left to do.
		IF EXISTS (SELECT FROM kam._tick_failure f WHERE f.lead_id = suppressed.address AND f.duty = 'settle' AND f.item <> '') THEN
			INSERT INTO kam._tick_failure (duty, lead_id, item, failed_at, retry_at, sqlstate, error)
			SELECT 'settle', f.lead_id, '', at, max(f.retry_at), max(f.sqlstate), max(f.error)
			  FROM kam._tick_failure f WHERE f.lead_id = suppressed.address AND f.duty = 'settle' AND f.item <> '' GROUP BY f.lead_id
			ON CONFLICT (lead_id, duty, item) DO UPDATE
			   SET failed_at = EXCLUDED.failed_at, retry_at = EXCLUDED.retry_at, sqlstate = EXCLUDED.sqlstate, error = EXCLUDED.error;
			DELETE FROM kam._tick_failure f WHERE f.lead_id = suppressed.address AND f.duty = 'settle' AND f.item <> '';
			UPDATE kam.Suppression s SET settled_upto = NULL WHERE s.address = suppressed.address;
		ELSE
			DELETE FROM kam._tick_failure f WHERE f.lead_id = suppressed.address AND f.duty = 'settle';
			UPDATE kam.Suppression s SET settled_at = at, settled_upto = NULL WHERE s.address = suppressed.address;
			suppressions := suppressions + 1;
		END IF;
	END LOOP;
	RETURN jsonb_build_object('settled', settled, 'suppressions', suppressions, 'skipped', skipped, 'failed', failed, 'more', suppressions >= batch, 'errors', errors);
END
$$;
COMMENT ON FUNCTION _tick_settle(timestamptz, integer) IS 'Ends what still runs or waits for leads whose address was suppressed; a domain with many leads in several goes (settled_upto). The gates block them from the commit of the suppression on.';

-- ---- flags ----------------------------------------------------------------------------

CREATE FUNCTION _open_flags(kind text, many jsonb, at timestamptz) RETURNS integer
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	opened integer := 0;
	one jsonb;
	state text;
	message text;
BEGIN
	BEGIN
		WITH wanted AS MATERIALIZED (
			SELECT * FROM jsonb_to_recordset(_open_flags.many) AS w (lead_id text, rep_id text, sequence_id text, detail jsonb, recipients text[])
		), opened AS (
			INSERT INTO kam.CadenceFlag (kind, lead_id, rep_id, sequence_id, opened_at, escalated_at, detail)
			SELECT _open_flags.kind, w.lead_id, w.rep_id, w.sequence_id, _open_flags.at,
			       CASE WHEN 'AGT-303' = ANY (w.recipients) THEN _open_flags.at END, coalesce(w.detail, '{}')
			  FROM wanted w
			ON CONFLICT (kind, lead_id, rep_id, sequence_id) WHERE closed_at IS NULL DO NOTHING
			RETURNING flag_id, lead_id, rep_id, sequence_id, detail
		), told AS (
			INSERT INTO kam.notification (recipient, topic, lead_id, payload)
			SELECT r.recipient, _open_flags.kind, o.lead_id,
			       jsonb_strip_nulls(jsonb_build_object('flag_id', o.flag_id, 'kind', _open_flags.kind, 'lead_id', o.lead_id,
			           'rep_id', o.rep_id, 'sequence_id', o.sequence_id)) || jsonb_build_object('detail', o.detail)
			  FROM opened o
			  JOIN wanted w ON coalesce(w.lead_id, '') = coalesce(o.lead_id, '') AND coalesce(w.rep_id, '') = coalesce(o.rep_id, '')
			       AND coalesce(w.sequence_id, '') = coalesce(o.sequence_id, '')
			 CROSS JOIN LATERAL (SELECT DISTINCT u.recipient FROM unnest(w.recipients) u (recipient) WHERE u.recipient IS NOT NULL) r
		)
		SELECT count(*) INTO opened FROM opened;
		RETURN opened;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
		IF jsonb_array_length(many) = 1 THEN
			RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not open flag %s: %s', kind, message);
			PERFORM kam._tick_put_off('flag ' || kind, coalesce(many -> 0 ->> 'lead_id', many -> 0 ->> 'rep_id'), coalesce(many -> 0 ->> 'sequence_id', ''),
				at, '1 min', state, message);
			RETURN 0;
		END IF;
	END;
	-- One of them fails: each by itself.
	FOR one IN SELECT * FROM jsonb_array_elements(many) LOOP
		opened := opened + kam._open_flags(kind, jsonb_build_array(one), at);
	END LOOP;
	RETURN opened;
END
$$;
COMMENT ON FUNCTION _open_flags(text, jsonb, timestamptz) IS 'As _raise_flag() for many: an array of {lead_id, rep_id, sequence_id, detail, recipients}; returns how many were not open yet. One that fails is a WARNING and costs no other.';

CREATE FUNCTION _tick_cap_warning(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	last_but_one CONSTANT integer := kam._touch_cap() - 1;
	since CONSTANT timestamptz := at - kam._touch_window();
	closed integer;
	news jsonb;
BEGIN
	-- With a cap of one everybody who has had no touch would be near it; that warns nobody.
	IF last_but_one < 1 THEN
		UPDATE kam.CadenceFlag f SET closed_at = at
		 WHERE f.kind = 'cap_warning' AND f.closed_at IS NULL AND f.home = kam._home();
		GET DIAGNOSTICS closed = ROW_COUNT;
		RETURN jsonb_build_object('closed', jsonb_build_object('cap_warning', closed));
	END IF;

	WITH near AS MATERIALIZED (
		SELECT coalesce(a.canonical_id, e.lead_id) AS lead_id, max(e.touch_at) AS touch_at
		  FROM kam.CadenceEventLog e
		  LEFT JOIN kam.lead_alias a ON a.lead_id = e.lead_id
		 WHERE e.counted AND e.touch_at > since
		 GROUP BY 1
		HAVING count(*) = last_but_one
	), warned AS MATERIALIZED (
		SELECT n.lead_id, n.touch_at, l.owner_id FROM near n JOIN kam.Leads l USING (lead_id)
	), closed AS (
		UPDATE kam.CadenceFlag f SET closed_at = at
		 WHERE f.kind = 'cap_warning' AND f.closed_at IS NULL AND f.home = kam._home()
		   AND f.lead_id NOT IN (SELECT w.lead_id FROM warned w)
		RETURNING f.flag_id
	), fresh AS (
		SELECT w.* FROM warned w
		 WHERE w.lead_id NOT IN (SELECT f.lead_id FROM kam.CadenceFlag f
		                          WHERE f.kind = 'cap_warning' AND f.closed_at IS NULL AND f.lead_id IS NOT NULL)
		 LIMIT batch
	)
	SELECT (SELECT count(*) FROM closed),
	       (SELECT jsonb_agg(jsonb_build_object('lead_id', n.lead_id, 'recipients', jsonb_build_array(coalesce(n.owner_id, 'AGT-301')),
	            'detail', jsonb_build_object('counted', last_but_one, 'cap', last_but_one + 1, 'last_touch_at', n.touch_at))) FROM fresh n)
	  INTO closed, news;
	RETURN jsonb_build_object('closed', jsonb_build_object('cap_warning', closed),
		'opened', jsonb_build_object('cap_warning', kam._open_flags('cap_warning', coalesce(news, '[]'), at)),
		'more', coalesce(jsonb_array_length(news), 0) >= batch);
END
$$;
COMMENT ON FUNCTION _tick_cap_warning(timestamptz, integer) IS 'Flags leads with exactly one touch left, for their owner; closes the flags of those who have another number left.';

CREATE FUNCTION _tick_stall(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	patience CONSTANT interval := '168:00:00';
	looked integer;
	news jsonb;
BEGIN
	-- A lazy timer: activity does not move it, the look does.  After a flag it looks again a week later, before which nothing can have stalled anew.
	WITH due AS MATERIALIZED (
		SELECT c.lead_id, c.sequence_id, c.enrolment_no, greatest(c.last_activity_at, c.activated_at, c.created_at) AS quiet_since,
		       EXISTS (SELECT FROM kam.CadenceQueue q
		                WHERE q.lead_id = c.lead_id AND q.state = 'waiting' AND q.sequence_id = c.sequence_id) AS waiting
		  FROM kam.Cadence c
		 WHERE c.home = kam._home() AND c.state = 'active' AND c.stall_check_at <= _tick_stall.at
		 ORDER BY c.stall_check_at LIMIT _tick_stall.batch
		   FOR NO KEY UPDATE SKIP LOCKED
	), looked AS (
		UPDATE kam.Cadence c
		   SET stall_check_at = CASE WHEN d.quiet_since + patience > _tick_stall.at THEN d.quiet_since + patience
		                             WHEN d.waiting THEN _tick_stall.at + interval '1 hour'
		                             ELSE _tick_stall.at + patience END
		  FROM due d
		 WHERE c.lead_id = d.lead_id AND c.sequence_id = d.sequence_id AND c.enrolment_no = d.enrolment_no
		RETURNING d.lead_id, d.sequence_id, c.family, d.quiet_since, d.waiting
	)
	SELECT count(*), jsonb_agg(jsonb_build_object('lead_id', k.lead_id, 'sequence_id', k.sequence_id,
	           'recipients', jsonb_build_array(coalesce(l.owner_id, 'AGT-301')), 'detail', jsonb_build_object('quiet_since', k.quiet_since)))
	       FILTER (WHERE l.lead_id IS NOT NULL AND NOT k.waiting AND k.family <> 'transactional' AND k.quiet_since + patience <= _tick_stall.at)
	  INTO looked, news
	  FROM looked k LEFT JOIN kam.Leads l USING (lead_id);
	RETURN jsonb_build_object('opened', jsonb_build_object('stall', kam._open_flags('stall', coalesce(news, '[]'), _tick_stall.at)),
		'more', looked >= _tick_stall.batch);
END
$$;
COMMENT ON FUNCTION _tick_stall(timestamptz, integer) IS 'Flags active sequences without an executed step or an inbound signal for 7 times 24 hours, for the lead''s owner. Waiting for a hold is no stall.';

CREATE FUNCTION _tick_escalate(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	escalated integer;
BEGIN
	-- Three business days take 71 hours at least (a spring night in them), so younger flags are not looked at.
	WITH patient AS MATERIALIZED (
		SELECT f.flag_id, kam._rep_zone(l.owner_id) AS zone,
		       greatest(f.opened_at, (SELECT max(e.event_at) FROM kam.CadenceEventLog e
		                               WHERE e.lead_id = ANY (kam._lead_ids(f.lead_id)) AND e.originating_agent = l.owner_id)) AS since
		  FROM kam.CadenceFlag f
		  JOIN kam.Leads l USING (lead_id)
		 WHERE f.kind = 'stall' AND f.closed_at IS NULL AND f.escalated_at IS NULL AND f.home = kam._home()
		   AND f.opened_at <= _tick_escalate.at - interval '71 hours'
	), escalated AS (
		UPDATE kam.CadenceFlag f SET escalated_at = _tick_escalate.at
		  FROM (SELECT p.flag_id FROM patient p
		         WHERE p.since <= _tick_escalate.at - interval '71 hours' AND kam._business_days_after(p.since, 3, p.zone) <= _tick_escalate.at
		         ORDER BY p.flag_id LIMIT _tick_escalate.batch) p
		 WHERE f.flag_id = p.flag_id
		RETURNING f.flag_id, f.lead_id, f.sequence_id, f.detail, f.opened_at
	), told AS (
		INSERT INTO kam.notification (recipient, topic, lead_id, payload)
		SELECT 'AGT-303', 'stall', e.lead_id, jsonb_build_object('flag_id', e.flag_id, 'kind', 'stall', 'lead_id', e.lead_id,
		           'sequence_id', e.sequence_id, 'detail', e.detail, 'opened_at', e.opened_at)
		  FROM escalated e
	)
	SELECT count(*) INTO escalated FROM escalated;
	RETURN jsonb_build_object('escalated', jsonb_build_object('stall', escalated), 'more', escalated >= _tick_escalate.batch);
END
$$;
COMMENT ON FUNCTION _tick_escalate(timestamptz, integer) IS 'Hands a stall flag to AGT-303 three business days (in the owner''s zone) after it was opened, or after the last event that the owner originated.';

CREATE FUNCTION _tick_backlog(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	closed integer;
	news jsonb;
BEGIN
	WITH loaded AS MATERIALIZED (
		SELECT l.owner_id, count(DISTINCT c.lead_id) AS paused
		  FROM kam.Cadence c
		  JOIN kam.Leads l USING (lead_id)
		 WHERE c.state = 'paused' AND c.family <> 'transactional' AND c.home = kam._home() AND l.merged_into IS NULL AND l.owner_id IS NOT NULL
		 GROUP BY l.owner_id
		HAVING count(DISTINCT c.lead_id) >= 10
	), closed AS (
		UPDATE kam.CadenceFlag f SET closed_at = at
		 WHERE f.kind = 'backlog_risk' AND f.closed_at IS NULL AND f.home = kam._home()
		   AND f.rep_id NOT IN (SELECT o.owner_id FROM loaded o)
		RETURNING f.flag_id
	), fresh AS (
		SELECT o.owner_id, o.paused, r.manager_id
		  FROM loaded o
		  LEFT JOIN kam.Reps r ON r.rep_id = o.owner_id
		 WHERE o.owner_id NOT IN (SELECT f.rep_id FROM kam.CadenceFlag f
		                           WHERE f.kind = 'backlog_risk' AND f.closed_at IS NULL AND f.rep_id IS NOT NULL)
		 ORDER BY o.owner_id LIMIT batch
	)
	SELECT (SELECT count(*) FROM closed),
	       (SELECT jsonb_agg(jsonb_build_object('rep_id', n.owner_id, 'recipients', jsonb_build_array(n.owner_id, n.manager_id, 'AGT-303'),
	            'detail', jsonb_build_object('paused', n.paused))) FROM fresh n)
	  INTO closed, news;
	RETURN jsonb_build_object('closed', jsonb_build_object('backlog_risk', closed),
		'opened', jsonb_build_object('backlog_risk', kam._open_flags('backlog_risk', coalesce(news, '[]'), at)),
		'more', coalesce(jsonb_array_length(news), 0) >= batch);
END
$$;
COMMENT ON FUNCTION _tick_backlog(timestamptz, integer) IS 'Flags reps with ten or more prospects whose sequence is paused, for the rep, the manager and AGT-303; closes below ten.';

CREATE FUNCTION _tick_close(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	closed jsonb;
BEGIN
	WITH settled AS MATERIALIZED (
		SELECT f.flag_id, CASE
			WHEN l.lead_id IS NULL THEN 'the lead is gone'
			WHEN l.merged_into IS NOT NULL THEN 'the lead was merged'
			WHEN f.kind = 'concurrency' AND f.sequence_id IS NULL
				AND NOT EXISTS (SELECT FROM kam.prospect_state s
				                 WHERE s.lead_id = f.lead_id AND (s.stale OR s.sales_sequence IS NOT NULL AND s.marketing_sequence IS NOT NULL))
				THEN 'one of the two is no longer active'
			WHEN f.kind = 'concurrency' AND f.sequence_id IS NOT NULL
				AND NOT EXISTS (SELECT FROM kam.CadenceQueue q
				                 WHERE q.lead_id = ANY (kam._lead_ids(f.lead_id)) AND q.state = 'waiting' AND q.sequence_id = f.sequence_id)
				THEN 'it no longer waits'
			WHEN f.kind = 'stall' AND NOT EXISTS (SELECT FROM kam.Cadence c
			                                       WHERE c.lead_id = f.lead_id AND c.sequence_id = f.sequence_id AND c.state = 'active')
				THEN 'the sequence is no longer active'
			WHEN f.kind = 'stall' AND EXISTS (SELECT FROM kam.Cadence c
			                                   WHERE c.lead_id = f.lead_id AND c.sequence_id = f.sequence_id AND c.state = 'active'
			                                     AND greatest(c.last_activity_at, c.activated_at) > f.opened_at)
				THEN 'there was activity'
			WHEN f.kind = 'routing_error' AND coalesce(l.icp_tier, a.icp_tier) IS DISTINCT FROM 'T3' THEN 'the tier is no longer T3'
			WHEN f.kind = 'routing_error'
				AND NOT EXISTS (SELECT FROM kam.CadenceEventLog e
				                 WHERE e.lead_id = ANY (kam._lead_ids(f.lead_id)) AND e.family = 'sales'
				                   AND e.requested_event_type IN ('activation', 'touch', 'resume')
				                   -- IS TRUE hides the time from the index on it: to statistics older than a week, nothing is
				                   -- younger than one, and each flag would read the week of everybody.
				                   AND (e.event_at > _tick_close.at - interval '168:00:00') IS TRUE)
				AND f.opened_at <= _tick_close.at - interval '168:00:00'
				THEN 'no sales request for seven days'
			WHEN f.kind = 'data_quality' AND f.sequence_id IS NULL AND coalesce(l.icp_tier, a.icp_tier) IS NOT NULL THEN 'the tier is known'
			WHEN f.kind = 'data_quality' AND f.sequence_id IS NOT NULL
				AND NOT EXISTS (SELECT FROM kam.Cadence c
				                 WHERE c.lead_id = f.lead_id AND c.sequence_id = f.sequence_id AND c.state IN ('active', 'paused')
				                   AND coalesce(c.plan_step, 0) < (f.detail ->> 'step')::integer)
				THEN 'the step was dealt with'
			WHEN f.kind = 'cap_breach' AND (kam._touch_cap() < 0 OR kam._touch_cap() >=
				(SELECT count(*) FROM kam.CadenceEventLog e
				  WHERE e.lead_id = ANY (kam._lead_ids(f.lead_id)) AND e.touch_no IS NOT NULL AND e.counted
				    AND e.touch_at > _tick_close.at - kam._touch_window()))
				THEN 'no more touches than the cap'
			END AS why
		  FROM kam.CadenceFlag f
		  LEFT JOIN kam.Leads l ON l.lead_id = f.lead_id
		  LEFT JOIN kam.Accounts a ON a.account_id = l.account_id
		 WHERE f.closed_at IS NULL AND f.lead_id IS NOT NULL AND f.home = kam._home()
	), closed AS (
		UPDATE kam.CadenceFlag f
		   SET closed_at = _tick_close.at, detail = f.detail || jsonb_build_object('closed', s.why)
		  FROM settled s
		 WHERE f.flag_id = s.flag_id AND s.why IS NOT NULL
		RETURNING f.kind
	)
	SELECT coalesce(jsonb_object_agg(k.kind, k.n), '{}') INTO closed FROM (SELECT c.kind, count(*) AS n FROM closed c GROUP BY c.kind) k;
	RETURN jsonb_build_object('closed', closed);
END
$$;
COMMENT ON FUNCTION _tick_close(timestamptz, integer) IS 'Closes flags whose reason is gone (cap_warning and backlog_risk have closed their own), and says why in detail.';

-- ---- the tick ----------------------------------------------------------------------------

CREATE FUNCTION _tick_sum(a jsonb, b jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	part record;
BEGIN
	FOR part IN SELECT * FROM jsonb_each(b) LOOP
		a := a || jsonb_build_object(part.key, CASE
			WHEN a -> part.key IS NULL THEN part.value
			WHEN jsonb_typeof(part.value) = 'number' THEN to_jsonb((a ->> part.key)::bigint + (part.value #>> '{}')::bigint)
			WHEN jsonb_typeof(part.value) = 'boolean' THEN to_jsonb((a ->> part.key)::boolean OR (part.value #>> '{}')::boolean)
			WHEN jsonb_typeof(part.value) = 'object' THEN kam._tick_sum(a -> part.key, part.value)
			ELSE (a -> part.key) || part.value END);
	END LOOP;
	RETURN a;
END
$$;
COMMENT ON FUNCTION _tick_sum(jsonb, jsonb) IS 'Two reports in one: numbers are added, arrays joined, true wins.';

CREATE FUNCTION _tick_duties(duties text[], at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	report jsonb := '{}';
	duty text;
	state text;
	message text;
BEGIN
	FOREACH duty IN ARRAY duties LOOP
		-- Items see to their own failures; this is for what hits a duty as a whole, and keeps it from the others.
		BEGIN
			report := kam._tick_sum(report, CASE duty
				WHEN 'rejudge' THEN kam._tick_rejudge(at, batch)
				WHEN 'settle' THEN kam._tick_settle(at, batch)
				WHEN 'close' THEN kam._tick_close(at, batch)
				WHEN 'cap_warning' THEN kam._tick_cap_warning(at, batch)
				WHEN 'backlog' THEN kam._tick_backlog(at, batch)
				WHEN 'stall' THEN kam._tick_stall(at, batch)
				WHEN 'escalate' THEN kam._tick_escalate(at, batch)
				-- An event costs far less to count than a flag to look for.
				WHEN 'fold' THEN jsonb_build_object('more', kam._fold_intelligence(greatest(10000, least(batch, 10000) * 20)))
				WHEN 'plays' THEN kam._tick_plays(at, batch)
				ELSE kam._tick_items(duty, at, batch) END);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
			IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
				RAISE;
			END IF;
			RAISE WARNING USING ERRCODE = state, MESSAGE = format('schedules: %s: %s', duty, message);
			report := kam._tick_sum(report, jsonb_build_object('failed', 1, 'errors',
				jsonb_build_array(jsonb_build_object('duty', duty, 'sqlstate', state, 'message', message))));
		END;
	END LOOP;
	RETURN report;
END
$$;
COMMENT ON FUNCTION _tick_duties(text[], timestamptz, integer) IS 'Does these duties in this order and adds up their reports.';

CREATE FUNCTION _tick_scan(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	report jsonb;
	part record;
BEGIN
	-- One scan at a time: two would wait for each other's flags.
	PERFORM FROM kam.coordinator_state FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN '{"scan": "another one is under way"}';
	END IF;
	-- Closing comes first: what is gone is neither escalated nor in the way of a new flag.
	report := kam._tick_duties('{close,cap_warning,backlog,stall,escalate,fold}', at, batch);
	DELETE FROM kam._tick_failure f
	 WHERE f.retry_at <= at AND f.failed_at < at - CASE f.duty WHEN 'settle' THEN interval '168:00:00' ELSE interval '1 hour' END;
	-- Only what happened.
	FOR part IN SELECT * FROM jsonb_each(report) p WHERE jsonb_typeof(p.value) = 'object' LOOP
		report := report || jsonb_build_object(part.key,
			(SELECT coalesce(jsonb_object_agg(k.key, k.value) FILTER (WHERE k.value <> '0'), '{}') FROM jsonb_each(part.value) k));
	END LOOP;
	RETURN report;
END
$$;
COMMENT ON FUNCTION _tick_scan(timestamptz, integer) IS 'The flags: closes, opens, escalates.';

-- Every statement has its index, and sorts only what it found by that: no plan made while a table was small may stay when it has grown.  (What must be
-- scanned all the same looks so dear then that it would be compiled.)
CREATE FUNCTION _tick(at timestamptz, items integer, flags integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	SET enable_sort = on
	SET jit = off
	AS $$
DECLARE
	report jsonb := '{"released": 0, "moved": 0, "blocked": 0, "expired": 0, "settled": 0, "ended": 0, "resolved": 0, "failed": 0, "skipped": 0,
		"opened": {}, "escalated": {}, "closed": {}, "more": false, "errors": []}';
BEGIN
	IF items > 0 THEN
		-- What is over must not be released any more: expire and end come before release.
		report := kam._tick_sum(report, kam._tick_duties('{rejudge,settle,expire,end,release,conflict,plays,step}', at, items));
	END IF;
	IF flags > 0 THEN
		report := kam._tick_sum(report, kam._tick_scan(at, flags));
	END IF;
	RETURN report;
END
$$;
COMMENT ON FUNCTION _tick(timestamptz, integer, integer) IS 'One turn of the schedules: what kam_tick() and the worker call. items: how many of each duty on leads; flags: how many of each kind are opened or escalated; 0 leaves that half out.';

CREATE FUNCTION _tick_next() RETURNS timestamptz
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT least(
			(SELECT q.release_at FROM kam.CadenceQueue q
			  WHERE q.home = kam._home() AND q.state = 'waiting' AND q.release_at IS NOT NULL ORDER BY q.release_at LIMIT 1),
			(SELECT q.expires_at FROM kam.CadenceQueue q
			  WHERE q.home = kam._home() AND q.state = 'waiting' ORDER BY q.expires_at LIMIT 1),
			(SELECT c.active_until FROM kam.Cadence c
			  WHERE c.home = kam._home() AND c.state <> 'finished' AND c.active_until IS NOT NULL ORDER BY c.active_until LIMIT 1),
			(SELECT s.created_at FROM kam.Suppression s
			  WHERE s.home = kam._home() AND s.settled_at IS NULL ORDER BY s.created_at LIMIT 1),
			(SELECT c.next_step_at FROM kam.Cadence c
			  WHERE c.home = kam._home() AND c.state = 'active' AND c.next_step_at IS NOT NULL AND current_setting('kam.outreach')::boolean
			  ORDER BY c.next_step_at LIMIT 1),
			(SELECT min(p.active_period_end) FROM kam.SalesPlayLibrary p WHERE p.state = 'active' AND p.home = kam._home()),
			(SELECT min(n.next_at) FROM kam._play_scan n JOIN kam.SalesPlayLibrary p USING (play_id) WHERE p.home = kam._home()),
			(SELECT c.not_before FROM kam._play_candidate c ORDER BY c.not_before LIMIT 1));
	END;
COMMENT ON FUNCTION _tick_next() IS 'When the next item of the schedules is due (kam''s clock), flags apart; NULL for none.';

CREATE FUNCTION kam_tick(as_of timestamptz DEFAULT NULL, batch integer DEFAULT 1000) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	report jsonb;
BEGIN
	IF batch IS NULL OR batch < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('batch must be at least 1: %s', coalesce(batch::text, 'NULL')),
			HINT = 'It is how many items of each duty are done at most.';
	END IF;
	IF NOT isfinite(as_of) THEN
		RAISE EXCEPTION USING ERRCODE = 'datetime_field_overflow', MESSAGE = format('as_of must be a moment: %s', as_of);
	END IF;
	IF current_setting('kam.paused')::boolean THEN
		RETURN jsonb_build_object('paused', true, 'more', false);
	END IF;
	IF as_of IS NULL THEN
		RETURN kam._tick(kam._now(), batch, batch);
	END IF;
	PERFORM kam._set_clock(as_of);
	BEGIN
		report := kam._tick(as_of, batch, batch);
	EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
		-- Whoever catches this goes on in the same transaction, by the real clock.
		PERFORM kam._set_clock(NULL);
		RAISE;
	END;
	PERFORM kam._set_clock(NULL);
	RETURN report;
END
$$;
COMMENT ON FUNCTION kam_tick(timestamptz, integer) IS 'Does what is due: judges held requests again after a change of the cap, ends what runs for suppressed addresses, expires and releases what waits (through all gates), finishes enrolments whose time is over, executes due steps, settles conflicts, enrols leads that active plays match and ends plays whose period is over, opens, escalates and closes flags. At most "batch" items of each duty; "more" tells to call again. What somebody else holds locked is skipped. One item''s failure is a WARNING, an entry of "errors", and costs that item five minutes. as_of takes the place of the clock, for gates and stamps too. The worker does the same while kam.schedules is on; while kam.paused is on nothing happens. Returns counts: released, moved (judged again and refused for now), blocked, expired, settled, ended, resolved, failed, skipped, and per kind of flag opened, escalated, closed; of steps, when there were any, stepped (executed), step_held, step_refused, step_skipped, step_moved (to a time when it may go), step_lacking (a field), completed; of plays enrolled (active or queued), refused (by a gate) and plays_ended. Batch below 1 raises 22023, an infinite as_of 22008. Example: SELECT kam.kam_tick(''2026-03-10 09:00+01'');';

CREATE FUNCTION _tick_health() RETURNS TABLE (item text, state text, detail text, hint text)
	LANGUAGE plpgsql VOLATILE ROWS 5
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	present CONSTANT timestamptz := kam._now();
	-- What the schedules leave for a minute is on its way; what they leave longer they do not do.
	late CONSTANT timestamptz := present - interval '1 min';
	stuck record;
BEGIN
	IF NOT current_setting('kam.schedules')::boolean THEN
		RETURN QUERY VALUES ('schedules', 'warning', 'kam.schedules is off: holds are not released, waits do not run again, flags are not raised',
			'ALTER SYSTEM SET kam.schedules = on, then reload; or call kam.kam_tick() yourself.');
	END IF;

	-- Counted up to a thousand: more tells no more.
	SELECT count(*) AS n, min(q.release_at) AS since INTO stuck
	  FROM (SELECT q.release_at FROM kam.CadenceQueue q
	         WHERE q.home = kam._home() AND q.state = 'waiting' AND q.release_at <= late ORDER BY q.release_at LIMIT 1000) q;
	RETURN QUERY SELECT 'holds', CASE WHEN stuck.n > 0 THEN 'warning' ELSE 'ok' END,
		CASE WHEN stuck.n > 0 THEN format('%s%s due requests are not released, the oldest since %s', CASE WHEN stuck.n = 1000 THEN 'at least ' ELSE '' END, stuck.n, stuck.since)
		     ELSE 'none overdue' END,
		CASE WHEN stuck.n > 0 THEN 'Is a worker running, are kam.schedules on and kam.paused off? SELECT kam.kam_tick() does it by hand.' END;

	SELECT count(*) AS n, min(c.next_step_at) AS since INTO stuck
	  FROM (SELECT c.next_step_at FROM kam.Cadence c
	         WHERE c.home = kam._home() AND c.state = 'active' AND c.next_step_at <= late ORDER BY c.next_step_at LIMIT 1000) c;
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('steps', 'warning', format('%s%s due steps are not executed, the oldest since %s',
			CASE WHEN stuck.n = 1000 THEN 'at least ' ELSE '' END, stuck.n, stuck.since),
			'Is a worker running, are kam.schedules and kam.outreach on and kam.paused off? SELECT kam.kam_tick() does it by hand.');
	END IF;

	SELECT count(*) AS n INTO stuck FROM kam.CadenceQueue q WHERE q.state = 'waiting' AND q.home <> kam._home();
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('parked holds', 'warning', format('%s waiting requests came with a restore or a copy', stuck.n), 'SELECT kam.kam_resume() lets them go on.');
	END IF;

	SELECT count(*) AS n INTO stuck FROM kam.SalesPlayLibrary p WHERE p.state = 'active' AND p.home <> kam._home();
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('parked plays', 'warning', format('%s active plays came with a restore or a copy and enrol nobody', stuck.n), 'SELECT kam.kam_resume() lets them go on.');
	END IF;

	SELECT count(*) AS n, min(s.created_at) AS since INTO stuck
	  FROM (SELECT s.created_at FROM kam.Suppression s
	         WHERE s.home = kam._home() AND s.settled_at IS NULL AND s.created_at <= late ORDER BY s.created_at LIMIT 1000) s;
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('suppressions', 'warning',
			format('sequences and holds of %s suppressed addresses are not ended yet, the oldest since %s', stuck.n, stuck.since),
			'New touches are blocked all the same. SELECT kam.kam_tick() does it by hand.');
	END IF;

	SELECT count(*) AS n, (array_agg(f.error ORDER BY f.failed_at DESC))[1] AS latest INTO stuck
	  FROM kam._tick_failure f WHERE f.sqlstate <> '55P03';
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('schedule failures', 'warning', format('%s items of the schedules failed, the latest: %s', stuck.n, stuck.latest),
			'SELECT * FROM kam._tick_failure; each is tried again at retry_at.');
	END IF;

	RETURN QUERY SELECT h.item, h.state, h.detail, h.hint FROM kam._intelligence_health() h;

	RETURN QUERY SELECT 'flags', 'ok', coalesce(string_agg(format('%s %s', k.n, k.kind), ', ' ORDER BY k.n DESC, k.kind) || ' open', 'none open'),
		CASE WHEN count(*) > 0 THEN 'SELECT * FROM kam.CadenceFlag WHERE closed_at IS NULL;' END
	  FROM (SELECT f.kind, count(*) AS n FROM kam.CadenceFlag f WHERE f.closed_at IS NULL AND f.home = kam._home() GROUP BY f.kind) k;
END
$$;
COMMENT ON FUNCTION _tick_health() IS 'What kam_health() says of the schedules.';

-- Something new may be due sooner than the worker thought.
CREATE TRIGGER queue_wake AFTER INSERT OR UPDATE OF release_at ON CadenceQueue FOR EACH STATEMENT EXECUTE FUNCTION _wake();
CREATE TRIGGER suppression_wake AFTER INSERT OR UPDATE OF settled_at ON Suppression FOR EACH STATEMENT EXECUTE FUNCTION _wake();

INSERT INTO coordinator_state (touch_cap, touch_window) VALUES (_touch_cap(), _touch_window());

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

-- Sequences that run by themselves: when the next step is due, what it sends, and the duty of the schedules that executes it (docs/sequences.md).
--
-- A step becomes a touch as anybody's: the gates judge it.  Whatever happens to it, Cadence.plan_step says that it was dealt
-- with in the same transaction, and its idempotency key that it was asked for.

-- ---- when somebody may be written to ----------------------------------------------------

CREATE FUNCTION _recipient_zone(lead_id text) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	said record;
BEGIN
	SELECT l.time_zone, a.owner_id INTO said
	  FROM kam.Leads l LEFT JOIN kam.Accounts a USING (account_id) WHERE l.lead_id = _recipient_zone.lead_id;
	RETURN coalesce(kam._zone(said.time_zone), kam._rep_zone(said.owner_id));
END
$$;
COMMENT ON FUNCTION _recipient_zone(text) IS 'The time zone of a lead: its own, else that of the rep who owns its account, else kam.default_timezone.';

CREATE FUNCTION _send_rule(sequence_type text, channel text) RETURNS SendRule
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT r.* FROM kam.SendRule r
		 WHERE r.sequence_type = _send_rule.sequence_type AND r.channel IN (_send_rule.channel, '*')
		 ORDER BY r.channel = '*' LIMIT 1;
	END;
COMMENT ON FUNCTION _send_rule(text, text) IS 'The send rule of a type and channel, else that of the type''s "*"; NULL for none.';

CREATE FUNCTION _quiet_spans(rule SendRule, local_day date, zone text) RETURNS TABLE (since timestamptz, till timestamptz)
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT (n + (rule).quiet_from) AT TIME ZONE zone,
		       (n + (rule).quiet_until + CASE WHEN (rule).quiet_until < (rule).quiet_from THEN interval '1 day' ELSE '0' END) AT TIME ZONE zone
		  FROM (VALUES (local_day - 1), (local_day)) q (n)
		 WHERE (rule).quiet_from IS NOT NULL
		 ORDER BY n;
	END;
COMMENT ON FUNCTION _quiet_spans(SendRule, date, text) IS 'The quiet hours of a rule that may reach into a day: last night''s and its own.';

CREATE FUNCTION _send_moment("from" timestamptz, zone text, sequence_type text, channel text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	opens CONSTANT time := split_part(current_setting('kam.send_window'), '-', 1);
	closes CONSTANT time := split_part(current_setting('kam.send_window'), '-', 2);
	today CONSTANT date := ("from" AT TIME ZONE _send_moment.zone)::date;
	rule CONSTANT kam.SendRule := kam._send_rule(sequence_type, channel);
	local_day date;
	moment timestamptz;
	until timestamptz;
	quiet record;
BEGIN
	-- A year of holidays and quiet hours without a gap is a mistake; a step waits for somebody to mend it.
	FOR ahead IN 0 .. 400 LOOP
		local_day := today + ahead;
		CONTINUE WHEN extract(isodow FROM local_day) > 5
			OR EXISTS (SELECT FROM kam.holiday h WHERE h.day = local_day AND h.time_zone IN ('*', _send_moment.zone));
		moment := greatest("from", (local_day + opens) AT TIME ZONE _send_moment.zone);
		until := (local_day + closes) AT TIME ZONE _send_moment.zone;
		FOR quiet IN SELECT * FROM kam._quiet_spans(rule, local_day, _send_moment.zone) LOOP
			IF moment >= quiet.since AND moment < quiet.till THEN
				moment := quiet.till;
			END IF;
		END LOOP;
		IF moment < until THEN
			RETURN moment;
		END IF;
	END LOOP;
	RETURN "from" + interval '400 days';
END
$$;
COMMENT ON FUNCTION _send_moment(timestamptz, text, text, text) IS 'The first moment from one on at which a step may go: within kam.send_window of a working day (Monday to Friday but holiday) and outside the SendRule''s quiet hours, all in the zone. 400 days later when there is none.';

CREATE FUNCTION _step_due(c Cadence, n integer, zone text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	step CONSTANT jsonb := c.steps -> (n - 1);
	before CONSTANT jsonb := c.steps -> (n - 2);
	base CONSTANT timestamptz := coalesce(c.plan_at, c.activated_at, c.created_at);
	days numeric;
	delay interval;
	due timestamptz;
	earliest timestamptz := base;
BEGIN
	IF step ? 'execute_at' THEN
		due := kam._time_or_null(step ->> 'execute_at');
		-- What came before was late: so is this.
		IF n > 1 AND kam._time_or_null(before ->> 'execute_at') < base THEN
			due := due + (base - kam._time_or_null(before ->> 'execute_at'));
		END IF;
		RETURN due;
	ELSIF step ? 'delay' THEN
		delay := (step ->> 'delay')::interval;
		-- Days are the zone's, hours are hours.
		due := ((base AT TIME ZONE zone) + date_trunc('day', delay)) AT TIME ZONE zone + (delay - date_trunc('day', delay));
		earliest := due;
	ELSIF jsonb_typeof(step -> 'day') = 'number' THEN
		days := (step ->> 'day')::numeric;
		IF n > 1 AND jsonb_typeof(before -> 'day') = 'number' THEN
			days := greatest(days - (before ->> 'day')::numeric, 0);
		ELSIF n > 1 THEN
			-- After one that counts otherwise: from the activation, never before that one.
			RETURN greatest(base, ((c.created_at AT TIME ZONE zone) + days::float8 * interval '1 day') AT TIME ZONE zone);
		END IF;
		due := ((base AT TIME ZONE zone) + trunc(days)::integer * interval '1 day') AT TIME ZONE zone + (days - trunc(days))::float8 * interval '24 hours';
	ELSE
		RETURN NULL;
	END IF;
	IF step ? 'at' THEN
		due := ((due AT TIME ZONE zone)::date + (step ->> 'at')::time) AT TIME ZONE zone;
		IF due < earliest THEN
			due := ((earliest AT TIME ZONE zone)::date + 1 + (step ->> 'at')::time) AT TIME ZONE zone;
		END IF;
	END IF;
	RETURN due;
END
$$;
COMMENT ON FUNCTION _step_due(Cadence, integer, text) IS 'The time of the n-th step of an enrolment as planned, counted from when the step before was dealt with; NULL for a step without a time.';

-- ---- Cadence keeps the time of its next step ------------------------------------------------

CREATE FUNCTION _plan_next(c Cadence, dealt_with integer, at timestamptz) RETURNS Cadence
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	present CONSTANT timestamptz := kam._now();
	step jsonb;
	zone text;
	due timestamptz;
BEGIN
	IF dealt_with > coalesce(c.plan_step, 0) THEN
		c.plan_step := dealt_with;
		-- In time is what the schedules came to within minutes: their pace does not add up over the steps.
		c.plan_at := CASE WHEN c.next_step_at BETWEEN at - interval '10 min' AND at THEN c.next_step_at ELSE date_trunc('second', at) END;
	END IF;
	c.step_note := NULL;
	c.next_step_at := NULL;
	IF c.state <> 'active' OR NOT c.runs THEN
		RETURN c;
	END IF;
	c.plan_at := coalesce(c.plan_at, c.activated_at, present);
	step := c.steps -> coalesce(c.plan_step, 0);
	IF step IS NULL THEN
		c.next_step_at := present;	-- for the schedules to complete it
	ELSE
		zone := kam._recipient_zone(c.lead_id);
		due := kam._step_due(c, coalesce(c.plan_step, 0) + 1, zone);
		IF due IS NOT NULL THEN
			-- A pause moves nothing: what has come due meanwhile is due.
			c.next_step_at := greatest(due, present);
			IF step ->> 'on_quiet' IS DISTINCT FROM 'skip' THEN
				c.next_step_at := kam._send_moment(c.next_step_at, zone, c.sequence_type, lower(btrim(step ->> 'channel')));
			END IF;
		END IF;
	END IF;
	IF c.next_step_at IS NOT NULL THEN
		PERFORM kam._wake_worker();
	END IF;
	RETURN c;
END
$$;
COMMENT ON FUNCTION _plan_next(Cadence, integer, timestamptz) IS 'An enrolment with the time of its next step, after a step was dealt with (NULL for none). Writes nothing.';

CREATE FUNCTION _plan_write(c Cadence) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	UPDATE kam.Cadence k
	   SET runs = c.runs, plan_step = c.plan_step, plan_at = c.plan_at, next_step_at = c.next_step_at, step_note = c.step_note
	 WHERE k.lead_id = c.lead_id AND k.sequence_id = c.sequence_id AND k.enrolment_no = c.enrolment_no
	   AND (k.runs, k.plan_step, k.plan_at, k.next_step_at, k.step_note) IS DISTINCT FROM (c.runs, c.plan_step, c.plan_at, c.next_step_at, c.step_note);
END
$$;
COMMENT ON FUNCTION _plan_write(Cadence) IS 'Writes what _plan_next() says.';

CREATE FUNCTION _plan_changed() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	IF TG_OP = 'INSERT' AND NEW.home <> kam._home() THEN
		RETURN NEW;				-- of a restore: as it was
	END IF;
	IF TG_OP = 'INSERT' OR NEW.steps IS DISTINCT FROM OLD.steps THEN
		PERFORM kam._check_steps(NEW.steps, '/payload/steps', false);
		NEW.runs := jsonb_path_exists(NEW.steps, '$[*] ? (exists (@.day) || exists (@.delay) || exists (@.execute_at))');
	END IF;
	NEW := kam._plan_next(NEW, NEW.current_step, coalesce(NEW.last_activity_at, kam._now()));
	IF TG_WHEN = 'AFTER' THEN
		PERFORM kam._plan_write(NEW);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _plan_changed() IS 'Row trigger of Cadence: checks a plan (22023 with the path) and keeps runs, plan_step, plan_at, next_step_at and step_note.';
CREATE TRIGGER _plan_came BEFORE INSERT ON Cadence FOR EACH ROW WHEN (NEW.steps <> '[]') EXECUTE FUNCTION _plan_changed();
-- AFTER: a row trigger before an UPDATE would cost every touch of every sequence a lock on the row.
CREATE TRIGGER _plan_changed AFTER UPDATE OF state, current_step, steps ON Cadence FOR EACH ROW
	WHEN ((NEW.runs OR NEW.steps IS DISTINCT FROM OLD.steps)
	      AND (OLD.state, OLD.current_step, OLD.steps) IS DISTINCT FROM (NEW.state, NEW.current_step, NEW.steps))
	EXECUTE FUNCTION _plan_changed();

CREATE FUNCTION _step_dealt_with(lead_id text, sequence_id text, enrolment_no integer, step integer, at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	c kam.Cadence;
BEGIN
	SELECT k.* INTO c FROM kam.Cadence k
	 WHERE k.lead_id = _step_dealt_with.lead_id AND k.sequence_id = _step_dealt_with.sequence_id AND k.enrolment_no = _step_dealt_with.enrolment_no
	   AND k.runs AND k.state <> 'finished' AND coalesce(k.plan_step, 0) < _step_dealt_with.step
	   FOR NO KEY UPDATE;
	IF FOUND THEN
		PERFORM kam._plan_write(kam._plan_next(c, _step_dealt_with.step, _step_dealt_with.at));
	END IF;
END
$$;
COMMENT ON FUNCTION _step_dealt_with(text, text, integer, integer, timestamptz) IS 'The enrolment goes on after a step, unless it did already.';

CREATE FUNCTION _step_hold_ended() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	held kam.CadenceEventLog;
BEGIN
	SELECT e.* INTO held FROM kam.CadenceEventLog e WHERE e.lead_id = NEW.lead_id AND e.event_id = NEW.event_id;
	IF held.step IS NOT NULL THEN
		PERFORM kam._step_dealt_with(held.lead_id, held.sequence_id, held.enrolment_no, held.step, NEW.ended_at);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _step_hold_ended() IS 'Row trigger of CadenceQueue: the sequence whose step was held goes on when the hold was released, given up or has expired.';
CREATE TRIGGER _step_hold_ended AFTER UPDATE OF state ON CadenceQueue FOR EACH ROW
	WHEN (OLD.state = 'waiting' AND NEW.state <> 'waiting' AND NEW.kind = 'held' AND NEW.end_reason IS DISTINCT FROM 'rewritten') EXECUTE FUNCTION _step_hold_ended();

CREATE FUNCTION _withdraw_step(lead_id text, sequence_id text, steps jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	held bigint;
BEGIN
	FOR held IN
		SELECT q.event_id
		  FROM kam.Cadence c
		  JOIN kam.CadenceEventLog e ON e.lead_id = c.lead_id AND e.sequence_id = c.sequence_id AND e.enrolment_no = c.enrolment_no
		       AND e.step = coalesce(c.plan_step, 0) + 1 AND e.payload ? 'planned_at'
		  JOIN kam.CadenceQueue q ON q.lead_id = e.lead_id AND q.event_id = e.event_id AND q.state = 'waiting' AND q.kind = 'held'
		 WHERE c.lead_id = _withdraw_step.lead_id AND c.sequence_id = _withdraw_step.sequence_id AND c.state <> 'finished' AND c.runs
		   AND c.steps IS DISTINCT FROM _withdraw_step.steps
	LOOP
		PERFORM kam._cancel_holds(_withdraw_step.lead_id, held, 'rewritten', kam._now());
		PERFORM kam._rebuild_state(_withdraw_step.lead_id);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _withdraw_step(text, text, jsonb) IS 'Before a plan is rewritten: a held touch of its next step has the old words, so it is cancelled (rewritten), and the step is asked for anew. Wants the lead''s lock.';

-- ---- limits by the day ----------------------------------------------------------------------------

CREATE FUNCTION _rep_limit(rep_id text) RETURNS integer
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN CASE WHEN _rep_limit.rep_id IS NULL THEN 0
	            ELSE coalesce((SELECT r.daily_limit FROM kam.Reps r WHERE r.rep_id = _rep_limit.rep_id), current_setting('kam.rep_daily_limit')::integer) END;
END
$$;
COMMENT ON FUNCTION _rep_limit(text) IS 'A rep''s daily limit: Reps.daily_limit, else kam.rep_daily_limit; 0 for none.';

CREATE FUNCTION _touches_since(account_id text, owner_id text, since timestamptz) RETURNS bigint
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		-- Of leads that were touched since, each by its own rows.
		SELECT coalesce(sum((SELECT count(*) FROM kam.CadenceEventLog e
		                      WHERE e.lead_id = l.lead_id AND e.touch_no IS NOT NULL AND e.counted AND e.event_type = 'touch'
		                        AND e.touch_at >= _touches_since.since)), 0)::bigint
		  FROM (SELECT l.lead_id FROM kam.Leads l WHERE l.account_id = _touches_since.account_id AND l.last_touch_at >= _touches_since.since
		        UNION ALL
		        SELECT l.lead_id FROM kam.Leads l WHERE l.owner_id = _touches_since.owner_id AND l.last_touch_at >= _touches_since.since) l;
	END;
COMMENT ON FUNCTION _touches_since(text, text, timestamptz) IS 'Executed touches that count, since a moment, of the leads of an account or of a rep (the other NULL).';

CREATE FUNCTION _limited_until(lead_id text, at timestamptz, OUT until timestamptz, OUT why text) RETURNS record
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	lead record;
	cap CONSTANT integer := current_setting('kam.account_daily_cap')::integer;
	rep_limit integer;
	zone text;
	today timestamp;
BEGIN
	SELECT l.account_id, l.owner_id, a.owner_id AS account_owner INTO lead
	  FROM kam.Leads l LEFT JOIN kam.Accounts a USING (account_id) WHERE l.lead_id = _limited_until.lead_id;
	rep_limit := kam._rep_limit(lead.owner_id);
	IF (cap = 0 OR lead.account_id IS NULL) AND rep_limit = 0 THEN
		RETURN;
	END IF;
	-- One at a time: two that counted the same day at once would both find room.
	PERFORM FROM kam.coordinator_state FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		why := 'locked';
		RETURN;
	END IF;
	-- Written, so that one with an older snapshot fails (40001) instead of counting by it.
	UPDATE kam.coordinator_state SET stepped_at = _limited_until.at WHERE stepped_at IS DISTINCT FROM _limited_until.at;
	IF cap > 0 AND lead.account_id IS NOT NULL THEN
		zone := kam._rep_zone(lead.account_owner);
		today := date_trunc('day', _limited_until.at AT TIME ZONE zone);
		IF kam._touches_since(lead.account_id, NULL, today AT TIME ZONE zone) >= cap THEN
			why := 'account_daily_cap';
			until := (today + interval '1 day') AT TIME ZONE zone;
			RETURN;
		END IF;
	END IF;
	IF rep_limit > 0 THEN
		zone := kam._rep_zone(lead.owner_id);
		today := date_trunc('day', _limited_until.at AT TIME ZONE zone);
		IF kam._touches_since(NULL, lead.owner_id, today AT TIME ZONE zone) >= rep_limit THEN
			why := 'rep_daily_limit';
			until := (today + interval '1 day') AT TIME ZONE zone;
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION _limited_until(text, timestamptz) IS 'Until when a daily limit keeps the steps of a lead, and which (account_daily_cap, rep_daily_limit); NULL when none does. why is locked while another run of the schedules counts.';

CREATE FUNCTION _step_moment(lead_id text, sequence_type text, channel text, at timestamptz, OUT moment timestamptz, OUT why text) RETURNS record
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	zone CONSTANT text := kam._recipient_zone(lead_id);
	limited record;
BEGIN
	moment := kam._send_moment(at, zone, sequence_type, channel);
	IF moment > at THEN
		why := 'send_window';
		RETURN;
	END IF;
	IF (SELECT t.family FROM kam.sequence_type t WHERE t.sequence_type = _step_moment.sequence_type) = 'transactional' THEN
		RETURN;
	END IF;
	SELECT * INTO limited FROM kam._limited_until(lead_id, at);
	why := limited.why;
	IF limited.until IS NOT NULL THEN
		moment := kam._send_moment(limited.until, zone, sequence_type, channel);
	END IF;
END
$$;
COMMENT ON FUNCTION _step_moment(text, text, text, timestamptz) IS 'When a step that is due may go: at once (why NULL), or later and why.';

-- ---- the duty ---------------------------------------------------------------------------------------

CREATE FUNCTION _step_later(c Cadence, moment timestamptz, why text) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	UPDATE kam.Cadence k SET next_step_at = moment, step_note = why
	 WHERE k.lead_id = c.lead_id AND k.sequence_id = c.sequence_id AND k.enrolment_no = c.enrolment_no;
END
$$;
COMMENT ON FUNCTION _step_later(Cadence, timestamptz, text) IS 'Puts the next step of an enrolment off (NULL: until its hold ends), and says why.';

CREATE FUNCTION _step_skip(c Cadence, n integer, why text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	PERFORM kam._system_event(c.lead_id, 'cancelled', NULL, why, c.sequence_id, c.sequence_type, c.enrolment_no, n);
	PERFORM kam._step_dealt_with(c.lead_id, c.sequence_id, c.enrolment_no, n, at);
	RETURN 'step_skipped';
END
$$;
COMMENT ON FUNCTION _step_skip(Cadence, integer, text, timestamptz) IS 'Leaves a step out: a row "cancelled" in the log, with the step and why (condition, quiet).';

CREATE FUNCTION _step_message(c Cadence, n integer, OUT payload jsonb, OUT missing text[]) RETURNS record
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	step CONSTANT jsonb := c.steps -> (n - 1);
	template CONSTANT text := coalesce(step ->> 'content', step ->> 'template');
	fields jsonb;
	message record;
	subject record;
BEGIN
	payload := step - '{day,delay,at,execute_at,condition,on_quiet,content,template,subject,verbatim,channel,step,message,planned_at}'::text[];
	IF step -> 'verbatim' = 'true' THEN
		payload := payload || jsonb_strip_nulls(jsonb_build_object('message', template, 'subject', step -> 'subject'));
		missing := '{}';
	ELSE
		fields := kam._lead_fields(c.lead_id);
		SELECT * INTO message FROM kam._render(template, fields);
		SELECT * INTO subject FROM kam._render(step ->> 'subject', fields);
		payload := payload || jsonb_strip_nulls(jsonb_build_object('message', message.message, 'subject', subject.message));
		missing := ARRAY(SELECT DISTINCT m FROM unnest(message.missing || subject.missing) m ORDER BY m);
	END IF;
	-- A rep can do without words, a machine that sends cannot.
	IF coalesce(btrim(payload ->> 'message'), '') = '' AND (kam._send_rule(c.sequence_type, lower(btrim(step ->> 'channel')))).mode <> 'notify_rep' THEN
		missing := missing || 'content'::text;
	END IF;
	payload := payload || jsonb_build_object('planned_at', kam._step_due(c, n, kam._recipient_zone(c.lead_id)));
END
$$;
COMMENT ON FUNCTION _step_message(Cadence, integer) IS 'The payload of a step''s touch: message and subject as they go out, planned_at, and what else the step says; with what is missing for it, a step that is sent by itself but has no words among that.';

CREATE FUNCTION _tick_step(lead_id text, sequence_id text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	c kam.Cadence;
	n integer;
	step jsonb;
	place text;
	said record;
	may record;
	key text;
	answer kam.CadenceEventLog;
BEGIN
	SELECT k.* INTO c FROM kam.Cadence k
	 WHERE k.lead_id = _tick_step.lead_id AND k.sequence_id = _tick_step.sequence_id AND k.state = 'active' AND k.next_step_at <= _tick_step.at
	   FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN 'gone';
	END IF;
	n := coalesce(c.plan_step, 0) + 1;
	step := c.steps -> (n - 1);
	IF step IS NULL THEN
		PERFORM kam._step_complete(c);
		RETURN 'completed';
	END IF;
	IF EXISTS (SELECT FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e USING (lead_id, event_id)
	            WHERE q.lead_id = c.lead_id AND q.state = 'waiting' AND q.kind = 'held'
	              AND e.sequence_id = c.sequence_id AND e.enrolment_no = c.enrolment_no AND e.step = n) THEN
		PERFORM kam._step_later(c, NULL, 'held');
		RETURN 'step_held';
	END IF;

	place := lower(btrim(step ->> 'channel'));
	IF step ->> 'on_quiet' = 'skip'
	   AND kam._send_moment(c.next_step_at, kam._recipient_zone(c.lead_id), c.sequence_type, place) > c.next_step_at THEN
		RETURN kam._step_skip(c, n, 'quiet', _tick_step.at);
	END IF;
	SELECT * INTO may FROM kam._step_moment(c.lead_id, c.sequence_type, place, _tick_step.at);
	IF may.moment > _tick_step.at THEN
		PERFORM kam._step_later(c, may.moment, may.why);
		RETURN 'step_moved';
	ELSIF may.why = 'locked' THEN
		RETURN 'skipped';
	END IF;
	IF step ? 'condition'
	   AND jsonb_path_match(kam._lead_document(c.lead_id), (step ->> 'condition')::jsonpath, silent => true) IS NOT TRUE THEN
		RETURN kam._step_skip(c, n, 'condition', _tick_step.at);
	END IF;
	SELECT * INTO said FROM kam._step_message(c, n);
	IF cardinality(said.missing) > 0 THEN
		PERFORM kam._raise_flag('data_quality', c.lead_id, NULL, c.sequence_id,
			jsonb_build_object('step', n, 'missing', to_jsonb(said.missing), 'path', format('/steps/%s', n - 1)), NULL);
		PERFORM kam._step_later(c, _tick_step.at + interval '1 hour', 'missing: ' || array_to_string(said.missing, ', '));
		RETURN 'step_lacking';
	END IF;

	-- As kam_request, whose lock we have: the same step again is given its first answer.
	key := format('step %s/%s/%s', c.sequence_id, c.enrolment_no, n)
		|| coalesce(' ' || nullif((SELECT count(*) FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e USING (lead_id, event_id)
		                            WHERE q.lead_id = c.lead_id AND q.end_reason = 'rewritten' AND e.sequence_id = c.sequence_id
		                              AND e.enrolment_no = c.enrolment_no AND e.step = n), 0), '');
	SELECT e.* INTO answer FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (kam._lead_ids(c.lead_id)) AND e.idempotency_key = key LIMIT 1;
	IF NOT FOUND THEN
		INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, idempotency_key, payload)
		VALUES (c.lead_id, c.sequence_id, c.sequence_type, 'touch', n, place, c.originating_agent, key, said.payload)
		RETURNING e.* INTO answer;
	END IF;
	IF answer.coordinator_action = 'held'
	   AND EXISTS (SELECT FROM kam.CadenceQueue q WHERE q.lead_id = answer.lead_id AND q.event_id = answer.event_id AND q.state = 'waiting') THEN
		PERFORM kam._step_later(c, NULL, 'held');
		RETURN 'step_held';
	END IF;
	PERFORM kam._step_dealt_with(c.lead_id, c.sequence_id, c.enrolment_no, n, _tick_step.at);
	IF answer.coordinator_action <> 'executed' THEN
		RETURN 'step_refused';
	END IF;
	IF n = jsonb_array_length(c.steps) THEN
		PERFORM kam._step_complete(c);
	END IF;
	RETURN 'stepped';
END
$$;
COMMENT ON FUNCTION _tick_step(text, text, timestamptz) IS 'Deals with the due step of an enrolment, under its lead''s lock: stepped (executed), step_held (by the cap), step_refused (for good, with its row), step_skipped (condition, quiet), step_moved (to when it may go), step_lacking (a field; a flag says which), completed (nothing is left), gone.';

CREATE FUNCTION _step_complete(c Cadence) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, originating_agent)
	VALUES (c.lead_id, c.sequence_id, c.sequence_type, 'complete', 'AGT-302');
END
$$;
COMMENT ON FUNCTION _step_complete(Cadence) IS 'Ends an enrolment whose last step was dealt with, by a fact.';

CREATE FUNCTION _step_release(lead_id text, event_id bigint, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	held kam.CadenceEventLog;
	may record;
BEGIN
	SELECT e.* INTO held FROM kam.CadenceEventLog e WHERE e.lead_id = _step_release.lead_id AND e.event_id = _step_release.event_id;
	IF held.event_type IS DISTINCT FROM 'held' OR held.payload -> 'planned_at' IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT * INTO may FROM kam._step_moment(held.lead_id, held.sequence_type, held.channel, _step_release.at);
	IF may.moment > _step_release.at THEN
		UPDATE kam.CadenceQueue q SET release_at = may.moment WHERE q.lead_id = held.lead_id AND q.event_id = held.event_id;
		RETURN 'moved';
	END IF;
	RETURN CASE may.why WHEN 'locked' THEN 'skipped' END;
END
$$;
COMMENT ON FUNCTION _step_release(text, bigint, timestamptz) IS 'Whether a held touch that a step asked for may be released now: NULL for yes, and for everybody else''s; moved to when it may, or skipped.';

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

-- Looking at runs: how far, why so, what is wrong.

CREATE VIEW kam_progress AS
WITH recent AS MATERIALIZED (
	SELECT w.started_at, w.finished_at FROM workflow_run w
	 WHERE w.status = 'judged' AND w.finished_at IS NOT NULL AND w.started_at IS NOT NULL
	   AND NOT EXISTS (SELECT FROM request o WHERE o.session_id = w.session_id AND o.replay_of IS NOT NULL)
	 ORDER BY w.finished_at DESC LIMIT 100
), pace AS (
	SELECT avg(finished_at - started_at) AS duration,
	       (max(finished_at) - min(finished_at)) / nullif(count(*) - 1, 0) AS between_two
	  FROM recent
), unfinished AS (
	SELECT r.session_id, r.lead_id, r.status, r.iteration, r.priority, r.attempts, r.created_at, r.started_at, r.next_attempt_at,
	       r.home, r.lease_until,
	       row_number() OVER (PARTITION BY r.status = 'queued', r.home ORDER BY r.priority DESC, r.created_at, r.session_id) AS place,
	       (SELECT count(*) FROM agent_call c
	         WHERE c.session_id = r.session_id AND c.status = 'succeeded' AND c.iteration = r.iteration) AS answered,
	       (SELECT count(*) FROM agent_call c WHERE c.session_id = r.session_id AND c.status = 'sending') AS asked,
	       r.next_attempt_at = 'infinity' AS held, r.error, r.sqlstate, r.replay_of
	  FROM request r
	 WHERE r.finished_at IS NULL
), measured AS (
	SELECT u.*, least(99, CASE u.status
	           WHEN 'queued' THEN 0
	           WHEN 'wave1' THEN 5 + 6 * least(u.answered, 4)
	           WHEN 'evaluation' THEN 35
	           WHEN 'wave2' THEN 45 + 8 * least(greatest(u.answered - 5, 0), 3)
	           WHEN 'synthesis' THEN 70
	           WHEN 'guard' THEN 85
	           ELSE 90 END)::integer AS percent
	  FROM unfinished u
)
SELECT m.session_id, m.lead_id, m.status, m.percent, m.iteration, m.answered::integer AS calls, m.priority, m.attempts,
       CASE WHEN m.status = 'queued' THEN m.place::integer END AS place,
       m.created_at, m.started_at, now() - m.created_at AS age,
       CASE WHEN m.home <> kam._home() OR m.held THEN NULL
            WHEN m.status = 'queued' THEN greatest(now(), m.next_attempt_at) + m.place * p.between_two + p.duration
            ELSE now() + p.duration * (100 - m.percent) / 100 END AS eta,
       CASE WHEN m.home <> kam._home() THEN 'parked: came with a restore or a copy, see kam_resume()'
            WHEN current_setting('kam.paused', true)::boolean THEN 'kam.paused is on'
            WHEN m.held THEN 'held: ' || coalesce(m.error, 'until kam_retry or kam_cancel')
            WHEN m.next_attempt_at > now() AND m.sqlstate = '53400' THEN m.error
            WHEN m.next_attempt_at > now() THEN 'waits until ' || m.next_attempt_at || coalesce(': ' || m.error, '')
            WHEN m.status = 'queued' AND m.attempts = 0 THEN 'in the queue'
            WHEN m.lease_until IS NULL THEN 'interrupted, to be taken up again'
            WHEN m.lease_until < now() THEN 'its worker is gone, to be taken up again'
            WHEN m.asked > 0 THEN 'waits for ' || m.asked || CASE WHEN m.asked = 1 THEN ' answer' ELSE ' answers' END
            ELSE 'being worked on' END AS note,
       m.replay_of
  FROM measured m CROSS JOIN pace p;
COMMENT ON VIEW kam_progress IS 'One row per unfinished run: how far (percent), when it should be done (eta, from the pace of the latest 100), and what it is waiting for (note). Example: SELECT session_id, status, percent, eta, note FROM kam.kam_progress ORDER BY eta;';
COMMENT ON COLUMN kam_progress.percent IS '0 to 99.';
COMMENT ON COLUMN kam_progress.calls IS 'Calls answered in this iteration.';
COMMENT ON COLUMN kam_progress.place IS 'Place in the queue, from 1; NULL once started.';
COMMENT ON COLUMN kam_progress.eta IS 'Expected end; NULL while nothing was measured, or the run is parked or held.';
COMMENT ON COLUMN kam_progress.note IS 'What it is doing or waiting for.';
COMMENT ON COLUMN kam_progress.replay_of IS 'The run that it tries again; NULL for a run that counts.';

CREATE FUNCTION kam_explain(session_id uuid) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	run kam.request;
	saved kam.final_decision;
	tried kam.replay_decision;
	basis jsonb;
	calls jsonb;
	evidence jsonb;
	judged_from timestamptz;
	person text;
	present jsonb;
	verdicts record;
BEGIN
	SELECT r.* INTO run FROM kam.request r WHERE r.session_id = kam_explain.session_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no run %s', kam_explain.session_id),
			HINT = 'Runs that finished longer ago than kam.retain_runs says are gone with their contacts.';
	END IF;
	SELECT d.* INTO saved FROM kam.final_decision d WHERE d.session_id = run.session_id;
	SELECT p.* INTO tried FROM kam.replay_decision p WHERE p.session_id = run.session_id;
	saved.decision := coalesce(saved.decision, tried.decision);
	saved.guard := coalesce(saved.guard, tried.guard);
	judged_from := coalesce(run.as_of, kam._now());
	basis := kam._basis(run.contact, judged_from, saved.decision);
	person := kam._lead_of(run.contact, run.lead_id);
	SELECT jsonb_strip_nulls(to_jsonb(c)) INTO present FROM kam._contact_compliance(run.contact -> 'contact_info', run.lead_id) c;
	present := coalesce(present, '{"status": "clear"}');
	SELECT v.* INTO verdicts FROM kam._gate_verdicts(run.session_id, person) v;

	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
	           'call_no', c.call_no, 'agent', c.agent, 'iteration', c.iteration, 'attempt', c.attempt, 'provider', c.provider,
	           'model', c.model, 'prompt_version', c.prompt_version, 'status', c.status, 'http_status', c.http_status,
	           'provider_request_id', c.provider_request_id, 'stop_reason', c.stop_reason, 'started_at', c.started_at,
	           'finished_at', c.finished_at, 'latency_ms', c.latency_ms, 'first_byte_ms', c.first_byte_ms, 'input_tokens', nullif(c.input_tokens, 0), 'output_tokens', nullif(c.output_tokens, 0),
	           'cache_read_tokens', nullif(c.cache_read_tokens, 0), 'cache_write_tokens', nullif(c.cache_write_tokens, 0),
	           'cost_usd', nullif(c.cost_usd, 0), 'error_class', c.error_class, 'error', c.error))
	           || CASE WHEN c.output IS NULL THEN '{}' ELSE jsonb_build_object('output', c.output) END
	       ORDER BY c.call_no)
	  INTO calls
	  FROM kam.agent_call c
	 WHERE c.session_id = run.session_id;

	SELECT jsonb_agg(jsonb_build_object('call_no', c.call_no, 'agent', c.agent) || v.verdict ORDER BY c.call_no, v.n)
	  INTO evidence
	  FROM kam.agent_call c
	 CROSS JOIN LATERAL jsonb_array_elements(kam._claim_verdicts(c.output, run.contact, judged_from)) WITH ORDINALITY v (verdict, n)
	 WHERE c.session_id = run.session_id AND c.output IS NOT NULL;

	RETURN jsonb_build_object(
		'session_id', run.session_id,
		'status', run.status,
		'asked', jsonb_strip_nulls(jsonb_build_object(
			'created_at', run.created_at, 'started_at', run.started_at, 'finished_at', run.finished_at, 'as_of', run.as_of,
			'lead_id', run.lead_id, 'priority', run.priority, 'options', run.options, 'iterations', run.iteration,
			'attempts', run.attempts, 'parked', nullif(run.home <> kam._home(), false),
			'rerun_of', run.rerun_of, 'rerun_at', run.rerun_at, 'replay_of', run.replay_of, 'backtest_id', run.backtest_id,
			'settings', run.settings, 'prompts', run.prompts, 'history', nullif(run.history, '{}'))),
		'error', CASE WHEN run.error IS NOT NULL THEN jsonb_build_object('sqlstate', run.sqlstate, 'message', run.error) END,
		'facts', basis -> 'facts',
		'plan', basis -> 'plan',
		'score', basis -> 'score',
		'steering', coalesce(basis -> 'steering', '[]'),
		'calls', coalesce(calls, '[]'),
		'evidence', coalesce(evidence, '[]'),
		'decision_evidence', coalesce(kam._decision_evidence(saved.decision, run.contact, judged_from), '[]'),
		'findings', coalesce(saved.guard -> 'findings', '[]'),
		'overrides', jsonb_build_object(
			'repairs', coalesce(saved.guard -> 'repairs', '[]'),
			'repair_call', coalesce(saved.guard -> 'repair_call', '{"asked": false}'),
			'replaced', coalesce(saved.guard -> 'replaced', 'false'),
			'wave1_forced', coalesce(saved.guard -> 'forced', 'false'),
			'wave1_kept', coalesce(saved.guard -> 'kept', '[]')),
		'compliance', coalesce(saved.guard -> 'compliance', present) || jsonb_build_object('now', present),
		'decision', saved.decision,
		'gate', verdicts.events,
		'gate_now', verdicts.now,
		'validation', CASE WHEN saved.type_of_validation IS NOT NULL THEN jsonb_build_object(
			'type_of_validation', saved.type_of_validation, 'user_slack_message', saved.user_slack_message,
			'edited_message', saved.edited_message, 'validated_by', saved.validated_by, 'validated_at', saved.validated_at) END,
		'evaluation', CASE WHEN tried.overall_score IS NOT NULL
			THEN jsonb_build_object('overall_score', tried.overall_score, 'criteria', tried.criteria, 'verdict', tried.verdict, 'created_at', tried.created_at)
			ELSE (SELECT to_jsonb(e) - 'session_id' FROM kam.decision_evaluation e WHERE e.session_id = run.session_id) END,
		'workflow_run', (SELECT to_jsonb(w) - 'session_id' FROM kam.workflow_run w WHERE w.session_id = run.session_id),
		'notifications', coalesce((SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
				'notification_id', n.notification_id, 'recipient', n.recipient, 'topic', n.topic, 'status', n.status,
				'attempts', n.attempts, 'last_error', n.last_error, 'created_at', n.created_at)) ORDER BY n.notification_id)
			FROM kam.notification n WHERE n.session_id = run.session_id), '[]'));
END
$$;
COMMENT ON FUNCTION kam_explain(uuid) IS 'Everything about one run, a replay too: what was asked, with which versions of the prompts and which validated decisions to learn from, facts with evidence, the rule of the decision tree that matched (plan), the score, texts of the contact that try to steer a program (steering), every call with its output, the verdict on every claim of theirs (evidence: verified, repaired or unverified and why, with at: where it stands in the contact, the words found there, the day of the activity), the same of the evidence that the decision itself carries (decision_evidence), findings of the guard, what it changed (overrides: repairs; repair_call, what it sent back to whom and whether that helped; replaced by the built-in decision; wave1_kept: answers of a further round that were worse than the one before, which went on), whether the contact may be written to (compliance: as the run found it, instead_of the action that gave way, and as it is now), the decision, the verdicts of the Coordinator on its sequence (gate) and the one it would give now (gate_now), its judgement, notifications, validation. Example: SELECT jsonb_pretty(kam.kam_explain(session_id)) FROM kam.final_decision ORDER BY created_at DESC LIMIT 1;';


-- How the schedules enrol whom plays match, and end what runs of plays that are over (docs/plays.md).  Rows of ABMPlaybook are seen to by the same duty.
--
-- Locks: the play's row of _play_scan, then leads one at a time, never waited for; a lead's row is locked before what is written of it, as everywhere.

-- ---- enrolling ------------------------------------------------------------------------------------

CREATE FUNCTION _schedule_ask(lead_id text, sequence_id text, sequence_type text, agent text, key text, play_id text, steps jsonb) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	attempts integer;
	verdict record;
BEGIN
	SELECT count(*) INTO attempts
	  FROM kam.CadenceEventLog e
	 WHERE e.lead_id = ANY (kam._lead_ids(_schedule_ask.lead_id)) AND e.idempotency_key IS NOT NULL
	   AND starts_with(e.idempotency_key, _schedule_ask.key || '/');
	-- A refusal is in the log once: while the gates say the same they are not asked again.
	IF attempts > 0 THEN
		SELECT g.coordinator_action, g.suppressed_reason INTO verdict
		  FROM kam.kam_gate(_schedule_ask.lead_id, _schedule_ask.sequence_type, 'activation', _schedule_ask.sequence_id) g;
		IF verdict.coordinator_action = 'blocked' THEN
			RETURN CASE verdict.suppressed_reason WHEN 'illegal_transition' THEN 'later' ELSE 'never' END;
		END IF;
	END IF;
	-- Two who ask at once would ask with one key, which the log has once.
	INSERT INTO kam.CadenceEventLog AS e (lead_id, sequence_id, sequence_type, event_type, originating_agent, play_id, idempotency_key, payload)
	VALUES (_schedule_ask.lead_id, _schedule_ask.sequence_id, _schedule_ask.sequence_type, 'activation', _schedule_ask.agent, _schedule_ask.play_id,
		_schedule_ask.key || '/' || attempts, jsonb_build_object('steps', _schedule_ask.steps))
	RETURNING e.coordinator_action, e.suppressed_reason INTO verdict;
	RETURN CASE WHEN verdict.coordinator_action <> 'blocked' THEN 'enrolled'
	            WHEN verdict.suppressed_reason = 'illegal_transition' THEN 'refused, later' ELSE 'refused' END;
END
$$;
COMMENT ON FUNCTION _schedule_ask(text, text, text, text, text, text, jsonb) IS 'Asks for a lead, whose lock the caller holds, to be enrolled by the schedules: enrolled (active or queued); refused, or "refused, later" when only time is in the way; never, later when the gates still say what they said. key: with the number of earlier attempts it is the idempotency key.';

CREATE FUNCTION _play_enrol(play SalesPlayLibrary, lead_id text) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	ids CONSTANT text[] := kam._lead_ids(_play_enrol.lead_id);
BEGIN
	-- Once per lead, whoever asked; of an account-level play once per account.
	IF EXISTS (SELECT FROM kam.Cadence c WHERE c.play_id = (play).play_id AND c.lead_id = ANY (ids))
	   OR (play).target_definition ->> 'level' = 'account'
	      AND EXISTS (SELECT FROM kam.Leads l
	                    JOIN kam.Leads o ON o.account_id = l.account_id
	                    JOIN kam.Cadence c ON c.play_id = (play).play_id AND c.lead_id = o.lead_id
	                   WHERE l.lead_id = _play_enrol.lead_id) THEN
		RETURN 'known';
	END IF;
	-- It may have changed before the lock.
	IF NOT EXISTS (SELECT FROM kam._play_match((play).target_definition, ARRAY[_play_enrol.lead_id])) THEN
		RETURN 'known';
	END IF;
	RETURN kam._schedule_ask(_play_enrol.lead_id, 'play-' || (play).play_id, (play).sequence_type, 'AGT-302', 'play/' || (play).play_id, (play).play_id,
		(play).suggested_cadence -> 'steps');
END
$$;
COMMENT ON FUNCTION _play_enrol(SalesPlayLibrary, text) IS 'Enrols a lead, whose lock the caller holds, in a play: known (it was already, or does not match), else as _schedule_ask().';

CREATE FUNCTION _play_later(play_id text, lead_id text, at timestamptz, not_before timestamptz) RETURNS void
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		INSERT INTO kam._play_candidate (lead_id, play_id, not_before)
		SELECT _play_later.lead_id, _play_later.play_id, _play_later.not_before
		 WHERE NOT EXISTS (SELECT FROM kam._play_candidate c
		                    WHERE c.lead_id = _play_later.lead_id AND c.play_id = _play_later.play_id
		                      AND c.not_before > _play_later.at AND c.not_before <= _play_later.not_before);
	END;
COMMENT ON FUNCTION _play_later(text, text, timestamptz, timestamptz) IS 'Notes that a lead is to be looked at for a play again, unless that is noted already.';

CREATE FUNCTION _play_work(play SalesPlayLibrary, leads text[], at timestamptz, most integer, daily integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	-- In lead order, as everybody locks leads, and as the daily rate is promised.
	matching CONSTANT text[] := ARRAY(
		SELECT m FROM kam._play_match((play).target_definition, leads) m
		 WHERE NOT EXISTS (SELECT FROM kam.Cadence c WHERE c.play_id = (play).play_id AND c.lead_id = m)
		   AND NOT EXISTS (SELECT FROM kam._tick_failure f
		                    WHERE f.lead_id = m AND f.duty = 'play' AND f.item = (play).play_id AND f.retry_at > at)
		 ORDER BY m);
	outcome text;
	again timestamptz;
	tally jsonb := '{}';
	errors jsonb := '[]';
	asked integer := 0;
	enrolled integer := 0;
	n integer := 0;
	state text;
	message text;
BEGIN
	WHILE n < cardinality(matching) AND asked < most AND enrolled < daily LOOP
		n := n + 1;
		again := NULL;
		BEGIN
			PERFORM FROM kam.Leads l WHERE l.lead_id = matching[n] FOR NO KEY UPDATE SKIP LOCKED;
			IF FOUND THEN
				outcome := kam._play_enrol(play, matching[n]);
				again := CASE WHEN outcome IN ('later', 'refused, later') THEN at + interval '24:00:00' END;
			ELSE
				outcome := 'skipped';
				again := at + interval '1 s';
			END IF;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
			IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
				RAISE;
			END IF;
			RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not enrol lead %s in play %s: %s', matching[n], (play).play_id, message),
				HINT = 'It is tried again in five minutes.';
			PERFORM kam._tick_put_off('play', matching[n], (play).play_id, at, '5 min', state, message);
			errors := errors || jsonb_build_object('duty', 'plays', 'lead_id', matching[n], 'item', (play).play_id, 'sqlstate', state, 'message', message);
			outcome := 'failed';
			again := at + interval '5 min';
		END;
		IF again IS NOT NULL THEN
			PERFORM kam._play_later((play).play_id, matching[n], at, again);
		END IF;
		outcome := CASE WHEN outcome LIKE 'refused%' THEN 'refused' WHEN outcome IN ('never', 'later') THEN 'known' ELSE outcome END;
		tally := tally || jsonb_build_object(outcome, coalesce((tally ->> outcome)::integer, 0) + 1);
		asked := asked + (outcome <> 'known')::integer;
		enrolled := enrolled + (outcome = 'enrolled')::integer;
	END LOOP;
	RETURN jsonb_build_object('asked', asked, 'enrolled', enrolled, 'rest', to_jsonb(matching[n + 1:]), 'daily', enrolled >= daily,
		'report', (tally - 'known'::text) || CASE WHEN errors = '[]' THEN '{}' ELSE jsonb_build_object('errors', errors) END);
END
$$;
COMMENT ON FUNCTION _play_work(SalesPlayLibrary, text[], timestamptz, integer, integer) IS 'Enrols those of these leads that match and are not enrolled, in lead order, each in a subtransaction of its own under its lock: at most "most" requests and "daily" enrolments. Returns asked, enrolled, rest (matching ones not come to), daily (whether that was why) and a report.';

-- ---- the schedules ----------------------------------------------------------------------------------

CREATE FUNCTION _play_stop_lead(play_id text, lead_id text, at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	over record;
	waiting record;
BEGIN
	FOR over IN
		UPDATE kam.Cadence c SET active_until = least(c.active_until, _play_stop_lead.at)
		 WHERE c.lead_id = _play_stop_lead.lead_id AND c.play_id = _play_stop_lead.play_id AND c.state <> 'finished'
		RETURNING c.sequence_id
	LOOP
		FOR waiting IN
			UPDATE kam.CadenceQueue q SET expires_at = least(q.expires_at, _play_stop_lead.at)
			  FROM kam.CadenceEventLog e
			 WHERE q.lead_id = _play_stop_lead.lead_id AND q.state = 'waiting' AND e.lead_id = q.lead_id AND e.event_id = q.event_id
			   AND coalesce(q.sequence_id, e.sequence_id) = over.sequence_id
			RETURNING q.event_id
		LOOP
			PERFORM kam._tick_expire(_play_stop_lead.lead_id, waiting.event_id, _play_stop_lead.lead_id, _play_stop_lead.at);
		END LOOP;
		PERFORM kam._tick_end(_play_stop_lead.lead_id, over.sequence_id, _play_stop_lead.at);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _play_stop_lead(text, text, timestamptz) IS 'Expires what waits of a lead''s enrolment in an ended play, and finishes it; the caller holds the lead''s lock.';

CREATE FUNCTION _play_stop(play_id text, at timestamptz, most integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	running record;
	reached text;
	seen integer := 0;
	stopped integer := 0;
	skipped integer := 0;
	failed integer := 0;
	errors jsonb := '[]';
	state text;
	message text;
BEGIN
	SELECT coalesce(s.upto, '') INTO reached FROM kam._play_scan s WHERE s.play_id = _play_stop.play_id;
	FOR running IN
		SELECT DISTINCT c.lead_id FROM kam.Cadence c
		 WHERE c.play_id = _play_stop.play_id AND c.state <> 'finished' AND c.lead_id > reached AND c.home = kam._home()
		 ORDER BY c.lead_id LIMIT most
	LOOP
		seen := seen + 1;
		reached := running.lead_id;
		BEGIN
			PERFORM FROM kam.Leads l WHERE l.lead_id = running.lead_id FOR NO KEY UPDATE SKIP LOCKED;
			IF FOUND THEN
				PERFORM kam._play_stop_lead(_play_stop.play_id, running.lead_id, at);
				stopped := stopped + 1;
			ELSIF EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = running.lead_id) THEN
				skipped := skipped + 1;
			ELSE
				PERFORM kam._end_enrolments(running.lead_id, 'play-' || _play_stop.play_id, 'lead_deleted', at, true);
			END IF;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
			IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
				RAISE;
			END IF;
			RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not end play %s of lead %s: %s', _play_stop.play_id, running.lead_id, message),
				HINT = 'It is tried again in five minutes.';
			PERFORM kam._tick_put_off('play', running.lead_id, _play_stop.play_id, at, '5 min', state, message);
			errors := errors || jsonb_build_object('duty', 'plays', 'lead_id', running.lead_id, 'item', _play_stop.play_id, 'sqlstate', state, 'message', message);
			failed := failed + 1;
		END;
	END LOOP;
	-- Through with it, unless a lead on the way was locked or failed: then once more from the start.
	IF seen >= most THEN
		UPDATE kam._play_scan s SET upto = reached WHERE s.play_id = _play_stop.play_id;
	ELSIF skipped + failed > 0 OR EXISTS (SELECT FROM kam.Cadence c WHERE c.play_id = _play_stop.play_id AND c.state <> 'finished' AND c.home = kam._home()) THEN
		UPDATE kam._play_scan s SET upto = '', next_at = at + CASE WHEN failed > 0 THEN interval '5 min' ELSE interval '1 s' END
		 WHERE s.play_id = _play_stop.play_id;
	ELSE
		DELETE FROM kam._play_scan s WHERE s.play_id = _play_stop.play_id;
	END IF;
	RETURN jsonb_build_object('seen', seen, 'report', jsonb_strip_nulls(jsonb_build_object('ended', nullif(stopped, 0),
		'skipped', nullif(skipped, 0), 'failed', nullif(failed, 0), 'errors', CASE WHEN failed > 0 THEN errors END)));
END
$$;
COMMENT ON FUNCTION _play_stop(text, timestamptz, integer) IS 'Ends what runs of an ended play, in lead order.';

CREATE FUNCTION _playbook_work(playbook_id text, at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	book kam.ABMPlaybook;
	sequence CONSTANT text := 'abm-' || _playbook_work.playbook_id;
	lead text;
	outcome text;
BEGIN
	SELECT b.* INTO book FROM kam.ABMPlaybook b WHERE b.playbook_id = _playbook_work.playbook_id AND b.home = kam._home();
	IF NOT FOUND OR book.state = 'draft' THEN
		RETURN 'known';
	END IF;
	IF book.state = 'ended' THEN
		-- Whoever it enrolled: the account's primary lead may be another by now.
		SELECT c.lead_id INTO lead FROM kam.CadenceEventLog e
		  JOIN kam.Cadence c ON c.lead_id = kam._canonical(e.lead_id) AND c.sequence_id = sequence AND c.state <> 'finished'
		 WHERE e.lead_id IN (SELECT l.lead_id FROM kam.Leads l WHERE l.account_id = book.account_id UNION SELECT book.lead_id)
		   AND e.idempotency_key IS NOT NULL AND starts_with(e.idempotency_key, 'abm/' || book.playbook_id || '/')
		 LIMIT 1;
		IF NOT FOUND THEN
			RETURN 'known';
		END IF;
		PERFORM FROM kam.Leads l WHERE l.lead_id = lead FOR NO KEY UPDATE SKIP LOCKED;
		IF NOT FOUND THEN
			RETURN 'skipped';
		END IF;
		INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, originating_agent)
		VALUES (lead, sequence, coalesce(book.sequence_type, 'abm'), 'stop', 'AGT-203');
		RETURN 'stopped';
	END IF;

	lead := kam._canonical(coalesce(book.lead_id, kam._primary_lead(book.account_id)));
	PERFORM FROM kam.Leads l WHERE l.lead_id = lead;
	IF NOT FOUND THEN
		RETURN 'later';
	END IF;
	PERFORM FROM kam.Leads l WHERE l.lead_id = lead FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN 'skipped';
	END IF;
	IF EXISTS (SELECT FROM kam.Cadence c WHERE c.lead_id = ANY (kam._lead_ids(lead)) AND c.sequence_id = sequence) THEN
		RETURN 'known';
	END IF;
	outcome := kam._schedule_ask(lead, sequence, coalesce(book.sequence_type, 'abm'), 'AGT-203', 'abm/' || book.playbook_id, book.play_id, book.steps);
	-- Nobody notes what stands in a playbook's way: it is looked at each day while it is active.
	RETURN CASE outcome WHEN 'refused' THEN 'refused, later' WHEN 'never' THEN 'later' ELSE outcome END;
END
$$;
COMMENT ON FUNCTION _playbook_work(text, timestamptz) IS 'Enrols the lead of an active row of ABMPlaybook in sequence abm-<playbook_id>, for AGT-203, once; stops it when the row has ended. known, skipped (the lead is locked), stopped, or as _schedule_ask().';

CREATE FUNCTION _tick_playbooks(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	note record;
	outcome text;
	again timestamptz;
	tally jsonb := '{}';
	errors jsonb := '[]';
	seen integer := 0;
	state text;
	message text;
BEGIN
	FOR note IN
		DELETE FROM kam._play_candidate c
		 WHERE c.candidate_id IN (SELECT d.candidate_id FROM kam._play_candidate d
		                           WHERE d.not_before <= at AND d.playbook_id IS NOT NULL ORDER BY d.not_before LIMIT batch FOR UPDATE SKIP LOCKED)
		RETURNING c.playbook_id
	LOOP
		seen := seen + 1;
		BEGIN
			outcome := kam._playbook_work(note.playbook_id, at);
			again := at + CASE WHEN outcome IN ('later', 'refused, later') THEN interval '24:00:00' WHEN outcome = 'skipped' THEN interval '1 s' END;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
			IF state = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
				RAISE;
			END IF;
			RAISE WARNING USING ERRCODE = state, MESSAGE = format('could not enrol playbook %s: %s', note.playbook_id, message),
				HINT = 'It is tried again in five minutes.';
			PERFORM kam._tick_put_off('playbook', note.playbook_id, '', at, '5 min', state, message);
			errors := errors || jsonb_build_object('duty', 'plays', 'item', note.playbook_id, 'sqlstate', state, 'message', message);
			outcome := 'failed';
			again := at + interval '5 min';
		END;
		IF again IS NOT NULL THEN
			INSERT INTO kam._play_candidate (playbook_id, not_before) VALUES (note.playbook_id, again);
		END IF;
		outcome := CASE WHEN outcome LIKE 'refused%' THEN 'refused' WHEN outcome IN ('later', 'stopped') THEN 'known' ELSE outcome END;
		tally := tally || jsonb_build_object(outcome, coalesce((tally ->> outcome)::integer, 0) + 1);
	END LOOP;
	RETURN (tally - 'known'::text) || jsonb_build_object('more', seen >= batch)
		|| CASE WHEN errors = '[]' THEN '{}' ELSE jsonb_build_object('errors', errors) END;
END
$$;
COMMENT ON FUNCTION _tick_playbooks(timestamptz, integer) IS 'Enrols and stops what rows of ABMPlaybook ask for.';

CREATE FUNCTION _play_noted(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	account record;
	part text[];
	everybody text[] := '{}';
	chosen jsonb := '{}';
	seen integer := 0;
BEGIN
	WITH taken AS (
		DELETE FROM kam._play_candidate c
		 WHERE c.candidate_id IN (SELECT d.candidate_id FROM kam._play_candidate d
		                           WHERE d.not_before <= at AND d.lead_id IS NOT NULL ORDER BY d.not_before, d.candidate_id LIMIT 20 * batch FOR UPDATE SKIP LOCKED)
		RETURNING c.lead_id, c.play_id
	), chosen AS (
		SELECT t.play_id, jsonb_agg(t.lead_id) AS leads FROM taken t WHERE t.play_id IS NOT NULL GROUP BY t.play_id
	)
	SELECT (SELECT count(*) FROM taken), ARRAY(SELECT t.lead_id FROM taken t WHERE t.play_id IS NULL),
	       (SELECT coalesce(jsonb_object_agg(c.play_id, c.leads), '{}') FROM chosen c)
	  INTO seen, everybody, chosen;
	-- Of an account with very many leads some at a time.
	FOR account IN
		SELECT c.candidate_id, c.account_id, c.upto FROM kam._play_candidate c
		 WHERE c.not_before <= at AND c.account_id IS NOT NULL ORDER BY c.not_before, c.candidate_id LIMIT batch FOR UPDATE SKIP LOCKED
	LOOP
		EXIT WHEN seen >= 20 * batch;
		part := ARRAY(SELECT l.lead_id FROM kam.Leads l
		               WHERE l.account_id = account.account_id AND l.lead_id > coalesce(account.upto, '') ORDER BY l.lead_id LIMIT 20 * batch - seen);
		everybody := everybody || part;
		seen := seen + greatest(cardinality(part), 1);
		IF seen >= 20 * batch AND cardinality(part) > 0 THEN
			UPDATE kam._play_candidate c SET upto = part[cardinality(part)] WHERE c.candidate_id = account.candidate_id;
		ELSE
			DELETE FROM kam._play_candidate c WHERE c.candidate_id = account.candidate_id;
		END IF;
	END LOOP;
	RETURN jsonb_build_object('everybody', to_jsonb(everybody), 'chosen', chosen, 'more', seen >= 20 * batch);
END
$$;
COMMENT ON FUNCTION _play_noted(timestamptz, integer) IS 'Takes due notes of changed leads and accounts: everybody (leads for every play), chosen (leads by the play they wait for), whether there are more.';

CREATE FUNCTION _tick_plays(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	zone CONSTANT text := current_setting('kam.default_timezone');
	today CONSTANT date := (at AT TIME ZONE zone)::date;
	tomorrow CONSTANT timestamptz := (today + 1)::timestamp AT TIME ZONE zone;
	-- Matching costs far less than enrolling.
	look CONSTANT integer := greatest(batch, 20 * batch);
	play kam.SalesPlayLibrary;
	scan kam._play_scan;
	over integer;
	noted jsonb;
	leads text[];
	rest text[];
	work jsonb;
	room integer := batch;
	daily integer;
	report jsonb := '{}';
	more boolean := false;
BEGIN
	-- Plays whose time is over; their enrolments have had their end since they began.
	UPDATE kam.SalesPlayLibrary p SET state = 'ended', ended_by = 'AGT-302'
	 WHERE p.play_id IN (SELECT o.play_id FROM kam.SalesPlayLibrary o
	                      WHERE o.state = 'active' AND o.active_period_end <= at AND o.home = kam._home()
	                      ORDER BY o.active_period_end LIMIT batch FOR NO KEY UPDATE SKIP LOCKED);
	GET DIAGNOSTICS over = ROW_COUNT;
	IF over > 0 THEN
		report := jsonb_build_object('plays_ended', over);
	END IF;
	FOR scan IN
		SELECT s.* FROM kam._play_scan s JOIN kam.SalesPlayLibrary p USING (play_id)
		 WHERE p.state = 'ended' AND p.home = kam._home() AND s.next_at <= at ORDER BY s.play_id
		   FOR NO KEY UPDATE OF s SKIP LOCKED
	LOOP
		EXIT WHEN room <= 0;
		work := kam._play_stop(scan.play_id, at, room);
		room := room - (work ->> 'seen')::integer;
		report := kam._tick_sum(report, work -> 'report');
	END LOOP;

	report := kam._tick_sum(report, kam._tick_playbooks(at, batch));

	noted := kam._play_noted(at, batch);
	more := (noted ->> 'more')::boolean;
	-- Of two plays that match a lead the one promoted first asks first.
	FOR play IN
		SELECT p.* FROM kam.SalesPlayLibrary p
		 WHERE p.state = 'active' AND p.home = kam._home() AND (p.active_period_start <= at) IS NOT FALSE
		   AND (p.active_period_end > at) IS NOT FALSE
		 ORDER BY p.promoted_at, p.play_id
	LOOP
		leads := ARRAY(SELECT DISTINCT CASE WHEN play.target_definition ->> 'level' = 'account' THEN kam._primary_lead(l.account_id) ELSE l.lead_id END
		                 FROM (SELECT jsonb_array_elements_text(noted -> 'everybody') AS lead_id
		                       UNION SELECT jsonb_array_elements_text(coalesce(noted -> 'chosen' -> play.play_id, '[]'))) n
		                 JOIN kam.Leads l USING (lead_id));
		SELECT s.* INTO scan FROM kam._play_scan s WHERE s.play_id = play.play_id FOR NO KEY UPDATE SKIP LOCKED;
		IF NOT FOUND THEN
			-- Another tick is at it.
			PERFORM kam._play_later(play.play_id, l, at, at + interval '1 s') FROM unnest(leads) l WHERE l IS NOT NULL;
			CONTINUE;
		END IF;
		IF scan.day IS DISTINCT FROM today THEN
			scan.day := today;
			scan.enrolled := 0;
		END IF;
		daily := coalesce((play.suggested_cadence ->> 'daily_limit')::numeric::integer, 2147483647) - scan.enrolled;

		IF cardinality(leads) > 0 THEN
			work := kam._play_work(play, leads, at, room, daily);
			PERFORM kam._play_later(play.play_id, r, at, CASE WHEN (work ->> 'daily')::boolean THEN tomorrow ELSE at END)
			   FROM jsonb_array_elements_text(work -> 'rest') r;
			more := more OR work -> 'rest' <> '[]' AND NOT (work ->> 'daily')::boolean;
			report := kam._tick_sum(report, work -> 'report');
			scan.enrolled := scan.enrolled + (work ->> 'enrolled')::integer;
			daily := daily - (work ->> 'enrolled')::integer;
			room := room - (work ->> 'asked')::integer;
		END IF;

		IF scan.next_at <= at AND daily <= 0 THEN
			scan.next_at := tomorrow;
		ELSIF scan.next_at <= at AND scan.upto IS NULL AND pg_snapshot_xmin(pg_current_snapshot()) < scan.horizon THEN
			scan.next_at := at + interval '1 min';
		ELSIF scan.next_at <= at AND room > 0 THEN
			-- Who was writing leads while the play became active left no note: once more when those have ended.
			scan.horizon := CASE WHEN scan.upto = '' THEN pg_snapshot_xmax(pg_current_snapshot()) WHEN scan.upto IS NOT NULL THEN scan.horizon END;
			leads := ARRAY(SELECT l.lead_id FROM kam.Leads l WHERE l.lead_id > coalesce(scan.upto, '') ORDER BY l.lead_id LIMIT look);
			work := kam._play_work(play, leads, at, room, daily);
			rest := ARRAY(SELECT jsonb_array_elements_text(work -> 'rest'));
			report := kam._tick_sum(report, work -> 'report');
			scan.enrolled := scan.enrolled + (work ->> 'enrolled')::integer;
			room := room - (work ->> 'asked')::integer;
			IF cardinality(rest) > 0 THEN
				scan.upto := coalesce(leads[array_position(leads, rest[1]) - 1], scan.upto, '');
				IF (work ->> 'daily')::boolean THEN
					scan.next_at := tomorrow;
				END IF;
			ELSIF cardinality(leads) = look THEN
				scan.upto := leads[look];
			ELSE
				scan.upto := NULL;
				scan.next_at := CASE WHEN scan.horizon IS NOT NULL THEN at END;
			END IF;
			more := more OR coalesce(scan.next_at <= at, false);
		END IF;
		UPDATE kam._play_scan s SET upto = scan.upto, horizon = scan.horizon, next_at = scan.next_at, day = scan.day, enrolled = scan.enrolled
		 WHERE s.play_id = scan.play_id AND (s.upto, s.horizon, s.next_at, s.day, s.enrolled) IS DISTINCT FROM (scan.upto, scan.horizon, scan.next_at, scan.day, scan.enrolled);
	END LOOP;
	RETURN report || jsonb_build_object('more', more OR room <= 0 OR coalesce((report ->> 'more')::boolean, false));
END
$$;
COMMENT ON FUNCTION _tick_plays(timestamptz, integer) IS 'The duty of plays: ends plays whose period is over and what runs of ended ones, enrols leads that active plays match: those noted as changed, and after a promotion all, in lead order from where the last tick came to. At most "batch" requests, twenty times as many leads looked at.';

-- kam_why(): all there is to say of one lead, in plain words and as data.

-- ---- words ------------------------------------------------------------------------------

CREATE FUNCTION _say(what text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	RETURN coalesce('{
		"email": "e-mail", "linkedin": "LinkedIn", "whatsapp": "WhatsApp", "sms": "text message", "call": "phone",

		"unsubscribed": "the person has unsubscribed",
		"opted_out": "the person wants no contact",
		"suppressed": "the address is on the suppression list",
		"clear": "the person was not to be contacted",

		"t1_sales_wins": "at T1 sales goes first",
		"t2_sales_fresher": "at T2 the fresher signal wins, and that was to sales",
		"t2_marketing_fresher": "at T2 the fresher signal wins, and that was to marketing",
		"t2_tie_sales": "at T2 sales goes first when neither signal is fresher",
		"no_tier_incumbent": "nobody knows the tier, so what runs goes on",
		"same_family_incumbent": "another sequence of its kind runs already",
		"t3_marketing_always": "at T3 sales never contacts anybody; AGT-202 was told",

		"not_enrolled": "the lead is not in this sequence",
		"already_active": "the sequence runs already",
		"enrolment_queued": "the sequence has not begun yet",
		"enrolment_paused": "the sequence is paused",
		"enrolment_finished": "the sequence is over",
		"sequence_ended": "the time of the sequence is over",
		"type_mismatch": "the sequence is of another type",
		"step_repeated": "this step went out before",
		"play_draft": "the play is a draft",
		"play_ended": "the play is over",
		"play_not_started": "the play has not begun yet",

		"waited_too_long": "it had waited too long",
		"sequence_over": "the time of its sequence was over",
		"superseded": "the sequence had become active without it",
		"cancelled": "somebody cancelled it",
		"completed": "the sequence was complete",
		"stopped": "the sequence was stopped",
		"replied": "the person replied",
		"meeting_booked": "a meeting was booked",
		"bounced": "a message bounced",
		"expired": "its time was over",
		"merged": "the lead was merged",
		"lead_deleted": "the lead was deleted",
		"compliance_block": "the person must not be contacted",
		"abm_active_suppression": "the account is in account-based marketing",
		"routing_error": "at T3 sales never contacts anybody",
		"illegal_transition": "its sequence no longer allowed it",

		"manual": "by hand",
		"conflict": "because it lost to the other family",
		"out_of_office": "while the person is away",

		"cap_warning": "one touch is left under the cap",
		"concurrency": "sales and marketing both want the lead",
		"stall": "a sequence has stalled",
		"backlog_risk": "many prospects are paused",
		"cap_breach": "more touches than the cap allows were observed",
		"data_quality": "the tier is missing"
	}'::jsonb ->> what, replace(what, '_', ' '));
COMMENT ON FUNCTION _say(text) IS 'What a word of the log, the queue, an enrolment or a flag means, in plain words; one that kam does not know (a user''s own reason, channel or type) as it is.';

CREATE FUNCTION _say_time(at timestamptz, zone text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	RETURN CASE WHEN isfinite(at) THEN to_char(at AT TIME ZONE zone, 'YYYY-MM-DD HH24:MI') ELSE at::text END;
COMMENT ON FUNCTION _say_time(timestamptz, text) IS 'A moment as people write it down in a time zone.';

-- ---- what happened ------------------------------------------------------------------------

CREATE FUNCTION _say_subject(e CadenceEventLog, asked text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	SELECT CASE asked
	           WHEN 'activation' THEN coalesce('sequence ' || (e).sequence_id, 'a sequence')
	           WHEN 'resume' THEN 'the resumption of ' || coalesce('sequence ' || (e).sequence_id, 'a sequence')
	           WHEN 'out_of_office' THEN 'the resumption of ' || coalesce('sequence ' || (e).sequence_id, 'a sequence')
	           ELSE coalesce('touch ' || (e).step, 'a touch') || coalesce(' of sequence ' || (e).sequence_id, '') || coalesce(' by ' || kam._say((e).channel), '')
	       END || coalesce(' (' || nullif(concat_ws(', ', replace((e).sequence_type, '_', ' '), 'play ' || (e).play_id,
	           CASE WHEN (e).originating_agent <> 'AGT-302' THEN 'asked by ' || (e).originating_agent END), '') || ')', '')
$$;
COMMENT ON FUNCTION _say_subject(CadenceEventLog, text) IS 'What a row is about: touch 2 of sequence S by e-mail (outbound, asked by AGT-301).';

CREATE FUNCTION _say_event(e CadenceEventLog, p CadenceEventLog, q CadenceQueue, zone text) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	-- Of a cancelled or expired one, what was asked.
	subject CONSTANT text := CASE WHEN e.event_type IN ('cancelled', 'expired') AND p.event_id IS NOT NULL THEN kam._say_subject(p, p.requested_event_type)
	                              ELSE kam._say_subject(e, e.requested_event_type) END;
	named CONSTANT text := coalesce(' to sequence ' || e.sequence_id, '');
	waited CONSTANT text := CASE WHEN p.event_type IN ('held', 'deferred', 'out_of_office') THEN
		', having waited since ' || kam._say_time(p.event_at, zone) ELSE '' END;
	became CONSTANT text := CASE q.state
		WHEN 'released' THEN '; released on ' || kam._say_time(q.ended_at, zone)
		WHEN 'cancelled' THEN format('; cancelled on %s, because %s', kam._say_time(q.ended_at, zone), kam._say(q.end_reason))
		WHEN 'expired' THEN '; given up on ' || kam._say_time(q.ended_at, zone)
		WHEN 'waiting' THEN CASE WHEN q.kind = 'held' AND q.release_at = e.release_at THEN ''
		                         WHEN q.release_at IS NULL THEN '; it waits until the other one has ended'
		                         ELSE '; it waits until ' || kam._say_time(q.release_at, zone) END
			|| CASE WHEN q.rounds > 0 THEN format(' (looked at %s times in vain)', q.rounds) ELSE '' END
		ELSE '' END;
	told CONSTANT text := CASE WHEN e.coordinator_action = 'recorded' AND e.occurred_at < e.event_at - interval '1 minute'
		THEN format(' (it happened on %s)', kam._say_time(e.occurred_at, zone)) ELSE '' END;
BEGIN
	RETURN CASE
		-- Requests.
		WHEN e.event_type = 'touch' THEN subject || ' went out' || waited
		WHEN e.event_type = 'activation' THEN subject || ' was started' || waited || coalesce('; it won: ' || kam._say(e.resolution), '')
		WHEN e.event_type = 'resume' THEN subject || ' was let through' || waited || coalesce('; it won: ' || kam._say(e.resolution), '')
		WHEN e.suppressed_reason = 'compliance_block' THEN subject || ' was refused' || waited || ': ' || kam._say(e.compliance_status)
		WHEN e.suppressed_reason = 'abm_active_suppression' THEN subject || ' was refused' || waited
			|| ': nurture does not run while the account is in account-based marketing'
		WHEN e.event_type = 'suppressed' AND e.originating_agent = 'AGT-302' AND p.event_type IN ('activation', 'resume') THEN
			coalesce('sequence ' || e.sequence_id, 'a sequence') || ' was paused: ' || kam._say(e.resolution)
		WHEN e.suppressed_reason = 'routing_error' THEN subject || ' was refused' || waited || ': ' || kam._say(coalesce(e.resolution, e.suppressed_reason))
		WHEN e.event_type = 'rejected' THEN subject || ' was refused' || waited || ': ' || kam._say(e.resolution)
		WHEN e.event_type = 'held' THEN subject || ' was held: ' || CASE
			WHEN e.release_at <= e.event_at THEN 'touches that are due go first'
			ELSE format('%s %s counted in the %s hours before%s', CASE e.touch_cap_at_event WHEN 0 THEN 'no' ELSE e.touch_cap_at_event::text END,
				CASE e.touch_cap_at_event WHEN 1 THEN 'touch' ELSE 'touches' END, round(EXTRACT(epoch FROM kam._touch_window()) / 3600),
				coalesce('; free again on ' || kam._say_time(e.release_at, zone), '')) END || became
		WHEN e.event_type = 'deferred' AND p.event_id IS NOT NULL THEN
			coalesce('sequence ' || e.sequence_id, 'a sequence') || ' was paused: ' || kam._say(e.resolution) || became
		WHEN e.event_type = 'deferred' THEN subject || ' has to wait: ' || kam._say(e.resolution) || became
		WHEN e.event_type = 'cancelled' THEN subject || ' was cancelled' || waited || coalesce(': ' || kam._say(e.resolution), '')
		WHEN e.event_type = 'expired' THEN subject || ' was given up' || waited || coalesce(': ' || kam._say(e.resolution), '')
		-- Facts.
		WHEN e.event_type = 'touch_observed' THEN coalesce(e.originating_agent, 'somebody') || ' contacted the person' || coalesce(' by ' || kam._say(e.channel), '')
			|| CASE WHEN e.family = 'transactional' THEN ', which does not count' ELSE '' END
		WHEN e.event_type = 'reply' THEN 'the person replied' || named || coalesce(' by ' || kam._say(e.channel), '')
		WHEN e.event_type = 'meeting_booked' THEN 'the person booked a meeting' || coalesce(', answering sequence ' || e.sequence_id, '')
		WHEN e.event_type = 'bounce' THEN CASE WHEN e.payload ->> 'type' = 'soft' THEN 'a message bounced for now' ELSE 'a message bounced' END
			|| coalesce(' in sequence ' || e.sequence_id, '')
		WHEN e.event_type = 'out_of_office' THEN 'the person is away' || coalesce(', back on ' || (e.payload ->> 'until'), '') || became
		WHEN e.event_type = 'opt_out' THEN 'the person asked not to be contacted any more'
		WHEN e.event_type = 'unsubscribe' THEN 'the person unsubscribed'
		WHEN e.event_type = 'pause' THEN coalesce('sequence ' || e.sequence_id || ' was', 'all sequences were') || ' paused' || coalesce(' by ' || e.originating_agent, '')
		WHEN e.event_type = 'stop' THEN coalesce('sequence ' || e.sequence_id || ' was', 'all sequences were') || ' stopped' || coalesce(' by ' || e.originating_agent, '')
		WHEN e.event_type = 'complete' THEN coalesce('sequence ' || e.sequence_id || ' was', 'all sequences were') || ' completed'
		WHEN e.event_type = 'send_failed' AND p.event_type = 'touch' THEN kam._say_subject(p, 'touch') || ' could not be sent: it no longer counts'
		WHEN e.event_type = 'send_failed' THEN 'a send failed that is no touch of this lead'
		ELSE concat_ws(' ', subject, e.event_type, e.coordinator_action) END || told;
END
$$;
COMMENT ON FUNCTION _say_event(CadenceEventLog, CadenceEventLog, CadenceQueue, text) IS 'A row of the log as a sentence. p: the row that it names as its parent; q: its place in the queue; both may be NULL.';

CREATE FUNCTION _story(lead_id text, ids text[], zone text, most integer) RETURNS text[]
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	WITH latest AS MATERIALIZED (
		SELECT e FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids) ORDER BY e.event_id DESC LIMIT most),
	line AS (
		SELECT (l.e).event_at AS at, (l.e).event_id AS place, 0 AS merges,
		       CASE WHEN (l.e).lead_id <> _story.lead_id THEN format('(as %s) ', (l.e).lead_id) ELSE '' END || kam._say_event(l.e, p, q, zone) AS says
		  FROM latest l
		  LEFT JOIN kam.CadenceEventLog p ON p.lead_id = (l.e).lead_id AND p.event_id = (l.e).parent_event_id
		  LEFT JOIN kam.CadenceQueue q ON q.lead_id = (l.e).lead_id AND q.event_id = (l.e).event_id
		UNION ALL
		SELECT w.at, coalesce((SELECT max((l.e).event_id) FROM latest l WHERE (l.e).event_at < w.at), 0), 1, w.says
		  FROM kam.lead_merge m
		 CROSS JOIN LATERAL (VALUES
			(m.merged_at, format('lead %s was merged into %s by %s', m.loser, m.winner, m.merged_by)),
			(m.undone_at, format('the merge of lead %s into %s was undone', m.loser, m.winner))) w (at, says)
		 WHERE (m.winner = ANY (ids) OR m.loser = ANY (ids)) AND w.at IS NOT NULL
		   AND w.at >= coalesce((SELECT min((l.e).event_at) FROM latest l), '-infinity'))
	SELECT coalesce(array_agg(format('%s %s: %s', kam._say_time(x.at, zone), zone, x.says) ORDER BY x.place, x.merges, x.at, x.says), '{}') FROM line x
$$;
COMMENT ON FUNCTION _story(text, text[], text, integer) IS 'The latest events of a lead as sentences, oldest first; ids: it and the leads that it stands for.';

-- ---- how it stands ----------------------------------------------------------------------------

CREATE FUNCTION _story_now(lead Leads, lead_id text, suppressions jsonb, zone text) RETURNS text[]
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	WITH line (rank, at, says) AS (
		SELECT 1, NULL::timestamptz, format('lead %s is not in Leads any more', _story_now.lead_id) WHERE (lead).lead_id IS NULL
		UNION ALL
		SELECT 2, NULL, 'nobody may contact the person: ' || f.why
		  FROM (VALUES ((lead).unsubscribe_flag, 'unsubscribe_flag is set'), ((lead).opt_out_flag, 'opt_out_flag is set')) f (said, why) WHERE f.said
		UNION ALL
		SELECT 3, (s.value ->> 'created_at')::timestamptz,
		       format('nobody may contact the person: %s is suppressed since %s (%s)', s.value ->> 'address',
		           kam._say_time((s.value ->> 'created_at')::timestamptz, zone), concat_ws(', ', s.value ->> 'source', s.value ->> 'reason'))
		  FROM jsonb_array_elements(suppressions) s
		UNION ALL
		SELECT 4, NULL, 'the account is in account-based marketing: no nurture sequence runs'
		 WHERE EXISTS (SELECT FROM kam.Accounts a WHERE a.account_id = (lead).account_id AND a.abm_active)
		UNION ALL
		SELECT 5, c.created_at, format('sequence %s (%s) is %s%s%s', c.sequence_id, replace(c.sequence_type, '_', ' '), c.state,
		           CASE c.state WHEN 'paused' THEN coalesce(' ' || kam._say(c.paused_reason), '') WHEN 'active' THEN coalesce(', step ' || c.current_step || ' went out last', '') ELSE '' END,
		           CASE WHEN c.state = 'active' THEN coalesce('; the next step is due on ' || kam._say_time(c.next_step_at, zone), '') ELSE '' END)
		  FROM kam.Cadence c WHERE c.lead_id = _story_now.lead_id AND c.state <> 'finished'
		UNION ALL
		SELECT 6, q.queued_at, format('%s waits %s%s',
		           kam._say_subject(e, CASE e.event_type WHEN 'out_of_office' THEN 'resume' ELSE e.requested_event_type END),
		           coalesce('until ' || kam._say_time(q.release_at, zone), 'until the other sequence has ended'),
		           CASE WHEN q.home <> kam._home() THEN ', and for kam_resume()' ELSE '' END)
		  FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e ON e.lead_id = q.lead_id AND e.event_id = q.event_id
		 WHERE q.lead_id = _story_now.lead_id AND q.state = 'waiting'
		UNION ALL
		SELECT 7, f.opened_at, format('flag %s since %s: %s', f.kind, kam._say_time(f.opened_at, zone), kam._say(f.kind))
		  FROM kam.CadenceFlag f WHERE f.lead_id = _story_now.lead_id AND f.closed_at IS NULL)
	SELECT coalesce(array_agg(x.says ORDER BY x.rank, x.at, x.says), '{}') FROM line x
$$;
COMMENT ON FUNCTION _story_now(Leads, text, jsonb, text) IS 'What forbids contact now, what runs with its next step, what waits, which flags are open, as sentences.';

-- ---- all of it ----------------------------------------------------------------------------------

CREATE FUNCTION kam_why(lead_id text) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._canonical(kam_why.lead_id);
	ids text[];
	lead kam.Leads;
	account kam.Accounts;
	cap CONSTANT integer := kam._touch_cap();
	since CONSTANT timestamptz := kam._now() - kam._touch_window();
	touches jsonb;
	counted integer;
	nth timestamptz;
	suppressions jsonb;
	story text[];
	told bigint;
	zone text;
BEGIN
	ids := kam._lead_ids(canonical);
	SELECT l.* INTO lead FROM kam.Leads l WHERE l.lead_id = canonical;
	IF NOT FOUND AND NOT EXISTS (SELECT FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids)) THEN
		PERFORM kam._unknown_lead(kam_why.lead_id);
	END IF;
	SELECT a.* INTO account FROM kam.Accounts a WHERE a.account_id = lead.account_id;

	SELECT coalesce(jsonb_agg(jsonb_build_object('address', s.address, 'kind', s.kind, 'source', s.source, 'reason', s.reason,
	           'created_at', s.created_at, 'created_by', s.created_by) ORDER BY s.created_at, s.address), '[]')
	  INTO suppressions
	  FROM kam.Suppression s
	 WHERE s.address = ANY (kam._suppression_keys(kam._lead_addresses(lead) || kam._address_domain(lead.email)));
	SELECT count(*), coalesce(jsonb_agg(jsonb_build_object('event_id', t.event_id, 'at', t.touch_at, 'observed', t.event_type = 'touch_observed',
	           'sequence_id', t.sequence_id, 'sequence_type', t.sequence_type, 'channel', t.channel, 'originating_agent', t.originating_agent)
	           ORDER BY t.touch_at DESC), '[]'),
	       (array_agg(t.touch_at ORDER BY t.touch_at DESC))[cap]
	  INTO counted, touches, nth
	  FROM kam.CadenceEventLog t
	 WHERE t.lead_id = ANY (ids) AND t.touch_no IS NOT NULL AND t.counted AND t.touch_at > since;

	zone := kam._recipient_zone(lead.lead_id);
	told := (SELECT count(*) FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids));
	story := kam._story(canonical, ids, zone, 200);

	RETURN jsonb_build_object(
		'lead_id', canonical,
		'as_of', kam._now(),
		'known', lead.lead_id IS NOT NULL,
		'merged_from', to_jsonb(ids[2:]),
		'unsubscribe_flag', lead.unsubscribe_flag,
		'opt_out_flag', lead.opt_out_flag,
		'suppressions', suppressions,
		'account', CASE WHEN account.account_id IS NOT NULL THEN
			jsonb_build_object('account_id', account.account_id, 'abm_active', account.abm_active, 'icp_tier', account.icp_tier) END,
		'icp_tier', coalesce(lead.icp_tier, account.icp_tier),
		'signals', jsonb_build_object('sales', lead.sales_signal_at, 'marketing', lead.marketing_signal_at),
		'touches', jsonb_build_object(
			'cap', cap, 'window_hours', (EXTRACT(epoch FROM kam._touch_window()) / 3600)::float8,
			'counted', counted,
			'remaining', CASE WHEN cap >= 0 THEN greatest(cap - counted, 0) END,
			'next_allowed_at', CASE WHEN cap < 0 OR counted < cap THEN kam._now() WHEN cap > 0 THEN nth + kam._touch_window() END,
			'list', touches),
		'enrolments', (
			SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('sequence_id', c.sequence_id, 'enrolment_no', c.enrolment_no,
			           'sequence_type', c.sequence_type, 'family', c.family, 'state', c.state, 'paused_reason', c.paused_reason,
			           'end_reason', c.end_reason, 'current_step', c.current_step, 'steps', jsonb_array_length(c.steps),
			           'originating_agent', c.originating_agent, 'play_id', c.play_id, 'created_at', c.created_at, 'activated_at', c.activated_at,
			           'paused_at', c.paused_at, 'finished_at', c.finished_at, 'next_step_at', c.next_step_at, 'active_until', c.active_until))
			       ORDER BY c.state = 'finished', c.created_at DESC, c.sequence_id), '[]')
			  FROM kam.Cadence c WHERE c.lead_id = ANY (ids)),
		'holds', (
			SELECT coalesce(jsonb_agg(jsonb_build_object('event_id', q.event_id, 'kind', q.kind, 'reason', q.reason, 'requested', e.requested_event_type,
			           'sequence_id', q.sequence_id, 'sequence_type', e.sequence_type, 'step', e.step, 'channel', e.channel, 'priority', q.priority,
			           'release_at', q.release_at, 'rounds', q.rounds, 'queued_at', q.queued_at, 'expires_at', q.expires_at,
			           'parked', q.home <> kam._home())
			       ORDER BY q.priority DESC, q.event_id), '[]')
			  FROM kam.CadenceQueue q JOIN kam.CadenceEventLog e USING (lead_id, event_id)
			 WHERE q.lead_id = canonical AND q.state = 'waiting'),
		'flags', (
			SELECT coalesce(jsonb_agg(jsonb_build_object('kind', f.kind, 'sequence_id', f.sequence_id, 'opened_at', f.opened_at,
			           'escalated_at', f.escalated_at, 'detail', f.detail) ORDER BY f.opened_at, f.flag_id), '[]')
			  FROM kam.CadenceFlag f WHERE f.lead_id = canonical AND f.closed_at IS NULL),
		'events', (
			SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('event_id', r.event_id, 'at', r.event_at, 'event_type', r.event_type,
			           'requested', r.requested_event_type, 'coordinator_action', r.coordinator_action, 'suppressed_reason', r.suppressed_reason,
			           'resolution', r.resolution, 'sequence_id', r.sequence_id, 'sequence_type', r.sequence_type, 'step', r.step, 'channel', r.channel,
			           'originating_agent', r.originating_agent, 'release_at', r.release_at, 'parent_event_id', r.parent_event_id))
			       ORDER BY r.event_id DESC), '[]')
			  FROM (SELECT e.* FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids) ORDER BY e.event_id DESC LIMIT 20) r),
		'story', to_jsonb(story),
		'story_omitted', greatest(told - 200, 0),
		'now', to_jsonb(kam._story_now(lead, canonical, suppressions, zone)),
		'gate', CASE WHEN lead.lead_id IS NOT NULL THEN (
			SELECT jsonb_object_agg(f.family || '_' || w.event_type,
			           to_jsonb(g) - 'gates' || jsonb_build_object('sequence_type', f.sequence_type,
			               'refusing', jsonb_strip_nulls(jsonb_path_query_array(g.gates, '$[*] ? (@.passes == false)'))))
			  FROM (SELECT y.family, coalesce(
			                   (SELECT c.sequence_type FROM kam.Cadence c
			                     WHERE c.lead_id = canonical AND c.family = y.family AND c.state = 'active'),
			                   (array_agg(y.sequence_type ORDER BY y.sequence_type NOT IN ('outbound', 'nurture'), y.sequence_type))[1]) AS sequence_type
			          FROM kam.sequence_type y WHERE y.family <> 'transactional' GROUP BY y.family) f
			 CROSS JOIN (VALUES ('touch'), ('activation')) w (event_type)
			 CROSS JOIN LATERAL kam.kam_gate(canonical, f.sequence_type, w.event_type) g) END);
END
$$;
COMMENT ON FUNCTION kam_why(text) IS 'Why a lead is contacted or not, in one answer. story: what happened, a sentence per event, oldest first, in the recipient''s time zone, with that of leads merged into it; the latest 200 events (story_omitted: how many came before them). now: how it stands, in sentences. Then the same as data: flags and suppressions with their source, the touches that count now and when the next is allowed (touches.next_allowed_at: NULL when none ever is), enrolments, holds with reason and time, open flags, the latest 20 events with their verdicts, and what the gates say now of a touch and an activation by sales and by marketing (gate; refusing lists every gate that would refuse, not the first alone). Unknown lead 23503. Example: SELECT jsonb_array_elements_text(kam.kam_why(''lead-1'') -> ''story'');';

-- The Coordinator for people to look at.

CREATE VIEW suppression_audit AS
SELECT e.lead_id,
       e.event_id,
       e.event_at,
       e.event_type,
       e.requested_event_type,
       e.coordinator_action,
       CASE e.suppressed_reason
           WHEN 'compliance_block' THEN 1
           WHEN 'abm_active_suppression' THEN 2
           WHEN 'touch_cap_exceeded' THEN 3
           WHEN 'conflict_resolved_queued' THEN 4
           WHEN 'routing_error' THEN 4
           WHEN 'illegal_transition' THEN 5
       END::smallint AS gate,
       e.suppressed_reason,
       e.resolution,
       e.compliance_status,
       e.touch_cap_at_event AS touch_count,
       e.originating_agent,
       e.sequence_id,
       e.sequence_type,
       e.enrolment_no,
       e.step,
       e.channel,
       e.play_id,
       e.originating_proposal_id,
       e.parent_event_id,
       CASE WHEN e.coordinator_action = 'blocked' THEN 'refused'
            WHEN e.event_type IN ('cancelled', 'expired') THEN 'given up'
            ELSE coalesce(q.state, 'waiting') END AS outcome,
       CASE WHEN q.state = 'cancelled' THEN q.end_reason END AS outcome_reason,
       coalesce(q.ended_at, CASE WHEN e.coordinator_action NOT IN ('held', 'queued') THEN e.event_at END) AS outcome_at,
       CASE WHEN q.state = 'released' THEN (
           SELECT r.event_id FROM CadenceEventLog r
            WHERE r.lead_id = e.lead_id AND r.parent_event_id = e.event_id AND r.coordinator_action = 'executed') END AS released_event_id,
       CASE WHEN q.state = 'waiting' THEN q.release_at END AS next_allowed_at
  FROM CadenceEventLog e
  LEFT JOIN CadenceQueue q ON q.lead_id = e.lead_id AND q.event_id = e.event_id
 WHERE e.coordinator_action IN ('blocked', 'held', 'queued') OR e.event_type IN ('cancelled', 'expired');
COMMENT ON VIEW suppression_audit IS 'Every request that was not let through at once, and every hold that was given up: who asked, which gate refused and why, and what became of it. Example: SELECT * FROM kam.suppression_audit WHERE lead_id = ''lead-1'' ORDER BY event_id DESC;';
COMMENT ON COLUMN suppression_audit.lead_id IS 'The lead.';
COMMENT ON COLUMN suppression_audit.event_id IS 'The row of CadenceEventLog.';
COMMENT ON COLUMN suppression_audit.event_at IS 'When it was decided.';
COMMENT ON COLUMN suppression_audit.event_type IS 'suppressed, held, deferred, rejected; cancelled and expired end a hold.';
COMMENT ON COLUMN suppression_audit.requested_event_type IS 'What was asked.';
COMMENT ON COLUMN suppression_audit.coordinator_action IS 'blocked, held, queued; recorded for the end of a hold.';
COMMENT ON COLUMN suppression_audit.gate IS '1 compliance, 2 ABM, 3 touch cap, 4 conflict, 5 transition; NULL for the end of a hold.';
COMMENT ON COLUMN suppression_audit.suppressed_reason IS 'As in CadenceEventLog.';
COMMENT ON COLUMN suppression_audit.resolution IS 'The row of the conflict matrix, what was illegal, or why the hold ended.';
COMMENT ON COLUMN suppression_audit.compliance_status IS 'clear, unsubscribed, opted_out, suppressed.';
COMMENT ON COLUMN suppression_audit.touch_count IS 'Counted touches within the window before it.';
COMMENT ON COLUMN suppression_audit.originating_agent IS 'Who asked.';
COMMENT ON COLUMN suppression_audit.sequence_id IS 'The sequence.';
COMMENT ON COLUMN suppression_audit.sequence_type IS 'Its type.';
COMMENT ON COLUMN suppression_audit.enrolment_no IS 'The enrolment.';
COMMENT ON COLUMN suppression_audit.step IS 'The step.';
COMMENT ON COLUMN suppression_audit.channel IS 'The channel.';
COMMENT ON COLUMN suppression_audit.play_id IS 'The play.';
COMMENT ON COLUMN suppression_audit.originating_proposal_id IS 'The proposal the play derives from.';
COMMENT ON COLUMN suppression_audit.parent_event_id IS 'The request that this is a release, expiry or cancellation of.';
COMMENT ON COLUMN suppression_audit.outcome IS 'refused (for good), waiting, released (executed since), cancelled, expired; given up for the rows that say so.';
COMMENT ON COLUMN suppression_audit.outcome_reason IS 'Why it was cancelled.';
COMMENT ON COLUMN suppression_audit.outcome_at IS 'When that was settled; NULL while it waits.';
COMMENT ON COLUMN suppression_audit.released_event_id IS 'The executed row.';
COMMENT ON COLUMN suppression_audit.next_allowed_at IS 'While it waits: not before this; NULL until another sequence ends.';

CREATE VIEW touch_headroom AS
SELECT l.lead_id,
       l.account_id,
       l.owner_id,
       t.counted AS touch_count,
       s.cap AS touch_cap,
       CASE WHEN s.cap >= 0 THEN greatest(s.cap - t.counted, 0) END AS remaining,
       CASE WHEN s.cap > 0 AND t.counted >= s.cap THEN t.stamps[s.cap] + s.span END AS next_slot_at,
       t.stamps[1] AS last_touch_at
  FROM Leads l
 CROSS JOIN (SELECT kam._touch_cap() AS cap, kam._touch_window() AS span, kam._now() AS now) s
 CROSS JOIN LATERAL (
       SELECT count(*)::integer AS counted, array_agg(e.touch_at ORDER BY e.touch_at DESC) AS stamps
         FROM CadenceEventLog e
        WHERE e.lead_id = ANY (kam._lead_ids(l.lead_id)) AND e.counted AND e.touch_no IS NOT NULL AND e.touch_at > s.now - s.span) t
 WHERE NOT EXISTS (SELECT FROM lead_alias a WHERE a.lead_id = l.lead_id);
COMMENT ON VIEW touch_headroom IS 'Per lead: how many touches count now, how many are left under the cap. One lead is quick; all leads read the log lead by lead. Example: SELECT remaining, next_slot_at FROM kam.touch_headroom WHERE lead_id = ''lead-1'';';
COMMENT ON COLUMN touch_headroom.lead_id IS 'The lead; a merged one counts with the lead that stands for it.';
COMMENT ON COLUMN touch_headroom.account_id IS 'Its account.';
COMMENT ON COLUMN touch_headroom.owner_id IS 'Its rep.';
COMMENT ON COLUMN touch_headroom.touch_count IS 'Counted touches within kam.touch_window.';
COMMENT ON COLUMN touch_headroom.touch_cap IS 'kam.touch_cap; -1 is none.';
COMMENT ON COLUMN touch_headroom.remaining IS 'Touches that the cap still allows now; NULL without a cap.';
COMMENT ON COLUMN touch_headroom.next_slot_at IS 'When the next becomes free; NULL when one is free now, or with a cap of 0 none ever.';
COMMENT ON COLUMN touch_headroom.last_touch_at IS 'The latest of those counted.';

CREATE VIEW held_queue AS
SELECT q.lead_id,
       q.event_id,
       q.kind,
       q.reason,
       row_number() OVER (PARTITION BY q.lead_id, q.kind ORDER BY q.priority DESC, q.event_id)::integer AS position,
       q.priority,
       q.release_at AS next_allowed_at,
       q.rounds,
       q.queued_at,
       q.expires_at,
       CASE WHEN e.event_type = 'out_of_office' THEN 'resume' ELSE e.requested_event_type END AS requested_event_type,
       q.sequence_id,
       e.sequence_type,
       e.family,
       e.step,
       e.channel,
       e.originating_agent,
       e.play_id,
       e.originating_proposal_id,
       q.home <> kam._home() AS parked
  FROM CadenceQueue q
  JOIN CadenceEventLog e ON e.lead_id = q.lead_id AND e.event_id = q.event_id
 WHERE q.state = 'waiting';
COMMENT ON VIEW held_queue IS 'Requests that wait, in the order of their release per lead: held by the touch cap or deferred by a conflict or an absence. Give one up with kam_cancel_held(lead_id, event_id). Example: SELECT reason, position, next_allowed_at FROM kam.held_queue WHERE lead_id = ''lead-1'' ORDER BY position;';
COMMENT ON COLUMN held_queue.lead_id IS 'The lead.';
COMMENT ON COLUMN held_queue.event_id IS 'The request in CadenceEventLog.';
COMMENT ON COLUMN held_queue.kind IS 'held (a touch, by the cap), deferred (an activation or resume).';
COMMENT ON COLUMN held_queue.reason IS 'touch_cap_exceeded, the row of the conflict matrix, out_of_office.';
COMMENT ON COLUMN held_queue.position IS 'Place among the lead''s of this kind, from 1: higher priority first, then who came first.';
COMMENT ON COLUMN held_queue.priority IS 'Higher goes first.';
COMMENT ON COLUMN held_queue.next_allowed_at IS 'Looked at again then; NULL until the sequence that it waits for has ended.';
COMMENT ON COLUMN held_queue.rounds IS 'Releases that were refused.';
COMMENT ON COLUMN held_queue.queued_at IS 'Since when.';
COMMENT ON COLUMN held_queue.expires_at IS 'Given up then.';
COMMENT ON COLUMN held_queue.requested_event_type IS 'What was asked.';
COMMENT ON COLUMN held_queue.sequence_id IS 'The sequence.';
COMMENT ON COLUMN held_queue.sequence_type IS 'Its type.';
COMMENT ON COLUMN held_queue.family IS 'The type''s family.';
COMMENT ON COLUMN held_queue.step IS 'The step.';
COMMENT ON COLUMN held_queue.channel IS 'The channel.';
COMMENT ON COLUMN held_queue.originating_agent IS 'Who asked.';
COMMENT ON COLUMN held_queue.play_id IS 'The play.';
COMMENT ON COLUMN held_queue.originating_proposal_id IS 'The proposal the play derives from.';
COMMENT ON COLUMN held_queue.parked IS 'Came with a restore or a copy: waits for kam_resume() besides.';

CREATE VIEW sequence_outcomes AS
-- An answer ends an enrolment, or comes after its end and names the sequence.
WITH answer AS (
	SELECT c.sequence_type, c.sequence_id, c.play_id, c.originating_proposal_id, c.lead_id, c.enrolment_no,
	       CASE c.end_reason WHEN 'replied' THEN 'reply' ELSE 'meeting_booked' END AS what
	  FROM Cadence c
	 WHERE c.end_reason IN ('replied', 'meeting_booked')
	UNION
	SELECT c.sequence_type, c.sequence_id, c.play_id, c.originating_proposal_id, c.lead_id, c.enrolment_no, e.event_type
	  FROM CadenceEventLog e
	 CROSS JOIN LATERAL (SELECT k.* FROM Cadence k
	                      WHERE k.lead_id = e.lead_id AND k.sequence_id = e.sequence_id AND k.created_at <= e.event_at
	                      ORDER BY k.enrolment_no DESC LIMIT 1) c
	 WHERE e.event_type IN ('reply', 'meeting_booked') AND e.sequence_id IS NOT NULL),
observed AS (
	SELECT c.sequence_type, c.sequence_id, c.play_id, c.originating_proposal_id, w.what
	  FROM Cadence c
	 CROSS JOIN LATERAL (VALUES ('enrolment'), (c.state), ('ended ' || c.end_reason),
	                            (CASE WHEN c.activated_at IS NOT NULL THEN 'activated' END)) w (what)
	UNION ALL
	SELECT e.sequence_type, e.sequence_id, e.play_id, e.originating_proposal_id, w.what
	  FROM CadenceEventLog e
	 CROSS JOIN LATERAL (VALUES (CASE WHEN e.event_type = 'touch' THEN 'touch' END), (nullif(e.coordinator_action, 'queued')),
	                            (CASE WHEN e.coordinator_action = 'queued' THEN 'deferred' END), ('suppressed ' || e.suppressed_reason)) w (what)
	 WHERE e.coordinator_action <> 'recorded'
	UNION ALL
	SELECT a.sequence_type, a.sequence_id, a.play_id, a.originating_proposal_id, a.what FROM answer a
	UNION ALL
	SELECT a.sequence_type, a.sequence_id, a.play_id, a.originating_proposal_id, 'answered'
	  FROM (SELECT DISTINCT sequence_type, sequence_id, play_id, originating_proposal_id, lead_id, enrolment_no FROM answer) a),
counted AS (
	SELECT o.sequence_type, o.sequence_id, o.play_id, o.originating_proposal_id, o.what, count(*) AS n
	  FROM observed o
	 WHERE o.what IS NOT NULL
	 GROUP BY 1, 2, 3, 4, 5)
SELECT c.sequence_type,
       c.sequence_id,
       c.play_id,
       c.originating_proposal_id,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'enrolment'), 0)::bigint AS enrolments,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'active'), 0)::bigint AS active,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'paused'), 0)::bigint AS paused,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'queued'), 0)::bigint AS queued,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'finished'), 0)::bigint AS finished,
       coalesce(jsonb_object_agg(substr(c.what, 7), c.n) FILTER (WHERE c.what LIKE 'ended %'), '{}') AS finished_by,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'touch'), 0)::bigint AS touches,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'held'), 0)::bigint AS held,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'deferred'), 0)::bigint AS deferred,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'blocked'), 0)::bigint AS blocked,
       coalesce(jsonb_object_agg(substr(c.what, 12), c.n) FILTER (WHERE c.what LIKE 'suppressed %'), '{}') AS suppressed_by,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'reply'), 0)::bigint AS replies,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'meeting_booked'), 0)::bigint AS meetings,
       round(coalesce(sum(c.n) FILTER (WHERE c.what = 'answered'), 0) / nullif(sum(c.n) FILTER (WHERE c.what = 'activated'), 0), 4) AS reply_rate
  FROM counted c
 GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW sequence_outcomes IS 'What became of the enrolments of each sequence, per type, play and proposal. Reads all of the log: for sums by day, channel and step, which are kept, see cadence_intelligence. Example: SELECT sequence_type, sum(touches), sum(replies) FROM kam.sequence_outcomes GROUP BY 1;';
COMMENT ON COLUMN sequence_outcomes.sequence_type IS 'Type of the sequence.';
COMMENT ON COLUMN sequence_outcomes.sequence_id IS 'The sequence; NULL for touches that belong to none.';
COMMENT ON COLUMN sequence_outcomes.play_id IS 'The play.';
COMMENT ON COLUMN sequence_outcomes.originating_proposal_id IS 'The proposal the play derives from; NULL when no brain had part in it.';
COMMENT ON COLUMN sequence_outcomes.enrolments IS 'Rows of Cadence.';
COMMENT ON COLUMN sequence_outcomes.active IS 'Of these, active.';
COMMENT ON COLUMN sequence_outcomes.paused IS 'Of these, paused.';
COMMENT ON COLUMN sequence_outcomes.queued IS 'Of these, never active yet.';
COMMENT ON COLUMN sequence_outcomes.finished IS 'Of these, finished.';
COMMENT ON COLUMN sequence_outcomes.finished_by IS 'The finished ones by end_reason: {"replied": 2, "completed": 1}.';
COMMENT ON COLUMN sequence_outcomes.touches IS 'Touches executed.';
COMMENT ON COLUMN sequence_outcomes.held IS 'Touches held by the cap.';
COMMENT ON COLUMN sequence_outcomes.deferred IS 'Activations and resumes that a conflict deferred.';
COMMENT ON COLUMN sequence_outcomes.blocked IS 'Requests refused.';
COMMENT ON COLUMN sequence_outcomes.suppressed_by IS 'Requests not let through at once by suppressed_reason.';
COMMENT ON COLUMN sequence_outcomes.replies IS 'Enrolments that got a reply.';
COMMENT ON COLUMN sequence_outcomes.meetings IS 'Enrolments that led to a meeting.';
COMMENT ON COLUMN sequence_outcomes.reply_rate IS 'Enrolments with a reply or a meeting per enrolment that was ever active; NULL when none was.';

-- Cadence intelligence (AGT-303): what was asked, what became of it and what came back, by day, play, type, channel, agent and step.
--
-- intelligence_day holds sums of the log up to an event_id, _intelligence_state.upto; the view adds what is above it as it stands.  Nobody who writes
-- to the log writes here: the schedules fold.  Rows of the log commit in another order than their event_ids were drawn in, so a fold goes only as far as
-- a mark below which nobody can still commit: event_ids are drawn by transactions that have an id (src/cadence/horizon.c), so once every transaction
-- that had one when the mark was taken has ended, all rows up to the mark are there for good.  A decided row that comes in below the numbers that are
-- drawn already (an import) is noted in _intelligence_late; a restore brings sums and state along with the log.
--
-- What is counted of a row is what it says, with those that it names, which came before it; no row that comes later, no merge or deletion of a
-- lead and no cleared "counted" changes it.  So sums stay right, and counting again gives the same.

CREATE TABLE intelligence_day (
	day				date NOT NULL,
	play_id			text NOT NULL,
	originating_proposal_id text NOT NULL,
	sequence_type	text NOT NULL,
	channel			text NOT NULL,
	originating_agent text NOT NULL,
	step			integer NOT NULL,
	requested		bigint NOT NULL,
	executed		bigint NOT NULL,
	touches			bigint NOT NULL,
	released		bigint NOT NULL,
	held			bigint NOT NULL,
	deferred		bigint NOT NULL,
	suppressed_compliance bigint NOT NULL,
	suppressed_abm	bigint NOT NULL,
	suppressed_routing bigint NOT NULL,
	rejected		bigint NOT NULL,
	expired			bigint NOT NULL,
	cancelled		bigint NOT NULL,
	observed		bigint NOT NULL,
	failed			bigint NOT NULL,
	replies			bigint NOT NULL,
	meetings		bigint NOT NULL,
	opt_outs		bigint NOT NULL,
	bounces			bigint NOT NULL,
	holds			bigint NOT NULL,
	hold_seconds	bigint NOT NULL,
	hold_histogram	bigint[] NOT NULL,
	PRIMARY KEY (day, play_id, originating_proposal_id, sequence_type, channel, originating_agent, step)
);
COMMENT ON TABLE intelligence_day IS 'The part of cadence_intelligence that does not need the log any more; its columns are the view''s, an unknown text as an empty one, no step as -1. Written by the schedules, kept for ever: it says nothing of any person.';

CREATE TABLE _intelligence_state (
	only_row	boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	upto		bigint NOT NULL DEFAULT -9223372036854775807,
	mark		bigint,
	mark_xid	xid8,
	home		bigint NOT NULL DEFAULT kam._home()
);
COMMENT ON TABLE _intelligence_state IS 'Up to which event_id intelligence_day counts the log; no row: nothing yet.';
COMMENT ON COLUMN _intelligence_state.only_row IS 'Always true: there is one row at most.';
COMMENT ON COLUMN _intelligence_state.upto IS 'The last event_id that is counted, with all below it.';
COMMENT ON COLUMN _intelligence_state.mark IS 'The last event_id drawn when the schedules looked last: the next to count up to.';
COMMENT ON COLUMN _intelligence_state.mark_xid IS 'Once no transaction below this one runs, nothing can commit up to the mark any more.';
COMMENT ON COLUMN _intelligence_state.home IS 'The database whose transactions mark_xid speaks of.';

CREATE TABLE _intelligence_late (
	lead_id		text NOT NULL,
	event_id	bigint NOT NULL,
	PRIMARY KEY (event_id, lead_id)
);
COMMENT ON TABLE _intelligence_late IS 'Decided rows that were brought in below the event_ids drawn by then; counted by themselves.';
COMMENT ON COLUMN _intelligence_late.lead_id IS 'The lead.';
COMMENT ON COLUMN _intelligence_late.event_id IS 'The row of CadenceEventLog.';

CREATE FUNCTION _next_xid() RETURNS xid8
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'kam_cadence_next_xid';
COMMENT ON FUNCTION _next_xid() IS 'The id that the next transaction will get, given to nobody: all that have one have a smaller one.';

-- ---- time in hold --------------------------------------------------------------

CREATE FUNCTION _hold_bounds() RETURNS float8[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN '{0,2,8,24,48,72,96,120,144,168,192,336}'::float8[];
COMMENT ON FUNCTION _hold_bounds() IS 'Where the twelve classes of hold_histogram begin, in hours; the last has no end.';

CREATE FUNCTION _add_holds(a bigint[], b bigint[]) RETURNS bigint[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN ARRAY[a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4], a[5] + b[5], a[6] + b[6],
		a[7] + b[7], a[8] + b[8], a[9] + b[9], a[10] + b[10], a[11] + b[11], a[12] + b[12]];
COMMENT ON FUNCTION _add_holds(bigint[], bigint[]) IS 'The sum of two histograms.';

CREATE AGGREGATE kam_sum_holds(bigint[]) (
	SFUNC = _add_holds, STYPE = bigint[], INITCOND = '{0,0,0,0,0,0,0,0,0,0,0,0}', COMBINEFUNC = _add_holds, PARALLEL = SAFE
);
COMMENT ON AGGREGATE kam_sum_holds(bigint[]) IS 'The sum of hold_histogram over rows of cadence_intelligence, for kam_median_hold(). Example: SELECT month, kam.kam_median_hold(kam.kam_sum_holds(hold_histogram)) FROM kam.cadence_intelligence GROUP BY month ORDER BY month;';

CREATE FUNCTION kam_median_hold(histogram bigint[]) RETURNS interval
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT CASE WHEN c.up_to IS NULL THEN c.begins ELSE c.begins + (c.up_to - c.begins) * (c.half - c.before) / c.n END * interval '1 hour'
		  FROM (SELECT b.begins, lead(b.begins) OVER (ORDER BY b.place) AS up_to, h.n, sum(h.n) OVER () / 2.0::float8 AS half,
		               (sum(h.n) OVER (ORDER BY b.place) - h.n)::float8 AS before
		          FROM unnest(kam._hold_bounds()) WITH ORDINALITY b (begins, place)
		          JOIN unnest(histogram) WITH ORDINALITY h (n, place) USING (place)) c
		 WHERE c.n > 0 AND c.before + c.n >= c.half
		 ORDER BY c.begins
		 LIMIT 1;
	END;
COMMENT ON FUNCTION kam_median_hold(bigint[]) IS 'The median time in hold, estimated from a hold_histogram: linear within its class (of hours: from 0, 2, 8, 24, 48, 72, 96, 120, 144, 168, 192, 336). NULL for none. Medians cannot be added up: add histograms with kam_sum_holds(). Example: SELECT kam.kam_median_hold(kam.kam_sum_holds(hold_histogram)) FROM kam.cadence_intelligence WHERE day > current_date - 30;';

-- ---- what a row counts for -------------------------------------------------------

CREATE FUNCTION _lead_ids_at(lead_id text, at timestamptz) RETURNS text[]
	LANGUAGE sql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		WITH RECURSIVE one (lead_id) AS (
			SELECT _lead_ids_at.lead_id
			UNION
			SELECT m.loser FROM one o JOIN kam.lead_merge m ON m.winner = o.lead_id
			 WHERE m.merged_at <= _lead_ids_at.at AND (m.undone_at IS NULL OR m.undone_at > _lead_ids_at.at))
		SELECT array_agg(o.lead_id) FROM one o;
	END;
COMMENT ON FUNCTION _lead_ids_at(text, timestamptz) IS 'As _lead_ids() at a moment: a merge that came later, or was undone since, makes no difference.';

CREATE VIEW _intelligence_event AS
SELECT e.lead_id,
       e.event_id,
       (w.at AT TIME ZONE current_setting('kam.default_timezone'))::date AS day,
       coalesce(s.play_id, '') AS play_id,
       coalesce(s.originating_proposal_id, '') AS originating_proposal_id,
       coalesce(s.sequence_type, '') AS sequence_type,
       coalesce(s.channel, '') AS channel,
       coalesce(s.originating_agent, '') AS originating_agent,
       coalesce(s.step, -1) AS step,
       (e.coordinator_action <> 'recorded' AND e.parent_event_id IS NULL)::integer AS requested,
       (e.coordinator_action = 'executed')::integer AS executed,
       (e.event_type = 'touch')::integer AS touches,
       (e.coordinator_action = 'executed' AND e.parent_event_id IS NOT NULL)::integer AS released,
       (e.event_type = 'held')::integer AS held,
       (e.event_type = 'deferred')::integer AS deferred,
       (e.event_type = 'suppressed' AND e.suppressed_reason = 'compliance_block')::integer AS suppressed_compliance,
       (e.event_type = 'suppressed' AND e.suppressed_reason = 'abm_active_suppression')::integer AS suppressed_abm,
       (e.event_type = 'suppressed' AND e.suppressed_reason = 'routing_error')::integer AS suppressed_routing,
       (e.event_type = 'rejected')::integer AS rejected,
       (e.event_type = 'expired')::integer AS expired,
       (e.event_type = 'cancelled')::integer AS cancelled,
       (e.event_type = 'touch_observed')::integer AS observed,
       -- A failure that is told twice is one.
       (e.event_type = 'send_failed' AND coalesce(p.event_type, '') = 'touch'
        AND NOT EXISTS (SELECT FROM CadenceEventLog f
                         WHERE f.lead_id = e.lead_id AND f.event_type = 'send_failed' AND f.parent_event_id = e.parent_event_id AND f.event_id < e.event_id))::integer AS failed,
       (e.event_type = 'reply')::integer AS replies,
       (e.event_type = 'meeting_booked')::integer AS meetings,
       (e.event_type IN ('opt_out', 'unsubscribe'))::integer AS opt_outs,
       (e.event_type = 'bounce')::integer AS bounces,
       CASE WHEN p.event_type IN ('held', 'deferred') AND e.event_type <> 'send_failed'
            THEN greatest(EXTRACT(epoch FROM e.event_at - p.event_at), 0)::float8 END AS hold_seconds
  FROM CadenceEventLog e
  -- What it releases, ends or tells the failure of.  That of a running sequence that was displaced is the request that did it.
  LEFT JOIN LATERAL (
       SELECT p.* FROM CadenceEventLog p
        WHERE p.lead_id = e.lead_id AND p.event_id = e.parent_event_id AND e.event_type <> 'deferred'
          AND (e.event_type <> 'suppressed' OR p.event_type IN ('held', 'deferred'))) p ON true
  -- What the person answers: the touch before it, of the sequence that it names, or of any that is not transactional.
  LEFT JOIN LATERAL (
       SELECT t.* FROM CadenceEventLog t
        WHERE e.event_type IN ('reply', 'meeting_booked', 'opt_out', 'unsubscribe', 'bounce')
          AND t.lead_id = ANY (CASE WHEN EXISTS (SELECT FROM lead_merge m WHERE m.winner = e.lead_id)
                                    THEN _lead_ids_at(e.lead_id, e.event_at) ELSE ARRAY[e.lead_id] END)
          AND t.event_id < e.event_id AND t.event_type IN ('touch', 'touch_observed')
          AND CASE WHEN e.sequence_id IS NULL THEN t.family IS DISTINCT FROM 'transactional' ELSE t.sequence_id = e.sequence_id END
        ORDER BY t.event_id DESC LIMIT 1) t ON true
 CROSS JOIN LATERAL (SELECT CASE WHEN e.coordinator_action = 'recorded' THEN coalesce(e.occurred_at, e.event_at) ELSE e.event_at END AS at) w
 CROSS JOIN LATERAL (
       SELECT t.play_id, t.originating_proposal_id, t.sequence_type, t.channel, t.originating_agent, t.step WHERE t.event_id IS NOT NULL
       UNION ALL
       SELECT p.play_id, p.originating_proposal_id, p.sequence_type, p.channel, p.originating_agent, p.step
        WHERE t.event_id IS NULL AND p.event_id IS NOT NULL AND e.coordinator_action = 'recorded'
       UNION ALL
       SELECT e.play_id, e.originating_proposal_id, e.sequence_type, e.channel,
              CASE WHEN e.coordinator_action <> 'recorded' OR e.event_type = 'touch_observed' THEN e.originating_agent END, e.step
        WHERE t.event_id IS NULL AND (p.event_id IS NULL OR e.coordinator_action <> 'recorded')) s
 WHERE e.event_type NOT IN ('pause', 'stop', 'complete', 'out_of_office');
COMMENT ON VIEW _intelligence_event IS 'What each row of the log adds to intelligence_day, in the terms of the touch that it answers, releases, ends or tells of. hold_seconds: of what ends a hold.';

CREATE FUNCTION _intelligence_query(source text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	RETURN format($sql$
		SELECT v.day, v.play_id, v.originating_proposal_id, v.sequence_type, v.channel, v.originating_agent, v.step,
		       sum(v.requested), sum(v.executed), sum(v.touches), sum(v.released), sum(v.held), sum(v.deferred),
		       sum(v.suppressed_compliance), sum(v.suppressed_abm), sum(v.suppressed_routing), sum(v.rejected), sum(v.expired), sum(v.cancelled),
		       sum(v.observed), sum(v.failed), sum(v.replies), sum(v.meetings), sum(v.opt_outs), sum(v.bounces),
		       count(v.class), coalesce(sum(v.hold_seconds), 0)::bigint,
		       ARRAY[count(*) FILTER (WHERE v.class = 1), count(*) FILTER (WHERE v.class = 2), count(*) FILTER (WHERE v.class = 3),
		             count(*) FILTER (WHERE v.class = 4), count(*) FILTER (WHERE v.class = 5), count(*) FILTER (WHERE v.class = 6),
		             count(*) FILTER (WHERE v.class = 7), count(*) FILTER (WHERE v.class = 8), count(*) FILTER (WHERE v.class = 9),
		             count(*) FILTER (WHERE v.class = 10), count(*) FILTER (WHERE v.class = 11), count(*) FILTER (WHERE v.class = 12)]
		  FROM (SELECT i.*, width_bucket(i.hold_seconds / 3600, kam._hold_bounds()) AS class FROM (%s) i) v
		 GROUP BY v.day, v.play_id, v.originating_proposal_id, v.sequence_type, v.channel, v.originating_agent, v.step
		$sql$, source);
COMMENT ON FUNCTION _intelligence_query(text) IS 'The statement that sums rows of _intelligence_event, given as a statement, to rows of intelligence_day.';

-- ---- folding ------------------------------------------------------------------------

CREATE FUNCTION _intelligence_drawn() RETURNS bigint
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END FROM kam.CadenceEventLog_event_id_seq s;
	END;
COMMENT ON FUNCTION _intelligence_drawn() IS 'The last event_id that was drawn, by whomever; 0 for none. A restore sets the numbers after all rows are there.';

CREATE FUNCTION _add_intelligence(source text, after bigint, upto bigint, before bigint, most integer) RETURNS bigint
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	SET jit = off
	AS $$
DECLARE
	added bigint;
BEGIN
	-- What was late is taken out by the statement that counts it, and sees what it sees.
	EXECUTE format($sql$
		WITH late AS (
			DELETE FROM kam._intelligence_late l
			 WHERE l.event_id > $3 AND l.event_id <= $2
			    OR (l.event_id, l.lead_id) IN (SELECT k.event_id, k.lead_id FROM kam._intelligence_late k WHERE k.event_id <= $3 ORDER BY k.event_id LIMIT $4)
			RETURNING l.lead_id, l.event_id)
		INSERT INTO kam.intelligence_day AS d %s
		ON CONFLICT (day, play_id, originating_proposal_id, sequence_type, channel, originating_agent, step) DO UPDATE SET
			requested = d.requested + EXCLUDED.requested, executed = d.executed + EXCLUDED.executed, touches = d.touches + EXCLUDED.touches,
			released = d.released + EXCLUDED.released, held = d.held + EXCLUDED.held, deferred = d.deferred + EXCLUDED.deferred,
			suppressed_compliance = d.suppressed_compliance + EXCLUDED.suppressed_compliance, suppressed_abm = d.suppressed_abm + EXCLUDED.suppressed_abm,
			suppressed_routing = d.suppressed_routing + EXCLUDED.suppressed_routing, rejected = d.rejected + EXCLUDED.rejected,
			expired = d.expired + EXCLUDED.expired, cancelled = d.cancelled + EXCLUDED.cancelled, observed = d.observed + EXCLUDED.observed,
			failed = d.failed + EXCLUDED.failed, replies = d.replies + EXCLUDED.replies, meetings = d.meetings + EXCLUDED.meetings,
			opt_outs = d.opt_outs + EXCLUDED.opt_outs, bounces = d.bounces + EXCLUDED.bounces, holds = d.holds + EXCLUDED.holds,
			hold_seconds = d.hold_seconds + EXCLUDED.hold_seconds, hold_histogram = kam._add_holds(d.hold_histogram, EXCLUDED.hold_histogram)
		$sql$, kam._intelligence_query(source))
	USING after, upto, before, most;
	GET DIAGNOSTICS added = ROW_COUNT;
	RETURN added;
END
$$;
COMMENT ON FUNCTION _add_intelligence(text, bigint, bigint, bigint, integer) IS 'Adds what "source" gives of _intelligence_event ($1 after, $2 upto; "late" are rows taken out of _intelligence_late) to intelligence_day. Of the late rows all above "before" are taken, and at most so many up to it. Returns how many rows it wrote there.';

CREATE FUNCTION _fold_intelligence(batch integer) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	here CONSTANT bigint := kam._home();
	state kam._intelligence_state;
	horizon bigint;
	reached bigint;
	drawn bigint;
	ahead xid8;
BEGIN
	SELECT * INTO state FROM kam._intelligence_state FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		IF kam._intelligence_drawn() = 0 OR EXISTS (SELECT FROM kam._intelligence_state) THEN
			RETURN false;
		END IF;
		-- No mark before others can see that there are marks: from here on they note what they bring in late.
		INSERT INTO kam._intelligence_state DEFAULT VALUES ON CONFLICT DO NOTHING;
		RETURN false;
	END IF;

	-- Of a database that this one is a copy of, all that was drawn has ended.
	horizon := CASE WHEN state.home = here AND pg_snapshot_xmin(pg_current_snapshot()) >= state.mark_xid THEN state.mark ELSE state.upto END;
	-- From the first number that is there: what is brought in may have any.
	reached := greatest(state.upto, least(horizon,
		coalesce((SELECT min(e.event_id + 0) FROM kam.CadenceEventLog e WHERE e.event_id + 0 > state.upto) - 1 + batch, horizon)));
	IF reached > state.upto OR EXISTS (SELECT FROM kam._intelligence_late l WHERE l.event_id <= state.upto) THEN
		PERFORM kam._add_intelligence(
			'SELECT * FROM kam._intelligence_event WHERE event_id + 0 > $1 AND event_id + 0 <= $2
			 UNION ALL
			 SELECT e.* FROM late l JOIN kam._intelligence_event e USING (lead_id, event_id) WHERE l.event_id <= $1',
			state.upto, reached, state.upto, batch);
	END IF;
	-- The numbers first, then who may have drawn them.
	IF reached >= horizon AND (horizon = state.mark OR state.mark IS NULL OR state.home <> here) THEN
		drawn := kam._intelligence_drawn();
		ahead := kam._next_xid();
		UPDATE kam._intelligence_state s SET upto = reached, mark = drawn, mark_xid = ahead, home = here
		 WHERE (s.upto, s.mark, s.home) IS DISTINCT FROM (reached, drawn, here);
	ELSE
		UPDATE kam._intelligence_state s SET upto = reached WHERE s.upto <> reached;
	END IF;
	RETURN reached < horizon OR (SELECT count(*) FROM (SELECT FROM kam._intelligence_late l WHERE l.event_id <= reached LIMIT 1) l) > 0;
END
$$;
COMMENT ON FUNCTION _fold_intelligence(integer) IS 'Counts what the log has got, at most so many event_ids, up to the mark, once nobody can commit anything below it, and takes the next mark. Does nothing while somebody else does the same. True when there is more to count at once.';

CREATE FUNCTION kam_rebuild_intelligence(since date DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	state kam._intelligence_state;
	forgotten date;
	-- What is late is taken out by the same statement: of the days that stay it is added, of the others it is found in the log.
	source CONSTANT text := 'SELECT * FROM kam._intelligence_event WHERE event_id + 0 > $1 AND event_id + 0 <= $2' || CASE WHEN since IS NULL THEN '' ELSE
		format(' AND day >= %L UNION ALL SELECT e.* FROM late l JOIN kam._intelligence_event e USING (lead_id, event_id) WHERE l.event_id <= $2 AND e.day < %1$L', since) END;
BEGIN
	SELECT * INTO state FROM kam._intelligence_state FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	SELECT (r.gone_before AT TIME ZONE current_setting('kam.default_timezone'))::date INTO forgotten FROM kam._retention r WHERE r.kind = 'events';
	IF forgotten IS NOT NULL AND coalesce(since <= forgotten, true) THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('the log does not tell everything of %s and before any more', forgotten),
			DETAIL = 'Rows were deleted (kam.retain_events); the sums have them still.',
			HINT = format('Count later days: SELECT kam.kam_rebuild_intelligence(%L);', forgotten + 1);
	END IF;
	DELETE FROM kam.intelligence_day d WHERE since IS NULL OR d.day >= since;
	RETURN kam._add_intelligence(source, -9223372036854775807, state.upto, state.upto, 2147483647);
END
$$;
COMMENT ON FUNCTION kam_rebuild_intelligence(date) IS 'Counts the log anew into intelligence_day: all of it, or the days from "since" on; earlier days stay as they are. For after rows were loaded past the triggers, or kam.default_timezone was changed. Days of which kam.retain_events has deleted rows cannot be counted again (55000). Readers see the old sums until it commits, nobody who writes to the log waits. Returns how many rows intelligence_day got. Example: SELECT kam.kam_rebuild_intelligence(''2026-01-01'');';

CREATE FUNCTION _intelligence_health() RETURNS TABLE (item text, state text, detail text, hint text)
	LANGUAGE sql VOLATILE ROWS 1
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT 'intelligence', 'warning',
		       format('%s event_ids are not counted yet: cadence_intelligence reads their events from the log', behind.n),
		       CASE WHEN pg_snapshot_xmin(pg_current_snapshot()) < s.mark_xid
		            THEN 'A transaction stays open: SELECT pid, xact_start FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start; SELECT * FROM pg_prepared_xacts;'
		            ELSE 'Is a worker running, are kam.schedules on and kam.paused off? SELECT kam.kam_tick() does it by hand.' END
		  FROM (SELECT kam._intelligence_drawn() AS drawn) d
		  LEFT JOIN kam._intelligence_state s ON true
		 CROSS JOIN LATERAL (SELECT d.drawn - greatest(s.upto, 0) AS n) behind
		 WHERE behind.n > 200000;
	END;
COMMENT ON FUNCTION _intelligence_health() IS 'What kam_health() says of the sums: a row when they lag far behind.';

-- ---- looking -----------------------------------------------------------------------------

CREATE FUNCTION _intelligence_tail() RETURNS SETOF intelligence_day
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 1000
	SET search_path = pg_catalog, kam, pg_temp
	-- However the table was analysed: above upto there is little.
	SET enable_seqscan = off
	SET jit = off
	AS $$
BEGIN
	RETURN QUERY EXECUTE kam._intelligence_query(
		'SELECT * FROM kam._intelligence_event WHERE event_id + 0 > $1
		 UNION ALL
		 SELECT e.* FROM kam._intelligence_late l JOIN kam._intelligence_event e USING (lead_id, event_id) WHERE l.event_id <= $1')
	USING coalesce((SELECT s.upto FROM kam._intelligence_state s), -9223372036854775807);
END
$$;
COMMENT ON FUNCTION _intelligence_tail() IS 'What is not counted in intelligence_day yet, summed as it stands.';

CREATE VIEW cadence_intelligence AS
SELECT d.day,
       date_trunc('week', d.day::timestamp)::date AS week,
       date_trunc('month', d.day::timestamp)::date AS month,
       date_trunc('quarter', d.day::timestamp)::date AS quarter,
       nullif(d.play_id, '') AS play_id,
       nullif(d.originating_proposal_id, '') AS originating_proposal_id,
       nullif(d.sequence_type, '') AS sequence_type,
       nullif(d.channel, '') AS channel,
       nullif(d.originating_agent, '') AS originating_agent,
       nullif(d.step, -1) AS step,
       d.requested, d.executed, d.touches, d.released, d.held, d.deferred,
       d.suppressed_compliance + d.suppressed_abm + d.suppressed_routing AS suppressed,
       jsonb_strip_nulls(jsonb_build_object(
           'compliance_block', nullif(d.suppressed_compliance, 0),
           'abm_active_suppression', nullif(d.suppressed_abm, 0),
           'touch_cap_exceeded', nullif(d.held, 0),
           'conflict_resolved_queued', nullif(d.deferred, 0),
           'routing_error', nullif(d.suppressed_routing, 0),
           'illegal_transition', nullif(d.rejected, 0))) AS suppressed_by,
       d.suppressed_compliance, d.suppressed_abm, d.suppressed_routing,
       d.rejected, d.expired, d.cancelled, d.observed, d.failed, d.replies, d.meetings, d.opt_outs, d.bounces,
       d.holds,
       CASE WHEN d.holds > 0 THEN d.hold_seconds::float8 / d.holds * interval '1 second' END AS average_hold,
       CASE WHEN d.holds > 0 THEN kam_median_hold(d.hold_histogram) END AS median_hold,
       d.hold_seconds,
       d.hold_histogram
  FROM (SELECT s.day, s.play_id, s.originating_proposal_id, s.sequence_type, s.channel, s.originating_agent, s.step,
               sum(s.requested)::bigint AS requested, sum(s.executed)::bigint AS executed, sum(s.touches)::bigint AS touches,
               sum(s.released)::bigint AS released, sum(s.held)::bigint AS held, sum(s.deferred)::bigint AS deferred,
               sum(s.suppressed_compliance)::bigint AS suppressed_compliance, sum(s.suppressed_abm)::bigint AS suppressed_abm,
               sum(s.suppressed_routing)::bigint AS suppressed_routing, sum(s.rejected)::bigint AS rejected, sum(s.expired)::bigint AS expired,
               sum(s.cancelled)::bigint AS cancelled, sum(s.observed)::bigint AS observed, sum(s.failed)::bigint AS failed,
               sum(s.replies)::bigint AS replies, sum(s.meetings)::bigint AS meetings, sum(s.opt_outs)::bigint AS opt_outs,
               sum(s.bounces)::bigint AS bounces, sum(s.holds)::bigint AS holds, sum(s.hold_seconds)::bigint AS hold_seconds,
               kam_sum_holds(s.hold_histogram) AS hold_histogram
          FROM (SELECT * FROM intelligence_day UNION ALL SELECT * FROM _intelligence_tail()) s
         GROUP BY s.day, s.play_id, s.originating_proposal_id, s.sequence_type, s.channel, s.originating_agent, s.step) d;
COMMENT ON VIEW cadence_intelligence IS 'How cadences fare (AGT-303), by day, play, proposal, sequence type, channel, agent and step; add rows up by week, month, quarter or whatever else, medians with kam_sum_holds(). Up to the last committed event, and quick however long the log is: days are kept as sums, for ever, and only what came since is read from the log. What a person does (replies, meetings, opt_outs, bounces) is counted on the day it happened and credited to the touch before it, of the sequence that it names or of any that is not transactional: its play, type, channel, agent and step; to none of these where nothing was sent before. A failed send, a cancelled or expired request: under that request''s. Example: SELECT week, sequence_type, sum(touches) AS touches, sum(replies) AS replies FROM kam.cadence_intelligence WHERE day > current_date - 90 GROUP BY 1, 2 ORDER BY 1, 2;';
COMMENT ON COLUMN cadence_intelligence.day IS 'Day of kam.default_timezone: of the decision, of what was told (replies, observed touches, …) the day it happened.';
COMMENT ON COLUMN cadence_intelligence.week IS 'The Monday of that week.';
COMMENT ON COLUMN cadence_intelligence.month IS 'The first of that month.';
COMMENT ON COLUMN cadence_intelligence.quarter IS 'The first day of that quarter.';
COMMENT ON COLUMN cadence_intelligence.play_id IS 'The play; NULL for none.';
COMMENT ON COLUMN cadence_intelligence.originating_proposal_id IS 'The proposal the play derives from; NULL when no brain had part in it.';
COMMENT ON COLUMN cadence_intelligence.sequence_type IS 'Type of the sequence.';
COMMENT ON COLUMN cadence_intelligence.channel IS 'Channel of the touch; NULL for activations.';
COMMENT ON COLUMN cadence_intelligence.originating_agent IS 'Who asked for it.';
COMMENT ON COLUMN cadence_intelligence.step IS 'Step of the sequence.';
COMMENT ON COLUMN cadence_intelligence.requested IS 'Activations, touches and resumes asked for, each once, releases not included; each is executed, held, deferred, suppressed or rejected at first. What a merge of leads asks for again is asked for once more.';
COMMENT ON COLUMN cadence_intelligence.executed IS 'Let through, at once or on release.';
COMMENT ON COLUMN cadence_intelligence.touches IS 'Of these, touches, transactional ones too; of them, "failed" were never sent.';
COMMENT ON COLUMN cadence_intelligence.released IS 'Of executed, those that had waited.';
COMMENT ON COLUMN cadence_intelligence.held IS 'Touches held by the cap.';
COMMENT ON COLUMN cadence_intelligence.deferred IS 'Activations and resumes that a conflict made wait, running sequences that it displaced too.';
COMMENT ON COLUMN cadence_intelligence.suppressed IS 'Refused by gates 1, 2 and 4, at once or on release.';
COMMENT ON COLUMN cadence_intelligence.suppressed_by IS 'What was not let through at once, by suppressed_reason: {"compliance_block": 2, "touch_cap_exceeded": 5}.';
COMMENT ON COLUMN cadence_intelligence.suppressed_compliance IS 'Of suppressed, compliance_block.';
COMMENT ON COLUMN cadence_intelligence.suppressed_abm IS 'Of suppressed, abm_active_suppression.';
COMMENT ON COLUMN cadence_intelligence.suppressed_routing IS 'Of suppressed, routing_error.';
COMMENT ON COLUMN cadence_intelligence.rejected IS 'Refused by gate 5.';
COMMENT ON COLUMN cadence_intelligence.expired IS 'Had waited too long, or longer than their sequence ran.';
COMMENT ON COLUMN cadence_intelligence.cancelled IS 'Given up while they waited.';
COMMENT ON COLUMN cadence_intelligence.observed IS 'Touches by others, as told.';
COMMENT ON COLUMN cadence_intelligence.failed IS 'Touches of which send_failed was told.';
COMMENT ON COLUMN cadence_intelligence.replies IS 'Replies.';
COMMENT ON COLUMN cadence_intelligence.meetings IS 'Meetings booked.';
COMMENT ON COLUMN cadence_intelligence.opt_outs IS 'Opt-outs and unsubscribes told as events; flags that a sync sets and kam_unsubscribe() are of no touch.';
COMMENT ON COLUMN cadence_intelligence.bounces IS 'Bounces, soft ones too.';
COMMENT ON COLUMN cadence_intelligence.holds IS 'Waits that ended on this day: released, refused, cancelled or expired.';
COMMENT ON COLUMN cadence_intelligence.average_hold IS 'How long these had waited on average.';
COMMENT ON COLUMN cadence_intelligence.median_hold IS 'Their median, estimated from the histogram.';
COMMENT ON COLUMN cadence_intelligence.hold_seconds IS 'Their sum, in seconds.';
COMMENT ON COLUMN cadence_intelligence.hold_histogram IS 'How many waited less than 2, 8, 24, 48, 72, 96, 120, 144, 168, 192, 336 hours, and more.';

DO $do$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT a.attname AS name, col_description('kam.cadence_intelligence'::regclass, v.attnum) AS text
	           FROM pg_attribute a JOIN pg_attribute v ON v.attrelid = 'kam.cadence_intelligence'::regclass AND v.attname = a.attname
	          WHERE a.attrelid = 'kam.intelligence_day'::regclass AND a.attnum > 0
	LOOP
		EXECUTE format('COMMENT ON COLUMN kam.intelligence_day.%I IS %L', c.name, c.text);
	END LOOP;
END
$do$;

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

-- What a delivery looks like: Slack's blocks, Zapier's and webhooks' JSON, e-mails.  Nothing here writes (docs/delivery.md).
--
-- Texts of models and of the CRM are data wherever they go: escaped for Slack and HTML, without line breaks in a header.

-- ---- texts -----------------------------------------------------------------------

CREATE FUNCTION _clip(t text, most integer) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE WHEN length(t) > most THEN left(t, most - 1) || '…' ELSE t END;
	END;
COMMENT ON FUNCTION _clip(text, integer) IS 'The text, cut to so many characters, the last an ellipsis.';

CREATE FUNCTION _fill(template text, known jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	word record;
BEGIN
	FOR word IN SELECT * FROM jsonb_each_text(known) LOOP
		template := replace(template, '{' || word.key || '}', coalesce(word.value, ''));
	END LOOP;
	RETURN template;
END
$$;
COMMENT ON FUNCTION _fill(text, jsonb) IS 'A template of an endpoint with its {words} filled in.';

CREATE FUNCTION _escape_html(t text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT replace(replace(replace(replace(t, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;');
	END;
COMMENT ON FUNCTION _escape_html(text) IS 'The text as HTML.';

-- Slack wants these three escaped, in text as in blocks; what is left of a mention or a link is text.
CREATE FUNCTION _slack_text(t text, most integer) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	escaped text := replace(replace(replace(t, '&', '&amp;'), '<', '&lt;'), '>', '&gt;');
BEGIN
	IF length(escaped) > most THEN
		-- Not within an escape.
		escaped := regexp_replace(left(escaped, most - 1), '&[a-z]{0,3}$', '') || '…';
	END IF;
	RETURN escaped;
END
$$;
COMMENT ON FUNCTION _slack_text(text, integer) IS 'A text escaped for Slack, cut to so many characters.';

-- ---- what a notification says --------------------------------------------------------

CREATE FUNCTION _event_kind(topic text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT coalesce((SELECT k.kind FROM (VALUES ('decision', 'contact.decided'), ('failure', 'run.failed'), ('budget', 'budget.alert'),
			('touch', 'touch.executed'), ('activation', 'sequence.activated'), ('resume', 'sequence.resumed')) k (topic, kind)
			WHERE k.topic = _event_kind.topic), 'cadence.' || topic);
	END;
COMMENT ON FUNCTION _event_kind(text) IS 'The type that a webhook states for a topic, such as contact.decided.';

CREATE FUNCTION _say_line(n notification) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	p CONSTANT jsonb := n.payload;
	who CONSTANT text := coalesce(nullif(p #>> '{contact,name}', ''), (SELECT nullif(l.full_name, '') FROM kam.Leads l WHERE l.lead_id = n.lead_id),
		'lead ' || n.lead_id, 'a contact');
BEGIN
	RETURN CASE n.topic
		WHEN 'decision' THEN concat_ws(' ', replace(p ->> 'action', '_', ' '), 'by ' || lower(p ->> 'channel'), 'for', who,
		                               '(' || nullif(p #>> '{contact,company}', '') || ')')
		WHEN 'failure' THEN format('the run for %s failed: %s', who, p ->> 'error')
		WHEN 'budget' THEN format('budget %s: %s', p ->> 'budget', CASE WHEN p -> 'held' = 'true' THEN 'calls are held' ELSE 'nearly spent' END)
		WHEN 'touch' THEN format('to do: %s %s', coalesce((SELECT e.channel FROM kam.CadenceEventLog e WHERE e.lead_id = n.lead_id AND e.event_id = n.event_id),
		                                                  p ->> 'channel', 'contact'), who)
		WHEN 'activation' THEN format('a sequence has begun for %s', who)
		WHEN 'resume' THEN format('a sequence goes on for %s', who)
		ELSE concat_ws(': ', replace(n.topic, '_', ' '), who) END;
END
$$;
COMMENT ON FUNCTION _say_line(notification) IS 'A notification in one line.';

CREATE FUNCTION _say_facts(n notification) RETURNS TABLE (label text, said text)
	LANGUAGE sql STABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT f.label, f.said
		  FROM (VALUES ('Contact', concat_ws(', ', (n).payload #>> '{contact,name}', (n).payload #>> '{contact,company}')),
		               ('Owner', (n).payload ->> 'owner'), ('Action', (n).payload ->> 'action'), ('Channel', (n).payload ->> 'channel'),
		               ('Send at', (n).payload ->> 'execute_at'), ('Look again at', (n).payload ->> 'reevaluate_at'),
		               ('Opportunity', (n).payload ->> 'opportunity_strength'), ('Compliance', (n).payload ->> 'compliance'),
		               ('Sequence', (n).payload ->> 'sequence_id'), ('Type', (n).payload ->> 'sequence_type'), ('Verdict', (n).payload ->> 'resolution'),
		               ('Rep', (n).payload ->> 'rep_id'), ('Lead', (n).lead_id), ('Error', (n).payload ->> 'error')) f (label, said)
		 WHERE f.said <> '';
	END;
COMMENT ON FUNCTION _say_facts(notification) IS 'What a notification says in short, labelled.';

CREATE FUNCTION _say_reasons(n notification) RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT coalesce(array_agg(r.value ORDER BY r.key) FILTER (WHERE r.value <> ''), '{}') FROM jsonb_each_text(
			CASE jsonb_typeof((n).payload -> 'reasons') WHEN 'object' THEN (n).payload -> 'reasons' ELSE '{}'::jsonb END) r;
	END;
COMMENT ON FUNCTION _say_reasons(notification) IS 'Why a decision is what it is.';

-- ---- Slack ------------------------------------------------------------------------------

-- Limits as documented: 50 blocks, a header of 150 characters, a section of 3000, 10 fields of 2000 each, a button's text of 75 and its URL of 3000.
CREATE FUNCTION _slack_message(n notification, e endpoint) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	line CONSTANT text := kam._say_line(n);
	message CONSTANT text := n.payload ->> 'message';
	reasons CONSTANT text[] := kam._say_reasons(n);
	review CONSTANT text := kam._fill(e.review_url, jsonb_build_object('session_id', coalesce(n.session_id::text, ''), 'lead_id', coalesce(n.lead_id, '')));
	fields jsonb;
	blocks jsonb := '[]';
BEGIN
	blocks := blocks || jsonb_build_object('type', 'header', 'text', jsonb_build_object('type', 'plain_text', 'text', kam._clip(line, 150), 'emoji', false));
	SELECT jsonb_agg(jsonb_build_object('type', 'mrkdwn', 'verbatim', true, 'text', format(E'*%s*\n%s', f.label, kam._slack_text(f.said, 1900)))) INTO fields
	  FROM (SELECT f.label, f.said FROM kam._say_facts(n) f LIMIT 10) f;
	IF fields IS NOT NULL THEN
		blocks := blocks || jsonb_build_object('type', 'section', 'fields', fields);
	END IF;
	IF cardinality(reasons) > 0 THEN
		blocks := blocks || jsonb_build_object('type', 'section', 'text', jsonb_build_object('type', 'mrkdwn', 'verbatim', true,
			'text', kam._slack_text(E'*Why*\n' || (SELECT string_agg('• ' || r.reason, E'\n' ORDER BY r.n) FROM unnest(reasons) WITH ORDINALITY r (reason, n)), 3000)));
	END IF;
	IF message <> '' THEN
		blocks := blocks || jsonb_build_object('type', 'section', 'text', jsonb_build_object('type', 'plain_text', 'emoji', false,
			'text', kam._clip(concat_ws(E'\n\n', n.payload ->> 'subject', message), 3000)));
	END IF;
	IF n.topic = 'decision' AND message <> '' THEN
		blocks := blocks || jsonb_build_object('type', 'section', 'text', jsonb_build_object('type', 'mrkdwn', 'verbatim', true, 'text',
			format(E'*Validate*\n`SELECT kam.kam_validate(''%1$s'', ''approved'');`\n`SELECT kam.kam_validate(''%1$s'', ''edited'', edited_message =&gt; ''...'');`\n`SELECT kam.kam_validate(''%1$s'', ''rejected'');`',
			       n.session_id)));
	END IF;
	IF review <> '' THEN
		blocks := blocks || jsonb_build_object('type', 'actions', 'elements', jsonb_build_array(jsonb_build_object('type', 'button',
			'text', jsonb_build_object('type', 'plain_text', 'text', 'Review', 'emoji', false), 'url', left(review, 3000))));
	END IF;
	IF n.session_id IS NOT NULL THEN
		blocks := blocks || jsonb_build_object('type', 'context', 'elements', jsonb_build_array(jsonb_build_object('type', 'mrkdwn', 'verbatim', true,
			'text', format('kam_explain(''%s'')', n.session_id))));
	END IF;
	RETURN jsonb_build_object('text', kam._slack_text(concat_ws(E'\n', line, message), 3000), 'blocks', blocks);
END
$$;
COMMENT ON FUNCTION _slack_message(notification, endpoint) IS 'A notification for an incoming webhook of Slack: text as fallback, and blocks with what was decided, why, the message and how to validate it. Within Slack''s limits whatever the texts are.';

-- ---- JSON ----------------------------------------------------------------------------------

CREATE FUNCTION _utc(at timestamptz) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
	END;
COMMENT ON FUNCTION _utc(timestamptz) IS 'A time as RFC 3339 has it, in UTC.';

CREATE FUNCTION _recipient_of(l Leads) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT jsonb_strip_nulls(jsonb_build_object('lead_id', (l).lead_id, 'name', (l).full_name, 'email', (l).email, 'phone', (l).phone,
			'linkedin_url', (l).linkedin_url, 'owner_id', (l).owner_id, 'time_zone', (l).time_zone));
	END;
COMMENT ON FUNCTION _recipient_of(Leads) IS 'Whom a message goes to, for who sends it.';

CREATE FUNCTION _webhook_message(n notification, l Leads) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	e kam.CadenceEventLog;
BEGIN
	IF n.event_id IS NOT NULL THEN
		SELECT * INTO e FROM kam.CadenceEventLog c WHERE c.lead_id = n.lead_id AND c.event_id = n.event_id;
	END IF;
	RETURN jsonb_build_object('type', kam._event_kind(n.topic), 'timestamp', kam._utc(n.created_at),
		'data', jsonb_strip_nulls(jsonb_build_object('notification_id', n.notification_id, 'recipient', n.recipient, 'session_id', n.session_id,
			'lead_id', n.lead_id, 'event_id', n.event_id, 'sequence_id', e.sequence_id, 'sequence_type', e.sequence_type, 'step', e.step, 'channel', e.channel,
			'originating_agent', e.originating_agent, 'to', CASE WHEN l.lead_id IS NOT NULL THEN kam._recipient_of(l) END)) || jsonb_build_object('payload', n.payload));
END
$$;
COMMENT ON FUNCTION _webhook_message(notification, Leads) IS 'A notification as Standard Webhooks and Zapier take it: type, timestamp, data; of a message to a person, with the person''s addresses.';

-- ---- e-mail --------------------------------------------------------------------------------------

CREATE FUNCTION _mail_word(t text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	plain CONSTANT text := btrim(regexp_replace(t, '[[:cntrl:][:space:]]+', ' ', 'g'));
	words text[] := '{}';
	word text := '';
	c text;
BEGIN
	IF plain IS NULL OR plain ~ '^[ -~]*$' AND plain !~ '=\?' AND length(plain) <= 900 THEN
		RETURN plain;
	END IF;
	-- An encoded word has at most 75 characters, so 45 bytes.  As few as will do: some programs put a space between two.
	FOREACH c IN ARRAY string_to_array(plain, NULL) LOOP
		IF octet_length(word) + octet_length(c) > 45 THEN
			words := words || word;
			word := '';
		END IF;
		word := word || c;
	END LOOP;
	RETURN (SELECT string_agg('=?UTF-8?B?' || encode(convert_to(w.word, 'UTF8'), 'base64') || '?=', E'\r\n ' ORDER BY w.n)
	          FROM unnest(words || word) WITH ORDINALITY w (word, n));
END
$$;
COMMENT ON FUNCTION _mail_word(text) IS 'A text as a header''s value: one line, encoded where it is not plain ASCII (RFC 2047).';

CREATE FUNCTION _bare_address(t text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	bare CONSTANT text := btrim(coalesce(substring(t FROM '<([^<>]*)>[[:space:]]*$'), t));
BEGIN
	-- Nothing that ends a line or a command, or means another recipient.
	RETURN CASE WHEN bare ~ '^[^[:space:][:cntrl:]<>,;:"()\\@]+@[^[:space:][:cntrl:]<>,;:"()\\@]+$' AND octet_length(bare) <= 320 THEN bare END;
END
$$;
COMMENT ON FUNCTION _bare_address(text) IS 'The address of "Jane Doe <jane@acme.com>"; NULL for what cannot be one.';

CREATE FUNCTION _mailbox(name text, address text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	word CONSTANT text := kam._mail_word(name);
BEGIN
	RETURN CASE WHEN coalesce(word, '') = '' THEN address
	            WHEN word LIKE '=?%' THEN word || ' <' || address || '>'
	            ELSE '"' || replace(replace(word, '\', ''), '"', '') || '" <' || address || '>' END;
END
$$;
COMMENT ON FUNCTION _mailbox(text, text) IS 'Name and address as From and To have them.';

CREATE FUNCTION _mail_part(kind text, t text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	lines CONSTANT text := regexp_replace(regexp_replace(t, E'\r\n?', E'\n', 'g'), E'\n*$', E'\n');
BEGIN
	-- A line may have 998 bytes (RFC 5322).
	IF lines ~ E'^[\t\n -~]*$' AND (SELECT max(length(l)) FROM string_to_table(lines, E'\n') l) <= 900 THEN
		RETURN format(E'Content-Type: text/%s; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n', kind) || replace(lines, E'\n', E'\r\n');
	END IF;
	RETURN format(E'Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n', kind)
		|| replace(encode(convert_to(replace(lines, E'\n', E'\r\n'), 'UTF8'), 'base64'), E'\n', E'\r\n') || E'\r\n';
END
$$;
COMMENT ON FUNCTION _mail_part(text, text) IS 'A part of an e-mail (plain or html): 7bit where that will do, else base64.';

CREATE FUNCTION _html_of(t text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		-- Links are marked before the text is escaped: what an escape adds is part of none.
		SELECT '<!DOCTYPE html>' || E'\n<html><body>\n' || string_agg('<p>' || replace(
		           regexp_replace(kam._escape_html(regexp_replace(p.text, '(https?://[^[:space:]<>"]*[^[:space:]<>".,;:!?)])', E'\x01\\1\x02', 'g')),
		                          E'\x01([^\x02]*)\x02', '<a href="\1">\1</a>', 'g'), E'\n', E'<br>\n') || '</p>', E'\n' ORDER BY p.n)
		       || E'\n</body></html>'
		  FROM regexp_split_to_table(btrim(translate(regexp_replace(t, E'\r\n?', E'\n', 'g'), E'\x01\x02', ''), E'\n'), E'\n[[:space:]]*\n') WITH ORDINALITY p (text, n);
	END;
COMMENT ON FUNCTION _html_of(text) IS 'A plain text as HTML: paragraphs, line breaks, links.';

CREATE FUNCTION _mail(headers text[], body text, boundary text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT array_to_string(array_remove(headers, NULL), E'\r\n') || E'\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="' || boundary || E'"\r\n\r\n'
			|| '--' || boundary || E'\r\n' || kam._mail_part('plain', body)
			|| '--' || boundary || E'\r\n' || kam._mail_part('html', kam._html_of(body))
			|| '--' || boundary || E'--\r\n';
	END;
COMMENT ON FUNCTION _mail(text[], text, text) IS 'An e-mail: headers, and the text plain and as HTML.';

CREATE FUNCTION _notification_uuid(n notification) RETURNS uuid
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT md5('kam notification ' || (n).home || '/' || (n).notification_id)::uuid;
	END;
COMMENT ON FUNCTION _notification_uuid(notification) IS 'What a notification is known by outside, the same for every attempt.';

CREATE FUNCTION _message_id(n notification, e endpoint) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT '<' || kam._notification_uuid(n) || '@' || coalesce(split_part(kam._bare_address((e).sender), '@', 2), 'kam') || '>';
	END;
COMMENT ON FUNCTION _message_id(notification, endpoint) IS 'The Message-ID of a notification sent by e-mail.';

CREATE FUNCTION _subject_of(message text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		-- The first line that is more than a greeting.
		SELECT kam._clip((SELECT btrim(l.line) FROM regexp_split_to_table(message, E'[\r\n]+') WITH ORDINALITY l (line, n)
		                   WHERE btrim(l.line) <> '' ORDER BY length(btrim(l.line)) < 25, l.n LIMIT 1), 70);
	END;
COMMENT ON FUNCTION _subject_of(text) IS 'A subject for a message that has none: its first line that is more than a greeting.';

CREATE FUNCTION _person_mail(n notification, e endpoint, l Leads, token uuid) RETURNS TABLE (mail_from text, mail_to text, subject text, body text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	logged kam.CadenceEventLog;
	before kam.sent_message;
	transactional boolean;
	click text;
	answer_to text;
	words text := n.payload ->> 'message';
BEGIN
	SELECT * INTO logged FROM kam.CadenceEventLog c WHERE c.lead_id = n.lead_id AND c.event_id = n.event_id;
	-- Not itself, which may have been sent before (kam_redeliver).
	SELECT * INTO before FROM kam.sent_message m
	 WHERE m.lead_id = l.lead_id AND m.sequence_id = logged.sequence_id AND m.notification_id < n.notification_id ORDER BY m.notification_id DESC LIMIT 1;
	transactional := (SELECT t.family FROM kam.sequence_type t WHERE t.sequence_type = logged.sequence_type) = 'transactional';
	click := replace(e.unsubscribe_url, '{token}', token::text);
	answer_to := coalesce(kam._bare_address(e.reply_to), kam._bare_address((SELECT r.email FROM kam.Reps r WHERE r.rep_id = l.owner_id)));
	mail_from := kam._bare_address(e.sender);
	mail_to := kam._bare_address(l.email);
	subject := coalesce(nullif(btrim(n.payload ->> 'subject'), ''),
		CASE WHEN before.subject IS NOT NULL THEN regexp_replace(before.subject, '^(Re: )?', 'Re: ') END, kam._subject_of(words));
	IF NOT transactional AND e.footer <> '' THEN
		words := words || E'\n\n' || replace(e.footer, '{unsubscribe_url}', coalesce(click, ''));
	END IF;
	body := kam._mail(ARRAY[
		'From: ' || kam._mailbox(CASE WHEN e.sender LIKE '%<%' THEN btrim(split_part(e.sender, '<', 1), ' "') END, mail_from),
		'To: ' || kam._mailbox(l.full_name, mail_to),
		'Reply-To: ' || answer_to,
		'Subject: ' || kam._mail_word(subject),
		'Date: ' || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS') || ' +0000',
		'Message-ID: ' || kam._message_id(n, e),
		'In-Reply-To: ' || before.message_id,
		'References: ' || before.message_id,
		CASE WHEN NOT transactional THEN 'List-Unsubscribe: ' || nullif(concat_ws(', ', '<' || click || '>',
			'<mailto:' || kam._bare_address(e.unsubscribe_mailto) || '?subject=' || token || '>'), '') END,
		CASE WHEN NOT transactional AND click IS NOT NULL THEN 'List-Unsubscribe-Post: List-Unsubscribe=One-Click' END,
		CASE WHEN transactional THEN 'Auto-Submitted: auto-generated' END], words, 'kam-' || kam._notification_uuid(n));
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION _person_mail(notification, endpoint, Leads, uuid) IS 'The e-mail of a touch: From the endpoint''s sender, answers to the lead''s owner, with List-Unsubscribe and its one click (RFC 8058) unless transactional, in the thread of the sequence''s earlier e-mail.';

CREATE FUNCTION _news_mail(n notification, e endpoint) RETURNS TABLE (mail_from text, mail_to text, subject text, body text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	words text;
BEGIN
	mail_from := kam._bare_address(e.sender);
	mail_to := kam._bare_address(coalesce((SELECT r.email FROM kam.Reps r WHERE r.rep_id = n.recipient), e.mail_to));
	subject := kam._clip(kam._say_line(n), 200);
	words := concat_ws(E'\n\n', kam._say_line(n),
		(SELECT string_agg(f.label || ': ' || f.said, E'\n') FROM kam._say_facts(n) f),
		(SELECT string_agg('- ' || r, E'\n') FROM unnest(kam._say_reasons(n)) r),
		nullif(n.payload ->> 'subject', ''), nullif(n.payload ->> 'message', ''),
		CASE WHEN n.topic = 'decision' AND n.payload ->> 'message' <> '' THEN format('To validate: SELECT kam.kam_validate(''%s'', ''approved'');', n.session_id) END,
		kam._fill(e.review_url, jsonb_build_object('session_id', coalesce(n.session_id::text, ''), 'lead_id', coalesce(n.lead_id, ''))));
	body := kam._mail(ARRAY[
		'From: ' || kam._mailbox(CASE WHEN e.sender LIKE '%<%' THEN btrim(split_part(e.sender, '<', 1), ' "') END, mail_from),
		'To: ' || mail_to,
		'Subject: ' || kam._mail_word(subject),
		'Date: ' || to_char(clock_timestamp() AT TIME ZONE 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS') || ' +0000',
		'Message-ID: ' || kam._message_id(n, e),
		'Auto-Submitted: auto-generated'], words, 'kam-' || kam._notification_uuid(n));
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION _news_mail(notification, endpoint) IS 'A notification as an e-mail to a rep (Reps.email) or to the endpoint''s mail_to.';

-- What leaves the database: which notifications are due at which endpoint, the last look before a message leaves, what an answer means (docs/delivery.md).
--
-- The worker of slot 1 calls _outbox_take() and commits before a byte leaves, and _outbox_settle() with what came back.  A row of _delivery says that a
-- notification is on its way; while it does, nobody takes it again.  Locks are taken lead, notification, endpoint's state; the first two never waited for.

-- ---- what an answer means --------------------------------------------------------------

CREATE FUNCTION _delivery_verdict(kind text, loss text, status integer, in_doubt boolean, policy text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT CASE WHEN r.verdict = 'retry' AND in_doubt AND policy = 'hold' THEN 'in_doubt' ELSE r.verdict END
		  FROM (VALUES
			-- An answer came.  First match counts; NULL is any.
			(1, 'smtp', 'none', 0, 399, 'sent'),
			(2, 'smtp', 'none', 421, 421, 'endpoint'),		-- it closes for everybody
			(3, 'smtp', 'none', 400, 499, 'retry'),
			(4, 'smtp', 'none', 530, 538, 'endpoint'),		-- who we are, not who it is for
			(5, 'smtp', 'none', 500, 599, 'dead'),
			(6, NULL, 'none', 200, 299, 'sent'),
			(7, 'slack', 'none', 403, 404, 'halt'),			-- no_service, no_team, invalid_token, action_prohibited: for whatever comes
			(8, NULL, 'none', 410, 410, 'halt'),
			(9, NULL, 'none', 401, 404, 'endpoint'),
			(10, NULL, 'none', 429, 429, 'endpoint'),
			(11, NULL, 'none', 502, 504, 'endpoint'),
			(12, NULL, 'none', 300, 399, 'endpoint'),		-- redirects are not followed
			(13, NULL, 'none', 408, 408, 'retry'),
			(14, NULL, 'none', 425, 425, 'retry'),
			(15, NULL, 'none', 400, 499, 'dead'),
			(16, NULL, 'none', NULL, NULL, 'retry'),
			-- None did.
			(17, NULL, 'address', NULL, NULL, 'halt'),
			(18, NULL, 'cut', NULL, NULL, 'retry'),
			(19, NULL, 'timeout', NULL, NULL, 'retry'),
			(20, NULL, NULL, NULL, NULL, 'endpoint')
		  ) r (n, kind, loss, low, high, verdict)
		 WHERE coalesce(r.kind = _delivery_verdict.kind, true) AND coalesce(r.loss = _delivery_verdict.loss, true)
		   AND coalesce(_delivery_verdict.status BETWEEN r.low AND r.high, true)
		 ORDER BY r.n LIMIT 1;
	END;
COMMENT ON FUNCTION _delivery_verdict(text, text, integer, boolean, text) IS 'What becomes of a delivery that ended: sent; retry (this one later), endpoint (all of the endpoint''s later), halt (none until a person looks), dead (this one will never be taken), in_doubt (it may have arrived and the endpoint''s policy is hold).';

CREATE FUNCTION _delivery_pause(schedule interval[], n integer) RETURNS interval
	LANGUAGE sql VOLATILE PARALLEL SAFE
	-- A tenth more or less, so that what failed together does not come back together.
	RETURN schedule[greatest(1, least(n, cardinality(schedule)))] * (0.9 + random() * 0.2);
COMMENT ON FUNCTION _delivery_pause(interval[], integer) IS 'How long to wait after the n-th failure.';

-- ---- what is due where --------------------------------------------------------------------

CREATE FUNCTION _outbox_due(endpoint text, most integer) RETURNS TABLE (notification_id bigint)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	-- What is volatile is no condition of an index.
	present CONSTANT timestamptz := clock_timestamp();
BEGIN
	-- Its own and those of the reps who get theirs there; what waits for its first try beside what is tried again.
	RETURN QUERY
	SELECT d.notification_id
	  FROM (SELECT _outbox_due.endpoint AS name UNION SELECT r.rep_id FROM kam.Reps r WHERE r.endpoint = _outbox_due.endpoint) w
	 CROSS JOIN LATERAL (
	      (SELECT n.notification_id FROM kam.notification n
	        WHERE n.home = kam._home() AND n.recipient = w.name AND n.status IN ('pending', 'failed') AND n.next_attempt_at IS NULL
	        -- All NULL: so it is the index's order, which passes nothing by that was sent.
	        ORDER BY n.next_attempt_at, n.notification_id LIMIT most)
	      UNION ALL
	      (SELECT n.notification_id FROM kam.notification n
	        WHERE n.home = kam._home() AND n.recipient = w.name AND n.status IN ('pending', 'failed') AND n.next_attempt_at <= present
	        ORDER BY n.next_attempt_at, n.notification_id LIMIT most)) d
	 ORDER BY d.notification_id LIMIT most;
END
$$;
COMMENT ON FUNCTION _outbox_due(text, integer) IS 'The first notifications that are due at an endpoint, oldest first.';

CREATE FUNCTION _outbox_next(endpoint text) RETURNS timestamptz
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT min(d.next_attempt_at)
		  FROM (SELECT _outbox_next.endpoint AS name UNION SELECT r.rep_id FROM kam.Reps r WHERE r.endpoint = _outbox_next.endpoint) w
		 CROSS JOIN LATERAL (SELECT n.next_attempt_at FROM kam.notification n
		        WHERE n.home = kam._home() AND n.recipient = w.name AND n.status IN ('pending', 'failed') AND n.next_attempt_at IS NOT NULL
		        ORDER BY n.next_attempt_at LIMIT 1) d
		 WHERE d.next_attempt_at < 'infinity';
	END;
COMMENT ON FUNCTION _outbox_next(text) IS 'When the next notification that waits for another try is due at an endpoint; NULL for none.';

CREATE FUNCTION _outbox_endpoints() RETURNS TABLE (endpoint text, kind text, url text, allow_private boolean, username text, timeout_s integer,
	room integer, pause_us bigint, due boolean, next_at timestamptz)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT e.endpoint, e.kind, e.url, e.allow_private, e.username, extract(epoch FROM e.timeout)::integer,
	       -- After a failure one goes ahead.
	       CASE WHEN s.retry_at IS NOT NULL THEN 1 ELSE e.concurrency END, coalesce(60000000 / e.per_minute, 0)::bigint,
	       s.halted_at IS NULL AND coalesce(s.retry_at <= clock_timestamp(), true) AND w.waits,
	       -- NULL where nothing waits: a pause that is over is no reason to look.
	       CASE WHEN s.halted_at IS NOT NULL THEN NULL WHEN w.waits THEN s.retry_at WHEN w.again_at IS NOT NULL THEN greatest(s.retry_at, w.again_at) END
	  FROM kam.endpoint e
	  LEFT JOIN kam.delivery_state s USING (endpoint)
	 CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM kam._outbox_due(e.endpoint, 1)) AS waits, kam._outbox_next(e.endpoint) AS again_at OFFSET 0) w
	 WHERE e.enabled AND e.url IS NOT NULL
	 ORDER BY e.endpoint;
END
$$;
COMMENT ON FUNCTION _outbox_endpoints() IS 'The endpoints that kam delivers to: how, how many at once (room) and how far apart (pause_us), whether anything is due now, else when.';

-- ---- the last look --------------------------------------------------------------------------

CREATE FUNCTION _quiet_until(at timestamptz, zone text, sequence_type text, channel text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	RETURN (SELECT max(q.till)
	          FROM kam._quiet_spans(kam._send_rule(sequence_type, channel), (_quiet_until.at AT TIME ZONE _quiet_until.zone)::date, zone) q
	         WHERE _quiet_until.at >= q.since AND _quiet_until.at < q.till);
END
$$;
COMMENT ON FUNCTION _quiet_until(timestamptz, text, text, text) IS 'When the SendRule''s quiet hours that a moment is in are over, in the zone; NULL when it is in none.';

CREATE FUNCTION _forbidden(topic text, lead_id text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	RETURN CASE WHEN topic = 'touch' THEN (SELECT x.status FROM kam._contact_compliance('{}', lead_id) x) END;
END
$$;
COMMENT ON FUNCTION _forbidden(text, text) IS 'Why a person whom a notification asks to contact must not be contacted any more (unsubscribed, opted_out, suppressed); NULL when that is not so, and for other news.';

CREATE FUNCTION _send_refusal(n notification, e endpoint, l Leads, logged CadenceEventLog, OUT why text, OUT until timestamptz) RETURNS record
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	present CONSTANT timestamptz := kam._now();
	transactional CONSTANT boolean := (SELECT t.family FROM kam.sequence_type t WHERE t.sequence_type = logged.sequence_type) = 'transactional';
	c kam.Cadence;
	address CONSTANT text := CASE e.kind WHEN 'smtp' THEN kam._bare_address(l.email) ELSE '' END;
BEGIN
	why := (SELECT x.status FROM kam._contact_compliance('{}', l.lead_id) x);
	IF why IS NOT NULL THEN
		RETURN;
	END IF;
	SELECT * INTO c FROM kam.Cadence k
	 WHERE k.lead_id = l.lead_id AND k.sequence_id = logged.sequence_id AND k.enrolment_no = logged.enrolment_no;
	-- Somebody answered, or stopped it, between the verdict and now.  What has run its course is not stopped.
	IF c.state = 'finished' AND c.end_reason <> 'completed' THEN
		why := 'sequence ended: ' || c.end_reason;
	ELSIF e.kind = 'smtp' AND address IS NULL THEN
		why := 'the lead has no e-mail address';
	ELSIF e.kind = 'smtp' AND coalesce(n.payload ->> 'message', '') !~ '[^[:space:]]' THEN
		why := 'there is no message';
	ELSIF e.kind = 'smtp' AND NOT transactional AND e.unsubscribe_url IS NULL AND e.unsubscribe_mailto IS NULL THEN
		why := format('endpoint "%s" has neither unsubscribe_url nor unsubscribe_mailto', e.endpoint);
	ELSIF c.state = 'paused' THEN
		why := 'the sequence is paused';
		until := clock_timestamp() + interval '1 hour';
	ELSIF NOT transactional AND NOT current_setting('kam.outreach')::boolean THEN
		why := 'kam.outreach is off';
		until := clock_timestamp() + interval '1 min';
	ELSE
		until := kam._quiet_until(present, kam._recipient_zone(l.lead_id), logged.sequence_type, logged.channel);
		IF until IS NOT NULL THEN
			why := 'quiet hours';
			until := clock_timestamp() + (until - present);
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION _send_refusal(notification, endpoint, Leads, CadenceEventLog) IS 'The last look before a message leaves for a person, under the lead''s lock: why it must not, for good (until NULL) or not before; NULL when it may. An unsubscribe, opt-out, suppression or answer that came since the verdict is seen here.';

CREATE FUNCTION _hand_to_rep(n notification, l Leads, logged CadenceEventLog) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	rule CONSTANT kam.SendRule := kam._send_rule(logged.sequence_type, logged.channel);
BEGIN
	IF rule.requires_consent IS NOT TRUE OR kam._consent_in_force(l.lead_id, logged.sequence_type, logged.channel, kam._now()) THEN
		RETURN false;
	END IF;
	-- The touch is the rep's now and keeps its slot.
	UPDATE kam.notification u
	   SET recipient = coalesce(l.owner_id, 'AGT-301'), payload = u.payload || '{"reason": "no consent in force"}', last_error = NULL, next_attempt_at = NULL,
	       status = CASE rule.mode WHEN 'both' THEN 'acknowledged' ELSE 'pending' END
	 WHERE u.notification_id = n.notification_id;
	RETURN true;
END
$$;
COMMENT ON FUNCTION _hand_to_rep(notification, Leads, CadenceEventLog) IS 'A message that the send rule lets go with a consent alone, and there is none: it becomes a task of the rep (who has one already where the rule says both). True when that was so.';

-- ---- taking ------------------------------------------------------------------------------------

CREATE TYPE _parcel AS (notification_id bigint, webhook_id text, headers text[], body text, mail_from text, mail_to text);
COMMENT ON TYPE _parcel IS 'A notification as it leaves.';

CREATE FUNCTION _message_event(n notification, e endpoint) RETURNS CadenceEventLog
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT c.* FROM kam.CadenceEventLog c
		 WHERE (n).topic = 'touch' AND (n).recipient = (e).endpoint AND c.lead_id = (n).lead_id AND c.event_id = (n).event_id AND c.channel = (e).endpoint;
	END;
COMMENT ON FUNCTION _message_event(notification, endpoint) IS 'The touch that a notification sends to a person; NULL for news.';

CREATE FUNCTION _outbox_give_up(n notification, logged CadenceEventLog, why text, doubtful boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	UPDATE kam.notification u
	   SET status = 'dead', next_attempt_at = 'infinity', last_error = why, in_doubt = doubtful, endpoint = n.endpoint
	 WHERE u.notification_id = n.notification_id AND u.status IN ('pending', 'failed');
	-- It never left: its slot is free again.  One in doubt keeps it.
	IF FOUND AND logged.event_id IS NOT NULL AND NOT doubtful AND EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = logged.lead_id) THEN
		INSERT INTO kam.CadenceEventLog (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, parent_event_id, payload)
		VALUES (logged.lead_id, logged.sequence_id, logged.sequence_type, 'send_failed', logged.step, logged.channel, 'AGT-302', logged.event_id,
		        jsonb_build_object('reason', why, 'notification_id', n.notification_id));
	END IF;
END
$$;
COMMENT ON FUNCTION _outbox_give_up(notification, CadenceEventLog, text, boolean) IS 'A notification that will not be delivered: dead, with why; the touch behind it gives its slot back (send_failed) unless it may have arrived.';

CREATE FUNCTION _lock_recipient(logged CadenceEventLog) RETURNS Leads
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	SELECT l.* FROM kam.Leads l WHERE l.lead_id = kam._canonical((logged).lead_id) FOR NO KEY UPDATE SKIP LOCKED;
$$;
COMMENT ON FUNCTION _lock_recipient(CadenceEventLog) IS 'The lead that a message is for, locked; NULL when somebody else has it, or it is gone.';

CREATE FUNCTION _outbox_take_one(id bigint, e endpoint) RETURNS _parcel
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	n kam.notification;
	logged kam.CadenceEventLog;
	l kam.Leads;
	forbidden text;
	refused record;
	mail record;
	token uuid;
	parcel kam._parcel;
BEGIN
	SELECT * INTO n FROM kam.notification c WHERE c.notification_id = id;
	logged := kam._message_event(n, e);
	IF logged.event_id IS NOT NULL THEN
		l := kam._lock_recipient(logged);
		IF l.lead_id IS NULL AND EXISTS (SELECT FROM kam.Leads k WHERE k.lead_id = kam._canonical(logged.lead_id)) THEN
			RETURN NULL;		-- at the next look
		END IF;
	END IF;
	SELECT * INTO n FROM kam.notification c
	 WHERE c.notification_id = id AND c.status IN ('pending', 'failed') AND coalesce(c.next_attempt_at <= clock_timestamp(), true) AND c.home = kam._home()
	   FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	-- By which it is found again where it is given up before it ever left.
	n.endpoint := e.endpoint;

	IF kam._now() - greatest(n.created_at, n.renewed_at) > e.max_age THEN
		PERFORM kam._outbox_give_up(n, logged, format('not delivered within %s%s', e.max_age, coalesce(': ' || n.last_error, '')), false);
		RETURN NULL;
	ELSIF logged.event_id IS NOT NULL THEN
		IF l.lead_id IS NULL THEN
			PERFORM kam._outbox_give_up(n, logged, 'the lead is gone', false);
			RETURN NULL;
		END IF;
		SELECT * INTO refused FROM kam._send_refusal(n, e, l, logged);
		IF refused.until IS NOT NULL THEN
			UPDATE kam.notification u SET next_attempt_at = refused.until, last_error = refused.why WHERE u.notification_id = id;
			RETURN NULL;
		ELSIF refused.why IS NOT NULL THEN
			PERFORM kam._outbox_give_up(n, logged, refused.why, false);
			RETURN NULL;
		ELSIF kam._hand_to_rep(n, l, logged) THEN
			RETURN NULL;
		END IF;
	ELSIF n.topic = 'touch' AND n.recipient = e.endpoint AND n.event_id IS NOT NULL AND NOT EXISTS (
		SELECT FROM kam.CadenceEventLog c WHERE c.lead_id = n.lead_id AND c.event_id = n.event_id) THEN
		-- A message, or news: nothing says any more, and a message does not leave without the last look.
		PERFORM kam._outbox_give_up(n, logged, 'its event is no longer in the log', false);
		RETURN NULL;
	ELSE
		forbidden := kam._forbidden(n.topic, n.lead_id);
		IF forbidden IS NOT NULL THEN
			PERFORM kam._outbox_give_up(n, logged, forbidden, false);
			RETURN NULL;
		END IF;
	END IF;

	parcel.notification_id := id;
	parcel.webhook_id := 'msg_' || replace(kam._notification_uuid(n)::text, '-', '');
	IF e.kind = 'smtp' THEN
		IF logged.event_id IS NULL THEN
			SELECT * INTO mail FROM kam._news_mail(n, e);
		ELSE
			INSERT INTO kam.unsubscribe_token (lead_id) VALUES (l.lead_id) ON CONFLICT (lead_id) DO NOTHING;
			token := (SELECT t.token FROM kam.unsubscribe_token t WHERE t.lead_id = l.lead_id);
			SELECT * INTO mail FROM kam._person_mail(n, e, l, token);
		END IF;
		IF mail.mail_to IS NULL OR mail.mail_from IS NULL THEN
			PERFORM kam._outbox_give_up(n, logged, CASE WHEN mail.mail_from IS NULL THEN format('the sender of endpoint "%s" is no e-mail address', e.endpoint)
				ELSE format('no e-mail address is known for "%s" (Reps.email, endpoint.mail_to)', n.recipient) END, false);
			RETURN NULL;
		END IF;
		parcel.mail_from := mail.mail_from;
		parcel.mail_to := mail.mail_to;
		parcel.body := mail.body;
	ELSE
		parcel.headers := ARRAY['content-type: application/json', 'webhook-id: ' || parcel.webhook_id];
		parcel.body := CASE e.kind WHEN 'slack' THEN kam._slack_message(n, e) ELSE kam._webhook_message(n, l) END;
	END IF;
	INSERT INTO kam._delivery (notification_id, endpoint) VALUES (id, e.endpoint);
	UPDATE kam.notification u SET endpoint = e.endpoint, attempts = u.attempts + 1, next_attempt_at = 'infinity' WHERE u.notification_id = id;
	RETURN parcel;
END
$$;
COMMENT ON FUNCTION _outbox_take_one(bigint, endpoint) IS 'A notification made ready to leave, as one on its way; NULL when it does not leave now (somebody has it or its lead, it must wait, it was given up).';

CREATE FUNCTION _outbox_take(endpoint text, most integer) RETURNS SETOF _parcel
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	AS $$
#variable_conflict use_column
DECLARE
	e kam.endpoint;
	id bigint;
	taken integer := 0;
	parcel kam._parcel;
BEGIN
	SELECT * INTO e FROM kam.endpoint x WHERE x.endpoint = _outbox_take.endpoint AND x.enabled;
	-- A bounded number beyond, of those that turn out not to leave.
	FOR id IN SELECT d.notification_id FROM kam._outbox_due(e.endpoint, most + 100) d ORDER BY d.notification_id LOOP
		EXIT WHEN taken >= most;
		-- In order: one that must wait has those behind it wait.
		EXIT WHEN e.ordered AND EXISTS (
			SELECT FROM kam.notification n
			 WHERE n.home = kam._home() AND n.recipient IN (SELECT e.endpoint UNION ALL SELECT r.rep_id FROM kam.Reps r WHERE r.endpoint = e.endpoint)
			   AND n.status IN ('pending', 'failed') AND n.next_attempt_at > clock_timestamp() AND n.next_attempt_at < 'infinity' AND n.notification_id < id);
		BEGIN
			parcel := kam._outbox_take_one(id, e);
		EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception OR no_data_found THEN
			-- One that cannot be written down holds up no other.
			parcel := NULL;
			UPDATE kam.notification u
			   SET status = 'failed', attempts = u.attempts + 1, last_error = SQLERRM, next_attempt_at = clock_timestamp() + kam._delivery_pause(e.schedule, u.attempts + 1)
			 WHERE u.notification_id = id AND u.status IN ('pending', 'failed');
		END;
		IF parcel.notification_id IS NOT NULL THEN
			taken := taken + 1;
			RETURN NEXT parcel;
		ELSIF e.ordered AND EXISTS (SELECT FROM kam.notification n WHERE n.notification_id = id AND n.status IN ('pending', 'failed')) THEN
			EXIT;				-- those behind it wait with it
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _outbox_take(text, integer) IS 'Takes what is due at an endpoint, at most so many, for the worker to send when this has committed.';

-- ---- settling ---------------------------------------------------------------------------------------

CREATE FUNCTION _outbox_failed(e endpoint, verdict text, why text, wait_s integer) RETURNS void
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	INSERT INTO kam.delivery_state AS s (endpoint, failures, last_error, last_error_at) VALUES (e.endpoint, 1, why, clock_timestamp())
	-- Several that were on their way together are one failure: while it waits, nothing new has been tried.
	ON CONFLICT (endpoint) DO UPDATE SET failures = s.failures + CASE WHEN s.retry_at > clock_timestamp() THEN 0 ELSE 1 END,
		last_error = EXCLUDED.last_error, last_error_at = EXCLUDED.last_error_at;
	UPDATE kam.delivery_state s
	   SET halted_at = CASE WHEN verdict = 'halt' THEN coalesce(s.halted_at, clock_timestamp()) ELSE s.halted_at END,
	       -- Of single messages that fail, five in a row are the receiver's trouble.
	       retry_at = CASE WHEN verdict = 'endpoint' OR e.ordered
	                       THEN greatest(s.retry_at, clock_timestamp() + greatest(kam._delivery_pause(e.schedule, s.failures), make_interval(secs => wait_s)))
	                       WHEN s.failures >= 5 THEN greatest(s.retry_at, clock_timestamp() + kam._delivery_pause(e.schedule, s.failures - 4)) ELSE s.retry_at END
	 WHERE s.endpoint = e.endpoint;
END
$$;
COMMENT ON FUNCTION _outbox_failed(endpoint, text, text, integer) IS 'A delivery to an endpoint failed: counts, and says when the next may be tried.';

CREATE FUNCTION _remember_message(n notification, e endpoint, logged CadenceEventLog) RETURNS void
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	INSERT INTO kam.sent_message (lead_id, notification_id, event_id, sequence_id, message_id, subject, sent_at)
	SELECT k.lead_id, (n).notification_id, (logged).event_id, (logged).sequence_id, kam._message_id(n, e), m.subject, clock_timestamp()
	  FROM kam.Leads k CROSS JOIN LATERAL kam._person_mail(n, e, k, NULL) m WHERE k.lead_id = kam._canonical((logged).lead_id)
	ON CONFLICT DO NOTHING;
$$;
COMMENT ON FUNCTION _remember_message(notification, endpoint, CadenceEventLog) IS 'Keeps the Message-ID of an e-mail that a person has, or may have, so that their answer is recognised.';

CREATE FUNCTION _outbox_settle_one(id bigint, loss text, status integer, doubtful boolean, wait_s integer, words text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	n kam.notification;
	e kam.endpoint;
	logged kam.CadenceEventLog;
	l kam.Leads;
	verdict text;
	said CONSTANT text := kam._clip(concat_ws(': ', CASE WHEN loss = 'none' THEN status::text ELSE loss END, nullif(btrim(words), '')), 500);
BEGIN
	-- Somebody's open transaction may have it, or the endpoint's state: the worker has others to settle.
	SELECT * INTO n FROM kam.notification c WHERE c.notification_id = id FOR UPDATE SKIP LOCKED;
	IF NOT FOUND AND EXISTS (SELECT FROM kam.notification c WHERE c.notification_id = id) THEN
		RETURN false;
	END IF;
	SELECT * INTO e FROM kam.endpoint x WHERE x.endpoint = (SELECT d.endpoint FROM kam._delivery d WHERE d.notification_id = id);
	PERFORM FROM kam.delivery_state s WHERE s.endpoint = e.endpoint FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND AND EXISTS (SELECT FROM kam.delivery_state s WHERE s.endpoint = e.endpoint) THEN
		RETURN false;
	END IF;
	verdict := kam._delivery_verdict(coalesce(e.kind, 'webhook'), loss, status, doubtful, coalesce(e.in_doubt, 'retry'));
	-- Slack says so in the body.
	IF verdict = 'sent' AND e.kind = 'slack' AND btrim(words) <> 'ok' THEN
		verdict := 'dead';
	END IF;
	logged := kam._message_event(n, e);
	IF verdict = 'dead' AND logged.event_id IS NOT NULL THEN
		l := kam._lock_recipient(logged);
		IF l.lead_id IS NULL AND EXISTS (SELECT FROM kam.Leads k WHERE k.lead_id = kam._canonical(logged.lead_id)) THEN
			RETURN false;		-- when its lead is free
		END IF;
	END IF;

	DELETE FROM kam._delivery d WHERE d.notification_id = id;
	UPDATE kam.notification u SET answer_status = nullif(_outbox_settle_one.status, 0) WHERE u.notification_id = id;
	IF verdict = 'sent' THEN
		UPDATE kam.notification u
		   SET status = CASE WHEN u.status IN ('pending', 'failed') THEN 'sent' ELSE u.status END, sent_at = clock_timestamp(), next_attempt_at = NULL, last_error = NULL,
		       in_doubt = false
		 WHERE u.notification_id = id;
		IF e.kind = 'smtp' AND logged.event_id IS NOT NULL THEN
			PERFORM kam._remember_message(n, e, logged);
		END IF;
		-- What was on its way already shortens no wait that the receiver asked for since.
		UPDATE kam.delivery_state s
		   SET failures = 0, retry_at = CASE WHEN s.retry_at > clock_timestamp() THEN s.retry_at END, halted_at = NULL, last_sent_at = clock_timestamp()
		 WHERE s.endpoint = e.endpoint;
		IF NOT FOUND THEN
			INSERT INTO kam.delivery_state (endpoint, last_sent_at) SELECT e.endpoint, clock_timestamp() WHERE e.endpoint IS NOT NULL ON CONFLICT DO NOTHING;
		END IF;
	ELSIF verdict IN ('dead', 'in_doubt') THEN
		PERFORM kam._outbox_give_up(n, logged, CASE verdict WHEN 'in_doubt' THEN 'in doubt: it went out and no answer came (' || said || ')' ELSE said END, verdict = 'in_doubt');
		IF verdict = 'in_doubt' THEN
			PERFORM kam._outbox_failed(e, verdict, said, NULL);
			IF e.kind = 'smtp' AND logged.event_id IS NOT NULL THEN
				PERFORM kam._remember_message(n, e, logged);
			END IF;
		END IF;
	ELSE
		-- What the endpoint's trouble is costs the message no turn: it is the first to go when that is over.
		UPDATE kam.notification u
		   SET status = 'failed', last_error = said,
		       next_attempt_at = CASE WHEN verdict = 'retry' AND NOT e.ordered
		                              THEN clock_timestamp() + greatest(kam._delivery_pause(e.schedule, u.attempts), make_interval(secs => wait_s)) END
		 WHERE u.notification_id = id AND u.status IN ('pending', 'failed');
		UPDATE kam.notification u SET next_attempt_at = NULL WHERE u.notification_id = id AND u.next_attempt_at = 'infinity' AND u.status <> 'dead';
		IF e.endpoint IS NOT NULL THEN
			PERFORM kam._outbox_failed(e, verdict, said, wait_s);
		END IF;
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION _outbox_settle_one(bigint, text, integer, boolean, integer, text) IS 'What came of one delivery, written down. False, and nothing is written, while somebody else has the notification, the endpoint''s state, or the lead of a message whose slot is to be given back.';

CREATE FUNCTION _outbox_settle(ids bigint[], losses text[], statuses integer[], doubts boolean[], waits integer[], words text[]) RETURNS bigint[]
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	AS $$
DECLARE
	later bigint[] := '{}';
	settled boolean;
BEGIN
	FOR i IN 1 .. cardinality(ids) LOOP
		BEGIN
			settled := kam._outbox_settle_one(ids[i], losses[i], statuses[i], doubts[i], waits[i], words[i]);
		EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception OR no_data_found THEN
			-- The answer is known and must not be lost with what hangs on it.
			settled := true;
			DELETE FROM kam._delivery d WHERE d.notification_id = ids[i];
			UPDATE kam.notification u
			   SET status = CASE WHEN losses[i] = 'none' AND statuses[i] BETWEEN 200 AND 299 THEN 'sent' WHEN doubts[i] THEN 'dead' ELSE 'failed' END,
			       -- Not sent again by itself if it may have arrived; anything else is tried again, and answered again.
			       in_doubt = doubts[i], answer_status = nullif(statuses[i], 0), last_error = kam._clip(format('%s (%s)', words[i], SQLERRM), 500),
			       next_attempt_at = CASE WHEN losses[i] = 'none' AND statuses[i] BETWEEN 200 AND 299 THEN NULL WHEN doubts[i] THEN 'infinity' ELSE clock_timestamp() + interval '5 min' END
			 WHERE u.notification_id = ids[i] AND u.status IN ('pending', 'failed');
		END;
		IF NOT settled THEN
			later := later || ids[i];
		END IF;
	END LOOP;
	RETURN later;
END
$$;
COMMENT ON FUNCTION _outbox_settle(bigint[], text[], integer[], boolean[], integer[], text[]) IS 'What came of deliveries, each by itself: how the connection failed (none: an answer came), its status, whether it may have arrived, the seconds the receiver asks to wait (NULL: none), its words. Returns those to be told again a moment later.';

CREATE FUNCTION _outbox_recover(came boolean DEFAULT false) RETURNS integer
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	lost record;
	found integer := 0;
	n kam.notification;
	e kam.endpoint;
	logged kam.CadenceEventLog;
BEGIN
	FOR lost IN SELECT d.notification_id, d.endpoint, x.in_doubt, x.kind FROM kam._delivery d LEFT JOIN kam.endpoint x USING (endpoint) WHERE (d.home <> kam._home()) = came LOOP
		found := found + 1;
		DELETE FROM kam._delivery d WHERE d.notification_id = lost.notification_id;
		UPDATE kam.notification u
		   SET status = CASE WHEN u.status NOT IN ('pending', 'failed') THEN u.status WHEN lost.in_doubt = 'hold' THEN 'dead' ELSE 'failed' END,
		       in_doubt = lost.in_doubt IS NOT DISTINCT FROM 'hold',
		       next_attempt_at = CASE WHEN lost.in_doubt = 'hold' THEN 'infinity'::timestamptz END,
		       last_error = CASE WHEN lost.in_doubt = 'hold' THEN 'in doubt: the worker died while it was on its way' ELSE 'the worker died while it was on its way' END
		 WHERE u.notification_id = lost.notification_id;
		IF lost.kind = 'smtp' AND lost.in_doubt = 'hold' THEN
			SELECT x.* INTO n FROM kam.notification x WHERE x.notification_id = lost.notification_id;
			SELECT x.* INTO e FROM kam.endpoint x WHERE x.endpoint = lost.endpoint;
			logged := kam._message_event(n, e);
			BEGIN
				IF logged.event_id IS NOT NULL THEN
					PERFORM kam._remember_message(n, e, logged);
				END IF;
			EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception OR no_data_found THEN
				NULL;			-- one that cannot be written down holds up no other
			END;
		END IF;
	END LOOP;
	UPDATE kam.sheet_import s SET state = 'waiting' WHERE NOT came AND s.state = 'fetching' AND s.home = kam._home();
	RETURN found;
END
$$;
COMMENT ON FUNCTION _outbox_recover(boolean) IS 'For a worker that starts: what was on its way when the one before died goes again, or is in doubt where the endpoint holds such; sheets that were being fetched are fetched again. For kam_resume() (came): the same for what was on its way when the copy was made. Returns how many.';

CREATE FUNCTION _outbox_give_back(ids bigint[]) RETURNS void
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	id bigint;
BEGIN
	FOR id IN
		SELECT n.notification_id FROM kam.notification n JOIN kam._delivery d USING (notification_id)
		 WHERE n.notification_id = ANY (ids) AND d.home = kam._home() FOR UPDATE OF n SKIP LOCKED
	LOOP
		DELETE FROM kam._delivery d WHERE d.notification_id = id;
		UPDATE kam.notification n SET attempts = n.attempts - 1, next_attempt_at = NULL
		 WHERE n.notification_id = id AND n.status IN ('pending', 'failed') AND n.next_attempt_at = 'infinity';
	END LOOP;
END
$$;
COMMENT ON FUNCTION _outbox_give_back(bigint[]) IS 'By a worker that is told to go: of these not all went out, so they are as they were before they were taken. Waits for no row: what somebody has locked is recovered by the next worker.';

-- ---- people and programs -------------------------------------------------------------------------------

CREATE FUNCTION kam_redeliver(notification_id bigint) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	n kam.notification;
	e kam.endpoint;
	logged kam.CadenceEventLog;
	again kam.CadenceEventLog;
BEGIN
	SELECT c.* INTO n FROM kam.notification c WHERE c.notification_id = kam_redeliver.notification_id;
	IF n.notification_id IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('there is no notification %s', coalesce(kam_redeliver.notification_id::text, 'NULL')),
			HINT = 'SELECT * FROM kam.kam_delivery WHERE state IN (''dead'', ''in_doubt'').';
	END IF;
	SELECT x.* INTO e FROM kam.endpoint x WHERE x.endpoint = n.endpoint;
	logged := kam._message_event(n, e);
	IF logged.event_id IS NOT NULL THEN
		PERFORM kam._lock_lead(logged.lead_id);
	END IF;
	SELECT c.* INTO n FROM kam.notification c WHERE c.notification_id = kam_redeliver.notification_id FOR UPDATE;
	IF n.status <> 'dead' THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('notification %s is %s', n.notification_id, n.status),
			HINT = 'Only what was given up (dead) is delivered again.';
	END IF;
	IF logged.event_id IS NOT NULL AND NOT n.in_doubt THEN
		-- Its slot was given back: the gates decide anew, and what they allow writes a notification of its own.
		UPDATE kam.notification c SET status = 'acknowledged', acknowledged_at = kam._now(), acknowledged_by = session_user WHERE c.notification_id = n.notification_id;
		INSERT INTO kam.CadenceEventLog AS c (lead_id, sequence_id, sequence_type, event_type, channel, originating_agent, idempotency_key, payload)
		VALUES (logged.lead_id, logged.sequence_id, logged.sequence_type, 'touch', logged.channel, logged.originating_agent,
		        'redelivery of ' || n.notification_id, n.payload || jsonb_build_object('redelivers', n.notification_id))
		RETURNING c.* INTO again;
		RETURN again.coordinator_action;
	END IF;
	UPDATE kam.notification c SET status = 'pending', in_doubt = false, next_attempt_at = NULL, renewed_at = kam._now() WHERE c.notification_id = n.notification_id;
	UPDATE kam.delivery_state s SET halted_at = NULL, retry_at = clock_timestamp() WHERE s.endpoint = coalesce(n.endpoint, n.recipient);
	PERFORM kam._wake_worker();
	RETURN 'pending';
END
$$;
COMMENT ON FUNCTION kam_redeliver(bigint) IS 'Delivers a dead notification again: pending. A message to a person that never left has given its slot back, so a touch is asked for anew, and the verdict is returned (executed, held, blocked); one in doubt kept its slot and goes again as it is. Unknown P0002, not dead 55000. Example: SELECT kam.kam_redeliver(4711);';

CREATE FUNCTION kam_redeliver(endpoint text, since timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	id bigint;
	found bigint := 0;
BEGIN
	IF NOT EXISTS (SELECT FROM kam.endpoint e WHERE e.endpoint = kam_redeliver.endpoint) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('there is no endpoint "%s"', coalesce(kam_redeliver.endpoint, 'NULL')),
			HINT = 'SELECT endpoint FROM kam.endpoint.';
	END IF;
	UPDATE kam.delivery_state s SET halted_at = NULL, retry_at = clock_timestamp() WHERE s.endpoint = kam_redeliver.endpoint;
	-- In lead order, as everybody locks leads.
	FOR id IN
		SELECT n.notification_id FROM kam.notification n
		 WHERE n.endpoint = kam_redeliver.endpoint AND n.status = 'dead' AND NOT n.in_doubt AND n.home = kam._home()
		   AND (kam_redeliver.since IS NULL OR n.created_at >= kam_redeliver.since)
		 ORDER BY n.lead_id, n.notification_id
	LOOP
		PERFORM kam.kam_redeliver(id);
		found := found + 1;
	END LOOP;
	PERFORM kam._wake_worker();
	RETURN found;
END
$$;
COMMENT ON FUNCTION kam_redeliver(text, timestamptz) IS 'The same for all dead notifications of an endpoint (since: written then or later), those in doubt excepted, and lets an endpoint go on that was halted or waits. Returns how many. Example: SELECT kam.kam_redeliver(''slack'');';

CREATE FUNCTION kam_inbox(recipient text, most integer DEFAULT 100) RETURNS TABLE (notification_id bigint, topic text, session_id uuid, lead_id text, event_id bigint,
	channel text, payload jsonb, status text, forbidden text, created_at timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT n.notification_id, n.topic, n.session_id, n.lead_id, n.event_id,
	       (SELECT e.channel FROM kam.CadenceEventLog e WHERE e.lead_id = n.lead_id AND e.event_id = n.event_id), n.payload, n.status::text, kam._forbidden(n.topic, n.lead_id), n.created_at
	  FROM (SELECT * FROM kam.notification n
	         WHERE n.home = kam._home() AND n.recipient = kam_inbox.recipient AND n.status IN ('pending', 'failed', 'dead')
	         ORDER BY n.notification_id LIMIT kam_inbox.most) n
	 ORDER BY n.notification_id;
END
$$;
COMMENT ON FUNCTION kam_inbox(text, integer) IS 'What waits for an agent, a rep or an endpoint and reached nobody yet, oldest first: kam_acknowledge() takes it out. forbidden: why the person whom a touch is for must not be contacted any more; NULL otherwise. Example: SELECT notification_id, topic, payload FROM kam.kam_inbox(''AGT-304'');';

CREATE FUNCTION kam_acknowledge(VARIADIC notification_ids bigint[]) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	taken bigint;
BEGIN
	UPDATE kam.notification n SET status = 'acknowledged', acknowledged_at = kam._now(), acknowledged_by = session_user
	  FROM (SELECT c.notification_id FROM kam.notification c
	         WHERE c.notification_id = ANY (notification_ids) AND c.status NOT IN ('acknowledged', 'parked') ORDER BY c.notification_id FOR UPDATE) c
	 WHERE n.notification_id = c.notification_id;
	GET DIAGNOSTICS taken = ROW_COUNT;
	RETURN taken;
END
$$;
COMMENT ON FUNCTION kam_acknowledge(bigint[]) IS 'Marks notifications as taken note of, so that nobody is told again; returns how many were not yet. Example: SELECT kam.kam_acknowledge(17, 18);';

CREATE FUNCTION kam_unsubscribe_token(token text, source text DEFAULT 'list_unsubscribe') RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	l kam.Leads;
BEGIN
	-- What is no token is nobody's; who asks learns no more than that.
	IF kam_unsubscribe_token.token !~* '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$' THEN
		RETURN false;
	END IF;
	SELECT k.* INTO l FROM kam.unsubscribe_token t JOIN kam.Leads k ON k.lead_id = kam._canonical(t.lead_id) WHERE t.token = kam_unsubscribe_token.token::uuid;
	IF l.lead_id IS NULL THEN
		RETURN false;
	ELSIF l.unsubscribe_flag THEN
		RETURN true;
	END IF;
	INSERT INTO kam.CadenceEventLog (lead_id, event_type, channel, originating_agent, payload)
	VALUES (l.lead_id, 'unsubscribe', 'email', 'AGT-302', jsonb_build_object('reason', kam_unsubscribe_token.source));
	RETURN true;
END
$$;
COMMENT ON FUNCTION kam_unsubscribe_token(text, text) IS 'Unsubscribes the person to whom an e-mail with this token went (List-Unsubscribe): what the page or program behind endpoint.unsubscribe_url calls. False for an unknown token; again is as good as once. Example: SELECT kam.kam_unsubscribe_token(''5f0c...'');';

CREATE FUNCTION kam_reply(in_reply_to text, payload jsonb DEFAULT '{}', occurred_at timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	m kam.sent_message;
	written bigint;
BEGIN
	SELECT s.* INTO m FROM kam.sent_message s
	 WHERE s.message_id IN (SELECT found[1] FROM regexp_matches(kam_reply.in_reply_to, '<[^<>[:space:]]+>', 'g') found)
	 ORDER BY s.sent_at DESC LIMIT 1;
	IF m.lead_id IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = 'no message that was sent has that Message-ID',
			HINT = 'Pass the headers In-Reply-To and References of the answer, with their angle brackets.';
	END IF;
	INSERT INTO kam.CadenceEventLog AS c (lead_id, sequence_id, event_type, channel, originating_agent, payload, occurred_at, idempotency_key)
	VALUES (m.lead_id, m.sequence_id, 'reply', 'email', 'AGT-302',
	        jsonb_build_object('in_reply_to', m.message_id, 'event_id', m.event_id) || kam_reply.payload, kam_reply.occurred_at,
	        'reply ' || (kam_reply.payload ->> 'message_id'))
	RETURNING c.event_id INTO written;
	RETURN written;
END
$$;
COMMENT ON FUNCTION kam_reply(text, jsonb, timestamptz) IS 'Records an answer by e-mail as the fact reply of the lead and sequence whose message it answers, which ends what a reply ends; returns the event_id. in_reply_to: the answer''s In-Reply-To and References; a message_id in the payload makes it known again (23505). No such message P0002. Example: SELECT kam.kam_reply(''<6b1f...@acme.com>'', ''{"message_id": "<x@y>"}'');';

-- ---- views ---------------------------------------------------------------------------------------------

CREATE VIEW kam_delivery WITH (security_barrier) AS
SELECT n.notification_id, n.recipient, coalesce(n.endpoint, e.endpoint, r.endpoint) AS endpoint, n.topic, n.session_id, n.lead_id, n.event_id,
       CASE WHEN n.status = 'dead' AND n.in_doubt THEN 'in_doubt'
            WHEN n.status IN ('pending', 'failed') AND n.next_attempt_at = 'infinity' THEN 'sending'
            WHEN n.home <> kam._home() AND n.status IN ('pending', 'failed') THEN 'parked'
            WHEN n.status = 'pending' AND coalesce(e.endpoint, r.endpoint) IS NULL THEN 'inbox'
            ELSE n.status END AS state,
       n.attempts, nullif(n.next_attempt_at, 'infinity') AS next_attempt_at, n.answer_status, n.last_error, n.created_at, n.sent_at, m.message_id
  FROM notification n
  LEFT JOIN endpoint e ON e.endpoint = n.recipient AND e.enabled AND e.url IS NOT NULL
  LEFT JOIN Reps r ON r.rep_id = n.recipient
  LEFT JOIN sent_message m ON m.lead_id = n.lead_id AND m.notification_id = n.notification_id;
COMMENT ON VIEW kam_delivery IS 'Where each notification stands. state: pending, sending, failed (tried again at next_attempt_at or when its endpoint is), sent, dead, in_doubt (it may have arrived: see the mail server''s log, then kam_redeliver), inbox (nobody delivers it: kam_inbox), acknowledged, parked.';
COMMENT ON COLUMN kam_delivery.notification_id IS 'The notification.';
COMMENT ON COLUMN kam_delivery.recipient IS 'Whom it is for.';
COMMENT ON COLUMN kam_delivery.endpoint IS 'By which endpoint it goes, or went.';
COMMENT ON COLUMN kam_delivery.topic IS 'What it is about.';
COMMENT ON COLUMN kam_delivery.session_id IS 'The run it is about.';
COMMENT ON COLUMN kam_delivery.lead_id IS 'The lead it is about.';
COMMENT ON COLUMN kam_delivery.event_id IS 'The event it is about.';
COMMENT ON COLUMN kam_delivery.state IS 'Where it stands.';
COMMENT ON COLUMN kam_delivery.attempts IS 'Deliveries tried.';
COMMENT ON COLUMN kam_delivery.next_attempt_at IS 'Not before this; NULL: as soon as its endpoint takes any.';
COMMENT ON COLUMN kam_delivery.answer_status IS 'What the receiver last answered.';
COMMENT ON COLUMN kam_delivery.last_error IS 'Why it is not delivered.';
COMMENT ON COLUMN kam_delivery.created_at IS 'When it was written.';
COMMENT ON COLUMN kam_delivery.sent_at IS 'When the receiver took it.';
COMMENT ON COLUMN kam_delivery.message_id IS 'Of an e-mail to a person, its Message-ID.';

CREATE VIEW kam_endpoints WITH (security_barrier) AS
SELECT e.endpoint, e.kind, regexp_replace(e.url, '^([a-z]+://[^/]*).*$', '\1') AS host,
       CASE WHEN NOT e.enabled OR e.url IS NULL THEN 'off' WHEN s.halted_at IS NOT NULL THEN 'halted' WHEN s.retry_at IS NOT NULL THEN 'waiting' ELSE 'open' END AS state,
       s.failures, s.retry_at, s.last_error, s.last_error_at, s.last_sent_at, coalesce(c.waiting, 0) AS waiting, coalesce(c.dead, 0) AS dead, c.oldest
  FROM endpoint e
  LEFT JOIN delivery_state s USING (endpoint)
  LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE n.status IN ('pending', 'failed')) AS waiting, count(*) FILTER (WHERE n.status = 'dead') AS dead,
                            min(n.created_at) FILTER (WHERE n.status IN ('pending', 'failed')) AS oldest
                       FROM notification n
                      WHERE n.home = kam._home() AND n.status IN ('pending', 'failed', 'dead')
                        AND n.recipient IN (SELECT e.endpoint UNION ALL SELECT r.rep_id FROM Reps r WHERE r.endpoint = e.endpoint)) c ON true;
COMMENT ON VIEW kam_endpoints IS 'How each endpoint does: open, waiting (for retry_at, after failures), halted (its address is none: kam_redeliver(endpoint) when that is mended), off. Without its path, which may be a secret.';
COMMENT ON COLUMN kam_endpoints.endpoint IS 'Name.';
COMMENT ON COLUMN kam_endpoints.kind IS 'slack, zapier, webhook or smtp.';
COMMENT ON COLUMN kam_endpoints.host IS 'Where it is.';
COMMENT ON COLUMN kam_endpoints.state IS 'How it does.';
COMMENT ON COLUMN kam_endpoints.failures IS 'Deliveries that failed in a row.';
COMMENT ON COLUMN kam_endpoints.retry_at IS 'Nothing is tried before this.';
COMMENT ON COLUMN kam_endpoints.last_error IS 'Why the last one failed.';
COMMENT ON COLUMN kam_endpoints.last_error_at IS 'When.';
COMMENT ON COLUMN kam_endpoints.last_sent_at IS 'When one was last taken.';
COMMENT ON COLUMN kam_endpoints.waiting IS 'Notifications that wait for it.';
COMMENT ON COLUMN kam_endpoints.dead IS 'Those given up.';
COMMENT ON COLUMN kam_endpoints.oldest IS 'When the oldest that waits was written.';

CREATE FUNCTION _delivery_health() RETURNS TABLE (item text, state text, found text, remedy text)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	stuck record;
BEGIN
	SELECT count(*) AS n, count(*) FILTER (WHERE n.in_doubt) AS doubtful, (array_agg(n.last_error ORDER BY n.notification_id DESC))[1] AS latest INTO stuck
	  FROM kam.notification n WHERE n.status = 'dead' AND n.home = kam._home();
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('notifications', 'warning', format('%s could not be delivered%s: %s', stuck.n,
			CASE WHEN stuck.doubtful > 0 THEN format(' (%s in doubt)', stuck.doubtful) END, stuck.latest),
			'SELECT * FROM kam.kam_delivery WHERE state IN (''dead'', ''in_doubt''); then kam_redeliver(notification_id) or kam_redeliver(endpoint), or kam_acknowledge().');
	END IF;
	FOR stuck IN SELECT e.endpoint, s.halted_at, s.retry_at, s.failures, s.last_error FROM kam.endpoint e JOIN kam.delivery_state s USING (endpoint)
	              WHERE e.enabled AND (s.halted_at IS NOT NULL OR s.failures >= 5) ORDER BY e.endpoint LOOP
		RETURN QUERY VALUES (format('endpoint %s', stuck.endpoint), CASE WHEN stuck.halted_at IS NOT NULL THEN 'error' ELSE 'warning' END,
			CASE WHEN stuck.halted_at IS NOT NULL THEN format('halted: %s', stuck.last_error) ELSE format('%s failures in a row: %s', stuck.failures, stuck.last_error) END,
			CASE WHEN stuck.halted_at IS NOT NULL THEN 'Mend the row of kam.endpoint or its key, or have it go on as it is: SELECT kam.kam_redeliver(endpoint).'
			     ELSE format('The next try is at %s; nothing is lost meanwhile. SELECT * FROM kam.kam_endpoints.', stuck.retry_at) END);
	END LOOP;
	SELECT count(*) AS n, min(n.created_at) AS since INTO stuck
	  FROM (SELECT n.created_at FROM kam.notification n JOIN kam.endpoint e ON e.endpoint = n.recipient
	         WHERE n.home = kam._home() AND n.status IN ('pending', 'failed') AND n.created_at < kam._now() - interval '1 day' LIMIT 1000) n;
	IF stuck.n > 0 THEN
		RETURN QUERY VALUES ('old notifications', 'warning', format('%s wait for delivery for more than a day, the oldest since %s', stuck.n, stuck.since),
			'SELECT * FROM kam.kam_endpoints says why; those of an endpoint without url are for whoever fetches them (kam_inbox, kam_acknowledge).');
	END IF;
	SELECT string_agg(DISTINCT r.channel, ', ') AS channels INTO stuck
	  FROM kam.SendRule r WHERE r.mode <> 'notify_rep' AND r.channel <> '*'
	   AND NOT EXISTS (SELECT FROM kam.endpoint e WHERE e.endpoint = r.channel AND e.enabled);
	IF stuck.channels IS NOT NULL THEN
		RETURN QUERY VALUES ('send rules', 'warning', format('messages are to be sent by %s, and no endpoint has that name', stuck.channels),
			'INSERT INTO kam.endpoint, or have them fetched from kam_inbox(channel).');
	END IF;
END
$$;
COMMENT ON FUNCTION _delivery_health() IS 'The rows of kam_health() about deliveries.';

-- How often people agree with decisions: by what was decided, and by who and what decided it.

CREATE FUNCTION _wilson(hits bigint, n bigint, OUT low numeric, OUT high numeric)
	RETURNS record
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT CASE WHEN _wilson.n > 0 THEN round(greatest(0, w.centre - w.half)::numeric, 3) END, CASE WHEN _wilson.n > 0 THEN round(least(1, w.centre + w.half)::numeric, 3) END
		  FROM (SELECT (p.p + z.z * z.z / (2 * p.n)) / (1 + z.z * z.z / p.n) AS centre,
		               z.z * sqrt(p.p * (1 - p.p) / p.n + z.z * z.z / (4 * p.n * p.n)) / (1 + z.z * z.z / p.n) AS half
		          FROM (SELECT greatest(_wilson.n, 1)::float8 AS n, _wilson.hits::float8 / greatest(_wilson.n, 1) AS p) p, (SELECT 1.959964::float8 AS z) z) w;
	END;
COMMENT ON FUNCTION _wilson(bigint, bigint) IS 'The 95 % interval of a share of n by Wilson''s score: honest for few, and for shares near 0 and 1. NULL for n = 0.';

CREATE VIEW kam_agreement AS
WITH judged AS (
	SELECT d.session_id, d.action, d.selected_channel AS channel, d.owner_name AS owner, d.type_of_validation AS verdict
	  FROM final_decision d WHERE d.type_of_validation <> ''
), made AS (
	-- Who answered last: a call that was repaired or stood in for counts for what stood in.
	SELECT DISTINCT ON (j.session_id, c.agent) j.verdict, c.agent, c.provider, c.model, c.prompt_version
	  FROM judged j JOIN agent_call c USING (session_id)
	 WHERE c.status = 'succeeded'
	 ORDER BY j.session_id, c.agent, c.call_no DESC
), grouped AS (
	SELECT 'all' AS by, NULL::text AS name, verdict FROM judged
	UNION ALL SELECT 'action', action, verdict FROM judged
	UNION ALL SELECT 'channel', channel, verdict FROM judged WHERE channel IS NOT NULL
	UNION ALL SELECT 'owner', owner, verdict FROM judged WHERE owner IS NOT NULL
	UNION ALL SELECT 'model', provider || '/' || model, verdict FROM made WHERE agent = 'synthesis_orchestrator'
	UNION ALL SELECT 'prompt', agent || '/' || prompt_version, verdict FROM made WHERE provider <> 'builtin'
), counted AS (
	SELECT g.by, g.name, count(*) AS n, count(*) FILTER (WHERE verdict = 'approved') AS approved, count(*) FILTER (WHERE verdict = 'edited') AS edited,
	       count(*) FILTER (WHERE verdict = 'rejected') AS rejected
	  FROM grouped g GROUP BY g.by, g.name
)
SELECT c.by, c.name, c.n, c.approved, c.edited, c.rejected, round(c.approved::numeric / c.n, 3) AS rate, w.low, w.high,
       CASE WHEN c.n < 30 THEN 'fewer than 30 verdicts: the interval says more than the rate' END AS note
  FROM counted c CROSS JOIN LATERAL _wilson(c.approved, c.n) w;
COMMENT ON VIEW kam_agreement IS 'How far people agree with decisions, from their verdicts (kam_validate): one row for all, one per action, channel, owner, model that made the synthesis (provider/model), and prompt that a model was asked with (agent/version). Replays have no verdicts. Example: SELECT name, n, rate, low, high FROM kam.kam_agreement WHERE by = ''prompt'' ORDER BY name;';
COMMENT ON COLUMN kam_agreement.by IS 'all, action, channel, owner, model or prompt.';
COMMENT ON COLUMN kam_agreement.name IS 'Which one; NULL for all.';
COMMENT ON COLUMN kam_agreement.n IS 'Decisions that a person judged.';
COMMENT ON COLUMN kam_agreement.approved IS 'Approved as they were.';
COMMENT ON COLUMN kam_agreement.edited IS 'Sent with another message.';
COMMENT ON COLUMN kam_agreement.rejected IS 'Rejected.';
COMMENT ON COLUMN kam_agreement.rate IS 'approved / n.';
COMMENT ON COLUMN kam_agreement.low IS 'Of the 95 % interval of the rate (Wilson).';
COMMENT ON COLUMN kam_agreement.high IS 'Of the 95 % interval of the rate (Wilson).';
COMMENT ON COLUMN kam_agreement.note IS 'When there are too few to rely on the rate.';

-- Sheets that the worker fetches: resources and best practices kept in a spreadsheet.

CREATE TABLE sheet_import (
	import_id		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind			text NOT NULL,
	url				text NOT NULL,
	state			text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'fetching', 'imported', 'failed')),
	imported		bigint,
	error			text,
	created_by		text NOT NULL DEFAULT session_user,
	created_at		timestamptz NOT NULL DEFAULT kam._now(),
	finished_at		timestamptz,
	home			bigint NOT NULL DEFAULT kam._home()
);
CREATE INDEX sheet_import_open ON sheet_import (import_id) WHERE state IN ('waiting', 'fetching');
COMMENT ON TABLE sheet_import IS 'Sheets that were asked for with kam_import_sheet().';
COMMENT ON COLUMN sheet_import.import_id IS 'What kam_import_sheet() returned.';
COMMENT ON COLUMN sheet_import.kind IS 'What is imported, as of kam_import_csv().';
COMMENT ON COLUMN sheet_import.url IS 'From where.';
COMMENT ON COLUMN sheet_import.state IS 'waiting for the worker, fetching, imported or failed.';
COMMENT ON COLUMN sheet_import.imported IS 'Rows added or replaced.';
COMMENT ON COLUMN sheet_import.error IS 'Why nothing was imported.';
COMMENT ON COLUMN sheet_import.created_by IS 'Who asked.';
COMMENT ON COLUMN sheet_import.created_at IS 'When.';
COMMENT ON COLUMN sheet_import.finished_at IS 'When it was done.';
COMMENT ON COLUMN sheet_import.home IS 'The database it was asked in (_home()); one that came with a restore is not fetched again.';
CREATE TRIGGER sheet_import_wake AFTER INSERT ON sheet_import FOR EACH STATEMENT EXECUTE FUNCTION _wake();

CREATE FUNCTION kam_import_sheet(kind text, url text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	-- Google's address for people, and the one for programs.
	google CONSTANT text[] := regexp_match(kam_import_sheet.url, '^(https://docs\.google\.com/spreadsheets/d/[A-Za-z0-9_-]+)/(?:edit|view)[^#]*(?:#(?:.*[?&])?gid=([0-9]+))?');
	address CONSTANT text := CASE WHEN google IS NULL THEN kam_import_sheet.url ELSE google[1] || '/export?format=csv&gid=' || coalesce(google[2], '0') END;
	id bigint;
BEGIN
	IF kam_import_sheet.kind IS NULL OR kam_import_sheet.kind NOT IN ('resource', 'best_practice') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('unknown kind: %s', coalesce(quote_ident(kam_import_sheet.kind), 'NULL')),
			HINT = 'Kinds are resource and best_practice.';
	END IF;
	IF address IS NULL OR address !~ '^https?://[^/?#@[:space:]]+([/?#][^[:space:]]*)?$'
	   OR address LIKE 'http:%' AND NOT kam._private_allowed(address) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the url of the sheet cannot be fetched',
			HINT = 'Write https://..., the address of a CSV file or of a sheet of Google Sheets that everybody with the link may read.';
	END IF;
	INSERT INTO kam.sheet_import (kind, url) VALUES (kam_import_sheet.kind, address) RETURNING import_id INTO id;
	RETURN id;
END
$$;
COMMENT ON FUNCTION kam_import_sheet(text, text) IS 'Has the worker fetch a CSV file and import it as kam_import_csv() does, all or nothing; returns the import_id at once, and sheet_import tells what came of it. kind: resource or best_practice. Addresses of Google Sheets as the browser shows them are taken as their CSV export. Up to 10 MB, over https; private addresses only where an endpoint with allow_private stands at the same host and port. Example: SELECT kam.kam_import_sheet(''resource'', ''https://docs.google.com/spreadsheets/d/1AbC/edit#gid=0'');';

CREATE FUNCTION _private_allowed(address text) RETURNS boolean
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT EXISTS (SELECT FROM kam.endpoint e
		                WHERE e.allow_private AND e.enabled AND lower(substring(e.url FROM '^[a-z]+://[^/?#]+')) = lower(substring(address FROM '^[a-z]+://[^/?#]+')));
	END;
COMMENT ON FUNCTION _private_allowed(text) IS 'Whether a superuser allowed this host and port, private or not, by a row of endpoint.';

CREATE FUNCTION _sheets_take() RETURNS TABLE (import_id bigint, url text, allow_private boolean)
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
BEGIN
	-- Nothing is written where nothing waits: this is asked often.
	IF NOT EXISTS (SELECT FROM kam.sheet_import s WHERE s.state IN ('waiting', 'fetching')) THEN
		RETURN;
	END IF;
	RETURN QUERY
	UPDATE kam.sheet_import s SET state = 'fetching'
	  FROM (SELECT w.import_id FROM kam.sheet_import w WHERE w.state = 'waiting' AND w.home = kam._home() ORDER BY w.import_id LIMIT 4 FOR UPDATE SKIP LOCKED) w
	 WHERE s.import_id = w.import_id
	RETURNING s.import_id, s.url, kam._private_allowed(s.url);
END
$$;
COMMENT ON FUNCTION _sheets_take() IS 'Sheets for the worker to fetch, a few at a time.';

CREATE FUNCTION _sheet_settle(import_id bigint, loss text, status integer, words text, sheet text) RETURNS void
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	asked kam.sheet_import;
	fault text := CASE WHEN loss <> 'none' THEN concat_ws(': ', loss, nullif(words, ''))
	                   WHEN status NOT BETWEEN 200 AND 299 THEN format('the server answered %s', status)
	                   WHEN sheet ~ '^[[:space:]]*<' THEN 'this is a web page, no CSV: may everybody with the link read the sheet?' END;
	rows bigint;
BEGIN
	SELECT s.* INTO asked FROM kam.sheet_import s WHERE s.import_id = _sheet_settle.import_id FOR UPDATE;
	IF fault IS NULL THEN
		BEGIN
			rows := kam.kam_import_csv(asked.kind, sheet);
		EXCEPTION WHEN OTHERS THEN
			fault := SQLERRM;
		END;
	END IF;
	UPDATE kam.sheet_import s
	   SET state = CASE WHEN fault IS NULL THEN 'imported' ELSE 'failed' END, imported = rows, error = kam._clip(fault, 500), finished_at = kam._now()
	 WHERE s.import_id = asked.import_id;
END
$$;
COMMENT ON FUNCTION _sheet_settle(bigint, text, integer, text, text) IS 'What came of fetching a sheet, and its rows.';

-- What plays that a brain had part in have brought, beside the others, by quarter: cohort-wise, never deal by deal.

CREATE FUNCTION _deal_cohort(deal Opportunities) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		-- The deal's own word counts as an event's does: both are inherited from the play.
		SELECT CASE WHEN bool_or(t.brain) AND bool_or(NOT t.brain) THEN 'mixed' WHEN bool_or(t.brain) THEN 'brain' WHEN bool_or(NOT t.brain) THEN 'non_brain' END
		  FROM (SELECT deal.originating_proposal_id IS NOT NULL AS brain WHERE deal.originating_proposal_id IS NOT NULL OR deal.play_id IS NOT NULL
		        UNION ALL
		        SELECT e.originating_proposal_id IS NOT NULL
		          FROM (SELECT kam._canonical(deal.lead_id) AS lead_id WHERE deal.lead_id IS NOT NULL
		                UNION
		                SELECT l.lead_id FROM kam.Leads l WHERE l.account_id = deal.account_id) l
		         CROSS JOIN LATERAL unnest(kam._lead_ids(l.lead_id)) i (lead_id)
		          JOIN kam.CadenceEventLog e ON e.lead_id = i.lead_id
		         WHERE e.touch_no IS NOT NULL AND e.event_type = 'touch' AND e.coordinator_action = 'executed'
		           AND e.event_at >= deal.created_at - interval '2160:00:00' AND e.event_at < coalesce(deal.closed_at, 'infinity')) t;
	END;
COMMENT ON FUNCTION _deal_cohort(Opportunities) IS 'brain, non_brain, mixed: by the executed touches to the deal''s lead and to leads of its account within 90 days before it was opened and until it closed; NULL when there were none.';

CREATE VIEW cohort_retrospective AS
WITH deal AS (
	SELECT o.*, kam._deal_cohort(o) AS cohort,
	       date_trunc('quarter', (CASE WHEN o.status = 'OPEN' THEN o.created_at ELSE coalesce(o.closed_at, o.created_at) END) AT TIME ZONE current_setting('kam.default_timezone'))::date AS starts,
	       o.status = 'WON' AS won
	  FROM Opportunities o
	 WHERE o.status IS NOT NULL
), counted AS (
	SELECT d.starts, d.cohort,
	       count(*) FILTER (WHERE d.won) AS won,
	       count(*) FILTER (WHERE d.status = 'LOST') AS lost,
	       count(*) FILTER (WHERE d.status = 'OPEN') AS open,
	       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.closed_at - d.created_at) / 86400)
	           FILTER (WHERE d.won AND d.closed_at >= d.created_at) AS cycle,
	       count(DISTINCT coalesce(d.currency, '')) FILTER (WHERE d.won AND d.amount IS NOT NULL) AS currencies,
	       min(d.currency) FILTER (WHERE d.won AND d.amount IS NOT NULL) AS currency,
	       avg(d.amount) FILTER (WHERE d.won) AS mean,
	       percentile_cont(0.5) WITHIN GROUP (ORDER BY d.amount::float8) FILTER (WHERE d.won AND d.amount IS NOT NULL) AS median
	  FROM deal d
	 WHERE d.cohort IS NOT NULL
	 GROUP BY d.starts, d.cohort
)
SELECT to_char(c.starts, 'YYYY"-Q"Q') AS quarter,
       c.cohort,
       c.won + c.lost AS n,
       c.won,
       c.lost,
       c.open,
       round(c.won::numeric / nullif(c.won + c.lost, 0), 3) AS win_rate,
       w.low AS win_rate_low,
       w.high AS win_rate_high,
       round(c.cycle::numeric, 1) AS median_cycle_days,
       CASE WHEN c.currencies = 1 THEN round(c.mean, 2) END AS mean_acv,
       CASE WHEN c.currencies = 1 THEN round(c.median::numeric, 2) END AS median_acv,
       CASE WHEN c.currencies = 1 THEN c.currency END AS currency,
       concat_ws('; ', CASE WHEN c.won + c.lost < 30 THEN 'n under 30: do not compare' END,
                       CASE WHEN c.currencies > 1 THEN 'ACV in several currencies: not added up' END) AS note
  FROM counted c
 CROSS JOIN LATERAL _wilson(c.won, c.won + c.lost) w;
COMMENT ON VIEW cohort_retrospective IS 'Outcomes by quarter and cohort. A deal is of the cohort brain when all executed touches to its lead and to leads of its account, from 90 days before it was opened until it closed, come from plays that a brain proposed (originating_proposal_id), non_brain when none does, mixed when some do; a play that the deal itself names counts as such a touch; deals without any are in no cohort. Won and lost deals count in the quarter in which they closed, open ones in that in which they were opened (kam.default_timezone). Cohorts are compared, not deals: under n = 30 they should not be. Example: SELECT cohort, n, win_rate, win_rate_low, win_rate_high, median_cycle_days, median_acv, note FROM kam.cohort_retrospective WHERE quarter = ''2026-Q1'' ORDER BY cohort;';
COMMENT ON COLUMN cohort_retrospective.quarter IS 'Such as 2026-Q1, in kam.default_timezone.';
COMMENT ON COLUMN cohort_retrospective.cohort IS 'brain, non_brain, mixed.';
COMMENT ON COLUMN cohort_retrospective.n IS 'Deals closed: won + lost.';
COMMENT ON COLUMN cohort_retrospective.won IS 'Deals won.';
COMMENT ON COLUMN cohort_retrospective.lost IS 'Deals lost.';
COMMENT ON COLUMN cohort_retrospective.open IS 'Deals opened in the quarter and still open; in no rate.';
COMMENT ON COLUMN cohort_retrospective.win_rate IS 'won / n; NULL for n = 0.';
COMMENT ON COLUMN cohort_retrospective.win_rate_low IS 'Of the 95 % interval of the win rate (Wilson).';
COMMENT ON COLUMN cohort_retrospective.win_rate_high IS 'Of the 95 % interval of the win rate (Wilson).';
COMMENT ON COLUMN cohort_retrospective.median_cycle_days IS 'Median days from created_at to closed_at of deals won.';
COMMENT ON COLUMN cohort_retrospective.mean_acv IS 'Mean amount of deals won; NULL when they are in several currencies.';
COMMENT ON COLUMN cohort_retrospective.median_acv IS 'Median amount of deals won; NULL when they are in several currencies.';
COMMENT ON COLUMN cohort_retrospective.currency IS 'Of both amounts; NULL when it is not said.';
COMMENT ON COLUMN cohort_retrospective.note IS 'What speaks against comparing; empty when nothing does.';

-- People's rights: what they agreed to, what kam holds of them, forgetting them.

-- ---- consent ---------------------------------------------------------------------------

CREATE FUNCTION _consent_purposes(purpose text) RETURNS text[]
	LANGUAGE sql STABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT array_remove(ARRAY['*', (SELECT t.family FROM kam.sequence_type t WHERE t.sequence_type = _consent_purposes.purpose), _consent_purposes.purpose], NULL);
	END;
COMMENT ON FUNCTION _consent_purposes(text) IS 'The purposes that cover one: itself, its family when it is a sequence type, "*".';

CREATE FUNCTION _consent_in_force(lead_id text, sequence_type text, channel text, at timestamptz) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		WITH said AS MATERIALIZED (
			SELECT c.*
			  FROM kam.consent c
			 WHERE c.lead_id = ANY (kam._lead_ids(kam._canonical(_consent_in_force.lead_id)))
			   AND c.purpose = ANY (kam._consent_purposes(_consent_in_force.sequence_type))
			   AND c.channel IN ('*', lower(_consent_in_force.channel))
			   AND c.given_at <= _consent_in_force.at
		)
		SELECT EXISTS (
			SELECT FROM said g
			 WHERE g.state = 'granted' AND g.basis = 'consent' AND (g.expires_at > _consent_in_force.at OR g.expires_at IS NULL)
			   AND (g.address IS NULL OR EXISTS (
			        SELECT FROM kam.Leads l
			         WHERE l.lead_id = kam._canonical(_consent_in_force.lead_id) AND g.address = ANY (kam._lead_addresses(l))))
			   AND NOT EXISTS (SELECT FROM said w WHERE w.state = 'withdrawn' AND (w.given_at, w.consent_id) > (g.given_at, g.consent_id)));
	END;
COMMENT ON FUNCTION _consent_in_force(text, text, text, timestamptz) IS 'Whether the lead, or one that was merged into it, has consented (basis consent) to messages of this type through this channel at this moment: a grant that covers both, given by then, not expired, for an address that the lead still has, and not followed by a withdrawal that covers both. For the last look before a message of a rule with requires_consent leaves.';

CREATE FUNCTION _check_consent(lead_id text, purpose text, channel text, source text, evidence jsonb, given_at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._lock_lead(_check_consent.lead_id);
BEGIN
	IF canonical IS NULL THEN
		PERFORM kam._unknown_lead(_check_consent.lead_id);
	END IF;
	IF _check_consent.purpose IS NULL OR _check_consent.purpose NOT IN ('*', 'sales', 'marketing', 'transactional')
	   AND NOT EXISTS (SELECT FROM kam.sequence_type t WHERE t.sequence_type = _check_consent.purpose) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not a purpose: %s', coalesce(quote_literal(_check_consent.purpose), 'NULL')),
			HINT = 'It is a sequence type, a family (sales, marketing, transactional), or "*" for all.';
	END IF;
	IF coalesce(btrim(_check_consent.channel), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not a channel: %s', coalesce(quote_literal(_check_consent.channel), 'NULL')),
			HINT = 'For example email, phone, or "*" for all.';
	END IF;
	IF coalesce(btrim(_check_consent.source), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not a source: %s', coalesce(quote_literal(_check_consent.source), 'NULL')),
			HINT = 'Say where it comes from, for example web_form.';
	END IF;
	IF jsonb_typeof(_check_consent.evidence) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'evidence must be an object',
			HINT = 'For example {"form": "newsletter", "wording": "…", "ip": "…"}.';
	END IF;
	IF _check_consent.given_at > kam._now() OR NOT isfinite(_check_consent.given_at) THEN
		RAISE EXCEPTION USING ERRCODE = 'datetime_field_overflow',
			MESSAGE = format('given_at %s is not a moment of the past', _check_consent.given_at),
			HINT = 'It is when the person said so; leave it out for now.';
	END IF;
	RETURN canonical;
END
$$;
COMMENT ON FUNCTION _check_consent(text, text, text, text, jsonb, timestamptz) IS 'Refuses what the ledger cannot take (22023, unknown lead 23503, a time to come 22008); locks the lead, or the one that stands for it, and returns which.';

CREATE FUNCTION kam_record_consent(lead_id text, purpose text, channel text, basis text, source text, evidence jsonb DEFAULT NULL,
		given_at timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL, address text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._check_consent(kam_record_consent.lead_id, kam_record_consent.purpose, kam_record_consent.channel,
		kam_record_consent.source, kam_record_consent.evidence, kam_record_consent.given_at);
	given timestamptz := coalesce(kam_record_consent.given_at, kam._now());
	made bigint;
BEGIN
	IF kam_record_consent.basis IS NULL OR kam_record_consent.basis
	   NOT IN ('consent', 'contract', 'legal_obligation', 'vital_interests', 'public_task', 'legitimate_interest') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('not a basis: %s', coalesce(quote_literal(kam_record_consent.basis), 'NULL')),
			HINT = 'It is one of consent, contract, legal_obligation, vital_interests, public_task, legitimate_interest.';
	END IF;
	IF kam_record_consent.address IS NOT NULL AND coalesce(kam._address_kind(kam_record_consent.address), 'domain') = 'domain' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('not an address: %L', kam_record_consent.address),
			HINT = 'Give an e-mail address, a phone number with its country code, or a LinkedIn profile; leave it out for whatever the lead has.';
	END IF;
	IF kam_record_consent.expires_at <= given THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('it would expire %s, before it was given %s', kam_record_consent.expires_at, given);
	END IF;
	INSERT INTO kam.consent (lead_id, state, purpose, channel, basis, address, source, evidence, given_at, expires_at)
	VALUES (canonical, 'granted', kam_record_consent.purpose, lower(btrim(kam_record_consent.channel)), kam_record_consent.basis,
		kam._address(kam_record_consent.address), btrim(kam_record_consent.source), kam_record_consent.evidence, given, kam_record_consent.expires_at)
	RETURNING consent_id INTO made;
	RETURN made;
END
$$;
COMMENT ON FUNCTION kam_record_consent(text, text, text, text, text, jsonb, timestamptz, timestamptz, text) IS 'Records in the ledger on what contacting a person rests, and returns the consent_id. purpose: a sequence type, a family (sales, marketing, transactional) or "*"; channel: "*" for all; basis: consent, contract, legal_obligation, vital_interests, public_task or legitimate_interest (GDPR Art. 6); evidence: an object that proves it; given_at: now when left out; expires_at: in force until before then; address: only for this address. It lifts no unsubscribe, opt-out or suppression. Errors: unknown lead 23503, what the ledger cannot take 22023, a given_at to come 22008. Example: SELECT kam.kam_record_consent(''lead-1'', ''newsletter'', ''email'', ''consent'', ''web_form'', ''{"form": "footer"}'', expires_at => now() + interval ''2 years'');';

CREATE FUNCTION kam_withdraw_consent(lead_id text, source text, purpose text DEFAULT '*', channel text DEFAULT '*', evidence jsonb DEFAULT NULL,
		given_at timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	canonical text := kam._check_consent(kam_withdraw_consent.lead_id, kam_withdraw_consent.purpose, kam_withdraw_consent.channel,
		kam_withdraw_consent.source, kam_withdraw_consent.evidence, kam_withdraw_consent.given_at);
	what text := lower(btrim(kam_withdraw_consent.channel));
	made bigint;
BEGIN
	INSERT INTO kam.consent (lead_id, state, purpose, channel, source, evidence, given_at)
	VALUES (canonical, 'withdrawn', kam_withdraw_consent.purpose, what, btrim(kam_withdraw_consent.source), kam_withdraw_consent.evidence,
		coalesce(kam_withdraw_consent.given_at, kam._now()))
	RETURNING consent_id INTO made;
	-- Everything through every channel: the fact has the effects, as if the person had unsubscribed.
	IF kam_withdraw_consent.purpose = '*' AND what = '*'
	   AND EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = canonical AND NOT l.unsubscribe_flag) THEN
		INSERT INTO kam.CadenceEventLog (lead_id, event_type, originating_agent, payload)
		VALUES (canonical, 'unsubscribe', session_user, jsonb_build_object('consent_id', made, 'source', btrim(kam_withdraw_consent.source)));
	END IF;
	RETURN made;
END
$$;
COMMENT ON FUNCTION kam_withdraw_consent(text, text, text, text, jsonb, timestamptz) IS 'Records that a person took consent back, and returns the consent_id. For everything ("*" and "*", as by default) it is an unsubscribe: flag, suppression, sequences and holds in the same transaction. Narrower, it ends what it covers: rules with requires_consent send nothing more of that purpose and channel by themselves; a later grant counts again. Errors as kam_record_consent. Example: SELECT kam.kam_withdraw_consent(''lead-1'', ''preference_page'', ''newsletter'', ''email'');';

CREATE VIEW kam_consent AS
SELECT kam._canonical(g.lead_id) AS lead_id, g.purpose, g.channel, g.basis, g.address, g.source, g.given_at, g.expires_at, g.consent_id,
       ARRAY(SELECT DISTINCT w.purpose || '/' || w.channel
               FROM kam.consent w
              WHERE w.lead_id = ANY (i.ids) AND w.state = 'withdrawn' AND (w.given_at, w.consent_id) > (g.given_at, g.consent_id)
                AND (g.purpose = ANY (kam._consent_purposes(w.purpose)) OR w.purpose = ANY (kam._consent_purposes(g.purpose)))
                AND (w.channel = g.channel OR '*' IN (w.channel, g.channel))
              ORDER BY 1) AS exceptions
  FROM kam.consent g
 CROSS JOIN LATERAL (SELECT kam._lead_ids(kam._canonical(g.lead_id)) AS ids OFFSET 0) i
 WHERE g.state = 'granted' AND g.given_at <= kam._now() AND (g.expires_at > kam._now() OR g.expires_at IS NULL)
   AND (g.address IS NULL OR EXISTS (
        SELECT FROM kam.Leads l WHERE l.lead_id = kam._canonical(g.lead_id) AND g.address = ANY (kam._lead_addresses(l))))
   AND NOT EXISTS (
        SELECT FROM kam.consent w
         WHERE w.lead_id = ANY (i.ids) AND w.state = 'withdrawn' AND (w.given_at, w.consent_id) > (g.given_at, g.consent_id)
           AND w.purpose = ANY (kam._consent_purposes(g.purpose)) AND w.channel IN ('*', g.channel));
COMMENT ON VIEW kam_consent IS 'What is in force of each lead now: grants that have not expired nor been withdrawn as a whole. exceptions: what was withdrawn of it since, as purpose/channel.';

-- ---- who a person is --------------------------------------------------------------------

CREATE FUNCTION _shared_address(address text, lead_ids text[]) RETURNS boolean
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	RETURN CASE kam._address_kind(address)
		-- A switchboard's number is its company's.
		WHEN 'phone' THEN EXISTS (SELECT FROM kam._leads_with_address(address, 'phone', '', cardinality(lead_ids) + 1) w WHERE w.lead_id <> ALL (lead_ids))
		ELSE (SELECT count(*) > 10 FROM kam._leads_with_address(address, kam._address_kind(address), '', 11)) END;
COMMENT ON FUNCTION _shared_address(text, text[]) IS 'Whether an address names no one person: a phone number that leads besides these have, an e-mail address or profile of more than ten leads.';

CREATE FUNCTION _person(person text, OUT lead_ids text[], OUT session_ids uuid[], OUT addresses text[])
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	plain CONSTANT text := kam._address(person);
	canonical CONSTANT text := kam._canonical(person);
	one text;
BEGIN
	IF coalesce(btrim(person), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'person must not be empty',
			HINT = 'Give a lead_id, an e-mail address, a phone number with its country code, or a LinkedIn profile.';
	END IF;
	addresses := '{}';
	lead_ids := '{}';
	-- The id of a lead goes before an address that looks the same: many are nothing but digits.
	IF EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = canonical) OR EXISTS (SELECT FROM kam.CadenceEventLog e WHERE e.lead_id = canonical)
	   OR EXISTS (SELECT FROM kam.request r WHERE r.lead_id = canonical) OR EXISTS (SELECT FROM kam.consent c WHERE c.lead_id = canonical)
	   OR EXISTS (SELECT FROM kam.lead_alias a WHERE a.canonical_id = canonical) THEN
		lead_ids := kam._lead_ids(canonical);
	ELSIF kam._address_kind(person) = 'domain' THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('a domain is not a person: %s', plain),
			HINT = 'Give a lead_id, an e-mail address, a phone number with its country code, or a LinkedIn profile.';
	ELSIF plain IS NOT NULL THEN
		lead_ids := ARRAY(
			SELECT DISTINCT i.id
			  FROM (SELECT w.lead_id FROM kam._leads_with_address(plain, kam._address_kind(plain), '', 11) w
			        UNION ALL SELECT c.lead_id FROM kam.consent c WHERE c.address = plain
			        UNION ALL SELECT m.loser FROM kam.lead_merge m
			                   WHERE m.undone_at IS NULL AND plain = ANY (kam._lead_addresses(jsonb_populate_record(NULL::kam.Leads, m.before -> 'loser')))) f
			 CROSS JOIN LATERAL unnest(kam._lead_ids(kam._canonical(f.lead_id))) i (id)
			 ORDER BY 1);
		IF kam._shared_address(plain, lead_ids)
		   OR (SELECT count(DISTINCT kam._address(l.email)) > 1 FROM kam.Leads l WHERE kam._address_kind(plain) = 'phone' AND l.lead_id = ANY (lead_ids) AND l.merged_into IS NULL) THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('several people have the address %s', plain),
				DETAIL = format('Leads with it: %s%s.', array_to_string(lead_ids[:10], ', '), CASE WHEN cardinality(lead_ids) > 10 THEN ', …' ELSE '' END),
				HINT = 'Give the lead_id of one.';
		END IF;
		addresses := ARRAY[plain];
	END IF;

	-- Whoever has their e-mail address or profile is the same person.
	FOR one IN SELECT DISTINCT a.address FROM kam.Leads l CROSS JOIN LATERAL unnest(kam._lead_addresses(l)) a (address)
	            WHERE l.lead_id = ANY (lead_ids) AND kam._address_kind(a.address) <> 'phone'
	LOOP
		CONTINUE WHEN kam._shared_address(one, lead_ids);
		lead_ids := lead_ids || ARRAY(
			SELECT i.id FROM kam._leads_with_address(one, kam._address_kind(one), '', 11) w CROSS JOIN LATERAL unnest(kam._lead_ids(kam._canonical(w.lead_id))) i (id));
	END LOOP;
	lead_ids := ARRAY(SELECT DISTINCT u.id FROM unnest(lead_ids) u (id) ORDER BY u.id);
	addresses := ARRAY(
		SELECT DISTINCT a.address
		  FROM (SELECT unnest(addresses)
		        UNION ALL SELECT unnest(kam._lead_addresses(l)) FROM kam.Leads l WHERE l.lead_id = ANY (lead_ids)
		        UNION ALL SELECT c.address FROM kam.consent c WHERE c.lead_id = ANY (lead_ids) AND c.address IS NOT NULL
		        UNION ALL SELECT unnest(kam._lead_addresses(jsonb_populate_record(NULL::kam.Leads, m.before -> 'loser'))) FROM kam.lead_merge m WHERE m.loser = ANY (lead_ids)) a (address)
		 WHERE a.address IS NOT NULL AND NOT kam._shared_address(a.address, lead_ids)
		 ORDER BY 1);

	session_ids := ARRAY(
		SELECT r.session_id
		  FROM kam.request r
		 CROSS JOIN LATERAL (SELECT r.contact -> 'contact_info' AS contact_info OFFSET 0) i
		 WHERE r.lead_id = ANY (lead_ids) OR i.contact_info ->> 'hubspot_id' = ANY (lead_ids) OR kam._address(i.contact_info ->> 'email') = ANY (addresses)
		    OR kam._address(i.contact_info ->> 'phone') = ANY (addresses) OR kam._address(i.contact_info ->> 'linkedin_url') = ANY (addresses)
		UNION
		SELECT d.session_id FROM kam.final_decision d
		 WHERE d.contact_hubspot_id = ANY (lead_ids) OR kam._address(d.linkedin_url) = ANY (addresses)
		ORDER BY 1);
	session_ids := ARRAY(
		SELECT unnest(session_ids) UNION SELECT r.session_id FROM kam.request r WHERE r.replay_of = ANY (session_ids) ORDER BY 1);
	-- What the contact of a run says besides.
	addresses := ARRAY(
		SELECT unnest(addresses)
		UNION
		SELECT a.address
		  FROM kam.request r
		 CROSS JOIN LATERAL unnest(ARRAY['email', 'phone', 'linkedin_url']) k (key)
		 CROSS JOIN LATERAL (SELECT kam._address(r.contact #>> ARRAY['contact_info', k.key]) AS address OFFSET 0) a
		 WHERE r.session_id = ANY (session_ids) AND kam._address_kind(a.address) <> 'domain' AND NOT kam._shared_address(a.address, lead_ids)
		ORDER BY 1);
END
$$;
COMMENT ON FUNCTION _person(text) IS 'What of kam is a person''s: the leads with this id or address, merged ones and others with the same e-mail address or profile too; the runs about them, or whose contact has such an address; the addresses. An address that several people share is none of theirs (22023 when it is all that was given, as for a domain). Empty arrays for nobody.';

-- ---- what is held, and what becomes of it -------------------------------------------------

CREATE FUNCTION _personal_data() RETURNS TABLE (relation text, finds text, scrubs jsonb, keeps text[])
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
	VALUES
		-- Leads first: what its triggers note of the change is emptied after it.
		('leads', 't.lead_id = ANY ($1)',
			'{"full_name": "NULL", "job_title": "NULL", "email": "NULL", "phone": "NULL", "linkedin_url": "NULL", "time_zone": "NULL", "attributes": "''{}''",
			  "opt_out_flag": "true", "erased_at": "coalesce(t.erased_at, kam._now())"}'::jsonb,
			'{lead_id,account_id,owner_id,icp_tier,cadence_state,active_sequence_id,merged_into}'::text[]),
		('lead_alias', 't.lead_id = ANY ($1) OR t.canonical_id = ANY ($1)', '{}', '{lead_id,canonical_id}'),
		-- Enough is left for kam_unmerge_leads.
		('lead_merge', 't.loser = ANY ($1) OR t.winner = ANY ($1)',
			'{"before": "jsonb_build_object(''loser'', ''{\"unsubscribe_flag\": true, \"opt_out_flag\": true}''::jsonb, ''winner'', ''{\"unsubscribe_flag\": true, \"opt_out_flag\": true}''::jsonb, ''aliases'', t.before -> ''aliases'', ''asked'', t.before -> ''asked'', ''enrolments'', ''[]''::jsonb, ''holds'', ''[]''::jsonb)"}',
			'{loser,winner,merged_by}'),
		('prospect_state', 't.lead_id = ANY ($1)', '{}',
			'{lead_id,sales_sequence,sales_type,sales_play,sales_proposal,marketing_sequence,marketing_type,marketing_play,marketing_proposal}'),
		('cadence', 't.lead_id = ANY ($1)', '{"steps": "''[]''"}',
			'{lead_id,sequence_id,sequence_type,family,originating_agent,state,paused_reason,end_reason,play_id,originating_proposal_id,step_note}'),
		('cadenceeventlog', 't.lead_id = ANY ($1)', '{"payload": "NULL", "idempotency_key": "NULL"}',
			'{lead_id,sequence_id,sequence_type,event_type,requested_event_type,channel,originating_agent,coordinator_action,resolution,suppressed_reason,compliance_status,play_id,originating_proposal_id,family}'),
		('cadencequeue', 't.lead_id = ANY ($1)', '{}', '{lead_id,kind,sequence_id,reason,state,end_reason}'),
		('cadenceflag', 't.lead_id = ANY ($1)', '{"detail": "''{}''", "closed_at": "coalesce(t.closed_at, kam._now())"}', '{kind,lead_id,rep_id,sequence_id}'),
		('consent', 't.lead_id = ANY ($1)', '{"address": "NULL", "evidence": "NULL"}', '{lead_id,state,purpose,channel,basis,source,recorded_by}'),
		('suppression', 't.address = ANY (kam._suppression_keys($3))',
			'{"address": "CASE WHEN t.address LIKE ''sha256:%'' THEN t.address ELSE (kam._suppression_keys(ARRAY[t.address]))[2] END", "source": "''erasure''", "reason": "NULL",
			  "settled_at": "coalesce(t.settled_at, kam._now())"}',
			'{kind,created_by,settled_upto}'),
		('erasure', 't.lead_ids && $1', '{}', '{erased_by,reason,lead_ids,rows}'),

		('abmplaybook', 't.lead_id = ANY ($1)', '{"steps": "''[]''", "attributes": "''{}''", "state": "CASE t.state WHEN ''draft'' THEN t.state ELSE ''ended'' END"}',
			'{playbook_id,account_id,lead_id,sequence_type,play_id,originating_proposal_id}'),
		('commbrieflog', 't.lead_id = ANY ($1)', '{"body": "''{}''"}', '{brief_id,account_id,lead_id,play_id,originating_proposal_id}'),
		('nurturerecommendations', 't.lead_id = ANY ($1)', '{"body": "''{}''"}',
			'{recommendation_id,account_id,lead_id,suppressed_reason,play_id,originating_proposal_id}'),
		('opportunities', 't.lead_id = ANY ($1)', '{"name": "NULL"}',
			'{opportunity_id,account_id,lead_id,stage,status,currency,play_id,originating_proposal_id}'),

		-- The owner stays: costs are told by owner.
		('request', 't.session_id = ANY ($2)',
			'{"contact": "jsonb_build_object(''contact_info'', jsonb_strip_nulls(jsonb_build_object(''owner'', t.contact #> ''{contact_info,owner}'')), ''activities'', ''[]''::jsonb)",
			  "options": "t.options - ''idempotency_key''", "error": "CASE WHEN t.error IS NOT NULL THEN ''erased'' END"}',
			'{lead_id,status,sqlstate,prompts,settings}'),
		('agent_call', 't.session_id = ANY ($2)',
			'{"response": "NULL", "output": "CASE WHEN t.output IS NOT NULL THEN ''{}''::jsonb END", "error": "NULL", "request_sha256": "NULL"}',
			'{agent,provider,model,status,provider_request_id,stop_reason,error_class}'),
		('final_decision', 't.session_id = ANY ($2)',
			'{"decision": "kam._erased_decision(t.decision)", "linkedin_url": "NULL", "user_slack_message": "NULL", "edited_message": "NULL", "guard": "''{}''"}',
			'{action,selected_channel,contact_hubspot_id,owner_name,type_of_validation,validated_by}'),
		('replay_decision', 't.session_id = ANY ($2)',
			'{"decision": "kam._erased_decision(t.decision)", "guard": "''{}''", "synthesis": "NULL", "criteria": "CASE WHEN t.criteria IS NOT NULL THEN ''[]''::jsonb END"}',
			'{action,selected_channel,verdict}'),
		('n8n_orchestrator_synthesis', 't.session_id = ANY ($2)',
			'{"output": "NULL", "final_decision": "kam._erased_decision(t.final_decision)"}', '{}'),
		('decision_evaluation', 't.session_id = ANY ($2)', '{"criteria": "''[]''"}', '{verdict}'),
		('workflow_run', 't.session_id = ANY ($2)', '{}', '{status,timings}'),
		('notification', 't.session_id = ANY ($2) OR t.lead_id = ANY ($1)',
			'{"payload": "''{}''", "last_error": "NULL", "status": "CASE WHEN t.status IN (''pending'', ''failed'', ''parked'') THEN ''dead'' ELSE t.status END",
			  "next_attempt_at": "CASE WHEN t.status IN (''pending'', ''failed'', ''parked'') THEN ''infinity'' ELSE t.next_attempt_at END"}',
			'{recipient,topic,lead_id,endpoint,acknowledged_by}'),
		('sent_message', 't.lead_id = ANY ($1)', NULL, '{}'),
		('unsubscribe_token', 't.lead_id = ANY ($1)', NULL, '{}'),

		-- Notes of what is to be done: there is nothing left to do.
		('_change', 't.session_id = ANY ($2)', NULL, '{}'),
		('_play_candidate', 't.lead_id = ANY ($1)', NULL, '{}'),
		('_tick_failure', 't.lead_id = ANY ($1) OR t.lead_id = ANY ($3)', NULL, '{}'),
		('_intelligence_late', 't.lead_id = ANY ($1)', '{}', '{lead_id}')
	$$;
COMMENT ON FUNCTION _personal_data() IS 'Every table that holds something of people. finds: which rows t are a person''s, by the leads $1, runs $2 and addresses $3 of _person. scrubs: what kam_erase_person sets each personal column to; NULL: it deletes the rows. keeps: the other columns of text or jsonb, which name nobody. A table with a lead or run that is not in here fails the tests.';

CREATE FUNCTION _erased_decision(decision jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT jsonb_build_object('final_decision', jsonb_strip_nulls(jsonb_build_object('action', d.said -> 'action', 'selected_channel', d.said -> 'selected_channel',
		           'rationale', jsonb_build_object('opportunity_strength', CASE jsonb_typeof(d.said #> '{rationale,opportunity_strength}')
		               WHEN 'number' THEN d.said #> '{rationale,opportunity_strength}' END))))
		  FROM (SELECT coalesce(_erased_decision.decision -> 'final_decision', _erased_decision.decision) AS said) d;
	END;
COMMENT ON FUNCTION _erased_decision(jsonb) IS 'What stays of a decision about somebody who was erased, for counting: action, channel, opportunity_strength.';

CREATE FUNCTION kam_export_person(person text) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET timezone = 'UTC'
	AS $$
#variable_conflict use_column
DECLARE
	who record;
	held record;
	rows jsonb;
	data jsonb := '{}';
	found boolean := false;
BEGIN
	SELECT p.* INTO who FROM kam._person(kam_export_person.person) p;
	FOR held IN SELECT d.* FROM kam._personal_data() d LOOP
		EXECUTE format('SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t), ''[]'') FROM kam.%I t WHERE %s', held.relation, held.finds)
		   INTO rows USING who.lead_ids, who.session_ids, who.addresses;
		data := data || jsonb_build_object(held.relation, rows);
		found := found OR rows <> '[]';
	END LOOP;
	RETURN jsonb_build_object('person', kam_export_person.person, 'as_of', kam._now(), 'found', found, 'lead_ids', to_jsonb(who.lead_ids),
		'session_ids', to_jsonb(who.session_ids), 'addresses', to_jsonb(who.addresses), 'data', data);
END
$$;
COMMENT ON FUNCTION kam_export_person(text) IS 'Everything that kam holds of a person, for an access request (GDPR Art. 15, 20). person: a lead_id, e-mail address, phone number or LinkedIn profile; leads merged with theirs, others with the same e-mail address or profile, and runs whose contact has such an address are theirs too. {"person", "as_of", "found", "lead_ids", "session_ids", "addresses", "data": {table: [row, …]}}: every table that may hold something is there, rows with their columns'' names, times ISO 8601 in UTC. found is false when nothing is held. A domain, or an address that several people share: 22023. Reads all of request: seconds where it is large. Example: SELECT jsonb_pretty(kam.kam_export_person(''jane@acme.com''));';

-- ---- forgetting -----------------------------------------------------------------------------

CREATE FUNCTION _lead_erased() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
BEGIN
	NEW.full_name := NULL;
	NEW.job_title := NULL;
	NEW.email := NULL;
	NEW.phone := NULL;
	NEW.linkedin_url := NULL;
	NEW.time_zone := NULL;
	NEW.attributes := '{}';
	NEW.opt_out_flag := true;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _lead_erased() IS 'Row trigger on Leads: a sync that still knows a person who was erased does not write them back, nor clears the opt-out. Setting erased_at to NULL, alone, makes the row an ordinary lead again.';
CREATE TRIGGER _lead_erased BEFORE UPDATE OF full_name, job_title, email, phone, linkedin_url, time_zone, attributes, opt_out_flag ON Leads FOR EACH ROW
	WHEN (OLD.erased_at IS NOT NULL) EXECUTE FUNCTION _lead_erased();

CREATE FUNCTION kam_erase_person(person text, reason text DEFAULT NULL) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	at CONSTANT timestamptz := kam._now();
	who record;
	again record;
	one record;
	done bigint;
	cancelled integer := 0;
	ended bigint;
	holds bigint;
	suppressed bigint := 0;
	counts jsonb := '{}';
	made bigint;
	naming text[];
	known boolean;
BEGIN
	-- What commits while it waits for a lock must be seen, to be erased too.
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = 'kam_erase_person needs the isolation level READ COMMITTED',
			HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED, or call it outside a transaction.';
	END IF;

	-- Runs before leads, as kam_validate locks them.  A run that ends while we wait may have begun another.
	LOOP
		SELECT p.* INTO who FROM kam._person(kam_erase_person.person) p;
		PERFORM FROM kam.request r WHERE r.session_id = ANY (who.session_ids) ORDER BY r.session_id FOR NO KEY UPDATE;
		PERFORM FROM kam.final_decision d WHERE d.session_id = ANY (who.session_ids) ORDER BY d.session_id FOR NO KEY UPDATE;
		SELECT count(*) FILTER (WHERE kam.kam_cancel(u.session_id)) INTO done
		  FROM (SELECT r.session_id FROM kam.request r
		         WHERE r.session_id = ANY (who.session_ids) AND (r.finished_at IS NULL OR r.rerun_at IS NOT NULL) ORDER BY r.session_id OFFSET 0) u;
		cancelled := cancelled + done;
		SELECT p.* INTO again FROM kam._person(kam_erase_person.person) p;
		EXIT WHEN done = 0 AND again = who;
	END LOOP;
	LOOP
		PERFORM FROM kam.Leads l WHERE l.lead_id = ANY (who.lead_ids) ORDER BY l.lead_id FOR NO KEY UPDATE;
		SELECT p.* INTO again FROM kam._person(kam_erase_person.person) p;
		EXIT WHEN again = who;
		who := again;
	END LOOP;

	-- Of whom nothing is held nothing is written down either.
	known := who.lead_ids <> '{}' OR who.session_ids <> '{}'
		OR EXISTS (SELECT FROM kam.Suppression s WHERE s.address = ANY (kam._suppression_keys(who.addresses)));
	IF NOT known THEN
		who.addresses := '{}';
	END IF;

	-- The person wants no contact: sequences end, holds are cancelled, as by an opt-out.
	SELECT count(*) INTO ended FROM kam.Cadence c WHERE c.lead_id = ANY (who.lead_ids) AND c.state <> 'finished';
	SELECT count(*) INTO holds FROM kam.CadenceQueue q WHERE q.lead_id = ANY (who.lead_ids) AND q.state = 'waiting';
	-- The flag follows with the addresses: set before, it would suppress one that others share.
	PERFORM kam._stop_lead(l.lead_id, 'opted_out', at)
	   FROM (SELECT o.lead_id FROM kam.Leads o WHERE o.lead_id = ANY (who.lead_ids) ORDER BY o.lead_id OFFSET 0) l;
	INSERT INTO kam.consent (lead_id, state, purpose, channel, source, given_at)
	SELECT DISTINCT b.lead_id, 'withdrawn', '*', '*', 'erasure', at FROM kam_consent b WHERE b.lead_id = ANY (who.lead_ids);

	-- What stays to know the person by.
	IF cardinality(who.addresses) > 0 THEN
		INSERT INTO kam._erasure_salt (salt)
		SELECT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
		ON CONFLICT DO NOTHING;
		SELECT count(*) INTO suppressed FROM unnest(who.addresses) a (address)
		 WHERE NOT EXISTS (SELECT FROM kam.Suppression s WHERE s.address = (kam._suppression_keys(ARRAY[a.address]))[2]);
		-- An address that is known by its hash is not written (_suppression_normal).
		INSERT INTO kam.Suppression (address, kind, source)
		SELECT a.address, kam._address_kind(a.address), 'erasure' FROM unnest(who.addresses) a (address) ORDER BY a.address
		ON CONFLICT (address) DO NOTHING;
	END IF;

	FOR one IN
		SELECT d.relation,
		       CASE WHEN d.scrubs IS NULL THEN format('DELETE FROM kam.%I t WHERE %s', d.relation, d.finds)
		            ELSE format('UPDATE kam.%I t SET %s WHERE (%s) AND (%s)', d.relation, s.sets, d.finds, s.differs) END AS statement
		  FROM kam._personal_data() WITH ORDINALITY d
		 CROSS JOIN LATERAL (SELECT string_agg(format('%I = %s', c.key, c.value), ', ') AS sets,
		                            string_agg(format('t.%I IS DISTINCT FROM %s', c.key, c.value), ' OR ') AS differs
		                       FROM jsonb_each_text(d.scrubs) c) s
		 WHERE d.scrubs IS DISTINCT FROM '{}'
		 ORDER BY d.ordinality
	LOOP
		done := kam._erase_rows(one.statement, who.lead_ids, who.session_ids, who.addresses);
		IF done > 0 THEN
			counts := counts || jsonb_build_object(one.relation, done);
		END IF;
	END LOOP;
	PERFORM kam._rebuild_state(l.lead_id) FROM kam.Leads l WHERE l.lead_id = ANY (who.lead_ids) AND l.merged_into IS NULL;

	IF counts <> '{}' THEN
		INSERT INTO kam.erasure (erased_at, reason, lead_ids, rows) VALUES (at, kam_erase_person.reason, who.lead_ids, counts)
		RETURNING erasure_id INTO made;
	END IF;
	-- An id that is an address stays one.
	naming := ARRAY(SELECT u.id FROM unnest(who.lead_ids) u (id) WHERE EXISTS (SELECT FROM unnest(who.addresses) a (address) WHERE kam._address(u.id) = a.address));
	IF cardinality(naming) > 0 THEN
		RAISE WARNING USING MESSAGE = format('ids that are addresses of the person stay: %s', cardinality(naming)),
			HINT = 'Ids are the keys of the log: import people under ids that name nobody.';
	END IF;
	RETURN jsonb_build_object(
		'found', known, 'erasure_id', made, 'lead_ids', to_jsonb(who.lead_ids), 'runs_cancelled', cancelled, 'sequences_ended', ended, 'holds_cancelled', holds,
		'suppressed', suppressed, 'rows', counts);
END
$$;
COMMENT ON FUNCTION kam_erase_person(text, text) IS 'Forgets a person (GDPR Art. 17), for good. person as for kam_export_person, which shows beforehand what is theirs. Unfinished runs are cancelled, sequences end, holds are cancelled; names, addresses, texts, payloads and what models said are emptied in every table; the rows stay, with their numbers, under the lead_id, so that caps, counts and costs are what they were. The addresses stay blocked, as salted hashes (Suppression): a later import of the person passes no gate. A sync that still knows them does not write them back into the lead (Leads.erased_at). {"found", "erasure_id" (NULL when there was nothing left to do), "lead_ids", "runs_cancelled", "sequences_ended", "holds_cancelled", "suppressed" (addresses newly), "rows": {table: n}}; again it does nothing. Nobody known: found is false, and nothing is written. A domain, or an address that several people share: 22023; in REPEATABLE READ or SERIALIZABLE 0A000. Example: SELECT kam.kam_erase_person(''lead-1'', ''request of 2026-03-02'');';

-- Retention: what is older than kam.retain_runs, kam.retain_calls, kam.retain_events and kam.retain_notifications say goes, in bounded batches.  The worker
-- and kam_retain() go through the same functions.
--
-- Each kind is walked in the order in which its rows came, from where the last turn stopped, up to the first row that is too young.  So a turn reads a
-- batch by an index, however much is kept behind it; what was kept on the way (in use, locked, failed) is looked at again in the next round.

-- ---- the kinds -----------------------------------------------------------------------

CREATE TABLE _retention (
	kind		text PRIMARY KEY,
	upto		text,
	again_at	timestamptz,
	skipped		bigint NOT NULL DEFAULT 0,
	turned_at	timestamptz,
	gone		bigint NOT NULL DEFAULT 0,
	gone_at		timestamptz,
	gone_before	timestamptz,
	failed_at	timestamptz,
	sqlstate	text,
	error		text
);
COMMENT ON TABLE _retention IS 'How far retention has come with each kind of rows. A row comes with the first turn; whoever holds it deletes that kind.';
COMMENT ON COLUMN _retention.kind IS 'calls (emptied), events (with their rows of CadenceQueue), flags, notifications.';
COMMENT ON COLUMN _retention.upto IS 'The place of the row that was looked at last; NULL: none yet in this round.';
COMMENT ON COLUMN _retention.again_at IS 'The round is through, and the next one begins then (kam''s clock); until then only rows that have become old since are looked at. NULL while it lasts.';
COMMENT ON COLUMN _retention.skipped IS 'Passed over in this round because somebody had them locked, or because they failed.';
COMMENT ON COLUMN _retention.turned_at IS 'The last turn (real time).';
COMMENT ON COLUMN _retention.gone IS 'Rows deleted (of calls: emptied) so far.';
COMMENT ON COLUMN _retention.gone_at IS 'When any were last.';
COMMENT ON COLUMN _retention.gone_before IS 'Nothing younger than this was (kam''s clock): of earlier days the log does not tell everything.';
COMMENT ON COLUMN _retention.failed_at IS 'When an item last failed (real time).';
COMMENT ON COLUMN _retention.sqlstate IS 'Of that failure.';
COMMENT ON COLUMN _retention.error IS 'Its message.';

CREATE FUNCTION _retention_kinds() RETURNS TABLE (kind text, setting text, least_period interval, item_rows integer, next_round interval, walk text, dispose text)
	LANGUAGE sql STABLE ROWS 4
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		VALUES
		-- The order of request_finished; what is decided for good does not change its place.
		('calls', 'kam.retain_calls', interval '0', 10, interval '7 days',
			'SELECT concat_ws(''|'', r.finished_at, r.session_id), r.session_id::text, r.finished_at FROM kam.request r
			  WHERE r.finished_at IS NOT NULL AND (r.finished_at, r.session_id) > (coalesce(nullif(split_part($1, ''|'', 1), ''''), ''-infinity'')::timestamptz,
			        coalesce(nullif(split_part($1, ''|'', 2), ''''), ''00000000-0000-0000-0000-000000000000'')::uuid)
			  ORDER BY r.finished_at, r.session_id LIMIT $2',
			'_empty_calls'),
		-- A lead's rows are also looked at whenever another one of them has become old: rounds are for the rest, and read everything that is kept.
		-- What intelligence_day does not count yet stays, late rows too.  Daily limits look back a day, in any zone.
		('events', 'kam.retain_events', kam._touch_window() + interval '48:00:00', 1, interval '7 days',
			'SELECT e.event_id::text, e.lead_id, coalesce(e.event_at, ''-infinity'') FROM kam.CadenceEventLog e
			  WHERE e.event_id + 0 > coalesce($1::bigint, -9223372036854775807) AND e.event_id + 0 <= (SELECT s.upto FROM kam._intelligence_state s)
			    AND NOT EXISTS (SELECT FROM kam._intelligence_late)
			  ORDER BY e.event_id + 0 LIMIT $2',
			'_forget_events'),
		('flags', 'kam.retain_events', interval '0', 1, interval '1 day',
			'SELECT f.flag_id::text, f.flag_id::text, f.opened_at FROM kam.CadenceFlag f
			  WHERE f.flag_id > coalesce($1::bigint, -9223372036854775807) ORDER BY f.flag_id LIMIT $2',
			'_forget_flags'),
		('notifications', 'kam.retain_notifications', interval '0', 1, interval '1 day',
			'SELECT n.notification_id::text, n.notification_id::text, n.created_at FROM kam.notification n
			  WHERE n.notification_id > coalesce($1::bigint, -9223372036854775807) ORDER BY n.notification_id LIMIT $2',
			'_forget_notifications');
	END;
COMMENT ON FUNCTION _retention_kinds() IS 'What retention knows of each kind: its setting, the shortest period that it takes, how many rows an item stands for, when what was kept is looked at again, the statement that walks it ($1: after this place, $2: how many; gives place, item, time), and the function that deletes items.';

CREATE FUNCTION _retention_period(setting text) RETURNS interval
	LANGUAGE sql STABLE STRICT
	SET search_path = pg_catalog, kam, pg_temp
	-- In seconds: a day of a setting is 24 hours, also when the clocks change.
	RETURN make_interval(secs => nullif(extract(epoch FROM current_setting(setting)::interval), 0)::float8);
COMMENT ON FUNCTION _retention_period(text) IS 'A setting of retention; NULL for 0, which is for ever.';

-- ---- runs and calls ---------------------------------------------------------------------

CREATE FUNCTION _retain_runs(before timestamptz, most integer) RETURNS integer
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	gone integer := 0;
	due uuid;
BEGIN
	-- A wait that is still to run again is kept: its row is what runs.  So is what a person judged: later runs learn from it.
	FOR due IN
		SELECT r.session_id FROM kam.request r
		 WHERE r.finished_at IS NOT NULL AND r.finished_at < before AND r.rerun_at IS NULL
		   AND NOT EXISTS (SELECT FROM kam.final_decision d WHERE d.session_id = r.session_id AND d.type_of_validation IS NOT NULL)
		 ORDER BY r.finished_at LIMIT most
	LOOP
		DELETE FROM kam.request r
		 WHERE r.session_id = due AND r.finished_at IS NOT NULL AND r.finished_at < before AND r.rerun_at IS NULL
		   AND NOT EXISTS (SELECT FROM kam.final_decision d WHERE d.session_id = r.session_id AND d.type_of_validation IS NOT NULL);
		IF FOUND THEN
			gone := gone + 1;
		END IF;
	END LOOP;
	RETURN gone;
END
$$;
COMMENT ON FUNCTION _retain_runs(timestamptz, integer) IS 'Deletes runs that finished before a moment, at most so many, with all that hangs on them; returns how many.';

-- A run that is judged is never taken up again; one that failed or was cancelled may be, and goes on from its answers.
CREATE FUNCTION _empty_calls(items text[], before timestamptz, most integer, OUT gone integer, OUT skipped integer, OUT undone text[])
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	due uuid[];
	held uuid[];
BEGIN
	due := ARRAY(
		SELECT r.session_id FROM kam.request r
		 WHERE r.session_id = ANY (items::uuid[]) AND r.status = 'judged'
		   AND EXISTS (SELECT FROM kam.agent_call c WHERE c.session_id = r.session_id
		                  AND (c.response IS NOT NULL OR c.output <> '{}' OR c.request_sha256 IS NOT NULL) OFFSET 0));
	-- A replay under way may still ask for the answers.  (By keys throughout: not by finished_at, which would lead through all that finished.)
	held := ARRAY(
		SELECT r.session_id FROM kam.request r
		 WHERE r.session_id = ANY (due) AND NOT EXISTS (SELECT FROM kam.request p WHERE p.replay_of = r.session_id AND p.status NOT IN ('judged', 'failed', 'cancelled') OFFSET 0)
		   FOR KEY SHARE SKIP LOCKED);
	-- No answer is found any more under the hash of what was asked: an empty one must not be taken for it.
	UPDATE kam.agent_call c
	   SET response = NULL, request_sha256 = NULL, output = CASE WHEN c.output IS NOT NULL THEN '{}'::jsonb END
	 WHERE c.session_id = ANY (held) AND (c.response IS NOT NULL OR c.output <> '{}' OR c.request_sha256 IS NOT NULL);
	GET DIAGNOSTICS gone = ROW_COUNT;
	skipped := cardinality(due) - cardinality(held);
	undone := '{}';
END
$$;
COMMENT ON FUNCTION _empty_calls(text[], timestamptz, integer) IS 'Empties the answers to the calls of these runs, as far as they are judged.';

-- ---- notifications and flags --------------------------------------------------------------

CREATE FUNCTION _forget_notifications(items text[], before timestamptz, most integer, OUT gone integer, OUT skipped integer, OUT undone text[])
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	due bigint[];
BEGIN
	-- What came with a restore waits for kam_resume(), what goes to an endpoint for its delivery.  An inbox is nobody's to empty but its reader's,
	-- until the time is over.
	due := ARRAY(
		SELECT n.notification_id FROM kam.notification n
		 WHERE n.notification_id = ANY (items::bigint[]) AND n.created_at < before
		   AND (n.status IN ('sent', 'dead', 'acknowledged')
		        OR n.status IN ('pending', 'failed') AND n.home = kam._home()
		           AND NOT EXISTS (SELECT FROM kam.endpoint e WHERE e.endpoint = n.recipient)
		           AND NOT EXISTS (SELECT FROM kam.Reps p WHERE p.rep_id = n.recipient AND p.endpoint IS NOT NULL)));
	DELETE FROM kam.notification n
	 WHERE n.notification_id = ANY (ARRAY(SELECT d.notification_id FROM kam.notification d WHERE d.notification_id = ANY (due) FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS gone = ROW_COUNT;
	skipped := cardinality(due) - gone;
	undone := '{}';
END
$$;
COMMENT ON FUNCTION _forget_notifications(text[], timestamptz, integer) IS 'Deletes notifications of before a moment, but for those that an endpoint has still to get.';

CREATE FUNCTION _forget_flags(items text[], before timestamptz, most integer, OUT gone integer, OUT skipped integer, OUT undone text[])
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	due bigint[];
BEGIN
	due := ARRAY(SELECT f.flag_id FROM kam.CadenceFlag f WHERE f.flag_id = ANY (items::bigint[]) AND f.closed_at < before);
	DELETE FROM kam.CadenceFlag f
	 WHERE f.flag_id = ANY (ARRAY(SELECT d.flag_id FROM kam.CadenceFlag d WHERE d.flag_id = ANY (due) AND d.closed_at < before FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS gone = ROW_COUNT;
	skipped := cardinality(due) - gone;
	undone := '{}';
END
$$;
COMMENT ON FUNCTION _forget_flags(text[], timestamptz, integer) IS 'Deletes flags that were closed before a moment.';

-- ---- the log ---------------------------------------------------------------------------------

CREATE FUNCTION _change_log(statement text, lead_id text, event_ids bigint[]) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
	AS 'MODULE_PATHNAME', 'kam_cadence_change_log';
COMMENT ON FUNCTION _change_log(text, text, bigint[]) IS 'Runs one UPDATE or DELETE of CadenceEventLog with $1 the lead and $2 the events, and returns how many rows it changed: the only way past _log_guard(), for that lead''s rows alone, from a SECURITY DEFINER function of the log''s owner that holds the lead''s lock (42501 otherwise, for superusers too).';

CREATE FUNCTION _disposable_events(lead_id text, holder text, before timestamptz, most integer) RETURNS bigint[]
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	summed CONSTANT bigint := (SELECT s.upto FROM kam._intelligence_state s);
	known CONSTANT boolean := EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = _disposable_events.holder);
	-- Step-once and answers look at all leads that are one person.
	ids CONSTANT text[] := kam._lead_ids(holder);
	running CONSTANT text[] := ARRAY(SELECT c.sequence_id FROM kam.Cadence c WHERE c.lead_id = ANY (ids) AND c.state <> 'finished');
	-- What _derive_state() reads of the lead's own rows.
	last_decision bigint;
	last_touch bigint;
	ring bigint[] := '{}';
BEGIN
	-- What is not counted yet may be the answer to any touch before it.
	IF summed IS NULL OR EXISTS (SELECT FROM kam.CadenceEventLog e WHERE e.lead_id = ANY (ids || _disposable_events.lead_id) AND e.event_id > summed) THEN
		RETURN '{}';
	END IF;
	IF known THEN
		last_decision := (
			SELECT e.event_id FROM kam.CadenceEventLog e
			 WHERE e.lead_id = _disposable_events.lead_id AND e.coordinator_action <> 'blocked' AND e.event_type NOT IN ('cancelled', 'expired')
			   AND NOT (e.event_type = 'touch' AND e.family = 'transactional')
			 ORDER BY e.event_id DESC LIMIT 1);
		last_touch := (
			SELECT e.event_id FROM kam.CadenceEventLog e
			 WHERE e.lead_id = _disposable_events.lead_id AND e.touch_no IS NOT NULL ORDER BY e.touch_no DESC LIMIT 1);
		ring := ARRAY(
			SELECT o.event_id
			  FROM (SELECT e.event_id, e.touch_at FROM kam.CadenceEventLog e
			         WHERE e.lead_id = _disposable_events.lead_id AND e.touch_no IS NOT NULL AND e.counted OFFSET 0) o
			 ORDER BY o.touch_at DESC LIMIT 8);
	END IF;
	-- Each is looked up by its key: hashed (but for OFFSET 0), or found by an index of all that waits, a whole table would be read for each lead.
	RETURN ARRAY(
		WITH RECURSIVE mine AS MATERIALIZED (
			SELECT e.event_id, e.parent_event_id,
			       -- too young, or late and not counted yet
			       coalesce(e.event_at >= before OR e.counted AND e.touch_at >= before, true)
			       OR EXISTS (SELECT FROM kam._intelligence_late l WHERE l.event_id = e.event_id AND l.lead_id = e.lead_id OFFSET 0)
			       -- a person's word is proof, and where there is no address nothing else remembers it
			       OR e.event_type IN ('opt_out', 'unsubscribe')
			       -- what waits, what runs, what schedules go by
			       OR coalesce((SELECT q.state FROM kam.CadenceQueue q WHERE q.lead_id = e.lead_id AND q.event_id = e.event_id) = 'waiting', false)
			       OR coalesce(e.sequence_id = ANY (running), false)
			       OR e.play_id IS NOT NULL AND EXISTS (SELECT FROM kam.SalesPlayLibrary p WHERE p.play_id = e.play_id AND p.state <> 'ended' OFFSET 0)
			       OR e.originating_agent = 'AGT-203' AND EXISTS (
			          SELECT FROM kam.ABMPlaybook b WHERE e.sequence_id = 'abm-' || b.playbook_id AND b.playbook_id = substr(e.sequence_id, 5) AND b.state <> 'ended' OFFSET 0)
			       -- what the lead's state derives from
			       OR coalesce(e.event_id IN (last_decision, last_touch), false) OR e.event_id = ANY (ring) AS kept
			  FROM kam.CadenceEventLog e
			 WHERE e.lead_id = _disposable_events.lead_id
		), link AS MATERIALIZED (
			SELECT m.event_id, m.parent_event_id AS other FROM mine m WHERE m.parent_event_id IS NOT NULL
			UNION ALL
			SELECT m.parent_event_id, m.event_id FROM mine m WHERE m.parent_event_id IS NOT NULL
		), kept AS (
			-- A request, its releases and what became of them go together.
			SELECT m.event_id FROM mine m WHERE m.kept
			UNION
			SELECT l.other FROM kept k JOIN link l USING (event_id)
		)
		SELECT m.event_id FROM mine m WHERE NOT EXISTS (SELECT FROM kept k WHERE k.event_id = m.event_id) ORDER BY m.event_id LIMIT most);
END
$$;
COMMENT ON FUNCTION _disposable_events(text, text, timestamptz, integer) IS 'The rows of a lead''s log that nobody needs any more, oldest first, at most so many; none while intelligence_day does not count all that is known of the person. Kept are rows since "before"; opt-outs; what waits in the queue; everything of sequences that are not finished, of plays and of playbooks that have not ended; while the lead (holder: who stands for it) is in Leads, its last decision, its last touch and its eight newest counted touches; and whatever belongs to one of these by parent_event_id.';

CREATE FUNCTION _forget_events(items text[], before timestamptz, most integer, OUT gone integer, OUT skipped integer, OUT undone text[])
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	AS $$
DECLARE
	lead text;
	holder text;
	doomed bigint[];
BEGIN
	gone := 0;
	skipped := 0;
	undone := '{}';
	FOREACH lead IN ARRAY items LOOP
		IF gone >= most THEN
			undone := undone || lead;
			CONTINUE;
		END IF;
		-- Most leads have nothing to give: they are not locked for that.
		holder := kam._canonical(lead);
		CONTINUE WHEN cardinality(kam._disposable_events(lead, holder, before, 1)) = 0;
		PERFORM FROM kam.Leads l WHERE l.lead_id = holder FOR NO KEY UPDATE SKIP LOCKED;
		IF NOT FOUND AND EXISTS (SELECT FROM kam.Leads l WHERE l.lead_id = holder) OR kam._canonical(lead) <> holder THEN
			skipped := skipped + 1;
			CONTINUE;
		END IF;
		PERFORM FROM kam.prospect_state s WHERE s.lead_id = holder FOR NO KEY UPDATE;
		doomed := kam._disposable_events(lead, holder, before, most - gone);
		IF cardinality(doomed) = most - gone THEN
			undone := undone || lead;
		END IF;
		DELETE FROM kam.CadenceQueue q WHERE q.lead_id = lead AND q.event_id = ANY (doomed);
		DELETE FROM kam.sent_message m WHERE m.lead_id IN (lead, holder) AND m.event_id = ANY (doomed);
		gone := gone + kam._change_log('DELETE FROM kam.CadenceEventLog e WHERE e.lead_id = $1 AND e.event_id = ANY ($2)', lead, doomed);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _forget_events(text[], timestamptz, integer) IS 'Deletes rows of these leads'' logs that nobody needs any more, with their rows of CadenceQueue and sent_message. undone: leads that may have more.';

-- ---- the interpreter ---------------------------------------------------------------------------

CREATE FUNCTION _retain_kind(kind text, at timestamptz, batch integer, by_hand boolean) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, kam, pg_temp
	SET datestyle = 'ISO, YMD'
	SET timezone = 'UTC'
	AS $$
#variable_conflict use_column
DECLARE
	k record;
	own kam._retention;
	before timestamptz;
	most integer;
	place text[];
	item text[];
	items text[];
	full_batch boolean;
	more boolean;
	first_undone integer;
	outcome record;
	gone integer := 0;
	skipped integer := 0;
	failed integer := 0;
	undone text[] := '{}';
	errors jsonb := '[]';
	state text;
	message text;
	one text;
BEGIN
	SELECT * INTO STRICT k FROM kam._retention_kinds() r WHERE r.kind = _retain_kind.kind;
	before := at - greatest(kam._retention_period(k.setting), CASE WHEN kam._retention_period(k.setting) IS NOT NULL THEN k.least_period END);
	IF before IS NULL THEN
		RETURN '{"seen": 0, "more": false}';
	END IF;
	IF NOT EXISTS (SELECT FROM kam._retention r WHERE r.kind = _retain_kind.kind) THEN
		INSERT INTO kam._retention (kind) VALUES (_retain_kind.kind) ON CONFLICT DO NOTHING;
	END IF;
	SELECT * INTO own FROM kam._retention r WHERE r.kind = _retain_kind.kind FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN '{"seen": 0, "more": false}';
	END IF;
	IF own.again_at <= at OR own.again_at IS NOT NULL AND by_hand THEN
		own.upto := NULL;
		own.again_at := NULL;
		own.skipped := 0;
	END IF;

	most := greatest(batch / k.item_rows, 1);
	EXECUTE format('WITH seen AS MATERIALIZED (SELECT row_number() OVER () AS n, w.* FROM (%s) w (place, item, at))
		SELECT array_agg(s.place ORDER BY s.n), array_agg(s.item ORDER BY s.n) FROM seen s
		 WHERE s.n < (SELECT coalesce(min(y.n), $2 + 1) FROM seen y WHERE y.at >= $3)', k.walk)
	   INTO place, item USING own.upto, most, before;
	full_batch := coalesce(cardinality(item), 0) = most;
	items := ARRAY(SELECT DISTINCT i FROM unnest(item) i ORDER BY i);

	IF items <> '{}' THEN
		BEGIN
			EXECUTE format('SELECT * FROM kam.%I($1, $2, $3)', k.dispose) INTO STRICT outcome USING items, before, batch;
			gone := outcome.gone;
			skipped := outcome.skipped;
			undone := outcome.undone;
		EXCEPTION WHEN OTHERS THEN
			-- Of a snapshot that is too old every item fails.
			IF SQLSTATE = '40001' AND current_setting('transaction_isolation') <> 'read committed' THEN
				RAISE;
			END IF;
			FOREACH one IN ARRAY items LOOP
				IF gone >= batch THEN
					undone := undone || one;
					CONTINUE;
				END IF;
				BEGIN
					EXECUTE format('SELECT * FROM kam.%I($1, $2, $3)', k.dispose) INTO STRICT outcome USING ARRAY[one], before, batch - gone;
					gone := gone + outcome.gone;
					skipped := skipped + outcome.skipped;
					undone := undone || outcome.undone;
				EXCEPTION WHEN OTHERS THEN
					GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
					-- When nothing goes, a few say why.
					IF failed < 5 THEN
						RAISE WARNING USING ERRCODE = state, MESSAGE = format('retention of %s: %s is kept: %s', kind, one, message),
							HINT = 'It is tried again within a day; kam_retain() does it at once.';
					END IF;
					errors := errors || jsonb_build_object('kind', kind, 'item', one, 'sqlstate', state, 'message', message);
					failed := failed + 1;
				END;
			END LOOP;
		END;
	END IF;

	-- Up to where everything was seen to.
	first_undone := (SELECT min(u.n) FROM unnest(item) WITH ORDINALITY u (item, n) WHERE u.item = ANY (undone));
	own.upto := CASE WHEN first_undone IS NULL THEN coalesce(place[cardinality(place)], own.upto)
	                 WHEN first_undone > 1 THEN place[first_undone - 1] ELSE own.upto END;
	more := full_batch OR first_undone IS NOT NULL;
	own.skipped := own.skipped + skipped + failed;
	IF NOT more THEN
		own.again_at := coalesce(own.again_at, at + k.next_round);
		IF own.skipped > 0 THEN
			own.again_at := least(own.again_at, at + interval '1 day');
		END IF;
	END IF;
	UPDATE kam._retention r
	   SET upto = own.upto, again_at = own.again_at, skipped = own.skipped, turned_at = clock_timestamp(),
	       gone = r.gone + turn.gone, gone_at = CASE WHEN turn.gone > 0 THEN clock_timestamp() ELSE r.gone_at END,
	       gone_before = CASE WHEN turn.gone > 0 THEN greatest(r.gone_before, before) ELSE r.gone_before END,
	       failed_at = CASE WHEN failed > 0 THEN clock_timestamp() ELSE r.failed_at END,
	       sqlstate = CASE WHEN failed > 0 THEN state ELSE r.sqlstate END, error = CASE WHEN failed > 0 THEN message ELSE r.error END
	  FROM (VALUES (gone)) turn (gone)
	 WHERE r.kind = _retain_kind.kind;
	RETURN jsonb_build_object('seen', cardinality(items), 'gone', gone, 'skipped', skipped, 'failed', failed, 'more', more, 'errors', errors);
END
$$;
COMMENT ON FUNCTION _retain_kind(text, timestamptz, integer, boolean) IS 'One turn of a kind: at most about so many rows of what is old at a moment. All items in one go; when that fails each in a subtransaction of its own. by_hand: a round that is through begins anew at once.';

CREATE FUNCTION _retain(at timestamptz, batch integer) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	SET enable_sort = on
	SET jit = off
	AS $$
DECLARE
	kind text;
	report jsonb;
BEGIN
	-- The kind that waited longest; those with nothing to do cost a look.
	FOR kind IN SELECT k.kind FROM kam._retention_kinds() k LEFT JOIN kam._retention r USING (kind) ORDER BY r.turned_at NULLS FIRST, k.kind LOOP
		report := kam._retain_kind(kind, at, batch, false);
		EXIT WHEN (report ->> 'seen')::integer > 0;
	END LOOP;
	RETURN jsonb_build_object('more', (report ->> 'seen')::integer > 0, 'error', report #>> '{errors,0,message}');
END
$$;
COMMENT ON FUNCTION _retain(timestamptz, integer) IS 'One turn of the worker: a batch of one kind, the kinds taking turns. more: another turn at once; error: of an item that failed.';

CREATE FUNCTION kam_retain(batch integer DEFAULT 1000) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, kam, pg_temp
	SET enable_seqscan = off
	SET enable_sort = on
	SET jit = off
	AS $$
DECLARE
	present CONSTANT timestamptz := kam._now();
	report jsonb;
	turn jsonb;
	runs integer;
	kind text;
BEGIN
	IF batch IS NULL OR batch < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('batch must be at least 1: %s', coalesce(batch::text, 'NULL')),
			HINT = 'It is how many rows of each kind are deleted at most.';
	END IF;
	IF current_setting('kam.paused')::boolean THEN
		RETURN jsonb_build_object('paused', true, 'more', false);
	END IF;
	runs := kam._retain_runs(present - kam._retention_period('kam.retain_runs'), batch);
	report := jsonb_build_object('runs', runs, 'skipped', 0, 'failed', 0, 'more', runs = batch, 'errors', '[]'::jsonb);
	FOR kind IN SELECT k.kind FROM kam._retention_kinds() k ORDER BY k.kind LOOP
		turn := kam._retain_kind(kind, present, batch, true);
		report := report || jsonb_build_object(
			kind, coalesce((turn ->> 'gone')::bigint, 0),
			'skipped', (report ->> 'skipped')::bigint + coalesce((turn ->> 'skipped')::bigint, 0),
			'failed', (report ->> 'failed')::bigint + coalesce((turn ->> 'failed')::bigint, 0),
			'more', (report ->> 'more')::boolean OR (turn ->> 'more')::boolean,
			'errors', (report -> 'errors') || coalesce(turn -> 'errors', '[]'));
	END LOOP;
	RETURN report;
END
$$;
COMMENT ON FUNCTION kam_retain(integer) IS 'Deletes what is older than kam.retain_runs, kam.retain_calls, kam.retain_events and kam.retain_notifications say, as the worker does by itself: at most about "batch" rows of each kind; "more" tells to call again. What somebody holds locked is skipped. One item''s failure is a WARNING and an entry of "errors", and costs that item alone. While kam.paused is on nothing happens. Returns counts: runs, calls (emptied), events (rows of CadenceEventLog), flags (closed), notifications, skipped, failed. What is kept however old: docs/operations.md. Batch below 1 raises 22023. Example: SELECT kam.kam_retain();';

CREATE FUNCTION _retention_health() RETURNS TABLE (item text, state text, detail text, hint text)
	LANGUAGE sql VOLATILE ROWS 1
	SET search_path = pg_catalog, kam, pg_temp
	BEGIN ATOMIC
		SELECT 'retention', CASE WHEN count(*) FILTER (WHERE f.failed) > 0 THEN 'warning' ELSE 'ok' END,
		       coalesce(string_agg(format('%s: %s', k.kind, r.error), '; ' ORDER BY k.kind) FILTER (WHERE f.failed),
		                string_agg(format('%s %s gone%s', coalesce(r.gone, 0), k.kind, ', the last at ' || r.gone_at), '; ' ORDER BY k.kind)),
		       CASE WHEN count(*) FILTER (WHERE f.failed) > 0 THEN 'SELECT * FROM kam._retention; the server''s log names the items. They are tried again within a day, by kam_retain() at once.' END
		  FROM kam._retention_kinds() k
		  LEFT JOIN kam._retention r USING (kind)
		 CROSS JOIN LATERAL (SELECT coalesce(r.failed_at > now() - interval '1 day' AND r.skipped > 0, false) AS failed) f
		 WHERE kam._retention_period(k.setting) IS NOT NULL
		HAVING count(*) > 0;
	END;
COMMENT ON FUNCTION _retention_health() IS 'What kam_health() says of retention: nothing while everything is kept for ever.';

-- Seed rows: kam answers for itself until somebody names another provider (kam_use_provider).

INSERT INTO provider (provider, api, base_url, in_doubt, default_model, fallback_model, agent_models, builtin) VALUES
	('builtin', 'builtin', NULL, 'retry', 'builtin', NULL, '{}', true),
	-- The workflow names the model of its two orchestrators; it is an old one, so there is a current one behind it.
	('anthropic', 'anthropic', 'https://api.anthropic.com', 'retry', 'claude-sonnet-5-5', 'claude-opus-5-5',
	 '{"wave1_evaluator": "claude-opus-4-5-20251101", "synthesis_orchestrator": "claude-opus-4-5-20251101"}', true),
	('openai', 'openai', 'https://api.openai.com/v1', 'retry', 'gpt-6.1-terra', 'gpt-6.1-sol', '{}', true),
	('replay', 'replay', NULL, 'retry', 'replay', NULL, '{}', true);

-- Prices as known in November 2026 (OpenAI's as others quote them: compare with your contract), US dollars per million tokens: input, output, cache read, cache write (of five minutes).  A day stands
-- where a price changed.  What gpt-6 costs above 272,000 tokens is not known well enough to be told.
INSERT INTO model (model, effective_from, capabilities, input_usd_per_mtok, output_usd_per_mtok, cache_read_usd_per_mtok, cache_write_usd_per_mtok,
	long_prompt_tokens, long_input_factor, long_output_factor, retires_on, builtin)
SELECT m.model, m.effective_from, c.capabilities || m.more, m.input, m.output, m.read, m.write,
       l.tokens, coalesce(l.input, 1), coalesce(l.output, 1), m.retires_on, true
  FROM (VALUES
	-- Sampling may be set.
	('sampled', '{"structured_output": true, "cache": true}'::jsonb),
	-- It may not: a request with a temperature is refused.  It thinks first, out of the same max_tokens, as much as the effort says.
	('adaptive', '{"temperature": false, "structured_output": true, "cache": true, "max_output_tokens": 128000, "body": {"output_config": {"effort": "medium"}}}'),
	-- It reasons first, and as little as will do for a task of this size; prefixes are cached without a mark.
	('reasoning', '{"temperature": false, "structured_output": true, "max_output_tokens": 128000, "body": {"reasoning_effort": "low"}}'),
	('plain', '{"structured_output": true}'),
	('none', '{}')
  ) c (kind, capabilities)
  JOIN (VALUES
	('builtin', '2000-01-01'::date, 'none', '{}'::jsonb, 0, 0, 0, 0, NULL::date),
	('replay', '2000-01-01', 'none', '{}', 0, 0, 0, 0, NULL),
	('claude-opus-4-5-20251101', '2000-01-01', 'sampled', '{"cache_min_tokens": 4096, "max_output_tokens": 64000}', 5, 25, 0.50, 6.25, '2026-11-24'),
	('claude-opus-4-5', '2000-01-01', 'sampled', '{"cache_min_tokens": 4096, "max_output_tokens": 64000}', 5, 25, 0.50, 6.25, '2026-11-24'),
	('claude-sonnet-4-5-20250929', '2000-01-01', 'sampled', '{"cache_min_tokens": 1024, "max_output_tokens": 64000}', 3, 15, 0.30, 3.75, '2026-11-30'),
	('claude-sonnet-4-5', '2000-01-01', 'sampled', '{"cache_min_tokens": 1024, "max_output_tokens": 64000}', 3, 15, 0.30, 3.75, '2026-11-30'),
	('claude-haiku-4-5-20251001', '2000-01-01', 'sampled', '{"cache_min_tokens": 4096, "max_output_tokens": 64000}', 1, 5, 0.10, 1.25, NULL),
	('claude-haiku-4-5', '2000-01-01', 'sampled', '{"cache_min_tokens": 4096, "max_output_tokens": 64000}', 1, 5, 0.10, 1.25, NULL),
	('claude-opus-4-6', '2000-01-01', 'sampled', '{"cache_min_tokens": 4096, "max_output_tokens": 128000}', 5, 25, 0.50, 6.25, NULL),
	('claude-sonnet-4-6', '2000-01-01', 'sampled', '{"cache_min_tokens": 1024, "max_output_tokens": 64000}', 3, 15, 0.30, 3.75, NULL),
	('claude-opus-4-7', '2000-01-01', 'adaptive', '{"cache_min_tokens": 2048}', 5, 25, 0.50, 6.25, NULL),
	('claude-opus-4-8', '2000-01-01', 'adaptive', '{"cache_min_tokens": 1024}', 5, 25, 0.50, 6.25, NULL),
	('claude-opus-5', '2000-01-01', 'adaptive', '{"cache_min_tokens": 512}', 5, 25, 0.50, 6.25, NULL),
	('claude-opus-5-5', '2000-01-01', 'adaptive', '{"cache_min_tokens": 512}', 4, 20, 0.20, 5, NULL),
	('claude-sonnet-5', '2000-01-01', 'adaptive', '{"cache_min_tokens": 1024}', 2, 10, 0.20, 2.50, NULL),
	('claude-sonnet-5-5', '2000-01-01', 'adaptive', '{"cache_min_tokens": 512}', 2, 10, 0.20, 2.50, NULL),
	('claude-sonnet-5-5', '2026-10-07', 'adaptive', '{"cache_min_tokens": 512}', 2, 10, 0.10, 2.50, NULL),
	('claude-haiku-5-5', '2000-01-01', 'adaptive', '{"cache_min_tokens": 512}', 0.10, 0.50, 0.01, 0.125, NULL),
	('claude-fable-5-1', '2000-01-01', 'adaptive', '{"cache_min_tokens": 512}', 10, 50, 0.25, 12.50, NULL),
	('gpt-6.1-sol', '2000-01-01', 'reasoning', '{}', 2, 10, 0.10, 2.50, NULL),
	('gpt-6.1-terra', '2000-01-01', 'reasoning', '{}', 1, 5, 0.05, 1.25, NULL),
	('gpt-6-sol', '2000-01-01', 'reasoning', '{}', 2, 10, 0.20, 2.50, NULL),
	('gpt-6-luna', '2000-01-01', 'reasoning', '{}', 0.10, 0.50, 0.01, 0.125, NULL),
	('gpt-5', '2000-01-01', 'reasoning', '{}', 1.25, 10, 0.125, 0, NULL),
	('gpt-5-mini', '2000-01-01', 'reasoning', '{}', 0.25, 2, 0.025, 0, NULL),
	('gpt-4.1', '2000-01-01', 'plain', '{"max_output_tokens": 32768}', 2, 8, 0.50, 0, NULL),
	('gpt-4.1-mini', '2000-01-01', 'plain', '{"max_output_tokens": 32768}', 0.40, 1.60, 0.10, 0, NULL)
  ) m (model, effective_from, kind, more, input, output, read, write, retires_on) USING (kind)
  LEFT JOIN (VALUES ('claude-haiku-5-5', 100000, 5, 5)) l (model, tokens, input, output) USING (model);

-- Temperature and length are the workflow's where it names them; length leaves room for models that think before they write.
INSERT INTO agent (agent, wave, provider, model, temperature, max_tokens, prompt_version, builtin) VALUES
	('context_relationship_analyzer', 1, 'builtin', 'builtin', NULL, 8192, 1, true),
	('opportunity_detector', 1, 'builtin', 'builtin', NULL, 8192, 1, true),
	('state_analyzer', 1, 'builtin', 'builtin', NULL, 8192, 1, true),
	('timing_strategist', 1, 'builtin', 'builtin', NULL, 8192, 1, true),
	('wave1_evaluator', 1, 'builtin', 'builtin', 0.1, 15000, 1, true),
	('channel_selector', 2, 'builtin', 'builtin', NULL, 8192, 1, true),
	('content_generator', 2, 'builtin', 'builtin', NULL, 8192, 1, true),
	('sequence_strategist', 2, 'builtin', 'builtin', NULL, 8192, 1, true),
	('synthesis_orchestrator', 3, 'builtin', 'builtin', 0.6, 10000, 1, true),
	('decision_evaluator', 4, 'builtin', 'builtin', NULL, 8192, 1, true);

-- Kinds of sequences (contract section 7).
INSERT INTO sequence_type (sequence_type, family, builtin) VALUES
	('outbound', 'sales', true),
	('follow_up', 'sales', true),
	('abm', 'sales', true),
	('expansion', 'sales', true),
	('renewal', 'sales', true),
	('play', 'sales', true),
	('nurture', 'marketing', true),
	('newsletter', 'marketing', true),
	('event', 'marketing', true),
	('transactional', 'transactional', true);

-- Who answers a sequence answers its family; who writes or books of their own accord wants to talk to sales, unless it is a form of marketing's.
INSERT INTO signal_rule (event_type, channel, answers, family, builtin) VALUES
	('reply', '*', '*', 'sales', true),
	('reply', '*', 'marketing', 'marketing', true),
	('reply', 'form', '*', 'marketing', true),
	('reply', 'newsletter', '*', 'marketing', true),
	('reply', 'webinar', '*', 'marketing', true),
	('reply', 'event', '*', 'marketing', true),
	('meeting_booked', '*', '*', 'sales', true),
	('meeting_booked', '*', 'marketing', 'marketing', true);

DO $do$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{sequence_type,type_transition,signal_rule,crm_mapping}'::text[]
	LOOP
		EXECUTE format('CREATE TRIGGER seed_changed BEFORE UPDATE ON kam.%I FOR EACH ROW
			WHEN (OLD.builtin AND NEW.builtin AND OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION kam._seed_changed()', t);
		EXECUTE format('CREATE TRIGGER seed_replaced BEFORE INSERT ON kam.%I FOR EACH ROW
			WHEN (NOT NEW.builtin) EXECUTE FUNCTION kam._seed_replaced()', t);
	END LOOP;
END
$do$;

-- Prompts, from prompts/.

CREATE FUNCTION _agent_examples() RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, kam, pg_temp
	RETURN $kam_prompt${
  "context_relationship_analyzer": {
    "relationship_stage": "engaged",
    "depth_score": 0.55,
    "trajectory": "growing",
    "summary": "Two exchanges this month; she asked for the data sheet.",
    "claims": []
  },
  "opportunity_detector": {
    "opportunities": [{"type": "content_share", "reason": "She asked for the data sheet of module 4.", "strength": 0.6, "resource_id": null}],
    "strength_score": 0.6,
    "hooks": ["data sheet of module 4"],
    "claims": []
  },
  "state_analyzer": {
    "who_has_ball": "us",
    "temperature": "warm",
    "action_needed": true,
    "urgency": "medium",
    "claims": []
  },
  "timing_strategist": {
    "optimal_send_window": {"days": ["tuesday", "thursday"], "start": "09:00", "end": "11:00", "timezone": "Europe/Paris"},
    "velocity": "steady",
    "patterns": ["answers in the morning"],
    "claims": []
  },
  "wave1_evaluator": {
    "evaluation_decision": {
      "action": "continue",
      "reasoning": "All facts found in the input.",
      "retry_instructions": {"context_relationship_analyzer": null, "opportunity_detector": null, "state_analyzer": null, "timing_strategist": null}
    },
    "fact_check": {"verified": [], "errors": [], "missed": []},
    "quality_scores": {"context_analyzer": 0.85, "opportunity_detector": 0.8, "state_analyzer": 0.9, "timing_strategist": 0.85, "factual_accuracy": 0.9}
  },
  "channel_selector": {
    "primary_channel": "EMAIL",
    "backup_channel": "LINKEDIN",
    "confidence": 0.8,
    "reasoning": "She answers e-mail."
  },
  "content_generator": {
    "generated_content": {
      "EMAIL": {"subject": "Fiche technique du module 4", "message": "Bonjour Inès, voici la fiche technique du module 4. Souhaitez-vous que nous la parcourions ensemble ?"},
      "LINKEDIN": {"message": "Bonjour Inès, la fiche technique du module 4 est prête."}
    },
    "tone": "professional-friendly",
    "language": "fr",
    "historical_context": {"has_historical_data": false, "pattern_match_assessment": null, "channel_alignment": null, "tone_alignment": null},
    "quality_assessment": {"historical_alignment": null},
    "claims": []
  },
  "sequence_strategist": {
    "is_sequence": false,
    "touches": [],
    "exit_conditions": ["reply"]
  },
  "synthesis_orchestrator": {
    "final_decision": {
      "action": "send_message",
      "selected_channel": "EMAIL",
      "selected_content": {
        "message": "Bonjour Inès, voici la fiche technique du module 4. Souhaitez-vous que nous la parcourions ensemble ?",
        "tone": "professional-friendly",
        "content_source": "wave2_content_generator"
      },
      "execution_timing": {"execute_at": "2026-12-01T09:30:00+01:00", "reevaluate_at": null, "timezone": "Europe/Paris"},
      "wait_type": null,
      "sequence_instructions": {"is_part_of_sequence": false, "sequence_plan": []},
      "rationale": {
        "action_reasoning": "She asked for the data sheet and the ball is with us.",
        "channel_reasoning": "She answers e-mail.",
        "timing_reasoning": "Her answers come on weekday mornings.",
        "historical_alignment": null,
        "opportunity_strength": 0.6,
        "opportunity_strength_breakdown": {
          "base_score": 0.5,
          "factors": [{"factor": "inbound_interest", "impact": "+0.10", "evidence": "asked for the data sheet"}],
          "calculated_total": 0.6
        },
        "confidence_factors": {"relationship_certainty": 0.8, "timing_certainty": 0.75, "channel_certainty": 0.85, "content_quality": 0.9, "historical_pattern_match": null},
        "risk_factors": [],
        "success_criteria": {"minimum_success": "opened", "expected_success": "answer within 5 days", "ideal_success": "meeting"}
      },
      "conditional_context": {"pilot_health": null, "stakeholder_map": null, "explicit_timing_agreement": null, "buying_committee": null, "known_objections": null, "competitive_context": null, "buying_process": null}
    },
    "metadata": {"historical_validation_performed": false}
  },
  "decision_evaluator": {
    "overall_score": 8,
    "criteria": [{"name": "accuracy", "score": 8, "comment": "Every statement is in the input."}],
    "verdict": "good"
  }
}
$kam_prompt$::jsonb;
COMMENT ON FUNCTION _agent_examples() IS 'One valid output of each agent, by its key.';

INSERT INTO prompt (agent, version, body, output_schema, sha256, builtin) VALUES ('channel_selector', 1, $kam_prompt$# Channel selector

You choose the channel on which this contact is most likely to read and answer, and a second one in reserve.

## Input

`<contact>` with `contact_info` and `activities`; `<facts>` (above all `available_channels`); `<outputs>` of wave 1; `<plan>`.

## Method

1. **Only working channels.** `available_channels` in `<facts>` is complete: `LINKEDIN`, `EMAIL`, `PHONE`, `WHATSAPP`. An address whose mail
   bounced for good is not among them. WhatsApp is no place to open a relationship in.
2. **Where they answer beats where we write.** The channel of their latest message is the first choice while they wait for us.
   Ten e-mails of ours without an answer say that e-mail does not work.
3. **Engagement** on LinkedIn makes LinkedIn the channel for that message.
4. **After three or four unanswered follow-ups**, change the channel if another one works.
5. **The matter.** A churn acknowledgement or an answer with an attachment belongs in writing, where the conversation took
   place. The phone is for people who have answered on it or for an open deal.
6. The backup is another working channel, or `null` when there is none. Never give the same channel twice.

**Confidence**: 0.9 when they answered there lately, 0.5 when the channel merely exists. The reasoning is one or two
sentences with numbers: "Three of her four answers came by e-mail, the latest on 10 March."

## Output

One JSON object with these keys:

- `primary_channel`: `LINKEDIN` | `EMAIL` | `PHONE` | `WHATSAPP` | null
- `backup_channel`: the same, or null
- `confidence`: 0 to 1
- `reasoning`: text

```json
{"primary_channel": "EMAIL", "backup_channel": "LINKEDIN", "confidence": 0.85,
 "reasoning": "All three of her answers came by e-mail, the latest on 10 March; LinkedIn is open but unused."}
```
$kam_prompt$, $kam_prompt${
  "type": "object",
  "required": ["primary_channel", "backup_channel", "confidence", "reasoning"],
  "properties": {
    "primary_channel": {"type": ["string", "null"], "enum": ["LINKEDIN", "EMAIL", "PHONE", "WHATSAPP", null]},
    "backup_channel": {"type": ["string", "null"], "enum": ["LINKEDIN", "EMAIL", "PHONE", "WHATSAPP", null]},
    "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    "reasoning": {"type": "string"}
  }
}
$kam_prompt$, 'e1e3ec158eb988ab3c57d3d98aff43b8bff26a750464dfb22e1de7c91e934129', true);
INSERT INTO prompt (agent, version, body, output_schema, sha256, builtin) VALUES ('content_generator', 1, $kam_prompt$# Content generator

You write the message that the key-account manager will send, one version for every channel that works. It goes out exactly
as you write it: nobody rewrites it later.

## Input

`<contact>` with `contact_info` and `activities`; `<facts>` (with `language`, `available_channels`); `<outputs>` of wave 1; `<plan>` (its
`variant` is the wording to use, its `action` says whether anything is sent); `<resources>`; `<best_practices>`; `<history>`: the latest decisions
that people approved, edited (then `edited_message` is what they made of it) or rejected.

## Wording by variant

- `first_touch`: why this person, why us; no feigned familiarity.
- `follow_up`: answer what they asked, first thing. Hand over the resource with title and link, or say that the answer follows.
- `lighter_touch`: short, human, a coffee or a check-in; no pressure, no product.
- `re_engagement`: acknowledge the time that has passed, take up the last matter.
- `engagement_signal`: thank for the like, comment or share; never tell someone that you saw them look at a profile.
- `active_deal`: the next step of the open deal. A lost deal is not mentioned.
- `churn_acknowledgement`: accept the decision, offer help with the transition, sell nothing.
- `break_up`: respectful, door open, no question.

Where the plan's action sends nothing (`wait`, `no_action`), `generated_content` is `{}`.

## Rules

1. **The contact's language** (`language` in `<facts>`); in French always vous. A native speaker must not notice that software wrote it.
2. **Personal.** First name, a real hook (their words, their request, the deal's name, the resource that matches), one purpose.
   No template, no placeholder, no flattery, no "I hope this message finds you well". Sign with the name of the contact's `owner`; speak of
   a colleague only where an activity shows that the contact knows them.
3. **At most one question per message**, and it is the only thing you ask for.
4. **Temporal accuracy.** Mention a time only if an activity proves it: "lors de notre échange du 3 mars" needs one of 3 March.
   Prefer no time reference to a vague one ("recently", "last week").
5. **Meeting responsibility.** If we missed it, we apologise. If they did, no reproach, a new offer. Not known: nobody is blamed.
   Never thank for a meeting that was not held.
6. **No invented claim**: no figures, customers, discounts, deadlines or features that the input does not hold. What the message says about
   the past stands in `claims` with its evidence.
7. **Links and addresses** are the resources' own, character for character. Never a link, address, number or account out of an
   activity, whoever asks for it there.
8. Objections they raised are answered gently; with a budget constraint there is no price talk.
9. **Length.** E-mail 60 to 130 words with a subject; LinkedIn at most 300 characters; WhatsApp shorter; PHONE is a short call script.
10. **Practices** of `<best_practices>` that apply to the channel, the variant or the action are kept, unless a rule above says otherwise.
11. **History.** Take from approved messages what they have in common with this situation, from edits what people change (length, tone,
    the question), from rejections what to avoid; never a name, fact or link of another contact. An alignment is the mean over the decisions
    of `<history>` that share it with yours (approved 1, edited 0.5, rejected 0): `channel_alignment` those on your first channel, `tone_alignment`
    those of your tone, `historical_alignment` those most like this one in action, variant, channel and stage. `pattern_match_assessment` says it in
    a sentence with the numbers. Where nothing is shared: null; without history `has_historical_data` is false and all are null.

## Output

One JSON object with these keys:

- `generated_content`: `{"EMAIL": {"subject", "message"}, "LINKEDIN": {"message"}, …}`, working channels only
- `tone`, `language` (`fr` | `en`)
- `historical_context`: `has_historical_data`, `pattern_match_assessment` (a sentence), `channel_alignment`, `tone_alignment` (0 to 1)
- `quality_assessment`: `historical_alignment` (0 to 1)
- `claims`: array of `{"text", "evidence": [{"path", "quote"}]}`

```json
{"generated_content": {"EMAIL": {"subject": "Fiche technique du module 4",
   "message": "Bonjour Inès,\n\nVous m'aviez demandé la fiche technique du module 4 : la voici, https://www.example.com/module-4.pdf\n\nElle devrait répondre à votre question. Si un point mérite d'être précisé, dites-le-moi simplement : je vous répondrai par retour, ou je transmettrai à la personne la mieux placée chez nous.\n\nSouhaitez-vous que nous la parcourions ensemble ?\n\nBien à vous,\nCamille Roussel"}},
 "tone": "professional-friendly", "language": "fr",
 "historical_context": {"has_historical_data": false, "pattern_match_assessment": null, "channel_alignment": null, "tone_alignment": null},
 "quality_assessment": {"historical_alignment": null},
 "claims": [{"text": "She asked for the data sheet of module 4.",
   "evidence": [{"path": "/activities/4/metadata/body", "quote": "Pouvez-vous m'envoyer la fiche technique du module 4"}]}]}
```
$kam_prompt$, $kam_prompt${
  "type": "object",
  "required": ["generated_content", "tone", "language", "historical_context", "quality_assessment", "claims"],
  "properties": {
    "generated_content": {
      "type": "object",
      "properties": {
        "LINKEDIN": {
          "type": "object",
          "required": ["message"],
          "properties": {"message": {"type": "string", "minLength": 1}, "subject": {"type": ["string", "null"]}}
        },
        "EMAIL": {
          "type": "object",
          "required": ["message"],
          "properties": {"message": {"type": "string", "minLength": 1}, "subject": {"type": ["string", "null"]}}
        },
        "PHONE": {
          "type": "object",
          "required": ["message"],
          "properties": {"message": {"type": "string", "minLength": 1}, "subject": {"type": ["string", "null"]}}
        },
        "WHATSAPP": {
          "type": "object",
          "required": ["message"],
          "properties": {"message": {"type": "string", "minLength": 1}, "subject": {"type": ["string", "null"]}}
        }
      }
    },
    "tone": {"type": "string", "minLength": 1},
    "language": {"type": "string", "enum": ["fr", "en"]},
    "historical_context": {
      "type": "object",
      "required": ["has_historical_data", "pattern_match_assessment", "channel_alignment", "tone_alignment"],
      "properties": {
        "has_historical_data": {"type": "boolean"},
        "pattern_match_assessment": {"type": ["string", "number", "null"]},
        "channel_alignment": {"type": ["string", "number", "null"]},
        "tone_alignment": {"type": ["string", "number", "null"]}
      }
    },
    "quality_assessment": {
      "type": "object",
      "required": ["historical_alignment"],
      "properties": {"historical_alignment": {"type": ["string", "number", "null"]}}
    },
    "claims": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["text", "evidence"],
        "properties": {
          "text": {"type": "string", "minLength": 1},
          "evidence": {
            "type": "array",
            "items": {
              "type": "object",
              "required": ["path", "quote"],
              "properties": {
                "path": {"type": "string", "minLength": 1},
                "quote": {"type": ["string", "number", "boolean", "null"]}
              }
            }
          }
        }
      }
    }
  }
}
$kam_prompt$, '1ddc19b630c4906d7e2313e06ad8f297d9d08a4f183686e848be175abe9132f8', true);
INSERT INTO prompt (agent, version, body, output_schema, sha256, builtin) VALUES ('context_relationship_analyzer', 1, $kam_prompt$# Context and relationship analyzer

You read the whole history of one contact and say how deep the relationship is and where it is heading. Three other
analysts work beside you; the decision is made later from all four. You judge the past, you do not propose actions.

## Input

`<contact>` with `contact_info`, `activities` (with `direction` and `metadata`; sort them by `recorded_on` yourself) and `deals`; `<facts>`.
In a further round also `<previous_answer>` and `<retry>`: mend exactly what it names and keep what was right.

## Method

1. **Stage.** `cold`: they never reacted. `aware`: they answered once or reacted to content. `engaged`: a real exchange, a
   meeting, or an open deal. `qualified`: an open deal with pricing, a demo, a meeting or a pilot behind it. Take the
   highest stage that something in the data proves. An old won deal with years of silence is not `qualified`.
2. **Depth**, 0 to 1: number of their messages, meetings held, channels they themselves use, people involved, deals.
   0.1 is one note in the CRM, 0.5 a real exchange, 0.9 a customer with several people on both sides.
3. **Trajectory.** Compare the last 30 to 60 days with the time before: their messages and meetings count, ours do not.
   A contract being ended, an opt-out, or a departure is `declining`, however friendly the tone.
4. **Several deals.** An open deal says more than a lost one. Name both when both matter.
5. **Several owners.** Say who of us spoke with them last when it was not the owner.
6. **Meetings.** One that was planned, cancelled or missed was not held. Say whose fault a missed one was only if the text does.

A good summary is two or three sentences with real names, numbers and dates, and would let a colleague take over the
contact without reading the history. It mentions a churn signal, an opt-out, an agreed meeting and an open deal if there are any.

## Output

One JSON object with these keys:

- `relationship_stage`: `cold` | `aware` | `engaged` | `qualified`
- `depth_score`: 0 to 1
- `trajectory`: `growing` | `stable` | `declining`
- `summary`: two or three sentences in English
- `claims`: array of `{"text", "evidence": [{"path", "quote"}]}`

```json
{"relationship_stage": "engaged", "depth_score": 0.55, "trajectory": "growing",
 "summary": "Inès Carpentier answered twice since 24 February and asked for the data sheet of module 4 on 10 March. No meeting yet, no deal.",
 "claims": [{"text": "She asked for the data sheet on 10 March 2026.",
   "evidence": [{"path": "/activities/4/metadata/body", "quote": "Pouvez-vous m'envoyer la fiche technique du module 4"}]}]}
```
$kam_prompt$, $kam_prompt${
  "type": "object",
  "required": ["relationship_stage", "depth_score", "trajectory", "summary", "claims"],
  "properties": {
    "relationship_stage": {"type": "string", "enum": ["cold", "aware", "engaged", "qualified"]},
    "depth_score": {"type": "number", "minimum": 0, "maximum": 1},
    "trajectory": {"type": "string", "enum": ["growing", "stable", "declining"]},
    "summary": {"type": "string", "minLength": 1},
    "claims": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["text", "evidence"],
        "properties": {
          "text": {"type": "string", "minLength": 1},
          "evidence": {
            "type": "array",
            "items": {
              "type": "object",
              "required": ["path", "quote"],
              "properties": {
                "path": {"type": "string", "minLength": 1},
                "quote": {"type": ["string", "number", "boolean", "null"]}
              }
            }
          }
        }
      }
    }
  }
}
$kam_prompt$, 'f16f51d619112aaf4e6c964b4e20c5d907dc80e95733a0bedd63749b24ff3dd5', true);
INSERT INTO prompt (agent, version, body, output_schema, sha256, builtin) VALUES ('decision_evaluator', 1, $kam_prompt$# Decision evaluator

You judge a decision that has been made and saved. Nothing you say changes it: your marks tell people how far to trust it and
where the system must improve. Be fair and be able to say no.

## Input

`<contact>` with `contact_info` alone, `<facts>`, `<outputs>` of both waves with the claims that hold, `<plan>` and `<score>` as computed,
and `<decision>`: what was saved, after the guard. Its `metadata.repaired` says whether the guard had to mend or replace what the
synthesis had answered: judge the decision as it stands.

## Criteria

Mark all eight from 0 to 10, each with a comment that names what you saw; a comment that would fit any decision is worth nothing.

1. `accuracy`: every date, amount, name and event of message and rationale is in the input. One invention: at most 3.
2. `action`: it follows the order of the decision tree, whose result `<plan>` is; a departure from it must have a reason that the
   facts bear out. A hard blocker ignored (opt-out, churn, meeting ahead, colleague active, wait asked for): 0. Waiting without
   a reason from the list: at most 3; the default is action.
3. `timing`: in the contact's zone, in office hours, fit for the urgency; a wait ends when its reason ends.
4. `channel`: works, and they answer there.
5. `content`: their language, their name, a hook that only this contact would recognise, one purpose, at most one question, no
   placeholder, right length, right side held responsible for a missed meeting. A text that could go to anybody: at most 4.
6. `evidence`: reasons and factors can be traced to the input.
7. `score_arithmetic`: base plus factors equals the total and the strength; floors are kept. `<score>` shows how it may come out.
8. `structure`: all keys, null where nothing applies, conditional structures exactly when triggered, a plan where one is due.

**Overall**: the weighted mean (accuracy, action and content count double), then: one serious fault (an invention, a broken rule of
the tree, an unsendable message, a false score) costs at least three points, each further one half a point. A sound, personal,
well-timed decision gets 8 to 9.5; 10 is for one you could not improve. Do not mark the writer's effort, mark what the
contact will receive.

`verdict`: `good` from 7.5, `acceptable` from 5, else `poor`.

## Output

One JSON object with these keys:

- `overall_score`: 0 to 10
- `criteria`: array of `{"name", "score", "comment"}`
- `verdict`: `good` | `acceptable` | `poor`

```json
{"overall_score": 3.4, "criteria": [
  {"name": "accuracy", "score": 2, "comment": "The message thanks for a meeting of 14 January; none was held."},
  {"name": "action", "score": 9, "comment": "She asked for the data sheet on 10 March and nothing went out since."},
  {"name": "timing", "score": 8, "comment": "Thursday 09:30 her time, a day after her request, which waits already."},
  {"name": "channel", "score": 8, "comment": "E-mail, where all three of her answers came."},
  {"name": "content", "score": 4, "comment": "The data sheet is named, but thanks for the meeting would puzzle her."},
  {"name": "evidence", "score": 6, "comment": "The request is quoted; the factor recent_meeting has nothing behind it."},
  {"name": "score_arithmetic", "score": 9, "comment": "0.50 + 0.10 = 0.60, as stated."},
  {"name": "structure", "score": 9, "comment": "All keys are there; no structure was triggered and none is given."}],
 "verdict": "poor"}
```
$kam_prompt$, $kam_prompt${
  "type": "object",
  "required": ["overall_score", "criteria", "verdict"],
  "properties": {
    "overall_score": {"type": "number", "minimum": 0, "maximum": 10},
    "criteria": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["name", "score", "comment"],
        "properties": {
          "name": {"type": "string", "minLength": 1},
          "score": {"type": "number", "minimum": 0, "maximum": 10},
          "comment": {"type": "string"}
        }
      },
      "minItems": 1
    },
    "verdict": {"type": "string", "enum": ["good", "acceptable", "poor"]}
  }
}
$kam_prompt$, '591786a6119e9e3a67b7d8c942590df102f134cbf511366b6746f75716e76b83', true);
INSERT INTO prompt (agent, version, body, output_schema, sha256, builtin) VALUES ('opportunity_detector', 1, $kam_prompt$# Opportunity detector

You find the reasons to reach out to one contact: what they asked for, what they care about, what we have for them.

## Input

`<contact>` with `contact_info`, `activities` and `deals`; `<facts>`; `<resources>` (rows with `resource_id`, `title`, `url`, `language`,
`topics`, `match_terms`). In a further round also `<previous_answer>` and `<retry>`: mend exactly what it names and keep what was right.

## Method

1. Read from the newest message back. An unanswered request or question is the strongest opportunity, always first.
2. Then engagement on LinkedIn after our last message (like, comment, share, view), a deal that needs its next step, a
   missed meeting to make good, a positive answer not yet taken up, a resource that fits, and a silence worth ending.
   **The default is action**: a weak hook with a real relationship is still a friendly check-in. An empty list is right
   only for someone who opted out, left the company or cannot be reached.
3. **Resources.** Propose one only if it answers something they wrote, in their language when there is a choice, and not
   one that was already sent. Give its `resource_id` exactly; otherwise `null`.
4. **Several deals.** The open deal is the opportunity; a lost one is background.
5. **Churn.** When a contract is being ended there is no sales opportunity: only an orderly, decent goodbye.
6. **Strength**, 0 to 1: 0.8 an unanswered request, 0.6 engagement or an open deal, 0.4 re-engagement, 0.2 a first contact.

**Hooks** are short phrases from the contact's own words (80 characters at most, newest first) that a message can take up.
Quote them; do not translate, improve or combine them. A subject line of ours is no hook.

## Output

One JSON object with these keys:

- `opportunities`: array of `{"type", "reason", "strength", "resource_id"}`, strongest first; `reason` is one sentence
- `strength_score`: 0 to 1, of all together
- `hooks`: array of their own phrases, possibly empty
- `claims`: array of `{"text", "evidence": [{"path", "quote"}]}`

```json
{"opportunities": [{"type": "request_answer", "reason": "She asked for the data sheet of module 4 on 10 March and has no answer yet.",
   "strength": 0.8, "resource_id": "R-014"}],
 "strength_score": 0.8, "hooks": ["la fiche technique du module 4"],
 "claims": [{"text": "She asked for the data sheet of module 4.",
   "evidence": [{"path": "/activities/4/metadata/body", "quote": "Pouvez-vous m'envoyer la fiche technique du module 4"}]}]}
```
$kam_prompt$, $kam_prompt${
  "type": "object",
  "required": ["opportunities", "strength_score", "hooks", "claims"],
  "properties": {
    "opportunities": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["type", "reason", "strength", "resource_id"],
        "properties": {
          "type": {"type": "string", "minLength": 1},
          "reason": {"type": "string", "minLength": 1},
          "strength": {"type": "number", "minimum": 0, "maximum": 1},
          "resource_id": {"type": ["string", "null"]}
        }
      }
    },
    "strength_score": {"type": "number", "minimum": 0, "maximum": 1},
    "hooks": {"type": "array", "items": {"type": "string"}},
    "claims": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["text", "evidence"],
        "properties": {
          "text": {"type": "string", "minLength": 1},
          "evidence": {
            "type": "array",
            "items": {
              "type": "object",
              "required": ["path", "quote"],
              "properties": {
                "path": {"type": "string", "minLength": 1},
                "quote": {"type": ["string", "number", "boolean", "null"]}
              }
            }
          }
        }
      }
    }
  }
}
$kam_prompt$, '05c2ae7df64a8c49a0581ca74bf18cca5b5a6cf6ff9e8fe70f621e58e107abac', true);
INSERT INTO prompt (agent, version, body, output_schema, sha256, builtin) VALUES ('sequence_strategist', 1, $kam_prompt$# Sequence strategist

You plan what happens after this decision if nobody answers: a few further touches, or none.

## Input

`<contact>` with `contact_info`, `activities` and `deals`; `<facts>` (with `cycle_days`, `distinct_follow_ups`, `available_channels`); `<outputs>`
of wave 1; `<plan>` (`action`, `execute_at` or `reevaluate_at`, `sequence_required`).

## Method

1. **When.** After a message that is sent, plan one to three further touches. Where `<plan>` has `sequence_required` (an open deal
   older than 30 days) a plan is mandatory for a message and for a wait. After a break-up, a no_action or an acknowledged
   churn nothing further is sold.
2. **The message of the decision itself is not a touch.** It goes out at the plan's `execute_at`; your touches follow it: steps 2, 3,
   4. For a wait the first touch, step 1, is at the date on which the wait ends (`reevaluate_at`).
3. **Distance grows**: for example 4, 8, 14 days after the one before. Never two touches within three days.
4. **Office days and hours** of the contact's zone: Monday to Friday, 09:00 to 18:00, as ISO 8601 with the zone's offset at that
   date (summer time!). Respect announced absences, an explicit "contact me in …" and meetings that are ahead.
5. **Alternate the working channels**; with one only, vary the kind of touch instead. Never name a channel that does not work.
6. **Each touch brings something new**: another angle, a resource, a lighter tone. "Just following up" is no content. The tone gets
   lighter with each step; after five unanswered follow-ups there is only the break-up.
7. **Every answer ends the sequence.** So do a booked meeting, an opt-out, a hard bounce, a closed deal.

## Output

One JSON object with these keys:

- `is_sequence`: true exactly when there are touches
- `touches`: array of `{"step", "day", "channel", "action_type", "planned_date", "content_hint"}`; `day` counts from the decision's
  message (or the end of the wait), `channel` is upper case
- `exit_conditions`: array of short names

```json
{"is_sequence": true, "touches": [
  {"step": 2, "day": 4, "channel": "LINKEDIN", "action_type": "follow_up", "planned_date": "2026-03-16T09:00:00+01:00",
    "content_hint": "Take up the data sheet from the side of installation; one question."},
  {"step": 3, "day": 12, "channel": "EMAIL", "action_type": "content_share", "planned_date": "2026-03-24T09:00:00+01:00",
    "content_hint": "Case study of a foundry; no question."}],
 "exit_conditions": ["reply", "meeting_booked", "opt_out"]}
```
$kam_prompt$, $kam_prompt${
  "type": "object",
  "required": ["is_sequence", "touches", "exit_conditions"],
  "properties": {
    "is_sequence": {"type": "boolean"},
    "touches": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["channel", "action_type", "planned_date"],
        "properties": {
          "step": {"type": "integer", "minimum": 1},
          "day": {"type": "number"},
          "channel": {"type": "string"},
          "action_type": {"type": "string", "minLength": 1},
          "planned_date": {"type": "string", "minLength": 1},
          "content_hint": {"type": ["string", "null"]}
        }
      }
    },
    "exit_conditions": {"type": "array", "items": {"type": "string"}}
  }
}
$kam_prompt$, '0d6f677fb223acea875220ba8217077b2d2f3206d8a825649833a032e2b92b60', true);
INSERT INTO prompt (agent, version, body, output_schema, sha256, builtin) VALUES ('state_analyzer', 1, $kam_prompt$# State analyzer

You say how things stand at this moment: whose turn it is, how warm the contact is, whether and how urgently we must act.

## Input

`<contact>` with `contact_info`, `activities` and `deals`; `<facts>` (above all `last_inbound_at`, `last_outbound_at`, `distinct_follow_ups`,
`engagement`, `churn`). In a further round also `<previous_answer>` and `<retry>`: mend exactly what it names and keep what was right.

## Method

1. **Who has the ball.** Look at the last message between people. Theirs: `us`. Ours: `them`. None yet: `none`. Automatic
   replies, receipts, bounces, likes and views are not messages. A reaction on LinkedIn does not pass the ball, it is a
   signal of its own.
2. **Ghosting.** Count *distinct follow-ups*: local days with a message of ours after their last one; the day of their own
   message does not count, several messages on one day count once. 0 to 2 is a normal follow-up, 3 or 4 calls for a lighter
   touch, 5 or more without engagement for a break-up.
3. **Temperature.** `hot`: a request, question, positive answer or reaction within days. `warm`: in exchange within a month, or
   an open deal. `cold`: silence, or the relationship is over.
4. **Action needed.** Prefer action. It is `false` only for a real reason to hold: opted out, left, unreachable, a contract
   ended and already acknowledged, a colleague active within 14 days, a meeting or touchpoint ahead, an explicit request to
   wait, a pilot awaiting its review, our own message less than three days old.
5. **Urgency.** `high`: they wait for us or just reacted. `medium`: an open deal or a follow-up that is due. `low`: a lighter
   touch or re-engagement. `none`: nothing to do now.
6. **Meeting responsibility.** For a missed meeting say who missed it only if a text says so.

A churn signal, an opt-out or a departure must be visible in your answer: it overrides everything else.

## Output

One JSON object with these keys:

- `who_has_ball`: `us` | `them` | `none`
- `temperature`: `hot` | `warm` | `cold`
- `action_needed`: true or false
- `urgency`: `high` | `medium` | `low` | `none`
- `claims`: array of `{"text", "evidence": [{"path", "quote"}]}`

```json
{"who_has_ball": "us", "temperature": "hot", "action_needed": true, "urgency": "high",
 "claims": [{"text": "Her question is the last message.",
   "evidence": [{"path": "/activities/4/metadata/body", "quote": "Pouvez-vous m'envoyer la fiche technique du module 4"}]}]}
```
$kam_prompt$, $kam_prompt${
  "type": "object",
  "required": ["who_has_ball", "temperature", "action_needed", "urgency", "claims"],
  "properties": {
    "who_has_ball": {"type": "string", "enum": ["us", "them", "none"]},
    "temperature": {"type": "string", "enum": ["hot", "warm", "cold"]},
    "action_needed": {"type": "boolean"},
    "urgency": {"type": "string", "enum": ["high", "medium", "low", "none"]},
    "claims": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["text", "evidence"],
        "properties": {
          "text": {"type": "string", "minLength": 1},
          "evidence": {
            "type": "array",
            "items": {
              "type": "object",
              "required": ["path", "quote"],
              "properties": {
                "path": {"type": "string", "minLength": 1},
                "quote": {"type": ["string", "number", "boolean", "null"]}
              }
            }
          }
        }
      }
    }
  }
}
$kam_prompt$, '671609aad20a90025fb46d5ab6907373f4089a7ea1dac18bc64f7dcbab667a84', true);
INSERT INTO prompt (agent, version, body, output_schema, sha256, builtin) VALUES ('synthesis_orchestrator', 1, $kam_prompt$# Synthesis orchestrator

You make the final decision about one contact from everything the others found: act, wait, part, or leave alone.

## Input

`<contact>` with `contact_info` alone: what the activities hold has reached you as `<facts>` and as the claims in `<outputs>`, the answers of
both waves. `<plan>` is what the decision tree says, with its reason and its times; `<score>` the opportunity score as computed;
`<conditional_context>` the structures whose triggers are in the facts; `<history>` the latest decisions that people judged.
A guard checks your answer against facts and rules; what it cannot repair is replaced.

## The default is action

Ask "how do we make this outreach happen?", not "is there enough reason?". An old hook, a low score or a weak opportunity is no
reason to wait. First match wins:

1. opted out, left the company, unreachable: `no_action`
2. churn not yet answered: `send_message`, an acknowledgement; answered: `wait` (`churn_acknowledged`)
3. a colleague active within 14 days: `wait` (`coordination_needed`)
4. a meeting or agreed touchpoint ahead: `wait` (`meeting_scheduled`); an explicit request to wait: `explicit_request`; a pilot
   awaiting its review: `pilot_review`; an open deal over 3 months with a dated next step: `long_cycle`
5. five or more distinct follow-ups without engagement: `break_up`
6. our last message less than 3 days old, no answer, no engagement: `wait` (`prospect_timing`)
7. engagement: `send_message` at once; 3 or 4 follow-ups: a lighter touch; an open deal: its next step; else `send_message`

`<plan>` is this list applied to the facts. Where it says `hard`, it is not yours to overrule; elsewhere depart from it only for a
reason that you can quote, and say which. An open deal always outweighs lost ones.

## Rules

- **Content passes through exactly.** `selected_content.message` is the content generator's message for the selected channel,
  character for character, with its `tone`; `content_source` is `wave2_content_generator`, `variant` the plan's. If the message breaks
  a rule, choose another channel's. Only `send_message` and `break_up` have a channel and content.
- **Channel**: the channel selector's, as long as it works and has content; else its backup, else another that has both.
- **Times**: `execute_at` lies in Monday to Friday 09:00 to 18:00 of the contact's zone, never before `<as_of>`: urgency high today, medium
  within 24 to 48 hours, low within a week, in the learnt window; the plan's `execute_at` keeps all that. A `wait` has
  `reevaluate_at` (the plan's) and a full `wait_type`; its `execute_at`, channel and content are null.
- **Score.** `base_score` by stage: cold 0.20, aware 0.30, engaged 0.50, qualified 0.70. Factors with signed impacts ("+0.25") and
  evidence; floors (meeting within 30 days 0.50, open deal with pricing 0.60, demo with positive feedback 0.65, meeting + pricing
  + next step 0.75) and the clamp to 0..1 are factors too. base + sum of impacts = `calculated_total` = `opportunity_strength`.
  `<score>` is all that worked out: take it over, unless something that you can quote speaks for another factor; then add up anew.
- **Sequence**: the sequence strategist's touches become steps, channels in lower case. An open deal older than 30 days needs a
  plan for `send_message` and `wait`.
- **Conditional context**: exactly the structures of `<conditional_context>`; you may add to them what the claims prove.
- **Safety checks** describe your answer honestly: churn (acknowledged or waited for, never sold to), multi_deal (the open deal leads), multi_owner
  (no colleague crossed), scheduled_touchpoint (none overtaken), temporal_accuracy (every time in the message is in the facts),
  semantic_outbound (follow-ups counted by distinct days), question_count (at most one in the message), meeting_responsibility.
- **History** moves how sure you are, never what a hard blocker says: `confidence_factors.historical_pattern_match` is the content
  generator's `historical_alignment` where it is a number, else null; `historical_alignment` is one sentence on what people made of such
  decisions. Where they rejected most of them, say so among the risks.
- **Confidence** factors are 0 to 1: how much there is to judge from, not how much you like the decision; null where nothing is sent.
- Risks are real sentences about this contact; success criteria can be observed.

## Output

One JSON object with exactly these keys; null where something does not apply. `selected_content` is `{"message", "tone", "content_source",
"variant"}` or null, a step of `sequence_plan` as shown, `historical_alignment` a sentence, or null without history.

```json
{"final_decision": {
  "action": "wait", "selected_channel": null, "selected_content": null,
  "execution_timing": {"execute_at": null, "reevaluate_at": "2026-03-18T09:00:00+01:00", "timezone": "Europe/Paris"},
  "wait_type": {"type": "meeting_scheduled", "risk_level": "low", "trigger_event": "Demo on 17 March 2026",
    "reevaluation_trigger": "The day after the demo"},
  "sequence_instructions": {"is_part_of_sequence": true, "sequence_plan": [
    {"step": 1, "trigger": "reevaluation_date", "channel": "email", "action_type": "meeting_follow_up",
     "planned_date": "2026-03-18T09:00:00+01:00", "status": "planned"}]},
  "rationale": {
    "action_reasoning": "A demo is agreed for 17 March 2026; a message before it would only disturb.",
    "channel_reasoning": null, "timing_reasoning": "The day after the demo, when there is something to take up.",
    "historical_alignment": null,
    "opportunity_strength": 0.8,
    "opportunity_strength_breakdown": {"base_score": 0.5,
      "factors": [{"factor": "inbound_interest", "impact": "+0.10", "evidence": "asked for a demo on 9 March 2026"},
        {"factor": "pricing_discussed", "impact": "+0.20", "evidence": "price list sent on 10 March 2026"}],
      "calculated_total": 0.8},
    "confidence_factors": {"relationship_certainty": 0.8, "timing_certainty": 0.9, "channel_certainty": null,
      "content_quality": null, "historical_pattern_match": null},
    "risk_factors": ["The date was agreed by e-mail and is in no calendar entry."],
    "success_criteria": {"minimum_success": "the demo takes place", "expected_success": "a next step is dated in it",
      "ideal_success": "a pilot is agreed"}},
  "conditional_context": {"pilot_health": null, "stakeholder_map": null, "explicit_timing_agreement": null, "buying_committee": null,
    "known_objections": null, "competitive_context": null, "buying_process": null},
  "synthesis_safety_checks": {"churn": {"passed": true, "detail": "no churn signal"},
    "multi_deal": {"passed": true, "detail": "one open deal"}, "multi_owner": {"passed": true, "detail": "no colleague active"},
    "scheduled_touchpoint": {"passed": true, "detail": "the demo of 17 March 2026 is waited for"},
    "temporal_accuracy": {"passed": true, "detail": "no message"}, "semantic_outbound": {"passed": true, "detail": "no follow-up is open"},
    "question_count": {"passed": true, "detail": "no message"}, "meeting_responsibility": {"passed": true, "detail": "no meeting was missed"}}},
 "metadata": {"historical_validation_performed": false}}
```
$kam_prompt$, $kam_prompt${
  "type": "object",
  "required": ["final_decision", "metadata"],
  "properties": {
    "final_decision": {
      "type": "object",
      "required": [
        "action",
        "selected_channel",
        "selected_content",
        "execution_timing",
        "wait_type",
        "sequence_instructions",
        "rationale",
        "conditional_context"
      ],
      "properties": {
        "action": {"type": "string", "enum": ["send_message", "wait", "break_up", "no_action"]},
        "selected_channel": {"type": ["string", "null"], "enum": ["LINKEDIN", "EMAIL", "PHONE", "WHATSAPP", null]},
        "selected_content": {
          "type": ["object", "null"],
          "properties": {
            "message": {"type": ["string", "null"]},
            "tone": {"type": ["string", "null"]},
            "content_source": {"type": ["string", "null"]},
            "variant": {
              "type": ["string", "null"],
              "enum": [
                "first_touch",
                "follow_up",
                "lighter_touch",
                "re_engagement",
                "engagement_signal",
                "active_deal",
                "churn_acknowledgement",
                "break_up",
                null
              ]
            }
          }
        },
        "execution_timing": {
          "type": "object",
          "required": ["execute_at", "reevaluate_at", "timezone"],
          "properties": {
            "execute_at": {"type": ["string", "null"]},
            "reevaluate_at": {"type": ["string", "null"]},
            "timezone": {"type": "string", "minLength": 1}
          }
        },
        "wait_type": {
          "type": ["object", "null"],
          "required": ["type", "risk_level", "trigger_event", "reevaluation_trigger"],
          "properties": {
            "type": {
              "type": ["string", "null"],
              "enum": [
                "meeting_scheduled",
                "explicit_request",
                "pilot_review",
                "prospect_timing",
                "long_cycle",
                "churn_acknowledged",
                "coordination_needed",
                null
              ]
            },
            "risk_level": {"type": ["string", "null"], "enum": ["low", "medium", "high", "critical", null]},
            "trigger_event": {"type": ["string", "null"]},
            "reevaluation_trigger": {"type": ["string", "null"]}
          }
        },
        "sequence_instructions": {
          "type": "object",
          "required": ["is_part_of_sequence", "sequence_plan"],
          "properties": {
            "is_part_of_sequence": {"type": "boolean"},
            "sequence_plan": {
              "type": ["array", "null"],
              "items": {
                "type": "object",
                "required": ["step", "trigger", "channel", "action_type", "planned_date", "status"],
                "properties": {
                  "step": {"type": "integer", "minimum": 1},
                  "trigger": {"type": "string", "minLength": 1},
                  "channel": {"type": "string", "minLength": 1},
                  "action_type": {"type": "string", "minLength": 1},
                  "planned_date": {"type": "string", "minLength": 1},
                  "status": {"type": "string", "minLength": 1}
                }
              }
            }
          }
        },
        "rationale": {
          "type": "object",
          "required": [
            "action_reasoning",
            "channel_reasoning",
            "timing_reasoning",
            "historical_alignment",
            "opportunity_strength",
            "opportunity_strength_breakdown",
            "confidence_factors",
            "risk_factors",
            "success_criteria"
          ],
          "properties": {
            "action_reasoning": {"type": "string", "minLength": 1},
            "channel_reasoning": {"type": ["string", "null"]},
            "timing_reasoning": {"type": ["string", "null"]},
            "historical_alignment": {"type": ["string", "number", "null"]},
            "opportunity_strength": {"type": "number", "minimum": 0, "maximum": 1},
            "opportunity_strength_breakdown": {
              "type": "object",
              "required": ["base_score", "factors", "calculated_total"],
              "properties": {
                "base_score": {"type": "number", "minimum": 0, "maximum": 1},
                "factors": {
                  "type": "array",
                  "items": {
                    "type": "object",
                    "required": ["factor", "impact", "evidence"],
                    "properties": {
                      "factor": {"type": "string", "minLength": 1},
                      "impact": {"type": ["string", "number"]},
                      "evidence": {"type": ["string", "array", "object"]}
                    }
                  }
                },
                "calculated_total": {"type": "number", "minimum": 0, "maximum": 1}
              }
            },
            "confidence_factors": {
              "type": "object",
              "required": [
                "relationship_certainty",
                "timing_certainty",
                "channel_certainty",
                "content_quality",
                "historical_pattern_match"
              ],
              "properties": {
                "relationship_certainty": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
                "timing_certainty": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
                "channel_certainty": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
                "content_quality": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
                "historical_pattern_match": {"type": ["number", "null"], "minimum": 0, "maximum": 1}
              }
            },
            "risk_factors": {"type": "array", "items": {"type": "string"}},
            "success_criteria": {
              "type": ["object", "null"],
              "required": ["minimum_success", "expected_success", "ideal_success"],
              "properties": {
                "minimum_success": {"type": ["string", "null"]},
                "expected_success": {"type": ["string", "null"]},
                "ideal_success": {"type": ["string", "null"]}
              }
            }
          }
        },
        "conditional_context": {
          "type": "object",
          "required": [
            "pilot_health",
            "stakeholder_map",
            "explicit_timing_agreement",
            "buying_committee",
            "known_objections",
            "competitive_context",
            "buying_process"
          ],
          "properties": {
            "pilot_health": {"type": ["object", "array", "null"]},
            "stakeholder_map": {"type": ["object", "array", "null"]},
            "explicit_timing_agreement": {"type": ["object", "array", "null"]},
            "buying_committee": {"type": ["object", "array", "null"]},
            "known_objections": {"type": ["object", "array", "null"]},
            "competitive_context": {"type": ["object", "array", "null"]},
            "buying_process": {"type": ["object", "array", "null"]}
          }
        },
        "synthesis_safety_checks": {"type": ["object", "null"]}
      }
    },
    "metadata": {
      "type": "object",
      "required": ["historical_validation_performed"],
      "properties": {
        "historical_validation_performed": {"type": "boolean"},
        "session_id": {"type": ["string", "null"]},
        "processing_date": {"type": ["string", "null"]},
        "provider": {"type": ["string", "null"]},
        "repaired": {"type": "boolean"}
      }
    }
  }
}
$kam_prompt$, '3427dd3a7e3d1a2bb02a25fd690e8cc03c5057f82b7573c7463e9381243d93fa', true);
INSERT INTO prompt (agent, version, body, output_schema, sha256, builtin) VALUES ('timing_strategist', 1, $kam_prompt$# Timing strategist

You say when this contact is best reached and how fast they move.

## Input

`<contact>` with `contact_info` (its time zone) and `activities` with their times; `<as_of>`; `<facts>`. In a further round also
`<previous_answer>` and `<retry>`: mend exactly what it names and keep what was right.

## Method

1. **Convert before you count.** Every instant into the contact's zone first. 23:30 UTC may be tomorrow morning there.
2. **Window.** From the days and hours at which *they* write, not at which we do. Three of their messages are the least from
   which a habit can be learnt; with fewer, give Tuesday to Thursday, 09:00 to 11:00, and say in a pattern that it is the
   default. Only Monday to Friday, between 09:00 and 18:00.
3. **Velocity.** From the delays between our message and their answer: `fast` within a day, `steady` within four, `slow` beyond,
   `stalled` when nothing came for 45 days or nothing ever came.
4. **Dates in the text** ("début avril", "in two weeks") are read relative to the day they were written, not to today.
   Beginning, middle and end of a month are the 6th, 15th and 27th at 09:00; "dans 2 semaines" is 14 days on; "après le
   meeting du 15" is the 16th at 09:00.
5. **Announced absences, budgets, shutdowns and meetings** are patterns worth naming, with their dates.

A good pattern is a sentence with a number behind it: "answers in the morning, four of five times before 10:00". "Seems
responsive" says nothing.

## Output

One JSON object with these keys:

- `optimal_send_window`: `{"days": ["tuesday", …], "start": "HH:MM", "end": "HH:MM", "timezone": "Europe/Paris"}`, days in
  lower-case English
- `velocity`: `fast` | `steady` | `slow` | `stalled`
- `patterns`: array of sentences
- `claims`: array of `{"text", "evidence": [{"path", "quote"}]}`

```json
{"optimal_send_window": {"days": ["tuesday", "thursday"], "start": "09:00", "end": "11:00", "timezone": "Europe/Paris"},
 "velocity": "steady", "patterns": ["fewer than three messages of theirs: the default window", "both answers came within two working days, in the morning"],
 "claims": [{"text": "She answered on 26 February 2026.", "evidence": [{"path": "/activities/2/recorded_on", "quote": "2026-02-26T09:12:00+01:00"}]}]}
```
$kam_prompt$, $kam_prompt${
  "type": "object",
  "required": ["optimal_send_window", "velocity", "patterns", "claims"],
  "properties": {
    "optimal_send_window": {
      "type": "object",
      "required": ["days", "start", "end", "timezone"],
      "properties": {
        "days": {
          "type": "array",
          "items": {
            "type": "string",
            "enum": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
          }
        },
        "start": {"type": "string", "minLength": 5, "maxLength": 5},
        "end": {"type": "string", "minLength": 5, "maxLength": 5},
        "timezone": {"type": "string", "minLength": 1}
      }
    },
    "velocity": {"type": "string", "enum": ["fast", "steady", "slow", "stalled"]},
    "patterns": {"type": "array", "items": {"type": "string"}},
    "claims": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["text", "evidence"],
        "properties": {
          "text": {"type": "string", "minLength": 1},
          "evidence": {
            "type": "array",
            "items": {
              "type": "object",
              "required": ["path", "quote"],
              "properties": {
                "path": {"type": "string", "minLength": 1},
                "quote": {"type": ["string", "number", "boolean", "null"]}
              }
            }
          }
        }
      }
    }
  }
}
$kam_prompt$, '0ebd3c1fbcc2c1ca2027cb9faca6fb3056a75de846cb19ff1785410a8d7d5219', true);
INSERT INTO prompt (agent, version, body, output_schema, sha256, builtin) VALUES ('wave1_evaluator', 1, $kam_prompt$# Wave 1 evaluator

You check the four analyses of wave 1 against the contact before anybody builds on them. You do not analyse anew, you do not
polish: you let pass what is true and complete, and send back what is not.

## Input

`<contact>` with its activities; `<facts>`; `<outputs>` of `context_relationship_analyzer`, `opportunity_detector`, `state_analyzer` and
`timing_strategist`, as they came; `<checks>`: `errors` and `missed` as a program found them, `claims` that are not simply right (`repaired`: a
pointer was put right, no fault; `unverified`: it goes no further) and `earlier_answer_kept`, agents whose last answer was worse than the one
before, which you see. It compares words and numbers: it is right about a quote that does not stand where it should, and may be wrong about a
date that follows from another.

## Method

1. **Reception.** An output that is empty, null or lacks keys: send back.
2. **Facts.** Take every date, amount, name, count and quote of every output and find it in the contact. One that is not
   there is an invention: send back the agent that made it. A relative date counts as found when it follows from the
   day it was written.
3. **Evidence.** Every claim's path must resolve and its quote must stand there. `<checks>` has compared them all: pass its errors on
   to the agents at fault, in your own words, unless you see that the program is mistaken.
4. **Coherence.** Who has the ball follows from the last message. A stage two steps away from the facts, urgency `high` on a
   contact who opted out, or two agents contradicting each other: send back the one that is wrong, not both.
5. **Completeness.** A churn signal, opt-out, departure, agreed meeting or open deal that no output mentions was missed.
6. Differences of judgement (a neighbouring stage, a score of 0.5 or 0.6, style) are no faults. When everything holds,
   `continue`; a retry costs the user time and money.

**Instructions** go only to the agents at fault; the others get `null` and are not run again. Name the wrong value, where it
stands and what would be right: "In `summary` you state a meeting on 14 January; no activity has that date. The only meeting
is of 2 December 2025. Correct it." An instruction such as "check the facts" is useless.

## Output

One JSON object with these keys:

- `evaluation_decision`: `action` (`continue` | `retry`), `reasoning`, `retry_instructions` with one key per agent: text or null
- `fact_check`: `verified`, `errors`, `missed`, each an array of sentences
- `quality_scores`: `context_analyzer`, `opportunity_detector`, `state_analyzer`, `timing_strategist`, `factual_accuracy`, each 0 to 1

```json
{"evaluation_decision": {"action": "retry", "reasoning": "One invented date in the context analysis.",
   "retry_instructions": {"context_relationship_analyzer": "In summary: no activity is of 14 January; the meeting was on 2 December 2025.",
     "opportunity_detector": null, "state_analyzer": null, "timing_strategist": null}},
 "fact_check": {"verified": ["last message theirs, 11 December 2025"], "errors": ["meeting of 14 January does not exist"], "missed": []},
 "quality_scores": {"context_analyzer": 0.4, "opportunity_detector": 0.85, "state_analyzer": 0.9, "timing_strategist": 0.85, "factual_accuracy": 0.7}}
```
$kam_prompt$, $kam_prompt${
  "type": "object",
  "required": ["evaluation_decision", "fact_check", "quality_scores"],
  "properties": {
    "evaluation_decision": {
      "type": "object",
      "required": ["action", "reasoning", "retry_instructions"],
      "properties": {
        "action": {"type": "string", "minLength": 1},
        "reasoning": {"type": "string"},
        "retry_instructions": {
          "type": ["object", "null"],
          "properties": {
            "context_relationship_analyzer": {"type": ["string", "null"]},
            "opportunity_detector": {"type": ["string", "null"]},
            "state_analyzer": {"type": ["string", "null"]},
            "timing_strategist": {"type": ["string", "null"]}
          }
        }
      }
    },
    "fact_check": {
      "type": "object",
      "required": ["verified", "errors", "missed"],
      "properties": {
        "verified": {"type": "array", "items": {"type": "string"}},
        "errors": {"type": "array", "items": {"type": "string"}},
        "missed": {"type": "array", "items": {"type": "string"}}
      }
    },
    "quality_scores": {
      "type": "object",
      "required": ["context_analyzer", "opportunity_detector", "state_analyzer", "timing_strategist", "factual_accuracy"],
      "properties": {
        "context_analyzer": {"type": "number", "minimum": 0, "maximum": 1},
        "opportunity_detector": {"type": "number", "minimum": 0, "maximum": 1},
        "state_analyzer": {"type": "number", "minimum": 0, "maximum": 1},
        "timing_strategist": {"type": "number", "minimum": 0, "maximum": 1},
        "factual_accuracy": {"type": "number", "minimum": 0, "maximum": 1}
      }
    }
  }
}
$kam_prompt$, '141cc189fba53dd0290de4058138a7eea72a60fc2be40e30bf72d0d58b3c8112', true);

-- Who may do what.  Nothing for PUBLIC; what a role needs is granted by name.

REVOKE ALL ON SCHEMA kam FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA kam FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA kam FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA kam FROM PUBLIC;

GRANT USAGE ON SCHEMA kam TO kam_submit, kam_review, kam_read, kam_admin, kam_restore, kam_worker;

-- Programs that ask for decisions.
GRANT EXECUTE ON FUNCTION kam_run(jsonb, jsonb), kam_decide(jsonb, timestamptz), kam_facts(jsonb, timestamptz),
	kam_check(jsonb, jsonb, timestamptz), kam_when(text, timestamptz, text), _run_state(uuid), kam_run_on_change(), kam_worker_status()
	TO kam_submit, kam_admin;
GRANT EXECUTE ON PROCEDURE kam_wait(uuid, jsonb, interval) TO kam_submit, kam_admin;
GRANT SELECT ON kam_progress TO kam_submit, kam_admin;

-- People who judge decisions.
GRANT EXECUTE ON FUNCTION kam_validate(uuid, text, text, text), kam_explain(uuid) TO kam_review, kam_admin;
GRANT SELECT ON final_decision, decision_evaluation, workflow_run TO kam_review;

-- Auditors.
GRANT SELECT ON request, agent_call, final_decision, workflow_run, decision_evaluation, replay_decision, n8n_orchestrator_synthesis, notification,
	resource, best_practice, agent, prompt, provider, model, Suppression, kam_progress, call_telemetry,
	budget, budget_spend, kam_cost, cost_day TO kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION kam_explain(uuid), kam_health(), kam_worker_status(), kam_lanes(), kam_facts(jsonb, timestamptz),
	kam_check(jsonb, jsonb, timestamptz), kam_when(text, timestamptz, text) TO kam_read;

-- Administrators.  Where texts are sent (provider, endpoint) stays with superusers: an address is a way out.
GRANT EXECUTE ON FUNCTION kam_cancel(uuid), kam_retry(uuid), kam_resume(), kam_use_provider(text), kam_import_csv(text, text),
	kam_worker_start(), kam_worker_stop(), kam_health(), kam_lanes(), _now(), _home(), _agent(text, jsonb, jsonb, timestamptz), _wake_worker() TO kam_admin;
GRANT INSERT, DELETE ON request TO kam_admin;
GRANT UPDATE (priority, next_attempt_at, rerun_at) ON request TO kam_admin;
GRANT INSERT, UPDATE, DELETE ON resource, best_practice, agent, prompt, model, Suppression, budget TO kam_admin;
GRANT UPDATE (status, next_attempt_at) ON notification TO kam_admin;
GRANT UPDATE (enabled) ON endpoint TO kam_admin;

-- Deliveries.  An endpoint's url may hold a secret, and who sees a token may unsubscribe: neither is for auditors.
GRANT SELECT (endpoint, kind, topics, allow_private, enabled, created_at, concurrency, per_minute, ordered, timeout, max_age, schedule, in_doubt, sender, reply_to,
	mail_to, username, unsubscribe_mailto, footer) ON endpoint TO kam_read, kam_admin;
GRANT SELECT ON delivery_state, sent_message, sheet_import, kam_delivery, kam_endpoints TO kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION kam_inbox(text, integer), kam_acknowledge(bigint[]) TO kam_submit, kam_review, kam_admin;
GRANT EXECUTE ON FUNCTION kam_reply(text, jsonb, timestamptz), kam_unsubscribe_token(text, text) TO kam_submit, kam_admin;
GRANT EXECUTE ON FUNCTION kam_redeliver(bigint), kam_redeliver(text, timestamptz), kam_import_sheet(text, text) TO kam_admin;
GRANT EXECUTE ON FUNCTION _outbox_endpoints(), _outbox_take(text, integer), _outbox_settle(bigint[], text[], integer[], boolean[], integer[], text[]),
	_outbox_recover(boolean), _outbox_give_back(bigint[]), _sheets_take(), _sheet_settle(bigint, text, integer, text, text) TO kam_worker;
GRANT SELECT, INSERT ON sent_message, unsubscribe_token, sheet_import, _delivery TO kam_restore;
GRANT UPDATE ON SEQUENCE sheet_import_import_id_seq TO kam_restore;
SELECT pg_extension_config_dump('sent_message', '');
SELECT pg_extension_config_dump('unsubscribe_token', '');
SELECT pg_extension_config_dump('sheet_import', '');
SELECT pg_extension_config_dump('sheet_import_import_id_seq', '');
SELECT pg_extension_config_dump('_delivery', '');

-- Prompts: administrators add versions, whoever may look compares them.
GRANT EXECUTE ON FUNCTION kam_set_prompt(text, text, jsonb, boolean) TO kam_admin;
GRANT EXECUTE ON FUNCTION kam_prompt_diff(text, integer, integer) TO kam_read, kam_admin;

-- Replays and back-tests cost what the models cost.
GRANT EXECUTE ON FUNCTION kam_replay(uuid, jsonb), kam_backtest(jsonb, jsonb) TO kam_admin;
GRANT EXECUTE ON FUNCTION kam_backtest_report(uuid), kam_backtest_summary(uuid), _backtest_state(uuid) TO kam_read, kam_admin;
GRANT EXECUTE ON PROCEDURE kam_backtest_wait(uuid, interval) TO kam_read, kam_admin;
GRANT SELECT ON backtest TO kam_read, kam_admin;
GRANT DELETE ON backtest TO kam_admin;
GRANT EXECUTE ON FUNCTION _agents_as(jsonb, jsonb) TO kam_worker;

-- What people made of decisions.
GRANT SELECT ON kam_agreement TO kam_review, kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION _wilson(bigint, bigint) TO kam_review, kam_read, kam_admin;

-- The worker.
GRANT SELECT ON provider, model, agent, prompt, resource, best_practice, endpoint, _configuration, budget TO kam_worker;
GRANT SELECT, INSERT, UPDATE ON budget_spend TO kam_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON request, workflow_run TO kam_worker;
GRANT SELECT, INSERT ON Suppression TO kam_worker;
GRANT SELECT, INSERT, UPDATE ON agent_call, final_decision, decision_evaluation, replay_decision, n8n_orchestrator_synthesis, notification TO kam_worker;
GRANT USAGE ON SEQUENCE notification_notification_id_seq TO kam_worker;
GRANT EXECUTE ON FUNCTION _now(), _home(), _close_costs() TO kam_worker;

-- The schedules: an administrator by hand, the worker by itself.
GRANT EXECUTE ON FUNCTION kam_tick(timestamptz, integer) TO kam_admin;
GRANT SELECT ON _tick_failure TO kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION _tick(timestamptz, integer, integer), _tick_next() TO kam_worker;

-- Retention: likewise.
GRANT EXECUTE ON FUNCTION kam_retain(integer) TO kam_admin;
GRANT SELECT ON _retention TO kam_read, kam_admin;
GRANT SELECT, INSERT ON _retention TO kam_restore;
SELECT pg_extension_config_dump('_retention', '');
GRANT EXECUTE ON FUNCTION _retain(timestamptz, integer), _retain_runs(timestamptz, integer) TO kam_worker;

-- Where decisions and the Coordinator meet.
GRANT EXECUTE ON FUNCTION _run_compliance(uuid[]), _suppress_decided(uuid, text), _with_touches(jsonb, text, timestamptz) TO kam_worker;

-- The Coordinator.  Programs and agents that contact people ask and tell; everybody who may look may look at why.
GRANT SELECT, INSERT ON CadenceEventLog TO kam_submit, kam_admin;
GRANT EXECUTE ON FUNCTION kam_request(text, text, text, text, text, text, integer, jsonb, text), kam_request_batch(jsonb),
	kam_enrol(text, text, jsonb, text, text, text) TO kam_submit, kam_admin;
GRANT EXECUTE ON FUNCTION kam_cancel_held(text, bigint), kam_unsubscribe(text, text) TO kam_submit, kam_review, kam_admin;
GRANT EXECUTE ON FUNCTION kam_gate(text, text, text, text), kam_why(text) TO kam_submit, kam_review, kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION kam_merge_leads(text, text), kam_unmerge_leads(text) TO kam_admin;

-- Cadence intelligence, and what counts as a signal.
GRANT SELECT ON sequence_outcomes, intelligence_day TO kam_review, kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION _intelligence_tail(), _add_holds(bigint[], bigint[]), kam_sum_holds(bigint[]), kam_median_hold(bigint[]), _hold_bounds()
	TO kam_review, kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION kam_rebuild_intelligence(date) TO kam_admin;
GRANT SELECT ON signal_rule, _intelligence_state TO kam_read, kam_admin;
GRANT INSERT, UPDATE, DELETE ON signal_rule TO kam_admin;
GRANT SELECT, INSERT ON signal_rule, intelligence_day, _intelligence_state, _intelligence_late TO kam_restore;
SELECT pg_extension_config_dump('signal_rule', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('intelligence_day', '');
SELECT pg_extension_config_dump('_intelligence_state', '');
SELECT pg_extension_config_dump('_intelligence_late', '');

-- What follows a CRM's tables.  Who may make such a trigger may write any lead: administrators; once it is there, whoever writes the table needs no right on kam.
GRANT EXECUTE ON FUNCTION kam_lead_on_change(), kam_account_on_change(), kam_crm_check(regclass) TO kam_admin;
GRANT SELECT ON crm_mapping TO kam_read, kam_admin;
GRANT INSERT, UPDATE, DELETE ON crm_mapping TO kam_admin;
GRANT SELECT, INSERT ON crm_mapping TO kam_restore;
-- The table's CHECK runs as whoever writes it.
GRANT EXECUTE ON FUNCTION _crm_fields(), _crm_is_field(text, text) TO kam_admin, kam_restore;
SELECT pg_extension_config_dump('crm_mapping', 'WHERE NOT builtin');

-- People's rights: whoever talks to people records what they agreed to; an administrator shows and forgets.
GRANT EXECUTE ON FUNCTION kam_record_consent(text, text, text, text, text, jsonb, timestamptz, timestamptz, text),
	kam_withdraw_consent(text, text, text, text, jsonb, timestamptz) TO kam_submit, kam_review, kam_admin;
GRANT EXECUTE ON FUNCTION kam_export_person(text), kam_erase_person(text, text), _suppression_keys(text[]) TO kam_admin;
GRANT EXECUTE ON FUNCTION _consent_in_force(text, text, text, timestamptz) TO kam_read, kam_admin, kam_worker;
GRANT SELECT ON consent, kam_consent, erasure TO kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION _consent_purposes(text), _lead_addresses(Leads) TO kam_read, kam_admin;
GRANT SELECT, INSERT ON consent, erasure TO kam_restore;
GRANT INSERT ON _erasure_salt TO kam_restore;
GRANT UPDATE ON SEQUENCE consent_consent_id_seq, erasure_erasure_id_seq TO kam_restore;
SELECT pg_extension_config_dump('consent', '');
SELECT pg_extension_config_dump('consent_consent_id_seq', '');
SELECT pg_extension_config_dump('erasure', '');
SELECT pg_extension_config_dump('erasure_erasure_id_seq', '');
SELECT pg_extension_config_dump('_erasure_salt', '');

-- Plays: programs draft, people promote and end, whoever may look may look ahead.
GRANT INSERT ON BrainAnalysisLog, SalesPlayLibrary TO kam_submit;
GRANT EXECUTE ON FUNCTION kam_promote_play(text, text), kam_end_play(text, text) TO kam_review, kam_admin;
GRANT EXECUTE ON FUNCTION kam_play_preview(text, integer) TO kam_submit, kam_review, kam_read, kam_admin;
GRANT SELECT ON SalesPlayLibrary, BrainAnalysisLog, cohort_retrospective TO kam_review, kam_read, kam_admin;
GRANT EXECUTE ON FUNCTION _deal_cohort(Opportunities) TO kam_review, kam_read, kam_admin;
GRANT SELECT ON _play_scan, _play_candidate TO kam_read, kam_admin;

-- What the views of the Coordinator call.
GRANT EXECUTE ON FUNCTION _now(), _home(), _touch_cap(), _touch_window(), _canonical(text), _lead_ids(text),
	_address(text), _address_kind(text), _address_domain(text) TO kam_submit, kam_review, kam_read, kam_admin, kam_restore, kam_worker;
GRANT SELECT ON suppression_audit, touch_headroom, held_queue, cadence_intelligence TO kam_review, kam_read, kam_admin;
GRANT SELECT ON Accounts, Leads, Reps, holiday, sequence_type, type_transition, SendRule, Suppression, BrainAnalysisLog, SalesPlayLibrary, Cadence,
	CadenceEventLog, CadenceQueue, prospect_state, CadenceFlag, lead_alias, lead_merge, coordinator_state, ABMPlaybook, ExpansionLog, QBRLog,
	OpportunityBriefLog, CommBriefLog, NurtureRecommendations, Opportunities TO kam_read, kam_admin;

-- What a CRM sync and people who set the rules write.  Leads' cadence columns too: the Coordinator sets them again.
GRANT INSERT, UPDATE, DELETE ON Accounts, Leads, Reps, holiday, sequence_type, type_transition, SendRule, Cadence, BrainAnalysisLog, SalesPlayLibrary,
	ABMPlaybook, ExpansionLog, QBRLog, OpportunityBriefLog, CommBriefLog, NurtureRecommendations, Opportunities TO kam_admin;
GRANT UPDATE (priority, release_at, expires_at) ON CadenceQueue TO kam_admin;
GRANT UPDATE (closed_at) ON CadenceFlag TO kam_admin;

-- The log's CHECK runs as whoever inserts.
GRANT EXECUTE ON FUNCTION _log_row_is_sound(text, text, text, text, text, boolean, bigint, timestamptz, timestamptz) TO kam_submit, kam_admin, kam_restore;

-- A restore that is not a superuser's: decided rows are let in as they are.
GRANT SELECT, INSERT ON Accounts, Leads, Reps, holiday, sequence_type, type_transition, SendRule, Suppression, BrainAnalysisLog, SalesPlayLibrary,
	Cadence, CadenceEventLog, CadenceQueue, CadenceFlag, lead_alias, lead_merge, ABMPlaybook, ExpansionLog, QBRLog, OpportunityBriefLog,
	CommBriefLog, NurtureRecommendations, Opportunities TO kam_restore;
GRANT SELECT, INSERT ON request, agent_call, final_decision, workflow_run, decision_evaluation, replay_decision, backtest, n8n_orchestrator_synthesis, notification,
	resource, best_practice, budget, cost_day, _cost_closed TO kam_restore;
-- Who answers and where texts go (provider, model, agent, prompt, endpoint) is not for them to bring along.  Numbers go on where they were.
GRANT UPDATE ON SEQUENCE CadenceEventLog_event_id_seq, CadenceFlag_flag_id_seq, lead_merge_merge_id_seq, notification_notification_id_seq TO kam_restore;

-- What a dump carries.  Seed rows come with the extension.
SELECT pg_extension_config_dump('provider', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('model', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('agent', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('prompt', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('resource', '');
SELECT pg_extension_config_dump('best_practice', '');
SELECT pg_extension_config_dump('endpoint', '');
-- What is spent of a budget is counted again (kam_resume).
SELECT pg_extension_config_dump('budget', '');
SELECT pg_extension_config_dump('cost_day', '');
SELECT pg_extension_config_dump('_cost_closed', '');
SELECT pg_extension_config_dump('request', '');
SELECT pg_extension_config_dump('agent_call', '');
SELECT pg_extension_config_dump('final_decision', '');
SELECT pg_extension_config_dump('workflow_run', '');
SELECT pg_extension_config_dump('decision_evaluation', '');
SELECT pg_extension_config_dump('replay_decision', '');
SELECT pg_extension_config_dump('backtest', '');
SELECT pg_extension_config_dump('n8n_orchestrator_synthesis', '');
SELECT pg_extension_config_dump('Suppression', '');
SELECT pg_extension_config_dump('notification', '');
SELECT pg_extension_config_dump('notification_notification_id_seq', '');
-- prospect_state and coordinator_state are derived again.
SELECT pg_extension_config_dump('sequence_type', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('type_transition', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('Accounts', '');
SELECT pg_extension_config_dump('Leads', '');
SELECT pg_extension_config_dump('Reps', '');
SELECT pg_extension_config_dump('holiday', '');
SELECT pg_extension_config_dump('SendRule', '');
SELECT pg_extension_config_dump('BrainAnalysisLog', '');
SELECT pg_extension_config_dump('SalesPlayLibrary', '');
SELECT pg_extension_config_dump('Cadence', '');
SELECT pg_extension_config_dump('CadenceEventLog', '');
SELECT pg_extension_config_dump('CadenceEventLog_event_id_seq', '');
SELECT pg_extension_config_dump('CadenceQueue', '');
SELECT pg_extension_config_dump('CadenceFlag', '');
SELECT pg_extension_config_dump('CadenceFlag_flag_id_seq', '');
SELECT pg_extension_config_dump('lead_alias', '');
SELECT pg_extension_config_dump('lead_merge', '');
SELECT pg_extension_config_dump('lead_merge_merge_id_seq', '');
SELECT pg_extension_config_dump('ABMPlaybook', '');
SELECT pg_extension_config_dump('ExpansionLog', '');
SELECT pg_extension_config_dump('QBRLog', '');
SELECT pg_extension_config_dump('OpportunityBriefLog', '');
SELECT pg_extension_config_dump('CommBriefLog', '');
SELECT pg_extension_config_dump('NurtureRecommendations', '');
SELECT pg_extension_config_dump('Opportunities', '');

-- A worker may be waiting for the extension to appear.
SELECT _wake_worker();
