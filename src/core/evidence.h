/*
 * core/evidence.h: does a claim stand where it says it stands?
 *
 * A claim is {text, evidence: [{path, quote}]}; any JSON may come in.  Its
 * verdict comes from the contact alone:
 *
 * verified		Every path resolves, every quote stands there after white-space
 *				and Unicode folding (case, accents, typographic marks), as whole
 *				words unless an ellipsis says where it is cut, and every date,
 *				time, amount, number and name of the text, in digits or in words,
 *				comes from the values cited.  What a value does not say is no
 *				difference (a currency, a unit), but a number is no date, a month
 *				no day, a round number no exact one, and a date without a year is
 *				meant within a year of when it was said.  A number may also be a
 *				total that is computed from them anew: how many activities or
 *				deals are cited, in all or of a kind, the length of a cited list,
 *				the sum or difference of cited amounts, the days between cited
 *				dates or to the moment of the evaluation.  A name may stand
 *				anywhere in the contact: people are named who are not cited.
 *
 * repaired		As verified, but for evidence with exactly one right form:
 *				- the path leads nowhere or elsewhere, and the quote, of at least
 *				  KAM_QUOTE_TO_FIND bytes, stands at exactly one place of the
 *				  contact, case and accents as quoted: the path becomes that one;
 *				- the quote leaves out its middle ("a ... b"), and its pieces, of
 *				  at least KAM_PIECE_OF_QUOTE bytes each, stand in that order in
 *				  the text that the path leads to: each becomes an entry.
 *
 * unverified	Everything else.  A wrong number, date, total or name is never
 *				put right: what was meant is not known.
 *
 * That a quote stands in the contact proves that it was written, not that the
 * text reads it right: that is for the evaluator to judge.
 */
#pragma once

#include "core/decide.h"

#define KAM_MOST_CLAIMS 60		/* of one output that are judged; further ones are refused */
#define KAM_LONGEST_CLAIM 4000	/* bytes of a text; what is longer is no statement that anybody verifies */
#define KAM_QUOTE_TO_FIND 12
#define KAM_PIECE_OF_QUOTE 8

typedef enum KamVerdict
{
	KAM_VERIFIED, KAM_REPAIRED, KAM_UNVERIFIED
} KamVerdict;

extern const char *kam_verdict_name(KamVerdict verdict);

/*
 * The verdict on a claim.  *why: one sentence, without its point, that says
 * what does not hold or what was put right; NULL when verified.  *repaired: a
 * new reference to the claim with the evidence put right, else NULL.  Both
 * may be NULL.
 */
extern KamVerdict kam_claim_judge(const KamEnv *env, const KamContact *contact, const json_t *claim,
								  const char **why, json_t **repaired);

/* The same of evidence without a text; *repaired is the array. */
extern KamVerdict kam_evidence_judge(const KamEnv *env, const KamContact *contact, const json_t *evidence,
									 const char **why, json_t **repaired);

/* NULL when the claim is verified as it stands, else why it is not. */
extern const char *kam_claim_fault(const KamEnv *env, const KamContact *contact, const json_t *claim);
extern const char *kam_evidence_fault(const KamEnv *env, const KamContact *contact, const json_t *evidence);

/*
 * Where evidence stands, entry by entry: [{path, quote, found, recorded_on}].
 * found: the words of the contact there; null when the quote does not stand
 * there.  recorded_on: the activity's, as the contact has it, else null.
 */
extern json_t *kam_evidence_places(const KamEnv *env, const KamContact *contact, const json_t *evidence);

/*
 * The verdict on a claim as people and models are told it: {claim, holds,
 * verdict, fault or repair, at}.  claim is as it was made; at is where the
 * evidence, put right, stands.
 */
extern json_t *kam_claim_report(const KamEnv *env, const KamContact *contact, const json_t *claim);

/* The reports on all claims of an output, in their order; those beyond KAM_MOST_CLAIMS are refused unread. */
extern json_t *kam_claims_report(const KamEnv *env, const KamContact *contact, const json_t *output);

/* An output as those get it who build on it: unverified claims left out, repaired ones put right; a new reference. */
extern json_t *kam_verified_output(const KamEnv *env, const KamContact *contact, const json_t *output);

/*
 * All evidence that a decision carries in itself, wherever it stands: [{part,
 * text, holds, verdict, fault or repair, at}].  part: the pointer into the
 * decision.  An array called evidence is judged as a claim's; a text called
 * evidence, as the factors of the strength have it, holds when it quotes the
 * contact, or when the factor beside it is one that is computed from the
 * contact, which proves it.
 */
extern json_t *kam_decision_evidence(const KamEnv *env, const KamContact *contact, const KamScore *score, const json_t *decision);

/* What we say ourselves: the rows of KamInputs, each NULL for none. */
typedef struct KamHouse
{
	const json_t *resources,
			   *practices;
} KamHouse;

/*
 * Dates, amounts and shares in free text (an analysis, hooks, reasons, a
 * message) that occur nowhere in the contact, nor in what the house says (NULL:
 * nothing counts but the contact): array of {quote, at, kind, why}; kind is
 * date, amount or percentage.
 */
extern json_t *kam_invented_values(const KamEnv *env, const KamContact *contact, const KamHouse *house, const char *text);
