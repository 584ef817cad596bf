/*
 * store/budgets.c: budgets, what is spent of them, and who waits for one.
 *
 * Rows of budget_spend are locked in the order day, name, by whoever holds the
 * leases of the runs concerned, all that a transaction may want at once: two
 * workers wait for each other's commit, never for each other.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/statement.h"
#include "store/store.h"

static KamStatement find_budgets = {
	"budgets",
	"SELECT budget, scope, provider, (limit_usd * 1000000000000)::bigint, (limit_usd * alert_at * 1000000000000)::bigint, enabled"
	" FROM kam.budget ORDER BY budget",
	0, {0}
};

static KamStatement open_days = {
	"open days",
	"INSERT INTO kam.budget_spend (day, budget) SELECT d.day, b.budget FROM pg_catalog.unnest($1) d(day), kam.budget b"
	" WHERE b.scope <> 'run' ORDER BY 1, 2 ON CONFLICT (day, budget) DO NOTHING",
	1, {DATEARRAYOID}
};

static KamStatement lock_spend = {
	"lock spend",
	"SELECT s.day, s.budget, LEAST(s.spent_usd * 1000000000000, 9000000000000000000)::bigint,"
	" LEAST(s.reserved_usd * 1000000000000, 9000000000000000000)::bigint, s.alerted_at IS NOT NULL"
	" FROM kam.budget_spend s WHERE s.day = ANY ($1) ORDER BY s.day, s.budget FOR NO KEY UPDATE",
	1, {DATEARRAYOID}
};

static KamStatement charge_spend = {
	"charge",
	"UPDATE kam.budget_spend s SET spent_usd = s.spent_usd + u.spent * 0.000000000001,"
	" reserved_usd = GREATEST(s.reserved_usd + u.reserved * 0.000000000001, 0),"
	" alerted_at = CASE WHEN u.alert THEN pg_catalog.clock_timestamp() ELSE s.alerted_at END"
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5))"
	" u(day, budget, spent, reserved, alert) WHERE s.day = u.day AND s.budget = u.budget",
	5, {DATEARRAYOID, TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID, BOOLARRAYOID}
};

static KamStatement tell_of_budget = {
	"tell of a budget",
	"INSERT INTO kam.notification (recipient, topic, payload)"
	" SELECT e.endpoint, 'budget', pg_catalog.jsonb_build_object('budget', b.budget, 'scope', b.scope, 'provider', b.provider, 'day', s.day,"
	" 'limit_usd', b.limit_usd, 'alert_at', b.alert_at, 'spent_usd', s.spent_usd, 'reserved_usd', s.reserved_usd, 'held', $3)"
	" FROM kam.endpoint e, kam.budget b JOIN kam.budget_spend s USING (budget)"
	" WHERE e.enabled AND 'budget' = ANY (e.topics) AND b.budget = $2 AND s.day = $1 ORDER BY e.endpoint",
	3, {DATEOID, TEXTOID, BOOLOID}
};

/* A run of which nothing was asked yet is in the queue as before; its contact may still change (kam_run_on_change). */
static KamStatement wait_for_budget = {
	"wait for a budget",
	"UPDATE kam.request r SET lease_owner = NULL, lease_until = NULL, next_attempt_at = $3, attempts = GREATEST(attempts - 1, 0),"
	" error = $4, sqlstate = '53400',"
	" status = CASE WHEN EXISTS (SELECT FROM kam.agent_call c WHERE c.session_id = $1) THEN status ELSE 'queued' END"
	" WHERE session_id = $1 AND lease_owner = $2 AND finished_at IS NULL",
	4, {UUIDOID, INT4OID, TIMESTAMPTZOID, TEXTOID}
};

static Datum
array_of(Oid type, Datum *value, int count)
{
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	return PointerGetDatum(construct_array(value, count, type, length, by_value, align));
}

int
kam_store_budgets(MemoryContext context, KamBudgetRow **out)
{
	uint64		found = kam_statement_run(&find_budgets, NULL);

	*out = found == 0 ? NULL : MemoryContextAllocZero(context, found * sizeof(KamBudgetRow));
	for (uint64 i = 0; i < found; i++)
	{
		KamBudgetRow *row = &(*out)[i];
		bool		isnull;

		row->budget = kam_column_text(context, i, 1);
		row->per_run = strcmp(kam_column_text(context, i, 2), "run") == 0;
		row->provider = kam_column_text(context, i, 3);
		row->limit = kam_column_int(i, 4, 0);
		row->alert = kam_column_int(i, 5, 0);
		row->enabled = DatumGetBool(kam_column(i, 6, &isnull));
	}
	return (int) found;
}

static void
add_days(KamValues *values, const DateADT *day, int count)
{
	Datum	   *value = palloc_array(Datum, count);

	for (int i = 0; i < count; i++)
		value[i] = DateADTGetDatum(day[i]);
	kam_values_init(values);
	kam_values_add(values, array_of(DATEOID, value, count));
}

void
kam_store_budget_days(const DateADT *day, int count)
{
	KamValues	values;

	add_days(&values, day, count);
	kam_statement_run(&open_days, &values);
}

int
kam_store_budget_lock(const DateADT *day, int count, KamSpendRow **out)
{
	KamValues	values;
	uint64		found;

	add_days(&values, day, count);
	found = kam_statement_run(&lock_spend, &values);
	*out = palloc0_array(KamSpendRow, Max(found, 1));
	for (uint64 i = 0; i < found; i++)
	{
		KamSpendRow *row = &(*out)[i];
		bool		isnull;

		row->day = DatumGetDateADT(kam_column(i, 1, &isnull));
		row->budget = kam_column_text(CurrentMemoryContext, i, 2);
		row->spent = kam_column_int(i, 3, 0);
		row->reserved = kam_column_int(i, 4, 0);
		row->alerted = DatumGetBool(kam_column(i, 5, &isnull));
	}
	return (int) found;
}

void
kam_store_budget_charge(const KamSpendRow *row, int count)
{
	Datum	   *day = palloc_array(Datum, count),
			   *budget = palloc_array(Datum, count),
			   *spent = palloc_array(Datum, count),
			   *reserved = palloc_array(Datum, count),
			   *alert = palloc_array(Datum, count);
	KamValues	values;
	int			n = 0;

	for (int i = 0; i < count; i++)
	{
		if (row[i].to_spent == 0 && row[i].to_reserved == 0 && !row[i].to_alert)
			continue;
		day[n] = DateADTGetDatum(row[i].day);
		budget[n] = CStringGetTextDatum(row[i].budget);
		spent[n] = Int64GetDatum(row[i].to_spent);
		reserved[n] = Int64GetDatum(row[i].to_reserved);
		alert[n++] = BoolGetDatum(row[i].to_alert);
	}
	if (n == 0)
		return;
	kam_values_init(&values);
	kam_values_add(&values, array_of(DATEOID, day, n));
	kam_values_add(&values, array_of(TEXTOID, budget, n));
	kam_values_add(&values, array_of(INT8OID, spent, n));
	kam_values_add(&values, array_of(INT8OID, reserved, n));
	kam_values_add(&values, array_of(BOOLOID, alert, n));
	kam_statement_run(&charge_spend, &values);
	for (int i = 0; i < count; i++)
	{
		if (!row[i].to_alert)
			continue;
		kam_values_init(&values);
		kam_values_add(&values, DateADTGetDatum(row[i].day));
		kam_values_add_text(&values, row[i].budget);
		kam_values_add(&values, BoolGetDatum(row[i].held));
		kam_statement_run(&tell_of_budget, &values);
	}
}

bool
kam_store_wait_for_budget(const pg_uuid_t *session_id, int owner, TimestampTz until, const char *why)
{
	KamValues	values;

	kam_values_init(&values);
	kam_values_add_uuid(&values, session_id);
	kam_values_add(&values, Int32GetDatum(owner));
	kam_values_add(&values, TimestampTzGetDatum(until));
	kam_values_add_text(&values, why);
	return kam_statement_run(&wait_for_budget, &values) == 1;
}
