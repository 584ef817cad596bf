/*
 * core/match.h: patterns over folded tokens, and the tables of rules made of
 * them.
 *
 * A pattern is a row of elements parted by spaces; they must stand next to
 * each other, within one sentence:
 *
 *   word        that folded word (no accents, no capitals, no apostrophes)
 *   stem*       a word that begins so
 *   {name}      a word of a class (lexicon_words.c)
 *   (a|b c|d*)  one of these, each a row of its own
 *   x?          x or nothing; x is a whole word, class or group, never a letter
 *   ..3         up to three words, no negation among them
 *   ...3        up to three words, negations too
 *   ~3          up to three words, neither a negation nor a comma between
 *   !x          the next word is not x (takes no word)
 *   ^           the sentence begins here
 *   ,           a clause begins here (a sentence does too)
 *   $           the sentence ends here
 *   #           a number;  #money  an amount of money
 *   <x>         x, and its words are the finding's name (competitor, person)
 *   {Name}      a word with a capital letter
 *   {contact}   the contact's first or last name
 *   {product}   a product of competitors.def; {product_start} the first word of one of several
 *               words; {word_product} one that is an ordinary word too
 */
#pragma once

#include "core/signals.h"

typedef struct KamRule
{
	KamSignalKind kind;
	const char *pattern,
			   *unless;			/* undone when this stands in the same sentence; NULL: never */
	unsigned	flags;
	const char *name;			/* objection's kind, pilot's state; NULL else */
} KamRule;

/* Who may say it; none of the three means whoever the kind allows. */
#define KAM_RULE_THEM		1	/* messages of the contact */
#define KAM_RULE_US			2	/* messages of ours */
#define KAM_RULE_NOTED		4	/* notes and call reports */
/* What does not undo it, where the kind would have it undone. */
#define KAM_RULE_ASKED		8	/* holds in a question: "can you remove me?" */
#define KAM_RULE_IFFY		16	/* holds after if, might, would */
#define KAM_RULE_NEGATED	32	/* holds after a negation */
/* What it needs besides. */
#define KAM_RULE_SHORT		64	/* the message has at most eight words */
#define KAM_RULE_DATED		128 /* a date in its sentence */
#define KAM_RULE_DATE_NEAR	256 /* a date in its sentence or the next or previous one */
#define KAM_RULE_QUESTION	512 /* its sentence is a question */
#define KAM_RULE_AUTOMATIC	1024	/* only in automatic messages */
#define KAM_RULE_HUMAN		2048	/* never in automatic messages */
#define KAM_RULE_FIRST_DATE 4096	/* the date is the sentence's first, not the one nearest the words */
#define KAM_RULE_AFTER		8192	/* the date stands behind the words */
#define KAM_RULE_WEAK		16384	/* says nothing more where a wait is asked for: "not now, in May" */

typedef struct KamRuleTable
{
	const KamRule *rule;
	int			count;
} KamRuleTable;

typedef struct KamWordClass
{
	const char *name,
			   *words;			/* parted by spaces; stem*; a_b for two words */
} KamWordClass;

/* The lexicon: lexicon_*.c. */
extern const KamWordClass kam_word_classes[];
extern const int kam_word_class_count;
extern const KamRuleTable kam_rules_end_fr,
			kam_rules_end_en,
			kam_rules_auto,
			kam_rules_dates_fr,
			kam_rules_dates_en,
			kam_rules_deal_fr,
			kam_rules_deal_en,
			kam_rules_more_en,
			kam_rules_more_fr,
			kam_rules_people;
/* Product names, folded, words joined by a space; and the number of rows. */
extern const char *const kam_products[];
extern const int kam_product_count;
extern const char *const kam_word_products[];	/* names that are ordinary words too: {word_product} */
extern const int kam_word_product_count;

/* A rule found: tokens [first, last], and the named part (-1, -1: none). */
typedef struct KamHit
{
	const KamRule *rule;
	int			first,
				last,
				name_first,
				name_last,
				hung;			/* where what the rule hangs on begins: hits come in this order */
} KamHit;

typedef struct KamHits
{
	KamHit	   *hit;
	int			count;
	uint64_t   *classes;		/* per token: what kam_token_is asks */
} KamHits;

/* Every rule that stands in the text and holds for a speaker (KAM_RULE_THEM ...). */
extern KamHits kam_match(KamArena *arena, const KamTokens *tokens, const KamContact *contact, unsigned who);

/* A rule's speakers: its own flags within what its kind allows, or only the machine (signals.c). */
#define KAM_SPEAKER_MACHINE 8
extern unsigned kam_rule_speakers(const KamRule *rule);

/* Classes that the judging of a hit needs; members of the table of the same name. */
typedef enum KamTokenClass
{
	KAM_CLASS_NOT,				/* negations: pas, jamais, not, never, without */
	KAM_CLASS_IF,				/* makes what follows a mere possibility */
	KAM_CLASS_ASK,				/* opens a question */
	KAM_CLASS_WE,				/* a subject: je, nous, on, I, we */
	KAM_CLASS_DATE,				/* may be part of a date */
	KAM_CLASS_PRODUCT,
	KAM_CLASS_CONTACT,
	KAM_CLASS_NOT_NAME,			/* capitalised words that are no names */
	KAM_CLASS_FIXED
} KamTokenClass;

static inline bool
kam_token_is(const KamHits *hits, int token, KamTokenClass class)
{
	return (hits->classes[token] >> class & 1) != 0;
}

/* NULL when every pattern compiles, else a sentence that names the bad one. */
extern const char *kam_lexicon_fault(void);
