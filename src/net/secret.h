/*
 * net/secret.h: a provider's key.
 *
 * Read by the worker alone, from <directory>/<provider> (owner the server's,
 * mode 0600 or less, no symbolic link out of the directory) or from the
 * server's environment: <PROVIDER>_API_KEY, upper case, other characters than
 * letters and digits as _.  The file wins.  Never logged, never in SQL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define KAM_KEY_LENGTH 4096

/*
 * The key, without surrounding white space, into buffer.  False when there is
 * none or it must not be used; *why says so without showing it (a static or
 * given buffer's text): "file ... is readable by others (mode 0644)".  *found:
 * whether a file or variable was there at all.
 */
extern bool kam_secret_read(const char *directory, const char *provider, char *buffer, size_t size, bool *found,
							char *why, size_t why_size);
extern void kam_secret_wipe(void *buffer, size_t size);

/* Puts a copy of "by" (NULL: "") in the place of a text of malloc's, which is wiped; the old text stays when memory is exhausted, and the answer is false. */
extern bool kam_secret_replace(char **text, const char *by);
