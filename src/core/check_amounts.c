/*
 * core/check_amounts.c: the guard's rule for prices and rebates: a message
 * offers nothing that neither the contact nor the house has said.
 */
#include "core/check_internal.h"

#include <string.h>

#include "core/evidence.h"
#include "core/text.h"

/* Words by which a percentage is one of a price; others ("20 % de temps gagné") are talk. */
static const char *const price_words =
	"prix|tarif*|remise*|rabais|reduction*|ristourne*|promo*|gratuit*|offert*|facture*|cout|couts|"
	"price*|pricing|discount*|rebate*|off|promo*|free|cost|costs|fee|fees|invoice*";

/* Does the sentence with the byte at that place speak of prices? */
static bool
speaks_of_price(const KamTokens *tokens, size_t at)
{
	int			first = 0,
				last;

	while (first < tokens->count && tokens->token[first].end <= at)
		first++;
	if (first == tokens->count)
		return false;
	last = first;
	while (first > 0 && tokens->token[first - 1].sentence == tokens->token[last].sentence)
		first--;
	while (last + 1 < tokens->count && tokens->token[last + 1].sentence == tokens->token[first].sentence)
		last++;
	return kam_phrase_find(&(KamTokens) {tokens->source, tokens->token + first, last - first + 1}, price_words, 0, &last) >= 0;
}

static void
look(KamGuard *guard, const char *path)
{
	const char *text = kam_guard_words(guard, path);
	KamTokens	tokens = {NULL, NULL, 0};
	json_t	   *invented;

	if (text == NULL)
		return;
	text = kam_shorten(guard->env->arena, text, KAM_LONGEST_READ);
	invented = kam_invented_values(guard->env, guard->contact, &guard->house, text);
	if (json_array_size(invented) > 0)
		tokens = kam_tokenize(guard->env->arena, text, strlen(text));
	for (size_t i = 0; i < json_array_size(invented); i++)
	{
		const json_t *row = json_array_get(invented, i);
		const char *kind = kam_get_string(row, "kind");

		if (strcmp(kind, "amount") == 0 ||
			(strcmp(kind, "percentage") == 0 && speaks_of_price(&tokens, (size_t) json_integer_value(json_object_get(row, "at")))))
			kam_guard_report(guard, path, "\"%s\" stands neither in the contact nor in a resource or practice of ours.",
							 kam_shorten(guard->env->arena, kam_get_string(row, "quote"), 60));
	}
	json_decref(invented);
}

void
kam_rule_invented_amount(KamGuard *guard)
{
	if (!guard->sends)
		return;
	look(guard, "/selected_content/message");
	look(guard, "/selected_content/subject");
}
