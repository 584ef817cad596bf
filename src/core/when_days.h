/*
 * core/when_days.h: the days that temporal references mean.
 * Internal to core/when*.c.
 */
#pragma once

#include "core/when.h"
#include "core/when_words.h"

/* The day of writing. */
typedef struct KamWhenNow
{
	const KamZone *zone;
	KamTime		said;
	int64_t		today;			/* local day number */
	int			year,
				month,
				weekday;		/* 0 = Monday */
} KamWhenNow;

/* A day of the calendar, of which a part may be unsaid. */
typedef struct KamWhenDate
{
	int			day,
				month,			/* 0: unsaid */
				year,			/* 0: unsaid */
				weekday;		/* -1: unsaid */
} KamWhenDate;

/* A stretch of months or one week, fixed or coming round. */
typedef struct KamPeriod
{
	int64_t		first_month;	/* year * 12 + month - 1 */
	int			months;			/* 0: a week */
	int			cycle;			/* months (weeks) after which it comes round; 0: fixed */
	int64_t		monday;			/* of a week */
	bool		weekend;
	bool		bare;			/* "mois", "week": the one of the day of writing; nothing alone */
	bool		past;			/* the words make it past */
} KamPeriod;

extern KamWhenNow kam_when_now(const KamZone *zone, KamTime said);
/* Day of a date without its year: the next one, or with "past" the one before; false when there is none. */
extern bool kam_when_day(const KamWhenNow *now, const KamWhenDate *date, bool past, int64_t *day);
/* The day that part of a period means; with "after" the first one behind it. */
extern int64_t kam_when_place(const KamWhenNow *now, const KamPeriod *period, KamPart part,
							  bool after, bool past);
/* Monday of an ISO week; year 0: the next such week. */
extern bool kam_when_week(const KamWhenNow *now, int week, int year, bool past, int64_t *monday);
extern int64_t kam_when_holiday(const KamWhenNow *now, KamHoliday holiday, int year, bool past);
extern int64_t kam_when_add_months(int64_t day, int months);
/* Steps over Saturdays and Sundays. */
extern int64_t kam_when_add_working(int64_t day, int days);
