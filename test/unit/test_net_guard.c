/*
 * test/unit/test_net_guard.c: which addresses are public: each range by its
 * first and last address and those beside it, and what IPv6 wraps.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "net/guard.h"

static bool
is_public(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(443)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return kam_address_is_public((const struct sockaddr *) &in);
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
	{
		printf("%s is no address\n", text);
		abort();
	}
	return kam_address_is_public((const struct sockaddr *) &in6);
}

/* Closed from first to last; the addresses beside it are public unless NULL. */
static const struct
{
	const char *before,
			   *first,
			   *last,
			   *after;
}			range[] = {
	{NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
	{"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
	{"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
	{"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
	{"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
	{"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
	{"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
	{"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
	{"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
	{"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
	{"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
	{"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
	{"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
	{"223.255.255.255", "224.0.0.0", "255.255.255.255", NULL},
	{NULL, "::2", "::ffff", NULL},
	{NULL, "100::", "100::ffff:ffff:ffff:ffff", NULL},	/* discard */
	{NULL, "4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
	{NULL, "1fff::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
	{NULL, "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"},
	{"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
	{"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"},
	{NULL, "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
	{NULL, "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
	{NULL, "ff00::", "ff0e::1", NULL},
	{NULL, "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", NULL},	/* NAT64 of a network's own */
};

TEST(ranges_and_what_is_beside_them)
{
	for (size_t i = 0; i < KAM_LENGTHOF(range); i++)
	{
		CHECK(!is_public(range[i].first), "%s", range[i].first);
		CHECK(!is_public(range[i].last), "%s", range[i].last);
		if (range[i].before != NULL)
			CHECK(is_public(range[i].before), "%s", range[i].before);
		if (range[i].after != NULL)
			CHECK(is_public(range[i].after), "%s", range[i].after);
	}
}

TEST(well_known)
{
	static const char *const open[] = {"8.8.8.8", "1.1.1.1", "93.184.216.34", "172.217.18.36", "2606:4700:4700::1111", "2a00:1450:4007:80c::2004", "2001:4860:4860::8888"};
	static const char *const closed[] = {"127.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "::", "fe80::1", "fd00:ec2::254", "fec0::1", "ff02::1", "255.255.255.255", "0.0.0.0"};

	for (size_t i = 0; i < KAM_LENGTHOF(open); i++)
		CHECK(is_public(open[i]), "%s", open[i]);
	for (size_t i = 0; i < KAM_LENGTHOF(closed); i++)
		CHECK(!is_public(closed[i]), "%s", closed[i]);
}

/* An IPv4 address within IPv6 is what it is without. */
TEST(wrapped)
{
	static const char *const prefix[] = {"::ffff:", "::", "64:ff9b::"};

	for (size_t i = 0; i < KAM_LENGTHOF(range); i++)
	{
		const char *const ends[] = {range[i].before, range[i].first, range[i].last, range[i].after};

		for (size_t j = 0; j < KAM_LENGTHOF(ends); j++)
		{
			struct in_addr in;
			char		text[100];

			if (ends[j] == NULL || inet_pton(AF_INET, ends[j], &in) != 1)
				continue;
			for (size_t k = 0; k < KAM_LENGTHOF(prefix); k++)
			{
				snprintf(text, sizeof(text), "%s%s", prefix[k], ends[j]);
				CHECK(is_public(text) == is_public(ends[j]), "%s", text);
			}
			/* 6to4: the address follows 2002; whatever comes behind it. */
			in.s_addr = ntohl(in.s_addr);
			snprintf(text, sizeof(text), "2002:%x:%x:1:2:3:4:5", in.s_addr >> 16, in.s_addr & 0xffff);
			CHECK(is_public(text) == is_public(ends[j]), "%s", text);
		}
	}
}

TEST(other_families)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/docker.sock"};
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	CHECK(!kam_address_is_public((const struct sockaddr *) &un));
	CHECK(!kam_address_is_public(&none));
}

RUN_TESTS()
