/*
 * core/facts_json.c: facts as the JSON of contract section 4, and evidence.
 *
 * One row per fact in the table at the end: its name and what packs its value.
 */
#include "core/facts_internal.h"

#include <stdlib.h>
#include <string.h>

#define QUOTE_BYTES 160

typedef struct Packer
{
	const KamEnv *env;
	const KamContact *contact;
	const KamFacts *facts;
} Packer;

/* ---- evidence ------------------------------------------------------------ */

/* Cuts a text at a word, without breaking a character. */
static const char *
shorten(KamArena *arena, const char *text)
{
	size_t		n = strlen(text);

	if (n <= QUOTE_BYTES)
		return text;
	n = QUOTE_BYTES;
	while (n > QUOTE_BYTES / 2 && text[n] != ' ' && text[n] != '\n')
		n--;
	while (n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80)
		n--;
	return kam_strndup(arena, text, n);
}

KamEvidence *
kam_evidence_at(const KamEnv *env, const KamContact *contact, const char *path)
{
	const json_t *value = kam_pointer(contact->json, path);
	KamEvidence *evidence;

	if (!value)
		return NULL;
	evidence = KAM_NEW(env->arena, KamEvidence);
	evidence->path = path;
	if (json_is_string(value))
		evidence->quote = shorten(env->arena, json_string_value(value));
	else if (json_is_integer(value))
		evidence->quote = kam_printf(env->arena, "%lld", (long long) json_integer_value(value));
	else if (json_is_real(value))
		evidence->quote = kam_printf(env->arena, "%.15g", json_real_value(value));
	else
		evidence->quote = json_is_true(value) ? "true" : json_is_false(value) ? "false" : "";
	return evidence;
}

KamEvidence *
kam_evidence_of_signal(const KamEnv *env, const KamSignal *signal)
{
	KamEvidence *evidence = KAM_NEW(env->arena, KamEvidence);

	evidence->path = kam_printf(env->arena, "/activities/%d/metadata/%s", signal->activity->index, signal->field);
	evidence->quote = shorten(env->arena, signal->quote ? signal->quote : "");
	return evidence;
}

json_t *
kam_evidence_json(const KamEvidence *list)
{
	json_t	   *array = kam_array();

	for (; list; list = list->next)
	{
		json_t	   *item = kam_object();

		kam_put(item, "path", kam_string(list->path));
		kam_put(item, "quote", kam_string(list->quote));
		kam_push(array, item);
	}
	return array;
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

void
kam_sort_texts(const char **texts, int count)
{
	qsort(texts, (size_t) count, sizeof(char *), compare_texts);
}

/* ---- small values ------------------------------------------------------------ */

static json_t *
time_value(const Packer *p, KamTime at)
{
	return at == KAM_NO_TIME ? json_null() : kam_string(kam_time_format(p->env->arena, &p->contact->zone, at));
}

static json_t *
date_value(const Packer *p, KamTime at)
{
	return at == KAM_NO_TIME ? json_null() : kam_string(kam_date_format(p->env->arena, &p->contact->zone, at));
}

static json_t *
days_value(double days)
{
	return days < 0 ? json_null() : kam_integer((long long) days);
}

/* {"at": ...}, or null without a time. */
static json_t *
at_object(const Packer *p, KamTime at)
{
	json_t	   *object;

	if (at == KAM_NO_TIME)
		return json_null();
	object = kam_object();
	kam_put(object, "at", time_value(p, at));
	return object;
}

/* ---- one function per fact ------------------------------------------------------ */

static json_t *
available_channels(const Packer *p)
{
	json_t	   *list = kam_array();

	for (int i = KAM_NO_CHANNEL + 1; i < KAM_CHANNELS; i++)
		if (p->facts->channel[i])
			kam_push(list, kam_string(kam_channel_name((KamChannel) i)));
	return list;
}

static json_t *
conversation_state(const Packer *p)
{
	static const char *const names[] = {"none", "active", "awaiting_response", "stale", "dormant"};

	return kam_string(names[p->facts->state]);
}

static json_t *
days_since_last_contact(const Packer *p)
{
	return days_value(p->facts->days_since_last_contact);
}

static json_t *
cycle_days(const Packer *p)
{
	return days_value(p->facts->cycle_days);
}

static json_t *
last_inbound_at(const Packer *p)
{
	return time_value(p, p->facts->last_inbound ? p->facts->last_inbound->at : KAM_NO_TIME);
}

static json_t *
last_outbound_at(const Packer *p)
{
	return time_value(p, p->facts->last_outbound ? p->facts->last_outbound->at : KAM_NO_TIME);
}

static json_t *
distinct_follow_ups(const Packer *p)
{
	return kam_integer(p->facts->distinct_follow_ups);
}

static json_t *
engagement(const Packer *p)
{
	json_t	   *list = kam_array();

	for (int i = 0; i < p->facts->nengagement; i++)
	{
		json_t	   *item = kam_object();

		kam_put(item, "kind", kam_string(p->facts->engagement[i].kind));
		kam_put(item, "at", time_value(p, p->facts->engagement[i].activity->at));
		kam_push(list, item);
	}
	return list;
}

static json_t *
churn(const Packer *p)
{
	json_t	   *object = kam_object();

	kam_put(object, "signal", json_boolean(p->facts->churn != NULL));
	kam_put(object, "responded", json_boolean(p->facts->churn_responded));
	return object;
}

static json_t *
opted_out(const Packer *p)
{
	return json_boolean(p->facts->opt_out != NULL);
}

static json_t *
left_company(const Packer *p)
{
	return json_boolean(p->facts->left_company != NULL);
}

static json_t *
unreachable(const Packer *p)
{
	return json_boolean(p->facts->unreachable);
}

static json_t *
out_of_office(const Packer *p)
{
	json_t	   *object;

	if (!p->facts->out_of_office)
		return json_null();
	object = kam_object();
	kam_put(object, "until", date_value(p, p->facts->out_of_office->at));
	return object;
}

static json_t *
explicit_wait(const Packer *p)
{
	json_t	   *object;

	if (!p->facts->wait)
		return json_null();
	object = kam_object();
	kam_put(object, "until", time_value(p, p->facts->wait->at));
	kam_put(object, "said_on", time_value(p, p->facts->wait->activity->at));
	return object;
}

static json_t *
meeting(const Packer *p)
{
	json_t	   *object = kam_object();
	json_t	   *no_show = json_null();

	if (p->facts->no_show)
	{
		no_show = kam_object();
		kam_put(no_show, "at", time_value(p, p->facts->no_show_at));
		kam_put(no_show, "responsible", kam_string(p->facts->no_show_responsible));
	}
	kam_put(object, "last_held_at", time_value(p, p->facts->meeting_last_held));
	kam_put(object, "next_at", time_value(p, p->facts->meeting_next));
	kam_put(object, "no_show", no_show);
	kam_put(object, "responsible", kam_string(p->facts->no_show_responsible));
	return object;
}

static json_t *
scheduled_touchpoint(const Packer *p)
{
	return at_object(p, p->facts->touchpoint);
}

static json_t *
other_owner_active(const Packer *p)
{
	json_t	   *object;

	if (!p->facts->other_owner)
		return json_null();
	object = kam_object();
	kam_put(object, "owner", kam_string(p->facts->other_owner));
	kam_put(object, "at", time_value(p, p->facts->other_owner_activity->at));
	return object;
}

static json_t *
deals(const Packer *p)
{
	json_t	   *object = kam_object();

	kam_put(object, "open", kam_integer(p->facts->deals_open));
	kam_put(object, "won", kam_integer(p->facts->deals_won));
	kam_put(object, "lost", kam_integer(p->facts->deals_lost));
	kam_put(object, "active_deal_id", kam_string(p->facts->active_deal ? p->facts->active_deal->deal_id : NULL));
	return object;
}

static json_t *
pricing_discussed(const Packer *p)
{
	return at_object(p, p->facts->pricing ? p->facts->pricing->activity->at : KAM_NO_TIME);
}

static json_t *
demo(const Packer *p)
{
	json_t	   *object = at_object(p, p->facts->demo_at);

	if (json_is_object(object))
		kam_put(object, "positive", json_boolean(p->facts->demo_positive != NULL));
	return object;
}

static json_t *
competitors(const Packer *p)
{
	json_t	   *list = kam_array();

	for (int i = 0; i < p->facts->competitors.count; i++)
		if (p->facts->competitors.item[i]->name)
			kam_push(list, kam_string(p->facts->competitors.item[i]->name));
	return list;
}

static json_t *
pilot(const Packer *p)
{
	const KamDeal *deal = p->facts->pilot_deal;
	json_t	   *object;

	if (!p->facts->pilot)
		return json_null();
	object = kam_object();
	kam_put(object, "status", kam_string(p->facts->pilot_status));
	kam_put(object, "review_at", time_value(p, p->facts->pilot_review));
	kam_put(object, "deal_id", kam_string(deal ? deal->deal_id : NULL));
	return object;
}

static json_t *
objections(const Packer *p)
{
	json_t	   *list = kam_array();

	for (int i = 0; i < p->facts->objections.count; i++)
	{
		const KamSignal *signal = p->facts->objections.item[i];
		json_t	   *item = kam_object();

		kam_put(item, "kind", kam_string(signal->name));
		kam_put(item, "quote", kam_string(signal->quote));
		kam_put(item, "at", time_value(p, signal->activity->at));
		kam_push(list, item);
	}
	return list;
}

/* The map is of use from the third person on (spec, "Conditional Context Triggers"). */
static json_t *
stakeholders(const Packer *p)
{
	json_t	   *list = kam_array();

	for (int i = 0; p->facts->npeople > 2 && i < p->facts->npeople; i++)
	{
		const KamPerson *person = &p->facts->people[i];
		json_t	   *item = kam_object();

		kam_put(item, "name", kam_string(person->name));
		kam_put(item, "role", kam_string(person->role));
		kam_put(item, "decides", json_boolean(person->decides));
		kam_put(item, "champion", json_boolean(person->champion));
		kam_push(list, item);
	}
	return list;
}

static json_t *
timing_agreement(const Packer *p)
{
	const KamSignal *signal = p->facts->timing;
	json_t	   *object = at_object(p, signal ? signal->at : KAM_NO_TIME);

	if (json_is_object(object))
	{
		kam_put(object, "said_on", time_value(p, signal->activity->at));
		kam_put(object, "by", kam_string(signal->activity->direction == KAM_INBOUND ? "contact" : "us"));
	}
	return object;
}

static json_t *
language(const Packer *p)
{
	return kam_string(p->facts->language);
}

static json_t *
data_quality_warnings(const Packer *p)
{
	json_t	   *list = kam_array();

	for (int i = 0; i < p->facts->nwarnings; i++)
		kam_push(list, kam_string(p->facts->warnings[i]));
	return list;
}

/* The contact was read without an error; it is valid when somebody can be reached. */
static json_t *
validation(const Packer *p)
{
	json_t	   *object = kam_object();

	kam_put(object, "is_valid", json_boolean(p->facts->nchannels > 0));
	return object;
}

/* Indexed by KamFactId. */
static const struct
{
	const char *name;
	json_t	   *(*value) (const Packer *);
}			fact_table[KAM_FACTS] = {
	{"available_channels", available_channels},
	{"conversation_state", conversation_state},
	{"days_since_last_contact", days_since_last_contact},
	{"cycle_days", cycle_days},
	{"last_inbound_at", last_inbound_at},
	{"last_outbound_at", last_outbound_at},
	{"distinct_follow_ups", distinct_follow_ups},
	{"engagement", engagement},
	{"churn", churn},
	{"opted_out", opted_out},
	{"left_company", left_company},
	{"unreachable", unreachable},
	{"out_of_office", out_of_office},
	{"explicit_wait", explicit_wait},
	{"meeting", meeting},
	{"scheduled_touchpoint", scheduled_touchpoint},
	{"other_owner_active", other_owner_active},
	{"deals", deals},
	{"pricing_discussed", pricing_discussed},
	{"demo", demo},
	{"competitors", competitors},
	{"pilot", pilot},
	{"objections", objections},
	{"stakeholders", stakeholders},
	{"timing_agreement", timing_agreement},
	{"language", language},
	{"data_quality_warnings", data_quality_warnings},
	{"validation", validation},
};

json_t *
kam_facts_json(const KamEnv *env, const KamContact *contact, const KamFacts *facts)
{
	Packer		p = {env, contact, facts};
	json_t	   *all = kam_object();

	for (int i = 0; i < KAM_FACTS; i++)
	{
		json_t	   *fact = kam_object();

		kam_put(fact, "value", fact_table[i].value(&p));
		kam_put(fact, "evidence", kam_evidence_json(facts->evidence[i]));
		kam_put(all, fact_table[i].name, fact);
	}
	return all;
}
