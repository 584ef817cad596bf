/*
 * api/internal.c: what defaults and triggers of the tables call.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "pg/clock.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(kam_api_now);
PG_FUNCTION_INFO_V1(kam_api_home);
PG_FUNCTION_INFO_V1(kam_api_wake_trigger);
PG_FUNCTION_INFO_V1(kam_api_wake_worker);
PG_FUNCTION_INFO_V1(kam_api_forget_budgets);

/* _now() */
Datum
kam_api_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(kam_now());
}

/* _home(): one number for (system identifier, database oid). */
Datum
kam_api_home(PG_FUNCTION_ARGS)
{
	struct
	{
		uint64		cluster;
		uint64		database;
	}			home = {GetSystemIdentifier(), MyDatabaseId};

	PG_RETURN_INT64((int64) hash_bytes_extended((const unsigned char *) &home, sizeof(home), 0));
}

/* _wake() */
Datum
kam_api_wake_trigger(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("not called by trigger manager")));
	kam_wake();
	return PointerGetDatum(NULL);
}

/* _wake_worker() */
Datum
kam_api_wake_worker(PG_FUNCTION_ARGS)
{
	kam_wake();
	PG_RETURN_VOID();
}

/* _forget_budgets(): workers (worker/budget.c) keep what they read of kam.budget until its relation is invalidated. */
Datum
kam_api_forget_budgets(PG_FUNCTION_ARGS)
{
	Oid			budget = get_relname_relid("budget", get_namespace_oid("kam", false));

	if (OidIsValid(budget))
		CacheInvalidateRelcacheByRelid(budget);
	PG_RETURN_VOID();
}
