/*
 * core/facts_internal.h: shared by facts*.c only.
 */
#pragma once

#include "core/facts.h"

/* One evaluation: what the finders read and where they write. */
typedef struct KamFinder
{
	const KamEnv *env;
	const KamContact *contact;
	KamFacts   *facts;
	KamSignals *of;				/* per activity, in the contact's order */
	bool	   *automatic;		/* per activity */
} KamFinder;

/* Sets of signal kinds. */
#define KAM_KIND(k) (1u << (k))

_Static_assert(KAM_SIGNAL_KINDS <= 32, "signal kinds must fit the masks");

/* The newest signal of a kind, NULL when there is none. */
extern const KamSignal *kam_newest(const KamFinder *f, KamSignalKind kind);
/* The newest signal of some kinds whose date lies in (from, to); of one message the earliest date. */
extern const KamSignal *kam_newest_dated(const KamFinder *f, unsigned kinds, KamTime from, KamTime to);
/* Is there a human message of theirs after a signal that carries one of these kinds? */
extern bool kam_said_later(const KamFinder *f, const KamSignal *since, unsigned kinds);
/* The newest signals of some kinds, one per name when "by_name". */
extern KamSignalList kam_signals_of(const KamFinder *f, unsigned kinds, bool by_name);
/* When a meeting activity takes or took place. */
extern KamTime kam_meeting_time(const KamActivity *activity);

/* Append to a fact's evidence, in order, up to a limit; nothing for NULL. */
extern void kam_prove_by_signal(KamFinder *f, KamFactId fact, const KamSignal *signal);
extern void kam_prove_by_activity(KamFinder *f, KamFactId fact, const KamActivity *activity, const char *field);
extern void kam_prove_by_path(KamFinder *f, KamFactId fact, const char *path);

/* facts_agreed.c: meetings, endings, waits, touchpoints, dates set. */
extern void kam_find_meetings(KamFinder *f);
extern void kam_find_endings(KamFinder *f);
extern void kam_find_agreements(KamFinder *f);
/* facts_business.c: colleagues, people, deals, pilots, prices, competitors. */
extern void kam_find_business(KamFinder *f);

/* The value at a path as evidence, its text shortened; NULL when nothing stands there. */
extern KamEvidence *kam_evidence_at(const KamEnv *env, const KamContact *contact, const char *path);

/* Sorts texts by their bytes: what was found in array order must not show it. */
extern void kam_sort_texts(const char **texts, int count);
