/*
 * worker/network.c: see network.h.
 *
 * libcurl is initialised here, in the worker, when the first call goes out:
 * never in the postmaster, whose children would inherit half of its threads'
 * state.  Nothing is cleaned up at exit: the kernel closes sockets.
 */
#include "postgres.h"

#include <sys/epoll.h>

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kam.h"
#include "worker/network.h"
/* after the server's headers */
#include "net/multi.h"
#include "net/proxy.h"
#include "net/secret.h"

/* An answer of more is not read further. */
#define MAX_BODY (16 * 1024 * 1024)
#define MAX_KEYS 32
#define NAME_LENGTH 64

typedef struct Key
{
	char		provider[NAME_LENGTH];
	char		line[KAM_KEY_LENGTH + 128];	/* the header */
} Key;

static KamEngine *engine = NULL;
static KamCourier *courier = NULL;
static KamLimits *limits = NULL;
static Key *key = NULL;
static int	nkeys = 0;

int64
kam_network_now(void)
{
	return GetCurrentTimestamp() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

/* The settings as the engine takes them, which copies them; the proxy's password is wiped afterwards. */
static void
with_settings(void (*use) (const KamEngineSettings *settings))
{
	char		proxy[KAM_PROXY_LENGTH];
	char		why[300];
	KamEngineSettings now = {.max_in_flight = kam_max_in_flight, .ca_file = kam_ca_file, .proxy = proxy, .max_body = MAX_BODY};

	/* Without its password the proxy refuses each call, and says so; calls never go around it. */
	if (!kam_proxy_address(kam_proxy, kam_key_directory, proxy, sizeof(proxy), why, sizeof(why)))
	{
		ereport(WARNING, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("the proxy's password cannot be used: %s", why)));
		strlcpy(proxy, kam_proxy, sizeof(proxy));
	}
	use(&now);
	kam_secret_wipe(proxy, sizeof(proxy));
}

static void
make_engine(const KamEngineSettings *settings)
{
	const char *why = NULL;

	engine = kam_engine_new(settings, &why);
	if (engine == NULL)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("could not prepare for calls: %s", why)));
}

static void
configure_engine(const KamEngineSettings *settings)
{
	kam_engine_configure(engine, settings);
}

KamEngine *
kam_network_open(void)
{
	return engine;
}

static void
make_courier(const KamEngineSettings *settings)
{
	const KamCourierSettings own = {.ca_file = settings->ca_file, .proxy = settings->proxy};
	const char *why = NULL;

	courier = kam_courier_new(&own, &why);
	if (courier == NULL)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("could not prepare for deliveries: %s", why)));
}

static void
configure_courier(const KamEngineSettings *settings)
{
	const KamCourierSettings own = {.ca_file = settings->ca_file, .proxy = settings->proxy};

	(void) kam_courier_configure(courier, &own);
}

static void
initialise(void)
{
	static bool initialised = false;
	const char *why = NULL;

	if (!initialised && (why = kam_net_init()) != NULL)
		ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("could not initialise libcurl: %s", why)));
	initialised = true;
}

KamEngine *
kam_network_engine(void)
{
	if (engine == NULL)
	{
		initialise();
		with_settings(make_engine);
	}
	return engine;
}

KamCourier *
kam_network_courier(void)
{
	if (courier == NULL)
	{
		initialise();
		with_settings(make_courier);
	}
	return courier;
}

KamCourier *
kam_network_courier_open(void)
{
	return courier;
}

/* One descriptor for two: an epoll descriptor is readable when one that stands in it is. */
static int
fd_of_both(void)
{
	static int	both = -1;
	struct epoll_event event = {.events = EPOLLIN};

	if (both >= 0)
		return both;
	both = epoll_create1(EPOLL_CLOEXEC);
	if (both < 0 || epoll_ctl(both, EPOLL_CTL_ADD, kam_engine_fd(engine), &event) != 0 ||
		epoll_ctl(both, EPOLL_CTL_ADD, kam_courier_fd(courier), &event) != 0)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("could not watch calls and deliveries: %m")));
	return both;
}

int
kam_network_fd(void)
{
	bool		calls = engine != NULL && kam_engine_in_flight(engine) > 0;
	bool		deliveries = courier != NULL && kam_courier_in_flight(courier) > 0;

	if (calls && deliveries)
		return fd_of_both();
	return calls ? kam_engine_fd(engine) : deliveries ? kam_courier_fd(courier) : -1;
}

KamLane *
kam_network_lane(const char *provider, const char *model)
{
	KamLane    *lane;

	if (limits == NULL)
		limits = kam_limits_new();
	lane = limits != NULL ? kam_limits_lane(limits, provider, model) : NULL;
	if (lane == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return lane;
}

const KamLimits *
kam_network_limits(void)
{
	return limits;
}

static void
forget_keys(void)
{
	if (key != NULL)
		kam_secret_wipe(key, sizeof(Key) * MAX_KEYS);
	nkeys = 0;
}

void
kam_network_reload(void)
{
	forget_keys();
	if (engine != NULL)
		with_settings(configure_engine);
	if (courier != NULL)
		with_settings(configure_courier);
}

static const char *
known_key(const char *provider)
{
	for (int i = 0; i < nkeys; i++)
	{
		if (strcmp(key[i].provider, provider) == 0)
			return key[i].line;
	}
	return NULL;
}

bool
kam_network_auth(const KamAgentConfig *agent, const char **line, char **why)
{
	char		secret[KAM_KEY_LENGTH];
	char		reason[512];
	bool		found = false;
	bool		usable;

	*line = known_key(agent->provider);
	if (*line != NULL)
		return true;
	usable = kam_secret_read(kam_key_directory, agent->provider, secret, sizeof(secret), &found, reason, sizeof(reason));
	if (!usable)
	{
		/* Servers within the house often ask none; what is reached through TLS does. */
		if (!found && strncmp(agent->base_url, "http://", 7) == 0)
			return true;
		*why = psprintf("no key for provider \"%s\": %s", agent->provider, reason);
		return false;
	}
	if (key == NULL)
		key = MemoryContextAllocZero(TopMemoryContext, sizeof(Key) * MAX_KEYS);
	if (nkeys == MAX_KEYS || strlen(agent->provider) >= NAME_LENGTH)
		forget_keys();
	strlcpy(key[nkeys].provider, agent->provider, NAME_LENGTH);
	snprintf(key[nkeys].line, sizeof(key[nkeys].line), "%s: %s%s", agent->dialect.auth_header, agent->dialect.auth_prefix, secret);
	kam_secret_wipe(secret, sizeof(secret));
	*line = key[nkeys++].line;
	return true;
}
