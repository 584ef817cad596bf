/*
 * core/conditional.c: the structures that a decision carries exactly when
 * their trigger is there (spec, "Conditional Structures: When to Include").
 */
#include "core/decide.h"

#include <string.h>

#define SEQUENCE_CYCLE_DAYS 30
#define BUYING_PROCESS_DAYS 90

typedef const KamEnv *Env;
typedef const KamContact *Contact;
typedef const KamFacts *Facts;

static json_t *
date_or_null(Env env, Contact contact, KamTime at)
{
	return at == KAM_NO_TIME ? json_null() : kam_string(kam_date_format(env->arena, &contact->zone, at));
}

/* {"quote", "said_on"}: what proves an entry, without its place in the input. */
static json_t *
proof(Env env, Contact contact, const KamSignal *signal)
{
	json_t	   *object = kam_object();

	kam_put(object, "quote", kam_string(signal->quote));
	kam_put(object, "said_on", date_or_null(env, contact, signal->activity->at));
	return object;
}

/* ---- pilot_health: a pilot, POC or trial --------------------------------------- */

static bool
has_pilot(Env env, Contact contact, Facts facts)
{
	(void) env;
	(void) contact;
	return facts->pilot;
}

static json_t *
pilot_health(Env env, Contact contact, Facts facts)
{
	json_t	   *object = kam_object();
	bool		silent = facts->days_since_last_contact > 14;
	const char *health = facts->churn ? "at_risk" :
		facts->objections.count || silent ? "watch" : "good";

	kam_put(object, "status", kam_string(facts->pilot_status));
	kam_put(object, "health", kam_string(health));
	kam_put(object, "review_at", date_or_null(env, contact, facts->pilot_review));
	kam_put(object, "deal", kam_string(facts->pilot_deal ? facts->pilot_deal->name : NULL));
	kam_put(object, "churn_signal", json_boolean(facts->churn != NULL));
	kam_put(object, "days_since_last_contact",
			facts->days_since_last_contact < 0 ? json_null() : kam_integer((long long) facts->days_since_last_contact));
	kam_put(object, "evidence", facts->pilot_signal ? proof(env, contact, facts->pilot_signal) : json_null());
	return object;
}

/* ---- stakeholder_map: more than two people --------------------------------------- */

static bool
has_stakeholders(Env env, Contact contact, Facts facts)
{
	(void) env;
	(void) contact;
	return facts->npeople > 2;
}

static json_t *
stakeholder_map(Env env, Contact contact, Facts facts)
{
	json_t	   *list = kam_array();

	(void) env;
	(void) contact;
	for (int i = 0; i < facts->npeople; i++)
	{
		const KamPerson *person = &facts->people[i];
		json_t	   *item = kam_object();

		kam_put(item, "name", kam_string(person->name));
		kam_put(item, "role", kam_string(person->role));
		kam_put(item, "influence", kam_string(person->decides ? "decision_maker" : person->champion ? "champion" : "involved"));
		kam_push(list, item);
	}
	return list;
}

/* ---- explicit_timing_agreement: a date was set -------------------------------------- */

static bool
has_timing(Env env, Contact contact, Facts facts)
{
	(void) env;
	(void) contact;
	return facts->timing != NULL;
}

static json_t *
explicit_timing_agreement(Env env, Contact contact, Facts facts)
{
	json_t	   *object = kam_object();
	KamTime		at = facts->timing->at;

	kam_put(object, "agreed_date", date_or_null(env, contact, at));
	kam_put(object, "set_by", kam_string(facts->timing->activity->direction == KAM_INBOUND ? "contact" : "us"));
	kam_put(object, "status", kam_string(at > env->as_of ? "ahead" :
										 facts->last_outbound && facts->last_outbound->at >= at ? "kept" : "due"));
	kam_put(object, "evidence", proof(env, contact, facts->timing));
	return object;
}

/* ---- buying_committee: who supports is not who decides -------------------------------- */

static const KamPerson *
decision_maker(Facts facts)
{
	for (int i = 1; i < facts->npeople; i++)
		if (facts->people[i].decides)
			return &facts->people[i];
	return NULL;
}

static bool
has_committee(Env env, Contact contact, Facts facts)
{
	(void) env;
	(void) contact;
	return facts->npeople > 1 && decision_maker(facts) != NULL;
}

static json_t *
buying_committee(Env env, Contact contact, Facts facts)
{
	json_t	   *object = kam_object(),
			   *others = kam_array();
	const KamPerson *decides = decision_maker(facts);

	(void) env;
	(void) contact;
	kam_put(object, "champion", kam_string(facts->people[0].name));
	kam_put(object, "decision_maker", kam_string(decides->name));
	for (int i = 1; i < facts->npeople; i++)
		if (&facts->people[i] != decides)
			kam_push(others, kam_string(facts->people[i].name));
	kam_put(object, "others", others);
	return object;
}

/* ---- known_objections -------------------------------------------------------------------- */

static bool
has_objections(Env env, Contact contact, Facts facts)
{
	(void) env;
	(void) contact;
	return facts->objections.count > 0;
}

static json_t *
known_objections(Env env, Contact contact, Facts facts)
{
	json_t	   *list = kam_array();

	for (int i = 0; i < facts->objections.count; i++)
	{
		json_t	   *item = kam_object();

		kam_put(item, "objection", kam_string(facts->objections.item[i]->name));
		kam_put(item, "evidence", proof(env, contact, facts->objections.item[i]));
		kam_push(list, item);
	}
	return list;
}

/* ---- competitive_context ------------------------------------------------------------------- */

static bool
has_competition(Env env, Contact contact, Facts facts)
{
	(void) env;
	(void) contact;
	return facts->competitors.count > 0;
}

static json_t *
competitive_context(Env env, Contact contact, Facts facts)
{
	json_t	   *object = kam_object(),
			   *list = kam_array();

	for (int i = 0; i < facts->competitors.count; i++)
	{
		json_t	   *item = kam_object();

		kam_put(item, "name", kam_string(facts->competitors.item[i]->name));
		kam_put(item, "evidence", proof(env, contact, facts->competitors.item[i]));
		kam_push(list, item);
	}
	kam_put(object, "competitors", list);
	kam_put(object, "preferred", kam_string(facts->competitor_preferred ? facts->competitor_preferred->name : NULL));
	return object;
}

/* ---- buying_process: a cycle of more than three months ---------------------------------------- */

static bool
has_buying_process(Env env, Contact contact, Facts facts)
{
	(void) env;
	(void) contact;
	return facts->active_deal && facts->cycle_days > BUYING_PROCESS_DAYS;
}

static json_t *
buying_process(Env env, Contact contact, Facts facts)
{
	json_t	   *object = kam_object();

	kam_put(object, "cycle_days", kam_integer((long long) facts->cycle_days));
	kam_put(object, "deal", kam_string(facts->active_deal->name));
	kam_put(object, "stage", kam_string(facts->active_deal->stage));
	kam_put(object, "started_on", date_or_null(env, contact, facts->active_deal->created));
	kam_put(object, "next_step_on", date_or_null(env, contact, facts->next_step ? facts->next_step->at : KAM_NO_TIME));
	return object;
}

/* ---- the table ------------------------------------------------------------------------------------ */

const KamConditional kam_conditionals[] = {
	{"pilot_health", has_pilot, pilot_health},
	{"stakeholder_map", has_stakeholders, stakeholder_map},
	{"explicit_timing_agreement", has_timing, explicit_timing_agreement},
	{"buying_committee", has_committee, buying_committee},
	{"known_objections", has_objections, known_objections},
	{"competitive_context", has_competition, competitive_context},
	{"buying_process", has_buying_process, buying_process},
};
const int	kam_conditional_count = (int) KAM_LENGTHOF(kam_conditionals);

json_t *
kam_conditional_context(const KamEnv *env, const KamContact *contact, const KamFacts *facts)
{
	json_t	   *object = kam_object();

	for (int i = 0; i < kam_conditional_count; i++)
	{
		const KamConditional *row = &kam_conditionals[i];

		kam_put(object, row->key, row->triggered(env, contact, facts) ? row->build(env, contact, facts) : json_null());
	}
	return object;
}

bool
kam_sequence_required(const KamFacts *facts, KamAction action)
{
	return facts->active_deal && facts->cycle_days > SEQUENCE_CYCLE_DAYS &&
		(action == KAM_SEND_MESSAGE || action == KAM_WAIT);
}
