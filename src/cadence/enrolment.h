/*
 * cadence/enrolment.h: writing rows of Cadence.
 *
 * Want an open SPI connection, as the tables' owner, and the lead's lock.
 */
#pragma once

#include "cadence/gates.h"
#include "utils/jsonb.h"

typedef struct KamEnrolmentRow
{
	const char *lead_id,
			   *sequence,
			   *type;
	int			no;
	KamFamily	family;
	const char *agent;			/* NULL when unknown */
	KamEnrolmentState state;
	Jsonb	   *payload;		/* its "steps" are the plan; NULL for none */
	const char *play,
			   *proposal;		/* each NULL for none */
	TimestampTz until;			/* KAM_NO_STAMP for no end */
	TimestampTz at;
} KamEnrolmentRow;

extern void kam_enrolment_insert(const KamEnrolmentRow *row);
/* Activates what was queued or paused. */
extern void kam_enrolment_activate(const char *lead_id, const char *sequence, int no, TimestampTz at);
/* Pauses the one enrolment that lost a conflict. */
extern void kam_enrolment_pause(const char *lead_id, const char *sequence, int no, const char *reason, TimestampTz at);

/* Ends, or pauses, the sequence or (NULL) all that are not finished. */
extern void kam_enrolments_end(const char *lead_id, const char *sequence, const char *reason, TimestampTz at, bool transactional_too);
extern void kam_enrolments_pause(const char *lead_id, const char *sequence, const char *reason, TimestampTz at);

/* A fact that signal_rule has a row for: the signal to the family that the rules name; before the fact ends what it answers. */
extern void kam_enrolments_signal(const char *lead_id, KamEvent event, const char *channel, const char *sequence, KamFamily family, TimestampTz at);

/* Whether this process is writing Cadence for the gate: see _cadence_changed(). */
extern bool kam_enrolment_writing(void);
