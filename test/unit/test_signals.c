/*
 * test/unit/test_signals.c: what single messages say.
 *
 * First claims on short messages, one each; then recall and false alarms over
 * the corpora of test/unit/corpus.  KAM_CORPUS=file measures that file alone,
 * KAM_VERBOSE=1 lists what was missed, never for the held-out corpus.
 */
#include "unit.h"

#include <strings.h>

#include "core/match.h"
#include "core/signals.h"
#include "zones.h"

#define WRITTEN "2026-03-10T10:00:00+01:00"	/* a Tuesday */

/* ---- one message ------------------------------------------------------- */

typedef struct Message
{
	KamEnv		env;
	KamContact	contact;
	KamActivity activity;
	KamSignals	signals;
} Message;

static void
read_message(Message *m, KamActivityType type, KamDirection direction, const char *at, const char *subject, const char *body)
{
	memset(m, 0, sizeof *m);
	m->env = test_env(at);
	m->contact.first_name = "In\u00e8s";
	m->contact.last_name = "Carpentier";
	m->contact.full_name = "In\u00e8s Carpentier";
	m->contact.email = "ines.carpentier@valmont.example";
	kam_zone_find(&test_zones, "Europe/Paris", &m->contact.zone);
	m->activity.type = type;
	m->activity.direction = direction;
	m->activity.at = m->env.as_of;
	m->activity.start = m->activity.end = KAM_NO_TIME;
	m->activity.subject = subject;
	m->activity.body = body;
	m->contact.activities = &m->activity;
	m->contact.nactivities = 1;
	m->signals = kam_signals_scan(&m->env, &m->contact, &m->activity);
}

static const KamSignal *
find(const Message *m, KamSignalKind kind)
{
	for (int k = 0; k < m->signals.count; k++)
		if (m->signals.signal[k].kind == kind)
			return &m->signals.signal[k];
	return NULL;
}

static void
check_says(KamSignalKind kind, KamDirection direction, const char *body, bool expected)
{
	Message		m;
	const KamSignal *s;

	read_message(&m, direction == KAM_NO_DIRECTION ? KAM_NOTE : KAM_EMAIL, direction, WRITTEN, NULL, body);
	s = find(&m, kind);
	CHECK((s != NULL) == expected, "%s: %s", body, s ? s->quote : "nothing");
	kam_arena_free(m.env.arena);
}

#define SAYS(kind, body) check_says(KAM_SIGNAL_##kind, KAM_INBOUND, body, true)
#define SAYS_NOT(kind, body) check_says(KAM_SIGNAL_##kind, KAM_INBOUND, body, false)
#define NOTES(kind, body) check_says(KAM_SIGNAL_##kind, KAM_NO_DIRECTION, body, true)
#define WE_SAY(kind, body) check_says(KAM_SIGNAL_##kind, KAM_OUTBOUND, body, true)
#define WE_SAY_NOT(kind, body) check_says(KAM_SIGNAL_##kind, KAM_OUTBOUND, body, false)

TEST(every_pattern_of_the_lexicon_compiles)
{
	CHECK_STR(kam_lexicon_fault(), NULL);
}

TEST(an_end_of_contract_is_churn)
{
	SAYS(CHURN, "Nous avons d\u00e9cid\u00e9 de r\u00e9silier notre contrat.");
	SAYS(CHURN, "We have decided not to renew our subscription.");
	SAYS(CHURN, "on arrete l'abonnement fin juin");
	NOTES(CHURN, "In\u00e8s r\u00e9silie le contrat \u00e0 l'\u00e9ch\u00e9ance.");
}

TEST(a_negated_end_is_no_churn)
{
	SAYS_NOT(CHURN, "Je ne souhaite pas r\u00e9silier notre contrat.");
	SAYS_NOT(CHURN, "We have no intention to cancel our contract.");
	SAYS_NOT(CHURN, "We are not leaving you.");
}

TEST(a_supposed_or_asked_end_is_no_churn)
{
	SAYS_NOT(CHURN, "Comment r\u00e9silier notre contrat ?");
	SAYS_NOT(CHURN, "Si nous devions r\u00e9silier le contrat, quel serait le pr\u00e9avis ?");
	SAYS_NOT(CHURN, "What would happen if we cancelled our contract?");
}

TEST(a_request_to_end_is_churn_though_it_is_a_question)
{
	SAYS(CHURN, "Pouvez-vous r\u00e9silier notre abonnement ?");
	SAYS(CHURN, "Could you cancel our subscription please?");
}

TEST(the_end_of_another_contract_is_no_churn)
{
	SAYS_NOT(CHURN, "Nous avons r\u00e9sili\u00e9 notre contrat d'assurance.");
	SAYS_NOT(CHURN, "We cancelled the contract with our previous supplier.");
}

TEST(a_request_for_silence_is_an_opt_out)
{
	SAYS(OPT_OUT, "Merci de ne plus me contacter.");
	SAYS(OPT_OUT, "Pouvez-vous me retirer de votre liste ?");
	SAYS(OPT_OUT, "Could you stop emailing me?");
	SAYS(OPT_OUT, "unsubscribe");
	SAYS_NOT(OPT_OUT, "Ne m'appelez pas avant lundi.");
	WE_SAY_NOT(OPT_OUT, "R\u00e9pondez STOP pour ne plus recevoir nos messages.");
}

TEST(the_footer_of_a_mailing_is_no_opt_out)
{
	SAYS_NOT(OPT_OUT, "Voici notre lettre de mars.\n\nPour vous d\u00e9sinscrire, cliquez ici.");
}

TEST(the_departure_of_the_contact_counts_and_a_colleague_s_does_not)
{
	SAYS(LEFT_COMPANY, "Je ne travaille plus chez Valmont.");
	SAYS(LEFT_COMPANY, "I no longer work at Valmont.");
	NOTES(LEFT_COMPANY, "In\u00e8s a quitt\u00e9 la soci\u00e9t\u00e9.");
	SAYS_NOT(LEFT_COMPANY, "Mon coll\u00e8gue a quitt\u00e9 la soci\u00e9t\u00e9.");
	SAYS_NOT(LEFT_COMPANY, "I left you a message.");
}

static void
check_date(KamSignalKind kind, KamDirection direction, const char *body, const char *date)
{
	Message		m;
	const KamSignal *s;

	read_message(&m, KAM_EMAIL, direction, WRITTEN, NULL, body);
	s = find(&m, kind);
	CHECK(s != NULL, "%s", body);
	if (s)
	{
		CHECK(s->at != KAM_NO_TIME, "%s", body);
		if (s->at != KAM_NO_TIME)
			CHECK_STR(kam_date_format(m.env.arena, &m.contact.zone, s->at), date);
	}
	kam_arena_free(m.env.arena);
}

TEST(a_wait_has_its_date)
{
	check_date(KAM_SIGNAL_WAIT, KAM_INBOUND, "Recontactez-moi d\u00e9but avril.", "2026-04-06");
	check_date(KAM_SIGNAL_WAIT, KAM_INBOUND, "Please get back to me in two weeks.", "2026-03-24");
	SAYS_NOT(WAIT, "Recontactez-moi plus tard.");
}

TEST(a_meeting_is_agreed_and_not_only_proposed)
{
	check_date(KAM_SIGNAL_MEETING_AGREED, KAM_INBOUND, "C'est not\u00e9 pour mardi 14h.", "2026-03-17");
	check_date(KAM_SIGNAL_MEETING_AGREED, KAM_INBOUND, "Parfait, \u00e0 jeudi 10h.", "2026-03-12");
	check_date(KAM_SIGNAL_MEETING_AGREED, KAM_INBOUND, "See you on Monday", "2026-03-16");
	SAYS_NOT(MEETING_AGREED, "Seriez-vous disponible mardi ?");
	SAYS_NOT(MEETING_AGREED, "Would Tuesday work?");
}

TEST(a_missed_meeting_has_its_culprit)
{
	SAYS(NO_SHOW_THEM, "D\u00e9sol\u00e9, j'ai manqu\u00e9 notre appel.");
	SAYS(NO_SHOW_US, "You did not show up for our call.");
	WE_SAY(NO_SHOW_US, "I'm sorry I missed our meeting this morning.");
	WE_SAY(NO_SHOW_THEM, "Je vous ai attendu ce matin sur la visio.");
}

TEST(an_automatic_message_is_known_by_its_form)
{
	Message		m;

	read_message(&m, KAM_EMAIL, KAM_INBOUND, WRITTEN, "R\u00e9ponse automatique : devis", "Je suis absente jusqu'au 20 mars.");
	CHECK(find(&m, KAM_SIGNAL_AUTO_REPLY) != NULL, "automatic");
	CHECK(find(&m, KAM_SIGNAL_OUT_OF_OFFICE) != NULL, "away");
	CHECK(find(&m, KAM_SIGNAL_PRICING) == NULL, "its subject is ours");
	kam_arena_free(m.env.arena);
	read_message(&m, KAM_EMAIL, KAM_INBOUND, WRITTEN, "Re: R\u00e9ponse automatique : devis", "Me voici de retour, merci.");
	CHECK(find(&m, KAM_SIGNAL_AUTO_REPLY) == NULL, "a person's answer");
	kam_arena_free(m.env.arena);
}

TEST(a_hard_bounce_names_the_address_and_a_delay_is_none)
{
	Message		m;

	read_message(&m, KAM_EMAIL, KAM_INBOUND, WRITTEN, "Undeliverable: Hello",
				 "Delivery has failed to these recipients:\nines.carpentier@valmont.example\n550 5.1.1 User unknown");
	CHECK(find(&m, KAM_SIGNAL_BOUNCE) != NULL, "bounce");
	if (find(&m, KAM_SIGNAL_BOUNCE))
		CHECK_STR(find(&m, KAM_SIGNAL_BOUNCE)->name, "ines.carpentier@valmont.example");
	kam_arena_free(m.env.arena);
	read_message(&m, KAM_EMAIL, KAM_INBOUND, WRITTEN, "Delivery Status Notification (Delay)",
				 "Temporary problem delivering to a@b.example. Gmail will retry.");
	CHECK(find(&m, KAM_SIGNAL_BOUNCE) == NULL, "a delay");
	CHECK(find(&m, KAM_SIGNAL_AUTO_REPLY) != NULL, "automatic");
	kam_arena_free(m.env.arena);
}

TEST(a_competitor_is_named_as_written)
{
	Message		m;

	read_message(&m, KAM_EMAIL, KAM_INBOUND, WRITTEN, NULL, "Nous avons finalement retenu Acmeo.");
	CHECK(find(&m, KAM_SIGNAL_COMPETITOR_PREFERRED) != NULL, "chosen");
	if (find(&m, KAM_SIGNAL_COMPETITOR_PREFERRED))
		CHECK_STR(find(&m, KAM_SIGNAL_COMPETITOR_PREFERRED)->name, "Acmeo");
	kam_arena_free(m.env.arena);
	SAYS_NOT(COMPETITOR, "Is there an integration with HubSpot?");
}

TEST(an_objection_has_its_kind)
{
	Message		m;

	read_message(&m, KAM_EMAIL, KAM_INBOUND, WRITTEN, NULL, "Nous n'avons pas le budget cette ann\u00e9e.");
	CHECK(find(&m, KAM_SIGNAL_OBJECTION) != NULL, "objection");
	if (find(&m, KAM_SIGNAL_OBJECTION))
		CHECK_STR(find(&m, KAM_SIGNAL_OBJECTION)->name, "budget");
	kam_arena_free(m.env.arena);
	SAYS_NOT(OBJECTION, "Security reviewed everything and has no concerns at all.");
}

TEST(quotes_stand_in_the_field)
{
	Message		m;
	const char *body = "Bonjour,\n\nApr\u00e8s r\u00e9flexion, nous avons d\u00e9cid\u00e9 de r\u00e9silier notre contrat, merci.";

	read_message(&m, KAM_EMAIL, KAM_INBOUND, WRITTEN, NULL, body);
	CHECK(m.signals.count > 0, "signals");
	for (int k = 0; k < m.signals.count; k++)
		CHECK(strstr(body, m.signals.signal[k].quote) != NULL && strlen(m.signals.signal[k].quote) <= 160, "%s", m.signals.signal[k].quote);
	kam_arena_free(m.env.arena);
}

TEST(a_subject_that_repeats_ours_says_nothing)
{
	Message		m;
	KamActivity two[2];

	read_message(&m, KAM_EMAIL, KAM_INBOUND, WRITTEN, "Re: Votre devis", "Bien re\u00e7u.");
	memset(two, 0, sizeof two);
	two[1] = m.activity;
	two[0] = m.activity;
	two[0].direction = KAM_OUTBOUND;
	two[0].at -= KAM_DAY;
	two[0].subject = "Votre devis";
	m.contact.activities = two;
	m.contact.nactivities = 2;
	m.signals = kam_signals_scan(&m.env, &m.contact, &two[1]);
	CHECK(find(&m, KAM_SIGNAL_PRICING) == NULL, "repeated");
	two[0].subject = "Bonjour";
	m.signals = kam_signals_scan(&m.env, &m.contact, &two[1]);
	CHECK(find(&m, KAM_SIGNAL_PRICING) != NULL, "their own");
	kam_arena_free(m.env.arena);
}

TEST(missing_parts_are_no_harm)
{
	Message		m;

	read_message(&m, KAM_EMAIL, KAM_INBOUND, WRITTEN, NULL, NULL);
	CHECK_INT(m.signals.count, 0);
	kam_arena_free(m.env.arena);
	read_message(&m, KAM_EMAIL, KAM_NO_DIRECTION, WRITTEN, "", "");
	CHECK_INT(m.signals.count, 0);
	kam_arena_free(m.env.arena);
	read_message(&m, KAM_LINKEDIN_LIKE, KAM_INBOUND, WRITTEN, NULL, "Nous r\u00e9silions notre contrat.");
	CHECK_INT(m.signals.count, 0);
	kam_arena_free(m.env.arena);
}

/* ---- the corpora ------------------------------------------------------- */

#define KIND(k) (1u << KAM_SIGNAL_##k)

/* A label of the corpus and the signals that mean it. */
static const struct
{
	const char *fact;
	unsigned	kinds;
}			labels[] = {
	{"churn", KIND(CHURN)},
	{"opted_out", KIND(OPT_OUT)},
	{"left_company", KIND(LEFT_COMPANY)},
	{"unreachable", KIND(BOUNCE)},
	{"out_of_office", KIND(OUT_OF_OFFICE)},
	{"auto_reply", KIND(AUTO_REPLY)},
	{"explicit_wait", KIND(WAIT)},
	{"meeting", KIND(MEETING_AGREED)},
	{"no_show", KIND(NO_SHOW_US) | KIND(NO_SHOW_THEM)},
	{"pricing_discussed", KIND(PRICING)},
	{"demo", KIND(DEMO_HELD)},
	{"demo_positive", KIND(DEMO_POSITIVE)},
	{"competitors", KIND(COMPETITOR) | KIND(COMPETITOR_PREFERRED)},
	{"pilot", KIND(PILOT)},
	{"objections", KIND(OBJECTION)},
	{"timing_agreement", KIND(TIMING) | KIND(WAIT) | KIND(MEETING_AGREED)},
};

#define LABELS ((int) KAM_LENGTHOF(labels))

typedef struct Tally
{
	int			positives,
				found,
				negatives,
				alarms;
} Tally;

typedef struct Measure
{
	Tally		fact[LABELS];
	int			dates,
				dates_right,
				names,
				names_right,
				culprits,
				culprits_right;
	bool		verbose;
} Measure;

static bool
listed(const json_t *array, const char *word)
{
	size_t		k;
	json_t	   *item;

	json_array_foreach(array, k, item)
		if (json_is_string(item) && strcmp(json_string_value(item), word) == 0)
			return true;
	return false;
}

static KamActivityType
type_of(const char *name)
{
	static const char *const names[] = {"email", "call", "meeting", "note", "linkedin_message", "whatsapp_message"};

	for (size_t k = 0; k < KAM_LENGTHOF(names); k++)
		if (name && strcmp(names[k], name) == 0)
			return (KamActivityType) k;
	return KAM_OTHER_ACTIVITY;
}

/* The first date among the signals that carry "until"; absence, wait, meeting, in this order. */
static KamTime
date_found(const KamSignals *signals)
{
	static const KamSignalKind order[] = {KAM_SIGNAL_OUT_OF_OFFICE, KAM_SIGNAL_WAIT, KAM_SIGNAL_MEETING_AGREED, KAM_SIGNAL_TIMING};

	for (size_t o = 0; o < KAM_LENGTHOF(order); o++)
		for (int k = 0; k < signals->count; k++)
			if (signals->signal[k].kind == order[o] && signals->signal[k].at != KAM_NO_TIME)
				return signals->signal[k].at;
	return KAM_NO_TIME;
}

static void
measure_line(Measure *measure, const json_t *row)
{
	Message		m;
	const char *direction = kam_get_string(row, "direction"),
			   *until = kam_get_string(row, "until"),
			   *responsible = kam_get_string(row, "responsible"),
			   *id = kam_get_string(row, "id");
	const json_t *facts = kam_get_array(row, "facts"),
			   *names = kam_get_array(row, "names");
	unsigned	found = 0;
	size_t		i;
	json_t	   *name;

	read_message(&m, type_of(kam_get_string(row, "activity_type")),
				 !direction ? KAM_NO_DIRECTION : strcmp(direction, "inbound") == 0 ? KAM_INBOUND : KAM_OUTBOUND,
				 kam_get_string(row, "recorded_on"), kam_get_string(row, "subject"), kam_get_string(row, "body"));
	for (int k = 0; k < m.signals.count; k++)
		found |= 1u << m.signals.signal[k].kind;
	for (int k = 0; k < LABELS; k++)
	{
		bool		expected = listed(facts, labels[k].fact),
					got = (found & labels[k].kinds) != 0;
		Tally	   *t = &measure->fact[k];

		t->positives += expected;
		t->found += expected && got;
		t->negatives += !expected;
		t->alarms += !expected && got;
		if (measure->verbose && expected != got)
		{
			const char *quote = "";

			for (int s = 0; s < m.signals.count; s++)
				if (labels[k].kinds >> m.signals.signal[s].kind & 1)
					quote = m.signals.signal[s].quote;
			printf("%s %s %s: %s | %s%s%s\n", expected ? "MISSED" : "ALARM ", labels[k].fact, id,
				   kam_get_string(row, "subject") ? kam_get_string(row, "subject") : "-",
				   kam_get_string(row, "body") ? kam_get_string(row, "body") : "-", got ? "\n       quote: " : "", quote);
		}
	}
	if (until)
	{
		KamTime		at = date_found(&m.signals);
		bool		right = at != KAM_NO_TIME && strncmp(kam_date_format(m.env.arena, &m.contact.zone, at), until, 10) == 0;

		measure->dates++;
		measure->dates_right += right;
		if (measure->verbose && !right)
			printf("DATE   %s: %s, not %s | %s\n", id, at == KAM_NO_TIME ? "none" : kam_date_format(m.env.arena, &m.contact.zone, at),
				   until, kam_get_string(row, "body"));
	}
	if (responsible)
	{
		bool		right = (found & (strcmp(responsible, "us") == 0 ? KIND(NO_SHOW_US) : KIND(NO_SHOW_THEM))) != 0;

		measure->culprits++;
		measure->culprits_right += right;
		if (measure->verbose && !right)
			printf("WHOSE  %s: %s | %s\n", id, responsible, kam_get_string(row, "body"));
	}
	if (names)
		json_array_foreach(names, i, name)
		{
			bool		right = false;

			for (int k = 0; k < m.signals.count; k++)
				if (((KIND(COMPETITOR) | KIND(COMPETITOR_PREFERRED)) >> m.signals.signal[k].kind & 1) && m.signals.signal[k].name &&
					strcasecmp(m.signals.signal[k].name, json_string_value(name)) == 0)
					right = true;
			measure->names++;
			measure->names_right += right;
			if (measure->verbose && !right)
				printf("NAME   %s: %s | %s\n", id, json_string_value(name), kam_get_string(row, "body"));
		}
	kam_arena_free(m.env.arena);
}

static double
share(int part, int whole, double otherwise)
{
	return whole > 0 ? (double) part / whole : otherwise;
}

static void
measure_corpus(const char *path, bool verbose)
{
	Measure		measure = {.verbose = verbose};
	FILE	   *file = fopen(path, "r");
	static char line[65536];
	Tally		all = {0, 0, 0, 0};
	int			lines = 0;

	CHECK(file != NULL, "%s", path);
	if (!file)
		return;
	while (fgets(line, sizeof line, file))
	{
		json_error_t error;
		json_t	   *row = json_loads(line, 0, &error);

		CHECK(row != NULL, "line %d: %s", lines + 1, error.text);
		if (row)
			measure_line(&measure, row);
		json_decref(row);
		lines++;
	}
	fclose(file);
	CHECK(lines > 0, "%s is empty", path);
	printf("%s: %d messages\n%-20s %9s %9s\n", path, lines, "fact", "recall", "alarms");
	for (int k = 0; k < LABELS; k++)
	{
		const Tally *t = &measure.fact[k];
		double		recall = share(t->found, t->positives, 1.0),
					alarms = share(t->alarms, t->negatives, 0.0);

		printf("%-20s %4d/%-4d %4d/%-4d  %.2f  %.3f\n", labels[k].fact, t->found, t->positives, t->alarms, t->negatives, recall, alarms);
		CHECK(recall >= 0.80, "%s in %s: recall %.2f", labels[k].fact, path, recall);
		CHECK(alarms <= 0.05, "%s in %s: false alarms %.3f", labels[k].fact, path, alarms);
		all.positives += t->positives;
		all.found += t->found;
		all.negatives += t->negatives;
		all.alarms += t->alarms;
	}
	printf("%-20s %4d/%-4d %4d/%-4d  %.3f %.4f\n", "all", all.found, all.positives, all.alarms, all.negatives,
		   share(all.found, all.positives, 1.0), share(all.alarms, all.negatives, 0.0));
	printf("dates %d/%d, names %d/%d, no-show by whom %d/%d\n", measure.dates_right, measure.dates, measure.names_right, measure.names,
		   measure.culprits_right, measure.culprits);
	CHECK(share(all.found, all.positives, 1.0) >= 0.90, "%s: recall", path);
	CHECK(share(all.alarms, all.negatives, 0.0) <= 0.05, "%s: false alarms", path);
	CHECK(share(measure.dates_right, measure.dates, 1.0) >= 0.90, "%s: dates", path);
}

/* The corpora stand beside this file. */
TEST(recall_and_false_alarms_over_the_corpora)
{
	const char *only = getenv("KAM_CORPUS");
	bool		verbose = getenv("KAM_VERBOSE") != NULL;
	static char path[2048];
	char	   *slash;

	if (only && *only)
	{
		measure_corpus(only, verbose && strstr(only, "heldout") == NULL);
		return;
	}
	snprintf(path, sizeof path - 32, "%s", __FILE__);
	slash = strrchr(path, '/');
	slash = slash ? slash + 1 : path;
	strcpy(slash, "corpus/tuned.jsonl");
	measure_corpus(path, verbose);
	strcpy(slash, "corpus/heldout.jsonl");
	measure_corpus(path, false);
}

RUN_TESTS()
