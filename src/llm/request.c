/*
 * llm/request.c: the wire form of one call, in pieces.
 *
 * Owns the layout of both APIs' bodies: what calls share stands first and
 * byte for byte alike, what varies last.  Fields that a model or server refuses
 * are left out by dialect and traits, never by name.  The last turn is always
 * the user's: newer models refuse to go on from words put into their mouth.
 */
#include "llm/request.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "llm/buffer.h"
#include "llm/prompt.h"

#define ANTHROPIC_VERSION "2023-06-01"
#define USER_AGENT "kam/1.0"

typedef struct Build
{
	KamArena   *arena;
	const KamAsk *ask;
	KamRequest *out;
	const char *pending;		/* text that waits for the next piece */
} Build;

/* ---- JSON ---------------------------------------------------------------------- */

/* Bytes that stand for themselves. */
static inline bool
is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x80 && c != '"' && c != '\\';
}

/* A bit per byte of eight that is not plain, at its highest place: the tests of is_plain side by side. */
static inline uint64_t
not_plain(uint64_t bytes)
{
	const uint64_t ones = UINT64_C(0x0101010101010101),
				high = UINT64_C(0x8080808080808080);
	uint64_t	quotes = bytes ^ ones * '"',
				slashes = bytes ^ ones * '\\';

	return ((bytes - ones * ' ') | (quotes - ones) | (slashes - ones) | bytes) & high;
}

/* How many bytes from here on stand for themselves. */
static size_t
plain_bytes(const unsigned char *s, size_t left)
{
	size_t		n = 0;
	uint64_t	bytes;

	/* A byte above one that is not plain may be told of too: eight that are all plain are passed over, no more is asked. */
	for (; n + sizeof bytes <= left; n += sizeof bytes)
	{
		memcpy(&bytes, s + n, sizeof bytes);
		if (not_plain(bytes) != 0)
			break;
	}
	while (n < left && is_plain(s[n]))
		n++;
	return n;
}

/* What stands for the character at s, which is not plain; NULL: itself.  *taken: its bytes. */
static const char *
escaped(const unsigned char *s, size_t left, size_t *taken, char *room)
{
	static const char hex[] = "0123456789abcdef";
	static const char brief[][2] = {{'"', '"'}, {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}};

	*taken = 1;
	for (size_t i = 0; i < KAM_LENGTHOF(brief); i++)
	{
		if (*s == (unsigned char) brief[i][0])
		{
			room[0] = '\\';
			room[1] = brief[i][1];
			room[2] = '\0';
			return room;
		}
	}
	if (*s < ' ')
	{
		memcpy(room, "\\u00", 4);
		room[4] = hex[*s >> 4];
		room[5] = hex[*s & 15];
		room[6] = '\0';
		return room;
	}
	*taken = kam_utf8_length(s, left);
	if (*taken > 0)
		return NULL;
	*taken = 1;
	return "\xef\xbf\xbd";
}

/* Writes the escaped text when there is somewhere to; its length either way. */
static size_t
escape_into(char *out, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *) text;
	size_t		to = 0;

	for (size_t at = 0; at < len;)
	{
		const char *instead = NULL;
		size_t		taken = plain_bytes(s + at, len - at),
					given;
		char		room[8];

		if (taken == 0)
			instead = escaped(s + at, len - at, &taken, room);
		given = instead != NULL ? strlen(instead) : taken;
		if (out != NULL)
			memcpy(out + to, instead != NULL ? instead : text + at, given);
		to += given;
		at += taken;
	}
	return to;
}

KamPiece
kam_escape(KamArena *arena, const char *text, size_t len)
{
	size_t		size = escape_into(NULL, text, len);
	char	   *out = kam_alloc_raw(arena, size + 1);

	if (size == len)
		memcpy(out, text, len);
	else
		escape_into(out, text, len);
	out[size] = '\0';
	return (KamPiece) {out, size};
}

static const char *
quoted(KamArena *arena, const char *text)
{
	return kam_printf(arena, "\"%s\"", kam_escape(arena, text, strlen(text)).data);
}

static KamPiece
dump(KamArena *arena, const json_t *value)
{
	const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);
	size_t		len = json_dumpb(value, NULL, 0, flags);
	char	   *out = kam_alloc(arena, len + 1);

	json_dumpb(value, out, len, flags);
	return (KamPiece) {out, len};
}

KamPiece
kam_schema_text(KamArena *arena, const json_t *schema)
{
	return dump(arena, schema);
}

/* ---- pieces ------------------------------------------------------------------- */

static void
add_text(Build *b, const char *text)
{
	b->pending = b->pending != NULL ? kam_printf(b->arena, "%s%s", b->pending, text) : text;
}

static void
put(Build *b, const char *data, size_t len)
{
	b->out->piece[b->out->npieces++] = (KamPiece) {data, len};
	b->out->size += len;
}

static void
flush(Build *b)
{
	if (b->pending != NULL)
		put(b, b->pending, strlen(b->pending));
	b->pending = NULL;
}

/* Seven at most (the schema, the prompt's four, a repair's two), each with text before it: the pieces suffice. */
static void
add_piece(Build *b, KamPiece piece)
{
	if (piece.len == 0)
		return;
	flush(b);
	put(b, piece.data, piece.len);
}

/* ---- members ------------------------------------------------------------------ */

static bool
wants_schema(const KamAsk *ask)
{
	return ask->schema.len > 0 && ask->traits->structured && ask->dialect->json == KAM_JSON_SCHEMA;
}

static const char *
schema_name(const KamAsk *ask)
{
	const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	const char *name = ask->schema_name;

	return name != NULL && *name != '\0' && strlen(name) <= 64 && strspn(name, allowed) == strlen(name) ? name : "answer";
}

/* "," and the members of the dialect's and the model's body; the model's win over the dialect's, kam's own over both. */
static const char *
extra_members(const Build *b)
{
	const KamAsk *ask = b->ask;
	const json_t *from[] = {ask->dialect->body, ask->traits->body};
	const char *out = "";

	for (size_t i = 0; i < KAM_LENGTHOF(from); i++)
	{
		const char *key;
		json_t	   *value;

		json_object_foreach((json_t *) from[i], key, value)
		{
			/* output_config may have to hold the schema too */
			if ((i == 0 && json_object_get(ask->traits->body, key) != NULL) || strcmp(key, ask->dialect->max_tokens) == 0 ||
				(strcmp(key, "output_config") == 0 && ask->api == KAM_API_ANTHROPIC && wants_schema(ask)))
				continue;
			out = kam_printf(b->arena, "%s,%s:%s", out, quoted(b->arena, key), dump(b->arena, value).data);
		}
	}
	return out;
}

/* Members of output_config beside the format, each with "," behind it. */
static const char *
other_config(const Build *b)
{
	const json_t *config = json_object_get(b->ask->traits->body, "output_config");
	const char *out = "";
	const char *key;
	json_t	   *value;

	if (config == NULL)
		config = json_object_get(b->ask->dialect->body, "output_config");
	json_object_foreach((json_t *) config, key, value)
		if (strcmp(key, "format") != 0)
			out = kam_printf(b->arena, "%s%s:%s,", out, quoted(b->arena, key), dump(b->arena, value).data);
	return out;
}

/* The temperature as far as the API takes one, as a member with "," before it; "" when none is sent. */
static const char *
temperature_member(const Build *b)
{
	const KamAsk *ask = b->ask;
	double		most = ask->api == KAM_API_ANTHROPIC ? 1.0 : 2.0;
	double		value = ask->temperature < 0 ? 0 : ask->temperature > most ? most : ask->temperature;
	char	   *out;

	if (!ask->has_temperature || !ask->traits->temperature || isnan(value))
		return "";
	out = kam_printf(b->arena, ",\"temperature\":%.15g", value);
	/* a locale's decimal comma */
	for (char *c = out + 1; *c != '\0'; c++)
		if (*c == ',')
			*c = '.';
	return out;
}

/* The head: everything that stands before the prompt. */
static void
add_head(Build *b)
{
	const KamAsk *ask = b->ask;
	int			max_tokens = ask->max_tokens > 0 ? ask->max_tokens : 1;

	if (ask->traits->max_output_tokens > 0 && max_tokens > ask->traits->max_output_tokens)
		max_tokens = ask->traits->max_output_tokens;
	add_text(b, kam_printf(b->arena, "{\"model\":%s,%s:%d%s%s%s", quoted(b->arena, ask->model), quoted(b->arena, ask->dialect->max_tokens),
						   max_tokens, temperature_member(b), ask->dialect->stream ? ",\"stream\":true" : "", extra_members(b)));
}

/* ---- the prompt ------------------------------------------------------------------ */

/* Is it nothing, or escaped white space alone?  Such a turn is refused. */
static bool
is_blank(KamPiece piece)
{
	for (size_t i = 0; i < piece.len; i++)
	{
		if (piece.data[i] == '\\' && i + 1 < piece.len && strchr("nrt", piece.data[i + 1]) != NULL && piece.data[i + 1] != '\0')
			i++;
		else if (piece.data[i] != ' ')
			return false;
	}
	return true;
}

/* The complaint is a turn of its own only behind the answer it is about. */
static bool
has_rejected(const KamAsk *ask)
{
	return ask->complaint.len > 0 && !is_blank(ask->rejected);
}

/* The end of a text that may have a cache mark, given the bytes of the prefix that ends there. */
static const char *
text_end(const KamAsk *ask, bool keep, size_t prefix)
{
	bool		mark = keep && ask->dialect->cache && ask->traits->cache && kam_prompt_tokens(prefix) >= ask->traits->cache_min_tokens;

	return mark ? "\",\"cache_control\":{\"type\":\"ephemeral\"}}" : "\"}";
}

static const char text_begin[] = "{\"type\":\"text\",\"text\":\"";

static void
add_anthropic(Build *b)
{
	const KamAsk *ask = b->ask;
	const KamPrompt *prompt = &ask->prompt;

	if (wants_schema(ask))
	{
		add_text(b, kam_printf(b->arena, ",\"output_config\":{%s\"format\":{\"type\":\"json_schema\",\"schema\":", other_config(b)));
		add_piece(b, ask->schema);
		add_text(b, "}}");
	}
	if (prompt->common.len > 0)
	{
		add_text(b, kam_printf(b->arena, ",\"system\":[%s", text_begin));
		add_piece(b, prompt->common);
		add_text(b, text_end(ask, true, prompt->common.len));
		add_text(b, "]");
	}
	add_text(b, ",\"messages\":[{\"role\":\"user\",\"content\":[");
	if (prompt->contact.len > 0)
	{
		add_text(b, text_begin);
		add_piece(b, prompt->contact);
		add_text(b, text_end(ask, ask->keep_contact, prompt->common.len + prompt->contact.len));
	}
	add_text(b, kam_printf(b->arena, "%s%s", prompt->contact.len > 0 ? "," : "", text_begin));
	add_piece(b, prompt->wave);
	if (ask->keep_wave && prompt->wave.len > 0)
		add_text(b, kam_printf(b->arena, "%s,%s", text_end(ask, true, prompt->common.len + prompt->contact.len + prompt->wave.len), text_begin));
	add_piece(b, prompt->own);
	if (has_rejected(ask))
	{
		add_text(b, kam_printf(b->arena, "\"}]},{\"role\":\"assistant\",\"content\":[%s", text_begin));
		add_piece(b, ask->rejected);
		add_text(b, kam_printf(b->arena, "\"}]},{\"role\":\"user\",\"content\":[%s", text_begin));
	}
	else if (ask->complaint.len > 0)
		add_text(b, "\\n\\n");
	add_piece(b, ask->complaint);
	add_text(b, "\"}]}]}");
}

static void
add_openai(Build *b)
{
	const KamAsk *ask = b->ask;
	const KamPrompt *prompt = &ask->prompt;

	if (ask->dialect->stream && ask->dialect->stream_usage)
		add_text(b, ",\"stream_options\":{\"include_usage\":true}");
	if (wants_schema(ask))
	{
		add_text(b, kam_printf(b->arena, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"%s\",\"strict\":true,\"schema\":",
							   schema_name(ask)));
		add_piece(b, ask->schema);
		add_text(b, "}}");
	}
	else if (ask->dialect->json != KAM_JSON_PROMPT)
		add_text(b, ",\"response_format\":{\"type\":\"json_object\"}");
	add_text(b, ",\"messages\":[");
	if (prompt->common.len > 0)
	{
		add_text(b, "{\"role\":\"system\",\"content\":\"");
		add_piece(b, prompt->common);
		add_text(b, "\"},");
	}
	add_text(b, "{\"role\":\"user\",\"content\":\"");
	add_piece(b, prompt->contact);
	if (prompt->contact.len > 0 && prompt->wave.len + prompt->own.len > 0)
		add_text(b, "\\n\\n");
	add_piece(b, prompt->wave);
	add_piece(b, prompt->own);
	if (has_rejected(ask))
	{
		add_text(b, "\"},{\"role\":\"assistant\",\"content\":\"");
		add_piece(b, ask->rejected);
		add_text(b, "\"},{\"role\":\"user\",\"content\":\"");
	}
	else if (ask->complaint.len > 0)
		add_text(b, "\\n\\n");
	add_piece(b, ask->complaint);
	add_text(b, "\"}]}");
}

/* ---- around the body --------------------------------------------------------------- */

static const char *
make_url(const Build *b)
{
	const char *base = b->ask->base_url != NULL ? b->ask->base_url : "";
	size_t		len = strlen(base);

	while (len > 0 && base[len - 1] == '/')
		len--;
	return kam_printf(b->arena, "%.*s%s", (int) len, base, b->ask->dialect->path);
}

/* kam's own headers unless the dialect has them otherwise, then the dialect's. */
static const char *const *
make_headers(const Build *b)
{
	const KamAsk *ask = b->ask;
	const struct
	{
		const char *name,
				   *value;
		bool		sent;
	}			own[] = {
		{"content-type", "application/json", true},
		{"accept", ask->dialect->stream ? "text/event-stream, application/json" : "application/json", true},
		{"user-agent", USER_AGENT, true},
		{"anthropic-version", ANTHROPIC_VERSION, ask->api == KAM_API_ANTHROPIC},
	};
	const char **line = KAM_NEW_ARRAY(b->arena, const char *, KAM_LENGTHOF(own) + json_object_size(ask->dialect->headers) + 1);
	const char *name;
	json_t	   *value;
	int			n = 0;

	for (size_t i = 0; i < KAM_LENGTHOF(own); i++)
	{
		bool		given = false;

		json_object_foreach((json_t *) ask->dialect->headers, name, value)
			given = given || strcasecmp(name, own[i].name) == 0;
		if (own[i].sent && !given)
			line[n++] = kam_printf(b->arena, "%s: %s", own[i].name, own[i].value);
	}
	json_object_foreach((json_t *) ask->dialect->headers, name, value)
		if (json_is_string(value))
			line[n++] = kam_printf(b->arena, "%s: %s", name, json_string_value(value));
	return line;
}

void
kam_request_build(KamArena *arena, const KamAsk *ask, KamRequest *out)
{
	Build		b = {arena, ask, out, NULL};

	memset(out, 0, sizeof(*out));
	out->url = make_url(&b);
	out->headers = make_headers(&b);
	add_head(&b);
	if (ask->api == KAM_API_ANTHROPIC)
		add_anthropic(&b);
	else
		add_openai(&b);
	flush(&b);
}
