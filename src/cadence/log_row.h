/*
 * cadence/log_row.h: a row of CadenceEventLog in hand.
 */
#pragma once

#include "postgres.h"

#include "access/htup.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

typedef enum KamLogColumn
{
	KAM_LOG_LEAD_ID, KAM_LOG_EVENT_ID, KAM_LOG_SEQUENCE_ID, KAM_LOG_SEQUENCE_TYPE, KAM_LOG_EVENT_TYPE, KAM_LOG_REQUESTED, KAM_LOG_STEP,
	KAM_LOG_CHANNEL, KAM_LOG_AGENT, KAM_LOG_ACTION, KAM_LOG_RESOLUTION, KAM_LOG_REASON, KAM_LOG_COUNT, KAM_LOG_COMPLIANCE,
	KAM_LOG_RELEASE_AT, KAM_LOG_PARENT, KAM_LOG_PLAY, KAM_LOG_PROPOSAL, KAM_LOG_KEY, KAM_LOG_PAYLOAD, KAM_LOG_OCCURRED_AT, KAM_LOG_EVENT_AT,
	KAM_LOG_GATE_VERSION, KAM_LOG_FAMILY, KAM_LOG_ENROLMENT, KAM_LOG_COUNTED, KAM_LOG_TOUCH_AT, KAM_LOG_TOUCH_NO, KAM_LOG_EARLIEST,
	KAM_LOG_COLUMNS
} KamLogColumn;

#define KAM_LOG_MOST_COLUMNS 64	/* columns may be added to the table */

typedef struct KamLogRow
{
	Relation	relation;
	const AttrNumber *number;	/* of each KamLogColumn, from 1 */
	int			natts;
	Datum		value[KAM_LOG_MOST_COLUMNS];	/* by attribute */
	bool		null[KAM_LOG_MOST_COLUMNS];
} KamLogRow;

extern void kam_log_row_read(KamLogRow *row, Relation relation, HeapTuple tuple);
extern HeapTuple kam_log_row_form(const KamLogRow *row);

extern bool kam_log_is_null(const KamLogRow *row, KamLogColumn column);
extern const char *kam_log_text(const KamLogRow *row, KamLogColumn column);	/* NULL for NULL */
extern int	kam_log_int(const KamLogRow *row, KamLogColumn column, int otherwise);
extern int64 kam_log_bigint(const KamLogRow *row, KamLogColumn column, int64 otherwise);
extern TimestampTz kam_log_time(const KamLogRow *row, KamLogColumn column);	/* KAM_NO_STAMP for NULL */
extern bool kam_log_bool(const KamLogRow *row, KamLogColumn column);
extern Jsonb *kam_log_jsonb(const KamLogRow *row, KamLogColumn column);	/* NULL for NULL */
extern Datum kam_log_datum(const KamLogRow *row, KamLogColumn column, bool *isnull);

extern void kam_log_set(KamLogRow *row, KamLogColumn column, Datum value);
extern void kam_log_set_null(KamLogRow *row, KamLogColumn column);
extern void kam_log_set_text(KamLogRow *row, KamLogColumn column, const char *value);	/* NULL gives NULL */
extern void kam_log_set_time(KamLogRow *row, KamLogColumn column, TimestampTz value);	/* KAM_NO_STAMP gives NULL */

/* What nobody may change between the verdict and the table: a hash of the columns that make it up. */
extern uint64 kam_log_digest(const KamLogRow *row);
