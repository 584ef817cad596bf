/*
 * core/safety.c: the eight synthesis_safety_checks of a decision (spec,
 * "Pre-Decision Safety Checks"; contract section 5).
 *
 * A check passes when the decision honours what it looks at; its detail says
 * what was found, with real values, whether it passed or not.
 */
#include "core/check_internal.h"

#include <string.h>

#include "core/text.h"

#define GHOSTED_FOR_GOOD 5		/* distinct follow-ups without an answer */

static const char *
on(const KamGuard *guard, KamTime at)
{
	return kam_date_format(guard->env->arena, &guard->contact->zone, at);
}

/* "two" things or one */
static const char *
plural(int n)
{
	return n == 1 ? "" : "s";
}

/* Something stands in the way: the decision must be the plan's, or at least send nothing. */
static bool
respects_blocker(const KamGuard *guard)
{
	return guard->action == (int) guard->plan->action || (guard->action >= 0 && !guard->sends);
}

static bool
check_churn(KamGuard *guard, const char **detail)
{
	const KamFacts *facts = guard->facts;

	if (facts->churn == NULL)
	{
		*detail = "No message ends a contract, a subscription or the collaboration.";
		return true;
	}
	*detail = kam_printf(guard->env->arena, "The end was announced on %s (\"%s\") and %s.", on(guard, facts->churn->activity->at),
						 facts->churn->quote != NULL ? facts->churn->quote : "",
						 facts->churn_responded ? "has our answer" : "has no answer of ours yet");
	return respects_blocker(guard);
}

static bool
check_multi_deal(KamGuard *guard, const char **detail)
{
	const KamFacts *facts = guard->facts;
	const KamDeal *deal = facts->active_deal;

	if (guard->contact->ndeals == 0)
	{
		*detail = "The contact has no deal.";
		return true;
	}
	*detail = kam_printf(guard->env->arena, "Deals: %d open, %d won, %d lost%s%s%s.", facts->deals_open, facts->deals_won, facts->deals_lost,
						 deal != NULL ? "; the open one leads" : "",
						 deal != NULL && deal->name != NULL ? ": " : "", deal != NULL && deal->name != NULL ? deal->name : "");
	/* an open deal outweighs lost ones: no farewell unless the tree itself says so */
	return deal == NULL || guard->action != KAM_BREAK_UP || guard->plan->action == KAM_BREAK_UP;
}

static bool
check_multi_owner(KamGuard *guard, const char **detail)
{
	const KamFacts *facts = guard->facts;

	if (facts->other_owner == NULL)
	{
		*detail = "No colleague was active with this contact in the last 14 days.";
		return true;
	}
	*detail = kam_printf(guard->env->arena, "%s was active with this contact on %s.", facts->other_owner,
						 on(guard, facts->other_owner_activity->at));
	return respects_blocker(guard);
}

static bool
check_touchpoint(KamGuard *guard, const char **detail)
{
	const KamFacts *facts = guard->facts;
	KamTime		at = facts->meeting_next;

	if (at == KAM_NO_TIME || (facts->touchpoint != KAM_NO_TIME && facts->touchpoint < at))
		at = facts->touchpoint;
	if (at == KAM_NO_TIME)
	{
		*detail = "No meeting or other point of contact is scheduled.";
		return true;
	}
	*detail = kam_printf(guard->env->arena, "A point of contact is scheduled on %s.", on(guard, at));
	return respects_blocker(guard);
}

static bool
check_temporal_accuracy(KamGuard *guard, const char **detail)
{
	json_t	   *faults;
	const json_t *fault;

	if (!guard->sends || guard->message == NULL)
	{
		*detail = "There is no message.";
		return true;
	}
	faults = kam_false_temporal_tokens(guard->env, guard->contact, guard->facts, kam_guard_tokens(guard), guard->message);
	fault = json_array_get(faults, 0);
	*detail = fault == NULL ? "Every reference of the message to the past agrees with the activities."
		: kam_printf(guard->env->arena, "\"%s\": %s.", kam_get_string(fault, "quote"), kam_get_string(fault, "why"));
	json_decref(faults);
	return fault == NULL;
}

static bool
check_semantic_outbound(KamGuard *guard, const char **detail)
{
	const KamFacts *facts = guard->facts;
	int			n = facts->distinct_follow_ups;

	*detail = kam_printf(guard->env->arena, "%d follow-up%s on different days without an answer, of %d message%s sent in all.",
						 n, plural(n), facts->outbound_count, plural(facts->outbound_count));
	return n < GHOSTED_FOR_GOOD || guard->action != KAM_SEND_MESSAGE || guard->plan->action == KAM_SEND_MESSAGE;
}

static bool
check_question_count(KamGuard *guard, const char **detail)
{
	int			n = guard->sends && guard->message != NULL ? kam_count_questions(guard->message) : 0;

	*detail = kam_printf(guard->env->arena, "The message asks %d question%s; one is allowed.", n, plural(n));
	if (!guard->sends || guard->message == NULL)
		*detail = "There is no message.";
	return n <= 1;
}

static bool
check_meeting_responsibility(KamGuard *guard, const char **detail)
{
	const KamFacts *facts = guard->facts;
	const char *quote = NULL;
	const char *fault = guard->sends && guard->message != NULL
		? kam_blame_fault(guard->env, facts, kam_guard_tokens(guard), &quote) : NULL;

	if (fault != NULL)
		*detail = kam_printf(guard->env->arena, "\"%s\" in the message: %s.", quote, fault);
	else if (!facts->no_show)
		*detail = "No missed meeting is known.";
	else
		*detail = kam_printf(guard->env->arena, "The meeting of %s did not take place; %s.", on(guard, facts->no_show_at),
							 facts->no_show_responsible == NULL ? "nobody is known to be responsible" :
							 strcmp(facts->no_show_responsible, "us") == 0 ? "we are responsible" : "the contact is responsible");
	return fault == NULL;
}

/* In the order of kam_safety_check_names. */
static bool (*const checks[KAM_SAFETY_CHECKS]) (KamGuard *guard, const char **detail) = {
	check_churn, check_multi_deal, check_multi_owner, check_touchpoint,
	check_temporal_accuracy, check_semantic_outbound, check_question_count, check_meeting_responsibility
};

json_t *
kam_safety_checks(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const KamPlan *plan,
				  const json_t *final_decision)
{
	json_t	   *out = kam_object();
	KamFindings none = {NULL, 0, 0};
	KamGuard	guard;

	kam_guard_open(&guard, env, contact, facts, plan, final_decision, NULL, &none);
	for (int i = 0; i < KAM_SAFETY_CHECKS; i++)
	{
		json_t	   *check = kam_object();
		const char *detail = NULL;
		bool		passed = checks[i] (&guard, &detail);

		kam_put(check, "passed", json_boolean(passed));
		kam_put(check, "detail", kam_string(detail));
		kam_put(out, kam_safety_check_names[i], check);
	}
	return out;
}
