/*
 * net/courier.c: see courier.h.
 *
 * The worker's process runs it, between waits of its own.  Callbacks may run
 * inside libcurl: nothing raises, jumps out, waits, or allocates otherwise than
 * with malloc.
 */
#include "net/courier.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net/guard.h"
#include "net/multi.h"
#include "net/secret.h"
#include "net/smtp.h"

#define LENGTHOF(array) (sizeof(array) / sizeof((array)[0]))

#define CONNECT_MS 10000L
#define ROUNDS 64
#define MOST_REDIRECTS 4L
#define OWN_PLACES 8
/* Handles kept for the next e-mail. */
#define SPARE_LINES 8
/* Connections kept for the next parcel. */
#define KEPT_CONNECTIONS 32L

/*
 * A connection that was kept may have been closed meanwhile; libcurl then sends
 * the parcel once more on a new one.  That is let through only so soon after
 * the last byte: later the server may have been at work.
 */
#define RESEND_WITHIN_US (1 * 1000 * 1000)

/*
 * What an e-mail has beside: libcurl connects, encrypts and logs in, on a
 * handle for this one alone (among the connections of others it would tidy
 * away what it takes for idle), and what follows is net/smtp.c's.
 */
typedef struct KamMail
{
	KamMulti   *line;
	KamSmtp    *talk;			/* NULL while libcurl is at work */
	curl_socket_t fd;
	uint32_t	watched;		/* events of fd */
	int64_t		deadline;		/* monotonic */
	bool		utf8;			/* the server takes addresses that are not ASCII */
	char	   *from,
			   *to;
} KamMail;

/* An address and port. */
typedef struct Place
{
	struct in6_addr address;	/* IPv4 as ::ffff:a.b.c.d */
	int			port;
} Place;

struct KamDelivery
{
	KamCourier *courier;
	KamDelivery *prev,
			   *next;
	void	   *owner;
	CURL	   *easy;			/* NULL once it has ended */
	struct curl_slist *headers;
	KamParcelKind kind;
	KamMail    *mail;			/* of MAIL, NULL of others */
	bool		guarded;		/* only public addresses */
	bool		tied;			/* private ones only where its URL leads, not where it is redirected to */
	Place		own[OWN_PLACES];
	int			nown;
	bool		guard_refused;
	bool		lost_socket;
	bool		ended;
	const char *body;
	size_t		body_len,
				offset;
	int64_t		handed_over;	/* when libcurl had the last byte (monotonic); 0: not yet */
	char	   *answer;
	size_t		answer_len,
				max_answer;
	bool		too_large;
	char		error[CURL_ERROR_SIZE];
	KamReceipt	receipt;
};

struct KamCourier
{
	KamMulti	multi;
	char	   *ca_file,
			   *proxy;
	KamDelivery *first;			/* all of them */
	KamMulti   *spare[SPARE_LINES]; /* of e-mails that have ended: they know certificates and addresses */
	int			spares;
	int			in_flight;
	bool		check;			/* a socket was lost */
};

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

static void
lose_socket(CURL *easy)
{
	KamDelivery *delivery = NULL;

	if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &delivery) != CURLE_OK || delivery == NULL)
		return;
	delivery->lost_socket = true;
	delivery->courier->check = true;
}

static bool
replace_text(char **text, const char *by)
{
	char	   *copy = strdup(by ? by : "");

	if (copy == NULL)
		return false;
	if (*text != NULL)
		kam_secret_wipe(*text, strlen(*text));
	free(*text);
	*text = copy;
	return true;
}

bool
kam_courier_configure(KamCourier *courier, const KamCourierSettings *settings)
{
	return replace_text(&courier->ca_file, kam_net_ca_file(settings->ca_file)) && replace_text(&courier->proxy, settings->proxy);
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
	*why = kam_multi_open(&courier->multi, lose_socket);
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

/* A line of the server's answers while libcurl talks. */
static size_t
take_line(char *data, size_t size, size_t count, void *arg)
{
	KamDelivery *delivery = arg;
	size_t		len = size * count;

	if (len >= 12 && strncasecmp(data + 4, "SMTPUTF8", 8) == 0)
		delivery->mail->utf8 = true;
	return len;
}

static Place
place_of(const struct sockaddr *address)
{
	Place		place = {0};

	if (address->sa_family == AF_INET)
	{
		const struct sockaddr_in *in = (const struct sockaddr_in *) address;

		place.address.s6_addr[10] = place.address.s6_addr[11] = 0xff;
		memcpy(&place.address.s6_addr[12], &in->sin_addr, sizeof(in->sin_addr));
		place.port = ntohs(in->sin_port);
	}
	else if (address->sa_family == AF_INET6)
	{
		place.address = ((const struct sockaddr_in6 *) address)->sin6_addr;
		place.port = ntohs(((const struct sockaddr_in6 *) address)->sin6_port);
	}
	return place;
}

static bool
may_connect(KamDelivery *delivery, const struct sockaddr *address)
{
	Place		place;
	long		redirects = 0;

	if (kam_address_is_public(address))
		return true;
	if (delivery->guarded || !delivery->tied)
		return !delivery->guarded;
	place = place_of(address);
	for (int i = 0; i < delivery->nown; i++)
	{
		if (memcmp(&delivery->own[i].address, &place.address, sizeof(place.address)) == 0 && delivery->own[i].port == place.port)
			return true;
	}
	curl_easy_getinfo(delivery->easy, CURLINFO_REDIRECT_COUNT, &redirects);
	if (redirects > 0 || delivery->nown == OWN_PLACES)
		return false;
	delivery->own[delivery->nown++] = place;
	return true;
}

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	KamDelivery *delivery = arg;
	int			fd;

	if (!may_connect(delivery, &address->addr))
	{
		delivery->guard_refused = true;
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype, address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

/* Before anything is sent: a connection that was kept may be one that another parcel was allowed to make. */
static int
before_request(void *arg, char *remote, char *local, int remote_port, int local_port)
{
	KamDelivery *delivery = arg;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t) remote_port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t) remote_port)};
	bool		allowed = !delivery->guarded && !delivery->tied;

	if (!allowed && inet_pton(AF_INET, remote, &in.sin_addr) == 1)
		allowed = may_connect(delivery, (const struct sockaddr *) &in);
	else if (!allowed && inet_pton(AF_INET6, remote, &in6.sin6_addr) == 1)
		allowed = may_connect(delivery, (const struct sockaddr *) &in6);
	if (allowed)
		return CURL_PREREQFUNC_OK;
	delivery->guard_refused = true;
	return CURL_PREREQFUNC_ABORT;
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

#define SET(option, value) (ok = ok && curl_easy_setopt(delivery->easy, option, value) == CURLE_OK)

static long
timeout_of(const KamParcel *parcel)
{
	return (long) (parcel->timeout_s > 0 ? parcel->timeout_s : 30) * 1000;
}

static bool
prepare_post(KamDelivery *delivery, const KamParcel *parcel)
{
	bool		ok = append(&delivery->headers, "Expect:");

	for (int i = 0; parcel->headers != NULL && parcel->headers[i] != NULL; i++)
		ok = ok && append(&delivery->headers, parcel->headers[i]);
	SET(CURLOPT_PROTOCOLS_STR, parcel->allow_private ? "http,https" : "https");
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) parcel->body_len);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	return ok;
}

static void
close_line(KamMulti *line)
{
	kam_multi_close(line);
	free(line);
}

static KamMulti *
open_line(KamCourier *courier)
{
	struct epoll_event event = {.events = EPOLLIN};
	KamMulti   *line;

	if (courier->spares > 0)
		return courier->spare[--courier->spares];
	line = calloc(1, sizeof(KamMulti));
	if (line == NULL)
		return NULL;
	if (kam_multi_open(line, lose_socket) == NULL)
	{
		event.data.fd = line->epoll;
		if (epoll_ctl(courier->multi.epoll, EPOLL_CTL_ADD, line->epoll, &event) == 0)
			return line;
	}
	close_line(line);
	return NULL;
}

/* Once its easy handle is gone, and its connection with it. */
static void
put_line(KamCourier *courier, KamMulti *line)
{
	if (line == NULL)
		return;
	if (courier->spares < SPARE_LINES)
		courier->spare[courier->spares++] = line;
	else
		close_line(line);
}

static bool
prepare_mail(KamDelivery *delivery, const KamParcel *parcel)
{
	KamMail    *mail = calloc(1, sizeof(KamMail));
	bool		ok;

	if (mail == NULL)
		return false;
	delivery->mail = mail;
	mail->deadline = kam_monotonic_us() + (int64_t) timeout_of(parcel) * 1000;
	mail->from = strdup(parcel->mail_from);
	mail->to = strdup(parcel->mail_to);
	mail->line = open_line(delivery->courier);
	ok = mail->from != NULL && mail->to != NULL && mail->line != NULL;
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(CURLOPT_USE_SSL, (long) (parcel->allow_private ? CURLUSESSL_TRY : CURLUSESSL_ALL));
	SET(CURLOPT_CONNECT_ONLY, 1L);
	SET(CURLOPT_HEADERFUNCTION, take_line);
	SET(CURLOPT_HEADERDATA, delivery);
	if (parcel->user != NULL)
	{
		SET(CURLOPT_USERNAME, parcel->user);
		SET(CURLOPT_PASSWORD, parcel->password != NULL ? parcel->password : "");
	}
	return ok;
}

static bool
prepare_fetch(KamDelivery *delivery, const KamParcel *parcel)
{
	bool		ok = true;

	SET(CURLOPT_PROTOCOLS_STR, parcel->allow_private ? "http,https" : "https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, parcel->allow_private ? "http,https" : "https");
	SET(CURLOPT_HTTPGET, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 1L);
	SET(CURLOPT_MAXREDIRS, MOST_REDIRECTS);
	SET(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	return ok;
}

static bool
prepare(KamDelivery *delivery, const KamParcel *parcel)
{
	static bool (*const by_kind[]) (KamDelivery *, const KamParcel *) = {
		[KAM_PARCEL_POST] = prepare_post,
		[KAM_PARCEL_MAIL] = prepare_mail,
		[KAM_PARCEL_FETCH] = prepare_fetch,
	};
	const KamCourier *courier = delivery->courier;
	bool		by_proxy = *courier->proxy != '\0' && parcel->kind != KAM_PARCEL_MAIL && !parcel->allow_private;
	bool		ok = true;

	/* Behind a proxy it is the proxy's address that would be looked at: there it is the proxy that guards. */
	delivery->guarded = !parcel->allow_private && !by_proxy;
	delivery->tied = parcel->allow_private && parcel->kind == KAM_PARCEL_FETCH;
	for (size_t i = 0; i < LENGTHOF(always); i++)
		SET(always[i].option, always[i].value);
	SET(CURLOPT_URL, parcel->url);
	SET(CURLOPT_PROXY, by_proxy ? courier->proxy : "");
	SET(CURLOPT_USERAGENT, "kam");
	SET(CURLOPT_TIMEOUT_MS, timeout_of(parcel));
	SET(CURLOPT_ERRORBUFFER, delivery->error);
	SET(CURLOPT_PRIVATE, delivery);
	SET(CURLOPT_READFUNCTION, give_body);
	SET(CURLOPT_READDATA, delivery);
	SET(CURLOPT_SEEKFUNCTION, seek_body);
	SET(CURLOPT_SEEKDATA, delivery);
	SET(CURLOPT_WRITEFUNCTION, take_answer);
	SET(CURLOPT_WRITEDATA, delivery);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, delivery);
	SET(CURLOPT_PREREQFUNCTION, before_request);
	SET(CURLOPT_PREREQDATA, delivery);
	if (*courier->ca_file != '\0')
	{
		SET(CURLOPT_CAINFO, courier->ca_file);
		SET(CURLOPT_CAPATH, NULL);
		SET(CURLOPT_PROXY_CAINFO, courier->ca_file);
		SET(CURLOPT_PROXY_CAPATH, NULL);
	}
	ok = ok && by_kind[parcel->kind] (delivery, parcel);
	if (delivery->headers != NULL)
		SET(CURLOPT_HTTPHEADER, delivery->headers);
	return ok;
}

#undef SET

static CURLM *
handle_of(const KamDelivery *delivery)
{
	return delivery->mail != NULL ? delivery->mail->line->curl : delivery->courier->multi.curl;
}

static void
destroy_mail(KamCourier *courier, KamMail *mail)
{
	kam_smtp_free(mail->talk);
	put_line(courier, mail->line);
	free(mail->from);
	free(mail->to);
	free(mail);
}

static void
destroy(KamDelivery *delivery)
{
	if (delivery->easy != NULL)
		curl_easy_cleanup(delivery->easy);
	if (delivery->mail != NULL)
		destroy_mail(delivery->courier, delivery->mail);
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

static void
write_words(KamReceipt *receipt, const char *words)
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
		write_words(receipt, words_of(delivery, code));
		receipt->loss = KAM_LOST_NOTHING;
	}
	else if (receipt->loss != KAM_LOST_NOTHING)
	{
		write_words(receipt, words_of(delivery, code));
		receipt->in_doubt = delivery->handed_over != 0 && status < 200;
	}
	receipt->answer = delivery->answer != NULL ? delivery->answer : "";
	receipt->answer_len = delivery->answer_len;
}

/* Out of libcurl's hands; its easy handle is still there. */
static void
detach(KamDelivery *delivery)
{
	curl_multi_remove_handle(handle_of(delivery), delivery->easy);
	delivery->courier->in_flight--;
	delivery->ended = true;
}

static void
end(KamDelivery *delivery, CURLcode code)
{
	detach(delivery);
	conclude(delivery, code);
	curl_easy_cleanup(delivery->easy);
	delivery->easy = NULL;
}

/* ---- e-mail, once the server is reached ------------------------------------------------------ */

static void
end_mail(KamDelivery *delivery, KamLoss loss, const char *words)
{
	KamMail    *mail = delivery->mail;
	KamReceipt *receipt = &delivery->receipt;
	size_t		sent;

	receipt->loss = loss;
	receipt->status = mail->talk != NULL ? kam_smtp_status(mail->talk) : 0;
	receipt->retry_after_s = -1;
	receipt->answer = "";
	receipt->in_doubt = loss != KAM_LOST_NOTHING && mail->talk != NULL && kam_smtp_handed_over(mail->talk);
	write_words(receipt, words);
	/* A courtesy: nobody waits for what is said to it. */
	if (loss == KAM_LOST_NOTHING)
		(void) curl_easy_send(delivery->easy, "QUIT\r\n", 6, &sent);
	detach(delivery);
	curl_easy_cleanup(delivery->easy);
	delivery->easy = NULL;
	put_line(delivery->courier, mail->line);
	mail->line = NULL;
	kam_smtp_free(mail->talk);
	mail->talk = NULL;
}

static bool
is_ascii(const char *text)
{
	while (*text != '\0')
		if ((signed char) *text++ < 0)
			return false;
	return true;
}

static void
begin_talk(KamDelivery *delivery)
{
	KamMail    *mail = delivery->mail;
	bool		utf8 = !is_ascii(mail->from) || !is_ascii(mail->to);

	mail->talk = kam_smtp_new(mail->from, mail->to, delivery->body, delivery->body_len, utf8);
	if (mail->talk == NULL || curl_easy_getinfo(delivery->easy, CURLINFO_ACTIVESOCKET, &mail->fd) != CURLE_OK || mail->fd == CURL_SOCKET_BAD)
		end_mail(delivery, KAM_LOST_INTERNAL, "the connection was lost sight of");
	else if (utf8 && !mail->utf8)
	{
		end_mail(delivery, KAM_LOST_NOTHING, "the mail server takes no address that is not ASCII (SMTPUTF8)");
		delivery->receipt.status = 553;
	}
}

static void
watch_talk(KamDelivery *delivery)
{
	KamMail    *mail = delivery->mail;
	size_t		len;
	uint32_t	events = EPOLLIN | (kam_smtp_say(mail->talk, &len) != NULL ? EPOLLOUT : 0);
	struct epoll_event event = {.events = events, .data.fd = mail->fd};

	if (mail->watched == events)
		return;
	if (epoll_ctl(mail->line->epoll, mail->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, mail->fd, &event) != 0)
		end_mail(delivery, KAM_LOST_INTERNAL, "the socket could not be watched");
	mail->watched = events;
}

/* Says and hears what can be said and heard now. */
static void
pump(KamDelivery *delivery)
{
	KamMail    *mail = delivery->mail;
	CURLcode	code = CURLE_OK;
	char		buffer[4096];
	const char *text;
	size_t		len;

	while (kam_smtp_end(mail->talk) == KAM_SMTP_GOING && code == CURLE_OK)
	{
		size_t		done = 0;

		text = kam_smtp_say(mail->talk, &len);
		if (text != NULL)
		{
			code = curl_easy_send(delivery->easy, text, len, &done);
			if (code == CURLE_OK)
				kam_smtp_said(mail->talk, done);
			if (code == CURLE_OK && done > 0)
				continue;
		}
		code = curl_easy_recv(delivery->easy, buffer, sizeof(buffer), &done);
		if (code == CURLE_OK && done == 0)
			code = CURLE_RECV_ERROR;	/* it has closed */
		else if (code == CURLE_OK)
			kam_smtp_hear(mail->talk, buffer, done);
	}
	switch (kam_smtp_end(mail->talk))
	{
		case KAM_SMTP_TAKEN:
			end_mail(delivery, KAM_LOST_NOTHING, "");
			break;
		case KAM_SMTP_REFUSED:
			end_mail(delivery, KAM_LOST_NOTHING, kam_smtp_words(mail->talk));
			break;
		case KAM_SMTP_SENDER_REFUSED:
			end_mail(delivery, KAM_LOST_LOGIN, kam_smtp_words(mail->talk));
			break;
		case KAM_SMTP_ODD:
			end_mail(delivery, KAM_LOST_CUT, "what the mail server said is no answer");
			break;
		case KAM_SMTP_GOING:
			if (code != CURLE_AGAIN)
				end_mail(delivery, KAM_LOST_CUT, "the mail server closed the connection");
			else if (kam_monotonic_us() >= mail->deadline)
				end_mail(delivery, KAM_LOST_TIMEOUT, "no answer in time");
			else
				watch_talk(delivery);
			break;
	}
}

/* Takes what libcurl has finished with. */
static void
reap(CURLM *handle)
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
			begin_talk(delivery);
		else
			end(delivery, code);
	}
}

static void
run_mail(KamDelivery *delivery)
{
	KamMail    *mail = delivery->mail;

	if (mail->talk == NULL)
	{
		(void) kam_multi_step(mail->line);
		reap(mail->line->curl);
	}
	if (!delivery->ended && mail->talk != NULL)
		pump(delivery);
}

/* True when there may be more to do at once. */
static bool
run_once(KamCourier *courier)
{
	bool		more = kam_multi_step(&courier->multi);

	reap(courier->multi.curl);
	for (KamDelivery *delivery = courier->first; delivery; delivery = delivery->next)
	{
		if (delivery->mail != NULL && !delivery->ended)
			run_mail(delivery);
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
		detach(delivery);
		unlink_delivery(delivery);
	}
	destroy(delivery);
	kam_signals_release(&before);
}
