/*
 * changes.c: the other tables: Cadence and CadenceQueue must follow the events, Leads tells of people, lead_alias of
 * merges.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t		moves_seen;

/* ---- enrolments ---- */

/* What an enrolment may become (I13). */
static bool
legal_move(State from, State to)
{
	static const bool legal[5][5] = {
		[NONE] = {[QUEUED] = true, [ACTIVE] = true},
		[QUEUED] = {[ACTIVE] = true, [FINISHED] = true, [QUEUED] = true},
		[ACTIVE] = {[PAUSED] = true, [FINISHED] = true, [ACTIVE] = true},
		[PAUSED] = {[ACTIVE] = true, [FINISHED] = true, [PAUSED] = true},
		[FINISHED] = {[FINISHED] = true},
	};

	return legal[from][to];
}

/* Why an enrolment may end or stop without an event of its own in the log. */
static bool
explained(const Lead *lead, const Entry *entry, State from, State to, const char *why, int64_t until)
{
	static const struct
	{
		const char *why;
		unsigned	causes;
	}			reasons[] = {
		{"unsubscribed", CAUSE_FLAG | CAUSE_SUPPRESSION}, {"opted_out", CAUSE_FLAG | CAUSE_SUPPRESSION}, {"suppressed", CAUSE_SUPPRESSION},
		{"expired", CAUSE_EXPIRY}, {"cancelled", CAUSE_CANCEL},
	};

	if (to == FINISHED && strcmp(why, "play_ended") == 0)
		return until != NEVER && entry->clock >= until;
	/* A merge can give the end of a play to an enrolment that is of none. */
	if (to == FINISHED && strcmp(why, "expired") == 0 && until != NEVER && entry->clock >= until)
		return true;

	/* The merge itself is noted later; whether there was one is looked at in the end. */
	if (to == FINISHED && strcmp(why, "merged") == 0)
		return true;
	if (lead->cause_xid != entry->xid)
		return false;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (to == FINISHED && strcmp(reasons[i].why, why) == 0 && (lead->causes & reasons[i].causes))
			return from == QUEUED || (from == PAUSED && (reasons[i].causes & CAUSE_EXPIRY)) || !(reasons[i].causes & (CAUSE_EXPIRY | CAUSE_CANCEL));
	return false;
}

/* A change of Cadence: what an event has caused is already believed; else it needs a cause. */
void
replay_cadence(const Entry *entry)
{
	const json_t *row = entry->new ? entry->new : entry->old;
	Lead	   *lead = lead_of(text_of(row, "lead_id"));
	Enrolment  *enrolment = enrolment_of(lead, text_of(row, "sequence_id"), (int) int_of(row, "enrolment_no", 0), true);
	State		to = state_of(text_of(entry->new, "state"));
	const char *why = text_of(row, to == FINISHED ? "end_reason" : "paused_reason");
	bool		may_be,
				may_not_be;

	keep_story(lead, entry);
	if (entry->new == NULL)
	{
		wrong(lead, entry, "an enrolment was deleted");
		return;
	}
	/* Who goes on for a merged lead goes on where that one was. */
	if (lead->cause_xid == entry->xid && (lead->causes & CAUSE_MERGE))
	{
		enrolment->step = (int) int_of(row, "current_step", 0);
		enrolment->until = time_of(row, "active_until");
	}
	if (!legal_move(enrolment->stored ? enrolment->stored_state : NONE, to))
		wrong(lead, entry, "enrolment %s/%d went from %s to %s (I13)", enrolment->sequence, enrolment->no, state_names[enrolment->stored_state], state_names[to]);
	enrolment->stored = true;
	enrolment->stored_state = to;
	copy_text(enrolment->stored_why, sizeof(enrolment->stored_why), why);
	if (enrolment->type[0] == '\0')
	{
		copy_text(enrolment->type, sizeof(enrolment->type), text_of(row, "sequence_type"));
		enrolment->family = family_of(enrolment->type);
	}
	if (enrolment->state == to && strcmp(enrolment->why, enrolment->stored_why) == 0)
		return;
	/* The schedules end what runs for a suppressed address. */
	if (to == FINISHED && lead->row != NULL)
	{
		suppression_of(lead->row, entry->began, entry->seq, entry->xid, &may_be, &may_not_be);
		if (may_be)
			give_cause(lead, entry, CAUSE_SUPPRESSION);
	}
	if (explained(lead, entry, enrolment->state, to, enrolment->stored_why, enrolment->until))
		set_state(enrolment, to, enrolment->stored_why);
}

void
compare_enrolments(Lead *lead, const Entry *entry)
{
	for (int i = 0; i < lead->nenrolments; i++)
	{
		Enrolment  *e = &lead->enrolments[i];

		if (!e->stored && e->state == NONE)
			continue;
		if (entry == NULL && e->state != FINISHED && e->until != NEVER && e->until <= world_now())
			wrong(lead, NULL, "enrolment %s/%d goes on after the end of its play (I17)", e->sequence, e->no);
		if (e->stored && e->state == e->stored_state && strcmp(e->why, e->stored_why) == 0)
			continue;
		wrong(lead, entry, "enrolment %s/%d should be %s %s, but Cadence says %s %s", e->sequence, e->no, state_names[e->state], e->why,
			  e->stored ? state_names[e->stored_state] : "nothing", e->stored_why);
		e->state = e->stored_state;
		copy_text(e->why, sizeof(e->why), e->stored_why);
	}
}

/* ---- the queue ----------------------------------------------------------------------------- */

/* A release that the gates refused: the row must wait until the time that they say. */
static void
check_move(Lead *lead, const Entry *entry, const Hold *hold)
{
	View		view = {.lead = lead, .event = hold->event, .type = hold->type, .sequence = hold->sequence[0] ? hold->sequence : NULL, .family = hold->family,
		.step = hold->step, .priority = hold->priority, .self = hold->event_id, .until = NEVER};
	Verdict		verdict;
	Candidates	candidates;
	Text		text = {0};
	int64_t		to = time_of(entry->new, "release_at"),
				moments[6];

	moves_seen++;
	if (hold->absence && latest_enrolment(lead, hold->sequence) != NULL)
	{
		view.type = latest_enrolment(lead, hold->sequence)->type;
		view.family = family_of(view.type);
	}
	/* The clock, or just after an earlier event: which of them the state remembers depends on when it was last derived. */
	moments[0] = entry->clock;
	moments[1] = lead->last_state_at + 1;
	moments[2] = lead->last_event_at + 1;
	moments[3] = to;
	moments[4] = to == NEVER ? NEVER : to - DAY;
	moments[5] = to == NEVER ? NEVER : to - MATRIX_WAIT;
	for (int i = 0; i < 6; i++)
	{
		int			n = 0;

		if (moments[i] < entry->clock || moments[i] < moments[1] || (moments[i] > entry->clock && moments[i] > moments[2]))
			continue;
		view.now = moments[i];
		find_candidates(lead, entry->before, entry, &candidates);
		while (next_candidate(lead, &candidates, &n, &view))
		{
			judge(&view, &verdict);
			if ((verdict.gate == 3 || (verdict.gate == 4 && strcmp(verdict.action, "queued") == 0)) && verdict.release_at == to &&
				hold->release_at != NEVER && hold->release_at <= view.now)
				return;
			if (waits_with_sequence(&view, &verdict) && to == view.now + DAY)
				return;
		}
	}
	text_add(&text, "%s %s of %s moved to ", hold->event, hold->type, hold->sequence);
	show_time(&text, to);
	text_add(&text, ", but the gates say %s/%s/%s ", verdict.action, verdict.reason ? verdict.reason : "-", verdict.resolution ? verdict.resolution : "-");
	show_time(&text, verdict.release_at);
	wrong(lead, entry, "%s", text.data);
	free(text.data);
}

void
replay_queue(const Entry *entry)
{
	const json_t *row = entry->new;
	Lead	   *lead;
	Hold	   *hold;
	const Enrolment *enrolment;
	const char *state = text_of(row, "state");

	if (row == NULL)
		return;
	lead = lead_of(text_of(row, "lead_id"));
	keep_story(lead, entry);
	hold = hold_of(lead, int_of(row, "event_id", 0));
	if (entry->op == 'I')
	{
		if (hold == NULL && lead->absences > 0 && same_text(text_of(row, "reason"), "out_of_office"))
		{
			lead->absences--;
			hold = add_hold(lead, row, false, 0, time_of(row, "release_at"), time_of(row, "queued_at"));
			copy_text(hold->event, sizeof(hold->event), "resume");
			copy_text(hold->type, sizeof(hold->type), "");
			hold->absence = true;
		}
		if (hold == NULL)
		{
			wrong(lead, entry, "something waits that no event put off");
			return;
		}
		if (hold->stored || strcmp(state, "waiting") != 0 || int_of(row, "rounds", -1) != 0 || int_of(row, "priority", -99) != hold->priority ||
			time_of(row, "release_at") != hold->release_at || !same_text(text_of(row, "kind"), hold->held ? "held" : "deferred"))
			wrong(lead, entry, "the queue does not say what was decided");
		hold->expires_at = time_of(row, "expires_at");
		/* An absence may last longer than a request may wait. */
		if (hold->expires_at > (hold->absence && hold->release_at > hold->queued_at ? hold->release_at : hold->queued_at) + HOLD_EXPIRY)
			wrong(lead, entry, "waits for longer than kam.hold_expiry");
		enrolment = enrolment_of(lead, hold->sequence, hold->enrolment, false);
		if (enrolment != NULL && enrolment->state != FINISHED && enrolment->until != NEVER && hold->expires_at > enrolment->until)
			wrong(lead, entry, "waits for longer than its play runs (I17)");
		hold->stored = true;
		return;
	}
	if (hold == NULL)
	{
		wrong(lead, entry, "something waits that no event put off");
		return;
	}
	if (strcmp(hold->state, "waiting") != 0)
	{
		if (!json_equal(entry->old, entry->new))
			wrong(lead, entry, "what had ended was changed");
		return;
	}
	if (strcmp(state, "waiting") == 0)
	{
		int64_t		to = time_of(row, "release_at");

		if (int_of(row, "rounds", -1) == hold->rounds + 1)
			check_move(lead, entry, hold);
		else if (int_of(row, "rounds", -1) != hold->rounds)
			wrong(lead, entry, "rounds went from %d to %lld", hold->rounds, (long long) int_of(row, "rounds", -1));
		/* A release that ran into a deadlock is tried again in five minutes. */
		else if (to != hold->release_at && to != entry->clock + INT64_C(300000000) && (to == NEVER || (hold->release_at != NEVER && to > hold->release_at)))
			wrong(lead, entry, "made to wait longer without a refusal");
		hold->release_at = to;
		hold->rounds = (int) int_of(row, "rounds", 0);
		return;
	}
	copy_text(hold->state, sizeof(hold->state), state);
	if (strcmp(state, "cancelled") == 0 && lead->cause_xid != entry->xid)
		give_cause(lead, entry, CAUSE_CANCEL);
}

/* ---- people ---------------------------------------------------------------------------------- */

/* Whether the lead, or one that it stands for, ever said so in an event. */
static bool
has_said(const Lead *lead, bool opt_out)
{
	const char *lead_id;
	json_t	   *value;

	json_object_foreach(lead_index, lead_id, value)
	{
		const Lead *other = (Lead *) (intptr_t) json_integer_value(value);

		if ((other == lead || strcmp(other->merged_into, lead->id) == 0) && (opt_out ? other->said_opt_out : other->said_unsubscribe))
			return true;
	}
	return false;
}

/* Somebody without an address to suppress: what they said is remembered by the log alone, and no sync undoes it. */
bool
is_nameless(const json_t *row)
{
	return text_of(row, "email") == NULL && text_of(row, "phone") == NULL && text_of(row, "linkedin_url") == NULL;
}

void
replay_lead(const Entry *entry)
{
	const json_t *row = entry->new ? entry->new : entry->old;
	Lead	   *lead = lead_of(text_of(row, "lead_id"));
	bool		unsubscribed = bool_of(entry->new, "unsubscribe_flag"),
				opted_out = bool_of(entry->new, "opt_out_flag");
	bool		nameless = is_nameless(row),
				changed = nameless != is_nameless(entry->old);

	keep_story(lead, entry);
	json_decref(lead->row);
	lead->row = json_incref(entry->new);
	if (entry->new == NULL)
		return;
	if (changed || unsubscribed != bool_of(entry->old, "unsubscribe_flag"))
		lead->unsubscribed = unsubscribed || (nameless && has_said(lead, false));
	if (changed || opted_out != bool_of(entry->old, "opt_out_flag"))
		lead->opted_out = opted_out || (nameless && has_said(lead, true));
	if (unsubscribed || opted_out)
		give_cause(lead, entry, CAUSE_FLAG);
	if (!json_equal(json_object_get(entry->old, "sales_signal_at"), json_object_get(entry->new, "sales_signal_at")))
		lead->sales_signal = time_of(row, "sales_signal_at");
	if (!json_equal(json_object_get(entry->old, "marketing_signal_at"), json_object_get(entry->new, "marketing_signal_at")))
		lead->marketing_signal = time_of(row, "marketing_signal_at");
	copy_text(lead->merged_into, sizeof(lead->merged_into), text_of(row, "merged_into"));
}

static void
inherit(Lead *lead, const char *sequence, uint64_t steps)
{
	Inherited  *inherited;

	if (steps == 0)
		return;
	lead->inherited = realloc(lead->inherited, sizeof(Inherited) * (size_t) (lead->ninherited + 1));
	inherited = &lead->inherited[lead->ninherited++];
	copy_text(inherited->sequence, sizeof(inherited->sequence), sequence);
	inherited->steps = steps;
}

/* Moves the touches that are logged under a lead from who stood for it to who does now; NULL: to nobody. */
static void
move_touches(Lead *from, Lead *to, const char *home)
{
	int			kept = 0;

	for (int i = 0; i < from->ntouches; i++)
	{
		Touch	   *touch = &from->touches[i];

		if (strcmp(touch->home, home) != 0)
			from->touches[kept++] = *touch;
		else if (to != NULL)
		{
			add_touch(to, home, touch->event_id, touch->at);
			to->touches[to->ntouches - 1].counted = touch->counted;
		}
	}
	from->ntouches = kept;
}

/* From now on the one lead stands for the other: both histories count. */
void
replay_alias(const Entry *entry)
{
	const char *winner_id = text_of(entry->new, "canonical_id");
	Lead	   *loser,
			   *winner;

	loser = lead_of(text_of(entry->new ? entry->new : entry->old, "lead_id"));
	/* The state of both is derived anew: from then on the clock counts, or the last row. */
	loser->last_state_at = NEVER;
	keep_story(loser, entry);
	give_cause(loser, entry, CAUSE_MERGE);
	if (entry->old != NULL)
	{
		winner = lead_of(text_of(entry->old, "canonical_id"));
		keep_story(winner, entry);
		give_cause(winner, entry, CAUSE_MERGE);
		/* What it stood for when it was merged itself it has kept. */
		move_touches(winner, winner_id ? lead_of(winner_id) : NULL, loser->id);
	}
	if (winner_id == NULL)
		return;
	winner = lead_of(winner_id);
	keep_story(winner, entry);
	give_cause(winner, entry, CAUSE_MERGE);
	/* What it stood for itself comes with it. */
	if (entry->op == 'I')
	{
		for (int i = 0; i < loser->ntouches; i++)
		{
			Touch	   *touch = &loser->touches[i];

			add_touch(winner, touch->home, touch->event_id, touch->at);
			winner->touches[winner->ntouches - 1].counted = touch->counted;
		}
		if (loser->last_event_at > winner->last_event_at)
			winner->last_event_at = loser->last_event_at;
		for (int i = 0; i < loser->nenrolments; i++)
			inherit(winner, loser->enrolments[i].sequence, loser->enrolments[i].steps);
		for (int i = 0; i < loser->ninherited; i++)
			inherit(winner, loser->inherited[i].sequence, loser->inherited[i].steps);
		winner->unsubscribed |= winner->row != NULL && is_nameless(winner->row) && loser->said_unsubscribe;
		winner->opted_out |= winner->row != NULL && is_nameless(winner->row) && loser->said_opt_out;
	}
}

/* ---- plays ---- */

void
replay_play(const Entry *entry)
{
	if (plays == NULL)
		plays = json_object();
	json_object_set(plays, text_of(entry->new, "play_id"), entry->new);
}
