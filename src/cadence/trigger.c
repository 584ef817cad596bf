/*
 * cadence/trigger.c: _gate(), the BEFORE INSERT row trigger of CadenceEventLog:
 * from a row to a view, from a verdict to a row (README.md, "A row, step by
 * step").
 *
 * Runs in every process that inserts, as the table's owner.  It keeps every row,
 * never returns NULL, raises only for what is malformed, and writes here only
 * what the next decision must see.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "cadence/enrolment.h"
#include "cadence/erased.h"
#include "cadence/log_row.h"
#include "cadence/log_write.h"
#include "cadence/mutant.h"
#include "cadence/notes.h"
#include "cadence/owner.h"
#include "cadence/prospect.h"
#include "cadence/reads.h"
#include "cadence/view.h"
#include "kam.h"
#include "pg/clock.h"
#include "store/statement.h"

PG_FUNCTION_INFO_V1(kam_cadence_gate);

/* What the caller said. */
typedef struct Asked
{
	KamEvent	event;
	const char *lead_id,
			   *type,			/* NULL: none given */
			   *sequence,
			   *key;
	KamFamily	family;
	int			step;
	int64		parent;			/* 0 for none */
	TimestampTz occurred_at;
	Jsonb	   *payload;		/* or NULL */
	KamRelease	release;		/* parent 0: not a release */
	bool		carried;		/* it was held for a lead that was merged */
} Asked;

/* ---- reading the row --------------------------------------------------------------- */

KAM_NORETURN static void refuse(int sqlstate, const char *what, const char *hint);

static void
refuse(int sqlstate, const char *what, const char *hint)
{
	ereport(ERROR, (errcode(sqlstate), errmsg("%s", what), hint ? errhint("%s", hint) : 0));
}

/* The value of a key of an object, or NULL. */
static JsonbValue *
payload_value(Jsonb *payload, const char *key)
{
	if (payload == NULL || !JB_ROOT_IS_OBJECT(payload))
		return NULL;
	return getKeyJsonValueFromContainer(&payload->root, key, strlen(key), NULL);
}

static int
payload_priority(Jsonb *payload)
{
	JsonbValue *value = payload_value(payload, "priority");
	double		number = 0;

	if (value == NULL || value->type == jbvNull)
		return 0;
	if (value->type == jbvNumeric)
		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	if (value->type != jbvNumeric || number != rint(number) || fabs(number) > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("priority must be an integer"),
				 errdetail("The value is at \"/payload/priority\"."),
				 errhint("Higher goes first; 0 is the default.")));
	return (int) number;
}

static int64
payload_event_id(Jsonb *payload)
{
	JsonbValue *value = payload_value(payload, "event_id");

	if (value == NULL || value->type != jbvNumeric)
		return 0;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

static bool
payload_says(Jsonb *payload, const char *key, const char *word)
{
	JsonbValue *value = payload_value(payload, key);

	return value != NULL && value->type == jbvString && value->val.string.len == strlen(word) &&
		memcmp(value->val.string.val, word, value->val.string.len) == 0;
}

static void
check_steps(Jsonb *payload)
{
	JsonbValue *steps = payload_value(payload, "steps");

	if (steps == NULL || steps->type == jbvNull)
		return;
	if (steps->type != jbvBinary || !JsonContainerIsArray(steps->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("steps must be an array"),
				 errdetail("The value is at \"/payload/steps\"."),
				 errhint("For example [{\"day\": 0, \"channel\": \"email\", \"content\": \"…\"}].")));
}

/* Reads what was asked; raises what is malformed.  Wants an open SPI connection for the types. */
static void
read_asked(const KamLogRow *row, Asked *out)
{
	const char *event = kam_log_text(row, KAM_LOG_EVENT_TYPE);

	if (kam_log_is_null(row, KAM_LOG_LEAD_ID))
		refuse(ERRCODE_NOT_NULL_VIOLATION, "an event needs a lead_id", NULL);
	if (event == NULL)
		refuse(ERRCODE_NOT_NULL_VIOLATION, "an event needs an event_type", NULL);
	out->lead_id = kam_log_text(row, KAM_LOG_LEAD_ID);
	out->event = kam_event_find(event);
	if (kam_event_kind(out->event) == KAM_SYSTEM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("event_type \"%s\" is written by the Coordinator alone", event),
				 errhint("Ask for an activation, touch or resume; the verdict becomes the event_type.")));

	out->type = kam_log_text(row, KAM_LOG_SEQUENCE_TYPE);
	out->family = out->type ? kam_read_family(out->type) : KAM_NO_FAMILY;
	if (out->type == NULL && kam_event_kind(out->event) == KAM_REQUEST)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("a request (%s) needs a sequence_type", event)));
	if (out->type != NULL && out->family == KAM_NO_FAMILY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown sequence_type \"%s\"", out->type),
				 errhint("Types are the rows of kam.sequence_type; add one of your own.")));

	out->step = kam_log_int(row, KAM_LOG_STEP, -1);
	if (out->step < 0 && !kam_log_is_null(row, KAM_LOG_STEP))
		refuse(ERRCODE_INVALID_PARAMETER_VALUE, "step must not be negative", NULL);
	out->occurred_at = kam_log_time(row, KAM_LOG_OCCURRED_AT);
	/* "-infinity" is how no stamp at all is written down here. */
	if (!kam_log_is_null(row, KAM_LOG_OCCURRED_AT) && TIMESTAMP_NOT_FINITE(out->occurred_at))
		refuse(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "occurred_at must be a moment", "It is when a fact happened.");
	if (out->occurred_at != KAM_NO_STAMP && out->occurred_at > kam_now())
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("occurred_at %s is in the future", timestamptz_to_str(out->occurred_at)),
				 errhint("It is when a fact happened; what is to happen is a step of a sequence.")));
	out->sequence = kam_log_text(row, KAM_LOG_SEQUENCE_ID);
	if (out->sequence != NULL && out->sequence[0] == '\0')
		refuse(ERRCODE_INVALID_PARAMETER_VALUE, "sequence_id must not be empty", NULL);
	out->key = kam_log_text(row, KAM_LOG_KEY);
	out->payload = kam_log_jsonb(row, KAM_LOG_PAYLOAD);
	if (out->event == KAM_ACTIVATION)
		check_steps(out->payload);
	out->parent = kam_log_bigint(row, KAM_LOG_PARENT, 0);
	out->release = kam_announced_release(out->parent);
	out->carried = kam_announced_carry();
}

/* Everything that the caller may not say. */
static void
wipe_outcome(KamLogRow *row)
{
	static const KamLogColumn outcome[] = {
		KAM_LOG_REQUESTED, KAM_LOG_ACTION, KAM_LOG_RESOLUTION, KAM_LOG_REASON, KAM_LOG_COUNT, KAM_LOG_COMPLIANCE, KAM_LOG_RELEASE_AT,
		KAM_LOG_EVENT_AT, KAM_LOG_GATE_VERSION, KAM_LOG_FAMILY, KAM_LOG_ENROLMENT, KAM_LOG_TOUCH_AT, KAM_LOG_TOUCH_NO, KAM_LOG_EARLIEST,
	};

	for (int i = 0; i < lengthof(outcome); i++)
		kam_log_set_null(row, outcome[i]);
	kam_log_set(row, KAM_LOG_COUNTED, BoolGetDatum(false));
}

/* ---- lineage ------------------------------------------------------------------------- */

/* The proposal of a play that the caller named; raises when the caller named another. */
static void
inherit(KamLogRow *row, const char *name, const KamPlay *play)
{
	const char *claimed = kam_log_text(row, KAM_LOG_PROPOSAL);

	if (claimed != NULL && (play->proposal == NULL || strcmp(claimed, play->proposal) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("play \"%s\" does not derive from proposal \"%s\"", name, claimed),
				 errhint("Leave originating_proposal_id out: it is inherited from the play.")));
	kam_log_set_text(row, KAM_LOG_PROPOSAL, play->proposal);
}

/*
 * The play of an event is that of its enrolment; who is not enrolled, or is to
 * be again, names its own.  Sets when it ends and, of an activation, what is illegal about it.
 */
static void
settle_lineage(KamLogRow *row, KamView *view)
{
	const KamEnrolment *enrolment = &view->enrolment;
	bool		own = enrolment->state == KAM_ENROLMENT_NONE ||
		(enrolment->state == KAM_ENROLMENT_FINISHED && view->event == KAM_ACTIVATION);
	const char *name = own ? kam_log_text(row, KAM_LOG_PLAY) : enrolment->play;
	KamPlay		play = {.until = KAM_NO_STAMP};

	/* Of a play that somebody has ended nothing is executed, whether or not the schedules have come to its enrolments. */
	if (name != NULL)
		kam_read_play(name, view->at, &play);
	if (view->event == KAM_ACTIVATION)
		view->play_illegal = play.illegal;
	else
		view->play_ended = play.ended;
	if (!own)
	{
		kam_log_set_text(row, KAM_LOG_PLAY, enrolment->play);
		kam_log_set_text(row, KAM_LOG_PROPOSAL, enrolment->proposal);
		view->until = enrolment->until;
		return;
	}
	view->until = play.until;
	if (name != NULL)
		inherit(row, name, &play);
}

/*
 * What another lead's touch waited for, its turn or its sequence, it waits for
 * after a merge too: a pause or a place in the queue is no end.
 */
static void
keep_waiting(const KamView *view, KamVerdict *verdict)
{
	if (view->event != KAM_TOUCH || verdict->gate != KAM_GATES ||
		(view->enrolment.state != KAM_ENROLMENT_PAUSED && view->enrolment.state != KAM_ENROLMENT_QUEUED))
		return;
	verdict->gate = KAM_CAP_GATE;
	verdict->action = KAM_ACTION_HELD;
	verdict->reason = KAM_CAP_EXCEEDED;
	verdict->release_at = view->at + USECS_PER_DAY;
}

/*
 * Of a fact: the enrolment in the sequence that it names, active or not; of one
 * that names none but is about a sequence, the play of those that are active, if
 * it is one; else the play that the caller names.
 */
static void
settle_fact_lineage(const Asked *asked, KamLogRow *row, const KamProspect *prospect, TimestampTz at)
{
	const char *name = kam_log_text(row, KAM_LOG_PLAY);
	KamPlay		play;
	const KamActive *of = NULL;
	int			active = 0;

	for (int i = 0; i < KAM_COMPETING; i++)
	{
		const KamActive *candidate = &prospect->active[i];

		if (candidate->sequence == NULL || (asked->sequence != NULL && strcmp(candidate->sequence, asked->sequence) != 0))
			continue;
		of = candidate;
		active++;
	}
	if (asked->sequence != NULL && of != NULL)
	{
		kam_log_set(row, KAM_LOG_ENROLMENT, Int32GetDatum(of->enrolment));
		kam_log_set_text(row, KAM_LOG_PLAY, of->play);
		kam_log_set_text(row, KAM_LOG_PROPOSAL, of->proposal);
		return;
	}
	if (asked->sequence != NULL)
	{
		KamEnrolment enrolment;
		const char *ignored;

		kam_read_enrolment(prospect->lead_id, asked->sequence, asked->type, true, &enrolment, &ignored);
		if (enrolment.no > 0)
		{
			kam_log_set(row, KAM_LOG_ENROLMENT, Int32GetDatum(enrolment.no));
			kam_log_set_text(row, KAM_LOG_PLAY, enrolment.play);
			kam_log_set_text(row, KAM_LOG_PROPOSAL, enrolment.proposal);
			return;
		}
	}
	else if (name == NULL && active == 1 && of->play != NULL && asked->event != KAM_TOUCH_OBSERVED)
	{
		kam_log_set_text(row, KAM_LOG_PLAY, of->play);
		kam_log_set_text(row, KAM_LOG_PROPOSAL, of->proposal);
		return;
	}
	if (name != NULL)
	{
		kam_read_play(name, at, &play);
		inherit(row, name, &play);
	}
}

/* ---- requests ---------------------------------------------------------------------------- */

/* Enrolment and state of what was executed.  Returns the enrolment's number. */
static int
execute(const Asked *asked, KamLogRow *row, KamProspect *prospect, const KamView *view, const KamVerdict *verdict,
		TimestampTz until, KamNote *note)
{
	bool		competes = asked->family < KAM_COMPETING;
	int			no = view->enrolment.no;

	if (asked->event == KAM_TOUCH)
	{
		if (!competes)
			return no;
		kam_prospect_count(prospect, view->at);
		prospect->active[asked->family].step = Max(prospect->active[asked->family].step, asked->step);
		prospect->last_at = view->at;
		KAM_MUTATE(4, kam_prospect_store_touch(prospect), (void) 0);
		return no;
	}

	if (verdict->displaced != KAM_NO_FAMILY)
	{
		KamActive  *loser = &prospect->active[verdict->displaced];

		note->displaced = *loser;
		note->displaced.sequence = kam_note_string(loser->sequence);
		note->displaced.type = kam_note_string(loser->type);
		note->displaced.play = kam_note_string(loser->play);
		note->displaced.proposal = kam_note_string(loser->proposal);
		note->displaced_family = verdict->displaced;
		note->displaced_until = verdict->displaced_until;
		kam_enrolment_pause(prospect->lead_id, loser->sequence, loser->enrolment, "conflict", view->at);
		memset(loser, 0, sizeof(*loser));
	}
	if (asked->event == KAM_RESUME || view->enrolment.state == KAM_ENROLMENT_QUEUED)
		kam_enrolment_activate(prospect->lead_id, view->sequence, no, view->at);
	else
	{
		no++;
		kam_enrolment_insert(&(KamEnrolmentRow) {
			.lead_id = prospect->lead_id, .sequence = view->sequence, .type = asked->type, .no = no, .family = asked->family,
			.agent = kam_log_text(row, KAM_LOG_AGENT), .state = KAM_ENROLMENT_ACTIVE, .payload = asked->payload,
			.play = kam_log_text(row, KAM_LOG_PLAY), .proposal = kam_log_text(row, KAM_LOG_PROPOSAL), .until = until, .at = view->at,
		});
	}
	if (competes)
	{
		prospect->active[asked->family] = (KamActive) {
			.sequence = view->sequence, .type = asked->type, .enrolment = no,
			.step = no == view->enrolment.no ? view->enrolment.step : -1,
			.play = kam_log_text(row, KAM_LOG_PLAY), .proposal = kam_log_text(row, KAM_LOG_PROPOSAL), .until = until,
		};
		prospect->last_at = view->at;
		kam_prospect_store(prospect);
	}
	else
	{
		/* For older snapshots, as in put_off(). */
		prospect->last_at = view->at;
		kam_prospect_store_holding(prospect);
	}
	return no;
}

/* What waits: an activation becomes a queued enrolment, a touch makes the lead one with holds. */
static int
put_off(const Asked *asked, KamLogRow *row, KamProspect *prospect, const KamView *view, const KamVerdict *verdict, TimestampTz until)
{
	int			no = view->enrolment.no;

	/*
	 * Always written, or a REPEATABLE READ transaction whose snapshot is older
	 * would lock the lead without 40001 and end all it sees, but not this.
	 */
	prospect->last_at = view->at;
	prospect->holding |= verdict->action == KAM_ACTION_HELD;
	kam_prospect_store_holding(prospect);
	if (verdict->action == KAM_ACTION_HELD)
		return no;
	if (asked->event != KAM_ACTIVATION ||
		(view->enrolment.state != KAM_ENROLMENT_NONE && view->enrolment.state != KAM_ENROLMENT_FINISHED))
		return no;
	kam_enrolment_insert(&(KamEnrolmentRow) {
		.lead_id = prospect->lead_id, .sequence = view->sequence, .type = asked->type, .no = no + 1, .family = asked->family,
		.agent = kam_log_text(row, KAM_LOG_AGENT), .state = KAM_ENROLMENT_QUEUED, .payload = asked->payload,
		.play = kam_log_text(row, KAM_LOG_PLAY), .proposal = kam_log_text(row, KAM_LOG_PROPOSAL), .until = until, .at = view->at,
	});
	return no + 1;
}

static const KamEvent refused_as[] = {
	[KAM_BLOCKED] = KAM_SUPPRESSED,
	[KAM_ACTION_HELD] = KAM_HELD,
	[KAM_QUEUED] = KAM_DEFERRED,
};

static void
judge_request(const Asked *asked, KamLogRow *row, KamProspect *prospect, const KamSurroundings *surroundings,
			  TimestampTz at, KamNote *note)
{
	KamAsk		ask = {
		.event = asked->event, .type = asked->type, .family = asked->family, .sequence = asked->sequence, .step = asked->step,
		.priority = asked->release.parent ? asked->release.priority : payload_priority(asked->payload),
		.place = asked->release.parent ? asked->release.parent : PG_INT64_MAX,
	};
	KamView		view;
	KamVerdict	verdict;
	TimestampTz earliest;
	int			enrolment;
	char		fresh[64];

	kam_view_load(prospect, surroundings, &ask, at, true, &view, &earliest);
	if (asked->event == KAM_ACTIVATION && view.sequence == NULL)
	{
		snprintf(fresh, sizeof(fresh), "sequence-" INT64_FORMAT, kam_log_bigint(row, KAM_LOG_EVENT_ID, 0));
		view.sequence = fresh;
	}
	settle_lineage(row, &view);
	KAM_MUTATE(10, (void) 0, view.abm_active &= asked->release.parent == 0);
	kam_gates_judge(&view, &verdict);
	if (asked->carried)
		keep_waiting(&view, &verdict);

	if (verdict.action == KAM_EXECUTED)
		enrolment = execute(asked, row, prospect, &view, &verdict, view.until, note);
	else if (verdict.action == KAM_BLOCKED)
	{
		enrolment = view.enrolment.no;
		/* Its last chance: what was queued for it waits for nothing. */
		if (asked->release.parent && asked->event == KAM_ACTIVATION && view.enrolment.state == KAM_ENROLMENT_QUEUED)
		{
			kam_enrolments_end(prospect->lead_id, view.sequence, "suppressed", at, true);
			prospect->last_at = at;
			kam_prospect_store(prospect);
		}
	}
	else
		enrolment = put_off(asked, row, prospect, &view, &verdict, view.until);

	if (verdict.action != KAM_EXECUTED)
		kam_log_set_text(row, KAM_LOG_EVENT_TYPE,
						 kam_event_name(verdict.gate == KAM_GATES ? KAM_REJECTED : refused_as[verdict.action]));
	kam_log_set_text(row, KAM_LOG_SEQUENCE_ID, view.sequence);
	kam_log_set_text(row, KAM_LOG_ACTION, kam_outcome_name(verdict.action));
	kam_log_set_text(row, KAM_LOG_RESOLUTION, verdict.resolution);
	kam_log_set_text(row, KAM_LOG_REASON, verdict.reason);
	kam_log_set_text(row, KAM_LOG_COMPLIANCE, kam_compliance_name(verdict.compliance));
	kam_log_set_time(row, KAM_LOG_RELEASE_AT, verdict.release_at);
	kam_log_set(row, KAM_LOG_COUNT, Int32GetDatum(view.count));
	if (enrolment > 0)
		kam_log_set(row, KAM_LOG_ENROLMENT, Int32GetDatum(enrolment));
	if (verdict.action == KAM_EXECUTED && asked->event == KAM_TOUCH && asked->family < KAM_COMPETING)
	{
		kam_log_set(row, KAM_LOG_COUNTED, BoolGetDatum(true));
		kam_log_set_time(row, KAM_LOG_TOUCH_AT, at);
		kam_log_set(row, KAM_LOG_TOUCH_NO, Int64GetDatum(prospect->touch_no));
		kam_log_set_time(row, KAM_LOG_EARLIEST, earliest);
	}
	note->action = verdict.action;
	note->flag = verdict.flag;
	note->priority = ask.priority;
	note->until = view.until;
	note->before = view.enrolment.state;
}

/* ---- facts ---------------------------------------------------------------------------------- */

/* What a fact does to enrolments. */
typedef struct FactRule
{
	const char *ends;			/* end_reason, or NULL */
	const char *pauses;			/* paused_reason, or NULL */
	bool		everything;		/* all sequences, transactional ones too, whichever is named */
	bool		unsubscribes,
				opts_out;
} FactRule;

static const FactRule fact_rule[] = {
	[KAM_REPLY] = {.ends = "replied"},
	[KAM_MEETING_BOOKED] = {.ends = "meeting_booked"},
	[KAM_BOUNCE] = {.ends = "bounced"},
	[KAM_OUT_OF_OFFICE] = {.pauses = "out_of_office"},
	[KAM_OPT_OUT] = {.ends = "opted_out", .everything = true, .opts_out = true},
	[KAM_UNSUBSCRIBE] = {.ends = "unsubscribed", .everything = true, .unsubscribes = true},
	[KAM_PAUSE] = {.pauses = "manual"},
	[KAM_STOP] = {.ends = "stopped"},
	[KAM_COMPLETE] = {.ends = "completed"},
	[KAM_SEND_FAILED] = {NULL},
};

static void
apply_rule(const FactRule *rule, const Asked *asked, KamProspect *prospect, TimestampTz at, KamNote *note)
{
	const char *sequence = rule->everything ? NULL : asked->sequence;

	if (rule->ends != NULL)
		kam_enrolments_end(prospect->lead_id, sequence, rule->ends, at, rule->everything);
	if (rule->pauses != NULL)
		kam_enrolments_pause(prospect->lead_id, sequence, rule->pauses, at);
	if (rule->ends != NULL || rule->pauses != NULL)
	{
		for (int i = 0; i < KAM_COMPETING; i++)
		{
			KamActive  *active = &prospect->active[i];

			if (active->sequence == NULL || (sequence != NULL && strcmp(active->sequence, sequence) != 0))
				continue;
			if (rule->pauses != NULL && note->paused == NULL)
			{
				note->paused = kam_note_string(active->sequence);
				note->paused_type = kam_note_string(active->type);
			}
			memset(active, 0, sizeof(*active));
		}
	}
	prospect->unsubscribed |= rule->unsubscribes;
	prospect->opted_out |= rule->opts_out;
}

static void
free_slot(const Asked *asked, KamLogRow *row, KamProspect *prospect)
{
	int64		touch = asked->parent ? asked->parent : payload_event_id(asked->payload);

	if (touch == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("send_failed must name the touch that failed"),
				 errhint("Give its event_id as parent_event_id, or as event_id in the payload.")));
	kam_log_set(row, KAM_LOG_PARENT, Int64GetDatum(touch));
	if (kam_log_uncount(prospect->lead_id, touch))
		kam_prospect_rebuild(prospect);
}

static void
record_fact(const Asked *asked, KamLogRow *row, KamProspect *prospect, const KamSurroundings *surroundings,
			TimestampTz at, KamNote *note)
{
	KamView		view = {.prospect = prospect, .address_suppressed = surroundings->address_suppressed};
	bool		full;
	int64		window = (int64) kam_touch_window * USECS_PER_SEC;
	TimestampTz ignored;
	int			count = kam_touches_within(prospect, at, window, &full);

	if (full)
		count = kam_read_touches(prospect->lead_id, at - window, 1, true, &ignored);
	kam_log_set(row, KAM_LOG_COUNT, Int32GetDatum(count));
	kam_log_set_text(row, KAM_LOG_COMPLIANCE, kam_compliance_name(kam_compliance_of(&view)));
	kam_log_set_text(row, KAM_LOG_ACTION, kam_outcome_name(KAM_RECORDED));
	if (asked->event != KAM_SEND_FAILED)
		kam_log_set_null(row, KAM_LOG_PARENT);
	settle_fact_lineage(asked, row, prospect, at);

	if (kam_read_signals(asked->event))
		kam_enrolments_signal(prospect->lead_id, asked->event, kam_log_text(row, KAM_LOG_CHANNEL), asked->sequence, asked->family,
							  asked->occurred_at != KAM_NO_STAMP ? asked->occurred_at : at);
	prospect->last_at = at;
	if (asked->event == KAM_TOUCH_OBSERVED)
	{
		TimestampTz touch_at = asked->occurred_at != KAM_NO_STAMP ? asked->occurred_at : at;

		if (asked->family != KAM_TRANSACTIONAL)
		{
			kam_prospect_count(prospect, touch_at);
			kam_log_set(row, KAM_LOG_COUNTED, BoolGetDatum(true));
			kam_log_set_time(row, KAM_LOG_TOUCH_AT, touch_at);
			kam_log_set(row, KAM_LOG_TOUCH_NO, Int64GetDatum(prospect->touch_no));
			note->breach = kam_touch_cap >= 0 && touch_at > at - window && count >= kam_touch_cap;
		}
	}
	else if (asked->event == KAM_SEND_FAILED)
		free_slot(asked, row, prospect);
	else if (asked->event != KAM_BOUNCE || !payload_says(asked->payload, "type", "soft"))
		apply_rule(&fact_rule[asked->event], asked, prospect, at, note);
	prospect->last_at = at;
	kam_prospect_store(prospect);
	note->action = KAM_RECORDED;
}

/* ---- the trigger -------------------------------------------------------------------------------- */

/* A partition cannot move its row to another: the lead that stands for a merged one may belong elsewhere. */
static void
set_lead(KamLogRow *row, const Asked *asked, const KamProspect *prospect)
{
	if (strcmp(asked->lead_id, prospect->lead_id) == 0)
		return;
	if (row->relation->rd_rel->relispartition)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("lead \"%s\" was merged into \"%s\"", asked->lead_id, prospect->lead_id),
				 errhint("Where the log is partitioned, insert for the lead that stands for it.")));
	kam_log_set_text(row, KAM_LOG_LEAD_ID, prospect->lead_id);
}

static void
decide(KamLogRow *row)
{
	Asked		asked;
	KamProspect prospect;
	KamSurroundings surroundings;
	KamNote		note = {.family = KAM_NO_FAMILY, .displaced_until = KAM_NO_STAMP, .until = KAM_NO_STAMP};
	TimestampTz at;

	read_asked(row, &asked);
	wipe_outcome(row);
	kam_prospect_lock(asked.lead_id, row->relation, &prospect);
	set_lead(row, &asked, &prospect);
	/* Who was erased was flagged: what others still say of the person is recorded without its words. */
	if (prospect.opted_out && asked.payload != NULL && kam_erasures() && kam_read_erased(prospect.lead_id, true))
	{
		kam_log_set_null(row, KAM_LOG_PAYLOAD);
		asked.payload = NULL;
	}

	at = kam_now();
	if (prospect.last_at != KAM_NO_STAMP && at <= prospect.last_at)
		at = prospect.last_at + 1;
	note.event_id = kam_log_next_id();
	kam_log_set(row, KAM_LOG_EVENT_ID, Int64GetDatum(note.event_id));
	kam_log_set_time(row, KAM_LOG_EVENT_AT, at);
	kam_log_set(row, KAM_LOG_GATE_VERSION, Int16GetDatum(KAM_GATE_VERSION));
	kam_log_set_text(row, KAM_LOG_REQUESTED, kam_event_name(asked.event));
	kam_log_set_text(row, KAM_LOG_FAMILY, kam_family_name(asked.family));
	note.family = asked.family;
	note.event = asked.event;

	kam_read_surroundings(&prospect, asked.key, true, row->relation, &surroundings);
	if (surroundings.key_used)
	{
		/* The unique index raises 23505, or ON CONFLICT skips the row; either way nothing was done. */
		kam_log_set_text(row, KAM_LOG_EVENT_TYPE, kam_event_name(KAM_CANCELLED));
		kam_log_set_text(row, KAM_LOG_ACTION, kam_outcome_name(KAM_RECORDED));
		kam_log_set_null(row, KAM_LOG_PARENT);
		return;
	}
	if (kam_event_kind(asked.event) == KAM_REQUEST)
	{
		if (asked.release.parent == 0)
			kam_log_set_null(row, KAM_LOG_PARENT);
		judge_request(&asked, row, &prospect, &surroundings, at, &note);
	}
	else
		record_fact(&asked, row, &prospect, &surroundings, at, &note);
	note.digest = kam_log_digest(row);
	kam_note_put(&note);
}

Datum
kam_cadence_gate(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	MemoryContext caller = CurrentMemoryContext;
	KamLogRow	row;
	KamOwner	owner;
	HeapTuple	result;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("the gate must be fired BEFORE INSERT, FOR EACH ROW")));
	kam_log_row_read(&row, trigger->tg_relation, trigger->tg_trigtuple);
	if (kam_announced(kam_log_bigint(&row, KAM_LOG_EVENT_ID, 0)))
	{
		kam_note_put(&(KamNote) {
			.event_id = kam_log_bigint(&row, KAM_LOG_EVENT_ID, 0), .digest = kam_log_digest(&row), .system = true,
		});
		return PointerGetDatum(trigger->tg_trigtuple);
	}
	if (kam_owner_restores(&row))
	{
		kam_note_restored();
		return PointerGetDatum(trigger->tg_trigtuple);
	}

	kam_owner_begin(&owner, trigger->tg_relation);
	SPI_connect();
	/* What is made here outlives the SPI connection. */
	MemoryContextSwitchTo(caller);
	decide(&row);
	SPI_finish();
	kam_owner_end(&owner);
	MemoryContextSwitchTo(caller);
	result = kam_log_row_form(&row);
	return PointerGetDatum(result);
}
