/*
 * cadence/notes.h: what _gate() leaves for _gate_done(), per event, and which
 * rows kam itself is about to write.
 */
#pragma once

#include "cadence/gates.h"

typedef struct KamNote
{
	int64		event_id;
	uint64		digest;			/* of the row as it was decided */
	bool		done;
	bool		system;			/* written by kam past the gates: nothing to project */
	KamFamily	family;
	KamOutcome	action;
	KamEvent	event;			/* as asked */
	int			priority;
	TimestampTz until;			/* of the enrolment, for the hold's expiry */
	KamEnrolmentState before;	/* the enrolment's state before */
	KamRefusalFlag flag;
	bool		breach;			/* an observed touch beyond the cap */
	KamActive	displaced;		/* sequence NULL for none */
	KamFamily	displaced_family;
	TimestampTz displaced_until;
	const char *paused;			/* the sequence that out_of_office paused, or NULL */
	const char *paused_type;
} KamNote;

/* Keeps a copy until the transaction ends; its strings must live as long (kam_note_string). */
extern void kam_note_put(const KamNote *note);
/* Hands over the note of this event; false when there is none. */
extern bool kam_note_take(int64 event_id, KamNote *out);
extern const char *kam_note_string(const char *string);

/* One more row passed as a restored one; and one was seen that claims to be.  False when more claim it than passed: its event_id is not its own. */
extern void kam_note_restored(void);
extern bool kam_note_take_restored(void);

/* kam is about to write this event past the gates; the next row with this id is let through, once. */
extern void kam_announce(int64 event_id);
extern bool kam_announced(int64 event_id);

/* kam is about to clear "counted" of this event; the guard lets it through, once. */
extern void kam_announce_update(int64 event_id);
extern bool kam_announced_update(int64 event_id);

/* The release in progress: the next request for this lead is it. */
typedef struct KamRelease
{
	int64		parent;			/* 0 for none */
	int			priority;
} KamRelease;

extern void kam_announce_release(int64 parent, int priority);
extern KamRelease kam_announced_release(int64 parent);

/* The next request of this transaction is a touch that was held for a lead which has just been merged. */
extern void kam_announce_carry(void);
extern bool kam_announced_carry(void);
