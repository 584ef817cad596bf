/*
 * core/check.h: the guard: rules that a decision must keep, as a table with one
 * interpreter (contract section 2 kam_check, section 5; spec, "Output
 * Validation Checklist", "Pre-Decision Safety Checks").
 */
#pragma once

#include "core/agents.h"
#include "core/evidence.h"

typedef struct KamFinding
{
	const char *rule;			/* stable name: wait_without_type, score_mismatch, ... */
	const char *severity;		/* "error" or "warning" */
	const char *path;			/* pointer into the decision */
	const char *message;		/* a sentence that says what is wrong and what would be right */
} KamFinding;

typedef struct KamFindings
{
	KamFinding *finding;
	int			count,
				errors;
} KamFindings;

/*
 * Checks {"final_decision": {...}, "metadata": {...}} (or the final_decision
 * object alone) against the facts.  Any JSON value may come in: what has the
 * wrong type is a finding, never a crash.  house is what a message may say and
 * link to besides the contact's own, NULL for nothing.  content is the
 * content_generator's output for the passed-through-exactly rule, or NULL when
 * it is not known.
 */
extern void kam_check(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const KamPlan *plan,
					  const KamHouse *house, const json_t *decision, const json_t *content, KamFindings *out);

/* Rules in table order, for documentation and tests: NULL past the end. */
extern const char *kam_check_rule(int i);

/*
 * The eight synthesis_safety_checks {name: {passed, detail}} (contract section
 * 5) for a decision.
 */
extern json_t *kam_safety_checks(const KamEnv *env, const KamContact *contact, const KamFacts *facts,
								 const KamPlan *plan, const json_t *final_decision);

/*
 * Repairs in place what has exactly one right value (recompute the total,
 * clamp, fill absent keys with null, move execute_at into office hours, ...).
 * Returns an array of {rule, path, was, now}, empty when nothing was repaired.
 */
extern json_t *kam_repair(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const KamPlan *plan,
						  json_t *decision, const json_t *content);

/* What the content generator wrote for a channel, {message, subject}, or NULL; borrowed. */
extern const json_t *kam_generated_for(const json_t *content, KamChannel channel);

/* Temporal claims of a message ("depuis notre echange de la semaine derniere") that no activity bears out: an array of {quote, why}. */
extern json_t *kam_false_temporal_claims(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const char *message);
