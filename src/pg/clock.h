/*
 * pg/clock.h: the present, in one place.
 */
#pragma once

#include "postgres.h"

#include "core/base.h"
#include "datatype/timestamp.h"
#include "utils/guc.h"

#define KAM_NO_STAMP DT_NOBEGIN		/* a timestamptz that is not there */

/* The setting kam.clock, or the real time when that is empty. */
extern TimestampTz kam_now(void);
/* The same, but the real time is that of the statement's start: for STABLE functions. */
extern TimestampTz kam_statement_now(void);

/* Another present until the transaction ends: for kam_tick(as_of).  Goes before kam.clock. */
extern void kam_clock_override(TimestampTz at);
extern void kam_clock_override_end(void);

/* Check hook of kam.clock: empty or ISO 8601. */
extern bool kam_clock_check(char **newval, void **extra, GucSource source);
extern void kam_clock_assign(const char *newval, void *extra);

/* PostgreSQL counts microseconds from 2000, core/ from 1970.  Infinities raise 22008. */
extern KamTime kam_time_from_timestamptz(TimestampTz at);
extern TimestampTz kam_timestamptz_from_time(KamTime at);
