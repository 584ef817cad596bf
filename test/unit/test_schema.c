/*
 * test/unit/test_schema.c: each keyword says no to what breaks it, with the
 * path, and yes to what keeps it.
 */
#include "core/schema.h"

#include "unit.h"

/* The faults as "path: message; ...", "" when the value conforms. */
static const char *
faults(KamArena *arena, const char *schema_text, const char *value_text)
{
	json_t	   *schema = json_loads(schema_text, JSON_DECODE_ANY, NULL);
	json_t	   *value = json_loads(value_text, JSON_DECODE_ANY, NULL);
	json_t	   *list;
	const char *out = "";

	CHECK(schema != NULL && value != NULL, "bad JSON in the test: %s, %s", schema_text, value_text);
	list = kam_schema_check(arena, schema, value);
	for (size_t i = 0; i < json_array_size(list); i++)
		out = kam_printf(arena, "%s%s%s: %s", out, i > 0 ? "; " : "",
						 kam_get_string(json_array_get(list, i), "path"),
						 kam_get_string(json_array_get(list, i), "message"));
	json_decref(list);
	json_decref(schema);
	json_decref(value);
	return out;
}

TEST(each_keyword)
{
	static const struct
	{
		const char *schema,
				   *value,
				   *want;
	}			rows[] = {
		{"{\"type\":\"string\"}", "\"x\"", ""},
		{"{\"type\":\"string\"}", "1", ": is of type integer, must be of type string"},
		{"{\"type\":[\"string\",\"null\"]}", "null", ""},
		{"{\"type\":[\"string\",\"null\"]}", "[]", ": is of type array, must be of type string or null"},
		{"{\"type\":\"number\"}", "1", ""},
		{"{\"type\":\"number\"}", "1.5", ""},
		{"{\"type\":\"integer\"}", "2.0", ""},
		{"{\"type\":\"integer\"}", "2.5", ": is of type number, must be of type integer"},
		{"{\"type\":\"boolean\"}", "true", ""},
		{"{\"type\":\"boolean\"}", "\"true\"", ": is of type string, must be of type boolean"},
		{"{\"properties\":{\"a\":{\"type\":\"object\"}}}", "{\"a\":null}", "/a: is of type null, must be of type object"},
		{"{\"properties\":{\"a\":{\"type\":\"object\"}}}", "{}", ""},
		{"{\"required\":[\"a\",\"b\"]}", "{\"a\":null}", ": lacks the key \"b\""},
		{"{\"required\":[\"a\"]}", "[]", ""},
		{"{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1,\"b/~\":2}", "/b~1~0: is not a known key"},
		{"{\"properties\":{\"a\":{}}}", "{\"a\":1,\"b\":2}", ""},
		{"{\"additionalProperties\":false}", "{\"a\":1}", "/a: is not a known key"},
		{"{\"items\":{\"type\":\"string\"}}", "[\"a\",2,\"b\",null]",
		"/1: is of type integer, must be of type string; /3: is of type null, must be of type string"},
		{"{\"items\":{\"properties\":{\"t\":{\"const\":1}}}}", "[{\"t\":1},{\"t\":2}]", "/1/t: is 2, must be 1"},
		{"{\"enum\":[\"a\",null,1]}", "null", ""},
		{"{\"enum\":[\"a\",null,1]}", "1.0", ""},
		{"{\"enum\":[\"a\",null,1]}", "\"b\"", ": is \"b\", must be one of \"a\", null, 1"},
		{"{\"const\":{\"x\":[1]}}", "{\"x\":[1]}", ""},
		{"{\"const\":{\"x\":[1]}}", "{\"x\":[2]}", ": is {\"x\":[2]}, must be {\"x\":[1]}"},
		{"{\"minimum\":0,\"maximum\":1}", "0", ""},
		{"{\"minimum\":0,\"maximum\":1}", "1", ""},
		{"{\"minimum\":0,\"maximum\":1}", "-0.5", ": is -0.5, must be 0 or more"},
		{"{\"minimum\":0,\"maximum\":1}", "2", ": is 2, must be 1 or less"},
		{"{\"minimum\":0}", "\"-1\"", ""},
		{"{\"minItems\":1}", "[]", ": has 0 items, must have at least 1"},
		{"{\"minItems\":1}", "[1]", ""},
		{"{\"maxItems\":1}", "[1,2]", ": has 2 items, must have at most 1"},
		{"{\"minLength\":1}", "\"\"", ": has 0 characters, must have at least 1"},
		{"{\"maxLength\":3}", "\"\xc3\xa9t\xc3\xa9\"", ""},
		{"{\"maxLength\":2}", "\"\xc3\xa9t\xc3\xa9\"", ": has 3 characters, must have at most 2"},
		{"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"object\",\"required\":[\"k\"]}]}", "null", ""},
		{"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"object\",\"required\":[\"k\"]}]}", "{\"k\":1}", ""},
		{"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"object\",\"required\":[\"k\"]}]}", "{}", ": lacks the key \"k\""},
		{"{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"object\"}]}", "7", ": is 7, which none of the 2 alternatives allows"},
		{"{\"properties\":{\"x\":false}}", "{\"x\":1}", "/x: must not be there"},
		{"true", "1", ""},
		{"{\"properties\":{\"a\":{\"properties\":{\"b\":{\"items\":{\"minimum\":5}}}}}}", "{\"a\":{\"b\":[6,4]}}", "/a/b/1: is 4, must be 5 or more"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		KamArena   *arena = kam_arena_new();
		const char *got = faults(arena, rows[i].schema, rows[i].value);

		CHECK(strcmp(got, rows[i].want) == 0, "%s with %s: \"%s\", not \"%s\"", rows[i].value, rows[i].schema, got, rows[i].want);
		kam_arena_free(arena);
	}
}

/* A broken schema must not refuse every answer, let alone crash. */
TEST(malformed_keywords_say_nothing)
{
	static const char *const schemas[] = {
		"{\"type\":7}", "{\"type\":[]}", "{\"type\":[1]}", "{\"type\":{}}", "{\"required\":\"a\"}", "{\"required\":[1,null]}",
		"{\"properties\":[]}", "{\"properties\":{\"a\":3}}", "{\"items\":[]}", "{\"items\":\"x\"}", "{\"enum\":3}",
		"{\"minimum\":\"1\"}", "{\"minItems\":null}", "{\"maxLength\":[]}", "{\"anyOf\":[]}", "{\"anyOf\":{}}", "[]", "null", "3",
		"{\"additionalProperties\":{\"type\":\"string\"}}", "{\"format\":\"date\",\"pattern\":\"^x\"}",
	};
	static const char *const values[] = {"{\"a\":1}", "[1]", "\"text\"", "-3", "null", "true"};

	for (size_t i = 0; i < KAM_LENGTHOF(schemas); i++)
		for (size_t k = 0; k < KAM_LENGTHOF(values); k++)
		{
			KamArena   *arena = kam_arena_new();

			CHECK_STR(faults(arena, schemas[i], values[k]), "");
			kam_arena_free(arena);
		}
}

TEST(faults_are_bounded)
{
	KamArena   *arena = kam_arena_new();
	json_t	   *schema = json_loads("{\"items\":{\"type\":\"string\"}}", 0, NULL);
	json_t	   *value = json_array();
	json_t	   *list;

	for (int i = 0; i < 200000; i++)
		json_array_append_new(value, json_integer(i));
	list = kam_schema_check(arena, schema, value);
	CHECK_INT(json_array_size(list), 100);
	json_decref(list);
	json_decref(schema);
	json_decref(value);
	kam_arena_free(arena);
}

TEST(absent_value)
{
	KamArena   *arena = kam_arena_new();
	json_t	   *list = kam_schema_check(arena, NULL, NULL);

	CHECK_INT(json_array_size(list), 1);
	json_decref(list);
	kam_arena_free(arena);
}

RUN_TESTS()
