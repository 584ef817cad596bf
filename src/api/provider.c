/*
 * api/provider.c: what rows of provider and model may say.
 *
 * Row triggers, in the backend of whoever writes the row: what the worker
 * could not use is refused here, with the path of what is wrong and what may
 * stand there.  What they let through, llm/provider.h reads; nothing here
 * opens a connection or looks for a key.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

/* after the server's headers */
#include "api/api.h"
#include "core/agents.h"
#include "llm/provider.h"

PG_FUNCTION_INFO_V1(kam_api_provider_check);
PG_FUNCTION_INFO_V1(kam_api_model_check);

#define LONGEST_NAME 63
#define LONGEST_URL 1000
#define LONGEST_MODEL 200

/* The row a trigger is fired for. */
typedef struct Row
{
	TriggerData *data;
	HeapTuple	tuple;
} Row;

static Row
fired_row(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(data->tg_event) || !TRIGGER_FIRED_FOR_ROW(data->tg_event)
		|| TRIGGER_FIRED_BY_DELETE(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called by a row trigger before insert or update")));
	return (Row)
	{
		data, TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple
	};
}

/* A column of a type that the caller knows it by; another table's column of that name is refused. */
static Datum
column(const Row *row, const char *name, Oid type, bool *isnull)
{
	TupleDesc	desc = row->data->tg_relation->rd_att;
	int			number = SPI_fnumber(desc, name);

	if (number <= 0 || TupleDescAttr(desc, number - 1)->atttypid != type)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table \"%s\" has no column \"%s\" of type %s", RelationGetRelationName(row->data->tg_relation), name,
						type == JSONBOID ? "jsonb" : "text")));
	return heap_getattr(row->tuple, number, desc, isnull);
}

/* NULL for SQL NULL. */
static char *
text_column(const Row *row, const char *name)
{
	bool		isnull;
	Datum		value = column(row, name, TEXTOID, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Borrowed; NULL for SQL NULL. */
static json_t *
json_column(const Row *row, const char *name)
{
	bool		isnull;
	Datum		value = column(row, name, JSONBOID, &isnull);

	return isnull ? NULL : kam_json_from_jsonb(DatumGetJsonbP(value));
}

/* Refuses the row: message and hint, with the path within the column when there is one. */
KAM_NORETURN static void refuse(const char *message, const char *path, const char *hint);

static void
refuse(const char *message, const char *path, const char *hint)
{
	KamError	error = {"22023", message, path, hint};

	kam_raise(&error);
}

/* ---- provider -------------------------------------------------------------- */

static void
check_name(const char *name)
{
	static const char *const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t		length = strlen(name);

	if (length == 0 || length > LONGEST_NAME || strchr(letters, name[0]) == NULL || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != length)
		refuse(psprintf("invalid name of a provider: \"%s\"", name), NULL,
			   "It has at most 63 lower-case letters, digits, \"_\", \".\" and \"-\", and begins with a letter or digit: it is the name of its key's file.");
	if (strcmp(name, "proxy") == 0)
		refuse("a provider cannot be named \"proxy\"", NULL, "The file of that name holds the password of kam.proxy.");
}

/* One part of an address that must not be there; libcurl's memory is given back at once. */
static bool
has_part(CURLU *url, CURLUPart part)
{
	char	   *value = NULL;
	bool		there = curl_url_get(url, part, &value, 0) == CURLUE_OK && value != NULL;

	curl_free(value);
	return there;
}

/* What is wrong with an address, or NULL.  Read by libcurl, so that it means here what it will mean when it is called. */
static const char *
address_fault(const char *text)
{
	CURLU	   *url;
	const char *fault = NULL;

	if (strlen(text) > LONGEST_URL)
		return "is too long";
	for (const unsigned char *c = (const unsigned char *) text; *c != '\0'; c++)
	{
		if (*c <= ' ' || *c >= 0x7f || strchr("\"<>\\^`{|}", *c) != NULL)
			return "holds a character that no address has";
	}
	if (pg_strncasecmp(text, "http://", 7) != 0 && pg_strncasecmp(text, "https://", 8) != 0)
		return "does not begin with http:// or https://";
	/* libcurl would take the path's first part for the host. */
	if (strchr("/:", *(strstr(text, "://") + 3)) != NULL)
		return "is no address";
	if (strchr(text, '?') != NULL)
		return "holds a query";
	if (strchr(text, '#') != NULL)
		return "holds a fragment";

	url = curl_url();
	if (url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK || !has_part(url, CURLUPART_HOST))
		fault = "is no address";
	else if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD) || strchr(text, '@') != NULL)
		fault = "holds a user or a password";
	curl_url_cleanup(url);
	return fault;
}

static void
check_address(const char *provider, const char *address)
{
	const char *fault = address_fault(address);

	/* The address itself is not repeated: what is wrong with it may be a password. */
	if (fault != NULL)
		refuse(psprintf("base_url of provider \"%s\" %s", provider, fault), NULL,
			   "It is scheme, host, port and path, for example https://api.example.com/v1; a query goes into dialect.path, a key into a file of kam.key_directory.");
}

static void
check_model_name(const char *provider, const char *column_name, const char *model)
{
	if (model != NULL && (*model == '\0' || strlen(model) > LONGEST_MODEL))
		refuse(psprintf("%s of provider \"%s\" must have 1 to %d bytes", column_name, provider, LONGEST_MODEL), NULL, NULL);
}

/* {"agent": "model"} */
static void
check_agent_models(const char *provider, const json_t *models)
{
	const char *agent;
	json_t	   *model;

	if (!json_is_object(models))
		refuse(psprintf("agent_models of provider \"%s\" must be an object", provider), NULL, "For example {\"decision_evaluator\": \"a-model\"}.");
	json_object_foreach((json_t *) models, agent, model)
	{
		char	   *path = psprintf("/%s", agent);

		if (kam_agent_from_name(agent) < 0)
			refuse(psprintf("agent_models of provider \"%s\" names the unknown agent \"%s\"", provider, agent), path, "kam.agent lists the agents.");
		if (!json_is_string(model) || json_string_length(model) == 0 || json_string_length(model) > LONGEST_MODEL)
			refuse(psprintf("agent_models of provider \"%s\": a model must be a text of 1 to %d bytes", provider, LONGEST_MODEL), path, NULL);
	}
}

static void
check_dialect(const char *provider, KamApi api, const json_t *json)
{
	KamError	error = {0};
	KamDialect	dialect;

	if (!json_is_object(json))
		refuse(psprintf("dialect of provider \"%s\" must be an object", provider), NULL, "{} is the protocol as it stands.");
	if (api == KAM_API_BUILTIN || api == KAM_API_REPLAY)
	{
		if (json_object_size(json) > 0)
			refuse(psprintf("provider \"%s\" takes no dialect", provider), NULL, "It makes no request.");
		return;
	}
	if (kam_dialect_read(kam_pg_arena(), api, json, &dialect, &error))
		return;
	error.message = psprintf("dialect of provider \"%s\": %s", provider, error.message);
	kam_raise(&error);
}

/* _provider_check() */
Datum
kam_api_provider_check(PG_FUNCTION_ARGS)
{
	Row			row = fired_row(fcinfo);
	KamScratch scratch = kam_scratch_begin();
	const char *provider = text_column(&row, "provider");
	const char *api_name = text_column(&row, "api");
	const char *base_url = text_column(&row, "base_url");
	const char *in_doubt = text_column(&row, "in_doubt");
	const json_t *dialect = json_column(&row, "dialect");
	const json_t *agent_models = json_column(&row, "agent_models");
	KamApi		api;

	/* What is NULL and must not be, the table refuses. */
	if (provider != NULL && api_name != NULL)
	{
		check_name(provider);
		if (!kam_api_from_name(api_name, &api))
			refuse(psprintf("provider \"%s\" has the unknown api \"%s\"", provider, api_name), NULL, "It is builtin, anthropic, openai or replay.");
		if (base_url != NULL)
			check_address(provider, base_url);
		else if (api == KAM_API_ANTHROPIC || api == KAM_API_OPENAI)
			refuse(psprintf("provider \"%s\" of api %s needs a base_url", provider, api_name), NULL, "For example https://api.example.com/v1.");
		if (in_doubt != NULL && strcmp(in_doubt, "retry") != 0 && strcmp(in_doubt, "hold") != 0 && strcmp(in_doubt, "fail") != 0)
			refuse(psprintf("provider \"%s\" has the unknown policy in_doubt \"%s\"", provider, in_doubt), NULL, "It is retry, hold or fail.");
		check_model_name(provider, "default_model", text_column(&row, "default_model"));
		check_model_name(provider, "fallback_model", text_column(&row, "fallback_model"));
		if (dialect != NULL)
			check_dialect(provider, api, dialect);
		if (agent_models != NULL)
			check_agent_models(provider, agent_models);
	}
	kam_scratch_end(&scratch);
	return PointerGetDatum(row.tuple);
}

/* ---- model ----------------------------------------------------------------- */

/* _model_check() */
Datum
kam_api_model_check(PG_FUNCTION_ARGS)
{
	Row			row = fired_row(fcinfo);
	KamScratch scratch = kam_scratch_begin();
	const char *model = text_column(&row, "model");
	const json_t *capabilities = json_column(&row, "capabilities");
	KamError	error = {0};
	KamTraits	traits;

	if (model != NULL && (*model == '\0' || strlen(model) > LONGEST_MODEL))
		refuse(psprintf("the name of a model must have 1 to %d bytes", LONGEST_MODEL), NULL, NULL);
	if (model != NULL && capabilities != NULL)
	{
		if (!json_is_object(capabilities))
			refuse(psprintf("capabilities of model \"%s\" must be an object", model), NULL, "{} is what most models take.");
		if (!kam_traits_read(kam_pg_arena(), capabilities, &traits, &error))
		{
			error.message = psprintf("capabilities of model \"%s\": %s", model, error.message);
			kam_raise(&error);
		}
	}
	kam_scratch_end(&scratch);
	return PointerGetDatum(row.tuple);
}
