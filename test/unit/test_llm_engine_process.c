/*
 * test/unit/test_llm_engine_process.c: what the engine does to its process
 * (threads, signals, descriptors, memory), and how it goes out: proxies, TLS.
 */
#define _GNU_SOURCE

#include "llm_client.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Of the sanitizer, where there is one. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* ---- the process ------------------------------------------------------------ */

/* Threads of this process, and of them those that would run handlers of the server. */
static int
threads(int *open_to_signals)
{
	DIR		   *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	int			count = 0;

	*open_to_signals = 0;
	while (tasks != NULL && (entry = readdir(tasks)) != NULL)
	{
		char		path[300],
					line[200];
		unsigned long long blocked = 0;
		int			queued,
					most = 1;
		FILE	   *file;

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", entry->d_name);
		if ((file = fopen(path, "r")) == NULL)
			continue;
		while (fgets(line, sizeof(line), file))
		{
			/* Of a thread that is gone the kernel shows zeros, the limit of queued signals among them. */
			if (sscanf(line, "SigQ: %d/%d", &queued, &most) == 2)
				continue;
			if (most == 0 || sscanf(line, "SigBlk: %llx", &blocked) != 1)
				continue;
			count++;
			if ((blocked >> (SIGTERM - 1) & 1) == 0 || (blocked >> (SIGUSR1 - 1) & 1) == 0 || (blocked >> (SIGALRM - 1) & 1) == 0 || (blocked >> (SIGURG - 1) & 1) == 0)
				++*open_to_signals;
		}
		fclose(file);
	}
	if (tasks != NULL)
		closedir(tasks);
	return count;
}

TEST(names_are_resolved_by_few_threads_that_take_no_signals)
{
	enum {COUNT_ = 100};
	KamEngine  *engine = new_engine(&plain);
	sigset_t	before,
				after;
	int			most = 0,
				open_to_signals = 0;
	int64_t		until = now_ms() + 30000;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	for (int i = 0; i < COUNT_; i++)
		CHECK(start_url(engine, "http://no-such-host.invalid/", &patient, NULL, NULL) != NULL);
	CHECK_INT(kam_engine_in_flight(engine), COUNT_);
	while (kam_engine_in_flight(engine) > 0 && now_ms() < until)
	{
		int			open_now;
		int			now;

		kam_engine_run(engine);
		now = threads(&open_now);
		most = now > most ? now : most;
		open_to_signals += open_now;
		turn(engine, 20);
	}
	for (int i = 0; i < COUNT_; i++)
	{
		KamTransfer *transfer = kam_engine_take(engine);

		CHECK(transfer != NULL);
		CHECK(kam_transfer_result(transfer)->trouble == KAM_TROUBLE_RESOLVE || kam_transfer_result(transfer)->trouble == KAM_TROUBLE_CONNECT,
			  "%d: %s", kam_transfer_result(transfer)->trouble, kam_transfer_result(transfer)->trouble_text);
		kam_transfer_free(transfer);
	}
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	CHECK(sigismember(&before, SIGTERM) == sigismember(&after, SIGTERM) && sigismember(&before, SIGUSR1) == sigismember(&after, SIGUSR1));
	/* Some that are ending may be there beside those that begin. */
	CHECK(most <= 16, "%d threads", most);
	CHECK_INT(open_to_signals, 0);
	if (most == 0)
		printf("skipped: no thread was seen resolving a name\n");
	kam_engine_free(engine);
}

TEST(names_wait_for_each_other_no_longer_than_they_must)
{
	enum {COUNT_ = 50};
	KamEngine  *engine = new_engine(&plain);
	char		url[100];

	/* A name that needs no server: libcurl knows where .localhost is. */
	snprintf(url, sizeof(url), "http://model.localhost:%d/ok", server_port);
	for (int i = 0; i < COUNT_; i++)
		CHECK(start_url(engine, url, &patient, NULL, NULL) != NULL);
	for (int i = 0; i < COUNT_; i++)
	{
		KamTransfer *transfer = take_next(engine);

		CHECK(kam_transfer_result(transfer)->http_status == 200, "%s", kam_transfer_result(transfer)->trouble_text);
		kam_transfer_free(transfer);
	}
	/* Those that wait and are given up make room. */
	for (int i = 0; i < COUNT_; i++)
	{
		snprintf(url, sizeof(url), "http://model%d.localhost:%d/ok", i % 3, server_port);
		start_url(engine, url, &patient, NULL, NULL);
	}
	kam_engine_free(engine);
}

/* In a process of its own, whose limits may be changed: the number of its failures. */
static int
in_child(void (*what) (void))
{
	int			status;
	pid_t		pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
	{
		unit_failures = 0;
		what();
		fflush(stdout);
		_exit(unit_failures);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
check_limit(rlim_t soft, rlim_t hard, int wanted, int want_room, rlim_t want_soft)
{
	struct rlimit limit = {soft, hard};
	KamEngineSettings settings = plain;
	KamEngine  *engine;

	CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
	settings.max_in_flight = wanted;
	engine = new_engine(&settings);
	CHECK_INT(kam_engine_room(engine), want_room);
	getrlimit(RLIMIT_NOFILE, &limit);
	CHECK_INT(limit.rlim_cur, want_soft);
	kam_engine_free(engine);
}

static void
with_limits(void)
{
	check_limit(256, 4096, 500, 500, 1700);
	check_limit(2000, 4096, 500, 500, 2000);
	check_limit(256, 1024, 1000, 824, 1024);
	check_limit(100, 100, 50, 1, 100);
}

static void
without_descriptors(void)
{
	KamEngine  *engine = new_engine(&plain);
	struct rlimit limit;
	KamTransfer *transfer;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (dup(0) >= 0)
		;
	transfer = start(engine, "/ok", &patient);
	CHECK(take_next(engine) == transfer);
	CHECK_INT(kam_transfer_result(transfer)->trouble, KAM_TROUBLE_INTERNAL);
	CHECK(strstr(kam_transfer_result(transfer)->trouble_text, "open files") != NULL, "%s", kam_transfer_result(transfer)->trouble_text);
	CHECK(!kam_transfer_result(transfer)->sent);
	kam_transfer_free(transfer);
	kam_engine_free(engine);
}

TEST(descriptors)
{
	CHECK_INT(in_child(with_limits), 0);
	CHECK_INT(in_child(without_descriptors), 0);
}

TEST(memory_does_not_grow)
{
	static const char *const path[] = {"/ok", "/ok", "/events", "/half", "/status-500", "/echo", "/redirect", "/ok"};
	enum {ROUNDS_ = 1500, WARM = 500};
	KamEngine  *engine = new_engine(&plain);
	size_t		before = 0,
				after;

	if (__sanitizer_get_current_allocated_bytes == NULL)
	{
		printf("skipped: allocations are counted by the sanitizer alone\n");
		kam_engine_free(engine);
		return;
	}
	for (int i = 0; i < ROUNDS_; i++)
	{
		KamTransfer *transfer = start(engine, path[i % KAM_LENGTHOF(path)], &patient);

		CHECK(take_next(engine) == transfer);
		kam_transfer_free(transfer);
		/* One that is broken off before it begins. */
		if (i % 7 == 0)
			kam_transfer_free(start(engine, "/ok", &patient));
		if (i == WARM)
			before = __sanitizer_get_current_allocated_bytes();
	}
	after = __sanitizer_get_current_allocated_bytes();
	CHECK(after < before + 16 * 1024, "%zu bytes, then %zu", before, after);
	kam_engine_free(engine);
}

/* ---- proxies and TLS -------------------------------------------------------------- */

TEST(proxy)
{
	KamEngineSettings settings = plain;
	char		proxy[100];
	char		url[100];
	Ended		ended;

	/* The environment has no say. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	ended = run("/ok", &patient);
	CHECK_INT(ended.result->http_status, 200);
	drop(&ended);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");

	setenv("no_proxy", "*", 1);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", server_port);
	settings.proxy = proxy;
	ended = run_url(&settings, "http://model.test/ok", &patient, NULL);
	CHECK_INT(ended.result->http_status, 200);
	CHECK(strncmp(seen->head, "POST http://model.test/ok ", 26) == 0, "%s", seen->head);
	drop(&ended);
	unsetenv("no_proxy");

	/* This machine is reached without. */
	ended = run_url(&settings, url_of("/ok"), &patient, NULL);
	CHECK(strncmp(seen->head, "POST /ok ", 9) == 0, "%s", seen->head);
	drop(&ended);

	ended = run_url(&settings, "https://model.test/ok", &patient, NULL);
	CHECK(ended.result->trouble == KAM_TROUBLE_PROXY, "%d: %s", ended.result->trouble, ended.result->trouble_text);
	CHECK_INT(ended.result->http_status, 0);
	CHECK(!ended.result->sent);
	drop(&ended);

	settings.proxy = "http://no-such-proxy.invalid:8080";
	ended = run_url(&settings, "http://model.test/ok", &patient, NULL);
	CHECK(ended.result->trouble == KAM_TROUBLE_PROXY || ended.ms > 4900, "%d: %s", ended.result->trouble, ended.result->trouble_text);
	drop(&ended);

	/* Transfers after a reload take the new one. */
	ended.engine = new_engine(&settings);
	settings.proxy = "";
	kam_engine_configure(ended.engine, &settings);
	snprintf(url, sizeof(url), "http://localhost:%d/ok", server_port);
	ended.transfer = start_url(ended.engine, url, &patient, NULL, NULL);
	CHECK(take_next(ended.engine) == ended.transfer);
	CHECK_INT(kam_transfer_result(ended.transfer)->http_status, 200);
	drop(&ended);
}

TEST(tls_to_a_plain_server)
{
	char		url[100];
	Ended		ended;

	snprintf(url, sizeof(url), "https://127.0.0.1:%d/ok", server_port);
	ended = run_url(&plain, url, &patient, "x-api-key: " KEY);
	CHECK(ended.result->trouble == KAM_TROUBLE_TLS, "%d: %s", ended.result->trouble, ended.result->trouble_text);
	CHECK(!ended.result->sent);
	drop(&ended);
}

static char certificates[] = "/tmp/kam-engine-XXXXXX";

/* A certificate of its own making for that name; false when there is no openssl. */
static bool
make_certificate(const char *name, const char *subject)
{
	char		command[600];

	snprintf(command, sizeof(command),
			 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=kam "
			 "-addext subjectAltName=%s -keyout %s/%s.key -out %s/%s.crt >/dev/null 2>&1", subject, certificates, name, certificates, name);
	return system(command) == 0;
}

/* A TLS server that gives every connection the same answer; its port, and its process to be ended. */
static int
tls_server(const char *name, pid_t *pid)
{
	char		key[100],
				certificate[100],
				line[200];
	int			in[2],
				out[2],
				port = 0;
	FILE	   *said;

	snprintf(key, sizeof(key), "%s/%s.key", certificates, name);
	snprintf(certificate, sizeof(certificate), "%s/%s.crt", certificates, name);
	if (pipe(in) != 0 || pipe(out) != 0)
		return 0;
	*pid = fork();
	if (*pid == 0)
	{
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		close(2);
		execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-key", key, "-cert", certificate, (char *) NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	said = fdopen(out[0], "r");
	while (port == 0 && fgets(line, sizeof(line), said))
	{
		if (strncmp(line, "ACCEPT", 6) == 0 && strrchr(line, ':') != NULL)
			port = atoi(strrchr(line, ':') + 1);
	}
	/* What it reads it sends to the client, once there is one. */
	dprintf(in[1], "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %zu\r\n\r\n%s", strlen(SERVER_ANSWER), SERVER_ANSWER);
	fclose(said);
	return port;
}

static void
check_tls(const char *server, const char *trusted, KamTrouble want)
{
	KamEngineSettings settings = plain;
	char		ca_file[100],
				url[100];
	pid_t		pid = 0;
	int			port = tls_server(server, &pid);
	Ended		ended;

	CHECK(port > 0);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/", port);
	snprintf(ca_file, sizeof(ca_file), "%s/%s.crt", certificates, trusted ? trusted : "");
	settings.ca_file = trusted ? ca_file : "";
	ended = run_url(&settings, url, &patient, "x-api-key: " KEY);
	CHECK(ended.result->trouble == want, "%s trusting %s: %d: %s", server, trusted ? trusted : "the system", ended.result->trouble, ended.result->trouble_text);
	CHECK_INT(ended.result->sent, want == KAM_TROUBLE_NONE);
	if (want == KAM_TROUBLE_NONE)
		CHECK_STR(ended.result->answer->text, "hello");
	drop(&ended);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST(certificates_are_verified)
{
	char		command[100];

	if (mkdtemp(certificates) == NULL || !make_certificate("right", "IP:127.0.0.1") || !make_certificate("other", "DNS:elsewhere.example"))
	{
		printf("skipped: openssl makes no certificate\n");
		return;
	}
	check_tls("right", NULL, KAM_TROUBLE_TLS);	/* signed by nobody we know */
	check_tls("right", "other", KAM_TROUBLE_TLS);
	check_tls("other", "other", KAM_TROUBLE_TLS);	/* known, but another's */
	check_tls("right", "missing", KAM_TROUBLE_TLS);
	check_tls("right", "right", KAM_TROUBLE_NONE);
	snprintf(command, sizeof(command), "rm -rf '%s'", certificates);
	CHECK_INT(system(command), 0);
}

int
main(void)
{
	return run_tests();
}
