/*
 * net/secret.c: reading a provider's key.
 *
 * Only the worker calls it.  No text that leaves here shows any part of a key,
 * and no copy of one stays behind in memory.
 */
#include "net/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VARIABLE_SUFFIX "_API_KEY"

void
kam_secret_wipe(void *buffer, size_t size)
{
	explicit_bzero(buffer, size);
}

bool
kam_secret_replace(char **text, const char *by)
{
	char	   *copy = strdup(by ? by : "");

	if (copy == NULL)
		return false;
	if (*text != NULL)
		kam_secret_wipe(*text, strlen(*text));
	free(*text);
	*text = copy;
	return true;
}

static bool
is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* What may be the name of a file: no way to another directory, nothing hidden. */
static bool
is_file_name(const char *provider)
{
	return *provider != '\0' && *provider != '.' && strlen(provider) < NAME_MAX && strchr(provider, '/') == NULL;
}

/* ---- the text of a key -------------------------------------------------------------- */

/*
 * Takes white space off both ends and puts what is left into buffer.  A key
 * goes into a header line: one word of printable ASCII.
 */
static bool
accept_key(const char *text, size_t len, char *buffer, size_t size, const char **fault)
{
	while (len > 0 && strchr(" \t\r\n\v\f", text[len - 1]) != NULL && text[len - 1] != '\0')
		len--;
	while (len > 0 && strchr(" \t\r\n\v\f", *text) != NULL && *text != '\0')
		text++, len--;
	*fault = NULL;
	if (len == 0)
		*fault = "is empty";
	else if (len >= size)
		*fault = "is too long for a key";
	for (size_t i = 0; i < len && *fault == NULL; i++)
	{
		if (text[i] == '\n' || text[i] == '\r')
			*fault = "holds more than one line";
		else if (text[i] == ' ' || text[i] == '\t')
			*fault = "holds more than one word";
		else if (text[i] < '!' || text[i] > '~')
			*fault = "holds characters that no key has";
	}
	if (*fault != NULL)
		return false;
	memcpy(buffer, text, len);
	buffer[len] = '\0';
	return true;
}

/* ---- files ----------------------------------------------------------------------------- */

/*
 * The real path of directory/provider, which must not lead out of directory:
 * links within it are how some systems swap secrets.  False with *fault, or
 * with *found false when there is no such file.
 */
static bool
find_file(const char *directory, const char *path, char *real, bool *found, const char **fault)
{
	char		real_directory[PATH_MAX];
	struct stat status;
	size_t		len;

	*found = lstat(path, &status) == 0;
	if (!*found)
	{
		/* One that may be there but cannot be looked at is not one that is not there. */
		*found = errno != ENOENT && errno != ENOTDIR;
		*fault = strerror(errno);
		return false;
	}
	if (realpath(directory, real_directory) == NULL || realpath(path, real) == NULL)
	{
		*fault = errno == ENOENT ? "is a symbolic link to nothing" : strerror(errno);
		return false;
	}
	len = strlen(real_directory);
	if (strncmp(real, real_directory, len) != 0 || (len > 1 && real[len] != '/'))
	{
		*fault = "is a symbolic link out of its directory";
		return false;
	}
	return true;
}

/* Whether nobody else can read or have written it.  False with why in fault. */
static bool
is_private(int fd, char *fault, size_t fault_size)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		snprintf(fault, fault_size, "cannot be looked at: %s", strerror(errno));
	else if (!S_ISREG(status.st_mode))
		snprintf(fault, fault_size, "is not a regular file");
	else if (status.st_uid != geteuid())
		snprintf(fault, fault_size, "belongs to user %ld, must belong to user %ld, as whom the server runs",
				 (long) status.st_uid, (long) geteuid());
	else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		snprintf(fault, fault_size, "is open to others (mode %04o), must have mode 0600 or less",
				 (unsigned) (status.st_mode & 07777));
	else
		return true;
	return false;
}

/* The bytes read, at most size; -1 with errno. */
static ssize_t
read_whole(int fd, char *text, size_t size)
{
	size_t		len = 0;

	while (len < size)
	{
		ssize_t		n = read(fd, text + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t) n;
	}
	return (ssize_t) len;
}

static bool
read_key(int fd, char *buffer, size_t size, char *fault, size_t fault_size)
{
	char		text[KAM_KEY_LENGTH + 2];	/* a key and a line's end */
	const char *reason;
	ssize_t		len;
	bool		ok = false;

	if (!is_private(fd, fault, fault_size))
		return false;
	len = read_whole(fd, text, sizeof(text));
	if (len < 0)
		snprintf(fault, fault_size, "cannot be read: %s", strerror(errno));
	else if (len == sizeof(text))
		snprintf(fault, fault_size, "is too long for a key");
	else if (!(ok = accept_key(text, (size_t) len, buffer, size, &reason)))
		snprintf(fault, fault_size, "%s", reason);
	kam_secret_wipe(text, sizeof(text));
	return ok;
}

/* False with *found false: there is none.  False with *found true: it must not be used. */
static bool
read_file(const char *directory, const char *provider, char *buffer, size_t size, bool *found, char *why, size_t why_size)
{
	char		path[PATH_MAX],
				real[PATH_MAX],
				fault[200] = "";
	const char *reason = "";
	int			fd;
	bool		ok = false;

	*found = false;
	if (snprintf(path, sizeof(path), "%s/%s", directory, provider) >= (int) sizeof(path))
	{
		*found = true;
		snprintf(why, why_size, "the path of the key file is too long");
		return false;
	}
	if (!find_file(directory, path, real, found, &reason))
	{
		if (*found)
			snprintf(why, why_size, "file \"%s\" %s", path, reason);
		return false;
	}
	/* O_NONBLOCK: a pipe would wait for its writer. */
	fd = open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		snprintf(fault, sizeof(fault), "cannot be opened: %s", strerror(errno));
	else
	{
		ok = read_key(fd, buffer, size, fault, sizeof(fault));
		close(fd);
	}
	if (!ok)
		snprintf(why, why_size, "file \"%s\" %s", path, fault);
	return ok;
}

/* ---- the environment ------------------------------------------------------------------------ */

static void
variable_name(const char *provider, char *out, size_t size)
{
	size_t		len = 0;

	for (; provider[len] != '\0' && len + sizeof(VARIABLE_SUFFIX) < size; len++)
	{
		char		c = provider[len];

		out[len] = !is_letter_or_digit(c) ? '_' : c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c;
	}
	memcpy(out + len, VARIABLE_SUFFIX, sizeof(VARIABLE_SUFFIX));
}

bool
kam_secret_read(const char *directory, const char *provider, char *buffer, size_t size, bool *found,
				char *why, size_t why_size)
{
	char		name[256];
	const char *value;
	const char *fault;
	bool		has_directory = directory != NULL && *directory != '\0' && is_file_name(provider);

	*found = false;
	if (size > 0)
		*buffer = '\0';
	if (why_size > 0)
		*why = '\0';
	if (has_directory)
	{
		bool		ok = read_file(directory, provider, buffer, size, found, why, why_size);

		if (*found)
			return ok;
	}

	variable_name(provider, name, sizeof(name));
	value = getenv(name);
	if (value == NULL || *value == '\0')
	{
		if (has_directory)
			snprintf(why, why_size, "there is neither a file \"%s/%s\" nor a variable %s in the server's environment", directory, provider, name);
		else
			snprintf(why, why_size, "there is no variable %s in the server's environment", name);
		return false;
	}
	*found = true;
	if (accept_key(value, strlen(value), buffer, size, &fault))
		return true;
	snprintf(why, why_size, "the variable %s of the server's environment %s", name, fault);
	return false;
}
