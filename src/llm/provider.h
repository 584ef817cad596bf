/*
 * llm/provider.h: who answers, and how they want to be asked.
 *
 * A provider row (its dialect) and a model row (its traits), read once and
 * checked.  Everything that differs between servers of one protocol stands
 * here as a field; no other file asks for a server's name.
 */
#pragma once

#include "core/base.h"
#include "core/json.h"

typedef enum KamApi
{
	KAM_API_BUILTIN,			/* core/'s own agents; no request is made */
	KAM_API_ANTHROPIC,			/* Messages */
	KAM_API_OPENAI,				/* Chat Completions */
	KAM_API_REPLAY				/* recorded answers; no request is made */
} KamApi;

/* How the model is held to JSON. */
typedef enum KamJsonMode
{
	KAM_JSON_PROMPT,			/* by the prompt alone */
	KAM_JSON_OBJECT,			/* response_format json_object */
	KAM_JSON_SCHEMA				/* the schema goes along */
} KamJsonMode;

/* provider.dialect, with the defaults of its api filled in. */
typedef struct KamDialect
{
	const char *path;			/* "path": appended to base_url; "/v1/messages", "/chat/completions" */
	const char *auth_header;	/* "auth_header": "x-api-key", "authorization" */
	const char *auth_prefix;	/* "auth_prefix": "", "Bearer " */
	const char *max_tokens;		/* "max_tokens": name of the field; "max_tokens", "max_completion_tokens" */
	KamJsonMode json;			/* "json": "schema", "object", "prompt"; the most that the server takes */
	bool		stream;			/* "stream" */
	bool		stream_usage;	/* "stream_usage": a stream tells its tokens when asked (openai's stream_options); default true */
	bool		cache;			/* "cache": cache_control marks are understood (anthropic) */
	int			schema_below;	/* "schema_below": a contact of so many tokens is asked without the schema, which would part the waves' caches; 0: never */
	const json_t *headers;		/* "headers": {name: value} sent along, or NULL */
	const json_t *body;			/* "body": members merged into the request's top level, or NULL */
	int			connect_timeout_ms; /* "connect_timeout_ms": 10000 */
	int			timeout_s;		/* "timeout_s": 600, for the whole call */
	int			stall_s;		/* "stall_s": 120, without a byte */
} KamDialect;

/* model.capabilities. */
typedef struct KamTraits
{
	bool		temperature;	/* "temperature": takes one (default true) */
	bool		structured;		/* "structured_output": takes a schema (default false) */
	bool		cache;			/* "cache": (default false) */
	int			cache_min_tokens;	/* "cache_min_tokens": shorter prefixes are not marked (default 1024) */
	int			max_output_tokens;	/* "max_output_tokens": max_tokens is cut to it (0: unknown) */
	const json_t *body;			/* "body": members merged into requests to this model, e.g. {"reasoning_effort": "low"} */
} KamTraits;

extern bool kam_api_from_name(const char *name, KamApi *out);

/*
 * Read and check; strings are the arena's, json_t borrowed from the argument.
 * False with *error (22023; path within the object; a hint naming what may
 * stand there) on an unknown key, a wrong type, a value out of range, a header
 * with a line break or one that would carry a key ("authorization", "x-api-key",
 * "api-key": keys come from files alone), a body member that kam itself sets.
 */
extern bool kam_dialect_read(KamArena *arena, KamApi api, const json_t *dialect, KamDialect *out, KamError *error);
extern bool kam_traits_read(KamArena *arena, const json_t *capabilities, KamTraits *out, KamError *error);
