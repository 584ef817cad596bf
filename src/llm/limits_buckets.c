/*
 * llm/limits_buckets.c: what response headers teach the buckets of a lane.
 *
 * A bucket is kept by our own account between two answers; what a server says
 * it has left corrects it, less what the server cannot have counted yet.
 */
#include "llm/limits_internal.h"

#define WINDOW_S 60.0			/* what a limit is for, unless told otherwise */
#define LONGEST_WINDOW_S 86400.0
#define HEADROOM 0.98			/* of a limit is used: clocks and roundings differ */
#define RAISE 0.25				/* of the gap, when a server has more left than we believe */
#define TELLING_USE 0.05		/* share used up from which a reset says how long the window is */
#define LONG_RESET_S 90.0		/* a reset further off than this is no minute's */
#define LONG_RESET_BY_CLOCK_S 3600.0	/* the same where clocks may differ */
#define SHORT_RESET_S 2.0		/* at half used up, again and again: the limit is for a second */
#define SHORT_RESETS 8
#define SHORT_RESETS_S 90.0
#define BUCKET_FORGOTTEN_S 600.0	/* answers come, but none speaks of the limit any more */

double
kam_bucket_rate(const Bucket *bucket)
{
	return HEADROOM * bucket->limit / bucket->window_s;
}

/* How long a limit's window is, from how much is used and when all of it is back. */
static void
learn_window(Bucket *bucket, const KamReading *reading, double now)
{
	double		used = reading->limit - reading->remaining;
	double		long_reset = reading->reset_by_clock ? LONG_RESET_BY_CLOCK_S : LONG_RESET_S;

	if (reading->window_s > 0)
	{
		bucket->window_s = reading->window_s;
		return;
	}
	if (!reading->has_remaining || !reading->has_reset || used < TELLING_USE * reading->limit)
		return;
	if (reading->reset_s > long_reset)
		bucket->window_s = kam_clamp(reading->reset_s * reading->limit / used, WINDOW_S, LONGEST_WINDOW_S);
	else if (bucket->window_s > WINDOW_S)
		bucket->window_s = WINDOW_S;

	/* Half of a minute's limit is back in half a minute: where it always takes a moment, the limit is for a second. */
	if (reading->reset_by_clock || used < reading->limit / 2)
		return;
	if (reading->reset_s > SHORT_RESET_S)
	{
		bucket->short_resets = 0;
		if (bucket->window_s < WINDOW_S)
			bucket->window_s = WINDOW_S;
		return;
	}
	if (bucket->short_resets++ == 0)
		bucket->short_since = now;
	if (bucket->short_resets >= SHORT_RESETS && now - bucket->short_since >= SHORT_RESETS_S)
		bucket->window_s = 1;
}

/*
 * What a server has left now, from what it said for a call sent at sent_at.
 * A server that counts on arrival has not counted what went out since, nor
 * what flowed back since; one that counts while it answers has counted both.
 * We do not know which it is: the lower of the two is taken.
 */
static bool
left_now(const KamLane *lane, KamMeter meter, const KamReading *reading, double sent_at, double *out)
{
	double		then[KAM_METERS + 1];
	double		more;

	if (!reading->has_remaining || sent_at < lane->newest_reading || !kam_lane_totals_at(lane, sent_at, then))
		return false;
	more = lane->total[meter] - then[meter] - (lane->now - sent_at) * kam_bucket_rate(&lane->bucket[meter]);
	/* Output is counted as it comes: what is in flight will still be taken. */
	if (meter == KAM_METER_OUTPUT)
		more = lane->reserved[meter];
	*out = (reading->remaining < reading->limit ? reading->remaining : reading->limit) - (more > 0 ? more : 0);
	return true;
}

static void
take_reading(KamLane *lane, KamMeter meter, KamReading *reading, double sent_at)
{
	Bucket	   *bucket = &lane->bucket[meter];
	bool		first = !bucket->known;
	double		left;

	if (!reading->has_limit)
	{
		if (first)
			return;				/* a rest without a limit: of what rate? */
		reading->limit = bucket->limit;
	}
	if (first)
		*bucket = (Bucket) {.known = true, .window_s = WINDOW_S};
	bucket->limit = reading->limit;
	bucket->told_at = lane->now;
	learn_window(bucket, reading, lane->now);
	if (first)
		bucket->level = bucket->limit - lane->reserved[meter];
	if (left_now(lane, meter, reading, sent_at, &left))
		bucket->level = first || left < bucket->level ? left : bucket->level + RAISE * (left - bucket->level);
	bucket->level = kam_clamp(bucket->level, -bucket->limit, bucket->limit);
}

void
kam_buckets_learn(KamLane *lane, const KamResult *result, double sent_at, bool answered, int64_t now_us)
{
	KamReading	reading[KAM_METERS];
	int			told = kam_limit_headers_read(result->header, result->nheaders, now_us, reading);

	for (int i = 0; i < KAM_METERS; i++)
	{
		Bucket	   *bucket = &lane->bucket[i];

		if (reading[i].has_limit || reading[i].has_remaining)
			take_reading(lane, (KamMeter) i, &reading[i], sent_at);
		else if (answered && bucket->known && lane->now - bucket->told_at > BUCKET_FORGOTTEN_S)
			bucket->known = false;
	}
	if (told > 0 && sent_at > lane->newest_reading)
		lane->newest_reading = sent_at;
}
