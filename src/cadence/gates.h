/*
 * cadence/gates.h: what the gates see, and what they say.
 *
 * Pure: a view goes in, a verdict comes out.  The view is made by prospect.c
 * and reads.c, under the lead's lock when something is to be done about it and
 * without for kam_gate.
 */
#pragma once

#include "postgres.h"

#include "cadence/vocabulary.h"
#include "datatype/timestamp.h"

#define KAM_GATES 5
#define KAM_CAP_GATE 3
#define KAM_RING 8				/* newest counted touches kept in prospect_state */
#define KAM_QUEUE_HOURS 48		/* how long a loser of the matrix waits at T2 and without a tier */

/* An active sequence of one family; sequence is NULL when there is none. */
typedef struct KamActive
{
	const char *sequence,
			   *type;
	int			enrolment;
	int			step;			/* the highest executed, -1 for none */
	const char *play,
			   *proposal;
	TimestampTz until;			/* KAM_NO_STAMP for no end */
} KamActive;

/* A lead: its row in Leads, and prospect_state. */
typedef struct KamProspect
{
	const char *lead_id;		/* the canonical one */
	const char *account_id,
			   *email,
			   *phone,
			   *linkedin_url;	/* each NULL when unknown */
	KamTier		tier;			/* its own */
	bool		unsubscribed,
				opted_out;		/* Leads' flags or facts of this statement */
	TimestampTz sales_signal,
				marketing_signal;	/* KAM_NO_STAMP when none */
	TimestampTz last_at;		/* KAM_NO_STAMP before the first decision */
	int64		touch_no;
	int			ntouches;
	TimestampTz touches[KAM_RING];	/* ascending */
	KamActive	active[KAM_COMPETING];
	bool		holding;		/* touches may be waiting */
} KamProspect;

/* The latest enrolment in the sequence that is asked for. */
typedef struct KamEnrolment
{
	KamEnrolmentState state;
	int			no;				/* 0 for none */
	const char *type;
	int			step;			/* -1 for none */
	TimestampTz until;
	const char *play,
			   *proposal;
} KamEnrolment;

typedef struct KamView
{
	const KamProspect *prospect;
	TimestampTz at;				/* the moment of the decision */

	/* what is asked */
	KamEvent	event;
	const char *type;
	KamFamily	family;
	const char *sequence;		/* NULL: an activation of a new one, or none found */
	int			step;			/* -1 for none */

	/* what is known */
	int			cap;			/* -1 for none */
	int64		window;			/* microseconds */
	int			count;			/* counted touches within the window */
	TimestampTz clears_at;		/* when the cap lets the next touch through; KAM_NO_STAMP below the cap */
	bool		address_suppressed;
	bool		abm_active;
	KamTier		tier;			/* the lead's, else the account's */
	bool		due_hold;		/* an earlier touch of this or a higher priority is due */
	KamEnrolment enrolment;
	TimestampTz until;			/* end of the enrolment, or of the play that a new one is for; KAM_NO_STAMP for none */
	bool		step_done;
	const char *type_illegal;	/* why the type may not be activated now; NULL when it may */
	bool		play_ended;		/* somebody has ended the play of a touch or resume before the enrolment's end */
	const char *play_illegal;	/* why nobody may be enrolled in its play now; NULL when one may, or it is of none */
} KamView;

typedef enum KamRefusalFlag
{
	KAM_NO_FLAG, KAM_FLAG_ROUTING, KAM_FLAG_DATA_QUALITY
} KamRefusalFlag;

typedef struct KamVerdict
{
	int			gate;			/* the first that refuses, 1 to 5; 0 when allowed */
	KamOutcome	action;
	const char *reason;			/* suppressed_reason, or NULL */
	const char *resolution;		/* or NULL */
	KamCompliance compliance;
	TimestampTz release_at;		/* KAM_NO_STAMP: none, or not known yet */
	KamFamily	displaced;		/* family whose active sequence loses, KAM_NO_FAMILY for none */
	TimestampTz displaced_until;	/* when that one asks again; KAM_NO_STAMP: when this one has ended */
	KamRefusalFlag flag;
} KamVerdict;

/* One gate: true when it refuses.  Fills in what it decides. */
typedef bool (*KamGateFunction) (const KamView *view, KamVerdict *verdict);

typedef struct KamGate
{
	const char *name;
	KamGateFunction refuses;
} KamGate;

extern const KamGate kam_gates[KAM_GATES];

/* The interpreter: the gates in order, until one refuses. */
extern void kam_gates_judge(const KamView *view, KamVerdict *verdict);
/* What gate number n (from 1) would say by itself. */
extern bool kam_gate_refuses(int n, const KamView *view, KamVerdict *verdict);

extern KamCompliance kam_compliance_of(const KamView *view);

/* Counted touches after at - window among the ring; *full: there may be more than the ring holds. */
extern int	kam_touches_within(const KamProspect *prospect, TimestampTz at, int64 window, bool *full);

/* matrix.c: gate 4 */
extern bool kam_conflict_refuses(const KamView *view, KamVerdict *verdict);
/* transition.c: gate 5 */
extern bool kam_transition_refuses(const KamView *view, KamVerdict *verdict);
