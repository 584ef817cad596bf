/*
 * core/json.c: jansson without the checks of NULL at every call.
 */
#include "core/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"

/* A value that jansson made, or the end: it fails only for want of memory. */
static json_t *
made(json_t *value)
{
	if (!value)
	{
		kam_out_of_memory();
		abort();
	}
	return value;
}

/* A copy of an empty one: json_pack reads its format anew each time, and jansson's own function has no name here. */
json_t *
kam_object(void)
{
	static json_t *empty = NULL;

	if (!empty)
		empty = made(json_pack("{}"));
	return made(json_copy(empty));
}

json_t *
kam_array(void)
{
	return made(json_array());
}

/* Length of the valid UTF-8 sequence at s, 0 when there is none. */
static size_t
utf8_length(const unsigned char *s, size_t left)
{
	size_t		n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 :
		s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
		(s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static bool
is_ascii(const char *s, size_t len)
{
	unsigned char all = 0;

	for (size_t i = 0; i < len; i++)
		all |= (unsigned char) s[i];
	return all < 0x80;
}

json_t *
kam_stringn(const char *s, size_t len)
{
	/* jansson looks at every character; most texts need no look */
	json_t	   *value = is_ascii(s, len) ? json_stringn_nocheck(s, len) : json_stringn(s, len);
	char	   *clean;
	size_t		from = 0,
				to = 0;

	if (value)
		return value;
	/* not UTF-8 (a quote cut inside a character, hostile input): replace what is not */
	clean = malloc(len + 1);
	if (!clean)
		return made(NULL);
	while (from < len)
	{
		size_t		n = utf8_length((const unsigned char *) s + from, len - from);

		if (n == 0)
		{
			clean[to++] = '?';
			from++;
			continue;
		}
		memcpy(clean + to, s + from, n);
		to += n;
		from += n;
	}
	value = json_stringn(clean, to);
	free(clean);
	return made(value);
}

json_t *
kam_string(const char *s)
{
	return s ? kam_stringn(s, strlen(s)) : json_null();
}

json_t *
kam_number(double v)
{
	return isfinite(v) ? made(json_real(v)) : json_null();
}

json_t *
kam_integer(long long v)
{
	return made(json_integer(v));
}

json_t *
kam_rounded(double v)
{
	return kam_number(round(v * 100.0) / 100.0);
}

void
kam_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new_nocheck(object, key, value) != 0)
		made(NULL);
}

void
kam_push(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) != 0)
		made(NULL);
}

const char *
kam_get_string(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

const json_t *
kam_get_object(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_object(value) ? value : NULL;
}

const json_t *
kam_get_array(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_array(value) ? value : NULL;
}

bool
kam_get_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

double
kam_get_number(const json_t *object, const char *key, double otherwise)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : otherwise;
}

/* One reference token of a pointer, ~1 and ~0 undone, into a buffer. */
static bool
pointer_token(const char **p, char *token, size_t size)
{
	size_t		n = 0;
	const char *s = *p + 1;

	while (*s && *s != '/')
	{
		char		c = *s++;

		if (c == '~' && (*s == '0' || *s == '1'))
			c = *s++ == '0' ? '~' : '/';
		else if (c == '~')
			return false;
		if (n + 1 >= size)
			return false;
		token[n++] = c;
	}
	token[n] = '\0';
	*p = s;
	return true;
}

const json_t *
kam_pointer(const json_t *root, const char *pointer)
{
	char		token[256];

	if (!pointer)
		return NULL;
	while (root && *pointer)
	{
		if (*pointer != '/' || !pointer_token(&pointer, token, sizeof token))
			return NULL;
		if (json_is_object(root))
			root = json_object_get(root, token);
		else if (json_is_array(root))
		{
			char	   *end;
			unsigned long i = strtoul(token, &end, 10);

			if (*end || token[0] < '0' || token[0] > '9' || (token[0] == '0' && token[1]))
				return NULL;
			root = json_array_get(root, i);
		}
		else
			return NULL;
	}
	return root;
}

const json_t *
kam_dig(const json_t *root, const char *dotted)
{
	char		key[128];

	while (root && *dotted)
	{
		size_t		n = strcspn(dotted, ".");

		if (n >= sizeof key)
			return NULL;
		memcpy(key, dotted, n);
		key[n] = '\0';
		root = json_object_get(root, key);
		dotted += n + (dotted[n] == '.');
	}
	return root;
}
