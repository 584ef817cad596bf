/*
 * llm/origin.c: where transfers go, and how many may be on their way there.
 *
 * Names are resolved by a thread each, and libcurl opens a connection for every
 * request that finds those there are occupied: a burst of calls would start
 * hundreds of threads, or of TLS handshakes that a few connections shared by
 * all make needless.  So where an address is not known, or connections can be
 * shared or may turn out to be, no more than CONNECTS transfers are on their
 * way to a connection at a time.
 */
#include "llm/transfer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECTS 4

/* The part of a URL that a connection is made to: "http://host:port". */
static size_t
origin_length(const char *url)
{
	const char *authority = strstr(url, "://");

	authority = authority ? authority + 3 : url;
	return (size_t) (authority - url) + strcspn(authority, "/?#");
}

/* Nothing has to be resolved: an address, or what libcurl knows by itself. */
static bool
is_address(const char *key)
{
	const char *host = strstr(key, "://");
	size_t		len;

	host = host ? host + 3 : key;
	len = strcspn(host, ":");
	return *host == '[' || strspn(host, "0123456789.") >= len || (len == 9 && strncasecmp(host, "localhost", 9) == 0);
}

KamOrigin *
kam_origin_of(KamEngine *engine, const char *url)
{
	size_t		len = origin_length(url);
	int64_t		now = kam_monotonic_us();
	KamOrigin  *origin;
	KamOrigin **more;

	for (int i = 0; i < engine->norigins;)
	{
		origin = engine->origin[i];
		if (strncmp(origin->key, url, len) == 0 && origin->key[len] == '\0')
			return origin;
		if (origin->users == 0 && origin->warm_until < now)
		{
			engine->origin[i] = engine->origin[--engine->norigins];
			free(origin->key);
			free(origin);
		}
		else
			i++;
	}
	more = realloc(engine->origin, sizeof(KamOrigin *) * (size_t) (engine->norigins + 1));
	if (more == NULL)
		return NULL;
	engine->origin = more;
	origin = calloc(1, sizeof(KamOrigin));
	if (origin == NULL || (origin->key = strndup(url, len)) == NULL)
	{
		free(origin);
		return NULL;
	}
	if (is_address(origin->key))
		origin->warm_until = KAM_NEVER;
	engine->origin[engine->norigins++] = origin;
	return origin;
}

bool
kam_origin_full(const KamOrigin *origin, int64_t now)
{
	bool		may_share = strncasecmp(origin->key, "https:", 6) == 0 && origin->sharing != KAM_SHARING_NO;

	return origin->connecting >= CONNECTS && (may_share || origin->warm_until <= now);
}

void
kam_origins_free(KamEngine *engine)
{
	for (int i = 0; i < engine->norigins; i++)
	{
		free(engine->origin[i]->key);
		free(engine->origin[i]);
	}
	free(engine->origin);
}
