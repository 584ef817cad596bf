/*
 * net/proxy.h: the proxy's address with its user and password.
 *
 * kam.proxy holds the address alone; "user:password" is a key file like a
 * provider's, <kam.key_directory>/proxy or the variable PROXY_API_KEY, and is
 * never shown either.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define KAM_PROXY_LENGTH (4 * 4096)

/*
 * The address for libcurl into buffer: as it is when there is no password, ""
 * when there is no proxy.  False when there is a password that must not be
 * used; *why says so without showing it.  Wipe the buffer after use.
 */
extern bool kam_proxy_address(const char *proxy, const char *directory, char *buffer, size_t size, char *why, size_t why_size);
