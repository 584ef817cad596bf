/*
 * cadence/enrolment.c: rows of Cadence, as the gate writes them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "cadence/enrolment.h"
#include "cadence/sql.h"
#include "store/statement.h"

PG_FUNCTION_INFO_V1(kam_cadence_changed);

#define PLUS " OPERATOR(pg_catalog.+) "

static KamStatement insert_enrolment = {
	"insert enrolment",
	"INSERT INTO kam.cadence (lead_id, sequence_id, enrolment_no, sequence_type, family, originating_agent, state, steps, play_id,"
	" originating_proposal_id, active_until, created_at, activated_at, last_activity_at, stall_check_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN pg_catalog.jsonb_typeof($8 OPERATOR(pg_catalog.->) 'steps') OPERATOR(pg_catalog.=) 'array'"
	"  THEN $8 OPERATOR(pg_catalog.->) 'steps' ELSE '[]'::pg_catalog.jsonb END, $9, $10, $11, $12, $13, $13,"
	" $13" PLUS "'168 hours'::pg_catalog.interval)",
	13, {TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID}, .generic = true
};

static KamStatement activate_enrolment = {
	"activate enrolment",
	"UPDATE kam.cadence SET state = 'active', paused_reason = NULL, activated_at = $4, last_activity_at = $4,"
	" stall_check_at = $4" PLUS "'168 hours'::pg_catalog.interval"
	" WHERE lead_id" EQ "$1 AND sequence_id" EQ "$2 AND enrolment_no" EQ "$3",
	4, {TEXTOID, TEXTOID, INT4OID, TIMESTAMPTZOID}, .generic = true
};

static KamStatement pause_enrolment = {
	"pause enrolment",
	"UPDATE kam.cadence SET state = 'paused', paused_reason = $4, paused_at = $5"
	" WHERE lead_id" EQ "$1 AND sequence_id" EQ "$2 AND enrolment_no" EQ "$3",
	5, {TEXTOID, TEXTOID, INT4OID, TEXTOID, TIMESTAMPTZOID}, .generic = true
};

static KamStatement end_enrolments = {
	"end enrolments",
	"SELECT kam._end_enrolments($1, $2, $3, $4, $5)",
	5, {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, BOOLOID}, .generic = true
};

static KamStatement pause_enrolments = {
	"pause enrolments",
	"SELECT kam._pause_enrolments($1, $2, $3, $4)",
	4, {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}, .generic = true
};

static KamStatement stamp_signal = {
	"stamp signal",
	"SELECT kam._stamp_signal($1, $2, $3, $4, $5, $6)",
	6, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}, .generic = true
};

/* Writes in progress, one within the other. */
static int	writing = 0;

bool
kam_enrolment_writing(void)
{
	return writing > 0;
}

static void
write_cadence(KamStatement *statement, const KamValues *values)
{
	writing++;
	PG_TRY();
	{
		kam_statement_run(statement, values);
	}
	PG_FINALLY();
	{
		writing--;
	}
	PG_END_TRY();
}

void
kam_enrolment_insert(const KamEnrolmentRow *row)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, row->lead_id);
	kam_values_add_text(&values, row->sequence);
	kam_values_add(&values, Int32GetDatum(row->no));
	kam_values_add_text(&values, row->type);
	kam_values_add_text(&values, kam_family_name(row->family));
	kam_values_add_text(&values, row->agent);
	kam_values_add_text(&values, kam_enrolment_state_name(row->state));
	kam_values_add_jsonb(&values, row->payload);
	kam_values_add_text(&values, row->play);
	kam_values_add_text(&values, row->proposal);
	kam_values_add_time(&values, row->until);
	kam_values_add_time(&values, row->at);
	kam_values_add_time(&values, row->state == KAM_ENROLMENT_ACTIVE ? row->at : KAM_NO_STAMP);
	write_cadence(&insert_enrolment, &values);
}

static void
add_key(KamValues *values, const char *lead_id, const char *sequence, int no)
{
	kam_values_init(values);
	kam_values_add_text(values, lead_id);
	kam_values_add_text(values, sequence);
	kam_values_add(values, Int32GetDatum(no));
}

void
kam_enrolment_activate(const char *lead_id, const char *sequence, int no, TimestampTz at)
{
	KamValues	values;

	add_key(&values, lead_id, sequence, no);
	kam_values_add_time(&values, at);
	write_cadence(&activate_enrolment, &values);
}

void
kam_enrolment_pause(const char *lead_id, const char *sequence, int no, const char *reason, TimestampTz at)
{
	KamValues	values;

	add_key(&values, lead_id, sequence, no);
	kam_values_add_text(&values, reason);
	kam_values_add_time(&values, at);
	write_cadence(&pause_enrolment, &values);
}

void
kam_enrolments_end(const char *lead_id, const char *sequence, const char *reason, TimestampTz at, bool transactional_too)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add_text(&values, sequence);
	kam_values_add_text(&values, reason);
	kam_values_add_time(&values, at);
	kam_values_add(&values, BoolGetDatum(transactional_too));
	write_cadence(&end_enrolments, &values);
}

void
kam_enrolments_pause(const char *lead_id, const char *sequence, const char *reason, TimestampTz at)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add_text(&values, sequence);
	kam_values_add_text(&values, reason);
	kam_values_add_time(&values, at);
	write_cadence(&pause_enrolments, &values);
}

void
kam_enrolments_signal(const char *lead_id, KamEvent event, const char *channel, const char *sequence, KamFamily family, TimestampTz at)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add_text(&values, kam_event_name(event));
	kam_values_add_text(&values, channel);
	kam_values_add_text(&values, sequence);
	kam_values_add_text(&values, kam_family_name(family));
	kam_values_add_time(&values, at);
	kam_statement_run(&stamp_signal, &values);
}

static KamStatement mark_stale = {
	"mark stale",
	"INSERT INTO kam.prospect_state AS s (lead_id, stale) VALUES ($1, true) ON CONFLICT (lead_id) DO UPDATE SET stale = true WHERE NOT s.stale",
	1, {TEXTOID}, .generic = true
};

/*
 * Row trigger on Cadence: what somebody else than the gate writes makes the
 * lead's state stale.  The mark is also how the schedules find an import.
 */
Datum
kam_cadence_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	tuple;
	int			column;
	bool		isnull;
	Datum		lead_id;
	KamValues	values;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not called by the trigger manager");
	if (writing > 0)
		PG_RETURN_POINTER(NULL);
	tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	column = SPI_fnumber(RelationGetDescr(trigger->tg_relation), "lead_id");
	lead_id = SPI_getbinval(tuple, RelationGetDescr(trigger->tg_relation), column, &isnull);
	SPI_connect();
	kam_values_init(&values);
	kam_values_add_text(&values, TextDatumGetCString(lead_id));
	kam_statement_run(&mark_stale, &values);
	SPI_finish();
	PG_RETURN_POINTER(NULL);
}
