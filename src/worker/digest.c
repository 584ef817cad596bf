/*
 * worker/digest.c: SHA-256 of texts, outside a transaction too.
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/resowner.h"

#include "worker/digest.h"

#define BOUNDARY_BYTES 10		/* nobody hits upon them by trying */

StaticAssertDecl(KAM_DIGEST_BYTES == PG_SHA256_DIGEST_LENGTH, "a digest is a SHA-256");

void
kam_digest(const KamPiece *const *piece, int count, uint8 *out)
{
	static ResourceOwner owner = NULL;	/* the server's hashes belong to one, and outside a transaction there is none */
	ResourceOwner saved = CurrentResourceOwner;
	pg_cryptohash_ctx *hash;

	if (owner == NULL)
		owner = ResourceOwnerCreate(NULL, "kam worker");
	CurrentResourceOwner = owner;
	hash = pg_cryptohash_create(PG_SHA256);
	if (hash == NULL || pg_cryptohash_init(hash) < 0)
		elog(ERROR, "could not make a SHA-256");
	for (int i = 0; i < count; i++)
	{
		if (pg_cryptohash_update(hash, (const uint8 *) &piece[i]->len, sizeof(piece[i]->len)) < 0 ||
			pg_cryptohash_update(hash, (const uint8 *) piece[i]->data, piece[i]->len) < 0)
			elog(ERROR, "could not make a SHA-256");
	}
	if (pg_cryptohash_final(hash, out, PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not make a SHA-256");
	pg_cryptohash_free(hash);
	CurrentResourceOwner = saved;
}

void
kam_part_set(KamPart *part, KamPiece text)
{
	const KamPiece *piece[] = {&text};

	part->text = text;
	kam_digest(piece, 1, part->digest);
}

char *
kam_digest_boundary(const char *text)
{
	KamPiece	whole = {.data = (char *) text, .len = strlen(text)};
	const KamPiece *piece[] = {&whole};
	uint8		digest[KAM_DIGEST_BYTES];
	char	   *boundary = palloc(BOUNDARY_BYTES * 2 + 1);

	kam_digest(piece, 1, digest);
	for (int i = 0; i < BOUNDARY_BYTES; i++)
		snprintf(boundary + 2 * i, 3, "%02x", digest[i]);
	return boundary;
}
