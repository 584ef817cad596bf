/*
 * core/reach.c: finds links and addresses in a text; numbers and accounts are
 * reach_numbers.c's.
 *
 * One pass makes the text plain (what is hidden or spelt out is undone), a
 * second one looks at each place where something may begin.  A bare domain is
 * told from a missing space ("merci.Je reviens") by its last label.
 */
#include "core/reach_parts.h"

#include <string.h>

#include "core/address.h"
#include "core/text.h"

#define LONGEST_LINK 2000
#define LONGEST_NAME 320		/* of a host, of what stands before an @ */

/* Of a label of a domain. */
static bool
is_label(char c)
{
	return is_digit(c) || is_alpha(c) || c == '-' || c == '_' || (unsigned char) c >= 0x80;
}

/* ---- the plain text ------------------------------------------------------------- */

/* What stands for a character of an address. */
static const struct
{
	const char *written;
	char		meant;
}			spellings[] = {
	{"[.]", '.'}, {"(.)", '.'}, {"{.}", '.'}, {"[dot]", '.'}, {"(dot)", '.'}, {"[point]", '.'}, {"(point)", '.'}, {" [dot] ", '.'}, {" (dot) ", '.'},
	{" [point] ", '.'}, {" (point) ", '.'}, {"[at]", '@'}, {"(at)", '@'}, {" [at] ", '@'}, {" (at) ", '@'}, {"[arobase]", '@'}, {"(arobase)", '@'},
	{" arobase ", '@'}, {"[:]", ':'}, {"\xE3\x80\x82", '.'}, {"\xEF\xBC\x8E", '.'}, {"\xEF\xBD\xA1", '.'}, {"\xE2\x80\xA4", '.'},
	{"\xC2\xA0", ' '}, {"\xE2\x80\xAF", ' '}, {"\xE2\x80\x89", ' '}, {"\xE2\x81\x84", '/'}, {"\xE2\x88\x95", '/'},
	{"\xE2\x80\x90", '-'}, {"\xE2\x80\x91", '-'},
};

/* " dot com": the ends before which "dot" and "point" are read as one. */
static const char *const spoken_ends[] = {"com", "net", "org", "io", "fr", "eu", "info", "biz", "app", "co"};

/* May something be written here for another character?  Asked of every byte. */
static bool
may_be_spelt(const unsigned char *u)
{
	if (u[0] < 0x80)
		return u[0] == '[' || u[0] == '(' || u[0] == '{' || (u[0] == ' ' && (strchr("[(", u[1]) != NULL || strchr("dpa", u[1] | 0x20) != NULL));
	return u[0] == 0xC2 || u[0] == 0xE2 || u[0] == 0xE3 || u[0] == 0xEF;
}

/* The length of what is written at s for another character, 0 when it means itself. */
static size_t
spelling_at(const char *s, char *meant)
{
	const unsigned char *u = (const unsigned char *) s;
	size_t		dot;

	if (!may_be_spelt(u))
		return 0;
	dot = begins(s, " dot ") ? 5 : begins(s, " point ") ? 7 : 0;
	for (size_t i = 0; dot > 0 && i < KAM_LENGTHOF(spoken_ends); i++)
		if (begins(s + dot, spoken_ends[i]) && !is_word(s[dot + strlen(spoken_ends[i])]))
		{
			*meant = '.';
			return dot;
		}
	for (size_t i = 0; i < KAM_LENGTHOF(spellings); i++)
		if (spellings[i].written[0] == s[0] && begins(s, spellings[i].written))
		{
			*meant = spellings[i].meant;
			return strlen(spellings[i].written);
		}
	/* the wide forms of ASCII, U+FF01 to U+FF5E */
	if (u[0] == 0xEF && ((u[1] == 0xBC && u[2] >= 0x81 && u[2] <= 0xBF) || (u[1] == 0xBD && u[2] >= 0x80 && u[2] <= 0x9E)))
	{
		*meant = (char) (u[1] == 0xBC ? u[2] - 0x80 + 0x20 : u[2] - 0x80 + 0x60);
		return 3;
	}
	return 0;
}

static const char *
plain_text(KamArena *arena, const char *text, size_t len)
{
	const char *s = kam_without_hidden(arena, kam_strndup(arena, text, len < KAM_REACH_LONGEST ? len : KAM_REACH_LONGEST));
	const char *from = s;
	char		meant;
	size_t		n;
	char	   *out,
			   *p;

	while (*from != '\0' && spelling_at(from, &meant) == 0)
		from++;
	if (*from == '\0')
		return s;
	out = kam_alloc(arena, strlen(s) + 1);
	memcpy(out, s, (size_t) (from - s));
	p = out + (from - s);
	for (s = from; *s != '\0'; s += n > 0 ? n : 1)
	{
		n = spelling_at(s, &meant);
		*p++ = n > 0 ? meant : *s;
	}
	*p = '\0';
	return out;
}

/* ---- what was found --------------------------------------------------------------- */

void
kam_reach_add(KamReachFinder *f, KamReachKind kind, const char *start, const char *end, const char *key, bool home)
{
	if (f->count == f->most)
		return;
	if (f->count == f->room)
	{
		int			room = f->room > 0 ? f->room * 2 : 8;
		KamReach   *grown = KAM_NEW_ARRAY(f->arena, KamReach, room);

		if (f->count > 0)
			memcpy(grown, f->found, sizeof(KamReach) * (size_t) f->count);
		f->found = grown;
		f->room = room;
	}
	f->found[f->count++] = (KamReach) {kind, kam_strndup(f->arena, start, (size_t) (end - start)), key, home};
}

/* ---- links ------------------------------------------------------------------------- */

/* Last labels that make a bare name a domain; names of countries stand below. */
static const char ends_of_names[] =
	" com net org info biz name pro mobi asia int edu gov mil jobs travel app dev page site online store shop web blog cloud tech link click live top"
	" xyz club vip icu buzz space website world today work works group agency digital email news media support services solutions systems software"
	" company business finance bank money pay cash loan credit fund capital zone center network social chat fun fyi guru life love one rocks run plus"
	" paris bzh alsace corsica london berlin amsterdam brussels gmbh ltd sarl host press art law legal tax health care education academy school expert"
	" example test invalid localhost local internal onion lan corp home ";

static const char countries[] =
	" ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv"
	" cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie"
	" il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt"
	" mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm"
	" sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw ";

/* Names of things that look like a domain. */
static const char *const no_domains[] = {"asp.net", "ado.net", "vb.net"};

static bool
is_listed(const char *list, const char *label, size_t n)
{
	char		needle[16];

	if (n == 0 || n > sizeof needle - 3)
		return false;
	needle[0] = ' ';
	for (size_t i = 0; i < n; i++)
		needle[i + 1] = label[i] >= 'A' && label[i] <= 'Z' ? (char) (label[i] | 0x20) : label[i];
	needle[n + 1] = ' ';
	needle[n + 2] = '\0';
	return strstr(list, needle) != NULL;
}

/* Is a name without a scheme one of the network?  "more": a path or a port stands behind it. */
static bool
is_host(const char *host, const char *end, bool more)
{
	const char *last = end;
	size_t		n;
	bool		numeric = true;
	int			dots = 0;

	for (size_t i = 0; i < KAM_LENGTHOF(no_domains); i++)
		if ((size_t) (end - host) == strlen(no_domains[i]) && begins(host, no_domains[i]))
			return false;
	for (const char *p = host; p < end; p++)
	{
		if (*p == '.' && (p == host || p[-1] == '.' || p + 1 == end))
			return false;
		dots += *p == '.';
		numeric &= is_digit(*p) || *p == '.';
	}
	if (dots == 0)
		return false;
	if (numeric)
		return dots == 3 && more;
	while (last > host && last[-1] != '.')
		last--;
	n = (size_t) (end - last);
	if (begins(host, "www.") || begins(last, "xn--"))
		return true;
	/* "merci.Je": the space after the full stop is missing */
	if (n == 2 && last[0] >= 'A' && last[0] <= 'Z' && last[1] >= 'a' && last - host >= 2 && !(last[-2] >= 'A' && last[-2] <= 'Z') &&
		!is_digit(last[-2]) && !more)
		return false;
	if (is_listed(countries, last, n) || is_listed(ends_of_names, last, n))
		return true;
	/* "12.5/mois", "et/ou": a number before the stroke is none */
	for (const char *p = last; p < end; p++)
		if (!is_alpha(*p))
			return false;
	return more && n >= 2 && *end == '/' && is_word(end[1]);
}

/* Behind the last character that belongs to a link: stops and brackets at its end are the sentence's. */
static const char *
trim_link(const char *start, const char *end)
{
	for (;;)
	{
		if (end - start >= 3 && strncmp(end - 2, "\xC2\xBB", 2) == 0)
			end -= 2;
		else if (end - start >= 4 && (strncmp(end - 3, "\xE2\x80\x9D", 3) == 0 || strncmp(end - 3, "\xE2\x80\x99", 3) == 0 ||
									  strncmp(end - 3, "\xE2\x80\xA6", 3) == 0))
			end -= 3;
		else if (end > start && strchr(".,;:!?'\")]}*_", end[-1]) != NULL)
			end--;
		else
			return end;
	}
}

/* Host and path in one spelling; *home: nothing stands behind the host. */
static const char *
link_key(KamArena *arena, const char *start, const char *end, bool *home)
{
	char	   *key;
	size_t		host;

	if (begins(start, "https://"))
		start += 8;
	else if (begins(start, "http://"))
		start += 7;
	if (begins(start, "www."))
		start += 4;
	end = trim_link(start, end);
	key = kam_strndup(arena, start, (size_t) (end - start));
	host = strcspn(key, "/?#\\:@");
	for (size_t i = 0; i < host; i++)
		if (key[i] >= 'A' && key[i] <= 'Z')
			key[i] |= 0x20;
	while (host > 0 && key[strlen(key) - 1] == '/')
		key[strlen(key) - 1] = '\0';
	*home = strlen(key) <= host;
	return key;
}

const char *
kam_link_key(KamArena *arena, const char *url)
{
	const char *s = url;
	size_t		n;
	bool		home;

	if (url == NULL)
		return NULL;
	s += strspn(s, " \t\r\n");
	n = strcspn(s, " \t\r\n\"<>");
	if (n == 0 || n > LONGEST_LINK || s[n + strspn(s + n, " \t\r\n")] != '\0')
		return NULL;
	return link_key(arena, s, s + n, &home);
}

static void
add_link(KamReachFinder *f, const char *start, const char *end)
{
	char		address[KAM_ADDRESS_MAX + 1];
	const char *key;
	bool		home;

	end = trim_link(start, end);
	if (kam_address(start, (size_t) (end - start), address) == KAM_ADDRESS_LINKEDIN)
	{
		kam_reach_add(f, KAM_REACH_PROFILE, start, end, kam_strdup(f->arena, address), false);
		return;
	}
	key = link_key(f->arena, start, end, &home);
	kam_reach_add(f, KAM_REACH_LINK, start, end, key, home);
}

/* Past what can stand in a link. */
static const char *
link_end(const char *s)
{
	const char *p = s;

	while (*p != '\0' && p - s < LONGEST_LINK && strchr(" \t\r\n\"<>`|", *p) == NULL)
		p++;
	return p;
}

/* A link with a scheme, or a name of the network; returns what is behind it, or NULL. */
static const char *
take_link(KamReachFinder *f, const char *s)
{
	const char *p = s,
			   *end;

	while (p - s < LONGEST_NAME && (is_alpha(*p) || (p > s && (is_digit(*p) || *p == '+' || *p == '-' || *p == '.'))))
		p++;
	if (p > s && strncmp(p, "://", 3) == 0 && p[3] > ' ')
	{
		end = link_end(p + 3);
		add_link(f, s, end);
		return end;
	}
	if (begins(s, "javascript:") || (begins(s, "data:") && (begins(s + 5, "text/") || begins(s + 5, "image/") || begins(s + 5, "application/"))))
	{
		end = link_end(s);
		add_link(f, s, end);
		return end;
	}
	for (p = s; p - s < LONGEST_NAME && (is_label(*p) || *p == '.'); p++)
		;
	while (p > s && p[-1] == '.')
		p--;
	if (p > s && *p != '@' && is_host(s, p, *p == '/' || (*p == ':' && is_digit(p[1]))))
	{
		end = *p == '/' || *p == ':' || *p == '?' || *p == '#' ? link_end(p) : p;
		add_link(f, s, end);
		return end;
	}
	return NULL;
}

/* ---- addresses ------------------------------------------------------------------------ */

static bool
is_local(char c)
{
	return is_word(c) || (c != '\0' && strchr("._%+-'=&", c) != NULL);
}

/* What stands around an @; returns what is behind it, or NULL. */
static const char *
take_at(KamReachFinder *f, const char *from, const char *at)
{
	char		address[KAM_ADDRESS_MAX + 1];
	const char *start = at,
			   *end = at + 1;

	while (start > from && at - start < LONGEST_NAME && is_local(start[-1]))
		start--;
	while (end - at < LONGEST_NAME && (is_label(*end) || *end == '.'))
		end++;
	while (end > at + 1 && strchr(".-_", end[-1]) != NULL)
		end--;
	if (start < at && end > at + 1 && kam_address(start, (size_t) (end - start), address) == KAM_ADDRESS_EMAIL)
	{
		kam_reach_add(f, KAM_REACH_EMAIL, start, end, kam_strdup(f->arena, address), false);
		return end;
	}
	if (start < at || end - at < 4)
		return NULL;
	for (const char *p = at + 1; p < end; p++)
		if ((unsigned char) *p >= 0x80)
			return NULL;
	kam_reach_add(f, KAM_REACH_HANDLE, at, end, kam_fold(f->arena, kam_strndup(f->arena, at + 1, (size_t) (end - at - 1))), false);
	return end;
}

/* ---- the whole -------------------------------------------------------------------------------- */

/* Behind a word with a blank or a stop after it, in which nothing begins; NULL when it must be looked at. */
static const char *
plain_word(const char *s)
{
	const char *p = s;

	while (is_alpha(*p) || (unsigned char) *p >= 0x80 || *p == '-' || *p == '\'')
		p++;
	/* as long as a BIC, it may be one */
	if (p == s || p - s == 8 || p - s == 11)
		return NULL;
	if (*p == ' ' || *p == ',' || *p == '\n' || *p == '\0')
		return p;
	return strchr(".:;!?)", *p) != NULL && (p[1] == ' ' || p[1] == '\n' || p[1] == '\0') ? p : NULL;
}

int
kam_reach_find(KamArena *arena, const char *text, size_t len, int most, KamReach **out)
{
	KamReachFinder f = {.arena = arena, .text = plain_text(arena, text, len), .most = most};
	const char *behind = f.text;	/* what was read already */

	for (const char *s = f.text; *s != '\0' && f.count < most;)
	{
		const char *next = NULL;
		bool		start = s == behind || !is_word(s[-1]);

		if (start && (next = plain_word(s)) != NULL)
		{
			behind = s = next;
			continue;
		}
		if (*s == '@')
			next = take_at(&f, behind, s);
		else if (start && is_word(*s))
		{
			const char *p = s;

			/* an e-mail address before a link: its beginning may look like one */
			while (p - s < LONGEST_NAME && is_local(*p))
				p++;
			if (*p == '@' && p > s && (next = take_at(&f, s, p)) == NULL)
				next = p;
			if (next == NULL)
				next = take_link(&f, s);
			if (next == NULL && is_alpha(*s))
				next = kam_reach_iban(&f, s);
			if (next == NULL)
				next = kam_reach_wallet(&f, s);
			if (next == NULL && is_alpha(*s))
				next = kam_reach_bic(&f, s);
			if (next == NULL && is_digit(*s))
				next = kam_reach_number(&f, s);
		}
		else if (start && (*s == '+' || *s == '(') && is_digit(s[1]))
			next = kam_reach_number(&f, s);
		if (next != NULL && next > s)
			behind = s = next;
		else if (is_word(*s))
			while (is_word(*s))
				s++;
		else
			s++;
	}
	*out = f.found;
	return f.count;
}

bool
kam_reach_any(KamArena *arena, const char *text)
{
	KamReach   *found;

	/* most texts have none of the signs that all kinds need */
	if (strpbrk(text, ".@:0123456789") == NULL && strstr(text, "\xE3\x80\x82") == NULL && strstr(text, "\xEF\xBC") == NULL && strstr(text, " dot ") == NULL &&
		strstr(text, "\xE2\x80\xA4") == NULL && strstr(text, " point ") == NULL && strstr(text, "\xEF\xBD") == NULL && strpbrk(text, "[(") == NULL)
		return false;
	return kam_reach_find(arena, text, strlen(text), 1, &found) > 0;
}
