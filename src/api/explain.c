/*
 * api/explain.c: the parts of kam_explain that are computed anew, from the
 * contact as it was stored and the moment it was judged from.
 *
 * Runs in backends.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

/* after the server's headers */
#include "api/api.h"
#include "core/evidence.h"
#include "core/steering.h"

PG_FUNCTION_INFO_V1(kam_api_basis);
PG_FUNCTION_INFO_V1(kam_api_claim_verdicts);
PG_FUNCTION_INFO_V1(kam_api_decision_evidence);

static json_t *
time_json(const KamEnv *env, const KamContact *contact, KamTime at)
{
	return at == KAM_NO_TIME ? json_null() : kam_string(kam_time_format(env->arena, &contact->zone, at));
}

/* Evidence, and where it stands. */
static void
put_evidence(json_t *out, const KamEnv *env, const KamContact *contact, const KamEvidence *evidence)
{
	json_t	   *entries = kam_evidence_json(evidence);

	kam_put(out, "evidence", entries);
	kam_put(out, "at", kam_evidence_places(env, contact, entries));
}

static json_t *
plan_json(const KamEnv *env, const KamContact *contact, const KamPlan *plan)
{
	json_t	   *out = kam_object();

	kam_put(out, "rule", kam_string(plan->rule));
	kam_put(out, "action", kam_string(kam_action_name(plan->action)));
	kam_put(out, "variant", kam_string(plan->variant == KAM_NO_VARIANT ? NULL : kam_variant_name(plan->variant)));
	kam_put(out, "wait_type", kam_string(plan->wait_type == KAM_NO_WAIT ? NULL : kam_wait_type_name(plan->wait_type)));
	kam_put(out, "at_once", json_boolean(plan->at_once));
	kam_put(out, "hard_blocker", json_boolean(plan->hard));
	kam_put(out, "reevaluate_at", time_json(env, contact, plan->wait_type == KAM_NO_WAIT ? KAM_NO_TIME : plan->reevaluate_at));
	kam_put(out, "reason", kam_string(plan->reason));
	kam_put(out, "trigger_event", kam_string(plan->trigger_event));
	put_evidence(out, env, contact, plan->evidence);
	return out;
}

static json_t *
score_json(const KamEnv *env, const KamContact *contact, const KamScore *score)
{
	json_t	   *out = kam_object();
	json_t	   *factors = kam_array();

	kam_put(out, "stage", kam_string(kam_stage_name(score->stage)));
	kam_put(out, "base", kam_rounded(score->base / 100.0));
	kam_put(out, "factors", factors);
	for (int i = 0; i < score->nfactors; i++)
	{
		const KamFactor *factor = &score->factor[i];
		json_t	   *row = kam_object();

		kam_push(factors, row);
		kam_put(row, "factor", kam_string(factor->name));
		kam_put(row, "impact", kam_rounded(factor->impact / 100.0));
		kam_put(row, "reason", kam_string(factor->evidence));
		put_evidence(row, env, contact, factor->proof);
	}
	kam_put(out, "total", kam_rounded(score->total / 100.0));
	return out;
}

/* _basis(contact, as_of, decision) */
Datum
kam_api_basis(PG_FUNCTION_ARGS)
{
	KamScratch		scratch = kam_scratch_begin();
	KamEnv		env = kam_pg_env(kam_arg_as_of(fcinfo, 1));
	json_t	   *json = kam_arg_json(fcinfo, 0);
	KamContact	contact;
	KamFacts	facts = {0};
	KamPlan		plan = {0};
	KamScore	score = {0};
	KamForbidden forbidden;
	KamError	error = {0};
	json_t	   *out;
	Datum		result;

	if (json == NULL || !kam_contact_parse(&env, json, &contact, &error))
	{
		kam_scratch_end(&scratch);
		PG_RETURN_NULL();
	}
	kam_facts_find(&env, &contact, &facts);
	kam_plan_forbidden(&env, &contact, &facts, kam_forbidden_read(&contact, kam_arg_json(fcinfo, 2), &forbidden) ? &forbidden : NULL, &plan);
	kam_score(&env, &contact, &facts, &score);
	out = kam_pg_own(kam_object());
	kam_put(out, "facts", kam_facts_json(&env, &contact, &facts));
	kam_put(out, "plan", plan_json(&env, &contact, &plan));
	kam_put(out, "steering", kam_steering_json(&env, &contact));
	kam_put(out, "score", score_json(&env, &contact, &score));
	result = kam_result(&scratch, out);
	kam_scratch_end(&scratch);
	PG_RETURN_DATUM(result);
}

/* _claim_verdicts(output, contact, as_of) */
Datum
kam_api_claim_verdicts(PG_FUNCTION_ARGS)
{
	KamScratch		scratch = kam_scratch_begin();
	KamEnv		env = kam_pg_env(kam_arg_as_of(fcinfo, 2));
	const json_t *output = kam_arg_json(fcinfo, 0);
	json_t	   *verdicts;
	KamContact	contact;
	KamError	error = {0};
	Datum		result;

	if (json_array_size(kam_get_array(output, "claims")) > 0 && kam_contact_parse(&env, kam_arg_json(fcinfo, 1), &contact, &error))
		verdicts = kam_pg_own(kam_claims_report(&env, &contact, output));
	else
		verdicts = kam_pg_own(kam_array());
	result = kam_result(&scratch, verdicts);
	kam_scratch_end(&scratch);
	PG_RETURN_DATUM(result);
}

/* _decision_evidence(decision, contact, as_of) */
Datum
kam_api_decision_evidence(PG_FUNCTION_ARGS)
{
	KamScratch		scratch = kam_scratch_begin();
	KamEnv		env = kam_pg_env(kam_arg_as_of(fcinfo, 2));
	const json_t *decision = kam_arg_json(fcinfo, 0);
	json_t	   *rows;
	KamContact	contact;
	KamFacts	facts = {0};
	KamScore	score = {0};
	KamError	error = {0};
	Datum		result;

	if (decision != NULL && kam_contact_parse(&env, kam_arg_json(fcinfo, 1), &contact, &error))
	{
		kam_facts_find(&env, &contact, &facts);
		kam_score(&env, &contact, &facts, &score);
		rows = kam_pg_own(kam_decision_evidence(&env, &contact, &score, decision));
	}
	else
		rows = kam_pg_own(kam_array());
	result = kam_result(&scratch, rows);
	kam_scratch_end(&scratch);
	PG_RETURN_DATUM(result);
}
