/*
 * cadence/door.h: which rows of the log its guard lets kam's own functions change.
 */
#pragma once

#include "postgres.h"

/* Whether the statement in progress may change or delete rows of this lead. */
extern bool kam_door_open_for(const char *lead_id);
