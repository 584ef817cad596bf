/*
 * llm/limits_headers.h: what response headers say about rate limits, whatever
 * their dialect.
 */
#pragma once

#include "llm/engine.h"

/* What a server may count. */
typedef enum KamMeter
{
	KAM_METER_REQUESTS,
	KAM_METER_INPUT,			/* tokens in */
	KAM_METER_OUTPUT,			/* tokens out */
	KAM_METER_TOKENS,			/* both together */
	KAM_METERS
} KamMeter;

/* One meter as one response tells it.  Numbers are finite and not negative; a limit is at least 1. */
typedef struct KamReading
{
	bool		has_limit,
				has_remaining,
				has_reset;
	double		limit,
				remaining,
				reset_s;		/* from now until it is as good as new */
	bool		reset_by_clock; /* reset was a moment of the server's clock, which need not be ours */
	double		window_s;		/* what the limit is for, where the header's name says so; 0: it does not */
} KamReading;

/* Fills all meters; returns how many say anything. */
extern int	kam_limit_headers_read(const KamHeader *header, int count, int64_t now_us, KamReading out[KAM_METERS]);

/* Seconds of "6m0s", "20ms", "1.5", "1732200000" or an RFC 3339 time; false for anything else. */
extern bool kam_reset_read(const char *text, int64_t now_us, double *seconds, bool *by_clock);
