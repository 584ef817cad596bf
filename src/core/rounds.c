/*
 * core/rounds.c: of two answers of an agent of wave 1 the better one goes on.
 *
 * Part of the run's state machine: what it does depends on the answers alone,
 * so that a run goes on after a crash from its rows.
 */
#include "core/rounds.h"

void
kam_rounds_take(KamRun *run, KamAgent agent, json_t *output)
{
	json_decref(run->earlier[agent]);
	run->earlier[agent] = run->output[agent];
	run->output[agent] = output;
	run->in.output[agent] = output;
}

static bool
is_worse(const KamAnalysisFaults *now, const KamAnalysisFaults *before, int agent)
{
	if (now->misshapen[agent] != before->misshapen[agent])
		return now->misshapen[agent] > before->misshapen[agent];
	return now->faults[agent] > before->faults[agent];
}

static void
note(KamRun *run, int agent, int faults, int faults_before)
{
	json_t	   *row = kam_object();

	if (run->kept == NULL)
		run->kept = kam_array();
	kam_push(run->kept, row);
	kam_put(row, "agent", kam_string(kam_agent_name((KamAgent) agent)));
	kam_put(row, "iteration", kam_integer(run->iteration));
	kam_put(row, "faults", kam_integer(faults));
	kam_put(row, "faults_before", kam_integer(faults_before));
}

void
kam_rounds_settle(KamRun *run)
{
	KamAnalysisFaults now;

	run->in.earlier_kept = 0;
	if (run->iteration == 1)
		return;
	kam_analyses_examine(&run->env, &run->in, &now);
	for (int agent = 0; agent < KAM_WAVE1_EVALUATOR; agent++)
	{
		KamInputs	other = run->in;
		KamAnalysisFaults before;

		if (run->earlier[agent] == NULL)
			continue;
		/* Beside the same answers of the others: a fact may be told by any of the four. */
		other.output[agent] = run->earlier[agent];
		kam_analyses_examine(&run->env, &other, &before);
		if (is_worse(&now, &before, agent))
		{
			json_decref(run->output[agent]);
			run->output[agent] = run->earlier[agent];
			run->in.output[agent] = run->output[agent];
			run->in.earlier_kept |= 1u << agent;
			note(run, agent, now.faults[agent], before.faults[agent]);
			now = before;
		}
		else
			json_decref(run->earlier[agent]);
		run->earlier[agent] = NULL;
	}
}

void
kam_rounds_close(KamRun *run)
{
	for (int i = 0; i < KAM_AGENTS; i++)
	{
		json_decref(run->earlier[i]);
		run->earlier[i] = NULL;
	}
	json_decref(run->kept);
	run->kept = NULL;
}
