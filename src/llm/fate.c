/*
 * llm/fate.c: what becomes of a call that has ended, by tables.
 *
 * Pure: time and chance come in.  A call ends in one of three ways: below HTTP
 * (trouble_rule), with an error that a server told by its status or in its
 * body (error_rule, the first that fits), or with an answer (stop_rule).
 *
 * GIVE_UP is for what no model would answer and no waiting would mend; what
 * another model may do better is OTHER_MODEL; what time may mend is RETRY, for
 * some things only a few times.
 */
#include "llm/fate.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LONGEST_BACKOFF_MS (60 * 1000)
#define QUICK_MS 500			/* first wait where trouble is often over at once */
#define SLOW_MS 2000			/* where somebody is asked to slow down */
/* Of a server's own words, so much is passed on. */
#define QUOTED 240

typedef struct Verdict
{
	const char *class_name;
	KamFateKind kind;
	KamFateBlame blame;
	int			first_wait_ms;	/* RETRY: doubled with every attempt */
	int			tries;			/* RETRY: attempts after which it is "then" instead; 0: the caller's matter */
	KamFateKind then;
	bool		firm;			/* x-should-retry: true does not turn it */
	const char *what;			/* has happened */
	const char *remedy;
} Verdict;

#define RETRY(wait, blame_) .kind = KAM_FATE_RETRY, .first_wait_ms = wait, .blame = blame_
#define A_FEW_TIMES(tries_, then_) .tries = tries_, .then = then_
#define OTHER_MODEL .kind = KAM_FATE_OTHER_MODEL
#define GIVE_UP .kind = KAM_FATE_GIVE_UP
#define FIRM .firm = true

/* ---- below HTTP ---------------------------------------------------------------- */

static const Verdict trouble_rule[] = {
	[KAM_TROUBLE_RESOLVE] = {"resolve", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD),
		.what = "the server's name is not known", .remedy = "check the host in the provider's base_url and this machine's name resolution"},
	[KAM_TROUBLE_CONNECT] = {"connect", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD),
		.what = "there is no connection to the server", .remedy = "check that it runs, host and port in the provider's base_url, firewall and kam.proxy"},
	[KAM_TROUBLE_TLS] = {"tls", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD), A_FEW_TIMES(2, KAM_FATE_GIVE_UP),
		.what = "the server could not prove who it is, or speaks no TLS", .remedy = "set kam.ca_file to the certificate of its authority, or correct the provider's base_url"},
	[KAM_TROUBLE_PROXY] = {"proxy", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD), A_FEW_TIMES(3, KAM_FATE_GIVE_UP),
		.what = "the proxy does not let the call through", .remedy = "check kam.proxy and its password file"},
	[KAM_TROUBLE_TIMEOUT] = {"timeout", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD), A_FEW_TIMES(2, KAM_FATE_OTHER_MODEL),
		.what = "the call took longer than it may", .remedy = "raise timeout_s of the provider's dialect, or ask for less with the agent's max_tokens"},
	[KAM_TROUBLE_STALL] = {"stall", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD), A_FEW_TIMES(3, KAM_FATE_OTHER_MODEL),
		.what = "the server fell silent", .remedy = "raise stall_s of the provider's dialect if the server is merely slow"},
	[KAM_TROUBLE_CUT] = {"cut", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD),
		.what = "the connection ended in the middle of the call", .remedy = "if it goes on, look for a proxy or firewall that ends long connections; streaming helps"},
	[KAM_TROUBLE_TOO_LARGE] = {"too_large", OTHER_MODEL,
		.what = "the answer is larger than any answer should be", .remedy = "lower the agent's max_tokens, or check what stands at the provider's base_url"},
	[KAM_TROUBLE_ADDRESS] = {"address", GIVE_UP, FIRM,
		.what = "the provider's address cannot be used", .remedy = "correct its base_url: http or https, a host, no user and no password"},
	[KAM_TROUBLE_INTERNAL] = {"internal", RETRY(SLOW_MS, KAM_BLAME_NONE),
		.what = "this machine ran short of something the call needs", .remedy = "lower kam.max_in_flight, or raise the limits of memory and open files"},
};

/* ---- errors that were told ------------------------------------------------------- */

typedef struct ErrorRule
{
	int			from,
				to;				/* the status; 0: any */
	const char *named;			/* "a|b": the error's type or code is one of them; NULL: any */
	const char *says;			/* "a|b": its message holds one of them, in any case; NULL: any */
	Verdict		verdict;
} ErrorRule;

static const ErrorRule error_rule[] = {
	/* Money: nothing that is sent again would be answered. */
	{0, 0, "insufficient_quota|billing_error|billing_not_active|billing_hard_limit_reached|enforced_spend_limit_reached|credit_balance_exhausted|"
		"organization_spend_limit_exceeded|project_spend_limit_exceeded|organization_usage_limit_exceeded|budget_exceeded|payment_required", NULL,
		{"spend_limit", GIVE_UP, FIRM,
			.what = "the account has no credit left or has reached its spending limit", .remedy = "raise the limit or add credit with the provider, then kam_retry"}},
	{400, 429, NULL, "reached your specified api usage limits|credit balance is too low|budget has been exceeded|insufficient credits|insufficient balance",
		{"spend_limit", GIVE_UP, FIRM,
			.what = "the account has no credit left or has reached its spending limit", .remedy = "raise the limit or add credit with the provider, then kam_retry"}},
	{402, 402, NULL, NULL,
		{"spend_limit", GIVE_UP, FIRM,
			.what = "the provider wants to be paid first", .remedy = "raise the limit or add credit with the provider, then kam_retry"}},

	/* The way there is wrong. */
	{300, 399, NULL, NULL,
		{"redirect", GIVE_UP, FIRM,
			.what = "the server sends the call elsewhere, which is not followed because the key would go along", .remedy = "set the provider's base_url to where the server really is"}},
	{407, 407, NULL, NULL,
		{"proxy", GIVE_UP, FIRM,
			.what = "the proxy wants to know who we are", .remedy = "put user:password into the proxy's key file"}},
	{401, 401, NULL, NULL,
		{"auth", GIVE_UP, FIRM,
			.what = "the server does not accept the key", .remedy = "check the provider's key file or variable and its auth_header, then reload"}},
	{400, 403, "authentication_error|invalid_api_key|API_KEY_INVALID|UNAUTHENTICATED", NULL,
		{"auth", GIVE_UP, FIRM,
			.what = "the server does not accept the key", .remedy = "check the provider's key file or variable and its auth_header, then reload"}},

	/* This model will not do it. */
	{0, 0, "context_length_exceeded|exceed_context_size_error|model_context_window_exceeded", NULL,
		{"context_window", OTHER_MODEL, FIRM,
			.what = "the prompt is longer than the model can read", .remedy = "use a model with a larger context, or fewer resources and best practices"}},
	{400, 422, NULL, "prompt is too long|maximum context length|context window|context length|exceeds the available context|too many input tokens",
		{"context_window", OTHER_MODEL, FIRM,
			.what = "the prompt is longer than the model can read", .remedy = "use a model with a larger context, or fewer resources and best practices"}},
	{0, 0, "content_filter|content_policy_violation|responsibleaipolicyviolation|content_moderation|moderation_blocked", NULL,
		{"refusal", OTHER_MODEL, FIRM,
			.what = "the provider's content filter refuses the prompt", .remedy = "look at the contact's texts, or use another model"}},
	{403, 403, NULL, "flagged|moderation",
		{"refusal", OTHER_MODEL, FIRM,
			.what = "the provider's content filter refuses the prompt", .remedy = "look at the contact's texts, or use another model"}},
	{0, 0, "model_not_found|deploymentnotfound|model_decommissioned|model_deprecated|invalid_model|unknown_model|model_not_available", NULL,
		{"model_not_found", OTHER_MODEL, FIRM,
			.what = "the provider does not have this model", .remedy = "correct the agent's model, which may have been retired, and give it a fallback_model"}},
	{404, 410, NULL, "model|deployment|no endpoints found",
		{"model_not_found", OTHER_MODEL, FIRM,
			.what = "the provider does not have this model", .remedy = "correct the agent's model, which may have been retired, and give it a fallback_model"}},
	{400, 422, NULL, "invalid model|not a valid model|unknown model|model name|model does not exist|model not found|has been retired|has been decommissioned",
		{"model_not_found", OTHER_MODEL, FIRM,
			.what = "the provider does not have this model", .remedy = "correct the agent's model, which may have been retired, and give it a fallback_model"}},
	{403, 403, NULL, "model|deployment",
		{"permission", OTHER_MODEL, FIRM,
			.what = "the key may not use this model", .remedy = "ask the provider for access, or correct the agent's model"}},
	{400, 422, "unsupported_parameter|unsupported_value|invalid_json_schema", NULL,
		{"bad_request", OTHER_MODEL,
			.what = "the model does not take what was asked with", .remedy = "correct the model's capabilities or the provider's dialect"}},
	{400, 422, NULL, "temperature|max_tokens|max_completion_tokens|response_format|output_config|schema|thinking|reasoning|cache_control|not supported|unsupported",
		{"bad_request", OTHER_MODEL,
			.what = "the model does not take what was asked with", .remedy = "correct the model's capabilities or the provider's dialect"}},

	/* Nobody will do it. */
	{403, 403, "unreadable|empty", NULL,
		{"permission", GIVE_UP, FIRM,
			.what = "something on the way refuses the call", .remedy = "look for a firewall or gateway between this machine and the provider"}},
	{403, 403, NULL, NULL,
		{"permission", GIVE_UP, FIRM,
			.what = "the key may not do this", .remedy = "ask the provider for access, or use another key"}},
	{404, 404, NULL, NULL,
		{"not_found", GIVE_UP,
			.what = "there is no such address on the server", .remedy = "correct the provider's base_url or the path of its dialect"}},
	{413, 413, NULL, NULL,
		{"request_too_large", GIVE_UP, FIRM,
			.what = "the request is larger than the server takes", .remedy = "shorten the contact's texts, the resources or the best practices"}},

	/* Time may mend it. */
	{0, 0, "overloaded_error|overloaded|engine_overloaded", NULL,
		{"overloaded", RETRY(SLOW_MS, KAM_BLAME_OVERLOAD),
			.what = "the provider is overloaded", .remedy = "nothing has to be done; a fallback_model is asked where there is one"}},
	{429, 503, NULL, "overloaded|over capacity|high demand",
		{"overloaded", RETRY(SLOW_MS, KAM_BLAME_OVERLOAD),
			.what = "the provider is overloaded", .remedy = "nothing has to be done; a fallback_model is asked where there is one"}},
	{529, 529, NULL, NULL,
		{"overloaded", RETRY(SLOW_MS, KAM_BLAME_OVERLOAD),
			.what = "the provider is overloaded", .remedy = "nothing has to be done; a fallback_model is asked where there is one"}},
	{429, 429, NULL, NULL,
		{"rate_limit", RETRY(SLOW_MS, KAM_BLAME_LIMIT),
			.what = "more was asked than the provider allows in this time", .remedy = "nothing has to be done; for more speed ask the provider for a higher limit"}},
	{408, 408, NULL, NULL,
		{"timeout", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD),
			.what = "the server waited too long for the request or for the model", .remedy = "if it goes on, look at the network's speed and the server's load"}},
	{504, 504, NULL, NULL,
		{"timeout", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD),
			.what = "a gateway waited too long for the model", .remedy = "if it goes on, set stream in the provider's dialect"}},
	{522, 524, NULL, NULL,
		{"timeout", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD),
			.what = "a gateway waited too long for the model", .remedy = "if it goes on, set stream in the provider's dialect"}},
	{409, 409, NULL, NULL,
		{"conflict", RETRY(QUICK_MS, KAM_BLAME_NONE),
			.what = "the server was busy with something that excludes the call", .remedy = "nothing has to be done"}},
	{421, 421, NULL, NULL,
		{"conflict", RETRY(QUICK_MS, KAM_BLAME_NONE), A_FEW_TIMES(3, KAM_FATE_GIVE_UP),
			.what = "the server does not take the call now", .remedy = "nothing has to be done"}},
	{425, 425, NULL, NULL,
		{"conflict", RETRY(QUICK_MS, KAM_BLAME_NONE), A_FEW_TIMES(3, KAM_FATE_GIVE_UP),
			.what = "the server does not take the call now", .remedy = "nothing has to be done"}},
	{501, 501, NULL, NULL,
		{"bad_request", GIVE_UP,
			.what = "the server does not know such calls", .remedy = "correct the provider's api and base_url"}},
	{500, 599, NULL, NULL,
		{"server_error", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD),
			.what = "the provider has trouble", .remedy = "nothing has to be done; if it goes on, look at the provider's status page"}},
	{400, 499, NULL, NULL,
		{"bad_request", GIVE_UP,
			.what = "the server does not take the request", .remedy = "correct the provider's dialect and headers, or the model's capabilities"}},

	/* The status was good, the body is not. */
	{200, 299, "truncated", NULL,
		{"cut", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD), A_FEW_TIMES(3, KAM_FATE_OTHER_MODEL),
			.what = "the answer ended before its end", .remedy = "if it goes on, look for a proxy that ends long connections"}},
	{200, 299, "unreadable", NULL,
		{"unreadable", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD), A_FEW_TIMES(2, KAM_FATE_OTHER_MODEL),
			.what = "what came is no answer of this API", .remedy = "check the provider's api and base_url, and whether a proxy or login page stands in between"}},
	{200, 299, "empty", NULL,
		{"empty", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD), A_FEW_TIMES(2, KAM_FATE_OTHER_MODEL),
			.what = "the answer is empty", .remedy = "check the provider's api and base_url"}},
	{200, 299, "too_large", NULL,
		{"too_large", OTHER_MODEL,
			.what = "the answer is larger than any answer should be", .remedy = "lower the agent's max_tokens, or check what stands at the provider's base_url"}},
	{200, 299, "out_of_memory", NULL,
		{"internal", RETRY(SLOW_MS, KAM_BLAME_NONE),
			.what = "this machine ran short of memory", .remedy = "lower kam.max_in_flight"}},
	{200, 299, NULL, NULL,
		{"server_error", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD), A_FEW_TIMES(3, KAM_FATE_OTHER_MODEL),
			.what = "the provider broke off with an error", .remedy = "nothing has to be done; if it goes on, look at the provider's status page"}},
	{0, 0, NULL, NULL,
		{"unreadable", RETRY(QUICK_MS, KAM_BLAME_OVERLOAD), A_FEW_TIMES(2, KAM_FATE_OTHER_MODEL),
			.what = "the server answered with a status that HTTP does not have", .remedy = "check the provider's base_url"}},
};

/* The status that an error told under a good status would have had. */
static const struct
{
	const char *name;
	int			status;
}			status_of[] = {
	{"invalid_request_error", 400}, {"invalid_request", 400}, {"BadRequestError", 400}, {"INVALID_ARGUMENT", 400},
	{"authentication_error", 401}, {"invalid_api_key", 401}, {"AuthenticationError", 401}, {"UNAUTHENTICATED", 401},
	{"billing_error", 402}, {"payment_required", 402},
	{"permission_error", 403}, {"PermissionDeniedError", 403}, {"PERMISSION_DENIED", 403},
	{"not_found_error", 404}, {"NotFoundError", 404}, {"NOT_FOUND", 404},
	{"request_too_large", 413},
	{"rate_limit_error", 429}, {"rate_limit_exceeded", 429}, {"RateLimitError", 429}, {"RESOURCE_EXHAUSTED", 429}, {"requests", 429}, {"tokens", 429},
	{"api_error", 500}, {"server_error", 500}, {"internal_error", 500}, {"InternalServerError", 500}, {"INTERNAL", 500},
	{"service_unavailable", 503}, {"ServiceUnavailableError", 503}, {"unavailable_error", 503}, {"UNAVAILABLE", 503}, {"slow_down", 503},
	{"timeout_error", 504}, {"timeout", 504}, {"DEADLINE_EXCEEDED", 504},
	{"overloaded_error", 529}, {"overloaded", 529},
};

/* ---- answers --------------------------------------------------------------------------- */

static const struct
{
	KamStop		stop;
	bool		with_text;		/* holds with and without text; else only without */
	Verdict		verdict;
}			stop_rule[] = {
	{KAM_STOP_REFUSAL, true, {"refusal", OTHER_MODEL,
			.what = "the model refuses to answer", .remedy = "look at the contact's texts and the agent's prompt, or use another model"}},
	{KAM_STOP_CONTEXT, true, {"context_window", OTHER_MODEL,
			.what = "the model's context was full before it had finished", .remedy = "use a model with a larger context, or fewer resources and best practices"}},
	/* The caller may raise max_tokens for the next attempt, or find that the text suffices. */
	{KAM_STOP_LENGTH, true, {"truncated", .kind = KAM_FATE_ANSWERED,
			.what = "the answer was cut off at max_tokens", .remedy = "raise the agent's max_tokens"}},
	{KAM_STOP_OTHER, false, {"no_text", RETRY(QUICK_MS, KAM_BLAME_NONE), A_FEW_TIMES(2, KAM_FATE_OTHER_MODEL),
			.what = "the model wants something else than to answer", .remedy = "check the members that dialect and capabilities merge into the request"}},
	{KAM_STOP_END, false, {"empty", RETRY(QUICK_MS, KAM_BLAME_NONE), A_FEW_TIMES(2, KAM_FATE_OTHER_MODEL),
			.what = "the model answered with no text", .remedy = "if it goes on, check max_tokens and the model's reasoning settings"}},
	{KAM_STOP_UNKNOWN, false, {"empty", RETRY(QUICK_MS, KAM_BLAME_NONE), A_FEW_TIMES(2, KAM_FATE_OTHER_MODEL),
			.what = "the model answered with no text", .remedy = "if it goes on, check max_tokens and the model's reasoning settings"}},
};

static const Verdict answered = {"answered", .kind = KAM_FATE_ANSWERED, .what = "", .remedy = ""};

/* ---- finding the rule --------------------------------------------------------------------- */

/* Whether word is one of "a|b|c". */
static bool
is_one_of(const char *list, const char *word)
{
	size_t		len = strlen(word);

	for (const char *item = list; len > 0; item++)
	{
		size_t		item_len = strcspn(item, "|");

		if (item_len == len && strncasecmp(item, word, len) == 0)
			return true;
		item += item_len;
		if (*item == '\0')
			break;
	}
	return false;
}

/* Whether text holds one of "a|b|c". */
static bool
holds_one_of(const char *list, const char *text)
{
	for (const char *item = list;; item++)
	{
		size_t		len = strcspn(item, "|");

		for (const char *at = text; len > 0 && strlen(at) >= len; at++)
		{
			if (strncasecmp(at, item, len) == 0)
				return true;
		}
		item += len;
		if (*item == '\0')
			return false;
	}
}

/* What a reader calls an answer that it could not read, as against what a server said. */
static bool
is_reader_word(const char *type)
{
	return is_one_of("unreadable|truncated|too_large|out_of_memory|empty", type);
}

static bool
is_good(int status)
{
	return status >= 200 && status < 300;
}

/* The status that counts: one told in the body, when the answer's own says that all is well. */
static int
status_that_counts(const KamResult *result)
{
	const KamAnswer *answer = result->answer;
	const char *said[] = {answer->error_code, answer->error_type};
	int			number = 0;

	if (!is_good(result->http_status) || !answer->has_error)
		return result->http_status;
	for (const char *c = answer->error_code; *c >= '0' && *c <= '9' && number < 1000; c++)
		number = number * 10 + (*c - '0');
	if (number >= 400 && number < 600)
		return number;
	for (size_t s = 0; s < KAM_LENGTHOF(said); s++)
	{
		for (size_t i = 0; i < KAM_LENGTHOF(status_of); i++)
		{
			if (strcasecmp(status_of[i].name, said[s]) == 0)
				return status_of[i].status;
		}
	}
	return result->http_status;
}

static const Verdict *
error_verdict(int status, const KamAnswer *answer)
{
	const ErrorRule *rule = error_rule;

	/* The last one fits all. */
	for (;; rule++)
	{
		if (rule->from != 0 && (status < rule->from || status > rule->to))
			continue;
		if (rule->named != NULL && !is_one_of(rule->named, answer->error_type) && !is_one_of(rule->named, answer->error_code))
			continue;
		if (rule->says != NULL && !holds_one_of(rule->says, answer->error_message))
			continue;
		return &rule->verdict;
	}
}

static const Verdict *
stop_verdict(const KamAnswer *answer)
{
	bool		has_text = answer->text_len > 0;

	for (size_t i = 0; i < KAM_LENGTHOF(stop_rule); i++)
	{
		if (stop_rule[i].stop == answer->stop && (stop_rule[i].with_text || !has_text))
			return &stop_rule[i].verdict;
	}
	return &answered;
}

static const Verdict *
find_verdict(const KamResult *result, int status)
{
	const KamAnswer *answer = result->answer;
	bool		told = answer->has_error && !is_reader_word(answer->error_type);

	/* What the server said weighs more than how the connection ended after it. */
	if (status >= 300 || (is_good(status) && told))
		return error_verdict(status, answer);
	if (result->trouble != KAM_TROUBLE_NONE)
		return &trouble_rule[result->trouble];
	if (status == 0)
		return &trouble_rule[KAM_TROUBLE_CUT];
	if (answer->has_error)
		return error_verdict(status, answer);
	return stop_verdict(answer);
}

/* ---- advice in headers ------------------------------------------------------------------------ */

static const char *
find_header(const KamHeader *header, int count, const char *name)
{
	for (int i = 0; i < count; i++)
	{
		if (strcmp(header[i].name, name) == 0)
			return header[i].value;
	}
	return NULL;
}

/* "12", "0.5" in thousandths; -1 when it is no number.  Absurd ones are cut to a century. */
static int64_t
read_thousandths(const char *text)
{
	const int64_t most = INT64_C(100) * 366 * 86400 * 1000;
	int64_t		value = 0;
	int			decimals = -1;

	if (*text < '0' || *text > '9')
		return -1;
	for (; (*text >= '0' && *text <= '9') || (*text == '.' && decimals < 0); text++)
	{
		if (*text == '.')
			decimals = 0;
		else if (decimals < 3 && value < most)
		{
			value = value * 10 + (*text - '0');
			decimals += decimals >= 0;
		}
	}
	if (*text != '\0')
		return -1;
	for (decimals = decimals < 0 ? 0 : decimals; decimals < 3 && value < most; decimals++)
		value *= 10;
	return value < most ? value : most;
}

int64_t
kam_retry_after_ms(const KamHeader *header, int count, int64_t now_us)
{
	static const char *const in_ms[] = {"retry-after-ms", "x-ms-retry-after-ms"};
	const char *value;
	int64_t		asked;

	for (size_t i = 0; i < KAM_LENGTHOF(in_ms); i++)
	{
		value = find_header(header, count, in_ms[i]);
		asked = value != NULL ? read_thousandths(value) : -1;
		if (asked >= 0)
			return (asked + 999) / 1000;
	}
	value = find_header(header, count, "retry-after");
	if (value == NULL)
		return -1;
	asked = read_thousandths(value);
	if (asked >= 0)
		return asked;
	/* "Wed, 21 Oct 2026 07:28:00 GMT" and its older forms all begin with a weekday. */
	if ((*value >= 'A' && *value <= 'Z') || (*value >= 'a' && *value <= 'z'))
	{
		time_t		at = curl_getdate(value, NULL);

		if (at != (time_t) -1)
			return (int64_t) at * 1000 > now_us / 1000 ? (int64_t) at * 1000 - now_us / 1000 : 0;
	}
	return -1;
}

/* 1: try again; -1: do not; 0: it does not say. */
static int
should_retry(const KamResult *result)
{
	const char *value = find_header(result->header, result->nheaders, "x-should-retry");

	if (value == NULL)
		return 0;
	return strcasecmp(value, "true") == 0 ? 1 : strcasecmp(value, "false") == 0 ? -1 : 0;
}

/* Twice as long each time, half of it by chance, so that those who failed together do not come back together. */
static int64_t
backoff_ms(int first_wait_ms, int attempt, double random)
{
	int64_t		most = first_wait_ms;

	for (int i = 1; i < attempt && most < LONGEST_BACKOFF_MS; i++)
		most *= 2;
	if (most > LONGEST_BACKOFF_MS)
		most = LONGEST_BACKOFF_MS;
	return most / 2 + (int64_t) ((double) (most - most / 2) * random);
}

/* ---- the message --------------------------------------------------------------------------------- */

/* Appends at most limit bytes of text, cut between characters. */
static void
append(KamFate *out, size_t *len, const char *text, size_t limit)
{
	size_t		room = sizeof(out->message) - 1 - *len;
	size_t		take = strlen(text);

	limit = limit < room ? limit : room;
	if (take > limit)
	{
		take = limit;
		while (take > 0 && ((unsigned char) text[take] & 0xC0) == 0x80)
			take--;
	}
	memcpy(out->message + *len, text, take);
	*len += take;
	out->message[*len] = '\0';
}

#define APPEND(text) append(out, &len, text, sizeof(out->message))

/* "what (HTTP 429 rate_limit_error: words; request req_1); remedy" */
static void
compose(const KamResult *result, const Verdict *verdict, const char *more, KamFate *out)
{
	const KamAnswer *answer = result->answer;
	const char *id = *result->request_id ? result->request_id : answer->request_id;
	const char *location = find_header(result->header, result->nheaders, "location");
	bool		of_http = result->http_status > 0;
	char		number[32];
	size_t		len = 0;

	out->message[0] = '\0';
	if (*verdict->what == '\0')
		return;
	APPEND(verdict->what);
	APPEND(" (");
	if (of_http)
	{
		snprintf(number, sizeof(number), "HTTP %d", result->http_status);
		APPEND(number);
	}
	if (result->trouble != KAM_TROUBLE_NONE && *result->trouble_text)
	{
		APPEND(of_http ? ": " : "");
		append(out, &len, result->trouble_text, QUOTED);
	}
	if (result->http_status >= 300 && result->http_status < 400 && location != NULL)
	{
		APPEND(" to ");
		append(out, &len, location, strcspn(location, "?#") < QUOTED ? strcspn(location, "?#") : QUOTED);
	}
	else if (answer->has_error && (of_http || result->trouble == KAM_TROUBLE_NONE))
	{
		APPEND(of_http ? " " : "");
		APPEND(answer->error_type);
		if (*answer->error_code && strcmp(answer->error_code, answer->error_type) != 0)
		{
			APPEND("/");
			APPEND(answer->error_code);
		}
		APPEND(": ");
		append(out, &len, answer->error_message, QUOTED);
	}
	else if (result->trouble == KAM_TROUBLE_NONE && *answer->stop_reason)
	{
		APPEND(", ");
		APPEND(answer->stop_reason);
	}
	if (*id)
	{
		APPEND("; request ");
		append(out, &len, id, 64);
	}
	APPEND(")");
	if (more != NULL)
	{
		APPEND("; ");
		APPEND(more);
	}
	APPEND("; ");
	APPEND(verdict->remedy);
}

void
kam_fate_of(const KamResult *result, int attempt, int64_t now_us, double random, KamFate *out)
{
	int			status = status_that_counts(result);
	const Verdict *verdict = find_verdict(result, status);
	int			advice = should_retry(result);
	int64_t		asked = kam_retry_after_ms(result->header, result->nheaders, now_us);
	const char *more = NULL;
	char		text[80];

	random = random >= 0 && random < 1 ? random : 0.5;
	memset(out, 0, sizeof(*out));
	out->kind = verdict->kind;
	out->blame = verdict->blame;
	out->class_name = verdict->class_name;

	if (out->kind == KAM_FATE_RETRY && verdict->tries > 0 && attempt >= verdict->tries)
		out->kind = verdict->then;
	else if (advice > 0 && !verdict->firm && status >= 400 && (out->kind == KAM_FATE_GIVE_UP || out->kind == KAM_FATE_OTHER_MODEL))
		out->kind = KAM_FATE_RETRY;
	if (out->kind == KAM_FATE_RETRY && advice < 0)
	{
		out->kind = KAM_FATE_GIVE_UP;
		more = "the server says that trying again is of no use";
	}
	if (out->kind == KAM_FATE_RETRY && asked > KAM_LONGEST_WAIT_MS)
	{
		out->kind = KAM_FATE_GIVE_UP;
		snprintf(text, sizeof(text), "it asks to be left alone for %lld minutes", (long long) (asked / 60000));
		more = text;
	}
	if (out->kind == KAM_FATE_RETRY)
	{
		out->wait_ms = backoff_ms(verdict->first_wait_ms > 0 ? verdict->first_wait_ms : QUICK_MS, attempt, random);
		/* Not all of those who were told the same time at that very time. */
		if (asked >= 0)
			asked += (int64_t) (random * (double) (asked / 10 < 5000 ? asked / 10 : 5000));
		if (asked > out->wait_ms)
			out->wait_ms = asked < KAM_LONGEST_WAIT_MS ? asked : KAM_LONGEST_WAIT_MS;
	}
	compose(result, verdict, more, out);
}
