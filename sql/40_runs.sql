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
