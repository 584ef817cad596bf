/*
 * api/run.c: kam_run: a checked contact becomes a queued run.
 *
 * Runs in backends.  What cannot be decided is refused here, while somebody is
 * there to hear why; the stored contact is the caller's own jsonb, and what the
 * log knows besides.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "kam.h"
#include "pg/clock.h"
#include "pg/zones.h"
/* after the server's headers */
#include "api/api.h"

PG_FUNCTION_INFO_V1(kam_api_run);

#define MESSAGE "Workflow was started: the decision will be in kam.final_decision under this session_id."
#define LONGEST_KEY 1000

typedef struct Options
{
	const char *idempotency_key,
			   *lead_id;
	int			priority;
	KamTime		as_of;			/* KAM_NO_TIME: the present */
	bool		rerun;
} Options;

KAM_NORETURN static void refuse(const char *sqlstate, const char *message, const char *path, const char *hint);

static void
refuse(const char *sqlstate, const char *message, const char *path, const char *hint)
{
	KamError	error = {sqlstate, message, path, hint};

	kam_raise(&error);
}

/* ---- options: one row each ---------------------------------------------- */

static void
take_key(const KamEnv *env, const json_t *value, Options *out)
{
	out->idempotency_key = json_string_value(value);
	if (out->idempotency_key == NULL || json_string_length(value) == 0 || json_string_length(value) > LONGEST_KEY)
		refuse("22023", "idempotency_key must be a text of 1 to 1000 bytes", "/idempotency_key", NULL);
}

static void
take_priority(const KamEnv *env, const json_t *value, Options *out)
{
	if (!json_is_integer(value) || json_integer_value(value) < PG_INT32_MIN || json_integer_value(value) > PG_INT32_MAX)
		refuse("22023", "priority must be an integer", "/priority", "Higher runs first; 0 is the default.");
	out->priority = (int) json_integer_value(value);
}

static void
take_as_of(const KamEnv *env, const json_t *value, Options *out)
{
	KamZone		zone;

	if (!json_is_string(value))
		refuse("22023", "as_of must be a text", "/as_of", "For example \"2026-03-10T09:00:00+01:00\".");
	if (!kam_zone_find(env->zones, env->default_zone, &zone) || !kam_time_parse(json_string_value(value), &zone, &out->as_of))
		refuse("22007", kam_printf(env->arena, "invalid time \"%s\"", json_string_value(value)), "/as_of",
			   "It takes ISO 8601, for example \"2026-03-10T09:00:00+01:00\".");
}

static void
take_lead(const KamEnv *env, const json_t *value, Options *out)
{
	if (json_is_integer(value))
		out->lead_id = kam_printf(env->arena, "%lld", (long long) json_integer_value(value));
	else
		out->lead_id = json_string_value(value);
	if (out->lead_id == NULL || out->lead_id[0] == '\0')
		refuse("22023", "lead_id must be a text", "/lead_id", NULL);
}

static void
take_rerun(const KamEnv *env, const json_t *value, Options *out)
{
	if (!json_is_boolean(value))
		refuse("22023", "rerun must be true or false", "/rerun", NULL);
	out->rerun = json_is_true(value);
}

static const struct
{
	const char *name;
	void		(*take) (const KamEnv *env, const json_t *value, Options *out);
}			option[] = {
	{"idempotency_key", take_key},
	{"priority", take_priority},
	{"as_of", take_as_of},
	{"lead_id", take_lead},
	{"rerun", take_rerun},
};

static void
read_options(const KamEnv *env, json_t *options, Options *out)
{
	const char *key;
	json_t	   *value;

	memset(out, 0, sizeof(*out));
	out->as_of = KAM_NO_TIME;
	if (options == NULL)
		return;
	if (!json_is_object(options))
		refuse("22023", "options must be an object", "", NULL);
	json_object_foreach(options, key, value)
	{
		int			i = 0;

		while (i < lengthof(option) && strcmp(option[i].name, key) != 0)
			i++;
		if (i == lengthof(option))
			refuse("22023", kam_printf(env->arena, "unknown option \"%s\"", key), kam_printf(env->arena, "/%s", key),
				   "Options are idempotency_key, priority, as_of, lead_id, rerun.");
		if (!json_is_null(value))
			option[i].take(env, value, out);
	}
}

/* ---- the row -------------------------------------------------------------- */

/*
 * Inserts the run, or finds the one that its key already made.  Of two
 * sessions with one key the later waits for the earlier to commit.  Returns
 * when the run was asked for.
 */
static TimestampTz
put_request(const pg_uuid_t *session_id, Datum contact, Datum options, const Options *read, TimestampTz as_of)
{
	static SPIPlanPtr insert_plan = NULL;
	static SPIPlanPtr find_plan = NULL;
	Oid			types[] = {UUIDOID, JSONBOID, JSONBOID, TEXTOID, INT4OID, TIMESTAMPTZOID};
	Datum		values[6];
	char		nulls[6] = {' ', ' ', ' ', ' ', ' ', ' '};
	TimestampTz created_at;
	bool		isnull;

	if (insert_plan == NULL)
	{
		/* OFFSET 0: the lead is looked up once. */
		SPIPlanPtr	plan = SPI_prepare("INSERT INTO kam.request (session_id, contact, options, lead_id, priority, as_of)"
									   " SELECT $1, kam._with_touches($2, l.lead_id, $6), $3, l.lead_id, $5, $6"
									   " FROM (SELECT kam._lead_of($2, $4) AS lead_id OFFSET 0) l"
									   " ON CONFLICT (session_id) DO NOTHING RETURNING created_at", 6, types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
		insert_plan = plan;
	}
	if (find_plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare("SELECT created_at FROM kam.request WHERE session_id = $1", 1, types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
		find_plan = plan;
	}

	values[0] = UUIDPGetDatum(session_id);
	values[1] = contact;
	values[2] = options;
	values[3] = read->lead_id != NULL ? CStringGetTextDatum(read->lead_id) : (Datum) 0;
	nulls[3] = read->lead_id != NULL ? ' ' : 'n';
	values[4] = Int32GetDatum(read->priority);
	values[5] = TimestampTzGetDatum(as_of);
	if (SPI_execute_plan(insert_plan, values, nulls, false, 0) != SPI_OK_INSERT_RETURNING)
		elog(ERROR, "could not insert a request");
	if (SPI_processed == 0)
	{
		if (SPI_execute_plan(find_plan, values, nulls, false, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not look a request up");
		if (SPI_processed == 0)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("the run of this idempotency_key was removed meanwhile"),
					 errhint("Retry.")));
	}
	created_at = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	return created_at;
}

static json_t *
answer(const KamEnv *env, const pg_uuid_t *session_id, TimestampTz created_at)
{
	json_t	   *out = kam_pg_own(kam_object());
	KamZone		zone;

	if (!kam_zone_find(env->zones, env->default_zone, &zone))
		zone = (KamZone)
	{
		"UTC", NULL, env->zones
	};
	kam_put(out, "message", kam_string(MESSAGE));
	kam_put(out, "started_at", kam_string(kam_time_format(env->arena, &zone, kam_time_from_timestamptz(created_at))));
	kam_put(out, "session_id", kam_string(DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(session_id)))));
	return out;
}

/* kam_run(contact, options) */
Datum
kam_api_run(PG_FUNCTION_ARGS)
{
	KamScratch		scratch = kam_scratch_begin();
	TimestampTz now = kam_now();
	KamEnv		env = kam_pg_env(kam_time_from_timestamptz(now));
	Options		options;
	KamContact	contact;
	pg_uuid_t	session_id;
	Datum		given;
	TimestampTz created_at;
	Datum		result;

	read_options(&env, kam_arg_json(fcinfo, 1), &options);
	if (options.as_of != KAM_NO_TIME)
		env.as_of = options.as_of;
	kam_read_contact(&env, kam_arg_json(fcinfo, 0), &contact);

	session_id = options.idempotency_key != NULL ? kam_session_of("run", options.idempotency_key) : kam_session_random();
	given = PG_ARGISNULL(1) ? DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")) : PG_GETARG_DATUM(1);

	SPI_connect();
	created_at = put_request(&session_id, PG_GETARG_DATUM(0), given, &options, kam_timestamptz_from_time(env.as_of));
	SPI_finish();

	result = kam_result(&scratch, answer(&env, &session_id, created_at));
	kam_scratch_end(&scratch);
	PG_RETURN_DATUM(result);
}
