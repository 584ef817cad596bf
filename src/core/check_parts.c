/*
 * core/check_parts.c: the guard's rules of the decision's other parts:
 * conditional structures, confidence, reasoning, safety checks and evidence
 * (spec, "Conditional Structures", "Pre-Decision Safety Checks", INVALID 5).
 */
#include "core/check_internal.h"

#include <string.h>

#include "core/evidence.h"

#define MAX_DEPTH 32			/* of the decision that is searched for evidence */

/* ---- conditional structures --------------------------------------------------- */

bool
kam_is_triggered(const KamGuard *guard, const char *key)
{
	for (int i = 0; i < kam_conditional_count; i++)
		if (strcmp(kam_conditionals[i].key, key) == 0)
			return kam_conditionals[i].triggered(guard->env, guard->contact, guard->facts);
	return false;
}

/* Reports each structure that is called for and absent; "pilot" selects the one with a rule of its own. */
static void
report_missing(KamGuard *guard, bool pilot)
{
	const json_t *context = kam_get_object(guard->decision, "conditional_context");

	for (int i = 0; context != NULL && i < kam_conditional_count; i++)
	{
		const char *key = kam_conditionals[i].key;

		if ((strcmp(key, "pilot_health") == 0) == pilot && kam_is_empty(json_object_get(context, key)) &&
			kam_is_triggered(guard, key))
			kam_guard_report(guard, kam_printf(guard->env->arena, "/conditional_context/%s", key),
							 "%s is absent, but the contact's data call for it.", key);
	}
}

void
kam_rule_missing_pilot_health(KamGuard *guard)
{
	report_missing(guard, true);
}

void
kam_rule_missing_conditional(KamGuard *guard)
{
	report_missing(guard, false);
}

void
kam_rule_unexpected_conditional(KamGuard *guard)
{
	const json_t *context = kam_get_object(guard->decision, "conditional_context");

	for (int i = 0; i < kam_conditional_count; i++)
	{
		const char *key = kam_conditionals[i].key;
		const json_t *value = json_object_get(context, key);

		if ((json_is_object(value) || json_is_array(value)) && !kam_is_empty(value) && !kam_is_triggered(guard, key))
			kam_guard_report(guard, kam_printf(guard->env->arena, "/conditional_context/%s", key),
							 "%s is given, but nothing in the contact's data calls for it; it must be null.", key);
	}
}

/* ---- rationale ------------------------------------------------------------------ */

void
kam_rule_confidence_out_of_range(KamGuard *guard)
{
	const json_t *factors = kam_guard_value(guard, "/rationale/confidence_factors");
	const char *key;
	json_t	   *value;

	if (!json_is_object(factors))
		return;
	json_object_foreach((json_t *) factors, key, value)
		if (json_is_number(value) && (json_number_value(value) < 0 || json_number_value(value) > 1))
			kam_guard_report(guard, kam_printf(guard->env->arena, "/rationale/confidence_factors/%s", key),
							 "%s is %g; it must lie between 0 and 1.", kam_shorten(guard->env->arena, key, 60), json_number_value(value));
}

void
kam_rule_missing_reasoning(KamGuard *guard)
{
	const json_t *reasoning = kam_guard_value(guard, "/rationale/action_reasoning");

	if (json_is_object(kam_guard_value(guard, "/rationale")) && (reasoning == NULL || json_is_string(reasoning)) &&
		kam_guard_words(guard, "/rationale/action_reasoning") == NULL)
		kam_guard_report(guard, "/rationale/action_reasoning", "The decision does not say why its action was chosen.");
}

/* ---- safety checks ---------------------------------------------------------------- */

const char *const kam_safety_check_names[KAM_SAFETY_CHECKS] = {
	"churn", "multi_deal", "multi_owner", "scheduled_touchpoint",
	"temporal_accuracy", "semantic_outbound", "question_count", "meeting_responsibility"
};

void
kam_rule_missing_safety_checks(KamGuard *guard)
{
	if (kam_guard_value(guard, "/synthesis_safety_checks") == NULL)
		kam_guard_report(guard, "/synthesis_safety_checks", "The decision has no synthesis_safety_checks.");
}

void
kam_rule_safety_check_malformed(KamGuard *guard)
{
	const json_t *checks = kam_get_object(guard->decision, "synthesis_safety_checks");

	for (int i = 0; checks != NULL && i < KAM_SAFETY_CHECKS; i++)
	{
		const char *name = kam_safety_check_names[i];

		if (!json_is_boolean(json_object_get(json_object_get(checks, name), "passed")))
			kam_guard_report(guard, kam_printf(guard->env->arena, "/synthesis_safety_checks/%s", name),
							 "The safety check %s must be an object with \"passed\" true or false.", name);
	}
}

void
kam_rule_safety_check_failed(KamGuard *guard)
{
	const json_t *checks = kam_get_object(guard->decision, "synthesis_safety_checks");

	for (int i = 0; guard->sends && i < KAM_SAFETY_CHECKS; i++)
	{
		const char *name = kam_safety_check_names[i];

		if (json_is_false(json_object_get(json_object_get(checks, name), "passed")))
			kam_guard_report(guard, kam_printf(guard->env->arena, "/synthesis_safety_checks/%s/passed", name),
							 "The safety check %s did not pass, so nothing may be sent.", name);
	}
}

/* ---- evidence ------------------------------------------------------------------------ */

/* How a value was reached: its pointer is only written out for a finding. */
typedef struct Step
{
	const struct Step *before;	/* NULL: the decision itself */
	const char *key;			/* NULL: an element of an array */
	size_t		index;
} Step;

static const char *
path_of(KamArena *arena, const Step *step)
{
	if (step == NULL)
		return "";
	return step->key != NULL ? kam_printf(arena, "%s/%s", path_of(arena, step->before), step->key)
		: kam_printf(arena, "%s/%zu", path_of(arena, step->before), step->index);
}

/* Every array called "evidence", wherever it stands, must hold; with a text beside it, the text too. */
static void
check_evidence(KamGuard *guard, const json_t *value, const Step *at, int depth)
{
	const char *key,
			   *fault;
	json_t	   *member;
	size_t		i;

	if (depth > MAX_DEPTH)
	{
		kam_guard_report(guard, kam_shorten(guard->env->arena, path_of(guard->env->arena, at), 200), "What stands here is nested too deep to be looked at for evidence.");
		return;
	}
	if (json_is_array(value))
	{
		json_array_foreach((json_t *) value, i, member)
			if (json_is_object(member) || json_is_array(member))
				check_evidence(guard, member, &(Step) {at, NULL, i}, depth + 1);
	}
	if (!json_is_object(value))
		return;
	json_object_foreach((json_t *) value, key, member)
	{
		if (strcmp(key, "evidence") == 0 && json_is_array(member))
		{
			if (json_array_size(member) == 0)
				continue;		/* claims nothing */
			/* a text beside it is proved with it */
			fault = json_is_string(json_object_get(value, "text"))
				? kam_claim_fault(guard->env, guard->contact, value)
				: kam_evidence_fault(guard->env, guard->contact, member);
			if (fault != NULL)
				kam_guard_report(guard, kam_printf(guard->env->arena, "%s/evidence", path_of(guard->env->arena, at)),
								 "The evidence does not hold: %s.", fault);
		}
		else if (json_is_object(member) || json_is_array(member))
			check_evidence(guard, member, &(Step) {at, key, 0}, depth + 1);
	}
}

void
kam_rule_unproven_evidence(KamGuard *guard)
{
	check_evidence(guard, guard->decision, NULL, 0);
}
