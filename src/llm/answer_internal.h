/*
 * llm/answer_internal.h: what the reader (answer.c) and the readers of each
 * API share.  Nobody else includes this.
 *
 * Everything here runs inside libcurl's callbacks: nothing raises, a NULL of
 * jansson's is memory exhausted.
 */
#pragma once

#include "core/json.h"
#include "llm/answer.h"
#include "llm/sse.h"

typedef enum KamReadMode
{
	KAM_READ_UNDECIDED,			/* too little has come to tell */
	KAM_READ_DOCUMENT,
	KAM_READ_STREAM
} KamReadMode;

/* How an API speaks. */
typedef struct KamProtocol
{
	/* One event of a stream; never after reader->ended or an error. */
	void		(*event) (KamReader *reader, const char *name, const char *data, size_t len);
	/* A whole answer that told no error.  False: it is none. */
	bool		(*document) (KamReader *reader, const json_t *body);
	/* The stream is over: may set reader->ended when that is end enough. */
	void		(*close) (KamReader *reader);
} KamProtocol;

extern const KamProtocol kam_read_anthropic;
extern const KamProtocol kam_read_openai;

struct KamReader
{
	const KamProtocol *protocol;
	size_t		max_text;
	int			status;			/* HTTP; 0: none known */
	bool		said_stream;	/* by its content type */
	KamReadMode mode;
	bool		stopped;		/* nothing more is wanted */
	bool		ended;			/* the end that the protocol prescribes was seen */
	bool		last;			/* what comes now may be cut off: the body is over */
	bool		begun;			/* a part of an answer was seen */
	bool		has_stop;		/* a stop reason was said */
	bool		finished;
	KamBuffer	body,			/* of a document, or the begin of what is not decided */
				text,
				refusal;		/* its words */
	KamSse		sse;
	KamAnswer	answer;
};

/* A copy as one line of valid UTF-8, cut between characters; tags: what stands in angle brackets is left out. */
extern void kam_one_line(char *out, size_t size, const char *text, size_t len, bool tags);
/* The first fault stays; what follows it in the body is not read. */
extern void kam_reader_fail(KamReader *reader, const char *type, const char *format,...) __attribute__((format(printf, 3, 4)));
/* JSON as it comes over the wire, mended where servers break it (lone surrogates, raw control characters, bad UTF-8); NULL and *why. */
extern json_t *kam_reader_load(KamReader *reader, const char *data, size_t len, const char **why);
/* An event's JSON.  NULL: nothing to be read in it, and the reader has been told if that is a fault. */
extern json_t *kam_reader_event_json(KamReader *reader, const char *data, size_t len);
/* Takes the error that a body or event tells, in any of the usual shapes.  certain: it can be nothing else.  False: it tells none. */
extern bool kam_reader_tell_error(KamReader *reader, const json_t *body, bool certain);
/* An event named "error", whatever it holds. */
extern void kam_reader_error_event(KamReader *reader, const char *data, size_t len);

/* Each takes what is of the right type and passes over the rest. */
extern void kam_reader_add_text(KamReader *reader, const json_t *text);
extern void kam_reader_add_parts(KamReader *reader, const json_t *content);	/* a string, or an array of {type: text, text} */
extern void kam_reader_set_stop(KamReader *reader, const json_t *reason);
extern void kam_reader_refuse(KamReader *reader, const json_t *words);	/* a refusal; its words, or what kind of, may be told */
extern void kam_reader_name(char *field, size_t size, const json_t *name);	/* the first one stays */
/* True and *out when it is a number of 0 or more. */
extern bool kam_reader_count(const json_t *number, int64_t *out);
