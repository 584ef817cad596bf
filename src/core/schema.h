/*
 * core/schema.h: the part of JSON Schema that agents' outputs need: type (one
 * or an array), properties, required, additionalProperties false, items, enum,
 * const, minimum, maximum, minItems, maxItems, minLength, maxLength, anyOf.
 * Other keywords are ignored.
 */
#pragma once

#include "core/base.h"
#include "core/json.h"

/* Array of {path, message}, empty when the value conforms. */
extern json_t *kam_schema_check(KamArena *arena, const json_t *schema, const json_t *value);

/*
 * What kam_schema_check would pass over in a schema: keywords it does not
 * know, and keywords whose own value is malformed.  Array of {path, message},
 * empty for a schema that says what it seems to say.
 */
extern json_t *kam_schema_faults(KamArena *arena, const json_t *schema);

/*
 * Whether answers that a schema lets through can be worked with: "example",
 * one valid output of the agent, passes it, and its keys (those of its member
 * objects included, but for maps by channel) are required.  NULL when so, else
 * what is wrong; of the arena.
 */
extern const char *kam_schema_contract_fault(KamArena *arena, const json_t *schema, const json_t *example);
