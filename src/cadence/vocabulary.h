/*
 * cadence/vocabulary.h: the words of the contract (section 7) as numbers.
 */
#pragma once

#include "postgres.h"

typedef enum KamEvent
{
	KAM_ACTIVATION, KAM_TOUCH, KAM_RESUME,
	KAM_TOUCH_OBSERVED, KAM_REPLY, KAM_MEETING_BOOKED, KAM_BOUNCE, KAM_OUT_OF_OFFICE, KAM_OPT_OUT, KAM_UNSUBSCRIBE,
	KAM_PAUSE, KAM_STOP, KAM_COMPLETE, KAM_SEND_FAILED,
	KAM_SUPPRESSED, KAM_HELD, KAM_DEFERRED, KAM_REJECTED, KAM_EXPIRED, KAM_CANCELLED
} KamEvent;

typedef enum KamEventKind
{
	KAM_REQUEST,				/* asks, is judged */
	KAM_FACT,					/* has happened, is recorded */
	KAM_SYSTEM					/* written by the Coordinator only */
} KamEventKind;

typedef enum KamFamily
{
	KAM_SALES, KAM_MARKETING, KAM_TRANSACTIONAL, KAM_NO_FAMILY
} KamFamily;

#define KAM_COMPETING 2			/* families that compete: sales and marketing */

typedef enum KamOutcome
{
	KAM_EXECUTED, KAM_BLOCKED, KAM_ACTION_HELD, KAM_QUEUED, KAM_RECORDED
} KamOutcome;

typedef enum KamCompliance
{
	KAM_CLEAR, KAM_UNSUBSCRIBED, KAM_OPTED_OUT, KAM_ADDRESS_SUPPRESSED
} KamCompliance;

typedef enum KamEnrolmentState
{
	KAM_ENROLMENT_NONE, KAM_ENROLMENT_QUEUED, KAM_ENROLMENT_ACTIVE, KAM_ENROLMENT_PAUSED, KAM_ENROLMENT_FINISHED
} KamEnrolmentState;

typedef enum KamTier
{
	KAM_TIER_NONE, KAM_T1, KAM_T2, KAM_T3
} KamTier;

/* Suppressed reasons, as the spec spells them. */
#define KAM_COMPLIANCE_BLOCK "compliance_block"
#define KAM_ABM_SUPPRESSION "abm_active_suppression"
#define KAM_CAP_EXCEEDED "touch_cap_exceeded"
#define KAM_CONFLICT_QUEUED "conflict_resolved_queued"
#define KAM_ROUTING_ERROR "routing_error"
#define KAM_ILLEGAL "illegal_transition"

/* Raises 22023 for what is no event type. */
extern KamEvent kam_event_find(const char *name);
extern const char *kam_event_name(KamEvent event);
extern KamEventKind kam_event_kind(KamEvent event);

extern const char *kam_outcome_name(KamOutcome action);
extern const char *kam_compliance_name(KamCompliance compliance);
extern const char *kam_family_name(KamFamily family);
extern KamFamily kam_family_find(const char *name);	/* KAM_NO_FAMILY for NULL and what is none */
extern KamEnrolmentState kam_enrolment_state_find(const char *name);
extern const char *kam_enrolment_state_name(KamEnrolmentState state);
extern KamTier kam_tier_find(const char *name);	/* KAM_TIER_NONE for NULL */
