/*
 * test/unit/test_check.c: every rule of the guard says no to what breaks it,
 * and only that rule does.
 *
 * Contacts are run through the built-in pipeline, whose decisions must be
 * without a finding; then one thing of such a decision is spoilt.
 */
#include "core/check.h"

#include "core/pipeline.h"
#include "unit.h"
#include "zones.h"

/* ---- contacts ------------------------------------------------------------------ */

#define INES "{\"full_name\": \"In\xc3\xa8s Carpentier\", \"email\": \"ines@atelier.example\", \"owner\": \"Paul Martin\"," \
	" \"linkedin_url\": \"https://www.linkedin.com/in/ines\", \"timezone\": \"Europe/Paris\", \"company\": \"Atelier\"}"
#define MAIL(direction, at, subject, body) "{\"activity_type\": \"email\", \"direction\": \"" direction "\", \"recorded_on\": \"" at \
	"\", \"metadata\": {\"subject\": \"" subject "\", \"body\": \"" body "\"}}"
#define MEETING(at, status) "{\"activity_type\": \"meeting\", \"recorded_on\": \"" at "\", \"metadata\": {\"subject\": \"Point\", \"start_time\": \"" \
	at "\", \"status\": \"" status "\"}}"
#define DEAL(name, created) "\"deals\": [{\"deal_id\": \"d1\", \"name\": \"" name "\", \"stage\": \"proposal\", \"status\": \"OPEN\"," \
	" \"amount\": 14400, \"currency\": \"EUR\", \"created_on\": \"" created "\"}]"

#define AS_OF "2026-03-11T10:00:00+01:00"	/* a Wednesday */

typedef enum Scene
{
	SCENE_DEAL,					/* open deal of 50 days, priced, met 20 days ago: send_message */
	SCENE_MET,					/* met 20 days ago, no deal: send_message */
	SCENE_COLD,					/* nothing yet: send_message */
	SCENE_MEETING,				/* a meeting next week: wait, a hard one */
	SCENE_JUST_WRITTEN,			/* our message of yesterday: wait, not hard */
	SCENE_OPTED_OUT,			/* no_action */
	SCENE_GHOSTED,				/* five follow-ups: break_up */
	SCENE_PILOT,				/* an open pilot: wait */
	SCENE_MISSED,				/* we missed a meeting: send_message */
	SCENE_LINKED,				/* links and addresses in both directions, several of the contact's own: send_message */
	SCENES
} Scene;

static const char *const contacts[SCENES] = {
	[SCENE_DEAL] = "{\"contact_info\": " INES ", \"activities\": ["
	MAIL("outbound", "2026-02-16T10:00:00+01:00", "Notre proposition", "Bonjour In\xc3\xa8s, voici notre devis : le tarif est de 14 400 \xe2\x82\xac par an.") ", "
	MEETING("2026-02-19T14:00:00+01:00", "held") ", "
	MAIL("inbound", "2026-03-06T10:00:00+01:00", "Re: Notre proposition", "Bonjour Paul, j'ai bien re\xc3\xa7u votre devis, je l'\xc3\xa9tudie.")
	"], " DEAL("Abonnement annuel", "2026-01-20") "}",
	[SCENE_MET] = "{\"contact_info\": " INES ", \"activities\": ["
	MEETING("2026-02-19T14:00:00+01:00", "held") ", "
	MAIL("inbound", "2026-03-05T10:00:00+01:00", "Point", "Bonjour Paul, je lis votre document.") "]}",
	[SCENE_COLD] = "{\"contact_info\": " INES ", \"activities\": []}",
	[SCENE_MEETING] = "{\"contact_info\": " INES ", \"activities\": ["
	MAIL("inbound", "2026-03-05T10:00:00+01:00", "Point", "Bonjour Paul, je lis votre document.") ", "
	MEETING("2026-03-18T14:00:00+01:00", "scheduled") "]}",
	[SCENE_JUST_WRITTEN] = "{\"contact_info\": " INES ", \"activities\": ["
	MAIL("outbound", "2026-03-10T11:00:00+01:00", "Document", "Bonjour In\xc3\xa8s, voici le document.") "]}",
	[SCENE_OPTED_OUT] = "{\"contact_info\": " INES ", \"activities\": ["
	MAIL("inbound", "2026-03-05T10:00:00+01:00", "Stop", "Merci de ne plus me contacter.") "]}",
	[SCENE_GHOSTED] = "{\"contact_info\": " INES ", \"activities\": ["
	MAIL("outbound", "2026-01-12T10:00:00+01:00", "Document", "Bonjour In\xc3\xa8s, voici le document.") ", "
	MAIL("outbound", "2026-01-20T10:00:00+01:00", "Document", "Bonjour In\xc3\xa8s, je me permets de revenir vers vous.") ", "
	MAIL("outbound", "2026-01-29T10:00:00+01:00", "Document", "Bonjour In\xc3\xa8s, une nouvelle \xc3\xa9tude est parue.") ", "
	MAIL("outbound", "2026-02-09T10:00:00+01:00", "Document", "Bonjour In\xc3\xa8s, avez-vous vu mon message ?") ", "
	MAIL("outbound", "2026-02-20T10:00:00+01:00", "Document", "Bonjour In\xc3\xa8s, un dernier mot sur le document.") "]}",
	[SCENE_PILOT] = "{\"contact_info\": " INES ", \"activities\": ["
	MAIL("inbound", "2026-03-05T10:00:00+01:00", "Point", "Bonjour Paul, je lis votre document.")
	"], " DEAL("Pilot atelier", "2026-02-25") "}",
	[SCENE_MISSED] = "{\"contact_info\": " INES ", \"activities\": ["
	MAIL("inbound", "2026-03-04T15:00:00+01:00", "Notre point", "Bonjour Paul, je vous ai attendu mardi \xc3\xa0 14h, vous n'\xc3\xaates pas venu.") ", "
	MEETING("2026-03-03T14:00:00+01:00", "no_show") "]}",
	[SCENE_LINKED] = "{\"contact_info\": {\"full_name\": \"In\xc3\xa8s evil.example\", \"first_name\": \"In\xc3\xa8s\", \"email\": \"ines@atelier.example\","
	" \"work_email\": \"i.carpentier@groupe.example\", \"phone\": \"+33 6 12 34 56 78\", \"website\": \"https://www.atelier-paris.example/accueil\","
	" \"linkedin_url\": \"https://www.linkedin.com/in/ines\", \"company\": \"https://evil.example/a\", \"owner\": \"Paul Martin\","
	" \"owner_email\": \"paul.martin@lumio.example\"}, \"activities\": ["
	MAIL("outbound", "2026-03-02T10:00:00+01:00", "\xc3\x89tude", "Bonjour In\xc3\xa8s, voici l'\xc3\xa9tude : https://lumio.example/etude?id=7 . Mon portable : 06 99 88 77 66.\\n\\n"
	"Le 27/02/2026, In\xc3\xa8s a \xc3\xa9" "crit :\\n> Voyez https://quoted.example/x ou quoted@evil.example") ", "
	MAIL("inbound", "2026-03-05T10:00:00+01:00", "Point", "Bonjour Paul, voyez https://evil.example/pay, \xc3\xa9" "crivez \xc3\xa0 marc@evil.example ou au 07 11 22 33 44,"
	" IBAN FR76 3000 6000 0112 3456 7890 189.") "]}",
};

typedef struct Case
{
	KamRun		run;
	json_t	   *contact,
			   *resources;
} Case;

#define RESOURCES "[{\"resource_id\": \"R1\", \"title\": \"\xc3\x89tude\", \"url\": \"https://kam.example/e?x=1\", \"language\": \"fr\"," \
	" \"topics\": [], \"match_terms\": [], \"body\": \"Questions : etude@kam.example, +33 1 23 45 67 89.\"}]"

static void
open_contact(Case *c, const char *text)
{
	KamEnv		env = test_env(AS_OF);
	KamError	error = {0};
	json_error_t where;

	c->contact = json_loads(text, 0, &where);
	if (c->contact == NULL || !kam_run_open(&c->run, env.arena, &env, c->contact, NULL, &error))
	{
		printf("contact: %s\n", c->contact == NULL ? where.text : error.message);
		abort();
	}
	c->run.in.resources = c->resources = json_loads(RESOURCES, 0, NULL);
	kam_run_builtin(&c->run, false);
}

static void
close_contact(Case *c)
{
	KamArena   *arena = c->run.env.arena;

	kam_run_close(&c->run);
	json_decref(c->contact);
	json_decref(c->resources);
	kam_arena_free(arena);
}

/* "rule path, rule path" of what the guard finds. */
static const char *
findings(Case *c, const json_t *decision, const json_t *content)
{
	KamArena   *arena = c->run.env.arena;
	KamFindings found;
	const char *out = "";
	int			errors = 0;

	kam_check(&c->run.env, &c->run.contact, &c->run.facts, &c->run.plan, &(KamHouse) {c->run.in.resources, NULL}, decision, content, &found);
	for (int i = 0; i < found.count; i++)
	{
		const KamFinding *f = &found.finding[i];

		CHECK(f->message[0] != '\0' && strstr(f->message, "(null)") == NULL, "message of %s: \"%s\"", f->rule, f->message);
		CHECK(strcmp(f->severity, "error") == 0 || strcmp(f->severity, "warning") == 0, "severity %s", f->severity);
		errors += strcmp(f->severity, "error") == 0;
		out = kam_printf(arena, "%s%s%s %s", out, i > 0 ? ", " : "", f->rule, f->path);
	}
	CHECK_INT(found.errors, errors);
	return out;
}

/* ---- spoiling --------------------------------------------------------------------- */

#define ABSENT "\"<absent>\""

/* Applies {"/pointer": value, ...}; "<absent>" removes, "/x/-" appends. */
static void
spoil(json_t *root, const char *edits_text)
{
	json_error_t where;
	json_t	   *edits = json_loads(edits_text, 0, &where);
	const char *path;
	json_t	   *value;

	if (edits == NULL)
	{
		printf("edits: %s in %s\n", where.text, edits_text);
		abort();
	}
	json_object_foreach(edits, path, value)
	{
		const char *slash = strrchr(path, '/');
		char		parent_path[200];
		json_t	   *parent;

		snprintf(parent_path, sizeof parent_path, "/final_decision%.*s", (int) (slash - path), path);
		if (strncmp(path, "//", 2) == 0)	/* outside the final_decision */
			snprintf(parent_path, sizeof parent_path, "%.*s", (int) (slash - path - 1), path + 1);
		parent = (json_t *) kam_pointer(root, parent_path);
		if (parent == NULL)
		{
			printf("no %s to spoil\n", path);
			abort();
		}
		if (json_is_string(value) && strcmp(json_string_value(value), "<absent>") == 0)
		{
			CHECK(json_object_del(parent, slash + 1) == 0, "%s is not there", path);
		}
		else if (json_is_array(parent) && strcmp(slash, "/-") == 0)
			json_array_append(parent, value);
		else if (json_is_array(parent))
			json_array_set(parent, (size_t) atoi(slash + 1), value);
		else
			json_object_set(parent, slash + 1, value);
	}
	json_decref(edits);
}

/* A score of our own: base 0.50, one factor, whatever the facts say. */
#define SCORE(strength, total, base, factor, impact) \
	"\"/rationale/opportunity_strength\": " strength ", \"/rationale/opportunity_strength_breakdown\": {\"base_score\": " base \
	", \"factors\": [{\"factor\": \"" factor "\", \"impact\": \"" impact "\", \"evidence\": \"e\"}], \"calculated_total\": " total "}"
#define MESSAGE(text) "{\"/selected_content/message\": \"" text "\"}"
#define STEP(date) "{\"step\": 1, \"trigger\": \"no answer\", \"channel\": \"email\", \"action_type\": \"follow_up\", \"planned_date\": \"" date \
	"\", \"status\": \"planned\"}"

typedef struct Spoilt
{
	const char *rule;			/* what must fire; "" nothing */
	Scene		scene;
	const char *edits;
	const char *path;			/* where, below the final_decision; NULL: any */
} Spoilt;

static const Spoilt rows[] = {
	/* shape */
	{"missing_key", SCENE_DEAL, "{\"/rationale/risk_factors\": " ABSENT "}", "/rationale/risk_factors"},
	{"missing_key", SCENE_DEAL, "{\"/action\": " ABSENT "}", "/action"},
	{"missing_key", SCENE_COLD, "{\"/wait_type\": " ABSENT "}", "/wait_type"},
	{"missing_key", SCENE_COLD, "{\"/conditional_context/buying_process\": " ABSENT "}", "/conditional_context/buying_process"},
	{"missing_key", SCENE_COLD, "{\"/execution_timing/timezone\": " ABSENT "}", "/execution_timing/timezone"},
	{"wrong_type", SCENE_DEAL, "{\"/rationale/opportunity_strength\": \"0.9\"}", "/rationale/opportunity_strength"},
	{"wrong_type", SCENE_DEAL, "{\"/rationale/risk_factors/-\": 7}", NULL},
	{"wrong_type", SCENE_MEETING, "{\"/wait_type\": \"meeting\"}", "/wait_type"},
	{"wrong_type", SCENE_COLD, "{\"/execution_timing/execute_at\": 7}", "/execution_timing/execute_at"},
	{"wrong_type", SCENE_COLD, "{\"/selected_content/message\": [\"Bonjour\"]}", "/selected_content/message"},
	{"wrong_type", SCENE_COLD, "{\"/sequence_instructions\": null}", "/sequence_instructions"},
	{"wrong_type", SCENE_COLD, "{\"/conditional_context/pilot_health\": 7}", "/conditional_context/pilot_health"},
	{"unknown_value", SCENE_COLD, "{\"/action\": \"send\"}", "/action"},
	{"unknown_value", SCENE_COLD, "{\"/selected_channel\": \"FAX\"}", "/selected_channel"},
	{"unknown_value", SCENE_COLD, "{\"/selected_content/variant\": \"hello\"}", "/selected_content/variant"},
	{"unknown_value", SCENE_MEETING, "{\"/wait_type/type\": \"later\"}", "/wait_type/type"},
	{"unknown_value", SCENE_MEETING, "{\"/wait_type/risk_level\": \"huge\"}", "/wait_type/risk_level"},

	/* the plan */
	{"hard_blocker_overruled", SCENE_OPTED_OUT, "{\"/action\": \"send_message\"}", "/action"},
	{"hard_blocker_overruled", SCENE_MEETING, "{\"/action\": \"send_message\"}", "/action"},
	{"action_differs", SCENE_JUST_WRITTEN, "{\"/action\": \"no_action\", \"/wait_type\": null}", "/action"},

	/* the spec's eight INVALID rules */
	{"wait_execute_at_not_specified", SCENE_MEETING, "{\"/execution_timing/execute_at\": \"Not specified\"}", "/execution_timing/execute_at"},
	{"wait_without_type", SCENE_MEETING, "{\"/wait_type\": null}", "/wait_type"},
	{"wait_without_type", SCENE_MEETING, "{\"/wait_type\": " ABSENT "}", "/wait_type"},
	{"strength_without_breakdown", SCENE_DEAL, "{\"/rationale/opportunity_strength_breakdown\": null}", "/rationale/opportunity_strength_breakdown"},
	{"strength_without_breakdown", SCENE_DEAL, "{\"/rationale/opportunity_strength_breakdown\": " ABSENT "}", NULL},
	{"missing_sequence_plan", SCENE_DEAL, "{\"/sequence_instructions/sequence_plan\": []}", "/sequence_instructions/sequence_plan"},
	{"missing_sequence_plan", SCENE_DEAL, "{\"/sequence_instructions/sequence_plan\": " ABSENT "}", NULL},
	{"missing_pilot_health", SCENE_PILOT, "{\"/conditional_context/pilot_health\": null}", "/conditional_context/pilot_health"},
	{"missing_pilot_health", SCENE_PILOT, "{\"/conditional_context/pilot_health\": " ABSENT "}", NULL},
	{"strength_total_mismatch", SCENE_DEAL, "{\"/rationale/opportunity_strength\": 0.31}", "/rationale/opportunity_strength"},
	{"strength_total_mismatch", SCENE_DEAL, "{\"/rationale/opportunity_strength_breakdown/calculated_total\": 0.31}", NULL},
	{"strength_total_mismatch", SCENE_COLD, "{\"/rationale/opportunity_strength\": 1.7}", NULL},
	{"zero_strength_recent_meeting", SCENE_MET, "{\"/rationale/opportunity_strength\": 0}", "/rationale/opportunity_strength"},
	{"zero_strength_recent_meeting", SCENE_MET, "{\"/rationale/opportunity_strength\": 0, \"/rationale/opportunity_strength_breakdown/calculated_total\": 0}", NULL},
	{"pricing_below_floor", SCENE_DEAL, "{" SCORE("0.55", "0.55", "0.50", "positive_response", "+0.05") "}", "/rationale/opportunity_strength"},
	{"pricing_below_floor", SCENE_DEAL, "{\"/rationale/opportunity_strength\": 0.4, \"/rationale/opportunity_strength_breakdown/calculated_total\": 0.4}", NULL},

	/* wait and sequence */
	{"wait_type_incomplete", SCENE_MEETING, "{\"/wait_type/trigger_event\": \" \"}", "/wait_type/trigger_event"},
	{"wait_type_incomplete", SCENE_MEETING, "{\"/wait_type/reevaluation_trigger\": " ABSENT "}", "/wait_type/reevaluation_trigger"},
	{"wait_type_incomplete", SCENE_MEETING, "{\"/wait_type/type\": null}", "/wait_type/type"},
	{"wait_type_differs", SCENE_MEETING, "{\"/wait_type/type\": \"long_cycle\"}", "/wait_type/type"},
	{"wait_risk_level", SCENE_MEETING, "{\"/wait_type/risk_level\": \"critical\"}", "/wait_type/risk_level"},
	{"sequence_step_malformed", SCENE_DEAL, "{\"/sequence_instructions/sequence_plan\": [7]}", "/sequence_instructions/sequence_plan/0"},
	{"sequence_step_malformed", SCENE_DEAL, "{\"/sequence_instructions/sequence_plan\": [" STEP("soon") "]}", "/sequence_instructions/sequence_plan/0/planned_date"},
	{"", SCENE_DEAL, "{\"/sequence_instructions/sequence_plan\": [" STEP("2026-03-20T09:00:00+01:00") "]}", NULL},
	{"sequence_flag", SCENE_DEAL, "{\"/sequence_instructions/is_part_of_sequence\": false}", "/sequence_instructions/is_part_of_sequence"},

	/* fields per action */
	{"missing_channel", SCENE_COLD, "{\"/selected_channel\": null}", "/selected_channel"},
	{"missing_channel", SCENE_GHOSTED, "{\"/selected_channel\": " ABSENT "}", "/selected_channel"},
	{"missing_message", SCENE_COLD, "{\"/selected_content\": null}", "/selected_content"},
	{"missing_message", SCENE_COLD, "{\"/selected_content\": " ABSENT "}", "/selected_content"},
	{"missing_message", SCENE_GHOSTED, "{\"/selected_content/message\": \" \\n\"}", "/selected_content/message"},
	{"missing_tone", SCENE_COLD, "{\"/selected_content/tone\": null}", "/selected_content/tone"},
	{"wrong_content_source", SCENE_COLD, "{\"/selected_content/content_source\": \"me\"}", "/selected_content/content_source"},
	{"wrong_content_source", SCENE_COLD, "{\"/selected_content/content_source\": " ABSENT "}", "/selected_content/content_source"},
	{"missing_execute_at", SCENE_COLD, "{\"/execution_timing/execute_at\": null}", "/execution_timing/execute_at"},
	{"missing_execute_at", SCENE_GHOSTED, "{\"/execution_timing/execute_at\": " ABSENT "}", "/execution_timing/execute_at"},
	{"missing_reevaluate_at", SCENE_MEETING, "{\"/execution_timing/reevaluate_at\": null}", "/execution_timing/reevaluate_at"},
	{"unexpected_wait_type", SCENE_COLD, "{\"/wait_type\": {\"type\": \"long_cycle\", \"risk_level\": \"medium\", \"trigger_event\": \"x\", \"reevaluation_trigger\": \"y\"}}", "/wait_type"},
	{"unexpected_content", SCENE_MEETING, "{\"/selected_content\": {\"message\": \"Bonjour\", \"tone\": \"warm\", \"content_source\": \"wave2_content_generator\"}}", NULL},
	{"unexpected_content", SCENE_OPTED_OUT, "{\"/selected_content\": {\"message\": \"Bonjour\"}}", NULL},
	{"unexpected_channel", SCENE_MEETING, "{\"/selected_channel\": \"EMAIL\"}", "/selected_channel"},
	{"unexpected_execute_at", SCENE_OPTED_OUT, "{\"/execution_timing/execute_at\": \"2026-03-12T10:00:00+01:00\"}", "/execution_timing/execute_at"},
	{"", SCENE_MEETING, "{\"/execution_timing/execute_at\": \"2026-03-19T10:00:00+01:00\"}", NULL},
	{"action_differs", SCENE_GHOSTED, "{\"/action\": \"no_action\", \"/selected_content\": null, \"/selected_channel\": null, \"/execution_timing/execute_at\": null}", "/action"},

	/* times */
	{"time_not_iso", SCENE_COLD, "{\"/execution_timing/execute_at\": \"tomorrow at 9\"}", "/execution_timing/execute_at"},
	{"time_not_iso", SCENE_COLD, "{\"/execution_timing/execute_at\": \"Not specified\"}", "/execution_timing/execute_at"},
	{"time_not_iso", SCENE_MEETING, "{\"/execution_timing/reevaluate_at\": \"next week\"}", "/execution_timing/reevaluate_at"},
	{"time_without_zone", SCENE_COLD, "{\"/execution_timing/execute_at\": \"2026-03-12T10:00:00\"}", "/execution_timing/execute_at"},
	{"time_without_zone", SCENE_COLD, "{\"/execution_timing/execute_at\": \"2026-03-12\"}", "/execution_timing/execute_at"},
	{"unknown_timezone", SCENE_COLD, "{\"/execution_timing/timezone\": \"Mars/Olympus\"}", "/execution_timing/timezone"},
	{"timezone_differs", SCENE_COLD, "{\"/execution_timing/timezone\": \"America/New_York\"}", "/execution_timing/timezone"},
	{"wrong_offset", SCENE_COLD, "{\"/execution_timing/execute_at\": \"2026-03-12T09:00:00Z\"}", "/execution_timing/execute_at"},
	{"wrong_offset", SCENE_COLD, "{\"/execution_timing/execute_at\": \"2026-04-02T10:00:00+01:00\"}", "/execution_timing/execute_at"},
	{"", SCENE_COLD, "{\"/execution_timing/execute_at\": \"2026-04-02T10:00:00+02:00\"}", NULL},
	{"execute_at_past", SCENE_COLD, "{\"/execution_timing/execute_at\": \"2026-03-11T09:59:00+01:00\"}", "/execution_timing/execute_at"},
	{"execute_at_outside_hours", SCENE_COLD, "{\"/execution_timing/execute_at\": \"2026-03-14T10:00:00+01:00\"}", "/execution_timing/execute_at"},
	{"execute_at_outside_hours", SCENE_GHOSTED, "{\"/execution_timing/execute_at\": \"2026-03-12T08:59:00+01:00\"}", "/execution_timing/execute_at"},
	{"execute_at_outside_hours", SCENE_GHOSTED, "{\"/execution_timing/execute_at\": \"2026-03-12T18:00:00+01:00\"}", "/execution_timing/execute_at"},
	{"", SCENE_GHOSTED, "{\"/execution_timing/execute_at\": \"2026-03-12T17:59:00+01:00\"}", NULL},
	{"reevaluate_at_past", SCENE_MEETING, "{\"/execution_timing/reevaluate_at\": \"2026-03-10T09:00:00+01:00\"}", "/execution_timing/reevaluate_at"},
	{"execute_at_far", SCENE_COLD, "{\"/execution_timing/execute_at\": \"2027-06-30T10:00:00+02:00\"}", "/execution_timing/execute_at"},
	{"", SCENE_COLD, "{\"/execution_timing/execute_at\": \"2026-12-01T09:30:00+01:00\"}", NULL},
	{"reevaluate_at_far", SCENE_MEETING, "{\"/execution_timing/reevaluate_at\": \"9999-12-31T09:00:00+01:00\"}", "/execution_timing/reevaluate_at"},
	{"reevaluate_at_differs", SCENE_MEETING, "{\"/execution_timing/reevaluate_at\": \"2026-03-17T09:00:00+01:00\"}", "/execution_timing/reevaluate_at"},
	{"", SCENE_MEETING, "{\"/execution_timing/reevaluate_at\": \"2026-03-19T14:00:00+01:00\"}", NULL},

	/* message */
	{"channel_unavailable", SCENE_COLD, "{\"/selected_channel\": \"PHONE\"}", "/selected_channel"},
	{"", SCENE_COLD, MESSAGE("Bonjour In\xc3\xa8s, voici notre \xc3\xa9tude sur les ateliers [la lire](https://kam.example/e?x=1). Qu'en pensez-vous ?"), NULL},
	{"placeholder_left", SCENE_COLD, MESSAGE("Bonjour {{first_name}}, voici notre \xc3\xa9tude."), "/selected_content/message"},
	{"placeholder_left", SCENE_COLD, MESSAGE("Bonjour [Pr\xc3\xa9nom], voici notre \xc3\xa9tude."), NULL},
	{"placeholder_left", SCENE_COLD, MESSAGE("Une \xc3\xa9tude pour <company>."), NULL},
	{"placeholder_left", SCENE_COLD, MESSAGE("Bonjour {{ contact.first_name }}, une \xc3\xa9tude."), NULL},
	{"", SCENE_COLD, MESSAGE("Bonjour, 50% de gain et 20% de temps, [1], a < b et c > d."), NULL},
	{"", SCENE_LINKED, MESSAGE("Bonjour, l'\xc3\xa9tude : https://kam.example/e?x=1 et https://lumio.example/etude?id=7."), NULL},
	{"", SCENE_LINKED, MESSAGE("Vu sur atelier.example, https://www.atelier.example/, atelier-paris.example et https://www.atelier-paris.example/accueil."), NULL},
	{"", SCENE_LINKED, MESSAGE("Est-ce bien ines@atelier.example ou i.carpentier@groupe.example, au 06 12 34 56 78 ?"), NULL},
	{"", SCENE_LINKED, MESSAGE("paul.martin@lumio.example, 06 99 88 77 66, etude@kam.example, 01 23 45 67 89, https://linkedin.com/in/ines"), NULL},
	{"foreign_link", SCENE_LINKED, MESSAGE("Tout est l\xc3\xa0 : https://evil.example/pay"), "/selected_content/message"},
	{"foreign_link", SCENE_LINKED, MESSAGE("Tout est sur evil.example."), "/selected_content/message"},
	{"foreign_link", SCENE_LINKED, MESSAGE("Comme cit\xc3\xa9 : https://quoted.example/x"), "/selected_content/message"},
	{"foreign_link", SCENE_LINKED, MESSAGE("https://atelier.example/login"), "/selected_content/message"},
	{"foreign_link", SCENE_LINKED, MESSAGE("https://kam.example/e?x=2"), "/selected_content/message"},
	{"foreign_link", SCENE_LINKED, MESSAGE("https://kam.example@evil.example/e?x=1"), "/selected_content/message"},
	{"foreign_link", SCENE_LINKED, MESSAGE("https://kam.example.evil.example/e?x=1"), "/selected_content/message"},
	{"foreign_link", SCENE_LINKED, MESSAGE("[kam.example](https://evil.example)"), NULL},
	{"foreign_link", SCENE_LINKED, MESSAGE("Voir k\xc3\xa0m.example/e?x=1"), "/selected_content/message"},
	{"foreign_link", SCENE_COLD, "{\"/selected_content/subject\": \"\xc3\x89tude : bit.ly/3xYz\"}", "/selected_content/subject"},
	{"foreign_link", SCENE_COLD, "{\"/selected_content/link\": \"https://evil.example\"}", "/selected_content/link"},
	{"foreign_link", SCENE_DEAL, "{\"/sequence_instructions/sequence_plan/0/content\": \"Voir evil.com\"}", "/sequence_instructions/sequence_plan/0/content"},
	{"", SCENE_COLD, "{\"/rationale/action_reasoning\": \"They wrote of https://evil.example and marc@evil.example.\"}", NULL},
	{"foreign_recipient", SCENE_LINKED, MESSAGE("R\xc3\xa9pondez \xc3\xa0 marc@evil.example."), "/selected_content/message"},
	{"foreign_recipient", SCENE_LINKED, MESSAGE("R\xc3\xa9pondez \xc3\xa0 quoted@evil.example."), "/selected_content/message"},
	{"foreign_recipient", SCENE_LINKED, MESSAGE("Appelez le 07 11 22 33 44."), "/selected_content/message"},
	{"foreign_recipient", SCENE_LINKED, MESSAGE("https://www.linkedin.com/in/marc"), "/selected_content/message"},
	{"foreign_recipient", SCENE_LINKED, MESSAGE("Je suis sur Telegram, @evil_guy."), "/selected_content/message"},
	{"foreign_recipient", SCENE_COLD, "{\"/recipient\": \"marc@evil.example\"}", "/recipient"},
	{"foreign_recipient", SCENE_COLD, "{\"/selected_content/cc\": [\"ines@atelier.example\", \"marc@evil.example\"]}", "/selected_content/cc/1"},
	{"foreign_recipient", SCENE_COLD, "{\"/selected_content/to\": \"Marc\"}", "/selected_content/to"},
	{"foreign_recipient", SCENE_COLD, "{\"/selected_content/phone\": \"123456\"}", "/selected_content/phone"},
	{"foreign_recipient", SCENE_DEAL, "{\"/sequence_instructions/sequence_plan/0/recipient\": \"marc@evil.example\"}", "/sequence_instructions/sequence_plan/0/recipient"},
	{"", SCENE_COLD, "{\"/selected_content/to\": \"Ines@Atelier.example\", \"/recipient\": \"In\xc3\xa8s Carpentier\", \"/selected_content/from\": \"Paul Martin\"}", NULL},
	{"", SCENE_COLD, "{\"/selected_content/email_subject\": \"Votre \xc3\xa9tude\", \"/selected_content/addressed_objection\": \"prix\"}", NULL},
	{"foreign_account", SCENE_LINKED, MESSAGE("R\xc3\xa9glez sur l'IBAN FR76 3000 6000 0112 3456 7890 189."), "/selected_content/message"},
	{"foreign_account", SCENE_COLD, MESSAGE("Account number 12345678, please."), "/selected_content/message"},
	{"foreign_account", SCENE_DEAL, "{\"/sequence_instructions/sequence_plan/0/content\": \"BIC : BNPAFRPPXXX\"}", "/sequence_instructions/sequence_plan/0/content"},
	{"invented_amount", SCENE_COLD, MESSAGE("Bonjour In\xc3\xa8s, l'\xc3\xa9tude vaut 4 900 EUR."), "/selected_content/message"},
	{"invented_amount", SCENE_COLD, MESSAGE("Bonjour In\xc3\xa8s, nous vous offrons 15 % de remise."), "/selected_content/message"},
	{"invented_amount", SCENE_COLD, "{\"/selected_content/subject\": \"20% off\"}", "/selected_content/subject"},
	{"", SCENE_DEAL, MESSAGE("Bonjour In\xc3\xa8s, notre offre de 14 400 EUR tient toujours."), NULL},
	{"hidden_characters", SCENE_COLD, MESSAGE("Bonjour In\xc3\xa8s, voi\xe2\x80\x8b" "ci notre \xc3\xa9tude."), "/selected_content/message"},
	{"hidden_characters", SCENE_COLD, "{\"/selected_content/subject\": \"\xe2\x80\xae" "edut\xc3\x89\"}", "/selected_content/subject"},
	{"embedded_markup", SCENE_COLD, MESSAGE("Bonjour <b>In\xc3\xa8s</b>, voici notre \xc3\xa9tude."), "/selected_content/message"},
	{"embedded_markup", SCENE_COLD, MESSAGE("Bonjour ![vu](https://kam.example/e?x=1)"), "/selected_content/message"},
	{"channel_unavailable", SCENE_DEAL, "{\"/sequence_instructions/sequence_plan/0/channel\": \"phone\"}", "/sequence_instructions/sequence_plan/0/channel"},
	{"machine_talk", SCENE_COLD, MESSAGE("Bonjour In\xc3\xa8s, voici notre prompt."), "/selected_content/message"},
	{"question_count", SCENE_COLD, MESSAGE("Bonjour In\xc3\xa8s, comment allez-vous ? Avez-vous lu notre \xc3\xa9tude ?"), "/selected_content/message"},
	{"language_differs", SCENE_DEAL, MESSAGE("Hello In\xc3\xa8s, here is the study that you may want to read with your team."), "/selected_content/message"},
	{"variant_differs", SCENE_DEAL, "{\"/selected_content/variant\": \"first_touch\"}", "/selected_content/variant"},
	{"false_temporal_claim", SCENE_DEAL, MESSAGE("Bonjour In\xc3\xa8s, suite \xc3\xa0 notre \xc3\xa9" "change d'hier, voici l'\xc3\xa9tude."), "/selected_content/message"},
	{"false_temporal_claim", SCENE_COLD, MESSAGE("Bonjour In\xc3\xa8s, je vous ai \xc3\xa9" "crit la semaine derni\xc3\xa8re."), NULL},
	{"meeting_responsibility", SCENE_MISSED, MESSAGE("Bonjour In\xc3\xa8s, vous n'avez pas pu venir \xc3\xa0 notre r\xc3\xa9union."), "/selected_content/message"},
	{"", SCENE_MISSED, MESSAGE("Bonjour In\xc3\xa8s, toutes mes excuses, je n'ai pas pu me rendre disponible pour notre r\xc3\xa9union."), NULL},
	{"meeting_responsibility", SCENE_COLD, MESSAGE("Hi In\xc3\xa8s, you missed our call."), NULL},
	{"meeting_not_held", SCENE_COLD, MESSAGE("Bonjour In\xc3\xa8s, suite \xc3\xa0 notre r\xc3\xa9union, voici l'\xc3\xa9tude."), "/selected_content/message"},
	{"", SCENE_MET, MESSAGE("Bonjour In\xc3\xa8s, suite \xc3\xa0 notre r\xc3\xa9union, voici l'\xc3\xa9tude."), NULL},

	/* score */
	{"strength_out_of_range", SCENE_COLD, "{" SCORE("1.05", "1.05", "0.70", "x", "+0.35") "}", "/rationale/opportunity_strength"},
	{"strength_out_of_range", SCENE_COLD, "{" SCORE("-0.1", "-0.1", "0.20", "x", "-0.30") "}", "/rationale/opportunity_strength"},
	{"strength_below_floor", SCENE_MET, "{" SCORE("0.4", "0.4", "0.30", "inbound_interest", "+0.10") "}", "/rationale/opportunity_strength"},
	{"unknown_base_score", SCENE_MET, "{" SCORE("0.65", "0.65", "0.55", "inbound_interest", "+0.10") "}", "/rationale/opportunity_strength_breakdown/base_score"},
	{"unknown_base_score", SCENE_DEAL, "{\"/rationale/opportunity_strength_breakdown/base_score\": 0.62}", NULL},
	{"factor_malformed", SCENE_MET, "{" SCORE("0.6", "0.6", "0.50", "x", "a lot") "}", NULL},
	{"factor_malformed", SCENE_MET, "{\"/rationale/opportunity_strength_breakdown/factors/0\": 7}", "/rationale/opportunity_strength_breakdown/factors/0"},
	{"factor_without_evidence", SCENE_MET, "{\"/rationale/opportunity_strength_breakdown/factors/0/evidence\": \"\"}", "/rationale/opportunity_strength_breakdown/factors/0/evidence"},
	{"score_arithmetic", SCENE_MET, "{" SCORE("0.7", "0.7", "0.50", "inbound_interest", "+0.10") "}", "/rationale/opportunity_strength_breakdown/calculated_total"},
	{"score_arithmetic", SCENE_MET, "{\"/rationale/opportunity_strength_breakdown/factors/0/impact\": \"+0.01\"}", NULL},
	{"factor_out_of_range", SCENE_MET, "{" SCORE("0.9", "0.9", "0.50", "inbound_interest", "+0.40") "}", "/rationale/opportunity_strength_breakdown/factors/0/impact"},
	{"", SCENE_MET, "{" SCORE("0.6", "0.60", "0.5", "inbound_interest", "+0.10") "}", NULL},

	/* parts */
	{"unexpected_conditional", SCENE_COLD, "{\"/conditional_context/pilot_health\": {\"status\": \"running\"}}", "/conditional_context/pilot_health"},
	{"", SCENE_COLD, "{\"/conditional_context/known_objections\": []}", NULL},
	{"confidence_out_of_range", SCENE_COLD, "{\"/rationale/confidence_factors/timing_certainty\": 1.2}", "/rationale/confidence_factors/timing_certainty"},
	{"missing_reasoning", SCENE_COLD, "{\"/rationale/action_reasoning\": \"\"}", "/rationale/action_reasoning"},
	{"missing_safety_checks", SCENE_COLD, "{\"/synthesis_safety_checks\": " ABSENT "}", "/synthesis_safety_checks"},
	{"safety_check_malformed", SCENE_COLD, "{\"/synthesis_safety_checks/churn\": true}", "/synthesis_safety_checks/churn"},
	{"safety_check_malformed", SCENE_COLD, "{\"/synthesis_safety_checks/multi_deal\": " ABSENT "}", "/synthesis_safety_checks/multi_deal"},
	{"safety_check_failed", SCENE_COLD, "{\"/synthesis_safety_checks/churn/passed\": false}", "/synthesis_safety_checks/churn/passed"},
	{"unproven_evidence", SCENE_COLD, "{\"/rationale/evidence\": [{\"path\": \"/contact_info/company\", \"quote\": \"Usine\"}]}", "/rationale/evidence"},
	{"unproven_evidence", SCENE_COLD, "{\"/rationale/claim\": {\"text\": \"Met on 3 May.\", \"evidence\": [{\"path\": \"/contact_info/company\", \"quote\": \"Atelier\"}]}}", "/rationale/claim/evidence"},
	{"", SCENE_COLD, "{\"/rationale/evidence\": [{\"path\": \"/contact_info/company\", \"quote\": \"Atelier\"}]}", NULL},
};

/* ---- tests ---------------------------------------------------------------------------- */

TEST(builtin_decisions_pass)
{
	static const char *const actions[SCENES] = {
		"send_message", "send_message", "send_message", "wait", "wait", "no_action", "break_up", "wait", "send_message", "send_message"
	};

	for (int i = 0; i < SCENES; i++)
	{
		Case		c;

		open_contact(&c, contacts[i]);
		CHECK_STR(kam_get_string(kam_get_object(c.run.decision, "final_decision"), "action"), actions[i]);
		CHECK(!c.run.replaced, "scene %d was replaced", i);
		CHECK_INT(json_array_size(c.run.repairs), 0);
		CHECK_INT(json_array_size(c.run.findings), 0);
		CHECK_STR(findings(&c, c.run.decision, NULL), "");
		CHECK_STR(findings(&c, c.run.decision, c.run.output[KAM_CONTENT_GENERATOR]), "");
		CHECK_STR(findings(&c, kam_get_object(c.run.decision, "final_decision"), NULL), "");
		close_contact(&c);
	}
}

/* Does "rule path" name that rule alone? */
static bool
fired_alone(const char *got, const char *rule)
{
	size_t		n = strlen(rule);

	if (n == 0)
		return got[0] == '\0';
	for (const char *at = got; at != NULL; at = strstr(at, ", ") ? strstr(at, ", ") + 2 : NULL)
		if (strncmp(at, rule, n) != 0 || at[n] != ' ')
			return false;
	return true;
}

TEST(each_spoilt_decision_fires_its_rule_alone)
{
	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		Case		c;
		json_t	   *decision;
		const char *got;

		open_contact(&c, contacts[rows[i].scene]);
		decision = json_deep_copy(c.run.decision);
		spoil(decision, rows[i].edits);
		got = findings(&c, decision, NULL);
		CHECK(fired_alone(got, rows[i].rule), "%s: got \"%s\", not %s alone", rows[i].edits, got, rows[i].rule);
		if (rows[i].path != NULL)
			CHECK_STR(got, kam_printf(c.run.env.arena, "%s /final_decision%s", rows[i].rule, rows[i].path));
		json_decref(decision);
		close_contact(&c);
	}
}

/* Rules whose spoiling needs more than one edit of one scene stand in tests of their own. */
static const char *const tested_elsewhere[] = {
	"not_a_decision", "content_altered", "missing_conditional",
	/* test_injection.c */
	"steered_action", "steered_channel", "steered_wait", "steered_timing"
};

TEST(every_rule_is_spoilt_once)
{
	for (int r = 0; kam_check_rule(r) != NULL; r++)
	{
		bool		found = false;

		for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
			found |= strcmp(rows[i].rule, kam_check_rule(r)) == 0;
		for (size_t i = 0; i < KAM_LENGTHOF(tested_elsewhere); i++)
			found |= strcmp(tested_elsewhere[i], kam_check_rule(r)) == 0;
		CHECK(found, "no decision is spoilt for %s", kam_check_rule(r));
	}
	CHECK(kam_check_rule(-1) == NULL, "rule -1");
}

TEST(every_rule_is_documented)
{
	FILE	   *file = fopen("docs/guard.md", "r");
	char		line[2000];
	char	   *seen = calloc(1, 1);

	CHECK(file != NULL, "run from the top of the tree");
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, "| `", 3) == 0)
		{
			seen = realloc(seen, strlen(seen) + strlen(line) + 1);
			strcat(seen, line);
		}
	if (file != NULL)
		fclose(file);
	for (int r = 0; kam_check_rule(r) != NULL; r++)
	{
		snprintf(line, sizeof line, "| `%s` |", kam_check_rule(r));
		CHECK(strstr(seen, line) != NULL, "docs/guard.md has no line for %s", kam_check_rule(r));
	}
	free(seen);
}

TEST(content_is_passed_through)
{
	Case		c;
	json_t	   *decision,
			   *content;

	open_contact(&c, contacts[SCENE_COLD]);
	decision = json_deep_copy(c.run.decision);
	spoil(decision, MESSAGE("Bonjour In\xc3\xa8s, voici notre \xc3\xa9tude."));
	CHECK_STR(findings(&c, decision, c.run.output[KAM_CONTENT_GENERATOR]), "content_altered /final_decision/selected_content/message");
	CHECK_STR(findings(&c, decision, NULL), "");
	content = json_loads("{\"generated_content\": {\"PHONE\": {\"message\": \"x\"}}}", 0, NULL);
	CHECK_STR(findings(&c, decision, content), "content_altered /final_decision/selected_content/message");
	json_decref(content);
	json_decref(decision);
	close_contact(&c);
}

TEST(called_for_structures_are_missed)
{
	Case		c;
	json_t	   *decision;
	const char *key = NULL;

	/* a cycle of more than three months calls for buying_process */
	open_contact(&c, "{\"contact_info\": " INES ", \"activities\": [" MAIL("inbound", "2026-03-05T10:00:00+01:00", "Point", "Bonjour Paul.") "], "
				 DEAL("Abonnement", "2025-10-01") "}");
	CHECK_STR(findings(&c, c.run.decision, NULL), "");
	for (int i = 1; i < kam_conditional_count; i++)
		if (kam_conditionals[i].triggered(&c.run.env, &c.run.contact, &c.run.facts))
			key = kam_conditionals[i].key;
	CHECK_STR(key, "buying_process");
	decision = json_deep_copy(c.run.decision);
	spoil(decision, "{\"/conditional_context/buying_process\": null}");
	CHECK_STR(findings(&c, decision, NULL), "missing_conditional /final_decision/conditional_context/buying_process");
	spoil(decision, "{\"/conditional_context/buying_process\": " ABSENT "}");
	CHECK_STR(findings(&c, decision, NULL), "missing_conditional /final_decision/conditional_context/buying_process");
	json_decref(decision);
	close_contact(&c);
}

/* Whatever JSON comes in the place of a decision or of any part of it: findings, no crash. */
TEST(any_json_anywhere)
{
	static const char *const values[] = {
		"null", "true", "7", "-1e308", "\"x\"", "\"\"", "[]", "{}", "[[{}]]", "{\"final_decision\": []}", "{\"final_decision\": {}}",
		"{\"a\": {\"b\": null}}", "\"2026-99-99T99:99:99+99:99\"", "[null, 1, \"x\", {}]"
	};
	Case		c;

	open_contact(&c, contacts[SCENE_DEAL]);
	for (size_t i = 0; i < KAM_LENGTHOF(values); i++)
	{
		json_t	   *value = json_loads(values[i], JSON_DECODE_ANY, NULL);
		const char *got = findings(&c, value, value);
		json_t	   *repairs;

		if (strcmp(values[i], "{\"final_decision\": {}}") != 0)
			CHECK(fired_alone(got, "not_a_decision"), "%s: %s", values[i], got);
		repairs = kam_repair(&c.run.env, &c.run.contact, &c.run.facts, &c.run.plan, value, value);
		json_decref(repairs);
		json_decref(kam_safety_checks(&c.run.env, &c.run.contact, &c.run.facts, &c.run.plan, value));
		json_decref(value);
	}
	/* each member of a good decision replaced by each value, at every depth */
	for (size_t i = 0; i < KAM_LENGTHOF(values); i++)
	{
		const char *paths[200];
		int			n = 0;
		struct
		{
			const json_t *value;
			const char *path;
		}			stack[400];
		int			top = 0;

		stack[top].value = c.run.decision;
		stack[top++].path = "";
		while (top > 0)
		{
			const json_t *value = stack[--top].value;
			const char *path = stack[top].path;
			const char *key;
			json_t	   *member;

			if (path[0] != '\0' && n < 200)
				paths[n++] = path;
			if (json_is_object(value))
				json_object_foreach((json_t *) value, key, member)
					if (top < 400)
					{
						stack[top].value = member;
						stack[top++].path = kam_printf(c.run.env.arena, "%s/%s", path, key);
					}
		}
		CHECK(n > 60, "%d places", n);
		for (int p = 0; p < n; p++)
		{
			json_t	   *decision = json_deep_copy(c.run.decision);
			const char *slash = strrchr(paths[p], '/');
			json_t	   *parent = (json_t *) kam_pointer(decision, kam_strndup(c.run.env.arena, paths[p], (size_t) (slash - paths[p])));

			json_object_set_new(parent, slash + 1, json_loads(values[i], JSON_DECODE_ANY, NULL));
			findings(&c, decision, c.run.output[KAM_CONTENT_GENERATOR]);
			json_decref(kam_repair(&c.run.env, &c.run.contact, &c.run.facts, &c.run.plan, decision, c.run.output[KAM_CONTENT_GENERATOR]));
			findings(&c, decision, NULL);
			json_decref(kam_safety_checks(&c.run.env, &c.run.contact, &c.run.facts, &c.run.plan, decision));
			json_decref(decision);
		}
	}
	close_contact(&c);
}

/* A model's answer as the contract gives one, for a contact that it fits: nothing to repair. */
TEST(a_models_good_answer_passes)
{
	static const char answer_text[] =
		"{\"final_decision\": {\"action\": \"send_message\", \"selected_channel\": \"EMAIL\""
		", \"selected_content\": {\"message\": \"Bonjour In\xc3\xa8s, voici la fiche technique du module 4. Souhaitez-vous que nous la parcourions ensemble ?\""
		", \"tone\": \"professional-friendly\", \"content_source\": \"wave2_content_generator\"}"
		", \"execution_timing\": {\"execute_at\": \"2026-12-01T09:30:00+01:00\", \"reevaluate_at\": null"
		", \"timezone\": \"Europe/Paris\"}, \"wait_type\": null, \"sequence_instructions\": {\"is_part_of_sequence\": false"
		", \"sequence_plan\": []}"
		", \"rationale\": {\"action_reasoning\": \"She asked for the data sheet and the ball is with us.\""
		", \"channel_reasoning\": \"She answers e-mail.\", \"timing_reasoning\": \"Her answers come on weekday mornings.\""
		", \"historical_alignment\": null, \"opportunity_strength\": 0.6"
		", \"opportunity_strength_breakdown\": {\"base_score\": 0.5, \"factors\": [{\"factor\": \"inbound_interest\""
		", \"impact\": \"+0.10\", \"evidence\": \"asked for the data sheet\"}], \"calculated_total\": 0.6}"
		", \"confidence_factors\": {\"relationship_certainty\": 0.8, \"timing_certainty\": 0.75"
		", \"channel_certainty\": 0.85, \"content_quality\": 0.9, \"historical_pattern_match\": null}"
		", \"risk_factors\": [], \"success_criteria\": {\"minimum_success\": \"opened\""
		", \"expected_success\": \"answer within 5 days\", \"ideal_success\": \"meeting\"}}"
		", \"conditional_context\": {\"pilot_health\": null, \"stakeholder_map\": null"
		", \"explicit_timing_agreement\": null, \"buying_committee\": null, \"known_objections\": null"
		", \"competitive_context\": null, \"buying_process\": null}}"
		", \"metadata\": {\"historical_validation_performed\": false}}";
	static const char contact_text[] = "{\"contact_info\": " INES ", \"activities\": ["
		MAIL("outbound", "2026-11-24T10:00:00+01:00", "Module 4", "Bonjour In\xc3\xa8s, voici une pr\xc3\xa9sentation du module 4.") ", "
		MAIL("inbound", "2026-11-27T09:40:00+01:00", "Re: Module 4", "Bonjour Paul, pouvez-vous m'envoyer la fiche technique du module 4 ?") "]}";
	KamEnv		env = test_env("2026-11-30T10:00:00+01:00");
	KamError	error = {0};
	Case		c = {.contact = json_loads(contact_text, 0, NULL)};
	json_t	   *answer = json_loads(answer_text, 0, NULL),
			   *repairs;

	CHECK(answer != NULL && c.contact != NULL && kam_run_open(&c.run, env.arena, &env, c.contact, NULL, &error), "%s", error.message);
	CHECK_STR(findings(&c, answer, NULL), "missing_safety_checks /final_decision/synthesis_safety_checks");
	repairs = kam_repair(&c.run.env, &c.run.contact, &c.run.facts, &c.run.plan, answer, NULL);
	CHECK_INT(json_array_size(repairs), 0);
	CHECK_STR(findings(&c, answer, NULL), "");
	json_decref(repairs);
	json_decref(answer);
	close_contact(&c);
}

/* ---- temporal claims -------------------------------------------------------------------- */

TEST(temporal_claims)
{
	/* what happened: e-mails of 16 February and 6 March, a meeting on 19 February; today is Wednesday 11 March 2026 */
	static const struct
	{
		const char *message;
		bool		true_;
	}			claims[] = {
		{"Bonjour, voici l'\xc3\xa9tude.", true},
		{"Suite \xc3\xa0 votre message de la semaine derni\xc3\xa8re, voici l'\xc3\xa9tude.", true},
		{"Suite \xc3\xa0 notre \xc3\xa9" "change d'hier, voici l'\xc3\xa9tude.", false},
		{"Merci pour notre \xc3\xa9" "change d'avant-hier.", false},
		{"Depuis notre \xc3\xa9" "change d'il y a deux semaines, avez-vous avanc\xc3\xa9 ?", false},
		{"Depuis notre \xc3\xa9" "change d'il y a trois semaines, avez-vous avanc\xc3\xa9 ?", true},
		{"Suite \xc3\xa0 notre r\xc3\xa9union du mois dernier.", true},
		{"Nous avons \xc3\xa9" "chang\xc3\xa9 r\xc3\xa9" "cemment.", true},
		{"Suite \xc3\xa0 notre r\xc3\xa9union du 19 f\xc3\xa9vrier.", true},
		{"Suite \xc3\xa0 notre r\xc3\xa9union du 3 f\xc3\xa9vrier.", false},
		{"Seriez-vous disponible pour un appel le 24 mars ?", true},
		{"Je vous propose de caler notre point du 24 mars.", true},
		{"Je vous recontacte la semaine prochaine.", true},
		{"Following your message from last week, here is the study.", true},
		{"Following our call yesterday, here is the study.", false},
		{"As we discussed two days ago, here is the study.", false},
		{"Since we last spoke two weeks ago, things have moved.", false},
		{"Following our call on March 3rd, here is the study.", false},
		{"Following our meeting on February 19th, here is the study.", true},
		{"We spoke five days ago.", true},
		{"We met last month.", true},
		{"We met last year.", false},
		{"We last exchanged over two weeks ago.", true},
		{"We spoke this morning.", false},
		{"We spoke a few weeks ago.", true},
		{"We exchanged a few months ago.", false},
		{"Would a call on March 24th suit you?", true},
		{"See you next Tuesday.", true},
	};
	Case		c;

	open_contact(&c, contacts[SCENE_DEAL]);
	for (size_t i = 0; i < KAM_LENGTHOF(claims); i++)
	{
		json_t	   *faults = kam_false_temporal_claims(&c.run.env, &c.run.contact, &c.run.facts, claims[i].message);

		CHECK((json_array_size(faults) == 0) == claims[i].true_, "\"%s\": %s", claims[i].message,
			  json_array_size(faults) > 0 ? kam_get_string(json_array_get(faults, 0), "why") : "no fault");
		for (size_t k = 0; k < json_array_size(faults); k++)
			CHECK(strstr(claims[i].message, kam_get_string(json_array_get(faults, k), "quote")) != NULL, "quote of \"%s\"", claims[i].message);
		json_decref(faults);
	}
	close_contact(&c);
}

TEST(who_missed_the_meeting)
{
	static const struct
	{
		const char *message,
				   *side;		/* who is blamed, NULL nobody */
	}			rows_[] = {
		{"Vous n'avez pas pu venir \xc3\xa0 notre rendez-vous.", "them"},
		{"Je vous ai attendu pour notre visio.", "them"},
		{"You missed our call.", "them"},
		{"Sorry we missed you on the call.", "them"},
		{"You couldn't make it to our meeting.", "them"},
		{"Je n'ai pas pu me rendre disponible pour notre appel.", "us"},
		{"D\xc3\xa9sol\xc3\xa9 d'avoir manqu\xc3\xa9 notre rendez-vous.", "us"},
		{"Sorry I missed our meeting.", "us"},
		{"I wasn't able to join our call.", "us"},
		{"Quand pourrions-nous fixer une r\xc3\xa9union ?", NULL},
		{"Nous n'avons pas pu \xc3\xaatre plus clairs sur le prix.", NULL},
		{"I could not be happier with the result.", NULL},
	};
	static const char *const sides[] = {"us", "them"};
	Case		c;

	open_contact(&c, contacts[SCENE_MISSED]);
	CHECK(c.run.facts.no_show, "the no-show is a fact");
	CHECK_STR(c.run.facts.no_show_responsible, "us");
	for (size_t i = 0; i < KAM_LENGTHOF(rows_); i++)
		for (size_t s = 0; s < KAM_LENGTHOF(sides); s++)
		{
			json_t	   *decision = json_deep_copy(c.run.decision);
			KamFindings found;
			bool		fired = false;

			c.run.facts.no_show_responsible = sides[s];
			json_object_set_new((json_t *) kam_pointer(decision, "/final_decision/selected_content"), "message", json_string(rows_[i].message));
			kam_check(&c.run.env, &c.run.contact, &c.run.facts, &c.run.plan, NULL, decision, NULL, &found);
			for (int k = 0; k < found.count; k++)
				fired |= strcmp(found.finding[k].rule, "meeting_responsibility") == 0;
			CHECK(fired == (rows_[i].side != NULL && strcmp(rows_[i].side, sides[s]) != 0), "\"%s\" when %s missed it", rows_[i].message, sides[s]);
			json_decref(decision);
		}
	close_contact(&c);
}

/* A decision of a megabyte is judged in a moment, and its findings are bounded. */
TEST(huge_decisions)
{
	static const char *const units[] = {
		"recently we spoke ", "{{x}} ", "hier ", "{", "[a", "le 3 mars ", "you missed our call ", "? a", "il y a quelques semaines nous avons parl\xc3\xa9 "
	};
	size_t		size = 1000 * 1000;
	char	   *text = malloc(size + 1);
	Case		c;

	open_contact(&c, contacts[SCENE_DEAL]);
	for (size_t i = 0; i < KAM_LENGTHOF(units); i++)
	{
		json_t	   *decision = json_deep_copy(c.run.decision);
		json_t	   *risks = json_array();
		KamFindings found;
		size_t		unit = strlen(units[i]);

		for (size_t at = 0; at < size; at++)
			text[at] = units[i][at % unit];
		text[size - size % unit] = '\0';
		for (int k = 0; k < 100000; k++)
			json_array_append_new(risks, json_integer(k));
		json_object_set_new((json_t *) kam_pointer(decision, "/final_decision/selected_content"), "message", json_string(text));
		json_object_set_new((json_t *) kam_pointer(decision, "/final_decision/rationale"), "risk_factors", risks);
		kam_check(&c.run.env, &c.run.contact, &c.run.facts, &c.run.plan, NULL, decision, NULL, &found);
		CHECK_INT(found.count, 200);
		json_decref(decision);
	}
	free(text);
	close_contact(&c);
}

/* ---- safety checks --------------------------------------------------------------------------- */

TEST(safety_checks_look_at_the_decision)
{
	static const struct
	{
		Scene		scene;
		const char *edits,
				   *check,
				   *detail;		/* part of it */
	}			rows_[] = {
		{SCENE_MEETING, "{\"/action\": \"send_message\"}", "scheduled_touchpoint", "2026-03-18"},
		{SCENE_DEAL, "{\"/selected_content/message\": \"Suite \xc3\xa0 notre \xc3\xa9" "change d'hier.\"}", "temporal_accuracy", "hier"},
		{SCENE_DEAL, "{\"/selected_content/message\": \"Oui ? Non ?\"}", "question_count", "2 questions"},
		{SCENE_MISSED, "{\"/selected_content/message\": \"You missed our call.\"}", "meeting_responsibility", "You missed our"},
		{SCENE_GHOSTED, "{\"/action\": \"send_message\"}", "semantic_outbound", "5 follow-ups"},
		{SCENE_DEAL, "{\"/action\": \"break_up\"}", "multi_deal", "1 open"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows_); i++)
	{
		Case		c;
		json_t	   *decision,
				   *checks;
		const char *name;
		json_t	   *check;

		open_contact(&c, contacts[rows_[i].scene]);
		decision = json_deep_copy(c.run.decision);
		spoil(decision, rows_[i].edits);
		checks = kam_safety_checks(&c.run.env, &c.run.contact, &c.run.facts, &c.run.plan, kam_get_object(decision, "final_decision"));
		CHECK_INT(json_object_size(checks), 8);
		json_object_foreach(checks, name, check)
		{
			const char *detail = kam_get_string(check, "detail");

			CHECK(json_is_true(json_object_get(check, "passed")) == (strcmp(name, rows_[i].check) != 0), "%s after %s: %s", name, rows_[i].edits, detail);
			if (strcmp(name, rows_[i].check) == 0)
				CHECK(strstr(detail, rows_[i].detail) != NULL, "%s: %s", name, detail);
		}
		json_decref(checks);
		json_decref(decision);
		close_contact(&c);
	}
}

/* ---- repair -------------------------------------------------------------------------------------- */

TEST(what_has_one_right_value_is_repaired)
{
	static const struct
	{
		Scene		scene;
		const char *edits,
				   *rules;		/* repairs, in order, joined by a space */
	}			rows_[] = {
		{SCENE_DEAL, "{\"/rationale/opportunity_strength\": 0.31}", "strength_total_mismatch"},
		{SCENE_DEAL, "{\"/rationale/opportunity_strength_breakdown/calculated_total\": 0.31}", "score_arithmetic"},
		{SCENE_MET, "{" SCORE("0.4", "0.4", "0.30", "inbound_interest", "+0.10") "}", "strength_below_floor score_arithmetic strength_total_mismatch"},
		{SCENE_MET, "{" SCORE("0.9", "0.9", "0.50", "inbound_interest", "+0.40") "}", "factor_out_of_range score_arithmetic strength_total_mismatch"},
		{SCENE_COLD, "{" SCORE("1.05", "1.05", "0.70", "x", "+0.35") "}", "strength_out_of_range score_arithmetic strength_total_mismatch"},
		{SCENE_COLD, "{\"/wait_type\": " ABSENT ", \"/rationale/success_criteria\": " ABSENT "}", "missing_key missing_key missing_key missing_key missing_key"},
		{SCENE_COLD, "{\"/selected_channel\": \"email\", \"/action\": \"Send Message\"}", "unknown_value unknown_value"},
		{SCENE_COLD, "{\"/execution_timing/execute_at\": \"2026-03-12T09:00:00Z\"}", "wrong_offset"},
		{SCENE_COLD, "{\"/execution_timing/execute_at\": \"2026-03-14T10:00:00+01:00\"}", "execute_at_outside_hours"},
		{SCENE_COLD, "{\"/execution_timing/execute_at\": \"2026-03-02T10:00:00+01:00\"}", "execute_at_past"},
		{SCENE_COLD, "{\"/execution_timing/execute_at\": \"Not specified\"}", "time_not_iso"},
		{SCENE_COLD, "{\"/execution_timing/execute_at\": null}", "missing_execute_at"},
		{SCENE_COLD, "{\"/execution_timing/timezone\": \"Mars/Olympus\"}", "unknown_timezone"},
		{SCENE_COLD, "{\"/selected_content/content_source\": \"me\"}", "wrong_content_source"},
		{SCENE_COLD, "{\"/selected_content/message\": \"Other\"}", "content_altered"},
		{SCENE_COLD, "{\"/selected_content/subject\": \"Other\"}", "content_altered"},
		{SCENE_COLD, "{\"/selected_content/note\": \"\xe2\x80\x8bx\"}", "hidden_characters"},
		{SCENE_DEAL, "{\"/sequence_instructions/sequence_plan/0/content\": \"a\xe2\x80\x8b" "b\"}", "hidden_characters"},
		{SCENE_COLD, "{\"/selected_content/tone\": \"\"}", "missing_tone"},
		{SCENE_COLD, "{\"/conditional_context\": {\"pilot_health\": {\"x\": 1}}}",
		"unexpected_conditional missing_key missing_key missing_key missing_key missing_key missing_key"},
		{SCENE_COLD, "{\"/synthesis_safety_checks\": " ABSENT "}", ""},
		{SCENE_COLD, "{\"/synthesis_safety_checks/churn\": true}", "safety_check_malformed"},
		{SCENE_COLD, "{\"/rationale/confidence_factors/timing_certainty\": 1.2}", "confidence_out_of_range"},
		{SCENE_COLD, "{\"//metadata\": " ABSENT "}", "missing_key"},
		{SCENE_PILOT, "{\"/conditional_context/pilot_health\": null}", "missing_pilot_health"},
		{SCENE_MEETING, "{\"/wait_type\": null}", "wait_without_type wait_type_incomplete wait_type_incomplete wait_type_incomplete wait_type_incomplete"},
		{SCENE_MEETING, "{\"/wait_type/risk_level\": \"high\"}", "wait_risk_level"},
		{SCENE_MEETING, "{\"/execution_timing/execute_at\": \"Not specified\"}", "wait_execute_at_not_specified"},
		{SCENE_MEETING, "{\"/execution_timing/reevaluate_at\": \"2026-03-17T09:00:00+01:00\"}", "reevaluate_at_differs"},
		{SCENE_MEETING, "{\"/execution_timing/reevaluate_at\": null}", "missing_reevaluate_at"},
		{SCENE_MEETING, "{\"/selected_channel\": \"EMAIL\", \"/selected_content\": {\"message\": \"x\"}}", "unexpected_content unexpected_channel"},
		{SCENE_OPTED_OUT, "{\"/execution_timing/execute_at\": \"2026-03-12T10:00:00+01:00\"}", "unexpected_execute_at"},
		{SCENE_DEAL, "{\"/sequence_instructions/is_part_of_sequence\": false}", "sequence_flag"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows_); i++)
	{
		Case		c;
		json_t	   *decision,
				   *repairs,
				   *again;
		const char *rules = "";

		open_contact(&c, contacts[rows_[i].scene]);
		decision = json_deep_copy(c.run.decision);
		spoil(decision, rows_[i].edits);
		repairs = kam_repair(&c.run.env, &c.run.contact, &c.run.facts, &c.run.plan, decision, c.run.output[KAM_CONTENT_GENERATOR]);
		for (size_t k = 0; k < json_array_size(repairs); k++)
		{
			const json_t *row = json_array_get(repairs, k);

			rules = kam_printf(c.run.env.arena, "%s%s%s", rules, k > 0 ? " " : "", kam_get_string(row, "rule"));
			CHECK(kam_get_string(row, "path") != NULL && json_object_get(row, "was") != NULL && json_object_get(row, "now") != NULL,
				  "a repair row of %s", rows_[i].edits);
		}
		CHECK(strcmp(rules, rows_[i].rules) == 0, "%s: \"%s\", not \"%s\"", rows_[i].edits, rules, rows_[i].rules);
		CHECK_STR(findings(&c, decision, c.run.output[KAM_CONTENT_GENERATOR]), "");
		again = kam_repair(&c.run.env, &c.run.contact, &c.run.facts, &c.run.plan, decision, c.run.output[KAM_CONTENT_GENERATOR]);
		CHECK_INT(json_array_size(again), 0);
		json_decref(again);
		json_decref(repairs);
		json_decref(decision);
		close_contact(&c);
	}
}

/* What needs judgement is left for the rules to tell of. */
TEST(what_needs_judgement_is_left)
{
	static const Spoilt rows_[] = {
		{"strength_without_breakdown", SCENE_DEAL, "{\"/rationale/opportunity_strength_breakdown\": null}", NULL},
		{"missing_sequence_plan", SCENE_DEAL, "{\"/sequence_instructions/sequence_plan\": []}", NULL},
		{"hard_blocker_overruled", SCENE_OPTED_OUT, "{\"/action\": \"break_up\"}", NULL},
		{"unknown_base_score", SCENE_DEAL, "{\"/rationale/opportunity_strength_breakdown/base_score\": 0.62}", NULL},
		{"missing_reasoning", SCENE_DEAL, "{\"/rationale/action_reasoning\": null}", NULL},
		{"safety_check_failed", SCENE_DEAL, "{\"/synthesis_safety_checks/churn/passed\": false}", NULL},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows_); i++)
	{
		Case		c;
		json_t	   *decision;
		const char *got;

		open_contact(&c, contacts[rows_[i].scene]);
		decision = json_deep_copy(c.run.decision);
		spoil(decision, rows_[i].edits);
		json_decref(kam_repair(&c.run.env, &c.run.contact, &c.run.facts, &c.run.plan, decision, NULL));
		got = findings(&c, decision, NULL);
		CHECK(strstr(got, rows_[i].rule) != NULL, "%s: \"%s\"", rows_[i].edits, got);
		json_decref(decision);
		close_contact(&c);
	}
}

RUN_TESTS()
