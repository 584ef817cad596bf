/*
 * core/evidence_internal.h: what the files of the evidence check share.
 */
#pragma once

#include "core/evidence.h"

#define KAM_MOST_EVIDENCE 100	/* entries of one claim that are read */
#define KAM_CONTACT_DEPTH 64	/* of the contact's JSON that is searched */

/* evidence.c: a text as a message repeats it. */
extern const char *kam_shown(KamArena *arena, const char *text);

/* A text as its reader sees it: nothing hidden, letters and digits of other forms plain; itself when it is so. */
extern const char *kam_as_seen(KamArena *arena, const char *text);

/* Is the path below "/activities/" or "/deals/"?  Then the element's number. */
extern bool kam_path_element(const char *path, const char *list, long *index);

/* How a value was reached: its pointer is only written out when it is wanted. */
typedef struct KamStep
{
	const struct KamStep *before;	/* NULL: the whole */
	const char *key;			/* NULL: an element of an array */
	size_t		index;
} KamStep;

extern const char *kam_step_pointer(KamArena *arena, const KamStep *step);

/* The places of the contact where a quote stands, case and accents as quoted: how many (2: or more), and the first. */
extern int	kam_quote_places(const KamEnv *env, const KamContact *contact, const char *quote, const char **path);

/* evidence_values.c: every number and date of the text comes from what the evidence cites; NULL, or what does not. */
extern const char *kam_values_fault(const KamEnv *env, const KamContact *contact, const char *text, const json_t *evidence);

/* evidence_names.c: every name of the text stands in the contact; NULL, or which does not. */
extern const char *kam_names_fault(const KamEnv *env, const KamContact *contact, const char *text, const json_t *evidence);
