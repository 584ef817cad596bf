/*
 * api/api.h: what the SQL-callable functions share.
 *
 * An SQL function here unpacks its arguments, calls the rooms below and packs
 * the result.  Everything made on the way lives in a memory context of the
 * call, malloc-owned parts included.
 */
#pragma once

#include "postgres.h"

#include "fmgr.h"
#include "pg/clock.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
/* after the server's headers */
#include "pg/json.h"
#include "pg/memory.h"
#include "core/pipeline.h"

/* A call's working memory: begin switches to it, end switches back and frees it. */
typedef struct KamScratch
{
	MemoryContext outer,
				inner;
} KamScratch;

extern KamScratch kam_scratch_begin(void);
extern void kam_scratch_end(KamScratch *scratch);

/* Argument n as jansson value, borrowed; NULL for SQL NULL. */
extern json_t *kam_arg_json(FunctionCallInfo fcinfo, int n);
/* Argument n as a moment, the present when it is NULL. */
extern KamTime kam_arg_as_of(FunctionCallInfo fcinfo, int n);
/* The value as a jsonb datum in the caller's context. */
extern Datum kam_result(const KamScratch *scratch, const json_t *value);

/* Reads a contact; raises what core/ refuses. */
extern void kam_read_contact(const KamEnv *env, const json_t *json, KamContact *out);

/* What messages may draw on: active resources, best practices, validated decisions.  Borrowed. */
typedef struct KamLibrary
{
	const json_t *resources,
			   *practices,
			   *history;
} KamLibrary;

extern KamLibrary kam_library(void);

/* A session's key drawn from parts that always give the same one, or at random. */
extern pg_uuid_t kam_session_of(const char *kind, const char *key);
extern pg_uuid_t kam_session_random(void);
