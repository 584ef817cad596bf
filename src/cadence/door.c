/*
 * cadence/door.c: the one way past the guard of the log, for retention and
 * erasure: rows of one lead, for one statement, by kam's own functions.
 *
 * A SECURITY DEFINER function of the log's owner, under the lead's lock, says
 *
 *		kam._change_log('DELETE FROM kam.CadenceEventLog e WHERE e.lead_id = $1 AND e.event_id = ANY ($2)', lead, events)
 *
 * or the like with UPDATE.  The door is open while that statement runs and at no
 * other time: nothing that a session sets, no role and no earlier call opens it.
 * What may go is for the caller to know; whoever shortens the log looks at
 * sql/79_retention.sql first.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "cadence/door.h"

PG_FUNCTION_INFO_V1(kam_cadence_change_log);

static const char *open_for = NULL;

bool
kam_door_open_for(const char *lead_id)
{
	return open_for != NULL && lead_id != NULL && strcmp(open_for, lead_id) == 0;
}

/* A superuser at a prompt is the log's owner as well, but in no function of the owner's. */
static void
check_caller(void)
{
	HeapTuple	log = SearchSysCache1(RELOID, ObjectIdGetDatum(get_relname_relid("cadenceeventlog", get_namespace_oid("kam", false))));
	Oid			user;
	int			context;
	bool		own;

	GetUserIdAndSecContext(&user, &context);
	own = HeapTupleIsValid(log) && ((Form_pg_class) GETSTRUCT(log))->relowner == user && (context & SECURITY_LOCAL_USERID_CHANGE) != 0;
	if (HeapTupleIsValid(log))
		ReleaseSysCache(log);
	if (!own)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only kam's own functions change CadenceEventLog"),
				 errhint("kam_retain() deletes what is older than kam.retain_events.")));
}

/* _change_log(statement, lead_id, event_ids): $1 and $2 are the latter two.  Returns how many rows it changed. */
Datum
kam_cadence_change_log(PG_FUNCTION_ARGS)
{
	char	   *statement = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *lead_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid			type[] = {TEXTOID, INT8ARRAYOID};
	Datum		value[] = {PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
	const char *before = open_for;
	int64		changed = 0;

	check_caller();
	SPI_connect();
	PG_TRY();
	{
		int			outcome;

		open_for = lead_id;
		outcome = SPI_execute_with_args(statement, lengthof(type), type, value, NULL, false, 0);
		if (outcome != SPI_OK_DELETE && outcome != SPI_OK_UPDATE)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the log is changed by UPDATE and DELETE: %s", SPI_result_code_string(outcome))));
		changed = (int64) SPI_processed;
	}
	PG_FINALLY();
	{
		open_for = before;
	}
	PG_END_TRY();
	SPI_finish();
	PG_RETURN_INT64(changed);
}
