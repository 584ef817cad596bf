/*
 * pg/zones.c: the server's own time zones behind core/'s two doors.
 *
 * Runs in every backend and in the worker.  A zone is the server's pg_tz,
 * which it keeps for the life of the process; a NULL zone is UTC.
 */
#include "postgres.h"

#include "pgtime.h"
#include "utils/guc.h"

#include "pg/zones.h"

/* A stretch of time over which a zone keeps one offset: most questions fall in the same few. */
typedef struct Stretch
{
	const pg_tz *tz;
	pg_time_t	from,			/* inclusive */
				until;			/* exclusive */
	int			offset;
} Stretch;

#define STRETCHES 16

static Stretch stretch[STRETCHES];
static int	next_stretch = 0;

static const void *
lookup_zone(const char *name)
{
	pg_tz	   *tz;

	/* pg_tzset also takes POSIX formulas such as "FOO3"; contacts name places. */
	if (name == NULL || name[0] == '\0' || strlen(name) > TZ_STRLEN_MAX || name[0] == '<' || strchr(name, ',') != NULL)
		return NULL;
	tz = pg_tzset(name);
	if (tz == NULL || !pg_tz_acceptable(tz))
		return NULL;
	return tz;
}

static pg_time_t
floor_seconds(KamTime at)
{
	pg_time_t	seconds = at / KAM_SECOND;

	return at % KAM_SECOND < 0 ? seconds - 1 : seconds;
}

static int
zone_offset(const void *zone, KamTime at)
{
	const pg_tz *tz = zone;
	pg_time_t	seconds = floor_seconds(at);
	pg_time_t	boundary;
	long		before,
				after;
	int			before_dst,
				after_dst,
				found;
	Stretch    *s;

	if (tz == NULL)
		return 0;
	for (int i = 0; i < STRETCHES; i++)
	{
		s = &stretch[i];
		if (s->tz == tz && seconds >= s->from && seconds < s->until)
			return s->offset;
	}

	found = pg_next_dst_boundary(&seconds, &before, &before_dst, &boundary, &after, &after_dst, tz);
	if (found < 0)
		return 0;
	if (found == 0)
		boundary = PG_INT64_MAX;

	/* The same stretch may be known from a later moment on: widen it. */
	for (int i = 0; i < STRETCHES; i++)
	{
		s = &stretch[i];
		if (s->tz == tz && s->until == boundary)
		{
			s->from = seconds;
			return s->offset;
		}
	}
	s = &stretch[next_stretch];
	next_stretch = (next_stretch + 1) % STRETCHES;
	s->tz = tz;
	s->from = seconds;
	s->until = boundary;
	s->offset = (int) before;
	return s->offset;
}

const KamZones kam_pg_zones = {lookup_zone, zone_offset};

bool
kam_zone_check(char **newval, void **extra, GucSource source)
{
	if (*newval != NULL && lookup_zone(*newval) != NULL)
		return true;
	GUC_check_errdetail("It takes a time zone by its IANA name.");
	GUC_check_errhint("For example \"Europe/Paris\"; pg_timezone_names lists them.");
	return false;
}
