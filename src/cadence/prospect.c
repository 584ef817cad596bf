/*
 * cadence/prospect.c: a lead under its lock: its row in Leads and the row of
 * prospect_state, read fresh and written back.
 *
 * Runs in whatever process inserts into the log.  Nothing here decides.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "cadence/mutant.h"
#include "cadence/probe.h"
#include "cadence/prospect.h"
#include "cadence/sql.h"
#include "pg/compat.h"
#include "store/statement.h"

enum
{
	P_MERGED_INTO, P_ACCOUNT, P_TIER, P_EMAIL, P_PHONE, P_LINKEDIN, P_UNSUBSCRIBE, P_OPT_OUT, P_SALES_SIGNAL, P_MARKETING_SIGNAL, P_STATE,
	P_COLUMNS
};

/* The state comes as one value: the executor's set-up costs by the column, at each of its steps. */
#define COLUMNS \
	"SELECT l.merged_into, l.account_id, l.icp_tier, l.email, l.phone, l.linkedin_url, l.unsubscribe_flag, l.opt_out_flag," \
	" l.sales_signal_at, l.marketing_signal_at, s"

/* A column and what it is read as. */
typedef struct Column
{
	const char *name;
	Oid			type;
} Column;

static const Column lead_column[P_STATE] = {
	{"merged_into", TEXTOID}, {"account_id", TEXTOID}, {"icp_tier", TEXTOID}, {"email", TEXTOID}, {"phone", TEXTOID}, {"linkedin_url", TEXTOID},
	{"unsubscribe_flag", BOOLOID}, {"opt_out_flag", BOOLOID}, {"sales_signal_at", TIMESTAMPTZOID}, {"marketing_signal_at", TIMESTAMPTZOID},
};

enum
{
	S_LAST_AT, S_TOUCH_NO, S_TOUCHES, S_UNSUBSCRIBED, S_OPTED_OUT, S_HOLDING, S_STALE,
	S_ACTIVE,					/* first of KAM_COMPETING times: */
	S_ACTIVE_COLUMNS = 7,
	S_COLUMNS = S_ACTIVE + KAM_COMPETING * S_ACTIVE_COLUMNS
};

static const Column state_column[S_COLUMNS] = {
	{"last_at", TIMESTAMPTZOID}, {"touch_no", INT8OID}, {"touches", TIMESTAMPTZARRAYOID}, {"unsubscribed", BOOLOID}, {"opted_out", BOOLOID},
	{"holding", BOOLOID}, {"stale", BOOLOID},
	{"sales_sequence", TEXTOID}, {"sales_type", TEXTOID}, {"sales_enrolment", INT4OID}, {"sales_step", INT4OID}, {"sales_play", TEXTOID},
	{"sales_proposal", TEXTOID}, {"sales_until", TIMESTAMPTZOID},
	{"marketing_sequence", TEXTOID}, {"marketing_type", TEXTOID}, {"marketing_enrolment", INT4OID}, {"marketing_step", INT4OID},
	{"marketing_play", TEXTOID}, {"marketing_proposal", TEXTOID}, {"marketing_until", TIMESTAMPTZOID},
};

/*
 * The lock is the read: after a wait, the columns of both rows are those just
 * committed, and no others could be trusted.
 */
static KamStatement lock_lead = {
	"lock lead",
	COLUMNS " FROM kam.leads l JOIN kam.prospect_state s ON s.lead_id" EQ "l.lead_id WHERE l.lead_id" EQ "$1"
	KAM_MUTATE(5, " FOR NO KEY UPDATE OF l, s", ""),
	1, {TEXTOID}, .generic = true
};

static KamStatement look_at_lead = {
	"look at lead",
	COLUMNS " FROM kam.leads l LEFT JOIN kam.prospect_state s ON s.lead_id" EQ "l.lead_id WHERE l.lead_id" EQ "$1",
	1, {TEXTOID}, .read_only = true, .generic = true
};

static KamStatement derive_lead = {
	"derive lead",
	COLUMNS " FROM kam.leads l CROSS JOIN LATERAL kam._derive_state(l.lead_id) s WHERE l.lead_id" EQ "$1",
	1, {TEXTOID}, .read_only = true, .generic = true
};

static KamStatement lock_lead_alone = {
	"lock lead without state",
	"SELECT l.merged_into FROM kam.leads l WHERE l.lead_id" EQ "$1 FOR NO KEY UPDATE",
	1, {TEXTOID}, .generic = true
};

static KamStatement rebuild_state = {
	"rebuild state",
	"SELECT kam._rebuild_state($1)",
	1, {TEXTOID}, .generic = true
};

static KamStatement find_alias = {
	"find alias",
	"SELECT a.canonical_id FROM kam.lead_alias a WHERE a.lead_id" EQ "$1",
	1, {TEXTOID}, .generic = true
};

static KamStatement look_for_alias = {
	"look for alias",
	"SELECT a.canonical_id FROM kam.lead_alias a WHERE a.lead_id" EQ "$1",
	1, {TEXTOID}, .read_only = true, .generic = true
};

static KamStatement store_state = {
	"store state",
	"UPDATE kam.prospect_state SET last_at = $2, touch_no = $3, touches = $4, unsubscribed = $5, opted_out = $6, holding = $7,"
	" sales_sequence = $8, sales_type = $9, sales_enrolment = $10, sales_step = $11, sales_play = $12, sales_proposal = $13, sales_until = $14,"
	" marketing_sequence = $15, marketing_type = $16, marketing_enrolment = $17, marketing_step = $18, marketing_play = $19,"
	" marketing_proposal = $20, marketing_until = $21 WHERE lead_id" EQ "$1",
	21, {TEXTOID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZARRAYOID, BOOLOID, BOOLOID, BOOLOID,
		TEXTOID, TEXTOID, INT4OID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID,
	TEXTOID, TEXTOID, INT4OID, INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID}, .generic = true
};

static KamStatement store_touch = {
	"store touch",
	"UPDATE kam.prospect_state SET last_at = $2, touch_no = $3, touches = $4, sales_step = $5, marketing_step = $6"
	" WHERE lead_id" EQ "$1",
	6, {TEXTOID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZARRAYOID, INT4OID, INT4OID}, .generic = true
};

static KamStatement store_holding = {
	"store holding",
	"UPDATE kam.prospect_state SET holding = $2, last_at = $3 WHERE lead_id" EQ "$1",
	3, {TEXTOID, BOOLOID, TIMESTAMPTZOID}, .generic = true
};

static const char *
text_of(const Datum *value, const bool *null, int column)
{
	return null[column] ? NULL : TextDatumGetCString(value[column]);
}

static TimestampTz
time_of(const Datum *value, const bool *null, int column)
{
	return null[column] ? KAM_NO_STAMP : DatumGetTimestampTz(value[column]);
}

static void
read_touches(Datum value, KamProspect *out)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	int			count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	const TimestampTz *stamp = (const TimestampTz *) ARR_DATA_PTR(array);

	out->ntouches = Min(count, KAM_RING);
	/* The newest stand last. */
	for (int i = 0; i < out->ntouches; i++)
		out->touches[i] = stamp[count - out->ntouches + i];
}

static void
read_active(const Datum *value, const bool *null, KamActive *out)
{
	out->sequence = text_of(value, null, 0);
	out->type = text_of(value, null, 1);
	out->enrolment = null[2] ? 0 : DatumGetInt32(value[2]);
	out->step = null[3] ? -1 : DatumGetInt32(value[3]);
	out->play = text_of(value, null, 4);
	out->proposal = text_of(value, null, 5);
	out->until = time_of(value, null, 6);
}

/* Where the columns of a table stand, learnt once. */
typedef struct Layout
{
	const Column *column;
	int			count;
	AttrNumber	place[S_COLUMNS];	/* 0: not learnt */
	Oid			type[S_COLUMNS];
} Layout;

static Layout lead_layout = {lead_column, lengthof(lead_column)};
static Layout state_layout = {state_column, lengthof(state_column)};

StaticAssertDecl(lengthof(lead_column) <= S_COLUMNS, "a layout holds the longer of both lists");

static bool
layout_holds(const Layout *layout, TupleDesc desc, int i)
{
	AttrNumber	place = layout->place[i];
	Form_pg_attribute attribute;

	if (place <= 0 || place > desc->natts)
		return false;
	attribute = TupleDescAttr(desc, place - 1);
	/* A column that was dropped has another name by then. */
	return attribute->atttypid == layout->type[i] && strcmp(NameStr(attribute->attname), layout->column[i].name) == 0;
}

/* Whatever ALTER TABLE did since the last row: a column is known by name and type. */
static const AttrNumber *
learn_layout(Layout *layout, TupleDesc desc)
{
	for (int i = 0; i < layout->count; i++)
	{
		AttrNumber	place;

		if (layout_holds(layout, desc, i))
			continue;
		layout->place[i] = 0;
		place = kam_probe_place(desc, layout->column[i].name, layout->column[i].type);
		layout->type[i] = TupleDescAttr(desc, place - 1)->atttypid;
		layout->place[i] = place;
	}
	return layout->place;
}

/* Takes a row of prospect_state apart, in the order of state_column. */
static void
read_state(Datum state, Datum *value, bool *null)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(state);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_tableOid = InvalidOid, .t_data = header};
	const AttrNumber *place = learn_layout(&state_layout, desc);
	Datum	   *all = palloc_array(Datum, desc->natts);
	bool	   *all_null = palloc_array(bool, desc->natts);

	ItemPointerSetInvalid(&tuple.t_self);
	heap_deform_tuple(&tuple, desc, all, all_null);
	for (int i = 0; i < S_COLUMNS; i++)
	{
		value[i] = all[place[i] - 1];
		null[i] = all_null[place[i] - 1];
	}
	ReleaseTupleDesc(desc);
}

/* The values that both rows have to say. */
static void
read_values(const char *lead_id, const Datum *value, const bool *null, const Datum *state, const bool *state_null, KamProspect *out)
{
	const char *tier;

	memset(out, 0, sizeof(*out));
	out->lead_id = lead_id;
	out->account_id = text_of(value, null, P_ACCOUNT);
	tier = text_of(value, null, P_TIER);
	out->tier = kam_tier_find(tier);
	out->email = text_of(value, null, P_EMAIL);
	out->phone = text_of(value, null, P_PHONE);
	out->linkedin_url = text_of(value, null, P_LINKEDIN);
	out->unsubscribed = DatumGetBool(value[P_UNSUBSCRIBE]) || DatumGetBool(state[S_UNSUBSCRIBED]);
	out->opted_out = DatumGetBool(value[P_OPT_OUT]) || DatumGetBool(state[S_OPTED_OUT]);
	out->sales_signal = time_of(value, null, P_SALES_SIGNAL);
	out->marketing_signal = time_of(value, null, P_MARKETING_SIGNAL);
	out->last_at = time_of(state, state_null, S_LAST_AT);
	out->touch_no = DatumGetInt64(state[S_TOUCH_NO]);
	read_touches(state[S_TOUCHES], out);
	out->holding = DatumGetBool(state[S_HOLDING]);
	for (int i = 0; i < KAM_COMPETING; i++)
	{
		int			first = S_ACTIVE + i * S_ACTIVE_COLUMNS;

		read_active(state + first, state_null + first, &out->active[i]);
	}
}

/*
 * Reads the row in SPI_tuptable.  False when its state is missing or stale;
 * *merged_into tells whose lead this is now.
 */
static bool
read_row(const char *lead_id, KamProspect *out, const char **merged_into)
{
	Datum		value[P_COLUMNS];
	bool		null[P_COLUMNS];
	Datum		state[S_COLUMNS];
	bool		state_null[S_COLUMNS];

	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, value, null);
	*merged_into = text_of(value, null, P_MERGED_INTO);
	if (null[P_STATE])
		return false;
	read_state(value[P_STATE], state, state_null);
	if (DatumGetBool(state[S_STALE]))
		return false;
	read_values(lead_id, value, null, state, state_null, out);
	return true;
}

static uint64
run_for(KamStatement *statement, const char *lead_id)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	return kam_statement_run(statement, &values);
}

KAM_NORETURN static void raise_unknown(const char *lead_id);

static void
raise_unknown(const char *lead_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("there is no lead \"%s\"", lead_id),
			 errdetail("Key (lead_id)=(%s) is not present in table \"leads\".", lead_id),
			 errhint("Insert it into kam.Leads first.")));
}

/* Whose lead this is since a merge; raises when nobody has heard of it. */
static const char *
canonical_of(KamStatement *look_up, const char *lead_id)
{
	if (run_for(look_up, lead_id) == 0)
		raise_unknown(lead_id);
	return kam_column_text(CurrentMemoryContext, 0, 1);
}

typedef enum LockOutcome
{
	LOCKED,						/* *out is read, or *merged_into */
	LOCKED_WITHOUT_STATE,
	NO_LEAD,
	BY_SQL						/* not to be locked here */
} LockOutcome;

static void
read_slot(TupleTableSlot *slot, Layout *layout, Datum *value, bool *null)
{
	const AttrNumber *place = learn_layout(layout, slot->tts_tupleDescriptor);

	for (int i = 0; i < layout->count; i++)
		value[i] = slot_getattr(slot, place[i], &null[i]);
}

static const KamProbeTarget lead_by_id = {"leads", NULL, {"lead_id"}};
static const KamProbeTarget state_by_id = {"prospect_state", NULL, {"lead_id"}};

static LockOutcome
lock_rows(const char *lead_id, Snapshot snapshot, KamProspect *out, const char **merged_into)
{
	KamProbe	lead,
				state;
	LockOutcome outcome = NO_LEAD;

	if (!kam_probe_open(&lead, &lead_by_id, snapshot, RowShareLock))
		return BY_SQL;
	if (!kam_probe_open(&state, &state_by_id, snapshot, RowShareLock))
	{
		kam_probe_close(&lead);
		return BY_SQL;
	}
	if (KAM_MUTATE(5, kam_probe_lock, kam_probe_find) (&lead, &lead_id))
	{
		Datum		value[P_COLUMNS],
					state_value[S_COLUMNS];
		bool		null[P_COLUMNS],
					state_null[S_COLUMNS];
		bool		found = KAM_MUTATE(5, kam_probe_lock, kam_probe_find) (&state, &lead_id);

		read_slot(lead.slot, &lead_layout, value, null);
		if (found)
			read_slot(state.slot, &state_layout, state_value, state_null);
		*merged_into = text_of(value, null, P_MERGED_INTO);
		outcome = LOCKED_WITHOUT_STATE;
		if (found && !DatumGetBool(state_value[S_STALE]))
		{
			read_values(lead_id, value, null, state_value, state_null, out);
			outcome = LOCKED;
		}
	}
	kam_probe_close(&state);
	kam_probe_close(&lead);
	return outcome;
}

/* The lock statement without the statement: the same rows, locks and snapshot. */
static LockOutcome
lock_directly(const char *lead_id, KamProspect *out, const char **merged_into)
{
	LockOutcome outcome;

	CommandCounterIncrement();
	PushCopiedSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	outcome = lock_rows(lead_id, GetActiveSnapshot(), out, merged_into);
	PopActiveSnapshot();
	return outcome;
}

/* Merges never make chains, so a second step means a merge just committed. */
#define MOST_STEPS 8

void
kam_prospect_lock(const char *lead_id, Relation log, KamProspect *out)
{
	bool		by_name = kam_probe_fits(log);

	for (int i = 0; i < MOST_STEPS; i++)
	{
		const char *merged_into = NULL;
		LockOutcome outcome = by_name ? lock_directly(lead_id, out, &merged_into) : BY_SQL;

		if (outcome == LOCKED || outcome == LOCKED_WITHOUT_STATE)
		{
			if (merged_into != NULL)
				lead_id = merged_into;
			else if (outcome == LOCKED)
				return;
			else
				run_for(&rebuild_state, lead_id);
		}
		else if (outcome == NO_LEAD)
			lead_id = canonical_of(&find_alias, lead_id);
		else if (run_for(&lock_lead, lead_id) > 0)
		{
			bool		known = read_row(lead_id, out, &merged_into);

			if (merged_into != NULL)
				lead_id = merged_into;
			else if (known)
				return;
			else
				run_for(&rebuild_state, lead_id);
		}
		else if (run_for(&lock_lead_alone, lead_id) > 0)
		{
			merged_into = kam_column_text(CurrentMemoryContext, 0, 1);
			if (merged_into != NULL)
				lead_id = merged_into;
			else
				run_for(&rebuild_state, lead_id);
		}
		else
			lead_id = canonical_of(&find_alias, lead_id);
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("lead \"%s\" is being merged", lead_id),
			 errhint("Retry.")));
}

void
kam_prospect_look(const char *lead_id, KamProspect *out)
{
	for (int i = 0; i < MOST_STEPS; i++)
	{
		const char *merged_into = NULL;

		if (run_for(&look_at_lead, lead_id) == 0)
			lead_id = canonical_of(&look_for_alias, lead_id);
		else if (read_row(lead_id, out, &merged_into))
		{
			if (merged_into == NULL)
				return;
			lead_id = merged_into;
		}
		else if (merged_into != NULL)
			lead_id = merged_into;
		else if (run_for(&derive_lead, lead_id) > 0 && read_row(lead_id, out, &merged_into))
			return;
		else
			elog(ERROR, "the state of lead \"%s\" cannot be derived", lead_id);
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("lead \"%s\" is being merged", lead_id),
			 errhint("Retry.")));
}

void
kam_prospect_rebuild(KamProspect *prospect)
{
	const KamProspect before = *prospect;

	run_for(&rebuild_state, prospect->lead_id);
	kam_prospect_lock(prospect->lead_id, NULL, prospect);
	/* What earlier rows of the statement did stands in the tables only when the statement ends. */
	prospect->unsubscribed |= before.unsubscribed;
	prospect->opted_out |= before.opted_out;
	prospect->holding |= before.holding;
	for (int i = 0; i < KAM_COMPETING; i++)
	{
		KamActive  *active = &prospect->active[i];

		if (active->sequence != NULL && before.active[i].sequence != NULL && strcmp(active->sequence, before.active[i].sequence) == 0 &&
			active->enrolment == before.active[i].enrolment)
			active->step = Max(active->step, before.active[i].step);
	}
}

/* ---- writing back ------------------------------------------------------------- */

static void
add_touches(KamValues *values, const KamProspect *prospect)
{
	Datum		stamp[KAM_RING];

	for (int i = 0; i < prospect->ntouches; i++)
		stamp[i] = TimestampTzGetDatum(prospect->touches[i]);
	kam_values_add(values, PointerGetDatum(construct_array(stamp, prospect->ntouches, TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)));
}

static void
add_int_from(KamValues *values, int value, int least)
{
	if (value < least)
		kam_values_add_null(values);
	else
		kam_values_add(values, Int32GetDatum(value));
}

static void
run_update(KamStatement *statement, const KamValues *values, const KamProspect *prospect)
{
	if (kam_statement_run(statement, values) != 1)
		elog(ERROR, "the state of lead \"%s\" is gone", prospect->lead_id);
}

void
kam_prospect_store(const KamProspect *prospect)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, prospect->lead_id);
	kam_values_add_time(&values, prospect->last_at);
	kam_values_add(&values, Int64GetDatum(prospect->touch_no));
	add_touches(&values, prospect);
	kam_values_add(&values, BoolGetDatum(prospect->unsubscribed));
	kam_values_add(&values, BoolGetDatum(prospect->opted_out));
	kam_values_add(&values, BoolGetDatum(prospect->holding));
	for (int i = 0; i < KAM_COMPETING; i++)
	{
		const KamActive *active = &prospect->active[i];

		kam_values_add_text(&values, active->sequence);
		kam_values_add_text(&values, active->type);
		add_int_from(&values, active->enrolment, 1);
		add_int_from(&values, active->sequence ? active->step : -1, 0);
		kam_values_add_text(&values, active->play);
		kam_values_add_text(&values, active->proposal);
		kam_values_add_time(&values, active->sequence ? active->until : KAM_NO_STAMP);
	}
	run_update(&store_state, &values, prospect);
}

void
kam_prospect_store_touch(const KamProspect *prospect)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, prospect->lead_id);
	kam_values_add_time(&values, prospect->last_at);
	kam_values_add(&values, Int64GetDatum(prospect->touch_no));
	add_touches(&values, prospect);
	for (int i = 0; i < KAM_COMPETING; i++)
		add_int_from(&values, prospect->active[i].sequence ? prospect->active[i].step : -1, 0);
	run_update(&store_touch, &values, prospect);
}

void
kam_prospect_store_holding(const KamProspect *prospect)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, prospect->lead_id);
	kam_values_add(&values, BoolGetDatum(prospect->holding));
	kam_values_add_time(&values, prospect->last_at);
	run_update(&store_holding, &values, prospect);
}

void
kam_prospect_count(KamProspect *prospect, TimestampTz touch_at)
{
	int			place = prospect->ntouches;

	prospect->touch_no++;
	while (place > 0 && prospect->touches[place - 1] > touch_at)
		place--;
	if (prospect->ntouches == KAM_RING)
	{
		/* Older than all that are kept: it changes nothing that they answer. */
		if (place == 0)
			return;
		memmove(prospect->touches, prospect->touches + 1, (place - 1) * sizeof(TimestampTz));
		prospect->touches[place - 1] = touch_at;
		return;
	}
	memmove(prospect->touches + place + 1, prospect->touches + place, (prospect->ntouches - place) * sizeof(TimestampTz));
	prospect->touches[place] = touch_at;
	prospect->ntouches++;
}
