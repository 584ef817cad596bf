/*
 * test/mock/request.c: what a request says, read without parsing its JSON:
 * bodies are long and many.
 */
#define _GNU_SOURCE
#include "mock.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The agent's key: the last <agent>KEY</agent>, since what a contact wrote stands before it. */
static int
find_agent(const char *body, size_t len)
{
	const char *at = body + len;

	while ((at = memrchr(body, '<', at - body)) != NULL)
	{
		if ((size_t) (body + len - at) > 8 && memcmp(at, "<agent>", 7) == 0)
		{
			const char *key = at + 7,
					   *end = memchr(key, '<', body + len - key);

			return end ? agent_find(key, end - key) : -1;
		}
	}
	return -1;
}

/* Steps back over a quote with so many backslashes before it; false when it is not that. */
static bool
back_over_quote(const char *body, const char **at, int backslashes)
{
	const char *p = *at;

	if (p == body || *--p != '"')
		return false;
	for (; backslashes > 0; backslashes--)
		if (p == body || *--p != '\\')
			return false;
	*at = p;
	return p == body || p[-1] != '\\';
}

/* Whether "email": " ends just before at, with so many backslashes before each quote. */
static bool
follows_email(const char *body, const char *at, int backslashes)
{
	if (!back_over_quote(body, &at, backslashes))
		return false;
	while (at > body && at[-1] == ' ')
		at--;
	if (at == body || *--at != ':' || !back_over_quote(body, &at, backslashes) || at - body < 5 || memcmp(at - 5, "email", 5) != 0)
		return false;
	at -= 5;
	return back_over_quote(body, &at, backslashes);
}

/* The contact's e-mail: the first "email": "x@y" of the prompt, not of a text within it, where quotes are escaped twice. */
static void
find_email(const char *body, size_t len, Request *request)
{
	const char *at = body;

	request->email = "";
	request->email_len = 0;
	while ((at = memchr(at, '@', body + len - at)) != NULL)
	{
		const char *start = at,
				   *end = at;

		while (start > body && start[-1] != '"' && at - start < 200 && !isspace((unsigned char) start[-1]))
			start--;
		while (end < body + len && *end != '"' && *end != '\\' && end - at < 200)
			end++;
		if (follows_email(body, start, 1) || follows_email(body, start, 0))
		{
			request->email = start;
			request->email_len = end - start;
			return;
		}
		at++;
	}
}

/* A member of the request's own level: "name": ; NULL when it is not there. */
static const char *
find_member(const char *body, size_t len, const char *name)
{
	size_t		name_len = strlen(name);
	const char *at = body;

	while ((at = memmem(at, body + len - at, name, name_len)) != NULL)
	{
		const char *value = at + name_len;

		at = value;
		while (value < body + len && *value == ' ')
			value++;
		/* Inside a string its quotes would be escaped. */
		if (value < body + len && *value == ':' && (value - name_len == body || at[-(ptrdiff_t) name_len - 1] != '\\'))
		{
			value++;
			while (value < body + len && *value == ' ')
				value++;
			return value;
		}
	}
	return NULL;
}

static bool
is_true(const char *body, size_t len, const char *name)
{
	const char *value = find_member(body, len, name);

	return value && body + len - value >= 4 && memcmp(value, "true", 4) == 0;
}

/* Whether a member stands true near either end of the body, or, failing that, anywhere. */
static bool
find_stream(const char *body, size_t len)
{
	size_t		edge = 1024;

	if (len > 2 * edge && (is_true(body, edge, "\"stream\"") || is_true(body + len - edge, edge, "\"stream\"")))
		return true;
	return is_true(body, len, "\"stream\"");
}

static bool
ends_with(const char *path, size_t len, const char *end)
{
	return len >= strlen(end) && memcmp(path + len - strlen(end), end, strlen(end)) == 0;
}

/* The value of a header, or NULL; head ends with its empty line. */
const char *
header_find(const char *head, size_t len, const char *name, size_t *value_len)
{
	size_t		name_len = strlen(name);
	const char *line = memchr(head, '\n', len);

	while (line != NULL && ++line < head + len)
	{
		const char *end = memchr(line, '\r', head + len - line);

		if (end == NULL || end == line)
			return NULL;
		if ((size_t) (end - line) > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0)
		{
			const char *value = line + name_len + 1;

			while (value < end && *value == ' ')
				value++;
			*value_len = end - value;
			return value;
		}
		line = memchr(line, '\n', head + len - line);
	}
	return NULL;
}

/* Whether the key that the server was started with came along, in the way the API wants it or as "api-key". */
static bool
key_fits(const char *head, size_t len)
{
	static const char *const name[] = {"x-api-key", "authorization", "api-key"};

	if (options.key[0] == '\0')
		return true;
	for (int i = 0; i < 3; i++)
	{
		size_t		value_len;
		const char *value = header_find(head, len, name[i], &value_len);

		if (value && value_len > 7 && strncasecmp(value, "Bearer ", 7) == 0)
			value += 7, value_len -= 7;
		if (value && value_len == strlen(options.key) && memcmp(value, options.key, value_len) == 0)
			return true;
	}
	return false;
}

/* Whether a fault is meant for this request. */
static bool
hits(const Spec *spec, const Request *request)
{
	if (healed && spec->fault != FAULT_GATE)
		return false;
	if (spec->agent >= 0 && spec->agent != request->agent)
		return false;
	if (spec->model && (spec->model_len != request->model_len || memcmp(spec->model, request->model, spec->model_len) != 0))
		return false;
	return spec->contact == NULL || (spec->contact_len < request->email_len && request->email[spec->contact_len] == '@' &&
									 memcmp(spec->contact, request->email, spec->contact_len) == 0);
}

/* Takes /fault/... and /latency/MS segments off the path; the first fault that hits this request holds. */
static bool
read_path(const char *path, size_t len, Request *request)
{
	Spec		spec;
	long		taken;

	while (len > 0)
	{
		if (len > 9 && memcmp(path, "/latency/", 9) == 0)
		{
			const char *end = memchr(path + 9, '/', len - 9);

			request->latency_ms = strtol(path + 9, NULL, 10);
			taken = end ? end - path : (long) len;
		}
		else if ((taken = spec_read(path, len, &spec)) == 0)
			return true;
		else if (taken < 0)
			return false;
		else if (request->fault.fault == FAULT_NONE && hits(&spec, request))
		{
			Tally	   *tally = spec.times < 0 ? NULL : tally_of(&spec, request->email, request->email_len);

			if (tally == NULL || tally->count++ < spec.times)
				request->fault = spec;
		}
		path += taken;
		len -= taken;
	}
	return true;
}

/* The value of "model", between its quotes. */
static void
find_model(Request *request)
{
	const char *value = find_member(request->body, request->size, "\"model\""),
			   *limit = request->body + request->size,
			   *end;

	if (value == NULL || value == limit || *value != '"')
		return;
	value++;
	end = memchr(value, '"', limit - value);
	if (end == NULL || end - value > 128)
		return;
	request->model = value;
	request->model_len = end - value;
}

int
request_read(Request *request, const char **why)
{
	request->api = ends_with(request->path, request->path_len, "/chat/completions") ? API_OPENAI : API_ANTHROPIC;
	request->latency_ms = options.latency_ms;
	if ((request->api == API_ANTHROPIC && !ends_with(request->path, request->path_len, "/v1/messages")) || memcmp(request->head, "POST ", 5) != 0)
	{
		*why = "the mock has POST /v1/messages and POST /chat/completions";
		return 404;
	}
	if (!key_fits(request->head, request->head_len))
	{
		*why = "invalid x-api-key";
		return 401;
	}
	request->agent = find_agent(request->body, request->size);
	if (request->agent < 0)
	{
		*why = "the body names no agent";
		return 400;
	}
	find_model(request);
	if (request->model_len == 0)
	{
		*why = "model: field required";
		return 400;
	}
	find_email(request->body, request->size, request);
	request->stream = find_stream(request->body, request->size);
	if (!read_path(request->path, request->path_len, request))
	{
		*why = "the mock does not know this fault";
		return 400;
	}
	return 0;
}
