/*
 * core/match.c: compiles the lexicon's patterns once per process and finds
 * them in tokenized text.
 *
 * Cost is kept off the token: every word or stem of the lexicon is an atom in
 * a hash table, each pattern hangs on the rarest atoms that it cannot do
 * without, and only a token that is such an atom starts an attempt.
 */
#include "core/match.h"

#include <stdlib.h>
#include <string.h>

/* ---- compiled form --------------------------------------------------- */

typedef enum NodeKind
{
	NODE_ATOM, NODE_CLASS, NODE_GAP, NODE_SPLIT, NODE_CHOICE, NODE_NOT, NODE_SENTENCE, NODE_CLAUSE, NODE_END,
	NODE_OPEN, NODE_CLOSE, NODE_ACCEPT
} NodeKind;

struct Node;

/* A way into a group: where it goes on when a token is that atom. */
typedef struct Way
{
	uint16_t	atom;
	struct Node *next;
} Way;

/* A sieve over atoms: a bit may be set for several, none is missed. */
typedef struct Sieve
{
	uint64_t	bits[4];
} Sieve;

/* The ways of a group, by their first atom, with a sieve in front. */
typedef struct Choice
{
	Sieve		sieve;
	uint64_t	classes;		/* whole classes that are ways of their own */
	Way		   *way;			/* sorted by atom */
	int			ways;
	struct Node **other;		/* ways that begin with no atom */
	int			others;
	struct Node *out;			/* behind the group */
} Choice;

typedef struct Node
{
	uint8_t		kind;
	uint8_t		max;			/* gap: words */
	bool		over_not,		/* gap: passes over negations */
				over_comma;
	uint16_t	value;			/* atom or class */
	struct Node *next,
			   *other;			/* split: the second way; not: what must not follow */
	Choice	   *choice;
} Node;

#define MAX_CLASSES 64
#define MAX_TOKEN_ATOMS 6
#define TABLE_SIZE 16384		/* power of two, well above the number of atoms */

/* A rule whose element at "before" tokens from its beginning is the atom. */
typedef struct Anchor
{
	int			pattern;
	int			min_before,
				max_before;
	struct Anchor *next;
} Anchor;

typedef struct Atom
{
	const char *text;
	uint8_t		length;
	bool		stem;
	uint16_t	weight;			/* how often it is met: patterns hang on what is rare */
	uint64_t	classes;
	Anchor	   *anchors;
} Atom;

#define MAX_NEEDS 3

typedef struct Pattern
{
	const KamRule *rule;
	Sieve		need[MAX_NEEDS];	/* of each, some atom must stand in the sentence */
	int			needs;
	Node	   *start,
			   *unless;			/* NULL: none */
} Pattern;

typedef struct ClassWords
{
	int		   *atoms;			/* first words; NULL: not read yet */
	int			natoms;
	bool		single;			/* has words that stand alone */
	const char **several;		/* members of several words, where they stand in the table */
	int			nseveral;
} ClassWords;

typedef struct Lexicon
{
	KamArena   *arena;
	Atom	   *atom;
	int			natoms;
	uint16_t	table[TABLE_SIZE];	/* atom + 1 */
	uint8_t		seen[8192];		/* a bit per hash: may be an atom */
	ClassWords	class_words[MAX_CLASSES];
	Pattern    *pattern;
	int			npatterns;
	const char *fault;
	/* atoms that tokens get by their form */
	int			number,
				money,
				capital,
				contact;
} Lexicon;

static Lexicon *lexicon;		/* built once, never changed afterwards */

#define MAX_ATOMS 8000

static inline uint32_t
hash_step(uint32_t h, unsigned char c)
{
	return (h ^ c) * UINT32_C(16777619);
}

static uint32_t
hash_of(const char *text, size_t length, bool stem)
{
	uint32_t	h = UINT32_C(2166136261);

	for (size_t k = 0; k < length; k++)
		h = hash_step(h, (unsigned char) text[k]);
	return stem ? h ^ UINT32_C(0x9E3779B9) : h;
}

static inline uint32_t
slot_of(uint32_t h)
{
	return (h ^ h >> 15) & (TABLE_SIZE - 1);
}

static inline uint32_t
bit_of(uint32_t h)
{
	return (h ^ h >> 13) & 65535;
}

/* The atom of a spelling, or -1. */
static inline int
find_atom(const Lexicon *lx, uint32_t h, const char *text, size_t length, bool stem)
{
	uint32_t	slot,
				bit = bit_of(h);

	if (!(lx->seen[bit >> 3] >> (bit & 7) & 1))
		return -1;
	for (slot = slot_of(h); lx->table[slot] != 0; slot = (slot + 1) & (TABLE_SIZE - 1))
	{
		const Atom *a = &lx->atom[lx->table[slot] - 1];

		if (a->length == length && a->stem == stem && memcmp(a->text, text, length) == 0)
			return lx->table[slot] - 1;
	}
	return -1;
}

static int
make_atom(Lexicon *lx, const char *text, size_t length, bool stem)
{
	uint32_t	h = hash_of(text, length, stem),
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
	lx->atom[lx->natoms].weight = 1;
	lx->table[slot] = (uint16_t) (lx->natoms + 1);
	lx->seen[bit_of(h) >> 3] |= (uint8_t) (1 << (bit_of(h) & 7));
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

static uint32_t
sieve_bit(uint16_t atom)
{
	return (uint32_t) atom * UINT32_C(40503) >> 7 & 255;
}

static inline void
set_bit(Sieve *sieve, uint16_t atom)
{
	uint32_t	bit = sieve_bit(atom);

	sieve->bits[bit >> 6] |= UINT64_C(1) << (bit & 63);
}

static inline bool
has_bit(const Sieve *sieve, uint16_t atom)
{
	uint32_t	bit = sieve_bit(atom);

	return (sieve->bits[bit >> 6] >> (bit & 63) & 1) != 0;
}

static inline bool
share_bit(const Sieve *a, const Sieve *b)
{
	return ((a->bits[0] & b->bits[0]) | (a->bits[1] & b->bits[1]) | (a->bits[2] & b->bits[2]) | (a->bits[3] & b->bits[3])) != 0;
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
	for (int i = 0; i < pieces[best].natoms; i++)
	{
		Atom	   *atom = &c->lx->atom[pieces[best].atoms[i]];
		Anchor	   *anchor;

		if (atom->anchors && atom->anchors->pattern == pattern)
			continue;
		anchor = KAM_NEW(c->lx->arena, Anchor);
		anchor->pattern = pattern;
		anchor->min_before = best_min;
		anchor->max_before = best_max;
		anchor->next = atom->anchors;
		atom->anchors = anchor;
	}
}

static Node *
compile(Lexicon *lx, const char *text, int pattern)
{
	Compiler	c = {lx, text, text};
	Piece		pieces[MAX_PIECES];
	int			npieces = 0;
	Piece		row = parse_row(&c, pieces, &npieces, MAX_PIECES);

	if (*c.p)
		complain(&c, "a stray bracket");
	row.last->next = new_node(&c, NODE_ACCEPT, 0);
	if (pattern >= 0)
		anchor_pattern(&c, pattern, pieces, npieces);
	return row.first;
}

/* Weights relative to an ordinary word's. */
#define COMMON_WEIGHT 50
#define NUMBER_WEIGHT 200
#define CAPITAL_WEIGHT 750

/* Words so frequent that patterns should rather not hang on them. */
static const char common_words[] =
	"je nous on vous tu il elle ils elles le la les l un une des du de d et est sont en que qui qu pour dans sur avec a au"
	" aux ce cette ces c mon ma mes votre vos notre nos ne n pas plus mais ou par si bien merci me m te se s y i we you he"
	" she it they the and is are to of for in that have has this our your be not do does did will would can could my at by"
	" from was were been with so but if am an as no us me out up on all any avez avons suis etes ai ont etait sera tout"
	" tous fait faire peut pouvez just please thanks thank bonjour hi hello";

/* The first words of product names become a class. */
static void
add_products(Lexicon *lx, const char *class, const char *const *names, int count)
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
			int			atom = make_atom(lx, names[k], strcspn(names[k], " "), false);

			lx->atom[atom].classes |= UINT64_C(1) << which;
			cw->atoms[cw->natoms++] = atom;
		}
	}
}

static void
build(Lexicon *lx)
{
	static const KamRuleTable *const tables[] = {
		&kam_rules_end_fr, &kam_rules_end_en, &kam_rules_auto, &kam_rules_dates_fr, &kam_rules_dates_en,
		&kam_rules_deal_fr, &kam_rules_deal_en, &kam_rules_people
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
		size_t		length = strcspn(p, " ");

		lx->atom[make_atom(lx, p, length, false)].weight = COMMON_WEIGHT;
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
		add_products(lx, "product", kam_products, kam_product_count);
		add_products(lx, "word_product", kam_word_products, kam_word_product_count);
	}
	for (size_t t = 0; t < KAM_LENGTHOF(tables); t++)
		room += tables[t]->count;
	lx->pattern = KAM_NEW_ARRAY(lx->arena, Pattern, room + 1);
	for (size_t t = 0; t < KAM_LENGTHOF(tables) && !lx->fault; t++)
		for (int k = 0; k < tables[t]->count && !lx->fault; k++)
		{
			const KamRule *rule = &tables[t]->rule[k];
			Pattern    *pattern = &lx->pattern[lx->npatterns];

			pattern->rule = rule;
			pattern->start = compile(lx, rule->pattern, lx->npatterns);
			if (rule->unless)
				pattern->unless = compile(lx, rule->unless, -1);
			lx->npatterns++;
		}
}

static const Lexicon *
get_lexicon(void)
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
	return get_lexicon()->fault;
}

/* ---- matching -------------------------------------------------------- */

typedef struct TokenAtoms
{
	uint16_t	atom[MAX_TOKEN_ATOMS];
	uint16_t	count;
} TokenAtoms;

typedef struct Scan
{
	const KamTokens *tokens;
	const TokenAtoms *atoms;
	const uint64_t *classes;
	int			begin,			/* the sentence: tokens [begin, end) */
				end;
	Sieve		present;		/* its atoms */
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
			int			low = 0,
						high = choice->ways;

			if (!has_bit(&choice->sieve, t->atom[k]))
				continue;
			while (low < high)
			{
				int			middle = (low + high) / 2;

				if (choice->way[middle].atom < t->atom[k])
					low = middle + 1;
				else
					high = middle;
			}
			for (; low < choice->ways && choice->way[low].atom == t->atom[k]; low++)
			{
				int			found = follow(s, choice->way[low].next, pos + 1);

				if (found >= 0)
					return found;
			}
		}
	}
	for (int k = 0; k < choice->others; k++)
	{
		int			found = follow(s, choice->other[k], pos);

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
					found = follow(s, n->next, pos);
					if (found >= 0)
						return found;
					if (pos >= s->end || (!n->over_not && s->classes[pos] >> KAM_CLASS_NOT & 1))
						return -1;
					pos++;
				}
				break;
			case NODE_SPLIT:
				{
					int			found = follow(s, n->next, pos);

					if (found >= 0)
						return found;
					return follow(s, n->other, pos);
				}
			case NODE_CHOICE:
				return follow_choice(s, n->choice, pos);
			case NODE_NOT:
				if (follow(s, n->other, pos) >= 0)
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
		*classes |= lx->atom[atom].classes;
	}
}

/* Is a word one of the contact's names? */
static bool
names_contact(const char *folded_names, const KamToken *t)
{
	const char *at = folded_names;

	while ((at = strstr(at, t->word)) != NULL)
	{
		if ((at == folded_names || at[-1] == ' ') && (at[t->length] == ' ' || at[t->length] == '\0'))
			return true;
		at++;
	}
	return false;
}

/* Everything the lexicon knows of one token. */
static void
find_atoms(const Lexicon *lx, const KamToken *token, const char *names, bool shouting, TokenAtoms *t, uint64_t *classes)
{
	uint32_t	h = UINT32_C(2166136261);
	int			exact;

	for (size_t k = 0; k < token->length; k++)
	{
		h = hash_step(h, (unsigned char) token->word[k]);
		if (k >= 2)
			note_atom(lx, t, classes, find_atom(lx, h ^ UINT32_C(0x9E3779B9), token->word, k + 1, true));
	}
	exact = find_atom(lx, h, token->word, token->length, false);
	note_atom(lx, t, classes, exact);
	if (token->flags & KAM_TOKEN_NUMBER)
	{
		note_atom(lx, t, classes, lx->number);
		if (token->flags & KAM_TOKEN_MONEY)
			note_atom(lx, t, classes, lx->money);
		*classes |= UINT64_C(1) << KAM_CLASS_DATE;
	}
	if (token->flags & KAM_TOKEN_CAPITAL)
	{
		if (!shouting && !(*classes >> KAM_CLASS_NOT_NAME & 1) && !(exact >= 0 && lx->atom[exact].weight == COMMON_WEIGHT))
			note_atom(lx, t, classes, lx->capital);
		if (names && token->length > 1 && names_contact(names, token))
			note_atom(lx, t, classes, lx->contact);
	}
}

static void
add_hit(KamArena *arena, KamHits *hits, int *room, KamHit hit)
{
	if (hits->count == *room)
	{
		KamHit	   *bigger;

		*room = *room ? *room * 2 : 8;
		bigger = KAM_NEW_ARRAY(arena, KamHit, *room);
		if (hits->count > 0)
			memcpy(bigger, hits->hit, sizeof(KamHit) * (size_t) hits->count);
		hits->hit = bigger;
	}
	hits->hit[hits->count++] = hit;
}

/* The pattern from the possible beginnings around an anchor; true when it stands there. */
static bool
try_anchor(Scan *s, const Pattern *pattern, const Anchor *anchor, int at, KamHit *hit)
{
	int			from = at - anchor->max_before;

	for (int k = 0; k < pattern->needs; k++)
		if (!share_bit(&s->present, &pattern->need[k]))
			return false;
	if (from < s->begin)
		from = s->begin;
	for (int pos = at - anchor->min_before; pos >= from; pos--)
	{
		int			behind;

		s->name_first = s->name_last = -1;
		behind = follow(s, pattern->start, pos);
		if (behind <= at)
			continue;
		hit->rule = pattern->rule;
		hit->first = pos;
		hit->last = behind - 1;
		hit->name_first = s->name_first;
		hit->name_last = s->name_last;
		if (pattern->unless)
			for (int k = s->begin; k < s->end; k++)
				if (follow(s, pattern->unless, k) >= 0)
					return false;
		return true;
	}
	return false;
}

KamHits
kam_match(KamArena *arena, const KamTokens *tokens, const KamContact *contact)
{
	const Lexicon *lx = get_lexicon();
	KamHits		hits = {NULL, 0, NULL};
	TokenAtoms *atoms = KAM_NEW_ARRAY(arena, TokenAtoms, tokens->count + 1);
	Scan		scan = {.tokens = tokens, .atoms = atoms, .name_first = -1, .name_last = -1};
	const char *names = NULL;
	int			room = 0,
				capitals = 0;

	hits.classes = KAM_NEW_ARRAY(arena, uint64_t, tokens->count + 1);
	scan.classes = hits.classes;
	if (lx->fault)
		return hits;
	if (contact && (contact->first_name || contact->last_name))
		names = kam_fold(arena, kam_printf(arena, "%s %s", contact->first_name ? contact->first_name : "",
										   contact->last_name ? contact->last_name : ""));
	for (int k = 0; k < tokens->count; k++)
		capitals += (tokens->token[k].flags & KAM_TOKEN_CAPITAL) != 0;
	/* a text in capitals names nobody */
	for (int k = 0; k < tokens->count; k++)
		find_atoms(lx, &tokens->token[k], names, 2 * capitals > tokens->count + 4, &atoms[k], &hits.classes[k]);
	for (int k = 0; k < tokens->count; k++)
	{
		if (k == 0 || tokens->token[k].sentence != tokens->token[k - 1].sentence)
		{
			scan.begin = k;
			scan.end = k + 1;
			while (scan.end < tokens->count && tokens->token[scan.end].sentence == tokens->token[k].sentence)
				scan.end++;
			memset(&scan.present, 0, sizeof scan.present);
			for (int i = scan.begin; i < scan.end; i++)
				for (int j = 0; j < atoms[i].count; j++)
					set_bit(&scan.present, atoms[i].atom[j]);
		}
		for (int i = 0; i < atoms[k].count; i++)
			for (const Anchor *a = lx->atom[atoms[k].atom[i]].anchors; a; a = a->next)
			{
				KamHit		hit;

				if (try_anchor(&scan, &lx->pattern[a->pattern], a, k, &hit))
					add_hit(arena, &hits, &room, hit);
			}
	}
	return hits;
}
