/*
 * test/fuzz/fuzz_contact.c: any JSON as a contact is refused with a code or
 * decided by the built-in agents, and the guard finds nothing in what they
 * decide; the same JSON as a decision gives findings, not a crash.
 */
#include "core/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zones.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require_clean(const KamFindings *found)
{
	if (found->count == 0)
		return;
	for (int i = 0; i < found->count; i++)
		fprintf(stderr, "%s at %s: %s\n", found->finding[i].rule, found->finding[i].path, found->finding[i].message);
	abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	KamEnv		env = test_env("2026-03-11T10:00:00+01:00");
	json_t	   *json = json_loadb((const char *) data, size, JSON_DECODE_ANY, NULL);
	KamError	error;
	KamRun		run;
	KamFindings found;

	if (json != NULL && kam_run_open(&run, env.arena, &env, json, NULL, &error))
	{
		kam_run_builtin(&run, true);
		kam_check(&run.env, &run.contact, &run.facts, &run.plan, NULL, run.decision, run.output[KAM_CONTENT_GENERATOR], &found);
		require_clean(&found);

		kam_check(&run.env, &run.contact, &run.facts, &run.plan, NULL, json, json, &found);
		json_decref(kam_repair(&run.env, &run.contact, &run.facts, &run.plan, run.decision, json));
		json_decref(kam_safety_checks(&run.env, &run.contact, &run.facts, &run.plan, json));
		kam_run_close(&run);
	}
	else if (json != NULL && (error.sqlstate == NULL || strlen(error.sqlstate) != 5 || error.message == NULL))
		abort();
	json_decref(json);
	kam_arena_free(env.arena);
	return 0;
}
