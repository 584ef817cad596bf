/*
 * core/schema_sound.c: whether a schema can be relied on: it says nothing that
 * core/schema.c would pass over, and asks for what the workflow reads.
 */
#include "core/schema.h"

#include <string.h>

#define MAX_FAULTS 100
#define MAX_DEPTH 40

typedef enum Form
{
	FORM_SCHEMA,
	FORM_SCHEMAS,				/* array of schemas, not empty */
	FORM_MEMBERS,				/* object of schemas */
	FORM_TYPE,					/* a type's name, or an array of them */
	FORM_KEYS,					/* array of texts */
	FORM_VALUES,				/* array, not empty */
	FORM_NUMBER,
	FORM_SIZE,					/* integer from 0 */
	FORM_BOOLEAN,
	FORM_ANY
} Form;

/* Indexed by Form. */
static const char *const form_says[] = {
	"a schema: an object, true or false", "an array of schemas", "an object of schemas", "a type (string, number, integer, boolean, object, array, null) or an array of types",
	"an array of keys", "an array of values", "a number", "an integer from 0 on", "true or false", "anything",
};

/* Every keyword that means something to core/schema.c, and those that only describe. */
static const struct
{
	const char *keyword;
	Form		form;
}			keywords[] = {
	{"type", FORM_TYPE}, {"properties", FORM_MEMBERS}, {"required", FORM_KEYS}, {"additionalProperties", FORM_BOOLEAN}, {"items", FORM_SCHEMA},
	{"enum", FORM_VALUES}, {"const", FORM_ANY}, {"minimum", FORM_NUMBER}, {"maximum", FORM_NUMBER}, {"minItems", FORM_SIZE}, {"maxItems", FORM_SIZE},
	{"minLength", FORM_SIZE}, {"maxLength", FORM_SIZE}, {"anyOf", FORM_SCHEMAS},
	{"title", FORM_ANY}, {"description", FORM_ANY}, {"default", FORM_ANY}, {"examples", FORM_ANY}, {"$schema", FORM_ANY}, {"$id", FORM_ANY}, {"$comment", FORM_ANY},
};

static const char *const types[] = {"string", "number", "integer", "boolean", "object", "array", "null"};

static void look_at(KamArena *arena, json_t *faults, const json_t *schema, const char *path, int depth);

static void
add_fault(json_t *faults, const char *path, const char *message)
{
	json_t	   *fault;

	if (json_array_size(faults) >= MAX_FAULTS)
		return;
	fault = kam_object();
	kam_put(fault, "path", kam_string(path));
	kam_put(fault, "message", kam_string(message));
	kam_push(faults, fault);
}

static bool
is_type(const json_t *value)
{
	for (size_t i = 0; json_is_string(value) && i < KAM_LENGTHOF(types); i++)
		if (strcmp(types[i], json_string_value(value)) == 0)
			return true;
	return false;
}

static bool
all_items(const json_t *array, bool (*is) (const json_t *value), size_t least)
{
	if (json_array_size(array) < least || !json_is_array(array))
		return false;
	for (size_t i = 0; i < json_array_size(array); i++)
		if (!is(json_array_get(array, i)))
			return false;
	return true;
}

static bool
is_text(const json_t *value)
{
	return json_is_string(value);
}

static bool
is_schema(const json_t *value)
{
	return json_is_object(value) || json_is_boolean(value);
}

static bool
has_form(Form form, const json_t *value)
{
	switch (form)
	{
		case FORM_SCHEMA:
			return is_schema(value);
		case FORM_SCHEMAS:
			return all_items(value, is_schema, 1);
		case FORM_MEMBERS:
			return json_is_object(value);
		case FORM_TYPE:
			return is_type(value) || all_items(value, is_type, 1);
		case FORM_KEYS:
			return all_items(value, is_text, 0);
		case FORM_VALUES:
			return json_array_size(value) > 0;
		case FORM_NUMBER:
			return json_is_number(value);
		case FORM_SIZE:
			return json_is_integer(value) && json_integer_value(value) >= 0;
		case FORM_BOOLEAN:
			return json_is_boolean(value);
		case FORM_ANY:
			break;
	}
	return true;
}

/* The schemas within a keyword's value. */
static void
look_within(KamArena *arena, json_t *faults, Form form, const json_t *value, const char *path, int depth)
{
	const char *key;
	json_t	   *member;

	if (form == FORM_SCHEMA)
		look_at(arena, faults, value, path, depth);
	else if (form == FORM_SCHEMAS)
		for (size_t i = 0; i < json_array_size(value); i++)
			look_at(arena, faults, json_array_get(value, i), kam_printf(arena, "%s/%zu", path, i), depth);
	else if (form == FORM_MEMBERS)
		json_object_foreach((json_t *) value, key, member)
			look_at(arena, faults, member, kam_printf(arena, "%s/%s", path, key), depth);
}

static void
look_at(KamArena *arena, json_t *faults, const json_t *schema, const char *path, int depth)
{
	const char *key;
	json_t	   *value;

	if (!is_schema(schema))
	{
		add_fault(faults, path, kam_printf(arena, "must be %s", form_says[FORM_SCHEMA]));
		return;
	}
	if (depth > MAX_DEPTH)
	{
		add_fault(faults, path, "is nested too deeply");
		return;
	}
	json_object_foreach((json_t *) schema, key, value)
	{
		const char *place = kam_printf(arena, "%s/%s", path, key);
		size_t		k = 0;

		while (k < KAM_LENGTHOF(keywords) && strcmp(keywords[k].keyword, key) != 0)
			k++;
		if (k == KAM_LENGTHOF(keywords))
			add_fault(faults, place, "is a keyword that kam does not check");
		else if (!has_form(keywords[k].form, value))
			add_fault(faults, place, kam_printf(arena, "must be %s", form_says[keywords[k].form]));
		else
			look_within(arena, faults, keywords[k].form, value, place, depth + 1);
	}
}

json_t *
kam_schema_faults(KamArena *arena, const json_t *schema)
{
	json_t	   *faults = kam_array();

	look_at(arena, faults, schema, "", 0);
	return faults;
}

/* ---- what the workflow reads ------------------------------------------------ */

/* Members whose own keys vary: not every one of the example's is asked for. */
static const char *const maps[] = {"generated_content"};

static bool
is_map(const char *key)
{
	for (size_t i = 0; i < KAM_LENGTHOF(maps); i++)
		if (strcmp(maps[i], key) == 0)
			return true;
	return false;
}

/* Whether "whole" passes without this member of "holder", a part of it; the member is put back. */
static bool
can_be_missing(KamArena *arena, const json_t *schema, const json_t *whole, json_t *holder, const char *key)
{
	json_t	   *member = json_incref(json_object_get(holder, key));
	json_t	   *faults;
	bool		passes;

	json_object_del(holder, key);
	faults = kam_schema_check(arena, schema, whole);
	passes = json_array_size(faults) == 0;
	json_decref(faults);
	kam_put(holder, key, member);
	return passes;
}

/* The first key of "holder" that may be missing; its members too when "deep". */
static const char *
missable(KamArena *arena, const json_t *schema, const json_t *whole, json_t *holder, const char *path, bool deep)
{
	const char **keys = KAM_NEW_ARRAY(arena, const char *, json_object_size(holder) + 1);
	const char *key;
	json_t	   *member;
	size_t		n = 0;

	/* Taking members out would disturb the walk. */
	json_object_foreach(holder, key, member)
		keys[n++] = kam_strdup(arena, key);
	for (size_t i = 0; i < n; i++)
	{
		const char *place = kam_printf(arena, "%s/%s", path, keys[i]);
		const char *found;

		if (can_be_missing(arena, schema, whole, holder, keys[i]))
			return place;
		member = json_object_get(holder, keys[i]);
		if (deep && json_is_object(member) && !is_map(keys[i]) &&
			(found = missable(arena, schema, whole, member, place, false)) != NULL)
			return found;
	}
	return NULL;
}

const char *
kam_schema_contract_fault(KamArena *arena, const json_t *schema, const json_t *example)
{
	json_t	   *faults = kam_schema_check(arena, schema, example);
	const char *out = NULL;

	if (json_array_size(faults) > 0)
	{
		const json_t *first = json_array_get(faults, 0);

		out = kam_printf(arena, "a valid output of the agent breaks it: at \"%s\": %s", kam_get_string(first, "path"), kam_get_string(first, "message"));
	}
	else
	{
		json_t	   *copy = json_deep_copy((json_t *) example);
		const char *place;

		if (copy == NULL)
			kam_out_of_memory();
		place = missable(arena, schema, copy, copy, "", true);
		json_decref(copy);
		if (place != NULL)
			out = kam_printf(arena, "an output without \"%s\", which the workflow reads, passes it", place);
	}
	json_decref(faults);
	return out;
}
