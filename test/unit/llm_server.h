/*
 * test/unit/llm_server.h: a server on 127.0.0.1 in a process of its own, whose
 * behaviour is the request's path.  One thread per connection.
 *
 * What it has seen stands in shared memory.  It ends with its parent.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SERVER_BODY (4 * 1024 * 1024)

typedef struct ServerSeen
{
	int			connections,	/* accepted */
				requests,		/* read to their end */
				gone,			/* connections that a client ended while its answer was waited for */
				gate;			/* requests that wait for each other */
	char		head[16384];	/* of the last request */
	char		body[SERVER_BODY];
	size_t		body_len;
} ServerSeen;

static ServerSeen *seen;
static int	server_port;

#define SEEN(field) __atomic_load_n(&seen->field, __ATOMIC_SEQ_CST)
#define COUNT(field) __atomic_add_fetch(&seen->field, 1, __ATOMIC_SEQ_CST)

/* An Anthropic message whose text is "hello". */
#define SERVER_ANSWER \
	"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"hello\"}]," \
	"\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}"

#define SERVER_EVENTS_BEGIN \
	"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"model\":\"m\"," \
	"\"content\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":0}}}\n\n" \
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" \
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hel\"}}\n\n"
#define SERVER_EVENTS_END \
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}\n\n" \
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" \
	"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n" \
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
#define SERVER_PING "event: ping\ndata: {\"type\": \"ping\"}\n\n"

static void
server_pause(int ms)
{
	struct timespec pause = {ms / 1000, (long) (ms % 1000) * 1000000};

	nanosleep(&pause, NULL);
}

static bool
server_send(int fd, const char *data, size_t len)
{
	while (len > 0)
	{
		ssize_t		n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t) n;
	}
	return true;
}

__attribute__((format(printf, 2, 3)))
static bool
server_say(int fd, const char *format,...)
{
	char		text[20000];
	va_list		args;
	int			len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return server_send(fd, text, (size_t) len);
}

static bool
server_answer(int fd, const char *status, const char *headers, const char *body)
{
	return server_say(fd, "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n%s\r\n%s", status, strlen(body), headers, body);
}

/* Until the client has had enough. */
static void
server_wait_for_end(int fd)
{
	char		byte;

	while (recv(fd, &byte, 1, 0) > 0)
		;
	COUNT(gone);
}

static void
server_reset(int fd)
{
	struct linger at_once = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* ---- gzip, by hand -------------------------------------------------------- */

static const unsigned char gzip_head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};

/* One stored block. */
static size_t
gzip_stored(const char *text, unsigned char *out)
{
	uint32_t	len = (uint32_t) strlen(text);
	uint32_t	crc = 0xffffffff;
	size_t		at = sizeof(gzip_head);

	memcpy(out, gzip_head, sizeof(gzip_head));
	out[at++] = 1;
	out[at++] = len & 255;
	out[at++] = len >> 8;
	out[at++] = ~len & 255;
	out[at++] = (~len >> 8) & 255;
	memcpy(out + at, text, len);
	at += len;
	for (uint32_t i = 0; i < len; i++)
	{
		crc ^= (unsigned char) text[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	crc = ~crc;
	for (int i = 0; i < 4; i++)
		out[at++] = crc >> (8 * i) & 255;
	for (int i = 0; i < 4; i++)
		out[at++] = len >> (8 * i) & 255;
	return at;
}

/* A fixed-Huffman block of one letter repeated: 13 bits per 258 bytes. */
static size_t
gzip_bomb(unsigned char *out, size_t repeats)
{
	size_t		bit = 8 * sizeof(gzip_head);

	memset(out, 0, sizeof(gzip_head) + repeats * 13 / 8 + 8);
	memcpy(out, gzip_head, sizeof(gzip_head));
#define PUT(value, bits, reversed) \
	for (int i_ = 0; i_ < (bits); i_++, bit++) \
		out[bit / 8] |= (unsigned char) ((((value) >> ((reversed) ? (bits) - 1 - i_ : i_)) & 1) << (bit % 8))
	PUT(1, 1, 0);				/* the last block */
	PUT(1, 2, 0);				/* fixed codes */
	PUT(0x30 + ' ', 8, 1);		/* a blank: what may stand before JSON */
	for (size_t i = 0; i < repeats; i++)
	{
		PUT(0xc5, 8, 1);		/* 258 bytes */
		PUT(0, 5, 1);			/* from one byte before */
	}
	PUT(0, 7, 1);				/* the end */
#undef PUT
	return bit / 8 + 1;
}

/* ---- behaviours ------------------------------------------------------------- */

/* What a header of the request says, "" when it is not there. */
static void
server_header(const char *head, const char *name, char *out, size_t size)
{
	const char *line = strcasestr(head, name);

	*out = '\0';
	if (line == NULL)
		return;
	line += strlen(name);
	line += strspn(line, ": ");
	snprintf(out, size, "%.*s", (int) strcspn(line, "\r\n"), line);
}

static void
server_compressed(int fd, const unsigned char *data, size_t len)
{
	server_say(fd, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: %zu\r\n\r\n", len);
	server_send(fd, (const char *) data, len);
}

/* False: the connection is to be closed. */
static bool
server_behave(int fd, const char *path, const char *head, int nth)
{
	static const char stream_head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
	const char *number = strpbrk(path, "0123456789");
	int			n = number ? atoi(number) : 0;
	char		key[1000];

#define IS(name) (strncmp(path, "/" name, sizeof(name)) == 0 && strchr("-? ", path[sizeof(name)]) != NULL)
	if (IS("ok"))
		return server_answer(fd, "200 OK", "request-id: req_1\r\n", SERVER_ANSWER);
	if (IS("close"))
		return server_answer(fd, "200 OK", "connection: close\r\n", SERVER_ANSWER) && false;
	if (IS("chunked"))
	{
		server_say(fd, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
		for (size_t i = 0; i < strlen(SERVER_ANSWER); i += 7)
			server_say(fd, "%zx\r\n%.7s\r\n", strnlen(&SERVER_ANSWER[i], 7), &SERVER_ANSWER[i]);
		return server_say(fd, "0\r\nretry-after: 7\r\n\r\n");
	}
	if (IS("bytes"))
	{
		char		text[1000];

		snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", strlen(SERVER_ANSWER), SERVER_ANSWER);
		for (const char *c = text; *c; c++)
			server_send(fd, c, 1);
		return true;
	}
	if (IS("wait"))
	{
		server_pause(n);
		return server_answer(fd, "200 OK", "", SERVER_ANSWER);
	}
	if (IS("events"))
		return server_say(fd, "%s" SERVER_EVENTS_BEGIN SERVER_PING SERVER_EVENTS_END, stream_head) && false;
	if (IS("events_cut"))
		return server_say(fd, "%s" SERVER_EVENTS_BEGIN, stream_head) && false;
	if (IS("events_open"))
		server_say(fd, "%s" SERVER_EVENTS_BEGIN SERVER_EVENTS_END, stream_head);
	if (IS("events_silent"))
		server_say(fd, "%s" SERVER_EVENTS_BEGIN, stream_head);
	if (IS("events_open") || IS("events_silent") || IS("hang"))
	{
		server_wait_for_end(fd);
		return false;
	}
	if (IS("pings"))
	{
		server_say(fd, "%s" SERVER_EVENTS_BEGIN, stream_head);
		for (int i = 0; i < n; i++)
		{
			server_pause(100);
			server_say(fd, SERVER_PING);
		}
		return server_say(fd, SERVER_EVENTS_END) && false;
	}
	if (IS("trickle"))
	{
		server_say(fd, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{");
		while (server_send(fd, " ", 1))
			server_pause(100);
		COUNT(gone);
		return false;
	}
	if (IS("half"))
		return server_say(fd, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"id\":") && false;
	if (IS("drop"))
		return false;
	if (IS("reset"))
	{
		server_reset(fd);
		return false;
	}
	if (IS("half_reset"))
	{
		server_say(fd, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{");
		server_pause(50);
		server_reset(fd);
		return false;
	}
	/* The second request of a connection finds it ended, after so many milliseconds. */
	if (IS("stale"))
	{
		if (nth == 1)
			return server_answer(fd, "200 OK", "", SERVER_ANSWER);
		server_pause(n);
		return false;
	}
	if (IS("redirect"))
		return server_answer(fd, "302 Found", "location: http://127.0.0.1:1/ok?secret=1\r\n", "");
	if (IS("huge"))
	{
		static char blanks[65536];

		memset(blanks, ' ', sizeof(blanks));
		server_say(fd, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n");
		for (int i = 0; i < 50 * 16 && server_send(fd, blanks, sizeof(blanks)); i++)
			;
		return false;
	}
	if (IS("gzip"))
	{
		unsigned char data[1000];

		server_compressed(fd, data, gzip_stored(SERVER_ANSWER, data));
		return true;
	}
	if (IS("bomb"))
	{
		unsigned char *data = malloc(1024 * 1024);

		server_compressed(fd, data, gzip_bomb(data, 200000));
		free(data);
		return true;
	}
	if (IS("broken_gzip"))
	{
		server_compressed(fd, (const unsigned char *) "\x1f\x8b no gzip at all", 18);
		return false;
	}
	if (IS("header_flood"))
	{
		server_say(fd, "HTTP/1.1 200 OK\r\n");
		while (server_say(fd, "x-noise: %0500d\r\n", 1))
			;
		COUNT(gone);
		return false;
	}
	if (IS("many_headers"))
	{
		char		lines[10000];
		size_t		len = 0;

		for (int i = 0; i < 200; i++)
			len += (size_t) snprintf(lines + len, sizeof(lines) - len, "x-ratelimit-%d: %d\r\n", i, i);
		return server_answer(fd, "200 OK", lines, SERVER_ANSWER);
	}
	if (IS("headers"))
	{
		static const char interim[] = "HTTP/1.1 100 Continue\r\nretry-after: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nx-should-retry: false\r\n\r\n";

		server_say(fd, "%s", interim);
		return server_answer(fd, "200 OK", "Retry-After:   12  \r\nX-Request-ID: req\001\303\251\r\nAnthropic-RateLimit-Requests-Remaining:9\r\n"
							 "set-cookie: a=b\r\nx-noise: 1\r\nretry-after-later: 5\r\nno colon here\r\n: no name\r\n", SERVER_ANSWER);
	}
	if (IS("long_header"))
	{
		char		line[12000];

		snprintf(line, sizeof(line), "x-request-id: %010000d\r\n", 7);
		return server_answer(fd, "200 OK", line, SERVER_ANSWER);
	}
	if (IS("echo") || IS("echo_text"))
	{
		char		lines[9000],
					body[9000];

		server_header(head, "x-api-key", key, sizeof(key));
		snprintf(lines, sizeof(lines), "x-request-id: %s\r\nrequest-id: a%sb%sc\r\n", key, key, key);
		if (IS("echo_text"))
			snprintf(body, sizeof(body), "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"<%s><%s>\"}],\"stop_reason\":\"end_turn\"}", key, key);
		else
			snprintf(body, sizeof(body), "{\"type\":\"error\",\"error\":{\"type\":\"%.60s\",\"message\":\"bad key %s\"},\"request_id\":\"%s\"}", key, key, key);
		return server_answer(fd, IS("echo_text") ? "200 OK" : "401 Unauthorized", lines, body);
	}
	if (IS("status"))
	{
		char		status[20];

		snprintf(status, sizeof(status), "%d X", n);
		return server_answer(fd, status, "", "{\"type\":\"error\",\"error\":{\"type\":\"some_error\",\"message\":\"words\"}}");
	}
	if (IS("empty"))
		return server_answer(fd, "200 OK", "", "");
	if (IS("no_http"))
		return server_say(fd, "SSH-2.0-OpenSSH\r\n") && false;
	if (IS("gate"))
	{
		int			waiting = COUNT(gate);

		for (int i = 0; waiting < n && i < 20000; i++, waiting = SEEN(gate))
			server_pause(1);
		return server_answer(fd, "200 OK", "", SERVER_ANSWER);
	}
#undef IS
	return server_answer(fd, "404 Not Found", "", "{\"error\":\"no such behaviour\"}");
}

/* Reads until a blank line; the bytes read, of which *head_len are the head.  -1: the client has gone. */
static ssize_t
server_read_head(int fd, char *buffer, size_t size, size_t *head_len)
{
	size_t		len = 0;

	while (len < size - 1)
	{
		ssize_t		n = recv(fd, buffer + len, size - 1 - len, 0);
		char	   *end;

		if (n <= 0)
			return -1;
		len += (size_t) n;
		buffer[len] = '\0';
		/* Somebody who speaks TLS. */
		if (*buffer == 0x16)
		{
			server_say(fd, "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
			return -1;
		}
		if ((end = strstr(buffer, "\r\n\r\n")) != NULL)
		{
			*head_len = (size_t) (end + 4 - buffer);
			return (ssize_t) len;
		}
	}
	return -1;
}

static void *
server_connection(void *arg)
{
	int			fd = (int) (intptr_t) arg;
	int			on = 1;
	char		buffer[16384];

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (int nth = 1;; nth++)
	{
		char		value[100],
					path[2000] = "";
		size_t		head_len,
					expected,
					got;
		ssize_t		len = server_read_head(fd, buffer, sizeof(buffer), &head_len);
		const char *target;

		if (len < 0)
			break;
		target = strchr(buffer, ' ');
		target = target ? target + 1 : buffer;
		/* As a proxy is asked. */
		if (strncmp(target, "http://", 7) == 0)
			target = target + 7 + strcspn(target + 7, "/ ");
		snprintf(path, sizeof(path), "%.*s ", (int) strcspn(target, " \r\n"), target);
		if (strncmp(buffer, "CONNECT ", 8) == 0)
		{
			server_say(fd, "HTTP/1.1 407 Who\r\nproxy-authenticate: Basic realm=\"x\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
			break;
		}
		if (strncmp(path, "/deaf", 5) == 0)
		{
			/* Not a byte more is read. */
			struct pollfd wait = {.fd = fd, .events = POLLRDHUP};

			while (poll(&wait, 1, 1000) == 0)
				;
			COUNT(gone);
			break;
		}
		if (strncmp(path, "/early", 6) == 0)
		{
			server_answer(fd, "401 Unauthorized", "connection: close\r\n", "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"no\"}}");
			shutdown(fd, SHUT_WR);
			server_wait_for_end(fd);
			break;
		}
		server_header(buffer, "content-length", value, sizeof(value));
		expected = (size_t) strtoul(value, NULL, 10);
		memcpy(seen->head, buffer, head_len);
		seen->head[head_len] = '\0';
		got = (size_t) len - head_len;
		memcpy(seen->body, buffer + head_len, got);
		while (got < expected && got < SERVER_BODY)
		{
			ssize_t		n = recv(fd, seen->body + got, SERVER_BODY - got, 0);

			if (n <= 0)
				break;
			got += (size_t) n;
		}
		seen->body_len = got;
		COUNT(requests);
		if (!server_behave(fd, path, seen->head, nth))
			break;
	}
	close(fd);
	return NULL;
}

static void
server_serve(int listener)
{
	pthread_attr_t small;

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 512 * 1024);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	for (;;)
	{
		int			fd = accept(listener, NULL, NULL);
		pthread_t	thread;

		if (fd < 0)
			continue;
		COUNT(connections);
		if (pthread_create(&thread, &small, server_connection, (void *) (intptr_t) fd) != 0)
			close(fd);
	}
}

static int
server_listen(int *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	len = sizeof(address);
	int			fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) != 0 || listen(fd, 1024) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &len) != 0)
	{
		perror("server");
		exit(1);
	}
	*port = ntohs(address.sin_port);
	return fd;
}

/* Once, before any thread; it is ended with the test. */
static pid_t
server_start(void)
{
	int			listener = server_listen(&server_port);
	pid_t		pid;

	seen = mmap(NULL, sizeof(ServerSeen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = seen == MAP_FAILED ? -1 : fork();
	if (pid < 0)
	{
		perror("server");
		exit(1);
	}
	if (pid == 0)
	{
		server_serve(listener);
		_exit(0);
	}
	close(listener);
	return pid;
}
