/*
 * test/unit/test_civil.c: calendar, wall clocks across changes of the hour,
 * ISO 8601 in and out.
 */
#include "unit.h"
#include "zones.h"

#include "core/civil.h"

static KamZone
zone_of(const char *name)
{
	KamZone		zone = {0};

	if (!kam_zone_find(&test_zones, name, &zone))
	{
		fprintf(stderr, "no zone %s\n", name);
		abort();
	}
	return zone;
}

/* A text read in one zone and written in another, or "-" when it is refused. */
static const char *
turned(KamArena *arena, const char *text, const char *from, const char *to)
{
	KamZone		in = zone_of(from);
	KamZone		out = zone_of(to);
	KamTime		at = 42;

	if (!kam_time_parse(text, &in, &at))
	{
		CHECK_INT(at, 42);
		return "-";
	}
	return kam_time_format(arena, &out, at);
}

TEST(days_and_dates_are_inverse)
{
	int			y,
				m,
				d;

	CHECK_INT(kam_days_from_date(1970, 1, 1), 0);
	CHECK_INT(kam_days_from_date(2000, 3, 1), 11017);
	CHECK_INT(kam_days_from_date(1, 1, 1), -719162);
	CHECK_INT(kam_days_from_date(2026, 13, 1), kam_days_from_date(2027, 1, 1));
	CHECK_INT(kam_days_from_date(2026, 0, 1), kam_days_from_date(2025, 12, 1));
	CHECK_INT(kam_days_from_date(2026, -11, 1), kam_days_from_date(2025, 1, 1));
	CHECK_INT(kam_days_from_date(2026, 2, 30), kam_days_from_date(2026, 3, 2));
	for (int64_t day = -800000; day < 3000000; day += 37)
	{
		kam_date_from_days(day, &y, &m, &d);
		if (kam_days_from_date(y, m, d) != day || m < 1 || m > 12 || d < 1 || d > kam_days_in_month(y, m))
			CHECK(false, "day %lld", (long long) day);
	}
	kam_date_from_days(0, &y, &m, &d);
	CHECK_INT(y * 10000 + m * 100 + d, 19700101);
	kam_date_from_days(-1, &y, &m, &d);
	CHECK_INT(y * 10000 + m * 100 + d, 19691231);
}

TEST(months_have_their_lengths)
{
	CHECK_INT(kam_days_in_month(2026, 2), 28);
	CHECK_INT(kam_days_in_month(2028, 2), 29);
	CHECK_INT(kam_days_in_month(2000, 2), 29);
	CHECK_INT(kam_days_in_month(2100, 2), 28);
	CHECK_INT(kam_days_in_month(2026, 12), 31);
	CHECK_INT(kam_days_in_month(2026, 4), 30);
}

TEST(unknown_zones_are_refused)
{
	KamZone		zone = {"untouched", NULL, NULL};

	CHECK(!kam_zone_find(&test_zones, "Europe/Nowhere", &zone));
	CHECK(!kam_zone_find(&test_zones, "", &zone));
	CHECK(!kam_zone_find(&test_zones, NULL, &zone));
	CHECK_STR(zone.name, "untouched");
	CHECK(kam_zone_find(&test_zones, "Europe/Paris", &zone));
	CHECK_STR(zone.name, "Europe/Paris");
}

TEST(civil_at_shows_the_wall)
{
	KamZone		paris = zone_of("Europe/Paris");
	KamZone		kolkata = zone_of("Asia/Kolkata");
	KamTime		at;
	KamCivil	c;

	CHECK(kam_time_parse("2026-03-11T09:30:15.250Z", &paris, &at));
	c = kam_civil_at(&paris, at);
	CHECK_INT(c.hour, 10);
	CHECK_INT(c.usec, 250000);
	CHECK_INT(c.weekday, 2);
	CHECK_INT(c.offset, 3600);
	c = kam_civil_at(&kolkata, at);
	CHECK_INT(c.hour * 100 + c.minute, 1500);
	CHECK_INT(c.offset, 19800);
	/* before 1970, fractions count forward */
	c = kam_civil_at(&kolkata, -1);
	CHECK_INT(c.usec, 999999);
	CHECK_INT(c.second, 59);
	CHECK_INT(c.minute, 29);
}

TEST(iso_texts)
{
	static const struct
	{
		const char *text,
				   *expected;	/* in UTC; read in Europe/Paris */
	}			cases[] = {
		{"2026-03-11T10:00:00Z", "2026-03-11T10:00:00+00:00"},
		{"2026-03-11T10:00:00.123456Z", "2026-03-11T10:00:00+00:00"},
		{"2026-03-11T10:00:00,5+01:00", "2026-03-11T09:00:00+00:00"},
		{"2026-03-11 10:00:00+01", "2026-03-11T09:00:00+00:00"},
		{"2026-03-11t10:00:00z", "2026-03-11T10:00:00+00:00"},
		{"20260311T100000Z", "2026-03-11T10:00:00+00:00"},
		{"20260311T1000+0530", "2026-03-11T04:30:00+00:00"},
		{"20260311T100000", "2026-03-11T09:00:00+00:00"},
		{"20260311", "2026-03-10T23:00:00+00:00"},
		{"2026-03-11", "2026-03-10T23:00:00+00:00"},
		{"2026-07-11", "2026-07-10T22:00:00+00:00"},
		{"2026-03-11T10:00", "2026-03-11T09:00:00+00:00"},
		{"2026-03-11T10:00-0330", "2026-03-11T13:30:00+00:00"},
		{"2026-03-11T10:00:00-00:00", "2026-03-11T10:00:00+00:00"},
		{"2026-03-11T10:00:00+14:00", "2026-03-10T20:00:00+00:00"},
		{"2026-03-11T24:00:00Z", "2026-03-12T00:00:00+00:00"},
		{"2026-12-31T24:00Z", "2027-01-01T00:00:00+00:00"},
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"},
		{"2028-02-29", "2028-02-28T23:00:00+00:00"},
		{"0001-06-01T00:00:00Z", "0001-06-01T00:00:00+00:00"},
		{"9999-12-31T20:00:00Z", "9999-12-31T20:00:00+00:00"},
		{"1891-01-01T00:09:21+00:09:21", "1891-01-01T00:00:00+00:00"},
		{"2026-02-30", "-"}, {"2026-02-29", "-"}, {"2100-02-29", "-"}, {"2026-04-31", "-"}, {"2026-13-01", "-"},
		{"2026-00-10", "-"}, {"2026-01-00", "-"}, {"0000-01-01", "-"}, {"10000-01-01", "-"}, {"26-03-11", "-"},
		{"2026-3-11", "-"}, {"2026-0311", "-"}, {"202603-11", "-"}, {"2026-03", "-"}, {"2026", "-"}, {"", "-"},
		{" 2026-03-11", "-"}, {"2026-03-11 ", "-"}, {"2026-03-11T", "-"}, {"2026-03-11T10", "-"}, {"2026-03-11T10:", "-"},
		{"2026-03-11T10:0", "-"}, {"2026-03-11T10:60", "-"}, {"2026-03-11T25:00", "-"}, {"2026-03-11T24:01", "-"},
		{"2026-03-11T24:00:00.1", "-"}, {"2026-03-11T10:00:61", "-"}, {"2026-03-11T10:00:00.", "-"},
		{"2026-03-11T10:00:00.Z", "-"}, {"2026-03-11T10:00:0", "-"}, {"2026-03-11T1000", "-"}, {"20260311T10:00", "-"},
		{"2026-03-11T10:00:00+1", "-"}, {"2026-03-11T10:00:00+01:0", "-"}, {"2026-03-11T10:00:00+010", "-"},
		{"2026-03-11T10:00:00+16:00", "-"}, {"2026-03-11T10:00:00+01:60", "-"}, {"2026-03-11T10:00:00ZZ", "-"},
		{"2026-03-11T10:00:00 Z", "-"}, {"2026-03-11T10:00:00Z ", "-"}, {"2026-03-11Z", "-"}, {"2026-03-11+01:00", "-"},
		{"2026/03/11", "-"}, {"11-03-2026", "-"}, {"Wed, 11 Mar 2026 10:00:00 +0100", "-"}, {"now", "-"},
		{"2026-03-11T10:00:00+", "-"}, {"-2026-03-11", "-"}, {"+2026-03-11", "-"}, {"2026-03-11T-1:00", "-"},
		{"9999-12-31T23:30:00-01:00", "-"}, {"9999-12-31T24:00:00", "-"}, {"0001-01-01T00:00:00+10:00", "-"},
		{"2026-03-11T\xc2\xa0" "10:00", "-"}, {"\xef\xbc\x92" "026-03-11", "-"},
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		const char *is = turned(arena, cases[i].text, "Europe/Paris", "UTC");

		CHECK(strcmp(is, cases[i].expected) == 0, "\"%s\": %s, not %s", cases[i].text, is, cases[i].expected);
	}
	kam_arena_free(arena);
}

TEST(fractions_count_to_the_microsecond)
{
	KamZone		utc = zone_of("UTC");
	KamTime		at;

	CHECK(kam_time_parse("1970-01-01T00:00:01.000001Z", &utc, &at));
	CHECK_INT(at, 1000001);
	CHECK(kam_time_parse("1970-01-01T00:00:01.0000019Z", &utc, &at));
	CHECK_INT(at, 1000001);
	CHECK(kam_time_parse("1969-12-31T23:59:59.5Z", &utc, &at));
	CHECK_INT(at, -500000);
	CHECK(kam_time_parse("1970-01-01T00:00:00.25", &utc, &at));
	CHECK_INT(at, 250000);
}

/* What a local reading becomes around changes of the clock. */
TEST(gaps_move_forward_and_overlaps_take_the_first)
{
	static const struct
	{
		const char *zone,
				   *local,
				   *expected;
	}			cases[] = {
		{"Europe/Paris", "2026-03-29T01:59:59", "2026-03-29T01:59:59+01:00"},
		{"Europe/Paris", "2026-03-29T02:00:00", "2026-03-29T03:00:00+02:00"},
		{"Europe/Paris", "2026-03-29T02:30:00", "2026-03-29T03:30:00+02:00"},
		{"Europe/Paris", "2026-03-29T03:00:00", "2026-03-29T03:00:00+02:00"},
		{"Europe/Paris", "2026-10-25T01:59:59", "2026-10-25T01:59:59+02:00"},
		{"Europe/Paris", "2026-10-25T02:00:00", "2026-10-25T02:00:00+02:00"},
		{"Europe/Paris", "2026-10-25T02:59:59", "2026-10-25T02:59:59+02:00"},
		{"Europe/Paris", "2026-10-25T03:00:00", "2026-10-25T03:00:00+01:00"},
		{"America/New_York", "2026-03-08T02:30:00", "2026-03-08T03:30:00-04:00"},
		{"America/New_York", "2026-11-01T01:30:00", "2026-11-01T01:30:00-04:00"},
		{"America/New_York", "2026-11-01T02:00:00", "2026-11-01T02:00:00-05:00"},
		{"America/Santiago", "2026-09-06T00:00:00", "2026-09-06T01:00:00-03:00"},
		{"Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-04T02:45:00+11:00"},
		{"Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-05T01:45:00+11:00"},
		{"Australia/Lord_Howe", "2026-04-05T02:00:00", "2026-04-05T02:00:00+10:30"},
		{"Asia/Kolkata", "2026-03-29T02:30:00", "2026-03-29T02:30:00+05:30"},
		{"Asia/Kathmandu", "2026-03-29T02:30:00", "2026-03-29T02:30:00+05:45"},
		{"Pacific/Apia", "2011-12-29T12:00:00", "2011-12-29T12:00:00-10:00"},
		{"Pacific/Apia", "2011-12-30T12:00:00", "2011-12-31T12:00:00+14:00"},
		{"Pacific/Apia", "2011-12-31T00:00:00", "2011-12-31T00:00:00+14:00"},
		{"UTC", "2026-03-29T02:30:00", "2026-03-29T02:30:00+00:00"},
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		const char *is = turned(arena, cases[i].local, cases[i].zone, cases[i].zone);

		CHECK(strcmp(is, cases[i].expected) == 0, "%s %s: %s, not %s", cases[i].zone, cases[i].local, is, cases[i].expected);
	}
	kam_arena_free(arena);
}

/* Every instant of the days of change survives the way out and back, by its offset. */
TEST(written_instants_read_back)
{
	static const char *const zones[] = {"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata"};
	static const char *const days[] = {"2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z", "2026-04-04T06:00:00Z",
	"2011-12-30T00:00:00Z", "2026-03-08T00:00:00Z", "2026-11-01T00:00:00Z"};
	KamArena   *arena = kam_arena_new();

	for (size_t z = 0; z < KAM_LENGTHOF(zones); z++)
		for (size_t d = 0; d < KAM_LENGTHOF(days); d++)
		{
			KamZone		zone = zone_of(zones[z]);
			KamTime		start = 0;

			CHECK(kam_time_parse(days[d], &zone, &start));
			for (KamTime at = start; at < start + 2 * KAM_DAY; at += 15 * KAM_MINUTE)
			{
				KamTime		back = 0;
				char	   *text = kam_time_format(arena, &zone, at);
				KamCivil	civil = kam_civil_at(&zone, at);
				KamTime		wall = kam_civil_time(&zone, &civil);

				if (!kam_time_parse(text, &zone, &back) || back != at)
					CHECK(false, "%s", text);
				/* the wall clock alone gives the first of two readings */
				if (wall != at && !(wall < at && at - wall <= KAM_DAY))
					CHECK(false, "%s: wall clock", text);
			}
		}
	kam_arena_free(arena);
}

TEST(fields_carry_over)
{
	KamZone		paris = zone_of("Europe/Paris");
	KamArena   *arena = kam_arena_new();
	KamCivil	c = {.year = 2026, .month = 1, .day = 32, .hour = 9};

	CHECK_STR(kam_time_format(arena, &paris, kam_civil_time(&paris, &c)), "2026-02-01T09:00:00+01:00");
	c = (KamCivil) {.year = 2026, .month = 14, .day = 1, .hour = -1};
	CHECK_STR(kam_time_format(arena, &paris, kam_civil_time(&paris, &c)), "2027-01-31T23:00:00+01:00");
	c = (KamCivil) {.year = 2026, .month = 3, .day = 0, .minute = 1500};
	CHECK_STR(kam_time_format(arena, &paris, kam_civil_time(&paris, &c)), "2026-03-01T01:00:00+01:00");
	c = (KamCivil) {.year = 2026, .month = 3, .day = 1, .usec = -1};
	CHECK_INT(kam_civil_at(&paris, kam_civil_time(&paris, &c)).usec, 999999);
	/* beyond what an instant can hold it is clamped, not undefined */
	c = (KamCivil) {.year = INT32_MAX, .month = INT32_MAX, .day = INT32_MAX, .hour = INT32_MAX};
	CHECK(kam_civil_time(&paris, &c) > 0);
	c = (KamCivil) {.year = INT32_MIN, .month = INT32_MIN, .day = INT32_MIN, .hour = INT32_MIN};
	CHECK(kam_civil_time(&paris, &c) < 0);
	kam_arena_free(arena);
}

TEST(local_days)
{
	KamZone		paris = zone_of("Europe/Paris");
	KamZone		apia = zone_of("Pacific/Apia");
	KamArena   *arena = kam_arena_new();
	KamTime		at;

	CHECK(kam_time_parse("2026-03-10T23:30:00Z", &paris, &at));
	CHECK_INT(kam_local_day(&paris, at), kam_days_from_date(2026, 3, 11));
	CHECK_INT(kam_local_day(&apia, at), kam_days_from_date(2026, 3, 11));
	CHECK_INT(kam_local_day(&paris, at - KAM_HOUR), kam_days_from_date(2026, 3, 10));
	CHECK_STR(kam_date_format(arena, &paris, at), "2026-03-11");
	CHECK_STR(kam_time_format(arena, &paris, kam_local_clock(&paris, at, 0, 9, 0)), "2026-03-11T09:00:00+01:00");
	/* days are counted on the wall, over a change of the hour */
	CHECK_STR(kam_time_format(arena, &paris, kam_local_clock(&paris, at, 18, 9, 30)), "2026-03-29T09:30:00+02:00");
	CHECK_STR(kam_time_format(arena, &paris, kam_local_clock(&paris, at, 0, -1, 0)), "2026-03-10T23:00:00+01:00");
	CHECK_STR(kam_time_format(arena, &paris, kam_local_clock(&paris, at, 18, 2, 30)), "2026-03-29T03:30:00+02:00");
	kam_arena_free(arena);
}

TEST(iso_weeks)
{
	KamZone		paris = zone_of("Europe/Paris");
	KamArena   *arena = kam_arena_new();

	CHECK_STR(kam_time_format(arena, &paris, kam_iso_week(&paris, 2026, 1)), "2025-12-29T00:00:00+01:00");
	CHECK_STR(kam_time_format(arena, &paris, kam_iso_week(&paris, 2026, 14)), "2026-03-30T00:00:00+02:00");
	CHECK_STR(kam_time_format(arena, &paris, kam_iso_week(&paris, 2020, 53)), "2020-12-28T00:00:00+01:00");
	CHECK_STR(kam_time_format(arena, &paris, kam_iso_week(&paris, 2027, 1)), "2027-01-04T00:00:00+01:00");
	kam_arena_free(arena);
}

TEST(old_offsets_have_seconds)
{
	KamZone		paris = zone_of("Europe/Paris");
	KamArena   *arena = kam_arena_new();
	KamTime		at,
				back;
	char	   *text;

	CHECK(kam_time_parse("1800-01-01T12:00:00Z", &paris, &at));
	text = kam_time_format(arena, &paris, at);
	CHECK_STR(text, "1800-01-01T12:09:21+00:09:21");
	CHECK(kam_time_parse(text, &paris, &back));
	CHECK_INT(back, at);
	kam_arena_free(arena);
}

RUN_TESTS()
