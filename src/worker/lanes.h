/*
 * worker/lanes.h: what a worker has learnt of providers' limits, shown to others.
 */
#pragma once

#include "worker/shmem.h"

/* Puts this process's lanes where kam_lanes() finds them, when they were used since: before it sleeps, else now and then. */
extern void kam_lanes_tell(KamWorkerSlot *entry, bool sleeps);
