/*
 * core/decide.h: the master decision tree V15.5, opportunity strength, timing
 * and conditional structures (contract section 5; spec, "Master Decision Tree").
 */
#pragma once

#include "core/facts.h"

typedef enum KamAction
{
	KAM_SEND_MESSAGE, KAM_WAIT, KAM_BREAK_UP, KAM_NO_ACTION
} KamAction;

typedef enum KamVariant
{
	KAM_NO_VARIANT, KAM_FIRST_TOUCH, KAM_FOLLOW_UP, KAM_LIGHTER_TOUCH, KAM_RE_ENGAGEMENT,
	KAM_ENGAGEMENT_SIGNAL, KAM_ACTIVE_DEAL, KAM_CHURN_ACKNOWLEDGEMENT, KAM_BREAK_UP_MESSAGE
} KamVariant;

typedef enum KamWaitType
{
	KAM_NO_WAIT, KAM_WAIT_MEETING_SCHEDULED, KAM_WAIT_EXPLICIT_REQUEST, KAM_WAIT_PILOT_REVIEW,
	KAM_WAIT_PROSPECT_TIMING, KAM_WAIT_LONG_CYCLE, KAM_WAIT_CHURN_ACKNOWLEDGED, KAM_WAIT_COORDINATION_NEEDED
} KamWaitType;

/* What the tree says; the guard holds every decision against it. */
typedef struct KamPlan
{
	const char *rule;			/* name of the row that matched, "churn_unanswered" */
	KamAction	action;
	KamVariant	variant;		/* the wording, KAM_NO_VARIANT for wait and no_action */
	KamWaitType wait_type;
	bool		at_once;		/* send at the first office minute */
	bool		hard;			/* a hard blocker: no model may overrule it */
	KamTime		reevaluate_at;	/* of a wait */
	const char *reason;			/* one sentence, English, dates in the contact's zone, no array indexes */
	const char *trigger_event;	/* of a wait */
	const char *reevaluation_trigger;
	const KamEvidence *evidence;
} KamPlan;

extern void kam_plan(const KamEnv *env, const KamContact *contact, const KamFacts *facts, KamPlan *out);

/*
 * What the governing side knows and the contact's own history need not show:
 * nobody may write to this person.
 */
typedef struct KamForbidden
{
	const char *status;			/* unsubscribed, opted_out, suppressed */
	const char *source;			/* who said so, as in Suppression; NULL when unknown */
	const char *about;			/* email, domain, phone, linkedin; "lead" for a flag on the lead alone */
	KamTime		since;			/* KAM_NO_TIME when unknown */
} KamForbidden;

/* The same, with that before all rules of the tree; NULL when nothing is known. */
extern void kam_plan_forbidden(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const KamForbidden *forbidden,
							   KamPlan *out);
/* {status, source, about, since} */
extern json_t *kam_forbidden_json(const KamEnv *env, const KamContact *contact, const KamForbidden *forbidden);
/*
 * Reads it back from the final_decision's "compliance", also of a
 * {"final_decision": ...}; false when it states none.  Strings are borrowed.
 */
extern bool kam_forbidden_read(const KamContact *contact, const json_t *decision, KamForbidden *out);

extern const char *kam_action_name(KamAction action);
extern const char *kam_variant_name(KamVariant variant);
extern const char *kam_wait_type_name(KamWaitType type);
extern const char *kam_wait_risk(KamWaitType type);		/* low, medium, high */

/* ---- relationship and opportunity strength --------------------------- */

typedef enum KamStage
{
	KAM_COLD, KAM_AWARE, KAM_ENGAGED, KAM_QUALIFIED
} KamStage;

extern KamStage kam_relationship_stage(const KamEnv *env, const KamContact *contact, const KamFacts *facts);
extern const char *kam_stage_name(KamStage stage);

typedef struct KamFactor
{
	const char *name;			/* recent_meeting, pricing_discussed, floor_..., clamp */
	int			impact;			/* hundredths */
	const char *evidence;		/* human sentence or quote, no array indexes */
	const KamEvidence *proof;	/* NULL for floors and clamps */
} KamFactor;

/* Hundredths throughout, so that base + sum of impacts = total exactly. */
typedef struct KamScore
{
	KamStage	stage;
	int			base,
				total;
	KamFactor	factor[24];
	int			nfactors;
} KamScore;

extern void kam_score(const KamEnv *env, const KamContact *contact, const KamFacts *facts, KamScore *out);
/* The floor in hundredths that applies, with its factor's name; 0 and NULL when none. */
extern int	kam_score_floor(const KamEnv *env, const KamFacts *facts, const char **name);

/* ---- timing ----------------------------------------------------------- */

typedef enum KamUrgency
{
	KAM_URGENCY_NONE, KAM_URGENCY_LOW, KAM_URGENCY_MEDIUM, KAM_URGENCY_HIGH
} KamUrgency;

extern KamUrgency kam_urgency(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const KamPlan *plan);
extern const char *kam_urgency_name(KamUrgency urgency);

typedef struct KamWindow
{
	bool		day[7];			/* 0 = Monday; only Monday to Friday are ever set */
	int			start,			/* minutes after local midnight, within 09:00-18:00 */
				end;
	bool		learnt;			/* from the contact's own answers, not the default */
	int			answers;		/* inbound messages it was learnt from */
} KamWindow;

extern void kam_send_window(const KamEnv *env, const KamContact *contact, const KamFacts *facts, KamWindow *out);
/* When to act: inside Mon-Fri 09:00-18:00 of the contact's zone, never before as_of. */
extern KamTime kam_execute_at(const KamEnv *env, const KamContact *contact, const KamFacts *facts,
							  const KamPlan *plan, KamUrgency urgency, const KamWindow *window);
/* Moves an instant forward into Mon-Fri 09:00-18:00 of the zone. */
extern KamTime kam_office_time(const KamZone *zone, KamTime at);

/* ---- channels ---------------------------------------------------------- */

typedef struct KamChannelRank
{
	KamChannel	channel;
	double		score;			/* 0-1 */
	int			answers,		/* inbound messages over it */
				attempts;		/* outbound messages over it */
	const char *reason;			/* one sentence */
} KamChannelRank;

/* Working channels, best first; returns how many. */
extern int	kam_rank_channels(const KamEnv *env, const KamContact *contact, const KamFacts *facts,
							  const KamPlan *plan, KamChannelRank out[KAM_CHANNELS]);

/* ---- conditional structures -------------------------------------------- */

/* One row per structure: pilot_health, stakeholder_map, ... */
typedef struct KamConditional
{
	const char *key;
	bool		(*triggered) (const KamEnv *env, const KamContact *contact, const KamFacts *facts);
	json_t	   *(*build) (const KamEnv *env, const KamContact *contact, const KamFacts *facts);
} KamConditional;

extern const KamConditional kam_conditionals[];
extern const int kam_conditional_count;
/* The whole conditional_context object: triggered ones built, the rest null. */
extern json_t *kam_conditional_context(const KamEnv *env, const KamContact *contact, const KamFacts *facts);

/* Sale cycle over 30 days on an open deal: a sequence plan is mandatory for send_message and wait. */
extern bool kam_sequence_required(const KamFacts *facts, KamAction action);
