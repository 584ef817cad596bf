/*
 * core/base.c: the arena.
 *
 * Chunks double up to a limit; a request larger than a chunk gets one of its
 * own.  Nothing is freed singly, only all since a mark.  A few chunks of freed arenas are kept for the
 * next one: fresh memory costs a page fault per 4 kB, at every contact.  One
 * thread only.
 */
#include "core/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK ((size_t) 16 * 1024)
#define LARGEST_CHUNK ((size_t) 1024 * 1024)
#define ALIGNMENT ((size_t) 16)

/* Bytes kept for the next arena.  None where a tool looks for uses of freed memory. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SPARE_BYTES ((size_t) 0)
#endif
#endif
#if !defined(SPARE_BYTES) && defined(__SANITIZE_ADDRESS__)
#define SPARE_BYTES ((size_t) 0)
#endif
#ifndef SPARE_BYTES
#define SPARE_BYTES ((size_t) 2 * 1024 * 1024)
#endif

typedef struct Chunk
{
	struct Chunk *next;
	size_t		used,
				size;
	/* the memory follows, 16-byte aligned */
} Chunk;

#define CHUNK_HEAD ((sizeof(Chunk) + ALIGNMENT - 1) & ~(ALIGNMENT - 1))

struct KamArena
{
	Chunk	   *chunk;			/* newest first; allocation is from it */
	size_t		next_size;
};

static Chunk *spare = NULL;		/* chunks of freed arenas */
static size_t spare_bytes = 0;

static void
no_handler(void)
{
	abort();
}

void		(*kam_out_of_memory) (void) = no_handler;

static void
no_interrupt(void)
{
}

void		(*kam_interrupt) (void) = no_interrupt;

/* malloc that never returns NULL. */
static void *
get_memory(size_t size)
{
	void	   *p = malloc(size);

	if (!p)
	{
		kam_out_of_memory();
		abort();
	}
	return p;
}

KamArena *
kam_arena_new(void)
{
	KamArena   *arena = get_memory(sizeof(KamArena));

	arena->chunk = NULL;
	arena->next_size = FIRST_CHUNK;
	return arena;
}

/* Keeps a chunk for the next arena, or frees it when enough are kept. */
static void
release_chunk(Chunk *chunk)
{
	if (chunk->size > LARGEST_CHUNK || chunk->size > SPARE_BYTES - spare_bytes)
	{
		free(chunk);
		return;
	}
	spare_bytes += chunk->size;
	chunk->next = spare;
	spare = chunk;
}

/* A kept chunk with room for at least "size" bytes, but not for many more than a new one would have, or NULL. */
static Chunk *
take_spare(size_t size, size_t most)
{
	for (Chunk **place = &spare; *place != NULL; place = &(*place)->next)
	{
		Chunk	   *chunk = *place;

		if (chunk->size < size || chunk->size > most)
			continue;
		*place = chunk->next;
		spare_bytes -= chunk->size;
		return chunk;
	}
	return NULL;
}

void
kam_arena_free(KamArena *arena)
{
	Chunk	   *chunk;

	if (!arena)
		return;
	while ((chunk = arena->chunk) != NULL)
	{
		arena->chunk = chunk->next;
		release_chunk(chunk);
	}
	free(arena);
}

/* A chunk with room for at least "size" bytes. */
static Chunk *
add_chunk(KamArena *arena, size_t size)
{
	Chunk	   *chunk;
	size_t		room = arena->next_size;

	if (arena->next_size < LARGEST_CHUNK)
		arena->next_size *= 2;
	if (room < size)
		room = size;
	if (room > SIZE_MAX / 2)
	{
		kam_out_of_memory();
		abort();
	}
	chunk = take_spare(size, 2 * room);
	if (!chunk)
	{
		chunk = get_memory(CHUNK_HEAD + room);
		chunk->size = room;
	}
	chunk->used = 0;
	chunk->next = arena->chunk;
	arena->chunk = chunk;
	return chunk;
}

void *
kam_alloc_raw(KamArena *arena, size_t size)
{
	Chunk	   *chunk = arena->chunk;
	void	   *p;

	if (size > SIZE_MAX - ALIGNMENT)
	{
		kam_out_of_memory();
		abort();
	}
	size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	if (!chunk || chunk->size - chunk->used < size)
		chunk = add_chunk(arena, size);
	p = (char *) chunk + CHUNK_HEAD + chunk->used;
	chunk->used += size;
	return p;
}

KamMark
kam_arena_mark(KamArena *arena)
{
	return (KamMark) {arena->chunk, arena->chunk != NULL ? arena->chunk->used : 0};
}

void
kam_arena_rewind(KamArena *arena, KamMark mark)
{
	while (arena->chunk != mark.chunk)
	{
		Chunk	   *chunk = arena->chunk;

		arena->chunk = chunk->next;
		release_chunk(chunk);
	}
	if (arena->chunk != NULL)
		arena->chunk->used = mark.used;
}

void *
kam_alloc(KamArena *arena, size_t size)
{
	return memset(kam_alloc_raw(arena, size ? size : 1), 0, size);
}

char *
kam_strndup(KamArena *arena, const char *s, size_t len)
{
	char	   *copy = kam_alloc_raw(arena, len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *
kam_strdup(KamArena *arena, const char *s)
{
	return kam_strndup(arena, s, strlen(s));
}

char *
kam_printf(KamArena *arena, const char *fmt,...)
{
	va_list		args;
	char		local[512];
	char	   *text;
	int			len;

	va_start(args, fmt);
	len = vsnprintf(local, sizeof local, fmt, args);
	va_end(args);
	if (len < 0)
		return kam_strdup(arena, "");
	if ((size_t) len < sizeof local)
		return kam_strndup(arena, local, (size_t) len);
	text = kam_alloc_raw(arena, (size_t) len + 1);
	va_start(args, fmt);
	vsnprintf(text, (size_t) len + 1, fmt, args);
	va_end(args);
	return text;
}
