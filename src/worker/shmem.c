/*
 * worker/shmem.c: the shared state of launcher and workers, and the wake at
 * commit.
 *
 * Runs in every process of a server that preloads kam.  What runs in the
 * commit callback must never raise: the transaction is over by then and an
 * error would take the server down.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "kam.h"
#include "worker/shmem.h"
#include "worker/worker.h"

#define KAM_TRANCHE "kam"

KamShared  *kam_shared = NULL;

static shmem_request_hook_type next_request_hook = NULL;
static shmem_startup_hook_type next_startup_hook = NULL;

static bool wake_wanted = false;

static void
request_shmem(void)
{
	if (next_request_hook)
		next_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(KamShared)));
	RequestNamedLWLockTranche(KAM_TRANCHE, 1);
}

static void
init_slot(KamWorkerSlot *entry)
{
	pg_atomic_init_u32(&entry->database_oid, InvalidOid);
	pg_atomic_init_u32(&entry->proc, 0);
	pg_atomic_init_u64(&entry->counters.wakes, 0);
	pg_atomic_init_u64(&entry->counters.runs, 0);
	pg_atomic_init_u64(&entry->counters.calls, 0);
	pg_atomic_init_u64(&entry->counters.failures, 0);
	pg_atomic_init_u64(&entry->counters.reruns, 0);
}

static void
start_shmem(void)
{
	bool		found;

	if (next_startup_hook)
		next_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	kam_shared = ShmemInitStruct("kam", sizeof(KamShared), &found);
	if (!found)
	{
		memset(kam_shared, 0, sizeof(KamShared));
		kam_shared->lock = &GetNamedLWLockTranche(KAM_TRANCHE)->lock;
		pg_atomic_init_u32(&kam_shared->launcher_proc, 0);
		for (int i = 0; i < KAM_MAX_WORKERS; i++)
			init_slot(&kam_shared->slot[i]);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
kam_shmem_install_hooks(void)
{
	next_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shmem;
}

/* A latch of a process that died meanwhile belongs to nobody or to a newcomer: setting it does no harm. */
void
kam_latch_set(uint32 proc)
{
	if (proc > 0 && proc <= ProcGlobal->allProcCount)
		SetLatch(&ProcGlobal->allProcs[proc - 1].procLatch);
}

/* ---- the wake at commit ---------------------------------------------- */

/* Runs after the commit is visible to others, and on abort.  Nothing here may raise. */
static void
wake_at_commit(XactEvent event, void *arg)
{
	if (!wake_wanted)
		return;
	if (event == XACT_EVENT_COMMIT)
	{
		for (int i = 0; i < KAM_MAX_WORKERS; i++)
		{
			KamWorkerSlot *entry = &kam_shared->slot[i];

			if (pg_atomic_read_u32(&entry->database_oid) == MyDatabaseId)
				kam_latch_set(pg_atomic_read_u32(&entry->proc));
		}
		wake_wanted = false;
	}
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		wake_wanted = false;	/* a prepared transaction's work is found by the poll */
}

void
kam_wake(void)
{
	static bool registered = false;

	if (kam_shared == NULL)
		return;
	if (!registered)
	{
		/* Once per backend: callbacks are never removed. */
		RegisterXactCallback(wake_at_commit, NULL);
		registered = true;
	}
	wake_wanted = true;
}

/* ---- entries ----------------------------------------------------------- */

static KamWorkerSlot *my_entry = NULL;

/* Leaves the entry as one without a process; the launcher then decides about a new one. */
static void
detach(int code, Datum arg)
{
	KamWorkerSlot *entry = my_entry;

	if (entry == NULL)
		return;
	my_entry = NULL;
	pg_atomic_write_u32(&entry->proc, 0);
	pg_atomic_write_u32(&entry->database_oid, InvalidOid);

	LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < kam_shared->nlanes; i++)
	{
		if (kam_shared->lane[i].worker == (int) (entry - kam_shared->slot) + 1)
			kam_shared->lane[i].worker = 0;
	}
	entry->pid = 0;
	if (!entry->managed)
		entry->used = false;
	LWLockRelease(kam_shared->lock);
	kam_latch_set(pg_atomic_read_u32(&kam_shared->launcher_proc));
}

KamWorkerSlot *
kam_slot_attach(int index, const char *database, bool managed)
{
	KamWorkerSlot *entry = NULL;

	if (kam_shared == NULL)
		return NULL;

	LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
	if (index >= 0 && index < KAM_MAX_WORKERS)
	{
		KamWorkerSlot *wanted = &kam_shared->slot[index];

		if (wanted->used && wanted->pid == 0 && strcmp(wanted->database, database) == 0)
			entry = wanted;
	}
	else
	{
		for (int i = 0; i < KAM_MAX_WORKERS && entry == NULL; i++)
		{
			if (!kam_shared->slot[i].used)
				entry = &kam_shared->slot[i];
		}
		if (entry != NULL)
		{
			entry->used = true;
			entry->managed = managed;
			strlcpy(entry->database, database, sizeof(entry->database));
			entry->slot = 0;
			entry->restarts = 0;
			entry->last_error[0] = '\0';
			entry->last_error_at = 0;
		}
	}
	if (entry != NULL)
	{
		entry->pid = MyProcPid;
		entry->state = KAM_WORKER_CONNECTING;
		entry->started_at = GetCurrentTimestamp();
		entry->next_start = 0;
	}
	LWLockRelease(kam_shared->lock);

	if (entry != NULL)
	{
		my_entry = entry;
		on_shmem_exit(detach, (Datum) 0);
	}
	return entry;
}

void
kam_slot_set_state(KamWorkerSlot *entry, KamWorkerState state)
{
	if (entry == NULL || entry->state == state)
		return;
	LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
	/* A worker told to stop stays so, whatever it is doing until it does. */
	if (entry->state != KAM_WORKER_STOPPING)
		entry->state = state;
	LWLockRelease(kam_shared->lock);
}

void
kam_slot_set_error(KamWorkerSlot *entry, const char *error)
{
	if (entry == NULL)
		return;
	LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
	strlcpy(entry->last_error, error, sizeof(entry->last_error));
	/* Cut at a character, not within one. */
	if (strlen(error) >= sizeof(entry->last_error))
	{
		int			len = sizeof(entry->last_error) - 1;

		while (len > 0 && ((unsigned char) error[len] & 0xC0) == 0x80)
			len--;
		entry->last_error[len] = '\0';
	}
	entry->last_error_at = GetCurrentTimestamp();
	LWLockRelease(kam_shared->lock);
}

const char *
kam_worker_state_name(KamWorkerState state)
{
	static const char *const name[] = {
		[KAM_WORKER_STARTING] = "starting",
		[KAM_WORKER_CONNECTING] = "connecting",
		[KAM_WORKER_IDLE] = "idle",
		[KAM_WORKER_BUSY] = "busy",
		[KAM_WORKER_PAUSED] = "paused",
		[KAM_WORKER_NO_EXTENSION] = "no extension",
		[KAM_WORKER_WRONG_VERSION] = "wrong version",
		[KAM_WORKER_NO_ROLE] = "no role",
		[KAM_WORKER_NO_SLOT] = "no slot",
		[KAM_WORKER_BACKOFF] = "waiting",
		[KAM_WORKER_STOPPING] = "stopping",
	};

	return name[state];
}
