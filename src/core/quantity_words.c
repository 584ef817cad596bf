/*
 * core/quantity_words.c: numbers that are written in French and English words,
 * and months that are named alone.
 *
 * No number has an accent, so plain letters are all that is read.  Most words
 * are none: length and first letter say so at once.
 */
#include "core/quantity.h"

#include <string.h>
#include <strings.h>

typedef enum PartKind
{
	PART_UNIT,					/* 1 to 19 */
	PART_TENS,
	PART_HUNDRED,
	PART_THOUSAND,
	PART_MILLION				/* left to the unit behind, as in "2 millions" */
} PartKind;

typedef struct Part
{
	const char *word;
	PartKind	kind;
	short		value;
	bool		doubtful;		/* alone, it may well mean something else: new, to seize, an oven, September */
	bool		french;			/* a number by itself: "cent", "mille" */
} Part;

static const Part parts[] = {
	{"un", PART_UNIT, 1, true, true}, {"une", PART_UNIT, 1, true, true}, {"deux", PART_UNIT, 2, false, true}, {"trois", PART_UNIT, 3, false, true},
	{"quatre", PART_UNIT, 4, false, true}, {"cinq", PART_UNIT, 5, false, true}, {"six", PART_UNIT, 6, false, true}, {"sept", PART_UNIT, 7, true, true},
	{"huit", PART_UNIT, 8, false, true}, {"neuf", PART_UNIT, 9, true, true}, {"dix", PART_UNIT, 10, false, true}, {"onze", PART_UNIT, 11, false, true},
	{"douze", PART_UNIT, 12, false, true}, {"treize", PART_UNIT, 13, false, true}, {"quatorze", PART_UNIT, 14, false, true},
	{"quinze", PART_UNIT, 15, false, true}, {"seize", PART_UNIT, 16, true, true},
	{"vingt", PART_TENS, 20, false, true}, {"vingts", PART_TENS, 20, false, true}, {"trente", PART_TENS, 30, false, true},
	{"quarante", PART_TENS, 40, false, true}, {"cinquante", PART_TENS, 50, false, true}, {"soixante", PART_TENS, 60, false, true},
	{"septante", PART_TENS, 70, false, true}, {"huitante", PART_TENS, 80, false, true}, {"octante", PART_TENS, 80, false, true},
	{"nonante", PART_TENS, 90, false, true},
	{"cent", PART_HUNDRED, 100, true, true}, {"cents", PART_HUNDRED, 100, false, false}, {"mille", PART_THOUSAND, 1000, false, true},
	{"one", PART_UNIT, 1, true, false}, {"two", PART_UNIT, 2, false, false}, {"three", PART_UNIT, 3, false, false}, {"four", PART_UNIT, 4, true, false},
	{"five", PART_UNIT, 5, false, false}, {"seven", PART_UNIT, 7, false, false}, {"eight", PART_UNIT, 8, false, false},
	{"nine", PART_UNIT, 9, false, false}, {"ten", PART_UNIT, 10, false, false}, {"eleven", PART_UNIT, 11, false, false},
	{"twelve", PART_UNIT, 12, false, false}, {"thirteen", PART_UNIT, 13, false, false}, {"fourteen", PART_UNIT, 14, false, false},
	{"fifteen", PART_UNIT, 15, false, false}, {"sixteen", PART_UNIT, 16, false, false}, {"seventeen", PART_UNIT, 17, false, false},
	{"eighteen", PART_UNIT, 18, false, false}, {"nineteen", PART_UNIT, 19, false, false},
	{"twenty", PART_TENS, 20, false, false}, {"thirty", PART_TENS, 30, false, false}, {"forty", PART_TENS, 40, false, false},
	{"fifty", PART_TENS, 50, false, false}, {"sixty", PART_TENS, 60, false, false}, {"seventy", PART_TENS, 70, false, false},
	{"eighty", PART_TENS, 80, false, false}, {"ninety", PART_TENS, 90, false, false},
	{"hundred", PART_HUNDRED, 100, false, false}, {"thousand", PART_THOUSAND, 1000, false, false},
	{"million", PART_MILLION, 0, false, false}, {"millions", PART_MILLION, 0, false, false}, {"milliard", PART_MILLION, 0, false, false},
	{"milliards", PART_MILLION, 0, false, false}, {"billion", PART_MILLION, 0, false, false}, {"billions", PART_MILLION, 0, false, false},
};

#define LONGEST_PART 9

/* Words behind which a small number points at what is known already: "les deux", "the two". */
static const char *const pointers[] = {"les", "des", "ces", "ses", "nos", "vos", "leurs", "the", "these", "those", "his", "her", "their", "our", "your"};

/* Of each first letter: the lengths of its words, one bit each, and its first word; of each word the next one of its letter. */
static uint16_t lengths[26];
static uint8_t first_of[26],
			next_of[KAM_LENGTHOF(parts) + 1];	/* numbers of parts and one; 0: none */
static bool indexed = false;

_Static_assert(KAM_LENGTHOF(parts) < UINT8_MAX, "a part's number and one must fit a byte");

static void
index_parts(void)
{
	for (size_t i = 0; i < KAM_LENGTHOF(parts); i++)
	{
		int			letter = parts[i].word[0] - 'a';

		lengths[letter] |= (uint16_t) (1u << strlen(parts[i].word));
		next_of[i + 1] = first_of[letter];
		first_of[letter] = (uint8_t) (i + 1);
	}
	indexed = true;
}

/* ---- words ------------------------------------------------------------------ */

static bool
is_plain(char c)
{
	return (unsigned char) ((c | 0x20) - 'a') < 26;
}

/* Does the byte belong to a word?  Those of unbreakable blanks and typographic marks do not. */
static bool
is_of_word(const char *text, size_t len, size_t at)
{
	unsigned char c = (unsigned char) text[at];

	while (at > 0 && ((unsigned char) text[at] & 0xc0) == 0x80)
		at--;
	if (c >= 0x80)
		return (unsigned char) text[at] != 0xc2 && (unsigned char) text[at] != 0xe2;
	return at < len && (is_plain(text[at]) || (c >= '0' && c <= '9') || c == '_' || c == '@');
}

static bool
is_spelled(const char *text, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if ((text[i] | 0x20) != word[i])
			return false;
	return word[n] == '\0';
}

/* The number word [at, end), or NULL. */
static inline const Part *
find_part(const char *text, size_t at, size_t end)
{
	size_t		n = end - at;
	int			letter = (text[at] | 0x20) - 'a';

	if (n > LONGEST_PART || (lengths[letter] >> n & 1) == 0)
		return NULL;
	for (int i = first_of[letter]; i > 0; i = next_of[i])
		if (is_spelled(text + at, n, parts[i - 1].word))
			return &parts[i - 1];
	return NULL;
}

/* The end of the word of plain letters at "at"; "at" when there is none, or other letters and digits stick to it. */
static size_t
word_end(const char *text, size_t len, size_t at)
{
	size_t		end = at;

	if (at > 0 && is_of_word(text, len, at - 1))
		return at;
	while (end < len && is_plain(text[end]))
		end++;
	return end < len && is_of_word(text, len, end) ? at : end;
}

/* Behind the blanks or the hyphen between two parts of a number; "at" when something else stands there. */
static size_t
next_part(const char *text, size_t len, size_t at)
{
	size_t		i = at;

	if (i < len && text[i] == '-')
		return i + 1;
	if (len - i >= 3 && memcmp(text + i, "\xe2\x80\x91", 3) == 0)
		return i + 3;			/* one that does not break */
	while (i < len && (text[i] == ' ' || ((unsigned char) text[i] == 0xc2 && i + 1 < len && (unsigned char) text[i + 1] == 0xa0)))
		i += text[i] == ' ' ? 1 : 2;
	return i;
}

/* ---- numbers ------------------------------------------------------------------ */

typedef struct Sum
{
	double		whole;			/* the thousands */
	int			part;			/* below a thousand */
	bool		counted;		/* the thousands are in */
} Sum;

/* Takes one part more; false when it begins another number. */
static bool
take_part(Sum *sum, const Part *part, bool first)
{
	int			low = sum->part % 100;

	switch (part->kind)
	{
		case PART_UNIT:
			/* soixante-dix, quatre-vingt-onze, dix-sept */
			if (low != 0 && !(part->value < 10 && low >= 20 && low % 10 == 0) && !(part->value >= 10 && (low == 60 || low == 80)) &&
				!(part->french && part->value >= 7 && part->value < 10 && low % 20 == 10 && (low == 10 || low == 70 || low == 90)))
				return false;
			sum->part += part->value;
			return true;
		case PART_TENS:
			if (low == 4 && part->french && part->value == 20)
				sum->part += 80 - 4;
			else if (low == 0)
				sum->part += part->value;
			else
				return false;
			return true;
		case PART_HUNDRED:
			if (sum->part >= 100 || (sum->part == 0 && !part->french))
				return false;
			sum->part = sum->part == 0 ? 100 : sum->part * 100;
			return true;
		case PART_THOUSAND:
			if (sum->counted || (sum->part == 0 && !(first && part->french)))
				return false;
			sum->whole = 1000.0 * (sum->part == 0 ? 1 : sum->part);
			sum->part = 0;
			sum->counted = true;
			return true;
		case PART_MILLION:
			break;
	}
	return false;
}

/* Is the word before [.., at) the one? */
static bool
stands_before(const char *text, size_t at, const char *word)
{
	size_t		n = strlen(word);

	while (at > 0 && text[at - 1] == ' ')
		at--;
	return at >= n && is_spelled(text + at - n, n, word) && (at == n || !is_of_word(text, at, at - n - 1));
}

static bool
points_back(const char *text, size_t at)
{
	for (size_t i = 0; i < KAM_LENGTHOF(pointers); i++)
		if (stands_before(text, at, pointers[i]))
			return true;
	return false;
}

/* Reads the number that begins with this word; the place behind it, "end" when it is none. */
static size_t
read_words(const char *text, size_t len, size_t at, size_t end, const Part *part, KamQuantity *q)
{
	Sum			sum = {0, 0, false};
	int			count = 0;
	size_t		behind = end;
	const Part *first = part;

	while (part != NULL && take_part(&sum, part, count == 0))
	{
		size_t		next;

		count++;
		behind = end;
		next = next_part(text, len, behind);
		end = next > behind ? word_end(text, len, next) : next;
		/* vingt et un, three hundred and fifty */
		if (end > next && (is_spelled(text + next, end - next, "et") || is_spelled(text + next, end - next, "and")) &&
			next_part(text, len, end) > end && sum.part % 10 == 0 && (sum.part > 10 || sum.counted))
		{
			next = next_part(text, len, end);
			end = word_end(text, len, next);
		}
		part = end > next ? find_part(text, next, end) : NULL;
	}
	*q = (KamQuantity) {.kind = KAM_QUANTITY_NUMBER, .start = at, .number = sum.whole + sum.part};
	q->other = q->number;
	q->end = count > 0 ? kam_quantity_unit(text, len, behind, q) : at;
	if (q->end == behind && count == 1 && (q->number == 1 || stands_before(text, at, "pour") || stands_before(text, at, "per")))
		return at;				/* "one of them", "pour cent" */
	if (count == 1 && first->value == 1 && q->number == 1)
		return at;				/* "un an": an article as well */
	return q->end;
}

typedef struct Found
{
	KamQuantity *item;
	int			count,
				room;
} Found;

static KamQuantity *
add(KamArena *arena, Found *found)
{
	if (found->count == found->room)
	{
		int			room = found->room > 0 ? found->room * 2 : 4;
		KamQuantity *grown = KAM_NEW_ARRAY(arena, KamQuantity, room);

		if (found->count > 0)
			memcpy(grown, found->item, sizeof(KamQuantity) * (size_t) found->count);
		found->item = grown;
		found->room = room;
	}
	return &found->item[found->count++];
}

int
kam_quantities_in_words(KamArena *arena, const char *text, size_t len, bool sure, KamQuantity **out)
{
	Found		found = {NULL, 0, 0};

	if (!indexed)
		index_parts();
	for (size_t at = 0; at < len;)
	{
		KamQuantity q;
		const Part *part;
		size_t		end;

		for (end = at; end < len && is_plain(text[end]);)
			end++;
		if (end == at)
		{
			at++;
			continue;
		}
		part = find_part(text, at, end);
		if (part == NULL || word_end(text, len, at) != end || read_words(text, len, at, end, part, &q) == at)
		{
			at = end;
			continue;
		}
		/* one word alone, without a unit */
		if (!(sure && q.end == end && (part->doubtful || (q.number < 10 && points_back(text, at)))))
			*add(arena, &found) = q;
		at = q.end;
	}
	*out = found.item;
	return found.count;
}

/* ---- months ---------------------------------------------------------------------- */

static const struct
{
	const char *word;
	int			month;
	bool		capital;		/* a word like any other without one */
}			months[] = {
	{"janvier", 1, false}, {"january", 1, false}, {"f\xc3\xa9vrier", 2, false}, {"fevrier", 2, false}, {"february", 2, false},
	{"mars", 3, false}, {"march", 3, true}, {"avril", 4, false}, {"april", 4, false}, {"mai", 5, false}, {"may", 5, true},
	{"juin", 6, false}, {"june", 6, false}, {"juillet", 7, false}, {"july", 7, false}, {"ao\xc3\xbbt", 8, false}, {"aout", 8, false},
	{"august", 8, true}, {"septembre", 9, false}, {"september", 9, false}, {"octobre", 10, false}, {"october", 10, false},
	{"novembre", 11, false}, {"november", 11, false}, {"d\xc3\xa9" "cembre", 12, false}, {"decembre", 12, false}, {"december", 12, false},
};

/* Third bytes of the months of a first letter: most words have another one. */
static const char *const thirds[26] = {
	['j' - 'a'] = "nil", ['f' - 'a'] = "vb\xa9", ['m' - 'a'] = "riy", ['a' - 'a'] = "rug\xc3", ['s' - 'a'] = "p", ['o' - 'a'] = "t",
	['n' - 'a'] = "v", ['d' - 'a'] = "c\xa9"
};

/* Could the word of two letters and more that begins here be a month? */
static bool
may_be_month(const char *text, size_t at)
{
	const char *third = thirds[(text[at] | 0x20) - 'a'];
	char		c = text[at + 2];

	return third != NULL && c != '\0' && strchr(third, is_plain(c) ? c | 0x20 : c) != NULL;
}

/* The month whose name begins at "at", where a word does; *n is its length.  0 when it is none. */
static int
find_month(const char *text, size_t len, size_t at, size_t *n)
{
	bool		capital = text[at] < 'a',
				follows = at > 1 && text[at - 1] == ' ' && text[at - 2] != '.' && text[at - 2] != '!' && text[at - 2] != '?';

	for (size_t i = 0; i < KAM_LENGTHOF(months); i++)
	{
		*n = strlen(months[i].word);
		/* "May we", "March on": with a capital that only begins a sentence */
		if (*n <= len - at && (text[at] | 0x20) == months[i].word[0] && strncasecmp(text + at, months[i].word, *n) == 0 &&
			(at + *n == len || !is_of_word(text, len, at + *n)) && (!months[i].capital || (capital && follows)))
			return months[i].month;
	}
	return 0;
}

int
kam_months_in_words(KamArena *arena, const char *text, size_t len, KamQuantity **out)
{
	Found		found = {NULL, 0, 0};

	for (size_t at = 0; at < len;)
	{
		size_t		n = 0;
		int			month;

		if (!is_plain(text[at]))
		{
			at++;
			continue;
		}
		if (len - at > 2 && may_be_month(text, at) && (at == 0 || !is_of_word(text, len, at - 1)) &&
			(month = find_month(text, len, at, &n)) != 0)
		{
			*add(arena, &found) = (KamQuantity) {.kind = KAM_QUANTITY_MONTH, .start = at, .end = at + n, .month = month};
			at += n;
		}
		while (at < len && is_plain(text[at]))
			at++;
	}
	*out = found.item;
	return found.count;
}
