/*
 * worker/crew.c: claiming runs, and the rounds.
 *
 * A round makes one step of the runs that can take one and writes all of them
 * in one transaction: answers that came, what they lead to, and the intents of
 * the calls that follow.  When that fails, each is written in its own, so that one that
 * cannot be written fails alone.  A run that was taken repeatedly without
 * getting any further (it may take its worker down with it) is worked on
 * alone, so that it drags no other along.
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kam.h"
#include "pg/clock.h"
#include "worker/crew.h"
#include "worker/prefix.h"
/* after the server's headers */
#include "pg/memory.h"
#include "worker/job.h"

/* Taken this often without progress, a run is worked on alone. */
#define SUSPECT_ATTEMPTS 2
/* How often leases are looked after when nobody was cancelled, as a share of kam.lease; and at most, for cancelled runs. */
#define RENEWALS_PER_LEASE 3
#define CANCEL_LOOK_MS 250
/* Candidates looked at per hand free: other workers take some of them first. */
#define CANDIDATES_PER_HAND 2

static MemoryContext crew_context = NULL;
static KamJob *crew[KAM_CREW_MAX];	/* in the order they were claimed: the older goes first */
static int	crew_size = 0;
static KamJob *acting[KAM_ROUND_MAX];	/* those of the present round */
static int	nacting = 0;
static TimestampTz renewed = 0; /* when leases were looked after last */
static bool look_wanted = false;	/* somebody may have cancelled a run since then */
static int	crew_peak = 0;		/* most in hand since memory was given back */
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

void
kam_crew_drop(void)
{
	for (int i = 0; i < crew_size; i++)
		kam_job_free(crew[i]);
	crew_size = nacting = 0;
	working_alone = false;
	kam_config_forget();
}

/* What a crowd of runs took, malloc keeps for the next one; a worker that has nothing to do must not. */
static void
give_memory_back(void)
{
#ifdef __GLIBC__
	if (crew_peak > KAM_ROUND_MAX)
		malloc_trim(0);
#endif
	crew_peak = 0;
}

/* Forgets the jobs for which "gone" holds, and keeps the order of the others. */
static void
forget_those(bool (*gone) (const KamJob *job))
{
	int			kept = 0;

	for (int i = 0; i < crew_size; i++)
	{
		if (gone(crew[i]))
			kam_job_free(crew[i]);
		else
			crew[kept++] = crew[i];
	}
	crew_size = kept;
	if (crew_size > 0)
		return;
	working_alone = false;
	give_memory_back();
}

static bool
is_over(const KamJob *job)
{
	return job->over;
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
	KamJob	   *taken[KAM_ROUND_MAX];
	int			count;
	KamConfig  *config;
	bool		alone;
	bool		more;
} Claiming;

static int
free_hands(void)
{
	KamEngine  *engine = kam_network_open();
	int			idle = KAM_ROUND_MAX;

	/* Who waits for a slot goes first. */
	if (working_alone || (engine != NULL && !kam_engine_has_room(engine)))
		return 0;
	for (int i = 0; i < crew_size && idle > 0; i++)
		idle -= crew[i]->ready || crew[i]->wants_room;
	return Min(idle, KAM_CREW_MAX - crew_size);
}

bool
kam_crew_has_hands(void)
{
	return free_hands() > 0;
}

static void
claim_work(void *arg)
{
	Claiming   *claiming = arg;
	int			hands = free_hands();
	int			limit = hands * (kam_workers > 1 ? CANDIDATES_PER_HAND : 1);
	KamCandidate *candidate = palloc_array(KamCandidate, limit);
	int			found = kam_store_candidates(limit, candidate);
	TimestampTz now = kam_now();

	claiming->more = found == limit;
	if (found > 0)
		claiming->config = kam_config_get();
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
		if (!kam_store_claim(&candidate[i], crew_owner, kam_lease, now, claiming->config->prompts, job->context, &job->claim))
		{
			claiming->count--;
			kam_job_free(job);
			continue;
		}
		job->config = kam_config_for(claiming->config, job->claim.settings, job->claim.prompts);
		kam_job_load(job);
		if (suspect)
		{
			claiming->alone = true;
			claiming->more = true;
			break;
		}
	}
	kam_jobs_load_compliance(claiming->taken, claiming->count);
}

KamUnitResult
kam_crew_claim(bool *more)
{
	Claiming	claiming = {0};
	KamUnitResult result;
	ErrorData  *error;

	*more = false;
	if (free_hands() == 0)
	{
		*more = true;
		return KAM_UNIT_DONE;
	}

	result = kam_unit_run("claiming runs", claim_work, &claiming, crew_context, &error);
	if (result == KAM_UNIT_DONE)
	{
		if (crew_size > 0 && crew_generation != kam_unit_generation())
			kam_crew_drop();
		crew_generation = kam_unit_generation();
		for (int i = 0; i < claiming.count; i++)
			crew[crew_size++] = claiming.taken[i];
		crew_peak = Max(crew_peak, crew_size);
		if (claiming.config != NULL)
			kam_config_release(claiming.config);
		working_alone = claiming.alone;
		*more = claiming.more;
		return result;
	}

	for (int i = 0; i < claiming.count; i++)
		kam_job_free(claiming.taken[i]);
	if (claiming.config != NULL)
		kam_config_release(claiming.config);
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

	for (int i = 0; i < nacting && !needed; i++)
		needed = kam_job_needs_history(acting[i]);
	if (!needed)
		return KAM_UNIT_DONE;

	reading.context = AllocSetContextCreate(crew_context, "kam history", ALLOCSET_DEFAULT_SIZES);
	result = kam_unit_run("reading validated decisions", read_history, &reading, reading.context, &error);
	for (int i = 0; i < nacting; i++)
	{
		if (!kam_job_needs_history(acting[i]))
			continue;
		if (result == KAM_UNIT_DONE)
			kam_job_give_history(acting[i], reading.history);
		else if (result == KAM_UNIT_FAILED)
			kam_job_fail(acting[i], error);
	}
	if (result == KAM_UNIT_FAILED)
		log_trouble("could not read the validated decisions", error);
	MemoryContextDelete(reading.context);
	return result == KAM_UNIT_FAILED ? KAM_UNIT_DONE : result;
}

static void
write_one(void *arg)
{
	KamJob	   *job = arg;

	kam_jobs_write(&job, 1, crew_owner);
}

static void
write_all(void *arg)
{
	kam_jobs_write(acting, nacting, crew_owner);
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
		if (job->unwritten)
		{
			log_trouble(psprintf("could not write run %s yet", job->session), error);
			FreeErrorData(error);
			return KAM_UNIT_DONE;
		}
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

/* Takes note of what was committed for a run. */
static void
settle(KamJob *job)
{
	KamStepKind kind = job->step.kind;

	if (job->unwritten)
		return;
	if (!job->lost && crew_entry != NULL)
	{
		for (int i = 0; i < job->step.nrows && kind != KAM_STEP_POSTPONE; i++)
		{
			if (job->step.row[i].kind != KAM_ROW_BEGUN && job->step.row[i].kind != KAM_ROW_REFUSED)
				count_up(&crew_entry->counters.calls, 1);
		}
		if (kind == KAM_STEP_FINISH || kind == KAM_STEP_FAIL)
			count_up(&crew_entry->counters.runs, 1);
		if (kind == KAM_STEP_FAIL)
			count_up(&crew_entry->counters.failures, 1);
	}
	job->over = kam_job_done(job);
}

/* Those that can take a step, the older first; what has no step to write is left out. */
static void
choose_acting(void)
{
	nacting = 0;
	for (int i = 0; i < crew_size && nacting < KAM_ROUND_MAX; i++)
	{
		if (crew[i]->ready)
			acting[nacting++] = crew[i];
	}
}

static void
leave_out_idle(void)
{
	int			kept = 0;

	for (int i = 0; i < nacting; i++)
	{
		if (acting[i]->step.kind == KAM_STEP_NONE)
			acting[i]->over = kam_job_done(acting[i]);
		else
			acting[kept++] = acting[i];
	}
	nacting = kept;
}

KamUnitResult
kam_crew_round(void)
{
	ErrorData  *error;
	KamUnitResult result;

	choose_acting();
	/* Contacts are read first, so that it is known who begins wave 2 in this round. */
	for (int i = 0; i < nacting; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (acting[i]->run == NULL)
			kam_job_prepare(acting[i]);
	}
	result = provide_history();
	if (result != KAM_UNIT_DONE)
		return no_house(result);
	for (int i = 0; i < nacting; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (acting[i]->run != NULL && acting[i]->step.kind != KAM_STEP_FAIL && acting[i]->step.kind != KAM_STEP_POSTPONE)
			kam_job_prepare(acting[i]);
	}
	leave_out_idle();
	if (nacting == 0)
		return KAM_UNIT_DONE;

	result = kam_unit_run("writing runs", write_all, NULL, crew_context, &error);
	if (result == KAM_UNIT_DONE && crew_generation == kam_unit_generation())
	{
		for (int i = 0; i < nacting; i++)
			settle(acting[i]);
		forget_those(is_over);
		return result;
	}
	if (result != KAM_UNIT_FAILED)
		return no_house(result);

	ereport(DEBUG1, (errmsg_internal("kam worker: writing each run by itself: %s", error->message)));
	FreeErrorData(error);
	for (int i = 0; i < nacting; i++)
	{
		CHECK_FOR_INTERRUPTS();
		result = write_alone(acting[i]);
		if (result != KAM_UNIT_DONE)
			return no_house(result);
		settle(acting[i]);
	}
	forget_those(is_over);
	return KAM_UNIT_DONE;
}

/* ---- waiting ------------------------------------------------------------------------ */

bool
kam_crew_listen(void)
{
	KamEngine  *engine = kam_network_open();
	KamTransfer *transfer;
	int64		now = kam_network_now();
	bool		any = false;
	bool		room = true;

	if (engine != NULL)
	{
		kam_engine_run(engine);
		while ((transfer = kam_engine_take(engine)) != NULL)
		{
			KamCall    *call = kam_transfer_owner(transfer);

			call->state = KAM_CALL_ENDED;
			call->job->ready = !call->job->unwritten;
		}
		room = kam_engine_has_room(engine);
	}
	for (int i = 0; i < crew_size; i++)
	{
		KamJob	   *job = crew[i];

		job->ready |= (job->wants_room && room) || (job->wants_first_byte && kam_prefix_begun(job)) || (job->wake_at != 0 && job->wake_at <= now);
		any |= job->ready;
	}
	return any;
}

/* Not at every wake: a commit wakes the worker, and there may be thousands a second. */
static TimestampTz
renewal_due(void)
{
	return renewed + (look_wanted ? CANCEL_LOOK_MS : kam_lease * 1000 / RENEWALS_PER_LEASE) * INT64CONST(1000);
}

long
kam_crew_wait_ms(void)
{
	KamEngine  *engine = kam_network_open();
	long		wait = engine != NULL ? kam_engine_wait_ms(engine) : -1;
	int64		next = 0;

	if (crew_size > 0)
		next = renewal_due() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	for (int i = 0; i < crew_size; i++)
	{
		if (crew[i]->wake_at != 0)
			next = next == 0 ? crew[i]->wake_at : Min(next, crew[i]->wake_at);
	}
	if (next != 0)
	{
		long		until = (long) Max((next - kam_network_now() + 999) / 1000, 0);

		wait = wait < 0 ? until : Min(wait, until);
	}
	return wait;
}

typedef struct Renewing
{
	pg_uuid_t  *id;
	bool	   *kept;
} Renewing;

static void
renew_work(void *arg)
{
	Renewing   *renewing = arg;

	kam_store_renew(renewing->id, crew_size, crew_owner, kam_lease, renewing->kept);
}

static bool
is_lost(const KamJob *job)
{
	return job->lost;
}

KamUnitResult
kam_crew_renew(bool hurry)
{
	TimestampTz now = GetCurrentTimestamp();
	Renewing	renewing;
	ErrorData  *error;
	KamUnitResult result;

	look_wanted |= hurry;
	if (crew_size == 0 || now < renewal_due())
		return KAM_UNIT_DONE;
	look_wanted = false;
	renewed = now;
	renewing.id = palloc_array(pg_uuid_t, crew_size);
	renewing.kept = palloc0_array(bool, crew_size);
	for (int i = 0; i < crew_size; i++)
		renewing.id[i] = crew[i]->claim.session_id;
	result = kam_unit_run("renewing leases", renew_work, &renewing, crew_context, &error);
	if (result == KAM_UNIT_FAILED)
	{
		log_trouble("could not renew leases", error);
		FreeErrorData(error);
		return result;
	}
	if (result != KAM_UNIT_DONE || crew_generation != kam_unit_generation())
		return no_house(result);
	for (int i = 0; i < crew_size; i++)
	{
		crew[i]->lost = !renewing.kept[i];
		crew[i]->renewed = now;
	}
	forget_those(is_lost);
	return result;
}

/* ---- giving back ------------------------------------------------------------------ */

static bool
is_idle(const KamJob *job)
{
	return kam_job_in_flight(job) == 0 && !job->unwritten;
}

static void
give_back_work(void *arg)
{
	for (int i = 0; i < crew_size; i++)
	{
		if (is_idle(crew[i]))
			(void) kam_store_postpone(&crew[i]->claim.session_id, crew_owner, 0, false, NULL);
	}
}

KamUnitResult
kam_crew_give_back(void)
{
	ErrorData  *error;
	KamUnitResult result;
	bool		any = false;

	for (int i = 0; i < crew_size && !any; i++)
		any = is_idle(crew[i]);
	if (!any)
		return KAM_UNIT_DONE;
	result = kam_unit_run("giving runs back", give_back_work, NULL, crew_context, &error);
	if (result == KAM_UNIT_FAILED)
	{
		log_trouble("could not give runs back", error);
		FreeErrorData(error);
	}
	else if (result != KAM_UNIT_DONE)
		return no_house(result);
	forget_those(is_idle);
	return result;
}
