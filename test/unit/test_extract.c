/*
 * test/unit/test_extract.c: JSON is found in what a model says, and nothing
 * that is not the answer is taken for it.
 */
#include "core/extract.h"

#include "unit.h"

/* Extracts, dumps compactly with sorted keys; the reason when there is none. */
static const char *
extract_n(KamArena *arena, const char *text, size_t len)
{
	const char *why = NULL;
	json_t	   *value = kam_extract_json(arena, text, len, &why);
	char	   *dump;
	const char *out;

	if (value == NULL)
		return why;
	dump = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
	out = kam_strdup(arena, dump);
	free(dump);
	json_decref(value);
	return out;
}

static const char *
extract(KamArena *arena, const char *text)
{
	return extract_n(arena, text, strlen(text));
}

TEST(answers_in_every_wrapping)
{
	static const struct
	{
		const char *text,
				   *want;
	}			rows[] = {
		{"{\"a\":1}", "{\"a\":1}"},
		{"  \n{\"a\":1}\n\n", "{\"a\":1}"},
		{"\xef\xbb\xbf{\"a\":1}", "{\"a\":1}"},
		{"```json\n{\"a\": 1}\n```", "{\"a\":1}"},
		{"```\n{\"a\": 1}\n```\nI hope this helps!", "{\"a\":1}"},
		{"Here is it: {\"a\": {\"b\": [1, {\"c\": 2}]}}. Bye {name}!", "{\"a\":{\"b\":[1,{\"c\":2}]}}"},
		{"I write \"{\" and } and {{first_name}} first, then {\"a\": 1}", "{\"a\":1}"},
		{"{\"a\": \"} { not \\\" a brace {\"}", "{\"a\":\"} { not \\\" a brace {\"}"},
		{"[{\"a\":1}]", "{\"a\":1}"},
		{"{}", "{}"},
		{"Set {\"x\"} or {\"x\", 2} as {\"a\": 1}", "{\"a\":1}"},
		{"{\"a\": 123456789012345678901234567890}", "{\"a\":1.2345678901234568e29}"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		KamArena   *arena = kam_arena_new();

		CHECK_STR(extract(arena, rows[i].text), rows[i].want);
		kam_arena_free(arena);
	}
}

TEST(of_several_the_largest)
{
	KamArena   *arena = kam_arena_new();

	CHECK_STR(extract(arena, "{\"a\":1} then {\"a\":1,\"b\":2} then {\"c\":3}"), "{\"a\":1,\"b\":2}");
	CHECK_STR(extract(arena, "{\"draft\": tru, \"x\":1} corrected: {\"draft\": true}"), "{\"draft\":true}");
	kam_arena_free(arena);
}

/* A fragment of a broken answer is not the answer. */
TEST(broken_answers_are_not_mined)
{
	KamArena   *arena = kam_arena_new();
	const char *why;

	why = extract(arena, "{\"final_decision\": {\"action\": \"wait\",}, \"metadata\": {\"x\": 1}}");
	CHECK(strstr(why, "at byte 38") != NULL, "%s", why);
	CHECK_STR(extract(arena, "{\"a\": {\"b\": 1}, \"c\": \"cut of"), "truncated");
	CHECK_STR(extract(arena, "Example: {\"a\":1}. Answer: {\"final_decision\": {\"action\": \"se"), "truncated");
	CHECK_STR(extract(arena, "{"), "truncated");
	why = extract(arena, "{'a': {\"b\": 1}}");
	CHECK(strchr(why, '{') == NULL && strstr(why, "at byte") != NULL, "%s", why);
	kam_arena_free(arena);
}

TEST(no_object_at_all)
{
	KamArena   *arena = kam_arena_new();

	CHECK_STR(extract(arena, ""), "no JSON object");
	CHECK_STR(extract(arena, "I cannot answer."), "no JSON object");
	CHECK_STR(extract(arena, "[1, 2, 3] \"text\" null"), "no JSON object");
	CHECK_STR(extract(arena, "Dear {first_name}, {{x}} {a, b}"), "no JSON object");
	kam_arena_free(arena);
}

TEST(hostile_bytes_are_refused_with_a_reason)
{
	KamArena   *arena = kam_arena_new();
	static const char nul[] = "\0{\0 {\"a\":\"x\0y\"}";
	static const char bad[] = "{\"a\":\"\xff\xfe\"}";
	const char *why;

	why = extract_n(arena, nul, sizeof nul - 1);
	CHECK(why[0] != '{' && strstr(why, "at byte") != NULL, "%s", why);
	why = extract_n(arena, bad, sizeof bad - 1);
	CHECK(strstr(why, "unable to decode byte 0xff") != NULL, "%s", why);
	why = extract(arena, "{\"a\":\"\\u0000\"}");
	CHECK(why[0] != '{', "%s", why);
	/* the reason goes into a text column: ASCII whatever the input */
	why = extract(arena, "{\"a\": \xc3\xa9t\xc3\xa9}");
	for (const char *c = why; *c; c++)
		CHECK((unsigned char) *c >= 0x20 && (unsigned char) *c < 0x7f, "byte %d in \"%s\"", *c, why);
	kam_arena_free(arena);
}

/* Fifty megabytes of the worst shapes: linear time, bounded stack. */
TEST(large_inputs)
{
	static const struct
	{
		const char *unit,
				   *why;
	}			rows[] = {
		{"{", "no JSON object"},
		{"{\"a\":", "truncated"},
		{"{ ", "no JSON object"},
		{"\"", "no JSON object"},
		{"\\", "no JSON object"},
		{"{\"\\", "truncated"},
	};
	size_t		len = 50 * 1000 * 1000;
	char	   *text = malloc(len + 1);

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		KamArena   *arena = kam_arena_new();
		size_t		unit = strlen(rows[i].unit);

		for (size_t at = 0; at < len; at++)
			text[at] = rows[i].unit[at % unit];
		text[len] = '\0';
		/* a run of braces ends on one that might still open an object */
		CHECK_STR(extract_n(arena, text, len), text[len - 1] == '{' || rows[i].unit[1] == ' ' ? "truncated" : rows[i].why);
		kam_arena_free(arena);
	}

	{
		KamArena   *arena = kam_arena_new();
		const char *why = NULL;
		json_t	   *value;

		memset(text, 'x', len);
		memcpy(text, "{\"a\":\"", 6);
		memcpy(text + len - 2, "\"}", 2);
		value = kam_extract_json(arena, text, len, &why);
		CHECK(value != NULL, "%s", why);
		CHECK_INT(json_string_length(json_object_get(value, "a")), len - 8);
		json_decref(value);
		kam_arena_free(arena);
	}
	free(text);
}

TEST(deep_nesting_is_refused)
{
	KamArena   *arena = kam_arena_new();
	size_t		depth = 100000;
	char	   *text = malloc(depth * 6 + 1);
	const char *why;

	for (size_t i = 0; i < depth; i++)
	{
		memcpy(text + i * 5, "{\"a\":", 5);
		text[depth * 5 + i] = '}';
	}
	why = extract_n(arena, text, depth * 6);
	CHECK(strstr(why, "depth") != NULL, "%s", why);
	free(text);
	kam_arena_free(arena);
}

RUN_TESTS()
