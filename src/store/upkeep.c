/*
 * store/upkeep.c: what the worker does besides runs: waits that are over run
 * again, the Coordinator's schedules turn, what is older than the settings of
 * retention say is deleted.  All in bounded batches.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/statement.h"
#include "store/store.h"

static KamStatement find_reruns = {
	"due reruns",
	"SELECT session_id FROM kam.request WHERE home = kam._home() AND rerun_at IS NOT NULL AND rerun_at <= $1"
	" AND finished_at IS NOT NULL ORDER BY rerun_at LIMIT $2",
	2, {TIMESTAMPTZOID, INT4OID}
};

/*
 * The new run's key derives from the old one's, so that a wait runs again once
 * whatever crashes in between; which of two workers makes it, the row decides.
 */
static KamStatement rerun = {
	"rerun",
	"WITH old AS (UPDATE kam.request SET rerun_at = NULL WHERE session_id = $1 AND rerun_at IS NOT NULL"
	"  RETURNING session_id, contact, options, lead_id, priority, status)"
	" INSERT INTO kam.request (session_id, contact, options, lead_id, priority, as_of, rerun_of)"
	" SELECT pg_catalog.md5('kam rerun of ' || session_id::text)::uuid, kam._with_touches(contact, lead_id, $2),"
	" options - 'idempotency_key' - 'as_of', lead_id, priority, $2, session_id FROM old WHERE status <> 'cancelled'"
	" ON CONFLICT (session_id) DO NOTHING",
	2, {UUIDOID, TIMESTAMPTZOID}
};

static KamStatement next_rerun = {
	"next rerun",
	"SELECT rerun_at FROM kam.request WHERE home = kam._home() AND rerun_at IS NOT NULL AND finished_at IS NOT NULL"
	" ORDER BY rerun_at LIMIT 1",
	0, {0}
};

/* Retention is functions too, the same that kam_retain() calls (sql/79_retention.sql). */
static KamStatement retain_runs = {
	"retain runs",
	"SELECT kam._retain_runs($1, $2)",
	2, {TIMESTAMPTZOID, INT4OID}
};

static KamStatement retain = {
	"retain",
	"SELECT (r ->> 'more')::boolean, r ->> 'error' FROM kam._retain($1, $2) r",
	2, {TIMESTAMPTZOID, INT4OID}
};

/* The Coordinator's schedules are one function, the same that kam_tick() calls (sql/66_tick.sql). */
static KamStatement tick = {
	"tick",
	"SELECT (t ->> 'more')::boolean, t -> 'errors' -> 0 ->> 'message' FROM kam._tick($1, $2, $3) t",
	3, {TIMESTAMPTZOID, INT4OID, INT4OID}
};

static KamStatement next_tick = {
	"next tick",
	"SELECT kam._tick_next()",
	0, {0}
};

static KamStatement close_costs = {
	"close costs",
	"SELECT kam._close_costs()",
	0, {0}
};

/* The session ids in SPI_tuptable, before the next statement takes its place. */
static pg_uuid_t *
copy_ids(uint64 count)
{
	pg_uuid_t  *ids = palloc_array(pg_uuid_t, Max(count, 1));

	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;

		ids[i] = *DatumGetUUIDP(kam_column(i, 1, &isnull));
	}
	return ids;
}

int
kam_store_reruns(TimestampTz now, int limit)
{
	KamValues	values;
	uint64		found,
				made = 0;
	pg_uuid_t  *ids;

	kam_values_init(&values);
	kam_values_add(&values, TimestampTzGetDatum(now));
	kam_values_add(&values, Int32GetDatum(limit));
	found = kam_statement_run(&find_reruns, &values);
	ids = copy_ids(found);
	for (uint64 i = 0; i < found; i++)
	{
		kam_values_init(&values);
		kam_values_add_uuid(&values, &ids[i]);
		kam_values_add(&values, TimestampTzGetDatum(now));
		made += kam_statement_run(&rerun, &values);
	}
	return (int) made;
}

TimestampTz
kam_store_next_rerun(void)
{
	bool		isnull;

	if (kam_statement_run(&next_rerun, NULL) == 0)
		return 0;
	return DatumGetTimestampTz(kam_column(0, 1, &isnull));
}

bool
kam_store_tick(TimestampTz now, int items, int flags, MemoryContext context, char **error)
{
	KamValues	values;
	bool		isnull;

	kam_values_init(&values);
	kam_values_add(&values, TimestampTzGetDatum(now));
	kam_values_add(&values, Int32GetDatum(items));
	kam_values_add(&values, Int32GetDatum(flags));
	if (kam_statement_run(&tick, &values) != 1)
		elog(ERROR, "the tick returned no report");
	*error = kam_column_text(context, 0, 2);
	return DatumGetBool(kam_column(0, 1, &isnull));
}

TimestampTz
kam_store_next_tick(void)
{
	bool		isnull;
	Datum		at;

	kam_statement_run(&next_tick, NULL);
	at = kam_column(0, 1, &isnull);
	return isnull ? 0 : DatumGetTimestampTz(at);
}

bool
kam_store_close_costs(void)
{
	bool		isnull;

	kam_statement_run(&close_costs, NULL);
	return DatumGetBool(kam_column(0, 1, &isnull));
}

int
kam_store_delete_finished(TimestampTz before, int limit)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add(&values, TimestampTzGetDatum(before));
	kam_values_add(&values, Int32GetDatum(limit));
	kam_statement_run(&retain_runs, &values);
	return (int) kam_column_int(0, 1, 0);
}

bool
kam_store_retain(TimestampTz now, int batch, MemoryContext context, char **error)
{
	KamValues	values;
	bool		isnull;

	kam_values_init(&values);
	kam_values_add(&values, TimestampTzGetDatum(now));
	kam_values_add(&values, Int32GetDatum(batch));
	if (kam_statement_run(&retain, &values) != 1)
		elog(ERROR, "retention returned no report");
	*error = kam_column_text(context, 0, 2);
	return DatumGetBool(kam_column(0, 1, &isnull));
}
