/*
 * core/agents.h: the ten agents of the workflow and their built-in form
 * (contract section 6; spec, "What Each Node Receives").
 */
#pragma once

#include "core/decide.h"

typedef enum KamAgent
{
	KAM_CONTEXT_RELATIONSHIP_ANALYZER,
	KAM_OPPORTUNITY_DETECTOR,
	KAM_STATE_ANALYZER,
	KAM_TIMING_STRATEGIST,
	KAM_WAVE1_EVALUATOR,
	KAM_CHANNEL_SELECTOR,
	KAM_CONTENT_GENERATOR,
	KAM_SEQUENCE_STRATEGIST,
	KAM_SYNTHESIS_ORCHESTRATOR,
	KAM_DECISION_EVALUATOR,
	KAM_AGENTS
} KamAgent;

/* What a call may see.  All borrowed; an output not made yet is NULL. */
typedef struct KamInputs
{
	const KamContact *contact;
	const KamFacts *facts;
	const KamPlan *plan;
	const KamScore *score;
	const json_t *resources;	/* array of rows {resource_id, title, url, language, topics[], match_terms[], body}, or NULL */
	const json_t *practices;	/* array of rows {practice_id, title, body, applies_to[], language}, or NULL */
	const json_t *history;		/* array of the latest validated final_decision rows {action, selected_channel, decision, type_of_validation, edited_message}, newest first, or NULL */
	const json_t *output[KAM_AGENTS];	/* latest output per agent */
	const json_t *instruction;	/* retry instruction for this agent, or NULL */
	const json_t *findings;		/* what the guard found in this agent's answer, which it is to mend, or NULL */
	const json_t *decision;		/* the guarded {"final_decision", "metadata"}: what the judge judges */
	int			iteration;		/* 1-3 */
	const char *session_id;		/* NULL in kam_decide */
	const char *provider;		/* "builtin" */
	const char *boundary;		/* stands in the tags around the contact in a prompt; NULL: nothing does */
	unsigned	earlier_kept;	/* a bit per agent of wave 1 whose answer of this round was worse than the one before, which stands */
	struct KamKept *kept;		/* what the agents of a run find out once for all of them, or NULL */
} KamInputs;

/* For the inputs of one run; lives in its arena. */
extern struct KamKept *kam_kept_new(KamArena *arena);

extern const char *kam_agent_name(KamAgent agent);			/* contract's key */
extern int	kam_agent_from_name(const char *name);			/* -1 when unknown */
extern int	kam_agent_wave(KamAgent agent);					/* 1, 2, 3: 1 = analysis + evaluator, 2 = action, 3 = synthesis, 4 = judge */

/* Runs the built-in agent: its full output, a new reference.  Pure and deterministic. */
extern json_t *kam_builtin_run(const KamEnv *env, KamAgent agent, const KamInputs *in);

/* What can be told of the four analyses of wave 1 without a model, per agent. */
typedef struct KamAnalysisFaults
{
	int			faults[KAM_AGENTS],
				misshapen[KAM_AGENTS];	/* of these, faults of its shape */
} KamAnalysisFaults;

extern void kam_analyses_examine(const KamEnv *env, const KamInputs *in, KamAnalysisFaults *out);

/* Dates, amounts and shares of their free text that stand nowhere in the contact: array of {agent, quote, why}. */
extern json_t *kam_analyses_inventions(const KamEnv *env, const KamInputs *in);
