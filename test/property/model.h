/*
 * model.h: what the oracle believes of leads, from the journal alone.
 */
#ifndef MODEL_H
#define MODEL_H

#include "property.h"

#define CAP				3
#define WINDOW			(168 * HOUR)
#define MATRIX_WAIT		(48 * HOUR)
#define HOLD_EXPIRY		(14 * DAY)
#define SEQUENCE_SIZE	64
#define NEW_REQUEST		INT64_MAX
#define STORY_LINES		40		/* of a lead's past are shown with a violation */

typedef enum Family
{
	SALES, MARKETING, TRANSACTIONAL, NO_FAMILY
} Family;

typedef enum State
{
	NONE, QUEUED, ACTIVE, PAUSED, FINISHED
} State;

/* An enrolment: as the events say, and as Cadence says. */
typedef struct Enrolment
{
	char		sequence[SEQUENCE_SIZE];
	int			no;
	char		type[24];
	Family		family;
	State		state;
	char		why[24];		/* paused_reason or end_reason */
	int			step;			/* highest executed, 0 none */
	uint64_t	steps;			/* executed ones, bit n for step n */
	char		play[24];		/* empty: none */
	int64_t		until;			/* end of its play; NEVER for none */
	bool		stored;			/* Cadence has it */
	State		stored_state;
	char		stored_why[24];
} Enrolment;

typedef struct Touch
{
	int64_t		event_id;
	int64_t		at;
	bool		counted;
	const char *home;			/* the lead that it is logged under: another one was merged */
} Touch;

typedef struct Hold
{
	int64_t		event_id;
	bool		held;			/* else deferred */
	char		event[16];		/* as requested */
	char		sequence[SEQUENCE_SIZE];
	char		type[24];
	Family		family;
	int			enrolment;
	int			step;
	int			priority;
	int64_t		release_at;
	int			rounds;
	int64_t		queued_at;
	int64_t		expires_at;
	char		state[16];
	bool		stored;			/* CadenceQueue has it */
	bool		absence;		/* an out_of_office whose end it waits for */
	int64_t		answered;		/* event that executed or refused it for good */
} Hold;

/* A transaction's effect that the events of the log do not tell: why enrolments or holds may end without one. */
typedef enum Cause
{
	CAUSE_NONE = 0, CAUSE_FLAG = 1, CAUSE_SUPPRESSION = 2, CAUSE_MERGE = 4, CAUSE_CANCEL = 8, CAUSE_EXPIRY = 16
} Cause;

typedef struct Lead
{
	char	   *id;
	json_t	   *row;			/* as in Leads; NULL when deleted */
	bool		unsubscribed,
				opted_out;
	int64_t		sales_signal,
				marketing_signal;
	char		merged_into[24];
	int64_t		last_state_at;	/* event_at of the latest event that certainly wrote state */
	int64_t		last_event_at;
	Touch	   *touches;
	int			ntouches;
	Enrolment  *enrolments;
	int			nenrolments;
	Hold	   *holds;
	int			nholds;
	unsigned	causes;			/* since the enrolments were last compared */
	int64_t		cause_xid;
	struct Inherited *inherited;	/* steps that merged leads were sent */
	int			ninherited;
	struct Displaced *displaced;	/* whose rows are still to come */
	int			ndisplaced;
	int			absences;		/* out_of_office, not yet in the queue */
	bool		said_unsubscribe,
				said_opt_out;	/* by an event of its own, ever */
	int64_t		last_xid;		/* of the latest event */
	char	   *story[STORY_LINES];	/* the latest entries, in words */
	int			lines,
				settled;		/* lines when it was last looked at */
} Lead;

typedef struct Inherited
{
	char		sequence[SEQUENCE_SIZE];
	uint64_t	steps;
} Inherited;

/* A sequence that lost its place to another. */
typedef struct Displaced
{
	char		sequence[SEQUENCE_SIZE];
	int			enrolment;
	const char *resolution;
	int64_t		release_at;
	bool		routing_error;
	int64_t		xid;
} Displaced;

/* A version of a row that decisions read without a lock: an account, or an address in Suppression. */
typedef struct Version
{
	int64_t		seq,
				xid,
				earliest,
				latest;			/* became visible after earliest and before latest */
	json_t	   *row;			/* NULL: deleted */
} Version;

typedef struct Shared
{
	Version    *versions;
	int			count;
} Shared;

/* One entry of the journal. */
typedef struct Entry
{
	int64_t		order,			/* event_id of a new event, else seq */
				seq,
				xid,
				clock,
				began,			/* drawn when the transaction began */
				before;			/* what it had noted last, or began */
	char		relation[24];
	char		op;
	json_t	   *old,
			   *new;
} Entry;

/* What is asked and what is known, for the gates. */
typedef struct View
{
	const Lead *lead;
	int64_t		now;
	const char *event,
			   *type,
			   *sequence;		/* NULL: none found, or an activation of a new one */
	Family		family;
	int			step;			/* 0: none */
	int			priority;
	int64_t		self;			/* the hold that is released, or NEW_REQUEST */
	const char *tier;			/* NULL: none */
	bool		abm;
	bool		suppressed;
	int64_t		until;			/* end of the play that an activation names */
	bool		heed_unstored;	/* a hold that is not in the queue yet, being of the same statement, goes first too */
	bool		heed_inherited; /* a step that a merged lead was sent counts as sent */
} View;

typedef struct Verdict
{
	int			gate;			/* 0: allowed */
	const char *action,
			   *event,
			   *reason,
			   *resolution,
			   *compliance;
	int			count;
	int64_t		release_at;
	const Enrolment *displaced;
} Verdict;

/* verdict.c */
extern void judge(const View *view, Verdict *verdict);
extern void judge_carried(const View *view, Verdict *verdict);
extern bool waits_with_sequence(const View *view, const Verdict *verdict);
extern int	touches_within(const Lead *lead, int64_t at);
extern int64_t cap_clears_at(const Lead *lead, int64_t at);
extern const Hold *due_before(const View *view);
extern Enrolment *latest_enrolment(const Lead *lead, const char *sequence);
extern const Enrolment *active_of(const Lead *lead, Family family);
extern Family family_of(const char *type);

/* journal.c */
extern const char *text_of(const json_t *row, const char *column);	/* NULL for NULL */
extern int64_t time_of(const json_t *row, const char *column);	/* NEVER for NULL */
extern int64_t int_of(const json_t *row, const char *column, int64_t otherwise);
extern bool bool_of(const json_t *row, const char *column);
extern Entry *read_journal(PGconn *connection, int *count);
extern void free_journal(Entry *entries, int count);

/* shared.c */
extern void shared_note(const Entry *entry);
extern void shared_intervals(PGconn *connection);
extern int	account_versions(const char *account_id, int64_t event_id, int64_t noted_at, int64_t xid, const json_t **rows, int most);
extern void suppression_of(const json_t *lead, int64_t event_id, int64_t noted_at, int64_t xid, bool *may_be, bool *may_not_be);

/* ---- model.c ---- */

extern json_t *lead_index;		/* lead_id: address of its Lead */
extern json_t *plays;			/* play_id: row */
extern const char *const state_names[];

extern Lead *lead_of(const char *lead_id);
extern Lead *stands_for(Lead *lead);	/* the lead that it was merged into, or itself */
extern void keep_story(Lead *lead, const Entry *entry);
extern void wrong(const Lead *lead, const Entry *entry, const char *format,...) __attribute__((format(printf, 3, 4)));

extern bool same_text(const char *a, const char *b);
extern void copy_text(char *to, size_t size, const char *from);
extern void show_time(Text *text, int64_t at);

extern State state_of(const char *name);
extern Enrolment *enrolment_of(Lead *lead, const char *sequence, int no, bool make);
extern void set_state(Enrolment *enrolment, State state, const char *why);
extern void give_cause(Lead *lead, const Entry *entry, Cause cause);
extern Hold *hold_of(Lead *lead, int64_t event_id);
extern Hold *add_hold(Lead *lead, const json_t *row, bool held, int priority, int64_t release_at, int64_t now);
extern void add_touch(Lead *lead, const char *home, int64_t event_id, int64_t at);
extern int64_t play_end(const char *play_id);	/* NEVER for no play, or one without an end */

#define MOST_ACCOUNTS	16

/* What a decision at this entry may have seen; false when all has been tried. */
typedef struct Candidates
{
	const json_t *accounts[MOST_ACCOUNTS];
	int			naccounts;
	bool		may_be,
				may_not_be;
} Candidates;

extern void find_candidates(const Lead *lead, int64_t event_id, const Entry *entry, Candidates *out);
extern bool next_candidate(const Lead *lead, const Candidates *from, int *n, View *view);

/* ---- events.c, changes.c ---- */

extern int64_t facts_seen,
			ends_seen,
			moves_seen,
			verdicts_seen[6];	/* by gate, 0 allowed */

extern void replay_log(const Entry *entry);
extern void replay_cadence(const Entry *entry);
extern void compare_enrolments(Lead *lead, const Entry *entry);
extern void replay_queue(const Entry *entry);
extern bool is_nameless(const json_t *lead);
extern void replay_lead(const Entry *entry);
extern void replay_alias(const Entry *entry);
extern void replay_play(const Entry *entry);

#endif
