/*
 * test/unit/test_net_courier.c: whatever a receiver does, a parcel's receipt
 * says what it was, whether it may have arrived, and nothing is left behind.
 */
#define _GNU_SOURCE

#include "net/courier.h"
#include "net/multi.h"

#include "llm_server.h"
#include "unit.h"

static const KamCourierSettings plain = {NULL, NULL};

/* As in the worker, one for all, for good. */
static KamCourier *courier;

static const char *
url_of(const char *path)
{
	static char url[300];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server_port, path);
	return url;
}

static KamDelivery *
send_to(KamParcelKind kind, const char *url, bool allow_private, int timeout_s, size_t max_answer)
{
	static const char *const headers[] = {"content-type: application/json", NULL};
	KamParcel	parcel = {
		.kind = kind, .url = url, .headers = headers, .body = "{\"a\":1}", .body_len = 7, .mail_from = "a@kam.example", .mail_to = "b@kam.example",
		.allow_private = allow_private, .timeout_s = timeout_s, .max_answer = max_answer,
	};
	const char *why;
	KamDelivery *delivery = kam_courier_start(courier, &parcel, NULL, &why);

	CHECK((delivery == NULL) == (why != NULL), "%s", why ? why : "no reason");
	return delivery;
}

static KamDelivery *
take_next(void)
{
	for (int i = 0; i < 3000; i++)
	{
		KamDelivery *delivery;
		struct pollfd fd = {.fd = kam_courier_fd(courier), .events = POLLIN};
		long		wait = kam_courier_wait_ms(courier);

		kam_courier_run(courier);
		delivery = kam_courier_take(courier);
		if (delivery != NULL)
			return delivery;
		poll(&fd, 1, wait < 0 || wait > 20 ? 20 : (int) wait);
	}
	printf("nothing ends\n");
	exit(1);
}

TEST(every_behaviour)
{
	static const struct
	{
		const char *path;
		KamParcelKind kind;
		KamLoss		loss;
		int			status;
		bool		in_doubt;
		long		retry_after_s;
	}			cases[] = {
		{"/ok", KAM_PARCEL_POST, KAM_LOST_NOTHING, 200, false, -1},
		{"/close", KAM_PARCEL_POST, KAM_LOST_NOTHING, 200, false, -1},
		{"/empty", KAM_PARCEL_POST, KAM_LOST_NOTHING, 200, false, -1},
		{"/headers", KAM_PARCEL_POST, KAM_LOST_NOTHING, 200, false, 12},
		{"/status-204", KAM_PARCEL_POST, KAM_LOST_NOTHING, 204, false, -1},
		{"/status-410", KAM_PARCEL_POST, KAM_LOST_NOTHING, 410, false, -1},
		{"/status-503", KAM_PARCEL_POST, KAM_LOST_NOTHING, 503, false, -1},
		/* Followed by who fetches, an answer to who delivers. */
		{"/redirect", KAM_PARCEL_POST, KAM_LOST_NOTHING, 302, false, -1},
		{"/redirect", KAM_PARCEL_FETCH, KAM_LOST_ADDRESS, 302, false, -1},
		/* A status was read: what is cut off behind it changes nothing, unless it is what was wanted. */
		{"/half", KAM_PARCEL_POST, KAM_LOST_NOTHING, 200, false, -1},
		{"/half", KAM_PARCEL_FETCH, KAM_LOST_CUT, 200, false, -1},
		{"/half_reset", KAM_PARCEL_POST, KAM_LOST_NOTHING, 200, false, -1},
		{"/huge", KAM_PARCEL_POST, KAM_LOST_NOTHING, 200, false, -1},
		{"/huge", KAM_PARCEL_FETCH, KAM_LOST_TOO_LARGE, 200, false, -1},
		{"/bomb", KAM_PARCEL_FETCH, KAM_LOST_TOO_LARGE, 200, false, -1},
		/* It may have arrived. */
		{"/drop", KAM_PARCEL_POST, KAM_LOST_CUT, 0, true, -1},
		{"/reset", KAM_PARCEL_POST, KAM_LOST_CUT, 0, true, -1},
		{"/no_http", KAM_PARCEL_POST, KAM_LOST_CUT, 0, true, -1},
		{"/hang", KAM_PARCEL_POST, KAM_LOST_TIMEOUT, 0, true, -1},
	};
	KamDelivery *delivery[KAM_LENGTHOF(cases)];

	/* All at once: none keeps another waiting. */
	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
		delivery[i] = send_to(cases[i].kind, url_of(cases[i].path), true, strcmp(cases[i].path, "/hang") == 0 ? 1 : 20, 1000);
	CHECK_INT(kam_courier_in_flight(courier), KAM_LENGTHOF(cases));
	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
		take_next();
	CHECK_INT(kam_courier_in_flight(courier), 0);
	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		const KamReceipt *receipt = kam_delivery_receipt(delivery[i]);

		CHECK(receipt->loss == cases[i].loss, "%s: %s (%s), not %s", cases[i].path, kam_loss_name(receipt->loss), receipt->words, kam_loss_name(cases[i].loss));
		CHECK(receipt->status == cases[i].status, "%s: %d", cases[i].path, receipt->status);
		CHECK(receipt->in_doubt == cases[i].in_doubt, "%s: %s in doubt", cases[i].path, receipt->in_doubt ? "" : "not");
		CHECK(receipt->retry_after_s == cases[i].retry_after_s, "%s: %ld s", cases[i].path, receipt->retry_after_s);
		CHECK(receipt->answer_len <= 1000 && strlen(receipt->answer) <= receipt->answer_len, "%s: %zu bytes", cases[i].path, receipt->answer_len);
		CHECK(receipt->loss == KAM_LOST_NOTHING || *receipt->words != '\0', "%s: no words", cases[i].path);
		kam_delivery_free(delivery[i]);
	}
}

/* None of these connects anywhere. */
TEST(not_let_out)
{
	static const struct
	{
		const char *url;
		KamParcelKind kind;
		bool		allow_private;
	}			cases[] = {
		{"http://127.0.0.1:%d/ok", KAM_PARCEL_POST, false},
		{"https://127.0.0.1:%d/ok", KAM_PARCEL_POST, false},
		{"https://localhost:%d/ok", KAM_PARCEL_POST, false},
		{"https://2130706433:%d/ok", KAM_PARCEL_POST, false},
		{"https://[::ffff:127.0.0.1]:%d/ok", KAM_PARCEL_POST, false},
		{"http://127.0.0.1:%d/ok", KAM_PARCEL_FETCH, false},
		{"https://127.0.0.1:%d/ok", KAM_PARCEL_FETCH, false},
		{"smtp://127.0.0.1:%d", KAM_PARCEL_MAIL, false},
		{"smtps://127.0.0.1:%d", KAM_PARCEL_MAIL, false},
		{"http://127.0.0.1:%d/ok", KAM_PARCEL_MAIL, true},
		{"ftp://127.0.0.1:%d/ok", KAM_PARCEL_POST, true},
		{"file:///etc/passwd?%d", KAM_PARCEL_FETCH, true},
		{"dict://127.0.0.1:%d/ok", KAM_PARCEL_FETCH, true},
		{"no address %d", KAM_PARCEL_POST, true},
	};
	int			before = SEEN(connections);

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		char		url[200];
		KamDelivery *delivery;
		const KamReceipt *receipt;

		snprintf(url, sizeof(url), cases[i].url, server_port);
		delivery = send_to(cases[i].kind, url, cases[i].allow_private, 5, 1000);
		CHECK(take_next() == delivery);
		receipt = kam_delivery_receipt(delivery);
		CHECK(receipt->loss == KAM_LOST_ADDRESS, "%s: %s (%s)", url, kam_loss_name(receipt->loss), receipt->words);
		CHECK(!receipt->in_doubt && receipt->status == 0, "%s: %d", url, receipt->status);
		kam_delivery_free(delivery);
	}
	CHECK_INT(SEEN(connections), before);
}

TEST(nobody_there)
{
	KamDelivery *delivery = send_to(KAM_PARCEL_POST, "http://127.0.0.1:1/", true, 5, 1000);
	const KamReceipt *receipt;

	take_next();
	receipt = kam_delivery_receipt(delivery);
	CHECK(receipt->loss == KAM_LOST_CONNECT && !receipt->in_doubt, "%s", kam_loss_name(receipt->loss));
	kam_delivery_free(delivery);
}

/* A connection that was kept and is closed with the second parcel on it: sent again at once; where the server may have been at work, it is in doubt instead. */
TEST(kept_connections)
{
	static const struct
	{
		const char *path;
		bool		in_doubt;
	}			cases[] = {{"/stale-0", false}, {"/stale-1500", true}};

	static KamCourier *fresh[KAM_LENGTHOF(cases)];
	KamCourier *shared = courier;

	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		const char *why;

		/* One that has kept no connection yet. */
		courier = fresh[i] = kam_courier_new(&plain, &why);
		for (int n = 0; n < 2; n++)
		{
			KamDelivery *delivery = send_to(KAM_PARCEL_POST, url_of(cases[i].path), true, 10, 1000);
			const KamReceipt *receipt;

			take_next();
			receipt = kam_delivery_receipt(delivery);
			CHECK(receipt->in_doubt == (n == 1 && cases[i].in_doubt), "%s: %s", cases[i].path, receipt->words);
			CHECK((receipt->loss == KAM_LOST_NOTHING) == !receipt->in_doubt, "%s: %s", cases[i].path, kam_loss_name(receipt->loss));
			kam_delivery_free(delivery);
		}
	}
	courier = shared;
}

/* Freed while it is under way: broken off, and the others go on. */
TEST(broken_off)
{
	int			gone = SEEN(gone);
	KamDelivery *hanging = send_to(KAM_PARCEL_POST, url_of("/hang"), true, 60, 1000);
	KamDelivery *fine;

	for (int i = 0; i < 20; i++)
	{
		kam_courier_run(courier);
		server_pause(10);
	}
	kam_delivery_free(hanging);
	fine = send_to(KAM_PARCEL_POST, url_of("/ok"), true, 10, 1000);
	CHECK(take_next() == fine);
	CHECK_INT(kam_courier_in_flight(courier), 0);
	kam_delivery_free(fine);
	for (int i = 0; i < 1000 && SEEN(gone) == gone; i++)
		server_pause(10);
	CHECK(SEEN(gone) > gone, "the connection is still there");
}

int
main(void)
{
	const char *why;

	server_start();
	why = kam_net_init();
	if (why == NULL)
		courier = kam_courier_new(&plain, &why);
	if (why != NULL)
	{
		printf("not ok: %s\n", why);
		return 1;
	}
	return unit_main();
}
