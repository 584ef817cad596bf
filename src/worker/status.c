/*
 * worker/status.c: the worker as SQL sees it: kam_worker_status(),
 * kam_worker_start(), kam_worker_stop().
 *
 * Runs in users' backends.  Without shared memory (kam not preloaded) a
 * worker is recognised by its slot's advisory lock.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/varlena.h"

#include "kam.h"
#include "worker/launcher.h"
#include "worker/shmem.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(kam_worker_status);
PG_FUNCTION_INFO_V1(kam_worker_start);
PG_FUNCTION_INFO_V1(kam_worker_stop);

/* ---- slots held in this database --------------------------------------------- */

typedef struct Holder
{
	int			slot;
	int			pid;
	TimestampTz since;
} Holder;

/* Processes that hold a slot of this database, by slot; allocated in the caller's context. */
static int
find_holders(Holder **out)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			type[2] = {INT8OID, OIDOID};
	Datum		value[2];
	int			count;

	value[0] = Int64GetDatum((int64) KAM_SLOT_LOCK_CLASS);
	value[1] = ObjectIdGetDatum(MyDatabaseId);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute_with_args("SELECT l.objid::pg_catalog.int4, l.pid, a.backend_start"
							  " FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a"
							  "  ON a.pid OPERATOR(pg_catalog.=) l.pid"
							  " WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted"
							  " AND l.classid::pg_catalog.int8 OPERATOR(pg_catalog.=) $1"
							  " AND l.database OPERATOR(pg_catalog.=) $2"
							  " AND l.objsubid OPERATOR(pg_catalog.=) 2 ORDER BY 1",
							  2, type, value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_locks");

	count = (int) SPI_processed;
	*out = MemoryContextAllocZero(caller, sizeof(Holder) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		bool		isnull;
		Datum		since = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &isnull);

		(*out)[i].since = isnull ? 0 : DatumGetTimestampTz(since);
		(*out)[i].slot = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		(*out)[i].pid = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
	}
	SPI_finish();
	return count;
}

/* ---- status ------------------------------------------------------------------------ */

enum
{
	COLUMN_DATABASE, COLUMN_SLOT, COLUMN_PID, COLUMN_STATE, COLUMN_REASON, COLUMN_STARTED_AT, COLUMN_RESTARTS,
	COLUMN_NEXT_START, COLUMN_RUNS, COLUMN_CALLS, COLUMN_FAILURES, COLUMN_RERUNS, COLUMN_LAST_ERROR,
	COLUMN_LAST_ERROR_AT, STATUS_COLUMNS
};

typedef struct StatusRow
{
	Datum		value[STATUS_COLUMNS];
	bool		null[STATUS_COLUMNS];
} StatusRow;

static void
init_row(StatusRow *row)
{
	for (int i = 0; i < STATUS_COLUMNS; i++)
		row->null[i] = true;
}

static void
set_column(StatusRow *row, int column, Datum value)
{
	row->value[column] = value;
	row->null[column] = false;
}

static void
set_text(StatusRow *row, int column, const char *text)
{
	if (text != NULL && *text != '\0')
		set_column(row, column, CStringGetTextDatum(text));
}

static void
set_time(StatusRow *row, int column, TimestampTz at)
{
	if (at != 0)
		set_column(row, column, TimestampTzGetDatum(at));
}

/* Why a worker in this state does no work, and what to do; NULL when all is well. */
static const char *
state_reason(const KamWorkerSlot *entry)
{
	switch (entry->state)
	{
		case KAM_WORKER_STARTING:
		case KAM_WORKER_CONNECTING:
			return "it is starting";
		case KAM_WORKER_PAUSED:
			return "kam.paused is on: everything waits until it is off";
		case KAM_WORKER_NO_EXTENSION:
			return "extension kam is not installed in this database: CREATE EXTENSION kam";
		case KAM_WORKER_WRONG_VERSION:
			return "the extension's version is not the library's (" KAM_VERSION "): ALTER EXTENSION kam UPDATE, "
				"or restart the server after installing a new library";
		case KAM_WORKER_NO_ROLE:
			return "role kam_worker is missing: CREATE ROLE kam_worker, and grant it what CREATE EXTENSION kam grants";
		case KAM_WORKER_NO_SLOT:
			return "all slots of this database are held by other processes: raise kam.workers or stop one";
		case KAM_WORKER_BACKOFF:
			if (entry->restarts == 0)
				return "it is about to start";
			return entry->last_error[0] != '\0'
				? psprintf("it ended and is started again at next_start; its last error: %s", entry->last_error)
				: "it ended and is started again at next_start";
		case KAM_WORKER_STOPPING:
			return "its database is no longer in kam.databases: it is stopping";
		default:
			return NULL;
	}
}

static void
fill_row(const KamWorkerSlot *entry, StatusRow *row)
{
	bool		alive = entry->pid != 0;

	init_row(row);
	set_text(row, COLUMN_DATABASE, entry->database);
	if (entry->slot > 0)
		set_column(row, COLUMN_SLOT, Int32GetDatum(entry->slot));
	if (alive)
		set_column(row, COLUMN_PID, Int32GetDatum(entry->pid));
	set_text(row, COLUMN_STATE, kam_worker_state_name(entry->state));
	set_text(row, COLUMN_REASON, state_reason(entry));
	if (alive)
		set_time(row, COLUMN_STARTED_AT, entry->started_at);
	set_column(row, COLUMN_RESTARTS, Int32GetDatum(entry->restarts));
	if (!alive && entry->state == KAM_WORKER_BACKOFF)
		set_time(row, COLUMN_NEXT_START, entry->next_start);
	set_column(row, COLUMN_RUNS, Int64GetDatum(pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &entry->counters.runs))));
	set_column(row, COLUMN_CALLS, Int64GetDatum(pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &entry->counters.calls))));
	set_column(row, COLUMN_FAILURES, Int64GetDatum(pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &entry->counters.failures))));
	set_column(row, COLUMN_RERUNS, Int64GetDatum(pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &entry->counters.reruns))));
	set_text(row, COLUMN_LAST_ERROR, entry->last_error);
	set_time(row, COLUMN_LAST_ERROR_AT, entry->last_error_at);
}

static bool
database_is_listed(const char *database)
{
	char	   *list = pstrdup(kam_databases ? kam_databases : "");
	List	   *names;
	ListCell   *cell;

	if (!SplitGUCList(list, ',', &names))
		return false;
	foreach(cell, names)
	{
		if (strcmp((char *) lfirst(cell), database) == 0)
			return true;
	}
	return false;
}

/* Why this database has no worker at all. */
static const char *
absence_reason(const char *database)
{
	if (RecoveryInProgress())
		return "the server is a standby: workers start when it is promoted";
	if (kam_shared == NULL)
		return "kam is not in shared_preload_libraries: add it and restart the server, "
			"or start a worker by hand with kam_worker_start()";
	if (!database_is_listed(database))
		return psprintf("database \"%s\" is not in kam.databases: add it and reload, "
						"or start a worker by hand with kam_worker_start()", database);
	if (kam_shared->launcher_pid == 0)
		return "the launcher is not running: it starts again within seconds; if it does not, the server's log says why";
	return "the launcher has not started it yet";
}

/* Rows of this database that shared memory does not tell of. */
static void
put_own_rows(const char *database, Tuplestorestate *store, TupleDesc desc)
{
	Holder	   *holder;
	int			count = find_holders(&holder);
	StatusRow	row;

	for (int i = 0; i < count; i++)
	{
		init_row(&row);
		set_text(&row, COLUMN_DATABASE, database);
		set_column(&row, COLUMN_SLOT, Int32GetDatum(holder[i].slot));
		set_column(&row, COLUMN_PID, Int32GetDatum(holder[i].pid));
		set_text(&row, COLUMN_STATE, kam_paused ? "paused" : "idle");
		set_text(&row, COLUMN_REASON, kam_paused ? "kam.paused is on: everything waits until it is off" : NULL);
		set_time(&row, COLUMN_STARTED_AT, holder[i].since);
		tuplestore_putvalues(store, desc, row.value, row.null);
	}
	if (count > 0)
		return;

	init_row(&row);
	set_text(&row, COLUMN_DATABASE, database);
	set_text(&row, COLUMN_STATE, "not running");
	set_text(&row, COLUMN_REASON, absence_reason(database));
	tuplestore_putvalues(store, desc, row.value, row.null);
}

Datum
kam_worker_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const char *database = get_database_name(MyDatabaseId);
	KamWorkerSlot *entries = NULL;
	bool		mine = false;

	InitMaterializedSRF(fcinfo, 0);
	if (kam_shared != NULL)
	{
		/* A copy: nothing is formatted under the lock. */
		entries = palloc(sizeof(kam_shared->slot));
		LWLockAcquire(kam_shared->lock, LW_SHARED);
		memcpy(entries, kam_shared->slot, sizeof(kam_shared->slot));
		LWLockRelease(kam_shared->lock);
	}
	for (int i = 0; entries != NULL && i < KAM_MAX_WORKERS; i++)
	{
		StatusRow	row;

		if (!entries[i].used)
			continue;
		mine = mine || strcmp(entries[i].database, database) == 0;
		fill_row(&entries[i], &row);
		tuplestore_putvalues(result->setResult, result->setDesc, row.value, row.null);
	}
	if (!mine)
		put_own_rows(database, result->setResult, result->setDesc);
	return (Datum) 0;
}

/* ---- start and stop by hand -------------------------------------------------------------- */

/* The process that has it all when no slot is free, or 0 when one is. */
static int
full_house(void)
{
	Holder	   *holder;
	int			count = find_holders(&holder);
	int			held = 0;

	for (int i = 0; i < count; i++)
		held += holder[i].slot >= 1 && holder[i].slot <= kam_workers;
	return held >= kam_workers ? holder[0].pid : 0;
}

Datum
kam_worker_start(PG_FUNCTION_ARGS)
{
	KamWorkerOrder order;
	BackgroundWorkerHandle *handle;
	pid_t		pid;
	int			running;

	if (RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a standby runs no worker"),
						errhint("Workers start when the server is promoted.")));

	running = full_house();
	if (running != 0)
	{
		ereport(NOTICE, (errmsg("all %d slots of this database have a worker", kam_workers),
						 errhint("Raise kam.workers for more.")));
		PG_RETURN_INT32(running);
	}

	memset(&order, 0, sizeof(order));
	strlcpy(order.database, get_database_name(MyDatabaseId), sizeof(order.database));
	order.slot = 0;
	order.index = -1;
	if (!kam_launch(&order, MyProcPid, &handle))
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("the server has no room for another background worker"),
						errhint("Raise max_worker_processes and restart the server.")));
	if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the worker ended as soon as it started"),
						errhint("The server's log says why.")));
	PG_RETURN_INT32((int32) pid);
}

/* Whether the launcher would only start that process again. */
static bool
launcher_has(int pid)
{
	bool		found = false;

	if (kam_shared == NULL)
		return false;
	LWLockAcquire(kam_shared->lock, LW_SHARED);
	for (int i = 0; i < KAM_MAX_WORKERS && !found; i++)
		found = kam_shared->slot[i].used && kam_shared->slot[i].managed && kam_shared->slot[i].pid == pid;
	LWLockRelease(kam_shared->lock);
	return found;
}

Datum
kam_worker_stop(PG_FUNCTION_ARGS)
{
	Holder	   *holder;
	int			count = find_holders(&holder);
	int			stopped = 0;
	bool		kept = false;

	for (int i = 0; i < count; i++)
	{
		if (launcher_has(holder[i].pid))
			kept = true;
		else if (kill(holder[i].pid, SIGTERM) == 0)
			stopped++;
	}
	if (kept)
		ereport(NOTICE, (errmsg("the launcher's workers of this database run on"),
						 errhint("Take the database out of kam.databases and reload, or set kam.paused.")));
	PG_RETURN_INT32(stopped);
}
