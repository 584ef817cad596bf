/*
 * core/signals.h: what a message says, found by tables of rules.
 *
 * One message in, a list of signals out, each with the place that proves it.
 * Only new text is read (mail.h cuts quoted history, forwarded blocks,
 * signatures and footers).  Which signal becomes which fact, and what a later
 * message undoes, is facts.c's business.
 */
#pragma once

#include "core/contact.h"
#include "core/text.h"

typedef enum KamSignalKind
{
	KAM_SIGNAL_CHURN,			/* ends or does not renew contract, subscription, pilot, collaboration */
	KAM_SIGNAL_OPT_OUT,			/* asks not to be contacted again */
	KAM_SIGNAL_LEFT_COMPANY,
	KAM_SIGNAL_BOUNCE,			/* hard bounce; name = the address in the notice, or NULL */
	KAM_SIGNAL_OUT_OF_OFFICE,	/* at = return date or KAM_NO_TIME */
	KAM_SIGNAL_AUTO_REPLY,		/* any automatic message: it is not an answer */
	KAM_SIGNAL_WAIT,			/* "recontactez-moi en avril": at = that date */
	KAM_SIGNAL_MEETING_AGREED,	/* a future meeting or call with a date, confirmed: at = its time */
	KAM_SIGNAL_MEETING_PROPOSED,	/* proposed, not agreed; at = its time or KAM_NO_TIME */
	KAM_SIGNAL_NO_SHOW_US,		/* we did not come */
	KAM_SIGNAL_NO_SHOW_THEM,	/* they did not come */
	KAM_SIGNAL_PRICING,			/* price, quote, amount of our offer */
	KAM_SIGNAL_BUDGET_CONSTRAINT,
	KAM_SIGNAL_DEMO_HELD,
	KAM_SIGNAL_DEMO_POSITIVE,
	KAM_SIGNAL_COMPETITOR,		/* name = as written */
	KAM_SIGNAL_COMPETITOR_PREFERRED,	/* name: chosen or preferred over us */
	KAM_SIGNAL_PILOT,			/* running or planned; name = "running", "planned", "ended" */
	KAM_SIGNAL_PILOT_REVIEW,	/* at = when it is reviewed */
	KAM_SIGNAL_OBJECTION,		/* name = budget, timing, need, authority, competition, security, integration, complexity */
	KAM_SIGNAL_TIMING,			/* a specific date set for a next step: at */
	KAM_SIGNAL_TOUCHPOINT,		/* a dated future point of contact in mails or notes: at */
	KAM_SIGNAL_POSITIVE,		/* a positive answer: interest, thanks for something useful, agreement */
	KAM_SIGNAL_INTEREST,		/* asks for information, a demo, a document, a quote, a call */
	KAM_SIGNAL_QUESTION,		/* asks us something */
	KAM_SIGNAL_RENEWED,			/* takes back an end or an opt-out: "finalement nous continuons" */
	KAM_SIGNAL_DECISION_MAKER,	/* name: the person who decides, when not the writer */
	KAM_SIGNAL_CHAMPION,		/* the writer supports us inside: "je le defends en interne" */
	KAM_SIGNAL_STAKEHOLDER,		/* name: a person named with a role: "Marc Petit, notre DSI" */
	KAM_SIGNAL_KINDS
} KamSignalKind;

typedef struct KamSignal
{
	KamSignalKind kind;
	const KamActivity *activity;
	const char *field;			/* "subject" or "body" */
	const char *quote;			/* the words that prove it, exactly as they stand in the field (in the arena) */
	KamTime		at;				/* KAM_NO_TIME when the kind has none */
	const char *name;			/* NULL when the kind has none */
} KamSignal;

typedef struct KamSignals
{
	KamSignal  *signal;
	int			count;
} KamSignals;

/*
 * The signals of one activity, in the order of the text.  Inbound-only kinds
 * (opt-out, left, bounce, out of office, wait, objection, positive, interest,
 * question) are not reported for outbound messages; notes (no direction)
 * speak of the contact in the third person and are read too.
 */
extern KamSignals kam_signals_scan(const KamEnv *env, const KamContact *contact, const KamActivity *activity);

/* The new text of a message body: what kam_signals_scan reads, and nothing else. */
typedef struct KamNewText
{
	const char *text;			/* points into the body */
	size_t		length;
	bool		automatic;		/* an auto-reply, receipt or bounce by its form */
} KamNewText;

extern KamNewText kam_new_text(KamArena *arena, const KamActivity *activity);
