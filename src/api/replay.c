/*
 * api/replay.c: replays with the built-in agents, at once, and waiting for
 * those that the worker makes.
 *
 * Runs in backends.  kam_backtest_wait is a procedure for the reasons that
 * kam_wait is one (api/wait.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "kam.h"
/* after the server's headers */
#include "api/api.h"

PG_FUNCTION_INFO_V1(kam_api_replay_builtin);
PG_FUNCTION_INFO_V1(kam_api_backtest_wait);

#define FIRST_PAUSE 5			/* milliseconds between two looks; it doubles up to ... */
#define LONGEST_PAUSE 250

/* ---- at once ------------------------------------------------------------------ */

static void
close_run(void *arg)
{
	kam_run_close(arg);
}

/* The judge included; an opt-out that the run replayed knew of has its say when it had it then. */
static void
run_again(KamRun *run, const KamForbidden *forbidden, bool overruled)
{
	if (forbidden == NULL)
		kam_run_builtin(run, true);
	else
	{
		if (overruled)
			kam_run_builtin(run, false);
		kam_run_forbid(run, forbidden);
	}
	if (run->decision == NULL)
		elog(ERROR, "the workflow ended without a decision");
}

static json_t *
shared(json_t *value)
{
	return value != NULL ? json_incref(value) : json_null();
}

/* _replay_builtin(contact, as_of, session_id, history, original, overruled) */
Datum
kam_api_replay_builtin(PG_FUNCTION_ARGS)
{
	KamLibrary	library = kam_library();
	KamScratch		scratch = kam_scratch_begin();
	KamEnv		env = kam_pg_env(kam_arg_as_of(fcinfo, 1));
	json_t	   *contact = kam_arg_json(fcinfo, 0);
	json_t	   *original = kam_arg_json(fcinfo, 4);
	KamRun	   *run = palloc0(sizeof(KamRun));
	KamForbidden forbidden;
	KamError	error = {0};
	json_t	   *out;
	Datum		result;

	if (!kam_run_open(run, env.arena, &env, contact, PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)), &error))
		kam_raise(&error);
	kam_on_reset(close_run, run);
	run->in.resources = library.resources;
	run->in.practices = library.practices;
	run->in.history = kam_arg_json(fcinfo, 3);
	run_again(run, original != NULL && kam_forbidden_read(&run->contact, original, &forbidden) ? &forbidden : NULL,
			  !PG_ARGISNULL(5) && PG_GETARG_BOOL(5));
	out = kam_pg_own(kam_object());
	kam_put(out, "decision", json_incref(run->decision));
	kam_put(out, "guard", kam_run_guard_json(run));
	kam_put(out, "synthesis", shared(run->output[KAM_SYNTHESIS_ORCHESTRATOR]));
	kam_put(out, "judgement", run->forbidden != NULL ? json_null() : shared(run->output[KAM_DECISION_EVALUATOR]));
	result = kam_result(&scratch, out);
	kam_scratch_end(&scratch);
	PG_RETURN_DATUM(result);
}

/* ---- waiting -------------------------------------------------------------------- */

typedef struct Progress
{
	int64		asked,
				finished,
				parked;
} Progress;

/* Looks once, in a transaction that is over when this returns.  False: there is no such back-test. */
static bool
look(const pg_uuid_t *backtest_id, Progress *out)
{
	Oid			types[] = {UUIDOID};
	Datum		values[] = {UUIDPGetDatum(backtest_id)};
	HeapTuple	row;
	TupleDesc	desc;
	bool		isnull,
				known;

	if (SPI_execute_with_args("SELECT s.asked, s.finished, s.parked, s.known FROM kam._backtest_state($1) s",
							  1, types, values, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not look a back-test up");
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	out->asked = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
	out->finished = DatumGetInt64(SPI_getbinval(row, desc, 2, &isnull));
	out->parked = DatumGetInt64(SPI_getbinval(row, desc, 3, &isnull));
	known = DatumGetBool(SPI_getbinval(row, desc, 4, &isnull));
	SPI_commit();
	return known;
}

/* CALL kam_backtest_wait(backtest_id, timeout) */
Datum
kam_api_backtest_wait(PG_FUNCTION_ARGS)
{
	CallContext *context = IsA(fcinfo->context, CallContext) ? (CallContext *) fcinfo->context : NULL;
	Interval	preset = {.time = USECS_PER_HOUR};
	pg_uuid_t	id;
	char	   *name;
	TimestampTz deadline;
	Progress	progress;
	int64		told = 0;
	int			pause = FIRST_PAUSE;
	static uint32 wait_event = 0;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("backtest_id must not be null")));
	id = *PG_GETARG_UUID_P(0);
	name = MemoryContextStrdup(PortalContext, DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(0))));
	deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(GetCurrentTimestamp()),
													   IntervalPGetDatum(PG_ARGISNULL(1) ? &preset : PG_GETARG_INTERVAL_P(1))));
	if (context == NULL || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("kam_backtest_wait cannot run inside a transaction block"),
				 errdetail("The worker sees the runs only once the transaction that asked for them has committed."),
				 errhint("COMMIT first, then CALL kam.kam_backtest_wait('%s').", name)));
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	for (;;)
	{
		long		left;

		CHECK_FOR_INTERRUPTS();
		if (!look(&id, &progress))
			ereport(ERROR,
					(errcode(ERRCODE_NO_DATA_FOUND),
					 errmsg("there is no back-test %s", name),
					 errhint("SELECT * FROM kam.backtest ORDER BY created_at DESC lists them.")));
		if (progress.asked > 0 && progress.finished * 10 / progress.asked > told)
		{
			told = progress.finished * 10 / progress.asked;
			ereport(NOTICE, (errmsg(INT64_FORMAT " of " INT64_FORMAT " runs are finished", progress.finished, progress.asked)));
		}
		if (progress.finished == progress.asked)
			break;
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		if (left <= 0 || progress.finished + progress.parked == progress.asked)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("back-test %s is not finished: " INT64_FORMAT " of " INT64_FORMAT " runs are", name, progress.finished, progress.asked),
					 left <= 0 ? errhint("It goes on; wait again, or see kam.kam_progress and kam.kam_worker_status().")
					 : errhint("The others are held or parked: kam.kam_progress says why.")));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(pause, left), KAM_WAIT_EVENT(wait_event, "KamWait"));
		ResetLatch(MyLatch);
		pause = Min(pause * 2, LONGEST_PAUSE);
	}
	SPI_finish();
	PG_RETURN_VOID();
}
