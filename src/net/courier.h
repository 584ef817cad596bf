/*
 * net/courier.h: parcels on their way: webhooks by HTTP, e-mails by SMTP,
 * sheets that are fetched.  Many at once, none waited for.
 *
 * Nothing here blocks, raises, or knows of PostgreSQL.  What an answer means
 * for the parcel is not decided here, but whether it may have arrived is known.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct KamCourierSettings
{
	const char *ca_file;		/* "" or NULL: the system's */
	const char *proxy;			/* "" or NULL: none, whatever the environment says; for HTTP alone */
} KamCourierSettings;

typedef enum KamParcelKind
{
	KAM_PARCEL_POST,			/* HTTP POST; a redirect is an answer */
	KAM_PARCEL_MAIL,			/* SMTP; TLS is a must unless private is allowed */
	KAM_PARCEL_FETCH			/* HTTP GET; follows redirects, each address guarded */
} KamParcelKind;

typedef struct KamParcel
{
	KamParcelKind kind;
	const char *url;
	const char *const *headers; /* of POST, up to a NULL; NULL: none */
	const char *body;			/* stays where it is until the parcel is freed */
	size_t		body_len;
	const char *mail_from,
			   *mail_to;		/* of MAIL, bare addresses */
	const char *user,
			   *password;		/* of MAIL, or NULL */
	bool		allow_private;	/* addresses that are not public, http, SMTP without TLS */
	int			timeout_s;		/* of the whole */
	size_t		max_answer;		/* bytes kept; a fetched sheet of more is refused */
} KamParcel;

/* What went wrong without an answer; KAM_LOST_NOTHING when there is one. */
typedef enum KamLoss
{
	KAM_LOST_NOTHING,
	KAM_LOST_ADDRESS,			/* the URL cannot be used, or leads to an address that is not public */
	KAM_LOST_RESOLVE,
	KAM_LOST_CONNECT,
	KAM_LOST_TLS,
	KAM_LOST_LOGIN,				/* the server does not take user and password */
	KAM_LOST_TIMEOUT,
	KAM_LOST_CUT,				/* the connection ended in the middle of it */
	KAM_LOST_TOO_LARGE,
	KAM_LOST_INTERNAL			/* memory, descriptors */
} KamLoss;

typedef struct KamReceipt
{
	KamLoss		loss;
	char		words[256];		/* libcurl's or ours, printable ASCII */
	int			status;			/* of HTTP, or of the last line SMTP answered; 0: none came */
	bool		in_doubt;		/* all of it went out and no word came back: it may have arrived */
	long		retry_after_s;	/* what the server asks for; -1: nothing */
	const char *answer;			/* NUL-terminated; may hold anything */
	size_t		answer_len;
} KamReceipt;

typedef struct KamCourier KamCourier;
typedef struct KamDelivery KamDelivery;

extern const char *kam_loss_name(KamLoss loss);

/* After kam_net_init.  NULL with *why. */
extern KamCourier *kam_courier_new(const KamCourierSettings *settings, const char **why);
/* For those begun from now on; false when memory is exhausted. */
extern bool kam_courier_configure(KamCourier *courier, const KamCourierSettings *settings);
extern int	kam_courier_fd(const KamCourier *courier);	/* readable: call kam_courier_run */
extern long kam_courier_wait_ms(const KamCourier *courier);	/* until kam_courier_run is due anyway; -1: not */
extern int	kam_courier_in_flight(const KamCourier *courier);

/* Begins; strings but the body are copied, the password is wiped when it ends.  NULL with *why. */
extern KamDelivery *kam_courier_start(KamCourier *courier, const KamParcel *parcel, void *owner, const char **why);
extern void kam_courier_run(KamCourier *courier);
/* The next one that has ended and was not taken yet, or NULL. */
extern KamDelivery *kam_courier_take(KamCourier *courier);

extern void *kam_delivery_owner(const KamDelivery *delivery);
extern const KamReceipt *kam_delivery_receipt(const KamDelivery *delivery);	/* once it was taken */
/* At any time: whether all of it went out. */
extern bool kam_delivery_handed_over(const KamDelivery *delivery);
/* At any time; one under way is broken off. */
extern void kam_delivery_free(KamDelivery *delivery);
