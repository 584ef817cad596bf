/*
 * pg/memory.c: malloc-owned things hung on memory contexts.
 *
 * Runs in every backend and in the worker.  The callback is allocated before
 * the thing it frees, so that running out of memory between the two leaks
 * nothing.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "kam.h"
#include "pg/zones.h"
/* after the server's headers */
#include "pg/memory.h"

static void
raise_out_of_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory"),
			 errdetail("Failed while working on a contact outside the server's memory contexts.")));
}

static void
let_interrupts_through(void)
{
	CHECK_FOR_INTERRUPTS();
}

void
kam_memory_init(void)
{
	kam_out_of_memory = raise_out_of_memory;
	kam_interrupt = let_interrupts_through;
	/* what core/ makes once and keeps must not be made in an arena */
	json_decref(kam_object());
}

void
kam_on_reset(void (*function) (void *arg), void *arg)
{
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	callback->func = function;
	callback->arg = arg;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

static void
free_arena(void *arg)
{
	kam_arena_free(arg);
}

KamArena *
kam_pg_arena(void)
{
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));
	KamArena   *arena = kam_arena_new();

	callback->func = free_arena;
	callback->arg = arena;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return arena;
}

/* ---- jansson's own memory -------------------------------------------------- */

static KamArena *json_arena = NULL; /* where jansson's values lie; NULL: malloc */
static json_malloc_t usual_malloc;
static json_free_t usual_free;

static void *
json_from_arena(size_t size)
{
	return kam_alloc_raw(json_arena, size);
}

/* The arena goes as a whole. */
static void
json_stays(void *p)
{
}

void
kam_json_in_arena(KamArena *arena)
{
	json_get_alloc_funcs(&usual_malloc, &usual_free);
	json_arena = arena;
	json_set_alloc_funcs(json_from_arena, json_stays);
}

void
kam_json_usual(void)
{
	json_set_alloc_funcs(usual_malloc, usual_free);
	json_arena = NULL;
}

static void
release_json(void *arg)
{
	json_decref((json_t *) arg);
}

json_t *
kam_pg_own(json_t *value)
{
	MemoryContextCallback *callback;

	if (json_arena != NULL)
		return value;
	callback = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(MemoryContextCallback), MCXT_ALLOC_NO_OOM);
	if (callback == NULL)
	{
		json_decref(value);
		raise_out_of_memory();
	}
	callback->func = release_json;
	callback->arg = value;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return value;
}

KamEnv
kam_pg_env(KamTime as_of)
{
	KamEnv		env;

	env.arena = kam_pg_arena();
	env.zones = &kam_pg_zones;
	env.default_zone = kam_default_timezone;
	env.as_of = as_of;
	return env;
}

void
kam_raise(const KamError *error)
{
	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(error->sqlstate[0], error->sqlstate[1], error->sqlstate[2],
								   error->sqlstate[3], error->sqlstate[4])),
			 errmsg_internal("%s", error->message),
			 error->path != NULL && error->path[0] != '\0' ? errdetail("The value is at \"%s\".", error->path) : 0,
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
	pg_unreachable();
}
