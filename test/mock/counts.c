/*
 * test/mock/counts.c: what was asked and answered, exactly, and the test's own
 * requests below /control/.
 */
#define _GNU_SOURCE
#include "mock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Table
{
	void	  **slot;
	size_t		size,
				used;
} Table;

Counts		count;
bool		gate_open;
bool		healed;

static Table contacts,
			tallies;
static Bytes last_head,
			last_body;

/* ---- tables by text ---- */

static uint64_t
hash_of(const char *key, size_t len)
{
	uint64_t	hash = 1469598103934665603u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char) key[i]) * 1099511628211u;
	return hash;
}

/* The entry for a key, made when there is none.  Entries begin with their key and its length, as Contact and Tally do. */
static void *
table_get(Table *table, const char *key, size_t len, size_t entry_size)
{
	size_t		i;

	if ((table->used + 1) * 2 > table->size)
	{
		Table		bigger = {calloc(table->size ? table->size * 2 : 256, sizeof(void *)), table->size ? table->size * 2 : 256, table->used};

		if (bigger.slot == NULL)
			abort();
		for (size_t k = 0; k < table->size; k++)
			if (table->slot[k] != NULL)
			{
				Contact    *entry = table->slot[k];

				for (i = hash_of(entry->email, entry->len) % bigger.size; bigger.slot[i] != NULL; i = (i + 1) % bigger.size)
					;
				bigger.slot[i] = entry;
			}
		free(table->slot);
		*table = bigger;
	}
	for (i = hash_of(key, len) % table->size; table->slot[i] != NULL; i = (i + 1) % table->size)
	{
		Contact    *entry = table->slot[i];

		if (entry->len == len && memcmp(entry->email, key, len) == 0)
			return entry;
	}
	table->slot[i] = calloc(1, entry_size);
	if (table->slot[i] == NULL)
		abort();
	((Contact *) table->slot[i])->email = strndup(key, len);
	((Contact *) table->slot[i])->len = len;
	table->used++;
	return table->slot[i];
}

static void
table_clear(Table *table)
{
	for (size_t i = 0; i < table->size; i++)
		if (table->slot[i] != NULL)
		{
			free(((Contact *) table->slot[i])->email);
			free(table->slot[i]);
		}
	free(table->slot);
	*table = (Table) {0};
}

Contact *
contact_of(const Request *request)
{
	return table_get(&contacts, request->email, request->email_len, sizeof(Contact));
}

Tally *
tally_of(const Spec *spec, const char *email, size_t email_len)
{
	char		key[1024];
	int			len = snprintf(key, sizeof(key), "%.*s %.*s", (int) spec->text_len, spec->text, (int) email_len, email);

	return table_get(&tallies, key, len < (int) sizeof(key) ? len : (int) sizeof(key) - 1, sizeof(Tally));
}


/* ---- calls ---- */

void
call_begins(Conn *conn, const Request *request)
{
	count.requests++;
	count.by_agent[request->agent]++;
	count.streamed += request->stream;
	if (++count.in_flight > count.most_in_flight)
		count.most_in_flight = count.in_flight;
	conn->counted = true;
	conn->fault = false;
	conn->agent = request->agent;
	conn->contact = contact_of(request);
	conn->contact->asked[request->agent]++;
}

/* completed: its answer went out to the last byte; else the connection is gone. */
void
call_ends(Conn *conn, bool completed)
{
	if (!conn->counted)
		return;
	conn->counted = false;
	count.in_flight--;
	if (conn->gated)
		count.gated--;
	conn->gated = false;
	if (conn->fault)
	{
		count.faults++;
		if (conn->contact)
			conn->contact->faults[conn->agent]++;
	}
	else if (completed)
	{
		count.answered++;
		if (conn->contact)
			conn->contact->answered[conn->agent]++;
	}
	if (!completed)
		count.abandoned++;
}

void
keep_request(const Request *request)
{
	last_head.len = last_body.len = 0;
	bytes_add(&last_head, request->head, request->head_len);
	bytes_add(&last_body, request->body, request->size);
}

void
keep_body(const Request *request)
{
	static bool kept[AGENTS];
	char		name[4096];
	FILE	   *file;

	if (kept[request->agent])
		return;
	kept[request->agent] = true;
	snprintf(name, sizeof(name), "%s/%s", options.bodies, agent_name(request->agent));
	file = fopen(name, "wb");
	if (file == NULL || fwrite(request->body, 1, request->size, file) != request->size)
		perror(name);
	if (file)
		fclose(file);
}

/* ---- control ---- */

static void
add_json_text(Bytes *to, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = text[i];

		if (c < ' ' || c == '"' || c == '\\')
			bytes_addf(to, "\\u%04x", c);
		else
			bytes_add(to, text + i, 1);
	}
}

static void
add_by_agent(Bytes *to, const uint32_t *number)
{
	const char *comma = "";

	bytes_addf(to, "{");
	for (int i = 0; i < AGENTS; i++)
		if (number[i] != 0)
		{
			bytes_addf(to, "%s\"%s\": %u", comma, agent_name(i), number[i]);
			comma = ", ";
		}
	bytes_addf(to, "}");
}

static void
add_stats(Bytes *to)
{
	const char *comma = "";

	bytes_addf(to, "{\"requests\": %llu, \"answered\": %llu, \"faults\": %llu, \"refused\": %llu, \"followed\": %llu, \"abandoned\": %llu, \"streamed\": %llu,"
			   " \"in_flight\": %d, \"most_in_flight\": %d, \"gated\": %d, \"connections\": %d, \"most_connections\": %d, \"accepted\": %llu, \"bytes_in\": %llu,"
			   " \"by_agent\": {",
			   (unsigned long long) count.requests, (unsigned long long) count.answered, (unsigned long long) count.faults, (unsigned long long) count.refused,
			   (unsigned long long) count.followed, (unsigned long long) count.abandoned, (unsigned long long) count.streamed, count.in_flight, count.most_in_flight, count.gated,
			   count.connections, count.most_connections, (unsigned long long) count.accepted, (unsigned long long) count.bytes_in);
	for (int i = 0; i < AGENTS; i++)
		if (count.by_agent[i] != 0)
		{
			bytes_addf(to, "%s\"%s\": %llu", comma, agent_name(i), (unsigned long long) count.by_agent[i]);
			comma = ", ";
		}
	bytes_addf(to, "}, \"by_status\": {");
	comma = "";
	for (int i = 0; i < 1000; i++)
		if (count.by_status[i] != 0)
		{
			bytes_addf(to, "%s\"%d\": %llu", comma, i, (unsigned long long) count.by_status[i]);
			comma = ", ";
		}
	bytes_addf(to, "}, \"contacts\": {");
	comma = "";
	for (size_t i = 0; i < contacts.size; i++)
		if (contacts.slot[i] != NULL)
		{
			Contact    *contact = contacts.slot[i];

			bytes_addf(to, "%s\n\"", comma);
			add_json_text(to, contact->email, contact->len);
			bytes_addf(to, "\": {\"asked\": ");
			add_by_agent(to, contact->asked);
			bytes_addf(to, ", \"answered\": ");
			add_by_agent(to, contact->answered);
			bytes_addf(to, ", \"faults\": ");
			add_by_agent(to, contact->faults);
			bytes_addf(to, "}");
			comma = ",";
		}
	bytes_addf(to, "}}\n");
}

static void
reset_counts(void)
{
	int			in_flight = count.in_flight,
				gated = count.gated,
				connections = count.connections;

	memset(&count, 0, sizeof(count));
	count.in_flight = count.most_in_flight = in_flight;
	count.gated = gated;
	count.connections = count.most_connections = connections;
	forget_contacts();
	table_clear(&contacts);
	table_clear(&tallies);
	cache_clear();
	gate_open = healed = false;
}

/* Requests of the test itself, below /control/. */
void
control(Conn *conn, const char *path, size_t len)
{
	Bytes		text = {0};
	int			status = 200;

#define SAYS(what) (len == sizeof(what) - 1 && memcmp(path, what, len) == 0)
	if (SAYS("stats"))
		add_stats(&text);
	else if (SAYS("last"))
	{
		bytes_addf(&text, "{\"head\": \"");
		add_json_text(&text, last_head.data, last_head.len);
		bytes_addf(&text, "\", \"body\": \"");
		add_json_text(&text, last_body.data, last_body.len);
		bytes_addf(&text, "\"}\n");
	}
	else if (SAYS("reset"))
		reset_counts();
	else if (SAYS("open"))
		open_gate();
	else if (SAYS("close"))
		gate_open = false;
	else if (SAYS("heal"))
		healed = true;
	else if (SAYS("break"))
		healed = false;
	else
		status = 404;
#undef SAYS
	if (text.len == 0)
		bytes_addf(&text, "{}\n");
	reply(conn, status, "application/json", &text, NULL, 0);
	count.by_status[status]--;
	free(text.data);
}

