/*
 * core/reach_numbers.c: numbers to call and accounts to pay to.
 *
 * Amounts, dates and references are written with digits too: what a number is
 * shows in its groups, its check digits, or the words before it.
 */
#include "core/reach_parts.h"

#include "core/address.h"

#define NATIONAL_DIGITS 9		/* of a number that are compared: +33 6 ... is 06 ... */

/* ---- numbers ---------------------------------------------------------------------------- */

/* Digits in a row with single marks between them. */
typedef struct Run
{
	const char *start,
			   *end;
	char		digits[40];
	int			ndigits;
	char		shape[40];		/* lengths of the groups, as characters from '0' on: "0612" is "4" */
	int			ngroups;
	bool		plus;
	char		mark;			/* the mark between all groups; '*' when they differ; 0 with one group */
} Run;

/* Length of the marks between two groups, 0 when the number ends. */
static size_t
mark_at(const char *s, char *mark)
{
	size_t		n = strspn(s, " .-/()");

	*mark = s[0];
	if (n == 0 || n > 3 || !is_digit(s[n]) || (n > 1 && s[0] == '/'))
		return 0;
	if (n > 1)
		*mark = s[0] == ')' || s[0] == '(' || (s[0] == ' ' && s[1] == '(') ? '(' : '*';
	return n;
}

static void
read_run(const char *s, Run *run)
{
	memset(run, 0, sizeof *run);
	run->start = s;
	run->plus = *s == '+';
	s += *s == '+';
	s += strspn(s, "(");
	for (;;)
	{
		int			n = 0;
		char		mark;
		size_t		skip;

		while (is_digit(*s) && run->ndigits < (int) sizeof run->digits - 1)
		{
			run->digits[run->ndigits++] = *s++;
			n++;
		}
		run->shape[run->ngroups++] = (char) ('0' + (n < 40 ? n : 40));
		run->end = s;
		if (is_digit(*s) || (skip = mark_at(s, &mark)) == 0 || run->ngroups == (int) sizeof run->shape - 1)
			return;
		run->mark = run->mark == 0 || run->mark == mark ? mark : '*';
		s += skip;
	}
}

/* Groups that a number of some country is written in, without its country. */
static const char *const national_shapes[] = {
	"22222", ":",				/* 06 12 34 56 78, 0612345678 */
	"334", "3334", "343", "344", "434", "433", "443", "244", "3233", "56", "55", "46", "47", "37", "38", "532", "423", "424",
};

static bool
has_shape(const Run *run, const char *const *shapes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(run->shape, shapes[i]) == 0)
			return true;
	return false;
}

/* Words before a number that make it one to call. */
static const char *const calling[] = {
	"tel", "t\xC3\xA9l", "phone", "call", "appel", "joindre", "joign", "whatsapp", "sms", "signal", "telegram", "mobile", "portable", "reach", "text me",
	"numero", "num\xC3\xA9ro", "number", "ring",
};

static const char *const paying[] = {
	"iban", "bic", "swift", "rib", "virement", "compte", "account", "bank", "banque", "transfer", "wire", "routing", "sort code", "wallet", "card", "carte",
	"paiement", "payment", "bitcoin", "btc", "eth",
};

/* Does one of the words stand in the bytes before a place? */
static bool
stands_before(const KamReachFinder *f, const char *at, const char *const *words, size_t count, size_t reach)
{
	const char *from = (size_t) (at - f->text) > reach ? at - reach : f->text;

	for (size_t i = 0; i < count; i++)
		for (const char *p = from; p + strlen(words[i]) <= at; p++)
			if (begins(p, words[i]) && (p == f->text || !is_word(p[-1])))
				return true;
	return false;
}

/* "02.03.2026 10", "2026-03-11": a date, with or without a time behind. */
static bool
is_date(const Run *run)
{
	return strncmp(run->shape, "224", 3) == 0 || strncmp(run->shape, "422", 3) == 0 || strncmp(run->shape, "124", 3) == 0 ||
		strncmp(run->shape, "214", 3) == 0;
}

static bool
is_phone(const KamReachFinder *f, const Run *run)
{
	if (run->plus || strncmp(run->digits, "00", 2) == 0)
		return run->ndigits >= 8 && run->ndigits <= 17;
	if (is_date(run) || run->ndigits < 6)
		return false;
	if (run->digits[0] == '0' && run->ndigits >= 9 && run->ndigits <= 11 && has_shape(run, national_shapes, KAM_LENGTHOF(national_shapes)))
		return true;
	if (strcmp(run->shape, "334") == 0 && (run->mark == '-' || run->mark == '(' || run->mark == '*'))
		return true;
	/* whole groups of three are an amount */
	return run->ndigits <= 15 && stands_before(f, run->start, calling, KAM_LENGTHOF(calling), 30) &&
		!(run->mark == ' ' && run->ndigits < 9 && strspn(run->shape + 1, "3") == strlen(run->shape + 1)) && run->mark != '/';
}

static bool
is_card(const Run *run)
{
	int			sum = 0;

	if (run->ndigits < 13 || run->ndigits > 19 || run->plus)
		return false;
	for (int i = 0; i < run->ndigits; i++)
	{
		int			d = run->digits[run->ndigits - 1 - i] - '0';

		d = i % 2 == 1 ? d * 2 : d;
		sum += d > 9 ? d - 9 : d;
	}
	return sum % 10 == 0;
}

static const char *
national_digits(KamArena *arena, const char *digits, int n)
{
	return kam_strndup(arena, n > NATIONAL_DIGITS ? digits + n - NATIONAL_DIGITS : digits, (size_t) (n > NATIONAL_DIGITS ? NATIONAL_DIGITS : n));
}

const char *
kam_phone_key(KamArena *arena, const char *number)
{
	char		address[KAM_ADDRESS_MAX + 1];

	if (number == NULL || kam_address(number, strlen(number), address) != KAM_ADDRESS_PHONE)
		return NULL;
	return national_digits(arena, address + 1, (int) strlen(address) - 1);
}

const char *
kam_reach_number(KamReachFinder *f, const char *s)
{
	Run			run;

	read_run(s, &run);
	if (run.ndigits < 6)
		return run.end;
	if (is_card(&run) || (run.ndigits >= 8 && !run.plus && !is_date(&run) && stands_before(f, s, paying, KAM_LENGTHOF(paying), 30)))
		kam_reach_add(f, KAM_REACH_ACCOUNT, s, run.end, kam_strndup(f->arena, run.digits, (size_t) run.ndigits), false);
	else if (is_phone(f, &run))
		kam_reach_add(f, KAM_REACH_PHONE, s, run.end, national_digits(f->arena, run.digits, run.ndigits), false);
	return run.end;
}

/* ---- accounts ------------------------------------------------------------------------------ */

/* ISO 13616: the remainder of an IBAN, its first four characters behind the others, is one. */
static bool
is_iban(const char *compact, size_t n)
{
	int			rest = 0;

	for (size_t i = 0; i < n; i++)
	{
		char		c = compact[(i + 4) % n];

		rest = is_digit(c) ? (rest * 10 + c - '0') % 97 : (rest * 100 + (c | 0x20) - 'a' + 10) % 97;
	}
	return rest == 1;
}

/* "FR76 3000 ...": two letters, two digits, and groups of both; with its check digits, or called an account. */
const char *
kam_reach_iban(KamReachFinder *f, const char *s)
{
	char		compact[40];
	size_t		n = 0,
				digits = 0;
	const char *end = s;

	if (!is_alpha(s[0]) || !is_alpha(s[1]) || !is_digit(s[2]) || !is_digit(s[3]))
		return NULL;
	for (const char *p = s; n < 34; p++)
	{
		if ((*p == ' ' || *p == '-') && (is_digit(p[1]) || (p[1] >= 'A' && p[1] <= 'Z')))
			continue;
		if (!is_digit(*p) && !is_alpha(*p))
			break;
		digits += is_digit(*p);
		compact[n++] = *p;
		end = p + 1;
		if (n >= 15 && digits >= 8 && is_iban(compact, n) && !is_word(p[1]))
			break;
	}
	if (n < 15 || digits < 8 || !(is_iban(compact, n) || stands_before(f, s, paying, KAM_LENGTHOF(paying), 60)))
		return NULL;
	kam_reach_add(f, KAM_REACH_ACCOUNT, s, end, kam_strndup(f->arena, compact, n), false);
	return end;
}

/* "0x" and forty hexadecimal digits, "bc1...", and the older kind of 26 to 35 letters and digits that begins with 1 or 3. */
const char *
kam_reach_wallet(KamReachFinder *f, const char *s)
{
	size_t		n = 0,
				letters = 0,
				capitals = 0,
				numbers = 0;

	while (n < 80 && (is_alpha(s[n]) || is_digit(s[n])))
	{
		letters += is_alpha(s[n]);
		capitals += s[n] >= 'A' && s[n] <= 'Z';
		numbers += is_digit(s[n++]);
	}
	if (!((n == 42 && begins(s, "0x") && strspn(s + 2, "0123456789abcdefABCDEF") == 40) ||
		  (n >= 26 && n <= 62 && begins(s, "bc1") && numbers >= 4) ||
		  (n >= 26 && n <= 35 && (s[0] == '1' || s[0] == '3') && capitals >= 3 && letters - capitals >= 3 && numbers >= 3)))
		return NULL;
	kam_reach_add(f, KAM_REACH_ACCOUNT, s, s + n, kam_strndup(f->arena, s, n), false);
	return s + n;
}

/* "BIC: BNPAFRPPXXX": eight or eleven capitals and digits behind the word. */
const char *
kam_reach_bic(KamReachFinder *f, const char *s)
{
	static const char *const words[] = {"bic", "swift"};
	size_t		n = 0;

	while (n < 16 && ((s[n] >= 'A' && s[n] <= 'Z') || is_digit(s[n])))
		n++;
	if ((n != 8 && n != 11) || is_word(s[n]) || strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") < 6 || !stands_before(f, s, words, KAM_LENGTHOF(words), 14))
		return NULL;
	kam_reach_add(f, KAM_REACH_ACCOUNT, s, s + n, kam_strndup(f->arena, s, n), false);
	return s + n;
}
