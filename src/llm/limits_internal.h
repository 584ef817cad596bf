/*
 * llm/limits_internal.h: what the files of llm/limits.h share: the lane, and
 * what each of them does with its part of it.
 */
#pragma once

#include "llm/limits.h"
#include "llm/limits_headers.h"

#define SLICE_S 0.05			/* sendings this close together are remembered as one */
#define SLICES 4096
#define LONGEST_WAIT_S (KAM_LONGEST_WAIT_MS / 1000.0)

/* ---- what a lane is ----------------------------------------------------------------- */

typedef struct Bucket
{
	bool		known;
	double		limit,			/* per window, and the most that can be saved up */
				window_s,
				level,			/* what may be taken now; below zero: a debt, at most the limit */
				told_at;		/* when a header last spoke of it */
	int			short_resets;	/* in a row ... */
	double		short_since;	/* ... since then */
} Bucket;

typedef struct Pace
{
	bool		known;
	double		ceiling,		/* calls a second that went through when the last 429 came */
				floor,			/* no 429 of the same burst brings the ceiling below it */
				cut_at,			/* a 429 of a call sent before belongs to the same burst */
				from,			/* when the ramp begins */
				patience,		/* 1 to PATIENCE */
				level;
	double		seen,			/* calls that seemed to have gone through ... */
				seen_s;			/* ... in so many seconds, when it was cut */
	double		series_at,		/* cuts since then had no call go through between them ... */
				series_ceiling; /* ... and this was the ceiling after the first; 0: calls do go through */
} Pace;

typedef struct Breaker
{
	bool		open;
	int			failures;		/* in a row */
	double		wait_s,			/* between probes */
				next_at;		/* no probe before */
	bool		probing;		/* one is out ... */
	double		probe_at;		/* ... since then */
	bool		recovering;
	int			allowed;		/* calls in flight while recovering */
} Breaker;

/* Totals of all that was sent, as they stood before a moment: what went out since is a difference. */
typedef struct Slice
{
	double		at;
	double		before[KAM_METERS + 1];
} Slice;

#define REJECTED KAM_METERS		/* requests that got a 429, among the totals */

struct KamLane
{
	char	   *provider,
			   *model;
	KamLane    *next;

	int64_t		wall_us;		/* when it was last looked at; 0: never */
	double		now;			/* its own clock, in seconds; never goes back */
	double		last_sent,
				first_sent;		/* < 0: nothing yet */
	double		closed_until;
	double		newest_reading; /* when the call was sent whose headers were believed last */
	int			in_flight;

	/* Of what is in flight: as estimated by the caller, and as taken from the buckets. */
	double		estimated[KAM_METERS],
				reserved[KAM_METERS];
	double		share[KAM_METERS];	/* what calls really take of an estimate */

	Bucket		bucket[KAM_METERS];
	Pace		pace;
	Breaker		breaker;

	double		total[KAM_METERS + 1];
	Slice	   *slice;			/* SLICES of them, a ring */
	int			first_slice,
				nslices;
};

/* Not a number counts as the least. */
static inline double
kam_clamp(double value, double least, double most)
{
	return !(value > least) ? least : value > most ? most : value;
}

/* Totals as they stood right after a moment of the lane's clock; false when that is too long ago. */
extern bool kam_lane_totals_at(const KamLane *lane, double at, double out[KAM_METERS + 1]);

/* ---- limits_buckets.c ---------------------------------------------------------------- */

/* What flows back, per second. */
extern double kam_bucket_rate(const Bucket *bucket);
/* Takes up what an answer's headers say; sent_at: when its call was sent. */
extern void kam_buckets_learn(KamLane *lane, const KamResult *result, double sent_at, bool answered, int64_t now_us);

/* ---- limits_pace.c --------------------------------------------------------------------- */

/* Calls a second, and calls at once, that a pace that is known allows now. */
extern double kam_pace_rate(const KamLane *lane);
extern double kam_pace_burst(const KamLane *lane);
extern void kam_pace_advance(KamLane *lane, double passed_s);
/* A call sent then got a 429; retry_after_s < 0: without advice. */
extern void kam_pace_refused(KamLane *lane, double sent_at, double retry_after_s);
/* A call sent then got something better. */
extern void kam_pace_through(KamLane *lane, double sent_at);
