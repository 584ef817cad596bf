/*
 * llm/engine.h: HTTP transfers, many at once, none waited for.
 *
 * One engine per worker process: a curl multi handle whose sockets stand in
 * one epoll descriptor, which the worker's wait has beside its latch.  Nothing
 * here blocks, raises, or knows of PostgreSQL.
 */
#pragma once

#include "llm/answer.h"
#include "llm/request.h"

typedef struct KamEngineSettings
{
	int			max_in_flight;
	const char *ca_file;		/* "" or NULL: the system's */
	const char *proxy;			/* "" or NULL: none, whatever the environment says */
	size_t		max_body;		/* bytes of one answer, decoded */
} KamEngineSettings;

/* What went wrong below HTTP. */
typedef enum KamTrouble
{
	KAM_TROUBLE_NONE,
	KAM_TROUBLE_RESOLVE,		/* no such host */
	KAM_TROUBLE_CONNECT,		/* refused, unreachable, no connection in time */
	KAM_TROUBLE_TLS,			/* certificate or handshake */
	KAM_TROUBLE_PROXY,
	KAM_TROUBLE_TIMEOUT,		/* the whole call took too long */
	KAM_TROUBLE_STALL,			/* nothing came for too long */
	KAM_TROUBLE_CUT,			/* the connection ended in the middle of it */
	KAM_TROUBLE_TOO_LARGE,
	KAM_TROUBLE_ADDRESS,		/* the URL cannot be used */
	KAM_TROUBLE_INTERNAL		/* memory, descriptors */
} KamTrouble;

/* Response headers worth keeping: rate limits, retry advice, request ids, content type.  Names lower case. */
typedef struct KamHeader
{
	char	   *name,
			   *value;
} KamHeader;

typedef struct KamResult
{
	KamTrouble	trouble;
	char		trouble_text[256];	/* libcurl's words; never a key */
	bool		sent;			/* the request may have reached the server: it may have to be paid */
	int			http_status;	/* 0: no answer came */
	const KamHeader *header;
	int			nheaders;
	const char *request_id;		/* request-id or x-request-id, or "" */
	const KamAnswer *answer;	/* of the reader, never NULL */
	int64_t		started_us,		/* CLOCK_REALTIME microseconds */
				first_byte_us,	/* 0: none came */
				finished_us;
} KamResult;

/*
 * How long a transfer may take: timeout_s in all; connect_timeout_ms to a
 * connection; and while the request goes out or the answer comes in, every
 * stretch of stall_s must bring 32 bytes.  Until its first byte an answer may
 * take all of timeout_s, or stall_s where it was asked for as a stream.
 */
typedef struct KamEngine KamEngine;
typedef struct KamTransfer KamTransfer;

extern KamEngine *kam_engine_new(const KamEngineSettings *settings, const char **why);
/* Takes settings that were reloaded; transfers under way keep theirs. */
extern void kam_engine_configure(KamEngine *engine, const KamEngineSettings *settings);
extern int	kam_engine_fd(const KamEngine *engine);	/* readable: call kam_engine_run */
extern long kam_engine_wait_ms(const KamEngine *engine);	/* until kam_engine_run is due anyway; -1: not */
extern int	kam_engine_in_flight(const KamEngine *engine);
extern bool kam_engine_has_room(const KamEngine *engine);
/* How many at once: max_in_flight, or fewer where the process may not open as many files. */
extern int	kam_engine_room(const KamEngine *engine);

/*
 * Begins a transfer.  The request's pieces must stay where they are until
 * kam_transfer_free; url and headers are copied.  auth is the header line with
 * the key ("x-api-key: ..."), or NULL; copied, and wiped when freed.  NULL with
 * *why when it could not begin.
 */
extern KamTransfer *kam_engine_start(KamEngine *engine, const KamRequest *request, KamApi api, const KamDialect *dialect,
									 const char *auth, void *owner, const char **why);
/* Moves everything along that can be moved, without waiting. */
extern void kam_engine_run(KamEngine *engine);
/* The next transfer that has ended and was not taken yet, or NULL. */
extern KamTransfer *kam_engine_take(KamEngine *engine);

extern void *kam_transfer_owner(const KamTransfer *transfer);
extern bool kam_transfer_has_begun(const KamTransfer *transfer);	/* the first byte of its answer has come */
extern const KamResult *kam_transfer_result(const KamTransfer *transfer);	/* once it was taken */
/* At any time; one under way is broken off. */
extern void kam_transfer_free(KamTransfer *transfer);
extern void kam_engine_free(KamEngine *engine);	/* with its transfers */
