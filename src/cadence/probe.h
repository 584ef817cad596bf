/*
 * cadence/probe.h: a row by its key, read or locked without a statement, whose
 * set-up costs more than five look-ups.
 */
#pragma once

#include "postgres.h"

#include "access/genam.h"
#include "executor/tuptable.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#define KAM_PROBE_KEYS 2

/* A table of kam and the unique index of it that leads with these columns, all text. */
typedef struct KamProbeTarget
{
	const char *table;
	const char *index;			/* NULL: its primary key */
	const char *column[KAM_PROBE_KEYS]; /* the second may be NULL */
} KamProbeTarget;

typedef struct KamProbe
{
	Relation	relation,
				index;
	IndexScanDesc scan;
	TupleTableSlot *slot,
			   *found;			/* before it was locked */
	Snapshot	snapshot;
	int			nkeys;
} KamProbe;

/*
 * Whether rows that go into this table have their leads in the tables of kam's
 * names: not so for a partition or a shard.  False for NULL.
 */
extern bool kam_probe_fits(Relation log);

/*
 * Opens kam's table for look-ups.  mode: AccessShareLock to read, RowShareLock
 * to lock rows; held until the transaction ends, as a statement's.  False when
 * it must be read by SQL: there is no such index, it may not be used yet, or the
 * rows are not where the name says.
 */
extern bool kam_probe_open(KamProbe *probe, const KamProbeTarget *target, Snapshot snapshot, LOCKMODE mode);
/* True when there is a row; it stands in the slot until the next look-up. */
extern bool kam_probe_find(KamProbe *probe, const char *const *key);
/*
 * The same, FOR NO KEY UPDATE: waits, and the slot holds the version locked, the
 * newest there is; 40001 where the isolation level forbids to see it.  False
 * when it is gone or has another key by then.
 */
extern bool kam_probe_lock(KamProbe *probe, const char *const *key);
/* A column of the row found, by name; type is what it is read as. */
extern Datum kam_probe_column(const KamProbe *probe, const char *column, Oid type, bool *isnull);
/* Where a column of this type stands in a row; raises when there is none. */
extern AttrNumber kam_probe_place(TupleDesc desc, const char *column, Oid type);
extern void kam_probe_close(KamProbe *probe);
