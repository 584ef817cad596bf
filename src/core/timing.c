/*
 * core/timing.c: when to act (contract section 5; spec, "Timing Decision
 * Logic"): urgency, the contact's own hours of answering, office hours.
 *
 * All days and hours are the contact's.
 */
#include "core/decide.h"

#include <string.h>

#define OFFICE_OPENS (9 * 60)
#define OFFICE_CLOSES (18 * 60)
#define DEFAULT_START (9 * 60 + 30)
#define DEFAULT_END (11 * 60 + 30)
#define WINDOW_MINUTES 120
#define ANSWERS_TO_LEARN 3		/* fewer say nothing about a habit */
#define ANSWERS_KEPT 40			/* the newest ones */
#define FRESH_QUESTION (2 * KAM_DAY)

/* Days to send on while no habit is known: Tuesday to Thursday. */
static const bool default_days[7] = {false, true, true, true, false, false, false};

/* ---- urgency ----------------------------------------------------------------- */

KamUrgency
kam_urgency(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const KamPlan *plan)
{
	const KamActivity *in = facts->last_inbound;

	(void) contact;
	if (plan->action == KAM_WAIT || plan->action == KAM_NO_ACTION)
		return KAM_URGENCY_NONE;
	if (plan->at_once)
		return KAM_URGENCY_HIGH;
	if (facts->answered && in)
	{
		bool		asked = (facts->questions.count && facts->questions.item[0]->activity == in) ||
			(facts->interest.count && facts->interest.item[0]->activity == in);

		return asked && env->as_of - in->at <= FRESH_QUESTION ? KAM_URGENCY_HIGH : KAM_URGENCY_MEDIUM;
	}
	return facts->active_deal ? KAM_URGENCY_MEDIUM : KAM_URGENCY_LOW;
}

const char *
kam_urgency_name(KamUrgency urgency)
{
	static const char *const names[] = {"none", "low", "medium", "high"};

	return names[urgency];
}

/* ---- the contact's hours --------------------------------------------------------- */

/*
 * Where most answers fall: the two-hour span of the office day that holds the
 * most of them (the earliest of equals), on the weekdays that hold at least
 * half as many as the best one.
 */
void
kam_send_window(const KamEnv *env, const KamContact *contact, const KamFacts *facts, KamWindow *out)
{
	int			by_day[7] = {0},
				best_day = 0,
				minute[ANSWERS_KEPT],
				n = 0,
				best = 0;

	(void) env;
	(void) facts;
	memset(out, 0, sizeof *out);
	memcpy(out->day, default_days, sizeof default_days);
	out->start = DEFAULT_START;
	out->end = DEFAULT_END;

	for (int i = contact->nactivities - 1; i >= 0 && n < ANSWERS_KEPT; i--)
	{
		const KamActivity *a = &contact->activities[i];
		KamCivil	local;

		if (a->direction != KAM_INBOUND || a->type == KAM_MEETING || a->at > env->as_of)
			continue;
		local = kam_civil_at(&contact->zone, a->at);
		if (local.weekday >= 5)
			continue;
		out->answers++;
		if (local.hour * 60 + local.minute < OFFICE_OPENS || local.hour * 60 + local.minute >= OFFICE_CLOSES)
			continue;
		minute[n++] = local.hour * 60 + local.minute;
		by_day[local.weekday]++;
	}
	if (n < ANSWERS_TO_LEARN)
		return;

	out->learnt = true;
	for (int start = OFFICE_OPENS; start + WINDOW_MINUTES <= OFFICE_CLOSES; start += 30)
	{
		int			inside = 0;

		for (int i = 0; i < n; i++)
			inside += minute[i] >= start && minute[i] < start + WINDOW_MINUTES;
		if (inside > best)
		{
			best = inside;
			out->start = start;
			out->end = start + WINDOW_MINUTES;
		}
	}
	for (int day = 0; day < 5; day++)
		if (by_day[day] > best_day)
			best_day = by_day[day];
	for (int day = 0; day < 7; day++)
		out->day[day] = day < 5 && by_day[day] * 2 >= best_day && by_day[day] > 0;
}

/* ---- when -------------------------------------------------------------------------- */

KamTime
kam_office_time(const KamZone *zone, KamTime at)
{
	KamCivil	local = kam_civil_at(zone, at);
	int			minutes = local.hour * 60 + local.minute,
				days = 0;

	if (local.weekday < 5 && minutes >= OFFICE_OPENS && minutes < OFFICE_CLOSES)
		return at;
	if (minutes >= OFFICE_CLOSES)
		days = 1;
	while ((local.weekday + days) % 7 >= 5)
		days++;
	return kam_local_clock(zone, at, days, OFFICE_OPENS / 60, OFFICE_OPENS % 60);
}

/* The next full five minutes: nobody sends at 10:00:37. */
static KamTime
next_five_minutes(KamTime at)
{
	KamTime		step = 5 * KAM_MINUTE;

	return (at + step - 1) / step * step;
}

/* The window's start on the first day of it between two day distances; any working day when none is. */
static KamTime
window_slot(const KamContact *contact, KamTime from, const KamWindow *window, int first, int last)
{
	int			weekday = kam_civil_at(&contact->zone, from).weekday,
				fallback = -1;

	for (int days = first;; days++)
	{
		int			day = (weekday + days) % 7;

		if (day < 5 && fallback < 0)
			fallback = days;
		if (days <= last && day < 5 && window->day[day])
			return kam_local_clock(&contact->zone, from, days, window->start / 60, window->start % 60);
		if (days >= last && fallback >= 0)
			return kam_local_clock(&contact->zone, from, fallback, window->start / 60, window->start % 60);
	}
}

KamTime
kam_execute_at(const KamEnv *env, const KamContact *contact, const KamFacts *facts,
			   const KamPlan *plan, KamUrgency urgency, const KamWindow *window)
{
	KamTime		from = env->as_of;

	(void) plan;
	/* nobody reads while away: count from the return */
	if (facts->out_of_office && facts->out_of_office->at != KAM_NO_TIME && facts->out_of_office->at > from)
		return kam_office_time(&contact->zone, window_slot(contact, facts->out_of_office->at, window, 0, 2));
	switch (urgency)
	{
		case KAM_URGENCY_HIGH:
			return kam_office_time(&contact->zone, next_five_minutes(from));
		case KAM_URGENCY_MEDIUM:
			return window_slot(contact, from, window, 1, 2);
		default:
			return window_slot(contact, from, window, 1, 7);
	}
}
