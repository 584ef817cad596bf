/*
 * worker/lanes.c: the lanes of llm/limits.h as SQL sees them: kam_lanes().
 *
 * A worker's lanes are its own memory.  It copies them to shared memory when it
 * is about to sleep; users' backends read the copies.  Nothing here changes a
 * lane, and without shared memory (kam not preloaded) there is nothing to see.
 */
#include "postgres.h"

#include <math.h>

#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "kam.h"
#include "worker/lanes.h"
/* after the server's headers */
#include "worker/network.h"

PG_FUNCTION_INFO_V1(kam_lanes);

/* Without a sleep between, so often. */
#define TOLD_EVERY_US INT64CONST(100000)

StaticAssertDecl(KAM_LANE_METERS == KAM_METERS, "shared memory has room for every meter");

/* ---- telling ------------------------------------------------------------------ */

static TimestampTz
timestamp_of(int64 unix_us)
{
	return unix_us - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

static void
fill(KamSharedLane *out, int worker, const KamLane *lane, int64 now)
{
	KamLaneState state;

	kam_lane_state(lane, now, &state);
	out->worker = worker;
	strlcpy(out->provider, state.provider, sizeof(out->provider));
	strlcpy(out->model, state.model, sizeof(out->model));
	out->in_flight = state.in_flight;
	out->open = state.open;
	out->recovering = state.recovering;
	out->per_minute[KAM_METER_REQUESTS] = state.requests_per_minute;
	out->per_minute[KAM_METER_INPUT] = state.input_per_minute;
	out->per_minute[KAM_METER_OUTPUT] = state.output_per_minute;
	out->per_minute[KAM_METER_TOKENS] = state.tokens_per_minute;
	memcpy(out->left, state.left, sizeof(out->left));
	memcpy(out->told, state.told, sizeof(out->told));
	out->next_call_at = state.closed_until_us > 0 ? timestamp_of(state.closed_until_us) : 0;
	strlcpy(out->why, state.why, sizeof(out->why));
	out->seen_at = timestamp_of(now);
}

/* Into entries that are this worker's or nobody's, in their order; those left over become nobody's. */
static void
publish(int worker, const KamLimits *limits, int64 now)
{
	int			next = 0;

	LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
	for (const KamLane *lane = kam_limits_next(limits, NULL); lane != NULL; lane = kam_limits_next(limits, lane))
	{
		while (next < KAM_MAX_LANES && kam_shared->lane[next].worker != 0 && kam_shared->lane[next].worker != worker)
			next++;
		if (next == KAM_MAX_LANES)
			break;
		fill(&kam_shared->lane[next++], worker, lane, now);
	}
	kam_shared->nlanes = Max(kam_shared->nlanes, next);
	for (; next < kam_shared->nlanes; next++)
	{
		if (kam_shared->lane[next].worker == worker)
			kam_shared->lane[next].worker = 0;
	}
	LWLockRelease(kam_shared->lock);
}

void
kam_lanes_tell(KamWorkerSlot *entry, bool sleeps)
{
	static int64 told_at = 0,
				used_at = 0;
	const KamLimits *limits = kam_network_limits();
	int64		used,
				now;

	if (entry == NULL || limits == NULL || (used = kam_limits_used_us(limits)) == used_at)
		return;
	now = kam_network_now();
	/* A clock that was put back does not silence it. */
	if (!sleeps && now >= told_at && now - told_at < TOLD_EVERY_US)
		return;
	publish((int) (entry - kam_shared->slot) + 1, limits, now);
	used_at = used;
	told_at = now;
}

/* ---- showing ------------------------------------------------------------------- */

enum
{
	COLUMN_SLOT, COLUMN_PROVIDER, COLUMN_MODEL, COLUMN_IN_FLIGHT, COLUMN_PER_MINUTE,
	COLUMN_LEFT = COLUMN_PER_MINUTE + KAM_METERS,
	COLUMN_BREAKER = COLUMN_LEFT + KAM_METERS,
	COLUMN_NEXT_CALL_AT, COLUMN_REASON, COLUMN_SEEN_AT, LANE_COLUMNS
};

static Datum
whole(double number)
{
	return Int64GetDatum((int64) rint(Max(Min(number, 1e15), -1e15)));
}

static void
put_lane(const KamSharedLane *lane, int slot, ReturnSetInfo *result)
{
	Datum		value[LANE_COLUMNS] = {0};
	bool		null[LANE_COLUMNS] = {0};

	value[COLUMN_SLOT] = Int32GetDatum(slot);
	null[COLUMN_SLOT] = slot == 0;
	value[COLUMN_PROVIDER] = CStringGetTextDatum(lane->provider);
	value[COLUMN_MODEL] = CStringGetTextDatum(lane->model);
	value[COLUMN_IN_FLIGHT] = Int32GetDatum(lane->in_flight);
	for (int i = 0; i < KAM_METERS; i++)
	{
		value[COLUMN_PER_MINUTE + i] = whole(lane->per_minute[i]);
		null[COLUMN_PER_MINUTE + i] = lane->per_minute[i] <= 0;
		value[COLUMN_LEFT + i] = whole(lane->left[i]);
		null[COLUMN_LEFT + i] = !lane->told[i];
	}
	value[COLUMN_BREAKER] = CStringGetTextDatum(lane->open ? "open" : lane->recovering ? "recovering" : "closed");
	value[COLUMN_NEXT_CALL_AT] = TimestampTzGetDatum(lane->next_call_at);
	null[COLUMN_NEXT_CALL_AT] = lane->next_call_at == 0;
	value[COLUMN_REASON] = CStringGetTextDatum(lane->why);
	null[COLUMN_REASON] = lane->why[0] == '\0';
	value[COLUMN_SEEN_AT] = TimestampTzGetDatum(lane->seen_at);
	tuplestore_putvalues(result->setResult, result->setDesc, value, null);
}

/* kam_lanes() */
Datum
kam_lanes(PG_FUNCTION_ARGS)
{
	const char *database = get_database_name(MyDatabaseId);
	KamSharedLane *lane;
	int			slot[KAM_MAX_LANES];
	int			count = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (kam_shared == NULL)
		return (Datum) 0;
	/* A copy: nothing is formatted under the lock. */
	lane = palloc(sizeof(kam_shared->lane));
	LWLockAcquire(kam_shared->lock, LW_SHARED);
	for (int i = 0; i < kam_shared->nlanes; i++)
	{
		const KamSharedLane *one = &kam_shared->lane[i];
		const KamWorkerSlot *worker = one->worker > 0 ? &kam_shared->slot[one->worker - 1] : NULL;

		if (worker == NULL || strcmp(worker->database, database) != 0)
			continue;
		lane[count] = *one;
		slot[count++] = worker->slot;
	}
	LWLockRelease(kam_shared->lock);
	for (int i = 0; i < count; i++)
		put_lane(&lane[i], slot[i], (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}
