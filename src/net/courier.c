/*
 * net/courier.c: see courier.h.
 *
 * The worker's process runs it, between waits of its own.  Callbacks may run
 * inside libcurl: nothing raises, jumps out, waits, or allocates otherwise than
 * with malloc.
 */
#include "net/courier_parts.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "net/secret.h"

#define LENGTHOF(array) (sizeof(array) / sizeof((array)[0]))

#define CONNECT_MS 10000L
#define ROUNDS 64
#define MOST_REDIRECTS 4L
/* Connections kept for the next parcel. */
#define KEPT_CONNECTIONS 32L

/*
 * A connection that was kept may have been closed meanwhile; libcurl then sends
 * the parcel once more on a new one.  That is let through only so soon after
 * the last byte: later the server may have been at work.
 */
#define RESEND_WITHIN_US (1 * 1000 * 1000)

const char *
kam_loss_name(KamLoss loss)
{
	static const char *const name[] = {
		[KAM_LOST_NOTHING] = "none",
		[KAM_LOST_ADDRESS] = "address",
		[KAM_LOST_RESOLVE] = "resolve",
		[KAM_LOST_CONNECT] = "connect",
		[KAM_LOST_TLS] = "tls",
		[KAM_LOST_LOGIN] = "login",
		[KAM_LOST_TIMEOUT] = "timeout",
		[KAM_LOST_CUT] = "cut",
		[KAM_LOST_TOO_LARGE] = "too_large",
		[KAM_LOST_INTERNAL] = "internal",
	};

	return name[loss];
}

/* ---- the courier ------------------------------------------------------------------ */

void
kam_courier_lose_socket(CURL *easy)
{
	KamDelivery *delivery = NULL;

	if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &delivery) != CURLE_OK || delivery == NULL)
		return;
	delivery->lost_socket = true;
	delivery->courier->check = true;
}

bool
kam_courier_configure(KamCourier *courier, const KamCourierSettings *settings)
{
	return kam_secret_replace(&courier->ca_file, kam_net_ca_file(settings->ca_file)) && kam_secret_replace(&courier->proxy, settings->proxy);
}

KamCourier *
kam_courier_new(const KamCourierSettings *settings, const char **why)
{
	KamCourier *courier = calloc(1, sizeof(KamCourier));
	sigset_t	before;

	*why = "out of memory";
	if (courier == NULL)
		return NULL;
	kam_signals_hold(&before);
	*why = kam_multi_open(&courier->multi, kam_courier_lose_socket);
	if (*why == NULL)
		curl_multi_setopt(courier->multi.curl, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
	kam_signals_release(&before);
	if (*why == NULL && !kam_courier_configure(courier, settings))
		*why = "out of memory";
	if (*why == NULL)
		return courier;
	kam_multi_close(&courier->multi);
	free(courier->ca_file);
	free(courier->proxy);
	free(courier);
	return NULL;
}

int
kam_courier_fd(const KamCourier *courier)
{
	return courier->multi.epoll;
}

int
kam_courier_in_flight(const KamCourier *courier)
{
	return courier->in_flight;
}

long
kam_courier_wait_ms(const KamCourier *courier)
{
	int64_t		due_at = courier->multi.due_at;
	int64_t		left;

	if (courier->check)
		return 0;
	for (const KamDelivery *delivery = courier->first; delivery; delivery = delivery->next)
	{
		if (delivery->mail == NULL || delivery->ended)
			continue;
		if (delivery->mail->deadline < due_at)
			due_at = delivery->mail->deadline;
		if (delivery->mail->talk == NULL && delivery->mail->line->due_at < due_at)
			due_at = delivery->mail->line->due_at;
	}
	if (due_at == KAM_NEVER)
		return -1;
	left = due_at - kam_monotonic_us();
	return left <= 0 ? 0 : left > (int64_t) INT_MAX * 1000 ? INT_MAX : (long) ((left + 999) / 1000);
}

/* ---- libcurl's callbacks -------------------------------------------------------------- */

static size_t
give_body(char *buffer, size_t size, size_t count, void *arg)
{
	KamDelivery *delivery = arg;
	size_t		left = delivery->body_len - delivery->offset;
	size_t		part = left < size * count ? left : size * count;

	if (part > 0)
		memcpy(buffer, delivery->body + delivery->offset, part);
	delivery->offset += part;
	if (delivery->offset == delivery->body_len && delivery->handed_over == 0)
		delivery->handed_over = kam_monotonic_us();
	return part;
}

static int
seek_body(void *arg, curl_off_t offset, int origin)
{
	KamDelivery *delivery = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t) offset > delivery->body_len)
		return CURL_SEEKFUNC_FAIL;
	if (delivery->handed_over != 0 && kam_monotonic_us() - delivery->handed_over > RESEND_WITHIN_US)
		return CURL_SEEKFUNC_FAIL;
	delivery->handed_over = 0;
	delivery->offset = (size_t) offset;
	return CURL_SEEKFUNC_OK;
}

static size_t
take_answer(char *data, size_t size, size_t count, void *arg)
{
	KamDelivery *delivery = arg;
	size_t		len = size * count;
	size_t		room = delivery->max_answer - delivery->answer_len;
	size_t		part = len < room ? len : room;
	char	   *longer;

	if (part < len && delivery->kind == KAM_PARCEL_FETCH)
	{
		delivery->too_large = true;
		return 0;
	}
	/* What answers a parcel is read to its end, and its beginning kept. */
	if (part == 0)
		return len;
	longer = realloc(delivery->answer, delivery->answer_len + part + 1);
	if (longer == NULL)
		return 0;
	delivery->answer = longer;
	memcpy(longer + delivery->answer_len, data, part);
	delivery->answer_len += part;
	longer[delivery->answer_len] = '\0';
	return len;
}

/* ---- before it begins -------------------------------------------------------------------- */

static bool
append(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

static const struct
{
	CURLoption	option;
	long		value;
}			always[] = {
	{CURLOPT_NOSIGNAL, 1},
	{CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS},
	{CURLOPT_SSL_VERIFYPEER, 1},
	{CURLOPT_SSL_VERIFYHOST, 2},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
	{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
#if LIBCURL_VERSION_NUM >= 0x075700
	{CURLOPT_QUICK_EXIT, 1},
	{CURLOPT_CA_CACHE_TIMEOUT, 3600},
#endif
};

long
kam_parcel_timeout_ms(const KamParcel *parcel)
{
	return (long) (parcel->timeout_s > 0 ? parcel->timeout_s : 30) * 1000;
}

static bool
prepare_post(KamDelivery *delivery, const KamParcel *parcel)
{
	bool		ok = append(&delivery->headers, "Expect:");

	for (int i = 0; parcel->headers != NULL && parcel->headers[i] != NULL; i++)
		ok = ok && append(&delivery->headers, parcel->headers[i]);
	KAM_SET(CURLOPT_PROTOCOLS_STR, parcel->allow_private ? "http,https" : "https");
	KAM_SET(CURLOPT_POST, 1L);
	KAM_SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) parcel->body_len);
	KAM_SET(CURLOPT_FOLLOWLOCATION, 0L);
	return ok;
}

static bool
prepare_fetch(KamDelivery *delivery, const KamParcel *parcel)
{
	bool		ok = true;

	KAM_SET(CURLOPT_PROTOCOLS_STR, parcel->allow_private ? "http,https" : "https");
	KAM_SET(CURLOPT_REDIR_PROTOCOLS_STR, parcel->allow_private ? "http,https" : "https");
	KAM_SET(CURLOPT_HTTPGET, 1L);
	KAM_SET(CURLOPT_FOLLOWLOCATION, 1L);
	KAM_SET(CURLOPT_MAXREDIRS, MOST_REDIRECTS);
	KAM_SET(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	return ok;
}

static bool
prepare(KamDelivery *delivery, const KamParcel *parcel)
{
	static bool (*const by_kind[]) (KamDelivery *, const KamParcel *) = {
		[KAM_PARCEL_POST] = prepare_post,
		[KAM_PARCEL_MAIL] = kam_mail_prepare,
		[KAM_PARCEL_FETCH] = prepare_fetch,
	};
	const KamCourier *courier = delivery->courier;
	bool		by_proxy = *courier->proxy != '\0' && parcel->kind != KAM_PARCEL_MAIL && !parcel->allow_private;
	bool		ok = true;

	/* Behind a proxy it is the proxy's address that would be looked at: there it is the proxy that guards. */
	delivery->guarded = !parcel->allow_private && !by_proxy;
	delivery->tied = parcel->allow_private && parcel->kind == KAM_PARCEL_FETCH;
	for (size_t i = 0; i < LENGTHOF(always); i++)
		KAM_SET(always[i].option, always[i].value);
	KAM_SET(CURLOPT_URL, parcel->url);
	KAM_SET(CURLOPT_PROXY, by_proxy ? courier->proxy : "");
	KAM_SET(CURLOPT_USERAGENT, "kam");
	KAM_SET(CURLOPT_TIMEOUT_MS, kam_parcel_timeout_ms(parcel));
	KAM_SET(CURLOPT_ERRORBUFFER, delivery->error);
	KAM_SET(CURLOPT_PRIVATE, delivery);
	KAM_SET(CURLOPT_READFUNCTION, give_body);
	KAM_SET(CURLOPT_READDATA, delivery);
	KAM_SET(CURLOPT_SEEKFUNCTION, seek_body);
	KAM_SET(CURLOPT_SEEKDATA, delivery);
	KAM_SET(CURLOPT_WRITEFUNCTION, take_answer);
	KAM_SET(CURLOPT_WRITEDATA, delivery);
	KAM_SET(CURLOPT_OPENSOCKETFUNCTION, kam_connect_socket);
	KAM_SET(CURLOPT_OPENSOCKETDATA, delivery);
	KAM_SET(CURLOPT_PREREQFUNCTION, kam_connect_check);
	KAM_SET(CURLOPT_PREREQDATA, delivery);
	if (*courier->ca_file != '\0')
	{
		KAM_SET(CURLOPT_CAINFO, courier->ca_file);
		KAM_SET(CURLOPT_CAPATH, NULL);
		KAM_SET(CURLOPT_PROXY_CAINFO, courier->ca_file);
		KAM_SET(CURLOPT_PROXY_CAPATH, NULL);
	}
	ok = ok && by_kind[parcel->kind] (delivery, parcel);
	if (delivery->headers != NULL)
		KAM_SET(CURLOPT_HTTPHEADER, delivery->headers);
	return ok;
}

static CURLM *
handle_of(const KamDelivery *delivery)
{
	return delivery->mail != NULL ? delivery->mail->line->curl : delivery->courier->multi.curl;
}

static void
destroy(KamDelivery *delivery)
{
	if (delivery->easy != NULL)
		curl_easy_cleanup(delivery->easy);
	if (delivery->mail != NULL)
		kam_mail_free(delivery->courier, delivery->mail);
	for (struct curl_slist *line = delivery->headers; line; line = line->next)
		kam_secret_wipe(line->data, strlen(line->data));
	curl_slist_free_all(delivery->headers);
	free(delivery->answer);
	free(delivery);
}

static KamDelivery *
start(KamCourier *courier, const KamParcel *parcel, const char **why)
{
	KamDelivery *delivery = calloc(1, sizeof(KamDelivery));

	*why = "out of memory";
	if (delivery == NULL)
		return NULL;
	delivery->courier = courier;
	delivery->kind = parcel->kind;
	delivery->body = parcel->body;
	delivery->body_len = parcel->body_len;
	delivery->max_answer = parcel->max_answer;
	delivery->easy = curl_easy_init();
	if (delivery->easy != NULL && prepare(delivery, parcel))
	{
		if (curl_multi_add_handle(handle_of(delivery), delivery->easy) == CURLM_OK)
			return delivery;
		*why = "libcurl does not take the parcel";
	}
	else if (delivery->easy != NULL)
		*why = "libcurl does not take an option that is needed";
	destroy(delivery);
	return NULL;
}

KamDelivery *
kam_courier_start(KamCourier *courier, const KamParcel *parcel, void *owner, const char **why)
{
	KamDelivery *delivery;
	sigset_t	before;

	kam_signals_hold(&before);
	delivery = start(courier, parcel, why);
	kam_signals_release(&before);
	if (delivery == NULL)
		return NULL;
	delivery->owner = owner;
	delivery->next = courier->first;
	if (courier->first != NULL)
		courier->first->prev = delivery;
	courier->first = delivery;
	courier->in_flight++;
	*why = NULL;
	return delivery;
}

/* ---- the end ------------------------------------------------------------------------------------ */

static const struct
{
	CURLcode	code;
	KamLoss		loss;
}			meaning[] = {
	{CURLE_OK, KAM_LOST_NOTHING},
	{CURLE_UNSUPPORTED_PROTOCOL, KAM_LOST_ADDRESS},
	{CURLE_URL_MALFORMAT, KAM_LOST_ADDRESS},
	{CURLE_COULDNT_RESOLVE_PROXY, KAM_LOST_RESOLVE},
	{CURLE_COULDNT_RESOLVE_HOST, KAM_LOST_RESOLVE},
	{CURLE_COULDNT_CONNECT, KAM_LOST_CONNECT},
	{CURLE_PROXY, KAM_LOST_CONNECT},
	{CURLE_SSL_CONNECT_ERROR, KAM_LOST_TLS},
	{CURLE_PEER_FAILED_VERIFICATION, KAM_LOST_TLS},
	{CURLE_SSL_CERTPROBLEM, KAM_LOST_TLS},
	{CURLE_SSL_CIPHER, KAM_LOST_TLS},
	{CURLE_SSL_CACERT_BADFILE, KAM_LOST_TLS},
	{CURLE_SSL_ISSUER_ERROR, KAM_LOST_TLS},
	{CURLE_USE_SSL_FAILED, KAM_LOST_TLS},
	{CURLE_LOGIN_DENIED, KAM_LOST_LOGIN},
	{CURLE_OPERATION_TIMEDOUT, KAM_LOST_TIMEOUT},
	{CURLE_TOO_MANY_REDIRECTS, KAM_LOST_ADDRESS},
	{CURLE_OUT_OF_MEMORY, KAM_LOST_INTERNAL},
	{CURLE_FAILED_INIT, KAM_LOST_INTERNAL},
};

static KamLoss
loss_of(const KamDelivery *delivery, CURLcode code)
{
	if (delivery->lost_socket)
		return KAM_LOST_INTERNAL;
	if (delivery->too_large)
		return KAM_LOST_TOO_LARGE;
	if (delivery->guard_refused && (code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK))
		return KAM_LOST_ADDRESS;
	/* An answer that is no HTTP is none: the parcel had left. */
	if (code == CURLE_UNSUPPORTED_PROTOCOL && delivery->handed_over != 0)
		return KAM_LOST_CUT;
	for (size_t i = 0; i < LENGTHOF(meaning); i++)
	{
		if (meaning[i].code == code)
			return meaning[i].loss;
	}
	return KAM_LOST_CUT;
}

void
kam_receipt_write(KamReceipt *receipt, const char *words)
{
	size_t		len = strlen(words);

	if (len >= sizeof(receipt->words))
		len = sizeof(receipt->words) - 1;
	for (size_t i = 0; i < len; i++)
		receipt->words[i] = words[i] >= ' ' && words[i] <= '~' ? words[i] : '?';
	receipt->words[len] = '\0';
}

static const char *
words_of(const KamDelivery *delivery, CURLcode code)
{
	if (delivery->lost_socket)
		return "the socket could not be watched";
	if (delivery->too_large)
		return "what was fetched is too large";
	if (delivery->receipt.loss == KAM_LOST_ADDRESS && delivery->guard_refused)
		return "the address is not a public one";
	return *delivery->error ? delivery->error : curl_easy_strerror(code);
}

static void
conclude(KamDelivery *delivery, CURLcode code)
{
	KamReceipt *receipt = &delivery->receipt;
	curl_off_t	retry_after = 0;
	long		status = 0;

	curl_easy_getinfo(delivery->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(delivery->easy, CURLINFO_RETRY_AFTER, &retry_after);
	receipt->loss = loss_of(delivery, code);
	receipt->status = (int) status;
	receipt->retry_after_s = delivery->mail == NULL && retry_after > 0 ? (long) retry_after : -1;

	/* A status whose text was cut off is an answer.  What a mail server says before it has heard of a message is none to that. */
	if (receipt->loss != KAM_LOST_NOTHING && receipt->loss != KAM_LOST_LOGIN && receipt->loss != KAM_LOST_TOO_LARGE &&
		status >= 200 && delivery->kind == KAM_PARCEL_POST)
	{
		kam_receipt_write(receipt, words_of(delivery, code));
		receipt->loss = KAM_LOST_NOTHING;
	}
	else if (receipt->loss != KAM_LOST_NOTHING)
	{
		kam_receipt_write(receipt, words_of(delivery, code));
		receipt->in_doubt = delivery->handed_over != 0 && status < 200;
	}
	receipt->answer = delivery->answer != NULL ? delivery->answer : "";
	receipt->answer_len = delivery->answer_len;
}

void
kam_delivery_detach(KamDelivery *delivery)
{
	curl_multi_remove_handle(handle_of(delivery), delivery->easy);
	delivery->courier->in_flight--;
	delivery->ended = true;
}

static void
end(KamDelivery *delivery, CURLcode code)
{
	kam_delivery_detach(delivery);
	conclude(delivery, code);
	curl_easy_cleanup(delivery->easy);
	delivery->easy = NULL;
}

void
kam_courier_reap(CURLM *handle)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(handle, &left)) != NULL)
	{
		CURLcode	code = message->data.result;
		KamDelivery *delivery = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &delivery);
		if (delivery->mail != NULL && code == CURLE_OK)
			kam_mail_begin(delivery);
		else
			end(delivery, code);
	}
}

/* True when there may be more to do at once. */
static bool
run_once(KamCourier *courier)
{
	bool		more = kam_multi_step(&courier->multi);

	kam_courier_reap(courier->multi.curl);
	for (KamDelivery *delivery = courier->first; delivery; delivery = delivery->next)
	{
		if (delivery->mail != NULL && !delivery->ended)
			kam_mail_run(delivery);
	}
	for (KamDelivery *delivery = courier->check ? courier->first : NULL; delivery; delivery = delivery->next)
	{
		if (delivery->lost_socket && !delivery->ended)
			end(delivery, CURLE_ABORTED_BY_CALLBACK);
	}
	courier->check = false;
	return more || kam_multi_due(&courier->multi);
}

void
kam_courier_run(KamCourier *courier)
{
	sigset_t	before;

	kam_signals_hold(&before);
	for (int i = 0; i < ROUNDS && run_once(courier); i++)
		continue;
	kam_signals_release(&before);
}

static void
unlink_delivery(KamDelivery *delivery)
{
	KamCourier *courier = delivery->courier;

	if (delivery->prev != NULL)
		delivery->prev->next = delivery->next;
	else if (courier->first == delivery)
		courier->first = delivery->next;
	if (delivery->next != NULL)
		delivery->next->prev = delivery->prev;
	delivery->prev = delivery->next = NULL;
}

KamDelivery *
kam_courier_take(KamCourier *courier)
{
	for (KamDelivery *delivery = courier->first; delivery; delivery = delivery->next)
	{
		if (!delivery->ended)
			continue;
		unlink_delivery(delivery);
		return delivery;
	}
	return NULL;
}

void *
kam_delivery_owner(const KamDelivery *delivery)
{
	return delivery->owner;
}

const KamReceipt *
kam_delivery_receipt(const KamDelivery *delivery)
{
	return &delivery->receipt;
}

bool
kam_delivery_handed_over(const KamDelivery *delivery)
{
	const KamMail *mail = delivery->mail;

	return delivery->handed_over != 0 || (mail != NULL && mail->talk != NULL && kam_smtp_handed_over(mail->talk));
}

void
kam_delivery_free(KamDelivery *delivery)
{
	sigset_t	before;

	if (delivery == NULL)
		return;
	kam_signals_hold(&before);
	if (!delivery->ended)
	{
		kam_delivery_detach(delivery);
		unlink_delivery(delivery);
	}
	destroy(delivery);
	kam_signals_release(&before);
}
