/*
 * cadence/log_write.c: rows that kam writes itself, and the one column that
 * ever changes.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "cadence/log_write.h"
#include "cadence/notes.h"
#include "cadence/sql.h"
#include "store/statement.h"

static KamStatement insert_row = {
	"insert system row",
	"INSERT INTO kam.cadenceeventlog (lead_id, event_id, sequence_id, sequence_type, event_type, requested_event_type, originating_agent,"
	" coordinator_action, resolution, suppressed_reason, release_at, parent_event_id, play_id, originating_proposal_id, event_at, gate_version,"
	" family, enrolment_no, step) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
	19, {TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, INT8OID, TEXTOID, TEXTOID,
	TIMESTAMPTZOID, INT2OID, TEXTOID, INT4OID, INT4OID}, .generic = true
};

static KamStatement uncount = {
	"uncount",
	"UPDATE kam.cadenceeventlog SET counted = false WHERE lead_id" EQ "$1 AND event_id" EQ "$2 AND event_type" EQ "'touch' AND counted",
	2, {TEXTOID, INT8OID}, .generic = true
};

/* The identity sequence of the log, looked up once per installation. */
static Oid	log_oid = InvalidOid;
static Oid	sequence_oid = InvalidOid;

static void
forget_sequence(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == log_oid || relation == sequence_oid)
		sequence_oid = InvalidOid;
}

Oid
kam_log_sequence(void)
{
	if (!OidIsValid(sequence_oid))
	{
		static bool registered = false;
		AttrNumber	column;

		if (!registered)
		{
			CacheRegisterRelcacheCallback(forget_sequence, (Datum) 0);
			registered = true;
		}
		log_oid = get_relname_relid("cadenceeventlog", get_namespace_oid("kam", false));
		column = get_attnum(log_oid, "event_id");
#if PG_VERSION_NUM >= 170000
		{
			Relation	log = relation_open(log_oid, AccessShareLock);

			sequence_oid = getIdentitySequence(log, column, false);
			relation_close(log, AccessShareLock);
		}
#else
		sequence_oid = getIdentitySequence(log_oid, column, false);
#endif
	}
	return sequence_oid;
}

int64
kam_log_next_id(void)
{
	Oid			sequence = kam_log_sequence();

	/* First the transaction's, then the row's: horizon.c counts on it. */
	(void) GetTopTransactionId();
	return nextval_internal(sequence, false);
}

int64
kam_log_write(const KamSystemRow *row)
{
	KamValues	values;
	int64		event_id = kam_log_next_id();

	kam_values_init(&values);
	kam_values_add_text(&values, row->lead_id);
	kam_values_add(&values, Int64GetDatum(event_id));
	kam_values_add_text(&values, row->sequence);
	kam_values_add_text(&values, row->type);
	kam_values_add_text(&values, kam_event_name(row->event));
	kam_values_add_text(&values, kam_event_name(row->requested));
	kam_values_add_text(&values, row->agent);
	kam_values_add_text(&values, kam_outcome_name(row->action));
	kam_values_add_text(&values, row->resolution);
	kam_values_add_text(&values, row->reason);
	kam_values_add_time(&values, row->release_at);
	if (row->parent > 0)
		kam_values_add(&values, Int64GetDatum(row->parent));
	else
		kam_values_add_null(&values);
	kam_values_add_text(&values, row->play);
	kam_values_add_text(&values, row->proposal);
	kam_values_add_time(&values, row->at);
	kam_values_add(&values, Int16GetDatum(KAM_GATE_VERSION));
	kam_values_add_text(&values, kam_family_name(row->family));
	if (row->enrolment > 0)
		kam_values_add(&values, Int32GetDatum(row->enrolment));
	else
		kam_values_add_null(&values);
	if (row->step > 0)
		kam_values_add(&values, Int32GetDatum(row->step));
	else
		kam_values_add_null(&values);
	kam_announce(event_id);
	if (kam_statement_run(&insert_row, &values) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("the Coordinator's own row was kept out of the log"),
				 errhint("A trigger on CadenceEventLog must not drop rows.")));
	return event_id;
}

bool
kam_log_uncount(const char *lead_id, int64 event_id)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add(&values, Int64GetDatum(event_id));
	kam_announce_update(event_id);
	if (kam_statement_run(&uncount, &values) == 1)
		return true;
	kam_announce_update(0);
	return false;
}
