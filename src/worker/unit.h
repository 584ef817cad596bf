/*
 * worker/unit.h: one piece of database work of the worker: a transaction that
 * the process survives whatever happens in it.
 */
#pragma once

#include "postgres.h"

typedef enum KamUnitResult
{
	KAM_UNIT_DONE,				/* committed */
	KAM_UNIT_FAILED,			/* rolled back; *error says why */
	KAM_UNIT_NO_EXTENSION,		/* nothing done: kam is not installed here */
	KAM_UNIT_WRONG_VERSION,		/* nothing done: its SQL objects are of another release */
	KAM_UNIT_NO_ROLE			/* nothing done: role kam_worker is missing */
} KamUnitResult;

/*
 * Runs work(arg) in a transaction of its own, as role kam_worker, with an SPI
 * connection and a snapshot open.  *error is allocated in "keep", NULL unless
 * the result is KAM_UNIT_FAILED.  The caller's memory context is current again
 * afterwards.
 */
extern KamUnitResult kam_unit_run(const char *activity, void (*work) (void *arg), void *arg,
								  MemoryContext keep, ErrorData **error);

/* Counts installations of the extension seen by this process: work begun under another one is void. */
extern uint32 kam_unit_generation(void);

/* Errors that say nothing about the run: try again later. */
extern bool kam_error_is_transient(int sqlerrcode);
