/*
 * llm/read_anthropic.c: answers of the Messages API.
 *
 * A stream: message_start, per block content_block_start, _delta, _stop, then
 * message_delta and message_stop, which alone is its end.  Only blocks of type
 * "text" are the answer; thinking, signatures and what may yet be invented are
 * passed over, and so are events of unknown names.  Never raises.
 */
#include "llm/answer_internal.h"

/* What is not told stays: message_delta counts up what message_start began. */
static void
read_usage(KamReader *reader, const json_t *usage)
{
	KamUsage   *to = &reader->answer.usage;
	const json_t *by_age = kam_get_object(usage, "cache_creation");
	int64_t		five_minutes = 0,
				hour = 0;

	kam_reader_count(json_object_get(usage, "input_tokens"), &to->input);
	kam_reader_count(json_object_get(usage, "output_tokens"), &to->output);
	kam_reader_count(json_object_get(usage, "cache_read_input_tokens"), &to->cache_read);
	if (!kam_reader_count(json_object_get(usage, "cache_creation_input_tokens"), &to->cache_write) && by_age != NULL)
	{
		kam_reader_count(json_object_get(by_age, "ephemeral_5m_input_tokens"), &five_minutes);
		kam_reader_count(json_object_get(by_age, "ephemeral_1h_input_tokens"), &hour);
		to->cache_write = five_minutes + hour;
	}
}

/* stop_reason stands in the message or in message_delta's delta, with details of a refusal beside it. */
static void
read_stop(KamReader *reader, const json_t *holder)
{
	const json_t *details = kam_get_object(holder, "stop_details");

	kam_reader_set_stop(reader, json_object_get(holder, "stop_reason"));
	if (reader->answer.stop == KAM_STOP_REFUSAL)
	{
		const json_t *words = json_object_get(details, "explanation");

		kam_reader_refuse(reader, json_is_string(words) ? words : json_object_get(details, "category"));
	}
}

static void
read_message(KamReader *reader, const json_t *message)
{
	reader->begun = true;
	kam_reader_name(reader->answer.id, sizeof(reader->answer.id), json_object_get(message, "id"));
	kam_reader_name(reader->answer.model, sizeof(reader->answer.model), json_object_get(message, "model"));
	kam_reader_add_parts(reader, json_object_get(message, "content"));
	read_usage(reader, json_object_get(message, "usage"));
	read_stop(reader, message);
}

/* ---- events -------------------------------------------------------------- */

static void
on_message_start(KamReader *reader, const json_t *event)
{
	read_message(reader, json_object_get(event, "message"));
}

/* Of a block that begins, or of what is added to it, the text. */
static void
read_piece(KamReader *reader, const json_t *piece, const char *wanted)
{
	const char *type = kam_get_string(piece, "type");

	reader->begun = true;
	if (type != NULL && strcmp(type, wanted) == 0)
		kam_reader_add_text(reader, json_object_get(piece, "text"));
}

static void
on_block_start(KamReader *reader, const json_t *event)
{
	read_piece(reader, json_object_get(event, "content_block"), "text");
}

static void
on_block_delta(KamReader *reader, const json_t *event)
{
	read_piece(reader, json_object_get(event, "delta"), "text_delta");
}

static void
on_message_delta(KamReader *reader, const json_t *event)
{
	read_stop(reader, json_object_get(event, "delta"));
	read_usage(reader, json_object_get(event, "usage"));
}

static void
on_message_stop(KamReader *reader, const json_t *event)
{
	reader->ended = true;
}

static void
on_error(KamReader *reader, const json_t *event)
{
	kam_reader_tell_error(reader, event, true);
}

static const struct Event
{
	const char *name;
	void		(*read) (KamReader *reader, const json_t *event);
}			events[] = {
	{"content_block_delta", on_block_delta},
	{"content_block_start", on_block_start},
	{"content_block_stop", NULL},
	{"message_delta", on_message_delta},
	{"message_start", on_message_start},
	{"message_stop", on_message_stop},
	{"error", on_error},
};

static const struct Event *
find_event(const char *name)
{
	for (size_t i = 0; name != NULL && i < sizeof(events) / sizeof(events[0]); i++)
		if (strcmp(events[i].name, name) == 0)
			return &events[i];
	return NULL;
}

/*
 * Most events of a stream add a few letters of text, all in this one form: of
 * those the string alone is read as JSON.  False for anything else, which is
 * read as a whole.
 */
static bool
read_plain_delta(KamReader *reader, const char *data, size_t len)
{
	static const char before[] = "{\"type\":\"content_block_delta\",\"index\":",
				between[] = ",\"delta\":{\"type\":\"text_delta\",\"text\":",
				behind[] = "}}";
	const size_t shortest = sizeof before + sizeof between + sizeof behind - 3 + strlen("0\"\"");
	size_t		at = sizeof before - 1;
	json_t	   *text;

	if (len < shortest || memcmp(data, before, sizeof before - 1) != 0)
		return false;
	while (at < len && data[at] >= '0' && data[at] <= '9')
		at++;
	if (at == sizeof before - 1 || len - at < sizeof between + sizeof behind || memcmp(data + at, between, sizeof between - 1) != 0 ||
		memcmp(data + len - (sizeof behind - 1), behind, sizeof behind - 1) != 0)
		return false;
	at += sizeof between - 1;
	text = json_loadb(data + at, len - at - (sizeof behind - 1), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (!json_is_string(text))
	{
		json_decref(text);
		return false;
	}
	reader->begun = true;
	kam_reader_add_text(reader, text);
	json_decref(text);
	return true;
}

/* The data says what event it is; its name only tells what need not be looked at. */
static void
read_event(KamReader *reader, const char *name, const char *data, size_t len)
{
	const struct Event *event;
	json_t	   *json;

	if ((*name != '\0' && find_event(name) == NULL) || (len == 6 && memcmp(data, "[DONE]", 6) == 0))
		return;
	if (strcmp(name, "error") == 0)
	{
		kam_reader_error_event(reader, data, len);
		return;
	}
	if (read_plain_delta(reader, data, len))
		return;
	json = kam_reader_event_json(reader, data, len);
	if (json == NULL)
		return;
	event = find_event(kam_get_string(json, "type"));
	if (event == NULL && json_object_get(json, "type") == NULL)
		event = find_event(name);
	if (event != NULL && event->read != NULL)
		event->read(reader, json);
	json_decref(json);
}

static bool
read_document(KamReader *reader, const json_t *body)
{
	const json_t *content = json_object_get(body, "content");

	if (!json_is_array(content) && !json_is_string(content))
		return false;
	read_message(reader, body);
	return true;
}

/* message_stop or nothing. */
static void
close_stream(KamReader *reader)
{
}

const KamProtocol kam_read_anthropic = {read_event, read_document, close_stream};
