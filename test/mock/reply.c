/*
 * test/mock/reply.c: the bytes of a reply, with its fault.
 */
#define _GNU_SOURCE
#include "mock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HUGE_TEXT (50u << 20)

uint64_t
reply_id(void)
{
	static uint64_t last;

	return ++last;
}

static const char *
status_text(int status)
{
	switch (status)
	{
		case 200:
			return "OK";
		case 307:
			return "Temporary Redirect";
		case 400:
			return "Bad Request";
		case 401:
			return "Unauthorized";
		case 404:
			return "Not Found";
		case 429:
			return "Too Many Requests";
		default:
			return "Status";
	}
}

/* Puts the head of an answer before a body of len bytes; more: further header lines, each with its line break. */
static void
add_head(Conn *conn, int status, const char *type, size_t len, bool chunked, const char *more, uint64_t id)
{
	char		head[2048];
	int			n = snprintf(head, sizeof(head), "HTTP/1.1 %d %s\r\ncontent-type: %s\r\nrequest-id: req_%012llx\r\nx-request-id: req_%012llx\r\n%s%s", status,
							 status_text(status), type, (unsigned long long) id, (unsigned long long) id, more ? more : "", conn->close_after ? "connection: close\r\n" : "");

	bytes_add(&conn->out, head, n);
	if (chunked)
		n = sprintf(head, "transfer-encoding: chunked\r\n\r\n%zx\r\n", len);
	else
		n = sprintf(head, "content-length: %zu\r\n\r\n", len);
	bytes_add(&conn->out, head, n);
	count.by_status[status]++;
}

/* A whole answer of status with a given body. */
void
reply(Conn *conn, int status, const char *type, const Bytes *body, const char *more, uint64_t id)
{
	add_head(conn, status, type, body->len, false, more, id);
	bytes_add(&conn->out, body->data ? body->data : "", body->len);
	conn->state = WRITING;
}

typedef struct ErrorKind
{
	int			status;
	const char *anthropic,
			   *openai;
} ErrorKind;

static const ErrorKind error_kind[] = {
	{400, "invalid_request_error", "invalid_request_error"},
	{401, "authentication_error", "invalid_request_error"},
	{402, "billing_error", "insufficient_quota"},
	{403, "permission_error", "permission_denied"},
	{404, "not_found_error", "invalid_request_error"},
	{408, "timeout_error", "timeout"},
	{409, "conflict_error", "conflict"},
	{413, "request_too_large", "invalid_request_error"},
	{422, "invalid_request_error", "invalid_request_error"},
	{429, "rate_limit_error", "rate_limit_exceeded"},
	{500, "api_error", "server_error"},
	{504, "timeout_error", "timeout"},
	{529, "overloaded_error", "overloaded"},
};

static const char *
error_type(Api api, int status)
{
	for (size_t i = 0; i < sizeof(error_kind) / sizeof(error_kind[0]); i++)
		if (error_kind[i].status == status)
			return api == API_ANTHROPIC ? error_kind[i].anthropic : error_kind[i].openai;
	return "api_error";
}

void
reply_error(Conn *conn, Api api, int status, const char *type, const char *code, const char *message, const char *more, uint64_t id)
{
	Bytes		text = {0};

	error_body(&text, api, status, type ? type : error_type(api, status), code, message, id);
	reply(conn, status, "application/json", &text, more, id);
	free(text.data);
}

/* A normal answer, or one with another text. */
static void
reply_answer(Conn *conn, const Request *request, const char *more, uint64_t id)
{
	static Bytes body;
	Slip		slip = {id, request->tokens, request->read, request->written, request->model, request->model_len};
	size_t		middle;

	body.len = 0;
	answer_body(&body, request->agent, request->fault.fault, request->api, request->stream, &slip, &middle);
	add_head(conn, 200, request->stream ? "text/event-stream; charset=utf-8" : "application/json", body.len, request->stream, more, id);
	bytes_add(&conn->out, body.data, body.len);
	if (request->stream)
		bytes_add(&conn->out, "\r\n0\r\n\r\n", 7);
	conn->state = WRITING;
}

/* Half an answer, then the end of the connection, or an error event and a proper end. */
static void
reply_half(Conn *conn, const Request *request, bool with_event, uint64_t id)
{
	static Bytes body;
	Slip		slip = {id, request->tokens, request->read, request->written, request->model, request->model_len};
	size_t		middle = 0,
				whole;

	body.len = 0;
	answer_body(&body, request->agent, FAULT_NONE, request->api, request->stream, &slip, &middle);
	whole = body.len;
	body.len = request->stream ? middle : whole / 2;
	if (with_event)
	{
		Bytes		error = {0};

		error_body(&error, request->api, 529, error_type(request->api, 529), NULL, "Overloaded", id);
		bytes_addf(&body, request->api == API_ANTHROPIC ? "event: error\ndata: %s\n\n" : "data: %s\n\n", error.data);
		free(error.data);
		whole = body.len;
	}
	conn->close_after = !with_event;
	add_head(conn, 200, request->stream ? "text/event-stream; charset=utf-8" : "application/json", whole, request->stream, NULL, id);
	bytes_add(&conn->out, body.data, body.len);
	if (with_event)
		bytes_add(&conn->out, "\r\n0\r\n\r\n", 7);
	conn->state = WRITING;
}

/* A valid answer in form, whose text is 50 MB. */
static void
reply_huge(Conn *conn, const Request *request, uint64_t id)
{
	const char *before = request->api == API_ANTHROPIC
		? "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\""
		: "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"";
	const char *after = request->api == API_ANTHROPIC
		? "\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":1,\"output_tokens\":12500000}}"
		: "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":12500000}}";

	add_head(conn, 200, "application/json", strlen(before) + HUGE_TEXT + strlen(after), false, NULL, id);
	bytes_addf(&conn->out, "%s", before);
	conn->fill = HUGE_TEXT;
	bytes_addf(&conn->tail, "%s", after);
	conn->state = WRITING;
}

/* The token bucket of rate/N: true when the request may pass; *headers says how it stands. */
static bool
admit(const Request *request, char *headers, size_t size)
{
	const Spec *spec = &request->fault;
	Tally	   *bucket = tally_of(spec, "", 0);
	double		most = spec->burst > 0 ? spec->burst : spec->number,
				per_us = spec->number / 60e6;
	int64_t		now = now_us();
	bool		pass;
	double		wait_s;
	time_t		reset;
	struct tm	utc;
	char		text[40];

	bucket->tokens = bucket->at_us == 0 ? most : bucket->tokens + (now - bucket->at_us) * per_us;
	if (bucket->tokens > most)
		bucket->tokens = most;
	bucket->at_us = now;
	pass = bucket->tokens >= 1;
	if (pass)
		bucket->tokens -= 1;
	wait_s = (1 - bucket->tokens) / per_us / 1e6;
	reset = time(NULL) + (time_t) ((most - bucket->tokens) / per_us / 1e6) + 1;
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&reset, &utc));
	if (request->api == API_ANTHROPIC)
		size -= snprintf(headers, size, "anthropic-ratelimit-requests-limit: %ld\r\nanthropic-ratelimit-requests-remaining: %d\r\n"
						 "anthropic-ratelimit-requests-reset: %s\r\n", spec->number, (int) bucket->tokens, text);
	else
		size -= snprintf(headers, size, "x-ratelimit-limit-requests: %ld\r\nx-ratelimit-remaining-requests: %d\r\nx-ratelimit-reset-requests: %dms\r\n",
						 spec->number, (int) bucket->tokens, (int) ((most - bucket->tokens) / per_us / 1e3));
	if (!pass)
		snprintf(headers + strlen(headers), size, "retry-after: %d\r\n", (int) (wait_s + 0.999));
	return pass;
}

void
respond(Conn *conn, const Request *request)
{
	const Spec *spec = &request->fault;
	uint64_t	id = reply_id();
	char		headers[512] = "";
	Bytes		text = {0};
	bool		fault = true;

	switch (spec->fault)
	{
		case FAULT_HUGE:
			reply_huge(conn, request, id);
			break;
		case FAULT_HANG:
			conn->state = WAITING;
			break;
		case FAULT_SLOW_BYTE:
			reply_answer(conn, request, NULL, id);
			/* The head goes out at once: nobody waits for that as long. */
			conn->drip_from = (const char *) memmem(conn->out.data, conn->out.len, "\r\n\r\n", 4) + 4 - conn->out.data;
			conn->state = DRIPPING;
			conn->drip_ms = spec->ms;
			break;
		case FAULT_REDIRECT:
			snprintf(headers, sizeof(headers), "location: http://127.0.0.1:%d/redirected%s\r\n", options.port,
					 request->api == API_ANTHROPIC ? "/v1/messages" : "/chat/completions");
			reply(conn, 307, "text/plain", &text, headers, id);
			break;
		case FAULT_HTML:
			bytes_addf(&text, "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Welcome to the guest network</h1></body></html>\n");
			reply(conn, 200, "text/html", &text, NULL, id);
			break;
		case FAULT_ERROR_IN_200:
			error_body(&text, request->api, 502, request->api == API_ANTHROPIC ? "api_error" : "upstream_error", NULL, "the model behind this gateway failed", id);
			reply(conn, 200, "application/json", &text, NULL, id);
			break;
		case FAULT_ERROR_EVENT:
			if (request->stream)
				reply_half(conn, request, true, id);
			else
			{
				error_body(&text, request->api, 529, error_type(request->api, 529), NULL, "Overloaded", id);
				reply(conn, 200, "application/json", &text, NULL, id);
			}
			break;
		case FAULT_CUT:
			reply_half(conn, request, false, id);
			break;
		case FAULT_RESET:
			conn->reset_after = true;
			conn->close_after = true;
			conn->state = WRITING;
			break;
		case FAULT_STATUS:
			reply_error(conn, request->api, spec->number, NULL, NULL, "the mock was told to answer so", NULL, id);
			break;
		case FAULT_RETRY_AFTER:
			snprintf(headers, sizeof(headers), "retry-after: %ld\r\n", spec->number);
			reply_error(conn, request->api, 429, NULL, NULL, "This request would exceed your rate limit", headers, id);
			break;
		case FAULT_SPEND_LIMIT:
			if (request->api == API_ANTHROPIC)
				reply_error(conn, request->api, 429, NULL, "enforced_spend_limit_reached", "You have reached your monthly spend limit", NULL, id);
			else
				reply_error(conn, request->api, 429, "insufficient_quota", "organization_spend_limit_exceeded", "You exceeded your current quota", NULL, id);
			break;
		case FAULT_OVERLOADED:
			reply_error(conn, request->api, 529, NULL, NULL, "Overloaded", NULL, id);
			break;
		case FAULT_NO_MODEL:
			snprintf(headers, sizeof(headers), request->api == API_ANTHROPIC ? "model: %.*s" : "The model `%.*s` does not exist or you do not have access to it.",
					 (int) request->model_len, request->model);
			reply_error(conn, request->api, 404, NULL, request->api == API_OPENAI ? "model_not_found" : NULL, headers, NULL, id);
			break;
		case FAULT_RATE:
			if (!admit(request, headers, sizeof(headers)))
			{
				reply_error(conn, request->api, 429, NULL, NULL, "This request would exceed your rate limit", headers, id);
				break;
			}
			/* FALLTHROUGH */
		default:
			reply_answer(conn, request, headers, id);
			fault = spec->fault != FAULT_NONE && spec->fault != FAULT_GATE && spec->fault != FAULT_RATE && spec->fault != FAULT_FENCED &&
				!(spec->fault >= FAULT_WRONG_STRENGTH && spec->fault < FAULT_TEXTS);
	}
	conn->fault = fault;
	free(text.data);
}
