/*
 * test/unit/test_evidence.c: a claim holds only when its paths resolve, its
 * quotes stand there and its values come from what it cites; values that a
 * text invents are found, those that it may state are not.
 */
#include "core/evidence.h"
#include "core/facts.h"

#include "unit.h"
#include "zones.h"

static const char contact_text[] =
	"{\"contact_info\": {\"full_name\": \"In\xc3\xa8s Carpentier\", \"email\": \"ines@atelier.example\", \"company\": \"Atelier du Rh\xc3\xb4ne\", \"owner\": \"Julie Moreau\", \"timezone\": \"Europe/Paris\","
	"  \"a/b\": {\"m~n\": \"odd keys\"}, \"employees\": 14400, \"vip\": true},"
	" \"activities\": ["
	"  {\"activity_type\": \"email\", \"direction\": \"inbound\", \"recorded_on\": \"2026-03-03T23:30:00Z\","
	"   \"metadata\": {\"subject\": \"Devis\", \"body\": \"Bonjour,\\nle devis de 14\xc2\xa0" "400\xc2\xa0\xe2\x82\xac pour 250 postes"
	" nous convient, l\xe2\x80\x99\xc3\xa9quipe valide. Pouvez-vous m\xe2\x80\x99""appeler mardi prochain \xc3\xa0 14h ? Remise de 12 %.\"}},"
	"  {\"activity_type\": \"note\", \"recorded_on\": \"2026-02-10T09:00:00+01:00\","
	"   \"metadata\": {\"body\": \"Asked us to come back on April 20th, budget 30k\xe2\x82\xac.\"}},"
	"  {\"activity_type\": \"meeting\", \"recorded_on\": \"2026-02-12T10:00:00+01:00\","
	"   \"metadata\": {\"subject\": \"Kick-off\", \"start_time\": \"2026-02-18T14:00:00+01:00\", \"status\": \"held\"}},"
	"  {\"activity_type\": \"note\", \"recorded_on\": \"2026-02-01T10:00:00+01:00\", \"metadata\": {\"body\": \"perdu: le mot de passe du portail\"}},"
	"  {\"activity_type\": \"note\", \"recorded_on\": \"2026-02-02T10:00:00+01:00\", \"metadata\": {\"body\": \"encore le mot de passe du portail\"}}],"
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

/* ---- verdicts --------------------------------------------------------------------- */

#define ONE(text, path, quote) "{\"text\": \"" text "\", \"evidence\": [{\"path\": \"" path "\", \"quote\": \"" quote "\"}]}"
#define TWO(text, path1, quote1, path2, quote2) "{\"text\": \"" text "\", \"evidence\": [{\"path\": \"" path1 "\", \"quote\": \"" quote1 "\"}," \
	" {\"path\": \"" path2 "\", \"quote\": \"" quote2 "\"}]}"

TEST(evidence_with_one_right_form_is_put_right)
{
	static const struct
	{
		const char *claim,
				   *path,		/* of each entry then */
				   *quote;		/* of the last one */
	}			rows[] = {
		/* another place, and only one */
		{ONE("x", "/activities/1/metadata/body", "le devis de 14 400 \xe2\x82\xac"), BODY, "le devis de 14 400 \xe2\x82\xac"},
		{ONE("x", "/activities/7/metadata/body", "Asked us to come back"), "/activities/1/metadata/body", "Asked us to come back"},
		{ONE("x", "activities/1", "come back on April"), "/activities/1/metadata/body", "come back on April"},
		{ONE("x", "/activities/0/body", "Pouvez-vous m'appeler"), BODY, "Pouvez-vous m'appeler"},
		{"{\"text\": \"x\", \"evidence\": [{\"quote\": \"ines@atelier.example\"}]}", "/contact_info/email", "ines@atelier.example"},
		/* a left out middle */
		{ONE("x", BODY, "pour 250 postes ... l'\xc3\xa9quipe valide"), BODY, "l'\xc3\xa9quipe valide"},
		{ONE("x", BODY, "le devis de [...] m\xe2\x80\x99""appeler mardi \xe2\x80\xa6 Remise de 12 %"), BODY, "Remise de 12 %"},
		/* the values come from the place put right */
		{ONE("On 10 February she named 30,000 EUR.", "/activities/0/metadata/body", "come back on April 20th"), "/activities/1/metadata/body", "come back on April 20th"},
	};
	Fixture		f = open_fixture();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		json_t	   *claim = json_loads(rows[i].claim, 0, NULL),
				   *repaired,
				   *before = json_deep_copy(claim);
		const char *why;
		KamVerdict	verdict = kam_claim_judge(&f.env, &f.contact, claim, &why, &repaired);
		const json_t *evidence = kam_get_array(repaired, "evidence");

		CHECK(verdict == KAM_REPAIRED && why != NULL, "%s: %s, %s", rows[i].claim, kam_verdict_name(verdict), why ? why : "-");
		for (size_t k = 0; k < json_array_size(evidence); k++)
			CHECK_STR(kam_get_string(json_array_get(evidence, k), "path"), rows[i].path);
		CHECK_STR(kam_get_string(json_array_get(evidence, json_array_size(evidence) - 1), "quote"), rows[i].quote);
		/* what was put right holds, what came is as it was, and nobody who asks for less takes it */
		CHECK(kam_claim_fault(&f.env, &f.contact, repaired) == NULL, "%s", rows[i].claim);
		CHECK(json_equal(claim, before), "%s was changed", rows[i].claim);
		CHECK(kam_claim_fault(&f.env, &f.contact, claim) != NULL, "%s", rows[i].claim);
		json_decref(claim);
		json_decref(before);
		json_decref(repaired);
	}
	close_fixture(&f);
}

TEST(what_has_no_one_right_form_stays_refused)
{
	static const char *const claims[] = {
		/* at two places */
		ONE("x", "/activities/1/metadata/body", "le mot de passe du portail"),
		/* too short to be sure of */
		ONE("x", "/activities/1/metadata/body", "nous"),
		ONE("x", BODY, "le ... 250"),
		/* in another order, or one part missing */
		ONE("x", BODY, "l'\xc3\xa9quipe valide ... pour 250 postes"),
		ONE("x", BODY, "pour 250 postes ... nous refusons tout"),
		/* other words, case or accents: not even elsewhere */
		ONE("x", "/activities/1/metadata/body", "LE DEVIS DE 14 400 \xe2\x82\xac"),
		/* right by its evidence, wrong by its text */
		ONE("She named 31,000 EUR.", "/activities/0/metadata/body", "Asked us to come back"),
		"{\"text\": \"x\", \"evidence\": [{\"path\": \"/deals/1/amount\", \"quote\": 14400}]}",
	};
	Fixture		f = open_fixture();

	for (size_t i = 0; i < KAM_LENGTHOF(claims); i++)
	{
		json_t	   *claim = json_loads(claims[i], 0, NULL),
				   *repaired;
		const char *why;
		KamVerdict	verdict = kam_claim_judge(&f.env, &f.contact, claim, &why, &repaired);

		CHECK(claim != NULL && verdict == KAM_UNVERIFIED && why != NULL && repaired == NULL, "%s: %s", claims[i], kam_verdict_name(verdict));
		json_decref(claim);
	}
	close_fixture(&f);
}

TEST(totals_are_computed_anew)
{
	static const struct
	{
		const char *claim,
				   *fault;		/* NULL: it holds */
	}			rows[] = {
		{TWO("Deals worth 20 000 EUR.", "/deals/0/amount", "14400", "/deals/1/amount", "5600"), NULL},
		{TWO("Deals worth 20 000 EUR.", "/deals/0", "Pilot", "/deals/1", "Old"), NULL},
		{TWO("The pilot is 8,800 more than the old deal.", "/deals/0/amount", "14400", "/deals/1/amount", "5600"), NULL},
		{TWO("Deals worth 21 000 EUR.", "/deals/0/amount", "14400", "/deals/1/amount", "5600"), "21 000"},
		/* a place counts once, however often it is cited */
		{TWO("Deals worth 28 800 EUR.", "/deals/0/amount", "14400", "/deals/0/amount", "14400"), "28 800"},
		{ONE("Deals worth 20 000 EUR.", "/deals/0/amount", "14400"), "20 000"},
		{TWO("2 deals.", "/deals/0/name", "Pilot", "/deals/1/name", "Old"), NULL},
		{TWO("4 deals.", "/deals/0/name", "Pilot", "/deals/1/name", "Old"), "\"4\""},
		{ONE("5 activities in all.", "/activities", "Kick-off"), NULL},
		{ONE("6 activities in all.", "/activities", "Kick-off"), "\"6\""},
		/* a count is no amount and no span of time */
		{TWO("2 EUR each.", "/deals/0/name", "Pilot", "/deals/1/name", "Old"), "2 EUR"},
		{TWO("For 2 weeks.", "/deals/0/name", "Pilot", "/deals/1/name", "Old"), "2 weeks"},
		/* days between what is cited */
		{TWO("She wrote again 22 days later.", "/activities/1/recorded_on", "2026-02-10", "/activities/0/recorded_on", "2026-03-03"), NULL},
		{TWO("She wrote again 3 weeks later.", "/activities/1/recorded_on", "2026-02-10", "/activities/0/recorded_on", "2026-03-03"), NULL},
		{TWO("She wrote again 12 days later.", "/activities/1/recorded_on", "2026-02-10", "/activities/0/recorded_on", "2026-03-03"), "12 days"},
	};
	Fixture		f = open_fixture();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		const char *fault = fault_of(&f, rows[i].claim);

		CHECK(rows[i].fault == NULL ? fault == NULL : fault != NULL && strstr(fault, rows[i].fault) != NULL,
			  "%s: %s", rows[i].claim, fault ? fault : "(none)");
	}
	close_fixture(&f);
}

TEST(names_come_from_the_contact)
{
	static const struct
	{
		const char *text,
				   *name;		/* that stands nowhere; NULL: all do, or are none */
	}			rows[] = {
		{"In\xc3\xa8s Carpentier accepted.", NULL},
		{"The quote suits Ines and CARPENTIER.", NULL},
		{"Julie's colleague at Atelier du Rh\xc3\xb4ne asked.", NULL},
		{"The deal Pilot is open; Paris time.", NULL},
		{"She met Marc Dubois of the team.", "Marc"},
		{"She met the director, Dubois.", "Dubois"},
		{"Their supplier is Salesforce.", "Salesforce"},
		{"PayFit was chosen.", "PayFit"},
		{"Sophie agreed to the quote.", "Sophie"},
		{"She wrote. Nicolas answered.", "Nicolas"},
		{"Elle compare avec l'offre de Quadient.", "Quadient"},
		{"Elle travaille chez d'Aubrac.", "Aubrac"},
		{"She knows M. Legrand.", "Legrand"},
		{"Le contact travaille \xc3\xa0 \xc3\x89vreux.", "\xc3\x89vreux"},
		/* no names: beginnings, quotations, functions, calendar, abbreviations */
		{"Accepted. Waiting for us: \"Merci\" (Great news) - Good.", NULL},
		{"The Sales Director and the CFO asked on Tuesday in March, in French, by Email or LinkedIn.", NULL},
		{"La Directrice des Achats veut une D\xc3\xa9mo du Module en Mars.", NULL},
		{"What now? Yes! 'Perhaps' \xc2\xab Bonjour \xc2\xbb\nNew line; I think so.", NULL},
		{"She uses B2B tools and the 3D module V2.", NULL},
		{"Her address is ines@atelier.example.", NULL},
	};
	Fixture		f = open_fixture();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		json_t	   *claim = json_pack("{s:s, s:[{s:s, s:s}]}", "text", rows[i].text, "evidence", "path", BODY, "quote", "nous convient");
		const char *fault = kam_claim_fault(&f.env, &f.contact, claim);

		CHECK(rows[i].name == NULL ? fault == NULL
			  : fault != NULL && strstr(fault, kam_printf(f.env.arena, "the name \"%s\"", rows[i].name)) != NULL,
			  "%s: %s", rows[i].text, fault ? fault : "(none)");
		json_decref(claim);
	}
	close_fixture(&f);
}

TEST(a_report_says_where_a_claim_stands)
{
	Fixture		f = open_fixture();
	json_t	   *claim = json_loads(ONE("The quote suits her.", "/activities/1/metadata/body", "NOUS convient, l'\xc3\xa9quipe valide"), 0, NULL);
	json_t	   *report = kam_claim_report(&f.env, &f.contact, claim),
			   *place;

	/* another case stands nowhere else: refused, and the place is shown as it was cited */
	CHECK(json_is_false(json_object_get(report, "holds")));
	CHECK_STR(kam_get_string(report, "verdict"), "unverified");
	CHECK(strstr(kam_get_string(report, "fault"), "does not stand at") != NULL);
	place = json_array_get(json_object_get(report, "at"), 0);
	CHECK(json_is_null(json_object_get(place, "found")));
	CHECK_STR(kam_get_string(place, "recorded_on"), "2026-02-10T09:00:00+01:00");
	json_decref(report);
	json_decref(claim);

	claim = json_loads(ONE("The quote suits her.", BODY, "NOUS convient, l'equipe"), 0, NULL);
	report = kam_claim_report(&f.env, &f.contact, claim);
	CHECK_STR(kam_get_string(report, "verdict"), "verified");
	CHECK(json_object_get(report, "fault") == NULL);
	place = json_array_get(json_object_get(report, "at"), 0);
	CHECK_STR(kam_get_string(place, "found"), "nous convient, l\xe2\x80\x99\xc3\xa9quipe");
	CHECK_STR(kam_get_string(place, "path"), BODY);
	CHECK_STR(kam_get_string(place, "recorded_on"), "2026-03-03T23:30:00Z");
	json_decref(report);
	json_decref(claim);

	claim = json_loads(ONE("The quote suits her.", "/contact_info", "l'\xc3\xa9quipe valide"), 0, NULL);
	report = kam_claim_report(&f.env, &f.contact, claim);
	CHECK_STR(kam_get_string(report, "verdict"), "repaired");
	CHECK(json_is_true(json_object_get(report, "holds")));
	CHECK(strstr(kam_get_string(report, "repair"), "stands at " BODY ", not at /contact_info") != NULL, "%s", kam_get_string(report, "repair"));
	CHECK_STR(kam_get_string(json_array_get(json_object_get(report, "at"), 0), "path"), BODY);
	CHECK_STR(kam_get_string(json_array_get(kam_get_array(json_object_get(report, "claim"), "evidence"), 0), "path"), "/contact_info");
	json_decref(report);
	json_decref(claim);

	claim = json_loads("{\"text\": \"x\", \"evidence\": [{\"path\": \"/deals/0/amount\", \"quote\": \"14 400\"}]}", 0, NULL);
	report = kam_claim_report(&f.env, &f.contact, claim);
	place = json_array_get(json_object_get(report, "at"), 0);
	CHECK_INT(json_integer_value(json_object_get(place, "found")), 14400);
	CHECK(json_is_null(json_object_get(place, "recorded_on")));
	json_decref(report);
	json_decref(claim);
	close_fixture(&f);
}

TEST(an_output_goes_on_with_the_claims_that_hold)
{
	Fixture		f = open_fixture();
	json_t	   *output = json_loads("{\"urgency\": \"high\", \"claims\": ["
									ONE("a", BODY, "nous convient") "," ONE("b", BODY, "nous refusons") ","
									ONE("c", "/activities/5/metadata/body", "Asked us to come back") ", 7]}", 0, NULL);
	json_t	   *good = kam_verified_output(&f.env, &f.contact, output);
	const json_t *claims = kam_get_array(good, "claims");

	CHECK_INT(json_array_size(claims), 2);
	CHECK_STR(kam_get_string(json_array_get(claims, 0), "text"), "a");
	CHECK_STR(kam_get_string(json_array_get(claims, 1), "text"), "c");
	CHECK_STR(kam_get_string(json_array_get(kam_get_array(json_array_get(claims, 1), "evidence"), 0), "path"), "/activities/1/metadata/body");
	CHECK_STR(kam_get_string(good, "urgency"), "high");
	CHECK_INT(json_array_size(kam_get_array(output, "claims")), 4);
	json_decref(good);
	json_decref(output);

	/* more than anybody reads */
	output = json_pack("{s:[]}", "claims");
	for (int i = 0; i < KAM_MOST_CLAIMS + 3; i++)
		json_array_append_new(json_object_get(output, "claims"), json_loads(ONE("a", BODY, "nous convient"), 0, NULL));
	good = kam_verified_output(&f.env, &f.contact, output);
	CHECK_INT(json_array_size(kam_get_array(good, "claims")), KAM_MOST_CLAIMS);
	json_decref(good);
	good = kam_claims_report(&f.env, &f.contact, output);
	CHECK_INT(json_array_size(good), KAM_MOST_CLAIMS + 3);
	CHECK_STR(kam_get_string(json_array_get(good, KAM_MOST_CLAIMS - 1), "verdict"), "verified");
	CHECK_STR(kam_get_string(json_array_get(good, KAM_MOST_CLAIMS), "verdict"), "unverified");
	json_decref(good);
	json_decref(output);
	good = kam_verified_output(&f.env, &f.contact, NULL);
	CHECK(json_is_null(good));
	json_decref(good);
	close_fixture(&f);
}

TEST(a_decision_shows_its_own_evidence)
{
	Fixture		f = open_fixture();
	KamFacts	facts = {0};
	KamScore	score = {0};
	json_t	   *decision,
			   *rows;

	kam_facts_find(&f.env, &f.contact, &facts);
	kam_score(&f.env, &f.contact, &facts, &score);
	CHECK(score.nfactors > 0);
	decision = json_pack("{s:{s:{s:{s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:f, s:s}, {s:s, s:s, s:s}]}}, s:{s:{s:[{s:s, s:s}]}, s:{s:s, s:[{s:s, s:s}]}, s:{s:[]}}}}",
						 "final_decision", "rationale", "opportunity_strength_breakdown", "factors",
						 "factor", "asked", "impact", "+0.10", "evidence", "vous m'appeler mardi prochain",
						 "factor", "asked", "impact", "+0.10", "evidence", "asked for a yacht",
						 "factor", score.factor[0].name, "impact", score.factor[0].impact / 100.0, "evidence", "in other words",
						 "factor", score.factor[0].name, "impact", "+0.77", "evidence", "in other words",
						 "conditional_context",
						 "pilot_health", "evidence", "path", BODY, "quote", "nous convient",
						 "stakeholder_map", "text", "Marc decides.", "evidence", "path", BODY, "quote", "nous convient",
						 "buying_process", "evidence");
	rows = kam_decision_evidence(&f.env, &f.contact, &score, decision);
	CHECK_INT(json_array_size(rows), 6);
	for (size_t i = 0; i < json_array_size(rows); i++)
	{
		static const char *const verdicts[] = {"verified", "unverified", "verified", "unverified", "verified", "unverified"};
		const json_t *row = json_array_get(rows, i);

		CHECK(strcmp(kam_get_string(row, "verdict"), verdicts[i]) == 0, "%zu, %s: %s", i, kam_get_string(row, "part"), kam_get_string(row, "verdict"));
		CHECK(kam_pointer(decision, kam_get_string(row, "part")) != NULL);
		CHECK((kam_get_string(row, "fault") != NULL) == json_is_false(json_object_get(row, "holds")));
	}
	CHECK_STR(kam_get_string(json_array_get(json_object_get(json_array_get(rows, 0), "at"), 0), "path"), BODY);
	CHECK(json_array_size(json_object_get(json_array_get(rows, 2), "at")) > 0);
	json_decref(rows);
	json_decref(decision);
	close_fixture(&f);
}

/* The quotes that kam_invented_values sends back, joined by "; ". */
static const char *
invented(Fixture *f, const char *text)
{
	json_t	   *list = kam_invented_values(&f->env, &f->contact, NULL, text);
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
