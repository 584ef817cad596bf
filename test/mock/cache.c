/*
 * test/mock/cache.c: prompt caching, accounted for as the APIs document it.
 *
 * An entry is an exact prefix of what a model is told: first the schema, then
 * the texts in their order.  It is there for others once the answer that made
 * it has begun, and for five minutes after it was used last.
 *
 * Messages: an entry ends at a block with a cache mark, of at least so many
 * tokens; a request reads the longest entry that ends at one of its blocks at
 * or before its last mark, and writes from there to that mark.
 * Chat Completions: an entry ends every 128 tokens from 1024 on, of itself.
 *
 * A token is four bytes of text, here as in the mock's other counts.
 */
#define _GNU_SOURCE
#include "mock.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_US (300 * INT64_C(1000000))
#define BYTES_PER_TOKEN 4
#define AUTOMATIC_LEAST 1024
#define AUTOMATIC_STEP 128
#define MOST_BLOCKS 64
#define MOST_MARKS 4

typedef struct Entry
{
	uint64_t	key[2];
	int64_t		from_us,		/* there for others */
				until_us;
} Entry;

/* A prefix in the making. */
typedef struct Prefix
{
	uint64_t	key[2];
	size_t		bytes;			/* of text */
} Prefix;

static Entry *entry;
static size_t entries,
			entries_used;

static void
prefix_add(Prefix *prefix, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		prefix->key[0] = (prefix->key[0] ^ (unsigned char) text[i]) * 1099511628211u;
		prefix->key[1] = (prefix->key[1] + (unsigned char) text[i] + 1) * 6364136223846793005u;
	}
}

static Entry *
entry_at(Entry *table, size_t size, const uint64_t *key)
{
	size_t		i = key[0] % size;

	while (table[i].until_us != 0 && (table[i].key[0] != key[0] || table[i].key[1] != key[1]))
		i = (i + 1) % size;
	return &table[i];
}

static Entry *
entry_of(const Prefix *prefix)
{
	if ((entries_used + 1) * 2 > entries)
	{
		size_t		size = entries ? entries * 2 : 4096;
		Entry	   *bigger = calloc(size, sizeof(Entry));

		if (bigger == NULL)
			abort();
		for (size_t i = 0; i < entries; i++)
			if (entry[i].until_us != 0)
				*entry_at(bigger, size, entry[i].key) = entry[i];
		free(entry);
		entry = bigger;
		entries = size;
	}
	return entry_at(entry, entries, prefix->key);
}

void
cache_clear(void)
{
	free(entry);
	entry = NULL;
	entries = entries_used = 0;
}

static bool
is_there(const Prefix *prefix, int64_t now)
{
	const Entry *found = entry_of(prefix);

	return found->until_us > now && found->from_us <= now;
}

/* Makes an entry, or keeps it longer. */
static void
keep(const Prefix *prefix, int64_t now, int64_t begins_us)
{
	Entry	   *found = entry_of(prefix);

	if (found->until_us == 0)
	{
		memcpy(found->key, prefix->key, sizeof(found->key));
		entries_used++;
	}
	if (found->until_us <= now)
		found->from_us = begins_us;
	found->until_us = now + KEPT_US;
}

static size_t
tokens_of(const Prefix *prefix)
{
	return prefix->bytes / BYTES_PER_TOKEN;
}

static void
add_value(Prefix *prefix, const json_t *value)
{
	char	   *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;

	if (text)
		prefix_add(prefix, text, strlen(text));
	free(text);
}

/* Tokens too: it is told to the model. */
static void
add_schema(Prefix *prefix, const json_t *schema)
{
	add_value(prefix, schema);
	prefix->bytes += schema ? json_dumpb(schema, NULL, 0, JSON_COMPACT) : 0;
}

static void
add_words(Prefix *prefix, const json_t *text)
{
	prefix_add(prefix, "\0", 1);
	prefix_add(prefix, json_string_value(text), json_string_length(text));
	prefix->bytes += json_string_length(text);
}

/* ---- Messages ---- */

typedef struct Blocks
{
	Prefix		end[MOST_BLOCKS];
	bool		marked[MOST_BLOCKS];
	int			count,
				marks;
} Blocks;

static void
add_blocks(Blocks *blocks, Prefix *prefix, const json_t *content)
{
	size_t		i;
	json_t	   *block;

	if (json_is_string(content))
		add_words(prefix, content);
	json_array_foreach(content, i, block)
	{
		if (blocks->count == MOST_BLOCKS)
			abort();
		add_words(prefix, json_object_get(block, "text"));
		blocks->end[blocks->count] = *prefix;
		blocks->marked[blocks->count] = json_object_get(block, "cache_control") != NULL;
		blocks->marks += blocks->marked[blocks->count++];
	}
}

static void
account_marked(Request *request, const json_t *body, Prefix prefix, int64_t now, int64_t begins_us)
{
	Blocks		blocks = {.count = 0};
	size_t		i,
				end = 0;
	json_t	   *message;

	add_schema(&prefix, json_object_get(json_object_get(body, "output_config"), "format"));
	add_blocks(&blocks, &prefix, json_object_get(body, "system"));
	json_array_foreach(json_object_get(body, "messages"), i, message)
	{
		add_value(&prefix, json_object_get(message, "role"));
		add_blocks(&blocks, &prefix, json_object_get(message, "content"));
	}
	if (blocks.marks > MOST_MARKS)
		abort();
	for (int b = blocks.count - 1; b >= 0; b--)
	{
		if (tokens_of(&blocks.end[b]) < (size_t) options.cache_min)
			break;
		if (blocks.marked[b] && end == 0)
			end = tokens_of(&blocks.end[b]);
		if (end > 0 && is_there(&blocks.end[b], now))
		{
			request->read = tokens_of(&blocks.end[b]);
			keep(&blocks.end[b], now, begins_us);
			break;
		}
	}
	request->tokens = tokens_of(&prefix);
	request->written = end - request->read;
	for (int b = 0; b < blocks.count; b++)
		if (blocks.marked[b] && tokens_of(&blocks.end[b]) >= (size_t) options.cache_min)
			keep(&blocks.end[b], now, begins_us);
}

/* ---- Chat Completions ---- */

static void
account_automatic(Request *request, const json_t *body, Prefix prefix, int64_t now, int64_t begins_us)
{
	const size_t step = AUTOMATIC_STEP * BYTES_PER_TOKEN;
	json_t	   *message;
	size_t		i;

	add_schema(&prefix, json_object_get(body, "response_format"));
	json_array_foreach(json_object_get(body, "messages"), i, message)
	{
		const char *text = json_string_value(json_object_get(message, "content"));
		size_t		len = json_string_length(json_object_get(message, "content"));

		add_value(&prefix, json_object_get(message, "role"));
		for (size_t at = 0; at < len;)
		{
			size_t		piece = step - prefix.bytes % step;

			if (piece > len - at)
				piece = len - at;
			prefix_add(&prefix, text + at, piece);
			prefix.bytes += piece;
			at += piece;
			if (prefix.bytes % step != 0 || tokens_of(&prefix) < AUTOMATIC_LEAST)
				continue;
			if (is_there(&prefix, now))
				request->read = tokens_of(&prefix);
			keep(&prefix, now, begins_us);
		}
	}
	request->tokens = tokens_of(&prefix);
}

void
cache_account(Request *request, int64_t begins_us)
{
	json_t	   *body = json_loadb(request->body, request->size, 0, NULL);
	Prefix		prefix = {{1469598103934665603u, 88172645463325252u}, 0};

	if (body == NULL)
		return;
	prefix_add(&prefix, request->model, request->model_len);
	(request->api == API_ANTHROPIC ? account_marked : account_automatic) (request, body, prefix, now_us(), begins_us);
	json_decref(body);
}
