/*
 * api/change.c: kam_run_on_change: a trigger for tables that a CRM is synced
 * into.
 *
 * Runs in backends, inside the user's transaction, which a bad contact must
 * not break: what cannot be read becomes a failed run that says why.  A
 * trigger that is set up wrongly does raise: nobody would ever notice it
 * otherwise.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "kam.h"
/* after the server's headers */
#include "api/api.h"

PG_FUNCTION_INFO_V1(kam_api_run_on_change);

#define MOST_PARTS 8

/* A column that holds the contact (name NULL) or one part of it. */
typedef struct Part
{
	const char *name;
	int			attnum;
} Part;

typedef struct Mapping
{
	Part		part[MOST_PARTS];
	int			nparts;
	int			key,			/* attribute numbers; 0: none named */
				lead_id;
	int			priority;
	Interval   *debounce;		/* NULL: every change runs by itself */
} Mapping;

static const char *const part_name[] = {"contact_info", "activities", "stats", "deals"};

/* ---- the trigger's arguments ---------------------------------------------- */

static int
column_named(Relation rel, const char *name)
{
	int			attnum = SPI_fnumber(RelationGetDescr(rel), name);

	if (attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", name, RelationGetRelationName(rel)),
				 errhint("Arguments of kam_run_on_change are columns, part=column, and the options debounce, key, lead_id, priority.")));
	return attnum;
}

static void
add_part(Relation rel, const char *name, const char *column, Mapping *out)
{
	int			attnum = column_named(rel, column);
	Oid			type = SPI_gettypeid(RelationGetDescr(rel), attnum);

	if (type != JSONBOID && type != JSONOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of relation \"%s\" is neither jsonb nor json", column, RelationGetRelationName(rel))));
	if (out->nparts == MOST_PARTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("too many columns for a contact")));
	out->part[out->nparts++] = (Part)
	{
		.name = name, .attnum = attnum
	};
}

static bool
is_part(const char *name)
{
	for (int i = 0; i < lengthof(part_name); i++)
		if (strcmp(part_name[i], name) == 0)
			return true;
	return false;
}

/* One argument name=value; false when the name is none. */
static bool
take_option(Relation rel, const char *name, const char *value, Mapping *out)
{
	if (strcmp(name, "debounce") == 0)
		out->debounce = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(value),
															  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	else if (strcmp(name, "key") == 0)
		out->key = column_named(rel, value);
	else if (strcmp(name, "lead_id") == 0)
		out->lead_id = column_named(rel, value);
	else if (strcmp(name, "priority") == 0)
		out->priority = DatumGetInt32(DirectFunctionCall1(int4in, CStringGetDatum(value)));
	else if (is_part(name))
		add_part(rel, pstrdup(name), value, out);
	else
		return false;
	return true;
}

static void
read_mapping(const TriggerData *data, Mapping *out)
{
	Relation	rel = data->tg_relation;
	const Trigger *trigger = data->tg_trigger;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < trigger->tgnargs; i++)
	{
		char	   *name = pstrdup(trigger->tgargs[i]);
		char	   *equals = strchr(name, '=');

		if (equals == NULL)
		{
			add_part(rel, name, name, out);
			continue;
		}
		*equals = '\0';
		if (!take_option(rel, name, equals + 1, out))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown argument \"%s\" of kam_run_on_change", name),
					 errhint("Arguments are columns, part=column (contact_info, activities, stats, deals), and the options debounce, key, lead_id, priority.")));
	}
	if (out->nparts == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("kam_run_on_change needs the column that holds the contact"),
				 errhint("EXECUTE FUNCTION kam.kam_run_on_change('contact').")));
	/* A single column that is not one of the parts holds the whole. */
	if (out->nparts == 1 && !is_part(out->part[0].name))
		out->part[0].name = NULL;
}

/* ---- the row's contact ------------------------------------------------------ */

static bool
same_value(TupleDesc desc, HeapTuple a, HeapTuple b, int attnum)
{
	bool		null_a,
				null_b;
	Datum		value_a = heap_getattr(a, attnum, desc, &null_a);
	Datum		value_b = heap_getattr(b, attnum, desc, &null_b);

	if (null_a || null_b)
		return null_a == null_b;
	if (SPI_gettypeid(desc, attnum) == JSONBOID)
		return DatumGetBool(DirectFunctionCall2(jsonb_eq, value_a, value_b));
	return datumIsEqual(PointerGetDatum(PG_DETOAST_DATUM(value_a)), PointerGetDatum(PG_DETOAST_DATUM(value_b)), false, -1);
}

static bool
changed(const TriggerData *data, const Mapping *mapping)
{
	if (!TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		return true;
	for (int i = 0; i < mapping->nparts; i++)
		if (!same_value(RelationGetDescr(data->tg_relation), data->tg_trigtuple, data->tg_newtuple, mapping->part[i].attnum))
			return true;
	return false;
}

/* NULL when the column is; a json column that jsonb cannot hold raises 22P05 like any cast. */
static Jsonb *
column_jsonb(TupleDesc desc, HeapTuple row, int attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(row, attnum, desc, &isnull);

	if (isnull)
		return NULL;
	if (SPI_gettypeid(desc, attnum) == JSONOID)
		return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(TextDatumGetCString(value))));
	return DatumGetJsonbP(value);
}

/* The whole contact, or one put together from its parts; NULL when every column is. */
static Jsonb *
contact_of(const TriggerData *data, const Mapping *mapping, HeapTuple row)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	JsonbParseState *state = NULL;
	bool		any = false;

	if (mapping->part[0].name == NULL)
		return column_jsonb(desc, row, mapping->part[0].attnum);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < mapping->nparts; i++)
	{
		Jsonb	   *value = column_jsonb(desc, row, mapping->part[i].attnum);
		JsonbValue	item;

		if (value == NULL)
			continue;
		any = true;
		item.type = jbvString;
		item.val.string.val = (char *) mapping->part[i].name;
		item.val.string.len = (int) strlen(mapping->part[i].name);
		pushJsonbValue(&state, WJB_KEY, &item);
		if (JB_ROOT_IS_SCALAR(value))
			JsonbExtractScalar(&value->root, &item);
		else
		{
			item.type = jbvBinary;
			item.val.binary.data = &value->root;
			item.val.binary.len = VARSIZE(value) - VARHDRSZ;
		}
		pushJsonbValue(&state, WJB_VALUE, &item);
	}
	return any ? JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)) : NULL;
}

/* What tells this contact from others of its table; NULL when nothing does. */
static const char *
key_of(const TriggerData *data, const Mapping *mapping, HeapTuple row, const json_t *contact)
{
	static const char *const field[] = {"hubspot_id", "email", "linkedin_url", "linkedin_urn"};
	const json_t *info = kam_get_object(contact, "contact_info");

	if (mapping->key > 0)
		return SPI_getvalue(row, RelationGetDescr(data->tg_relation), mapping->key);
	for (int i = 0; i < lengthof(field); i++)
	{
		const json_t *value = json_object_get(info, field[i]);

		if (json_is_string(value) && json_string_length(value) > 0)
			return psprintf("%s=%s", field[i], json_string_value(value));
		if (json_is_integer(value))
			return psprintf("%s=" INT64_FORMAT, field[i], (int64) json_integer_value(value));
	}
	return NULL;
}

/* ---- the run ------------------------------------------------------------------ */

typedef struct Change
{
	Datum		contact;
	const char *lead_id,
			   *error,			/* NULL: it can be decided */
			   *sqlstate;
	int			priority;
	Interval   *debounce;
} Change;

static uint64
execute(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls)
{
	if (SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0) < 0)
		elog(ERROR, "could not record a change: %s", SPI_result_code_string(SPI_result));
	return SPI_processed;
}

static Datum
text_or_null(const char *text, char *null)
{
	*null = text != NULL ? ' ' : 'n';
	return text != NULL ? CStringGetTextDatum(text) : (Datum) 0;
}

/*
 * The session that the contact's changes go to now.  The row of _change also
 * makes two transactions that change one contact take turns.
 */
static pg_uuid_t
session_for(Oid relid, const char *key, const pg_uuid_t *fresh)
{
	Oid			types[] = {OIDOID, TEXTOID, UUIDOID};
	Datum		values[] = {ObjectIdGetDatum(relid), CStringGetTextDatum(key), UUIDPGetDatum(fresh)};
	bool		isnull;

	execute("INSERT INTO kam._change AS c (source, contact_key, session_id) VALUES ($1, $2, $3)"
			" ON CONFLICT (source, contact_key) DO UPDATE SET session_id = c.session_id RETURNING session_id",
			3, types, values, NULL);
	return *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* True when the change could still join that run: no worker has taken it. */
static bool
join_run(const pg_uuid_t *session_id, const Change *change)
{
	Oid			types[] = {UUIDOID, JSONBOID, TEXTOID, INT4OID, TEXTOID, TEXTOID};
	Datum		values[6];
	char		nulls[6] = {' ', ' ', ' ', ' ', ' ', ' '};

	values[0] = UUIDPGetDatum(session_id);
	values[1] = change->contact;
	values[2] = text_or_null(change->lead_id, &nulls[2]);
	values[3] = Int32GetDatum(change->priority);
	values[4] = text_or_null(change->error, &nulls[4]);
	values[5] = text_or_null(change->sqlstate, &nulls[5]);
	return execute("UPDATE kam.request SET contact = kam._with_touches($2, kam._lead_of($2, $3), kam._now()),"
				   " lead_id = kam._lead_of($2, $3), priority = $4, error = $5, sqlstate = $6,"
				   " status = CASE WHEN $5 IS NULL THEN 'queued' ELSE 'failed' END,"
				   " finished_at = CASE WHEN $5 IS NULL THEN NULL ELSE kam._now() END"
				   " WHERE session_id = $1 AND status IN ('queued', 'failed') AND started_at IS NULL AND lease_until IS NULL",
				   6, types, values, nulls) > 0;
}

static void
make_run(const pg_uuid_t *session_id, const Change *change)
{
	Oid			types[] = {UUIDOID, JSONBOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, INTERVALOID};
	Datum		values[7];
	char		nulls[7] = {' ', ' ', ' ', ' ', ' ', ' ', ' '};

	values[0] = UUIDPGetDatum(session_id);
	values[1] = change->contact;
	values[2] = text_or_null(change->lead_id, &nulls[2]);
	values[3] = Int32GetDatum(change->priority);
	values[4] = text_or_null(change->error, &nulls[4]);
	values[5] = text_or_null(change->sqlstate, &nulls[5]);
	values[6] = IntervalPGetDatum(change->debounce);
	nulls[6] = change->debounce != NULL ? ' ' : 'n';
	execute("INSERT INTO kam.request (session_id, contact, lead_id, priority, error, sqlstate, status, finished_at, next_attempt_at)"
			" SELECT $1, kam._with_touches($2, l.lead_id, kam._now()), l.lead_id, $4, $5, $6,"
			" CASE WHEN $5 IS NULL THEN 'queued' ELSE 'failed' END,"
			" CASE WHEN $5 IS NULL THEN NULL ELSE kam._now() END, pg_catalog.clock_timestamp() + $7"
			" FROM (SELECT kam._lead_of($2, $3) AS lead_id OFFSET 0) l",
			7, types, values, nulls);
}

static void
repoint(Oid relid, const char *key, const pg_uuid_t *session_id)
{
	Oid			types[] = {OIDOID, TEXTOID, UUIDOID};
	Datum		values[] = {ObjectIdGetDatum(relid), CStringGetTextDatum(key), UUIDPGetDatum(session_id)};

	execute("UPDATE kam._change SET session_id = $3 WHERE source = $1 AND contact_key = $2", 3, types, values, NULL);
}

static void
ask_for_run(Oid relid, const char *key, const Change *change)
{
	pg_uuid_t	fresh = kam_session_random();
	pg_uuid_t	session_id;

	if (key == NULL || change->debounce == NULL)
	{
		make_run(&fresh, change);
		return;
	}
	session_id = session_for(relid, key, &fresh);
	if (memcmp(&session_id, &fresh, sizeof(fresh)) != 0)
	{
		if (join_run(&session_id, change))
			return;
		repoint(relid, key, &fresh);
	}
	make_run(&fresh, change);
}

/* kam_run_on_change() */
Datum
kam_api_run_on_change(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	KamScratch		scratch;
	Mapping		mapping;
	Change		change = {0};
	HeapTuple	row;
	Jsonb	   *stored;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) || !TRIGGER_FIRED_FOR_ROW(data->tg_event)
		|| TRIGGER_FIRED_BY_DELETE(data->tg_event) || TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("kam_run_on_change must be an AFTER INSERT OR UPDATE trigger FOR EACH ROW")));

	SPI_connect();
	scratch = kam_scratch_begin();
	read_mapping(data, &mapping);
	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
	if (changed(data, &mapping) && (stored = contact_of(data, &mapping, row)) != NULL)
	{
		KamEnv		env = kam_pg_env(kam_time_from_timestamptz(kam_now()));
		json_t	   *json = kam_json_from_jsonb(stored);
		KamContact	contact;
		KamError	error = {0};

		change.contact = JsonbPGetDatum(stored);
		change.priority = mapping.priority;
		change.debounce = mapping.debounce;
		if (mapping.lead_id > 0)
			change.lead_id = SPI_getvalue(row, RelationGetDescr(data->tg_relation), mapping.lead_id);
		if (!kam_contact_parse(&env, json, &contact, &error))
		{
			change.sqlstate = error.sqlstate;
			change.error = error.path != NULL ? psprintf("%s (at \"%s\")", error.message, error.path) : error.message;
		}
		ask_for_run(RelationGetRelid(data->tg_relation), key_of(data, &mapping, row, json), &change);
	}
	kam_scratch_end(&scratch);
	SPI_finish();
	return PointerGetDatum(NULL);
}
