/*
 * core/evidence.h: does a claim stand where it says it stands?
 */
#pragma once

#include "core/contact.h"

/*
 * A claim {text, evidence: [{path, quote}]} against the contact: every path
 * resolves, every quote stands there after white-space and Unicode folding,
 * and every date and number of the text comes from the values cited.  NULL
 * when it holds, else one sentence that says what does not.
 */
extern const char *kam_claim_fault(const KamEnv *env, const KamContact *contact, const json_t *claim);

/* The same of evidence without a text: every path resolves and every quote stands there. */
extern const char *kam_evidence_fault(const KamEnv *env, const KamContact *contact, const json_t *evidence);

/*
 * Dates, amounts and counts in free text of an analysis ("summary", hooks,
 * reasons) that occur nowhere in the contact: array of {quote, why}.
 */
extern json_t *kam_invented_values(const KamEnv *env, const KamContact *contact, const char *text);
