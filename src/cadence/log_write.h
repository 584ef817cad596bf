/*
 * cadence/log_write.h: rows that kam itself writes to the log, past the gates.
 */
#pragma once

#include "cadence/gates.h"

typedef struct KamSystemRow
{
	const char *lead_id,
			   *sequence,
			   *type;			/* each of the rest NULL when there is none */
	KamFamily	family;
	int			enrolment,		/* 0 for none */
				step;			/* 0 for none */
	KamEvent	event,
				requested;
	const char *agent;
	KamOutcome	action;
	const char *resolution,
			   *reason,
			   *play,
			   *proposal;
	TimestampTz release_at;
	int64		parent;			/* 0 for none */
	TimestampTz at;
} KamSystemRow;

/* Wants an open SPI connection, as the tables' owner.  Returns the new event_id. */
extern int64 kam_log_write(const KamSystemRow *row);

/* A new event_id; the transaction has an id by then. */
extern int64 kam_log_next_id(void);

/* The identity sequence of the log. */
extern Oid	kam_log_sequence(void);

/* Clears "counted" of an executed touch; true when it was counted. */
extern bool kam_log_uncount(const char *lead_id, int64 event_id);

#define KAM_GATE_VERSION 1
