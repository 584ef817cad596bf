/*
 * cadence/entry.c: what SQL calls: kam_gate, the release of a hold, kam's own
 * events, the guard of the log, and the settings that SQL needs as values.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "cadence/door.h"
#include "cadence/erased.h"
#include "cadence/log_write.h"
#include "cadence/notes.h"
#include "cadence/prospect.h"
#include "cadence/sql.h"
#include "cadence/view.h"
#include "kam.h"
#include "pg/clock.h"
#include "store/statement.h"

PG_FUNCTION_INFO_V1(kam_cadence_look);
PG_FUNCTION_INFO_V1(kam_cadence_release);
PG_FUNCTION_INFO_V1(kam_cadence_carry_next);
PG_FUNCTION_INFO_V1(kam_cadence_system_event);
PG_FUNCTION_INFO_V1(kam_cadence_guard);
PG_FUNCTION_INFO_V1(kam_cadence_touch_cap);
PG_FUNCTION_INFO_V1(kam_cadence_touch_window);
PG_FUNCTION_INFO_V1(kam_cadence_hold_expiry);
PG_FUNCTION_INFO_V1(kam_cadence_set_clock);

/* Argument n as text, NULL for NULL. */
static const char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* ---- kam_gate ---------------------------------------------------------------------------- */

/* What a request would be, its type and event checked. */
static KamAsk
ask_of(const char *type, const char *event, const char *sequence)
{
	KamAsk		ask = {.type = type, .sequence = sequence, .step = -1, .place = PG_INT64_MAX};

	if (type == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a request needs a sequence_type")));
	ask.event = event ? kam_event_find(event) : KAM_ACTIVATION;
	if (kam_event_kind(ask.event) != KAM_REQUEST)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("event_type \"%s\" is not judged", event),
				 errhint("Requests are activation, touch, resume.")));
	ask.family = kam_read_family(type);
	if (ask.family == KAM_NO_FAMILY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown sequence_type \"%s\"", type),
				 errhint("Types are the rows of kam.sequence_type; add one of your own.")));
	return ask;
}

static void
append_field(StringInfo out, const char *key, const char *value)
{
	appendStringInfo(out, ", \"%s\": ", key);
	if (value == NULL)
		appendStringInfoString(out, "null");
	else
		escape_json(out, value);
}

/* What each gate says by itself, the later ones too. */
static Datum
every_gate(const KamView *view)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoChar(&out, '[');
	for (int n = 1; n <= KAM_GATES; n++)
	{
		KamVerdict	verdict;
		bool		refuses = kam_gate_refuses(n, view, &verdict);

		appendStringInfo(&out, "%s{\"gate\": %d, \"passes\": %s", n > 1 ? ", " : "", n, refuses ? "false" : "true");
		append_field(&out, "name", kam_gates[n - 1].name);
		append_field(&out, "coordinator_action", refuses ? kam_outcome_name(verdict.action) : NULL);
		append_field(&out, "suppressed_reason", verdict.reason);
		append_field(&out, "resolution", verdict.resolution);
		append_field(&out, "release_at", verdict.release_at == KAM_NO_STAMP ? NULL :
					 JsonEncodeDateTime(NULL, TimestampTzGetDatum(verdict.release_at), TIMESTAMPTZOID, NULL));
		append_field(&out, "pauses", verdict.displaced == KAM_NO_FAMILY ? NULL : view->prospect->active[verdict.displaced].sequence);
		appendStringInfoChar(&out, '}');
	}
	appendStringInfoChar(&out, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
}

/* kam_gate(lead_id, sequence_type, event_type, sequence_id): the very gates, without lock and without writing. */
Datum
kam_cadence_look(PG_FUNCTION_ARGS)
{
	enum
	{
		ALLOWED, GATE, ACTION, RESOLUTION, REASON, COMPLIANCE, TOUCHES, RELEASE_AT, GATES, COLUMNS
	};
	const char *lead_id = text_arg(fcinfo, 0);
	MemoryContext caller = CurrentMemoryContext;
	TupleDesc	desc;
	KamAsk		ask;
	KamProspect prospect;
	KamSurroundings surroundings;
	KamView		view;
	KamVerdict	verdict;
	TimestampTz earliest,
				at;
	Datum		value[COLUMNS];
	bool		null[COLUMNS] = {0};

	if (lead_id == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("lead_id must not be NULL")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != COLUMNS)
		elog(ERROR, "kam_gate returns the type gate_verdict");
	desc = BlessTupleDesc(desc);

	SPI_connect();
	MemoryContextSwitchTo(caller);
	ask = ask_of(text_arg(fcinfo, 1), text_arg(fcinfo, 2), text_arg(fcinfo, 3));
	kam_prospect_look(lead_id, &prospect);
	at = kam_now();
	if (prospect.last_at != KAM_NO_STAMP && at <= prospect.last_at)
		at = prospect.last_at + 1;
	kam_read_surroundings(&prospect, NULL, false, NULL, &surroundings);
	kam_view_load(&prospect, &surroundings, &ask, at, false, &view, &earliest);
	kam_gates_judge(&view, &verdict);
	SPI_finish();
	MemoryContextSwitchTo(caller);

	value[ALLOWED] = BoolGetDatum(verdict.gate == 0);
	value[GATE] = Int16GetDatum(verdict.gate);
	null[GATE] = verdict.gate == 0;
	value[ACTION] = CStringGetTextDatum(kam_outcome_name(verdict.action));
	null[RESOLUTION] = verdict.resolution == NULL;
	value[RESOLUTION] = null[RESOLUTION] ? (Datum) 0 : CStringGetTextDatum(verdict.resolution);
	null[REASON] = verdict.reason == NULL;
	value[REASON] = null[REASON] ? (Datum) 0 : CStringGetTextDatum(verdict.reason);
	value[COMPLIANCE] = CStringGetTextDatum(kam_compliance_name(verdict.compliance));
	value[TOUCHES] = Int32GetDatum(view.count);
	null[RELEASE_AT] = verdict.release_at == KAM_NO_STAMP;
	value[RELEASE_AT] = TimestampTzGetDatum(verdict.release_at);
	value[GATES] = every_gate(&view);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, value, null)));
}

/* ---- releases ------------------------------------------------------------------------------------ */

/* What an absence put off is a resume of the sequence it paused; everything else is asked again as it was. */
static KamStatement find_waiting = {
	"waiting request",
	"SELECT q.priority, q.sequence_id, CASE WHEN e.event_type" EQ "'out_of_office' THEN 'resume' ELSE e.requested_event_type END,"
	" CASE WHEN e.event_type" EQ "'out_of_office' THEN c.sequence_type ELSE e.sequence_type END, e.step, e.channel, CASE WHEN e.event_type" EQ "'out_of_office' THEN 'AGT-302' ELSE e.originating_agent END,"
	" CASE WHEN e.event_type" EQ "'out_of_office' THEN NULL ELSE e.payload END, e.play_id, e.originating_proposal_id"
	" FROM kam.cadencequeue q JOIN kam.cadenceeventlog e ON e.lead_id" EQ "q.lead_id AND e.event_id" EQ "q.event_id"
	" LEFT JOIN LATERAL (SELECT k.sequence_type FROM kam.cadence k WHERE k.lead_id" EQ "q.lead_id AND k.sequence_id" EQ "q.sequence_id"
	"  ORDER BY k.enrolment_no DESC LIMIT 1) c ON true"
	" WHERE q.lead_id" EQ "$1 AND q.event_id" EQ "$2 AND q.state" EQ "'waiting' FOR NO KEY UPDATE OF q",
	2, {TEXTOID, INT8OID}, .generic = true
};

static KamStatement move_waiting = {
	"move waiting request",
	"UPDATE kam.cadencequeue SET release_at = $3, rounds = rounds OPERATOR(pg_catalog.+) 1, reason = $4 WHERE lead_id" EQ "$1 AND event_id" EQ "$2",
	4, {TEXTOID, INT8OID, TIMESTAMPTZOID, TEXTOID}, .generic = true
};

static KamStatement end_waiting = {
	"end waiting request",
	"UPDATE kam.cadencequeue SET state = $3, ended_at = $4, end_reason = $5 WHERE lead_id" EQ "$1 AND event_id" EQ "$2",
	5, {TEXTOID, INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID}, .generic = true
};

static KamStatement forget_holding = {
	"forget holding",
	"UPDATE kam.prospect_state SET holding = false WHERE lead_id" EQ "$1 AND holding AND NOT EXISTS"
	" (SELECT FROM kam.cadencequeue q WHERE q.lead_id" EQ "$1 AND q.state" EQ "'waiting' AND q.kind" EQ "'held')",
	1, {TEXTOID}, .generic = true
};

static KamStatement settle_lead = {
	"settle lead",
	"SELECT kam._settle_lead($1, $2)",
	2, {TEXTOID, TIMESTAMPTZOID}, .generic = true
};

static KamStatement ask_again = {
	"ask again",
	"INSERT INTO kam.cadenceeventlog (lead_id, sequence_id, sequence_type, event_type, step, channel, originating_agent, payload, play_id,"
	" originating_proposal_id, parent_event_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
	" RETURNING coordinator_action, suppressed_reason, event_at",
	11, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID, INT8OID}, .generic = true
};

static void
add_place(KamValues *values, const char *lead_id, int64 event_id)
{
	kam_values_init(values);
	kam_values_add_text(values, lead_id);
	kam_values_add(values, Int64GetDatum(event_id));
}

static const char *
move(const char *lead_id, int64 event_id, TimestampTz release_at, const char *reason)
{
	KamValues	values;

	add_place(&values, lead_id, event_id);
	kam_values_add_time(&values, release_at);
	kam_values_add_text(&values, reason);
	kam_statement_run(&move_waiting, &values);
	return "moved";
}

static void
end(const char *lead_id, int64 event_id, const char *state, TimestampTz at, const char *reason)
{
	KamValues	values;

	add_place(&values, lead_id, event_id);
	kam_values_add_text(&values, state);
	kam_values_add_time(&values, at);
	kam_values_add_text(&values, reason);
	kam_statement_run(&end_waiting, &values);
	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_statement_run(&forget_holding, &values);
}

static const char *
release(const char *lead_id, int64 event_id)
{
	MemoryContext context = CurrentMemoryContext;
	KamProspect prospect;
	KamSurroundings surroundings;
	KamAsk		ask;
	KamView		view;
	KamVerdict	verdict;
	TimestampTz earliest,
				at;
	KamValues	values;
	const char *sequence,
			   *event,
			   *type,
			   *action,
			   *reason;
	int			priority,
				step;
	bool		isnull;

	kam_prospect_lock(lead_id, NULL, &prospect);
	/* The holds of a merged lead were asked again for the one that stands for it. */
	if (strcmp(prospect.lead_id, lead_id) != 0)
		return "gone";
	add_place(&values, lead_id, event_id);
	if (kam_statement_run_latest(&find_waiting, &values) == 0)
		return "gone";

	/* All of it, before the next statement takes its place. */
	priority = (int) kam_column_int(0, 1, 0);
	sequence = kam_column_text(context, 0, 2);
	event = kam_column_text(context, 0, 3);
	type = kam_column_text(context, 0, 4);
	step = (int) kam_column_int(0, 5, -1);
	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add_text(&values, sequence);
	kam_values_add_text(&values, type);
	kam_values_add_text(&values, event);
	if (step >= 0)
		kam_values_add(&values, Int32GetDatum(step));
	else
		kam_values_add_null(&values);
	kam_values_add_text(&values, kam_column_text(context, 0, 6));
	kam_values_add_text(&values, kam_column_text(context, 0, 7));
	kam_values_add_jsonb(&values, kam_column_jsonb(context, 0, 8));
	kam_values_add_text(&values, kam_column_text(context, 0, 9));
	kam_values_add_text(&values, kam_column_text(context, 0, 10));
	kam_values_add(&values, Int64GetDatum(event_id));

	ask = ask_of(type, event, sequence);
	ask.priority = priority;
	ask.step = step;
	ask.place = event_id;
	at = kam_now();
	if (prospect.last_at != KAM_NO_STAMP && at <= prospect.last_at)
		at = prospect.last_at + 1;
	kam_read_surroundings(&prospect, NULL, true, NULL, &surroundings);
	kam_view_load(&prospect, &surroundings, &ask, at, true, &view, &earliest);
	kam_gates_judge(&view, &verdict);

	if (verdict.action == KAM_ACTION_HELD)
		return move(lead_id, event_id, verdict.release_at, KAM_CAP_EXCEEDED);
	if (verdict.action == KAM_QUEUED)
		return move(lead_id, event_id, verdict.release_at, verdict.resolution);
	/* A pause is no end, nor is a place in the queue: its touches wait with it. */
	if (ask.event == KAM_TOUCH && verdict.gate == KAM_GATES &&
		(view.enrolment.state == KAM_ENROLMENT_PAUSED || view.enrolment.state == KAM_ENROLMENT_QUEUED))
		return move(lead_id, event_id, at + USECS_PER_DAY, verdict.resolution);

	kam_announce_release(event_id, ask.priority);
	if (kam_statement_run(&ask_again, &values) != 1)
		elog(ERROR, "the release of event " INT64_FORMAT " was kept out of the log", event_id);
	action = kam_column_text(context, 0, 1);
	reason = kam_column_text(context, 0, 2);
	at = DatumGetTimestampTz(kam_column(0, 3, &isnull));
	if (strcmp(action, kam_outcome_name(KAM_EXECUTED)) == 0)
	{
		end(lead_id, event_id, "released", at, NULL);
		return "released";
	}
	if (strcmp(action, kam_outcome_name(KAM_BLOCKED)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the release of event " INT64_FORMAT " met other circumstances than it had found", event_id),
				 errhint("Retry.")));
	end(lead_id, event_id, "cancelled", at, reason);
	/* An activation that was queued has ended with it: who waited behind it, and Leads' columns. */
	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add_time(&values, at);
	kam_statement_run(&settle_lead, &values);
	return "blocked";
}

/* _carry_next() */
Datum
kam_cadence_carry_next(PG_FUNCTION_ARGS)
{
	kam_announce_carry();
	PG_RETURN_VOID();
}

/* _release(lead_id, event_id): released, moved, blocked, gone. */
Datum
kam_cadence_release(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	const char *outcome;

	SPI_connect();
	MemoryContextSwitchTo(caller);
	outcome = release(text_arg(fcinfo, 0), PG_GETARG_INT64(1));
	SPI_finish();
	MemoryContextSwitchTo(caller);
	PG_RETURN_TEXT_P(cstring_to_text(outcome));
}

/* ---- kam's own events ----------------------------------------------------------------------------- */

static const struct
{
	KamEvent	event;
	KamOutcome	action;
	const char *reason;
}			system_event[] = {
	{KAM_EXPIRED, KAM_RECORDED, NULL},
	{KAM_CANCELLED, KAM_RECORDED, NULL},
	{KAM_DEFERRED, KAM_QUEUED, KAM_CONFLICT_QUEUED},
};

static KamStatement find_parent = {
	"parent",
	"SELECT e.requested_event_type, e.family, e.enrolment_no, e.play_id, e.originating_proposal_id, e.sequence_type FROM kam.cadenceeventlog e"
	" WHERE e.lead_id" EQ "$1 AND e.event_id" EQ "$2",
	2, {TEXTOID, INT8OID}, .generic = true
};

/* What an event of an enrolment's step inherits. */
static KamStatement find_lineage = {
	"lineage of an enrolment",
	"SELECT c.family, c.play_id, c.originating_proposal_id, c.sequence_type FROM kam.cadence c"
	" WHERE c.lead_id" EQ "$1 AND c.sequence_id" EQ "$2 AND c.enrolment_no" EQ "$3",
	3, {TEXTOID, TEXTOID, INT4OID}, .generic = true
};

static void
inherit_lineage(MemoryContext context, KamSystemRow *row)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, row->lead_id);
	kam_values_add_text(&values, row->sequence);
	kam_values_add(&values, Int32GetDatum(row->enrolment));
	if (kam_statement_run(&find_lineage, &values) == 0)
		return;
	row->family = kam_family_find(kam_column_text(context, 0, 1));
	row->play = kam_column_text(context, 0, 2);
	row->proposal = kam_column_text(context, 0, 3);
	row->type = kam_column_text(context, 0, 4);
}

/* _system_event(lead_id, event_type, parent_event_id, resolution, sequence_id, sequence_type, enrolment_no, step) */
Datum
kam_cadence_system_event(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	KamSystemRow row = {
		.lead_id = text_arg(fcinfo, 0), .resolution = text_arg(fcinfo, 3), .sequence = text_arg(fcinfo, 4), .type = text_arg(fcinfo, 5),
		.agent = "AGT-302", .parent = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2), .release_at = KAM_NO_STAMP, .requested = KAM_RESUME,
		.family = KAM_NO_FAMILY, .at = kam_now(), .enrolment = PG_ARGISNULL(6) ? 0 : PG_GETARG_INT32(6),
		.step = PG_ARGISNULL(7) ? 0 : PG_GETARG_INT32(7),
	};
	KamEvent	event;
	int			which = 0;
	KamValues	values;
	int64		event_id;

	if (row.lead_id == NULL || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("an event needs a lead_id and an event_type")));
	event = kam_event_find(text_arg(fcinfo, 1));
	while (which < lengthof(system_event) && system_event[which].event != event)
		which++;
	if (which == lengthof(system_event))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not written past the gates", kam_event_name(event))));
	row.event = event;
	row.action = system_event[which].action;
	row.reason = system_event[which].reason;

	SPI_connect();
	MemoryContextSwitchTo(caller);
	if (row.type != NULL)
		row.family = kam_read_family(row.type);
	if (row.parent > 0)
	{
		add_place(&values, row.lead_id, row.parent);
		if (kam_statement_run(&find_parent, &values) > 0)
		{
			const char *requested = kam_column_text(caller, 0, 1);

			if (requested != NULL)
				row.requested = kam_event_find(requested);
			row.family = kam_family_find(kam_column_text(caller, 0, 2));
			row.enrolment = (int) kam_column_int(0, 3, 0);
			row.play = kam_column_text(caller, 0, 4);
			row.proposal = kam_column_text(caller, 0, 5);
			if (row.type == NULL)
				row.type = kam_column_text(caller, 0, 6);
		}
	}
	if (row.step > 0)
	{
		row.requested = KAM_TOUCH;
		inherit_lineage(caller, &row);
	}
	event_id = kam_log_write(&row);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	PG_RETURN_INT64(event_id);
}

/* ---- the guard ------------------------------------------------------------------------------------------ */

/* Column of the row that is about to change; NULL where there is no such column. */
static Datum
old_column(TriggerData *trigger, const char *name, bool *isnull)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	int			number = SPI_fnumber(desc, name);

	*isnull = true;
	return number > 0 ? SPI_getbinval(trigger->tg_trigtuple, desc, number, isnull) : (Datum) 0;
}

/*
 * _log_guard([name, column ...]): nobody changes an append-only table but kam
 * itself: it clears "counted" of the log, kam_erase_person() the columns named,
 * and retention has its door (door.c).  Without arguments the table is the log,
 * or a part of it.
 */
Datum
kam_cadence_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const char *name;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not called by the trigger manager");
	name = trigger->tg_trigger->tgnargs > 0 ? trigger->tg_trigger->tgargs[0] : NULL;
	if (kam_erasure_updates(trigger))
		return PointerGetDatum(trigger->tg_newtuple);
	if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event) && name == NULL)
	{
		bool		updates = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
		HeapTuple	row = updates ? trigger->tg_newtuple : trigger->tg_trigtuple;
		bool		isnull;
		Datum		value = old_column(trigger, "event_id", &isnull);

		if (updates && !isnull && kam_announced_update(DatumGetInt64(value)))
			return PointerGetDatum(row);
		value = old_column(trigger, "lead_id", &isnull);
		if (!isnull && kam_door_open_for(TextDatumGetCString(value)))
			return PointerGetDatum(row);
	}
	ereport(ERROR,
			(errcode(ERRCODE_RESTRICT_VIOLATION),
			 errmsg("%s is append-only", name ? name : "CadenceEventLog"),
			 errdetail("%s is refused, for superusers too.",
					   TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? "UPDATE" :
					   TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? "DELETE" : "TRUNCATE"),
			 errhint("Record what happened as a further %s.", name ? "row" : "event")));
}

/* ---- settings as values ------------------------------------------------------------------------------------ */

Datum
kam_cadence_touch_cap(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(kam_touch_cap);
}

/* Hours, never days: a day has 23 or 25 of them when the clocks change. */
Datum
kam_cadence_touch_window(PG_FUNCTION_ARGS)
{
	Interval   *window = palloc0_object(Interval);

	window->time = (int64) kam_touch_window * USECS_PER_SEC;
	PG_RETURN_INTERVAL_P(window);
}

Datum
kam_cadence_hold_expiry(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(kam_hold_expiry);
}

/* _set_clock(at): the present for the rest of the transaction; NULL ends it. */
Datum
kam_cadence_set_clock(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		kam_clock_override_end();
	else
		kam_clock_override(PG_GETARG_TIMESTAMPTZ(0));
	PG_RETURN_VOID();
}
