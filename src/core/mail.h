/*
 * core/mail.h: what is new in a message body.
 *
 * The public face is kam_new_text (signals.h).  Here is the form that the
 * scanner uses: a text as long as the body, in which everything that is not
 * new stands blanked, so that a place in it is the same place in the body.
 */
#pragma once

#include "core/signals.h"

/*
 * Bytes of a message that are read: people do not write more, machines do, and
 * what relates words to dates grows with the square of a text.
 */
#define KAM_LONGEST_MESSAGE ((size_t) 64 * 1024)

typedef struct KamMail
{
	const char *aligned;		/* the body itself, or a copy of its length with what is cut blanked */
	size_t		length;
	size_t		start,			/* the new text lies in [start, end) */
				end;
	bool		automatic;		/* by the form of its subject */
	bool		absence;		/* its subject could be that of an absence note */
	bool		blanked;		/* aligned is a copy */
} KamMail;

extern KamMail kam_mail_read(KamArena *arena, const KamActivity *activity);

/* What a mail quotes of earlier ones, the rest blank; NULL when it quotes nothing. */
extern const char *kam_mail_quoted(KamArena *arena, const KamActivity *activity);

/* A subject without Re:, Fwd:, TR: and the like; *reply says whether one was there. */
extern const char *kam_bare_subject(const char *subject, bool *reply);
