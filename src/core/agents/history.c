/*
 * core/agents/history.c: what people made of earlier decisions, and what that
 * says of this one (spec, "Historical Data Query": the ten latest that were
 * validated).
 */
#include "core/agents/agents_internal.h"

#include <math.h>
#include <string.h>

#define EDITS_TO_LEARN 2		/* fewer edited messages teach nothing */
#define SHORTENED 0.75			/* mean length of an edit against the original */
#define PRIOR 0.5				/* as much as half a verdict speaks for neither, so that one alone settles nothing */
#define CLOSE 0.8				/* likeness from which a decision counts as the same situation */

/* How a validation counts. */
static const struct
{
	const char *type;
	double		weight;
}			validation[] = {
	{"approved", 1.0}, {"edited", 0.5}, {"rejected", 0.0},
};

/* What makes situations alike; they add up to 1.  Without the same action they are not. */
#define SAME_ACTION 0.40
#define SAME_WORDING 0.25		/* variant of the message, or kind of wait */
#define SAME_CHANNEL 0.20
#define SAME_STAGE 0.15

/* The final_decision of a history row, bare or wrapped. */
static const json_t *
decision_of(const json_t *row)
{
	const json_t *decision = kam_get_object(row, "decision");
	const json_t *inner = kam_get_object(decision, "final_decision");

	return inner != NULL ? inner : decision;
}

static bool
is_same(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* The row's channel; KAM_NO_CHANNEL when nothing was sent. */
static KamChannel
channel_of(const json_t *row)
{
	const char *name = kam_get_string(row, "selected_channel");

	return name != NULL ? kam_channel_from_name(name) : KAM_NO_CHANNEL;
}

static bool
is_same_wording(const KamInputs *in, const json_t *decision)
{
	if (in->plan->action == KAM_WAIT)
		return is_same(kam_get_string(kam_get_object(decision, "wait_type"), "type"), kam_wait_type_name(in->plan->wait_type));
	return in->plan->variant != KAM_NO_VARIANT &&
		is_same(kam_get_string(kam_get_object(decision, "selected_content"), "variant"), kam_variant_name(in->plan->variant));
}

/* The score's base is the stage's. */
static bool
is_same_stage(const KamInputs *in, const json_t *decision)
{
	const json_t *breakdown = kam_get_object(kam_get_object(decision, "rationale"), "opportunity_strength_breakdown");

	return lround(kam_get_number(breakdown, "base_score", -1) * 100) == in->score->base;
}

/* 0 to 1. */
static double
likeness(const KamInputs *in, KamChannel channel, const json_t *row)
{
	const json_t *decision = decision_of(row);
	double		out = SAME_ACTION;

	if (!is_same(kam_get_string(row, "action"), kam_action_name(in->plan->action)))
		return 0;
	out += is_same_wording(in, decision) ? SAME_WORDING : 0;
	out += channel_of(row) == (kam_plan_sends(in->plan) ? channel : KAM_NO_CHANNEL) ? SAME_CHANNEL : 0;
	out += is_same_stage(in, decision) ? SAME_STAGE : 0;
	return out;
}

static void
count_in(KamShare *share, double weight)
{
	share->n++;
	share->approved += weight == 1.0;
	share->sum += weight;
}

/* The row's place in validation[], or -1. */
static int
verdict_of(const json_t *row)
{
	const char *type = kam_get_string(row, "type_of_validation");

	for (size_t v = 0; v < KAM_LENGTHOF(validation); v++)
		if (is_same(type, validation[v].type))
			return (int) v;
	return -1;
}

void
kam_learn(const KamInputs *in, KamChannel channel, const char *tone, KamLearnt *out)
{
	const char *action = kam_action_name(in->plan->action);
	double		alike = 0,
				agreed = 0,
				closest = 0,
				length_ratio = 0;
	int			question_dropped = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < json_array_size(in->history); i++)
	{
		const json_t *row = json_array_get(in->history, i);
		const json_t *content = kam_get_object(decision_of(row), "selected_content");
		const char *edited = kam_get_string(row, "edited_message");
		const char *original = kam_get_string(content, "message");
		int			verdict = verdict_of(row);
		double		weight,
					like;

		if (verdict < 0)
			continue;
		weight = validation[verdict].weight;
		out->rows++;
		if (is_same(kam_get_string(row, "action"), action))
			count_in(&out->action, weight);
		if (channel != KAM_NO_CHANNEL && channel_of(row) == channel)
			count_in(&out->channel, weight);
		if (is_same(kam_get_string(content, "tone"), tone))
			count_in(&out->tone, weight);
		like = likeness(in, channel, row);
		alike += like;
		agreed += like * weight;
		/* Rows come latest first: of equals the latest counts. */
		if (like > closest)
		{
			closest = like;
			out->closest = like >= CLOSE ? validation[verdict].type : NULL;
		}
		if (strcmp(validation[verdict].type, "edited") == 0 && edited != NULL && original != NULL && *edited != '\0' && *original != '\0')
		{
			out->edits++;
			length_ratio += (double) kam_characters(edited) / kam_characters(original);
			question_dropped += kam_count_questions(original) > 0 && kam_count_questions(edited) == 0;
		}
	}
	out->alignment = alike > 0 ? (agreed + PRIOR / 2) / (alike + PRIOR) : -1;
	if (out->edits >= EDITS_TO_LEARN)
	{
		out->shorter = length_ratio / out->edits <= SHORTENED;
		out->without_question = 2 * question_dropped > out->edits;
	}
}

static json_t *
share_json(const KamShare *share)
{
	return share->n > 0 ? kam_rounded(share->sum / share->n) : json_null();
}

json_t *
kam_historical_context(KamArena *arena, const KamInputs *in, const KamLearnt *learnt)
{
	json_t	   *out = kam_object();
	const char *assessment = NULL;

	if (learnt->action.n > 0)
		assessment = kam_printf(arena, "Of %s of type %s among the latest, %s approved as written.%s",
								kam_count_of(arena, learnt->action.n, "validated decision", "validated decisions"),
								kam_action_name(in->plan->action),
								learnt->action.approved == 1 ? "one was" :
								kam_printf(arena, "%s were", learnt->action.approved == 0 ? "none" :
										   kam_count_word(arena, learnt->action.approved)),
								learnt->closest != NULL ? kam_printf(arena, " The latest in the same situation was %s.", learnt->closest) : "");
	else if (learnt->rows > 0)
		assessment = kam_printf(arena, "No validated decision of type %s is among the latest.", kam_action_name(in->plan->action));
	kam_put(out, "has_historical_data", json_boolean(learnt->rows > 0));
	kam_put(out, "pattern_match_assessment", kam_string(assessment));
	kam_put(out, "channel_alignment", share_json(&learnt->channel));
	kam_put(out, "tone_alignment", share_json(&learnt->tone));
	if (learnt->edits > 0)
	{
		json_t	   *edits = kam_object();

		kam_put(out, "edits", edits);
		kam_put(edits, "n", kam_integer(learnt->edits));
		kam_put(edits, "shorter", json_boolean(learnt->shorter));
		kam_put(edits, "without_question", json_boolean(learnt->without_question));
	}
	return out;
}
