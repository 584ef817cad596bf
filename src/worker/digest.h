/*
 * worker/digest.h: SHA-256 of texts, outside a transaction too.
 */
#pragma once

#include "postgres.h"

#include "pg/json.h"
#include "llm/request.h"

#define KAM_DIGEST_BYTES 32

/* Of the pieces, each with its length: where one ends and the next begins counts. */
extern void kam_digest(const KamPiece *const *piece, int count, uint8 *out);

/* A text that calls share, with its digest. */
typedef struct KamPart
{
	KamPiece	text;			/* data NULL: not made yet */
	uint8		digest[KAM_DIGEST_BYTES];
} KamPart;

extern void kam_part_set(KamPart *part, KamPiece text);

/* The boundary around a contact in prompts: the beginning of its digest, in hexadecimal; palloc'd. */
extern char *kam_digest_boundary(const char *text);
