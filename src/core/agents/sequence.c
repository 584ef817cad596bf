/*
 * core/agents/sequence.c: sequence_strategist: what follows when nobody
 * answers: two or three further touches at growing distances, alternating the
 * working channels, on office days.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

/* One further touch: days after the one before, how, what to say. */
typedef struct Step
{
	int			gap;
	const char *action_type;
	const char *hint;
} Step;

#define STEPS 3

/* By what the decision is. */
static const struct
{
	KamAction	action;
	KamVariant	variant;		/* KAM_NO_VARIANT: every other one */
	int			count;
	Step		step[STEPS];
} plans[] = {
	{KAM_SEND_MESSAGE, KAM_CHURN_ACKNOWLEDGEMENT, 1,
		{{10, "transition_check", "Ask whether the transition goes smoothly; sell nothing."}}},
	{KAM_SEND_MESSAGE, KAM_FIRST_TOUCH, 3,
		{{4, "follow_up", "One concrete reason why this contact; one question."},
			{8, "content_share", "Share something useful without asking for anything."},
			{15, "lighter_touch", "Short check-in, offer a coffee, no pressure."}}},
	{KAM_SEND_MESSAGE, KAM_LIGHTER_TOUCH, 2,
		{{10, "content_share", "Share something useful without asking for anything."},
			{18, "break_up", "Close politely and leave the door open."}}},
	{KAM_SEND_MESSAGE, KAM_ACTIVE_DEAL, 3,
		{{4, "deal_next_step", "Ask what is missing for the next step of the deal."},
			{7, "open_points", "Clear the open points, by voice if possible."},
			{12, "deal_review", "Take stock together and agree on a date for the decision."}}},
	{KAM_SEND_MESSAGE, KAM_NO_VARIANT, 3,
		{{4, "follow_up", "Take up the same matter from another side; one question."},
			{8, "content_share", "Share something useful on the matter, no question."},
			{14, "lighter_touch", "Short check-in, offer a coffee, no pressure."}}},
	{KAM_WAIT, KAM_NO_VARIANT, 3,
		{{0, "check_in", "Take up what the wait was for."},
			{5, "follow_up", "Ask what the next step is; one question."},
			{10, "lighter_touch", "Short check-in, no pressure."}}},
};

/* After what a sequence ends. */
static const char *const exit_conditions[] = {"reply", "meeting_booked", "opt_out", "bounce", "deal_closed"};

/* Only these waits lead to more than one look. */
static bool
is_single(const KamPlan *plan)
{
	return plan->wait_type == KAM_WAIT_CHURN_ACKNOWLEDGED || plan->wait_type == KAM_WAIT_COORDINATION_NEEDED;
}

json_t *
kam_sequence_touches(const KamEnv *env, const KamInputs *in)
{
	const KamPlan *plan = in->plan;
	const KamZone *zone = &in->contact->zone;
	KamChannelRank rank[KAM_CHANNELS];
	KamWindow	window;
	int			channels = kam_rank_channels(env, in->contact, in->facts, plan, rank),
				row = -1,
				number = plan->action == KAM_WAIT ? 1 : 2,
				days = 0;
	KamTime		from;
	json_t	   *touches = kam_array();

	if (channels == 0 || (plan->action != KAM_SEND_MESSAGE && !kam_sequence_required(in->facts, plan->action)))
		return touches;
	for (int i = 0; i < (int) KAM_LENGTHOF(plans) && row < 0; i++)
		if (plans[i].action == plan->action && (plans[i].variant == plan->variant || plans[i].variant == KAM_NO_VARIANT))
			row = i;
	if (row < 0)
		return touches;
	kam_send_window(env, in->contact, in->facts, &window);
	from = plan->action == KAM_WAIT ? plan->reevaluate_at :
		kam_execute_at(env, in->contact, in->facts, plan, kam_urgency(env, in->contact, in->facts, plan), &window);
	for (int i = 0; i < plans[row].count && !(i > 0 && is_single(plan)); i++)
	{
		const Step *step = &plans[row].step[i];
		KamTime		at;
		json_t	   *touch = kam_object();

		days += step->gap;
		at = kam_office_time(zone, kam_local_clock(zone, from, days, window.start / 60, window.start % 60));
		kam_put(touch, "step", kam_integer(number + i));
		kam_put(touch, "day", kam_integer(days));
		/* the first touch went over the best channel, so the next one takes another */
		kam_put(touch, "channel", kam_string(kam_channel_name(rank[(i + (plan->action == KAM_SEND_MESSAGE)) % channels].channel)));
		kam_put(touch, "action_type", kam_string(step->action_type));
		kam_put(touch, "planned_date", kam_string(kam_time_format(env->arena, zone, at)));
		kam_put(touch, "content_hint", kam_string(step->hint));
		kam_push(touches, touch);
	}
	return touches;
}

json_t *
kam_agent_sequence(const KamEnv *env, const KamInputs *in)
{
	json_t	   *out = kam_object(),
			   *touches = kam_sequence_touches(env, in),
			   *exits = kam_array();
	size_t		n = json_array_size(touches);

	for (size_t i = 0; n > 0 && i < KAM_LENGTHOF(exit_conditions); i++)
		kam_push(exits, kam_string(exit_conditions[i]));
	if (n == 0)
		kam_push(exits, kam_string("reply"));
	kam_put(out, "is_sequence", json_boolean(n > 0));
	kam_put(out, "touches", touches);
	kam_put(out, "exit_conditions", exits);
	kam_put(out, "reasoning",
			kam_string(n == 0 ? "No further touch is planned after this decision." :
					   kam_printf(env->arena, "%s planned in case nobody answers; any answer ends the sequence.",
								  n == 1 ? "One further touch is" :
								  kam_printf(env->arena, "%s further touches are", n == 2 ? "Two" : "Three"))));
	return out;
}
