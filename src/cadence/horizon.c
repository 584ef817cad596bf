/*
 * cadence/horizon.c: up to which event_id the log is complete, for those who
 * read it by its numbers (sql/73_intelligence.sql).
 *
 * Rows commit in another order than their numbers were drawn in.  Whoever draws
 * one has a transaction id by then (kam_log_next_id()); a reader notes the last
 * number drawn, then the next transaction id, and once all transactions below
 * that have ended, every row up to the number is there for good.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/fmgroids.h"
#include "utils/xid8.h"

#include "cadence/horizon.h"
#include "cadence/log_write.h"
#include "store/statement.h"

PG_FUNCTION_INFO_V1(kam_cadence_next_xid);

static KamStatement counts_here = {
	"log is counted",
	"SELECT true FROM kam._intelligence_state s WHERE s.home OPERATOR(pg_catalog.=) kam._home()",
	0, {0}
};

static KamStatement note_late = {
	"note late row",
	"INSERT INTO kam._intelligence_late (lead_id, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
	2, {TEXTOID, INT8OID}, .generic = true
};

/* _next_xid() */
Datum
kam_cadence_next_xid(PG_FUNCTION_ARGS)
{
	PG_RETURN_FULLTRANSACTIONID(ReadNextFullTransactionId());
}

/*
 * A row that brought its number along is late when that number may have been
 * passed already.  Where nobody counts yet nobody passes anything, and what was
 * counted elsewhere (a restore brings both) is complete in itself.
 */
void
kam_horizon_note(const char *lead_id, int64 event_id)
{
	LOCAL_FCINFO(last, 1);
	FmgrInfo	function;
	Datum		drawn;
	KamValues	values;

	fmgr_info_cxt(F_PG_SEQUENCE_LAST_VALUE, &function, CurrentMemoryContext);
	InitFunctionCallInfoData(*last, &function, 1, InvalidOid, NULL, NULL);
	last->args[0].value = ObjectIdGetDatum(kam_log_sequence());
	last->args[0].isnull = false;
	drawn = FunctionCallInvoke(last);
	if (last->isnull || DatumGetInt64(drawn) < event_id)
		return;
	if (kam_statement_run_latest(&counts_here, NULL) == 0)
		return;
	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add(&values, Int64GetDatum(event_id));
	kam_statement_run(&note_late, &values);
}
