/*
 * core/rounds.h: further rounds of wave 1: of two answers of an agent the
 * better one goes on (spec, "Retry Logic Implementation").
 *
 * Better is what the program itself can tell: fewer faults of shape, then
 * fewer faults in all (claims that do not hold, invented values,
 * contradictions with the facts, facts passed over).  Whether a round is
 * needed at all is the evaluator's to say.
 */
#pragma once

#include "core/pipeline.h"

/* Takes an answer of a further round (steals the reference) and keeps the one before for comparison. */
extern void kam_rounds_take(KamRun *run, KamAgent agent, json_t *output);

/* All answers of the round are in: where one is worse than the one before, that one stands again. */
extern void kam_rounds_settle(KamRun *run);

extern void kam_rounds_close(KamRun *run);
