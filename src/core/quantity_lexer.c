/*
 * core/quantity_lexer.c: blanks, signs, words and digits of a text.
 */
#include "core/quantity_lexer.h"

const Word kam_month_words[] = {
	{"janvier", 1}, {"janv", 1}, {"january", 1}, {"jan", 1},
	{"fevrier", 2}, {"fevr", 2}, {"fev", 2}, {"february", 2}, {"feb", 2},
	{"mars", 3}, {"march", 3}, {"mar", 3},
	{"avril", 4}, {"avr", 4}, {"april", 4}, {"apr", 4},
	{"mai", 5}, {"may", 5},
	{"juin", 6}, {"june", 6}, {"jun", 6},
	{"juillet", 7}, {"juil", 7}, {"july", 7}, {"jul", 7},
	{"aout", 8}, {"august", 8}, {"aug", 8},
	{"septembre", 9}, {"sept", 9}, {"september", 9}, {"sep", 9},
	{"octobre", 10}, {"october", 10}, {"oct", 10},
	{"novembre", 11}, {"november", 11}, {"nov", 11},
	{"decembre", 12}, {"dec", 12}, {"december", 12},
	{NULL, 0}
};

const Word kam_ordinal_ends[] = {
	{"st", 1}, {"nd", 1}, {"rd", 1}, {"th", 1}, {"er", 1}, {"ere", 1}, {"e", 1}, {"eme", 1},
	{"nde", 1}, {"emes", 1}, {"ers", 1},
	{NULL, 0}
};

/* Bytes of the blank at "at": a space or one of the unbreakable ones; 0 when there is none. */
size_t
kam_lexer_blank(const Lexer *lx, size_t at)
{
	static const char *const blanks[] = {"\xc2\xa0", "\xe2\x80\xaf", "\xe2\x80\x89"};

	if (at >= lx->len)
		return 0;
	if ((unsigned char) lx->s[at] < 0x80)
		return lx->s[at] == ' ' || lx->s[at] == '\n' || lx->s[at] == '\t' || lx->s[at] == '\r';
	if (lx->s[at] == blanks[0][0] || lx->s[at] == blanks[1][0])
		for (size_t i = 0; i < KAM_LENGTHOF(blanks); i++)
			if (starts_with(lx, at, blanks[i]))
				return strlen(blanks[i]);
	return 0;
}

size_t
kam_lexer_skip_blanks(const Lexer *lx, size_t at)
{
	size_t		n;

	while ((n = kam_lexer_blank(lx, at)) > 0)
		at += n;
	return at;
}

const char *const kam_currency_signs[KAM_CURRENCY_SIGNS] = {"\xe2\x82\xac", "$", "\xc2\xa3"};

/* Bytes of a currency sign at "at", or 0. */
size_t
kam_lexer_sign(const Lexer *lx, size_t at)
{

	if (at < lx->len && (lx->s[at] == '$' || (unsigned char) lx->s[at] >= 0x80))
		for (size_t i = 0; i < KAM_LENGTHOF(kam_currency_signs); i++)
			if (starts_with(lx, at, kam_currency_signs[i]))
				return strlen(kam_currency_signs[i]);
	return 0;
}

/* The number of the currency whose sign stands at "at", or 0. */
int
kam_lexer_signed_currency(const Lexer *lx, size_t at)
{
	for (size_t i = 0; i < KAM_LENGTHOF(kam_currency_signs); i++)
		if (at < lx->len && starts_with(lx, at, kam_currency_signs[i]))
			return (int) i + 1;
	return 0;
}

/* The ASCII letter that a two-byte Latin letter stands for, 0 when it is another character. */
static char
plain_letter(unsigned char lead, unsigned char next)
{
	static const char upper[] = "aaaaaa\0ceeeeiiii\0nooooo\0ouuuuy\0\0";

	if (lead != 0xc3 || next < 0x80 || next > 0xbf)
		return 0;
	return upper[(next - 0x80) & 0x1f];
}

/*
 * The word at "at", in small plain letters; "" when it is too long to be ours.
 * Returns the place behind it; "at" when no letter stands there.
 */
size_t
kam_lexer_word(const Lexer *lx, size_t at, char word[WORD_SIZE])
{
	size_t		n = 0;
	bool		fits = true;

	while (at < lx->len && is_letter(lx->s[at]))
	{
		unsigned char c = (unsigned char) lx->s[at];
		unsigned char next = at + 1 < lx->len ? (unsigned char) lx->s[at + 1] : 0;
		char		letter;
		size_t		bytes = 1;

		if (c < 0x80)
			letter = (char) (c | 0x20);
		else if ((letter = plain_letter(c, next)) != 0)
			bytes = 2;
		else if ((c == 0xcc && next >= 0x80) || (c == 0xcd && next >= 0x80 && next <= 0xaf))
		{
			at += 2;			/* a combining mark */
			continue;
		}
		else if (kam_lexer_blank(lx, at) > 0 || kam_lexer_sign(lx, at) > 0 || starts_with(lx, at, "\xe2\x80"))
			break;				/* typographic marks end a word */
		else
			letter = '?';
		if (n + 1 < WORD_SIZE)
			word[n++] = letter;
		else
			fits = false;
		at += bytes;
	}
	word[fits ? n : 0] = '\0';
	return at;
}

/* Reads at most "most" digits into *value; returns how many there are. */
int
kam_lexer_digits(const Lexer *lx, size_t at, int most, int *value)
{
	int			n = 0;

	*value = 0;
	while (at + (size_t) n < lx->len && is_digit(lx->s[at + (size_t) n]) && n <= most)
	{
		if (n < most)
			*value = *value * 10 + (lx->s[at + (size_t) n] - '0');
		n++;
	}
	return n;
}

/* A separator between groups of three digits: bytes of it, or 0. */
size_t
kam_lexer_separator(const Lexer *lx, size_t at)
{
	size_t		n = kam_lexer_blank(lx, at);
	int			group;

	if (n == 0 && (char_at(lx, at) == '.' || char_at(lx, at) == ',' || char_at(lx, at) == '\''))
		n = 1;
	if (n == 0 && at < lx->len && starts_with(lx, at, "\xe2\x80\x99"))
		n = 3;
	if (n == 0 || lx->s[at] == '\n' || lx->s[at] == '\t' || lx->s[at] == '\r')
		return 0;
	return kam_lexer_digits(lx, at + n, 3, &group) == 3 ? n : 0;
}

KamQuantity *
kam_lexer_add(Lexer *lx, KamQuantityKind kind, size_t start, size_t end)
{
	KamQuantity *q;

	if (lx->count == lx->room)
	{
		int			room = lx->room > 0 ? lx->room * 2 : 8;
		KamQuantity *grown = KAM_NEW_ARRAY(lx->arena, KamQuantity, room);

		if (lx->count > 0)
			memcpy(grown, lx->found, sizeof(KamQuantity) * (size_t) lx->count);
		lx->found = grown;
		lx->room = room;
	}
	q = &lx->found[lx->count++];
	q->kind = kind;
	q->start = start;
	q->end = end;
	return q;
}
