/*
 * core/when_days.c: the days that temporal references mean: next occurrences,
 * parts of periods, movable feasts.
 *
 * Works on local day numbers only; instants and words are when.c's.
 */
#include "core/when_days.h"

/* Of a month, as the contract has it. */
#define START_DAY 6
#define MIDDLE_DAY 15
#define END_DAY 27
/* A leap day can be eight years away. */
#define YEARS_AHEAD 8
/* How far back a date of the wrong weekday may be meant instead of the next one. */
#define RECENT_DAYS 60

static int
weekday_of(int64_t day)
{
	return (int) (((day + 3) % 7 + 7) % 7);
}

KamWhenNow
kam_when_now(const KamZone *zone, KamTime said)
{
	KamCivil	civil = kam_civil_at(zone, said);
	KamWhenNow	now = {zone, said, kam_days_from_date(civil.year, civil.month, civil.day),
		civil.year, civil.month, civil.weekday};

	return now;
}

/* Day number of a date that exists. */
static bool
day_of(int year, int month, int day, int64_t *out)
{
	if (day < 1 || day > kam_days_in_month(year, month))
		return false;
	*out = kam_days_from_date(year, month, day);
	return true;
}

/*
 * The nearest date on one side of today, "step" months between candidates.
 * With a weekday that fits one of the next few, that one.
 */
static bool
nearest(const KamWhenNow *now, const KamWhenDate *date, bool past, int step, int64_t *out)
{
	int64_t		month = (int64_t) now->year * 12 + (step == 12 ? date->month : now->month) - 1;
	int			found = 0;
	int			direction = past ? -step : step;

	for (int i = -1; i < YEARS_AHEAD + 3 && found < 3; i++)
	{
		int64_t		candidate = month + (int64_t) i * direction;
		int64_t		day;

		if (!day_of((int) (candidate / 12), (int) (candidate % 12) + 1, date->day, &day))
			continue;
		if (past ? day >= now->today : day < now->today)
			continue;
		if (date->weekday >= 0 && step == 1 && weekday_of(day) == date->weekday)
		{
			*out = day;
			return true;
		}
		if (found++ == 0)
			*out = day;
		if (date->weekday < 0 || step == 12)
			break;
	}
	return found > 0;
}

bool
kam_when_day(const KamWhenNow *now, const KamWhenDate *date, bool past, int64_t *day)
{
	int64_t		before;

	if (date->month > 0 && date->year > 0)
		return day_of(date->year, date->month, date->day, day);
	if (now->year < 1 || now->year > 9999)
		return false;
	if (date->month == 0)
		return nearest(now, date, past, 1, day);
	if (!nearest(now, date, past, 12, day))
		return false;
	/* "mardi 17 mars", said on the 18th: the weekday tells that yesterday is meant */
	if (!past && date->weekday >= 0 && weekday_of(*day) != date->weekday &&
		nearest(now, date, true, 12, &before) && weekday_of(before) == date->weekday &&
		now->today - before <= RECENT_DAYS)
		*day = before;
	return true;
}

/* First day of a month counted from year 0. */
static int64_t
month_day(int64_t month, int day)
{
	int64_t		year = month >= 0 ? month / 12 : -((11 - month) / 12);

	return kam_days_from_date((int) year, (int) (month - year * 12) + 1, day);
}

/* The day of one occurrence of a period. */
static int64_t
place_once(const KamPeriod *period, int64_t times, KamPart part, bool after)
{
	static const int week_days[] = {0, 2, 4, 0};
	int64_t		first = period->first_month + times * period->cycle;
	int64_t		monday = period->monday + 7 * times;

	if (after && (part == PART_WHOLE || part == PART_END))
		return period->months == 0 ? monday + 7 : month_day(first + period->months, 1);
	if (period->months == 0)
		return monday + (period->weekend ? 5 : week_days[part]) + after;
	switch (part)
	{
		case PART_START:
			return month_day(first, START_DAY) + after;
		case PART_MIDDLE:
			return month_day(first + (period->months - 1) / 2, MIDDLE_DAY) + after;
		case PART_END:
			return month_day(first + period->months - 1, END_DAY);
		default:
			return month_day(first, 1);
	}
}

int64_t
kam_when_place(const KamWhenNow *now, const KamPeriod *period, KamPart part, bool after, bool past)
{
	int64_t		times = -2;

	if (period->cycle == 0)
		return place_once(period, 0, part, after);
	while (place_once(period, times, part, after) < now->today)
		times++;
	return place_once(period, past ? times - 1 : times, part, after);
}

bool
kam_when_week(const KamWhenNow *now, int week, int year, bool past, int64_t *monday)
{
	int			from = year > 0 ? year : past ? now->year + 1 : now->year - 1;
	int			step = year > 0 || !past ? 1 : -1;

	for (int i = 0; i < (year > 0 ? 1 : YEARS_AHEAD + 2); i++)
	{
		int			candidate = from + i * step;
		int64_t		fourth = kam_days_from_date(candidate, 1, 4);
		int			thursday_year,
					month,
					day;

		*monday = fourth - weekday_of(fourth) + 7 * (week - 1);
		kam_date_from_days(*monday + 3, &thursday_year, &month, &day);
		if (thursday_year != candidate)
			continue;			/* no week 53 in that year */
		if (year > 0 || (past ? *monday < now->today : *monday >= now->today))
			return true;
	}
	return false;
}

/* Easter Sunday (Gregorian computus). */
static int64_t
easter(int year)
{
	int			a = year % 19,
				b = year / 100,
				c = year % 100,
				h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30,
				l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7,
				m = (a + 11 * h + 22 * l) / 451,
				n = h + l - 7 * m + 114;

	return kam_days_from_date(year, n / 31, n % 31 + 1);
}

static int64_t
holiday_in(KamHoliday holiday, int year)
{
	int64_t		first;

	switch (holiday)
	{
		case HOLIDAY_NEW_YEAR:
			return kam_days_from_date(year, 1, 1);
		case HOLIDAY_EASTER:
			return easter(year);
		case HOLIDAY_ASCENSION:
			return easter(year) + 39;
		case HOLIDAY_PENTECOST:
			return easter(year) + 49;
		case HOLIDAY_ALL_SAINTS:
			return kam_days_from_date(year, 11, 1);
		case HOLIDAY_THANKSGIVING:
			first = kam_days_from_date(year, 11, 1);
			return first + (3 - weekday_of(first) + 7) % 7 + 21;
		case HOLIDAY_CHRISTMAS:
			break;
	}
	return kam_days_from_date(year, 12, 25);
}

int64_t
kam_when_holiday(const KamWhenNow *now, KamHoliday holiday, int year, bool past)
{
	int64_t		day;

	if (year > 0)
		return holiday_in(holiday, year);
	year = now->year > 0 ? now->year : 1;
	day = holiday_in(holiday, year);
	if (past)
		return day < now->today ? day : holiday_in(holiday, year - 1);
	return day >= now->today ? day : holiday_in(holiday, year + 1);
}

int64_t
kam_when_add_months(int64_t day, int months)
{
	int			year,
				month,
				date,
				longest;
	int64_t		there;

	kam_date_from_days(day, &year, &month, &date);
	there = (int64_t) year * 12 + month - 1 + months;
	kam_date_from_days(month_day(there, 1), &year, &month, &(int) {0});
	longest = kam_days_in_month(year, month);
	return kam_days_from_date(year, month, date < longest ? date : longest);
}

int64_t
kam_when_add_working(int64_t day, int days)
{
	int			step = days < 0 ? -1 : 1;

	while (days != 0)
	{
		day += step;
		if (weekday_of(day) < 5)
			days -= step;
	}
	return day;
}
