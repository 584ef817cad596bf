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

static KamStatement save_decision = {
	"save decision",
	"INSERT INTO kam.final_decision (session_id, decision, guard, action, selected_channel, contact_hubspot_id,"
	" owner_name, linkedin_url) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (session_id) DO NOTHING",
	8, {UUIDOID, JSONBOID, JSONBOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
};

static KamStatement save_synthesis = {
	"save synthesis",
	"INSERT INTO kam.n8n_orchestrator_synthesis AS s (session_id, output, final_decision) VALUES ($1, $2, $3)"
	" ON CONFLICT (session_id) DO UPDATE SET output = EXCLUDED.output, final_decision = EXCLUDED.final_decision",
	3, {UUIDOID, TEXTOID, JSONBOID}
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
static KamStatement notify_decision = {
	"notify decision",
	"INSERT INTO kam.notification (recipient, topic, session_id, lead_id, payload)"
	" SELECT w.recipient, 'decision', $1, $2, $3 FROM ("
	"  SELECT d.recipient FROM (VALUES ('slack'), ('zapier')) d(recipient)"
	"  WHERE NOT EXISTS (SELECT FROM kam.endpoint e WHERE e.endpoint = d.recipient AND NOT e.enabled)"
	"  UNION SELECT e.endpoint FROM kam.endpoint e WHERE e.enabled AND 'decision' = ANY (e.topics)) w"
	" ORDER BY w.recipient ON CONFLICT (session_id, recipient, topic) WHERE session_id IS NOT NULL DO NOTHING",
	3, {UUIDOID, TEXTOID, JSONBOID}
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

static KamStatement save_evaluation = {
	"save evaluation",
	"INSERT INTO kam.decision_evaluation AS d (session_id, overall_score, criteria, verdict)"
	" VALUES ($1, pg_catalog.round($2::numeric, 2), $3, $4)"
	" ON CONFLICT (session_id) DO UPDATE SET overall_score = EXCLUDED.overall_score, criteria = EXCLUDED.criteria,"
	" verdict = EXCLUDED.verdict",
	4, {UUIDOID, FLOAT8OID, JSONBOID, TEXTOID}
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
static KamStatement save_workflow_run = {
	"save workflow run",
	"INSERT INTO kam.workflow_run AS w (session_id, status, iterations, calls, cost_usd, input_tokens, output_tokens,"
	" timings, started_at, finished_at)"
	" SELECT r.session_id, $2, COALESCE(t.iterations, 0), COALESCE(t.calls, 0), COALESCE(t.cost_usd, 0),"
	" COALESCE(t.input_tokens, 0), COALESCE(t.output_tokens, 0),"
	" pg_catalog.jsonb_build_object("
	"  'queued', pg_catalog.round(1000 * EXTRACT(epoch FROM r.started_at - r.created_at)),"
	"  'total', pg_catalog.round(1000 * EXTRACT(epoch FROM $3 - r.started_at)),"
	"  'agents', COALESCE(t.agents, '{}')) || COALESCE(t.stages, '{}'),"
	" r.started_at, $3"
	" FROM kam.request r LEFT JOIN ("
	"  SELECT s.*,"
	"  (SELECT pg_catalog.jsonb_object_agg(g.stage, g.ms) FROM ("
	"    SELECT p.stage, pg_catalog.sum(p.ms) AS ms FROM ("
	"      SELECT " STAGE_OF_CALL " AS stage, pg_catalog.round(1000 * EXTRACT(epoch FROM pg_catalog.max(c.finished_at) - pg_catalog.min(c.started_at)), 3) AS ms"
	"      FROM kam.agent_call c WHERE c.session_id = $1 GROUP BY 1, c.iteration) p GROUP BY p.stage) g) AS stages,"
	"  (SELECT pg_catalog.jsonb_object_agg(a.agent, a.ms) FROM ("
	"    SELECT c.agent, pg_catalog.round(1000 * pg_catalog.sum(EXTRACT(epoch FROM c.finished_at - c.started_at)), 3) AS ms"
	"    FROM kam.agent_call c WHERE c.session_id = $1 GROUP BY c.agent) a) AS agents"
	"  FROM ("
	"   SELECT"
	"   pg_catalog.max(c.iteration) AS iterations, pg_catalog.count(*) AS calls,"
	"   pg_catalog.sum(c.cost_usd) AS cost_usd,"
	"   pg_catalog.sum(c.input_tokens + c.cache_read_tokens + c.cache_write_tokens) AS input_tokens,"
	"   pg_catalog.sum(c.output_tokens) AS output_tokens"
	"   FROM kam.agent_call c WHERE c.session_id = $1) s) t ON true"
	" WHERE r.session_id = $1"
	" ON CONFLICT (session_id) DO UPDATE SET status = EXCLUDED.status, iterations = EXCLUDED.iterations,"
	" calls = EXCLUDED.calls, cost_usd = EXCLUDED.cost_usd, input_tokens = EXCLUDED.input_tokens,"
	" output_tokens = EXCLUDED.output_tokens, timings = EXCLUDED.timings, finished_at = EXCLUDED.finished_at",
	3, {UUIDOID, TEXTOID, TIMESTAMPTZOID}
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
kam_store_replay_decision(const pg_uuid_t *session_id, const KamDecisionRow *row)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_values_add_jsonb(&values, row->decision);
	kam_values_add_jsonb(&values, row->guard);
	kam_values_add_text(&values, row->action);
	kam_values_add_text(&values, row->channel);
	kam_values_add_text(&values, row->synthesis);
	kam_statement_run(&save_replay_decision, &values);
}

void
kam_store_decision(const pg_uuid_t *session_id, const KamDecisionRow *row)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_values_add_jsonb(&values, row->decision);
	kam_values_add_jsonb(&values, row->guard);
	kam_values_add_text(&values, row->action);
	kam_values_add_text(&values, row->channel);
	kam_values_add_text(&values, row->hubspot_id);
	kam_values_add_text(&values, row->owner);
	kam_values_add_text(&values, row->linkedin_url);
	kam_statement_run(&save_decision, &values);

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_values_add_text(&values, row->synthesis);
	kam_values_add_jsonb(&values, row->decision);
	kam_statement_run(&save_synthesis, &values);

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_values_add_text(&values, row->lead_id);
	kam_values_add_jsonb(&values, row->notice);
	kam_statement_run(&notify_decision, &values);

	if (row->suppress)
	{
		kam_values_init(&values);
		kam_values_add_uuid(&values, session_id);
		kam_values_add_text(&values, row->suppress_reason);
		kam_statement_run(&suppress_contact, &values);
	}
	if (row->rerun)
	{
		kam_values_init(&values);
		kam_values_add_uuid(&values, session_id);
		kam_values_add(&values, TimestampTzGetDatum(row->rerun_at));
		kam_statement_run(&plan_rerun, &values);
	}
}

static void
store_evaluation(KamStatement *statement, const pg_uuid_t *session_id, double overall_score, Jsonb *criteria, const char *verdict)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_values_add(&values, Float8GetDatum(overall_score));
	kam_values_add_jsonb(&values, criteria);
	kam_values_add_text(&values, verdict);
	kam_statement_run(statement, &values);
}

void
kam_store_evaluation(const pg_uuid_t *session_id, double overall_score, Jsonb *criteria, const char *verdict)
{
	store_evaluation(&save_evaluation, session_id, overall_score, criteria, verdict);
}

void
kam_store_replay_evaluation(const pg_uuid_t *session_id, double overall_score, Jsonb *criteria, const char *verdict)
{
	store_evaluation(&save_replay_evaluation, session_id, overall_score, criteria, verdict);
}

void
kam_store_workflow_run(const pg_uuid_t *session_id, const char *status, TimestampTz now)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_values_add_text(&values, status);
	kam_values_add(&values, TimestampTzGetDatum(now));
	kam_statement_run(&save_workflow_run, &values);
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
