/*
 * cadence/probe.c: look-ups by key without a statement.
 *
 * Sees what a statement under the snapshot given would see, and takes the same
 * locks, predicate locks of SERIALIZABLE included.  Writes nothing.  Rights are
 * not asked: this runs as the tables' owner.
 */
#include "postgres.h"

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
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "cadence/probe.h"
#include "pg/compat.h"

/* Whether an equality on the first nkeys columns, as text, is a look-up in this index. */
static bool
index_fits(Relation index, int nkeys)
{
	if (index->rd_rel->relam != BTREE_AM_OID || !index->rd_index->indisvalid || index->rd_index->indnkeyatts < nkeys)
		return false;
	for (int i = 0; i < nkeys; i++)
		if (index->rd_opcintype[i] != TEXTOID)
			return false;
	return true;
}

bool
kam_probe_fits(Relation log)
{
	return log != NULL && RelationGetRelid(log) == get_relname_relid("cadenceeventlog", get_namespace_oid("kam", false));
}

bool
kam_probe_open(KamProbe *probe, const char *table, const char *index, int nkeys, Snapshot snapshot, LOCKMODE mode)
{
	Oid			schema = get_namespace_oid("kam", false);
	Oid			relation_oid = get_relname_relid(table, schema);
	Oid			index_oid;

	if (!OidIsValid(relation_oid))
		return false;
	probe->relation = table_open(relation_oid, mode);
	probe->nkeys = nkeys;
	/* Rows of partitions, children and foreign tables are elsewhere. */
	if (probe->relation->rd_rel->relkind != RELKIND_RELATION || probe->relation->rd_rel->relhassubclass)
		index_oid = InvalidOid;
	else if (index != NULL)
		index_oid = get_relname_relid(index, schema);
	else
		index_oid = kam_primary_key_index(probe->relation);
	if (OidIsValid(index_oid))
	{
		probe->index = index_open(index_oid, AccessShareLock);
		if (probe->index->rd_index->indrelid == relation_oid && index_fits(probe->index, nkeys))
		{
			probe->slot = table_slot_create(probe->relation, NULL);
			probe->found = NULL;
			probe->snapshot = snapshot;
			probe->scan = kam_index_beginscan(probe->relation, probe->index, snapshot, nkeys);
			return true;
		}
		index_close(probe->index, NoLock);
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
kam_probe_column(const KamProbe *probe, const char *column, bool *isnull)
{
	int			number = SPI_fnumber(probe->slot->tts_tupleDescriptor, column);

	if (number <= 0)
		elog(ERROR, "table \"%s\" has no column \"%s\"", RelationGetRelationName(probe->relation), column);
	return slot_getattr(probe->slot, number, isnull);
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
