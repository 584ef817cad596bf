/*
 * worker/job.h: one run in the worker's hands.
 *
 * A job goes round: kam_job_prepare makes its next step in memory, outside any
 * transaction; kam_job_write writes that step inside one; kam_job_done takes
 * note of the commit.  A step that was prepared and not committed can be
 * written again, never made again.
 */
#pragma once

#include "postgres.h"

#include "store/store.h"
#include "worker/unit.h"
/* after the server's headers */
#include "pg/json.h"
#include "core/pipeline.h"

/* What the runs of one claim share: the agents' rows and what messages draw on. */
typedef struct KamAgentConfig
{
	const char *provider;		/* NULL: no row */
	const char *api;
	const char *model;
	int			prompt_version;
	json_t	   *schema;			/* NULL: no prompt of that version */
} KamAgentConfig;

typedef struct KamConfig
{
	MemoryContext context;
	int			users;			/* jobs; the last one to go deletes the context */
	KamAgentConfig agent[KAM_AGENTS];
	json_t	   *resources,
			   *practices;
} KamConfig;

typedef enum KamStepKind
{
	KAM_STEP_NONE,
	KAM_STEP_CALL,				/* a call was made: its row */
	KAM_STEP_SAVE,				/* the decision */
	KAM_STEP_FINISH,			/* the judge's scores, the end */
	KAM_STEP_FAIL,				/* the end, with the reason */
	KAM_STEP_POSTPONE			/* back into the queue */
} KamStepKind;

typedef struct KamStep
{
	KamStepKind kind;
	bool		has_call;		/* "call" is to be written */
	KamCallRow	call;
	const char *status;			/* where the run stands after it */
	int			iteration;
	KamDecisionRow decision;
	bool		contacts;		/* KAM_STEP_SAVE: the decision writes to somebody */
	double		overall_score;
	Jsonb	   *criteria;
	const char *verdict;		/* NULL: nobody judged */
	char	   *error;
	char		sqlstate[6];
	bool		counted;		/* KAM_STEP_POSTPONE: counts as an attempt */
} KamStep;

typedef struct KamJob
{
	MemoryContext context;		/* holds all of it; deleting it frees all of it */
	MemoryContext step_context; /* of the present step */
	KamClaim	claim;
	char	   *session;		/* the session_id as text */
	KamRecordedCall *recorded;
	int			nrecorded;
	Jsonb	   *saved;			/* decision saved before a crash, or NULL */
	Jsonb	   *replayed_history;	/* for a run taken up again in wave 2 or later, or NULL */
	bool		is_forbidden;	/* nobody may write to this contact ... */
	KamForbidden forbidden;		/* ... for this reason */
	KamConfig  *config;
	KamRun	   *run;			/* NULL until opened */
	json_t	   *history;		/* NULL until wave 2 asks */
	int			next_call_no;
	const char *status;			/* as the row says */
	int			iteration;
	bool		clean;			/* the row shows no failed attempt */
	TimestampTz renewed;		/* when the lease was */
	KamStep		step;
	bool		lost;			/* the lease was found lost while writing */
} KamJob;

extern KamConfig *kam_config_load(void);	/* inside a unit */
extern void kam_config_release(KamConfig *config);

/* Inside a unit: reads what a claimed run has recorded. */
extern void kam_job_load(KamJob *job);

extern bool kam_job_needs_history(const KamJob *job);
/* Takes a reference of its own. */
extern void kam_job_give_history(KamJob *job, json_t *history);

/* Outside a transaction.  Never raises but for the process's end. */
extern void kam_job_prepare(KamJob *job);
/* Inside a unit.  Sets job->lost when the run is no longer ours; nothing is written then. */
extern void kam_job_write(KamJob *job, int owner);
/* After the commit; true when the job is over. */
extern bool kam_job_done(KamJob *job);

/* Replaces the step by a failure or a postponement, as the error asks for. */
extern void kam_job_fail(KamJob *job, const ErrorData *error);
extern void kam_job_postpone(KamJob *job, const char *why, bool counted);

extern KamJob *kam_job_new(MemoryContext parent);
extern void kam_job_free(KamJob *job);
