/*
 * core/agents/state.c: state_analyzer: whose turn it is, how warm it is, how
 * much it presses.
 */
#include "core/agents/agents_internal.h"

#define HOT_DAYS 7
#define WARM_DAYS 30

static bool
within(const KamEnv *env, KamTime at, int days)
{
	return at != KAM_NO_TIME && at <= env->as_of && env->as_of - at <= days * KAM_DAY;
}

static bool
is_closed(const KamEnv *env, const KamFacts *facts)
{
	return facts->churn != NULL || facts->opt_out != NULL || facts->left_company != NULL;
}

static bool
asked_lately(const KamEnv *env, const KamFacts *facts)
{
	return (facts->interest.count > 0 && within(env, facts->interest.item[0]->activity->at, HOT_DAYS)) ||
		(facts->questions.count > 0 && within(env, facts->questions.item[0]->activity->at, HOT_DAYS));
}

static bool
reacted_lately(const KamEnv *env, const KamFacts *facts)
{
	return facts->nengagement > 0;
}

static bool
approved_lately(const KamEnv *env, const KamFacts *facts)
{
	return facts->positive.count > 0 && within(env, facts->positive.item[0]->activity->at, HOT_DAYS);
}

static bool
wrote_lately(const KamEnv *env, const KamFacts *facts)
{
	return facts->last_inbound != NULL && within(env, facts->last_inbound->at, WARM_DAYS);
}

static bool
met_lately(const KamEnv *env, const KamFacts *facts)
{
	return within(env, facts->meeting_last_held, WARM_DAYS);
}

static bool
is_in_sale(const KamEnv *env, const KamFacts *facts)
{
	return facts->active_deal != NULL || facts->meeting_next != KAM_NO_TIME;
}

static bool
always(const KamEnv *env, const KamFacts *facts)
{
	return true;
}

/* First match wins. */
static const struct
{
	bool		(*holds) (const KamEnv *env, const KamFacts *facts);
	const char *temperature,
			   *why;
} temperature_rule[] = {
	{is_closed, "cold", "They have ended the contract, opted out or left."},
	{asked_lately, "hot", "They asked us for something within the last week."},
	{approved_lately, "hot", "They answered positively within the last week."},
	{reacted_lately, "hot", "They reacted to our content since our last message."},
	{wrote_lately, "warm", "They wrote within the last month."},
	{met_lately, "warm", "A meeting was held within the last month."},
	{is_in_sale, "warm", "A deal is open or a meeting is ahead."},
	{always, "cold", "Nothing came from them within the last month."},
};

/* Distinct follow-ups without an answer, as the spec's thresholds have them. */
static const struct
{
	int			from;
	const char *level;
} ghosting_level[] = {
	{5, "ghosted"}, {3, "lighter_touch"}, {1, "normal_follow_up"}, {0, "none"},
};

json_t *
kam_agent_state(const KamEnv *env, const KamInputs *in)
{
	KamArena   *arena = env->arena;
	const KamFacts *facts = in->facts;
	const KamActivity *last = facts->last_message;
	json_t	   *out = kam_object(),
			   *claims = kam_array(),
			   *exchange = NULL;
	int			rule = 0,
				ghosting = 0;

	while (!temperature_rule[rule].holds(env, facts))
		rule++;
	while (facts->distinct_follow_ups < ghosting_level[ghosting].from)
		ghosting++;
	kam_put(out, "who_has_ball", kam_string(last == NULL ? "none" : last->direction == KAM_INBOUND ? "us" : "them"));
	kam_put(out, "temperature", kam_string(temperature_rule[rule].temperature));
	kam_put(out, "temperature_reason", kam_string(temperature_rule[rule].why));
	kam_put(out, "action_needed", json_boolean(kam_plan_sends(in->plan)));
	kam_put(out, "urgency", kam_string(kam_urgency_name(kam_urgency(env, in->contact, facts, in->plan))));
	kam_put(out, "ghosting_level", kam_string(ghosting_level[ghosting].level));
	kam_put(out, "distinct_follow_ups", kam_integer(facts->distinct_follow_ups));
	if (last != NULL)
	{
		exchange = kam_object();
		kam_put(exchange, "at", kam_string(kam_time_format(arena, &in->contact->zone, last->at)));
		kam_put(exchange, "direction", kam_string(last->direction == KAM_INBOUND ? "inbound" : "outbound"));
		kam_put(exchange, "channel", kam_string(kam_channel_name(kam_activity_channel(last))));
	}
	kam_put(out, "last_exchange", exchange != NULL ? exchange : json_null());
	if (facts->opt_out != NULL)
		kam_push_claim(env, in->contact, claims, kam_claim("They asked not to be contacted again.", facts->evidence[KAM_FACT_OPTED_OUT]));
	if (facts->left_company != NULL)
		kam_push_claim(env, in->contact, claims, kam_claim("They have left the company.", facts->evidence[KAM_FACT_LEFT_COMPANY]));
	if (facts->wait != NULL)
		kam_push_claim(env, in->contact, claims, kam_claim("They asked to be contacted later.", facts->evidence[KAM_FACT_EXPLICIT_WAIT]));
	if (facts->nengagement > 0)
		kam_push_claim(env, in->contact, claims, kam_claim("They reacted to our content.", facts->evidence[KAM_FACT_ENGAGEMENT]));
	if (last != NULL)
		kam_push_claim(env, in->contact, claims,
					   kam_claim(last->direction == KAM_INBOUND ? "The last message is theirs." : "The last message is ours.",
								 facts->evidence[last->direction == KAM_INBOUND ? KAM_FACT_LAST_INBOUND_AT : KAM_FACT_LAST_OUTBOUND_AT]));
	kam_put(out, "claims", claims);
	return out;
}
