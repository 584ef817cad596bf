/*
 * net/multi.c: see multi.h.
 *
 * Callbacks (watch_socket, set_timer) store and watch, and do no more: from
 * inside them libcurl must not be called.
 */
#include "net/multi.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* Events taken at once. */
#define EVENTS 128

/* ---- clocks and signals ----------------------------------------------------- */

int64_t
kam_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
kam_wall_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void
kam_signals_hold(sigset_t *before)
{
	static const int fault[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
	sigset_t	held;

	sigfillset(&held);
	for (size_t i = 0; i < sizeof(fault) / sizeof(fault[0]); i++)
		sigdelset(&held, fault[i]);
	pthread_sigmask(SIG_BLOCK, &held, before);
}

void
kam_signals_release(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* ---- once per process ----------------------------------------------------------- */

const char *
kam_net_init(void)
{
	const curl_version_info_data *version;
	struct sigaction pipe_action;
	sigset_t	before;
	CURLcode	code;

	/* TLS libraries write without MSG_NOSIGNAL. */
	if (sigaction(SIGPIPE, NULL, &pipe_action) == 0 && pipe_action.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);

	kam_signals_hold(&before);
	code = curl_global_init(CURL_GLOBAL_DEFAULT);
	version = curl_version_info(CURLVERSION_NOW);
	kam_signals_release(&before);
	if (code != CURLE_OK)
		return curl_easy_strerror(code);
	if (version->version_num < 0x075500)
		return "libcurl is older than 7.85";
	if ((version->features & CURL_VERSION_SSL) == 0)
		return "libcurl was built without TLS";
	if ((version->features & CURL_VERSION_ASYNCHDNS) == 0)
		return "libcurl was built so that it waits for name resolution";
	return NULL;
}

const char *
kam_net_ca_file(const char *named)
{
	const char *of_system = curl_version_info(CURLVERSION_NOW)->cainfo;

	if (named != NULL && *named != '\0')
		return named;
	return of_system != NULL && access(of_system, R_OK) == 0 ? of_system : NULL;
}

/* ---- libcurl's callbacks ------------------------------------------------------------ */

static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	KamMulti   *multi = arg;
	struct epoll_event event = {.data.fd = fd};

	if (what == CURL_POLL_REMOVE)
	{
		/* A socket that is closed already has left by itself. */
		epoll_ctl(multi->epoll, EPOLL_CTL_DEL, fd, &event);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (epoll_ctl(multi->epoll, EPOLL_CTL_MOD, fd, &event) != 0 &&
		(errno != ENOENT || epoll_ctl(multi->epoll, EPOLL_CTL_ADD, fd, &event) != 0))
		multi->lost(easy);
	return 0;
}

static int
set_timer(CURLM *curl, long timeout_ms, void *arg)
{
	KamMulti   *multi = arg;

	multi->due_at = timeout_ms < 0 ? KAM_NEVER : kam_monotonic_us() + (int64_t) timeout_ms * 1000;
	return 0;
}

/* ---- the handle ------------------------------------------------------------------------- */

const char *
kam_multi_open(KamMulti *multi, void (*lost) (CURL *easy))
{
	multi->curl = NULL;
	multi->due_at = KAM_NEVER;
	multi->lost = lost;
	multi->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (multi->epoll < 0)
		return "no descriptor could be made to watch sockets with";
	multi->curl = curl_multi_init();
	if (multi->curl == NULL ||
		curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, watch_socket) != CURLM_OK ||
		curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi) != CURLM_OK ||
		curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, set_timer) != CURLM_OK ||
		curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi) != CURLM_OK ||
		curl_multi_setopt(multi->curl, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX) != CURLM_OK)
		return "libcurl could not be set up";
	return NULL;
}

void
kam_multi_close(KamMulti *multi)
{
	if (multi->curl != NULL)
		curl_multi_cleanup(multi->curl);
	if (multi->epoll >= 0)
		close(multi->epoll);
	multi->curl = NULL;
	multi->epoll = -1;
}

static int
select_bits(uint32_t events)
{
	return (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		(events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
}

/*
 * libcurl tells its timer only when it changes.  One that fired a little early
 * has not changed, and would not come again: it is asked for.
 */
static void
fire_timer(KamMulti *multi)
{
	int			running;
	long		timeout_ms = -1;

	curl_multi_socket_action(multi->curl, CURL_SOCKET_TIMEOUT, 0, &running);
	curl_multi_timeout(multi->curl, &timeout_ms);
	set_timer(multi->curl, timeout_ms, multi);
}

bool
kam_multi_due(const KamMulti *multi)
{
	return multi->due_at <= kam_monotonic_us();
}

bool
kam_multi_step(KamMulti *multi)
{
	struct epoll_event event[EVENTS];
	int			running;
	int			n = epoll_wait(multi->epoll, event, EVENTS, 0);

	for (int i = 0; i < n; i++)
		curl_multi_socket_action(multi->curl, event[i].data.fd, select_bits(event[i].events), &running);
	if (kam_multi_due(multi))
		fire_timer(multi);
	return n == EVENTS;
}
