/*
 * llm/request.h: the wire form of one call.
 *
 * The body is not put together: its pieces are sent one after the other, so
 * that what a wave's calls share lies in memory once.  The prompt's parts come
 * in escaped, as the inside of a JSON string.
 */
#pragma once

#include "llm/provider.h"

typedef struct KamPiece
{
	const char *data;
	size_t		len;
} KamPiece;

/*
 * A prompt in four parts, from the most shared to the least (design section
 * 7).  A cache mark stands after common, and, where somebody will read what it
 * keeps, after contact and after wave.
 */
typedef struct KamPrompt
{
	KamPiece	common;			/* rules, resources, practices: the same for every contact */
	KamPiece	contact;		/* the contact: the same for all who read the activities, and for those who do not */
	KamPiece	wave;			/* what this wave has from earlier ones: the same for its agents */
	KamPiece	own;			/* the agent's part */
} KamPrompt;

typedef struct KamAsk
{
	KamApi		api;			/* anthropic or openai */
	const char *base_url;
	const KamDialect *dialect;
	const KamTraits *traits;
	const char *model;
	bool		has_temperature;
	double		temperature;
	int			max_tokens;
	KamPrompt	prompt;
	bool		keep_contact,	/* the cache is to keep the prefix up to the end of contact ... */
				keep_wave;	/* ... and up to the end of wave */
	KamPiece	schema;			/* of the answer, strict already (kam_schema_strict), as kam_schema_text gives it; len 0: none */
	const char *schema_name;	/* [a-zA-Z0-9_-]{1,64} */
	/* A repair: the answer that was no good and what is wrong with it, as two further turns; escaped, len 0: none. */
	KamPiece	rejected;
	KamPiece	complaint;
} KamAsk;

#define KAM_REQUEST_PIECES 16

typedef struct KamRequest
{
	const char *url;
	const char *const *headers; /* "name: value" lines, NULL at the end; without the key */
	KamPiece	piece[KAM_REQUEST_PIECES];	/* borrowed from the ask, or the arena's */
	int			npieces;
	size_t		size;			/* of the body */
} KamRequest;

/* Never fails: what the model or server does not take is left out.  Lives in the arena. */
extern void kam_request_build(KamArena *arena, const KamAsk *ask, KamRequest *out);

/* Once per configuration: a schema as requests carry it.  Lives in the arena. */
extern KamPiece kam_schema_text(KamArena *arena, const json_t *schema);

/* The inside of a JSON string: quotes, backslashes and control characters escaped, bad UTF-8 replaced; NUL-terminated. */
extern KamPiece kam_escape(KamArena *arena, const char *text, size_t len);

/*
 * A schema as the APIs' structured output takes it: additionalProperties false
 * and every property required everywhere, several types as anyOf of one each,
 * keywords that are refused taken out (bounds, lengths, numbers of items).  A
 * new reference; NULL when the schema cannot be said that way (an open object,
 * recursion, too many unions).  The full schema is checked on the answer all
 * the same.
 */
extern json_t *kam_schema_strict(const json_t *schema);

/*
 * One schema for all agents of a wave, so that their requests share a cached
 * prefix: {agent: its output or null, ...}, strict; of one agent alone, its
 * own.  schema[i] may be NULL: it has none, so that the wave has none.  A new
 * reference, or NULL when one of them cannot be strict.
 */
extern json_t *kam_schema_envelope(const char *const *agent, const json_t *const *schema, int count);
/* Borrowed: the agent's part of an enveloped answer; the answer itself when it is bare. */
extern const json_t *kam_envelope_open(const json_t *answer, const char *agent);

/*
 * Undoes in an answer what structured output does to it and the schema does
 * not mean: the case of an enumeration's values, which is not guaranteed, and
 * null for a property that may be left out but not be null.
 */
extern void kam_schema_settle(const json_t *schema, json_t *answer);
