/*
 * core/agents/timing_strategist.c: timing_strategist: when they are best
 * reached and how fast they move.
 */
#include "core/agents/agents_internal.h"

#include <stdlib.h>

#define DELAYS 64				/* newest answers that are measured */
#define FAST_HOURS 24
#define STEADY_HOURS 96
#define STALLED_DAYS 45
#define PATTERN_ANSWERS 3		/* fewer are no habit */

static const char *const weekday[7] = {
	"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
};

static int
compare_hours(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Hours from our message to their answer, for the newest answers. */
static int
answer_delays(const KamInputs *in, double *hours)
{
	const KamContact *contact = in->contact;
	KamTime		inbound = KAM_NO_TIME;
	int			n = 0;

	for (int i = contact->nactivities - 1; i >= 0 && n < DELAYS; i--)
	{
		const KamActivity *activity = &contact->activities[i];

		if (kam_activity_channel(activity) == KAM_NO_CHANNEL || kam_is_engagement(activity->type))
			continue;
		if (activity->direction == KAM_INBOUND && kam_is_message(in, i, KAM_INBOUND))
			inbound = activity->at;
		else if (activity->direction == KAM_OUTBOUND && inbound != KAM_NO_TIME)
		{
			hours[n++] = (double) (inbound - activity->at) / (double) KAM_HOUR;
			inbound = KAM_NO_TIME;
		}
	}
	return n;
}

static const char *
velocity(const KamEnv *env, const KamFacts *facts, int answers, double median)
{
	if (facts->last_inbound == NULL || env->as_of - facts->last_inbound->at > STALLED_DAYS * KAM_DAY)
		return "stalled";
	if (answers == 0)
		return "steady";
	return median <= FAST_HOURS ? "fast" : median <= STEADY_HOURS ? "steady" : "slow";
}

/* "about three hours", "about two days". */
static const char *
say_hours(KamArena *arena, double hours)
{
	if (hours < 1)
		return "under one hour";
	if (hours < 36)
		return kam_printf(arena, "about %s", kam_count_of(arena, (int) (hours + 0.5), "hour", "hours"));
	return kam_printf(arena, "about %s", kam_count_of(arena, (int) (hours / 24 + 0.5), "day", "days"));
}

/* The weekdays and the half of the day on which most of their messages came. */
static const char *
habit(const KamEnv *env, const KamInputs *in)
{
	const KamContact *contact = in->contact;
	int			day[7] = {0},
				morning = 0,
				n = 0,
				best = 0;

	for (int i = contact->nactivities - 1; i >= 0 && n < DELAYS; i--)
	{
		const KamActivity *activity = &contact->activities[i];
		KamCivil	civil;

		if (kam_activity_channel(activity) == KAM_NO_CHANNEL || !kam_is_message(in, i, KAM_INBOUND))
			continue;
		civil = kam_civil_at(&contact->zone, activity->at);
		day[civil.weekday]++;
		morning += civil.hour < 12;
		n++;
	}
	if (n < PATTERN_ANSWERS)
		return NULL;
	for (int i = 1; i < 7; i++)
		if (day[i] > day[best])
			best = i;
	if (2 * day[best] > n)
		return kam_printf(env->arena, "writes mostly on %c%ss, %s", weekday[best][0] - 'a' + 'A', weekday[best] + 1,
						  2 * morning > n ? "in the morning" : "in the afternoon");
	return kam_printf(env->arena, "writes mostly %s", 2 * morning > n ? "in the morning" : "in the afternoon");
}

json_t *
kam_agent_timing(const KamEnv *env, const KamInputs *in)
{
	KamArena   *arena = env->arena;
	const KamContact *contact = in->contact;
	const KamFacts *facts = in->facts;
	json_t	   *out = kam_object(),
			   *window_json = kam_object(),
			   *days = kam_array(),
			   *patterns = kam_array(),
			   *claims = kam_array();
	KamWindow	window;
	double		hours[DELAYS];
	int			answers = answer_delays(in, hours);
	double		median = 0;
	const char *text;

	kam_send_window(env, contact, facts, &window);
	for (int i = 0; i < 7; i++)
		if (window.day[i])
			kam_push(days, kam_string(weekday[i]));
	kam_put(window_json, "days", days);
	kam_put(window_json, "start", kam_string(kam_printf(arena, "%02d:%02d", window.start / 60, window.start % 60)));
	kam_put(window_json, "end", kam_string(kam_printf(arena, "%02d:%02d", window.end / 60, window.end % 60)));
	kam_put(window_json, "timezone", kam_string(contact->zone.name));
	kam_put(window_json, "learnt", json_boolean(window.learnt));
	if (answers > 0)
	{
		qsort(hours, (size_t) answers, sizeof(double), compare_hours);
		median = hours[answers / 2];
		kam_push(patterns, kam_string(kam_printf(arena, "answers after %s in the median of %s",
												 say_hours(arena, median), kam_count_of(arena, answers, "answer", "answers"))));
	}
	text = habit(env, in);
	if (text != NULL)
		kam_push(patterns, kam_string(text));
	if (!window.learnt)
		kam_push(patterns, kam_string("too few messages of their own to learn an hour from; the usual office window is taken"));
	if (facts->timing != NULL)
		kam_push_claim(env, contact, claims, kam_claim("A date was set for the next step.", facts->evidence[KAM_FACT_TIMING_AGREEMENT]));
	if (facts->last_inbound != NULL)
		kam_push_claim(env, contact, claims,
					   kam_claim(kam_printf(arena, "They last wrote on %s.", kam_date_format(arena, &contact->zone, facts->last_inbound->at)),
								 facts->evidence[KAM_FACT_LAST_INBOUND_AT]));
	kam_put(out, "optimal_send_window", window_json);
	kam_put(out, "velocity", kam_string(velocity(env, facts, answers, median)));
	kam_put(out, "median_answer_hours", answers > 0 ? kam_rounded(median) : json_null());
	kam_put(out, "patterns", patterns);
	kam_put(out, "claims", claims);
	return out;
}
