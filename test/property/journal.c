/*
 * journal.c: reading what the audit triggers noted.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Days since 1970 of a date in the Gregorian calendar. */
static int64_t
days_of(int year, int month, int day)
{
	int64_t		y = month <= 2 ? year - 1 : year,
				era = y / 400,
				of_era = y - era * 400,
				of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* A timestamp with time zone as jsonb shows it. */
int64_t
parse_time(const char *text)
{
	int			year,
				month,
				day,
				hour,
				minute,
				second,
				used = 0;
	int64_t		at,
				fraction = 0,
				unit = 1000000;
	int			zone_hour = 0,
				zone_minute = 0;
	char		sign;

	if (sscanf(text, "%d-%d-%d%*1[T ]%d:%d:%d%n", &year, &month, &day, &hour, &minute, &second, &used) != 6)
		die("no time: %s", text);
	text += used;
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++)
			fraction += (*text - '0') * (unit /= 10);
	at = (days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000000 + fraction;
	sign = *text;
	if (sign == '+' || sign == '-')
	{
		sscanf(text + 1, "%d:%d", &zone_hour, &zone_minute);
		at -= (sign == '+' ? 1 : -1) * (zone_hour * 3600 + zone_minute * 60) * INT64_C(1000000);
	}
	return at;
}

const char *
text_of(const json_t *row, const char *column)
{
	return json_string_value(json_object_get(row, column));
}

int64_t
time_of(const json_t *row, const char *column)
{
	const char *text = text_of(row, column);

	return text ? parse_time(text) : NEVER;
}

int64_t
int_of(const json_t *row, const char *column, int64_t otherwise)
{
	const json_t *value = json_object_get(row, column);

	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool
bool_of(const json_t *row, const char *column)
{
	return json_is_true(json_object_get(row, column));
}

static json_t *
load(PGresult *result, int row, int column)
{
	json_error_t error;
	json_t	   *value;

	if (PQgetisnull(result, row, column))
		return NULL;
	value = json_loads(PQgetvalue(result, row, column), 0, &error);
	if (value == NULL)
		die("the journal is no JSON: %s", error.text);
	return value;
}

static int
in_order(const void *a, const void *b)
{
	const Entry *x = a,
			   *y = b;

	return x->order < y->order ? -1 : x->order > y->order ? 1 : x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Takes the journal out of the database, in the order in which things happened. */
Entry *
read_journal(PGconn *connection, int *count)
{
	PGresult   *result = run_sql(connection, "SELECT seq, xid, clock, relation, op, old, new, began FROM property.journal");
	Entry	   *entries;

	*count = PQntuples(result);
	entries = calloc((size_t) *count + 1, sizeof(Entry));
	for (int i = 0; i < *count; i++)
	{
		Entry	   *entry = &entries[i];

		entry->seq = strtoll(PQgetvalue(result, i, 0), NULL, 10);
		entry->xid = strtoll(PQgetvalue(result, i, 1), NULL, 10);
		entry->clock = parse_time(PQgetvalue(result, i, 2));
		snprintf(entry->relation, sizeof(entry->relation), "%s", PQgetvalue(result, i, 3));
		entry->op = PQgetvalue(result, i, 4)[0];
		entry->old = load(result, i, 5);
		entry->new = load(result, i, 6);
		entry->began = PQgetisnull(result, i, 7) ? entry->seq : strtoll(PQgetvalue(result, i, 7), NULL, 10);
		entry->order = entry->seq;
		if (entry->op == 'I' && strcmp(entry->relation, "cadenceeventlog") == 0)
			entry->order = int_of(entry->new, "event_id", entry->seq);
	}
	PQclear(result);
	qsort(entries, (size_t) *count, sizeof(Entry), in_order);
	PQclear(run_sql(connection, "TRUNCATE property.journal"));
	return entries;
}

void
free_journal(Entry *entries, int count)
{
	for (int i = 0; i < count; i++)
	{
		json_decref(entries[i].old);
		json_decref(entries[i].new);
	}
	free(entries);
}
