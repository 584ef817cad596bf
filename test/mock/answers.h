/*
 * test/mock/answers.h: what the mock says, and how it goes wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENTS 10

typedef enum Api
{
	API_ANTHROPIC,
	API_OPENAI,
	APIS
} Api;

typedef enum Fault
{
	/* Whole answers, with another text or another end. */
	FAULT_NONE,
	FAULT_PROSE,
	FAULT_FENCED,
	FAULT_BROKEN_JSON,
	FAULT_TRUNCATED_JSON,
	FAULT_WRONG_ENUM,
	FAULT_MISSING_KEY,
	FAULT_WRONG_TYPE,
	FAULT_NUL,
	FAULT_BAD_UTF8,
	FAULT_REFUSAL,
	FAULT_EMPTY,
	/* Good answers with one thing spoilt, for the guard. */
	FAULT_WRONG_STRENGTH,
	FAULT_NO_REASON,
	FAULT_TWO_QUESTIONS,
	FAULT_FOREIGN_LINK,
	FAULT_TEXTS,				/* how many the above are */
	/* Instead of the answer. */
	FAULT_HUGE,
	FAULT_SLOW_BYTE,
	FAULT_HANG,
	FAULT_REDIRECT,
	FAULT_HTML,
	FAULT_ERROR_IN_200,
	FAULT_ERROR_EVENT,
	FAULT_CUT,
	FAULT_RESET,
	FAULT_STATUS,
	FAULT_RETRY_AFTER,
	FAULT_SPEND_LIMIT,
	FAULT_OVERLOADED,
	FAULT_NO_MODEL,
	FAULT_GATE,
	FAULT_RATE
} Fault;

/* A fault as a path says it: /fault/NAME[/NUMBER][/agent/KEY][/model/NAME][/contact/NAME][/times/N][/ms/N][/burst/N] */
typedef struct Spec
{
	Fault		fault;
	long		number;			/* status, seconds, requests a minute */
	int			agent;			/* -1: any */
	long		times;			/* -1: always */
	long		ms;				/* slow_byte: between two bytes */
	long		burst;			/* rate: the most at once */
	const char *model;			/* NULL: any; points into the path */
	size_t		model_len;
	const char *contact;		/* NULL: any; else its e-mail up to the @ */
	size_t		contact_len;
	const char *text;			/* the whole segment, as the key of its counters */
	size_t		text_len;
} Spec;

/* What varies from answer to answer. */
typedef struct Slip
{
	uint64_t	id;
	size_t		input_tokens,	/* all of them */
				read,			/* of these, from the cache and into it */
				written;
	const char *model;
	size_t		model_len;
} Slip;

typedef struct Bytes
{
	char	   *data;
	size_t		len,
				size;
} Bytes;

extern void bytes_add(Bytes *to, const char *data, size_t len);
extern void bytes_addf(Bytes *to, const char *format,...) __attribute__((format(printf, 2, 3)));

/* Reads the outputs; false with a message on stderr. */
extern bool answers_load(const char *file);
extern const char *agent_name(int agent);
extern int	agent_find(const char *name, size_t len);	/* -1: none */

/* Takes the fault that stands at path's start; the length of the segment, 0 when there is none, -1 when it is not understood. */
extern long spec_read(const char *path, size_t len, Spec *out);

/* Adds the body of an answer; *middle is where an error event or a cut may be put. */
extern void answer_body(Bytes *to, int agent, Fault fault, Api api, bool stream, const Slip *slip, size_t *middle);
/* Adds an error's body as the API words it. */
extern void error_body(Bytes *to, Api api, int status, const char *type, const char *code, const char *message, uint64_t id);
