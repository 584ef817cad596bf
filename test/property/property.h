/*
 * property.h: what the parts of the Coordinator's property test share.
 *
 * cadence.c runs the rounds, history.c makes the random transactions, journal.c reads back what the audit triggers
 * noted, oracle.c replays it and judges every verdict, verdict.c holds the gates as the documents state them.
 * Nothing here includes or links a file of kam.
 */
#ifndef PROPERTY_H
#define PROPERTY_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#define HOUR			INT64_C(3600000000)
#define DAY				(24 * HOUR)
#define NEVER			INT64_MIN	/* a NULL time */

/* ---- random numbers: the same seed gives the same stream on every machine ---- */

typedef struct Rng
{
	uint64_t	state;
} Rng;

extern uint64_t rng_next(Rng *rng);
extern int	rng_below(Rng *rng, int n);
extern bool rng_chance(Rng *rng, int percent);

/* ---- text that grows ---- */

typedef struct Text
{
	char	   *data;
	size_t		used;
	size_t		size;
} Text;

extern void text_reset(Text *text);
extern void text_add(Text *text, const char *format,...) __attribute__((format(printf, 2, 3)));
extern void text_time(Text *text, int64_t at);

/* ---- the run ---- */

/* Says what was found to be wrong and counts it. */
extern void violation(const char *format,...) __attribute__((format(printf, 1, 2)));
extern int	violations(void);
extern void die(const char *format,...) __attribute__((format(printf, 1, 2), noreturn));

extern PGconn *connect_server(const char *name);
extern PGresult *run_sql(PGconn *connection, const char *sql);	/* dies unless it works */

/* ---- the world the histories happen in ---- */

#define SESSIONS		16
#define ROUND_LEADS		16
#define ROUND_ACCOUNTS	5

typedef struct World
{
	int			round;			/* leads of this round and of the one before are used */
	int64_t		clock;			/* the moving present, microseconds since 1970; atomic */
	volatile bool stop;
	int64_t		committed,
				rolled_back,
				retried,
				refused;		/* duplicate keys, leads merged already */
} World;

extern World world;

extern int64_t world_now(void);
extern int64_t world_advance(int64_t by);
extern void world_reach(int64_t at);

extern int64_t parse_time(const char *text);

/* history.c */
extern void make_leads(PGconn *connection, Rng *rng, int round);
extern void *session_main(void *rng);

/* oracle.c */
extern void oracle_replay(PGconn *connection);
extern void oracle_settled(PGconn *connection, int64_t now);
extern void oracle_report(void);

#endif
