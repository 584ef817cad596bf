/*
 * llm/fate.h: what becomes of a call that has ended (research: the retry
 * matrix of design section 7).
 */
#pragma once

#include "llm/engine.h"

typedef enum KamFateKind
{
	KAM_FATE_ANSWERED,			/* there is text to read */
	KAM_FATE_RETRY,				/* the same again, after wait_ms */
	KAM_FATE_OTHER_MODEL,		/* not with this model: the fallback, if there is one */
	KAM_FATE_GIVE_UP			/* nobody would answer this */
} KamFateKind;

/* Whom it tells something. */
typedef enum KamFateBlame
{
	KAM_BLAME_NONE,
	KAM_BLAME_LIMIT,			/* our own limit (429): slow down, the breaker stays */
	KAM_BLAME_OVERLOAD			/* the provider's trouble (529, 5xx, no connection): counts for the breaker */
} KamFateBlame;

typedef struct KamFate
{
	KamFateKind kind;
	KamFateBlame blame;
	int64_t		wait_ms;		/* KAM_FATE_RETRY: at least this long */
	const char *class_name;		/* "rate_limit", "overloaded", "timeout", "auth", "spend_limit", "refusal", "truncated", ...: static */
	char		message[600];	/* for people: what, where, and what to do; never a key */
} KamFate;

/*
 * attempt: 1 for the first.  random: in [0, 1), for the jitter.  A retry that
 * should wait longer than KAM_LONGEST_WAIT_MS, and one that x-should-retry
 * forbids, is given up.
 */
#define KAM_LONGEST_WAIT_MS (10 * 60 * 1000)
extern void kam_fate_of(const KamResult *result, int attempt, int64_t now_us, double random, KamFate *out);

/* Milliseconds that retry-after-ms or retry-after (seconds or an HTTP date) ask for; -1: they do not. */
extern int64_t kam_retry_after_ms(const KamHeader *header, int count, int64_t now_us);
