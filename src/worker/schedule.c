/*
 * worker/schedule.c: the worker's duties by the clock: waits that are over run
 * again, the Coordinator's schedules turn (both with kam.schedules), what days
 * have cost is added up, and what is older than kam.retain_runs and its
 * neighbours say goes.
 *
 * All in short transactions of a bounded number of rows, between rounds of
 * runs, so that none keeps a run waiting.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kam.h"
#include "pg/clock.h"
#include "store/store.h"
#include "worker/schedule.h"

#define RERUN_BATCH 100
#define RERUN_PAUSE_MS 1000		/* while runs are worked on */
#define RETENTION_BATCH 200
#define RETENTION_PAUSE_MS 60000
#define RETAIN_BATCH 500		/* rows of one kind; of the log, leads whose locks one transaction holds */
#define COSTS_PAUSE_MS 3600000

#define TICK_BATCH 50			/* leads whose locks one transaction holds */
#define TICK_PAUSE_MS 1000		/* the longest that something due waits */
#define FLAG_BATCH 5000			/* flags hold no lead's lock */
#define FLAG_PAUSE_MS 60000
#define TROUBLE_PAUSE_MS 5000	/* after a turn that failed as a whole */

/* One slot does what two would only get into each other's way with. */
#define CARETAKER 1

/* Real time, 0 for at once. */
static TimestampTz next_rerun_look = 0;
static TimestampTz next_retention = 0;
static TimestampTz next_retain = 0;
static TimestampTz next_costs = 0;
static TimestampTz next_tick = 0;
static TimestampTz next_flags = 0;
/* kam's clock: when the next item of the Coordinator is due, 0 for unknown or none. */
static TimestampTz tick_due = 0;

void
kam_schedule_reset(void)
{
	next_rerun_look = next_retention = next_retain = next_costs = next_tick = next_flags = tick_due = 0;
}

static void
log_trouble(KamWorkerSlot *entry, ErrorData *error)
{
	ereport(LOG, (errcode(error->sqlerrcode), errmsg("kam worker: schedules: %s", error->message)));
	kam_slot_set_error(entry, error->message);
	FreeErrorData(error);
}

/* ---- runs --------------------------------------------------------------------- */

typedef struct Turn
{
	int			owner;
	bool		reruns,
				retention,
				costs,
				more_costs;
	int			made,
				deleted;
	TimestampTz attempt_at,
				rerun_at,
				tick_at;
} Turn;

static void
turn_work(void *arg)
{
	Turn	   *turn = arg;

	if (turn->reruns)
		turn->made = kam_store_reruns(kam_now(), RERUN_BATCH);
	if (turn->costs)
		turn->more_costs = kam_store_close_costs();
	if (turn->retention)
		turn->deleted = kam_store_delete_finished(TimestampTzPlusMilliseconds(kam_now(), -(int64) kam_retain_runs * 60000),
												  RETENTION_BATCH);
}

static KamUnitResult
turn_runs(int owner, KamWorkerSlot *entry, bool *again)
{
	Turn		turn = {0};
	TimestampTz now = GetCurrentTimestamp();
	KamUnitResult result;
	ErrorData  *error;

	turn.reruns = kam_schedules && now >= next_rerun_look;
	turn.retention = owner == CARETAKER && kam_retain_runs > 0 && now >= next_retention;
	turn.costs = owner == CARETAKER && now >= next_costs;
	if (!turn.reruns && !turn.retention && !turn.costs)
		return KAM_UNIT_DONE;

	result = kam_unit_run("schedules", turn_work, &turn, CurrentMemoryContext, &error);
	if (result == KAM_UNIT_FAILED)
		log_trouble(entry, error);
	else if (entry != NULL)
		pg_atomic_fetch_add_u64(&entry->counters.reruns, turn.made);

	if (turn.costs && !turn.more_costs)
		next_costs = TimestampTzPlusMilliseconds(now, COSTS_PAUSE_MS);
	if (turn.more_costs || turn.made == RERUN_BATCH || turn.deleted == RETENTION_BATCH)
		*again = true;
	if (turn.made < RERUN_BATCH)
		next_rerun_look = TimestampTzPlusMilliseconds(now, RERUN_PAUSE_MS);
	if (turn.retention && turn.deleted < RETENTION_BATCH)
		next_retention = TimestampTzPlusMilliseconds(now, RETENTION_PAUSE_MS);
	return result;
}

/* ---- calls, events, flags, notifications ----------------------------------------- */

typedef struct Retain
{
	MemoryContext context;
	bool		more;
	char	   *trouble;		/* of one item, or NULL */
} Retain;

static bool
retains(void)
{
	return kam_retain_calls > 0 || kam_retain_events > 0 || kam_retain_notifications > 0;
}

static void
retain_work(void *arg)
{
	Retain	   *retain = arg;

	retain->more = kam_store_retain(kam_now(), RETAIN_BATCH, retain->context, &retain->trouble);
}

/* One batch of one kind; while there is more, rounds of runs come in between. */
static KamUnitResult
turn_retention(int owner, KamWorkerSlot *entry, bool *again)
{
	Retain		retain = {.context = CurrentMemoryContext};
	ErrorData  *error;
	KamUnitResult result;

	if (owner != CARETAKER || !retains() || GetCurrentTimestamp() < next_retain)
		return KAM_UNIT_DONE;
	result = kam_unit_run("retention", retain_work, &retain, CurrentMemoryContext, &error);
	if (result == KAM_UNIT_FAILED)
		log_trouble(entry, error);
	else if (retain.trouble != NULL)
		kam_slot_set_error(entry, retain.trouble);
	if (result == KAM_UNIT_DONE && retain.more)
		*again = true;
	else
		next_retain = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETENTION_PAUSE_MS);
	return result;
}

/* ---- the Coordinator ------------------------------------------------------------ */

typedef struct Tick
{
	int			items,
				flags;
	MemoryContext context;
	bool		more;
	char	   *trouble;		/* of one item, or NULL */
} Tick;

static void
tick_work(void *arg)
{
	Tick	   *tick = arg;

	tick->more = kam_store_tick(kam_now(), tick->items, tick->flags, tick->context, &tick->trouble);
}

/* One turn of one half of the schedules; *next: not before then, unless there is more. */
static KamUnitResult
turn_half(Tick tick, long pause, KamWorkerSlot *entry, TimestampTz *next, bool *again)
{
	ErrorData  *error;
	KamUnitResult result;

	tick.context = CurrentMemoryContext;
	result = kam_unit_run("coordinator's schedules", tick_work, &tick, CurrentMemoryContext, &error);
	if (result == KAM_UNIT_FAILED)
		log_trouble(entry, error);
	else if (tick.trouble != NULL)
		kam_slot_set_error(entry, tick.trouble);

	if (result == KAM_UNIT_DONE && tick.more)
	{
		*again = true;
		*next = 0;
	}
	else
		*next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
											result == KAM_UNIT_FAILED ? Max(TROUBLE_PAUSE_MS, pause) : pause);
	return result;
}

static KamUnitResult
turn_coordinator(int owner, KamWorkerSlot *entry, bool *again)
{
	TimestampTz now = GetCurrentTimestamp();
	KamUnitResult result = KAM_UNIT_DONE;

	if (!kam_schedules || owner != CARETAKER)
		return result;
	if (now >= next_tick || (tick_due != 0 && kam_now() >= tick_due))
	{
		tick_due = 0;
		result = turn_half((Tick) {.items = TICK_BATCH}, TICK_PAUSE_MS, entry, &next_tick, again);
	}
	if (now >= next_flags && (result == KAM_UNIT_DONE || result == KAM_UNIT_FAILED))
		result = turn_half((Tick) {.flags = FLAG_BATCH}, FLAG_PAUSE_MS, entry, &next_flags, again);
	return result;
}

KamUnitResult
kam_schedule_turn(int owner, KamWorkerSlot *entry, bool *again)
{
	KamUnitResult result;

	*again = false;
	result = turn_runs(owner, entry, again);
	if (result == KAM_UNIT_DONE || result == KAM_UNIT_FAILED)
		result = turn_coordinator(owner, entry, again);
	if (result == KAM_UNIT_DONE || result == KAM_UNIT_FAILED)
		result = turn_retention(owner, entry, again);
	return result;
}

/* ---- when to wake up ---------------------------------------------------------------- */

static void
wait_work(void *arg)
{
	Turn	   *turn = arg;

	turn->attempt_at = kam_store_next_attempt(turn->owner);
	if (!kam_schedules)
		return;
	turn->rerun_at = kam_store_next_rerun();
	if (turn->owner == CARETAKER)
		turn->tick_at = kam_store_next_tick();
}

static long
until(TimestampTz now, TimestampTz then, long most)
{
	if (then == 0)
		return most;
	/* A moment later than due, so that it is due by then; never at once, so that nothing spins. */
	return Max(10, Min(most, TimestampDifferenceMilliseconds(now, then) + 1));
}

long
kam_schedule_wait(int owner, long most)
{
	Turn		turn = {0};
	TimestampTz real = GetCurrentTimestamp();
	ErrorData  *error;

	turn.owner = owner;
	switch (kam_unit_run("looking ahead", wait_work, &turn, CurrentMemoryContext, &error))
	{
		case KAM_UNIT_DONE:
			break;
		case KAM_UNIT_FAILED:
			FreeErrorData(error);
			return most;
		default:
			return most;
	}
	most = until(real, turn.attempt_at, most);
	most = until(kam_now(), turn.rerun_at, most);
	if (retains() && owner == CARETAKER)
		most = until(real, next_retain, most);
	if (!kam_schedules || owner != CARETAKER)
		return most;

	most = until(real, next_flags, most);
	if (turn.tick_at == 0)
		return most;
	/* What is due already was locked, or came just now: it has its turn at the usual pace. */
	if (turn.tick_at <= kam_now())
		return until(real, next_tick, most);
	tick_due = turn.tick_at;
	return until(kam_now(), tick_due, most);
}
