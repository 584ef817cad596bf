/*
 * core/channels.c: which channel this contact answers on
 * (spec, "Channel Selector").
 */
#include "core/decide.h"

#include <string.h>

/* Where to start when nothing is known, and what experience adds or takes away. */
static const double prior[KAM_CHANNELS] = {
	[KAM_LINKEDIN] = 0.45, [KAM_EMAIL_CHANNEL] = 0.50, [KAM_PHONE] = 0.30, [KAM_WHATSAPP] = 0.35
};

#define ANSWERED_ON_IT 0.25		/* times the channel's share of all answers */
#define LAST_ANSWER_ON_IT 0.20	/* the latest answer came over it */
#define WAITS_ON_IT 0.15		/* and waits for us */
#define PER_IGNORED -0.06		/* each message over it since their last answer ... */
#define IGNORED_MOST -0.24		/* ... down to this */
#define SWITCH_AFTER_GHOSTING -0.10		/* the channel of the ignored messages, on a lighter touch */
#define ENGAGED_ON_LINKEDIN 0.35

typedef struct Tally
{
	int			answers,
				attempts,
				ignored;
	bool		latest;
} Tally;

static void
count_messages(const KamContact *contact, const KamFacts *facts, KamTime as_of, Tally tally[KAM_CHANNELS], int *answers)
{
	for (int i = 0; i < contact->nactivities; i++)
	{
		const KamActivity *a = &contact->activities[i];
		KamChannel	channel = kam_activity_channel(a);

		if (channel == KAM_NO_CHANNEL || kam_is_engagement(a->type) || a->at > as_of)
			continue;
		if (a->direction == KAM_INBOUND)
		{
			tally[channel].answers++;
			(*answers)++;
		}
		else if (a->direction == KAM_OUTBOUND)
		{
			tally[channel].attempts++;
			if (!facts->last_inbound || a->at > facts->last_inbound->at)
				tally[channel].ignored++;
		}
	}
	if (facts->last_inbound)
		tally[kam_activity_channel(facts->last_inbound)].latest = true;
}

static const char *
explain(KamArena *arena, KamChannel channel, const Tally *t, bool engaged)
{
	const char *name = kam_channel_name(channel);

	if (engaged && channel == KAM_LINKEDIN)
		return kam_printf(arena, "The contact just reacted on LinkedIn.");
	if (t->latest)
		return kam_printf(arena, "The contact's latest message came over %s (%d of theirs in all).", name, t->answers);
	if (t->answers)
		return kam_printf(arena, "The contact has answered %d times over %s.", t->answers, name);
	if (t->ignored)
		return kam_printf(arena, "%s is open, but %d messages over it are unanswered.", name, t->ignored);
	return kam_printf(arena, "%s is open and has not been used yet.", name);
}

int
kam_rank_channels(const KamEnv *env, const KamContact *contact, const KamFacts *facts,
				  const KamPlan *plan, KamChannelRank out[KAM_CHANNELS])
{
	Tally		tally[KAM_CHANNELS];
	int			answers = 0,
				n = 0;

	memset(tally, 0, sizeof tally);
	count_messages(contact, facts, env->as_of, tally, &answers);
	for (int i = KAM_NO_CHANNEL + 1; i < KAM_CHANNELS; i++)
	{
		const Tally *t = &tally[i];
		bool		engaged = plan->variant == KAM_ENGAGEMENT_SIGNAL && facts->nengagement > 0;
		double		ignored = PER_IGNORED * t->ignored;
		KamChannelRank rank = {(KamChannel) i, prior[i], t->answers, t->attempts, NULL};
		int			at = n;

		if (!facts->channel[i])
			continue;
		if (answers)
			rank.score += ANSWERED_ON_IT * t->answers / answers;
		if (t->latest)
			rank.score += LAST_ANSWER_ON_IT + (facts->answered ? WAITS_ON_IT : 0);
		rank.score += ignored < IGNORED_MOST ? IGNORED_MOST : ignored;
		if (plan->variant == KAM_LIGHTER_TOUCH && t->ignored)
			rank.score += SWITCH_AFTER_GHOSTING;
		if (engaged && i == KAM_LINKEDIN)
			rank.score += ENGAGED_ON_LINKEDIN;
		rank.score = rank.score < 0.05 ? 0.05 : rank.score > 0.98 ? 0.98 : rank.score;
		rank.reason = explain(env->arena, (KamChannel) i, t, engaged);

		for (; at > 0 && out[at - 1].score < rank.score; at--)
			out[at] = out[at - 1];
		out[at] = rank;
		n++;
	}
	return n;
}
