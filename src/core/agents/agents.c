/*
 * core/agents/agents.c: the table of agents: key, wave, built-in function.
 *
 * Owns nothing but the table; each agent's rules stand in its own file.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

typedef struct AgentRow
{
	const char *key;
	int			wave;			/* 1 analysis and its evaluator, 2 action, 3 synthesis, 4 judge */
	json_t	   *(*run) (const KamEnv *env, const KamInputs *in);
} AgentRow;

static const AgentRow agents[KAM_AGENTS] = {
	[KAM_CONTEXT_RELATIONSHIP_ANALYZER] = {"context_relationship_analyzer", 1, kam_agent_context},
	[KAM_OPPORTUNITY_DETECTOR] = {"opportunity_detector", 1, kam_agent_opportunity},
	[KAM_STATE_ANALYZER] = {"state_analyzer", 1, kam_agent_state},
	[KAM_TIMING_STRATEGIST] = {"timing_strategist", 1, kam_agent_timing},
	[KAM_WAVE1_EVALUATOR] = {"wave1_evaluator", 1, kam_agent_evaluator},
	[KAM_CHANNEL_SELECTOR] = {"channel_selector", 2, kam_agent_channel},
	[KAM_CONTENT_GENERATOR] = {"content_generator", 2, kam_agent_content},
	[KAM_SEQUENCE_STRATEGIST] = {"sequence_strategist", 2, kam_agent_sequence},
	[KAM_SYNTHESIS_ORCHESTRATOR] = {"synthesis_orchestrator", 3, kam_agent_synthesis},
	[KAM_DECISION_EVALUATOR] = {"decision_evaluator", 4, kam_agent_judge},
};

/* The contract's key of an agent. */
const char *
kam_agent_name(KamAgent agent)
{
	return (unsigned) agent < KAM_AGENTS ? agents[agent].key : NULL;
}

/* The agent of a key, -1 when there is none. */
int
kam_agent_from_name(const char *name)
{
	for (int i = 0; name != NULL && i < KAM_AGENTS; i++)
		if (strcmp(agents[i].key, name) == 0)
			return i;
	return -1;
}

int
kam_agent_wave(KamAgent agent)
{
	return (unsigned) agent < KAM_AGENTS ? agents[agent].wave : 0;
}

/* Runs the built-in agent; an agent out of range gives an empty object. */
json_t *
kam_builtin_run(const KamEnv *env, KamAgent agent, const KamInputs *in)
{
	if ((unsigned) agent >= KAM_AGENTS)
		return kam_object();
	return agents[agent].run(env, in);
}
