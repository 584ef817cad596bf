/*
 * cadence/reads.h: what a decision needs beside the lead itself.
 *
 * Want an open SPI connection, as the tables' owner.  "latest": under the
 * latest snapshot (the lead is locked), else under the caller's.
 */
#pragma once

#include "cadence/gates.h"
#include "utils/relcache.h"

typedef struct KamSurroundings
{
	KamTier		account_tier;
	bool		abm_active;
	bool		address_suppressed;
	bool		key_used;		/* the lead has an event with this idempotency key */
} KamSurroundings;

/* key may be NULL.  log: the table being inserted into, under the latest snapshot; NULL for others who ask. */
extern void kam_read_surroundings(const KamProspect *prospect, const char *key, bool latest, Relation log, KamSurroundings *out);

/* Whether the lead was erased; for leads that are opted out, of a database in which somebody was. */
extern bool kam_read_erased(const char *lead_id, bool latest);

/* The latest enrolment in this sequence, and whether type_transition forbids the type now (else *illegal is NULL). */
extern void kam_read_enrolment(const char *lead_id, const char *sequence, const char *type, bool latest,
							   KamEnrolment *out, const char **illegal);
/* The sequence of this type that is paused, the latest first; NULL for none. */
extern const char *kam_read_paused(const char *lead_id, const char *type, bool latest);

extern bool kam_read_step_done(const char *lead_id, const char *sequence, int enrolment, int step, bool latest);

/* Whether a held touch is due that goes first: of a higher priority, or of the same and before event_id. */
extern bool kam_read_due_hold(const char *lead_id, TimestampTz at, int priority, int64 event_id, bool latest);

/*
 * Counted touches after "since", of merged leads too, and the moment of the
 * n-th latest of all counted ones (KAM_NO_STAMP when there are fewer).
 */
extern int	kam_read_touches(const char *lead_id, TimestampTz since, int n, bool latest, TimestampTz *nth);

typedef struct KamPlay
{
	const char *proposal;		/* or NULL */
	TimestampTz until;			/* KAM_NO_STAMP for no end */
	bool		ended;			/* somebody has ended it, or its time */
	const char *illegal;		/* why nobody may be enrolled in it at that time; NULL when it runs, and when its time is over, which "until" says */
} KamPlay;

/* Raises 23503 when there is no such play. */
extern void kam_read_play(const char *play_id, TimestampTz at, KamPlay *out);

/* The family of a sequence type; KAM_NO_FAMILY when there is none.  Cached. */
extern KamFamily kam_read_family(const char *type);

typedef struct KamSendRule
{
	bool		send;			/* to the endpoint named as the channel */
	bool		tell_rep;
} KamSendRule;

extern KamSendRule kam_read_send_rule(const char *type, const char *channel);

/* Whether signal_rule has a row for such a fact.  Cached. */
extern bool kam_read_signals(KamEvent event);
