/*
 * llm/prompt_checks.h: what a program finds before a model is asked: in the
 * outputs of wave 1, and in the contact's texts.
 */
#pragma once

#include "core/agents.h"

/* For the evaluator: claims and values that do not stand in the contact, what was left out, whose last round was worse. */
extern json_t *kam_prompt_checks(const KamEnv *env, const KamInputs *in);

/* For those who build on wave 1, whatever its evaluator made of it: values of its free text that nobody told; NULL when there are none. */
extern json_t *kam_prompt_inventions(const KamEnv *env, const KamInputs *in);

/* For those who read the contact's texts: passages that try to steer whoever reads them; NULL when there are none. */
extern json_t *kam_prompt_suspicious(const KamEnv *env, const KamInputs *in);
