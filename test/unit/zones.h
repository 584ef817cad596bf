/* test/unit/zones.h: time zones for tests, from the system's zoneinfo. */
#pragma once

#include "core/base.h"

extern const KamZones test_zones;

/* An environment with a fresh arena (the caller frees it), Europe/Paris and the given ISO moment. */
extern KamEnv test_env(const char *as_of);
