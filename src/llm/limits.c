/*
 * llm/limits.c: the lanes of llm/limits.h.
 *
 * Four things hold a lane back, each on its own:
 *
 *   buckets	one per meter (requests, input, output, both), as response
 *				headers tell limit and rest (limits_buckets.c); none before
 *   pace		requests a second, learnt from a 429: half of what went through
 *				lately, soon all of it again, then slowly more (limits_pace.c);
 *				hardly any burst: "60 a minute" may be enforced as one a second
 *   closed		until a 429's retry-after is over
 *   breaker	open after failures in a row, then one probe at a time
 *
 * A lane keeps a clock of its own, which a wall clock that goes back only
 * stops for a moment.  Whatever it has learnt, it lets a call through after
 * SILENCE_S without one: what is believed of a server must stay testable.
 *
 * Never raises; allocates in kam_limits_new and kam_limits_lane alone.
 */
#include "llm/limits_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- constants -------------------------------------------------------------------- */

/* Breaker. */
#define TRIP_FAILURES 5			/* in a row */
#define FIRST_PROBE_S 0.5		/* after tripping; doubled with each probe that fails ... */
#define LONGEST_PROBE_S 5.0		/* ... up to this, which is also how long a probe may keep the next one waiting */
#define RECOVERY_STEP 2			/* after closing: calls in flight allowed for each success ... */
#define RECOVERED 64			/* ... until it is this many */

/* Estimates: what calls take of what was estimated, as learnt. */
#define SHARE_WEIGHT 0.1
#define SHARE_LEAST 0.02
#define SHARE_MOST 2.0
#define MOST_TOKENS 1e9

#define SILENCE_S 600.0
#define ROUNDING_S 2e-6			/* less than this is no wait */
#define ASK_AGAIN_S 0.1			/* when something in flight must end first */

struct KamLimits
{
	KamLane    *first;
};

/* ---- its clock --------------------------------------------------------------------- */

/* Brings everything to this moment. */
static void
advance(KamLane *lane, int64_t now_us)
{
	double		passed = lane->wall_us != 0 && now_us > lane->wall_us ? ((double) now_us - (double) lane->wall_us) / 1e6 : 0;

	lane->wall_us = now_us;
	lane->now += passed;
	for (int i = 0; i < KAM_METERS; i++)
	{
		Bucket	   *bucket = &lane->bucket[i];

		if (bucket->known)
			bucket->level = kam_clamp(bucket->level + passed * kam_bucket_rate(bucket), -bucket->limit, bucket->limit);
	}
	kam_pace_advance(lane, passed);
}

/* A moment of the wall clock, not long ago, on the lane's; a microsecond more, lest rounding put a call before its admission. */
static double
lane_time(const KamLane *lane, int64_t at_us)
{
	double		ago = ((double) lane->wall_us - (double) at_us) / 1e6;

	return lane->now - kam_clamp(ago, 0, lane->now) + 1e-6;
}

/* ---- what was sent ------------------------------------------------------------------- */

static void
remember(KamLane *lane)
{
	int			newest = (lane->first_slice + lane->nslices - 1) % SLICES;
	Slice	   *slice;

	if (lane->nslices > 0 && lane->now < lane->slice[newest].at + SLICE_S)
		return;
	if (lane->nslices == SLICES)
		lane->first_slice = (lane->first_slice + 1) % SLICES;
	else
		lane->nslices++;
	slice = &lane->slice[(lane->first_slice + lane->nslices - 1) % SLICES];
	slice->at = lane->now;
	memcpy(slice->before, lane->total, sizeof slice->before);
}

bool
kam_lane_totals_at(const KamLane *lane, double at, double out[KAM_METERS + 1])
{
	int			low = 0,
				high = lane->nslices;

	if (lane->nslices == SLICES && lane->slice[lane->first_slice].at > at)
		return false;
	/* the first slice that began later */
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (lane->slice[(lane->first_slice + middle) % SLICES].at > at)
			high = middle;
		else
			low = middle + 1;
	}
	memcpy(out, low < lane->nslices ? lane->slice[(lane->first_slice + low) % SLICES].before : lane->total,
		   sizeof lane->total);
	return true;
}

/* ---- the breaker --------------------------------------------------------------------------- */

static void
breaker_failed(KamLane *lane, double sent_at)
{
	Breaker    *breaker = &lane->breaker;

	if (!breaker->open)
	{
		if (++breaker->failures < TRIP_FAILURES)
			return;
		*breaker = (Breaker) {.open = true, .failures = breaker->failures, .wait_s = FIRST_PROBE_S, .next_at = lane->now + FIRST_PROBE_S};
		return;
	}
	/* Calls sent before it tripped tell nothing new. */
	if (!breaker->probing || sent_at < breaker->probe_at)
		return;
	breaker->probing = false;
	breaker->wait_s = kam_clamp(2 * breaker->wait_s, FIRST_PROBE_S, LONGEST_PROBE_S);
	breaker->next_at = lane->now + breaker->wait_s;
}

static void
breaker_succeeded(KamLane *lane)
{
	Breaker    *breaker = &lane->breaker;

	breaker->failures = 0;
	if (breaker->open)
		*breaker = (Breaker) {.recovering = true};
	if (breaker->recovering)
	{
		breaker->allowed += RECOVERY_STEP;
		breaker->recovering = breaker->allowed < RECOVERED;
	}
}

/* A probe that ended without saying whether the provider is well: another one may go. */
static void
breaker_undecided(KamLane *lane, double sent_at)
{
	Breaker    *breaker = &lane->breaker;

	if (breaker->open && breaker->probing && sent_at >= breaker->probe_at)
	{
		breaker->probing = false;
		breaker->next_at = lane->now + breaker->wait_s;
	}
}

/* ---- admission ------------------------------------------------------------------------------- */

/* Why nothing may be sent now, and for how many seconds. */
typedef struct Hindrance
{
	const char *why;
	double		wait_s;
} Hindrance;

static void
hinder(Hindrance *hindrance, double wait_s, const char *why)
{
	if (wait_s > hindrance->wait_s)
		*hindrance = (Hindrance) {why, wait_s};
}

/* By itself, whatever a call needs. */
static void
hindered_lane(const KamLane *lane, Hindrance *out)
{
	const Breaker *breaker = &lane->breaker;

	hinder(out, lane->closed_until - lane->now, "rate limit: waiting as long as the provider asked");
	if (breaker->open && breaker->probing)
		hinder(out, breaker->probe_at + LONGEST_PROBE_S - lane->now, "breaker open: waiting for a probe's answer");
	else if (breaker->open)
		hinder(out, breaker->next_at - lane->now, "breaker open: waiting until the next probe");
	if (breaker->recovering && lane->in_flight >= breaker->allowed)
		hinder(out, ASK_AGAIN_S, "recovering: few calls at once until they succeed");
	if (lane->pace.known && lane->pace.level < 1)
		hinder(out, (1 - lane->pace.level) / kam_pace_rate(lane), "rate limit: slowed down after a 429");
}

/* By a bucket that holds less than a call needs; a full one is enough for any. */
static void
hindered_bucket(const Bucket *bucket, double need, const char *why, Hindrance *out)
{
	if (!bucket->known)
		return;
	/* a little less than full: sums of fractions never reach it */
	need = need < bucket->limit ? need : bucket->limit - 1e-6 * bucket->limit;
	if (bucket->level < need)
		hinder(out, (need - bucket->level) / kam_bucket_rate(bucket), why);
}

static const char *const bucket_why[KAM_METERS] = {
	"rate limit: requests used up", "rate limit: input tokens used up", "rate limit: output tokens used up",
	"rate limit: tokens used up",
};

/* The caller's estimates per meter. */
static void
estimate(int64_t input_tokens, int64_t output_tokens, double out[KAM_METERS])
{
	out[KAM_METER_REQUESTS] = 1;
	out[KAM_METER_INPUT] = kam_clamp((double) input_tokens, 0, MOST_TOKENS);
	out[KAM_METER_OUTPUT] = kam_clamp((double) output_tokens, 0, MOST_TOKENS);
	out[KAM_METER_TOKENS] = out[KAM_METER_INPUT] + out[KAM_METER_OUTPUT];
}

int64_t
kam_lane_admit(KamLane *lane, int64_t input_tokens, int64_t output_tokens, int64_t now_us)
{
	Hindrance	hindrance = {0};
	double		estimated[KAM_METERS];

	advance(lane, now_us);
	estimate(input_tokens, output_tokens, estimated);
	if (lane->first_sent < 0 || lane->now - lane->last_sent < SILENCE_S)
	{
		hindered_lane(lane, &hindrance);
		for (int i = 0; i < KAM_METERS; i++)
			hindered_bucket(&lane->bucket[i], estimated[i] * lane->share[i], bucket_why[i], &hindrance);
	}
	if (hindrance.wait_s > ROUNDING_S)
		return (int64_t) kam_clamp(ceil(1000 * (hindrance.wait_s - ROUNDING_S / 2)), 1, KAM_LONGEST_WAIT_MS);

	remember(lane);
	for (int i = 0; i < KAM_METERS; i++)
	{
		double		amount = estimated[i] * lane->share[i];

		lane->estimated[i] += estimated[i];
		lane->reserved[i] += amount;
		lane->total[i] += amount;
		lane->bucket[i].level -= amount;
	}
	if (lane->pace.known)
		lane->pace.level = kam_clamp(lane->pace.level - 1, 0, INFINITY);
	if (lane->breaker.open)
	{
		lane->breaker.probing = true;
		lane->breaker.probe_at = lane->now;
	}
	lane->last_sent = lane->now;
	if (lane->first_sent < 0)
		lane->first_sent = lane->now;
	lane->in_flight++;
	return 0;
}

/* What of the reservations was this call's: its part of all that is in flight. */
static void
release(KamLane *lane, const double estimated[KAM_METERS], double reserved[KAM_METERS])
{
	for (int i = 0; i < KAM_METERS; i++)
	{
		double		part = lane->estimated[i] > 0 ? kam_clamp(estimated[i] / lane->estimated[i], 0, 1) : 0;

		reserved[i] = part * lane->reserved[i];
		lane->reserved[i] -= reserved[i];
		lane->estimated[i] = kam_clamp(lane->estimated[i] - estimated[i], 0, INFINITY);
	}
	if (lane->in_flight > 0)
		lane->in_flight--;
	if (lane->in_flight == 0)
	{
		memset(lane->estimated, 0, sizeof lane->estimated);
		memset(lane->reserved, 0, sizeof lane->reserved);
	}
}

static void
give_back(KamLane *lane, KamMeter meter, double amount)
{
	Bucket	   *bucket = &lane->bucket[meter];

	bucket->level = kam_clamp(bucket->level + amount, -bucket->limit, bucket->limit);
}

void
kam_lane_withdraw(KamLane *lane, int64_t input_tokens, int64_t output_tokens, int64_t now_us)
{
	double		estimated[KAM_METERS],
				reserved[KAM_METERS];

	advance(lane, now_us);
	estimate(input_tokens, output_tokens, estimated);
	release(lane, estimated, reserved);
	for (int i = 0; i < KAM_METERS; i++)
	{
		give_back(lane, (KamMeter) i, reserved[i]);
		lane->total[i] -= reserved[i];
	}
	if (lane->pace.known)
		lane->pace.level = kam_clamp(lane->pace.level + 1, 0, kam_pace_burst(lane));
	/* It may have been the probe: the next one may go at once. */
	lane->breaker.probing = false;
}

/* What a call took, per meter, where its answer tells. */
static bool
taken(const KamResult *result, double out[KAM_METERS])
{
	const KamUsage *usage = result->answer != NULL ? &result->answer->usage : NULL;
	double		read;

	if (usage == NULL || (usage->input <= 0 && usage->output <= 0))
		return false;
	read = kam_clamp((double) usage->cache_read, 0, MOST_TOKENS);
	out[KAM_METER_REQUESTS] = 1;
	/* What a cache read is not limited. */
	out[KAM_METER_INPUT] = kam_clamp((double) usage->input, 0, MOST_TOKENS) + kam_clamp((double) usage->cache_write, 0, MOST_TOKENS);
	out[KAM_METER_OUTPUT] = kam_clamp((double) usage->output, 0, MOST_TOKENS);
	out[KAM_METER_TOKENS] = out[KAM_METER_INPUT] + out[KAM_METER_OUTPUT] + read;
	return true;
}

void
kam_lane_settle(KamLane *lane, int64_t input_tokens, int64_t output_tokens, const KamResult *result, const KamFate *fate,
				int64_t now_us)
{
	double		estimated[KAM_METERS],
				reserved[KAM_METERS],
				actual[KAM_METERS];
	double		sent_at;

	advance(lane, now_us);
	sent_at = lane_time(lane, result->started_us);
	estimate(input_tokens, output_tokens, estimated);
	release(lane, estimated, reserved);

	if (fate->blame == KAM_BLAME_LIMIT)
		memset(actual, 0, sizeof actual);	/* no token was spent on it */
	else if (taken(result, actual))
		for (int i = KAM_METER_REQUESTS + 1; i < KAM_METERS; i++)
		{
			if (estimated[i] >= 1)
				lane->share[i] += SHARE_WEIGHT * (kam_clamp(actual[i] / estimated[i], SHARE_LEAST, SHARE_MOST) - lane->share[i]);
		}
	else
	{
		memcpy(actual, reserved, sizeof actual);
		actual[KAM_METER_OUTPUT] = 0;
		actual[KAM_METER_TOKENS] = kam_clamp(reserved[KAM_METER_TOKENS] - reserved[KAM_METER_OUTPUT], 0, INFINITY);
	}
	for (int i = KAM_METER_REQUESTS + 1; i < KAM_METERS; i++)
		give_back(lane, (KamMeter) i, reserved[i] - actual[i]);

	kam_buckets_learn(lane, result, sent_at, fate->kind == KAM_FATE_ANSWERED, now_us);
	if (fate->blame == KAM_BLAME_LIMIT)
		kam_pace_refused(lane, sent_at, (double) kam_retry_after_ms(result->header, result->nheaders, now_us) / 1000.0);

	if (fate->blame == KAM_BLAME_OVERLOAD)
		breaker_failed(lane, sent_at);
	else if (fate->blame == KAM_BLAME_NONE && (fate->kind == KAM_FATE_ANSWERED || result->http_status > 0))
	{
		breaker_succeeded(lane);
		kam_pace_through(lane, sent_at);
	}
	else
		breaker_undecided(lane, sent_at);
}

/* ---- lanes ------------------------------------------------------------------------------------- */

KamLimits *
kam_limits_new(void)
{
	return calloc(1, sizeof(KamLimits));
}

static void
lane_free(KamLane *lane)
{
	free(lane->provider);
	free(lane->model);
	free(lane->slice);
	free(lane);
}

void
kam_limits_free(KamLimits *limits)
{
	KamLane    *next;

	if (limits == NULL)
		return;
	for (KamLane *lane = limits->first; lane != NULL; lane = next)
	{
		next = lane->next;
		lane_free(lane);
	}
	free(limits);
}

KamLane *
kam_limits_lane(KamLimits *limits, const char *provider, const char *model)
{
	KamLane   **link = &limits->first;
	KamLane    *lane;

	for (; *link != NULL; link = &(*link)->next)
		if (strcmp((*link)->provider, provider) == 0 && strcmp((*link)->model, model) == 0)
			return *link;
	lane = calloc(1, sizeof *lane);
	if (lane == NULL)
		return NULL;
	lane->provider = strdup(provider);
	lane->model = strdup(model);
	lane->slice = calloc(SLICES, sizeof(Slice));
	if (lane->provider == NULL || lane->model == NULL || lane->slice == NULL)
	{
		lane_free(lane);
		return NULL;
	}
	lane->first_sent = -1;
	lane->newest_reading = -1;
	for (int i = 0; i < KAM_METERS; i++)
		lane->share[i] = 1;
	*link = lane;
	return lane;
}

KamLane *
kam_limits_next(const KamLimits *limits, const KamLane *after)
{
	return after != NULL ? after->next : limits->first;
}

static double
per_minute(const Bucket *bucket)
{
	return bucket->known ? bucket->limit / bucket->window_s * 60 : 0;
}

void
kam_lane_state(const KamLane *lane, int64_t now_us, KamLaneState *out)
{
	/* As it would be now, were it asked. */
	KamLane		then = *lane;
	Hindrance	hindrance = {.why = ""};

	advance(&then, now_us);
	hindered_lane(&then, &hindrance);
	for (int i = 0; i < KAM_METERS; i++)
		hindered_bucket(&then.bucket[i], 1, bucket_why[i], &hindrance);
	*out = (KamLaneState) {
		.provider = lane->provider,
		.model = lane->model,
		.in_flight = lane->in_flight,
		.open = lane->breaker.open,
		.recovering = lane->breaker.recovering,
		.requests_per_minute = then.pace.known ? kam_pace_rate(&then) * 60 : per_minute(&then.bucket[KAM_METER_REQUESTS]),
		.input_per_minute = per_minute(&then.bucket[KAM_METER_INPUT]),
		.output_per_minute = per_minute(&then.bucket[KAM_METER_OUTPUT]),
		.tokens_per_minute = per_minute(&then.bucket[KAM_METER_TOKENS]),
		.why = hindrance.why,
	};
	for (int i = 0; i < KAM_METERS; i++)
	{
		out->told[i] = then.bucket[i].known;
		out->left[i] = then.bucket[i].level;
	}
	if (hindrance.wait_s > 0)
		out->closed_until_us = now_us + (int64_t) (1e6 * kam_clamp(hindrance.wait_s, 0, LONGEST_WAIT_S));
}

int64_t
kam_limits_used_us(const KamLimits *limits)
{
	int64_t		latest = 0;

	for (const KamLane *lane = limits->first; lane != NULL; lane = lane->next)
		latest = lane->wall_us > latest ? lane->wall_us : latest;
	return latest;
}
