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

#include "core/mail_parts.h"

/* ---- blanking -------------------------------------------------------- */

char *
kam_mail_own_copy(Mail *m)
{
	if (!m->copy)
	{
		m->copy = kam_strndup(m->arena, m->body, m->length);
		m->body = m->copy;
	}
	return m->copy;
}

/* Line breaks stay, so that sentences still end where they ended. */
void
kam_mail_blank(Mail *m, size_t from, size_t to)
{
	char	   *copy = kam_mail_own_copy(m);

	while (from < to)
	{
		const char *end = memchr(copy + from, '\n', to - from);
		size_t		stop = end ? (size_t) (end - copy) : to;

		memset(copy + from, ' ', stop - from);
		from = stop + 1;
	}
}

void
kam_mail_blank_lines(Mail *m, int from, int to)
{
	for (int k = from; k < to; k++)
	{
		kam_mail_blank(m, m->line[k].start, m->line[k].end);
		m->line[k].end = m->line[k].start;
		m->line[k].quoted = false;
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

bool
kam_begins(const char *text, const char *phrase)
{
	while (*phrase && *text == *phrase)
	{
		text++;
		phrase++;
	}
	return *phrase == '\0' && (*text == '\0' || *text == ' ');
}

bool
kam_begins_any(const char *text, const char *const *phrases, size_t count)
{
	for (size_t k = 0; k < count; k++)
		if (phrases[k][0] == text[0] && kam_begins(text, phrases[k]))
			return true;
	return false;
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
	Mail		m = {.arena = arena, .body = body, .length = strnlen(body, KAM_LONGEST_MESSAGE)};
	KamMail		result = {body, m.length, 0, m.length, false, false, false};

	if (is_mail(activity))
	{
		result.automatic = activity->direction != KAM_OUTBOUND && activity->subject != NULL && kam_subject_is_automatic(activity->subject);
		result.absence = activity->direction == KAM_INBOUND && activity->subject != NULL && kam_subject_is_absence(activity->subject);
		if (kam_mail_is_html(body, m.length))
			kam_mail_strip_html(&m);
		split_lines(&m);
		kam_mail_cut_history(&m);
		/* a bounce or receipt is read whole: its lines look like signatures */
		if (!result.automatic)
			kam_mail_cut_tail(&m);
		result.aligned = m.body;
		result.blanked = m.copy != NULL;
	}
	while (result.start < result.end && (unsigned char) result.aligned[result.start] <= ' ')
		result.start++;
	while (result.end > result.start && (unsigned char) result.aligned[result.end - 1] <= ' ')
		result.end--;
	return result;
}

const char *
kam_mail_quoted(KamArena *arena, const KamActivity *activity)
{
	const char *body = activity->body ? activity->body : "";
	Mail		m = {.arena = arena, .body = body, .length = strnlen(body, KAM_LONGEST_MESSAGE)};
	char	   *quoted;
	bool		any = false;

	if (!is_mail(activity))
		return NULL;
	if (kam_mail_is_html(body, m.length))
		kam_mail_strip_html(&m);
	quoted = kam_strndup(arena, m.body, m.length);
	split_lines(&m);
	kam_mail_cut_history(&m);
	for (size_t i = 0; i < m.length; i++)
	{
		if (m.body[i] == quoted[i] && quoted[i] != '\n')
			quoted[i] = ' ';
		any |= (unsigned char) quoted[i] > ' ';
	}
	return any ? quoted : NULL;
}

KamNewText
kam_new_text(KamArena *arena, const KamActivity *activity)
{
	KamMail		mail = kam_mail_read(arena, activity);
	KamNewText	result = {mail.aligned + mail.start, mail.end - mail.start, mail.automatic};

	return result;
}
