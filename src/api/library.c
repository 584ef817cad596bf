/*
 * api/library.c: resources, best practices and validated decisions for
 * kam_decide.
 *
 * Runs in backends.  Deciding thousands of contacts in a statement must not
 * read the same tables thousands of times, so what was read is kept for as
 * long as a new look could not see anything else: until the snapshot differs.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "store/store.h"
/* after the server's headers */
#include "api/api.h"

#define KEPT_XIDS 64

/* Everything that decides what a snapshot sees, our own transaction's part included. */
typedef struct View
{
	TransactionId xmin,
				xmax,
				own;
	SubTransactionId sub;
	CommandId	command;
	uint32		xcnt,
				subxcnt;
	TransactionId xip[KEPT_XIDS],
				subxip[KEPT_XIDS];
} View;

static MemoryContext kept_in = NULL;	/* NULL: nothing is kept */
static View kept_view;
static KamLibrary kept;

/* False when the snapshot is too busy to be remembered. */
static bool
describe_view(View *view)
{
	Snapshot	snapshot = GetActiveSnapshot();

	memset(view, 0, sizeof(*view));
	if (snapshot->snapshot_type != SNAPSHOT_MVCC || snapshot->xcnt > KEPT_XIDS
		|| snapshot->subxcnt > KEPT_XIDS || snapshot->suboverflowed)
		return false;
	view->xmin = snapshot->xmin;
	view->xmax = snapshot->xmax;
	view->own = GetTopTransactionIdIfAny();
	view->sub = GetCurrentSubTransactionId();
	view->command = snapshot->curcid;
	view->xcnt = snapshot->xcnt;
	view->subxcnt = (uint32) snapshot->subxcnt;
	for (uint32 i = 0; i < view->xcnt; i++)
		view->xip[i] = snapshot->xip[i];
	for (uint32 i = 0; i < view->subxcnt; i++)
		view->subxip[i] = snapshot->subxip[i];
	return true;
}

static void
forget(void)
{
	MemoryContext context = kept_in;

	kept_in = NULL;
	if (context != NULL)
		MemoryContextDelete(context);
}

static KamLibrary
read_library(MemoryContext context)
{
	MemoryContext old = CurrentMemoryContext;
	KamLibrary	library;
	Jsonb	   *resources,
			   *practices,
			   *history;

	SPI_connect();
	resources = kam_store_resources(context);
	practices = kam_store_practices(context);
	history = kam_store_history(context);
	SPI_finish();

	MemoryContextSwitchTo(context);
	library.resources = kam_json_from_jsonb(resources);
	library.practices = kam_json_from_jsonb(practices);
	library.history = kam_json_from_jsonb(history);
	MemoryContextSwitchTo(old);
	return library;
}

KamLibrary
kam_library(void)
{
	View		view;
	MemoryContext context;

	if (!describe_view(&view))
		return read_library(CurrentMemoryContext);
	if (kept_in != NULL && memcmp(&view, &kept_view, sizeof(view)) == 0)
		return kept;

	forget();
	/* A child of the call's memory until it is complete: an error leaves nothing behind. */
	context = AllocSetContextCreate(CurrentMemoryContext, "kam library", ALLOCSET_DEFAULT_SIZES);
	kept = read_library(context);
	MemoryContextSetParent(context, CacheMemoryContext != NULL ? CacheMemoryContext : TopMemoryContext);
	kept_view = view;
	kept_in = context;
	return kept;
}
