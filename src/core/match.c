/*
 * core/match.c: finds the lexicon's patterns in tokenized text.
 *
 * Cost is kept off the token: only one that is an atom on which patterns hang
 * starts an attempt, and sieves turn most attempts away.  What the lexicon knows
 * of a word is kept: a language's usual words are few.  One thread only.
 */
#include "core/lexicon.h"

#define MAX_TOKEN_ATOMS 6

typedef struct TokenAtoms
{
	uint16_t	atom[MAX_TOKEN_ATOMS];
	uint16_t	count;
	uint64_t	coarse;			/* their coarse sieve */
	Sieve		pieces;			/* that they can open */
} TokenAtoms;

typedef struct Scan
{
	const KamTokens *tokens;
	const TokenAtoms *atoms;
	const uint64_t *classes;
	int			begin,			/* the sentence: tokens [begin, end) */
				end;
	Sieve		pieces;			/* that its tokens can open */
	int			name_first,
				name_last;
} Scan;

static inline bool
has_atom(const TokenAtoms *t, uint16_t atom)
{
	for (int k = 0; k < t->count; k++)
		if (t->atom[k] == atom)
			return true;
	return false;
}

static int	follow(Scan *s, const Node *n, int pos);

/* Can the token at pos for certain not open this node?  Spares most calls. */
static inline bool
misses(const Scan *s, const Node *n, int pos)
{
	const TokenAtoms *t;

	if (n->kind == NODE_ATOM)
		return pos >= s->end || !has_atom(&s->atoms[pos], n->value);
	if (n->kind == NODE_CLASS)
		return pos >= s->end || !(s->classes[pos] >> n->value & 1);
	if (n->kind != NODE_CHOICE || n->choice->others > 0)
		return false;
	if (pos >= s->end)
		return true;
	if (s->classes[pos] & n->choice->classes)
		return false;
	t = &s->atoms[pos];
	for (int k = 0; k < t->count; k++)
		if (has_bit(&n->choice->sieve, t->atom[k]))
			return false;
	return true;
}

/* The first way that begins with an atom, or with a later one.  Halves without a branch, whose outcome nothing foretells. */
static inline int
first_way(const Choice *choice, uint16_t atom)
{
	int			low = 0;

	for (int left = choice->ways; left > 0;)
	{
		int			half = (left + 1) / 2;

		low += half & -(int) (choice->atom[low + half - 1] < atom);
		left -= half;
	}
	return low;
}

/* A group: only the ways that the token at pos can open are tried. */
static int
follow_choice(Scan *s, const Choice *choice, int pos)
{
	if (pos < s->end)
	{
		const TokenAtoms *t = &s->atoms[pos];

		if (s->classes[pos] & choice->classes)
		{
			int			found = follow(s, choice->out, pos + 1);

			if (found >= 0)
				return found;
		}
		for (int k = 0; k < t->count; k++)
		{
			if (!has_bit(&choice->sieve, t->atom[k]))
				continue;
			for (int way = first_way(choice, t->atom[k]); way < choice->ways && choice->atom[way] == t->atom[k]; way++)
			{
				int			found;

				if (misses(s, choice->next[way], pos + 1))
					continue;
				found = follow(s, choice->next[way], pos + 1);
				if (found >= 0)
					return found;
			}
		}
	}
	for (int k = 0; k < choice->others; k++)
	{
		int			found;

		if (misses(s, choice->other[k], pos))
			continue;
		found = follow(s, choice->other[k], pos);
		if (found >= 0)
			return found;
	}
	return -1;
}

/* The token behind the match, or -1. */
static int
follow(Scan *s, const Node *n, int pos)
{
	for (;; n = n->next)
	{
		switch ((NodeKind) n->kind)
		{
			case NODE_ATOM:
				if (pos >= s->end || !has_atom(&s->atoms[pos], n->value))
					return -1;
				pos++;
				break;
			case NODE_CLASS:
				if (pos >= s->end || !(s->classes[pos] >> n->value & 1))
					return -1;
				pos++;
				break;
			case NODE_GAP:
				for (int k = 0;; k++)
				{
					int			found;

					if (n->max > 0 && !n->over_comma && pos < s->end && s->tokens->token[pos].flags & KAM_TOKEN_CLAUSE)
						return -1;
					if (k == n->max)
						break;
					if (!misses(s, n->next, pos))
					{
						found = follow(s, n->next, pos);
						if (found >= 0)
							return found;
					}
					if (pos >= s->end || (!n->over_not && s->classes[pos] >> KAM_CLASS_NOT & 1))
						return -1;
					pos++;
				}
				break;
			case NODE_SPLIT:
				{
					int			found = misses(s, n->next, pos) ? -1 : follow(s, n->next, pos);

					if (found >= 0)
						return found;
					return misses(s, n->other, pos) ? -1 : follow(s, n->other, pos);
				}
			case NODE_CHOICE:
				return follow_choice(s, n->choice, pos);
			case NODE_NOT:
				if (!misses(s, n->other, pos) && follow(s, n->other, pos) >= 0)
					return -1;
				break;
			case NODE_SENTENCE:
				if (pos != s->begin)
					return -1;
				break;
			case NODE_CLAUSE:
				if (pos != s->begin && !(pos < s->end && s->tokens->token[pos].flags & KAM_TOKEN_CLAUSE))
					return -1;
				break;
			case NODE_END:
				if (pos != s->end)
					return -1;
				break;
			case NODE_OPEN:
				s->name_first = pos;
				break;
			case NODE_CLOSE:
				s->name_last = pos - 1;
				break;
			case NODE_ACCEPT:
				return pos;
		}
	}
}

static inline void
note_atom(const Lexicon *lx, TokenAtoms *t, uint64_t *classes, int atom)
{
	if (atom >= 0 && t->count < MAX_TOKEN_ATOMS)
	{
		t->atom[t->count++] = (uint16_t) atom;
		t->coarse |= coarse_bit((uint16_t) atom);
		for (size_t k = 0; k < KAM_LENGTHOF(t->pieces.bits); k++)
			t->pieces.bits[k] |= lx->atom[atom].pieces.bits[k];
		*classes |= lx->atom[atom].classes;
	}
}

/* What the lexicon knows of a word by its spelling, kept until another word takes its slot. */
typedef struct KnownWord
{
	Head		head;
	uint8_t		length;
	int16_t		exact;			/* the atom that is the whole word, or -1 */
	uint64_t	classes;
	TokenAtoms	atoms;			/* their coarse sieve is 0 in an empty slot */
} KnownWord;

#define KNOWN_WORDS 2048		/* power of two */

static KnownWord known_words[KNOWN_WORDS];

/* Looks a word up in the lexicon. */
static void
read_word(const Lexicon *lx, Head head, const KamToken *token, KnownWord *word)
{
	size_t		length = token->length;
	uint32_t	stems;

	word->head = head;
	word->length = token->length;
	word->classes = 0;
	word->atoms.count = 0;
	word->atoms.coarse = ALWAYS;
	word->atoms.pieces = (Sieve) {0};
	set_bit(&word->atoms.pieces, ANY_PIECE);
	/* the lengths of the stems that begin alike, none longer than the word */
	stems = length < STEM_MIN ? 0 : lx->stems[stem_slot(head)];
	stems &= length < LONGEST_MARKED ? (UINT32_C(2) << length) - 1 : UINT32_MAX;
	for (; stems != 0; stems &= stems - 1)
	{
		size_t		least = (size_t) __builtin_ctz(stems);

		for (size_t k = least; k <= (least < LONGEST_MARKED ? least : length); k++)
			note_atom(lx, &word->atoms, &word->classes, find_atom(lx, shorter_head(head, k), token->word, k, true));
	}
	word->exact = (int16_t) find_atom(lx, head, token->word, length, false);
	note_atom(lx, &word->atoms, &word->classes, word->exact);
}

/* Is a word one of the contact's names? */
static bool
names_contact(const KamTokens *names, const KamToken *t)
{
	for (int k = 0; k < names->count; k++)
	{
		const KamToken *name = &names->token[k];

		if (name->length == t->length && memcmp(name->word, t->word, t->length) == 0)
			return true;
	}
	return false;
}

/* Everything the lexicon knows of one token. */
static void
find_atoms(const Lexicon *lx, const KamToken *token, const KamTokens *names, bool shouting, TokenAtoms *t, uint64_t *classes)
{
	Head		head = head_of(token->word, token->length);
	KnownWord	unkept,
			   *word = &unkept;

	if (token->length <= HEAD)
		word = &known_words[hash_of(head, token->word, token->length, false) & (KNOWN_WORDS - 1)];
	if (word == &unkept || word->atoms.coarse == 0 || word->length != token->length || word->head.part[0] != head.part[0] || word->head.part[1] != head.part[1])
		read_word(lx, head, token, word);
	*t = word->atoms;
	*classes = word->classes;
	if (token->flags & KAM_TOKEN_NUMBER)
	{
		note_atom(lx, t, classes, lx->number);
		if (token->flags & KAM_TOKEN_MONEY)
			note_atom(lx, t, classes, lx->money);
		*classes |= UINT64_C(1) << KAM_CLASS_DATE;
		t->coarse |= coarse_bit((uint16_t) lx->number);
	}
	if (token->flags & KAM_TOKEN_CAPITAL)
	{
		if (!shouting && !(*classes >> KAM_CLASS_NOT_NAME & 1) && !(word->exact >= 0 && lx->atom[word->exact].weight > WORD_WEIGHT))
			note_atom(lx, t, classes, lx->capital);
		if (token->length > 1 && names_contact(names, token))
			note_atom(lx, t, classes, lx->contact);
	}
}

static void
add_hit(KamArena *arena, KamHits *hits, int *room, KamHit hit)
{
	int			k;

	if (hits->count == *room)
	{
		KamHit	   *bigger;

		*room = *room ? *room * 2 : 8;
		bigger = KAM_NEW_ARRAY(arena, KamHit, *room);
		if (hits->count > 0)
			memcpy(bigger, hits->hit, sizeof(KamHit) * (size_t) hits->count);
		hits->hit = bigger;
	}
	for (k = hits->count++; k > 0 && hits->hit[k - 1].hung > hit.hung; k--)
		hits->hit[k] = hits->hit[k - 1];
	hits->hit[k] = hit;
}

/* The pattern from the possible beginnings around its anchor; true when it stands there. */
static bool
try_pattern(Scan *s, const Pattern *pattern, int at, KamHit *hit)
{
	int			from = at - pattern->max_before;

	if (from < s->begin)
		from = s->begin;
	for (int pos = at - pattern->min_before; pos >= from; pos--)
	{
		int			behind;

		if (!(pattern->opens & s->atoms[pos].coarse) || misses(s, pattern->start, pos))
			continue;
		s->name_first = s->name_last = -1;
		behind = follow(s, pattern->start, pos);
		if (behind <= at)
			continue;
		hit->rule = pattern->rule;
		hit->hung = at;
		hit->first = pos;
		hit->last = behind - 1;
		hit->name_first = s->name_first;
		hit->name_last = s->name_last;
		if (pattern->unless)
			for (int k = s->begin; k < s->end; k++)
				if (pattern->unless_opens & s->atoms[k].coarse && !misses(s, pattern->unless, k) && follow(s, pattern->unless, k) >= 0)
					return false;
		return true;
	}
	return false;
}

/* Can the words of a piece stand where a pattern whose own begins at pos needs them? */
static inline bool
is_met(const Scan *s, Need need, int pos)
{
	int			from = pos + need.from,
				to = pos + need.to;

	if (from < s->begin)
		from = s->begin;
	if (to >= s->end)
		to = s->end - 1;
	for (; from <= to; from++)
		if (has_bit(&s->atoms[from].pieces, need.piece))
			return true;
	return false;
}

/* Is none of a pattern's further needs missing? */
static inline bool
are_met(const Scan *s, const Need *needs, int pos)
{
	for (int k = 1; k < MAX_NEEDS && needs[k].piece != ANY_PIECE; k++)
		if (!is_met(s, needs[k], pos))
			return false;
	return true;
}

/* All patterns that hang on the atoms of a token. */
static void
try_token(const Lexicon *lx, Scan *s, unsigned who, int at, KamArena *arena, KamHits *hits, int *room)
{
	/* behind the token and in front of it; nothing stands there at the sentence's ends */
	uint64_t	beside[2] = {
		at + 1 < s->end ? s->atoms[at + 1].coarse : ALWAYS,
		at > s->begin ? s->atoms[at - 1].coarse : ALWAYS
	};
	const Anchor *likely[MAX_ANCHORS];
	Sieve		pieces = s->pieces;

	for (int i = 0; i < s->atoms[at].count; i++)
	{
		const Atom *atom = &lx->atom[s->atoms[at].atom[i]];
		int			count = 0;

		/* first the cheap tests of all, without a branch, since nothing foretells their outcome */
		for (int k = 0; k < atom->nanchors; k++)
		{
			const Anchor *a = &atom->anchors[k];

			likely[count] = a;
			count += ((a->beside & beside[a->offset > 0]) != 0) & ((a->who & who) != 0) & has_bit(&pieces, a->need.piece);
		}
		for (int k = 0; k < count; k++)
		{
			int			begin = at - likely[k]->offset;
			KamHit		hit;

			if (begin >= s->begin && is_met(s, likely[k]->need, begin) && are_met(s, lx->needs[likely[k]->pattern], begin) &&
				try_pattern(s, &lx->pattern[likely[k]->pattern], begin, &hit))
				add_hit(arena, hits, room, hit);
		}
	}
}

KamHits
kam_match(KamArena *arena, const KamTokens *tokens, const KamContact *contact, unsigned who)
{
	const Lexicon *lx = kam_lexicon();
	KamHits		hits = {NULL, 0, NULL};
	TokenAtoms *atoms = KAM_NEW_RAW_ARRAY(arena, TokenAtoms, tokens->count + 1);
	Scan		scan = {.tokens = tokens, .atoms = atoms, .name_first = -1, .name_last = -1};
	static const KamTokens nobody = {NULL, NULL, 0};
	int			room = 0,
				capitals = 0;

	hits.classes = KAM_NEW_RAW_ARRAY(arena, uint64_t, tokens->count + 1);
	scan.classes = hits.classes;
	for (int k = 0; k < tokens->count; k++)
		capitals += (tokens->token[k].flags & KAM_TOKEN_CAPITAL) != 0;
	/* a text in capitals names nobody */
	for (int k = 0; k < tokens->count; k++)
		find_atoms(lx, &tokens->token[k], contact ? &contact->names : &nobody, 2 * capitals > tokens->count + 4, &atoms[k], &hits.classes[k]);
	for (scan.begin = 0; scan.begin < tokens->count; scan.begin = scan.end)
	{
		scan.pieces = (Sieve) {0};
		for (scan.end = scan.begin; scan.end < tokens->count && tokens->token[scan.end].sentence == tokens->token[scan.begin].sentence; scan.end++)
			for (size_t k = 0; k < KAM_LENGTHOF(scan.pieces.bits); k++)
				scan.pieces.bits[k] |= atoms[scan.end].pieces.bits[k];
		for (int k = scan.begin; k < scan.end; k++)
			try_token(lx, &scan, who, k, arena, &hits, &room);
	}
	return hits;
}
