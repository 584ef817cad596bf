/*
 * worker/job.c: the steps of one run: which comes next, and what a failure makes of it.
 *
 * kam_job_prepare thinks, kam_jobs_write writes.  Between the two stands the
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
#include "worker/job_parts.h"
/* after the server's headers */
#include "pg/memory.h"

/* Answers that were paid for are kept in memory while they cannot be written, and written again after pauses that double. */
#define WRITE_ATTEMPTS 10
#define WRITE_PAUSE_MS 250

/* ---- failing ---------------------------------------------------------------- */

void
kam_job_set_failure(KamJob *job, const char *sqlstate, const char *message)
{
	KamStep    *step = &job->step;

	step->kind = KAM_STEP_FAIL;
	step->error = MemoryContextStrdup(job->step_context, message);
	strlcpy(step->sqlstate, sqlstate, sizeof(step->sqlstate));
}

/* The message with the place it names: the same a caller of kam_decide would read. */
void
kam_job_set_refusal(KamJob *job, const KamError *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, error->message);
	if (error->path != NULL)
		appendStringInfo(&text, " (at \"%s\")", error->path);
	kam_job_set_failure(job, error->sqlstate, text.data);
}

void
kam_job_postpone(KamJob *job, const char *why, bool counted)
{
	KamStep    *step = &job->step;

	step->kind = KAM_STEP_POSTPONE;
	step->error = why ? MemoryContextStrdup(job->step_context, why) : NULL;
	step->counted = counted;
}

static bool
holds_paid_answers(const KamJob *job)
{
	for (int i = 0; i < job->step.nrows; i++)
	{
		if (job->step.row[i].kind == KAM_ROW_ENDED)
			return true;
	}
	return false;
}

void
kam_job_fail(KamJob *job, const ErrorData *error)
{
	char	   *message = error->detail
		? psprintf("%s: %s", error->message, error->detail)
		: pstrdup(error->message);

	if (kam_error_is_transient(error->sqlerrcode) && holds_paid_answers(job) && job->write_attempts < WRITE_ATTEMPTS)
	{
		job->unwritten = true;
		job->wake_at = kam_network_now() + (int64) (WRITE_PAUSE_MS << job->write_attempts++) * 1000;
	}
	else if (kam_error_is_transient(error->sqlerrcode))
		/* A statement that never ends would come back for ever. */
		kam_job_postpone(job, message, error->sqlerrcode == ERRCODE_QUERY_CANCELED);
	else
	{
		/* Rows of calls that could not be stored are not stored now either. */
		job->step.nrows = 0;
		kam_job_set_failure(job, unpack_sql_state(error->sqlerrcode), message);
	}
	pfree(message);
}
static void
prepare_step(KamJob *job)
{
	KamStep    *step = &job->step;

	if (job->claim.attempts > kam_max_attempts)
	{
		kam_job_set_failure(job, "58000", psprintf("given up: taken %d times without getting any further%s%s",
										   job->claim.attempts - 1, job->claim.error ? "; last trouble: " : "",
										   job->claim.error ? job->claim.error : ""));
		return;
	}
	if (job->run == NULL)
	{
		kam_job_open(job);
		return;					/* the first call may need history, which a unit reads */
	}
	if (job->halt != NULL && !job->is_forbidden)
	{
		if (job->halt_fails)
			kam_job_set_failure(job, "58000", job->halt);
		else
		{
			step->kind = KAM_STEP_PUT_ASIDE;
			step->error = job->halt;
		}
		return;
	}
	kam_job_make_calls(job);
	if (step->kind == KAM_STEP_FAIL)
		return;
	/* Answers are recorded first, by themselves: what they lead to may fail to be written, they were paid. */
	if (step->kind == KAM_STEP_CALL)
	{
		step->status = kam_job_stage_status(job->run);
		step->iteration = job->run->iteration;
		return;
	}
	/* An opt-out that came while the decision was being made. */
	if (job->run->stage == KAM_RUN_GUARD && job->is_forbidden && job->run->forbidden == NULL)
		kam_job_forbid_late(job);
	if (job->run->stage == KAM_RUN_GUARD)
		kam_job_prepare_save(job);
	else if (job->refusal.kind != KAM_NOT_REFUSED)
		kam_job_prepare_wait(job);
	else if (job->run->stage == KAM_RUN_JUDGED)
		kam_job_prepare_finish(job);
	else if (kam_run_next_call(job->run) < 0)
		kam_job_set_failure(job, "XX000", psprintf("the run stands still in stage %s", kam_run_stage_name(job->run->stage)));
}

void
kam_job_prepare(KamJob *job)
{
	MemoryContext caller = CurrentMemoryContext;

	job->ready = false;
	job->wake_at = 0;
	job->wants_room = false;
	job->wants_first_byte = false;
	if (job->unwritten)
		return;
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
