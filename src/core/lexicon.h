/*
 * core/lexicon.h: the lexicon's patterns as lexicon_compile.c compiles them and match.c
 * follows them.  Nobody else includes this.
 */
#pragma once

#include <string.h>

#include "core/match.h"

typedef enum NodeKind
{
	NODE_ATOM, NODE_CLASS, NODE_GAP, NODE_SPLIT, NODE_CHOICE, NODE_NOT, NODE_SENTENCE, NODE_CLAUSE, NODE_END,
	NODE_OPEN, NODE_CLOSE, NODE_ACCEPT
} NodeKind;

struct Node;

/* A sieve over atoms or pieces: a bit may be set for several, none is missed. */
typedef struct Sieve
{
	uint64_t	bits[4];
} Sieve;

/* The ways of a group, by their first atom, with a sieve in front. */
typedef struct Choice
{
	Sieve		sieve;
	uint64_t	classes;		/* whole classes that are ways of their own */
	uint16_t   *atom;			/* that open ways; sorted */
	struct Node **next;			/* where the way goes on behind its atom */
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
	struct Node *next;
	union
	{
		struct Node *other;		/* split: the second way; not: what must not follow */
		Choice	   *choice;
	};
} Node;

/* A node while the lexicon is built, and what becomes of it. */
typedef struct Draft
{
	Node		node;
	Node	   *packed;
} Draft;

#define MAX_CLASSES 64
#define TABLE_SIZE 32768		/* power of two, well above the number of atoms */

/*
 * A coarse sieve over atoms.  The highest bit stands for no atom: every token
 * has it, so that a sieve of all bits lets even the sentence's end pass.
 */
#define ANYTHING UINT64_MAX
#define ALWAYS (UINT64_C(1) << 63)

/* A piece that a pattern cannot do without, and between which tokens its words stand, counted from the anchor's. */
typedef struct Need
{
	uint16_t	piece;
	int8_t		from,
				to;
} Need;

#define MAX_NEEDS 3
#define ANY_PIECE 0				/* stands everywhere: for patterns with fewer needs */

/* A pattern that hangs on the atom. */
typedef struct Anchor
{
	uint16_t	pattern;
	uint8_t		who,			/* the pattern's */
				offset;			/* tokens of the piece it hangs on in front of the atom's */
	Need		need;			/* the pattern's first */
	uint64_t	beside;			/* coarse sieve of what can stand behind the atom's token; before it, where it has an offset */
} Anchor;

/* An anchor while the lexicon is built. */
typedef struct Hanging
{
	Anchor		anchor;
	struct Hanging *next;
} Hanging;

#define MAX_ANCHORS 256			/* of an atom */

typedef struct Atom
{
	const char *text;
	uint64_t	classes;
	union
	{
		Hanging    *hanging;	/* while the lexicon is built */
		Anchor	   *anchors;	/* then an array */
	};
	Sieve		pieces;			/* that it can be part of, of those that patterns need */
	uint16_t	nanchors,
				weight;			/* how often it is met: patterns hang on what is rare */
	uint8_t		length;
	bool		stem;
} Atom;

/* An atom that a way through a piece cannot do without, and its place in the way. */
typedef struct Hook
{
	uint16_t	atom,
				before,			/* the atom in front of it, NO_ATOM when that is not one */
				offset;			/* tokens of the piece in front of it */
} Hook;

#define NO_ATOM UINT16_MAX

/* A needed piece: the hooks of its ways. */
typedef struct Hooks
{
	const Hook *hook;
	int			count;
} Hooks;

typedef struct Pattern
{
	const KamRule *rule;
	int			min_before,		/* tokens in front of the piece it hangs on */
				max_before;
	unsigned	who;			/* speakers it holds for */
	Node	   *start,
			   *unless,			/* NULL: none */
			   *anchor;			/* the piece it hangs on */
	uint64_t	opens,			/* coarse sieves of what the pattern and its undoing can begin with */
				unless_opens;
} Pattern;

typedef struct ClassWords
{
	int		   *atoms;			/* first words; NULL: not read yet */
	int			natoms;
	bool		single;			/* has words that stand alone */
	const char **several;		/* members of several words, where they stand in the table */
	int			nseveral;
} ClassWords;

/* The first letters of a spelling, zeroes behind them. */
typedef struct Head
{
	uint64_t	part[2];
} Head;

typedef struct Lexicon
{
	KamArena   *arena,
			   *scratch;		/* what only the building needs: apart, so that the rest lies close together */
	Atom	   *atom;
	Head	   *head;			/* of each atom */
	int			natoms;
	uint16_t	table[TABLE_SIZE];	/* atom + 1 */
	uint8_t		seen[8192];		/* a bit per hash: may be an atom */
	uint32_t	stems[4096];	/* lengths of the stems, by their first STEM_MIN letters */
	ClassWords	class_words[MAX_CLASSES];
	Pattern    *pattern;
	Need		(*needs)[MAX_NEEDS];	/* of each pattern; apart from them, so that most are turned away from few cache lines */
	int			npatterns;
	Hooks	   *piece;			/* that patterns need; the first is ANY_PIECE */
	int			npieces;
	const char *fault;			/* the first bad pattern */
	int			faults;
	/* atoms that tokens get by their form */
	int			number,
				money,
				capital,
				contact;
} Lexicon;

#define MAX_ATOMS 14000
#define STEM_MIN 3				/* no token is looked up by fewer letters */
#define LONGEST_MARKED 31		/* a stem this long or longer: the last bit of its mask */

#define STEM_HASH UINT32_C(0x9E3779B9)	/* tells a stem from the same letters as a word */

#define HEAD KAM_TOKEN_ROOM		/* bytes of a spelling that are compared as two numbers */

static inline uint64_t
eight_bytes(const char *p)
{
	uint64_t	bytes;

	memcpy(&bytes, p, sizeof bytes);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	bytes = __builtin_bswap64(bytes);
#endif
	return bytes;
}

/* The first of eight bytes. */
static inline uint64_t
first_bytes(uint64_t bytes, size_t n)
{
	return n >= 8 ? bytes : bytes & ((UINT64_C(1) << 8 * n) - 1);
}

/* The head of a text of which HEAD bytes can be read, whatever stands behind its length. */
static inline Head
head_of(const char *text, size_t length)
{
	return (Head) {{first_bytes(eight_bytes(text), length), length > 8 ? first_bytes(eight_bytes(text + 8), length - 8) : 0}};
}

/* The head of its first letters. */
static inline Head
shorter_head(Head head, size_t length)
{
	return (Head) {{first_bytes(head.part[0], length), length > 8 ? first_bytes(head.part[1], length - 8) : 0}};
}

/* The hash of a spelling; stems have their own. */
static inline uint32_t
hash_of(Head head, const char *text, size_t length, bool stem)
{
	uint64_t	h = (head.part[0] ^ head.part[1] * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);

	for (size_t k = HEAD; k < length; k++)
		h = (h ^ (unsigned char) text[k]) * UINT64_C(0x9E3779B97F4A7C15);
	return (uint32_t) (h >> 32) ^ (stem ? STEM_HASH : 0);
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
find_atom(const Lexicon *lx, Head head, const char *text, size_t length, bool stem)
{
	uint32_t	h = hash_of(head, text, length, stem),
				slot,
				bit = bit_of(h);

	if (!(lx->seen[bit >> 3] >> (bit & 7) & 1))
		return -1;
	for (slot = slot_of(h); lx->table[slot] != 0; slot = (slot + 1) & (TABLE_SIZE - 1))
	{
		int			atom = lx->table[slot] - 1;
		const Atom *a = &lx->atom[atom];

		if (lx->head[atom].part[0] == head.part[0] && lx->head[atom].part[1] == head.part[1] && a->length == length && a->stem == stem &&
			(length <= HEAD || memcmp(a->text + HEAD, text + HEAD, length - HEAD) == 0))
			return atom;
	}
	return -1;
}

/* Where the stems are noted that begin like this one. */
static inline uint32_t
stem_slot(Head head)
{
	return (uint32_t) (first_bytes(head.part[0], STEM_MIN) * UINT64_C(0x9E3779B97F4A7C15) >> 52);
}

static inline uint64_t
coarse_bit(uint16_t atom)
{
	/* 63 bits: the product's upper half scaled to them */
	return UINT64_C(1) << ((((uint32_t) atom * UINT32_C(2654435769)) >> 16) * 63 >> 16);
}

static inline uint32_t
sieve_bit(uint16_t number)
{
	return (uint32_t) number * UINT32_C(40503) >> 7 & 255;
}

static inline void
set_bit(Sieve *sieve, uint16_t number)
{
	uint32_t	bit = sieve_bit(number);

	sieve->bits[bit >> 6] |= UINT64_C(1) << (bit & 63);
}

static inline bool
has_bit(const Sieve *sieve, uint16_t number)
{
	uint32_t	bit = sieve_bit(number);

	return (sieve->bits[bit >> 6] >> (bit & 63) & 1) != 0;
}

/* How heavy an ordinary word weighs; what weighs more is common. */
#define WORD_WEIGHT 4

/* The lexicon, built at the first call. */
extern const Lexicon *kam_lexicon(void);

/* Lay the patterns' nodes close together in the order in which they are followed (lexicon_pack.c). */
extern void kam_lexicon_pack(Lexicon *lx);

/* Make the anchors arrays, and give them and the patterns their sieves (lexicon_sift.c). */
extern void kam_lexicon_sift(Lexicon *lx);
