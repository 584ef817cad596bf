/*
 * cadence/mutant.h: the Coordinator made wrong on purpose, one way per build,
 * to show that test/property finds it.
 *
 * KAM_MUTATE(n, right, wrong) is wrong when compiled with -DKAM_MUTANT=n; in
 * every other build it is right, token for token, and nothing is left of it.
 */
#pragma once

#ifndef KAM_MUTANT
#define KAM_MUTANT 0
#endif

#define KAM_MUTANT_1_1 ~, ~		/* one touch too many is let through */
#define KAM_MUTANT_2_2 ~, ~		/* one touch too few is let through */
#define KAM_MUTANT_3_3 ~, ~		/* a touch still counts at the very end of its window */
#define KAM_MUTANT_4_4 ~, ~		/* state is written when the statement ends */
#define KAM_MUTANT_5_5 ~, ~		/* the lead is not locked */
#define KAM_MUTANT_6_6 ~, ~		/* accounts and suppressions are read under the transaction's snapshot */
#define KAM_MUTANT_7_7 ~, ~		/* a suppressed domain does not count */
#define KAM_MUTANT_8_8 ~, ~		/* a new touch overtakes those that are due */
#define KAM_MUTANT_9_9 ~, ~		/* a step goes out again */
#define KAM_MUTANT_10_10 ~, ~	/* a release is not checked for account-based marketing */
#define KAM_MUTANT_11_11 ~, ~	/* a tie at T2 goes to marketing */
#define KAM_MUTANT_12_12 ~, ~	/* an idempotency key is looked at by the index alone */

#define KAM_MUTATE(n, right, wrong) KAM_MUTATE_FOR(n, KAM_MUTANT, right, wrong)
#define KAM_MUTATE_FOR(n, mutant, right, wrong) KAM_MUTATE_AS(n, mutant, right, wrong)
#define KAM_MUTATE_AS(n, mutant, right, wrong) KAM_MUTATE_IF(KAM_MUTANT_##n##_##mutant, wrong, right, ~)
#define KAM_MUTATE_IF(...) KAM_MUTATE_THIRD(__VA_ARGS__)
#define KAM_MUTATE_THIRD(a, b, c, ...) c
