/*
 * net/courier_mail.c: what an e-mail does beside: a handle of its own, on which
 * libcurl connects, encrypts and logs in, and the conversation from there on
 * (net/smtp.c), pumped without waiting.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#include "net/courier_parts.h"

/* ---- handles ---------------------------------------------------------------------- */

static void
close_line(KamMulti *line)
{
	kam_multi_close(line);
	free(line);
}

static KamMulti *
open_line(KamCourier *courier)
{
	struct epoll_event event = {.events = EPOLLIN};
	KamMulti   *line;

	if (courier->spares > 0)
		return courier->spare[--courier->spares];
	line = calloc(1, sizeof(KamMulti));
	if (line == NULL)
		return NULL;
	if (kam_multi_open(line, kam_courier_lose_socket) == NULL)
	{
		event.data.fd = line->epoll;
		if (epoll_ctl(courier->multi.epoll, EPOLL_CTL_ADD, line->epoll, &event) == 0)
			return line;
	}
	close_line(line);
	return NULL;
}

/* Once its easy handle is gone, and its connection with it. */
static void
put_line(KamCourier *courier, KamMulti *line)
{
	if (line == NULL)
		return;
	if (courier->spares < KAM_SPARE_LINES)
		courier->spare[courier->spares++] = line;
	else
		close_line(line);
}

/* ---- before it begins --------------------------------------------------------------- */

/* A line of the server's answers while libcurl talks. */
static size_t
take_line(char *data, size_t size, size_t count, void *arg)
{
	KamDelivery *delivery = arg;
	size_t		len = size * count;

	if (len >= 12 && strncasecmp(data + 4, "SMTPUTF8", 8) == 0)
		delivery->mail->utf8 = true;
	return len;
}

bool
kam_mail_prepare(KamDelivery *delivery, const KamParcel *parcel)
{
	KamMail    *mail = calloc(1, sizeof(KamMail));
	bool		ok;

	if (mail == NULL)
		return false;
	delivery->mail = mail;
	mail->deadline = kam_monotonic_us() + (int64_t) kam_parcel_timeout_ms(parcel) * 1000;
	mail->from = strdup(parcel->mail_from);
	mail->to = strdup(parcel->mail_to);
	mail->line = open_line(delivery->courier);
	ok = mail->from != NULL && mail->to != NULL && mail->line != NULL;
	KAM_SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	KAM_SET(CURLOPT_USE_SSL, (long) (parcel->allow_private ? CURLUSESSL_TRY : CURLUSESSL_ALL));
	KAM_SET(CURLOPT_CONNECT_ONLY, 1L);
	KAM_SET(CURLOPT_HEADERFUNCTION, take_line);
	KAM_SET(CURLOPT_HEADERDATA, delivery);
	if (parcel->user != NULL)
	{
		KAM_SET(CURLOPT_USERNAME, parcel->user);
		KAM_SET(CURLOPT_PASSWORD, parcel->password != NULL ? parcel->password : "");
	}
	return ok;
}

/* ---- once the server is reached --------------------------------------------------------- */

static void
end_mail(KamDelivery *delivery, KamLoss loss, const char *words)
{
	KamMail    *mail = delivery->mail;
	KamReceipt *receipt = &delivery->receipt;
	size_t		sent;

	receipt->loss = loss;
	receipt->status = mail->talk != NULL ? kam_smtp_status(mail->talk) : 0;
	receipt->retry_after_s = -1;
	receipt->answer = "";
	receipt->in_doubt = loss != KAM_LOST_NOTHING && mail->talk != NULL && kam_smtp_handed_over(mail->talk);
	kam_receipt_write(receipt, words);
	/* A courtesy: nobody waits for what is said to it. */
	if (loss == KAM_LOST_NOTHING)
		(void) curl_easy_send(delivery->easy, "QUIT\r\n", 6, &sent);
	kam_delivery_detach(delivery);
	curl_easy_cleanup(delivery->easy);
	delivery->easy = NULL;
	put_line(delivery->courier, mail->line);
	mail->line = NULL;
	kam_smtp_free(mail->talk);
	mail->talk = NULL;
}

static bool
is_ascii(const char *text)
{
	while (*text != '\0')
		if ((signed char) *text++ < 0)
			return false;
	return true;
}

void
kam_mail_begin(KamDelivery *delivery)
{
	KamMail    *mail = delivery->mail;
	bool		utf8 = !is_ascii(mail->from) || !is_ascii(mail->to);

	mail->talk = kam_smtp_new(mail->from, mail->to, delivery->body, delivery->body_len, utf8);
	if (mail->talk == NULL || curl_easy_getinfo(delivery->easy, CURLINFO_ACTIVESOCKET, &mail->fd) != CURLE_OK || mail->fd == CURL_SOCKET_BAD)
		end_mail(delivery, KAM_LOST_INTERNAL, "the connection was lost sight of");
	else if (utf8 && !mail->utf8)
	{
		end_mail(delivery, KAM_LOST_NOTHING, "the mail server takes no address that is not ASCII (SMTPUTF8)");
		delivery->receipt.status = 553;
	}
}

static void
watch_talk(KamDelivery *delivery)
{
	KamMail    *mail = delivery->mail;
	size_t		len;
	uint32_t	events = EPOLLIN | (kam_smtp_say(mail->talk, &len) != NULL ? EPOLLOUT : 0);
	struct epoll_event event = {.events = events, .data.fd = mail->fd};

	if (mail->watched == events)
		return;
	if (epoll_ctl(mail->line->epoll, mail->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, mail->fd, &event) != 0)
		end_mail(delivery, KAM_LOST_INTERNAL, "the socket could not be watched");
	mail->watched = events;
}

/* Says and hears what can be said and heard now. */
static void
pump(KamDelivery *delivery)
{
	KamMail    *mail = delivery->mail;
	CURLcode	code = CURLE_OK;
	char		buffer[4096];
	const char *text;
	size_t		len;

	while (kam_smtp_end(mail->talk) == KAM_SMTP_GOING && code == CURLE_OK)
	{
		size_t		done = 0;

		text = kam_smtp_say(mail->talk, &len);
		if (text != NULL)
		{
			code = curl_easy_send(delivery->easy, text, len, &done);
			if (code == CURLE_OK)
				kam_smtp_said(mail->talk, done);
			if (code == CURLE_OK && done > 0)
				continue;
		}
		code = curl_easy_recv(delivery->easy, buffer, sizeof(buffer), &done);
		if (code == CURLE_OK && done == 0)
			code = CURLE_RECV_ERROR;	/* it has closed */
		else if (code == CURLE_OK)
			kam_smtp_hear(mail->talk, buffer, done);
	}
	switch (kam_smtp_end(mail->talk))
	{
		case KAM_SMTP_TAKEN:
			end_mail(delivery, KAM_LOST_NOTHING, "");
			break;
		case KAM_SMTP_REFUSED:
			end_mail(delivery, KAM_LOST_NOTHING, kam_smtp_words(mail->talk));
			break;
		case KAM_SMTP_SENDER_REFUSED:
			end_mail(delivery, KAM_LOST_LOGIN, kam_smtp_words(mail->talk));
			break;
		case KAM_SMTP_ODD:
			end_mail(delivery, KAM_LOST_CUT, "what the mail server said is no answer");
			break;
		case KAM_SMTP_GOING:
			if (code != CURLE_AGAIN)
				end_mail(delivery, KAM_LOST_CUT, "the mail server closed the connection");
			else if (kam_monotonic_us() >= mail->deadline)
				end_mail(delivery, KAM_LOST_TIMEOUT, "no answer in time");
			else
				watch_talk(delivery);
			break;
	}
}

void
kam_mail_run(KamDelivery *delivery)
{
	KamMail    *mail = delivery->mail;

	if (mail->talk == NULL)
	{
		(void) kam_multi_step(mail->line);
		kam_courier_reap(mail->line->curl);
	}
	if (!delivery->ended && mail->talk != NULL)
		pump(delivery);
}

void
kam_mail_free(KamCourier *courier, KamMail *mail)
{
	kam_smtp_free(mail->talk);
	put_line(courier, mail->line);
	free(mail->from);
	free(mail->to);
	free(mail);
}
