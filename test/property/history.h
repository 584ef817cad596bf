/*
 * history.h: a session, and what it may ask.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include "property.h"

typedef enum Outcome
{
	WENT_ON,
	MUST_RETRY,					/* 40001, 40P01 */
	GAVE_UP						/* refused as it should be; the transaction is over */
} Outcome;

typedef struct Session
{
	PGconn	   *connection;
	PGconn	   *other;			/* for what commits meanwhile */
	Rng			rng;
	Text		sql;
	int64_t		clock;			/* of the transaction */
	char		focus[24];		/* a lead for which the clock stands right; or empty */
	bool		duplicates;		/* a statement of it may repeat a key */
	bool		merges;			/* and another session may have merged the same leads */
} Session;

/* What a row asks or tells. */
typedef struct Ask
{
	char		lead[24];
	const char *sequence;		/* NULL: whichever is active */
	const char *type;			/* NULL for facts */
	const char *event;
	const char *agent;
	const char *channel;
	int			step;			/* 0: none */
	char		payload[160];	/* empty: none */
	char		play[24];		/* empty: none */
	char		key[16];		/* empty: none */
	int64_t		occurred;		/* NEVER: none */
} Ask;

typedef struct Sequence
{
	const char *id;
	const char *type;
	int			weight;
} Sequence;

#define TIERS			12

extern const char *const tiers[TIERS];	/* as SQL, as often as they are to come */
extern const char log_columns[];	/* of what add_values() writes */

/* A lead, and where it is remembered which sequence it was last enrolled in. */
extern const Sequence **some_lead(Session *s, char *lead, size_t size);
extern void some_account(Session *s, char *account, size_t size);
extern void make_ask(Session *s, Ask *ask);

extern void add_text(Text *sql, const char *value);	/* NULL for NULL and what is empty */
extern void add_values(Session *s, const Ask *ask);
extern void add_arguments(Text *sql, const Ask *ask, const char *separator);

#endif
