/*
 * core/text_compare.c: small comparisons of text on the tokenizer's folding:
 * folding and squashing, containment, questions, language.
 */
#include "core/text.h"

#include <string.h>

#include "core/text_chars.h"

char *
kam_fold(KamArena *arena, const char *text)
{
	KamTokens	tokens = kam_tokenize(arena, text, strlen(text));
	size_t		size = 1;
	char	   *result,
			   *p;

	for (int k = 0; k < tokens.count; k++)
		size += tokens.token[k].length + 1u;
	result = p = kam_alloc_raw(arena, size);
	for (int k = 0; k < tokens.count; k++)
	{
		if (k > 0)
			*p++ = ' ';
		memcpy(p, tokens.token[k].word, tokens.token[k].length);
		p += tokens.token[k].length;
	}
	*p = '\0';
	return result;
}

size_t
kam_fold_into(char *buffer, size_t size, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *) text;
	size_t		n = 0;
	bool		space = false;

	for (size_t i = 0; i < len;)
	{
		Char		ch;

		if (kam_ascii_word[s[i]])
		{
			if (n + 4 >= size)
				break;
			if (space && n > 0)
				buffer[n++] = ' ';
			space = false;
			/* most words are plain ASCII */
			do
				buffer[n++] = kam_ascii_word[s[i++]];
			while (i < len && n + 4 < size && kam_ascii_word[s[i]]);
			continue;
		}
		if (s[i] == ' ')
		{
			space = true;
			i++;
			continue;
		}
		ch = read_char(s + i, len - i);
		if (ch.kind == CHAR_LETTER || ch.kind == CHAR_DIGIT)
		{
			if (n + ch.bytes + 4u >= size)
				break;
			if (space && n > 0)
				buffer[n++] = ' ';
			space = false;
			if (ch.nfold > 0)
				for (int k = 0; k < ch.nfold; k++)
					buffer[n++] = ch.fold[k];
			else
				for (int k = 0; k < ch.bytes; k++)
					buffer[n++] = text[i + (size_t) k];
		}
		else if (ch.kind != CHAR_IGNORED)
			space = true;
		i += ch.bytes;
	}
	buffer[n] = '\0';
	return n;
}

/* Plain white space, quotes and dashes; with fold, case and accents dropped too. */
static char *
squash(KamArena *arena, const char *text, bool fold)
{
	const unsigned char *s = (const unsigned char *) text;
	size_t		len = strlen(text);
	char	   *result = kam_alloc_raw(arena, len * 2 + 1),
			   *p = result;
	bool		space = false;

	for (size_t i = 0; i < len;)
	{
		Char		ch;
		const char *spelling;
		size_t		n;

		/* most are plain letters */
		if (kam_ascii_word[s[i]])
		{
			if (space && p > result)
				*p++ = ' ';
			space = false;
			do
			{
				*p++ = fold ? kam_ascii_word[s[i]] : text[i];
				i++;
			}
			while (kam_ascii_word[s[i]]);	/* the text's end is none */
			continue;
		}
		if (s[i] == ' ')
		{
			space = true;
			i++;
			continue;
		}
		ch = read_char(s + i, len - i);
		spelling = text + i;
		n = ch.bytes;
		i += ch.bytes;
		if (ch.kind == CHAR_SPACE || ch.kind == CHAR_NEWLINE)
		{
			space = true;
			continue;
		}
		if (ch.kind == CHAR_IGNORED)
			continue;
		if (ch.bytes > 1 && ch.kind == CHAR_APOSTROPHE)
			spelling = "'", n = 1;
		else if (ch.bytes > 1 && ch.kind == CHAR_QUOTE)
			spelling = "\"", n = 1;
		else if (ch.bytes > 1 && (ch.kind == CHAR_DASH || ch.kind == CHAR_CLAUSE))
			spelling = "-", n = 1;
		else if (ch.bytes > 1 && ch.kind == CHAR_STOP)
			spelling = "...", n = 3;
		else if (fold && ch.nfold > 0)
			spelling = ch.fold, n = ch.nfold;
		if (space && p > result)
			*p++ = ' ';
		space = false;
		memcpy(p, spelling, n);
		p += n;
	}
	*p = '\0';
	return result;
}

#define LONG_WORD 7				/* longer than what a contraction stands for, and than initials */
#define LONGEST_WORD 64

static bool
is_plain(const char *word, size_t n)
{
	for (size_t k = 0; k < n; k++)
		if (word[k] < 'a' || word[k] > 'z')
			return false;
	return true;
}

char *
kam_squash(KamArena *arena, const char *text)
{
	return squash(arena, text, false);
}

/*
 * Do the long words of a folded needle stand in a squashed text?  Tokens are spelled there as they are here, but
 * for the short ones that contractions and initials make and the numbers: where one is missing, tokens need not be
 * compared.
 */
static bool
holds_long_words(const char *squashed, const char *words)
{
	while (*words)
	{
		size_t		n = strcspn(words, " ");

		if (n >= LONG_WORD && n < LONGEST_WORD && is_plain(words, n))
		{
			char		word[LONGEST_WORD];

			memcpy(word, words, n);
			word[n] = '\0';
			if (strstr(squashed, word) == NULL)
				return false;
		}
		words += n;
		words += *words == ' ';
	}
	return true;
}

bool
kam_text_contains(KamArena *arena, const char *haystack, const char *needle)
{
	const char *folded = squash(arena, needle, true);
	const char *squashed,
			   *words;

	if (folded[0] == '\0')
		return false;
	squashed = squash(arena, haystack, true);
	if (strstr(squashed, folded) != NULL)
		return true;
	words = kam_fold(arena, needle);
	return words[0] != '\0' && holds_long_words(squashed, words) && strstr(kam_fold(arena, haystack), words) != NULL;
}

/* Does a letter or digit end before "at"?  Of alphabets that part their words with blanks. */
static bool
word_before(const char *text, size_t at)
{
	while (at > 0)
	{
		size_t		from = at - 1;
		Char		ch;

		while (from > 0 && at - from < 4 && ((unsigned char) text[from] & 0xC0) == 0x80)
			from--;
		ch = read_char((const unsigned char *) text + from, at - from);
		if (ch.kind != CHAR_IGNORED)
			return ch.kind == CHAR_DIGIT || (ch.kind == CHAR_LETTER && ch.nfold > 0);
		at = from;
	}
	return false;
}

static bool
word_behind(const char *text, size_t len, size_t at)
{
	while (at < len)
	{
		Char		ch = read_char((const unsigned char *) text + at, len - at);

		if (ch.kind != CHAR_IGNORED)
			return ch.kind == CHAR_DIGIT || (ch.kind == CHAR_LETTER && ch.nfold > 0);
		at += ch.bytes;
	}
	return false;
}

static bool
is_ascii_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Does a date end and a time of day begin here, on either side of the T in 2026-03-03T10:00? */
static bool
parts_time(const char *text, size_t len, size_t at)
{
	size_t		t = at < len && (text[at] | 0x20) == 't' ? at : at - 1;

	return at > 0 && t > 0 && t + 1 < len && (text[t] | 0x20) == 't' && is_ascii_digit(text[t - 1]) && is_ascii_digit(text[t + 1]);
}

/* Does the needle stand anywhere but within a word?  With "whole", not where "not" follows it either. */
static bool
stands_as_words(const char *text, const char *needle, unsigned cut, bool whole)
{
	size_t		n = strlen(needle),
				len;
	const char *at = n > 0 ? strstr(text, needle) : NULL;
	bool		before,
				behind;

	if (at == NULL)
		return false;
	len = (size_t) (at - text) + strlen(at);
	before = (cut & KAM_CUT_BEFORE) == 0 && word_behind(needle, n, 0);
	behind = (cut & KAM_CUT_BEHIND) == 0 && word_before(needle, n);
	for (; at != NULL; at = strstr(at + 1, needle))
	{
		size_t		from = (size_t) (at - text);

		if (!(before && word_before(text, from) && !parts_time(text, len, from)) &&
			!(behind && word_behind(text, len, from + n) && !parts_time(text, len, from + n)) &&
			!(whole && strncmp(at + n, " not", 4) == 0))
			return true;
	}
	return false;
}

bool
kam_text_quotes_verbatim(const char *text, const char *needle, unsigned cut)
{
	return stands_as_words(text, needle, cut, false);
}

bool
kam_text_quotes(KamArena *arena, const char *text, const char *needle, unsigned cut)
{
	const char *folded = squash(arena, needle, true);
	const char *squashed,
			   *words;

	if (folded[0] == '\0')
		return false;
	squashed = squash(arena, text, true);
	if (stands_as_words(squashed, folded, cut, false))
		return true;
	words = kam_fold(arena, needle);
	return words[0] != '\0' && holds_long_words(squashed, words) && stands_as_words(kam_fold(arena, text), words, cut, true);
}

/* Skips a URL at s; returns the bytes to pass over, 0 when there is none. */
static size_t
url_length(const char *s, bool at_start)
{
	size_t		n = 0;

	if (!at_start || (strncmp(s, "http://", 7) != 0 && strncmp(s, "https://", 8) != 0 && strncmp(s, "www.", 4) != 0))
		return 0;
	while ((unsigned char) s[n] > ' ' && s[n] != '<' && s[n] != '>' && s[n] != '"')
		n++;
	while (n > 0 && strchr(".,;:!?)]", s[n - 1]) != NULL)
		n--;
	return n;
}

int
kam_count_questions(const char *text)
{
	size_t		len = strlen(text);
	int			count = 0;
	bool		words = false,
				at_start = true;

	for (size_t i = 0; i < len;)
	{
		size_t		url = url_length(text + i, at_start);
		Char		ch;

		if (url > 0)
		{
			i += url;
			words = true;
			at_start = false;
			continue;
		}
		ch = read_char((const unsigned char *) text + i, len - i);
		if (ch.kind == CHAR_LETTER || ch.kind == CHAR_DIGIT)
			words = true;
		else if (ch.kind == CHAR_QUESTION && words)
		{
			count++;
			words = false;
		}
		at_start = ch.kind != CHAR_LETTER && ch.kind != CHAR_DIGIT;
		i += ch.bytes;
	}
	return count;
}

/* ---- language -------------------------------------------------------- */

static const char french_words[] =
	" le la les l un une des du de d et est sont en que qui qu pour dans sur avec je j nous vous tu il elle ce cette"
	" ces mon ma mes votre vos notre nos ne n pas plus mais ou aux au par si bien merci bonjour bonsoir salut avez avons"
	" suis etes ai ont etait sera serait tres tout tous fait faire peut pouvez peux cela ca y se s son sa leur voici oui"
	" non aujourd rdv cordialement semaine mois jour mardi lundi jeudi vendredi mercredi ";
static const char english_words[] =
	" the and is are to of for in that it you we i have has this with your our be not do does did will would can could"
	" my at by from was were been they them their what when how about there here just thanks thank hi hello hey dear"
	" please let us so but if am an as no yes out up week month day best regards need want get know ";

/* Is the word one of a list written " a b c "? */
static bool
listed(const char *list, const KamToken *t)
{
	char		key[16];

	if (t->length > 12)
		return false;
	key[0] = ' ';
	memcpy(key + 1, t->word, t->length);
	key[t->length + 1] = ' ';
	key[t->length + 2] = '\0';
	return strstr(list, key) != NULL;
}

const char *
kam_language(const KamTokens *tokens)
{
	int			french = 0,
				english = 0;

	for (int k = 0; k < tokens->count && k < 120; k++)
	{
		if (tokens->token[k].flags & KAM_TOKEN_NUMBER)
			continue;
		french += listed(french_words, &tokens->token[k]);
		english += listed(english_words, &tokens->token[k]);
	}
	if (french == english)
		return NULL;
	return french > english ? "fr" : "en";
}
