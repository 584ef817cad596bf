/*
 * core/facts_agreed.c: meetings, what ends a conversation, what was agreed for
 * when (contract section 4): and what a later message undoes.
 */
#include "core/facts_internal.h"

#define TOUCHPOINT_WITHIN 30	/* days; the contract's */
#define CHURN_HOLDS 365			/* days; later a win-back is an ordinary contact again */
#define TIMING_HOLDS 180		/* days */

/* ---- meetings ---------------------------------------------------------------- */

/* When a meeting activity takes or took place. */
KamTime
kam_meeting_time(const KamActivity *a)
{
	return a->start != KAM_NO_TIME ? a->start : a->at;
}

/* Was a meeting of that local day called off? */
static bool
cancelled_on(const KamFinder *f, KamTime at)
{
	for (int i = 0; i < f->contact->nactivities; i++)
	{
		const KamActivity *a = &f->contact->activities[i];

		if (a->type == KAM_MEETING && a->status == KAM_MEETING_CANCELLED &&
			kam_local_day(&f->contact->zone, kam_meeting_time(a)) == kam_local_day(&f->contact->zone, at))
			return true;
	}
	return false;
}

/* The review of a pilot is no meeting to wait for by itself: the pilot's row of the tree waits for it. */
static bool
reviews_pilot_on(const KamFinder *f, KamTime at)
{
	const KamSignal *review = kam_newest(f, KAM_SIGNAL_PILOT_REVIEW);

	return review && review->at != KAM_NO_TIME &&
		kam_local_day(&f->contact->zone, review->at) == kam_local_day(&f->contact->zone, at);
}

void
kam_find_meetings(KamFinder *f)
{
	KamFacts   *facts = f->facts;
	const KamContact *c = f->contact;
	KamTime		as_of = f->env->as_of;
	const KamSignal *us,
			   *them,
			   *absent;

	facts->meeting_last_held = facts->meeting_next = facts->no_show_at = KAM_NO_TIME;
	for (int i = 0; i < c->nactivities; i++)
	{
		const KamActivity *a = &c->activities[i];
		KamTime		at = kam_meeting_time(a);

		if (a->type != KAM_MEETING || a->status == KAM_MEETING_CANCELLED)
			continue;
		if (a->status == KAM_MEETING_NO_SHOW)
		{
			facts->no_show = true;
			facts->no_show_at = at;
		}
		else if (at > as_of && a->status != KAM_MEETING_HELD)
		{
			if (facts->meeting_next == KAM_NO_TIME || at < facts->meeting_next)
			{
				facts->meeting_next = at;
				facts->meeting_next_activity = a;
			}
		}
		else if (at <= as_of && a->status != KAM_MEETING_SCHEDULED && at >= facts->meeting_last_held)
		{
			facts->meeting_last_held = at;
			facts->meeting_held_activity = a;
		}
	}
	if (facts->meeting_next == KAM_NO_TIME)
	{
		const KamSignal *agreed = kam_newest_dated(f, KAM_KIND(KAM_SIGNAL_MEETING_AGREED), as_of, INT64_MAX);

		if (agreed && !cancelled_on(f, agreed->at) && !reviews_pilot_on(f, agreed->at))
		{
			facts->meeting_next = agreed->at;
			facts->meeting_next_signal = agreed;
		}
	}

	us = kam_newest(f, KAM_SIGNAL_NO_SHOW_US);
	them = kam_newest(f, KAM_SIGNAL_NO_SHOW_THEM);
	absent = us && (!them || us->activity->at >= them->activity->at) ? us : them;
	if (absent && (!facts->no_show || absent->activity->at >= facts->no_show_at - KAM_DAY))
	{
		facts->no_show = true;
		facts->no_show_responsible = absent == us ? "us" : "them";
		if (facts->no_show_at == KAM_NO_TIME)
			facts->no_show_at = absent->activity->at;
	}
	if (facts->no_show && facts->meeting_last_held > facts->no_show_at)
	{
		facts->no_show = false;
		facts->no_show_responsible = NULL;
	}

	kam_prove_by_activity(f, KAM_FACT_MEETING, facts->meeting_held_activity,
					  facts->meeting_held_activity && facts->meeting_held_activity->start != KAM_NO_TIME
					  ? "metadata/start_time" : "recorded_on");
	kam_prove_by_activity(f, KAM_FACT_MEETING, facts->meeting_next_activity,
					  facts->meeting_next_activity && facts->meeting_next_activity->start != KAM_NO_TIME
					  ? "metadata/start_time" : "recorded_on");
	kam_prove_by_signal(f, KAM_FACT_MEETING, facts->meeting_next_signal);
	if (facts->no_show)
		kam_prove_by_signal(f, KAM_FACT_MEETING, absent);
}

/* ---- what ends a conversation ------------------------------------------------- */

void
kam_find_endings(KamFinder *f)
{
	KamFacts   *facts = f->facts;
	const KamSignal *churn = kam_newest(f, KAM_SIGNAL_CHURN);
	const KamSignal *opt_out = kam_newest(f, KAM_SIGNAL_OPT_OUT);

	if (churn && f->env->as_of - churn->activity->at <= CHURN_HOLDS * KAM_DAY &&
		!kam_said_later(f, churn, KAM_KIND(KAM_SIGNAL_RENEWED)))
	{
		bool		new_business = false;

		for (int i = 0; i < f->contact->ndeals; i++)
			new_business |= f->contact->deals[i].status != KAM_DEAL_LOST &&
				f->contact->deals[i].created != KAM_NO_TIME && f->contact->deals[i].created > churn->activity->at;
		if (!new_business)
		{
			facts->churn = churn;
			facts->churn_responded = facts->last_outbound && facts->last_outbound->at > churn->activity->at;
			kam_prove_by_signal(f, KAM_FACT_CHURN, churn);
			if (facts->churn_responded)
				kam_prove_by_activity(f, KAM_FACT_CHURN, facts->last_outbound, "recorded_on");
		}
	}
	if (opt_out && !kam_said_later(f, opt_out, KAM_KIND(KAM_SIGNAL_RENEWED)))
		facts->opt_out = opt_out;
	kam_prove_by_signal(f, KAM_FACT_OPTED_OUT, facts->opt_out);
	facts->left_company = kam_newest(f, KAM_SIGNAL_LEFT_COMPANY);
	kam_prove_by_signal(f, KAM_FACT_LEFT_COMPANY, facts->left_company);
}

/* ---- what was agreed -------------------------------------------------------------- */

static void
find_wait(KamFinder *f)
{
	const KamSignal *wait = kam_newest(f, KAM_SIGNAL_WAIT);

	/* who asks something or agrees to meet after "not now" has taken it back */
	if (wait && kam_said_later(f, wait, KAM_KIND(KAM_SIGNAL_QUESTION) | KAM_KIND(KAM_SIGNAL_INTEREST) |
						   KAM_KIND(KAM_SIGNAL_MEETING_AGREED) | KAM_KIND(KAM_SIGNAL_MEETING_PROPOSED)))
		wait = NULL;
	f->facts->wait = wait;
	kam_prove_by_signal(f, KAM_FACT_EXPLICIT_WAIT, wait);
}

/* A dated point of contact ahead; a wait asked for and a pilot's review are facts of their own. */
static void
find_touchpoint(KamFinder *f)
{
	KamTime		as_of = f->env->as_of;
	const KamSignal *point = kam_newest_dated(f, KAM_KIND(KAM_SIGNAL_TOUCHPOINT) | KAM_KIND(KAM_SIGNAL_MEETING_AGREED),
										  as_of, as_of + TOUCHPOINT_WITHIN * KAM_DAY);

	f->facts->touchpoint = KAM_NO_TIME;
	if (!point || cancelled_on(f, point->at) || reviews_pilot_on(f, point->at) ||
		(f->facts->wait && point->kind == KAM_SIGNAL_TOUCHPOINT && point->activity == f->facts->wait->activity))
		return;
	f->facts->touchpoint = point->at;
	f->facts->touchpoint_signal = point;
	kam_prove_by_signal(f, KAM_FACT_SCHEDULED_TOUCHPOINT, point);
}

static void
find_timing(KamFinder *f)
{
	KamTime		as_of = f->env->as_of;
	unsigned	steps = KAM_KIND(KAM_SIGNAL_TIMING) | KAM_KIND(KAM_SIGNAL_WAIT) | KAM_KIND(KAM_SIGNAL_MEETING_AGREED);
	const KamSignal *timing = kam_newest_dated(f, steps, INT64_MIN + 1, INT64_MAX);

	if (timing && as_of - timing->activity->at <= TIMING_HOLDS * KAM_DAY)
	{
		f->facts->timing = timing;
		kam_prove_by_signal(f, KAM_FACT_TIMING_AGREEMENT, timing);
	}
	f->facts->next_step = kam_newest_dated(f, steps | KAM_KIND(KAM_SIGNAL_TOUCHPOINT) | KAM_KIND(KAM_SIGNAL_PILOT_REVIEW),
									   as_of, INT64_MAX);
}

void
kam_find_agreements(KamFinder *f)
{
	find_wait(f);
	find_touchpoint(f);
	find_timing(f);
}
