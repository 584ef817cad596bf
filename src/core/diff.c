/*
 * core/diff.c: a unified diff by the longest common subsequence of lines.
 *
 * Owns the splitting, the table of lengths and the hunks.  What both texts
 * begin and end with is set aside first; the table is bounded by MAX_CELLS,
 * beyond which the middle counts as replaced whole.
 */
#include "core/diff.h"

#include <string.h>

#define CONTEXT 3
#define MAX_CELLS (4 * 1024 * 1024)		/* of two bytes: 8 MB */

typedef struct Line
{
	const char *text;
	size_t		len;			/* without the newline */
	bool		ended;			/* a newline follows */
} Line;

typedef struct Lines
{
	Line	   *line;
	int			count;
} Lines;

/* One line of the diff: ' ' kept, '-' taken out, '+' put in; the lines before it in either text. */
typedef struct Edit
{
	char		sign;
	const Line *line;
	int			before_from,
				before_to;
} Edit;

typedef struct Script
{
	Edit	   *edit;
	int			count;
	int			from,			/* lines of either text told so far */
				to;
} Script;

static Lines
split(KamArena *arena, const char *text)
{
	Lines		out = {NULL, 0};
	int			count = 1;

	for (const char *s = text; (s = strchr(s, '\n')) != NULL; s++)
		count++;
	out.line = KAM_NEW_ARRAY(arena, Line, count);
	while (*text != '\0')
	{
		const char *end = strchr(text, '\n');
		size_t		len = end != NULL ? (size_t) (end - text) : strlen(text);

		out.line[out.count++] = (Line) {text, len, end != NULL};
		text += len + (end != NULL);
	}
	return out;
}

static bool
same_line(const Line *a, const Line *b)
{
	return a->len == b->len && a->ended == b->ended && memcmp(a->text, b->text, a->len) == 0;
}

static void
tell(Script *script, char sign, const Line *line)
{
	script->edit[script->count++] = (Edit) {sign, line, script->from, script->to};
	script->from += sign != '+';
	script->to += sign != '-';
}

/*
 * The middle, n lines against m: length[i * (m + 1) + j] is that of the
 * longest subsequence that from's lines i on share with to's lines j on.
 */
static void
tell_middle(KamArena *arena, Script *script, const Line *from, int n, const Line *to, int m)
{
	size_t		width = (size_t) m + 1;
	uint16_t   *length;
	int			i = 0,
				j = 0;

	if (n > 0 && m > 0 && n < UINT16_MAX && m < UINT16_MAX && (size_t) n + 1 <= MAX_CELLS / width)
	{
		length = KAM_NEW_ARRAY(arena, uint16_t, ((size_t) n + 1) * width);
		for (int a = n - 1; a >= 0; a--)
			for (int b = m - 1; b >= 0; b--)
			{
				uint16_t	down = length[(size_t) (a + 1) * width + (size_t) b];
				uint16_t	right = length[(size_t) a * width + (size_t) b + 1];

				length[(size_t) a * width + (size_t) b] = same_line(&from[a], &to[b])
					? length[(size_t) (a + 1) * width + (size_t) b + 1] + 1 : down > right ? down : right;
			}
		while (i < n && j < m)
		{
			if (same_line(&from[i], &to[j]))
			{
				tell(script, ' ', &from[i++]);
				j++;
			}
			else if (length[(size_t) (i + 1) * width + (size_t) j] >= length[(size_t) i * width + (size_t) j + 1])
				tell(script, '-', &from[i++]);
			else
				tell(script, '+', &to[j++]);
		}
	}
	while (i < n)
		tell(script, '-', &from[i++]);
	while (j < m)
		tell(script, '+', &to[j++]);
}

/* ---- hunks --------------------------------------------------------------- */

/* Grows by doubling within the arena. */
typedef struct Text
{
	KamArena   *arena;
	char	   *data;
	size_t		len,
				size;
} Text;

static void
append(Text *text, const char *data, size_t len)
{
	if (text->size - text->len <= len)
	{
		size_t		size = (text->len + len) * 2 + 256;
		char	   *grown = kam_alloc_raw(text->arena, size);

		if (text->len > 0)
			memcpy(grown, text->data, text->len);
		text->data = grown;
		text->size = size;
	}
	memcpy(text->data + text->len, data, len);
	text->len += len;
	text->data[text->len] = '\0';
}

static void
append_string(Text *text, const char *s)
{
	append(text, s, strlen(s));
}

/* "3,4": the first line, counted from 1, and how many; nothing follows line "before" when there are none. */
static const char *
range(KamArena *arena, int before, int count)
{
	return count == 1 ? kam_printf(arena, "%d", before + 1) : kam_printf(arena, "%d,%d", count == 0 ? before : before + 1, count);
}

static void
append_hunk(Text *text, const Edit *edit, int count)
{
	int			from = 0,
				to = 0;

	for (int i = 0; i < count; i++)
	{
		from += edit[i].sign != '+';
		to += edit[i].sign != '-';
	}
	append_string(text, kam_printf(text->arena, "@@ -%s +%s @@\n", range(text->arena, edit[0].before_from, from),
								   range(text->arena, edit[0].before_to, to)));
	for (int i = 0; i < count; i++)
	{
		append(text, &edit[i].sign, 1);
		append(text, edit[i].line->text, edit[i].line->len);
		append_string(text, edit[i].line->ended ? "\n" : "\n\\ No newline at end of file\n");
	}
}

/* Changes that are no further apart than twice the context stand in one hunk. */
static void
append_hunks(Text *text, const Script *script)
{
	int			i = 0;

	for (;;)
	{
		int			first,
					last;

		while (i < script->count && script->edit[i].sign == ' ')
			i++;
		if (i == script->count)
			return;
		first = i > CONTEXT ? i - CONTEXT : 0;
		last = i;
		for (; i < script->count && i - last <= 2 * CONTEXT + 1; i++)
			if (script->edit[i].sign != ' ')
				last = i;
		i = last + 1;
		last = last + CONTEXT < script->count ? last + CONTEXT : script->count - 1;
		append_hunk(text, &script->edit[first], last - first + 1);
	}
}

const char *
kam_diff(KamArena *arena, const char *from_name, const char *from, const char *to_name, const char *to)
{
	Lines		a,
				b;
	Script		script = {0};
	Text		text = {.arena = arena};
	int			head = 0,
				tail = 0;

	if (strcmp(from, to) == 0)
		return "";
	a = split(arena, from);
	b = split(arena, to);
	while (head < a.count && head < b.count && same_line(&a.line[head], &b.line[head]))
		head++;
	while (tail < a.count - head && tail < b.count - head &&
		   same_line(&a.line[a.count - 1 - tail], &b.line[b.count - 1 - tail]))
		tail++;
	script.edit = KAM_NEW_ARRAY(arena, Edit, a.count + b.count + 1);
	for (int i = 0; i < head; i++)
		tell(&script, ' ', &a.line[i]);
	tell_middle(arena, &script, &a.line[head], a.count - head - tail, &b.line[head], b.count - head - tail);
	for (int i = a.count - tail; i < a.count; i++)
		tell(&script, ' ', &a.line[i]);
	append_string(&text, kam_printf(arena, "--- %s\n+++ %s\n", from_name, to_name));
	append_hunks(&text, &script);
	return text.data;
}
