/*
 * test/unit/test_when.c: temporal references in French and English.
 */
#include "unit.h"
#include "zones.h"

#include "core/when.h"

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

static KamTime
time_of(const char *text, const KamZone *zone)
{
	KamTime		at = 0;

	if (!kam_time_parse(text, zone, &at))
	{
		fprintf(stderr, "bad moment %s\n", text);
		abort();
	}
	return at;
}

static const char grains[] = "tdwpmq";

/*
 * Every reference of a text as one line: "2026-04-06T09:00 p", with < for past,
 * + for after; several parted by " | ".
 */
static char *
found_in(KamArena *arena, const char *text, const char *said, const char *zone_name)
{
	KamZone		zone = zone_of(zone_name);
	KamTokens	tokens = kam_tokenize(arena, text, strlen(text));
	KamWhen    *when;
	int			count = kam_when_find(arena, &tokens, time_of(said, &zone), &zone, &when);
	char	   *line = kam_strdup(arena, "");

	for (int i = 0; i < count; i++)
	{
		line = kam_printf(arena, "%s%s%.16s %c%s%s", line, i > 0 ? " | " : "", kam_time_format(arena, &zone, when[i].at),
						  grains[when[i].grain], when[i].past ? "<" : "", when[i].after ? "+" : "");
		if (when[i].first < 0 || when[i].first > when[i].last || when[i].last >= tokens.count ||
			(i > 0 && when[i].first <= when[i - 1].last))
			CHECK(false, "\"%s\": tokens %d to %d", text, when[i].first, when[i].last);
	}
	return line;
}

typedef struct Case
{
	const char *text,
			   *expected;
} Case;

static void
check_all(const Case *cases, size_t count, const char *said, const char *zone)
{
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < count; i++)
	{
		const char *is = found_in(arena, cases[i].text, said, zone);

		CHECK(strcmp(is, cases[i].expected) == 0, "\"%s\"\n    is \"%s\",\n   not \"%s\"", cases[i].text, is, cases[i].expected);
	}
	kam_arena_free(arena);
}

#define CHECK_ALL(cases, said) check_all(cases, KAM_LENGTHOF(cases), said, "Europe/Paris")

/* The spec's table, as of 2025-12-18 in Paris. */
TEST(table_of_the_spec)
{
	static const Case cases[] = {
		{"début janvier", "2026-01-06T09:00:00+01:00"},
		{"mi-janvier", "2026-01-15T09:00:00+01:00"},
		{"fin janvier", "2026-01-27T09:00:00+01:00"},
		{"après le meeting du 15 janvier", "2026-01-16T09:00:00+01:00"},
		{"dans 2 semaines", "2026-01-01T09:00:00+01:00"},
	};
	KamZone		paris = zone_of("Europe/Paris");
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		KamTime		at = 0;

		CHECK(kam_when_parse(arena, cases[i].text, time_of("2025-12-18T10:00:00", &paris), &paris, &at), "%s", cases[i].text);
		CHECK_STR(kam_time_format(arena, &paris, at), cases[i].expected);
	}
	kam_arena_free(arena);
}

/* All below are said on Wednesday 11 March 2026 at 10:00 in Paris. */
#define SAID "2026-03-11T10:00:00"

TEST(days_near_by)
{
	static const Case cases[] = {
		{"Je vous rappelle demain", "2026-03-12T09:00 d"},
		{"après-demain", "2026-03-13T09:00 d"},
		{"Aujourd'hui ?", "2026-03-11T09:00 d"},
		{"aujourd’hui même", "2026-03-11T09:00 d"},
		{"ce soir", "2026-03-11T18:00 d"},
		{"cet après-midi", "2026-03-11T14:00 d"},
		{"ce matin", "2026-03-11T09:00 d"},
		{"demain matin", "2026-03-12T09:00 d"},
		{"demain après-midi", "2026-03-12T14:00 d"},
		{"demain à 14h", "2026-03-12T14:00 t"},
		{"demain vers 9h30", "2026-03-12T09:30 t"},
		{"demain midi", "2026-03-12T12:00 t"},
		{"on s'est vus hier", "2026-03-10T09:00 d<"},
		{"avant-hier", "2026-03-09T09:00 d<"},
		{"hier soir", "2026-03-10T18:00 d<"},
		{"tomorrow", "2026-03-12T09:00 d"},
		{"ring me tomorrow morning?", "2026-03-12T09:00 d"},
		{"tomorrow at 3pm", "2026-03-12T15:00 t"},
		{"tomorrow afternoon at 3:00", "2026-03-12T15:00 t"},
		{"the day after tomorrow", "2026-03-13T09:00 d"},
		{"the day before yesterday", "2026-03-09T09:00 d<"},
		{"yesterday", "2026-03-10T09:00 d<"},
		{"tonight", "2026-03-11T18:00 d"},
		{"this afternoon", "2026-03-11T14:00 d"},
		{"today at noon", "2026-03-11T12:00 t"},
		{"by EOD", "2026-03-11T17:00 d"},
		{"by end of day", "2026-03-11T17:00 d"},
		{"tomorrow EOD", "2026-03-12T17:00 d"},
		{"retour demain jeudi", "2026-03-12T09:00 d"},
		{"retour demain 12 mars", "2026-03-12T09:00 d"},
	};

	CHECK_ALL(cases, SAID);
}

TEST(weekdays)
{
	static const Case cases[] = {
		{"lundi", "2026-03-16T09:00 d"},
		{"lundi prochain", "2026-03-16T09:00 d"},
		{"mercredi", "2026-03-18T09:00 d"},
		{"ce mercredi", "2026-03-11T09:00 d"},
		{"ce lundi", "2026-03-16T09:00 d"},
		{"mardi en huit", "2026-03-24T09:00 d"},
		{"mardi en quinze", "2026-03-31T09:00 d"},
		{"mardi dernier", "2026-03-10T09:00 d<"},
		{"mercredi dernier", "2026-03-04T09:00 d<"},
		{"mardi 17", "2026-03-17T09:00 d"},
		{"vendredi 17", "2026-04-17T09:00 d"},
		{"mardi 17 mars", "2026-03-17T09:00 d"},
		{"Parfait pour mardi 17 mars à 10h.", "2026-03-17T10:00 t"},
		{"mardi 17 mars à 14h30", "2026-03-17T14:30 t"},
		{"mardi 17 mars à 14 heures", "2026-03-17T14:00 t"},
		{"le mardi 17 mars 2026 de 14h à 15h", "2026-03-17T14:00 t"},
		{"mardi 17/03 à 9 h 30", "2026-03-17T09:30 t"},
		{"Ok pour moi jeudi 14h !", "2026-03-12T14:00 t"},
		{"jeudi dans la matinée", "2026-03-12T09:00 d"},
		{"jeudi dans l'après-midi", "2026-03-12T14:00 d"},
		{"vendredi en fin de journée", "2026-03-13T17:00 d"},
		{"14h mardi", "2026-03-17T14:00 t"},
		{"à 14h le mardi 17", "2026-03-17T14:00 t"},
		{"le lundi à 14h", "2026-03-16T14:00 t"},
		{"mardi 10 mars", "2026-03-10T09:00 d<"},
		{"next Monday", "2026-03-16T09:00 d"},
		{"this Friday", "2026-03-13T09:00 d"},
		{"last Friday", "2026-03-06T09:00 d<"},
		{"on Wednesday", "2026-03-18T09:00 d"},
		{"See you on Friday at 10!", "2026-03-13T10:00 t"},
		{"Friday at 3", "2026-03-13T15:00 t"},
		{"Call me Thursday afternoon.", "2026-03-12T14:00 d"},
		{"first thing Monday", "2026-03-16T09:00 d"},
		{"EOD Friday", "2026-03-13T17:00 d"},
		{"noon on Tuesday", "2026-03-17T12:00 t"},
		{"at 3pm on Tuesday", "2026-03-17T15:00 t"},
		{"3:30 p.m. on Tuesday", "2026-03-17T15:30 t"},
		{"Tuesday at 3 pm", "2026-03-17T15:00 t"},
		{"Tuesday 17 March at 2pm works for me. Speak then.", "2026-03-17T14:00 t"},
		{"Tuesday the 17th", "2026-03-17T09:00 d"},
		{"Tuesday, March 17th", "2026-03-17T09:00 d"},
		{"Monday week", "2026-03-23T09:00 d"},
		{"a week on Monday", "2026-03-23T09:00 d"},
		{"When: Wed May 13, 2026 9am - 10am", "2026-05-13T09:00 t"},
		{"Wed 10am?", "2026-03-18T10:00 t"},
		{"Mon at 9:30", "2026-03-16T09:30 t"},
		{"jeudi je suis libre, disons vers 15h", "2026-03-12T15:00 t"},
		{"ce week-end", "2026-03-14T09:00 d"},
		{"this weekend", "2026-03-14T09:00 d"},
		{"après le week-end", "2026-03-16T09:00 d+"},
		{"lundi ou mardi", "2026-03-16T09:00 d | 2026-03-17T09:00 d"},
		{"depuis lundi", "2026-03-09T09:00 d<"},
		{"since Monday", "2026-03-09T09:00 d<"},
		{"Suite à notre démo de lundi", "2026-03-09T09:00 d<"},
		{"Tuesday next week", "2026-03-17T09:00 d"},
		{"Friday next week", "2026-03-20T09:00 d"},
		{"vendredi de la semaine prochaine", "2026-03-20T09:00 d"},
		{"next week on Friday", "2026-03-20T09:00 d"},
		{"la semaine prochaine, vendredi par exemple", "2026-03-20T09:00 d"},
		{"vendredi de la semaine dernière", "2026-03-06T09:00 d<"},
		{"How about Thursday 2-3pm?", "2026-03-12T14:00 t"},
		{"Thursday 9-10am", "2026-03-12T09:00 t"},
		{"call me tomorrow between 2 and 4pm", "2026-03-12T14:00 t"},
		{"dispo lundi entre 14h et 16h", "2026-03-16T14:00 t"},
		{"vendredi à minuit", "2026-03-14T00:00 t"},
		{"le dernier vendredi du mois", "2026-03-27T09:00 d"},
		{"the first Monday of April", "2026-04-06T09:00 d"},
		{"le 1er lundi d'avril", "2026-04-06T09:00 d"},
		{"from Monday to Wednesday", "2026-03-16T09:00 d | 2026-03-18T09:00 d"},
	};

	CHECK_ALL(cases, SAID);
}

TEST(calendar_dates)
{
	static const Case cases[] = {
		{"le 15", "2026-03-15T09:00 d"},
		{"le 10", "2026-04-10T09:00 d"},
		{"Le 11 ?", "2026-03-11T09:00 d"},
		{"le 31 ça vous va ?", "2026-03-31T09:00 d"},
		{"le 15 du mois prochain", "2026-04-15T09:00 d"},
		{"the 15th of next month", "2026-04-15T09:00 d"},
		{"the 5th of the month", "2026-04-05T09:00 d"},
		{"le 15 mars", "2026-03-15T09:00 d"},
		{"le 15 mars 2027", "2027-03-15T09:00 d"},
		{"le 1er avril", "2026-04-01T09:00 d"},
		{"le premier avril", "2026-04-01T09:00 d"},
		{"le 10 mars", "2027-03-10T09:00 d"},
		{"le 10 mars dernier", "2026-03-10T09:00 d<"},
		{"le 12 février 2026", "2026-02-12T09:00 d<"},
		{"15mars", "2026-03-15T09:00 d"},
		{"15/03", "2026-03-15T09:00 d"},
		{"le 5/4", "2026-04-05T09:00 d"},
		{"15/03/2026", "2026-03-15T09:00 d"},
		{"02/04/26", "2026-04-02T09:00 d"},
		{"15.03.2026", "2026-03-15T09:00 d"},
		{"le 15.04", "2026-04-15T09:00 d"},
		{"15-04-2026", "2026-04-15T09:00 d"},
		{"2026-04-15", "2026-04-15T09:00 d"},
		{"2026-04-15T14:30", "2026-04-15T14:30 t"},
		{"on 3/15/2026", "2026-03-15T09:00 d"},
		{"on 04/13/2026", "2026-04-13T09:00 d"},
		{"by 4/20", "2026-04-20T09:00 d"},
		{"March 15", "2026-03-15T09:00 d"},
		{"March 15th", "2026-03-15T09:00 d"},
		{"Mar 15, 2027", "2027-03-15T09:00 d"},
		{"March the 15th", "2026-03-15T09:00 d"},
		{"15th of March", "2026-03-15T09:00 d"},
		{"the first of April", "2026-04-01T09:00 d"},
		{"15 March, 11:00", "2026-03-15T11:00 t"},
		{"confirming our call on April 22 at 3pm CET", "2026-04-22T15:00 t"},
		{"by May 5", "2026-05-05T09:00 d"},
		{"lunch on the 13th it is", "2026-03-13T09:00 d"},
		{"by the 20th", "2026-03-20T09:00 d"},
		{"on 20th please", "2026-03-20T09:00 d"},
		{"rendez-vous du 2 avril à 9 h 30 dans vos locaux", "2026-04-02T09:30 t"},
		{"rappelez-la le 24 mars après 14 h.", "2026-03-24T14:00 t"},
		{"jusqu’au 14 mars inclus", "2026-03-14T09:00 d"},
		{"jusqu'au 20", "2026-03-20T09:00 d"},
		{"until March 20", "2026-03-20T09:00 d"},
		{"à partir du 20", "2026-03-20T09:00 d"},
		{"from the 20th", "2026-03-20T09:00 d"},
		{"à partir du 30 mars", "2026-03-30T09:00 d"},
		{"pas avant le 15 avril", "2026-04-15T09:00 d"},
		{"la réunion du 12", "2026-03-12T09:00 d"},
		{"depuis le 3 mars", "2026-03-03T09:00 d<"},
		{"since March 3", "2026-03-03T09:00 d<"},
		{"suite à notre échange du 3 mars", "2026-03-03T09:00 d<"},
		{"as discussed on March 3", "2026-03-03T09:00 d<"},
		{"comme convenu le 3 avril", "2026-04-03T09:00 d"},
		{"29 février", "2028-02-29T09:00 d"},
		{"jeudi 17 septembre 2026 10:00 - 10:30", "2026-09-17T10:00 t"},
		{"le 8 avril à 16h au siège", "2026-04-08T16:00 t"},
		{"Vendredi 19 juin me convient, je bloque 15h-16h", "2026-06-19T09:00 d"},
		{"Vendredi 19 juin me convient, à 15h", "2026-06-19T15:00 t"},
	};

	CHECK_ALL(cases, SAID);
}

TEST(ranges)
{
	static const Case cases[] = {
		{"entre le 10 et le 15 avril", "2026-04-10T09:00 d"},
		{"between April 10 and 15", "2026-04-10T09:00 d"},
		{"between the 20th and the 25th", "2026-03-20T09:00 d"},
		{"absent du 3 au 14 avril", "2026-04-03T09:00 d | 2026-04-14T09:00 d"},
		{"du 27 juillet au 16 août", "2026-07-27T09:00 d | 2026-08-16T09:00 d"},
		{"du 3 au 21 août et de retour le 24/08", "2026-08-03T09:00 d | 2026-08-21T09:00 d | 2026-08-24T09:00 d"},
		{"from April 3 to 14", "2026-04-03T09:00 d | 2026-04-14T09:00 d"},
		{"April 10-15", "2026-04-10T09:00 d | 2026-04-15T09:00 d"},
		{"10-15 April", "2026-04-10T09:00 d | 2026-04-15T09:00 d"},
		{"le 10 ou le 11 avril", "2026-04-10T09:00 d | 2026-04-11T09:00 d"},
		{"les 15, 16 et 17 avril", "2026-04-15T09:00 d | 2026-04-16T09:00 d | 2026-04-17T09:00 d"},
		{"le 8, le 9 ou le 10 avril", "2026-04-08T09:00 d | 2026-04-09T09:00 d | 2026-04-10T09:00 d"},
		{"du 9 au 20 mars", "2026-03-09T09:00 d< | 2026-03-20T09:00 d"},
		{"from 2 March to 20 March", "2026-03-02T09:00 d< | 2026-03-20T09:00 d"},
		{"jusqu'au 24 août, de retour le 25", "2026-08-24T09:00 d | 2026-08-25T09:00 d"},
		{"absent jusqu'au 31 août, retour le 1er", "2026-08-31T09:00 d | 2026-09-01T09:00 d"},
		{"from March to May", "2027-03-01T09:00 m | 2026-05-01T09:00 m"},
		{"from 19 December until 5 January", "2026-12-19T09:00 d | 2027-01-05T09:00 d"},
	};

	CHECK_ALL(cases, SAID);
}

TEST(lengths_of_time)
{
	static const Case cases[] = {
		{"dans 2 semaines", "2026-03-25T09:00 d"},
		{"dans trois semaines svp", "2026-04-01T09:00 d"},
		{"dans une semaine", "2026-03-18T09:00 d"},
		{"dans deux mois", "2026-05-11T09:00 d"},
		{"dans six mois", "2026-09-11T09:00 d"},
		{"dans un an", "2027-03-11T09:00 d"},
		{"dans un mois et demi", "2026-04-26T09:00 d"},
		{"dans vingt et un jours", "2026-04-01T09:00 d"},
		{"dans vingt-cinq jours", "2026-04-05T09:00 d"},
		{"dans quatre-vingt-dix jours", "2026-06-09T09:00 d"},
		{"dans sept jours", "2026-03-18T09:00 d"},
		{"dans une quinzaine de jours", "2026-03-26T09:00 d"},
		{"dans une quinzaine", "2026-03-26T09:00 d"},
		{"sous quinzaine", "2026-03-26T09:00 d"},
		{"dans une dizaine de jours", "2026-03-21T09:00 d"},
		{"dans 15j", "2026-03-26T09:00 d"},
		{"dans 3 j", "2026-03-14T09:00 d"},
		{"d'ici 10 jours", "2026-03-21T09:00 d"},
		{"d’ici à trois mois", "2026-06-11T09:00 d"},
		{"dans environ 3 semaines", "2026-04-01T09:00 d"},
		{"dans 2 à 3 semaines", "2026-03-25T09:00 d"},
		{"dans 2-3 semaines", "2026-03-25T09:00 d"},
		{"dans 5 jours ouvrés", "2026-03-18T09:00 d"},
		{"dans 48h", "2026-03-13T10:00 t"},
		{"dans 1h30", "2026-03-11T11:30 t"},
		{"dans 2 heures", "2026-03-11T12:00 t"},
		{"in two weeks", "2026-03-25T09:00 d"},
		{"in 10 days", "2026-03-21T09:00 d"},
		{"in six weeks", "2026-04-22T09:00 d"},
		{"in a week or two", "2026-03-18T09:00 d"},
		{"in two or three weeks", "2026-03-25T09:00 d"},
		{"in a couple of weeks", "2026-03-25T09:00 d"},
		{"in a fortnight", "2026-03-25T09:00 d"},
		{"in a month", "2026-04-11T09:00 d"},
		{"in 6 months", "2026-09-11T09:00 d"},
		{"in two weeks' time", "2026-03-25T09:00 d"},
		{"in one year's time", "2027-03-11T09:00 d"},
		{"in the next two weeks", "2026-03-25T09:00 d"},
		{"within two weeks", "2026-03-25T09:00 d"},
		{"in 3 business days", "2026-03-16T09:00 d"},
		{"in half a year", "2026-09-11T09:00 d"},
		{"in an hour", "2026-03-11T11:00 t"},
		{"in 30 minutes", "2026-03-11T10:30 t"},
		{"two weeks from now", "2026-03-25T09:00 d"},
		{"a week from Friday", "2026-03-20T09:00 d"},
		{"give us two weeks", "2026-03-25T09:00 d"},
		{"laissez-nous trois semaines", "2026-04-01T09:00 d"},
		{"il y a deux semaines", "2026-02-25T09:00 d<"},
		{"il y a 3 jours", "2026-03-08T09:00 d<"},
		{"il y a environ un mois", "2026-02-11T09:00 d<"},
		{"two weeks ago", "2026-02-25T09:00 d<"},
		{"a month ago", "2026-02-11T09:00 d<"},
		{"about 3 days ago", "2026-03-08T09:00 d<"},
	};

	CHECK_ALL(cases, SAID);
}

TEST(weeks)
{
	static const Case cases[] = {
		{"la semaine prochaine", "2026-03-16T09:00 w"},
		{"next week", "2026-03-16T09:00 w"},
		{"la semaine dernière", "2026-03-02T09:00 w<"},
		{"last week", "2026-03-02T09:00 w<"},
		{"the week after next", "2026-03-23T09:00 w"},
		{"dans la semaine du 16 mars", "2026-03-16T09:00 w"},
		{"semaine du 30", "2026-03-30T09:00 w"},
		{"semaine du lundi 23 mars", "2026-03-23T09:00 w"},
		{"week of March 23", "2026-03-23T09:00 w"},
		{"w/c 23 March", "2026-03-23T09:00 w"},
		{"week commencing 23 March", "2026-03-23T09:00 w"},
		{"semaine 14", "2026-03-30T09:00 w"},
		{"week 14", "2026-03-30T09:00 w"},
		{"S14", "2026-03-30T09:00 w"},
		{"en S5", "2027-02-01T09:00 w"},
		{"semaine 53", "2026-12-28T09:00 w"},
		{"fin de semaine", "2026-03-13T09:00 p"},
		{"end of the week", "2026-03-13T09:00 p"},
		{"by EOW", "2026-03-13T09:00 p"},
		{"en fin de semaine prochaine", "2026-03-20T09:00 p"},
		{"end of next week", "2026-03-20T09:00 p"},
		{"early next week", "2026-03-16T09:00 p"},
		{"début de semaine prochaine", "2026-03-16T09:00 p"},
		{"milieu de semaine prochaine", "2026-03-18T09:00 p"},
		{"first week of May", "2026-05-01T09:00 w"},
		{"dernière semaine de mars", "2026-03-25T09:00 w"},
		{"deuxième quinzaine de mai", "2026-05-16T09:00 w"},
	};

	CHECK_ALL(cases, SAID);
}

TEST(months)
{
	static const Case cases[] = {
		{"en septembre", "2026-09-01T09:00 m"},
		{"en mars", "2027-03-01T09:00 m"},
		{"plutôt mai", "2026-05-01T09:00 m"},
		{"courant juin", "2026-06-01T09:00 m"},
		{"janvier prochain", "2027-01-01T09:00 m"},
		{"en mars 2027", "2027-03-01T09:00 m"},
		{"en mars de l'année prochaine", "2027-03-01T09:00 m"},
		{"mars dernier", ""},
		{"en février dernier", "2026-02-01T09:00 m<"},
		{"last February", "2026-02-01T09:00 m<"},
		{"last month", "2026-02-01T09:00 m<"},
		{"le mois dernier", "2026-02-01T09:00 m<"},
		{"le mois prochain", "2026-04-01T09:00 m"},
		{"next month", "2026-04-01T09:00 m"},
		{"in September", "2026-09-01T09:00 m"},
		{"in May", "2026-05-01T09:00 m"},
		{"maybe in may?", "2026-05-01T09:00 m"},
		{"pas avant avril", "2026-04-01T09:00 m"},
		{"not before April", "2026-04-01T09:00 m"},
		{"début avril", "2026-04-06T09:00 p"},
		{"début du mois prochain", "2026-04-06T09:00 p"},
		{"fin du mois", "2026-03-27T09:00 p"},
		{"end of the month", "2026-03-27T09:00 p"},
		{"à la fin du mois de juin", "2026-06-27T09:00 p"},
		{"mi-avril", "2026-04-15T09:00 p"},
		{"jusqu'à mi-avril puis appelez-nous", "2026-04-15T09:00 p"},
		{"mid-April", "2026-04-15T09:00 p"},
		{"early June", "2026-06-06T09:00 p"},
		{"late June", "2026-06-27T09:00 p"},
		{"late May", "2026-05-27T09:00 p"},
		{"early in April", "2026-04-06T09:00 p"},
		{"at the start of April", "2026-04-06T09:00 p"},
		{"the end of May", "2026-05-27T09:00 p"},
		{"fin mars", "2026-03-27T09:00 p"},
		{"début mars", "2027-03-06T09:00 p"},
		{"d'ici fin mars", "2026-03-27T09:00 p"},
		{"d'ici la fin du mois", "2026-03-27T09:00 p"},
		{"fin sept.", "2026-09-27T09:00 p"},
		{"fin janvier 2027", "2027-01-27T09:00 p"},
		{"mid to late June", "2026-06-15T09:00 p"},
		{"Le budget sera validé fin janvier. Écrivez-moi début février.", "2027-01-27T09:00 p | 2027-02-06T09:00 p"},
		{"2026-06", "2026-06-01T09:00 m"},
	};

	CHECK_ALL(cases, SAID);
}

TEST(quarters_seasons_years)
{
	static const Case cases[] = {
		{"Repassez au T2", "2026-04-01T09:00 q"},
		{"Not before Q3, sorry.", "2026-07-01T09:00 q"},
		{"T1", "2027-01-01T09:00 q"},
		{"fin du T2", "2026-06-27T09:00 q"},
		{"end of Q2", "2026-06-27T09:00 q"},
		{"début Q3", "2026-07-06T09:00 q"},
		{"mid-Q3", "2026-08-15T09:00 q"},
		{"Q1 2027", "2027-01-01T09:00 q"},
		{"le premier trimestre", "2027-01-01T09:00 q"},
		{"Pas avant le troisième trimestre", "2026-07-01T09:00 q"},
		{"au 2e trimestre", "2026-04-01T09:00 q"},
		{"second quarter of 2027", "2027-04-01T09:00 q"},
		{"dernier trimestre 2026", "2026-10-01T09:00 q"},
		{"le trimestre prochain", "2026-04-01T09:00 q"},
		{"next quarter", "2026-04-01T09:00 q"},
		{"last quarter", "2025-10-01T09:00 q<"},
		{"end of the quarter", "2026-03-27T09:00 q"},
		{"la fin du trimestre", "2026-03-27T09:00 q"},
		{"au second semestre", "2026-07-01T09:00 q"},
		{"H2", "2026-07-01T09:00 q"},
		{"au S2", "2026-07-01T09:00 q"},
		{"in the second half of the year", "2026-07-01T09:00 q"},
		{"l'année prochaine", "2027-01-01T09:00 q"},
		{"l'an prochain", "2027-01-01T09:00 q"},
		{"next year", "2027-01-01T09:00 q"},
		{"last year", "2025-01-01T09:00 q<"},
		{"l'an dernier", "2025-01-01T09:00 q<"},
		{"en 2027", "2027-01-01T09:00 q"},
		{"début 2027", "2027-01-06T09:00 q"},
		{"fin 2026", "2026-12-27T09:00 q"},
		{"fin d'année", "2026-12-27T09:00 q"},
		{"by the end of the year", "2026-12-27T09:00 q"},
		{"EOY", "2026-12-27T09:00 q"},
		{"début d'année prochaine", "2027-01-06T09:00 q"},
		{"en début d'année", "2027-01-06T09:00 q"},
		{"early next year", "2027-01-06T09:00 q"},
		{"in the new year", "2027-01-01T09:00 q"},
		{"au printemps", "2026-04-01T09:00 q"},
		{"cet été", "2026-07-01T09:00 q"},
		{"this summer", "2026-07-01T09:00 q"},
		{"in the fall", "2026-10-01T09:00 q"},
		{"à l'automne", "2026-10-01T09:00 q"},
		{"cet hiver, non", ""},
		{"l'hiver prochain", "2027-01-01T09:00 q"},
		{"next spring", "2026-04-01T09:00 q"},
		{"last summer", "2025-07-01T09:00 q<"},
		{"l'été 2027", "2027-07-01T09:00 q"},
		{"à la rentrée", "2026-09-01T09:00 m"},
		{"à la rentrée de septembre, une fois", "2026-09-01T09:00 m"},
		{"après l'été", "2026-09-01T09:00 q+"},
		{"après les vacances d'été", "2026-09-01T09:00 d+"},
		{"after the summer holidays", "2026-09-01T09:00 d+"},
		{"after the summer", "2026-09-01T09:00 q+"},
		{"après les fêtes", "2027-01-06T09:00 d+"},
		{"after the holidays", "2027-01-06T09:00 d+"},
		{"à Noël", "2026-12-25T09:00 d"},
		{"before Christmas", "2026-12-25T09:00 d"},
		{"après Pâques", "2026-04-06T09:00 d+"},
		{"at Easter", "2026-04-05T09:00 d"},
		{"Easter 2027", "2027-03-28T09:00 d"},
		{"after Thanksgiving", "2026-11-27T09:00 d+"},
		{"au nouvel an", "2027-01-01T09:00 q"},
	};

	CHECK_ALL(cases, SAID);
}

TEST(the_day_after)
{
	static const Case cases[] = {
		{"après le 15 mars", "2026-03-16T09:00 d+"},
		{"after March 15", "2026-03-16T09:00 d+"},
		{"contact me again after 20 May, when", "2026-05-21T09:00 d+"},
		{"après le meeting du 15 mars", "2026-03-16T09:00 d+"},
		{"après le meeting du 15 mars à 14h", "2026-03-16T09:00 d+"},
		{"après notre comité de direction du 15 mars", "2026-03-16T09:00 d+"},
		{"après la réunion de jeudi", "2026-03-13T09:00 d+"},
		{"après la démo du 20", "2026-03-21T09:00 d+"},
		{"after the meeting on March 15", "2026-03-16T09:00 d+"},
		{"after our call on Tuesday", "2026-03-18T09:00 d+"},
		{"after the March 15 meeting", "2026-03-16T09:00 d+"},
		{"after the board meeting on the 20th", "2026-03-21T09:00 d+"},
		{"après lundi", "2026-03-17T09:00 d+"},
		{"après avril", "2026-05-01T09:00 m+"},
		{"après mi-avril", "2026-04-16T09:00 p+"},
		{"après la fin du mois", "2026-04-01T09:00 p+"},
		{"after Q2", "2026-07-01T09:00 q+"},
		{"après la semaine prochaine", "2026-03-23T09:00 w+"},
		{"après la démo je serai disponible le 15 avril", "2026-04-15T09:00 d"},
		{"après en avoir parlé, je reviens lundi", "2026-03-16T09:00 d"},
		{"mardi après 14h", "2026-03-17T14:00 t"},
	};

	CHECK_ALL(cases, SAID);
}

/* What looks like a date and is none. */
TEST(look_alikes)
{
	static const char *const texts[] = {
		"Appelez-moi au 06 12 34 56 78", "+33 1 55 00 00 12", "au 01 42 68 53 00 merci", "555-0123",
		"14 400 €", "un budget de 14 400 EUR", "$300 per seat", "300 € par mois", "15 k€",
		"disponible 24/7", "support 24h/24", "50/50", "une note de 8/10", "3/4 des utilisateurs", "un ratio de 16/9", "10/10",
		"module 4", "version 2.3.1", "la v15.03", "Windows 11", "l'étape 3", "article 12 du contrat", "page 15",
		"15 % de remise", "le 15% annoncé", "il reste 12 licences", "nous sommes 25 personnes", "le 15 rue Victor Hugo",
		"12 avenue de la République", "le 3 pièces", "au 3e étage", "le 2e rendez-vous", "the 3rd option", "the 1st floor",
		"the 2nd time", "la 1ère fois",
		"you may call me", "it may be", "we may not need it", "May I ask", "maybe", "march on", "we march together",
		"the sun is out", "we sat down", "mon équipe", "mon 3e mail", "un second avis", "wait a second", "en second lieu",
		"la planète Mars", "fin de contrat", "mettre fin au pilote", "début de réflexion", "at the end of the day it is fine",
		"j'ai été absent", "nous avons été surpris", "l'offre a été revue", "sales fall sharply", "spring a surprise", "OFFRE DE PRINTEMPS : -20 %", "soldes d'été", "our summer catalogue",
		"quelques semaines", "dans quelques semaines", "in a few weeks", "several weeks", "dans plusieurs mois",
		"ouvert du lundi au vendredi de 9h à 18h", "open Monday to Friday", "Mon-Fri 9-5", "I may 5 times",
		"tous les lundis", "chaque lundi", "every Monday", "je ne travaille pas le lundi", "on Mondays",
		"toutes les deux semaines", "every two weeks", "3 semaines de congés", "un pilote de 2 semaines", "a 2-week pilot",
		"il y a 200 personnes", "il y a un problème", "14h", "à 14h30", "open 9am-5pm", "2 heures de formation",
		"cette semaine", "this week", "ce mois-ci", "this month", "not this month", "cette année", "in 2026",
		"Happy new year!", "Happy Easter", "Joyeux Noël", "Merry Christmas", "je suis rentrée hiérarchiquement",
		"Thanks April, great work", "Hi June", "le 30 février", "31 avril", "45 mars", "le 32", "0 mars",
		"2026-02-30", "31/04/2026", "2026-13-01", "Q5", "T0", "S54", "S0", "H3", "R2D2", "B2B",
		"jan@example.com", "https://example.com/2026/03/15/post", "may@acme.example", "", " ", "...", "?!",
		"de 10 à 15 licences", "entre 10 et 15 utilisateurs", "les 3 prochaines versions", "the next 3 steps",
		"week end", "sept personnes", "n° 2023-118", "code 20260311", "RFC 2822", "1 200 mars",
		"the first quarterback", "second half was better", "à un moment", "dans un premier temps", "en un mot",
		"dans l'heure", "sous réserve", "d'ici là", "in time", "prochainement",
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(texts); i++)
	{
		const char *is = found_in(arena, texts[i], SAID, "Europe/Paris");

		CHECK(strcmp(is, "") == 0, "\"%s\" is \"%s\"", texts[i], is);
	}
	kam_arena_free(arena);
}

TEST(look_alikes_beside_dates)
{
	static const Case cases[] = {
		{"Nous sommes 15 en mars 2027", "2027-03-01T09:00 m"},
		{"14 400 € à payer le 15 mars", "2026-03-15T09:00 d"},
		{"a 30 min call on Tuesday", "2026-03-17T09:00 d"},
		{"un point de 30 min mardi", "2026-03-17T09:00 d"},
		{"2h de démo jeudi", "2026-03-12T09:00 d"},
		{"au 06 12 34 56 78 mardi", "2026-03-17T09:00 d"},
		{"S14 ou S15", "2026-03-30T09:00 w | 2026-04-06T09:00 w"},
		{"the module 4 training on 4 May", "2026-05-04T09:00 d"},
		{"Pricing for 30 seats by June", "2026-06-01T09:00 m"},
	};

	CHECK_ALL(cases, SAID);
}

/* Local 09:00 on both sides of a change of the hour; the zone of the contact. */
TEST(zones_and_changes_of_the_hour)
{
	static const struct
	{
		const char *zone,
				   *said,
				   *text,
				   *expected;
	}			cases[] = {
		{"Europe/Paris", "2026-03-28T10:00:00", "demain", "2026-03-29T09:00:00+02:00"},
		{"Europe/Paris", "2026-03-28T10:00:00", "demain à 2h30", "2026-03-29T03:30:00+02:00"},
		{"Europe/Paris", "2026-03-15T10:00:00", "dans 2 semaines", "2026-03-29T09:00:00+02:00"},
		{"Europe/Paris", "2026-03-28T20:00:00", "dans 24 heures", "2026-03-29T21:00:00+02:00"},
		{"Europe/Paris", "2026-10-24T10:00:00", "demain", "2026-10-25T09:00:00+01:00"},
		{"Europe/Paris", "2026-10-24T10:00:00", "demain à 2h30", "2026-10-25T02:30:00+02:00"},
		{"Europe/Paris", "2026-03-10T23:30:00Z", "demain", "2026-03-12T09:00:00+01:00"},
		{"America/New_York", "2026-03-07T10:00:00", "tomorrow at 2:30am", "2026-03-08T03:30:00-04:00"},
		{"America/New_York", "2026-10-31T10:00:00", "tomorrow", "2026-11-01T09:00:00-05:00"},
		{"America/New_York", "2026-03-11T02:00:00Z", "tomorrow", "2026-03-11T09:00:00-04:00"},
		{"Asia/Kolkata", "2026-03-11T10:00:00", "next Monday", "2026-03-16T09:00:00+05:30"},
		{"Asia/Kolkata", "2026-03-11T19:00:00Z", "tomorrow", "2026-03-13T09:00:00+05:30"},
		{"Australia/Lord_Howe", "2026-10-03T10:00:00", "tomorrow at 2:15am", "2026-10-04T02:45:00+11:00"},
		{"Australia/Lord_Howe", "2026-04-03T10:00:00", "in 2 days", "2026-04-05T09:00:00+10:30"},
		{"Pacific/Apia", "2011-12-29T10:00:00", "tomorrow", "2011-12-31T09:00:00+14:00"},
		{"Pacific/Apia", "2026-03-11T10:00:00", "in two weeks", "2026-03-25T09:00:00+13:00"},
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		KamZone		zone = zone_of(cases[i].zone);
		KamTime		at = 0;

		CHECK(kam_when_parse(arena, cases[i].text, time_of(cases[i].said, &zone), &zone, &at), "%s", cases[i].text);
		CHECK(strcmp(kam_time_format(arena, &zone, at), cases[i].expected) == 0, "%s %s: %s, not %s", cases[i].zone,
			  cases[i].text, kam_time_format(arena, &zone, at), cases[i].expected);
	}
	kam_arena_free(arena);
}

TEST(ends_of_months_and_years)
{
	static const struct
	{
		const char *said,
				   *text,
				   *expected;
	}			cases[] = {
		{"2026-12-31T10:00:00", "demain", "2027-01-01T09:00 d"},
		{"2026-12-31T10:00:00", "next week", "2027-01-04T09:00 w"},
		{"2026-12-31T10:00:00", "dans un mois", "2027-01-31T09:00 d"},
		{"2026-12-31T10:00:00", "dans deux mois", "2027-02-28T09:00 d"},
		{"2027-12-31T10:00:00", "dans deux mois", "2028-02-29T09:00 d"},
		{"2028-02-29T10:00:00", "dans un an", "2029-02-28T09:00 d"},
		{"2026-01-31T10:00:00", "il y a deux mois", "2025-11-30T09:00 d<"},
		{"2026-01-31T10:00:00", "le 30", "2026-03-30T09:00 d"},
		{"2026-12-28T10:00:00", "fin du mois", "2027-01-27T09:00 p"},
		{"2026-12-28T10:00:00", "from 20 December to 4 January", "2026-12-20T09:00 d< | 2027-01-04T09:00 d"},
		{"2026-12-18T10:00:00", "T1", "2027-01-01T09:00 q"},
		{"2026-12-18T10:00:00", "le mois prochain", "2027-01-01T09:00 m"},
		{"2026-01-05T10:00:00", "last month", "2025-12-01T09:00 m<"},
		{"2026-01-05T10:00:00", "last week", "2025-12-29T09:00 w<"},
		{"2026-12-29T10:00:00", "S1", "2027-01-01T09:00 q"},
		{"2026-12-29T10:00:00", "semaine 1", "2027-01-04T09:00 w"},
		{"2026-03-09T10:00:00", "lundi", "2026-03-16T09:00 d"},
		{"2026-03-09T10:00:00", "ce lundi", "2026-03-09T09:00 d"},
		{"2026-03-09T10:00:00", "lundi dernier", "2026-03-02T09:00 d<"},
		{"2026-03-14T10:00:00", "fin de semaine", "2026-03-20T09:00 p"},
		{"2026-03-15T23:00:00", "le 15 mars", "2026-03-15T09:00 d"},
		{"2026-07-15T10:00:00", "après l'été", "2026-09-01T09:00 q+"},
		{"2026-12-19T10:00:00", "après les vacances", "2027-01-06T09:00 d+"},
		{"2026-06-19T10:00:00", "après les vacances", "2026-09-01T09:00 d+"},
		{"2026-10-02T10:00:00", "après les vacances", ""},
		{"2026-04-13T10:00:00", "Attendons la fin du trimestre", "2026-06-27T09:00 q"},
		{"2026-05-12T10:00:00", "at the end of the quarter", "2026-06-27T09:00 q"},
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		const char *is = found_in(arena, cases[i].text, cases[i].said, "Europe/Paris");

		CHECK(strcmp(is, cases[i].expected) == 0, "\"%s\" said %s: %s, not %s", cases[i].text, cases[i].said, is,
			  cases[i].expected);
	}
	kam_arena_free(arena);
}

/* On every day of some years a yearly reference lies within a year from then, on its day of the month. */
TEST(next_occurrences_lie_ahead)
{
	static const struct
	{
		const char *text;
		int			day;
	}			cases[] = {
		{"début mars", 6}, {"mi-octobre", 15}, {"fin février", 27}, {"end of December", 27}, {"le 14 juillet", 14},
		{"in September", 1}, {"fin du T3", 27}, {"Q1", 1}, {"au printemps", 1}, {"le 31 janvier", 31},
	};
	KamZone		paris = zone_of("Europe/Paris");
	KamTime		start = time_of("2026-12-20T12:00:00", &paris);

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
		for (int day = 0; day < 500; day += 1)
		{
			KamArena   *arena = kam_arena_new();
			KamTime		said = start + day * KAM_DAY;
			KamTime		at = 0;
			bool		found = kam_when_parse(arena, cases[i].text, said, &paris, &at);
			int64_t		ahead = kam_local_day(&paris, at) - kam_local_day(&paris, said);
			KamCivil	civil = kam_civil_at(&paris, at);

			if (!found || ahead < 0 || ahead > 366 || civil.day != cases[i].day || civil.hour != 9 || civil.minute != 0)
				CHECK(false, "\"%s\" said %s: %s", cases[i].text, kam_time_format(arena, &paris, said),
					  kam_time_format(arena, &paris, at));
			kam_arena_free(arena);
		}
	CHECK(true);
}

TEST(easter_sundays)
{
	static const char *const sundays[] = {"2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2028-04-16", "2029-04-01",
	"2030-04-21", "2038-04-25", "2285-03-22"};
	KamZone		paris = zone_of("Europe/Paris");
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(sundays); i++)
	{
		char		moment[32];
		KamTime		at = 0;

		snprintf(moment, sizeof moment, "%.4s-01-02T10:00:00", sundays[i]);
		CHECK(kam_when_parse(arena, "à Pâques", time_of(moment, &paris), &paris, &at));
		CHECK_STR(kam_date_format(arena, &paris, at), sundays[i]);
	}
	kam_arena_free(arena);
}

TEST(short_expressions)
{
	static const struct
	{
		const char *text,
				   *expected;	/* "-": none */
	}			cases[] = {
		{"2026-04-15", "2026-04-15T09:00:00+02:00"},
		{"2026-04-15T14:00:00Z", "2026-04-15T16:00:00+02:00"},
		{"mars", "2027-03-01T09:00:00+01:00"},
		{"May", "2026-05-01T09:00:00+02:00"},
		{"le lundi", "2026-03-16T09:00:00+01:00"},
		{"", "-"}, {"bientôt", "-"}, {"15", "-"}, {"ASAP", "-"}, {"quelques semaines", "-"}, {"le mars bar est bon ici", "-"},
	};
	KamZone		paris = zone_of("Europe/Paris");
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		KamTime		at = 42;
		bool		found = kam_when_parse(arena, cases[i].text, time_of(SAID, &paris), &paris, &at);

		CHECK_STR(found ? kam_time_format(arena, &paris, at) : "-", cases[i].expected);
		CHECK(found || at == 42);
	}
	kam_arena_free(arena);
}

/* The tokens of a reference are the words that say it. */
TEST(token_ranges)
{
	static const struct
	{
		const char *text,
				   *words;
	}			cases[] = {
		{"Je vous rappelle dans deux semaines sans faute", "dans deux semaines"},
		{"On en parle mardi 17 mars à 14h30 au siège", "mardi 17 mars à 14h30"},
		{"nous nous sommes vus il y a trois jours chez vous", "il y a trois jours"},
		{"Back after the meeting on March 15 then", "after the meeting on March 15"},
		{"Rien d'ici 10 jours donc", "ici 10 jours"},
		{"Let's say early next week then", "early next week"},
	};
	KamZone		paris = zone_of("Europe/Paris");
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		KamTokens	tokens = kam_tokenize(arena, cases[i].text, strlen(cases[i].text));
		KamWhen    *when;

		CHECK_INT(kam_when_find(arena, &tokens, time_of(SAID, &paris), &paris, &when), 1);
		if (when != NULL)
		{
			uint32_t	start = tokens.token[when[0].first].start;
			uint32_t	end = tokens.token[when[0].last].end;
			char	   *words = kam_strndup(arena, cases[i].text + start, end - start);

			CHECK(strstr(words, cases[i].words) != NULL && strlen(words) <= strlen(cases[i].words) + 2, "\"%s\", not \"%s\"",
				  words, cases[i].words);
		}
	}
	kam_arena_free(arena);
}

/* Neither an hour nor a list reaches over the end of a sentence. */
TEST(sentences_stand_alone)
{
	static const Case cases[] = {
		{"Je pars mardi. À 14h je mange.", "2026-03-17T09:00 d"},
		{"Nous étions 10.\n\nAvril convient.", "2026-04-01T09:00 m"},
		{"Call after.\n\nMonday is fine.", "2026-03-16T09:00 d"},
		{"Dans 2. Semaines de test.", ""},
	};

	CHECK_ALL(cases, SAID);
}

static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Nothing crashes, whatever the words; results stay in order and in range. */
TEST(random_texts)
{
	static const char *const pieces[] = {
		"le", "15", "mars", "après", "la", "réunion", "du", "mardi", "14h30", "-", ",", ".", "\n\n", "in", "two", "weeks",
		"ago", "next", "last", "this", "Monday", "the", "3rd", "of", "may", "31", "février", "2026", "99999", "999", "T2",
		"S53", "fin", "mi", "à", "et", "entre", "between", "and", "10/03/2026", "24/7", "2026-02-30", "d'ici", "il y a",
		"quatre", "vingt", "dix", "jours", "ouvrés", "weekend", "week", "half", "Q3", "été", "Pâques", "new", "year", "\xff",
		"\xc3", "€", "%", "a", "an", "hour", "on", "from", "now", "suite à", "depuis", "en huit", "apr\xc3\xa8s-midi", "31",
		"premier", "dernier", "trimestre", "quinzaine", "couple", "0", "1", "53", "pm", "3", "mon", "w/c", "rentrée", "EOD",
	};
	static const char *const moments[] = {"2026-03-11T10:00:00", "0001-01-02T00:00:00", "9999-12-30T10:00:00",
	"2028-02-29T23:59:59"};
	KamZone		paris = zone_of("Europe/Paris");
	uint32_t	state = 20260311;
	int			references = 0;

	for (int round = 0; round < 20000; round++)
	{
		KamArena   *arena = kam_arena_new();
		char		text[512];
		size_t		length = 0;
		KamTokens	tokens;
		KamWhen    *when;
		int			count;

		if (round % 4 == 0)
			for (length = 0; length < next_random(&state) % 200; length++)
				text[length] = (char) next_random(&state);
		else
			for (unsigned k = next_random(&state) % 30; k > 0; k--)
			{
				const char *piece = pieces[next_random(&state) % KAM_LENGTHOF(pieces)];
				size_t		n = strlen(piece);

				memcpy(text + length, piece, n);
				length += n;
				if (next_random(&state) % 8 > 0)
					text[length++] = ' ';
			}
		/* a copy of the exact size, so that reading behind it shows */
		tokens = kam_tokenize(arena, memcpy(malloc(length + (length == 0)), text, length), length);
		count = kam_when_find(arena, &tokens, time_of(moments[(unsigned) round / 5 % 4], &paris), &paris, &when);
		references += count;
		for (int i = 0; i < count; i++)
			if (when[i].first < 0 || when[i].first > when[i].last || when[i].last >= tokens.count ||
				(i > 0 && when[i].first <= when[i - 1].last))
				CHECK(false, "tokens of reference %d in \"%.*s\"", i, (int) length, text);
		free((void *) tokens.source);
		kam_arena_free(arena);
	}
	CHECK(references > 10000, "%d", references);
}

/* Long texts of words that open references are read in linear time and without deep recursion. */
TEST(long_chains)
{
	static const char *const words[] = {"après ", "14h de ", "entre ", "entre le ", "fin de ", "le 10 et ", "après le 3 de ",
	"deux ", "mardi ", "après la réunion du ", "1 2 ", "dans "};
	KamZone		paris = zone_of("Europe/Paris");

	for (size_t w = 0; w < KAM_LENGTHOF(words); w++)
	{
		KamArena   *arena = kam_arena_new();
		size_t		n = strlen(words[w]),
					repeats = 200000 / n;
		char	   *text = kam_alloc(arena, n * repeats + 1);
		KamTokens	tokens;
		KamWhen    *when;

		for (size_t i = 0; i < repeats; i++)
			memcpy(text + i * n, words[w], n);
		tokens = kam_tokenize(arena, text, n * repeats);
		CHECK(kam_when_find(arena, &tokens, time_of(SAID, &paris), &paris, &when) >= 0);
		kam_arena_free(arena);
	}
}

RUN_TESTS()
