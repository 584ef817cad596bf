/*
 * core/pipeline.c: the run as a state machine without a shell
 * (design section 7; spec, "Main Flow" and "Retry Logic Implementation").
 *
 * Nothing here reads a clock, a table or a socket.  Outputs come in through
 * kam_run_accept in any order within a stage; the state depends on them alone.
 */
#include "core/pipeline.h"

#include <string.h>

#include "core/rounds.h"

/* Which agents answer in a stage. */
static const KamAgent wave1[] = {
	KAM_CONTEXT_RELATIONSHIP_ANALYZER, KAM_OPPORTUNITY_DETECTOR, KAM_STATE_ANALYZER, KAM_TIMING_STRATEGIST
};
static const KamAgent evaluation[] = {KAM_WAVE1_EVALUATOR};
static const KamAgent wave2[] = {KAM_CHANNEL_SELECTOR, KAM_CONTENT_GENERATOR, KAM_SEQUENCE_STRATEGIST};
static const KamAgent synthesis[] = {KAM_SYNTHESIS_ORCHESTRATOR};
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
		run->output[i] = NULL;
	}
	kam_rounds_close(run);
	json_decref(run->decision);
	json_decref(run->findings);
	json_decref(run->repairs);
	run->decision = run->findings = run->repairs = NULL;
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
findings_json(const KamFindings *found)
{
	json_t	   *list = kam_array();

	for (int i = 0; i < found->count; i++)
	{
		json_t	   *item = kam_object();

		kam_put(item, "rule", kam_string(found->finding[i].rule));
		kam_put(item, "severity", kam_string(found->finding[i].severity));
		kam_put(item, "path", kam_string(found->finding[i].path));
		kam_put(item, "message", kam_string(found->finding[i].message));
		kam_push(list, item);
	}
	return list;
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
	kam_put(metadata, "repaired", json_boolean(json_array_size(run->repairs) > 0 || run->replaced));
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

/*
 * Check, repair what has one right value, check again; what is still wrong is
 * replaced by the built-in decision from the same analyses.
 */
static void
guard(KamRun *run)
{
	const json_t *content = run->output[KAM_CONTENT_GENERATOR];
	KamFindings found;

	/* Its parts are the output's own, which stays as it came: whoever changes more than the top copies them first. */
	run->decision = copied(json_copy(run->output[KAM_SYNTHESIS_ORCHESTRATOR]));
	drop_stated_compliance(run);
	kam_check(&run->env, &run->contact, &run->facts, &run->plan, run->decision, content, &found);
	run->findings = findings_json(&found);
	if (found.count == 0)
		run->repairs = kam_array();
	else
	{
		decide_anew(run, copied(json_deep_copy(run->output[KAM_SYNTHESIS_ORCHESTRATOR])));
		drop_stated_compliance(run);
		run->repairs = kam_repair(&run->env, &run->contact, &run->facts, &run->plan, run->decision, content);
		kam_check(&run->env, &run->contact, &run->facts, &run->plan, run->decision, content, &found);
	}
	if (found.errors > 0)
	{
		KamInputs	own = run->in;
		json_t	   *generated = kam_builtin_run(&run->env, KAM_CONTENT_GENERATOR, &own);

		own.output[KAM_CONTENT_GENERATOR] = generated;
		decide_anew(run, kam_builtin_run(&run->env, KAM_SYNTHESIS_ORCHESTRATOR, &own));
		json_decref(generated);
		run->replaced = true;
	}
	stamp_metadata(run);
	run->in.decision = run->decision;
	enter(run, KAM_RUN_GUARD);
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
	own.decision = NULL;
	decision = kam_builtin_run(&run->env, KAM_SYNTHESIS_ORCHESTRATOR, &own);
	kam_put(json_object_get(decision, "final_decision"), "compliance", kam_forbidden_json(&run->env, &run->contact, forbidden));
	decide_anew(run, decision);
	if (run->findings == NULL)
	{
		kam_check(&run->env, &run->contact, &run->facts, &run->plan, run->decision, NULL, &found);
		run->findings = findings_json(&found);
	}
	if (run->repairs == NULL)
		run->repairs = kam_array();
	stamp_metadata(run);
	run->in.decision = run->decision;
	enter(run, KAM_RUN_GUARD);
}

void
kam_run_accept(KamRun *run, KamAgent agent, json_t *output)
{
	if (run->stage == KAM_RUN_WAVE1 && run->iteration > 1)
		kam_rounds_take(run, agent, output);
	else
	{
		json_decref(run->output[agent]);
		run->output[agent] = output;
		run->in.output[agent] = output;
	}
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
		case KAM_RUN_SAVED:
			enter(run, KAM_RUN_JUDGED);
			break;
		case KAM_RUN_GUARD:
		case KAM_RUN_JUDGED:
			break;
	}
}

void
kam_run_saved(KamRun *run)
{
	enter(run, run->forbidden != NULL ? KAM_RUN_JUDGED : KAM_RUN_SAVED);
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
