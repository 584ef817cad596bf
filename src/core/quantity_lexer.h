/*
 * core/quantity_lexer.h: characters and words as the readers of quantities see
 * them.  For quantity*.c alone.
 */
#pragma once

#include <string.h>

#include "core/quantity.h"

#define WORD_SIZE 16			/* longer words are none of ours */

typedef struct Word
{
	const char *word;
	int			value;
} Word;

/* NULL-terminated. */
extern const Word kam_month_words[];
extern const Word kam_ordinal_ends[];

/* Each has a number of its own; dollars of no country may be anybody's. */
enum
{
	EURO = 1, DOLLAR, POUND, FRANC, US_DOLLAR, CANADIAN_DOLLAR
};

/* In the order of the currencies' numbers, from 1. */
#define KAM_CURRENCY_SIGNS 3
extern const char *const kam_currency_signs[KAM_CURRENCY_SIGNS];

typedef struct Lexer
{
	KamArena   *arena;
	const char *s;
	size_t		len;
	KamQuantity *found;
	int			count,
				room;
	char		before[WORD_SIZE];	/* the word before, when only spaces stand between */
} Lexer;

static inline int
find_word(const Word *table, const char *word)
{
	while (table->word != NULL && (table->word[0] != word[0] || strcmp(table->word, word) != 0))
		table++;
	return table->value;
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char) c >= 0x80;
}

static inline bool
starts_with(const Lexer *lx, size_t at, const char *what)
{
	size_t		n = strlen(what);

	return lx->len - at >= n && memcmp(lx->s + at, what, n) == 0;
}

static inline bool
digit_at(const Lexer *lx, size_t at)
{
	return at < lx->len && is_digit(lx->s[at]);
}

static inline char
char_at(const Lexer *lx, size_t at)
{
	return at < lx->len ? lx->s[at] : '\0';
}

/* Bytes of the blank at "at": a space or one of the unbreakable ones; 0 when there is none. */
extern size_t kam_lexer_blank(const Lexer *lx, size_t at);
extern size_t kam_lexer_skip_blanks(const Lexer *lx, size_t at);
/* Bytes of a currency sign at "at", or 0; the number of that currency, or 0. */
extern size_t kam_lexer_sign(const Lexer *lx, size_t at);
extern int	kam_lexer_signed_currency(const Lexer *lx, size_t at);
/*
 * The word at "at", in small plain letters; "" when it is too long to be ours.
 * Returns the place behind it; "at" when no letter stands there.
 */
extern size_t kam_lexer_word(const Lexer *lx, size_t at, char word[WORD_SIZE]);
/* Reads at most "most" digits into *value; returns how many there are. */
extern int	kam_lexer_digits(const Lexer *lx, size_t at, int most, int *value);
/* A separator between groups of three digits: bytes of it, or 0. */
extern size_t kam_lexer_separator(const Lexer *lx, size_t at);
/* A further quantity, filled by the caller. */
extern KamQuantity *kam_lexer_add(Lexer *lx, KamQuantityKind kind, size_t start, size_t end);

/* quantity_dates.c: each gives the place behind what it read, or "at" when that is none. */
extern size_t kam_read_numeric_date(Lexer *lx, size_t at);
extern size_t kam_read_day_month(Lexer *lx, size_t at);
extern size_t kam_read_month_day(Lexer *lx, size_t at, size_t word_end, const char *word);
extern size_t kam_read_clock(Lexer *lx, size_t at);
