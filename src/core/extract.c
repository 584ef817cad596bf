/*
 * core/extract.c: JSON out of what a model says.
 *
 * Owns the search for the answer among prose, fences and drafts.  One pass
 * over the text, whatever it holds: a start that looks like JSON is followed
 * to its closing brace and never entered a second time, so a broken object is
 * reported as broken instead of being mined for a valid fragment.  The text is
 * hostile: it may hold NUL bytes, invalid UTF-8, or a million open braces.
 */
#include "core/extract.h"

#include <string.h>

/* Of a broken and a sound object the sound one is taken when it is no draft: at least this part of the other's size. */
#define SOUND_SHARE 2

typedef struct Span
{
	size_t		start,
				end;			/* one past the closing brace, or the text's end */
	bool		closed;
} Span;

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One past the string that opens at "at", or len when it does not end. */
static size_t
skip_string(const char *text, size_t len, size_t at)
{
	for (size_t i = at + 1; i < len; i++)
	{
		if (text[i] == '\\')
			i++;
		else if (text[i] == '"')
			return i + 1;
	}
	return len;
}

static size_t
skip_space(const char *text, size_t len, size_t at)
{
	while (at < len && is_space(text[at]))
		at++;
	return at;
}

/*
 * Does the brace at "at" open an object: "}" next, or a key and a colon, as
 * far as the text goes?  Templates, set notation and quoted braces do not;
 * single quotes and comments do, since they are how models break JSON.
 */
static bool
looks_like_object(const char *text, size_t len, size_t at)
{
	at = skip_space(text, len, at + 1);
	if (at < len && text[at] == '"')
	{
		at = skip_space(text, len, skip_string(text, len, at));
		return at >= len || text[at] == ':';
	}
	return at >= len || text[at] == '}' || text[at] == '\'' || text[at] == '/' || text[at] == ',';
}

/* Follows the object that opens at "start" to its closing brace; braces inside strings do not count. */
static Span
follow_object(const char *text, size_t len, size_t start)
{
	size_t		depth = 0;
	bool		in_string = false;
	Span		span = {start, len, false};

	for (size_t i = start; i < len; i++)
	{
		char		c = text[i];

		if (in_string)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if (c == '{')
			depth++;
		else if (c == '}' && --depth == 0)
		{
			span.end = i + 1;
			span.closed = true;
			break;
		}
	}
	return span;
}

/*
 * jansson's message with the byte at which it stopped.  It may quote the input
 * and cut it inside a character, so only ASCII is let through.
 */
static const char *
parse_fault(KamArena *arena, const json_error_t *error, size_t start)
{
	char	   *message = kam_printf(arena, "%s (at byte %zu)", error->text,
									 start + (size_t) (error->position > 0 ? error->position : 0));

	for (char *c = message; *c != '\0'; c++)
		if ((unsigned char) *c < 0x20 || (unsigned char) *c > 0x7e)
			*c = '?';
	return message;
}

/* Parses one closed span; integers beyond 64 bits become reals. */
static json_t *
parse_span(KamArena *arena, const char *text, Span span, const char **why)
{
	json_error_t error;
	size_t		size = span.end - span.start;
	json_t	   *value = json_loadb(text + span.start, size, 0, &error);

	if (value == NULL && json_error_code(&error) == json_error_numeric_overflow)
		value = json_loadb(text + span.start, size, JSON_DECODE_INT_AS_REAL, &error);
	if (value != NULL)
		return value;
	if (json_error_code(&error) == json_error_out_of_memory)
		kam_out_of_memory();
	*why = parse_fault(arena, &error, span.start);
	return NULL;
}

json_t *
kam_extract_json(KamArena *arena, const char *text, size_t len, const char **why)
{
	json_t	   *best = NULL;
	size_t		best_size = 0,
				broken_size = 0;
	const char *broken_why = NULL;
	size_t		at = 0;

	while (at < len)
	{
		const char *brace = memchr(text + at, '{', len - at);
		const char *fault = "truncated";
		json_t	   *value = NULL;
		Span		span;
		size_t		size;

		if (brace == NULL)
			break;
		at = (size_t) (brace - text);
		if (!looks_like_object(text, len, at))
		{
			at++;
			continue;
		}
		span = follow_object(text, len, at);
		size = span.end - span.start;
		/* A span that could not win is not parsed. */
		if (span.closed && size > best_size)
			value = parse_span(arena, text, span, &fault);
		if (value != NULL)
		{
			json_decref(best);
			best = value;
			best_size = size;
		}
		else if (size > best_size && size > broken_size)
		{
			broken_size = size;
			broken_why = fault;
		}
		at = span.end;
	}

	if (best != NULL && best_size >= broken_size / SOUND_SHARE)
		return best;
	json_decref(best);
	if (why != NULL)
		*why = broken_why != NULL ? broken_why : "no JSON object";
	return NULL;
}
