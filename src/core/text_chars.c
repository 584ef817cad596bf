/*
 * core/text_chars.c: characters: UTF-8, their kinds, and their folding.
 *
 * Tables only; no locale.  Invalid bytes are nothing, never an error.
 */
#include "core/text_chars.h"

#include <string.h>

/* Base letters of U+0100..U+017F; digits 1 and 2 stand for ij and oe. */
static const char latin_extended[] =
	"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii11jjkkkllllllllll"
	"nnnnnnnnnoooooo22rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/* Base letters of U+00C0..U+00FF; 3 ae, 4 th, 5 ss, '*' no letter. */
static const char latin_one[] =
	"aaaaaa3ceeeeiiiidnooooo*ouuuuy45aaaaaa3ceeeeiiiidnooooo*ouuuuy4y";

static const char *const ligatures[] = {"ij", "oe", "ae", "th", "ss"};

#define ASCII_KIND_ROW(c) \
	((c) == '\n' ? CHAR_NEWLINE : \
	 (c) == ' ' || (c) == '\t' || (c) == '\r' || (c) == '\f' || (c) == '\v' ? CHAR_SPACE : \
	 ((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z') ? CHAR_LETTER : \
	 (c) >= '0' && (c) <= '9' ? CHAR_DIGIT : \
	 (c) == '\'' || (c) == '`' ? CHAR_APOSTROPHE : \
	 (c) == '-' ? CHAR_DASH : \
	 (c) == ',' || (c) == ';' || (c) == ':' || (c) == '(' || (c) == ')' || (c) == '[' || (c) == ']' ? CHAR_CLAUSE : \
	 (c) == '.' || (c) == '!' ? CHAR_STOP : \
	 (c) == '?' ? CHAR_QUESTION : \
	 (c) == '$' ? CHAR_MONEY : \
	 (c) == '"' ? CHAR_QUOTE : CHAR_OTHER)
#define ROW4(c) ASCII_KIND_ROW(c), ASCII_KIND_ROW((c) + 1), ASCII_KIND_ROW((c) + 2), ASCII_KIND_ROW((c) + 3)
#define ROW16(c) ROW4(c), ROW4((c) + 4), ROW4((c) + 8), ROW4((c) + 12)

const uint8_t kam_ascii_kind[128] = {
	ROW16(0), ROW16(16), ROW16(32), ROW16(48), ROW16(64), ROW16(80), ROW16(96), ROW16(112)
};

#define WORD_ROW(c) \
	(char) (((c) >= 'a' && (c) <= 'z') || ((c) >= '0' && (c) <= '9') ? (c) : (c) >= 'A' && (c) <= 'Z' ? (c) + 32 : 0)
#define WORD4(c) WORD_ROW(c), WORD_ROW((c) + 1), WORD_ROW((c) + 2), WORD_ROW((c) + 3)
#define WORD16(c) WORD4(c), WORD4((c) + 4), WORD4((c) + 8), WORD4((c) + 12)

/* The folded letter or digit of an ASCII byte, else 0. */
const char	kam_ascii_word[256] = {
	WORD16(0), WORD16(16), WORD16(32), WORD16(48), WORD16(64), WORD16(80), WORD16(96), WORD16(112)
};

/* Decode one UTF-8 sequence; 0 bytes when it is invalid. */
static int
decode(const unsigned char *s, size_t left, uint32_t *point)
{
	int			n,
				k;
	uint32_t	c = s[0];

	if (c >= 0xC2 && c <= 0xDF)
		n = 2, c &= 0x1F;
	else if (c >= 0xE0 && c <= 0xEF)
		n = 3, c &= 0x0F;
	else if (c >= 0xF0 && c <= 0xF4)
		n = 4, c &= 0x07;
	else
		return 0;
	if ((size_t) n > left)
		return 0;
	for (k = 1; k < n; k++)
	{
		if ((s[k] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (s[k] & 0x3F);
	}
	if ((n == 3 && (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF))) || (n == 4 && (c < 0x10000 || c > 0x10FFFF)))
		return 0;
	*point = c;
	return n;
}

static void
set_fold(Char *ch, char code)
{
	ch->kind = CHAR_LETTER;
	if (code >= '1' && code <= '5')
	{
		memcpy(ch->fold, ligatures[code - '1'], 2);
		ch->nfold = 2;
	}
	else
	{
		ch->fold[0] = code;
		ch->nfold = 1;
	}
}

/* What a character beyond ASCII is. */
static void
classify(uint32_t c, Char *ch)
{
	if (c >= 0xC0 && c <= 0xFF && latin_one[c - 0xC0] != '*')
	{
		set_fold(ch, latin_one[c - 0xC0]);
		ch->capital = c < 0xDF;
	}
	else if (c >= 0x100 && c <= 0x17F)
	{
		set_fold(ch, latin_extended[c - 0x100]);
		ch->capital = c == 0x178 || (c < 0x178 && (c & 1) == (c >= 0x139 && c <= 0x148));
	}
	else if (c == 0x2019 || c == 0x2018 || c == 0x2BC || c == 0x2032 || c == 0xB4 || c == 0x201B)
		ch->kind = CHAR_APOSTROPHE;
	else if (c == 0xA0 || c == 0x202F || (c >= 0x2000 && c <= 0x200A) || c == 0x3000 || c == 0x205F)
		ch->kind = CHAR_SPACE;
	else if (c == 0x2028 || c == 0x2029 || c == 0x85)
		ch->kind = CHAR_NEWLINE;
	else if (c >= 0x2010 && c <= 0x2011)
		ch->kind = CHAR_DASH;
	else if ((c >= 0x2012 && c <= 0x2015) || c == 0x2212 || c == 0x2022 || c == 0xB7)
		ch->kind = CHAR_CLAUSE;
	else if (c == 0xAB || c == 0xBB || (c >= 0x201C && c <= 0x201F) || c == 0x2039 || c == 0x203A)
		ch->kind = CHAR_QUOTE;
	else if (c == 0x2026)
		ch->kind = CHAR_STOP;
	else if (c == 0xFF1F)
		ch->kind = CHAR_QUESTION;
	else if (c == 0x20AC || c == 0xA3)
		ch->kind = CHAR_MONEY;
	else if (c == 0xAD || (c >= 0x200B && c <= 0x200F) || c == 0x2060 || c == 0xFEFF || (c >= 0x300 && c <= 0x36F) ||
			 (c >= 0xFE00 && c <= 0xFE0F))
		ch->kind = CHAR_IGNORED;
	else if (c == 0xFB01 || c == 0xFB02)
	{
		ch->kind = CHAR_LETTER;
		ch->fold[0] = 'f';
		ch->fold[1] = c == 0xFB01 ? 'i' : 'l';
		ch->nfold = 2;
	}
	else if ((c >= 0x180 && c < 0x2B0) || (c >= 0x370 && c < 0x2000) || (c >= 0x3040 && c < 0xD800) ||
			 (c >= 0xF900 && c < 0xFB00))
		ch->kind = CHAR_LETTER; /* other alphabets are spelled as they stand */
}

void
kam_read_wide_char(const unsigned char *s, size_t left, Char *ch)
{
	uint32_t	point;
	int			n = decode(s, left, &point);

	if (n == 0)
		return;
	ch->bytes = (uint8_t) n;
	classify(point, ch);
}
