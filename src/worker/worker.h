/*
 * worker/worker.h: what the rest of kam may ask of the worker.
 */
#pragma once

#include "postgres.h"

/* Called once from _PG_init while the server preloads libraries. */
extern void kam_worker_register(void);

/*
 * Remembers that this transaction made work; the workers of this database are
 * woken when it commits.  Cheap, and callable any number of times.
 */
extern void kam_wake(void);

/*
 * Class of the session advisory locks (pg_locks.classid) that the workers of a
 * database hold, one per slot (objid): whoever holds it is the slot's owner.
 */
#define KAM_SLOT_LOCK_CLASS 0x6b616d01
