/*
 * core/schema.c: a value against the part of JSON Schema that agents' outputs
 * need.
 *
 * Owns the keywords as a table with one interpreter.  A keyword whose own
 * value is malformed says nothing; the schema's depth bounds the recursion,
 * and the number of faults told is bounded, however large the value.
 */
#include "core/schema.h"

#include <math.h>
#include <string.h>

#define MAX_FAULTS 100

/* Where we are: a chain from the value up to the root, so that paths are written only for faults. */
typedef struct Place
{
	const struct Place *parent;
	const char *key;			/* of an object member, or NULL */
	size_t		index;			/* of an array item */
} Place;

typedef struct Check
{
	KamArena   *arena;
	json_t	   *faults;
} Check;

static void check_value(Check *check, const json_t *schema, const json_t *value, const Place *place);

/* ---- paths and messages ------------------------------------------------ */

static char *
escape_key(KamArena *arena, const char *key)
{
	char	   *out = kam_alloc(arena, strlen(key) * 2 + 1);
	char	   *to = out;

	for (; *key != '\0'; key++)
	{
		if (*key == '~' || *key == '/')
		{
			*to++ = '~';
			*to++ = *key == '~' ? '0' : '1';
		}
		else
			*to++ = *key;
	}
	*to = '\0';
	return out;
}

static const char *
place_path(KamArena *arena, const Place *place)
{
	if (place == NULL || place->parent == NULL)
		return "";
	if (place->key != NULL)
		return kam_printf(arena, "%s/%s", place_path(arena, place->parent), escape_key(arena, place->key));
	return kam_printf(arena, "%s/%zu", place_path(arena, place->parent), place->index);
}

static bool
is_full(const Check *check)
{
	return json_array_size(check->faults) >= MAX_FAULTS;
}

static void
add_fault(Check *check, const Place *place, const char *message)
{
	json_t	   *fault;

	if (is_full(check))
		return;
	fault = kam_object();
	kam_put(fault, "path", kam_string(place_path(check->arena, place)));
	kam_put(fault, "message", kam_string(message));
	kam_push(check->faults, fault);
}

static const char *
type_name(const json_t *value)
{
	switch (json_typeof(value))
	{
		case JSON_OBJECT:
			return "object";
		case JSON_ARRAY:
			return "array";
		case JSON_STRING:
			return "string";
		case JSON_INTEGER:
			return "integer";
		case JSON_REAL:
			return "number";
		case JSON_TRUE:
		case JSON_FALSE:
			return "boolean";
		case JSON_NULL:
			break;
	}
	return "null";
}

/* A value as a message shows it, cut when long. */
static const char *
shown(KamArena *arena, const json_t *value)
{
	const size_t flags = JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII;
	size_t		length = json_dumpb(value, NULL, 0, flags);
	char	   *text;

	if (length == 0)
		return type_name(value);
	text = kam_alloc(arena, length + 1);
	json_dumpb(value, text, length, flags);
	return length > 80 ? kam_printf(arena, "%.77s...", text) : text;
}

/* ---- comparisons ------------------------------------------------------- */

/* JSON Schema's equality: 1 and 1.0 are one number. */
static bool
same_value(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b))
		return json_number_value(a) == json_number_value(b);
	return json_equal(a, b) == 1;
}

static bool
has_type(const json_t *value, const char *type)
{
	if (strcmp(type, "number") == 0)
		return json_is_number(value);
	if (strcmp(type, "integer") == 0)
		return json_is_integer(value) || (json_is_real(value) && floor(json_real_value(value)) == json_real_value(value));
	return strcmp(type_name(value), type) == 0;
}

static size_t
count_characters(const json_t *value)
{
	const char *s = json_string_value(value);
	size_t		n = 0;

	for (size_t i = 0; i < json_string_length(value); i++)
		n += ((unsigned char) s[i] & 0xc0) != 0x80;
	return n;
}

/* "string", or "string or null" of a type keyword; NULL when it is malformed. */
static const char *
wanted_types(KamArena *arena, const json_t *type)
{
	const char *out = NULL;

	if (json_is_string(type))
		return json_string_value(type);
	for (size_t i = 0; i < json_array_size(type); i++)
	{
		const char *one = json_string_value(json_array_get(type, i));

		if (one == NULL)
			return NULL;
		out = out == NULL ? one : kam_printf(arena, "%s or %s", out, one);
	}
	return out;
}

/* Does the value have the type, or one of the types, that the schema names?  True when it names none. */
static bool
fits_type(const json_t *type, const json_t *value)
{
	if (json_is_string(type))
		return has_type(value, json_string_value(type));
	if (json_array_size(type) == 0)
		return true;
	for (size_t i = 0; i < json_array_size(type); i++)
	{
		const char *one = json_string_value(json_array_get(type, i));

		if (one == NULL || has_type(value, one))
			return true;
	}
	return false;
}

/* ---- keywords ---------------------------------------------------------- */

static void
check_enum(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	const char *list = NULL;

	if (!json_is_array(rule))
		return;
	for (size_t i = 0; i < json_array_size(rule); i++)
		if (same_value(json_array_get(rule, i), value))
			return;
	for (size_t i = 0; i < json_array_size(rule) && i < 20; i++)
	{
		const char *one = shown(check->arena, json_array_get(rule, i));

		list = list == NULL ? one : kam_printf(check->arena, "%s, %s", list, one);
	}
	add_fault(check, place, kam_printf(check->arena, "is %s, must be one of %s",
									   shown(check->arena, value), list != NULL ? list : "none"));
}

static void
check_const(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	if (!same_value(rule, value))
		add_fault(check, place, kam_printf(check->arena, "is %s, must be %s",
										   shown(check->arena, value), shown(check->arena, rule)));
}

static void
check_minimum(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	if (json_is_number(rule) && json_is_number(value) && json_number_value(value) < json_number_value(rule))
		add_fault(check, place, kam_printf(check->arena, "is %s, must be %s or more",
										   shown(check->arena, value), shown(check->arena, rule)));
}

static void
check_maximum(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	if (json_is_number(rule) && json_is_number(value) && json_number_value(value) > json_number_value(rule))
		add_fault(check, place, kam_printf(check->arena, "is %s, must be %s or less",
										   shown(check->arena, value), shown(check->arena, rule)));
}

/* minItems, maxItems, minLength, maxLength: a size against a bound. */
static void
check_size(Check *check, const json_t *rule, size_t size, bool least, const char *unit, const Place *place)
{
	double		bound = json_number_value(rule);

	if (!json_is_number(rule) || (least ? (double) size >= bound : (double) size <= bound))
		return;
	add_fault(check, place, kam_printf(check->arena, "has %zu %s, must have %s %.0f",
									   size, unit, least ? "at least" : "at most", bound));
}

static void
check_min_items(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	if (json_is_array(value))
		check_size(check, rule, json_array_size(value), true, "items", place);
}

static void
check_max_items(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	if (json_is_array(value))
		check_size(check, rule, json_array_size(value), false, "items", place);
}

static void
check_min_length(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	if (json_is_string(value))
		check_size(check, rule, count_characters(value), true, "characters", place);
}

static void
check_max_length(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	if (json_is_string(value))
		check_size(check, rule, count_characters(value), false, "characters", place);
}

static void
check_required(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	if (!json_is_object(value))
		return;
	for (size_t i = 0; i < json_array_size(rule); i++)
	{
		const char *key = json_string_value(json_array_get(rule, i));

		if (key != NULL && json_object_get(value, key) == NULL)
			add_fault(check, place, kam_printf(check->arena, "lacks the key \"%s\"", key));
	}
}

static void
check_properties(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	const char *key;
	json_t	   *schema;

	if (!json_is_object(rule) || !json_is_object(value))
		return;
	json_object_foreach((json_t *) rule, key, schema)
	{
		const json_t *member = json_object_get(value, key);

		if (member != NULL && !is_full(check))
			check_value(check, schema, member, &(Place) {place, key, 0});
	}
}

static void
check_items(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	if (!json_is_array(value) || json_is_array(rule))
		return;
	for (size_t i = 0; i < json_array_size(value) && !is_full(check); i++)
		check_value(check, rule, json_array_get(value, i), &(Place) {place, NULL, i});
}

/*
 * At least one alternative must hold.  When none does, the faults of the
 * nearest one of the value's own type are told: "lacks the key" helps more
 * than "matches none".
 */
static void
check_any_of(Check *check, const json_t *rule, const json_t *value, const Place *place)
{
	json_t	   *nearest = NULL;

	if (!json_is_array(rule) || json_array_size(rule) == 0)
		return;
	for (size_t i = 0; i < json_array_size(rule); i++)
	{
		const json_t *schema = json_array_get(rule, i);
		Check		attempt = {check->arena, kam_array()};

		check_value(&attempt, schema, value, place);
		if (json_array_size(attempt.faults) == 0)
		{
			json_decref(attempt.faults);
			json_decref(nearest);
			return;
		}
		if (fits_type(json_object_get(schema, "type"), value) &&
			(nearest == NULL || json_array_size(attempt.faults) < json_array_size(nearest)))
		{
			json_decref(nearest);
			nearest = attempt.faults;
		}
		else
			json_decref(attempt.faults);
	}
	if (nearest != NULL)
	{
		for (size_t i = 0; i < json_array_size(nearest) && !is_full(check); i++)
			kam_push(check->faults, json_incref(json_array_get(nearest, i)));
		json_decref(nearest);
	}
	else
		add_fault(check, place, kam_printf(check->arena, "is %s, which none of the %zu alternatives allows",
										   shown(check->arena, value), json_array_size(rule)));
}

/* One row per keyword, in the order in which faults are told. */
static const struct
{
	const char *keyword;
	void		(*check) (Check *check, const json_t *rule, const json_t *value, const Place *place);
}			keywords[] = {
	{"enum", check_enum},
	{"const", check_const},
	{"minimum", check_minimum},
	{"maximum", check_maximum},
	{"minLength", check_min_length},
	{"maxLength", check_max_length},
	{"minItems", check_min_items},
	{"maxItems", check_max_items},
	{"required", check_required},
	{"properties", check_properties},
	{"items", check_items},
	{"anyOf", check_any_of},
};

/* additionalProperties needs its sibling "properties", so it stands beside the table. */
static void
check_additional(Check *check, const json_t *schema, const json_t *value, const Place *place)
{
	const json_t *known = json_object_get(schema, "properties");
	const char *key;
	json_t	   *member;

	if (!json_is_false(json_object_get(schema, "additionalProperties")) || !json_is_object(value))
		return;
	json_object_foreach((json_t *) value, key, member)
		if (json_object_get(known, key) == NULL)
			add_fault(check, &(Place) {place, key, 0}, "is not a known key");
}

static void
check_value(Check *check, const json_t *schema, const json_t *value, const Place *place)
{
	const json_t *type;

	if (json_is_false(schema))
		add_fault(check, place, "must not be there");
	if (!json_is_object(schema))
		return;

	/* A value of the wrong type is one fault, not one per keyword. */
	type = json_object_get(schema, "type");
	if (!fits_type(type, value))
	{
		const char *wanted = wanted_types(check->arena, type);

		add_fault(check, place, kam_printf(check->arena, "is of type %s, must be of type %s",
										   type_name(value), wanted != NULL ? wanted : "known to the schema"));
		return;
	}
	for (size_t i = 0; i < KAM_LENGTHOF(keywords); i++)
	{
		const json_t *rule = json_object_get(schema, keywords[i].keyword);

		if (rule != NULL)
			keywords[i].check(check, rule, value, place);
	}
	check_additional(check, schema, value, place);
}

json_t *
kam_schema_check(KamArena *arena, const json_t *schema, const json_t *value)
{
	Check		check = {arena, kam_array()};

	if (value == NULL)
		add_fault(&check, NULL, "is absent");
	else
		check_value(&check, schema, value, &(Place) {NULL, NULL, 0});
	return check.faults;
}
