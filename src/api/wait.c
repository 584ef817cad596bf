/*
 * api/wait.c: kam_wait.
 *
 * Runs in backends.  A procedure, so that it can end its transaction and wait
 * without a snapshot: a query that waits would hold back vacuum for as long as
 * a run takes, and could never see the worker's rows in REPEATABLE READ.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "kam.h"
/* after the server's headers */
#include "api/api.h"

PG_FUNCTION_INFO_V1(kam_api_wait);

#define FIRST_PAUSE 5			/* milliseconds between two looks; it doubles up to ... */
#define LONGEST_PAUSE 100
#define JUDGE_GRACE 2000		/* how long the judge is waited for once the decision is there */
#define QUEUE_GRACE 2000		/* a run still queued after this makes us ask whether anybody works */

/* The stages in the order a run goes through them; a look may come too late for some. */
static const struct
{
	const char *status;
	const char *says;
}			stage[] = {
	{"queued", "queued"},
	{"wave1", "wave 1: four agents analyse"},
	{"evaluation", "evaluation of wave 1"},
	{"wave2", "wave 2: channel, content, sequence"},
	{"synthesis", "synthesis"},
	{"guard", "guard"},
	{"saved", "decision saved"},
	{"judged", "judged"},
};

typedef struct RunState
{
	char		status[16];
	char	   *error;
	char		sqlstate[6];
	bool		parked;
	Jsonb	   *decision;		/* NULL until saved */
	bool		held;			/* until a person decides */
	bool		unasked;		/* decided without any agent: nobody may write to the contact */
} RunState;

static int
stage_of(const char *status)
{
	for (int i = 0; i < lengthof(stage); i++)
		if (strcmp(stage[i].status, status) == 0)
			return i;
	return -1;
}

/* Looks once, in a transaction that is over when this returns.  False: there is no such run. */
static bool
look(const pg_uuid_t *session_id, MemoryContext context, RunState *out)
{
	Oid			types[] = {UUIDOID};
	Datum		values[] = {UUIDPGetDatum(session_id)};
	MemoryContext old;
	TupleDesc	desc;
	HeapTuple	row;
	bool		found;

	memset(out, 0, sizeof(*out));
	if (SPI_execute_with_args("SELECT s.status, s.error, s.sqlstate, s.parked, s.decision, s.unasked, s.held FROM kam._run_state($1) s",
							  1, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look a run up");
	found = SPI_processed == 1 && SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) != NULL;
	if (found)
	{
		char	   *sqlstate;
		Datum		decision;
		bool		isnull;

		row = SPI_tuptable->vals[0];
		desc = SPI_tuptable->tupdesc;
		strlcpy(out->status, SPI_getvalue(row, desc, 1), sizeof(out->status));
		old = MemoryContextSwitchTo(context);
		out->error = SPI_getvalue(row, desc, 2);
		sqlstate = SPI_getvalue(row, desc, 3);
		if (sqlstate != NULL)
			strlcpy(out->sqlstate, sqlstate, sizeof(out->sqlstate));
		out->parked = DatumGetBool(SPI_getbinval(row, desc, 4, &isnull)) && !isnull;
		decision = SPI_getbinval(row, desc, 5, &isnull);
		if (!isnull)
			out->decision = (Jsonb *) PG_DETOAST_DATUM_COPY(decision);
		out->unasked = DatumGetBool(SPI_getbinval(row, desc, 6, &isnull)) && !isnull;
		out->held = DatumGetBool(SPI_getbinval(row, desc, 7, &isnull)) && !isnull;
		MemoryContextSwitchTo(old);
	}
	SPI_commit();
	return found;
}

/* Ends the procedure with an error for a run that will have no decision. */
static void
raise_outcome(const char *name, const RunState *state)
{
	if (strcmp(state->status, "cancelled") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("run %s was cancelled", name)));
	/* When only the judgement failed, the decision stands. */
	if (strcmp(state->status, "failed") == 0 && state->decision == NULL)
		ereport(ERROR,
				(errcode(state->sqlstate[0] == '\0' ? ERRCODE_RAISE_EXCEPTION :
						 MAKE_SQLSTATE(state->sqlstate[0], state->sqlstate[1], state->sqlstate[2],
									   state->sqlstate[3], state->sqlstate[4])),
				 errmsg("run %s failed: %s", name, state->error != NULL ? state->error : "unknown error"),
				 errhint("SELECT kam.kam_explain('%s') tells how far it came; kam_retry takes it up again.", name)));
	if (state->parked && state->decision == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("run %s is parked: it came with a restore or a copy of the database", name),
				 errhint("SELECT kam.kam_resume() lets such runs go on.")));
	if (state->held && state->decision == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("run %s is held: %s", name, state->error != NULL ? state->error : "somebody must decide"),
				 errhint("SELECT kam.kam_retry('%s') goes on with it, kam_cancel ends it.", name)));
}

/* Tells every stage between the last look and this one. */
static void
tell(int *told, const char *status)
{
	int			now = stage_of(status);

	for (; *told < now; (*told)++)
		ereport(NOTICE, (errmsg("%s", stage[*told + 1].says)));
	/* Sent back to wave 1: its stages are told again. */
	if (now >= 0 && now < *told)
	{
		ereport(NOTICE, (errmsg("%s, once more", stage[now].says)));
		*told = now;
	}
}

/* Warns when no worker of this database is at work, with the reason. */
static void
warn_without_worker(void)
{
	if (SPI_execute("SELECT pg_catalog.string_agg(DISTINCT COALESCE(s.reason, s.state), '; ') FROM kam.kam_worker_status() s"
					" WHERE s.database OPERATOR(pg_catalog.=) pg_catalog.current_database()"
					" HAVING pg_catalog.bool_and(s.state OPERATOR(pg_catalog.<>) ALL ('{idle,busy}'::pg_catalog.text[])) IS NOT FALSE",
					false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for a worker");
	if (SPI_processed == 1)
	{
		char	   *reason = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);

		ereport(WARNING,
				(errmsg("no worker is at work in this database: %s", reason != NULL ? reason : "none was started"),
				 errhint("SELECT * FROM kam.kam_worker_status() tells more.")));
	}
	SPI_commit();
}

/* The interval's length in microseconds as of now; months are as long as they are now. */
static TimestampTz
deadline_of(Interval *timeout)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(GetCurrentTimestamp()),
												   IntervalPGetDatum(timeout)));
}

/* CALL kam_wait(session_id, INOUT decision, timeout) */
Datum
kam_api_wait(PG_FUNCTION_ARGS)
{
	CallContext *context = IsA(fcinfo->context, CallContext) ? (CallContext *) fcinfo->context : NULL;
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext memory;
	Interval	preset = {.time = 15 * USECS_PER_MINUTE};
	pg_uuid_t	session_id;
	char		name[UUID_LEN * 2 + 5];
	TimestampTz deadline;
	TimestampTz began = GetCurrentTimestamp();
	TimestampTz saved_at = 0;
	RunState	state;
	TupleDesc	desc;
	Datum		value;
	bool		isnull;
	bool		asked = false;
	int			told = -1;
	int			pause = FIRST_PAUSE;
	static uint32 wait_event = 0;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("session_id must not be null")));
	session_id = *PG_GETARG_UUID_P(0);
	strlcpy(name, DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(0))), sizeof(name));
	deadline = deadline_of(PG_ARGISNULL(2) ? &preset : PG_GETARG_INTERVAL_P(2));

	if (context == NULL || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("kam_wait cannot run inside a transaction block"),
				 errdetail("The worker sees a run only once the transaction that asked for it has committed."),
				 errhint("COMMIT first, then CALL kam.kam_wait('%s').", name)));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);

	/* Transactions end below; this context and the caller's do not. */
	memory = AllocSetContextCreate(PortalContext, "kam wait", ALLOCSET_SMALL_SIZES);
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	for (;;)
	{
		long		left;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(memory);
		if (!look(&session_id, memory, &state))
			ereport(ERROR,
					(errcode(ERRCODE_NO_DATA_FOUND),
					 errmsg("there is no run %s", name),
					 errhint("A run is seen once the transaction that asked for it has committed.")));
		raise_outcome(name, &state);
		/* Stages that were passed over are not told. */
		if (state.unasked)
			told = Max(told, stage_of("guard"));
		tell(&told, state.status);
		if (strcmp(state.status, "judged") == 0)
			break;
		if (strcmp(state.status, "failed") == 0)
		{
			ereport(WARNING,
					(errmsg("run %s failed after its decision was saved: %s", name, state.error != NULL ? state.error : "unknown error")));
			break;
		}
		if (!asked && told == 0 && TimestampDifferenceExceeds(began, GetCurrentTimestamp(), QUEUE_GRACE))
		{
			asked = true;
			warn_without_worker();
		}
		if (state.decision != NULL)
		{
			if (saved_at == 0)
				saved_at = GetCurrentTimestamp();
			if (TimestampDifferenceExceeds(saved_at, GetCurrentTimestamp(), JUDGE_GRACE))
				break;
		}
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		if (left <= 0)
		{
			if (state.decision != NULL)
				break;
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("run %s is not finished: %s", name, state.status),
					 errhint("It goes on; wait again, or see kam.kam_progress and kam.kam_worker_status().")));
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(pause, left),
						 KAM_WAIT_EVENT(wait_event, "KamWait"));
		ResetLatch(MyLatch);
		pause = Min(pause * 2, LONGEST_PAUSE);
	}
	SPI_finish();

	MemoryContextSwitchTo(outer);
	isnull = state.decision == NULL;
	value = isnull ? (Datum) 0 : JsonbPGetDatum(state.decision);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, &value, &isnull)));
}
