/*
 * core/agents/content.c: content_generator: one message per working channel,
 * in the contact's language, shaped by what people approved before and by best
 * practices.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

static const char *const tone[] = {
	[KAM_NO_VARIANT] = "none",
	[KAM_FIRST_TOUCH] = "professional-curious",
	[KAM_FOLLOW_UP] = "professional-friendly",
	[KAM_LIGHTER_TOUCH] = "light-friendly",
	[KAM_RE_ENGAGEMENT] = "warm-professional",
	[KAM_ENGAGEMENT_SIGNAL] = "friendly-attentive",
	[KAM_ACTIVE_DEAL] = "professional-direct",
	[KAM_CHURN_ACKNOWLEDGEMENT] = "respectful-supportive",
	[KAM_BREAK_UP_MESSAGE] = "respectful-brief",
};

/* ---- best practices --------------------------------------------------------------- */

/* What a practice can ask of a message, by folded words of its title or body. */
static const struct
{
	const char *words;
	bool		concise,
				no_question;
} directive[] = {
	{"no question", false, true}, {"without a question", false, true}, {"without question", false, true},
	{"aucune question", false, true}, {"pas de question", false, true}, {"sans question", false, true},
	{"keep it short", true, false}, {"short message", true, false}, {"be brief", true, false}, {"concise", true, false},
	{"message court", true, false}, {"messages courts", true, false}, {"faire court", true, false}, {"faites court", true, false},
	{"soyez bref", true, false}, {"concis", true, false},
};

/* Names in applies_to that fit: the variant, the action, a working channel, all. */
static bool
practice_applies(const KamInputs *in, const json_t *row)
{
	const json_t *applies = kam_get_array(row, "applies_to");
	size_t		n = json_array_size(applies);

	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
	{
		const char *name = json_string_value(json_array_get(applies, i));
		KamChannel	channel;

		if (name == NULL)
			continue;
		channel = kam_channel_from_name(name);
		if (strcmp(name, "all") == 0 || strcmp(name, kam_action_name(in->plan->action)) == 0 ||
			(in->plan->variant != KAM_NO_VARIANT && strcmp(name, kam_variant_name(in->plan->variant)) == 0) ||
			(channel != KAM_NO_CHANNEL && in->facts->channel[channel]))
			return true;
	}
	return false;
}

/* Takes what the applicable practices ask for; returns the ids of those that changed something. */
static json_t *
apply_practices(const KamEnv *env, const KamInputs *in, KamCompose *compose)
{
	json_t	   *used = kam_array();
	size_t		n = json_array_size(in->practices);

	for (size_t i = 0; i < n; i++)
	{
		const json_t *row = json_array_get(in->practices, i);
		const char *language = kam_get_string(row, "language");
		const char *title = kam_get_string(row, "title");
		const char *body = kam_get_string(row, "body");
		const char *text;
		bool		uses = false;

		if ((language != NULL && strcmp(language, compose->wording->language) != 0) || !practice_applies(in, row))
			continue;
		text = kam_printf(env->arena, " %s %s ", title != NULL ? kam_fold(env->arena, title) : "",
						  body != NULL ? kam_fold(env->arena, body) : "");
		for (size_t d = 0; d < KAM_LENGTHOF(directive); d++)
			if (strstr(text, kam_printf(env->arena, " %s ", directive[d].words)) != NULL)
			{
				compose->concise |= directive[d].concise;
				compose->no_question |= directive[d].no_question;
				uses = true;
			}
		if (uses)
			kam_push(used, kam_string(kam_get_string(row, "practice_id")));
	}
	return used;
}

/* ---- the output --------------------------------------------------------------------- */

/* What the message says about the past, with its proof. */
static json_t *
claims(const KamEnv *env, const KamInputs *in, const KamHooks *hooks)
{
	const KamFacts *facts = in->facts;
	json_t	   *list = kam_array();

	if (hooks->request_signal != NULL && hooks->request_pending)
		kam_push_claim(env, in->contact, list,
					   kam_claim("They asked for what the message answers.", kam_evidence_of_signal(env, hooks->request_signal)));
	if (hooks->question != NULL && hooks->question_pending)
		kam_push_claim(env, in->contact, list,
					   kam_claim("They asked the question that the message takes up.", kam_evidence_of_signal(env, hooks->question)));
	if (in->plan->variant == KAM_ENGAGEMENT_SIGNAL)
		kam_push_claim(env, in->contact, list, kam_claim("They reacted to our content.", facts->evidence[KAM_FACT_ENGAGEMENT]));
	if (in->plan->variant == KAM_ACTIVE_DEAL)
		kam_push_claim(env, in->contact, list, kam_claim("A deal is open.", facts->evidence[KAM_FACT_DEALS]));
	if (in->plan->variant == KAM_CHURN_ACKNOWLEDGEMENT)
		kam_push_claim(env, in->contact, list, kam_claim("They announced the end of the contract.", facts->evidence[KAM_FACT_CHURN]));
	if (facts->last_inbound != NULL)
		kam_push_claim(env, in->contact, list,
					   kam_claim(kam_printf(env->arena, "They last wrote on %s.",
											kam_date_format(env->arena, &in->contact->zone, facts->last_inbound->at)),
								 facts->evidence[KAM_FACT_LAST_INBOUND_AT]));
	return list;
}

/* How personal the messages can be: what there was to build them on. */
static double
personal_quality(const KamCompose *compose, const KamHooks *hooks)
{
	const KamContact *contact = compose->in->contact;
	double		quality = 0.55;

	quality += contact->first_name != NULL ? 0.08 : 0;
	quality += contact->company != NULL || contact->job_title != NULL ? 0.05 : 0;
	quality += hooks->request_pending && hooks->request != NULL ? 0.15 : hooks->topic != NULL || hooks->question_words != NULL ? 0.10 : 0;
	quality += hooks->resource != NULL ? 0.07 : 0;
	quality += compose->in->facts->nengagement > 0 || compose->in->facts->active_deal != NULL ? 0.05 : 0;
	return quality > 0.95 ? 0.95 : quality;
}

json_t *
kam_agent_content(const KamEnv *env, const KamInputs *in)
{
	KamChannelRank rank[KAM_CHANNELS];
	KamHooks	hooks;
	KamCompose	compose;
	KamLearnt	learnt;
	int			nchannels = kam_rank_channels(env, in->contact, in->facts, in->plan, rank);
	bool		sends = kam_plan_sends(in->plan) && in->plan->variant != KAM_NO_VARIANT;
	json_t	   *out = kam_object(),
			   *content = kam_object(),
			   *quality = kam_object(),
			   *practices;

	kam_hooks_find(env, in, &hooks);
	kam_compose_open(env, in, &hooks, &compose);
	kam_learn(in, nchannels > 0 ? rank[0].channel : KAM_NO_CHANNEL, tone[in->plan->variant], &learnt);
	compose.concise = learnt.shorter;
	compose.no_question = learnt.without_question;
	practices = apply_practices(env, in, &compose);
	for (int i = 0; sends && i < nchannels; i++)
		kam_put(content, kam_channel_name(rank[i].channel), kam_compose(&compose, rank[i].channel));
	kam_put(out, "generated_content", content);
	kam_put(out, "tone", kam_string(tone[in->plan->variant]));
	kam_put(out, "language", kam_string(compose.wording->language));
	kam_put(out, "variant", kam_string(sends ? kam_variant_name(in->plan->variant) : NULL));
	kam_put(out, "not_needed", sends ? json_null() : kam_string(in->plan->reason));
	kam_put(out, "historical_context", kam_historical_context(env->arena, in, &learnt));
	kam_put(quality, "historical_alignment", learnt.alignment >= 0 ? kam_rounded(learnt.alignment) : json_null());
	kam_put(quality, "content_quality", sends ? kam_rounded(personal_quality(&compose, &hooks)) : json_null());
	kam_put(out, "quality_assessment", quality);
	kam_put(out, "resource_id", kam_string(hooks.resource == NULL || !sends ? NULL : kam_get_string(hooks.resource, "resource_id")));
	kam_put(out, "practices_used", practices);
	kam_put(out, "claims", sends ? claims(env, in, &hooks) : kam_array());
	return out;
}
