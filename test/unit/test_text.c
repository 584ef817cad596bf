/*
 * test/unit/test_text.c: the tokenizer, folding, questions and language.
 */
#include "unit.h"

#include "core/text.h"

/* The folded words of a text, joined by spaces; "|" where a sentence ends. */
static const char *
words(KamArena *arena, const char *text)
{
	KamTokens	t = kam_tokenize(arena, text, strlen(text));
	const char *result = "";

	for (int k = 0; k < t.count; k++)
		result = kam_printf(arena, "%s%s%s", result,
							k == 0 ? "" : t.token[k].sentence != t.token[k - 1].sentence ? " | " : " ", t.token[k].word);
	return result;
}

/* The flags of one token, found by its word. */
static int
flags_of(KamArena *arena, const char *text, const char *word)
{
	KamTokens	t = kam_tokenize(arena, text, strlen(text));

	for (int k = 0; k < t.count; k++)
		if (strcmp(t.token[k].word, word) == 0)
			return t.token[k].flags;
	return -1;
}

#define WORDS(text, expected) \
	do { \
		KamArena *arena = kam_arena_new(); \
		CHECK_STR(words(arena, text), expected); \
		kam_arena_free(arena); \
	} while (0)

#define FLAG(text, word, flag, expected) \
	do { \
		KamArena *arena = kam_arena_new(); \
		CHECK_INT((flags_of(arena, text, word) & (flag)) != 0, expected); \
		kam_arena_free(arena); \
	} while (0)

TEST(case_and_accents_are_dropped)
{
	WORDS("Résiliation À L’ÉCHÉANCE, ça Œuvre", "resiliation a l echeance ca oeuvre");
	WORDS("Straße, Łódź, Ýr, Jürgen", "strasse lodz yr jurgen");
	WORDS("re\xCC\x81silier", "resilier");	/* combining accent */
}

TEST(an_apostrophe_parts_french_words)
{
	WORDS("L'offre, n'avons-nous pas, aujourd’hui jusqu'à", "l offre n avons nous pas aujourd hui jusqu a");
}

TEST(english_contractions_are_opened)
{
	WORDS("I don't, can't, won't; we're, we've, I'll, I'd, I'm", "i do not can not will not we are we have i will i would i am");
	WORDS("Let's talk: it's fine, he’s out, the company's offer", "let us talk it is fine he is out the company s offer");
	WORDS("cannot didnt shouldn't", "can not did not should not");
}

TEST(numbers_are_one_token)
{
	WORDS("14 400 €, 14.400,00 et 12h30", "14400 14.400,00 et 12h30");
	WORDS("le 15/03/2026 ou 2026-03-15, 15-03-2026", "le 15/03/2026 ou 2026-03-15 15-03-2026");
	WORDS("3rd, 1er, 3pm, 14:30, 10 a.m. sharp", "3rd 1er 3pm 14:30 10 am sharp");
	WORDS("2-3 semaines, le 15-17 mars, 14 h", "2 3 semaines le 15 17 mars 14 h");
	WORDS("06 12 34 56 78", "06 12 34 56 78");
	WORDS("14\xE2\x80\xAF""400 euros", "14400 euros");
}

TEST(money_marks_its_number)
{
	FLAG("soit 14 400 € par an", "14400", KAM_TOKEN_MONEY, 1);
	FLAG("about $300 a month", "300", KAM_TOKEN_MONEY, 1);
	FLAG("12 000 euros HT", "12000", KAM_TOKEN_MONEY, 1);
	FLAG("15 k€ pour tout", "15", KAM_TOKEN_MONEY, 1);
	FLAG("EUR 900", "900", KAM_TOKEN_MONEY, 1);
	FLAG("le 15 mars", "15", KAM_TOKEN_MONEY, 0);
	FLAG("le 15 mars", "15", KAM_TOKEN_NUMBER, 1);
}

TEST(a_stop_ends_a_sentence)
{
	WORDS("Merci. je vous rappelle ! A bientôt", "merci | je vous rappelle | a bientot");
	WORDS("Mme. Petit et M. Dupont de acme.fr", "mme petit et m dupont de acme fr");
	WORDS("On arrête le contrat.Nous partons", "on arrete le contrat | nous partons");
	WORDS("Euh... je ne sais pas... Bref", "euh je ne sais pas | bref");
}

TEST(paragraphs_end_sentences_and_wrapped_lines_do_not)
{
	WORDS("Bonjour Julie\n\nje pars", "bonjour julie | je pars");
	WORDS("Cdlt\nB. Roussel", "cdlt | b roussel");
	WORDS("nous ne souhaitons pas renouveler le contrat avec votre honorable\nmaison cette fois",
		  "nous ne souhaitons pas renouveler le contrat avec votre honorable maison cette fois");
}

TEST(a_question_mark_marks_its_sentence_alone)
{
	FLAG("Je pars. Et vous ?", "pars", KAM_TOKEN_QUESTION, 0);
	FLAG("Je pars. Et vous ?", "vous", KAM_TOKEN_QUESTION, 1);
	FLAG("Voir https://x.io/a?b=c demain.", "voir", KAM_TOKEN_QUESTION, 0);
}

TEST(clauses_begin_after_marks)
{
	FLAG("non, nous partons", "nous", KAM_TOKEN_CLAUSE, 1);
	FLAG("non nous partons", "nous", KAM_TOKEN_CLAUSE, 0);
	FLAG("voila - nous partons", "nous", KAM_TOKEN_CLAUSE, 1);
	FLAG("rendez-vous", "vous", KAM_TOKEN_CLAUSE, 0);
	FLAG("avec Jean Petit", "jean", KAM_TOKEN_CAPITAL, 1);
	FLAG("\xC3\x89milie", "emilie", KAM_TOKEN_CAPITAL, 1);
	FLAG("\xC3\xA9milie", "emilie", KAM_TOKEN_CAPITAL, 0);
}

TEST(addresses_and_links_are_one_token)
{
	WORDS("Écrivez à Jean.Dupont@acme.fr.", "ecrivez a jean.dupont@acme.fr");
	WORDS("<marie-l@x.co.uk> said", "marie-l@x.co.uk said");
	WORDS("voir https://kam.io/a?b=1&c, ou www.kam.io.", "voir https://kam.io/a?b=1&c ou www.kam.io");
	WORDS("@ et a @ b, @jean", "et a b jean");
}

TEST(tokens_remember_where_they_stood)
{
	const char *text = "Ça n’est pas fini, don't";
	KamArena   *arena = kam_arena_new();
	KamTokens	t = kam_tokenize(arena, text, strlen(text));

	CHECK_INT(t.count, 7);
	CHECK(strncmp(text + t.token[0].start, "Ça", t.token[0].end - t.token[0].start) == 0, "first token");
	CHECK(strncmp(text + t.token[2].start, "est", 3) == 0, "third token");
	CHECK_INT(t.token[6].end, strlen(text));
	for (int k = 0; k < t.count; k++)
		CHECK(t.token[k].start < t.token[k].end && t.token[k].length == strlen(t.token[k].word), "token %d", k);
	kam_arena_free(arena);
}

TEST(broken_utf8_is_passed_over)
{
	WORDS("caf\xE9 noir \xFF\xFE\xC3", "caf noir");
	WORDS("", "");
	WORDS("\xF0\x9F\x99\x82 ok", "ok");
}

TEST(long_words_are_cut)
{
	char		text[1000];
	KamArena   *arena = kam_arena_new();
	KamTokens	t;

	memset(text, 'a', sizeof text);
	t = kam_tokenize(arena, text, sizeof text);
	CHECK_INT(t.count, 1);
	CHECK_INT(t.token[0].length, 255);
	CHECK_INT(t.token[0].end, 1000);
	kam_arena_free(arena);
}

/* Any bytes, in a block of exactly their size, so that a read too far is seen. */
TEST(no_bytes_break_it)
{
	static const char alphabet[] = "aZ'9 .,?!-\n@:/\xC3\xA9\xE2\x80\x99\xE2\x82\xAC""ntsdmI$k<>\xFF";
	unsigned	seed = 12345;

	for (int round = 0; round < 3000; round++)
	{
		size_t		len = (size_t) (round % 60);
		char	   *text = malloc(len + 1);
		KamArena   *arena = kam_arena_new();
		KamTokens	t;
		uint32_t	end = 0;
		bool		ordered = true;

		for (size_t i = 0; i < len; i++)
		{
			seed = seed * 1103515245u + 12345u;
			text[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
		}
		text = realloc(text, len ? len : 1);
		t = kam_tokenize(arena, text, len);
		for (int k = 0; k < t.count; k++)
		{
			ordered = ordered && t.token[k].start >= end && t.token[k].end <= len;
			end = t.token[k].end;
		}
		CHECK(ordered, "round %d", round);
		kam_arena_free(arena);
		free(text);
	}
}

TEST(folding_joins_words_by_one_space)
{
	KamArena   *arena = kam_arena_new();

	CHECK_STR(kam_fold(arena, "  Fin\u00a0de\n  l’Été ! "), "fin de l ete");
	CHECK_STR(kam_fold(arena, ""), "");
	kam_arena_free(arena);
}

TEST(squashing_keeps_case_and_accents)
{
	KamArena   *arena = kam_arena_new();

	CHECK_STR(kam_squash(arena, "  L’Été\n\n est\u00a0« là » – oui… "), "L'Été est \" là \" - oui...");
	kam_arena_free(arena);
}

TEST(containing_looks_over_case_accents_and_space)
{
	KamArena   *arena = kam_arena_new();

	CHECK(kam_text_contains(arena, "Nous  avons\ndécidé de l’arrêter.", "nous avons decide de l'arreter"), "folded");
	CHECK(kam_text_contains(arena, "I don't want it", "don’t want"), "apostrophe");
	CHECK(!kam_text_contains(arena, "Nous avons décidé", "nous n'avons"), "other words");
	CHECK(kam_text_contains(arena, "Objet : Froid industriel, où part votre électricité", "froid industriel : ou part"), "other marks");
	CHECK(kam_text_contains(arena, "They couldn't: reorganisation first", "could not reorganisation"), "a contraction opened");
	CHECK(!kam_text_contains(arena, "Froid commercial, où part votre électricité", "froid industriel : ou part"), "another long word");
	CHECK(!kam_text_contains(arena, "Nous avons décidé", ""), "nothing is contained nowhere");
	CHECK(!kam_text_contains(arena, "Nous avons décidé", " \n "), "space");
	kam_arena_free(arena);
}

TEST(questions_are_counted_once)
{
	CHECK_INT(kam_count_questions("Ça va ? Et le devis ?!"), 2);
	CHECK_INT(kam_count_questions("Vraiment ??"), 1);
	CHECK_INT(kam_count_questions("Vraiment ? ?"), 1);
	CHECK_INT(kam_count_questions("voir https://a.fr/?q=1&r=?x"), 0);
	CHECK_INT(kam_count_questions("vu https://a.fr/x ?"), 1);
	CHECK_INT(kam_count_questions("?"), 0);
	CHECK_INT(kam_count_questions(""), 0);
}

static const char *
language(const char *text)
{
	KamArena   *arena = kam_arena_new();
	KamTokens	t = kam_tokenize(arena, text, strlen(text));
	const char *result = kam_language(&t);

	kam_arena_free(arena);
	return result;
}

TEST(the_language_shows_in_function_words)
{
	CHECK_STR(language("Bonjour, je reviens vers vous pour la suite"), "fr");
	CHECK_STR(language("ok pour mardi, tu peux m envoyer le devis"), "fr");
	CHECK_STR(language("Hi Tom, thanks for the call, let's talk next week"), "en");
	CHECK_STR(language("Acme 2026"), NULL);
	CHECK_STR(language(""), NULL);
}

RUN_TESTS()
