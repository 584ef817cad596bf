/*
 * llm/limits_pace.c: how fast a lane goes on after a 429.
 *
 * Half of what went through lately at once, all of it again after the ramp,
 * and then slowly more, for nobody tells when the limit has room again: where
 * headers tell it, the pace only spreads the calls out.
 */
#include "llm/limits_internal.h"

#include <math.h>
#include <string.h>

#define CUT 0.5					/* what is left of the rate at once */
#define RAMP_S 5.0				/* until all of it is back */
#define PROBING_S 300.0			/* beyond it: so long for as much again, at first ... */
#define BOLD_S 45.0				/* ... and faster with the cube of the time in these */
#define PATIENCE 4.0			/* both get up to so many times as long while 429s confirm the same rate ... */
#define SAME_RATE 0.25			/* ... give or take so much */
#define PACE_BURST_S 0.25		/* worth of calls that may go at once ... */
#define CALM_S 300.0			/* ... for so long after a 429, from when on ... */
#define BURST_GROWTH (1.0 / 60)	/* ... it grows by so many seconds a second */
#define PACE_FORGOTTEN_S 600.0	/* without another 429, where no limit is told; else once the burst is the limit */
#define SLOWEST 0.2				/* calls a second, however many 429s there are */
#define FIRST_CUT_FLOOR 4.0		/* calls a second that the first 429 leaves at least before halving: too little was seen */
#define LATELY_S 10.0			/* the rate observed is that of so many seconds */
#define SHARPEST_CUT 0.25		/* of the rate, by all the 429s of one burst */

double
kam_pace_rate(const KamLane *lane)
{
	const Pace *pace = &lane->pace;
	const Bucket *requests = &lane->bucket[KAM_METER_REQUESTS];
	double		s = lane->now - pace->from,
				rate;

	if (s < RAMP_S)
		rate = pace->ceiling * (CUT + (1 - CUT) * kam_clamp(s, 0, RAMP_S) / RAMP_S);
	else
	{
		double		probing = (s - RAMP_S) / pace->patience,
					bold = probing / BOLD_S;

		rate = pace->ceiling * (1 + probing / PROBING_S + bold * bold * bold);
	}
	if (requests->known && rate > kam_bucket_rate(requests))
		rate = kam_bucket_rate(requests);
	return rate > SLOWEST ? rate : SLOWEST;
}

double
kam_pace_burst(const KamLane *lane)
{
	double		calm = lane->now - lane->pace.from - CALM_S,
				burst = kam_pace_rate(lane) * (PACE_BURST_S + kam_clamp(calm, 0, INFINITY) * BURST_GROWTH);

	return burst > 1 ? burst : 1;
}

/* Nothing is learnt from it any more: it lets through whatever the bucket does, or no 429 came for long. */
static bool
pace_is_over(const KamLane *lane)
{
	const Bucket *requests = &lane->bucket[KAM_METER_REQUESTS];

	if (requests->known)
		return kam_pace_burst(lane) >= requests->limit && lane->now - lane->pace.from > CALM_S;
	return lane->now - lane->pace.from > PACE_FORGOTTEN_S;
}

void
kam_pace_advance(KamLane *lane, double passed_s)
{
	if (lane->pace.known && pace_is_over(lane))
		lane->pace.known = false;
	if (lane->pace.known)
		lane->pace.level = kam_clamp(lane->pace.level + passed_s * kam_pace_rate(lane), 0, kam_pace_burst(lane));
}

/* Seconds that the rate observed lately is taken over, the calls sent in them, and those that were not refused. */
static double
observe(const KamLane *lane, double *sent, double *accepted)
{
	double		then[KAM_METERS + 1];
	double		span = kam_clamp(lane->first_sent < 0 ? 0 : lane->now - lane->first_sent, 1, LATELY_S);

	if (!kam_lane_totals_at(lane, lane->now - span - SLICE_S, then))
		memcpy(then, lane->slice[lane->first_slice].before, sizeof then);
	*sent = lane->total[KAM_METER_REQUESTS] - then[KAM_METER_REQUESTS];
	*accepted = kam_clamp(*sent - (lane->total[REJECTED] - then[REJECTED]), 0, *sent);
	return span;
}

/* Half of what went through lately, from now on. */
static void
cut_pace(KamLane *lane)
{
	Pace	   *pace = &lane->pace;
	double		before = pace->ceiling;
	double		sent,
				accepted,
				span = observe(lane, &sent, &accepted),
				rate = pace->known ? kam_pace_rate(lane) : kam_clamp(sent / span, FIRST_CUT_FLOOR, INFINITY);

	pace->floor = kam_clamp(SHARPEST_CUT * rate, pace->known ? SLOWEST : FIRST_CUT_FLOOR, INFINITY);
	pace->ceiling = kam_clamp(accepted / span, pace->floor, kam_clamp(rate, pace->floor, INFINITY));
	if (pace->known && fabs(pace->ceiling - before) < SAME_RATE * before)
		pace->patience = kam_clamp(pace->patience + 1, 1, PATIENCE);
	else
		pace->patience = 1;
	pace->seen = accepted;
	pace->seen_s = span;
	pace->known = true;
}

/* The 429s of one burst count once. */
void
kam_pace_refused(KamLane *lane, double sent_at, double retry_after_s)
{
	Pace	   *pace = &lane->pace;

	lane->total[REJECTED]++;
	if (pace->known && sent_at <= pace->cut_at)
	{
		/* what went through was less than it seemed */
		pace->seen = kam_clamp(pace->seen - 1, 0, pace->seen);
		pace->ceiling = kam_clamp(pace->seen / pace->seen_s, pace->floor, pace->ceiling);
		if (pace->series_at >= pace->cut_at)
			pace->series_ceiling = pace->ceiling;
	}
	else
	{
		bool		goes_on = pace->known && pace->series_ceiling > 0;

		cut_pace(lane);
		pace->cut_at = pace->from = lane->now;
		pace->level = 0;
		if (!goes_on)
		{
			pace->series_at = lane->now;
			pace->series_ceiling = pace->ceiling;
		}
	}
	lane->closed_until = kam_clamp(lane->now + kam_clamp(retry_after_s, 0, LONGEST_WAIT_S), lane->closed_until, INFINITY);
	pace->from = kam_clamp(pace->from, lane->closed_until, INFINITY);
}

/*
 * A call went through.  One sent between two cuts shows that they were about
 * the rate.  Where there was none and the first goes through after the last
 * cut, the server was closed for a while: no rate was to blame but the first.
 */
void
kam_pace_through(KamLane *lane, double sent_at)
{
	Pace	   *pace = &lane->pace;

	if (!pace->known || pace->series_ceiling <= 0 || sent_at <= pace->series_at)
		return;
	if (sent_at > pace->cut_at && pace->series_ceiling > pace->ceiling)
	{
		pace->ceiling = pace->series_ceiling;
		pace->from = lane->now;
	}
	pace->series_ceiling = 0;
}
