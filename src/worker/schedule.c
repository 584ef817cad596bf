/*
 * worker/schedule.c: the worker's duties by the clock: waits that are over run
 * again (kam.schedules), finished runs are deleted (kam.retain_runs).
 *
 * Both in short transactions of a bounded number of rows, between rounds of
 * runs, so that neither keeps a run waiting.
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

static TimestampTz next_rerun_look = 0;
static TimestampTz next_retention = 0;

void
kam_schedule_reset(void)
{
	next_rerun_look = next_retention = 0;
}

typedef struct Turn
{
	int			owner;
	bool		reruns,
				retention;
	int			made,
				deleted;
	TimestampTz attempt_at,
				rerun_at;
} Turn;

static void
turn_work(void *arg)
{
	Turn	   *turn = arg;

	if (turn->reruns)
		turn->made = kam_store_reruns(kam_now(), RERUN_BATCH);
	if (turn->retention)
		turn->deleted = kam_store_delete_finished(TimestampTzPlusMilliseconds(kam_now(), -(int64) kam_retain_runs * 60000),
												  RETENTION_BATCH);
}

KamUnitResult
kam_schedule_turn(int owner, KamWorkerSlot *entry, bool *again)
{
	Turn		turn = {0};
	TimestampTz now = GetCurrentTimestamp();
	KamUnitResult result;
	ErrorData  *error;

	*again = false;
	turn.reruns = kam_schedules && now >= next_rerun_look;
	turn.retention = kam_retain_runs > 0 && now >= next_retention;
	if (!turn.reruns && !turn.retention)
		return KAM_UNIT_DONE;

	/* One slot does the deleting: two would only fetch the same rows. */
	if (owner != 1)
		turn.retention = false;
	result = kam_unit_run("schedules", turn_work, &turn, CurrentMemoryContext, &error);
	if (result == KAM_UNIT_FAILED)
	{
		ereport(LOG, (errcode(error->sqlerrcode), errmsg("kam worker: schedules: %s", error->message)));
		kam_slot_set_error(entry, error->message);
		FreeErrorData(error);
	}
	else if (entry != NULL)
		pg_atomic_fetch_add_u64(&entry->counters.reruns, turn.made);

	if (turn.made == RERUN_BATCH || turn.deleted == RETENTION_BATCH)
		*again = true;
	if (turn.made < RERUN_BATCH)
		next_rerun_look = TimestampTzPlusMilliseconds(now, RERUN_PAUSE_MS);
	if (turn.deleted < RETENTION_BATCH)
		next_retention = TimestampTzPlusMilliseconds(now, RETENTION_PAUSE_MS);
	return result;
}

static void
wait_work(void *arg)
{
	Turn	   *turn = arg;

	turn->attempt_at = kam_store_next_attempt(turn->owner);
	if (kam_schedules)
		turn->rerun_at = kam_store_next_rerun();
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
	most = until(GetCurrentTimestamp(), turn.attempt_at, most);
	most = until(kam_now(), turn.rerun_at, most);
	return most;
}
