/*
 * cadence/matrix.c: gate 4, who wins when two sequences want one prospect (spec
 * AGT-302, "Conflict resolution matrix").  Pure.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "cadence/gates.h"
#include "cadence/mutant.h"
#include "pg/clock.h"

typedef enum Freshness
{
	SALES_FRESHER, MARKETING_FRESHER, NEITHER
} Freshness;

typedef enum Winner
{
	SALES_WINS, MARKETING_WINS, INCUMBENT_WINS
} Winner;

typedef struct MatrixRow
{
	Winner		winner;
	const char *resolution;
	bool		timed;			/* the loser asks again after 48 hours, else when the winner has ended */
	KamRefusalFlag flag;
} MatrixRow;

/* By tier, then by whose signal is fresher. */
static const MatrixRow matrix[4][3] = {
	[KAM_TIER_NONE] = {
		[SALES_FRESHER] = {INCUMBENT_WINS, "no_tier_incumbent", true, KAM_FLAG_DATA_QUALITY},
		[MARKETING_FRESHER] = {INCUMBENT_WINS, "no_tier_incumbent", true, KAM_FLAG_DATA_QUALITY},
		[NEITHER] = {INCUMBENT_WINS, "no_tier_incumbent", true, KAM_FLAG_DATA_QUALITY},
	},
	[KAM_T1] = {
		[SALES_FRESHER] = {SALES_WINS, "t1_sales_wins", false, KAM_NO_FLAG},
		[MARKETING_FRESHER] = {SALES_WINS, "t1_sales_wins", false, KAM_NO_FLAG},
		[NEITHER] = {SALES_WINS, "t1_sales_wins", false, KAM_NO_FLAG},
	},
	[KAM_T2] = {
		[SALES_FRESHER] = {SALES_WINS, "t2_sales_fresher", true, KAM_NO_FLAG},
		[MARKETING_FRESHER] = {MARKETING_WINS, "t2_marketing_fresher", true, KAM_NO_FLAG},
		[NEITHER] = {KAM_MUTATE(11, SALES_WINS, MARKETING_WINS), "t2_tie_sales", true, KAM_NO_FLAG},
	},
	[KAM_T3] = {
		[SALES_FRESHER] = {MARKETING_WINS, "t3_marketing_always", false, KAM_FLAG_ROUTING},
		[MARKETING_FRESHER] = {MARKETING_WINS, "t3_marketing_always", false, KAM_FLAG_ROUTING},
		[NEITHER] = {MARKETING_WINS, "t3_marketing_always", false, KAM_FLAG_ROUTING},
	},
};

/* A signal from the future counts as of now. */
static Freshness
fresher(const KamView *view)
{
	TimestampTz sales = Min(view->prospect->sales_signal, view->at);
	TimestampTz marketing = Min(view->prospect->marketing_signal, view->at);

	return sales > marketing ? SALES_FRESHER : sales < marketing ? MARKETING_FRESHER : NEITHER;
}

static bool
queue(const KamView *view, KamVerdict *verdict, const char *resolution, bool timed)
{
	verdict->action = KAM_QUEUED;
	verdict->reason = KAM_CONFLICT_QUEUED;
	verdict->resolution = resolution;
	verdict->release_at = timed ? view->at + KAM_QUEUE_HOURS * USECS_PER_HOUR : KAM_NO_STAMP;
	return true;
}

/* Whether another sequence than the one asked for is active. */
static bool
is_other(const KamActive *active, const KamView *view)
{
	return active->sequence != NULL && (view->sequence == NULL || strcmp(active->sequence, view->sequence) != 0);
}

bool
kam_conflict_refuses(const KamView *view, KamVerdict *verdict)
{
	const MatrixRow *row;
	KamFamily	other;
	bool		wins;

	if (view->family == KAM_SALES && view->tier == KAM_T3)
	{
		verdict->action = KAM_BLOCKED;
		verdict->reason = KAM_ROUTING_ERROR;
		verdict->resolution = matrix[KAM_T3][NEITHER].resolution;
		verdict->flag = KAM_FLAG_ROUTING;
		return true;
	}
	/* A resume of nothing competes with nobody: gate 5 says what is wrong. */
	if (view->event == KAM_TOUCH || view->family >= KAM_COMPETING || (view->event == KAM_RESUME && view->sequence == NULL))
		return false;
	if (is_other(&view->prospect->active[view->family], view))
		return queue(view, verdict, "same_family_incumbent", false);

	other = view->family == KAM_SALES ? KAM_MARKETING : KAM_SALES;
	if (!is_other(&view->prospect->active[other], view))
		return false;
	row = &matrix[view->tier][fresher(view)];
	wins = row->winner == (view->family == KAM_SALES ? SALES_WINS : MARKETING_WINS);
	verdict->flag = row->flag;
	if (!wins)
		return queue(view, verdict, row->resolution, row->timed);
	verdict->resolution = row->resolution;
	verdict->displaced = other;
	verdict->displaced_until = row->timed ? view->at + KAM_QUEUE_HOURS * USECS_PER_HOUR : KAM_NO_STAMP;
	return false;
}
