/*
 * core/mail_html.c: HTML bodies as their reader sees them: tags blanked, entities
 * turned into their letters, every place kept.
 */
#include "core/mail_parts.h"

static const struct
{
	const char *name;
	const char *text;
}			entities[] = {
	{"nbsp", " "}, {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"rsquo", "'"}, {"lsquo", "'"},
	{"eacute", "\u00e9"}, {"egrave", "\u00e8"}, {"ecirc", "\u00ea"}, {"euml", "\u00eb"}, {"agrave", "\u00e0"},
	{"acirc", "\u00e2"}, {"ccedil", "\u00e7"}, {"ocirc", "\u00f4"}, {"ucirc", "\u00fb"}, {"ugrave", "\u00f9"},
	{"icirc", "\u00ee"}, {"iuml", "\u00ef"}, {"oelig", "\u0153"}, {"Eacute", "\u00c9"}, {"Agrave", "\u00c0"},
	{"Egrave", "\u00c8"}, {"Ccedil", "\u00c7"}, {"euro", "\u20ac"}, {"pound", "\u00a3"}, {"hellip", "..."},
	{"ndash", "-"}, {"mdash", "-"}, {"laquo", "\""}, {"raquo", "\""}, {"ldquo", "\""}, {"rdquo", "\""}
};

static size_t
utf8_of(unsigned long point, char *out)
{
	if (point < 0x80)
	{
		out[0] = (char) (point < ' ' ? ' ' : point);
		return 1;
	}
	if (point < 0x800)
	{
		out[0] = (char) (0xC0 | point >> 6);
		out[1] = (char) (0x80 | (point & 0x3F));
		return 2;
	}
	if (point < 0x10000)
	{
		out[0] = (char) (0xE0 | point >> 12);
		out[1] = (char) (0x80 | (point >> 6 & 0x3F));
		out[2] = (char) (0x80 | (point & 0x3F));
		return 3;
	}
	out[0] = ' ';
	return 1;
}

/* "&eacute;" at s becomes its letter, filled up with characters that part no word. */
static size_t
open_entity(char *s, size_t left)
{
	char		text[4] = "";
	size_t		n = 1,
				used = 0,
				rest;

	while (n < left && n < 10 && s[n] != ';' && s[n] != ' ' && s[n] != '&')
		n++;
	if (n >= left || s[n] != ';' || n < 3)
		return 1;
	if (s[1] == '#')
	{
		unsigned long point = 0;
		bool		hex = s[2] == 'x' || s[2] == 'X';

		for (size_t k = hex ? 3 : 2; k < n; k++)
		{
			int			digit = s[k] >= '0' && s[k] <= '9' ? s[k] - '0' : hex && (s[k] | 32) >= 'a' && (s[k] | 32) <= 'f' ? (s[k] | 32) - 'a' + 10 : -1;

			if (digit < 0 || point > 0x10FFFF)
				return 1;
			point = point * (hex ? 16 : 10) + (unsigned long) digit;
		}
		used = point == 0xA0 ? (text[0] = ' ', 1) : utf8_of(point, text);
	}
	else
		for (size_t k = 0; k < KAM_LENGTHOF(entities); k++)
			if (strlen(entities[k].name) == n - 1 && memcmp(entities[k].name, s + 1, n - 1) == 0)
			{
				used = strlen(entities[k].text);
				memcpy(text, entities[k].text, used);
			}
	if (used == 0 || used > n + 1)
		return 1;
	memcpy(s, text, used);
	rest = n + 1 - used;
	if (rest == 1)
		s[used] = ' ';
	else
	{
		char	   *p = s + used;

		if (rest % 2)
		{
			memcpy(p, "\xE2\x80\x8B", 3);
			p += 3;
			rest -= 3;
		}
		for (; rest > 0; rest -= 2, p += 2)
			memcpy(p, "\xC2\xAD", 2);
	}
	return n + 1;
}

static bool
tag_is(const char *tag, size_t length, const char *name)
{
	size_t		n = strlen(name);

	return length >= n && strncasecmp(tag, name, n) == 0 &&
		(length == n || tag[n] == ' ' || tag[n] == '/' || tag[n] == '\n' || tag[n] == '\t' || tag[n] == '\r');
}

/* Position behind the text at p, any case; the length when it is not there. */
static size_t
find_behind(const char *s, size_t length, size_t from, const char *needle)
{
	size_t		n = strlen(needle);

	for (size_t k = from; k + n <= length; k++)
		if (strncasecmp(s + k, needle, n) == 0)
			return k + n;
	return length;
}

bool
kam_mail_is_html(const char *s, size_t length)
{
	static const char *const marks[] = {"<html", "<body", "<div", "<p>", "<p ", "<br", "</p>", "</div>", "<span", "<table", "<!doctype"};
	const char *p = memchr(s, '<', length);

	while (p)
	{
		for (size_t k = 0; k < KAM_LENGTHOF(marks); k++)
			if ((size_t) (s + length - p) >= strlen(marks[k]) && strncasecmp(p, marks[k], strlen(marks[k])) == 0)
				return true;
		p = memchr(p + 1, '<', length - (size_t) (p + 1 - s));
	}
	return false;
}

/* Blank the tags and what no reader sees; block tags become line breaks. */
void
kam_mail_strip_html(Mail *m)
{
	static const char *const unseen[] = {"style", "script", "head", "title"};
	static const char *const blocks[] = {"br", "p", "div", "li", "tr", "ul", "table", "h1", "h2", "h3", "hr", "blockquote"};
	char	   *s = kam_mail_own_copy(m);

	for (size_t i = 0; i < m->length;)
	{
		const char *close;
		size_t		tag,
					n,
					to;
		bool		closing,
					block = false;

		if (s[i] == '&')
		{
			i += open_entity(s + i, m->length - i);
			continue;
		}
		if (s[i] != '<')
		{
			i++;
			continue;
		}
		tag = i + 1;
		closing = tag < m->length && s[tag] == '/';
		tag += closing;
		if (tag < m->length && s[tag] == '!')
			close = memchr(s + tag, '>', m->length - tag);
		else
		{
			for (n = tag; n < m->length && ((s[n] | 32) >= 'a' && (s[n] | 32) <= 'z'); n++)
				;
			while (n < m->length && s[n] >= '1' && s[n] <= '6')
				n++;
			/* an address in angles is text */
			if (n == tag || n >= m->length || strchr(" />\n\t\r", s[n]) == NULL)
			{
				i++;
				continue;
			}
			close = memchr(s + n, '>', m->length - n);
		}
		if (!close)
		{
			i++;
			continue;
		}
		to = (size_t) (close - s) + 1;
		n = to - 1 - tag;
		if (!closing)
		{
			for (size_t k = 0; k < KAM_LENGTHOF(unseen); k++)
				if (tag_is(s + tag, n, unseen[k]))
					to = find_behind(s, m->length, to, kam_printf(m->arena, "</%s>", unseen[k]));
			if (tag_is(s + tag, n, "blockquote"))
				to = find_behind(s, m->length, to, "</blockquote>");
			else if (tag_is(s + tag, n, "div") && find_behind(s, tag + n, tag, "gmail_quote") < tag + n)
				to = m->length;
		}
		for (size_t k = 0; k < KAM_LENGTHOF(blocks); k++)
			block |= tag_is(s + tag, n, blocks[k]);
		kam_mail_blank(m, i, to);
		if (block)
		{
			s[i] = '\n';
			if (closing && to - i > 2)
				s[i + 1] = '\n';
		}
		i = to;
	}
}
