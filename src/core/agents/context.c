/*
 * core/agents/context.c: context_relationship_analyzer: how deep the
 * relationship is and where it is heading.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

#define TREND_DAYS 30			/* compared with as many days before, then twice as many */

/* What the depth is made of: so much for each, up to so much. */
typedef struct DepthWeight
{
	const char *name;
	double		each,
				most;
} DepthWeight;

enum
{
	DEPTH_ANSWERS, DEPTH_MEETINGS, DEPTH_CHANNELS, DEPTH_OPEN_DEALS, DEPTH_WON_DEALS, DEPTH_PEOPLE, DEPTHS
};

static const DepthWeight depth_weight[DEPTHS] = {
	[DEPTH_ANSWERS] = {"inbound_messages", 0.05, 0.30},
	[DEPTH_MEETINGS] = {"meetings_held", 0.12, 0.30},
	[DEPTH_CHANNELS] = {"channels_they_use", 0.05, 0.10},
	[DEPTH_OPEN_DEALS] = {"open_deals", 0.10, 0.10},
	[DEPTH_WON_DEALS] = {"won_deals", 0.10, 0.15},
	[DEPTH_PEOPLE] = {"further_people", 0.025, 0.05},
};

/* A meeting that took place, by its status or, without one, by its time. */
static bool
meeting_was_held(const KamEnv *env, const KamFacts *facts, const KamActivity *activity)
{
	KamTime		when = activity->start != KAM_NO_TIME ? activity->start : activity->at;

	if (activity->type != KAM_MEETING || facts->meeting_last_held == KAM_NO_TIME || when > facts->meeting_last_held)
		return false;
	return activity->status == KAM_MEETING_HELD ||
		(activity->status == KAM_MEETING_UNKNOWN && when <= env->as_of);
}

/* What they did in (as_of - from, as_of - to]: messages and meetings. */
static int
exchanges_between(const KamEnv *env, const KamInputs *in, int from, int to)
{
	int			n = 0;

	for (int i = in->contact->nactivities - 1; i >= 0; i--)
	{
		const KamActivity *activity = &in->contact->activities[i];
		KamTime		age = env->as_of - activity->at;

		if (age >= from * KAM_DAY)
			break;
		if (age < to * KAM_DAY)
			continue;
		n += meeting_was_held(env, in->facts, activity) || kam_is_message(in, i, KAM_INBOUND);
	}
	return n;
}

/* Growing, stable or declining: recent weeks against the ones before. */
static const char *
trajectory(const KamEnv *env, const KamInputs *in)
{
	const KamFacts *facts = in->facts;

	if (facts->churn != NULL || facts->opt_out != NULL || facts->left_company != NULL)
		return "declining";
	for (int days = TREND_DAYS; days <= 2 * TREND_DAYS; days += TREND_DAYS)
	{
		int			recent = exchanges_between(env, in, days, 0),
					before = exchanges_between(env, in, 2 * days, days);

		if (recent != before)
			return recent > before ? "growing" : "declining";
		if (recent > 0)
			return "stable";
	}
	return facts->inbound_count > 0 && facts->distinct_follow_ups >= 3 ? "declining" : "stable";
}

/* "Inès Carpentier (energy manager, Fonderies Valmont) is an engaged contact: ..." */
static const char *
summarize(const KamEnv *env, const KamInputs *in, int meetings)
{
	KamArena   *arena = env->arena;
	const KamContact *contact = in->contact;
	const KamFacts *facts = in->facts;
	const char *stage = kam_stage_name(in->score->stage);
	const char *job = contact->job_title,
			   *company = contact->company;
	const char *who = kam_contact_name(arena, contact),
			   *about,
			   *last,
			   *more;

	if (job != NULL && company != NULL)
		who = kam_printf(arena, "%s (%s, %s)", who, kam_squash(arena, job), kam_squash(arena, company));
	else if (job != NULL || company != NULL)
		who = kam_printf(arena, "%s (%s)", who, kam_squash(arena, job != NULL ? job : company));
	about = kam_printf(arena, "%s is %s %s contact: %s from them, %s from us.", who,
					   strchr("aeiou", stage[0]) != NULL ? "an" : "a", stage,
					   kam_count_of(arena, facts->inbound_count, "message", "messages"),
					   kam_count_word(arena, facts->outbound_count));
	if (facts->last_message == NULL)
		last = "No message has been exchanged yet.";
	else
		last = kam_printf(arena, "The last word is %s, on %s.",
						  facts->last_message->direction == KAM_INBOUND ? "theirs" : "ours",
						  kam_english_date(arena, &contact->zone, facts->last_message->at));
	if (facts->churn != NULL)
		more = "They have announced the end of the contract.";
	else if (facts->meeting_last_held != KAM_NO_TIME)
		more = kam_printf(arena, "%s; the last meeting was on %s.",
						  facts->active_deal != NULL ? "A deal is open" :
						  meetings > 1 ? "They have met with us more than once" : "They have met with us",
						  kam_english_date(arena, &contact->zone, facts->meeting_last_held));
	else
		more = facts->active_deal != NULL ? "A deal is open; no meeting has been held yet." :
			"No meeting has been held and no deal is open.";
	return kam_printf(arena, "%s %s %s", about, last, more);
}

/* Evidence-backed statements: the last word, the meeting, the deal. */
static json_t *
claims(const KamEnv *env, const KamInputs *in)
{
	KamArena   *arena = env->arena;
	const KamFacts *facts = in->facts;
	json_t	   *list = kam_array();

	if (facts->last_inbound != NULL)
		kam_push_claim(env, in->contact, list,
					   kam_claim(kam_printf(arena, "They last wrote on %s.",
											kam_date_format(arena, &in->contact->zone, facts->last_inbound->at)),
								 facts->evidence[KAM_FACT_LAST_INBOUND_AT]));
	if (facts->last_outbound != NULL)
		kam_push_claim(env, in->contact, list,
					   kam_claim(kam_printf(arena, "We last wrote on %s.",
											kam_date_format(arena, &in->contact->zone, facts->last_outbound->at)),
								 facts->evidence[KAM_FACT_LAST_OUTBOUND_AT]));
	if (facts->meeting_last_held != KAM_NO_TIME)
		kam_push_claim(env, in->contact, list,
					   kam_claim("A meeting has been held.", facts->evidence[KAM_FACT_MEETING]));
	if (facts->active_deal != NULL)
		kam_push_claim(env, in->contact, list, kam_claim("A deal is open.", facts->evidence[KAM_FACT_DEALS]));
	if (facts->churn != NULL)
		kam_push_claim(env, in->contact, list,
					   kam_claim("They have announced the end of the contract.", facts->evidence[KAM_FACT_CHURN]));
	return list;
}

json_t *
kam_agent_context(const KamEnv *env, const KamInputs *in)
{
	const KamContact *contact = in->contact;
	const KamFacts *facts = in->facts;
	json_t	   *out = kam_object();
	json_t	   *parts = kam_object();
	bool		uses[KAM_CHANNELS] = {false};
	double		count[DEPTHS] = {0},
				depth = 0;

	count[DEPTH_ANSWERS] = facts->inbound_count;
	for (int i = 0; i < contact->nactivities; i++)
	{
		const KamActivity *activity = &contact->activities[i];

		count[DEPTH_MEETINGS] += meeting_was_held(env, facts, activity);
		if (kam_is_message(in, i, KAM_INBOUND))
			uses[kam_activity_channel(activity)] = true;
	}
	for (int channel = 1; channel < KAM_CHANNELS; channel++)
		count[DEPTH_CHANNELS] += uses[channel];
	count[DEPTH_OPEN_DEALS] = facts->deals_open;
	count[DEPTH_WON_DEALS] = facts->deals_won;
	count[DEPTH_PEOPLE] = facts->npeople > 1 ? facts->npeople - 1 : 0;
	for (int i = 0; i < DEPTHS; i++)
	{
		double		part = count[i] * depth_weight[i].each;

		if (part > depth_weight[i].most)
			part = depth_weight[i].most;
		depth += part;
		kam_put(parts, depth_weight[i].name, kam_rounded(part));
	}
	kam_put(out, "relationship_stage", kam_string(kam_stage_name(in->score->stage)));
	kam_put(out, "depth_score", kam_rounded(depth > 1 ? 1 : depth));
	kam_put(out, "depth_breakdown", parts);
	kam_put(out, "trajectory", kam_string(trajectory(env, in)));
	kam_put(out, "summary", kam_string(summarize(env, in, (int) count[DEPTH_MEETINGS])));
	kam_put(out, "claims", claims(env, in));
	return out;
}
