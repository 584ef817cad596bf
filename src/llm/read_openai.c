/*
 * llm/read_openai.c: answers of Chat Completions, of whatever server.
 *
 * A stream: chunks with choices[].delta, then one with usage where it was
 * asked for, then "[DONE]".  Servers that leave [DONE] out have ended when a
 * finish_reason came.  Errors may stand in the body, in a chunk and in a
 * choice, under HTTP 200.  Only the choice of index 0 is ours.  Never raises.
 */
#include "llm/answer_internal.h"

/* prompt_tokens counts what the cache read and wrote; our input does not. */
static void
read_usage(KamReader *reader, const json_t *usage)
{
	KamUsage   *to = &reader->answer.usage;
	const json_t *details = kam_get_object(usage, "prompt_tokens_details");
	int64_t		prompt,
				read = 0,
				write = 0;

	kam_reader_count(json_object_get(usage, "completion_tokens"), &to->output);
	if (!kam_reader_count(json_object_get(usage, "prompt_tokens"), &prompt))
		return;
	if (!kam_reader_count(json_object_get(details, "cached_tokens"), &read))
		kam_reader_count(json_object_get(usage, "prompt_cache_hit_tokens"), &read);
	kam_reader_count(json_object_get(details, "cache_write_tokens"), &write);
	if (read > prompt)
		read = prompt;
	if (write > prompt - read)
		write = prompt - read;
	to->input = prompt - read - write;
	to->cache_read = read;
	to->cache_write = write;
}

/* The choice of index 0, or NULL. */
static const json_t *
our_choice(const json_t *body)
{
	const json_t *choices = kam_get_array(body, "choices");

	for (size_t i = 0; i < json_array_size(choices); i++)
	{
		const json_t *choice = json_array_get(choices, i);

		if (json_is_object(choice) && json_integer_value(json_object_get(choice, "index")) == 0)
			return choice;
	}
	return NULL;
}

/* False: nothing of an answer stands in it. */
static bool
read_choice(KamReader *reader, const json_t *choice)
{
	const json_t *said = kam_get_object(choice, "delta");
	const json_t *refusal;
	const char *reason = kam_get_string(choice, "finish_reason");

	if (json_is_object(json_object_get(choice, "error")) || json_is_string(json_object_get(choice, "error")))
		return kam_reader_tell_error(reader, choice, true);
	if (said == NULL)
		said = kam_get_object(choice, "message");
	if (said == NULL && reason == NULL)
		return false;
	reader->begun = true;
	kam_reader_add_parts(reader, json_object_get(said, "content"));
	refusal = json_object_get(said, "refusal");
	if (json_string_length(refusal) > 0)
		kam_reader_refuse(reader, refusal);
	kam_reader_set_stop(reader, json_object_get(choice, "finish_reason"));
	if (reason != NULL && strcmp(reason, "error") == 0)
		kam_reader_fail(reader, "error", "the server broke the answer off with an error that it does not tell");
	return true;
}

static void
read_frame(KamReader *reader, const json_t *body)
{
	kam_reader_name(reader->answer.id, sizeof(reader->answer.id), json_object_get(body, "id"));
	kam_reader_name(reader->answer.model, sizeof(reader->answer.model), json_object_get(body, "model"));
	read_usage(reader, json_object_get(body, "usage"));
}

static bool
is_done(const char *data, size_t len)
{
	while (len > 0 && (data[len - 1] == ' ' || data[len - 1] == '\t'))
		len--;
	return len == 6 && memcmp(data, "[DONE]", 6) == 0;
}

static void
read_event(KamReader *reader, const char *name, const char *data, size_t len)
{
	json_t	   *json;

	if (is_done(data, len))
	{
		reader->ended = true;
		return;
	}
	if (strcmp(name, "error") == 0)
	{
		kam_reader_error_event(reader, data, len);
		return;
	}
	/* Events of the protocol have no name: what has one and is no object is not for us. */
	if (*name != '\0' && (len == 0 || *data != '{'))
		return;
	json = kam_reader_event_json(reader, data, len);
	if (json == NULL)
		return;
	read_frame(reader, json);
	if (!kam_reader_tell_error(reader, json, false))
		read_choice(reader, our_choice(json));
	json_decref(json);
}

static bool
read_document(KamReader *reader, const json_t *body)
{
	read_frame(reader, body);
	return read_choice(reader, our_choice(body));
}

static void
close_stream(KamReader *reader)
{
	if (reader->has_stop)
		reader->ended = true;
}

const KamProtocol kam_read_openai = {read_event, read_document, close_stream};
