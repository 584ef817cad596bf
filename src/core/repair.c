/*
 * core/repair.c: repairs what has exactly one right value (design section 6).
 *
 * Every repair is a row {rule, path, was, now}.  What would need judgement (a
 * message, an action, a missing breakdown) is left as it is, for the rules to
 * tell of.  Repairs run in the order of the table: shapes first, so that later
 * ones find what they need; the safety checks last, over the repaired whole.
 */
#include "core/check_internal.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "core/text.h"

#define BREAKDOWN "/rationale/opportunity_strength_breakdown"
#define CONTENT_SOURCE "wave2_content_generator"

typedef struct Repair
{
	KamGuard	guard;			/* read again after each step */
	json_t	   *root;
	json_t	   *decision;
	json_t	   *rows;
	const json_t *content;
} Repair;

/* ---- changing --------------------------------------------------------------- */

/* The object at a pointer below the final_decision, to be changed; NULL when there is none. */
static json_t *
object_at(const Repair *r, const char *path)
{
	json_t	   *value = (json_t *) kam_pointer(r->decision, path);

	return json_is_object(value) ? value : NULL;
}

/* Puts a value (stolen) under parent/key and writes the row, unless it is there already. */
static void
set(Repair *r, const char *rule, const char *parent_path, const char *key, json_t *value)
{
	json_t	   *parent = object_at(r, parent_path);
	const json_t *was = json_object_get(parent, key);
	json_t	   *row;

	if (parent == NULL || (was != NULL && json_equal(was, value)))
	{
		json_decref(value);
		return;
	}
	row = kam_object();
	kam_put(row, "rule", kam_string(rule));
	kam_put(row, "path", kam_string(kam_printf(r->guard.env->arena, "%s%s/%s", r->guard.base, parent_path, key)));
	kam_put(row, "was", was != NULL ? json_deep_copy(was) : json_null());
	kam_put(row, "now", json_deep_copy(value));
	kam_push(r->rows, row);
	kam_put(parent, key, value);
}

static const json_t *
value_at(const Repair *r, const char *path)
{
	return kam_guard_value(&r->guard, path);
}

static json_t *
time_json(const Repair *r, KamTime at)
{
	return kam_string(kam_time_format(r->guard.env->arena, &r->guard.contact->zone, at));
}

/* ---- shape ------------------------------------------------------------------- */

/* Absent keys whose empty value is known. */
static const struct
{
	const char *parent,
			   *key;
	enum
	{
		FILL_NULL, FILL_OBJECT, FILL_ARRAY, FILL_FALSE
	}			fill;
}			fillings[] = {
	{"", "selected_channel", FILL_NULL},
	{"", "selected_content", FILL_NULL},
	{"", "wait_type", FILL_NULL},
	{"", "execution_timing", FILL_OBJECT},
	{"/execution_timing", "execute_at", FILL_NULL},
	{"/execution_timing", "reevaluate_at", FILL_NULL},
	{"", "sequence_instructions", FILL_OBJECT},
	{"/sequence_instructions", "is_part_of_sequence", FILL_FALSE},
	{"/sequence_instructions", "sequence_plan", FILL_ARRAY},
	{"/rationale", "channel_reasoning", FILL_NULL},
	{"/rationale", "timing_reasoning", FILL_NULL},
	{"/rationale", "historical_alignment", FILL_NULL},
	{"/rationale", "confidence_factors", FILL_OBJECT},
	{"/rationale/confidence_factors", "relationship_certainty", FILL_NULL},
	{"/rationale/confidence_factors", "timing_certainty", FILL_NULL},
	{"/rationale/confidence_factors", "channel_certainty", FILL_NULL},
	{"/rationale/confidence_factors", "content_quality", FILL_NULL},
	{"/rationale/confidence_factors", "historical_pattern_match", FILL_NULL},
	{"/rationale", "risk_factors", FILL_ARRAY},
	{"/rationale", "success_criteria", FILL_OBJECT},
	{"/rationale/success_criteria", "minimum_success", FILL_NULL},
	{"/rationale/success_criteria", "expected_success", FILL_NULL},
	{"/rationale/success_criteria", "ideal_success", FILL_NULL},
	{"", "conditional_context", FILL_OBJECT},
};

static void
repair_keys(Repair *r)
{
	json_t	   *metadata = json_object_get(r->root, "metadata");

	for (size_t i = 0; i < KAM_LENGTHOF(fillings); i++)
	{
		json_t	   *parent = object_at(r, fillings[i].parent);

		if (parent == NULL || json_object_get(parent, fillings[i].key) != NULL)
			continue;
		set(r, "missing_key", fillings[i].parent, fillings[i].key,
			fillings[i].fill == FILL_OBJECT ? kam_object() : fillings[i].fill == FILL_ARRAY ? kam_array() :
			fillings[i].fill == FILL_FALSE ? json_false() : json_null());
	}
	/* metadata is ours to state, beside the final_decision */
	if (r->guard.base[0] == '\0')
		return;
	if (!json_is_object(metadata))
	{
		json_t	   *row = kam_object();

		kam_put(row, "rule", kam_string(metadata == NULL ? "missing_key" : "wrong_type"));
		kam_put(row, "path", kam_string("/metadata"));
		kam_put(row, "was", metadata != NULL ? json_deep_copy(metadata) : json_null());
		metadata = kam_object();
		kam_put(metadata, "historical_validation_performed", json_false());
		kam_put(row, "now", json_deep_copy(metadata));
		kam_push(r->rows, row);
		kam_put(r->root, "metadata", metadata);
	}
	else if (!json_is_boolean(json_object_get(metadata, "historical_validation_performed")))
	{
		json_t	   *row = kam_object();

		kam_put(row, "rule", kam_string("missing_key"));
		kam_put(row, "path", kam_string("/metadata/historical_validation_performed"));
		kam_put(row, "was", json_null());
		kam_put(row, "now", json_false());
		kam_push(r->rows, row);
		kam_put(metadata, "historical_validation_performed", json_false());
	}
}

/* Spellings that mean one known value: "email", "Send_Message", "send message". */
static void
repair_spelling(Repair *r, const char *parent, const char *key, const char *(*name_at) (int), int count)
{
	KamArena   *arena = r->guard.env->arena;
	const char *value = kam_get_string(object_at(r, parent), key);
	char	   *plain;

	if (value == NULL || strlen(value) > 40)
		return;
	plain = kam_strdup(arena, value + strspn(value, " \t\r\n"));
	for (size_t n = strlen(plain); n > 0 && strchr(" \t\r\n", plain[n - 1]) != NULL; n--)
		plain[n - 1] = '\0';
	for (char *c = plain; *c != '\0'; c++)
		if (*c == ' ' || *c == '-')
			*c = '_';
	for (int i = 0; i < count; i++)
		if (name_at(i) != NULL && strcasecmp(name_at(i), plain) == 0)
			set(r, "unknown_value", parent, key, kam_string(name_at(i)));
}

static const char *
action_at(int i)
{
	return kam_action_name((KamAction) i);
}

static const char *
channel_at(int i)
{
	return kam_channel_name((KamChannel) i);
}

static const char *
wait_type_at(int i)
{
	return kam_wait_type_name((KamWaitType) i);
}

static const char *
variant_at(int i)
{
	return kam_variant_name((KamVariant) i);
}

static void
repair_spellings(Repair *r)
{
	repair_spelling(r, "", "action", action_at, KAM_NO_ACTION + 1);
	repair_spelling(r, "", "selected_channel", channel_at, KAM_CHANNELS);
	repair_spelling(r, "/wait_type", "type", wait_type_at, KAM_WAIT_COORDINATION_NEEDED + 1);
	repair_spelling(r, "/selected_content", "variant", variant_at, KAM_BREAK_UP_MESSAGE + 1);
}

/* ---- what does not belong to the action, and what follows from it ---------------- */

/* A text of the content generator's as it wrote it, but for the characters that nobody sees. */
static void
pass_on(Repair *r, const json_t *generated, const char *key, const char *rule)
{
	KamArena   *arena = r->guard.env->arena;
	const char *text = kam_get_string(generated, key);
	const char *given = kam_get_string(object_at(r, "/selected_content"), key);

	if (text == NULL)
	{
		set(r, rule, "/selected_content", key, json_null());
		return;
	}
	text = kam_without_hidden(arena, text);
	if (given != NULL && strcmp(kam_without_hidden(arena, given), text) == 0)
		rule = "hidden_characters";
	set(r, rule, "/selected_content", key, kam_string(text));
}

static void
repair_action_fields(Repair *r)
{
	const KamGuard *g = &r->guard;
	const json_t *generated = kam_generated_for(r->content, g->channel);

	if (g->action < 0)
		return;
	if (!g->waits && value_at(r, "/wait_type") != NULL)
		set(r, "unexpected_wait_type", "", "wait_type", json_null());
	if (!g->sends)
	{
		if (value_at(r, "/selected_content") != NULL)
			set(r, "unexpected_content", "", "selected_content", json_null());
		if (value_at(r, "/selected_channel") != NULL)
			set(r, "unexpected_channel", "", "selected_channel", json_null());
		return;
	}
	if (generated != NULL)
	{
		if (value_at(r, "/selected_content") == NULL)
			set(r, "missing_message", "", "selected_content", kam_object());
		pass_on(r, generated, "message", g->message != NULL ? "content_altered" : "missing_message");
		if (kam_guard_words(g, "/selected_content/subject") != NULL)
			pass_on(r, generated, "subject", "content_altered");
		if (kam_guard_words(g, "/selected_content/tone") == NULL && kam_get_string(r->content, "tone") != NULL)
			set(r, "missing_tone", "/selected_content", "tone", kam_string(kam_get_string(r->content, "tone")));
	}
	set(r, "wrong_content_source", "/selected_content", "content_source", kam_string(CONTENT_SOURCE));
}

/* ---- wait ------------------------------------------------------------------------- */

/* Only where the decision tree waits too is the right value known. */
static void
repair_wait_type(Repair *r)
{
	const KamPlan *plan = r->guard.plan;
	const struct
	{
		const char *key,
				   *value;
	}			fields[] = {
		{"type", kam_wait_type_name(plan->wait_type)},
		{"risk_level", kam_wait_risk(plan->wait_type)},
		{"trigger_event", plan->trigger_event},
		{"reevaluation_trigger", plan->reevaluation_trigger},
	};
	const char *type;

	if (!r->guard.waits)
		return;
	if (plan->action == KAM_WAIT && value_at(r, "/wait_type") == NULL)
		set(r, "wait_without_type", "", "wait_type", kam_object());
	type = kam_guard_words(&r->guard, "/wait_type/type");
	for (size_t i = 0; plan->action == KAM_WAIT && i < KAM_LENGTHOF(fields); i++)
		if ((type == NULL || strcmp(type, fields[0].value) == 0) && fields[i].value != NULL &&
			kam_guard_words(&r->guard, kam_printf(r->guard.env->arena, "/wait_type/%s", fields[i].key)) == NULL)
			set(r, "wait_type_incomplete", "/wait_type", fields[i].key, kam_string(fields[i].value));
	for (int i = KAM_WAIT_MEETING_SCHEDULED; type != NULL && i <= KAM_WAIT_COORDINATION_NEEDED; i++)
		if (strcmp(type, kam_wait_type_name((KamWaitType) i)) == 0)
			set(r, "wait_risk_level", "/wait_type", "risk_level", kam_string(kam_wait_risk((KamWaitType) i)));
}

/* ---- times --------------------------------------------------------------------------- */

static void
repair_timezone(Repair *r)
{
	const char *name = json_string_value(value_at(r, "/execution_timing/timezone"));
	KamZone		zone;

	if (name == NULL)
		set(r, "missing_key", "/execution_timing", "timezone", kam_string(r->guard.contact->zone.name));
	else if (strcmp(name, r->guard.contact->zone.name) != 0)
		set(r, kam_zone_find(r->guard.env->zones, name, &zone) ? "timezone_differs" : "unknown_timezone",
			"/execution_timing", "timezone", kam_string(r->guard.contact->zone.name));
}

/* The instant stays what it is; only its writing is made the contact's. */
static void
repair_writing(Repair *r, const char *key)
{
	KamStamp	stamp = kam_guard_stamp(&r->guard, kam_printf(r->guard.env->arena, "/execution_timing/%s", key));

	if (stamp.state == KAM_STAMP_NO_ZONE ||
		(stamp.state == KAM_STAMP_GOOD && kam_civil_at(&r->guard.contact->zone, stamp.at).offset != stamp.offset))
		set(r, stamp.state == KAM_STAMP_NO_ZONE ? "time_without_zone" : "wrong_offset", "/execution_timing", key, time_json(r, stamp.at));
}

static void
repair_execute_at(Repair *r)
{
	const KamGuard *g = &r->guard;
	KamStamp	stamp = kam_guard_stamp(g, "/execution_timing/execute_at");
	const json_t *given = value_at(r, "/execution_timing/execute_at");

	if (g->action < 0)
		return;
	if (!g->sends)
	{
		if (g->waits && stamp.state == KAM_STAMP_NOT_ISO)
			set(r, "wait_execute_at_not_specified", "/execution_timing", "execute_at", json_null());
		else if (g->action == KAM_NO_ACTION && given != NULL)
			set(r, "unexpected_execute_at", "/execution_timing", "execute_at", json_null());
		else
			repair_writing(r, "execute_at");
		return;
	}
	if (stamp.at == KAM_NO_TIME)
	{
		KamWindow	window;
		KamUrgency	urgency = kam_urgency(g->env, g->contact, g->facts, g->plan);

		kam_send_window(g->env, g->contact, g->facts, &window);
		set(r, given == NULL ? "missing_execute_at" : json_is_string(given) ? "time_not_iso" : "wrong_type",
			"/execution_timing", "execute_at",
			time_json(r, kam_execute_at(g->env, g->contact, g->facts, g->plan, urgency, &window)));
		return;
	}
	repair_writing(r, "execute_at");
	if (stamp.at < g->env->as_of - KAM_SECOND)
		set(r, "execute_at_past", "/execution_timing", "execute_at",
			time_json(r, kam_office_time(&g->contact->zone, g->env->as_of + KAM_MINUTE)));
	else if (kam_office_time(&g->contact->zone, stamp.at) != stamp.at)
		set(r, "execute_at_outside_hours", "/execution_timing", "execute_at", time_json(r, kam_office_time(&g->contact->zone, stamp.at)));
}

/* Known only for the wait that the decision tree makes. */
static void
repair_reevaluate_at(Repair *r)
{
	const KamGuard *g = &r->guard;
	const KamPlan *plan = g->plan;
	const char *type = kam_guard_words(g, "/wait_type/type");
	KamStamp	stamp = kam_guard_stamp(g, "/execution_timing/reevaluate_at");
	const json_t *given = value_at(r, "/execution_timing/reevaluate_at");
	KamFindings found = {NULL, 0, 0};
	KamGuard	again;

	if (!g->waits)
	{
		if (stamp.state == KAM_STAMP_NOT_ISO || (given != NULL && !json_is_string(given)))
			set(r, "time_not_iso", "/execution_timing", "reevaluate_at", json_null());
		else
			repair_writing(r, "reevaluate_at");
		return;
	}
	repair_writing(r, "reevaluate_at");
	if (plan->action != KAM_WAIT || plan->reevaluate_at == KAM_NO_TIME || type == NULL ||
		strcmp(type, kam_wait_type_name(plan->wait_type)) != 0)
		return;
	kam_guard_open(&again, g->env, g->contact, g->facts, plan, r->root, NULL, &found);
	again.rule = again.severity = "";
	kam_rule_reevaluate_at_differs(&again);
	if (stamp.at == KAM_NO_TIME || stamp.at <= g->env->as_of || found.count > 0)
		set(r, given == NULL ? "missing_reevaluate_at" : stamp.at == KAM_NO_TIME ? "time_not_iso" :
			stamp.at <= g->env->as_of ? "reevaluate_at_past" : "reevaluate_at_differs",
			"/execution_timing", "reevaluate_at", time_json(r, plan->reevaluate_at));
}

static void
repair_times(Repair *r)
{
	repair_timezone(r);
	repair_execute_at(r);
	repair_reevaluate_at(r);
}

/* ---- sequence --------------------------------------------------------------------------- */

static void
repair_sequence(Repair *r)
{
	const json_t *plan = value_at(r, "/sequence_instructions/sequence_plan");
	const json_t *flag = value_at(r, "/sequence_instructions/is_part_of_sequence");

	if (plan == NULL)
		set(r, "wrong_type", "/sequence_instructions", "sequence_plan", kam_array());
	if (flag == NULL || (json_is_boolean(flag) && json_is_true(flag) != (json_array_size(plan) > 0)))
		set(r, "sequence_flag", "/sequence_instructions", "is_part_of_sequence", json_boolean(json_array_size(plan) > 0));
}

/* ---- score ---------------------------------------------------------------------------------- */

/* Writes an impact as the contract does and brings it into the spec's range; returns it in hundredths. */
static bool
repair_factor(Repair *r, json_t *factor, size_t index, double *impact)
{
	const json_t *given = json_object_get(factor, "impact");
	const char *rule = NULL;
	int			least,
				most;

	if (json_is_number(given))
	{
		*impact = json_number_value(given) * 100;
		rule = "factor_malformed";
	}
	else if (!kam_impact_parse(json_string_value(given), impact))
		return false;
	*impact = round(*impact);
	if (kam_impact_range(kam_get_string(factor, "factor"), &least, &most) && (*impact < least || *impact > most))
	{
		*impact = *impact < least ? least : most;
		rule = "factor_out_of_range";
	}
	if (rule != NULL)
		set(r, rule, kam_printf(r->guard.env->arena, BREAKDOWN "/factors/%zu", index), "impact",
			kam_string(kam_printf(r->guard.env->arena, "%+.2f", *impact / 100)));
	return true;
}

static void
add_factor(Repair *r, const char *rule, const char *name, double hundredths, const char *evidence)
{
	json_t	   *breakdown = object_at(r, BREAKDOWN);
	json_t	   *factors = json_deep_copy(json_object_get(breakdown, "factors"));
	json_t	   *factor = kam_object();

	kam_put(factor, "factor", kam_string(name));
	kam_put(factor, "impact", kam_string(kam_printf(r->guard.env->arena, "%+.2f", hundredths / 100)));
	kam_put(factor, "evidence", kam_string(evidence));
	kam_push(factors, factor);
	set(r, rule, BREAKDOWN, "factors", factors);
}

/* The total and the strength are what base and impacts add up to, within 0 to 1 and not below the floor. */
static void
repair_score(Repair *r)
{
	json_t	   *breakdown = object_at(r, BREAKDOWN);
	json_t	   *factors = json_object_get(breakdown, "factors");
	const json_t *base = json_object_get(breakdown, "base_score");
	const json_t *given = json_object_get(breakdown, "calculated_total");
	const char *floor_name;
	double		sum = round(json_number_value(base) * 100),
				impact,
				before;
	int			floor = kam_guard_floor(&r->guard, &floor_name);

	if (breakdown == NULL || !json_is_array(factors) || !json_is_number(base) || !kam_is_base_score(json_number_value(base)))
		return;
	for (size_t i = 0; i < json_array_size(factors); i++)
	{
		json_t	   *factor = json_array_get(factors, i);

		if (!json_is_object(factor) || !repair_factor(r, factor, i, &impact))
			return;				/* a factor that cannot be read: the sum is not known */
		sum += impact;
	}
	before = sum;
	if (sum < 0 || sum > 100)
	{
		sum = sum < 0 ? 0 : 100;
		add_factor(r, "strength_out_of_range", "clamp", sum - before, "kept between 0 and 1");
	}
	if (sum < floor)
	{
		add_factor(r, "strength_below_floor", floor_name, floor - sum, kam_printf(r->guard.env->arena, "minimum of 0.%02d", floor));
		sum = floor;
	}
	if (!json_is_number(given) || fabs(json_number_value(given) * 100 - sum) > 0.5)
		set(r, "score_arithmetic", BREAKDOWN, "calculated_total", kam_rounded(sum / 100));
	given = value_at(r, "/rationale/opportunity_strength");
	if (!json_is_number(given) || fabs(json_number_value(given) * 100 - sum) > 0.5)
		set(r, "strength_total_mismatch", "/rationale", "opportunity_strength", kam_rounded(sum / 100));
}

static void
repair_confidence(Repair *r)
{
	static const char *const keys[] = {
		"relationship_certainty", "timing_certainty", "channel_certainty", "content_quality", "historical_pattern_match"
	};

	for (size_t i = 0; i < KAM_LENGTHOF(keys); i++)
	{
		const json_t *value = json_object_get(object_at(r, "/rationale/confidence_factors"), keys[i]);

		if (json_is_number(value) && (json_number_value(value) < 0 || json_number_value(value) > 1))
			set(r, "confidence_out_of_range", "/rationale/confidence_factors", keys[i],
				kam_number(json_number_value(value) < 0 ? 0 : 1));
	}
}

/* ---- structures and safety checks ---------------------------------------------------------------- */

static void
repair_conditionals(Repair *r)
{
	const KamGuard *g = &r->guard;
	const json_t *context = object_at(r, "/conditional_context");

	for (int i = 0; context != NULL && i < kam_conditional_count; i++)
	{
		const KamConditional *row = &kam_conditionals[i];
		const json_t *value = json_object_get(context, row->key);
		bool		triggered = row->triggered(g->env, g->contact, g->facts);

		if (triggered && (kam_is_empty(value) || !(json_is_object(value) || json_is_array(value))))
			set(r, strcmp(row->key, "pilot_health") == 0 ? "missing_pilot_health" : "missing_conditional",
				"/conditional_context", row->key, row->build(g->env, g->contact, g->facts));
		else if (!triggered && (value == NULL || !kam_is_empty(value)))
			set(r, value == NULL ? "missing_key" : "unexpected_conditional", "/conditional_context", row->key, json_null());
	}
}

/* The checks are ours to make: filling them in repairs nothing; only a malformed set of them is told of. */
static void
repair_safety_checks(Repair *r)
{
	const KamGuard *g = &r->guard;
	const json_t *checks = json_object_get(r->decision, "synthesis_safety_checks");
	bool		whole = json_is_object(checks);
	json_t	   *made;

	for (int i = 0; whole && i < KAM_SAFETY_CHECKS; i++)
		whole = json_is_boolean(json_object_get(json_object_get(checks, kam_safety_check_names[i]), "passed"));
	if (whole)
		return;
	made = kam_safety_checks(g->env, g->contact, g->facts, g->plan, r->decision);
	if (checks == NULL || json_is_null(checks))
		kam_put(r->decision, "synthesis_safety_checks", made);
	else
		set(r, "safety_check_malformed", "", "synthesis_safety_checks", made);
}

/* ---- what nobody sees ---------------------------------------------------------------- */

#define MAX_DEPTH 16

/* Every string below a value without its hidden characters; path is the value's own. */
static void
drop_hidden(Repair *r, const char *path, int depth)
{
	KamArena   *arena = r->guard.env->arena;
	json_t	   *value = (json_t *) kam_pointer(r->decision, path);
	const char *key;
	json_t	   *member;
	void	   *next;
	size_t		i;

	if (depth > MAX_DEPTH)
		return;
	if (json_is_array(value))
		json_array_foreach(value, i, member)
			if (json_is_object(member) || json_is_array(member))
				drop_hidden(r, kam_printf(arena, "%s/%zu", path, i), depth + 1);
	if (!json_is_object(value))
		return;
	json_object_foreach_safe(value, next, key, member)
	{
		const char *text = json_string_value(member);

		if (strpbrk(key, "/~") != NULL || (depth == 0 && kam_stays_inside(key)))
			continue;
		if (text != NULL && kam_hidden_find(text, strlen(text)) < strlen(text))
			set(r, "hidden_characters", path, key, kam_string(kam_without_hidden(arena, text)));
		else if (json_is_object(member) || json_is_array(member))
			drop_hidden(r, kam_printf(arena, "%s/%s", path, key), depth + 1);
	}
}

static void
repair_hidden(Repair *r)
{
	drop_hidden(r, "", 0);
}

/* ---- the steps --------------------------------------------------------------------------------------- */

static void (*const steps[]) (Repair *r) = {
	repair_hidden, repair_keys, repair_spellings, repair_action_fields, repair_wait_type, repair_times, repair_sequence,
	repair_score, repair_confidence, repair_conditionals, repair_safety_checks
};

json_t *
kam_repair(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const KamPlan *plan,
		   json_t *decision, const json_t *content)
{
	Repair		r = {.root = decision, .rows = kam_array(), .content = content};
	KamFindings none = {NULL, 0, 0};

	for (size_t i = 0; i < KAM_LENGTHOF(steps); i++)
	{
		kam_guard_open(&r.guard, env, contact, facts, plan, decision, content, &none);
		r.decision = (json_t *) r.guard.decision;
		if (r.decision == NULL)
			break;
		steps[i] (&r);
	}
	return r.rows;
}
