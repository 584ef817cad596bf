/*
 * core/text.c: the tokenizer.
 *
 * One pass over the bytes, no locale, no allocation per token.  It must never
 * fail: invalid UTF-8 is passed over byte by byte.
 */
#include "core/text.h"

#include <string.h>

#include "core/text_chars.h"

/* Words; rules look no farther than a sentence, so that a text without stops must not be one. */
#define LONGEST_SENTENCE 300

static inline bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* ---- the scanner ----------------------------------------------------- */

typedef struct Scanner
{
	KamArena   *arena;
	const unsigned char *s;
	size_t		len,
				i;
	char	   *out;			/* folded spellings */
	KamToken   *token;
	int			count,
				room;
	int			sentence_first; /* first token of the running sentence */
	int			run_first;		/* first token since white space or an opening mark */
	size_t		run_start;
	size_t		line_start;
	int32_t		sentence;
	uint8_t		pending;		/* flags for the next token */
	bool		pending_money;
} Scanner;

static void end_sentence(Scanner *sc, bool question);

static inline KamToken *
add_token(Scanner *sc, const char *word, size_t length, size_t start, size_t end, unsigned flags)
{
	KamToken   *t;

	if (sc->count - sc->sentence_first >= LONGEST_SENTENCE)
		end_sentence(sc, false);
	if (sc->count == sc->room)
	{
		KamToken   *bigger = KAM_NEW_RAW_ARRAY(sc->arena, KamToken, sc->room * 2);

		memcpy(bigger, sc->token, sizeof(KamToken) * (size_t) sc->count);
		sc->token = bigger;
		sc->room *= 2;
	}
	t = &sc->token[sc->count++];
	t->word = word;
	t->length = (uint8_t) (length > 255 ? 255 : length);
	t->start = (uint32_t) start;
	t->end = (uint32_t) end;
	t->sentence = sc->sentence;
	t->flags = (uint8_t) (flags | sc->pending);
	sc->pending = 0;
	return t;
}

static void
end_sentence(Scanner *sc, bool question)
{
	if (question)
		for (int k = sc->sentence_first; k < sc->count; k++)
			sc->token[k].flags |= KAM_TOKEN_QUESTION;
	if (sc->count > sc->sentence_first)
		sc->sentence++;
	sc->sentence_first = sc->count;
	sc->pending = 0;
}

/* Close the spelling that began at word; returns its length, at most 255. */
static size_t
close_word(Scanner *sc, char *word)
{
	size_t		length = (size_t) (sc->out - word);

	if (length > 255)
		length = 255;
	word[length] = '\0';
	sc->out = word + length + 1;
	return length;
}

/* ---- words ----------------------------------------------------------- */

/* English endings after an apostrophe. */
static const struct
{
	const char *suffix;
	char		word[KAM_TOKEN_ROOM];
}			contractions[] = {
	{"m", "am"}, {"re", "are"}, {"ve", "have"}, {"ll", "will"}, {"d", "would"}, {"s", "s"}, {"t", "t"}
};

/* Hosts whose 's is "is". */
static const char *const is_hosts[] = {"it", "that", "he", "she", "there", "what", "who", "where", "here", "how", "this", "everything"};

/* What contractions stand for besides. */
static const char negation[KAM_TOKEN_ROOM] = "not",
			is[KAM_TOKEN_ROOM] = "is",
			us[KAM_TOKEN_ROOM] = "us";

/* Words that stand for two. */
static const struct
{
	const char *word;
	char		first[KAM_TOKEN_ROOM],
				second[KAM_TOKEN_ROOM];
}			doubles[] = {
	{"cannot", "can", "not"}, {"cant", "can", "not"}, {"wont", "will", "not"}, {"didnt", "did", "not"},
	{"doesnt", "does", "not"}, {"isnt", "is", "not"}, {"wasnt", "was", "not"}, {"arent", "are", "not"},
	{"werent", "were", "not"}, {"havent", "have", "not"}, {"hasnt", "has", "not"}, {"hadnt", "had", "not"},
	{"wouldnt", "would", "not"}, {"couldnt", "could", "not"}, {"shouldnt", "should", "not"}, {"ive", "i", "have"},
	{"im", "i", "am"}, {"weve", "we", "have"}, {"theyre", "they", "are"}, {"youre", "you", "are"}
};

/* Could a word be one of them?  By its last two letters. */
static inline bool
may_be_double(const char *word, size_t length)
{
	char		last,
				before;

	if (length < 2 || length > 8)
		return false;
	last = word[length - 1];
	before = word[length - 2];
	/* no shortcuts: their outcome cannot be foretold */
	return ((last == 't') & ((before == 'n') | (before == 'o'))) | ((last == 'e') & ((before == 'v') | (before == 'r'))) |
		((last == 'm') & (before == 'i'));
}

static bool
equals(const char *word, size_t length, const char *other)
{
	return strncmp(word, other, length) == 0 && other[length] == '\0';
}

/*
 * After "word'": if an English ending follows, add both tokens and return
 * true; the scanner then stands behind the ending.
 */
static bool
open_contraction(Scanner *sc, char *word, size_t start, size_t apostrophe, size_t after, unsigned flags)
{
	char		suffix[3];
	size_t		n = 0,
				length;
	size_t		stem_end = apostrophe;
	const char *second = NULL;

	while (after + n < sc->len && n < 3)
	{
		Char		ch = read_char(sc->s + after + n, sc->len - after - n);

		if (ch.kind != CHAR_LETTER || ch.bytes != 1)
		{
			if (ch.kind == CHAR_LETTER || ch.kind == CHAR_DIGIT)
				return false;
			break;
		}
		if (n == 2)
			return false;
		suffix[n++] = ch.fold[0];
	}
	if (n == 0)
		return false;
	suffix[n] = '\0';
	for (size_t k = 0; k < KAM_LENGTHOF(contractions); k++)
		if (strcmp(contractions[k].suffix, suffix) == 0)
			second = contractions[k].word;
	if (second == NULL)
		return false;

	length = (size_t) (sc->out - word);
	if (suffix[0] == 't' && n == 1)
	{
		if (length < 3 || word[length - 1] != 'n')
			return false;
		second = negation;
		length--;
		stem_end--;
		if (equals(word, length, "wo"))
			memcpy(word, "will", length = 4);
		else if (equals(word, length, "ca"))
			memcpy(word, "can", length = 3);
		else if (equals(word, length, "sha"))
			memcpy(word, "shall", length = 5);
		else if (equals(word, length, "ai"))
			memcpy(word, "is", length = 2);
	}
	else if (suffix[0] == 's')
	{
		for (size_t k = 0; k < KAM_LENGTHOF(is_hosts); k++)
			if (equals(word, length, is_hosts[k]))
				second = is;
		if (equals(word, length, "let"))
			second = us;
	}
	sc->out = word + length;
	length = close_word(sc, word);
	add_token(sc, word, length, start, stem_end, flags);
	add_token(sc, second, strlen(second), stem_end, after + n, 0);
	sc->i = after + n;
	return true;
}

/* A currency written as a word gives its number the money flag. */
static void
mark_money(Scanner *sc, const char *word)
{
	static const char *const units[] = {"eur", "euro", "euros", "usd", "dollar", "dollars", "gbp", "chf", "cad", "keur",
		"ke", "pounds", "balles"};

	/* their second letters, by the first */
	static const char seconds[128][3] = {
		['e'] = "u", ['u'] = "s", ['d'] = "o", ['g'] = "b", ['c'] = "ha", ['k'] = "e", ['p'] = "o", ['b'] = "a"
	};
	const char *second = seconds[word[0] & 127];

	if (word[1] != second[0] && word[1] != second[1])
		return;
	for (size_t k = 0; k < KAM_LENGTHOF(units); k++)
		if (units[k][0] == word[0] && strcmp(units[k], word) == 0)
		{
			if (sc->count >= 2 && sc->token[sc->count - 2].flags & KAM_TOKEN_NUMBER)
				sc->token[sc->count - 2].flags |= KAM_TOKEN_MONEY;
			else if (strlen(word) == 3)
				sc->pending_money = true;
			return;
		}
}

static void
scan_url(Scanner *sc, char *word, size_t start, unsigned flags)
{
	size_t		length;

	while (sc->i < sc->len)
	{
		unsigned char c = sc->s[sc->i];

		if (c <= ' ' || c == '<' || c == '>' || c == '"')
			break;
		*sc->out++ = (char) (c >= 'A' && c <= 'Z' ? c + 32 : c);
		sc->i++;
	}
	/* marks at the end belong to the sentence */
	while (sc->i > start && strchr(".,;:!?)]", sc->s[sc->i - 1]) != NULL)
	{
		sc->i--;
		sc->out--;
	}
	length = close_word(sc, word);
	add_token(sc, word, length, start, sc->i, flags);
}

static bool
url_follows(const Scanner *sc, const char *word, size_t length)
{
	if (sc->len - sc->i < 4)
		return false;
	if (sc->s[sc->i] == ':')
		return memcmp(sc->s + sc->i, "://", 3) == 0;
	return length == 3 && sc->s[sc->i] == '.' && memcmp(word, "www", 3) == 0;
}

/* "a.m.", "P.J.", "e.g.": single letters with points are one word. */
static void
join_initials(Scanner *sc)
{
	while (sc->i + 1 < sc->len && sc->s[sc->i] == '.')
	{
		Char		ch = read_char(sc->s + sc->i + 1, sc->len - sc->i - 1);
		size_t		next = sc->i + 1 + ch.bytes;

		if (ch.kind != CHAR_LETTER || next >= sc->len || sc->s[next] != '.')
			return;
		for (int k = 0; k < ch.nfold; k++)
			*sc->out++ = ch.fold[k];
		sc->i = next;
	}
}

/* A word that begins here. */
static void
scan_word(Scanner *sc, bool capital)
{
	size_t		start = sc->i,
				length;
	char	   *word = sc->out;
	unsigned	flags = capital ? KAM_TOKEN_CAPITAL : 0;
	int			letters = 0;
	Char		ch = {CHAR_SPACE, 0, 0, false, {0, 0}};

	for (;;)
	{
		/* most words are plain ASCII */
		const unsigned char *p = sc->s + sc->i,
				   *stop = sc->s + sc->len;
		char	   *out = sc->out,
					c;

		while (p < stop && (c = kam_ascii_word[*p]) != 0)
		{
			*out++ = c;
			p++;
		}
		letters += (int) (out - sc->out);
		sc->out = out;
		sc->i = (size_t) (p - sc->s);
		if (sc->i >= sc->len)
			break;
		if (*p == ' ')
			goto whole;			/* so most words end, and none of what follows concerns them */
		ch = read_char(sc->s + sc->i, sc->len - sc->i);
		if (ch.kind == CHAR_LETTER || ch.kind == CHAR_DIGIT)
		{
			if (ch.nfold == 0)
				for (int k = 0; k < ch.bytes; k++)
					*sc->out++ = (char) sc->s[sc->i + (size_t) k];
			else
				for (int k = 0; k < ch.nfold; k++)
					*sc->out++ = ch.fold[k];
			letters++;
		}
		else if (ch.kind != CHAR_IGNORED)
			break;
		sc->i += ch.bytes;
	}
	if (sc->i < sc->len)
	{
		if (url_follows(sc, word, (size_t) (sc->out - word)))
		{
			scan_url(sc, word, start, flags);
			return;
		}
		if (letters == 1 && ch.kind == CHAR_STOP)
			join_initials(sc);
		else if (ch.kind == CHAR_APOSTROPHE &&
				 open_contraction(sc, word, start, sc->i, sc->i + ch.bytes, flags))
			return;
	}
whole:
	length = close_word(sc, word);
	if (may_be_double(word, length))
		for (size_t k = 0; k < KAM_LENGTHOF(doubles); k++)
			if (word[0] == doubles[k].word[0] && strcmp(word, doubles[k].word) == 0)
			{
				size_t		middle = start + strlen(doubles[k].first);

				if (middle > sc->i)
					middle = sc->i;
				add_token(sc, doubles[k].first, strlen(doubles[k].first), start, middle, flags);
				add_token(sc, doubles[k].second, strlen(doubles[k].second), middle, sc->i, 0);
				return;
			}
	add_token(sc, word, length, start, sc->i, flags);
	if (length >= 2 && length <= 7)
		mark_money(sc, word);
}

/* ---- numbers --------------------------------------------------------- */

static int
count_digits(const Scanner *sc, size_t at)
{
	int			n = 0;

	while (at + (size_t) n < sc->len && n < 9 && is_digit(sc->s[at + (size_t) n]))
		n++;
	return n;
}

/* Is a dash at sc->i part of 2026-03-15, 15-03-2026 or 2026-03? */
static bool
date_dash(const Scanner *sc, size_t start, int dashes)
{
	size_t		before = sc->i - start;
	int			after = count_digits(sc, sc->i + 1);

	if (dashes == 1)
		return after == 2 || after == 4;
	if (before == 4 && after == 2)
		return true;
	return before <= 2 && after >= 1 && after <= 2 && sc->i + 1 + (size_t) after < sc->len &&
		sc->s[sc->i + 1 + (size_t) after] == '-' && count_digits(sc, sc->i + 2 + (size_t) after) == 4;
}

/*
 * Digits with separators that a digit follows, thousands parted by a space,
 * and letters that stick to them.
 */
static void
scan_number(Scanner *sc)
{
	size_t		start = sc->i,
				length;
	char	   *word = sc->out;
	bool		plain = true;	/* only digits and thousands so far */
	int			group = 0,
				dashes = 0;
	KamToken   *t;

	while (sc->i < sc->len)
	{
		unsigned char c = sc->s[sc->i];
		Char		ch;

		if (is_digit(c))
		{
			*sc->out++ = (char) c;
			sc->i++;
			group++;
			continue;
		}
		ch = read_char(sc->s + sc->i, sc->len - sc->i);
		if (ch.kind == CHAR_LETTER && (ch.bytes == 1 || ch.nfold > 0))
		{
			for (int k = 0; k < ch.nfold; k++)
				*sc->out++ = ch.fold[k];
			sc->i += ch.bytes;
			plain = false;
			group = 0;
			continue;
		}
		if (c == '-' && (plain || dashes == 1) && dashes < 2 && date_dash(sc, start, dashes))
		{
			dashes++;
			plain = false;
		}
		else if ((c == '.' || c == ',' || c == '/' || c == ':') && count_digits(sc, sc->i + 1) > 0)
			plain = false;
		else if (plain && group >= 1 && group <= 3 && (ch.kind == CHAR_SPACE || ch.kind == CHAR_APOSTROPHE) &&
				 count_digits(sc, sc->i + ch.bytes) == 3)
		{
			sc->i += ch.bytes;
			group = 0;
			continue;
		}
		else
			break;
		*sc->out++ = (char) c;
		sc->i++;
		group = 0;
	}
	length = close_word(sc, word);
	t = add_token(sc, word, length, start, sc->i, KAM_TOKEN_NUMBER);
	if (sc->pending_money || (length > 3 && strcmp(word + length - 3, "eur") == 0) ||
		(length > 5 && strcmp(word + length - 5, "euros") == 0) || (length > 2 && strcmp(word + length - 2, "ke") == 0))
		t->flags |= KAM_TOKEN_MONEY;
	sc->pending_money = false;
}

/* A currency sign at a number; "15 k€" reaches over the k. */
static void
money_sign(Scanner *sc)
{
	KamToken   *last = sc->count > 0 ? &sc->token[sc->count - 1] : NULL;

	if (last != NULL && last->length == 1 && (last->word[0] == 'k' || last->word[0] == 'm') && sc->count > 1)
		last--;
	if (last != NULL && last->flags & KAM_TOKEN_NUMBER && sc->i - last->end <= 4)
		last->flags |= KAM_TOKEN_MONEY;
	else
		sc->pending_money = true;
}

/* ---- sentences ------------------------------------------------------- */

static size_t
skip_spaces(const Scanner *sc, size_t at)
{
	while (at < sc->len)
	{
		Char		ch = read_char(sc->s + at, sc->len - at);

		if (ch.kind != CHAR_SPACE && ch.kind != CHAR_IGNORED)
			break;
		at += ch.bytes;
	}
	return at;
}

/* Does a point after this token only shorten a word? */
static bool
is_abbreviation(const Scanner *sc, const KamToken *t, bool capital_follows)
{
	static const char *const titles[] = {"mr", "mrs", "ms", "dr", "mme", "mlle", "st", "pr", "prof"};
	static const char *const shortened[] = {"no", "jan", "janv", "feb", "fev", "fevr", "mar", "apr", "avr", "jul", "juil",
		"aug", "sep", "sept", "oct", "nov", "dec", "env", "ex", "cf", "vs", "inc", "ltd", "approx", "tel", "etc", "max",
		"min", "hrs", "ref", "eg", "ie", "am", "pm", "num", "art", "dept", "ext", "mon", "tue", "wed", "thu", "fri"};

	if (t->end != sc->i || t->flags & KAM_TOKEN_NUMBER)
		return false;
	if (t->length == 1)
		return t->flags & KAM_TOKEN_CAPITAL || !capital_follows;
	if (t->length > 6)
		return false;
	for (size_t k = 0; k < KAM_LENGTHOF(titles); k++)
		if (titles[k][0] == t->word[0] && strcmp(titles[k], t->word) == 0)
			return true;
	if (!capital_follows)
		for (size_t k = 0; k < KAM_LENGTHOF(shortened); k++)
			if (shortened[k][0] == t->word[0] && strcmp(shortened[k], t->word) == 0)
				return true;
	return false;
}

/* A run of points, exclamation and question marks. */
static void
scan_stop(Scanner *sc)
{
	size_t		begin = sc->i,
				next;
	bool		question = false,
				points = true;	/* two points or more, nothing else */
	int			marks = 0;
	Char		follower = {CHAR_NEWLINE, 0, 0, false, {0, 0}};

	next = sc->i;
	while (next < sc->len)
	{
		Char		ch = read_char(sc->s + next, sc->len - next);

		if (ch.kind != CHAR_STOP && ch.kind != CHAR_QUESTION)
			break;
		question |= ch.kind == CHAR_QUESTION;
		if (sc->s[next] == '!' || ch.kind == CHAR_QUESTION)
			points = false;
		marks += ch.bytes;
		next += ch.bytes;
	}
	if (question || !points)
	{
		end_sentence(sc, question);
		sc->i = next;
		return;
	}
	if (next < sc->len)
		follower = read_char(sc->s + next, sc->len - next);
	if (follower.kind == CHAR_LETTER || follower.kind == CHAR_DIGIT)
	{
		/* "acme.fr" goes on, "contrat.Nous" does not */
		if (follower.capital && sc->count > 0 && sc->token[sc->count - 1].length > 2 && begin > 0 &&
			sc->s[begin - 1] >= 'a')
			end_sentence(sc, false);
	}
	else if (sc->count > 0)
	{
		size_t		at = skip_spaces(sc, next);
		Char		ch = {CHAR_NEWLINE, 0, 0, false, {0, 0}};

		if (at < sc->len)
			ch = read_char(sc->s + at, sc->len - at);
		if (marks > 1 && ch.kind == CHAR_LETTER && !ch.capital)
			sc->pending |= KAM_TOKEN_CLAUSE;
		else if (!is_abbreviation(sc, &sc->token[sc->count - 1], ch.capital))
			end_sentence(sc, false);
	}
	sc->i = next;
}

/*
 * A line break ends the sentence before an empty line, a list mark or a quote
 * mark, and when a short line is followed by a capital letter; else the line
 * was only wrapped.
 */
static void
scan_newline(Scanner *sc)
{
	size_t		width = sc->i - sc->line_start;
	size_t		at = skip_spaces(sc, sc->i + 1);
	Char		ch = {CHAR_NEWLINE, 0, 0, false, {0, 0}};

	if (at < sc->len)
		ch = read_char(sc->s + at, sc->len - at);
	if (ch.kind == CHAR_NEWLINE || (ch.kind == CHAR_LETTER && ch.capital && width < 60) || ch.kind == CHAR_DASH ||
		(at < sc->len && (sc->s[at] == '*' || sc->s[at] == '>' || sc->s[at] == 0xE2)))
		end_sentence(sc, false);
	sc->i++;
	sc->line_start = sc->i;
	sc->run_first = sc->count;
	sc->run_start = sc->i;
}

/* "jean.dupont" + "@": what has been read since the last space becomes one token. */
static void
scan_address(Scanner *sc)
{
	size_t		start = sc->run_start,
				end = sc->i + 1,
				length;
	char	   *word;
	unsigned	flags;

	while (end < sc->len && (sc->s[end] == '.' || sc->s[end] == '-' || sc->s[end] == '_' || is_digit(sc->s[end]) ||
							 (sc->s[end] < 128 && kam_ascii_kind[sc->s[end]] == CHAR_LETTER)))
		end++;
	while (end > sc->i + 1 && (sc->s[end - 1] == '.' || sc->s[end - 1] == '-'))
		end--;
	if (sc->count <= sc->run_first || sc->token[sc->count - 1].end != sc->i || end == sc->i + 1 ||
		sc->token[sc->run_first].start < start)
	{
		sc->i++;
		return;
	}
	start = sc->token[sc->run_first].start;
	flags = sc->token[sc->run_first].flags & KAM_TOKEN_CLAUSE;
	sc->count = sc->run_first;
	sc->sentence = sc->token[sc->count].sentence;
	if (sc->sentence_first > sc->count)
		sc->sentence_first = sc->count;
	word = sc->out;
	for (size_t k = start; k < end; k++)
		*sc->out++ = (char) (sc->s[k] >= 'A' && sc->s[k] <= 'Z' ? sc->s[k] + 32 : sc->s[k]);
	length = close_word(sc, word);
	sc->i = end;
	add_token(sc, word, length, start, end, flags);
}

static void
scan_dash(Scanner *sc, Char ch)
{
	bool		spaced = sc->i == 0 || sc->i + ch.bytes >= sc->len || sc->s[sc->i - 1] <= ' ' ||
		sc->s[sc->i + ch.bytes] <= ' ' || sc->s[sc->i + ch.bytes] == '-';

	if (spaced)
		sc->pending |= KAM_TOKEN_CLAUSE;
	sc->i += ch.bytes;
}

KamTokens
kam_tokenize(KamArena *arena, const char *text, size_t len)
{
	Scanner		sc = {.arena = arena, .s = (const unsigned char *) text, .len = len};
	KamTokens	result;

	sc.room = (int) (len / 4) + 16;
	sc.token = KAM_NEW_RAW_ARRAY(arena, KamToken, sc.room);
	/* an address is spelled twice, its parts first; a word needs its NUL */
	sc.out = kam_alloc_raw(arena, 3 * len + KAM_TOKEN_ROOM);
	while (sc.i < len)
	{
		Char		ch;

		/* what stands between most words */
		if (sc.s[sc.i] == ' ')
		{
			sc.i++;
			sc.run_first = sc.count;
			sc.run_start = sc.i;
			continue;
		}
		if (kam_ascii_word[sc.s[sc.i]] > '9')
		{
			scan_word(&sc, sc.s[sc.i] < 'a');
			continue;
		}
		ch = read_char(sc.s + sc.i, len - sc.i);
		switch (ch.kind)
		{
			case CHAR_LETTER:
				scan_word(&sc, ch.capital);
				break;
			case CHAR_DIGIT:
				scan_number(&sc);
				break;
			case CHAR_SPACE:
				sc.i += ch.bytes;
				sc.run_first = sc.count;
				sc.run_start = sc.i;
				break;
			case CHAR_NEWLINE:
				if (ch.bytes == 1)
					scan_newline(&sc);
				else
				{
					end_sentence(&sc, false);
					sc.i += ch.bytes;
				}
				break;
			case CHAR_STOP:
			case CHAR_QUESTION:
				scan_stop(&sc);
				break;
			case CHAR_DASH:
				scan_dash(&sc, ch);
				break;
			case CHAR_CLAUSE:
				sc.pending |= KAM_TOKEN_CLAUSE;
				sc.i += ch.bytes;
				sc.run_first = sc.count;
				sc.run_start = sc.i;
				break;
			case CHAR_MONEY:
				money_sign(&sc);
				sc.i += ch.bytes;
				break;
			case CHAR_APOSTROPHE:
			case CHAR_QUOTE:
			case CHAR_IGNORED:
				sc.i += ch.bytes;
				break;
			case CHAR_OTHER:
				if (sc.s[sc.i] == '@')
					scan_address(&sc);
				else
				{
					if (sc.s[sc.i] == '<' || sc.s[sc.i] == '>' || sc.s[sc.i] == '|')
					{
						sc.run_first = sc.count;
						sc.run_start = sc.i + 1;
					}
					sc.i += ch.bytes;
				}
				break;
		}
	}
	end_sentence(&sc, false);
	result.source = text;
	result.token = sc.token;
	result.count = sc.count;
	return result;
}
