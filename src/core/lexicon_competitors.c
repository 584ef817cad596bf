/*
 * core/lexicon_competitors.c: the products of competitors.def as a table.
 */
#include "core/match.h"

#define PRODUCT(name) name,
#define WORD_PRODUCT(name)

const char *const kam_products[] = {
#include "core/competitors.def"
};
const int	kam_product_count = KAM_LENGTHOF(kam_products);

#undef PRODUCT
#undef WORD_PRODUCT
#define PRODUCT(name)
#define WORD_PRODUCT(name) name,

const char *const kam_word_products[] = {
#include "core/competitors.def"
};
const int	kam_word_product_count = KAM_LENGTHOF(kam_word_products);
