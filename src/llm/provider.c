/*
 * llm/provider.c: provider.dialect and model.capabilities as structs.
 *
 * Owns the table of members with their checks and the defaults of each api.
 * Whoever writes a row may be tired, not hostile (only a superuser may): every
 * fault is told with the member's name and what may stand there.
 */
#include "llm/provider.h"

#include <string.h>
#include <strings.h>

typedef enum FieldKind
{
	FIELD_PATH,
	FIELD_HEADER_NAME,
	FIELD_PREFIX,
	FIELD_MEMBER_NAME,
	FIELD_JSON_MODE,
	FIELD_BOOL,
	FIELD_INTEGER,
	FIELD_HEADERS,
	FIELD_BODY
} FieldKind;

typedef struct Field
{
	const char *key;
	FieldKind	kind;
	size_t		offset;
	int			least,
				most;
} Field;

static const Field dialect_fields[] = {
	{"path", FIELD_PATH, offsetof(KamDialect, path)},
	{"auth_header", FIELD_HEADER_NAME, offsetof(KamDialect, auth_header)},
	{"auth_prefix", FIELD_PREFIX, offsetof(KamDialect, auth_prefix)},
	{"max_tokens", FIELD_MEMBER_NAME, offsetof(KamDialect, max_tokens)},
	{"json", FIELD_JSON_MODE, offsetof(KamDialect, json)},
	{"stream", FIELD_BOOL, offsetof(KamDialect, stream)},
	{"stream_usage", FIELD_BOOL, offsetof(KamDialect, stream_usage)},
	{"cache", FIELD_BOOL, offsetof(KamDialect, cache)},
	{"headers", FIELD_HEADERS, offsetof(KamDialect, headers)},
	{"body", FIELD_BODY, offsetof(KamDialect, body)},
	{"schema_below", FIELD_INTEGER, offsetof(KamDialect, schema_below), 0, 10000000},
	{"connect_timeout_ms", FIELD_INTEGER, offsetof(KamDialect, connect_timeout_ms), 1, 600000},
	{"timeout_s", FIELD_INTEGER, offsetof(KamDialect, timeout_s), 1, 86400},
	{"stall_s", FIELD_INTEGER, offsetof(KamDialect, stall_s), 1, 86400},
};

static const Field trait_fields[] = {
	{"temperature", FIELD_BOOL, offsetof(KamTraits, temperature)},
	{"structured_output", FIELD_BOOL, offsetof(KamTraits, structured)},
	{"cache", FIELD_BOOL, offsetof(KamTraits, cache)},
	{"cache_min_tokens", FIELD_INTEGER, offsetof(KamTraits, cache_min_tokens), 0, 100000000},
	{"max_output_tokens", FIELD_INTEGER, offsetof(KamTraits, max_output_tokens), 0, 100000000},
	{"body", FIELD_BODY, offsetof(KamTraits, body)},
};

static const KamDialect anthropic_dialect = {
	.path = "/v1/messages", .auth_header = "x-api-key", .auth_prefix = "", .max_tokens = "max_tokens",
	.json = KAM_JSON_SCHEMA, .stream = true, .stream_usage = true, .cache = true, .schema_below = 6000,
	.connect_timeout_ms = 10000, .timeout_s = 600, .stall_s = 120
};

static const KamDialect openai_dialect = {
	.path = "/chat/completions", .auth_header = "authorization", .auth_prefix = "Bearer ", .max_tokens = "max_completion_tokens",
	.json = KAM_JSON_SCHEMA, .stream = true, .stream_usage = true, .cache = false, .schema_below = 0,
	.connect_timeout_ms = 10000, .timeout_s = 600, .stall_s = 120
};

/* Members of a request that kam itself sets.  output_config may be there, its format not. */
static const char *const own_members[] = {
	"model", "messages", "system", "max_tokens", "max_completion_tokens", "temperature", "stream", "stream_options", "response_format",
};

static const char *const key_headers[] = {"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"};
static const char *const own_headers[] = {"content-type", "content-length", "transfer-encoding", "connection", "host", "expect", "upgrade", "te"};

typedef struct Reading
{
	KamArena   *arena;
	KamError   *error;
	char	   *out;			/* the struct */
} Reading;

/* ---- faults ------------------------------------------------------------------- */

static bool
refuse(const Reading *r, const char *path, const char *message, const char *hint)
{
	r->error->sqlstate = "22023";
	r->error->message = message;
	r->error->path = path;
	r->error->hint = hint;
	return false;
}

/* A JSON Pointer one step further. */
static const char *
below(KamArena *arena, const char *path, const char *key)
{
	char	   *out = kam_alloc(arena, strlen(path) + 2 * strlen(key) + 2);
	char	   *to = out + strlen(path);

	strcpy(out, path);
	*to++ = '/';
	for (; *key != '\0'; key++)
	{
		if (*key == '~' || *key == '/')
		{
			*to++ = '~';
			*to++ = *key == '~' ? '0' : '1';
		}
		else
			*to++ = *key;
	}
	return out;
}

static bool
refuse_value(const Reading *r, const char *key, const char *must, const char *hint)
{
	return refuse(r, below(r->arena, "", key), kam_printf(r->arena, "\"%s\" must be %s", key, must), hint);
}

static const char *
known_keys(KamArena *arena, const Field *field, size_t count)
{
	const char *out = kam_printf(arena, "Known are %s", field[0].key);

	for (size_t i = 1; i < count; i++)
		out = kam_printf(arena, "%s%s%s", out, i + 1 < count ? ", " : " and ", field[i].key);
	return kam_printf(arena, "%s.", out);
}

/* ---- strings ------------------------------------------------------------------ */

static bool
is_listed(const char *name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(name, list[i]) == 0)
			return true;
	return false;
}

/* A string of between least and most characters, all printable ASCII (space included) and none of those refused; else NULL. */
static const char *
plain_string(const json_t *value, size_t least, size_t most, const char *refused)
{
	const char *s = json_string_value(value);
	size_t		len = json_string_length(value);

	if (s == NULL || len < least || len > most)
		return NULL;
	for (size_t i = 0; i < len; i++)
		if (s[i] < ' ' || s[i] > '~' || strchr(refused, s[i]) != NULL)
			return NULL;
	return s;
}

/* What HTTP calls a token. */
static bool
is_header_name(const char *name)
{
	const char *others = "!#$%&'*+-.^_`|~";
	size_t		len = strlen(name);

	for (size_t i = 0; i < len; i++)
	{
		char		c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr(others, c) != NULL))
			return false;
	}
	return len > 0 && len <= 100;
}

static bool
read_string(const Reading *r, const Field *field, const json_t *value)
{
	const char *s = NULL;
	const char *must = "",
			   *hint = "";

	switch (field->kind)
	{
		case FIELD_PATH:
			s = plain_string(value, 1, 1000, " #\"<>\\^`{|}");
			if (s != NULL && *s != '/')
				s = NULL;
			must = "a path that begins with /";
			hint = "It is appended to base_url, for example \"/v1/messages\" or \"/chat/completions\".";
			break;
		case FIELD_HEADER_NAME:
			s = plain_string(value, 1, 100, " ");
			if (s != NULL && (!is_header_name(s) || is_listed(s, own_headers, KAM_LENGTHOF(own_headers))))
				s = NULL;
			must = "the name of an HTTP header";
			hint = "The header that takes the key: \"x-api-key\", \"authorization\" or \"api-key\".";
			break;
		case FIELD_PREFIX:
			s = plain_string(value, 0, 100, "");
			must = "a text of at most 100 printable ASCII characters";
			hint = "What stands before the key in its header: \"Bearer \", or \"\" for nothing.";
			break;
		default:
			s = plain_string(value, 1, 64, " \"\\");
			if (s != NULL && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(s))
				s = NULL;
			must = "the name of a member of the request";
			hint = "The one that bounds the answer: \"max_tokens\" or \"max_completion_tokens\".";
			break;
	}
	if (s == NULL)
		return refuse_value(r, field->key, must, hint);
	*(const char **) (r->out + field->offset) = kam_strdup(r->arena, s);
	return true;
}

static bool
read_json_mode(const Reading *r, const Field *field, const json_t *value)
{
	static const struct
	{
		const char *name;
		KamJsonMode mode;
	}			rows[] = {
		{"schema", KAM_JSON_SCHEMA},
		{"object", KAM_JSON_OBJECT},
		{"prompt", KAM_JSON_PROMPT},
	};
	const char *s = json_string_value(value);

	for (size_t i = 0; s != NULL && i < KAM_LENGTHOF(rows); i++)
	{
		if (strcmp(rows[i].name, s) == 0)
		{
			*(KamJsonMode *) (r->out + field->offset) = rows[i].mode;
			return true;
		}
	}
	return refuse_value(r, field->key, "\"schema\", \"object\" or \"prompt\"",
						"The most that the server takes: a JSON schema, JSON without one, or nothing but the prompt.");
}

/* ---- objects ------------------------------------------------------------------ */

static bool
read_headers(const Reading *r, const Field *field, const json_t *value)
{
	const char *name;
	json_t	   *text;

	if (!json_is_object(value))
		return refuse_value(r, field->key, "an object", "Names and values of headers to send along: {\"anthropic-beta\": \"...\"}.");
	json_object_foreach((json_t *) value, name, text)
	{
		const char *path = below(r->arena, "/headers", name);

		if (!is_header_name(name))
			return refuse(r, path, "a header's name holds a character that HTTP does not allow", "Letters, digits and hyphens are safe.");
		if (is_listed(name, key_headers, KAM_LENGTHOF(key_headers)))
			return refuse(r, path, kam_printf(r->arena, "header \"%s\" carries a key, which a table must not hold", name),
						  "Put the key into a file under kam.key_directory, named like the provider, or into the server's environment; "
						  "auth_header and auth_prefix say how it is sent.");
		if (is_listed(name, own_headers, KAM_LENGTHOF(own_headers)))
			return refuse(r, path, kam_printf(r->arena, "header \"%s\" is set by kam itself", name), "Leave it out.");
		if (plain_string(text, 1, 4000, "") == NULL)
			return refuse(r, path, kam_printf(r->arena, "header \"%s\" must be a text of printable ASCII characters", name),
						  "A value without line breaks, of at most 4000 characters.");
	}
	*(const json_t **) (r->out + field->offset) = value;
	return true;
}

static bool
read_body(const Reading *r, const Field *field, const json_t *value)
{
	const char *name;
	json_t	   *member;

	if (!json_is_object(value))
		return refuse_value(r, field->key, "an object", "Members for the request's top level: {\"reasoning_effort\": \"low\"}.");
	json_object_foreach((json_t *) value, name, member)
	{
		const char *path = below(r->arena, "/body", name);
		bool		is_config = strcmp(name, "output_config") == 0;

		if (is_listed(name, own_members, KAM_LENGTHOF(own_members)))
			return refuse(r, path, kam_printf(r->arena, "\"%s\" is set by kam itself", name),
						  "Model, temperature and length stand in the agent's row; the other members follow from the dialect.");
		if (is_config && !json_is_object(member))
			return refuse(r, path, "\"output_config\" must be an object", "For example {\"effort\": \"low\"}.");
		if (is_config && json_object_get(member, "format") != NULL)
			return refuse(r, below(r->arena, path, "format"), "\"format\" of output_config is set by kam itself",
						  "The schema follows from the agent's prompt.");
	}
	*(const json_t **) (r->out + field->offset) = value;
	return true;
}

/* ---- the table's interpreter ------------------------------------------------------ */

static bool
read_field(const Reading *r, const Field *field, const json_t *value)
{
	switch (field->kind)
	{
		case FIELD_BOOL:
			if (!json_is_boolean(value))
				return refuse_value(r, field->key, "true or false", kam_printf(r->arena, "Write {\"%s\": true}, without quotes around the value.", field->key));
			*(bool *) (r->out + field->offset) = json_is_true(value);
			return true;
		case FIELD_INTEGER:
			if (!json_is_integer(value) || json_integer_value(value) < field->least || json_integer_value(value) > field->most)
				return refuse_value(r, field->key, kam_printf(r->arena, "a whole number from %d to %d", field->least, field->most),
									kam_printf(r->arena, "Write it without quotes, unit or fraction: {\"%s\": %d}.", field->key,
											   *(const int *) (r->out + field->offset)));
			*(int *) (r->out + field->offset) = (int) json_integer_value(value);
			return true;
		case FIELD_JSON_MODE:
			return read_json_mode(r, field, value);
		case FIELD_HEADERS:
			return read_headers(r, field, value);
		case FIELD_BODY:
			return read_body(r, field, value);
		default:
			return read_string(r, field, value);
	}
}

static bool
read_fields(const Reading *r, const Field *field, size_t count, const json_t *object)
{
	const char *key;
	json_t	   *value;

	if (object == NULL)
		return true;
	if (!json_is_object(object))
		return refuse(r, "", "a JSON object is wanted", known_keys(r->arena, field, count));
	json_object_foreach((json_t *) object, key, value)
	{
		size_t		i = 0;

		while (i < count && strcmp(field[i].key, key) != 0)
			i++;
		if (i == count)
			return refuse(r, below(r->arena, "", key), kam_printf(r->arena, "\"%.100s\" is not known", key), known_keys(r->arena, field, count));
		if (!read_field(r, &field[i], value))
			return false;
	}
	return true;
}

bool
kam_api_from_name(const char *name, KamApi *out)
{
	static const char *const names[] = {
		[KAM_API_BUILTIN] = "builtin", [KAM_API_ANTHROPIC] = "anthropic", [KAM_API_OPENAI] = "openai", [KAM_API_REPLAY] = "replay"
	};

	for (size_t i = 0; i < KAM_LENGTHOF(names); i++)
	{
		if (name != NULL && strcmp(names[i], name) == 0)
		{
			*out = (KamApi) i;
			return true;
		}
	}
	return false;
}

/* Members that collide once the whole dialect is known. */
static bool
check_names(const Reading *r, const KamDialect *dialect)
{
	const char *name;
	json_t	   *value;

	if (is_listed(dialect->max_tokens, own_members, KAM_LENGTHOF(own_members)) && strncmp(dialect->max_tokens, "max_", 4) != 0)
		return refuse_value(r, "max_tokens", "another member's name than those that kam sets for itself",
							"The one that bounds the answer: \"max_tokens\" or \"max_completion_tokens\".");
	if (json_object_get(dialect->body, dialect->max_tokens) != NULL)
		return refuse(r, below(r->arena, "/body", dialect->max_tokens), kam_printf(r->arena, "\"%s\" is set by kam itself", dialect->max_tokens),
					  "The length stands in the agent's row.");
	json_object_foreach((json_t *) dialect->headers, name, value)
		if (strcasecmp(name, dialect->auth_header) == 0)
			return refuse(r, below(r->arena, "/headers", name), kam_printf(r->arena, "header \"%s\" carries the key", name),
						  "Put the key into a file under kam.key_directory, named like the provider, or into the server's environment.");
	return true;
}

bool
kam_dialect_read(KamArena *arena, KamApi api, const json_t *dialect, KamDialect *out, KamError *error)
{
	Reading		r = {arena, error, (char *) out};

	*out = api == KAM_API_ANTHROPIC ? anthropic_dialect : openai_dialect;
	return read_fields(&r, dialect_fields, KAM_LENGTHOF(dialect_fields), dialect) && check_names(&r, out);
}

bool
kam_traits_read(KamArena *arena, const json_t *capabilities, KamTraits *out, KamError *error)
{
	Reading		r = {arena, error, (char *) out};

	*out = (KamTraits) {.temperature = true, .cache_min_tokens = 1024};
	return read_fields(&r, trait_fields, KAM_LENGTHOF(trait_fields), capabilities);
}
