/*
 * worker/outbox.h: deliveries: what is due leaves, what came of it is written
 * down.  The worker of slot 1 alone.
 */
#pragma once

#include "postgres.h"

#include "worker/shmem.h"
#include "worker/unit.h"

/* Takes in what has ended, and sends what is due unless "send" is false. */
extern KamUnitResult kam_outbox_turn(int owner, KamWorkerSlot *entry, bool woken, bool send);
/* Milliseconds until something may be due, at most "most". */
extern long kam_outbox_wait(int owner, long most);
/* This process has written news: it looks when that has committed. */
extern void kam_outbox_hurry(void);
/* What is on its way is broken off and forgotten: the next turn recovers it. */
extern void kam_outbox_drop(void);
/* The process is told to go: what has not gone out yet waits for its successor, and is not in doubt. */
extern void kam_outbox_give_back(void);
/* Settings were reloaded. */
extern void kam_outbox_reload(void);
