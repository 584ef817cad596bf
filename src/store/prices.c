/*
 * store/prices.c: prices that depend on the length of a request.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "store/statement.h"
#include "store/store.h"

/* Of the prices in force on a day and of those that follow, as kam_store_agents finds them, those that name a length. */
static KamStatement find_long_prices = {
	"long prices",
	"SELECT x.model, x.effective_from > $1, x.long_prompt_tokens,"
	" (x.input_usd_per_mtok * x.long_input_factor * 1000000)::bigint, (x.output_usd_per_mtok * x.long_output_factor * 1000000)::bigint,"
	" (x.cache_read_usd_per_mtok * x.long_input_factor * 1000000)::bigint, (x.cache_write_usd_per_mtok * x.long_input_factor * 1000000)::bigint"
	" FROM kam.model x WHERE x.long_prompt_tokens IS NOT NULL AND x.effective_from IN ("
	"(SELECT pg_catalog.max(y.effective_from) FROM kam.model y WHERE y.model = x.model AND y.effective_from <= $1),"
	" (SELECT pg_catalog.min(y.effective_from) FROM kam.model y WHERE y.model = x.model AND y.effective_from > $1))",
	1, {DATEOID}
};

int
kam_store_long_prices(DateADT day, MemoryContext context, KamLongPriceRow **out)
{
	KamValues	values;
	uint64		found;

	kam_values_init(&values);
	kam_values_add(&values, DateADTGetDatum(day));
	found = kam_statement_run(&find_long_prices, &values);
	*out = found == 0 ? NULL : MemoryContextAllocZero(context, found * sizeof(KamLongPriceRow));
	for (uint64 i = 0; i < found; i++)
	{
		KamLongPriceRow *row = &(*out)[i];
		bool		isnull;

		row->model = kam_column_text(context, i, 1);
		row->next = DatumGetBool(kam_column(i, 2, &isnull));
		row->above = kam_column_int(i, 3, 0);
		for (int class = 0; class < KAM_TOKEN_CLASSES; class++)
			row->price[class] = kam_column_int(i, 4 + class, 0);
	}
	return (int) found;
}
