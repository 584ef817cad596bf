/*
 * core/civil.c: calendar and clock in a contact's zone, ISO 8601 in and out.
 *
 * Owns the only conversions between instants and wall clocks.  What offset is
 * in force comes from KamZones alone; this file must never call the C
 * library's time functions, which read the process' zone and locale.
 */
#include "core/civil.h"

#define SECONDS_PER_DAY INT64_C(86400)
/* Farther from 1970 than this an instant does not fit into KamTime. */
#define MAX_DAYS INT64_C(100000000)

/* Quotient rounded toward minus infinity; the divisor is positive. */
static int64_t
floor_div(int64_t value, int64_t divisor)
{
	int64_t		quotient = value / divisor;

	return quotient - (value % divisor < 0);
}

/* Value held between two bounds. */
static int64_t
clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

int64_t
kam_days_from_date(int year, int month, int day)
{
	int64_t		y = (int64_t) year + floor_div((int64_t) month - 1, 12);
	int64_t		m = (int64_t) month - 1 - 12 * floor_div((int64_t) month - 1, 12);
	int64_t		era;
	int64_t		year_of_era;
	int64_t		day_of_year;

	/* Years begin in March here, so that the leap day is the last one. */
	y -= m < 2;
	era = floor_div(y, 400);
	year_of_era = y - era * 400;
	day_of_year = (153 * (m < 2 ? m + 10 : m - 2) + 2) / 5;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
		day_of_year + day - 1 - 719468;
}

void
kam_date_from_days(int64_t days, int *year, int *month, int *day)
{
	int64_t		shifted = days + 719468;
	int64_t		era = floor_div(shifted, 146097);
	int64_t		day_of_era = shifted - era * 146097;
	int64_t		year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
							   day_of_era / 146096) / 365;
	int64_t		day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 -
											year_of_era / 100);
	int64_t		month_from_march = (5 * day_of_year + 2) / 153;

	*day = (int) (day_of_year - (153 * month_from_march + 2) / 5 + 1);
	*month = (int) (month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
	*year = (int) (year_of_era + era * 400 + (*month <= 2));
}

int
kam_days_in_month(int year, int month)
{
	return (int) (kam_days_from_date(year, month + 1, 1) - kam_days_from_date(year, month, 1));
}

/* 0 = Monday. */
static int
weekday_of(int64_t days)
{
	return (int) (days + 3 - 7 * floor_div(days + 3, 7));
}

bool
kam_zone_find(const KamZones *zones, const char *name, KamZone *out)
{
	const void *tz = name != NULL ? zones->lookup(name) : NULL;

	if (tz == NULL)
		return false;
	out->name = name;
	out->tz = tz;
	out->zones = zones;
	return true;
}

/* Seconds east of UTC in force at an instant. */
static int
offset_at(const KamZone *zone, KamTime at)
{
	return zone->zones->offset(zone->tz, at);
}

KamCivil
kam_civil_at(const KamZone *zone, KamTime at)
{
	KamCivil	civil;
	int64_t		seconds = floor_div(at, KAM_SECOND);
	int64_t		days;
	int			clock;

	civil.usec = (int) (at - seconds * KAM_SECOND);
	civil.offset = offset_at(zone, at);
	seconds += civil.offset;
	days = floor_div(seconds, SECONDS_PER_DAY);
	clock = (int) (seconds - days * SECONDS_PER_DAY);
	kam_date_from_days(days, &civil.year, &civil.month, &civil.day);
	civil.hour = clock / 3600;
	civil.minute = clock / 60 % 60;
	civil.second = clock % 60;
	civil.weekday = weekday_of(days);
	return civil;
}

/*
 * A reading, in seconds since 1970 on the wall, as seconds since 1970 UTC.
 * The offset in force a day earlier is tried first: it is right outside of
 * changes, picks the first of two doubled hours, and moves a reading inside a
 * gap forward by the gap.
 */
static int64_t
instant_of_wall(const KamZone *zone, int64_t wall)
{
	int			before = offset_at(zone, (wall - SECONDS_PER_DAY) * KAM_SECOND);
	int64_t		at = wall - before;
	int			there = offset_at(zone, at * KAM_SECOND);
	int			later;

	if (there == before)
		return at;
	if (offset_at(zone, (wall - there) * KAM_SECOND) == there)
		return wall - there;
	later = offset_at(zone, (wall + SECONDS_PER_DAY) * KAM_SECOND);
	if (offset_at(zone, (wall - later) * KAM_SECOND) == later)
		return wall - later;
	return at;
}

KamTime
kam_civil_time(const KamZone *zone, const KamCivil *civil)
{
	int64_t		days = kam_days_from_date(civil->year, civil->month, civil->day);
	int64_t		wall;

	wall = (int64_t) civil->hour * 3600 + (int64_t) civil->minute * 60 + civil->second +
		floor_div(civil->usec, KAM_SECOND);
	days = clamp(days + floor_div(wall, SECONDS_PER_DAY), -MAX_DAYS, MAX_DAYS);
	wall -= floor_div(wall, SECONDS_PER_DAY) * SECONDS_PER_DAY;
	return instant_of_wall(zone, days * SECONDS_PER_DAY + wall) * KAM_SECOND +
		(civil->usec - floor_div(civil->usec, KAM_SECOND) * KAM_SECOND);
}

int64_t
kam_local_day(const KamZone *zone, KamTime at)
{
	return floor_div(floor_div(at, KAM_SECOND) + offset_at(zone, at), SECONDS_PER_DAY);
}

KamTime
kam_local_clock(const KamZone *zone, KamTime at, int days, int hour, int minute)
{
	int64_t		clock = (int64_t) hour * 3600 + (int64_t) minute * 60;
	int64_t		day = kam_local_day(zone, at) + days + floor_div(clock, SECONDS_PER_DAY);

	clock -= floor_div(clock, SECONDS_PER_DAY) * SECONDS_PER_DAY;
	return instant_of_wall(zone, clamp(day, -MAX_DAYS, MAX_DAYS) * SECONDS_PER_DAY + clock) *
		KAM_SECOND;
}

KamTime
kam_iso_week(const KamZone *zone, int iso_year, int week)
{
	/* Week 1 is the one that holds January 4. */
	int64_t		fourth = kam_days_from_date(iso_year, 1, 4);
	int64_t		monday = fourth - weekday_of(fourth) + 7 * ((int64_t) week - 1);

	return instant_of_wall(zone, clamp(monday, -MAX_DAYS, MAX_DAYS) * SECONDS_PER_DAY) *
		KAM_SECOND;
}

/* Exactly "count" digits at *s; moves on when they are there. */
static bool
take_digits(const char **s, int count, int *out)
{
	int			value = 0;

	for (int i = 0; i < count; i++)
	{
		char		c = (*s)[i];

		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (c - '0');
	}
	*s += count;
	*out = value;
	return true;
}

/* One given character at *s; moves on when it is there. */
static bool
take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* YYYY-MM-DD or YYYYMMDD of a day that exists. */
static bool
take_date(const char **s, KamCivil *out, bool *basic)
{
	if (!take_digits(s, 4, &out->year))
		return false;
	*basic = !take_char(s, '-');
	if (!take_digits(s, 2, &out->month))
		return false;
	if (!*basic && !take_char(s, '-'))
		return false;
	if (!take_digits(s, 2, &out->day))
		return false;
	return out->year >= 1 && out->month >= 1 && out->month <= 12 && out->day >= 1 &&
		out->day <= kam_days_in_month(out->year, out->month);
}

/* Decimals of a second after "." or ","; what is finer than microseconds is cut. */
static bool
take_fraction(const char **s, int *usec)
{
	int			scale = 100000;

	if (!take_char(s, '.') && !take_char(s, ','))
		return true;
	if (**s < '0' || **s > '9')
		return false;
	for (; **s >= '0' && **s <= '9'; (*s)++)
	{
		*usec += (**s - '0') * scale;
		scale /= 10;
	}
	return true;
}

/*
 * hh:mm[:ss[.frac]] or hhmm[ss[.frac]].  A leap second is the next minute's
 * first, 24:00 the next day's midnight.
 */
static bool
take_clock(const char **s, bool basic, KamCivil *out)
{
	if (!take_digits(s, 2, &out->hour))
		return false;
	if (!basic && !take_char(s, ':'))
		return false;
	if (!take_digits(s, 2, &out->minute))
		return false;
	if (basic ? (**s >= '0' && **s <= '9') : take_char(s, ':'))
	{
		if (!take_digits(s, 2, &out->second) || !take_fraction(s, &out->usec))
			return false;
	}
	if (out->second == 60)
		out->usec = 0;
	if (out->hour == 24)
		return out->minute == 0 && out->second == 0 && out->usec == 0;
	return out->hour < 24 && out->minute < 60 && out->second <= 60;
}

/* Z, +hh, +hhmm, +hh:mm, +hh:mm:ss, with either sign; seconds east of UTC. */
static bool
take_offset(const char **s, int *offset)
{
	int			hours;
	int			minutes = 0;
	int			seconds = 0;
	int			sign;

	if (take_char(s, 'Z') || take_char(s, 'z'))
	{
		*offset = 0;
		return true;
	}
	if (take_char(s, '+'))
		sign = 1;
	else if (take_char(s, '-'))
		sign = -1;
	else
		return false;
	if (!take_digits(s, 2, &hours))
		return false;
	if (take_char(s, ':'))
	{
		if (!take_digits(s, 2, &minutes))
			return false;
		if (take_char(s, ':') && !take_digits(s, 2, &seconds))
			return false;
	}
	else if (**s != '\0' && !take_digits(s, 2, &minutes))
		return false;
	*offset = sign * (hours * 3600 + minutes * 60 + seconds);
	return hours < 16 && minutes < 60 && seconds < 60;
}

bool
kam_time_parse(const char *text, const KamZone *zone, KamTime *out)
{
	KamCivil	civil = {0};
	bool		basic;
	bool		local = true;
	int			offset = 0;
	int64_t		wall;
	KamTime		at;

	if (!take_date(&text, &civil, &basic))
		return false;
	if (take_char(&text, 'T') || take_char(&text, 't') || take_char(&text, ' '))
	{
		if (!take_clock(&text, basic, &civil))
			return false;
		local = *text == '\0';
		if (!local && !take_offset(&text, &offset))
			return false;
	}
	if (*text != '\0')
		return false;

	if (local)
		at = kam_civil_time(zone, &civil);
	else
	{
		wall = kam_days_from_date(civil.year, civil.month, civil.day) * SECONDS_PER_DAY +
			civil.hour * 3600 + civil.minute * 60 + civil.second;
		at = (wall - offset) * KAM_SECOND + civil.usec;
	}

	/* What is written back in the zone must be readable again. */
	if (civil.year == 1 || civil.year == 9999)
	{
		int			year = kam_civil_at(zone, at).year;

		if (year < 1 || year > 9999)
			return false;
	}
	*out = at;
	return true;
}

/* A number of at most that many digits, with leading zeros; returns the place behind it.  printf takes ten times as long. */
static char *
put_digits(char *p, int value, int digits)
{
	for (int i = digits; i-- > 0; value /= 10)
		p[i] = (char) ('0' + value % 10);
	return p + digits;
}

static char *
put_date(char *p, const KamCivil *c)
{
	p = put_digits(p, c->year, 4);
	*p++ = '-';
	p = put_digits(p, c->month, 2);
	*p++ = '-';
	return put_digits(p, c->day, 2);
}

/* Hours, minutes and seconds of a number of seconds, without the seconds when they are not wanted. */
static char *
put_clock(char *p, int seconds, bool wanted)
{
	p = put_digits(p, seconds / 3600, 2);
	*p++ = ':';
	p = put_digits(p, seconds / 60 % 60, 2);
	if (!wanted)
		return p;
	*p++ = ':';
	return put_digits(p, seconds % 60, 2);
}

static bool
has_four_digits(int year)
{
	return year >= 0 && year <= 9999;
}

char *
kam_time_format(KamArena *arena, const KamZone *zone, KamTime at)
{
	KamCivil	c = kam_civil_at(zone, at);
	int			distance = c.offset < 0 ? -c.offset : c.offset;
	char		sign = c.offset < 0 ? '-' : '+';
	char		text[sizeof "2026-03-11T10:00:00+01:00:00"],
			   *p;

	if (!has_four_digits(c.year))
		return kam_printf(arena, distance % 60 != 0 ? "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d:%02d" : "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d",
						  c.year, c.month, c.day, c.hour, c.minute, c.second,
						  sign, distance / 3600, distance / 60 % 60, distance % 60);
	p = put_date(text, &c);
	*p++ = 'T';
	p = put_clock(p, c.hour * 3600 + c.minute * 60 + c.second, true);
	*p++ = sign;
	/* Local mean times of old dates have seconds in their offsets. */
	p = put_clock(p, distance, distance % 60 != 0);
	return kam_strndup(arena, text, (size_t) (p - text));
}

char *
kam_date_format(KamArena *arena, const KamZone *zone, KamTime at)
{
	KamCivil	c = kam_civil_at(zone, at);
	char		text[sizeof "2026-03-11"];

	if (!has_four_digits(c.year))
		return kam_printf(arena, "%04d-%02d-%02d", c.year, c.month, c.day);
	return kam_strndup(arena, text, (size_t) (put_date(text, &c) - text));
}
