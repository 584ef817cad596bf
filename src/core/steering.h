/*
 * core/steering.h: texts of a contact that try to steer a program that reads
 * them: orders to ignore rules, fake turns and results, orders about our
 * workflow, and whatever is hidden, encoded or split.
 *
 * Nothing is done to such a text: it stays data.  Who is about to let a model
 * depart from what the decision tree says asks here first (check_steered.c),
 * and the agents are shown which passages are meant (llm/prompt.c).
 */
#pragma once

#include "core/contact.h"

typedef struct KamSteering
{
	const char *kind;			/* order, markup, hidden, encoded, lookalike, split */
	const char *path;			/* pointer into the contact */
	const char *quote;			/* the words, as they were read: decoded */
} KamSteering;

/*
 * The passages found, in the order of the contact, at most "most" of them and
 * one of a kind per text.  *out is the arena's.  Our own words to the contact
 * are not looked at, but what our mails quote is.
 */
extern int	kam_steering_find(const KamEnv *env, const KamContact *contact, int most, KamSteering **out);

/* The same, up to KAM_STEERING_MOST, looked for once per contact; theirs is the contact's arena. */
#define KAM_STEERING_MOST 20
extern int	kam_steering_of(const KamEnv *env, const KamContact *contact, const KamSteering **out);

/* Array of {kind, path, quote}. */
extern json_t *kam_steering_json(const KamEnv *env, const KamContact *contact);
