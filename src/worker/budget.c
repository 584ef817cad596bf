/*
 * worker/budget.c: see budget.h.
 *
 * What is known of budgets is read when kam.budget has changed and kept until
 * it changes again: its trigger invalidates the relation, and every process
 * that comes to lock agent_call afterwards has heard of it.  So without
 * budgets nothing here runs a statement, and with them a batch of calls costs
 * two: one that locks the days' rows, one that adds to them.
 *
 * Days are those of kam.default_timezone in real time: kam.clock turns no
 * money back.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/int.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kam.h"
#include "pg/clock.h"
#include "pg/zones.h"
#include "worker/budget.h"
/* after the server's headers */
#include "core/civil.h"

/* Of a request's bytes, JSON and all, at least so many make a token: on the safe side, whatever the language and the tokenizer. */
#define BYTES_PER_TOKEN 2
/* How long reservations of others are believed to stand; after that the next batch looks. */
#define BELIEVED_US INT64CONST(300000)
/* Days that are locked together: today, yesterday, and those of calls that took longer. */
#define MOST_DAYS 8

/* A budget, with its day as it was seen last. */
typedef struct Budget
{
	KamBudgetRow row;
	DateADT		day;			/* of what follows; DATEVAL_NOBEGIN: not seen yet */
	KamMoney	spent,
				reserved;
	bool		alerted;
	int64		seen_at;		/* microseconds since 1970 */
} Budget;

static MemoryContext budget_context = NULL;
static Budget *budget = NULL;
static int	nbudgets = 0;
static bool stale = true;		/* kam.budget has changed, or was never read */
static uint32 generation = 0;	/* counts its changes */
static Oid	budget_oid = InvalidOid;
static uint32 installation = 0;

/* ---- days and money ------------------------------------------------------------ */

static KamZone
zone(void)
{
	KamZone		found;

	if (!kam_zone_find(&kam_pg_zones, kam_default_timezone, &found))
		elog(ERROR, "unknown time zone \"%s\"", kam_default_timezone);
	return found;
}

static KamMoney
plus(KamMoney a, KamMoney b)
{
	KamMoney	sum;

	return pg_add_s64_overflow(a, b, &sum) ? (b < 0 ? PG_INT64_MIN : PG_INT64_MAX) : sum;
}

/* Dollars with as many decimals as it takes to see something of them, two to six. */
static char *
dollars(KamMoney money)
{
	int			decimals = money >= KAM_DOLLAR || money == 0 ? 2 : money >= KAM_DOLLAR / 100 ? 4 : 6;

	return psprintf("%.*f", decimals, (double) money / KAM_DOLLAR);
}

KamMoney
kam_budget_estimate(const KamModelConfig *model, DateADT day, size_t request_size, int max_tokens)
{
	const int64 *price = day >= model->next_from ? model->next_price : model->price;
	int64		tokens[KAM_TOKEN_CLASSES] = {0};
	int			out = model->traits.max_output_tokens > 0 ? Min(max_tokens, model->traits.max_output_tokens) : max_tokens;
	int			in = price[KAM_TOKENS_CACHE_WRITE] > price[KAM_TOKENS_INPUT] ? KAM_TOKENS_CACHE_WRITE : KAM_TOKENS_INPUT;

	tokens[in] = request_size / BYTES_PER_TOKEN + 1;
	tokens[KAM_TOKENS_OUTPUT] = out;
	return kam_config_cost(model, day, tokens);
}

/* ---- what is known -------------------------------------------------------------- */

static void
relation_changed(Datum arg, Oid relation)
{
	if (relation != InvalidOid && relation != budget_oid)
		return;
	stale = true;
	generation++;
}

static void
read_budgets(void)
{
	uint32		before = generation;
	KamBudgetRow *row;
	int			count;

	if (budget_context == NULL)
		budget_context = AllocSetContextCreate(TopMemoryContext, "kam budgets", ALLOCSET_SMALL_SIZES);
	nbudgets = 0;
	MemoryContextReset(budget_context);
	count = kam_store_budgets(budget_context, &row);
	budget = MemoryContextAllocZero(budget_context, Max(count, 1) * sizeof(Budget));
	for (int i = 0; i < count; i++)
		budget[i] = (Budget) {.row = row[i], .day = DATEVAL_NOBEGIN};
	nbudgets = count;
	stale = before != generation;
}

void
kam_budgets_begin(void)
{
	static bool listening = false;
	Oid			schema = get_namespace_oid("kam", false);

	if (!listening)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	listening = true;
	if (installation != kam_unit_generation())
	{
		budget_oid = get_relname_relid("budget", schema);
		stale = true;
		generation++;
		installation = kam_unit_generation();
	}
	/* Who has changed a budget holds it until all can have heard of that. */
	LockRelationOid(get_relname_relid("agent_call", schema), RowExclusiveLock);
	if (stale)
		read_budgets();
}

static bool
counts(const Budget *b, const char *provider)
{
	return b->row.provider == NULL || strcmp(b->row.provider, provider) == 0;
}

/* ---- refusing --------------------------------------------------------------------- */

static void
refuse(KamJob *job, const Budget *b, KamRefusalKind kind, KamMoney spent, KamMoney reserved, KamMoney wanted)
{
	KamRefusal *refusal = &job->refusal;
	int64		now = kam_network_now();
	KamZone		here = zone();
	int64		midnight = kam_local_clock(&here, now, 1, 0, 0);
	char	   *sums = psprintf("%s spent, %s reserved, this call may cost %s", dollars(spent), dollars(reserved), dollars(wanted));
	char	   *why;

	if (kind == KAM_REFUSED_RUN)
		why = psprintf("the run's budget '%s' of %s USD has no room (%s): the built-in agent answers", b->row.budget, dollars(b->row.limit), sums);
	else if (kind == KAM_REFUSED_DAY)
	{
		KamCivil	at = kam_civil_at(&here, midnight);

		why = psprintf("waits: budget '%s' of %s USD has no room (%s) until %04d-%02d-%02d %02d:%02d %s", b->row.budget, dollars(b->row.limit), sums,
					   at.year, at.month, at.day, at.hour, at.minute, kam_default_timezone);
	}
	else
		why = psprintf("waits: budget '%s' of %s USD has no room before calls under way are settled (%s)", b->row.budget, dollars(b->row.limit), sums);
	if (refusal->why != NULL)
		pfree(refusal->why);
	refusal->why = MemoryContextStrdup(job->context, why);
	refusal->kind = kind;
	refusal->budget = b - budget;
	refusal->generation = generation;
	refusal->midnight = midnight;
}

/* Whether a day's budget has no room for so much more; *kind: whether waiting for calls under way may help. */
static bool
is_full(const Budget *b, KamMoney spent, KamMoney reserved, KamMoney wanted, KamRefusalKind *kind)
{
	if (plus(plus(spent, reserved), wanted) <= b->row.limit)
		return false;
	*kind = plus(spent, wanted) > b->row.limit ? KAM_REFUSED_DAY : KAM_REFUSED_FOR_NOW;
	return true;
}

/* Of a run by itself: spent and reserved so far, what its present step does to them included. */
static void
sums_of_run(const KamJob *job, KamMoney *spent, KamMoney *reserved)
{
	*spent = job->spent;
	*reserved = job->reserved;
	for (int i = 0; i < job->step.nrows; i++)
	{
		const KamStepRow *made = &job->step.row[i];

		if (made->kind == KAM_ROW_ENDED)
		{
			*spent = plus(*spent, made->row.cost);
			*reserved = plus(*reserved, made->row.kept - made->row.reserved);
		}
		else if (made->kind == KAM_ROW_BEGUN && made->reserved)
			*reserved = plus(*reserved, made->row.reserved);
	}
}

/* The budget of its run that has no room for the call, or NULL. */
static const Budget *
full_for_run(const KamJob *job, KamMoney wanted, KamMoney *spent, KamMoney *reserved)
{
	sums_of_run(job, spent, reserved);
	for (int i = 0; i < nbudgets; i++)
	{
		if (budget[i].row.per_run && budget[i].row.enabled && plus(plus(*spent, *reserved), wanted) > budget[i].row.limit)
			return &budget[i];
	}
	return NULL;
}

bool
kam_budget_allows(KamJob *job, const KamCall *call)
{
	KamMoney	wanted = call->row.reserved;
	KamMoney	spent,
				reserved;
	const Budget *full;
	DateADT		today;
	int64		now;

	if (stale || nbudgets == 0 || wanted == 0)
		return true;
	full = full_for_run(job, wanted, &spent, &reserved);
	if (full != NULL)
	{
		refuse(job, full, KAM_REFUSED_RUN, spent, reserved, wanted);
		return false;
	}
	today = kam_config_today();
	now = kam_network_now();
	for (int i = 0; i < nbudgets; i++)
	{
		const Budget *b = &budget[i];
		KamRefusalKind kind;

		if (b->row.per_run || !b->row.enabled || b->day != today || !counts(b, call->row.provider) ||
			!is_full(b, b->spent, b->reserved, wanted, &kind))
			continue;
		/* What is spent stays so; what is reserved may be free again by now. */
		if (kind == KAM_REFUSED_FOR_NOW && b->seen_at + BELIEVED_US < now)
			continue;
		refuse(job, b, kind, b->spent, b->reserved, wanted);
		return false;
	}
	return true;
}

/* ---- charging ----------------------------------------------------------------------- */

typedef struct Days
{
	DateADT		day[MOST_DAYS];
	int			count;
	KamSpendRow *row;
	Budget	  **of;				/* the budget of each row; NULL: none that is known */
	int			nrows;
} Days;

static void
add_day(Days *days, DateADT day)
{
	for (int i = 0; i < days->count; i++)
	{
		if (days->day[i] == day)
			return;
	}
	if (days->count < MOST_DAYS)
		days->day[days->count++] = day;
}

/* How many of its rows a day has. */
static int
rows_of(const Days *days, DateADT day)
{
	int			count = 0;

	for (int r = 0; r < days->nrows; r++)
		count += days->row[r].day == day;
	return count;
}

/* Locks the days in hand, and with them yesterday and today: all that this transaction may come to want. */
static void
lock_days(Days *days, DateADT today)
{
	int			wanted = days->count,
				per_day = 0;
	bool		missing = false;

	add_day(days, today - 1);
	add_day(days, today);
	days->nrows = kam_store_budget_lock(days->day, days->count, &days->row);
	for (int i = 0; i < nbudgets; i++)
		per_day += !budget[i].row.per_run;
	for (int i = 0; i < wanted; i++)
		missing |= rows_of(days, days->day[i]) < per_day;
	if (missing)
	{
		kam_store_budget_days(days->day, wanted);
		days->nrows = kam_store_budget_lock(days->day, days->count, &days->row);
	}
	days->of = palloc0_array(Budget *, Max(days->nrows, 1));
	for (int r = 0; r < days->nrows; r++)
	{
		for (int i = 0; i < nbudgets; i++)
		{
			if (!budget[i].row.per_run && strcmp(budget[i].row.budget, days->row[r].budget) == 0)
				days->of[r] = &budget[i];
		}
	}
}

/* Takes note of how the days stand now, and of what is to be told. */
static void
note_days(Days *days, DateADT today)
{
	int64		now = kam_network_now();

	for (int r = 0; r < days->nrows; r++)
	{
		KamSpendRow *row = &days->row[r];
		Budget	   *b = days->of[r];

		if (b == NULL)
			continue;
		row->to_alert = !row->alerted && b->row.enabled && (row->held || (row->to_spent > 0 && plus(row->spent, row->to_spent) >= b->row.alert));
		if (row->day != today)
			continue;
		b->day = today;
		b->spent = plus(row->spent, row->to_spent);
		b->reserved = Max(plus(row->reserved, row->to_reserved), 0);
		b->alerted = row->alerted || row->to_alert;
		b->seen_at = now;
	}
}

static void
settle(Days *days, const KamCallRow *call)
{
	for (int r = 0; r < days->nrows; r++)
	{
		KamSpendRow *row = &days->row[r];

		if (days->of[r] == NULL || row->day != call->sent_on || !counts(days->of[r], call->provider))
			continue;
		row->to_spent = plus(row->to_spent, call->cost);
		row->to_reserved = plus(row->to_reserved, call->kept - call->reserved);
	}
}

/* Whether it fits; then it is reserved in all budgets that count it, else in none. */
static bool
reserve(Days *days, KamJob *job, const KamCallRow *call)
{
	KamMoney	spent,
				reserved;
	const Budget *full = full_for_run(job, call->reserved, &spent, &reserved);

	if (full != NULL)
	{
		refuse(job, full, KAM_REFUSED_RUN, spent, reserved, call->reserved);
		return false;
	}
	for (int r = 0; r < days->nrows; r++)
	{
		KamSpendRow *row = &days->row[r];
		Budget	   *b = days->of[r];
		KamRefusalKind kind;

		if (b == NULL || !b->row.enabled || row->day != call->sent_on || !counts(b, call->provider))
			continue;
		spent = plus(row->spent, row->to_spent);
		reserved = plus(row->reserved, row->to_reserved);
		if (!is_full(b, spent, reserved, call->reserved, &kind))
			continue;
		row->held = kind == KAM_REFUSED_DAY;
		refuse(job, b, kind, spent, reserved, call->reserved);
		return false;
	}
	for (int r = 0; r < days->nrows; r++)
	{
		KamSpendRow *row = &days->row[r];

		if (days->of[r] != NULL && row->day == call->sent_on && counts(days->of[r], call->provider))
			row->to_reserved = plus(row->to_reserved, call->reserved);
	}
	return true;
}

static bool
has_price(const KamCharge *charge)
{
	return charge->made->row.reserved != 0 || charge->made->row.cost != 0;
}

void
kam_budgets_charge(const KamCharge *ended, int nended, const KamCharge *begun, int nbegun)
{
	Days		days = {.count = 0};
	DateADT		today;
	bool		any = false;

	for (int i = 0; i < nbegun; i++)
		begun[i].made->reserved = false;
	if (nbudgets > 0)
	{
		for (int i = 0; i < nended; i++)
			any |= has_price(&ended[i]);
		for (int i = 0; i < nbegun; i++)
			any |= has_price(&begun[i]);
	}
	if (any)
	{
		today = kam_config_today();
		for (int i = 0; i < nended; i++)
			add_day(&days, ended[i].made->row.sent_on);
		for (int i = 0; i < nbegun; i++)
			add_day(&days, begun[i].made->row.sent_on);
		lock_days(&days, today);
		for (int i = 0; i < nended; i++)
			settle(&days, &ended[i].made->row);
		for (int i = 0; i < nbegun; i++)
		{
			KamStepRow *made = begun[i].made;

			if (made->row.reserved > 0 && !reserve(&days, begun[i].job, &made->row))
				made->kind = KAM_ROW_REFUSED;
			else
				made->reserved = true;
		}
		note_days(&days, today);
		kam_store_budget_charge(days.row, days.nrows);
		return;
	}
	for (int i = 0; i < nbegun; i++)
		begun[i].made->reserved = true;
}

bool
kam_budgets_hold(const KamJob *job)
{
	const KamRefusal *refusal = &job->refusal;
	Days		days = {.count = 0};
	DateADT		today = kam_config_today();

	if (refusal->generation != generation || stale)
		return false;
	if (refusal->kind == KAM_REFUSED_DAY && !budget[refusal->budget].alerted)
	{
		add_day(&days, today);
		lock_days(&days, today);
		for (int r = 0; r < days.nrows; r++)
			days.row[r].held = days.of[r] == &budget[refusal->budget] && days.row[r].day == today;
		note_days(&days, today);
		kam_store_budget_charge(days.row, days.nrows);
	}
	return true;
}
