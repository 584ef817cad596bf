/*
 * test/mock/mock.c: a server that speaks the Anthropic Messages API and OpenAI
 * Chat Completions, answers for all ten agents after a set time, goes wrong on
 * demand and counts exactly.
 *
 * One process, one thread, HTTP/1.1 with keep-alive on 127.0.0.1, some
 * thousand connections.  A request costs a few microseconds beside the kernel's
 * part, so that a benchmark measures its client.  README.md has the paths.
 */
#define _GNU_SOURCE
#include "mock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_HEAD 65536
#define LONGEST_BODY (256u << 20)
#define READ_BYTES 131072

typedef struct Timer
{
	int64_t		due_us;
	uint64_t	serial;
	int			fd;
} Timer;

Options		options;

static int	epoll_fd,
			timer_fd,
			listen_fd;
static uint64_t next_serial = 1;
static Conn **conns;
static size_t nconns;
static Timer *timers;
static size_t ntimers,
			timers_size;
static int64_t timer_set_us;
static FILE *log_file;
static char filler[65536];

static void go_on(Conn *conn);

int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- timers: a heap ---- */

static void
set_timer_fd(void)
{
	int64_t		due = ntimers ? timers[0].due_us : 0;

	if (due != timer_set_us)
	{
		struct itimerspec when = {.it_value = {due / 1000000, due % 1000000 * 1000}};

		timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
		timer_set_us = due;
	}
}

static void
add_timer(Conn *conn, int64_t due_us)
{
	size_t		i = ntimers++;

	if (ntimers > timers_size)
	{
		timers_size = ntimers * 2 + 64;
		timers = realloc(timers, timers_size * sizeof(Timer));
		if (timers == NULL)
			abort();
	}
	for (; i > 0 && timers[(i - 1) / 2].due_us > due_us; i = (i - 1) / 2)
		timers[i] = timers[(i - 1) / 2];
	timers[i] = (Timer) {due_us, conn->serial, conn->fd};
}

static Timer
pop_timer(void)
{
	Timer		first = timers[0],
				last = timers[--ntimers];
	size_t		i = 0;

	for (;;)
	{
		size_t		child = 2 * i + 1;

		if (child >= ntimers)
			break;
		if (child + 1 < ntimers && timers[child + 1].due_us < timers[child].due_us)
			child++;
		if (timers[child].due_us >= last.due_us)
			break;
		timers[i] = timers[child];
		i = child;
	}
	if (ntimers)
		timers[i] = last;
	return first;
}

/* ---- connections ---- */

static void
close_conn(Conn *conn, bool completed)
{
	call_ends(conn, completed);
	if (conn->reset_after)
	{
		struct linger hard = {1, 0};

		setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	}
	close(conn->fd);
	conns[conn->fd] = NULL;
	count.connections--;
	free(conn->in.data);
	free(conn->out.data);
	free(conn->tail.data);
	free(conn);
}

static void
accept_all(void)
{
	int			fd;

	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
	{
		struct epoll_event event = {.events = EPOLLIN};
		Conn	   *conn = calloc(1, sizeof(Conn));
		int			one = 1;

		if (conn == NULL || (size_t) fd >= nconns)
			abort();
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		conn->fd = fd;
		conn->serial = next_serial++;
		conns[fd] = conn;
		event.data.fd = fd;
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
		count.accepted++;
		if (++count.connections > count.most_connections)
			count.most_connections = count.connections;
	}
}

static void
watch_output(Conn *conn, bool on)
{
	struct epoll_event event = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.fd = conn->fd};

	if (conn->watches_output != on)
		epoll_ctl(epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
	conn->watches_output = on;
}

/* Sends as much as goes; false when the connection is gone. */
static bool
push(Conn *conn)
{
	for (;;)
	{
		const char *data;
		size_t		len;
		ssize_t		sent;

		if (conn->sent < conn->out.len)
			data = conn->out.data + conn->sent, len = conn->out.len - conn->sent;
		else if (conn->fill > 0)
			data = filler, len = conn->fill < sizeof(filler) ? conn->fill : sizeof(filler);
		else if (conn->tail_sent < conn->tail.len)
			data = conn->tail.data + conn->tail_sent, len = conn->tail.len - conn->tail_sent;
		else
			break;
		sent = send(conn->fd, data, len, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
		{
			watch_output(conn, true);
			return true;
		}
		if (sent <= 0)
		{
			close_conn(conn, false);
			return false;
		}
		if (conn->sent < conn->out.len)
			conn->sent += sent;
		else if (conn->fill > 0)
			conn->fill -= sent;
		else
			conn->tail_sent += sent;
	}
	watch_output(conn, false);
	if (conn->close_after)
	{
		close_conn(conn, true);
		return false;
	}
	call_ends(conn, true);
	conn->state = READING;
	conn->sent = conn->out.len = conn->tail_sent = conn->tail.len = 0;
	conn->serial = next_serial++;
	return true;
}

void
open_gate(void)
{
	gate_open = true;
	for (size_t fd = 0; fd < nconns; fd++)
		if (conns[fd] != NULL && conns[fd]->gated)
		{
			Conn	   *conn = conns[fd];

			conn->state = WRITING;
			if (push(conn))
				go_on(conn);
		}
}

void
forget_contacts(void)
{
	for (size_t fd = 0; fd < nconns; fd++)
		if (conns[fd] != NULL)
			conns[fd]->contact = NULL;
}

/* ---- requests ---- */

/* When it came, in microseconds of the real time, and what it asked. */
static void
write_log(const Request *request)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(log_file, "%lld %.*s %s %.*s\n", (long long) now.tv_sec * 1000000 + now.tv_nsec / 1000, (int) request->email_len, request->email,
			agent_name(request->agent), (int) request->model_len, request->model);
	fflush(log_file);
}

/* One whole request: counted, and answered now, later, or never. */
static void
handle(Conn *conn, const char *head, size_t head_len, const char *body, size_t body_len)
{
	Request		request = {.head = head, .head_len = head_len, .body = body, .size = body_len};
	const char *path = memchr(head, ' ', head_len),
			   *path_end = path ? memchr(path + 1, ' ', head_len - (path + 1 - head)) : NULL,
			   *why;
	int			status;

	if (path_end == NULL || path[1] != '/')
	{
		conn->close_after = true;
		reply_error(conn, API_ANTHROPIC, 400, NULL, NULL, "no request line", NULL, reply_id());
		return;
	}
	request.path = path + 1;
	request.path_len = path_end - path - 1;
	if (request.path_len > 9 && memcmp(request.path, "/control/", 9) == 0)
	{
		control(conn, request.path + 9, request.path_len - 9);
		return;
	}
	count.bytes_in += body_len;
	if (options.keep_last)
		keep_request(&request);
	if (request.path_len >= 12 && memcmp(request.path, "/redirected/", 12) == 0)
		count.followed++;
	status = request_read(&request, &why);
	if (status != 0)
	{
		count.refused++;
		reply_error(conn, request.api, status, NULL, NULL, why, NULL, reply_id());
		return;
	}
	call_begins(conn, &request);
	if (log_file)
		write_log(&request);
	if (options.bodies)
		keep_body(&request);
	request.tokens = request.size / 4;
	if (options.cache_min >= 0)
		cache_account(&request, now_us() + request.latency_ms * 1000);
	respond(conn, &request);
	if (request.fault.fault == FAULT_GATE && !gate_open)
	{
		conn->state = WAITING;
		conn->gated = true;
		count.gated++;
	}
	else if (conn->state == DRIPPING || (conn->state == WRITING && request.latency_ms > 0))
	{
		if (conn->state == WRITING)
			conn->state = WAITING;
		add_timer(conn, now_us() + request.latency_ms * 1000);
	}
}

/* The next request that has come whole, if any; false when the connection is gone. */
static bool
parse(Conn *conn)
{
	const char *end = memmem(conn->in.data, conn->in.len, "\r\n\r\n", 4);
	const char *value;
	size_t		head_len,
				value_len,
				body_len = 0;

	if (end == NULL)
	{
		if (conn->in.len <= LONGEST_HEAD)
			return true;
		close_conn(conn, false);
		return false;
	}
	head_len = end + 4 - conn->in.data;
	if ((value = header_find(conn->in.data, head_len, "content-length", &value_len)) != NULL)
		body_len = strtoul(value, NULL, 10);
	if (body_len > LONGEST_BODY || header_find(conn->in.data, head_len, "transfer-encoding", &value_len) != NULL)
	{
		conn->close_after = true;
		reply_error(conn, API_ANTHROPIC, 411, NULL, NULL, "a body needs a content-length", NULL, reply_id());
		return push(conn);
	}
	if (conn->in.len - head_len < body_len)
	{
		if (!conn->promised && header_find(conn->in.data, head_len, "expect", &value_len) != NULL)
		{
			conn->promised = true;
			if (send(conn->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) != 25)
			{
				close_conn(conn, false);
				return false;
			}
		}
		return true;
	}
	conn->promised = false;
	handle(conn, conn->in.data, head_len, conn->in.data + head_len, body_len);
	conn->in.len -= head_len + body_len;
	if (conn->in.len != 0)
		memmove(conn->in.data, conn->in.data + head_len + body_len, conn->in.len);
	else
	{
		/* Thousands wait at a time: their requests need not. */
		free(conn->in.data);
		conn->in = (Bytes) {0};
	}
	return conn->state != WRITING || push(conn);
}

/* Takes on what has already come in. */
static void
go_on(Conn *conn)
{
	size_t		before;

	do
	{
		before = conn->in.len;
		if (conn->state != READING || before == 0 || !parse(conn))
			return;
	} while (conn->in.len != before);
}

static void
read_more(Conn *conn)
{
	static char buffer[READ_BYTES];
	ssize_t		got = recv(conn->fd, buffer, sizeof(buffer), 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0 || conn->in.len + got > LONGEST_BODY + LONGEST_HEAD)
	{
		close_conn(conn, false);
		return;
	}
	bytes_add(&conn->in, buffer, got);
	go_on(conn);
}

/* A connection's time has come. */
static void
wake(Conn *conn)
{
	if (conn->state == DRIPPING)
	{
		size_t		len = conn->sent < conn->drip_from ? conn->drip_from - conn->sent : 1;
		ssize_t		sent = send(conn->fd, conn->out.data + conn->sent, len, MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
		{
			close_conn(conn, false);
			return;
		}
		conn->sent += sent > 0 ? sent : 0;
		if (conn->sent < conn->out.len)
		{
			add_timer(conn, now_us() + conn->drip_ms * 1000);
			return;
		}
	}
	conn->state = WRITING;
	if (push(conn))
		go_on(conn);
}

static void
run_timers(void)
{
	uint64_t	times;
	int64_t		now;

	if (read(timer_fd, &times, sizeof(times)) < 0 && errno != EAGAIN)
		abort();
	timer_set_us = 0;
	now = now_us();
	while (ntimers && timers[0].due_us <= now)
	{
		Timer		timer = pop_timer();
		Conn	   *conn = conns[timer.fd];

		if (conn != NULL && conn->serial == timer.serial)
			wake(conn);
	}
}

/* ---- start ---- */

static void
usage(void)
{
	fprintf(stderr, "usage: mock [--port N] [--latency-ms N] [--outputs FILE] [--key-file FILE] [--log FILE] [--bodies FOLDER] [--cache TOKENS] [--keep-last] [--with-parent]\n"
			"Answers for all ten agents on 127.0.0.1; prints its port.  --with-parent: ends when the process that started it does.\n");
	exit(2);
}

static long
number_argument(const char *text, long most)
{
	char	   *end;
	long		value = text ? strtol(text, &end, 10) : -1;

	if (value < 0 || *end != '\0' || value > most)
		usage();
	return value;
}

static void
read_key(const char *file)
{
	FILE	   *from = fopen(file, "r");

	if (from == NULL || fgets(options.key, sizeof(options.key), from) == NULL)
	{
		fprintf(stderr, "mock: no key in %s\n", file);
		exit(1);
	}
	fclose(from);
	options.key[strcspn(options.key, "\r\n")] = '\0';
}

static void
listen_on(long wanted)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(wanted), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t	len = sizeof(address);
	int			one = 1;

	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listen_fd, (struct sockaddr *) &address, sizeof(address)) != 0 || listen(listen_fd, 16384) != 0 ||
		getsockname(listen_fd, (struct sockaddr *) &address, &len) != 0)
	{
		perror("mock: cannot listen");
		exit(1);
	}
	options.port = ntohs(address.sin_port);
}

static void
watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

int
main(int argc, char **argv)
{
	const char *outputs = "test/mock/agent-outputs.json";
	long		wanted = 0;
	struct rlimit files;

	options.cache_min = -1;
	for (int i = 1; i < argc; i++)
	{
		const char *value = argv[i + 1];

		if (strcmp(argv[i], "--keep-last") == 0)
			options.keep_last = true;
		else if (strcmp(argv[i], "--with-parent") == 0)
			prctl(PR_SET_PDEATHSIG, SIGTERM);
		else if (value == NULL)
			usage();
		else if (strcmp(argv[i], "--port") == 0)
			wanted = number_argument(value, 65535), i++;
		else if (strcmp(argv[i], "--latency-ms") == 0)
			options.latency_ms = number_argument(value, 86400000), i++;
		else if (strcmp(argv[i], "--outputs") == 0)
			outputs = value, i++;
		else if (strcmp(argv[i], "--key-file") == 0)
			read_key(value), i++;
		else if (strcmp(argv[i], "--log") == 0)
			log_file = fopen(value, "a"), i++;
		else if (strcmp(argv[i], "--bodies") == 0)
			options.bodies = value, i++;
		else if (strcmp(argv[i], "--cache") == 0)
			options.cache_min = number_argument(value, 1000000), i++;
		else
			usage();
	}
	if (!answers_load(outputs))
		return 1;
	signal(SIGPIPE, SIG_IGN);
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	memset(filler, 'a', sizeof(filler));
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 1048576 ? files.rlim_max : 1048576;
	setrlimit(RLIMIT_NOFILE, &files);
	nconns = files.rlim_cur;
	conns = calloc(nconns, sizeof(Conn *));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	listen_on(wanted);
	watch(listen_fd);
	watch(timer_fd);
	printf("%d\n", options.port);
	fflush(stdout);
	for (;;)
	{
		static struct epoll_event event[512];
		int			n;

		set_timer_fd();
		n = epoll_wait(epoll_fd, event, 512, -1);
		for (int i = 0; i < n; i++)
		{
			int			fd = event[i].data.fd;

			if (fd == listen_fd)
				accept_all();
			else if (fd == timer_fd)
				run_timers();
			else if (conns[fd] != NULL)
			{
				if ((event[i].events & EPOLLOUT) && (!push(conns[fd]) || conns[fd]->state != READING))
					continue;
				if (event[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
					read_more(conns[fd]);
				else
					go_on(conns[fd]);
			}
		}
	}
}
