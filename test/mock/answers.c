/*
 * test/mock/answers.c: the mock's texts, in the wire forms of both APIs.
 *
 * A body is put together once per (agent, fault, API, streamed or not), with
 * marks where it varies, and copied from then on.
 */
#define _GNU_SOURCE
#include "answers.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that no JSON text holds unescaped. */
#define MARK_ID '\1'
#define MARK_INPUT '\2'
#define MARK_MODEL '\3'
#define MARK_MIDDLE '\4'
#define MARK_READ '\5'
#define MARK_WRITTEN '\6'

#define DELTA_BYTES 240			/* of text in one event of a stream */

static const char *const agent_key[AGENTS] = {
	"context_relationship_analyzer", "opportunity_detector", "state_analyzer", "timing_strategist", "wave1_evaluator",
	"channel_selector", "content_generator", "sequence_strategist", "synthesis_orchestrator", "decision_evaluator",
};

/* For wrong_enum: a value that no enumeration has, at this path; agents that are not listed lose a key instead. */
static const struct
{
	const char *agent,
			   *outer,			/* an object within, or NULL */
			   *key,
			   *value;
}			wrong_enum[] =
{
	{"context_relationship_analyzer", NULL, "relationship_stage", "lukewarm"},
	{"state_analyzer", NULL, "urgency", "yesterday"},
	{"timing_strategist", NULL, "velocity", "brisk"},
	{"channel_selector", NULL, "primary_channel", "PIGEON"},
	{"content_generator", NULL, "language", "la"},
	{"synthesis_orchestrator", "final_decision", "action", "send_flowers"},
	{"decision_evaluator", NULL, "verdict", "splendid"},
};

/* Answers that keep their schema and break a rule of the guard; what a path has no key for stays as it is. */
static const struct
{
	Fault		fault;
	const char *path[4];		/* keys, outermost first; NULL ends it */
	const char *value;			/* JSON */
}			spoilt[] =
{
	{FAULT_WRONG_STRENGTH, {"final_decision", "rationale", "opportunity_strength"}, "0.07"},
	{FAULT_NO_REASON, {"final_decision", "rationale", "action_reasoning"}, "\" \""},
	{FAULT_TWO_QUESTIONS, {"generated_content", "EMAIL", "message"}, "\"Bonjour, voici la fiche. Est-elle claire ? Voulez-vous en parler ?\""},
	{FAULT_FOREIGN_LINK, {"generated_content", "EMAIL", "message"}, "\"Bonjour, tout est sur https://evil.example/pay.\""},
};

typedef enum Argument
{
	ARGUMENT_NONE,
	ARGUMENT_NUMBER
} Argument;

static const struct
{
	const char *name;
	Fault		fault;
	Argument	argument;
}			fault_name[] =
{
	{"prose", FAULT_PROSE}, {"fenced", FAULT_FENCED}, {"broken_json", FAULT_BROKEN_JSON}, {"truncated_json", FAULT_TRUNCATED_JSON},
	{"wrong_enum", FAULT_WRONG_ENUM}, {"missing_key", FAULT_MISSING_KEY}, {"wrong_type", FAULT_WRONG_TYPE}, {"nul", FAULT_NUL},
	{"bad_utf8", FAULT_BAD_UTF8}, {"refusal", FAULT_REFUSAL}, {"empty", FAULT_EMPTY}, {"wrong_strength", FAULT_WRONG_STRENGTH},
	{"no_reason", FAULT_NO_REASON}, {"two_questions", FAULT_TWO_QUESTIONS}, {"foreign_link", FAULT_FOREIGN_LINK}, {"huge", FAULT_HUGE}, {"slow_byte", FAULT_SLOW_BYTE},
	{"hang", FAULT_HANG}, {"redirect", FAULT_REDIRECT}, {"html", FAULT_HTML}, {"error_in_200", FAULT_ERROR_IN_200},
	{"error_event", FAULT_ERROR_EVENT}, {"cut", FAULT_CUT}, {"reset", FAULT_RESET}, {"status", FAULT_STATUS, ARGUMENT_NUMBER},
	{"retry_after", FAULT_RETRY_AFTER, ARGUMENT_NUMBER}, {"spend_limit", FAULT_SPEND_LIMIT}, {"overloaded", FAULT_OVERLOADED}, {"no_model", FAULT_NO_MODEL},
	{"gate", FAULT_GATE}, {"rate", FAULT_RATE, ARGUMENT_NUMBER},
};

static json_t *outputs;
static Bytes body[AGENTS][FAULT_TEXTS][APIS][2];

/* ---- bytes ---- */

void
bytes_add(Bytes *to, const char *data, size_t len)
{
	if (to->len + len + 1 > to->size)
	{
		to->size = (to->len + len + 1) * 3 / 2;
		to->data = realloc(to->data, to->size);
		if (to->data == NULL)
			abort();
	}
	memcpy(to->data + to->len, data, len);
	to->len += len;
	to->data[to->len] = '\0';
}

void
bytes_addf(Bytes *to, const char *format,...)
{
	va_list		args;
	char	   *text;
	int			len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		abort();
	bytes_add(to, text, len);
	free(text);
}

/* The inside of a JSON string; bytes above 127 as they are. */
static void
add_escaped(Bytes *to, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = text[i];

		if (c == '"' || c == '\\')
			bytes_addf(to, "\\%c", c);
		else if (c == '\n')
			bytes_add(to, "\\n", 2);
		else if (c < ' ')
			bytes_addf(to, "\\u%04x", c);
		else
			bytes_add(to, text + i, 1);
	}
}

/* ---- agents and texts ---- */

const char *
agent_name(int agent)
{
	return agent_key[agent];
}

int
agent_find(const char *name, size_t len)
{
	for (int i = 0; i < AGENTS; i++)
		if (strlen(agent_key[i]) == len && memcmp(agent_key[i], name, len) == 0)
			return i;
	return -1;
}

bool
answers_load(const char *file)
{
	json_error_t error;

	outputs = json_load_file(file, 0, &error);
	if (outputs == NULL)
	{
		fprintf(stderr, "mock: %s:%d: %s\n", file, error.line, error.text);
		return false;
	}
	for (int i = 0; i < AGENTS; i++)
		if (!json_is_object(json_object_get(outputs, agent_key[i])))
		{
			fprintf(stderr, "mock: %s has no output of %s\n", file, agent_key[i]);
			return false;
		}
	return true;
}

/* Gives the agent's output a value that its enumeration does not have; false when it has no enumeration. */
static bool
spoil_enum(json_t *output, int agent)
{
	for (size_t i = 0; i < sizeof(wrong_enum) / sizeof(wrong_enum[0]); i++)
		if (strcmp(wrong_enum[i].agent, agent_key[agent]) == 0)
		{
			json_t	   *holder = wrong_enum[i].outer ? json_object_get(output, wrong_enum[i].outer) : output;

			json_object_set_new(holder, wrong_enum[i].key, json_string(wrong_enum[i].value));
			return true;
		}
	return false;
}

/* Spoils what a rule of the guard looks at. */
static void
spoil(json_t *output, Fault fault)
{
	for (size_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++)
	{
		json_t	   *holder = output;
		int			k = 0;

		if (spoilt[i].fault != fault)
			continue;
		for (; spoilt[i].path[k + 1] != NULL; k++)
			holder = json_object_get(holder, spoilt[i].path[k]);
		if (json_object_get(holder, spoilt[i].path[k]) != NULL)
			json_object_set_new(holder, spoilt[i].path[k], json_loads(spoilt[i].value, JSON_DECODE_ANY, NULL));
	}
}

/* The text of an answer. */
static void
add_text(Bytes *to, int agent, Fault fault)
{
	json_t	   *output = json_deep_copy(json_object_get(outputs, agent_key[agent]));
	const char *first = json_object_iter_key(json_object_iter(output));
	char	   *text;
	size_t		len;

	if (fault == FAULT_MISSING_KEY || (fault == FAULT_WRONG_ENUM && !spoil_enum(output, agent)))
		json_object_del(output, first);
	if (fault == FAULT_WRONG_TYPE)
		json_object_set_new(output, first, json_pack("[i, b]", 42, 1));
	spoil(output, fault);
	text = json_dumps(output, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));
	json_decref(output);
	len = strlen(text);
	switch (fault)
	{
		case FAULT_PROSE:
			bytes_addf(to, "Certainly! Looking at this contact, I would say that the relationship is going well and that a friendly message is in order.");
			break;
		case FAULT_FENCED:
			bytes_addf(to, "Here is my analysis:\n\n```json\n%s\n```\n\nLet me know if you need more.", text);
			break;
		case FAULT_BROKEN_JSON:
			{
				char	   *colon = strchr(text, ':');

				bytes_add(to, text, colon - text);
				bytes_addf(to, " = <%s", colon + 1);
				break;
			}
		case FAULT_TRUNCATED_JSON:
			bytes_add(to, text, len / 2);
			break;
		case FAULT_NUL:
			/* One as an escape within the JSON, one as itself between its members. */
			bytes_addf(to, "{\"nul\": \"a\\u0000b\",");
			bytes_add(to, "\0", 1);
			bytes_addf(to, "%s", text + 1);
			break;
		case FAULT_BAD_UTF8:
			bytes_addf(to, "{\"bad\": \"caf\xe9 \xff\xfe \xed\xa0\x80 \xc3\",%s", text + 1);
			break;
		case FAULT_REFUSAL:
		case FAULT_EMPTY:
			break;
		default:
			bytes_add(to, text, len);
	}
	free(text);
}

/* ---- wire forms ---- */

static const char *
stop_reason(Fault fault, Api api)
{
	if (fault == FAULT_TRUNCATED_JSON)
		return api == API_ANTHROPIC ? "max_tokens" : "length";
	if (fault == FAULT_REFUSAL)
		return api == API_ANTHROPIC ? "refusal" : "content_filter";
	return api == API_ANTHROPIC ? "end_turn" : "stop";
}

/* Where the next piece of a streamed text ends: never within a character. */
static size_t
piece_end(const Bytes *text, size_t at)
{
	size_t		end = at + DELTA_BYTES;

	if (end >= text->len)
		return text->len;
	while (end < text->len && ((unsigned char) text->data[end] & 0xC0) == 0x80)
		end++;
	return end;
}

static void
add_anthropic(Bytes *to, const Bytes *text, const char *stop)
{
	bytes_addf(to, "{\"id\":\"msg_%c\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"%c\",\"content\":[", MARK_ID, MARK_MODEL);
	if (text->len != 0)
	{
		bytes_addf(to, "{\"type\":\"text\",\"text\":\"");
		add_escaped(to, text->data, text->len);
		bytes_addf(to, "\"}");
	}
	bytes_addf(to, "%c],\"stop_reason\":\"%s\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":%c,\"cache_creation_input_tokens\":%c,"
			   "\"cache_read_input_tokens\":%c,\"output_tokens\":%zu,\"service_tier\":\"standard\"}}", MARK_MIDDLE, stop, MARK_INPUT, MARK_WRITTEN, MARK_READ, text->len / 4 + 1);
}

static void
add_anthropic_stream(Bytes *to, const Bytes *text, const char *stop)
{
	bool		marked = false;

	bytes_addf(to, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_%c\",\"type\":\"message\",\"role\":\"assistant\","
			   "\"model\":\"%c\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":%c,"
			   "\"cache_creation_input_tokens\":%c,\"cache_read_input_tokens\":%c,\"output_tokens\":1}}}\n\n", MARK_ID, MARK_MODEL, MARK_INPUT, MARK_WRITTEN, MARK_READ);
	if (text->len != 0)
		bytes_addf(to, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
	bytes_addf(to, "event: ping\ndata: {\"type\": \"ping\"}\n\n");
	for (size_t at = 0, end; at < text->len; at = end)
	{
		end = piece_end(text, at);
		if (!marked && end * 2 > text->len)
		{
			bytes_addf(to, "%c", MARK_MIDDLE);
			marked = true;
		}
		bytes_addf(to, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"");
		add_escaped(to, text->data + at, end - at);
		bytes_addf(to, "\"}}\n\n");
	}
	if (!marked)
		bytes_addf(to, "%c", MARK_MIDDLE);
	if (text->len != 0)
		bytes_addf(to, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
	bytes_addf(to, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},"
			   "\"usage\":{\"output_tokens\":%zu}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", stop, text->len / 4 + 1);
}

static void
add_openai_usage(Bytes *to, const Bytes *text)
{
	bytes_addf(to, "\"usage\":{\"prompt_tokens\":%c,\"completion_tokens\":%zu,\"prompt_tokens_details\":{\"cached_tokens\":%c}}", MARK_INPUT,
			   text->len / 4 + 1, MARK_READ);
}

static void
add_openai(Bytes *to, const Bytes *text, const char *stop, bool refused)
{
	bytes_addf(to, "{\"id\":\"chatcmpl-%c\",\"object\":\"chat.completion\",\"created\":1790000000,\"model\":\"%c\",\"choices\":[{\"index\":0,\"message\":"
			   "{\"role\":\"assistant\",\"content\":", MARK_ID, MARK_MODEL);
	if (refused)
		bytes_addf(to, "null,\"refusal\":\"I can't help with that.\"%c", MARK_MIDDLE);
	else
	{
		bytes_addf(to, "\"");
		add_escaped(to, text->data, text->len);
		bytes_addf(to, "\",\"refusal\":null%c", MARK_MIDDLE);
	}
	bytes_addf(to, "},\"logprobs\":null,\"finish_reason\":\"%s\"}],", stop);
	add_openai_usage(to, text);
	bytes_addf(to, "}");
}

/* The start of each event of a stream. */
static void
add_openai_chunk(Bytes *to)
{
	bytes_addf(to, "data: {\"id\":\"chatcmpl-%c\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"%c\",\"choices\":[", MARK_ID, MARK_MODEL);
}

static void
add_openai_stream(Bytes *to, const Bytes *text, const char *stop, bool refused)
{
	bool		marked = false;

	add_openai_chunk(to);
	bytes_addf(to, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n");
	for (size_t at = 0, end; at < text->len; at = end)
	{
		end = piece_end(text, at);
		if (!marked && end * 2 > text->len)
		{
			bytes_addf(to, "%c", MARK_MIDDLE);
			marked = true;
		}
		add_openai_chunk(to);
		bytes_addf(to, "{\"index\":0,\"delta\":{\"content\":\"");
		add_escaped(to, text->data + at, end - at);
		bytes_addf(to, "\"},\"finish_reason\":null}]}\n\n");
	}
	if (!marked)
		bytes_addf(to, "%c", MARK_MIDDLE);
	if (refused)
	{
		add_openai_chunk(to);
		bytes_addf(to, "{\"index\":0,\"delta\":{\"refusal\":\"I can't help with that.\"},\"finish_reason\":null}]}\n\n");
	}
	add_openai_chunk(to);
	bytes_addf(to, "{\"index\":0,\"delta\":{},\"finish_reason\":\"%s\"}]}\n\n", stop);
	add_openai_chunk(to);
	bytes_addf(to, "],");
	add_openai_usage(to, text);
	bytes_addf(to, "}\n\ndata: [DONE]\n\n");
}

static void
prepare_body(Bytes *to, int agent, Fault fault, Api api, bool stream)
{
	Bytes		text = {0};
	const char *stop = stop_reason(fault, api);

	add_text(&text, agent, fault);
	if (api == API_ANTHROPIC)
		(stream ? add_anthropic_stream : add_anthropic) (to, &text, stop);
	else
		(stream ? add_openai_stream : add_openai) (to, &text, stop, fault == FAULT_REFUSAL);
	free(text.data);
}

void
answer_body(Bytes *to, int agent, Fault fault, Api api, bool stream, const Slip *slip, size_t *middle)
{
	Bytes	   *from = &body[agent][fault < FAULT_TEXTS ? fault : FAULT_NONE][api][stream];
	size_t		at = 0;

	if (from->data == NULL)
		prepare_body(from, agent, fault < FAULT_TEXTS ? fault : FAULT_NONE, api, stream);
	/* Marks are few and far between; everything else goes over in long pieces. */
	while (at < from->len)
	{
		size_t		piece = strcspn(from->data + at, "\1\2\3\4\5\6");
		char		number[24];

		bytes_add(to, from->data + at, piece);
		at += piece;
		if (at == from->len)
			break;
		switch (from->data[at++])
		{
			case MARK_ID:
				bytes_add(to, number, sprintf(number, "%012llx", (unsigned long long) slip->id));
				break;
			case MARK_INPUT:
				bytes_add(to, number, sprintf(number, "%zu", api == API_ANTHROPIC ? slip->input_tokens - slip->read - slip->written : slip->input_tokens));
				break;
			case MARK_READ:
				bytes_add(to, number, sprintf(number, "%zu", slip->read));
				break;
			case MARK_WRITTEN:
				bytes_add(to, number, sprintf(number, "%zu", slip->written));
				break;
			case MARK_MODEL:
				bytes_add(to, slip->model, slip->model_len);
				break;
			case MARK_MIDDLE:
				*middle = to->len;
				break;
		}
	}
}

void
error_body(Bytes *to, Api api, int status, const char *type, const char *code, const char *message, uint64_t id)
{
	if (api == API_ANTHROPIC)
	{
		bytes_addf(to, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"%s\"", type, message);
		if (code != NULL)
			bytes_addf(to, ",\"details\":{\"error_code\":\"%s\"}", code);
		bytes_addf(to, "},\"request_id\":\"req_%012llx\"}", (unsigned long long) id);
	}
	else
		bytes_addf(to, "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"}}", message, type, code ? code : type);
}

/* ---- faults in paths ---- */

/* The next segment of a path; false at its end. */
static bool
next_segment(const char *path, size_t len, size_t *at, const char **segment, size_t *segment_len)
{
	const char *end;

	if (*at >= len || path[*at] != '/')
		return false;
	*segment = path + *at + 1;
	end = memchr(*segment, '/', len - *at - 1);
	*segment_len = end ? end - *segment : len - *at - 1;
	*at += 1 + *segment_len;
	return true;
}

static bool
is(const char *segment, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(segment, name, len) == 0;
}

/* A number that fills a segment, or -1. */
static long
number_of(const char *segment, size_t len)
{
	long		value = 0;

	if (len == 0 || len > 9)
		return -1;
	for (size_t i = 0; i < len; i++)
	{
		if (segment[i] < '0' || segment[i] > '9')
			return -1;
		value = value * 10 + segment[i] - '0';
	}
	return value;
}

long
spec_read(const char *path, size_t len, Spec *out)
{
	static const char *const option[] = {"agent", "times", "ms", "burst", "model", "contact"};
	const size_t options = sizeof(option) / sizeof(option[0]);
	const char *name,
			   *segment;
	size_t		at = 0,
				name_len,
				segment_len;

	if (!next_segment(path, len, &at, &segment, &segment_len) || !is(segment, segment_len, "fault"))
		return 0;
	if (!next_segment(path, len, &at, &name, &name_len))
		return -1;
	*out = (Spec) {.agent = -1, .times = -1, .ms = 60000, .burst = -1, .text = path};
	for (size_t i = 0; i < sizeof(fault_name) / sizeof(fault_name[0]); i++)
		if (is(name, name_len, fault_name[i].name))
		{
			out->fault = fault_name[i].fault;
			if (fault_name[i].argument == ARGUMENT_NUMBER &&
				(!next_segment(path, len, &at, &segment, &segment_len) || (out->number = number_of(segment, segment_len)) < 0))
				return -1;
		}
	if (out->fault == FAULT_NONE || (out->fault == FAULT_STATUS && (out->number < 200 || out->number > 599)) || (out->fault == FAULT_RATE && out->number == 0))
		return -1;
	for (;;)
	{
		size_t		ahead = at;
		size_t		which = 0;
		long		value;

		if (!next_segment(path, len, &ahead, &name, &name_len))
			break;
		while (which < options && !is(name, name_len, option[which]))
			which++;
		if (which == options)
			break;
		if (!next_segment(path, len, &ahead, &segment, &segment_len))
			return -1;
		value = which == 0 ? agent_find(segment, segment_len) : which >= 4 ? 0 : number_of(segment, segment_len);
		if (value < 0)
			return -1;
		switch (which)
		{
			case 0:
				out->agent = value;
				break;
			case 1:
				out->times = value;
				break;
			case 2:
				out->ms = value;
				break;
			case 3:
				out->burst = value;
				break;
			case 4:
				out->model = segment;
				out->model_len = segment_len;
				break;
			case 5:
				out->contact = segment;
				out->contact_len = segment_len;
				break;
		}
		at = ahead;
	}
	out->text_len = at;
	return at;
}
