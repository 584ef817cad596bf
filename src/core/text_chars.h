/*
 * core/text_chars.h: what the tokenizer and the comparisons know of a single
 * character; mail_tail.c uses its tables too.  Nobody else includes this.
 */
#pragma once

#include "core/text.h"

typedef enum CharKind
{
	CHAR_OTHER, CHAR_LETTER, CHAR_DIGIT, CHAR_SPACE, CHAR_NEWLINE, CHAR_APOSTROPHE,
	CHAR_DASH, CHAR_CLAUSE, CHAR_STOP, CHAR_QUESTION, CHAR_MONEY, CHAR_QUOTE, CHAR_IGNORED
} CharKind;

/* One character of the source: its kind, its bytes and its folded spelling. */
typedef struct Char
{
	CharKind	kind;
	uint8_t		bytes;			/* in the source */
	uint8_t		nfold;			/* of fold; 0: spell the source bytes */
	bool		capital;
	char		fold[2];
} Char;

/* Kinds of ASCII, and the folded letter or digit of an ASCII byte (else 0). */
extern const uint8_t kam_ascii_kind[128];
extern const char kam_ascii_word[256];

/* A character beyond ASCII; *ch stays one byte of nothing when it is invalid. */
extern void kam_read_wide_char(const unsigned char *s, size_t left, Char *ch);

static inline Char
read_char(const unsigned char *s, size_t left)
{
	Char		ch = {CHAR_OTHER, 1, 0, false, {0, 0}};
	if (s[0] < 128)
	{
		ch.kind = (CharKind) kam_ascii_kind[s[0]];
		ch.nfold = 1;
		ch.capital = s[0] >= 'A' && s[0] <= 'Z';
		ch.fold[0] = (char) (ch.capital ? s[0] + 32 : s[0]);
		return ch;
	}
	kam_read_wide_char(s, left, &ch);
	return ch;
}

