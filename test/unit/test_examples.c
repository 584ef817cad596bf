/*
 * test/unit/test_examples.c: each sample contact gets the decision that its
 * .expect.json states, and the decision passes the guard.
 */
#include "contacts.h"

#include "core/check.h"

static json_t *
load(const char *path)
{
	json_error_t error;
	json_t	   *json = json_load_file(path, 0, &error);

	CHECK(json != NULL, "%s: %s", path, error.text);
	return json;
}

/* "what" of the expectation against a value of the decision; absent or null for "any" is passed over. */
static void
compare(const char *file, const char *what, const char *expected, const char *found)
{
	CHECK((!expected && !found) || (expected && found && strcmp(expected, found) == 0),
		  "%s: %s is %s, not %s", file, what, found ? found : "null", expected ? expected : "null");
}

static void
check_example(const char *path)
{
	char		expect_path[220];
	json_t	   *expect;
	TestRun    *t;
	const json_t *decision;
	const json_t *timing;
	KamFindings found;
	const char *day;

	snprintf(expect_path, sizeof expect_path, "%.*s.expect.json", (int) (strlen(path) - 5), path);
	expect = load(expect_path);
	t = open_json(load(path), kam_get_string(expect, "as_of"));
	kam_run_builtin(&t->run, true);
	CHECK(!t->run.replaced, "%s: the guard replaced the decision", path);
	CHECK_INT(json_array_size(t->run.findings), 0);
	decision = kam_get_object(t->run.decision, "final_decision");
	timing = kam_get_object(decision, "execution_timing");
	compare(path, "action", kam_get_string(expect, "action"), kam_get_string(decision, "action"));
	compare(path, "wait_type", kam_get_string(expect, "wait_type"), kam_get_string(kam_get_object(decision, "wait_type"), "type"));
	compare(path, "channel", kam_get_string(expect, "selected_channel"), kam_get_string(decision, "selected_channel"));
	compare(path, "variant", kam_get_string(expect, "variant"), kam_get_string(kam_get_object(decision, "selected_content"), "variant"));
	if (kam_get_string(expect, "language"))
		compare(path, "language", kam_get_string(expect, "language"), t->run.facts.language);
	if ((day = kam_get_string(expect, "execute_on")) != NULL)
		CHECK(strncmp(kam_get_string(timing, "execute_at"), day, 10) == 0, "%s: execute_at %s", path, kam_get_string(timing, "execute_at"));
	if ((day = kam_get_string(expect, "reevaluate_on")) != NULL)
	{
		const char *at = kam_get_string(timing, "reevaluate_at");

		CHECK(at && strncmp(at, day, 10) == 0, "%s: reevaluate_at %s, not %s", path, at ? at : "null", day);
	}
	kam_check(&t->env, &t->run.contact, &t->run.facts, &t->run.plan, NULL, t->run.decision, NULL, &found);
	for (int i = 0; i < found.count; i++)
		CHECK(false, "%s: %s at %s: %s", path, found.finding[i].rule, found.finding[i].path, found.finding[i].message);
	close_run(t);
	json_decref(expect);
}

/* Whatever the history, silence for a suppressed contact is a valid decision, and says so by itself. */
static void
check_forbidden(const char *path)
{
	static const KamForbidden suppressed = {"suppressed", "decision", "email", KAM_NO_TIME};
	TestRun    *t = open_json(load(path), "2026-03-11T10:00:00+01:00");
	KamForbidden read;
	KamFindings found;
	KamPlan		plan;

	kam_run_forbid(&t->run, &suppressed);
	CHECK_INT(json_array_size(t->run.findings), 0);
	compare(path, "action", "no_action", kam_get_string(kam_get_object(t->run.decision, "final_decision"), "action"));
	CHECK(kam_forbidden_read(&t->run.contact, t->run.decision, &read), "%s: the decision does not say why", path);
	kam_plan_forbidden(&t->env, &t->run.contact, &t->run.facts, &read, &plan);
	kam_check(&t->env, &t->run.contact, &t->run.facts, &plan, NULL, t->run.decision, NULL, &found);
	for (int i = 0; i < found.count; i++)
		CHECK(false, "%s: %s at %s: %s", path, found.finding[i].rule, found.finding[i].path, found.finding[i].message);
	close_run(t);
}

TEST(samples_get_the_decision_they_should)
{
	char		path[200];
	int			files = 0;
	FILE	   *list = popen("ls examples/contacts/*.json | grep -v expect", "r");

	while (list && fgets(path, sizeof path, list))
	{
		path[strcspn(path, "\n")] = '\0';
		check_example(path);
		check_forbidden(path);
		files++;
	}
	if (list)
		pclose(list);
	CHECK(files >= 12, "%d example contacts; run from the top of the tree", files);
}

RUN_TESTS()
