/*
 * net/guard.c: see guard.h.  The ranges are those of IANA's special-purpose
 * registries that no receiver on the internet has.
 */
#include "net/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LENGTHOF(array) (sizeof(array) / sizeof((array)[0]))

static const struct
{
	uint8_t		address[4];
	int			bits;
}			closed4[] = {
	{{0, 0, 0, 0}, 8},			/* this network */
	{{10, 0, 0, 0}, 8},			/* private */
	{{100, 64, 0, 0}, 10},		/* carriers' */
	{{127, 0, 0, 0}, 8},		/* this machine */
	{{169, 254, 0, 0}, 16},		/* links; clouds' metadata */
	{{172, 16, 0, 0}, 12},		/* private */
	{{192, 0, 0, 0}, 24},		/* protocol assignments */
	{{192, 0, 2, 0}, 24},		/* documentation */
	{{192, 88, 99, 0}, 24},		/* relays of 6to4 */
	{{192, 168, 0, 0}, 16},		/* private */
	{{198, 18, 0, 0}, 15},		/* benchmarks */
	{{198, 51, 100, 0}, 24},	/* documentation */
	{{203, 0, 113, 0}, 24},		/* documentation */
	{{224, 0, 0, 0}, 4},		/* multicast */
	{{240, 0, 0, 0}, 4},		/* reserved, broadcast */
};

/* IPv6 prefixes that hold an IPv4 address, and where. */
static const struct
{
	uint8_t		prefix[16];
	int			bits;
	int			at;
}			wrapped[] = {
	{{[10] = 0xff, [11] = 0xff}, 96, 12},	/* ::ffff:a.b.c.d */
	{{0}, 96, 12},				/* ::a.b.c.d, :: and ::1 among them */
	{{0x00, 0x64, 0xff, 0x9b}, 96, 12},	/* NAT64 */
	{{0x20, 0x02}, 16, 2},		/* 6to4 */
};

static bool
has_prefix(const uint8_t *address, const uint8_t *prefix, int bits)
{
	int			whole = bits / 8,
				rest = bits % 8;

	if (memcmp(address, prefix, (size_t) whole) != 0)
		return false;
	return rest == 0 || ((address[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

static bool
is_public4(const uint8_t *address)
{
	for (size_t i = 0; i < LENGTHOF(closed4); i++)
	{
		if (has_prefix(address, closed4[i].address, closed4[i].bits))
			return false;
	}
	return true;
}

/* All public unicast addresses are in 2000::/3. */
static bool
is_public6(const uint8_t *address)
{
	static const uint8_t global[16] = {0x20};
	static const uint8_t protocols[16] = {0x20, 0x01, 0x00, 0x00};	/* 2001::/23: Teredo, benchmarks, ORCHID */
	static const uint8_t documentation[16] = {0x20, 0x01, 0x0d, 0xb8};
	static const uint8_t more_documentation[16] = {0x3f, 0xff, 0x00};

	for (size_t i = 0; i < LENGTHOF(wrapped); i++)
	{
		if (has_prefix(address, wrapped[i].prefix, wrapped[i].bits))
			return is_public4(address + wrapped[i].at);
	}
	return has_prefix(address, global, 3) && !has_prefix(address, protocols, 23) &&
		!has_prefix(address, documentation, 32) && !has_prefix(address, more_documentation, 20);
}

bool
kam_address_is_public(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
	{
		uint8_t		bytes[4];

		memcpy(bytes, &((const struct sockaddr_in *) address)->sin_addr, sizeof(bytes));
		return is_public4(bytes);
	}
	if (address->sa_family == AF_INET6)
	{
		uint8_t		bytes[16];

		memcpy(bytes, &((const struct sockaddr_in6 *) address)->sin6_addr, sizeof(bytes));
		return is_public6(bytes);
	}
	return false;
}
