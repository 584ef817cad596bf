/*
 * test/unit/test_llm_provider.c: defaults of each api, every member read, and
 * every fault told with its path, what was wrong and what may stand there.
 */
#include "llm/provider.h"

#include "unit.h"

/* "path|message", "" when it was taken; the hint must be a sentence. */
static const char *
dialect_fault(KamArena *arena, const char *api, const char *text)
{
	KamError	error = {0};
	KamDialect	dialect;
	KamApi		id;
	json_t	   *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	const char *out = "";

	CHECK(json != NULL, "bad JSON in the test: %s", text);
	CHECK(kam_api_from_name(api, &id));
	if (!kam_dialect_read(arena, id, json, &dialect, &error))
	{
		CHECK_STR(error.sqlstate, "22023");
		CHECK(error.hint != NULL && error.hint[0] >= 'A' && error.hint[0] <= 'Z' && error.hint[strlen(error.hint) - 1] == '.', "%s", error.hint);
		out = kam_printf(arena, "%s|%s", error.path, error.message);
	}
	json_decref(json);
	return out;
}

static const char *
traits_fault(KamArena *arena, const char *text)
{
	KamError	error = {0};
	KamTraits	traits;
	json_t	   *json = json_loads(text, JSON_DECODE_ANY, NULL);
	const char *out = "";

	CHECK(json != NULL, "bad JSON in the test: %s", text);
	if (!kam_traits_read(arena, json, &traits, &error))
	{
		CHECK_STR(error.sqlstate, "22023");
		CHECK(error.hint != NULL && error.hint[strlen(error.hint) - 1] == '.', "%s", error.hint);
		out = kam_printf(arena, "%s|%s", error.path, error.message);
	}
	json_decref(json);
	return out;
}

TEST(apis_have_names)
{
	KamApi		api = KAM_API_REPLAY;

	CHECK(kam_api_from_name("builtin", &api) && api == KAM_API_BUILTIN);
	CHECK(kam_api_from_name("anthropic", &api) && api == KAM_API_ANTHROPIC);
	CHECK(kam_api_from_name("openai", &api) && api == KAM_API_OPENAI);
	CHECK(kam_api_from_name("replay", &api) && api == KAM_API_REPLAY);
	CHECK(!kam_api_from_name("gopher", &api));
	CHECK(!kam_api_from_name("", &api));
	CHECK(!kam_api_from_name(NULL, &api));
}

TEST(defaults)
{
	KamArena   *arena = kam_arena_new();
	KamError	error;
	KamDialect	d;
	KamTraits	t;

	CHECK(kam_dialect_read(arena, KAM_API_ANTHROPIC, NULL, &d, &error));
	CHECK_STR(d.path, "/v1/messages");
	CHECK_STR(d.auth_header, "x-api-key");
	CHECK_STR(d.auth_prefix, "");
	CHECK_STR(d.max_tokens, "max_tokens");
	CHECK(d.json == KAM_JSON_SCHEMA && d.stream && d.stream_usage && d.cache && d.headers == NULL && d.body == NULL && d.schema_below == 6000);
	CHECK(d.connect_timeout_ms == 10000 && d.timeout_s == 600 && d.stall_s == 120);
	CHECK(kam_dialect_read(arena, KAM_API_OPENAI, NULL, &d, &error));
	CHECK_STR(d.path, "/chat/completions");
	CHECK_STR(d.auth_header, "authorization");
	CHECK_STR(d.auth_prefix, "Bearer ");
	CHECK_STR(d.max_tokens, "max_completion_tokens");
	CHECK(d.json == KAM_JSON_SCHEMA && d.stream && d.stream_usage && !d.cache && d.schema_below == 0);
	CHECK(kam_dialect_read(arena, KAM_API_BUILTIN, NULL, &d, &error));
	CHECK(kam_traits_read(arena, NULL, &t, &error));
	CHECK(t.temperature && !t.structured && !t.cache && t.cache_min_tokens == 1024 && t.max_output_tokens == 0 && t.body == NULL);
	kam_arena_free(arena);
}

TEST(every_member_is_read)
{
	KamArena   *arena = kam_arena_new();
	json_t	   *json = json_loads("{\"path\": \"/a?b=c\", \"auth_header\": \"api-key\", \"auth_prefix\": \"\", \"max_tokens\": \"max_tokens\","
								  " \"json\": \"object\", \"stream\": false, \"stream_usage\": false, \"cache\": true,"
								  " \"headers\": {\"anthropic-beta\": \"x\"}, \"body\": {\"seed\": 1},"
								  " \"schema_below\": 7, \"connect_timeout_ms\": 1, \"timeout_s\": 2, \"stall_s\": 3}", 0, NULL);
	json_t	   *can = json_loads("{\"temperature\": false, \"structured_output\": true, \"cache\": true, \"cache_min_tokens\": 4096,"
								 " \"max_output_tokens\": 64000, \"body\": {\"thinking\": {\"type\": \"adaptive\"}, \"output_config\": {\"effort\": \"low\"}}}", 0, NULL);
	KamError	error = {0};
	KamDialect	d;
	KamTraits	t;

	CHECK(kam_dialect_read(arena, KAM_API_OPENAI, json, &d, &error), "%s", error.message);
	CHECK_STR(d.path, "/a?b=c");
	CHECK_STR(d.auth_header, "api-key");
	CHECK_STR(d.auth_prefix, "");
	CHECK_STR(d.max_tokens, "max_tokens");
	CHECK(d.json == KAM_JSON_OBJECT && !d.stream && !d.stream_usage && d.cache);
	CHECK_STR(kam_get_string(d.headers, "anthropic-beta"), "x");
	CHECK(json_object_get(d.body, "seed") != NULL);
	CHECK(d.schema_below == 7 && d.connect_timeout_ms == 1 && d.timeout_s == 2 && d.stall_s == 3);
	CHECK(kam_traits_read(arena, can, &t, &error), "%s", error.message);
	CHECK(!t.temperature && t.structured && t.cache && t.cache_min_tokens == 4096 && t.max_output_tokens == 64000);
	CHECK(kam_get_object(t.body, "thinking") != NULL);
	json_decref(json);
	json_decref(can);
	kam_arena_free(arena);
}

TEST(every_fault_of_a_dialect_is_told)
{
	static const struct
	{
		const char *dialect,
				   *want;
	}			rows[] = {
		{"[]", "|a JSON object is wanted"},
		{"null", "|a JSON object is wanted"},
		{"{\"pth\": \"/x\"}", "/pth|\"pth\" is not known"},
		{"{\"a/b~c\": 1}", "/a~1b~0c|\"a/b~c\" is not known"},
		{"{\"path\": \"v1/messages\"}", "/path|\"path\" must be a path that begins with /"},
		{"{\"path\": \"\"}", "/path|\"path\" must be a path that begins with /"},
		{"{\"path\": 7}", "/path|\"path\" must be a path that begins with /"},
		{"{\"path\": null}", "/path|\"path\" must be a path that begins with /"},
		{"{\"path\": \"/a b\"}", "/path|\"path\" must be a path that begins with /"},
		{"{\"path\": \"/a\\r\\nHost: x\"}", "/path|\"path\" must be a path that begins with /"},
		{"{\"path\": \"/a\\u0000b\"}", "/path|\"path\" must be a path that begins with /"},
		{"{\"path\": \"/a#b\"}", "/path|\"path\" must be a path that begins with /"},
		{"{\"auth_header\": \"x y\"}", "/auth_header|\"auth_header\" must be the name of an HTTP header"},
		{"{\"auth_header\": \"x:\"}", "/auth_header|\"auth_header\" must be the name of an HTTP header"},
		{"{\"auth_header\": \"Content-Type\"}", "/auth_header|\"auth_header\" must be the name of an HTTP header"},
		{"{\"auth_header\": \"\"}", "/auth_header|\"auth_header\" must be the name of an HTTP header"},
		{"{\"auth_prefix\": \"a\\nb\"}", "/auth_prefix|\"auth_prefix\" must be a text of at most 100 printable ASCII characters"},
		{"{\"auth_prefix\": false}", "/auth_prefix|\"auth_prefix\" must be a text of at most 100 printable ASCII characters"},
		{"{\"max_tokens\": 1000}", "/max_tokens|\"max_tokens\" must be the name of a member of the request"},
		{"{\"max_tokens\": \"a\\\"b\"}", "/max_tokens|\"max_tokens\" must be the name of a member of the request"},
		{"{\"max_tokens\": \"model\"}", "/max_tokens|\"max_tokens\" must be another member's name than those that kam sets for itself"},
		{"{\"json\": \"json_schema\"}", "/json|\"json\" must be \"schema\", \"object\" or \"prompt\""},
		{"{\"json\": true}", "/json|\"json\" must be \"schema\", \"object\" or \"prompt\""},
		{"{\"stream\": \"true\"}", "/stream|\"stream\" must be true or false"},
		{"{\"stream_usage\": 1}", "/stream_usage|\"stream_usage\" must be true or false"},
		{"{\"cache\": null}", "/cache|\"cache\" must be true or false"},
		{"{\"connect_timeout_ms\": 0}", "/connect_timeout_ms|\"connect_timeout_ms\" must be a whole number from 1 to 600000"},
		{"{\"connect_timeout_ms\": 600001}", "/connect_timeout_ms|\"connect_timeout_ms\" must be a whole number from 1 to 600000"},
		{"{\"timeout_s\": 1.5}", "/timeout_s|\"timeout_s\" must be a whole number from 1 to 86400"},
		{"{\"timeout_s\": 9000000000000000000}", "/timeout_s|\"timeout_s\" must be a whole number from 1 to 86400"},
		{"{\"stall_s\": \"120\"}", "/stall_s|\"stall_s\" must be a whole number from 1 to 86400"},
		{"{\"stall_s\": -1}", "/stall_s|\"stall_s\" must be a whole number from 1 to 86400"},
		{"{\"headers\": []}", "/headers|\"headers\" must be an object"},
		{"{\"headers\": {\"Authorization\": \"Bearer k\"}}", "/headers/Authorization|header \"Authorization\" carries a key, which a table must not hold"},
		{"{\"headers\": {\"X-Api-Key\": \"k\"}}", "/headers/X-Api-Key|header \"X-Api-Key\" carries a key, which a table must not hold"},
		{"{\"headers\": {\"api-key\": \"k\"}}", "/headers/api-key|header \"api-key\" carries a key, which a table must not hold"},
		{"{\"auth_header\": \"X-Secret\", \"headers\": {\"x-secret\": \"k\"}}", "/headers/x-secret|header \"x-secret\" carries the key"},
		{"{\"headers\": {\"Content-Length\": \"1\"}}", "/headers/Content-Length|header \"Content-Length\" is set by kam itself"},
		{"{\"headers\": {\"a b\": \"x\"}}", "/headers/a b|a header's name holds a character that HTTP does not allow"},
		{"{\"headers\": {\"\": \"x\"}}", "/headers/|a header's name holds a character that HTTP does not allow"},
		{"{\"headers\": {\"x\": \"a\\r\\nb: c\"}}", "/headers/x|header \"x\" must be a text of printable ASCII characters"},
		{"{\"headers\": {\"x\": \"\"}}", "/headers/x|header \"x\" must be a text of printable ASCII characters"},
		{"{\"headers\": {\"x\": 1}}", "/headers/x|header \"x\" must be a text of printable ASCII characters"},
		{"{\"body\": \"x\"}", "/body|\"body\" must be an object"},
		{"{\"body\": {\"model\": \"x\"}}", "/body/model|\"model\" is set by kam itself"},
		{"{\"body\": {\"messages\": []}}", "/body/messages|\"messages\" is set by kam itself"},
		{"{\"body\": {\"temperature\": 1}}", "/body/temperature|\"temperature\" is set by kam itself"},
		{"{\"body\": {\"stream_options\": {}}}", "/body/stream_options|\"stream_options\" is set by kam itself"},
		{"{\"max_tokens\": \"num_predict\", \"body\": {\"num_predict\": 5}}", "/body/num_predict|\"num_predict\" is set by kam itself"},
		{"{\"body\": {\"output_config\": 1}}", "/body/output_config|\"output_config\" must be an object"},
		{"{\"body\": {\"output_config\": {\"format\": {}}}}", "/body/output_config/format|\"format\" of output_config is set by kam itself"},
		{"{\"body\": {\"output_config\": {\"effort\": \"low\"}}}", ""},
		{"{\"auth_prefix\": \"Key \"}", ""},
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
		CHECK_STR(dialect_fault(arena, "openai", rows[i].dialect), rows[i].want);
	kam_arena_free(arena);
}

TEST(every_fault_of_capabilities_is_told)
{
	static const struct
	{
		const char *traits,
				   *want;
	}			rows[] = {
		{"{}", ""},
		{"7", "|a JSON object is wanted"},
		{"{\"structured\": true}", "/structured|\"structured\" is not known"},
		{"{\"temperature\": 0}", "/temperature|\"temperature\" must be true or false"},
		{"{\"structured_output\": \"yes\"}", "/structured_output|\"structured_output\" must be true or false"},
		{"{\"cache\": 1}", "/cache|\"cache\" must be true or false"},
		{"{\"cache_min_tokens\": -1}", "/cache_min_tokens|\"cache_min_tokens\" must be a whole number from 0 to 100000000"},
		{"{\"max_output_tokens\": 8192.0}", "/max_output_tokens|\"max_output_tokens\" must be a whole number from 0 to 100000000"},
		{"{\"body\": []}", "/body|\"body\" must be an object"},
		{"{\"body\": {\"max_tokens\": 1}}", "/body/max_tokens|\"max_tokens\" is set by kam itself"},
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
		CHECK_STR(traits_fault(arena, rows[i].traits), rows[i].want);
	kam_arena_free(arena);
}

/* The hint of an unknown member names those that are known. */
TEST(hints_name_what_may_stand_there)
{
	KamArena   *arena = kam_arena_new();
	json_t	   *json = json_loads("{\"timeout\": 5}", 0, NULL);
	KamError	error;
	KamDialect	d;
	KamTraits	t;

	CHECK(!kam_dialect_read(arena, KAM_API_OPENAI, json, &d, &error));
	CHECK_STR(error.hint, "Known are path, auth_header, auth_prefix, max_tokens, json, stream, stream_usage, cache, headers, body, schema_below, "
			  "connect_timeout_ms, timeout_s and stall_s.");
	CHECK(!kam_traits_read(arena, json, &t, &error));
	CHECK_STR(error.hint, "Known are temperature, structured_output, cache, cache_min_tokens, max_output_tokens and body.");
	json_decref(json);
	kam_arena_free(arena);
}

RUN_TESTS()
