/*
 * test/unit/zones.c: KamZones over the C library's zoneinfo, with a small
 * cache of transitions found by asking localtime_r.  Not thread-safe; tests only.
 */
#include "zones.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/civil.h"

#define MAX_ZONES 32
#define CACHE 4096

typedef struct TestZone
{
	char		name[64];
	struct
	{
		int64_t		hour;
		int			offset;
		bool		set;
	}			cache[CACHE];
} TestZone;

static TestZone *zone_table[MAX_ZONES];
static const char *zone_in_force;

static const void *
lookup(const char *name)
{
	char		path[160];

	if (!name || !*name || strlen(name) > 60 || strstr(name, ".."))
		return NULL;
	snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
	if (access(path, R_OK) != 0)
		return NULL;
	for (int i = 0; i < MAX_ZONES; i++)
	{
		if (!zone_table[i])
		{
			zone_table[i] = calloc(1, sizeof(TestZone));
			snprintf(zone_table[i]->name, sizeof zone_table[i]->name, "%s", name);
		}
		if (strcmp(zone_table[i]->name, name) == 0)
			return zone_table[i];
	}
	return NULL;
}

static int
offset(const void *tz, KamTime at)
{
	TestZone   *zone = (TestZone *) tz;
	int64_t		second = at >= 0 ? at / KAM_SECOND : -((-at + KAM_SECOND - 1) / KAM_SECOND);
	int64_t		quarter = second >= 0 ? second / 900 : -((-second + 899) / 900);
	unsigned	slot = (unsigned) (quarter % CACHE + CACHE) % CACHE;
	struct tm	tm;
	time_t		t = (time_t) (quarter * 900);

	if (zone->cache[slot].set && zone->cache[slot].hour == quarter)
		return zone->cache[slot].offset;
	if (zone_in_force != zone->name)
	{
		setenv("TZ", zone->name, 1);
		tzset();
		zone_in_force = zone->name;
	}
	localtime_r(&t, &tm);
	zone->cache[slot].hour = quarter;
	zone->cache[slot].offset = (int) tm.tm_gmtoff;
	zone->cache[slot].set = true;
	return (int) tm.tm_gmtoff;
}

const KamZones test_zones = {lookup, offset};

KamEnv
test_env(const char *as_of)
{
	KamEnv		env = {kam_arena_new(), &test_zones, "Europe/Paris", 0};
	KamZone		zone;

	if (!kam_zone_find(&test_zones, "Europe/Paris", &zone) || !kam_time_parse(as_of, &zone, &env.as_of))
	{
		fprintf(stderr, "bad moment %s\n", as_of);
		abort();
	}
	return env;
}
