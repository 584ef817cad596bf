/*
 * worker/call.h: one agent's answer for one run, from the first attempt to
 * what stands in for it.
 *
 *   wanted --admitted, intent in the step--> admitted --commit, sent--> in flight
 *     ^                                                                    |
 *     |____________ again: retry, other model, repair ____________ ended <-'
 *                                                                    |
 *                                       accepted, stood in for, or the run fails
 *
 * An attempt is a row of agent_call.  It is written as "sending" before a byte
 * leaves, and written again with its end.
 */
#pragma once

#include "postgres.h"

#include "store/store.h"
/* after the server's headers */
#include "worker/config.h"
#include "worker/network.h"

typedef enum KamCallState
{
	KAM_CALL_NONE,
	KAM_CALL_WANTED,
	KAM_CALL_ADMITTED,
	KAM_CALL_IN_FLIGHT,
	KAM_CALL_ENDED
} KamCallState;

typedef struct KamCall
{
	struct KamJob *job;
	KamAgent	agent;
	KamCallState state;
	bool		built;			/* request and row are those of the present attempt */
	int			tries;			/* of the present model, failed */
	bool		on_fallback;
	bool		repaired;		/* the one repair was made, or is being made */
	int			max_tokens;		/* 0: the agent's */
	int64		not_before;		/* microseconds since 1970; 0: at once */
	char	   *rejected,		/* the answer to be repaired, and why; of the job */
			   *complaint;
	/* the present attempt */
	KamCallRow	row;
	uint8		sha256[32];
	KamRequest	request;
	KamLane    *lane;
	int64		input_tokens,	/* as estimated */
				output_tokens;
	KamTransfer *transfer;
	const char *start_fault;	/* why it could not even begin, or NULL */
	KamRecording recording;		/* what was found while the row of a replayed call was written; of the job */
} KamCall;

/* kam_call_admit: a budget has no room for it; job->refusal says why. */
#define KAM_NO_MONEY (-2)
/* error_class of a call that its run's budget did not let go. */
#define KAM_BUDGET_CLASS "budget"

typedef enum KamCallOutcome
{
	KAM_CALL_ACCEPTED,			/* *output, a new reference */
	KAM_CALL_AGAIN,				/* wanted again, not before call->not_before */
	KAM_CALL_STAND_IN,			/* no usable answer is to be had: the built-in agent's takes its place */
	KAM_CALL_FATAL				/* the run fails: *fault */
} KamCallOutcome;

/* Begins to want an answer.  failed: attempts recorded before a crash that failed. */
extern void kam_call_want(KamCall *call, struct KamJob *job, KamAgent agent, int failed);

/*
 * Asks to send: 0 when admitted, and call->row is the intent; else the
 * milliseconds after which to ask again, -1 when a slot must come free first,
 * or KAM_NO_MONEY.  *fault (an SQLSTATE and why) when it can never be sent.
 */
extern int64 kam_call_admit(KamCall *call, const char **sqlstate, char **fault);
/* The intent is committed: off it goes.  Never raises. */
extern void kam_call_send(KamCall *call);
/* It was admitted, and is not sent after all: wanted as before. */
extern void kam_call_take_back(KamCall *call);
/* Its transfer has ended: call->row gets its end, and says what comes of it. */
extern KamCallOutcome kam_call_digest(KamCall *call, json_t **output, char **fault);
/* The same where a recorded answer is looked for instead of asking; *provider: who gave it, NULL when unknown. */
extern KamCallOutcome kam_call_digest_recording(KamCall *call, json_t **output, const char **provider, char **fault);
/* The run is leaving this worker's hands: breaks off what is under way. */
extern void kam_call_drop(KamCall *call);

/* Faults of an output against its agent's schema (NULL: none to keep) as one text, or NULL. */
extern char *kam_call_schema_faults(KamArena *arena, const json_t *schema, const json_t *output);
