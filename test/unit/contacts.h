/*
 * test/unit/contacts.h: contacts for tests, written in JSON with single quotes.
 */
#pragma once

#include "core/pipeline.h"
#include "unit.h"
#include "zones.h"

/* JSON text with ' for " (and ` for '), parsed; aborts on a mistake in the test. */
static inline json_t *
test_json(const char *text)
{
	char	   *copy = strdup(text);
	json_error_t error;
	json_t	   *json;

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p == '`' ? '\'' : *p;
	json = json_loads(copy, JSON_DECODE_ANY, &error);
	if (!json)
	{
		fprintf(stderr, "bad test JSON: %s near column %d: %s\n", error.text, error.column, copy);
		abort();
	}
	free(copy);
	return json;
}

/* A whole run at a moment; close_run releases what open_run made. */
typedef struct TestRun
{
	json_t	   *json;
	KamEnv		env;
	KamRun		run;
} TestRun;

static inline TestRun *
open_json(json_t *json, const char *as_of)
{
	TestRun    *t = calloc(1, sizeof(TestRun));
	KamError	error;

	t->json = json;
	t->env = test_env(as_of);
	if (!kam_run_open(&t->run, t->env.arena, &t->env, t->json, NULL, &error))
	{
		fprintf(stderr, "contact refused: %s at %s\n", error.message, error.path ? error.path : "-");
		abort();
	}
	return t;
}

static inline TestRun *
open_run(const char *text, const char *as_of)
{
	return open_json(test_json(text), as_of);
}

static inline void
close_run(TestRun *t)
{
	kam_run_close(&t->run);
	json_decref(t->json);
	kam_arena_free(t->env.arena);
	free(t);
}
