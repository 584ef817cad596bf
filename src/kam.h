/*
 * kam.h: settings and the few names that every room above core/ shares.
 *
 * What a room exports stands in its own headers; this file holds only what
 * _PG_init defines.
 */
#pragma once

#include "postgres.h"

#include "pg/compat.h"

#define KAM_VERSION "1.0"

/* Settings, in the order of the table in kam.c. */
extern char *kam_databases;		/* comma list of databases that have workers */
extern bool kam_schedules;
extern bool kam_paused;			/* the kill switch: nothing is called, everything is kept */
extern bool kam_auto_suppress;
extern char *kam_clock;			/* text; read it only through pg/clock.h */
extern char *kam_default_timezone;
extern int	kam_workers;		/* per database */
extern int	kam_lease;			/* seconds */
extern int	kam_poll_interval;	/* milliseconds */
extern int	kam_launch_backoff; /* seconds, first pause before a worker is started again */
extern int	kam_max_attempts;	/* times a run is taken before it fails */
extern int	kam_retain_runs;	/* minutes; 0 = for ever; so the others */
extern int	kam_retain_calls;
extern int	kam_retain_events;
extern int	kam_retain_notifications;
extern bool kam_outreach;
extern int	kam_touch_cap;		/* touches per window; -1 = no cap */
extern int	kam_touch_window;	/* seconds */
extern int	kam_hold_expiry;	/* minutes */
extern int	kam_account_daily_cap;	/* touches a day; 0 = no cap; so the other */
extern int	kam_rep_daily_limit;
extern char *kam_sequence_window;	/* "HH:MM-HH:MM", read in SQL */
extern char *kam_key_directory; /* files with the providers' keys; empty: the environment alone */
extern int	kam_cache_warm;		/* tokens of a prefix from which on one call of a wave goes first; 0: never */
extern int	kam_max_in_flight;	/* calls of one worker under way at once */
extern char *kam_ca_file;		/* empty: the system's certificates */
extern char *kam_proxy;			/* empty: none; its password is a key file */
