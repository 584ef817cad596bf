/*
 * core/agents/resource.c: which resource of ours answers what they wrote.
 *
 * A data sheet of another model is no answer, however alike its words; and
 * what was sent before is not sent again unasked.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

#define TERM_LIMIT 64			/* match terms of one resource that are tried */

/* The best weight with which one of the terms stands in a haystack; adds up over terms. */
static double
score_terms(KamArena *arena, const json_t *terms, double each, const KamHaystack *hay, int nhay, const char **term, bool *asked,
			double *best)
{
	double		sum = 0;
	size_t		n = json_array_size(terms);

	for (size_t i = 0; i < n && i < TERM_LIMIT; i++)
	{
		const char *word = json_string_value(json_array_get(terms, i));
		char	   *needle;
		double		found = 0;
		bool		there = false;

		if (word == NULL || word[0] == '\0')
			continue;
		needle = kam_fold(arena, word);
		if (strlen(needle) < 2)
			continue;
		needle = kam_printf(arena, " %s ", needle);
		for (int h = 0; h < nhay; h++)
			if (hay[h].weight > found && strstr(hay[h].text, needle) != NULL)
			{
				found = hay[h].weight;
				there = hay[h].asked;
			}
		found *= each * (strchr(needle + 1, ' ') != strrchr(needle, ' ') ? 1.5 : 1.0);
		sum += found;
		*asked |= there;
		if (found > *best)
		{
			*best = found;
			*term = word;
		}
	}
	return sum;
}

/* True when we have already sent it. */
static bool
sent_before(const KamInputs *in, const char *url)
{
	if (url == NULL || url[0] == '\0')
		return false;
	for (int i = in->contact->nactivities - 1; i >= 0; i--)
	{
		const KamActivity *activity = &in->contact->activities[i];

		if (activity->direction == KAM_OUTBOUND && activity->body != NULL && strstr(activity->body, url) != NULL)
			return true;
	}
	return false;
}

/* The next word of a folded text; its length, 0 at the end. */
static size_t
next_word(const char **text)
{
	while (**text == ' ')
		(*text)++;
	return strcspn(*text, " ");
}

static bool
has_digit(const char *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (word[i] >= '0' && word[i] <= '9')
			return true;
	return false;
}

/*
 * "module 4" in the title and "module 6" in what they asked: the same kind of
 * thing, but not the one.  Both folded, the asked text between spaces.
 */
static bool
is_another_model(KamArena *arena, const char *title, const char *asked)
{
	const char *before = NULL;
	size_t		before_length = 0,
				n;

	for (const char *p = title; (n = next_word(&p)) > 0; p += n)
	{
		if (before != NULL && has_digit(p, n) && !has_digit(before, before_length))
		{
			const char *kind = kam_printf(arena, " %.*s ", (int) before_length, before);
			const char *same = kam_printf(arena, "%s%.*s ", kind, (int) n, p);
			const char *other = strstr(asked, kind);

			if (other != NULL && strstr(asked, same) == NULL)
			{
				other += strlen(kind);
				if (has_digit(other, strcspn(other, " ")))
					return true;
			}
		}
		before = p;
		before_length = n;
	}
	return false;
}

/* Is at least half of what they asked for in the resource's title and terms, its numbers all? */
static bool
covers_request(KamArena *arena, const json_t *row, const char *request)
{
	static const char *const lists[] = {"match_terms", "topics"};
	const char *said = kam_printf(arena, " %s ", kam_fold(arena, kam_get_string(row, "title")));
	const char *folded = kam_fold(arena, request);
	int			words = 0,
				found = 0;
	size_t		n;

	for (size_t l = 0; l < KAM_LENGTHOF(lists); l++)
	{
		const json_t *terms = kam_get_array(row, lists[l]);

		for (size_t i = 0; i < json_array_size(terms) && i < TERM_LIMIT; i++)
			if (json_is_string(json_array_get(terms, i)))
				said = kam_printf(arena, "%s%s ", said, kam_fold(arena, json_string_value(json_array_get(terms, i))));
	}
	for (const char *p = folded; (n = next_word(&p)) > 0; p += n)
	{
		char	   *word = kam_strndup(arena, p, n);
		bool		there;

		if (kam_is_small_word(word))
			continue;
		there = strstr(said, kam_printf(arena, " %s ", word)) != NULL;
		if (!there && has_digit(word, n))
			return false;
		words++;
		found += there;
	}
	return 2 * found >= words;
}

/* Picks the resource that answers them best: what they asked for weighs most. */
void
kam_match_resource(const KamEnv *env, const KamInputs *in, const KamHaystack *hay, int nhay, KamHooks *out)
{
	double		best = 0.75;	/* less is chance */
	size_t		n = json_array_size(in->resources);

	for (size_t i = 0; i < n; i++)
	{
		const json_t *row = json_array_get(in->resources, i);
		const char *title = kam_get_string(row, "title");
		const char *language = kam_get_string(row, "language");
		const char *term = NULL;
		bool		asked = false;
		double		one = 0,
					score;

		if (title == NULL || kam_sayable(env->arena, title, 120) == NULL)
			continue;
		score = score_terms(env->arena, kam_get_array(row, "match_terms"), 1.0, hay, nhay, &term, &asked, &one) +
			score_terms(env->arena, kam_get_array(row, "topics"), 0.7, hay, nhay, &term, &asked, &one);
		if (language != NULL && strcmp(language, out->language) != 0)
			score *= 0.5;
		for (int h = 0; score > best && h < nhay; h++)
			if (hay[h].asked && is_another_model(env->arena, kam_fold(env->arena, title), hay[h].text))
				score = 0;
		if (asked && out->request != NULL)
			asked = covers_request(env->arena, row, out->request);
		if (score > best && !(sent_before(in, kam_get_string(row, "url")) && !asked))
		{
			best = score;
			out->resource = row;
			out->resource_term = term;
			out->resource_asked = asked;
		}
	}
}
