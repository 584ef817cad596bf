/*
 * core/mail_parts.h: the parts of reading a mail.  Each looks at the lines of a
 * body and blanks what is not new.  Nobody else includes this.
 */
#pragma once

#include <string.h>
#include <strings.h>

#include "core/mail.h"
#include "core/text.h"

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

/* Blank bytes, or whole lines [from, to). */
extern void kam_mail_blank(Mail *m, size_t from, size_t to);
extern void kam_mail_blank_lines(Mail *m, int from, int to);

/* The body to write in: a copy from the first call on. */
extern char *kam_mail_own_copy(Mail *m);

/* Does a folded line begin with one of some phrases? */
extern bool kam_begins(const char *text, const char *phrase);
extern bool kam_begins_any(const char *text, const char *const *phrases, size_t count);

#define BEGINS_ANY(text, phrases) kam_begins_any(text, phrases, KAM_LENGTHOF(phrases))

extern bool kam_mail_is_html(const char *s, size_t length);
extern void kam_mail_strip_html(Mail *m);
extern void kam_mail_cut_history(Mail *m);
extern void kam_mail_cut_tail(Mail *m);

/* By the form of its subject: automatic for certain, or perhaps an absence note. */
extern bool kam_subject_is_automatic(const char *subject);
extern bool kam_subject_is_absence(const char *subject);

static inline bool
mail_line_is_empty(const Line *line)
{
	return line->start == line->end;
}

/* The line folded, its first bytes only. */
static inline size_t
mail_fold_line(const Mail *m, int line, char *buffer, size_t size)
{
	return kam_fold_into(buffer, size, m->body + m->line[line].start, m->line[line].end - m->line[line].start);
}
