/*
 * core/text_plain.c: letters and digits in other forms made plain: wide ones,
 * those of the mathematical alphabets, decimal digits of other scripts.
 *
 * A reader takes them for what they look like; who compares them must too.
 */
#include "core/text.h"

#include <string.h>

/* Where the ten digits of a script begin. */
static const uint32_t zeros[] = {0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50};

/* The ASCII character that the code point is a form of, or 0. */
static char
plain_form(uint32_t point)
{
	if (point >= 0xFF01 && point <= 0xFF5E)
		return (char) (point - 0xFF01 + '!');
	if (point >= 0x1D7CE && point <= 0x1D7FF)
		return (char) ('0' + (point - 0x1D7CE) % 10);
	if (point >= 0x1D400 && point <= 0x1D6A3)
		return (char) ((point - 0x1D400) % 52 < 26 ? 'A' + (point - 0x1D400) % 52 : 'a' + (point - 0x1D400) % 52 - 26);
	for (size_t i = 0; i < KAM_LENGTHOF(zeros); i++)
		if (point >= zeros[i] && point < zeros[i] + 10)
			return (char) ('0' + (point - zeros[i]));
	return 0;
}

/* Could a character with a plain form begin here? */
static bool
may_begin(unsigned char c)
{
	return c == 0xD9 || c == 0xDB || c == 0xE0 || c == 0xEF || c == 0xF0;
}

const char *
kam_plain_forms(KamArena *arena, const char *text)
{
	const unsigned char *s = (const unsigned char *) text;
	size_t		i = 0,
				out;
	char	   *copy;

	while (s[i] != '\0' && !may_begin(s[i]))
		i++;
	if (s[i] == '\0')
		return text;
	copy = kam_strdup(arena, text);
	for (out = i; s[i] != '\0';)
	{
		size_t		n = !may_begin(s[i]) ? 1 : s[i] < 0xE0 ? 2 : s[i] < 0xF0 ? 3 : 4;
		uint32_t	point = s[i] & (0xFFu >> (n + 1));
		char		plain = 0;

		for (size_t k = 1; k < n; k++)
		{
			if ((s[i + k] & 0xC0) != 0x80)
				n = 1;			/* not UTF-8 */
			else
				point = point << 6 | (s[i + k] & 0x3Fu);
		}
		if (n > 1)
			plain = plain_form(point);
		if (plain != 0)
			copy[out++] = plain;
		else
			for (size_t k = 0; k < n; k++)
				copy[out++] = (char) s[i + k];
		i += n;
	}
	copy[out] = '\0';
	return copy;
}
