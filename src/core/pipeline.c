/*
 * core/pipeline.c: the run as a state machine without a shell
 * (design section 7; spec, "Main Flow" and "Retry Logic Implementation").
 *
 * Nothing here reads a clock, a table or a socket.  Outputs come in through
 * kam_run_accept in any order within a stage; the state depends on them alone.
 */
#include "core/pipeline.h"

#include <stdio.h>
#include <string.h>

#include "core/rounds.h"

/* Which agents answer in a stage. */
static const KamAgent wave1[] = {
	KAM_CONTEXT_RELATIONSHIP_ANALYZER, KAM_OPPORTUNITY_DETECTOR, KAM_STATE_ANALYZER, KAM_TIMING_STRATEGIST
};
static const KamAgent evaluation[] = {KAM_WAVE1_EVALUATOR};
static const KamAgent wave2[] = {KAM_CHANNEL_SELECTOR, KAM_CONTENT_GENERATOR, KAM_SEQUENCE_STRATEGIST};
static const KamAgent synthesis[] = {KAM_SYNTHESIS_ORCHESTRATOR};
static const KamAgent repair[] = {KAM_CONTENT_GENERATOR, KAM_SYNTHESIS_ORCHESTRATOR};
static const KamAgent judge[] = {KAM_DECISION_EVALUATOR};

/* Indexed by KamRunStage. */
static const struct
{
	const char *name;
	const KamAgent *agent;
	int			count;
}			stages[] = {
	{"wave1", wave1, KAM_LENGTHOF(wave1)},
	{"evaluation", evaluation, KAM_LENGTHOF(evaluation)},
	{"wave2", wave2, KAM_LENGTHOF(wave2)},
	{"synthesis", synthesis, KAM_LENGTHOF(synthesis)},
	{"guard", repair, KAM_LENGTHOF(repair)},
	{"guard", NULL, 0},
	{"saved", judge, KAM_LENGTHOF(judge)},
	{"judged", NULL, 0},
};

const char *
kam_run_stage_name(KamRunStage stage)
{
	return stages[stage].name;
}

/* Enters a stage: all its agents are due. */
static void
enter(KamRun *run, KamRunStage stage)
{
	run->stage = stage;
	memset(run->due, 0, sizeof run->due);
	for (int i = 0; i < stages[stage].count; i++)
		run->due[stages[stage].agent[i]] = true;
}

bool
kam_run_open(KamRun *run, KamArena *arena, const KamEnv *env, const json_t *contact,
			 const char *session_id, KamError *error)
{
	memset(run, 0, sizeof *run);
	run->env = *env;
	run->env.arena = arena;
	if (!kam_contact_parse(&run->env, contact, &run->contact, error))
		return false;
	kam_facts_find(&run->env, &run->contact, &run->facts);
	kam_plan(&run->env, &run->contact, &run->facts, &run->plan);
	kam_score(&run->env, &run->contact, &run->facts, &run->score);
	run->in = (KamInputs)
	{
		.contact = &run->contact, .facts = &run->facts, .plan = &run->plan, .score = &run->score,
			.iteration = 1, .session_id = session_id, .provider = "builtin", .kept = kam_kept_new(arena)
	};
	run->iteration = 1;
	enter(run, KAM_RUN_WAVE1);
	return true;
}

void
kam_run_close(KamRun *run)
{
	for (int i = 0; i < KAM_AGENTS; i++)
	{
		json_decref(run->output[i]);
		json_decref(run->sent_back[i]);
		json_decref(run->again[i]);
		run->output[i] = run->sent_back[i] = run->again[i] = NULL;
	}
	kam_rounds_close(run);
	json_decref(run->decision);
	json_decref(run->findings);
	json_decref(run->repairs);
	json_decref(run->repair_call);
	run->decision = run->findings = run->repairs = run->repair_call = NULL;
}

int
kam_run_next_call(const KamRun *run)
{
	for (int i = 0; i < stages[run->stage].count; i++)
		if (run->due[stages[run->stage].agent[i]])
			return stages[run->stage].agent[i];
	return -1;
}

const KamInputs *
kam_run_inputs(KamRun *run, KamAgent agent)
{
	const json_t *instructions = kam_dig(run->output[KAM_WAVE1_EVALUATOR], "evaluation_decision.retry_instructions");
	const json_t *instruction = json_object_get(instructions, kam_agent_name(agent));

	run->in.iteration = run->iteration;
	run->in.decision = run->decision;
	run->in.instruction = run->stage == KAM_RUN_WAVE1 && run->iteration > 1 && json_is_string(instruction)
		? instruction : NULL;
	run->in.findings = run->stage == KAM_RUN_REPAIR ? run->sent_back[agent] : NULL;
	return &run->in;
}

/* ---- after wave 1: go on or send back --------------------------------------------- */

/*
 * Anything but "continue" sends back.  Only the agents with an instruction run
 * again; all four when none has one.  The third iteration is forced on.
 */
static void
leave_evaluation(KamRun *run)
{
	const json_t *decision = kam_get_object(run->output[KAM_WAVE1_EVALUATOR], "evaluation_decision");
	const char *action = kam_get_string(decision, "action");
	const json_t *instructions = kam_get_object(decision, "retry_instructions");
	bool		named = false;

	if (action && strcmp(action, "continue") == 0)
	{
		enter(run, KAM_RUN_WAVE2);
		return;
	}
	if (run->iteration >= KAM_MAX_ITERATIONS)
	{
		run->forced = true;
		enter(run, KAM_RUN_WAVE2);
		return;
	}
	run->iteration++;
	enter(run, KAM_RUN_WAVE1);
	for (size_t i = 0; i < KAM_LENGTHOF(wave1); i++)
	{
		const char *text = kam_get_string(instructions, kam_agent_name(wave1[i]));

		named |= text && *text;
	}
	for (size_t i = 0; named && i < KAM_LENGTHOF(wave1); i++)
	{
		const char *text = kam_get_string(instructions, kam_agent_name(wave1[i]));

		run->due[wave1[i]] = text && *text;
	}
}

/* ---- the guard ------------------------------------------------------------------------ */

static json_t *
finding_json(const KamFinding *finding)
{
	json_t	   *item = kam_object();

	kam_put(item, "rule", kam_string(finding->rule));
	kam_put(item, "severity", kam_string(finding->severity));
	kam_put(item, "path", kam_string(finding->path));
	kam_put(item, "message", kam_string(finding->message));
	return item;
}

static json_t *
findings_json(const KamFindings *found)
{
	json_t	   *list = kam_array();

	for (int i = 0; i < found->count; i++)
		kam_push(list, finding_json(&found->finding[i]));
	return list;
}

static bool
is_error(const KamFinding *finding)
{
	return strcmp(finding->severity, "error") == 0;
}

/* A new reference, or the end: a copy fails only for want of memory. */
static json_t *
copied(json_t *copy)
{
	if (!copy)
		kam_out_of_memory();
	return copy;
}

/* Metadata is ours to state, whatever a model wrote there; in an object of our own, which the output does not share. */
static void
stamp_metadata(KamRun *run)
{
	json_t	   *given = json_object_get(run->decision, "metadata");
	json_t	   *metadata = json_is_object(given) ? copied(json_copy(given)) : kam_object();

	kam_put(run->decision, "metadata", metadata);
	kam_put(metadata, "session_id", kam_string(run->in.session_id));
	kam_put(metadata, "processing_date",
			kam_string(kam_time_format(run->env.arena, &run->contact.zone, run->env.as_of)));
	kam_put(metadata, "historical_validation_performed", json_boolean(json_array_size(run->in.history) > 0));
	kam_put(metadata, "provider", kam_string(run->in.provider));
	kam_put(metadata, "repaired", json_boolean(json_array_size(run->repairs) > 0 || run->replaced || run->repair_call != NULL));
}

/* Puts another decision in the place of the first: never a moment without a valid one, making it may raise. */
static void
decide_anew(KamRun *run, json_t *decision)
{
	json_decref(run->decision);
	run->decision = decision;
}

/* Whether a contact may be written to is ours to state as well: what a model says of it is left out. */
static void
drop_stated_compliance(KamRun *run)
{
	json_t	   *given = json_object_get(run->decision, "final_decision");
	json_t	   *kept;

	json_object_del(run->decision, "compliance");
	if (!json_is_object(given) || json_object_get(given, "compliance") == NULL)
		return;
	kept = copied(json_copy(given));
	json_object_del(kept, "compliance");
	kam_put(run->decision, "final_decision", kept);
}

/* The checks that speak of the message's wording: of a message that was exchanged they are made anew. */
static const char *const message_checks[] = {"temporal_accuracy", "question_count", "meeting_responsibility"};

static void
renew_message_checks(KamRun *run)
{
	json_t	   *decision = json_object_get(run->decision, "final_decision");
	json_t	   *stated = json_object_get(decision, "synthesis_safety_checks");
	json_t	   *made;

	if (!json_is_object(stated))
		return;
	made = kam_safety_checks(&run->env, &run->contact, &run->facts, &run->plan, decision);
	for (size_t i = 0; i < KAM_LENGTHOF(message_checks); i++)
		if (json_object_get(stated, message_checks[i]) != NULL)
			kam_put(stated, message_checks[i], json_incref(json_object_get(made, message_checks[i])));
	json_decref(made);
}

/*
 * The decision that the synthesis comes to: checked, repaired where there is
 * one right value, checked again.  *found is what is left.
 */
static void
examine(KamRun *run, KamFindings *found)
{
	const json_t *content = run->output[KAM_CONTENT_GENERATOR];
	bool		exchanged = run->sent_back[KAM_CONTENT_GENERATOR] != NULL;

	json_decref(run->repairs);
	run->repairs = NULL;
	/* Its parts are the output's own, which stays as it came: whoever changes more than the top copies them first. */
	decide_anew(run, copied(json_copy(run->output[KAM_SYNTHESIS_ORCHESTRATOR])));
	drop_stated_compliance(run);
	kam_check(&run->env, &run->contact, &run->facts, &run->plan, &(KamHouse) {run->in.resources, run->in.practices}, run->decision, content, found);
	if (run->findings == NULL)
		run->findings = findings_json(found);
	if (found->count == 0)
	{
		run->repairs = kam_array();
		return;
	}
	decide_anew(run, copied(json_deep_copy(run->output[KAM_SYNTHESIS_ORCHESTRATOR])));
	drop_stated_compliance(run);
	run->repairs = kam_repair(&run->env, &run->contact, &run->facts, &run->plan, run->decision, content);
	if (exchanged)
		renew_message_checks(run);
	kam_check(&run->env, &run->contact, &run->facts, &run->plan, &(KamHouse) {run->in.resources, run->in.practices}, run->decision, content, found);
}

/* The built-in decision from the analyses that are there; from none of them, when they lead even that astray. */
static void
replace(KamRun *run)
{
	KamInputs	own = run->in;
	KamFindings found;

	own.findings = NULL;
	own.decision = NULL;
	for (int pass = 0; pass < 2; pass++)
	{
		json_t	   *generated = kam_builtin_run(&run->env, KAM_CONTENT_GENERATOR, &own);

		own.output[KAM_CONTENT_GENERATOR] = generated;
		decide_anew(run, kam_builtin_run(&run->env, KAM_SYNTHESIS_ORCHESTRATOR, &own));
		json_decref(generated);
		kam_check(&run->env, &run->contact, &run->facts, &run->plan, &(KamHouse) {run->in.resources, run->in.practices}, run->decision, NULL, &found);
		if (found.count == 0)
			break;
		memset(own.output, 0, sizeof own.output);
	}
	run->replaced = true;
}

/* The decision stands, or the built-in one does. */
static void
settle(KamRun *run, const KamFindings *left)
{
	if (left->errors > 0)
		replace(run);
	stamp_metadata(run);
	run->in.decision = run->decision;
	enter(run, KAM_RUN_GUARD);
}

/* Rules that only another wording of the message can satisfy. */
static const char *const wording_rules[] = {
	"machine_talk", "placeholder_left", "embedded_markup", "foreign_link", "foreign_recipient", "foreign_account", "invented_amount", "question_count",
	"false_temporal_claim", "meeting_responsibility", "meeting_not_held"
};

static bool
is_among(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Is it a fault of the message that the content generator wrote? */
static bool
is_of_wording(const KamFinding *finding)
{
	const char *field = strstr(finding->path, "/selected_content/");

	return field != NULL && is_among(finding->rule, wording_rules, KAM_LENGTHOF(wording_rules)) &&
		(strcmp(field, "/selected_content/message") == 0 || strcmp(field, "/selected_content/subject") == 0);
}

/* Does the decision say of itself that its message has such a fault? */
static bool
is_of_wording_as_stated(const KamFinding *finding)
{
	const char *check = strstr(finding->path, "/synthesis_safety_checks/");
	char		name[40];

	if (check == NULL || strcmp(finding->rule, "safety_check_failed") != 0)
		return false;
	check += strlen("/synthesis_safety_checks/");
	snprintf(name, sizeof name, "%.*s", (int) strcspn(check, "/"), check);
	return is_among(name, message_checks, KAM_LENGTHOF(message_checks));
}

/* The message of the decision is the generator's own: the repair saw to that where it wrote one. */
static bool
has_generated_message(const KamRun *run)
{
	const char *channel = kam_get_string(kam_get_object(run->decision, "final_decision"), "selected_channel");

	return channel != NULL && kam_generated_for(run->output[KAM_CONTENT_GENERATOR], kam_channel_from_name(channel)) != NULL;
}

/*
 * Sends the errors back to those who can mend them; false when one of them
 * could not be asked, so that asking the others would help nothing.
 */
static bool
send_back(KamRun *run, const KamFindings *left)
{
	bool		generated = has_generated_message(run),
				worded_badly = false;
	json_t	   *agents;

	for (int i = 0; i < left->count; i++)
		worded_badly |= generated && is_error(&left->finding[i]) && is_of_wording(&left->finding[i]);
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < left->count; i++)
		{
			const KamFinding *finding = &left->finding[i];
			KamAgent	agent = worded_badly && (is_of_wording(finding) || is_of_wording_as_stated(finding))
				? KAM_CONTENT_GENERATOR : KAM_SYNTHESIS_ORCHESTRATOR;

			if (!is_error(finding))
				continue;
			if (!run->by_model[agent])
				return false;
			if (pass == 0)
				continue;
			if (run->sent_back[agent] == NULL)
				run->sent_back[agent] = kam_array();
			kam_push(run->sent_back[agent], finding_json(finding));
		}
	run->repair_call = kam_object();
	kam_put(run->repair_call, "asked", json_true());
	agents = kam_array();
	kam_put(run->repair_call, "agents", agents);
	kam_put(run->repair_call, "findings", findings_json(left));
	enter(run, KAM_RUN_REPAIR);
	for (size_t i = 0; i < KAM_LENGTHOF(repair); i++)
	{
		run->due[repair[i]] = run->sent_back[repair[i]] != NULL;
		if (run->due[repair[i]])
			kam_push(agents, kam_string(kam_agent_name(repair[i])));
	}
	decide_anew(run, NULL);
	return true;
}

static void
guard(KamRun *run)
{
	KamFindings left;

	examine(run, &left);
	if (left.errors == 0 || !send_back(run, &left))
		settle(run, &left);
}

/* All that was sent back is answered: the answers take the place of the first ones. */
static void
leave_repair(KamRun *run)
{
	KamFindings left;

	for (size_t i = 0; i < KAM_LENGTHOF(repair); i++)
	{
		KamAgent	agent = repair[i];

		if (run->again[agent] == NULL)
			continue;
		json_decref(run->output[agent]);
		run->output[agent] = run->again[agent];
		run->in.output[agent] = run->output[agent];
		run->again[agent] = NULL;
	}
	examine(run, &left);
	kam_put(run->repair_call, "helped", json_boolean(left.errors == 0));
	kam_put(run->repair_call, "left", findings_json(&left));
	settle(run, &left);
}

void
kam_run_forbid(KamRun *run, const KamForbidden *forbidden)
{
	KamInputs	own = run->in;
	KamFindings found;
	json_t	   *decision;

	run->forbidden = forbidden;
	kam_plan_forbidden(&run->env, &run->contact, &run->facts, forbidden, &run->plan);
	if (run->decision != NULL)
	{
		run->overruled = kam_get_string(kam_get_object(run->decision, "final_decision"), "action");
		run->overruled = run->overruled != NULL ? kam_strdup(run->env.arena, run->overruled) : NULL;
		run->replaced = true;
	}
	/* From the tree alone: what agents may have said meanwhile has no part in it. */
	memset(own.output, 0, sizeof own.output);
	own.history = NULL;
	own.findings = NULL;
	own.decision = NULL;
	decision = kam_builtin_run(&run->env, KAM_SYNTHESIS_ORCHESTRATOR, &own);
	kam_put(json_object_get(decision, "final_decision"), "compliance", kam_forbidden_json(&run->env, &run->contact, forbidden));
	decide_anew(run, decision);
	if (run->findings == NULL)
	{
		kam_check(&run->env, &run->contact, &run->facts, &run->plan, &(KamHouse) {run->in.resources, run->in.practices}, run->decision, NULL, &found);
		run->findings = findings_json(&found);
	}
	if (run->repairs == NULL)
		run->repairs = kam_array();
	stamp_metadata(run);
	run->in.decision = run->decision;
	enter(run, KAM_RUN_GUARD);
}

static void
accept(KamRun *run, KamAgent agent, json_t *output, bool by_model)
{
	json_t	  **place = run->stage == KAM_RUN_REPAIR ? &run->again[agent] : &run->output[agent];

	if (run->stage == KAM_RUN_WAVE1 && run->iteration > 1)
		kam_rounds_take(run, agent, output);
	else
	{
		json_decref(*place);
		*place = output;
		/* what was sent back is written against the first answers, whichever second one comes first */
		if (run->stage != KAM_RUN_REPAIR)
			run->in.output[agent] = output;
	}
	run->by_model[agent] = by_model;
	run->due[agent] = false;
	if (kam_run_next_call(run) >= 0)
		return;
	switch (run->stage)
	{
		case KAM_RUN_WAVE1:
			kam_rounds_settle(run);
			enter(run, KAM_RUN_EVALUATION);
			break;
		case KAM_RUN_EVALUATION:
			leave_evaluation(run);
			break;
		case KAM_RUN_WAVE2:
			enter(run, KAM_RUN_SYNTHESIS);
			break;
		case KAM_RUN_SYNTHESIS:
			guard(run);
			break;
		case KAM_RUN_REPAIR:
			leave_repair(run);
			break;
		case KAM_RUN_SAVED:
			enter(run, KAM_RUN_JUDGED);
			break;
		case KAM_RUN_GUARD:
		case KAM_RUN_JUDGED:
			break;
	}
}

void
kam_run_accept(KamRun *run, KamAgent agent, json_t *output)
{
	accept(run, agent, output, false);
}

void
kam_run_accept_model(KamRun *run, KamAgent agent, json_t *output)
{
	accept(run, agent, output, true);
}

void
kam_run_saved(KamRun *run)
{
	enter(run, run->forbidden != NULL ? KAM_RUN_JUDGED : KAM_RUN_SAVED);
}

static json_t *
shared_or(const json_t *value, json_t *otherwise)
{
	if (value == NULL)
		return otherwise;
	json_decref(otherwise);
	return json_incref((json_t *) value);
}

json_t *
kam_run_guard_json(const KamRun *run)
{
	json_t	   *guard = kam_object();
	json_t	   *not_asked = kam_object();
	json_t	   *compliance = run->forbidden != NULL ? kam_forbidden_json(&run->env, &run->contact, run->forbidden) : kam_object();

	kam_put(not_asked, "asked", json_false());
	kam_put(guard, "findings", shared_or(run->findings, kam_array()));
	kam_put(guard, "repairs", shared_or(run->repairs, kam_array()));
	kam_put(guard, "repair_call", shared_or(run->repair_call, not_asked));
	kam_put(guard, "replaced", json_boolean(run->replaced));
	kam_put(guard, "forced", json_boolean(run->forced));
	kam_put(guard, "kept", shared_or(run->kept, kam_array()));
	kam_put(guard, "compliance", compliance);
	if (run->forbidden == NULL)
		kam_put(compliance, "status", kam_string("clear"));
	if (run->overruled != NULL)
		kam_put(compliance, "instead_of", kam_string(run->overruled));
	return guard;
}

void
kam_run_builtin(KamRun *run, bool judged)
{
	int			agent;

	for (;;)
	{
		while ((agent = kam_run_next_call(run)) >= 0)
			kam_run_accept(run, (KamAgent) agent,
						   kam_builtin_run(&run->env, (KamAgent) agent, kam_run_inputs(run, (KamAgent) agent)));
		if (run->stage != KAM_RUN_GUARD || !judged)
			return;
		kam_run_saved(run);
	}
}
