/*
 * cadence/reads.c: account, suppression, idempotency key, enrolment, holds; and
 * the rules that are the same for every lead, cached per process.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "cadence/erased.h"
#include "cadence/mutant.h"
#include "cadence/probe.h"
#include "cadence/reads.h"
#include "cadence/sql.h"
#include "core/address.h"
#include "store/statement.h"

PG_FUNCTION_INFO_V1(kam_cadence_rules_changed);

static uint64
run(KamStatement *statement, const KamValues *values, bool latest)
{
	/* Under the caller's snapshot nothing may be written: the command counter must stand still. */
	statement->read_only = !latest;
	return KAM_MUTATE(6, latest, false) ? kam_statement_run_latest(statement, values) : kam_statement_run(statement, values);
}

static bool
bool_column(int column)
{
	bool		isnull;
	Datum		value = kam_column(0, column, &isnull);

	return !isnull && DatumGetBool(value);
}

static TimestampTz
time_column(int column)
{
	bool		isnull;
	Datum		value = kam_column(0, column, &isnull);

	return isnull ? KAM_NO_STAMP : DatumGetTimestampTz(value);
}

static const char *
text_column(int column)
{
	return kam_column_text(CurrentMemoryContext, 0, column);
}

/* ---- surroundings ------------------------------------------------------------- */

#define SURROUNDINGS \
	"SELECT a.icp_tier, a.abm_active, EXISTS (SELECT FROM kam.suppression s WHERE s.address OPERATOR(pg_catalog.=) ANY" \
	" (kam._suppression_keys(ARRAY[kam._address($2), " KAM_MUTATE(7, "kam._address_domain($2)", "NULL") ", kam._address($3), kam._address($4)])))"
#define OF_ACCOUNT " FROM (SELECT 1) one LEFT JOIN kam.accounts a ON a.account_id" EQ "$1"

static KamStatement surroundings = {
	"surroundings",
	SURROUNDINGS OF_ACCOUNT,
	4, {TEXTOID, TEXTOID, TEXTOID, TEXTOID}, .generic = true
};

static KamStatement surroundings_and_key = {
	"surroundings and key",
	SURROUNDINGS ", EXISTS (SELECT FROM kam.cadenceeventlog e WHERE e.lead_id" EQ "$5 AND e.idempotency_key" EQ "$6)" OF_ACCOUNT,
	6, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}, .generic = true
};

static void
ask_surroundings(const KamProspect *prospect, const char *key, bool latest, KamSurroundings *out)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, prospect->account_id);
	kam_values_add_text(&values, prospect->email);
	kam_values_add_text(&values, prospect->phone);
	kam_values_add_text(&values, prospect->linkedin_url);
	if (key != NULL)
	{
		kam_values_add_text(&values, prospect->lead_id);
		kam_values_add_text(&values, key);
	}
	run(key != NULL ? &surroundings_and_key : &surroundings, &values, latest);
	out->account_tier = kam_tier_find(text_column(1));
	out->abm_active = bool_column(2);
	out->address_suppressed = bool_column(3);
	out->key_used = KAM_MUTATE(12, key != NULL && bool_column(4), false);
}

/* Whether one of the lead's addresses, as such or hashed, or the domain of its e-mail, is in Suppression. */
static bool
find_suppressed(KamProbe *suppression, const KamProspect *prospect)
{
	const char *const written[] = {prospect->email, prospect->phone, prospect->linkedin_url};
	bool		hashed = kam_erasures();

	for (int i = 0; i < lengthof(written); i++)
	{
		char		address[KAM_ADDRESS_MAX + 1];
		const char *key = address;
		KamAddressKind kind;

		if (written[i] == NULL)
			continue;
		kind = kam_address(written[i], strlen(written[i]), address);
		if (kind == KAM_ADDRESS_NONE)
			continue;
		if (kam_probe_find(suppression, &key))
			return true;
		if (hashed)
		{
			char		erased[KAM_HASHED_LEN + 1];

			kam_erased_key(address, erased);
			key = erased;
			if (kam_probe_find(suppression, &key))
				return true;
		}
		key = i == 0 ? KAM_MUTATE(7, kam_address_domain(kind, address), NULL) : NULL;
		if (key != NULL && kam_probe_find(suppression, &key))
			return true;
	}
	return false;
}

static const KamProbeTarget suppression_by_address = {"suppression", NULL, {"address"}};
static const KamProbeTarget account_by_id = {"accounts", NULL, {"account_id"}};
static const KamProbeTarget log_by_key = {"cadenceeventlog", "cadenceeventlog_idempotency_key", {"lead_id", "idempotency_key"}};

static void
find_account(KamProbe *account, const KamProspect *prospect, KamSurroundings *out)
{
	bool		isnull;
	Datum		value;

	if (!kam_probe_find(account, &prospect->account_id))
		return;
	value = kam_probe_column(account, "icp_tier", TEXTOID, &isnull);
	if (!isnull)
		out->account_tier = kam_tier_find(TextDatumGetCString(value));
	value = kam_probe_column(account, "abm_active", BOOLOID, &isnull);
	out->abm_active = !isnull && DatumGetBool(value);
}

/*
 * The same by key, without a statement.  False when the tables must be read by
 * SQL: the rows go to a partition or a shard, so the tables' names may stand for
 * empty shells.
 */
static bool
probe_surroundings(const KamProspect *prospect, const char *key, Relation log, KamSurroundings *out)
{
	Snapshot	snapshot;
	KamProbe	probe;
	bool		known;

	if (!kam_probe_fits(log))
		return false;
	*out = (KamSurroundings) {.account_tier = KAM_TIER_NONE};
	/* Earlier rows of the same statement are to be seen. */
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(KAM_MUTATE(6, GetLatestSnapshot(), GetTransactionSnapshot()));
	known = kam_probe_open(&probe, &suppression_by_address, snapshot, AccessShareLock);
	if (known)
	{
		out->address_suppressed = find_suppressed(&probe, prospect);
		kam_probe_close(&probe);
	}
	if (known && prospect->account_id != NULL && (known = kam_probe_open(&probe, &account_by_id, snapshot, AccessShareLock)))
	{
		find_account(&probe, prospect, out);
		kam_probe_close(&probe);
	}
	if (known && key != NULL && (known = kam_probe_open(&probe, &log_by_key, snapshot, AccessShareLock)))
	{
		const char *const lead_and_key[] = {prospect->lead_id, key};

		out->key_used = KAM_MUTATE(12, kam_probe_find(&probe, lead_and_key), false);
		kam_probe_close(&probe);
	}
	UnregisterSnapshot(snapshot);
	return known;
}

void
kam_read_surroundings(const KamProspect *prospect, const char *key, bool latest, Relation log, KamSurroundings *out)
{
	if (!probe_surroundings(prospect, key, log, out))
		ask_surroundings(prospect, key, latest, out);
}

static KamStatement find_erased = {
	"erased",
	"SELECT FROM kam.leads l WHERE l.lead_id" EQ "$1 AND l.erased_at IS NOT NULL",
	1, {TEXTOID}, .generic = true
};

bool
kam_read_erased(const char *lead_id, bool latest)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	return run(&find_erased, &values, latest) > 0;
}

/* ---- enrolments ---------------------------------------------------------------- */

/* The step from the log too: Cadence learns of those of this very statement when it ends. */
static KamStatement find_enrolment = {
	"enrolment",
	"SELECT c.enrolment_no, c.state, c.sequence_type, GREATEST(c.current_step, (SELECT pg_catalog.max(e.step) FROM kam.cadenceeventlog e"
	"  WHERE e.lead_id" EQ "$1 AND e.sequence_id" EQ "$2 AND e.enrolment_no" EQ "c.enrolment_no AND e.event_type" EQ "'touch')), c.active_until, c.play_id, c.originating_proposal_id,"
	" (SELECT t.reason FROM kam.cadence o JOIN kam.type_transition t ON t.from_type" EQ "o.sequence_type AND t.to_type" EQ "$3"
	"  WHERE o.lead_id" EQ "$1 AND o.state" NE "'finished' AND o.sequence_id" NE "$2 ORDER BY t.from_type LIMIT 1)"
	" FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT k.* FROM kam.cadence k WHERE k.lead_id" EQ "$1 AND k.sequence_id" EQ "$2"
	"  ORDER BY k.enrolment_no DESC LIMIT 1) c ON true",
	3, {TEXTOID, TEXTOID, TEXTOID}, .generic = true
};

static KamStatement find_paused = {
	"paused sequence",
	"SELECT c.sequence_id FROM kam.cadence c WHERE c.lead_id" EQ "$1 AND c.state" EQ "'paused' AND c.sequence_type" EQ "$2"
	" ORDER BY c.paused_at DESC, c.sequence_id LIMIT 1",
	2, {TEXTOID, TEXTOID}, .generic = true
};

/* A merged lead's steps were executed for the person too, whatever the enrolment.  LIMIT keeps the look into the log behind that for aliases. */
static KamStatement find_step = {
	"step done",
	"SELECT FROM kam.cadenceeventlog e WHERE e.lead_id" EQ "$1 AND e.sequence_id" EQ "$2 AND e.step" EQ "$4 AND e.event_type" EQ "'touch'"
	" AND (e.enrolment_no" EQ "$3 OR (e.enrolment_no IS NULL AND $3 IS NULL))"
	" UNION ALL SELECT FROM kam.lead_alias a CROSS JOIN LATERAL (SELECT FROM kam.cadenceeventlog e WHERE e.lead_id" EQ "a.lead_id"
	"  AND e.sequence_id" EQ "$2 AND e.step" EQ "$4 AND e.event_type" EQ "'touch' LIMIT 1) e WHERE a.canonical_id" EQ "$1 LIMIT 1",
	4, {TEXTOID, TEXTOID, INT4OID, INT4OID}, .generic = true
};

void
kam_read_enrolment(const char *lead_id, const char *sequence, const char *type, bool latest,
				   KamEnrolment *out, const char **illegal)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add_text(&values, sequence);
	kam_values_add_text(&values, type);
	run(&find_enrolment, &values, latest);
	out->no = (int) kam_column_int(0, 1, 0);
	out->state = kam_enrolment_state_find(text_column(2));
	out->type = text_column(3);
	out->step = (int) kam_column_int(0, 4, -1);
	out->until = time_column(5);
	out->play = text_column(6);
	out->proposal = text_column(7);
	*illegal = text_column(8);
}

const char *
kam_read_paused(const char *lead_id, const char *type, bool latest)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add_text(&values, type);
	return run(&find_paused, &values, latest) == 0 ? NULL : text_column(1);
}

bool
kam_read_step_done(const char *lead_id, const char *sequence, int enrolment, int step, bool latest)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add_text(&values, sequence);
	if (enrolment > 0)
		kam_values_add(&values, Int32GetDatum(enrolment));
	else
		kam_values_add_null(&values);
	kam_values_add(&values, Int32GetDatum(step));
	return run(&find_step, &values, latest) > 0;
}

/* ---- holds and touches ----------------------------------------------------------- */

/* What came with a restore waits for kam_resume() and stands in nobody's way. */
static KamStatement find_due_hold = {
	"due hold",
	"SELECT FROM kam.cadencequeue q WHERE q.lead_id" EQ "$1 AND q.state" EQ "'waiting' AND q.kind" EQ "'held' AND q.release_at" LE "$2"
	" AND (q.priority" GT "$3 OR (q.priority" EQ "$3 AND q.event_id" LT "$4)) AND q.home" EQ "kam._home() LIMIT 1",
	4, {TEXTOID, TIMESTAMPTZOID, INT4OID, INT8OID}, .generic = true
};

static KamStatement count_touches = {
	"count touches",
	"SELECT pg_catalog.count(*) FILTER (WHERE e.touch_at" GT "$2),"
	" (pg_catalog.array_agg(e.touch_at ORDER BY e.touch_at USING OPERATOR(pg_catalog.>)))[$3]"
	" FROM kam.cadenceeventlog e WHERE e.counted AND e.touch_no IS NOT NULL AND (e.lead_id" EQ "$1"
	" OR e.lead_id OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT a.lead_id FROM kam.lead_alias a WHERE a.canonical_id" EQ "$1)))",
	3, {TEXTOID, TIMESTAMPTZOID, INT4OID}, .generic = true
};

bool
kam_read_due_hold(const char *lead_id, TimestampTz at, int priority, int64 event_id, bool latest)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add(&values, TimestampTzGetDatum(at));
	kam_values_add(&values, Int32GetDatum(priority));
	kam_values_add(&values, Int64GetDatum(event_id));
	return run(&find_due_hold, &values, latest) > 0;
}

int
kam_read_touches(const char *lead_id, TimestampTz since, int n, bool latest, TimestampTz *nth)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, lead_id);
	kam_values_add(&values, TimestampTzGetDatum(since));
	kam_values_add(&values, Int32GetDatum(n));
	run(&count_touches, &values, latest);
	*nth = time_column(2);
	return (int) kam_column_int(0, 1, 0);
}

/* Of a play that its period ended the period tells, as it told before the schedules had seen to it. */
static KamStatement find_play = {
	"play",
	"SELECT p.originating_proposal_id, p.active_period_end, CASE WHEN p.state" EQ "'draft' THEN 'play_draft'"
	" WHEN p.state" EQ "'ended' AND (p.ended_by" EQ "'AGT-302' AND p.active_period_end" LE "p.ended_at) IS NOT TRUE THEN 'play_ended'"
	" ELSE CASE WHEN p.active_period_start" GT "$2 THEN 'play_not_started' END END FROM kam.salesplaylibrary p WHERE p.play_id" EQ "$1",
	2, {TEXTOID, TIMESTAMPTZOID}, .generic = true
};

void
kam_read_play(const char *play_id, TimestampTz at, KamPlay *out)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_text(&values, play_id);
	kam_values_add_time(&values, at);
	if (run(&find_play, &values, true) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("there is no play \"%s\"", play_id),
				 errdetail("Key (play_id)=(%s) is not present in table \"salesplaylibrary\".", play_id)));
	out->proposal = text_column(1);
	out->until = time_column(2);
	out->illegal = text_column(3);
	out->ended = out->illegal != NULL && strcmp(out->illegal, "play_ended") == 0;
}

/* ---- rules that are the same for every lead ----------------------------------------- */

typedef struct TypeRow
{
	const char *name;
	KamFamily	family;
} TypeRow;

typedef struct RuleRow
{
	const char *type,
			   *channel;
	KamSendRule rule;
} RuleRow;

static struct
{
	bool		loaded;
	uint64		changes;		/* seen so far */
	Oid			types_oid,
				rules_oid,
				signals_oid;
	MemoryContext context;
	TypeRow    *type;
	int			ntypes;
	RuleRow    *rule;
	int			nrules;
	bool		signals[KAM_CANCELLED + 1];
}			cache;

static KamStatement all_types = {
	"sequence types",
	"SELECT t.sequence_type, t.family FROM kam.sequence_type t",
	0, {0}
};

static KamStatement all_rules = {
	"send rules",
	"SELECT r.sequence_type, r.channel, r.mode FROM kam.sendrule r",
	0, {0}
};

static KamStatement all_signals = {
	"signal rules",
	"SELECT r.event_type FROM kam.signal_rule r",
	0, {0}
};

static void
forget_rules(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == cache.types_oid || relation == cache.rules_oid || relation == cache.signals_oid)
	{
		cache.loaded = false;
		cache.changes++;
	}
}

static const char *
kept_name(uint64 row, int column)
{
	return kam_column_text(cache.context, row, column);
}

static void
load_rules(void)
{
	uint64		count,
				changes;
	MemoryContext old;

	if (cache.context == NULL)
	{
		cache.context = AllocSetContextCreate(CacheMemoryContext, "kam rules", ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(forget_rules, (Datum) 0);
	}
	cache.types_oid = get_relname_relid("sequence_type", get_namespace_oid("kam", false));
	cache.rules_oid = get_relname_relid("sendrule", get_namespace_oid("kam", false));
	cache.signals_oid = get_relname_relid("signal_rule", get_namespace_oid("kam", false));
	changes = cache.changes;
	cache.ntypes = cache.nrules = 0;
	memset(cache.signals, 0, sizeof(cache.signals));
	MemoryContextReset(cache.context);

	count = run(&all_types, NULL, true);
	old = MemoryContextSwitchTo(cache.context);
	cache.type = palloc0_array(TypeRow, Max(count, 1));
	MemoryContextSwitchTo(old);
	cache.ntypes = (int) count;
	for (uint64 i = 0; i < count; i++)
	{
		cache.type[i].name = kept_name(i, 1);
		cache.type[i].family = kam_family_find(kam_column_text(CurrentMemoryContext, i, 2));
	}

	count = run(&all_rules, NULL, true);
	old = MemoryContextSwitchTo(cache.context);
	cache.rule = palloc0_array(RuleRow, Max(count, 1));
	MemoryContextSwitchTo(old);
	cache.nrules = (int) count;
	for (uint64 i = 0; i < count; i++)
	{
		const char *mode = kam_column_text(CurrentMemoryContext, i, 3);

		cache.rule[i].type = kept_name(i, 1);
		cache.rule[i].channel = kept_name(i, 2);
		cache.rule[i].rule.send = strcmp(mode, "notify_rep") != 0;
		cache.rule[i].rule.tell_rep = strcmp(mode, "auto_send") != 0;
	}
	count = run(&all_signals, NULL, true);
	for (uint64 i = 0; i < count; i++)
		cache.signals[kam_event_find(kam_column_text(CurrentMemoryContext, i, 1))] = true;
	/* A change that was announced meanwhile makes us read again. */
	cache.loaded = changes == cache.changes;
}

KamFamily
kam_read_family(const char *type)
{
	if (!cache.loaded)
		load_rules();
	for (int i = 0; i < cache.ntypes; i++)
		if (strcmp(cache.type[i].name, type) == 0)
			return cache.type[i].family;
	return KAM_NO_FAMILY;
}

KamSendRule
kam_read_send_rule(const char *type, const char *channel)
{
	const char *where = channel ? channel : "*";
	KamSendRule found = {false, true};

	if (!cache.loaded)
		load_rules();
	for (int i = 0; i < cache.nrules; i++)
	{
		const RuleRow *row = &cache.rule[i];

		if (strcmp(row->type, type) != 0)
			continue;
		if (strcmp(row->channel, where) == 0)
			return row->rule;
		if (strcmp(row->channel, "*") == 0)
			found = row->rule;
	}
	return found;
}

bool
kam_read_signals(KamEvent event)
{
	if (!cache.loaded)
		load_rules();
	return cache.signals[event];
}

/* Trigger on sequence_type, SendRule, signal_rule and _erasure_salt: every process reads them anew. */
Datum
kam_cadence_rules_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not called by the trigger manager");
	CacheInvalidateRelcache(trigger->tg_relation);
	PG_RETURN_POINTER(NULL);
}
