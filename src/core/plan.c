/*
 * core/plan.c: the master decision tree V15.5 as a table of rows, first match
 * wins (contract section 5, "Order"; spec, "The Master Decision Tree").
 *
 * A row that waits for something names what it waits for and when to look
 * again.  The default, in the last row, is action.
 */
#include "core/decide.h"

#include <string.h>

#define GHOSTED_FOR_GOOD 5		/* distinct follow-ups without an answer */
#define GHOSTED 3
#define PATIENCE (3 * KAM_DAY)	/* after a message of ours */
#define LONG_CYCLE_DAYS 90
#define RE_ENGAGE_AFTER_DAYS 30
#define REVIEW_AFTER_DAYS 30	/* churn and long cycles */
#define PILOT_LOOK_AFTER_DAYS 14
#define COLLEAGUE_LOOK_AFTER_DAYS 14

typedef struct Case
{
	const KamEnv *env;
	const KamContact *contact;
	const KamFacts *facts;
	const KamForbidden *forbidden;	/* NULL: nothing is known */
} Case;

/* ---- helpers ------------------------------------------------------------- */

static const char *
on(const Case *c, KamTime at)
{
	return kam_date_format(c->env->arena, &c->contact->zone, at);
}

/* 09:00 local, "days" after an instant's day. */
static KamTime
nine_after(const Case *c, KamTime at, int days)
{
	return kam_local_clock(&c->contact->zone, at, days, 9, 0);
}

/* The same, or the next day's when that 09:00 is over: a wait never looks back. */
static KamTime
nine_ahead(const Case *c, KamTime at, int days)
{
	KamTime		nine = nine_after(c, at, days);

	while (nine <= c->env->as_of)
		nine = nine_after(c, at, ++days);
	return nine;
}

/* The first 09:00 of a working day that is still ahead, from an instant's day on. */
static KamTime
next_working_nine(const Case *c, KamTime at)
{
	for (int days = 0;; days++)
	{
		KamTime		nine = nine_after(c, at, days);

		if (nine > c->env->as_of && kam_civil_at(&c->contact->zone, nine).weekday < 5)
			return nine;
	}
}

static const char *
quoted(const Case *c, const KamSignal *signal)
{
	return signal->quote ? kam_printf(c->env->arena, " (\"%s\")", signal->quote) : "";
}

/* ---- conditions and explanations, one pair per row ------------------------- */

/* What a status says, and what an address is called. */
static const struct
{
	const char *name,
			   *words;
}			forbidden_words[] = {
	{"unsubscribed", "The contact has unsubscribed"},
	{"opted_out", "The contact has opted out of being contacted"},
	{"suppressed", "The contact is suppressed"},
	{"email", "their e-mail address"},
	{"domain", "the domain of their e-mail address"},
	{"phone", "their phone number"},
	{"linkedin", "their LinkedIn profile"},
};

static const char *
words_for(const char *name)
{
	for (size_t i = 0; name != NULL && i < KAM_LENGTHOF(forbidden_words); i++)
		if (strcmp(forbidden_words[i].name, name) == 0)
			return forbidden_words[i].words;
	return NULL;
}

static bool
is_forbidden(const Case *c)
{
	return c->forbidden != NULL;
}

static const char *
opt_out_words(const Case *c)
{
	return kam_printf(c->env->arena, "The contact asked on %s not to be contacted again%s.",
					  on(c, c->facts->opt_out->activity->at), quoted(c, c->facts->opt_out));
}

static void
explain_forbidden(const Case *c, KamPlan *plan)
{
	KamArena   *arena = c->env->arena;
	const char *about = words_for(c->forbidden->about);

	plan->reason = kam_printf(arena, "%s%s%s%s: nothing may be sent on any channel, whatever the history suggests.%s",
							  words_for(c->forbidden->status),
							  about ? ", recorded for " : "", about ? about : "",
							  c->forbidden->since != KAM_NO_TIME ? kam_printf(arena, " on %s", on(c, c->forbidden->since)) : "",
							  c->facts->opt_out ? kam_printf(arena, " %s", opt_out_words(c)) : "");
}

static bool
opted_out(const Case *c)
{
	return c->facts->opt_out != NULL;
}

static void
explain_opted_out(const Case *c, KamPlan *plan)
{
	plan->reason = opt_out_words(c);
}

static bool
left_company(const Case *c)
{
	return c->facts->left_company != NULL;
}

static void
explain_left_company(const Case *c, KamPlan *plan)
{
	plan->reason = kam_printf(c->env->arena, "The contact has left the company, as known since %s%s; a person must find the successor.",
							  on(c, c->facts->left_company->activity->at), quoted(c, c->facts->left_company));
}

static bool
unreachable(const Case *c)
{
	return c->facts->unreachable;
}

static void
explain_unreachable(const Case *c, KamPlan *plan)
{
	plan->reason = c->facts->bounce
		? kam_printf(c->env->arena, "No working channel is left: mail to the only address bounced for good on %s.",
					 on(c, c->facts->bounce->activity->at))
		: "No working channel is known: neither e-mail, LinkedIn nor phone.";
}

static bool
churn_unanswered(const Case *c)
{
	return c->facts->churn && !c->facts->churn_responded;
}

static void
explain_churn_unanswered(const Case *c, KamPlan *plan)
{
	plan->reason = kam_printf(c->env->arena, "The contact announced the end of the collaboration on %s%s and has no answer yet: acknowledge it.",
							  on(c, c->facts->churn->activity->at), quoted(c, c->facts->churn));
}

static bool
churn_answered(const Case *c)
{
	return c->facts->churn != NULL;
}

static void
explain_churn_answered(const Case *c, KamPlan *plan)
{
	plan->reevaluate_at = nine_after(c, c->env->as_of, REVIEW_AFTER_DAYS);
	plan->reason = kam_printf(c->env->arena, "The contact ended the collaboration on %s%s and we answered: leave them in peace for now.",
							  on(c, c->facts->churn->activity->at), quoted(c, c->facts->churn));
	plan->trigger_event = kam_printf(c->env->arena, "Churn announced on %s, acknowledged by us",
									 on(c, c->facts->churn->activity->at));
	plan->reevaluation_trigger = "A message from the contact, a new deal, or the date";
}

static bool
other_owner(const Case *c)
{
	return c->facts->other_owner != NULL;
}

static void
explain_other_owner(const Case *c, KamPlan *plan)
{
	const KamActivity *a = c->facts->other_owner_activity;

	plan->reevaluate_at = nine_ahead(c, a->at, COLLEAGUE_LOOK_AFTER_DAYS);
	plan->reason = kam_printf(c->env->arena, "%s was in touch with the contact on %s, within the last 14 days: coordinate first.",
							  c->facts->other_owner, on(c, a->at));
	plan->trigger_event = kam_printf(c->env->arena, "Activity of %s on %s", c->facts->other_owner, on(c, a->at));
	plan->reevaluation_trigger = kam_printf(c->env->arena, "%s hands over, or 14 days without their activity", c->facts->other_owner);
}

/* The nearer of the next meeting and a touchpoint agreed in the text. */
static KamTime
next_appointment(const Case *c)
{
	KamTime		meeting = c->facts->meeting_next,
				point = c->facts->touchpoint;

	if (meeting == KAM_NO_TIME || (point != KAM_NO_TIME && point < meeting))
		return point;
	return meeting;
}

static bool
meeting_ahead(const Case *c)
{
	return next_appointment(c) != KAM_NO_TIME;
}

static void
explain_meeting_ahead(const Case *c, KamPlan *plan)
{
	KamTime		at = next_appointment(c);
	bool		meeting = at == c->facts->meeting_next;

	plan->reevaluate_at = nine_after(c, at, 1);
	plan->reason = kam_printf(c->env->arena, "%s is set for %s: wait until it has taken place.",
							  meeting ? "A meeting" : "A point of contact", on(c, at));
	plan->trigger_event = kam_printf(c->env->arena, "%s on %s", meeting ? "Meeting" : "Scheduled touchpoint", on(c, at));
	plan->reevaluation_trigger = meeting ? "The day after the meeting, or its cancellation"
		: "The day after the touchpoint, or a message from the contact";
	plan->evidence = c->facts->evidence[meeting ? KAM_FACT_MEETING : KAM_FACT_SCHEDULED_TOUCHPOINT];
}

/* The day they named has not begun to count until its 09:00. */
static bool
explicit_wait(const Case *c)
{
	return c->facts->wait && nine_after(c, c->facts->wait->at, 0) > c->env->as_of;
}

static void
explain_explicit_wait(const Case *c, KamPlan *plan)
{
	const KamSignal *wait = c->facts->wait;

	plan->reevaluate_at = nine_after(c, wait->at, 0);
	plan->reason = kam_printf(c->env->arena, "On %s the contact asked to be contacted on %s%s.",
							  on(c, wait->activity->at), on(c, wait->at), quoted(c, wait));
	plan->trigger_event = kam_printf(c->env->arena, "Request of %s to wait until %s", on(c, wait->activity->at), on(c, wait->at));
	plan->reevaluation_trigger = "The date asked for, or an earlier message from the contact";
}

static bool
pilot_running(const Case *c)
{
	return c->facts->pilot_running;
}

static void
explain_pilot_running(const Case *c, KamPlan *plan)
{
	KamTime		review = c->facts->pilot_review;

	plan->reevaluate_at = review != KAM_NO_TIME ? nine_after(c, review, 1)
		: nine_after(c, c->env->as_of, PILOT_LOOK_AFTER_DAYS);
	plan->reason = review != KAM_NO_TIME
		? kam_printf(c->env->arena, "A pilot is running and will be reviewed on %s.", on(c, review))
		: "A pilot is running; its review has no date yet.";
	plan->trigger_event = review != KAM_NO_TIME
		? kam_printf(c->env->arena, "Pilot in progress, review on %s", on(c, review)) : "Pilot in progress, review not dated";
	plan->reevaluation_trigger = "The pilot's review, or a message from the contact";
}

static bool
long_cycle(const Case *c)
{
	return c->facts->active_deal && c->facts->cycle_days > LONG_CYCLE_DAYS && c->facts->next_step;
}

static void
explain_long_cycle(const Case *c, KamPlan *plan)
{
	plan->reevaluate_at = nine_after(c, c->env->as_of, REVIEW_AFTER_DAYS);
	plan->reason = kam_printf(c->env->arena, "The open deal is %d days old and its next step is dated %s%s.",
							  (int) c->facts->cycle_days, on(c, c->facts->next_step->at), quoted(c, c->facts->next_step));
	plan->trigger_event = kam_printf(c->env->arena, "Long cycle with a next step on %s", on(c, c->facts->next_step->at));
	plan->reevaluation_trigger = "The next step, a message from the contact, or 30 days";
	plan->evidence = kam_evidence_of_signal(c->env, c->facts->next_step);
}

static bool
ghosted_for_good(const Case *c)
{
	return c->facts->distinct_follow_ups >= GHOSTED_FOR_GOOD && c->facts->nengagement == 0;
}

static void
explain_ghosted_for_good(const Case *c, KamPlan *plan)
{
	plan->reason = kam_printf(c->env->arena, "%d follow-ups on different days, the latest on %s, stayed without answer or engagement.",
							  c->facts->distinct_follow_ups, on(c, c->facts->last_outbound->at));
}

static bool
just_written(const Case *c)
{
	return c->facts->last_outbound && c->facts->last_message == c->facts->last_outbound &&
		c->env->as_of - c->facts->last_outbound->at < PATIENCE && c->facts->nengagement == 0;
}

static void
explain_just_written(const Case *c, KamPlan *plan)
{
	KamTime		at = c->facts->last_outbound->at;

	plan->reevaluate_at = next_working_nine(c, nine_after(c, at, 3));
	plan->reason = kam_printf(c->env->arena, "Our latest message, of %s, is less than three days old and has no reaction yet.", on(c, at));
	plan->trigger_event = kam_printf(c->env->arena, "Message sent on %s", on(c, at));
	plan->reevaluation_trigger = "An answer or a reaction, or three days without one";
}

static bool
engaged(const Case *c)
{
	return c->facts->nengagement > 0;
}

static void
explain_engaged(const Case *c, KamPlan *plan)
{
	plan->reason = kam_printf(c->env->arena, "The contact reacted on LinkedIn (%s) on %s, after our latest message: take it up at once.",
							  c->facts->engagement[0].kind, on(c, c->facts->engagement[0].activity->at));
}

static bool
ghosted(const Case *c)
{
	return c->facts->distinct_follow_ups >= GHOSTED;
}

static void
explain_ghosted(const Case *c, KamPlan *plan)
{
	plan->reason = kam_printf(c->env->arena, "%d follow-ups on different days are unanswered: a lighter touch.",
							  c->facts->distinct_follow_ups);
}

static bool
open_deal(const Case *c)
{
	return c->facts->active_deal != NULL;
}

static void
explain_open_deal(const Case *c, KamPlan *plan)
{
	const KamDeal *deal = c->facts->active_deal;

	plan->reason = kam_printf(c->env->arena, "A deal is open%s%s%s%s: move it forward%s.",
							  deal->name ? " (" : "", deal->name ? deal->name : "",
							  deal->name && deal->stage ? ", stage " : "",
							  deal->name ? kam_printf(c->env->arena, "%s)", deal->stage ? deal->stage : "") : "",
							  c->facts->deals_lost ? "; deals lost earlier do not count against it" : "");
}

static bool
first_touch(const Case *c)
{
	return !c->facts->last_message && c->facts->meeting_last_held == KAM_NO_TIME;
}

static void
explain_first_touch(const Case *c, KamPlan *plan)
{
	(void) c;
	plan->reason = "Nobody has exchanged a message with this contact yet: introduce ourselves.";
}

static bool
long_silence(const Case *c)
{
	return c->facts->days_since_last_contact > RE_ENGAGE_AFTER_DAYS;
}

static void
explain_long_silence(const Case *c, KamPlan *plan)
{
	plan->reason = kam_printf(c->env->arena, "%d days without contact: take the conversation up again.",
							  (int) c->facts->days_since_last_contact);
}

static bool
always(const Case *c)
{
	(void) c;
	return true;
}

static void
explain_follow_up(const Case *c, KamPlan *plan)
{
	plan->reason = c->facts->answered
		? kam_printf(c->env->arena, "The contact wrote on %s and waits for us.", on(c, c->facts->last_inbound->at))
		: c->facts->last_message
		? kam_printf(c->env->arena, "Our message of %s is unanswered: follow up.", on(c, c->facts->last_message->at))
		: "A meeting was held and nothing has followed yet: follow up.";
}

/* ---- the tree --------------------------------------------------------------- */

typedef struct Row
{
	const char *rule;
	bool		(*applies) (const Case *);
	void		(*explain) (const Case *, KamPlan *);
	KamAction	action;
	KamVariant	variant;
	KamWaitType wait_type;
	bool		hard;			/* no model may decide otherwise */
	bool		at_once;
	KamFactId	proof;
} Row;

static const Row tree[] = {
	{"suppressed", is_forbidden, explain_forbidden, KAM_NO_ACTION, KAM_NO_VARIANT, KAM_NO_WAIT, true, false, KAM_FACT_OPTED_OUT},
	{"opted_out", opted_out, explain_opted_out, KAM_NO_ACTION, KAM_NO_VARIANT, KAM_NO_WAIT, true, false, KAM_FACT_OPTED_OUT},
	{"left_company", left_company, explain_left_company, KAM_NO_ACTION, KAM_NO_VARIANT, KAM_NO_WAIT, true, false, KAM_FACT_LEFT_COMPANY},
	{"unreachable", unreachable, explain_unreachable, KAM_NO_ACTION, KAM_NO_VARIANT, KAM_NO_WAIT, true, false, KAM_FACT_UNREACHABLE},
	{"churn_unanswered", churn_unanswered, explain_churn_unanswered, KAM_SEND_MESSAGE, KAM_CHURN_ACKNOWLEDGEMENT, KAM_NO_WAIT, true, true, KAM_FACT_CHURN},
	{"churn_answered", churn_answered, explain_churn_answered, KAM_WAIT, KAM_NO_VARIANT, KAM_WAIT_CHURN_ACKNOWLEDGED, true, false, KAM_FACT_CHURN},
	{"other_owner_active", other_owner, explain_other_owner, KAM_WAIT, KAM_NO_VARIANT, KAM_WAIT_COORDINATION_NEEDED, true, false, KAM_FACT_OTHER_OWNER_ACTIVE},
	{"meeting_ahead", meeting_ahead, explain_meeting_ahead, KAM_WAIT, KAM_NO_VARIANT, KAM_WAIT_MEETING_SCHEDULED, true, false, KAM_FACT_MEETING},
	{"explicit_wait", explicit_wait, explain_explicit_wait, KAM_WAIT, KAM_NO_VARIANT, KAM_WAIT_EXPLICIT_REQUEST, true, false, KAM_FACT_EXPLICIT_WAIT},
	{"pilot_running", pilot_running, explain_pilot_running, KAM_WAIT, KAM_NO_VARIANT, KAM_WAIT_PILOT_REVIEW, false, false, KAM_FACT_PILOT},
	{"long_cycle", long_cycle, explain_long_cycle, KAM_WAIT, KAM_NO_VARIANT, KAM_WAIT_LONG_CYCLE, false, false, KAM_FACT_CYCLE_DAYS},
	{"ghosted_for_good", ghosted_for_good, explain_ghosted_for_good, KAM_BREAK_UP, KAM_BREAK_UP_MESSAGE, KAM_NO_WAIT, true, false, KAM_FACT_DISTINCT_FOLLOW_UPS},
	{"just_written", just_written, explain_just_written, KAM_WAIT, KAM_NO_VARIANT, KAM_WAIT_PROSPECT_TIMING, false, false, KAM_FACT_LAST_OUTBOUND_AT},
	{"engagement", engaged, explain_engaged, KAM_SEND_MESSAGE, KAM_ENGAGEMENT_SIGNAL, KAM_NO_WAIT, false, true, KAM_FACT_ENGAGEMENT},
	{"ghosted", ghosted, explain_ghosted, KAM_SEND_MESSAGE, KAM_LIGHTER_TOUCH, KAM_NO_WAIT, false, false, KAM_FACT_DISTINCT_FOLLOW_UPS},
	{"open_deal", open_deal, explain_open_deal, KAM_SEND_MESSAGE, KAM_ACTIVE_DEAL, KAM_NO_WAIT, false, false, KAM_FACT_DEALS},
	{"first_touch", first_touch, explain_first_touch, KAM_SEND_MESSAGE, KAM_FIRST_TOUCH, KAM_NO_WAIT, false, false, KAM_FACT_AVAILABLE_CHANNELS},
	{"long_silence", long_silence, explain_long_silence, KAM_SEND_MESSAGE, KAM_RE_ENGAGEMENT, KAM_NO_WAIT, false, false, KAM_FACT_DAYS_SINCE_LAST_CONTACT},
	{"follow_up", always, explain_follow_up, KAM_SEND_MESSAGE, KAM_FOLLOW_UP, KAM_NO_WAIT, false, false, KAM_FACT_CONVERSATION_STATE},
};

void
kam_plan_forbidden(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const KamForbidden *forbidden, KamPlan *out)
{
	Case		c = {env, contact, facts, forbidden};
	const Row  *row = tree;

	while (!row->applies(&c))
		row++;
	memset(out, 0, sizeof *out);
	out->rule = row->rule;
	out->action = row->action;
	out->variant = row->variant;
	out->wait_type = row->wait_type;
	out->hard = row->hard;
	out->at_once = row->at_once;
	out->reevaluate_at = KAM_NO_TIME;
	out->evidence = facts->evidence[row->proof];
	row->explain(&c, out);
}

void
kam_plan(const KamEnv *env, const KamContact *contact, const KamFacts *facts, KamPlan *out)
{
	kam_plan_forbidden(env, contact, facts, NULL, out);
}

/* ---- what is forbidden, in a decision -------------------------------------------- */

json_t *
kam_forbidden_json(const KamEnv *env, const KamContact *contact, const KamForbidden *forbidden)
{
	json_t	   *out = kam_object();

	kam_put(out, "status", kam_string(forbidden->status));
	kam_put(out, "source", kam_string(forbidden->source));
	kam_put(out, "about", kam_string(forbidden->about));
	kam_put(out, "since", forbidden->since == KAM_NO_TIME ? json_null() :
			kam_string(kam_time_format(env->arena, &contact->zone, forbidden->since)));
	return out;
}

bool
kam_forbidden_read(const KamContact *contact, const json_t *decision, KamForbidden *out)
{
	static const char *const statuses[] = {"unsubscribed", "opted_out", "suppressed"};
	const json_t *inner = kam_get_object(decision, "final_decision");
	const json_t *stated = kam_get_object(inner != NULL ? inner : decision, "compliance");
	const char *status = kam_get_string(stated, "status");
	const char *since = kam_get_string(stated, "since");

	for (size_t i = 0; status != NULL && i < KAM_LENGTHOF(statuses); i++)
	{
		if (strcmp(status, statuses[i]) != 0)
			continue;
		*out = (KamForbidden) {statuses[i], kam_get_string(stated, "source"), kam_get_string(stated, "about"), KAM_NO_TIME};
		if (since == NULL || !kam_time_parse(since, &contact->zone, &out->since))
			out->since = KAM_NO_TIME;
		return true;
	}
	return false;
}

/* ---- names --------------------------------------------------------------------- */

const char *
kam_action_name(KamAction action)
{
	static const char *const names[] = {"send_message", "wait", "break_up", "no_action"};

	return names[action];
}

const char *
kam_variant_name(KamVariant variant)
{
	static const char *const names[] = {
		NULL, "first_touch", "follow_up", "lighter_touch", "re_engagement", "engagement_signal",
		"active_deal", "churn_acknowledgement", "break_up"
	};

	return names[variant];
}

/* Indexed by KamWaitType. */
static const struct
{
	const char *name,
			   *risk;
}			wait_types[] = {
	{NULL, NULL},
	{"meeting_scheduled", "low"},
	{"explicit_request", "medium"},
	{"pilot_review", "medium"},
	{"prospect_timing", "low"},
	{"long_cycle", "medium"},
	{"churn_acknowledged", "high"},
	{"coordination_needed", "medium"},
};

const char *
kam_wait_type_name(KamWaitType type)
{
	return wait_types[type].name;
}

const char *
kam_wait_risk(KamWaitType type)
{
	return wait_types[type].risk;
}
