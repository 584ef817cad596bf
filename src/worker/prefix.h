/*
 * worker/prefix.h: what the calls of a run share, so that a provider's cache
 * need read it once.
 */
#pragma once

#include "postgres.h"

#include "worker/job.h"

/* The schema that goes along; len 0: none is to be had, or it would part the caches of a large contact. */
extern KamPiece kam_prefix_schema(KamJob *job, KamAgent agent);
/* Whether the cache is to keep the prefix up to the contact's end, and up to the end of what its wave shares. */
extern void kam_prefix_keep(KamJob *job, KamAgent agent, const char *model, bool *contact, bool *wave);
/* kam.cache_warm: whether the call waits for one beside it to begin its answer. */
extern bool kam_prefix_waits(KamJob *job, KamAgent agent);
/* Takes note of answers that have begun; true when one has since the last time. */
extern bool kam_prefix_begun(KamJob *job);
