/*
 * net/multi.h: a curl multi handle whose sockets stand in one epoll descriptor.
 *
 * What models are asked with (llm/engine.c) and what deliveries leave with
 * (net/courier.c) each have one.  Nothing here blocks, raises, or knows of
 * PostgreSQL.  All but the clocks is called with signals held.
 */
#pragma once

#include <curl/curl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define KAM_NEVER INT64_MAX

typedef struct KamMulti
{
	CURLM	   *curl;
	int			epoll;			/* readable: call kam_multi_step */
	int64_t		due_at;			/* libcurl wants to be called (monotonic); KAM_NEVER: not */
	void		(*lost) (CURL *easy);	/* from a callback: this handle's socket cannot be watched */
} KamMulti;

/* NULL or why not; kam_multi_close frees what was opened either way. */
extern const char *kam_multi_open(KamMulti *multi, void (*lost) (CURL *easy));
extern void kam_multi_close(KamMulti *multi);
/* Moves along what can be moved, without waiting; true when there may be more to do at once. */
extern bool kam_multi_step(KamMulti *multi);
/* Whether libcurl's timer has run out. */
extern bool kam_multi_due(const KamMulti *multi);

/* Once per process, before any other call: NULL or why libcurl cannot be used.  Never in the postmaster. */
extern const char *kam_net_init(void);
/* The file with the certificates that are trusted: the one named, else the system's; NULL when libcurl has to find them by itself. */
extern const char *kam_net_ca_file(const char *named);

/* Microseconds on a clock that nobody sets, and since 1970. */
extern int64_t kam_monotonic_us(void);
extern int64_t kam_wall_clock_us(void);

/* All signals but those of a fault are held back while libcurl runs: its threads must not run the server's handlers. */
extern void kam_signals_hold(sigset_t *before);
extern void kam_signals_release(const sigset_t *before);
