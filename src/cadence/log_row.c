/*
 * cadence/log_row.c: a row of CadenceEventLog as values, found by column name,
 * so that partitions and tables with added columns are the same to everybody.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "pg/compat.h"
#include "cadence/log_row.h"
#include "pg/clock.h"

static const char *const column_name[KAM_LOG_COLUMNS] = {
	"lead_id", "event_id", "sequence_id", "sequence_type", "event_type", "requested_event_type", "step",
	"channel", "originating_agent", "coordinator_action", "resolution", "suppressed_reason", "touch_cap_at_event", "compliance_status",
	"release_at", "parent_event_id", "play_id", "originating_proposal_id", "idempotency_key", "payload", "occurred_at", "event_at",
	"gate_version", "family", "enrolment_no", "counted", "touch_at", "touch_no", "touch_earliest",
};

/* The layout of the table seen last; partitions may differ. */
static Oid	seen = InvalidOid;
static AttrNumber seen_number[KAM_LOG_COLUMNS];

static void
forget_layout(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == seen)
		seen = InvalidOid;
}

static void
learn_layout(Relation relation)
{
	static bool registered = false;
	TupleDesc	desc = RelationGetDescr(relation);

	if (!registered)
	{
		CacheRegisterRelcacheCallback(forget_layout, (Datum) 0);
		registered = true;
	}
	if (desc->natts > KAM_LOG_MOST_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("table \"%s\" has more than %d columns", RelationGetRelationName(relation), KAM_LOG_MOST_COLUMNS)));
	seen = InvalidOid;
	for (int i = 0; i < KAM_LOG_COLUMNS; i++)
	{
		seen_number[i] = InvalidAttrNumber;
		for (int k = 0; k < desc->natts; k++)
			if (!TupleDescAttr(desc, k)->attisdropped && namestrcmp(&TupleDescAttr(desc, k)->attname, column_name[i]) == 0)
				seen_number[i] = k + 1;
		if (seen_number[i] == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("table \"%s\" has no column \"%s\"", RelationGetRelationName(relation), column_name[i]),
					 errhint("The Coordinator's triggers belong to CadenceEventLog and its partitions.")));
	}
	seen = RelationGetRelid(relation);
}

void
kam_log_row_read(KamLogRow *row, Relation relation, HeapTuple tuple)
{
	if (seen != RelationGetRelid(relation))
		learn_layout(relation);
	row->relation = relation;
	row->number = seen_number;
	row->natts = RelationGetDescr(relation)->natts;
	heap_deform_tuple(tuple, RelationGetDescr(relation), row->value, row->null);
}

HeapTuple
kam_log_row_form(const KamLogRow *row)
{
	return heap_form_tuple(RelationGetDescr(row->relation), (Datum *) row->value, (bool *) row->null);
}

#define PLACE(row, column) ((row)->number[column] - 1)

bool
kam_log_is_null(const KamLogRow *row, KamLogColumn column)
{
	return row->null[PLACE(row, column)];
}

Datum
kam_log_datum(const KamLogRow *row, KamLogColumn column, bool *isnull)
{
	*isnull = row->null[PLACE(row, column)];
	return row->value[PLACE(row, column)];
}

const char *
kam_log_text(const KamLogRow *row, KamLogColumn column)
{
	return kam_log_is_null(row, column) ? NULL : TextDatumGetCString(row->value[PLACE(row, column)]);
}

int
kam_log_int(const KamLogRow *row, KamLogColumn column, int otherwise)
{
	return kam_log_is_null(row, column) ? otherwise : DatumGetInt32(row->value[PLACE(row, column)]);
}

int64
kam_log_bigint(const KamLogRow *row, KamLogColumn column, int64 otherwise)
{
	return kam_log_is_null(row, column) ? otherwise : DatumGetInt64(row->value[PLACE(row, column)]);
}

TimestampTz
kam_log_time(const KamLogRow *row, KamLogColumn column)
{
	return kam_log_is_null(row, column) ? KAM_NO_STAMP : DatumGetTimestampTz(row->value[PLACE(row, column)]);
}

bool
kam_log_bool(const KamLogRow *row, KamLogColumn column)
{
	return !kam_log_is_null(row, column) && DatumGetBool(row->value[PLACE(row, column)]);
}

Jsonb *
kam_log_jsonb(const KamLogRow *row, KamLogColumn column)
{
	return kam_log_is_null(row, column) ? NULL : DatumGetJsonbP(row->value[PLACE(row, column)]);
}

void
kam_log_set(KamLogRow *row, KamLogColumn column, Datum value)
{
	row->value[PLACE(row, column)] = value;
	row->null[PLACE(row, column)] = false;
}

void
kam_log_set_null(KamLogRow *row, KamLogColumn column)
{
	row->value[PLACE(row, column)] = (Datum) 0;
	row->null[PLACE(row, column)] = true;
}

void
kam_log_set_text(KamLogRow *row, KamLogColumn column, const char *value)
{
	if (value == NULL)
		kam_log_set_null(row, column);
	else
		kam_log_set(row, column, CStringGetTextDatum(value));
}

void
kam_log_set_time(KamLogRow *row, KamLogColumn column, TimestampTz value)
{
	if (value == KAM_NO_STAMP)
		kam_log_set_null(row, column);
	else
		kam_log_set(row, column, TimestampTzGetDatum(value));
}

uint64
kam_log_digest(const KamLogRow *row)
{
	static const KamLogColumn sealed[] = {
		KAM_LOG_LEAD_ID, KAM_LOG_EVENT_ID, KAM_LOG_SEQUENCE_ID, KAM_LOG_SEQUENCE_TYPE, KAM_LOG_EVENT_TYPE, KAM_LOG_REQUESTED, KAM_LOG_STEP,
		KAM_LOG_ACTION, KAM_LOG_RESOLUTION, KAM_LOG_REASON, KAM_LOG_COUNT, KAM_LOG_COMPLIANCE, KAM_LOG_RELEASE_AT, KAM_LOG_PARENT,
		KAM_LOG_PLAY, KAM_LOG_PROPOSAL, KAM_LOG_KEY, KAM_LOG_EVENT_AT, KAM_LOG_GATE_VERSION, KAM_LOG_FAMILY, KAM_LOG_ENROLMENT, KAM_LOG_COUNTED,
		KAM_LOG_TOUCH_AT, KAM_LOG_TOUCH_NO, KAM_LOG_EARLIEST,
	};
	uint64		digest = 0;

	for (int i = 0; i < lengthof(sealed); i++)
	{
		int			place = PLACE(row, sealed[i]);
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(row->relation), place);
		uint64		part = UINT64CONST(0x9e3779b97f4a7c15);

		if (!row->null[place] && attribute->attbyval)
			part = (uint64) row->value[place] * UINT64CONST(0xff51afd7ed558ccd);
		else if (!row->null[place])
		{
			struct varlena *text = PG_DETOAST_DATUM_PACKED(row->value[place]);

			part = hash_bytes_extended((const unsigned char *) VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text), i);
		}
		digest = (digest << 7 | digest >> 57) ^ part;
	}
	return digest;
}
