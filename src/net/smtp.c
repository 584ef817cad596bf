/*
 * net/smtp.c: see smtp.h.
 *
 * The message is sent as RFC 5321 wants it whatever it holds: each line ends
 * with CR LF and no CR or LF stands alone (a server that took a lone one for
 * the end of a line could be made to see a second message), and a line that
 * begins with a dot gets another.
 */
#include "net/smtp.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_LINE 2000		/* of an answer; they may have 512 bytes */
#define MOST_LINES 100
#define WORDS_KEPT 200

typedef enum Stage
{
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_BODY,
	STAGE_OVER
} Stage;

struct KamSmtp
{
	const char *from,
			   *to,
			   *body;
	size_t		body_len;
	Stage		stage;
	KamSmtpEnd	end;
	char	   *out;
	size_t		out_len,
				out_sent;
	char		line[LONGEST_LINE];
	size_t		line_len;
	int			lines;
	int			status;
	char		words[WORDS_KEPT];
	bool		handed_over;
};

/* ---- what is said -------------------------------------------------------------------- */

static bool
say(KamSmtp *talk, char *text, size_t len)
{
	free(talk->out);
	talk->out = text;
	talk->out_len = text != NULL ? len : 0;
	talk->out_sent = 0;
	if (text == NULL)
		talk->end = KAM_SMTP_ODD;
	return text != NULL;
}

static void
say_command(KamSmtp *talk, const char *verb, const char *address, const char *parameters)
{
	size_t		size = strlen(verb) + strlen(address) + strlen(parameters) + 3;
	char	   *text = malloc(size);

	if (text != NULL)
		snprintf(text, size, "%s%s%s\r\n", verb, address, parameters);
	say(talk, text, size - 1);
}

static void
say_body(KamSmtp *talk)
{
	const char *at = talk->body;
	const char *end = at + talk->body_len;
	/* At worst each byte is a dot, or a line's end. */
	char	   *text = talk->body_len < SIZE_MAX / 4 ? malloc(2 * talk->body_len + 8) : NULL;
	char	   *to = text;
	bool		fresh = true;	/* at the beginning of a line */

	while (text != NULL && at < end)
	{
		if (*at == '\r' || *at == '\n')
		{
			at += *at == '\r' && at + 1 < end && at[1] == '\n' ? 2 : 1;
			*to++ = '\r';
			*to++ = '\n';
			fresh = true;
			continue;
		}
		if (fresh && *at == '.')
			*to++ = '.';
		*to++ = *at++;
		fresh = false;
	}
	if (text != NULL)
	{
		memcpy(to, fresh ? ".\r\n" : "\r\n.\r\n", fresh ? 3 : 5);
		to += fresh ? 3 : 5;
	}
	say(talk, text, (size_t) (to - text));
}

/* ---- what is heard ------------------------------------------------------------------- */

static void
take_words(KamSmtp *talk)
{
	size_t		skip = talk->line_len > 4 ? 4 : talk->line_len;
	size_t		len = talk->line_len - skip;

	if (len > WORDS_KEPT - 1)
		len = WORDS_KEPT - 1;
	memcpy(talk->words, talk->line + skip, len);
	talk->words[len] = '\0';
}

static void
refuse(KamSmtp *talk)
{
	if (talk->status < 400)
		talk->end = KAM_SMTP_ODD;
	else if (talk->stage == STAGE_MAIL && talk->status >= 500)
		talk->end = KAM_SMTP_SENDER_REFUSED;
	else
		talk->end = KAM_SMTP_REFUSED;
	talk->stage = STAGE_OVER;
}

/* A whole answer has come. */
static void
go_on(KamSmtp *talk)
{
	/* Before all was said there is nothing to answer but a server that closes. */
	if (talk->out_sent < talk->out_len || talk->status / 100 != (talk->stage == STAGE_DATA ? 3 : 2))
	{
		refuse(talk);
		return;
	}
	talk->stage++;
	if (talk->stage == STAGE_RCPT)
		say_command(talk, "RCPT TO:<", talk->to, ">");
	else if (talk->stage == STAGE_DATA)
		say_command(talk, "DATA", "", "");
	else if (talk->stage == STAGE_BODY)
		say_body(talk);
	else
		talk->end = KAM_SMTP_TAKEN;
}

static void
hear_line(KamSmtp *talk)
{
	const char *line = talk->line;
	int			status = 0;

	if (talk->line_len > 0 && line[talk->line_len - 1] == '\r')
		talk->line_len--;
	for (int i = 0; i < 3; i++)
		status = (size_t) i < talk->line_len && line[i] >= '0' && line[i] <= '9' ? status * 10 + line[i] - '0' : -1000;
	if (status < 200 || status > 599 || ++talk->lines > MOST_LINES || (talk->line_len > 3 && line[3] != ' ' && line[3] != '-'))
	{
		talk->end = KAM_SMTP_ODD;
		talk->stage = STAGE_OVER;
		return;
	}
	talk->status = status;
	take_words(talk);
	if (talk->line_len > 3 && line[3] == '-')
		return;
	talk->lines = 0;
	go_on(talk);
}

void
kam_smtp_hear(KamSmtp *talk, const char *data, size_t len)
{
	for (size_t i = 0; i < len && talk->end == KAM_SMTP_GOING; i++)
	{
		if (data[i] == '\n')
		{
			hear_line(talk);
			talk->line_len = 0;
		}
		else if (talk->line_len < LONGEST_LINE)
			talk->line[talk->line_len++] = data[i];
		else
		{
			talk->end = KAM_SMTP_ODD;
			talk->stage = STAGE_OVER;
		}
	}
}

/* ---- from outside --------------------------------------------------------------------- */

KamSmtp *
kam_smtp_new(const char *from, const char *to, const char *body, size_t body_len, bool utf8_addresses)
{
	KamSmtp    *talk = calloc(1, sizeof(KamSmtp));

	if (talk == NULL)
		return NULL;
	talk->from = from;
	talk->to = to;
	talk->body = body;
	talk->body_len = body_len;
	say_command(talk, "MAIL FROM:<", from, utf8_addresses ? "> SMTPUTF8" : ">");
	return talk;
}

void
kam_smtp_free(KamSmtp *talk)
{
	if (talk == NULL)
		return;
	free(talk->out);
	free(talk);
}

const char *
kam_smtp_say(const KamSmtp *talk, size_t *len)
{
	if (talk->end != KAM_SMTP_GOING || talk->out_sent == talk->out_len)
		return NULL;
	*len = talk->out_len - talk->out_sent;
	return talk->out + talk->out_sent;
}

void
kam_smtp_said(KamSmtp *talk, size_t len)
{
	talk->out_sent += len;
	if (talk->stage == STAGE_BODY && talk->out_sent == talk->out_len)
		talk->handed_over = true;
}

KamSmtpEnd
kam_smtp_end(const KamSmtp *talk)
{
	return talk->end;
}

bool
kam_smtp_handed_over(const KamSmtp *talk)
{
	return talk->handed_over;
}

int
kam_smtp_status(const KamSmtp *talk)
{
	return talk->status;
}

const char *
kam_smtp_words(const KamSmtp *talk)
{
	return talk->words;
}
