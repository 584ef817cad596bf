/*
 * store/decisions.c: what a run leaves behind: the decision, the synthesis for
 * readers of the n8n workflow, the judge's scores, the run's account, the
 * notifications.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/statement.h"
#include "store/store.h"

static KamStatement find_decision = {
	"saved decision",
	"SELECT decision, (guard #> '{compliance,instead_of}') IS NOT NULL FROM kam.final_decision WHERE session_id = $1",
	1, {UUIDOID}
};

static KamStatement find_replay_decision = {
	"saved replay",
	"SELECT decision FROM kam.replay_decision WHERE session_id = $1",
	1, {UUIDOID}
};

static KamStatement save_replay_decision = {
	"save replay",
	"INSERT INTO kam.replay_decision (session_id, decision, guard, action, selected_channel, synthesis)"
	" VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (session_id) DO NOTHING",
	6, {UUIDOID, JSONBOID, JSONBOID, TEXTOID, TEXTOID, TEXTOID}
};

static KamStatement save_replay_evaluation = {
	"save replay's evaluation",
	"UPDATE kam.replay_decision SET overall_score = pg_catalog.round($2::numeric, 2), criteria = $3, verdict = $4 WHERE session_id = $1",
	4, {UUIDOID, FLOAT8OID, JSONBOID, TEXTOID}
};

/* Wide columns are taken out of their arrays by place, as those of calls are. */
static KamStatement save_decisions = {
	"save decisions",
	"INSERT INTO kam.final_decision (session_id, decision, guard, action, selected_channel, contact_hubspot_id, owner_name, linkedin_url)"
	" SELECT u.session_id, ($2)[u.n], ($3)[u.n], ($4)[u.n], ($5)[u.n], ($6)[u.n], ($7)[u.n], ($8)[u.n]"
	" FROM pg_catalog.unnest($1) WITH ORDINALITY u(session_id, n) ON CONFLICT (session_id) DO NOTHING",
	8, {UUIDARRAYOID, JSONBARRAYOID, JSONBARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}, .generic = true
};

static KamStatement save_syntheses = {
	"save syntheses",
	"INSERT INTO kam.n8n_orchestrator_synthesis AS s (session_id, output, final_decision)"
	" SELECT u.session_id, ($2)[u.n], ($3)[u.n] FROM pg_catalog.unnest($1) WITH ORDINALITY u(session_id, n)"
	" ON CONFLICT (session_id) DO UPDATE SET output = EXCLUDED.output, final_decision = EXCLUDED.final_decision",
	3, {UUIDARRAYOID, TEXTARRAYOID, JSONBARRAYOID}, .generic = true
};

static KamStatement plan_rerun = {
	"plan rerun",
	"UPDATE kam.request SET rerun_at = $2 WHERE session_id = $1",
	2, {UUIDOID, TIMESTAMPTZOID}
};

static KamStatement suppress_contact = {
	"suppress contact",
	"SELECT kam._suppress_decided($1, $2)",
	2, {UUIDOID, TEXTOID}
};

/* Slack and Zapier hear of every decision unless an endpoint row of that name is off; other endpoints ask for it. */
static KamStatement notify_decisions = {
	"notify decisions",
	"INSERT INTO kam.notification (recipient, topic, session_id, lead_id, payload)"
	" SELECT w.recipient, 'decision', u.session_id, ($2)[u.n], ($3)[u.n] FROM pg_catalog.unnest($1) WITH ORDINALITY u(session_id, n) CROSS JOIN ("
	"  SELECT d.recipient FROM (VALUES ('slack'), ('zapier')) d(recipient)"
	"  WHERE NOT EXISTS (SELECT FROM kam.endpoint e WHERE e.endpoint = d.recipient AND NOT e.enabled)"
	"  UNION SELECT e.endpoint FROM kam.endpoint e WHERE e.enabled AND 'decision' = ANY (e.topics)) w"
	" ORDER BY u.n, w.recipient ON CONFLICT (session_id, recipient, topic) WHERE session_id IS NOT NULL DO NOTHING",
	3, {UUIDARRAYOID, TEXTARRAYOID, JSONBARRAYOID}, .generic = true
};

static KamStatement notify_failure = {
	"notify failure",
	"INSERT INTO kam.notification (recipient, topic, session_id, lead_id, payload)"
	" SELECT e.endpoint, 'failure', $1, $2,"
	" pg_catalog.jsonb_build_object('session_id', $1, 'lead_id', $2, 'error', $3, 'sqlstate', $4)"
	" FROM kam.endpoint e WHERE e.enabled AND 'failure' = ANY (e.topics)"
	" ORDER BY e.endpoint ON CONFLICT (session_id, recipient, topic) WHERE session_id IS NOT NULL DO NOTHING",
	4, {UUIDOID, TEXTOID, TEXTOID, TEXTOID}
};

static KamStatement save_evaluations = {
	"save evaluations",
	"INSERT INTO kam.decision_evaluation AS d (session_id, overall_score, criteria, verdict)"
	" SELECT u.session_id, pg_catalog.round(($2)[u.n]::numeric, 2), ($3)[u.n], ($4)[u.n] FROM pg_catalog.unnest($1) WITH ORDINALITY u(session_id, n)"
	" ON CONFLICT (session_id) DO UPDATE SET overall_score = EXCLUDED.overall_score, criteria = EXCLUDED.criteria,"
	" verdict = EXCLUDED.verdict",
	4, {UUIDARRAYOID, FLOAT8ARRAYOID, JSONBARRAYOID, TEXTARRAYOID}, .generic = true
};

#define STAGE_OF_CALL \
	"CASE WHEN c.agent = 'wave1_evaluator' THEN 'evaluation' WHEN c.agent = 'synthesis_orchestrator' THEN 'synthesis'" \
	" WHEN c.agent = 'decision_evaluator' THEN 'judge'" \
	" WHEN c.agent IN ('channel_selector', 'content_generator', 'sequence_strategist') THEN 'wave2' ELSE 'wave1' END"

/*
 * Timings in milliseconds, from when each call was made and answered: a stage
 * takes from its first call to its last answer, pass by pass, its agents work
 * side by side; an agent's own attempts are added up.
 */
static KamStatement save_workflow_runs = {
	"save workflow runs",
	"INSERT INTO kam.workflow_run AS w (session_id, status, iterations, calls, cost_usd, input_tokens, output_tokens,"
	" timings, started_at, finished_at)"
	" SELECT r.session_id, u.status, COALESCE(t.iterations, 0), COALESCE(t.calls, 0), COALESCE(t.cost_usd, 0),"
	" COALESCE(t.input_tokens, 0), COALESCE(t.output_tokens, 0),"
	" pg_catalog.jsonb_build_object("
	"  'queued', pg_catalog.round(1000 * EXTRACT(epoch FROM r.started_at - r.created_at)),"
	"  'total', pg_catalog.round(1000 * EXTRACT(epoch FROM $3 - r.started_at)),"
	"  'agents', COALESCE(t.agents, '{}')) || COALESCE(t.stages, '{}'),"
	" r.started_at, $3"
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) u(session_id, status)"
	" JOIN kam.request r ON r.session_id = u.session_id AND r.session_id = ANY ($1) LEFT JOIN LATERAL ("
	"  SELECT s.*,"
	"  (SELECT pg_catalog.jsonb_object_agg(g.stage, g.ms) FROM ("
	"    SELECT p.stage, pg_catalog.sum(p.ms) AS ms FROM ("
	"      SELECT " STAGE_OF_CALL " AS stage, pg_catalog.round(1000 * EXTRACT(epoch FROM pg_catalog.max(c.finished_at) - pg_catalog.min(c.started_at)), 3) AS ms"
	"      FROM kam.agent_call c WHERE c.session_id = r.session_id GROUP BY 1, c.iteration) p GROUP BY p.stage) g) AS stages,"
	"  (SELECT pg_catalog.jsonb_object_agg(a.agent, a.ms) FROM ("
	"    SELECT c.agent, pg_catalog.round(1000 * pg_catalog.sum(EXTRACT(epoch FROM c.finished_at - c.started_at)), 3) AS ms"
	"    FROM kam.agent_call c WHERE c.session_id = r.session_id GROUP BY c.agent) a) AS agents"
	"  FROM ("
	"   SELECT"
	"   pg_catalog.max(c.iteration) AS iterations, pg_catalog.count(*) AS calls,"
	"   pg_catalog.sum(c.cost_usd) AS cost_usd,"
	"   pg_catalog.sum(c.input_tokens + c.cache_read_tokens + c.cache_write_tokens) AS input_tokens,"
	"   pg_catalog.sum(c.output_tokens) AS output_tokens"
	"   FROM kam.agent_call c WHERE c.session_id = r.session_id) s) t ON true"
	" ON CONFLICT (session_id) DO UPDATE SET status = EXCLUDED.status, iterations = EXCLUDED.iterations,"
	" calls = EXCLUDED.calls, cost_usd = EXCLUDED.cost_usd, input_tokens = EXCLUDED.input_tokens,"
	" output_tokens = EXCLUDED.output_tokens, timings = EXCLUDED.timings, finished_at = EXCLUDED.finished_at",
	3, {UUIDARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID}, .generic = true
};

Jsonb *
kam_store_saved_decision(const pg_uuid_t *session_id, MemoryContext context, bool *overruled)
{
	KamValues	values;
	bool		isnull;

	*overruled = false;
	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	if (kam_statement_run(&find_decision, &values) == 0)
		return NULL;
	*overruled = DatumGetBool(kam_column(0, 2, &isnull));
	return kam_column_jsonb(context, 0, 1);
}

Jsonb *
kam_store_replay_saved(const pg_uuid_t *session_id, MemoryContext context)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	return kam_statement_run(&find_replay_decision, &values) == 0 ? NULL : kam_column_jsonb(context, 0, 1);
}

void
kam_store_replay_decision(const KamDecisionRow *row)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, row->session_id);
	kam_values_add_jsonb(&values, row->decision);
	kam_values_add_jsonb(&values, row->guard);
	kam_values_add_text(&values, row->action);
	kam_values_add_text(&values, row->channel);
	kam_values_add_text(&values, row->synthesis);
	kam_statement_run(&save_replay_decision, &values);
}

/* What few decisions entail: the opt-out that they found, the time to look again. */
static void
follow_up(const KamDecisionRow *row)
{
	KamValues	values;

	if (row->suppress)
	{
		kam_values_init(&values);
		kam_values_add_uuid(&values, row->session_id);
		kam_values_add_text(&values, row->suppress_reason);
		kam_statement_run(&suppress_contact, &values);
	}
	if (row->rerun)
	{
		kam_values_init(&values);
		kam_values_add_uuid(&values, row->session_id);
		kam_values_add(&values, TimestampTzGetDatum(row->rerun_at));
		kam_statement_run(&plan_rerun, &values);
	}
}

void
kam_store_decisions(const KamDecisionRow *const *row, int count)
{
	enum {SESSION, DECISION, GUARD, ACTION, CHANNEL, HUBSPOT_ID, OWNER, LINKEDIN_URL, SYNTHESIS, LEAD_ID, TOLD, COLUMNS};
	static const Oid type[COLUMNS] = {UUIDOID, JSONBOID, JSONBOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID};
	KamSeries	column[COLUMNS];
	KamValues	values;

	if (count == 0)
		return;
	kam_series_init(column, type, COLUMNS, count);
	for (int i = 0; i < count; i++)
	{
		kam_series_put(&column[SESSION], UUIDPGetDatum(row[i]->session_id), false);
		kam_series_put_jsonb(&column[DECISION], row[i]->decision);
		kam_series_put_jsonb(&column[GUARD], row[i]->guard);
		kam_series_put_text(&column[ACTION], row[i]->action);
		kam_series_put_text(&column[CHANNEL], row[i]->channel);
		kam_series_put_text(&column[HUBSPOT_ID], row[i]->hubspot_id);
		kam_series_put_text(&column[OWNER], row[i]->owner);
		kam_series_put_text(&column[LINKEDIN_URL], row[i]->linkedin_url);
		kam_series_put_text(&column[SYNTHESIS], row[i]->synthesis);
		kam_series_put_text(&column[LEAD_ID], row[i]->lead_id);
		kam_series_put_jsonb(&column[TOLD], row[i]->notice);
	}
	kam_values_init(&values);
	kam_values_add_series(&values, column, LINKEDIN_URL + 1);
	kam_statement_run(&save_decisions, &values);

	kam_values_init(&values);
	kam_values_add_series(&values, &column[SESSION], 1);
	kam_values_add_series(&values, &column[SYNTHESIS], 1);
	kam_values_add_series(&values, &column[DECISION], 1);
	kam_statement_run(&save_syntheses, &values);

	kam_values_init(&values);
	kam_values_add_series(&values, &column[SESSION], 1);
	kam_values_add_series(&values, &column[LEAD_ID], 2);
	kam_statement_run(&notify_decisions, &values);

	for (int i = 0; i < count; i++)
		follow_up(row[i]);
}

void
kam_store_evaluations(const KamJudgementRow *row, int count)
{
	static const Oid type[] = {UUIDOID, FLOAT8OID, JSONBOID, TEXTOID};
	KamSeries	column[lengthof(type)];
	KamValues	values;

	if (count == 0)
		return;
	kam_series_init(column, type, lengthof(type), count);
	for (int i = 0; i < count; i++)
	{
		kam_series_put(&column[0], UUIDPGetDatum(row[i].session_id), false);
		kam_series_put(&column[1], Float8GetDatum(row[i].overall_score), false);
		kam_series_put_jsonb(&column[2], row[i].criteria);
		kam_series_put_text(&column[3], row[i].verdict);
	}
	kam_values_init(&values);
	kam_values_add_series(&values, column, lengthof(type));
	kam_statement_run(&save_evaluations, &values);
}

void
kam_store_replay_evaluation(const KamJudgementRow *row)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, row->session_id);
	kam_values_add(&values, Float8GetDatum(row->overall_score));
	kam_values_add_jsonb(&values, row->criteria);
	kam_values_add_text(&values, row->verdict);
	kam_statement_run(&save_replay_evaluation, &values);
}

void
kam_store_workflow_runs(const KamEnding *ending, int count, TimestampTz now)
{
	static const Oid type[] = {UUIDOID, TEXTOID};
	KamSeries	column[lengthof(type)];
	KamValues	values;

	if (count == 0)
		return;
	kam_series_init(column, type, lengthof(type), count);
	for (int i = 0; i < count; i++)
	{
		kam_series_put(&column[0], UUIDPGetDatum(ending[i].session_id), false);
		kam_series_put_text(&column[1], ending[i].status);
	}
	kam_values_init(&values);
	kam_values_add_series(&values, column, lengthof(type));
	kam_values_add(&values, TimestampTzGetDatum(now));
	kam_statement_run(&save_workflow_runs, &values);
}

void
kam_store_failure_notice(const pg_uuid_t *session_id, const char *lead_id, const char *error, const char *sqlstate)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_values_add_text(&values, lead_id);
	kam_values_add_text(&values, error);
	kam_values_add_text(&values, sqlstate);
	kam_statement_run(&notify_failure, &values);
}
