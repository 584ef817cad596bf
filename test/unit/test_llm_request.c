/*
 * test/unit/test_llm_request.c: bodies as both APIs want them, what is left out
 * where it is refused, prefixes that calls share to the byte, and schemas as
 * structured output takes them.
 */
#include "llm/request.h"

#include <math.h>

#include "core/agents.h"
#include "core/extract.h"
#include "core/schema.h"
#include "unit.h"

typedef struct Case
{
	KamArena   *arena;
	json_t	   *dialect_json,
			   *traits_json,
			   *schema;
	KamDialect	dialect;
	KamTraits	traits;
	KamAsk		ask;
	KamRequest	request;
	char	   *text;			/* the body as it is sent */
	json_t	   *body;
} Case;

static KamPiece
piece(const char *text)
{
	return (KamPiece) {text, strlen(text)};
}

static Case
open_case(const char *api, const char *dialect, const char *traits)
{
	Case		c = {kam_arena_new()};
	KamError	error = {0};
	KamApi		id;

	CHECK(kam_api_from_name(api, &id));
	c.dialect_json = json_loads(dialect, 0, NULL);
	c.traits_json = json_loads(traits, 0, NULL);
	CHECK(c.dialect_json != NULL && c.traits_json != NULL);
	CHECK(kam_dialect_read(c.arena, id, c.dialect_json, &c.dialect, &error), "%s", error.message);
	CHECK(kam_traits_read(c.arena, c.traits_json, &c.traits, &error), "%s", error.message);
	c.ask.api = id;
	c.ask.base_url = "https://host.example/";
	c.ask.model = "some-model";
	c.ask.max_tokens = 1000;
	c.ask.has_temperature = true;
	c.ask.temperature = 0.7;
	c.ask.prompt = (KamPrompt) {piece("COMMON \\\"rules\\\""), piece("CONTACT"), piece(""), piece("OWN")};
	return c;
}

static const char *
build(Case *c)
{
	size_t		size = 0;
	char	   *to;

	c->ask.dialect = &c->dialect;
	c->ask.traits = &c->traits;
	if (c->schema != NULL)
		c->ask.schema = kam_schema_text(c->arena, c->schema);
	kam_request_build(c->arena, &c->ask, &c->request);
	CHECK(c->request.npieces <= KAM_REQUEST_PIECES);
	for (int i = 0; i < c->request.npieces; i++)
		size += c->request.piece[i].len;
	CHECK_INT(c->request.size, size);
	to = c->text = kam_alloc(c->arena, size + 1);
	for (int i = 0; i < c->request.npieces; i++)
	{
		memcpy(to, c->request.piece[i].data, c->request.piece[i].len);
		to += c->request.piece[i].len;
	}
	json_decref(c->body);
	c->body = json_loads(c->text, JSON_REJECT_DUPLICATES, NULL);
	CHECK(c->body != NULL, "%s", c->text);
	return c->text;
}

static void
close_case(Case *c)
{
	json_decref(c->body);
	json_decref(c->schema);
	json_decref(c->dialect_json);
	json_decref(c->traits_json);
	kam_arena_free(c->arena);
}

/* The value at a pointer as JSON text, "absent" when there is none. */
static const char *
at(const Case *c, const char *pointer)
{
	const json_t *value = kam_pointer(c->body, pointer);
	char	   *text = value != NULL ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	const char *out = kam_strdup(c->arena, text != NULL ? text : "absent");

	free(text);
	return out;
}

static const char *
header(const Case *c, const char *name)
{
	for (int i = 0; c->request.headers[i] != NULL; i++)
		if (strncmp(c->request.headers[i], name, strlen(name)) == 0 && c->request.headers[i][strlen(name)] == ':')
			return c->request.headers[i] + strlen(name) + 2;
	return "absent";
}

static const char strict_schema[] = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"],\"additionalProperties\":false}";

/* ---- the two layouts --------------------------------------------------------- */

TEST(anthropic_body)
{
	Case		c = open_case("anthropic", "{}", "{}");

	CHECK_STR(build(&c), "{\"model\":\"some-model\",\"max_tokens\":1000,\"temperature\":0.7,\"stream\":true,"
			  "\"system\":[{\"type\":\"text\",\"text\":\"COMMON \\\"rules\\\"\"}],"
			  "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"CONTACT\"},{\"type\":\"text\",\"text\":\"OWN\"}]}]}");
	CHECK_STR(c.request.url, "https://host.example/v1/messages");
	CHECK_STR(header(&c, "content-type"), "application/json");
	CHECK_STR(header(&c, "accept"), "text/event-stream, application/json");
	CHECK_STR(header(&c, "user-agent"), "kam/1.0");
	CHECK_STR(header(&c, "anthropic-version"), "2023-06-01");
	CHECK_STR(header(&c, "x-api-key"), "absent");
	close_case(&c);
}

TEST(openai_body)
{
	Case		c = open_case("openai", "{}", "{}");

	CHECK_STR(build(&c), "{\"model\":\"some-model\",\"max_completion_tokens\":1000,\"temperature\":0.7,\"stream\":true,"
			  "\"stream_options\":{\"include_usage\":true},\"response_format\":{\"type\":\"json_object\"},"
			  "\"messages\":[{\"role\":\"system\",\"content\":\"COMMON \\\"rules\\\"\"},{\"role\":\"user\",\"content\":\"CONTACT\\n\\nOWN\"}]}");
	CHECK_STR(c.request.url, "https://host.example/chat/completions");
	CHECK_STR(header(&c, "content-type"), "application/json");
	CHECK_STR(header(&c, "anthropic-version"), "absent");
	CHECK_STR(header(&c, "authorization"), "absent");
	close_case(&c);
}

TEST(not_streamed)
{
	Case		c = open_case("openai", "{\"stream\": false}", "{}");

	build(&c);
	CHECK_STR(at(&c, "/stream"), "absent");
	CHECK_STR(at(&c, "/stream_options"), "absent");
	CHECK_STR(header(&c, "accept"), "application/json");
	close_case(&c);
}

TEST(dialect_fields_are_used)
{
	Case		c = open_case("openai",
							  "{\"path\": \"/openai/v1/chat/completions?api-version=1\", \"max_tokens\": \"max_tokens\", \"json\": \"prompt\","
							  " \"stream_usage\": false, \"headers\": {\"X-Title\": \"kam\", \"User-Agent\": \"other/2\"}, \"body\": {\"seed\": 7, \"top_p\": 0.9}}",
							  "{\"body\": {\"seed\": 8, \"reasoning_effort\": \"low\"}}");

	c.ask.base_url = "http://10.0.0.1:8000";
	build(&c);
	CHECK_STR(c.request.url, "http://10.0.0.1:8000/openai/v1/chat/completions?api-version=1");
	CHECK_STR(at(&c, "/max_tokens"), "1000");
	CHECK_STR(at(&c, "/max_completion_tokens"), "absent");
	CHECK_STR(at(&c, "/stream"), "true");
	CHECK_STR(at(&c, "/stream_options"), "absent");
	CHECK_STR(at(&c, "/response_format"), "absent");
	CHECK_STR(at(&c, "/seed"), "8");
	CHECK_STR(at(&c, "/top_p"), "0.9");
	CHECK_STR(at(&c, "/reasoning_effort"), "\"low\"");
	CHECK_STR(header(&c, "X-Title"), "kam");
	CHECK_STR(header(&c, "User-Agent"), "other/2");
	CHECK_STR(header(&c, "user-agent"), "absent");
	close_case(&c);
}

TEST(temperature_is_sent_where_it_is_taken)
{
	static const struct
	{
		const char *api,
				   *traits;
		bool		has;
		double		value;
		const char *want;
	}			rows[] = {
		{"anthropic", "{}", true, 0, "0"},
		{"anthropic", "{}", true, 1.5, "1"},
		{"anthropic", "{}", true, -1, "0"},
		{"anthropic", "{}", false, 0.5, "absent"},
		{"anthropic", "{\"temperature\": false}", true, 0.5, "absent"},
		{"anthropic", "{}", true, NAN, "absent"},
		{"openai", "{}", true, 1.5, "1.5"},
		{"openai", "{}", true, 0.1, "0.1"},
		{"openai", "{}", true, INFINITY, "2"},
		{"openai", "{\"temperature\": false}", true, 1, "absent"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		Case		c = open_case(rows[i].api, "{}", rows[i].traits);

		c.ask.has_temperature = rows[i].has;
		c.ask.temperature = rows[i].value;
		build(&c);
		CHECK_STR(at(&c, "/temperature"), rows[i].want);
		close_case(&c);
	}
}

TEST(max_tokens_is_cut_to_what_the_model_can)
{
	Case		c = open_case("anthropic", "{}", "{\"max_output_tokens\": 500}");

	build(&c);
	CHECK_STR(at(&c, "/max_tokens"), "500");
	c.ask.max_tokens = 400;
	build(&c);
	CHECK_STR(at(&c, "/max_tokens"), "400");
	c.ask.max_tokens = 0;
	build(&c);
	CHECK_STR(at(&c, "/max_tokens"), "1");
	close_case(&c);
}

/* ---- structured output -------------------------------------------------------- */

TEST(schema_goes_along_when_server_and_model_take_it)
{
	static const struct
	{
		const char *api,
				   *dialect,
				   *traits;
		bool		schema;
		const char *anthropic,	/* output_config/format/type */
				   *openai;		/* response_format/type */
	}			rows[] = {
		{"anthropic", "{}", "{\"structured_output\": true}", true, "\"json_schema\"", "absent"},
		{"anthropic", "{}", "{\"structured_output\": true}", false, "absent", "absent"},
		{"anthropic", "{}", "{}", true, "absent", "absent"},
		{"anthropic", "{\"json\": \"object\"}", "{\"structured_output\": true}", true, "absent", "absent"},
		{"openai", "{}", "{\"structured_output\": true}", true, "absent", "\"json_schema\""},
		{"openai", "{}", "{\"structured_output\": true}", false, "absent", "\"json_object\""},
		{"openai", "{}", "{}", true, "absent", "\"json_object\""},
		{"openai", "{\"json\": \"object\"}", "{\"structured_output\": true}", true, "absent", "\"json_object\""},
		{"openai", "{\"json\": \"prompt\"}", "{\"structured_output\": true}", true, "absent", "absent"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		Case		c = open_case(rows[i].api, rows[i].dialect, rows[i].traits);

		c.schema = rows[i].schema ? json_loads(strict_schema, 0, NULL) : NULL;
		c.ask.schema_name = "wave1";
		build(&c);
		CHECK_STR(at(&c, "/output_config/format/type"), rows[i].anthropic);
		CHECK_STR(at(&c, "/response_format/type"), rows[i].openai);
		if (strcmp(rows[i].anthropic, "\"json_schema\"") == 0)
			CHECK_STR(at(&c, "/output_config/format/schema"), strict_schema);
		if (strcmp(rows[i].openai, "\"json_schema\"") == 0)
		{
			CHECK_STR(at(&c, "/response_format/json_schema/schema"), strict_schema);
			CHECK_STR(at(&c, "/response_format/json_schema/name"), "\"wave1\"");
			CHECK_STR(at(&c, "/response_format/json_schema/strict"), "true");
			CHECK_STR(at(&c, "/response_format/schema"), "absent");
		}
		close_case(&c);
	}
}

TEST(schema_name_that_is_none_becomes_answer)
{
	const char *const names[] = {NULL, "", "a b", "\xc3\xa9", "x\"y",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

	for (size_t i = 0; i < KAM_LENGTHOF(names); i++)
	{
		Case		c = open_case("openai", "{}", "{\"structured_output\": true}");

		c.schema = json_loads(strict_schema, 0, NULL);
		c.ask.schema_name = names[i];
		build(&c);
		CHECK_STR(at(&c, "/response_format/json_schema/name"), "\"answer\"");
		close_case(&c);
	}
}

TEST(output_config_is_shared_with_the_row)
{
	Case		c = open_case("anthropic", "{\"body\": {\"output_config\": {\"effort\": \"high\"}, \"metadata\": {\"user_id\": \"k\"}}}",
							  "{\"structured_output\": true, \"body\": {\"output_config\": {\"effort\": \"low\"}}}");

	build(&c);
	CHECK_STR(at(&c, "/output_config"), "{\"effort\":\"low\"}");
	c.schema = json_loads(strict_schema, 0, NULL);
	build(&c);
	CHECK_STR(at(&c, "/output_config/effort"), "\"low\"");
	CHECK_STR(at(&c, "/output_config/format/schema"), strict_schema);
	CHECK_STR(at(&c, "/metadata/user_id"), "\"k\"");
	close_case(&c);
}

/* ---- cache marks ----------------------------------------------------------------- */

TEST(cache_marks_stand_where_they_pay)
{
	static const struct
	{
		const char *api,
				   *dialect,
				   *traits;
		size_t		common,
					contact;	/* bytes */
		bool		keep_contact,
					keep_wave,
					marks_common,
					marks_contact,
					marks_wave;
	}			rows[] = {
		{"anthropic", "{}", "{\"cache\": true}", 40000, 40000, true, true, true, true, true},
		{"anthropic", "{}", "{\"cache\": true}", 40000, 40000, true, false, true, true, false},
		{"anthropic", "{}", "{\"cache\": true}", 40000, 40000, false, false, true, false, false},
		{"anthropic", "{}", "{\"cache\": true}", 400, 40000, true, true, false, true, true},
		{"anthropic", "{}", "{\"cache\": true}", 400, 400, true, true, false, false, false},
		{"anthropic", "{}", "{\"cache\": true, \"cache_min_tokens\": 1000000}", 40000, 40000, true, true, false, false, false},
		{"anthropic", "{}", "{\"cache\": true, \"cache_min_tokens\": 0}", 10, 10, true, true, true, true, true},
		{"anthropic", "{}", "{}", 40000, 40000, true, true, false, false, false},
		{"anthropic", "{\"cache\": false}", "{\"cache\": true}", 40000, 40000, true, true, false, false, false},
		{"openai", "{\"cache\": true}", "{\"cache\": true}", 40000, 40000, true, true, false, false, false},
	};
	char	   *text = malloc(50001);

	memset(text, 'x', 50000);
	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		Case		c = open_case(rows[i].api, rows[i].dialect, rows[i].traits);

		c.ask.prompt.common = (KamPiece) {text, rows[i].common};
		c.ask.prompt.contact = (KamPiece) {text, rows[i].contact};
		c.ask.prompt.wave = piece("<outputs>\\n{}\\n</outputs>\\n");
		c.ask.prompt.own = piece("<agent>channel_selector</agent>\\ntask <agent>");
		c.ask.keep_contact = rows[i].keep_contact;
		c.ask.keep_wave = rows[i].keep_wave;
		build(&c);
		CHECK_STR(at(&c, "/system/0/cache_control"), rows[i].marks_common ? "{\"type\":\"ephemeral\"}" : "absent");
		CHECK_STR(at(&c, "/messages/0/content/0/cache_control"), rows[i].marks_contact ? "{\"type\":\"ephemeral\"}" : "absent");
		CHECK_STR(at(&c, "/messages/0/content/1/cache_control"), rows[i].marks_wave ? "{\"type\":\"ephemeral\"}" : "absent");
		/* The agent's own part begins a text of its own where the wave's is kept. */
		if (strcmp(rows[i].api, "anthropic") == 0 && rows[i].keep_wave)
		{
			CHECK_STR(at(&c, "/messages/0/content/1/text"), "\"<outputs>\\n{}\\n</outputs>\\n\"");
			CHECK_STR(at(&c, "/messages/0/content/2/text"), "\"<agent>channel_selector</agent>\\ntask <agent>\"");
		}
		CHECK_STR(at(&c, "/messages/0/content/2/cache_control"), "absent");
		close_case(&c);
	}
	free(text);
}

/* Two agents of one wave: all bytes up to the agent's own part are the same, and are the same memory. */
TEST(calls_of_a_wave_share_their_prefix)
{
	const char *const apis[] = {"anthropic", "openai"};

	for (size_t i = 0; i < KAM_LENGTHOF(apis); i++)
	{
		Case		a = open_case(apis[i], "{}", "{\"structured_output\": true, \"cache\": true}");
		Case		b = open_case(apis[i], "{}", "{\"structured_output\": true, \"cache\": true}");
		size_t		same = 0;

		a.schema = json_loads(strict_schema, 0, NULL);
		b.schema = json_loads(strict_schema, 0, NULL);
		b.ask.prompt.common = a.ask.prompt.common;
		b.ask.prompt.contact = a.ask.prompt.contact;
		b.ask.prompt.own = piece("ANOTHER");
		build(&a);
		build(&b);
		while (a.text[same] != '\0' && a.text[same] == b.text[same])
			same++;
		CHECK(strncmp(a.text + same, "OWN", 3) == 0, "%s", a.text + same);
		for (int j = 0; j < a.request.npieces; j++)
			CHECK(a.request.piece[j].data != a.ask.prompt.contact.data || b.request.piece[j].data == a.ask.prompt.contact.data);
		close_case(&a);
		close_case(&b);
	}
}

/* ---- turns ------------------------------------------------------------------------ */

TEST(a_repair_is_two_further_turns)
{
	static const struct
	{
		const char *rejected,
				   *complaint,
				   *anthropic,	/* messages */
				   *openai;		/* messages but the system's */
	}			rows[] = {
		{"{\\\"a\\\":1", "Mend it.",
			"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"CONTACT\"},{\"type\":\"text\",\"text\":\"OWN\"}]},"
			"{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"{\\\"a\\\":1\"}]},"
			"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Mend it.\"}]}]",
			"{\"role\":\"user\",\"content\":\"CONTACT\\n\\nOWN\"},{\"role\":\"assistant\",\"content\":\"{\\\"a\\\":1\"},"
		"{\"role\":\"user\",\"content\":\"Mend it.\"}]"},
		/* no turn of nothing, which is refused: the complaint goes behind the own part */
		{" \\n\\t ", "Mend it.",
			"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"CONTACT\"},{\"type\":\"text\",\"text\":\"OWN\\n\\nMend it.\"}]}]",
		"{\"role\":\"user\",\"content\":\"CONTACT\\n\\nOWN\\n\\nMend it.\"}]"},
		/* never the assistant's turn last: that is a prefill */
		{"half an answer", "",
			"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"CONTACT\"},{\"type\":\"text\",\"text\":\"OWN\"}]}]",
		"{\"role\":\"user\",\"content\":\"CONTACT\\n\\nOWN\"}]"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		Case		c = open_case("anthropic", "{}", "{}");

		c.ask.rejected = piece(rows[i].rejected);
		c.ask.complaint = piece(rows[i].complaint);
		build(&c);
		CHECK_STR(at(&c, "/messages"), rows[i].anthropic);
		c.ask.api = KAM_API_OPENAI;
		build(&c);
		CHECK_STR(strstr(at(&c, "/messages"), "{\"role\":\"user\""), rows[i].openai);
		close_case(&c);
	}
}

TEST(parts_that_are_empty_make_no_empty_block)
{
	Case		c = open_case("anthropic", "{}", "{}");

	c.ask.prompt.common = c.ask.prompt.contact = piece("");
	build(&c);
	CHECK_STR(at(&c, "/system"), "absent");
	CHECK_STR(at(&c, "/messages"), "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"OWN\"}]}]");
	c.ask.api = KAM_API_OPENAI;
	build(&c);
	CHECK_STR(at(&c, "/messages"), "[{\"role\":\"user\",\"content\":\"OWN\"}]");
	close_case(&c);
}

TEST(everything_at_once_fits_the_pieces)
{
	const char *const apis[] = {"anthropic", "openai"};

	for (size_t i = 0; i < KAM_LENGTHOF(apis); i++)
	{
		Case		c = open_case(apis[i], "{\"cache\": true, \"body\": {\"a\": [1, {\"b\": null}], \"\\\"\\\\\": \"\\u00e9\"}}",
								  "{\"structured_output\": true, \"cache\": true, \"cache_min_tokens\": 0, \"body\": {\"top_k\": 3}}");

		c.schema = json_loads(strict_schema, 0, NULL);
		c.ask.rejected = piece("no");
		c.ask.complaint = piece("yes");
		build(&c);
		CHECK_STR(at(&c, "/a"), "[1,{\"b\":null}]");
		CHECK_STR(at(&c, "/\"\\"), "\"\xc3\xa9\"");
		CHECK_STR(at(&c, "/top_k"), "3");
		close_case(&c);
	}
}

TEST(model_names_are_escaped)
{
	Case		c = open_case("openai", "{}", "{}");

	c.ask.model = "a\"b\\c\n\xff";
	build(&c);
	CHECK_STR(json_string_value(kam_pointer(c.body, "/model")), "a\"b\\c\n\xef\xbf\xbd");
	close_case(&c);
}

/* ---- escaping ------------------------------------------------------------------------ */

TEST(escape_is_the_inside_of_a_json_string)
{
	static const struct
	{
		const char *text;
		size_t		len;
		const char *want;
	}			rows[] = {
		{"", 0, ""},
		{"plain", 5, "plain"},
		{"a\"b\\c", 5, "a\\\"b\\\\c"},
		{"\n\r\t\b\x1f\x7f", 6, "\\n\\r\\t\\u0008\\u001f\x7f"},
		{"a\0b", 3, "a\\u0000b"},
		{"\xc3\xa9\xf0\x9f\x98\x80", 6, "\xc3\xa9\xf0\x9f\x98\x80"},
		{"\xff" "a\xc3", 3, "\xef\xbf\xbd" "a\xef\xbf\xbd"},
		{"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf4\x90\x80\x80", 4, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		KamPiece	escaped = kam_escape(arena, rows[i].text, rows[i].len);
		char	   *quoted = kam_printf(arena, "\"%s\"", escaped.data);
		json_t	   *back = json_loads(quoted, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

		CHECK_STR(escaped.data, rows[i].want);
		CHECK_INT(escaped.len, strlen(rows[i].want));
		CHECK(back != NULL, "%s", quoted);
		json_decref(back);
	}
	kam_arena_free(arena);
}

/* ---- schemas ------------------------------------------------------------------------- */

static const char *
strict(KamArena *arena, const char *text)
{
	json_t	   *schema = json_loads(text, JSON_DECODE_ANY, NULL);
	json_t	   *out = kam_schema_strict(schema);
	char	   *said = out != NULL ? json_dumps(out, JSON_COMPACT) : NULL;
	const char *copy = said != NULL ? kam_strdup(arena, said) : "no";

	CHECK(schema != NULL, "bad JSON in the test: %s", text);
	if (out != NULL)
	{
		json_t	   *again = kam_schema_strict(out);

		CHECK(json_equal(out, again), "not the same when made strict twice: %s", text);
		json_decref(again);
	}
	free(said);
	json_decref(out);
	json_decref(schema);
	return copy;
}

/* A schema of one property "p". */
#define OF(p) "{\"type\":\"object\",\"properties\":{\"p\":" p "}}"
#define SAID(p) "{\"type\":\"object\",\"properties\":{\"p\":" p "},\"required\":[\"p\"],\"additionalProperties\":false}"
#define NUL "{\"type\":\"null\"}"

TEST(strict_says_what_all_apis_take)
{
	static const struct
	{
		const char *schema,
				   *want;
	}			rows[] = {
		{OF("{\"type\":\"string\",\"minLength\":1,\"maxLength\":9,\"pattern\":\"x\",\"format\":\"date\"}"), SAID("{\"type\":\"string\"}")},
		{OF("{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"multipleOf\":2}"), SAID("{\"type\":\"number\"}")},
		{OF("{\"type\":\"string\",\"description\":\"why\"}"), SAID("{\"type\":\"string\",\"description\":\"why\"}")},
		{OF("{\"type\":\"array\",\"minItems\":2,\"maxItems\":3,\"items\":{\"type\":\"integer\"}}"),
		SAID("{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}")},
		/* one type each: an enumeration beside several is refused */
		{OF("{\"type\":[\"string\",\"null\"]}"), SAID("{\"anyOf\":[{\"type\":\"string\"}," NUL "]}")},
		{OF("{\"type\":[\"string\",\"null\"],\"enum\":[\"a\",\"b\",null]}"), SAID("{\"anyOf\":[{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}," NUL "]}")},
		{OF("{\"type\":[\"string\",\"null\"],\"enum\":[\"a\"]}"), SAID("{\"type\":\"string\",\"enum\":[\"a\"]}")},
		{OF("{\"enum\":[\"a\",2,2.5,true,null]}"),
		SAID("{\"anyOf\":[{\"type\":\"string\",\"enum\":[\"a\"]},{\"type\":\"number\",\"enum\":[2,2.5]},{\"type\":\"boolean\",\"enum\":[true]}," NUL "]}")},
		{OF("{\"type\":[\"integer\",\"number\"]}"), SAID("{\"type\":\"number\"}")},
		{OF("{\"const\":\"x\"}"), SAID("{\"type\":\"string\",\"enum\":[\"x\"]}")},
		{OF("{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}"), SAID("{\"anyOf\":[{\"type\":\"string\"}," NUL "]}")},
		{OF("{\"anyOf\":[{\"type\":\"string\",\"minLength\":1}]}"), SAID("{\"type\":\"string\"}")},
		{OF("{\"type\":[\"object\",\"null\"],\"properties\":{\"q\":{\"type\":\"boolean\"}}}"),
			SAID("{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"q\":{\"type\":\"boolean\"}},\"required\":[\"q\"],\"additionalProperties\":false}," NUL "]}")},
		{OF("{\"properties\":{\"q\":{\"type\":\"boolean\"}}}"),
			SAID("{\"type\":\"object\",\"properties\":{\"q\":{\"type\":\"boolean\"}},\"required\":[\"q\"],\"additionalProperties\":false}")},
		{"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"},\"b\":false},\"required\":[\"a\"],\"additionalProperties\":true}",
		"{\"type\":\"object\",\"properties\":{\"a\":" NUL "},\"required\":[\"a\"],\"additionalProperties\":false}"},
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
		CHECK_STR(strict(arena, rows[i].schema), rows[i].want);
	kam_arena_free(arena);
}

TEST(strict_says_no_to_what_cannot_be_closed)
{
	const char *const rows[] = {
		"{\"type\":\"object\"}",
		"{\"type\":\"object\",\"properties\":{}}",
		"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"},\"properties\":{\"a\":{\"type\":\"string\"}}}",
		"{\"type\":\"object\",\"patternProperties\":{\"x\":{}},\"properties\":{\"a\":{\"type\":\"string\"}}}",
		"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"b\"]}",
		"{\"type\":\"object\",\"properties\":{\"a\":false}}",
		"{\"type\":\"string\"}",
		"{\"type\":[\"object\",\"null\"],\"properties\":{\"a\":{\"type\":\"string\"}}}",
		"[]", "true", "null", "7", "{}",
		OF("{}"), OF("true"), OF("7"), OF("{\"type\":\"array\"}"), OF("{\"type\":\"array\",\"items\":[{\"type\":\"string\"}]}"),
		OF("{\"type\":\"object\"}"), OF("{\"type\":[\"object\",\"null\"]}"), OF("{\"type\":[\"string\",\"array\"]}"),
		OF("{\"type\":\"date\"}"), OF("{\"type\":7}"), OF("{\"type\":[]}"), OF("{\"enum\":[]}"), OF("{\"enum\":[{}]}"),
		OF("{\"$ref\":\"#\"}"), OF("{\"anyOf\":[]}"), OF("{\"anyOf\":[{}]}"), OF("{\"oneOf\":[{\"type\":\"string\"}]}"),
	};
	KamArena   *arena = kam_arena_new();
	const char *deep = "{\"type\":\"string\"}",
			   *unions = "";

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
		CHECK_STR(strict(arena, rows[i]), "no");
	for (int i = 0; i < 300; i++)
		deep = kam_printf(arena, OF("%s"), deep);
	CHECK_STR(strict(arena, deep), "no");
	for (int i = 0; i < 17; i++)
	{
		unions = kam_printf(arena, "%s%s\"p%d\":{\"type\":[\"string\",\"null\"]}", unions, i > 0 ? "," : "", i);
		CHECK((strcmp(strict(arena, kam_printf(arena, "{\"type\":\"object\",\"properties\":{%s}}", unions)), "no") == 0) == (i == 16), "%d", i);
	}
	CHECK(kam_schema_strict(NULL) == NULL);
	kam_arena_free(arena);
}

/* ---- envelopes ------------------------------------------------------------------------- */

TEST(envelope_holds_each_agent_or_null)
{
	const char *agent[] = {"one", "two"};
	json_t	   *a = json_loads(OF("{\"type\":\"string\",\"minLength\":3}"), 0, NULL);
	json_t	   *open = json_loads("{\"type\":\"object\"}", 0, NULL);
	const json_t *both[] = {a, a};
	const json_t *gap[] = {a, NULL};
	const json_t *loose[] = {a, open};
	json_t	   *out = kam_schema_envelope(agent, both, 2);
	json_t	   *single = kam_schema_envelope(agent, both, 1);
	char	   *said = json_dumps(out, JSON_COMPACT);
	char	   *own = json_dumps(single, JSON_COMPACT);

	CHECK_STR(said, "{\"type\":\"object\",\"properties\":{\"one\":{\"anyOf\":[" SAID("{\"type\":\"string\"}") "," NUL "]},"
			  "\"two\":{\"anyOf\":[" SAID("{\"type\":\"string\"}") "," NUL "]}},\"required\":[\"one\",\"two\"],\"additionalProperties\":false}");
	CHECK_STR(own, SAID("{\"type\":\"string\"}"));
	CHECK(kam_schema_envelope(agent, gap, 2) == NULL);
	CHECK(kam_schema_envelope(agent, loose, 2) == NULL);
	CHECK(kam_schema_envelope(agent, both, 0) == NULL);
	CHECK(kam_schema_envelope(agent, gap + 1, 1) == NULL);
	free(said);
	free(own);
	json_decref(out);
	json_decref(single);
	json_decref(a);
	json_decref(open);
}

TEST(envelope_is_opened_or_was_none)
{
	static const struct
	{
		const char *answer,
				   *want;
	}			rows[] = {
		{"{\"one\":{\"p\":1},\"two\":null}", "{\"p\":1}"},
		{"{\"p\":1}", "{\"p\":1}"},
		{"{\"one\":null,\"two\":{}}", "{\"one\":null,\"two\":{}}"},
		{"{\"one\":[1]}", "{\"one\":[1]}"},
		{"[1]", "[1]"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		json_t	   *answer = json_loads(rows[i].answer, 0, NULL);
		char	   *got = json_dumps(kam_envelope_open(answer, "one"), JSON_COMPACT);

		CHECK_STR(got, rows[i].want);
		free(got);
		json_decref(answer);
	}
}

/* The prompts' own schemas: each wave's has room in one request. */
TEST(the_agents_waves_have_envelopes)
{
	static const struct
	{
		int			count;
		const char *agent[4];
	}			waves[] = {
		{4, {"context_relationship_analyzer", "opportunity_detector", "state_analyzer", "timing_strategist"}},
		{1, {"wave1_evaluator"}},
		{3, {"channel_selector", "content_generator", "sequence_strategist"}},
		{1, {"decision_evaluator"}},
	};

	for (size_t w = 0; w < KAM_LENGTHOF(waves); w++)
	{
		json_t	   *schema[4];
		json_t	   *envelope;
		char		path[200];

		for (int i = 0; i < waves[w].count; i++)
		{
			snprintf(path, sizeof(path), "prompts/%s.schema.json", waves[w].agent[i]);
			schema[i] = json_load_file(path, 0, NULL);
			CHECK(schema[i] != NULL, "%s", path);
		}
		envelope = kam_schema_envelope(waves[w].agent, (const json_t *const *) schema, waves[w].count);
		CHECK(envelope != NULL, "wave of %s", waves[w].agent[0]);
		json_decref(envelope);
		for (int i = 0; i < waves[w].count; i++)
			json_decref(schema[i]);
	}
}

/* ---- answers ------------------------------------------------------------------------------ */

TEST(settling_undoes_what_structured_output_does)
{
	static const char schema_text[] =
		"{\"type\":\"object\",\"required\":[\"stage\",\"list\"],\"properties\":{"
		"\"stage\":{\"type\":[\"string\",\"null\"],\"enum\":[\"cold\",\"Engaged\",null]},"
		"\"list\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"A\",\"b\"]},\"step\":{\"type\":\"integer\"}}}},"
		"\"phone\":{\"type\":\"object\",\"properties\":{\"m\":{\"type\":\"string\"}}},"
		"\"note\":{\"type\":[\"string\",\"null\"]},"
		"\"any\":{\"anyOf\":[{\"type\":\"null\"},{\"enum\":[\"X\"]}]},\"free\":{}}}";
	static const struct
	{
		const char *answer,
				   *want;
	}			rows[] = {
		{"{\"stage\":\"COLD\",\"list\":[]}", "{\"stage\":\"cold\",\"list\":[]}"},
		{"{\"stage\":\"engaged\",\"list\":[{\"kind\":\"a\",\"step\":null},{\"kind\":\"A\",\"step\":2}]}",
		"{\"stage\":\"Engaged\",\"list\":[{\"kind\":\"A\"},{\"kind\":\"A\",\"step\":2}]}"},
		{"{\"stage\":null,\"list\":null,\"phone\":null,\"note\":null,\"any\":null,\"free\":null}",
		"{\"stage\":null,\"list\":null,\"note\":null,\"any\":null,\"free\":null}"},
		{"{\"stage\":\"warm\",\"list\":[7,\"x\"],\"any\":\"x\"}", "{\"stage\":\"warm\",\"list\":[7,\"x\"],\"any\":\"X\"}"},
		{"{\"stage\":3,\"list\":{},\"phone\":[null]}", "{\"stage\":3,\"list\":{},\"phone\":[null]}"},
		{"[]", "[]"},
	};
	json_t	   *schema = json_loads(schema_text, 0, NULL);

	CHECK(schema != NULL);
	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		json_t	   *answer = json_loads(rows[i].answer, 0, NULL);
		char	   *got;

		kam_schema_settle(schema, answer);
		got = json_dumps(answer, JSON_COMPACT);
		CHECK_STR(got, rows[i].want);
		free(got);
		json_decref(answer);
	}
	kam_schema_settle(NULL, schema);
	kam_schema_settle(schema, NULL);
	json_decref(schema);
}

RUN_TESTS()
