/*
 * cadence/vocabulary.c: tables of the contract's words.
 */
#include "postgres.h"

#include "cadence/vocabulary.h"

static const struct
{
	const char *name;
	KamEventKind kind;
}			event[] = {
	[KAM_ACTIVATION] = {"activation", KAM_REQUEST},
	[KAM_TOUCH] = {"touch", KAM_REQUEST},
	[KAM_RESUME] = {"resume", KAM_REQUEST},
	[KAM_TOUCH_OBSERVED] = {"touch_observed", KAM_FACT},
	[KAM_REPLY] = {"reply", KAM_FACT},
	[KAM_MEETING_BOOKED] = {"meeting_booked", KAM_FACT},
	[KAM_BOUNCE] = {"bounce", KAM_FACT},
	[KAM_OUT_OF_OFFICE] = {"out_of_office", KAM_FACT},
	[KAM_OPT_OUT] = {"opt_out", KAM_FACT},
	[KAM_UNSUBSCRIBE] = {"unsubscribe", KAM_FACT},
	[KAM_PAUSE] = {"pause", KAM_FACT},
	[KAM_STOP] = {"stop", KAM_FACT},
	[KAM_COMPLETE] = {"complete", KAM_FACT},
	[KAM_SEND_FAILED] = {"send_failed", KAM_FACT},
	[KAM_SUPPRESSED] = {"suppressed", KAM_SYSTEM},
	[KAM_HELD] = {"held", KAM_SYSTEM},
	[KAM_DEFERRED] = {"deferred", KAM_SYSTEM},
	[KAM_REJECTED] = {"rejected", KAM_SYSTEM},
	[KAM_EXPIRED] = {"expired", KAM_SYSTEM},
	[KAM_CANCELLED] = {"cancelled", KAM_SYSTEM},
};

static const char *const action[] = {"executed", "blocked", "held", "queued", "recorded"};
static const char *const compliance[] = {"clear", "unsubscribed", "opted_out", "suppressed"};
static const char *const family[] = {"sales", "marketing", "transactional"};
static const char *const state[] = {NULL, "queued", "active", "paused", "finished"};
static const char *const tier[] = {NULL, "T1", "T2", "T3"};

/* The place of "name" in "words", or -1. */
static int
find(const char *const *words, int count, const char *name)
{
	for (int i = 0; i < count && name != NULL; i++)
		if (words[i] != NULL && strcmp(words[i], name) == 0)
			return i;
	return -1;
}

KamEvent
kam_event_find(const char *name)
{
	for (int i = 0; i < lengthof(event); i++)
		if (strcmp(event[i].name, name) == 0)
			return (KamEvent) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown event_type \"%s\"", name),
			 errhint("Requests are activation, touch, resume; facts are touch_observed, reply, meeting_booked, bounce, out_of_office, opt_out, unsubscribe, pause, stop, complete, send_failed.")));
}

const char *
kam_event_name(KamEvent which)
{
	return event[which].name;
}

KamEventKind
kam_event_kind(KamEvent which)
{
	return event[which].kind;
}

const char *
kam_outcome_name(KamOutcome which)
{
	return action[which];
}

const char *
kam_compliance_name(KamCompliance which)
{
	return compliance[which];
}

const char *
kam_family_name(KamFamily which)
{
	return which == KAM_NO_FAMILY ? NULL : family[which];
}

KamFamily
kam_family_find(const char *name)
{
	int			found = find(family, lengthof(family), name);

	return found < 0 ? KAM_NO_FAMILY : (KamFamily) found;
}

KamEnrolmentState
kam_enrolment_state_find(const char *name)
{
	int			found = find(state, lengthof(state), name);

	return found < 0 ? KAM_ENROLMENT_NONE : (KamEnrolmentState) found;
}

const char *
kam_enrolment_state_name(KamEnrolmentState which)
{
	return state[which];
}

KamTier
kam_tier_find(const char *name)
{
	int			found = find(tier, lengthof(tier), name);

	return found < 0 ? KAM_TIER_NONE : (KamTier) found;
}
