/*
 * worker/crew.c: claiming runs, and the rounds.
 *
 * A round makes one step of every run in hand and writes all of them in one
 * transaction.  When that fails, each is written in its own, so that one that
 * cannot be written fails alone.  A run that was taken repeatedly without
 * getting any further (it may take its worker down with it) is worked on
 * alone, so that it drags no other along.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kam.h"
#include "pg/clock.h"
#include "worker/crew.h"
/* after the server's headers */
#include "pg/memory.h"
#include "worker/job.h"

/* Taken this often without progress, a run is worked on alone. */
#define SUSPECT_ATTEMPTS 2
/* Candidates looked at per hand free: other workers take some of them first. */
#define CANDIDATES_PER_HAND 2

static MemoryContext crew_context = NULL;
static KamJob *crew[KAM_CREW_MAX];
static int	crew_size = 0;
static int	crew_owner;
static uint32 crew_generation;	/* installation of the extension they were claimed under */
static KamWorkerSlot *crew_entry;
static bool working_alone = false;

void
kam_crew_init(MemoryContext parent, int owner, KamWorkerSlot *entry)
{
	crew_context = AllocSetContextCreate(parent, "kam runs in hand", ALLOCSET_DEFAULT_SIZES);
	crew_owner = owner;
	crew_entry = entry;
	crew_size = 0;
}

int
kam_crew_size(void)
{
	return crew_size;
}

static void
forget(int i)
{
	kam_job_free(crew[i]);
	crew[i] = crew[--crew_size];
	if (crew_size == 0)
		working_alone = false;
}

void
kam_crew_drop(void)
{
	while (crew_size > 0)
		forget(crew_size - 1);
}

static void
count_up(pg_atomic_uint64 *counter, uint64 by)
{
	if (crew_entry != NULL)
		pg_atomic_fetch_add_u64(counter, by);
}

/* A unit that found no house: whatever is in hand belongs to one that is gone. */
static KamUnitResult
no_house(KamUnitResult result)
{
	kam_crew_drop();
	return result;
}

static void
log_trouble(const char *what, const ErrorData *error)
{
	ereport(LOG, (errcode(error->sqlerrcode),
				  errmsg("kam worker: %s: %s", what, error->message),
				  error->detail ? errdetail_internal("%s", error->detail) : 0,
				  error->context ? errcontext("%s", error->context) : 0));
	kam_slot_set_error(crew_entry, error->message);
}

/* ---- claiming -------------------------------------------------------------- */

typedef struct Claiming
{
	KamJob	   *taken[KAM_CREW_MAX];
	int			count;
	KamConfig  *config;
	bool		alone;
	bool		more;
} Claiming;

static void
claim_work(void *arg)
{
	Claiming   *claiming = arg;
	int			hands = KAM_CREW_MAX - crew_size;
	int			limit = hands * (kam_workers > 1 ? CANDIDATES_PER_HAND : 1);
	KamCandidate *candidate = palloc_array(KamCandidate, limit);
	int			found = kam_store_candidates(limit, candidate);
	TimestampTz now = kam_now();

	claiming->more = found == limit;
	for (int i = 0; i < found && claiming->count < hands; i++)
	{
		bool		suspect = candidate[i].attempts >= SUSPECT_ATTEMPTS;
		KamJob	   *job;

		/* The order is kept: those behind a suspect wait until it has been seen to. */
		if (suspect && crew_size + claiming->count > 0)
		{
			claiming->more = true;
			break;
		}
		job = claiming->taken[claiming->count++] = kam_job_new(crew_context);
		if (!kam_store_claim(&candidate[i].session_id, crew_owner, kam_lease, now, job->context, &job->claim))
		{
			claiming->count--;
			kam_job_free(job);
			continue;
		}
		kam_job_load(job);
		if (suspect)
		{
			claiming->alone = true;
			claiming->more = true;
			break;
		}
	}
	if (claiming->count > 0)
		claiming->config = kam_config_load();
}

KamUnitResult
kam_crew_claim(bool *more)
{
	Claiming	claiming = {0};
	KamUnitResult result;
	ErrorData  *error;

	*more = false;
	if (crew_size == KAM_CREW_MAX || working_alone)
		return KAM_UNIT_DONE;

	result = kam_unit_run("claiming runs", claim_work, &claiming, crew_context, &error);
	if (result == KAM_UNIT_DONE)
	{
		if (crew_size > 0 && crew_generation != kam_unit_generation())
			kam_crew_drop();
		crew_generation = kam_unit_generation();
		for (int i = 0; i < claiming.count; i++)
		{
			claiming.taken[i]->config = claiming.config;
			claiming.config->users++;
			crew[crew_size++] = claiming.taken[i];
		}
		working_alone = claiming.alone;
		*more = claiming.more;
		return result;
	}

	for (int i = 0; i < claiming.count; i++)
		kam_job_free(claiming.taken[i]);
	if (claiming.config != NULL)
		MemoryContextDelete(claiming.config->context);
	if (result != KAM_UNIT_FAILED)
		return no_house(result);
	log_trouble("could not take runs from the queue", error);
	FreeErrorData(error);
	return result;
}

static void
take_back_work(void *arg)
{
	*(uint64 *) arg = kam_store_take_back(crew_owner);
}

KamUnitResult
kam_crew_take_back(void)
{
	uint64		count = 0;
	ErrorData  *error;
	KamUnitResult result = kam_unit_run("taking back runs", take_back_work, &count, crew_context, &error);

	if (result == KAM_UNIT_FAILED)
	{
		log_trouble("could not take back the runs of an earlier process", error);
		FreeErrorData(error);
	}
	else if (result == KAM_UNIT_DONE && count > 0)
		ereport(LOG, (errmsg("kam worker: took back " UINT64_FORMAT " runs of an earlier process", count)));
	return result;
}

/* ---- a round ------------------------------------------------------------------ */

typedef struct Reading
{
	json_t	   *history;
	MemoryContext context;
} Reading;

static void
read_history(void *arg)
{
	Reading    *reading = arg;
	MemoryContext old = MemoryContextSwitchTo(reading->context);

	reading->history = kam_json_from_jsonb(kam_store_history(reading->context));
	MemoryContextSwitchTo(old);
}

/* Reads the validated decisions once for all runs whose wave 2 begins now. */
static KamUnitResult
provide_history(void)
{
	Reading		reading = {NULL, NULL};
	KamUnitResult result;
	ErrorData  *error;
	bool		needed = false;

	for (int i = 0; i < crew_size && !needed; i++)
		needed = kam_job_needs_history(crew[i]);
	if (!needed)
		return KAM_UNIT_DONE;

	reading.context = AllocSetContextCreate(crew_context, "kam history", ALLOCSET_DEFAULT_SIZES);
	result = kam_unit_run("reading validated decisions", read_history, &reading, reading.context, &error);
	for (int i = 0; i < crew_size; i++)
	{
		if (!kam_job_needs_history(crew[i]))
			continue;
		if (result == KAM_UNIT_DONE)
			kam_job_give_history(crew[i], reading.history);
		else if (result == KAM_UNIT_FAILED)
			kam_job_fail(crew[i], error);
	}
	if (result == KAM_UNIT_FAILED)
		log_trouble("could not read the validated decisions", error);
	MemoryContextDelete(reading.context);
	return result == KAM_UNIT_FAILED ? KAM_UNIT_DONE : result;
}

static void
write_one(void *arg)
{
	kam_job_write(arg, crew_owner);
}

static void
write_all(void *arg)
{
	for (int i = 0; i < crew_size; i++)
		kam_job_write(crew[i], crew_owner);
}

/* Writes a step by itself; what cannot be written becomes the run's failure, and that is written. */
static KamUnitResult
write_alone(KamJob *job)
{
	ErrorData  *error;
	KamUnitResult result = kam_unit_run("writing a run", write_one, job, job->context, &error);

	if (result == KAM_UNIT_FAILED)
	{
		kam_job_fail(job, error);
		result = kam_unit_run("failing a run", write_one, job, job->context, &error);
	}
	if (result == KAM_UNIT_FAILED)
	{
		/* Not even its end can be written: out of hand it goes, and counts as an attempt. */
		log_trouble(psprintf("could not write run %s", job->session), error);
		kam_job_postpone(job, error->message, true);
		result = kam_unit_run("postponing a run", write_one, job, job->context, &error);
		if (result == KAM_UNIT_FAILED)
		{
			job->lost = true;	/* its lease runs out by itself */
			result = KAM_UNIT_DONE;
		}
	}
	return result;
}

/* Takes note of what was committed for run i; true when it is out of hand. */
static bool
settle(int i)
{
	KamJob	   *job = crew[i];
	KamStepKind kind = job->step.kind;
	bool		had_call = job->step.has_call && kind != KAM_STEP_POSTPONE;
	bool		over;

	if (!job->lost && crew_entry != NULL)
	{
		if (had_call)
			count_up(&crew_entry->counters.calls, 1);
		if (kind == KAM_STEP_FINISH || kind == KAM_STEP_FAIL)
			count_up(&crew_entry->counters.runs, 1);
		if (kind == KAM_STEP_FAIL)
			count_up(&crew_entry->counters.failures, 1);
	}
	over = kam_job_done(job);
	if (over)
		forget(i);
	return over;
}

KamUnitResult
kam_crew_round(void)
{
	ErrorData  *error;
	KamUnitResult result;

	/* Contacts are read first, so that it is known who begins wave 2 in this round. */
	for (int i = 0; i < crew_size; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (crew[i]->run == NULL)
			kam_job_prepare(crew[i]);
	}
	result = provide_history();
	if (result != KAM_UNIT_DONE)
		return no_house(result);
	for (int i = 0; i < crew_size; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (crew[i]->run != NULL && crew[i]->step.kind != KAM_STEP_FAIL && crew[i]->step.kind != KAM_STEP_POSTPONE)
			kam_job_prepare(crew[i]);
	}

	result = kam_unit_run("writing runs", write_all, NULL, crew_context, &error);
	if (result == KAM_UNIT_DONE && crew_generation == kam_unit_generation())
	{
		for (int i = crew_size - 1; i >= 0; i--)
			(void) settle(i);
		return result;
	}
	if (result != KAM_UNIT_FAILED)
		return no_house(result);

	ereport(DEBUG1, (errmsg_internal("kam worker: writing each run by itself: %s", error->message)));
	FreeErrorData(error);
	for (int i = crew_size - 1; i >= 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		result = write_alone(crew[i]);
		if (result != KAM_UNIT_DONE)
			return no_house(result);
		(void) settle(i);
	}
	return KAM_UNIT_DONE;
}

/* ---- giving back ------------------------------------------------------------------ */

static void
give_back_work(void *arg)
{
	for (int i = 0; i < crew_size; i++)
		(void) kam_store_postpone(&crew[i]->claim.session_id, crew_owner, 0, false, NULL);
}

KamUnitResult
kam_crew_give_back(void)
{
	ErrorData  *error;
	KamUnitResult result;

	if (crew_size == 0)
		return KAM_UNIT_DONE;
	result = kam_unit_run("giving runs back", give_back_work, NULL, crew_context, &error);
	if (result == KAM_UNIT_FAILED)
	{
		log_trouble("could not give runs back", error);
		FreeErrorData(error);
	}
	kam_crew_drop();
	return result;
}
