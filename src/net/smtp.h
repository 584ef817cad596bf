/*
 * net/smtp.h: one message's part of a conversation over SMTP (RFC 5321), from
 * MAIL to the answer to its last byte.
 *
 * libcurl connects, encrypts and logs in; from there on it would wait for the
 * answer to a message with everything else standing still, so that part is
 * ours.  Bytes go in and come out here, and nothing else happens: no socket,
 * no clock, no PostgreSQL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum KamSmtpEnd
{
	KAM_SMTP_GOING,
	KAM_SMTP_TAKEN,				/* the server has it */
	KAM_SMTP_REFUSED,			/* it said no: see status */
	KAM_SMTP_SENDER_REFUSED,	/* it takes nothing from this sender: says nothing about who it is for */
	KAM_SMTP_ODD				/* what came is no answer */
} KamSmtpEnd;

typedef struct KamSmtp KamSmtp;

/* The strings stay where they are until it is freed.  NULL: no memory. */
extern KamSmtp *kam_smtp_new(const char *from, const char *to, const char *body, size_t body_len, bool utf8_addresses);
extern void kam_smtp_free(KamSmtp *talk);

/* What is to be sent next, NULL for nothing; and that so much of it was. */
extern const char *kam_smtp_say(const KamSmtp *talk, size_t *len);
extern void kam_smtp_said(KamSmtp *talk, size_t len);
/* What came. */
extern void kam_smtp_hear(KamSmtp *talk, const char *data, size_t len);

extern KamSmtpEnd kam_smtp_end(const KamSmtp *talk);
/* Whether the message went out to its last byte: without an answer it may have arrived. */
extern bool kam_smtp_handed_over(const KamSmtp *talk);
/* The last answer: its status, and its words. */
extern int	kam_smtp_status(const KamSmtp *talk);
extern const char *kam_smtp_words(const KamSmtp *talk);
