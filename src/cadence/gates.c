/*
 * cadence/gates.c: the five gates in their order (spec AGT-302, "Coordination
 * gate - execution order").  Pure: no database, no clock.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "cadence/gates.h"
#include "cadence/mutant.h"
#include "pg/clock.h"

/* Gate 1: nobody who does not want to be contacted is. */
static bool
compliance_refuses(const KamView *view, KamVerdict *verdict)
{
	if (verdict->compliance == KAM_CLEAR)
		return false;
	verdict->action = KAM_BLOCKED;
	verdict->reason = KAM_COMPLIANCE_BLOCK;
	return true;
}

/* Gate 2: the backstop of account-based marketing, for nurture alone. */
static bool
abm_refuses(const KamView *view, KamVerdict *verdict)
{
	if (strcmp(view->type, "nurture") != 0 || !view->abm_active)
		return false;
	verdict->action = KAM_BLOCKED;
	verdict->reason = KAM_ABM_SUPPRESSION;
	return true;
}

/* Gate 3: no more touches than the cap in any window, and none before those that wait. */
static bool
cap_refuses(const KamView *view, KamVerdict *verdict)
{
	bool		full = view->cap >= 0 && view->count >= view->cap + KAM_MUTATE(1, 0, 1) - KAM_MUTATE(2, 0, 1);

	if (view->event != KAM_TOUCH || view->family == KAM_TRANSACTIONAL || (!full && !KAM_MUTATE(8, view->due_hold, false)))
		return false;
	verdict->action = KAM_ACTION_HELD;
	verdict->reason = KAM_CAP_EXCEEDED;
	verdict->release_at = full ? view->clears_at : view->at;
	return true;
}

const KamGate kam_gates[KAM_GATES] = {
	{"compliance", compliance_refuses},
	{"abm", abm_refuses},
	{"touch_cap", cap_refuses},
	{"conflict", kam_conflict_refuses},
	{"transition", kam_transition_refuses},
};

KamCompliance
kam_compliance_of(const KamView *view)
{
	if (view->prospect->unsubscribed)
		return KAM_UNSUBSCRIBED;
	if (view->prospect->opted_out)
		return KAM_OPTED_OUT;
	return view->address_suppressed ? KAM_ADDRESS_SUPPRESSED : KAM_CLEAR;
}

static void
start_verdict(const KamView *view, KamVerdict *verdict)
{
	*verdict = (KamVerdict) {
		.action = KAM_EXECUTED,
		.compliance = kam_compliance_of(view),
		.release_at = KAM_NO_STAMP,
		.displaced = KAM_NO_FAMILY,
		.displaced_until = KAM_NO_STAMP,
	};
}

void
kam_gates_judge(const KamView *view, KamVerdict *verdict)
{
	start_verdict(view, verdict);
	for (int i = 0; i < KAM_GATES; i++)
	{
		if (kam_gates[i].refuses(view, verdict))
		{
			verdict->gate = i + 1;
			/* Who was not let through displaces nobody. */
			verdict->displaced = KAM_NO_FAMILY;
			return;
		}
	}
}

bool
kam_gate_refuses(int n, const KamView *view, KamVerdict *verdict)
{
	start_verdict(view, verdict);
	return kam_gates[n - 1].refuses(view, verdict);
}

int
kam_touches_within(const KamProspect *prospect, TimestampTz at, int64 window, bool *full)
{
	int			count = 0;

	/* Half-open: a touch exactly one window ago no longer counts. */
	for (int i = prospect->ntouches - 1; i >= 0 && prospect->touches[i] > at - window - KAM_MUTATE(3, 0, 1); i--)
		count++;
	*full = count == KAM_RING;
	return count;
}
