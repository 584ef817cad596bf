/*
 * test/fuzz/fuzz_schema.c: a schema and a value, parted by a line "---": every
 * fault has a message and a path that leads somewhere in the value, or to the
 * key that is not known there.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE				/* memmem */
#endif
#include "core/schema.h"

#include <stdlib.h>
#include <string.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char mark[] = "\n---\n";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *) data;
	const char *split = memmem(text, size, mark, sizeof mark - 1);
	KamArena   *arena;
	json_t	   *schema,
			   *value,
			   *faults;

	if (split == NULL)
		return 0;
	schema = json_loadb(text, (size_t) (split - text), JSON_DECODE_ANY, NULL);
	value = json_loadb(split + sizeof mark - 1, size - (size_t) (split - text) - (sizeof mark - 1), JSON_DECODE_ANY, NULL);
	arena = kam_arena_new();
	faults = kam_schema_check(arena, schema, value);
	if (json_array_size(faults) > 100)
		abort();
	for (size_t i = 0; i < json_array_size(faults); i++)
	{
		const json_t *fault = json_array_get(faults, i);
		const char *path = kam_get_string(fault, "path");

		if (kam_get_string(fault, "message") == NULL || path == NULL)
			abort();
		if (value != NULL && strlen(path) < 250 && kam_pointer(value, path) == NULL)
			abort();
	}
	json_decref(faults);
	json_decref(schema);
	json_decref(value);
	kam_arena_free(arena);
	return 0;
}
