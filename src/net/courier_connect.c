/*
 * net/courier_connect.c: which connections a delivery may make, asked with the
 * address at the moment of connecting, and again before a kept one is used.
 *
 * Runs inside libcurl: stores, and does no more.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>

#include "net/courier_parts.h"
#include "net/guard.h"

static KamPlace
place_of(const struct sockaddr *address)
{
	KamPlace		place = {0};

	if (address->sa_family == AF_INET)
	{
		const struct sockaddr_in *in = (const struct sockaddr_in *) address;

		place.address.s6_addr[10] = place.address.s6_addr[11] = 0xff;
		memcpy(&place.address.s6_addr[12], &in->sin_addr, sizeof(in->sin_addr));
		place.port = ntohs(in->sin_port);
	}
	else if (address->sa_family == AF_INET6)
	{
		place.address = ((const struct sockaddr_in6 *) address)->sin6_addr;
		place.port = ntohs(((const struct sockaddr_in6 *) address)->sin6_port);
	}
	return place;
}

static bool
may_connect(KamDelivery *delivery, const struct sockaddr *address)
{
	KamPlace		place;
	long		redirects = 0;

	if (kam_address_is_public(address))
		return true;
	if (delivery->guarded || !delivery->tied)
		return !delivery->guarded;
	place = place_of(address);
	for (int i = 0; i < delivery->nown; i++)
	{
		if (memcmp(&delivery->own[i].address, &place.address, sizeof(place.address)) == 0 && delivery->own[i].port == place.port)
			return true;
	}
	curl_easy_getinfo(delivery->easy, CURLINFO_REDIRECT_COUNT, &redirects);
	if (redirects > 0 || delivery->nown == KAM_OWN_PLACES)
		return false;
	delivery->own[delivery->nown++] = place;
	return true;
}

curl_socket_t
kam_connect_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	KamDelivery *delivery = arg;
	int			fd;

	if (!may_connect(delivery, &address->addr))
	{
		delivery->guard_refused = true;
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype, address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

/* Before anything is sent: a connection that was kept may be one that another parcel was allowed to make. */
int
kam_connect_check(void *arg, char *remote, char *local, int remote_port, int local_port)
{
	KamDelivery *delivery = arg;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t) remote_port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t) remote_port)};
	bool		allowed = !delivery->guarded && !delivery->tied;

	if (!allowed && inet_pton(AF_INET, remote, &in.sin_addr) == 1)
		allowed = may_connect(delivery, (const struct sockaddr *) &in);
	else if (!allowed && inet_pton(AF_INET6, remote, &in6.sin6_addr) == 1)
		allowed = may_connect(delivery, (const struct sockaddr *) &in6);
	if (allowed)
		return CURL_PREREQFUNC_OK;
	delivery->guard_refused = true;
	return CURL_PREREQFUNC_ABORT;
}
