/*
 * test/unit/test_prompts.c: the example at the end of each prompt is a valid
 * output of its agent, and the synthesis's a decision that the guard lets pass
 * for a contact it fits.
 */
#include "contacts.h"

#include <glob.h>

#include "core/extract.h"
#include "core/schema.h"

static char *
slurp(const char *path)
{
	FILE	   *file = fopen(path, "rb");
	char	   *text;
	long		size;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
	{
		fprintf(stderr, "cannot read %s\n", path);
		abort();
	}
	rewind(file);
	text = malloc((size_t) size + 1);
	text[fread(text, 1, (size_t) size, file)] = '\0';
	fclose(file);
	return text;
}

/* The example of a prompt: what stands in its only ```json block.  New reference. */
static json_t *
example_of(const char *path)
{
	char	   *text = slurp(path);
	char	   *start = strstr(text, "```json\n");
	char	   *end = start != NULL ? strstr(start + 8, "\n```") : NULL;
	json_error_t error = {.text = "no block"};
	json_t	   *out = NULL;

	CHECK(start != NULL && end != NULL && strstr(end, "```json") == NULL, "%s: not one example", path);
	if (end != NULL)
		out = json_loadb(start + 8, (size_t) (end - start - 8), JSON_REJECT_DUPLICATES, &error);
	CHECK(out != NULL, "%s: line %d of the example: %s", path, error.line, error.text);
	free(text);
	return out;
}

static void
check_schema(const char *path, const json_t *example)
{
	KamArena   *arena = kam_arena_new();
	char	   *file = kam_printf(arena, "%.*s.schema.json", (int) (strlen(path) - 3), path);
	char	   *text = slurp(file);
	json_t	   *schema = json_loads(text, 0, NULL);
	json_t	   *faults = kam_schema_check(arena, schema, example);
	json_t	   *unsound = kam_schema_faults(arena, schema);
	const char *fault = kam_schema_contract_fault(arena, schema, example);

	for (size_t i = 0; i < json_array_size(faults); i++)
		CHECK(false, "%s: %s: %s", path, kam_get_string(json_array_get(faults, i), "path"), kam_get_string(json_array_get(faults, i), "message"));
	CHECK_INT(json_array_size(unsound), 0);
	/* The example of a wait has nulls where another would have objects: only that it passes is asked here. */
	CHECK(fault == NULL || strstr(fault, "breaks it") == NULL, "%s: %s", path, fault);
	json_decref(unsound);
	json_decref(faults);
	json_decref(schema);
	free(text);
	kam_arena_free(arena);
}

TEST(every_example_passes_its_schema)
{
	glob_t		found;

	CHECK(glob("prompts/*.md", 0, NULL, &found) == 0, "no prompts");
	CHECK_INT(found.gl_pathc, 10);
	for (size_t i = 0; i < found.gl_pathc; i++)
	{
		json_t	   *example = example_of(found.gl_pathv[i]);

		check_schema(found.gl_pathv[i], example);
		json_decref(example);
	}
	globfree(&found);
}

/* Claims in the examples are whole: a pointer into the contact, words, and no date that is not said. */
TEST(claims_of_the_examples_are_whole)
{
	glob_t		found;
	int			claims = 0;

	glob("prompts/*.md", 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
	{
		json_t	   *example = example_of(found.gl_pathv[i]);
		const json_t *list = kam_get_array(example, "claims");

		for (size_t c = 0; c < json_array_size(list); c++)
		{
			const json_t *evidence = kam_get_array(json_array_get(list, c), "evidence");

			claims++;
			CHECK(json_array_size(evidence) > 0, "%s: no evidence", found.gl_pathv[i]);
			for (size_t e = 0; e < json_array_size(evidence); e++)
			{
				CHECK(strncmp(kam_get_string(json_array_get(evidence, e), "path"), "/activities/", 12) == 0, "%s: no pointer", found.gl_pathv[i]);
				CHECK(*kam_get_string(json_array_get(evidence, e), "quote") != '\0', "%s: no quote", found.gl_pathv[i]);
			}
		}
		json_decref(example);
	}
	globfree(&found);
	CHECK(claims >= 5, "%d claims", claims);
}

TEST(the_synthesis_example_is_a_sound_decision)
{
	TestRun    *t = open_run("{'contact_info': {'first_name': 'Inès', 'full_name': 'Inès Carpentier', 'email': 'ines@fonderie.example', 'owner': 'Camille Roussel',"
							 " 'timezone': 'Europe/Paris'},"
							 "'deals': [{'deal_id': 'D1', 'name': 'Module 4', 'stage': 'demo', 'status': 'OPEN', 'created_on': '2026-01-20T09:00:00+01:00', 'closed_on': null}],"
							 "'activities': ["
							 "{'activity_type': 'email', 'direction': 'inbound', 'recorded_on': '2026-03-09T10:00:00+01:00', 'metadata': {'subject': 'Démo', 'body': 'Bonjour, pourrions-nous avoir une démo ?'}},"
							 "{'activity_type': 'email', 'direction': 'outbound', 'recorded_on': '2026-03-10T10:00:00+01:00', 'metadata': {'subject': 'Re: Démo', 'owner': 'Camille Roussel',"
							 "  'body': 'Bonjour Inès, voici notre grille tarifaire.'}},"
							 "{'activity_type': 'meeting', 'recorded_on': '2026-03-10T10:05:00+01:00', 'metadata': {'subject': 'Démo', 'status': 'scheduled', 'start_time': '2026-03-17T10:00:00+01:00'}}]}",
							 "2026-03-11T10:00:00+01:00");
	json_t	   *example = example_of("prompts/synthesis_orchestrator.md");
	KamFindings found;

	CHECK_STR(kam_action_name(t->run.plan.action), "wait");
	kam_check(&t->run.env, &t->run.contact, &t->run.facts, &t->run.plan, NULL, example, NULL, &found);
	for (int i = 0; i < found.count; i++)
		CHECK(strcmp(found.finding[i].severity, "error") != 0, "%s at %s: %s", found.finding[i].rule, found.finding[i].path, found.finding[i].message);
	json_decref(example);
	close_run(t);
}

/* The judge's example keeps its own rules: all criteria, the weighted mean less three points for the invention, the verdict of that. */
TEST(the_judges_example_adds_up)
{
	json_t	   *example = example_of("prompts/decision_evaluator.md");
	const json_t *criteria = kam_get_array(example, "criteria");
	double		sum = 0,
				weights = 0;

	CHECK_INT(json_array_size(criteria), 8);
	for (size_t i = 0; i < json_array_size(criteria); i++)
	{
		const char *name = kam_get_string(json_array_get(criteria, i), "name");
		double		weight = strcmp(name, "accuracy") == 0 || strcmp(name, "action") == 0 || strcmp(name, "content") == 0 ? 2 : 1;

		sum += weight * kam_get_number(json_array_get(criteria, i), "score", 0);
		weights += weight;
	}
	CHECK((int) ((sum / weights - 3) * 10 + 0.5) == (int) (kam_get_number(example, "overall_score", 0) * 10 + 0.5), "%f", sum / weights - 3);
	CHECK_STR(kam_get_string(example, "verdict"), "poor");
	json_decref(example);
}

RUN_TESTS()
