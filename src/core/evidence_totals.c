/*
 * core/evidence_totals.c: the totals that a claim makes of what it cites,
 * computed anew: how many, how much in all, how much more, how many days
 * between.
 *
 * A thing counts once, however many of its places are cited, and however
 * often; so does an amount.
 */
#include "core/evidence_search.h"

#include <math.h>
#include <string.h>

#define MOST_INSTANTS 32		/* of a claim's evidence, between which days are counted */

/* So many things: of no amount and of no unit of time. */
static void
know_count(KamSearch *search, size_t count)
{
	for (int i = 0; i < search->count; i++)
		if (!search->known[i] && search->claimed[i].kind == KAM_QUANTITY_NUMBER && search->claimed[i].span == 0 &&
			search->claimed[i].number == (double) count)
		{
			search->known[i] = true;
			search->missing--;
		}
}

/* A computed amount: of no unit of time. */
static void
know_total(KamSearch *search, double total, int currency)
{
	KamQuantity value = {.kind = KAM_QUANTITY_NUMBER, .number = total, .other = total, .currency = currency};

	for (int i = 0; i < search->count; i++)
		if (!search->known[i] && search->claimed[i].span == 0 &&
			(search->claimed[i].kind == KAM_QUANTITY_NUMBER || search->claimed[i].kind == KAM_QUANTITY_MONEY) &&
			kam_quantity_same(&search->claimed[i], &value))
		{
			search->known[i] = true;
			search->missing--;
		}
}

/* What a cited place adds to a total. */
typedef struct Cited
{
	const json_t *value;		/* that says the amount */
	double		amount;
	int			currency;
} Cited;

/* Does a text say that amount by itself, and not as the end of a longer one? */
static bool
says_amount(KamSearch *search, const char *text, const KamQuantity *amount)
{
	KamQuantity *said;
	int			n = kam_quantities_find(search->arena, text, strlen(text), &said);

	for (int i = 0; i < n; i++)
		if (said[i].kind == amount->kind && said[i].number == amount->number && said[i].currency == amount->currency)
			return true;
	return false;
}

/* The one amount or number that a cited place says: of a deal its amount, of a text the one in the quote. */
static bool
cited_amount(KamSearch *search, const json_t *value, const char *quote, Cited *cited)
{
	const char *text;
	KamQuantity *said;

	if (json_is_object(value))
		value = json_object_get(value, "amount");
	*cited = (Cited) {value, json_number_value(value), 0};
	if (json_is_number(value))
		return true;
	text = json_string_value(value);
	if (text == NULL)
		return false;
	/* an amount that is written as a text: "5600" */
	if (strlen(text) > 30)
		text = quote;
	if (text == NULL || kam_quantities_find(search->arena, text, strlen(text), &said) != 1 ||
		(said->kind != KAM_QUANTITY_MONEY && said->kind != KAM_QUANTITY_NUMBER) || said->span != 0)
		return false;
	cited->amount = said->number;
	cited->currency = said->currency;
	return text != quote || says_amount(search, json_string_value(value), said);
}

/* How much in all, how much more one is than the other; what one value says counts once. */
static void
know_sums(KamSearch *search, const KamContact *contact, const json_t *evidence)
{
	size_t		entries = json_array_size(evidence);
	Cited	   *cited = KAM_NEW_ARRAY(search->arena, Cited, entries + 1);
	int			n = 0,
				currency = 0;
	bool		mixed = false;
	double		sum = 0;

	for (size_t i = 0; i < entries; i++)
	{
		const json_t *entry = json_array_get(evidence, i);
		const json_t *value = kam_pointer(contact->json, kam_get_string(entry, "path"));
		bool		again = false;

		if (value == NULL || !cited_amount(search, value, kam_get_string(entry, "quote"), &cited[n]))
			continue;
		for (int k = 0; k < n && !again; k++)
			again = cited[k].value == cited[n].value && cited[k].amount == cited[n].amount;
		if (again)
			continue;
		mixed |= currency != 0 && cited[n].currency != 0 && currency != cited[n].currency;
		currency = cited[n].currency != 0 ? cited[n].currency : currency;
		sum += cited[n++].amount;
	}
	if (n > 1 && !mixed)
		know_total(search, sum, currency);
	if (n == 2 && !mixed)
		know_total(search, fabs(cited[0].amount - cited[1].amount), currency);
}

/* What is counted of the things that are cited: all, those of a type, of a direction, of both, those that came to the same. */
#define KINDS (KAM_OTHER_ACTIVITY + 1)
#define DIRECTIONS (KAM_OUTBOUND + 1)
#define MEETINGS (KAM_MEETING_NO_SHOW + 1)
#define DEALS (KAM_DEAL_LOST + 1)

/* How many things the evidence cites: of an activity or a deal, however many of its places, one. */
static void
know_counts(KamSearch *search, const KamContact *contact, const json_t *evidence)
{
	size_t		entries = json_array_size(evidence),
				things = 0,
				deals = 0,
				activities = 0,
				of[KINDS + 1][DIRECTIONS + 1] = {0},
				met[MEETINGS] = {0},
				come_to[DEALS] = {0};
	const void **thing = KAM_NEW_ARRAY(search->arena, const void *, entries + 1);

	know_count(search, 1);
	for (size_t i = 0; i < entries; i++)
	{
		const char *path = kam_get_string(json_array_get(evidence, i), "path");
		const json_t *value = kam_pointer(contact->json, path);
		const KamActivity *activity = NULL;
		const void *cited = value;
		bool		again = false;
		long		index;

		if (value == NULL)
			continue;
		if (json_is_array(value))
			know_count(search, json_array_size(value));
		if (kam_path_element(path, "/activities/", &index))
		{
			for (int k = 0; k < contact->nactivities && activity == NULL; k++)
				activity = contact->activities[k].index == index ? &contact->activities[k] : NULL;
			cited = activity != NULL ? (const void *) activity : value;
		}
		else if (kam_path_element(path, "/deals/", &index))
			cited = json_array_get(json_object_get(contact->json, "deals"), (size_t) index);
		for (size_t k = 0; k < things && !again; k++)
			again = thing[k] == cited;
		if (again)
			continue;
		thing[things++] = cited;
		if (kam_path_element(path, "/deals/", &index))
		{
			deals++;
			for (int k = 0; k < contact->ndeals; k++)
				come_to[contact->deals[k].status] += contact->deals[k].index == index;
		}
		if (activity == NULL)
			continue;
		activities++;
		of[activity->type][DIRECTIONS]++;
		of[KINDS][activity->direction]++;
		of[activity->type][activity->direction]++;
		met[activity->status] += activity->type == KAM_MEETING;
	}
	know_count(search, things);
	know_count(search, deals);
	know_count(search, activities);
	for (int kind = 0; kind <= KINDS && search->missing > 0; kind++)
		for (int direction = 0; direction <= DIRECTIONS; direction++)
			if (of[kind][direction] > 0)
				know_count(search, of[kind][direction]);
	for (int i = 0; i < MEETINGS; i++)
		know_count(search, met[i]);
	for (int i = 0; i < DEALS; i++)
		know_count(search, come_to[i]);
}

/* The instants of the activities and deals that are cited; returns how many. */
static int
cited_instants(const KamContact *contact, const json_t *evidence, KamTime *instant)
{
	int			n = 0;

	for (size_t i = 0; i < json_array_size(evidence); i++)
	{
		const char *path = kam_get_string(json_array_get(evidence, i), "path");
		long		index;

		if (path != NULL && kam_path_element(path, "/activities/", &index))
			for (int k = 0; k < contact->nactivities && n < MOST_INSTANTS; k++)
				if (contact->activities[k].index == index)
					instant[n++] = contact->activities[k].start != KAM_NO_TIME ? contact->activities[k].start : contact->activities[k].at;
		if (path != NULL && kam_path_element(path, "/deals/", &index))
			for (int k = 0; k < contact->ndeals && n < MOST_INSTANTS; k++)
				if (contact->deals[k].index == index)
					instant[n++] = contact->deals[k].created;
	}
	return n;
}

/* "Answered within 2 days": the days between what is cited. */
static void
know_distances(KamSearch *search, const KamContact *contact, const json_t *evidence)
{
	KamTime		instant[MOST_INSTANTS];
	int			n = cited_instants(contact, evidence, instant);

	for (int i = 0; i < n && search->missing > 0; i++)
		for (int k = i + 1; k < n; k++)
			kam_know_distance(search, instant[i], instant[k]);
}

void
kam_know_totals(KamSearch *search, const KamContact *contact, const json_t *evidence)
{
	know_counts(search, contact, evidence);
	know_sums(search, contact, evidence);
	know_distances(search, contact, evidence);
}
