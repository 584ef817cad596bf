/*
 * api/decide.c: facts, decisions and checks of a contact given as an argument.
 *
 * Runs in backends.  Nothing here writes or touches the network.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

/* after the server's headers */
#include "api/api.h"
#include "core/evidence.h"
#include "core/when.h"

PG_FUNCTION_INFO_V1(kam_api_facts);
PG_FUNCTION_INFO_V1(kam_api_decide);
PG_FUNCTION_INFO_V1(kam_api_check);
PG_FUNCTION_INFO_V1(kam_api_when);
PG_FUNCTION_INFO_V1(kam_api_agent);

/* kam_facts(contact, as_of) */
Datum
kam_api_facts(PG_FUNCTION_ARGS)
{
	KamScratch		scratch = kam_scratch_begin();
	KamEnv		env = kam_pg_env(kam_arg_as_of(fcinfo, 1));
	json_t	   *json = kam_arg_json(fcinfo, 0);
	KamContact	contact;
	KamFacts	facts = {0};
	Datum		result;

	kam_read_contact(&env, json, &contact);
	kam_facts_find(&env, &contact, &facts);
	result = kam_result(&scratch, kam_pg_own(kam_facts_json(&env, &contact, &facts)));
	kam_scratch_end(&scratch);
	PG_RETURN_DATUM(result);
}

static void
close_run(void *arg)
{
	kam_run_close(arg);
}

/* Opens a run; raises what core/ refuses. */
static KamRun *
open_run(const KamEnv *env, const json_t *json)
{
	KamRun	   *run = palloc0(sizeof(KamRun));
	KamContact	unread;
	KamError	error = {0};

	if (json == NULL)
		kam_read_contact(env, NULL, &unread);
	if (!kam_run_open(run, env->arena, env, json, NULL, &error))
		kam_raise(&error);
	return run;
}

/* kam_decide(contact, as_of) */
Datum
kam_api_decide(PG_FUNCTION_ARGS)
{
	KamLibrary	library = kam_library();
	KamScratch		scratch = kam_scratch_begin();
	KamEnv		env = kam_pg_env(kam_arg_as_of(fcinfo, 1));
	Datum		result = (Datum) 0;

	/* nothing of the run outlives it but the result, which is no jansson value */
	kam_json_in_arena(env.arena);
	PG_TRY();
	{
		KamRun	   *run = open_run(&env, kam_arg_json(fcinfo, 0));

		run->in.resources = library.resources;
		run->in.practices = library.practices;
		run->in.history = library.history;
		kam_run_builtin(run, false);
		if (run->decision == NULL)
			elog(ERROR, "the workflow ended without a decision");
		result = kam_result(&scratch, run->decision);
	}
	PG_FINALLY();
	{
		kam_json_usual();
	}
	PG_END_TRY();
	kam_scratch_end(&scratch);
	PG_RETURN_DATUM(result);
}

/* kam_check(decision, contact, as_of) */
Datum
kam_api_check(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	KamLibrary	library = kam_library();
	KamScratch		scratch;
	KamEnv		env;
	json_t	   *decision;
	KamContact	contact;
	KamFacts	facts = {0};
	KamForbidden forbidden;
	KamPlan		plan = {0};
	KamFindings findings = {0};

	InitMaterializedSRF(fcinfo, 0);
	scratch = kam_scratch_begin();
	env = kam_pg_env(kam_arg_as_of(fcinfo, 2));
	decision = kam_arg_json(fcinfo, 0);
	if (decision == NULL)
		kam_raise(&(KamError)
				  {
					  .sqlstate = "22023", .message = "decision must not be null", .path = "",
						  .hint = "Pass what kam_decide returns, or its final_decision."
				  });
	kam_read_contact(&env, kam_arg_json(fcinfo, 1), &contact);
	kam_facts_find(&env, &contact, &facts);
	/* Silence for a contact that must not be written to keeps the tree: the decision states the reason itself. */
	kam_plan_forbidden(&env, &contact, &facts, kam_forbidden_read(&contact, decision, &forbidden) ? &forbidden : NULL, &plan);
	kam_check(&env, &contact, &facts, &plan, &(KamHouse) {library.resources, library.practices}, decision, NULL, &findings);
	for (int i = 0; i < findings.count; i++)
	{
		const KamFinding *finding = &findings.finding[i];
		Datum		values[4];
		bool		nulls[4] = {0};

		values[0] = CStringGetTextDatum(finding->rule);
		values[1] = CStringGetTextDatum(finding->severity);
		values[2] = CStringGetTextDatum(finding->path != NULL ? finding->path : "");
		values[3] = CStringGetTextDatum(finding->message);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	kam_scratch_end(&scratch);
	return (Datum) 0;
}

/* kam_when(expression, as_of, zone) */
Datum
kam_api_when(PG_FUNCTION_ARGS)
{
	KamScratch		scratch = kam_scratch_begin();
	KamEnv		env = kam_pg_env(kam_time_from_timestamptz(PG_GETARG_TIMESTAMPTZ(1)));
	char	   *expression = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	KamZone		zone;
	KamTime		at;
	bool		found;

	if (!kam_zone_find(env.zones, name, &zone))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", name),
				 errhint("It takes an IANA name such as \"Europe/Paris\"; pg_timezone_names lists them.")));
	found = kam_when_parse(env.arena, expression, env.as_of, &zone, &at);
	kam_scratch_end(&scratch);
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(kam_timestamptz_from_time(at));
}

/* ---- one agent by itself ------------------------------------------------- */

/* An agent's inputs as the caller gives them. */
static void
take_inputs(KamInputs *in, const json_t *inputs)
{
	const json_t *instruction = json_object_get(inputs, "instruction");

	in->resources = kam_get_array(inputs, "resources");
	in->practices = kam_get_array(inputs, "practices");
	in->history = kam_get_array(inputs, "history");
	in->decision = kam_get_object(inputs, "decision");
	in->instruction = json_is_null(instruction) ? NULL : instruction;
	in->iteration = (int) Max(1, Min(KAM_MAX_ITERATIONS, kam_get_number(inputs, "iteration", 1)));
}

/* _agent(agent, contact, inputs, as_of) */
Datum
kam_api_agent(PG_FUNCTION_ARGS)
{
	KamScratch		scratch = kam_scratch_begin();
	KamEnv		env = kam_pg_env(kam_arg_as_of(fcinfo, 3));
	char	   *name = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			wanted = name == NULL ? -1 : kam_agent_from_name(name);
	json_t	   *inputs = kam_arg_json(fcinfo, 2);
	KamRun	   *run;
	KamInputs	in;
	json_t	   *output = NULL;
	Datum		result;

	if (wanted < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown agent \"%s\"", name != NULL ? name : "NULL"),
				 errhint("SELECT agent FROM kam.agent lists them.")));
	if (inputs != NULL && !json_is_object(inputs))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("inputs must be an object")));
	run = open_run(&env, kam_arg_json(fcinfo, 1));
	kam_on_reset(close_run, run);
	in = run->in;
	take_inputs(&in, inputs);

	/* The judge judges a decision: without one given, the one this contact gets. */
	if (wanted == KAM_DECISION_EVALUATOR && in.decision == NULL)
	{
		run->in.resources = in.resources;
		run->in.practices = in.practices;
		run->in.history = in.history;
		kam_run_builtin(run, false);
		in.decision = run->decision;
	}
	for (int agent = 0; agent <= wanted; agent++)
	{
		const json_t *given = kam_get_object(kam_get_object(inputs, "output"), kam_agent_name(agent));

		if (agent < wanted && given != NULL)
		{
			in.output[agent] = given;
			continue;
		}
		output = kam_pg_own(kam_builtin_run(&run->env, agent, &in));
		in.output[agent] = output;
	}
	result = kam_result(&scratch, output);
	kam_scratch_end(&scratch);
	PG_RETURN_DATUM(result);
}
