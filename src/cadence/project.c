/*
 * cadence/project.c: _gate_done(), the AFTER INSERT row trigger of
 * CadenceEventLog: what others look at follows the verdict.
 *
 * Runs when the inserting statement ends, as the table's owner.  It decides
 * nothing; it raises when the row is not the one that was decided.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "storage/bufmgr.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "cadence/horizon.h"
#include "cadence/log_row.h"
#include "cadence/log_write.h"
#include "cadence/mutant.h"
#include "cadence/notes.h"
#include "cadence/owner.h"
#include "cadence/reads.h"
#include "cadence/sql.h"
#include "kam.h"
#include "pg/clock.h"
#include "store/statement.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(kam_cadence_gate_done);

/* ---- statements ------------------------------------------------------------------------ */

#define NOTIFY "INSERT INTO kam.notification (recipient, topic, lead_id, event_id, payload) "

/* One statement for everything a touch leaves: each costs its own set-up. */
static KamStatement project_touch = {
	"project touch",
	"WITH l AS (UPDATE kam.leads SET last_touch_at = $2,"
	"  current_step = CASE WHEN active_sequence_id" EQ "$3 THEN GREATEST(current_step, $5) ELSE current_step END"
	"  WHERE lead_id" EQ "$1 RETURNING owner_id),"
	" c AS (UPDATE kam.cadence SET current_step = GREATEST(current_step, $5), last_activity_at = $2"
	"  WHERE lead_id" EQ "$1 AND sequence_id" EQ "$3 AND enrolment_no" EQ "$4)"
	NOTIFY "SELECT COALESCE($6, l.owner_id, 'AGT-301'), 'touch', $1, $7, COALESCE($8, '{}'::pg_catalog.jsonb) FROM l",
	8, {TEXTOID, TIMESTAMPTZOID, TEXTOID, INT4OID, INT4OID, TEXTOID, INT8OID, JSONBOID}, .generic = true
};

static KamStatement project_transactional = {
	"project transactional touch",
	"WITH c AS (UPDATE kam.cadence SET current_step = GREATEST(current_step, $5), last_activity_at = $2"
	"  WHERE lead_id" EQ "$1 AND sequence_id" EQ "$3 AND enrolment_no" EQ "$4)"
	NOTIFY "SELECT COALESCE($6, l.owner_id, 'AGT-301'), 'touch', $1, $7, COALESCE($8, '{}'::pg_catalog.jsonb)"
	" FROM kam.leads l WHERE l.lead_id" EQ "$1",
	8, {TEXTOID, TIMESTAMPTZOID, TEXTOID, INT4OID, INT4OID, TEXTOID, INT8OID, JSONBOID}, .generic = true
};

static KamStatement project_activation = {
	"project activation",
	"WITH l AS (UPDATE kam.leads SET cadence_state = 'active', active_sequence_id = $2, current_step = NULL"
	"  WHERE lead_id" EQ "$1 RETURNING owner_id)"
	NOTIFY "SELECT COALESCE(l.owner_id, 'AGT-301'), 'activation', $1, $3, '{}' FROM l",
	3, {TEXTOID, TEXTOID, INT8OID}, .generic = true
};

static KamStatement notify_owner = {
	"notify owner",
	NOTIFY "SELECT COALESCE(l.owner_id, 'AGT-301'), $2, $1, $3, COALESCE($4, '{}'::pg_catalog.jsonb) FROM kam.leads l WHERE l.lead_id" EQ "$1",
	4, {TEXTOID, TEXTOID, INT8OID, JSONBOID}, .generic = true
};

static KamStatement notify_agent = {
	"notify agent",
	NOTIFY "VALUES ($1, $2, $3, $4, pg_catalog.jsonb_build_object('sequence_id', $5, 'sequence_type', $6, 'resolution', $7))",
	7, {TEXTOID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID}, .generic = true
};

static KamStatement put_in_queue = {
	"put in queue",
	"INSERT INTO kam.cadencequeue (lead_id, event_id, kind, priority, sequence_id, reason, release_at, queued_at, expires_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	9, {TEXTOID, INT8OID, TEXTOID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}, .generic = true
};

/* Whoever was waiting to activate or resume what is active now need not. */
static KamStatement supersede = {
	"supersede",
	"SELECT kam._supersede($1, $2, $3, $4)",
	4, {TEXTOID, TEXTOID, INT8OID, TIMESTAMPTZOID}, .generic = true
};

/* A resume lets go the touches that waited for it. */
static KamStatement hurry_holds = {
	"hurry holds",
	"UPDATE kam.cadencequeue SET release_at = $3 WHERE lead_id" EQ "$1 AND state" EQ "'waiting' AND kind" EQ "'held'"
	" AND sequence_id" EQ "$2 AND release_at" GT "$3",
	3, {TEXTOID, TEXTOID, TIMESTAMPTZOID}, .generic = true
};

static KamStatement settle_lead = {
	"settle lead",
	"SELECT kam._settle_lead($1, $2)",
	2, {TEXTOID, TIMESTAMPTZOID}, .generic = true
};

static KamStatement raise_flag = {
	"raise flag",
	"SELECT kam._raise_flag($1, $2, NULL, $3, $4, CASE WHEN $5 IS NULL THEN NULL ELSE ARRAY[$5] END)",
	5, {TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID}, .generic = true
};

static KamStatement after_fact = {
	"after fact",
	"SELECT kam._after_fact($1, $2, $3, $4)",
	4, {TEXTOID, INT8OID, TEXTOID, TEXTOID}, .generic = true
};

static KamStatement mark_stale = {
	"mark stale",
	"UPDATE kam.prospect_state SET stale = true WHERE lead_id" EQ "$1 AND NOT stale",
	1, {TEXTOID}, .generic = true
};

/* ---- the row, once more ---------------------------------------------------------------------- */

typedef struct Decided
{
	const char *lead_id,
			   *sequence,
			   *type,
			   *channel,
			   *agent;
	int64		event_id;
	TimestampTz at;
	const KamLogRow *row;
	const KamNote *note;
} Decided;

static void
add_int_column(KamValues *values, const KamLogRow *row, KamLogColumn column)
{
	if (kam_log_is_null(row, column))
		kam_values_add_null(values);
	else
		kam_values_add(values, Int32GetDatum(kam_log_int(row, column, 0)));
}

static void
settle(const Decided *decided)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, decided->lead_id);
	kam_values_add_time(&values, decided->at);
	kam_statement_run(&settle_lead, &values);
}

static void
flag(const Decided *decided, const char *kind, const char *sequence, const char *recipient, Jsonb *detail)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, kind);
	kam_values_add_text(&values, decided->lead_id);
	kam_values_add_text(&values, sequence);
	kam_values_add_jsonb(&values, detail);
	kam_values_add_text(&values, recipient);
	kam_statement_run(&raise_flag, &values);
}

static Jsonb *detail_of(const char *format,...) pg_attribute_printf(1, 2);

static Jsonb *
detail_of(const char *format,...)
{
	char		text[256];
	va_list		args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

static void
queue(const Decided *decided, int64 event_id, const char *kind, int priority, const char *sequence, const char *reason, TimestampTz release_at,
	  TimestampTz until)
{
	TimestampTz expires_at = decided->at + (int64) kam_hold_expiry * USECS_PER_MINUTE;
	KamValues	values;

	if (until != KAM_NO_STAMP)
		expires_at = Min(expires_at, until);
	kam_values_init(&values);
	kam_values_add_text(&values, decided->lead_id);
	kam_values_add(&values, Int64GetDatum(event_id));
	kam_values_add_text(&values, kind);
	kam_values_add(&values, Int32GetDatum(priority));
	kam_values_add_text(&values, sequence);
	kam_values_add_text(&values, reason);
	kam_values_add_time(&values, release_at);
	kam_values_add_time(&values, decided->at);
	kam_values_add_time(&values, expires_at);
	kam_statement_run(&put_in_queue, &values);
}

/* ---- one projection per verdict ------------------------------------------------------------------ */

/* An executed touch: to be sent, told to the rep, or both. */
static void
project_executed_touch(const Decided *decided)
{
	KamSendRule rule = kam_read_send_rule(decided->type, decided->channel);
	/* Without a channel there is no endpoint to send by. */
	bool		send = rule.send && decided->channel != NULL;
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, decided->lead_id);
	kam_values_add_time(&values, decided->at);
	kam_values_add_text(&values, decided->sequence);
	add_int_column(&values, decided->row, KAM_LOG_ENROLMENT);
	add_int_column(&values, decided->row, KAM_LOG_STEP);
	kam_values_add_text(&values, send ? decided->channel : NULL);
	kam_values_add(&values, Int64GetDatum(decided->event_id));
	kam_values_add_jsonb(&values, kam_log_jsonb(decided->row, KAM_LOG_PAYLOAD));
	kam_statement_run(decided->note->family == KAM_TRANSACTIONAL ? &project_transactional : &project_touch, &values);
	if (!send)
		return;
	kam_wake();					/* it is to leave */
	if (!rule.tell_rep)
		return;
	kam_values_init(&values);
	kam_values_add_text(&values, decided->lead_id);
	kam_values_add_text(&values, "touch");
	kam_values_add(&values, Int64GetDatum(decided->event_id));
	kam_values_add_jsonb(&values, kam_log_jsonb(decided->row, KAM_LOG_PAYLOAD));
	kam_statement_run(&notify_owner, &values);
}

/* The active sequence that lost: a row of its own, and a place in the queue unless it should never have been active. */
static void
project_displaced(const Decided *decided)
{
	const KamNote *note = decided->note;
	bool		misrouted = note->flag == KAM_FLAG_ROUTING;
	int64		event_id;

	event_id = kam_log_write(&(KamSystemRow) {
		.lead_id = decided->lead_id, .sequence = note->displaced.sequence, .type = note->displaced.type, .family = note->displaced_family,
		.enrolment = note->displaced.enrolment, .event = misrouted ? KAM_SUPPRESSED : KAM_DEFERRED, .requested = KAM_RESUME,
		.agent = "AGT-302", .action = misrouted ? KAM_BLOCKED : KAM_QUEUED, .resolution = kam_log_text(decided->row, KAM_LOG_RESOLUTION),
		.reason = misrouted ? KAM_ROUTING_ERROR : KAM_CONFLICT_QUEUED, .play = note->displaced.play, .proposal = note->displaced.proposal,
		.release_at = note->displaced_until, .parent = decided->event_id, .at = decided->at,
	});
	if (!misrouted)
		queue(decided, event_id, "deferred", 0, note->displaced.sequence, kam_log_text(decided->row, KAM_LOG_RESOLUTION),
			  note->displaced_until, note->displaced.until);
}

static void
project_executed_start(const Decided *decided)
{
	const KamNote *note = decided->note;
	KamValues	values;
	bool		waited = note->before == KAM_ENROLMENT_QUEUED || note->before == KAM_ENROLMENT_PAUSED;

	if (note->displaced.sequence != NULL)
		project_displaced(decided);
	if (waited)
	{
		int64		parent = kam_log_bigint(decided->row, KAM_LOG_PARENT, 0);

		kam_values_init(&values);
		kam_values_add_text(&values, decided->lead_id);
		kam_values_add_text(&values, decided->sequence);
		kam_values_add(&values, Int64GetDatum(parent));
		kam_values_add_time(&values, decided->at);
		kam_statement_run(&supersede, &values);
		kam_values_init(&values);
		kam_values_add_text(&values, decided->lead_id);
		kam_values_add_text(&values, decided->sequence);
		kam_values_add_time(&values, decided->at);
		kam_statement_run(&hurry_holds, &values);
	}
	if (note->family == KAM_TRANSACTIONAL)
		return;
	if (decided->note->event == KAM_ACTIVATION)
	{
		kam_values_init(&values);
		kam_values_add_text(&values, decided->lead_id);
		kam_values_add_text(&values, decided->sequence);
		kam_values_add(&values, Int64GetDatum(decided->event_id));
		kam_statement_run(&project_activation, &values);
	}
	else
	{
		kam_values_init(&values);
		kam_values_add_text(&values, decided->lead_id);
		kam_values_add_text(&values, "resume");
		kam_values_add(&values, Int64GetDatum(decided->event_id));
		kam_values_add_null(&values);
		kam_statement_run(&notify_owner, &values);
	}
	if (waited || note->displaced.sequence != NULL)
		settle(decided);
}

static void
project_executed(const Decided *decided)
{
	if (decided->note->event == KAM_TOUCH)
		project_executed_touch(decided);
	else
		project_executed_start(decided);
}

static void
project_blocked(const Decided *decided)
{
	KamValues	values;
	const char *agent = decided->agent;

	if (agent == NULL)
		agent = decided->note->family == KAM_MARKETING ? "AGT-304" : "AGT-301";
	kam_values_init(&values);
	kam_values_add_text(&values, agent);
	kam_values_add_text(&values, kam_log_text(decided->row, KAM_LOG_REASON));
	kam_values_add_text(&values, decided->lead_id);
	kam_values_add(&values, Int64GetDatum(decided->event_id));
	kam_values_add_text(&values, decided->sequence);
	kam_values_add_text(&values, decided->type);
	kam_values_add_text(&values, kam_log_text(decided->row, KAM_LOG_RESOLUTION));
	kam_statement_run(&notify_agent, &values);
}

static void
project_waiting(const Decided *decided)
{
	bool		held = decided->note->action == KAM_ACTION_HELD;

	queue(decided, decided->event_id, held ? "held" : "deferred", decided->note->priority, decided->sequence,
		  kam_log_text(decided->row, held ? KAM_LOG_REASON : KAM_LOG_RESOLUTION), kam_log_time(decided->row, KAM_LOG_RELEASE_AT),
		  decided->note->until);
}

static void
project_recorded(const Decided *decided)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, decided->lead_id);
	kam_values_add(&values, Int64GetDatum(decided->event_id));
	kam_values_add_text(&values, decided->note->paused);
	kam_values_add_text(&values, decided->note->paused_type);
	kam_statement_run(&after_fact, &values);
	if (decided->note->breach)
		flag(decided, "cap_breach", NULL, NULL,
			 detail_of("{\"touches\": %d, \"cap\": %d}", kam_log_int(decided->row, KAM_LOG_COUNT, 0) + 1, kam_touch_cap));
}

static void (*const projection[]) (const Decided *) = {
	[KAM_EXECUTED] = project_executed,
	[KAM_BLOCKED] = project_blocked,
	[KAM_ACTION_HELD] = project_waiting,
	[KAM_QUEUED] = project_waiting,
	[KAM_RECORDED] = project_recorded,
};

static void
project(const KamLogRow *row, const KamNote *note)
{
	Decided		decided = {
		.lead_id = kam_log_text(row, KAM_LOG_LEAD_ID), .sequence = kam_log_text(row, KAM_LOG_SEQUENCE_ID),
		.type = kam_log_text(row, KAM_LOG_SEQUENCE_TYPE), .channel = kam_log_text(row, KAM_LOG_CHANNEL),
		.agent = kam_log_text(row, KAM_LOG_AGENT), .event_id = note->event_id, .at = kam_log_time(row, KAM_LOG_EVENT_AT),
		.row = row, .note = note,
	};

	projection[note->action] (&decided);
	if (note->flag == KAM_FLAG_ROUTING)
		flag(&decided, "routing_error", note->displaced.sequence ? note->displaced.sequence : decided.sequence, "AGT-202",
			 detail_of("{\"event_id\": " INT64_FORMAT "}", note->event_id));
	else if (note->flag == KAM_FLAG_DATA_QUALITY)
		flag(&decided, "data_quality", NULL, NULL, detail_of("{\"missing\": \"icp_tier\"}"));
}

/* ---- the trigger -------------------------------------------------------------------------------------- */

/* Rows of a restore bring no state with them: what the gate knows of the lead is out of date. */
static void
mark_restored(const KamLogRow *row)
{
	Relation	state = table_open(get_relname_relid("prospect_state", get_namespace_oid("kam", false)), AccessShareLock);
	bool		empty = RelationGetNumberOfBlocks(state) == 0;
	KamValues	values;

	table_close(state, AccessShareLock);
	if (empty)
		return;
	kam_values_init(&values);
	kam_values_add_text(&values, kam_log_text(row, KAM_LOG_LEAD_ID));
	kam_statement_run(&mark_stale, &values);
}

Datum
kam_cadence_gate_done(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	MemoryContext caller = CurrentMemoryContext;
	KamLogRow	row;
	KamNote		note;
	KamOwner	owner;
	bool		noted,
				restored = false;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("the gate must be fired AFTER INSERT, FOR EACH ROW")));
	kam_log_row_read(&row, trigger->tg_relation, trigger->tg_trigtuple);
	noted = kam_note_take(kam_log_bigint(&row, KAM_LOG_EVENT_ID, 0), &note);
	if (!noted)
		restored = kam_owner_restores(&row) && kam_note_take_restored();
	if ((!noted && !restored) || (noted && note.digest != kam_log_digest(&row)))
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("a trigger changed what the Coordinator had decided"),
				 errdetail("Event " INT64_FORMAT " of lead \"%s\".", kam_log_bigint(&row, KAM_LOG_EVENT_ID, 0),
						   kam_log_text(&row, KAM_LOG_LEAD_ID)),
				 errhint("Triggers on CadenceEventLog may change the payload and columns of their own, nothing else.")));
	if (noted && note.system)
		return PointerGetDatum(NULL);

	kam_owner_begin(&owner, trigger->tg_relation);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	if (restored)
	{
		mark_restored(&row);
		kam_horizon_note(kam_log_text(&row, KAM_LOG_LEAD_ID), kam_log_bigint(&row, KAM_LOG_EVENT_ID, 0));
	}
	else
	{
		project(&row, &note);
		KAM_MUTATE(4, (void) 0, mark_restored(&row));
	}
	SPI_finish();
	kam_owner_end(&owner);
	return PointerGetDatum(NULL);
}
