/*
 * worker/job_prompts.c: the parts of a run's prompts, each made once for all
 * the calls that share it.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/job_parts.h"
/* after the server's headers */
#include "llm/prompt.h"
#include "pg/memory.h"

/* A new stage's prompts take the place of the last one's. */
static void
enter_stage(KamJob *job)
{
	if (job->stage_arena != NULL && job->stage == job->run->stage && job->stage_iteration == job->run->iteration)
		return;
	MemoryContextReset(job->stage_context);
	job->stage_arena = NULL;
	job->wave_part.text = (KamPiece) {NULL, 0};
	job->stage = job->run->stage;
	job->begun = 0;
	job->stage_iteration = job->run->iteration;
}

KamArena *
kam_job_stage_arena(KamJob *job)
{
	enter_stage(job);
	if (job->stage_arena == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(job->stage_context);

		job->stage_arena = kam_pg_arena();
		MemoryContextSwitchTo(old);
	}
	return job->stage_arena;
}

typedef KamPiece (*MakePart) (const KamEnv *env, KamAgent agent, const KamInputs *in, const char *text);

/* A part whose text alone is kept, in a context: making it takes many times as much. */
static KamPiece
make_part(KamJob *job, KamAgent agent, MakePart make, const char *text, MemoryContext context)
{
	MemoryContext making = AllocSetContextCreate(CurrentMemoryContext, "kam prompt in the making", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(making);
	KamEnv		env = job->run->env;
	KamPiece	made;
	char	   *kept;

	env.arena = kam_pg_arena();
	kam_json_in_arena(env.arena);
	PG_TRY();
	{
		made = make(&env, agent, kam_run_inputs(job->run, agent), text);
	}
	PG_FINALLY();
	{
		kam_json_usual();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	kept = MemoryContextAllocHuge(context, made.len + 1);
	memcpy(kept, made.data, made.len + 1);
	MemoryContextDelete(making);
	return (KamPiece) {kept, made.len};
}

/* Made once for the agents that read the activities, once for those that do not. */
const KamPart *
kam_job_contact_part(KamJob *job, KamAgent agent)
{
	KamPart    *part = &job->contact_part[kam_prompt_reads_activities(agent)];

	if (part->text.data == NULL)
		kam_part_set(part, make_part(job, agent, kam_prompt_contact, job->contact_text, job->contact_context));
	return part;
}

static KamPiece
make_wave(const KamEnv *env, KamAgent agent, const KamInputs *in, const char *text)
{
	return kam_prompt_wave(env, agent, in);
}

const KamPart *
kam_job_wave_part(KamJob *job, KamAgent agent)
{
	enter_stage(job);
	if (job->wave_part.text.data == NULL)
		kam_part_set(&job->wave_part, make_part(job, agent, make_wave, NULL, job->stage_context));
	return &job->wave_part;
}

KamPiece
kam_job_own_part(KamJob *job, KamAgent agent)
{
	enter_stage(job);
	return make_part(job, agent, kam_prompt_own, job->config->agent[agent].prompt, job->stage_context);
}
