/*
 * test/unit/test_llm_engine.c: whatever a server does, a transfer ends, its
 * end is told as what it was, and nothing is left behind.
 */
#define _GNU_SOURCE

#include "llm_client.h"

static const KamDialect hasty = {.connect_timeout_ms = 5000, .timeout_s = 30, .stall_s = 1};
static const KamDialect hasty_stream = {.connect_timeout_ms = 5000, .timeout_s = 30, .stall_s = 1, .stream = true};
static const KamDialect brief = {.connect_timeout_ms = 5000, .timeout_s = 1, .stall_s = 10};

static const char *
header_of(const KamResult *result, const char *name)
{
	for (int i = 0; i < result->nheaders; i++)
	{
		if (strcmp(result->header[i].name, name) == 0)
			return result->header[i].value;
	}
	return NULL;
}

/* ---- what servers do ------------------------------------------------------- */

TEST(every_behaviour)
{
	static const struct
	{
		const char *path;
		const KamDialect *dialect;
		KamTrouble	trouble;
		int			status;
		const char *text,		/* of the answer */
				   *error;		/* its error's type, NULL: none */
		int			least_ms,
					most_ms;
	}			cases[] = {
		{"/ok", &patient, KAM_TROUBLE_NONE, 200, "hello", NULL, 0, 8000},
		{"/close", &patient, KAM_TROUBLE_NONE, 200, "hello", NULL, 0, 8000},
		{"/chunked", &patient, KAM_TROUBLE_NONE, 200, "hello", NULL, 0, 8000},
		{"/bytes", &patient, KAM_TROUBLE_NONE, 200, "hello", NULL, 0, 8000},
		{"/events", &patient, KAM_TROUBLE_NONE, 200, "hello", NULL, 0, 8000},
		{"/gzip", &patient, KAM_TROUBLE_NONE, 200, "hello", NULL, 0, 8000},
		{"/many_headers", &patient, KAM_TROUBLE_NONE, 200, "hello", NULL, 0, 8000},
		{"/empty", &patient, KAM_TROUBLE_NONE, 200, "", "empty", 0, 8000},
		{"/status-204", &patient, KAM_TROUBLE_NONE, 204, "", "empty", 0, 8000},
		{"/status-400", &patient, KAM_TROUBLE_NONE, 400, "", "some_error", 0, 8000},
		{"/status-429", &patient, KAM_TROUBLE_NONE, 429, "", "some_error", 0, 8000},
		{"/status-529", &patient, KAM_TROUBLE_NONE, 529, "", "some_error", 0, 8000},
		{"/status-407", &patient, KAM_TROUBLE_NONE, 407, "", "some_error", 0, 8000},
		{"/redirect", &patient, KAM_TROUBLE_NONE, 302, "", "empty", 0, 8000},

		/* A server that thinks for longer than stall_s and then answers at once. */
		{"/wait-1700", &hasty, KAM_TROUBLE_NONE, 200, "hello", NULL, 1700, 8000},
		/* The same where it was asked to answer bit by bit. */
		{"/wait-1700", &hasty_stream, KAM_TROUBLE_STALL, 0, "", "empty", 1000, 8000},
		{"/hang", &hasty_stream, KAM_TROUBLE_STALL, 0, "", "empty", 1000, 8000},
		{"/hang", &brief, KAM_TROUBLE_TIMEOUT, 0, "", "empty", 900, 8000},
		/* Pings are signs of life; a blank now and then is none. */
		{"/pings-20", &hasty_stream, KAM_TROUBLE_NONE, 200, "hello", NULL, 1900, 15000},
		{"/trickle", &hasty, KAM_TROUBLE_STALL, 200, "", "truncated", 1000, 8000},
		{"/events_silent", &hasty_stream, KAM_TROUBLE_STALL, 200, "hel", "truncated", 1000, 8000},
		{"/pings-100", &brief, KAM_TROUBLE_TIMEOUT, 200, "hel", "truncated", 900, 8000},
		/* All was said: an end that does not come changes nothing. */
		{"/events_open", &hasty_stream, KAM_TROUBLE_NONE, 200, "hello", NULL, 0, 8000},

		{"/events_cut", &patient, KAM_TROUBLE_NONE, 200, "hel", "truncated", 0, 8000},
		{"/half", &patient, KAM_TROUBLE_CUT, 200, "", "truncated", 0, 8000},
		{"/half_reset", &patient, KAM_TROUBLE_CUT, 200, "", "truncated", 0, 8000},
		{"/drop", &patient, KAM_TROUBLE_CUT, 0, "", "empty", 0, 8000},
		{"/reset", &patient, KAM_TROUBLE_CUT, 0, "", "empty", 0, 8000},
		{"/no_http", &patient, KAM_TROUBLE_CUT, 0, "", "empty", 0, 8000},
		{"/broken_gzip", &patient, KAM_TROUBLE_CUT, 200, "", "empty", 0, 8000},
		{"/huge", &patient, KAM_TROUBLE_TOO_LARGE, 200, "", NULL, 0, 8000},
		{"/bomb", &patient, KAM_TROUBLE_TOO_LARGE, 200, "", NULL, 0, 8000},
		{"/header_flood", &patient, KAM_TROUBLE_TOO_LARGE, -1, "", "empty", 0, 8000},
		{"/early", &patient, KAM_TROUBLE_NONE, 401, "", "authentication_error", 0, 8000},
	};
	KamEngine  *engine = new_engine(&plain);
	KamTransfer *transfer[KAM_LENGTHOF(cases)];

	/* All at once: none keeps another waiting. */
	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
		transfer[i] = start(engine, cases[i].path, cases[i].dialect);
	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
		take_next(engine);
	CHECK_INT(kam_engine_in_flight(engine), 0);
	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		const KamResult *result = kam_transfer_result(transfer[i]);
		const KamAnswer *answer = result->answer;
		long long	ms = (result->finished_us - result->started_us) / 1000;

		CHECK(result->trouble == cases[i].trouble, "%s: trouble %d (%s), not %d", cases[i].path, result->trouble, result->trouble_text, cases[i].trouble);
		CHECK((result->trouble == KAM_TROUBLE_NONE) == (result->trouble_text[0] == '\0'), "%s: %s", cases[i].path, result->trouble_text);
		if (cases[i].status >= 0)
			CHECK(result->http_status == cases[i].status, "%s: HTTP %d", cases[i].path, result->http_status);
		CHECK(strcmp(answer->text, cases[i].text) == 0, "%s: \"%s\"", cases[i].path, answer->text);
		if (cases[i].error != NULL)
			CHECK(answer->has_error && strcmp(answer->error_type, cases[i].error) == 0, "%s: error \"%s\"", cases[i].path, answer->error_type);
		else if (cases[i].trouble == KAM_TROUBLE_NONE)
			CHECK(answer->complete && !answer->has_error, "%s: error \"%s\": %s", cases[i].path, answer->error_type, answer->error_message);
		CHECK(ms >= cases[i].least_ms - 20 && ms <= cases[i].most_ms, "%s took %lld ms", cases[i].path, ms);
		CHECK(result->sent, "%s: not sent", cases[i].path);
		CHECK((result->first_byte_us > 0) == (result->http_status > 0 || cases[i].status < 0), "%s: first byte at %lld", cases[i].path, (long long) result->first_byte_us);
		kam_transfer_free(transfer[i]);
	}
	kam_engine_free(engine);
}

TEST(never_sent)
{
	char		refused[100];
	int			nobody = server_listen(&(int) {0});
	struct sockaddr_in address;
	socklen_t	len = sizeof(address);
	struct
	{
		const char *url;
		KamTrouble	trouble;
	}			cases[] = {
		{refused, KAM_TROUBLE_CONNECT},
		{"http://no-such-host.invalid/v1", KAM_TROUBLE_RESOLVE},
		{"http://", KAM_TROUBLE_ADDRESS},
		{"http://[::1/x", KAM_TROUBLE_ADDRESS},
		{"http://127.0.0.1:99999/", KAM_TROUBLE_ADDRESS},
		{"http://user:password@127.0.0.1/", KAM_TROUBLE_ADDRESS},
		{"", KAM_TROUBLE_ADDRESS},
		{"file:///etc/passwd", KAM_TROUBLE_ADDRESS},
		{"ftp://127.0.0.1/", KAM_TROUBLE_ADDRESS},
		{"gopher://127.0.0.1/", KAM_TROUBLE_ADDRESS},
		{"HTTPS://127.0.0.1:x/", KAM_TROUBLE_ADDRESS},
	};

	getsockname(nobody, (struct sockaddr *) &address, &len);
	snprintf(refused, sizeof(refused), "http://127.0.0.1:%d/", ntohs(address.sin_port));
	close(nobody);
	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		Ended		ended = run_url(&plain, cases[i].url, &patient, "x-api-key: " KEY);

		/* Where no name server answers, the search for a name takes longer than a connection may. */
		CHECK(ended.result->trouble == cases[i].trouble || (cases[i].trouble == KAM_TROUBLE_RESOLVE && ended.result->trouble == KAM_TROUBLE_CONNECT && ended.ms > 4900),
			  "%s: %d (%s)", cases[i].url, ended.result->trouble, ended.result->trouble_text);
		CHECK(!ended.result->sent, "%s", cases[i].url);
		CHECK_INT(ended.result->http_status, 0);
		CHECK_INT(ended.result->first_byte_us, 0);
		CHECK(strstr(ended.result->trouble_text, "password") == NULL, "%s", ended.result->trouble_text);
		drop(&ended);
	}
}

TEST(no_connection_in_time)
{
	/* Its queue is full: nobody answers. */
	int			port;
	int			listener = server_listen(&port);
	int			filler[4];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t) port)};
	KamDialect	dialect = patient;
	char		url[100];
	Ended		ended;

	listen(listener, 0);
	for (size_t i = 0; i < KAM_LENGTHOF(filler); i++)
	{
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(filler[i], (struct sockaddr *) &address, sizeof(address)) != 0)
			CHECK_INT(errno, EINPROGRESS);
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	dialect.connect_timeout_ms = 300;
	ended = run_url(&plain, url, &dialect, NULL);
	CHECK_INT(ended.result->trouble, KAM_TROUBLE_CONNECT);
	CHECK(!ended.result->sent);
	CHECK(ended.ms >= 290 && ended.ms < 1500, "%lld ms", (long long) ended.ms);
	drop(&ended);
	for (size_t i = 0; i < KAM_LENGTHOF(filler); i++)
		close(filler[i]);
	close(listener);
}

/* ---- the request ----------------------------------------------------------- */

TEST(request_as_asked)
{
	Ended		ended = run("/ok", &patient);

	CHECK(strncmp(seen->head, "POST /ok HTTP/1.1\r\n", 19) == 0, "%s", seen->head);
	CHECK(strcasestr(seen->head, "\r\nx-api-key: " KEY "\r\n") != NULL, "%s", seen->head);
	CHECK(strcasestr(seen->head, "\r\ncontent-type: application/json\r\n") != NULL);
	CHECK(strcasestr(seen->head, "\r\ncontent-length: 7\r\n") != NULL);
	CHECK(strcasestr(seen->head, "\r\nx-own: 1\r\n") != NULL);
	CHECK(strcasestr(seen->head, "\r\nuser-agent: kam") != NULL);
	CHECK(strcasestr(seen->head, "expect:") == NULL && strcasestr(seen->head, "transfer-encoding") == NULL && strcasestr(seen->head, "urlencoded") == NULL, "%s", seen->head);
	CHECK_INT(seen->body_len, 7);
	CHECK(memcmp(seen->body, "{\"a\":1}", 7) == 0);
	CHECK_STR(ended.result->request_id, "req_1");
	CHECK_INT(ended.result->answer->usage.input, 3);
	drop(&ended);
}

TEST(large_body_of_pieces)
{
	KamEngine  *engine = new_engine(&plain);
	KamRequest	request = {.url = url_of("/ok"), .headers = NULL};
	size_t		size = 3 * 1024 * 1024 + 17;
	size_t		vast = 32 * 1024 * 1024;	/* more than any socket takes in */
	char	   *body = malloc(vast);
	size_t		at = 0;
	const char *why;
	KamTransfer *transfer;

	for (size_t i = 0; i < vast; i++)
		body[i] = (char) ('a' + (i * 2654435761u >> 7) % 26);
	for (int i = 0; i < KAM_REQUEST_PIECES; i++)
	{
		size_t		len = i == KAM_REQUEST_PIECES - 1 ? size - at : i % 3 == 1 ? 0 : (size_t) 1 << i;

		request.piece[request.npieces++] = (KamPiece) {body + at, len};
		at += len;
	}
	request.size = size;
	transfer = kam_engine_start(engine, &request, KAM_API_ANTHROPIC, &patient, NULL, NULL, &why);
	CHECK(take_next(engine) == transfer);
	CHECK_INT(kam_transfer_result(transfer)->http_status, 200);
	CHECK_INT(seen->body_len, size);
	CHECK(memcmp(seen->body, body, size) == 0);
	/* Without headers of its own. */
	CHECK(strcasestr(seen->head, "content-type: application/json") != NULL, "%s", seen->head);
	kam_transfer_free(transfer);

	/* A server that reads nothing of it. */
	request.piece[0].len = request.size = vast;
	request.npieces = 1;
	request.url = url_of("/deaf");
	transfer = kam_engine_start(engine, &request, KAM_API_ANTHROPIC, &hasty, NULL, NULL, &why);
	CHECK(take_next(engine) == transfer);
	CHECK_INT(kam_transfer_result(transfer)->trouble, KAM_TROUBLE_STALL);
	CHECK(!kam_transfer_result(transfer)->sent, "what did not arrive whole is not to be paid");
	kam_transfer_free(transfer);

	/* One that answers before it has read it. */
	request.url = url_of("/early");
	transfer = kam_engine_start(engine, &request, KAM_API_ANTHROPIC, &patient, NULL, NULL, &why);
	CHECK(take_next(engine) == transfer);
	CHECK_INT(kam_transfer_result(transfer)->http_status, 401);
	CHECK_STR(kam_transfer_result(transfer)->answer->error_type, "authentication_error");
	kam_transfer_free(transfer);
	kam_engine_free(engine);
	free(body);
}

TEST(headers_kept)
{
	Ended		ended = run("/headers", &patient);

	/* The interim answers' are not the answer's. */
	CHECK_STR(header_of(ended.result, "retry-after"), "12");
	CHECK(header_of(ended.result, "x-should-retry") == NULL);
	CHECK_STR(header_of(ended.result, "anthropic-ratelimit-requests-remaining"), "9");
	CHECK_STR(header_of(ended.result, "content-type"), "application/json");
	CHECK_STR(ended.result->request_id, "req???");
	CHECK(header_of(ended.result, "set-cookie") == NULL && header_of(ended.result, "x-noise") == NULL && header_of(ended.result, "retry-after-later") == NULL);
	CHECK_INT(ended.result->nheaders, 4);
	drop(&ended);

	/* What stands after the body does not count. */
	ended = run("/chunked", &patient);
	CHECK(header_of(ended.result, "retry-after") == NULL);
	drop(&ended);

	ended = run("/many_headers", &patient);
	CHECK(ended.result->nheaders >= 40 && ended.result->nheaders < 100, "%d", ended.result->nheaders);
	CHECK_STR(header_of(ended.result, "x-ratelimit-7"), "7");
	drop(&ended);

	ended = run("/long_header", &patient);
	CHECK_STR(ended.result->answer->text, "hello");
	CHECK(strlen(ended.result->request_id) > 100 && strlen(ended.result->request_id) < 1000, "%zu", strlen(ended.result->request_id));
	drop(&ended);

	ended = run("/redirect", &patient);
	CHECK_STR(header_of(ended.result, "location"), "http://127.0.0.1:1/ok?secret=1");
	drop(&ended);
}

/* ---- the key --------------------------------------------------------------- */

static void
check_no_key(const KamResult *result)
{
	const KamAnswer *answer = result->answer;
	const char *text[] = {result->trouble_text, result->request_id, answer->text, answer->error_type, answer->error_code, answer->error_message,
		answer->request_id, answer->id, answer->model, answer->stop_reason};

	for (size_t i = 0; i < KAM_LENGTHOF(text); i++)
		CHECK(strstr(text[i], "0123456789") == NULL, "text %zu: %s", i, text[i]);
	for (int i = 0; i < result->nheaders; i++)
		CHECK(strstr(result->header[i].value, "0123456789") == NULL, "%s: %s", result->header[i].name, result->header[i].value);
}

TEST(key_nowhere)
{
	static const char *const paths[] = {"/echo", "/echo_text", "/ok", "/drop", "/redirect"};

	for (size_t i = 0; i < KAM_LENGTHOF(paths); i++)
	{
		Ended		ended = run(paths[i], &patient);

		CHECK(strstr(seen->head, KEY) != NULL);
		check_no_key(ended.result);
		drop(&ended);
	}
}

TEST(key_struck_out)
{
	static const char stars[] = "************************";
	Ended		ended = run("/echo", &patient);
	char		want[100];

	CHECK_INT(strlen(stars), strlen(KEY));
	CHECK_STR(ended.result->answer->error_type, stars);
	snprintf(want, sizeof(want), "bad key %s", stars);
	CHECK_STR(ended.result->answer->error_message, want);
	snprintf(want, sizeof(want), "a%sb%sc", stars, stars);
	CHECK_STR(ended.result->request_id, want);
	drop(&ended);

	ended = run_url(&plain, url_of("/echo_text"), &patient, "x-api-key: " KEY);
	snprintf(want, sizeof(want), "<%s><%s>", stars, stars);
	CHECK_STR(ended.result->answer->text, want);
	CHECK_INT(ended.result->answer->text_len, strlen(want));
	drop(&ended);

	/* Behind a prefix. */
	ended = run_url(&plain, url_of("/echo_text"), &patient, "x-api-key: Bearer " KEY);
	CHECK(strstr(ended.result->answer->text, "<Bearer ****") != NULL, "%s", ended.result->answer->text);
	check_no_key(ended.result);
	drop(&ended);

	/* A placeholder is a word like any other. */
	ended = run_url(&plain, url_of("/echo_text"), &patient, "x-api-key: ollama");
	CHECK_STR(ended.result->answer->text, "<ollama><ollama>");
	drop(&ended);
}

/* ---- connections ------------------------------------------------------------ */

TEST(connections_are_used_again)
{
	KamEngine  *engine = new_engine(&plain);
	int			before = SEEN(connections);

	for (int i = 0; i < 20; i++)
	{
		KamTransfer *transfer = start(engine, "/ok", &patient);

		CHECK(take_next(engine) == transfer);
		CHECK_INT(kam_transfer_result(transfer)->http_status, 200);
		kam_transfer_free(transfer);
	}
	CHECK_INT(SEEN(connections) - before, 1);
	kam_engine_free(engine);
}

TEST(stale_connections_are_replaced_but_nothing_is_paid_twice)
{
	KamEngine  *engine = new_engine(&plain);
	int			before;
	KamTransfer *transfer = start(engine, "/stale-0", &patient);

	CHECK(take_next(engine) == transfer);
	kam_transfer_free(transfer);
	/* Ended at once: a connection that had gone stale; it is sent again on a new one. */
	before = SEEN(requests);
	transfer = start(engine, "/stale-0", &patient);
	CHECK(take_next(engine) == transfer);
	CHECK_INT(kam_transfer_result(transfer)->http_status, 200);
	CHECK_INT(SEEN(requests) - before, 2);
	kam_transfer_free(transfer);
	/* Ended after a while: the server may have been at work. */
	before = SEEN(requests);
	transfer = start(engine, "/stale-1300", &patient);
	CHECK(take_next(engine) == transfer);
	CHECK_INT(kam_transfer_result(transfer)->trouble, KAM_TROUBLE_CUT);
	CHECK(kam_transfer_result(transfer)->sent);
	CHECK_INT(SEEN(requests) - before, 1);
	kam_transfer_free(transfer);
	kam_engine_free(engine);
}

TEST(hundreds_at_once)
{
	enum {COUNT_ = 300};
	KamEngine  *engine = new_engine(&plain);
	int			owner[COUNT_];
	int			done = 0;
	char		path[20];

	__atomic_store_n(&seen->gate, 0, __ATOMIC_SEQ_CST);
	/* Nobody is answered before all have asked. */
	snprintf(path, sizeof(path), "/gate-%d", COUNT_);
	for (int i = 0; i < COUNT_; i++)
	{
		owner[i] = 0;
		CHECK(start_url(engine, url_of(path), &patient, NULL, &owner[i]) != NULL);
	}
	CHECK_INT(kam_engine_in_flight(engine), COUNT_);
	for (; done < COUNT_; done++)
	{
		KamTransfer *transfer = take_next(engine);

		CHECK_INT(kam_transfer_result(transfer)->http_status, 200);
		CHECK_STR(kam_transfer_result(transfer)->answer->text, "hello");
		++*(int *) kam_transfer_owner(transfer);
		kam_transfer_free(transfer);
	}
	for (int i = 0; i < COUNT_; i++)
		CHECK_INT(owner[i], 1);
	CHECK_INT(kam_engine_in_flight(engine), 0);
	CHECK(kam_engine_wait_ms(engine) != 0);
	kam_engine_free(engine);
}

TEST(taken_in_the_order_of_ending)
{
	static const char *const path[] = {"/wait-450", "/wait-50", "/wait-250"};
	static const int order[] = {1, 2, 0};
	KamEngine  *engine = new_engine(&plain);
	int			number[3] = {0, 1, 2};
	int64_t		until = now_ms() + 20000;

	for (int i = 0; i < 3; i++)
		start_url(engine, url_of(path[i]), &patient, NULL, &number[i]);
	while (kam_engine_in_flight(engine) > 0 && now_ms() < until)
		turn(engine, 20);
	for (int i = 0; i < 3; i++)
	{
		KamTransfer *transfer = kam_engine_take(engine);

		CHECK(transfer != NULL && *(int *) kam_transfer_owner(transfer) == order[i]);
		kam_transfer_free(transfer);
	}
	CHECK(kam_engine_take(engine) == NULL);
	kam_engine_free(engine);
}

TEST(cancelled_in_flight)
{
	enum {COUNT_ = 20};
	KamEngine  *engine = new_engine(&plain);
	KamTransfer *transfer[COUNT_];
	int			asked = SEEN(requests);
	int			gone = SEEN(gone);
	int64_t		until = now_ms() + 20000;
	int64_t		began;

	for (int i = 0; i < COUNT_; i++)
		transfer[i] = start(engine, "/hang", &patient);
	while (SEEN(requests) - asked < COUNT_ && now_ms() < until)
		turn(engine, 20);
	/* Some one by one, one that was never run, the rest with the engine. */
	for (int i = 0; i < COUNT_ / 2; i++)
		kam_transfer_free(transfer[i]);
	CHECK_INT(kam_engine_in_flight(engine), COUNT_ / 2);
	kam_transfer_free(start(engine, "/hang", &patient));
	while (SEEN(gone) - gone < COUNT_ / 2 && now_ms() < until)
		turn(engine, 20);
	CHECK_INT(SEEN(gone) - gone, COUNT_ / 2);
	CHECK(kam_engine_take(engine) == NULL);
	began = now_ms();
	kam_engine_free(engine);
	CHECK(now_ms() - began < 500, "%lld ms", (long long) (now_ms() - began));
	while (SEEN(gone) - gone < COUNT_ && now_ms() < until)
		usleep(1000);
	CHECK_INT(SEEN(gone) - gone, COUNT_);
}

TEST(freed_untaken)
{
	KamEngine  *engine = new_engine(&plain);
	KamTransfer *first = start(engine, "/ok", &patient);
	int64_t		until = now_ms() + 20000;

	start(engine, "/ok", &patient);
	while (kam_engine_in_flight(engine) > 0 && now_ms() < until)
		turn(engine, 20);
	/* Ended and not taken: one freed by itself, the other with the engine. */
	CHECK_INT(kam_engine_wait_ms(engine), 0);
	kam_transfer_free(first);
	kam_transfer_free(NULL);
	kam_engine_free(engine);
	kam_engine_free(NULL);
}

TEST(room)
{
	KamEngineSettings settings = plain;
	KamEngine  *engine;
	KamTransfer *transfer;

	settings.max_in_flight = 2;
	engine = new_engine(&settings);
	CHECK_INT(kam_engine_room(engine), 2);
	start(engine, "/hang", &patient);
	CHECK(kam_engine_has_room(engine));
	transfer = start(engine, "/hang", &patient);
	CHECK(!kam_engine_has_room(engine));
	CHECK(start(engine, "/hang", &patient) == NULL);
	kam_transfer_free(transfer);
	CHECK(kam_engine_has_room(engine));
	settings.max_in_flight = 0;
	kam_engine_configure(engine, &settings);
	CHECK_INT(kam_engine_room(engine), 1);
	CHECK(!kam_engine_has_room(engine));
	kam_engine_free(engine);
}

int
main(void)
{
	return run_tests();
}
