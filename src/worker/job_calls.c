/*
 * worker/job_calls.c: the calls of a run: which are due, what they are asked
 * with, and what their ends lead to.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "kam.h"
#include "pg/clock.h"
#include "worker/budget.h"
#include "worker/job_parts.h"
#include "worker/prefix.h"
/* after the server's headers */
#include "pg/memory.h"

/* ---- steps ------------------------------------------------------------------------ */

/* Where the run stands, as its row may say: "judged" is written with the end alone. */
const char *
kam_job_stage_status(const KamRun *run)
{
	return kam_run_stage_name(run->stage == KAM_RUN_JUDGED ? KAM_RUN_SAVED : run->stage);
}

/* The next row's numbers: call_no in the run, attempt of this agent in this pass. */
static void
number_row(KamJob *job, KamAgent agent, KamCallRow *row)
{
	if (job->attempts_iteration != job->run->iteration)
	{
		memset(job->attempts, 0, sizeof(job->attempts));
		job->attempts_iteration = job->run->iteration;
		for (int i = 0; i < job->nrecorded; i++)
		{
			const KamRecordedCall *call = &job->recorded[i];
			int			of = kam_agent_from_name(call->agent);

			if (of >= 0 && call->iteration == job->run->iteration)
				job->attempts[of] = Max(job->attempts[of], call->attempt);
		}
	}
	row->attempt = ++job->attempts[agent];
	row->call_no = job->next_call_no++;
}

static KamStepRow *
add_row(KamJob *job, KamStepRowKind kind, const KamCallRow *row, KamCall *call)
{
	KamStep    *step = &job->step;
	KamStepRow *added;

	if (step->nrows == KAM_STEP_ROWS)
		elog(ERROR, "a step has more than %d rows", KAM_STEP_ROWS);
	added = &step->row[step->nrows++];
	added->kind = kind;
	added->row = *row;
	added->call = call;
	added->reserved = kind == KAM_ROW_BEGUN;
	step->kind = KAM_STEP_CALL;
	return added;
}

/* ---- calls ------------------------------------------------------------------------------ */

/* The built-in agent answers: at once, as a row of its own. */
static void
answer_builtin(KamJob *job, KamAgent agent, const char *provider, const char *model, int prompt_version)
{
	KamRun	   *run = job->run;
	const char *name = kam_agent_name(agent);
	const json_t *schema = job->config->agent[agent].schema;
	KamCallRow	row = {0};
	json_t	   *output;
	char	   *faults;

	number_row(job, agent, &row);
	row.agent = name;
	row.iteration = run->iteration;
	row.provider = provider;
	row.model = model;
	row.prompt_version = prompt_version;
	row.first_byte_ms = -1;
	row.started_at = GetCurrentTimestamp();
	output = kam_builtin_run(&run->env, agent, kam_run_inputs(run, agent));
	row.finished_at = GetCurrentTimestamp();
	if (output == NULL)
	{
		row.error = "the agent gave no answer";
		add_row(job, KAM_ROW_WHOLE, &row, NULL);
		kam_job_set_failure(job, "XX000", psprintf("agent \"%s\" gave no answer", name));
		return;
	}
	output = kam_pg_own(output);
	faults = kam_call_schema_faults(run->env.arena, schema, output);
	if (faults != NULL)
	{
		row.error = psprintf("the answer breaks the agent's schema: %s", faults);
		add_row(job, KAM_ROW_WHOLE, &row, NULL);
		kam_job_set_failure(job, "XX000", psprintf("the answer of agent \"%s\" breaks its schema: %s", name, faults));
		return;
	}
	row.output = kam_jsonb_from_json(output);
	add_row(job, KAM_ROW_WHOLE, &row, NULL);
	kam_job_accept(job, agent, json_incref(output), false);
}

/* The run will fail, but not before the calls beside this one are answered and recorded: they are paid. */
static void
doom(KamJob *job, const char *sqlstate, const char *fault)
{
	if (job->fatal != NULL)
		return;
	job->fatal = MemoryContextStrdup(job->context, fault);
	job->fatal_sqlstate = sqlstate;
}

/* A model's answer has come, or none will. */
static void
take_end(KamJob *job, KamCall *call)
{
	bool		replays = job->config->agent[call->agent].api == KAM_API_REPLAY;
	const char *provider = NULL;
	json_t	   *output;
	char	   *fault;
	KamCallOutcome outcome;

	if (replays)
	{
		/* Its row is written already. */
		outcome = kam_call_digest_recording(call, &output, &provider, &fault);
		kam_job_note_provider(job, call->agent, provider);
	}
	else
	{
		outcome = kam_call_digest(call, &output, &fault);
		add_row(job, KAM_ROW_ENDED, &call->row, NULL);
	}
	switch (outcome)
	{
		case KAM_CALL_ACCEPTED:
			kam_job_accept(job, call->agent, output, true);
			break;
		case KAM_CALL_AGAIN:
			break;
		case KAM_CALL_STAND_IN:
			answer_builtin(job, call->agent, "builtin", "builtin", 1);
			break;
		case KAM_CALL_FATAL:
			/* There is a decision without a repair: what is wrong with it is replaced. */
			if (job->run->stage == KAM_RUN_REPAIR && !replays)
				answer_builtin(job, call->agent, "builtin", "builtin", 1);
			else
				doom(job, replays ? "P0002" : "58000", fault);
			break;
	}
}

/* Recorded attempts at the present answer that failed: those at the first one do not count against the guard's repair. */
static int
failed_before(const KamJob *job, KamAgent agent)
{
	bool		repairing = job->run->stage == KAM_RUN_REPAIR,
				answered = false;
	int			count = 0;

	for (int i = 0; i < job->nrecorded; i++)
	{
		const KamRecordedCall *call = &job->recorded[i];

		if (call->iteration != job->run->iteration || kam_agent_from_name(call->agent) != (int) agent)
			continue;
		answered |= strcmp(call->status, "succeeded") == 0;
		count += strcmp(call->status, "failed") == 0 && answered == repairing;
	}
	return count;
}

/* The run's budget is spent: that is recorded as an attempt that was not sent, and the built-in agent answers. */
static void
answer_for_nothing(KamJob *job, KamAgent agent)
{
	const KamAgentConfig *config = &job->config->agent[agent];
	KamCallRow	row = {0};

	row.agent = kam_agent_name(agent);
	row.iteration = job->run->iteration;
	row.provider = config->provider;
	row.model = config->model.name;
	row.prompt_version = config->prompt_version;
	row.started_at = row.finished_at = GetCurrentTimestamp();
	row.error_class = KAM_BUDGET_CLASS;
	row.error = job->refusal.why != NULL ? job->refusal.why : "the run's budget is spent: the built-in agent answers";
	number_row(job, agent, &row);
	add_row(job, KAM_ROW_WHOLE, &row, NULL);
	answer_builtin(job, agent, "builtin", "builtin", 1);
}

/* Looks after one due call of a model: wants it, and has its intent written once it is admitted. */
static void
ask(KamJob *job, KamAgent agent)
{
	KamCall    *call = &job->call[agent];
	const char *sqlstate = NULL;
	char	   *fault = NULL;
	int64		wait;

	if (call->state == KAM_CALL_NONE)
		kam_call_want(call, job, agent, failed_before(job, agent));
	if (call->state != KAM_CALL_WANTED)
		return;
	if (kam_prefix_waits(job, agent))
	{
		job->wants_first_byte = true;
		return;
	}
	wait = kam_call_admit(call, &sqlstate, &fault);
	if (fault != NULL)
		doom(job, sqlstate, fault);
	else if (wait == KAM_NO_MONEY)
		job->is_broke |= job->refusal.kind == KAM_REFUSED_RUN;
	else if (wait < 0)
		job->wants_room = true;
	else if (wait > 0)
	{
		int64		at = kam_network_now() + wait * 1000;

		job->wake_at = job->wake_at == 0 ? at : Min(job->wake_at, at);
	}
	else
	{
		number_row(job, agent, &call->row);
		call->row.started_at = GetCurrentTimestamp();
		call->row.sent_on = kam_config_today();
		if (call->state == KAM_CALL_ADMITTED)
			add_row(job, KAM_ROW_BEGUN, &call->row, call);
		else
		{
			call->row.finished_at = call->row.started_at;
			add_row(job, KAM_ROW_REPLAY, &call->row, call);
		}
	}
}

/* Everything that is due and can be done now. */
void
kam_job_make_calls(KamJob *job)
{
	KamRun	   *run = job->run;
	bool		builtin = false;

	job->refusal.kind = KAM_NOT_REFUSED;
	(void) kam_prefix_begun(job);
	for (int i = 0; i < KAM_AGENTS; i++)
	{
		if (job->call[i].state == KAM_CALL_ENDED && job->step.kind != KAM_STEP_FAIL)
			take_end(job, &job->call[i]);
	}
	if (job->fatal != NULL)
	{
		if (kam_job_in_flight(job) == 0)
			kam_job_set_failure(job, job->fatal_sqlstate, job->fatal);
		return;
	}
	/* The content agent draws on validated decisions, which a unit reads first. */
	if (kam_job_needs_history(job))
		return;
	for (int i = 0; i < KAM_AGENTS && job->step.kind != KAM_STEP_FAIL && job->fatal == NULL; i++)
	{
		const KamAgentConfig *config = &job->config->agent[i];

		if (!run->due[i])
			continue;
		if (config->provider == NULL)
			kam_job_set_failure(job, "55000", psprintf("agent \"%s\" has no row in kam.agent", kam_agent_name((KamAgent) i)));
		else if (config->fault != NULL)
			doom(job, "55000", config->fault);
		else if (config->api != KAM_API_BUILTIN && config->api != KAM_API_REPLAY && job->is_broke)
		{
			if (!builtin && job->call[i].state <= KAM_CALL_WANTED)
				answer_for_nothing(job, (KamAgent) i);
			builtin = true;
		}
		else if (config->api != KAM_API_BUILTIN)
			ask(job, (KamAgent) i);
		else if (!builtin)
		{
			/* One at a time: each is committed before the next is made. */
			builtin = true;
			answer_builtin(job, (KamAgent) i, config->provider, config->model.name, config->prompt_version);
		}
	}
}

int
kam_job_in_flight(const KamJob *job)
{
	int			count = 0;

	for (int i = 0; i < KAM_AGENTS; i++)
		count += job->call[i].state == KAM_CALL_IN_FLIGHT || job->call[i].state == KAM_CALL_ENDED;
	return count;
}

/* ---- budgets ------------------------------------------------------------------------------ */

/* Calls under way are mostly settled within seconds: so often, so long after another, is looked before the run goes back into the queue. */
#define LOOKS 20
#define LOOK_US INT64CONST(500000)
#define WAIT_FOR_OTHERS_MS 60000
/* A run that waits for the day to turn looks every hour: prices and clocks may change. */
#define WAIT_AT_MOST_MS 3600000

void
kam_job_prepare_wait(KamJob *job)
{
	KamStep    *step = &job->step;
	const KamRefusal *refusal = &job->refusal;
	TimestampTz now = GetCurrentTimestamp();

	if (refusal->kind == KAM_REFUSED_RUN)
	{
		/* At once: the built-in agent answers. */
		job->wake_at = kam_network_now();
		return;
	}
	/* What is under way is waited for, and so are calls that may go in a moment. */
	if (kam_job_in_flight(job) > 0 || job->wants_room || job->wake_at != 0)
		return;
	if (refusal->kind == KAM_REFUSED_FOR_NOW && ++job->refused < LOOKS)
	{
		job->wake_at = kam_network_now() + LOOK_US;
		return;
	}
	step->kind = KAM_STEP_WAIT;
	step->error = refusal->why;
	step->until = refusal->kind == KAM_REFUSED_FOR_NOW ? TimestampTzPlusMilliseconds(now, WAIT_FOR_OTHERS_MS)
		: Min(kam_timestamptz_from_time(refusal->midnight), TimestampTzPlusMilliseconds(now, WAIT_AT_MOST_MS));
}
