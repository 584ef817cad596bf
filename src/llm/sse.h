/*
 * llm/sse.h: server-sent events out of bytes that come in any pieces.
 *
 * As the HTML standard has it (a byte order mark, CR, LF and CRLF, comments,
 * several data lines), with two leniences: an event that the end of the body
 * cuts off before its blank line is handed over by kam_sse_end, and a field
 * "error" is an event of that name.  Never raises.
 */
#pragma once

#include "llm/buffer.h"

typedef struct KamSse
{
	KamBuffer	line,			/* begun, its end not seen */
				data;			/* of the event begun */
	char		event[32];		/* its name, cut when longer; "" when none */
	bool		has_data;
	bool		after_cr;		/* a LF that comes now belongs to it */
	bool		past_first;		/* line: only there may a byte order mark stand */
	size_t		limit;			/* bytes of a line and of an event's data */
} KamSse;

typedef enum KamSseState
{
	KAM_SSE_ON,
	KAM_SSE_TOO_LARGE,
	KAM_SSE_NO_MEMORY
} KamSseState;

/* data is not NUL-terminated. */
typedef void (*KamSseHandler) (void *arg, const char *event, const char *data, size_t len);

/* Zeroed but for its limit, a KamSse is ready.  Anything but KAM_SSE_ON is final. */
extern KamSseState kam_sse_feed(KamSse *sse, const char *data, size_t len, KamSseHandler handler, void *arg);
extern KamSseState kam_sse_end(KamSse *sse, KamSseHandler handler, void *arg);
extern void kam_sse_free(KamSse *sse);
