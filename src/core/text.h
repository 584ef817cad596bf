/*
 * core/text.h: text as the rules see it: folded words that remember where they
 * stood.
 *
 * Folding: case and accents are dropped, ligatures opened (oe), typographic
 * apostrophes, quotes, dashes and spaces made plain.  An apostrophe parts
 * words in French (l'offre -> l offre, n'avons -> n avons); English
 * contractions are opened (don't -> do not, can't -> can not, won't -> will
 * not, I'm -> i am, we're -> we are, we've -> we have, I'll -> i will, I'd ->
 * i would, let's -> let us, it's/that's/he's/she's/there's/what's -> .. is).
 * Other hyphens part words (rendez-vous -> rendez vous, avez-vous -> avez vous).
 *
 * A number is one token with all that sticks to it, thousands joined:
 * 14 400 -> 14400, 14.400,00 as it stands, 12h30, 14:30, 15/03, 15/03/2026,
 * 2026-03-15, 3rd, 1er, 3pm; but "14 h" and "15-17" are two.  "a.m." -> am.
 * URLs and e-mail addresses are one token each.
 */
#pragma once

#include "core/base.h"

#define KAM_TOKEN_ROOM 16

typedef struct KamToken
{
	const char *word;			/* folded, NUL-terminated; KAM_TOKEN_ROOM bytes can be read whatever its length */
	uint32_t	start,			/* bytes in the source text, [start, end) */
				end;
	int32_t		sentence;		/* tokens of one sentence share a number; line breaks that end a paragraph end a sentence too, and so does length */
	uint8_t		length;			/* of word; longer words are cut at 255 */
	uint8_t		flags;
} KamToken;

#define KAM_TOKEN_NUMBER	1	/* digits, possibly with separators: 14 400, 14.400,00, 12h30, 3rd, 1er */
#define KAM_TOKEN_QUESTION	2	/* its sentence ends with a question mark */
#define KAM_TOKEN_CAPITAL	4	/* begins with a capital letter in the source */
#define KAM_TOKEN_CLAUSE	8	/* a comma, semicolon, colon, dash or bracket stands before it */
#define KAM_TOKEN_MONEY		16	/* a currency sign or code stands at it: 14 400 EUR, $300 */

typedef struct KamTokens
{
	const char *source;			/* borrowed; need not outlive the arena's user */
	KamToken   *token;
	int			count;
} KamTokens;

/* Never fails: invalid UTF-8 is passed over byte by byte. */
extern KamTokens kam_tokenize(KamArena *arena, const char *text, size_t len);

/* Fold a short string as tokens are folded, words joined by one space. */
extern char *kam_fold(KamArena *arena, const char *text);

/*
 * The beginning of a text folded into a buffer, for comparing with fixed
 * phrases: letters and digits folded, each run of anything else one space,
 * none at the ends.  Returns the length; the buffer is NUL-terminated.
 */
extern size_t kam_fold_into(char *buffer, size_t size, const char *text, size_t len);

/*
 * White space runs become one space, typographic quotes, dashes and NBSP
 * plain; case and accents kept.  For comparing a quote with its source.
 */
extern char *kam_squash(KamArena *arena, const char *text);

/* True when a folded, squashed needle stands in the haystack. */
extern bool kam_text_contains(KamArena *arena, const char *haystack, const char *needle);

/* Which ends of a needle may lie within a word of the haystack. */
#define KAM_CUT_BEFORE 1u
#define KAM_CUT_BEHIND 2u

/* Does the needle stand in the text as it is spelled, and no word or number of the text go on beyond an end that is not cut? */
extern bool kam_text_quotes_verbatim(const char *text, const char *needle, unsigned cut);
/* The same after folding and squashing; "We can" is no quote of "We can't". */
extern bool kam_text_quotes(KamArena *arena, const char *text, const char *needle, unsigned cut);

/* Number of questions asked in a message ("?!" and "??" are one, a "?" inside a URL is none). */
extern int	kam_count_questions(const char *text);

/* Language of a text by its function words: "fr", "en", or NULL when it cannot be told. */
extern const char *kam_language(const KamTokens *tokens);

/* Where the first character stands that nobody sees (zero-width, direction mark, control, tag); len when there is none. */
extern size_t kam_hidden_find(const char *text, size_t len);
/* The text without them: itself when it has none. */
extern const char *kam_without_hidden(KamArena *arena, const char *text);

/* The text with wide and mathematical letters and digits, and digits of other scripts, made plain: itself when it has none. */
extern const char *kam_plain_forms(KamArena *arena, const char *text);
