/*
 * cadence/notes.c: notes between the two triggers, and announcements between
 * kam's own functions and the triggers.
 *
 * Notes live in the transaction's memory.  AFTER triggers fire in the order of
 * the rows, so the note wanted is nearly always the first that is not done.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "cadence/notes.h"

static struct
{
	MemoryContext context;		/* NULL: none in this transaction */
	KamNote   **note;
	int			count,
				room,
				first;			/* all before it are done */
	uint64		restored;		/* rows that passed as restored and were not seen yet */
}			notes;

static void
forget_notes(void *arg)
{
	memset(&notes, 0, sizeof(notes));
}

static void
start_notes(void)
{
	MemoryContextCallback *callback;

	if (notes.context != NULL)
		return;
	callback = MemoryContextAlloc(TopTransactionContext, sizeof(*callback));
	callback->func = forget_notes;
	callback->arg = NULL;
	MemoryContextRegisterResetCallback(TopTransactionContext, callback);
	notes.context = TopTransactionContext;
	notes.room = 16;
	notes.note = MemoryContextAlloc(notes.context, notes.room * sizeof(KamNote *));
}

void
kam_note_put(const KamNote *note)
{
	KamNote    *copy;

	start_notes();
	/* All done: start over, so that a long transaction of single rows does not grow. */
	if (notes.first == notes.count)
	{
		for (int i = 0; i < notes.count; i++)
			pfree(notes.note[i]);
		notes.first = notes.count = 0;
	}
	if (notes.count == notes.room)
	{
		notes.room *= 2;
		notes.note = repalloc_huge(notes.note, notes.room * sizeof(KamNote *));
	}
	copy = MemoryContextAlloc(notes.context, sizeof(*copy));
	*copy = *note;
	notes.note[notes.count++] = copy;
}

bool
kam_note_take(int64 event_id, KamNote *out)
{
	bool		found = false;

	for (int i = notes.first; i < notes.count && !found; i++)
	{
		KamNote    *note = notes.note[i];

		if (note->done || note->event_id != event_id)
			continue;
		found = note->done = true;
		*out = *note;
	}
	while (notes.first < notes.count && notes.note[notes.first]->done)
		notes.first++;
	return found;
}

const char *
kam_note_string(const char *string)
{
	if (string == NULL)
		return NULL;
	start_notes();
	return MemoryContextStrdup(notes.context, string);
}

void
kam_note_restored(void)
{
	start_notes();
	notes.restored++;
}

bool
kam_note_take_restored(void)
{
	if (notes.restored == 0)
		return false;
	notes.restored--;
	return true;
}

/* An event's id is drawn from the sequence just before: nobody else can have it. */
static int64 next_row = 0;
static int64 next_update = 0;
static KamRelease next_release = {0, 0};
static TimestampTz next_carry = 0;	/* when the transaction began that announced it: nobody else's touch is taken for it */

static bool
consume(int64 *announced, int64 event_id)
{
	if (*announced == 0 || *announced != event_id)
		return false;
	*announced = 0;
	return true;
}

void
kam_announce(int64 event_id)
{
	next_row = event_id;
}

bool
kam_announced(int64 event_id)
{
	return consume(&next_row, event_id);
}

void
kam_announce_update(int64 event_id)
{
	next_update = event_id;
}

bool
kam_announced_update(int64 event_id)
{
	return consume(&next_update, event_id);
}

void
kam_announce_release(int64 parent, int priority)
{
	next_release.parent = parent;
	next_release.priority = priority;
}

KamRelease
kam_announced_release(int64 parent)
{
	KamRelease	found = next_release;

	if (found.parent == 0 || found.parent != parent)
		return (KamRelease) {0, 0};
	next_release.parent = 0;
	return found;
}

void
kam_announce_carry(void)
{
	next_carry = GetCurrentTransactionStartTimestamp();
}

bool
kam_announced_carry(void)
{
	bool		found = next_carry != 0 && next_carry == GetCurrentTransactionStartTimestamp();

	next_carry = 0;
	return found;
}
