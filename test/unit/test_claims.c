/*
 * test/unit/test_claims.c: what a message says of the past and of missed
 * meetings, in both languages: true sentences pass, false ones are found.
 */
#include "contacts.h"

#include "core/text.h"

/* Wednesday 11 March 2026; our e-mail of 16 February, a meeting on 19 February, her e-mail of Friday 6 March. */
#define AS_OF "2026-03-11T10:00:00+01:00"
#define CONTACT "{'contact_info': {'full_name': 'Inès Martin', 'email': 'ines@acier.example', 'owner': 'Paul Moreau'}, 'activities': [" \
	"{'activity_type': 'email', 'direction': 'outbound', 'recorded_on': '2026-02-16T10:00:00+01:00', 'metadata': {'subject': 'Notre proposition', 'body': 'Bonjour Inès, voici notre devis.'}}," \
	"{'activity_type': 'meeting', 'recorded_on': '2026-02-19T14:00:00+01:00', 'metadata': {'subject': 'Point', 'start_time': '2026-02-19T14:00:00+01:00', 'status': 'held'}}," \
	"{'activity_type': 'email', 'direction': 'inbound', 'recorded_on': '2026-03-06T10:00:00+01:00', 'metadata': {'subject': 'Re: Notre proposition', 'body': 'Bonjour Paul, je lis votre document.'}}]}"

static const char *const true_of_the_past[] = {
	/* French */
	"Suite à votre message de vendredi, voici l'étude.",
	"Suite à votre e-mail du 6 mars, voici l'étude.",
	"Merci pour votre message de la semaine dernière.",
	"Depuis notre réunion du 19 février, avez-vous avancé ?",
	"Lors de notre réunion du jeudi 19 février, vous souhaitiez une étude.",
	"Nous nous sommes rencontrés il y a trois semaines.",
	"Nous avons échangé le mois dernier.",
	"Je vous ai envoyé notre devis le 16 février.",
	"Je vous ai envoyé notre devis mi-février.",
	"Vous m'avez écrit il y a cinq jours.",
	"Nous nous sommes parlé récemment.",
	"Nous avons échangé il y a quelques semaines.",
	"Vous m'avez répondu il y a quelques jours.",
	"Cela fait trois semaines que nous nous sommes vus.",
	"Nous ne nous sommes pas parlé depuis longtemps.",
	"Je vous recontacte la semaine prochaine.",
	"Seriez-vous disponible mardi 17 mars ?",
	"La norme a changé en janvier.",
	"Je reviens vers vous après notre échange de février.",
	/* English */
	"Following your message of Friday, here is the study.",
	"Following your e-mail of 6 March, here is the study.",
	"Thank you for your message of last week.",
	"Since our meeting on 19 February, have you made progress?",
	"At our meeting on Thursday, February 19th, you asked for a study.",
	"We met three weeks ago.",
	"We spoke last month.",
	"I sent you our quote on 16 February.",
	"I sent you our quote in mid-February.",
	"You wrote to me five days ago.",
	"We spoke recently.",
	"We exchanged a few weeks ago.",
	"You answered me a few days ago.",
	"It has been three weeks since we met.",
	"We have not spoken for a long time.",
	"I will write to you next week.",
	"Would Tuesday, 17 March suit you?",
	"The standard changed in January.",
	"I am coming back to you after our conversation in February.",
};

static const char *const false_of_the_past[] = {
	/* French */
	"Suite à votre message d'hier, voici l'étude.",
	"Suite à notre échange de ce matin, voici l'étude.",
	"Merci pour notre appel d'avant-hier.",
	"Comme convenu hier au téléphone, voici l'étude.",
	"Suite à votre e-mail du 9 mars, voici l'étude.",
	"Lors de notre réunion du 3 mars, vous souhaitiez une étude.",
	"Depuis notre échange du 2 février, avez-vous avancé ?",
	"Nous nous sommes rencontrés l'année dernière.",
	"Nous nous sommes parlé il y a trois jours.",
	"Nous nous sommes vus il y a six semaines.",
	"Je vous ai écrit il y a deux mois.",
	"Nous avons échangé il y a quelques mois.",
	"Vous m'avez écrit lundi dernier.",
	"Je vous ai envoyé notre devis en décembre.",
	"Je vous ai envoyé notre devis mi-janvier.",
	"Suite à notre échange d'octobre, voici l'étude.",
	"Vous m'avez appelé avant-hier.",
	"Je reviens vers vous après notre rencontre de novembre dernier.",
	/* English */
	"Following your message from yesterday, here is the study.",
	"Following our call this morning, here is the study.",
	"Thank you for our call the day before yesterday.",
	"As agreed on the phone yesterday, here is the study.",
	"Following your e-mail of 9 March, here is the study.",
	"At our meeting on 3 March, you asked for a study.",
	"Since our conversation of 2 February, have you made progress?",
	"We met last year.",
	"We spoke three days ago.",
	"We met six weeks ago.",
	"I wrote to you two months ago.",
	"We exchanged a few months ago.",
	"You wrote to me last Monday.",
	"I sent you our quote in December.",
	"I sent you our quote in mid-January.",
	"Following our conversation in October, here is the study.",
	"You called me the day before yesterday.",
	"I am coming back to you after our meeting last November.",
};

static int
faults_of(TestRun *t, const char *message, const char **why)
{
	json_t	   *faults = kam_false_temporal_claims(&t->run.env, &t->run.contact, &t->run.facts, message);
	int			n = (int) json_array_size(faults);

	*why = n > 0 ? kam_strdup(t->env.arena, kam_get_string(json_array_get(faults, 0), "why")) : "no fault";
	json_decref(faults);
	return n;
}

TEST(what_a_message_says_of_the_past)
{
	TestRun    *t = open_run(CONTACT, AS_OF);
	const char *why;

	for (size_t i = 0; i < KAM_LENGTHOF(true_of_the_past); i++)
		CHECK(faults_of(t, true_of_the_past[i], &why) == 0, "\"%s\" is true: %s", true_of_the_past[i], why);
	for (size_t i = 0; i < KAM_LENGTHOF(false_of_the_past); i++)
		CHECK(faults_of(t, false_of_the_past[i], &why) > 0, "\"%s\" is false", false_of_the_past[i]);
	close_run(t);
}

/* ---- who missed the meeting -------------------------------------------------------- */

/* Who a sentence holds responsible. */
static const struct
{
	const char *side,
			   *message;
}			blames[] = {
	{"them", "Vous n'avez pas pu venir à notre rendez-vous."},
	{"them", "Vous n'avez malheureusement pas pu participer à notre visio."},
	{"them", "Vous n'étiez pas présente à notre réunion."},
	{"them", "Vous n'étiez pas au rendez-vous de mardi."},
	{"them", "Vous avez manqué notre rendez-vous de mardi."},
	{"them", "Vous avez raté notre appel."},
	{"them", "Vous ne vous êtes pas connectée à notre visio."},
	{"them", "Vous n'êtes pas venue à notre rendez-vous."},
	{"them", "Je vous ai attendue à notre rendez-vous."},
	{"them", "Je ne vous ai pas vue à notre réunion."},
	{"them", "Nous ne vous avons pas vue à la démonstration."},
	{"them", "Votre absence à notre réunion m'a surpris."},
	{"them", "Vous avez dû oublier notre rendez-vous."},
	{"them", "Vous avez oublié notre rendez-vous."},
	{"them", "Notre rendez-vous n'a pas eu lieu car vous étiez absente."},
	{"them", "Tu n'as pas pu rejoindre notre appel."},
	{"us", "Je n'ai pas pu me rendre disponible pour notre appel."},
	{"us", "Nous n'avons pas pu participer à notre réunion."},
	{"us", "Je n'étais pas présent à notre rendez-vous."},
	{"us", "Désolé d'avoir manqué notre rendez-vous."},
	{"us", "Toutes mes excuses pour mon absence à notre réunion."},
	{"us", "Excusez-moi de ne pas avoir pu venir à notre rendez-vous."},
	{"us", "J'ai manqué notre appel."},
	{"us", "J'ai raté notre rendez-vous de mardi."},
	{"us", "Nous avons manqué notre rendez-vous."},
	{"us", "Je ne me suis pas connecté à notre visio."},
	{"us", "Je ne suis pas venu à notre rendez-vous."},
	{"us", "J'ai oublié notre rendez-vous."},
	{"us", "Je vous ai fait faux bond pour notre réunion."},
	{"us", "Je suis désolé de vous avoir fait attendre à notre rendez-vous."},
	{"us", "Notre absence à la démonstration est de notre fait."},

	{"them", "You missed our call."},
	{"them", "You have missed our meeting."},
	{"them", "You couldn't make it to our meeting."},
	{"them", "You were not able to join our call."},
	{"them", "You were unable to attend our meeting."},
	{"them", "You did not show up for our call."},
	{"them", "You didn't join the demo."},
	{"them", "You weren't at our meeting on Tuesday."},
	{"them", "You never joined our call."},
	{"them", "Sorry we missed you on the call."},
	{"them", "I waited for you at our meeting."},
	{"them", "We did not see you on our call."},
	{"them", "Your absence from our meeting surprised me."},
	{"them", "You must have forgotten our meeting."},
	{"them", "You forgot our call."},
	{"us", "Sorry I missed our meeting."},
	{"us", "I missed our call."},
	{"us", "We missed our meeting with you."},
	{"us", "I wasn't able to join our call."},
	{"us", "I was unable to attend our meeting."},
	{"us", "I could not make our call."},
	{"us", "I did not show up for our meeting."},
	{"us", "I apologise for missing our meeting."},
	{"us", "I apologise for my absence from our call."},
	{"us", "We were not able to attend the demo."},
	{"us", "I forgot our meeting."},
	{"us", "I never joined our call."},
	{"us", "Sorry for not joining our call."},
	{"us", "Sorry to have kept you waiting at our meeting."},
	{"us", "I stood you up for our meeting."},
	{"us", "We weren't at the meeting on Tuesday."},

	{NULL, "Quand pourrions-nous fixer une réunion ?"},
	{NULL, "Nous n'avons pas pu être plus clairs sur le prix lors de notre appel."},
	{NULL, "Notre rendez-vous de mardi n'a pas eu lieu."},
	{NULL, "Je vous propose de reporter notre rendez-vous."},
	{NULL, "Vous n'avez pas à préparer la réunion."},
	{NULL, "Si vous ne pouvez pas venir à la réunion, dites-le-moi."},
	{NULL, "Vous n'avez pas encore choisi de créneau."},
	{NULL, "N'oubliez pas notre rendez-vous de mardi."},
	{NULL, "Je n'oublie pas notre rendez-vous."},
	{NULL, "Je vous attends à notre rendez-vous."},
	{NULL, "Je n'ai pas encore reçu votre réponse pour l'appel."},
	{NULL, "When could we set up a meeting?"},
	{NULL, "I could not be happier with our call."},
	{NULL, "Our meeting of Tuesday did not take place."},
	{NULL, "May I suggest another slot for our meeting?"},
	{NULL, "You do not have to prepare the meeting."},
	{NULL, "If you cannot make the meeting, let me know."},
	{NULL, "You have not chosen a slot for the call yet."},
	{NULL, "Do not forget our meeting on Tuesday."},
	{NULL, "I will not forget our call."},
	{NULL, "I look forward to our meeting."},
	{NULL, "I have not received your answer about the call."},
};

#define MISSED "{'contact_info': {'full_name': 'Inès Martin', 'email': 'ines@acier.example', 'owner': 'Paul Moreau'}, 'activities': [" \
	"{'activity_type': 'email', 'direction': 'inbound', 'recorded_on': '2026-03-05T10:00:00+01:00', 'metadata': {'subject': 'Point', 'body': 'Bonjour Paul, reprenons contact.'}}," \
	"{'activity_type': 'meeting', 'recorded_on': '2026-03-03T14:00:00+01:00', 'metadata': {'subject': 'Point', 'start_time': '2026-03-03T14:00:00+01:00', 'status': 'no_show'}}]}"

/* Is the message refused when that side missed the meeting ("" nobody knows, NULL no meeting was missed)? */
static bool
is_refused(TestRun *t, const char *message, const char *missed_by)
{
	json_t	   *decision = json_deep_copy(t->run.decision);
	KamFindings found;
	bool		fired = false;

	t->run.facts.no_show = missed_by != NULL;
	t->run.facts.no_show_responsible = missed_by != NULL && *missed_by ? missed_by : NULL;
	json_object_set_new((json_t *) kam_pointer(decision, "/final_decision/selected_content"), "message", json_string(message));
	kam_check(&t->run.env, &t->run.contact, &t->run.facts, &t->run.plan, NULL, decision, NULL, &found);
	for (int k = 0; k < found.count; k++)
		fired |= strcmp(found.finding[k].rule, "meeting_responsibility") == 0;
	json_decref(decision);
	return fired;
}

TEST(who_a_message_holds_responsible)
{
	TestRun    *t = open_run(MISSED, AS_OF);

	kam_run_builtin(&t->run, false);
	CHECK_STR(json_string_value(kam_dig(t->run.decision, "final_decision.action")), "send_message");
	for (size_t i = 0; i < KAM_LENGTHOF(blames); i++)
	{
		const char *side = blames[i].side,
				   *message = blames[i].message;

		CHECK(is_refused(t, message, "us") == (side != NULL && strcmp(side, "them") == 0), "\"%s\" when we missed it", message);
		CHECK(is_refused(t, message, "them") == (side != NULL && strcmp(side, "us") == 0), "\"%s\" when they missed it", message);
		CHECK(is_refused(t, message, "") == (side != NULL && strcmp(side, "them") == 0), "\"%s\" when nobody knows", message);
		CHECK(is_refused(t, message, NULL) == (side != NULL), "\"%s\" when no meeting was missed", message);
	}
	close_run(t);
}

RUN_TESTS()
