/*
 * test/unit/test_llm_answer.c: what servers send, as it was seen on wires, and
 * what comes of it, in whatever pieces and with whatever line ends it arrives.
 */
#include "llm/answer.h"

#include <time.h>

#include "core/json.h"
#include "unit.h"

#define LIMIT ((size_t) 64 * 1024)

typedef struct Row
{
	const char *name;
	KamApi		api;
	int			status;			/* 0: 200 */
	const char *type;			/* NULL: by the body's first byte */
	const char *body;
	size_t		len;			/* 0: to the NUL */
	/* what comes of it */
	const char *text;
	KamStop		stop;
	const char *reason;
	const char *error;			/* its type; NULL: none, and the answer is complete */
	const char *code;
	const char *message;		/* its begin */
	KamUsage	usage;
	const char *id;
	const char *model;
	const char *request_id;
} Row;

#define A KAM_API_ANTHROPIC
#define O KAM_API_OPENAI

/* ---- building blocks ------------------------------------------------------------ */

#define EVENT(name, data) "event: " name "\ndata: " data "\n\n"
#define START EVENT("message_start", \
	"{\"type\":\"message_start\",\"message\":{\"id\":\"msg_01\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[]," \
	"\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":2000," \
	"\"cache_creation\":{\"ephemeral_5m_input_tokens\":100,\"ephemeral_1h_input_tokens\":0},\"output_tokens\":1,\"service_tier\":\"standard\"}}}")
#define BLOCK(index, type) EVENT("content_block_start", "{\"type\":\"content_block_start\",\"index\":" index ",\"content_block\":" type "}")
#define TEXT_BLOCK(index) BLOCK(index, "{\"type\":\"text\",\"text\":\"\"}")
#define DELTA(index, text) EVENT("content_block_delta", \
	"{\"type\":\"content_block_delta\",\"index\":" index ",\"delta\":{\"type\":\"text_delta\",\"text\":\"" text "\"}}")
#define STOP_BLOCK(index) EVENT("content_block_stop", "{\"type\":\"content_block_stop\",\"index\":" index "}")
#define MESSAGE_DELTA(reason) EVENT("message_delta", \
	"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":" reason ",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}")
#define STOP EVENT("message_stop", "{\"type\":\"message_stop\"}")
#define PING EVENT("ping", "{\"type\": \"ping\"}")
#define USED {25, 15, 2000, 100}
#define BEGUN {25, 1, 2000, 100}

#define CHUNK(choice) "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-x\",\"choices\":[" choice "]}\n\n"
#define PIECE(text) CHUNK("{\"index\":0,\"delta\":{\"content\":\"" text "\"},\"finish_reason\":null}")
#define END(reason) CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}")
#define USAGE "data: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-x\",\"choices\":[],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":15,\"total_tokens\":135," \
	"\"prompt_tokens_details\":{\"cached_tokens\":100,\"cache_write_tokens\":5},\"completion_tokens_details\":{\"reasoning_tokens\":3}}}\n\n"
#define DONE "data: [DONE]\n\n"
#define COMPLETION(choice, rest) "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":\"gpt-x\",\"choices\":[" choice "]" rest "}"
#define MESSAGE(content, reason) "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":" content ",\"refusal\":null},\"finish_reason\":\"" reason "\"}"
#define MSG(content, reason, rest) "{\"id\":\"msg_01\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":" content \
	",\"stop_reason\":" reason rest "}"

/* ---- the wires --------------------------------------------------------------------- */

static const Row rows[] = {
	/* Messages, streamed */
	{"anthropic: clean stream", A, .body = START TEXT_BLOCK("0") PING DELTA("0", "{\\\"a\\\":") DELTA("0", " 1}") STOP_BLOCK("0") MESSAGE_DELTA("\"end_turn\"") STOP,
	.text = "{\"a\": 1}", .stop = KAM_STOP_END, .reason = "end_turn", .usage = USED, .id = "msg_01", .model = "claude-x"},
	{"anthropic: unknown events and fields", A,
		.body = ": a comment\nretry: 5\nid: 7\nfoo: bar\n\n" START EVENT("new_thing", "not even JSON") EVENT("other", "{\"type\":\"message_stop\"}") TEXT_BLOCK("0")
		"data: {\"type\":\"brand_new\",\"x\":1}\n\n" DELTA("0", "ok") MESSAGE_DELTA("\"end_turn\"") STOP,
	.text = "ok", .stop = KAM_STOP_END, .reason = "end_turn", .usage = USED, .id = "msg_01"},
	{"anthropic: events without names", A,
		.body = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":3}}}\n\n"
		"data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
	.text = "x", .usage = {3}, .id = "m"},
	{"anthropic: data over several lines, no space behind the colon", A,
		.body = "event:message_start\ndata:{\"type\":\ndata:\"message_start\",\"message\":{}}\n\n"
		"data:{\"type\":\"content_block_delta\",\ndata: \"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n" STOP,
	.text = "x"},
	{"anthropic: a byte order mark", A, .body = "\xef\xbb\xbf" START TEXT_BLOCK("0") DELTA("0", "x") MESSAGE_DELTA("\"end_turn\"") STOP,
	.text = "x", .stop = KAM_STOP_END, .usage = USED},
	{"anthropic: thinking is passed over", A,
		.body = START BLOCK("0", "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"\"}")
		EVENT("content_block_delta", "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"{\\\"no\\\":1}\"}}")
		EVENT("content_block_delta", "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"abc\"}}")
		STOP_BLOCK("0") BLOCK("1", "{\"type\":\"redacted_thinking\",\"data\":\"xx\"}") STOP_BLOCK("1") TEXT_BLOCK("2") DELTA("2", "yes") STOP_BLOCK("2")
		MESSAGE_DELTA("\"end_turn\"") STOP,
	.text = "yes", .stop = KAM_STOP_END, .usage = USED},
	{"anthropic: several text blocks, the second begun with text", A,
		.body = START TEXT_BLOCK("0") DELTA("0", "a") STOP_BLOCK("0") BLOCK("1", "{\"type\":\"text\",\"text\":\"b\"}") DELTA("1", "c") MESSAGE_DELTA("\"end_turn\"") STOP,
	.text = "abc", .stop = KAM_STOP_END, .usage = USED},
	{"anthropic: cut off by length", A, .body = START TEXT_BLOCK("0") DELTA("0", "{\\\"a\\\":") MESSAGE_DELTA("\"max_tokens\"") STOP,
	.text = "{\"a\":", .stop = KAM_STOP_LENGTH, .reason = "max_tokens", .usage = USED},
	{"anthropic: refused, with nothing said", A,
		.body = START EVENT("message_delta", "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\",\"stop_details\":{\"type\":\"refusal\",\"category\":\"cyber\"}},"
		"\"usage\":{\"output_tokens\":0}}") STOP,
	.text = "", .stop = KAM_STOP_REFUSAL, .reason = "refusal", .message = "cyber", .usage = {25, 0, 2000, 100}},
	{"anthropic: tools nobody asked for", A,
		.body = START BLOCK("0", "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{}}")
		EVENT("content_block_delta", "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}")
		MESSAGE_DELTA("\"tool_use\"") STOP,
	.text = "", .stop = KAM_STOP_OTHER, .reason = "tool_use", .usage = USED},
	{"anthropic: the context was too small", A, .body = START TEXT_BLOCK("0") DELTA("0", "x") MESSAGE_DELTA("\"model_context_window_exceeded\"") STOP,
	.text = "x", .stop = KAM_STOP_CONTEXT, .usage = USED},
	{"anthropic: a stop reason of tomorrow", A, .body = START TEXT_BLOCK("0") DELTA("0", "x") MESSAGE_DELTA("\"bored\"") STOP,
	.text = "x", .stop = KAM_STOP_UNKNOWN, .reason = "bored", .usage = USED},
	{"anthropic: usage told again in full", A,
		.body = START EVENT("message_delta", "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":30,"
		"\"cache_creation_input_tokens\":null,\"cache_read_input_tokens\":1,\"output_tokens\":9}}") STOP,
	.text = "", .stop = KAM_STOP_END, .usage = {30, 9, 1, 100}},
	{"anthropic: an error after 200", A,
		.body = START TEXT_BLOCK("0") DELTA("0", "half") EVENT("error", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},"
		"\"request_id\":\"req_9\"}"),
	.text = "half", .error = "overloaded_error", .message = "Overloaded", .usage = BEGUN, .request_id = "req_9"},
	{"anthropic: what follows an error is not read", A,
		.body = START EVENT("error", "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"first\"}}") TEXT_BLOCK("0") DELTA("0", "x")
		EVENT("error", "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"second\"}}") STOP,
	.text = "", .error = "api_error", .message = "first", .usage = BEGUN},
	{"anthropic: an error event without a name", A, .body = "data: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}\n\n",
	.text = "", .error = "api_error", .message = "m"},
	{"anthropic: an error event of prose", A, .body = START EVENT("error", "upstream  went\taway"), .text = "", .error = "error", .message = "upstream went away", .usage = BEGUN},
	{"anthropic: a stream under 529", A, .status = 529, .body = EVENT("error", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}"),
	.text = "", .error = "overloaded_error", .message = "m"},
	{"anthropic: a stream under 500 that tells no error", A, .status = 500, .body = START STOP, .text = "", .error = "unreadable", .message = "HTTP 500", .usage = BEGUN},
	{"anthropic: no message_stop", A, .body = START TEXT_BLOCK("0") DELTA("0", "{}") STOP_BLOCK("0") MESSAGE_DELTA("\"end_turn\""),
	.text = "{}", .stop = KAM_STOP_END, .error = "truncated", .message = "the stream ended before its end, after 2 bytes", .usage = USED},
	{"anthropic: cut inside an event", A, .body = START TEXT_BLOCK("0") DELTA("0", "x") "event: content_block_delta\ndata: {\"type\":\"content_bl",
	.text = "x", .error = "truncated", .usage = BEGUN},
	{"anthropic: the last event without its blank line", A, .body = START TEXT_BLOCK("0") DELTA("0", "x") "data: {\"type\":\"message_stop\"}",
	.text = "x", .usage = BEGUN},
	{"anthropic: what follows the end is not read", A, .body = START TEXT_BLOCK("0") DELTA("0", "x") MESSAGE_DELTA("\"end_turn\"") STOP DELTA("0", "y") DONE "junk",
	.text = "x", .stop = KAM_STOP_END, .usage = USED},
	{"anthropic: another API's end is none", A, .body = START DONE, .text = "", .error = "truncated", .usage = BEGUN},
	{"anthropic: an end without an answer", A, .body = STOP, .text = "", .error = "empty", .message = "the stream held no answer"},
	{"anthropic: pings alone", A, .body = PING PING, .text = "", .error = "truncated"},
	{"anthropic: broken JSON in an event", A, .body = START TEXT_BLOCK("0") EVENT("content_block_delta", "{\"type\":\"content_block_delta\",\"delta\":") STOP,
	.text = "", .error = "unreadable", .message = "JSON that is cut off: {\"type\":\"content_block_delta\"", .usage = BEGUN},
	{"anthropic: wrong types everywhere", A,
		.body = EVENT("message_start", "{\"type\":\"message_start\",\"message\":[]}") EVENT("content_block_start", "{\"type\":\"content_block_start\",\"content_block\":7}")
		EVENT("content_block_delta", "{\"type\":\"content_block_delta\",\"delta\":\"x\"}")
		EVENT("content_block_delta", "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":5}}")
		EVENT("content_block_delta", "{\"type\":\"content_block_delta\",\"delta\":{\"type\":null,\"text\":\"no\"}}")
		EVENT("message_delta", "{\"type\":\"message_delta\",\"delta\":null,\"usage\":{\"output_tokens\":\"7\",\"input_tokens\":-4}}") EVENT("message_delta", "[[]]")
		EVENT("message_start", "{\"type\":7}") STOP,
	.text = ""},
	{"anthropic: numbers beyond all bounds", A,
		.body = EVENT("message_start", "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":99999999999999999999999,\"output_tokens\":1.5e300}}}") STOP,
	.text = "", .usage = {1000000000000000, 1000000000000000}},

	/* Messages, whole */
	{"anthropic: a document though a stream was asked for", A, .type = "application/json",
		.body = MSG("[{\"type\":\"thinking\",\"thinking\":\"no\"},{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]", "\"end_turn\"",
		",\"usage\":{\"input_tokens\":7,\"output_tokens\":3,\"cache_creation\":{\"ephemeral_5m_input_tokens\":4,\"ephemeral_1h_input_tokens\":5}}"),
	.text = "ab", .stop = KAM_STOP_END, .reason = "end_turn", .usage = {7, 3, 0, 9}, .id = "msg_01", .model = "claude-x"},
	{"anthropic: a document that says it is a stream", A, .type = "text/event-stream", .body = MSG("[{\"type\":\"text\",\"text\":\"a\"}]", "\"end_turn\"", ""),
	.text = "a", .stop = KAM_STOP_END},
	{"anthropic: a stream that says it is a document", A, .type = "application/json; charset=utf-8", .body = START TEXT_BLOCK("0") DELTA("0", "x") STOP,
	.text = "x", .usage = BEGUN},
	{"anthropic: no content type at all", A, .type = "", .body = START TEXT_BLOCK("0") DELTA("0", "x") STOP, .text = "x", .usage = BEGUN},
	{"anthropic: refused in a document", A, .body = MSG("[]", "\"refusal\"", ",\"stop_details\":{\"category\":null,\"explanation\":\"Not\\nthis.\"}"),
	.text = "", .stop = KAM_STOP_REFUSAL, .message = "Not this."},
	{"anthropic: an error", A, .status = 429,
		.body = "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow down\",\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}},"
		"\"request_id\":\"req_1\"}",
	.text = "", .error = "rate_limit_error", .code = "enforced_spend_limit_reached", .message = "slow down", .request_id = "req_1"},
	{"anthropic: wrong types in a document", A, .body = "{\"content\":[7,null,[],{\"type\":\"text\"},{\"type\":\"text\",\"text\":{}}],\"usage\":7,\"stop_reason\":[],\"id\":3}", .text = ""},
	{"anthropic: JSON that is no answer", A, .body = "{\"content\":{\"a\":1}}", .text = "", .error = "unreadable", .message = "JSON, but no answer: {\"content\":{\"a\":1}}"},
	{"anthropic: JSON cut off", A, .body = "{\"content\":[{\"type\":\"text\",\"te", .text = "", .error = "truncated", .message = "JSON that is cut off: {\"content\""},

	/* Chat Completions, streamed */
	{"openai: clean stream, usage in the last chunk", O,
		.body = CHUNK("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":null}") PIECE("{\\\"a\\\":") PIECE(" 1}") END("stop") USAGE DONE,
	.text = "{\"a\": 1}", .stop = KAM_STOP_END, .reason = "stop", .usage = {15, 15, 100, 5}, .id = "chatcmpl-1", .model = "gpt-x"},
	{"openai: no usage", O, .body = PIECE("x") END("stop") DONE, .text = "x", .stop = KAM_STOP_END},
	{"openai: no [DONE]", O, .body = PIECE("x") END("stop"), .text = "x", .stop = KAM_STOP_END},
	{"openai: [DONE] without a blank line", O, .body = PIECE("x") END("length") "data: [DONE]", .text = "x", .stop = KAM_STOP_LENGTH, .reason = "length"},
	{"openai: neither finish_reason nor [DONE]", O, .body = PIECE("x"), .text = "x", .error = "truncated", .message = "the stream ended before its end, after 1 bytes"},
	{"openai: cut inside a chunk", O, .body = PIECE("x") "data: {\"choices\":[{\"delta\":{\"con", .text = "x", .error = "truncated"},
	{"openai: [DONE] alone", O, .body = DONE, .text = "", .error = "empty"},
	{"openai: a byte order mark belongs to the first line alone", O, .body = PIECE("x") "\xef\xbb\xbf" PIECE("no") END("stop") DONE, .text = "x", .stop = KAM_STOP_END},
	{"openai: comments between", O, .type = "text/event-stream", .body = ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n" PIECE("x") END("stop") DONE,
	.text = "x", .stop = KAM_STOP_END},
	{"openai: an empty finish_reason is none", O, .body = CHUNK("{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"\"}"), .text = "x", .error = "truncated"},
	{"openai: reasoning is passed over", O,
		.body = CHUNK("{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\",\"content\":null}}") CHUNK("{\"index\":0,\"delta\":{\"reasoning\":\"hm\"}}") PIECE("x") END("stop") DONE,
	.text = "x", .stop = KAM_STOP_END},
	{"openai: content in parts", O,
		.body = CHUNK("{\"index\":0,\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"no\"}]},{\"type\":\"text\",\"text\":\"yes\"}]}}") END("stop") DONE,
	.text = "yes", .stop = KAM_STOP_END},
	{"openai: other choices are not ours", O,
		.body = CHUNK("{\"index\":1,\"delta\":{\"content\":\"no\"}},{\"index\":0,\"delta\":{\"content\":\"yes\"}}") END("stop") DONE, .text = "yes", .stop = KAM_STOP_END},
	{"openai: filtered", O, .body = PIECE("x") END("content_filter") DONE, .text = "x", .stop = KAM_STOP_REFUSAL, .reason = "content_filter"},
	{"openai: refused in pieces", O,
		.body = CHUNK("{\"index\":0,\"delta\":{\"refusal\":\"I can\"}}") CHUNK("{\"index\":0,\"delta\":{\"refusal\":\" not \"}}") CHUNK("{\"index\":0,\"delta\":{\"refusal\":\"help.\"}}")
		END("stop") DONE,
	.text = "", .stop = KAM_STOP_REFUSAL, .reason = "stop", .message = "I can not help."},
	{"openai: tool calls", O, .body = CHUNK("{\"index\":0,\"delta\":{\"tool_calls\":[{}]}}") END("tool_calls") DONE, .text = "", .stop = KAM_STOP_OTHER},
	{"openai: an error in a chunk", O,
		.body = PIECE("x") "data: {\"id\":\"g\",\"error\":{\"code\":502,\"message\":\"Provider disconnected\"},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n" DONE,
	.text = "x", .error = "error", .code = "502", .message = "Provider disconnected"},
	{"openai: an error in a choice", O,
		.body = CHUNK("{\"index\":0,\"delta\":{\"content\":\"x\"},\"error\":{\"code\":429,\"message\":\"slow\",\"metadata\":{\"raw\":\"{\\\"detail\\\": 1}\"}}}") DONE,
	.text = "", .error = "error", .code = "429", .message = "slow: {\"detail\": 1}"},
	{"openai: broken off with an error that is not told", O, .body = PIECE("x") END("error") DONE, .text = "x", .reason = "error", .error = "error",
	.message = "the server broke the answer off"},
	{"openai: an error field instead of data", O, .body = PIECE("x") "error: {\"code\":500,\"message\":\"slot gone\",\"type\":\"server_error\"}\n\n",
	.text = "x", .error = "server_error", .code = "500", .message = "slot gone"},
	{"openai: an error event", O, .body = "event: error\ndata: {\"error\":{\"type\":\"server_error\",\"message\":\"m\",\"code\":null}}\n\n", .text = "", .error = "server_error", .message = "m"},
	{"openai: a named event that is no chunk", O, .body = "event: ping\ndata: hello\n\n" PIECE("x") END("stop") DONE, .text = "x", .stop = KAM_STOP_END},
	{"openai: broken JSON in a chunk", O, .body = PIECE("x") "data: {\"choices\":[{]}\n\n" PIECE("y") END("stop") DONE, .text = "x", .error = "unreadable", .message = "no JSON: {\"choices\":[{]}"},
	{"openai: wrong types everywhere", O,
		.body = "data: {\"choices\":7,\"usage\":[],\"id\":{},\"model\":null}\n\ndata: [1]\n\ndata: {\"choices\":[7,null,[]]}\n\n" CHUNK("{\"index\":\"x\",\"delta\":7}")
		CHUNK("{\"index\":0,\"delta\":{\"content\":{\"a\":1}}}") CHUNK("{\"index\":0,\"delta\":{\"content\":[7,{\"type\":7}]},\"finish_reason\":7}")
		"data: {\"usage\":{\"prompt_tokens\":\"x\",\"completion_tokens\":null}}\n\n" DONE,
	.text = ""},
	{"openai: more cached than there was", O, .body = PIECE("x") END("stop")
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":50,\"cache_write_tokens\":3}}}\n\n" DONE,
	.text = "x", .stop = KAM_STOP_END, .usage = {0, 1, 10, 0}},
	{"openai: cached tokens under another name", O, .body = PIECE("x") END("stop")
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1,\"prompt_cache_hit_tokens\":4}}\n\n" DONE,
	.text = "x", .stop = KAM_STOP_END, .usage = {6, 1, 4, 0}},
	{"openai: usage counted up in every chunk", O, .body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n"
		"data: {\"choices\":[],\"usage\":null}\n\n" DONE,
	.text = "x", .stop = KAM_STOP_END, .usage = {5, 2}},

	/* Chat Completions, whole */
	{"openai: a document", O,
		.body = COMPLETION(MESSAGE("\"{}\"", "stop"), ",\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":8}}"),
	.text = "{}", .stop = KAM_STOP_END, .usage = {12, 2, 8, 0}, .id = "chatcmpl-1", .model = "gpt-x"},
	{"openai: refused in a document", O,
		.body = COMPLETION("{\"index\":0,\"message\":{\"content\":null,\"refusal\":\"No.\"},\"finish_reason\":\"stop\"}", ""), .text = "", .stop = KAM_STOP_REFUSAL, .message = "No."},
	{"openai: an error under 200", O, .body = "{\"error\":{\"code\":502,\"message\":\"Upstream\",\"metadata\":{\"provider_name\":\"p\"}},\"user_id\":\"u\"}",
	.text = "", .error = "error", .code = "502", .message = "Upstream"},
	{"openai: an error in the choice of a document", O,
		.body = COMPLETION("{\"index\":0,\"message\":{\"content\":\"ha\"},\"finish_reason\":\"error\",\"error\":{\"code\":503,\"message\":\"gone\",\"type\":\"busy\"}}", ""),
	.text = "", .error = "busy", .code = "503", .message = "gone"},
	{"openai: insufficient quota", O, .status = 429,
		.body = "{\"error\":{\"message\":\"You exceeded your current quota\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"credit_balance_exhausted\"}}",
	.text = "", .error = "insufficient_quota", .code = "credit_balance_exhausted", .message = "You exceeded your current quota"},
	{"openai: an error of words alone", O, .status = 404, .body = "{\"error\":\"model 'x' not found\"}", .text = "", .error = "error", .message = "model 'x' not found"},
	{"openai: words and a type beside", O, .status = 429, .body = "{\"error\":\"busy\",\"error_type\":\"overloaded\"}", .text = "", .error = "overloaded", .message = "busy"},
	{"openai: an object of kind error", O, .body = "{\"object\":\"error\",\"message\":\"too long\",\"type\":\"BadRequestError\",\"code\":400}",
	.text = "", .error = "BadRequestError", .code = "400", .message = "too long"},
	{"openai: a framework's detail", O, .status = 422, .body = "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\",\"type\":\"missing\"}]}",
	.text = "", .error = "missing", .message = "field required"},
	{"openai: a framework's detail of words", O, .status = 404, .body = "{\"detail\":\"Not Found\"}", .text = "", .error = "error", .message = "Not Found"},
	{"openai: a gateway's message", O, .status = 401, .body = "{\"statusCode\":401,\"message\":\"Access denied\"}", .text = "", .error = "error", .message = "Access denied"},
	{"openai: a list of errors", O, .status = 403, .body = "{\"success\":false,\"errors\":[{\"code\":1020,\"message\":\"Blocked\"}]}", .text = "", .error = "error", .code = "1020",
	.message = "Blocked"},
	{"openai: an error in an array", O, .status = 400, .body = "[{\"error\":{\"code\":400,\"message\":\"API key not valid\",\"status\":\"INVALID_ARGUMENT\"}}]",
	.text = "", .error = "INVALID_ARGUMENT", .code = "400", .message = "API key not valid"},
	{"openai: an error of nothing", O, .status = 500, .body = "{\"error\":{}}", .text = "", .error = "error", .message = "an error without a message"},
	{"openai: JSON without an error under 500", O, .status = 500, .body = "{\"ok\":false}", .text = "", .error = "unreadable", .message = "HTTP 500, no error is told: {\"ok\":false}"},
	{"openai: an answer under 404 is none", O, .status = 404, .body = COMPLETION(MESSAGE("\"x\"", "stop"), ""), .text = "", .error = "unreadable", .message = "HTTP 404, no error is told"},
	{"openai: an error that is null", O, .body = COMPLETION(MESSAGE("\"x\"", "stop"), ",\"error\":null"), .text = "x", .stop = KAM_STOP_END},
	{"openai: no choices", O, .body = "{\"choices\":[]}", .text = "", .error = "unreadable", .message = "JSON, but no answer: {\"choices\":[]}"},
	{"openai: choices of wrong types", O, .body = "{\"choices\":[{\"index\":0,\"message\":7}]}", .text = "", .error = "unreadable"},
	{"openai: two documents", O, .body = COMPLETION(MESSAGE("\"x\"", "stop"), "") "\n{}", .text = "", .error = "unreadable", .message = "no JSON: {\"id\""},

	/* What is neither */
	{"HTML of a proxy", O, .status = 502, .type = "text/html", .body = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><hr>nginx</body></html>",
	.text = "", .error = "unreadable", .message = "HTTP 502, no JSON: 502 Bad Gateway nginx"},
	{"HTML under 200", A, .type = "text/html", .body = "  <!DOCTYPE html><h1>Sign in</h1>", .text = "", .error = "unreadable", .message = "no JSON: Sign in"},
	{"a redirect", A, .status = 302, .body = "<a href=\"https://x\">Found</a>", .text = "", .error = "unreadable", .message = "HTTP 302, no JSON: Found"},
	{"prose", A, .status = 413, .type = "text/plain", .body = "Request too large\n", .text = "", .error = "unreadable", .message = "HTTP 413, no JSON: Request too large"},
	{"prose that begins like a field", O, .type = "text/plain", .body = "dat", .text = "", .error = "unreadable", .message = "no JSON: dat"},
	{"prose that says it is a stream", O, .type = "text/event-stream", .body = "upstream connect error", .text = "", .error = "unreadable", .message = "no JSON: upstream connect error"},
	{"a stream that begins with a field nobody knows", O, .body = "foo: bar\nbaz\n\n" PIECE("x") END("stop") DONE, .text = "x", .stop = KAM_STOP_END},
	{"the same, cut off", O, .body = "foo: bar\nbaz\n\n" PIECE("x"), .text = "x", .error = "truncated"},
	{"nothing", A, .body = "", .text = "", .error = "empty", .message = "HTTP 200 with an empty body"},
	{"nothing under 204", O, .status = 204, .body = "", .text = "", .error = "empty", .message = "HTTP 204 with an empty body"},
	{"white space", O, .status = 503, .body = " \r\n\t", .text = "", .error = "empty", .message = "HTTP 503 with an empty body"},
	{"a byte order mark alone", O, .body = "\xef\xbb\xbf", .text = "", .error = "empty"},
	{"NULs", O, .body = "\0\0\0\0", .len = 4, .text = "", .error = "unreadable"},
	{"a scalar", O, .body = "true", .text = "", .error = "unreadable", .message = "no JSON: true"},
	{"a number that begins an array", O, .body = "[1,", .text = "", .error = "truncated"},

	/* Text that is not clean */
	{"a NUL in the text", A, .body = START TEXT_BLOCK("0") DELTA("0", "a\\u0000b\\u0000") DELTA("0", "\\u0000c") STOP, .text = "abc", .usage = BEGUN},
	{"a NUL in a key", O, .body = "{\"a\\u0000b\":1,\"choices\":[" MESSAGE("\"x\\u0000y\"", "stop") "]}", .text = "xy", .stop = KAM_STOP_END},
	{"a lone surrogate", O, .body = PIECE("a\\ud83db") PIECE("\\ude00c") PIECE("\\ud83d\\ude00\\ud83d\\n") END("stop") DONE,
	.text = "a\xef\xbf\xbd" "b\xef\xbf\xbd" "c\xf0\x9f\x98\x80\xef\xbf\xbd\n", .stop = KAM_STOP_END},
	{"escapes beside a lone surrogate stay", A, .body = MSG("[{\"type\":\"text\",\"text\":\"\\\\ud800 \\\"\\\\\\ud800\\u00e9\\/\"}]", "null", ""),
	.text = "\\ud800 \"\\\xef\xbf\xbd\xc3\xa9/"},
	{"bad UTF-8", O, .body = PIECE("a\xff\xc3" "b\xed\xa0\x80") END("stop") DONE, .text = "a\xef\xbf\xbd\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", .stop = KAM_STOP_END},
	{"good UTF-8, which pieces may part", O, .body = PIECE("\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac") END("stop") DONE, .text = "\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac", .stop = KAM_STOP_END},
	{"raw line ends in a string", A, .body = "{\"content\":[{\"type\":\"text\",\"text\":\"a\nb\tc\x01" "d\"}]}", .text = "a\nb\tc d"},
	{"bad UTF-8 in an error", O, .status = 500, .body = "{\"error\":{\"message\":\"a\xff\\u001b[31m\\r\\n b\"}}", .text = "", .error = "error", .message = "a\xef\xbf\xbd [31m b"},
	{"bad UTF-8 in prose", O, .status = 500, .body = "caf\xe9 \xc3\xa9", .text = "", .error = "unreadable", .message = "HTTP 500, no JSON: caf \xc3\xa9"},
};

/* ---- feeding --------------------------------------------------------------------------- */

static unsigned int dice = 1;

static unsigned int
roll(unsigned int sides)
{
	dice = dice * 1103515245u + 12345u;
	return (dice >> 16) % sides;
}

typedef enum Manner
{
	WHOLE, BYTES, PIECES, MANNERS
} Manner;

/* In heap blocks of just their size, so that a read beyond a piece is seen. */
static bool
feed(KamReader *reader, const char *data, size_t len, Manner manner)
{
	bool		wanted = true;

	while (len > 0 && wanted)
	{
		size_t		n = manner == WHOLE ? len : manner == BYTES ? 1 : 1 + roll(40);
		char	   *copy;

		if (n > len)
			n = len;
		copy = malloc(n);
		memcpy(copy, data, n);
		wanted = kam_reader_feed(reader, copy, n);
		free(copy);
		data += n;
		len -= n;
	}
	return wanted;
}

static bool
is_clean(const char *s, size_t len)
{
	json_t	   *string = json_stringn(s, len);
	bool		clean = string != NULL && strlen(s) == len;

	json_decref(string);
	return clean;
}

static bool
is_line(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char) *s < ' ' || *s == 0x7f)
			return false;
	return true;
}

/* What holds of any answer. */
static void
check_answer(const KamAnswer *a, const char *name)
{
	CHECK(a->complete != a->has_error, "%s", name);
	CHECK(is_clean(a->text, a->text_len), "%s: %s", name, a->text);
	CHECK(is_clean(a->error_message, strlen(a->error_message)) && is_line(a->error_message), "%s: %s", name, a->error_message);
	CHECK(!a->has_error || (*a->error_type != '\0' && *a->error_message != '\0'), "%s", name);
	CHECK(a->usage.input >= 0 && a->usage.output >= 0 && a->usage.cache_read >= 0 && a->usage.cache_write >= 0, "%s", name);
}

static const char *
or_empty(const char *s)
{
	return s != NULL ? s : "";
}

static void
check_row(const Row *row, const char *body, size_t len, Manner manner, const char *ends)
{
	KamReader  *reader = kam_reader_new(row->api, LIMIT);
	const char *type = row->type != NULL ? row->type : *body == '{' ? "application/json" : "text/event-stream; charset=utf-8";
	const KamAnswer *a;
	char		name[200];

	snprintf(name, sizeof(name), "%s (manner %d, %s)", row->name, manner, ends);
	kam_reader_begin(reader, row->status > 0 ? row->status : 200, type);
	CHECK(feed(reader, body, len, manner), "%s", name);
	a = kam_reader_finish(reader);
	check_answer(a, name);
	CHECK(a == kam_reader_finish(reader), "%s", name);
	CHECK(!kam_reader_feed(reader, "x", 1), "%s", name);

	CHECK(strcmp(a->text, row->text) == 0, "%s: text \"%s\", not \"%s\"", name, a->text, row->text);
	CHECK(a->stop == row->stop, "%s: stop %d, not %d", name, a->stop, row->stop);
	CHECK(row->reason == NULL || strcmp(a->stop_reason, row->reason) == 0, "%s: stop reason %s", name, a->stop_reason);
	CHECK(a->has_error == (row->error != NULL), "%s: %s, %s", name, a->error_type, a->error_message);
	CHECK(strcmp(a->error_type, or_empty(row->error)) == 0, "%s: error %s, not %s", name, a->error_type, or_empty(row->error));
	CHECK(strcmp(a->error_code, or_empty(row->code)) == 0, "%s: code %s", name, a->error_code);
	if (row->message != NULL)
		CHECK(strncmp(a->error_message, row->message, strlen(row->message)) == 0, "%s: message %s", name, a->error_message);
	CHECK(memcmp(&a->usage, &row->usage, sizeof(KamUsage)) == 0, "%s: usage %lld, %lld, %lld, %lld", name, (long long) a->usage.input,
		  (long long) a->usage.output, (long long) a->usage.cache_read, (long long) a->usage.cache_write);
	CHECK(row->id == NULL || strcmp(a->id, row->id) == 0, "%s: id %s", name, a->id);
	CHECK(row->model == NULL || strcmp(a->model, row->model) == 0, "%s: model %s", name, a->model);
	CHECK(strcmp(a->request_id, or_empty(row->request_id)) == 0, "%s: request id %s", name, a->request_id);
	kam_reader_free(reader);
}

/* LF written otherwise. */
static char *
with_ends(const char *body, size_t len, const char *end, size_t *out_len)
{
	char	   *out = malloc(2 * len + 1),
			   *to = out;

	for (size_t i = 0; i < len; i++)
	{
		if (body[i] == '\n')
		{
			memcpy(to, end, strlen(end));
			to += strlen(end);
		}
		else
			*to++ = body[i];
	}
	*to = '\0';
	*out_len = (size_t) (to - out);
	return out;
}

TEST(every_wire_in_any_pieces_and_line_ends)
{
	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		const Row  *row = &rows[i];
		size_t		len = row->len > 0 ? row->len : strlen(row->body);

		dice = (unsigned int) i + 1;
		for (Manner manner = WHOLE; manner < MANNERS; manner++)
		{
			check_row(row, row->body, len, manner, "as it is");
			/* A text with raw line ends inside a string is not one of lines. */
			if (strstr(row->body, "data:") != NULL)
			{
				size_t		other;
				char	   *crlf = with_ends(row->body, len, "\r\n", &other);

				check_row(row, crlf, other, manner, "CRLF");
				free(crlf);
				crlf = with_ends(row->body, len, "\r", &other);
				check_row(row, crlf, other, manner, "CR");
				free(crlf);
			}
		}
	}
}

/* Every place at which a stream may be cut: never complete before its end, and never a crash. */
TEST(a_cut_stream_is_never_complete)
{
	const Row  *streams[] = {&rows[0], NULL};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
		if (strcmp(rows[i].name, "openai: clean stream, usage in the last chunk") == 0)
			streams[1] = &rows[i];
	CHECK(streams[1] != NULL);
	for (size_t s = 0; s < KAM_LENGTHOF(streams); s++)
	{
		size_t		len = strlen(streams[s]->body);
		const char *end = strstr(streams[s]->body, s == 0 ? "{\"type\":\"message_stop\"}" : "\"finish_reason\":\"stop\"}]}");
		size_t		safe = (size_t) (end - streams[s]->body) + strlen(s == 0 ? "{\"type\":\"message_stop\"}" : "\"finish_reason\":\"stop\"}]}");

		for (size_t cut = 0; cut <= len; cut++)
		{
			KamReader  *reader = kam_reader_new(streams[s]->api, LIMIT);
			const KamAnswer *a;

			kam_reader_begin(reader, 200, "text/event-stream");
			feed(reader, streams[s]->body, cut, WHOLE);
			a = kam_reader_finish(reader);
			check_answer(a, "cut");
			CHECK(a->complete == (cut >= safe), "cut at %zu of %zu", cut, len);
			if (!a->complete)
				CHECK_STR(a->error_type, cut == 0 ? "empty" : "truncated");
			kam_reader_free(reader);
		}
	}
}

/* ---- bounds ------------------------------------------------------------------------------ */

/* Feeds begin, then a piece again and again, up to this many bytes; how many were wanted. */
static size_t
flood(KamReader *reader, const char *begin, const char *piece, size_t most)
{
	size_t		fed = 0,
				len = strlen(piece);

	if (!kam_reader_feed(reader, begin, strlen(begin)))
		return 0;
	while (fed < most)
	{
		bool		wanted = kam_reader_feed(reader, piece, len);

		fed += len;
		if (!wanted)
			break;
	}
	return fed;
}

TEST(fifty_megabytes_are_not_taken)
{
	static const struct
	{
		const char *what;
		KamApi		api;
		const char *begin;
		char		fill;
		const char *piece;
	}			floods[] = {
		{"a document", A, "{\"content\":[{\"type\":\"text\",\"text\":\"", 'x'},
		{"white space", O, "", ' '},
		{"one line", A, "data: ", 'x'},
		{"one field without a colon", O, "data: {}\n\n", 'y'},
		{"one event", A, "data: {\n", 0, "data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"},
		{"text in events", A, START, 0, DELTA("0", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")},
		{"text in chunks", O, "data: {}\n\n", 0, PIECE("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")},
		{"HTML", O, "<html>", 'x'},
	};
	const size_t limit = 1024 * 1024,
				most = (size_t) 50 * 1024 * 1024;
	char	   *filler = malloc(64 * 1024 + 1);

	for (size_t i = 0; i < KAM_LENGTHOF(floods); i++)
	{
		KamReader  *reader = kam_reader_new(floods[i].api, limit);
		const KamAnswer *a;
		size_t		fed;

		memset(filler, floods[i].fill, 64 * 1024);
		filler[64 * 1024] = '\0';
		kam_reader_begin(reader, 200, "");
		fed = flood(reader, floods[i].begin, floods[i].piece != NULL ? floods[i].piece : filler, most);
		CHECK(fed < 4 * limit, "%s: %zu bytes were taken", floods[i].what, fed);
		CHECK(!kam_reader_feed(reader, "x", 1), "%s", floods[i].what);
		a = kam_reader_finish(reader);
		check_answer(a, floods[i].what);
		CHECK_STR(a->error_type, "too_large");
		CHECK_STR(a->error_message, "the answer is longer than 1048576 bytes");
		CHECK(a->text_len <= limit, "%s", floods[i].what);
		kam_reader_free(reader);
	}
	free(filler);
}

/* Pings and comments for hours are no text. */
TEST(a_long_silence_is_not_too_large)
{
	KamReader  *reader = kam_reader_new(A, 4096);
	const KamAnswer *a;

	kam_reader_begin(reader, 200, "text/event-stream");
	CHECK(flood(reader, START, PING ": still there\n", 1024 * 1024) >= 1024 * 1024);
	CHECK(feed(reader, STOP, strlen(STOP), WHOLE));
	a = kam_reader_finish(reader);
	CHECK(a->complete);
	kam_reader_free(reader);
}

TEST(text_of_just_the_limit_is_taken)
{
	for (size_t more = 0; more < 2; more++)
	{
		KamReader  *reader = kam_reader_new(O, 200);
		char		body[400];
		const KamAnswer *a;

		kam_reader_begin(reader, 200, "text/event-stream");
		for (int i = 0; i < 5; i++)
		{
			snprintf(body, sizeof(body), "data: {\"choices\":[{\"delta\":{\"content\":\"%0*d\"}}]}\n\n", (int) (40 + (i == 4 ? more : 0)), 0);
			CHECK(feed(reader, body, strlen(body), WHOLE) == (i < 4 || more == 0), "%d", i);
		}
		if (more == 0)
			feed(reader, DONE, strlen(DONE), WHOLE);
		a = kam_reader_finish(reader);
		CHECK_INT(a->text_len, more == 0 ? 200 : 160);
		CHECK_STR(a->error_type, more == 0 ? "" : "too_large");
		kam_reader_free(reader);
	}
}

TEST(deep_and_wide_json_is_refused)
{
	static const struct
	{
		const char *piece;
		int			times;
		const char *error,
				   *message;
	}			shapes[] = {
		{"[", 1000000, "unreadable", "JSON of too many values"},
		{"[", 5000, "unreadable", "JSON that is nested too deeply"},
		{"{\"a\":", 5000, "unreadable", "JSON that is nested too deeply"},
		{"{\"a\":", 500, "truncated", "JSON that is cut off"},
		{"[],", 1000000, "unreadable", "JSON of too many values"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(shapes); i++)
	{
		for (int stream = 0; stream < 2; stream++)
		{
			KamReader  *reader = kam_reader_new(O, 16 * 1024 * 1024);
			const KamAnswer *a;

			kam_reader_begin(reader, 200, "");
			flood(reader, stream ? "data: [" : "[", shapes[i].piece, strlen(shapes[i].piece) * (size_t) shapes[i].times);
			if (stream)
				kam_reader_feed(reader, "\n\n", 2);
			a = kam_reader_finish(reader);
			check_answer(a, shapes[i].piece);
			CHECK_STR(a->error_type, stream ? "unreadable" : shapes[i].error);
			CHECK(strncmp(a->error_message, shapes[i].message, strlen(shapes[i].message)) == 0, "%s", a->error_message);
			kam_reader_free(reader);
		}
	}
}

/* Commas and brackets inside the model's text are no values. */
TEST(a_long_text_is_not_many_values)
{
	KamReader  *reader = kam_reader_new(A, 4 * 1024 * 1024);
	const KamAnswer *a;

	kam_reader_begin(reader, 200, "application/json");
	flood(reader, "{\"content\":[{\"type\":\"text\",\"text\":\"", "[1,{\\\"a\\\":2}],", 3 * 1024 * 1024);
	feed(reader, "\"}]}", 4, WHOLE);
	a = kam_reader_finish(reader);
	CHECK(a->complete, "%s", a->error_message);
	CHECK(a->text_len > 2 * 1024 * 1024);
	kam_reader_free(reader);
}

/* Line ends by the hundred thousand cost no more than other bytes: quadratic work would take a minute here. */
TEST(line_ends_are_linear)
{
	static const char *const pieces[] = {"\r", "\n", "\r\n", "data\r", ":\n", "data:\n\n"};

	for (size_t i = 0; i < KAM_LENGTHOF(pieces); i++)
	{
		size_t		len = strlen(pieces[i]),
					times = 1024 * 1024 / len;
		char	   *body = malloc(len * times);
		KamReader  *reader = kam_reader_new(O, 16 * 1024 * 1024);
		const KamAnswer *a;
		clock_t		begun = clock();

		for (size_t n = 0; n < times; n++)
			memcpy(body + n * len, pieces[i], len);
		kam_reader_begin(reader, 200, "text/event-stream");
		kam_reader_feed(reader, "data: {}\n\n", 10);
		CHECK(kam_reader_feed(reader, body, len * times));
		a = kam_reader_finish(reader);
		check_answer(a, pieces[i]);
		CHECK(clock() - begun < 3 * CLOCKS_PER_SEC, "%ld s", (long) ((clock() - begun) / CLOCKS_PER_SEC));
		kam_reader_free(reader);
		free(body);
	}
}

/* ---- without an answer, without memory ----------------------------------------------------- */

TEST(a_reader_that_got_nothing_says_so)
{
	KamReader  *reader = kam_reader_new(A, LIMIT);
	const KamAnswer *a = kam_reader_finish(reader);

	check_answer(a, "nothing");
	CHECK_STR(a->error_type, "empty");
	CHECK_STR(a->error_message, "nothing was answered");
	kam_reader_free(reader);
	kam_reader_free(NULL);
	reader = kam_reader_new(O, LIMIT);
	kam_reader_begin(reader, 200, NULL);
	CHECK(kam_reader_feed(reader, "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}", 41));
	kam_reader_free(reader);
}

/* jansson fails at its n-th allocation, for every n. */
static int	allocations_left;

static void *
scarce_malloc(size_t size)
{
	return allocations_left-- > 0 ? malloc(size) : NULL;
}

TEST(memory_may_run_out_anywhere)
{
	const char *const bodies[] = {
		START TEXT_BLOCK("0") DELTA("0", "a\\ud800") MESSAGE_DELTA("\"end_turn\"") STOP,
		MSG("[{\"type\":\"text\",\"text\":\"a\"}]", "\"end_turn\"", ""),
		EVENT("error", "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}"),
	};

	for (size_t i = 0; i < KAM_LENGTHOF(bodies); i++)
	{
		int			failures = 0,
					ends = 0;

		for (int n = 0; n < 300; n++)
		{
			KamReader  *reader = kam_reader_new(A, LIMIT);
			const KamAnswer *a;

			kam_reader_begin(reader, 200, "");
			allocations_left = n;
			json_set_alloc_funcs(scarce_malloc, free);
			feed(reader, bodies[i], strlen(bodies[i]), PIECES);
			a = kam_reader_finish(reader);
			json_set_alloc_funcs(malloc, free);
			check_answer(a, bodies[i]);
			/* Inside a string jansson calls it a fault of the JSON. */
			if (strcmp(a->error_type, "out_of_memory") == 0 || strcmp(a->error_type, "unreadable") == 0)
				failures += strcmp(a->error_type, "out_of_memory") == 0;
			else
			{
				ends++;
				CHECK_STR(a->text, i < 2 ? (i == 0 ? "a\xef\xbf\xbd" : "a") : "");
				CHECK_STR(a->error_type, i < 2 ? "" : "api_error");
			}
			kam_reader_free(reader);
		}
		CHECK(failures > 5 && ends > 5, "%d, %d", failures, ends);
	}
}

RUN_TESTS()
