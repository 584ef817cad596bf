/*
 * store/calls.c: the agents' calls: what was recorded, what is to be recorded,
 * and what calls are made of (agents, resources, practices, history).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/statement.h"
#include "store/store.h"

static KamStatement find_calls = {
	"calls",
	"SELECT call_no, agent, iteration, attempt, status = 'succeeded', output FROM kam.agent_call"
	" WHERE session_id = $1 ORDER BY call_no",
	1, {UUIDOID}
};

static KamStatement record_call = {
	"record call",
	"INSERT INTO kam.agent_call (session_id, call_no, agent, iteration, attempt, provider, model, prompt_version,"
	" status, output, error, latency_ms, started_at, finished_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $10 IS NULL THEN 'succeeded' ELSE 'failed' END, $9, $10,"
	" pg_catalog.round(1000 * EXTRACT(epoch FROM $12 - $11)), $11, $12)",
	12, {UUIDOID, INT4OID, TEXTOID, INT4OID, INT4OID, TEXTOID, TEXTOID, INT4OID, JSONBOID, TEXTOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static KamStatement find_agents = {
	"agents",
	"SELECT a.agent, a.provider, p.api, a.model, a.prompt_version, t.output_schema"
	" FROM kam.agent a JOIN kam.provider p ON p.provider = a.provider"
	" LEFT JOIN kam.prompt t ON t.agent = a.agent AND t.version = a.prompt_version",
	0, {0}
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

static KamStatement find_history = {
	"history",
	"SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(h) ORDER BY h.created_at DESC), '[]') FROM ("
	" SELECT session_id, action, selected_channel, decision, user_slack_message, type_of_validation, edited_message,"
	" created_at FROM kam.final_decision"
	" WHERE user_slack_message IS NOT NULL AND user_slack_message <> ''"
	" AND type_of_validation IS NOT NULL AND type_of_validation <> ''"
	" ORDER BY created_at DESC LIMIT 10) h",
	0, {0}, .read_only = true
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
		bool		isnull;

		call->call_no = (int) kam_column_int(i, 1, 0);
		call->agent = kam_column_text(context, i, 2);
		call->iteration = (int) kam_column_int(i, 3, 1);
		call->attempt = (int) kam_column_int(i, 4, 1);
		call->succeeded = DatumGetBool(kam_column(i, 5, &isnull));
		call->output = kam_column_jsonb(context, i, 6);
	}
	return (int) found;
}

void
kam_store_call(const pg_uuid_t *session_id, const KamCallRow *row)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_values_add(&values, Int32GetDatum(row->call_no));
	kam_values_add_text(&values, row->agent);
	kam_values_add(&values, Int32GetDatum(row->iteration));
	kam_values_add(&values, Int32GetDatum(row->attempt));
	kam_values_add_text(&values, row->provider);
	kam_values_add_text(&values, row->model);
	kam_values_add(&values, Int32GetDatum(row->prompt_version));
	kam_values_add_jsonb(&values, row->output);
	kam_values_add_text(&values, row->error);
	kam_values_add(&values, TimestampTzGetDatum(row->started_at));
	kam_values_add(&values, TimestampTzGetDatum(row->finished_at));
	kam_statement_run(&record_call, &values);
}

int
kam_store_agents(MemoryContext context, KamAgentRow **out)
{
	uint64		found = kam_statement_run(&find_agents, NULL);

	*out = found == 0 ? NULL : MemoryContextAllocZero(context, found * sizeof(KamAgentRow));
	for (uint64 i = 0; i < found; i++)
	{
		KamAgentRow *agent = &(*out)[i];

		agent->agent = kam_column_text(context, i, 1);
		agent->provider = kam_column_text(context, i, 2);
		agent->api = kam_column_text(context, i, 3);
		agent->model = kam_column_text(context, i, 4);
		agent->prompt_version = (int) kam_column_int(i, 5, 1);
		agent->output_schema = kam_column_jsonb(context, i, 6);
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
