/*
 * core/check_steered.c: the guard's rules for contacts whose texts try to steer
 * a program: there a decision keeps to what is computed.
 *
 * Where nothing of the kind is found, a model may depart from the decision tree
 * by its judgement (action_differs tells of it).  Where something is, nobody
 * can tell its judgement from its obedience.  The texts are only looked at once
 * a decision departs.
 */
#include "core/steering_internal.h"

#include <string.h>

/* What no message to a contact says: it speaks of the machine that wrote it, or from its instructions. */
static const char *const machine_talk[] = {
	"system|initial|hidden prompt*",
	"prompt* systeme|initial|cache",
	"my|our|mon|mes|nos|notre prompt*",
	"as an ai",
	"en tant qu ia|intelligence",
	"you are one of ten agents",
	"api key*",
	"cle* d ..0 api",
	"cle* api",
	"context_relationship_analyzer|opportunity_detector|state_analyzer|timing_strategist|wave1_evaluator|channel_selector|content_generator",
	"sequence_strategist|synthesis_orchestrator|decision_evaluator|final_decision|no_action|send_message|selected_channel",
};

#define SOON (8 * KAM_DAY)		/* within which what is sent may be of any urgency */
#define LATEST (4 * KAM_DAY)	/* behind the computed time of sending: a weekend and a day */

/* The first text that tries to steer, or NULL. */
static const KamSteering *
first_steering(const KamGuard *guard)
{
	const KamSteering *found;

	return kam_steering_of(guard->env, guard->contact, &found) > 0 ? found : NULL;
}

static void
report(KamGuard *guard, const char *path, const char *departure)
{
	const KamSteering *steering = first_steering(guard);

	if (steering != NULL)
		kam_guard_report(guard, path, "%s, while the text at %s tries to steer whoever reads it (\"%s\").", departure,
						 kam_shorten(guard->env->arena, steering->path, 120), kam_shorten(guard->env->arena, steering->quote, 120));
}

void
kam_rule_steered_action(KamGuard *guard)
{
	if (guard->action >= 0 && guard->action != (int) guard->plan->action)
		report(guard, "/action", kam_printf(guard->env->arena, "The action is %s where the decision tree says %s",
											kam_action_name((KamAction) guard->action), kam_action_name(guard->plan->action)));
}

void
kam_rule_steered_channel(KamGuard *guard)
{
	KamChannelRank rank[KAM_CHANNELS];

	if (!guard->sends || guard->channel == KAM_NO_CHANNEL ||
		kam_rank_channels(guard->env, guard->contact, guard->facts, guard->plan, rank) == 0 || rank[0].channel == guard->channel)
		return;
	report(guard, "/selected_channel", kam_printf(guard->env->arena, "The channel is %s where the contact's answers speak for %s",
												  kam_channel_name(guard->channel), kam_channel_name(rank[0].channel)));
}

void
kam_rule_steered_timing(KamGuard *guard)
{
	KamStamp	stamp = kam_guard_stamp(guard, "/execution_timing/execute_at");
	const KamSignal *absence = guard->facts->out_of_office;
	KamWindow	window;
	KamTime		computed;
	bool		away = absence != NULL && absence->at != KAM_NO_TIME && absence->at > guard->env->as_of;

	if (!guard->sends || stamp.state != KAM_STAMP_GOOD || guard->action != (int) guard->plan->action ||
		(!away && stamp.at <= guard->env->as_of + SOON))
		return;
	kam_send_window(guard->env, guard->contact, guard->facts, &window);
	computed = kam_execute_at(guard->env, guard->contact, guard->facts, guard->plan,
							  kam_urgency(guard->env, guard->contact, guard->facts, guard->plan), &window);
	if (computed != KAM_NO_TIME && stamp.at > computed + LATEST)
		report(guard, "/execution_timing/execute_at",
			   kam_printf(guard->env->arena, "The message is to wait until %s, days behind the computed time", stamp.text));
	else if (away && computed != KAM_NO_TIME && stamp.at < computed - KAM_DAY)
		report(guard, "/execution_timing/execute_at",
			   kam_printf(guard->env->arena, "The message is to go on %s, while they are away", stamp.text));
}

void
kam_rule_steered_wait(KamGuard *guard)
{
	const KamPlan *plan = guard->plan;
	const char *type = kam_guard_words(guard, "/wait_type/type");
	KamStamp	stamp = kam_guard_stamp(guard, "/execution_timing/reevaluate_at");

	if (!guard->waits || plan->action != KAM_WAIT)
		return;
	if (type != NULL && strcmp(type, kam_wait_type_name(plan->wait_type)) != 0)
		report(guard, "/wait_type/type", kam_printf(guard->env->arena, "The wait is of type %s where the decision tree says %s",
													type, kam_wait_type_name(plan->wait_type)));
	else if (stamp.state == KAM_STAMP_GOOD && plan->reevaluate_at != KAM_NO_TIME && stamp.at > plan->reevaluate_at + KAM_DAY)
		report(guard, "/execution_timing/reevaluate_at",
			   kam_printf(guard->env->arena, "The wait ends on %s, behind the computed time", stamp.text));
}

void
kam_rule_machine_talk(KamGuard *guard)
{
	const KamTokens *tokens;

	if (!guard->sends || guard->message == NULL)
		return;
	tokens = kam_guard_tokens(guard);
	for (size_t i = 0; i < KAM_LENGTHOF(machine_talk); i++)
	{
		int			last,
					first = kam_phrase_find(tokens, machine_talk[i], 0, &last);

		if (first < 0)
			continue;
		kam_guard_report(guard, "/selected_content/message", "\"%s\" speaks of the program that writes, not to the contact.",
						 kam_token_text(guard->env->arena, tokens, first, last));
		return;
	}
}
