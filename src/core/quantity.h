/*
 * core/quantity.h: the dates, times, amounts and numbers that a text states,
 * read so that "3 mars", "March 3rd" and "2026-03-03T10:00:00Z" compare equal,
 * and "14 400 €" equals 14400.
 *
 * For comparing what is claimed with what is known.  Relative references
 * ("next Monday") are when.h's business.
 */
#pragma once

#include "core/base.h"

typedef enum KamQuantityKind
{
	KAM_QUANTITY_NUMBER,
	KAM_QUANTITY_MONEY,
	KAM_QUANTITY_PERCENT,
	KAM_QUANTITY_CLOCK,			/* 14h30 */
	KAM_QUANTITY_DATE,			/* a day of a month */
	KAM_QUANTITY_MONTH			/* a month of a year */
} KamQuantityKind;

typedef struct KamQuantity
{
	KamQuantityKind kind;
	size_t		start,			/* bytes of the source, [start, end) */
				end;
	int			year,			/* 0: not said */
				month,
				day;
	bool		swappable;		/* 03/04: day and month may stand the other way round */
	int			minute;			/* of a clock: since midnight */
	double		number,
				other,			/* second reading of "14.400"; equal to number when there is none */
				tolerance;		/* half a unit of the last digit of "14,4 k" */
	int			span;			/* days of the unit behind a number: 1 day, 7 week, 30 month, 365 year; minutes below nought: -60 hour; 0 none */
	int			currency;		/* which one; 0: none said */
} KamQuantity;

/* All quantities of a text, in order, without overlap; returns how many. */
extern int	kam_quantities_find(KamArena *arena, const char *text, size_t len, KamQuantity **out);

/*
 * The same of numbers in words: "vingt-cinq", "three hundred and fifty euros".
 * With "sure", without those that may well be none: "neuf", "les deux".
 */
extern int	kam_quantities_in_words(KamArena *arena, const char *text, size_t len, bool sure, KamQuantity **out);

/* Months named without a day or a year: "en mars", "by September".  Not "may" and "march" without a capital. */
extern int	kam_months_in_words(KamArena *arena, const char *text, size_t len, KamQuantity **out);

/* The currency of that name, code or sign; 0 when it is none of ours. */
extern int	kam_quantity_currency(const char *name);

/* quantity.c, for quantity_words.c: reads the unit behind a number into q; the place behind it. */
extern size_t kam_quantity_unit(const char *text, size_t len, size_t at, KamQuantity *q);

/* Could both be the same?  What one does not say (a year) is no difference. */
extern bool kam_quantity_same(const KamQuantity *a, const KamQuantity *b);
