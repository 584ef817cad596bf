/*
 * worker/job_open.c: taking a run in hand: what is recorded of it already, and
 * the state that leads to.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "kam.h"
#include "pg/clock.h"
#include "worker/digest.h"
#include "worker/job_parts.h"
/* after the server's headers */
#include "llm/prompt.h"
#include "pg/memory.h"

/* ---- life ------------------------------------------------------------------ */

KamJob *
kam_job_new(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "kam run", ALLOCSET_SMALL_SIZES);
	KamJob	   *job = MemoryContextAllocZero(context, sizeof(KamJob));

	job->context = context;
	job->step_context = AllocSetContextCreate(context, "kam step", ALLOCSET_SMALL_SIZES);
	job->stage_context = AllocSetContextCreate(context, "kam stage", ALLOCSET_SMALL_SIZES);
	job->contact_context = AllocSetContextCreate(context, "kam contact in prompts", ALLOCSET_SMALL_SIZES);
	job->ready = true;
	return job;
}

void
kam_job_free(KamJob *job)
{
	for (int i = 0; i < KAM_AGENTS; i++)
		kam_call_drop(&job->call[i]);
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

static const char *
kept_text(const KamJob *job, const char *text)
{
	return text != NULL ? MemoryContextStrdup(job->context, text) : NULL;
}

void
kam_jobs_look_up_compliance(KamJob *const *job, int count)
{
	pg_uuid_t  *id = palloc_array(pg_uuid_t, Max(count, 1));
	KamComplianceRow *found = palloc_array(KamComplianceRow, Max(count, 1));

	for (int i = 0; i < count; i++)
		id[i] = job[i]->claim.session_id;
	kam_store_compliance(id, count, found);
	for (int i = 0; i < count; i++)
	{
		job[i]->is_forbidden = found[i].status != NULL;
		if (job[i]->is_forbidden)
			job[i]->forbidden = (KamForbidden)
			{
				kept_text(job[i], found[i].status), kept_text(job[i], found[i].source), kept_text(job[i], found[i].about),
				found[i].dated ? kam_time_from_timestamptz(found[i].since) : KAM_NO_TIME
			};
	}
}

static bool
is_in_doubt(const KamRecordedCall *call)
{
	return strcmp(call->status, "in_doubt") == 0;
}

/* Whether an attempt after this one was answered: what is in doubt then is settled. */
static bool
was_answered_later(const KamJob *job, int n)
{
	for (int i = n + 1; i < job->nrecorded; i++)
	{
		const KamRecordedCall *call = &job->recorded[i];

		if (strcmp(call->status, "succeeded") == 0 && strcmp(call->agent, job->recorded[n].agent) == 0 &&
			call->iteration == job->recorded[n].iteration)
			return true;
	}
	return false;
}

/* Calls whose answers a crash lost: their providers' policy says what becomes of the run. */
static void
look_at_doubts(KamJob *job)
{
	int			lost[KAM_AGENTS] = {0};

	for (int i = 0; i < job->nrecorded && job->halt == NULL; i++)
	{
		const KamRecordedCall *call = &job->recorded[i];
		int			agent = kam_agent_from_name(call->agent);
		MemoryContext old;

		if (!is_in_doubt(call) || agent < 0 || was_answered_later(job, i))
			continue;
		old = MemoryContextSwitchTo(job->context);
		if (call->in_doubt != NULL && strcmp(call->in_doubt, "hold") == 0)
			job->halt = psprintf("call %d (agent \"%s\", provider \"%s\") is in doubt: its answer was lost in a crash and may have to be paid;"
								 " kam_retry(session_id) asks again, kam_cancel(session_id) ends the run", call->call_no, call->agent, call->provider);
		else if (call->in_doubt != NULL && strcmp(call->in_doubt, "fail") == 0)
		{
			job->halt = psprintf("the answer to call %d (agent \"%s\", provider \"%s\") was lost in a crash", call->call_no, call->agent, call->provider);
			job->halt_fails = true;
		}
		else if (++lost[agent] >= kam_max_attempts)
		{
			job->halt = psprintf("given up: %d answers of agent \"%s\" were lost in crashes", lost[agent], call->agent);
			job->halt_fails = true;
		}
		MemoryContextSwitchTo(old);
	}
}

/* What was decided before a crash; of a replay also what the run replayed decided. */
static void
load_saved(KamJob *job)
{
	const pg_uuid_t *id = &job->claim.session_id;
	bool		may_be_saved = job->nrecorded > 0 || strcmp(job->claim.status, kam_run_stage_name(KAM_RUN_SAVED)) == 0;
	bool		overruled;

	if (job->claim.is_replay)
	{
		job->saved = may_be_saved ? kam_store_replay_saved(id, job->context) : NULL;
		/* Who might be written to is what it was then: nobody is written to now. */
		job->original = kam_store_saved_decision(&job->claim.replay_of, job->context, &job->original_overruled);
		return;
	}
	job->saved = may_be_saved ? kam_store_saved_decision(id, job->context, &overruled) : NULL;
}

/* A decision that people have seen stands; a replay writes to nobody. */
static bool
needs_compliance(const KamJob *job)
{
	return !job->claim.is_replay && job->saved == NULL;
}

void
kam_jobs_load_compliance(KamJob *const *job, int count)
{
	KamJob	  **asking = palloc_array(KamJob *, Max(count, 1));
	int			nasking = 0;

	for (int i = 0; i < count; i++)
	{
		if (needs_compliance(job[i]))
			asking[nasking++] = job[i];
	}
	kam_jobs_look_up_compliance(asking, nasking);
}

void
kam_job_load(KamJob *job)
{
	MemoryContext old = MemoryContextSwitchTo(job->context);

	job->session = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&job->claim.session_id)));
	job->told_session = job->claim.is_replay
		? DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&job->claim.replay_of))) : job->session;
	MemoryContextSwitchTo(old);
	if (!job->claim.is_new)
	{
		kam_store_calls_in_doubt(&job->claim.session_id);
		job->nrecorded = kam_store_calls(&job->claim.session_id, job->context, &job->recorded);
	}
	for (int i = 0; i < job->nrecorded; i++)
	{
		const KamRecordedCall *call = &job->recorded[i];

		job->spent += call->cost;
		job->reserved += call->reserved;
		job->is_broke |= call->error_class != NULL && strcmp(call->error_class, KAM_BUDGET_CLASS) == 0;
	}
	look_at_doubts(job);
	load_saved(job);
	if (job->claim.knows_history || began_wave2(job))
		job->replayed_history = kam_store_history_of(&job->claim.session_id, job->context);
	job->next_call_no = job->nrecorded > 0 ? job->recorded[job->nrecorded - 1].call_no + 1 : 1;
	job->status = job->claim.status;
	job->iteration = job->claim.iteration;
	job->renewed = GetCurrentTimestamp();
}
/* ---- opening: the contact, and what is recorded already ----------------------- */

/* A decision states who answered its synthesis: of a replayed answer, who gave it then. */
void
kam_job_note_provider(KamJob *job, KamAgent agent, const char *provider)
{
	if (agent == KAM_SYNTHESIS_ORCHESTRATOR && provider != NULL && job->config->agent[agent].api == KAM_API_REPLAY)
		job->run->in.provider = MemoryContextStrdup(job->context, provider);
}

/* What the guard needs in passing, much more than it leaves, is dropped at once: the judge may be waited for for long. */
void
kam_job_accept(KamJob *job, KamAgent agent, json_t *output, bool by_model)
{
	KamRun	   *run = job->run;
	KamArena   *own = run->env.arena;
	MemoryContext passing = AllocSetContextCreate(CurrentMemoryContext, "kam answer being taken", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(passing);

	run->env.arena = kam_pg_arena();
	PG_TRY();
	{
		if (by_model)
			kam_run_accept_model(run, agent, output);
		else
			kam_run_accept(run, agent, output);
	}
	PG_FINALLY();
	{
		run->env.arena = own;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(passing);
}

/* Hands the run one recorded answer; one that is not due any more is passed over. */
static void
replay_call(KamJob *job, const KamRecordedCall *call)
{
	int			agent = kam_agent_from_name(call->agent);
	json_t	   *output;

	if (agent < 0 || strcmp(call->status, "succeeded") != 0 || call->output == NULL)
		return;
	if (!job->run->due[agent] || call->iteration != job->run->iteration)
		return;
	kam_job_note_provider(job, (KamAgent) agent, call->answered_by);
	output = json_incref(kam_json_from_jsonb(call->output));
	kam_job_accept(job, (KamAgent) agent, output, call->by_model);
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
	Jsonb	   *decided = job->saved != NULL ? job->saved : job->original;

	if (decided != NULL)
		job->is_forbidden = kam_forbidden_read(&job->run->contact, kam_json_from_jsonb(decided), &job->forbidden);
	/* The agents of the run replayed worked until the guard. */
	return job->is_forbidden && !(job->saved == NULL && job->original_overruled);
}

/* kam_run_open in the job's context; what the texts are taken apart into is dropped at once. */
static bool
open_run(KamJob *job, KamRun *run, const KamEnv *env, const json_t *contact, KamError *error)
{
	MemoryContext passing = AllocSetContextCreate(job->context, "kam contact being read", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(passing);
	KamEnv		reading = *env;
	bool		opened;

	reading.scratch = kam_pg_arena();
	MemoryContextSwitchTo(old);
	opened = kam_run_open(run, env->arena, &reading, contact, job->told_session, error);
	run->env.scratch = NULL;
	MemoryContextDelete(passing);
	return opened;
}

void
kam_job_open(KamJob *job)
{
	MemoryContext old = MemoryContextSwitchTo(job->context);
	KamEnv		env = kam_pg_env(kam_time_from_timestamptz(job->claim.as_of));
	json_t	   *contact = kam_json_from_jsonb(job->claim.contact);
	KamRun	   *run = palloc0(sizeof(KamRun));
	KamError	error;

	if (job->config->remote)
		job->contact_text = JsonbToCString(NULL, &job->claim.contact->root, VARSIZE(job->claim.contact));
	pfree(job->claim.contact);
	job->claim.contact = NULL;
	if (!open_run(job, run, &env, contact, &error))
	{
		MemoryContextSwitchTo(job->step_context);
		kam_job_set_refusal(job, &error);
		MemoryContextSwitchTo(old);
		return;
	}
	kam_on_reset(close_run, run);
	if (job->contact_text != NULL)
		run->in.boundary = kam_digest_boundary(job->contact_text);
	run->in.resources = job->config->resources;
	run->in.practices = job->config->practices;
	if (job->config->agent[KAM_SYNTHESIS_ORCHESTRATOR].provider != NULL)
		run->in.provider = pstrdup(job->config->agent[KAM_SYNTHESIS_ORCHESTRATOR].provider);
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
	job->learnt = palloc_array(pg_uuid_t, Max(json_array_size(history), 1));
	job->nlearnt = 0;
	for (size_t i = 0; i < json_array_size(history); i++)
	{
		const char *id = kam_get_string(json_array_get(history, i), "session_id");

		if (id != NULL)
			job->learnt[job->nlearnt++] = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(id)));
	}
	MemoryContextSwitchTo(old);
}
