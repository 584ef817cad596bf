/*
 * worker/prefix.c: see prefix.h.
 *
 * A cache entry costs a quarter more than plain input, and is there for others
 * from the first byte of the answer that made it.  So a prefix is marked only
 * where somebody can read it: agents of one provider and model that get the
 * same contact under the same schema.  A schema stands before everything else
 * in what is cached, and each wave has its own: from schema_below tokens of
 * contact on it is left out, the answer held to JSON by the prompt and checked
 * as ever.  Then one entry serves wave 1, its evaluator and wave 2, and another
 * synthesis and judge, who share what the waves have found as well.
 */
#include "postgres.h"

#include "kam.h"
#include "worker/prefix.h"
/* after the server's headers */
#include "llm/prompt.h"

/* Agents that are asked side by side. */
static int
stage_of(KamAgent agent)
{
	return agent == KAM_WAVE1_EVALUATOR ? 0 : kam_agent_wave(agent);
}

static KamPiece
schema_of(KamJob *job, KamAgent agent)
{
	const KamAgentConfig *config = &job->config->agent[agent];
	const KamPiece none = {NULL, 0};
	int			most = config->dialect.schema_below;

	if (job->contact_tokens == 0 && job->contact_text != NULL)
		job->contact_tokens = kam_prompt_tokens(strlen(job->contact_text));
	if (most > 0 && job->contact_tokens >= most)
		return none;
	return config->model.traits.structured && config->dialect.json == KAM_JSON_SCHEMA ? config->envelope : none;
}

KamPiece
kam_prefix_schema(KamJob *job, KamAgent agent)
{
	return schema_of(job, agent);
}

/* Whether two agents, the first of the present stage and asked of this model, are asked with the same bytes up to the contact's end. */
static bool
share(KamJob *job, KamAgent hand, const char *model, KamAgent other)
{
	const KamAgentConfig *a = &job->config->agent[hand],
			   *b = &job->config->agent[other];

	return b->provider != NULL && strcmp(a->provider, b->provider) == 0 && strcmp(model, b->model.name) == 0 &&
		kam_prompt_reads_activities(hand) == kam_prompt_reads_activities(other) && schema_of(job, hand).data == schema_of(job, other).data;
}

/* Whether calls of this prefix go one before the others. */
static bool
is_warmed(KamJob *job, KamAgent agent)
{
	return kam_cache_warm > 0 && kam_prompt_tokens(kam_config_common(job->config)->text.len + kam_job_contact_part(job, agent)->text.len) >= kam_cache_warm;
}

void
kam_prefix_keep(KamJob *job, KamAgent agent, const char *model, bool *contact, bool *wave)
{
	bool		warm = is_warmed(job, agent);
	int			writer = -1;
	bool		beside = false,
				later = false;

	for (int i = 0; i < KAM_AGENTS; i++)
	{
		if (!share(job, agent, model, (KamAgent) i))
			continue;
		if (writer < 0)
			writer = i;
		beside |= i != (int) agent && stage_of((KamAgent) i) == stage_of(agent);
		later |= stage_of((KamAgent) i) != stage_of((KamAgent) writer);
	}
	if (writer == (int) agent || writer < 0)
		*contact = later || (beside && warm);
	else
		*contact = warm || job->run->iteration > 1 || stage_of((KamAgent) writer) != stage_of(agent);
	/* Synthesis and judge are told the same of the waves. */
	*wave = (warm && beside) || (!kam_prompt_reads_activities(agent) && *contact);
}

bool
kam_prefix_waits(KamJob *job, KamAgent agent)
{
	const char *model = job->config->agent[agent].model.name;
	bool		others = false;

	if (!is_warmed(job, agent))
		return false;
	for (int i = 0; i < KAM_AGENTS; i++)
	{
		KamCallState state = job->call[i].state;

		if (i == (int) agent || stage_of((KamAgent) i) != stage_of(agent) || !share(job, agent, model, (KamAgent) i))
			continue;
		if (job->begun & (1u << i))
			return false;
		others |= state == KAM_CALL_ADMITTED || state == KAM_CALL_IN_FLIGHT;
	}
	return others;
}

bool
kam_prefix_begun(KamJob *job)
{
	unsigned	before = job->begun;

	for (int i = 0; i < KAM_AGENTS; i++)
	{
		const KamCall *call = &job->call[i];

		if (call->transfer != NULL && (call->state == KAM_CALL_IN_FLIGHT || call->state == KAM_CALL_ENDED) && kam_transfer_has_begun(call->transfer))
			job->begun |= 1u << i;
	}
	return job->begun != before;
}
