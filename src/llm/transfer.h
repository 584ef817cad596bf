/*
 * llm/transfer.h: what engine.c, origin.c, transfer.c and transfer_end.c share;
 * nobody else includes it.
 *
 * engine.c owns the lists and the deadlines;
 * origin.c where transfers go; transfer.c one transfer's options and callbacks;
 * transfer_end.c its result.
 */
#pragma once

#include <curl/curl.h>
#include <limits.h>

#include "llm/engine.h"
#include "net/multi.h"

/*
 * An answer under way must bring so many bytes in every stretch of stall_s
 * seconds.  Less than the shortest sign of life that a server sends while it
 * thinks, more than one byte a minute.
 */
#define KAM_STALL_BYTES 32

#define KAM_MOST_HEADERS 48			/* kept of one answer */
#define KAM_HEADER_NAME 64			/* a longer name is none that is wanted */
#define KAM_HEADER_VALUE 512		/* bytes kept of one value */
#define KAM_HEADER_BYTES (256 * 1024)	/* an answer with more of them is broken off */

/* A key shorter than this is a placeholder ("ollama", "EMPTY"): it is not looked for in what servers say. */
#define KAM_SHORTEST_SECRET 12

/* So long an address that was found is taken to be known to libcurl, which keeps it a little longer. */
#define KAM_ADDRESS_KEPT_US (50 * 1000 * 1000)

/* Whether a server takes several requests at once on one connection (HTTP/2). */
typedef enum KamSharing
{
	KAM_SHARING_UNKNOWN,
	KAM_SHARING_NO,
	KAM_SHARING_YES
} KamSharing;

/* Where transfers go, by the name that has to be resolved for it. */
typedef struct KamOrigin
{
	char	   *key;			/* "http://host:port" */
	KamSharing	sharing;
	const KamTransfer *sample;	/* a transfer that is connected, to compare others' connections with */
	int			connecting;		/* transfers handed to libcurl and not connected yet */
	int			users;			/* transfers that point here */
	int64_t		warm_until;		/* libcurl remembers the address until then (monotonic) */
} KamOrigin;

typedef enum KamTransferState
{
	KAM_TRANSFER_WAITING,		/* for others to resolve the same name */
	KAM_TRANSFER_RUNNING,		/* libcurl has it */
	KAM_TRANSFER_ENDED			/* the result stands */
} KamTransferState;

typedef struct KamTransferList
{
	KamTransfer *first,
			   *last;
} KamTransferList;

struct KamTransfer
{
	KamEngine  *engine;
	KamTransferList *list;		/* that it stands in, or NULL */
	KamTransfer *prev,
			   *next;
	KamTransferState state;
	void	   *owner;
	KamOrigin  *origin;
	CURL	   *easy;			/* NULL once it has ended */
	struct curl_slist *headers; /* holds the key; NULL once it has ended */
	KamReader  *reader;
	char	   *secret;			/* the key alone, to strike it out of what comes back; NULL once it has ended */
	size_t		secret_len;

	/* The body, as it is sent. */
	KamPiece	piece[KAM_REQUEST_PIECES];	/* the bytes are the caller's */
	int			npieces;
	size_t		size,
				offset;			/* bytes handed to libcurl */
	int			piece_no;		/* of the next byte */
	size_t		piece_offset;
	int64_t		handed_over;	/* when the last byte was (monotonic); 0: not yet */

	/* The answer, as it comes. */
	bool		counted;		/* in origin->connecting */
	bool		resolving;		/* libcurl had to ask for the address */
	bool		connected;
	int			local_port;		/* tells its connection from others */
	bool		streams;		/* an answer in many parts was asked for */
	bool		begun;			/* the reader knows status and content type */
	KamTrouble	refused;		/* why one of our callbacks broke it off */
	const char *refused_text;
	int			socket_errno;	/* of a socket that could not be made */
	size_t		header_bytes,
				body_bytes,
				max_body;
	KamHeader	header[KAM_MOST_HEADERS];
	int			nheaders;
	char	   *clean_text;		/* the answer's text with the key struck out, where it was in it */
	KamAnswer	answer;

	/* Clocks, monotonic microseconds. */
	int64_t		begun_at;
	int64_t		connect_us,
				timeout_us,
				stall_us;
	int64_t		lively_at;		/* when the present stretch began */
	size_t		lively_bytes;	/* that came in it */

	char		error[CURL_ERROR_SIZE];
	KamResult	result;
};

struct KamEngine
{
	KamMulti	multi;
	int64_t		check_at;		/* not after the first deadline of our own */
	int			room;
	bool		inflates;		/* libcurl can decompress */
	char	   *ca_file,		/* "": what libcurl was built with */
			   *proxy;
	size_t		max_body;

	KamTransferList waiting,
				running,
				ended;
	int			in_flight;		/* waiting and running */
	KamOrigin **origin;
	int			norigins;
};

/* Found or made; NULL when memory is exhausted.  What nobody points at any more makes room. */
extern KamOrigin *kam_origin_of(KamEngine *engine, const char *url);
/* As many are on their way there as should be. */
extern bool kam_origin_full(const KamOrigin *origin, int64_t now);
extern void kam_origins_free(KamEngine *engine);

/* False and *why when memory is exhausted or libcurl does not take an option. */
extern bool kam_transfer_prepare(KamTransfer *transfer, const KamRequest *request, KamApi api, const KamDialect *dialect,
								 const char *auth, const char **why);
/* When it has been silent for too long, or KAM_NEVER. */
extern int64_t kam_transfer_stalls_at(const KamTransfer *transfer);
/* The value of a header that was kept, or NULL. */
extern const char *kam_transfer_header(const KamTransfer *transfer, const char *name);
extern void kam_transfer_drop_headers(KamTransfer *transfer);
/* Status and content type are known, or will never be: the reader is told, once. */
extern void kam_transfer_begin(KamTransfer *transfer, long status);
/* A copy in printable ASCII, NUL-terminated. */
extern void kam_copy_plain(char *out, const char *in, size_t len);

/* It is over: the result is made, the key wiped.  The easy handle is still there and in no multi handle. */
extern void kam_transfer_conclude(KamTransfer *transfer, KamTrouble trouble, CURLcode code, const char *words);
/* The trouble that a code of libcurl is for this transfer. */
extern KamTrouble kam_transfer_trouble(const KamTransfer *transfer, CURLcode code);
/* Headers and key are wiped. */
extern void kam_transfer_wipe(KamTransfer *transfer);
/* What is left of an ended or never begun one. */
extern void kam_transfer_destroy(KamTransfer *transfer);
