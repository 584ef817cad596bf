/*
 * worker/shmem.h: what launcher, workers and backends share.
 *
 * It exists only when the library was preloaded: kam_shared is NULL otherwise
 * and every function here then does nothing.  It holds numbers and text, never
 * a pointer or a descriptor of one process.
 */
#pragma once

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/lwlock.h"

#define KAM_MAX_WORKERS 64		/* of all databases together */
#define KAM_ERROR_LENGTH 256
#define KAM_MAX_LANES 256		/* of all workers together; more are not shown */
#define KAM_LANE_METERS 4		/* KAM_METERS */

typedef enum KamWorkerState
{
	KAM_WORKER_STARTING,		/* registered with the postmaster */
	KAM_WORKER_CONNECTING,
	KAM_WORKER_IDLE,
	KAM_WORKER_BUSY,
	KAM_WORKER_PAUSED,			/* kam.paused */
	KAM_WORKER_NO_EXTENSION,	/* connected, looks again now and then */
	KAM_WORKER_WRONG_VERSION,
	KAM_WORKER_NO_ROLE,
	KAM_WORKER_NO_SLOT,			/* other processes own all slots of this database */
	KAM_WORKER_BACKOFF,			/* dead, started again at next_start */
	KAM_WORKER_STOPPING			/* its database is no longer listed */
} KamWorkerState;

typedef struct KamCounters
{
	pg_atomic_uint64 wakes,		/* times it was woken or its pause ran out */
				runs,			/* runs brought to an end, failed ones included */
				calls,			/* agent calls recorded */
				failures,		/* runs failed */
				reruns;			/* runs made for waits that ended */
} KamCounters;

/* One per worker, alive or to be started. */
typedef struct KamWorkerSlot
{
	/* under kam_shared->lock */
	bool		used;
	bool		managed;		/* the launcher's; else kam_worker_start()'s */
	char		database[NAMEDATALEN];
	int			slot;			/* 1 .. kam.workers within the database */
	int			pid;			/* 0: no process */
	KamWorkerState state;
	TimestampTz started_at;		/* of the present or last process */
	TimestampTz next_start;		/* in KAM_WORKER_BACKOFF */
	int			backoff;		/* seconds, the last pause */
	int			restarts;
	char		last_error[KAM_ERROR_LENGTH];
	TimestampTz last_error_at;

	/* read by committing backends without a lock: stale values cost a wake too many or a poll's wait */
	pg_atomic_uint32 database_oid;
	pg_atomic_uint32 proc;		/* proc number + 1; 0: none */

	KamCounters counters;
} KamWorkerSlot;

/* A lane of llm/limits.h as its worker saw it last; under kam_shared->lock. */
typedef struct KamSharedLane
{
	int			worker;			/* index of its slot + 1; 0: free */
	char		provider[64],
				model[256];
	int			in_flight;
	bool		open,
				recovering;
	double		per_minute[KAM_LANE_METERS];	/* 0: no limit known */
	double		left[KAM_LANE_METERS];
	bool		told[KAM_LANE_METERS];
	TimestampTz next_call_at;	/* 0: at once */
	char		why[64];
	TimestampTz seen_at;
} KamSharedLane;

typedef struct KamShared
{
	LWLock	   *lock;
	int			launcher_pid;
	pg_atomic_uint32 launcher_proc; /* proc number + 1 */
	KamWorkerSlot slot[KAM_MAX_WORKERS];
	int			nlanes;			/* of lane[], those that were ever used */
	KamSharedLane lane[KAM_MAX_LANES];
} KamShared;

extern KamShared *kam_shared;

extern void kam_shmem_install_hooks(void);

/* Sets the latch of the process with that proc number + 1; 0 does nothing.  Never raises. */
extern void kam_latch_set(uint32 proc);

/* This process takes entry "index" (or a free one for < 0); NULL when there is none or it is another's. */
extern KamWorkerSlot *kam_slot_attach(int index, const char *database, bool managed);
extern void kam_slot_set_state(KamWorkerSlot *entry, KamWorkerState state);
extern void kam_slot_set_error(KamWorkerSlot *entry, const char *error);

extern const char *kam_worker_state_name(KamWorkerState state);
