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
#define TABLE_SIZE 32768		/* power of two, well above the number of atoms */

/*
 * A coarse sieve over atoms.  The highest bit stands for no atom: every token
 * has it, so that a sieve of all bits lets even the sentence's end pass.
 */
#define ANYTHING UINT64_MAX
#define ALWAYS (UINT64_C(1) << 63)

/* A rule whose element at "before" tokens from its beginning is the atom. */
typedef struct Anchor
{
	uint16_t	pattern,
				who;			/* the pattern's */
	int16_t		min_before,
				max_before;
	union
	{
		struct Anchor *next;	/* while the lexicon is built */
		uint64_t	follows;	/* coarse sieve of what can stand behind the atom's token */
	};
} Anchor;

typedef struct Atom
{
	const char *text;
	uint8_t		length;
	bool		stem;
	uint16_t	weight;			/* how often it is met: patterns hang on what is rare */
	uint64_t	classes;
	Anchor	   *anchors;		/* an array once built */
	int			nanchors;
} Atom;

#define MAX_NEEDS 3

typedef struct Pattern
{
	const KamRule *rule;
	Sieve		need[MAX_NEEDS];	/* of each, some atom must stand in the sentence */
	int			needs;
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

typedef struct Lexicon
{
	KamArena   *arena;
	Atom	   *atom;
	int			natoms;
	uint16_t	table[TABLE_SIZE];	/* atom + 1 */
	uint8_t		seen[8192];		/* a bit per hash: may be an atom */
	uint32_t	stems[4096];	/* lengths of the stems, by the hash of their first STEM_MIN letters */
	ClassWords	class_words[MAX_CLASSES];
	Pattern    *pattern;
	int			npatterns;
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

static inline uint32_t
hash_step(uint32_t h, unsigned char c)
{
	return (h ^ c) * UINT32_C(16777619);
}

/* The hash of a spelling; stems have their own. */
static inline uint32_t
kam_atom_hash(const char *text, size_t length, bool stem)
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

static inline uint32_t
stem_slot(uint32_t h)
{
	return (h ^ h >> 12) & 4095;
}

static inline uint64_t
coarse_bit(uint16_t atom)
{
	/* 63 bits: the product's upper half scaled to them */
	return UINT64_C(1) << ((((uint32_t) atom * UINT32_C(2654435769)) >> 16) * 63 >> 16);
}

static inline uint32_t
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

/* How heavy an ordinary word weighs; what weighs more is common. */
#define WORD_WEIGHT 4

/* The lexicon, built at the first call. */
extern const Lexicon *kam_lexicon(void);

/* Make the anchors arrays, and give them and the patterns their sieves (lexicon_sift.c). */
extern void kam_lexicon_sift(Lexicon *lx);
