/*
 * core/check_times.c: the guard's rules of times: ISO 8601 with the contact's
 * offset, office hours, and when to look again (contract section 5).
 */
#include "core/check_internal.h"

#include <stdlib.h>
#include <string.h>

#define EXECUTE_AT "/execution_timing/execute_at"
#define REEVALUATE_AT "/execution_timing/reevaluate_at"
#define TIMEZONE "/execution_timing/timezone"

static const char *const time_paths[] = {EXECUTE_AT, REEVALUATE_AT};

/* By how many days a reevaluate_at may differ from the plan's, per wait type. */
static const int leeway_days[] = {
	[KAM_NO_WAIT] = 0,
	[KAM_WAIT_MEETING_SCHEDULED] = 1,
	[KAM_WAIT_EXPLICIT_REQUEST] = 1,
	[KAM_WAIT_PILOT_REVIEW] = 3,
	[KAM_WAIT_PROSPECT_TIMING] = 1,
	[KAM_WAIT_LONG_CYCLE] = 7,
	[KAM_WAIT_CHURN_ACKNOWLEDGED] = 7,
	[KAM_WAIT_COORDINATION_NEEDED] = 3,
};

/* ---- reading ------------------------------------------------------------------- */

/* The offset written behind a time of day, "+01:00", "+0100", "+01" or "Z"; false when there is none. */
static bool
read_offset(const char *text, int *offset)
{
	const char *at = strpbrk(text, "Tt ");
	const char *sign;
	char		digits[5] = "0000";
	int			n = 0;

	if (at == NULL)
		return false;
	if (strpbrk(at, "Zz") != NULL)
	{
		*offset = 0;
		return true;
	}
	sign = strpbrk(at, "+-");
	if (sign == NULL)
		return false;
	for (const char *c = sign + 1; *c != '\0' && n < 4; c++)
		if (*c >= '0' && *c <= '9')
			digits[n++] = *c;
	*offset = ((digits[0] - '0') * 10 + digits[1] - '0') * 3600 + ((digits[2] - '0') * 10 + digits[3] - '0') * 60;
	if (*sign == '-')
		*offset = -*offset;
	return true;
}

KamStamp
kam_read_stamp(const KamGuard *guard, const json_t *value)
{
	KamStamp	stamp = {KAM_STAMP_ABSENT, json_string_value(value), KAM_NO_TIME, 0};

	if (stamp.text == NULL)
		return stamp;
	if (!kam_time_parse(stamp.text, &guard->contact->zone, &stamp.at))
	{
		stamp.at = KAM_NO_TIME;
		stamp.state = KAM_STAMP_NOT_ISO;
	}
	else
		stamp.state = read_offset(stamp.text, &stamp.offset) ? KAM_STAMP_GOOD : KAM_STAMP_NO_ZONE;
	return stamp;
}

KamStamp
kam_guard_stamp(const KamGuard *guard, const char *path)
{
	return kam_read_stamp(guard, kam_guard_value(guard, path));
}

static const char *
shown(const KamGuard *guard, KamTime at)
{
	return kam_time_format(guard->env->arena, &guard->contact->zone, at);
}

/* The present, without the fraction of a second that times of decisions do not carry. */
static KamTime
present(const KamGuard *guard)
{
	KamTime		fraction = guard->env->as_of % KAM_SECOND;

	return guard->env->as_of - (fraction < 0 ? fraction + KAM_SECOND : fraction);
}

/* ---- rules --------------------------------------------------------------------- */

void
kam_rule_time_not_iso(KamGuard *guard)
{
	for (size_t i = 0; i < KAM_LENGTHOF(time_paths); i++)
	{
		KamStamp	stamp = kam_guard_stamp(guard, time_paths[i]);

		/* execute_at of a wait has a rule of its own */
		if (stamp.state == KAM_STAMP_NOT_ISO && !(guard->waits && i == 0))
			kam_guard_report(guard, time_paths[i], "\"%s\" is no ISO 8601 time such as %s.",
							 kam_shorten(guard->env->arena, stamp.text, 60), shown(guard, guard->env->as_of));
	}
}

void
kam_rule_time_without_zone(KamGuard *guard)
{
	for (size_t i = 0; i < KAM_LENGTHOF(time_paths); i++)
	{
		KamStamp	stamp = kam_guard_stamp(guard, time_paths[i]);

		if (stamp.state == KAM_STAMP_NO_ZONE)
			kam_guard_report(guard, time_paths[i], "\"%s\" has no offset; it must be written as %s.",
							 stamp.text, shown(guard, stamp.at));
	}
}

void
kam_rule_unknown_timezone(KamGuard *guard)
{
	const char *name = json_string_value(kam_guard_value(guard, TIMEZONE));
	KamZone		zone;

	if (name != NULL && !kam_zone_find(guard->env->zones, name, &zone))
		kam_guard_report(guard, TIMEZONE, "The time zone \"%s\" is not known; the contact's is %s.",
						 kam_shorten(guard->env->arena, name, 60), guard->contact->zone.name);
}

void
kam_rule_timezone_differs(KamGuard *guard)
{
	const char *name = json_string_value(kam_guard_value(guard, TIMEZONE));

	if (name != NULL && strcmp(name, guard->contact->zone.name) != 0)
		kam_guard_report(guard, TIMEZONE, "The time zone is %s, the contact's is %s.",
						 kam_shorten(guard->env->arena, name, 60), guard->contact->zone.name);
}

void
kam_rule_wrong_offset(KamGuard *guard)
{
	for (size_t i = 0; i < KAM_LENGTHOF(time_paths); i++)
	{
		KamStamp	stamp = kam_guard_stamp(guard, time_paths[i]);

		if (stamp.state == KAM_STAMP_GOOD && kam_civil_at(&guard->contact->zone, stamp.at).offset != stamp.offset)
			kam_guard_report(guard, time_paths[i], "%s does not carry the offset of %s at that moment; it must be written as %s.",
							 stamp.text, guard->contact->zone.name, shown(guard, stamp.at));
	}
}

void
kam_rule_execute_at_past(KamGuard *guard)
{
	KamStamp	stamp = kam_guard_stamp(guard, EXECUTE_AT);

	if (guard->sends && stamp.at != KAM_NO_TIME && stamp.at < present(guard))
		kam_guard_report(guard, EXECUTE_AT, "%s lies before the moment of the decision, %s.",
						 shown(guard, stamp.at), shown(guard, guard->env->as_of));
}

void
kam_rule_execute_at_outside_hours(KamGuard *guard)
{
	KamStamp	stamp = kam_guard_stamp(guard, EXECUTE_AT);
	KamTime		office;

	if (!guard->sends || stamp.at == KAM_NO_TIME)
		return;
	office = kam_office_time(&guard->contact->zone, stamp.at);
	if (office != stamp.at)
		kam_guard_report(guard, EXECUTE_AT, "%s lies outside Monday to Friday, 09:00 to 18:00 in %s; the next moment inside is %s.",
						 shown(guard, stamp.at), guard->contact->zone.name, shown(guard, office));
}

void
kam_rule_reevaluate_at_past(KamGuard *guard)
{
	KamStamp	stamp = kam_guard_stamp(guard, REEVALUATE_AT);

	if (guard->waits && stamp.at != KAM_NO_TIME && stamp.at <= guard->env->as_of)
		kam_guard_report(guard, REEVALUATE_AT, "%s is not after the moment of the decision, %s.",
						 shown(guard, stamp.at), shown(guard, guard->env->as_of));
}

void
kam_rule_reevaluate_at_differs(KamGuard *guard)
{
	const KamPlan *plan = guard->plan;
	const KamZone *zone = &guard->contact->zone;
	KamStamp	stamp = kam_guard_stamp(guard, REEVALUATE_AT);
	const char *type = kam_guard_words(guard, "/wait_type/type");
	int64_t		days;

	/* another type of wait looks again at another time */
	if (!guard->waits || stamp.at == KAM_NO_TIME || plan->action != KAM_WAIT || plan->reevaluate_at == KAM_NO_TIME ||
		type == NULL || strcmp(type, kam_wait_type_name(plan->wait_type)) != 0)
		return;
	days = kam_local_day(zone, stamp.at) - kam_local_day(zone, plan->reevaluate_at);
	if (llabs(days) > leeway_days[plan->wait_type])
		kam_guard_report(guard, REEVALUATE_AT, "%s is not when to look again after %s; it must be %s.",
						 shown(guard, stamp.at), type, shown(guard, plan->reevaluate_at));
}

#define FARTHEST (400 * KAM_DAY)	/* "in a year", with some days to spare */

void
kam_rule_execute_at_far(KamGuard *guard)
{
	KamStamp	stamp = kam_guard_stamp(guard, EXECUTE_AT);

	if (guard->sends && stamp.at != KAM_NO_TIME && stamp.at > guard->env->as_of + FARTHEST)
		kam_guard_report(guard, EXECUTE_AT, "%s is more than 400 days ahead: by then the message says nothing any more.", shown(guard, stamp.at));
}

/* No model parks a contact for good; what they themselves asked for stands. */
void
kam_rule_reevaluate_at_far(KamGuard *guard)
{
	KamStamp	stamp = kam_guard_stamp(guard, REEVALUATE_AT);
	KamTime		latest = guard->env->as_of + FARTHEST;

	if (guard->plan->reevaluate_at != KAM_NO_TIME && guard->plan->reevaluate_at + KAM_DAY > latest)
		latest = guard->plan->reevaluate_at + KAM_DAY;
	if (guard->waits && stamp.at != KAM_NO_TIME && stamp.at > latest)
		kam_guard_report(guard, REEVALUATE_AT, "%s is more than 400 days ahead.", shown(guard, stamp.at));
}
