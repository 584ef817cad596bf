/*
 * bench/gate: the floor as one C function.  What an executed touch writes, and
 * nothing else: the log's row, the lead's state, Leads, Cadence and the outbox,
 * each by a prepared statement.  Reads nothing, decides nothing.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(bench_floor);

/* $1 lead_id, $2 event_id, $3 sequence_id, $4 sequence_type, $5 family, $6 step, $7 touch_no, $8 key, $9 payload, $10 at, $11 ring, $12 recipient, $13 agent */
#define ARGS 13
static const Oid types[ARGS] = {TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, INT4OID, INT8OID, TEXTOID, JSONBOID, TIMESTAMPTZOID, TIMESTAMPTZARRAYOID, TEXTOID,
TEXTOID};

/* The parameters of each statement, by their place among the above. */
static struct
{
	const char *sql;
	int			nargs;
	int			arg[ARGS];
	SPIPlanPtr	plan;
}			statement[] =
{
	{"UPDATE kam.prospect_state SET last_at = $2, touch_no = $3, touches = $4, sales_step = CASE WHEN sales_step IS NULL THEN NULL ELSE $5 END,"
		" marketing_step = CASE WHEN marketing_step IS NULL THEN NULL ELSE $5 END WHERE lead_id = $1",
	5, {0, 9, 6, 10, 5}},
	{"INSERT INTO kam.cadenceeventlog (lead_id, event_id, sequence_id, sequence_type, event_type, requested_event_type, step, channel,"
		" originating_agent, coordinator_action, touch_cap_at_event, compliance_status, idempotency_key, payload, event_at, gate_version, family,"
		" enrolment_no, counted, touch_at, touch_no, touch_earliest)"
		" VALUES ($1, $2, $3, $4, 'touch', 'touch', $6, 'email', $11, 'executed', 0, 'clear', $8, $9, $10, 1, $5, 1, true, $10, $7, $10)",
	11, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12}},
	{"UPDATE kam.leads SET last_touch_at = $2, current_step = $3 WHERE lead_id = $1",
	3, {0, 9, 5}},
	{"UPDATE kam.cadence SET current_step = $4, last_activity_at = $3 WHERE lead_id = $1 AND sequence_id = $2 AND enrolment_no = 1",
	4, {0, 2, 9, 5}},
	{"INSERT INTO kam.notification (recipient, topic, lead_id, event_id, payload) VALUES ($3, 'touch', $1, $2, $4)",
	4, {0, 1, 11, 8}},
};

static void
prepare(int i)
{
	Oid			type[ARGS];

	for (int k = 0; k < statement[i].nargs; k++)
		type[k] = types[statement[i].arg[k]];
	statement[i].plan = SPI_prepare_cursor(statement[i].sql, statement[i].nargs, type, CURSOR_OPT_GENERIC_PLAN);
	if (statement[i].plan == NULL || SPI_keepplan(statement[i].plan) != 0)
		elog(ERROR, "could not prepare the floor");
}

/* bench_floor(lead_id text, sequence_id text, sequence_type text, family text, step integer, touch_no bigint, key text, payload jsonb, at timestamptz, agent text) */
Datum
bench_floor(PG_FUNCTION_ARGS)
{
	static Oid	sequence = InvalidOid;
	Datum		stamp[8];
	Datum		value[ARGS];

	if (!OidIsValid(sequence))
		sequence = get_relname_relid("cadenceeventlog_event_id_seq", get_namespace_oid("kam", false));
	for (int i = 0; i < 8; i++)
		stamp[i] = PG_GETARG_DATUM(8);
	SPI_connect();
	value[0] = PG_GETARG_DATUM(0);
	value[1] = Int64GetDatum(nextval_internal(sequence, false));
	value[2] = PG_GETARG_DATUM(1);
	value[3] = PG_GETARG_DATUM(2);
	value[4] = PG_GETARG_DATUM(3);
	value[5] = PG_GETARG_DATUM(4);
	value[6] = PG_GETARG_DATUM(5);
	value[7] = PG_GETARG_DATUM(6);
	value[8] = PG_GETARG_DATUM(7);
	value[9] = PG_GETARG_DATUM(8);
	value[10] = PointerGetDatum(construct_array(stamp, 8, TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	value[11] = CStringGetTextDatum("rep-17");
	value[12] = PG_GETARG_DATUM(9);
	for (int i = 0; i < lengthof(statement); i++)
	{
		Datum		chosen[ARGS];

		if (statement[i].plan == NULL)
			prepare(i);
		for (int k = 0; k < statement[i].nargs; k++)
			chosen[k] = value[statement[i].arg[k]];
		if (SPI_execute_plan(statement[i].plan, chosen, NULL, false, 0) < 0 || SPI_processed != 1)
			elog(ERROR, "statement %d of the floor wrote nothing", i);
	}
	SPI_finish();
	PG_RETURN_VOID();
}
