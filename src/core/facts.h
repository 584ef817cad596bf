/*
 * core/facts.h: what is known of a contact, with its evidence
 * (contract section 4).
 */
#pragma once

#include "core/contact.h"
#include "core/signals.h"

/* One row per fact, in the order of the contract: facts.c's table packs them. */
typedef enum KamFactId
{
	KAM_FACT_AVAILABLE_CHANNELS,
	KAM_FACT_CONVERSATION_STATE,
	KAM_FACT_DAYS_SINCE_LAST_CONTACT,
	KAM_FACT_CYCLE_DAYS,
	KAM_FACT_LAST_INBOUND_AT,
	KAM_FACT_LAST_OUTBOUND_AT,
	KAM_FACT_DISTINCT_FOLLOW_UPS,
	KAM_FACT_ENGAGEMENT,
	KAM_FACT_CHURN,
	KAM_FACT_OPTED_OUT,
	KAM_FACT_LEFT_COMPANY,
	KAM_FACT_UNREACHABLE,
	KAM_FACT_OUT_OF_OFFICE,
	KAM_FACT_EXPLICIT_WAIT,
	KAM_FACT_MEETING,
	KAM_FACT_SCHEDULED_TOUCHPOINT,
	KAM_FACT_OTHER_OWNER_ACTIVE,
	KAM_FACT_DEALS,
	KAM_FACT_PRICING_DISCUSSED,
	KAM_FACT_DEMO,
	KAM_FACT_COMPETITORS,
	KAM_FACT_PILOT,
	KAM_FACT_OBJECTIONS,
	KAM_FACT_STAKEHOLDERS,
	KAM_FACT_TIMING_AGREEMENT,
	KAM_FACT_LANGUAGE,
	KAM_FACT_DATA_QUALITY_WARNINGS,
	KAM_FACT_VALIDATION,
	KAM_FACTS
} KamFactId;

typedef struct KamEvidence
{
	const char *path;			/* RFC 6901 pointer into the contact */
	const char *quote;			/* text that stands there */
	struct KamEvidence *next;
} KamEvidence;

typedef struct KamEngagement
{
	const KamActivity *activity;
	const char *kind;			/* like, view, comment, share */
} KamEngagement;

typedef enum KamConversationState
{
	KAM_CONVERSATION_NONE, KAM_CONVERSATION_ACTIVE, KAM_CONVERSATION_AWAITING,
	KAM_CONVERSATION_STALE, KAM_CONVERSATION_DORMANT
} KamConversationState;

typedef struct KamPerson
{
	const char *name;
	const char *role;			/* NULL when unknown */
	bool		decides,
				champion;
} KamPerson;

/* A list of signals kept as found, newest first. */
typedef struct KamSignalList
{
	const KamSignal **item;
	int			count;
} KamSignalList;

typedef struct KamFacts
{
	bool		channel[KAM_CHANNELS];	/* a working address exists */
	int			nchannels;
	KamConversationState state;
	double		days_since_last_contact;	/* < 0: never */
	double		cycle_days;		/* < 0: no open deal with a date */

	const KamActivity *last_inbound,	/* messages of people, no auto-replies, no engagement */
			   *last_outbound,
			   *last_message;	/* the later of the two */
	const bool *automatic;		/* per activity, in the contact's order: an automatic message */
	int			inbound_count,
				outbound_count;
	int			distinct_follow_ups;
	bool		answered;		/* the last message is theirs */
	KamEngagement *engagement;	/* newest first */
	int			nengagement;

	const KamSignal *churn;		/* NULL: none in force */
	bool		churn_responded;
	const KamSignal *opt_out;
	const KamSignal *left_company;
	const KamSignal *bounce;	/* the contact's own address bounced for good */
	bool		unreachable;
	const KamSignal *out_of_office;
	const KamSignal *wait;		/* explicit_wait; at = until */

	KamTime		meeting_last_held,	/* KAM_NO_TIME: none */
				meeting_next;
	const KamActivity *meeting_held_activity,
			   *meeting_next_activity;	/* NULL when it comes from the text ... */
	const KamSignal *meeting_next_signal;	/* ... then this */
	bool		no_show;		/* an agreed meeting did not take place and none was held since */
	KamTime		no_show_at;
	const char *no_show_responsible;	/* "us", "them", or NULL when the text does not say */
	KamTime		touchpoint;		/* < 30 days ahead, or KAM_NO_TIME */
	const KamSignal *touchpoint_signal;

	const char *other_owner;	/* NULL: none active */
	const KamActivity *other_owner_activity;

	int			deals_open,
				deals_won,
				deals_lost;
	const KamDeal *active_deal; /* the open deal created last, or NULL */

	const KamSignal *pricing;	/* latest */
	const KamSignal *demo;		/* latest held; NULL when only a meeting activity proves it */
	const KamActivity *demo_activity;
	KamTime		demo_at;		/* KAM_NO_TIME: none */
	const KamSignal *demo_positive;
	KamSignalList competitors;	/* one per name */
	const KamSignal *competitor_preferred;
	bool		pilot;			/* a pilot is or was there */
	const char *pilot_status;	/* "planned", "running", "reviewed", "ended"; NULL without a pilot */
	bool		pilot_running;	/* in progress, its review still ahead or not dated */
	const KamDeal *pilot_deal;
	const KamSignal *pilot_signal;
	KamTime		pilot_review;	/* KAM_NO_TIME: not dated */
	KamSignalList objections;	/* one per kind */
	const KamSignal *budget_constraint;
	KamPerson  *people;			/* distinct people in the activities, the contact first; us left out */
	int			npeople;
	const KamSignal *timing;	/* timing_agreement: the latest dated next step */
	const KamSignal *next_step; /* a dated next step still ahead */
	KamSignalList positive;		/* newest first */
	KamSignalList interest;
	KamSignalList questions;

	const char *language;		/* "fr" or "en" */
	const char **warnings;
	int			nwarnings;

	KamEvidence *evidence[KAM_FACTS];
} KamFacts;

extern void kam_facts_find(const KamEnv *env, const KamContact *contact, KamFacts *out);

/* The object of contract section 4: {"fact": {"value": ..., "evidence": [...]}, ...}. */
extern json_t *kam_facts_json(const KamEnv *env, const KamContact *contact, const KamFacts *facts);

/* Evidence for an activity's field, quote shortened to at most 160 bytes at a word. */
extern KamEvidence *kam_evidence_of_signal(const KamEnv *env, const KamSignal *signal);
extern json_t *kam_evidence_json(const KamEvidence *list);
