/*
 * pg/sign.h: signatures of Standard Webhooks.
 */
#pragma once

#include "postgres.h"

#define KAM_SIGNATURE_LENGTH 64

/*
 * "v1,<base64>" of HMAC-SHA256 over "id.timestamp.body" into out.  The secret
 * is "whsec_" and base64 of 24 to 64 bytes, or that base64 alone; false when it
 * is none.  Leaves no copy of the secret behind.
 */
extern bool kam_sign_webhook(const char *secret, const char *id, int64 timestamp, const char *body, size_t len,
							 char out[KAM_SIGNATURE_LENGTH]);
