/*
 * test/unit/test_agents.c: the built-in agents: full outputs that fit their
 * schemas, messages a person could send, an evaluator that names the agent at
 * fault, a judge that can say no.
 *
 * KAM_SHOW=1 prints the messages, to be read by a person.
 */
#include "contacts.h"

#include <glob.h>
#include <math.h>

#include "core/schema.h"
#include "core/text.h"

#define AS_OF "2026-03-11T10:00:00+01:00"

/* ---- helpers --------------------------------------------------------------- */

static json_t *
load(const char *path)
{
	json_error_t error;
	json_t	   *json = json_load_file(path, 0, &error);

	CHECK(json != NULL, "%s: %s", path, error.text);
	return json;
}

static const json_t *
schema_of(KamAgent agent)
{
	static json_t *schemas[KAM_AGENTS];	/* kept to the end: reachable, so no leak */
	char		path[200];

	if (schemas[agent] == NULL)
	{
		snprintf(path, sizeof path, "prompts/%s.schema.json", kam_agent_name(agent));
		schemas[agent] = load(path);
	}
	return schemas[agent];
}

/* The faults of a value against an agent's schema, as text; NULL when there is none. */
static char *
schema_faults(KamArena *arena, KamAgent agent, const json_t *value)
{
	json_t	   *faults = kam_schema_check(arena, schema_of(agent), value);
	char	   *out = NULL;

	if (json_array_size(faults) > 0)
		out = json_dumps(faults, JSON_COMPACT);
	json_decref(faults);
	return out;
}

static void
check_schema(const char *what, KamArena *arena, KamAgent agent, const json_t *value)
{
	char	   *faults = schema_faults(arena, agent, value);

	CHECK(faults == NULL, "%s: %s: %s", what, kam_agent_name(agent), faults);
	free(faults);
}

static const json_t *
decision_of(const TestRun *t)
{
	return kam_get_object(t->run.decision, "final_decision");
}

static const char *
message_of(const TestRun *t, const char *channel)
{
	return kam_get_string(kam_get_object(kam_get_object(t->run.output[KAM_CONTENT_GENERATOR], "generated_content"), channel), "message");
}

/* What must hold of every message, whoever it is for. */
static void
check_message(const char *what, TestRun *t, const char *channel, const json_t *content)
{
	KamArena   *arena = t->env.arena;
	const char *message = kam_get_string(content, "message");
	const char *language = kam_get_string(t->run.output[KAM_CONTENT_GENERATOR], "language");
	KamTokens	tokens;
	json_t	   *claims;
	const char *said;
	int			characters = 0;
	int			words = 0;

	CHECK(message != NULL && message[0] != '\0', "%s: %s has no message", what, channel);
	if (message == NULL)
		return;
	for (const char *p = message; *p; p++)
	{
		characters += ((unsigned char) *p & 0xC0) != 0x80;
		words += (p == message || p[-1] == ' ' || p[-1] == '\n') && *p != ' ' && *p != '\n';
	}
	CHECK(strpbrk(message, "{}[]<>|") == NULL, "%s: placeholder in %s", what, message);
	CHECK(strstr(message, "(null)") == NULL && strstr(message, "  ") == NULL && strstr(message, "\n\n\n") == NULL,
		  "%s: a hole in %s", what, message);
	CHECK(strstr(message, " ,") == NULL && strstr(message, " .") == NULL && strstr(message, "..") == NULL, "%s: punctuation of %s", what, message);
	CHECK(kam_count_questions(message) <= 1, "%s: questions in %s", what, message);
	tokens = kam_tokenize(arena, message, strlen(message));
	said = kam_language(&tokens);
	CHECK(said == NULL || strcmp(said, language) == 0, "%s: %s in %s", what, message, language);
	claims = kam_false_temporal_claims(&t->env, &t->run.contact, &t->run.facts, message);
	CHECK(json_array_size(claims) == 0, "%s: false claim in %s", what, message);
	json_decref(claims);
	if (strcmp(channel, "LINKEDIN") == 0)
		CHECK(characters <= 300, "%s: %d characters: %s", what, characters, message);
	if (strcmp(channel, "WHATSAPP") == 0)
		CHECK(characters <= 320, "%s: %d characters: %s", what, characters, message);
	if (strcmp(channel, "EMAIL") == 0)
	{
		const char *subject = kam_get_string(content, "subject");

		CHECK(words >= 60 && words <= 130, "%s: %d words: %s", what, words, message);
		CHECK(subject != NULL && subject[0] != '\0' && strpbrk(subject, "{}\n?") == NULL, "%s: subject %s", what, subject);
	}
	if (getenv("KAM_SHOW"))
		printf("--- %s, %s, %d words, %d characters\n[%s]\n%s\n", what, channel, words, characters,
			   kam_get_string(content, "subject") ? kam_get_string(content, "subject") : "", message);
}

/* Every message of a run; how many there are. */
static int
check_messages(const char *what, TestRun *t)
{
	const json_t *all = kam_get_object(t->run.output[KAM_CONTENT_GENERATOR], "generated_content");
	const char *channel;
	json_t	   *content;
	int			n = 0;

	json_object_foreach((json_t *) all, channel, content)
	{
		check_message(what, t, channel, content);
		n++;
	}
	return n;
}

static void
check_outputs(const char *what, TestRun *t)
{
	for (int agent = 0; agent < KAM_AGENTS; agent++)
		check_schema(what, t->env.arena, (KamAgent) agent, t->run.output[agent]);
}

/* ---- contacts for each wording ------------------------------------------------ */

typedef struct Person
{
	const char *first,
			   *last,
			   *job,
			   *company,
			   *owner,
			   *email;
} Person;

static const Person people[] = {
	{"Inès", "Carpentier", "Responsable énergie", "Fonderies Valmont", "Camille Roussel", "a1@x.example"},
	{"JEAN-PIERRE", "O'Neil", "Directeur technique", "Brasseries d'Opale SAS", "Hugo Marchand", "a2@x.example"},
	{NULL, NULL, NULL, NULL, NULL, "a3@x.example"},
	{"{{first_name}}", "Test", "[job title]", "<company>", "owner@x.example", "a4@x.example"},
	{"Ömer Ali", "Yılmaz", "Head of Operations & Energy", "Ålesund Fisk \"Nord\" AB", "Sophie Brennan", "a5@x.example"},
	{"N/A", "Martin", "CEO?", "Très Très Longue Raison Sociale Industrielle Du Grand Ouest Et Associés Réunis SA", "Zoë", "a6@x.example"},
	{"김민준", NULL, "Energy Manager", "Calder Bottling Ltd", "Sophie Brennan", "a7@x.example"},
};

static void
put_text(json_t *object, const char *key, const char *text)
{
	if (text != NULL)
		kam_put(object, key, kam_string(text));
}

static json_t *
contact_of(const Person *person, const char *language)
{
	json_t	   *contact = kam_object();
	json_t	   *info = kam_object();

	put_text(info, "first_name", person->first);
	put_text(info, "last_name", person->last);
	put_text(info, "job_title", person->job);
	put_text(info, "company", person->company);
	put_text(info, "owner", person->owner);
	put_text(info, "email", person->email);
	put_text(info, "language", language);
	put_text(info, "phone", "+33 6 39 98 21 15");
	put_text(info, "linkedin_url", "https://www.linkedin.com/in/example");
	kam_put(info, "whatsapp", json_true());
	kam_put(contact, "contact_info", info);
	kam_put(contact, "activities", kam_array());
	return contact;
}

static void
add_activity(json_t *contact, const char *type, const char *direction, const char *at, const char *subject, const char *body)
{
	json_t	   *activity = kam_object();
	json_t	   *metadata = kam_object();

	put_text(activity, "activity_type", type);
	put_text(activity, "direction", direction);
	put_text(activity, "recorded_on", at);
	put_text(metadata, "subject", subject);
	put_text(metadata, "body", body);
	kam_put(activity, "metadata", metadata);
	kam_push(json_object_get(contact, "activities"), activity);
}

static const char *
in(const char *language, const char *fr, const char *en)
{
	return strcmp(language, "fr") == 0 ? fr : en;
}

/* A contact for whom the tree calls for the variant. */
static json_t *
contact_for(KamVariant variant, const Person *person, const char *language)
{
	json_t	   *c = contact_of(person, language);
	const char *us = in(language, "Bonjour, nous aidons les sites industriels à suivre leur énergie. Qu'en pensez-vous ?",
						"Hello, we help industrial sites to follow their energy. What do you think of it?");
	const char *subject = in(language, "Suivi énergétique de vos ateliers", "Energy follow-up of your halls");
	const char *ask = in(language, "Bonjour, merci pour votre message. Pouvez-vous m'envoyer la fiche technique du module 4 ?",
						 "Hello, thanks for your message. Could you send me the data sheet of module 4?");
	json_t	   *deal;

	switch (variant)
	{
		case KAM_FIRST_TOUCH:
		case KAM_NO_VARIANT:
			break;
		case KAM_FOLLOW_UP:
			add_activity(c, "email", "outbound", "2026-03-03T09:00:00+01:00", subject, us);
			add_activity(c, "email", "inbound", "2026-03-10T09:00:00+01:00", subject, ask);
			break;
		case KAM_LIGHTER_TOUCH:
			add_activity(c, "email", "outbound", "2026-02-10T09:00:00+01:00", subject, us);
			add_activity(c, "email", "outbound", "2026-02-17T09:00:00+01:00", subject, us);
			add_activity(c, "email", "outbound", "2026-02-26T09:00:00+01:00", subject, us);
			break;
		case KAM_RE_ENGAGEMENT:
			add_activity(c, "email", "inbound", "2025-12-01T09:00:00+01:00", subject, ask);
			add_activity(c, "email", "outbound", "2025-12-02T09:00:00+01:00", subject, us);
			break;
		case KAM_ENGAGEMENT_SIGNAL:
			add_activity(c, "email", "outbound", "2026-03-02T09:00:00+01:00", subject, us);
			add_activity(c, "linkedin_like", "inbound", "2026-03-09T09:00:00+01:00",
						 in(language, "Publication : « Combien coûte une fuite de 3 mm ? »", "Post: \"What does a leak of 3 mm cost?\""), NULL);
			break;
		case KAM_ACTIVE_DEAL:
			add_activity(c, "email", "inbound", "2026-02-24T09:00:00+01:00", subject,
						 in(language, "Bonjour, votre proposition me convient dans les grandes lignes, je la transmets.",
							"Hello, your proposal suits me by and large, I am passing it on."));
			add_activity(c, "email", "outbound", "2026-03-02T09:00:00+01:00", subject, us);
			deal = test_json("{'deal_id': 'D-1', 'name': 'Atelier nord – 22 points', 'status': 'OPEN', 'created_on': '2026-02-20'}");
			kam_put(c, "deals", json_pack("[o]", deal));
			break;
		case KAM_CHURN_ACKNOWLEDGEMENT:
			add_activity(c, "email", "outbound", "2026-02-02T09:00:00+01:00", subject, us);
			add_activity(c, "email", "inbound", "2026-03-10T09:00:00+01:00", in(language, "Résiliation", "Termination"),
						 in(language, "Bonjour, nous avons décidé de résilier notre contrat à son échéance. Cordialement",
							"Hello, we have decided to terminate our contract at the end of its term. Regards"));
			break;
		case KAM_BREAK_UP_MESSAGE:
			add_activity(c, "email", "outbound", "2026-01-06T09:00:00+01:00", subject, us);
			add_activity(c, "email", "outbound", "2026-01-14T09:00:00+01:00", subject, us);
			add_activity(c, "email", "outbound", "2026-01-22T09:00:00+01:00", subject, us);
			add_activity(c, "email", "outbound", "2026-02-03T09:00:00+01:00", subject, us);
			add_activity(c, "email", "outbound", "2026-02-17T09:00:00+01:00", subject, us);
			break;
	}
	return c;
}

static json_t *
resources(void)
{
	return test_json("[{'resource_id': 'R-1', 'title': 'Fiche technique du module 4', 'url': 'https://lumio.example/m4', 'language': 'fr',"
					 "  'topics': ['capteurs'], 'match_terms': ['fiche technique', 'module 4'], 'body': ''},"
					 " {'resource_id': 'R-2', 'title': 'Module 4 data sheet', 'url': 'https://lumio.example/m4-en', 'language': 'en',"
					 "  'topics': ['sensors'], 'match_terms': ['data sheet', 'module 4'], 'body': ''},"
					 " {'resource_id': 'R-3', 'title': 'Guide de la géothermie', 'url': 'https://lumio.example/geo', 'language': 'fr',"
					 "  'topics': ['géothermie'], 'match_terms': ['forage'], 'body': ''}]");
}

static TestRun *
run_variant(KamVariant variant, const Person *person, const char *language, const json_t *rows)
{
	TestRun    *t = open_json(contact_for(variant, person, language), AS_OF);

	t->run.in.resources = rows;
	kam_run_builtin(&t->run, true);
	return t;
}

/* ---- tests ------------------------------------------------------------------------ */

TEST(agents_have_their_keys_and_waves)
{
	CHECK_STR(kam_agent_name(KAM_CONTENT_GENERATOR), "content_generator");
	for (int agent = 0; agent < KAM_AGENTS; agent++)
		CHECK_INT(kam_agent_from_name(kam_agent_name((KamAgent) agent)), agent);
	CHECK_INT(kam_agent_from_name("nobody"), -1);
	CHECK_INT(kam_agent_from_name(NULL), -1);
	CHECK_INT(kam_agent_wave(KAM_WAVE1_EVALUATOR), 1);
	CHECK_INT(kam_agent_wave(KAM_SEQUENCE_STRATEGIST), 2);
	CHECK_INT(kam_agent_wave(KAM_SYNTHESIS_ORCHESTRATOR), 3);
	CHECK_INT(kam_agent_wave(KAM_DECISION_EVALUATOR), 4);
}

TEST(contract_examples_fit_the_schemas)
{
	KamArena   *arena = kam_arena_new();
	json_t	   *examples = load("test/unit/data/agent-outputs.json");

	for (int agent = 0; agent < KAM_AGENTS; agent++)
		check_schema("example", arena, (KamAgent) agent, json_object_get(examples, kam_agent_name((KamAgent) agent)));
	json_decref(examples);
	kam_arena_free(arena);
}

/* Each required key taken away, and each enumeration given a wrong value, is refused. */
TEST(schemas_refuse_what_the_contract_refuses)
{
	static const struct
	{
		KamAgent	agent;
		const char *path;
		const char *value;
	}			wrong[] = {
		{KAM_CONTEXT_RELATIONSHIP_ANALYZER, "/relationship_stage", "'lukewarm'"},
		{KAM_CONTEXT_RELATIONSHIP_ANALYZER, "/depth_score", "1.5"},
		{KAM_CONTEXT_RELATIONSHIP_ANALYZER, "/trajectory", "null"},
		{KAM_STATE_ANALYZER, "/who_has_ball", "'you'"},
		{KAM_STATE_ANALYZER, "/action_needed", "'yes'"},
		{KAM_STATE_ANALYZER, "/urgency", "'extreme'"},
		{KAM_TIMING_STRATEGIST, "/velocity", "'fastest'"},
		{KAM_CHANNEL_SELECTOR, "/primary_channel", "'FAX'"},
		{KAM_CONTENT_GENERATOR, "/language", "'de'"},
		{KAM_SYNTHESIS_ORCHESTRATOR, "/final_decision/action", "'maybe'"},
		{KAM_SYNTHESIS_ORCHESTRATOR, "/final_decision/rationale/opportunity_strength", "'0.6'"},
		{KAM_DECISION_EVALUATOR, "/overall_score", "11"},
		{KAM_DECISION_EVALUATOR, "/verdict", "'superb'"},
	};
	KamArena   *arena = kam_arena_new();
	json_t	   *examples = load("test/unit/data/agent-outputs.json");

	for (size_t i = 0; i < KAM_LENGTHOF(wrong); i++)
	{
		json_t	   *copy = json_deep_copy(json_object_get(examples, kam_agent_name(wrong[i].agent)));
		char		parent[200];
		char	   *slash;
		char	   *faults;

		snprintf(parent, sizeof parent, "%s", wrong[i].path);
		slash = strrchr(parent, '/');
		*slash = '\0';
		kam_put((json_t *) kam_pointer(copy, parent), slash + 1, test_json(wrong[i].value));
		faults = schema_faults(arena, wrong[i].agent, copy);
		CHECK(faults != NULL, "%s accepts %s at %s", kam_agent_name(wrong[i].agent), wrong[i].value, wrong[i].path);
		free(faults);
		json_decref(copy);
	}
	for (int agent = 0; agent < KAM_AGENTS; agent++)
	{
		const json_t *example = json_object_get(examples, kam_agent_name((KamAgent) agent));
		const char *key;
		json_t	   *value;

		json_object_foreach((json_t *) example, key, value)
		{
			json_t	   *copy = json_deep_copy(example);
			char	   *faults;

			json_object_del(copy, key);
			faults = schema_faults(arena, (KamAgent) agent, copy);
			CHECK(faults != NULL, "%s does not miss %s", kam_agent_name((KamAgent) agent), key);
			free(faults);
			json_decref(copy);
		}
	}
	json_decref(examples);
	kam_arena_free(arena);
}

TEST(sample_contacts_get_full_outputs)
{
	glob_t		files;
	json_t	   *rows = resources();

	CHECK_INT(glob("examples/contacts/*.json", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++)
	{
		const char *path = files.gl_pathv[i];
		char		expect_path[300];
		json_t	   *expect;
		TestRun    *t;
		const json_t *evaluation;

		if (strstr(path, ".expect.") != NULL)
			continue;
		snprintf(expect_path, sizeof expect_path, "%.*s.expect.json", (int) (strlen(path) - 5), path);
		expect = load(expect_path);
		t = open_json(load(path), kam_get_string(expect, "as_of"));
		t->run.in.resources = rows;
		kam_run_builtin(&t->run, true);
		check_outputs(path, t);
		evaluation = kam_dig(t->run.output[KAM_WAVE1_EVALUATOR], "evaluation_decision");
		CHECK(strcmp(kam_get_string(evaluation, "action"), "continue") == 0, "%s: %s", path, kam_get_string(evaluation, "reasoning"));
		CHECK(!t->run.replaced, "%s: replaced", path);
		CHECK_INT(json_array_size(t->run.findings), 0);
		check_messages(path, t);
		CHECK(kam_get_number(t->run.output[KAM_DECISION_EVALUATOR], "overall_score", 0) >= 8 &&
			  kam_get_number(t->run.output[KAM_DECISION_EVALUATOR], "overall_score", 0) <= 9.5, "%s: judged %.2f", path,
			  kam_get_number(t->run.output[KAM_DECISION_EVALUATOR], "overall_score", 0));
		if (t->run.plan.action == KAM_WAIT || t->run.plan.action == KAM_NO_ACTION)
		{
			CHECK_INT(json_object_size(kam_get_object(t->run.output[KAM_CONTENT_GENERATOR], "generated_content")), 0);
			CHECK(kam_get_string(t->run.output[KAM_CONTENT_GENERATOR], "not_needed") != NULL, "%s gives no reason", path);
			CHECK(json_is_null(json_object_get(decision_of(t), "selected_content")), "%s has content", path);
		}
		close_run(t);
		json_decref(expect);
	}
	globfree(&files);
	json_decref(rows);
}

TEST(every_wording_reads_well_for_everybody)
{
	static const char *const languages[] = {"fr", "en"};
	json_t	   *rows = resources();

	for (int variant = KAM_FIRST_TOUCH; variant <= KAM_BREAK_UP_MESSAGE; variant++)
		for (int l = 0; l < 2; l++)
			for (size_t p = 0; p < KAM_LENGTHOF(people); p++)
				for (int with = 0; with < 2; with++)
				{
					TestRun    *t = run_variant((KamVariant) variant, &people[p], languages[l], with ? rows : NULL);
					char		what[100];
					const char *selected = kam_get_string(kam_get_object(decision_of(t), "selected_content"), "message");
					const char *channel = kam_get_string(decision_of(t), "selected_channel");

					snprintf(what, sizeof what, "%s/%s/%s", kam_variant_name((KamVariant) variant), languages[l],
							 people[p].first ? people[p].first : "nobody");
					CHECK(t->run.plan.variant == (KamVariant) variant, "%s: the tree says %s", what, t->run.plan.rule);
					CHECK_STR(kam_get_string(t->run.output[KAM_CONTENT_GENERATOR], "language"), languages[l]);
					CHECK(check_messages(what, t) == 4, "%s: not four channels", what);
					check_outputs(what, t);
					CHECK(!t->run.replaced && json_array_size(t->run.findings) == 0, "%s: %s", what,
						  kam_get_string(json_array_get(t->run.findings, 0), "message"));
					CHECK(channel != NULL && selected != NULL && strcmp(selected, message_of(t, channel)) == 0, "%s: passed on altered", what);
					close_run(t);
				}
	json_decref(rows);
}

TEST(names_are_written_as_people_write_them)
{
	TestRun    *t = run_variant(KAM_FIRST_TOUCH, &people[1], "fr", NULL);

	CHECK(strstr(message_of(t, "EMAIL"), "Bonjour Jean-Pierre,") != NULL, "%s", message_of(t, "EMAIL"));
	CHECK(strstr(message_of(t, "EMAIL"), "SAS") == NULL, "%s", message_of(t, "EMAIL"));
	CHECK(strstr(message_of(t, "EMAIL"), "directeur technique") != NULL || strstr(message_of(t, "EMAIL"), "Directeur technique") == NULL,
		  "%s", message_of(t, "EMAIL"));
	close_run(t);
	t = run_variant(KAM_FIRST_TOUCH, &people[3], "en", NULL);
	CHECK(strncmp(message_of(t, "EMAIL"), "Hello,\n", 7) == 0, "%s", message_of(t, "EMAIL"));
	CHECK(strstr(message_of(t, "EMAIL"), "@") == NULL, "%s", message_of(t, "EMAIL"));
	close_run(t);
	t = run_variant(KAM_FIRST_TOUCH, &people[4], "en", NULL);
	CHECK(strncmp(message_of(t, "EMAIL"), "Hello Ömer Ali,", 15) == 0, "%s", message_of(t, "EMAIL"));
	close_run(t);
}

TEST(a_request_is_answered_with_the_resource_that_matches)
{
	json_t	   *rows = resources();
	TestRun    *t = run_variant(KAM_FOLLOW_UP, &people[0], "fr", rows);
	const json_t *first = json_array_get(kam_get_array(t->run.output[KAM_OPPORTUNITY_DETECTOR], "opportunities"), 0);
	const char *message = message_of(t, "EMAIL");

	CHECK_STR(kam_get_string(first, "type"), "request_answer");
	CHECK_STR(kam_get_string(first, "resource_id"), "R-1");
	CHECK(strstr(message, "https://lumio.example/m4\n") != NULL, "%s", message);
	CHECK(strstr(message, "la fiche technique du module 4") != NULL, "%s", message);
	CHECK(strstr(message, "Fiche technique du module 4") == NULL, "named twice: %s", message);
	CHECK(strstr(message, "Inès") != NULL, "%s", message);
	CHECK(strstr(message_of(t, "LINKEDIN"), "https://lumio.example/m4") != NULL, "%s", message_of(t, "LINKEDIN"));
	close_run(t);
	t = run_variant(KAM_FOLLOW_UP, &people[6], "en", rows);
	CHECK_STR(kam_get_string(t->run.output[KAM_CONTENT_GENERATOR], "resource_id"), "R-2");
	CHECK(strstr(message_of(t, "EMAIL"), "the data sheet of module 4") != NULL || strstr(message_of(t, "EMAIL"), "Module 4 data sheet") != NULL,
		  "%s", message_of(t, "EMAIL"));
	close_run(t);
	/* without it the message says that the answer comes, and names what was asked for */
	t = run_variant(KAM_FOLLOW_UP, &people[0], "fr", NULL);
	CHECK(strstr(message_of(t, "EMAIL"), "la fiche technique du module 4") != NULL, "%s", message_of(t, "EMAIL"));
	CHECK(strstr(message_of(t, "EMAIL"), "http") == NULL, "%s", message_of(t, "EMAIL"));
	close_run(t);
	/* a contact who speaks of something else gets none */
	t = run_variant(KAM_ACTIVE_DEAL, &people[0], "fr", rows);
	CHECK(json_is_null(json_object_get(t->run.output[KAM_CONTENT_GENERATOR], "resource_id")), "%s", message_of(t, "EMAIL"));
	close_run(t);
	json_decref(rows);
}

/* "module 6" is not answered with the data sheet of module 4, nor is another document of the same kind handed over for it. */
TEST(a_resource_for_something_else_is_no_answer)
{
	static const char *const asks[] = {
		"Bonjour, pouvez-vous m'envoyer la fiche technique du module 6 ?",
		"Bonjour, pouvez-vous m'envoyer la fiche technique de la passerelle radio extérieure ?",
	};
	json_t	   *rows = resources();

	for (size_t i = 0; i < KAM_LENGTHOF(asks); i++)
	{
		json_t	   *c = contact_of(&people[0], "fr");
		TestRun    *t;

		add_activity(c, "email", "inbound", "2026-03-10T09:00:00+01:00", "Question", asks[i]);
		t = open_json(c, AS_OF);
		t->run.in.resources = rows;
		kam_run_builtin(&t->run, false);
		CHECK(strstr(message_of(t, "EMAIL"), "Voici la fiche") == NULL && strstr(message_of(t, "EMAIL"), "vous trouverez la fiche") == NULL &&
			  strstr(message_of(t, "EMAIL"), "transmets la fiche") == NULL, "%s", message_of(t, "EMAIL"));
		if (i == 0)
			CHECK(strstr(message_of(t, "EMAIL"), "http") == NULL, "%s", message_of(t, "EMAIL"));
		CHECK(strstr(message_of(t, "EMAIL"), "la fiche technique d") != NULL, "%s", message_of(t, "EMAIL"));
		close_run(t);
	}
	json_decref(rows);
}

TEST(hooks_are_the_contacts_own_words)
{
	glob_t		files;
	int			hooks = 0;

	CHECK_INT(glob("examples/contacts/*.json", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++)
	{
		TestRun    *t;
		const json_t *list;

		if (strstr(files.gl_pathv[i], ".expect.") != NULL)
			continue;
		t = open_json(load(files.gl_pathv[i]), AS_OF);
		kam_run_builtin(&t->run, false);
		list = kam_get_array(t->run.output[KAM_OPPORTUNITY_DETECTOR], "hooks");
		for (size_t h = 0; h < json_array_size(list); h++, hooks++)
		{
			const char *hook = json_string_value(json_array_get(list, h));
			bool		found = false;

			for (int a = 0; a < t->run.contact.nactivities; a++)
			{
				const KamActivity *activity = &t->run.contact.activities[a];

				found |= activity->direction == KAM_INBOUND && ((activity->body != NULL && strstr(activity->body, hook) != NULL) ||
																(activity->subject != NULL && strstr(activity->subject, hook) != NULL));
			}
			CHECK(found, "%s: \"%s\" is nobody's word", files.gl_pathv[i], hook);
			CHECK(strlen(hook) <= 160 && strchr(hook, '\n') == NULL, "%s: \"%s\"", files.gl_pathv[i], hook);
		}
		close_run(t);
	}
	CHECK(hooks >= 5, "only %d hooks in all samples", hooks);
	globfree(&files);
}

TEST(two_hundred_contacts_do_not_get_one_text)
{
	static const KamVariant variants[] = {KAM_FIRST_TOUCH, KAM_LIGHTER_TOUCH, KAM_RE_ENGAGEMENT, KAM_BREAK_UP_MESSAGE, KAM_ACTIVE_DEAL};

	for (size_t v = 0; v < KAM_LENGTHOF(variants); v++)
	{
		char	   *seen[200];
		int			distinct = 0;

		for (int i = 0; i < 200; i++)
		{
			char		email[40];
			Person		person = people[0];
			TestRun    *t;
			const char *message;
			bool		known = false;

			snprintf(email, sizeof email, "person%d@x.example", i);
			person.email = email;
			t = run_variant(variants[v], &person, i % 2 ? "fr" : "en", NULL);
			message = message_of(t, "EMAIL");
			for (int k = 0; k < distinct; k++)
				known |= strcmp(seen[k], message) == 0;
			if (!known)
				seen[distinct++] = strdup(message);
			close_run(t);
		}
		CHECK(distinct >= 24, "%s: %d texts for 200 contacts", kam_variant_name(variants[v]), distinct);
		while (distinct > 0)
			free(seen[--distinct]);
	}
}

TEST(the_same_contact_gets_the_same_text)
{
	TestRun    *a = run_variant(KAM_RE_ENGAGEMENT, &people[0], "fr", NULL);
	TestRun    *b = run_variant(KAM_RE_ENGAGEMENT, &people[0], "fr", NULL);

	CHECK(json_equal(a->run.decision, b->run.decision), "two runs differ");
	close_run(a);
	close_run(b);
}

TEST(a_missed_meeting_is_whose_it_was)
{
	json_t	   *c = contact_of(&people[0], "fr");
	TestRun    *t;

	add_activity(c, "email", "inbound", "2026-03-05T15:00:00+01:00", "Notre visio",
				 "Bonjour, je vous ai attendu en visio à 14h et personne ne s'est connecté de votre côté. Vous n'étiez pas au rendez-vous.");
	t = open_json(c, AS_OF);
	kam_run_builtin(&t->run, true);
	if (t->run.facts.no_show && t->run.facts.no_show_responsible != NULL && strcmp(t->run.facts.no_show_responsible, "us") == 0)
		CHECK(strstr(message_of(t, "EMAIL"), "excus") != NULL, "%s", message_of(t, "EMAIL"));
	else
		CHECK(false, "the no-show is not ours");
	check_messages("no-show", t);
	CHECK(!t->run.replaced, "replaced");
	close_run(t);
}

/* ---- the evaluator --------------------------------------------------------------------- */

/* Runs wave 1 with one output spoilt and returns the evaluator's. */
static json_t *
evaluate_spoilt(TestRun *t, KamAgent agent, const char *key, json_t *value)
{
	json_t	   *spoilt;
	json_t	   *verdict;
	KamInputs	inputs;

	for (int a = 0; a < KAM_WAVE1_EVALUATOR; a++)
		if (t->run.output[a] == NULL)
		{
			t->run.output[a] = kam_builtin_run(&t->run.env, (KamAgent) a, &t->run.in);
			t->run.in.output[a] = t->run.output[a];
		}
	inputs = t->run.in;
	spoilt = json_deep_copy(t->run.output[agent]);
	if (key == NULL)
	{
		json_decref(spoilt);
		spoilt = value;
	}
	else
		kam_put(spoilt, key, value);
	inputs.output[agent] = spoilt;
	verdict = kam_builtin_run(&t->run.env, KAM_WAVE1_EVALUATOR, &inputs);
	json_decref(spoilt);
	return verdict;
}

/* The verdict sends back exactly that agent, and its instruction holds the words. */
static void
check_sent_back(const json_t *verdict, KamAgent agent, const char *words)
{
	const json_t *decision = kam_get_object(verdict, "evaluation_decision");

	CHECK_STR(kam_get_string(decision, "action"), "retry");
	for (int a = 0; a < KAM_WAVE1_EVALUATOR; a++)
	{
		const char *instruction = kam_get_string(kam_get_object(decision, "retry_instructions"), kam_agent_name((KamAgent) a));

		if (a != (int) agent)
			CHECK(instruction == NULL, "%s is sent back too: %s", kam_agent_name((KamAgent) a), instruction);
		else
			CHECK(instruction != NULL && strstr(instruction, words) != NULL, "%s: %s does not name %s", kam_agent_name((KamAgent) a),
				  instruction ? instruction : "(none)", words);
	}
}

TEST(an_invented_value_sends_back_the_agent_that_made_it)
{
	static const struct
	{
		KamAgent	agent;
		const char *key;
		const char *value;
		const char *words;
	}			spoilt[] = {
		{KAM_CONTEXT_RELATIONSHIP_ANALYZER, "summary", "'She met us on 14 January 2024 and liked it.'", "14 January 2024"},
		{KAM_OPPORTUNITY_DETECTOR, "hooks", "['la fiche technique', 'le devis de 99 750 €']", "99 750"},
		{KAM_OPPORTUNITY_DETECTOR, "opportunities", "[{'type': 'x', 'reason': 'Budget of 250,000 EUR confirmed.', 'strength': 0.5, 'resource_id': null}]", "250,000"},
		{KAM_STATE_ANALYZER, "note", "'They called on 2025-06-19.'", "2025-06-19"},
		{KAM_TIMING_STRATEGIST, "patterns", "['they answered on 3 August 2025 within one hour']", "3 August 2025"},
		{KAM_STATE_ANALYZER, "claims", "[{'text': 'They wrote on 2025-06-19.', 'evidence': [{'path': '/activities/0/recorded_on', 'quote': '2025-06-19'}]}]", "2025-06-19"},
		{KAM_TIMING_STRATEGIST, "claims", "[{'text': 'Fast.', 'evidence': [{'path': '/activities/77/recorded_on', 'quote': 'x'}]}]", "/activities/77"},
		{KAM_TIMING_STRATEGIST, "velocity", "'quick'", "velocity"},
		{KAM_STATE_ANALYZER, "who_has_ball", "'them'", "who_has_ball"},
		{KAM_CONTEXT_RELATIONSHIP_ANALYZER, "relationship_stage", "'qualified'", "relationship_stage"},
		{KAM_OPPORTUNITY_DETECTOR, "strength_score", "null", "strength_score"},
		{KAM_CONTEXT_RELATIONSHIP_ANALYZER, NULL, "{}", "empty"},
		{KAM_TIMING_STRATEGIST, NULL, "null", "empty"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(spoilt); i++)
	{
		TestRun    *t = open_json(contact_for(KAM_FOLLOW_UP, &people[0], "fr"), AS_OF);
		json_t	   *verdict = evaluate_spoilt(t, spoilt[i].agent, spoilt[i].key, test_json(spoilt[i].value));
		json_t	   *clean = kam_builtin_run(&t->run.env, KAM_WAVE1_EVALUATOR, &t->run.in);

		check_sent_back(verdict, spoilt[i].agent, spoilt[i].words);
		check_schema("verdict", t->env.arena, KAM_WAVE1_EVALUATOR, verdict);
		CHECK(kam_get_number(kam_get_object(verdict, "quality_scores"), "factual_accuracy", 1) <
			  kam_get_number(kam_get_object(clean, "quality_scores"), "factual_accuracy", 0), "the score is not lowered");
		CHECK_STR(kam_get_string(kam_get_object(clean, "evaluation_decision"), "action"), "continue");
		json_decref(verdict);
		json_decref(clean);
		close_run(t);
	}
}

/* What no analysis mentions although it matters goes back to the one that should have seen it. */
TEST(a_missed_end_of_contract_is_sent_back)
{
	static const char *const silent[] = {
		"{'relationship_stage': 'aware', 'depth_score': 0.2, 'trajectory': 'stable', 'summary': 'All is well.', 'claims': []}",
		"{'opportunities': [], 'strength_score': 0.2, 'hooks': [], 'claims': []}",
		"{'who_has_ball': 'us', 'temperature': 'warm', 'action_needed': true, 'urgency': 'high', 'claims': []}",
		"{'optimal_send_window': {'days': [], 'start': '09:00', 'end': '11:00', 'timezone': 'UTC'}, 'velocity': 'steady', 'patterns': [], 'claims': []}",
	};
	TestRun    *t = open_json(contact_for(KAM_CHURN_ACKNOWLEDGEMENT, &people[0], "fr"), AS_OF);
	KamInputs	inputs = t->run.in;
	json_t	   *outputs[KAM_WAVE1_EVALUATOR];
	json_t	   *verdict;

	CHECK(t->run.facts.churn != NULL, "no churn found");
	for (int a = 0; a < KAM_WAVE1_EVALUATOR; a++)
		inputs.output[a] = outputs[a] = test_json(silent[a]);
	verdict = kam_builtin_run(&t->run.env, KAM_WAVE1_EVALUATOR, &inputs);
	check_sent_back(verdict, KAM_CONTEXT_RELATIONSHIP_ANALYZER, "contract");
	CHECK_INT(json_array_size(kam_get_array(kam_get_object(verdict, "fact_check"), "missed")), 1);
	json_decref(verdict);
	kam_put(outputs[KAM_STATE_ANALYZER], "note", kam_string("She is cancelling the contract."));
	verdict = kam_builtin_run(&t->run.env, KAM_WAVE1_EVALUATOR, &inputs);
	CHECK_STR(kam_get_string(kam_get_object(verdict, "evaluation_decision"), "action"), "continue");
	json_decref(verdict);
	for (int a = 0; a < KAM_WAVE1_EVALUATOR; a++)
		json_decref(outputs[a]);
	close_run(t);
}

TEST(junk_never_crashes_the_agents)
{
	static const char *const junk[] = {
		"null", "true", "7", "'text'", "[]", "[[[1]]]", "{}", "{'claims': 5, 'final_decision': []}",
		"{'claims': [1, null, {'text': 4, 'evidence': 'x'}, {'evidence': [[]]}], 'generated_content': {'EMAIL': 'x', 'PHONE': {'message': 3}}}",
		"{'primary_channel': 'FAX', 'touches': [null, {'channel': 'EMAIL'}, 7], 'evaluation_decision': 'go'}",
		"{'final_decision': {'action': 3, 'selected_content': {'message': []}, 'rationale': 'x'}, 'metadata': 1}",
	};

	for (size_t i = 0; i < KAM_LENGTHOF(junk); i++)
	{
		TestRun    *t = open_json(contact_for(KAM_FOLLOW_UP, &people[0], "fr"), AS_OF);
		json_t	   *value = test_json(junk[i]);
		KamInputs	inputs = t->run.in;

		for (int agent = 0; agent < KAM_AGENTS; agent++)
			inputs.output[agent] = value;
		inputs.decision = inputs.resources = inputs.practices = inputs.history = value;
		for (int agent = 0; agent < KAM_AGENTS; agent++)
		{
			json_t	   *out = kam_builtin_run(&t->run.env, (KamAgent) agent, &inputs);

			check_schema(junk[i], t->env.arena, (KamAgent) agent, out);
			json_decref(out);
		}
		json_decref(value);
		close_run(t);
	}
}

/* ---- the judge ---------------------------------------------------------------------------- */

static double
judged(TestRun *t, const json_t *decision)
{
	KamInputs	inputs = t->run.in;
	json_t	   *out;
	double		score;

	inputs.decision = decision;
	out = kam_builtin_run(&t->run.env, KAM_DECISION_EVALUATOR, &inputs);
	check_schema("judge", t->env.arena, KAM_DECISION_EVALUATOR, out);
	score = kam_get_number(out, "overall_score", -1);
	json_decref(out);
	return score;
}

TEST(a_spoilt_decision_is_judged_three_points_lower)
{
	static const struct
	{
		const char *parent;
		const char *key;
		const char *value;
	}			spoilt[] = {
		{"/final_decision", "action", "'wait'"},
		{"/final_decision", "action", "'no_action'"},
		{"/final_decision", "selected_channel", "null"},
		{"/final_decision", "selected_content", "null"},
		{"/final_decision/selected_content", "message", "''"},
		{"/final_decision/selected_content", "message", "'Bonjour, comment allez-vous ? Que faites-vous ? Quand signons-nous ?'"},
		{"/final_decision/selected_content", "message", "'Bonjour {{first_name}}, achetez notre produit.'"},
		{"/final_decision/selected_content", "message", "'Hello there, buy our product now because it is the best that you can have for your money.'"},
		{"/final_decision/selected_content", "message", "'Bonjour Inès, suite à notre rendez-vous du 14 janvier 2024, voici 30 % de remise.'"},
		{"/final_decision/execution_timing", "execute_at", "'2026-03-14T03:00:00+01:00'"},
		{"/final_decision/execution_timing", "execute_at", "'tomorrow'"},
		{"/final_decision/rationale", "opportunity_strength", "0.99"},
		{"/final_decision/rationale", "opportunity_strength_breakdown", "null"},
		{"/final_decision/rationale/opportunity_strength_breakdown", "factors", "[]"},
		{"/final_decision", "rationale", "{}"},
		{"/final_decision", "conditional_context", "null"},
		{"", "final_decision", "{}"},
	};
	static const KamVariant variants[] = {KAM_FOLLOW_UP, KAM_ACTIVE_DEAL};

	for (size_t v = 0; v < KAM_LENGTHOF(variants); v++)
	{
		TestRun    *t = run_variant(variants[v], &people[0], "fr", NULL);
		double		clean = judged(t, t->run.decision);

		CHECK(clean >= 8 && clean <= 9.5, "a good decision gets %.2f", clean);
		for (size_t i = 0; i < KAM_LENGTHOF(spoilt); i++)
		{
			json_t	   *copy = json_deep_copy(t->run.decision);
			double		score;

			/* a score without factors may be right: then it is no spoiling */
			if (strcmp(spoilt[i].key, "factors") == 0 && t->run.score.nfactors == 0)
			{
				json_decref(copy);
				continue;
			}
			kam_put((json_t *) kam_pointer(copy, spoilt[i].parent), spoilt[i].key, test_json(spoilt[i].value));
			score = judged(t, copy);
			CHECK(score <= clean - 3, "%s/%s = %s: %.2f after %.2f", spoilt[i].parent, spoilt[i].key, spoilt[i].value, score, clean);
			json_decref(copy);
		}
		close_run(t);
	}
}

/* A message that could go to anybody is caught even when the generator's own is not known. */
TEST(the_judge_wants_a_message_for_this_contact)
{
	TestRun    *t = run_variant(KAM_FOLLOW_UP, &people[0], "fr", NULL);
	json_t	   *copy = json_deep_copy(t->run.decision);
	double		clean = judged(t, copy);

	t->run.in.output[KAM_CONTENT_GENERATOR] = NULL;
	kam_put((json_t *) kam_pointer(copy, "/final_decision/selected_content"), "message",
			kam_string("Bonjour, nous avons une offre qui pourrait vous plaire et nous serions ravis d'en parler avec vous quand vous le voulez."));
	CHECK(judged(t, copy) <= clean - 3, "%.2f after %.2f", judged(t, copy), clean);
	json_decref(copy);
	close_run(t);
}

/* ---- sequence, history, practices ------------------------------------------------------------- */

TEST(further_touches_grow_apart_on_office_days)
{
	for (int variant = KAM_FIRST_TOUCH; variant <= KAM_BREAK_UP_MESSAGE; variant++)
	{
		TestRun    *t = run_variant((KamVariant) variant, &people[0], "fr", NULL);
		const json_t *touches = kam_get_array(t->run.output[KAM_SEQUENCE_STRATEGIST], "touches");
		KamTime		before = KAM_NO_TIME;
		double		day = 0,
					gap = 0;
		const char *channel = kam_get_string(decision_of(t), "selected_channel");

		if (variant == KAM_BREAK_UP_MESSAGE)
			CHECK_INT(json_array_size(touches), 0);
		else
			CHECK(json_array_size(touches) >= 1 && json_array_size(touches) <= 3, "%d: %zu touches", variant, json_array_size(touches));
		for (size_t i = 0; i < json_array_size(touches); i++)
		{
			const json_t *touch = json_array_get(touches, i);
			double		on = kam_get_number(touch, "day", -1);
			KamTime		at = KAM_NO_TIME;
			KamCivil	civil;

			CHECK(kam_time_parse(kam_get_string(touch, "planned_date"), &t->run.contact.zone, &at), "no date");
			civil = kam_civil_at(&t->run.contact.zone, at);
			CHECK(civil.weekday < 5 && civil.hour >= 9 && civil.hour < 18, "%s is no office time", kam_get_string(touch, "planned_date"));
			CHECK(at > before && at > t->env.as_of, "not in order");
			CHECK(on - day >= gap, "the gaps shrink: %.0f after %.0f", on - day, gap);
			CHECK(strcmp(kam_get_string(touch, "channel"), channel) != 0, "%s twice in a row", channel);
			gap = on - day;
			day = on;
			before = at;
			channel = kam_get_string(touch, "channel");
		}
		close_run(t);
	}
}

TEST(history_is_counted_as_it_was)
{
	json_t	   *history = test_json("[{'action': 'send_message', 'selected_channel': 'EMAIL', 'type_of_validation': 'approved', 'decision': {}},"
									" {'action': 'send_message', 'selected_channel': 'EMAIL', 'type_of_validation': 'rejected', 'decision': null},"
									" {'action': 'wait', 'selected_channel': null, 'type_of_validation': 'approved', 'decision': {}}]");
	TestRun    *t = open_json(contact_for(KAM_FOLLOW_UP, &people[0], "fr"), AS_OF);
	const json_t *context;

	t->run.in.history = history;
	kam_run_builtin(&t->run, true);
	context = kam_get_object(t->run.output[KAM_CONTENT_GENERATOR], "historical_context");
	CHECK(kam_get_true(context, "has_historical_data"), "no data");
	CHECK(kam_get_number(context, "channel_alignment", -1) == 0.5, "%f", kam_get_number(context, "channel_alignment", -1));
	CHECK_STR(kam_get_string(context, "pattern_match_assessment"),
			  "Of two validated decisions of type send_message among the latest, one was approved as written.");
	CHECK(kam_get_number(kam_dig(decision_of(t), "rationale.confidence_factors"), "historical_pattern_match", -1) == 0.5, "not passed on");
	CHECK(kam_get_true(kam_get_object(t->run.decision, "metadata"), "historical_validation_performed"), "not said");
	close_run(t);
	json_decref(history);
}

/* What people made of a decision in this very situation, n times; new reference. */
static json_t *
verdicts_on(const TestRun *t, const char *type, int n)
{
	json_t	   *history = json_array();

	for (int i = 0; i < n; i++)
	{
		json_t	   *row = json_object_get(t->run.decision, "final_decision");

		json_array_append_new(history, json_pack("{s:s,s:s,s:s,s:{s:O}}", "action", kam_get_string(row, "action"), "selected_channel",
												 kam_get_string(row, "selected_channel"), "type_of_validation", type, "decision", "final_decision", row));
	}
	return history;
}

/* Approvals of the same situation raise what is certain, rejections lower it and are a risk; the action is the tree's. */
TEST(verdicts_move_confidence)
{
	static const struct
	{
		const char *type;
		int			n;
		double		alignment;
		const char *sentence;
	}			rows[] = {
		{"approved", 1, 0.83, "Of one validated decision of type send_message among the latest, one was approved as written. The latest in the same situation was approved."},
		{"approved", 9, 0.97, "Of nine validated decisions of type send_message among the latest, nine were approved as written. The latest in the same situation was approved."},
		{"edited", 4, 0.50, "Of four validated decisions of type send_message among the latest, none were approved as written. The latest in the same situation was edited."},
		{"rejected", 1, 0.17, "Of one validated decision of type send_message among the latest, none were approved as written. The latest in the same situation was rejected."},
	};
	TestRun    *plain = run_variant(KAM_FOLLOW_UP, &people[0], "fr", NULL);
	double		quality = kam_get_number(kam_dig(decision_of(plain), "rationale.confidence_factors"), "content_quality", -1);
	double		channel = kam_get_number(kam_dig(decision_of(plain), "rationale.confidence_factors"), "channel_certainty", -1);

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		json_t	   *history = verdicts_on(plain, rows[i].type, rows[i].n);
		TestRun    *t = open_json(contact_for(KAM_FOLLOW_UP, &people[0], "fr"), AS_OF);
		const json_t *rationale;
		const json_t *factors;
		double		shift = 0.2 * (rows[i].alignment - 0.5);
		bool		doubted = false;

		t->run.in.history = history;
		kam_run_builtin(&t->run, true);
		rationale = kam_get_object(decision_of(t), "rationale");
		factors = kam_get_object(rationale, "confidence_factors");
		CHECK_STR(kam_get_string(rationale, "historical_alignment"), rows[i].sentence);
		CHECK(kam_get_number(factors, "historical_pattern_match", -1) == rows[i].alignment, "%s x %d: %f", rows[i].type, rows[i].n,
			  kam_get_number(factors, "historical_pattern_match", -1));
		CHECK(fabs(kam_get_number(factors, "content_quality", -1) - fmin(quality + shift, 0.95)) < 0.011, "%f", kam_get_number(factors, "content_quality", -1));
		if (rows[i].alignment > 0.5)
			CHECK(kam_get_number(factors, "channel_certainty", -1) >= channel, "not raised");
		if (rows[i].alignment < 0.5)
			CHECK(kam_get_number(factors, "channel_certainty", -1) < channel, "not lowered");
		for (size_t r = 0; r < json_array_size(kam_get_array(rationale, "risk_factors")); r++)
			doubted |= strncmp(json_string_value(json_array_get(kam_get_array(rationale, "risk_factors"), r)), "People changed or rejected", 26) == 0;
		CHECK_INT(doubted, rows[i].alignment < 0.4);
		CHECK_STR(kam_get_string(decision_of(t), "action"), "send_message");
		CHECK_STR(message_of(t, "EMAIL"), message_of(plain, "EMAIL"));
		close_run(t);
		json_decref(history);
	}
	close_run(plain);
}

/* What is less alike counts less, and another action does not count. */
TEST(likeness_weighs_verdicts)
{
	static const struct
	{
		const char *history;
		double		alignment;
	}			rows[] = {
		{"[{'action': 'wait', 'type_of_validation': 'approved', 'decision': {}}]", -1},
		{"[{'action': 'send_message', 'type_of_validation': 'maybe', 'decision': {}}, {}, 7]", -1},
		/* the same action alone: 0.4 against half of 0.5 */
		{"[{'action': 'send_message', 'selected_channel': 'PHONE', 'type_of_validation': 'rejected', 'decision': {}}]", 0.28},
		/* the same wording outweighs another one */
		{"[{'action': 'send_message', 'selected_channel': 'PHONE', 'type_of_validation': 'rejected', 'decision': {'selected_content': {'variant': 'break_up'}}},"
		" {'action': 'send_message', 'selected_channel': 'PHONE', 'type_of_validation': 'approved', 'decision': {'selected_content': {'variant': 'follow_up'}}}]", 0.58},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		json_t	   *history = test_json(rows[i].history);
		TestRun    *t = open_json(contact_for(KAM_FOLLOW_UP, &people[0], "fr"), AS_OF);

		t->run.in.history = history;
		kam_run_builtin(&t->run, false);
		CHECK(kam_get_number(kam_dig(decision_of(t), "rationale.confidence_factors"), "historical_pattern_match", -1) == rows[i].alignment, "%zu: %f", i,
			  kam_get_number(kam_dig(decision_of(t), "rationale.confidence_factors"), "historical_pattern_match", -1));
		close_run(t);
		json_decref(history);
	}
}

TEST(practices_do_not_trouble_a_decision_without_a_message)
{
	TestRun    *t = open_run("{'contact_info': {'full_name': 'A B', 'email': 'a@b.example', 'owner': 'O P'}, 'activities': ["
							 "{'activity_type': 'meeting', 'recorded_on': '2026-03-01T10:00:00+01:00', 'metadata': {'start_time': '2026-03-20T10:00:00+01:00', 'status': 'scheduled'}}]}",
							 "2026-03-11T10:00:00+01:00");
	json_t	   *practices = test_json("[{'practice_id': 'P', 'title': 'Short', 'body': 'Keep it short.', 'applies_to': ['follow_up', 'EMAIL'], 'language': null}]");

	t->run.in.practices = practices;
	kam_run_builtin(&t->run, true);
	CHECK_STR(kam_get_string(kam_get_object(t->run.decision, "final_decision"), "action"), "wait");
	CHECK_INT(json_object_size(kam_get_object(t->run.output[KAM_CONTENT_GENERATOR], "generated_content")), 0);
	json_decref(practices);
	close_run(t);
}

TEST(edits_and_practices_shape_the_message)
{
	json_t	   *history = test_json("[{'action': 'send_message', 'selected_channel': 'EMAIL', 'type_of_validation': 'edited', 'edited_message': 'Court.',"
									"  'decision': {'selected_content': {'message': 'Un message bien plus long, avec une question ?', 'tone': 'x'}}},"
									" {'action': 'send_message', 'selected_channel': 'EMAIL', 'type_of_validation': 'edited', 'edited_message': 'Bref.',"
									"  'decision': {'final_decision': {'selected_content': {'message': 'Encore un message, avec une question ?', 'tone': 'x'}}}}]");
	json_t	   *practices = test_json("[{'practice_id': 'P-1', 'title': 'Pas de question', 'body': 'Terminez sans question.', 'applies_to': ['follow_up'], 'language': 'fr'},"
									  " {'practice_id': 'P-2', 'title': 'No question', 'body': 'No question.', 'applies_to': ['break_up'], 'language': 'fr'}]");
	TestRun    *plain = run_variant(KAM_FOLLOW_UP, &people[0], "fr", NULL);
	TestRun    *t = open_json(contact_for(KAM_FOLLOW_UP, &people[0], "fr"), AS_OF);
	const json_t *used;

	CHECK(strchr(message_of(plain, "EMAIL"), '?') != NULL, "%s", message_of(plain, "EMAIL"));
	t->run.in.history = history;
	kam_run_builtin(&t->run, false);
	CHECK(strlen(message_of(t, "EMAIL")) < strlen(message_of(plain, "EMAIL")), "%s", message_of(t, "EMAIL"));
	CHECK(strchr(message_of(t, "EMAIL"), '?') == NULL, "%s", message_of(t, "EMAIL"));
	close_run(t);
	t = open_json(contact_for(KAM_FOLLOW_UP, &people[0], "fr"), AS_OF);
	t->run.in.practices = practices;
	kam_run_builtin(&t->run, false);
	used = kam_get_array(t->run.output[KAM_CONTENT_GENERATOR], "practices_used");
	CHECK_INT(json_array_size(used), 1);
	CHECK_STR(json_string_value(json_array_get(used, 0)), "P-1");
	CHECK(strchr(message_of(t, "EMAIL"), '?') == NULL, "%s", message_of(t, "EMAIL"));
	close_run(t);
	close_run(plain);
	json_decref(history);
	json_decref(practices);
}

/* A model's outputs are taken when they are sound, and mended when they are not. */
TEST(synthesis_passes_on_what_the_agents_chose)
{
	TestRun    *t = open_json(contact_for(KAM_FOLLOW_UP, &people[0], "fr"), AS_OF);
	KamInputs	inputs = t->run.in;
	json_t	   *content = test_json("{'generated_content': {'LINKEDIN': {'message': 'Bonjour Inès, la fiche est prête.'}}, 'tone': 'warm', 'language': 'fr'}");
	json_t	   *channel = test_json("{'primary_channel': 'EMAIL', 'backup_channel': 'LINKEDIN', 'confidence': 0.8, 'reasoning': 'x'}");
	json_t	   *out;
	const json_t *decision;

	inputs.output[KAM_CONTENT_GENERATOR] = content;
	inputs.output[KAM_CHANNEL_SELECTOR] = channel;
	out = kam_builtin_run(&t->run.env, KAM_SYNTHESIS_ORCHESTRATOR, &inputs);
	decision = kam_get_object(out, "final_decision");
	CHECK_STR(kam_get_string(decision, "selected_channel"), "LINKEDIN");
	CHECK_STR(kam_get_string(kam_get_object(decision, "selected_content"), "message"), "Bonjour Inès, la fiche est prête.");
	CHECK_STR(kam_get_string(kam_get_object(decision, "selected_content"), "tone"), "warm");
	check_schema("synthesis", t->env.arena, KAM_SYNTHESIS_ORCHESTRATOR, out);
	json_decref(out);
	json_decref(content);
	json_decref(channel);
	close_run(t);
}

RUN_TESTS()
