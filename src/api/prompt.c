/*
 * api/prompt.c: what kam_set_prompt and kam_prompt_diff ask of core/.
 *
 * Runs in backends.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

/* after the server's headers */
#include "api/api.h"
#include "core/diff.h"
#include "core/schema.h"

PG_FUNCTION_INFO_V1(kam_api_schema_fault);
PG_FUNCTION_INFO_V1(kam_api_diff);

/* A text in the caller's context; NULL for none. */
static text *
text_result(const KamScratch *scratch, const char *string)
{
	MemoryContext old = MemoryContextSwitchTo(scratch->outer);
	text	   *result = string != NULL ? cstring_to_text(string) : NULL;

	MemoryContextSwitchTo(old);
	return result;
}

/* _schema_fault(output_schema, example) */
Datum
kam_api_schema_fault(PG_FUNCTION_ARGS)
{
	KamScratch		scratch = kam_scratch_begin();
	KamArena   *arena = kam_pg_arena();
	const json_t *schema = kam_arg_json(fcinfo, 0);
	json_t	   *faults = kam_pg_own(kam_schema_faults(arena, schema));
	const json_t *first = json_array_get(faults, 0);
	text	   *result;

	result = text_result(&scratch, first != NULL
						 ? kam_printf(arena, "at \"%s\": %s", kam_get_string(first, "path"), kam_get_string(first, "message"))
						 : kam_schema_contract_fault(arena, schema, kam_arg_json(fcinfo, 1)));
	kam_scratch_end(&scratch);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}

/* _diff(from_name, from_text, to_name, to_text) */
Datum
kam_api_diff(PG_FUNCTION_ARGS)
{
	KamScratch		scratch = kam_scratch_begin();
	const char *given[4];
	text	   *result;

	for (int i = 0; i < 4; i++)
		given[i] = text_to_cstring(PG_GETARG_TEXT_PP(i));
	result = text_result(&scratch, kam_diff(kam_pg_arena(), given[0], given[1], given[2], given[3]));
	kam_scratch_end(&scratch);
	PG_RETURN_TEXT_P(result);
}
