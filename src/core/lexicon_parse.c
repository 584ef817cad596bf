/*
 * core/lexicon_parse.c: the text of a pattern (match.h) becomes nodes, and for
 * each piece of it the atoms that it can begin with and cannot do without.
 */
#include "core/lexicon_pieces.h"

#include <stdlib.h>

/* ---- atoms ----------------------------------------------------------- */

#define LONGEST_ATOM 60

/* Notes why there is none; something must stand in its place. */
static int
no_atom(Lexicon *lx, const char *why, const char *text, size_t length)
{
	if (!lx->fault)
		lx->fault = kam_printf(lx->arena, "%s: %.*s", why, (int) length, text);
	return 0;
}

int
kam_lexicon_atom(Lexicon *lx, const char *text, size_t length, bool stem)
{
	char		spelling[LONGEST_ATOM + 1 + KAM_TOKEN_ROOM] = {0};
	Head		head;
	uint32_t	h,
				slot;
	int			found;

	if (length == 0 || length > LONGEST_ATOM)
		return no_atom(lx, "a word that is empty or too long", text, length);
	memcpy(spelling, text, length);
	head = head_of(spelling, length);
	found = find_atom(lx, head, spelling, length, stem);
	if (found >= 0)
		return found;
	if (lx->natoms == MAX_ATOMS)
		return no_atom(lx, "too many words", text, length);
	h = hash_of(head, spelling, length, stem);
	for (slot = slot_of(h); lx->table[slot] != 0;)
		slot = (slot + 1) & (TABLE_SIZE - 1);
	lx->head[lx->natoms] = head;
	lx->atom[lx->natoms].text = kam_strndup(lx->arena, text, length);
	lx->atom[lx->natoms].length = (uint8_t) length;
	lx->atom[lx->natoms].stem = stem;
	lx->atom[lx->natoms].weight = WORD_WEIGHT;
	lx->table[slot] = (uint16_t) (lx->natoms + 1);
	lx->seen[bit_of(h) >> 3] |= (uint8_t) (1 << (bit_of(h) & 7));
	if (stem && length >= STEM_MIN)
		lx->stems[stem_slot(head)] |= UINT32_C(1) << (length < LONGEST_MARKED ? length : LONGEST_MARKED);
	return lx->natoms++;
}

/* ---- the compiler ---------------------------------------------------- */

void
kam_lexicon_complain(Compiler *c, const char *what)
{
	c->lx->faults++;
	if (!c->lx->fault)
		c->lx->fault = kam_printf(c->lx->arena, "%s at \"%s\" in \"%s\"", what, c->p, c->pattern);
}

Node *
kam_lexicon_node(Compiler *c, NodeKind kind, int value)
{
	Node	   *n = &KAM_NEW(c->lx->scratch, Draft)->node;

	n->kind = (uint8_t) kind;
	n->value = (uint16_t) value;
	return n;
}

/* It can begin with these atoms and with no others: they are its hooks, until something rarer is found behind them. */
static void
open_with(Compiler *c, Piece *piece, int *atoms, int natoms)
{
	piece->atoms = atoms;
	piece->natoms = piece->nhooks = natoms;
	piece->hooks = KAM_NEW_ARRAY(c->lx->scratch, Hook, natoms);
	for (int k = 0; k < natoms; k++)
		piece->hooks[k] = (Hook) {(uint16_t) atoms[k], NO_ATOM, 0};
}

static Piece
single(Compiler *c, Node *node, int width)
{
	Piece		piece = {node, node, width, width, NULL, 0, NULL, 0};

	if (node->kind == NODE_ATOM)
	{
		int		   *atom = KAM_NEW(c->lx->scratch, int);

		*atom = node->value;
		open_with(c, &piece, atom, 1);
	}
	return piece;
}

/* How often the words are met by which a piece hangs. */
int
kam_lexicon_hooks_cost(const Lexicon *lx, const Piece *piece)
{
	int			cost = 0;

	for (int k = 0; k < piece->nhooks; k++)
		cost += lx->atom[piece->hooks[k].atom].weight;
	return cost;
}

/* The joined piece hangs by the second of its parts, when that is rarer and always equally far from the beginning. */
static void
join_hooks(Compiler *c, Piece *piece, const Piece *a, const Piece *b)
{
	if (!a->hooks || !b->hooks || a->min != a->max || kam_lexicon_hooks_cost(c->lx, b) >= kam_lexicon_hooks_cost(c->lx, a))
		return;
	piece->nhooks = b->nhooks;
	piece->hooks = KAM_NEW_ARRAY(c->lx->scratch, Hook, b->nhooks);
	for (int k = 0; k < b->nhooks; k++)
	{
		Hook	   *hook = &piece->hooks[k];

		*hook = b->hooks[k];
		if (hook->offset == 0 && a->last->kind == NODE_ATOM)
			hook->before = a->last->value;
		hook->offset = (uint16_t) (hook->offset + a->max);
	}
}

static Piece
join(Compiler *c, Piece a, Piece b)
{
	Piece		piece = a;

	join_hooks(c, &piece, &a, &b);
	a.last->next = b.first;
	piece.last = b.last;
	piece.min = a.min + b.min;
	piece.max = a.max + b.max;
	if (a.max == 0)				/* a mere assertion in front */
	{
		piece.atoms = b.atoms;
		piece.natoms = b.natoms;
		piece.hooks = b.hooks;
		piece.nhooks = b.nhooks;
	}
	else if (a.min == 0)
	{
		piece.atoms = NULL;
		piece.hooks = NULL;
		piece.natoms = piece.nhooks = 0;
	}
	return piece;
}

/* Either way; ways may be empty (first == NULL). */
static Piece
either(Compiler *c, Piece a, Piece b)
{
	Node	   *split = kam_lexicon_node(c, NODE_SPLIT, 0),
			   *out = kam_lexicon_node(c, NODE_GAP, 0); /* a gap of no words: nothing */
	Piece		piece = {split, out, a.min < b.min ? a.min : b.min, a.max > b.max ? a.max : b.max, NULL, 0, NULL, 0};

	split->next = a.first;
	split->other = b.first ? b.first : out;
	a.last->next = out;
	if (b.first)
		b.last->next = out;
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
		kam_lexicon_complain(c, "no word");
		c->p += *c->p != '\0';
		return single(c, kam_lexicon_node(c, NODE_ATOM, 0), 1);
	}
	return single(c, kam_lexicon_node(c, NODE_ATOM, kam_lexicon_atom(c->lx, begin, length, stem)), 1);
}

/*
 * The words of a class, read once: single ones are marked at their atoms, and
 * the first words of all are what a pattern can begin with.
 */
const ClassWords *
kam_lexicon_class_words(Compiler *c, int which)
{
	ClassWords *cw = &c->lx->class_words[which];
	Compiler	inner = {c->lx, kam_word_classes[which].name, kam_word_classes[which].words};
	int			room = 8;

	if (cw->atoms)
		return cw;
	for (const char *p = inner.p; *p; p++)
		room += *p == ' ';
	cw->atoms = KAM_NEW_ARRAY(c->lx->scratch, int, room);
	cw->several = KAM_NEW_ARRAY(c->lx->scratch, const char *, room);
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

/* A way into a group: where it goes on when a token is that atom. */
typedef struct Way
{
	uint16_t	atom;
	Node	   *next;
} Way;

static int
compare_ways(const void *a, const void *b)
{
	return (int) ((const Way *) a)->atom - (int) ((const Way *) b)->atom;
}

#define MAX_WAYS 256

/* One of some ways: each is reached by its first atom where it has one. */
static Piece
one_of(Compiler *c, const Piece *way, int ways)
{
	Node	   *node = kam_lexicon_node(c, NODE_CHOICE, 0),
			   *out = kam_lexicon_node(c, NODE_GAP, 0); /* a gap of no words: nothing */
	Choice	   *choice = KAM_NEW(c->lx->scratch, Choice);
	Piece		piece = {node, out, way[0].min, way[0].max, NULL, 0, NULL, 0};
	Way			opened[MAX_WAYS];
	Node	   *other[MAX_WAYS];
	int			atoms = 0,
				hooks = 0;
	bool		all_known = true;

	node->choice = choice;
	choice->out = out;
	for (int k = 0; k < ways; k++)
	{
		const Node *first = way[k].first;

		way[k].last->next = out;
		if (way[k].min < piece.min)
			piece.min = way[k].min;
		if (way[k].max > piece.max)
			piece.max = way[k].max;
		all_known &= way[k].atoms != NULL;
		atoms += way[k].natoms;
		hooks += way[k].nhooks;
		if (first->kind == NODE_ATOM)
		{
			opened[choice->ways++] = (Way) {first->value, first->next};
			set_bit(&choice->sieve, first->value);
		}
		else if (first->kind == NODE_CLASS && first == way[k].last)
			choice->classes |= UINT64_C(1) << first->value;
		else
			other[choice->others++] = way[k].first;
	}
	qsort(opened, (size_t) choice->ways, sizeof(Way), compare_ways);
	choice->atom = KAM_NEW_ARRAY(c->lx->scratch, uint16_t, choice->ways);
	choice->next = KAM_NEW_ARRAY(c->lx->scratch, Node *, choice->ways);
	for (int k = 0; k < choice->ways; k++)
	{
		choice->atom[k] = opened[k].atom;
		choice->next[k] = opened[k].next;
	}
	choice->other = KAM_NEW_ARRAY(c->lx->scratch, Node *, choice->others);
	memcpy(choice->other, other, sizeof(Node *) * (size_t) choice->others);
	if (all_known)
	{
		piece.atoms = KAM_NEW_ARRAY(c->lx->scratch, int, atoms + 1);
		piece.hooks = KAM_NEW_ARRAY(c->lx->scratch, Hook, hooks + 1);
		for (int k = 0; k < ways; k++)
		{
			for (int i = 0; i < way[k].natoms; i++)
				piece.atoms[piece.natoms++] = way[k].atoms[i];
			for (int i = 0; i < way[k].nhooks; i++)
				piece.hooks[piece.nhooks++] = way[k].hooks[i];
		}
	}
	return piece;
}

/* A reference to a class: its single words are one way, each of the others is one. */
static Piece
parse_class(Compiler *c)
{
	const char *name = c->p + 1,
			   *end = strchr(name, '}');
	Piece		piece,
				way[MAX_WAYS];
	int			ways = 0;
	const ClassWords *cw;
	int			which = -1;

	if (!end)
	{
		kam_lexicon_complain(c, "an open brace");
		c->p += strlen(c->p);
		return single(c, kam_lexicon_node(c, NODE_ATOM, 0), 1);
	}
	if (strncmp(name, "Name}", 5) == 0 || strncmp(name, "contact}", 8) == 0)
	{
		int			atom = name[0] == 'N' ? c->lx->capital : c->lx->contact;

		c->p = end + 1;
		return single(c, kam_lexicon_node(c, NODE_ATOM, atom), 1);
	}
	for (int k = 0; k < kam_word_class_count; k++)
		if (strncmp(kam_word_classes[k].name, name, (size_t) (end - name)) == 0 &&
			kam_word_classes[k].name[end - name] == '\0')
			which = k;
	if (which < 0)
	{
		kam_lexicon_complain(c, "an unknown class");
		c->p = end + 1;
		return single(c, kam_lexicon_node(c, NODE_ATOM, 0), 1);
	}
	c->p = end + 1;
	cw = kam_lexicon_class_words(c, which);
	if (cw->single)
		way[ways++] = single(c, kam_lexicon_node(c, NODE_CLASS, which), 1);
	for (int k = 0; k < cw->nseveral && ways < MAX_WAYS; k++)
	{
		Compiler	inner = {c->lx, c->pattern, cw->several[k]};

		way[ways] = parse_word(&inner);
		while (*inner.p == '_')
		{
			inner.p++;
			way[ways] = join(c, way[ways], parse_word(&inner));
		}
		ways++;
	}
	if (ways == 0)
	{
		kam_lexicon_complain(c, "a class of no words");
		way[ways++] = single(c, kam_lexicon_node(c, NODE_ATOM, 0), 1);
	}
	piece = ways == 1 ? way[0] : one_of(c, way, ways);
	open_with(c, &piece, cw->atoms, cw->natoms);
	return piece;
}

/* "(a|b c|{d})" */
static Piece
parse_group(Compiler *c)
{
	Piece		way[MAX_WAYS];
	int			ways = 0;

	c->p++;
	for (;;)
	{
		if (ways == MAX_WAYS)
		{
			kam_lexicon_complain(c, "too many ways");
			return single(c, kam_lexicon_node(c, NODE_ATOM, 0), 1);
		}
		way[ways++] = kam_lexicon_row(c, NULL, NULL, 0);
		if (*c->p != '|')
			break;
		c->p++;
	}
	if (*c->p == ')')
		c->p++;
	else
		kam_lexicon_complain(c, "an open bracket");
	return one_of(c, way, ways);
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
	Node	   *gap = kam_lexicon_node(c, NODE_GAP, 0);
	Piece		piece = {gap, gap, 0, 0, NULL, 0, NULL, 0};

	gap->over_comma = *c->p == '.';
	gap->over_not = strncmp(c->p, "...", 3) == 0;
	while (*c->p == '.' || *c->p == '~')
		c->p++;
	gap->max = (uint8_t) parse_digits(c);
	if (gap->max == 0)
		kam_lexicon_complain(c, "a gap of no words");
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
			piece = single(c, kam_lexicon_node(c, *c->p == '^' ? NODE_SENTENCE : *c->p == ',' ? NODE_CLAUSE : NODE_END, 0), 0);
			c->p++;
			return piece;
		case '.':
		case '~':
			return parse_gap(c);
		case '!':
			{
				Node	   *not = kam_lexicon_node(c, NODE_NOT, 0);
				Piece		inner;

				c->p++;
				inner = parse_element(c);
				inner.last->next = kam_lexicon_node(c, NODE_ACCEPT, 0);
				not->other = inner.first;
				return single(c, not, 0);
			}
		case '#':
			{
				bool		money = strncmp(c->p, "#money", 6) == 0;

				c->p += money ? 6 : 1;
				piece = single(c, kam_lexicon_node(c, NODE_ATOM, money ? c->lx->money : c->lx->number), 1);
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
				Piece		open = single(c, kam_lexicon_node(c, NODE_OPEN, 0), 0),
							close = single(c, kam_lexicon_node(c, NODE_CLOSE, 0), 0);

				c->p++;
				piece = join(c, join(c, open, kam_lexicon_row(c, NULL, NULL, 0)), close);
				if (*c->p == '>')
					c->p++;
				else
					kam_lexicon_complain(c, "an open angle");
				break;
			}
		default:
			piece = parse_word(c);
	}
	if (*c->p == '?')
	{
		Piece		nothing = {NULL, NULL, 0, 0, NULL, 0, NULL, 0};

		c->p++;
		piece = either(c, piece, nothing);
	}
	return piece;
}

/* Elements up to the end, "|", ")" or ">"; the pieces are kept when asked for. */
Piece
kam_lexicon_row(Compiler *c, Piece *pieces, int *npieces, int room)
{
	Piece		row = {NULL, NULL, 0, 0, NULL, 0, NULL, 0};

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
		row = row.first ? join(c, row, piece) : piece;
	}
	if (!row.first)
	{
		kam_lexicon_complain(c, "nothing");
		row = single(c, kam_lexicon_node(c, NODE_GAP, 0), 0);
	}
	return row;
}
