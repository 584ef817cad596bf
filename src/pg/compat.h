/*
 * pg/compat.h: the one place where the server's version is looked at.
 *
 * kam builds against PostgreSQL 15 to 18.  Everything else in src/ is written
 * as for the newest of them.
 */
#pragma once

#include "postgres.h"

#include "fmgr.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "kam needs PostgreSQL 15 or later"
#endif

/* VARDATA and friends left postgres.h in 16. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* WaitLatch moved out of latch.h's company in 18; this brings the WL_ flags everywhere. */
#include "storage/latch.h"
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif

/* Before a function's declaration: it does not come back. */
#if PG_VERSION_NUM >= 180000
#define KAM_NORETURN pg_noreturn
#else
#define KAM_NORETURN __attribute__((noreturn))
#endif

/* The module's calling card; 18 shows name and version in pg_get_loaded_modules(). */
#if PG_VERSION_NUM >= 180000
#define KAM_MODULE_MAGIC(module, release) PG_MODULE_MAGIC_EXT(.name = module, .version = release)
#else
#define KAM_MODULE_MAGIC(module, release) PG_MODULE_MAGIC
#endif

/*
 * A named wait event in pg_stat_activity; before 17 all extensions share one
 * name.  "event" is a static uint32 that starts as 0 and keeps the answer.
 */
#if PG_VERSION_NUM >= 170000
#define KAM_WAIT_EVENT(event, name) ((event) != 0 ? (event) : ((event) = WaitEventExtensionNew(name)))
#else
#define KAM_WAIT_EVENT(event, name) ((void) (name), (event) = PG_WAIT_EXTENSION)
#endif

/* A backend's number in ProcGlobal->allProcs. */
#if PG_VERSION_NUM >= 170000
#define KAM_MY_PROC_NUMBER ((int) MyProcNumber)
#else
#define KAM_MY_PROC_NUMBER (MyProc->pgprocno)
#endif

/* Memory that a setting's check hook hands to the server; 16 frees it with its own allocator. */
#if PG_VERSION_NUM >= 160000
#define KAM_GUC_ALLOC(size) guc_malloc(LOG, size)
#else
#define KAM_GUC_ALLOC(size) malloc(size)
#endif

/* Whether this process holds a lock. */
#if PG_VERSION_NUM >= 170000
#define KAM_LOCK_HELD(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define KAM_LOCK_HELD(tag, mode) LockHeldByMe(tag, mode)
#endif

/* A scan of an index by keys; 18 counts what it finds. */
#if PG_VERSION_NUM >= 180000
#define kam_index_beginscan(relation, index, snapshot, nkeys) index_beginscan(relation, index, snapshot, NULL, nkeys, 0)
#define kam_primary_key_index(relation) RelationGetPrimaryKeyIndex(relation, false)
#else
#define kam_index_beginscan(relation, index, snapshot, nkeys) index_beginscan(relation, index, snapshot, nkeys, 0)
#define kam_primary_key_index(relation) RelationGetPrimaryKeyIndex(relation)
#endif

/* Bytes that base64 is made of, or that come of it; char before 18. */
#if PG_VERSION_NUM >= 180000
#define KAM_BASE64(bytes) (bytes)
#define KAM_BASE64_IN(bytes) (bytes)
#else
#define KAM_BASE64(bytes) ((char *) (bytes))
#define KAM_BASE64_IN(bytes) ((const char *) (bytes))
#endif
