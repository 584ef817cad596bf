/*
 * core/when_phrases.c: what stands before a date and changes it (apres, dans,
 * il y a, entre), and which reading a first word opens.
 *
 * References nest here ("after the end of ..."); the depth is bounded, because
 * the words are a stranger's.
 */
#include "core/when_read.h"

/* A noun group between "apres" and its date is at most this long. */
#define MAX_NOUN_WORDS 6
/* Text that nests deeper is no reference. */
#define MAX_DEPTH 4

/* ---- what stands before ------------------------------------------------ */

/* apres les vacances (d'ete), after the holidays; i is the noun. */
static bool
read_vacation(Scan *s, int i, Match *m)
{
	KamWhenDate date = {6, 1, 0, -1};
	int			next = i + 1,
				j = skip(s, next, KIND_BIT(WORD_OF), 1);
	bool		summer = false,
				winter = value(s, i) == 1;

	if (is_word(s, j, "ete") || is_word(s, j, "noel"))
	{
		summer = is_word(s, j, "ete");
		winter = !summer;
		next = j + 1;
	}
	else if (kind(s, i - 1) == WORD_SEASON || kind(s, i - 1) == WORD_HOLIDAY)
	{
		summer = is_word(s, i - 1, "summer");
		winter = is_word(s, i - 1, "christmas") || is_word(s, i - 1, "winter") || is_word(s, i - 1, "xmas");
	}
	else if (!winter)
	{
		/* which ones, the season of writing tells; of others the dates are not known */
		summer = s->now.month >= 5 && s->now.month <= 8;
		winter = s->now.month >= 11;
		if (is_word(s, i, "break") || is_word(s, i, "conges"))
			return false;
	}
	if (!summer && !winter)
		return false;
	if (summer)
		date.day = 1, date.month = 9;
	m->last = next - 1;
	m->after = true;
	return kam_when_resolve_date(s, &date, false, m);
}

/* Does a date stand here, as the last word of "apres le meeting du ..."? */
static bool
read_event_date(Scan *s, int i, Match *m)
{
	KamWhenDate date;
	int			next = kam_when_read_date_words(s, i, &date);

	if (next > i)
		return kam_when_finish_date(s, next, &date, m);
	switch (kind(s, i))
	{
		case WORD_WEEKDAY:
			return kam_when_read_weekday(s, i, WORD_NONE, m);
		case WORD_NUMBER:
			return kam_when_read_day_of_month(s, i, true, -1, m);
		case WORD_DAY:
			return value(s, i) >= 0 && kam_when_read_near_day(s, i, m);
		case WORD_NEXT:
			return kind(s, i + 1) == WORD_WEEKDAY && kam_when_read_weekday(s, i + 1, WORD_NEXT, m);
		default:
			return false;
	}
}

/* The day after: "apres le 15 mars", "after the meeting on March 15", "apres l'ete". */
static bool
read_after(Scan *s, int i, Match *m)
{
	int			j = i + 1,
				k;
	bool		named = is_kind(s, j, BIT3(ARTICLE, DETERMINER, THIS) | KIND_BIT(WORD_A) | KIND_BIT(WORD_NUMERAL));

	if (kind(s, j) == WORD_NOON || kind(s, j) == WORD_CLOCK || !in_sentence(s, j) || has_clause(s, j))
		return false;
	if (kind(s, j) == WORD_DAY && value(s, j) == 1)
	{
		m->last = j;
		m->day = s->now.today + 2;
		m->grain = KAM_GRAIN_DAY;
		return true;
	}
	k = skip(s, j, BIT2(ARTICLE, DETERMINER), 1);
	if (is_kind(s, k, BIT2(SEASON, HOLIDAY)) && kind(s, k + 1) == WORD_VACATION && flagged(s, k + 1, WORD_ENGLISH))
		return read_vacation(s, k + 1, m);
	if (kind(s, k) == WORD_VACATION)
		return read_vacation(s, k, m);
	/* the date at once; the article may belong to it */
	if ((k > j && kind(s, k) == WORD_NUMBER && kam_when_read_reference(s, j, m)) || kam_when_read_reference(s, k, m))
	{
		if (m->instant != KAM_NO_TIME)
			return false;
		kam_when_read_hour_after(s, m);
		m->after = true;
		if (m->grain == KAM_GRAIN_TIME)
			return true;
		m->day = m->beyond != 0 ? m->beyond : m->day + 1;
		m->minute = NO_MINUTE;
		m->past = m->day < s->now.today;
		return true;
	}
	/* the date of an event: the hour is the event's */
	if (!named)
		return false;
	for (k = j + 1; k <= j + MAX_NOUN_WORDS && in_sentence(s, k); k++)
	{
		bool		link = is_kind(s, k, BIT2(OF, ON));

		if (has_clause(s, k) || is_kind(s, k, KIND_BIT(WORD_PRONOUN)))
			return false;
		if (link && !has_clause(s, k + 1) && read_event_date(s, skip(s, k + 1, KIND_BIT(WORD_ARTICLE), 1), m))
		{
			kam_when_read_hour_after(s, m);
			m->day++;
			m->minute = NO_MINUTE;
			m->grain = KAM_GRAIN_DAY;
			m->after = true;
			m->past = m->day < s->now.today;
			return true;
		}
	}
	return false;
}

/* dans 2 semaines, in two weeks' time, d'ici 10 jours; i is the first word behind. */
static bool
read_ahead(Scan *s, int i, Match *m)
{
	Span		span;
	int			next = kam_when_read_span(s, i, &span);

	if (next == i)
		return false;
	/* "weeks' time" */
	if (is_word(s, next, "time"))
		next++;
	else if (is_word(s, next, "s") && is_word(s, next + 1, "time"))
		next += 2;
	m->last = next - 1;
	m->grain = KAM_GRAIN_DAY;
	return kam_when_add_span(s, s->now.today, &span, 1, m);
}

/* il y a 2 semaines; i is "y". */
static bool
read_ago(Scan *s, int i, Match *m)
{
	Span		span;
	int			j = i + 1 + (value(s, i) == 0),
				next;

	if (value(s, i) == 0 && kind(s, i + 1) != WORD_A)
		return false;
	next = kam_when_read_span(s, j, &span);
	if (next == j || is_kind(s, j, KIND_BIT(WORD_CLOCK)))
		return false;
	m->last = next - 1;
	m->grain = KAM_GRAIN_DAY;
	m->past = true;
	return kam_when_add_span(s, s->now.today, &span, -1, m);
}

/* two weeks ago, a week from now, two weeks from Monday, a week on Tuesday. */
static bool
read_counted(Scan *s, int i, Match *m)
{
	Span		span;
	Match		base = {.minute = NO_MINUTE, .instant = KAM_NO_TIME};
	int			next = kam_when_read_span(s, i, &span);

	if (next == i || !flagged(s, next - 1, WORD_ENGLISH))
		return false;
	m->grain = KAM_GRAIN_DAY;
	if (kind(s, next) == WORD_AGO)
	{
		m->last = next;
		m->past = true;
		return kam_when_add_span(s, s->now.today, &span, -1, m);
	}
	if (kind(s, next) == WORD_FROM && kind(s, next + 1) == WORD_NOW)
	{
		m->last = next + 1;
		return kam_when_add_span(s, s->now.today, &span, 1, m);
	}
	if (span.hours > 0 || (kind(s, next) != WORD_FROM && !(kind(s, next) == WORD_ON && span.days == 7)))
		return false;
	if (kind(s, next) == WORD_ON && kind(s, next + 1) != WORD_WEEKDAY)
		return false;
	if (!read_event_date(s, skip(s, next + 1, KIND_BIT(WORD_ARTICLE), 1), &base))
		return false;
	m->last = base.last;
	return kam_when_add_span(s, base.day, &span, 1, m);
}

/* entre le 10 et le 15 avril, between April 10 and 15: the first day. */
static bool
read_between(Scan *s, int i, Match *m)
{
	Match		end = {.minute = NO_MINUTE, .instant = KAM_NO_TIME};
	int			j = skip(s, i + 1, KIND_BIT(WORD_ARTICLE), 1),
				k;

	if (!kam_when_read_reference(s, j, m) && (j == i + 1 || !kam_when_read_reference(s, i + 1, m)))
		return false;
	k = m->last + 1;
	if (kind(s, k) != WORD_AND)
		return false;
	j = skip(s, k + 1, KIND_BIT(WORD_ARTICLE), 1);
	if (kam_when_read_reference(s, k + 1, &end) || kam_when_read_reference(s, j, &end))
		m->last = end.last;
	return true;
}


/* ---- one reference ----------------------------------------------------- */

/* this Monday, ce soir, last Friday, next week; i is the modifier. */
static bool
read_modified(Scan *s, int i, Match *m)
{
	int			k = kind(s, i),
				minute,
				next;
	bool		exact;

	if (k == WORD_LAST && kam_when_read_nth_weekday(s, i, m))
		return true;
	if (is_kind(s, i + 1, BIT2(WEEKDAY, SHORT_DAY)) && !flagged(s, i, WORD_PLURAL))
		return kam_when_read_weekday(s, i + 1, k, m);
	if (k != WORD_NEXT && (next = kam_when_read_daypart(s, i + 1, &minute, &exact)) > i + 1)
	{
		m->day = s->now.today - (k == WORD_LAST);
		m->past = k == WORD_LAST;
		m->minute = minute;
		m->grain = KAM_GRAIN_DAY;
		m->last = next - 1;
		return k == WORD_THIS || is_word(s, i + 1, "night");
	}
	return kam_when_read_whole_period(s, i, m);
}

/* A time or part of a day in front of its day: "14h mardi", "noon on Tuesday", "EOD Friday", "EOD". */
static bool
read_hour_before(Scan *s, int i, Match *m)
{
	int			minute,
				next = kam_when_read_clock(s, i, &minute),
				j;
	bool		exact = true;

	if (next > i)
		next = kam_when_skip_range_end(s, next);
	else if ((next = kam_when_read_daypart(s, i, &minute, &exact)) == i)
		return false;
	if (in_sentence(s, next) && !is_kind(s, next, KIND_BIT(WORD_AFTER)))
	{
		j = skip(s, next, BIT3(ON, ARTICLE, OF) | KIND_BIT(WORD_PREPOSITION), 2);
		if ((j > next && kam_when_read_reference(s, j - 1, m)) || kam_when_read_reference(s, j, m))
		{
			if (m->grain != KAM_GRAIN_DAY || m->minute != NO_MINUTE || m->after)
				return false;
			m->minute = minute;
			if (exact)
				m->grain = KAM_GRAIN_TIME;
			return true;
		}
	}
	/* "by EOD" */
	if (kind(s, i) == WORD_DAYPART && flagged(s, i, WORD_ORDINAL_FORM))
	{
		m->last = i;
		m->day = s->now.today;
		m->minute = minute;
		m->grain = KAM_GRAIN_DAY;
		return true;
	}
	return false;
}

/* One reference that begins at token i, by the kind of that token. */
static bool
dispatch(Scan *s, int i, Match *m)
{
	switch (kind(s, i))
	{
		case WORD_AFTER:
			return read_after(s, i, m);
		case WORD_BETWEEN:
			return read_between(s, i, m);
		case WORD_IN:
			return read_ahead(s, i + 1, m);
		case WORD_ICI:
			return is_word(s, i - 1, "d") && read_ahead(s, skip(s, i + 1, KIND_BIT(WORD_A), 1), m);
		case WORD_GIVE:
			return kind(s, i + 1) == WORD_PRONOUN && value(s, i + 1) == 1 && read_ahead(s, i + 2, m);
		case WORD_Y:
			return read_ago(s, i, m);
		case WORD_ARTICLE:
			if (is_day_number(s, i + 1) && (value(s, i) == 1 || flagged(s, i, WORD_ENGLISH)))
			{
				if (kam_when_read_date(s, i + 1, m))
					return true;
				if (flagged(s, i, WORD_ENGLISH) && !flagged(s, i + 1, WORD_ORDINAL_FORM))
					return false;
				return kam_when_read_day_of_month(s, i + 1, flagged(s, i, WORD_ENGLISH), -1, m);
			}
			return false;
		case WORD_OF:
		case WORD_TO:
			if (!is_day_number(s, i + 1) || !flagged(s, i, WORD_FRENCH) || is_word(s, i, "de") || is_word(s, i, "des"))
				return false;
			return kam_when_read_date(s, i + 1, m) || kam_when_read_day_of_month(s, i + 1, true, -1, m);
		case WORD_ON:
		case WORD_PREPOSITION:
		case WORD_BEFORE:
		case WORD_FROM:
			/* "on 15th", "by the 15th": without the article the ordinal is needed */
			return is_day_number(s, i + 1) && flagged(s, i + 1, WORD_ORDINAL_FORM) && flagged(s, i, WORD_ENGLISH) &&
				(kam_when_read_date(s, i + 1, m) || kam_when_read_day_of_month(s, i + 1, true, -1, m));
		case WORD_NUMBER:
			return kam_when_read_nth_weekday(s, i, m) || read_counted(s, i, m) || read_hour_before(s, i, m) ||
				kam_when_read_date(s, i, m) || kam_when_read_whole_period(s, i, m);
		case WORD_ORDINAL:
			return kam_when_read_nth_weekday(s, i, m) || kam_when_read_date(s, i, m) || kam_when_read_whole_period(s, i, m);
		case WORD_DATE:
			return kam_when_read_date(s, i, m) || kam_when_read_whole_period(s, i, m);
		case WORD_NUMERAL:
		case WORD_A:
		case WORD_COUNT:
		case WORD_COLLECTIVE:
			return read_counted(s, i, m);
		case WORD_MONTH:
			return kam_when_read_date(s, i, m) || kam_when_read_whole_period(s, i, m);
		case WORD_WEEKDAY:
			return kam_when_read_weekday(s, i, kind(s, i - 1) == WORD_THIS ? WORD_THIS : WORD_NONE, m);
		case WORD_SHORT_DAY:
			return kam_when_read_short_day(s, i, m);
		case WORD_DAY:
			return kam_when_read_near_day(s, i, m);
		case WORD_NEXT:
		case WORD_LAST:
		case WORD_THIS:
			return read_modified(s, i, m);
		case WORD_WEEK_OF:
			return kam_when_read_week_of(s, i, m);
		case WORD_UNIT:
			return kam_when_read_week_of(s, i, m) || read_counted(s, i, m) || kam_when_read_whole_period(s, i, m);
		case WORD_QUARTER:
		case WORD_HALF:
		case WORD_WEEK_NUMBER:
		case WORD_SEASON:
		case WORD_WEEKEND:
		case WORD_NEW:
			return kam_when_read_whole_period(s, i, m);
		case WORD_HOLIDAY:
			return kam_when_read_holiday(s, i, m);
		case WORD_RENTREE:
			return kam_when_read_rentree(s, i, m);
		case WORD_PART:
			return kam_when_read_part(s, i, m) || read_hour_before(s, i, m);
		case WORD_PERIOD_END:
			return kam_when_read_period_end(s, i, m);
		case WORD_CLOCK:
		case WORD_DAYPART:
		case WORD_NOON:
			return read_hour_before(s, i, m);
		default:
			return false;
	}
}

/* One reference that begins at token i. */
bool
kam_when_read_reference(Scan *s, int i, Match *m)
{
	bool		found;

	*m = (Match) {.minute = NO_MINUTE, .instant = KAM_NO_TIME};
	if (s->depth >= MAX_DEPTH)
		return false;
	s->depth++;
	found = dispatch(s, i, m);
	s->depth--;
	return found;
}
