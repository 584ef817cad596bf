/*
 * worker/job_write.c: writing steps, and what follows once they are committed.
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
#include "worker/outbox.h"
/* after the server's headers */

/* A transient trouble's pause before the run is taken again. */
#define POSTPONE_MS 5000

/* Where the step leaves the run. */
static KamAdvance
place_of(const KamJob *job)
{
	return (KamAdvance) {&job->claim.session_id, job->step.status, job->step.iteration, job->learnt, job->nlearnt};
}

/* Whether the row says already what it is to say, and the lease is young: then it need not be written. */
static bool
row_may_stay(const KamJob *job)
{
	bool		fresh = !TimestampDifferenceExceeds(job->renewed, GetCurrentTimestamp(), kam_lease * 500);

	return job->clean && fresh && job->learnt == NULL && job->step.iteration == job->iteration && strcmp(job->step.status, job->status) == 0;
}

/* Asks for the leases of the jobs that write calls or decisions, all with two statements; a write only where the row must change. */
static void
keep_leases(KamJob *const *job, int count, int owner)
{
	pg_uuid_t  *id = palloc_array(pg_uuid_t, count);
	KamAdvance *to = palloc_array(KamAdvance, count);
	KamJob	  **staying = palloc_array(KamJob *, count);
	KamJob	  **moving = palloc_array(KamJob *, count);
	bool	   *held = palloc_array(bool, count);
	int			nstaying = 0,
				nmoving = 0;

	for (int i = 0; i < count; i++)
	{
		job[i]->lost = false;
		if (job[i]->step.kind == KAM_STEP_CALL && row_may_stay(job[i]))
		{
			id[nstaying] = job[i]->claim.session_id;
			staying[nstaying++] = job[i];
		}
		else if (job[i]->step.kind == KAM_STEP_CALL || job[i]->step.kind == KAM_STEP_SAVE)
		{
			to[nmoving] = place_of(job[i]);
			moving[nmoving++] = job[i];
		}
	}
	kam_store_hold(id, nstaying, owner, held);
	for (int i = 0; i < nstaying; i++)
		staying[i]->lost = !held[i];
	kam_store_advance(to, nmoving, owner, kam_lease, held);
	for (int i = 0; i < nmoving; i++)
		moving[i]->lost = !held[i];
}

/* Answers a row from what is recorded. */
static void
find_recording(KamJob *job, KamStepRow *made)
{
	KamCallRow *row = &made->row;
	KamRecording *found = &made->call->recording;

	kam_store_recording(row, job->claim.is_replay ? &job->claim.replay_of : NULL, job->context, found);
	row->output = found->output;
	row->response = found->response;
	row->error = found->provider == NULL ? "no answer to this request is recorded" : found->error;
	row->error_class = found->provider == NULL ? "not_recorded" : found->error_class;
}

/* Rows as the store takes them; what a budget refused is left out. */
static KamCallOf *
rows_of(const KamCharge *charge, int count, int *out_count)
{
	KamCallOf  *out = palloc_array(KamCallOf, Max(count, 1));

	*out_count = 0;
	for (int i = 0; i < count; i++)
	{
		if (charge[i].made->kind != KAM_ROW_REFUSED)
			out[(*out_count)++] = (KamCallOf) {&charge[i].job->claim.session_id, &charge[i].made->row};
	}
	return out;
}

/* The rows of calls of all these jobs, but for those that lost their lease. */
static void
write_rows(KamJob *const *job, int count)
{
	KamCharge  *begun = palloc_array(KamCharge, count * KAM_STEP_ROWS);
	KamCharge  *ended = palloc_array(KamCharge, count * KAM_STEP_ROWS);
	KamCallOf  *whole = palloc_array(KamCallOf, count * KAM_STEP_ROWS);
	KamCallOf  *call;
	int			nbegun = 0,
				nended = 0,
				nwhole = 0;

	for (int i = 0; i < count; i++)
	{
		const pg_uuid_t *id = &job[i]->claim.session_id;

		for (int r = 0; r < job[i]->step.nrows && !job[i]->lost; r++)
		{
			KamStepRow *made = &job[i]->step.row[r];

			switch (made->kind)
			{
				case KAM_ROW_WHOLE:
					whole[nwhole++] = (KamCallOf) {id, &made->row};
					break;
				case KAM_ROW_BEGUN:
					/* Of a run that fails nothing more is sent. */
					if (job[i]->step.kind != KAM_STEP_FAIL)
						begun[nbegun++] = (KamCharge) {job[i], made};
					break;
				case KAM_ROW_ENDED:
					ended[nended++] = (KamCharge) {job[i], made};
					break;
				case KAM_ROW_REPLAY:
					find_recording(job[i], made);
					whole[nwhole++] = (KamCallOf) {id, &made->row};
					break;
				case KAM_ROW_REFUSED:
					break;
			}
		}
	}
	kam_store_calls_whole(whole, nwhole);
	kam_budgets_charge(ended, nended, begun, nbegun);
	call = rows_of(ended, nended, &nended);
	kam_store_calls_ended(call, nended);
	call = rows_of(begun, nbegun, &nbegun);
	kam_store_calls_begun(call, nbegun);
}

/*
 * The last look before somebody is written to: what was recorded while the
 * agents worked wins.  Nothing is written then; the step is made anew.
 */
static void
look_before_saving(KamJob *const *job, int count)
{
	KamJob	  **saving = palloc_array(KamJob *, count);
	int			nsaving = 0;

	for (int i = 0; i < count; i++)
	{
		if (job[i]->step.kind == KAM_STEP_SAVE && job[i]->step.contacts && !job[i]->claim.is_replay)
			saving[nsaving++] = job[i];
	}
	kam_jobs_look_up_compliance(saving, nsaving);
	for (int i = 0; i < nsaving; i++)
	{
		if (saving[i]->is_forbidden)
			saving[i]->step.kind = KAM_STEP_NONE;
	}
}

static void
write_decisions(KamJob *const *job, int count)
{
	const KamDecisionRow **row = palloc_array(const KamDecisionRow *, count);
	int			nrows = 0;

	for (int i = 0; i < count; i++)
	{
		KamStep    *step = &job[i]->step;

		if (step->kind != KAM_STEP_SAVE || job[i]->lost)
			continue;
		step->decision.session_id = &job[i]->claim.session_id;
		if (job[i]->claim.is_replay)
			kam_store_replay_decision(&step->decision);
		else
			row[nrows++] = &step->decision;
	}
	kam_store_decisions(row, nrows);
	kam_outbox_hurry();
}

static bool
has_ended(const KamJob *job)
{
	return (job->step.kind == KAM_STEP_FINISH || job->step.kind == KAM_STEP_FAIL) && !job->lost;
}

/* The run's row says already that it failed. */
static void
write_failure(KamJob *job)
{
	KamStep    *step = &job->step;
	const pg_uuid_t *id = &job->claim.session_id;

	write_rows(&job, 1);
	/* What is still under way is broken off. */
	kam_store_calls_in_doubt(id);
	if (!job->claim.is_replay)
		kam_store_failure_notice(id, job->claim.lead_id, step->error, step->sqlstate);
}

static void
write_judgements(KamJob *const *job, int count)
{
	KamJudgementRow *row = palloc_array(KamJudgementRow, count);
	int			nrows = 0;

	for (int i = 0; i < count; i++)
	{
		const KamStep *step = &job[i]->step;

		if (step->kind != KAM_STEP_FINISH || job[i]->lost || step->verdict == NULL)
			continue;
		row[nrows] = (KamJudgementRow) {&job[i]->claim.session_id, step->overall_score, step->criteria, step->verdict};
		if (job[i]->claim.is_replay)
			kam_store_replay_evaluation(&row[nrows]);
		else
			nrows++;
	}
	kam_store_evaluations(row, nrows);
}

/* Runs that are over: their rows, what was judged or what failed, their accounts. */
static void
write_ends(KamJob *const *job, int count, int owner)
{
	KamEnding  *ending = palloc_array(KamEnding, count);
	bool	   *held = palloc_array(bool, count);
	TimestampTz now = kam_now();
	int			nending = 0;

	for (int i = 0; i < count; i++)
	{
		const KamStep *step = &job[i]->step;

		if (has_ended(job[i]))
			ending[nending++] = step->kind == KAM_STEP_FAIL
				? (KamEnding) {&job[i]->claim.session_id, "failed", step->error, step->sqlstate}
				: (KamEnding) {&job[i]->claim.session_id, step->status, NULL, NULL};
	}
	kam_store_end(ending, nending, owner, now, held);
	nending = 0;
	for (int i = 0, n = 0; i < count; i++)
	{
		if (!has_ended(job[i]))
			continue;
		if (held[n])
			ending[nending++] = ending[n];
		job[i]->lost = !held[n++];
		if (job[i]->step.kind == KAM_STEP_FAIL && !job[i]->lost)
			write_failure(job[i]);
	}
	write_judgements(job, count);
	kam_store_workflow_runs(ending, nending, now);
}

/* Steps by which a run leaves our hands for a while. */
static void
write_leave(KamJob *job, int owner)
{
	KamStep    *step = &job->step;
	const pg_uuid_t *id = &job->claim.session_id;

	switch (step->kind)
	{
		case KAM_STEP_POSTPONE:
			job->lost = !kam_store_postpone(id, owner, POSTPONE_MS, step->counted, step->error);
			break;
		case KAM_STEP_PUT_ASIDE:
			job->lost = !kam_store_put_aside(id, owner, step->error);
			break;
		case KAM_STEP_WAIT:
			/* Not for a budget that has been changed meanwhile. */
			if (kam_budgets_hold(job))
				job->lost = !kam_store_wait_for_budget(id, owner, step->until, step->error);
			else
				step->kind = KAM_STEP_NONE;
			break;
		default:
			break;
	}
}

void
kam_jobs_write(KamJob *const *job, int count, int owner)
{
	KamJob	  **calling = palloc_array(KamJob *, count);
	int			ncalling = 0;

	kam_budgets_begin();
	look_before_saving(job, count);
	keep_leases(job, count, owner);
	write_decisions(job, count);
	write_ends(job, count, owner);
	for (int i = 0; i < count; i++)
	{
		if (job[i]->step.kind == KAM_STEP_CALL)
			calling[ncalling++] = job[i];
		else
			write_leave(job[i], owner);
	}
	write_rows(calling, ncalling);
}

/* The rows are committed: what was announced is sent, what was found is looked at. */
static void
follow_up(KamJob *job)
{
	for (int i = 0; i < job->step.nrows; i++)
	{
		KamStepRow *made = &job->step.row[i];
		KamCall    *call = made->call;

		if (made->kind == KAM_ROW_BEGUN)
		{
			job->reserved += made->row.reserved;
			job->refused = 0;
			kam_call_send(call);
		}
		else if (made->kind == KAM_ROW_ENDED)
		{
			job->spent += made->row.cost;
			job->reserved += made->row.kept - made->row.reserved;
		}
		else if (made->kind == KAM_ROW_REFUSED)
		{
			job->attempts[call->agent]--;
			kam_call_take_back(call);
		}
		else if (made->kind == KAM_ROW_REPLAY)
		{
			call->state = KAM_CALL_ENDED;
		}
	}
}

bool
kam_job_done(KamJob *job)
{
	KamStep    *step = &job->step;

	job->unwritten = false;
	job->write_attempts = 0;
	if (job->lost)
		return true;
	switch (step->kind)
	{
		case KAM_STEP_NONE:
			/* Opened, or waiting. */
			job->ready = kam_job_in_flight(job) == 0 && !job->wants_room && job->wake_at == 0;
			return false;
		case KAM_STEP_CALL:
			break;
		case KAM_STEP_SAVE:
			kam_run_saved(job->run);
			break;
		default:
			return true;
	}
	follow_up(job);
	job->ready = true;
	job->learnt = NULL;
	if (!job->clean || strcmp(step->status, job->status) != 0 || step->iteration != job->iteration ||
		TimestampDifferenceExceeds(job->renewed, GetCurrentTimestamp(), kam_lease * 500))
		job->renewed = GetCurrentTimestamp();
	job->clean = true;
	job->status = step->status;
	job->iteration = step->iteration;
	return false;
}
