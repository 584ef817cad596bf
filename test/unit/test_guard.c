/*
 * test/unit/test_guard.c: what becomes of a model's faults: repaired, sent
 * back once to whoever can mend them, replaced; and that no answer of a model
 * gets past a hard blocker.
 */
#include "contacts.h"

#define AS_OF "2026-03-11T10:00:00+01:00"
#define CONTACT "{'contact_info': {'full_name': 'Inès Martin', 'email': 'ines@acier.example', 'owner': 'Julie Moreau', 'company': 'Acier SA'}, 'activities': [" \
	"{'activity_type': 'email', 'direction': 'outbound', 'recorded_on': '2026-03-03T10:00:00+01:00', 'metadata': {'body': 'Bonjour Inès, voici notre présentation.'}}," \
	"{'activity_type': 'email', 'direction': 'inbound', 'recorded_on': '2026-03-10T10:00:00+01:00', 'metadata': {'subject': 'Module 4', 'body': 'Bonjour Julie, pouvez-vous m`envoyer la fiche technique du module 4 ? Merci.'}}]}"

/* The built-in answer to a call, as a model that knows its trade would give it. */
static json_t *
answer(TestRun *t, int agent)
{
	KamInputs	in = *kam_run_inputs(&t->run, (KamAgent) agent);

	in.findings = NULL;
	return kam_builtin_run(&t->run.env, (KamAgent) agent, &in);
}

/* Models answer all calls up to the stage. */
static void
advance_to(TestRun *t, KamRunStage stage)
{
	int			agent;

	while (t->run.stage != stage && (agent = kam_run_next_call(&t->run)) >= 0)
		kam_run_accept_model(&t->run, (KamAgent) agent, answer(t, agent));
	CHECK_INT(t->run.stage, stage);
}

/* A value (stolen) at a pointer; NULL removes what is there. */
static json_t *
with(json_t *root, const char *path, json_t *value)
{
	const char *slash = strrchr(path, '/');
	char		parent[200];
	json_t	   *holder;

	snprintf(parent, sizeof parent, "%.*s", (int) (slash - path), path);
	holder = (json_t *) kam_pointer(root, parent);
	CHECK(json_is_object(holder), "%s is no object", parent);
	if (value == NULL)
		json_object_del(holder, slash + 1);
	else
		kam_put(holder, slash + 1, value);
	return root;
}

static const char *
decided(const TestRun *t, const char *path)
{
	return json_string_value(kam_dig(t->run.decision, path));
}

static void
check_sound(TestRun *t, const char *what)
{
	KamFindings found;

	CHECK_INT(t->run.stage, KAM_RUN_GUARD);
	kam_check(&t->run.env, &t->run.contact, &t->run.facts, &t->run.plan, &(KamHouse) {t->run.in.resources, NULL}, t->run.decision, NULL, &found);
	for (int i = 0; i < found.count; i++)
		CHECK(strcmp(found.finding[i].severity, "error") != 0, "%s: %s at %s: %s", what, found.finding[i].rule, found.finding[i].path, found.finding[i].message);
}

/* A synthesis that no repair makes good: it does not say why. */
static json_t *
without_reason(TestRun *t)
{
	return with(answer(t, KAM_SYNTHESIS_ORCHESTRATOR), "/final_decision/rationale/action_reasoning", json_null());
}

#define EMAIL_MESSAGE "/generated_content/EMAIL/message"
#define TWO_QUESTIONS "Bonjour Inès, voici la fiche. Est-elle claire ? Voulez-vous en parler ?"

/* ---- the repair call ----------------------------------------------------------------- */

TEST(what_a_repair_mends_is_not_sent_back)
{
	TestRun    *t = open_run(CONTACT, AS_OF);

	advance_to(t, KAM_RUN_SYNTHESIS);
	kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR,
						 with(answer(t, KAM_SYNTHESIS_ORCHESTRATOR), "/final_decision/rationale/opportunity_strength", json_real(0.01)));
	CHECK_INT(t->run.stage, KAM_RUN_GUARD);
	CHECK(t->run.repair_call == NULL && !t->run.replaced);
	CHECK_STR(kam_get_string(json_array_get(t->run.repairs, 0), "rule"), "strength_total_mismatch");
	CHECK(json_is_true(kam_dig(t->run.decision, "metadata.repaired")));
	check_sound(t, "a wrong strength");
	close_run(t);
}

TEST(the_synthesis_is_asked_once_more_with_what_was_found)
{
	TestRun    *t = open_run(CONTACT, AS_OF);
	const KamInputs *in;

	advance_to(t, KAM_RUN_SYNTHESIS);
	kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, without_reason(t));
	CHECK_INT(t->run.stage, KAM_RUN_REPAIR);
	CHECK_STR(kam_run_stage_name(t->run.stage), "guard");
	CHECK_INT(kam_run_next_call(&t->run), KAM_SYNTHESIS_ORCHESTRATOR);
	CHECK(!t->run.due[KAM_CONTENT_GENERATOR], "the content generator has done nothing wrong");
	CHECK(t->run.decision == NULL, "nothing is decided yet");
	in = kam_run_inputs(&t->run, KAM_SYNTHESIS_ORCHESTRATOR);
	CHECK_INT(json_array_size(in->findings), 1);
	CHECK_STR(kam_get_string(json_array_get(in->findings, 0), "rule"), "missing_reasoning");
	CHECK_STR(kam_get_string(json_array_get(in->findings, 0), "path"), "/final_decision/rationale/action_reasoning");
	CHECK(in->output[KAM_SYNTHESIS_ORCHESTRATOR] != NULL, "it sees its answer");

	kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR,
						 with(answer(t, KAM_SYNTHESIS_ORCHESTRATOR), "/final_decision/rationale/action_reasoning", kam_string("Mended.")));
	CHECK(!t->run.replaced, "it helped");
	CHECK(json_is_true(json_object_get(t->run.repair_call, "asked")) && json_is_true(json_object_get(t->run.repair_call, "helped")));
	CHECK_STR(kam_get_string(json_array_get(json_object_get(t->run.repair_call, "findings"), 0), "rule"), "missing_reasoning");
	CHECK_STR(kam_get_string(json_array_get(t->run.findings, 0), "rule"), "missing_reasoning");
	CHECK_STR(decided(t, "final_decision.rationale.action_reasoning"), "Mended.");
	CHECK(json_is_true(kam_dig(t->run.decision, "metadata.repaired")));
	CHECK(kam_run_inputs(&t->run, KAM_DECISION_EVALUATOR)->findings == NULL, "the judge has none");
	check_sound(t, "a mended synthesis");
	close_run(t);
}

TEST(an_answer_that_is_no_better_is_replaced)
{
	static const char *const worse[] = {"{}", "{'final_decision': {'action': 'sing'}}", "{'final_decision': []}", NULL};

	for (size_t i = 0; i < KAM_LENGTHOF(worse); i++)
	{
		TestRun    *t = open_run(CONTACT, AS_OF);

		advance_to(t, KAM_RUN_SYNTHESIS);
		kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, without_reason(t));
		kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, worse[i] != NULL ? test_json(worse[i]) : without_reason(t));
		CHECK(t->run.replaced, "by the built-in decision");
		CHECK(json_is_false(json_object_get(t->run.repair_call, "helped")) && json_array_size(json_object_get(t->run.repair_call, "left")) > 0);
		check_sound(t, "a synthesis past repair");
		kam_run_saved(&t->run);
		CHECK_INT(kam_run_next_call(&t->run), KAM_DECISION_EVALUATOR);
		close_run(t);
	}
}

TEST(a_second_answer_is_repaired_likewise)
{
	TestRun    *t = open_run(CONTACT, AS_OF);

	advance_to(t, KAM_RUN_SYNTHESIS);
	kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, without_reason(t));
	kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR,
						 with(answer(t, KAM_SYNTHESIS_ORCHESTRATOR), "/final_decision/rationale/opportunity_strength", json_real(0.01)));
	CHECK(!t->run.replaced && json_array_size(t->run.repairs) == 1);
	check_sound(t, "a second answer with a wrong sum");
	close_run(t);
}

TEST(the_built_in_synthesis_is_never_asked_again)
{
	TestRun    *t = open_run(CONTACT, AS_OF);

	advance_to(t, KAM_RUN_SYNTHESIS);
	kam_run_accept(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, without_reason(t));
	CHECK_INT(t->run.stage, KAM_RUN_GUARD);
	CHECK(t->run.replaced && t->run.repair_call == NULL);
	check_sound(t, "a stand-in past repair");
	close_run(t);
}

/* ---- faults of wording ----------------------------------------------------------------- */

/* The run after a content generator that asks two questions, before the synthesis. */
static TestRun *
badly_worded(bool by_model)
{
	TestRun    *t = open_run(CONTACT, AS_OF);

	advance_to(t, KAM_RUN_WAVE2);
	kam_run_accept_model(&t->run, KAM_CHANNEL_SELECTOR, answer(t, KAM_CHANNEL_SELECTOR));
	kam_run_accept_model(&t->run, KAM_SEQUENCE_STRATEGIST, answer(t, KAM_SEQUENCE_STRATEGIST));
	(by_model ? kam_run_accept_model : kam_run_accept) (&t->run, KAM_CONTENT_GENERATOR,
														with(answer(t, KAM_CONTENT_GENERATOR), EMAIL_MESSAGE, kam_string(TWO_QUESTIONS)));
	CHECK_INT(t->run.stage, KAM_RUN_SYNTHESIS);
	return t;
}

static json_t *
other_words(TestRun *t, const char *words)
{
	return with(answer(t, KAM_CONTENT_GENERATOR), EMAIL_MESSAGE, kam_string(words));
}

TEST(a_fault_of_wording_goes_back_to_the_content_generator)
{
	TestRun    *t = badly_worded(true);

	kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, answer(t, KAM_SYNTHESIS_ORCHESTRATOR));
	CHECK_INT(t->run.stage, KAM_RUN_REPAIR);
	CHECK(t->run.due[KAM_CONTENT_GENERATOR] && !t->run.due[KAM_SYNTHESIS_ORCHESTRATOR]);
	CHECK_STR(kam_get_string(json_array_get(kam_run_inputs(&t->run, KAM_CONTENT_GENERATOR)->findings, 0), "rule"), "question_count");
	kam_run_accept_model(&t->run, KAM_CONTENT_GENERATOR, other_words(t, "Bonjour Inès, voici la fiche technique du module 4."));
	CHECK(!t->run.replaced && json_is_true(json_object_get(t->run.repair_call, "helped")));
	CHECK_STR(decided(t, "final_decision.selected_content.message"), "Bonjour Inès, voici la fiche technique du module 4.");
	CHECK(json_is_true(kam_dig(t->run.decision, "final_decision.synthesis_safety_checks.question_count.passed")), "made anew for the new message");
	check_sound(t, "a mended message");
	close_run(t);
}

TEST(a_message_that_is_no_better_is_replaced)
{
	TestRun    *t = badly_worded(true);

	kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, answer(t, KAM_SYNTHESIS_ORCHESTRATOR));
	kam_run_accept_model(&t->run, KAM_CONTENT_GENERATOR, other_words(t, "Tout est sur https://evil.example."));
	CHECK(t->run.replaced, "by the built-in decision");
	CHECK(strstr(decided(t, "final_decision.selected_content.message"), "evil") == NULL, "not in our words");
	check_sound(t, "a message past repair");
	close_run(t);
}

TEST(words_of_ours_are_not_sent_back)
{
	TestRun    *t = badly_worded(false);

	kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, answer(t, KAM_SYNTHESIS_ORCHESTRATOR));
	CHECK_INT(t->run.stage, KAM_RUN_GUARD);
	CHECK(t->run.replaced && t->run.repair_call == NULL);
	close_run(t);
}

TEST(both_are_asked_at_once_and_the_order_of_their_answers_is_nothing)
{
	json_t	   *decision[2];

	for (int order = 0; order < 2; order++)
	{
		TestRun    *t = badly_worded(true);

		kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, without_reason(t));
		CHECK(t->run.due[KAM_CONTENT_GENERATOR] && t->run.due[KAM_SYNTHESIS_ORCHESTRATOR]);
		CHECK_INT(json_array_size(json_object_get(t->run.repair_call, "agents")), 2);
		for (int i = 0; i < 2; i++)
		{
			CHECK(strstr(kam_get_string(kam_dig(kam_run_inputs(&t->run, KAM_SYNTHESIS_ORCHESTRATOR)->output[KAM_CONTENT_GENERATOR], "generated_content.EMAIL"), "message"),
						 "Voulez-vous") != NULL, "either sees the first answers");
			if (i == order)
				kam_run_accept_model(&t->run, KAM_CONTENT_GENERATOR, other_words(t, "Bonjour Inès, voici la fiche technique du module 4."));
			else
				kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, answer(t, KAM_SYNTHESIS_ORCHESTRATOR));
			CHECK_INT(t->run.stage, i == 0 ? KAM_RUN_REPAIR : KAM_RUN_GUARD);
		}
		CHECK(!t->run.replaced, "both helped");
		check_sound(t, "both mended");
		decision[order] = json_incref(t->run.decision);
		close_run(t);
	}
	CHECK(json_equal(decision[0], decision[1]), "the same decision");
	json_decref(decision[0]);
	json_decref(decision[1]);
}

/* ---- crashes ------------------------------------------------------------------------------ */

TEST(recorded_answers_lead_to_the_same_state)
{
	json_t	   *recorded[12];
	int			agent[12],
				n = 0;
	TestRun    *first = open_run(CONTACT, AS_OF);

	for (; first->run.stage != KAM_RUN_GUARD; n++)
	{
		agent[n] = kam_run_next_call(&first->run);
		recorded[n] = first->run.stage == KAM_RUN_SYNTHESIS ? without_reason(first) : answer(first, agent[n]);
		if (first->run.stage == KAM_RUN_WAVE2 && agent[n] == KAM_CONTENT_GENERATOR)
			with(recorded[n], EMAIL_MESSAGE, kam_string(TWO_QUESTIONS));
		if (first->run.stage == KAM_RUN_REPAIR && agent[n] == KAM_CONTENT_GENERATOR)
			with(recorded[n], EMAIL_MESSAGE, kam_string("Bonjour Inès, voici la fiche."));
		kam_run_accept_model(&first->run, (KamAgent) agent[n], json_incref(recorded[n]));
	}
	CHECK_INT(n, 11);
	CHECK(!first->run.replaced, "mended");
	/* stop after each call, as a crash would, and go on from the rows */
	for (int stop = 0; stop <= n; stop++)
	{
		TestRun    *again = open_run(CONTACT, AS_OF);

		for (int i = 0; i < n; i++)
		{
			if (i == stop)
				CHECK_INT(kam_run_next_call(&again->run), agent[i]);
			CHECK(again->run.due[agent[i]], "call %d is due", i);
			kam_run_accept_model(&again->run, (KamAgent) agent[i], json_incref(recorded[i]));
		}
		CHECK(json_equal(again->run.decision, first->run.decision) && json_equal(again->run.repair_call, first->run.repair_call), "after %d calls", stop);
		close_run(again);
	}
	for (int i = 0; i < n; i++)
		json_decref(recorded[i]);
	close_run(first);
}

TEST(an_opt_out_ends_the_repair)
{
	static const KamForbidden unsubscribed = {"unsubscribed", "list-unsubscribe", "email", KAM_NO_TIME};
	TestRun    *t = open_run(CONTACT, AS_OF);

	advance_to(t, KAM_RUN_SYNTHESIS);
	kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, without_reason(t));
	CHECK_INT(t->run.stage, KAM_RUN_REPAIR);
	kam_run_forbid(&t->run, &unsubscribed);
	CHECK_INT(t->run.stage, KAM_RUN_GUARD);
	CHECK_INT(kam_run_next_call(&t->run), -1);
	CHECK_STR(decided(t, "final_decision.action"), "no_action");
	close_run(t);
}

/* ---- the samples ------------------------------------------------------------------------------ */

/* A sample contact at its moment. */
static TestRun *
open_sample(const char *path)
{
	char		expect_path[220];
	json_t	   *expect;
	TestRun    *t;

	snprintf(expect_path, sizeof expect_path, "%.*s.expect.json", (int) strlen(path) - 5, path);
	expect = json_load_file(expect_path, 0, NULL);
	t = open_json(json_load_file(path, 0, NULL), kam_get_string(expect, "as_of"));
	json_decref(expect);
	return t;
}

/* NULL at the end of the list. */
static TestRun *
next_sample(FILE *list, char *path, size_t size)
{
	if (list == NULL || fgets(path, (int) size, list) == NULL)
		return NULL;
	path[strcspn(path, "\n")] = '\0';
	return open_sample(path);
}

#define SAMPLES "ls examples/contacts/*.json | grep -v expect"

/* A decision to send that is sound but for the plan. */
static json_t *
defiant(TestRun *t, const char *action)
{
	json_t	   *output = answer(t, KAM_SYNTHESIS_ORCHESTRATOR);
	json_t	   *decision = json_object_get(output, "final_decision");
	bool		sends = strcmp(action, "send_message") == 0 || strcmp(action, "break_up") == 0;

	kam_put(decision, "action", kam_string(action));
	if (sends)
	{
		kam_put(decision, "wait_type", json_null());
		kam_put(decision, "selected_channel", kam_string("EMAIL"));
		kam_put(decision, "selected_content", test_json("{'message': 'Bonjour, voici notre étude.', 'tone': 'friendly', 'content_source': 'wave2_content_generator'}"));
		with(output, "/final_decision/execution_timing/execute_at", kam_string(kam_time_format(t->env.arena, &t->run.contact.zone,
																							  kam_office_time(&t->run.contact.zone, t->env.as_of + KAM_DAY))));
	}
	return output;
}

/* Whatever models answer, also when asked again, also as judges: what is ruled out stays ruled out. */
TEST(hard_blockers_beat_any_model)
{
	static const char *const actions[] = {"send_message", "wait", "break_up", "no_action"};
	FILE	   *list = popen(SAMPLES, "r");
	TestRun    *t;
	char		path[200];
	int			hard = 0;

	while ((t = next_sample(list, path, sizeof path)) != NULL)
	{
		bool		is_hard = t->run.plan.hard;

		hard += is_hard;
		close_run(t);
		for (size_t a = 0; is_hard && a < KAM_LENGTHOF(actions) * KAM_LENGTHOF(actions); a++)
		{
			const char *planned,
					   *got;

			t = open_sample(path);
			planned = kam_action_name(t->run.plan.action);
			advance_to(t, KAM_RUN_SYNTHESIS);
			kam_run_accept_model(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, defiant(t, actions[a % 4]));
			if (t->run.stage == KAM_RUN_REPAIR)
				while (kam_run_next_call(&t->run) >= 0)
				{
					int			agent = kam_run_next_call(&t->run);

					kam_run_accept_model(&t->run, (KamAgent) agent, agent == KAM_SYNTHESIS_ORCHESTRATOR ? defiant(t, actions[a / 4]) : answer(t, agent));
				}
			got = decided(t, "final_decision.action");
			CHECK(strcmp(got, planned) == 0 || (strcmp(planned, "break_up") == 0 && strcmp(got, "no_action") == 0), "%s, %s then %s: %s", path, actions[a % 4],
				  actions[a / 4], got);
			check_sound(t, path);
			kam_run_saved(&t->run);
			kam_run_accept_model(&t->run, KAM_DECISION_EVALUATOR,
								 test_json("{'overall_score': 0, 'verdict': 'poor', 'criteria': [], 'final_decision': {'action': 'send_message'}, 'action': 'send_message'}"));
			CHECK_STR(decided(t, "final_decision.action"), got);
			close_run(t);
		}
	}
	if (list)
		pclose(list);
	CHECK(hard >= 8, "%d samples with a hard plan", hard);
}

/* ---- spoiling at random -------------------------------------------------------------------------- */

static uint64_t seed;

static unsigned
pick(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned) (seed >> 33) % n;
}

/* Some other value; strings grow what a message must not have. */
static json_t *
other_value(const json_t *was)
{
	static const char *const texts[] = {
		"", " ", "send_message", "wait", "no_action", "break_up", "EMAIL", "PHONE", "meeting_scheduled", "2026-13-45", "2026-03-14T03:00:00+01:00",
		"2031-01-01T00:00:00Z", "Not specified", "Europe/Nowhere", "+0.40", "-9"
	};
	static const char *const tails[] = {
		" Voir https://evil.example/x", " Oui ? Non ?", " Suite à notre échange d'hier.", " {{first_name}}", "\xE2\x80\x8B", " marc@evil.example", " 07 11 22 33 44",
		" <img src=x>", " You missed our call.", " FR76 3000 6000 0112 3456 7890 189"
	};

	switch (pick(8))
	{
		case 0:
			return json_null();
		case 1:
			return json_boolean(pick(2));
		case 2:
			return json_integer((int) pick(200) - 100);
		case 3:
			return json_real(pick(300) / 100.0 - 1);
		case 4:
			return pick(2) ? kam_array() : kam_object();
		case 5:
			return kam_string(texts[pick(KAM_LENGTHOF(texts))]);
		default:
			if (json_is_string(was))
			{
				char		text[5000];

				snprintf(text, sizeof text, "%s%s", json_string_value(was), tails[pick(KAM_LENGTHOF(tails))]);
				return kam_string(text);
			}
			return test_json("[{'a': [null, 1]}]");
	}
}

/* Changes or removes one value somewhere in a tree. */
static void
spoil_once(json_t *value)
{
	for (int depth = 0; depth < 8; depth++)
	{
		size_t		n = json_is_object(value) ? json_object_size(value) : json_array_size(value);
		size_t		at = n > 0 ? pick((unsigned) n) : 0;
		const char *key = NULL;
		json_t	   *member = NULL;
		bool		deeper;

		if (n == 0)
			return;
		if (json_is_object(value))
		{
			void	   *iter = json_object_iter(value);

			while (at-- > 0)
				iter = json_object_iter_next(value, iter);
			key = json_object_iter_key(iter);
			member = json_object_iter_value(iter);
		}
		else
			member = json_array_get(value, at);
		deeper = (json_is_object(member) || json_is_array(member)) && pick(8) > 0;
		if (deeper)
		{
			value = member;
			continue;
		}
		if (json_is_object(value))
		{
			char		name[200];

			snprintf(name, sizeof name, "%s", key);
			if (pick(4) == 0)
				json_object_del(value, name);
			else
				kam_put(value, name, other_value(member));
		}
		else if (pick(4) == 0)
			json_array_remove(value, at);
		else
			json_array_set_new(value, at, other_value(member));
		return;
	}
}

static json_t *
spoilt(json_t *output)
{
	for (unsigned times = 1 + pick(5); times > 0; times--)
		spoil_once(output);
	return output;
}

TEST(however_a_synthesis_is_spoilt_the_decision_is_sound)
{
	enum
	{
		ROUNDS = 12
	};
	int			stands = 0,
				repaired = 0,
				helped = 0,
				replaced = 0;

	for (int round = 0; round < ROUNDS; round++)
	{
		FILE	   *list = popen(SAMPLES, "r");
		char		path[200];
		TestRun    *t;

		seed = (uint64_t) round * 977 + 5;
		while ((t = next_sample(list, path, sizeof path)) != NULL)
		{
			int			agent;

			while (t->run.stage != KAM_RUN_GUARD && (agent = kam_run_next_call(&t->run)) >= 0)
			{
				json_t	   *output = answer(t, agent);

				if (t->run.stage == KAM_RUN_SYNTHESIS || t->run.stage == KAM_RUN_REPAIR || (agent == KAM_CONTENT_GENERATOR && pick(3) == 0) ||
					(t->run.stage == KAM_RUN_WAVE2 && pick(6) == 0))
					output = pick(4) == 0 && t->run.stage == KAM_RUN_REPAIR ? output : spoilt(output);
				kam_run_accept_model(&t->run, (KamAgent) agent, output);
			}
			check_sound(t, path);
			if (t->run.plan.hard && t->run.plan.action != KAM_BREAK_UP)
				CHECK_STR(decided(t, "final_decision.action"), kam_action_name(t->run.plan.action));
			replaced += t->run.replaced;
			helped += json_is_true(json_object_get(t->run.repair_call, "helped"));
			repaired += t->run.repair_call == NULL && json_array_size(t->run.repairs) > 0 && !t->run.replaced;
			stands += !t->run.replaced && json_array_size(t->run.repairs) == 0;
			close_run(t);
		}
		if (list)
			pclose(list);
	}
	/* every way out was taken */
	CHECK(stands > 5 && repaired > 20 && helped > 5 && replaced > 20, "%d as they were, %d repaired, %d helped, %d replaced", stands, repaired, helped, replaced);
}

RUN_TESTS()
