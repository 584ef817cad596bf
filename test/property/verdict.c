/*
 * verdict.c: the five gates as the documents state them, written once more.
 *
 * Contract section 7, AGT-302's order of gates, conflict matrix and transitions.  Slow and plain: it counts touches in
 * the whole history of a lead and keeps no state of its own.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

Family
family_of(const char *type)
{
	static const struct
	{
		const char *type;
		Family		family;
	}			types[] = {
		{"outbound", SALES}, {"follow_up", SALES}, {"abm", SALES}, {"expansion", SALES}, {"renewal", SALES}, {"play", SALES},
		{"nurture", MARKETING}, {"newsletter", MARKETING}, {"event", MARKETING}, {"transactional", TRANSACTIONAL},
	};

	for (size_t i = 0; type != NULL && i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].family;
	return NO_FAMILY;
}

/* A touch counts from its moment until 168 hours later, that moment excluded. */
int
touches_within(const Lead *lead, int64_t at)
{
	int			count = 0;

	for (int i = 0; i < lead->ntouches; i++)
		count += lead->touches[i].counted && at < lead->touches[i].at + WINDOW;
	return count;
}

static int
later_first(const void *a, const void *b)
{
	int64_t		x = *(const int64_t *) a,
				y = *(const int64_t *) b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* When fewer than the cap will count: the cap-th latest counted touch plus the window. */
int64_t
cap_clears_at(const Lead *lead, int64_t at)
{
	int64_t    *stamps = malloc(sizeof(int64_t) * (size_t) (lead->ntouches + 1));
	int64_t		clears = NEVER;
	int			count = 0;

	for (int i = 0; i < lead->ntouches; i++)
		if (lead->touches[i].counted)
			stamps[count++] = lead->touches[i].at;
	qsort(stamps, (size_t) count, sizeof(int64_t), later_first);
	if (count >= CAP)
		clears = stamps[CAP - 1] + WINDOW;
	free(stamps);
	return clears;
}

/* A held touch that is due and goes before: of a higher priority, or of the same and earlier. */
const Hold *
due_before(const View *view)
{
	for (int i = 0; i < view->lead->nholds; i++)
	{
		const Hold *hold = &view->lead->holds[i];

		if (!hold->held || strcmp(hold->state, "waiting") != 0 || hold->event_id == view->self || hold->release_at == NEVER || hold->release_at > view->now ||
			(!hold->stored && !view->heed_unstored))
			continue;
		if (hold->priority > view->priority || (hold->priority == view->priority && hold->event_id < view->self))
			return hold;
	}
	return NULL;
}

Enrolment *
latest_enrolment(const Lead *lead, const char *sequence)
{
	Enrolment  *found = NULL;

	for (int i = 0; sequence != NULL && i < lead->nenrolments; i++)
		if (strcmp(lead->enrolments[i].sequence, sequence) == 0 && (found == NULL || lead->enrolments[i].no > found->no))
			found = &lead->enrolments[i];
	return found;
}

const Enrolment *
active_of(const Lead *lead, Family family)
{
	for (int i = 0; i < lead->nenrolments; i++)
		if (lead->enrolments[i].family == family && lead->enrolments[i].state == ACTIVE)
			return &lead->enrolments[i];
	return NULL;
}

static void
refuse(Verdict *verdict, int gate, const char *action, const char *event, const char *reason, const char *resolution, int64_t release_at)
{
	verdict->gate = gate;
	verdict->action = action;
	verdict->event = event;
	verdict->reason = reason;
	verdict->resolution = resolution;
	verdict->release_at = release_at;
	verdict->displaced = NULL;
}

/* Gate 4. */
static bool
conflict(const View *view, Verdict *verdict)
{
	const Enrolment *own,
			   *other;
	int64_t		sales = view->lead->sales_signal,
				marketing = view->lead->marketing_signal;
	bool		sales_wins;
	const char *resolution;

	if (view->family == SALES && view->tier != NULL && strcmp(view->tier, "T3") == 0)
	{
		refuse(verdict, 4, "blocked", "suppressed", "routing_error", "t3_marketing_always", NEVER);
		return true;
	}
	if (strcmp(view->event, "touch") == 0 || view->family == TRANSACTIONAL || (strcmp(view->event, "resume") == 0 && view->sequence == NULL))
		return false;
	own = active_of(view->lead, view->family);
	if (own != NULL && (view->sequence == NULL || strcmp(own->sequence, view->sequence) != 0))
	{
		refuse(verdict, 4, "queued", "deferred", "conflict_resolved_queued", "same_family_incumbent", NEVER);
		return true;
	}
	other = active_of(view->lead, view->family == SALES ? MARKETING : SALES);
	if (other == NULL || (view->sequence != NULL && strcmp(other->sequence, view->sequence) == 0))
		return false;
	if (view->tier == NULL)
	{
		refuse(verdict, 4, "queued", "deferred", "conflict_resolved_queued", "no_tier_incumbent", view->now + MATRIX_WAIT);
		return true;
	}
	/* A signal of the future is one of the present. */
	sales = sales > view->now ? view->now : sales;
	marketing = marketing > view->now ? view->now : marketing;
	if (strcmp(view->tier, "T1") == 0)
	{
		sales_wins = true;
		resolution = "t1_sales_wins";
	}
	else if (strcmp(view->tier, "T3") == 0)
	{
		sales_wins = false;
		resolution = "t3_marketing_always";
	}
	else
	{
		sales_wins = sales >= marketing;
		resolution = sales > marketing ? "t2_sales_fresher" : sales < marketing ? "t2_marketing_fresher" : "t2_tie_sales";
	}
	if (sales_wins != (view->family == SALES))
	{
		refuse(verdict, 4, "queued", "deferred", "conflict_resolved_queued", resolution, strcmp(view->tier, "T2") == 0 ? view->now + MATRIX_WAIT : NEVER);
		return true;
	}
	verdict->resolution = resolution;
	verdict->displaced = other;
	return false;
}

/* Gate 5: what is illegal, or NULL. */
static const char *
illegal(const View *view)
{
	const Enrolment *enrolment = latest_enrolment(view->lead, view->sequence);
	State		state = enrolment ? enrolment->state : NONE;
	int64_t		until;
	bool		done = enrolment != NULL && view->step > 0 && view->step < 64 && (enrolment->steps & (UINT64_C(1) << view->step));

	if (view->heed_inherited && view->sequence != NULL && view->step > 0 && view->step < 64)
		for (int i = 0; i < view->lead->ninherited; i++)
			done |= strcmp(view->lead->inherited[i].sequence, view->sequence) == 0 && (view->lead->inherited[i].steps & (UINT64_C(1) << view->step)) != 0;

	if (strcmp(view->event, "touch") == 0 && view->family == TRANSACTIONAL)
		return done ? "step_repeated" : NULL;
	if (strcmp(view->event, "activation") == 0)
	{
		if (state == ACTIVE)
			return "already_active";
		if (state == PAUSED)
			return "enrolment_paused";
	}
	else if (strcmp(view->event, "touch") == 0)
	{
		if (state != ACTIVE)
			return state == NONE ? "not_enrolled" : state == QUEUED ? "enrolment_queued" : state == PAUSED ? "enrolment_paused" : "enrolment_finished";
	}
	else if (state != PAUSED)
		return state == NONE ? "not_enrolled" : state == QUEUED ? "enrolment_queued" : state == ACTIVE ? "already_active" : "enrolment_finished";
	if (state != NONE && state != FINISHED && strcmp(enrolment->type, view->type) != 0)
		return "type_mismatch";
	until = state == NONE || state == FINISHED ? view->until : enrolment->until;
	if (until != NEVER && view->now >= until)
		return "sequence_ended";
	if (strcmp(view->event, "touch") == 0 && done)
		return "step_repeated";
	return NULL;
}

/* A touch that was held and whose sequence is paused or has to wait, which is no end. */
bool
waits_with_sequence(const View *view, const Verdict *verdict)
{
	return verdict->gate == 5 && strcmp(view->event, "touch") == 0 &&
		(strcmp(verdict->resolution, "enrolment_paused") == 0 || strcmp(verdict->resolution, "enrolment_queued") == 0);
}

/* The same when a merge gave it to another lead. */
void
judge_carried(const View *view, Verdict *verdict)
{
	judge(view, verdict);
	if (waits_with_sequence(view, verdict))
		refuse(verdict, 3, "held", "held", "touch_cap_exceeded", verdict->resolution, view->now + DAY);
}

void
judge(const View *view, Verdict *verdict)
{
	const Lead *lead = view->lead;
	bool		touch = strcmp(view->event, "touch") == 0;
	const char *what;

	memset(verdict, 0, sizeof(*verdict));
	verdict->action = "executed";
	verdict->event = view->event;
	verdict->release_at = NEVER;
	verdict->count = touches_within(lead, view->now);
	verdict->compliance = lead->unsubscribed ? "unsubscribed" : lead->opted_out ? "opted_out" : view->suppressed ? "suppressed" : "clear";

	if (strcmp(verdict->compliance, "clear") != 0)
		refuse(verdict, 1, "blocked", "suppressed", "compliance_block", NULL, NEVER);
	else if (strcmp(view->type, "nurture") == 0 && view->abm)
		refuse(verdict, 2, "blocked", "suppressed", "abm_active_suppression", NULL, NEVER);
	else if (touch && view->family != TRANSACTIONAL && verdict->count >= CAP)
		refuse(verdict, 3, "held", "held", "touch_cap_exceeded", NULL, cap_clears_at(lead, view->now));
	else if (touch && view->family != TRANSACTIONAL && due_before(view) != NULL)
		refuse(verdict, 3, "held", "held", "touch_cap_exceeded", NULL, view->now);
	else if (!conflict(view, verdict) && (what = illegal(view)) != NULL)
		refuse(verdict, 5, "blocked", "rejected", "illegal_transition", what, NEVER);
}
