/*
 * llm/schema_strict.c: schemas as structured output takes them, and answers as
 * it gives them.
 *
 * The APIs take a subset of JSON Schema and refuse requests that go beyond it.
 * What is said here is what all of them take: closed objects with every
 * property required, one type per schema, unions as anyOf.  Lists of types are
 * parted because an enumeration beside several types is refused.  Whatever is
 * loosened by that, core/schema.c checks on the answer.
 */
#include "core/base.h"
#include "llm/request.h"

#include <string.h>
#include <strings.h>

#define MAX_DEPTH 10			/* containers within each other */
#define MAX_UNIONS 16			/* in one request */

typedef struct Saying
{
	bool		failed;			/* the schema cannot be said */
	int			unions;
} Saying;

static json_t *strict_schema(Saying *saying, const json_t *schema, int depth);

static json_t *
fail(Saying *saying)
{
	saying->failed = true;
	return NULL;
}

/* ---- one type --------------------------------------------------------------- */

static json_t *
closed_object(json_t *properties)
{
	json_t	   *out = kam_object();
	json_t	   *required = kam_array();
	const char *key;
	json_t	   *property;

	json_object_foreach(properties, key, property)
		kam_push(required, kam_string(key));
	kam_put(out, "type", kam_string("object"));
	kam_put(out, "properties", properties);
	kam_put(out, "required", required);
	kam_put(out, "additionalProperties", json_false());
	return out;
}

/* Objects without properties, and maps, cannot be closed. */
static json_t *
strict_object(Saying *saying, const json_t *schema, int depth)
{
	const json_t *properties = kam_get_object(schema, "properties");
	const json_t *required = json_object_get(schema, "required");
	json_t	   *said;
	const char *key;
	json_t	   *property;

	if (json_object_size(properties) == 0 || json_object_get(schema, "patternProperties") != NULL ||
		json_is_object(json_object_get(schema, "additionalProperties")))
		return fail(saying);
	said = kam_object();
	json_object_foreach((json_t *) properties, key, property)
	{
		json_t	   *strict;

		if (json_is_false(property))
			continue;
		strict = strict_schema(saying, property, depth + 1);
		if (strict == NULL)
			break;
		kam_put(said, key, strict);
	}
	for (size_t i = 0; i < json_array_size(required); i++)
	{
		key = json_string_value(json_array_get(required, i));
		if (key == NULL || json_object_get(said, key) == NULL)
			fail(saying);
	}
	if (saying->failed || json_object_size(said) == 0)
	{
		json_decref(said);
		return fail(saying);
	}
	return closed_object(said);
}

static json_t *
strict_array(Saying *saying, const json_t *schema, int depth)
{
	const json_t *items = kam_get_object(schema, "items");
	json_t	   *said = items != NULL ? strict_schema(saying, items, depth + 1) : fail(saying);
	json_t	   *out;

	if (said == NULL)
		return NULL;
	out = kam_object();
	kam_put(out, "type", kam_string("array"));
	kam_put(out, "items", said);
	return out;
}

static const char *
type_of(const json_t *value)
{
	static const char *const name[] = {
		[JSON_OBJECT] = "object", [JSON_ARRAY] = "array", [JSON_STRING] = "string", [JSON_INTEGER] = "integer",
		[JSON_REAL] = "number", [JSON_TRUE] = "boolean", [JSON_FALSE] = "boolean", [JSON_NULL] = "null"
	};

	return name[json_typeof(value)];
}

static bool
is_of_type(const json_t *value, const char *type)
{
	const char *own = type_of(value);

	return strcmp(own, type) == 0 || (strcmp(type, "number") == 0 && strcmp(own, "integer") == 0);
}

/* A scalar with those of the values listed that are of its type; NULL without a failure when there are none. */
static json_t *
strict_scalar(const json_t *values, const char *type)
{
	json_t	   *out = kam_object();
	json_t	   *kept;

	kam_put(out, "type", kam_string(type));
	if (values == NULL)
		return out;
	kept = kam_array();
	for (size_t i = 0; i < json_array_size(values); i++)
		if (is_of_type(json_array_get(values, i), type))
			kam_push(kept, json_incref(json_array_get(values, i)));
	if (json_array_size(kept) == 0)
	{
		json_decref(kept);
		json_decref(out);
		return NULL;
	}
	if (strcmp(type, "null") == 0)
		json_decref(kept);
	else
		kam_put(out, "enum", kept);
	return out;
}

static json_t *
strict_type(Saying *saying, const json_t *schema, const json_t *values, const char *type, int depth)
{
	static const char *const scalar[] = {"string", "number", "integer", "boolean", "null"};

	for (size_t i = 0; i < KAM_LENGTHOF(scalar); i++)
		if (strcmp(scalar[i], type) == 0)
			return strict_scalar(values, type);
	/* A list of whole objects or arrays is no enumeration that they take. */
	if (values != NULL)
		return fail(saying);
	if (strcmp(type, "object") == 0)
		return strict_object(saying, schema, depth);
	return strcmp(type, "array") == 0 ? strict_array(saying, schema, depth) : fail(saying);
}

/* ---- several ---------------------------------------------------------------- */

/* The types a schema allows, each once: as it says, or as its other keywords do.  A new array, empty when nothing tells. */
static json_t *
types_of(const json_t *schema, const json_t *values)
{
	static const char *const container[][2] = {{"properties", "object"}, {"items", "array"}};
	json_t	   *out = kam_array();
	const json_t *said = json_object_get(schema, "type");
	json_t	   *seen = kam_object();

	if (json_is_string(said))
		kam_put(seen, json_string_value(said), json_true());
	for (size_t i = 0; i < json_array_size(said); i++)
		if (json_is_string(json_array_get(said, i)))
			kam_put(seen, json_string_value(json_array_get(said, i)), json_true());
	for (size_t i = 0; said == NULL && i < json_array_size(values); i++)
		kam_put(seen, type_of(json_array_get(values, i)), json_true());
	for (size_t i = 0; i < KAM_LENGTHOF(container) && json_object_size(seen) == 0; i++)
		if (json_object_get(schema, container[i][0]) != NULL)
			kam_put(seen, container[i][1], json_true());
	/* Every integer is a number. */
	if (json_object_get(seen, "number") != NULL)
		json_object_del(seen, "integer");

	const char *type;
	json_t	   *value;

	json_object_foreach(seen, type, value)
		kam_push(out, kam_string(type));
	json_decref(seen);
	return out;
}

/* Branches as one schema, taken over: the only one, or anyOf. */
static json_t *
join(Saying *saying, json_t *branches)
{
	json_t	   *out;

	if (!saying->failed && json_array_size(branches) > 1)
	{
		out = kam_object();
		kam_put(out, "anyOf", branches);
		saying->unions++;
		return out;
	}
	out = !saying->failed && json_array_size(branches) == 1 ? json_incref(json_array_get(branches, 0)) : fail(saying);
	json_decref(branches);
	return out;
}

static json_t *
strict_any_of(Saying *saying, const json_t *any, int depth)
{
	json_t	   *branches = kam_array();

	for (size_t i = 0; i < json_array_size(any) && !saying->failed; i++)
	{
		json_t	   *branch = strict_schema(saying, json_array_get(any, i), depth);

		if (branch != NULL)
			kam_push(branches, branch);
	}
	return join(saying, branches);
}

static json_t *
strict_schema(Saying *saying, const json_t *schema, int depth)
{
	const json_t *any = kam_get_array(schema, "anyOf");
	const json_t *one = json_object_get(schema, "const");
	const json_t *description = json_object_get(schema, "description");
	json_t	   *values = NULL;
	json_t	   *types,
			   *out;

	if (depth > MAX_DEPTH || !json_is_object(schema) || json_object_get(schema, "$ref") != NULL)
		return fail(saying);
	if (one != NULL)
	{
		values = kam_array();
		kam_push(values, json_incref((json_t *) one));
	}
	else if (json_is_array(json_object_get(schema, "enum")))
		values = json_incref(json_object_get(schema, "enum"));

	types = types_of(schema, values);
	if (json_array_size(types) == 0 && any != NULL)
		out = strict_any_of(saying, any, depth + 1);
	else
	{
		json_t	   *branches = kam_array();

		for (size_t i = 0; i < json_array_size(types) && !saying->failed; i++)
		{
			json_t	   *branch = strict_type(saying, schema, values, json_string_value(json_array_get(types, i)), depth);

			if (branch != NULL)
				kam_push(branches, branch);
		}
		out = join(saying, branches);
	}
	if (out != NULL && json_is_string(description) && json_object_get(out, "description") == NULL)
		kam_put(out, "description", json_incref((json_t *) description));
	json_decref(types);
	json_decref(values);
	return out;
}

/* ---- whole schemas ----------------------------------------------------------- */

/* The answer itself must be an object and nothing else. */
static json_t *
strict_root(Saying *saying, const json_t *schema)
{
	json_t	   *out = strict_schema(saying, schema, 1);

	if (out != NULL && json_object_get(out, "properties") == NULL)
	{
		json_decref(out);
		return fail(saying);
	}
	return out;
}

/* Gives up what became too much. */
static json_t *
within_limits(const Saying *saying, json_t *out)
{
	if (!saying->failed && saying->unions <= MAX_UNIONS)
		return out;
	json_decref(out);
	return NULL;
}

json_t *
kam_schema_strict(const json_t *schema)
{
	Saying		saying = {false, 0};
	json_t	   *out = strict_root(&saying, schema);

	return within_limits(&saying, out);
}

json_t *
kam_schema_envelope(const char *const *agent, const json_t *const *schema, int count)
{
	Saying		saying = {false, 0};
	json_t	   *properties;

	if (count == 1)
		return kam_schema_strict(schema[0]);
	properties = kam_object();
	for (int i = 0; i < count && !saying.failed; i++)
	{
		json_t	   *own = strict_root(&saying, schema[i]);
		json_t	   *null = kam_object();
		json_t	   *branches = kam_array();

		kam_put(null, "type", kam_string("null"));
		if (own != NULL)
			kam_push(branches, own);
		kam_push(branches, null);
		own = join(&saying, branches);
		if (own != NULL)
			kam_put(properties, agent[i], own);
	}
	if (saying.failed || count <= 0)
	{
		json_decref(properties);
		return NULL;
	}
	return within_limits(&saying, closed_object(properties));
}

const json_t *
kam_envelope_open(const json_t *answer, const char *agent)
{
	const json_t *part = kam_get_object(answer, agent);

	return part != NULL ? part : answer;
}

/* ---- answers ------------------------------------------------------------------ */

static bool
names_null(const json_t *schema)
{
	const json_t *type = json_object_get(schema, "type");
	const json_t *any = json_object_get(schema, "anyOf");
	const json_t *values = json_object_get(schema, "enum");

	if (json_is_string(type))
		return strcmp(json_string_value(type), "null") == 0;
	if (json_is_array(type))
	{
		for (size_t i = 0; i < json_array_size(type); i++)
			if (json_is_string(json_array_get(type, i)) && strcmp(json_string_value(json_array_get(type, i)), "null") == 0)
				return true;
		return false;
	}
	if (json_is_array(any))
	{
		for (size_t i = 0; i < json_array_size(any); i++)
			if (names_null(json_array_get(any, i)))
				return true;
		return false;
	}
	for (size_t i = 0; i < json_array_size(values); i++)
		if (json_is_null(json_array_get(values, i)))
			return true;
	return values == NULL;
}

static bool
is_required(const json_t *schema, const char *key)
{
	const json_t *required = json_object_get(schema, "required");

	for (size_t i = 0; i < json_array_size(required); i++)
	{
		const char *one = json_string_value(json_array_get(required, i));

		if (one != NULL && strcmp(one, key) == 0)
			return true;
	}
	return false;
}

static void
settle_enum(const json_t *values, json_t *answer)
{
	const char *said = json_string_value(answer);
	const char *meant = NULL;

	if (said == NULL)
		return;
	for (size_t i = 0; i < json_array_size(values); i++)
	{
		const char *one = json_string_value(json_array_get(values, i));

		if (one != NULL && strcmp(one, said) == 0)
			return;
		if (one != NULL && meant == NULL && strcasecmp(one, said) == 0)
			meant = one;
	}
	if (meant != NULL && json_string_set_nocheck(answer, meant) != 0)
		kam_out_of_memory();
}

void
kam_schema_settle(const json_t *schema, json_t *answer)
{
	const json_t *properties = kam_get_object(schema, "properties");
	const json_t *any = kam_get_array(schema, "anyOf");
	const char *key;
	json_t	   *property;

	if (!json_is_object(schema) || answer == NULL)
		return;
	settle_enum(json_object_get(schema, "enum"), answer);
	json_object_foreach((json_t *) properties, key, property)
	{
		json_t	   *member = json_object_get(answer, key);

		if (json_is_null(member) && !is_required(schema, key) && !names_null(property))
			json_object_del(answer, key);
		else
			kam_schema_settle(property, member);
	}
	for (size_t i = 0; i < json_array_size(answer); i++)
		kam_schema_settle(json_object_get(schema, "items"), json_array_get(answer, i));
	for (size_t i = 0; i < json_array_size(any); i++)
		kam_schema_settle(json_array_get(any, i), answer);
}
