/*
 * worker/launcher.c: the launcher process: one worker per database of
 * kam.databases and slot of kam.workers, started, started again, stopped.
 *
 * It has no database connection and runs no SQL.  What it knows of its workers
 * stands in shared memory, so that a new launcher takes over those of an old
 * one.  It sleeps on its latch: workers set it when they go, a reload sets it,
 * and it wakes by itself when the pause before a restart is over.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"

#include "kam.h"
#include "worker/launcher.h"
#include "worker/shmem.h"
#include "worker/worker.h"

#define LAUNCHER_RESTART_SECONDS 5
#define BACKOFF_MAX_SECONDS 60
#define LIVED_LONG_ENOUGH_SECONDS 60	/* then the next pause is the shortest again */
#define LAUNCHER_NAP_MS 60000L

StaticAssertDecl(sizeof(KamWorkerOrder) <= BGW_EXTRALEN, "a worker's order must fit bgw_extra");

/* Of this launcher's own registrations; NULL for workers taken over. */
static BackgroundWorkerHandle *handle_of[KAM_MAX_WORKERS];
static bool wanted[KAM_MAX_WORKERS];
static bool told_to_stop[KAM_MAX_WORKERS];
static bool room_warned = false;

void
kam_worker_register(void)
{
	BackgroundWorker worker;

	/* pg_upgrade starts the server on catalogs that no worker may touch. */
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	kam_shmem_install_hooks();

	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, "kam launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "kam launcher", sizeof(worker.bgw_type));
	strlcpy(worker.bgw_library_name, "kam", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "kam_launcher_main", sizeof(worker.bgw_function_name));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = LAUNCHER_RESTART_SECONDS;
	RegisterBackgroundWorker(&worker);
}

bool
kam_launch(const KamWorkerOrder *order, int notify_pid, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "kam worker for %s", order->database);
	strlcpy(worker.bgw_type, "kam worker", sizeof(worker.bgw_type));
	strlcpy(worker.bgw_library_name, "kam", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "kam_worker_main", sizeof(worker.bgw_function_name));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = notify_pid;
	memcpy(worker.bgw_extra, order, sizeof(*order));
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

/* ---- which workers there should be ------------------------------------- */

static int
find_entry(const char *database, int slot)
{
	for (int i = 0; i < KAM_MAX_WORKERS; i++)
	{
		KamWorkerSlot *entry = &kam_shared->slot[i];

		if (entry->used && entry->managed && entry->slot == slot && strcmp(entry->database, database) == 0)
			return i;
	}
	return -1;
}

/* A new entry, due at once; -1 when all are taken. */
static int
make_entry(const char *database, int slot)
{
	for (int i = 0; i < KAM_MAX_WORKERS; i++)
	{
		KamWorkerSlot *entry = &kam_shared->slot[i];

		if (entry->used)
			continue;
		entry->used = true;
		entry->managed = true;
		strlcpy(entry->database, database, sizeof(entry->database));
		entry->slot = slot;
		entry->pid = 0;
		entry->state = KAM_WORKER_BACKOFF;
		entry->started_at = 0;
		entry->next_start = 0;
		entry->backoff = 0;
		entry->restarts = 0;
		entry->last_error[0] = '\0';
		entry->last_error_at = 0;
		return i;
	}
	return -1;
}

/* Marks the entries that the settings ask for, making those that are missing. */
static void
read_settings(void)
{
	char	   *list = pstrdup(kam_databases ? kam_databases : "");
	List	   *databases = NIL;
	ListCell   *cell;
	bool		room = true;

	memset(wanted, 0, sizeof(wanted));
	if (!SplitGUCList(list, ',', &databases))
	{
		ereport(LOG, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("invalid list syntax in setting \"%s\"", "kam.databases")));
		databases = NIL;
	}

	LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
	foreach(cell, databases)
	{
		char		name[NAMEDATALEN];

		strlcpy(name, (char *) lfirst(cell), sizeof(name));
		for (int slot = 1; slot <= kam_workers; slot++)
		{
			int			i = find_entry(name, slot);

			if (i < 0)
				i = make_entry(name, slot);
			if (i < 0)
				room = false;
			else
				wanted[i] = true;
		}
	}
	LWLockRelease(kam_shared->lock);

	if (!room && !room_warned)
		ereport(LOG, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					  errmsg("kam runs at most %d workers", KAM_MAX_WORKERS),
					  errhint("List fewer databases in kam.databases or lower kam.workers.")));
	room_warned = !room;
	list_free(databases);
	pfree(list);
}

/* ---- bringing the processes in line -------------------------------------- */

typedef enum Life
{
	LIFE_NONE, LIFE_PENDING, LIFE_UP
} Life;

/* Whether entry i has a process.  A handle whose process is gone is freed here. */
static Life
life_of(int i, int pid)
{
	pid_t		ignored;

	if (handle_of[i] != NULL)
	{
		switch (GetBackgroundWorkerPid(handle_of[i], &ignored))
		{
			case BGWH_NOT_YET_STARTED:
				return LIFE_PENDING;
			case BGWH_STARTED:
				return LIFE_UP;
			default:
				pfree(handle_of[i]);
				handle_of[i] = NULL;
				return LIFE_NONE;
		}
	}
	return pid != 0 ? LIFE_UP : LIFE_NONE;
}

static void
stop_worker(int i, int pid)
{
	if (told_to_stop[i])
		return;
	told_to_stop[i] = true;
	if (handle_of[i] != NULL)
		TerminateBackgroundWorker(handle_of[i]);
	else if (pid != 0)
		kill(pid, SIGTERM);
}

static void
start_worker(int i, const char *database, int slot)
{
	KamWorkerOrder order;
	KamWorkerSlot *entry = &kam_shared->slot[i];
	bool		started;

	memset(&order, 0, sizeof(order));
	strlcpy(order.database, database, sizeof(order.database));
	order.slot = slot;
	order.index = i;
	told_to_stop[i] = false;
	started = kam_launch(&order, MyProcPid, &handle_of[i]);

	LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
	if (started)
	{
		if (entry->pid == 0)
			entry->state = KAM_WORKER_STARTING;
		entry->started_at = GetCurrentTimestamp();
	}
	LWLockRelease(kam_shared->lock);

	if (!started)
	{
		handle_of[i] = NULL;
		kam_slot_set_error(entry, "the server has no room for another background worker: raise max_worker_processes");
	}
}

/* The pause before the next start: longer each time, short again after a long life. */
static void
plan_restart(int i)
{
	KamWorkerSlot *entry = &kam_shared->slot[i];
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
	if (entry->backoff == 0 ||
		TimestampDifferenceExceeds(entry->started_at, now, LIVED_LONG_ENOUGH_SECONDS * 1000))
		entry->backoff = kam_launch_backoff;
	else
		entry->backoff = Min(entry->backoff * 2, BACKOFF_MAX_SECONDS);
	if (entry->state == KAM_WORKER_CONNECTING && entry->last_error[0] == '\0')
		strlcpy(entry->last_error, "it ended while it connected; the server's log says why", sizeof(entry->last_error));
	entry->state = KAM_WORKER_BACKOFF;
	entry->restarts++;
	entry->next_start = TimestampTzPlusMilliseconds(now, entry->backoff * 1000L);
	LWLockRelease(kam_shared->lock);
}

/* Looks at entry i and does what is due; returns when to look again at the latest, or 0. */
static TimestampTz
tend(int i)
{
	KamWorkerSlot *entry = &kam_shared->slot[i];
	char		database[NAMEDATALEN];
	int			slot,
				pid;
	KamWorkerState state;
	TimestampTz next_start;
	Life		life;

	LWLockAcquire(kam_shared->lock, LW_SHARED);
	if (!entry->used || !entry->managed)
	{
		LWLockRelease(kam_shared->lock);
		return 0;
	}
	strlcpy(database, entry->database, sizeof(database));
	slot = entry->slot;
	pid = entry->pid;
	state = entry->state;
	next_start = entry->next_start;
	LWLockRelease(kam_shared->lock);

	life = life_of(i, pid);

	if (!wanted[i])
	{
		if (life != LIFE_NONE)
		{
			kam_slot_set_state(entry, KAM_WORKER_STOPPING);
			stop_worker(i, pid);
			return 0;
		}
		LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
		if (entry->pid == 0)
			entry->used = false;
		LWLockRelease(kam_shared->lock);
		told_to_stop[i] = false;
		return 0;
	}

	if (life != LIFE_NONE)
		return 0;
	if (state != KAM_WORKER_BACKOFF)
	{
		plan_restart(i);
		LWLockAcquire(kam_shared->lock, LW_SHARED);
		next_start = entry->next_start;
		LWLockRelease(kam_shared->lock);
	}
	if (next_start > GetCurrentTimestamp())
		return next_start;

	start_worker(i, database, slot);
	if (handle_of[i] != NULL)
		return 0;
	plan_restart(i);
	return entry->next_start;
}

static void
leave(int code, Datum arg)
{
	pg_atomic_write_u32(&kam_shared->launcher_proc, 0);
	LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
	kam_shared->launcher_pid = 0;
	LWLockRelease(kam_shared->lock);
}

void
kam_launcher_main(Datum arg)
{
	MemoryContext loop_context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGUSR1, procsignal_sigusr1_handler);
	BackgroundWorkerUnblockSignals();

	LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
	kam_shared->launcher_pid = MyProcPid;
	LWLockRelease(kam_shared->lock);
	pg_atomic_write_u32(&kam_shared->launcher_proc, KAM_MY_PROC_NUMBER + 1);
	on_shmem_exit(leave, (Datum) 0);

	loop_context = AllocSetContextCreate(TopMemoryContext, "kam launcher", ALLOCSET_DEFAULT_SIZES);
	ereport(LOG, (errmsg("kam launcher started")));

	for (;;)
	{
		TimestampTz next = 0;
		long		nap = LAUNCHER_NAP_MS;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		/* Not 0: the postmaster would never start the launcher again. */
		if (ShutdownRequestPending)
			proc_exit(1);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		/* Handles outlive a turn of the loop; lists do not. */
		MemoryContextSwitchTo(loop_context);
		read_settings();
		MemoryContextSwitchTo(TopMemoryContext);
		for (int i = 0; i < KAM_MAX_WORKERS; i++)
		{
			TimestampTz due = tend(i);

			if (due != 0 && (next == 0 || due < next))
				next = due;
		}
		MemoryContextReset(loop_context);

		if (next != 0)
			nap = Min(nap, Max(1, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next)));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, nap, PG_WAIT_EXTENSION);
	}
}
