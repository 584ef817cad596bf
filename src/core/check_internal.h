/*
 * core/check_internal.h: what the files of the guard share.  Nobody outside
 * check*.c, safety.c and repair.c includes it.
 */
#pragma once

#include "core/check.h"

/* One decision under examination. */
typedef struct KamGuard
{
	const KamEnv *env;
	const KamContact *contact;
	const KamFacts *facts;
	const KamPlan *plan;
	const json_t *root;			/* what was handed in */
	const json_t *decision;		/* the final_decision object, NULL when there is none */
	const json_t *content;		/* the content generator's output, or NULL */
	KamHouse	house;			/* what we say ourselves */
	struct KamSent *sent;		/* the texts that leave the house, once asked for */
	struct KamKnown *known;		/* addresses and links that may stand in a message, once something was held against them */
	const char *base;			/* pointer of the final_decision: "/final_decision" or "" */

	int			action;			/* KamAction, -1 when it is none of them */
	bool		sends;			/* send_message or break_up */
	bool		waits;
	const char *message;		/* selected_content.message when it holds words, else NULL */
	KamTokens	tokens;			/* of the message, once kam_guard_tokens was called */
	KamChannel	channel;		/* selected_channel */

	const char *rule,			/* the rule at work */
			   *severity;
	bool		fired;
	KamFindings *out;
	int			room;
} KamGuard;

/* Reads what most rules ask for.  Any JSON may come. */
extern void kam_guard_open(KamGuard *guard, const KamEnv *env, const KamContact *contact, const KamFacts *facts,
						   const KamPlan *plan, const json_t *root, const json_t *content, KamFindings *out);

/* A finding of the rule at work; path is below the final_decision. */
extern void kam_guard_report(KamGuard *guard, const char *path, const char *fmt,...) __attribute__((format(printf, 3, 4)));

/* Borrowed: the value at a pointer below the final_decision; NULL when absent or null. */
extern const json_t *kam_guard_value(const KamGuard *guard, const char *path);
/* A string with something in it besides blanks, else NULL. */
extern const char *kam_guard_words(const KamGuard *guard, const char *path);
/* Absent, null, or an empty object, array or string. */
extern bool kam_is_empty(const json_t *value);

/* A copy of at most that many bytes, cut between characters. */
extern const char *kam_shorten(KamArena *arena, const char *text, size_t most);

/* ---- times --------------------------------------------------------------- */

typedef enum KamStampState
{
	KAM_STAMP_ABSENT,			/* absent, null, or no string (the shape rules tell of that) */
	KAM_STAMP_NOT_ISO,
	KAM_STAMP_NO_ZONE,			/* readable, but without a time of day or an offset */
	KAM_STAMP_GOOD
} KamStampState;

typedef struct KamStamp
{
	KamStampState state;
	const char *text;
	KamTime		at;				/* unless absent or not ISO */
	int			offset;			/* as written, seconds east of UTC; only when good */
} KamStamp;

extern KamStamp kam_guard_stamp(const KamGuard *guard, const char *path);
/* The same of any value. */
extern KamStamp kam_read_stamp(const KamGuard *guard, const json_t *value);

/* ---- score ---------------------------------------------------------------- */

/* "+0.25" in hundredths; false when the text is no signed or plain decimal number. */
extern bool kam_impact_parse(const char *text, double *hundredths);
/* The spec's range of a factor's impact in hundredths; false when the factor has none. */
extern bool kam_impact_range(const char *factor, int *least, int *most);
/* Is it one of the stages' base scores? */
extern bool kam_is_base_score(double score);
/*
 * The floor in hundredths that a decision's strength must keep, with its name:
 * that of the facts, without the pricing floor where the pricing rule does not
 * hold (break_up, no_action).
 */
extern int	kam_guard_floor(const KamGuard *guard, const char **name);

/* ---- phrases ------------------------------------------------------------- */

/*
 * A row of words that stand next to each other within a sentence: a word as
 * kam_tokenize folds it, "stem*", "a|b", or "..3" for up to three words of any
 * kind.  Returns the first token at or after "from" where it begins and sets
 * *last to its last token, or -1.
 */
extern int	kam_phrase_find(const KamTokens *tokens, const char *pattern, int from, int *last);
/* The same at token i alone: its last token, or -1. */
extern int	kam_phrase_at(const KamTokens *tokens, const char *pattern, int i);
/* The source text of tokens [first, last]. */
extern const char *kam_token_text(KamArena *arena, const KamTokens *tokens, int first, int last);

/* Does a tag of HTML stand here, behind its "<"? */
extern bool kam_is_tag(const char *s);

/* Is a member of the final_decision shown to nobody outside: reasons, quotes, checks? */
extern bool kam_stays_inside(const char *key);

/* Bytes of a message that are read for what it says; a longer one is none that anybody sends. */
#define KAM_LONGEST_READ 16384

/* The message, which must be there, as tokens; read once. */
extern const KamTokens *kam_guard_tokens(KamGuard *guard);
/* What is wrong with whom a message holds responsible for a missed meeting, or NULL. */
extern const char *kam_blame_fault(const KamEnv *env, const KamFacts *facts, const KamTokens *tokens, const char **quote);
/* kam_false_temporal_claims of a message already read. */
extern json_t *kam_false_temporal_tokens(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const KamTokens *tokens,
										 const char *message);

/* ---- the rules, by file ---------------------------------------------------- */

typedef void (*KamRuleCheck) (KamGuard *guard);

extern void kam_rule_not_a_decision(KamGuard *guard);
extern void kam_rule_missing_key(KamGuard *guard);
extern void kam_rule_wrong_type(KamGuard *guard);
extern void kam_rule_unknown_value(KamGuard *guard);

extern void kam_rule_hard_blocker_overruled(KamGuard *guard);
extern void kam_rule_action_differs(KamGuard *guard);
extern void kam_rule_wait_execute_at_not_specified(KamGuard *guard);
extern void kam_rule_wait_without_type(KamGuard *guard);
extern void kam_rule_wait_type_incomplete(KamGuard *guard);
extern void kam_rule_wait_type_differs(KamGuard *guard);
extern void kam_rule_wait_risk_level(KamGuard *guard);
extern void kam_rule_missing_sequence_plan(KamGuard *guard);
extern void kam_rule_sequence_step_malformed(KamGuard *guard);
extern void kam_rule_sequence_flag(KamGuard *guard);
extern void kam_rule_missing_channel(KamGuard *guard);
extern void kam_rule_missing_message(KamGuard *guard);
extern void kam_rule_missing_tone(KamGuard *guard);
extern void kam_rule_wrong_content_source(KamGuard *guard);
extern void kam_rule_missing_execute_at(KamGuard *guard);
extern void kam_rule_missing_reevaluate_at(KamGuard *guard);
extern void kam_rule_unexpected_wait_type(KamGuard *guard);
extern void kam_rule_unexpected_content(KamGuard *guard);
extern void kam_rule_unexpected_channel(KamGuard *guard);
extern void kam_rule_unexpected_execute_at(KamGuard *guard);

extern void kam_rule_time_not_iso(KamGuard *guard);
extern void kam_rule_time_without_zone(KamGuard *guard);
extern void kam_rule_unknown_timezone(KamGuard *guard);
extern void kam_rule_timezone_differs(KamGuard *guard);
extern void kam_rule_wrong_offset(KamGuard *guard);
extern void kam_rule_execute_at_past(KamGuard *guard);
extern void kam_rule_execute_at_outside_hours(KamGuard *guard);
extern void kam_rule_reevaluate_at_past(KamGuard *guard);
extern void kam_rule_reevaluate_at_differs(KamGuard *guard);
extern void kam_rule_execute_at_far(KamGuard *guard);
extern void kam_rule_reevaluate_at_far(KamGuard *guard);

extern void kam_rule_channel_unavailable(KamGuard *guard);
extern void kam_rule_content_altered(KamGuard *guard);
extern void kam_rule_placeholder_left(KamGuard *guard);
extern void kam_rule_machine_talk(KamGuard *guard);
extern void kam_rule_steered_action(KamGuard *guard);
extern void kam_rule_steered_channel(KamGuard *guard);
extern void kam_rule_steered_wait(KamGuard *guard);
extern void kam_rule_steered_timing(KamGuard *guard);
extern void kam_rule_hidden_characters(KamGuard *guard);
extern void kam_rule_embedded_markup(KamGuard *guard);
extern void kam_rule_foreign_link(KamGuard *guard);
extern void kam_rule_foreign_recipient(KamGuard *guard);
extern void kam_rule_foreign_account(KamGuard *guard);
extern void kam_rule_invented_amount(KamGuard *guard);
extern void kam_rule_question_count(KamGuard *guard);
extern void kam_rule_language_differs(KamGuard *guard);
extern void kam_rule_variant_differs(KamGuard *guard);
extern void kam_rule_false_temporal_claim(KamGuard *guard);
extern void kam_rule_meeting_responsibility(KamGuard *guard);
extern void kam_rule_meeting_not_held(KamGuard *guard);

extern void kam_rule_strength_without_breakdown(KamGuard *guard);
extern void kam_rule_zero_strength_recent_meeting(KamGuard *guard);
extern void kam_rule_strength_total_mismatch(KamGuard *guard);
extern void kam_rule_strength_out_of_range(KamGuard *guard);
extern void kam_rule_pricing_below_floor(KamGuard *guard);
extern void kam_rule_strength_below_floor(KamGuard *guard);
extern void kam_rule_unknown_base_score(KamGuard *guard);
extern void kam_rule_factor_malformed(KamGuard *guard);
extern void kam_rule_factor_without_evidence(KamGuard *guard);
extern void kam_rule_score_arithmetic(KamGuard *guard);
extern void kam_rule_factor_out_of_range(KamGuard *guard);

extern void kam_rule_missing_pilot_health(KamGuard *guard);
extern void kam_rule_missing_conditional(KamGuard *guard);
extern void kam_rule_unexpected_conditional(KamGuard *guard);
extern void kam_rule_confidence_out_of_range(KamGuard *guard);
extern void kam_rule_missing_reasoning(KamGuard *guard);
extern void kam_rule_missing_safety_checks(KamGuard *guard);
extern void kam_rule_safety_check_malformed(KamGuard *guard);
extern void kam_rule_safety_check_failed(KamGuard *guard);
extern void kam_rule_unproven_evidence(KamGuard *guard);

/* ---- names of the eight safety checks -------------------------------------- */

#define KAM_SAFETY_CHECKS 8
extern const char *const kam_safety_check_names[KAM_SAFETY_CHECKS];

/* ---- conditional structures ------------------------------------------------ */

/* Is the structure of that key called for by the facts? */
extern bool kam_is_triggered(const KamGuard *guard, const char *key);
