/*
 * events.c: the rows of the log, one by one: the verdict of a request with all its columns, a fact, what the
 * Coordinator wrote of itself; and what each does to the lead.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t		facts_seen,
			ends_seen;
int64_t		verdicts_seen[6];	/* by gate, 0 allowed */

/* ---- requests ---- */

static bool
verdict_fits(const Verdict *verdict, const json_t *row)
{
	return same_text(verdict->action, text_of(row, "coordinator_action")) && same_text(verdict->event, text_of(row, "event_type")) &&
		same_text(verdict->reason, text_of(row, "suppressed_reason")) && same_text(verdict->resolution, text_of(row, "resolution")) &&
		same_text(verdict->compliance, text_of(row, "compliance_status")) && verdict->release_at == time_of(row, "release_at") &&
		verdict->count == int_of(row, "touch_cap_at_event", -1);
}

static void
say_misfit(const Lead *lead, const Entry *entry, const View *view, const Verdict *verdict)
{
	Text		text = {0};
	const json_t *row = entry->new;

	text_add(&text, "%s %s by %s%s%s step %d priority %d tier %s abm %d: expected %s/%s/%s/%s/%s count %d release ", view->event, view->type,
			 view->sequence ? view->sequence : "-", view->self == NEW_REQUEST ? "" : ", a release,", "", view->step, view->priority,
			 view->tier ? view->tier : "-", view->abm, verdict->event, verdict->action, verdict->reason ? verdict->reason : "-",
			 verdict->resolution ? verdict->resolution : "-", verdict->compliance, verdict->count);
	show_time(&text, verdict->release_at);
	text_add(&text, ", found %s/%s/%s/%s/%s count %lld release ", text_of(row, "event_type"), text_of(row, "coordinator_action"),
			 text_of(row, "suppressed_reason") ? text_of(row, "suppressed_reason") : "-", text_of(row, "resolution") ? text_of(row, "resolution") : "-",
			 text_of(row, "compliance_status") ? text_of(row, "compliance_status") : "-", (long long) int_of(row, "touch_cap_at_event", -1));
	show_time(&text, time_of(row, "release_at"));
	wrong(lead, entry, "%s", text.data);
	free(text.data);
}

/* The moment of a decision: the clock, or a microsecond after an earlier one. */
static void
check_stamp(Lead *lead, const Entry *entry, int64_t at)
{
	if (at < entry->clock)
		wrong(lead, entry, "stamped before the clock");
	else if (lead->last_state_at != NEVER && at <= lead->last_state_at)
		wrong(lead, entry, "stamped no later than the last decision");
	else if (at > entry->clock && at != lead->last_state_at + 1 && at > lead->last_event_at + 1)
		wrong(lead, entry, "stamped later than the clock and the last decision");
	if (lead->last_event_at == NEVER || at > lead->last_event_at)
		lead->last_event_at = at;
}

/* play_id and proposal are those of the enrolment, and agree with the play (I17). */
static void
check_lineage(const Lead *lead, const Entry *entry, const Enrolment *enrolment)
{
	const char *play = text_of(entry->new, "play_id");

	if (enrolment != NULL && enrolment->state != NONE && enrolment->state != FINISHED && strcmp(play ? play : "", enrolment->play) != 0)
		wrong(lead, entry, "play %s of an enrolment in %s (I17)", play ? play : "-", enrolment->play);
	if (!same_text(text_of(entry->new, "originating_proposal_id"), text_of(play ? json_object_get(plays, play) : NULL, "originating_proposal_id")))
		wrong(lead, entry, "originating_proposal_id is not that of the play (I17)");
}

static void
keep_play(Enrolment *enrolment, const json_t *row)
{
	copy_text(enrolment->play, sizeof(enrolment->play), text_of(row, "play_id"));
	enrolment->until = play_end(text_of(row, "play_id"));
}

/* What an executed request does. */
static void
execute(Lead *lead, const Entry *entry, const View *view, const Verdict *verdict, int64_t at)
{
	const json_t *row = entry->new;
	int			no = (int) int_of(row, "enrolment_no", 0);
	Enrolment  *enrolment = latest_enrolment(lead, view->sequence);
	int64_t		event_id = int_of(row, "event_id", 0);

	if (strcmp(view->event, "touch") == 0)
	{
		if (view->family == TRANSACTIONAL)
		{
			if (time_of(row, "touch_at") != NEVER || bool_of(row, "counted"))
				wrong(lead, entry, "a transactional touch counts (I18)");
			if (view->sequence != NULL && view->step > 0 && view->step < 64)
			{
				/* Steps of a transactional sequence go out once too, enrolled or not. */
				if (enrolment == NULL)
					enrolment = enrolment_of(lead, view->sequence, 0, true);
				enrolment->steps |= UINT64_C(1) << view->step;
			}
			return;
		}
		if (!bool_of(row, "counted") || time_of(row, "touch_at") != at)
			wrong(lead, entry, "an executed touch does not count from its moment");
		if (time_of(row, "touch_earliest") != cap_clears_at(lead, at))
			wrong(lead, entry, "touch_earliest is not when the cap-th latest touch left the window");
		add_touch(lead, lead->id, event_id, at);
		if (enrolment->no != no)
			wrong(lead, entry, "a touch of enrolment %d is logged under %d", enrolment->no, no);
		if (view->step > 0 && view->step < 64)
			enrolment->steps |= UINT64_C(1) << view->step;
		if (view->step > enrolment->step)
			enrolment->step = view->step;
		lead->last_state_at = at;
		return;
	}
	if (verdict->displaced != NULL)
	{
		/* Its own row comes when the statement ends. */
		Displaced  *displaced;

		lead->displaced = realloc(lead->displaced, sizeof(Displaced) * (size_t) (lead->ndisplaced + 1));
		displaced = &lead->displaced[lead->ndisplaced++];
		memset(displaced, 0, sizeof(*displaced));
		copy_text(displaced->sequence, sizeof(displaced->sequence), verdict->displaced->sequence);
		displaced->enrolment = verdict->displaced->no;
		displaced->resolution = verdict->resolution;
		displaced->release_at = view->tier != NULL && strcmp(view->tier, "T2") == 0 ? at + MATRIX_WAIT : NEVER;
		displaced->routing_error = view->tier != NULL && strcmp(view->tier, "T3") == 0;
		displaced->xid = entry->xid;
		set_state((Enrolment *) verdict->displaced, PAUSED, "conflict");
	}
	if (enrolment == NULL || enrolment->state == FINISHED || enrolment->no == 0)
	{
		int			expected = enrolment ? enrolment->no + 1 : 1;

		if (no != expected)
			wrong(lead, entry, "enrolment %d is to be enrolment %d", no, expected);
		enrolment = enrolment_of(lead, view->sequence, no, true);
		copy_text(enrolment->type, sizeof(enrolment->type), view->type);
		enrolment->family = view->family;
		keep_play(enrolment, row);
	}
	else if (no != enrolment->no)
		wrong(lead, entry, "enrolment %d is logged as %d", enrolment->no, no);
	set_state(enrolment, ACTIVE, NULL);
	lead->last_state_at = at;
}

/* What waits. */
static void
put_off(Lead *lead, const Entry *entry, const View *view, const Verdict *verdict, int64_t at)
{
	const json_t *row = entry->new;
	Enrolment  *enrolment = latest_enrolment(lead, view->sequence);

	if (strcmp(verdict->action, "queued") == 0 && strcmp(view->event, "activation") == 0 &&
		(enrolment == NULL || enrolment->state == FINISHED || enrolment->no == 0))
	{
		int			no = enrolment ? enrolment->no + 1 : 1;

		if (int_of(row, "enrolment_no", 0) != no)
			wrong(lead, entry, "a deferred activation should have enrolment %d", no);
		enrolment = enrolment_of(lead, view->sequence, no, true);
		copy_text(enrolment->type, sizeof(enrolment->type), view->type);
		enrolment->family = view->family;
		keep_play(enrolment, row);
		set_state(enrolment, QUEUED, NULL);
	}
	add_hold(lead, row, strcmp(verdict->action, "held") == 0, view->priority, verdict->release_at, at);
	lead->last_state_at = at;
}

static void
replay_request(Lead *lead, const Entry *entry)
{
	const json_t *row = entry->new;
	int64_t		event_id = int_of(row, "event_id", 0),
				parent = int_of(row, "parent_event_id", 0),
				at = time_of(row, "event_at");
	View		view = {.lead = lead, .now = at, .self = NEW_REQUEST};
	Verdict		verdict;
	Candidates	candidates;
	Hold	   *hold = NULL;
	int			n = 0;
	bool		fits = false;

	check_stamp(lead, entry, at);
	view.event = text_of(row, "requested_event_type");
	view.type = text_of(row, "sequence_type");
	view.family = family_of(view.type);
	view.sequence = text_of(row, "sequence_id");
	view.step = (int) int_of(row, "step", 0);
	view.priority = (int) int_of(json_object_get(row, "payload"), "priority", 0);
	view.until = play_end(text_of(row, "play_id"));
	if (parent > 0)
	{
		hold = hold_of(lead, parent);
		if (hold == NULL || strcmp(hold->state, "waiting") != 0 || hold->answered != 0)
		{
			wrong(lead, entry, "a release of %lld, which does not wait (I6)", (long long) parent);
			return;
		}
		if (hold->release_at == NEVER || hold->release_at > at)
			wrong(lead, entry, "released before its time (I7)");
		if (!same_text(view.event, hold->event) || (!hold->absence && !same_text(view.type, hold->type)) || (hold->sequence[0] != '\0' && !same_text(view.sequence, hold->sequence)) ||
			view.step != hold->step)
			wrong(lead, entry, "released as something else than was asked");
		hold->answered = event_id;
		view.priority = hold->priority;
		view.self = parent;
	}
	find_candidates(lead, event_id, entry, &candidates);
	while (!fits && next_candidate(lead, &candidates, &n, &view))
	{
		judge(&view, &verdict);
		fits = verdict_fits(&verdict, row);
		if (fits || lead->cause_xid != entry->xid || !(lead->causes & CAUSE_MERGE))
			continue;
		judge_carried(&view, &verdict);
		fits = verdict_fits(&verdict, row);
	}
	if (!fits)
	{
		n = 0;
		next_candidate(lead, &candidates, &n, &view);
		judge(&view, &verdict);
		say_misfit(lead, entry, &view, &verdict);
		return;
	}
	verdicts_seen[verdict.gate]++;
	check_lineage(lead, entry, latest_enrolment(lead, view.sequence));
	if (strcmp(verdict.action, "executed") == 0)
		execute(lead, entry, &view, &verdict, at);
	else if (strcmp(verdict.action, "blocked") == 0)
	{
		Enrolment  *enrolment = latest_enrolment(lead, view.sequence);

		/* The last chance of what was queued. */
		if (hold != NULL && strcmp(view.event, "activation") == 0 && enrolment != NULL && enrolment->state == QUEUED)
		{
			set_state(enrolment, FINISHED, "suppressed");
			lead->last_state_at = at;
		}
	}
	else
	{
		if (hold != NULL)
			wrong(lead, entry, "a release that was put off has a row of its own");
		put_off(lead, entry, &view, &verdict, at);
	}
	if (bool_of(row, "counted") && strcmp(text_of(row, "event_type"), "touch") != 0)
		wrong(lead, entry, "what was not executed counts");
}

/* ---- facts -------------------------------------------------------------------------- */

typedef struct FactRule
{
	const char *event;
	State		becomes;
	const char *why;
	bool		everything;		/* transactional sequences too, whichever is named */
} FactRule;

static const FactRule fact_rules[] = {
	{"reply", FINISHED, "replied", false},
	{"meeting_booked", FINISHED, "meeting_booked", false},
	{"bounce", FINISHED, "bounced", false},
	{"stop", FINISHED, "stopped", false},
	{"complete", FINISHED, "completed", false},
	{"opt_out", FINISHED, "opted_out", true},
	{"unsubscribe", FINISHED, "unsubscribed", true},
	{"pause", PAUSED, "manual", false},
	{"out_of_office", PAUSED, "out_of_office", false},
};

static void
apply_fact(Lead *lead, const FactRule *rule, const char *sequence)
{
	if (rule->everything)
		sequence = NULL;
	for (int i = 0; i < lead->nenrolments; i++)
	{
		Enrolment  *e = &lead->enrolments[i];

		if (e->state == NONE || e->state == FINISHED || (rule->becomes == PAUSED && e->state != ACTIVE))
			continue;
		if (sequence ? strcmp(sequence, e->sequence) == 0 : rule->everything || e->family != TRANSACTIONAL)
			set_state(e, rule->becomes, rule->why);
	}
}

/* A signal goes to whose sequence it ends; when it ends none, to whom it is said to be for, else to sales. */
static void
stamp_signal(Lead *lead, const char *sequence, Family family, int64_t at)
{
	bool		sales = false,
				marketing = false;

	for (int i = 0; i < lead->nenrolments; i++)
	{
		const Enrolment *e = &lead->enrolments[i];

		if (e->state == NONE || e->state == FINISHED || (sequence != NULL && strcmp(sequence, e->sequence) != 0))
			continue;
		if (e->family == TRANSACTIONAL && sequence == NULL)
			continue;
		sales |= e->family != MARKETING;
		marketing |= e->family == MARKETING;
	}
	if (!sales && !marketing)
		marketing = family == MARKETING;
	if (sales || !marketing)
		lead->sales_signal = at > lead->sales_signal ? at : lead->sales_signal;
	else
		lead->marketing_signal = at > lead->marketing_signal ? at : lead->marketing_signal;
}

static void
replay_fact(Lead *lead, const Entry *entry)
{
	const json_t *row = entry->new;
	const char *event = text_of(row, "event_type"),
			   *sequence = text_of(row, "sequence_id");
	int64_t		at = time_of(row, "event_at"),
				event_id = int_of(row, "event_id", 0);
	Candidates	candidates;
	const char *compliance = text_of(row, "compliance_status");
	const char *payload_type = text_of(json_object_get(row, "payload"), "type");
	bool		fits;

	facts_seen++;
	check_stamp(lead, entry, at);
	find_candidates(lead, event_id, entry, &candidates);
	if (lead->unsubscribed || lead->opted_out)
		fits = same_text(compliance, lead->unsubscribed ? "unsubscribed" : "opted_out");
	else
		fits = (candidates.may_be && same_text(compliance, "suppressed")) || (candidates.may_not_be && same_text(compliance, "clear"));
	if (!fits)
		wrong(lead, entry, "a fact with compliance_status %s", compliance);
	if (!same_text(event, text_of(row, "requested_event_type")) || text_of(row, "suppressed_reason") != NULL || !same_text(text_of(row, "coordinator_action"), "recorded"))
		wrong(lead, entry, "a fact is not simply recorded");
	if (int_of(row, "touch_cap_at_event", -1) != touches_within(lead, at))
		wrong(lead, entry, "touch_cap_at_event of a fact is %lld, not %d", (long long) int_of(row, "touch_cap_at_event", -1), touches_within(lead, at));
	lead->last_state_at = at;

	if (strcmp(event, "touch_observed") == 0)
	{
		int64_t		occurred = time_of(row, "occurred_at");
		bool		counts = family_of(text_of(row, "sequence_type")) != TRANSACTIONAL;

		if (occurred == NEVER)
			occurred = at;
		if (bool_of(row, "counted") != counts || (counts && time_of(row, "touch_at") != occurred))
			wrong(lead, entry, "an observed touch counts wrongly");
		if (counts)
			add_touch(lead, lead->id, event_id, occurred);
	}
	if (strcmp(event, "unsubscribe") == 0)
		lead->unsubscribed = lead->said_unsubscribe = true;
	if (strcmp(event, "opt_out") == 0)
		lead->opted_out = lead->said_opt_out = true;
	if (strcmp(event, "bounce") == 0 && same_text(payload_type, "soft"))
		return;
	if (strcmp(event, "reply") == 0 || strcmp(event, "meeting_booked") == 0)
		stamp_signal(lead, sequence, family_of(text_of(row, "sequence_type")), time_of(row, "occurred_at") != NEVER ? time_of(row, "occurred_at") : at);
	for (size_t i = 0; i < sizeof(fact_rules) / sizeof(*fact_rules); i++)
		if (strcmp(fact_rules[i].event, event) == 0)
			apply_fact(lead, &fact_rules[i], sequence);
	if (strcmp(event, "out_of_office") == 0)
		lead->absences++;
}

/* ---- rows that the Coordinator writes of itself ----------------------------------------- */

static void
replay_displaced(Lead *lead, const Entry *entry)
{
	const json_t *row = entry->new;

	for (int i = 0; i < lead->ndisplaced; i++)
	{
		Displaced  *displaced = &lead->displaced[i];

		if (strcmp(displaced->sequence, text_of(row, "sequence_id")) != 0 || displaced->xid != entry->xid)
			continue;
		if (!same_text(text_of(row, "resolution"), displaced->resolution) || time_of(row, "release_at") != displaced->release_at ||
			int_of(row, "enrolment_no", 0) != displaced->enrolment ||
			!same_text(text_of(row, "event_type"), displaced->routing_error ? "suppressed" : "deferred"))
			wrong(lead, entry, "the row of a displaced sequence is not what the matrix says");
		if (!displaced->routing_error)
			add_hold(lead, row, false, 0, displaced->release_at, time_of(row, "event_at"));
		lead->displaced[i] = lead->displaced[--lead->ndisplaced];
		return;
	}
	wrong(lead, entry, "a %s row for %s, which nothing displaced", text_of(row, "event_type"), text_of(row, "sequence_id"));
}

static void
replay_system(Lead *lead, const Entry *entry)
{
	const json_t *row = entry->new;
	const char *event = text_of(row, "event_type");
	int64_t		parent = int_of(row, "parent_event_id", 0);
	Hold	   *hold = parent ? hold_of(lead, parent) : NULL;

	if (strcmp(event, "cancelled") == 0 || strcmp(event, "expired") == 0)
	{
		ends_seen++;
		if (hold == NULL || hold->answered != 0)
		{
			wrong(lead, entry, "%s ends %lld, which does not wait (I6)", event, (long long) parent);
			return;
		}
		hold->answered = int_of(row, "event_id", 0);
		if (strcmp(event, "expired") == 0)
		{
			if (entry->clock < hold->expires_at)
				wrong(lead, entry, "expired before its time");
			give_cause(lead, entry, CAUSE_EXPIRY);
		}
		else
			give_cause(lead, entry, CAUSE_CANCEL);
	}
	else
		replay_displaced(lead, entry);
	if (lead->last_event_at == NEVER || time_of(row, "event_at") > lead->last_event_at)
		lead->last_event_at = time_of(row, "event_at");
}

static void
uncount(Lead *lead, int64_t event_id)
{
	for (int i = 0; i < lead->ntouches; i++)
		if (lead->touches[i].event_id == event_id)
			lead->touches[i].counted = false;
}

void
replay_log(const Entry *entry)
{
	const json_t *row = entry->new;
	const char *requested;
	Lead	   *lead;

	if (entry->op == 'D')
	{
		violation("a row of the log was deleted (I12)");
		return;
	}
	lead = lead_of(text_of(row, "lead_id"));
	if (entry->op == 'U')
	{
		json_t	   *copy = json_copy(entry->old);

		keep_story(lead, entry);
		json_object_set_new(copy, "counted", json_false());
		if (!json_equal(copy, entry->new))
			wrong(lead, entry, "a row of the log was changed (I12)");
		json_decref(copy);
		uncount(lead, int_of(row, "event_id", 0));
		uncount(stands_for(lead), int_of(row, "event_id", 0));
		return;
	}
	if (lead->last_xid != entry->xid)
	{
		compare_enrolments(lead, entry);
		lead->last_xid = entry->xid;
	}
	keep_story(lead, entry);
	requested = text_of(row, "requested_event_type");
	if (text_of(row, "compliance_status") == NULL)
		replay_system(lead, entry);
	else if (lead->row == NULL)
		wrong(lead, entry, "an event for a lead that is not there");
	else if (same_text(requested, "activation") || same_text(requested, "touch") || same_text(requested, "resume"))
		replay_request(lead, entry);
	else
		replay_fact(lead, entry);
}
