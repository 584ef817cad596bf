/*
 * core/lexicon_pack.c: lays out what match.c follows.
 *
 * The compiler makes far more nodes than patterns end up with, and scatters
 * them.  Matching is bound by memory: what is left is copied close together, in
 * the order in which it is followed, without the nodes that do nothing.
 */
#include "core/lexicon.h"

static Node *pack(Lexicon *lx, Node *n);

static Choice *
pack_choice(Lexicon *lx, const Choice *choice)
{
	Choice	   *packed = KAM_NEW(lx->arena, Choice);

	*packed = *choice;
	packed->atom = KAM_NEW_ARRAY(lx->arena, uint16_t, choice->ways);
	packed->next = KAM_NEW_ARRAY(lx->arena, Node *, choice->ways);
	packed->other = KAM_NEW_ARRAY(lx->arena, Node *, choice->others);
	if (choice->ways > 0)
		memcpy(packed->atom, choice->atom, sizeof(uint16_t) * (size_t) choice->ways);
	for (int k = 0; k < choice->ways; k++)
		packed->next[k] = pack(lx, choice->next[k]);
	for (int k = 0; k < choice->others; k++)
		packed->other[k] = pack(lx, choice->other[k]);
	packed->out = pack(lx, choice->out);
	return packed;
}

/* The copy of a node, and of all that follows it. */
static Node *
pack(Lexicon *lx, Node *n)
{
	Draft	   *draft;

	/* a gap of no words: only joined what stands before it */
	while (n->kind == NODE_GAP && n->max == 0)
		n = n->next;
	draft = (Draft *) n;
	if (draft->packed)
		return draft->packed;
	draft->packed = KAM_NEW(lx->arena, Node);
	*draft->packed = *n;
	if (n->kind == NODE_CHOICE)
		draft->packed->choice = pack_choice(lx, n->choice);
	else if (n->kind != NODE_ACCEPT)
		draft->packed->next = pack(lx, n->next);
	if (n->kind == NODE_SPLIT || n->kind == NODE_NOT)
		draft->packed->other = pack(lx, n->other);
	return draft->packed;
}

void
kam_lexicon_pack(Lexicon *lx)
{
	for (int k = 0; k < lx->npatterns; k++)
	{
		Pattern    *pattern = &lx->pattern[k];

		pattern->start = pack(lx, pattern->start);
		if (pattern->unless)
			pattern->unless = pack(lx, pattern->unless);
		if (pattern->anchor)
			pattern->anchor = pack(lx, pattern->anchor);
	}
}
