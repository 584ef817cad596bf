/*
 * core/check_action.c: the guard's rules of the action: the plan it must keep
 * and the fields it needs or must not have (spec, "Decision Rules: When Each
 * Action is Used"; contract section 5).
 */
#include "core/check_internal.h"

#include <string.h>

#define CONTENT_SOURCE "wave2_content_generator"

/* ---- the plan -------------------------------------------------------------- */

/* After too many follow-ups the spec leaves the choice between a farewell and silence. */
static bool
is_allowed_instead(const KamGuard *guard)
{
	return guard->plan->action == KAM_BREAK_UP && guard->action == KAM_NO_ACTION;
}

void
kam_rule_hard_blocker_overruled(KamGuard *guard)
{
	const KamPlan *plan = guard->plan;

	if (guard->action < 0 || !plan->hard || guard->action == (int) plan->action || is_allowed_instead(guard))
		return;
	kam_guard_report(guard, "/action", "The action is %s, but %s rules it out; it must be %s. %s",
					 kam_action_name((KamAction) guard->action), plan->rule, kam_action_name(plan->action), plan->reason);
}

void
kam_rule_action_differs(KamGuard *guard)
{
	const KamPlan *plan = guard->plan;

	if (guard->action >= 0 && guard->action != (int) plan->action)
		kam_guard_report(guard, "/action", "The action is %s where the decision tree says %s (%s). %s",
						 kam_action_name((KamAction) guard->action), kam_action_name(plan->action), plan->rule, plan->reason);
}

/* ---- wait -------------------------------------------------------------------- */

void
kam_rule_wait_execute_at_not_specified(KamGuard *guard)
{
	KamStamp	stamp = kam_guard_stamp(guard, "/execution_timing/execute_at");

	if (guard->waits && stamp.state == KAM_STAMP_NOT_ISO)
		kam_guard_report(guard, "/execution_timing/execute_at",
						 "A wait has execute_at \"%s\"; it must be null or an ISO 8601 time.",
						 kam_shorten(guard->env->arena, stamp.text, 60));
}

void
kam_rule_wait_without_type(KamGuard *guard)
{
	if (guard->waits && kam_guard_value(guard, "/wait_type") == NULL)
		kam_guard_report(guard, "/wait_type", "A wait has no wait_type; it must say type, risk_level, trigger_event and reevaluation_trigger.");
}

void
kam_rule_wait_type_incomplete(KamGuard *guard)
{
	static const char *const fields[] = {"type", "risk_level", "trigger_event", "reevaluation_trigger"};
	const json_t *wait_type = kam_guard_value(guard, "/wait_type");

	if (!guard->waits || !json_is_object(wait_type))
		return;
	for (size_t i = 0; i < KAM_LENGTHOF(fields); i++)
	{
		const json_t *value = json_object_get(wait_type, fields[i]);
		const char *path = kam_printf(guard->env->arena, "/wait_type/%s", fields[i]);

		if (value == NULL || json_is_null(value) || (json_is_string(value) && kam_guard_words(guard, path) == NULL))
			kam_guard_report(guard, path, "The wait_type does not say its %s.", fields[i]);
	}
}

/* The wait type that a decision names, KAM_NO_WAIT when it is none of ours. */
static KamWaitType
named_wait_type(const KamGuard *guard)
{
	const char *name = kam_guard_words(guard, "/wait_type/type");

	for (int i = KAM_WAIT_MEETING_SCHEDULED; name != NULL && i <= KAM_WAIT_COORDINATION_NEEDED; i++)
		if (strcmp(kam_wait_type_name((KamWaitType) i), name) == 0)
			return (KamWaitType) i;
	return KAM_NO_WAIT;
}

void
kam_rule_wait_type_differs(KamGuard *guard)
{
	KamWaitType type = named_wait_type(guard);

	if (guard->waits && guard->plan->action == KAM_WAIT && type != KAM_NO_WAIT && type != guard->plan->wait_type)
		kam_guard_report(guard, "/wait_type/type", "The wait is of type %s where the decision tree says %s (%s).",
						 kam_wait_type_name(type), kam_wait_type_name(guard->plan->wait_type), guard->plan->rule);
}

void
kam_rule_wait_risk_level(KamGuard *guard)
{
	KamWaitType type = named_wait_type(guard);
	const char *risk = kam_guard_words(guard, "/wait_type/risk_level");
	static const char *const levels[] = {"low", "medium", "high", "critical"};
	bool		known = false;

	for (size_t i = 0; risk != NULL && i < KAM_LENGTHOF(levels); i++)
		known |= strcmp(levels[i], risk) == 0;
	if (guard->waits && type != KAM_NO_WAIT && known && strcmp(kam_wait_risk(type), risk) != 0)
		kam_guard_report(guard, "/wait_type/risk_level", "The risk_level of %s is %s, not %s.",
						 kam_wait_type_name(type), kam_wait_risk(type), risk);
}

/* ---- sequence ------------------------------------------------------------------ */

#define PLAN_PATH "/sequence_instructions/sequence_plan"

void
kam_rule_missing_sequence_plan(KamGuard *guard)
{
	const json_t *plan = kam_guard_value(guard, PLAN_PATH);

	if (guard->action < 0 || !kam_sequence_required(guard->facts, (KamAction) guard->action))
		return;
	if (plan == NULL || (json_is_array(plan) && json_array_size(plan) == 0))
		kam_guard_report(guard, PLAN_PATH, "The open deal is %d days old, so the sequence_plan must have at least one step.",
						 (int) guard->facts->cycle_days);
}

/* What is wrong with one step, or NULL. */
static const char *
step_fault(const KamGuard *guard, const json_t *step, const char **field)
{
	static const char *const texts[] = {"trigger", "channel", "action_type", "planned_date", "status"};
	KamStamp	stamp;

	*field = "";
	if (!json_is_object(step))
		return "it must be an object";
	*field = "/step";
	if (!json_is_integer(json_object_get(step, "step")) || json_integer_value(json_object_get(step, "step")) < 1)
		return "its number must be a whole one from 1 on";
	for (size_t i = 0; i < KAM_LENGTHOF(texts); i++)
	{
		const char *text = kam_get_string(step, texts[i]);

		*field = kam_printf(guard->env->arena, "/%s", texts[i]);
		if (text == NULL || text[strspn(text, " \t\r\n")] == '\0')
			return kam_printf(guard->env->arena, "its %s must be a text", texts[i]);
	}
	*field = "/channel";
	if (kam_channel_from_name(kam_get_string(step, "channel")) == KAM_NO_CHANNEL)
		return "its channel must be linkedin, email, phone or whatsapp";
	*field = "/planned_date";
	stamp = kam_read_stamp(guard, json_object_get(step, "planned_date"));
	if (stamp.state != KAM_STAMP_GOOD)
		return "its planned_date must be an ISO 8601 time with an offset";
	return NULL;
}

void
kam_rule_sequence_step_malformed(KamGuard *guard)
{
	const json_t *plan = kam_guard_value(guard, PLAN_PATH);
	const char *field;

	for (size_t i = 0; i < json_array_size(plan); i++)
	{
		const char *fault = step_fault(guard, json_array_get(plan, i), &field);

		if (fault != NULL)
			kam_guard_report(guard, kam_printf(guard->env->arena, PLAN_PATH "/%zu%s", i, field),
							 "Step %zu of the sequence_plan is malformed: %s.", i + 1, fault);
	}
}

void
kam_rule_sequence_flag(KamGuard *guard)
{
	const json_t *flag = kam_guard_value(guard, "/sequence_instructions/is_part_of_sequence");
	bool		planned = json_array_size(kam_guard_value(guard, PLAN_PATH)) > 0;

	if (json_is_boolean(flag) && json_is_true(flag) != planned)
		kam_guard_report(guard, "/sequence_instructions/is_part_of_sequence", "is_part_of_sequence is %s, but the sequence_plan %s.",
						 planned ? "false" : "true", planned ? "has steps" : "is empty");
}

/* ---- what a message needs -------------------------------------------------------- */

void
kam_rule_missing_channel(KamGuard *guard)
{
	if (guard->sends && kam_guard_value(guard, "/selected_channel") == NULL)
		kam_guard_report(guard, "/selected_channel", "A %s needs a selected_channel.", kam_action_name((KamAction) guard->action));
}

void
kam_rule_missing_message(KamGuard *guard)
{
	const json_t *content = kam_guard_value(guard, "/selected_content");
	const json_t *message = kam_guard_value(guard, "/selected_content/message");

	if (!guard->sends || guard->message != NULL)
		return;
	/* another type is told by wrong_type */
	if ((content == NULL || json_is_object(content)) && (message == NULL || json_is_string(message)))
		kam_guard_report(guard, content == NULL ? "/selected_content" : "/selected_content/message",
						 "A %s needs a message that is not empty.", kam_action_name((KamAction) guard->action));
}

void
kam_rule_missing_tone(KamGuard *guard)
{
	const json_t *tone = kam_guard_value(guard, "/selected_content/tone");

	if (guard->sends && json_is_object(kam_guard_value(guard, "/selected_content")) && (tone == NULL || json_is_string(tone)) &&
		kam_guard_words(guard, "/selected_content/tone") == NULL)
		kam_guard_report(guard, "/selected_content/tone", "A %s needs the tone of its message.", kam_action_name((KamAction) guard->action));
}

void
kam_rule_wrong_content_source(KamGuard *guard)
{
	const json_t *source = kam_guard_value(guard, "/selected_content/content_source");

	if (!guard->sends || !json_is_object(kam_guard_value(guard, "/selected_content")) || (source != NULL && !json_is_string(source)))
		return;
	if (source == NULL || strcmp(json_string_value(source), CONTENT_SOURCE) != 0)
		kam_guard_report(guard, "/selected_content/content_source", "The content_source must be \"" CONTENT_SOURCE "\".");
}

void
kam_rule_missing_execute_at(KamGuard *guard)
{
	if (guard->sends && kam_guard_value(guard, "/execution_timing/execute_at") == NULL &&
		json_is_object(kam_guard_value(guard, "/execution_timing")))
		kam_guard_report(guard, "/execution_timing/execute_at", "A %s needs execute_at, an ISO 8601 time.",
						 kam_action_name((KamAction) guard->action));
}

/* ---- what a wait needs -------------------------------------------------------------- */

void
kam_rule_missing_reevaluate_at(KamGuard *guard)
{
	if (guard->waits && kam_guard_value(guard, "/execution_timing/reevaluate_at") == NULL &&
		json_is_object(kam_guard_value(guard, "/execution_timing")))
		kam_guard_report(guard, "/execution_timing/reevaluate_at", "A wait needs reevaluate_at, an ISO 8601 time.");
}

/* ---- what does not belong to the action ------------------------------------------------ */

void
kam_rule_unexpected_wait_type(KamGuard *guard)
{
	if (guard->action >= 0 && !guard->waits && json_is_object(kam_guard_value(guard, "/wait_type")))
		kam_guard_report(guard, "/wait_type", "A %s has a wait_type; it must be null.", kam_action_name((KamAction) guard->action));
}

void
kam_rule_unexpected_content(KamGuard *guard)
{
	if (guard->action >= 0 && !guard->sends && guard->message != NULL)
		kam_guard_report(guard, "/selected_content/message", "A %s carries a message; it must be null.",
						 kam_action_name((KamAction) guard->action));
}

void
kam_rule_unexpected_channel(KamGuard *guard)
{
	if (guard->action >= 0 && !guard->sends && guard->channel != KAM_NO_CHANNEL)
		kam_guard_report(guard, "/selected_channel", "A %s has a selected_channel; it must be null.",
						 kam_action_name((KamAction) guard->action));
}

void
kam_rule_unexpected_execute_at(KamGuard *guard)
{
	KamStamp	stamp = kam_guard_stamp(guard, "/execution_timing/execute_at");

	if (guard->action == KAM_NO_ACTION && (stamp.state == KAM_STAMP_GOOD || stamp.state == KAM_STAMP_NO_ZONE))
		kam_guard_report(guard, "/execution_timing/execute_at", "A no_action has execute_at; it must be null.");
}
