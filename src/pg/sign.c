/*
 * pg/sign.c: see sign.h.  HMAC and base64 are the server's own.
 */
#include "postgres.h"

#include "common/base64.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "utils/resowner.h"

#include "pg/compat.h"
#include "pg/sign.h"

#define PREFIX "whsec_"
#define LEAST 24
#define MOST 64

/*
 * The server's HMAC remembers what it allocates with the current resource
 * owner, and there is none between transactions, where the worker signs.
 */
static bool
hmac(const uint8 *key, int key_len, const char *id, int64 timestamp, const char *body, size_t len, uint8 *out)
{
	ResourceOwner before = CurrentResourceOwner;
	ResourceOwner own = before == NULL ? ResourceOwnerCreate(NULL, "kam signature") : NULL;
	pg_hmac_ctx *context;
	char		stamp[32];
	bool		ok;

	if (own != NULL)
		CurrentResourceOwner = own;
	context = pg_hmac_create(PG_SHA256);
	snprintf(stamp, sizeof(stamp), "." INT64_FORMAT ".", timestamp);
	ok = context != NULL &&
		pg_hmac_init(context, key, key_len) >= 0 &&
		pg_hmac_update(context, (const uint8 *) id, strlen(id)) >= 0 &&
		pg_hmac_update(context, (const uint8 *) stamp, strlen(stamp)) >= 0 &&
		pg_hmac_update(context, (const uint8 *) body, len) >= 0 &&
		pg_hmac_final(context, out, PG_SHA256_DIGEST_LENGTH) >= 0;
	pg_hmac_free(context);
	CurrentResourceOwner = before;
	if (own != NULL)
		ResourceOwnerDelete(own);
	return ok;
}

bool
kam_sign_webhook(const char *secret, const char *id, int64 timestamp, const char *body, size_t len, char out[KAM_SIGNATURE_LENGTH])
{
	uint8		key[MOST + 8];
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	int			key_len,
				written = -1;

	if (strncmp(secret, PREFIX, strlen(PREFIX)) == 0)
		secret += strlen(PREFIX);
	key_len = pg_b64_decode(secret, (int) strlen(secret), KAM_BASE64(key), sizeof(key));
	if (key_len >= LEAST && key_len <= MOST && hmac(key, key_len, id, timestamp, body, len, digest))
	{
		strcpy(out, "v1,");
		written = pg_b64_encode(KAM_BASE64_IN(digest), sizeof(digest), out + 3, KAM_SIGNATURE_LENGTH - 4);
		if (written >= 0)
			out[3 + written] = '\0';
	}
	explicit_bzero(key, sizeof(key));
	return written >= 0;
}
