/*
 * test/unit/test_forged.c: claims as somebody would forge them who knows how
 * they are checked: each stands beside the true one that it imitates, which
 * must hold.
 */
#include "contacts.h"

#include "core/evidence.h"

static const char contact_text[] =
	"{\"contact_info\": {\"full_name\": \"Inès Martinez\", \"email\": \"ines@valmontgroup.example\", \"company\": \"Atelier du Rhône\","
	"  \"owner\": \"Julie Moreau\", \"timezone\": \"Europe/Paris\", \"employees\": 3, \"siret\": \"73282932000074\", \"x/y\": {\"m~n\": [10, 20]}, \"\": \"no name\"},"
	" \"activities\": ["
	"  {\"activity_type\": \"email\", \"direction\": \"inbound\", \"recorded_on\": \"2025-12-20T09:00:00+01:00\","
	"   \"metadata\": {\"subject\": \"Devis\", \"body\": \"Bonjour, votre devis de 14 400 € est impossible à tenir. Remise de 12 % demandée. Rappelez-moi le 3 janvier"
	" ou dans trois semaines. Nous sommes vingt-cinq personnes, 18 mois d'engagement, décision en mars 2026. L’été sera chargé.\"}},"
	"  {\"activity_type\": \"email\", \"direction\": \"inbound\", \"recorded_on\": \"2026-02-10T09:00:00+01:00\","
	"   \"metadata\": {\"body\": \"We cannot sign; the budget is about 6 k€ and we are not interested in the 2500 € option. Call me in two weeks, takes 30min, answer within 48h.\"}},"
	"  {\"activity_type\": \"email\", \"direction\": \"outbound\", \"recorded_on\": \"2026-02-12T10:00:00+01:00\", \"metadata\": {\"body\": \"Merci, voici la fiche.\"}},"
	"  {\"activity_type\": \"meeting\", \"recorded_on\": \"2026-02-18T14:00:00+01:00\","
	"   \"metadata\": {\"subject\": \"Point\", \"start_time\": \"2026-02-18T14:00:00+01:00\", \"status\": \"held\"}}],"
	" \"deals\": [{\"deal_id\": \"d1\", \"name\": \"Pilote\", \"status\": \"OPEN\", \"amount\": 14400, \"created_on\": \"2026-01-15\"},"
	"  {\"deal_id\": \"d2\", \"name\": \"Ancien\", \"status\": \"LOST\", \"amount\": \"5600\", \"created_on\": \"2025-01-15\"}]}";

#define BODY0 "/activities/0/metadata/body"
#define BODY1 "/activities/1/metadata/body"
#define MOST_ENTRIES 8

/* A claim by its text and its entries, "path" and "quote" in turn. */
typedef struct Forged
{
	const char *text;
	const char *at[2 * MOST_ENTRIES];
} Forged;

static json_t *
claim_of(const Forged *forged)
{
	json_t	   *claim = json_pack("{s:s, s:[]}", "text", forged->text, "evidence");

	for (int i = 0; i < MOST_ENTRIES && forged->at[2 * i] != NULL; i++)
		json_array_append_new(json_object_get(claim, "evidence"),
							  json_pack("{s:s, s:s}", "path", forged->at[2 * i], "quote", forged->at[2 * i + 1]));
	return claim;
}

static void
judge(const Forged *rows, size_t count, bool hold)
{
	KamEnv		env = test_env("2026-03-11T10:00:00+01:00");
	json_error_t where;
	json_t	   *json = json_loads(contact_text, 0, &where);
	KamContact	contact;
	KamError	error;

	if (json == NULL || !kam_contact_parse(&env, json, &contact, &error))
	{
		printf("fixture: %s\n", json == NULL ? where.text : error.message);
		abort();
	}
	for (size_t i = 0; i < count; i++)
	{
		json_t	   *claim = claim_of(&rows[i]);
		const char *fault = kam_claim_fault(&env, &contact, claim);

		CHECK((fault == NULL) == hold, "%s (%s): %s", rows[i].text, rows[i].at[1], fault ? fault : "passed");
		json_decref(claim);
	}
	json_decref(json);
	kam_arena_free(env.arena);
}

#define HOLD(rows) judge(rows, KAM_LENGTHOF(rows), true)
#define FAIL(rows) judge(rows, KAM_LENGTHOF(rows), false)

TEST(units_are_not_swapped)
{
	static const Forged holds[] = {
		{"Devis de 14 400 €.", {BODY0, "devis"}},
		{"A quote of EUR 14,400.", {BODY0, "devis"}},
		{"Une remise de 12 pour cent.", {BODY0, "Remise"}},
		{"Engagement of 18 months.", {BODY0, "18 mois"}},
		{"The deal is 14 400 €.", {"/deals/0/amount", "14400"}},
	};
	static const Forged fails[] = {
		{"A quote of $14,400.", {BODY0, "devis"}},
		{"A quote of 14 400 GBP.", {BODY0, "devis"}},
		{"A quote of 14 400 CHF.", {BODY0, "devis"}},
		{"Une remise de 12 €.", {BODY0, "Remise"}},
		{"14 400 % more.", {BODY0, "devis"}},
		{"Engagement of 18 weeks.", {BODY0, "18 mois"}},
		{"Engagement of 18 years.", {BODY0, "18 mois"}},
		{"Un engagement de 18 jours.", {BODY0, "18 mois"}},
		{"Un engagement de 18 €.", {BODY0, "18 mois"}},
		{"A rise of 300 %.", {"/contact_info/employees", "3"}},
		/* two entries make no two years */
		{"Customers for 2 years.", {"/deals/0/name", "Pilote", "/deals/1/name", "Ancien"}},
		{"Clients depuis 2 ans.", {"/deals/0/name", "Pilote", "/deals/1/name", "Ancien"}},
	};

	HOLD(holds);
	FAIL(fails);
}

TEST(dates_are_not_made_of_numbers)
{
	static const Forged holds[] = {
		{"To be called on 3 January 2026.", {BODY0, "Rappelez-moi"}},
		{"Rappel demandé le 3 janvier.", {BODY0, "Rappelez-moi"}},
		{"Décision en mars 2026.", {BODY0, "décision"}},
		{"A decision is due in March, they wrote in December.", {BODY0, "décision"}},
		{"Appel voulu en janvier.", {BODY0, "Rappelez-moi"}},
		{"Written in February, a call asked for in late February.", {BODY1, "two weeks"}},
		{"Met in February; may we march on?", {"/activities/3/metadata/status", "held"}},
		{"Met in 2026.", {"/activities/3/metadata/status", "held"}},
		{"They are 3.", {"/contact_info/employees", "3"}},
	};
	static const Forged fails[] = {
		/* a bare number is no day */
		{"Signed on 3 May 2026.", {"/contact_info/employees", "3"}},
		{"Signé le 12 mai.", {BODY0, "Remise"}},
		/* nor is a month */
		{"Décision le 12 mars 2026.", {BODY0, "décision"}},
		{"A decision is due in April.", {BODY0, "décision"}},
		{"Décision en août.", {BODY0, "décision"}},
		{"Written in May.", {BODY1, "two weeks"}},
		/* a year that nobody said and that cannot be meant */
		{"To be called on 3 January 2031.", {BODY0, "Rappelez-moi"}},
		{"To be called on 3 January 2019.", {BODY0, "Rappelez-moi"}},
		/* a number is quoted by a number */
		{"They are three.", {"/contact_info/employees", "3 mars"}},
	};

	HOLD(holds);
	FAIL(fails);
}

TEST(a_round_number_proves_no_exact_one)
{
	static const Forged holds[] = {
		{"A budget of 6 000 €.", {BODY1, "budget"}},
		{"A quote of about 14 k€.", {BODY0, "devis"}},
		{"SIRET 73282932000074.", {"/contact_info/siret", "73282932000074"}},
	};
	static const Forged fails[] = {
		{"A budget of 5 600 €.", {BODY1, "budget"}},
		{"A budget of 6 400 €.", {BODY1, "budget"}},
		{"SIRET 73282932000075.", {"/contact_info/siret", "73282932000074"}},
	};

	HOLD(holds);
	FAIL(fails);
}

TEST(totals_count_each_place_once)
{
	static const Forged holds[] = {
		{"2 e-mails from them.", {BODY0, "Bonjour", BODY1, "cannot sign"}},
		{"2 e-mails and 1 meeting.", {BODY0, "Bonjour", BODY1, "cannot sign", "/activities/3/metadata/status", "held"}},
		{"3 exchanges.", {BODY0, "Bonjour", BODY1, "cannot sign", "/activities/3/metadata/status", "held"}},
		{"3 e-mails, 2 of them theirs.", {BODY0, "Bonjour", BODY1, "cannot sign", "/activities/2/metadata/body", "voici la fiche"}},
		{"Deals worth 20 000.", {"/deals/0", "Pilote", "/deals/1/amount", "5600"}},
		{"Amounts of 14 400 € and 2 500 €, 16 900 € in all.", {BODY0, "14 400 €", BODY1, "2500 €"}},
		{"4 activities.", {"/activities", "held"}},
		{"2 deals, 1 open.", {"/deals/0/name", "Pilote", "/deals/1/name", "Ancien"}},
	};
	static const Forged fails[] = {
		/* one place cited three times */
		{"3 e-mails.", {BODY0, "Bonjour", BODY0, "devis", BODY0, "impossible"}},
		/* two places of one activity */
		{"2 e-mails.", {BODY0, "Bonjour", "/activities/0/recorded_on", "2025-12-20"}},
		/* off by one, either way */
		{"2 exchanges less: 4.", {BODY0, "Bonjour", BODY1, "cannot sign", "/activities/3/metadata/status", "held"}},
		/* the deal and its amount are one amount */
		{"Deals worth 28 800.", {"/deals/0", "Pilote", "/deals/0/amount", "14400"}},
		/* an amount cut out of a longer one */
		{"Amounts of 2 900 € in all.", {BODY0, "400 €", BODY1, "2500 €"}},
		{"14 900 € in all.", {"/deals/0/amount", "14400", BODY1, "500 €"}},
	};

	HOLD(holds);
	FAIL(fails);
}

TEST(numbers_in_words_are_numbers)
{
	static const Forged holds[] = {
		{"Call asked for in 3 weeks.", {BODY0, "trois semaines"}},
		{"Call asked for in three weeks.", {BODY0, "trois semaines"}},
		{"A team of twenty-five.", {BODY0, "vingt-cinq personnes"}},
		{"A team of 25.", {BODY0, "vingt-cinq personnes"}},
		{"Un devis de quatorze mille quatre cents euros.", {BODY0, "devis"}},
		{"A quote of fourteen thousand four hundred euros.", {BODY0, "devis"}},
		{"Une remise de douze pour cent.", {BODY0, "Remise"}},
		{"Rappel dans deux semaines.", {BODY1, "two weeks"}},
		{"Dix-huit mois d'engagement.", {BODY0, "18 mois"}},
		{"Un devis de 14,4 mille euros, soit 14 400 €.", {BODY0, "devis"}},
		{"Two e-mails from them.", {BODY0, "Bonjour", BODY1, "cannot sign"}},
		{"One of them wrote; un devis neuf, a second time.", {BODY0, "devis"}},
	};
	static const Forged fails[] = {
		{"Call asked for in four weeks.", {BODY0, "trois semaines"}},
		{"Call asked for in five months.", {BODY0, "trois semaines"}},
		{"A team of twenty-six.", {BODY0, "vingt-cinq personnes"}},
		{"Dix-huit jours d'engagement.", {BODY0, "18 mois"}},
		{"Soixante-dix-huit mois d'engagement.", {BODY0, "18 mois"}},
		{"A team of sixty.", {BODY0, "vingt-cinq personnes"}},
		{"Un devis de vingt mille euros.", {BODY0, "devis"}},
		{"Un devis de quatorze mille euros.", {BODY0, "devis"}},
		{"Une remise de quatre-vingt-dix pour cent.", {BODY0, "Remise"}},
		{"A discount of twelve euros.", {BODY0, "Remise"}},
		{"Five e-mails from them.", {BODY0, "Bonjour", BODY1, "cannot sign"}},
		{"A quote of fourteen thousand dollars.", {BODY0, "devis"}},
	};

	HOLD(holds);
	FAIL(fails);
}

TEST(digits_of_any_alphabet_are_digits)
{
	static const Forged holds[] = {
		{"Devis de １４ ４００ €.", {BODY0, "devis"}},
		{"Takes 30 minutes.", {BODY1, "30min"}},
	};
	static const Forged fails[] = {
		{"Devis de １５ ０００ €.", {BODY0, "devis"}},
		{"Devis de ١٥٠٠٠ €.", {BODY0, "devis"}},
		{"Devis de 𝟏𝟓𝟎𝟎𝟎 €.", {BODY0, "devis"}},
		/* zero-width characters part no number */
		{"Engagement: 1\u200b2 mois et 1\u200b8 mois.", {BODY0, "18 mois"}},
		/* letters that stick to it make it no name */
		{"Takes 45min.", {BODY1, "30min"}},
		{"Ten times more: 10x.", {BODY1, "30min"}},
	};

	HOLD(holds);
	FAIL(fails);
}

TEST(no_figure_passes_unread)
{
	static const Forged holds[] = {
		{"Wants an answer within 48 hours.", {BODY1, "two weeks"}},
		{"Un échange le 18 février à 14h.", {"/activities/3/metadata/status", "held"}},
		{"Between 10 and 20.", {"/contact_info/x~1y/m~0n", "10"}},
		{"A group of the 3.", {"/contact_info", "Atelier"}},
		{"Written on 20/12/2025 at 9:00.", {BODY0, "devis"}},
		{"Written on Dec. 20th.", {BODY0, "devis"}},
		{"The B2B offer of Q3 in 3D.", {BODY0, "devis"}},
	};
	static const Forged fails[] = {
		{"Wants an answer within 72h.", {BODY1, "two weeks"}},
		{"Wants an answer within 24h.", {BODY1, "two weeks"}},
		{"Un échange le 18 février à 15h.", {"/activities/3/metadata/status", "held"}},
		{"Written on 20/12/2024.", {BODY0, "devis"}},
		{"Written on 21 December 2025.", {BODY0, "devis"}},
		{"Written on 29 February 2026.", {BODY1, "two weeks"}},
		{"Written on 99/99/2026.", {BODY1, "two weeks"}},
		{"They are 1e400.", {BODY0, "devis"}},
		{"They are 99999999999999999999999999999999999999999999999999999999999999999999.", {BODY0, "devis"}},
		{"They are 25000000 people.", {BODY0, "vingt-cinq"}},
		{"A site of 14 400 m2 and 12 halls.", {"/deals/0/amount", "14400"}},
		{"Their 20 sites.", {BODY0, "devis"}},
		{"A budget of $6k.", {BODY1, "budget"}},
		{"A budget of 6 M€.", {BODY1, "budget"}},
		{"Closing in Q3 2031.", {BODY0, "devis"}},
		{"Remise de -21 %.", {BODY0, "Remise"}},
		{"Remise de 1,2 %.", {BODY0, "Remise"}},
	};

	HOLD(holds);
	FAIL(fails);
}

TEST(quotes_are_of_whole_words)
{
	static const Forged holds[] = {
		{"Not possible.", {BODY0, "impossible à tenir"}},
		{"Not possible.", {BODY0, "IMPOSSIBLE A TENIR"}},
		{"Busy.", {BODY0, "été sera chargé"}},
		{"Busy.", {BODY0, "ete sera charge"}},
		{"Not possible.", {BODY0, "est impossib..."}},
		{"A month.", {"/activities/0/recorded_on", "2025-12-20"}},
		{"A day.", {"/activities/0/recorded_on", "2025-12-20T09:00"}},
		{"x", {"/contact_info/email", "valmontgroup.example"}},
		{"x", {"/contact_info/x~1y/m~0n/1", "20"}},
		{"x", {"/contact_info/x~1y", "20"}},
		{"x", {"/contact_info/", "no name"}},
	};
	static const Forged fails[] = {
		{"It is possible.", {BODY0, "possible à tenir"}},
		{"It is possible.", {BODY0, "POSSIBLE"}},
		{"They can.", {BODY1, "We can"}},
		{"A discount.", {BODY0, "4 400 €"}},
		{"A discount.", {BODY0, "14 4"}},
		{"x", {BODY0, ","}},
		{"x", {BODY0, "- -"}},
		{"x", {BODY0, "e"}},
		/* glued from two places */
		{"x", {BODY0, "votre devis est impossible"}},
		{"x", {BODY0, "impossible à tenir Rappelez-moi"}},
		{"x", {"/contact_info/x~01y", "20"}},
		{"x", {"/contact_info/x~y", "20"}},
		{"x", {"/contact_info/x~1y/m~0n/2", "20"}},
		{"x", {"/contact_info/x~1y/m~0n/-", "20"}},
		{"x", {"/contact_info/x~1y/m~0n/01", "20"}},
		{"x", {"/contact_info/x~1y/m~0n/18446744073709551617", "20"}},
		{"x", {"/contact_info/x~1y/m~0n/1/", "20"}},
	};

	HOLD(holds);
	FAIL(fails);
}

TEST(names_are_whole_words)
{
	static const Forged holds[] = {
		{"The contact is Martinez of Valmontgroup, as Julie Moreau says.", {BODY0, "devis"}},
		{"The company is Valmont, in its own words.", {"/contact_info/email", "valmontgroup.example"}},
		{"She wrote to INÈS MARTINEZ.", {BODY0, "devis"}},
		{"She wrote to Ines.", {BODY0, "devis"}},
	};
	static const Forged fails[] = {
		{"The contact is Martin, of the board.", {BODY0, "devis"}},
		{"The contact is Ateli, of the board.", {BODY0, "devis"}},
		{"She wrote to Ine.", {BODY0, "devis"}},
		{"She wrote to Rhôn.", {BODY0, "devis"}},
		{"She wrote to More.", {BODY0, "devis"}},
		{"She wrote to Рaul.", {BODY0, "devis"}},
		{"She wrote to Павел.", {BODY0, "devis"}},
		{"She wrote to Ｄubois.", {BODY0, "devis"}},
	};

	HOLD(holds);
	FAIL(fails);
}

TEST(a_number_quotes_an_amount_in_a_text)
{
	KamEnv		env = test_env("2026-03-11T10:00:00+01:00");
	json_t	   *json = json_loads(contact_text, 0, NULL),
			   *evidence = json_loads("[{\"path\": \"/deals/1/amount\", \"quote\": 5600}]", 0, NULL);
	KamContact	contact;
	KamError	error;

	CHECK(kam_contact_parse(&env, json, &contact, &error));
	CHECK(kam_evidence_fault(&env, &contact, evidence) == NULL);
	json_object_set_new(json_array_get(evidence, 0), "quote", json_integer(5601));
	CHECK(kam_evidence_fault(&env, &contact, evidence) != NULL);
	json_decref(evidence);
	json_decref(json);
	kam_arena_free(env.arena);
}

/* A contact's text is looked at for each entry: what that takes is given back. */
TEST(citing_a_long_text_often_keeps_no_memory)
{
	KamEnv		env = test_env("2026-03-11T10:00:00+01:00");
	json_t	   *json = json_loads(contact_text, 0, NULL),
			   *evidence = json_array(),
			   *claim;
	size_t		size = 300000;
	char	   *text = malloc(size + 40);
	KamContact	contact;
	KamError	error;
	KamMark		before,
				after;

	for (size_t i = 0; i < size; i++)
		text[i] = i % 6 == 5 ? ' ' : 'm';
	strcpy(text + size, "Nous sommes d\xe2\x80\x99""accord.");
	json_object_set_new(json_object_get(json_array_get(json_object_get(json, "activities"), 0), "metadata"), "body", json_string(text));
	for (int i = 0; i < 20; i++)
		json_array_append_new(evidence, json_pack("{s:s, s:s}", "path", i % 2 == 0 ? BODY0 : "", "quote", "NOUS SOMMES D'ACCORD"));
	CHECK(kam_contact_parse(&env, json, &contact, &error));
	before = kam_arena_mark(env.arena);
	CHECK(kam_evidence_fault(&env, &contact, evidence) == NULL);
	after = kam_arena_mark(env.arena);
	CHECK(before.chunk == after.chunk, "more than a chunk was kept");
	claim = json_pack("{s:s, s:O}", "text", "They agreed on 7 May 2031 to ninety-one things.", "evidence", evidence);
	CHECK(strstr(kam_claim_fault(&env, &contact, claim), "7 May 2031") != NULL);
	after = kam_arena_mark(env.arena);
	CHECK(before.chunk == after.chunk, "more than a chunk was kept by the values");
	json_decref(claim);
	json_decref(evidence);
	json_decref(json);
	free(text);
	kam_arena_free(env.arena);
}

TEST(a_claim_is_no_essay)
{
	char		text[KAM_LONGEST_CLAIM + 2];
	Forged		row = {text, {BODY0, "devis"}};

	memset(text, 'm', sizeof text);
	text[KAM_LONGEST_CLAIM] = '\0';
	judge(&row, 1, true);
	text[KAM_LONGEST_CLAIM] = 'm';
	text[KAM_LONGEST_CLAIM + 1] = '\0';
	judge(&row, 1, false);
}

#define INBOUND "{'contact_info': {'full_name': 'Inès Martin', 'email': 'ines@acier.example', 'owner': 'Julie Moreau'}, 'activities': [" \
	"{'activity_type': 'email', 'direction': 'inbound', 'recorded_on': '2026-03-10T10:00:00+01:00', 'metadata': {'subject': 'Module 4'," \
	" 'body': 'Bonjour Julie, pouvez-vous m`envoyer la fiche technique du module 4 ? Merci.'}}]}"

/* Does the rule fire on the built-in decision with a value (stolen) more? */
static bool
fires(const char *rule, const char *parent, const char *key, json_t *value)
{
	TestRun    *t = open_run(INBOUND, "2026-03-11T10:00:00+01:00");
	json_t	   *decision;
	KamFindings found;
	bool		fired = false;

	kam_run_builtin(&t->run, false);
	decision = json_deep_copy(t->run.decision);
	json_object_set_new((json_t *) kam_pointer(decision, parent), key, value);
	kam_check(&t->run.env, &t->run.contact, &t->run.facts, &t->run.plan, NULL, decision, NULL, &found);
	for (int i = 0; i < found.count; i++)
		fired |= strcmp(found.finding[i].rule, rule) == 0;
	json_decref(decision);
	close_run(t);
	return fired;
}

/* [[[...value...]]] */
static json_t *
nested(json_t *value, int depth)
{
	while (depth-- > 0)
		value = json_pack("[o]", value);
	return value;
}

TEST(nothing_foreign_hides_behind_much_or_deep)
{
	char		message[4000] = "Voici : ";

	for (int i = 0; i < 39; i++)
		strcat(message, "acier.example, ");
	CHECK(!fires("foreign_link", "/final_decision/selected_content", "message", json_string(message)));
	strcat(message, "acier.example, evil.example/pay.");
	CHECK(fires("foreign_link", "/final_decision/selected_content", "message", json_string(message)));
	CHECK(fires("foreign_link", "/final_decision/selected_content", "attachments", nested(json_string("https://evil.example/pay"), 5)));
	CHECK(fires("foreign_link", "/final_decision/selected_content", "attachments", nested(json_string("https://evil.example/pay"), 30)));
	CHECK(!fires("foreign_link", "/final_decision/selected_content", "attachments", nested(json_integer(7), 5)));
	CHECK(fires("unproven_evidence", "/final_decision/rationale", "more",
				nested(json_pack("{s:[{s:s, s:s}]}", "evidence", "path", BODY0, "quote", "nowhere"), 5)));
	CHECK(fires("unproven_evidence", "/final_decision/rationale", "more",
				nested(json_pack("{s:[{s:s, s:s}]}", "evidence", "path", BODY0, "quote", "nowhere"), 60)));
	CHECK(!fires("unproven_evidence", "/final_decision/rationale", "more",
				 nested(json_pack("{s:[{s:s, s:s}]}", "evidence", "path", BODY0, "quote", "la fiche technique"), 5)));
}

TEST(an_impact_beyond_all_numbers_is_none)
{
	static const char *const impacts[] = {"1e300", "-inf", "nan", "99999999999999999999", "+0.77"};
	TestRun    *t = open_run(INBOUND, "2026-03-11T10:00:00+01:00");

	CHECK(t->run.score.nfactors > 0);
	for (size_t i = 0; i < KAM_LENGTHOF(impacts); i++)
	{
		json_t	   *decision = json_pack("{s:s, s:s, s:s}", "factor", t->run.score.factor[0].name, "impact", impacts[i], "evidence", "in other words"),
				   *rows = kam_decision_evidence(&t->run.env, &t->run.contact, &t->run.score, decision);

		CHECK_STR(kam_get_string(json_array_get(rows, 0), "verdict"), "unverified");
		json_decref(rows);
		json_decref(decision);
	}
	close_run(t);
}

RUN_TESTS()
