/*
 * store/claim.c: the queue: who works on which run.
 *
 * A lease is the pair (lease_owner, lease_until) on the run's row.  Candidates
 * are found without a lock; each is then taken by an UPDATE with an equality on
 * session_id that skips a row somebody else has locked.  Every later write of
 * a worker first asks for its lease on that same row, and so writes nothing
 * once the lease is lost.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/statement.h"
#include "store/store.h"

/*
 * Not "finished_at IS NULL", which says the same: a run's row is to be found by
 * its key, not through the index of the queue, which may be a thousand times
 * as long by now as it was when the statement was planned.
 */
#define UNFINISHED(r) r "status NOT IN ('judged', 'failed', 'cancelled')"

static KamStatement find_candidates = {
	"candidates",
	"SELECT session_id, attempts, (started_at IS NULL)::int4 FROM kam.request"
	" WHERE home = kam._home() AND finished_at IS NULL"
	" AND (next_attempt_at IS NULL OR next_attempt_at <= pg_catalog.clock_timestamp())"
	" AND (lease_until IS NULL OR lease_until <= pg_catalog.clock_timestamp())"
	" ORDER BY priority DESC, created_at, session_id LIMIT $1",
	1, {INT4OID}
};

static KamStatement claim = {
	"claim",
	"UPDATE kam.request SET lease_owner = $2, lease_until = pg_catalog.clock_timestamp() + $3 * interval '1 second',"
	" next_attempt_at = NULL, attempts = attempts + 1, as_of = COALESCE(as_of, $4),"
	" started_at = COALESCE(started_at, $4), iteration = GREATEST(iteration, 1),"
	" status = CASE status WHEN 'queued' THEN 'wave1' ELSE status END, prompts = COALESCE(prompts, $5)"
	" WHERE session_id = $1 AND session_id = ("
	"  SELECT c.session_id FROM kam.request c WHERE c.session_id = $1 AND " UNFINISHED("c.")
	"  AND (c.next_attempt_at IS NULL OR c.next_attempt_at <= pg_catalog.clock_timestamp())"
	"  AND (c.lease_until IS NULL OR c.lease_until <= pg_catalog.clock_timestamp())"
	"  AND (c.started_at IS NULL) = $6 FOR NO KEY UPDATE SKIP LOCKED)"
	" RETURNING contact, options, lead_id, status, iteration, attempts, error, as_of, prompts, settings, history IS NOT NULL, replay_of",
	6, {UUIDOID, INT4OID, INT4OID, TIMESTAMPTZOID, JSONBOID, BOOLOID}
};

static KamStatement compliance = {
	"compliance",
	"SELECT session_id, status, source, about, since FROM kam._run_compliance($1)",
	1, {UUIDARRAYOID}, .generic = true
};

static KamStatement hold = {
	"hold",
	"SELECT session_id FROM kam.request WHERE session_id = ANY ($1) AND lease_owner = $2 AND " UNFINISHED("") " FOR NO KEY UPDATE",

	2, {UUIDARRAYOID, INT4OID}, .generic = true
};

static KamStatement advance = {
	"advance",
	"UPDATE kam.request r SET status = u.status, iteration = u.iteration, attempts = 0, error = NULL, sqlstate = NULL,"
	" lease_until = pg_catalog.clock_timestamp() + $3 * interval '1 second', history = COALESCE(u.history::pg_catalog.uuid[], r.history)"
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6)) u(session_id, status, iteration, history)"
	" WHERE r.session_id = u.session_id AND r.session_id = ANY ($1) AND r.lease_owner = $2 AND " UNFINISHED("r.") " RETURNING r.session_id",
	6, {UUIDARRAYOID, INT4OID, INT4OID, TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID}, .generic = true
};

static KamStatement end_runs = {
	"end",
	"UPDATE kam.request r SET status = u.status, error = u.error, sqlstate = u.sqlstate, finished_at = $6,"
	" lease_owner = NULL, lease_until = NULL, next_attempt_at = NULL"
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5)) u(session_id, status, error, sqlstate)"
	" WHERE r.session_id = u.session_id AND r.session_id = ANY ($1) AND r.lease_owner = $2 AND " UNFINISHED("r.") " RETURNING r.session_id",
	6, {UUIDARRAYOID, INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID}, .generic = true
};

static KamStatement postpone = {
	"postpone",
	"UPDATE kam.request SET lease_owner = NULL, lease_until = NULL,"
	" next_attempt_at = pg_catalog.clock_timestamp() + $3 * interval '1 millisecond',"
	" attempts = attempts - CASE WHEN $4 OR attempts = 0 THEN 0 ELSE 1 END,"
	" error = COALESCE($5, error)"
	" WHERE session_id = $1 AND lease_owner = $2 AND " UNFINISHED(""),
	5, {UUIDOID, INT4OID, INT4OID, BOOLOID, TEXTOID}
};

static KamStatement renew = {
	"renew leases",
	"UPDATE kam.request SET lease_until = pg_catalog.clock_timestamp() + $3 * interval '1 second'"
	" WHERE session_id = ANY ($1) AND lease_owner = $2 AND " UNFINISHED("") " RETURNING session_id",
	3, {UUIDARRAYOID, INT4OID, INT4OID}, .generic = true
};

static KamStatement put_aside = {
	"put aside",
	"UPDATE kam.request SET lease_owner = NULL, lease_until = NULL, next_attempt_at = 'infinity', attempts = 0, error = $3"
	" WHERE session_id = $1 AND lease_owner = $2 AND " UNFINISHED(""),
	3, {UUIDOID, INT4OID, TEXTOID}
};

static KamStatement take_back = {
	"take back",
	"UPDATE kam.request SET lease_owner = NULL, lease_until = NULL"
	" WHERE lease_owner = $1 AND home = kam._home() AND finished_at IS NULL",
	1, {INT4OID}
};

static KamStatement next_attempt = {
	"next attempt",
	"SELECT min(GREATEST(lease_until, next_attempt_at)) FROM kam.request"
	" WHERE home = kam._home() AND finished_at IS NULL AND lease_owner IS DISTINCT FROM $1"
	" AND (next_attempt_at IS NULL OR next_attempt_at < 'infinity')",
	1, {INT4OID}
};

int
kam_store_candidates(int limit, KamCandidate *out)
{
	KamValues	values;
	uint64		found;

	kam_values_init(&values);
	kam_values_add(&values, Int32GetDatum(limit));
	found = kam_statement_run(&find_candidates, &values);
	for (uint64 i = 0; i < found; i++)
	{
		bool		isnull;

		out[i].session_id = *DatumGetUUIDP(kam_column(i, 1, &isnull));
		out[i].attempts = (int) kam_column_int(i, 2, 0);
		out[i].is_new = kam_column_int(i, 3, 0) != 0;
	}
	return (int) found;
}

bool
kam_store_claim(const KamCandidate *candidate, int owner, int lease_seconds, TimestampTz now, Jsonb *prompts,
				MemoryContext context, KamClaim *out)
{
	KamValues	values;
	Datum		replay_of;
	bool		isnull;

	kam_values_init(&values);
	kam_values_add_uuid(&values, &candidate->session_id);
	kam_values_add(&values, Int32GetDatum(owner));
	kam_values_add(&values, Int32GetDatum(lease_seconds));
	kam_values_add(&values, TimestampTzGetDatum(now));
	kam_values_add_jsonb(&values, prompts);
	kam_values_add(&values, BoolGetDatum(candidate->is_new));
	if (kam_statement_run(&claim, &values) == 0)
		return false;

	out->session_id = candidate->session_id;
	out->is_new = candidate->is_new;
	out->contact = kam_column_jsonb(context, 0, 1);
	out->options = kam_column_jsonb(context, 0, 2);
	out->lead_id = kam_column_text(context, 0, 3);
	out->status = kam_column_text(context, 0, 4);
	out->iteration = (int) kam_column_int(0, 5, 1);
	out->attempts = (int) kam_column_int(0, 6, 1);
	out->error = kam_column_text(context, 0, 7);
	out->as_of = DatumGetTimestampTz(kam_column(0, 8, &isnull));
	out->prompts = kam_column_jsonb(context, 0, 9);
	out->settings = kam_column_jsonb(context, 0, 10);
	out->knows_history = DatumGetBool(kam_column(0, 11, &isnull));
	replay_of = kam_column(0, 12, &isnull);
	out->is_replay = !isnull;
	if (out->is_replay)
		out->replay_of = *DatumGetUUIDP(replay_of);
	return true;
}

static void
add_ids(KamValues *values, const pg_uuid_t *session_id, int count)
{
	static const Oid type[] = {UUIDOID};
	KamSeries	ids;

	kam_series_init(&ids, type, 1, count);
	for (int i = 0; i < count; i++)
		kam_series_put(&ids, UUIDPGetDatum(&session_id[i]), false);
	kam_values_add_series(values, &ids, 1);
}

/* As the text of an array, which can stand in an array of arrays of any length. */
static char *
literal_of_ids(const pg_uuid_t *session_id, int count)
{
	KamValues	values;
	Oid			out;
	bool		varlena;

	kam_values_init(&values);
	add_ids(&values, session_id, count);
	getTypeOutputInfo(UUIDARRAYOID, &out, &varlena);
	return OidOutputFunctionCall(out, values.value[0]);
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(*(const pg_uuid_t *const *) a, *(const pg_uuid_t *const *) b, UUID_LEN);
}

/* Which of the runs each row that the statement returned is of, by its first column. */
static void
places_of(const pg_uuid_t *session_id, int count, uint64 found, int *place)
{
	const pg_uuid_t **sorted = palloc_array(const pg_uuid_t *, count);

	for (int i = 0; i < count; i++)
		sorted[i] = &session_id[i];
	qsort(sorted, count, sizeof(*sorted), compare_ids);
	for (uint64 i = 0; i < found; i++)
	{
		bool		isnull;
		const pg_uuid_t *id = DatumGetUUIDP(kam_column(i, 1, &isnull));
		const pg_uuid_t **at = bsearch(&id, sorted, count, sizeof(*sorted), compare_ids);

		place[i] = (int) (*at - session_id);
	}
	pfree(sorted);
}

static void
mark_found(const pg_uuid_t *session_id, int count, uint64 found, bool *mark)
{
	int		   *place = palloc_array(int, count);

	memset(mark, 0, sizeof(bool) * count);
	places_of(session_id, count, found, place);
	for (uint64 i = 0; i < found; i++)
		mark[place[i]] = true;
	pfree(place);
}

void
kam_store_compliance(const pg_uuid_t *session_id, int count, KamComplianceRow *out)
{
	KamValues	values;
	uint64		found;
	int		   *place = palloc_array(int, Max(count, 1));

	memset(out, 0, sizeof(*out) * count);
	if (count == 0)
		return;
	kam_values_init(&values);
	add_ids(&values, session_id, count);
	found = kam_statement_run(&compliance, &values);
	places_of(session_id, count, found, place);
	for (uint64 i = 0; i < found; i++)
	{
		KamComplianceRow *row = &out[place[i]];
		Datum		since;
		bool		isnull;

		row->status = kam_column_text(CurrentMemoryContext, i, 2);
		row->source = kam_column_text(CurrentMemoryContext, i, 3);
		row->about = kam_column_text(CurrentMemoryContext, i, 4);
		since = kam_column(i, 5, &isnull);
		row->dated = !isnull;
		row->since = isnull ? 0 : DatumGetTimestampTz(since);
	}
}

void
kam_store_hold(const pg_uuid_t *session_id, int count, int owner, bool *held)
{
	KamValues	values;

	if (count == 0)
		return;
	kam_values_init(&values);
	add_ids(&values, session_id, count);
	kam_values_add(&values, Int32GetDatum(owner));
	mark_found(session_id, count, kam_statement_run(&hold, &values), held);
}

void
kam_store_advance(const KamAdvance *to, int count, int owner, int lease_seconds, bool *held)
{
	static const Oid type[] = {TEXTOID, INT4OID, TEXTOID};
	pg_uuid_t  *id = palloc_array(pg_uuid_t, count);
	KamSeries	place[lengthof(type)];
	KamValues	values;

	if (count == 0)
		return;
	kam_series_init(place, type, lengthof(type), count);
	for (int i = 0; i < count; i++)
	{
		id[i] = *to[i].session_id;
		kam_series_put_text(&place[0], to[i].status);
		kam_series_put(&place[1], Int32GetDatum(to[i].iteration), false);
		kam_series_put_text(&place[2], to[i].history != NULL ? literal_of_ids(to[i].history, to[i].nhistory) : NULL);
	}
	kam_values_init(&values);
	add_ids(&values, id, count);
	kam_values_add(&values, Int32GetDatum(owner));
	kam_values_add(&values, Int32GetDatum(lease_seconds));
	kam_values_add_series(&values, place, lengthof(type));
	mark_found(id, count, kam_statement_run(&advance, &values), held);
}

void
kam_store_end(const KamEnding *ending, int count, int owner, TimestampTz now, bool *held)
{
	static const Oid type[] = {TEXTOID, TEXTOID, TEXTOID};
	pg_uuid_t  *id = palloc_array(pg_uuid_t, count);
	KamSeries	how[lengthof(type)];
	KamValues	values;

	if (count == 0)
		return;
	kam_series_init(how, type, lengthof(type), count);
	for (int i = 0; i < count; i++)
	{
		id[i] = *ending[i].session_id;
		kam_series_put_text(&how[0], ending[i].status);
		kam_series_put_text(&how[1], ending[i].error);
		kam_series_put_text(&how[2], ending[i].sqlstate);
	}
	kam_values_init(&values);
	add_ids(&values, id, count);
	kam_values_add(&values, Int32GetDatum(owner));
	kam_values_add_series(&values, how, lengthof(type));
	kam_values_add(&values, TimestampTzGetDatum(now));
	mark_found(id, count, kam_statement_run(&end_runs, &values), held);
}

bool
kam_store_postpone(const pg_uuid_t *session_id, int owner, int delay_ms, bool counted, const char *error)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_values_add(&values, Int32GetDatum(owner));
	kam_values_add(&values, Int32GetDatum(delay_ms));
	kam_values_add(&values, BoolGetDatum(counted));
	kam_values_add_text(&values, error);
	return kam_statement_run(&postpone, &values) == 1;
}

void
kam_store_renew(const pg_uuid_t *session_id, int count, int owner, int lease_seconds, bool *kept)
{
	KamValues	values;

	kam_values_init(&values);
	add_ids(&values, session_id, count);
	kam_values_add(&values, Int32GetDatum(owner));
	kam_values_add(&values, Int32GetDatum(lease_seconds));
	mark_found(session_id, count, kam_statement_run(&renew, &values), kept);
}

bool
kam_store_put_aside(const pg_uuid_t *session_id, int owner, const char *why)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_values_add(&values, Int32GetDatum(owner));
	kam_values_add_text(&values, why);
	return kam_statement_run(&put_aside, &values) == 1;
}

uint64
kam_store_take_back(int owner)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add(&values, Int32GetDatum(owner));
	return kam_statement_run(&take_back, &values);
}

TimestampTz
kam_store_next_attempt(int owner)
{
	KamValues	values;
	Datum		at;
	bool		isnull;

	kam_values_init(&values);
	kam_values_add(&values, Int32GetDatum(owner));
	kam_statement_run(&next_attempt, &values);
	at = kam_column(0, 1, &isnull);
	return isnull ? 0 : DatumGetTimestampTz(at);
}
