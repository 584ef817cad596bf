/*
 * cadence/probe.c: look-ups by key without a statement.
 *
 * Sees what a statement under the snapshot given would see, and takes the same
 * locks, predicate locks of SERIALIZABLE included.  Writes nothing.  Rights are
 * not asked: this runs as the tables' owner.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "cadence/probe.h"
#include "pg/compat.h"

/* Whether an equality on these columns, as text, is a look-up in this index: what its name promises, and what the planner asks of it. */
static bool
index_fits(Relation relation, Relation index, const char *const *column, int nkeys)
{
	if (index->rd_rel->relkind != RELKIND_INDEX || index->rd_rel->relam != BTREE_AM_OID || index->rd_index->indrelid != RelationGetRelid(relation))
		return false;
	if (!index->rd_index->indisvalid || !index->rd_index->indisunique || index->rd_index->indnkeyatts < nkeys)
		return false;
	/* It was made over chains of updates that an older snapshot than it sees otherwise. */
	if (index->rd_index->indcheckxmin && !TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data), TransactionXmin))
		return false;
	for (int i = 0; i < nkeys; i++)
	{
		AttrNumber	number = index->rd_index->indkey.values[i];

		if (number <= 0 || index->rd_opcintype[i] != TEXTOID ||
			strcmp(NameStr(TupleDescAttr(RelationGetDescr(relation), number - 1)->attname), column[i]) != 0)
			return false;
	}
	return true;
}

bool
kam_probe_fits(Relation log)
{
	return log != NULL && RelationGetRelid(log) == get_relname_relid("cadenceeventlog", get_namespace_oid("kam", false));
}

bool
kam_probe_open(KamProbe *probe, const KamProbeTarget *target, Snapshot snapshot, LOCKMODE mode)
{
	Oid			schema = get_namespace_oid("kam", false);
	Oid			relation_oid = get_relname_relid(target->table, schema);
	Oid			index_oid;

	if (!OidIsValid(relation_oid))
		return false;
	probe->relation = table_open(relation_oid, mode);
	probe->nkeys = target->column[1] == NULL ? 1 : 2;
	/* Rows of partitions, children and foreign tables are elsewhere. */
	if (probe->relation->rd_rel->relkind != RELKIND_RELATION || probe->relation->rd_rel->relhassubclass)
		index_oid = InvalidOid;
	else if (target->index != NULL)
		index_oid = get_relname_relid(target->index, schema);
	else
		index_oid = kam_primary_key_index(probe->relation);
	/* One that DROP INDEX CONCURRENTLY waits to remove may be gone by now. */
	probe->index = OidIsValid(index_oid) ? try_relation_open(index_oid, AccessShareLock) : NULL;
	if (probe->index != NULL)
	{
		if (index_fits(probe->relation, probe->index, target->column, probe->nkeys))
		{
			probe->slot = table_slot_create(probe->relation, NULL);
			probe->found = NULL;
			probe->snapshot = snapshot;
			probe->scan = kam_index_beginscan(probe->relation, probe->index, snapshot, probe->nkeys);
			return true;
		}
		relation_close(probe->index, NoLock);
	}
	table_close(probe->relation, NoLock);
	return false;
}

bool
kam_probe_find(KamProbe *probe, const char *const *key)
{
	ScanKeyData scan_key[KAM_PROBE_KEYS];

	for (int i = 0; i < probe->nkeys; i++)
		ScanKeyEntryInitialize(&scan_key[i], 0, i + 1, BTEqualStrategyNumber, InvalidOid, probe->index->rd_indcollation[i], F_TEXTEQ,
							   CStringGetTextDatum(key[i]));
	index_rescan(probe->scan, scan_key, probe->nkeys, NULL, 0);
	return index_getnext_slot(probe->scan, ForwardScanDirection, probe->slot);
}

/* Whether the row in the slot still has these keys. */
static bool
has_keys(const KamProbe *probe, const char *const *key)
{
	for (int i = 0; i < probe->nkeys; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(probe->slot, probe->index->rd_index->indkey.values[i], &isnull);

		if (isnull || strcmp(TextDatumGetCString(value), key[i]) != 0)
			return false;
	}
	return true;
}

bool
kam_probe_lock(KamProbe *probe, const char *const *key)
{
	uint8		flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS | (IsolationUsesXactSnapshot() ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION);
	ItemPointerData place;
	TM_FailureData failure;
	TM_Result	result;

	if (!kam_probe_find(probe, key))
		return false;
	place = probe->slot->tts_tid;
	if (probe->found == NULL)
		probe->found = table_slot_create(probe->relation, NULL);
	result = table_tuple_lock(probe->relation, &place, probe->snapshot, probe->found, GetCurrentCommandId(true), LockTupleNoKeyExclusive,
							  LockWaitBlock, flags, &failure);
	switch (result)
	{
		case TM_Ok:
			ExecCopySlot(probe->slot, probe->found);
			return !failure.traversed || has_keys(probe, key);
		case TM_Updated:
		case TM_Deleted:
			if (IsolationUsesXactSnapshot())
				ereport(ERROR,
						(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						 errmsg("could not serialize access due to concurrent %s", result == TM_Deleted ? "delete" : "update")));
			return false;
		case TM_SelfModified:
			return false;
		default:
			elog(ERROR, "row of \"%s\" could not be locked: %d", RelationGetRelationName(probe->relation), result);
	}
	return false;
}

Datum
kam_probe_column(const KamProbe *probe, const char *column, Oid type, bool *isnull)
{
	return slot_getattr(probe->slot, kam_probe_place(probe->slot->tts_tupleDescriptor, column, type), isnull);
}

AttrNumber
kam_probe_place(TupleDesc desc, const char *column, Oid type)
{
	int			number = SPI_fnumber(desc, column);

	if (number <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("a table of kam has lost its column \"%s\"", column)));
	if (!IsBinaryCoercible(TupleDescAttr(desc, number - 1)->atttypid, type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of a table of kam has become %s", column, format_type_be(TupleDescAttr(desc, number - 1)->atttypid)),
				 errhint("Make it %s again.", format_type_be(type))));
	return number;
}

void
kam_probe_close(KamProbe *probe)
{
	index_endscan(probe->scan);
	ExecDropSingleTupleTableSlot(probe->slot);
	if (probe->found != NULL)
		ExecDropSingleTupleTableSlot(probe->found);
	index_close(probe->index, NoLock);
	table_close(probe->relation, NoLock);
}
