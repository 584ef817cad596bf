/*
 * core/when_periods.c: weeks, months, quarters, seasons and years as words say
 * them, their parts, and feasts.
 *
 * A period is read first (read_period) and placed afterwards; a bare one
 * ("mois", "this week") means nothing without a part.
 */
#include "core/when_read.h"

/*
 * A season word that is a season: "cet ete", "l'ete", "in the fall", "summer
 * 2026"; but not "j'ai ete", "sales fall", "offre de printemps".
 */
static bool
is_season(const Scan *s, int i)
{
	const uint64_t before = BIT3(THIS, NEXT, LAST) | KIND_BIT(WORD_TO);

	if (kind(s, i) != WORD_SEASON)
		return false;
	if (s->lenient || (kind(s, i + 1) == WORD_NUMBER && value(s, i + 1) >= 1900 && value(s, i + 1) < 2200))
		return true;
	if (kind(s, i - 1) == WORD_OF)
		return kind(s, i - 2) == WORD_PART;
	if (kind(s, i - 1) == WORD_ARTICLE && flagged(s, i - 1, WORD_FRENCH))
		return kind(s, i - 2) != WORD_PRONOUN;
	if (kind(s, i - 1) == WORD_ARTICLE)
		return flagged(s, i - 2, WORD_BEFORE_MONTH) || is_kind(s, i - 2, before);
	return flagged(s, i - 1, WORD_BEFORE_MONTH) || is_kind(s, i - 1, before);
}

/* Months of the calendar that come round every year. */
static void
set_months(const Scan *s, KamPeriod *period, int month, int months)
{
	*period = (KamPeriod) {.first_month = (int64_t) s->now.year * 12 + month - 1, .months = months, .cycle = 12};
}

/* A season; "cet ete" within the summer is no date to come. */
static void
set_season(const Scan *s, KamPeriod *period, int i)
{
	int			month = value(s, i),
				months = month == 7 ? 2 : 3;

	set_months(s, period, month, months);
	period->bare = kind(s, i - 1) == WORD_THIS && s->now.month >= month && s->now.month < month + months;
}

/* The current unit, moved by some: "this month" 0, "next month" 1. */
static bool
set_unit(const Scan *s, KamPeriod *period, int unit, int moved)
{
	static const int months[] = {[UNIT_MONTH] = 1, [UNIT_QUARTER] = 3, [UNIT_HALF] = 6, [UNIT_YEAR] = 12};
	int			length;

	*period = (KamPeriod) {0};
	period->past = moved < 0;
	if (unit == UNIT_WEEK)
	{
		period->monday = s->now.today - s->now.weekday + 7 * moved;
		return true;
	}
	if (unit < UNIT_MONTH)
		return false;
	length = months[unit];
	period->months = length;
	period->first_month = (int64_t) s->now.year * 12 + (s->now.month - 1) / length * length + moved * length;
	return true;
}

/* Fix a yearly period to a year. */
static void
set_year(KamPeriod *period, int year)
{
	period->first_month = (int64_t) year * 12 + period->first_month % 12;
	period->cycle = 0;
	period->bare = false;
}

/* Year, "prochain" or "dernier" behind a yearly period. */
static int
read_period_year(const Scan *s, int i, KamPeriod *period)
{
	int			year,
				next = kam_when_read_year(s, i, &year);

	if (next > i)
	{
		set_year(period, year);
		return next;
	}
	if (is_kind(s, i, BIT2(NEXT, LAST)) && flagged(s, i, WORD_FRENCH))
	{
		period->past = kind(s, i) == WORD_LAST;
		return i + 1;
	}
	return i;
}

/* "first week of May", "2e quinzaine de mars", "second half of April"; i is behind the ordinal. */
static int
read_slice(const Scan *s, int i, int nth, bool last, KamPeriod *period)
{
	KamPeriod	month;
	int			j = skip(s, i + 1, BIT2(OF, ARTICLE), 2),
				next = is_kind(s, j, BIT2(MONTH, NEXT)) || is_unit(s, j, UNIT_MONTH) ? kam_when_read_period(s, j, &month) : j;
	int64_t		day;

	if (next == j || month.months != 1)
		return i;
	if (is_unit(s, i, UNIT_WEEK))
		day = last ? 24 : 7 * (nth - 1);
	else
		day = nth == 1 ? 0 : 15;
	/* a week that begins on a day of the month; the year as the month's */
	for (int times = 0; times < 2; times++)
	{
		int64_t		first = month.first_month + times * (int64_t) month.cycle;

		*period = (KamPeriod) {.monday = kam_days_from_date((int) (first / 12), (int) (first % 12) + 1, 1) + day};
		if (period->monday >= s->now.today || month.cycle == 0)
			break;
	}
	return next;
}

/* premier trimestre, 2e semestre, second half, last quarter 2026, first week of May. */
static int
read_ordinal_period(const Scan *s, int i, KamPeriod *period)
{
	bool		last = kind(s, i) == WORD_LAST;
	int			nth = last ? 4 : value(s, i),
				j = i + 1,
				next;

	if (!is_kind(s, i, BIT3(ORDINAL, NUMBER, LAST)) || nth < 1 || nth > 4)
		return i;
	if (kind(s, i) == WORD_NUMBER && !flagged(s, i, WORD_ORDINAL_FORM))
		return i;
	if (is_unit(s, j, UNIT_WEEK) || is_unit(s, j, UNIT_HALF) || is_word(s, j, "quinzaine"))
	{
		next = read_slice(s, j, nth, last, period);
		if (next > j)
			return next;
	}
	if (is_unit(s, j, UNIT_QUARTER))
		set_months(s, period, 3 * nth - 2, 3);
	else if (is_unit(s, j, UNIT_HALF) && (nth <= 2 || last))
		set_months(s, period, nth == 1 ? 1 : 7, 6);
	else
		return i;
	next = read_period_year(s, j + 1, period);
	if (last && next == j + 1)
		return i;				/* "last quarter": the one before */
	/* "half of the year" */
	j = skip(s, next, BIT2(OF, ARTICLE), 2);
	if (j > next && is_unit(s, j, UNIT_YEAR))
		next = j + 1;
	/* an English "second half" of nothing may be of a match */
	else if (is_word(s, i + 1, "half") && next == i + 2)
		return i;
	return next;
}

/* next month, last week, cette annee, prochain trimestre, this summer. */
static int
read_moved_period(const Scan *s, int i, KamPeriod *period)
{
	int			moved = (kind(s, i) == WORD_NEXT) - (kind(s, i) == WORD_LAST);
	int			j = i + 1;

	if (flagged(s, i, WORD_PLURAL))
		return i;
	if (kind(s, i) == WORD_LAST)
	{
		int			next = read_ordinal_period(s, i, period);

		if (next > i)
			return next;
	}
	if (kind(s, j) == WORD_UNIT && !flagged(s, j, WORD_PLURAL) && value(s, j) >= UNIT_WEEK && value(s, j) != UNIT_FORTNIGHT)
	{
		if (is_joined(s, j + 1) && is_word(s, j + 1, "end"))
		{
			set_unit(s, period, UNIT_WEEK, moved);
			period->weekend = true;
			return j + 2;
		}
		set_unit(s, period, value(s, j), moved);
		period->bare = moved == 0;
		if (moved == 0 && is_kind(s, j + 1, BIT2(NEXT, LAST)))
			return i;
		/* "ce mois-ci" */
		return moved == 0 && is_word(s, j + 1, "ci") ? j + 2 : j + 1;
	}
	if (kind(s, j) == WORD_WEEKEND)
	{
		set_unit(s, period, UNIT_WEEK, moved);
		period->weekend = true;
		return j + 1;
	}
	if (kam_when_is_month_word(s, j) && (kind(s, i) != WORD_THIS || !is_word(s, j, "may")))
		set_months(s, period, value(s, j), 1);
	else if (is_season(s, j))
		set_season(s, period, j);
	else
		return i;
	period->past = moved < 0;
	return read_period_year(s, j + 1, period);
}

/* semaine prochaine, mois dernier, week 14, trimestre 2, annee; i is the unit. */
static int
read_unit_period(const Scan *s, int i, KamPeriod *period)
{
	int			unit = value(s, i),
				j = i + 1,
				year = 0,
				next;

	if (unit < UNIT_WEEK || unit == UNIT_FORTNIGHT || flagged(s, i, WORD_PLURAL))
		return i;
	if (is_joined(s, j) && is_word(s, j, "end"))
	{
		bool		moved = kind(s, j + 1) == WORD_NEXT;

		set_unit(s, period, UNIT_WEEK, moved);
		period->weekend = true;
		period->cycle = !moved;
		return j + 1 + moved;
	}
	if (is_kind(s, j, BIT2(NEXT, LAST)) && flagged(s, j, WORD_FRENCH) && flagged(s, i, WORD_FRENCH))
	{
		set_unit(s, period, unit, kind(s, j) == WORD_NEXT ? 1 : -1);
		return j + 1;
	}
	if (unit == UNIT_WEEK && is_word(s, j, "after") && kind(s, j + 1) == WORD_NEXT)
	{
		set_unit(s, period, unit, 2);
		return j + 2;
	}
	if (kind(s, j) == WORD_NUMBER && !flagged(s, j, WORD_ORDINAL_FORM) && !has_clause(s, j) && value(s, j) >= 1)
	{
		next = kam_when_read_year(s, j + 1, &year);
		if (unit == UNIT_WEEK && value(s, j) <= 53 && (next > j + 1 || !is_kind(s, j + 1, BIT3(OF, UNIT, NUMBER))))
		{
			*period = (KamPeriod) {0};
			if (kam_when_week(&s->now, value(s, j), year, s->since, &period->monday))
				return next;
			return i;
		}
		if (unit == UNIT_QUARTER && value(s, j) <= 4)
			set_months(s, period, 3 * value(s, j) - 2, 3);
		else if (unit == UNIT_HALF && value(s, j) <= 2)
			set_months(s, period, 6 * value(s, j) - 5, 6);
		else
			year = -1;
		if (year >= 0)
			return read_period_year(s, j + 1, period);
	}
	/* "le mois de juin" */
	if (unit == UNIT_MONTH && kind(s, j) == WORD_OF && kam_when_is_month(s, j + 1))
		return kam_when_read_period(s, j + 1, period);
	if (is_word(s, i, "half") || is_word(s, i, "an"))
		return i;
	set_unit(s, period, unit, 0);
	period->bare = true;
	period->cycle = unit == UNIT_WEEK ? 1 : period->months;
	return j;
}

/* A week, month, quarter, half, season or year; index behind it, or i. */
int
kam_when_read_period(const Scan *s, int i, KamPeriod *period)
{
	int			k = kind(s, i),
				year = 0,
				next;

	*period = (KamPeriod) {0};
	switch (k)
	{
		case WORD_MONTH:
			if (!kam_when_is_month(s, i))
				return i;
			set_months(s, period, value(s, i), 1);
			return read_period_year(s, i + 1, period);
		case WORD_DATE:
			if (value(s, i) != 0)
				return i;
			set_months(s, period, s->words[i].a, 1);
			set_year(period, s->words[i].b);
			return i + 1;
		case WORD_QUARTER:
			set_months(s, period, 3 * value(s, i) - 2, 3);
			return read_period_year(s, i + 1, period);
		case WORD_HALF:
			set_months(s, period, 6 * value(s, i) - 5, 6);
			return read_period_year(s, i + 1, period);
		case WORD_SEASON:
			if (!is_season(s, i))
				return i;
			set_season(s, period, i);
			return read_period_year(s, i + 1, period);
		case WORD_WEEK_NUMBER:
			next = kam_when_read_year(s, i + 1, &year);
			return kam_when_week(&s->now, value(s, i), year, s->since, &period->monday) ? next : i;
		case WORD_NEXT:
		case WORD_LAST:
		case WORD_THIS:
			return read_moved_period(s, i, period);
		case WORD_UNIT:
			return read_unit_period(s, i, period);
		case WORD_ORDINAL:
			return read_ordinal_period(s, i, period);
		case WORD_WEEKEND:
			set_unit(s, period, UNIT_WEEK, kind(s, i + 1) == WORD_NEXT);
			period->weekend = true;
			period->cycle = kind(s, i + 1) != WORD_NEXT;
			return i + 1 + !period->cycle;
		case WORD_NEW:
			if (!is_unit(s, i + 1, UNIT_YEAR) || kind(s, i - 1) == WORD_WISH)
				return i;
			set_months(s, period, 1, 12);
			next = skip(s, i + 2, KIND_BIT(WORD_FOLLOW), is_word(s, i + 2, "s"));
			return is_unit(s, next, UNIT_DAY) ? next + 1 : next;
		case WORD_NUMBER:
			next = read_ordinal_period(s, i, period);
			if (next > i)
				return next;
			/* "en 2027", "fin 2026" */
			if (value(s, i) < 1990 || value(s, i) >= 2200 || is_kind(s, i + 1, BIT2(UNIT, BLOCK)))
				return i;
			if (!is_kind(s, i - 1, BIT3(PREPOSITION, IN, ICI) | BIT3(PART, OF, SINCE) | BIT2(BEFORE, AFTER)))
				return i;
			set_months(s, period, 1, 12);
			set_year(period, value(s, i));
			return i + 1;
		default:
			return i;
	}
}

static bool
place_period(const Scan *s, const KamPeriod *period, KamPart part, Match *m)
{
	bool		past = period->past || s->since;

	m->day = kam_when_place(&s->now, period, part, false, past);
	m->beyond = kam_when_place(&s->now, period, part, true, past);
	m->past = m->day < s->now.today;
	if (period->weekend)
		m->grain = KAM_GRAIN_DAY;
	else if (part == PART_WHOLE)
	{
		m->week = period->months == 0;
		m->grain = period->months == 0 ? KAM_GRAIN_WEEK : period->months == 1 ? KAM_GRAIN_MONTH : KAM_GRAIN_QUARTER;
	}
	else
		m->grain = period->months <= 1 ? KAM_GRAIN_PART : KAM_GRAIN_QUARTER;
	return true;
}

/* A period by itself means its first day. */
bool
kam_when_read_whole_period(Scan *s, int i, Match *m)
{
	KamPeriod	period;
	int			next = kam_when_read_period(s, i, &period);

	if (next == i || period.bare)
		return false;
	/* the month of a date that does not exist */
	if (kind(s, i) == WORD_MONTH && is_day_number(s, i - 1) && !has_clause(s, i))
		return false;
	/* "en 2026", said in 2026 */
	if (kind(s, i) == WORD_NUMBER && period.months == 12 && period.first_month / 12 == s->now.year)
		return false;
	m->last = next - 1;
	return place_period(s, &period, PART_WHOLE, m);
}

/* debut avril, fin du mois, mid-June, end of Q2, early next week. */
bool
kam_when_read_part(Scan *s, int i, Match *m)
{
	KamPeriod	period;
	int			part = value(s, i),
				j = i + 1,
				next,
				minute;
	bool		exact;

	/* "mi a fin juin": the first of both */
	next = skip(s, j, BIT3(A, TO, AND), 1);
	if (kind(s, next) == WORD_PART && next - j <= 1)
		j = next + 1;
	if (is_word(s, j, "in") && !is_word(s, i, "start") && !is_word(s, i, "end"))
		j++;
	j = skip(s, j, BIT2(OF, ARTICLE), 3);
	next = kam_when_read_period(s, j, &period);
	if (next > j && !period.weekend)
	{
		m->last = next - 1;
		return place_period(s, &period, (KamPart) part, m);
	}
	/* "EOD" spelled out; "at the end of the day" is none */
	next = kam_when_read_daypart(s, i, &minute, &exact);
	if (next > i && part == PART_END && kind(s, next - 1) == WORD_UNIT && kind(s, i - 1) != WORD_ARTICLE)
	{
		m->last = next - 1;
		m->day = s->now.today;
		m->minute = minute;
		m->grain = KAM_GRAIN_DAY;
		return true;
	}
	return false;
}

/* EOM, EOY. */
bool
kam_when_read_period_end(Scan *s, int i, Match *m)
{
	KamPeriod	period;

	set_unit(s, &period, value(s, i), 0);
	period.cycle = value(s, i) == UNIT_WEEK ? 1 : period.months;
	m->last = i;
	return place_period(s, &period, PART_END, m);
}

/* Noel, Easter 2027. */
bool
kam_when_read_holiday(Scan *s, int i, Match *m)
{
	int			year = 0,
				next = kam_when_read_year(s, i + 1, &year);
	bool		past = false;

	if (kind(s, i - 1) == WORD_WISH)
		return false;
	if (next == i + 1 && is_kind(s, next, BIT2(NEXT, LAST)) && flagged(s, next, WORD_FRENCH))
		past = kind(s, next++) == WORD_LAST;
	past = past || s->since || (kind(s, i - 1) == WORD_LAST && flagged(s, i - 1, WORD_ENGLISH));
	m->day = kam_when_holiday(&s->now, (KamHoliday) value(s, i), year, past);
	m->past = m->day < s->now.today;
	m->grain = KAM_GRAIN_DAY;
	m->last = next - 1;
	return true;
}

/* A la rentree: 1 September. */
bool
kam_when_read_rentree(Scan *s, int i, Match *m)
{
	KamPeriod	period;

	/* "je suis rentree" */
	if (!s->lenient && !is_word(s, i - 1, "la") && !is_word(s, i - 1, "de") && !is_word(s, i - 1, "cette"))
		return false;
	set_months(s, &period, 9, 1);
	m->last = read_period_year(s, i + 1, &period) - 1;
	place_period(s, &period, PART_WHOLE, m);
	m->beyond = m->day;			/* "apres la rentree" is not a month later */
	return true;
}

/* semaine du 16 mars, week of March 16, w/c 16 March; i is the word for week. */
bool
kam_when_read_week_of(Scan *s, int i, Match *m)
{
	KamWhenDate date;
	int			j = i + 1,
				next;

	if (kind(s, i) == WORD_WEEK_OF && flagged(s, i, WORD_WEAK))
	{
		if (!is_word(s, j, "c"))
			return false;
		j++;
	}
	else if (kind(s, i) == WORD_UNIT && (!is_unit(s, i, UNIT_WEEK) || kind(s, j) != WORD_OF))
		return false;
	j = skip(s, j, BIT2(OF, ARTICLE), 2);
	if (kind(s, j) == WORD_WEEKDAY)
		j++;
	next = kam_when_read_date_words(s, j, &date);
	if (next > j)
	{
		if (!kam_when_finish_date(s, next, &date, m))
			return false;
	}
	else if (!kam_when_read_day_of_month(s, j, true, -1, m))
		return false;
	m->grain = KAM_GRAIN_WEEK;
	m->week = (m->day + 3) % 7 == 0;
	m->beyond = m->day + 7;
	return true;
}
