/*
 * pg/clock.c: the present.
 *
 * The only reader of kam.clock.  Tests and back-tests set it to hold the clock
 * still; bookkeeping that measures durations reads the real time itself.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "core/civil.h"
#include "kam.h"
#include "pg/clock.h"
#include "pg/zones.h"

/* What kam.clock says, kept by the assign hook; unset while it is empty. */
static bool clock_held = false;
static TimestampTz clock_value;

/* What kam_tick was told, for its transaction. */
static bool overridden = false;
static TimestampTz override_value;

/* A reading without offset is UTC: the session's zone must not change what a test means. */
bool
kam_clock_check(char **newval, void **extra, GucSource source)
{
	TimestampTz *parsed;
	KamZone		utc;
	KamTime		at;

	if (*newval == NULL || **newval == '\0')
		return true;
	utc.name = "UTC";
	utc.tz = NULL;				/* GMT */
	utc.zones = &kam_pg_zones;
	if (!kam_time_parse(*newval, &utc, &at))
	{
		GUC_check_errcode(ERRCODE_INVALID_DATETIME_FORMAT);
		GUC_check_errdetail("It takes a time in ISO 8601.");
		GUC_check_errhint("For example \"2026-03-10T09:00:00+01:00\"; empty for the real time.");
		return false;
	}
	parsed = KAM_GUC_ALLOC(sizeof(TimestampTz));
	if (parsed == NULL)
		return false;
	*parsed = kam_timestamptz_from_time(at);
	*extra = parsed;
	return true;
}

void
kam_clock_assign(const char *newval, void *extra)
{
	clock_held = extra != NULL;
	if (clock_held)
		clock_value = *(TimestampTz *) extra;
}

static void
forget_override(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE ||
		event == XACT_EVENT_PARALLEL_COMMIT || event == XACT_EVENT_PARALLEL_ABORT)
		overridden = false;
}

void
kam_clock_override(TimestampTz at)
{
	static bool registered = false;

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("a moment must be finite")));
	if (!registered)
	{
		RegisterXactCallback(forget_override, NULL);
		registered = true;
	}
	overridden = true;
	override_value = at;
}

void
kam_clock_override_end(void)
{
	overridden = false;
}

TimestampTz
kam_now(void)
{
	if (overridden)
		return override_value;
	return clock_held ? clock_value : GetCurrentTimestamp();
}

TimestampTz
kam_statement_now(void)
{
	if (overridden)
		return override_value;
	return clock_held ? clock_value : GetCurrentStatementStartTimestamp();
}

#define EPOCH_DIFFERENCE ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

KamTime
kam_time_from_timestamptz(TimestampTz at)
{
	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("a moment must be finite")));
	return at + EPOCH_DIFFERENCE;
}

TimestampTz
kam_timestamptz_from_time(KamTime at)
{
	return at - EPOCH_DIFFERENCE;
}
