/*
 * core/steering_internal.h: what the files of the search for steering texts share.
 */
#pragma once

#include "core/check_internal.h"
#include "core/evidence_internal.h"
#include "core/steering.h"
#include "core/text.h"

/* steering_orders.c: the first wording of an order, or NULL. */
extern const char *kam_steering_order(KamArena *arena, const KamTokens *tokens);

/* The first piece of markup that means something to a program; "lower" is in small letters. */
extern const char *kam_steering_markup(KamArena *arena, const char *lower);

/*
 * steering_decode.c: other readings of a text, each NULL when it is none.
 * Lookalikes made Latin, leet and spaced-out letters made words; *mixed: a
 * word mixes alphabets.
 */
extern char *kam_read_lookalikes(KamArena *arena, const char *text, bool *mixed);
extern char *kam_read_rot13(KamArena *arena, const char *text);
extern char *kam_read_backwards(KamArena *arena, const char *text);

/* What is encoded in it (base64, hexadecimal, entities, escapes, codes), decoded, one after the other. */
extern char *kam_read_encoded(KamArena *arena, const char *text);
