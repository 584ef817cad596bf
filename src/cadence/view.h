/*
 * cadence/view.h: putting together what the gates see.
 */
#pragma once

#include "cadence/gates.h"
#include "cadence/reads.h"

typedef struct KamAsk
{
	KamEvent	event;			/* a request */
	const char *type;
	KamFamily	family;
	const char *sequence;		/* NULL: whatever runs, or a new one */
	int			step;			/* -1 for none */
	int			priority;
	int64		place;			/* its place among the holds: the held event's id, PG_INT64_MAX for who comes now */
} KamAsk;

/*
 * Wants an open SPI connection, as the tables' owner.  "latest" as in reads.h.
 * *earliest: what a touch's touch_earliest would be.
 */
extern void kam_view_load(const KamProspect *prospect, const KamSurroundings *surroundings, const KamAsk *ask,
						  TimestampTz at, bool latest, KamView *view, TimestampTz *earliest);
