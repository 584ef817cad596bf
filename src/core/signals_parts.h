/*
 * core/signals_parts.h: a message while it is read.  signals.c and
 * signals_context.c share it, nobody else includes it.
 */
#pragma once

#include <string.h>
#include <strings.h>

#include "core/mail.h"
#include "core/match.h"
#include "core/when.h"

typedef struct Reader
{
	const KamEnv *env;
	const KamContact *contact;
	const KamActivity *activity;
	unsigned	who;
	bool		automatic,
				absence;		/* its subject is one of absence notes */
	/* the field at hand */
	const char *field,
			   *source,			/* as it stands in the contact */
			   *aligned;		/* the same with what is cut blanked */
	KamTokens	tokens;
	KamHits		hits;
	KamWhen    *when;
	int			whens;			/* -1: not looked for yet */
	/* what was found */
	KamSignal  *signal;
	uint32_t   *place;			/* per signal: field and byte, for their order */
	int			count,
				room;
} Reader;

/* Where a token stands (signals_context.c). */
extern bool kam_reader_same_sentence(const Reader *r, int a, int b);
extern int	kam_reader_clause_begin(const Reader *r, int token);
extern int	kam_reader_clause_end(const Reader *r, int token);
extern bool kam_reader_word_is(const Reader *r, int token, const char *word);
extern bool kam_reader_is_negated(const Reader *r, const KamHit *hit);
extern bool kam_reader_is_supposed(const Reader *r, const KamHit *hit);
extern bool kam_reader_is_asked(const Reader *r, const KamHit *hit);
extern const KamWhen *kam_reader_date_of(Reader *r, const KamHit *hit, unsigned flags);
extern bool kam_reader_may_hold_date(const Reader *r, const KamHit *hit, bool near);
extern bool kam_reader_word_in(const Reader *r, int token, const char *const *words, size_t count);

#define WORD_IN(r, token, words) kam_reader_word_in(r, token, words, KAM_LENGTHOF(words))
