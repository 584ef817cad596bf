/*
 * core/agents/content.c: content_generator: one message per working channel,
 * in the contact's language, and how it agrees with what people approved
 * before.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

#define EDITS_TO_LEARN 2		/* fewer edited messages teach nothing */
#define SHORTENED 0.75			/* mean length of an edit against the original */

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

/* ---- what people approved ------------------------------------------------------ */

/* How a validation counts. */
static const struct
{
	const char *type;
	double		weight;
} validation[] = {
	{"approved", 1.0}, {"edited", 0.5}, {"rejected", 0.0},
};

typedef struct Share
{
	int			n,
				approved;
	double		sum;
} Share;

typedef struct Learnt
{
	Share		action,
				channel,
				tone;
	int			rows,
				edits,
				question_dropped;
	double		length_ratio;	/* sum over the edits */
} Learnt;

static void
count_in(Share *share, double weight)
{
	share->n++;
	share->approved += weight == 1.0;
	share->sum += weight;
}

/* The final_decision of a history row, bare or wrapped. */
static const json_t *
decision_of(const json_t *row)
{
	const json_t *decision = kam_get_object(row, "decision");
	const json_t *inner = kam_get_object(decision, "final_decision");

	return inner != NULL ? inner : decision;
}

static void
learn(const KamInputs *in, KamChannel channel, Learnt *out)
{
	const char *action = kam_action_name(in->plan->action);
	const char *channel_name = kam_channel_name(channel);
	size_t		n = json_array_size(in->history);

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < n; i++)
	{
		const json_t *row = json_array_get(in->history, i);
		const json_t *content = kam_get_object(decision_of(row), "selected_content");
		const char *type = kam_get_string(row, "type_of_validation");
		const char *of_action = kam_get_string(row, "action");
		const char *of_channel = kam_get_string(row, "selected_channel");
		const char *of_tone = kam_get_string(content, "tone");
		const char *edited = kam_get_string(row, "edited_message");
		const char *original = kam_get_string(content, "message");
		double		weight = -1;

		for (size_t v = 0; type != NULL && v < KAM_LENGTHOF(validation); v++)
			if (strcmp(validation[v].type, type) == 0)
				weight = validation[v].weight;
		if (weight < 0)
			continue;
		out->rows++;
		if (of_action != NULL && strcmp(of_action, action) == 0)
			count_in(&out->action, weight);
		if (of_channel != NULL && channel_name != NULL && kam_channel_from_name(of_channel) == channel)
			count_in(&out->channel, weight);
		if (of_tone != NULL && strcmp(of_tone, tone[in->plan->variant]) == 0)
			count_in(&out->tone, weight);
		if (edited != NULL && original != NULL && edited[0] != '\0' && original[0] != '\0' && weight == 0.5)
		{
			out->edits++;
			out->length_ratio += (double) kam_characters(edited) / kam_characters(original);
			out->question_dropped += kam_count_questions(original) > 0 && kam_count_questions(edited) == 0;
		}
	}
}

static json_t *
share_json(const Share *share)
{
	return share->n > 0 ? kam_rounded(share->sum / share->n) : json_null();
}

/* Mean of the shares that are known. */
static json_t *
alignment(const Learnt *learnt)
{
	const Share *share[] = {&learnt->action, &learnt->channel, &learnt->tone};
	double		sum = 0;
	int			n = 0;

	for (size_t i = 0; i < KAM_LENGTHOF(share); i++)
		if (share[i]->n > 0)
		{
			sum += share[i]->sum / share[i]->n;
			n++;
		}
	return n > 0 ? kam_rounded(sum / n) : json_null();
}

static json_t *
historical_context(KamArena *arena, const KamInputs *in, const Learnt *learnt)
{
	json_t	   *out = kam_object();
	const char *assessment = NULL;

	if (learnt->action.n > 0)
		assessment = kam_printf(arena, "Of %s of type %s among the latest, %s approved as written.",
								kam_count_of(arena, learnt->action.n, "validated decision", "validated decisions"),
								kam_action_name(in->plan->action),
								learnt->action.approved == 1 ? "one was" :
								kam_printf(arena, "%s were", learnt->action.approved == 0 ? "none" :
										   kam_count_word(arena, learnt->action.approved)));
	else if (learnt->rows > 0)
		assessment = kam_printf(arena, "No validated decision of type %s is among the latest.", kam_action_name(in->plan->action));
	kam_put(out, "has_historical_data", json_boolean(learnt->rows > 0));
	kam_put(out, "pattern_match_assessment", kam_string(assessment));
	kam_put(out, "channel_alignment", share_json(&learnt->channel));
	kam_put(out, "tone_alignment", share_json(&learnt->tone));
	return out;
}

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
	Learnt		learnt;
	int			nchannels = kam_rank_channels(env, in->contact, in->facts, in->plan, rank);
	bool		sends = kam_plan_sends(in->plan) && in->plan->variant != KAM_NO_VARIANT;
	json_t	   *out = kam_object(),
			   *content = kam_object(),
			   *quality = kam_object(),
			   *practices;

	kam_hooks_find(env, in, &hooks);
	kam_compose_open(env, in, &hooks, &compose);
	learn(in, nchannels > 0 ? rank[0].channel : KAM_NO_CHANNEL, &learnt);
	if (learnt.edits >= EDITS_TO_LEARN)
	{
		compose.concise = learnt.length_ratio / learnt.edits <= SHORTENED;
		compose.no_question = 2 * learnt.question_dropped > learnt.edits;
	}
	practices = apply_practices(env, in, &compose);
	for (int i = 0; sends && i < nchannels; i++)
		kam_put(content, kam_channel_name(rank[i].channel), kam_compose(&compose, rank[i].channel));
	kam_put(out, "generated_content", content);
	kam_put(out, "tone", kam_string(tone[in->plan->variant]));
	kam_put(out, "language", kam_string(compose.wording->language));
	kam_put(out, "variant", kam_string(sends ? kam_variant_name(in->plan->variant) : NULL));
	kam_put(out, "not_needed", sends ? json_null() : kam_string(in->plan->reason));
	kam_put(out, "historical_context", historical_context(env->arena, in, &learnt));
	kam_put(quality, "historical_alignment", alignment(&learnt));
	kam_put(quality, "content_quality", sends ? kam_rounded(personal_quality(&compose, &hooks)) : json_null());
	kam_put(out, "quality_assessment", quality);
	kam_put(out, "resource_id", kam_string(hooks.resource == NULL || !sends ? NULL : kam_get_string(hooks.resource, "resource_id")));
	kam_put(out, "practices_used", practices);
	kam_put(out, "claims", sends ? claims(env, in, &hooks) : kam_array());
	return out;
}
