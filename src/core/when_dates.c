/*
 * core/when_dates.c: days as words say them: dates, days of the month,
 * weekdays, demain.
 *
 * Which year an unsaid one is, when_days.c decides.
 */
#include "core/when_read.h"

/* With a cue like "suite a" a date this long ago is meant rather than its next occurrence. */
#define CUE_DAYS 60

/* A year behind a month or a quarter: 2027, de l'annee prochaine, of next year. */
int
kam_when_read_year(const Scan *s, int i, int *year)
{
	int			j = skip(s, i, BIT2(OF, ARTICLE), 2);
	int			k = is_unit(s, j, UNIT_YEAR) ? j + 1 : j;
	int			unit = k > j ? j : j + 1;

	if (kind(s, j) == WORD_NUMBER && value(s, j) >= 1900 && value(s, j) < 2200 &&
		!flagged(s, j, WORD_ORDINAL_FORM))
	{
		*year = value(s, j);
		return j + 1;
	}
	if (!is_unit(s, unit, UNIT_YEAR) || !is_kind(s, k, BIT3(NEXT, LAST, THIS)) || flagged(s, k, WORD_PLURAL))
		return i;
	*year = s->now.year + (kind(s, k) == WORD_NEXT) - (kind(s, k) == WORD_LAST);
	return j + 2;
}

/* Words behind "may" that show the verb. */
static bool
is_modal(const Scan *s, int i)
{
	static const char *const verbs[] = {"be", "not", "have", "need", "i", "we", "you", "they", "he", "she", "it", "also",
	"well", "want", "take", "require", "or"};

	if (!is_word(s, i, "may"))
		return false;
	if (kind(s, i - 1) == WORD_PRONOUN)
		return true;
	if (has_clause(s, i + 1) || (flagged(s, i - 1, WORD_BEFORE_MONTH) && kind(s, i - 1) != WORD_AND))
		return false;
	for (size_t k = 0; k < KAM_LENGTHOF(verbs); k++)
		if (is_word(s, i + 1, verbs[k]))
			return true;
	return false;
}

/* Is the month word here a month, by what stands around it? */
bool
kam_when_is_month(const Scan *s, int i)
{
	if (kind(s, i) != WORD_MONTH || is_modal(s, i))
		return false;
	if (is_word(s, i, "sept") && kind(s, i + 1) == WORD_UNIT)
		return false;
	if (flagged(s, i, WORD_NAME) && (s->tokens->token[i].flags & KAM_TOKEN_CAPITAL) != 0)
	{
		if (i > 0 && flagged(s, i - 1, WORD_BEFORE_NAME))
			return false;
		if (in_sentence(s, i + 1) && !has_clause(s, i + 1) && kind(s, i + 1) == WORD_NONE &&
			(s->tokens->token[i + 1].flags & KAM_TOKEN_CAPITAL) != 0)
			return false;
	}
	if (!flagged(s, i, WORD_WEAK) || s->lenient)
		return true;
	if (flagged(s, i - 1, WORD_BEFORE_MONTH))
		return true;
	/* "March or April", "from March to May" */
	if ((is_kind(s, i - 1, BIT3(TO, AND, A)) && kind(s, i - 2) == WORD_MONTH) ||
		(is_kind(s, i + 1, BIT2(TO, AND)) && kind(s, i + 2) == WORD_MONTH && !is_modal(s, i + 2)))
		return true;
	if (is_day_number(s, i - 1) || (is_day_number(s, i + 1) && flagged(s, i, WORD_ENGLISH) && !has_clause(s, i + 1)))
		return true;
	return kind(s, i + 1) == WORD_NUMBER && value(s, i + 1) >= 1900 && value(s, i + 1) < 2200;
}

/* "may" and the like behind a day number or in front of one. */
bool
kam_when_is_month_word(const Scan *s, int i)
{
	return kind(s, i) == WORD_MONTH && !is_modal(s, i) && !(is_word(s, i, "sept") && kind(s, i + 1) == WORD_UNIT);
}

/* Turns a date into the day of the match; false when there is no such date. */
bool
kam_when_resolve_date(const Scan *s, const KamWhenDate *date, bool past, Match *m)
{
	int64_t		before;

	if (!kam_when_day(&s->now, date, past || s->since, &m->day))
		return false;
	/* after "suite a", a date just gone rather than one most of a year ahead */
	if ((s->cue || s->hint) && date->year == 0 && kam_when_day(&s->now, date, true, &before) &&
		s->now.today - before <= CUE_DAYS && m->day - s->now.today > CUE_DAYS / 2)
		m->day = before;
	m->past = m->day < s->now.today;
	m->open = date->year == 0;
	m->date = *date;
	m->grain = KAM_GRAIN_DAY;
	return true;
}

/* The words of a date, without resolving it: "15 mars 2026", "premier avril", "March 15th", "15/03". */
int
kam_when_read_date_words(const Scan *s, int i, KamWhenDate *date)
{
	int			j;
	bool		first = kind(s, i) == WORD_ORDINAL && value(s, i) == 1;

	*date = (KamWhenDate) {0, 0, 0, -1};
	if (kind(s, i) == WORD_DATE && value(s, i) > 0)
	{
		*date = (KamWhenDate) {value(s, i), s->words[i].a, s->words[i].b, -1};
		return i + 1;
	}
	if (is_day_number(s, i) || first)
	{
		j = skip(s, i + 1, KIND_BIT(WORD_OF), 1);
		if (!kam_when_is_month_word(s, j) || (has_clause(s, j) && !is_joined(s, j)))
			return i;
		date->day = value(s, i);
		date->month = value(s, j);
		i = j + 1;
	}
	else if (kam_when_is_month(s, i) && flagged(s, i, WORD_ENGLISH))
	{
		j = skip(s, i + 1, KIND_BIT(WORD_ARTICLE), 1);
		if (!is_day_number(s, j) || has_clause(s, j))
			return i;
		if (is_kind(s, j + 1, BIT3(UNIT, MERIDIEM, BLOCK)) && !flagged(s, j, WORD_ORDINAL_FORM))
			return i;
		/* "in March 15 people came" */
		if (is_word(s, i - 1, "in") && !flagged(s, j, WORD_ORDINAL_FORM) && in_sentence(s, j + 1) &&
			!has_clause(s, j + 1) && kind(s, j + 1) == WORD_NONE)
			return i;
		date->day = value(s, j);
		date->month = value(s, i);
		i = j + 1;
	}
	else
		return i;
	j = kam_when_read_year(s, i, &date->year);
	return j;
}

/* "10" of "10 et 15 avril", "du 3 au 14 mars", "10-12 March": the month stands further on. */
static bool
borrow_month(const Scan *s, int i, KamWhenDate *date)
{
	int			j = i + 1;

	for (int round = 0; round < 3; round++)
	{
		int			k = skip(s, j, BIT3(AND, TO, A) | KIND_BIT(WORD_PREPOSITION), 2);
		KamWhenDate end;

		if (k == j && !is_joined(s, j) && !has_clause(s, j))
			return false;
		k = skip(s, k, KIND_BIT(WORD_ARTICLE), 1);
		k = skip(s, k, KIND_BIT(WORD_WEEKDAY), 1);
		if (!is_day_number(s, k))
			return false;
		if (kam_when_read_date_words(s, k, &end) > k)
		{
			*date = (KamWhenDate) {value(s, i), end.month, end.year, date->weekday};
			return true;
		}
		j = k + 1;
	}
	return false;
}

/* May a bare day of the month end here?  "le 15 convient" does, "le 15 rue" does not. */
static bool
ends_day(const Scan *s, int i, bool strict)
{
	const uint64_t never = BIT3(BLOCK, UNIT, NUMBER) | BIT3(NUMERAL, WORKING, MONTH) | BIT3(COUNT, MERIDIEM, HALF_MORE) |
		BIT2(DATE, WEEKDAY);

	if (!in_sentence(s, i) || has_clause(s, i))
		return true;
	if (is_kind(s, i, never))
		return false;
	return kind(s, i) != WORD_NONE || !strict;
}

/* "le 15", "the 15th (of next month)", "du 12": a day of the month alone; i is the number. */
bool
kam_when_read_day_of_month(Scan *s, int i, bool strict, int weekday, Match *m)
{
	KamWhenDate date = {value(s, i), 0, 0, weekday};
	KamPeriod	period;
	int			last = i,
				j;
	bool		past = false;

	if (!is_day_number(s, i))
		return false;
	if (flagged(s, i, WORD_ORDINAL_FORM))
	{
		const char *word = s->tokens->token[i].word;

		/* "2e", "3eme": never of a day in French */
		if (word[s->tokens->token[i].length - 1] == 'e' && value(s, i) != 1)
			return false;
		strict = strict || value(s, i) == 1;
	}
	if (borrow_month(s, i, &date))
	{
		m->last = i;
		return kam_when_resolve_date(s, &date, false, m);
	}
	j = i + 1;
	if (kind(s, j) == WORD_OF)
	{
		int			k = skip(s, j, BIT2(OF, ARTICLE), 2);
		int			after = kam_when_read_period(s, k, &period);

		if (after > k && period.months == 1)
		{
			date.year = (int) (period.first_month / 12);
			date.month = (int) (period.first_month % 12) + 1;
			/* "the 15th of the month": the next one */
			if (period.bare)
				date.year = date.month = 0;
			m->last = after - 1;
			return kam_when_resolve_date(s, &date, period.past, m);
		}
	}
	if (is_kind(s, j, BIT2(NEXT, LAST)) && flagged(s, j, WORD_FRENCH))
	{
		past = kind(s, j) == WORD_LAST;
		last = j;
	}
	else if (!ends_day(s, j, strict))
		return false;
	else if (s->said_sentence == s->sentence && weekday < 0)
	{
		if (date.day > s->said_before.day)
			date = (KamWhenDate) {date.day, s->said_before.month, s->said_before.year, -1};
		else if (s->said_until)
			date = (KamWhenDate) {date.day, s->said_before.month % 12 + 1,
				s->said_before.year > 0 ? s->said_before.year + s->said_before.month / 12 : 0, -1};
	}
	m->last = last;
	return kam_when_resolve_date(s, &date, past, m);
}

/* "le 15 mars dernier", "le 15 mars prochain". */
bool
kam_when_finish_date(Scan *s, int next, const KamWhenDate *date, Match *m)
{
	bool		past = false;

	m->last = next - 1;
	if (is_kind(s, next, BIT2(NEXT, LAST)) && flagged(s, next, WORD_FRENCH) && date->year == 0)
	{
		past = kind(s, next) == WORD_LAST;
		m->last = next;
	}
	return kam_when_resolve_date(s, date, past, m);
}

/* Any date with a month, and the lists that share one. */
bool
kam_when_read_date(Scan *s, int i, Match *m)
{
	KamWhenDate date;
	int			next = kam_when_read_date_words(s, i, &date);

	if (next == i)
	{
		bool		listed = is_joined(s, i + 1) || is_kind(s, i + 1, BIT2(AND, TO)) ||
			(is_word(s, i - 1, "les") && has_clause(s, i + 1));

		if (is_day_number(s, i) && listed && kind(s, i - 1) != WORD_MONTH)
		{
			date.weekday = -1;
			if (borrow_month(s, i, &date))
			{
				m->last = i;
				return kam_when_resolve_date(s, &date, false, m);
			}
		}
		/* "April 10 and 15": the month came before */
		if (is_day_number(s, i) && s->carried_at >= i - 2 && s->carried_at > 0 &&
			(is_kind(s, i - 1, BIT2(AND, TO)) || is_joined(s, i)) && ends_day(s, i + 1, true))
		{
			date = (KamWhenDate) {value(s, i), s->carried.month, s->carried.year, -1};
			m->last = i;
			return kam_when_resolve_date(s, &date, false, m);
		}
		return false;
	}
	if (kind(s, i) == WORD_DATE)
	{
		const uint64_t context = BIT3(ARTICLE, TO, ON) | BIT3(WEEKDAY, SHORT_DAY, BETWEEN) |
			BIT3(BEFORE, AFTER, PREPOSITION) | BIT2(FROM, SINCE);

		if (flagged(s, i, WORD_WEAK) && !is_kind(s, i - 1, context) && !is_word(s, i - 1, "du") && !s->lenient)
			return false;
		if (flagged(s, i, WORD_WEAK) && is_kind(s, i + 1, BIT2(UNIT, BLOCK)))
			return false;
		if (s->words[i].c >= 0)
		{
			m->last = i;
			if (!kam_when_resolve_date(s, &date, false, m))
				return false;
			m->minute = s->words[i].c;
			m->grain = KAM_GRAIN_TIME;
			return true;
		}
	}
	if (!kam_when_finish_date(s, next, &date, m))
		return false;
	if (kind(s, i) == WORD_MONTH)
	{
		s->carried = date;
		s->carried_at = m->last;
	}
	return true;
}

/* "chaque lundi", "du lundi au vendredi", "Monday to Friday": no day of its own. */
static bool
is_habit(const Scan *s, int i)
{
	const uint64_t to = BIT2(TO, A);
	int			open = i,
				close = i + 1;

	if (kind(s, i - 1) == WORD_EVERY)
		return true;
	/* the other end of the stretch */
	if (is_kind(s, i + 1, to))
		close = i + 2;
	else if (!is_joined(s, i + 1))
	{
		close = i;
		open = is_kind(s, i - 1, to) ? i - 2 : i - 1;
		if (open == i - 1 && !is_joined(s, i))
			return false;
	}
	if (!is_kind(s, open, BIT2(WEEKDAY, SHORT_DAY)) || !is_kind(s, close, BIT2(WEEKDAY, SHORT_DAY)))
		return false;
	if (is_day_number(s, close + 1))
		return false;
	return is_word(s, open - 1, "du") || (value(s, open) == 0 && value(s, close) == 4);
}

/* "le dernier vendredi du mois", "first Monday of April"; i is the ordinal. */
bool
kam_when_read_nth_weekday(Scan *s, int i, Match *m)
{
	KamPeriod	period;
	bool		last = kind(s, i) == WORD_LAST;
	int			j = skip(s, i + 2, BIT2(OF, ARTICLE), 2),
				next;

	if (kind(s, i + 1) != WORD_WEEKDAY || j == i + 2 || (!last && (value(s, i) < 1 || value(s, i) > 4)))
		return false;
	if (kind(s, i) == WORD_NUMBER && !flagged(s, i, WORD_ORDINAL_FORM))
		return false;
	next = kam_when_read_period(s, j, &period);
	if (next == j || period.months != 1)
		return false;
	for (int times = 0; times < 2; times++)
	{
		int64_t		month = period.first_month + (int64_t) times * period.cycle + (last ? 1 : 0);
		int64_t		first = kam_days_from_date((int) (month / 12), (int) (month % 12) + 1, 1);

		m->day = first + ((value(s, i + 1) - (first + 3) % 7) % 7 + 7) % 7 + (last ? -7 : 7 * (value(s, i) - 1));
		if (period.cycle == 0 || m->day >= s->now.today)
			break;
	}
	m->past = m->day < s->now.today;
	m->grain = KAM_GRAIN_DAY;
	m->last = next - 1;
	return true;
}

/* lundi, mardi 17, Tuesday March 17, mardi en huit, Monday week; i is the day's name. */
bool
kam_when_read_weekday(Scan *s, int i, int modifier, Match *m)
{
	KamWhenDate date;
	int			weekday = value(s, i),
				weeks = 0,
				next = i + 1,
				j,
				ahead = (weekday - s->now.weekday + 7) % 7;

	if (is_habit(s, i))
		return false;
	j = skip(s, next, KIND_BIT(WORD_ARTICLE), 1);
	next = kam_when_read_date_words(s, j, &date);
	if (next > j)
	{
		date.weekday = weekday;
		return kam_when_finish_date(s, next, &date, m);
	}
	if (is_day_number(s, j) && (!has_clause(s, j) || j > i + 1) && kind(s, j + 1) != WORD_MONTH)
	{
		int			ignored;

		if (kam_when_read_clock(s, j, &ignored) == j && kam_when_read_day_of_month(s, j, false, weekday, m))
			return true;
	}

	next = i + 1;
	if (modifier == WORD_NONE && is_kind(s, next, BIT2(NEXT, LAST)) && flagged(s, next, WORD_FRENCH))
		modifier = kind(s, next++);
	else if (is_word(s, next, "en") && (is_word(s, next + 1, "huit") || is_word(s, next + 1, "quinze")))
	{
		weeks = is_word(s, next + 1, "huit") ? 1 : 2;
		next += 2;
	}
	else if (is_word(s, next, "week") && flagged(s, i, WORD_ENGLISH) && !is_kind(s, next + 1, BIT2(OF, NEXT)) &&
			 !is_joined(s, next + 1))
	{
		weeks = 1;
		next++;
	}
	else if (modifier == WORD_NONE && is_word(s, i - 1, "le") && !s->lenient)
	{
		int			ignored,
					k = skip(s, next, BIT3(A, OF, ABOUT), 1);

		/* "je suis absent le lundi": every week */
		if (kam_when_read_clock(s, k, &ignored) == k)
			return false;
	}
	if (modifier == WORD_LAST || s->since || (s->cue && modifier == WORD_NONE))
		m->day = s->now.today - (ahead == 0 ? 7 : 7 - ahead);
	else if (modifier == WORD_THIS)
		m->day = s->now.today + ahead;
	else
		m->day = s->now.today + (ahead == 0 ? 7 : ahead) + 7 * weeks;
	m->past = m->day < s->now.today;
	m->grain = KAM_GRAIN_DAY;
	m->last = next - 1;
	m->weekday = weekday + 1;
	return true;
}

/* mon, wed, sat: only next to a date, a time or a word that asks for a day. */
bool
kam_when_read_short_day(Scan *s, int i, Match *m)
{
	KamWhenDate date;
	int			ignored,
				next = skip(s, i + 1, BIT2(AT, ABOUT), 1);
	bool		fits;

	fits = kam_when_read_date_words(s, i + 1, &date) > i + 1 || kam_when_read_clock(s, next, &ignored) > next ||
		(kind(s, i + 1) == WORD_AT && kind(s, next) == WORD_NUMBER) ||
		(kind(s, next) == WORD_DAYPART && flagged(s, next, WORD_ENGLISH)) ||
		(is_kind(s, i - 1, BIT3(NEXT, ON, THIS)) && flagged(s, i - 1, WORD_ENGLISH)) ||
		is_word(s, i - 1, "by") || is_word(s, i - 1, "until") || is_word(s, i - 1, "till");
	return fits && kam_when_read_weekday(s, i, WORD_NONE, m);
}

/* demain, tomorrow, aujourd'hui, tonight. */
bool
kam_when_read_near_day(Scan *s, int i, Match *m)
{
	int			offset = value(s, i);

	m->last = kind(s, i + 1) == WORD_HUI ? i + 1 : i;
	if (is_word(s, i, "aujourd") && m->last == i)
		return false;
	if (is_word(s, i - 1, "avant") && is_word(s, i, "hier"))
		offset = -2;
	if (is_word(s, i - 1, "before") && is_word(s, i - 2, "day") && offset == -1)
		offset = -2;
	m->day = s->now.today + offset;
	m->past = offset < 0;
	m->grain = KAM_GRAIN_DAY;
	if (flagged(s, i, WORD_PLURAL))
		m->minute = 18 * 60;	/* tonight */
	return true;
}
