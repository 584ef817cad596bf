/*
 * bench/runs: the ceiling.  A program of nothing but libcurl's multi interface
 * on epoll that makes the calls kam makes: the same bodies, four agents at
 * once, then one, three, one (now a decision could be saved) and one more, for
 * many contacts at a time.  Reads no answer, keeps none.
 */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#define AGENTS 10
#define STAGES 5
#define SAVED_AFTER 4			/* stages */

static const char *const agent[AGENTS] = {
	"context_relationship_analyzer", "opportunity_detector", "state_analyzer", "timing_strategist", "wave1_evaluator",
	"channel_selector", "content_generator", "sequence_strategist", "synthesis_orchestrator", "decision_evaluator",
};
static const int first_of_stage[STAGES + 1] = {0, 4, 5, 8, 9, 10};

static struct
{
	char	   *data;
	long		size;
}			body[AGENTS];

typedef struct Contact
{
	int			stage,
				left;			/* calls of the stage that are not answered yet */
} Contact;

typedef struct Call
{
	CURL	   *easy;
	Contact    *contact;
	int			agent;
	struct Call *next;
} Call;

static const char *url;
static struct curl_slist *headers;
static CURLM *multi;
static int	epoll_fd;
static double due = -1;		/* when libcurl wants to be called anyway; -1: not */
static Call *idle;				/* calls that have ended, with their handles */
static Call *queue,
		  **queue_end = &queue;
static int	in_flight,
			limit,
			most;
static long calls,
			errors;
static int	saved,
			ended;
static double saved_at;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static size_t
discard(char *data, size_t size, size_t n, void *arg)
{
	return size * n;
}

static int
socket_changed(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct epoll_event event = {.data.fd = fd};

	if (what == CURL_POLL_REMOVE)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else
	{
		event.events = ((what & CURL_POLL_IN) ? EPOLLIN : 0) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0);
		if (epoll_ctl(epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
			epoll_ctl(epoll_fd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
		curl_multi_assign(multi, fd, &epoll_fd);
	}
	return 0;
}

static int
timer_changed(CURLM *m, long ms, void *arg)
{
	due = ms < 0 ? -1 : now() + ms / 1000.0;
	return 0;
}

static Call *
new_call(void)
{
	Call	   *call = idle;

	if (call != NULL)
	{
		idle = call->next;
		return call;
	}
	call = calloc(1, sizeof(Call));
	call->easy = curl_easy_init();
	curl_easy_setopt(call->easy, CURLOPT_URL, url);
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(call->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(call->easy, CURLOPT_BUFFERSIZE, 16384L);
	curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
	return call;
}

static void
send_queued(void)
{
	while (queue != NULL && in_flight < limit)
	{
		Call	   *call = queue;

		queue = call->next;
		if (queue == NULL)
			queue_end = &queue;
		curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, body[call->agent].data);
		curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE, body[call->agent].size);
		curl_multi_add_handle(multi, call->easy);
		if (++in_flight > most)
			most = in_flight;
		calls++;
	}
}

static void
start_stage(Contact *contact)
{
	contact->left = first_of_stage[contact->stage + 1] - first_of_stage[contact->stage];
	for (int i = first_of_stage[contact->stage]; i < first_of_stage[contact->stage + 1]; i++)
	{
		Call	   *call = new_call();

		call->contact = contact;
		call->agent = i;
		call->next = NULL;
		*queue_end = call;
		queue_end = &call->next;
	}
}

static void
take_ended(void)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		CURL	   *easy = message->easy_handle;
		bool		good = message->data.result == CURLE_OK;
		Call	   *call;
		long		status = 0;

		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &call);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		errors += !good || status != 200;
		curl_multi_remove_handle(multi, easy);
		in_flight--;
		call->next = idle;
		idle = call;
		if (--call->contact->left > 0)
			continue;
		if (++call->contact->stage == SAVED_AFTER)
		{
			saved++;
			saved_at = now();
		}
		if (call->contact->stage == STAGES)
			ended++;
		else
			start_stage(call->contact);
	}
	send_queued();
}

static void
read_bodies(const char *folder)
{
	for (int i = 0; i < AGENTS; i++)
	{
		char		name[4096];
		FILE	   *file;

		snprintf(name, sizeof(name), "%s/%s", folder, agent[i]);
		file = fopen(name, "rb");
		if (file == NULL)
		{
			perror(name);
			exit(1);
		}
		fseek(file, 0, SEEK_END);
		body[i].size = ftell(file);
		rewind(file);
		body[i].data = malloc(body[i].size + 1);
		if (fread(body[i].data, 1, body[i].size, file) != (size_t) body[i].size)
			exit(1);
		fclose(file);
	}
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	struct rusage usage;
	Contact    *contact;
	int			contacts,
				running;
	double		started;

	if (argc != 5)
	{
		fprintf(stderr, "usage: bare url bodies contacts most-in-flight\n");
		return 2;
	}
	url = argv[1];
	read_bodies(argv[2]);
	contacts = atoi(argv[3]);
	limit = atoi(argv[4]);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	headers = curl_slist_append(NULL, "content-type: application/json");
	headers = curl_slist_append(headers, "anthropic-version: 2023-06-01");
	headers = curl_slist_append(headers, "x-api-key: bare");
	headers = curl_slist_append(headers, "expect:");
	multi = curl_multi_init();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer_changed);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) limit);
	contact = calloc(contacts, sizeof(Contact));
	started = now();
	for (int i = 0; i < contacts; i++)
		start_stage(&contact[i]);
	send_queued();
	while (ended < contacts)
	{
		struct epoll_event event[256];
		double		left = due < 0 ? 1 : due - now();
		int			n = epoll_wait(epoll_fd, event, 256, left <= 0 ? 0 : (int) (left * 1000) + 1);

		if (due >= 0 && now() >= due)
		{
			due = -1;
			curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
		}
		for (int i = 0; i < n; i++)
			curl_multi_socket_action(multi, event[i].data.fd, ((event[i].events & EPOLLIN) ? CURL_CSELECT_IN : 0) |
									 ((event[i].events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) | ((event[i].events & (EPOLLERR | EPOLLHUP)) ? CURL_CSELECT_ERR : 0), &running);
		take_ended();
	}
	getrusage(RUSAGE_SELF, &usage);
	/* seconds until all could be saved, until all ended; calls, errors, most in flight; seconds of CPU; peak kB */
	printf("%.4f %.4f %ld %ld %d %.3f %ld\n", saved_at - started, now() - started, calls, errors, most,
		   usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6 + usage.ru_stime.tv_sec + usage.ru_stime.tv_usec / 1e6, usage.ru_maxrss);
	return 0;
}
