/*
 * llm/answer_error.c: errors told in a body or an event, whatever the status.
 *
 * Servers of one protocol tell them in several shapes; all are tried, and no
 * server is asked for by name.  Never raises.
 */
#include "llm/answer_internal.h"

#include <stdio.h>

static const char no_words[] = "an error without a message";

/* The first of these members that is a string or a number, as text; "" when none is. */
static void
take_scalar(char *out, size_t size, const json_t *object, const char *const *key)
{
	*out = '\0';
	for (; *key != NULL && *out == '\0'; key++)
	{
		const json_t *value = json_object_get(object, *key);

		if (json_is_string(value))
			kam_one_line(out, size, json_string_value(value), json_string_length(value), false);
		else if (json_is_integer(value))
			snprintf(out, size, "%lld", (long long) json_integer_value(value));
		else if (json_is_real(value))
			snprintf(out, size, "%.0f", json_real_value(value));
	}
}

/* The error's own object, or the text that is all there is. */
static void
take_error(KamReader *reader, const json_t *error)
{
	static const char *const type_key[] = {"type", "error_type", "status", NULL};
	static const char *const code_key[] = {"code", "status_code", NULL};
	static const char *const detail_key[] = {"error_code", NULL};
	static const char *const message_key[] = {"message", "msg", "detail", "error", NULL};
	KamAnswer  *answer = &reader->answer;
	const json_t *metadata = kam_get_object(error, "metadata");
	const char *raw = kam_get_string(metadata, "raw");
	char		message[sizeof(answer->error_message)] = "";

	if (answer->has_error)
		return;
	answer->has_error = true;
	if (json_is_string(error))
		kam_one_line(message, sizeof(message), json_string_value(error), json_string_length(error), false);
	else
		take_scalar(message, sizeof(message), error, message_key);
	take_scalar(answer->error_type, sizeof(answer->error_type), error, type_key);
	/* The more particular code: Anthropic's details tell a spend limit from a rate limit. */
	take_scalar(answer->error_code, sizeof(answer->error_code), kam_get_object(error, "details"), detail_key);
	if (*answer->error_code == '\0')
		take_scalar(answer->error_code, sizeof(answer->error_code), error, code_key);
	if (*answer->error_type == '\0')
		strcpy(answer->error_type, "error");
	if (*message == '\0')
		strcpy(message, no_words);
	/* A router's "Provider returned error" says nothing without the provider's own words. */
	if (raw != NULL)
	{
		char		both[2 * sizeof(message) + 4];

		snprintf(both, sizeof(both), "%s: %.*s", message, (int) sizeof(message) - 1, raw);
		kam_one_line(answer->error_message, sizeof(answer->error_message), both, strlen(both), false);
	}
	else
		strcpy(answer->error_message, message);
}

/* The error in a body that may be nothing else, in the shapes of web frameworks and gateways; the body itself when none fits. */
static const json_t *
find_certain_error(const json_t *body)
{
	static const char *const member[] = {"errors", "detail"};

	for (size_t i = 0; i < sizeof(member) / sizeof(member[0]); i++)
	{
		const json_t *found = json_object_get(body, member[i]);

		if (json_is_array(found))
			found = json_array_get(found, 0);
		if (json_is_object(found) && json_is_object(json_object_get(found, "error")))
			found = json_object_get(found, "error");
		if (json_is_object(found) || (json_is_string(found) && json_string_length(found) > 0))
			return found;
	}
	return kam_get_string(body, "message") != NULL || kam_get_string(body, "msg") != NULL ? body : NULL;
}

bool
kam_reader_tell_error(KamReader *reader, const json_t *body, bool certain)
{
	const json_t *error;
	const char *kind;

	if (json_is_array(body))
		body = json_array_get(body, 0);
	error = json_object_get(body, "error");
	if (!json_is_object(error) && !(json_is_string(error) && json_string_length(error) > 0))
	{
		kind = kam_get_string(body, "object");
		if (kind == NULL || strcmp(kind, "error") != 0)
			kind = kam_get_string(body, "type");
		error = kind != NULL && strcmp(kind, "error") == 0 ? body : certain ? find_certain_error(body) : NULL;
	}
	if (error == NULL)
		return false;
	take_error(reader, error);
	/* {"error": "words", "error_type": "overloaded"} */
	if (json_is_string(error) && kam_get_string(body, "error_type") != NULL)
	{
		reader->answer.error_type[0] = '\0';
		kam_reader_name(reader->answer.error_type, sizeof(reader->answer.error_type), json_object_get(body, "error_type"));
	}
	kam_reader_name(reader->answer.request_id, sizeof(reader->answer.request_id), json_object_get(body, "request_id"));
	return true;
}

void
kam_reader_error_event(KamReader *reader, const char *data, size_t len)
{
	const char *why;
	char		words[sizeof(reader->answer.error_message)];
	json_t	   *body = kam_reader_load(reader, data, len, &why);

	if (body == NULL || !kam_reader_tell_error(reader, body, true))
	{
		kam_one_line(words, sizeof(words), data, len, false);
		kam_reader_fail(reader, "error", "%s", *words != '\0' ? words : no_words);
	}
	json_decref(body);
}
