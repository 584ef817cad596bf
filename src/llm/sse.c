/*
 * llm/sse.c: see sse.h.
 *
 * Lines that lie whole in a piece are read where they are; only the rest of a
 * piece is kept.  Each byte is looked at a bounded number of times, however
 * the pieces and line ends fall.
 */
#include "llm/sse.h"

static KamSseState
add(KamSse *sse, KamBuffer *buffer, const char *data, size_t len)
{
	if (len > sse->limit || buffer->len > sse->limit - len)
		return KAM_SSE_TOO_LARGE;
	return kam_buffer_add(buffer, data, len) ? KAM_SSE_ON : KAM_SSE_NO_MEMORY;
}

static void
set_event(KamSse *sse, const char *name, size_t len)
{
	if (len > sizeof(sse->event) - 1)
		len = sizeof(sse->event) - 1;
	memcpy(sse->event, name, len);
	sse->event[len] = '\0';
}

static KamSseState
add_data(KamSse *sse, const char *data, size_t len)
{
	KamSseState state = sse->has_data ? add(sse, &sse->data, "\n", 1) : KAM_SSE_ON;

	sse->has_data = true;
	return state == KAM_SSE_ON ? add(sse, &sse->data, data, len) : state;
}

/* The blank line: hands over what was gathered, if there is data. */
static void
dispatch(KamSse *sse, KamSseHandler handler, void *arg)
{
	if (sse->has_data)
		handler(arg, sse->event, sse->data.data != NULL ? sse->data.data : "", sse->data.len);
	kam_buffer_clear(&sse->data);
	sse->event[0] = '\0';
	sse->has_data = false;
}

static bool
is_field(const char *name, const char *line, size_t len)
{
	return strlen(name) == len && memcmp(name, line, len) == 0;
}

static KamSseState
take_line(KamSse *sse, const char *line, size_t len, KamSseHandler handler, void *arg)
{
	const char *colon;
	const char *value;
	size_t		name_len,
				value_len;

	if (!sse->past_first && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
	{
		line += 3;
		len -= 3;
	}
	sse->past_first = true;
	if (len == 0)
	{
		dispatch(sse, handler, arg);
		return KAM_SSE_ON;
	}

	colon = memchr(line, ':', len);
	name_len = colon != NULL ? (size_t) (colon - line) : len;
	value = colon != NULL ? colon + 1 : line + len;
	value_len = len - (size_t) (value - line);
	if (value_len > 0 && *value == ' ')
	{
		value++;
		value_len--;
	}
	if (is_field("data", line, name_len))
		return add_data(sse, value, value_len);
	if (is_field("event", line, name_len))
		set_event(sse, value, value_len);
	else if (is_field("error", line, name_len))
	{
		set_event(sse, "error", 5);
		return add_data(sse, value, value_len);
	}
	return KAM_SSE_ON;
}

/* A line is whole: its begin may have been kept. */
static KamSseState
end_line(KamSse *sse, const char *rest, size_t len, KamSseHandler handler, void *arg)
{
	KamSseState state;

	if (sse->line.len == 0)
		return len > sse->limit ? KAM_SSE_TOO_LARGE : take_line(sse, rest, len, handler, arg);
	state = add(sse, &sse->line, rest, len);
	if (state == KAM_SSE_ON)
		state = take_line(sse, sse->line.data, sse->line.len, handler, arg);
	kam_buffer_clear(&sse->line);
	return state;
}

/* Where c next stands; known is where it was last found, or NULL. */
static const char *
next_of(char c, const char *known, const char *at, const char *end)
{
	if (known != NULL && known >= at)
		return known;
	known = memchr(at, c, (size_t) (end - at));
	return known != NULL ? known : end;
}

KamSseState
kam_sse_feed(KamSse *sse, const char *data, size_t len, KamSseHandler handler, void *arg)
{
	const char *at = data,
			   *end = data + len,
			   *lf = NULL,
			   *cr = NULL;
	KamSseState state = KAM_SSE_ON;

	while (at < end && state == KAM_SSE_ON)
	{
		const char *stop;

		if (sse->after_cr && *at == '\n')
			at++;
		sse->after_cr = false;
		if (at == end)
			break;
		lf = next_of('\n', lf, at, end);
		cr = next_of('\r', cr, at, end);
		stop = lf < cr ? lf : cr;
		if (stop == end)
			return add(sse, &sse->line, at, (size_t) (end - at));
		state = end_line(sse, at, (size_t) (stop - at), handler, arg);
		sse->after_cr = *stop == '\r';
		at = stop + 1;
	}
	return state;
}

KamSseState
kam_sse_end(KamSse *sse, KamSseHandler handler, void *arg)
{
	KamSseState state = KAM_SSE_ON;

	if (sse->line.len > 0)
		state = end_line(sse, "", 0, handler, arg);
	if (state == KAM_SSE_ON)
		dispatch(sse, handler, arg);
	return state;
}

void
kam_sse_free(KamSse *sse)
{
	kam_buffer_free(&sse->line);
	kam_buffer_free(&sse->data);
}
