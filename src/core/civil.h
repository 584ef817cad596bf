/*
 * core/civil.h: calendar and clock in a contact's zone, ISO 8601 in and out.
 */
#pragma once

#include "core/base.h"

typedef struct KamCivil
{
	int			year,
				month,			/* 1-12 */
				day,			/* 1-31 */
				hour,
				minute,
				second,
				usec;
	int			weekday;		/* 0 = Monday; set by kam_civil_at */
	int			offset;			/* seconds east of UTC; set by kam_civil_at */
} KamCivil;

/* False and untouched when the name is unknown. */
extern bool kam_zone_find(const KamZones *zones, const char *name, KamZone *out);

/* An instant as the clock on the wall shows it. */
extern KamCivil kam_civil_at(const KamZone *zone, KamTime at);
/*
 * A wall clock reading as an instant.  In a spring gap the clock is moved
 * forward by the gap, of a doubled autumn hour the first is taken.  Fields may
 * be out of range (day 32, hour -1): they carry over.
 */
extern KamTime kam_civil_time(const KamZone *zone, const KamCivil *civil);

/* Days since 1970-01-01 of a civil date, and back (proleptic Gregorian). */
extern int64_t kam_days_from_date(int year, int month, int day);
extern void kam_date_from_days(int64_t days, int *year, int *month, int *day);
extern int	kam_days_in_month(int year, int month);
/* The local day number of an instant: two instants share it iff they fall on one local day. */
extern int64_t kam_local_day(const KamZone *zone, KamTime at);
/* hour:minute on the local day of "at" plus days. */
extern KamTime kam_local_clock(const KamZone *zone, KamTime at, int days, int hour, int minute);
/* First instant of an ISO week's Monday, at 00:00 local. */
extern KamTime kam_iso_week(const KamZone *zone, int iso_year, int week);

/*
 * ISO 8601: YYYY-MM-DD, with optional time (T or space, hh:mm[:ss[.frac]] or
 * basic forms) and optional offset (Z, +hh, +hhmm, +hh:mm).  Without an offset
 * the reading is local to "zone".  False when the text is nothing of the kind,
 * names a date that does not exist or a year outside 1..9999.
 */
extern bool kam_time_parse(const char *text, const KamZone *zone, KamTime *out);
/* "2026-03-11T10:00:00+01:00" in the zone; fractions are cut. */
extern char *kam_time_format(KamArena *arena, const KamZone *zone, KamTime at);
/* "2026-03-11" in the zone. */
extern char *kam_date_format(KamArena *arena, const KamZone *zone, KamTime at);
