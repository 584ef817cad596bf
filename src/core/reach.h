/*
 * core/reach.h: what in a text leads somewhere: links, addresses, numbers to
 * call, accounts to pay to.
 *
 * Read as a person or a mail program would: characters that nobody sees are
 * passed over, "evil[.]com" and "evil dot com" are evil.com.  In doubt it is
 * one: what is found is held against what is known, and refused otherwise.
 */
#pragma once

#include "core/base.h"

typedef enum KamReachKind
{
	KAM_REACH_LINK,				/* with or without a scheme */
	KAM_REACH_EMAIL,
	KAM_REACH_PHONE,
	KAM_REACH_PROFILE,			/* a LinkedIn profile */
	KAM_REACH_HANDLE,			/* "@name" of some network */
	KAM_REACH_ACCOUNT			/* IBAN, BIC, card, account number, wallet */
} KamReachKind;

typedef struct KamReach
{
	KamReachKind kind;
	const char *text;			/* as it is read */
	const char *key;			/* in the one spelling in which two are compared; see kam_reach_key */
	bool		home;			/* a link to a host's home page: its key is the host */
} KamReach;

/* Bytes of a text that are read. */
#define KAM_REACH_LONGEST ((size_t) 64 * 1024)

/* In the order in which they stand, at most "most".  *out is the arena's. */
extern int	kam_reach_find(KamArena *arena, const char *text, size_t len, int most, KamReach **out);
/* Is there any? */
extern bool kam_reach_any(KamArena *arena, const char *text);
/* The key of a field that holds a single link: host and path, without http(s):// and www.; NULL when it is none. */
extern const char *kam_link_key(KamArena *arena, const char *url);
/* The key of a number: its last nine digits; NULL when it is none. */
extern const char *kam_phone_key(KamArena *arena, const char *number);
