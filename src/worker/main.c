/*
 * worker/main.c: the worker process: start, slot, loop, end.
 *
 * It sleeps on its latch and its network's descriptor at once and nowhere else;
 * commits of this database, a reload and a termination set the latch.  No transaction is open while
 * it sleeps or thinks.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "kam.h"
#include "worker/crew.h"
#include "worker/lanes.h"
#include "worker/launcher.h"
#include "worker/outbox.h"
#include "worker/schedule.h"
#include "worker/shmem.h"
#include "worker/unit.h"
#include "worker/worker.h"
/* after the server's headers */
#include "worker/network.h"

/* Without shared memory nobody can wake the worker. */
#define POLL_UNWOKEN_MS 1000L
/* After an error that left the loop. */
#define ERROR_PAUSE_MS 1000L

static KamWorkerSlot *entry = NULL;
static int	my_slot = 0;
static MemoryContext loop_context;
static emit_log_hook_type next_log_hook = NULL;

/* ---- start ------------------------------------------------------------------- */

/* What ends this process is told to whoever asks kam_worker_status(). */
static void
remember_fatal(ErrorData *error)
{
	if (error->elevel >= FATAL && entry != NULL && error->message != NULL &&
		error->sqlerrcode != ERRCODE_ADMIN_SHUTDOWN)
		kam_slot_set_error(entry, error->message);
	if (next_log_hook)
		next_log_hook(error);
}

/*
 * What an owner of the database or of a role could set with ALTER must not
 * steer this process.  The server's own choice of synchronous_commit stands
 * unless it would lose recorded calls.
 */
static void
override_settings(void)
{
	static const struct
	{
		const char *name,
				   *value;
	}			setting[] = {
		{"role", "none"},
		{"search_path", "pg_catalog, pg_temp"},
		{"session_replication_role", "origin"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"statement_timeout", "0"},
		{"lock_timeout", "30s"},
		{"idle_in_transaction_session_timeout", "0"},
		{"idle_session_timeout", "0"},
		{"jit", "off"},
		/* Each statement of store/ has its index: no plan made while a table was small may stay when it has grown. */
		{"enable_seqscan", "off"},
		{"enable_bitmapscan", "off"},
		{"enable_sort", "off"},
	};

	for (int i = 0; i < lengthof(setting); i++)
		SetConfigOption(setting[i].name, setting[i].value, PGC_SUSET, PGC_S_OVERRIDE);
	if (GetConfigOption("transaction_timeout", true, false) != NULL)
		SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	if (synchronous_commit < SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
		SetConfigOption("synchronous_commit", "local", PGC_SUSET, PGC_S_OVERRIDE);
}

static bool
try_slot(int slot)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, KAM_SLOT_LOCK_CLASS, slot, 2);
	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* A user's trigger may have called pg_advisory_unlock_all(): without its slot this process must not go on. */
static void
check_slot(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, KAM_SLOT_LOCK_CLASS, my_slot, 2);
	if (!KAM_LOCK_HELD(&tag, ExclusiveLock))
		ereport(FATAL, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("kam worker %d lost the lock of its slot", my_slot),
						errhint("A trigger on a table of kam seems to release advisory locks that are not its own.")));
}

/* Takes the slot asked for, else the first free one; false when all are taken. */
static bool
take_slot(int wanted)
{
	bool		found = false;

	StartTransactionCommand();
	if (wanted > 0 && try_slot(wanted))
	{
		my_slot = wanted;
		found = true;
	}
	for (int slot = 1; slot <= kam_workers && !found; slot++)
	{
		if (try_slot(slot))
		{
			my_slot = slot;
			found = true;
		}
	}
	CommitTransactionCommand();
	return found;
}

static void
publish_slot(void)
{
	if (entry == NULL)
		return;
	LWLockAcquire(kam_shared->lock, LW_EXCLUSIVE);
	if (!entry->managed)
		entry->slot = my_slot;
	LWLockRelease(kam_shared->lock);
	/* From here on commits wake this process. */
	pg_atomic_write_u32(&entry->database_oid, MyDatabaseId);
	pg_atomic_write_u32(&entry->proc, KAM_MY_PROC_NUMBER + 1);
}

/* ---- loop ---------------------------------------------------------------------- */

static KamWorkerState
state_of(KamUnitResult result)
{
	switch (result)
	{
		case KAM_UNIT_NO_EXTENSION:
			return KAM_WORKER_NO_EXTENSION;
		case KAM_UNIT_WRONG_VERSION:
			return KAM_WORKER_WRONG_VERSION;
		case KAM_UNIT_NO_ROLE:
			return KAM_WORKER_NO_ROLE;
		default:
			return KAM_WORKER_IDLE;
	}
}

static long
poll_ms(void)
{
	return entry != NULL ? kam_poll_interval : Min(POLL_UNWOKEN_MS, kam_poll_interval);
}

/* How long to sleep with runs in hand that wait. */
static long
until_crew(long nap)
{
	long		wait = kam_crew_wait_ms();

	return wait < 0 ? nap : Min(nap, wait);
}

/* kam.paused: nothing more is asked; answers under way are taken in, for they are paid. */
static long
turn_paused(void)
{
	(void) kam_crew_give_back();
	if (kam_crew_listen())
		(void) kam_crew_round();
	(void) kam_outbox_turn(my_slot, entry, false, false);
	kam_slot_set_state(entry, KAM_WORKER_PAUSED);
	return kam_network_fd() >= 0 ? kam_outbox_wait(my_slot, until_crew(poll_ms())) : until_crew(poll_ms());
}

/* One turn: returns how long to sleep, 0 for not at all. */
static long
turn(bool woken)
{
	static bool settled = false;	/* leases of the process before this one are taken back */
	static bool more = false;	/* the queue held more than there were hands */
	KamUnitResult result;
	bool		again;

	check_slot();
	if (kam_paused)
	{
		more = true;
		return turn_paused();
	}

	if (!settled)
	{
		result = kam_crew_take_back();
		if (result != KAM_UNIT_DONE)
		{
			kam_slot_set_state(entry, state_of(result));
			return poll_ms();
		}
		settled = true;
	}

	result = kam_schedule_turn(my_slot, entry, &again);
	if (result == KAM_UNIT_DONE || result == KAM_UNIT_FAILED)
		result = kam_outbox_turn(my_slot, entry, woken, true);
	if (result == KAM_UNIT_DONE || result == KAM_UNIT_FAILED)
		result = kam_crew_renew(woken);
	if (result == KAM_UNIT_DONE || result == KAM_UNIT_FAILED)
	{
		if (woken || more || kam_crew_size() == 0)
			result = kam_crew_claim(&more);
		if (result == KAM_UNIT_FAILED && kam_crew_size() == 0)
			return poll_ms();
	}
	if (result != KAM_UNIT_DONE && result != KAM_UNIT_FAILED)
	{
		/* Not installed (any more): what is in the next installation was never ours. */
		kam_crew_drop();
		kam_outbox_drop();
		settled = false;
		kam_slot_set_state(entry, state_of(result));
		return poll_ms();
	}

	if (kam_crew_listen())
	{
		kam_slot_set_state(entry, KAM_WORKER_BUSY);
		(void) kam_crew_round();
		return 0;
	}
	if (again || (more && kam_crew_has_hands()))
		return 0;
	kam_slot_set_state(entry, kam_crew_size() > 0 ? KAM_WORKER_BUSY : KAM_WORKER_IDLE);
	pgstat_report_stat(true);
	return kam_outbox_wait(my_slot, until_crew(kam_schedule_wait(my_slot, poll_ms())));
}

/* Puts the process back on its feet after an error that no unit caught. */
static void
recover(void)
{
	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	EmitErrorReport();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(TopMemoryContext);
	FlushErrorState();
	RESUME_INTERRUPTS();
}

/* Sleeps on the latch and on the network at once; true when the latch was set. */
static bool
sleep_for(long nap)
{
	static uint32 idle = 0;
	static uint32 http = 0;
	int			fd = kam_network_fd();
	int			events;

	if (fd >= 0)
		events = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, fd, nap, KAM_WAIT_EVENT(http, "KamHttp"));
	else
		events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, nap, KAM_WAIT_EVENT(idle, "KamIdle"));
	return (events & WL_LATCH_SET) != 0;
}

static void
loop(void)
{
	long		nap = 0;
	bool		woken = true;

	for (;;)
	{
		if (nap > 0)
		{
			woken = sleep_for(nap);
			if (entry != NULL)
				pg_atomic_fetch_add_u64(&entry->counters.wakes, 1);
		}
		else
			woken = MyLatch->is_set;
		ResetLatch(MyLatch);
		if (ProcDiePending)
			kam_outbox_give_back();
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			kam_schedule_reset();
			kam_network_reload();
			kam_outbox_reload();
		}
		MemoryContextSwitchTo(loop_context);
		nap = turn(woken);
		kam_lanes_tell(entry, nap > 0);
		MemoryContextReset(loop_context);
	}
}

void
kam_worker_main(Datum arg)
{
	KamWorkerOrder order;
	sigjmp_buf	trouble;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));

	/* die() respects critical sections and lets every wait end; the default handler does not. */
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);

	entry = kam_slot_attach(order.index, order.database, order.index >= 0);
	if (order.index >= 0 && entry == NULL)
		proc_exit(0);			/* the launcher's order is out of date */
	next_log_hook = emit_log_hook;
	emit_log_hook = remember_fatal;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(order.database, NULL, 0);
	override_settings();
	pgstat_report_appname("kam worker");

	if (!take_slot(order.slot))
	{
		kam_slot_set_state(entry, KAM_WORKER_NO_SLOT);
		kam_slot_set_error(entry, "all slots of this database are held by other processes");
		proc_exit(1);
	}
	publish_slot();

	loop_context = AllocSetContextCreate(TopMemoryContext, "kam worker loop", ALLOCSET_DEFAULT_SIZES);
	kam_crew_init(TopMemoryContext, my_slot, entry);
	ereport(LOG, (errmsg("kam worker %d started in database \"%s\"", my_slot, order.database)));

	/* As in postgres.c: errors that leave the loop come back here, the process lives on. */
	if (sigsetjmp(trouble, 1) != 0)
	{
		recover();
		kam_crew_drop();
		kam_outbox_drop();
		(void) kam_crew_take_back();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ERROR_PAUSE_MS, PG_WAIT_EXTENSION);
	}
	PG_exception_stack = &trouble;
	loop();
}
