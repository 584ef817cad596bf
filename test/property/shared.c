/*
 * shared.c: accounts and suppressions, which decisions read without a lock.
 *
 * A decision reads them after its event_id was drawn and before its row was noted.  What had certainly become visible
 * before counts, what certainly became visible later does not, and of what became visible in between either answer is
 * right.
 */
#include "model.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *known;			/* "relation key": address of its Shared */

static Shared *
shared_of(const char *relation, const char *key, bool make)
{
	char		name[256];
	json_t	   *found;
	Shared	   *shared;

	if (known == NULL)
		known = json_object();
	snprintf(name, sizeof(name), "%s %s", relation, key);
	found = json_object_get(known, name);
	if (found != NULL)
		return (Shared *) (intptr_t) json_integer_value(found);
	if (!make)
		return NULL;
	shared = calloc(1, sizeof(Shared));
	json_object_set_new(known, name, json_integer((json_int_t) (intptr_t) shared));
	return shared;
}

/* Keeps a version of an account or of an address.  An update of the key counts as two changes. */
void
shared_note(const Entry *entry)
{
	const char *column = strcmp(entry->relation, "accounts") == 0 ? "account_id" : "address";
	const char *old_key = text_of(entry->old, column),
			   *new_key = text_of(entry->new, column);

	for (int i = 0; i < 2; i++)
	{
		const char *key = i == 0 ? old_key : new_key;
		Shared	   *shared;
		Version    *version;

		if (key == NULL || (i == 0 && new_key != NULL && strcmp(old_key, new_key) == 0))
			continue;
		shared = shared_of(entry->relation, key, true);
		shared->versions = realloc(shared->versions, sizeof(Version) * (size_t) (shared->count + 1));
		version = &shared->versions[shared->count++];
		version->seq = entry->seq;
		version->xid = entry->xid;
		version->earliest = 0;
		version->latest = 0;
		version->row = i == 0 ? NULL : json_incref(entry->new);
	}
}

static int
by_xid(const void *a, const void *b)
{
	const int64_t *x = a,
			   *y = b;

	return x[0] < y[0] ? -1 : x[0] > y[0];
}

/* Learns when the transactions of the versions became visible.  Those of the driver itself were alone. */
void
shared_intervals(PGconn *connection)
{
	PGresult   *result = run_sql(connection, "SELECT xid, earliest, latest FROM property.commit_interval");
	int			count = PQntuples(result);
	int64_t		(*interval)[3] = calloc((size_t) count + 1, sizeof(*interval));
	const char *name;
	json_t	   *value;

	for (int i = 0; i < count; i++)
		for (int k = 0; k < 3; k++)
			interval[i][k] = strtoll(PQgetvalue(result, i, k), NULL, 10);
	PQclear(result);
	qsort(interval, (size_t) count, sizeof(*interval), by_xid);
	json_object_foreach(known, name, value)
	{
		Shared	   *shared = (Shared *) (intptr_t) json_integer_value(value);

		for (int i = shared->count - 1; i >= 0 && shared->versions[i].latest == 0; i--)
		{
			Version    *version = &shared->versions[i];
			int64_t    *found = bsearch(&version->xid, interval, (size_t) count, sizeof(*interval), by_xid);

			version->earliest = found ? found[1] : version->seq;
			version->latest = found ? found[2] : version->seq;
		}
	}
	free(interval);
	PQclear(run_sql(connection, "TRUNCATE property.commit_interval"));
}

/* The versions that a decision may have seen; a row of NULL means that there was none. */
static int
visible_versions(const Shared *shared, int64_t event_id, int64_t noted_at, int64_t xid, const json_t **rows, int most)
{
	int			first = -1,
				count = 0;

	if (shared != NULL)
		for (int i = 0; i < shared->count; i++)
		{
			const Version *version = &shared->versions[i];

			if (version->xid == xid ? version->seq < event_id : version->latest < event_id)
				first = i;
		}
	rows[count++] = first >= 0 ? shared->versions[first].row : NULL;
	if (shared != NULL)
		for (int i = first + 1; i < shared->count && count < most; i++)
		{
			const Version *version = &shared->versions[i];

			if (version->xid == xid ? version->seq < noted_at : version->earliest < noted_at)
				rows[count++] = version->row;
		}
	return count;
}

int
account_versions(const char *account_id, int64_t event_id, int64_t noted_at, int64_t xid, const json_t **rows, int most)
{
	return visible_versions(account_id ? shared_of("accounts", account_id, false) : NULL, event_id, noted_at, xid, rows, most);
}

/* Addresses as the generator may have spelt them, in the form that Suppression keeps. */
static void
normalise(const char *from, const char *what, char *to, size_t size)
{
	size_t		used = 0;
	const char *in = strstr(from, "linkedin.com/");

	if (strcmp(what, "linkedin_url") == 0 && in != NULL)
		from = in;
	for (; *from && used + 1 < size; from++)
	{
		if (strcmp(what, "phone") == 0 ? (isdigit((unsigned char) *from) || *from == '+') : !isspace((unsigned char) *from))
			to[used++] = (char) tolower((unsigned char) *from);
	}
	while (used > 0 && to[used - 1] == '/')
		used--;
	to[used] = '\0';
}

/* Whether the lead may, and whether it may not, be found in Suppression by address or domain. */
void
suppression_of(const json_t *lead, int64_t event_id, int64_t noted_at, int64_t xid, bool *may_be, bool *may_not_be)
{
	static const char *const columns[] = {"email", "email", "phone", "linkedin_url"};

	*may_be = false;
	*may_not_be = true;
	for (int i = 0; i < 4; i++)
	{
		const char *value = text_of(lead, columns[i]);
		const json_t *rows[16];
		char		address[128],
				   *key = address;
		int			count;
		bool		absent = false;

		if (value == NULL)
			continue;
		normalise(value, columns[i], address, sizeof(address));
		if (i == 1)
			key = strchr(address, '@') ? strchr(address, '@') + 1 : address;
		count = visible_versions(shared_of("suppression", key, false), event_id, noted_at, xid, rows, 16);
		for (int k = 0; k < count; k++)
		{
			*may_be |= rows[k] != NULL;
			absent |= rows[k] == NULL;
		}
		*may_not_be &= absent;
	}
}
