/*
 * llm/answer.c: the reader of a model API's answer, whatever arrives.
 *
 * Owns what all APIs have in common: telling streams from documents by their
 * first bytes (servers lie in content-type), the bounds, JSON that is a little
 * broken, the text, and the verdict at the end.  What is an error in a body is
 * told by answer_error.c; what is in an event, by read_*.c.
 *
 * Runs inside libcurl's callbacks: never raises, allocates with malloc alone.
 */
#include "llm/answer_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

/*
 * A value of jansson's takes some fifty times the room of "[],".  An API's
 * answer has a few hundred; the model's own JSON is one string in it.
 */
#define MANY_VALUES 200000
#define FEW_BYTES ((size_t) 64 * 1024)	/* not worth counting in */
#define QUOTED_BYTES 160		/* of what is no answer */
#define REFUSAL_BYTES ((size_t) 1000)

static const char cut_off[] = "JSON that is cut off";

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- faults ------------------------------------------------------------ */

void
kam_one_line(char *out, size_t size, const char *text, size_t len, bool tags)
{
	size_t		to = 0;
	bool		gap = false;

	for (size_t at = 0; at < len;)
	{
		const unsigned char *s = (const unsigned char *) text + at;
		size_t		n = kam_utf8_length(s, len - at);

		if (tags && *s == '<')
		{
			const char *close = memchr(text + at, '>', len - at);

			at = close != NULL ? (size_t) (close - text) + 1 : len;
			gap = true;
			continue;
		}
		if (n == 0 || *s <= ' ' || *s == 0x7f)
		{
			gap = true;
			at++;
			continue;
		}
		if (to + n + (gap && to > 0) >= size)
			break;
		if (gap && to > 0)
			out[to++] = ' ';
		gap = false;
		memcpy(out + to, s, n);
		to += n;
		at += n;
	}
	out[to] = '\0';
}

void
kam_reader_fail(KamReader *reader, const char *type, const char *format,...)
{
	KamAnswer  *answer = &reader->answer;
	char		message[sizeof(answer->error_message)];
	va_list		args;

	if (answer->has_error)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	answer->has_error = true;
	kam_one_line(answer->error_type, sizeof(answer->error_type), type, strlen(type), false);
	kam_one_line(answer->error_message, sizeof(answer->error_message), message, strlen(message), false);
}

/* Nothing more is wanted, and what was kept is not either. */
static void
stop_reading(KamReader *reader, KamSseState state)
{
	if (state == KAM_SSE_NO_MEMORY)
		kam_reader_fail(reader, "out_of_memory", "memory was exhausted while the answer was read");
	else
		kam_reader_fail(reader, "too_large", "the answer is longer than %zu bytes", reader->max_text);
	reader->stopped = true;
}

static void
fail_quoting(KamReader *reader, const char *type, const char *what, const char *data, size_t len)
{
	char		words[QUOTED_BYTES];
	const char *start = data;

	while (start < data + len && is_space(*start))
		start++;
	kam_one_line(words, sizeof(words), data, len, start < data + len && *start == '<');
	if (reader->status >= 300)
		kam_reader_fail(reader, type, "HTTP %d, %s: %s", reader->status, what, words);
	else
		kam_reader_fail(reader, type, "%s: %s", what, words);
}

/* ---- JSON -------------------------------------------------------------- */

static bool
has_many_values(const char *data, size_t len)
{
	size_t		count = 0;
	bool		in_string = false;

	if (len < FEW_BYTES)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		char		c = data[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == ',' || c == '[' || c == '{'))
			count++;
	}
	return count > MANY_VALUES;
}

/* The code unit of an escape like \ud83d at s, -1 when there is none. */
static int
code_unit(const char *s, size_t left)
{
	int			unit = 0;

	if (left < 6 || s[0] != '\\' || s[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++)
	{
		char		c = s[i];
		int			digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

/* What stands for the bytes at s inside a string; *taken says how many they are.  NULL: they stand for themselves. */
static const char *
mended(const char *s, size_t left, size_t *taken)
{
	int			unit = code_unit(s, left);

	*taken = 1;
	if (unit >= 0)
	{
		*taken = 6;
		if (unit >= 0xd800 && unit <= 0xdbff)
		{
			int			low = code_unit(s + 6, left - 6);

			if (low < 0xdc00 || low > 0xdfff)
				return "\\ufffd";
			*taken = 12;
		}
		else if (unit >= 0xdc00 && unit <= 0xdfff)
			return "\\ufffd";
		return unit == 0 ? "" : NULL;
	}
	if (*s == '\\')
	{
		*taken = left > 1 && (unsigned char) s[1] >= ' ' && (unsigned char) s[1] < 0x80 ? 2 : 1;
		return NULL;
	}
	if ((unsigned char) *s < ' ')
		return *s == '\n' ? "\\n" : *s == '\r' ? "\\r" : *s == '\t' ? "\\t" : *s == '\0' ? "" : " ";
	*taken = kam_utf8_length((const unsigned char *) s, left);
	if (*taken > 0)
		return NULL;
	*taken = 1;
	return "\xef\xbf\xbd";
}

/* Mends inside strings what jansson refuses.  False when memory is exhausted. */
static bool
mend(const char *data, size_t len, KamBuffer *out)
{
	bool		in_string = false;
	size_t		from = 0;

	for (size_t at = 0; at < len;)
	{
		const char *instead = NULL;
		size_t		taken = 1;

		if (data[at] == '"')
			in_string = !in_string;
		else if (in_string)
			instead = mended(data + at, len - at, &taken);
		if (instead != NULL)
		{
			if (!kam_buffer_add(out, data + from, at - from) || !kam_buffer_add(out, instead, strlen(instead)))
				return false;
			from = at + taken;
		}
		at += taken;
	}
	return kam_buffer_add(out, data + from, len - from);
}

/* One attempt at it.  What jansson gives no reason for is want of memory. */
static json_t *
load(const char *data, size_t len, size_t flags, enum json_error_code *code)
{
	json_error_t error = {0};
	json_t	   *value = json_loadb(data, len, flags, &error);

	*code = value != NULL ? json_error_unknown : *error.text == '\0' ? json_error_out_of_memory : json_error_code(&error);
	return value;
}

json_t *
kam_reader_load(KamReader *reader, const char *data, size_t len, const char **why)
{
	enum json_error_code code;
	json_t	   *value;

	*why = "JSON of too many values";
	if (has_many_values(data, len))
		return NULL;
	value = load(data, len, JSON_ALLOW_NUL, &code);
	if (value == NULL && code != json_error_out_of_memory && code != json_error_premature_end_of_input && code != json_error_stack_overflow)
	{
		KamBuffer	clean = {NULL, 0, 0};

		code = json_error_out_of_memory;
		if (mend(data, len, &clean))
			value = load(clean.data, clean.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &code);
		kam_buffer_free(&clean);
	}
	if (value != NULL)
		return value;
	if (code == json_error_out_of_memory)
		stop_reading(reader, KAM_SSE_NO_MEMORY);
	/* What begins with a NUL has ended prematurely too, for jansson. */
	while (len > 0 && is_space(*data))
	{
		data++;
		len--;
	}
	*why = code == json_error_premature_end_of_input && len > 0 && (*data == '{' || *data == '[') ? cut_off :
		code == json_error_stack_overflow ? "JSON that is nested too deeply" : "no JSON";
	return NULL;
}

json_t *
kam_reader_event_json(KamReader *reader, const char *data, size_t len)
{
	const char *why;
	json_t	   *value = kam_reader_load(reader, data, len, &why);

	/* At the body's end an event may be half an event: that is a truncated stream. */
	if (value == NULL && !reader->last)
		fail_quoting(reader, "unreadable", why, data, len);
	return value;
}

/* ---- what the APIs' readers hand in --------------------------------------- */

static void
add_bytes(KamReader *reader, const char *data, size_t len)
{
	if (len > reader->max_text || reader->text.len > reader->max_text - len)
		stop_reading(reader, KAM_SSE_TOO_LARGE);
	else if (!kam_buffer_add(&reader->text, data, len))
		stop_reading(reader, KAM_SSE_NO_MEMORY);
}

void
kam_reader_add_text(KamReader *reader, const json_t *text)
{
	const char *s = json_string_value(text);
	size_t		len = json_string_length(text);

	while (len > 0 && !reader->stopped)
	{
		size_t		run = strnlen(s, len);

		add_bytes(reader, s, run);
		while (run < len && s[run] == '\0')
			run++;
		s += run;
		len -= run;
	}
}

void
kam_reader_add_parts(KamReader *reader, const json_t *content)
{
	kam_reader_add_text(reader, content);
	for (size_t i = 0; i < json_array_size(content); i++)
	{
		const json_t *part = json_array_get(content, i);
		const char *type = kam_get_string(part, "type");

		if (type != NULL && strcmp(type, "text") == 0)
			kam_reader_add_text(reader, json_object_get(part, "text"));
	}
}

void
kam_reader_set_stop(KamReader *reader, const json_t *reason)
{
	static const struct
	{
		const char *said;
		KamStop		stop;
	}			rows[] = {
		{"end_turn", KAM_STOP_END},
		{"stop", KAM_STOP_END},
		{"stop_sequence", KAM_STOP_END},
		{"eos", KAM_STOP_END},
		{"eos_token", KAM_STOP_END},
		{"max_tokens", KAM_STOP_LENGTH},
		{"length", KAM_STOP_LENGTH},
		{"model_context_window_exceeded", KAM_STOP_CONTEXT},
		{"model_length", KAM_STOP_CONTEXT},
		{"refusal", KAM_STOP_REFUSAL},
		{"content_filter", KAM_STOP_REFUSAL},
		{"tool_use", KAM_STOP_OTHER},
		{"tool_calls", KAM_STOP_OTHER},
		{"function_call", KAM_STOP_OTHER},
		{"pause_turn", KAM_STOP_OTHER},
	};
	KamAnswer  *answer = &reader->answer;
	const char *said = json_string_value(reason);
	KamStop		stop = KAM_STOP_UNKNOWN;

	if (said == NULL || *said == '\0')
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcasecmp(rows[i].said, said) == 0)
			stop = rows[i].stop;
	reader->has_stop = true;
	kam_one_line(answer->stop_reason, sizeof(answer->stop_reason), said, strlen(said), false);
	/* Once refused, a "stop" that follows ends the refusal. */
	if (answer->stop != KAM_STOP_REFUSAL)
		answer->stop = stop;
}

void
kam_reader_refuse(KamReader *reader, const json_t *words)
{
	size_t		len = json_string_length(words);

	reader->answer.stop = KAM_STOP_REFUSAL;
	/* For people only: want of memory here is no fault of the answer. */
	if (len > 0 && reader->refusal.len + len <= REFUSAL_BYTES)
		(void) kam_buffer_add(&reader->refusal, json_string_value(words), len);
}

void
kam_reader_name(char *field, size_t size, const json_t *name)
{
	if (*field == '\0' && json_is_string(name))
		kam_one_line(field, size, json_string_value(name), json_string_length(name), false);
}

bool
kam_reader_count(const json_t *number, int64_t *out)
{
	const double most = 1e15;	/* more tokens than there are */
	double		value = json_number_value(number);

	if (!json_is_number(number) || !(value >= 0))
		return false;
	*out = (int64_t) (value < most ? value : most);
	return true;
}

/* ---- streams and documents ---------------------------------------------- */

static void
take_event(void *arg, const char *name, const char *data, size_t len)
{
	KamReader  *reader = arg;

	if (!reader->ended && !reader->answer.has_error)
		reader->protocol->event(reader, name, data, len);
}

static void
feed_stream(KamReader *reader, const char *data, size_t len)
{
	KamSseState state = kam_sse_feed(&reader->sse, data, len, take_event, reader);

	if (state != KAM_SSE_ON)
		stop_reading(reader, state);
}

/* Is the body a stream, going by how it begins?  UNDECIDED: it is too short to tell. */
static KamReadMode
tell_mode(const KamReader *reader)
{
	static const char *const field[] = {"data:", "event:", "id:", "retry:", "error:", ":"};
	const char *s = reader->body.data;
	size_t		len = reader->body.len;

	if (len < 3 && memcmp(s, "\xef\xbb\xbf", len) == 0)
		return KAM_READ_UNDECIDED;
	if (len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
	{
		s += 3;
		len -= 3;
	}
	while (len > 0 && is_space(*s))
	{
		s++;
		len--;
	}
	if (len == 0)
		return KAM_READ_UNDECIDED;
	if (*s == '{' || *s == '[' || *s == '<')
		return KAM_READ_DOCUMENT;
	for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++)
	{
		size_t		whole = strlen(field[i]);

		if (strncmp(s, field[i], len < whole ? len : whole) == 0)
			return len < whole ? KAM_READ_UNDECIDED : KAM_READ_STREAM;
	}
	return KAM_READ_DOCUMENT;
}

static void
feed_body(KamReader *reader, const char *data, size_t len)
{
	if (len > reader->max_text || reader->body.len > reader->max_text - len)
		stop_reading(reader, KAM_SSE_TOO_LARGE);
	else if (!kam_buffer_add(&reader->body, data, len))
		stop_reading(reader, KAM_SSE_NO_MEMORY);
	else if (reader->mode == KAM_READ_UNDECIDED)
	{
		reader->mode = tell_mode(reader);
		if (reader->mode == KAM_READ_STREAM)
		{
			feed_stream(reader, reader->body.data, reader->body.len);
			kam_buffer_free(&reader->body);
		}
	}
	if (reader->stopped)
		kam_buffer_free(&reader->body);
}

static void
end_stream(KamReader *reader)
{
	KamSseState state;

	reader->last = true;
	state = kam_sse_end(&reader->sse, take_event, reader);
	if (state != KAM_SSE_ON)
		stop_reading(reader, state);
	if (!reader->ended)
		reader->protocol->close(reader);
	if (!reader->ended)
		kam_reader_fail(reader, "truncated", "the stream ended before its end, after %zu bytes of text", reader->text.len);
	else if (!reader->begun)
		kam_reader_fail(reader, "empty", "the stream held no answer");
	else if (reader->status >= 300)
		kam_reader_fail(reader, "unreadable", "HTTP %d with a stream that tells no error", reader->status);
}

static void
read_document(KamReader *reader)
{
	const char *data = reader->body.data != NULL ? reader->body.data : "";
	size_t		len = reader->body.len;
	const char *why = NULL;
	json_t	   *body;

	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
	{
		data += 3;
		len -= 3;
	}
	if (strspn(data, " \t\r\n") == len)
	{
		if (reader->status > 0)
			kam_reader_fail(reader, "empty", "HTTP %d with an empty body", reader->status);
		else
			kam_reader_fail(reader, "empty", "nothing was answered");
		return;
	}
	body = kam_reader_load(reader, data, len, &why);
	if (body == NULL && reader->said_stream && !reader->stopped)
	{
		/* A stream may be cut off in its first field's name, or begin with one that nobody knows; prose holds no event. */
		feed_stream(reader, data, len);
		if (reader->mode == KAM_READ_UNDECIDED || reader->begun || reader->ended || reader->answer.has_error)
		{
			end_stream(reader);
			return;
		}
	}
	if (body == NULL)
	{
		fail_quoting(reader, why == cut_off ? "truncated" : "unreadable", why, data, len);
		return;
	}
	if (!kam_reader_tell_error(reader, body, reader->status >= 300))
	{
		if (reader->status >= 300)
			fail_quoting(reader, "unreadable", "no error is told", data, len);
		else if (reader->protocol->document(reader, body))
			reader->ended = true;
		else
			fail_quoting(reader, "unreadable", "JSON, but no answer", data, len);
	}
	json_decref(body);
}

/* ---- the reader -------------------------------------------------------- */

KamReader *
kam_reader_new(KamApi api, size_t max_text)
{
	KamReader  *reader = calloc(1, sizeof(KamReader));

	if (reader == NULL)
		return NULL;
	reader->protocol = api == KAM_API_ANTHROPIC ? &kam_read_anthropic : &kam_read_openai;
	reader->max_text = reader->sse.limit = max_text;
	reader->answer.text = "";
	return reader;
}

void
kam_reader_begin(KamReader *reader, int http_status, const char *content_type)
{
	const char *stream = "text/event-stream";

	reader->status = http_status;
	reader->said_stream = content_type != NULL && strncasecmp(content_type, stream, strlen(stream)) == 0;
}

bool
kam_reader_feed(KamReader *reader, const char *data, size_t len)
{
	if (reader->stopped || reader->finished)
		return false;
	if (len == 0)
		return true;
	if (reader->mode == KAM_READ_STREAM)
		feed_stream(reader, data, len);
	else
		feed_body(reader, data, len);
	return !reader->stopped;
}

const KamAnswer *
kam_reader_finish(KamReader *reader)
{
	KamAnswer  *answer = &reader->answer;

	if (reader->finished)
		return answer;
	reader->finished = true;
	if (!reader->stopped)
	{
		if (reader->mode == KAM_READ_STREAM)
			end_stream(reader);
		else
			read_document(reader);
	}
	kam_buffer_free(&reader->body);
	kam_sse_free(&reader->sse);
	if (!answer->has_error && reader->refusal.len > 0)
		kam_one_line(answer->error_message, sizeof(answer->error_message), reader->refusal.data, reader->refusal.len, false);
	answer->complete = reader->ended && !answer->has_error;
	answer->text = reader->text.data != NULL ? reader->text.data : "";
	answer->text_len = reader->text.len;
	return answer;
}

void
kam_reader_free(KamReader *reader)
{
	if (reader == NULL)
		return;
	kam_buffer_free(&reader->body);
	kam_buffer_free(&reader->text);
	kam_buffer_free(&reader->refusal);
	kam_sse_free(&reader->sse);
	free(reader);
}
