/*
 * test/unit/test_score.c: base, factors within the spec's ranges, floors, and
 * a sum that adds up.
 */
#include "contacts.h"

#define AS_OF "2026-03-11T10:00:00+01:00"
#define INFO "'contact_info': {'full_name': 'Ada King', 'email': 'ada@mill.example', 'owner': 'Julie Moreau'}"
#define MAIL(direction, at, body) \
	"{'activity_type': 'email', 'direction': '" direction "', 'recorded_on': '" at "', 'metadata': {'body': '" body "'}}"
#define HELD(at) "{'activity_type': 'meeting', 'recorded_on': '" at "', 'metadata': {'start_time': '" at "', 'status': 'held'}}"
#define DEAL "{'deal_id': 'd', 'name': 'Mill', 'status': 'OPEN', 'created_on': '2026-02-20'}"
#define PRICE MAIL("outbound", "2026-03-03T10:00:00+01:00", "Our offer for the mill is 14,400 EUR a year, all sensors included.")
#define LIKED MAIL("inbound", "2026-03-04T10:00:00+01:00", "The demo you gave us last week was great, the whole team loved it.")

static void
check_sum(const TestRun *t)
{
	const KamScore *score = &t->run.score;
	int			sum = score->base;

	for (int i = 0; i < score->nfactors; i++)
	{
		sum += score->factor[i].impact;
		CHECK(score->factor[i].evidence && *score->factor[i].evidence, "%s has evidence", score->factor[i].name);
		CHECK(score->factor[i].impact != 0, "%s has an impact", score->factor[i].name);
	}
	CHECK_INT(sum, score->total);
	CHECK(score->total >= 0 && score->total <= 100, "%d", score->total);
}

static const KamFactor *
factor(const TestRun *t, const char *name)
{
	for (int i = 0; i < t->run.score.nfactors; i++)
		if (strcmp(t->run.score.factor[i].name, name) == 0)
			return &t->run.score.factor[i];
	return NULL;
}

TEST(base_follows_the_stage)
{
	static const struct
	{
		const char *json,
				   *stage;
		int			base;
	}			rows[] = {
		{"{" INFO ", 'activities': []}", "cold", 20},
		{"{" INFO ", 'activities': [" MAIL("inbound", "2026-03-01T10:00:00+01:00", "Thank you.") "]}", "aware", 30},
		{"{" INFO ", 'activities': [" HELD("2026-03-01T10:00:00+01:00") "]}", "engaged", 50},
		{"{" INFO ", 'activities': [" HELD("2026-03-01T10:00:00+01:00") "], 'deals': [" DEAL "]}", "qualified", 70},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		TestRun    *t = open_run(rows[i].json, AS_OF);

		CHECK_STR(kam_stage_name(t->run.score.stage), rows[i].stage);
		CHECK_INT(t->run.score.base, rows[i].base);
		check_sum(t);
		close_run(t);
	}
}

TEST(floors_hold)
{
	static const struct
	{
		const char *json;
		int			floor;
	}			rows[] = {
		{"{" INFO ", 'activities': [" HELD("2026-02-10T10:00:00+01:00") "]}", 50},
		{"{" INFO ", 'activities': [" PRICE "], 'deals': [" DEAL "]}", 60},
		{"{" INFO ", 'activities': [" LIKED "]}", 65},
		{"{" INFO ", 'activities': [" HELD("2026-03-01T10:00:00+01:00") "," PRICE ","
		 MAIL("inbound", "2026-03-05T10:00:00+01:00", "Let us decide on May 12th, I will call you that day.") "]}", 75},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		TestRun    *t = open_run(rows[i].json, AS_OF);
		const char *name;

		CHECK_INT(kam_score_floor(&t->env, &t->run.facts, &name), rows[i].floor);
		CHECK(t->run.score.total >= rows[i].floor, "%d < %d", t->run.score.total, rows[i].floor);
		check_sum(t);
		close_run(t);
	}
}

TEST(a_floor_that_lifts_is_a_factor)
{
	TestRun    *t = open_run("{" INFO ", 'activities': ["
							 MAIL("outbound", "2026-01-05T10:00:00+01:00", "The yearly licence costs 14,400 EUR.") ","
							 MAIL("outbound", "2026-01-12T10:00:00+01:00", "Any news?") ","
							 MAIL("outbound", "2026-01-19T10:00:00+01:00", "Any news?") ","
							 MAIL("outbound", "2026-01-26T10:00:00+01:00", "Any news?")
							 "], 'deals': [{'deal_id': 'd', 'status': 'OPEN', 'created_on': '2025-01-01'}]}", AS_OF);

	CHECK(t->run.facts.pricing != NULL);
	CHECK(t->run.score.total >= 60);
	CHECK(factor(t, "emails_ignored") != NULL);
	check_sum(t);
	close_run(t);
}

TEST(impacts_stay_in_the_ranges_of_the_spec)
{
	static const struct
	{
		const char *name;
		int			low,
					high;
	}			ranges[] = {
		{"recent_meeting", 25, 40}, {"demo_discussed", 20, 30}, {"pricing_discussed", 20, 30}, {"demo_and_pricing_discussed", 20, 30},
		{"inbound_interest", 10, 20}, {"positive_response", 5, 15}, {"timeline_alignment", 5, 10},
		{"emails_ignored", -15, -10}, {"budget_constraint", -10, -5}, {"competition_preferred", -15, -10}, {"ghosting", -10, -5},
	};
	TestRun    *t = open_run("{" INFO ", 'activities': [" HELD("2026-03-01T10:00:00+01:00") "," PRICE "," LIKED ","
							 MAIL("inbound", "2026-03-05T10:00:00+01:00", "We have no budget this year and prefer Salesforce, but could you send me the data sheet?") "], 'deals': [" DEAL "]}", AS_OF);
	int			known = 0;

	for (int i = 0; i < t->run.score.nfactors; i++)
		for (size_t r = 0; r < KAM_LENGTHOF(ranges); r++)
			if (strcmp(t->run.score.factor[i].name, ranges[r].name) == 0)
			{
				int			impact = t->run.score.factor[i].impact;

				known++;
				CHECK(impact >= ranges[r].low && impact <= ranges[r].high, "%s %d", ranges[r].name, impact);
			}
	CHECK(known >= 4, "%d known factors", known);
	check_sum(t);
	close_run(t);
}

RUN_TESTS()
