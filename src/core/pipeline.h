/*
 * core/pipeline.h: the workflow as a pure state machine (design section 7).
 *
 *   queued -> wave1 -> evaluation -> wave2 -> synthesis -> guard -> saved -> judged
 *               ^__________|                        |________^
 *     (at most 3 iterations, only the agents        repair, at most once
 *      with an instruction)
 *   any of them -> guard -> judged, when the contact must not be written to (kam_run_forbid)
 *
 * The guard checks the synthesis (check.h) and repairs what has one right
 * value.  Errors that are left go back once to whoever can mend them, if a
 * model answered: faults of the message's wording to the content generator,
 * since the synthesis must pass the message on as it is, all others to the
 * synthesis; to both at once where there are both, each with its findings.  A
 * new message takes the place of the old one without the synthesis being asked.
 * The answers are checked and repaired likewise; what is still wrong is
 * replaced by the built-in decision, and so is at once what a built-in agent
 * got wrong.  While it waits for them the run's status is "guard".
 *
 * The shell (worker or kam_decide) asks which calls are due, makes them,
 * records each, and hands the outputs back.  The same recorded outputs always
 * lead to the same state, so a run goes on after a crash from its rows alone.
 */
#pragma once

#include "core/agents.h"
#include "core/check.h"

typedef enum KamRunStage
{
	KAM_RUN_WAVE1, KAM_RUN_EVALUATION, KAM_RUN_WAVE2, KAM_RUN_SYNTHESIS,
	KAM_RUN_REPAIR,				/* the guard has sent something back */
	KAM_RUN_GUARD,				/* the decision is made */
	KAM_RUN_SAVED, KAM_RUN_JUDGED
} KamRunStage;

#define KAM_MAX_ITERATIONS 3

typedef struct KamRun
{
	KamEnv		env;			/* arena is the run's own */
	KamContact	contact;
	KamFacts	facts;
	KamPlan		plan;
	KamScore	score;
	KamInputs	in;
	KamRunStage stage;
	int			iteration;		/* 1-3 */
	bool		due[KAM_AGENTS];	/* calls of this stage not answered yet */
	json_t	   *output[KAM_AGENTS];	/* owned, latest per agent */
	json_t	   *earlier[KAM_AGENTS];	/* owned: rounds.c, the output of the round before while this one runs */
	json_t	   *kept;			/* owned: rounds.c, array: which rounds were worse than the one before */
	bool		by_model[KAM_AGENTS];	/* a model gave that output: it can be asked for a better one */
	json_t	   *decision;		/* owned: set from guard on */
	json_t	   *findings;		/* owned: array, what the guard found in the synthesis */
	json_t	   *repairs;		/* owned: array, of the decision that stands */
	json_t	   *sent_back[KAM_AGENTS];	/* owned: the findings that an agent was asked to mend, or NULL */
	json_t	   *again[KAM_AGENTS];	/* owned: its answer to them, until all have come */
	json_t	   *repair_call;	/* owned: {asked, agents, findings, helped, left}, NULL when nothing was sent back */
	bool		replaced;		/* the built-in decision took the place of the synthesis */
	bool		forced;			/* wave 1 forced on after the third iteration */
	const KamForbidden *forbidden;	/* NULL: the contact may be written to, as far as is known */
	const char *overruled;		/* action of the decision that gave way to that, or NULL */
} KamRun;

/*
 * Reads the contact and computes facts, plan and score.  The json must outlive
 * the run.  False with *error on bad input.  resources, practices and history
 * are borrowed and may be NULL.
 */
extern bool kam_run_open(KamRun *run, KamArena *arena, const KamEnv *env, const json_t *contact,
						 const char *session_id, KamError *error);
extern void kam_run_close(KamRun *run);		/* releases the json_t it owns; the arena is the caller's */

extern const char *kam_run_stage_name(KamRunStage stage);

/* The next call due, in table order, or -1 when the stage waits for none. */
extern int	kam_run_next_call(const KamRun *run);
/* Inputs for that call. */
extern const KamInputs *kam_run_inputs(KamRun *run, KamAgent agent);
/* Takes an output (steals the reference) of a due call and advances as far as it goes. */
extern void kam_run_accept(KamRun *run, KamAgent agent, json_t *output);
/* The same of a model's answer. */
extern void kam_run_accept_model(KamRun *run, KamAgent agent, json_t *output);

/*
 * Nobody may write to this contact: ends the run in the guard with no_action,
 * from the tree alone.  No call is due any more, the judge's neither.  A
 * decision made already gives way.  What "forbidden" points to must outlive
 * the run.
 */
extern void kam_run_forbid(KamRun *run, const KamForbidden *forbidden);

/* The shell has saved the guarded decision: the judge is due, unless nobody was asked for it. */
extern void kam_run_saved(KamRun *run);

/* What the guard did, for people to read and as it is kept beside the decision; a new reference. */
extern json_t *kam_run_guard_json(const KamRun *run);

/* The whole run with the built-in agents, up to the judge when "judge"; for kam_decide. */
extern void kam_run_builtin(KamRun *run, bool judge);
