/*
 * llm/answer.h: reading what a model API says, as it arrives.
 *
 * kam_reader_* run inside libcurl's callbacks: they never raise, allocate with
 * malloc alone and treat every byte as hostile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llm/provider.h"

typedef enum KamStop
{
	KAM_STOP_UNKNOWN,			/* none said, or one we do not know */
	KAM_STOP_END,				/* end_turn, stop, stop_sequence */
	KAM_STOP_LENGTH,			/* max_tokens, length */
	KAM_STOP_CONTEXT,			/* model_context_window_exceeded */
	KAM_STOP_REFUSAL,			/* refusal, content_filter, message.refusal */
	KAM_STOP_OTHER				/* tool_use, tool_calls, function_call, pause_turn: nothing we asked for */
} KamStop;

/* Token classes, the same for every API: input does not count what the cache read or wrote. */
typedef struct KamUsage
{
	int64_t		input,
				output,
				cache_read,
				cache_write;
} KamUsage;

typedef struct KamAnswer
{
	bool		complete;		/* it came to the end that its protocol prescribes */
	const char *text;			/* the model's text ("" when none), NUL-terminated, valid UTF-8, without NULs; the reader's */
	size_t		text_len;
	KamStop		stop;
	char		stop_reason[32];	/* as said, "" when none */
	char		model[128];		/* as said */
	char		id[128];		/* the message's own id */
	char		request_id[128];	/* from an error's body; the header's stands in KamResult */
	KamUsage	usage;
	/* Told in the body, whatever the status, also in the middle of a stream. */
	bool		has_error;
	char		error_type[64];
	char		error_code[64];
	char		error_message[400];	/* one line, valid UTF-8; without has_error: the words of a refusal, or "" */
} KamAnswer;

typedef struct KamReader KamReader;

/* NULL when memory is exhausted.  max_text bounds the text and any single line or document. */
extern KamReader *kam_reader_new(KamApi api, size_t max_text);
/* Once, before the first byte: content_type ("text/event-stream", "application/json", ... or "") tells how to read. */
extern void kam_reader_begin(KamReader *reader, int http_status, const char *content_type);
/* False: nothing more is wanted (too large, memory exhausted); kam_reader_finish says which. */
extern bool kam_reader_feed(KamReader *reader, const char *data, size_t len);
/*
 * After the last byte.  What is no answer becomes an error: error_type
 * "unreadable" (HTML, prose, broken JSON; the message quotes its first words),
 * "truncated" (the stream ended before its end), "too_large", "out_of_memory",
 * "empty".  The result belongs to the reader.
 */
extern const KamAnswer *kam_reader_finish(KamReader *reader);
extern void kam_reader_free(KamReader *reader);
