/*
 * test/unit/test_contact.c: what is a contact and what is refused, with which
 * SQLSTATE and path.
 */
#include "contacts.h"

#define AS_OF "2026-03-11T10:00:00+01:00"

typedef struct Refusal
{
	const char *json,
			   *sqlstate,
			   *path;
} Refusal;

static const Refusal refusals[] = {
	{"[]", "22023", ""},
	{"3", "22023", ""},
	{"{}", "22023", "/contact_info"},
	{"{'contact_info': null, 'activities': []}", "22023", "/contact_info"},
	{"{'contact_info': [], 'activities': []}", "22023", "/contact_info"},
	{"{'contact_info': {}}", "22023", "/activities"},
	{"{'contact_info': {}, 'activities': {}}", "22023", "/activities"},
	{"{'contact_info': {'email': 3}, 'activities': []}", "22023", "/contact_info/email"},
	{"{'contact_info': {'timezone': {}}, 'activities': []}", "22023", "/contact_info/timezone"},
	{"{'contact_info': {}, 'activities': [null]}", "22023", "/activities/0"},
	{"{'contact_info': {}, 'activities': [{'recorded_on': '2026-01-01'}]}", "22023", "/activities/0/activity_type"},
	{"{'contact_info': {}, 'activities': [{'activity_type': 7}]}", "22023", "/activities/0/activity_type"},
	{"{'contact_info': {}, 'activities': [{'activity_type': 'email'}]}", "22023", "/activities/0/recorded_on"},
	{"{'contact_info': {}, 'activities': [{'activity_type': 'email', 'recorded_on': 'yesterday'}]}", "22007", "/activities/0/recorded_on"},
	{"{'contact_info': {}, 'activities': [{'activity_type': 'email', 'recorded_on': '2026-02-30T10:00:00Z'}]}", "22007", "/activities/0/recorded_on"},
	{"{'contact_info': {}, 'activities': [{'activity_type': 'email', 'recorded_on': 17}]}", "22007", "/activities/0/recorded_on"},
	{"{'contact_info': {}, 'activities': [{'activity_type': 'email', 'recorded_on': '2026-01-01', 'direction': 'sideways'}]}", "22023", "/activities/0/direction"},
	{"{'contact_info': {}, 'activities': [{'activity_type': 'email', 'recorded_on': '2026-01-01', 'metadata': []}]}", "22023", "/activities/0/metadata"},
	{"{'contact_info': {}, 'activities': [{'activity_type': 'email', 'recorded_on': '2026-01-01', 'metadata': {'body': {}}}]}", "22023", "/activities/0/metadata/body"},
	{"{'contact_info': {}, 'activities': [], 'deals': {}}", "22023", "/deals"},
	{"{'contact_info': {}, 'activities': [], 'deals': [4]}", "22023", "/deals/0"},
	{"{'contact_info': {}, 'activities': [], 'deals': [{}]}", "22023", "/deals/0/status"},
	{"{'contact_info': {}, 'activities': [], 'deals': [{'status': 'MAYBE'}]}", "22023", "/deals/0/status"},
	{"{'contact_info': {}, 'activities': [], 'stats': 'many'}", "22023", "/stats"},
};

TEST(bad_contacts_are_refused_with_their_path)
{
	for (size_t i = 0; i < KAM_LENGTHOF(refusals); i++)
	{
		KamEnv		env = test_env(AS_OF);
		json_t	   *json = test_json(refusals[i].json);
		KamContact	contact;
		KamError	error;

		CHECK(!kam_contact_parse(&env, json, &contact, &error), "%s", refusals[i].json);
		CHECK_STR(error.sqlstate, refusals[i].sqlstate);
		CHECK_STR(error.path, refusals[i].path);
		CHECK(error.message && *error.message, "a message for %s", refusals[i].json);
		json_decref(json);
		kam_arena_free(env.arena);
	}
}

static void
parse(const char *text, KamEnv *env, json_t **json, KamContact *contact)
{
	KamError	error;

	*env = test_env(AS_OF);
	*json = test_json(text);
	CHECK(kam_contact_parse(env, *json, contact, &error), "%s: %s", text, error.message);
}

TEST(nulls_count_as_absent_and_unknown_fields_pass)
{
	KamEnv		env;
	json_t	   *json;
	KamContact	c;

	parse("{'contact_info': {'email': null, 'x': [1, {'y': 2}]}, 'activities': [{'activity_type': 'fax', 'recorded_on': '2026-01-01T08:00:00Z',"
		  " 'direction': null, 'metadata': null, 'extra': {'deep': []}}], 'deals': null, 'stats': null, 'z': 1}", &env, &json, &c);
	CHECK_INT(c.nactivities, 1);
	CHECK_INT(c.activities[0].type, KAM_OTHER_ACTIVITY);
	CHECK(c.email == NULL);
	json_decref(json);
	kam_arena_free(env.arena);
}

TEST(names_complete_each_other)
{
	KamEnv		env;
	json_t	   *json;
	KamContact	c;

	parse("{'contact_info': {'full_name': 'Inès Martin'}, 'activities': []}", &env, &json, &c);
	CHECK_STR(c.first_name, "Inès");
	json_decref(json);
	kam_arena_free(env.arena);
	parse("{'contact_info': {'last_name': 'Martin'}, 'activities': []}", &env, &json, &c);
	CHECK(c.first_name == NULL);
	CHECK_STR(c.full_name, "Martin");
	json_decref(json);
	kam_arena_free(env.arena);
}

TEST(a_phone_or_id_may_be_a_number)
{
	KamEnv		env;
	json_t	   *json;
	KamContact	c;

	parse("{'contact_info': {'phone': 33612345678, 'hubspot_id': 900101}, 'activities': []}", &env, &json, &c);
	CHECK_STR(c.phone, "33612345678");
	CHECK_STR(c.hubspot_id, "900101");
	json_decref(json);
	kam_arena_free(env.arena);
}

TEST(what_can_be_lived_without_is_a_warning)
{
	KamEnv		env;
	json_t	   *json;
	KamContact	c;

	parse("{'contact_info': {'full_name': 'A B', 'owner': 'O', 'timezone': 'Mars/Olympus', 'email': 'nobody'},"
		  " 'activities': [{'activity_type': 'meeting', 'recorded_on': '2026-01-01', 'metadata': {'start_time': 'soon'}}]}", &env, &json, &c);
	CHECK_STR(c.zone.name, "Europe/Paris");
	CHECK(c.email == NULL);
	CHECK(c.activities[0].start == KAM_NO_TIME);
	CHECK_INT(c.nwarnings, 3);
	json_decref(json);
	kam_arena_free(env.arena);
}

TEST(activities_are_sorted_by_time_then_content)
{
	KamEnv		env;
	json_t	   *json;
	KamContact	c;

	parse("{'contact_info': {}, 'activities': ["
		  "{'activity_type': 'email', 'recorded_on': '2026-02-01T10:00:00+01:00', 'metadata': {'body': 'b'}},"
		  "{'activity_type': 'email', 'recorded_on': '2026-02-01T09:00:00Z', 'metadata': {'body': 'a'}},"
		  "{'activity_type': 'call', 'recorded_on': '2026-01-01T09:00:00Z'}]}", &env, &json, &c);
	CHECK_INT(c.activities[0].index, 2);
	CHECK_STR(c.activities[1].body, "a");
	CHECK_STR(c.activities[2].body, "b");
	json_decref(json);
	kam_arena_free(env.arena);
}

RUN_TESTS()
