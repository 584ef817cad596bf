/*
 * test/unit/test_pipeline.c: the run's state machine: order of calls, retries
 * of wave 1, the guard, replay from recorded outputs.
 */
#include "contacts.h"

#define AS_OF "2026-03-11T10:00:00+01:00"
#define CONTACT "{'contact_info': {'full_name': 'Inès Martin', 'email': 'ines@acier.example', 'owner': 'Julie Moreau', 'company': 'Acier SA'}, 'activities': [" \
	"{'activity_type': 'email', 'direction': 'outbound', 'recorded_on': '2026-03-03T10:00:00+01:00', 'metadata': {'body': 'Bonjour Inès, voici notre présentation.'}}," \
	"{'activity_type': 'email', 'direction': 'inbound', 'recorded_on': '2026-03-10T10:00:00+01:00', 'metadata': {'subject': 'Module 4', 'body': 'Bonjour Julie, pouvez-vous m`envoyer la fiche technique du module 4 ? Merci.'}}]}"

/* The built-in answer to the next due call. */
static json_t *
answer(TestRun *t, int agent)
{
	return kam_builtin_run(&t->run.env, (KamAgent) agent, kam_run_inputs(&t->run, (KamAgent) agent));
}

/* Answers due calls until the stage is reached. */
static void
advance_to(TestRun *t, KamRunStage stage)
{
	int			agent;

	while (t->run.stage != stage && (agent = kam_run_next_call(&t->run)) >= 0)
		kam_run_accept(&t->run, (KamAgent) agent, answer(t, agent));
	CHECK_INT(t->run.stage, stage);
}

TEST(a_clean_run_makes_ten_calls_in_order)
{
	TestRun    *t = open_run(CONTACT, AS_OF);
	int			agent,
				calls = 0;

	while ((agent = kam_run_next_call(&t->run)) >= 0)
	{
		CHECK_INT(agent, calls);
		kam_run_accept(&t->run, (KamAgent) agent, answer(t, agent));
		calls++;
	}
	CHECK_INT(calls, 9);
	CHECK_INT(t->run.stage, KAM_RUN_GUARD);
	CHECK(json_is_object(t->run.decision));
	CHECK(!t->run.replaced);
	CHECK_INT(json_array_size(t->run.findings), 0);
	kam_run_saved(&t->run);
	CHECK_INT(kam_run_next_call(&t->run), KAM_DECISION_EVALUATOR);
	kam_run_accept(&t->run, KAM_DECISION_EVALUATOR, answer(t, KAM_DECISION_EVALUATOR));
	CHECK_INT(t->run.stage, KAM_RUN_JUDGED);
	CHECK_INT(kam_run_next_call(&t->run), -1);
	close_run(t);
}

static json_t *
verdict(const char *action, const char *instructions)
{
	char		text[1000];

	snprintf(text, sizeof text, "{'evaluation_decision': {'action': '%s', 'reasoning': 'x', 'retry_instructions': %s},"
			 " 'fact_check': {}, 'quality_scores': {}}", action, instructions);
	return test_json(text);
}

TEST(only_agents_with_an_instruction_run_again)
{
	TestRun    *t = open_run(CONTACT, AS_OF);

	advance_to(t, KAM_RUN_EVALUATION);
	kam_run_accept(&t->run, KAM_WAVE1_EVALUATOR,
				   verdict("retry", "{'state_analyzer': 'Look again.', 'timing_strategist': null, 'opportunity_detector': ''}"));
	CHECK_INT(t->run.stage, KAM_RUN_WAVE1);
	CHECK_INT(t->run.iteration, 2);
	for (int i = 0; i < KAM_AGENTS; i++)
		CHECK_INT(t->run.due[i], i == KAM_STATE_ANALYZER);
	CHECK_STR(json_string_value(kam_run_inputs(&t->run, KAM_STATE_ANALYZER)->instruction), "Look again.");
	close_run(t);
}

TEST(any_action_but_continue_is_a_retry_of_all_without_instructions)
{
	static const char *const actions[] = {"retry", "stop", ""};

	for (size_t a = 0; a < KAM_LENGTHOF(actions); a++)
	{
		TestRun    *t = open_run(CONTACT, AS_OF);

		advance_to(t, KAM_RUN_EVALUATION);
		kam_run_accept(&t->run, KAM_WAVE1_EVALUATOR, verdict(actions[a], "null"));
		CHECK_INT(t->run.stage, KAM_RUN_WAVE1);
		for (int i = 0; i < KAM_AGENTS; i++)
			CHECK_INT(t->run.due[i], i <= KAM_TIMING_STRATEGIST);
		close_run(t);
	}
}

TEST(the_third_iteration_is_forced_on)
{
	TestRun    *t = open_run(CONTACT, AS_OF);

	for (int i = 1; i <= 3; i++)
	{
		advance_to(t, KAM_RUN_EVALUATION);
		CHECK_INT(t->run.iteration, i);
		kam_run_accept(&t->run, KAM_WAVE1_EVALUATOR, verdict("retry", "null"));
	}
	CHECK_INT(t->run.stage, KAM_RUN_WAVE2);
	CHECK(t->run.forced);
	close_run(t);
}

TEST(an_evaluator_of_any_shape_is_survived)
{
	static const char *const shapes[] = {"{}", "{'evaluation_decision': 3}", "{'evaluation_decision': {'action': {}}}", "{'evaluation_decision': {'retry_instructions': []}}"};

	for (size_t s = 0; s < KAM_LENGTHOF(shapes); s++)
	{
		TestRun    *t = open_run(CONTACT, AS_OF);

		advance_to(t, KAM_RUN_EVALUATION);
		kam_run_accept(&t->run, KAM_WAVE1_EVALUATOR, test_json(shapes[s]));
		CHECK_INT(t->run.stage, KAM_RUN_WAVE1);
		CHECK_INT(t->run.iteration, 2);
		close_run(t);
	}
}

TEST(a_synthesis_past_repair_is_replaced_by_the_built_in_one)
{
	TestRun    *t = open_run(CONTACT, AS_OF);

	advance_to(t, KAM_RUN_SYNTHESIS);
	kam_run_accept(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, test_json("{'final_decision': {'action': 'sing'}}"));
	CHECK_INT(t->run.stage, KAM_RUN_GUARD);
	CHECK(t->run.replaced);
	CHECK(json_array_size(t->run.findings) > 0);
	CHECK_STR(kam_get_string(kam_get_object(t->run.decision, "final_decision"), "action"), "send_message");
	CHECK(json_is_true(kam_dig(t->run.decision, "metadata.repaired")));
	close_run(t);
}

TEST(recorded_outputs_lead_to_the_same_state)
{
	TestRun    *first = open_run(CONTACT, AS_OF),
			   *again;
	json_t	   *recorded[KAM_AGENTS] = {NULL};
	int			agent,
				n = 0;

	while ((agent = kam_run_next_call(&first->run)) >= 0)
	{
		recorded[n++] = answer(first, agent);
		kam_run_accept(&first->run, (KamAgent) agent, json_incref(recorded[n - 1]));
	}
	/* stop after each call, as a crash would, and go on from the rows */
	for (int stop = 0; stop <= n; stop++)
	{
		again = open_run(CONTACT, AS_OF);
		for (int i = 0; i < stop; i++)
			kam_run_accept(&again->run, (KamAgent) kam_run_next_call(&again->run), json_incref(recorded[i]));
		advance_to(again, KAM_RUN_GUARD);
		CHECK(json_equal(again->run.decision, first->run.decision), "after %d calls", stop);
		close_run(again);
	}
	for (int i = 0; i < n; i++)
		json_decref(recorded[i]);
	close_run(first);
}

/* ---- further rounds of wave 1 ---------------------------------------------------------- */

/* A valid state_analyzer output with these claims. */
static json_t *
state_output(TestRun *t, const char *urgency, const char *claims)
{
	json_t	   *output = answer(t, KAM_STATE_ANALYZER);

	json_object_set_new(output, "claims", test_json(claims));
	if (urgency != NULL)
		json_object_set_new(output, "urgency", json_string(urgency));
	return output;
}

#define HOLDS "{'text': 'She asked for it.', 'evidence': [{'path': '/activities/1/metadata/body', 'quote': 'fiche technique'}]}"
#define INVENTED "{'text': 'She has 900 seats.', 'evidence': [{'path': '/activities/1/metadata/body', 'quote': 'fiche technique'}]}"

/* One round after another of the state analyzer; returns how many claims go on. */
static size_t
claims_after(TestRun *t, const char *const *round, int rounds)
{
	for (int i = 0; i < rounds; i++)
	{
		advance_to(t, KAM_RUN_WAVE1);
		for (int agent = 0; agent < KAM_WAVE1_EVALUATOR; agent++)
			if (t->run.due[agent])
				kam_run_accept(&t->run, (KamAgent) agent, agent != KAM_STATE_ANALYZER ? answer(t, agent) :
							   round[i][0] == '[' ? state_output(t, NULL, round[i]) : test_json(round[i]));
		CHECK_INT(t->run.stage, KAM_RUN_EVALUATION);
		if (i < rounds - 1)
			kam_run_accept(&t->run, KAM_WAVE1_EVALUATOR, verdict("retry", "{'state_analyzer': 'Again.'}"));
	}
	return json_array_size(kam_get_array(t->run.output[KAM_STATE_ANALYZER], "claims"));
}

TEST(the_better_of_two_rounds_goes_on)
{
	static const struct
	{
		const char *round[3];
		int			rounds;
		size_t		claims;		/* of the one that goes on */
		size_t		kept;		/* how often the earlier one did */
	}			cases[] = {
		/* better, and no worse: the new one */
		{{"[" INVENTED "]", "[" HOLDS "," HOLDS "]"}, 2, 2, 0},
		{{"[" HOLDS "]", "[" HOLDS "," HOLDS "]"}, 2, 2, 0},
		/* worse, or broken: the earlier one */
		{{"[" HOLDS "]", "[" INVENTED "," INVENTED "," HOLDS "]"}, 2, 1, 1},
		{{"[" INVENTED "]", "{'who_has_ball': 'moon', 'claims': []}"}, 2, 1, 1},
		{{"{'claims': [1, 2, 3]}", "[" INVENTED "," HOLDS "]"}, 2, 2, 0},
		/* the best of three, wherever it stands */
		{{"[" INVENTED "," INVENTED "]", "[" HOLDS "]", "[" INVENTED "," HOLDS "," HOLDS "]"}, 3, 1, 1},
		{{"[" HOLDS "]", "[" INVENTED "," HOLDS "]", "[" INVENTED "," HOLDS "," HOLDS "]"}, 3, 1, 2},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		TestRun    *t = open_run(CONTACT, AS_OF);
		size_t		claims = claims_after(t, cases[i].round, cases[i].rounds);

		CHECK(claims == cases[i].claims, "%zu: %zu claims", i, claims);
		CHECK(json_array_size(t->run.kept) == cases[i].kept, "%zu: kept %zu times", i, json_array_size(t->run.kept));
		CHECK_INT(t->run.in.earlier_kept >> KAM_STATE_ANALYZER & 1,
				  cases[i].kept > 0 && json_integer_value(json_object_get(json_array_get(t->run.kept, cases[i].kept - 1), "iteration")) == cases[i].rounds);
		CHECK(t->run.in.output[KAM_STATE_ANALYZER] == t->run.output[KAM_STATE_ANALYZER]);
		for (int agent = 0; agent < KAM_AGENTS; agent++)
			CHECK(t->run.earlier[agent] == NULL);
		close_run(t);
	}
}

TEST(a_fact_passed_over_counts_against_a_round)
{
	static const char churned[] = "{'contact_info': {'full_name': 'Inès Martin', 'email': 'ines@acier.example', 'owner': 'Julie Moreau'}, 'activities': ["
		"{'activity_type': 'email', 'direction': 'inbound', 'recorded_on': '2026-03-10T10:00:00+01:00', 'metadata': {'body': 'Bonjour, nous avons décidé de résilier notre contrat.'}}]}";
	TestRun    *t = open_run(churned, AS_OF);
	json_t	   *told,
			   *silent;

	/* the others may tell of it as well: only where nobody does is it passed over */
	kam_run_accept(&t->run, KAM_OPPORTUNITY_DETECTOR, test_json("{'opportunities': [], 'strength_score': 0, 'hooks': [], 'claims': []}"));
	kam_run_accept(&t->run, KAM_STATE_ANALYZER,
				   test_json("{'who_has_ball': 'us', 'temperature': 'cold', 'action_needed': true, 'urgency': 'high', 'claims': []}"));
	kam_run_accept(&t->run, KAM_TIMING_STRATEGIST, test_json("{'optimal_send_window': {'days': ['monday'], 'start': '09:00', 'end': '11:00', 'timezone': 'Europe/Paris'},"
															 " 'velocity': 'slow', 'patterns': [], 'claims': []}"));
	told = answer(t, KAM_CONTEXT_RELATIONSHIP_ANALYZER);
	json_object_set_new(told, "summary", json_string("They terminate the contract."));
	json_object_set_new(told, "claims", json_array());
	silent = json_deep_copy(told);
	json_object_set_new(silent, "summary", json_string("A friendly contact."));
	kam_run_accept(&t->run, KAM_CONTEXT_RELATIONSHIP_ANALYZER, json_incref(told));
	kam_run_accept(&t->run, KAM_WAVE1_EVALUATOR, verdict("retry", "{'context_relationship_analyzer': 'Again.'}"));
	kam_run_accept(&t->run, KAM_CONTEXT_RELATIONSHIP_ANALYZER, silent);
	CHECK(t->run.output[KAM_CONTEXT_RELATIONSHIP_ANALYZER] == told);
	CHECK_INT(json_array_size(t->run.kept), 1);
	json_decref(told);
	close_run(t);
}

TEST(rounds_replay_to_the_same_state)
{
	static const char *const rounds[] = {"[" HOLDS "]", "[" INVENTED "]"};
	TestRun    *first = open_run(CONTACT, AS_OF),
			   *again;
	json_t	   *recorded[20];
	int			agents[20],
				n = 0;

	/* the outputs as they came, the worse one too */
	while (first->run.stage != KAM_RUN_GUARD)
	{
		int			agent = kam_run_next_call(&first->run);
		json_t	   *output = agent == KAM_STATE_ANALYZER ? state_output(first, NULL, rounds[first->run.iteration - 1]) :
			agent == KAM_WAVE1_EVALUATOR && first->run.iteration == 1 ? verdict("retry", "{'state_analyzer': 'Again.'}") :
			agent == KAM_WAVE1_EVALUATOR ? verdict("continue", "null") : answer(first, agent);

		agents[n] = agent;
		recorded[n++] = output;
		kam_run_accept(&first->run, (KamAgent) agent, json_incref(output));
	}
	CHECK_INT(json_array_size(first->run.kept), 1);
	for (int stop = 0; stop <= n; stop++)
	{
		again = open_run(CONTACT, AS_OF);
		for (int i = 0; i < n; i++)
		{
			CHECK(again->run.due[agents[i]], "call %d is not due", i);
			kam_run_accept(&again->run, (KamAgent) agents[i], i < stop ? json_incref(recorded[i]) : json_deep_copy(recorded[i]));
		}
		CHECK(json_equal(again->run.decision, first->run.decision), "after %d calls", stop);
		CHECK(json_equal(again->run.kept, first->run.kept));
		close_run(again);
	}
	for (int i = 0; i < n; i++)
		json_decref(recorded[i]);
	close_run(first);
}

/* ---- contacts that must not be written to ------------------------------------------- */

static const KamForbidden unsubscribed = {"unsubscribed", "list-unsubscribe", "email", 1772524800 * KAM_SECOND};

static const char *
decided(const TestRun *t, const char *path)
{
	return json_string_value(kam_dig(t->run.decision, path));
}

TEST(a_forbidden_contact_needs_no_call_at_all)
{
	TestRun    *t = open_run(CONTACT, AS_OF);

	kam_run_forbid(&t->run, &unsubscribed);
	CHECK_INT(t->run.stage, KAM_RUN_GUARD);
	CHECK_INT(kam_run_next_call(&t->run), -1);
	CHECK_STR(decided(t, "final_decision.action"), "no_action");
	CHECK_STR(decided(t, "final_decision.rationale.decision_rule"), "suppressed");
	CHECK_STR(decided(t, "final_decision.rationale.action_reasoning"),
			  "The contact has unsubscribed, recorded for their e-mail address on 2026-03-03: nothing may be sent on any channel, whatever the history suggests.");
	CHECK_STR(decided(t, "final_decision.compliance.status"), "unsubscribed");
	CHECK_STR(decided(t, "final_decision.compliance.source"), "list-unsubscribe");
	CHECK(json_is_null(kam_dig(t->run.decision, "final_decision.selected_content")));
	CHECK_INT(json_array_size(t->run.findings), 0);
	CHECK(!t->run.replaced && t->run.overruled == NULL);
	kam_run_saved(&t->run);
	CHECK_INT(t->run.stage, KAM_RUN_JUDGED);
	CHECK_INT(kam_run_next_call(&t->run), -1);
	close_run(t);
}

TEST(a_decision_made_already_gives_way)
{
	TestRun    *t = open_run(CONTACT, AS_OF);

	advance_to(t, KAM_RUN_GUARD);
	CHECK_STR(decided(t, "final_decision.action"), "send_message");
	kam_run_forbid(&t->run, &unsubscribed);
	CHECK_STR(decided(t, "final_decision.action"), "no_action");
	CHECK_STR(t->run.overruled, "send_message");
	CHECK(t->run.replaced);
	CHECK(json_is_true(kam_dig(t->run.decision, "metadata.repaired")));
	kam_run_saved(&t->run);
	CHECK_INT(t->run.stage, KAM_RUN_JUDGED);
	close_run(t);
}

TEST(no_answer_of_a_model_makes_a_contact_forbidden)
{
	TestRun    *t = open_run(CONTACT, AS_OF);
	json_t	   *output;
	KamForbidden read;

	advance_to(t, KAM_RUN_SYNTHESIS);
	output = answer(t, KAM_SYNTHESIS_ORCHESTRATOR);
	kam_put(json_object_get(output, "final_decision"), "compliance", test_json("{'status': 'unsubscribed'}"));
	CHECK(kam_forbidden_read(&t->run.contact, output, &read));
	kam_run_accept(&t->run, KAM_SYNTHESIS_ORCHESTRATOR, output);
	CHECK(kam_dig(t->run.decision, "final_decision.compliance") == NULL);
	CHECK(kam_dig(t->run.output[KAM_SYNTHESIS_ORCHESTRATOR], "final_decision.compliance") != NULL);
	CHECK_STR(decided(t, "final_decision.action"), "send_message");
	close_run(t);
}

TEST(what_is_forbidden_is_read_back_from_any_decision)
{
	static const struct
	{
		const char *json;
		bool		forbidden;
	}			rows[] = {
		{"{'final_decision': {'action': 'no_action', 'compliance': {'status': 'opted_out', 'since': '2026-03-03T09:00:00+01:00'}}}", true},
		{"{'action': 'no_action', 'compliance': {'status': 'suppressed', 'since': 7, 'source': [], 'about': {}}}", true},
		{"{'action': 'no_action', 'compliance': {'status': 'clear'}}", false},
		{"{'action': 'no_action', 'compliance': 'suppressed'}", false},
		{"{'final_decision': [], 'compliance': null}", false},
		{"[]", false},
		{"null", false},
	};
	TestRun    *t = open_run(CONTACT, AS_OF);

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		json_t	   *decision = test_json(rows[i].json);
		KamForbidden read;

		CHECK_INT(kam_forbidden_read(&t->run.contact, decision, &read), rows[i].forbidden);
		json_decref(decision);
	}
	close_run(t);
}

RUN_TESTS()
