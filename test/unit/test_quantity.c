/*
 * test/unit/test_quantity.c: dates, times, amounts and numbers are read from
 * French and English text, and what is none of these is not.
 */
#include "core/quantity.h"

#include "unit.h"

/* "date 3/3/2026; money 14400; ..." of a text. */
static const char *
found(KamArena *arena, const char *text)
{
	KamQuantity *q;
	int			n = kam_quantities_find(arena, text, strlen(text), &q);
	const char *out = "";

	for (int i = 0; i < n; i++)
	{
		const char *one = "";

		switch (q[i].kind)
		{
			case KAM_QUANTITY_NUMBER:
				one = kam_printf(arena, "number %g", q[i].number);
				break;
			case KAM_QUANTITY_MONEY:
				one = kam_printf(arena, "money %g", q[i].number);
				break;
			case KAM_QUANTITY_PERCENT:
				one = kam_printf(arena, "percent %g", q[i].number);
				break;
			case KAM_QUANTITY_CLOCK:
				one = kam_printf(arena, "clock %d:%02d", q[i].minute / 60, q[i].minute % 60);
				break;
			case KAM_QUANTITY_DATE:
				one = kam_printf(arena, "date %d/%d/%d", q[i].day, q[i].month, q[i].year);
				break;
			case KAM_QUANTITY_MONTH:
				one = kam_printf(arena, "month %d/%d", q[i].month, q[i].year);
				break;
		}
		CHECK(q[i].end > q[i].start && q[i].end <= strlen(text), "bounds in \"%s\"", text);
		out = kam_printf(arena, "%s%s%s", out, i > 0 ? "; " : "", one);
	}
	return out;
}

TEST(read_in_every_spelling)
{
	static const struct
	{
		const char *text,
				   *want;
	}			rows[] = {
		{"2026-03-03", "date 3/3/2026"},
		{"2026-03-03T10:00:00+01:00 then", "date 3/3/2026"},
		{"2026-03-03T10:00:00.123456Z, 2026-03-04 11:30", "date 3/3/2026; date 4/3/2026"},
		{"le 3 mars", "date 3/3/0"},
		{"le 3 mars 2026 \xc3\xa0 14h", "date 3/3/2026; clock 14:00"},
		{"1er ao\xc3\xbbt", "date 1/8/0"},
		{"1er aou\xcc\x82t", "date 1/8/0"},
		{"le 12 f\xc3\xa9v. 2026", "date 12/2/2026"},
		{"15 d\xc3\xa9" "cembre", "date 15/12/0"},
		{"March 3rd", "date 3/3/0"},
		{"March 3rd, 2026 and", "date 3/3/2026"},
		{"Mar. 3", "date 3/3/0"},
		{"3rd of March 2026", "date 3/3/2026"},
		{"10 March 2026", "date 10/3/2026"},
		{"03/04/2026", "date 3/4/2026"},
		{"25.12.2026", "date 25/12/2026"},
		{"12/25/2026", "date 25/12/2026"},
		{"03/04/26", "date 3/4/2026"},
		{"le 15/03", "date 15/3/0"},
		{"24/7 et 1/2", "number 24; number 7; number 1; number 2"},
		{"mars 2026", "month 3/2026"},
		{"May 4", "date 4/5/0"},
		{"3 may come", "number 3"},
		{"14 400 \xe2\x82\xac", "money 14400"},
		{"14\xc2\xa0" "400\xc2\xa0\xe2\x82\xac", "money 14400"},
		{"14\xe2\x80\xaf" "400 EUR", "money 14400"},
		{"\xe2\x82\xac" "14,400", "money 14400"},
		{"$1,234,567.89", "money 1.23457e+06"},
		{"14.400,50 euros", "money 14400.5"},
		{"EUR 300", "money 300"},
		{"14,4 k\xe2\x82\xac", "money 14400"},
		{"14k\xe2\x82\xac", "money 14000"},
		{"2 millions d'euros", "money 2e+06"},
		{"12,5 %", "percent 12.5"},
		{"20 percent, 30 pour cent", "percent 20; percent 30"},
		{"14h30, 9 h, 18:45, 9am, 12 am, 5:30 pm", "clock 14:30; clock 9:00; clock 18:45; clock 9:00; clock 0:00; clock 17:30"},
		{"le module 4 et 250 postes", "number 4; number 250"},
		{"v2 B2B Q3 RFC6901 3D user2@x.com http://x.io/2026-03-03 www.a.io/7", ""},
		{"3 emails en mars 14h", "number 3; clock 14:00"},
		{"mars 3 000 \xe2\x82\xac", "money 3000"},
		{"du 3 au 5 mars", "number 3; date 5/3/0"},
		{"99/99/9999 32 mars 2026-13-45", "number 99; number 99; number 9999; number 32; month 3/2026; number 13; number 45"},
		{"", ""},
		{"\xff\xfe 7 \xc3", "number 7"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		KamArena   *arena = kam_arena_new();
		const char *got = found(arena, rows[i].text);

		CHECK(strcmp(got, rows[i].want) == 0, "in \"%s\": \"%s\", not \"%s\"", rows[i].text, got, rows[i].want);
		kam_arena_free(arena);
	}
}

TEST(read_in_words)
{
	static const struct
	{
		const char *text;
		double		want[4];	/* those that are sure, up to a nought */
		int			doubtful;	/* how many more may be meant */
		int			span;		/* of the first one */
	}			rows[] = {
		{"dix-sept", {17}, 0, 0},
		{"vingt et un jours", {21}, 0, 1},
		{"soixante-dix-sept", {77}, 0, 0},
		{"quatre-vingts", {80}, 0, 0},
		{"Quatre-Vingt-Onze", {91}, 0, 0},
		{"quatre-vingt-dix-neuf mois", {99}, 0, 30},
		{"septante-deux", {72}, 0, 0},
		{"deux cents", {200}, 0, 0},
		{"cent vingt personnes", {120}, 0, 0},
		{"mille cinq cents", {1500}, 0, 0},
		{"deux mille vingt-six", {2026}, 0, 0},
		{"trois cent quarante-cinq mille six cent soixante-dix-huit", {345678}, 0, 0},
		{"deux millions d'euros", {2000000}, 0, 0},
		{"un million", {1000000}, 0, 0},
		{"twenty-one", {21}, 0, 0},
		{"one hundred and fifty", {150}, 0, 0},
		{"twelve hundred", {1200}, 0, 0},
		{"ninety-nine thousand nine hundred ninety-nine", {99999}, 0, 0},
		{"three million", {3000000}, 0, 0},
		{"six weeks or seven", {6, 7}, 0, 7},
		{"two, three; four weeks", {2, 3, 4}, 0, 0},
		{"deux trois quatre", {2, 3, 4}, 0, 0},
		{"vingt\xc2\xa0" "cinq", {25}, 0, 0},
		{"vingt\xe2\x80\x91" "cinq", {25}, 0, 0},
		/* none, or not for sure */
		{"one of them, un devis, une offre, one week", {0}, 0, 0},
		{"un devis neuf, seize the day, un four, le 15 sept.", {0}, 4, 0},
		{"neuf mois", {9}, 0, 30},
		{"les deux offres, their three sites", {0}, 2, 0},
		{"pour cent, per cent, hundreds, thousands, hundred, cents, million", {0}, 0, 0},
		{"tension, often, Sixtine, intends, someone, none, dixit, ten_x, 4ten", {0}, 0, 0},
		{"\xc3\xa9" "dix, dix\xc3\xa9, \xff" "ten", {0}, 0, 0},
		{"", {0}, 0, 0},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		KamArena   *arena = kam_arena_new();
		KamQuantity *sure,
				   *all;
		int			want = 0,
					n = kam_quantities_in_words(arena, rows[i].text, strlen(rows[i].text), true, &sure),
					n_all = kam_quantities_in_words(arena, rows[i].text, strlen(rows[i].text), false, &all);

		while (want < 4 && rows[i].want[want] > 0)
			want++;
		CHECK(n == want && n_all == want + rows[i].doubtful, "\"%s\": %d and %d", rows[i].text, n, n_all);
		for (int k = 0; k < n && k < want; k++)
		{
			CHECK(sure[k].number == rows[i].want[k], "\"%s\": %g", rows[i].text, sure[k].number);
			CHECK(sure[k].end > sure[k].start && sure[k].end <= strlen(rows[i].text), "bounds in \"%s\"", rows[i].text);
		}
		if (n > 0)
			CHECK(sure[0].span == rows[i].span, "\"%s\": %d", rows[i].text, sure[0].span);
		kam_arena_free(arena);
	}
}

TEST(units_and_currencies_differ)
{
	static const struct
	{
		const char *a,
				   *b;
		bool		same;
	}			rows[] = {
		{"14 400 \xe2\x82\xac", "EUR 14,400", true},
		{"14 400 \xe2\x82\xac", "14 400 $", false},
		{"14 400 $", "14 400 USD", true},
		{"14 400 CAD", "14 400 USD", false},
		{"14 400 CAD", "14 400 dollars", true},
		{"\xc2\xa3 300", "300 pounds", true},
		{"14,4 k\xe2\x82\xac", "$14,400", false},
		{"12 %", "12 \xe2\x82\xac", false},
		{"0.2", "20 %", true},
		{"1.2", "120 %", true},
		{"3", "300 %", false},
		{"7 days", "1 week", true},
		{"12 mois", "1 an", true},
		{"60 minutes", "1 hour", true},
		{"24 hours", "1 day", false},
		{"3 weeks", "3 months", false},
		{"3 weeks", "3 \xe2\x82\xac", false},
		{"30-day", "30 jours", true},
		{"24h", "24 hours", true},
		{"48h", "2 hours", false},
		{"2h", "2 heures", true},
		{"2h", "3 hours", false},
		{"2h30", "2 hours", false},
		{"30min", "30 minutes", true},
		{"45kg", "45 kg", true},
		{"73282932000074", "73282932000075", false},
		{"1234567.89", "1234567.89", true},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		KamArena   *arena = kam_arena_new();
		KamQuantity *a,
				   *b;

		CHECK_INT(kam_quantities_find(arena, rows[i].a, strlen(rows[i].a), &a), 1);
		CHECK_INT(kam_quantities_find(arena, rows[i].b, strlen(rows[i].b), &b), 1);
		CHECK(kam_quantity_same(a, b) == rows[i].same && kam_quantity_same(b, a) == rows[i].same, "\"%s\" and \"%s\"", rows[i].a, rows[i].b);
		kam_arena_free(arena);
	}
	CHECK_INT(kam_quantity_currency("EUR"), kam_quantity_currency("\xe2\x82\xac"));
	CHECK_INT(kam_quantity_currency("yen"), 0);
	CHECK_INT(kam_quantity_currency(""), 0);
}

TEST(same_whatever_the_spelling)
{
	static const struct
	{
		const char *a,
				   *b;
		bool		same;
	}			rows[] = {
		{"3 mars", "2026-03-03T10:00:00Z", true},
		{"March 3rd", "3 mars 2026", true},
		{"3 mars 2025", "3 mars 2026", false},
		{"4 mars", "3 mars", false},
		{"03/04/2026", "April 3, 2026", true},
		{"03/04/2026", "March 4, 2026", true},
		{"13/04/2026", "2026-04-13", true},
		{"14 400 \xe2\x82\xac", "14400", true},
		{"14.400 \xe2\x82\xac", "14400.00", true},
		{"14,4 k\xe2\x82\xac", "14400", true},
		{"14k\xe2\x82\xac", "14400", true},
		{"15k\xe2\x82\xac", "14400", false},
		{"14 500 \xe2\x82\xac", "14400", false},
		{"20 %", "20", true},
		{"14h", "2:00 pm", true},
		{"14h", "15h", false},
		{"14h", "14", false},
		{"mars 2026", "2026-03-17", true},
		{"2026", "3 mars 2026", true},
		{"2025", "3 mars 2026", false},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		KamArena   *arena = kam_arena_new();
		KamQuantity *a,
				   *b;

		CHECK_INT(kam_quantities_find(arena, rows[i].a, strlen(rows[i].a), &a), 1);
		CHECK_INT(kam_quantities_find(arena, rows[i].b, strlen(rows[i].b), &b), 1);
		CHECK(kam_quantity_same(a, b) == rows[i].same, "\"%s\" and \"%s\"", rows[i].a, rows[i].b);
		CHECK(kam_quantity_same(b, a) == rows[i].same, "\"%s\" and \"%s\"", rows[i].b, rows[i].a);
		kam_arena_free(arena);
	}
}

RUN_TESTS()
