/*
 * net/proxy.c: see proxy.h.
 */
#include "net/proxy.h"

#include <stdio.h>
#include <string.h>

#include "net/secret.h"

/* Name of the file; no provider may have it. */
#define PROXY_FILE "proxy"

/* user:password as an address writes it: the first colon parts them, whatever else is not plain is escaped. */
static size_t
append_escaped(char *out, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	bool		parted = false;
	size_t		len = 0;

	for (const char *c = text; *c != '\0'; c++)
	{
		if (strchr(plain, *c) != NULL || (*c == ':' && !parted))
			out[len++] = *c;
		else
		{
			out[len++] = '%';
			out[len++] = hex[(unsigned char) *c >> 4];
			out[len++] = hex[(unsigned char) *c & 15];
		}
		parted = parted || *c == ':';
	}
	return len;
}

bool
kam_proxy_address(const char *proxy, const char *directory, char *buffer, size_t size, char *why, size_t why_size)
{
	const char *host = proxy != NULL ? strstr(proxy, "://") : NULL;
	char		secret[KAM_KEY_LENGTH];
	bool		found = false,
				fits;
	size_t		scheme,
				at;

	*buffer = '\0';
	if (why_size > 0)
		*why = '\0';
	if (proxy == NULL || *proxy == '\0')
		return true;

	if (host == NULL)
	{
		snprintf(why, why_size, "the proxy's address has no scheme");
		return false;
	}
	if (!kam_secret_read(directory, PROXY_FILE, secret, sizeof(secret), &found, why, why_size) && found)
		return false;
	if (why_size > 0)
		*why = '\0';

	fits = strlen(proxy) + (found ? 3 * strlen(secret) + 1 : 0) < size;
	if (!fits)
		snprintf(why, why_size, "the proxy's address is too long");
	else if (!found)
		strcpy(buffer, proxy);
	else
	{
		scheme = (size_t) (host - proxy) + 3;
		memcpy(buffer, proxy, scheme);
		at = scheme + append_escaped(buffer + scheme, secret);
		buffer[at++] = '@';
		strcpy(buffer + at, proxy + scheme);
	}
	kam_secret_wipe(secret, sizeof(secret));
	return fits;
}
