/*
 * store/store.h: every SQL statement of runs, calls, decisions and
 * notifications, as functions with plain arguments.
 *
 * Called with an SPI connection and a snapshot open, as a role with table
 * grants only.  No business rule stands here: what is written is decided by
 * the caller.  "owner" is the worker's slot.  What comes back is copied into
 * the memory context given.
 */
#pragma once

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/date.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* ---- the queue (claim.c) ------------------------------------------------- */

typedef struct KamCandidate
{
	pg_uuid_t	session_id;
	int			attempts;		/* times taken since its last recorded progress */
	bool		is_new;			/* never taken before: nothing is recorded of it */
} KamCandidate;

typedef struct KamClaim
{
	pg_uuid_t	session_id;
	bool		is_new;
	Jsonb	   *contact;
	Jsonb	   *options;
	char	   *lead_id;
	char	   *status;
	int			iteration;
	int			attempts;		/* this claim included */
	char	   *error;			/* of an attempt before, or NULL */
	TimestampTz as_of;
	Jsonb	   *prompts;		/* {"agent": version} it is asked with */
	Jsonb	   *settings;		/* what a replay is asked with, or NULL */
	bool		knows_history;	/* the validated decisions it learns from are chosen (kam_store_history_of) */
	bool		is_replay;
	pg_uuid_t	replay_of;		/* when "is_replay" */
} KamClaim;

/* Runs that wait for a worker, in the order they are to be taken; found without a lock. */
extern int	kam_store_candidates(int limit, KamCandidate *out);
/* Takes one; false when it is another worker's by now, or was.  prompts: the versions in use, for one that is taken for the first time. */
extern bool kam_store_claim(const KamCandidate *candidate, int owner, int lease_seconds, TimestampTz now, Jsonb *prompts,
							MemoryContext context, KamClaim *out);
/* Locks runs' rows; held[i] is false when that lease is lost or that run was cancelled. */
extern void kam_store_hold(const pg_uuid_t *session_id, int count, int owner, bool *held);
typedef struct KamAdvance
{
	const pg_uuid_t *session_id;
	const char *status;
	int			iteration;
	const pg_uuid_t *history;	/* sessions of the validated decisions that it learns from, to be kept; NULL for none chosen now */
	int			nhistory;
} KamAdvance;

/* The same, and writes where the runs stand, renews their leases and forgets failed attempts. */
extern void kam_store_advance(const KamAdvance *to, int count, int owner, int lease_seconds, bool *held);
typedef struct KamEnding
{
	const pg_uuid_t *session_id;
	const char *status;			/* judged or failed */
	const char *error,			/* NULL unless it failed */
			   *sqlstate;
} KamEnding;

/* Ends runs; held[i] is false when that lease is lost or that run was cancelled. */
extern void kam_store_end(const KamEnding *ending, int count, int owner, TimestampTz now, bool *held);
/* Gives a run back to be taken again after delay_ms.  counted: the attempt counts against the run. */
extern bool kam_store_postpone(const pg_uuid_t *session_id, int owner, int delay_ms, bool counted,
							   const char *error);
/* Renews the leases of these runs; marks in "kept" those that are still the slot's. */
extern void kam_store_renew(const pg_uuid_t *session_id, int count, int owner, int lease_seconds, bool *kept);
/* Puts a run aside until a person decides (kam_retry, kam_cancel). */
extern bool kam_store_put_aside(const pg_uuid_t *session_id, int owner, const char *why);
/* Gives back all runs of a slot: what a process before this one held.  Returns how many. */
extern uint64 kam_store_take_back(int owner);
/* What says that a run's contact must not be written to; all NULL when nothing does. */
typedef struct KamComplianceRow
{
	char	   *status;			/* unsubscribed, opted_out, suppressed; NULL: clear */
	char	   *source;			/* NULL when unknown */
	char	   *about;
	bool		dated;
	TimestampTz since;			/* when "dated" */
} KamComplianceRow;

/* Looks their addresses and their leads up, as they are now: a row per run, in the caller's memory. */
extern void kam_store_compliance(const pg_uuid_t *session_id, int count, KamComplianceRow *out);
/* Real time at which the next postponed or leased run is due, of others too; 0 for none. */
extern TimestampTz kam_store_next_attempt(int owner);

/* ---- calls (calls.c) ------------------------------------------------------ */

/* Millionths of a millionth of a US dollar. */
typedef int64 KamMoney;
#define KAM_DOLLAR INT64CONST(1000000000000)

/* Token classes of the ledger, in the order of its columns. */
enum
{
	KAM_TOKENS_INPUT, KAM_TOKENS_OUTPUT, KAM_TOKENS_CACHE_READ, KAM_TOKENS_CACHE_WRITE, KAM_TOKEN_CLASSES
};

typedef struct KamRecordedCall
{
	int			call_no;
	char	   *agent;
	int			iteration;
	int			attempt;
	char	   *provider;
	char	   *model;
	char	   *status;
	char	   *error;			/* NULL unless it failed */
	char	   *error_class;	/* NULL: none */
	char	   *in_doubt;		/* its provider's policy now; NULL when that has no row any more */
	char	   *answered_by;	/* the provider, of a replayed answer the one that gave it; NULL when unknown */
	Jsonb	   *output;			/* NULL unless it succeeded */
	bool		by_model;		/* a provider was asked; else the built-in agent answered */
	KamMoney	cost,
				reserved;		/* what it may cost besides */
} KamRecordedCall;

/* One attempt: its intent, its end, or both at once. */
typedef struct KamCallRow
{
	int			call_no;
	const char *agent;
	int			iteration;
	int			attempt;
	const char *provider;
	const char *model;
	int			prompt_version;
	const uint8 *request_sha256;	/* 32 bytes, or NULL */
	TimestampTz started_at;
	DateADT		sent_on;		/* of what is sent: the day that pays it */
	KamMoney	reserved;		/* the most it may cost */

	/* the end */
	const char *error;			/* NULL: it succeeded */
	const char *error_class;
	Jsonb	   *output;			/* NULL when it failed */
	int			http_status;	/* 0: none */
	const char *request_id;		/* each of these NULL when unknown */
	const char *response;
	const char *stop_reason;
	int64		tokens[KAM_TOKEN_CLASSES];
	KamMoney	cost;
	KamMoney	kept;			/* of what was reserved, what stays so: nobody knows its bill */
	int			first_byte_ms;	/* -1: none came */
	TimestampTz finished_at;
} KamCallRow;

/* A model with the prices of a day, and those that follow; model is NULL when there is none. */
typedef struct KamModelRow
{
	char	   *model;
	Jsonb	   *capabilities;	/* NULL: no row */
	int64		price[KAM_TOKEN_CLASSES];	/* millionths of a dollar per million tokens */
	DateADT		next_from;		/* DATEVAL_NOEND: none follow */
	int64		next_price[KAM_TOKEN_CLASSES];
} KamModelRow;

/* What a model costs above a length of the request, on a day or from the next prices on. */
typedef struct KamLongPriceRow
{
	char	   *model;
	bool		next;			/* of the prices that follow the day's */
	int64		above;			/* tokens of input, the cache's included */
	int64		price[KAM_TOKEN_CLASSES];
} KamLongPriceRow;

typedef struct KamAgentRow
{
	char	   *agent;
	char	   *provider;
	char	   *api;
	char	   *base_url;
	Jsonb	   *dialect;
	KamModelRow model,
				fallback;
	bool		has_temperature;
	double		temperature;
	int			max_tokens;
	int			prompt_version;
	char	   *prompt;			/* NULL: no prompt of that version, as its schema */
	Jsonb	   *output_schema;
} KamAgentRow;

extern int	kam_store_long_prices(DateADT day, MemoryContext context, KamLongPriceRow **out);
extern int	kam_store_calls(const pg_uuid_t *session_id, MemoryContext context, KamRecordedCall **out);
typedef struct KamCallOf
{
	const pg_uuid_t *session_id;
	const KamCallRow *row;
} KamCallOf;

/* Calls that were made and answered at once. */
extern void kam_store_calls_whole(const KamCallOf *call, int count);
/* Intents: the rows say "sending" before a byte leaves. */
extern void kam_store_calls_begun(const KamCallOf *call, int count);
/* What came of them; a row that is over already stays as it is. */
extern void kam_store_calls_ended(const KamCallOf *call, int count);
/* Rows that say "sending" though nobody is: their answers are lost. */
extern void kam_store_calls_in_doubt(const pg_uuid_t *session_id);
/* What is recorded for a request. */
typedef struct KamRecording
{
	Jsonb	   *output;			/* NULL: no usable answer came */
	char	   *response;		/* the answer as received; NULL: none */
	char	   *provider;		/* who gave it; NULL: nothing is recorded */
	char	   *error;			/* why it was not usable */
	char	   *error_class;
	bool		cut_off;		/* it ended for want of tokens */
	bool		stood_in;		/* the built-in agent's answer took its place then */
} KamRecording;

/*
 * Finds a usable answer to the row's request: the one of the run "replay_of"
 * (NULL: none), else of the row's model, else the latest.  When there is none,
 * what that run got instead.
 */
extern void kam_store_recording(const KamCallRow *row, const pg_uuid_t *replay_of, MemoryContext context, KamRecording *out);
/* Counted up with every change of what kam_store_agents, _resources and _practices read. */
extern int64 kam_store_configuration(void);
/* settings: what a replay is asked with instead; prompts: the versions to ask with; both NULL for the rows as they are.  day: whose prices. */
extern int	kam_store_agents(Jsonb *settings, Jsonb *prompts, DateADT day, MemoryContext context, KamAgentRow **out);
/* Arrays, in the shape of core/agents.h; an empty table gives an empty array. */
extern Jsonb *kam_store_resources(MemoryContext context);
extern Jsonb *kam_store_practices(MemoryContext context);
/* The ten latest decisions that a person has judged (spec, "Historical Data Query"). */
extern Jsonb *kam_store_history(MemoryContext context);
/* Those that this run has learnt from. */
extern Jsonb *kam_store_history_of(const pg_uuid_t *session_id, MemoryContext context);

/* ---- budgets (budgets.c) --------------------------------------------------- */

typedef struct KamBudgetRow
{
	char	   *budget;
	char	   *provider;		/* NULL: all */
	bool		per_run;		/* counts each run by itself; else the calls of a day */
	bool		enabled;
	KamMoney	limit,
				alert;			/* when so much is spent, it is told */
} KamBudgetRow;

/* A budget's day as it is, and what is to be added to it. */
typedef struct KamSpendRow
{
	DateADT		day;
	char	   *budget;
	KamMoney	spent,
				reserved;
	bool		alerted;
	KamMoney	to_spent,
				to_reserved;
	bool		to_alert;		/* it is told of now ... */
	bool		held;			/* ... because a call is held */
} KamSpendRow;

/* All of them, by name. */
extern int	kam_store_budgets(MemoryContext context, KamBudgetRow **out);
/* Makes the rows of these days where there are none. */
extern void kam_store_budget_days(const DateADT *day, int count);
/* Locks the rows of these days, in the one order in which they are locked. */
extern int	kam_store_budget_lock(const DateADT *day, int count, KamSpendRow **out);
/* Adds what is to be added, and tells the endpoints that asked for it. */
extern void kam_store_budget_charge(const KamSpendRow *row, int count);
/* Gives a run back until then; the attempt does not count. */
extern bool kam_store_wait_for_budget(const pg_uuid_t *session_id, int owner, TimestampTz until, const char *why);

/* ---- decisions (decisions.c) ---------------------------------------------- */

typedef struct KamDecisionRow
{
	const pg_uuid_t *session_id;
	Jsonb	   *decision;
	Jsonb	   *guard;
	Jsonb	   *notice;			/* payload of the notifications */
	const char *synthesis;		/* the synthesis as it came */
	const char *action;
	const char *channel;		/* each of these NULL when unknown */
	const char *hubspot_id;
	const char *owner;
	const char *linkedin_url;
	const char *lead_id;
	bool		suppress;		/* the contact opted out in their own words ... */
	const char *suppress_reason;	/* ... these */
	bool		rerun;
	TimestampTz rerun_at;		/* when "rerun" */
} KamDecisionRow;

/* The decision saved for this run, or NULL; *overruled: an opt-out that came while the agents worked made it. */
extern Jsonb *kam_store_saved_decision(const pg_uuid_t *session_id, MemoryContext context, bool *overruled);
extern Jsonb *kam_store_replay_saved(const pg_uuid_t *session_id, MemoryContext context);
/* final_decision, n8n_orchestrator_synthesis, the notifications, and what the decision entails. */
extern void kam_store_decisions(const KamDecisionRow *const *row, int count);
/* Of a replay: replay_decision and nothing else. */
extern void kam_store_replay_decision(const KamDecisionRow *row);

typedef struct KamJudgementRow
{
	const pg_uuid_t *session_id;
	double		overall_score;
	Jsonb	   *criteria;
	const char *verdict;
} KamJudgementRow;

extern void kam_store_evaluations(const KamJudgementRow *row, int count);
extern void kam_store_replay_evaluation(const KamJudgementRow *row);

/* The workflow_run rows of runs that ended, added up from their calls. */
extern void kam_store_workflow_runs(const KamEnding *ending, int count, TimestampTz now);
/* Tells the endpoints that asked for failures. */
extern void kam_store_failure_notice(const pg_uuid_t *session_id, const char *lead_id, const char *error,
									 const char *sqlstate);

/* ---- upkeep (upkeep.c) ----------------------------------------------------- */

/* Makes new runs for waits that are over at "now" (kam's clock), at most limit; returns how many. */
extern int	kam_store_reruns(TimestampTz now, int limit);
/* When the next wait ends (kam's clock); 0 for none. */
extern TimestampTz kam_store_next_rerun(void);
/*
 * One turn of the Coordinator's schedules at "now" (kam's clock): at most so
 * many items of each duty, so many flags of each kind.  Returns whether there
 * is more; *error is what an item failed with, or NULL.
 */
extern bool kam_store_tick(TimestampTz now, int items, int flags, MemoryContext context, char **error);
/* When the next item of the schedules is due (kam's clock); 0 for none. */
extern TimestampTz kam_store_next_tick(void);
/* Adds up what the oldest day that is over has cost; true when there may be another. */
extern bool kam_store_close_costs(void);
/* Deletes at most limit runs that finished before "before", with all that hangs on them. */
extern int	kam_store_delete_finished(TimestampTz before, int limit);
/*
 * One turn of retention at "now" (kam's clock), runs apart: about so many rows
 * of one kind.  Returns whether to go on at once; *error is what an item failed
 * with, or NULL.
 */
extern bool kam_store_retain(TimestampTz now, int batch, MemoryContext context, char **error);

/* ---- the outbox (outbox.c) -------------------------------------------------- */

/* An endpoint that notifications are delivered to. */
typedef struct KamEndpointRow
{
	char	   *endpoint,
			   *kind,
			   *url,
			   *username;		/* NULL: none */
	bool		allow_private;
	int			timeout_s;
	int			room;			/* deliveries at once */
	int64		pause_us;		/* between two that begin */
	bool		due;			/* something is, now */
	TimestampTz next_at;		/* else when, in real time; 0: unknown */
} KamEndpointRow;

/* A notification as it leaves. */
typedef struct KamParcelRow
{
	int64		notification_id;
	char	   *webhook_id;
	char	  **header;
	int			nheaders;
	char	   *body,
			   *mail_from,		/* both NULL unless it is an e-mail */
			   *mail_to;
} KamParcelRow;

/* What came of a delivery, or of a sheet that was fetched. */
typedef struct KamSettlement
{
	int64		id;
	const char *loss;			/* "none": an answer came */
	int			status;
	bool		in_doubt;
	long		retry_after_s;	/* -1: not asked for */
	const char *words;			/* libcurl's, or the beginning of the answer; UTF-8 */
} KamSettlement;

typedef struct KamSheetRow
{
	int64		import_id;
	char	   *url;
	bool		allow_private;
} KamSheetRow;

extern int	kam_store_endpoints(MemoryContext context, KamEndpointRow **out);
/* Takes what is due, at most so many; they are on their way from the commit on. */
extern int	kam_store_outbox_take(const char *endpoint, int most, MemoryContext context, KamParcelRow **out);
/* Writes down what came of them; later[i]: the i-th is to be told again a moment later. */
extern void kam_store_outbox_settle(const KamSettlement *settlement, int count, bool *later);
/* What was on its way when a worker before this one died.  Returns how many. */
extern int	kam_store_outbox_recover(void);
/* These never went out. */
extern void kam_store_outbox_give_back(const int64 *id, int count);
/* Sheets to be fetched; they are taken with that. */
extern int	kam_store_sheets_take(MemoryContext context, KamSheetRow **out);
/* Takes in what was fetched (NULL: nothing), or says why it could not. */
extern void kam_store_sheet_settle(const KamSettlement *settlement, const char *sheet, size_t len);
