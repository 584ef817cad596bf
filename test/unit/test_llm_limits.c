/*
 * test/unit/test_llm_limits.c: lanes against simulated servers, in simulated
 * time: throughput near a limit, few 429s, the ramp, the breaker, hostile
 * headers.
 */
#include "llm/limits.h"
#include "llm/limits_headers.h"

#include "unit.h"

#define START INT64_C(1780000000000000)
#define MS INT64_C(1000)
#define SECOND (1000 * MS)

/* ---- a lane by hand ------------------------------------------------------------------ */

static KamHeader
header(const char *name, const char *value)
{
	return (KamHeader) {(char *) name, (char *) value};
}

static KamFate
fate_of(KamFateKind kind, KamFateBlame blame)
{
	return (KamFate) {.kind = kind, .blame = blame, .class_name = "test"};
}

/* A call that was sent at "sent" and ends at "now". */
static void
settle(KamLane *lane, int status, KamFate fate, const KamHeader *headers, int nheaders, int64_t sent, int64_t now)
{
	KamAnswer	answer = {.text = "", .usage = {.input = 80, .output = 40}};
	KamResult	result = {.http_status = status, .header = headers, .nheaders = nheaders, .request_id = "", .answer = &answer,
		.started_us = sent, .first_byte_us = now, .finished_us = now};

	if (status != 200)
		answer.usage = (KamUsage) {0};
	kam_lane_settle(lane, 100, 50, &result, &fate, now);
}

static void
answered(KamLane *lane, const KamHeader *headers, int nheaders, int64_t sent, int64_t now)
{
	settle(lane, 200, fate_of(KAM_FATE_ANSWERED, KAM_BLAME_NONE), headers, nheaders, sent, now);
}

static void
overloaded(KamLane *lane, int64_t sent, int64_t now)
{
	settle(lane, 529, fate_of(KAM_FATE_RETRY, KAM_BLAME_OVERLOAD), NULL, 0, sent, now);
}

static void
refused(KamLane *lane, const char *retry_after, int64_t sent, int64_t now)
{
	KamHeader	advice = header("retry-after", retry_after);

	settle(lane, 429, fate_of(KAM_FATE_RETRY, KAM_BLAME_LIMIT), &advice, retry_after != NULL, sent, now);
}

static bool
admitted(KamLane *lane, int64_t now)
{
	return kam_lane_admit(lane, 100, 50, now) == 0;
}

/* How many calls may be sent at this moment, at most "most". */
static int
burst(KamLane *lane, int64_t now, int most)
{
	int			n = 0;

	while (n < most && admitted(lane, now))
		n++;
	return n;
}

static KamLaneState
state(const KamLane *lane, int64_t now)
{
	KamLaneState out;

	kam_lane_state(lane, now, &out);
	return out;
}

/* ---- a simulated server ---------------------------------------------------------------- */

typedef struct ServerLimit
{
	double		per_minute,
				burst,			/* what can be saved up */
				level;
} ServerLimit;

typedef struct Server
{
	ServerLimit requests,
				output;			/* per_minute 0: none */
	double		taken_by_others;	/* requests a second */
	bool		tells;			/* in headers */
	double		told_burst;		/* what "remaining" says it is, where it says more than is allowed; 0: the truth */
	const char *retry_after;
	int64_t		at;
} Server;

typedef struct Flight
{
	int64_t		sent,
				ends;
	bool		accepted;
	double		remaining,
				remaining_output;
} Flight;

typedef struct Outcome
{
	int			accepted,
				refused;
	int			peak;			/* in flight */
} Outcome;

static void
refill(ServerLimit *limit, double seconds, double others)
{
	limit->level += seconds * (limit->per_minute / 60 - others);
	if (limit->level > limit->burst)
		limit->level = limit->burst;
}

#define ESTIMATED_IN 3000
#define ESTIMATED_OUT 4000
#define REAL_IN 2000
#define REAL_OUT 500
#define LATENCY (2 * SECOND)
#define MOST_IN_FLIGHT 600

static Flight
arrive(Server *server, int64_t now)
{
	Flight		flight = {.sent = now};

	refill(&server->requests, (double) (now - server->at) / 1e6, server->taken_by_others);
	refill(&server->output, (double) (now - server->at) / 1e6, 0);
	server->at = now;
	flight.accepted = server->requests.level >= 1 && (server->output.per_minute == 0 || server->output.level > 0);
	if (flight.accepted)
		server->requests.level -= 1;
	flight.ends = now + (flight.accepted ? LATENCY + now / 7 % SECOND : 50 * MS);
	flight.remaining = server->told_burst > 0 ? server->told_burst : server->requests.level;
	flight.remaining_output = server->output.level;
	return flight;
}

static void
leave(KamLane *lane, Server *server, const Flight *flight)
{
	char		text[5][40];
	KamHeader	headers[5];
	int			n = 0;
	KamAnswer	answer = {.text = ""};
	KamResult	result = {.http_status = flight->accepted ? 200 : 429, .request_id = "", .answer = &answer, .header = headers,
		.started_us = flight->sent, .first_byte_us = flight->sent, .finished_us = flight->ends};
	KamFate		fate = flight->accepted ? fate_of(KAM_FATE_ANSWERED, KAM_BLAME_NONE) : fate_of(KAM_FATE_RETRY, KAM_BLAME_LIMIT);

	if (flight->accepted)
	{
		answer.usage = (KamUsage) {.input = REAL_IN, .output = REAL_OUT};
		server->output.level -= REAL_OUT;
	}
	if (server->tells)
	{
		snprintf(text[0], sizeof text[0], "%.0f", server->requests.per_minute);
		headers[n++] = header("anthropic-ratelimit-requests-limit", text[0]);
		snprintf(text[1], sizeof text[1], "%.0f", flight->remaining > 0 ? flight->remaining : 0);
		headers[n++] = header("anthropic-ratelimit-requests-remaining", text[1]);
		if (server->output.per_minute > 0)
		{
			snprintf(text[2], sizeof text[2], "%.0f", server->output.per_minute);
			headers[n++] = header("anthropic-ratelimit-output-tokens-limit", text[2]);
			snprintf(text[3], sizeof text[3], "%.0f", flight->remaining_output > 0 ? flight->remaining_output : 0);
			headers[n++] = header("anthropic-ratelimit-output-tokens-remaining", text[3]);
		}
	}
	if (!flight->accepted && server->retry_after != NULL)
		headers[n++] = header("retry-after", server->retry_after);
	result.nheaders = n;
	kam_lane_settle(lane, ESTIMATED_IN, ESTIMATED_OUT, &result, &fate, flight->ends);
}

/* More work than the server takes, from "from" to "to" seconds; what was in flight at the end is finished. */
static Outcome
run(KamLane *lane, Server *server, double from, double to)
{
	static Flight flight[MOST_IN_FLIGHT];
	int			n = 0;
	Outcome		out = {0};
	int64_t		now = START + (int64_t) (from * 1e6),
				end = START + (int64_t) (to * 1e6);

	server->at = now;
	while (now < end || n > 0)
	{
		int64_t		next = INT64_MAX;

		for (int i = 0; i < n;)
		{
			if (flight[i].ends > now)
			{
				next = flight[i].ends < next ? flight[i].ends : next;
				i++;
				continue;
			}
			leave(lane, server, &flight[i]);
			flight[i] = flight[--n];
		}
		while (now < end && n < MOST_IN_FLIGHT)
		{
			int64_t		wait = kam_lane_admit(lane, ESTIMATED_IN, ESTIMATED_OUT, now);

			if (wait > 0)
			{
				next = now + wait * MS < next ? now + wait * MS : next;
				break;
			}
			flight[n] = arrive(server, now);
			out.accepted += flight[n].accepted;
			out.refused += !flight[n].accepted;
			next = flight[n].ends < next ? flight[n].ends : next;
			out.peak = ++n > out.peak ? n : out.peak;
		}
		if (next == INT64_MAX)
			break;
		now = next;
	}
	return out;
}

static Server
server_of(double per_minute, double burst_seconds)
{
	double		most = per_minute / 60 * burst_seconds;

	return (Server) {.requests = {per_minute, most > 1 ? most : 1, most > 1 ? most : 1}};
}

/* Throughput from the second minute on, and refusals, both as shares. */
static void
check_run(const char *what, Server *server, double limit_per_minute, double least_share, double most_refused)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "anthropic", "model");
	Outcome		first = run(lane, server, 0, 60);
	Outcome		rest = run(lane, server, 60, 660);
	double		share = rest.accepted / (limit_per_minute * 10);
	double		refused_share = (double) rest.refused / (rest.accepted + rest.refused);

	if (getenv("KAM_VERBOSE") != NULL)
		printf("%s: first minute %d accepted, %d refused; then %.3f of the limit, %.4f refused\n", what, first.accepted,
			   first.refused, share, refused_share);
	CHECK(share >= least_share, "%s: %.3f of the limit", what, share);
	CHECK(share <= 1.1, "%s: %.3f of the limit: the simulation is broken", what, share);
	CHECK(refused_share <= most_refused, "%s: %.4f refused", what, refused_share);
	kam_limits_free(limits);
}

TEST(a_limit_told_in_headers_is_used_up_without_429s)
{
	Server		server = server_of(1000, 60);

	server.tells = true;
	check_run("1000 a minute, told", &server, 1000, 0.95, 0.001);
}

TEST(a_limit_told_that_is_enforced_by_the_second_is_met)
{
	Server		server = server_of(60, 1);

	server.tells = true;
	server.told_burst = 59;
	check_run("60 a minute as one a second", &server, 60, 0.9, 0.02);
	server = server_of(1200, 1);
	server.tells = true;
	server.told_burst = 1000;
	check_run("1200 a minute as 20 a second", &server, 1200, 0.9, 0.02);
}

TEST(output_tokens_are_the_limit_when_they_run_out_first)
{
	Server		server = server_of(5000, 60);

	server.tells = true;
	server.output = (ServerLimit) {400000, 400000, 400000};
	/* 500 of them a call: 800 calls a minute */
	check_run("400000 tokens out a minute", &server, 800, 0.9, 0.01);
}

TEST(a_limit_that_nobody_tells_is_found)
{
	Server		server = server_of(1000, 1);

	check_run("1000 a minute, by the second, untold", &server, 1000, 0.9, 0.02);
	server = server_of(1000, 60);
	check_run("1000 a minute, saved up, untold", &server, 1000, 0.9, 0.02);
	server = server_of(1000, 1);
	server.retry_after = "1";
	check_run("1000 a minute, by the second, with advice", &server, 1000, 0.9, 0.02);
	server = server_of(50, 60);
	server.retry_after = "3";
	check_run("50 a minute, saved up, with advice", &server, 50, 0.9, 0.03);
}

TEST(a_limit_shared_with_others_is_shared)
{
	Server		server = server_of(1000, 60);

	server.tells = true;
	server.taken_by_others = 8;
	check_run("1000 a minute, 480 taken by others", &server, 520, 0.9, 0.03);
}

TEST(an_unlimited_lane_admits_everything)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "openai", "model");

	CHECK_INT(burst(lane, START, 5000), 5000);
	CHECK_INT(state(lane, START).in_flight, 5000);
	for (int i = 0; i < 5000; i++)
		answered(lane, NULL, 0, START, START + 2 * SECOND);
	CHECK_INT(state(lane, START + 2 * SECOND).in_flight, 0);
	CHECK_INT(burst(lane, START + 2 * SECOND, 5000), 5000);
	CHECK_STR(state(lane, START + 2 * SECOND).why, "");
	CHECK(state(lane, START + 2 * SECOND).requests_per_minute == 0);
	kam_limits_free(limits);
}

TEST(lanes_are_kept_apart_and_listed)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *a = kam_limits_lane(limits, "p", "a"),
			   *b = kam_limits_lane(limits, "p", "b"),
			   *c = kam_limits_lane(limits, "q", "a");
	KamHeader	told[] = {header("x-ratelimit-limit-requests", "2"), header("x-ratelimit-remaining-requests", "0")};

	CHECK(a != b && b != c && a != c);
	CHECK(kam_limits_lane(limits, "p", "b") == b);
	CHECK(kam_limits_next(limits, NULL) == a && kam_limits_next(limits, a) == b && kam_limits_next(limits, b) == c);
	CHECK(kam_limits_next(limits, c) == NULL);
	CHECK(admitted(a, START));
	answered(a, told, 2, START, START + SECOND);
	CHECK(!admitted(a, START + SECOND));
	CHECK(admitted(b, START + SECOND));
	CHECK(admitted(c, START + SECOND));
	CHECK_STR(state(c, START).provider, "q");
	CHECK_STR(state(c, START).model, "a");
	kam_limits_free(limits);
}

/* ---- buckets -------------------------------------------------------------------------- */

TEST(what_is_in_flight_counts_against_what_remains)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "anthropic", "model");
	KamHeader	told[] = {header("anthropic-ratelimit-requests-limit", "60"), header("anthropic-ratelimit-requests-remaining", "59")};

	/* 30 go out; the first is answered as if the others had not arrived yet */
	CHECK_INT(burst(lane, START, 1), 1);
	CHECK_INT(burst(lane, START + 100 * MS, 29), 29);
	answered(lane, told, 2, START + MS, START + 200 * MS);
	CHECK(!state(lane, START + 200 * MS).told[KAM_METER_OUTPUT]);
	CHECK(state(lane, START + 200 * MS).told[KAM_METER_REQUESTS]);
	CHECK_INT((int) (state(lane, START + 200 * MS).left[KAM_METER_REQUESTS] + 0.5), 30);
	CHECK_INT(burst(lane, START + 200 * MS, 100), 30);
	CHECK_INT((int) (state(lane, START + 200 * MS).left[KAM_METER_REQUESTS] + 0.5), 0);
	CHECK(kam_limits_used_us(limits) == START + 200 * MS);
	CHECK_STR(state(lane, START + 200 * MS).why, "rate limit: requests used up");
	CHECK(state(lane, START + 200 * MS).requests_per_minute == 60);
	CHECK(state(lane, START + 200 * MS).closed_until_us > START + 200 * MS);
	/* an older answer that comes later changes nothing, a newer one does: not all that it says at once */
	told[1].value = "0";
	answered(lane, told, 2, START, START + 300 * MS);
	CHECK_INT(burst(lane, START + 3 * SECOND, 100), 2);
	told[1].value = "43";
	answered(lane, told, 2, START + 3 * SECOND + MS, START + 4 * SECOND);
	CHECK_INT(burst(lane, START + 4 * SECOND, 100), 12);
	kam_limits_free(limits);
}

TEST(a_wait_that_is_told_is_long_enough)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "openai", "model");
	KamHeader	told[] = {header("x-ratelimit-limit-tokens", "6000"), header("x-ratelimit-remaining-tokens", "0")};
	int64_t		now = START + SECOND;

	CHECK(admitted(lane, START));
	answered(lane, told, 2, START, now);
	for (int i = 0; i < 20; i++)
	{
		int64_t		wait = kam_lane_admit(lane, 100, 50, now);

		CHECK(wait > 0 && wait < 3000, "%lld", (long long) wait);
		CHECK(!admitted(lane, now + (wait - 1) * MS - 500));
		now += wait * MS;
		CHECK(admitted(lane, now));
	}
	kam_limits_free(limits);
}

TEST(a_call_larger_than_the_bucket_goes_when_it_is_full)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "anthropic", "model");
	KamHeader	told[] = {header("anthropic-ratelimit-input-tokens-limit", "1000"), header("anthropic-ratelimit-input-tokens-remaining", "500")};
	int64_t		now = START + SECOND,
				wait;

	CHECK(admitted(lane, START));
	answered(lane, told, 2, START, now);
	wait = kam_lane_admit(lane, 50000, 10, now);
	CHECK(wait > 25000 && wait < 40000, "%lld", (long long) wait);
	now += wait * MS;
	CHECK_INT(kam_lane_admit(lane, 50000, 10, now), 0);
	/* the debt is no larger than the bucket */
	wait = kam_lane_admit(lane, 50000, 10, now);
	CHECK(wait > 0 && wait < 130000, "%lld", (long long) wait);
	now += wait * MS;
	CHECK_INT(kam_lane_admit(lane, INT64_MAX, INT64_MAX, now), 0);
	CHECK(kam_lane_admit(lane, INT64_MIN, -5, now) >= 0);
	kam_limits_free(limits);
}

TEST(a_call_withdrawn_gives_everything_back)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "anthropic", "model");
	KamHeader	told[] = {header("anthropic-ratelimit-requests-limit", "10"), header("anthropic-ratelimit-requests-remaining", "10"),
	header("anthropic-ratelimit-output-tokens-limit", "1000"), header("anthropic-ratelimit-output-tokens-remaining", "1000")};

	CHECK(admitted(lane, START));
	answered(lane, told, 4, START, START + SECOND);
	for (int i = 0; i < 1000; i++)
	{
		CHECK(admitted(lane, START + SECOND));
		kam_lane_withdraw(lane, 100, 50, START + SECOND);
	}
	CHECK_INT(burst(lane, START + SECOND, 100), 10);
	for (int i = 0; i < 10; i++)
		kam_lane_withdraw(lane, 100, 50, START + SECOND);
	CHECK_INT(state(lane, START + SECOND).in_flight, 0);
	CHECK_INT(burst(lane, START + SECOND, 100), 10);
	/* more than was admitted: a mistake of the caller's, not a lane's end */
	for (int i = 0; i < 50; i++)
		kam_lane_withdraw(lane, 100, 50, START + SECOND);
	CHECK_INT(state(lane, START + SECOND).in_flight, 0);
	CHECK_INT(burst(lane, START + SECOND, 100), 10);
	kam_limits_free(limits);
}

TEST(what_calls_really_take_is_learnt)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "anthropic", "model");
	KamHeader	told[] = {header("anthropic-ratelimit-output-tokens-limit", "1000"), header("anthropic-ratelimit-output-tokens-remaining", "1000")};
	int64_t		now = START;

	/* 50 are estimated, 40 taken */
	for (int i = 0; i < 100; i++, now += 60 * SECOND)
	{
		CHECK(admitted(lane, now));
		answered(lane, told, 2, now, now + SECOND);
	}
	CHECK_INT(burst(lane, now, 100), 24);	/* the 25th would take a trifle more than is left */
	kam_limits_free(limits);
}

TEST(a_limit_that_is_spoken_of_no_more_is_forgotten)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "openai", "model");
	KamHeader	told[] = {header("x-ratelimit-limit-requests", "5"), header("x-ratelimit-remaining-requests", "5")};

	CHECK(admitted(lane, START));
	answered(lane, told, 2, START, START + SECOND);
	CHECK_INT(burst(lane, START + SECOND, 100), 5);
	for (int i = 0; i < 5; i++)
		answered(lane, NULL, 0, START + SECOND, START + 700 * SECOND);
	CHECK_INT(burst(lane, START + 700 * SECOND, 100), 100);
	kam_limits_free(limits);
}

TEST(windows_of_a_second_and_of_a_day_are_found_out)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "other", "day");
	KamHeader	told[] = {header("x-ratelimit-limit-requests", "14400"), header("x-ratelimit-remaining-requests", "10000"),
	header("x-ratelimit-reset-requests", "7h20m0s")};
	int64_t		now = START;

	CHECK(admitted(lane, now));
	answered(lane, told, 3, now, now + SECOND);
	CHECK(state(lane, now + SECOND).requests_per_minute > 9.9 && state(lane, now + SECOND).requests_per_minute < 10.1);

	lane = kam_limits_lane(limits, "other", "second");
	told[0].value = "10";
	told[1].value = "1";
	told[2].value = "1";
	for (int i = 0; i < 40; i++)
	{
		int64_t		wait = kam_lane_admit(lane, 100, 50, now);

		now += wait * MS;
		CHECK(wait == 0 || admitted(lane, now));
		answered(lane, told, 3, now, now + SECOND);
		now += 5 * SECOND;
	}
	CHECK(state(lane, now).requests_per_minute == 600);
	kam_limits_free(limits);
}

/* ---- a 429 ------------------------------------------------------------------------------- */

TEST(a_429_closes_the_lane_until_its_advice_is_over)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "openai", "model");
	int64_t		wait;

	CHECK(admitted(lane, START));
	refused(lane, "7", START, START + SECOND);
	wait = kam_lane_admit(lane, 100, 50, START + SECOND);
	CHECK(wait >= 7000 && wait < 7600, "%lld", (long long) wait);
	CHECK(!admitted(lane, START + 8 * SECOND - MS));
	CHECK(strncmp(state(lane, START + 2 * SECOND).why, "rate limit", 10) == 0);
	CHECK(!state(lane, START + 2 * SECOND).open);
	CHECK(admitted(lane, START + 9 * SECOND));
	/* advice of a year is not followed for a year */
	refused(lane, "31536000", START + 9 * SECOND, START + 10 * SECOND);
	CHECK(!admitted(lane, START + 500 * SECOND));
	CHECK(admitted(lane, START + 10 * SECOND + 602 * SECOND));
	kam_limits_free(limits);
}

/* Calls admitted in a stretch of time, asked for every 10 ms and answered at once. */
static int
admitted_between(KamLane *lane, int64_t from, int64_t to)
{
	int			n = 0;

	for (int64_t now = from; now < to; now += 10 * MS)
		while (n < 100000 && admitted(lane, now))
		{
			answered(lane, NULL, 0, now, now);
			n++;
		}
	return n;
}

TEST(after_a_429_the_rate_is_halved_and_ramps_up_again)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "openai", "model");
	int64_t		now = START;
	int			first,
				later;

	/* 40 a second for 20 seconds */
	for (int i = 0; i < 800; i++, now += 25 * MS)
	{
		CHECK(admitted(lane, now));
		answered(lane, NULL, 0, now, now);
	}
	CHECK(admitted(lane, now));
	refused(lane, NULL, now, now);
	first = admitted_between(lane, now, now + SECOND);
	CHECK(first >= 17 && first <= 25, "%d in the first second", first);
	later = admitted_between(lane, now + SECOND, now + 5 * SECOND);
	CHECK(later > 4 * 20 && later < 4 * 40, "%d in the next four", later);
	later = admitted_between(lane, now + 5 * SECOND, now + 15 * SECOND);
	CHECK(later >= 390 && later < 460, "%d in the next ten", later);
	/* and without another 429 everything is allowed again in the end */
	CHECK(burst(lane, now + 700 * SECOND, 2000) == 2000);
	kam_limits_free(limits);
}

TEST(many_429s_of_one_burst_count_once)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "openai", "model");
	int			n;

	CHECK_INT(burst(lane, START, 400), 400);
	for (int i = 0; i < 300; i++)
		refused(lane, NULL, START, START + 100 * MS + i);
	for (int i = 0; i < 100; i++)
		answered(lane, NULL, 0, START, START + 2 * SECOND);
	/* 100 went through: half of that a second, not nothing */
	n = admitted_between(lane, START + 2 * SECOND, START + 3 * SECOND);
	CHECK(n >= 50 && n <= 110, "%d", n);
	kam_limits_free(limits);
}

TEST(a_server_that_was_closed_for_a_while_does_not_ruin_the_rate)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "openai", "model");
	int64_t		now = START + SECOND;
	int			n,
				refusals = 0;

	CHECK_INT(burst(lane, START, 100), 100);
	for (int i = 0; i < 100; i++)
		answered(lane, NULL, 0, START, START + SECOND);
	/* half a minute in which everything is refused */
	for (; now < START + 30 * SECOND; now += 20 * MS)
		while (admitted(lane, now))
		{
			refused(lane, NULL, now + MS, now + 2 * MS);
			refusals++;
		}
	CHECK(refusals < 40, "%d", refusals);
	n = admitted_between(lane, now, now + 20 * SECOND);
	CHECK(n > 300, "%d", n);
	kam_limits_free(limits);
}

TEST(one_429_hardly_delays_a_single_run)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "openai", "model");

	CHECK_INT(burst(lane, START, 4), 4);
	refused(lane, "1", START, START + 10 * MS);
	for (int i = 0; i < 3; i++)
		answered(lane, NULL, 0, START, START + 900 * MS);
	CHECK(admitted_between(lane, START + SECOND, START + 3 * SECOND) >= 3);
	kam_limits_free(limits);
}

/* ---- the breaker --------------------------------------------------------------------------- */

static KamLane *
tripped(KamLimits *limits, int64_t now)
{
	KamLane    *lane = kam_limits_lane(limits, "anthropic", "model");

	CHECK_INT(burst(lane, now, 5), 5);
	for (int i = 0; i < 5; i++)
	{
		CHECK(!state(lane, now).open);
		overloaded(lane, now, now + MS);
	}
	CHECK(state(lane, now).open);
	return lane;
}

TEST(failures_in_a_row_trip_the_breaker_and_others_do_not)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "anthropic", "model");

	for (int i = 0; i < 200; i++)
	{
		CHECK(admitted(lane, START + i * SECOND));
		if (i % 5 == 4)
			answered(lane, NULL, 0, START + i * SECOND, START + i * SECOND + MS);
		else
			overloaded(lane, START + i * SECOND, START + i * SECOND + MS);
	}
	CHECK(!state(lane, START + 200 * SECOND).open);
	kam_limits_free(limits);

	limits = kam_limits_new();
	lane = tripped(limits, START);
	CHECK(!admitted(lane, START + 2 * MS));
	CHECK(strncmp(state(lane, START + 2 * MS).why, "breaker open", 12) == 0);
	CHECK(!state(lane, START + 2 * MS).recovering);
	CHECK(admitted(lane, START + 10 * SECOND));
	answered(lane, NULL, 0, START + 10 * SECOND, START + 10 * SECOND + MS);
	CHECK(!state(lane, START + 10 * SECOND + MS).open);
	CHECK(state(lane, START + 10 * SECOND + MS).recovering);
	kam_limits_free(limits);
}

TEST(our_own_limit_does_not_trip_the_breaker)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "anthropic", "model");

	CHECK_INT(burst(lane, START, 50), 50);
	for (int i = 0; i < 50; i++)
		refused(lane, NULL, START, START + MS);
	CHECK(!state(lane, START + MS).open);
	kam_limits_free(limits);
}

TEST(a_tripped_breaker_probes_one_at_a_time_within_five_seconds)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = tripped(limits, START);
	int64_t		now = START + 2 * MS;

	for (int i = 0; i < 20; i++)
	{
		int64_t		wait = kam_lane_admit(lane, 100, 50, now);

		CHECK(wait > 0 && wait <= 5000, "%lld", (long long) wait);
		CHECK(i == 0 || i < 4 || wait == 5000, "%lld", (long long) wait);
		now += wait * MS;
		CHECK(admitted(lane, now));
		CHECK(!admitted(lane, now));	/* one at a time */
		CHECK_STR(state(lane, now).why, "breaker open: waiting for a probe's answer");
		overloaded(lane, now, now);
		CHECK(state(lane, now).open);
	}
	/* a probe that nobody answers does not keep the next one waiting for ever */
	now += 5 * SECOND;
	CHECK(admitted(lane, now));
	CHECK(!admitted(lane, now + SECOND));
	CHECK(admitted(lane, now + 5 * SECOND));
	kam_limits_free(limits);
}

TEST(the_first_success_closes_the_breaker)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = tripped(limits, START);
	int64_t		now = START + 10 * SECOND;
	int			most = 0;

	CHECK(admitted(lane, now));
	answered(lane, NULL, 0, now, now + SECOND);
	now += SECOND;
	CHECK(!state(lane, now).open);
	/* not all who waited at once, but soon as many as ever */
	for (int round = 0; round < 6; round++, now += SECOND)
	{
		int			n = burst(lane, now, 1000);

		CHECK(n > most || n == 1000, "%d after %d", n, most);
		most = n;
		for (int i = 0; i < n; i++)
			answered(lane, NULL, 0, now, now + SECOND);
	}
	CHECK_INT(most, 1000);
	/* failures count from nought again */
	CHECK_INT(burst(lane, now, 4), 4);
	for (int i = 0; i < 4; i++)
		overloaded(lane, now, now);
	CHECK(!state(lane, now).open);
	kam_limits_free(limits);
}

TEST(calls_from_before_the_trip_neither_count_as_probes_nor_stop_them)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "anthropic", "model");
	int64_t		now = START + SECOND;

	CHECK_INT(burst(lane, START, 50), 50);
	for (int i = 0; i < 20; i++)
		overloaded(lane, START, now);
	CHECK(state(lane, now).open);
	now += SECOND;
	CHECK(admitted(lane, now));
	overloaded(lane, START, now + MS);	/* an old one: the probe is still out */
	CHECK(!admitted(lane, now + 2 * MS));
	overloaded(lane, now, now + 3 * MS);	/* the probe */
	CHECK(admitted(lane, now + 4 * MS + SECOND));
	/* an old one that succeeds is a success */
	answered(lane, NULL, 0, START, now + 2 * SECOND);
	CHECK(!state(lane, now + 2 * SECOND).open);
	kam_limits_free(limits);
}

TEST(a_probe_withdrawn_or_undecided_makes_room_for_the_next)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = tripped(limits, START);
	int64_t		now = START + 10 * SECOND;

	CHECK(admitted(lane, now));
	kam_lane_withdraw(lane, 100, 50, now);
	CHECK(admitted(lane, now));
	settle(lane, 0, fate_of(KAM_FATE_GIVE_UP, KAM_BLAME_NONE), NULL, 0, now, now);
	CHECK(state(lane, now).open);
	CHECK(admitted(lane, now + SECOND));
	/* refused for what was asked: whoever can say so is well */
	settle(lane, 400, fate_of(KAM_FATE_GIVE_UP, KAM_BLAME_NONE), NULL, 0, now + SECOND, now + SECOND);
	CHECK(!state(lane, now + SECOND).open);
	kam_limits_free(limits);
}

/* ---- nothing stops a lane for ever ---------------------------------------------------------- */

TEST(a_clock_that_goes_back_only_costs_a_moment)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "anthropic", "model");
	KamHeader	told[] = {header("anthropic-ratelimit-requests-limit", "60"), header("anthropic-ratelimit-requests-remaining", "0")};
	int64_t		now = START,
				wait;

	CHECK(admitted(lane, now));
	answered(lane, told, 2, now, now + SECOND);
	CHECK(!admitted(lane, now + SECOND));
	now -= 3600 * SECOND;
	wait = kam_lane_admit(lane, 100, 50, now);
	CHECK(wait > 0 && wait < 2000, "%lld", (long long) wait);
	CHECK(admitted(lane, now + wait * MS));
	/* a call that seems to have started in the future, and one long before everything */
	answered(lane, told, 2, now + 100000 * SECOND, now + 3 * SECOND);
	CHECK(admitted(lane, now + 6 * SECOND));
	answered(lane, told, 2, 0, now + 7 * SECOND);
	refused(lane, "5", now + 8 * SECOND, now + 8 * SECOND);
	now -= 3600 * SECOND;
	CHECK(!admitted(lane, now));
	CHECK(admitted(lane, now + 10 * SECOND));
	/* and one that leaps ahead */
	CHECK(admitted(lane, INT64_MAX - 1));
	CHECK(kam_lane_admit(lane, 100, 50, INT64_MIN + 1) <= KAM_LONGEST_WAIT_MS);
	kam_limits_free(limits);
}

TEST(whatever_a_lane_believes_it_tries_after_ten_minutes)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "other", "model");
	KamHeader	told[] = {header("x-ratelimit-limit-requests", "1"), header("x-ratelimit-remaining-requests", "0"),
	header("x-ratelimit-reset-requests", "9000h")};
	int64_t		now = START,
				wait;

	CHECK(admitted(lane, now));
	answered(lane, told, 3, now, now + SECOND);
	for (int i = 0; i < 20; i++)
	{
		wait = kam_lane_admit(lane, 100, 50, now + SECOND);
		CHECK(wait > 0 && wait <= KAM_LONGEST_WAIT_MS, "%lld", (long long) wait);
		now += KAM_LONGEST_WAIT_MS * MS + 2 * SECOND;
		CHECK(admitted(lane, now));
		answered(lane, told, 3, now, now + SECOND);
	}
	kam_limits_free(limits);
}

/* ---- headers ------------------------------------------------------------------------------------ */

static const char *const hostile[] = {
	"-5", "-0", "0", "", " ", "NaN", "nan", "inf", "-inf", "Infinity", "1e400", "0x10", "ten", "9999999999999999999999999999999999999999",
	"1.", ".5", "1.7976931348623157e308", "1 000", "12abc", "6m", "m6", "6m0s0", "-6m0s", "99999999999999999h", "2026-13-45T99:99:99Z",
	"9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-05-28", "%s%n", "\xff\xfe", "1;2;3", ",", "null", "{}",
};

TEST(hostile_headers_do_no_harm)
{
	static const char *const names[] = {
		"anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset",
		"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens",
	};
	KamReading	reading[KAM_METERS];

	for (size_t a = 0; a < KAM_LENGTHOF(hostile); a++)
		for (size_t b = 0; b < KAM_LENGTHOF(hostile); b++)
		{
			KamLimits  *limits = kam_limits_new();
			KamLane    *lane = kam_limits_lane(limits, "other", "model");
			KamHeader	headers[] = {header(names[0], hostile[a]), header(names[1], hostile[b]), header(names[2], hostile[a]),
				header(names[3], hostile[b]), header(names[4], hostile[a]), header(names[5], hostile[b]), header("retry-after", hostile[b]),
			header(NULL, NULL), header("anthropic-ratelimit-", "1"), header("x-ratelimit-", "1"), header("anthropic-ratelimit--limit", "1")};
			int64_t		now = START,
						wait;

			kam_limit_headers_read(headers, KAM_LENGTHOF(headers), now, reading);
			for (int i = 0; i < KAM_METERS; i++)
			{
				CHECK(!reading[i].has_limit || (reading[i].limit >= 1 && reading[i].limit <= 1e15), "%s", hostile[a]);
				CHECK(!reading[i].has_remaining || (reading[i].remaining >= 0 && reading[i].remaining <= 1e15), "%s", hostile[a]);
				CHECK(!reading[i].has_reset || (reading[i].reset_s >= 0 && reading[i].reset_s < 1e9), "%s", hostile[a]);
			}
			for (int i = 0; i < 3; i++)
			{
				wait = kam_lane_admit(lane, 100, 50, now);
				CHECK(wait >= 0 && wait <= KAM_LONGEST_WAIT_MS, "\"%s\", \"%s\": %lld", hostile[a], hostile[b], (long long) wait);
				now += wait > 0 ? KAM_LONGEST_WAIT_MS * MS + SECOND : 0;
				CHECK(wait == 0 || admitted(lane, now), "\"%s\", \"%s\"", hostile[a], hostile[b]);
				settle(lane, i == 1 ? 429 : 200, i == 1 ? fate_of(KAM_FATE_RETRY, KAM_BLAME_LIMIT) : fate_of(KAM_FATE_ANSWERED, KAM_BLAME_NONE),
					   headers, 7, now, now + MS);
				now += SECOND;
			}
			kam_limits_free(limits);
		}
}

TEST(usage_that_lies_does_no_harm)
{
	KamLimits  *limits = kam_limits_new();
	KamLane    *lane = kam_limits_lane(limits, "anthropic", "model");
	KamHeader	told[] = {header("anthropic-ratelimit-output-tokens-limit", "1000"), header("anthropic-ratelimit-output-tokens-remaining", "900")};
	KamUsage	lies[] = {{INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}, {INT64_MIN, 5, INT64_MIN, INT64_MIN}, {1, INT64_MIN, 0, 0}, {0, 0, 0, 0}};
	int64_t		now = START;

	for (int i = 0; i < 40; i++)
	{
		KamAnswer	answer = {.text = "", .usage = lies[i % 4]};
		KamResult	result = {.http_status = 200, .header = told, .nheaders = 2, .answer = &answer, .started_us = now, .finished_us = now};
		KamFate		fate = fate_of(KAM_FATE_ANSWERED, KAM_BLAME_NONE);
		int64_t		wait = kam_lane_admit(lane, 100, 50, now);

		CHECK(wait <= 130000, "%lld", (long long) wait);
		if (wait > 0)
		{
			now += wait * MS;
			CHECK(admitted(lane, now));
		}
		kam_lane_settle(lane, 100, 50, &result, &fate, now);
		now += 120 * SECOND;
	}
	kam_limits_free(limits);
}

RUN_TESTS()
