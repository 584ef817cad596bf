/*
 * core/facts_business.c: who else is involved, deals, pilots, prices,
 * competitors (contract section 4).
 */
#include "core/facts_internal.h"

#include <string.h>

#define OTHER_OWNER_WITHIN 14	/* days; the contract's */
#define PILOT_TALK_HOLDS 120	/* days that a pilot known from the text alone is believed in */
#define MAX_PEOPLE 24

/* ---- who else ------------------------------------------------------------------------ */

/* "Julie Moreau" and "julie.moreau@lumio.example" are one person. */
static const char *
owner_identity(const KamEnv *env, const char *owner)
{
	const char *at = strchr(owner, '@');
	char	   *name = at ? kam_strndup(env->arena, owner, (size_t) (at - owner)) : kam_strdup(env->arena, owner);

	if (at)
		for (char *p = name; *p; p++)
			if (*p == '.' || *p == '_' || *p == '-')
				*p = ' ';
	return kam_fold(env->arena, name);
}

static void
find_other_owner(KamFinder *f)
{
	const KamContact *c = f->contact;
	const char *ours;

	if (!c->owner)
		return;
	ours = owner_identity(f->env, c->owner);
	for (int i = c->nactivities - 1; i >= 0; i--)
	{
		const KamActivity *a = &c->activities[i];

		if (a->at > f->env->as_of)
			continue;
		if (f->env->as_of - a->at > OTHER_OWNER_WITHIN * KAM_DAY)
			break;
		if (!a->owner || strcmp(a->owner, c->owner) == 0 || strcmp(owner_identity(f->env, a->owner), ours) == 0)
			continue;
		f->facts->other_owner = a->owner;
		f->facts->other_owner_activity = a;
		kam_prove_by_activity(f, KAM_FACT_OTHER_OWNER_ACTIVE, a, "metadata/owner");
		kam_prove_by_activity(f, KAM_FACT_OTHER_OWNER_ACTIVE, a, "recorded_on");
		return;
	}
}

static KamPerson *
add_person(KamFinder *f, const char *name)
{
	KamFacts   *facts = f->facts;
	const char *folded = kam_fold(f->env->arena, name);

	for (int i = 0; i < facts->npeople; i++)
		if (strcmp(kam_fold(f->env->arena, facts->people[i].name), folded) == 0)
			return &facts->people[i];
	if (facts->npeople == MAX_PEOPLE)
		return &facts->people[MAX_PEOPLE - 1];
	facts->people[facts->npeople].name = name;
	return &facts->people[facts->npeople++];
}

static void
find_people(KamFinder *f)
{
	KamFacts   *facts = f->facts;
	const KamContact *c = f->contact;
	KamSignalList named = kam_signals_of(f, KAM_KIND(KAM_SIGNAL_STAKEHOLDER) | KAM_KIND(KAM_SIGNAL_DECISION_MAKER), false);

	facts->people = KAM_NEW_ARRAY(f->env->arena, KamPerson, MAX_PEOPLE);
	if (c->full_name)
	{
		KamPerson  *self = add_person(f, c->full_name);

		self->role = c->job_title;
		self->champion = kam_newest(f, KAM_SIGNAL_CHAMPION) != NULL;
	}
	for (int i = 0; i < named.count; i++)
	{
		KamPerson  *person = named.item[i]->name ? add_person(f, named.item[i]->name) : NULL;

		if (!person)
			continue;
		person->decides |= named.item[i]->kind == KAM_SIGNAL_DECISION_MAKER;
		if (!person->role && named.item[i]->kind == KAM_SIGNAL_STAKEHOLDER)
			person->role = named.item[i]->quote;
		kam_prove_by_signal(f, KAM_FACT_STAKEHOLDERS, named.item[i]);
	}
}

/* ---- deals, pilots, prices ---------------------------------------------------------------- */

static void
find_deals(KamFinder *f)
{
	KamFacts   *facts = f->facts;
	const KamContact *c = f->contact;

	facts->cycle_days = -1;
	for (int i = 0; i < c->ndeals; i++)
	{
		const KamDeal *deal = &c->deals[i];

		facts->deals_open += deal->status == KAM_DEAL_OPEN;
		facts->deals_won += deal->status == KAM_DEAL_WON;
		facts->deals_lost += deal->status == KAM_DEAL_LOST;
		if (deal->status == KAM_DEAL_OPEN)
			facts->active_deal = deal;
		kam_prove_by_path(f, KAM_FACT_DEALS, kam_printf(f->env->arena, "/deals/%d/status", deal->index));
	}
	if (facts->active_deal && facts->active_deal->created != KAM_NO_TIME &&
		facts->active_deal->created <= f->env->as_of)
	{
		facts->cycle_days = (double) ((f->env->as_of - facts->active_deal->created) / KAM_DAY);
		kam_prove_by_path(f, KAM_FACT_CYCLE_DAYS,
					  kam_printf(f->env->arena, "/deals/%d/created_on", facts->active_deal->index));
	}
}

/* The words by which a deal says that it is a pilot (spec, "Conditional Context Triggers"). */
static const char *const pilot_words[] = {
	"pilot", "pilots", "pilote", "pilotes", "poc", "pocs", "trial", "trials", "essai", "essais"
};

static bool
names_pilot(KamFinder *f, const char *text)
{
	KamTokens	tokens;

	if (!text)
		return false;
	tokens = kam_tokenize(f->env->arena, text, strlen(text));
	for (int i = 0; i < tokens.count; i++)
	{
		for (size_t w = 0; w < KAM_LENGTHOF(pilot_words); w++)
			if (strcmp(tokens.token[i].word, pilot_words[w]) == 0)
				return true;
		if (i + 2 < tokens.count && strcmp(tokens.token[i].word, "proof") == 0 &&
			strcmp(tokens.token[i + 1].word, "of") == 0 && strcmp(tokens.token[i + 2].word, "concept") == 0)
			return true;
	}
	return false;
}

static void
find_pilot(KamFinder *f)
{
	KamFacts   *facts = f->facts;
	const KamContact *c = f->contact;
	const KamSignal *said = kam_newest(f, KAM_SIGNAL_PILOT),
			   *review = kam_newest(f, KAM_SIGNAL_PILOT_REVIEW);
	KamTime		as_of = f->env->as_of;

	facts->pilot_review = KAM_NO_TIME;
	for (int i = 0; i < c->ndeals; i++)
	{
		const KamDeal *deal = &c->deals[i];

		if (deal->status == KAM_DEAL_OPEN && (names_pilot(f, deal->name) || names_pilot(f, deal->stage)))
			facts->pilot_deal = deal;
	}
	if (said && as_of - said->activity->at > PILOT_TALK_HOLDS * KAM_DAY)
		said = NULL;
	facts->pilot_signal = said;
	facts->pilot = facts->pilot_deal || said;
	if (!facts->pilot)
		return;
	if (review && review->at != KAM_NO_TIME)
		facts->pilot_review = review->at;

	facts->pilot_status = facts->pilot_review != KAM_NO_TIME && facts->pilot_review <= as_of ? "reviewed" :
		said && said->name && (strcmp(said->name, "ended") == 0 || strcmp(said->name, "planned") == 0)
		? said->name : "running";
	facts->pilot_running = strcmp(facts->pilot_status, "running") == 0;
	if (facts->pilot_deal)
		kam_prove_by_path(f, KAM_FACT_PILOT, kam_printf(f->env->arena, "/deals/%d/%s", facts->pilot_deal->index,
													names_pilot(f, facts->pilot_deal->name) ? "name" : "stage"));
	kam_prove_by_signal(f, KAM_FACT_PILOT, said);
	if (facts->pilot_review != KAM_NO_TIME)
		kam_prove_by_signal(f, KAM_FACT_PILOT, review);
}

static bool
names_demo(KamFinder *f, const char *text)
{
	KamTokens	tokens;

	if (!text)
		return false;
	tokens = kam_tokenize(f->env->arena, text, strlen(text));
	for (int i = 0; i < tokens.count; i++)
		if (strcmp(tokens.token[i].word, "demo") == 0 || strncmp(tokens.token[i].word, "demonstration", 13) == 0)
			return true;
	return false;
}

static void
find_commerce(KamFinder *f)
{
	KamFacts   *facts = f->facts;
	const KamContact *c = f->contact;

	facts->pricing = kam_newest(f, KAM_SIGNAL_PRICING);
	kam_prove_by_signal(f, KAM_FACT_PRICING_DISCUSSED, facts->pricing);
	facts->budget_constraint = kam_newest(f, KAM_SIGNAL_BUDGET_CONSTRAINT);

	facts->demo_at = KAM_NO_TIME;
	for (int i = 0; i < c->nactivities; i++)
	{
		const KamActivity *a = &c->activities[i];

		if (a->type == KAM_MEETING && a->status != KAM_MEETING_CANCELLED && a->status != KAM_MEETING_NO_SHOW &&
			a->status != KAM_MEETING_SCHEDULED && kam_meeting_time(a) <= f->env->as_of && names_demo(f, a->subject))
		{
			facts->demo_activity = a;
			facts->demo_at = kam_meeting_time(a);
		}
	}
	facts->demo = kam_newest(f, KAM_SIGNAL_DEMO_HELD);
	facts->demo_positive = kam_newest(f, KAM_SIGNAL_DEMO_POSITIVE);
	if (facts->demo_at == KAM_NO_TIME && (facts->demo || facts->demo_positive))
	{
		const KamSignal *s = facts->demo ? facts->demo : facts->demo_positive;

		facts->demo_at = s->at != KAM_NO_TIME && s->at <= f->env->as_of ? s->at : s->activity->at;
	}
	kam_prove_by_activity(f, KAM_FACT_DEMO, facts->demo_activity, "metadata/subject");
	kam_prove_by_signal(f, KAM_FACT_DEMO, facts->demo);
	kam_prove_by_signal(f, KAM_FACT_DEMO, facts->demo_positive);

	facts->competitors = kam_signals_of(f, KAM_KIND(KAM_SIGNAL_COMPETITOR) | KAM_KIND(KAM_SIGNAL_COMPETITOR_PREFERRED), true);
	facts->competitor_preferred = kam_newest(f, KAM_SIGNAL_COMPETITOR_PREFERRED);
	facts->objections = kam_signals_of(f, KAM_KIND(KAM_SIGNAL_OBJECTION), true);
	for (int i = 0; i < facts->competitors.count; i++)
		kam_prove_by_signal(f, KAM_FACT_COMPETITORS, facts->competitors.item[i]);
	for (int i = 0; i < facts->objections.count; i++)
		kam_prove_by_signal(f, KAM_FACT_OBJECTIONS, facts->objections.item[i]);

	facts->positive = kam_signals_of(f, KAM_KIND(KAM_SIGNAL_POSITIVE), false);
	facts->interest = kam_signals_of(f, KAM_KIND(KAM_SIGNAL_INTEREST), false);
	facts->questions = kam_signals_of(f, KAM_KIND(KAM_SIGNAL_QUESTION), false);
}

void
kam_find_business(KamFinder *f)
{
	find_other_owner(f);
	find_people(f);
	find_deals(f);
	find_pilot(f);
	find_commerce(f);
}
