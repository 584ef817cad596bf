/*
 * core/lexicon_compile.c: compiles the rules of lexicon_*.c, once per process.
 *
 * Every word or stem is an atom in a hash table, and each pattern hangs on the
 * rarest atoms that it cannot do without.  Nothing is matched here.
 */
#include "core/lexicon_pieces.h"

#include <stdlib.h>

static Lexicon *lexicon;		/* built once, never changed afterwards */

/* How often an atom is met in a hundred thousand words, roughly: patterns hang on what is rare.  A product's name has 1. */
#define NUMBER_WEIGHT 6300
#define CAPITAL_WEIGHT 15000

/* The needed piece of some hooks; patterns share those that hang alike. */
static int
needed_piece(Lexicon *lx, const Piece *piece)
{
	for (int k = ANY_PIECE + 1; k < lx->npieces; k++)
		if (lx->piece[k].count == piece->nhooks &&
			memcmp(lx->piece[k].hook, piece->hooks, sizeof(Hook) * (size_t) piece->nhooks) == 0)
			return k;
	lx->piece[lx->npieces] = (Hooks) {piece->hooks, piece->nhooks};
	return lx->npieces++;
}

/* How often a piece's words are met. */
static int
piece_cost(const Lexicon *lx, const Piece *piece)
{
	int			cost = 0;

	for (int i = 0; i < piece->natoms; i++)
		cost += lx->atom[piece->atoms[i]].weight;
	return cost;
}

#define MAX_PIECES 24

/* The rarest of the other pieces that the pattern cannot do without. */
static void
note_needs(Lexicon *lx, int pattern, const Piece *pieces, int npieces, int anchor)
{
	bool		taken[MAX_PIECES] = {false};

	taken[anchor] = true;
	for (int n = 0; n < MAX_NEEDS; n++)
	{
		int			best = -1,
					from = 0,
					to = 0,
					nearest = UINT8_MAX,
					farthest = 0;

		for (int k = 0; k < npieces; k++)
			if (!taken[k] && pieces[k].min > 0 && pieces[k].hooks &&
				(best < 0 || kam_lexicon_hooks_cost(lx, &pieces[k]) < kam_lexicon_hooks_cost(lx, &pieces[best])))
				best = k;
		if (best < 0)
			return;
		taken[best] = true;
		for (int k = anchor; k < best; k++)
		{
			from += pieces[k].min;
			to += pieces[k].max;
		}
		for (int k = best; k < anchor; k++)
		{
			from -= pieces[k].max;
			to -= pieces[k].min;
		}
		for (int k = 0; k < pieces[best].nhooks; k++)
		{
			int			offset = pieces[best].hooks[k].offset;

			nearest = offset < nearest ? offset : nearest;
			farthest = offset > farthest ? offset : farthest;
		}
		from += nearest;
		to += farthest;
		if (from >= INT8_MIN && to <= INT8_MAX)
			lx->needs[pattern][n] = (Need) {(uint16_t) needed_piece(lx, &pieces[best]), (int8_t) from, (int8_t) to};
	}
}

/* The coarse sieve of the token in front of a hook. */
static uint64_t
what_stands_before(const Hook *hook)
{
	return hook->before == NO_ATOM ? ANYTHING : coarse_bit(hook->before);
}

/* Hang the pattern on the piece whose words are rarest. */
static void
anchor_pattern(Compiler *c, int pattern, const Piece *pieces, int npieces)
{
	Pattern    *hanging = &c->lx->pattern[pattern];
	int			best = -1,
				best_cost = 0;

	for (int k = 0; k < npieces; k++)
		if (pieces[k].min > 0 && pieces[k].atoms)
		{
			int			cost = piece_cost(c->lx, &pieces[k]);

			if (best < 0 || cost < best_cost)
			{
				best = k;
				best_cost = cost;
			}
		}
	if (best < 0)
	{
		kam_lexicon_complain(c, "no word to hang it on");
		return;
	}
	for (int k = 0; k < best; k++)
	{
		hanging->min_before += pieces[k].min;
		hanging->max_before += pieces[k].max;
	}
	note_needs(c->lx, pattern, pieces, npieces, best);
	hanging->anchor = pieces[best].first;
	for (int i = 0; i < pieces[best].nhooks; i++)
	{
		const Hook *hook = &pieces[best].hooks[i];
		Atom	   *atom = &c->lx->atom[hook->atom];
		Hanging    *same = atom->hanging,
				   *other;

		while (same && same->anchor.pattern == pattern && same->anchor.offset != hook->offset)
			same = same->next;
		if (same && same->anchor.pattern == pattern)
		{
			/* two ways that differ elsewhere */
			same->anchor.beside |= what_stands_before(hook);
			continue;
		}
		if (atom->nanchors == MAX_ANCHORS)
		{
			kam_lexicon_complain(c, "too many patterns hang on one word");
			return;
		}
		other = KAM_NEW(c->lx->scratch, Hanging);
		other->anchor = (Anchor)
		{
			.pattern = (uint16_t) pattern, .who = (uint8_t) hanging->who, .offset = (uint8_t) hook->offset,
				.need = c->lx->needs[pattern][0], .beside = what_stands_before(hook)
		};
		atom->nanchors++;
		other->next = atom->hanging;
		atom->hanging = other;
	}
}

static Node *
compile(Lexicon *lx, const char *text, int pattern, int faults)
{
	Compiler	c = {lx, text, text};
	Piece		pieces[MAX_PIECES];
	int			npieces = 0;
	Piece		row = kam_lexicon_row(&c, pieces, &npieces, MAX_PIECES);

	if (*c.p)
		kam_lexicon_complain(&c, "a stray bracket");
	row.last->next = kam_lexicon_node(&c, NODE_ACCEPT, 0);
	/* a bad pattern hangs nowhere; the others hold */
	if (pattern >= 0 && lx->faults == faults)
		anchor_pattern(&c, pattern, pieces, npieces);
	return row.first;
}

/* Words of both languages that patterns should rather not hang on, and how often they are met. */
static const struct
{
	uint16_t	weight;
	const char *words;
}			common_words[] = {
	{2400, "a de"},
	{1400, "le the la l"},
	{950, "vous pour bonjour est on"},
	{600, "je to en du d i you sur un is"},
	{350, "me votre for et not in les nous merci bien and we pas it your our que avec notre par of at this will"},
	{230, "plus ce with n hi ne mon une il au c have my ai from be des tout please"},
	{130, "that are am no m pouvez was us has do so up dans can thanks si could s would elle all avez nos"},
	{70, "as vos suis by out qui avons qu mes if just mais se been but an faire sont ou they does any ma y thank hello"},
	{30, "fait cette aux he did were sera peut ils etait tous tu ces she ont te elles etes"},
};

/* The first words of product names become a class. */
static void
add_products(Lexicon *lx, const char *class, const char *const *names, int count, bool several)
{
	for (int which = 0; which < kam_word_class_count; which++)
	{
		ClassWords *cw = &lx->class_words[which];

		if (strcmp(kam_word_classes[which].name, class) != 0)
			continue;
		cw->atoms = KAM_NEW_ARRAY(lx->scratch, int, count + 1);
		cw->natoms = 0;
		cw->single = true;
		for (int k = 0; k < count; k++)
		{
			int			atom;

			if (several != (strchr(names[k], ' ') != NULL))
				continue;
			atom = kam_lexicon_atom(lx, names[k], strcspn(names[k], " "), false);

			lx->atom[atom].classes |= UINT64_C(1) << which;
			if (lx->atom[atom].weight == WORD_WEIGHT && which == KAM_CLASS_PRODUCT)
				lx->atom[atom].weight = 1;
			cw->atoms[cw->natoms++] = atom;
		}
	}
}

static void
build(Lexicon *lx)
{
	static const KamRuleTable *const tables[] = {
		&kam_rules_end_fr, &kam_rules_end_en, &kam_rules_auto, &kam_rules_dates_fr, &kam_rules_dates_en,
		&kam_rules_deal_fr, &kam_rules_deal_en, &kam_rules_more_en, &kam_rules_more_fr, &kam_rules_people
	};
	int			room = 0;

	lx->atom = KAM_NEW_ARRAY(lx->arena, Atom, MAX_ATOMS);
	lx->head = KAM_NEW_ARRAY(lx->arena, Head, MAX_ATOMS);
	/* names no token can have */
	lx->number = kam_lexicon_atom(lx, "#", 1, false);
	lx->money = kam_lexicon_atom(lx, "#money", 6, false);
	lx->capital = kam_lexicon_atom(lx, "{Name}", 6, false);
	lx->contact = kam_lexicon_atom(lx, "{contact}", 9, false);
	lx->atom[lx->number].weight = NUMBER_WEIGHT;
	lx->atom[lx->capital].weight = CAPITAL_WEIGHT;
	lx->atom[lx->contact].classes |= UINT64_C(1) << KAM_CLASS_CONTACT;
	for (size_t k = 0; k < KAM_LENGTHOF(common_words); k++)
		for (const char *p = common_words[k].words; *p;)
		{
			size_t		length = strcspn(p, " ");

			lx->atom[kam_lexicon_atom(lx, p, length, false)].weight = common_words[k].weight;
			p += length;
			p += *p == ' ';
		}
	if (kam_word_class_count > MAX_CLASSES)
		lx->fault = "too many classes";
	for (int k = 0; k < kam_word_class_count && !lx->fault; k++)
	{
		Compiler	c = {lx, kam_word_classes[k].name, kam_word_classes[k].words};

		kam_lexicon_class_words(&c, k);
	}
	if (!lx->fault)
	{
		add_products(lx, "product", kam_products, kam_product_count, false);
		add_products(lx, "product_start", kam_products, kam_product_count, true);
		add_products(lx, "word_product", kam_word_products, kam_word_product_count, false);
	}
	for (size_t t = 0; t < KAM_LENGTHOF(tables); t++)
		room += tables[t]->count;
	lx->pattern = KAM_NEW_ARRAY(lx->arena, Pattern, room + 1);
	lx->needs = kam_alloc(lx->arena, sizeof(*lx->needs) * (size_t) (room + 1));
	lx->piece = KAM_NEW_ARRAY(lx->scratch, Hooks, MAX_NEEDS * room + 1);
	lx->npieces = ANY_PIECE + 1;
	for (size_t t = 0; t < KAM_LENGTHOF(tables); t++)
		for (int k = 0; k < tables[t]->count; k++)
		{
			const KamRule *rule = &tables[t]->rule[k];
			Pattern    *pattern = &lx->pattern[lx->npatterns];
			int			faults = lx->faults;

			pattern->rule = rule;
			pattern->who = kam_rule_speakers(rule);
			if (rule->unless)
				pattern->unless = compile(lx, rule->unless, -1, lx->faults);
			pattern->start = compile(lx, rule->pattern, lx->npatterns, faults);
			lx->npatterns++;
		}
	kam_lexicon_pack(lx);
	kam_lexicon_sift(lx);
}

const Lexicon *
kam_lexicon(void)
{
	if (!lexicon)
	{
		KamArena   *arena = kam_arena_new();
		Lexicon    *lx = KAM_NEW(arena, Lexicon);

		lx->arena = arena;
		lx->scratch = kam_arena_new();
		build(lx);
		kam_arena_free(lx->scratch);
		lx->scratch = NULL;
		lx->piece = NULL;
		lexicon = lx;
	}
	return lexicon;
}

const char *
kam_lexicon_fault(void)
{
	return kam_lexicon()->fault;
}
