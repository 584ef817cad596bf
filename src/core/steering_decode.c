/*
 * core/steering_decode.c: other readings of a text: letters of another alphabet
 * that look Latin, leet, letters apart, ROT13, backwards, base64, hexadecimal,
 * entities, escapes, character codes.
 */
#include "core/steering_internal.h"

#include <stdlib.h>
#include <string.h>

#define FEWEST_DECODED 10		/* characters; less may be a number or a name */
#define FEWEST_BASE64 16
#define FEWEST_HEX 20

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- lookalikes -------------------------------------------------------------------- */

/* Letters of other alphabets that look like these. */
static const struct
{
	uint16_t	point;
	char		letter;
}			lookalike[] = {
	{0x0391, 'A'}, {0x0392, 'B'}, {0x0395, 'E'}, {0x0396, 'Z'}, {0x0397, 'H'}, {0x0399, 'I'}, {0x039A, 'K'}, {0x039C, 'M'}, {0x039D, 'N'},
	{0x039F, 'O'}, {0x03A1, 'P'}, {0x03A4, 'T'}, {0x03A5, 'Y'}, {0x03A7, 'X'}, {0x03B1, 'a'}, {0x03B5, 'e'}, {0x03B9, 'i'}, {0x03BA, 'k'},
	{0x03BD, 'v'}, {0x03BF, 'o'}, {0x03C1, 'p'}, {0x03C4, 't'}, {0x03C5, 'u'}, {0x0405, 'S'}, {0x0406, 'I'}, {0x0408, 'J'}, {0x0410, 'A'},
	{0x0412, 'B'}, {0x0415, 'E'}, {0x041A, 'K'}, {0x041C, 'M'}, {0x041D, 'H'}, {0x041E, 'O'}, {0x0420, 'P'}, {0x0421, 'C'}, {0x0422, 'T'},
	{0x0423, 'Y'}, {0x0425, 'X'}, {0x0430, 'a'}, {0x0432, 'b'}, {0x0433, 'r'}, {0x0435, 'e'}, {0x043A, 'k'}, {0x043C, 'm'}, {0x043D, 'h'},
	{0x043E, 'o'}, {0x043F, 'n'}, {0x0440, 'p'}, {0x0441, 'c'}, {0x0442, 't'}, {0x0443, 'y'}, {0x0445, 'x'}, {0x0455, 's'}, {0x0456, 'i'},
	{0x0458, 'j'}, {0x04BB, 'h'}, {0x0501, 'd'}, {0x051B, 'q'}, {0x051D, 'w'}, {0x0261, 'g'}, {0x0131, 'i'},
};

/* A character's code point; the bytes it takes. */
static size_t
read_point(const char *text, uint32_t *point)
{
	const unsigned char *s = (const unsigned char *) text;
	size_t		n = s[0] < 0x80 ? 1 : (s[0] & 0xE0) == 0xC0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : (s[0] & 0xF8) == 0xF0 ? 4 : 1;

	*point = n == 1 ? s[0] : s[0] & (0xFFu >> (n + 1));
	for (size_t i = 1; i < n; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
		{
			*point = s[0];
			return 1;
		}
		*point = *point << 6 | (s[i] & 0x3F);
	}
	return n;
}

/* The Latin letter or digit that a character looks like or is a variant of, else 0. */
static char
latin_of(uint32_t point)
{
	/* wide, in circles, of the mathematical alphabets */
	if (point >= 0xFF01 && point <= 0xFF5E)
		return (char) (point - 0xFF01 + '!');
	if (point >= 0x24B6 && point <= 0x24CF)
		return (char) (point - 0x24B6 + 'A');
	if (point >= 0x24D0 && point <= 0x24E9)
		return (char) (point - 0x24D0 + 'a');
	if (point >= 0x1D400 && point <= 0x1D6A3)
		return (char) ((point - 0x1D400) % 52 < 26 ? 'A' + (point - 0x1D400) % 52 : 'a' + (point - 0x1D400) % 52 - 26);
	if (point >= 0x1F130 && point <= 0x1F149)
		return (char) (point - 0x1F130 + 'A');
	for (size_t i = 0; i < KAM_LENGTHOF(lookalike); i++)
		if (lookalike[i].point == point)
			return lookalike[i].letter;
	return 0;
}

/* The letter that a digit or sign stands for between letters, else 0. */
static char
leet_of(char c)
{
	static const char from[] = "013457@$!|",
				to[] = "oieastasil";
	const char *at = c != '\0' ? strchr(from, c) : NULL;

	return at != NULL ? to[at - from] : '\0';
}

/* Words in which digits stand among letters become what they are meant for. */
static void
open_leet(char *text)
{
	for (char *word = text; *word != '\0';)
	{
		size_t		n = 0;
		int			letters = 0,
					leets = 0;

		while (is_letter(word[n]) || leet_of(word[n]) != '\0')
		{
			letters += is_letter(word[n]);
			leets += !is_letter(word[n]);
			n++;
		}
		if (letters > 1 && leets > 0 && letters + leets > 3)
			for (size_t i = 0; i < n; i++)
				if (!is_letter(word[i]))
					word[i] = leet_of(word[i]);
		word += n > 0 ? n : 1;
	}
}

/* "i g n o r e" and "i-g-n-o-r-e" become one word; two blanks part words. */
static void
join_letters(char *text)
{
	char	   *out = text;

	for (char *p = text; *p != '\0';)
	{
		size_t		n = 0;

		if (p == text || !(is_letter(p[-1]) || is_digit(p[-1])))
			while (is_letter(p[2 * n]) && p[2 * n + 1] != '\0' && strchr(" .-_*", p[2 * n + 1]) != NULL && is_letter(p[2 * n + 2]))
				n++;
		/* the next word's first letter is not of it */
		if (n > 0 && is_letter(p[2 * n + 1]))
			n--;
		if (n >= 3)
		{
			for (size_t i = 0; i <= n; i++)
				*out++ = p[2 * i];
			p += 2 * n + 1;
		}
		else
			*out++ = *p++;
	}
	*out = '\0';
}

char *
kam_read_lookalikes(KamArena *arena, const char *text, bool *mixed)
{
	char	   *out = kam_alloc(arena, strlen(text) + 1),
			   *p = out;
	bool		latin = false,
				other = false;

	for (const char *s = text; *s != '\0';)
	{
		uint32_t	point;
		size_t		n = read_point(s, &point);
		char		letter = point < 0x80 ? 0 : latin_of(point);

		if (point < 0x80 && !is_letter(*s))
			latin = other = false;
		latin |= point < 0x80 && is_letter(*s);
		other |= letter != 0 && point != 0x0131;
		*mixed |= latin && other;
		if (letter != 0)
			*p++ = letter;
		else
			for (size_t i = 0; i < n; i++)
				*p++ = s[i];
		s += n;
	}
	*p = '\0';
	open_leet(out);
	join_letters(out);
	return out;
}

/* ---- turned letters -------------------------------------------------------------------- */

char *
kam_read_rot13(KamArena *arena, const char *text)
{
	char	   *out = kam_strdup(arena, text);

	for (char *p = out; *p != '\0'; p++)
		if (is_letter(*p))
			*p = (char) ((*p & 0x20) + 'A' + ((*p & ~0x20) - 'A' + 13) % 26);
	return out;
}

char *
kam_read_backwards(KamArena *arena, const char *text)
{
	size_t		n = strlen(text);
	char	   *out = kam_alloc(arena, n + 1);

	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char) text[n - 1 - i] < 0x80 ? text[n - 1 - i] : '?';
	return out;
}

/* ---- codes --------------------------------------------------------------------------------- */

typedef struct Decoded
{
	char	   *data;
	size_t		len;
} Decoded;

/* Bytes that were decoded are told of when they read like text. */
static void
keep_text(Decoded *out, const unsigned char *bytes, size_t n)
{
	size_t		letters = 0;

	for (size_t i = 0; i < n; i++)
	{
		if (bytes[i] < 0x20 && bytes[i] != '\n' && bytes[i] != '\t' && bytes[i] != '\r')
			return;
		letters += is_letter((char) bytes[i]) || bytes[i] == ' ' || bytes[i] >= 0x80;
	}
	if (n < FEWEST_DECODED || letters * 4 < n * 3)
		return;
	memcpy(out->data + out->len, bytes, n);
	out->len += n;
	out->data[out->len++] = ' ';
}

static int
base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at;

	if (c == '-' || c == '_')
		return c == '-' ? 62 : 63;
	at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int) (at - digits) : -1;
}

static size_t
decode_base64(const char *s, size_t n, unsigned char *out)
{
	uint32_t	bits = 0;
	int			have = 0;
	size_t		len = 0;

	for (size_t i = 0; i < n; i++)
	{
		bits = bits << 6 | (uint32_t) base64_value(s[i]);
		have += 6;
		if (have >= 8)
		{
			have -= 8;
			out[len++] = (unsigned char) (bits >> have & 0xFF);
		}
	}
	return len;
}

static int
hex_value(char c)
{
	return is_digit(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* Pairs of hexadecimal digits, with blanks between or "\x", "%", "0x" before; bytes taken, *len decoded. */
static size_t
decode_hex(const char *s, unsigned char *out, size_t *len)
{
	size_t		i = 0;

	*len = 0;
	for (;;)
	{
		size_t		at = i;

		while (s[at] == ' ' || s[at] == ',' || s[at] == ':')
			at++;
		if ((s[at] == '\\' && (s[at + 1] | 0x20) == 'x') || (s[at] == '0' && (s[at + 1] | 0x20) == 'x'))
			at += 2;
		else if (s[at] == '%')
			at++;
		if (hex_value(s[at]) < 0 || hex_value(s[at + 1]) < 0)
			return i;
		out[(*len)++] = (unsigned char) (hex_value(s[at]) * 16 + hex_value(s[at + 1]));
		i = at + 2;
	}
}

/* "&#105;", "&#x69;", "\u0069", "105 103 110": character codes one after the other; bytes taken, *len decoded. */
static size_t
decode_codes(const char *s, unsigned char *out, size_t *len)
{
	size_t		i = 0;

	*len = 0;
	for (;;)
	{
		size_t		at = i;
		char	   *end;
		long		code;

		while (*len > 0 && (s[at] == ' ' || s[at] == ','))
			at++;
		if (strncmp(s + at, "&#x", 3) == 0)
			code = strtol(s + at + 3, &end, 16);
		else if (strncmp(s + at, "&#", 2) == 0)
			code = strtol(s + at + 2, &end, 10);
		else if (strncmp(s + at, "\\u00", 4) == 0 && hex_value(s[at + 4]) >= 0 && hex_value(s[at + 5]) >= 0)
		{
			code = hex_value(s[at + 4]) * 16 + hex_value(s[at + 5]);
			end = (char *) s + at + 6;
		}
		else if (is_digit(s[at]))
			code = strtol(s + at, &end, 10);
		else
			return i;
		if (code < 9 || code > 255)
			return i;
		out[(*len)++] = (unsigned char) code;
		i = (size_t) (end - s) + (*end == ';');
	}
}

/* "01101001 01100111": groups of eight; bytes taken, *len decoded. */
static size_t
decode_bits(const char *s, unsigned char *out, size_t *len)
{
	size_t		i = 0;

	*len = 0;
	for (;;)
	{
		size_t		at = i;
		unsigned	byte = 0;

		while (*len > 0 && s[at] == ' ')
			at++;
		for (int k = 0; k < 8; k++, at++)
		{
			if (s[at] != '0' && s[at] != '1')
				return i;
			byte = byte << 1 | (unsigned) (s[at] - '0');
		}
		out[(*len)++] = (unsigned char) byte;
		i = at;
	}
}

char *
kam_read_encoded(KamArena *arena, const char *text)
{
	size_t		size = strlen(text);
	Decoded		out = {kam_alloc(arena, 2 * size + 2), 0};
	unsigned char *bytes = kam_alloc(arena, size + 4);

	for (const char *s = text; *s != '\0';)
	{
		size_t		n = 0,
					len,
					best = 0;
		bool		upper = false,
					lower = false,
					other = false;

		/* one that begins within a word is none */
		if (s > text && (is_letter(s[-1]) || is_digit(s[-1])))
		{
			s++;
			continue;
		}
		n = decode_bits(s, bytes, &len);
		if (n > 0)
			keep_text(&out, bytes, len);
		best = len > 2 ? n : 0;
		n = best > 0 ? 0 : decode_hex(s, bytes, &len);
		if (n >= FEWEST_HEX)
		{
			keep_text(&out, bytes, len);
			best = n;
		}
		n = best > 0 ? 0 : decode_codes(s, bytes, &len);
		if (n > 0 && len >= FEWEST_DECODED)
		{
			keep_text(&out, bytes, len);
			best = n;
		}
		if (best > 0)
		{
			s += best;
			continue;
		}
		for (n = 0; base64_value(s[n]) >= 0; n++)
		{
			upper |= s[n] >= 'A' && s[n] <= 'Z';
			lower |= s[n] >= 'a' && s[n] <= 'z';
			other |= !is_letter(s[n]);
		}
		if (n >= FEWEST_BASE64 && upper && lower && (other || n >= 32))
			keep_text(&out, bytes, decode_base64(s, n, bytes));
		s += n > 0 ? n : 1;
	}
	out.data[out.len] = '\0';
	return out.len > 0 ? out.data : NULL;
}
