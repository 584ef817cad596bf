/*
 * api/call.c: what every SQL function does first and last: memory, arguments,
 * results.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "pg/clock.h"
/* after the server's headers */
#include "api/api.h"

KamScratch
kam_scratch_begin(void)
{
	KamScratch		scratch;

	scratch.inner = AllocSetContextCreate(CurrentMemoryContext, "kam call", ALLOCSET_DEFAULT_SIZES);
	scratch.outer = MemoryContextSwitchTo(scratch.inner);
	return scratch;
}

void
kam_scratch_end(KamScratch *scratch)
{
	MemoryContextSwitchTo(scratch->outer);
	MemoryContextDelete(scratch->inner);
}

json_t *
kam_arg_json(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : kam_json_from_jsonb(PG_GETARG_JSONB_P(n));
}

KamTime
kam_arg_as_of(FunctionCallInfo fcinfo, int n)
{
	return kam_time_from_timestamptz(PG_ARGISNULL(n) ? kam_statement_now() : PG_GETARG_TIMESTAMPTZ(n));
}

Datum
kam_result(const KamScratch *scratch, const json_t *value)
{
	MemoryContext old = MemoryContextSwitchTo(scratch->outer);
	Jsonb	   *result = kam_jsonb_from_json(value);

	MemoryContextSwitchTo(old);
	return JsonbPGetDatum(result);
}

void
kam_read_contact(const KamEnv *env, const json_t *json, KamContact *out)
{
	KamError	error = {0};

	if (json == NULL)
		error = (KamError)
		{
			.sqlstate = "22023", .message = "contact must not be null", .path = "",
				.hint = "Pass {\"contact_info\": {...}, \"activities\": [...]}."
		};
	else if (kam_contact_parse(env, json, out, &error))
		return;
	kam_raise(&error);
}

/* ---- keys ---------------------------------------------------------------- */

static pg_uuid_t
as_uuid(const unsigned char *bytes, int version)
{
	pg_uuid_t	uuid;

	memcpy(uuid.data, bytes, UUID_LEN);
	uuid.data[6] = (uuid.data[6] & 0x0f) | (unsigned char) (version << 4);
	uuid.data[8] = (uuid.data[8] & 0x3f) | 0x80;
	return uuid;
}

/* Version 8: the bits are ours, the first 16 bytes of SHA-256 over "kam", kind and key. */
pg_uuid_t
kam_session_of(const char *kind, const char *key)
{
	char	   *text = psprintf("kam/%s/%s", kind, key);
	bytea	   *digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(cstring_to_text(text))));

	return as_uuid((unsigned char *) VARDATA_ANY(digest), 8);
}

pg_uuid_t
kam_session_random(void)
{
	unsigned char bytes[UUID_LEN];

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	return as_uuid(bytes, 4);
}
