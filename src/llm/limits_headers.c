/*
 * llm/limits_headers.c: rate-limit headers of every dialect as readings.
 *
 * Reads what others wrote: a value that is no plain number, and a name that
 * the tables do not hold, says nothing.  Never raises and allocates nothing.
 */
#include "llm/limits_headers.h"

#include <string.h>

#include "core/civil.h"

#define LARGEST 1e15			/* no count of anybody's is larger */
#define LONGEST_RESET_S (400.0 * 86400.0)
#define EPOCH_S 1e9				/* from here on a bare number is a moment, in seconds ... */
#define EPOCH_MS 1e11			/* ... and from here on in milliseconds */

typedef enum Field
{
	LIMIT, REMAINING, RESET, FIELDS
} Field;

static const char *const fields[FIELDS] = {"limit", "remaining", "reset"};

/* Where a dialect's names begin, and whether the field stands last ("requests-limit") or first ("limit-requests"). */
static const struct
{
	const char *prefix;
	bool		field_last;
}			dialects[] = {
	{"anthropic-ratelimit-", true},
	{"x-ratelimit-", false},
	{"x-rate-limit-", false},
	{"ratelimit-", false},
};

/* A gateway hands on its provider's headers under this. */
static const char gateway[] = "llm_provider-";

static const struct
{
	const char *name;
	KamMeter	meter;
}			meters[] = {
	{"", KAM_METER_REQUESTS},
	{"requests", KAM_METER_REQUESTS},
	{"input-tokens", KAM_METER_INPUT},
	{"tokens-prompt", KAM_METER_INPUT},
	{"output-tokens", KAM_METER_OUTPUT},
	{"tokens-generated", KAM_METER_OUTPUT},
	{"tokens", KAM_METER_TOKENS},
};

static const struct
{
	const char *name;
	double		seconds;
}			windows[] = {
	{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400},
};

/* Units of a duration, the longer names first. */
static const struct
{
	const char *name;
	double		seconds;
}			units[] = {
	{"ns", 1e-9}, {"us", 1e-6}, {"\xc2\xb5s", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400},
};

/* ---- values ---------------------------------------------------------------------- */

/* Digits with an optional fraction; no sign, no exponent, no name of a number. */
static bool
take_number(const char **text, double *out)
{
	const char *s = *text;
	double		value = 0,
				place = 1;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		value = value < LARGEST ? value * 10 + (*s - '0') : LARGEST;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++)
			value += (*s - '0') * (place /= 10);
	*out = value < LARGEST ? value : LARGEST;
	*text = s;
	return true;
}

static const char *
skip_blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* A count: a number alone, or the first of a list ("100, 100;w=60"). */
static bool
read_count(const char *text, double *out)
{
	text = skip_blanks(text);
	if (!take_number(&text, out))
		return false;
	text = skip_blanks(text);
	return *text == '\0' || *text == ',' || *text == ';';
}

static bool
take_unit(const char **text, double *seconds)
{
	for (size_t i = 0; i < KAM_LENGTHOF(units); i++)
	{
		size_t		n = strlen(units[i].name);

		if (strncmp(*text, units[i].name, n) != 0)
			continue;
		*text += n;
		*seconds = units[i].seconds;
		return true;
	}
	return false;
}

/* "6m0s", "1h2m3.5s", "20ms". */
static bool
read_duration(const char *text, double *seconds)
{
	double		sum = 0;

	do
	{
		double		number,
					unit;

		if (!take_number(&text, &number) || !take_unit(&text, &unit))
			return false;
		sum += number * unit;
	} while (*text != '\0' && *text != ' ');
	*seconds = sum;
	return *skip_blanks(text) == '\0';
}

/* RFC 3339 names its offset; what does not is taken as UTC. */
static int
no_offset(const void *tz, KamTime at)
{
	return 0;
}

static bool
read_moment(const char *text, int64_t now_us, double *seconds)
{
	static const KamZones zones = {NULL, no_offset};
	static const KamZone utc = {"UTC", NULL, &zones};
	KamTime		at;

	if (!kam_time_parse(text, &utc, &at))
		return false;
	*seconds = ((double) at - (double) now_us) / 1e6;
	return true;
}

bool
kam_reset_read(const char *text, int64_t now_us, double *seconds, bool *by_clock)
{
	const char *rest = text = skip_blanks(text);
	double		number;

	*by_clock = false;
	if (take_number(&rest, &number) && *skip_blanks(rest) == '\0')
	{
		*by_clock = number >= EPOCH_S;
		if (*by_clock)
			number = (number >= EPOCH_MS ? number / 1e3 : number) - (double) now_us / 1e6;
		*seconds = number;
	}
	else if (!read_duration(text, seconds))
	{
		*by_clock = true;
		if (!read_moment(text, now_us, seconds))
			return false;
	}
	if (*seconds < 0)
		*seconds = 0;
	return *seconds <= LONGEST_RESET_S;
}

/* ---- names ------------------------------------------------------------------------- */

/* Cuts the last "-word" off when it is the one given. */
static bool
cut_suffix(const char *name, size_t *len, const char *word)
{
	size_t		n = strlen(word);

	if (*len < n || strncmp(name + *len - n, word, n) != 0)
		return false;
	if (*len == n)
		*len = 0;
	else if (name[*len - n - 1] != '-')
		return false;
	else
		*len -= n + 1;
	return true;
}

/* What a header's name is about; false when it is about no limit that we know. */
static bool
read_name(const char *name, Field *field, KamMeter *meter, double *window_s)
{
	size_t		len;
	size_t		d;
	int			f;

	if (strncmp(name, gateway, sizeof gateway - 1) == 0)
		name += sizeof gateway - 1;
	for (d = 0; d < KAM_LENGTHOF(dialects); d++)
		if (strncmp(name, dialects[d].prefix, strlen(dialects[d].prefix)) == 0)
			break;
	if (d == KAM_LENGTHOF(dialects))
		return false;
	name += strlen(dialects[d].prefix);
	len = strlen(name);

	for (f = 0; f < FIELDS; f++)
	{
		size_t		n = strlen(fields[f]);

		if (dialects[d].field_last)
		{
			if (cut_suffix(name, &len, fields[f]))
				break;
		}
		else if (strncmp(name, fields[f], n) == 0 && (name[n] == '-' || name[n] == '\0'))
		{
			name += n + (name[n] == '-');
			len = strlen(name);
			break;
		}
	}
	if (f == FIELDS)
		return false;
	*field = (Field) f;

	*window_s = 0;
	for (size_t i = 0; i < KAM_LENGTHOF(windows); i++)
		if (cut_suffix(name, &len, windows[i].name))
		{
			*window_s = windows[i].seconds;
			break;
		}
	for (size_t i = 0; i < KAM_LENGTHOF(meters); i++)
		if (strlen(meters[i].name) == len && strncmp(meters[i].name, name, len) == 0)
		{
			*meter = meters[i].meter;
			return true;
		}
	return false;
}

/* ---- readings ------------------------------------------------------------------------ */

/* Of a meter told for several windows, the shortest is kept: it is met first. */
static bool
reading_for(KamReading *reading, double window_s)
{
	bool		told = reading->has_limit || reading->has_remaining || reading->has_reset;
	double		length = window_s > 0 ? window_s : 60;
	double		kept = reading->window_s > 0 ? reading->window_s : 60;

	if (told && length > kept)
		return false;
	if (told && length < kept)
		memset(reading, 0, sizeof *reading);
	reading->window_s = window_s;
	return true;
}

static void
read_value(KamReading *reading, Field field, const char *value, int64_t now_us)
{
	double		number;
	bool		by_clock;

	switch (field)
	{
		case LIMIT:
			if (read_count(value, &number) && number >= 1)
			{
				reading->limit = number;
				reading->has_limit = true;
			}
			break;
		case REMAINING:
			if (read_count(value, &number))
			{
				reading->remaining = number;
				reading->has_remaining = true;
			}
			break;
		case RESET:
			if (kam_reset_read(value, now_us, &number, &by_clock))
			{
				reading->reset_s = number;
				reading->reset_by_clock = by_clock;
				reading->has_reset = true;
			}
			break;
		case FIELDS:
			break;
	}
}

int
kam_limit_headers_read(const KamHeader *header, int count, int64_t now_us, KamReading out[KAM_METERS])
{
	int			told = 0;

	memset(out, 0, sizeof(KamReading) * KAM_METERS);
	for (int i = 0; i < count; i++)
	{
		Field		field;
		KamMeter	meter;
		double		window_s;

		if (header[i].name != NULL && header[i].value != NULL && read_name(header[i].name, &field, &meter, &window_s) &&
			reading_for(&out[meter], window_s))
			read_value(&out[meter], field, header[i].value, now_us);
	}
	/* Beside limits of their own, a common one only repeats the narrower of them. */
	if (out[KAM_METER_INPUT].has_limit || out[KAM_METER_OUTPUT].has_limit)
		memset(&out[KAM_METER_TOKENS], 0, sizeof(KamReading));
	for (int i = 0; i < KAM_METERS; i++)
		told += out[i].has_limit || out[i].has_remaining || out[i].has_reset;
	return told;
}
