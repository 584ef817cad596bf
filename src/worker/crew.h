/*
 * worker/crew.h: the runs a worker has in hand, and the rounds it takes them
 * through.
 */
#pragma once

#include "postgres.h"

#include "worker/shmem.h"
#include "worker/unit.h"

#define KAM_CREW_MAX 32			/* runs in hand at once */

/* Starts with none in hand.  owner: the worker's slot. */
extern void kam_crew_init(MemoryContext parent, int owner, KamWorkerSlot *entry);
extern int	kam_crew_size(void);

/* Takes back what an earlier process of this slot left behind. */
extern KamUnitResult kam_crew_take_back(void);
/* Takes runs from the queue into free hands.  *more: there may be others left. */
extern KamUnitResult kam_crew_claim(bool *more);
/* One step of every run in hand. */
extern KamUnitResult kam_crew_round(void);
/* Gives all runs back to the queue (kam.paused). */
extern KamUnitResult kam_crew_give_back(void);
/* Forgets them; their leases stay. */
extern void kam_crew_drop(void);
