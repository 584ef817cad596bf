/*
 * core/extract.h: JSON out of what a model says.
 */
#pragma once

#include "core/base.h"
#include "core/json.h"

/*
 * The first complete JSON object in a text that may be bare, fenced (```json),
 * or surrounded by prose; braces inside strings do not count; of several, the
 * largest.  NULL with *why set (static or arena string) when there is none:
 * "no JSON object", "truncated", or jansson's message with its position.
 */
extern json_t *kam_extract_json(KamArena *arena, const char *text, size_t len, const char **why);
