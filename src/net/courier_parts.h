/*
 * net/courier_parts.h: what courier.c, courier_connect.c and courier_mail.c
 * share; nobody else includes it.
 *
 * courier.c owns the deliveries, their beginnings and ends; courier_connect.c
 * which connections they may make; courier_mail.c what e-mails do beside.
 */
#pragma once

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdint.h>

#include "net/courier.h"
#include "net/multi.h"
#include "net/smtp.h"

#define KAM_OWN_PLACES 8
/* Handles kept for the next e-mail. */
#define KAM_SPARE_LINES 8

/*
 * What an e-mail has beside: libcurl connects, encrypts and logs in, on a
 * handle for this one alone (among the connections of others it would tidy
 * away what it takes for idle), and what follows is net/smtp.c's.
 */
typedef struct KamMail
{
	KamMulti   *line;
	KamSmtp    *talk;			/* NULL while libcurl is at work */
	curl_socket_t fd;
	uint32_t	watched;		/* events of fd */
	int64_t		deadline;		/* monotonic */
	bool		utf8;			/* the server takes addresses that are not ASCII */
	char	   *from,
			   *to;
} KamMail;

/* An address and port. */
typedef struct KamPlace
{
	struct in6_addr address;	/* IPv4 as ::ffff:a.b.c.d */
	int			port;
} KamPlace;

struct KamDelivery
{
	KamCourier *courier;
	KamDelivery *prev,
			   *next;
	void	   *owner;
	CURL	   *easy;			/* NULL once it has ended */
	struct curl_slist *headers;
	KamParcelKind kind;
	KamMail    *mail;			/* of MAIL, NULL of others */
	bool		guarded;		/* only public addresses */
	bool		tied;			/* private ones only where its URL leads, not where it is redirected to */
	KamPlace	own[KAM_OWN_PLACES];
	int			nown;
	bool		guard_refused;
	bool		lost_socket;
	bool		ended;
	const char *body;
	size_t		body_len,
				offset;
	int64_t		handed_over;	/* when libcurl had the last byte (monotonic); 0: not yet */
	char	   *answer;
	size_t		answer_len,
				max_answer;
	bool		too_large;
	char		error[CURL_ERROR_SIZE];
	KamReceipt	receipt;
};

struct KamCourier
{
	KamMulti	multi;
	char	   *ca_file,
			   *proxy;
	KamDelivery *first;			/* all of them */
	KamMulti   *spare[KAM_SPARE_LINES]; /* of e-mails that have ended: they know certificates and addresses */
	int			spares;
	int			in_flight;
	bool		check;			/* a socket was lost */
};

/* Sets an option where all went well before ("ok"). */
#define KAM_SET(option, value) (ok = ok && curl_easy_setopt(delivery->easy, option, value) == CURLE_OK)

/* ---- courier.c ---- */
extern long kam_parcel_timeout_ms(const KamParcel *parcel);
/* From a callback: this handle's socket cannot be watched. */
extern void kam_courier_lose_socket(CURL *easy);
/* Takes what libcurl has finished with. */
extern void kam_courier_reap(CURLM *handle);
/* Out of libcurl's hands; its easy handle is still there. */
extern void kam_delivery_detach(KamDelivery *delivery);
extern void kam_receipt_write(KamReceipt *receipt, const char *words);

/* ---- courier_connect.c: libcurl's callbacks ---- */
extern curl_socket_t kam_connect_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
extern int	kam_connect_check(void *arg, char *remote, char *local, int remote_port, int local_port);

/* ---- courier_mail.c ---- */
extern bool kam_mail_prepare(KamDelivery *delivery, const KamParcel *parcel);
/* libcurl has connected, encrypted and logged in. */
extern void kam_mail_begin(KamDelivery *delivery);
/* Moves it along. */
extern void kam_mail_run(KamDelivery *delivery);
extern void kam_mail_free(KamCourier *courier, KamMail *mail);
