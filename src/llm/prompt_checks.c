/*
 * llm/prompt_checks.c: what a program finds before a model is asked.
 *
 * Everything here is computed anew from the contact and the outputs: the same
 * inputs give the same JSON.
 */
#include "llm/prompt_checks.h"

#include "core/evidence.h"
#include "core/steering.h"

/* A new reference to the value, or null. */
static json_t *
shared(const json_t *value)
{
	return value != NULL ? json_incref((json_t *) value) : json_null();
}

/* Every claim of wave 1 that is not simply verified: what becomes of it, and why. */
static json_t *
doubtful_claims(const KamEnv *env, const KamInputs *in)
{
	json_t	   *out = kam_array();

	for (int agent = 0; agent < KAM_WAVE1_EVALUATOR; agent++)
	{
		const json_t *claims = kam_get_array(in->output[agent], "claims");

		for (size_t i = 0; i < json_array_size(claims) && i < KAM_MOST_CLAIMS; i++)
		{
			const json_t *claim = json_array_get(claims, i);
			const char *why;
			KamVerdict	verdict = kam_claim_judge(env, in->contact, claim, &why, NULL);
			json_t	   *row;

			if (verdict == KAM_VERIFIED)
				continue;
			row = kam_object();
			kam_push(out, row);
			kam_put(row, "agent", kam_string(kam_agent_name((KamAgent) agent)));
			kam_put(row, "text", shared(json_object_get(claim, "text")));
			kam_put(row, "verdict", kam_string(kam_verdict_name(verdict)));
			kam_put(row, "why", kam_string(why));
		}
	}
	return out;
}

json_t *
kam_prompt_checks(const KamEnv *env, const KamInputs *in)
{
	KamInputs	own = *in;
	json_t	   *verdict,
			   *kept = kam_array(),
			   *out = kam_object();
	const json_t *found;

	/* What is kept for the run must not lie in the prompt's arena. */
	own.kept = NULL;
	verdict = kam_builtin_run(env, KAM_WAVE1_EVALUATOR, &own);
	found = kam_get_object(verdict, "fact_check");
	kam_put(out, "claims", doubtful_claims(env, in));
	kam_put(out, "errors", shared(json_object_get(found, "errors")));
	kam_put(out, "missed", shared(json_object_get(found, "missed")));
	json_decref(verdict);
	for (int i = 0; i < KAM_WAVE1_EVALUATOR; i++)
		if ((in->earlier_kept >> i & 1) != 0)
			kam_push(kept, kam_string(kam_agent_name((KamAgent) i)));
	kam_put(out, "earlier_answer_kept", kept);
	return out;
}

json_t *
kam_prompt_inventions(const KamEnv *env, const KamInputs *in)
{
	json_t	   *invented = kam_analyses_inventions(env, in);
	json_t	   *out;

	if (json_array_size(invented) == 0)
	{
		json_decref(invented);
		return NULL;
	}
	out = kam_object();
	kam_put(out, "invented", invented);
	return out;
}

json_t *
kam_prompt_suspicious(const KamEnv *env, const KamInputs *in)
{
	json_t	   *found = kam_steering_json(env, in->contact);

	if (json_array_size(found) > 0)
		return found;
	json_decref(found);
	return NULL;
}
