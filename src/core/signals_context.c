/*
 * core/signals_context.c: the surroundings of a finding: its clause, the
 * negation, condition or question that takes it back, and its date.
 */
#include "core/signals_parts.h"

bool
kam_reader_same_sentence(const Reader *r, int a, int b)
{
	return r->tokens.token[a].sentence == r->tokens.token[b].sentence;
}

int
kam_reader_clause_begin(const Reader *r, int token)
{
	while (token > 0 && kam_reader_same_sentence(r, token, token - 1) && !(r->tokens.token[token].flags & KAM_TOKEN_CLAUSE))
		token--;
	return token;
}

static int
sentence_begin(const Reader *r, int token)
{
	while (token > 0 && kam_reader_same_sentence(r, token, token - 1))
		token--;
	return token;
}

/* The last token of the clause. */
int
kam_reader_clause_end(const Reader *r, int token)
{
	while (token + 1 < r->tokens.count && kam_reader_same_sentence(r, token, token + 1) &&
		   !(r->tokens.token[token + 1].flags & KAM_TOKEN_CLAUSE))
		token++;
	return token;
}

bool
kam_reader_word_is(const Reader *r, int token, const char *word)
{
	return token >= 0 && token < r->tokens.count && strcmp(r->tokens.token[token].word, word) == 0;
}

bool
kam_reader_word_in(const Reader *r, int token, const char *const *words, size_t count)
{
	for (size_t k = 0; k < count; k++)
		if (kam_reader_word_is(r, token, words[k]))
			return true;
	return false;
}

/* "plus" negates behind a "ne" alone. */
static bool
is_negation(const Reader *r, int token)
{
	/* "n'hesitez pas", "do not hesitate" */
	if (kam_token_is(&r->hits, token, KAM_CLASS_NOT))
		return !(token > 0 && strncmp(r->tokens.token[token - 1].word, "hesit", 5) == 0) &&
			!(token + 1 < r->tokens.count && strncmp(r->tokens.token[token + 1].word, "hesit", 5) == 0);
	if (kam_reader_word_is(r, token, "plus"))
		for (int k = token - 1; k >= 0 && k >= token - 3; k--)
			if (kam_reader_word_is(r, k, "ne") || kam_reader_word_is(r, k, "n"))
				return true;
	return false;
}

/* Does a negation in front, in the same clause, or right behind undo the words? */
bool
kam_reader_is_negated(const Reader *r, const KamHit *hit)
{
	static const char *const carriers[] = {"que", "qu", "that", "question", "intention", "plan", "plans", "mean", "saying", "want", "said", "dit", "think",
		"pense", "penser", "mind"};
	static const char *const behind[] = {"pas", "nullement", "aucunement", "jamais"};
	int			begin = kam_reader_clause_begin(r, hit->first);
	bool		own_subject = kam_token_is(&r->hits, hit->first, KAM_CLASS_WE);

	if (hit->last + 1 < r->tokens.count && kam_reader_same_sentence(r, hit->last, hit->last + 1) && WORD_IN(r, hit->last + 1, behind))
		return true;
	/* "ne le resilions pas": the first half of the negation stands in front */
	for (int k = hit->first - 1; k >= begin && k >= hit->first - 6; k--)
	{
		if (is_negation(r, k))
		{
			if (own_subject)
			{
				bool		carried = false;

				for (int i = k + 1; i < hit->first; i++)
					carried |= WORD_IN(r, i, carriers);
				return carried;
			}
			return true;
		}
		if (kam_token_is(&r->hits, k, KAM_CLASS_WE) && k < hit->first - 1 && !own_subject)
		{
			/* the verb's own subject: what stands before it belongs to another verb, unless it carries this one */
			if (k > begin && WORD_IN(r, k - 1, carriers))
				continue;
			return false;
		}
	}
	return false;
}

/* Is it only supposed: "si nous devions", "we might"? */
bool
kam_reader_is_supposed(const Reader *r, const KamHit *hit)
{
	static const char *const tellers[] = {"know", "dire", "dites", "dis", "voir", "savoir", "sais", "savez", "moi", "ask", "see", "wonder", "confirmer", "tell",
		"demande", "demander", "check", "verifier", "as", "even", "meme", "comme"};
	static const char *const wishes[] = {"like", "love", "prefer", "rather", "want", "appreciate", "be"};
	int			begin = kam_reader_clause_begin(r, hit->first),
				first = sentence_begin(r, hit->first),
				end = kam_reader_clause_end(r, hit->last);

	for (int k = begin; k < hit->first; k++)
		if (kam_token_is(&r->hits, k, KAM_CLASS_IF) && !WORD_IN(r, k - 1, tellers) &&
			!(kam_reader_word_is(r, k, "may") && r->tokens.token[k].flags & KAM_TOKEN_CAPITAL) &&
			!(kam_reader_word_is(r, k, "would") && WORD_IN(r, k + 1, wishes)))
			return true;
	/* "Si le prix ne baisse pas, nous resilions" */
	if (first < begin && kam_token_is(&r->hits, first, KAM_CLASS_IF))
		return true;
	/* "and if ...", "donc si ..." */
	if (first + 1 < begin && kam_token_is(&r->hits, first + 1, KAM_CLASS_IF) && !WORD_IN(r, first, tellers))
		return true;
	for (int k = hit->last + 1; k <= end; k++)
		if ((kam_reader_word_is(r, k, "si") || kam_reader_word_is(r, k, "if") || kam_reader_word_is(r, k, "unless") || kam_reader_word_is(r, k, "sauf")) && !WORD_IN(r, k - 1, tellers))
			return true;
	return false;
}

/*
 * Is it asked rather than said?  A clause that opens like a question is one;
 * so is the last clause before the mark.  What stands in an earlier clause was
 * said.
 */
bool
kam_reader_is_asked(const Reader *r, const KamHit *hit)
{
	static const char *const joints[] = {"and", "but", "so", "or", "also", "et", "mais", "donc", "ou", "alors", "sinon", "hi", "hello", "bonjour", "est"};
	int			begin,
				end;

	if (!(r->tokens.token[hit->first].flags & KAM_TOKEN_QUESTION))
		return false;
	begin = kam_reader_clause_begin(r, hit->first);
	end = kam_reader_clause_end(r, hit->last);
	/* "and how", "bonjour, peut-on"; but not "I would" */
	if (kam_token_is(&r->hits, begin, KAM_CLASS_ASK) ||
		(begin < hit->first && kam_token_is(&r->hits, begin + 1, KAM_CLASS_ASK) && WORD_IN(r, begin, joints)))
		return true;
	/* "comment faire, concretement, pour resilier ?" */
	if (kam_token_is(&r->hits, sentence_begin(r, begin), KAM_CLASS_ASK))
		return true;
	return end + 1 >= r->tokens.count || !kam_reader_same_sentence(r, end, end + 1);
}

/* ---- dates ----------------------------------------------------------- */

static void
find_dates(Reader *r)
{
	if (r->whens < 0)
		r->whens = kam_when_find(kam_scratch(r->env), &r->tokens, r->activity->at, &r->contact->zone, &r->when);
}

/* Sentences between two tokens. */
static int
sentences_apart(const Reader *r, int a, int b)
{
	return r->tokens.token[b].sentence - r->tokens.token[a].sentence;
}

/*
 * The date that belongs to a hit: in its sentence, or the next or the previous
 * one where the rule allows; the nearest to its words, those behind first.
 */
const KamWhen *
kam_reader_date_of(Reader *r, const KamHit *hit, unsigned flags)
{
	const KamWhen *best = NULL;
	int			best_distance = 0;

	find_dates(r);
	for (int k = 0; k < r->whens; k++)
	{
		const KamWhen *w = &r->when[k];
		int			apart = sentences_apart(r, hit->last, w->first);
		int			distance;

		if (w->past || w->at < r->activity->at - KAM_DAY || (w->grain == KAM_GRAIN_TIME && w->at < r->activity->at - KAM_MINUTE))
			continue;
		if (flags & KAM_RULE_DATE_NEAR ? apart < -1 || apart > 1 : apart != 0)
			continue;
		if (flags & KAM_RULE_AFTER && w->last < hit->first)
			continue;
		if (w->first >= hit->first && w->first <= hit->last + 1)
			distance = 0;
		else if (w->first > hit->last)
			distance = w->first - hit->last;
		else
			distance = 2 * (hit->first - w->last);
		distance += 100 * (apart < 0 ? -2 * apart : apart);
		if (flags & KAM_RULE_FIRST_DATE)
			distance = w->first + 1000 * (apart < 0 ? -apart : apart);
		if (!best || distance < best_distance)
		{
			best = w;
			best_distance = distance;
		}
	}
	return best;
}

/* Could the sentence (or, with "near", its neighbours) hold a date at all? */
bool
kam_reader_may_hold_date(const Reader *r, const KamHit *hit, bool near)
{
	int			sentence = r->tokens.token[hit->first].sentence;

	for (int k = 0; k < r->tokens.count; k++)
	{
		int			apart = r->tokens.token[k].sentence - sentence;

		if (apart > (near ? 1 : 0))
			break;
		if (apart >= (near ? -1 : 0) && kam_token_is(&r->hits, k, KAM_CLASS_DATE))
			return true;
	}
	return false;
}
