/*
 * store/statement.h: named statements, prepared once per process.
 *
 * For the files of store/ and cadence/ only.  Each declares its statements and
 * runs them through kam_statement_run inside an open SPI connection.
 */
#pragma once

#include "postgres.h"

#include "executor/spi.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "pg/clock.h"

#define KAM_STATEMENT_ARGS 24

typedef struct KamStatement
{
	const char *name;
	const char *sql;
	int			nargs;
	Oid			type[KAM_STATEMENT_ARGS];
	SPIPlanPtr	plan;			/* kept for the life of the process */
	bool		read_only;		/* only looks, with the snapshot of whoever asks: callable from STABLE functions */
	bool		generic;		/* one plan for all values, from the first call on */
} KamStatement;

/* Arguments in the making; a value not set stays NULL. */
typedef struct KamValues
{
	Datum		value[KAM_STATEMENT_ARGS];
	char		null[KAM_STATEMENT_ARGS];
	int			count;
} KamValues;

extern void kam_values_init(KamValues *values);
extern void kam_values_add(KamValues *values, Datum value);
extern void kam_values_add_null(KamValues *values);
extern void kam_values_add_text(KamValues *values, const char *string);	/* NULL gives NULL */
extern void kam_values_add_time(KamValues *values, TimestampTz at);	/* KAM_NO_STAMP gives NULL */
extern void kam_values_add_uuid(KamValues *values, const pg_uuid_t *uuid);
extern void kam_values_add_jsonb(KamValues *values, const Jsonb *jsonb);	/* NULL gives NULL */

/*
 * A column of many rows in the making, handed over as an array: a table's
 * constraints are prepared once for each statement, which costs more than a row.
 */
typedef struct KamSeries
{
	Oid			type;
	Datum	   *value;
	bool	   *null;
	int			count;
} KamSeries;

/* One per type, each with room for so many rows. */
extern void kam_series_init(KamSeries *series, const Oid *type, int count, int rows);
extern void kam_series_put(KamSeries *series, Datum value, bool null);
extern void kam_series_put_text(KamSeries *series, const char *string); /* NULL gives NULL */
extern void kam_series_put_jsonb(KamSeries *series, const Jsonb *jsonb);	/* NULL gives NULL */
/* Each series becomes the next value. */
extern void kam_values_add_series(KamValues *values, const KamSeries *series, int count);

/* Runs it and returns the number of rows; they stand in SPI_tuptable. */
extern uint64 kam_statement_run(KamStatement *statement, const KamValues *values);
/* The same under the latest snapshot, whatever the transaction's: sees everything committed by now. */
extern uint64 kam_statement_run_latest(KamStatement *statement, const KamValues *values);

/* Columns of row "row" of SPI_tuptable, copied into the context given. */
extern Datum kam_column(uint64 row, int column, bool *isnull);
extern char *kam_column_text(MemoryContext context, uint64 row, int column);
extern Jsonb *kam_column_jsonb(MemoryContext context, uint64 row, int column);
extern int64 kam_column_int(uint64 row, int column, int64 otherwise);
