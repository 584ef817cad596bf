/*
 * kam.c: _PG_init and the settings.
 *
 * Runs in the postmaster when kam is preloaded, else in the backend that first
 * calls a function of it.  It must never raise: without preload everything but
 * the worker works.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "kam.h"
#include "pg/clock.h"
#include "pg/zones.h"
#include "worker/worker.h"
/* after the server's headers */
#include "pg/memory.h"

KAM_MODULE_MAGIC("kam", KAM_VERSION);

PGDLLEXPORT void _PG_init(void);

char	   *kam_databases;
bool		kam_schedules;
bool		kam_paused;
bool		kam_auto_suppress;
bool		kam_outreach;
char	   *kam_clock;
char	   *kam_default_timezone;
int			kam_workers;
int			kam_lease;
int			kam_poll_interval;
int			kam_launch_backoff;
int			kam_max_attempts;
int			kam_retain_runs;
int			kam_retain_calls;
int			kam_retain_events;
int			kam_retain_notifications;
int			kam_touch_cap;
int			kam_touch_window;
int			kam_hold_expiry;
int			kam_account_daily_cap;
int			kam_rep_daily_limit;
char	   *kam_sequence_window;
char	   *kam_key_directory;
int			kam_cache_warm;
int			kam_max_in_flight;
char	   *kam_ca_file;
char	   *kam_proxy;

typedef struct BoolSetting
{
	const char *name,
			   *summary,
			   *detail;
	bool	   *value;
	bool		preset;
	GucContext	context;
} BoolSetting;

typedef struct IntSetting
{
	const char *name,
			   *summary,
			   *detail;
	int		   *value;
	int			preset,
				least,
				most;
	GucContext	context;
	int			flags;
} IntSetting;

typedef struct StringSetting
{
	const char *name,
			   *summary,
			   *detail;
	char	  **value;
	const char *preset;
	GucContext	context;
	int			flags;
	GucStringCheckHook check;
	GucStringAssignHook assign;
} StringSetting;

/* ---- what settings refuse -------------------------------------------------- */

/* A relative path would mean another file per process. */
static bool
check_path(char **newval, void **extra, GucSource source)
{
	if (*newval == NULL || **newval == '\0' || is_absolute_path(*newval))
		return true;
	GUC_check_errdetail("It takes an absolute path.");
	GUC_check_errhint("For example \"/etc/kam\"; empty for none.");
	return false;
}

/* A password here would show in pg_settings, in the log of ALTER SYSTEM and in postgresql.auto.conf. */
static bool
check_proxy(char **newval, void **extra, GucSource source)
{
	static const char *const scheme[] = {"http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://"};
	static const char *const allowed = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._:[]/";
	const char *host = NULL;

	if (*newval == NULL || **newval == '\0')
		return true;
	for (int i = 0; i < lengthof(scheme); i++)
	{
		if (pg_strncasecmp(*newval, scheme[i], strlen(scheme[i])) == 0)
			host = *newval + strlen(scheme[i]);
	}
	if (host != NULL && strchr(host, '@') != NULL)
	{
		/* The server's own message would show it. */
		GUC_check_errmsg("invalid value for parameter \"kam.proxy\"");
		GUC_check_errdetail("It must not hold a user or a password.");
		GUC_check_errhint("Put user:password into the file \"proxy\" of kam.key_directory.");
		return false;
	}
	if (host == NULL || *host == '\0' || *host == ':' || *host == '/' || strspn(host, allowed) != strlen(host))
	{
		GUC_check_errdetail("It takes an address with a scheme: http, https, socks4, socks4a, socks5 or socks5h.");
		GUC_check_errhint("For example \"http://proxy.example:3128\"; empty for none.");
		return false;
	}
	return true;
}

/* Minutes of "HH:MM" up to 24:00, -1 for what is none. */
static int
minutes_of(const char *text)
{
	int			hour,
				minute;

	for (int i = 0; i < 5; i++)
		if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
			return -1;
	hour = (text[0] - '0') * 10 + text[1] - '0';
	minute = (text[3] - '0') * 10 + text[4] - '0';
	return minute < 60 && hour * 60 + minute <= 24 * 60 ? hour * 60 + minute : -1;
}

static bool
check_window(char **value, void **extra, GucSource source)
{
	if (strlen(*value) == strlen("HH:MM-HH:MM") && (*value)[5] == '-' && minutes_of(*value) >= 0 && minutes_of(*value + 6) > minutes_of(*value))
		return true;
	GUC_check_errdetail("It takes two times of one day, the earlier first.");
	GUC_check_errhint("For example \"09:00-18:00\"; \"00:00-24:00\" is all day.");
	return false;
}

/* ---- the settings ---------------------------------------------------------- */

static const BoolSetting bool_setting[] = {
	{"kam.schedules", "Whether the worker runs again by itself what has become due.",
		"Off, a wait does not run again at its time, what is held is not released and no flag is raised (kam_tick() does both); requested runs still do. Reload is enough.",
	&kam_schedules, true, PGC_SIGHUP},
	{"kam.paused", "The kill switch: nothing is called, decided, released or sent; everything is kept.",
		"Runs queue up and are worked off when it is switched off again; touches are still judged as they are asked for. Reload is enough.",
	&kam_paused, false, PGC_SIGHUP},
	{"kam.auto_suppress", "Whether an opt-out found in a contact's words suppresses the contact's address.",
		"Off, the decision still is no_action, but nothing is written to Suppression. Reload is enough.",
	&kam_auto_suppress, true, PGC_SIGHUP},
	{"kam.outreach", "Whether anybody is contacted.",
		"Off, no step is executed, no held touch is released, and touches that are asked for are held (transactional ones are not); facts are recorded, holds still expire, and messages in the outbox that kam delivers stay there (transactional ones leave). On again, what waits goes its way at once. Reload is enough.",
	&kam_outreach, true, PGC_SIGHUP},
};

static const IntSetting int_setting[] = {
	{"kam.workers", "Workers per database.",
		"Several drain one queue together. Reload is enough.",
	&kam_workers, 1, 1, 16, PGC_SIGHUP, 0},
	{"kam.lease", "How long a worker owns a run without renewing its lease.",
		"After a crash its runs are taken over this much later at most.",
	&kam_lease, 60, 5, 3600, PGC_SIGHUP, GUC_UNIT_S},
	{"kam.poll_interval", "How often a worker looks for work that nobody woke it for.",
		"Commits wake it at once; this finds what a crash or a prepared transaction left.",
	&kam_poll_interval, 5000, 10, 3600000, PGC_SIGHUP, GUC_UNIT_MS},
	{"kam.launch_backoff", "First pause before a worker that died is started again.",
		"It doubles with every further death, up to a minute, and starts over once a worker has lived for one.",
	&kam_launch_backoff, 1, 1, 60, PGC_SIGHUP, GUC_UNIT_S},
	{"kam.max_attempts", "How often a run is taken up before it fails.",
		"A run that takes its worker down with it must not do so for ever.",
	&kam_max_attempts, 5, 1, 100, PGC_SIGHUP, 0},
	{"kam.retain_runs", "How long finished runs are kept, with all their rows.",
		"0 keeps them for ever. A decision goes with its run; runs whose decision a person validated are kept.",
	&kam_retain_runs, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN},
	{"kam.retain_calls", "How long the answers to calls of decided runs are kept.",
		"0 keeps them for ever. Older ones are emptied: what was answered goes, agent_call keeps who was asked, when, tokens and cost; the decision is kam.retain_runs' business. Provider replay knows no emptied answer. Runs that failed or were cancelled keep theirs: kam_retry goes on from them. Reload is enough.",
	&kam_retain_calls, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN},
	{"kam.retain_events", "How long rows of CadenceEventLog are kept, with what they left in CadenceQueue, and closed flags.",
		"0 keeps them for ever; no less than kam.touch_window and two days. What the gates or people still need is kept beyond it (docs/operations.md), cadence_intelligence stays as it is; idempotency keys go with their rows. Reload is enough.",
	&kam_retain_events, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN},
	{"kam.retain_notifications", "How long notifications are kept that were sent, given up or acknowledged, or that nobody fetched.",
		"0 keeps them for ever. What is still to be delivered to an endpoint is kept, however old. Reload is enough.",
	&kam_retain_notifications, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN},
	{"kam.touch_cap", "How many touches a lead may get within kam.touch_window.",
		"Over all channels and agents; transactional touches do not count. -1: no cap, 0: none allowed. Reload is enough; the schedules judge what is held again.",
	&kam_touch_cap, 3, -1, 1000, PGC_SIGHUP, 0},
	{"kam.touch_window", "How long a touch counts toward kam.touch_cap.",
		"A rolling window, to the microsecond, independent of time zones: 168 hours are seven days also when the clocks change. Reload is enough.",
	&kam_touch_window, 168 * 3600, 1, INT_MAX, PGC_SIGHUP, GUC_UNIT_S},
	{"kam.hold_expiry", "How long a held or deferred request waits before it is given up.",
		"Earlier when its sequence ends before. Reload is enough.",
	&kam_hold_expiry, 14 * 24 * 60, 1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN},
	{"kam.account_daily_cap", "From how many touches of an account's leads in a day its steps wait for the next day.",
		"Executed touches of all its leads count, transactional ones do not; the day is that of the rep who owns the account. Only steps that run by themselves wait. 0: no cap. Reload is enough.",
	&kam_account_daily_cap, 0, 0, 1000000, PGC_SIGHUP, 0},
	{"kam.rep_daily_limit", "From how many touches of a rep's leads in a day their steps wait for the next day.",
		"As kam.account_daily_cap, in the rep's day; Reps.daily_limit says otherwise for one rep. 0: no limit. Reload is enough.",
	&kam_rep_daily_limit, 0, 0, 1000000, PGC_SIGHUP, 0},
	{"kam.cache_warm", "From how many tokens of shared prompt on one call of a wave goes first, so that the others find it in the provider's cache.",
		"They are sent at the first byte of its answer: cheaper input for large contacts, and later by that much. 0: never. Reload is enough.",
	&kam_cache_warm, 0, 0, 10000000, PGC_SIGHUP, 0},
	{"kam.max_in_flight", "How many calls to providers one worker has under way at once.",
		"Each is a stream of one connection, or a connection of its own where the server does not speak HTTP/2. Reload is enough.",
	&kam_max_in_flight, 4096, 1, 65536, PGC_SIGHUP, 0},
};

static const StringSetting string_setting[] = {
	{"kam.databases", "Databases that have workers, separated by commas.",
		"Reload starts and stops them. Empty: none; see also kam_worker_start().",
	&kam_databases, "", PGC_SIGHUP, GUC_LIST_INPUT, NULL, NULL},
	{"kam.clock", "The present, for tests and back-tests: ISO 8601, UTC unless it says otherwise.",
		"Empty is the real time.",
	&kam_clock, "", PGC_SUSET, 0, kam_clock_check, kam_clock_assign},
	{"kam.default_timezone", "Time zone of contacts that do not say theirs.",
		"Office hours and dates without a zone are read in it. The worker uses the server's or the database's value.",
	&kam_default_timezone, "Europe/Paris", PGC_USERSET, 0, kam_zone_check, NULL},
	{"kam.send_window", "When steps run by themselves: from a time until before another, on working days.",
		"In the recipient's time zone, Monday to Friday but the rows of holiday. Reload is enough.",
	&kam_sequence_window, "09:00-18:00", PGC_SIGHUP, 0, check_window, NULL},
	{"kam.key_directory", "Directory with one file per provider that holds its key.",
		"The file has the provider's name, belongs to the server's user and is readable by nobody else. Empty: keys come from the server's environment alone (ANTHROPIC_API_KEY). Reload reads keys again.",
	&kam_key_directory, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, check_path, NULL},
	{"kam.ca_file", "File with the certificates (PEM) that providers' servers are verified against.",
		"Empty: the system's. Verification cannot be switched off. Reload is enough.",
	&kam_ca_file, "", PGC_SIGHUP, 0, check_path, NULL},
	{"kam.proxy", "Proxy for calls to providers, for example http://proxy.example:3128.",
		"Empty: none, whatever the environment says. Its user:password stands in the file proxy of kam.key_directory. Reload is enough.",
	&kam_proxy, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, check_proxy, NULL},
};

static void
define_settings(void)
{
	for (int i = 0; i < lengthof(bool_setting); i++)
	{
		const BoolSetting *s = &bool_setting[i];

		DefineCustomBoolVariable(s->name, s->summary, s->detail, s->value, s->preset, s->context, 0, NULL, NULL, NULL);
	}
	for (int i = 0; i < lengthof(int_setting); i++)
	{
		const IntSetting *s = &int_setting[i];

		DefineCustomIntVariable(s->name, s->summary, s->detail, s->value, s->preset, s->least, s->most,
								s->context, s->flags, NULL, NULL, NULL);
	}
	for (int i = 0; i < lengthof(string_setting); i++)
	{
		const StringSetting *s = &string_setting[i];

		DefineCustomStringVariable(s->name, s->summary, s->detail, s->value, s->preset, s->context, s->flags,
								   s->check, s->assign, NULL);
	}
	MarkGUCPrefixReserved("kam");
}

void
_PG_init(void)
{
	define_settings();
	kam_memory_init();

	/* pg_upgrade starts servers in which nothing may happen by itself. */
	if (process_shared_preload_libraries_in_progress && !IsBinaryUpgrade)
		kam_worker_register();
}
