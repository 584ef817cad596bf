/*
 * core/agents/agents_internal.h: what the built-in agents share among
 * themselves: their functions, what can be said of a contact (hooks), the
 * wording tables and small helpers.  Nobody outside agents/ includes it.
 */
#pragma once

#include "core/agents.h"
#include "core/check.h"
#include "core/evidence.h"

/* ---- the ten agents ---------------------------------------------------- */

extern json_t *kam_agent_context(const KamEnv *env, const KamInputs *in);
extern json_t *kam_agent_opportunity(const KamEnv *env, const KamInputs *in);
extern json_t *kam_agent_state(const KamEnv *env, const KamInputs *in);
extern json_t *kam_agent_timing(const KamEnv *env, const KamInputs *in);
extern json_t *kam_agent_evaluator(const KamEnv *env, const KamInputs *in);
extern json_t *kam_agent_channel(const KamEnv *env, const KamInputs *in);
extern json_t *kam_agent_content(const KamEnv *env, const KamInputs *in);
extern json_t *kam_agent_sequence(const KamEnv *env, const KamInputs *in);
extern json_t *kam_agent_synthesis(const KamEnv *env, const KamInputs *in);
extern json_t *kam_agent_judge(const KamEnv *env, const KamInputs *in);

/* ---- small helpers (helpers.c) ----------------------------------------- */

/* Is activity i of the contact a person's message in that direction: no meeting, note, engagement or automatic mail? */
extern bool kam_is_message(const KamInputs *in, int i, KamDirection direction);
/* "two" ... "ten", digits above; for sentences. */
extern const char *kam_count_word(KamArena *arena, int n);
/* "one message", "three messages". */
extern const char *kam_count_of(KamArena *arena, int n, const char *one, const char *many);
/* "10 March 2026" in the zone: the form of all English reasoning. */
extern const char *kam_english_date(KamArena *arena, const KamZone *zone, KamTime at);
/* "Inès Carpentier", "the contact" when nameless. */
extern const char *kam_contact_name(KamArena *arena, const KamContact *contact);
/* Unicode characters of a valid or invalid UTF-8 text. */
extern int	kam_characters(const char *text);
/* Number of words between white space. */
extern int	kam_word_count(const char *text);
/* Stable hash of who the contact is, for choosing among phrasings. */
extern uint32_t kam_identity_hash(const KamContact *contact, const char *salt);
/* {text, evidence} from a fact's evidence; NULL list gives NULL. */
extern json_t *kam_claim(const char *text, const KamEvidence *evidence);
/* Pushes a claim unless its evidence does not bear it out; takes the reference. */
extern void kam_push_claim(const KamEnv *env, const KamContact *contact, json_t *claims, json_t *claim);
/* It was us who did not come to the meeting. */
extern bool kam_is_our_no_show(const KamFacts *facts);
/* True when the plan sends something. */
extern bool kam_plan_sends(const KamPlan *plan);
/* "fr" or "en", never NULL. */
extern const char *kam_message_language(const KamInputs *in);

/* ---- hooks (hooks.c) ---------------------------------------------------- */

#define KAM_RECENT_MESSAGES 8	/* newest inbound texts that are read again */
#define KAM_HOOK_QUOTES 4
#define KAM_QUOTE_CHARACTERS 80

typedef struct KamHook
{
	const char *text;			/* their words, exactly */
	const KamActivity *activity;
	const char *field;
	bool		question;
} KamHook;

/* What there is to talk about with this contact. */
typedef struct KamHooks
{
	const char *language;
	const char *request;		/* what they asked for, as a noun phrase seen from us: "la fiche technique du module 4" */
	const KamSignal *request_signal;	/* newest request, even when no phrase could be made of it */
	bool		request_pending;	/* nothing from us went out since */
	bool		request_meeting;	/* it asks for a call, demo or meeting */
	const char *topic;			/* another matter they spoke of, as a noun phrase */
	const KamActivity *topic_activity;
	bool		topic_requested;	/* they asked for it rather than spoke of it */
	const KamSignal *question;	/* newest question */
	const char *question_words; /* its sentence without the question mark; NULL when too long */
	bool		question_pending;
	const char *subject;		/* of the thread, without Re: */
	KamHook		quote[KAM_HOOK_QUOTES];	/* newest first */
	int			nquotes;
	const json_t *resource;		/* best match, or NULL */
	const char *resource_term;	/* what it matched by */
	bool		resource_asked;	/* the match stands in a request or question of theirs */
} KamHooks;

/* Found once per run, as long as the inputs have a place to keep them. */
extern void kam_hooks_find(const KamEnv *env, const KamInputs *in, KamHooks *out);

/* ---- what people made of earlier decisions (history.c) -------------------- */

/* The verdicts on decisions that share something with this one: an approval counts 1, an edit a half, a rejection 0. */
typedef struct KamShare
{
	int			n,
				approved;
	double		sum;
} KamShare;

typedef struct KamLearnt
{
	int			rows;			/* validated decisions that were looked at */
	KamShare	action,			/* of the same action, of whatever channel and wording */
				channel,
				tone;
	double		alignment;		/* 0 (rejected) to 1 (approved), those most like this one counting most; -1: nothing alike */
	const char *closest;		/* what became of the one most like it: approved, edited, rejected; NULL: none is close */
	int			edits;			/* messages that people rewrote */
	bool		shorter,		/* they made them shorter */
				without_question;	/* ... and took the question out */
} KamLearnt;

extern void kam_learn(const KamInputs *in, KamChannel channel, const char *tone, KamLearnt *out);
/* The content agent's historical_context. */
extern json_t *kam_historical_context(KamArena *arena, const KamInputs *in, const KamLearnt *learnt);

/* ---- resources (resource.c) ---------------------------------------------- */

/* A text of theirs in which a resource's terms are sought: folded, between spaces. */
typedef struct KamHaystack
{
	const char *text;
	double		weight;
	bool		asked;			/* a request or question */
} KamHaystack;

#define KAM_HAYSTACKS (KAM_RECENT_MESSAGES + 8)

/* Picks the resource that answers them best: sets resource, resource_term, resource_asked. */
extern void kam_match_resource(const KamEnv *env, const KamInputs *in, const KamHaystack *hay, int nhay, KamHooks *out);
extern bool kam_is_small_word(const char *word);

/* ---- wording (wording_fr.c, wording_en.c, compose.c) -------------------- */

typedef enum KamSlot
{
	KAM_SLOT_SUBJECT,			/* of an e-mail */
	KAM_SLOT_OPENING,			/* first paragraph of an e-mail */
	KAM_SLOT_BODY,				/* second */
	KAM_SLOT_CONCERN,			/* answer to an objection they raised */
	KAM_SLOT_EXTRA,				/* one more sentence for an e-mail that came out too short */
	KAM_SLOT_ASK,				/* the one request; last before the sign-off */
	KAM_SLOT_SIGN_OFF,
	KAM_SLOT_SHORT,				/* the heart of a LinkedIn or WhatsApp message */
	KAM_SLOT_SHORT_ASK,
	KAM_SLOT_CALL,				/* what to say first on the phone */
	KAM_SLOT_CALL_ASK,
	KAM_SLOT_CALL_GOAL,			/* for the rep's eyes */
	KAM_SLOTS
} KamSlot;

/*
 * One phrasing.  {name} stands for a value and makes the row unusable when
 * there is none; {?name} and {!name} ask for a value or its absence and print
 * nothing.  Among the usable rows of the highest rank the contact's identity
 * chooses.
 */
typedef struct KamPhrase
{
	KamVariant	variant;		/* KAM_NO_VARIANT: every one */
	KamSlot		slot;
	int			rank;
	const char *text;
} KamPhrase;

typedef struct KamWording
{
	const char *language;
	const char *greeting,		/* with {first} */
			   *greeting_nameless,
			   *short_greeting,
			   *short_greeting_nameless;
	const char *call_goal,		/* headings of a call script */
			   *call_open,
			   *call_here,		/* with {owner} */
			   *call_then,
			   *call_voicemail;
	const char *voicemail;		/* with {owner} */
	const char *voicemail_nameless;
	const char *spoke_of,		/* before a topic: "you had mentioned " */
			   *asked_for;
	const char *question_mark;	/* " ?" or "?" */
	const char *post_open,		/* around the title of a post of ours */
			   *post_close;
	bool		spaced_marks;	/* a no-break space before ? ! : ; and inside guillemets */
	const char *month[12];
	const KamPhrase *phrase;
	int			nphrases;
} KamWording;

extern const KamWording kam_wording_fr;
extern const KamWording kam_wording_en;

#define KAM_VALUES 48
#define KAM_SLOT_PHRASES 40		/* of one variant and slot */

typedef struct KamValue
{
	const char *name;
	const char *value;			/* NULL: not there */
} KamValue;

/* Everything a phrase may name, for one contact. */
typedef struct KamCompose
{
	const KamEnv *env;
	const KamInputs *in;
	const KamWording *wording;
	KamVariant	variant;
	KamValue	value[KAM_VALUES];
	int			nvalues;
	const KamPhrase *phrase[KAM_SLOTS][KAM_SLOT_PHRASES];	/* of the variant, highest rank first */
	int			nphrases[KAM_SLOTS];
	bool		concise,		/* validated edits and practices want it short */
				no_question;	/* ... or without a question */
} KamCompose;

/* values.c.  Fills the values; everything that a phrase may name. */
extern void kam_compose_open(const KamEnv *env, const KamInputs *in, const KamHooks *hooks, KamCompose *out);
/* The message of a channel: {message} and for e-mail {subject, message}. */
extern json_t *kam_compose(const KamCompose *compose, KamChannel channel);
/* Files the wording's phrases of the variant by slot; kam_compose_open calls it. */
extern void kam_index_phrases(KamCompose *compose);
/* A name, title or subject fit to be put into a sentence; NULL when it is not. */
extern char *kam_sayable(KamArena *arena, const char *text, int max_characters);
/* "10 mars", "1er mars", with the year when it is more than ten months away. */
extern const char *kam_say_date(KamArena *arena, const KamWording *wording, const KamZone *zone, KamTime at, KamTime as_of);

/* ---- sequence (sequence.c) ---------------------------------------------- */

/* Further touches after the decision: array of touches, possibly empty. */
extern json_t *kam_sequence_touches(const KamEnv *env, const KamInputs *in);
