/*
 * test/unit/test_timing.c: send windows, urgency and office hours.
 */
#include "contacts.h"

#define INFO "'contact_info': {'full_name': 'Ada King', 'email': 'ada@mill.example', 'owner': 'Julie Moreau', 'timezone': '%s'}"

static char *
contact_in(const char *zone, const char *activities)
{
	static char text[8192];
	int			n = snprintf(text, sizeof text, "{" INFO ", 'activities': [", zone);

	snprintf(text + n, sizeof text - (size_t) n, "%s]}", activities);
	return text;
}

#define IN(at) "{'activity_type': 'email', 'direction': 'inbound', 'recorded_on': '" at "', 'metadata': {'body': 'Thanks, noted.'}}"

TEST(office_time_moves_forward_only_and_into_office_hours)
{
	static const struct
	{
		const char *zone,
				   *at,
				   *expected;
	}			rows[] = {
		{"Europe/Paris", "2026-03-11T10:00:00+01:00", "2026-03-11T10:00:00+01:00"},
		{"Europe/Paris", "2026-03-11T08:59:59+01:00", "2026-03-11T09:00:00+01:00"},
		{"Europe/Paris", "2026-03-11T18:00:00+01:00", "2026-03-12T09:00:00+01:00"},
		{"Europe/Paris", "2026-03-13T19:00:00+01:00", "2026-03-16T09:00:00+01:00"},
		{"Europe/Paris", "2026-03-14T03:00:00+01:00", "2026-03-16T09:00:00+01:00"},
		{"Europe/Paris", "2026-03-15T12:00:00+01:00", "2026-03-16T09:00:00+01:00"},
		/* over the change to summer time */
		{"Europe/Paris", "2026-03-28T12:00:00+01:00", "2026-03-30T09:00:00+02:00"},
		{"America/New_York", "2026-03-11T10:00:00+01:00", "2026-03-11T09:00:00-04:00"},
		{"Asia/Kolkata", "2026-03-11T14:00:00+01:00", "2026-03-12T09:00:00+05:30"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		KamEnv		env = test_env(rows[i].at);
		KamZone		zone;

		CHECK(kam_zone_find(&test_zones, rows[i].zone, &zone), "%s", rows[i].zone);
		CHECK_STR(kam_time_format(env.arena, &zone, kam_office_time(&zone, env.as_of)), rows[i].expected);
		kam_arena_free(env.arena);
	}
}

TEST(window_is_learnt_from_three_answers)
{
	TestRun    *t = open_run(contact_in("Europe/Paris",
										IN("2026-02-03T14:10:00+01:00") "," IN("2026-02-10T14:40:00+01:00") ","
										IN("2026-02-17T15:20:00+01:00") "," IN("2026-02-22T23:00:00+01:00")), "2026-03-11T10:00:00+01:00");
	KamWindow	window;

	kam_send_window(&t->env, &t->run.contact, &t->run.facts, &window);
	CHECK(window.learnt);
	CHECK(window.day[1] && !window.day[0] && !window.day[2] && !window.day[6]);
	CHECK_INT(window.start, 13 * 60 + 30);
	CHECK_INT(window.end, 15 * 60 + 30);
	close_run(t);
}

TEST(two_answers_are_no_habit)
{
	TestRun    *t = open_run(contact_in("Europe/Paris", IN("2026-02-03T14:10:00+01:00") "," IN("2026-02-10T14:40:00+01:00")),
							 "2026-03-11T10:00:00+01:00");
	KamWindow	window;

	kam_send_window(&t->env, &t->run.contact, &t->run.facts, &window);
	CHECK(!window.learnt);
	CHECK_INT(window.answers, 2);
	close_run(t);
}

TEST(high_urgency_goes_out_today)
{
	TestRun    *t = open_run(contact_in("Europe/Paris",
										"{'activity_type': 'email', 'direction': 'inbound', 'recorded_on': '2026-03-10T16:00:00+01:00', 'metadata': {'body': 'Could you send me the data sheet?'}}"),
							 "2026-03-11T10:02:00+01:00");
	KamWindow	window;
	KamUrgency	urgency = kam_urgency(&t->env, &t->run.contact, &t->run.facts, &t->run.plan);

	kam_send_window(&t->env, &t->run.contact, &t->run.facts, &window);
	CHECK_STR(kam_urgency_name(urgency), "high");
	CHECK_STR(kam_time_format(t->env.arena, &t->run.contact.zone,
							  kam_execute_at(&t->env, &t->run.contact, &t->run.facts, &t->run.plan, urgency, &window)),
			  "2026-03-11T10:05:00+01:00");
	close_run(t);
}

TEST(every_moment_gives_an_office_time_ahead)
{
	static const KamUrgency urgencies[] = {KAM_URGENCY_LOW, KAM_URGENCY_MEDIUM, KAM_URGENCY_HIGH};
	TestRun    *t = open_run(contact_in("Australia/Lord_Howe", ""), "2026-03-01T00:00:00Z");
	KamWindow	window;

	kam_send_window(&t->env, &t->run.contact, &t->run.facts, &window);
	for (int hours = 0; hours < 24 * 60; hours++)
		for (size_t u = 0; u < KAM_LENGTHOF(urgencies); u++)
		{
			KamEnv		env = t->env;
			KamTime		at;
			KamCivil	local;

			env.as_of = t->env.as_of + hours * KAM_HOUR + 17 * KAM_MINUTE;
			at = kam_execute_at(&env, &t->run.contact, &t->run.facts, &t->run.plan, urgencies[u], &window);
			local = kam_civil_at(&t->run.contact.zone, at);
			CHECK(at >= env.as_of && local.weekday < 5 && local.hour >= 9 && local.hour < 18, "hour %d: %s", hours,
				  kam_time_format(t->env.arena, &t->run.contact.zone, at));
			CHECK(at - env.as_of < 8 * KAM_DAY, "hour %d", hours);
		}
	close_run(t);
}

RUN_TESTS()
