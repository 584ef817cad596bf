/*
 * core/quantity_same.c: could two quantities be the same one?
 */
#include "core/quantity_lexer.h"

#include <math.h>

static bool
same_day(const KamQuantity *a, const KamQuantity *b)
{
	if (a->month == b->month && a->day == b->day)
		return true;
	return (a->swappable || b->swappable) && a->month == b->day && a->day == b->month;
}

/* Whole numbers are exact, however long: the rest is for binary fractions. */
static bool
near(double a, double b, double tolerance)
{
	if (tolerance == 0 && a == floor(a) && b == floor(b))
		return a == b;
	return fabs(a - b) <= tolerance + 1e-9 * fmax(fabs(a), fabs(b));
}

static bool
same_number(const KamQuantity *a, const KamQuantity *b)
{
	double		tolerance = fmax(a->tolerance, b->tolerance);

	return near(a->number, b->number, tolerance) || near(a->other, b->number, tolerance) ||
		near(a->number, b->other, tolerance) || near(a->other, b->other, tolerance);
}

static bool
is_day(const KamQuantity *q)
{
	return q->kind == KAM_QUANTITY_DATE || q->kind == KAM_QUANTITY_MONTH;
}

/* "7 days" and "a week", "60 minutes" and "1 hour"; years and months do not come out even. */
static bool
same_span(const KamQuantity *a, const KamQuantity *b)
{
	double		one = a->number * a->span,
				two = b->number * b->span;

	return a->span == b->span ? same_number(a, b) : (a->span > 0) == (b->span > 0) && fabs(one - two) <= 0.015 * fabs(one);
}

/* What is not said of one of them is no difference. */
static bool
same_currency(int a, int b)
{
	if (a == DOLLAR || b == DOLLAR)
		return a == 0 || b == 0 || a == b || a + b - DOLLAR == US_DOLLAR || a + b - DOLLAR == CANADIAN_DOLLAR;
	return a == 0 || b == 0 || a == b;
}

/* A share, as the fraction that a number is. */
static bool
is_fraction_of(const KamQuantity *number, const KamQuantity *percent)
{
	return number->kind == KAM_QUANTITY_NUMBER && percent->kind == KAM_QUANTITY_PERCENT &&
		(number->number <= 1 || number->number != floor(number->number)) && near(percent->number, number->number * 100, 0);
}

bool
kam_quantity_same(const KamQuantity *a, const KamQuantity *b)
{
	if (is_day(a) && is_day(b))
		return (a->year == 0 || b->year == 0 || a->year == b->year) &&
			(a->kind == KAM_QUANTITY_MONTH || b->kind == KAM_QUANTITY_MONTH ? a->month == b->month : same_day(a, b));
	if (a->kind == KAM_QUANTITY_CLOCK && b->kind == KAM_QUANTITY_CLOCK)
		return a->minute == b->minute;
	if (a->kind == KAM_QUANTITY_CLOCK || b->kind == KAM_QUANTITY_CLOCK)
	{
		/* "2h" may be two hours */
		const KamQuantity *clock = a->kind == KAM_QUANTITY_CLOCK ? a : b;
		const KamQuantity *plain = clock == a ? b : a;

		return plain->kind == KAM_QUANTITY_NUMBER && plain->span == -60 && plain->number * 60 == clock->minute;
	}
	if (is_day(a) != is_day(b))
	{
		/* a bare year or day number, as part of a date */
		const KamQuantity *date = is_day(a) ? a : b;
		const KamQuantity *plain = is_day(a) ? b : a;

		return plain->kind == KAM_QUANTITY_NUMBER && plain->span == 0 &&
			((date->year > 0 && near(plain->number, date->year, 0)) ||
			 (date->kind == KAM_QUANTITY_DATE && near(plain->number, date->day, 0)));
	}
	if (is_fraction_of(a, b) || is_fraction_of(b, a))
		return true;
	if (a->kind != b->kind && a->kind != KAM_QUANTITY_NUMBER && b->kind != KAM_QUANTITY_NUMBER)
		return false;			/* an amount is no share */
	if (a->span != 0 && b->span != 0)
		return same_span(a, b);
	if ((a->span != 0 && b->kind != KAM_QUANTITY_NUMBER) || (b->span != 0 && a->kind != KAM_QUANTITY_NUMBER))
		return false;
	return same_currency(a->currency, b->currency) && same_number(a, b);
}
