/*
 * core/quantity.c: dates, times, amounts and numbers in French and English
 * text.
 *
 * One pass over the bytes; invalid UTF-8 is passed over.  Digits that are part
 * of a name ("Q3", "B2B"), an address or a URL are no quantity.  Numbers in words
 * are quantity_words.c's.
 */
#include "core/quantity_lexer.h"

#include <math.h>

/* ---- words -------------------------------------------------------------- */

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
	while (lead <= 3 && lx->s[at] != '0' && (separator = kam_lexer_separator(lx, i)) > 0 &&
		   (groups == 0 || lx->s[i] == mark))
	{
		mark = lx->s[i];
		kam_lexer_digits(lx, i + separator, 3, &group);
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
	size_t		i = kam_lexer_skip_blanks(lx, at);
	size_t		end;
	int			scale;

	*scaled = false;
	end = kam_lexer_word(lx, i, word);
	if (end > i && (scale = find_word(scales, word)) != 0 && (i == at || scale > 6 || word[1] != '\0' || kam_lexer_sign(lx, end) > 0))
	{
		double		factor = pow(10, scale);

		q->number *= factor;
		q->other *= factor;
		q->tolerance *= factor;
		*scaled = true;
		if ((q->currency = find_word(money_scales, word)) != 0)
			q->kind = KAM_QUANTITY_MONEY;
		at = end;
		i = kam_lexer_skip_blanks(lx, at);
		end = kam_lexer_word(lx, i, word);
		if (strcmp(word, "de") == 0 || strcmp(word, "d") == 0)
		{
			i = kam_lexer_skip_blanks(lx, char_at(lx, end) == '\'' ? end + 1 : end);
			end = kam_lexer_word(lx, i, word);
		}
	}
	if (kam_lexer_sign(lx, i) > 0)
	{
		q->kind = KAM_QUANTITY_MONEY;
		q->currency = kam_lexer_signed_currency(lx, i);
		return i + kam_lexer_sign(lx, i);
	}
	if (char_at(lx, i) == '%')
	{
		q->kind = KAM_QUANTITY_PERCENT;
		return i + 1;
	}
	if (end == i && char_at(lx, at) == '-')
		end = kam_lexer_word(lx, i = at + 1, word);	/* "a 30-day trial" */
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
		for (size_t i = 0; i < KAM_LENGTHOF(kam_currency_signs); i++)
		{
			size_t		n = strlen(kam_currency_signs[i]);

			if (at - blank >= n && memcmp(lx->s + at - blank - n, kam_currency_signs[i], n) == 0)
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

	if (kam_lexer_word(&lx, 0, word) == lx.len)
		return find_word(currencies, word);
	return kam_lexer_signed_currency(&lx, 0);
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
		end = kam_lexer_word(lx, digits, word);
		if (end > digits && find_word(kam_ordinal_ends, word) == 0 &&
			((end == digits + 1 && word[0] != 'x') || digit_at(lx, end) || char_at(lx, end) == '_'))
			return end;
	}
	if (q.kind == KAM_QUANTITY_NUMBER && q.span == 0 && (q.currency = currency_before(lx, at)) != 0)
		q.kind = KAM_QUANTITY_MONEY;
	q.start = at;
	q.end = end;
	*kam_lexer_add(lx, q.kind, at, end) = q;
	return end;
}

/* ---- the pass ----------------------------------------------------------- */

/* A URL or an address: to the next blank. */
static size_t
skip_to_blank(const Lexer *lx, size_t at)
{
	while (at < lx->len && kam_lexer_blank(lx, at) == 0)
		at++;
	return at;
}

/* From a letter: a date that begins with its month, a URL, or a word to pass over with the digits in it. */
static size_t
pass_word(Lexer *lx, size_t at)
{
	char		word[WORD_SIZE];
	size_t		end = kam_lexer_word(lx, at, word);
	size_t		after;

	if (end == at)
		return at + 1;
	if (starts_with(lx, end, "://") || (strcmp(word, "www") == 0 && char_at(lx, end) == '.') || char_at(lx, end) == '@')
		return skip_to_blank(lx, end);
	after = kam_read_month_day(lx, at, end, word);
	if (after > at)
		return after;
	if (digit_at(lx, end))
		while (end < lx->len && (is_digit(lx->s[end]) || is_letter(lx->s[end])) && kam_lexer_blank(lx, end) == 0)
			end++;
	memcpy(lx->before, word, sizeof word);
	return end;
}

static size_t
pass_number(Lexer *lx, size_t at)
{
	static size_t (*const readers[]) (Lexer *lx, size_t at) = {
		kam_read_numeric_date, kam_read_day_month, kam_read_clock, read_number
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
		kam_lexer_word(lx, start, word);
		if (find_word(kam_month_words, word) == 0)
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
		else if ((blank = kam_lexer_blank(&lx, at)) > 0)
			at += blank;
		else if (is_letter(text[at]) && kam_lexer_sign(&lx, at) == 0)
			at = pass_word(&lx, at);
		else
		{
			size_t		sign = kam_lexer_sign(&lx, at);

			at += sign > 0 ? sign : 1;
			lx.before[0] = '\0';
		}
	}
	*out = lx.found;
	return lx.count;
}
