/*
 * worker/unit.c: transactions of the worker.
 *
 * Everything the worker does in the database goes through kam_unit_run.  It
 * works as role kam_worker, never as the superuser it connected as: triggers
 * that users put on kam's tables run inside these transactions.  An error is
 * caught here, rolled back and handed to the caller; the process lives on.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "kam.h"
#include "worker/unit.h"

#define UNIT_TIMEOUT_MS 60000
#define WORKER_ROLE "kam_worker"

static Oid	extension_seen = InvalidOid;
static uint32 generation = 0;

uint32
kam_unit_generation(void)
{
	return generation;
}

/* Whether the extension stands here in this library's release, and the role to work as. */
static KamUnitResult
look_around(Oid *role)
{
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	KamUnitResult result = KAM_UNIT_NO_EXTENSION;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("kam"));
	scan = systable_beginscan(catalog, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Oid			oid = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
		bool		isnull;
		Datum		version = heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(catalog), &isnull);

		result = !isnull && strcmp(TextDatumGetCString(version), KAM_VERSION) == 0
			? KAM_UNIT_DONE : KAM_UNIT_WRONG_VERSION;
		if (oid != extension_seen)
			generation++;
		extension_seen = oid;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);

	*role = get_role_oid(WORKER_ROLE, true);
	if (result == KAM_UNIT_DONE && !OidIsValid(*role))
		result = KAM_UNIT_NO_ROLE;
	return result;
}

/* The part between StartTransactionCommand and CommitTransactionCommand. */
static void
work_as_worker(Oid role, void (*work) (void *arg), void *arg)
{
	int			nest;

	SetUserIdAndSecContext(role, SECURITY_LOCAL_USERID_CHANGE);
	/* What a trigger sets does not outlive the unit, nor does an earlier one's setting reach into it. */
	nest = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	PushActiveSnapshot(GetTransactionSnapshot());
	work(arg);
	/* Deferred triggers now, not at commit, where what they set would stay set. */
	AfterTriggerFireDeferred();
	PopActiveSnapshot();
	SPI_finish();
	AtEOXact_GUC(false, nest);
}

KamUnitResult
kam_unit_run(const char *activity, void (*work) (void *arg), void *arg, MemoryContext keep, ErrorData **error)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile KamUnitResult result = KAM_UNIT_FAILED;
	Oid			saved_user;
	int			saved_context;

	*error = NULL;
	GetUserIdAndSecContext(&saved_user, &saved_context);

	PG_TRY();
	{
		Oid			role;

		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		pgstat_report_activity(STATE_RUNNING, activity);
		enable_timeout_after(STATEMENT_TIMEOUT, UNIT_TIMEOUT_MS);
		result = look_around(&role);
		if (result == KAM_UNIT_DONE)
			work_as_worker(role, work, arg);
		/* User code may run in here (a trigger deferred by another): the role is taken back afterwards. */
		CommitTransactionCommand();
		disable_timeout(STATEMENT_TIMEOUT, false);
		SetUserIdAndSecContext(saved_user, saved_context);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		disable_timeout(STATEMENT_TIMEOUT, false);
		QueryCancelPending = false;
		MemoryContextSwitchTo(keep);
		*error = CopyErrorData();
		FlushErrorState();
		/* Gives the user id back too. */
		AbortCurrentTransaction();
		RESUME_INTERRUPTS();
		result = KAM_UNIT_FAILED;
	}
	PG_END_TRY();

	/* The transaction's end left TopMemoryContext current. */
	MemoryContextSwitchTo(caller);
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	return result;
}

bool
kam_error_is_transient(int sqlerrcode)
{
	static const int category[] = {
		ERRCODE_TRANSACTION_ROLLBACK,	/* serialization failure, deadlock */
		ERRCODE_INSUFFICIENT_RESOURCES,
		ERRCODE_OPERATOR_INTERVENTION,	/* cancelled, out of time, shutting down */
		ERRCODE_SYSTEM_ERROR,			/* disk */
	};

	for (int i = 0; i < lengthof(category); i++)
	{
		if (ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TO_CATEGORY(category[i]))
			return true;
	}
	return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION;
}
