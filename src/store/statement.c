/*
 * store/statement.c: preparing, keeping and running named statements.
 *
 * Plans outlive DROP EXTENSION and CREATE EXTENSION: the server analyses a kept
 * plan again when what it names has changed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "store/statement.h"

/* The planner's headers declare a function the old way. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include "optimizer/cost.h"
#pragma GCC diagnostic pop

void
kam_values_init(KamValues *values)
{
	values->count = 0;
}

void
kam_values_add(KamValues *values, Datum value)
{
	Assert(values->count < KAM_STATEMENT_ARGS);
	values->value[values->count] = value;
	values->null[values->count++] = ' ';
}

void
kam_values_add_null(KamValues *values)
{
	Assert(values->count < KAM_STATEMENT_ARGS);
	values->value[values->count] = (Datum) 0;
	values->null[values->count++] = 'n';
}

void
kam_values_add_text(KamValues *values, const char *string)
{
	if (string == NULL)
		kam_values_add_null(values);
	else
		kam_values_add(values, CStringGetTextDatum(string));
}

void
kam_values_add_time(KamValues *values, TimestampTz at)
{
	if (at == KAM_NO_STAMP)
		kam_values_add_null(values);
	else
		kam_values_add(values, TimestampTzGetDatum(at));
}

void
kam_values_add_uuid(KamValues *values, const pg_uuid_t *uuid)
{
	kam_values_add(values, UUIDPGetDatum(uuid));
}

void
kam_values_add_jsonb(KamValues *values, const Jsonb *jsonb)
{
	if (jsonb == NULL)
		kam_values_add_null(values);
	else
		kam_values_add(values, JsonbPGetDatum(jsonb));
}

void
kam_series_init(KamSeries *series, const Oid *type, int count, int rows)
{
	for (int i = 0; i < count; i++)
		series[i] = (KamSeries) {type[i], palloc_array(Datum, Max(rows, 1)), palloc_array(bool, Max(rows, 1)), 0};
}

void
kam_series_put(KamSeries *series, Datum value, bool null)
{
	series->value[series->count] = value;
	series->null[series->count++] = null;
}

void
kam_series_put_text(KamSeries *series, const char *string)
{
	kam_series_put(series, string != NULL ? CStringGetTextDatum(string) : (Datum) 0, string == NULL);
}

void
kam_series_put_jsonb(KamSeries *series, const Jsonb *jsonb)
{
	kam_series_put(series, jsonb != NULL ? JsonbPGetDatum(jsonb) : (Datum) 0, jsonb == NULL);
}

void
kam_values_add_series(KamValues *values, const KamSeries *series, int count)
{
	for (int i = 0; i < count; i++)
	{
		int			size = series[i].count;
		int			bottom = 1;
		int16		length;
		bool		by_value;
		char		align;

		get_typlenbyvalalign(series[i].type, &length, &by_value, &align);
		kam_values_add(values, PointerGetDatum(construct_md_array(series[i].value, series[i].null, 1, &size, &bottom,
																  series[i].type, length, by_value, align)));
	}
}

/*
 * Plans a generic statement, which finds rows by key: by nothing else, however
 * small the tables are or look.  Who fills an empty database in one go, or a
 * queue that was empty when it was analysed, would otherwise have the tables
 * read from end to end, for each statement, until they are analysed again.
 */
static void
plan_for_keys(SPIPlanPtr plan)
{
	static bool *const other_ways[] = {&enable_seqscan, &enable_mergejoin};
	bool		before[lengthof(other_ways)];

	for (int i = 0; i < lengthof(other_ways); i++)
		before[i] = *other_ways[i];
	PG_TRY();
	{
		CachedPlan *made;

		for (int i = 0; i < lengthof(other_ways); i++)
			*other_ways[i] = false;
		made = SPI_plan_get_cached_plan(plan);
		if (made != NULL)
			ReleaseCachedPlan(made, CurrentResourceOwner);
	}
	PG_FINALLY();
	{
		for (int i = 0; i < lengthof(other_ways); i++)
			*other_ways[i] = before[i];
	}
	PG_END_TRY();
}

static void
prepare(KamStatement *statement)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(statement->sql, statement->nargs, statement->type,
											  statement->generic ? CURSOR_OPT_GENERIC_PLAN : 0);

	if (plan == NULL)
		elog(ERROR, "could not prepare statement \"%s\": %s", statement->name, SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep statement \"%s\"", statement->name);
	statement->plan = plan;
	if (statement->generic)
		plan_for_keys(plan);
}

static uint64
run(KamStatement *statement, const KamValues *values, Snapshot snapshot)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum	   *value = values ? (Datum *) values->value : NULL;
	const char *null = values ? values->null : NULL;
	int			result;

	if (statement->plan == NULL)
		prepare(statement);
	else if (statement->generic && !SPI_plan_is_valid(statement->plan))
		plan_for_keys(statement->plan);
	if ((values ? values->count : 0) != statement->nargs)
		elog(ERROR, "statement \"%s\" takes %d arguments", statement->name, statement->nargs);
	if (snapshot == InvalidSnapshot)
		result = SPI_execute_plan(statement->plan, value, null, statement->read_only, 0);
	else
		result = SPI_execute_snapshot(statement->plan, value, null, snapshot, InvalidSnapshot, statement->read_only, true, 0);
	/* SPI leaves its own context current: what the caller allocates next would be gone with SPI_finish. */
	MemoryContextSwitchTo(caller);
	if (result < 0)
		elog(ERROR, "statement \"%s\": %s", statement->name, SPI_result_code_string(result));
	return SPI_processed;
}

uint64
kam_statement_run(KamStatement *statement, const KamValues *values)
{
	return run(statement, values, InvalidSnapshot);
}

uint64
kam_statement_run_latest(KamStatement *statement, const KamValues *values)
{
	return run(statement, values, GetLatestSnapshot());
}

Datum
kam_column(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

char *
kam_column_text(MemoryContext context, uint64 row, int column)
{
	bool		isnull;
	Datum		value = kam_column(row, column, &isnull);
	MemoryContext old;
	char	   *copy;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(context);
	copy = TextDatumGetCString(value);
	MemoryContextSwitchTo(old);
	return copy;
}

Jsonb *
kam_column_jsonb(MemoryContext context, uint64 row, int column)
{
	bool		isnull;
	Datum		value = kam_column(row, column, &isnull);
	MemoryContext old;
	Jsonb	   *jsonb;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(context);
	jsonb = (Jsonb *) PG_DETOAST_DATUM_COPY(value);
	MemoryContextSwitchTo(old);
	return jsonb;
}

/* An int2, int4 or int8 column. */
int64
kam_column_int(uint64 row, int column, int64 otherwise)
{
	bool		isnull;
	Datum		value = kam_column(row, column, &isnull);

	if (isnull)
		return otherwise;
	switch (SPI_gettypeid(SPI_tuptable->tupdesc, column))
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return DatumGetInt64(value);
		default:
			elog(ERROR, "column %d is no integer", column);
	}
	return otherwise;
}
