/*
 * test/unit/llm_client.h: what the tests of the engine share: an engine, a
 * request, the wait for its end.  Includes the server they talk to.
 *
 * The including file defines _GNU_SOURCE first.
 */
#pragma once

#include "llm/engine.h"
#include "net/multi.h"

#include "llm_server.h"
#include "unit.h"

#define KEY "sk-ant-0123456789-abcdef"

static const KamEngineSettings plain = {.max_in_flight = 400, .max_body = 1024 * 1024};
static const KamDialect patient = {.connect_timeout_ms = 5000, .timeout_s = 30, .stall_s = 10};

static const char *const headers[] = {"content-type: application/json", "x-own: 1", NULL};

static inline KamEngine *
new_engine(const KamEngineSettings *settings)
{
	const char *why;
	KamEngine  *engine = kam_engine_new(settings, &why);

	if (engine == NULL)
	{
		printf("no engine: %s\n", why);
		exit(1);
	}
	return engine;
}

/* The request is copied as far as it must be: only the body's bytes stay. */
static inline KamTransfer *
start_url(KamEngine *engine, const char *url, const KamDialect *dialect, const char *auth, void *owner)
{
	static const char body[] = "{\"a\":1}";
	KamRequest	request = {.url = url, .headers = headers, .piece = {{body, 3}, {"", 0}, {body + 3, 4}}, .npieces = 3, .size = 7};
	const char *why;
	KamTransfer *transfer = kam_engine_start(engine, &request, KAM_API_ANTHROPIC, dialect, auth, owner, &why);

	CHECK((transfer == NULL) == (why != NULL), "%s", why ? why : "no reason");
	return transfer;
}

static inline const char *
url_of(const char *path)
{
	static char url[300];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server_port, path);
	return url;
}

static inline KamTransfer *
start(KamEngine *engine, const char *path, const KamDialect *dialect)
{
	return start_url(engine, url_of(path), dialect, "x-api-key: " KEY, NULL);
}

static inline int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* As a worker does: waits on the descriptor, no longer than it is told. */
static inline void
turn(KamEngine *engine, int at_most_ms)
{
	struct pollfd wait = {.fd = kam_engine_fd(engine), .events = POLLIN};
	long		ms = kam_engine_wait_ms(engine);

	poll(&wait, 1, ms < 0 || ms > at_most_ms ? at_most_ms : (int) ms);
	kam_engine_run(engine);
}

static inline KamTransfer *
take_next(KamEngine *engine)
{
	int64_t		until = now_ms() + 30000;
	KamTransfer *transfer;

	while ((transfer = kam_engine_take(engine)) == NULL && now_ms() < until)
		turn(engine, 1000);
	if (transfer == NULL)
	{
		printf("not ok: %s: nothing ended in 30 s\n", unit_current);
		exit(1);
	}
	return transfer;
}

/* One transfer from its beginning to its end, on an engine of its own. */
typedef struct Ended
{
	KamEngine  *engine;
	KamTransfer *transfer;
	const KamResult *result;
	int64_t		ms;
} Ended;

static inline Ended
run_url(const KamEngineSettings *settings, const char *url, const KamDialect *dialect, const char *auth)
{
	Ended		ended = {.engine = new_engine(settings)};
	int64_t		began = now_ms();

	ended.transfer = start_url(ended.engine, url, dialect, auth, &ended);
	CHECK_INT(kam_engine_in_flight(ended.engine), 1);
	CHECK(take_next(ended.engine) == ended.transfer);
	ended.ms = now_ms() - began;
	CHECK_INT(kam_engine_in_flight(ended.engine), 0);
	CHECK(kam_engine_take(ended.engine) == NULL);
	CHECK(kam_transfer_owner(ended.transfer) != NULL);
	ended.result = kam_transfer_result(ended.transfer);
	CHECK(ended.result->answer != NULL && ended.result->request_id != NULL);
	CHECK(ended.result->finished_us >= ended.result->started_us);
	CHECK((ended.result->trouble == KAM_TROUBLE_NONE) == (ended.result->trouble_text[0] == '\0'), "%d: %s", ended.result->trouble, ended.result->trouble_text);
	return ended;
}

static inline Ended
run(const char *path, const KamDialect *dialect)
{
	return run_url(&plain, url_of(path), dialect, "x-api-key: " KEY);
}

static inline void
drop(Ended *ended)
{
	kam_transfer_free(ended->transfer);
	kam_engine_free(ended->engine);
}

/* Instead of RUN_TESTS: the server first, while there is one thread. */
static inline int
run_tests(void)
{
	const char *why;

	server_start();
	why = kam_net_init();
	if (why != NULL)
	{
		printf("not ok: %s\n", why);
		return 1;
	}
	return unit_main();
}
