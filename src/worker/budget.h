/*
 * worker/budget.h: what calls may cost.
 *
 * A call's intent is written with the most it may cost (reserved), its end
 * with what it did cost (spent), both in the transaction that adds them to
 * kam.budget_spend.  What does not fit into every budget that counts it is not
 * written, and so not sent.
 */
#pragma once

#include "postgres.h"

#include "worker/job.h"

/* A row of a step that is about to be written. */
typedef struct KamCharge
{
	KamJob	   *job;
	KamStepRow *made;
} KamCharge;

/* The most that a call can cost; 0: it is free, and no budget holds it. */
extern KamMoney kam_budget_estimate(const KamModelConfig *model, DateADT day, size_t request_size, int max_tokens);

/* Outside a transaction, without a statement: whether the call may go by what is known; if not, job->refusal says why. */
extern bool kam_budget_allows(KamJob *job, const KamCall *call);

/* First of all in a transaction that may write calls: knows the budgets as they are. */
extern void kam_budgets_begin(void);
/* Settles what has ended and reserves for what begins; rows of "begun" that no budget has room for become KAM_ROW_REFUSED. */
extern void kam_budgets_charge(const KamCharge *ended, int nended, const KamCharge *begun, int nbegun);
/* A run is about to wait for job->refusal: false when budgets have changed since, and it should look again. */
extern bool kam_budgets_hold(const KamJob *job);
