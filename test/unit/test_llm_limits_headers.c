/*
 * test/unit/test_llm_limits_headers.c: rate-limit headers of every dialect as
 * readings.  What a lane makes of hostile ones: test_llm_limits.c.
 */
#include "llm/limits_headers.h"

#include "unit.h"

#define START INT64_C(1780000000000000)

static KamHeader
header(const char *name, const char *value)
{
	return (KamHeader) {(char *) name, (char *) value};
}

TEST(headers_of_every_dialect_are_read)
{
	static const struct
	{
		const char *limit, *remaining, *reset, *reset_value;
		KamMeter	meter;
		double		reset_s, window_s;
	}			rows[] = {
		{"anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset", "2026-05-28T20:27:50Z", KAM_METER_REQUESTS, 70, 0},
		{"anthropic-ratelimit-input-tokens-limit", "anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset", "2026-05-28T22:26:41+02:00", KAM_METER_INPUT, 1, 0},
		{"anthropic-ratelimit-output-tokens-limit", "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset", "2026-05-28T20:26:40.5Z", KAM_METER_OUTPUT, 0.5, 0},
		{"anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset", "2026-05-28T20:00:00Z", KAM_METER_TOKENS, 0, 0},
		{"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "6m0s", KAM_METER_REQUESTS, 360, 0},
		{"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "20ms", KAM_METER_TOKENS, 0.02, 0},
		{"x-ratelimit-limit-tokens-minute", "x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute", "12.25", KAM_METER_TOKENS, 12.25, 60},
		{"x-ratelimit-limit-requests-day", "x-ratelimit-remaining-requests-day", "x-ratelimit-reset-requests-day", "1h1m1.5s", KAM_METER_REQUESTS, 3661.5, 86400},
		{"x-ratelimit-limit-tokens-prompt", "x-ratelimit-remaining-tokens-prompt", "x-ratelimit-reset-tokens-prompt", "60s", KAM_METER_INPUT, 60, 0},
		{"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "1780000030", KAM_METER_REQUESTS, 30, 0},
		{"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "1780000030000", KAM_METER_REQUESTS, 30, 0},
		{"x-ratelimit-limit-second", "x-ratelimit-remaining-second", "x-ratelimit-reset-second", "0", KAM_METER_REQUESTS, 0, 1},
		{"llm_provider-x-ratelimit-limit-requests", "llm_provider-x-ratelimit-remaining-requests", "llm_provider-x-ratelimit-reset-requests", "1s", KAM_METER_REQUESTS, 1, 0},
		{"llm_provider-anthropic-ratelimit-input-tokens-limit", "llm_provider-anthropic-ratelimit-input-tokens-remaining", "llm_provider-anthropic-ratelimit-input-tokens-reset", "1s", KAM_METER_INPUT, 1, 0},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		KamHeader	headers[] = {header("content-type", "application/json"), header(rows[i].limit, "1000"), header(rows[i].remaining, " 900 "),
		header(rows[i].reset, rows[i].reset_value)};
		KamReading	reading[KAM_METERS];
		const KamReading *r = &reading[rows[i].meter];

		CHECK_INT(kam_limit_headers_read(headers, 4, START, reading), 1);
		CHECK(r->has_limit && r->limit == 1000, "%s", rows[i].limit);
		CHECK(r->has_remaining && r->remaining == 900, "%s", rows[i].remaining);
		CHECK(r->has_reset && r->reset_s > rows[i].reset_s - 1e-6 && r->reset_s < rows[i].reset_s + 1e-6, "%s: %f", rows[i].reset, r->reset_s);
		CHECK(r->window_s == rows[i].window_s, "%s: %f", rows[i].limit, r->window_s);
	}
}

TEST(of_several_windows_the_shortest_counts)
{
	KamHeader	headers[] = {header("x-ratelimit-limit-requests-day", "14400"), header("x-ratelimit-remaining-requests-day", "14000"),
		header("x-ratelimit-limit-requests-minute", "30"), header("x-ratelimit-remaining-requests-minute", "3"),
	header("x-ratelimit-limit-requests-hour", "900")};
	KamReading	reading[KAM_METERS];

	CHECK_INT(kam_limit_headers_read(headers, 5, START, reading), 1);
	CHECK(reading[KAM_METER_REQUESTS].limit == 30 && reading[KAM_METER_REQUESTS].remaining == 3);
	CHECK(reading[KAM_METER_REQUESTS].window_s == 60);
}

TEST(a_common_token_limit_beside_limits_of_its_own_is_left_out)
{
	KamHeader	headers[] = {header("anthropic-ratelimit-tokens-limit", "100"), header("anthropic-ratelimit-input-tokens-limit", "100"),
	header("anthropic-ratelimit-output-tokens-limit", "50")};
	KamReading	reading[KAM_METERS];

	CHECK_INT(kam_limit_headers_read(headers, 3, START, reading), 2);
	CHECK(!reading[KAM_METER_TOKENS].has_limit);
}

TEST(what_is_no_reset_is_none)
{
	static const char *const texts[] = {"", " ", "soon", "-1", "5x", "1m2", "NaN", "inf", "2026-13-01T00:00:00Z", "9999-12-31T23:59:59Z", "99999999999h"};
	double		seconds;
	bool		by_clock;

	for (size_t i = 0; i < KAM_LENGTHOF(texts); i++)
		CHECK(!kam_reset_read(texts[i], START, &seconds, &by_clock), "\"%s\": %f", texts[i], seconds);
	CHECK(kam_reset_read("  1m0.5s ", START, &seconds, &by_clock) && seconds == 60.5 && !by_clock);
	CHECK(kam_reset_read("1780000001", START, &seconds, &by_clock) && seconds == 1 && by_clock);
	/* over already */
	CHECK(kam_reset_read("1700000000", START, &seconds, &by_clock) && seconds == 0 && by_clock);
}

TEST(other_headers_say_nothing)
{
	static const char *const names[] = {
		"x-request-id", "retry-after", "anthropic-priority-input-tokens-limit", "anthropic-ratelimit-limit-requests", "x-ratelimit-requests-limit",
		"x-ratelimit-limitless", "x-ratelimit-limit-images", "anthropic-ratelimit-", "x-ratelimit-", "llm_provider-", "", "limit", "anthropic-ratelimit-web-limit",
	};
	KamReading	reading[KAM_METERS];

	for (size_t i = 0; i < KAM_LENGTHOF(names); i++)
	{
		KamHeader	one = header(names[i], "100");

		CHECK(kam_limit_headers_read(&one, 1, START, reading) == 0, "%s", names[i]);
	}
	CHECK_INT(kam_limit_headers_read(NULL, 0, START, reading), 0);
}

RUN_TESTS()
