/*
 * worker/crew.h: the runs a worker has in hand, and the rounds it takes them
 * through.
 */
#pragma once

#include "postgres.h"

#include "worker/shmem.h"
#include "worker/unit.h"

#define KAM_CREW_MAX 4096		/* runs in hand at once, nearly all of them waiting for answers */
#define KAM_ROUND_MAX 32		/* of them, how many are taken a step further in one transaction */

/* Starts with none in hand.  owner: the worker's slot. */
extern void kam_crew_init(MemoryContext parent, int owner, KamWorkerSlot *entry);
extern int	kam_crew_size(void);

/* Takes back what an earlier process of this slot left behind. */
extern KamUnitResult kam_crew_take_back(void);
/* Takes runs from the queue into free hands.  *more: there may be others left. */
extern KamUnitResult kam_crew_claim(bool *more);
/* Whether hands are free for further runs. */
extern bool kam_crew_has_hands(void);
/* Takes in what has ended on the network and what was waiting until now; true when a run can be taken further. */
extern bool kam_crew_listen(void);
/* One step of the runs that can take one. */
extern KamUnitResult kam_crew_round(void);
/* Milliseconds until kam_crew_listen has something to do of itself; -1: only the network or a latch can bring it. */
extern long kam_crew_wait_ms(void);
/* Renews leases that are half over, and lets go of runs that were cancelled; hurry: looks for those now. */
extern KamUnitResult kam_crew_renew(bool hurry);
/* Gives back to the queue all runs that wait for no answer (kam.paused). */
extern KamUnitResult kam_crew_give_back(void);
/* Forgets them; their leases stay. */
extern void kam_crew_drop(void);
