/*
 * core/check.c: the guard: the table of rules and its interpreter.
 *
 * A rule looks at one thing and reports it; which rules make sense only after
 * others is said in the table, so that one fault is told once.  The rules
 * themselves stand in check_shape.c, check_action.c, check_times.c,
 * check_message.c, check_foreign.c, check_steered.c, check_score.c and check_parts.c.  The decision may be any
 * JSON: what has the wrong type is a finding, never a crash.
 */
#include "core/check_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_FINDINGS 200		/* of a decision that is wrong throughout */

#define ERROR_ "error"
#define WARNING_ "warning"

/*
 * RULE(name, severity, needs): a rule is skipped unless those that it needs were
 * looked at and passed.  Every rule needs the first one.
 */
#define NONE {0}
#define NEEDS(a) {RULE_##a + 1}
#define NEEDS_2(a, b) {RULE_##a + 1, RULE_##b + 1}
#define NEEDS_3(a, b, c) {RULE_##a + 1, RULE_##b + 1, RULE_##c + 1}
#define MOST_NEEDS 3

#define RULES(RULE) \
	RULE(not_a_decision, ERROR_, NONE) \
	RULE(missing_key, ERROR_, NONE) \
	RULE(wrong_type, ERROR_, NONE) \
	RULE(unknown_value, ERROR_, NONE) \
	\
	RULE(hard_blocker_overruled, ERROR_, NONE) \
	RULE(action_differs, WARNING_, NEEDS(hard_blocker_overruled)) \
	\
	/* INVALID 1, 2 and 4 of the spec's checklist, and what belongs to a wait and a sequence */ \
	RULE(wait_execute_at_not_specified, ERROR_, NONE) \
	RULE(wait_without_type, ERROR_, NONE) \
	RULE(wait_type_incomplete, ERROR_, NONE) \
	RULE(wait_type_differs, WARNING_, NONE) \
	RULE(wait_risk_level, WARNING_, NEEDS(wait_type_differs)) \
	RULE(missing_sequence_plan, ERROR_, NONE) \
	RULE(sequence_step_malformed, ERROR_, NONE) \
	RULE(sequence_flag, WARNING_, NEEDS(missing_sequence_plan)) \
	\
	/* required and forbidden fields per action */ \
	RULE(missing_channel, ERROR_, NEEDS(hard_blocker_overruled)) \
	RULE(missing_message, ERROR_, NEEDS(hard_blocker_overruled)) \
	RULE(missing_tone, ERROR_, NEEDS(hard_blocker_overruled)) \
	RULE(wrong_content_source, ERROR_, NEEDS(hard_blocker_overruled)) \
	RULE(missing_execute_at, ERROR_, NEEDS(hard_blocker_overruled)) \
	RULE(missing_reevaluate_at, ERROR_, NEEDS(hard_blocker_overruled)) \
	RULE(unexpected_wait_type, ERROR_, NEEDS(hard_blocker_overruled)) \
	RULE(unexpected_content, ERROR_, NEEDS(hard_blocker_overruled)) \
	RULE(unexpected_channel, ERROR_, NEEDS(hard_blocker_overruled)) \
	RULE(unexpected_execute_at, ERROR_, NEEDS(hard_blocker_overruled)) \
	\
	RULE(time_not_iso, ERROR_, NONE) \
	RULE(time_without_zone, ERROR_, NONE) \
	RULE(unknown_timezone, ERROR_, NONE) \
	RULE(timezone_differs, WARNING_, NEEDS(unknown_timezone)) \
	RULE(wrong_offset, ERROR_, NONE) \
	RULE(execute_at_past, ERROR_, NEEDS(time_without_zone)) \
	RULE(execute_at_outside_hours, ERROR_, NEEDS_2(time_without_zone, execute_at_past)) \
	RULE(execute_at_far, ERROR_, NEEDS(time_without_zone)) \
	RULE(reevaluate_at_past, ERROR_, NEEDS(time_without_zone)) \
	RULE(reevaluate_at_far, ERROR_, NEEDS(time_without_zone)) \
	RULE(reevaluate_at_differs, ERROR_, NEEDS_3(time_without_zone, reevaluate_at_past, reevaluate_at_far)) \
	\
	RULE(channel_unavailable, ERROR_, NONE) \
	RULE(content_altered, ERROR_, NONE) \
	RULE(placeholder_left, ERROR_, NONE) \
	RULE(hidden_characters, ERROR_, NONE) \
	RULE(embedded_markup, ERROR_, NONE) \
	RULE(foreign_link, ERROR_, NONE) \
	RULE(foreign_recipient, ERROR_, NONE) \
	RULE(foreign_account, ERROR_, NONE) \
	RULE(invented_amount, ERROR_, NONE) \
	RULE(machine_talk, ERROR_, NONE) \
	RULE(steered_action, ERROR_, NEEDS(hard_blocker_overruled)) \
	RULE(steered_channel, ERROR_, NEEDS(channel_unavailable)) \
	RULE(steered_wait, ERROR_, NEEDS(time_without_zone)) \
	RULE(steered_timing, ERROR_, NEEDS_2(time_without_zone, execute_at_outside_hours)) \
	RULE(question_count, ERROR_, NONE) \
	RULE(language_differs, WARNING_, NONE) \
	RULE(variant_differs, WARNING_, NONE) \
	RULE(false_temporal_claim, ERROR_, NONE) \
	RULE(meeting_responsibility, ERROR_, NONE) \
	RULE(meeting_not_held, ERROR_, NEEDS(false_temporal_claim)) \
	\
	/* INVALID 3, 7, 6 and 8, then floors and arithmetic */ \
	RULE(strength_without_breakdown, ERROR_, NONE) \
	RULE(zero_strength_recent_meeting, ERROR_, NONE) \
	RULE(strength_total_mismatch, ERROR_, NEEDS(zero_strength_recent_meeting)) \
	RULE(strength_out_of_range, ERROR_, NEEDS(strength_total_mismatch)) \
	RULE(pricing_below_floor, ERROR_, NEEDS_2(strength_total_mismatch, strength_out_of_range)) \
	RULE(strength_below_floor, ERROR_, NEEDS(pricing_below_floor)) \
	RULE(unknown_base_score, ERROR_, NONE) \
	RULE(factor_malformed, ERROR_, NONE) \
	RULE(factor_without_evidence, ERROR_, NONE) \
	RULE(score_arithmetic, ERROR_, NEEDS_3(strength_below_floor, unknown_base_score, factor_malformed)) \
	RULE(factor_out_of_range, ERROR_, NEEDS(score_arithmetic)) \
	\
	/* INVALID 5, and the other conditional structures */ \
	RULE(missing_pilot_health, ERROR_, NONE) \
	RULE(missing_conditional, ERROR_, NONE) \
	RULE(unexpected_conditional, ERROR_, NONE) \
	\
	RULE(confidence_out_of_range, ERROR_, NONE) \
	RULE(missing_reasoning, ERROR_, NONE) \
	RULE(missing_safety_checks, WARNING_, NONE) \
	RULE(safety_check_malformed, ERROR_, NONE) \
	RULE(safety_check_failed, ERROR_, NEEDS(safety_check_malformed)) \
	RULE(unproven_evidence, ERROR_, NONE)

#define RULE_ID(name, severity, needs) RULE_##name,
enum
{
	RULES(RULE_ID)
	RULE_COUNT
};
#undef RULE_ID

_Static_assert(RULE_COUNT < UINT8_MAX, "a rule's number and one must fit a byte");

#define RULE_ROW(name, severity, needs) {#name, severity, kam_rule_##name, needs},
static const struct
{
	const char *name,
			   *severity;
	KamRuleCheck check;
	uint8_t		needs[MOST_NEEDS];	/* numbers of rules and one; 0: none */
}			rules[] = {
	RULES(RULE_ROW)
};
#undef RULE_ROW

const char *
kam_check_rule(int i)
{
	return i >= 0 && i < RULE_COUNT ? rules[i].name : NULL;
}

/* ---- the decision under examination ------------------------------------------ */

/* A final_decision that stands alone is known by one of its main keys. */
static bool
is_final_decision(const json_t *value)
{
	static const char *const keys[] = {"action", "execution_timing", "rationale", "selected_content"};

	for (size_t i = 0; i < KAM_LENGTHOF(keys); i++)
		if (json_object_get(value, keys[i]) != NULL)
			return true;
	return false;
}

static int
find_action(const char *name)
{
	for (int i = KAM_SEND_MESSAGE; i <= KAM_NO_ACTION; i++)
		if (name != NULL && strcmp(kam_action_name((KamAction) i), name) == 0)
			return i;
	return -1;
}

void
kam_guard_open(KamGuard *guard, const KamEnv *env, const KamContact *contact, const KamFacts *facts,
			   const KamPlan *plan, const json_t *root, const json_t *content, KamFindings *out)
{
	const json_t *inner = json_object_get(root, "final_decision");
	const char *channel;

	*guard = (KamGuard)
	{
		.env = env, .contact = contact, .facts = facts, .plan = plan, .root = root, .content = content,
			.base = inner != NULL ? "/final_decision" : "", .action = -1, .out = out
	};
	if (inner != NULL)
		guard->decision = json_is_object(inner) ? inner : NULL;
	else if (is_final_decision(root))
		guard->decision = root;
	if (guard->decision == NULL)
		return;
	guard->action = find_action(kam_get_string(guard->decision, "action"));
	guard->sends = guard->action == KAM_SEND_MESSAGE || guard->action == KAM_BREAK_UP;
	guard->waits = guard->action == KAM_WAIT;
	guard->message = kam_guard_words(guard, "/selected_content/message");
	channel = kam_get_string(guard->decision, "selected_channel");
	if (channel != NULL)
		guard->channel = kam_channel_from_name(channel);
}

const json_t *
kam_guard_value(const KamGuard *guard, const char *path)
{
	const json_t *value = kam_pointer(guard->decision, path);

	return json_is_null(value) ? NULL : value;
}

const char *
kam_guard_words(const KamGuard *guard, const char *path)
{
	const char *text = json_string_value(kam_guard_value(guard, path));

	return text != NULL && text[strspn(text, " \t\r\n")] != '\0' ? text : NULL;
}

bool
kam_is_empty(const json_t *value)
{
	if (value == NULL || json_is_null(value))
		return true;
	if (json_is_object(value))
		return json_object_size(value) == 0;
	if (json_is_array(value))
		return json_array_size(value) == 0;
	return json_is_string(value) && json_string_length(value) == 0;
}

/* ---- findings ------------------------------------------------------------------ */

const char *
kam_shorten(KamArena *arena, const char *text, size_t most)
{
	size_t		n = most;

	if (strlen(text) <= most)
		return kam_strdup(arena, text);
	while (n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80)
		n--;
	return kam_printf(arena, "%.*s...", (int) n, text);
}

void
kam_guard_report(KamGuard *guard, const char *path, const char *fmt,...)
{
	KamArena   *arena = guard->env->arena;
	KamFindings *out = guard->out;
	KamFinding *finding;
	char		message[1200];
	va_list		args;

	guard->fired = true;
	if (out->count >= MAX_FINDINGS)
		return;
	if (out->count == guard->room)
	{
		int			room = guard->room > 0 ? guard->room * 2 : 8;
		KamFinding *grown = KAM_NEW_ARRAY(arena, KamFinding, room);

		if (out->count > 0)
			memcpy(grown, out->finding, sizeof(KamFinding) * (size_t) out->count);
		out->finding = grown;
		guard->room = room;
	}
	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);

	finding = &out->finding[out->count++];
	finding->rule = guard->rule;
	finding->severity = guard->severity;
	finding->path = kam_printf(arena, "%s%s", guard->base, path);
	finding->message = kam_shorten(arena, message, sizeof message - 4);
	out->errors += strcmp(guard->severity, ERROR_) == 0;
}

/* ---- the interpreter -------------------------------------------------------------- */

static bool
may_look(const uint8_t *needs, const bool *passed)
{
	for (int i = 0; i < MOST_NEEDS && needs[i] > 0; i++)
		if (!passed[needs[i] - 1])
			return false;
	return true;
}

void
kam_check(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const KamPlan *plan, const KamHouse *house,
		  const json_t *decision, const json_t *content, KamFindings *out)
{
	KamGuard	guard;
	bool		passed[RULE_COUNT] = {false};

	*out = (KamFindings) {NULL, 0, 0};
	kam_guard_open(&guard, env, contact, facts, plan, decision, content, out);
	if (house != NULL)
		guard.house = *house;
	for (int i = 0; i < RULE_COUNT; i++)
	{
		guard.rule = rules[i].name;
		guard.severity = rules[i].severity;
		guard.fired = false;
		if (!may_look(rules[i].needs, passed))
			continue;
		rules[i].check(&guard);
		passed[i] = !guard.fired;
		if (guard.fired && i == RULE_not_a_decision)
			return;
	}
}
