/*
 * worker/schedule.h: what a worker does besides runs.
 */
#pragma once

#include "postgres.h"

#include "worker/shmem.h"
#include "worker/unit.h"

/* Does what is due; *again: there is more of it. */
extern KamUnitResult kam_schedule_turn(int owner, KamWorkerSlot *entry, bool *again);

/* Settings have changed: look again at once. */
extern void kam_schedule_reset(void);

/* Milliseconds until something may be due, at most "most". */
extern long kam_schedule_wait(int owner, long most);
