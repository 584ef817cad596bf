/*
 * core/evidence.c: does a claim stand where it says it stands?
 *
 * Owns the check of claims {text, evidence} and the search for values that a
 * text states and the contact does not.  Both only judge: they change nothing
 * and know nothing of decisions.  The claim comes from a model, so any JSON
 * may stand anywhere in it.
 */
#include "core/evidence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/quantity.h"
#include "core/text.h"
#include "core/when.h"

#define MAX_EVIDENCE 100		/* entries of one claim that are read */
#define MAX_DEPTH 64			/* of the contact's JSON that is searched */
#define SHOWN 80				/* bytes of a quote that a message repeats */

/*
 * What is claimed, ticked off as known values come by.  Most claims are found
 * among the first values looked at, so the costly places are looked at last.
 */
typedef struct Search
{
	KamArena   *arena;
	const KamZone *zone;
	KamQuantity *claimed;
	bool	   *known;
	int			count,
				missing;
	bool		timely;			/* one of them could be said by an instant */
} Search;

static void
open_search(Search *search, KamArena *arena, const KamZone *zone, KamQuantity *claimed, int count)
{
	search->arena = arena;
	search->zone = zone;
	search->claimed = claimed;
	search->known = KAM_NEW_ARRAY(arena, bool, count);
	search->count = search->missing = count;
	search->timely = false;
	for (int i = 0; i < count; i++)
		search->timely |= claimed[i].kind != KAM_QUANTITY_MONEY && claimed[i].kind != KAM_QUANTITY_PERCENT;
}

static void
tick_off(Search *search, const KamQuantity *value)
{
	for (int i = 0; i < search->count; i++)
		if (!search->known[i] && kam_quantity_same(&search->claimed[i], value))
		{
			search->known[i] = true;
			search->missing--;
		}
}

/* An instant is known as its local day and its local time of day. */
static void
know_time(Search *search, KamTime at)
{
	KamQuantity value = {.kind = KAM_QUANTITY_DATE};
	KamCivil	civil;

	if (at == KAM_NO_TIME || search->missing == 0 || !search->timely)
		return;
	civil = kam_civil_at(search->zone, at);
	value.year = civil.year;
	value.month = civil.month;
	value.day = civil.day;
	tick_off(search, &value);
	value = (KamQuantity) {.kind = KAM_QUANTITY_CLOCK, .minute = civil.hour * 60 + civil.minute};
	tick_off(search, &value);
}

/* A text is known by what it states; when it is an instant, also by its local reading. */
static void
know_text(Search *search, const char *text)
{
	KamQuantity *value;
	KamTime		at;
	int			n;

	if (text == NULL || search->missing == 0)
		return;
	n = kam_quantities_find(search->arena, text, strlen(text), &value);
	for (int i = 0; i < n; i++)
		tick_off(search, &value[i]);
	if (n > 0 && value[0].kind == KAM_QUANTITY_DATE && value[0].start == 0 && kam_time_parse(text, search->zone, &at))
		know_time(search, at);
}

static void
know_number(Search *search, double number)
{
	KamQuantity value = {.kind = KAM_QUANTITY_NUMBER, .number = number, .other = number};

	tick_off(search, &value);
}

/* Everything that stands in a JSON value. */
static void
know_value(Search *search, const json_t *value, int depth)
{
	const char *key;
	const json_t *member;
	size_t		i;

	if (search->missing == 0 || depth > MAX_DEPTH)
		return;
	if (json_is_string(value))
		know_text(search, json_string_value(value));
	else if (json_is_number(value))
		know_number(search, json_number_value(value));
	else if (json_is_array(value))
	{
		json_array_foreach((json_t *) value, i, member)
			know_value(search, member, depth + 1);
	}
	else if (json_is_object(value))
	{
		json_object_foreach((json_t *) value, key, member)
			know_value(search, member, depth + 1);
	}
}

/* The days that relative references of a text mean, said at a moment: "mardi prochain" in an e-mail. */
static void
know_references(Search *search, const char *text, KamTime said)
{
	KamTokens	tokens;
	KamWhen    *when;
	int			n;

	if (text == NULL || search->missing == 0)
		return;
	tokens = kam_tokenize(search->arena, text, strlen(text));
	n = kam_when_find(search->arena, &tokens, said, search->zone, &when);
	for (int i = 0; i < n; i++)
		know_time(search, when[i].at);
}

/* "21 days ago" is known when 21 days lie between a known instant and another. */
static void
know_distance(Search *search, KamTime from, KamTime to)
{
	double		days;

	if (from == KAM_NO_TIME || to == KAM_NO_TIME)
		return;
	days = fabs((double) (kam_local_day(search->zone, to) - kam_local_day(search->zone, from)));
	for (int i = 0; i < search->count; i++)
	{
		const KamQuantity *claimed = &search->claimed[i];
		double		unit = claimed->span;

		if (!search->known[i] && unit > 0 && fabs(days - claimed->number * unit) <= (unit == 1 ? 1 : unit / 2))
		{
			search->known[i] = true;
			search->missing--;
		}
	}
}

/* ---- quotes ------------------------------------------------------------- */

static const char *
shown(KamArena *arena, const char *text)
{
	size_t		n = strlen(text);

	if (n <= SHOWN)
		return text;
	for (n = SHOWN; n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80; n--)
		;
	return kam_printf(arena, "%.*s...", (int) n, text);
}

/* The quote without the blanks, quotation marks and ellipses that only frame it. */
static const char *
unframe(KamArena *arena, const char *quote)
{
	const char *squashed = kam_squash(arena, quote);
	size_t		n;

	squashed += strspn(squashed, " .\"");
	n = strlen(squashed);
	while (n > 0 && strchr(" .\"", squashed[n - 1]) != NULL)
		n--;
	return kam_strndup(arena, squashed, n);
}

static bool
quote_in_text(KamArena *arena, const char *text, const char *quote)
{
	if (strstr(text, quote) != NULL || strstr(kam_squash(arena, text), quote) != NULL)
		return true;
	return kam_text_contains(arena, text, quote);
}

/* A number stands where a quote of it says the same, whatever the spelling: 14400, "14 400". */
static bool
quote_is_number(KamArena *arena, const json_t *value, const char *quote)
{
	KamQuantity *said;
	KamQuantity number = {.kind = KAM_QUANTITY_NUMBER, .number = json_number_value(value), .other = json_number_value(value)};

	return kam_quantities_find(arena, quote, strlen(quote), &said) == 1 && kam_quantity_same(said, &number);
}

/* Does the quote stand in the value, or in anything inside it? */
static bool
quote_in_value(KamArena *arena, const json_t *value, const char *quote, int depth)
{
	const char *key;
	const json_t *member;
	size_t		i;

	if (depth > MAX_DEPTH)
		return false;
	switch (json_typeof(value))
	{
		case JSON_STRING:
			return quote_in_text(arena, json_string_value(value), quote);
		case JSON_INTEGER:
		case JSON_REAL:
			return quote_is_number(arena, value, quote);
		case JSON_TRUE:
			return strcmp(quote, "true") == 0;
		case JSON_FALSE:
			return strcmp(quote, "false") == 0;
		case JSON_NULL:
			return strcmp(quote, "null") == 0;
		case JSON_ARRAY:
			json_array_foreach((json_t *) value, i, member)
				if (quote_in_value(arena, member, quote, depth + 1))
					return true;
			return false;
		case JSON_OBJECT:
			json_object_foreach((json_t *) value, key, member)
				if (quote_in_value(arena, member, quote, depth + 1))
					return true;
			return false;
	}
	return false;
}

/* The quote stands there letter by letter, as it mostly does: the rest is for those that do not. */
static bool
stands_verbatim(const json_t *value, const char *quote)
{
	bool		words = false;

	for (const char *p = quote; *p != '\0' && !words; p++)
		words = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
	return words && json_is_string(value) && strstr(json_string_value(value), quote) != NULL;
}

/* ---- claims ------------------------------------------------------------- */

/* One entry of evidence: its path resolves and its quote stands there. */
static const char *
entry_fault(const KamEnv *env, const KamContact *contact, const json_t *entry)
{
	const char *path = kam_get_string(entry, "path");
	const json_t *quote = json_object_get(entry, "quote");
	const json_t *value;
	const char *words;

	if (path == NULL)
		return "an entry of its evidence has no path";
	value = kam_pointer(contact->json, path);
	if (value == NULL)
		return kam_printf(env->arena, "its path %s leads nowhere in the contact", shown(env->arena, path));
	if (json_is_number(quote) || json_is_boolean(quote))
	{
		if (json_equal(quote, value) || (json_is_number(quote) && json_is_number(value) &&
										 json_number_value(quote) == json_number_value(value)))
			return NULL;
		return kam_printf(env->arena, "its quote is not the value at %s", shown(env->arena, path));
	}
	if (!json_is_string(quote))
		return kam_printf(env->arena, "its evidence at %s has no quote", shown(env->arena, path));
	if (stands_verbatim(value, json_string_value(quote)))
		return NULL;
	words = unframe(env->arena, json_string_value(quote));
	if (words[0] == '\0')
		return kam_printf(env->arena, "its evidence at %s quotes nothing", shown(env->arena, path));
	if (!quote_in_value(env->arena, value, words, 0))
		return kam_printf(env->arena, "its quote \"%s\" does not stand at %s", shown(env->arena, words), shown(env->arena, path));
	return NULL;
}

/* The activity or deal in which a path lies, as its array's name and its index; false when it lies in neither. */
static bool
path_element(const char *path, const char *list, long *index)
{
	size_t		n = strlen(list);
	char	   *end;

	if (strncmp(path, list, n) != 0 || path[n] < '0' || path[n] > '9')
		return false;
	*index = strtol(path + n, &end, 10);
	return *end == '/' || *end == '\0';
}

/* Times as they are written in the cited activity or deal: their day may be another than the contact's. */
static void
know_written(Search *search, const KamContact *contact, const char *list, long index)
{
	static const char *const fields[] = {
		"recorded_on", "metadata/start_time", "metadata/end_time", "created_on", "closed_on"
	};

	for (size_t i = 0; i < KAM_LENGTHOF(fields); i++)
		know_text(search, json_string_value(kam_pointer(contact->json, kam_printf(search->arena, "%s%ld/%s", list, index, fields[i]))));
}

/* What citing a place of an activity or deal makes known with it: when it was, and what its words mean. */
static void
know_surroundings(Search *search, const KamEnv *env, const KamContact *contact, const char *path)
{
	static const char activities[] = "/activities/",
				deals[] = "/deals/";
	long		index;

	if (path_element(path, activities, &index))
	{
		know_written(search, contact, activities, index);
		for (int i = 0; i < contact->nactivities; i++)
		{
			const KamActivity *activity = &contact->activities[i];
			const KamTime times[] = {activity->at, activity->start, activity->end};

			if (activity->index != index)
				continue;
			for (size_t k = 0; k < KAM_LENGTHOF(times); k++)
			{
				know_time(search, times[k]);
				know_distance(search, times[k], env->as_of);
			}
			know_references(search, activity->subject, activity->at);
			know_references(search, activity->body, activity->at);
		}
	}
	if (path_element(path, deals, &index))
	{
		know_written(search, contact, deals, index);
		for (int i = 0; i < contact->ndeals; i++)
			if (contact->deals[i].index == index)
			{
				know_distance(search, contact->deals[i].created, env->as_of);
				know_distance(search, contact->deals[i].closed, env->as_of);
			}
	}
}

/* Every number and date of the text comes from what the evidence cites. */
static const char *
values_fault(const KamEnv *env, const KamContact *contact, const char *text, const json_t *evidence)
{
	Search		search;
	KamQuantity *claimed;
	int			n = kam_quantities_find(env->arena, text, strlen(text), &claimed);
	size_t		entries = json_array_size(evidence);

	if (n == 0)
		return NULL;
	open_search(&search, env->arena, &contact->zone, claimed, n);
	/* "3 messages" of which each is cited */
	for (size_t i = 1; i <= entries; i++)
		know_number(&search, (double) i);
	for (size_t i = 0; i < entries && search.missing > 0; i++)
		know_value(&search, kam_pointer(contact->json, kam_get_string(json_array_get(evidence, i), "path")), 0);
	for (size_t i = 0; i < entries && search.missing > 0; i++)
		know_surroundings(&search, env, contact, kam_get_string(json_array_get(evidence, i), "path"));
	for (int i = 0; i < n; i++)
		if (!search.known[i])
			return kam_printf(env->arena, "\"%.*s\" in its text is not among the values that it cites",
							  (int) (claimed[i].end - claimed[i].start), text + claimed[i].start);
	return NULL;
}

const char *
kam_evidence_fault(const KamEnv *env, const KamContact *contact, const json_t *evidence)
{
	const char *fault;

	if (json_array_size(evidence) == 0)
		return "the claim has no evidence";
	if (json_array_size(evidence) > MAX_EVIDENCE)
		return kam_printf(env->arena, "the claim cites more than %d places", MAX_EVIDENCE);
	for (size_t i = 0; i < json_array_size(evidence); i++)
		if ((fault = entry_fault(env, contact, json_array_get(evidence, i))) != NULL)
			return fault;
	return NULL;
}

const char *
kam_claim_fault(const KamEnv *env, const KamContact *contact, const json_t *claim)
{
	const char *text = kam_get_string(claim, "text");
	const json_t *evidence = kam_get_array(claim, "evidence");
	const char *fault;

	if (text == NULL || text[strspn(text, " \t\r\n")] == '\0')
		return "the claim has no text";
	fault = kam_evidence_fault(env, contact, evidence);
	return fault != NULL ? fault : values_fault(env, contact, text, evidence);
}

/* ---- invented values ---------------------------------------------------- */

/* Only what nobody counts out in his head must be found: days, amounts, shares. */
static bool
is_strict(const KamQuantity *q)
{
	if (q->kind == KAM_QUANTITY_PERCENT)
		return q->number != 100;
	return q->kind == KAM_QUANTITY_DATE || q->kind == KAM_QUANTITY_MONEY;
}

/* A deal's amount as a number, 0 when it is none; jansson's reading knows no locale. */
static double
deal_amount(const KamDeal *deal)
{
	json_t	   *value = deal->amount != NULL ? json_loads(deal->amount, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL) : NULL;
	double		amount = json_number_value(value);

	json_decref(value);
	return amount;
}

/* Amounts of deals, singly and as the sums that an analysis makes of them. */
static void
know_deals(Search *search, const KamContact *contact)
{
	double		all = 0,
				open = 0;

	for (int i = 0; i < contact->ndeals; i++)
	{
		const KamDeal *deal = &contact->deals[i];
		double		amount = deal_amount(deal);

		know_time(search, deal->created);
		know_time(search, deal->closed);
		know_text(search, deal->amount);
		all += amount;
		open += deal->status == KAM_DEAL_OPEN ? amount : 0;
	}
	know_number(search, all);
	know_number(search, open);
}

json_t *
kam_invented_values(const KamEnv *env, const KamContact *contact, const char *text)
{
	json_t	   *out = kam_array();
	Search		search;
	KamQuantity *claimed;
	int			n,
				strict = 0;

	if (text == NULL)
		return out;
	n = kam_quantities_find(env->arena, text, strlen(text), &claimed);
	for (int i = 0; i < n; i++)
		if (is_strict(&claimed[i]))
			claimed[strict++] = claimed[i];
	if (strict == 0)
		return out;

	/* The cheap places first, the newest before older ones: most values stand there. */
	open_search(&search, env->arena, &contact->zone, claimed, strict);
	know_time(&search, env->as_of);
	for (int i = contact->nactivities - 1; i >= 0 && search.missing > 0; i--)
	{
		know_time(&search, contact->activities[i].at);
		know_time(&search, contact->activities[i].start);
		know_time(&search, contact->activities[i].end);
	}
	know_deals(&search, contact);
	know_value(&search, contact->json, 0);
	for (int i = contact->nactivities - 1; i >= 0 && search.missing > 0; i--)
	{
		know_references(&search, contact->activities[i].subject, contact->activities[i].at);
		know_references(&search, contact->activities[i].body, contact->activities[i].at);
	}

	for (int i = 0; i < strict; i++)
		if (!search.known[i])
		{
			json_t	   *row = kam_object();
			const char *what = claimed[i].kind == KAM_QUANTITY_DATE ? "date" :
				claimed[i].kind == KAM_QUANTITY_MONEY ? "amount" : "percentage";

			kam_put(row, "quote", kam_stringn(text + claimed[i].start, claimed[i].end - claimed[i].start));
			kam_put(row, "why", kam_string(kam_printf(env->arena, "this %s stands nowhere in the contact", what)));
			kam_push(out, row);
		}
	return out;
}
