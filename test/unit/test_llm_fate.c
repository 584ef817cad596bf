/*
 * test/unit/test_llm_fate.c: each way a call can end leads where it should,
 * and says so.
 */
#include "llm/fate.h"

#include "unit.h"

#define NOW INT64_C(1790000000000000)	/* 2026-09-21 14:13:20 UTC */

/* A call's end, with what was not said left out. */
typedef struct End
{
	KamTrouble	trouble;
	int			status;
	const char *type,
			   *code,
			   *message;		/* an error was told when one of the three is there */
	KamStop		stop;
	const char *text;
	const char *advice;			/* x-should-retry */
	const char *after;			/* retry-after */
} End;

static KamFate
fate_of(const End *end, int attempt, double random)
{
	KamAnswer	answer = {.text = end->text ? end->text : "", .stop = end->stop};
	KamHeader	header[2];
	KamResult	result = {.trouble = end->trouble, .http_status = end->status, .header = header, .request_id = "", .answer = &answer};
	KamFate		fate;

	answer.text_len = strlen(answer.text);
	answer.has_error = end->type || end->code || end->message;
	answer.complete = !answer.has_error;
	snprintf(answer.error_type, sizeof(answer.error_type), "%s", end->type ? end->type : "");
	snprintf(answer.error_code, sizeof(answer.error_code), "%s", end->code ? end->code : "");
	snprintf(answer.error_message, sizeof(answer.error_message), "%s", end->message ? end->message : "");
	if (end->trouble != KAM_TROUBLE_NONE)
		snprintf(result.trouble_text, sizeof(result.trouble_text), "libcurl's words");
	if (end->advice)
		header[result.nheaders++] = (KamHeader) {"x-should-retry", (char *) end->advice};
	if (end->after)
		header[result.nheaders++] = (KamHeader) {"retry-after", (char *) end->after};
	kam_fate_of(&result, attempt, NOW, random, &fate);
	return fate;
}

static const char *const kind_name[] = {"answered", "retry", "other model", "give up"};
static const char *const blame_name[] = {"", "limit", "overload"};

typedef struct Row
{
	End			end;
	const char *want;			/* "kind/blame/class" at the first attempt */
	const char *at_last;		/* the kind at the fifth, where it differs */
} Row;

#define TOLD(...) {.status = __VA_ARGS__}

static const Row rows[] = {
	/* answers */
	{{.status = 200, .stop = KAM_STOP_END, .text = "{}"}, "answered//answered"},
	{{.status = 200, .stop = KAM_STOP_UNKNOWN, .text = "{}"}, "answered//answered"},
	{{.status = 200, .stop = KAM_STOP_OTHER, .text = "{}"}, "answered//answered"},
	{{.status = 200, .stop = KAM_STOP_LENGTH, .text = "{\"a\":"}, "answered//truncated"},
	{{.status = 200, .stop = KAM_STOP_LENGTH}, "answered//truncated"},
	{{.status = 200, .stop = KAM_STOP_REFUSAL}, "other model//refusal"},
	{{.status = 200, .stop = KAM_STOP_REFUSAL, .text = "I cannot"}, "other model//refusal"},
	{{.status = 200, .stop = KAM_STOP_CONTEXT, .text = "{"}, "other model//context_window"},
	{{.status = 200, .stop = KAM_STOP_END}, "retry//empty", "other model"},
	{{.status = 200, .stop = KAM_STOP_UNKNOWN}, "retry//empty", "other model"},
	{{.status = 200, .stop = KAM_STOP_OTHER}, "retry//no_text", "other model"},
	{{.status = 201, .stop = KAM_STOP_END, .text = "{}"}, "answered//answered"},

	/* below HTTP */
	{{.trouble = KAM_TROUBLE_RESOLVE}, "retry/overload/resolve"},
	{{.trouble = KAM_TROUBLE_CONNECT}, "retry/overload/connect"},
	{{.trouble = KAM_TROUBLE_TLS}, "retry/overload/tls", "give up"},
	{{.trouble = KAM_TROUBLE_PROXY}, "retry/overload/proxy", "give up"},
	{{.trouble = KAM_TROUBLE_TIMEOUT}, "retry/overload/timeout", "other model"},
	{{.trouble = KAM_TROUBLE_TIMEOUT, .status = 200, .type = "truncated"}, "retry/overload/timeout", "other model"},
	{{.trouble = KAM_TROUBLE_STALL, .status = 200, .type = "truncated"}, "retry/overload/stall", "other model"},
	{{.trouble = KAM_TROUBLE_CUT, .type = "empty"}, "retry/overload/cut"},
	{{.trouble = KAM_TROUBLE_CUT, .status = 200, .type = "truncated"}, "retry/overload/cut"},
	{{.trouble = KAM_TROUBLE_TOO_LARGE, .status = 200, .type = "too_large"}, "other model//too_large"},
	{{.trouble = KAM_TROUBLE_ADDRESS}, "give up//address"},
	{{.trouble = KAM_TROUBLE_INTERNAL}, "retry//internal"},
	{{.status = 0}, "retry/overload/cut"},
	/* what was said first stands */
	{{.trouble = KAM_TROUBLE_CUT, .status = 401, .type = "authentication_error"}, "give up//auth"},
	{{.trouble = KAM_TROUBLE_CUT, .status = 500}, "retry/overload/server_error"},
	{{.trouble = KAM_TROUBLE_STALL, .status = 200, .type = "overloaded_error", .message = "Overloaded"}, "retry/overload/overloaded"},

	/* money */
	{TOLD(429, "rate_limit_error", "enforced_spend_limit_reached"), "give up//spend_limit"},
	{TOLD(429, "insufficient_quota", "insufficient_quota"), "give up//spend_limit"},
	{TOLD(429, "insufficient_quota", "credit_balance_exhausted"), "give up//spend_limit"},
	{TOLD(429, "requests", "organization_spend_limit_exceeded"), "give up//spend_limit"},
	{TOLD(429, "requests", "project_spend_limit_exceeded"), "give up//spend_limit"},
	{TOLD(429, "requests", "organization_usage_limit_exceeded"), "give up//spend_limit"},
	{TOLD(400, "invalid_request_error", NULL, "You have reached your specified API usage limits. You will regain access on 2026-12-01."), "give up//spend_limit"},
	{TOLD(400, "invalid_request_error", NULL, "Your credit balance is too low to access the Anthropic API."), "give up//spend_limit"},
	{TOLD(402, "billing_error"), "give up//spend_limit"},
	{TOLD(402, "error", "402", "Insufficient credits"), "give up//spend_limit"},
	{TOLD(200, "error", "402", "This request requires more credits"), "give up//spend_limit"},
	{{.status = 429, .type = "insufficient_quota", .advice = "true", .after = "1"}, "give up//spend_limit"},

	/* limits */
	{TOLD(429, "rate_limit_error"), "retry/limit/rate_limit"},
	{TOLD(429, "requests", "rate_limit_exceeded"), "retry/limit/rate_limit"},
	{{.status = 429}, "retry/limit/rate_limit"},
	{{.status = 429, .type = "unreadable", .message = "<html>Too many"}, "retry/limit/rate_limit"},
	{{.status = 429, .type = "rate_limit_error", .after = "600"}, "retry/limit/rate_limit"},
	{{.status = 429, .type = "rate_limit_error", .after = "601"}, "give up/limit/rate_limit"},
	{{.status = 429, .type = "rate_limit_error", .advice = "false"}, "give up/limit/rate_limit"},
	{TOLD(429, "tokens", NULL, "The engine is currently overloaded, please try again later"), "retry/overload/overloaded"},
	{TOLD(200, "rate_limit_error"), "retry/limit/rate_limit"},
	{TOLD(200, "error", "429", "Rate limit exceeded: free-models-per-min"), "retry/limit/rate_limit"},

	/* the provider's trouble */
	{TOLD(529, "overloaded_error"), "retry/overload/overloaded"},
	{TOLD(503, "overloaded_error"), "retry/overload/overloaded"},
	{TOLD(503, "server_error", NULL, "That model is currently overloaded with other requests"), "retry/overload/overloaded"},
	{TOLD(503, "unavailable_error", "503", "Loading model"), "retry/overload/server_error"},
	{TOLD(500, "api_error"), "retry/overload/server_error"},
	{TOLD(502, "unreadable", NULL, "<html>502 Bad Gateway"), "retry/overload/server_error"},
	{TOLD(504, "timeout_error"), "retry/overload/timeout"},
	{TOLD(520, "unreadable"), "retry/overload/server_error"},
	{TOLD(524, "unreadable"), "retry/overload/timeout"},
	{TOLD(599, NULL), "retry/overload/server_error"},
	{TOLD(501, NULL), "give up//bad_request"},
	{TOLD(200, "overloaded_error", NULL, "Overloaded"), "retry/overload/overloaded"},
	{TOLD(200, "api_error", NULL, "Internal server error"), "retry/overload/server_error"},
	{TOLD(200, "timeout_error"), "retry/overload/timeout"},
	{TOLD(200, "error", "502", "Provider returned error"), "retry/overload/server_error"},
	{TOLD(200, "error", NULL, "something new"), "retry/overload/server_error", "other model"},
	{{.status = 500, .advice = "false"}, "give up/overload/server_error"},
	{{.status = 529, .type = "overloaded_error", .advice = "true"}, "retry/overload/overloaded"},

	/* statuses that pass */
	{TOLD(408, NULL), "retry/overload/timeout"},
	{TOLD(409, "conflict_error"), "retry//conflict"},
	{TOLD(425, NULL), "retry//conflict", "give up"},

	/* keys and rights */
	{TOLD(401, "authentication_error", NULL, "invalid x-api-key"), "give up//auth"},
	{TOLD(401, "invalid_request_error", "invalid_api_key"), "give up//auth"},
	{{.status = 401, .type = "unreadable", .advice = "true"}, "give up//auth"},
	{TOLD(400, "INVALID_ARGUMENT", "API_KEY_INVALID"), "give up//auth"},
	{TOLD(407, NULL), "give up//proxy"},
	{TOLD(403, "permission_error", NULL, "Your account may not do this"), "give up//permission"},
	{TOLD(403, "permission_error", NULL, "Your project has no access to model gpt-x"), "other model//permission"},
	{TOLD(403, "unreadable", NULL, "<html>Attention Required!"), "give up//permission"},
	{TOLD(200, "authentication_error"), "give up//auth"},

	/* models */
	{TOLD(404, "not_found_error", NULL, "model: claude-gone-1"), "other model//model_not_found"},
	{TOLD(404, "invalid_request_error", "model_not_found", "The model `x` does not exist"), "other model//model_not_found"},
	{TOLD(404, "error", "DeploymentNotFound", "The API deployment for this resource does not exist."), "other model//model_not_found"},
	{TOLD(404, "NotFoundError", "404", "The model `x` does not exist."), "other model//model_not_found"},
	{TOLD(404, "error", "404", "No endpoints found for x/y"), "other model//model_not_found"},
	{TOLD(400, "invalid_request_error", "model_decommissioned"), "other model//model_not_found"},
	{TOLD(400, "invalid_model", "1500", "Invalid model: x"), "other model//model_not_found"},
	{TOLD(400, "error", "400", "x is not a valid model ID"), "other model//model_not_found"},
	{TOLD(404, "unreadable", NULL, "<html>404 Not Found"), "give up//not_found"},
	{TOLD(404, "error", NULL, "Not Found"), "give up//not_found"},
	{TOLD(400, "invalid_request_error", "context_length_exceeded"), "other model//context_window"},
	{TOLD(400, "invalid_request_error", NULL, "prompt is too long: 210000 tokens > 200000 maximum"), "other model//context_window"},
	{TOLD(400, "error", "content_filter", "The response was filtered"), "other model//refusal"},
	{TOLD(403, "error", "403", "Your input was flagged"), "other model//refusal"},
	{TOLD(400, "invalid_request_error", "unsupported_value", "temperature does not support 0.2"), "other model//bad_request"},
	{TOLD(400, "invalid_request_error", NULL, "`temperature` is deprecated for this model"), "other model//bad_request"},
	{TOLD(400, "invalid_request_error", NULL, "output_config.format.schema: too complex"), "other model//bad_request"},

	/* requests that nobody takes */
	{TOLD(400, "invalid_request_error", NULL, "messages: roles must alternate"), "give up//bad_request"},
	{TOLD(422, "error", NULL, "Field required"), "give up//bad_request"},
	{TOLD(413, "request_too_large"), "give up//request_too_large"},
	{TOLD(413, "unreadable"), "give up//request_too_large"},
	{TOLD(405, NULL), "give up//bad_request"},
	{TOLD(200, "invalid_request_error", NULL, "bad"), "give up//bad_request"},
	{{.status = 400, .type = "invalid_request_error", .message = "who knows", .advice = "true"}, "retry//bad_request"},
	{TOLD(301, NULL), "give up//redirect"},
	{TOLD(302, "unreadable"), "give up//redirect"},
	{TOLD(307, NULL), "give up//redirect"},

	/* a good status, a bad body */
	{TOLD(200, "unreadable", NULL, "<html>Sign in"), "retry/overload/unreadable", "other model"},
	{TOLD(200, "truncated"), "retry/overload/cut", "other model"},
	{TOLD(200, "empty"), "retry/overload/empty", "other model"},
	{TOLD(204, "empty"), "retry/overload/empty", "other model"},
	{TOLD(200, "too_large"), "other model//too_large"},
	{TOLD(200, "out_of_memory"), "retry//internal"},
	{TOLD(999, NULL), "retry/overload/unreadable", "other model"},
};

TEST(matrix)
{
	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		const End  *end = &rows[i].end;
		KamFate		first = fate_of(end, 1, 0.5);
		KamFate		last = fate_of(end, 5, 0.5);
		char		got[100];

		snprintf(got, sizeof(got), "%s/%s/%s", kind_name[first.kind], blame_name[first.blame], first.class_name);
		CHECK(strcmp(got, rows[i].want) == 0, "row %zu (HTTP %d, %s, %s): %s, not %s", i, end->status, end->type ? end->type : "",
			  end->message ? end->message : "", got, rows[i].want);
		CHECK(strcmp(kind_name[last.kind], rows[i].at_last ? rows[i].at_last : kind_name[first.kind]) == 0,
			  "row %zu at the fifth attempt: %s", i, kind_name[last.kind]);
		CHECK_STR(last.class_name, first.class_name);
		CHECK_INT(last.blame, first.blame);
		if (first.kind == KAM_FATE_RETRY)
			CHECK(first.wait_ms > 0, "row %zu waits %lld ms", i, (long long) first.wait_ms);
		else
			CHECK_INT(first.wait_ms, 0);
		CHECK((first.message[0] == '\0') == (strcmp(first.class_name, "answered") == 0), "row %zu: \"%s\"", i, first.message);
		CHECK(first.message[0] == '\0' || strstr(first.message, "); ") != NULL, "row %zu: \"%s\"", i, first.message);
	}
}

TEST(waits_grow_to_a_bound_and_scatter)
{
	static const End end = {.status = 500};
	static const End limited = {.status = 429};
	int64_t		most = 500;

	for (int attempt = 1; attempt <= 40; attempt++)
	{
		CHECK_INT(fate_of(&end, attempt, 0).wait_ms, most / 2);
		CHECK_INT(fate_of(&end, attempt, 0.5).wait_ms, most / 2 + most / 4);
		CHECK(fate_of(&end, attempt, 0.999999).wait_ms <= most, "attempt %d", attempt);
		most = most * 2 < 60000 ? most * 2 : 60000;
	}
	CHECK_INT(fate_of(&limited, 1, 0).wait_ms, 1000);
	/* A chance that is none does no harm. */
	CHECK_INT(fate_of(&end, 1, 17.0).wait_ms, 375);
	CHECK_INT(fate_of(&end, 0, 0).wait_ms, 250);
	CHECK_INT(fate_of(&end, -5, 0).wait_ms, 250);
}

TEST(waits_as_long_as_asked)
{
	End			end = {.status = 429, .after = "30"};

	CHECK_INT(fate_of(&end, 1, 0).wait_ms, 30000);
	CHECK_INT(fate_of(&end, 1, 0.5).wait_ms, 31500);
	/* The longer of the two. */
	CHECK_INT(fate_of(&end, 20, 0.99999999).wait_ms, 59999);
	end.after = "0";
	CHECK_INT(fate_of(&end, 1, 0).wait_ms, 1000);
	end.after = "600";
	CHECK_INT(fate_of(&end, 1, 0.9).wait_ms, 600000);
	end.after = "7200";
	CHECK_INT(fate_of(&end, 1, 0).kind, KAM_FATE_GIVE_UP);
	CHECK(strstr(fate_of(&end, 1, 0).message, "120 minutes") != NULL, "%s", fate_of(&end, 1, 0).message);
	/* Whoever asks for it, the next model is not kept waiting by it. */
	end = (End) {.status = 404, .type = "not_found_error", .message = "model: x", .after = "7200"};
	CHECK_INT(fate_of(&end, 1, 0).kind, KAM_FATE_OTHER_MODEL);
}

TEST(retry_after)
{
	static const struct
	{
		const char *name,
				   *value;
		long long	want;
	}			cases[] = {
		{"retry-after", "0", 0},
		{"retry-after", "1", 1000},
		{"retry-after", "0.25", 250},
		{"retry-after", "1.0004", 1000},
		{"retry-after", "12.", 12000},
		{"retry-after", "-1", -1},
		{"retry-after", "", -1},
		{"retry-after", "soon", -1},
		{"retry-after", "1e9", -1},
		{"retry-after", "1 s", -1},
		{"retry-after", "inf", -1},
		{"retry-after", "99999999999999999999999999", INT64_C(100) * 366 * 86400 * 1000},
		{"retry-after", "Mon, 21 Sep 2026 14:14:20 GMT", 60000},
		{"retry-after", "Monday, 21-Sep-26 14:14:20 GMT", 60000},
		{"retry-after", "Mon Sep 21 14:14:20 2026", 60000},
		{"retry-after", "Mon, 21 Sep 2026 14:00:00 GMT", 0},
		{"retry-after", "Mon, 99 Sep 2026 99:00:00 GMT", -1},
		{"retry-after-ms", "1500", 1500},
		{"retry-after-ms", "0.5", 1},
		{"retry-after-ms", "x", -1},
		{"x-ms-retry-after-ms", "20", 20},
		{"x-other", "20", -1},
	};
	KamHeader	both[] = {{"retry-after", "9"}, {"retry-after-ms", "70"}};
	KamHeader	broken[] = {{"retry-after-ms", "x"}, {"retry-after", "9"}};

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		KamHeader	header = {(char *) cases[i].name, (char *) cases[i].value};
		long long	got = kam_retry_after_ms(&header, 1, NOW);

		CHECK(got == cases[i].want, "%s: %s: %lld, not %lld", cases[i].name, cases[i].value, got, cases[i].want);
	}
	CHECK_INT(kam_retry_after_ms(NULL, 0, NOW), -1);
	CHECK_INT(kam_retry_after_ms(both, 2, NOW), 70);
	CHECK_INT(kam_retry_after_ms(broken, 2, NOW), 9000);
}

TEST(messages)
{
	End			end = {.status = 401, .type = "authentication_error", .message = "invalid x-api-key"};
	KamHeader	location = {"location", "https://elsewhere.example/v2/messages?token=abc#x"};
	KamAnswer	answer = {.text = "", .has_error = true, .error_type = "rate_limit_error", .error_code = "429", .error_message = "slow down", .request_id = "req_body"};
	KamResult	result = {.http_status = 302, .header = &location, .nheaders = 1, .request_id = "req_1", .answer = &answer};
	KamFate		fate = fate_of(&end, 1, 0);

	CHECK_STR(fate.message, "the server does not accept the key (HTTP 401 authentication_error: invalid x-api-key); "
			  "check the provider's key file or variable and its auth_header, then reload");
	end = (End) {.trouble = KAM_TROUBLE_CONNECT};
	CHECK_STR(fate_of(&end, 1, 0).message, "there is no connection to the server (libcurl's words); "
			  "check that it runs, host and port in the provider's base_url, firewall and kam.proxy");

	kam_fate_of(&result, 1, NOW, 0, &fate);
	CHECK(strstr(fate.message, "HTTP 302 to https://elsewhere.example/v2/messages; request req_1)") != NULL, "%s", fate.message);
	CHECK(strstr(fate.message, "token") == NULL, "%s", fate.message);
	result.http_status = 429;
	result.request_id = "";
	kam_fate_of(&result, 1, NOW, 0, &fate);
	CHECK(strstr(fate.message, "(HTTP 429 rate_limit_error/429: slow down; request req_body); ") != NULL, "%s", fate.message);

	/* As long as everything can be: bounded, and cut between characters. */
	for (int shift = 0; shift < 4; shift++)
	{
		memset(answer.error_message, 'x', 4);
		for (size_t i = shift; i + 3 < sizeof(answer.error_message); i += 3)
			memcpy(answer.error_message + i, "\xe2\x82\xac", 3);
		memset(answer.error_type, 't', sizeof(answer.error_type) - 1);
		memset(answer.error_code, 'c', sizeof(answer.error_code) - 1);
		memset(answer.request_id, 'r', sizeof(answer.request_id) - 1);
		result.http_status = 500;
		kam_fate_of(&result, 1, NOW, 0, &fate);
		CHECK(strlen(fate.message) < sizeof(fate.message), "%zu", strlen(fate.message));
		for (const char *c = fate.message; *c; c++)
		{
			if ((*c & 0xF0) == 0xE0)
				CHECK((c[1] & 0xC0) == 0x80 && (c[2] & 0xC0) == 0x80, "a torn character in \"%s\"", fate.message);
		}
	}
}

RUN_TESTS()
