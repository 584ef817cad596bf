/*
 * net/guard.h: which addresses deliveries may be made to.
 *
 * Asked with the very address that is about to be connected to, so that no
 * name that resolves to something else a moment later gets past it.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* False for what is no public unicast address: private networks, this machine, links, documentation, multicast, and IPv4 ones of these wrapped in IPv6. */
extern bool kam_address_is_public(const struct sockaddr *address);
