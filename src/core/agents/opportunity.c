/*
 * core/agents/opportunity.c: opportunity_detector: reasons to reach out, each
 * with what proves it, and hooks in the contact's own words.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

typedef struct Found
{
	const KamEnv *env;
	const KamInputs *in;
	const KamHooks *hooks;
} Found;

static const char *
dated(const Found *f, const char *what, const KamActivity *activity)
{
	return kam_printf(f->env->arena, "%s on %s", what,
					  kam_english_date(f->env->arena, &f->in->contact->zone, activity->at));
}

static const char *
resource_title(const Found *f)
{
	return kam_squash(f->env->arena, kam_get_string(f->hooks->resource, "title"));
}

static const char *
pending_request(const Found *f)
{
	const KamHooks *hooks = f->hooks;

	if (hooks->request_signal == NULL || !hooks->request_pending)
		return NULL;
	if (hooks->request != NULL)
		return kam_printf(f->env->arena, "%s (%s) and have no answer yet.",
						  dated(f, "They asked for something", hooks->request_signal->activity), hooks->request);
	return kam_printf(f->env->arena, "%s and have no answer yet.",
					  dated(f, "They asked for something", hooks->request_signal->activity));
}

static const char *
pending_question(const Found *f)
{
	if (f->hooks->question == NULL || !f->hooks->question_pending)
		return NULL;
	return kam_printf(f->env->arena, "%s that we have not answered.",
					  dated(f, "They asked a question", f->hooks->question->activity));
}

static const char *
matching_resource(const Found *f)
{
	if (f->hooks->resource == NULL)
		return NULL;
	return kam_printf(f->env->arena, "The resource \"%s\" matches what they wrote (%s).", resource_title(f),
					  f->hooks->resource_term != NULL ? f->hooks->resource_term : "topic");
}

static const char *
engagement(const Found *f)
{
	const KamFacts *facts = f->in->facts;

	if (facts->nengagement == 0)
		return NULL;
	return kam_printf(f->env->arena, "A LinkedIn %s after our last message, on %s.", facts->engagement[0].kind,
					  kam_english_date(f->env->arena, &f->in->contact->zone, facts->engagement[0].activity->at));
}

static const char *
open_deal(const Found *f)
{
	const KamDeal *deal = f->in->facts->active_deal;

	if (deal == NULL)
		return NULL;
	if (deal->name == NULL || deal->name[0] == '\0')
		return "A deal is open and needs its next step.";
	return kam_printf(f->env->arena, "The deal \"%s\" is open and needs its next step.", kam_squash(f->env->arena, deal->name));
}

static const char *
meeting_ahead(const Found *f)
{
	const KamFacts *facts = f->in->facts;

	return facts->meeting_next != KAM_NO_TIME && facts->meeting_next > f->env->as_of ? "A meeting is agreed; it is the next occasion." : NULL;
}

static const char *
missed_meeting(const Found *f)
{
	const KamFacts *facts = f->in->facts;

	if (!facts->no_show)
		return NULL;
	if (kam_is_our_no_show(facts))
		return "We missed an agreed meeting and owe an apology and a new date.";
	return facts->no_show_responsible != NULL ? "They missed an agreed meeting; a new date can be offered without reproach."
		: "An agreed meeting did not take place; a new date can be offered.";
}

static const char *
positive_answer(const Found *f)
{
	const KamFacts *facts = f->in->facts;

	if (facts->positive.count == 0 || f->env->as_of - facts->positive.item[0]->activity->at > 60 * KAM_DAY)
		return NULL;
	return kam_printf(f->env->arena, "%s.", dated(f, "They answered positively", facts->positive.item[0]->activity));
}

static const char *
silence(const Found *f)
{
	const KamFacts *facts = f->in->facts;

	if (facts->days_since_last_contact < 30 || (facts->inbound_count == 0 && facts->meeting_last_held == KAM_NO_TIME))
		return NULL;
	return kam_printf(f->env->arena, "%d days have passed since the last contact; a relationship exists to take up again.",
					  (int) facts->days_since_last_contact);
}

static const char *
no_contact_yet(const Found *f)
{
	return f->in->facts->last_message == NULL && f->in->contact->activities != NULL && f->in->facts->outbound_count == 0 ?
		"Nobody has written to them yet." : NULL;
}

/* In order of strength; the factor weighs the score of the whole relationship. */
static const struct
{
	const char *type;
	double		strength;
	const char *(*reason) (const Found *f);
	KamFactId	fact;			/* whose evidence proves it; KAM_FACTS: none of its own */
} kinds[] = {
	{"request_answer", 0.80, pending_request, KAM_FACTS},
	{"question_answer", 0.75, pending_question, KAM_FACTS},
	{"meeting_recovery", 0.70, missed_meeting, KAM_FACT_MEETING},
	{"engagement_response", 0.65, engagement, KAM_FACT_ENGAGEMENT},
	{"deal_next_step", 0.65, open_deal, KAM_FACT_DEALS},
	{"content_share", 0.60, matching_resource, KAM_FACTS},
	{"meeting_preparation", 0.55, meeting_ahead, KAM_FACT_MEETING},
	{"positive_momentum", 0.50, positive_answer, KAM_FACTS},
	{"re_engagement", 0.40, silence, KAM_FACT_DAYS_SINCE_LAST_CONTACT},
	{"first_contact", 0.25, no_contact_yet, KAM_FACTS},
};

/* No reason to reach out remains when the contact is closed for us. */
static bool
is_closed(const KamFacts *facts)
{
	return facts->opt_out != NULL || facts->left_company != NULL;
}

json_t *
kam_agent_opportunity(const KamEnv *env, const KamInputs *in)
{
	KamHooks	hooks;
	Found		found = {env, in, &hooks};
	json_t	   *out = kam_object(),
			   *list = kam_array(),
			   *quotes = kam_array(),
			   *claims = kam_array();
	const KamSignal *proof[2];

	kam_hooks_find(env, in, &hooks);
	for (size_t i = 0; i < KAM_LENGTHOF(kinds) && !is_closed(in->facts); i++)
	{
		const char *reason = kinds[i].reason(&found);
		bool		resource = hooks.resource != NULL &&
			(strcmp(kinds[i].type, "content_share") == 0 || (i < 2 && hooks.resource_asked));
		json_t	   *row;

		if (reason == NULL)
			continue;
		row = kam_object();
		kam_put(row, "type", kam_string(kinds[i].type));
		kam_put(row, "reason", kam_string(reason));
		kam_put(row, "strength", kam_rounded(kinds[i].strength));
		kam_put(row, "resource_id", kam_string(resource ? kam_get_string(hooks.resource, "resource_id") : NULL));
		kam_push(list, row);
		if (kinds[i].fact != KAM_FACTS && in->facts->evidence[kinds[i].fact] != NULL)
			kam_push_claim(env, in->contact, claims,
						   kam_claim(kam_printf(env->arena, "Ground for %s.", kinds[i].type), in->facts->evidence[kinds[i].fact]));
	}
	for (int i = 0; i < hooks.nquotes; i++)
		kam_push(quotes, kam_string(hooks.quote[i].text));
	proof[0] = hooks.request_signal;
	proof[1] = hooks.question;
	for (int i = 0; i < 2; i++)
		if (proof[i] != NULL)
			kam_push_claim(env, in->contact, claims,
						   kam_claim(i == 0 ? "They asked for something." : "They asked a question.", kam_evidence_of_signal(env, proof[i])));
	kam_put(out, "opportunities", list);
	kam_put(out, "strength_score", kam_rounded(is_closed(in->facts) ? 0 : in->score->total / 100.0));
	kam_put(out, "hooks", quotes);
	kam_put(out, "topic", kam_string(hooks.request != NULL ? hooks.request : hooks.topic));
	kam_put(out, "claims", claims);
	return out;
}
