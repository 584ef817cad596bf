/*
 * core/agents/synthesis.c: synthesis_orchestrator: the final decision from the
 * plan, the score and the outputs of the other agents (contract section 5).
 *
 * The message is the content generator's, byte for byte.  The other agents'
 * outputs may come from a model: whatever is missing or malformed in them is
 * computed here again.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

#define CONTENT_SOURCE "wave2_content_generator"

/* ---- what the other agents said ------------------------------------------------- */

/* The generated content of a channel when it holds a message. */
static const json_t *
content_for(const KamInputs *in, KamChannel channel)
{
	const json_t *all = kam_get_object(in->output[KAM_CONTENT_GENERATOR], "generated_content");
	const json_t *one = channel == KAM_NO_CHANNEL ? NULL : kam_get_object(all, kam_channel_name(channel));
	const char *message = kam_get_string(one, "message");

	return message != NULL && message[strspn(message, " \t\r\n")] != '\0' ? one : NULL;
}

/* The selector's primary channel if it works and has content, else its backup, else the best that has. */
static KamChannel
choose_channel(const KamEnv *env, const KamInputs *in)
{
	static const char *const keys[] = {"primary_channel", "backup_channel"};
	KamChannelRank rank[KAM_CHANNELS];
	int			n;

	for (size_t i = 0; i < KAM_LENGTHOF(keys); i++)
	{
		const char *name = kam_get_string(in->output[KAM_CHANNEL_SELECTOR], keys[i]);
		KamChannel	channel = name == NULL ? KAM_NO_CHANNEL : kam_channel_from_name(name);

		if (channel != KAM_NO_CHANNEL && in->facts->channel[channel] && content_for(in, channel) != NULL)
			return channel;
	}
	n = kam_rank_channels(env, in->contact, in->facts, in->plan, rank);
	for (int i = 0; i < n; i++)
		if (content_for(in, rank[i].channel) != NULL)
			return rank[i].channel;
	return KAM_NO_CHANNEL;
}

/* A share between 0 and 1 that an agent stated, else the given one. */
static double
stated(const json_t *output, const char *key, double otherwise)
{
	double		value = kam_get_number(output, key, otherwise);

	return value >= 0 && value <= 1 ? value : otherwise;
}

/* ---- parts of the decision -------------------------------------------------------- */

static json_t *
selected_content(const KamInputs *in, KamChannel channel)
{
	const json_t *content = content_for(in, channel);
	const char *tone = kam_get_string(in->output[KAM_CONTENT_GENERATOR], "tone");
	const char *subject = kam_get_string(content, "subject");
	json_t	   *out;

	if (content == NULL)
		return json_null();
	out = kam_object();
	kam_put(out, "message", kam_string(kam_get_string(content, "message")));
	kam_put(out, "tone", kam_string(tone != NULL && tone[0] != '\0' ? tone : "professional-friendly"));
	kam_put(out, "content_source", kam_string(CONTENT_SOURCE));
	kam_put(out, "variant", kam_string(kam_variant_name(in->plan->variant)));
	kam_put(out, "subject", kam_string(subject));
	return out;
}

static json_t *
wait_type(const KamPlan *plan)
{
	json_t	   *out;

	if (plan->action != KAM_WAIT)
		return json_null();
	out = kam_object();
	kam_put(out, "type", kam_string(kam_wait_type_name(plan->wait_type)));
	kam_put(out, "risk_level", kam_string(kam_wait_risk(plan->wait_type)));
	kam_put(out, "trigger_event", kam_string(plan->trigger_event));
	kam_put(out, "reevaluation_trigger", kam_string(plan->reevaluation_trigger));
	return out;
}

/* A touch of the strategist that can be planned as it stands. */
static bool
is_usable_touch(const KamEnv *env, const KamInputs *in, const json_t *touch)
{
	const char *channel = kam_get_string(touch, "channel");
	const char *date = kam_get_string(touch, "planned_date");
	KamChannel	named = channel == NULL ? KAM_NO_CHANNEL : kam_channel_from_name(channel);
	KamTime		at;

	return named != KAM_NO_CHANNEL && in->facts->channel[named] && kam_get_string(touch, "action_type") != NULL &&
		date != NULL && strlen(date) > 16 && kam_time_parse(date, &in->contact->zone, &at) && at > env->as_of;
}

static char *
lower(KamArena *arena, const char *text)
{
	char	   *out = kam_strdup(arena, text);

	for (char *p = out; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char) (*p + 'a' - 'A');
	return out;
}

/* The strategist's touches as steps; ours when one of them cannot be planned or a plan is due and missing. */
static json_t *
sequence(const KamEnv *env, const KamInputs *in)
{
	const json_t *given = kam_get_array(in->output[KAM_SEQUENCE_STRATEGIST], "touches");
	bool		allowed = in->plan->action == KAM_SEND_MESSAGE || kam_sequence_required(in->facts, in->plan->action);
	int			first = in->plan->action == KAM_WAIT ? 1 : 2;
	json_t	   *out = kam_object(),
			   *steps = kam_array(),
			   *own = NULL;
	size_t		n;

	for (size_t i = 0; given != NULL && i < json_array_size(given); i++)
		if (!is_usable_touch(env, in, json_array_get(given, i)))
			given = NULL;
	if (given == NULL || (json_array_size(given) == 0 && kam_sequence_required(in->facts, in->plan->action)))
		given = own = kam_sequence_touches(env, in);
	n = allowed ? json_array_size(given) : 0;
	for (size_t i = 0; i < n; i++)
	{
		const json_t *touch = json_array_get(given, i);
		json_t	   *step = kam_object();
		KamTime		at = env->as_of;

		kam_time_parse(kam_get_string(touch, "planned_date"), &in->contact->zone, &at);
		kam_put(step, "step", kam_integer(first + (int) i));
		kam_put(step, "trigger", kam_string(i > 0 || in->plan->action == KAM_SEND_MESSAGE ? "no_reply" : "reevaluation_date"));
		kam_put(step, "channel", kam_string(lower(env->arena, kam_get_string(touch, "channel"))));
		kam_put(step, "action_type", kam_string(kam_get_string(touch, "action_type")));
		kam_put(step, "planned_date", kam_string(kam_time_format(env->arena, &in->contact->zone, at)));
		kam_put(step, "status", kam_string("planned"));
		kam_put(step, "content_hint", kam_string(kam_get_string(touch, "content_hint")));
		kam_push(steps, step);
	}
	json_decref(own);
	kam_put(out, "is_part_of_sequence", json_boolean(n > 0));
	kam_put(out, "sequence_plan", steps);
	return out;
}

/* ---- rationale ----------------------------------------------------------------------- */

static json_t *
breakdown(KamArena *arena, const KamScore *score)
{
	json_t	   *out = kam_object(),
			   *factors = kam_array();

	for (int i = 0; i < score->nfactors; i++)
	{
		const KamFactor *factor = &score->factor[i];
		int			size = factor->impact < 0 ? -factor->impact : factor->impact;
		json_t	   *row = kam_object();

		kam_put(row, "factor", kam_string(factor->name));
		kam_put(row, "impact", kam_string(kam_printf(arena, "%c%d.%02d", factor->impact < 0 ? '-' : '+', size / 100, size % 100)));
		kam_put(row, "evidence", kam_string(factor->evidence));
		kam_push(factors, row);
	}
	kam_put(out, "base_score", kam_rounded(score->base / 100.0));
	kam_put(out, "relationship_stage", kam_string(kam_stage_name(score->stage)));
	kam_put(out, "factors", factors);
	kam_put(out, "calculated_total", kam_rounded(score->total / 100.0));
	return out;
}

static double
capped(double value)
{
	return value > 0.95 ? 0.95 : value < 0.05 ? 0.05 : value;
}

#define LEARNT_SHIFT 0.20		/* what people's verdicts move a certainty by, from all against to all for */
#define DOUBTED 0.40			/* an alignment below speaks against */

/* How far approvals (1) or rejections (0) of decisions like this one move a certainty. */
static double
learnt_shift(const json_t *holder, const char *key)
{
	return json_is_number(json_object_get(holder, key)) ? LEARNT_SHIFT * (stated(holder, key, 0.5) - 0.5) : 0;
}

/* What each rests on: number of exchanges, learnt hours, the channel's rank, the message's material, people's verdicts. */
static json_t *
confidence(const KamEnv *env, const KamInputs *in, KamChannel channel, const KamWindow *window)
{
	const KamFacts *facts = in->facts;
	const json_t *content = in->output[KAM_CONTENT_GENERATOR];
	const json_t *quality = kam_get_object(content, "quality_assessment");
	const json_t *history = json_object_get(quality, "historical_alignment");
	KamChannelRank rank[KAM_CHANNELS];
	int			n = kam_rank_channels(env, in->contact, facts, in->plan, rank);
	double		channel_certainty = 0;
	json_t	   *out = kam_object();

	for (int i = 0; i < n; i++)
		if (rank[i].channel == channel)
			channel_certainty = rank[i].score;
	if (n > 0 && rank[0].channel == channel)
		channel_certainty = stated(in->output[KAM_CHANNEL_SELECTOR], "confidence", channel_certainty);
	kam_put(out, "relationship_certainty",
			kam_rounded(capped(0.40 + 0.06 * facts->inbound_count + (facts->meeting_last_held != KAM_NO_TIME ? 0.15 : 0) +
							   (facts->active_deal != NULL ? 0.10 : 0) - 0.05 * facts->nwarnings)));
	kam_put(out, "timing_certainty",
			kam_rounded(in->plan->action == KAM_WAIT ? (in->plan->hard ? 0.90 : 0.75) :
						capped(window->learnt ? 0.65 + 0.03 * window->answers : 0.55)));
	channel_certainty += learnt_shift(kam_get_object(content, "historical_context"), "channel_alignment");
	kam_put(out, "channel_certainty", channel == KAM_NO_CHANNEL ? json_null() : kam_rounded(capped(channel_certainty)));
	kam_put(out, "content_quality", content_for(in, channel) == NULL ? json_null() :
			kam_rounded(capped(stated(quality, "content_quality", 0.75) + learnt_shift(quality, "historical_alignment"))));
	kam_put(out, "historical_pattern_match",
			json_is_number(history) ? kam_rounded(stated(quality, "historical_alignment", 0.5)) : json_null());
	return out;
}

/* Why the channel, in the selector's words when its choice was taken. */
static const char *
channel_reasoning(const KamEnv *env, const KamInputs *in, KamChannel channel)
{
	const json_t *selector = in->output[KAM_CHANNEL_SELECTOR];
	const char *primary = kam_get_string(selector, "primary_channel");
	const char *reasoning = kam_get_string(selector, "reasoning");
	KamChannelRank rank[KAM_CHANNELS];
	int			n;

	if (channel == KAM_NO_CHANNEL)
		return in->facts->nchannels == 0 ? "No working channel is left." : "Nothing is sent, so no channel is chosen.";
	if (primary != NULL && reasoning != NULL && kam_channel_from_name(primary) == channel)
		return reasoning;
	n = kam_rank_channels(env, in->contact, in->facts, in->plan, rank);
	for (int i = 0; i < n; i++)
		if (rank[i].channel == channel)
			return rank[i].reason;
	return "The channel works and has a message.";
}

static const char *
timing_reasoning(const KamEnv *env, const KamInputs *in, KamUrgency urgency, const KamWindow *window)
{
	KamArena   *arena = env->arena;

	if (in->plan->action == KAM_WAIT)
		return kam_printf(arena, "Look again on %s: %s", kam_english_date(arena, &in->contact->zone, in->plan->reevaluate_at),
						  in->plan->reevaluation_trigger != NULL ? in->plan->reevaluation_trigger : "the wait is over then.");
	if (in->plan->action == KAM_NO_ACTION)
		return "Nothing is sent, so there is nothing to time.";
	if (urgency == KAM_URGENCY_HIGH)
		return "The urgency is high: the first office minute of the contact's zone.";
	return kam_printf(arena, "The urgency is %s: %s %02d:%02d to %02d:%02d, %s.", kam_urgency_name(urgency),
					  urgency == KAM_URGENCY_MEDIUM ? "within 48 hours, between" : "within one week, between",
					  window->start / 60, window->start % 60, window->end / 60, window->end % 60,
					  window->learnt ? kam_printf(arena, "as learnt from %s of theirs",
												  kam_count_of(arena, window->answers, "message", "messages")) : "the usual office window");
}

/* What may go wrong, each from a fact. */
static json_t *
risks(const KamEnv *env, const KamInputs *in)
{
	KamArena   *arena = env->arena;
	const KamFacts *facts = in->facts;
	const json_t *quality = kam_get_object(in->output[KAM_CONTENT_GENERATOR], "quality_assessment");
	json_t	   *out = kam_array();

	if (kam_get_number(quality, "historical_alignment", 1) < DOUBTED)
		kam_push(out, kam_string("People changed or rejected most of the latest decisions in situations like this one."));
	if (facts->distinct_follow_ups >= 2)
		kam_push(out, kam_string(kam_printf(arena, "%s on different days have stayed without an answer.",
											kam_count_of(arena, facts->distinct_follow_ups, "follow-up", "follow-ups"))));
	if (facts->days_since_last_contact > 30)
		kam_push(out, kam_string(kam_printf(arena, "There has been no contact for %d days.", (int) facts->days_since_last_contact)));
	if (facts->budget_constraint != NULL)
		kam_push(out, kam_string("They spoke of a budget constraint."));
	if (facts->competitor_preferred != NULL && facts->competitor_preferred->name != NULL)
		kam_push(out, kam_string(kam_printf(arena, "They prefer or chose a competitor (%s).", facts->competitor_preferred->name)));
	else if (facts->competitors.count > 0)
		kam_push(out, kam_string("A competitor is being compared with us."));
	if (facts->churn != NULL)
		kam_push(out, kam_string("The contract is being ended; any sales message would do harm."));
	if (facts->deals_lost > 0)
		kam_push(out, kam_string(kam_printf(arena, "%s with them before.",
											facts->deals_lost == 1 ? "A deal was lost" : "Deals were lost")));
	if (facts->no_show)
		kam_push(out, kam_string(kam_is_our_no_show(facts) ? "We missed a meeting; trust has to be repaired." :
								 "An agreed meeting did not take place; interest may have weakened."));
	if (facts->out_of_office != NULL)
		kam_push(out, kam_string("An out-of-office notice was received; the answer may be late."));
	if (facts->nchannels == 1 && kam_plan_sends(in->plan))
		kam_push(out, kam_string("Only one channel works; there is no fallback."));
	if (facts->inbound_count == 0 && facts->meeting_last_held == KAM_NO_TIME && kam_plan_sends(in->plan))
		kam_push(out, kam_string("They have never answered; interest is not proven."));
	for (int i = 0; i < facts->nwarnings && i < 3; i++)
		kam_push(out, kam_string(kam_printf(arena, "Data quality: %s.", facts->warnings[i])));
	return out;
}

/* Minimum, expected, ideal: by action and wording. */
static const struct
{
	KamAction	action;
	KamVariant	variant;		/* KAM_NO_VARIANT: every other one */
	const char *minimum,
			   *expected,
			   *ideal;
} success[] = {
	{KAM_SEND_MESSAGE, KAM_FIRST_TOUCH, "The message is opened", "An answer of any kind within 7 days", "A first conversation is agreed"},
	{KAM_SEND_MESSAGE, KAM_FOLLOW_UP, "The message is opened", "An answer within 5 days", "A next step with a date is agreed"},
	{KAM_SEND_MESSAGE, KAM_LIGHTER_TOUCH, "The message is opened", "A short answer, even a no", "A coffee or call is agreed"},
	{KAM_SEND_MESSAGE, KAM_RE_ENGAGEMENT, "The message is opened", "An answer that says where they stand", "The conversation is taken up again with a date"},
	{KAM_SEND_MESSAGE, KAM_ENGAGEMENT_SIGNAL, "The message is seen", "An answer within 3 days", "A conversation is agreed"},
	{KAM_SEND_MESSAGE, KAM_ACTIVE_DEAL, "The message is opened", "They say what the next step is", "The next step of the deal has a date"},
	{KAM_SEND_MESSAGE, KAM_CHURN_ACKNOWLEDGEMENT, "The acknowledgement is received", "The transition's contact and dates are known", "A clean end that leaves the door open"},
	{KAM_WAIT, KAM_NO_VARIANT, "Nothing is sent before the date", "What the wait is for takes place", "They get in touch themselves"},
	{KAM_BREAK_UP, KAM_NO_VARIANT, "The message is opened", "No further effort is spent on this contact", "They answer and the conversation restarts"},
	{KAM_NO_ACTION, KAM_NO_VARIANT, "Nothing is sent", "A person reviews the contact's data", "A new contact or address is found where that is allowed"},
};

static json_t *
success_criteria(const KamPlan *plan)
{
	json_t	   *out = kam_object();
	size_t		i = 0;

	while (i + 1 < KAM_LENGTHOF(success) &&
		   !(success[i].action == plan->action && (success[i].variant == plan->variant || success[i].variant == KAM_NO_VARIANT)))
		i++;
	kam_put(out, "minimum_success", kam_string(success[i].minimum));
	kam_put(out, "expected_success", kam_string(success[i].expected));
	kam_put(out, "ideal_success", kam_string(success[i].ideal));
	return out;
}

/* "Of two validated decisions ..."; NULL without history. */
static const char *
historical_alignment(const KamInputs *in)
{
	const json_t *context = kam_get_object(in->output[KAM_CONTENT_GENERATOR], "historical_context");

	return kam_get_true(context, "has_historical_data") ? kam_get_string(context, "pattern_match_assessment") : NULL;
}

static json_t *
rationale(const KamEnv *env, const KamInputs *in, KamChannel channel, KamUrgency urgency, const KamWindow *window)
{
	json_t	   *out = kam_object();

	kam_put(out, "action_reasoning", kam_string(in->plan->reason));
	kam_put(out, "decision_rule", kam_string(in->plan->rule));
	kam_put(out, "channel_reasoning", kam_string(channel_reasoning(env, in, channel)));
	kam_put(out, "timing_reasoning", kam_string(timing_reasoning(env, in, urgency, window)));
	kam_put(out, "historical_alignment", kam_string(historical_alignment(in)));
	kam_put(out, "opportunity_strength", kam_rounded(in->score->total / 100.0));
	kam_put(out, "opportunity_strength_breakdown", breakdown(env->arena, in->score));
	kam_put(out, "confidence_factors", confidence(env, in, channel, window));
	kam_put(out, "risk_factors", risks(env, in));
	kam_put(out, "success_criteria", success_criteria(in->plan));
	return out;
}

/* ---- the whole -------------------------------------------------------------------------- */

static json_t *
timing(const KamEnv *env, const KamInputs *in, KamUrgency urgency, const KamWindow *window)
{
	const KamZone *zone = &in->contact->zone;
	json_t	   *out = kam_object();
	bool		sends = kam_plan_sends(in->plan);

	kam_put(out, "execute_at", !sends ? json_null() :
			kam_string(kam_time_format(env->arena, zone, kam_execute_at(env, in->contact, in->facts, in->plan, urgency, window))));
	kam_put(out, "reevaluate_at", in->plan->action != KAM_WAIT ? json_null() :
			kam_string(kam_time_format(env->arena, zone, in->plan->reevaluate_at)));
	kam_put(out, "timezone", kam_string(zone->name));
	return out;
}

static json_t *
metadata(const KamEnv *env, const KamInputs *in)
{
	json_t	   *out = kam_object();

	kam_put(out, "session_id", kam_string(in->session_id));
	kam_put(out, "processing_date", kam_string(kam_time_format(env->arena, &in->contact->zone, env->as_of)));
	kam_put(out, "historical_validation_performed", json_boolean(json_array_size(in->history) > 0));
	kam_put(out, "provider", kam_string(in->provider != NULL ? in->provider : "builtin"));
	kam_put(out, "repaired", json_false());
	return out;
}

json_t *
kam_agent_synthesis(const KamEnv *env, const KamInputs *in)
{
	json_t	   *out = kam_object(),
			   *decision = kam_object();
	KamUrgency	urgency = kam_urgency(env, in->contact, in->facts, in->plan);
	KamChannel	channel = kam_plan_sends(in->plan) ? choose_channel(env, in) : KAM_NO_CHANNEL;
	KamWindow	window;

	kam_send_window(env, in->contact, in->facts, &window);
	kam_put(decision, "action", kam_string(kam_action_name(in->plan->action)));
	kam_put(decision, "selected_channel", kam_string(kam_channel_name(channel)));
	kam_put(decision, "selected_content", selected_content(in, channel));
	kam_put(decision, "execution_timing", timing(env, in, urgency, &window));
	kam_put(decision, "wait_type", wait_type(in->plan));
	kam_put(decision, "sequence_instructions", sequence(env, in));
	kam_put(decision, "rationale", rationale(env, in, channel, urgency, &window));
	kam_put(decision, "conditional_context", kam_conditional_context(env, in->contact, in->facts));
	kam_put(decision, "synthesis_safety_checks", kam_safety_checks(env, in->contact, in->facts, in->plan, decision));
	kam_put(out, "final_decision", decision);
	kam_put(out, "metadata", metadata(env, in));
	return out;
}
