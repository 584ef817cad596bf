/*
 * model.c: leads, enrolments, holds and touches as the journal tells them, and what is said about them.
 */
#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORIES		1			/* of leads with violations are shown */

json_t	   *lead_index;			/* lead_id: address of its Lead */
json_t	   *plays;				/* play_id: row */
static int	stories_told;

Lead *
lead_of(const char *lead_id)
{
	json_t	   *found;
	Lead	   *lead;

	if (lead_index == NULL)
		lead_index = json_object();
	found = json_object_get(lead_index, lead_id);
	if (found != NULL)
		return (Lead *) (intptr_t) json_integer_value(found);
	lead = calloc(1, sizeof(Lead));
	lead->id = strdup(lead_id);
	lead->sales_signal = lead->marketing_signal = lead->last_state_at = lead->last_event_at = NEVER;
	json_object_set_new(lead_index, lead_id, json_integer((json_int_t) (intptr_t) lead));
	return lead;
}

/* The lead that stands for this one. */
Lead *
stands_for(Lead *lead)
{
	while (lead->merged_into[0] != '\0')
		lead = lead_of(lead->merged_into);
	return lead;
}

void
keep_story(Lead *lead, const Entry *entry)
{
	Text		line = {0};
	const char *key;
	json_t	   *value;

	text_add(&line, "%lld xid %lld ", (long long) entry->order, (long long) entry->xid);
	text_time(&line, entry->clock);
	text_add(&line, " %c %s", entry->op, entry->relation);
	json_object_foreach(entry->new, key, value)
	{
		char	   *shown;

		if (json_is_null(value) || json_equal(value, json_object_get(entry->old, key)) || strcmp(key, "home") == 0 || strcmp(key, "lead_id") == 0)
			continue;
		shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		text_add(&line, " %s=%s", key, shown);
		free(shown);
	}
	free(lead->story[lead->lines % STORY_LINES]);
	lead->story[lead->lines++ % STORY_LINES] = line.data;
}

void
wrong(const Lead *lead, const Entry *entry, const char *format,...)
{
	char		what[1500];
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	violation("lead %s, number %lld: %s", lead->id, entry ? (long long) entry->order : 0LL, what);
	if (stories_told++ < STORIES)
		for (int i = lead->lines > STORY_LINES ? lead->lines - STORY_LINES : 0; i < lead->lines; i++)
			printf("    %s\n", lead->story[i % STORY_LINES]);
}

bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void
copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

/* ---- enrolments, holds, touches ---- */

const char *const state_names[] = {"none", "queued", "active", "paused", "finished"};

State
state_of(const char *name)
{
	for (int i = QUEUED; name != NULL && i <= FINISHED; i++)
		if (strcmp(state_names[i], name) == 0)
			return (State) i;
	return NONE;
}

Enrolment *
enrolment_of(Lead *lead, const char *sequence, int no, bool make)
{
	Enrolment  *new;

	for (int i = 0; i < lead->nenrolments; i++)
		if (strcmp(lead->enrolments[i].sequence, sequence) == 0 && lead->enrolments[i].no == no)
			return &lead->enrolments[i];
	if (!make)
		return NULL;
	lead->enrolments = realloc(lead->enrolments, sizeof(Enrolment) * (size_t) (lead->nenrolments + 1));
	new = &lead->enrolments[lead->nenrolments++];
	memset(new, 0, sizeof(*new));
	copy_text(new->sequence, sizeof(new->sequence), sequence);
	new->no = no;
	new->until = NEVER;
	return new;
}

void
set_state(Enrolment *enrolment, State state, const char *why)
{
	enrolment->state = state;
	copy_text(enrolment->why, sizeof(enrolment->why), why);
}

void
give_cause(Lead *lead, const Entry *entry, Cause cause)
{
	if (lead->cause_xid != entry->xid)
		lead->causes = 0;
	lead->cause_xid = entry->xid;
	lead->causes |= cause;
}

Hold *
hold_of(Lead *lead, int64_t event_id)
{
	for (int i = 0; i < lead->nholds; i++)
		if (lead->holds[i].event_id == event_id)
			return &lead->holds[i];
	return NULL;
}

Hold *
add_hold(Lead *lead, const json_t *row, bool held, int priority, int64_t release_at, int64_t now)
{
	Hold	   *hold;

	lead->holds = realloc(lead->holds, sizeof(Hold) * (size_t) (lead->nholds + 1));
	hold = &lead->holds[lead->nholds++];
	memset(hold, 0, sizeof(*hold));
	hold->event_id = int_of(row, "event_id", 0);
	hold->held = held;
	copy_text(hold->event, sizeof(hold->event), text_of(row, "requested_event_type"));
	copy_text(hold->sequence, sizeof(hold->sequence), text_of(row, "sequence_id"));
	copy_text(hold->type, sizeof(hold->type), text_of(row, "sequence_type"));
	hold->family = family_of(hold->type);
	hold->enrolment = (int) int_of(row, "enrolment_no", 0);
	hold->step = (int) int_of(row, "step", 0);
	hold->priority = priority;
	hold->release_at = release_at;
	hold->queued_at = now;
	copy_text(hold->state, sizeof(hold->state), "waiting");
	return hold;
}

void
add_touch(Lead *lead, const char *home, int64_t event_id, int64_t at)
{
	Touch	   *touch;

	lead->touches = realloc(lead->touches, sizeof(Touch) * (size_t) (lead->ntouches + 1));
	touch = &lead->touches[lead->ntouches++];
	*touch = (Touch) {.event_id = event_id, .at = at, .counted = true, .home = home};
}

/* NEVER for no play, or one without an end. */
int64_t
play_end(const char *play_id)
{
	return play_id == NULL ? NEVER : time_of(json_object_get(plays, play_id), "active_period_end");
}

/* ---- what a decision may have seen ---- */

void
find_candidates(const Lead *lead, int64_t event_id, const Entry *entry, Candidates *out)
{
	out->naccounts = account_versions(text_of(lead->row, "account_id"), event_id, entry->seq, entry->xid, out->accounts, MOST_ACCOUNTS);
	suppression_of(lead->row, event_id, entry->seq, entry->xid, &out->may_be, &out->may_not_be);
}

bool
next_candidate(const Lead *lead, const Candidates *from, int *n, View *view)
{
	for (; *n < from->naccounts * 8; ++*n)
	{
		const json_t *account = from->accounts[*n / 8];
		const char *tier = text_of(lead->row, "icp_tier");

		view->suppressed = *n % 2;
		/* Which enrolment of a merged lead the one here goes on with is not for the oracle to say. */
		view->heed_inherited = *n / 2 % 2;
		if (view->heed_inherited && lead->ninherited == 0)
			continue;
		/* To the microsecond, an earlier row of the statement may have come due: its place in the queue is not written yet. */
		view->heed_unstored = *n / 4 % 2 == 0;
		if (view->suppressed ? !from->may_be : !from->may_not_be)
			continue;
		view->tier = tier ? tier : text_of(account, "icp_tier");
		view->abm = bool_of(account, "abm_active");
		++*n;
		return true;
	}
	return false;
}

void
show_time(Text *text, int64_t at)
{
	if (at == NEVER)
		text_add(text, "-");
	else
		text_time(text, at);
}
