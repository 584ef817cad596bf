/*
 * pg/json.h: the one place that brings jansson into a file that also sees
 * PostgreSQL, and the bridge between jsonb and jansson.
 *
 * Include it after every PostgreSQL header: jansson's macros (json_typeof)
 * would spoil the server's prototypes of those names.
 */
#pragma once

#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
/* after the server's headers */
#include "core/json.h"

/*
 * A jsonb as jansson value, owned by the current memory context (borrowed by
 * the caller).  Numbers beyond int64 and double become their text as a
 * string; what is nested deeper than KAM_JSON_DEPTH becomes null.
 */
#define KAM_JSON_DEPTH 200
extern json_t *kam_json_from_jsonb(const Jsonb *value);

/* A jansson value as a palloc'd jsonb; borrows value.  Reals keep 15 digits. */
extern Jsonb *kam_jsonb_from_json(const json_t *value);
