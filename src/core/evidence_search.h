/*
 * core/evidence_search.h: what a claim states, while it is looked for.  Nobody
 * but evidence_values.c and evidence_totals.c includes this.
 */
#pragma once

#include "core/evidence_internal.h"
#include "core/quantity.h"

/*
 * What is claimed, ticked off as known values come by.  Most claims are found
 * among the first values looked at, so the costly places are looked at last.
 */
typedef struct KamSearch
{
	KamArena   *arena;
	const KamZone *zone;
	KamQuantity *claimed;
	bool	   *known;
	bool	   *dated;			/* a number that may be the day of a date: "du 3 au 5 mars", "the 3rd" */
	int			count,
				missing;
	bool		timely;			/* one of them could be said by an instant */
	bool		thorough;		/* texts are read for numbers in words and digits of other alphabets too */
	KamTime		said;			/* when what is looked at was said; KAM_NO_TIME: not known */
	int			currency;		/* of its numbers, 0 when none is said */
} KamSearch;

/* "21 days ago" is known when 21 days lie between a known instant and another. */
extern void kam_know_distance(KamSearch *search, KamTime from, KamTime to);

/* evidence_totals.c: what is a total of what is cited. */
extern void kam_know_totals(KamSearch *search, const KamContact *contact, const json_t *evidence);
