/*
 * core/quantity.c: dates, times, amounts and numbers in French and English
 * text.
 *
 * One pass over the bytes; invalid UTF-8 is passed over.  Digits that are part
 * of a name ("Q3", "B2B"), an address or a URL are no quantity.  Numbers in words
 * are quantity_words.c's.
 */
#include "core/quantity.h"

#include <math.h>
#include <string.h>

#define WORD_SIZE 16			/* longer words are none of ours */
#define FIRST_YEAR 1900
#define LAST_YEAR 2199

/* ---- words -------------------------------------------------------------- */

typedef struct Word
{
	const char *word;
	int			value;
} Word;

static const Word months[] = {
	{"janvier", 1}, {"janv", 1}, {"january", 1}, {"jan", 1},
	{"fevrier", 2}, {"fevr", 2}, {"fev", 2}, {"february", 2}, {"feb", 2},
	{"mars", 3}, {"march", 3}, {"mar", 3},
	{"avril", 4}, {"avr", 4}, {"april", 4}, {"apr", 4},
	{"mai", 5}, {"may", 5},
	{"juin", 6}, {"june", 6}, {"jun", 6},
	{"juillet", 7}, {"juil", 7}, {"july", 7}, {"jul", 7},
	{"aout", 8}, {"august", 8}, {"aug", 8},
	{"septembre", 9}, {"sept", 9}, {"september", 9}, {"sep", 9},
	{"octobre", 10}, {"october", 10}, {"oct", 10},
	{"novembre", 11}, {"november", 11}, {"nov", 11},
	{"decembre", 12}, {"dec", 12}, {"december", 12},
	{NULL, 0}
};

static const Word ordinals[] = {
	{"st", 1}, {"nd", 1}, {"rd", 1}, {"th", 1}, {"er", 1}, {"ere", 1}, {"e", 1}, {"eme", 1},
	{"nde", 1}, {"emes", 1}, {"ers", 1},
	{NULL, 0}
};

/* Each has a number of its own; dollars of no country may be anybody's. */
enum
{
	EURO = 1, DOLLAR, POUND, FRANC, US_DOLLAR, CANADIAN_DOLLAR
};

static const Word currencies[] = {
	{"eur", EURO}, {"euro", EURO}, {"euros", EURO}, {"usd", US_DOLLAR}, {"dollar", DOLLAR}, {"dollars", DOLLAR}, {"gbp", POUND}, {"pounds", POUND},
	{"chf", FRANC}, {"cad", CANADIAN_DOLLAR},
	{NULL, 0}
};

static const Word percents[] = {
	{"percent", 1}, {"pct", 1}, {"pourcent", 1},
	{NULL, 0}
};

/* Multipliers that a number may carry, as powers of ten. */
static const Word scales[] = {
	{"k", 3}, {"ke", 3}, {"keur", 3}, {"mille", 3}, {"thousand", 3},
	{"m", 6}, {"meur", 6}, {"million", 6}, {"millions", 6}, {"milliard", 9}, {"milliards", 9}, {"billion", 9}, {"billions", 9},
	{NULL, 0}
};

/* Of the scales, those that are amounts without another word. */
static const Word money_scales[] = {
	{"ke", EURO}, {"keur", EURO}, {"meur", EURO},
	{NULL, 0}
};

/* Days, or minutes below nought. */
static const Word spans[] = {
	{"minute", -1}, {"minutes", -1}, {"min", -1}, {"mn", -1}, {"h", -60}, {"hour", -60}, {"hours", -60}, {"heure", -60}, {"heures", -60},
	{"day", 1}, {"days", 1}, {"jour", 1}, {"jours", 1}, {"j", 1},
	{"week", 7}, {"weeks", 7}, {"semaine", 7}, {"semaines", 7},
	{"month", 30}, {"months", 30}, {"mois", 30},
	{"year", 365}, {"years", 365}, {"an", 365}, {"ans", 365}, {"annee", 365}, {"annees", 365},
	{NULL, 0}
};

/* Words before 03/04 that make it a date and not a share or a score. */
static const Word date_leads[] = {
	{"le", 1}, {"du", 1}, {"au", 1}, {"on", 1}, {"by", 1}, {"the", 1}, {"since", 1}, {"depuis", 1}, {"avant", 1},
	{"before", 1}, {"after", 1}, {"until", 1}, {"from", 1}, {"lundi", 1}, {"mardi", 1}, {"mercredi", 1},
	{"jeudi", 1}, {"vendredi", 1}, {"samedi", 1}, {"dimanche", 1}, {"monday", 1}, {"tuesday", 1}, {"wednesday", 1},
	{"thursday", 1}, {"friday", 1}, {"saturday", 1}, {"sunday", 1},
	{NULL, 0}
};

static int
find_word(const Word *table, const char *word)
{
	while (table->word != NULL && (table->word[0] != word[0] || strcmp(table->word, word) != 0))
		table++;
	return table->value;
}

/* ---- characters --------------------------------------------------------- */

typedef struct Lexer
{
	KamArena   *arena;
	const char *s;
	size_t		len;
	KamQuantity *found;
	int			count,
				room;
	char		before[WORD_SIZE];	/* the word before, when only spaces stand between */
} Lexer;

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char) c >= 0x80;
}

static bool
starts_with(const Lexer *lx, size_t at, const char *what)
{
	size_t		n = strlen(what);

	return lx->len - at >= n && memcmp(lx->s + at, what, n) == 0;
}

/* Bytes of the blank at "at": a space or one of the unbreakable ones; 0 when there is none. */
static size_t
blank_at(const Lexer *lx, size_t at)
{
	static const char *const blanks[] = {"\xc2\xa0", "\xe2\x80\xaf", "\xe2\x80\x89"};

	if (at >= lx->len)
		return 0;
	if ((unsigned char) lx->s[at] < 0x80)
		return lx->s[at] == ' ' || lx->s[at] == '\n' || lx->s[at] == '\t' || lx->s[at] == '\r';
	if (lx->s[at] == blanks[0][0] || lx->s[at] == blanks[1][0])
		for (size_t i = 0; i < KAM_LENGTHOF(blanks); i++)
			if (starts_with(lx, at, blanks[i]))
				return strlen(blanks[i]);
	return 0;
}

static size_t
skip_blanks(const Lexer *lx, size_t at)
{
	size_t		n;

	while ((n = blank_at(lx, at)) > 0)
		at += n;
	return at;
}

/* In the order of the currencies' numbers. */
static const char *const signs[] = {"\xe2\x82\xac", "$", "\xc2\xa3"};

/* Bytes of a currency sign at "at", or 0. */
static size_t
sign_at(const Lexer *lx, size_t at)
{

	if (at < lx->len && (lx->s[at] == '$' || (unsigned char) lx->s[at] >= 0x80))
		for (size_t i = 0; i < KAM_LENGTHOF(signs); i++)
			if (starts_with(lx, at, signs[i]))
				return strlen(signs[i]);
	return 0;
}

/* The number of the currency whose sign stands at "at", or 0. */
static int
signed_currency(const Lexer *lx, size_t at)
{
	for (size_t i = 0; i < KAM_LENGTHOF(signs); i++)
		if (at < lx->len && starts_with(lx, at, signs[i]))
			return (int) i + 1;
	return 0;
}

/* The ASCII letter that a two-byte Latin letter stands for, 0 when it is another character. */
static char
plain_letter(unsigned char lead, unsigned char next)
{
	static const char upper[] = "aaaaaa\0ceeeeiiii\0nooooo\0ouuuuy\0\0";

	if (lead != 0xc3 || next < 0x80 || next > 0xbf)
		return 0;
	return upper[(next - 0x80) & 0x1f];
}

/*
 * The word at "at", in small plain letters; "" when it is too long to be ours.
 * Returns the place behind it; "at" when no letter stands there.
 */
static size_t
read_word(const Lexer *lx, size_t at, char word[WORD_SIZE])
{
	size_t		n = 0;
	bool		fits = true;

	while (at < lx->len && is_letter(lx->s[at]))
	{
		unsigned char c = (unsigned char) lx->s[at];
		unsigned char next = at + 1 < lx->len ? (unsigned char) lx->s[at + 1] : 0;
		char		letter;
		size_t		bytes = 1;

		if (c < 0x80)
			letter = (char) (c | 0x20);
		else if ((letter = plain_letter(c, next)) != 0)
			bytes = 2;
		else if ((c == 0xcc && next >= 0x80) || (c == 0xcd && next >= 0x80 && next <= 0xaf))
		{
			at += 2;			/* a combining mark */
			continue;
		}
		else if (blank_at(lx, at) > 0 || sign_at(lx, at) > 0 || starts_with(lx, at, "\xe2\x80"))
			break;				/* typographic marks end a word */
		else
			letter = '?';
		if (n + 1 < WORD_SIZE)
			word[n++] = letter;
		else
			fits = false;
		at += bytes;
	}
	word[fits ? n : 0] = '\0';
	return at;
}

/* Reads at most "most" digits into *value; returns how many there are. */
static int
read_digits(const Lexer *lx, size_t at, int most, int *value)
{
	int			n = 0;

	*value = 0;
	while (at + (size_t) n < lx->len && is_digit(lx->s[at + (size_t) n]) && n <= most)
	{
		if (n < most)
			*value = *value * 10 + (lx->s[at + (size_t) n] - '0');
		n++;
	}
	return n;
}

static bool
digit_at(const Lexer *lx, size_t at)
{
	return at < lx->len && is_digit(lx->s[at]);
}

static char
char_at(const Lexer *lx, size_t at)
{
	return at < lx->len ? lx->s[at] : '\0';
}

/* A separator between groups of three digits: bytes of it, or 0. */
static size_t
group_separator(const Lexer *lx, size_t at)
{
	size_t		n = blank_at(lx, at);
	int			group;

	if (n == 0 && (char_at(lx, at) == '.' || char_at(lx, at) == ',' || char_at(lx, at) == '\''))
		n = 1;
	if (n == 0 && at < lx->len && starts_with(lx, at, "\xe2\x80\x99"))
		n = 3;
	if (n == 0 || lx->s[at] == '\n' || lx->s[at] == '\t' || lx->s[at] == '\r')
		return 0;
	return read_digits(lx, at + n, 3, &group) == 3 ? n : 0;
}

static KamQuantity *
add(Lexer *lx, KamQuantityKind kind, size_t start, size_t end)
{
	KamQuantity *q;

	if (lx->count == lx->room)
	{
		int			room = lx->room > 0 ? lx->room * 2 : 8;
		KamQuantity *grown = KAM_NEW_ARRAY(lx->arena, KamQuantity, room);

		if (lx->count > 0)
			memcpy(grown, lx->found, sizeof(KamQuantity) * (size_t) lx->count);
		lx->found = grown;
		lx->room = room;
	}
	q = &lx->found[lx->count++];
	q->kind = kind;
	q->start = start;
	q->end = end;
	return q;
}

static size_t
add_date(Lexer *lx, size_t start, size_t end, int year, int month, int day)
{
	KamQuantity *q = add(lx, KAM_QUANTITY_DATE, start, end);

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

	if ((char_at(lx, at) != 'T' && char_at(lx, at) != ' ') || read_digits(lx, i, 2, &part) != 2 ||
		char_at(lx, i + 2) != ':' || read_digits(lx, i + 3, 2, &part) != 2)
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
static size_t
read_numeric_date(Lexer *lx, size_t at)
{
	int			first,
				second,
				third = 0;
	int			n1 = read_digits(lx, at, 4, &first),
				n2,
				n3 = 0;
	char		sep = char_at(lx, at + (size_t) n1);
	size_t		end;

	if (n1 > 4 || (sep != '-' && sep != '/' && sep != '.'))
		return at;
	end = at + (size_t) n1 + 1;
	n2 = read_digits(lx, end, 2, &second);
	if (n2 < 1 || n2 > 2)
		return at;
	end += (size_t) n2;
	if (char_at(lx, end) == sep && (n3 = read_digits(lx, end + 1, 4, &third)) > 0)
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
	i = skip_blanks(lx, i);
	if (read_digits(lx, i, 4, &value) != 4 || value < FIRST_YEAR || value > LAST_YEAR)
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
	return find_word(months, word);
}

/* "3 mars 2026", "3rd of March", "1er-avril": from the day number; the place behind it, or "at". */
static size_t
read_day_month(Lexer *lx, size_t at)
{
	char		word[WORD_SIZE];
	int			day,
				month,
				year = 0;
	int			n = read_digits(lx, at, 2, &day);
	size_t		i = at + (size_t) n,
				end;

	if (n > 2 || day < 1 || day > 31)
		return at;
	end = read_word(lx, i, word);
	if (end > i && find_word(ordinals, word) != 0)
		i = end;
	i = skip_blanks(lx, char_at(lx, i) == '-' ? i + 1 : i);
	end = read_word(lx, i, word);
	if (strcmp(word, "of") == 0 || strcmp(word, "de") == 0)
	{
		i = skip_blanks(lx, end);
		end = read_word(lx, i, word);
	}
	if (end == i || (month = month_word(lx, i, word)) == 0)
		return at;
	end = read_year(lx, end, &year);
	return add_date(lx, at, end, year, month, day);
}

/* "March 3rd, 2026" and "mars 2026": from the month's name; the place behind it, or "at". */
static size_t
read_month_day(Lexer *lx, size_t at, size_t word_end, const char *word)
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
		KamQuantity *q = add(lx, KAM_QUANTITY_MONTH, at, end);

		q->year = year;
		q->month = month;
		return end;
	}
	i = skip_blanks(lx, char_at(lx, word_end) == '.' ? word_end + 1 : word_end);
	n = read_digits(lx, i, 2, &day);
	if (i == word_end || n < 1 || n > 2 || day < 1 || day > 31)
		return at;
	i += (size_t) n;
	end = read_word(lx, i, suffix);
	if (end > i && find_word(ordinals, suffix) == 0)
		return at;				/* "mars 14h" */
	if (char_at(lx, end) == ':' || group_separator(lx, end) > 0 || sign_at(lx, skip_blanks(lx, end)) > 0 || char_at(lx, skip_blanks(lx, end)) == '%' ||
		((char_at(lx, end) == '.' || char_at(lx, end) == ',') && digit_at(lx, end + 1)))
		return at;
	end = read_year(lx, end, &year);
	return add_date(lx, at, end, year, month, day);
}

/* ---- times of day ------------------------------------------------------- */

/* 14h, 14h30, 14:30, 9am, 9:30 pm; the place behind it, or "at". */
static size_t
read_clock(Lexer *lx, size_t at)
{
	char		word[WORD_SIZE];
	int			hour,
				minute = 0;
	int			n = read_digits(lx, at, 2, &hour);
	size_t		i = at + (size_t) n,
				end = at;
	size_t		after;
	bool		half;

	if (n > 2 || hour > 24)
		return at;
	if (char_at(lx, i) == ':')
	{
		if (read_digits(lx, i + 1, 2, &minute) != 2 || minute > 59)
			return at;
		i += 3;
		if (char_at(lx, i) == ':' && digit_at(lx, i + 1))
			i += 3;
		end = i = i < lx->len ? i : lx->len;
	}
	after = skip_blanks(lx, i);
	if ((char_at(lx, after) | 0x20) == 'h' && !is_letter(char_at(lx, after + 1)))
	{
		/* "sous 24h" is how long */
		if (hour > 23)
			return at;
		end = after + 1;
		n = read_digits(lx, skip_blanks(lx, end), 2, &minute);
		if (n == 2 && minute <= 59 && (skip_blanks(lx, end) == end || after > i))
			end = skip_blanks(lx, end) + 2;
		else
			minute = 0;
		if (digit_at(lx, end))
			return at;
	}
	else
	{
		i = read_word(lx, after, word);
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
	add(lx, KAM_QUANTITY_CLOCK, at, end)->minute = hour * 60 + minute;
	return end;
}

/* ---- numbers and amounts ------------------------------------------------ */

/* The digits with their separators; returns the place behind them. */
static size_t
read_digits_grouped(const Lexer *lx, size_t at, KamQuantity *q)
{
	double		value = 0;
	size_t		i = at,
				lead,
				separator;
	int			groups = 0,
				group,
				decimals = 0;
	char		mark = '\0';

	for (; digit_at(lx, i); i++)
		value = value * 10 + (lx->s[i] - '0');
	lead = i - at;
	while (lead <= 3 && lx->s[at] != '0' && (separator = group_separator(lx, i)) > 0 &&
		   (groups == 0 || lx->s[i] == mark))
	{
		mark = lx->s[i];
		read_digits(lx, i + separator, 3, &group);
		value = value * 1000 + group;
		i += separator + 3;
		groups++;
	}
	q->number = q->other = value;
	q->tolerance = 0;
	/* "14.400" may be fourteen and four tenths */
	if (groups == 1 && (mark == '.' || mark == ','))
		q->other = value / 1000;
	if ((char_at(lx, i) == '.' || char_at(lx, i) == ',') && char_at(lx, i) != mark && digit_at(lx, i + 1))
	{
		double		unit = 1;

		for (i++; digit_at(lx, i); i++)
		{
			unit /= 10;
			value += unit * (lx->s[i] - '0');
			decimals++;
		}
		q->number = q->other = value;
	}
	q->tolerance = pow(10, -decimals) / 2;
	return i;
}

/* What stands behind a number: scale, currency, percent, unit of time; returns the place behind it. */
static size_t
read_unit(const Lexer *lx, size_t at, KamQuantity *q, bool *scaled)
{
	char		word[WORD_SIZE];
	size_t		i = skip_blanks(lx, at);
	size_t		end;
	int			scale;

	*scaled = false;
	end = read_word(lx, i, word);
	if (end > i && (scale = find_word(scales, word)) != 0 && (i == at || scale > 6 || word[1] != '\0' || sign_at(lx, end) > 0))
	{
		double		factor = pow(10, scale);

		q->number *= factor;
		q->other *= factor;
		q->tolerance *= factor;
		*scaled = true;
		if ((q->currency = find_word(money_scales, word)) != 0)
			q->kind = KAM_QUANTITY_MONEY;
		at = end;
		i = skip_blanks(lx, at);
		end = read_word(lx, i, word);
		if (strcmp(word, "de") == 0 || strcmp(word, "d") == 0)
		{
			i = skip_blanks(lx, char_at(lx, end) == '\'' ? end + 1 : end);
			end = read_word(lx, i, word);
		}
	}
	if (sign_at(lx, i) > 0)
	{
		q->kind = KAM_QUANTITY_MONEY;
		q->currency = signed_currency(lx, i);
		return i + sign_at(lx, i);
	}
	if (char_at(lx, i) == '%')
	{
		q->kind = KAM_QUANTITY_PERCENT;
		return i + 1;
	}
	if (end == i && char_at(lx, at) == '-')
		end = read_word(lx, i = at + 1, word);	/* "a 30-day trial" */
	if (end == i)
		return at;
	if (find_word(currencies, word) != 0)
	{
		q->kind = KAM_QUANTITY_MONEY;
		q->currency = find_word(currencies, word);
	}
	else if (find_word(percents, word) != 0)
		q->kind = KAM_QUANTITY_PERCENT;
	else if (strcmp(word, "pour") == 0 && starts_with(lx, end, " cent"))
	{
		q->kind = KAM_QUANTITY_PERCENT;
		end += strlen(" cent");
	}
	else if ((q->span = find_word(spans, word)) == 0)
		return at;
	return end;
}

/* The currency before the number at "at", as in "EUR 14,400" and "$ 300", or 0. */
static int
currency_before(const Lexer *lx, size_t at)
{
	static const char *const blanks[] = {"", " ", "\xc2\xa0"};

	for (size_t k = 0; k < KAM_LENGTHOF(blanks); k++)
	{
		size_t		blank = strlen(blanks[k]);

		if (at < blank || memcmp(lx->s + at - blank, blanks[k], blank) != 0)
			continue;
		for (size_t i = 0; i < KAM_LENGTHOF(signs); i++)
		{
			size_t		n = strlen(signs[i]);

			if (at - blank >= n && memcmp(lx->s + at - blank - n, signs[i], n) == 0)
				return (int) i + 1;
		}
	}
	return find_word(currencies, lx->before);
}

size_t
kam_quantity_unit(const char *text, size_t len, size_t at, KamQuantity *q)
{
	const Lexer lx = {.s = text, .len = len};
	bool		scaled;
	size_t		end;

	q->tolerance = 0.5;
	end = read_unit(&lx, at, q, &scaled);
	if (!scaled)
		q->tolerance = 0;
	return end;
}

int
kam_quantity_currency(const char *name)
{
	const Lexer lx = {.s = name, .len = strlen(name)};
	char		word[WORD_SIZE];

	if (read_word(&lx, 0, word) == lx.len)
		return find_word(currencies, word);
	return signed_currency(&lx, 0);
}

static size_t
read_number(Lexer *lx, size_t at)
{
	KamQuantity q = {.kind = KAM_QUANTITY_NUMBER};
	char		word[WORD_SIZE];
	size_t		digits = read_digits_grouped(lx, at, &q),
				end;
	bool		scaled;

	end = read_unit(lx, digits, &q, &scaled);
	if (!scaled)
		q.tolerance = 0;
	if (end == digits)
	{
		/* letters that stick to the digits: "1er", "10x" and "45kg" count, "4K", "3D" and "12ab34" do not */
		end = read_word(lx, digits, word);
		if (end > digits && find_word(ordinals, word) == 0 &&
			((end == digits + 1 && word[0] != 'x') || digit_at(lx, end) || char_at(lx, end) == '_'))
			return end;
	}
	if (q.kind == KAM_QUANTITY_NUMBER && q.span == 0 && (q.currency = currency_before(lx, at)) != 0)
		q.kind = KAM_QUANTITY_MONEY;
	q.start = at;
	q.end = end;
	*add(lx, q.kind, at, end) = q;
	return end;
}

/* ---- the pass ----------------------------------------------------------- */

/* A URL or an address: to the next blank. */
static size_t
skip_to_blank(const Lexer *lx, size_t at)
{
	while (at < lx->len && blank_at(lx, at) == 0)
		at++;
	return at;
}

/* From a letter: a date that begins with its month, a URL, or a word to pass over with the digits in it. */
static size_t
pass_word(Lexer *lx, size_t at)
{
	char		word[WORD_SIZE];
	size_t		end = read_word(lx, at, word);
	size_t		after;

	if (end == at)
		return at + 1;
	if (starts_with(lx, end, "://") || (strcmp(word, "www") == 0 && char_at(lx, end) == '.') || char_at(lx, end) == '@')
		return skip_to_blank(lx, end);
	after = read_month_day(lx, at, end, word);
	if (after > at)
		return after;
	if (digit_at(lx, end))
		while (end < lx->len && (is_digit(lx->s[end]) || is_letter(lx->s[end])) && blank_at(lx, end) == 0)
			end++;
	memcpy(lx->before, word, sizeof word);
	return end;
}

static size_t
pass_number(Lexer *lx, size_t at)
{
	static size_t (*const readers[]) (Lexer *lx, size_t at) = {
		read_numeric_date, read_day_month, read_clock, read_number
	};
	size_t		end = at;

	for (size_t i = 0; i < KAM_LENGTHOF(readers) && end == at; i++)
		end = readers[i] (lx, at);
	lx->before[0] = '\0';
	return end;
}

static size_t
next_digit(const Lexer *lx, size_t at)
{
	while (at < lx->len && !is_digit(lx->s[at]))
		at++;
	return at;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/*
 * Where the reading for the digit ahead must begin: at a word of plain letters
 * between spaces that is no month, the last one in front of the digit.  What
 * stands before such a word has no say in what comes after it.
 */
static size_t
resume_for(const Lexer *lx, size_t at, size_t digit)
{
	size_t		start = digit,
				end;
	char		word[WORD_SIZE];

	while (start > at && !is_space(lx->s[start - 1]))
		start--;
	while (start > at)
	{
		bool		plain = true;

		for (end = start; end > at && is_space(lx->s[end - 1]);)
			end--;
		for (start = end; start > at && !is_space(lx->s[start - 1]); start--)
			plain &= (unsigned char) lx->s[start - 1] < 0x80 && is_letter(lx->s[start - 1]);
		if (!plain || start == end || start == at)
			continue;
		read_word(lx, start, word);
		if (find_word(months, word) == 0)
			return start;
	}
	return at;
}

int
kam_quantities_find(KamArena *arena, const char *text, size_t len, KamQuantity **out)
{
	Lexer		lx = {.arena = arena, .s = text, .len = len};
	size_t		at = 0;
	size_t		digit = next_digit(&lx, 0);

	if (digit < len)
		at = resume_for(&lx, 0, digit);
	while (at < len)
	{
		size_t		blank;

		/* No quantity is without a digit: most of a text need not be read. */
		if (at > digit)
		{
			digit = next_digit(&lx, at);
			if (digit < len)
				at = resume_for(&lx, at, digit);
		}
		if (digit >= len)
			break;
		if (is_digit(text[at]))
			at = pass_number(&lx, at);
		else if ((blank = blank_at(&lx, at)) > 0)
			at += blank;
		else if (is_letter(text[at]) && sign_at(&lx, at) == 0)
			at = pass_word(&lx, at);
		else
		{
			size_t		sign = sign_at(&lx, at);

			at += sign > 0 ? sign : 1;
			lx.before[0] = '\0';
		}
	}
	*out = lx.found;
	return lx.count;
}

/* ---- comparison --------------------------------------------------------- */

static bool
same_day(const KamQuantity *a, const KamQuantity *b)
{
	if (a->month == b->month && a->day == b->day)
		return true;
	return (a->swappable || b->swappable) && a->month == b->day && a->day == b->month;
}

/* Whole numbers are exact, however long: the rest is for binary fractions. */
static bool
near(double a, double b, double tolerance)
{
	if (tolerance == 0 && a == floor(a) && b == floor(b))
		return a == b;
	return fabs(a - b) <= tolerance + 1e-9 * fmax(fabs(a), fabs(b));
}

static bool
same_number(const KamQuantity *a, const KamQuantity *b)
{
	double		tolerance = fmax(a->tolerance, b->tolerance);

	return near(a->number, b->number, tolerance) || near(a->other, b->number, tolerance) ||
		near(a->number, b->other, tolerance) || near(a->other, b->other, tolerance);
}

static bool
is_day(const KamQuantity *q)
{
	return q->kind == KAM_QUANTITY_DATE || q->kind == KAM_QUANTITY_MONTH;
}

/* "7 days" and "a week", "60 minutes" and "1 hour"; years and months do not come out even. */
static bool
same_span(const KamQuantity *a, const KamQuantity *b)
{
	double		one = a->number * a->span,
				two = b->number * b->span;

	return a->span == b->span ? same_number(a, b) : (a->span > 0) == (b->span > 0) && fabs(one - two) <= 0.015 * fabs(one);
}

/* What is not said of one of them is no difference. */
static bool
same_currency(int a, int b)
{
	if (a == DOLLAR || b == DOLLAR)
		return a == 0 || b == 0 || a == b || a + b - DOLLAR == US_DOLLAR || a + b - DOLLAR == CANADIAN_DOLLAR;
	return a == 0 || b == 0 || a == b;
}

/* A share, as the fraction that a number is. */
static bool
is_fraction_of(const KamQuantity *number, const KamQuantity *percent)
{
	return number->kind == KAM_QUANTITY_NUMBER && percent->kind == KAM_QUANTITY_PERCENT &&
		(number->number <= 1 || number->number != floor(number->number)) && near(percent->number, number->number * 100, 0);
}

bool
kam_quantity_same(const KamQuantity *a, const KamQuantity *b)
{
	if (is_day(a) && is_day(b))
		return (a->year == 0 || b->year == 0 || a->year == b->year) &&
			(a->kind == KAM_QUANTITY_MONTH || b->kind == KAM_QUANTITY_MONTH ? a->month == b->month : same_day(a, b));
	if (a->kind == KAM_QUANTITY_CLOCK && b->kind == KAM_QUANTITY_CLOCK)
		return a->minute == b->minute;
	if (a->kind == KAM_QUANTITY_CLOCK || b->kind == KAM_QUANTITY_CLOCK)
	{
		/* "2h" may be two hours */
		const KamQuantity *clock = a->kind == KAM_QUANTITY_CLOCK ? a : b;
		const KamQuantity *plain = clock == a ? b : a;

		return plain->kind == KAM_QUANTITY_NUMBER && plain->span == -60 && plain->number * 60 == clock->minute;
	}
	if (is_day(a) != is_day(b))
	{
		/* a bare year or day number, as part of a date */
		const KamQuantity *date = is_day(a) ? a : b;
		const KamQuantity *plain = is_day(a) ? b : a;

		return plain->kind == KAM_QUANTITY_NUMBER && plain->span == 0 &&
			((date->year > 0 && near(plain->number, date->year, 0)) ||
			 (date->kind == KAM_QUANTITY_DATE && near(plain->number, date->day, 0)));
	}
	if (is_fraction_of(a, b) || is_fraction_of(b, a))
		return true;
	if (a->kind != b->kind && a->kind != KAM_QUANTITY_NUMBER && b->kind != KAM_QUANTITY_NUMBER)
		return false;			/* an amount is no share */
	if (a->span != 0 && b->span != 0)
		return same_span(a, b);
	if ((a->span != 0 && b->kind != KAM_QUANTITY_NUMBER) || (b->span != 0 && a->kind != KAM_QUANTITY_NUMBER))
		return false;
	return same_currency(a->currency, b->currency) && same_number(a, b);
}
