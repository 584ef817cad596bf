/*
 * core/quantity_dates.c: dates and times of day written in digits.
 */
#include "core/quantity_lexer.h"

#define FIRST_YEAR 1900
#define LAST_YEAR 2199

/* Words before 03/04 that make it a date and not a share or a score. */
static const Word date_leads[] = {
	{"le", 1}, {"du", 1}, {"au", 1}, {"on", 1}, {"by", 1}, {"the", 1}, {"since", 1}, {"depuis", 1}, {"avant", 1},
	{"before", 1}, {"after", 1}, {"until", 1}, {"from", 1}, {"lundi", 1}, {"mardi", 1}, {"mercredi", 1},
	{"jeudi", 1}, {"vendredi", 1}, {"samedi", 1}, {"dimanche", 1}, {"monday", 1}, {"tuesday", 1}, {"wednesday", 1},
	{"thursday", 1}, {"friday", 1}, {"saturday", 1}, {"sunday", 1},
	{NULL, 0}
};

static size_t
add_date(Lexer *lx, size_t start, size_t end, int year, int month, int day)
{
	KamQuantity *q = kam_lexer_add(lx, KAM_QUANTITY_DATE, start, end);

	q->year = year;
	q->month = month;
	q->day = day;
	return end;
}

static bool
is_date(int month, int day)
{
	return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* ---- dates -------------------------------------------------------------- */

/* Behind "2026-03-03": the time of day and the offset, which belong to the same reading. */
static size_t
skip_iso_time(const Lexer *lx, size_t at)
{
	size_t		i = at + 1;
	int			part;

	if ((char_at(lx, at) != 'T' && char_at(lx, at) != ' ') || kam_lexer_digits(lx, i, 2, &part) != 2 ||
		char_at(lx, i + 2) != ':' || kam_lexer_digits(lx, i + 3, 2, &part) != 2)
		return at;
	i += 5;
	while (char_at(lx, i) == ':' && digit_at(lx, i + 1))
		i += 3;
	if (char_at(lx, i) == '.' && digit_at(lx, i + 1))
		for (i++; digit_at(lx, i);)
			i++;
	if (char_at(lx, i) == 'Z')
		return i + 1;
	if ((char_at(lx, i) == '+' || char_at(lx, i) == '-') && digit_at(lx, i + 1))
		for (i++; digit_at(lx, i) || (char_at(lx, i) == ':' && digit_at(lx, i + 1));)
			i++;
	return i < lx->len ? i : lx->len;
}

/* 2026-03-03[T10:00...], 03/04/2026, 3.4.2026, "le 03/04"; the place behind it, or "at". */
size_t
kam_read_numeric_date(Lexer *lx, size_t at)
{
	int			first,
				second,
				third = 0;
	int			n1 = kam_lexer_digits(lx, at, 4, &first),
				n2,
				n3 = 0;
	char		sep = char_at(lx, at + (size_t) n1);
	size_t		end;

	if (n1 > 4 || (sep != '-' && sep != '/' && sep != '.'))
		return at;
	end = at + (size_t) n1 + 1;
	n2 = kam_lexer_digits(lx, end, 2, &second);
	if (n2 < 1 || n2 > 2)
		return at;
	end += (size_t) n2;
	if (char_at(lx, end) == sep && (n3 = kam_lexer_digits(lx, end + 1, 4, &third)) > 0)
		end += 1 + (size_t) n3;

	if (n1 == 4)
	{
		if (sep == '.' || n3 < 1 || n3 > 2 || !is_date(second, third))
			return at;
		return add_date(lx, at, skip_iso_time(lx, end), first, second, third);
	}
	if (n1 > 2 || (!is_date(second, first) && !is_date(first, second)))
		return at;
	if (n3 == 0)
	{
		if (sep != '/' || find_word(date_leads, lx->before) == 0)
			return at;
	}
	else if ((n3 != 4 && (n3 != 2 || sep != '/')) || (char_at(lx, end) == sep && digit_at(lx, end + 1)))
		return at;
	if (n3 == 2)
		third += 2000;
	if (is_date(second, first))
		add_date(lx, at, end, third, second, first);
	else
		add_date(lx, at, end, third, first, second);
	lx->found[lx->count - 1].swappable = is_date(second, first) && is_date(first, second);
	return end;
}

/* ", 2026" or " 2026" behind a date; the place behind it, or "at". */
static size_t
read_year(const Lexer *lx, size_t at, int *year)
{
	size_t		i = at;
	int			value;

	if (char_at(lx, i) == '.')
		i++;
	if (char_at(lx, i) == ',')
		i++;
	i = kam_lexer_skip_blanks(lx, i);
	if (kam_lexer_digits(lx, i, 4, &value) != 4 || value < FIRST_YEAR || value > LAST_YEAR)
		return at;
	*year = value;
	return i + 4;
}

/* "may" is a month only with a capital; every other name is one as it stands. */
static int
month_word(const Lexer *lx, size_t at, const char *word)
{
	if (strcmp(word, "may") == 0 && lx->s[at] != 'M')
		return 0;
	return find_word(kam_month_words, word);
}

/* "3 mars 2026", "3rd of March", "1er-avril": from the day number; the place behind it, or "at". */
size_t
kam_read_day_month(Lexer *lx, size_t at)
{
	char		word[WORD_SIZE];
	int			day,
				month,
				year = 0;
	int			n = kam_lexer_digits(lx, at, 2, &day);
	size_t		i = at + (size_t) n,
				end;

	if (n > 2 || day < 1 || day > 31)
		return at;
	end = kam_lexer_word(lx, i, word);
	if (end > i && find_word(kam_ordinal_ends, word) != 0)
		i = end;
	i = kam_lexer_skip_blanks(lx, char_at(lx, i) == '-' ? i + 1 : i);
	end = kam_lexer_word(lx, i, word);
	if (strcmp(word, "of") == 0 || strcmp(word, "de") == 0)
	{
		i = kam_lexer_skip_blanks(lx, end);
		end = kam_lexer_word(lx, i, word);
	}
	if (end == i || (month = month_word(lx, i, word)) == 0)
		return at;
	end = read_year(lx, end, &year);
	return add_date(lx, at, end, year, month, day);
}

/* "March 3rd, 2026" and "mars 2026": from the month's name; the place behind it, or "at". */
size_t
kam_read_month_day(Lexer *lx, size_t at, size_t word_end, const char *word)
{
	char		suffix[WORD_SIZE];
	int			month = month_word(lx, at, word);
	int			day,
				n,
				year = 0;
	size_t		i,
				end;

	if (month == 0)
		return at;
	end = read_year(lx, word_end, &year);
	if (year != 0)
	{
		KamQuantity *q = kam_lexer_add(lx, KAM_QUANTITY_MONTH, at, end);

		q->year = year;
		q->month = month;
		return end;
	}
	i = kam_lexer_skip_blanks(lx, char_at(lx, word_end) == '.' ? word_end + 1 : word_end);
	n = kam_lexer_digits(lx, i, 2, &day);
	if (i == word_end || n < 1 || n > 2 || day < 1 || day > 31)
		return at;
	i += (size_t) n;
	end = kam_lexer_word(lx, i, suffix);
	if (end > i && find_word(kam_ordinal_ends, suffix) == 0)
		return at;				/* "mars 14h" */
	if (char_at(lx, end) == ':' || kam_lexer_separator(lx, end) > 0 || kam_lexer_sign(lx, kam_lexer_skip_blanks(lx, end)) > 0 || char_at(lx, kam_lexer_skip_blanks(lx, end)) == '%' ||
		((char_at(lx, end) == '.' || char_at(lx, end) == ',') && digit_at(lx, end + 1)))
		return at;
	end = read_year(lx, end, &year);
	return add_date(lx, at, end, year, month, day);
}

/* ---- times of day ------------------------------------------------------- */

/* 14h, 14h30, 14:30, 9am, 9:30 pm; the place behind it, or "at". */
size_t
kam_read_clock(Lexer *lx, size_t at)
{
	char		word[WORD_SIZE];
	int			hour,
				minute = 0;
	int			n = kam_lexer_digits(lx, at, 2, &hour);
	size_t		i = at + (size_t) n,
				end = at;
	size_t		after;
	bool		half;

	if (n > 2 || hour > 24)
		return at;
	if (char_at(lx, i) == ':')
	{
		if (kam_lexer_digits(lx, i + 1, 2, &minute) != 2 || minute > 59)
			return at;
		i += 3;
		if (char_at(lx, i) == ':' && digit_at(lx, i + 1))
			i += 3;
		end = i = i < lx->len ? i : lx->len;
	}
	after = kam_lexer_skip_blanks(lx, i);
	if ((char_at(lx, after) | 0x20) == 'h' && !is_letter(char_at(lx, after + 1)))
	{
		/* "sous 24h" is how long */
		if (hour > 23)
			return at;
		end = after + 1;
		n = kam_lexer_digits(lx, kam_lexer_skip_blanks(lx, end), 2, &minute);
		if (n == 2 && minute <= 59 && (kam_lexer_skip_blanks(lx, end) == end || after > i))
			end = kam_lexer_skip_blanks(lx, end) + 2;
		else
			minute = 0;
		if (digit_at(lx, end))
			return at;
	}
	else
	{
		i = kam_lexer_word(lx, after, word);
		half = strcmp(word, "pm") == 0;
		if (half || strcmp(word, "am") == 0)
		{
			if (hour > 12)
				return at;
			hour = hour % 12 + (half ? 12 : 0);
			end = i;
		}
	}
	if (end == at)
		return at;
	kam_lexer_add(lx, KAM_QUANTITY_CLOCK, at, end)->minute = hour * 60 + minute;
	return end;
}
