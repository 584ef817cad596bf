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
