/*
 * core/text_hidden.c: characters that nobody sees: zero-width ones, direction
 * marks, fillers, tags.  They hide words from a reader or turn their order.
 */
#include "core/text.h"

#include <string.h>

/* Ranges of code points that stand in no message of ours. */
static const struct
{
	uint32_t	from,
				to;
}			hidden[] = {
	{0x00, 0x08}, {0x0B, 0x0C}, {0x0E, 0x1F}, {0x7F, 0x9F}, {0xAD, 0xAD}, {0x34F, 0x34F}, {0x61C, 0x61C},
	{0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F},
	{0x3164, 0x3164}, {0xFE00, 0xFE0D}, {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFFC}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

#define JOINER 0x200D			/* within emoji it is part of the picture */

/* Bytes of the character at s and its code point; an invalid byte is one of nothing. */
static size_t
read_point(const unsigned char *s, size_t left, uint32_t *point)
{
	size_t		n = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;

	*point = UINT32_MAX;
	if (n == 0 || n > left)
		return 1;
	*point = n == 1 ? s[0] : s[0] & (0xFFu >> (n + 1));
	for (size_t i = 1; i < n; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
		{
			*point = UINT32_MAX;
			return 1;
		}
		*point = *point << 6 | (s[i] & 0x3F);
	}
	return n;
}

static bool
is_hidden(uint32_t point, uint32_t before)
{
	if (point == UINT32_MAX || (point >= 0x20 && point < 0x7F) || (point == JOINER && (before >= 0x1F000 || (before >= 0x2300 && before < 0x2800) || before == 0xFE0F)))
		return false;
	for (size_t i = 0; i < KAM_LENGTHOF(hidden); i++)
		if (point >= hidden[i].from && point <= hidden[i].to)
			return true;
	return false;
}

size_t
kam_hidden_find(const char *text, size_t len)
{
	uint32_t	point,
				before = 0;

	for (size_t i = 0, n; i < len; i += n, before = point)
	{
		/* most bytes are plain, or those of a Latin letter with an accent */
		while (i < len && (((unsigned char) text[i] >= 0x20 && (unsigned char) text[i] < 0x7F) || ((unsigned char) text[i] == 0xC3 && i + 1 < len)))
		{
			before = (unsigned char) text[i];
			i += before == 0xC3 ? 2 : 1;
		}
		if (i >= len)
			break;
		n = read_point((const unsigned char *) text + i, len - i, &point);
		if (is_hidden(point, before))
			return i;
	}
	return len;
}

const char *
kam_without_hidden(KamArena *arena, const char *text)
{
	size_t		len = strlen(text);
	size_t		i = kam_hidden_find(text, len);
	size_t		out = i;
	uint32_t	point,
				before = 0;
	char	   *copy;

	if (i == len)
		return text;
	copy = kam_strndup(arena, text, len);
	for (size_t n; i < len; i += n)
	{
		n = read_point((const unsigned char *) text + i, len - i, &point);
		if (is_hidden(point, before))
			continue;
		before = point;
		memmove(copy + out, text + i, n);
		out += n;
	}
	copy[out] = '\0';
	return copy;
}
