/*
 * core/score.c: relationship stage and opportunity strength with its factors
 * and floors (contract section 5, "Score"; spec, "Opportunity Strength
 * Calculation").
 *
 * All in hundredths: base + sum of impacts = total, exactly.  A floor and the
 * clamp to 0..1 are factors themselves.
 */
#include "core/decide.h"

#include <string.h>

#define RECENT_MEETING (30 * KAM_DAY)
#define RECENT_TALK (60 * KAM_DAY)
#define RECENT_COMMERCE (180 * KAM_DAY)

/* Base score by stage. */
static const int base_by_stage[] = {20, 30, 50, 70};

typedef struct Case
{
	const KamEnv *env;
	const KamContact *contact;
	const KamFacts *facts;
} Case;

/* ---- stage ----------------------------------------------------------------- */

static bool
within(const Case *c, KamTime at, KamTime span)
{
	return at != KAM_NO_TIME && c->env->as_of - at <= span;
}

KamStage
kam_relationship_stage(const KamEnv *env, const KamContact *contact, const KamFacts *facts)
{
	Case		c = {env, contact, facts};
	bool		met = within(&c, facts->meeting_last_held, RECENT_COMMERCE);
	bool		priced = facts->pricing && within(&c, facts->pricing->activity->at, RECENT_COMMERCE);
	bool		shown = within(&c, facts->demo_at, RECENT_COMMERCE);
	bool		wrote = facts->last_inbound && within(&c, facts->last_inbound->at, RECENT_COMMERCE);

	if (facts->active_deal && (met || priced || shown || facts->pilot))
		return KAM_QUALIFIED;
	if (shown && priced)
		return KAM_QUALIFIED;
	if (facts->active_deal || met || shown || (wrote && facts->inbound_count >= 2) || (wrote && facts->deals_won))
		return KAM_ENGAGED;
	if (facts->inbound_count || facts->nengagement || facts->deals_won || facts->meeting_last_held != KAM_NO_TIME)
		return KAM_AWARE;
	return KAM_COLD;
}

const char *
kam_stage_name(KamStage stage)
{
	static const char *const names[] = {"cold", "aware", "engaged", "qualified"};

	return names[stage];
}

/* ---- factors: one function per row, 0 when it does not apply ------------------ */

static const char *
on(const Case *c, KamTime at)
{
	return kam_date_format(c->env->arena, &c->contact->zone, at);
}

static const char *
said(const Case *c, const KamSignal *signal)
{
	return kam_printf(c->env->arena, "\"%s\" (%s)", signal->quote ? signal->quote : "", on(c, signal->activity->at));
}

/* How many of a list (newest first) were said within a span. */
static int
recent(const Case *c, const KamSignalList *list, KamTime span)
{
	int			n = 0;

	while (n < list->count && within(c, list->item[n]->activity->at, span))
		n++;
	return n;
}

static int
recent_meeting(const Case *c, KamFactor *factor)
{
	KamTime		at = c->facts->meeting_last_held;

	if (!within(c, at, RECENT_MEETING))
		return 0;
	factor->evidence = kam_printf(c->env->arena, "meeting held on %s", on(c, at));
	factor->proof = c->facts->evidence[KAM_FACT_MEETING];
	return within(c, at, 7 * KAM_DAY) ? 40 : within(c, at, 14 * KAM_DAY) ? 30 : 25;
}

static int
demo_or_pricing(const Case *c, KamFactor *factor)
{
	bool		shown = within(c, c->facts->demo_at, RECENT_COMMERCE);
	bool		priced = c->facts->pricing && within(c, c->facts->pricing->activity->at, RECENT_COMMERCE);

	if (!shown && !priced)
		return 0;
	factor->name = shown && priced ? "demo_and_pricing_discussed" : shown ? "demo_discussed" : "pricing_discussed";
	factor->evidence = priced ? said(c, c->facts->pricing) : kam_printf(c->env->arena, "demo on %s", on(c, c->facts->demo_at));
	factor->proof = c->facts->evidence[priced ? KAM_FACT_PRICING_DISCUSSED : KAM_FACT_DEMO];
	return shown && (priced || c->facts->demo_positive) ? 30 : 20;
}

static int
inbound_interest(const Case *c, KamFactor *factor)
{
	int			n = recent(c, &c->facts->interest, RECENT_TALK);

	if (n == 0)
		return 0;
	factor->evidence = said(c, c->facts->interest.item[0]);
	factor->proof = kam_evidence_of_signal(c->env, c->facts->interest.item[0]);
	return n == 1 ? 10 : n == 2 ? 15 : 20;
}

static int
positive_response(const Case *c, KamFactor *factor)
{
	int			n = recent(c, &c->facts->positive, RECENT_TALK);

	if (n == 0)
		return 0;
	factor->evidence = said(c, c->facts->positive.item[0]);
	factor->proof = kam_evidence_of_signal(c->env, c->facts->positive.item[0]);
	return n == 1 ? 5 : n == 2 ? 10 : 15;
}

static int
timeline_alignment(const Case *c, KamFactor *factor)
{
	const KamSignal *step = c->facts->next_step;

	if (!step)
		return 0;
	factor->evidence = kam_printf(c->env->arena, "next step dated %s", on(c, step->at));
	factor->proof = kam_evidence_of_signal(c->env, step);
	return step->activity->direction == KAM_INBOUND ? 10 : 5;
}

static int
emails_ignored(const Case *c, KamFactor *factor)
{
	int			n = c->facts->distinct_follow_ups;

	if (n < 2)
		return 0;
	factor->evidence = kam_printf(c->env->arena, "%d follow-ups on different days without an answer", n);
	factor->proof = c->facts->evidence[KAM_FACT_DISTINCT_FOLLOW_UPS];
	return n >= 3 ? -15 : -10;
}

static int
ghosting(const Case *c, KamFactor *factor)
{
	const KamActivity *last = c->facts->last_outbound;
	int			days;

	if (!last || c->facts->last_message != last || c->env->as_of - last->at < 3 * KAM_DAY)
		return 0;
	days = (int) ((c->env->as_of - last->at) / KAM_DAY);
	factor->evidence = kam_printf(c->env->arena, "no answer for %d days to our message of %s", days, on(c, last->at));
	factor->proof = c->facts->evidence[KAM_FACT_LAST_OUTBOUND_AT];
	return days > 7 ? -10 : -5;
}

static int
budget_constraint(const Case *c, KamFactor *factor)
{
	const KamSignal *signal = c->facts->budget_constraint;

	if (!signal || !within(c, signal->activity->at, RECENT_COMMERCE))
		return 0;
	factor->evidence = said(c, signal);
	factor->proof = kam_evidence_of_signal(c->env, signal);
	return within(c, signal->activity->at, RECENT_TALK) ? -10 : -5;
}

static int
competition_preferred(const Case *c, KamFactor *factor)
{
	const KamSignal *signal = c->facts->competitor_preferred;

	if (!signal || !within(c, signal->activity->at, RECENT_COMMERCE))
		return 0;
	factor->evidence = said(c, signal);
	factor->proof = kam_evidence_of_signal(c->env, signal);
	return within(c, signal->activity->at, RECENT_TALK) ? -15 : -10;
}

/* The spec's factors; impacts stay within the ranges beside them. */
static const struct
{
	const char *name;
	int			(*impact) (const Case *, KamFactor *);
}			factors[] = {
	{"recent_meeting", recent_meeting},		/* +0.25 to +0.40 */
	{"demo_or_pricing_discussed", demo_or_pricing}, /* +0.20 to +0.30 */
	{"inbound_interest", inbound_interest}, /* +0.10 to +0.20 */
	{"positive_response", positive_response},	/* +0.05 to +0.15 */
	{"timeline_alignment", timeline_alignment}, /* +0.05 to +0.10 */
	{"emails_ignored", emails_ignored},		/* -0.10 to -0.15 */
	{"budget_constraint", budget_constraint},	/* -0.05 to -0.10 */
	{"competition_preferred", competition_preferred},	/* -0.10 to -0.15 */
	{"ghosting", ghosting},		/* -0.05 to -0.10 */
};

_Static_assert(KAM_LENGTHOF(factors) + 2 <= KAM_LENGTHOF(((KamScore *) 0)->factor), "room for clamp and floor");

/* ---- floors -------------------------------------------------------------------- */

static bool
met_recently(const Case *c)
{
	return within(c, c->facts->meeting_last_held, RECENT_MEETING);
}

static bool
deal_with_price(const Case *c)
{
	return c->facts->active_deal && c->facts->pricing;
}

static bool
demo_liked(const Case *c)
{
	return c->facts->demo_at != KAM_NO_TIME && c->facts->demo_positive;
}

static bool
all_but_signed(const Case *c)
{
	return met_recently(c) && c->facts->pricing && c->facts->next_step;
}

static const struct
{
	const char *name;
	bool		(*applies) (const Case *);
	int			minimum;
}			floors[] = {
	{"floor_meeting_pricing_next_steps", all_but_signed, 75},
	{"floor_demo_positive", demo_liked, 65},
	{"floor_active_deal_pricing", deal_with_price, 60},
	{"floor_recent_meeting", met_recently, 50},
};

int
kam_score_floor(const KamEnv *env, const KamFacts *facts, const char **name)
{
	Case		c = {env, NULL, facts};

	*name = NULL;
	for (size_t i = 0; i < KAM_LENGTHOF(floors); i++)
		if (floors[i].applies(&c))
		{
			*name = floors[i].name;
			return floors[i].minimum;
		}
	return 0;
}

/* ---- the sum -------------------------------------------------------------------- */

/* Adds the difference to "target" as a factor of its own. */
static void
raise_to(KamScore *score, const char *name, int target, const char *evidence)
{
	score->factor[score->nfactors++] = (KamFactor)
	{
		name, target - score->total, evidence, NULL
	};
	score->total = target;
}

void
kam_score(const KamEnv *env, const KamContact *contact, const KamFacts *facts, KamScore *out)
{
	Case		c = {env, contact, facts};
	const char *floor_name;
	int			floor = kam_score_floor(env, facts, &floor_name);

	memset(out, 0, sizeof *out);
	out->stage = kam_relationship_stage(env, contact, facts);
	out->base = out->total = base_by_stage[out->stage];
	for (size_t i = 0; i < KAM_LENGTHOF(factors); i++)
	{
		KamFactor	factor = {factors[i].name, 0, NULL, NULL};

		factor.impact = factors[i].impact(&c, &factor);
		if (factor.impact == 0)
			continue;
		out->factor[out->nfactors++] = factor;
		out->total += factor.impact;
	}
	if (out->total < 0 || out->total > 100)
		raise_to(out, "clamp", out->total < 0 ? 0 : 100, "kept between 0 and 1");
	if (out->total < floor)
		raise_to(out, floor_name, floor, kam_printf(env->arena, "minimum of 0.%02d", floor));
}
