/*
 * cadence/soundness.c: what a row of CadenceEventLog may look like, for the
 * table's CHECK constraint.
 *
 * Knows nothing of the gates and takes nothing from them: it is what catches
 * them.  A function instead of an expression, because the server parses a
 * constraint's text anew in every statement that inserts.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "pg/compat.h"

PG_FUNCTION_INFO_V1(kam_cadence_row_is_sound);

/* Every verdict there is (contract section 7); reason NULL: there must be none. */
static const struct
{
	const char *action,
			   *event,
			   *reason;
}			verdict[] = {
	{"executed", "activation", NULL},
	{"executed", "touch", NULL},
	{"executed", "resume", NULL},
	{"blocked", "suppressed", "compliance_block"},
	{"blocked", "suppressed", "abm_active_suppression"},
	{"blocked", "suppressed", "routing_error"},
	{"blocked", "rejected", "illegal_transition"},
	{"held", "held", "touch_cap_exceeded"},
	{"queued", "deferred", "conflict_resolved_queued"},
	{"recorded", "touch_observed", NULL},
	{"recorded", "reply", NULL},
	{"recorded", "meeting_booked", NULL},
	{"recorded", "bounce", NULL},
	{"recorded", "out_of_office", NULL},
	{"recorded", "opt_out", NULL},
	{"recorded", "unsubscribe", NULL},
	{"recorded", "pause", NULL},
	{"recorded", "stop", NULL},
	{"recorded", "complete", NULL},
	{"recorded", "send_failed", NULL},
	{"recorded", "expired", NULL},
	{"recorded", "cancelled", NULL},
};

static const char *const compliance[] = {"clear", "unsubscribed", "opted_out", "suppressed"};
static const char *const family[] = {"sales", "marketing", "transactional"};

/* Compares a text with a word; NULL equals NULL only. */
static bool
says(const text *value, const char *word)
{
	if (value == NULL || word == NULL)
		return value == NULL && word == NULL;
	return VARSIZE_ANY_EXHDR(value) == strlen(word) && memcmp(VARDATA_ANY(value), word, strlen(word)) == 0;
}

static bool
one_of(const text *value, const char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		if (says(value, words[i]))
			return true;
	return value == NULL;
}

#define TEXT_ARG(n) (PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n))

/*
 * _log_row_is_sound(coordinator_action, event_type, suppressed_reason, compliance_status, family, counted, touch_no, touch_at, event_at):
 * the verdict is one that exists; nothing is executed for who must not be
 * contacted; a touch that competes for the cap has its number, and only
 * touches are counted.
 */
Datum
kam_cadence_row_is_sound(PG_FUNCTION_ARGS)
{
	text	   *action = TEXT_ARG(0),
			   *event = TEXT_ARG(1),
			   *reason = TEXT_ARG(2),
			   *clear = TEXT_ARG(3),
			   *kin = TEXT_ARG(4);
	bool		counted = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	bool		numbered = !PG_ARGISNULL(6) && !PG_ARGISNULL(7);
	bool		found = false;

	for (int i = 0; i < lengthof(verdict) && !found; i++)
		found = says(action, verdict[i].action) && says(event, verdict[i].event) && says(reason, verdict[i].reason);
	if (!found || !one_of(clear, compliance, lengthof(compliance)) || !one_of(kin, family, lengthof(family)))
		PG_RETURN_BOOL(false);
	if (says(action, "executed") && !says(clear, "clear"))
		PG_RETURN_BOOL(false);
	if (says(event, "touch") && !says(kin, "transactional") &&
		(!numbered || PG_ARGISNULL(8) || PG_GETARG_INT64(7) != PG_GETARG_INT64(8)))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(!counted || (numbered && (says(event, "touch") || says(event, "touch_observed"))));
}
