/*
 * test/unit/test_mail.c: what is new in a message, and what is automatic by
 * its form.
 */
#include "unit.h"

#include "core/mail.h"
#include "core/text.h"

static const char *
new_text(KamArena *arena, KamActivityType type, const char *subject, const char *body, bool *automatic)
{
	KamActivity activity;
	KamNewText	text;

	memset(&activity, 0, sizeof activity);
	activity.type = type;
	activity.direction = KAM_INBOUND;
	activity.subject = subject;
	activity.body = body;
	text = kam_new_text(arena, &activity);
	if (automatic)
		*automatic = text.automatic;
	return kam_squash(arena, kam_strndup(arena, text.text, text.length));
}

static void
check_cut(const char *file_body, const char *expected)
{
	KamArena   *arena = kam_arena_new();

	CHECK_STR(new_text(arena, KAM_EMAIL, NULL, file_body, NULL), expected);
	kam_arena_free(arena);
}

static bool
automatic(const char *subject)
{
	KamArena   *arena = kam_arena_new();
	bool		result;

	new_text(arena, KAM_EMAIL, subject, "Bonjour", &result);
	kam_arena_free(arena);
	return result;
}

TEST(plain_text_stays_whole)
{
	check_cut("Bonjour,\n\nTout va bien.\nMerci, je regarde.\n", "Bonjour, Tout va bien. Merci, je regarde.");
	check_cut("", "");
}

TEST(quoted_history_is_cut)
{
	check_cut("D'accord.\n\nLe 3 mars 2026 \u00e0 10:12, Tom <t@x.example> a \u00e9crit :\n> Bonjour\n> Au revoir", "D'accord.");
	check_cut("D'accord.\n\nLe mar. 3 mars 2026 \u00e0 10:12, Tom Petit\n<tom@x.example> a \u00e9crit :\n\n> Bonjour", "D'accord.");
	check_cut("OK.\n\nOn Tue, Mar 3, 2026 at 10:12 AM Tom <t@x.example> wrote:\n\nold words\nmore old words", "OK.");
	check_cut("OK.\n\nOn Tue, Mar 3, 2026 at 10:12 AM\nTom Reed <t@x.example> wrote:\n> old", "OK.");
	check_cut("OK.\n> Le 2 mars 2026, Tom a \u00e9crit :\n> ancien", "OK.");
	check_cut("Oui.\n-----Message d'origine-----\nDe : Tom\nancien", "Oui.");
	check_cut("Yes.\n\n-----Original Message-----\nFrom: Tom\nold", "Yes.");
	check_cut("Oui.\n\nDe : Tom\nEnvoy\u00e9 : mardi 3 mars 2026\n\u00c0 : In\u00e8s\nObjet : devis\n\nancien", "Oui.");
	check_cut("Yes.\n\nFrom: Tom <t@x.example> Sent: Tuesday To: Ines Subject: quote\nold", "Yes.");
	check_cut("Yes.\n________________________________\nFrom: Tom\nSent: Tuesday\nSubject: x\nold", "Yes.");
}

TEST(of_a_forward_only_the_comment_is_new)
{
	check_cut("Pour info.\n\n---------- Forwarded message ---------\nDe : Tom\nDate : mardi\nancien", "Pour info.");
	check_cut("See below.\n\nBegin forwarded message:\n\nFrom: Tom\nold", "See below.");
	check_cut("Voir.\n\nD\u00e9but du message transf\u00e9r\u00e9 :\n\nDe: Tom\nancien", "Voir.");
}

TEST(answers_between_the_quotes_are_new)
{
	check_cut("> Combien d'utilisateurs ?\nDouze.\n> Quand ?\nEn mai.", "Douze. En mai.");
	check_cut("On Tue, 3 Mar 2026, Tom wrote:\n> How many?\nTwelve.\n> When?\nIn May.", "Twelve. In May.");
}

TEST(a_sentence_that_begins_like_an_attribution_stays)
{
	check_cut("Le 3 mars, Tom nous a \u00e9crit une belle lettre.\nMerci \u00e0 lui.", "Le 3 mars, Tom nous a \u00e9crit une belle lettre. Merci \u00e0 lui.");
	check_cut("On Tuesday we decided to stop.\nYou wrote: fine.", "On Tuesday we decided to stop. You wrote: fine.");
	check_cut("De : quoi parle-t-on ?\nJe ne sais pas.", "De : quoi parle-t-on ? Je ne sais pas.");
}

TEST(signatures_are_cut)
{
	check_cut("On arr\u00eate.\n\n-- \nTom\nNous vendons des contrats", "On arr\u00eate.");
	check_cut("On arr\u00eate.\n\nCordialement,\nIn\u00e8s Carpentier\nResponsable \u00e9nergie\n+33 1 99 00 12 40\nwww.valmont.example", "On arr\u00eate. Cordialement,");
	check_cut("We stop.\n\nBest regards\n\nInes Carpentier\nHead of Energy | Valmont\nTel: +44 20 7946 0000", "We stop. Best regards");
	check_cut("Vu.\nEnvoy\u00e9 de mon iPhone", "Vu.");
	check_cut("Seen.\n\nSent from my iPhone", "Seen.");
	check_cut("Received, thanks.\n\nKate Bloom | Bloom Catering\nTel +44 20 7946 0000\nLunch boxes from 9.50 - ask for a quote!", "Received, thanks.");
}

TEST(text_after_a_closing_is_kept)
{
	check_cut("Bonjour,\nMerci,\nNous r\u00e9silions le contrat en juin.", "Bonjour, Merci, Nous r\u00e9silions le contrat en juin.");
	check_cut("Vu. Cordialement, je vous rappelle demain.", "Vu. Cordialement, je vous rappelle demain.");
	check_cut("Bien re\u00e7u.\nCordialement,\nIn\u00e8s\nPS : nous arr\u00eatons le pilote.", "Bien re\u00e7u. Cordialement, PS : nous arr\u00eatons le pilote.");
}

TEST(disclaimers_and_footers_are_cut)
{
	check_cut("Vu.\n\nCe message et ses pi\u00e8ces jointes sont confidentiels.", "Vu.");
	check_cut("Seen.\n\nThis e-mail is confidential and intended for its addressee only.", "Seen.");
	check_cut("Notre lettre.\n\nSi vous ne souhaitez plus recevoir nos messages, cliquez ici.", "Notre lettre.");
	check_cut("News.\nMore news.\n\nUnsubscribe | Preferences", "News. More news.");
}

TEST(unsubscribe_as_an_answer_is_text)
{
	check_cut("unsubscribe", "unsubscribe");
	check_cut("Unsubscribe me please", "Unsubscribe me please");
}

TEST(html_is_read_as_its_reader_sees_it)
{
	check_cut("<html><head><style>p{color:red}</style></head><body><p>Nous r&eacute;silions</p><p>Merci</p></body></html>", "Nous r\u00e9silions Merci");
	check_cut("<div>D&#39;accord&nbsp;!</div><blockquote>ancien</blockquote>", "D'accord !");
	check_cut("<p>OK</p><div class=\"gmail_quote\">old</div>", "OK");
	check_cut("Write to <tom@x.example> or 3 < 4 > 2", "Write to <tom@x.example> or 3 < 4 > 2");
}

TEST(chat_messages_and_notes_are_not_cut)
{
	KamArena   *arena = kam_arena_new();

	CHECK_STR(new_text(arena, KAM_WHATSAPP_MESSAGE, NULL, "ok\nMerci\nTom", NULL), "ok Merci Tom");
	CHECK_STR(new_text(arena, KAM_NOTE, NULL, "> lapin", NULL), "> lapin");
	kam_arena_free(arena);
}

TEST(automatic_messages_are_known_by_their_subject)
{
	CHECK(automatic("Automatic reply: hello"), "automatic reply");
	CHECK(automatic("R\u00e9ponse automatique : bonjour"), "reponse automatique");
	CHECK(automatic("Undeliverable: hello"), "undeliverable");
	CHECK(automatic("Mail delivery failed: returning message to sender"), "mail delivery");
	CHECK(automatic("Out of Office: hello"), "out of office");
	CHECK(automatic("Ticket #4821 : votre demande"), "ticket");
	CHECK(automatic("[#4821] Request"), "bracket");
	CHECK(!automatic("Re: R\u00e9ponse automatique : bonjour"), "a person's answer");
	CHECK(!automatic("Ticket restaurant"), "an ordinary word");
	CHECK(!automatic("Bonjour"), "bonjour");
	CHECK(!automatic("Ready for the demo"), "ready");
}

TEST(a_new_text_points_into_the_body)
{
	KamArena   *arena = kam_arena_new();
	const char *body = "  Bonjour, tout va bien.  ";
	KamActivity activity = {.type = KAM_EMAIL, .direction = KAM_INBOUND, .body = body};
	KamNewText	text = kam_new_text(arena, &activity);

	CHECK(text.text >= body && text.text + text.length <= body + strlen(body), "inside");
	activity.body = "Bonjour.\n\n> ancien";
	text = kam_new_text(arena, &activity);
	CHECK_INT(text.length, 8);
	activity.body = NULL;
	CHECK_INT(kam_new_text(arena, &activity).length, 0);
	kam_arena_free(arena);
}

TEST(what_is_cut_keeps_the_places_of_the_rest)
{
	KamArena   *arena = kam_arena_new();
	KamActivity activity = {.type = KAM_EMAIL, .direction = KAM_INBOUND, .body = "> a\nNeuf.\n<div>r&eacute;ponse</div>"};
	KamMail		mail = kam_mail_read(arena, &activity);

	CHECK_INT(strlen(mail.aligned), strlen(activity.body));
	CHECK(strncmp(mail.aligned + 4, "Neuf.", 5) == 0, "%s", mail.aligned);
	kam_arena_free(arena);
}

/* Any bytes, so that a read too far is seen by the sanitizer. */
TEST(no_bytes_break_it)
{
	static const char *const pieces[] = {"\n", ">", "<div", ">", "&eacute;", "&#x2;", "&#99999999;", "-- \n", "Le 3 mars a \u00e9crit :\n", "De : x\n",
		"Cordialement,\n", "On 3 wrote:\n", "<!--", "<blockquote>", "\xC3", "\xE2\x80", " ", "____________\n", "<style", "&", ";", "Envoy\u00e9 de mon iPhone\n", "\r\n", ":"};
	unsigned	seed = 7;

	for (int round = 0; round < 2000; round++)
	{
		KamArena   *arena = kam_arena_new();
		char		body[600] = "";
		KamActivity activity = {.type = KAM_EMAIL, .direction = KAM_INBOUND, .subject = "Re: x"};
		KamMail		mail;
		char	   *exact;

		for (int k = 0; k < round % 20; k++)
		{
			seed = seed * 1103515245u + 12345u;
			strcat(body, pieces[(seed >> 16) % KAM_LENGTHOF(pieces)]);
		}
		exact = strdup(body);
		activity.body = exact;
		mail = kam_mail_read(arena, &activity);
		CHECK(mail.start <= mail.end && mail.end <= strlen(body), "round %d", round);
		free(exact);
		kam_arena_free(arena);
	}
}

RUN_TESTS()
