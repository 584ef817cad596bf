/*
 * core/address.c: what stands in a CRM's e-mail, phone and profile fields, in
 * one spelling (contract section 7, Suppression).
 *
 * The order of recognition decides what is ambiguous: a LinkedIn profile,
 * then what holds an @, then digits, then a domain.
 */
#include "core/address.h"

#include <string.h>

/* Fewer digits are an extension or a service, more are no number (E.164). */
#define PHONE_MIN 7
#define PHONE_MAX 15

/* Longer texts are prose. */
#define TEXT_MAX 4096

typedef struct Span
{
	const char *start,
			   *end;
} Span;

typedef struct Buffer
{
	char	   *out;
	size_t		len;
	bool		overflow;
} Buffer;

/* ---- spans -------------------------------------------------------------- */

static size_t
span_length(Span s)
{
	return (size_t) (s.end - s.start);
}

/*
 * Bytes of the white or invisible character at p, 0 when there is none: ASCII
 * space and controls, and what pasting brings along (no-break and thin spaces,
 * zero-width characters, direction marks).
 */
static size_t
blank_at(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *) p;

	if (p >= end)
		return 0;
	if (u[0] <= 0x20 || u[0] == 0x7f)
		return 1;
	if (end - p >= 2 && u[0] == 0xC2 && (u[1] == 0xA0 || u[1] == 0xAD))
		return 2;
	if (end - p < 3)
		return 0;
	if (u[0] == 0xE2 && u[1] == 0x80 && (u[2] <= 0x8F || (u[2] >= 0xA8 && u[2] <= 0xAF)))
		return 3;				/* U+2000..200F, 2028..202F */
	if (u[0] == 0xE2 && u[1] == 0x81 && (u[2] == 0x9F || (u[2] >= 0xA0 && u[2] <= 0xAF)))
		return 3;				/* U+205F..206F */
	if ((u[0] == 0xE3 && u[1] == 0x80 && u[2] == 0x80) || (u[0] == 0xEF && u[1] == 0xBB && u[2] == 0xBF))
		return 3;				/* U+3000, U+FEFF */
	return 0;
}

/* Bytes of a typographic hyphen or dash at p, U+2010..2015; 0 when there is none. */
static size_t
dash_at(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *) p;

	return end - p >= 3 && u[0] == 0xE2 && u[1] == 0x80 && u[2] >= 0x90 && u[2] <= 0x95 ? 3 : 0;
}

/* The start of the character that ends at end. */
static const char *
last_character(Span s)
{
	const char *p = s.end - 1;

	while (p > s.start && ((unsigned char) *p & 0xC0) == 0x80)
		p--;
	return p;
}

static Span
trim(Span s)
{
	size_t		n;

	while ((n = blank_at(s.start, s.end)) > 0)
		s.start += n;
	while (s.start < s.end)
	{
		const char *last = last_character(s);

		if (blank_at(last, s.end) != (size_t) (s.end - last))
			break;
		s.end = last;
	}
	return s;
}

static bool
has_blank(Span s)
{
	for (const char *p = s.start; p < s.end; p++)
	{
		if (blank_at(p, s.end) > 0)
			return true;
	}
	return false;
}

/* ASCII alone; locales have no say. */
static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c + 'a' - 'A') : c;
}

/* Takes a prefix, written in lower case, off in any case. */
static bool
skip_prefix(Span *s, const char *prefix)
{
	const char *p = s->start;

	for (; *prefix; prefix++, p++)
	{
		if (p == s->end || lower(*p) != *prefix)
			return false;
	}
	s->start = p;
	return true;
}

static const char *
find(Span s, char c)
{
	return s.start < s.end ? memchr(s.start, c, span_length(s)) : NULL;
}

static const char *
find_last(Span s, char c)
{
	for (const char *p = s.end; p > s.start; p--)
	{
		if (p[-1] == c)
			return p - 1;
	}
	return NULL;
}

/* Up to the first of some characters. */
static Span
cut_at(Span s, const char *stops)
{
	for (const char *p = s.start; p < s.end; p++)
	{
		if (strchr(stops, *p))
		{
			s.end = p;
			break;
		}
	}
	return s;
}

/* ---- output ------------------------------------------------------------- */

static void
put(Buffer *b, char c)
{
	if (b->len >= KAM_ADDRESS_MAX)
		b->overflow = true;
	else
		b->out[b->len++] = c;
}

static void
put_text(Buffer *b, const char *s)
{
	for (; *s; s++)
		put(b, *s);
}

/* Lower case of ASCII, and of the two-byte letters of Latin-1, Greek and Cyrillic. */
static void
put_lower(Buffer *b, Span s)
{
	for (const char *p = s.start; p < s.end; p++)
	{
		unsigned char c = (unsigned char) *p;
		unsigned	two;

		if ((c & 0xE0) != 0xC0 || p + 1 >= s.end || ((unsigned char) p[1] & 0xC0) != 0x80)
		{
			put(b, lower(*p));
			continue;
		}
		two = (c & 0x1Fu) << 6 | ((unsigned char) *++p & 0x3Fu);
		if ((two >= 0xC0 && two <= 0xDE && two != 0xD7) || (two >= 0x391 && two <= 0x3A9 && two != 0x3A2) ||
			(two >= 0x410 && two <= 0x42F))
			two += 0x20;
		else if (two >= 0x400 && two <= 0x40F)
			two += 0x50;
		put(b, (char) (0xC0 | two >> 6));
		put(b, (char) (0x80 | (two & 0x3F)));
	}
}

/* ---- the kinds ---------------------------------------------------------- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Labels of letters, digits, hyphens, underscores and whatever is not ASCII, parted by single dots. */
static bool
is_domain(Span s, bool whole)
{
	const char *label = s.start;
	bool		dot = false,
				name = false;	/* the last label is more than digits */

	if (s.start >= s.end || has_blank(s))
		return false;
	for (const char *p = s.start;; p++)
	{
		unsigned char c;

		if (p == s.end || *p == '.')
		{
			if (p == label || *label == '-' || p[-1] == '-')
				return false;
			if (p == s.end)
				break;
			dot = true;
			name = false;
			label = p + 1;
			continue;
		}
		c = (unsigned char) *p;
		if (!(is_digit(*p) || (lower(*p) >= 'a' && lower(*p) <= 'z') || c == '-' || c == '_' || c >= 0x80))
			return false;
		if (!is_digit(*p))
			name = true;
	}
	return name && (dot || !whole);
}

static Span
without_last_dot(Span s)
{
	if (s.start < s.end && s.end[-1] == '.')
		s.end--;
	return s;
}

static bool
put_domain(Buffer *b, Span s)
{
	s = without_last_dot(s);
	if (!is_domain(s, true))
		return false;
	put_lower(b, s);
	return true;
}

/* Whether the span names a page of LinkedIn; what follows the host. */
static bool
is_linkedin(Span s, Span *path)
{
	const char *slash = find(s, '/');
	const char *dot;
	Span		host;

	if (slash == NULL)
		return false;
	host = (Span) {s.start, slash};
	*path = (Span) {slash + 1, s.end};
	if (skip_prefix(&host, "linkedin.com"))
		return host.start == host.end;
	dot = find(host, '.');
	if (dot == NULL)
		return false;
	host.start = dot + 1;
	return skip_prefix(&host, "linkedin.com") && host.start == host.end;
}

static bool
put_email(Buffer *b, Span s)
{
	const char *at = find_last(s, '@');
	Span		local,
				domain,
				path;

	if (at == NULL || is_linkedin(s, &path))
		return false;
	local = (Span) {s.start, at};
	domain = without_last_dot((Span) {at + 1, s.end});
	if (local.start >= local.end || has_blank(local) || !is_domain(domain, false))
		return false;
	for (const char *p = local.start; p < local.end; p++)
	{
		if (strchr("()<>[]:;,\\\"@", *p))
			return false;
	}
	put_lower(b, local);
	put(b, '@');
	put_lower(b, domain);
	return true;
}

/* Digits with what people put between them; an international number's "(0)" is not dialled. */
static bool
put_phone(Buffer *b, Span s)
{
	char		digits[PHONE_MAX + 8];
	int			n = 0,
				from = 0;
	bool		plus = false;

	for (const char *p = s.start; p < s.end;)
	{
		size_t		skip = blank_at(p, s.end) + dash_at(p, s.end);

		if (skip > 0)
			p += skip;
		else if (is_digit(*p))
		{
			if (n == (int) sizeof(digits))
				return false;
			digits[n++] = *p++;
		}
		else if (*p == '+' && n == 0 && !plus)
		{
			plus = true;
			p++;
		}
		else if ((plus || (n >= 2 && digits[0] == '0' && digits[1] == '0')) && n > 0 && s.end - p >= 3 && memcmp(p, "(0)", 3) == 0)
			p += 3;
		else if (strchr("()-./", *p))
			p++;
		else
			return false;
	}
	while (n - from >= 2 && digits[from] == '0' && digits[from + 1] == '0')
		from += 2;
	if (n - from < PHONE_MIN || n - from > PHONE_MAX)
		return false;
	put(b, '+');
	for (int i = from; i < n; i++)
		put(b, digits[i]);
	return true;
}

static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether an escaped byte is written openly: letters, digits, what URLs never escape, and all that is not ASCII. */
static bool
opens(int c)
{
	return c >= 0x80 || is_digit((char) c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Well-formed UTF-8: what was escaped may be anything. */
static bool
is_utf8(const char *s, size_t len)
{
	for (size_t i = 0; i < len;)
	{
		unsigned char c = (unsigned char) s[i];
		int			more = c < 0x80 ? 0 : c >= 0xC2 && c < 0xE0 ? 1 : c >= 0xE0 && c < 0xF0 ? 2 : c >= 0xF0 && c < 0xF5 ? 3 : -1;
		uint32_t	code = more == 1 ? c & 0x1F : more == 2 ? c & 0x0F : c & 0x07;

		if (more < 0 || i + (size_t) more >= len)
			return false;
		for (int k = 1; k <= more; k++)
		{
			unsigned char next = (unsigned char) s[i + (size_t) k];

			if ((next & 0xC0) != 0x80)
				return false;
			code = code << 6 | (next & 0x3F);
		}
		if ((more == 2 && (code < 0x800 || (code >= 0xD800 && code <= 0xDFFF))) || (more == 3 && (code < 0x10000 || code > 0x10FFFF)))
			return false;
		i += (size_t) more + 1;
	}
	return true;
}

/* The name in a profile's path, up to what follows it. */
static bool
put_profile(Buffer *b, Span path)
{
	char		name[KAM_ADDRESS_MAX];
	size_t		n = 0;

	/* The mobile site's and the mails' own ways to the same page. */
	if (!skip_prefix(&path, "comm/"))
		skip_prefix(&path, "mwlite/");
	if (!skip_prefix(&path, "in/"))
		return false;
	path = cut_at(path, "/?#");
	for (const char *p = path.start; p < path.end; p++)
	{
		char		c = *p;

		if (c == '%')
		{
			int			high = path.end - p >= 3 ? hex_value(p[1]) : -1,
						low = high >= 0 ? hex_value(p[2]) : -1;

			if (low < 0)
				return false;
			if (opens(high << 4 | low))
			{
				c = (char) (high << 4 | low);
				p += 2;
			}
		}
		else if (strchr("<>\"'\\", c))
			return false;
		if (n == sizeof(name))
			return false;
		name[n++] = c;
	}
	if (n == 0 || has_blank((Span) {name, name + n}) || !is_utf8(name, n))
		return false;
	put_text(b, "linkedin.com/in/");
	put_lower(b, (Span) {name, name + n});
	return true;
}

static KamAddressKind
recognise(Buffer *b, Span s)
{
	const char *open;
	Span		path;

	s = trim(s);
	/* "Jane Doe <jane@acme.com>" */
	if (s.start < s.end && s.end[-1] == '>' && (open = find_last(s, '<')) != NULL)
		s = trim((Span) {open + 1, s.end - 1});
	if (span_length(s) >= 2 && (*s.start == '\'' || *s.start == '"') && s.end[-1] == *s.start)
		s = trim((Span) {s.start + 1, s.end - 1});
	if (s.start >= s.end)
		return KAM_ADDRESS_NONE;

	if (skip_prefix(&s, "mailto:"))
		return put_email(b, trim(cut_at(s, "?"))) ? KAM_ADDRESS_EMAIL : KAM_ADDRESS_NONE;
	if (skip_prefix(&s, "tel:"))
		return put_phone(b, cut_at(s, ";")) ? KAM_ADDRESS_PHONE : KAM_ADDRESS_NONE;
	if (skip_prefix(&s, "https://") || skip_prefix(&s, "http://"))
		return is_linkedin(s, &path) && put_profile(b, path) ? KAM_ADDRESS_LINKEDIN : KAM_ADDRESS_NONE;
	if (is_linkedin(s, &path))
		return put_profile(b, path) ? KAM_ADDRESS_LINKEDIN : KAM_ADDRESS_NONE;
	if (*s.start == '@')
		return put_domain(b, (Span) {s.start + 1, s.end}) ? KAM_ADDRESS_DOMAIN : KAM_ADDRESS_NONE;
	if (find(s, '@'))
		return put_email(b, s) ? KAM_ADDRESS_EMAIL : KAM_ADDRESS_NONE;
	if (put_phone(b, s))
		return KAM_ADDRESS_PHONE;
	return put_domain(b, s) ? KAM_ADDRESS_DOMAIN : KAM_ADDRESS_NONE;
}

KamAddressKind
kam_address(const char *text, size_t len, char out[KAM_ADDRESS_MAX + 1])
{
	Buffer		b = {out, 0, false};
	KamAddressKind kind = KAM_ADDRESS_NONE;

	if (len <= TEXT_MAX)
		kind = recognise(&b, (Span) {text, text + len});
	if (kind == KAM_ADDRESS_NONE || b.overflow)
	{
		out[0] = '\0';
		return KAM_ADDRESS_NONE;
	}
	out[b.len] = '\0';
	return kind;
}

const char *
kam_address_kind_name(KamAddressKind kind)
{
	static const char *const names[] = {
		[KAM_ADDRESS_NONE] = NULL,
		[KAM_ADDRESS_EMAIL] = "email",
		[KAM_ADDRESS_DOMAIN] = "domain",
		[KAM_ADDRESS_PHONE] = "phone",
		[KAM_ADDRESS_LINKEDIN] = "linkedin",
	};

	return names[kind];
}

const char *
kam_address_domain(KamAddressKind kind, const char *address)
{
	const char *at = kind == KAM_ADDRESS_EMAIL ? strrchr(address, '@') : NULL;

	return at ? at + 1 : NULL;
}
