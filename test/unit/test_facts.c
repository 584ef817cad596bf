/*
 * test/unit/test_facts.c: facts of contract section 4: their values, what a
 * later message undoes, and that every piece of evidence stands where it says.
 */
#include "contacts.h"

#define AS_OF "2026-03-11T10:00:00+01:00"
#define INFO "'contact_info': {'full_name': 'Inès Martin', 'email': 'ines@acier.example', 'phone': '+33612345678', 'owner': 'Julie Moreau'}"
#define ACTIVITY(type, direction, at, rest) \
	"{'activity_type': '" type "', 'direction': " direction ", 'recorded_on': '" at "', 'metadata': {" rest "}}"
#define IN(at, body) ACTIVITY("email", "'inbound'", at, "'body': '" body "'")
#define OUT(at, body) ACTIVITY("email", "'outbound'", at, "'body': '" body "', 'owner': 'Julie Moreau'")
#define CONTACT(activities) "{" INFO ", 'activities': [" activities "]}"
#define BY(owner, at) ACTIVITY("call", "'outbound'", at, "'owner': '" owner "'")

/* A fact's value as compact JSON text must equal the expected one (in single quotes). */
static void
check_fact(const char *contact, const char *fact, const char *expected)
{
	TestRun    *t = open_run(contact, AS_OF);
	json_t	   *facts = kam_facts_json(&t->env, &t->run.contact, &t->run.facts);
	json_t	   *want = test_json(expected);
	const json_t *value = json_object_get(json_object_get(facts, fact), "value");
	char	   *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	CHECK(json_equal(value, want), "%s is %s, not %s", fact, text, expected);
	free(text);
	json_decref(want);
	json_decref(facts);
	close_run(t);
}

TEST(conversation_state_follows_the_days)
{
	check_fact(CONTACT(""), "conversation_state", "'none'");
	check_fact(CONTACT(OUT("2025-12-10T09:00:00+01:00", "Bonjour")), "conversation_state", "'dormant'");
	check_fact(CONTACT(OUT("2025-12-11T10:00:00+01:00", "Bonjour")), "conversation_state", "'stale'");
	check_fact(CONTACT(OUT("2026-02-08T09:00:00+01:00", "Bonjour")), "conversation_state", "'stale'");
	check_fact(CONTACT(OUT("2026-02-10T09:00:00+01:00", "Bonjour")), "conversation_state", "'awaiting_response'");
	check_fact(CONTACT(OUT("2026-03-01T09:00:00+01:00", "Bonjour") "," IN("2026-03-02T09:00:00+01:00", "Merci")), "conversation_state", "'active'");
}

TEST(follow_ups_count_local_days)
{
	/* 23:30 and 00:30 in Paris are two days, though one in UTC */
	check_fact(CONTACT(OUT("2026-03-01T22:30:00Z", "A") "," OUT("2026-03-01T23:30:00Z", "B")), "distinct_follow_ups", "2");
	check_fact(CONTACT(OUT("2026-03-01T09:00:00+01:00", "A") "," OUT("2026-03-01T18:00:00+01:00", "B")), "distinct_follow_ups", "1");
	check_fact(CONTACT(IN("2026-03-01T09:00:00+01:00", "Merci") "," OUT("2026-03-01T18:00:00+01:00", "B") "," OUT("2026-03-02T18:00:00+01:00", "C")), "distinct_follow_ups", "1");
}

TEST(engagement_and_automatic_replies_are_no_inbound_messages)
{
	check_fact(CONTACT(OUT("2026-03-01T09:00:00+01:00", "A") ","
					   ACTIVITY("linkedin_like", "'inbound'", "2026-03-05T09:00:00+01:00", "") ","
					   ACTIVITY("email", "'inbound'", "2026-03-01T09:01:00+01:00", "'subject': 'Réponse automatique : A', 'body': 'Je suis absente du bureau.'")),
			   "last_inbound_at", "null");
	check_fact(CONTACT(OUT("2026-03-01T09:00:00+01:00", "A") "," ACTIVITY("linkedin_like", "'inbound'", "2026-03-05T09:00:00+01:00", "")),
			   "engagement", "[{'kind': 'like', 'at': '2026-03-05T09:00:00+01:00'}]");
	check_fact(CONTACT(ACTIVITY("linkedin_view", "null", "2026-02-20T09:00:00+01:00", "")), "engagement", "[]");
	check_fact(CONTACT(ACTIVITY("linkedin_view", "null", "2026-03-02T09:00:00+01:00", "") "," OUT("2026-03-03T09:00:00+01:00", "A")), "engagement", "[]");
}

TEST(a_bounced_address_is_no_channel)
{
#define BOUNCE ACTIVITY("email", "'inbound'", "2026-03-02T09:00:00+01:00", "'subject': 'Undeliverable: Lumio', 'body': '550 5.1.1 <ines@acier.example>: user unknown'")
	check_fact(CONTACT(BOUNCE), "available_channels", "['PHONE']");
	check_fact(CONTACT(BOUNCE), "unreachable", "false");
	check_fact("{'contact_info': {'email': 'ines@acier.example'}, 'activities': [" BOUNCE "]}", "unreachable", "true");
	check_fact("{'contact_info': {'email': 'other@acier.example'}, 'activities': [" BOUNCE "]}", "unreachable", "false");
	check_fact("{'contact_info': {'email': 'ines@acier.example'}, 'activities': [" BOUNCE "," IN("2026-03-05T09:00:00+01:00", "Me revoici.") "]}", "unreachable", "false");
	check_fact("{'contact_info': {'phone': '0612345678', 'whatsapp': true, 'linkedin_urn': 'urn:li:1'}, 'activities': []}", "available_channels", "['LINKEDIN', 'PHONE', 'WHATSAPP']");
}

TEST(churn_knows_whether_it_was_answered)
{
#define CHURN IN("2026-03-05T09:00:00+01:00", "Nous avons décidé de ne pas renouveler notre abonnement.")
	check_fact(CONTACT(CHURN), "churn", "{'signal': true, 'responded': false}");
	check_fact(CONTACT(CHURN "," OUT("2026-03-05T10:00:00+01:00", "Bien reçu.")), "churn", "{'signal': true, 'responded': true}");
	check_fact(CONTACT(OUT("2026-03-04T10:00:00+01:00", "Bonjour") "," CHURN), "churn", "{'signal': true, 'responded': false}");
	check_fact(CONTACT(IN("2026-03-05T09:00:00+01:00", "Nous ne souhaitons pas résilier.")), "churn", "{'signal': false, 'responded': false}");
	check_fact(CONTACT(IN("2026-03-05T09:00:00+01:00", "Votre prédécesseur avait résilié notre contrat télécom, rien à voir.")), "churn", "{'signal': false, 'responded': false}");
	check_fact("{" INFO ", 'activities': [" CHURN "], 'deals': [{'deal_id': 'n', 'status': 'OPEN', 'created_on': '2026-03-08'}]}",
			   "churn", "{'signal': false, 'responded': false}");
}

TEST(quoted_history_is_not_said_again)
{
	check_fact(CONTACT(IN("2026-03-05T09:00:00+01:00", "Merci Julie, bien reçu.\\n\\nLe 3 mars 2026 à 10:12, Julie Moreau <julie@lumio.example> a écrit :\\n> Merci de ne plus me contacter.")),
			   "opted_out", "false");
}

TEST(an_explicit_wait_is_relative_to_its_day_and_can_be_taken_back)
{
#define WAIT IN("2026-03-02T09:00:00+01:00", "Recontactez-moi dans deux semaines.")
	check_fact(CONTACT(WAIT), "explicit_wait", "{'until': '2026-03-16T09:00:00+01:00', 'said_on': '2026-03-02T09:00:00+01:00'}");
	check_fact(CONTACT(WAIT "," IN("2026-03-06T09:00:00+01:00", "Finalement, pouvez-vous m`envoyer un devis ?")), "explicit_wait", "null");
}

TEST(meetings_held_ahead_and_missed)
{
#define MEETING(at, status) ACTIVITY("meeting", "null", "2026-03-01T09:00:00+01:00", "'subject': 'Point', 'start_time': '" at "', 'status': '" status "'")
	check_fact(CONTACT(MEETING("2026-03-04T10:00:00+01:00", "held") "," MEETING("2026-03-18T10:00:00+01:00", "scheduled")), "meeting",
			   "{'last_held_at': '2026-03-04T10:00:00+01:00', 'next_at': '2026-03-18T10:00:00+01:00', 'no_show': null, 'responsible': null}");
	check_fact(CONTACT(MEETING("2026-03-04T10:00:00+01:00", "no_show") "," IN("2026-03-04T11:00:00+01:00", "Désolée, je n`ai pas pu me connecter à notre rendez-vous ce matin.")), "meeting",
			   "{'last_held_at': null, 'next_at': null, 'no_show': {'at': '2026-03-04T10:00:00+01:00', 'responsible': 'them'}, 'responsible': 'them'}");
}

TEST(a_pilots_review_is_no_meeting)
{
	static const char json[] = "{" INFO ", 'activities': [" IN("2026-02-20T10:00:00+01:00", "We are running a pilot of your solution. The pilot review is on 25 March.") "],"
		" 'deals': [{'deal_id': '1', 'name': 'Pilot Acme', 'stage': 'POC', 'status': 'OPEN', 'created_on': '2026-01-15'}]}";
	TestRun    *t = open_run(json, AS_OF);

	check_fact(json, "meeting", "{'last_held_at': null, 'next_at': null, 'no_show': null, 'responsible': null}");
	check_fact(json, "scheduled_touchpoint", "null");
	check_fact(json, "pilot", "{'status': 'running', 'review_at': '2026-03-25T09:00:00+01:00', 'deal_id': '1'}");
	CHECK_STR(t->run.plan.rule, "pilot_running");
	close_run(t);
}

TEST(fourteen_days_are_within_fourteen_days)
{
	check_fact(CONTACT(ACTIVITY("linkedin_like", "'inbound'", "2026-02-25T10:00:00+01:00", "")), "engagement",
			   "[{'kind': 'like', 'at': '2026-02-25T10:00:00+01:00'}]");
	check_fact(CONTACT(ACTIVITY("linkedin_like", "'inbound'", "2026-02-25T09:59:59+01:00", "")), "engagement", "[]");
	check_fact(CONTACT(BY("Marc Petit", "2026-02-25T10:00:00+01:00")), "other_owner_active", "{'owner': 'Marc Petit', 'at': '2026-02-25T10:00:00+01:00'}");
	check_fact(CONTACT(BY("Marc Petit", "2026-02-25T09:59:59+01:00")), "other_owner_active", "null");
}

TEST(deals_are_counted_and_the_open_one_is_active)
{
	check_fact("{" INFO ", 'activities': [], 'deals': [{'deal_id': 'a', 'status': 'LOST', 'created_on': '2026-03-01'},"
			   " {'deal_id': 'b', 'status': 'OPEN', 'created_on': '2026-01-10'}, {'deal_id': 'c', 'status': 'WON'}]}",
			   "deals", "{'open': 1, 'won': 1, 'lost': 1, 'active_deal_id': 'b'}");
	check_fact("{" INFO ", 'activities': [], 'deals': [{'deal_id': 'b', 'status': 'OPEN', 'created_on': '2026-01-10'}]}", "cycle_days", "60");
}

TEST(another_owner_is_recognised_by_name_or_address)
{
	check_fact(CONTACT(BY("julie.moreau@lumio.example", "2026-03-05T09:00:00+01:00")), "other_owner_active", "null");
	check_fact(CONTACT(BY("JULIE MOREAU", "2026-03-05T09:00:00+01:00")), "other_owner_active", "null");
	check_fact(CONTACT(BY("Marc Petit", "2026-03-05T09:00:00+01:00")), "other_owner_active", "{'owner': 'Marc Petit', 'at': '2026-03-05T09:00:00+01:00'}");
	check_fact(CONTACT(BY("Marc Petit", "2026-02-20T09:00:00+01:00")), "other_owner_active", "null");
}

TEST(what_lies_ahead_of_the_moment_is_not_known_yet)
{
	check_fact(CONTACT(IN("2026-04-05T09:00:00+02:00", "Merci de ne plus me contacter.")), "opted_out", "false");
	check_fact(CONTACT(IN("2026-04-05T09:00:00+02:00", "Bonjour")), "last_inbound_at", "null");
}

/* A text of ten megabytes, with and without stops, is read in a moment: what is beyond a message's length is not read. */
TEST(a_huge_text_is_read_in_bounded_time)
{
	static const char *const phrases[] = {"Please cancel our demo on Monday? ", "please cancel our demo on monday ", "> On Monday Bob wrote:\n", "((((", "-- \n\n"};

	for (size_t p = 0; p < KAM_LENGTHOF(phrases); p++)
	{
		size_t		n = strlen(phrases[p]),
					size = (size_t) 10 * 1000 * 1000 / n * n;
		char	   *body = malloc(size + 1);
		json_t	   *json = test_json("{'contact_info': {'email': 'p@a.example'}, 'activities': []}");
		json_t	   *activity = test_json("{'activity_type': 'email', 'direction': 'inbound', 'recorded_on': '2026-03-01T10:00:00Z', 'metadata': {}}");
		TestRun    *t;
		bool		told = false;

		for (size_t at = 0; at < size; at += n)
			memcpy(body + at, phrases[p], n);
		body[size] = '\0';
		json_object_set_new(json_object_get(activity, "metadata"), "body", json_string(body));
		json_array_append_new(json_object_get(json, "activities"), activity);
		t = open_json(json, AS_OF);
		kam_run_builtin(&t->run, true);
		for (int i = 0; i < t->run.facts.nwarnings; i++)
			told |= strstr(t->run.facts.warnings[i], "longer than 64 KB") != NULL;
		CHECK(told, "%s", phrases[p]);
		CHECK(json_is_object(t->run.decision), "%s is decided", phrases[p]);
		close_run(t);
		free(body);
	}
}

/* Every piece of evidence must resolve and its quote stand there. */
static void
check_evidence(const TestRun *t, const char *file)
{
	json_t	   *facts = kam_facts_json(&t->env, &t->run.contact, &t->run.facts);
	const char *name;
	json_t	   *fact;

	json_object_foreach(facts, name, fact)
	{
		size_t		i;
		json_t	   *item;

		json_array_foreach(json_object_get(fact, "evidence"), i, item)
		{
			const char *path = kam_get_string(item, "path"),
					   *quote = kam_get_string(item, "quote");
			const json_t *value = kam_pointer(t->json, path);

			CHECK(value != NULL, "%s: %s: %s resolves", file, name, path);
			if (json_is_string(value))
				CHECK(quote && strstr(json_string_value(value), quote), "%s: %s: \"%s\" stands at %s", file, name, quote, path);
		}
	}
	json_decref(facts);
}

TEST(evidence_stands_where_it_says)
{
	char		path[200];
	int			files = 0;
	FILE	   *list = popen("ls examples/contacts/*.json | grep -v expect", "r");

	while (list && fgets(path, sizeof path, list))
	{
		json_t	   *json;
		TestRun    *t;

		path[strcspn(path, "\n")] = '\0';
		json = json_load_file(path, 0, NULL);
		CHECK(json != NULL, "%s", path);
		t = open_json(json, AS_OF);
		check_evidence(t, path);
		close_run(t);
		files++;
	}
	if (list)
		pclose(list);
	CHECK(files >= 12, "%d example contacts; run from the top of the tree", files);
}

RUN_TESTS()
