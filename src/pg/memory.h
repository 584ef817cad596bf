/*
 * pg/memory.h: malloc-owned things (arenas, jansson values) hung on memory
 * contexts, so that resetting the context is the one clean-up path on
 * success, error and cancel.
 */
#pragma once

#include "postgres.h"

#include "core/base.h"
#include "pg/compat.h"
#include "pg/json.h"

/* Makes core/'s exhausted memory an ERROR 53200 and lets cancels through its long loops.  Called once, by _PG_init. */
extern void kam_memory_init(void);

/* An arena freed with the current memory context. */
extern KamArena *kam_pg_arena(void);

/* Calls function(arg) when the current memory context is reset or deleted. */
extern void kam_on_reset(void (*function) (void *arg), void *arg);

/* Takes the reference over: released with the current memory context.  Returns it, now borrowed. */
extern json_t *kam_pg_own(json_t *value);

/*
 * From here on, until kam_json_usual, all that jansson makes lies in the arena and goes with it: making a value costs
 * no malloc, and none is freed singly.  For a stretch that leaves no value behind and keeps none from before it; the
 * caller sees to it that kam_json_usual is called however the stretch ends (PG_FINALLY).
 */
extern void kam_json_in_arena(KamArena *arena);
extern void kam_json_usual(void);

/* An environment for core/: an arena of the current context, the server's zones, kam.default_timezone. */
extern KamEnv kam_pg_env(KamTime as_of);

/* Raises a refusal of core/ with its SQLSTATE, DETAIL (the path) and HINT.  Does not return. */
KAM_NORETURN extern void kam_raise(const KamError *error);
