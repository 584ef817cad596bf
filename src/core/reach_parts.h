/*
 * core/reach_parts.h: between reach.c and reach_numbers.c.
 */
#pragma once

#include "core/reach.h"

#include <string.h>
#include <strings.h>

typedef struct KamReachFinder
{
	KamArena   *arena;
	const char *text;
	KamReach   *found;
	int			count,
				room,
				most;
} KamReachFinder;

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
is_word(char c)
{
	return is_digit(c) || is_alpha(c) || (unsigned char) c >= 0x80;
}

static inline bool
begins(const char *s, const char *prefix)
{
	return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

extern void kam_reach_add(KamReachFinder *f, KamReachKind kind, const char *start, const char *end, const char *key, bool home);

/* What begins at s, if anything: each returns what is behind it, or NULL; kam_reach_number also what is behind a number of no interest. */
extern const char *kam_reach_number(KamReachFinder *f, const char *s);
extern const char *kam_reach_iban(KamReachFinder *f, const char *s);
extern const char *kam_reach_wallet(KamReachFinder *f, const char *s);
extern const char *kam_reach_bic(KamReachFinder *f, const char *s);
