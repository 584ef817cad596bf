/*
 * core/mail_history.c: quoted history and forwarded blocks.
 */
#include "core/mail_parts.h"

/* The headers that open a quoted or forwarded message. */
static int
count_headers(const char *folded_line)
{
	static const char *const headers[] = {"de", "from", "von", "envoye", "sent", "date", "a", "to", "objet", "subject",
		"cc", "expediteur", "destinataire", "repondre a", "reply to"};
	int			n = 0;

	for (size_t k = 0; k < KAM_LENGTHOF(headers); k++)
		n += kam_begins(folded_line, headers[k]);
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
	mail_fold_line(m, line, text, 24);
	if (!BEGINS_ANY(text, openers))
		return false;
	mail_fold_line(m, line, text, sizeof text);
	if ((strstr(text, " envoye ") && strstr(text, " objet")) || (strstr(text, " sent ") && strstr(text, " subject")))
		return true;
	for (int k = line + 1; k < m->lines && k <= line + 6; k++)
	{
		if (mail_line_is_empty(&m->line[k]))
			continue;
		mail_fold_line(m, k, text, 24);
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
	if (m->body[l->start] != '-' && m->body[l->start] != '*' && m->body[l->start] != '_' && m->body[l->end - 1] != ':' &&
		m->body[l->end - 1] != '-')
		return false;
	mail_fold_line(m, line, text, sizeof text);
	return BEGINS_ANY(text, separators);
}

/* Does the line or one of the next three end with a colon? */
static bool
colon_follows(const Mail *m, int line)
{
	for (int k = line; k < m->lines && k < line + 4 && !mail_line_is_empty(&m->line[k]); k++)
		if (m->body[m->line[k].end - 1] == ':')
			return true;
	return false;
}

/* Lines taken by an attribution ("Le ... a ecrit :"), 0 when there is none. */
static int
attribution_lines(const Mail *m, int line)
{
	static const char *const openers[] = {"le", "on", "am", "el", "en date du", "envoye par"};
	char		text[320];
	size_t		n = 0;
	bool		opened;

	if (mail_line_is_empty(&m->line[line]) || !colon_follows(m, line))
		return 0;
	mail_fold_line(m, line, text, 24);
	opened = BEGINS_ANY(text, openers);
	for (int k = line; k < m->lines && k < line + 4; k++)
	{
		const Line *l = &m->line[k];

		if (mail_line_is_empty(l) || (k > line && l->quoted != m->line[line].quoted))
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

void
kam_mail_cut_history(Mail *m)
{
	for (int k = 0; k < m->lines; k++)
	{
		const Line *l = &m->line[k];
		char		c = mail_line_is_empty(l) ? '\0' : m->body[l->start];
		int			n;

		if (c == '\0')
			continue;
		if (l->quoted)
		{
			kam_mail_blank_lines(m, k, k + 1);
			continue;
		}
		if ((c == '_' || c == '-' || c == '*' || (c | 32) == 'd' || (c | 32) == 'b' || (c | 32) == 'f' || (c | 32) == 'e') &&
			(is_separator(m, k) || is_header_block(m, k)))
		{
			kam_mail_blank_lines(m, k, m->lines);
			return;
		}
		n = attribution_lines(m, k);
		if (n > 0)
		{
			bool		marked = quotes_follow(m, k + n);

			kam_mail_blank_lines(m, k, marked ? k + n : m->lines);
			if (!marked)
				return;
		}
	}
}
