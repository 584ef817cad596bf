/*
 * llm/buffer.h: bytes that grow, and the length of a UTF-8 character, for code
 * that must not raise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct KamBuffer
{
	char	   *data;			/* NULL while nothing was added; else NUL-terminated */
	size_t		len,
				room;
} KamBuffer;

/* False when memory is exhausted; what was there before stays. */
static inline bool
kam_buffer_add(KamBuffer *buffer, const char *data, size_t len)
{
	if (len >= SIZE_MAX / 2 - buffer->len)
		return false;
	if (buffer->len + len + 1 > buffer->room)
	{
		size_t		room = buffer->room > 0 ? buffer->room : 256;
		char	   *grown;

		while (room < buffer->len + len + 1)
			room *= 2;
		grown = realloc(buffer->data, room);
		if (grown == NULL)
			return false;
		buffer->data = grown;
		buffer->room = room;
	}
	if (len > 0)
		memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
	buffer->data[buffer->len] = '\0';
	return true;
}

static inline void
kam_buffer_clear(KamBuffer *buffer)
{
	buffer->len = 0;
	if (buffer->data != NULL)
		buffer->data[0] = '\0';
}

static inline void
kam_buffer_free(KamBuffer *buffer)
{
	free(buffer->data);
	*buffer = (KamBuffer) {NULL, 0, 0};
}

/* Bytes of the valid UTF-8 character at s, 0 when there is none. */
static inline size_t
kam_utf8_length(const unsigned char *s, size_t left)
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
