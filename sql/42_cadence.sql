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
