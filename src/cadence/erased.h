/*
 * cadence/erased.h: people who were erased: their addresses as salted hashes in
 * Suppression, and the one door through which rows of an append-only table lose
 * what was personal in them.
 */
#pragma once

#include "postgres.h"

#include "access/htup.h"
#include "commands/trigger.h"

#define KAM_HASHED_PREFIX "sha256:"
#define KAM_HASHED_LEN (sizeof(KAM_HASHED_PREFIX) - 1 + 64)

/*
 * Whether anybody was ever erased here, hence whether Suppression may hold
 * hashes.  As long as nobody was, a look at two flags of this process.
 */
extern bool kam_erasures(void);
/* The hash of a normalised address, NUL-terminated; only when kam_erasures(). */
extern void kam_erased_key(const char *address, char out[KAM_HASHED_LEN + 1]);

/*
 * Whether this UPDATE is the erasure's own: some of the columns that the
 * trigger names after the table (without arguments: the log's) become NULL, and
 * nothing else changes.
 */
extern bool kam_erasure_updates(const TriggerData *trigger);
