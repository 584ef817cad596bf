/*
 * worker/job.c: the steps of one run.
 *
 * kam_job_prepare thinks, kam_job_write writes.  Between the two stands the
 * rule of the worker: a finished call is a committed row before anything that
 * depends on it is begun.  No SQL text here (store/), no rule of sales
 * either (core/).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "kam.h"
#include "pg/clock.h"
#include "worker/job.h"
/* after the server's headers */
#include "core/schema.h"
#include "pg/memory.h"

/* A transient trouble's pause before the run is taken again. */
#define POSTPONE_MS 5000

/* ---- config --------------------------------------------------------------- */

KamConfig *
kam_config_load(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "kam config", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KamConfig  *config = palloc0(sizeof(KamConfig));
	KamAgentRow *row;
	int			count;

	config->context = context;
	PG_TRY();
	{
		count = kam_store_agents(context, &row);
		for (int i = 0; i < count; i++)
		{
			int			agent = kam_agent_from_name(row[i].agent);

			if (agent < 0)
				continue;
			config->agent[agent].provider = row[i].provider;
			config->agent[agent].api = row[i].api;
			config->agent[agent].model = row[i].model;
			config->agent[agent].prompt_version = row[i].prompt_version;
			if (row[i].output_schema != NULL)
				config->agent[agent].schema = kam_json_from_jsonb(row[i].output_schema);
		}
		config->resources = kam_json_from_jsonb(kam_store_resources(context));
		config->practices = kam_json_from_jsonb(kam_store_practices(context));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return config;
}

void
kam_config_release(KamConfig *config)
{
	if (--config->users <= 0)
		MemoryContextDelete(config->context);
}

/* ---- life ------------------------------------------------------------------ */

KamJob *
kam_job_new(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "kam run", ALLOCSET_DEFAULT_SIZES);
	KamJob	   *job = MemoryContextAllocZero(context, sizeof(KamJob));

	job->context = context;
	job->step_context = AllocSetContextCreate(context, "kam step", ALLOCSET_DEFAULT_SIZES);
	return job;
}

void
kam_job_free(KamJob *job)
{
	if (job->config != NULL)
		kam_config_release(job->config);
	/* The arena and every json_t hang on it. */
	MemoryContextDelete(job->context);
}

static void
close_run(void *arg)
{
	kam_run_close(arg);
}

/* Whether a call is recorded that had, or should have had, the validated decisions before it. */
static bool
began_wave2(const KamJob *job)
{
	for (int i = 0; i < job->nrecorded; i++)
	{
		int			agent = kam_agent_from_name(job->recorded[i].agent);

		if (agent >= 0 && kam_agent_wave((KamAgent) agent) >= 2)
			return true;
	}
	return false;
}

/* Inside a unit: looks up, as of now, whether anybody may write to this contact. */
static void
look_up_compliance(KamJob *job)
{
	KamComplianceRow found;

	kam_store_compliance(&job->claim.session_id, job->context, &found);
	job->is_forbidden = found.status != NULL;
	job->forbidden = (KamForbidden)
	{
		found.status, found.source, found.about, found.dated ? kam_time_from_timestamptz(found.since) : KAM_NO_TIME
	};
}

void
kam_job_load(KamJob *job)
{
	MemoryContext old = MemoryContextSwitchTo(job->context);

	job->session = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&job->claim.session_id)));
	MemoryContextSwitchTo(old);
	job->nrecorded = kam_store_calls(&job->claim.session_id, job->context, &job->recorded);
	if (job->nrecorded > 0 || strcmp(job->claim.status, kam_run_stage_name(KAM_RUN_SAVED)) == 0)
		job->saved = kam_store_saved_decision(&job->claim.session_id, job->context);
	/* A decision that people have seen stands. */
	if (job->saved == NULL)
		look_up_compliance(job);
	if (began_wave2(job))
		job->replayed_history = kam_store_history(job->context);
	job->next_call_no = job->nrecorded > 0 ? job->recorded[job->nrecorded - 1].call_no + 1 : 1;
	job->status = job->claim.status;
	job->iteration = job->claim.iteration;
	job->renewed = GetCurrentTimestamp();
}

/* ---- failing ---------------------------------------------------------------- */

static void
set_failure(KamJob *job, const char *sqlstate, const char *message)
{
	KamStep    *step = &job->step;

	step->kind = KAM_STEP_FAIL;
	step->error = MemoryContextStrdup(job->step_context, message);
	strlcpy(step->sqlstate, sqlstate, sizeof(step->sqlstate));
}

/* The message with the place it names: the same a caller of kam_decide would read. */
static void
set_refusal(KamJob *job, const KamError *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, error->message);
	if (error->path != NULL)
		appendStringInfo(&text, " (at \"%s\")", error->path);
	set_failure(job, error->sqlstate, text.data);
}

void
kam_job_postpone(KamJob *job, const char *why, bool counted)
{
	KamStep    *step = &job->step;

	step->kind = KAM_STEP_POSTPONE;
	step->error = why ? MemoryContextStrdup(job->step_context, why) : NULL;
	step->counted = counted;
}

void
kam_job_fail(KamJob *job, const ErrorData *error)
{
	char	   *message = error->detail
		? psprintf("%s: %s", error->message, error->detail)
		: pstrdup(error->message);

	if (kam_error_is_transient(error->sqlerrcode))
		/* A statement that never ends would come back for ever. */
		kam_job_postpone(job, message, error->sqlerrcode == ERRCODE_QUERY_CANCELED);
	else
	{
		/* The row of a call that could not be stored is not stored now either. */
		job->step.has_call = false;
		set_failure(job, unpack_sql_state(error->sqlerrcode), message);
	}
	pfree(message);
}

/* ---- opening: the contact, and what is recorded already ----------------------- */

/* Hands the run one recorded answer; one that is not due any more is passed over. */
static void
replay_call(KamJob *job, const KamRecordedCall *call)
{
	int			agent = kam_agent_from_name(call->agent);

	if (agent < 0 || !call->succeeded || call->output == NULL)
		return;
	if (!job->run->due[agent] || call->iteration != job->run->iteration)
		return;
	kam_run_accept(job->run, (KamAgent) agent, json_incref(kam_json_from_jsonb(call->output)));
}

/* The decision that people have seen is the one the judge judges. */
static void
resume_saved(KamJob *job)
{
	KamRun	   *run = job->run;

	json_decref(run->decision);
	run->decision = json_incref(kam_json_from_jsonb(job->saved));
	run->in.decision = run->decision;
	run->forbidden = job->is_forbidden ? &job->forbidden : NULL;
	kam_run_saved(run);
}

/* Whether the run needs no call: nobody may write to this contact, or that was decided before a crash. */
static bool
forbidden_from_the_start(KamJob *job)
{
	if (job->saved != NULL)
		job->is_forbidden = kam_forbidden_read(&job->run->contact, kam_json_from_jsonb(job->saved), &job->forbidden);
	return job->is_forbidden;
}

static void
open_run(KamJob *job)
{
	MemoryContext old = MemoryContextSwitchTo(job->context);
	KamEnv		env = kam_pg_env(kam_time_from_timestamptz(job->claim.as_of));
	json_t	   *contact = kam_json_from_jsonb(job->claim.contact);
	KamRun	   *run = palloc0(sizeof(KamRun));
	KamError	error;

	pfree(job->claim.contact);
	job->claim.contact = NULL;
	if (!kam_run_open(run, env.arena, &env, contact, job->session, &error))
	{
		MemoryContextSwitchTo(job->step_context);
		set_refusal(job, &error);
		MemoryContextSwitchTo(old);
		return;
	}
	kam_on_reset(close_run, run);
	run->in.resources = job->config->resources;
	run->in.practices = job->config->practices;
	job->run = run;
	if (forbidden_from_the_start(job))
	{
		if (job->saved != NULL)
			resume_saved(job);
		else
			kam_run_forbid(run, &job->forbidden);
		MemoryContextSwitchTo(old);
		return;
	}
	if (job->replayed_history != NULL)
		run->in.history = job->history = kam_json_from_jsonb(job->replayed_history);

	for (int i = 0; i < job->nrecorded; i++)
	{
		if (run->stage == KAM_RUN_GUARD && job->saved != NULL)
			resume_saved(job);
		replay_call(job, &job->recorded[i]);
	}
	if (run->stage == KAM_RUN_GUARD && job->saved != NULL)
		resume_saved(job);
	MemoryContextSwitchTo(old);
}

/* ---- history -------------------------------------------------------------------- */

bool
kam_job_needs_history(const KamJob *job)
{
	return job->run != NULL && job->history == NULL && job->run->due[KAM_CONTENT_GENERATOR];
}

void
kam_job_give_history(KamJob *job, json_t *history)
{
	MemoryContext old = MemoryContextSwitchTo(job->context);

	job->history = kam_pg_own(json_incref(history));
	job->run->in.history = job->history;
	MemoryContextSwitchTo(old);
}

/* ---- steps ------------------------------------------------------------------------ */

/* Where the run stands, as its row may say: "judged" is written with the end alone. */
static const char *
stage_status(const KamRun *run)
{
	return kam_run_stage_name(run->stage == KAM_RUN_JUDGED ? KAM_RUN_SAVED : run->stage);
}

static int
next_attempt(const KamJob *job, const char *agent, int iteration)
{
	int			attempt = 1;

	for (int i = 0; i < job->nrecorded; i++)
	{
		const KamRecordedCall *call = &job->recorded[i];

		if (call->iteration == iteration && strcmp(call->agent, agent) == 0)
			attempt = Max(attempt, call->attempt + 1);
	}
	return attempt;
}

/* Faults of an output against its agent's schema as one text, or NULL. */
static char *
schema_faults(KamJob *job, const json_t *schema, const json_t *output)
{
	json_t	   *faults = kam_pg_own(kam_schema_check(job->run->env.arena, schema, output));
	StringInfoData text;

	if (json_array_size(faults) == 0)
		return NULL;
	initStringInfo(&text);
	for (size_t i = 0; i < json_array_size(faults) && i < 5; i++)
	{
		const json_t *fault = json_array_get(faults, i);
		const char *path = kam_get_string(fault, "path");
		const char *message = kam_get_string(fault, "message");

		appendStringInfo(&text, "%s%s: %s", i > 0 ? "; " : "", path && *path ? path : "/", message ? message : "");
	}
	return text.data;
}

/* Makes the call that is due and takes its answer. */
static void
prepare_call(KamJob *job, KamAgent agent)
{
	KamStep    *step = &job->step;
	KamRun	   *run = job->run;
	const KamAgentConfig *config = &job->config->agent[agent];
	const char *name = kam_agent_name(agent);
	KamCallRow *row = &step->call;
	json_t	   *output;
	char	   *faults;

	if (config->provider == NULL)
	{
		set_failure(job, "55000", psprintf("agent \"%s\" has no row in kam.agent", name));
		return;
	}
	if (strcmp(config->api, "builtin") != 0)
	{
		set_failure(job, "0A000", psprintf("provider \"%s\" has no engine in this version (agent \"%s\")",
										   config->provider, name));
		return;
	}

	row->call_no = job->next_call_no;
	row->agent = name;
	row->iteration = run->iteration;
	row->attempt = next_attempt(job, name, run->iteration);
	row->provider = config->provider;
	row->model = config->model;
	row->prompt_version = config->prompt_version;
	row->started_at = GetCurrentTimestamp();
	output = kam_builtin_run(&run->env, agent, kam_run_inputs(run, agent));
	row->finished_at = GetCurrentTimestamp();
	step->has_call = true;
	if (output == NULL)
	{
		row->error = "the agent gave no answer";
		set_failure(job, "XX000", psprintf("agent \"%s\" gave no answer", name));
		return;
	}
	output = kam_pg_own(output);

	faults = config->schema != NULL ? schema_faults(job, config->schema, output) : NULL;
	if (faults != NULL)
	{
		row->error = psprintf("the answer breaks the agent's schema: %s", faults);
		set_failure(job, "XX000", psprintf("the answer of agent \"%s\" breaks its schema: %s", name, faults));
		return;
	}

	row->output = kam_jsonb_from_json(output);
	kam_run_accept(run, agent, json_incref(output));
	step->kind = KAM_STEP_CALL;
	step->status = stage_status(run);
	step->iteration = run->iteration;
}

/* A copy of "from"'s member, or null, under another name. */
static void
put_copy(json_t *to, const char *key, const json_t *from, const char *path)
{
	const json_t *value = from != NULL ? kam_dig(from, path) : NULL;

	kam_put(to, key, value != NULL ? json_incref((json_t *) value) : json_null());
}

/* What Slack and Zapier are told. */
static Jsonb *
decision_notice(const KamJob *job, const json_t *decision)
{
	json_t	   *notice = kam_pg_own(kam_object());
	json_t	   *reasons = kam_object();
	json_t	   *contact = kam_object();
	const KamContact *person = &job->run->contact;

	kam_put(notice, "session_id", kam_string(job->session));
	kam_put(notice, "lead_id", job->claim.lead_id ? kam_string(job->claim.lead_id) : json_null());
	put_copy(notice, "action", decision, "action");
	put_copy(notice, "channel", decision, "selected_channel");
	put_copy(notice, "variant", decision, "selected_content.variant");
	put_copy(notice, "subject", decision, "selected_content.subject");
	put_copy(notice, "message", decision, "selected_content.message");
	if (job->run->forbidden != NULL)
		put_copy(notice, "compliance", decision, "compliance");
	put_copy(notice, "execute_at", decision, "execution_timing.execute_at");
	put_copy(notice, "reevaluate_at", decision, "execution_timing.reevaluate_at");
	put_copy(notice, "wait_type", decision, "wait_type");
	put_copy(notice, "opportunity_strength", decision, "rationale.opportunity_strength");
	kam_put(notice, "reasons", reasons);
	put_copy(reasons, "action", decision, "rationale.action_reasoning");
	put_copy(reasons, "channel", decision, "rationale.channel_reasoning");
	put_copy(reasons, "timing", decision, "rationale.timing_reasoning");
	kam_put(notice, "contact", contact);
	kam_put(contact, "name", person->full_name ? kam_string(person->full_name)
			: person->first_name ? kam_string(person->first_name) : json_null());
	kam_put(contact, "company", person->company ? kam_string(person->company) : json_null());
	kam_put(contact, "hubspot_id", person->hubspot_id ? kam_string(person->hubspot_id) : json_null());
	put_copy(contact, "linkedin_url", person->json, "contact_info.linkedin_url");
	kam_put(notice, "owner", person->owner ? kam_string(person->owner) : json_null());
	return kam_jsonb_from_json(notice);
}

/* Whether a wait runs again by itself, and when: the option "rerun", on by default for a run with a lead. */
static void
plan_rerun(const KamJob *job, const json_t *decision, KamDecisionRow *row)
{
	const json_t *options = job->claim.options != NULL ? kam_json_from_jsonb(job->claim.options) : NULL;
	const json_t *option = options != NULL ? json_object_get(options, "rerun") : NULL;
	const json_t *at = kam_dig(decision, "execution_timing.reevaluate_at");
	bool		wanted = json_is_boolean(option) ? json_is_true(option) : job->claim.lead_id != NULL;
	KamTime		when;

	if (!wanted || strcmp(row->action, kam_action_name(KAM_WAIT)) != 0 || !json_is_string(at))
		return;
	if (!kam_time_parse(json_string_value(at), &job->run->contact.zone, &when))
		return;
	/* One that is over before it began would run again without end. */
	if (when <= job->run->env.as_of)
		return;
	row->rerun = true;
	row->rerun_at = kam_timestamptz_from_time(when);
}

static char *
json_text(const json_t *value)
{
	char	   *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	char	   *text;

	if (dumped == NULL)
		kam_out_of_memory();
	text = MemoryContextAllocExtended(CurrentMemoryContext, strlen(dumped) + 1, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
	if (text != NULL)
		strcpy(text, dumped);
	free(dumped);
	if (text == NULL)
		kam_out_of_memory();
	return text;
}

/* What the guard did, for people to read. */
static Jsonb *
guard_notes(const KamRun *run)
{
	json_t	   *guard = kam_pg_own(kam_object());
	json_t	   *compliance = run->forbidden != NULL
		? kam_forbidden_json(&run->env, &run->contact, run->forbidden) : kam_object();

	kam_put(guard, "findings", run->findings ? json_incref(run->findings) : kam_array());
	kam_put(guard, "repairs", run->repairs ? json_incref(run->repairs) : kam_array());
	kam_put(guard, "replaced", json_boolean(run->replaced));
	kam_put(guard, "forced", json_boolean(run->forced));
	kam_put(guard, "compliance", compliance);
	if (run->forbidden == NULL)
		kam_put(compliance, "status", kam_string("clear"));
	if (run->overruled != NULL)
		kam_put(compliance, "instead_of", kam_string(run->overruled));
	return kam_jsonb_from_json(guard);
}

static void
prepare_save(KamJob *job)
{
	KamStep    *step = &job->step;
	KamRun	   *run = job->run;
	KamDecisionRow *row = &step->decision;
	const json_t *decision = kam_get_object(run->decision, "final_decision");
	const char *action = decision != NULL ? kam_get_string(decision, "action") : NULL;

	if (action == NULL)
	{
		set_failure(job, "XX000", "the guarded decision has no action");
		return;
	}
	row->decision = kam_jsonb_from_json(run->decision);
	row->guard = guard_notes(run);
	row->notice = decision_notice(job, decision);
	row->synthesis = run->output[KAM_SYNTHESIS_ORCHESTRATOR]
		? json_text(run->output[KAM_SYNTHESIS_ORCHESTRATOR]) : NULL;
	row->action = action;
	row->channel = kam_get_string(decision, "selected_channel");
	row->hubspot_id = run->contact.hubspot_id;
	row->owner = run->contact.owner;
	row->linkedin_url = kam_get_string(kam_get_object(run->contact.json, "contact_info"), "linkedin_url");
	row->lead_id = job->claim.lead_id;
	row->suppress = kam_auto_suppress && run->facts.opt_out != NULL;
	row->suppress_reason = row->suppress ? run->facts.opt_out->quote : NULL;
	plan_rerun(job, decision, row);
	step->contacts = strcmp(action, kam_action_name(KAM_SEND_MESSAGE)) == 0 || strcmp(action, kam_action_name(KAM_BREAK_UP)) == 0;
	step->kind = KAM_STEP_SAVE;
	step->status = kam_run_stage_name(KAM_RUN_SAVED);
	step->iteration = run->iteration;
}

static void
prepare_finish(KamJob *job)
{
	KamStep    *step = &job->step;
	const json_t *judgement = job->run->output[KAM_DECISION_EVALUATOR];
	const json_t *criteria = kam_get_array(judgement, "criteria");

	step->kind = KAM_STEP_FINISH;
	step->status = kam_run_stage_name(KAM_RUN_JUDGED);
	step->iteration = job->run->iteration;
	/* Nothing was left to judgement where nobody may write. */
	if (job->run->forbidden != NULL)
		return;
	step->verdict = kam_get_string(judgement, "verdict");
	step->overall_score = kam_get_number(judgement, "overall_score", -1);
	if (step->verdict == NULL || step->overall_score < 0)
	{
		set_failure(job, "XX000", "the judgement lacks its score or verdict");
		return;
	}
	step->criteria = kam_jsonb_from_json(criteria ? criteria : kam_pg_own(kam_array()));
}

/* The decision in hand gives way; it lives as long as the run. */
static void
forbid_late(KamJob *job)
{
	MemoryContext old = MemoryContextSwitchTo(job->context);

	kam_run_forbid(job->run, &job->forbidden);
	MemoryContextSwitchTo(old);
}

static void
prepare_step(KamJob *job)
{
	int			agent;

	if (job->claim.attempts > kam_max_attempts)
	{
		set_failure(job, "58000", psprintf("given up: taken %d times without getting any further%s%s",
										   job->claim.attempts - 1, job->claim.error ? "; last trouble: " : "",
										   job->claim.error ? job->claim.error : ""));
		return;
	}
	if (job->run == NULL)
	{
		open_run(job);
		return;					/* the first call may need history, which a unit reads */
	}
	/* An opt-out that came while the decision was being made. */
	if (job->run->stage == KAM_RUN_GUARD && job->is_forbidden && job->run->forbidden == NULL)
		forbid_late(job);
	if (job->run->stage == KAM_RUN_GUARD)
		prepare_save(job);
	else if (job->run->stage == KAM_RUN_JUDGED)
		prepare_finish(job);
	else if ((agent = kam_run_next_call(job->run)) >= 0)
		prepare_call(job, (KamAgent) agent);
	else
		set_failure(job, "XX000", psprintf("the run stands still in stage %s", kam_run_stage_name(job->run->stage)));
}

void
kam_job_prepare(KamJob *job)
{
	MemoryContext caller = CurrentMemoryContext;

	MemoryContextReset(job->step_context);
	memset(&job->step, 0, sizeof(job->step));
	MemoryContextSwitchTo(job->step_context);
	PG_TRY();
	{
		prepare_step(job);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(job->step_context);
		error = CopyErrorData();
		FlushErrorState();
		memset(&job->step, 0, sizeof(job->step));
		kam_job_fail(job, error);
		/* Whatever it was, it came from this run: it must not come back for ever. */
		if (job->step.kind == KAM_STEP_POSTPONE)
			job->step.counted = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

/* ---- writing -------------------------------------------------------------------------- */

/* Asks for the lease, with a write only where the row must change. */
static bool
keep_lease(KamJob *job, int owner, const char *status, int iteration)
{
	bool		fresh = !TimestampDifferenceExceeds(job->renewed, GetCurrentTimestamp(), kam_lease * 500);

	if (job->clean && fresh && iteration == job->iteration && strcmp(status, job->status) == 0)
		return kam_store_hold(&job->claim.session_id, owner);
	return kam_store_advance(&job->claim.session_id, owner, kam_lease, status, iteration);
}

static void
write_fail(KamJob *job, int owner)
{
	KamStep    *step = &job->step;
	const pg_uuid_t *id = &job->claim.session_id;
	TimestampTz now = kam_now();

	job->lost = !kam_store_end(id, owner, "failed", step->error, step->sqlstate, now);
	if (job->lost)
		return;
	if (step->has_call)
		kam_store_call(id, &step->call);
	kam_store_workflow_run(id, "failed", now);
	kam_store_failure_notice(id, job->claim.lead_id, step->error, step->sqlstate);
}

static void
write_finish(KamJob *job, int owner)
{
	KamStep    *step = &job->step;
	const pg_uuid_t *id = &job->claim.session_id;
	TimestampTz now = kam_now();

	job->lost = !kam_store_end(id, owner, step->status, NULL, NULL, now);
	if (job->lost)
		return;
	if (step->verdict != NULL)
		kam_store_evaluation(id, step->overall_score, step->criteria, step->verdict);
	kam_store_workflow_run(id, step->status, now);
}

/*
 * The last look before somebody is written to: what was recorded while the
 * agents worked wins.  Nothing is written then; the step is made anew.
 */
static void
write_save(KamJob *job, int owner)
{
	KamStep    *step = &job->step;
	const pg_uuid_t *id = &job->claim.session_id;

	if (step->contacts)
	{
		look_up_compliance(job);
		if (job->is_forbidden)
		{
			step->kind = KAM_STEP_NONE;
			return;
		}
	}
	job->lost = !kam_store_advance(id, owner, kam_lease, step->status, step->iteration);
	if (!job->lost)
		kam_store_decision(id, &step->decision);
}

void
kam_job_write(KamJob *job, int owner)
{
	KamStep    *step = &job->step;
	const pg_uuid_t *id = &job->claim.session_id;

	job->lost = false;
	switch (step->kind)
	{
		case KAM_STEP_NONE:
			break;
		case KAM_STEP_CALL:
			job->lost = !keep_lease(job, owner, step->status, step->iteration);
			if (!job->lost)
				kam_store_call(id, &step->call);
			break;
		case KAM_STEP_SAVE:
			write_save(job, owner);
			break;
		case KAM_STEP_FINISH:
			write_finish(job, owner);
			break;
		case KAM_STEP_FAIL:
			write_fail(job, owner);
			break;
		case KAM_STEP_POSTPONE:
			job->lost = !kam_store_postpone(id, owner, POSTPONE_MS, step->counted, step->error);
			break;
	}
}

bool
kam_job_done(KamJob *job)
{
	KamStep    *step = &job->step;

	if (job->lost)
		return true;
	switch (step->kind)
	{
		case KAM_STEP_NONE:
			return false;
		case KAM_STEP_CALL:
			job->next_call_no++;
			break;
		case KAM_STEP_SAVE:
			kam_run_saved(job->run);
			break;
		default:
			return true;
	}
	if (!job->clean || strcmp(step->status, job->status) != 0 || step->iteration != job->iteration ||
		TimestampDifferenceExceeds(job->renewed, GetCurrentTimestamp(), kam_lease * 500))
		job->renewed = GetCurrentTimestamp();
	job->clean = true;
	job->status = step->status;
	job->iteration = step->iteration;
	return false;
}
