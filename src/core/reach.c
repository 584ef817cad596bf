/*
 * core/reach.c: finds links, addresses, numbers and accounts in a text.
 *
 * One pass makes the text plain (what is hidden or spelt out is undone), a
 * second one looks at each place where something may begin.  A bare domain is
 * told from a missing space ("merci.Je reviens") by its last label.
 */
#include "core/reach.h"

#include <string.h>
#include <strings.h>

#include "core/address.h"
#include "core/text.h"

#define LONGEST_LINK 2000
#define LONGEST_NAME 320		/* of a host, of what stands before an @ */
#define NATIONAL_DIGITS 9		/* of a number that are compared: +33 6 ... is 06 ... */

/* ---- characters ---------------------------------------------------------------- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Of a label of a domain. */
static bool
is_label(char c)
{
	return is_digit(c) || is_alpha(c) || c == '-' || c == '_' || (unsigned char) c >= 0x80;
}

static bool
is_word(char c)
{
	return is_digit(c) || is_alpha(c) || (unsigned char) c >= 0x80;
}

static bool
begins(const char *s, const char *prefix)
{
	return strncasecmp(s, prefix, strlen(prefix)) == 0;
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

typedef struct Finder
{
	KamArena   *arena;
	const char *text;
	KamReach   *found;
	int			count,
				room,
				most;
} Finder;

static void
add(Finder *f, KamReachKind kind, const char *start, const char *end, const char *key, bool home)
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
add_link(Finder *f, const char *start, const char *end)
{
	char		address[KAM_ADDRESS_MAX + 1];
	const char *key;
	bool		home;

	end = trim_link(start, end);
	if (kam_address(start, (size_t) (end - start), address) == KAM_ADDRESS_LINKEDIN)
	{
		add(f, KAM_REACH_PROFILE, start, end, kam_strdup(f->arena, address), false);
		return;
	}
	key = link_key(f->arena, start, end, &home);
	add(f, KAM_REACH_LINK, start, end, key, home);
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
take_link(Finder *f, const char *s)
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
take_at(Finder *f, const char *from, const char *at)
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
		add(f, KAM_REACH_EMAIL, start, end, kam_strdup(f->arena, address), false);
		return end;
	}
	if (start < at || end - at < 4)
		return NULL;
	for (const char *p = at + 1; p < end; p++)
		if ((unsigned char) *p >= 0x80)
			return NULL;
	add(f, KAM_REACH_HANDLE, at, end, kam_fold(f->arena, kam_strndup(f->arena, at + 1, (size_t) (end - at - 1))), false);
	return end;
}

/* ---- numbers ---------------------------------------------------------------------------- */

/* Digits in a row with single marks between them. */
typedef struct Run
{
	const char *start,
			   *end;
	char		digits[40];
	int			ndigits;
	char		shape[40];		/* lengths of the groups, as characters from '0' on: "0612" is "4" */
	int			ngroups;
	bool		plus;
	char		mark;			/* the mark between all groups; '*' when they differ; 0 with one group */
} Run;

/* Length of the marks between two groups, 0 when the number ends. */
static size_t
mark_at(const char *s, char *mark)
{
	size_t		n = strspn(s, " .-/()");

	*mark = s[0];
	if (n == 0 || n > 3 || !is_digit(s[n]) || (n > 1 && s[0] == '/'))
		return 0;
	if (n > 1)
		*mark = s[0] == ')' || s[0] == '(' || (s[0] == ' ' && s[1] == '(') ? '(' : '*';
	return n;
}

static void
read_run(const char *s, Run *run)
{
	memset(run, 0, sizeof *run);
	run->start = s;
	run->plus = *s == '+';
	s += *s == '+';
	s += strspn(s, "(");
	for (;;)
	{
		int			n = 0;
		char		mark;
		size_t		skip;

		while (is_digit(*s) && run->ndigits < (int) sizeof run->digits - 1)
		{
			run->digits[run->ndigits++] = *s++;
			n++;
		}
		run->shape[run->ngroups++] = (char) ('0' + (n < 40 ? n : 40));
		run->end = s;
		if (is_digit(*s) || (skip = mark_at(s, &mark)) == 0 || run->ngroups == (int) sizeof run->shape - 1)
			return;
		run->mark = run->mark == 0 || run->mark == mark ? mark : '*';
		s += skip;
	}
}

/* Groups that a number of some country is written in, without its country. */
static const char *const national_shapes[] = {
	"22222", ":",				/* 06 12 34 56 78, 0612345678 */
	"334", "3334", "343", "344", "434", "433", "443", "244", "3233", "56", "55", "46", "47", "37", "38", "532", "423", "424",
};

static bool
has_shape(const Run *run, const char *const *shapes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(run->shape, shapes[i]) == 0)
			return true;
	return false;
}

/* Words before a number that make it one to call. */
static const char *const calling[] = {
	"tel", "t\xC3\xA9l", "phone", "call", "appel", "joindre", "joign", "whatsapp", "sms", "signal", "telegram", "mobile", "portable", "reach", "text me",
	"numero", "num\xC3\xA9ro", "number", "ring",
};

static const char *const paying[] = {
	"iban", "bic", "swift", "rib", "virement", "compte", "account", "bank", "banque", "transfer", "wire", "routing", "sort code", "wallet", "card", "carte",
	"paiement", "payment", "bitcoin", "btc", "eth",
};

/* Does one of the words stand in the bytes before a place? */
static bool
stands_before(const Finder *f, const char *at, const char *const *words, size_t count, size_t reach)
{
	const char *from = (size_t) (at - f->text) > reach ? at - reach : f->text;

	for (size_t i = 0; i < count; i++)
		for (const char *p = from; p + strlen(words[i]) <= at; p++)
			if (begins(p, words[i]) && (p == f->text || !is_word(p[-1])))
				return true;
	return false;
}

/* "02.03.2026 10", "2026-03-11": a date, with or without a time behind. */
static bool
is_date(const Run *run)
{
	return strncmp(run->shape, "224", 3) == 0 || strncmp(run->shape, "422", 3) == 0 || strncmp(run->shape, "124", 3) == 0 ||
		strncmp(run->shape, "214", 3) == 0;
}

static bool
is_phone(const Finder *f, const Run *run)
{
	if (run->plus || strncmp(run->digits, "00", 2) == 0)
		return run->ndigits >= 8 && run->ndigits <= 17;
	if (is_date(run) || run->ndigits < 6)
		return false;
	if (run->digits[0] == '0' && run->ndigits >= 9 && run->ndigits <= 11 && has_shape(run, national_shapes, KAM_LENGTHOF(national_shapes)))
		return true;
	if (strcmp(run->shape, "334") == 0 && (run->mark == '-' || run->mark == '(' || run->mark == '*'))
		return true;
	/* whole groups of three are an amount */
	return run->ndigits <= 15 && stands_before(f, run->start, calling, KAM_LENGTHOF(calling), 30) &&
		!(run->mark == ' ' && run->ndigits < 9 && strspn(run->shape + 1, "3") == strlen(run->shape + 1)) && run->mark != '/';
}

static bool
is_card(const Run *run)
{
	int			sum = 0;

	if (run->ndigits < 13 || run->ndigits > 19 || run->plus)
		return false;
	for (int i = 0; i < run->ndigits; i++)
	{
		int			d = run->digits[run->ndigits - 1 - i] - '0';

		d = i % 2 == 1 ? d * 2 : d;
		sum += d > 9 ? d - 9 : d;
	}
	return sum % 10 == 0;
}

static const char *
national_digits(KamArena *arena, const char *digits, int n)
{
	return kam_strndup(arena, n > NATIONAL_DIGITS ? digits + n - NATIONAL_DIGITS : digits, (size_t) (n > NATIONAL_DIGITS ? NATIONAL_DIGITS : n));
}

const char *
kam_phone_key(KamArena *arena, const char *number)
{
	char		address[KAM_ADDRESS_MAX + 1];

	if (number == NULL || kam_address(number, strlen(number), address) != KAM_ADDRESS_PHONE)
		return NULL;
	return national_digits(arena, address + 1, (int) strlen(address) - 1);
}

static const char *
take_number(Finder *f, const char *s)
{
	Run			run;

	read_run(s, &run);
	if (run.ndigits < 6)
		return run.end;
	if (is_card(&run) || (run.ndigits >= 8 && !run.plus && !is_date(&run) && stands_before(f, s, paying, KAM_LENGTHOF(paying), 30)))
		add(f, KAM_REACH_ACCOUNT, s, run.end, kam_strndup(f->arena, run.digits, (size_t) run.ndigits), false);
	else if (is_phone(f, &run))
		add(f, KAM_REACH_PHONE, s, run.end, national_digits(f->arena, run.digits, run.ndigits), false);
	return run.end;
}

/* ---- accounts ------------------------------------------------------------------------------ */

/* ISO 13616: the remainder of an IBAN, its first four characters behind the others, is one. */
static bool
is_iban(const char *compact, size_t n)
{
	int			rest = 0;

	for (size_t i = 0; i < n; i++)
	{
		char		c = compact[(i + 4) % n];

		rest = is_digit(c) ? (rest * 10 + c - '0') % 97 : (rest * 100 + (c | 0x20) - 'a' + 10) % 97;
	}
	return rest == 1;
}

/* "FR76 3000 ...": two letters, two digits, and groups of both; with its check digits, or called an account. */
static const char *
take_iban(Finder *f, const char *s)
{
	char		compact[40];
	size_t		n = 0,
				digits = 0;
	const char *end = s;

	if (!is_alpha(s[0]) || !is_alpha(s[1]) || !is_digit(s[2]) || !is_digit(s[3]))
		return NULL;
	for (const char *p = s; n < 34; p++)
	{
		if ((*p == ' ' || *p == '-') && (is_digit(p[1]) || (p[1] >= 'A' && p[1] <= 'Z')))
			continue;
		if (!is_digit(*p) && !is_alpha(*p))
			break;
		digits += is_digit(*p);
		compact[n++] = *p;
		end = p + 1;
		if (n >= 15 && digits >= 8 && is_iban(compact, n) && !is_word(p[1]))
			break;
	}
	if (n < 15 || digits < 8 || !(is_iban(compact, n) || stands_before(f, s, paying, KAM_LENGTHOF(paying), 60)))
		return NULL;
	add(f, KAM_REACH_ACCOUNT, s, end, kam_strndup(f->arena, compact, n), false);
	return end;
}

/* "0x" and forty hexadecimal digits, "bc1...", and the older kind of 26 to 35 letters and digits that begins with 1 or 3. */
static const char *
take_wallet(Finder *f, const char *s)
{
	size_t		n = 0,
				letters = 0,
				capitals = 0,
				numbers = 0;

	while (n < 80 && (is_alpha(s[n]) || is_digit(s[n])))
	{
		letters += is_alpha(s[n]);
		capitals += s[n] >= 'A' && s[n] <= 'Z';
		numbers += is_digit(s[n++]);
	}
	if (!((n == 42 && begins(s, "0x") && strspn(s + 2, "0123456789abcdefABCDEF") == 40) ||
		  (n >= 26 && n <= 62 && begins(s, "bc1") && numbers >= 4) ||
		  (n >= 26 && n <= 35 && (s[0] == '1' || s[0] == '3') && capitals >= 3 && letters - capitals >= 3 && numbers >= 3)))
		return NULL;
	add(f, KAM_REACH_ACCOUNT, s, s + n, kam_strndup(f->arena, s, n), false);
	return s + n;
}

/* "BIC: BNPAFRPPXXX": eight or eleven capitals and digits behind the word. */
static const char *
take_bic(Finder *f, const char *s)
{
	static const char *const words[] = {"bic", "swift"};
	size_t		n = 0;

	while (n < 16 && ((s[n] >= 'A' && s[n] <= 'Z') || is_digit(s[n])))
		n++;
	if ((n != 8 && n != 11) || is_word(s[n]) || strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") < 6 || !stands_before(f, s, words, KAM_LENGTHOF(words), 14))
		return NULL;
	add(f, KAM_REACH_ACCOUNT, s, s + n, kam_strndup(f->arena, s, n), false);
	return s + n;
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
	Finder		f = {.arena = arena, .text = plain_text(arena, text, len), .most = most};
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
				next = take_iban(&f, s);
			if (next == NULL)
				next = take_wallet(&f, s);
			if (next == NULL && is_alpha(*s))
				next = take_bic(&f, s);
			if (next == NULL && is_digit(*s))
				next = take_number(&f, s);
		}
		else if (start && (*s == '+' || *s == '(') && is_digit(s[1]))
			next = take_number(&f, s);
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
