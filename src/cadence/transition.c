/*
 * cadence/transition.c: gate 5, whether the enrolment's state, its type and its
 * steps allow what is asked.  Pure.
 */
#include "postgres.h"

#include "cadence/gates.h"
#include "cadence/mutant.h"
#include "pg/clock.h"

/* What is illegal about a request in a state of its enrolment; NULL: legal. */
static const char *const illegal[KAM_RESUME + 1][KAM_ENROLMENT_FINISHED + 1] = {
	[KAM_ACTIVATION] = {
		[KAM_ENROLMENT_NONE] = NULL,
		[KAM_ENROLMENT_QUEUED] = NULL,
		[KAM_ENROLMENT_ACTIVE] = "already_active",
		[KAM_ENROLMENT_PAUSED] = "enrolment_paused",
		[KAM_ENROLMENT_FINISHED] = NULL,	/* a new enrolment */
	},
	[KAM_TOUCH] = {
		[KAM_ENROLMENT_NONE] = "not_enrolled",
		[KAM_ENROLMENT_QUEUED] = "enrolment_queued",
		[KAM_ENROLMENT_ACTIVE] = NULL,
		[KAM_ENROLMENT_PAUSED] = "enrolment_paused",
		[KAM_ENROLMENT_FINISHED] = "enrolment_finished",
	},
	[KAM_RESUME] = {
		[KAM_ENROLMENT_NONE] = "not_enrolled",
		[KAM_ENROLMENT_QUEUED] = "enrolment_queued",
		[KAM_ENROLMENT_ACTIVE] = "already_active",
		[KAM_ENROLMENT_PAUSED] = NULL,
		[KAM_ENROLMENT_FINISHED] = "enrolment_finished",
	},
};

static const char *
what_is_illegal(const KamView *view)
{
	const KamEnrolment *enrolment = &view->enrolment;
	const char *found;

	/* A transactional touch needs no enrolment. */
	if (view->event == KAM_TOUCH && view->family == KAM_TRANSACTIONAL)
		return view->step_done ? "step_repeated" : NULL;
	found = illegal[view->event][enrolment->state];
	if (found != NULL)
		return found;
	if (enrolment->state == KAM_ENROLMENT_ACTIVE || enrolment->state == KAM_ENROLMENT_PAUSED ||
		enrolment->state == KAM_ENROLMENT_QUEUED)
	{
		/* Else a nurture sequence could touch as something that no gate looks at. */
		if (strcmp(enrolment->type, view->type) != 0)
			return "type_mismatch";
	}
	if (view->until != KAM_NO_STAMP && view->at >= view->until)
		return "sequence_ended";
	if (view->play_ended)
		return "play_ended";
	if (view->event == KAM_TOUCH && KAM_MUTATE(9, view->step_done, false))
		return "step_repeated";
	if (view->event == KAM_ACTIVATION)
		return view->play_illegal ? view->play_illegal : view->type_illegal;
	return NULL;
}

bool
kam_transition_refuses(const KamView *view, KamVerdict *verdict)
{
	const char *found = what_is_illegal(view);

	if (found == NULL)
		return false;
	verdict->action = KAM_BLOCKED;
	verdict->reason = KAM_ILLEGAL;
	verdict->resolution = found;
	return true;
}
