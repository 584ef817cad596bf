/*
 * cadence/erased.c: see erased.h.
 *
 * The salt is drawn by the first kam_erase_person() and never changes; each
 * process reads it once, and anew when a row of _erasure_salt is written.  It is
 * read by a scan rather than a statement: whoever looks an address up may be a
 * parallel worker, or not allowed to see the salt.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "cadence/erased.h"
#include "cadence/probe.h"
#include "pg/compat.h"

PG_FUNCTION_INFO_V1(kam_cadence_suppression_keys);
PG_FUNCTION_INFO_V1(kam_cadence_erase_rows);

#define SALT_MAX 64

static struct
{
	bool		registered,
				known;			/* nothing was written to the table since it was read */
	Oid			relation;
	int			salt_len;		/* 0: nobody was erased */
	uint8		salt[SALT_MAX];
}			cache;

/* ---- the salt -------------------------------------------------------------------- */

static void
forget_salt(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == cache.relation)
		cache.known = false;
}

static void
read_salt(void)
{
	Relation	relation;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!cache.registered)
	{
		CacheRegisterRelcacheCallback(forget_salt, (Datum) 0);
		cache.registered = true;
	}
	cache.relation = get_relname_relid("_erasure_salt", get_namespace_oid("kam", false));
	cache.salt_len = 0;
	if (!OidIsValid(cache.relation))
		return;
	/* Before the table is read: what is announced from here on makes us read again. */
	relation = table_open(cache.relation, AccessShareLock);
	cache.known = true;
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	if (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, kam_probe_place(RelationGetDescr(relation), "salt", BYTEAOID), RelationGetDescr(relation), &isnull);

		if (!isnull)
		{
			bytea	   *salt = DatumGetByteaPP(value);

			cache.salt_len = Min(VARSIZE_ANY_EXHDR(salt), SALT_MAX);
			memcpy(cache.salt, VARDATA_ANY(salt), cache.salt_len);
		}
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
}

bool
kam_erasures(void)
{
	/* A long transaction takes no new locks, and would not hear of the first erasure. */
	AcceptInvalidationMessages();
	if (!cache.known)
		read_salt();
	return cache.salt_len > 0;
}

void
kam_erased_key(const char *address, char out[KAM_HASHED_LEN + 1])
{
	static const char digit[] = "0123456789abcdef";
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	char	   *p = out + sizeof(KAM_HASHED_PREFIX) - 1;

	if (hash == NULL || pg_cryptohash_init(hash) < 0 || pg_cryptohash_update(hash, cache.salt, cache.salt_len) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) address, strlen(address)) < 0 || pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not make a SHA-256");
	pg_cryptohash_free(hash);
	memcpy(out, KAM_HASHED_PREFIX, sizeof(KAM_HASHED_PREFIX) - 1);
	for (int i = 0; i < lengthof(digest); i++)
	{
		*p++ = digit[digest[i] >> 4];
		*p++ = digit[digest[i] & 0x0f];
	}
	*p = '\0';
}

/* _suppression_keys(addresses): these, and what stands in Suppression for each when its person was erased. */
Datum
kam_cadence_suppression_keys(PG_FUNCTION_ARGS)
{
	Datum	   *address,
			   *key;
	bool	   *isnull;
	int			count,
				n = 0;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &address, &isnull, &count);
	key = palloc_array(Datum, 2 * Max(count, 1));
	for (int i = 0; i < count; i++)
		if (!isnull[i])
			key[n++] = address[i];
	if (n > 0 && kam_erasures())
	{
		for (int i = n - 1; i >= 0; i--)
		{
			char		hashed[KAM_HASHED_LEN + 1];

			kam_erased_key(TextDatumGetCString(key[i]), hashed);
			key[n + i] = CStringGetTextDatum(hashed);
		}
		n *= 2;
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(key, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* ---- the door ------------------------------------------------------------------------ */

static int	erasing;			/* statements of kam_cadence_erase_rows() under way */

/*
 * _erase_rows(statement, lead_ids, session_ids, addresses): runs one statement
 * of the erasure, for which they are $1 to $3, and returns how many rows it
 * wrote.  The only place that opens the door.
 */
Datum
kam_cadence_erase_rows(PG_FUNCTION_ARGS)
{
	char	   *sql = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			type[] = {TEXTARRAYOID, UUIDARRAYOID, TEXTARRAYOID};
	Datum		value[] = {PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), PG_GETARG_DATUM(3)};
	int64		written;
	int			status;

	SPI_connect();
	erasing++;
	PG_TRY();
	{
		status = SPI_execute_with_args(sql, lengthof(type), type, value, NULL, false, 0);
		written = (int64) SPI_processed;
	}
	PG_FINALLY();
	{
		erasing--;
	}
	PG_END_TRY();
	if (status < 0)
		elog(ERROR, "an erasure's statement failed: %s", SPI_result_code_string(status));
	SPI_finish();
	PG_RETURN_INT64(written);
}

static bool
may_be_cleared(const TriggerData *trigger, const char *column)
{
	if (trigger->tg_trigger->tgnargs == 0)
		return strcmp(column, "payload") == 0 || strcmp(column, "idempotency_key") == 0;
	for (int i = 1; i < trigger->tg_trigger->tgnargs; i++)
		if (strcmp(trigger->tg_trigger->tgargs[i], column) == 0)
			return true;
	return false;
}

bool
kam_erasure_updates(const TriggerData *trigger)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	if (erasing == 0 || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || !TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		bool		was_null,
					is_null;
		Datum		was,
					is;

		if (column->attisdropped)
			continue;
		was = heap_getattr(trigger->tg_trigtuple, i + 1, desc, &was_null);
		is = heap_getattr(trigger->tg_newtuple, i + 1, desc, &is_null);
		if (is_null && (was_null || may_be_cleared(trigger, NameStr(column->attname))))
			continue;
		if (is_null || was_null || !datum_image_eq(was, is, column->attbyval, column->attlen))
			return false;
	}
	return true;
}
