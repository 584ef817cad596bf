/*
 * core/base.h: what all of core/ stands on: memory, errors, time, environment.
 *
 * core/ holds pure functions: no postgres.h, no curl, no clock, no locale.
 * Time and time zones come in through KamEnv.  It builds alone, so that it is
 * unit-tested and fuzzed outside the server.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- memory ---------------------------------------------------------- */

/*
 * A bump allocator: everything that one contact's evaluation makes lives
 * until the arena is freed at once.  Allocation never returns NULL: when the
 * system has no memory left, kam_out_of_memory is called, which must not
 * return (the server raises 53200 there, tests abort).
 */
typedef struct KamArena KamArena;

extern void (*kam_out_of_memory) (void);

/* Called in loops over a contact's activities: where the server lets a cancel or a shutdown through; it may not return. */
extern void (*kam_interrupt) (void);

extern KamArena *kam_arena_new(void);
extern void kam_arena_free(KamArena *arena);
extern void *kam_alloc(KamArena *arena, size_t size);	/* zeroed, 16-byte aligned */
extern void *kam_alloc_raw(KamArena *arena, size_t size);	/* not zeroed: for what is filled at once */
extern char *kam_strndup(KamArena *arena, const char *s, size_t len);
extern char *kam_strdup(KamArena *arena, const char *s);
extern char *kam_printf(KamArena *arena, const char *fmt,...) __attribute__((format(printf, 2, 3)));

/*
 * What was allocated since a mark may be given back, by who made it all and
 * keeps nothing of it: for work that is repeated over large texts.
 */
typedef struct KamMark
{
	void	   *chunk;
	size_t		used;
} KamMark;

extern KamMark kam_arena_mark(KamArena *arena);
extern void kam_arena_rewind(KamArena *arena, KamMark mark);

#define KAM_NEW(arena, type) ((type *) kam_alloc(arena, sizeof(type)))
#define KAM_NEW_ARRAY(arena, type, n) ((type *) kam_alloc(arena, sizeof(type) * (size_t) (n)))
#define KAM_NEW_RAW_ARRAY(arena, type, n) ((type *) kam_alloc_raw(arena, sizeof(type) * (size_t) (n)))
#define KAM_LENGTHOF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- errors ---------------------------------------------------------- */

/* A refusal of bad input.  The api/ room turns it into ereport(ERROR). */
typedef struct KamError
{
	const char *sqlstate;		/* five characters, "22023" */
	const char *message;		/* lower case, no period */
	const char *path;			/* JSON Pointer of the offending value, or NULL */
	const char *hint;			/* a sentence, or NULL */
} KamError;

/* ---- time ------------------------------------------------------------ */

typedef int64_t KamTime;		/* microseconds since 1970-01-01 00:00 UTC */

#define KAM_NO_TIME INT64_MIN
#define KAM_SECOND INT64_C(1000000)
#define KAM_MINUTE (60 * KAM_SECOND)
#define KAM_HOUR (60 * KAM_MINUTE)
#define KAM_DAY (24 * KAM_HOUR)

/*
 * The two doors through which civil time comes in.  lookup gives an opaque
 * zone for an IANA name or NULL when there is none; offset gives the seconds
 * east of UTC in force in that zone at an instant.
 */
typedef struct KamZones
{
	const void *(*lookup) (const char *name);
	int			(*offset) (const void *tz, KamTime at);
} KamZones;

typedef struct KamZone
{
	const char *name;			/* IANA name, "Europe/Paris" */
	const void *tz;
	const KamZones *zones;
} KamZone;

/* What every evaluation needs and nothing may look up for itself. */
typedef struct KamEnv
{
	KamArena   *arena;
	const KamZones *zones;
	const char *default_zone;	/* setting kam.default_timezone */
	KamTime		as_of;			/* the moment of the evaluation */
	KamArena   *scratch;		/* for what texts are taken apart into while they are read; NULL: the arena */
} KamEnv;

static inline KamArena *
kam_scratch(const KamEnv *env)
{
	return env->scratch != NULL ? env->scratch : env->arena;
}
