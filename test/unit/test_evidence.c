/*
 * test/unit/test_evidence.c: a claim holds only when its paths resolve, its
 * quotes stand there and its values come from what it cites; values that a
 * text invents are found, those that it may state are not.
 */
#include "core/evidence.h"

#include "unit.h"
#include "zones.h"

static const char contact_text[] =
	"{\"contact_info\": {\"full_name\": \"In\xc3\xa8s Carpentier\", \"email\": \"ines@atelier.example\", \"timezone\": \"Europe/Paris\","
	"  \"a/b\": {\"m~n\": \"odd keys\"}, \"employees\": 14400, \"vip\": true},"
	" \"activities\": ["
	"  {\"activity_type\": \"email\", \"direction\": \"inbound\", \"recorded_on\": \"2026-03-03T23:30:00Z\","
	"   \"metadata\": {\"subject\": \"Devis\", \"body\": \"Bonjour,\\nle devis de 14\xc2\xa0" "400\xc2\xa0\xe2\x82\xac pour 250 postes"
	" nous convient, l\xe2\x80\x99\xc3\xa9quipe valide. Pouvez-vous m\xe2\x80\x99""appeler mardi prochain \xc3\xa0 14h ? Remise de 12 %.\"}},"
	"  {\"activity_type\": \"note\", \"recorded_on\": \"2026-02-10T09:00:00+01:00\","
	"   \"metadata\": {\"body\": \"Asked us to come back on April 20th, budget 30k\xe2\x82\xac.\"}},"
	"  {\"activity_type\": \"meeting\", \"recorded_on\": \"2026-02-12T10:00:00+01:00\","
	"   \"metadata\": {\"subject\": \"Kick-off\", \"start_time\": \"2026-02-18T14:00:00+01:00\", \"status\": \"held\"}}],"
	" \"deals\": [{\"deal_id\": \"d1\", \"name\": \"Pilot\", \"status\": \"OPEN\", \"amount\": 14400, \"created_on\": \"2026-01-15\"},"
	"  {\"deal_id\": \"d2\", \"name\": \"Old\", \"status\": \"LOST\", \"amount\": \"5600\", \"created_on\": \"2025-01-15\"}]}";

typedef struct Fixture
{
	KamEnv		env;
	json_t	   *json;
	KamContact	contact;
} Fixture;

static Fixture
open_fixture(void)
{
	Fixture		f = {.env = test_env("2026-03-11T10:00:00+01:00")};
	KamError	error = {0};
	json_error_t where;

	f.json = json_loads(contact_text, 0, &where);
	if (f.json == NULL || !kam_contact_parse(&f.env, f.json, &f.contact, &error))
	{
		printf("fixture: %s %s\n", f.json == NULL ? where.text : error.message, error.path ? error.path : "");
		abort();
	}
	return f;
}

static void
close_fixture(Fixture *f)
{
	json_decref(f->json);
	kam_arena_free(f->env.arena);
}

static const char *
fault_of(Fixture *f, const char *claim_text)
{
	json_t	   *claim = json_loads(claim_text, JSON_DECODE_ANY, NULL);
	const char *fault;

	CHECK(claim != NULL, "bad JSON in the test: %s", claim_text);
	fault = kam_claim_fault(&f->env, &f->contact, claim);
	fault = fault != NULL ? kam_strdup(f->env.arena, fault) : NULL;
	json_decref(claim);
	return fault;
}

#define BODY "/activities/0/metadata/body"

TEST(claims_that_hold)
{
	static const char *const claims[] = {
		"{\"text\": \"The quote suits her.\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"nous convient\"}]}",
		/* white space, apostrophes, case and accents may differ */
		"{\"text\": \"x\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"Bonjour, le devis  de 14 400 \xe2\x82\xac\"}]}",
		"{\"text\": \"x\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"l'equipe VALIDE\"}]}",
		"{\"text\": \"x\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"\xc2\xab l'\xc3\xa9quipe valide... \xc2\xbb\"}]}",
		/* values in any spelling */
		"{\"text\": \"On 3 March she accepted 14,400 EUR for 250 seats.\", \"evidence\": [{\"path\": \"/activities/0/recorded_on\","
		" \"quote\": \"2026-03-03T23:30:00Z\"}, {\"path\": \"" BODY "\", \"quote\": \"nous convient\"}]}",
		"{\"text\": \"Le 3 mars 2026 elle a accept\xc3\xa9 14,4 k\xe2\x82\xac.\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"nous convient\"}]}",
		"{\"text\": \"A discount of 12% was named.\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"Remise\"}]}",
		/* a relative reference, resolved from the day it was written */
		"{\"text\": \"She wants a call on 10 March 2026 at 2 pm.\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"mardi prochain\"}]}",
		/* a distance in days, and a count of what is cited */
		"{\"text\": \"She wrote 8 days ago.\", \"evidence\": [{\"path\": \"/activities/0/recorded_on\", \"quote\": \"2026-03-03\"}]}",
		"{\"text\": \"2 activities in February.\", \"evidence\": [{\"path\": \"/activities/1/recorded_on\", \"quote\": \"2026-02-10\"},"
		" {\"path\": \"/activities/2/recorded_on\", \"quote\": \"2026-02-12\"}]}",
		/* other values than strings */
		"{\"text\": \"Deal of 14 400 \xe2\x82\xac opened on January 15th.\", \"evidence\": [{\"path\": \"/deals/0/amount\", \"quote\": \"14400\"}]}",
		"{\"text\": \"x\", \"evidence\": [{\"path\": \"/deals/0/amount\", \"quote\": 14400.0}]}",
		"{\"text\": \"x\", \"evidence\": [{\"path\": \"/contact_info/vip\", \"quote\": \"true\"}]}",
		"{\"text\": \"x\", \"evidence\": [{\"path\": \"/contact_info/a~1b/m~0n\", \"quote\": \"odd\"}]}",
		"{\"text\": \"x\", \"evidence\": [{\"path\": \"/activities/2\", \"quote\": \"Kick-off\"}]}",
		/* what the meeting's own times make known */
		"{\"text\": \"Met on 18 February at 14:00.\", \"evidence\": [{\"path\": \"/activities/2/metadata/status\", \"quote\": \"held\"}]}",
	};
	Fixture		f = open_fixture();

	for (size_t i = 0; i < KAM_LENGTHOF(claims); i++)
	{
		const char *fault = fault_of(&f, claims[i]);

		CHECK(fault == NULL, "%s: %s", claims[i], fault);
	}
	close_fixture(&f);
}

TEST(claims_that_do_not_hold)
{
	static const struct
	{
		const char *claim,
				   *fault;
	}			rows[] = {
		{"{\"text\": \"x\", \"evidence\": [{\"path\": \"/activities/9/metadata/body\", \"quote\": \"x\"}]}", "leads nowhere"},
		{"{\"text\": \"x\", \"evidence\": [{\"path\": \"activities/0\", \"quote\": \"x\"}]}", "leads nowhere"},
		{"{\"text\": \"x\", \"evidence\": [{\"path\": \"/activities/00/metadata/body\", \"quote\": \"nous convient\"}]}", "leads nowhere"},
		{"{\"text\": \"x\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"nous refusons\"}]}", "does not stand"},
		{"{\"text\": \"x\", \"evidence\": [{\"path\": \"/activities/1/metadata/body\", \"quote\": \"nous convient\"}]}", "does not stand"},
		{"{\"text\": \"x\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"...\"}]}", "quotes nothing"},
		{"{\"text\": \"x\", \"evidence\": [{\"path\": \"" BODY "\"}]}", "no quote"},
		{"{\"text\": \"x\", \"evidence\": [{\"quote\": \"x\"}]}", "no path"},
		{"{\"text\": \"x\", \"evidence\": [7]}", "no path"},
		{"{\"text\": \"x\", \"evidence\": []}", "no evidence"},
		{"{\"text\": \"x\"}", "no evidence"},
		{"{\"text\": \" \", \"evidence\": []}", "no text"},
		{"[]", "no text"},
		{"null", "no text"},
		{"{\"text\": \"She agreed on 5 March.\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"nous convient\"}]}", "\"5 March\""},
		{"{\"text\": \"She agreed on 3 March 2025.\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"nous convient\"}]}", "\"3 March 2025\""},
		{"{\"text\": \"She agreed to 15 000 \xe2\x82\xac.\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"nous convient\"}]}", "15 000"},
		{"{\"text\": \"A discount of 15%.\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"Remise\"}]}", "\"15%\""},
		{"{\"text\": \"She has 300 seats.\", \"evidence\": [{\"path\": \"" BODY "\", \"quote\": \"250 postes\"}]}", "\"300\""},
		{"{\"text\": \"She wrote 20 days ago.\", \"evidence\": [{\"path\": \"/activities/0/recorded_on\", \"quote\": \"2026-03-03\"}]}", "\"20 days\""},
		{"{\"text\": \"Deal of 5 600.\", \"evidence\": [{\"path\": \"/deals/0/amount\", \"quote\": \"14400\"}]}", "\"5 600\""},
		{"{\"text\": \"x\", \"evidence\": [{\"path\": \"/deals/0/amount\", \"quote\": 5600}]}", "not the value"},
		{"{\"text\": \"x\", \"evidence\": [{\"path\": \"/contact_info/vip\", \"quote\": false}]}", "not the value"},
	};
	Fixture		f = open_fixture();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		const char *fault = fault_of(&f, rows[i].claim);

		CHECK(fault != NULL && strstr(fault, rows[i].fault) != NULL, "%s: %s", rows[i].claim, fault ? fault : "(none)");
	}
	close_fixture(&f);
}

/* The quotes that kam_invented_values sends back, joined by "; ". */
static const char *
invented(Fixture *f, const char *text)
{
	json_t	   *list = kam_invented_values(&f->env, &f->contact, text);
	const char *out = "";

	for (size_t i = 0; i < json_array_size(list); i++)
	{
		CHECK(kam_get_string(json_array_get(list, i), "why") != NULL, "no reason for \"%s\"", text ? text : "NULL");
		out = kam_printf(f->env.arena, "%s%s%s", out, i > 0 ? "; " : "", kam_get_string(json_array_get(list, i), "quote"));
	}
	json_decref(list);
	return out;
}

TEST(invented_values_are_found)
{
	static const struct
	{
		const char *text,
				   *want;
	}			rows[] = {
		{"She wrote on 24 December 2025 and on 3 March.", "24 December 2025"},
		{"Elle a demand\xc3\xa9 un rappel le 7 mai.", "7 mai"},
		{"Budget of 99,000 EUR, not 14,400 EUR.", "99,000 EUR"},
		{"A discount of 35 % was agreed.", "35 %"},
		{"Meeting on 2026-06-01T10:00:00+02:00.", "2026-06-01T10:00:00+02:00"},
		{"Met on 3 March 2024.", "3 March 2024"},
		{"March 4th at Ga\xc3\xabl's, then 05/05/2026", "05/05/2026"},
	};
	Fixture		f = open_fixture();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
		CHECK_STR(invented(&f, rows[i].text), rows[i].want);
	close_fixture(&f);
}

TEST(no_false_alarms)
{
	static const char *const texts[] = {
		"", "No number at all.", "Three exchanges, 2 of them in 2026; module 4 of 12, 8 days of silence, 250 seats, 999 seats.",
		"She wrote on 3 March 2026 (4 March in Paris); today is 11 March 2026.",
		"Meeting of February 18th at 14:00, noted on 12/02/2026; deals of 2026-01-15 and 15 January 2025.",
		"Offer of 14.400 \xe2\x82\xac (14,4 k\xe2\x82\xac), budget 30 000 \xe2\x82\xac, 12% off; deals worth 20 000 \xe2\x82\xac in all.",
		"Call asked for on 10 March; come back on 20 April. A 100% fit.",
	};
	Fixture		f = open_fixture();

	for (size_t i = 0; i < KAM_LENGTHOF(texts); i++)
		CHECK_STR(invented(&f, texts[i]), "");
	CHECK_STR(invented(&f, NULL), "");
	close_fixture(&f);
}

RUN_TESTS()
