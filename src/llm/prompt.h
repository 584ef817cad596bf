/*
 * llm/prompt.h: what a model is told (design section 7, contract section 6).
 *
 * Four parts: common, the same for every contact; contact, the same for most
 * agents of a run; wave, the same for all agents of a stage; own, the agent's.  Byte-stable: the same inputs give the
 * same bytes, and nothing that varies (session, clock) stands before what does not.
 */
#pragma once

#include "core/agents.h"
#include "llm/request.h"

/* Once per configuration: the rules, resources and best practices (rows as in KamInputs).  Escaped, the arena's. */
extern KamPiece kam_prompt_common(KamArena *arena, const json_t *resources, const json_t *practices);

/* Whether it is among those who read the activities: wave 1, its evaluator, wave 2. */
extern bool kam_prompt_reads_activities(KamAgent agent);
/*
 * The contact, the moment, the facts: the same bytes for all who read the
 * activities, and for those who do not, who get contact_info alone.
 * contact_text: the contact as the jsonb's own text.  NULL: as core/ read it.
 */
extern KamPiece kam_prompt_contact(const KamEnv *env, KamAgent agent, const KamInputs *in, const char *contact_text);

/* What the wave has from earlier ones, the same bytes for all its agents; nothing for the first. */
extern KamPiece kam_prompt_wave(const KamEnv *env, KamAgent agent, const KamInputs *in);
/* Per call: <agent>KEY</agent> on a line of its own, what this agent alone gets, the prompt's body, the retry instruction. */
extern KamPiece kam_prompt_own(const KamEnv *env, KamAgent agent, const KamInputs *in, const char *prompt_body);

/* What is wrong with an answer, as the next turn says it.  Escaped. */
extern KamPiece kam_prompt_complaint(KamArena *arena, KamAgent agent, const char *faults);

/* About how many tokens a text has: never far too few. */
extern int64_t kam_prompt_tokens(size_t bytes);
