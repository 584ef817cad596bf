/*
 * core/evidence_report.c: verdicts on claims as people and models get them:
 * where each stands, which go on.
 */
#include "core/evidence_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"

#define MOST_COMPARED 1e7		/* words of a text with words of a quote */
#define PASSAGE 300				/* bytes of a text shown where a quote cannot be pointed out in it */

bool
kam_path_element(const char *path, const char *list, long *index)
{
	size_t		n = strlen(list);
	char	   *end;

	if (strncmp(path, list, n) != 0 || path[n] < '0' || path[n] > '9')
		return false;
	*index = strtol(path + n, &end, 10);
	return *end == '/' || *end == '\0';
}

/* The words of the text that the quote's words are, as the text spells them; NULL when they are not in it. */
static json_t *
passage(KamArena *arena, const char *text, const char *quote)
{
	const char *verbatim = strstr(text, quote);
	KamTokens	there,
				said;

	if (verbatim != NULL)
		return kam_string(quote);
	there = kam_tokenize(arena, text, strlen(text));
	said = kam_tokenize(arena, quote, strlen(quote));
	if ((double) there.count * said.count > MOST_COMPARED)
		return NULL;
	for (int i = 0; said.count > 0 && i + said.count <= there.count; i++)
	{
		int			n = 0;

		while (n < said.count && strcmp(there.token[i + n].word, said.token[n].word) == 0)
			n++;
		if (n == said.count)
			return kam_stringn(text + there.token[i].start, there.token[i + n - 1].end - there.token[i].start);
	}
	return NULL;
}

/* The words of the contact that the quote quotes: of the value, or of the first one inside it. */
static json_t *
found_in(KamArena *arena, const json_t *value, const json_t *quote, int depth)
{
	const char *key,
			   *words = json_string_value(quote);
	const json_t *member;
	json_t	   *found = NULL;
	size_t		i;

	if (value == NULL || depth > KAM_CONTACT_DEPTH)
		return NULL;
	if (json_is_string(value) && words != NULL)
		return passage(arena, json_string_value(value), words);
	if (json_is_array(value))
	{
		json_array_foreach((json_t *) value, i, member)
			if ((found = found_in(arena, member, quote, depth + 1)) != NULL)
				return found;
		return NULL;
	}
	if (json_is_object(value))
	{
		json_object_foreach((json_t *) value, key, member)
			if ((found = found_in(arena, member, quote, depth + 1)) != NULL)
				return found;
		return NULL;
	}
	return depth == 0 ? json_incref((json_t *) value) : NULL;
}

/* The beginning of a text, for a quote that stands in it by its meaning alone. */
static json_t *
beginning(const json_t *value)
{
	const char *text = json_string_value(value);
	size_t		n = json_string_length(value);

	if (text == NULL)
		return json_null();
	for (n = n > PASSAGE ? PASSAGE : n; n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80;)
		n--;
	return kam_stringn(text, n);
}

json_t *
kam_evidence_places(const KamEnv *env, const KamContact *contact, const json_t *evidence)
{
	json_t	   *places = kam_array();

	for (size_t i = 0; i < json_array_size(evidence) && i < KAM_MOST_EVIDENCE; i++)
	{
		json_t	   *entry = json_array_get(evidence, i),
				   *one = kam_array(),
				   *place = kam_object(),
				   *found = NULL;
		const char *path = kam_get_string(entry, "path");
		const json_t *quote = json_object_get(entry, "quote");
		const json_t *value = path != NULL ? kam_pointer(contact->json, path) : NULL;
		const char *recorded = NULL;
		long		index;

		kam_push(one, json_incref(entry));
		if (kam_evidence_fault(env, contact, one) == NULL && (found = found_in(env->arena, value, quote, 0)) == NULL)
			found = beginning(value);
		json_decref(one);
		if (path != NULL && kam_path_element(path, "/activities/", &index))
			recorded = json_string_value(kam_pointer(contact->json, kam_printf(env->arena, "/activities/%ld/recorded_on", index)));
		kam_push(places, place);
		kam_put(place, "path", kam_string(path));
		kam_put(place, "quote", quote != NULL ? json_incref((json_t *) quote) : json_null());
		kam_put(place, "found", found != NULL ? found : json_null());
		kam_put(place, "recorded_on", kam_string(recorded));
	}
	return places;
}

json_t *
kam_claim_report(const KamEnv *env, const KamContact *contact, const json_t *claim)
{
	json_t	   *repaired,
			   *report = kam_object();
	const char *why;
	KamVerdict	verdict = kam_claim_judge(env, contact, claim, &why, &repaired);

	kam_put(report, "claim", json_incref((json_t *) claim));
	kam_put(report, "holds", json_boolean(verdict != KAM_UNVERIFIED));
	kam_put(report, "verdict", kam_string(kam_verdict_name(verdict)));
	if (why != NULL)
		kam_put(report, verdict == KAM_REPAIRED ? "repair" : "fault", kam_string(why));
	kam_put(report, "at", kam_evidence_places(env, contact, kam_get_array(repaired != NULL ? repaired : claim, "evidence")));
	json_decref(repaired);
	return report;
}

json_t *
kam_claims_report(const KamEnv *env, const KamContact *contact, const json_t *output)
{
	const json_t *claims = kam_get_array(output, "claims");
	json_t	   *reports = kam_array();

	for (size_t i = 0; i < json_array_size(claims); i++)
	{
		json_t	   *claim = json_array_get(claims, i),
				   *report;

		if (i < KAM_MOST_CLAIMS)
		{
			kam_push(reports, kam_claim_report(env, contact, claim));
			continue;
		}
		report = kam_object();
		kam_push(reports, report);
		kam_put(report, "claim", json_incref(claim));
		kam_put(report, "holds", json_false());
		kam_put(report, "verdict", kam_string(kam_verdict_name(KAM_UNVERIFIED)));
		kam_put(report, "fault", kam_string(kam_printf(env->arena, "an output may make %d claims", KAM_MOST_CLAIMS)));
		kam_put(report, "at", kam_array());
	}
	return reports;
}

json_t *
kam_verified_output(const KamEnv *env, const KamContact *contact, const json_t *output)
{
	const json_t *claims = kam_get_array(output, "claims");
	json_t	   *copy,
			   *kept;

	if (claims == NULL)
		return output != NULL ? json_incref((json_t *) output) : json_null();
	copy = json_copy((json_t *) output);
	if (copy == NULL)
		kam_out_of_memory();
	kept = kam_array();
	for (size_t i = 0; i < json_array_size(claims) && i < KAM_MOST_CLAIMS; i++)
	{
		json_t	   *claim = json_array_get(claims, i),
				   *repaired;

		switch (kam_claim_judge(env, contact, claim, NULL, &repaired))
		{
			case KAM_VERIFIED:
				kam_push(kept, json_incref(claim));
				break;
			case KAM_REPAIRED:
				kam_push(kept, repaired);
				break;
			case KAM_UNVERIFIED:
				break;
		}
	}
	kam_put(copy, "claims", kept);
	return copy;
}
