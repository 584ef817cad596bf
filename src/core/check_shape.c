/*
 * core/check_shape.c: the guard's rules of shape: keys, types, enumerations
 * (contract section 5; agent-outputs.json, synthesis_orchestrator).
 *
 * One table says what a decision is made of.  A key whose absence has a rule
 * of its own under the decision's action is left to that rule.
 */
#include "core/check_internal.h"

#include <string.h>

/* What may stand at a place. */
#define A_STRING 1u
#define A_NUMBER 2u
#define A_BOOLEAN 4u
#define AN_OBJECT 8u
#define AN_ARRAY 16u
#define A_NULL 32u

/* ---- who tells of an absent key ---------------------------------------------- */

static bool
never(const KamGuard *guard)
{
	return false;
}

/* The key may be missing, or a rule of its own says what its absence means. */
static bool
always(const KamGuard *guard)
{
	return true;
}

static bool
when_sent(const KamGuard *guard)
{
	return guard->sends;
}

static bool
when_waiting(const KamGuard *guard)
{
	return guard->waits;
}

static bool
when_planned(const KamGuard *guard)
{
	return guard->action >= 0 && kam_sequence_required(guard->facts, (KamAction) guard->action);
}

/* ---- enumerations --------------------------------------------------------------- */

typedef const char *(*NameAt) (int i);

static const char *
action_at(int i)
{
	return i <= KAM_NO_ACTION ? kam_action_name((KamAction) i) : NULL;
}

static const char *
channel_at(int i)
{
	return i + 1 < KAM_CHANNELS ? kam_channel_name((KamChannel) (i + 1)) : NULL;
}

static const char *
wait_type_at(int i)
{
	return i + 1 <= KAM_WAIT_COORDINATION_NEEDED ? kam_wait_type_name((KamWaitType) (i + 1)) : NULL;
}

static const char *
variant_at(int i)
{
	return i + 1 <= KAM_BREAK_UP_MESSAGE ? kam_variant_name((KamVariant) (i + 1)) : NULL;
}

static const char *
risk_level_at(int i)
{
	static const char *const levels[] = {"low", "medium", "high", "critical"};

	return i < (int) KAM_LENGTHOF(levels) ? levels[i] : NULL;
}

/* ---- the table -------------------------------------------------------------------- */

typedef struct Key
{
	const char *path;
	unsigned	types;
	bool		(*excused) (const KamGuard *guard);	/* is an absence left to others? */
	NameAt		names;			/* enumeration, or NULL */
} Key;

/* Parents stand before what is inside them. */
static const Key keys[] = {
	{"/action", A_STRING, never, action_at},
	{"/selected_channel", A_STRING | A_NULL, when_sent, channel_at},
	{"/selected_content", AN_OBJECT | A_NULL, when_sent, NULL},
	{"/selected_content/message", A_STRING | A_NULL, always, NULL},
	{"/selected_content/tone", A_STRING | A_NULL, always, NULL},
	{"/selected_content/content_source", A_STRING | A_NULL, always, NULL},
	{"/selected_content/variant", A_STRING | A_NULL, always, variant_at},
	{"/execution_timing", AN_OBJECT, never, NULL},
	{"/execution_timing/execute_at", A_STRING | A_NULL, when_sent, NULL},
	{"/execution_timing/reevaluate_at", A_STRING | A_NULL, when_waiting, NULL},
	{"/execution_timing/timezone", A_STRING, never, NULL},
	{"/wait_type", AN_OBJECT | A_NULL, when_waiting, NULL},
	{"/wait_type/type", A_STRING | A_NULL, always, wait_type_at},
	{"/wait_type/risk_level", A_STRING | A_NULL, always, risk_level_at},
	{"/wait_type/trigger_event", A_STRING | A_NULL, always, NULL},
	{"/wait_type/reevaluation_trigger", A_STRING | A_NULL, always, NULL},
	{"/sequence_instructions", AN_OBJECT, when_planned, NULL},
	{"/sequence_instructions/is_part_of_sequence", A_BOOLEAN, never, NULL},
	{"/sequence_instructions/sequence_plan", AN_ARRAY | A_NULL, when_planned, NULL},
	{"/rationale", AN_OBJECT, never, NULL},
	{"/rationale/action_reasoning", A_STRING | A_NULL, always, NULL},
	{"/rationale/channel_reasoning", A_STRING | A_NULL, never, NULL},
	{"/rationale/timing_reasoning", A_STRING | A_NULL, never, NULL},
	{"/rationale/historical_alignment", A_STRING | A_NUMBER | A_NULL, never, NULL},
	{"/rationale/opportunity_strength", A_NUMBER, never, NULL},
	{"/rationale/opportunity_strength_breakdown", AN_OBJECT | A_NULL, always, NULL},
	{"/rationale/opportunity_strength_breakdown/base_score", A_NUMBER, never, NULL},
	{"/rationale/opportunity_strength_breakdown/factors", AN_ARRAY, never, NULL},
	{"/rationale/opportunity_strength_breakdown/calculated_total", A_NUMBER, never, NULL},
	{"/rationale/confidence_factors", AN_OBJECT, never, NULL},
	{"/rationale/confidence_factors/relationship_certainty", A_NUMBER | A_NULL, never, NULL},
	{"/rationale/confidence_factors/timing_certainty", A_NUMBER | A_NULL, never, NULL},
	{"/rationale/confidence_factors/channel_certainty", A_NUMBER | A_NULL, never, NULL},
	{"/rationale/confidence_factors/content_quality", A_NUMBER | A_NULL, never, NULL},
	{"/rationale/confidence_factors/historical_pattern_match", A_NUMBER | A_NULL, never, NULL},
	{"/rationale/risk_factors", AN_ARRAY, never, NULL},
	{"/rationale/success_criteria", AN_OBJECT | A_NULL, never, NULL},
	{"/rationale/success_criteria/minimum_success", A_STRING | A_NULL, never, NULL},
	{"/rationale/success_criteria/expected_success", A_STRING | A_NULL, never, NULL},
	{"/rationale/success_criteria/ideal_success", A_STRING | A_NULL, never, NULL},
	{"/conditional_context", AN_OBJECT, never, NULL},
	{"/synthesis_safety_checks", AN_OBJECT | A_NULL, always, NULL},
};

static unsigned
type_of(const json_t *value)
{
	switch (json_typeof(value))
	{
		case JSON_OBJECT:
			return AN_OBJECT;
		case JSON_ARRAY:
			return AN_ARRAY;
		case JSON_STRING:
			return A_STRING;
		case JSON_INTEGER:
		case JSON_REAL:
			return A_NUMBER;
		case JSON_TRUE:
		case JSON_FALSE:
			return A_BOOLEAN;
		case JSON_NULL:
			break;
	}
	return A_NULL;
}

/* "a string or null" */
static const char *
type_names(KamArena *arena, unsigned types)
{
	static const char *const names[] = {"a string", "a number", "true or false", "an object", "an array", "null"};
	const char *out = NULL;

	for (size_t i = 0; i < KAM_LENGTHOF(names); i++)
		if (types >> i & 1)
			out = out == NULL ? names[i] : kam_printf(arena, "%s or %s", out, names[i]);
	return out;
}

/* The object in which a key of the table stands; neighbours in the table share it. */
typedef struct Parent
{
	const char *path;			/* NULL: none looked up yet */
	size_t		length;			/* of the path, without the key */
	const json_t *object;		/* NULL when there is no such object */
} Parent;

/* The object in which a key stands, and its own name; NULL when there is no such object. */
static const json_t *
parent_of(const KamGuard *guard, const char *path, Parent *parent, const char **name)
{
	const char *slash = strrchr(path, '/');
	size_t		length = (size_t) (slash - path);

	if (parent->path == NULL || parent->length != length || memcmp(parent->path, path, length) != 0)
	{
		const json_t *value = kam_pointer(guard->decision, kam_strndup(guard->env->arena, path, length));

		*parent = (Parent) {path, length, json_is_object(value) ? value : NULL};
	}
	*name = slash + 1;
	return parent->object;
}

/* ---- rules --------------------------------------------------------------------------- */

void
kam_rule_not_a_decision(KamGuard *guard)
{
	if (guard->decision != NULL)
		return;
	guard->base = "";
	kam_guard_report(guard, json_object_get(guard->root, "final_decision") != NULL ? "/final_decision" : "",
					 "This is no decision: it must be an object {\"final_decision\": {...}, \"metadata\": {...}}.");
}

void
kam_rule_missing_key(KamGuard *guard)
{
	const char *base = guard->base;
	Parent		at = {NULL, 0, NULL};

	for (size_t i = 0; i < KAM_LENGTHOF(keys); i++)
	{
		const char *name;
		const json_t *parent = parent_of(guard, keys[i].path, &at, &name);

		if (parent != NULL && json_object_get(parent, name) == NULL && !keys[i].excused(guard))
			kam_guard_report(guard, keys[i].path, "The key \"%s\" is missing; it must be there and be %s.",
							 name, type_names(guard->env->arena, keys[i].types));
	}
	for (int i = 0; i < kam_conditional_count; i++)
	{
		const char *key = kam_conditionals[i].key;
		const json_t *context = kam_get_object(guard->decision, "conditional_context");

		if (context != NULL && json_object_get(context, key) == NULL && !kam_is_triggered(guard, key))
			kam_guard_report(guard, kam_printf(guard->env->arena, "/conditional_context/%s", key),
							 "The key \"%s\" is missing; it must be there and be null.", key);
	}
	if (base[0] == '\0')
		return;
	guard->base = "";
	if (json_object_get(guard->root, "metadata") == NULL)
		kam_guard_report(guard, "/metadata", "The key \"metadata\" is missing; it must be there and be an object.");
	else if (kam_get_object(guard->root, "metadata") != NULL &&
			 kam_pointer(guard->root, "/metadata/historical_validation_performed") == NULL)
		kam_guard_report(guard, "/metadata/historical_validation_performed",
						 "The key \"historical_validation_performed\" is missing; it must be there and be true or false.");
	guard->base = base;
}

void
kam_rule_wrong_type(KamGuard *guard)
{
	static const char *const metadata[] = {"/metadata", "/metadata/historical_validation_performed"};
	KamArena   *arena = guard->env->arena;
	const char *base = guard->base;
	const json_t *risks;
	Parent		at = {NULL, 0, NULL};

	for (size_t i = 0; i < KAM_LENGTHOF(keys); i++)
	{
		const char *name;
		const json_t *parent = parent_of(guard, keys[i].path, &at, &name);
		const json_t *value = json_object_get(parent, name);

		if (value != NULL && (type_of(value) & keys[i].types) == 0)
			kam_guard_report(guard, keys[i].path, "\"%s\" is %s; it must be %s.", name,
							 type_names(arena, type_of(value)), type_names(arena, keys[i].types));
	}
	risks = kam_pointer(guard->decision, "/rationale/risk_factors");
	for (size_t i = 0; i < json_array_size(risks); i++)
		if (!json_is_string(json_array_get(risks, i)))
			kam_guard_report(guard, kam_printf(arena, "/rationale/risk_factors/%zu", i),
							 "A risk factor is %s; it must be a string.", type_names(arena, type_of(json_array_get(risks, i))));
	for (int i = 0; i < kam_conditional_count; i++)
	{
		const char *key = kam_conditionals[i].key;
		const json_t *value = json_object_get(kam_get_object(guard->decision, "conditional_context"), key);

		if (value != NULL && (type_of(value) & (AN_OBJECT | AN_ARRAY | A_NULL)) == 0)
			kam_guard_report(guard, kam_printf(arena, "/conditional_context/%s", key),
							 "\"%s\" is %s; it must be an object, an array or null.", key, type_names(arena, type_of(value)));
	}
	if (base[0] == '\0')
		return;
	guard->base = "";
	for (size_t i = 0; i < KAM_LENGTHOF(metadata); i++)
	{
		const json_t *value = kam_pointer(guard->root, metadata[i]);
		unsigned	types = i == 0 ? AN_OBJECT : A_BOOLEAN;

		if (value != NULL && (type_of(value) & types) == 0)
			kam_guard_report(guard, metadata[i], "It is %s; it must be %s.", type_names(arena, type_of(value)), type_names(arena, types));
	}
	guard->base = base;
}

static bool
is_named(NameAt names, const char *value)
{
	const char *name;

	for (int i = 0; (name = names(i)) != NULL; i++)
		if (strcmp(name, value) == 0)
			return true;
	return false;
}

void
kam_rule_unknown_value(KamGuard *guard)
{
	KamArena   *arena = guard->env->arena;

	for (size_t i = 0; i < KAM_LENGTHOF(keys); i++)
	{
		const char *value,
				   *name;
		const char *list = NULL;

		if (keys[i].names == NULL || (value = json_string_value(kam_pointer(guard->decision, keys[i].path))) == NULL ||
			is_named(keys[i].names, value))
			continue;
		for (int k = 0; (name = keys[i].names(k)) != NULL; k++)
			list = list == NULL ? name : kam_printf(arena, "%s, %s", list, name);
		kam_guard_report(guard, keys[i].path, "\"%s\" is not known here; it must be one of %s.",
						 kam_shorten(arena, value, 60), list);
	}
}
