/*
 * core/lexicon_pieces.h: between reading a pattern (lexicon_parse.c) and hanging
 * it (lexicon_compile.c).
 */
#pragma once

#include "core/lexicon.h"

/* A piece of a pattern: entered at first, left through the last's next. */
typedef struct Piece
{
	Node	   *first,
			   *last;
	int			min,			/* tokens it takes */
				max;
	int		   *atoms;			/* that it can begin with; NULL: unknown */
	int			natoms;
	Hook	   *hooks;			/* one for each way through it; NULL: unknown */
	int			nhooks;
} Piece;

typedef struct Compiler
{
	Lexicon    *lx;
	const char *pattern,
			   *p;
} Compiler;

extern void kam_lexicon_complain(Compiler *c, const char *what);
extern Node *kam_lexicon_node(Compiler *c, NodeKind kind, int value);
/* The atom of a word or stem, made when there is none yet. */
extern int	kam_lexicon_atom(Lexicon *lx, const char *text, size_t length, bool stem);
/* How often the hooks of a piece are met. */
extern int	kam_lexicon_hooks_cost(const Lexicon *lx, const Piece *piece);
/* Elements up to the end, "|", ")" or ">"; the pieces are kept when asked for. */
extern Piece kam_lexicon_row(Compiler *c, Piece *pieces, int *npieces, int room);
/* Reads a class's words, once. */
extern const ClassWords *kam_lexicon_class_words(Compiler *c, int which);
