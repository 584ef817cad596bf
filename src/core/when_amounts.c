/*
 * core/when_amounts.c: numbers, lengths of time and hours of the day as words
 * say them.
 *
 * Reads only what stands in one sentence; knows no calendar but the steps of
 * when_days.c.
 */
#include "core/when_read.h"

#include <string.h>

/* Amounts beyond these are no appointments. */
#define MAX_AMOUNT 999
#define MAX_DAYS_AWAY 3660

/* ---- numbers and lengths ----------------------------------------------- */

/* 3, trois, vingt et un, twenty five, a (before an English unit). */
static int
read_number(const Scan *s, int i, int *out)
{
	int			k = kind(s, i);

	if (k == WORD_NUMBER && !flagged(s, i, WORD_ORDINAL_FORM))
	{
		*out = value(s, i);
		return i + 1;
	}
	if (k == WORD_A && kind(s, i + 1) == WORD_UNIT && flagged(s, i + 1, WORD_ENGLISH))
	{
		*out = 1;
		return i + 1;
	}
	if (k == WORD_UNIT && is_word(s, i, "an") && is_unit(s, i + 1, UNIT_HOUR))
	{
		*out = 1;
		return i + 1;
	}
	if (k == WORD_MONTH && is_word(s, i, "sept") && kind(s, i + 1) == WORD_UNIT)
	{
		*out = 7;
		return i + 1;
	}
	if (k != WORD_NUMERAL)
		return i;
	*out = value(s, i++);
	if (*out == 4 && kind(s, i) == WORD_NUMERAL && value(s, i) == 20)
	{
		*out = 80;
		i++;
	}
	if (*out >= 20 && *out < 100)
	{
		int			j = is_word(s, i, "et") ? i + 1 : i;
		int			limit = *out == 60 || *out == 80 ? 20 : 10;

		if (kind(s, j) == WORD_NUMERAL && value(s, j) < limit)
		{
			*out += value(s, j);
			i = j + 1;
		}
		else if (is_word(s, j, "sept") && kind(s, j + 1) == WORD_UNIT)
		{
			*out += 7;
			i = j + 1;
		}
	}
	return i;
}

static void
set_span(Span *span, int amount, int unit)
{
	static const struct
	{
		int			months,
					days;
		KamTime		hours;
	}			units[] = {
		[UNIT_MINUTE] = {0, 0, KAM_MINUTE}, [UNIT_HOUR] = {0, 0, KAM_HOUR}, [UNIT_DAY] = {0, 1, 0},
		[UNIT_WEEK] = {0, 7, 0}, [UNIT_FORTNIGHT] = {0, 14, 0}, [UNIT_MONTH] = {1, 0, 0},
		[UNIT_QUARTER] = {3, 0, 0}, [UNIT_HALF] = {6, 0, 0}, [UNIT_YEAR] = {12, 0, 0}
	};

	*span = (Span) {amount * units[unit].months, amount * units[unit].days, 0, amount * units[unit].hours};
}

/* "et demi", "and a half" behind one of a unit. */
static int
read_half_more(const Scan *s, int i, int unit, Span *span)
{
	int			j = i;

	if (is_word(s, i, "et") && kind(s, i + 1) == WORD_HALF_MORE)
		j = i + 2;
	else if (is_word(s, i, "and") && kind(s, i + 1) == WORD_A && is_word(s, i + 2, "half"))
		j = i + 3;
	if (j == i)
		return i;
	if (unit == UNIT_YEAR)
		span->months += 6;
	else if (unit == UNIT_MONTH)
		span->days += 15;
	else if (unit == UNIT_WEEK)
		span->days += 3;
	else if (unit == UNIT_HOUR)
		span->hours += 30 * KAM_MINUTE;
	return j;
}

/* 2 semaines, two to three weeks (the first), a couple of weeks, une quinzaine, 15j, 48h. */
int
kam_when_read_span(const Scan *s, int start, Span *span)
{
	const uint64_t filler = BIT3(ABOUT, ARTICLE, NEXT);
	int			i = skip(s, start, filler | KIND_BIT(WORD_DETERMINER), 3);
	int			amount = 1,
				other,
				j;
	bool		working;

	if (kind(s, i) == WORD_COUNT)
	{
		if (value(s, i) > MAX_AMOUNT)
			return start;
		set_span(span, value(s, i), s->words[i].a);
		return i + 1;
	}
	/* "dans 24h", "dans 1h30": written with an h, not as 14:30 or 3pm */
	if (kind(s, i) == WORD_CLOCK && strchr(s->tokens->token[i].word, 'h') != NULL &&
		strchr(s->tokens->token[i].word, ':') == NULL)
	{
		set_span(span, value(s, i) * 60 + s->words[i].a, UNIT_MINUTE);
		return i + 1;
	}

	if (is_word(s, i, "half") && kind(s, i + 1) == WORD_A && is_unit(s, i + 2, UNIT_YEAR))
	{
		set_span(span, 6, UNIT_MONTH);
		return i + 3;
	}
	j = kind(s, i) == WORD_A || kind(s, i) == WORD_NUMERAL ? i + 1 : i;
	if (kind(s, j) == WORD_COLLECTIVE)
	{
		amount = value(s, j);
		i = skip(s, j + 1, KIND_BIT(WORD_OF), 1);
		if (kind(s, i) != WORD_UNIT)
		{
			if (!is_word(s, j, "quinzaine") && !is_word(s, j, "huitaine"))
				return start;
			set_span(span, amount, UNIT_DAY);
			return j + 1;
		}
	}
	else
	{
		j = read_number(s, i, &amount);
		if (j == i)
			return start;
		i = j;
		/* "2 or 3", "2 a 3", "2-3" */
		j = skip(s, i, BIT3(AND, TO, A), 1);
		if (j > i || is_joined(s, i))
		{
			int			k = read_number(s, j, &other);

			if (k > j && is_kind(s, skip(s, k, filler, 2), KIND_BIT(WORD_UNIT)))
				i = k;
		}
	}

	j = skip(s, i, KIND_BIT(WORD_ABOUT) | KIND_BIT(WORD_NEXT), 2);
	working = kind(s, j) == WORD_WORKING;
	i = working ? j + 1 : j;
	if (amount < 0 || amount > MAX_AMOUNT)
		return start;
	if (kind(s, i) == WORD_J)
		set_span(span, amount, j = UNIT_DAY);
	else if (kind(s, i) == WORD_UNIT && !(is_word(s, i, "half")))
		set_span(span, amount, j = value(s, i));
	else
		return start;
	i++;
	if (amount == 1)
		i = read_half_more(s, i, j, span);
	if (kind(s, i) == WORD_WORKING)
	{
		working = true;
		i++;
	}
	if (working && j == UNIT_DAY)
		*span = (Span) {0, 0, amount, 0};
	return i;
}

/* The day, or for hours the instant, a length away from another day. */
bool
kam_when_add_span(const Scan *s, int64_t from, const Span *span, int sign, Match *m)
{
	if (span->days > MAX_DAYS_AWAY || span->months > MAX_DAYS_AWAY / 30)
		return false;
	m->day = kam_when_add_months(from, sign * span->months) + sign * span->days;
	if (span->working_days > 0)
		m->day = kam_when_add_working(from, sign * span->working_days);
	if (span->hours > 0)
	{
		m->instant = s->now.said + sign * span->hours;
		m->day = kam_local_day(s->now.zone, m->instant);
		m->grain = KAM_GRAIN_TIME;
	}
	return true;
}


/* ---- hours ------------------------------------------------------------- */

/* 14h30, 14 h 30, 14 heures, 3 pm, 3:30 p.m.; minutes of the day. */
int
kam_when_read_clock(const Scan *s, int i, int *minute)
{
	int			hour,
				minutes = 0,
				j = i + 1;

	if (kind(s, i) == WORD_CLOCK)
		minutes = s->words[i].a;
	else if (kind(s, i) != WORD_NUMBER || flagged(s, i, WORD_ORDINAL_FORM) || value(s, i) > 24)
		return i;
	hour = value(s, i);
	if (kind(s, i) == WORD_NUMBER &&
		((kind(s, j) == WORD_CLOCK && is_joined(s, j)) ||
		 (is_kind(s, i - 1, BIT2(BETWEEN, FROM)) && is_kind(s, j, BIT2(AND, TO)) && kind(s, j + 1) == WORD_CLOCK)))
	{
		int			end = value(s, kind(s, j) == WORD_CLOCK ? j : j + 1);

		/* "2-3pm", "between 2 and 4pm" */
		if (hour < 12 && hour + 12 <= end)
			hour += 12;
	}
	else if (kind(s, i) == WORD_NUMBER)
	{
		if (is_unit(s, j, UNIT_HOUR) && flagged(s, j, WORD_FRENCH))
		{
			j++;
			if (kind(s, j) == WORD_NUMBER && value(s, j) < 60 && !has_clause(s, j) &&
				s->tokens->token[j].length == 2 && kind(s, j + 1) != WORD_MONTH)
				minutes = value(s, j++);
		}
		else if (is_word(s, j, "o") && is_word(s, j + 1, "clock"))
			j += 2;
		else if (kind(s, j) != WORD_MERIDIEM)
			return i;
	}
	if (kind(s, j) == WORD_MERIDIEM && hour >= 1 && hour <= 12)
		hour = hour % 12 + value(s, j++);
	*minute = hour * 60 + minutes;
	return j;
}

/* matin, apres-midi, midi, fin de journee, EOD; "exact" when an hour is said. */
int
kam_when_read_daypart(const Scan *s, int i, int *minute, bool *exact)
{
	int			part = PART_WHOLE,
				j = i,
				hour;

	*exact = false;
	if (kind(s, i) == WORD_PART)
	{
		part = value(s, i);
		j = skip(s, i + 1, KIND_BIT(WORD_OF), 1);
	}
	if (kind(s, j) == WORD_DAYPART)
		hour = value(s, j);
	else if (is_word(s, j, "apres") && is_word(s, j + 1, "midi"))
	{
		hour = 14;
		j++;
	}
	else if (kind(s, j) == WORD_NOON && part == PART_WHOLE)
	{
		hour = value(s, j);
		*exact = true;
	}
	else if (part == PART_END && (is_word(s, j, "journee") || is_word(s, j, "day")))
		hour = 15;				/* two hours more below */
	else
		return i;
	if (part == PART_END)
		hour += hour < 12 ? 2 : hour == 15 ? 2 : hour == 14 ? 3 : 0;
	*minute = hour * 60;
	return j + 1;
}

/* Passes over the end of a range of hours: "- 10:30", "a 16h", "and 4pm". */
int
kam_when_skip_range_end(const Scan *s, int i)
{
	int			ignored,
				j = skip(s, i, KIND_BIT(WORD_AND) | BIT3(TO, A, PREPOSITION), 2),
				k = kam_when_read_clock(s, j, &ignored);

	if (k > j && (j > i || is_joined(s, i) || has_clause(s, i)))
		return k;
	return i;
}

/* An hour behind a day: "a 14h", "in the afternoon", "at 10". */
void
kam_when_read_hour_after(const Scan *s, Match *m)
{
	const uint64_t connectors = BIT3(A, AT, ABOUT) | BIT3(TO, OF, BETWEEN) | BIT3(IN, PREPOSITION, ARTICLE) |
		BIT3(FROM, ON, AFTER) | KIND_BIT(WORD_BEFORE) | KIND_BIT(WORD_THIS);

	for (int round = 0; round < 2; round++)
	{
		int			i = m->last + 1,
					j,
					minute;
		bool		exact = true;
		int			next = i;

		if (has_clause(s, i) && round > 0)
			return;
		for (j = i; j <= i + 3 && next == j; next = j)
		{
			next = kam_when_read_clock(s, j, &minute);
			if (next > j && minute % 60 == 0 && minute < 7 * 60 && kind(s, next - 1) != WORD_MERIDIEM &&
				kind(s, j) == WORD_NUMBER && !is_kind(s, j - 1, BIT3(A, AT, ABOUT)))
				next = j;		/* "mardi 2 heures" is a length */
			if (next > j)
				break;
			next = kam_when_read_daypart(s, j, &minute, &exact);
			if (next > j)
				break;
			exact = true;
			if (kind(s, j - 1) == WORD_AT && j > i && kind(s, j) == WORD_NUMBER && value(s, j) >= 1 &&
				value(s, j) <= 23 && !is_kind(s, j + 1, KIND_BIT(WORD_BLOCK) | BIT2(UNIT, MONTH)) &&
				!flagged(s, j, WORD_ORDINAL_FORM))
			{
				minute = value(s, j) * 60 + (value(s, j) < 7 ? 12 * 60 : 0);
				next = j + 1;
				break;
			}
			if (!is_kind(s, j, connectors))
				return;
			j++;
		}
		if (next == j || j > i + 3)
			return;
		if (round > 0 && minute < 12 * 60 && m->minute >= 12 * 60)
			minute += 12 * 60;	/* "tomorrow afternoon at 3:00" */
		m->minute = minute;
		if (exact)
			m->grain = KAM_GRAIN_TIME;
		m->last = kam_when_skip_range_end(s, next) - 1;
		if (exact)
			return;
	}
}
