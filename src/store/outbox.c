/*
 * store/outbox.c: what leaves the database and what came of it.  What is due,
 * what it looks like and what an answer means is decided in sql/75_outbox.sql
 * and sql/75_letters.sql.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "store/statement.h"
#include "store/store.h"

static KamStatement find_endpoints = {
	"endpoints",
	"SELECT endpoint, kind, url, allow_private, username, timeout_s, room, pause_us, due, next_at FROM kam._outbox_endpoints()",
	0, {0}
};

static KamStatement take_parcels = {
	"take from the outbox",
	"SELECT notification_id, webhook_id, headers, body, mail_from, mail_to FROM kam._outbox_take($1, $2)",
	2, {TEXTOID, INT4OID}
};

static KamStatement settle_parcels = {
	"settle deliveries",
	"SELECT pg_catalog.unnest(kam._outbox_settle($1, $2, $3, $4, $5, $6))",
	6, {INT8ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, BOOLARRAYOID, INT4ARRAYOID, TEXTARRAYOID}
};

static KamStatement recover_parcels = {
	"recover deliveries",
	"SELECT kam._outbox_recover()",
	0, {0}
};

static KamStatement give_back_parcels = {
	"give deliveries back",
	"SELECT kam._outbox_give_back($1)",
	1, {INT8ARRAYOID}
};

static KamStatement take_sheets = {
	"take sheets",
	"SELECT import_id, url, allow_private FROM kam._sheets_take()",
	0, {0}
};

static KamStatement settle_sheet = {
	"settle sheet",
	"SELECT kam._sheet_settle($1, $2, $3, $4, $5)",
	5, {INT8OID, TEXTOID, INT4OID, TEXTOID, TEXTOID}
};

static bool
column_bool(uint64 row, int column)
{
	bool		isnull;
	Datum		value = kam_column(row, column, &isnull);

	return !isnull && DatumGetBool(value);
}

static TimestampTz
column_time(uint64 row, int column)
{
	bool		isnull;
	Datum		value = kam_column(row, column, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

int
kam_store_endpoints(MemoryContext context, KamEndpointRow **out)
{
	uint64		found = kam_statement_run(&find_endpoints, NULL);

	*out = MemoryContextAllocZero(context, Max(found, 1) * sizeof(KamEndpointRow));
	for (uint64 i = 0; i < found; i++)
	{
		KamEndpointRow *row = &(*out)[i];

		row->endpoint = kam_column_text(context, i, 1);
		row->kind = kam_column_text(context, i, 2);
		row->url = kam_column_text(context, i, 3);
		row->allow_private = column_bool(i, 4);
		row->username = kam_column_text(context, i, 5);
		row->timeout_s = (int) kam_column_int(i, 6, 30);
		row->room = (int) kam_column_int(i, 7, 1);
		row->pause_us = kam_column_int(i, 8, 0);
		row->due = column_bool(i, 9);
		row->next_at = column_time(i, 10);
	}
	return (int) found;
}

static char **
column_texts(MemoryContext context, uint64 row, int column, int *count)
{
	bool		isnull;
	Datum		value = kam_column(row, column, &isnull);
	MemoryContext old;
	Datum	   *element;
	char	  **out;

	*count = 0;
	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(context);
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &element, NULL, count);
	out = palloc_array(char *, Max(*count, 1));
	for (int i = 0; i < *count; i++)
		out[i] = TextDatumGetCString(element[i]);
	MemoryContextSwitchTo(old);
	return out;
}

int
kam_store_outbox_take(const char *endpoint, int most, MemoryContext context, KamParcelRow **out)
{
	KamValues	values;
	uint64		found;

	kam_values_init(&values);
	kam_values_add_text(&values, endpoint);
	kam_values_add(&values, Int32GetDatum(most));
	found = kam_statement_run(&take_parcels, &values);
	*out = MemoryContextAllocZero(context, Max(found, 1) * sizeof(KamParcelRow));
	for (uint64 i = 0; i < found; i++)
	{
		KamParcelRow *row = &(*out)[i];

		row->notification_id = kam_column_int(i, 1, 0);
		row->webhook_id = kam_column_text(context, i, 2);
		row->header = column_texts(context, i, 3, &row->nheaders);
		row->body = kam_column_text(context, i, 4);
		row->mail_from = kam_column_text(context, i, 5);
		row->mail_to = kam_column_text(context, i, 6);
	}
	return (int) found;
}

void
kam_store_outbox_settle(const KamSettlement *settlement, int count, bool *later)
{
	static const Oid type[6] = {INT8OID, TEXTOID, INT4OID, BOOLOID, INT4OID, TEXTOID};
	KamSeries	series[6];
	KamValues	values;
	uint64		found;

	kam_series_init(series, type, lengthof(series), count);
	for (int i = 0; i < count; i++)
	{
		const KamSettlement *row = &settlement[i];

		kam_series_put(&series[0], Int64GetDatum(row->id), false);
		kam_series_put_text(&series[1], row->loss);
		kam_series_put(&series[2], Int32GetDatum(row->status), false);
		kam_series_put(&series[3], BoolGetDatum(row->in_doubt), false);
		kam_series_put(&series[4], Int32GetDatum((int32) Min(row->retry_after_s, 7 * 86400)), row->retry_after_s < 0);
		kam_series_put_text(&series[5], row->words);
		later[i] = false;
	}
	kam_values_init(&values);
	kam_values_add_series(&values, series, lengthof(series));
	found = kam_statement_run(&settle_parcels, &values);
	for (uint64 i = 0; i < found; i++)
	{
		int64		id = kam_column_int(i, 1, 0);

		for (int j = 0; j < count; j++)
			later[j] = later[j] || settlement[j].id == id;
	}
}

int
kam_store_outbox_recover(void)
{
	kam_statement_run(&recover_parcels, NULL);
	return (int) kam_column_int(0, 1, 0);
}

void
kam_store_outbox_give_back(const int64 *id, int count)
{
	static const Oid type[1] = {INT8OID};
	KamSeries	series[1];
	KamValues	values;

	kam_series_init(series, type, lengthof(series), count);
	for (int i = 0; i < count; i++)
		kam_series_put(&series[0], Int64GetDatum(id[i]), false);
	kam_values_init(&values);
	kam_values_add_series(&values, series, lengthof(series));
	kam_statement_run(&give_back_parcels, &values);
}

int
kam_store_sheets_take(MemoryContext context, KamSheetRow **out)
{
	uint64		found = kam_statement_run(&take_sheets, NULL);

	*out = MemoryContextAllocZero(context, Max(found, 1) * sizeof(KamSheetRow));
	for (uint64 i = 0; i < found; i++)
	{
		(*out)[i].import_id = kam_column_int(i, 1, 0);
		(*out)[i].url = kam_column_text(context, i, 2);
		(*out)[i].allow_private = column_bool(i, 3);
	}
	return (int) found;
}

void
kam_store_sheet_settle(const KamSettlement *settlement, const char *sheet, size_t len)
{
	KamValues	values;
	/* Nothing is made a text of that is none: SQL would take it, with zero bytes and all. */
	bool		text = sheet == NULL || pg_verify_mbstr(PG_UTF8, sheet, (int) len, true);

	if (!text)
		sheet = NULL;
	kam_values_init(&values);
	kam_values_add(&values, Int64GetDatum(settlement->id));
	kam_values_add_text(&values, text ? settlement->loss : "encoding");
	kam_values_add(&values, Int32GetDatum(settlement->status));
	kam_values_add_text(&values, text ? settlement->words : "this is no text in UTF-8: save it as CSV UTF-8");
	if (sheet != NULL)
		kam_values_add(&values, PointerGetDatum(cstring_to_text_with_len(sheet, (int) len)));
	else
		kam_values_add_null(&values);
	kam_statement_run(&settle_sheet, &values);
}
