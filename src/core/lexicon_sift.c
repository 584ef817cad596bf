/*
 * core/lexicon_sift.c: what can stand next in a pattern.
 *
 * Once the lexicon is compiled, each anchor gets a coarse sieve of the tokens
 * that can stand beside its own, so that match.c starts few attempts in vain.  A
 * sieve may let too much pass, never too little.
 */
#include "core/lexicon.h"

/* The coarse sieve of the tokens that can open a node; ANYTHING when it can do without one. */
static uint64_t
opening(const Lexicon *lx, const uint64_t *class_sieve, const Node *n)
{
	uint64_t	sieve = 0;

	for (;; n = n->next)
		switch ((NodeKind) n->kind)
		{
			case NODE_ATOM:
				return coarse_bit(n->value);
			case NODE_CLASS:
				return class_sieve[n->value];
			case NODE_GAP:
				if (n->max > 0)
					return ANYTHING;
				break;
			case NODE_SPLIT:
				return opening(lx, class_sieve, n->next) | opening(lx, class_sieve, n->other);
			case NODE_CHOICE:
				for (int k = 0; k < n->choice->ways; k++)
					sieve |= coarse_bit(n->choice->atom[k]);
				for (int k = 0; k < MAX_CLASSES && n->choice->classes >> k != 0; k++)
					if (n->choice->classes >> k & 1)
						sieve |= class_sieve[k];
				for (int k = 0; k < n->choice->others; k++)
					sieve |= opening(lx, class_sieve, n->choice->other[k]);
				return sieve;
			case NODE_NOT:
			case NODE_SENTENCE:
			case NODE_CLAUSE:
			case NODE_OPEN:
			case NODE_CLOSE:
				break;
			case NODE_END:
			case NODE_ACCEPT:
				return ANYTHING;
		}
}

/* Can one token be both?  Those that tokens get by their form go with all. */
static bool
share_token(const Lexicon *lx, int a, int b)
{
	const Atom *shorter = &lx->atom[a],
			   *longer = &lx->atom[b];

	/* the last of those by form, which are the first atoms of all */
	if (a == b || a <= lx->contact || b <= lx->contact)
		return true;
	if (shorter->text[0] != longer->text[0])
		return false;
	if (shorter->length > longer->length || (shorter->length == longer->length && longer->stem))
	{
		shorter = &lx->atom[b];
		longer = &lx->atom[a];
	}
	return shorter->stem && memcmp(shorter->text, longer->text, shorter->length) == 0;
}

/* The coarse sieve of what can follow a token with an atom (and perhaps with other atoms and classes) that opens a node. */
static uint64_t
following(const Lexicon *lx, const uint64_t *class_sieve, const Node *n, int atom, uint64_t classes)
{
	uint64_t	sieve = 0;

	for (;; n = n->next)
		switch ((NodeKind) n->kind)
		{
			case NODE_ATOM:
				return share_token(lx, atom, n->value) ? opening(lx, class_sieve, n->next) : 0;
			case NODE_CLASS:
				return classes >> n->value & 1 ? opening(lx, class_sieve, n->next) : 0;
			case NODE_GAP:
				if (n->max > 0)
					return ANYTHING;
				break;
			case NODE_SPLIT:
				return following(lx, class_sieve, n->next, atom, classes) | following(lx, class_sieve, n->other, atom, classes);
			case NODE_CHOICE:
				for (int k = 0; k < n->choice->ways && sieve != ANYTHING; k++)
					if (share_token(lx, atom, n->choice->atom[k]))
						sieve |= opening(lx, class_sieve, n->choice->next[k]);
				if (classes & n->choice->classes)
					sieve |= opening(lx, class_sieve, n->choice->out);
				for (int k = 0; k < n->choice->others; k++)
					sieve |= following(lx, class_sieve, n->choice->other[k], atom, classes);
				return sieve;
			case NODE_NOT:
			case NODE_SENTENCE:
			case NODE_CLAUSE:
			case NODE_OPEN:
			case NODE_CLOSE:
				break;
			case NODE_END:
			case NODE_ACCEPT:
				return ANYTHING;
		}
}

/* The classes that a token with an atom may have. */
static uint64_t
classes_with(const Lexicon *lx, int atom)
{
	const Atom *a = &lx->atom[atom];
	uint64_t	classes = a->classes | UINT64_C(1) << KAM_CLASS_DATE | UINT64_C(1) << KAM_CLASS_CONTACT;

	/* a stem may stand in any longer word */
	if (a->stem || a->text[0] < 'a' || a->text[0] > 'z')
		return UINT64_MAX;
	for (size_t length = 1; length <= a->length; length++)
	{
		int			stem = find_atom(lx, shorter_head(lx->head[atom], length), a->text, length, true);

		if (stem >= 0)
			classes |= lx->atom[stem].classes;
	}
	return classes;
}

/* Make the anchors arrays, with what can stand beside each, and give the patterns their sieves. */
void
kam_lexicon_sift(Lexicon *lx)
{
	uint64_t	class_sieve[MAX_CLASSES] = {0};

	for (int k = 0; k < lx->natoms; k++)
		for (int class = 0; class < MAX_CLASSES && lx->atom[k].classes >> class != 0; class++)
			if (lx->atom[k].classes >> class & 1)
				class_sieve[class] |= coarse_bit((uint16_t) k);
	/* numbers are of this class though they are none of its words */
	class_sieve[KAM_CLASS_DATE] |= coarse_bit((uint16_t) lx->number);
	for (int k = 0; k < lx->npatterns; k++)
	{
		Pattern    *pattern = &lx->pattern[k];

		pattern->opens = opening(lx, class_sieve, pattern->start);
		if (pattern->unless)
			pattern->unless_opens = opening(lx, class_sieve, pattern->unless);
	}
	for (int k = 0; k < lx->natoms; k++)
	{
		Atom	   *atom = &lx->atom[k];
		Anchor	   *array = KAM_NEW_ARRAY(lx->arena, Anchor, atom->nanchors + 1);
		uint64_t	classes = atom->nanchors > 0 ? classes_with(lx, k) : 0;
		int			n = 0;

		for (const Hanging *h = atom->hanging; h; h = h->next)
		{
			array[n] = h->anchor;
			/* where the piece begins here, it says what comes next */
			if (h->anchor.offset == 0)
				array[n].beside = following(lx, class_sieve, lx->pattern[h->anchor.pattern].anchor, k, classes);
			n++;
		}
		atom->anchors = array;
	}
	for (int k = ANY_PIECE + 1; k < lx->npieces; k++)
		for (int i = 0; i < lx->piece[k].count; i++)
			set_bit(&lx->atom[lx->piece[k].hook[i].atom].pieces, (uint16_t) k);
}
