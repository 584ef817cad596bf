/*
 * core/lexicon_compile.c: compiles the rules of lexicon_*.c, once per process.
 *
 * Every word or stem is an atom in a hash table, and each pattern hangs on the
 * rarest atoms that it cannot do without.  Nothing is matched here.
 */
#include "core/lexicon.h"

#include <stdlib.h>

static Lexicon *lexicon;		/* built once, never changed afterwards */

/* How often an atom is met, roughly: patterns hang on what is rare.  A product's name has 1. */
#define COMMON_WEIGHT 200
#define COMMONEST_WEIGHT 800	/* the words that stand first in the list of common ones ... */
#define COMMONEST 75			/* ... in so many bytes */
#define NUMBER_WEIGHT 800
#define CAPITAL_WEIGHT 3000

/* ---- atoms ----------------------------------------------------------- */

static int
make_atom(Lexicon *lx, const char *text, size_t length, bool stem)
{
	uint32_t	h = kam_atom_hash(text, length, stem),
				slot;
	int			found = find_atom(lx, h, text, length, stem);

	if (found >= 0)
		return found;
	if (lx->natoms == MAX_ATOMS || length == 0 || length > 60)
	{
		if (!lx->fault)
			lx->fault = kam_printf(lx->arena, "too many words, or one that is empty or too long: %.*s", (int) length, text);
		return 0;
	}
	for (slot = slot_of(h); lx->table[slot] != 0;)
		slot = (slot + 1) & (TABLE_SIZE - 1);
	lx->atom[lx->natoms].text = kam_strndup(lx->arena, text, length);
	lx->atom[lx->natoms].length = (uint8_t) length;
	lx->atom[lx->natoms].stem = stem;
	lx->atom[lx->natoms].weight = WORD_WEIGHT;
	lx->table[slot] = (uint16_t) (lx->natoms + 1);
	lx->seen[bit_of(h) >> 3] |= (uint8_t) (1 << (bit_of(h) & 7));
	if (stem && length >= STEM_MIN)
		lx->stems[stem_slot(kam_atom_hash(text, STEM_MIN, false))] |= UINT32_C(1) << (length < LONGEST_MARKED ? length : LONGEST_MARKED);
	return lx->natoms++;
}

/* ---- the compiler ---------------------------------------------------- */

/* A piece of a pattern: entered at first, left through the last's next. */
typedef struct Piece
{
	Node	   *first,
			   *last;
	int			min,			/* tokens it takes */
				max;
	int		   *atoms;			/* that it can begin with; NULL: unknown */
	int			natoms;
} Piece;

typedef struct Compiler
{
	Lexicon    *lx;
	const char *pattern,
			   *p;
} Compiler;

static void
complain(Compiler *c, const char *what)
{
	c->lx->faults++;
	if (!c->lx->fault)
		c->lx->fault = kam_printf(c->lx->arena, "%s at \"%s\" in \"%s\"", what, c->p, c->pattern);
}

static Node *
new_node(Compiler *c, NodeKind kind, int value)
{
	Node	   *n = KAM_NEW(c->lx->arena, Node);

	n->kind = (uint8_t) kind;
	n->value = (uint16_t) value;
	return n;
}

static Piece
single(Compiler *c, Node *node, int width)
{
	Piece		piece = {node, node, width, width, NULL, 0};

	if (node->kind == NODE_ATOM)
	{
		piece.atoms = KAM_NEW(c->lx->arena, int);
		piece.atoms[0] = node->value;
		piece.natoms = 1;
	}
	return piece;
}

static Piece
join(Piece a, Piece b)
{
	Piece		piece = a;

	a.last->next = b.first;
	piece.last = b.last;
	piece.min = a.min + b.min;
	piece.max = a.max + b.max;
	if (a.max == 0)				/* a mere assertion in front */
	{
		piece.atoms = b.atoms;
		piece.natoms = b.natoms;
	}
	else if (a.min == 0)
	{
		piece.atoms = NULL;
		piece.natoms = 0;
	}
	return piece;
}

/* Either way; ways may be empty (first == NULL). */
static Piece
either(Compiler *c, Piece a, Piece b)
{
	Node	   *split = new_node(c, NODE_SPLIT, 0),
			   *out = new_node(c, NODE_GAP, 0); /* a gap of no words: nothing */
	Piece		piece = {split, out, a.min < b.min ? a.min : b.min, a.max > b.max ? a.max : b.max, NULL, 0};

	split->next = a.first;
	split->other = b.first ? b.first : out;
	a.last->next = out;
	if (b.first)
		b.last->next = out;
	if (b.first && a.atoms && b.atoms)
	{
		piece.natoms = a.natoms + b.natoms;
		piece.atoms = KAM_NEW_ARRAY(c->lx->arena, int, piece.natoms);
		memcpy(piece.atoms, a.atoms, sizeof(int) * (size_t) a.natoms);
		memcpy(piece.atoms + a.natoms, b.atoms, sizeof(int) * (size_t) b.natoms);
	}
	return piece;
}

static bool
word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char) c >= 128;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static Piece parse_row(Compiler *c, Piece *pieces, int *npieces, int room);

/* A word or stem at p; p moves behind it. */
static Piece
parse_word(Compiler *c)
{
	const char *begin = c->p;
	bool		stem;
	size_t		length;

	/* a point between digits belongs to the number: 5.1.1 */
	while (word_char(*c->p) || (*c->p == '.' && c->p > begin && is_digit(c->p[-1]) && is_digit(c->p[1])))
		c->p++;
	length = (size_t) (c->p - begin);
	stem = *c->p == '*';
	if (stem)
		c->p++;
	if (length == 0)
	{
		complain(c, "no word");
		c->p += *c->p != '\0';
		return single(c, new_node(c, NODE_ATOM, 0), 1);
	}
	return single(c, new_node(c, NODE_ATOM, make_atom(c->lx, begin, length, stem)), 1);
}

/*
 * The words of a class, read once: single ones are marked at their atoms, and
 * the first words of all are what a pattern can begin with.
 */
static const ClassWords *
class_words(Compiler *c, int which)
{
	ClassWords *cw = &c->lx->class_words[which];
	Compiler	inner = {c->lx, kam_word_classes[which].name, kam_word_classes[which].words};
	int			room = 8;

	if (cw->atoms)
		return cw;
	for (const char *p = inner.p; *p; p++)
		room += *p == ' ';
	cw->atoms = KAM_NEW_ARRAY(c->lx->arena, int, room);
	cw->several = KAM_NEW_ARRAY(c->lx->arena, const char *, room);
	while (*inner.p)
	{
		const char *begin = inner.p;
		Piece		word;

		if (*inner.p == ' ')
		{
			inner.p++;
			continue;
		}
		word = parse_word(&inner);
		cw->atoms[cw->natoms++] = word.atoms[0];
		if (*inner.p == '_')
			cw->several[cw->nseveral++] = begin;
		else
		{
			c->lx->atom[word.atoms[0]].classes |= UINT64_C(1) << which;
			cw->single = true;
		}
		while (*inner.p && *inner.p != ' ')
			inner.p++;
	}
	return cw;
}

/* A reference to a class: one node for its single words, a way for each of the others. */
static Piece
parse_class(Compiler *c)
{
	const char *name = c->p + 1,
			   *end = strchr(name, '}');
	Piece		piece = {NULL, NULL, 0, 0, NULL, 0};
	const ClassWords *cw;
	int			which = -1;

	if (!end)
	{
		complain(c, "an open brace");
		c->p += strlen(c->p);
		return single(c, new_node(c, NODE_ATOM, 0), 1);
	}
	if (strncmp(name, "Name}", 5) == 0 || strncmp(name, "contact}", 8) == 0)
	{
		int			atom = name[0] == 'N' ? c->lx->capital : c->lx->contact;

		c->p = end + 1;
		return single(c, new_node(c, NODE_ATOM, atom), 1);
	}
	for (int k = 0; k < kam_word_class_count; k++)
		if (strncmp(kam_word_classes[k].name, name, (size_t) (end - name)) == 0 &&
			kam_word_classes[k].name[end - name] == '\0')
			which = k;
	if (which < 0)
	{
		complain(c, "an unknown class");
		c->p = end + 1;
		return single(c, new_node(c, NODE_ATOM, 0), 1);
	}
	c->p = end + 1;
	cw = class_words(c, which);
	if (cw->single)
		piece = single(c, new_node(c, NODE_CLASS, which), 1);
	for (int k = 0; k < cw->nseveral; k++)
	{
		Compiler	inner = {c->lx, c->pattern, cw->several[k]};
		Piece		words = parse_word(&inner);

		while (*inner.p == '_')
		{
			inner.p++;
			words = join(words, parse_word(&inner));
		}
		words.atoms = NULL;
		piece = piece.first ? either(c, piece, words) : words;
	}
	piece.atoms = cw->atoms;
	piece.natoms = cw->natoms;
	return piece;
}

static int
compare_ways(const void *a, const void *b)
{
	return (int) ((const Way *) a)->atom - (int) ((const Way *) b)->atom;
}

#define MAX_WAYS 256

/* "(a|b c|{d})": every way is reached by its first atom where it has one. */
static Piece
parse_group(Compiler *c)
{
	KamArena   *arena = c->lx->arena;
	Node	   *node = new_node(c, NODE_CHOICE, 0),
			   *out = new_node(c, NODE_GAP, 0); /* a gap of no words: nothing */
	Choice	   *choice = KAM_NEW(arena, Choice);
	Piece		piece = {node, out, 1000, 0, NULL, 0};
	Piece		way[MAX_WAYS];
	int			ways = 0,
				atoms = 0;
	bool		all_known = true;

	node->choice = choice;
	choice->out = out;
	c->p++;
	for (;;)
	{
		if (ways == MAX_WAYS)
		{
			complain(c, "too many ways");
			return single(c, new_node(c, NODE_ATOM, 0), 1);
		}
		way[ways] = parse_row(c, NULL, NULL, 0);
		way[ways].last->next = out;
		if (way[ways].min < piece.min)
			piece.min = way[ways].min;
		if (way[ways].max > piece.max)
			piece.max = way[ways].max;
		all_known &= way[ways].atoms != NULL;
		atoms += way[ways].natoms;
		ways++;
		if (*c->p != '|')
			break;
		c->p++;
	}
	if (*c->p == ')')
		c->p++;
	else
		complain(c, "an open bracket");
	choice->way = KAM_NEW_ARRAY(arena, Way, ways);
	choice->other = KAM_NEW_ARRAY(arena, Node *, ways);
	piece.atoms = all_known ? KAM_NEW_ARRAY(arena, int, atoms + 1) : NULL;
	for (int k = 0; k < ways; k++)
	{
		const Node *first = way[k].first;

		if (first->kind == NODE_ATOM)
		{
			choice->way[choice->ways].atom = first->value;
			choice->way[choice->ways++].next = first->next;
			set_bit(&choice->sieve, first->value);
		}
		else if (first->kind == NODE_CLASS && first == way[k].last)
			choice->classes |= UINT64_C(1) << first->value;
		else
			choice->other[choice->others++] = way[k].first;
		if (all_known)
			for (int i = 0; i < way[k].natoms; i++)
				piece.atoms[piece.natoms++] = way[k].atoms[i];
	}
	qsort(choice->way, (size_t) choice->ways, sizeof(Way), compare_ways);
	return piece;
}

static int
parse_digits(Compiler *c)
{
	int			n = 0;

	while (*c->p >= '0' && *c->p <= '9' && n < 100)
		n = n * 10 + (*c->p++ - '0');
	return n;
}

static Piece
parse_gap(Compiler *c)
{
	Node	   *gap = new_node(c, NODE_GAP, 0);
	Piece		piece = {gap, gap, 0, 0, NULL, 0};

	gap->over_comma = *c->p == '.';
	gap->over_not = strncmp(c->p, "...", 3) == 0;
	while (*c->p == '.' || *c->p == '~')
		c->p++;
	gap->max = (uint8_t) parse_digits(c);
	if (gap->max == 0)
		complain(c, "a gap of no words");
	piece.max = gap->max;
	return piece;
}

static Piece
parse_element(Compiler *c)
{
	Piece		piece;

	switch (*c->p)
	{
		case '^':
		case ',':
		case '$':
			piece = single(c, new_node(c, *c->p == '^' ? NODE_SENTENCE : *c->p == ',' ? NODE_CLAUSE : NODE_END, 0), 0);
			c->p++;
			return piece;
		case '.':
		case '~':
			return parse_gap(c);
		case '!':
			{
				Node	   *not = new_node(c, NODE_NOT, 0);
				Piece		inner;

				c->p++;
				inner = parse_element(c);
				inner.last->next = new_node(c, NODE_ACCEPT, 0);
				not->other = inner.first;
				return single(c, not, 0);
			}
		case '#':
			{
				bool		money = strncmp(c->p, "#money", 6) == 0;

				c->p += money ? 6 : 1;
				piece = single(c, new_node(c, NODE_ATOM, money ? c->lx->money : c->lx->number), 1);
				break;
			}
		case '{':
			piece = parse_class(c);
			break;
		case '(':
			piece = parse_group(c);
			break;
		case '<':
			{
				Piece		open = single(c, new_node(c, NODE_OPEN, 0), 0),
							close = single(c, new_node(c, NODE_CLOSE, 0), 0);

				c->p++;
				piece = join(join(open, parse_row(c, NULL, NULL, 0)), close);
				if (*c->p == '>')
					c->p++;
				else
					complain(c, "an open angle");
				break;
			}
		default:
			piece = parse_word(c);
	}
	if (*c->p == '?')
	{
		Piece		nothing = {NULL, NULL, 0, 0, NULL, 0};

		c->p++;
		piece = either(c, piece, nothing);
	}
	return piece;
}

/* Elements up to the end, "|", ")" or ">"; the pieces are kept when asked for. */
static Piece
parse_row(Compiler *c, Piece *pieces, int *npieces, int room)
{
	Piece		row = {NULL, NULL, 0, 0, NULL, 0};

	while (*c->p && *c->p != '|' && *c->p != ')' && *c->p != '>')
	{
		Piece		piece;

		if (*c->p == ' ')
		{
			c->p++;
			continue;
		}
		piece = parse_element(c);
		if (pieces && *npieces < room)
			pieces[(*npieces)++] = piece;
		row = row.first ? join(row, piece) : piece;
	}
	if (!row.first)
	{
		complain(c, "nothing");
		row = single(c, new_node(c, NODE_GAP, 0), 0);
	}
	return row;
}

#define MAX_PIECES 24

/* Hang the pattern on the piece whose words are rarest. */
static void
anchor_pattern(Compiler *c, int pattern, const Piece *pieces, int npieces)
{
	Pattern    *needing = &c->lx->pattern[pattern];
	int			best = -1,
				best_cost = 0,
				min = 0,
				max = 0,
				best_min = 0,
				best_max = 0;

	for (int k = 0; k < npieces; k++)
	{
		if (pieces[k].min > 0 && pieces[k].atoms)
		{
			int			cost = 0;

			for (int i = 0; i < pieces[k].natoms; i++)
				cost += c->lx->atom[pieces[k].atoms[i]].weight;
			if (best < 0 || cost < best_cost)
			{
				best = k;
				best_cost = cost;
				best_min = min;
				best_max = max;
			}
		}
		min += pieces[k].min;
		max += pieces[k].max;
	}
	if (best < 0)
	{
		complain(c, "no word to hang it on");
		return;
	}
	/* the other pieces that it cannot do without, those with few words first */
	for (int most = 12; most <= 96; most *= 2)
		for (int k = 0; k < npieces; k++)
			if (k != best && pieces[k].min > 0 && pieces[k].natoms > most / 2 * (most > 12) && pieces[k].natoms <= most &&
				needing->needs < MAX_NEEDS)
			{
				Sieve	   *need = &needing->need[needing->needs++];

				for (int i = 0; i < pieces[k].natoms; i++)
					set_bit(need, (uint16_t) pieces[k].atoms[i]);
			}
	needing->anchor = pieces[best].first;
	for (int i = 0; i < pieces[best].natoms; i++)
	{
		Atom	   *atom = &c->lx->atom[pieces[best].atoms[i]];
		Anchor	   *anchor;

		if (atom->anchors && atom->anchors->pattern == pattern)
			continue;
		anchor = KAM_NEW(c->lx->arena, Anchor);
		anchor->pattern = (uint16_t) pattern;
		anchor->who = (uint16_t) needing->who;
		anchor->min_before = (int16_t) best_min;
		anchor->max_before = (int16_t) best_max;
		atom->nanchors++;
		anchor->next = atom->anchors;
		atom->anchors = anchor;
	}
}

static Node *
compile(Lexicon *lx, const char *text, int pattern, int faults)
{
	Compiler	c = {lx, text, text};
	Piece		pieces[MAX_PIECES];
	int			npieces = 0;
	Piece		row = parse_row(&c, pieces, &npieces, MAX_PIECES);

	if (*c.p)
		complain(&c, "a stray bracket");
	row.last->next = new_node(&c, NODE_ACCEPT, 0);
	/* a bad pattern hangs nowhere; the others hold */
	if (pattern >= 0 && lx->faults == faults)
		anchor_pattern(&c, pattern, pieces, npieces);
	return row.first;
}

/* Words so frequent that patterns should rather not hang on them. */
static const char common_words[] =
	"je nous on vous le la les l un une des du de d et est a i the we to not in en pas ne n tu il elle ils elles sont en que qui qu pour dans sur avec a au"
	" aux ce cette ces c mon ma mes votre vos notre nos ne n pas plus mais ou par si bien merci me m te se s y i we you he"
	" she it they the and is are to of for in that have has this our your be not do does did will would can could my at by"
	" from was were been with so but if am an as no us me out up on all any avez avons suis etes ai ont etait sera tout"
	" tous fait faire peut pouvez just please thanks thank bonjour hi hello";

/* The first words of product names become a class. */
static void
add_products(Lexicon *lx, const char *class, const char *const *names, int count, bool several)
{
	for (int which = 0; which < kam_word_class_count; which++)
	{
		ClassWords *cw = &lx->class_words[which];

		if (strcmp(kam_word_classes[which].name, class) != 0)
			continue;
		cw->atoms = KAM_NEW_ARRAY(lx->arena, int, count + 1);
		cw->natoms = 0;
		cw->single = true;
		for (int k = 0; k < count; k++)
		{
			int			atom;

			if (several != (strchr(names[k], ' ') != NULL))
				continue;
			atom = make_atom(lx, names[k], strcspn(names[k], " "), false);

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
	/* names no token can have */
	lx->number = make_atom(lx, "#", 1, false);
	lx->money = make_atom(lx, "#money", 6, false);
	lx->capital = make_atom(lx, "{Name}", 6, false);
	lx->contact = make_atom(lx, "{contact}", 9, false);
	lx->atom[lx->number].weight = NUMBER_WEIGHT;
	lx->atom[lx->capital].weight = CAPITAL_WEIGHT;
	lx->atom[lx->contact].classes |= UINT64_C(1) << KAM_CLASS_CONTACT;
	for (const char *p = common_words; *p;)
	{
		bool		leading = p < common_words + COMMONEST;

		size_t		length = strcspn(p, " ");

		lx->atom[make_atom(lx, p, length, false)].weight = leading ? COMMONEST_WEIGHT : COMMON_WEIGHT;
		p += length;
		p += *p == ' ';
	}
	if (kam_word_class_count > MAX_CLASSES)
		lx->fault = "too many classes";
	for (int k = 0; k < kam_word_class_count && !lx->fault; k++)
	{
		Compiler	c = {lx, kam_word_classes[k].name, kam_word_classes[k].words};

		class_words(&c, k);
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
		build(lx);
		lexicon = lx;
	}
	return lexicon;
}

const char *
kam_lexicon_fault(void)
{
	return kam_lexicon()->fault;
}
