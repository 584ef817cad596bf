/*
 * llm/transfer.c: one HTTP transfer: how it is asked for, and what libcurl's
 * callbacks do with what comes.
 *
 * Everything here may run inside libcurl: nothing raises, jumps out, waits, or
 * allocates otherwise than with malloc.
 *
 * How long a transfer may take.  timeout_s bounds the whole of it,
 * connect_timeout_ms the way to a connection.  Beyond that, silence ends it:
 * while the request goes out, and while the answer comes in, every stretch of
 * stall_s seconds must bring KAM_STALL_BYTES bytes.  An answer that was asked
 * for in parts (stream) is expected to begin within stall_s too.  One that was
 * not may take timeout_s until its first byte: such a server says nothing until
 * the model has finished.
 */
#include "llm/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Small: thousands of transfers wait at once, each with its own.  UPLOAD_SIZE is the least that libcurl takes. */
#define BUFFER_SIZE (4 * 1024)
#define UPLOAD_SIZE (16 * 1024)

/*
 * When a connection ends without having brought a byte, libcurl sends the
 * request again on another one.  That is let through only so soon after the
 * request's last byte: the connection had gone stale, or the server had refused
 * the stream.  Later the server may have been at work, and whether to pay twice
 * is not libcurl's to decide.
 */
#define RESEND_WITHIN_US (1 * 1000 * 1000)

#define DEFAULT_CONNECT_MS 10000
#define DEFAULT_TIMEOUT_S 600
#define DEFAULT_STALL_S 120

/* ---- signs of life ------------------------------------------------------------ */

int64_t
kam_transfer_stalls_at(const KamTransfer *transfer)
{
	bool		expects = transfer->handed_over == 0 || transfer->streams || transfer->begun;

	return transfer->connected && expects ? transfer->lively_at + transfer->stall_us : KAM_NEVER;
}

/* Bytes went out or came in: a stretch that has brought enough makes room for the next. */
static void
note_life(KamTransfer *transfer, size_t bytes)
{
	int64_t		stalls_at;

	transfer->lively_bytes += bytes;
	if (transfer->lively_bytes >= KAM_STALL_BYTES)
	{
		transfer->lively_bytes = 0;
		transfer->lively_at = kam_monotonic_us();
	}
	stalls_at = kam_transfer_stalls_at(transfer);
	if (stalls_at < transfer->engine->check_at)
		transfer->engine->check_at = stalls_at;
}

/* ---- the request ---------------------------------------------------------------- */

static size_t
give_body(char *buffer, size_t size, size_t count, void *arg)
{
	KamTransfer *transfer = arg;
	size_t		room = size * count;
	size_t		given = 0;

	while (given < room && transfer->piece_no < transfer->npieces)
	{
		const KamPiece *piece = &transfer->piece[transfer->piece_no];
		size_t		left = piece->len - transfer->piece_offset;
		size_t		part = left < room - given ? left : room - given;

		if (part > 0)
			memcpy(buffer + given, piece->data + transfer->piece_offset, part);
		given += part;
		transfer->piece_offset += part;
		if (transfer->piece_offset == piece->len)
		{
			transfer->piece_no++;
			transfer->piece_offset = 0;
		}
	}
	transfer->offset += given;
	if (transfer->offset == transfer->size && transfer->handed_over == 0)
	{
		transfer->handed_over = kam_monotonic_us();
		transfer->result.sent = true;
	}
	note_life(transfer, KAM_STALL_BYTES);
	return given;
}

static int
seek_body(void *arg, curl_off_t offset, int origin)
{
	KamTransfer *transfer = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t) offset > transfer->size)
		return CURL_SEEKFUNC_FAIL;
	if (transfer->handed_over != 0 && kam_monotonic_us() - transfer->handed_over > RESEND_WITHIN_US)
		return CURL_SEEKFUNC_FAIL;
	transfer->handed_over = 0;
	transfer->offset = (size_t) offset;
	transfer->piece_no = 0;
	transfer->piece_offset = (size_t) offset;
	while (transfer->piece_no < transfer->npieces && transfer->piece_offset >= transfer->piece[transfer->piece_no].len)
		transfer->piece_offset -= transfer->piece[transfer->piece_no++].len;
	return CURL_SEEKFUNC_OK;
}

static int
about_to_resolve(void *resolver, void *reserved, void *arg)
{
	KamTransfer *transfer = arg;

	transfer->resolving = true;
	return 0;
}

/* Two at once on one connection, or each on its own: that shows before any answer does. */
static void
compare_connections(KamTransfer *transfer)
{
	KamOrigin  *origin = transfer->origin;

	if (origin->sample == NULL)
		origin->sample = transfer;
	else if (origin->sample != transfer && origin->sample->local_port == transfer->local_port)
		origin->sharing = KAM_SHARING_YES;
	else if (origin->sample != transfer && origin->sharing == KAM_SHARING_UNKNOWN)
		origin->sharing = KAM_SHARING_NO;
}

/* Connected, TLS and all; nothing of the request has gone out. */
static int
about_to_ask(void *arg, char *address, char *local_address, int port, int local_port)
{
	KamTransfer *transfer = arg;
	int64_t		now = kam_monotonic_us();

	transfer->connected = true;
	transfer->lively_at = now;
	transfer->lively_bytes = 0;
	if (transfer->counted)
		transfer->origin->connecting--;
	transfer->counted = false;
	if (transfer->resolving)
		transfer->origin->warm_until = now + KAM_ADDRESS_KEPT_US;
	transfer->resolving = false;
	transfer->local_port = local_port;
	compare_connections(transfer);
	if (transfer->size == 0)
	{
		transfer->handed_over = now;
		transfer->result.sent = true;
	}
	note_life(transfer, 0);
	return CURL_PREREQFUNC_OK;
}

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	KamTransfer *transfer = arg;
	int			fd = socket(address->family, address->socktype, address->protocol);

	if (fd < 0)
	{
		transfer->socket_errno = errno;
		return CURL_SOCKET_BAD;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

/* ---- the answer ------------------------------------------------------------------- */

/* From a callback: no more of it.  The first reason stands. */
static void
refuse(KamTransfer *transfer, KamTrouble trouble, const char *text)
{
	if (transfer->refused != KAM_TROUBLE_NONE)
		return;
	transfer->refused = trouble;
	transfer->refused_text = text;
}

static const struct
{
	const char *name;
	bool		is_prefix;
}			wanted[] = {
	{"content-type"},
	{"location"},
	{"request-id"},
	{"x-request-id"},
	{"apim-request-id"},
	{"retry-after"},
	{"retry-after-ms"},
	{"x-ms-retry-after-ms"},
	{"x-should-retry"},
	{"anthropic-ratelimit-", true},
	{"anthropic-priority-", true},
	{"anthropic-fast-", true},
	{"x-ratelimit-", true},
	{"ratelimit-", true},
};

static bool
is_wanted(const char *name, size_t len)
{
	for (size_t i = 0; i < KAM_LENGTHOF(wanted); i++)
	{
		size_t		want = strlen(wanted[i].name);

		if ((wanted[i].is_prefix ? len > want : len == want) && strncasecmp(name, wanted[i].name, want) == 0)
			return true;
	}
	return false;
}

void
kam_transfer_drop_headers(KamTransfer *transfer)
{
	for (int i = 0; i < transfer->nheaders; i++)
		free(transfer->header[i].name);
	transfer->nheaders = 0;
}

void
kam_copy_plain(char *out, const char *in, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = in[i] >= ' ' && in[i] <= '~' ? in[i] : '?';
	out[len] = '\0';
}

/* False when memory is exhausted. */
static bool
keep_header(KamTransfer *transfer, const char *name, size_t name_len, const char *value, size_t value_len)
{
	KamHeader  *header = &transfer->header[transfer->nheaders];
	char	   *memory;

	while (value_len > 0 && (*value == ' ' || *value == '\t'))
		value++, value_len--;
	while (value_len > 0 && (unsigned char) value[value_len - 1] <= ' ')
		value_len--;
	if (value_len > KAM_HEADER_VALUE)
		value_len = KAM_HEADER_VALUE;
	memory = malloc(name_len + value_len + 2);
	if (memory == NULL)
		return false;
	header->name = memory;
	header->value = memory + name_len + 1;
	kam_copy_plain(header->name, name, name_len);
	for (char *c = header->name; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c;
	kam_copy_plain(header->value, value, value_len);
	transfer->nheaders++;
	return true;
}

static size_t
take_header(char *line, size_t size, size_t count, void *arg)
{
	KamTransfer *transfer = arg;
	size_t		len = size * count;
	const char *colon;

	if (transfer->result.first_byte_us == 0)
		transfer->result.first_byte_us = kam_wall_clock_us();
	note_life(transfer, len);
	transfer->header_bytes += len;
	if (transfer->header_bytes > KAM_HEADER_BYTES)
	{
		refuse(transfer, KAM_TROUBLE_TOO_LARGE, "the answer has too many headers");
		return 0;
	}
	/* What stands after the body is nothing we ask for. */
	if (transfer->begun)
		return len;
	/* The final answer's count, not those of an interim one (100, 103). */
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
	{
		kam_transfer_drop_headers(transfer);
		transfer->origin->sharing = len > 5 && line[5] == '2' ? KAM_SHARING_YES : KAM_SHARING_NO;
		return len;
	}
	colon = memchr(line, ':', len);
	if (colon != NULL && transfer->nheaders < KAM_MOST_HEADERS && colon - line <= KAM_HEADER_NAME && is_wanted(line, colon - line) &&
		!keep_header(transfer, line, colon - line, colon + 1, len - (colon + 1 - line)))
	{
		refuse(transfer, KAM_TROUBLE_INTERNAL, "out of memory");
		return 0;
	}
	return len;
}

const char *
kam_transfer_header(const KamTransfer *transfer, const char *name)
{
	for (int i = 0; i < transfer->nheaders; i++)
	{
		if (strcmp(transfer->header[i].name, name) == 0)
			return transfer->header[i].value;
	}
	return NULL;
}

void
kam_transfer_begin(KamTransfer *transfer, long status)
{
	const char *type = kam_transfer_header(transfer, "content-type");

	if (transfer->begun)
		return;
	transfer->begun = true;
	kam_reader_begin(transfer->reader, (int) status, type ? type : "");
}

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	KamTransfer *transfer = arg;
	size_t		len = size * count;

	if (!transfer->begun)
	{
		long		status = 0;

		curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
		kam_transfer_begin(transfer, status);
		transfer->lively_at = kam_monotonic_us();
		transfer->lively_bytes = 0;
	}
	note_life(transfer, len);
	transfer->body_bytes += len;
	if (transfer->body_bytes > transfer->max_body)
	{
		refuse(transfer, KAM_TROUBLE_TOO_LARGE, "the answer is too large");
		return 0;
	}
	if (!kam_reader_feed(transfer->reader, data, len))
	{
		refuse(transfer, KAM_TROUBLE_TOO_LARGE, "the answer cannot be read further");
		return 0;
	}
	return len;
}

/* ---- before it begins ------------------------------------------------------------ */

static bool
add_header(KamTransfer *transfer, const char *line)
{
	struct curl_slist *longer = curl_slist_append(transfer->headers, line);

	if (longer == NULL)
		return false;
	transfer->headers = longer;
	return true;
}

/* The key is the last word of its header: "Bearer KEY", "KEY". */
static bool
remember_secret(KamTransfer *transfer, const char *auth)
{
	const char *colon = strchr(auth, ':');
	const char *word = colon ? colon + 1 : auth;
	size_t		len;

	for (const char *c = word; *c; c++)
	{
		if (*c == ' ')
			word = c + 1;
	}
	len = strlen(word);
	if (len < KAM_SHORTEST_SECRET)
		return true;
	transfer->secret = malloc(len + 1);
	if (transfer->secret == NULL)
		return false;
	memcpy(transfer->secret, word, len + 1);
	transfer->secret_len = len;
	return true;
}

/* Nobody who is not in the headers may speak for us: libcurl's own Expect and Content-Type. */
static bool
prepare_headers(KamTransfer *transfer, const KamRequest *request, const char *auth)
{
	bool		typed = false;
	bool		ok = true;

	for (int i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
	{
		typed = typed || strncasecmp(request->headers[i], "content-type:", 13) == 0;
		ok = ok && add_header(transfer, request->headers[i]);
	}
	if (!typed)
		ok = ok && add_header(transfer, "content-type: application/json");
	ok = ok && add_header(transfer, "Expect:");
	if (auth != NULL)
		ok = ok && add_header(transfer, auth) && remember_secret(transfer, auth);
	return ok;
}

static const struct
{
	CURLoption	option;
	long		value;
}			always[] = {
	{CURLOPT_NOSIGNAL, 1},
	{CURLOPT_POST, 1},
	{CURLOPT_FOLLOWLOCATION, 0},
	{CURLOPT_SSL_VERIFYPEER, 1},
	{CURLOPT_SSL_VERIFYHOST, 2},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_PROXY_SSL_VERIFYPEER, 1},
	{CURLOPT_PROXY_SSL_VERIFYHOST, 2},
	{CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
	{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
	{CURLOPT_TCP_KEEPALIVE, 1},
	{CURLOPT_TCP_KEEPIDLE, 60},
	{CURLOPT_TCP_KEEPINTVL, 60},
	{CURLOPT_BUFFERSIZE, BUFFER_SIZE},
	{CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_SIZE},
	{CURLOPT_DNS_CACHE_TIMEOUT, KAM_ADDRESS_KEPT_US / 1000000 + 10},
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Not to wait for a resolver's thread when a transfer is broken off. */
	{CURLOPT_QUICK_EXIT, 1},
	/* Certificates are read again after an hour. */
	{CURLOPT_CA_CACHE_TIMEOUT, 3600},
#endif
};

/* Certificates are verified against one file where there is one: libcurl then reads it once for all connections. */
static bool
prepare_trust(CURL *easy, const char *file)
{
	return curl_easy_setopt(easy, CURLOPT_CAINFO, file) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, file) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL) == CURLE_OK;
}

static bool
prepare_options(KamTransfer *transfer, const char *url)
{
	CURL	   *easy = transfer->easy;
	const KamEngine *engine = transfer->engine;
	bool		secure = strncasecmp(url, "https://", 8) == 0;
	bool		ok = true;

	for (size_t i = 0; i < KAM_LENGTHOF(always); i++)
		ok = ok && curl_easy_setopt(easy, always[i].option, always[i].value) == CURLE_OK;

#define SET(option, value) (ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK)
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	/* Requests share a TLS connection; without TLS, waiting for another's answer to learn what it speaks would take minutes. */
	SET(CURLOPT_HTTP_VERSION, secure ? (long) CURL_HTTP_VERSION_2TLS : (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PIPEWAIT, secure ? 1L : 0L);
	SET(CURLOPT_PROXY, engine->proxy);
	/* The key must not pass a proxy on its way to this very machine. */
	SET(CURLOPT_NOPROXY, *engine->proxy ? "localhost,127.0.0.1,::1" : "*");
	SET(CURLOPT_USERAGENT, "kam");
	SET(CURLOPT_HTTPHEADER, transfer->headers);
	SET(CURLOPT_ERRORBUFFER, transfer->error);
	SET(CURLOPT_PRIVATE, transfer);
	/* Encodings with small windows alone: what is in flight has to fit into memory. */
	SET(CURLOPT_ACCEPT_ENCODING, engine->inflates ? "gzip, deflate" : NULL);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) transfer->size);
	SET(CURLOPT_READFUNCTION, give_body);
	SET(CURLOPT_READDATA, transfer);
	SET(CURLOPT_SEEKFUNCTION, seek_body);
	SET(CURLOPT_SEEKDATA, transfer);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, transfer);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, transfer);
	SET(CURLOPT_RESOLVER_START_FUNCTION, about_to_resolve);
	SET(CURLOPT_RESOLVER_START_DATA, transfer);
	SET(CURLOPT_PREREQFUNCTION, about_to_ask);
	SET(CURLOPT_PREREQDATA, transfer);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, transfer);
#undef SET
	if (*engine->ca_file != '\0' && (secure || *engine->proxy != '\0'))
		ok = ok && prepare_trust(easy, engine->ca_file);
	return ok;
}

bool
kam_transfer_prepare(KamTransfer *transfer, const KamRequest *request, KamApi api, const KamDialect *dialect,
					 const char *auth, const char **why)
{
	const KamEngine *engine = transfer->engine;
	int			connect_ms = dialect->connect_timeout_ms > 0 ? dialect->connect_timeout_ms : DEFAULT_CONNECT_MS;
	int			timeout_s = dialect->timeout_s > 0 ? dialect->timeout_s : DEFAULT_TIMEOUT_S;
	int			stall_s = dialect->stall_s > 0 ? dialect->stall_s : DEFAULT_STALL_S;

	transfer->connect_us = (int64_t) connect_ms * 1000;
	transfer->timeout_us = (int64_t) timeout_s * 1000000;
	transfer->stall_us = (int64_t) stall_s * 1000000;
	transfer->streams = dialect->stream;
	transfer->max_body = engine->max_body;
	transfer->begun_at = kam_monotonic_us();
	transfer->result.started_us = kam_wall_clock_us();

	transfer->npieces = request->npieces;
	for (int i = 0; i < request->npieces; i++)
	{
		transfer->piece[i] = request->piece[i];
		transfer->size += request->piece[i].len;
	}

	*why = "out of memory";
	transfer->reader = kam_reader_new(api, engine->max_body);
	if (transfer->reader == NULL || !prepare_headers(transfer, request, auth))
		return false;
	if (!prepare_options(transfer, request->url))
	{
		*why = "libcurl does not take an option that is needed";
		return false;
	}
	return true;
}
