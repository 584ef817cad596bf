/*
 * worker/launcher.h: starting worker processes.
 */
#pragma once

#include "postgres.h"

#include "postmaster/bgworker.h"

/* What a worker process is told, in bgw_extra. */
typedef struct KamWorkerOrder
{
	char		database[NAMEDATALEN];
	int			slot;			/* preferred slot; 0: the first free one */
	int			index;			/* its entry in shared memory; -1: take a free one */
} KamWorkerOrder;

/* Registers a worker process; false when the server has no room for one. */
extern bool kam_launch(const KamWorkerOrder *order, int notify_pid, BackgroundWorkerHandle **handle);

extern PGDLLEXPORT void kam_launcher_main(Datum arg);
extern PGDLLEXPORT void kam_worker_main(Datum arg);
