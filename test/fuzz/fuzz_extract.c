/*
 * test/fuzz/fuzz_extract.c: any bytes give an object or a printable reason,
 * and an object survives being written and read again.
 */
#include "core/extract.h"

#include <stdlib.h>
#include <string.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	KamArena   *arena = kam_arena_new();
	const char *why = NULL;
	json_t	   *value = kam_extract_json(arena, (const char *) data, size, &why);

	if (value == NULL)
	{
		require(why != NULL && *why != '\0');
		for (const char *c = why; *c != '\0'; c++)
			require((unsigned char) *c >= 0x20 && (unsigned char) *c < 0x7f);
	}
	else
	{
		char	   *text = json_dumps(value, JSON_REAL_PRECISION(17));
		json_t	   *again = kam_extract_json(arena, text, strlen(text), &why);

		require(json_is_object(value));
		require(again != NULL && json_equal(value, again));
		json_decref(again);
		free(text);
	}
	json_decref(value);
	kam_arena_free(arena);
	return 0;
}
