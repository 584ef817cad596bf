/*
 * store/calls.c: the agents' calls: what was recorded, what is to be recorded,
 * and what calls are made of (agents, resources, practices, history).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/compat.h"
#include "store/statement.h"
#include "store/store.h"

/* Usable answers to a request; a replayed one is none, it was given to another run first. */
#define RECORDED(hash, agent) \
	" WHERE o.request_sha256 = " hash " AND o.status = 'succeeded' AND o.agent = " agent \
	" AND NOT EXISTS (SELECT FROM kam.provider q WHERE q.provider = o.provider AND q.api = 'replay')"

static KamStatement find_calls = {
	"calls",
	"SELECT c.call_no, c.agent, c.iteration, c.attempt, c.provider, c.model, c.status, c.error, c.error_class, p.in_doubt, c.output,"
	" (c.request_sha256 IS NOT NULL)::int4,"
	" CASE p.api WHEN 'replay' THEN (SELECT o.provider FROM kam.agent_call o" RECORDED("c.request_sha256", "c.agent") " LIMIT 1) ELSE c.provider END,"
	" (c.cost_usd * 1000000000000)::bigint, (c.reserved_usd * 1000000000000)::bigint"
	" FROM kam.agent_call c LEFT JOIN kam.provider p ON p.provider = c.provider"
	" WHERE c.session_id = $1 ORDER BY c.call_no",
	1, {UUIDOID}
};

static KamStatement record_calls = {
	"record calls",
	"INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, attempt, provider, model, prompt_version,"
	" status, output, error, error_class, response, request_sha256, latency_ms, started_at, finished_at)"
	" SELECT u.a, u.b, u.c, u.d, u.e, u.f, u.g, u.h, CASE WHEN ($10)[u.n] IS NULL THEN 'succeeded' ELSE 'failed' END,"
	" ($9)[u.n], ($10)[u.n], ($11)[u.n], ($12)[u.n], u.i, pg_catalog.round(1000 * EXTRACT(epoch FROM u.k - u.j)), u.j, u.k"
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5),"
	" pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8), pg_catalog.unnest($13), pg_catalog.unnest($14), pg_catalog.unnest($15))"
	" WITH ORDINALITY u(a, b, c, d, e, f, g, h, i, j, k, n)",
	15, {UUIDARRAYOID, INT4ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID, JSONBARRAYOID,
	TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BYTEAARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}, .generic = true
};

static KamStatement begin_calls = {
	"begin calls",
	"INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, attempt, provider, model, prompt_version,"
	" request_sha256, started_at, sent_on, reserved_usd, status)"
	" SELECT u.a, u.b, u.c, u.d, u.e, u.f, u.g, u.h, u.i, u.j, u.k, u.l * 0.000000000001, 'sending' FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),"
	" pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8), pg_catalog.unnest($9), pg_catalog.unnest($10),"
	" pg_catalog.unnest($11), pg_catalog.unnest($12)) u(a, b, c, d, e, f, g, h, i, j, k, l)",
	12, {UUIDARRAYOID, INT4ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID, BYTEAARRAYOID,
	TIMESTAMPTZARRAYOID, DATEARRAYOID, INT8ARRAYOID}, .generic = true
};

/*
 * The wide columns are taken out of their arrays by place: the join's rows, which the executor copies, stay narrow.  Not
 * "status = 'sending'", which says the same: the rows are to be found by key, not among all that are under way.
 */
static KamStatement end_calls = {
	"end calls",
	"UPDATE kam.agent_call c SET status = CASE WHEN ($4)[u.n] IS NULL THEN 'succeeded' ELSE 'failed' END, output = ($3)[u.n], error = ($4)[u.n],"
	" error_class = ($5)[u.n], http_status = ($6)[u.n], provider_request_id = ($7)[u.n], response = ($8)[u.n], stop_reason = ($9)[u.n],"
	" input_tokens = ($10)[u.n], output_tokens = ($11)[u.n], cache_read_tokens = ($12)[u.n], cache_write_tokens = ($13)[u.n],"
	" cost_usd = ($14)[u.n] * 0.000000000001, reserved_usd = ($18)[u.n] * 0.000000000001, first_byte_ms = ($15)[u.n],"
	" latency_ms = pg_catalog.round(1000 * EXTRACT(epoch FROM ($17)[u.n] - ($16)[u.n])), started_at = ($16)[u.n], finished_at = ($17)[u.n]"
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) WITH ORDINALITY u (session_id, call_no, n)"
	" WHERE c.session_id = u.session_id AND c.call_no = u.call_no AND c.session_id = ANY ($1) AND c.finished_at IS NULL",
	18, {UUIDARRAYOID, INT4ARRAYOID, JSONBARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
	INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID}, .generic = true
};

static KamStatement doubt_calls = {
	"calls in doubt",
	"UPDATE kam.agent_call SET status = 'in_doubt', finished_at = pg_catalog.clock_timestamp(), error_class = 'in_doubt',"
	" error = 'the worker ended before the answer was recorded; it may have been made, and may have to be paid'"
	" WHERE session_id = $1 AND status = 'sending'",
	1, {UUIDOID}
};

static KamStatement find_recorded = {
	"recorded answer",
	"SELECT o.output, o.response, o.provider FROM kam.agent_call o" RECORDED("$1", "$2")
	" ORDER BY (o.session_id = $4) IS TRUE DESC, o.model = $3 DESC, o.finished_at DESC, o.session_id, o.call_no LIMIT 1",
	4, {BYTEAOID, TEXTOID, TEXTOID, UUIDOID}
};

/* An answer that was no use, and whether the built-in agent's took its place in that pass. */
static KamStatement find_unusable = {
	"recorded failure",
	"SELECT o.response, o.provider, o.error, o.error_class, o.stop_reason IN ('max_tokens', 'length'),"
	" EXISTS (SELECT FROM kam.agent_call b WHERE b.session_id = o.session_id AND b.agent = o.agent AND b.iteration = o.iteration"
	"  AND b.status = 'succeeded' AND b.request_sha256 IS NULL)"
	" FROM kam.agent_call o WHERE o.session_id = $1 AND o.request_sha256 = $2 AND o.agent = $3 AND o.status = 'failed'"
	" ORDER BY o.error_class = 'malformed' DESC, o.call_no LIMIT 1",
	3, {UUIDOID, BYTEAOID, TEXTOID}
};

static KamStatement configuration = {
	"configuration",
	"SELECT version FROM kam._configuration",
	0, {0}
};

/* The prices in force on a day, and those that follow; a model without a row costs nothing and takes what most take. */
#define PRICES(alias) \
	" (" alias ".input_usd_per_mtok * 1000000)::bigint, (" alias ".output_usd_per_mtok * 1000000)::bigint," \
	" (" alias ".cache_read_usd_per_mtok * 1000000)::bigint, (" alias ".cache_write_usd_per_mtok * 1000000)::bigint"
#define MODEL_COLUMNS(now, next) now ".capabilities," PRICES(now) ", " next ".effective_from," PRICES(next)
#define MODEL_JOIN(now, next, column) \
	" LEFT JOIN LATERAL (SELECT * FROM kam.model x WHERE x.model = a." column " AND x.effective_from <= $3" \
	" ORDER BY x.effective_from DESC LIMIT 1) " now " ON true" \
	" LEFT JOIN LATERAL (SELECT * FROM kam.model x WHERE x.model = a." column " AND x.effective_from > $3" \
	" ORDER BY x.effective_from LIMIT 1) " next " ON true"

/* With what a replay is asked with instead ($1), the versions a run began with ($2) and the prices of a day ($3); checked when they were written, so odd values here are passed over. */
static KamStatement find_agents = {
	"agents",
	"SELECT a.agent, a.provider, p.api, p.base_url, p.dialect, a.temperature::float8, a.max_tokens, a.prompt_version, t.body, t.output_schema,"
	" a.model, " MODEL_COLUMNS("m", "n") ", a.fallback_model, " MODEL_COLUMNS("f", "g")
	" FROM kam._agents_as($1, $2) a LEFT JOIN kam.provider p ON p.provider = a.provider"
	" LEFT JOIN kam.prompt t ON t.agent = a.agent AND t.version = a.prompt_version"
	MODEL_JOIN("m", "n", "model") MODEL_JOIN("f", "g", "fallback_model"),
	3, {JSONBOID, JSONBOID, DATEOID}
};

static KamStatement find_resources = {
	"resources",
	"SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('resource_id', resource_id, 'title', title,"
	" 'url', url, 'language', language, 'topics', pg_catalog.to_jsonb(topics),"
	" 'match_terms', pg_catalog.to_jsonb(match_terms), 'body', body) ORDER BY resource_id), '[]')"
	" FROM kam.resource WHERE active",
	0, {0}, .read_only = true
};

static KamStatement find_practices = {
	"practices",
	"SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('practice_id', practice_id, 'title', title,"
	" 'body', body, 'applies_to', pg_catalog.to_jsonb(applies_to), 'language', language) ORDER BY practice_id), '[]')"
	" FROM kam.best_practice WHERE active",
	0, {0}, .read_only = true
};

/* The validated decisions of a query, as the agents read them; the same rows always in the same order. */
#define HISTORY(where) \
	"SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(h) ORDER BY h.created_at DESC, h.session_id), '[]') FROM (" \
	" SELECT session_id, action, selected_channel, decision, user_slack_message, type_of_validation, edited_message," \
	" created_at FROM kam.final_decision" \
	" WHERE user_slack_message IS NOT NULL AND user_slack_message <> ''" \
	" AND type_of_validation IS NOT NULL AND type_of_validation <> ''" where \
	" ORDER BY created_at DESC, session_id LIMIT 10) h"

static KamStatement find_history = {
	"history",
	HISTORY(""),
	0, {0}, .read_only = true
};

static KamStatement find_history_of = {
	"history of a run",
	HISTORY(" AND session_id = ANY (ARRAY(SELECT pg_catalog.unnest(r.history) FROM kam.request r WHERE r.session_id = $1))"),
	1, {UUIDOID}
};

int
kam_store_calls(const pg_uuid_t *session_id, MemoryContext context, KamRecordedCall **out)
{
	KamValues	values;
	uint64		found;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	found = kam_statement_run(&find_calls, &values);
	*out = found == 0 ? NULL : MemoryContextAllocZero(context, found * sizeof(KamRecordedCall));
	for (uint64 i = 0; i < found; i++)
	{
		KamRecordedCall *call = &(*out)[i];

		call->call_no = (int) kam_column_int(i, 1, 0);
		call->agent = kam_column_text(context, i, 2);
		call->iteration = (int) kam_column_int(i, 3, 1);
		call->attempt = (int) kam_column_int(i, 4, 1);
		call->provider = kam_column_text(context, i, 5);
		call->model = kam_column_text(context, i, 6);
		call->status = kam_column_text(context, i, 7);
		call->error = kam_column_text(context, i, 8);
		call->error_class = kam_column_text(context, i, 9);
		call->in_doubt = kam_column_text(context, i, 10);
		call->output = kam_column_jsonb(context, i, 11);
		call->by_model = kam_column_int(i, 12, 0) != 0;
		call->answered_by = kam_column_text(context, i, 13);
		call->cost = kam_column_int(i, 14, 0);
		call->reserved = kam_column_int(i, 15, 0);
	}
	return (int) found;
}

/* A SHA-256 as a bytea. */
static Datum
hash_datum(const uint8 *hash)
{
	bytea	   *value = palloc(VARHDRSZ + 32);

	SET_VARSIZE(value, VARHDRSZ + 32);
	memcpy(VARDATA(value), hash, 32);
	return PointerGetDatum(value);
}

/* ---- rows ------------------------------------------------------------------- */

/* What names the attempt: the first eight columns. */
#define NAME_TYPES UUIDOID, INT4OID, TEXTOID, INT4OID, INT4OID, TEXTOID, TEXTOID, INT4OID

static void
put_name(KamSeries *column, const KamCallOf *call)
{
	const KamCallRow *row = call->row;

	kam_series_put(&column[0], UUIDPGetDatum(call->session_id), false);
	kam_series_put(&column[1], Int32GetDatum(row->call_no), false);
	kam_series_put_text(&column[2], row->agent);
	kam_series_put(&column[3], Int32GetDatum(row->iteration), false);
	kam_series_put(&column[4], Int32GetDatum(row->attempt), false);
	kam_series_put_text(&column[5], row->provider);
	kam_series_put_text(&column[6], row->model);
	kam_series_put(&column[7], Int32GetDatum(row->prompt_version), false);
}

void
kam_store_calls_whole(const KamCallOf *call, int count)
{
	static const Oid type[] = {NAME_TYPES, JSONBOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	KamSeries	column[lengthof(type)];
	KamValues	values;

	if (count == 0)
		return;
	kam_series_init(column, type, lengthof(type), count);
	for (int i = 0; i < count; i++)
	{
		const KamCallRow *row = call[i].row;

		put_name(column, &call[i]);
		kam_series_put_jsonb(&column[8], row->output);
		kam_series_put_text(&column[9], row->error);
		kam_series_put_text(&column[10], row->error_class);
		kam_series_put_text(&column[11], row->response);
		kam_series_put(&column[12], row->request_sha256 != NULL ? hash_datum(row->request_sha256) : (Datum) 0, row->request_sha256 == NULL);
		kam_series_put(&column[13], TimestampTzGetDatum(row->started_at), false);
		kam_series_put(&column[14], TimestampTzGetDatum(row->finished_at), false);
	}
	kam_values_init(&values);
	kam_values_add_series(&values, column, lengthof(type));
	kam_statement_run(&record_calls, &values);
}

void
kam_store_calls_begun(const KamCallOf *call, int count)
{
	static const Oid type[] = {NAME_TYPES, BYTEAOID, TIMESTAMPTZOID, DATEOID, INT8OID};
	KamSeries	column[lengthof(type)];
	KamValues	values;

	if (count == 0)
		return;
	kam_series_init(column, type, lengthof(type), count);
	for (int i = 0; i < count; i++)
	{
		const KamCallRow *row = call[i].row;

		put_name(column, &call[i]);
		kam_series_put(&column[8], hash_datum(row->request_sha256), false);
		kam_series_put(&column[9], TimestampTzGetDatum(row->started_at), false);
		kam_series_put(&column[10], DateADTGetDatum(row->sent_on), false);
		kam_series_put(&column[11], Int64GetDatum(row->reserved), false);
	}
	kam_values_init(&values);
	kam_values_add_series(&values, column, lengthof(type));
	kam_statement_run(&begin_calls, &values);
}

void
kam_store_calls_ended(const KamCallOf *call, int count)
{
	static const Oid type[] = {UUIDOID, INT4OID, JSONBOID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID,
	INT8OID, INT8OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID};
	KamSeries	column[lengthof(type)];
	KamValues	values;

	if (count == 0)
		return;
	kam_series_init(column, type, lengthof(type), count);
	for (int i = 0; i < count; i++)
	{
		const KamCallRow *row = call[i].row;

		kam_series_put(&column[0], UUIDPGetDatum(call[i].session_id), false);
		kam_series_put(&column[1], Int32GetDatum(row->call_no), false);
		kam_series_put_jsonb(&column[2], row->output);
		kam_series_put_text(&column[3], row->error);
		kam_series_put_text(&column[4], row->error_class);
		kam_series_put(&column[5], Int32GetDatum(row->http_status), row->http_status < 100 || row->http_status > 599);
		kam_series_put_text(&column[6], row->request_id);
		kam_series_put_text(&column[7], row->response);
		kam_series_put_text(&column[8], row->stop_reason);
		for (int t = 0; t < KAM_TOKEN_CLASSES; t++)
			kam_series_put(&column[9 + t], Int64GetDatum(row->tokens[t]), false);
		kam_series_put(&column[13], Int64GetDatum(row->cost), false);
		kam_series_put(&column[14], Int32GetDatum(row->first_byte_ms), row->first_byte_ms < 0);
		kam_series_put(&column[15], TimestampTzGetDatum(row->started_at), false);
		kam_series_put(&column[16], TimestampTzGetDatum(row->finished_at), false);
		kam_series_put(&column[17], Int64GetDatum(row->kept), false);
	}
	kam_values_init(&values);
	kam_values_add_series(&values, column, lengthof(type));
	kam_statement_run(&end_calls, &values);
}

void
kam_store_calls_in_doubt(const pg_uuid_t *session_id)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_statement_run(&doubt_calls, &values);
}

void
kam_store_recording(const KamCallRow *row, const pg_uuid_t *replay_of, MemoryContext context, KamRecording *out)
{
	KamValues	values;
	bool		isnull;

	memset(out, 0, sizeof(*out));
	kam_values_init(&values);
	kam_values_add(&values, hash_datum(row->request_sha256));
	kam_values_add_text(&values, row->agent);
	kam_values_add_text(&values, row->model);
	if (replay_of != NULL)
		kam_values_add_uuid(&values, replay_of);
	else
		kam_values_add_null(&values);
	if (kam_statement_run(&find_recorded, &values) > 0)
	{
		out->output = kam_column_jsonb(context, 0, 1);
		out->response = kam_column_text(context, 0, 2);
		out->provider = kam_column_text(context, 0, 3);
		return;
	}
	if (replay_of == NULL)
		return;
	kam_values_init(&values);
	kam_values_add_uuid(&values, replay_of);
	kam_values_add(&values, hash_datum(row->request_sha256));
	kam_values_add_text(&values, row->agent);
	if (kam_statement_run(&find_unusable, &values) == 0)
		return;
	out->response = kam_column_text(context, 0, 1);
	out->provider = kam_column_text(context, 0, 2);
	out->error = kam_column_text(context, 0, 3);
	out->error_class = kam_column_text(context, 0, 4);
	out->cut_off = DatumGetBool(kam_column(0, 5, &isnull));
	out->cut_off &= !isnull;
	out->stood_in = DatumGetBool(kam_column(0, 6, &isnull));
}

int64
kam_store_configuration(void)
{
	return kam_statement_run(&configuration, NULL) == 0 ? 0 : kam_column_int(0, 1, 0);
}

/* A model's columns from "first" on: its name, what it can, its prices in the order of the token classes, the next day of others, those. */
static void
read_model(MemoryContext context, uint64 row, int first, KamModelRow *out)
{
	bool		none;
	Datum		day = kam_column(row, first + 2 + KAM_TOKEN_CLASSES, &none);

	out->model = kam_column_text(context, row, first);
	out->capabilities = kam_column_jsonb(context, row, first + 1);
	out->next_from = none ? DATEVAL_NOEND : DatumGetDateADT(day);
	for (int i = 0; i < KAM_TOKEN_CLASSES; i++)
	{
		out->price[i] = kam_column_int(row, first + 2 + i, 0);
		out->next_price[i] = kam_column_int(row, first + 3 + KAM_TOKEN_CLASSES + i, 0);
	}
}

int
kam_store_agents(Jsonb *settings, Jsonb *prompts, DateADT day, MemoryContext context, KamAgentRow **out)
{
	KamValues	values;
	uint64		found;

	kam_values_init(&values);
	kam_values_add_jsonb(&values, settings);
	kam_values_add_jsonb(&values, prompts);
	kam_values_add(&values, DateADTGetDatum(day));
	found = kam_statement_run(&find_agents, &values);
	*out = found == 0 ? NULL : MemoryContextAllocZero(context, found * sizeof(KamAgentRow));
	for (uint64 i = 0; i < found; i++)
	{
		KamAgentRow *agent = &(*out)[i];
		bool		isnull;
		Datum		temperature = kam_column(i, 6, &isnull);

		agent->has_temperature = !isnull;
		agent->temperature = isnull ? 0 : DatumGetFloat8(temperature);
		agent->agent = kam_column_text(context, i, 1);
		agent->provider = kam_column_text(context, i, 2);
		agent->api = kam_column_text(context, i, 3);
		agent->base_url = kam_column_text(context, i, 4);
		agent->dialect = kam_column_jsonb(context, i, 5);
		agent->max_tokens = (int) kam_column_int(i, 7, 4096);
		agent->prompt_version = (int) kam_column_int(i, 8, 1);
		agent->prompt = kam_column_text(context, i, 9);
		agent->output_schema = kam_column_jsonb(context, i, 10);
		read_model(context, i, 11, &agent->model);
		read_model(context, i, 22, &agent->fallback);
	}
	return (int) found;
}

Jsonb *
kam_store_resources(MemoryContext context)
{
	kam_statement_run(&find_resources, NULL);
	return kam_column_jsonb(context, 0, 1);
}

Jsonb *
kam_store_practices(MemoryContext context)
{
	kam_statement_run(&find_practices, NULL);
	return kam_column_jsonb(context, 0, 1);
}

Jsonb *
kam_store_history(MemoryContext context)
{
	kam_statement_run(&find_history, NULL);
	return kam_column_jsonb(context, 0, 1);
}

Jsonb *
kam_store_history_of(const pg_uuid_t *session_id, MemoryContext context)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_statement_run(&find_history_of, &values);
	return kam_column_jsonb(context, 0, 1);
}
