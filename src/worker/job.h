/*
 * worker/job.h: one run in the worker's hands.
 *
 * A job goes round: kam_job_prepare makes its next step in memory, outside any
 * transaction; kam_jobs_write writes that step inside one; kam_job_done takes
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
#include "worker/call.h"
#include "worker/config.h"

typedef enum KamStepKind
{
	KAM_STEP_NONE,				/* nothing but what is under way */
	KAM_STEP_CALL,				/* rows of calls */
	KAM_STEP_SAVE,				/* the decision */
	KAM_STEP_FINISH,			/* the judge's scores, the end */
	KAM_STEP_FAIL,				/* the end, with the reason */
	KAM_STEP_POSTPONE,			/* back into the queue */
	KAM_STEP_PUT_ASIDE,			/* until a person decides */
	KAM_STEP_WAIT				/* back into the queue, until a budget has room */
} KamStepKind;

typedef enum KamStepRowKind
{
	KAM_ROW_WHOLE,				/* made and answered at once */
	KAM_ROW_BEGUN,				/* the intent */
	KAM_ROW_ENDED,
	KAM_ROW_REPLAY,				/* answered by what is recorded, when it is written */
	KAM_ROW_REFUSED				/* an intent that no budget has room for: not written, not sent */
} KamStepRowKind;

typedef struct KamStepRow
{
	KamStepRowKind kind;
	KamCallRow	row;
	KamCall    *call;			/* KAM_ROW_BEGUN, KAM_ROW_REPLAY */
	bool		reserved;		/* KAM_ROW_BEGUN: what it may cost is reserved, or is about to be */
} KamStepRow;

/* Four ends, what stands in for four, four intents. */
#define KAM_STEP_ROWS 12

typedef struct KamStep
{
	KamStepKind kind;
	KamStepRow	row[KAM_STEP_ROWS];	/* written with KAM_STEP_CALL and KAM_STEP_FAIL */
	int			nrows;
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
	TimestampTz until;			/* KAM_STEP_WAIT */
} KamStep;

typedef enum KamRefusalKind
{
	KAM_NOT_REFUSED,
	KAM_REFUSED_FOR_NOW,		/* calls under way may leave room when they are settled */
	KAM_REFUSED_DAY,			/* until the day turns */
	KAM_REFUSED_RUN				/* the run's own budget: the built-in agents answer */
} KamRefusalKind;

/* Why a call of the run was not sent (budget.c). */
typedef struct KamRefusal
{
	KamRefusalKind kind;
	char	   *why;			/* of the job */
	int			budget;			/* for budget.c, as long as its generation is this */
	uint32		generation;
	KamTime		midnight;		/* when the day turns */
} KamRefusal;

typedef struct KamJob
{
	MemoryContext context;		/* holds all of it; deleting it frees all of it */
	MemoryContext step_context; /* of the present step */
	KamClaim	claim;
	char	   *session;		/* the session_id as text */
	char	   *told_session;	/* as the decision states it: a replay's is that of the run replayed */
	KamRecordedCall *recorded;
	int			nrecorded;
	Jsonb	   *saved;			/* decision saved before a crash, or NULL */
	Jsonb	   *original;		/* of a replay: what the run replayed decided, or NULL ... */
	bool		original_overruled;	/* ... because of an opt-out that came while its agents worked */
	Jsonb	   *replayed_history;	/* for a run taken up again in wave 2 or later, or a replay; or NULL */
	pg_uuid_t  *learnt;			/* sessions of the history just given, to be kept with the next step */
	int			nlearnt;
	char	   *halt;			/* what keeps a run taken up again from going on: a call in doubt */
	bool		halt_fails;		/* that ends it; else it is put aside */
	char	   *fatal;			/* why the run fails once its other calls are answered, or NULL */
	const char *fatal_sqlstate;
	bool		is_forbidden;	/* nobody may write to this contact ... */
	KamForbidden forbidden;		/* ... for this reason */
	KamConfig  *config;
	KamRun	   *run;			/* NULL until opened */
	char	   *contact_text;	/* the contact as its jsonb says it; NULL when no model is asked */
	int64		contact_tokens; /* about so many, 0: not looked at yet */
	KamCall		call[KAM_AGENTS];
	MemoryContext stage_context;	/* prompts of the present stage */
	KamArena   *stage_arena;
	KamPart		wave_part;		/* of the present stage */
	MemoryContext contact_context;	/* of the next */
	KamPart		contact_part[2];	/* without and with the activities */
	KamRunStage stage;			/* whose prompts these are */
	int			stage_iteration;
	unsigned	begun;			/* a bit each for the agents whose answers have begun in this stage */
	bool		wants_first_byte;	/* calls wait for another's answer to begin */
	int			attempts[KAM_AGENTS];	/* rows of this iteration */
	int			attempts_iteration;
	json_t	   *history;		/* NULL until wave 2 asks */
	int			next_call_no;
	const char *status;			/* as the row says */
	int			iteration;
	bool		clean;			/* the row shows no failed attempt */
	TimestampTz renewed;		/* when the lease was */
	KamStep		step;
	KamMoney	spent,			/* by its recorded calls */
				reserved;
	bool		is_broke;		/* its own budget is spent: no model is asked any more */
	KamRefusal	refusal;
	int			refused;		/* times in a row that it was refused for now */
	bool		lost;			/* the lease was found lost while writing */
	bool		over;			/* out of hand */
	/* when it is looked at again */
	bool		ready;			/* at once */
	int64		wake_at;		/* then (microseconds since 1970); 0: when something ends */
	bool		wants_room;		/* when a slot comes free */
	bool		unwritten;		/* the step could not be written for the moment: it is written again, not made again */
	int			write_attempts;
} KamJob;

/* Inside a unit: reads what a claimed run has recorded. */
extern void kam_job_load(KamJob *job);
/* The same unit, once all are loaded: whether anybody may write to their contacts. */
extern void kam_jobs_load_compliance(KamJob *const *job, int count);

extern bool kam_job_needs_history(const KamJob *job);
/* Takes a reference of its own. */
extern void kam_job_give_history(KamJob *job, json_t *history);

/* Outside a transaction.  Never raises but for the process's end.  KAM_STEP_NONE: nothing to write. */
extern void kam_job_prepare(KamJob *job);
/* Inside a unit.  Sets job->lost where the run is no longer ours; nothing is written of it then. */
extern void kam_jobs_write(KamJob *const *job, int count, int owner);
/* After the commit; true when the job is over.  Sends what was announced. */
extern bool kam_job_done(KamJob *job);
/* Calls under way, or over and not looked at yet. */
extern int	kam_job_in_flight(const KamJob *job);

/* job_prompts.c: what lives as long as the stage, and the parts of its prompts: the agent's own is made anew each time. */
extern KamArena *kam_job_stage_arena(KamJob *job);
extern const KamPart *kam_job_contact_part(KamJob *job, KamAgent agent);
extern const KamPart *kam_job_wave_part(KamJob *job, KamAgent agent);
extern KamPiece kam_job_own_part(KamJob *job, KamAgent agent);

/* Replaces the step by a failure or a postponement, as the error asks for. */
extern void kam_job_fail(KamJob *job, const ErrorData *error);
extern void kam_job_postpone(KamJob *job, const char *why, bool counted);

extern KamJob *kam_job_new(MemoryContext parent);
extern void kam_job_free(KamJob *job);
