/*
 * core/check_score.c: the guard's rules of opportunity strength: breakdown,
 * arithmetic, floors, the spec's ranges (spec, "Opportunity Strength
 * Calculation", INVALID 3, 6, 7 and 8; contract section 5, "Score").
 */
#include "core/check_internal.h"

#include <math.h>
#include <string.h>

#define STRENGTH "/rationale/opportunity_strength"
#define BREAKDOWN "/rationale/opportunity_strength_breakdown"
#define TOTAL BREAKDOWN "/calculated_total"
#define BASE BREAKDOWN "/base_score"
#define FACTORS BREAKDOWN "/factors"

/* How far scores may lie apart and count as equal; the rest is for binary fractions. */
#define TOLERANCE (0.005 + 1e-9)
#define RECENT_MEETING (30 * KAM_DAY)
#define PRICING_FLOOR 60
#define PRICING_FLOOR_NAME "floor_active_deal_pricing"
#define MEETING_FLOOR 50

static const double base_scores[] = {0.20, 0.30, 0.50, 0.70};

/* The spec's ranges of impacts, in hundredths.  Floors, clamps and factors not named here are free. */
static const struct
{
	const char *factor;
	int			least,
				most;
}			ranges[] = {
	{"recent_meeting", 25, 40},
	{"demo_discussed", 20, 30},
	{"pricing_discussed", 20, 30},
	{"demo_and_pricing_discussed", 20, 30},
	{"demo_or_pricing_discussed", 20, 30},
	{"inbound_interest", 10, 20},
	{"positive_response", 5, 15},
	{"timeline_alignment", 5, 10},
	{"emails_ignored", -15, -10},
	{"budget_constraint", -10, -5},
	{"competition_preferred", -15, -10},
	{"ghosting", -10, -5},
};

/* ---- reading ---------------------------------------------------------------- */

bool
kam_impact_parse(const char *text, double *hundredths)
{
	double		value = 0,
				unit = 1;
	bool		negative = text != NULL && *text == '-';
	int			digits = 0;

	if (text == NULL)
		return false;
	if (*text == '+' || *text == '-')
		text++;
	for (; *text >= '0' && *text <= '9' && digits < 6; text++, digits++)
		value = value * 10 + (*text - '0');
	if (*text == '.' || *text == ',')
		for (text++; *text >= '0' && *text <= '9' && digits < 12; text++, digits++)
			value += (*text - '0') * (unit /= 10);
	if (digits == 0 || *text != '\0')
		return false;
	*hundredths = (negative ? -value : value) * 100;
	return true;
}

bool
kam_impact_range(const char *factor, int *least, int *most)
{
	for (size_t i = 0; factor != NULL && i < KAM_LENGTHOF(ranges); i++)
		if (strcmp(ranges[i].factor, factor) == 0)
		{
			*least = ranges[i].least;
			*most = ranges[i].most;
			return true;
		}
	return false;
}

bool
kam_is_base_score(double score)
{
	for (size_t i = 0; i < KAM_LENGTHOF(base_scores); i++)
		if (fabs(score - base_scores[i]) <= TOLERANCE)
			return true;
	return false;
}

static bool
met_recently(const KamGuard *guard)
{
	KamTime		at = guard->facts->meeting_last_held;

	return at != KAM_NO_TIME && guard->env->as_of - at <= RECENT_MEETING;
}

/* The pricing rule concerns open deals, and decisions to send or to wait. */
static bool
pricing_holds(const KamGuard *guard)
{
	return guard->facts->active_deal != NULL && guard->facts->pricing != NULL &&
		(guard->action == KAM_SEND_MESSAGE || guard->action == KAM_WAIT);
}

int
kam_guard_floor(const KamGuard *guard, const char **name)
{
	int			floor = kam_score_floor(guard->env, guard->facts, name);

	if (floor == PRICING_FLOOR && *name != NULL && strcmp(*name, PRICING_FLOOR_NAME) == 0 && !pricing_holds(guard))
	{
		*name = met_recently(guard) ? "floor_recent_meeting" : NULL;
		return met_recently(guard) ? MEETING_FLOOR : 0;
	}
	return floor;
}

/* A number at a place; false when none stands there. */
static bool
read_number(const KamGuard *guard, const char *path, double *out)
{
	const json_t *value = kam_guard_value(guard, path);

	*out = json_number_value(value);
	return json_is_number(value);
}

/* ---- rules ------------------------------------------------------------------- */

void
kam_rule_strength_without_breakdown(KamGuard *guard)
{
	if (kam_guard_value(guard, STRENGTH) != NULL && kam_guard_value(guard, BREAKDOWN) == NULL)
		kam_guard_report(guard, BREAKDOWN, "opportunity_strength has no opportunity_strength_breakdown; "
						 "it must say base_score, factors and calculated_total.");
}

void
kam_rule_zero_strength_recent_meeting(KamGuard *guard)
{
	double		strength;

	if (read_number(guard, STRENGTH, &strength) && fabs(strength) <= TOLERANCE && met_recently(guard))
		kam_guard_report(guard, STRENGTH, "opportunity_strength is 0, but a meeting was held on %s; it must be 0.50 or more.",
						 kam_date_format(guard->env->arena, &guard->contact->zone, guard->facts->meeting_last_held));
}

void
kam_rule_strength_total_mismatch(KamGuard *guard)
{
	double		strength,
				total;

	if (read_number(guard, STRENGTH, &strength) && read_number(guard, TOTAL, &total) && fabs(strength - total) > TOLERANCE)
		kam_guard_report(guard, STRENGTH, "opportunity_strength is %.2f, but calculated_total is %.2f; they must be equal.",
						 strength, total);
}

void
kam_rule_strength_out_of_range(KamGuard *guard)
{
	double		strength;

	if (read_number(guard, STRENGTH, &strength) && (strength < -1e-9 || strength > 1 + 1e-9))
		kam_guard_report(guard, STRENGTH, "opportunity_strength is %.2f; it must lie between 0 and 1.", strength);
}

void
kam_rule_pricing_below_floor(KamGuard *guard)
{
	double		strength;

	if (read_number(guard, STRENGTH, &strength) && pricing_holds(guard) && strength < PRICING_FLOOR / 100.0 - TOLERANCE)
		kam_guard_report(guard, STRENGTH, "opportunity_strength is %.2f, but pricing was discussed on %s and the deal is open; "
						 "it must be 0.60 or more.", strength,
						 kam_date_format(guard->env->arena, &guard->contact->zone, guard->facts->pricing->activity->at));
}

void
kam_rule_strength_below_floor(KamGuard *guard)
{
	const char *name;
	double		strength;
	int			floor = kam_guard_floor(guard, &name);

	if (name != NULL && read_number(guard, STRENGTH, &strength) && strength < floor / 100.0 - TOLERANCE)
		kam_guard_report(guard, STRENGTH, "opportunity_strength is %.2f; %s makes it 0.%02d or more.", strength, name, floor);
}

void
kam_rule_unknown_base_score(KamGuard *guard)
{
	double		base;

	if (read_number(guard, BASE, &base) && !kam_is_base_score(base))
		kam_guard_report(guard, BASE, "base_score is %.2f; it must be a stage's: 0.20 cold, 0.30 aware, 0.50 engaged or 0.70 qualified.", base);
}

void
kam_rule_factor_malformed(KamGuard *guard)
{
	const json_t *factors = kam_guard_value(guard, FACTORS);

	for (size_t i = 0; i < json_array_size(factors); i++)
	{
		const json_t *factor = json_array_get(factors, i);
		const char *name = kam_get_string(factor, "factor");
		double		impact;

		if (name == NULL || name[0] == '\0')
			kam_guard_report(guard, kam_printf(guard->env->arena, FACTORS "/%zu", i), "Factor %zu has no name.", i + 1);
		else if (!kam_impact_parse(kam_get_string(factor, "impact"), &impact))
			kam_guard_report(guard, kam_printf(guard->env->arena, FACTORS "/%zu/impact", i),
							 "The impact of %s must be a text such as \"+0.25\".", kam_shorten(guard->env->arena, name, 60));
	}
}

void
kam_rule_factor_without_evidence(KamGuard *guard)
{
	const json_t *factors = kam_guard_value(guard, FACTORS);

	for (size_t i = 0; i < json_array_size(factors); i++)
	{
		const json_t *factor = json_array_get(factors, i);
		const char *evidence = kam_get_string(factor, "evidence");

		if (json_is_object(factor) && json_array_size(json_object_get(factor, "evidence")) == 0 &&
			(evidence == NULL || evidence[strspn(evidence, " \t\r\n")] == '\0'))
			kam_guard_report(guard, kam_printf(guard->env->arena, FACTORS "/%zu/evidence", i),
							 "Factor %zu has no evidence; every factor must say what it rests on.", i + 1);
	}
}

void
kam_rule_score_arithmetic(KamGuard *guard)
{
	const json_t *factors = kam_guard_value(guard, FACTORS);
	double		sum,
				total,
				impact;

	if (!read_number(guard, BASE, &sum) || !read_number(guard, TOTAL, &total) || !json_is_array(factors))
		return;
	for (size_t i = 0; i < json_array_size(factors); i++)
		if (kam_impact_parse(kam_get_string(json_array_get(factors, i), "impact"), &impact))
			sum += impact / 100;
	if (fabs(sum - total) > TOLERANCE)
		kam_guard_report(guard, TOTAL, "calculated_total is %.2f, but base_score and impacts add up to %.2f.", total, sum);
}

void
kam_rule_factor_out_of_range(KamGuard *guard)
{
	const json_t *factors = kam_guard_value(guard, FACTORS);

	for (size_t i = 0; i < json_array_size(factors); i++)
	{
		const json_t *factor = json_array_get(factors, i);
		const char *name = kam_get_string(factor, "factor");
		double		impact;
		int			least,
					most;

		if (kam_impact_range(name, &least, &most) && kam_impact_parse(kam_get_string(factor, "impact"), &impact) &&
			(impact < least - 0.5 || impact > most + 0.5))
			kam_guard_report(guard, kam_printf(guard->env->arena, FACTORS "/%zu/impact", i),
							 "The impact of %s is %+.2f; it must lie between %+.2f and %+.2f.",
							 name, impact / 100, least / 100.0, most / 100.0);
	}
}
