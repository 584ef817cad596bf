/*
 * test/unit/test_plan.c: the decision tree, its order, and when a wait ends
 * (contract section 5).
 */
#include "contacts.h"

/* A Wednesday. */
#define AS_OF "2026-03-11T10:00:00+01:00"

#define INFO "'contact_info': {'full_name': 'Inès Martin', 'email': 'ines@acier.example', 'owner': 'Julie Moreau'}"
#define MAIL(direction, at, body) \
	"{'activity_type': 'email', 'direction': '" direction "', 'recorded_on': '" at "', 'metadata': {'body': '" body "', 'owner': 'Julie Moreau'}}"
#define IN(at, body) MAIL("inbound", at, body)
#define OUT(at) MAIL("outbound", at, "Bonjour Inès, avez-vous pu regarder notre document ?")
#define CONTACT(activities) "{" INFO ", 'activities': [" activities "]}"
#define WITH_DEAL(activities, deal) "{" INFO ", 'activities': [" activities "], 'deals': [" deal "]}"

typedef struct Row
{
	const char *what,
			   *json,
			   *rule,
			   *wait_type,
			   *reevaluate_at;
} Row;

#define FIVE_UNANSWERED OUT("2026-02-02T10:00:00+01:00") "," OUT("2026-02-09T10:00:00+01:00") "," OUT("2026-02-16T10:00:00+01:00") "," \
	OUT("2026-02-23T10:00:00+01:00") "," OUT("2026-03-02T10:00:00+01:00")
#define MEETING(at, status) \
	"{'activity_type': 'meeting', 'recorded_on': '2026-03-01T10:00:00+01:00', 'metadata': {'start_time': '" at "', 'status': '" status "', 'owner': 'Julie Moreau'}}"
#define CHURN "Nous avons décidé de résilier notre contrat à échéance."
#define WAIT "Merci, mais recontactez-moi début avril s`il vous plaît."
#define COLLEAGUE(at) "{'activity_type': 'call', 'direction': 'outbound', 'recorded_on': '" at "', 'metadata': {'owner': 'Marc Petit'}}"
#define LIKE(at) "{'activity_type': 'linkedin_like', 'direction': 'inbound', 'recorded_on': '" at "'}"

static const Row rows[] = {
	{"nothing known: introduce ourselves", CONTACT(""), "first_touch", NULL, NULL},
	{"a recent question", CONTACT(IN("2026-03-10T10:00:00+01:00", "Pouvez-vous m`envoyer la fiche du module 4 ?")), "follow_up", NULL, NULL},
	{"31 days of silence", CONTACT(OUT("2026-02-08T10:00:00+01:00")), "long_silence", NULL, NULL},
	{"30 days are no long silence", CONTACT(OUT("2026-02-09T10:00:00+01:00")), "follow_up", NULL, NULL},
	{"opt-out comes before all", WITH_DEAL(IN("2026-03-01T10:00:00+01:00", "Merci de ne plus me contacter. " CHURN) "," FIVE_UNANSWERED "," MEETING("2026-03-20T10:00:00+01:00", "scheduled"),
		"{'deal_id': 'd', 'status': 'OPEN', 'created_on': '2026-02-01'}"), "opted_out", NULL, NULL},
	{"left the company", CONTACT(IN("2026-03-01T10:00:00+01:00", "J`ai quitté la société Acier, merci de contacter mon successeur.")), "left_company", NULL, NULL},
	{"no channel", "{'contact_info': {'full_name': 'X Y'}, 'activities': []}", "unreachable", NULL, NULL},
	{"churn unanswered", CONTACT(OUT("2026-03-01T10:00:00+01:00") "," IN("2026-03-09T10:00:00+01:00", CHURN)), "churn_unanswered", NULL, NULL},
	{"churn answered waits 30 days", CONTACT(IN("2026-03-09T10:00:00+01:00", CHURN) "," OUT("2026-03-09T11:00:00+01:00")),
		"churn_answered", "churn_acknowledged", "2026-04-10T09:00:00+02:00"},
	{"churn before a colleague", CONTACT(IN("2026-03-09T10:00:00+01:00", CHURN) "," COLLEAGUE("2026-03-05T10:00:00+01:00")), "churn_unanswered", NULL, NULL},
	{"a colleague within 14 days", CONTACT(COLLEAGUE("2026-03-05T10:00:00+01:00")), "other_owner_active", "coordination_needed", "2026-03-19T09:00:00+01:00"},
	{"a colleague 15 days ago", CONTACT(COLLEAGUE("2026-02-24T09:00:00+01:00")), "follow_up", NULL, NULL},
	{"a colleague before a meeting", CONTACT(COLLEAGUE("2026-03-05T10:00:00+01:00") "," MEETING("2026-03-20T10:00:00+01:00", "scheduled")),
		"other_owner_active", "coordination_needed", "2026-03-19T09:00:00+01:00"},
	{"a meeting ahead", CONTACT(MEETING("2026-03-20T15:00:00+01:00", "scheduled")), "meeting_ahead", "meeting_scheduled", "2026-03-21T09:00:00+01:00"},
	{"a cancelled meeting", CONTACT(MEETING("2026-03-20T15:00:00+01:00", "cancelled")), "first_touch", NULL, NULL},
	{"a meeting before a wait", CONTACT(IN("2026-03-02T10:00:00+01:00", WAIT) "," MEETING("2026-03-20T15:00:00+01:00", "scheduled")),
		"meeting_ahead", "meeting_scheduled", "2026-03-21T09:00:00+01:00"},
	{"an explicit wait", CONTACT(IN("2026-03-02T10:00:00+01:00", WAIT)), "explicit_wait", "explicit_request", "2026-04-06T09:00:00+02:00"},
	{"an explicit wait that is over", CONTACT(IN("2026-02-20T10:00:00+01:00", "Recontactez-moi début mars.")), "follow_up", NULL, NULL},
	{"a pilot without a dated review", WITH_DEAL(OUT("2026-03-02T10:00:00+01:00"), "{'deal_id': 'd', 'name': 'POC site de Lens', 'status': 'OPEN', 'created_on': '2026-02-20'}"),
		"pilot_running", "pilot_review", "2026-03-25T09:00:00+01:00"},
	{"a lost pilot", WITH_DEAL(OUT("2026-03-02T10:00:00+01:00"), "{'deal_id': 'd', 'name': 'POC site de Lens', 'status': 'LOST', 'created_on': '2026-02-20'}"), "follow_up", NULL, NULL},
	{"five follow-ups", CONTACT(FIVE_UNANSWERED), "ghosted_for_good", NULL, NULL},
	{"five follow-ups with a like", CONTACT(FIVE_UNANSWERED "," LIKE("2026-03-09T10:00:00+01:00")), "engagement", NULL, NULL},
	{"a like before our last message", CONTACT(FIVE_UNANSWERED "," LIKE("2026-03-01T10:00:00+01:00")), "ghosted_for_good", NULL, NULL},
	{"written two days ago", CONTACT(OUT("2026-03-09T11:00:00+01:00")), "just_written", "prospect_timing", "2026-03-12T09:00:00+01:00"},
	{"written three days ago", CONTACT(OUT("2026-03-08T10:00:00+01:00")), "follow_up", NULL, NULL},
	{"answered since", CONTACT(OUT("2026-03-09T11:00:00+01:00") "," IN("2026-03-09T12:00:00+01:00", "Merci pour ces informations.")), "follow_up", NULL, NULL},
	{"three follow-ups", CONTACT(OUT("2026-02-16T10:00:00+01:00") "," OUT("2026-02-23T10:00:00+01:00") "," OUT("2026-03-02T10:00:00+01:00")), "ghosted", NULL, NULL},
	{"the same day counts once", CONTACT(OUT("2026-02-23T10:00:00+01:00") "," OUT("2026-02-23T17:00:00+01:00") "," OUT("2026-03-02T10:00:00+01:00")), "follow_up", NULL, NULL},
	{"the day of their answer does not count", CONTACT(IN("2026-02-16T09:00:00+01:00", "Merci.") "," OUT("2026-02-16T10:00:00+01:00") "," OUT("2026-02-23T10:00:00+01:00") "," OUT("2026-03-02T10:00:00+01:00")),
		"follow_up", NULL, NULL},
	{"an open deal", WITH_DEAL(OUT("2026-03-02T10:00:00+01:00"), "{'deal_id': 'd', 'name': 'Lens', 'status': 'OPEN', 'created_on': '2026-02-20'}"), "open_deal", NULL, NULL},
	{"an open deal beats a lost one", WITH_DEAL(OUT("2026-03-02T10:00:00+01:00"), "{'deal_id': 'a', 'status': 'LOST', 'created_on': '2026-03-01'}, {'deal_id': 'd', 'status': 'OPEN', 'created_on': '2026-02-20'}"),
		"open_deal", NULL, NULL},
};

TEST(what_is_forbidden_comes_before_every_row)
{
	static const struct
	{
		KamForbidden forbidden;
		const char *reason;
	}			cases[] = {
		{{"unsubscribed", NULL, "lead", KAM_NO_TIME}, "The contact has unsubscribed: nothing may be sent on any channel, whatever the history suggests."},
		{{"opted_out", NULL, NULL, KAM_NO_TIME}, "The contact has opted out of being contacted: nothing may be sent on any channel, whatever the history suggests."},
		{{"suppressed", "legal", "domain", KAM_NO_TIME},
		"The contact is suppressed, recorded for the domain of their e-mail address: nothing may be sent on any channel, whatever the history suggests."},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		TestRun    *t = open_run(rows[i].json, AS_OF);
		KamPlan		plan;

		for (size_t k = 0; k < KAM_LENGTHOF(cases); k++)
		{
			kam_plan_forbidden(&t->run.env, &t->run.contact, &t->run.facts, &cases[k].forbidden, &plan);
			CHECK_STR(plan.rule, "suppressed");
			CHECK_INT(plan.action, KAM_NO_ACTION);
			CHECK(plan.hard);
			if (t->run.facts.opt_out == NULL)
				CHECK_STR(plan.reason, cases[k].reason);
			else
				CHECK(strncmp(plan.reason, cases[k].reason, strlen(cases[k].reason)) == 0 &&
					  strstr(plan.reason, "asked on 2026-03-01 not to be contacted again (\"") != NULL, "their own words are left out: %s", plan.reason);
		}
		close_run(t);
	}
}

TEST(first_matching_row_decides)
{
	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		TestRun    *t = open_run(rows[i].json, AS_OF);
		const KamPlan *plan = &t->run.plan;

		CHECK(strcmp(plan->rule, rows[i].rule) == 0, "%s: %s, not %s (%s)", rows[i].what, plan->rule, rows[i].rule, plan->reason);
		CHECK_STR(kam_wait_type_name(plan->wait_type), rows[i].wait_type);
		if (rows[i].reevaluate_at)
			CHECK_STR(kam_time_format(t->env.arena, &t->run.contact.zone, plan->reevaluate_at), rows[i].reevaluate_at);
		else
			CHECK(plan->reevaluate_at == KAM_NO_TIME, "%s", rows[i].what);
		CHECK(plan->reason && *plan->reason, "%s has a reason", rows[i].what);
		CHECK(!strstr(plan->reason, "/activities"), "%s", plan->reason);
		close_run(t);
	}
}

TEST(prospect_timing_skips_the_weekend)
{
	TestRun    *t = open_run(CONTACT(OUT("2026-03-12T11:00:00+01:00")), "2026-03-13T10:00:00+01:00");

	CHECK_STR(t->run.plan.rule, "just_written");
	CHECK_STR(kam_time_format(t->env.arena, &t->run.contact.zone, t->run.plan.reevaluate_at), "2026-03-16T09:00:00+01:00");
	close_run(t);
}

RUN_TESTS()
