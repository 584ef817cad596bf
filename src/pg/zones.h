/*
 * pg/zones.h: the server's own time zones behind core/'s two doors.
 */
#pragma once

#include "postgres.h"

#include "core/base.h"
#include "utils/guc.h"

extern const KamZones kam_pg_zones;

/* Check hook of kam.default_timezone: a zone the server knows. */
extern bool kam_zone_check(char **newval, void **extra, GucSource source);
