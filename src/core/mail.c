/*
 * core/mail.c: cuts what is not new from a message: quoted history, forwarded
 * blocks, signatures, disclaimers, footers, HTML.
 *
 * Nothing is moved: what is cut is blanked in a copy of the body, so that every
 * place keeps its offset and quotes can be taken from the body itself.  It
 * works on lines and never looks at meaning; what a message says is the
 * lexicon's business.
 */
#include "core/mail.h"

#include <string.h>
#include <strings.h>

#include "core/match.h"

typedef struct Line
{
	size_t		start,			/* first byte that is no space */
				end;			/* behind the last one; start == end: an empty line */
	bool		quoted;			/* begins with ">" */
} Line;

typedef struct Mail
{
	KamArena   *arena;
	const char *body;
	size_t		length;
	char	   *copy;			/* NULL until something is blanked */
	Line	   *line;
	int			lines;
} Mail;

/* ---- blanking -------------------------------------------------------- */

static char *
own_copy(Mail *m)
{
	if (!m->copy)
	{
		m->copy = kam_strndup(m->arena, m->body, m->length);
		m->body = m->copy;
	}
	return m->copy;
}

/* Line breaks stay, so that sentences still end where they ended. */
static void
blank(Mail *m, size_t from, size_t to)
{
	char	   *copy = own_copy(m);

	for (size_t k = from; k < to; k++)
		if (copy[k] != '\n')
			copy[k] = ' ';
}

static void
blank_lines(Mail *m, int from, int to)
{
	for (int k = from; k < to; k++)
	{
		blank(m, m->line[k].start, m->line[k].end);
		m->line[k].end = m->line[k].start;
		m->line[k].quoted = false;
	}
}

static bool
is_empty(const Line *line)
{
	return line->start == line->end;
}

/* ---- HTML ------------------------------------------------------------ */

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

static bool
looks_like_html(const char *s, size_t length)
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
static void
strip_html(Mail *m)
{
	static const char *const unseen[] = {"style", "script", "head", "title"};
	static const char *const blocks[] = {"br", "p", "div", "li", "tr", "ul", "table", "h1", "h2", "h3", "hr", "blockquote"};
	char	   *s = own_copy(m);

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
		blank(m, i, to);
		if (block)
		{
			s[i] = '\n';
			if (closing && to - i > 2)
				s[i + 1] = '\n';
		}
		i = to;
	}
}

/* ---- lines ----------------------------------------------------------- */

static void
split_lines(Mail *m)
{
	const char *s = m->body;
	int			count = 1;

	for (const char *p = memchr(s, '\n', m->length); p; p = memchr(p + 1, '\n', m->length - (size_t) (p + 1 - s)))
		count++;
	m->line = KAM_NEW_ARRAY(m->arena, Line, count);
	for (size_t i = 0; i <= m->length && m->lines < count;)
	{
		const char *p = i < m->length ? memchr(s + i, '\n', m->length - i) : NULL;
		size_t		stop = p ? (size_t) (p - s) : m->length;
		Line	   *line = &m->line[m->lines++];

		line->start = i;
		line->end = stop;
		while (line->start < stop && (s[line->start] == ' ' || s[line->start] == '\t' || s[line->start] == '\r'))
			line->start++;
		while (line->end > line->start && (unsigned char) s[line->end - 1] <= ' ')
			line->end--;
		line->quoted = line->start < line->end && s[line->start] == '>';
		i = stop + 1;
	}
}

/* The line folded, its first bytes only. */
static size_t
folded(const Mail *m, int line, char *buffer, size_t size)
{
	return kam_fold_into(buffer, size, m->body + m->line[line].start, m->line[line].end - m->line[line].start);
}

static bool
begins(const char *text, const char *phrase)
{
	while (*phrase && *text == *phrase)
	{
		text++;
		phrase++;
	}
	return *phrase == '\0' && (*text == '\0' || *text == ' ');
}

static bool
begins_any(const char *text, const char *const *phrases, size_t count)
{
	for (size_t k = 0; k < count; k++)
		if (begins(text, phrases[k]))
			return true;
	return false;
}

#define BEGINS_ANY(text, phrases) begins_any(text, phrases, KAM_LENGTHOF(phrases))

/* ---- quoted history -------------------------------------------------- */

/* The headers that open a quoted or forwarded message. */
static int
count_headers(const char *folded_line)
{
	static const char *const headers[] = {"de", "from", "von", "envoye", "sent", "date", "a", "to", "objet", "subject",
		"cc", "expediteur", "destinataire", "repondre a", "reply to"};
	int			n = 0;

	for (size_t k = 0; k < KAM_LENGTHOF(headers); k++)
		n += begins(folded_line, headers[k]);
	return n > 0;
}

static bool
line_has_colon(const Mail *m, int line)
{
	const Line *l = &m->line[line];
	size_t		reach = l->end - l->start < 20 ? l->end - l->start : 20;

	return memchr(m->body + l->start, ':', reach) != NULL;
}

/* "De : ... / Envoye : ... / Objet : ...", on lines of their own or on one. */
static bool
is_header_block(const Mail *m, int line)
{
	static const char *const openers[] = {"de", "from", "expediteur"};
	char		text[256];
	int			headers = 0;

	if (!line_has_colon(m, line))
		return false;
	folded(m, line, text, 24);
	if (!BEGINS_ANY(text, openers))
		return false;
	folded(m, line, text, sizeof text);
	if ((strstr(text, " envoye ") && strstr(text, " objet")) || (strstr(text, " sent ") && strstr(text, " subject")))
		return true;
	for (int k = line + 1; k < m->lines && k <= line + 6; k++)
	{
		if (is_empty(&m->line[k]))
			continue;
		folded(m, k, text, 24);
		if (line_has_colon(m, k) && count_headers(text))
			headers++;
	}
	return headers >= 2;
}

/* "-----Message d'origine-----" and its kin; all that follows is not new. */
static bool
is_separator(const Mail *m, int line)
{
	static const char *const separators[] = {"message d origine", "original message", "message original",
		"message transfere", "forwarded message", "message transmis", "original appointment", "mail original", "courriel original",
	"debut du message transfere", "begin forwarded message", "debut du message reexpedie", "message initial", "message precedent"};
	const Line *l = &m->line[line];
	char		text[64];

	if (l->end - l->start > 90)
		return false;
	if (l->end - l->start >= 10 && strspn(m->body + l->start, "_") >= l->end - l->start)
	{
		for (int k = line + 1; k < m->lines && k < line + 4; k++)
			if (is_header_block(m, k))
				return true;
		return false;
	}
	folded(m, line, text, sizeof text);
	if (!BEGINS_ANY(text, separators))
		return false;
	return m->body[l->start] == '-' || m->body[l->start] == '*' || m->body[l->start] == '_' || m->body[l->end - 1] == ':' ||
		m->body[l->end - 1] == '-';
}

/* Lines taken by an attribution ("Le ... a ecrit :"), 0 when there is none. */
static int
attribution_lines(const Mail *m, int line)
{
	static const char *const openers[] = {"le", "on", "am", "el", "en date du", "envoye par"};
	char		text[320];
	size_t		n = 0;
	bool		opened;

	if (is_empty(&m->line[line]))
		return 0;
	folded(m, line, text, 24);
	opened = BEGINS_ANY(text, openers);
	for (int k = line; k < m->lines && k < line + 4; k++)
	{
		const Line *l = &m->line[k];

		if (is_empty(l) || (k > line && l->quoted != m->line[line].quoted))
			return 0;
		if (n + 120 > sizeof text)
			return 0;
		if (n > 0)
			text[n++] = ' ';
		n += kam_fold_into(text + n, sizeof text - n, m->body + l->start, l->end - l->start);
		if (m->body[l->end - 1] == ':')
		{
			bool		wrote = (n >= 5 && (strcmp(text + n - 5, "wrote") == 0 || strcmp(text + n - 5, "ecrit") == 0)) ||
				(n >= 7 && strcmp(text + n - 7, "schrieb") == 0) || (n >= 6 && strcmp(text + n - 6, "ecrite") == 0);

			if (!wrote)
				return 0;
			/* a name alone must bring its address along: "Tom <t@x> wrote:" */
			if (!opened && !(k == line && memchr(m->body + l->start, '@', l->end - l->start)))
				return 0;
			if (opened && strpbrk(text, "0123456789") == NULL)
				return 0;
			return k - line + 1;
		}
		if (!opened)
			return 0;
	}
	return 0;
}

static bool
quotes_follow(const Mail *m, int line)
{
	for (int k = line; k < m->lines; k++)
		if (m->line[k].quoted)
			return true;
	return false;
}

static void
cut_history(Mail *m)
{
	for (int k = 0; k < m->lines; k++)
	{
		const Line *l = &m->line[k];
		char		c = is_empty(l) ? '\0' : m->body[l->start];
		int			n;

		if (c == '\0')
			continue;
		if (l->quoted)
		{
			blank_lines(m, k, k + 1);
			continue;
		}
		if ((c == '_' || c == '-' || c == '*' || (c | 32) == 'd' || (c | 32) == 'b' || (c | 32) == 'f' || (c | 32) == 'e') &&
			(is_separator(m, k) || is_header_block(m, k)))
		{
			blank_lines(m, k, m->lines);
			return;
		}
		n = attribution_lines(m, k);
		if (n > 0)
		{
			bool		marked = quotes_follow(m, k + n);

			blank_lines(m, k, marked ? k + n : m->lines);
			if (!marked)
				return;
		}
	}
}

/* ---- signatures, disclaimers, footers --------------------------------- */

static const char *const closings[] = {
	"cordialement", "bien cordialement", "tres cordialement", "cordialement votre", "cdlt", "cdt", "bien a vous", "bien a toi",
	"salutations", "sinceres salutations", "salutations distinguees", "meilleures salutations", "respectueusement", "amicalement", "crdt",
	"sincerement", "bien sincerement", "amities", "a bientot", "bonne journee", "belle journee", "bonne soiree", "bonne fin de journee",
	"excellente journee", "bonne reception", "bon week end", "bonne semaine", "merci", "merci d avance", "merci beaucoup", "merci par avance",
	"au plaisir", "best regards", "kind regards", "regards", "warm regards", "best", "best wishes", "cheers", "thanks",
	"many thanks", "thank you", "thanks in advance", "thanks again", "yours sincerely", "yours faithfully", "sincerely", "all the best",
	"br", "kr", "rgds", "bien respectueusement", "cordiales salutations", "merci et bonne journee", "je vous prie d agreer", "veuillez agreer",
	"veuillez recevoir", "recevez", "dans l attente de votre retour"
};

/* Words that a signature's line does not have and a sentence has. */
static const char sentence_words[] =
	" je j nous on vous tu i we you is are was est sont sera ai avons avez merci que qui ne pas not have has will please si if"
	" me my mes ce c this that ";

static bool
has_sentence_word(const char *text)
{
	while (*text)
	{
		size_t		n = strcspn(text, " ");
		char		key[12];

		if (n < 9)
		{
			key[0] = ' ';
			memcpy(key + 1, text, n);
			key[n + 1] = ' ';
			key[n + 2] = '\0';
			if (strstr(sentence_words, key))
				return true;
		}
		text += n;
		text += *text == ' ';
	}
	return false;
}

static int
count_words(const char *text)
{
	int			n = *text != '\0';

	for (; *text; text++)
		n += *text == ' ';
	return n;
}

/* A phone number, an address, a link, or parts set off by bars. */
static bool
has_contact_details(const Mail *m, int line)
{
	static const char *const labels[] = {"tel", "t", "mob", "mobile", "m", "port", "portable", "phone", "fax", "office", "direct",
		"web", "site", "email", "mail", "adresse", "siret", "rcs"};
	const Line *l = &m->line[line];
	const char *s = m->body + l->start;
	size_t		n = l->end - l->start;
	char		text[160];
	int			digits = 0,
				others = 0;

	folded(m, line, text, sizeof text);
	for (const char *p = text; *p; p++)
	{
		digits += *p >= '0' && *p <= '9';
		others += (*p >= 'a' && *p <= 'z') || (unsigned char) *p >= 128;
	}
	if (digits >= 9 && digits > others)
		return true;
	if (BEGINS_ANY(text, labels) && digits >= 8)
		return true;
	if (n < 100 && (memchr(s, '@', n) || strstr(text, "www ") || begins(text, "http") || begins(text, "https")) && count_words(text) <= 10 &&
		!has_sentence_word(text))
		return true;
	return n < 100 && memchr(s, '|', n) && !has_sentence_word(text);
}

/* Could the line stand in a signature? */
static bool
is_signature_line(const Mail *m, int line)
{
	const Line *l = &m->line[line];
	char		last = m->body[l->end - 1];
	char		text[128];

	if (has_contact_details(m, line))
		return true;
	if (l->end - l->start > 80)
		return false;
	folded(m, line, text, sizeof text);
	if (begins(text, "ps") || begins(text, "nb") || begins(text, "p s"))
		return false;
	if (has_sentence_word(text))
		return false;
	if (last == '?' || last == '!' || last == ':')
		return false;
	if (last == '.' && count_words(text) > 3)
		return false;
	return count_words(text) <= 9;
}

/* "Cordialement," alone or with a name behind it. */
static bool
is_closing(const Mail *m, int line)
{
	const Line *l = &m->line[line];
	char		text[200];

	if (l->end - l->start > 180)
		return false;
	folded(m, line, text, sizeof text);
	for (size_t k = 0; k < KAM_LENGTHOF(closings); k++)
		if (begins(text, closings[k]))
		{
			const char *rest = text + strlen(closings[k]);

			if (begins(text, "veuillez") || begins(text, "je vous prie") || begins(text, "recevez"))
				return strstr(text, "salutation") || strstr(text, "sentiment") || strstr(text, "consideration") || strstr(text, "distingu");
			return *rest == '\0' || (count_words(rest + 1) <= 3 && !has_sentence_word(rest + 1));
		}
	return false;
}

static bool
is_device_line(const char *text)
{
	static const char *const devices[] = {"envoye de mon", "envoye depuis", "envoye a partir", "envoye avec", "sent from my", "sent from",
		"sent via", "get outlook for", "obtenir outlook", "telecharger outlook", "telechargez outlook", "provenance"};

	return BEGINS_ANY(text, devices);
}

static bool
is_disclaimer(const char *text)
{
	static const char *const plain[] = {"pensez a l environnement", "avant d imprimer", "please consider the environment",
		"think before you print", "n imprimez ce", "confidentiality notice", "avis de confidentialite", "disclaimer", "if you are not the intended",
		"if you have received this", "si vous avez recu ce", "si vous n etes pas le destinataire", "this communication is intended"};
	static const char *const subjects[] = {"ce message", "ce courriel", "ce mail", "cet e mail", "cet email", "le present message",
		"the information", "les informations contenues", "this e mail", "this email", "this message", "the contents of this", "l information contenue",
		"le contenu de ce"};
	static const char *const signs[] = {"confiden", "destine", "intended", "privileged", "pieces jointes", "attachments", "destinataire"};

	if (BEGINS_ANY(text, plain))
		return true;
	if (!BEGINS_ANY(text, subjects))
		return false;
	for (size_t k = 0; k < KAM_LENGTHOF(signs); k++)
		if (strstr(text, signs[k]))
			return true;
	return false;
}

/* The footer of a mailing; "unsubscribe" as somebody's whole answer is none. */
static bool
is_footer(const char *text, const char *raw, size_t length, int lines_before)
{
	static const char *const openers[] = {"si vous ne souhaitez plus recevoir", "si vous ne desirez plus recevoir", "si vous ne voulez plus recevoir",
		"pour ne plus recevoir", "afin de ne plus recevoir", "pour vous desinscrire", "pour vous desabonner", "pour se desinscrire", "pour se desabonner",
		"to unsubscribe", "to stop receiving", "to opt out", "you are receiving this", "you received this", "vous recevez ce", "vous recevez cet",
		"vous avez recu cet", "if you no longer wish", "if you do not wish", "if you don t wish", "if you don t want to receive", "if you would rather not",
		"if you d rather not", "if you prefer not", "if you want to stop receiving", "click here to unsubscribe", "cliquez ici pour vous des",
		"manage your", "manage preferences", "update your preferences", "gerer vos preferences", "gerer mes preferences", "view this email in", "voir la version en ligne",
		"don t want to receive", "no longer want to receive", "vous ne souhaitez plus recevoir", "not interested in these", "reply stop to",
		"repondez stop", "you can unsubscribe", "vous pouvez vous desinscrire", "vous pouvez vous desabonner", "lien de desinscription", "lien de desabonnement"};
	static const char *const words[] = {"unsubscribe", "se desabonner", "se desinscrire", "desinscription", "desabonnement", "me desinscrire", "opt out"};

	if (BEGINS_ANY(text, openers))
		return true;
	if (!BEGINS_ANY(text, words))
		return false;
	return memchr(raw, '|', length) || strstr(text, "http") || strstr(text, " here") || strstr(text, " ici") ||
		(lines_before >= 2 && count_words(text) <= 2 && raw[0] >= 'A' && raw[0] <= 'Z');
}

/* Blank a paragraph from a line on; returns the line behind it. */
static int
cut_paragraph(Mail *m, int line)
{
	int			to = line;

	while (to < m->lines && !is_empty(&m->line[to]))
		to++;
	blank_lines(m, line, to);
	return to;
}

/* After a closing: blank what may be a signature, stop at the first line that is text. */
static int
cut_signature(Mail *m, int line, int most)
{
	int			cut = 0;

	for (; line < m->lines && cut < most; line++)
	{
		if (is_empty(&m->line[line]))
			continue;
		if (!is_signature_line(m, line))
			break;
		blank_lines(m, line, line + 1);
		cut++;
	}
	return line;
}

/* A paragraph that opens with a name and holds a phone number or the like, below the text. */
static bool
is_signature_paragraph(const Mail *m, int line)
{
	bool		details = false;

	for (int k = line; k < m->lines && k < line + 7 && !is_empty(&m->line[k]); k++)
		details |= has_contact_details(m, k);
	return details && is_signature_line(m, line);
}

/* "-- ", "--", "___": what follows is a signature. */
static bool
is_signature_mark(const char *s, size_t n)
{
	return (n == 2 && memcmp(s, "--", 2) == 0) || (n == 3 && (memcmp(s, "---", 3) == 0 || memcmp(s, "\xE2\x80\x94", 3) == 0)) ||
		(n >= 3 && n < 80 && (strspn(s, "_") >= n || strspn(s, "-") >= n || strspn(s, "*") >= n));
}

static void
cut_tail(Mail *m)
{
	int			before = 0;		/* lines of text so far */

	for (int k = 0; k < m->lines; k++)
	{
		const Line *l = &m->line[k];
		const char *s = m->body + l->start;
		size_t		n = l->end - l->start;
		char		text[256];

		if (is_empty(l))
			continue;
		if (before > 0 && is_signature_mark(s, n))
		{
			bool		dashes = n == 2;

			blank_lines(m, k, k + 1);
			if (dashes)
			{
				blank_lines(m, k, m->lines);
				return;
			}
			k = cut_signature(m, k + 1, 8) - 1;
			continue;
		}
		kam_fold_into(text, 64, s, n);
		if (is_device_line(text))
		{
			blank_lines(m, k, k + 1);
			continue;
		}
		if (n > 40)
			kam_fold_into(text, sizeof text, s, n);
		if (is_disclaimer(text) || is_footer(text, s, n, before))
		{
			k = cut_paragraph(m, k) - 1;
			continue;
		}
		if (before > 0 && is_closing(m, k))
		{
			k = cut_signature(m, k + 1, 10) - 1;
			continue;
		}
		if (before > 0 && (k == 0 || is_empty(&m->line[k - 1])) && is_signature_paragraph(m, k))
		{
			k = cut_signature(m, k, 10);
			/* a slogan below the address belongs to it */
			k = cut_paragraph(m, k) - 1;
			continue;
		}
		before++;
	}
}

/* ---- automatic messages ---------------------------------------------- */

const char *
kam_bare_subject(const char *subject, bool *reply)
{
	static const char *const prefixes[] = {"re:", "re :", "re\u00a0:", "r\u00e9:", "r\u00e9\u00a0:", "r\u00e9 :", "r\u00c9p:", "r\u00e9p :", "fwd:", "fw:", "fwd :", "fw :", "tr:",
		"tr :", "tr\u00a0:", "aw:", "wg:", "rv:", "rif:"};
	bool		found;

	*reply = false;
	do
	{
		found = false;
		while (*subject == ' ' || *subject == '\t')
			subject++;
		for (size_t k = 0; k < KAM_LENGTHOF(prefixes) && !found; k++)
			if (strncasecmp(subject, prefixes[k], strlen(prefixes[k])) == 0)
			{
				subject += strlen(prefixes[k]);
				found = *reply = true;
			}
	} while (found);
	return subject;
}

/* Subjects that only machines write; a person's "Re:" in front takes it back. */
static bool
automatic_subject(const char *subject)
{
	static const char *const openers[] = {"automatic reply", "automatic response", "automatique", "automatic", "automated", "auto", "auto reply", "autoreply", "auto response", "autoresponse", "auto answer", "automated reply",
		"automated response", "reponse automatique", "reponse auto", "reponse d absence", "message d absence", "notification d absence", "avis d absence",
		"absence du bureau", "absent du bureau", "absente du bureau", "out of office", "out of the office", "ooo", "oof", "undeliverable", "undelivered",
		"non delivery", "delivery status notification", "delivery failure", "delivery failed", "delivery delayed", "delivery has failed", "mail delivery", "message delivery", "mail system error",
		"returned mail", "failure notice", "failed delivery", "mail failure", "message not delivered", "message undeliverable", "email delivery failure",
		"warning message delayed", "delayed mail", "non remis", "non distribuable", "non delivre", "non distribue", "echec de remise",
		"echec de la remise", "echec de distribution", "echec de la distribution", "echec de livraison", "echec de l envoi", "echec d envoi", "echec de delivrance", "message non distribue", "message non remis",
		"message non delivre", "remise retardee", "remise differee", "notification d etat de remise", "notification de remise", "notification d echec", "rapport de non remise", "retour de courrier",
		"courrier non distribue", "mail non distribue", "accuse de reception", "accuse reception", "confirmation de reception", "accuse de lecture", "lu", "read", "read receipt",
		"delivery receipt", "acknowledgement of receipt", "acknowledgment of receipt", "we have received your", "we received your", "nous avons bien recu votre", "your request has been received",
		"your ticket", "votre ticket", "ticket recu", "ticket created", "ticket received", "new ticket", "case created", "request received", "support request received", "demande enregistree"};
	static const char *const tickets[] = {"ticket", "case", "request", "demande", "incident", "support", "sav"};
	char		text[96];
	bool		reply;
	const char *bare = kam_bare_subject(subject, &reply);

	if (reply)
		return false;
	kam_fold_into(text, sizeof text, bare, strlen(bare));
	if (begins(text, "read") || begins(text, "lu"))
		return strncasecmp(bare, "read:", 5) == 0 || strncasecmp(bare, "lu :", 4) == 0 || strncasecmp(bare, "lu:", 3) == 0 ||
			begins(text, "read receipt");
	if (BEGINS_ANY(text, openers))
		return true;
	/* "Ticket #4821", "[Ticket 4821]", "[#4821]" */
	if (*bare == '[' && strchr(bare, '#') && strchr(bare, ']'))
		return true;
	if (BEGINS_ANY(text, tickets))
	{
		size_t		word = strcspn(text, " ");

		return strchr(bare, '#') != NULL || (text[word] == ' ' && text[word + 1] >= '0' && text[word + 1] <= '9' && *bare == '[') ||
			begins(text, "ticket n") || strstr(bare, "n\u00b0") != NULL;
	}
	return false;
}

/* Subjects that a person away gives to the note that answers for him, and others use too. */
static bool
absence_subject(const char *subject)
{
	static const char *const openers[] = {"absence", "absent", "absente", "conge", "conges", "en conges", "en conge", "vacances", "en vacances", "away", "on leave",
		"annual leave", "on vacation", "vacation", "on holiday", "holiday", "holidays", "maternity leave", "parental leave", "paternity leave", "leave", "not in the office",
		"fermeture", "en deplacement", "indisponible", "closed", "office closed", "bureau ferme", "pto", "i am away", "i m away", "sick leave", "arret maladie", "conge maternite"};
	char		text[64];
	bool		reply;
	const char *bare = kam_bare_subject(subject, &reply);

	kam_fold_into(text, sizeof text, bare, strlen(bare));
	return !reply && BEGINS_ANY(text, openers);
}

/* ---- the whole ------------------------------------------------------- */

/* Chat messages and notes quote nothing and carry no signature. */
static bool
is_mail(const KamActivity *activity)
{
	return activity->type == KAM_EMAIL || activity->type == KAM_OTHER_ACTIVITY;
}

KamMail
kam_mail_read(KamArena *arena, const KamActivity *activity)
{
	const char *body = activity->body ? activity->body : "";
	Mail		m = {.arena = arena, .body = body, .length = strlen(body)};
	KamMail		result = {body, m.length, 0, m.length, false, false, false};

	if (is_mail(activity))
	{
		result.automatic = activity->direction != KAM_OUTBOUND && activity->subject != NULL && automatic_subject(activity->subject);
		result.absence = activity->direction == KAM_INBOUND && activity->subject != NULL && absence_subject(activity->subject);
		if (looks_like_html(body, m.length))
			strip_html(&m);
		split_lines(&m);
		cut_history(&m);
		/* a bounce or receipt is read whole: its lines look like signatures */
		if (!result.automatic)
			cut_tail(&m);
		result.aligned = m.body;
		result.blanked = m.copy != NULL;
	}
	while (result.start < result.end && (unsigned char) result.aligned[result.start] <= ' ')
		result.start++;
	while (result.end > result.start && (unsigned char) result.aligned[result.end - 1] <= ' ')
		result.end--;
	return result;
}

KamNewText
kam_new_text(KamArena *arena, const KamActivity *activity)
{
	KamMail		mail = kam_mail_read(arena, activity);
	KamNewText	result = {mail.aligned + mail.start, mail.end - mail.start, mail.automatic};

	return result;
}
