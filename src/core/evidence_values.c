/*
 * core/evidence_values.c: the numbers, dates and amounts that a text states,
 * against those that the contact knows.
 *
 * Owns the search for values: of a claim among what it cites, and of free text
 * among everything.  It only judges and knows nothing of decisions.
 */
#include "core/evidence_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/mail.h"
#include "core/text.h"
#include "core/when.h"


#define FAR_OFF 366				/* days from a date without a year to the day it was said on */
#define BESIDE 8				/* bytes between the days of one date */

/* Words before a number that is the day of a date. */
static bool
is_led_as_day(const char *text, size_t at)
{
	static const char *const leads[] = {"le ", "du ", "au "};

	for (size_t i = 0; i < KAM_LENGTHOF(leads); i++)
	{
		size_t		n = strlen(leads[i]);

		if (at >= n && strncasecmp(text + at - n, leads[i], n) == 0 && (at == n || text[at - n - 1] == ' '))
			return true;
	}
	return false;
}

static bool
is_ordinal(const char *text, const KamQuantity *q)
{
	static const char *const ends[] = {"1st", "2nd", "3rd", "th", "er", "e"};

	for (size_t i = 0; i < KAM_LENGTHOF(ends); i++)
	{
		size_t		n = strlen(ends[i]);

		if (q->end - q->start > n - (i < 3) && text[q->start] <= '9' && strncasecmp(text + q->end - n, ends[i], n) == 0)
			return true;
	}
	return false;
}

static void
open_search(KamSearch *search, KamArena *arena, const KamZone *zone, const char *text, KamQuantity *claimed, int count)
{
	*search = (KamSearch)
	{
		.arena = arena, .zone = zone, .claimed = claimed, .known = KAM_NEW_ARRAY(arena, bool, count), .dated = KAM_NEW_ARRAY(arena, bool, count),
			.count = count, .missing = count, .said = KAM_NO_TIME
	};
	for (int i = count - 1; i >= 0; i--)
	{
		const KamQuantity *q = &claimed[i];

		search->timely |= q->kind != KAM_QUANTITY_MONEY && q->kind != KAM_QUANTITY_PERCENT;
		if (q->kind == KAM_QUANTITY_NUMBER && q->number <= 31)
			search->dated[i] = is_led_as_day(text, q->start) || is_ordinal(text, q) ||
				(i + 1 < count && claimed[i + 1].start - q->end <= BESIDE && (claimed[i + 1].kind == KAM_QUANTITY_DATE || search->dated[i + 1]));
	}
}

/* The day since 1970; of a month its middle. */
static int64_t
day_of(const KamQuantity *date)
{
	return kam_days_from_date(date->year, date->month, date->kind == KAM_QUANTITY_MONTH ? 15 : date->day);
}

/*
 * Does a known value bear out what is claimed?  Less than it says may be
 * claimed, more may not: a month is no day, a number no date, and a date
 * without a year lies about a year from when it was said at most.
 */
static bool
bears_out(const KamSearch *search, int i, const KamQuantity *value)
{
	const KamQuantity *claimed = &search->claimed[i];
	bool		is_day = value->kind == KAM_QUANTITY_DATE || value->kind == KAM_QUANTITY_MONTH;
	KamQuantity known;

	if (claimed->kind == KAM_QUANTITY_DATE && value->kind != KAM_QUANTITY_DATE)
		return false;
	if (claimed->kind == KAM_QUANTITY_MONTH && !is_day)
		return false;
	if (claimed->kind == KAM_QUANTITY_NUMBER && is_day && !search->dated[i] && claimed->number <= 31)
		return false;
	/* "three weeks" are no three e-mails */
	if (claimed->kind == KAM_QUANTITY_NUMBER && claimed->span == 0 && value->span != 0)
		return false;
	/* "about 6 k" may be said of 5 900, but 5 900 not of "about 6 k" */
	known = *value;
	known.tolerance = 0;
	if (!kam_quantity_same(claimed, &known))
		return false;
	if (claimed->year > 0 && is_day && value->year == 0 && search->said != KAM_NO_TIME)
		return llabs(day_of(claimed) - kam_local_day(search->zone, search->said)) <= FAR_OFF;
	return true;
}

static void
tick_off(KamSearch *search, const KamQuantity *value)
{
	for (int i = 0; i < search->count; i++)
		if (!search->known[i] && bears_out(search, i, value))
		{
			search->known[i] = true;
			search->missing--;
		}
}

/* An instant is known as its local day and its local time of day. */
static void
know_time(KamSearch *search, KamTime at)
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
know_text(KamSearch *search, const char *text)
{
	KamMark		mark;
	KamQuantity *value;
	KamTime		at;
	int			n;

	if (text == NULL || search->missing == 0)
		return;
	/* nothing of it is kept: a contact's texts may be long, and cited often */
	mark = kam_arena_mark(search->arena);
	if (search->thorough)
	{
		text = kam_as_seen(search->arena, text);
		n = kam_quantities_in_words(search->arena, text, strlen(text), false, &value);
		for (int i = 0; i < n; i++)
			tick_off(search, &value[i]);
		n = kam_months_in_words(search->arena, text, strlen(text), &value);
		for (int i = 0; i < n; i++)
			tick_off(search, &value[i]);
	}
	n = kam_quantities_find(search->arena, text, strlen(text), &value);
	for (int i = 0; i < n; i++)
	{
		if (value[i].kind == KAM_QUANTITY_NUMBER && value[i].span == 0)
			value[i].currency = search->currency;
		tick_off(search, &value[i]);
	}
	if (n > 0 && value[0].kind == KAM_QUANTITY_DATE && value[0].start == 0 && kam_time_parse(text, search->zone, &at))
		know_time(search, at);
	kam_arena_rewind(search->arena, mark);
}

static void
know_number(KamSearch *search, double number)
{
	KamQuantity value = {.kind = KAM_QUANTITY_NUMBER, .number = number, .other = number, .currency = search->currency};

	tick_off(search, &value);
}

/* Everything that stands in a JSON value. */
static void
know_value(KamSearch *search, const json_t *value, int depth)
{
	const char *key;
	const json_t *member;
	size_t		i;

	if (search->missing == 0 || depth > KAM_CONTACT_DEPTH)
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
know_references(KamSearch *search, const char *text, KamTime said)
{
	KamMark		mark;
	KamTokens	tokens;
	KamWhen    *when;
	int			n;

	if (text == NULL || search->missing == 0)
		return;
	mark = kam_arena_mark(search->arena);
	tokens = kam_tokenize(search->arena, text, strnlen(text, KAM_LONGEST_MESSAGE));
	n = kam_when_find(search->arena, &tokens, said, search->zone, &when);
	for (int i = 0; i < n; i++)
		know_time(search, when[i].at);
	kam_arena_rewind(search->arena, mark);
}

void
kam_know_distance(KamSearch *search, KamTime from, KamTime to)
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

/* ---- claims: values among what is cited --------------------------------- */

/* Times as they are written in the cited activity or deal: their day may be another than the contact's. */
static void
know_written(KamSearch *search, const KamContact *contact, const char *list, long index)
{
	static const char *const fields[] = {
		"recorded_on", "metadata/start_time", "metadata/end_time", "created_on", "closed_on"
	};

	for (size_t i = 0; i < KAM_LENGTHOF(fields); i++)
		know_text(search, json_string_value(kam_pointer(contact->json, kam_printf(search->arena, "%s%ld/%s", list, index, fields[i]))));
}

/* What citing a place of an activity or deal makes known with it: when it was, and what its words mean. */
static void
know_surroundings(KamSearch *search, const KamEnv *env, const KamContact *contact, const char *path)
{
	static const char activities[] = "/activities/",
				deals[] = "/deals/";
	long		index;

	if (kam_path_element(path, activities, &index))
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
				kam_know_distance(search, times[k], env->as_of);
			}
			know_references(search, activity->subject, activity->at);
			know_references(search, activity->body, activity->at);
		}
	}
	if (kam_path_element(path, deals, &index))
	{
		know_written(search, contact, deals, index);
		for (int i = 0; i < contact->ndeals; i++)
			if (contact->deals[i].index == index)
			{
				kam_know_distance(search, contact->deals[i].created, env->as_of);
				kam_know_distance(search, contact->deals[i].closed, env->as_of);
			}
	}
}

/* Does an entry before this one cite the same place, or with "element" the same activity or deal? */
static bool
is_cited_before(const json_t *evidence, size_t i, bool element)
{
	static const char *const lists[] = {"/activities/", "/deals/"};
	const char *path = kam_get_string(json_array_get(evidence, i), "path");

	for (size_t k = 0; k < i && path != NULL; k++)
	{
		const char *other = kam_get_string(json_array_get(evidence, k), "path");
		long		one,
					two;

		if (other == NULL)
			continue;
		if (strcmp(path, other) == 0)
			return true;
		for (size_t list = 0; element && list < KAM_LENGTHOF(lists); list++)
			if (kam_path_element(path, lists[list], &one) && kam_path_element(other, lists[list], &two) && one == two)
				return true;
	}
	return false;
}

/* What the cited places themselves say, each as of when it was said. */
static void
know_cited(KamSearch *search, const KamEnv *env, const KamContact *contact, const json_t *evidence)
{
	size_t		entries = json_array_size(evidence);

	for (size_t i = 0; i < entries && search->missing > 0; i++)
	{
		const char *path = kam_get_string(json_array_get(evidence, i), "path");
		const json_t *value = kam_pointer(contact->json, path);
		long		index;

		if (value == NULL || is_cited_before(evidence, i, false))
			continue;
		search->said = env->as_of;
		search->currency = 0;
		if (kam_path_element(path, "/activities/", &index))
		{
			for (int k = 0; k < contact->nactivities; k++)
				if (contact->activities[k].index == index)
					search->said = contact->activities[k].at;
		}
		else if (kam_path_element(path, "/deals/", &index))
		{
			for (int k = 0; k < contact->ndeals; k++)
				if (contact->deals[k].index == index && contact->deals[k].currency != NULL)
					search->currency = kam_quantity_currency(contact->deals[k].currency);
		}
		know_value(search, value, 0);
	}
	search->said = env->as_of;
	search->currency = 0;
}

/* Adds those that are no part of what is said in digits: "mille" of "14 mille", "mars" of "3 mars". */
static void
add_others(const KamQuantity *digits, int n, KamQuantity *all, int *count, const KamQuantity *more, int nmore)
{
	int			at = 0;

	/* both in the order of the text */
	for (int i = 0; i < nmore; i++)
	{
		while (at < n && digits[at].end <= more[i].start)
			at++;
		if (at == n || digits[at].start >= more[i].end)
			all[(*count)++] = more[i];
	}
}

/* What a text states, in digits and in words. */
static int
stated(KamArena *arena, const char *text, KamQuantity **out)
{
	size_t		len = strlen(text);
	KamQuantity *digits,
			   *words,
			   *months;
	int			n = kam_quantities_find(arena, text, len, &digits),
				nwords = kam_quantities_in_words(arena, text, len, true, &words),
				nmonths = kam_months_in_words(arena, text, len, &months),
				count = n;

	*out = digits;
	if (nwords + nmonths == 0)
		return n;
	*out = KAM_NEW_ARRAY(arena, KamQuantity, n + nwords + nmonths);
	if (n > 0)
		memcpy(*out, digits, sizeof(KamQuantity) * (size_t) n);
	add_others(digits, n, *out, &count, words, nwords);
	add_others(digits, n, *out, &count, months, nmonths);
	return count;
}

const char *
kam_values_fault(const KamEnv *env, const KamContact *contact, const char *text, const json_t *evidence)
{
	KamSearch	search;
	KamQuantity *claimed;
	int			n;
	size_t		entries = json_array_size(evidence);

	n = stated(env->arena, text, &claimed);
	if (n == 0)
		return NULL;
	open_search(&search, env->arena, &contact->zone, text, claimed, n);
	know_cited(&search, env, contact, evidence);
	for (size_t i = 0; i < entries && search.missing > 0; i++)
		if (!is_cited_before(evidence, i, true))
			know_surroundings(&search, env, contact, kam_get_string(json_array_get(evidence, i), "path"));
	if (search.missing > 0)
	{
		kam_know_totals(&search, contact, evidence);
	}
	if (search.missing > 0)
	{
		search.thorough = true;
		know_cited(&search, env, contact, evidence);
	}
	for (int i = 0; i < n; i++)
		if (!search.known[i])
			return kam_printf(env->arena, "\"%.*s\" in its text is not among the values that it cites",
							  (int) (claimed[i].end - claimed[i].start), text + claimed[i].start);
	return NULL;
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
know_deals(KamSearch *search, const KamContact *contact)
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
kam_invented_values(const KamEnv *env, const KamContact *contact, const KamHouse *house, const char *text)
{
	json_t	   *out = kam_array();
	KamSearch	search;
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
	open_search(&search, env->arena, &contact->zone, text, claimed, strict);
	know_time(&search, env->as_of);
	for (int i = contact->nactivities - 1; i >= 0 && search.missing > 0; i--)
	{
		know_time(&search, contact->activities[i].at);
		know_time(&search, contact->activities[i].start);
		know_time(&search, contact->activities[i].end);
	}
	know_deals(&search, contact);
	know_value(&search, contact->json, 0);
	if (house != NULL && search.missing > 0)
	{
		know_value(&search, house->resources, 0);
		know_value(&search, house->practices, 0);
	}
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
			kam_put(row, "at", kam_integer((int64_t) claimed[i].start));
			kam_put(row, "kind", kam_string(what));
			kam_put(row, "why", kam_string(kam_printf(env->arena, "this %s stands nowhere in the contact", what)));
			kam_push(out, row);
		}
	return out;
}
