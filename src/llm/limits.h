/*
 * llm/limits.h: how fast a provider and model may be asked.
 *
 * A lane per (provider, model): token buckets for requests, input and output
 * tokens, all unlimited until response headers or a 429 teach otherwise; a
 * breaker; a ramp after a 429.  Pure: time comes in, in microseconds.
 */
#pragma once

#include "llm/fate.h"
#include "llm/limits_headers.h"

typedef struct KamLimits KamLimits;
typedef struct KamLane KamLane;

extern KamLimits *kam_limits_new(void);	/* NULL when memory is exhausted */
extern void kam_limits_free(KamLimits *limits);
/* Found or made; lives as long as the limits; NULL when memory is exhausted. */
extern KamLane *kam_limits_lane(KamLimits *limits, const char *provider, const char *model);
extern KamLane *kam_limits_next(const KamLimits *limits, const KamLane *after);	/* to list them; NULL first and last */

/*
 * Whether a call of about so many tokens may be sent now: 0, and it is counted
 * as sent; else the milliseconds after which to ask again (at least 1).
 */
extern int64_t kam_lane_admit(KamLane *lane, int64_t input_tokens, int64_t output_tokens, int64_t now_us);
/* An admitted call that was not sent after all. */
extern void kam_lane_withdraw(KamLane *lane, int64_t input_tokens, int64_t output_tokens, int64_t now_us);
/* An admitted call has ended: what was estimated is corrected, what the headers and its fate teach is taken up. */
extern void kam_lane_settle(KamLane *lane, int64_t input_tokens, int64_t output_tokens, const KamResult *result,
							const KamFate *fate, int64_t now_us);

/* For people: kam_lanes(). */
typedef struct KamLaneState
{
	const char *provider,
			   *model;
	int			in_flight;
	bool		open,			/* the breaker has tripped: one probe at a time */
				recovering;		/* it has closed again: few calls at once until they succeed */
	int64_t		closed_until_us;	/* nothing is sent before; 0: not so */
	double		requests_per_minute,
				input_per_minute,
				output_per_minute,
				tokens_per_minute;	/* input and output together; each as learnt, 0: no limit known */
	double		left[KAM_METERS];	/* what of each may be taken now, below 0 a debt; of no meaning where no header told a limit ... */
	bool		told[KAM_METERS];	/* ... which is here */
	const char *why;			/* "" or why nothing is sent */
} KamLaneState;
extern void kam_lane_state(const KamLane *lane, int64_t now_us, KamLaneState *out);
/* When anything was asked of any lane last, microseconds since 1970; 0: never. */
extern int64_t kam_limits_used_us(const KamLimits *limits);
