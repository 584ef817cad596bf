/*
 * test/mock/mock.h: what the mock's files share: a connection, a request, the counts.
 */
#pragma once

#include "answers.h"

/* What a connection is doing. */
typedef enum State
{
	READING,
	WAITING,					/* for its moment, for the gate, or for ever */
	WRITING,
	DRIPPING					/* a byte at a time */
} State;

/* Calls of one contact. */
typedef struct Contact
{
	char	   *email;
	size_t		len;
	uint32_t	asked[AGENTS];
	uint32_t	answered[AGENTS];	/* answers without a fault that went out to the last byte */
	uint32_t	faults[AGENTS];		/* what went out, or not, instead */
} Contact;

typedef struct Conn
{
	int			fd;
	State		state;
	uint64_t	serial;			/* tells a timer that this is still the call it was set for */
	Bytes		in;
	bool		promised;		/* 100 Continue has been said */
	bool		gated;
	bool		close_after;
	bool		reset_after;
	bool		watches_output;
	/* The call in flight on it. */
	bool		counted;
	bool		fault;
	int			agent;
	Contact    *contact;		/* NULL when the counts were reset meanwhile */
	/* The answer: out, so many bytes of filler, tail. */
	Bytes		out;
	size_t		sent;
	size_t		fill;
	Bytes		tail;
	size_t		tail_sent;
	size_t		drip_from;		/* what goes out at once, when the rest drips */
	long		drip_ms;		/* between two bytes */
} Conn;

/* What a request says. */
typedef struct Request
{
	const char *head;
	size_t		head_len;
	const char *path;
	size_t		path_len;
	const char *body;
	size_t		size;
	Api			api;
	bool		stream;
	int			agent;			/* -1: not said */
	const char *email;			/* "" when there is none */
	size_t		email_len;
	const char *model;
	size_t		model_len;
	Spec		fault;			/* FAULT_NONE: none, or it does not hit this request */
	long		latency_ms;
	size_t		tokens,			/* of it, and of these, with --cache, found in the cache and kept in it */
				read,
				written;
} Request;

/* How often a fault hit a contact, or the bucket of a rate: by the fault's text and the e-mail. */
typedef struct Tally
{
	char	   *key;
	size_t		len;
	long		count;
	double		tokens;
	int64_t		at_us;
} Tally;

typedef struct Counts
{
	uint64_t	requests,
				answered,
				faults,
				refused,		/* wrong key, no agent, no such path: no request */
				followed,		/* redirects that were followed: must stay 0 */
				abandoned,		/* calls whose client went away before the answer was out */
				streamed,
				bytes_in,
				accepted;
	uint64_t	by_agent[AGENTS];
	uint64_t	by_status[1000];
	int			in_flight,
				most_in_flight,
				gated,
				connections,
				most_connections;
} Counts;

typedef struct Options
{
	long		latency_ms;
	bool		keep_last;
	long		cache_min;		/* --cache: tokens of the shortest prefix that is kept; -1: no cache */
	const char *bodies;			/* a folder for one request body of each agent, or NULL */
	char		key[4096];		/* "": any will do */
	int			port;
} Options;

extern Options options;
extern Counts count;
extern bool gate_open;
extern bool healed;				/* faults are switched off, the gate is not */

/* mock.c */
extern int64_t now_us(void);
extern void open_gate(void);	/* lets everybody through who waits at it */
extern void forget_contacts(void);	/* before they are freed */

/* counts.c */
extern Contact *contact_of(const Request *request);
extern Tally *tally_of(const Spec *spec, const char *email, size_t email_len);
extern void call_begins(Conn *conn, const Request *request);
extern void call_ends(Conn *conn, bool completed);
extern void control(Conn *conn, const char *path, size_t len);
extern void keep_request(const Request *request);
extern void keep_body(const Request *request);	/* in options.bodies, once per agent */

/* request.c */
extern const char *header_find(const char *head, size_t len, const char *name, size_t *value_len);
/* Reads path, body and key; 0, or the status of the refusal and *why. */
extern int	request_read(Request *request, const char **why);

/* cache.c */
/* Accounts for the request's prefix as its API documents it: request->read and written.  Its answer begins at begins_us. */
extern void cache_account(Request *request, int64_t begins_us);
extern void cache_clear(void);

/* reply.c */
extern uint64_t reply_id(void);
extern void reply(Conn *conn, int status, const char *type, const Bytes *body, const char *more, uint64_t id);
extern void reply_error(Conn *conn, Api api, int status, const char *type, const char *code, const char *message, const char *more, uint64_t id);
/* The answer as fault and latency have it: in conn->out and its state, not sent yet. */
extern void respond(Conn *conn, const Request *request);
