/*
 * core/when.h: temporal references in French and English text
 * (spec, "Temporal Reference Conversion"; contract section 5).
 */
#pragma once

#include "core/civil.h"
#include "core/text.h"

typedef enum KamWhenGrain
{
	KAM_GRAIN_TIME,				/* a day and an hour: "mardi a 14h" */
	KAM_GRAIN_DAY,				/* "le 15 mars", "demain", "lundi prochain" */
	KAM_GRAIN_WEEK,				/* "la semaine prochaine", "semaine 14" */
	KAM_GRAIN_PART,				/* "debut avril", "mid-June" */
	KAM_GRAIN_MONTH,			/* "en septembre" */
	KAM_GRAIN_QUARTER			/* "Q3", "fin du T2", "next year" */
} KamWhenGrain;

typedef struct KamWhen
{
	KamTime		at;				/* the instant meant; 09:00 local unless the text gives an hour */
	KamWhenGrain grain;
	int			first,			/* tokens [first, last] that say it */
				last;
	bool		past;			/* "il y a 2 semaines", "last month", "hier": lies before the day of writing */
	bool		after;			/* "apres le meeting du 15 mars": at is the day after */
} KamWhen;

/*
 * Finds every temporal reference in the text, in order, without overlap.
 * "said" is the moment of writing, to which relative ones refer; a date
 * without a year is its next occurrence at or after the day of writing unless
 * the words make it past.  Returns the number found; *out is in the arena.
 */
extern int kam_when_find(KamArena *arena, const KamTokens *tokens, KamTime said,
						 const KamZone *zone, KamWhen **out);

/* The first reference of a short expression (SQL kam_when); false when there is none. */
extern bool kam_when_parse(KamArena *arena, const char *expression, KamTime as_of,
						   const KamZone *zone, KamTime *out);
