/*
 * core/contact.h: a contact as read from JSON (contract section 2, "Input").
 *
 * Strings point into the json_t, which must outlive the KamContact.
 * Activities are sorted by time and then by content, never by their place in
 * the array: a decision must not depend on the order they came in.
 */
#pragma once

#include "core/civil.h"
#include "core/json.h"
#include "core/text.h"

typedef enum KamActivityType
{
	KAM_EMAIL, KAM_CALL, KAM_MEETING, KAM_NOTE, KAM_LINKEDIN_MESSAGE, KAM_WHATSAPP_MESSAGE,
	KAM_LINKEDIN_LIKE, KAM_LINKEDIN_VIEW, KAM_LINKEDIN_COMMENT, KAM_LINKEDIN_SHARE,
	KAM_OTHER_ACTIVITY
} KamActivityType;

typedef enum KamDirection
{
	KAM_NO_DIRECTION, KAM_INBOUND, KAM_OUTBOUND
} KamDirection;

typedef enum KamMeetingStatus
{
	KAM_MEETING_UNKNOWN, KAM_MEETING_SCHEDULED, KAM_MEETING_HELD, KAM_MEETING_CANCELLED, KAM_MEETING_NO_SHOW
} KamMeetingStatus;

typedef enum KamChannel
{
	KAM_NO_CHANNEL, KAM_LINKEDIN, KAM_EMAIL_CHANNEL, KAM_PHONE, KAM_WHATSAPP
} KamChannel;

#define KAM_CHANNELS 5			/* array size indexed by KamChannel */

typedef struct KamActivity
{
	int			index;			/* its place in /activities, for evidence paths */
	KamActivityType type;
	const char *type_name;
	KamDirection direction;
	KamTime		at;				/* recorded_on */
	KamTime		start,			/* metadata.start_time, end_time; KAM_NO_TIME when absent */
				end;
	KamMeetingStatus status;
	const char *subject,		/* NULL when absent */
			   *body,
			   *owner;
} KamActivity;

typedef enum KamDealStatus
{
	KAM_DEAL_OPEN, KAM_DEAL_WON, KAM_DEAL_LOST
} KamDealStatus;

typedef struct KamDeal
{
	int			index;
	const char *deal_id,
			   *name,
			   *stage,
			   *amount,			/* as text, any size */
			   *currency;
	KamDealStatus status;
	KamTime		created,
				closed;
} KamDeal;

/* What its texts try to steer, once it was looked for (steering.h). */
typedef struct KamSteered
{
	bool		sought;
	struct KamSteering *found;
	int			count;
} KamSteered;

typedef struct KamContact
{
	KamArena   *arena;			/* it lives there */
	const json_t *json;			/* borrowed: the whole input */
	const char *first_name,		/* each NULL when absent; first_name falls back on full_name's first word */
			   *last_name,
			   *full_name,
			   *job_title,
			   *company,
			   *email,
			   *phone,
			   *linkedin,		/* linkedin_url or linkedin_urn */
			   *owner,			/* our rep */
			   *hubspot_id,		/* as text */
			   *language;		/* contact_info.language, "fr" or "en" or NULL */
	KamTokens	names;			/* the words of first_name and last_name */
	bool		whatsapp;
	KamZone		zone;			/* contact_info.timezone, else the default */
	KamActivity *activities;	/* oldest first */
	int			nactivities;
	KamDeal    *deals;			/* by created, then deal_id */
	int			ndeals;
	KamSteered *steered;		/* a note for all who are handed the contact */
	const char **warnings;		/* data_quality_warnings found while reading */
	int			nwarnings;
} KamContact;

/*
 * Reads and validates.  False with *error filled: 22023 with the path for a
 * missing part or a wrong type, 22007 for a time that does not parse.
 */
extern bool kam_contact_parse(const KamEnv *env, const json_t *json, KamContact *out, KamError *error);

extern bool kam_is_engagement(KamActivityType type);
extern const char *kam_channel_name(KamChannel channel);	/* "EMAIL"; NULL for none */
extern KamChannel kam_channel_from_name(const char *name);	/* any case */
/* The channel an activity went over; KAM_NO_CHANNEL for meetings and notes. */
extern KamChannel kam_activity_channel(const KamActivity *activity);
