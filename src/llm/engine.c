/*
 * llm/engine.c: the lists of transfers and their deadlines, on a multi handle
 * (net/multi.c).
 *
 * A worker's process runs it, on one thread, between waits of its own.  Nothing
 * here waits, raises or calls the server.  Signals are held back around every call into libcurl, so that the threads it
 * starts for name resolution inherit a full mask.
 *
 * Not all that is started is handed to libcurl at once (origin.c): the rest
 * waits here, for as long as it may take to connect.
 */
#include "llm/transfer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "net/secret.h"

/* Descriptors that are not ours: what is left to the server's files, and what we ask for on top of it. */
#define SPARE_FILES 200
#define WISHED_FILES 1200
/* How often events are taken before the caller has its say again. */
#define ROUNDS 64
#define OVERDUE_US (5 * 1000 * 1000)

/* ---- lists ------------------------------------------------------------------------ */

static void
unlink_transfer(KamTransfer *transfer)
{
	KamTransferList *list = transfer->list;

	if (list == NULL)
		return;
	*(transfer->prev ? &transfer->prev->next : &list->first) = transfer->next;
	*(transfer->next ? &transfer->next->prev : &list->last) = transfer->prev;
	transfer->list = NULL;
	transfer->prev = transfer->next = NULL;
}

static void
append_transfer(KamTransferList *list, KamTransfer *transfer)
{
	unlink_transfer(transfer);
	transfer->list = list;
	transfer->prev = list->last;
	*(list->last ? &list->last->next : &list->first) = transfer;
	list->last = transfer;
}

static void
check_not_after(KamEngine *engine, int64_t when)
{
	if (when < engine->check_at)
		engine->check_at = when;
}

/* A socket that cannot be watched would never be heard of again: its transfer is broken off at the next run. */
static void
abandon_socket(CURL *easy)
{
	KamTransfer *transfer = NULL;

	if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer) != CURLE_OK || transfer == NULL)
		return;
	transfer->refused = KAM_TROUBLE_INTERNAL;
	transfer->refused_text = "the socket could not be watched";
	transfer->engine->check_at = 0;
}

/* ---- settings ------------------------------------------------------------------------- */

/* How many transfers find a descriptor each, after the limit was raised as far as it goes. */
static int
make_room(int wanted)
{
	struct rlimit limit;
	rlim_t		wish = (rlim_t) wanted + WISHED_FILES;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return wanted;
	if (limit.rlim_cur < wish)
	{
		struct rlimit raised = limit;

		raised.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > wish ? wish : limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			limit = raised;
	}
	if (limit.rlim_cur < SPARE_FILES + 1)
		return 1;
	return limit.rlim_cur - SPARE_FILES < (rlim_t) wanted ? (int) (limit.rlim_cur - SPARE_FILES) : wanted;
}

/* False when something could not be taken up; it stays as it was. */
static bool
apply_settings(KamEngine *engine, const KamEngineSettings *settings)
{
	bool		ok = kam_secret_replace(&engine->ca_file, kam_net_ca_file(settings->ca_file)) && kam_secret_replace(&engine->proxy, settings->proxy);
	sigset_t	before;

	engine->inflates = (curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_LIBZ) != 0;
	engine->max_body = settings->max_body;
	engine->room = make_room(settings->max_in_flight > 0 ? settings->max_in_flight : 1);
	kam_signals_hold(&before);
	/* Those not in use are kept for the next, up to as many as may be in use. */
	ok = ok && curl_multi_setopt(engine->multi.curl, CURLMOPT_MAXCONNECTS, (long) engine->room) == CURLM_OK;
	kam_signals_release(&before);
	return ok;
}

void
kam_engine_configure(KamEngine *engine, const KamEngineSettings *settings)
{
	(void) apply_settings(engine, settings);
}

KamEngine *
kam_engine_new(const KamEngineSettings *settings, const char **why)
{
	KamEngine  *engine = calloc(1, sizeof(KamEngine));
	const char *fault;
	sigset_t	before;

	*why = "out of memory";
	if (engine == NULL)
		return NULL;
	engine->check_at = KAM_NEVER;
	kam_signals_hold(&before);
	fault = kam_multi_open(&engine->multi, abandon_socket);
	kam_signals_release(&before);
	if (fault != NULL)
		*why = fault;
	else if (apply_settings(engine, settings))
		return engine;
	kam_engine_free(engine);
	return NULL;
}

/* ---- the ends of transfers ------------------------------------------------------------------ */

/* Out of libcurl's and the origin's hands, whatever its state was.  Its easy handle is still there. */
static void
detach(KamTransfer *transfer)
{
	KamEngine  *engine = transfer->engine;

	if (transfer->state == KAM_TRANSFER_RUNNING)
		curl_multi_remove_handle(engine->multi.curl, transfer->easy);
	if (transfer->counted)
	{
		transfer->origin->connecting--;
		/* Another may take its place. */
		if (engine->waiting.first != NULL)
			engine->check_at = 0;
	}
	transfer->counted = false;
	if (transfer->origin->sample == transfer)
		transfer->origin->sample = NULL;
	transfer->origin->users--;
	engine->in_flight--;
}

static void
end_transfer(KamTransfer *transfer, KamTrouble trouble, CURLcode code, const char *words)
{
	KamEngine  *engine = transfer->engine;

	detach(transfer);
	kam_transfer_conclude(transfer, trouble, code, words);
	curl_easy_cleanup(transfer->easy);
	transfer->easy = NULL;
	transfer->state = KAM_TRANSFER_ENDED;
	append_transfer(&engine->ended, transfer);
}

static void
collect_ended(KamEngine *engine)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(engine->multi.curl, &left)) != NULL)
	{
		KamTransfer *transfer = NULL;
		CURLcode	code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		end_transfer(transfer, kam_transfer_trouble(transfer, code), code, NULL);
	}
}

/* libcurl ends what takes longer than timeout_s.  Should it ever fail to, nobody waits for ever. */
static int64_t
overdue_at(const KamTransfer *transfer)
{
	return transfer->begun_at + transfer->timeout_us + OVERDUE_US;
}

/* Ends what has been silent for too long or could not be begun in time, and finds the next time to look. */
static void
check_deadlines(KamEngine *engine, int64_t now)
{
	KamTransfer *next;

	if (now < engine->check_at)
		return;
	engine->check_at = KAM_NEVER;
	for (KamTransfer *transfer = engine->running.first; transfer; transfer = next)
	{
		int64_t		stalls_at = kam_transfer_stalls_at(transfer);

		next = transfer->next;
		if (transfer->refused != KAM_TROUBLE_NONE)
			end_transfer(transfer, transfer->refused, CURLE_ABORTED_BY_CALLBACK, NULL);
		else if (now >= stalls_at)
			end_transfer(transfer, KAM_TROUBLE_STALL, CURLE_OPERATION_TIMEDOUT,
						 transfer->begun ? "too little came for too long" : "nothing came or went for too long");
		else if (now >= overdue_at(transfer))
			end_transfer(transfer, KAM_TROUBLE_TIMEOUT, CURLE_OPERATION_TIMEDOUT, NULL);
		else
			check_not_after(engine, stalls_at < overdue_at(transfer) ? stalls_at : overdue_at(transfer));
	}
	for (KamTransfer *transfer = engine->waiting.first; transfer; transfer = next)
	{
		int64_t		until = transfer->begun_at + transfer->connect_us;

		next = transfer->next;
		if (now >= until)
			end_transfer(transfer, KAM_TROUBLE_CONNECT, CURLE_OPERATION_TIMEDOUT, "no connection in time: others to the same host are still being made");
		else
			check_not_after(engine, until);
	}
}

/* ---- the beginnings ---------------------------------------------------------------------------- */

/* Hands a transfer to libcurl, with the time that is left to it. */
static bool
hand_over(KamTransfer *transfer, int64_t now)
{
	KamEngine  *engine = transfer->engine;
	int64_t		spent = now - transfer->begun_at;
	int64_t		connect_ms = (transfer->connect_us - spent) / 1000;
	int64_t		timeout_ms = (transfer->timeout_us - spent) / 1000;

	/* 0 would be libcurl's own default. */
	if (curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, (long) (connect_ms > 0 ? connect_ms : 1)) != CURLE_OK ||
		curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long) (timeout_ms > 0 ? timeout_ms : 1)) != CURLE_OK ||
		curl_multi_add_handle(engine->multi.curl, transfer->easy) != CURLM_OK)
		return false;
	transfer->state = KAM_TRANSFER_RUNNING;
	transfer->origin->connecting++;
	transfer->counted = true;
	append_transfer(&engine->running, transfer);
	check_not_after(engine, overdue_at(transfer));
	return true;
}

/* Those that waited go on when an address is known or another's attempt has ended. */
static bool
release_waiting(KamEngine *engine, int64_t now)
{
	bool		any = false;
	KamTransfer *next;

	for (KamTransfer *transfer = engine->waiting.first; transfer; transfer = next)
	{
		next = transfer->next;
		if (kam_origin_full(transfer->origin, now))
			continue;
		any = true;
		if (!hand_over(transfer, now))
			end_transfer(transfer, KAM_TROUBLE_INTERNAL, CURLE_OUT_OF_MEMORY, NULL);
	}
	return any;
}

/* Everything of a transfer but its beginning; NULL with *why. */
static KamTransfer *
new_transfer(KamEngine *engine, const KamRequest *request, KamApi api, const KamDialect *dialect, const char *auth, const char **why)
{
	KamTransfer *transfer = calloc(1, sizeof(KamTransfer));

	*why = "out of memory";
	if (transfer == NULL)
		return NULL;
	transfer->engine = engine;
	transfer->origin = kam_origin_of(engine, request->url);
	transfer->easy = curl_easy_init();
	if (transfer->origin != NULL && transfer->easy != NULL &&
		kam_transfer_prepare(transfer, request, api, dialect, auth, why))
		return transfer;
	if (transfer->easy != NULL)
		curl_easy_cleanup(transfer->easy);
	kam_transfer_destroy(transfer);
	return NULL;
}

static KamTransfer *
start(KamEngine *engine, const KamRequest *request, KamApi api, const KamDialect *dialect, const char *auth, const char **why)
{
	KamTransfer *transfer = new_transfer(engine, request, api, dialect, auth, why);
	int64_t		now = kam_monotonic_us();

	if (transfer == NULL)
		return NULL;
	if (kam_origin_full(transfer->origin, now))
	{
		append_transfer(&engine->waiting, transfer);
		check_not_after(engine, transfer->begun_at + transfer->connect_us);
	}
	else if (!hand_over(transfer, now))
	{
		*why = "libcurl does not take the transfer";
		curl_easy_cleanup(transfer->easy);
		kam_transfer_destroy(transfer);
		return NULL;
	}
	transfer->origin->users++;
	engine->in_flight++;
	return transfer;
}

KamTransfer *
kam_engine_start(KamEngine *engine, const KamRequest *request, KamApi api, const KamDialect *dialect,
				 const char *auth, void *owner, const char **why)
{
	KamTransfer *transfer;
	sigset_t	before;

	*why = NULL;
	if (!kam_engine_has_room(engine))
	{
		*why = "as many calls are under way as there may be";
		return NULL;
	}
	kam_signals_hold(&before);
	transfer = start(engine, request, api, dialect, auth, why);
	kam_signals_release(&before);
	if (transfer != NULL)
	{
		transfer->owner = owner;
		*why = NULL;
	}
	return transfer;
}

/* ---- the middle ------------------------------------------------------------------------------------ */

/* True when there may be more to do at once. */
static bool
run_once(KamEngine *engine)
{
	bool		more = kam_multi_step(&engine->multi);

	collect_ended(engine);
	check_deadlines(engine, kam_monotonic_us());
	if (engine->waiting.first != NULL)
		more = release_waiting(engine, kam_monotonic_us()) || more;
	return more || kam_multi_due(&engine->multi);
}

void
kam_engine_run(KamEngine *engine)
{
	sigset_t	before;

	kam_signals_hold(&before);
	for (int i = 0; run_once(engine); i++)
	{
		if (i < ROUNDS)
			continue;
		/* The rest at the next call, which is due at once. */
		engine->check_at = 0;
		break;
	}
	kam_signals_release(&before);
}

int
kam_engine_fd(const KamEngine *engine)
{
	return engine->multi.epoll;
}

long
kam_engine_wait_ms(const KamEngine *engine)
{
	int64_t		at = engine->multi.due_at < engine->check_at ? engine->multi.due_at : engine->check_at;
	int64_t		left;

	if (engine->ended.first != NULL)
		return 0;
	if (at == KAM_NEVER)
		return -1;
	left = at - kam_monotonic_us();
	return left <= 0 ? 0 : left > (int64_t) INT_MAX * 1000 ? INT_MAX : (long) ((left + 999) / 1000);
}

int
kam_engine_in_flight(const KamEngine *engine)
{
	return engine->in_flight;
}

int
kam_engine_room(const KamEngine *engine)
{
	return engine->room;
}

bool
kam_engine_has_room(const KamEngine *engine)
{
	return engine->in_flight < engine->room;
}

KamTransfer *
kam_engine_take(KamEngine *engine)
{
	KamTransfer *transfer = engine->ended.first;

	if (transfer != NULL)
		unlink_transfer(transfer);
	return transfer;
}

/* ---- the end --------------------------------------------------------------------------------------- */

void *
kam_transfer_owner(const KamTransfer *transfer)
{
	return transfer->owner;
}

bool
kam_transfer_has_begun(const KamTransfer *transfer)
{
	return transfer->result.first_byte_us > 0;
}

const KamResult *
kam_transfer_result(const KamTransfer *transfer)
{
	return &transfer->result;
}

static void
free_transfer(KamTransfer *transfer)
{
	if (transfer->state != KAM_TRANSFER_ENDED)
	{
		detach(transfer);
		curl_easy_cleanup(transfer->easy);
	}
	unlink_transfer(transfer);
	kam_transfer_destroy(transfer);
}

void
kam_transfer_free(KamTransfer *transfer)
{
	sigset_t	before;

	if (transfer == NULL)
		return;
	kam_signals_hold(&before);
	free_transfer(transfer);
	kam_signals_release(&before);
}

static void
free_list(KamTransferList *list)
{
	while (list->first != NULL)
		free_transfer(list->first);
}

void
kam_engine_free(KamEngine *engine)
{
	sigset_t	before;

	if (engine == NULL)
		return;
	kam_signals_hold(&before);
	free_list(&engine->waiting);
	free_list(&engine->running);
	free_list(&engine->ended);
	kam_multi_close(&engine->multi);
	kam_signals_release(&before);

	kam_origins_free(engine);
	free(engine->ca_file);
	free(engine->proxy);
	free(engine);
}
