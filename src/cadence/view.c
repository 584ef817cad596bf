/*
 * cadence/view.c: from a lead and a request to what the gates see.  Reads only
 * what the request needs.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "cadence/view.h"
#include "kam.h"
#include "pg/clock.h"

/* The cap, and how much of it is used. */
static void
load_touches(const KamProspect *prospect, bool latest, KamView *view, TimestampTz *earliest)
{
	bool		full;
	TimestampTz nth = KAM_NO_STAMP;

	/* While outreach is off none may go; as soon as it is on, whoever waits is due. */
	view->cap = kam_outreach ? kam_touch_cap : 0;
	view->window = (int64) kam_touch_window * USECS_PER_SEC;
	view->count = kam_touches_within(prospect, view->at, view->window, &full);
	if (view->cap > 0 && view->cap <= prospect->ntouches)
		nth = prospect->touches[prospect->ntouches - view->cap];
	if (full || view->cap > KAM_RING)
	{
		TimestampTz found;

		view->count = kam_read_touches(prospect->lead_id, view->at - view->window, Max(view->cap, 1), latest, &found);
		if (view->cap > KAM_RING)
			nth = found;
	}

	*earliest = nth == KAM_NO_STAMP ? KAM_NO_STAMP : nth + view->window;
	view->clears_at = KAM_NO_STAMP;
	if (!kam_outreach)
		view->clears_at = view->at;
	else if (view->cap == 0)
		view->clears_at = view->at + view->window;
	else if (view->cap > 0 && view->count >= view->cap)
		view->clears_at = *earliest;
}

/* Which sequence is meant when the request names none. */
static const char *
find_sequence(const KamProspect *prospect, const KamAsk *ask, bool latest)
{
	if (ask->sequence != NULL)
		return ask->sequence;
	if (ask->event == KAM_RESUME)
		return kam_read_paused(prospect->lead_id, ask->type, latest);
	if (ask->event == KAM_TOUCH && ask->family < KAM_COMPETING)
	{
		const KamActive *active = &prospect->active[ask->family];

		if (active->sequence != NULL && strcmp(active->type, ask->type) == 0)
			return active->sequence;
	}
	return NULL;
}

static void
load_enrolment(const KamProspect *prospect, const KamAsk *ask, bool latest, KamView *view)
{
	const KamActive *active = ask->family < KAM_COMPETING ? &prospect->active[ask->family] : NULL;

	view->enrolment = (KamEnrolment) {.state = KAM_ENROLMENT_NONE, .step = -1, .until = KAM_NO_STAMP};
	view->type_illegal = NULL;
	if (ask->event == KAM_TOUCH && view->sequence == NULL)
		return;
	if (ask->event == KAM_TOUCH && active != NULL && active->sequence != NULL && strcmp(active->sequence, view->sequence) == 0)
		view->enrolment = (KamEnrolment) {
			.state = KAM_ENROLMENT_ACTIVE, .no = active->enrolment, .type = active->type, .step = active->step,
			.until = active->until, .play = active->play, .proposal = active->proposal,
		};
	else
		kam_read_enrolment(prospect->lead_id, view->sequence ? view->sequence : "", ask->type, latest,
						   &view->enrolment, &view->type_illegal);

	/* Steps go up: one that is higher than all so far needs no look into the log. */
	view->step_done = ask->event == KAM_TOUCH && ask->step >= 0 &&
		(ask->family == KAM_TRANSACTIONAL || ask->step <= view->enrolment.step) &&
		kam_read_step_done(prospect->lead_id, view->sequence, view->enrolment.no, ask->step, latest);
}

void
kam_view_load(const KamProspect *prospect, const KamSurroundings *surroundings, const KamAsk *ask,
			  TimestampTz at, bool latest, KamView *view, TimestampTz *earliest)
{
	memset(view, 0, sizeof(*view));
	view->prospect = prospect;
	view->at = at;
	view->event = ask->event;
	view->type = ask->type;
	view->family = ask->family;
	view->sequence = find_sequence(prospect, ask, latest);
	view->step = ask->step;
	load_touches(prospect, latest, view, earliest);
	view->address_suppressed = surroundings->address_suppressed;
	view->abm_active = surroundings->abm_active;
	view->tier = prospect->tier != KAM_TIER_NONE ? prospect->tier : surroundings->account_tier;
	load_enrolment(prospect, ask, latest, view);
	view->until = view->enrolment.state == KAM_ENROLMENT_FINISHED ? KAM_NO_STAMP : view->enrolment.until;
	view->due_hold = ask->event == KAM_TOUCH && ask->family < KAM_COMPETING && prospect->holding &&
		view->cap >= 0 && view->count < view->cap &&
		kam_read_due_hold(prospect->lead_id, at, ask->priority, ask->place, latest);
}
