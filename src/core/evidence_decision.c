/*
 * core/evidence_decision.c: the evidence that a decision carries in itself.
 */
#include "core/evidence_internal.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 32				/* of a decision that is looked through: as deep as the guard goes */

typedef struct Walk
{
	const KamEnv *env;
	const KamContact *contact;
	const KamScore *score;
	json_t	   *rows;
} Walk;

/* Begins a row; the text is the claim's, the factor's name, or none. */
static json_t *
add_row(Walk *w, const KamStep *at, const json_t *holder)
{
	json_t	   *row = kam_object();
	const json_t *text = json_object_get(holder, "text");

	if (!json_is_string(text))
		text = json_object_get(holder, "factor");
	kam_push(w->rows, row);
	kam_put(row, "part", kam_string(kam_step_pointer(w->env->arena, at)));
	kam_put(row, "text", json_is_string(text) ? json_incref((json_t *) text) : json_null());
	return row;
}

static void
put_verdict(json_t *row, KamVerdict verdict, const char *why, json_t *at)
{
	kam_put(row, "holds", json_boolean(verdict != KAM_UNVERIFIED));
	kam_put(row, "verdict", kam_string(kam_verdict_name(verdict)));
	if (verdict != KAM_VERIFIED)
		kam_put(row, verdict == KAM_REPAIRED ? "repair" : "fault", kam_string(why));
	kam_put(row, "at", at);
}

/* {path, quote} entries, with the text that they prove or without. */
static void
judge_entries(Walk *w, const KamStep *at, const json_t *holder, const json_t *evidence)
{
	json_t	   *row = add_row(w, at, holder),
			   *repaired = NULL;
	const char *why = NULL;
	KamVerdict	verdict = json_is_string(json_object_get(holder, "text"))
		? kam_claim_judge(w->env, w->contact, holder, &why, &repaired)
		: kam_evidence_judge(w->env, w->contact, evidence, &why, &repaired);

	put_verdict(row, verdict, why,
				kam_evidence_places(w->env, w->contact, json_is_object(repaired) ? kam_get_array(repaired, "evidence") : repaired != NULL ? repaired : evidence));
	json_decref(repaired);
}

/* The factor of that name that is computed from the contact, or NULL. */
static const KamFactor *
computed_factor(const Walk *w, const char *name)
{
	for (int i = 0; name != NULL && w->score != NULL && i < w->score->nfactors; i++)
		if (strcmp(w->score->factor[i].name, name) == 0)
			return &w->score->factor[i];
	return NULL;
}

/* The impact in hundredths, of a number or "+0.10". */
static int
hundredths(const json_t *impact)
{
	double		value = json_is_string(impact) ? strtod(json_string_value(impact), NULL) : json_number_value(impact);

	/* no impact is larger, and no text that says "nan" is one */
	if (!(fabs(value) <= 1000))
		return INT_MIN;
	return (int) (value * 100 + (value < 0 ? -0.5 : 0.5));
}

/* Words: they quote the contact, or say of a factor what is computed from it. */
static void
judge_words(Walk *w, const KamStep *at, const json_t *holder, const char *words)
{
	json_t	   *row = add_row(w, at, holder);
	const KamFactor *factor = computed_factor(w, kam_get_string(holder, "factor"));
	const char *path;

	kam_put(row, "evidence", kam_string(words));
	if (kam_quote_places(w->env, w->contact, words, &path) > 0)
	{
		json_t	   *entry = kam_object(),
				   *entries = kam_array();

		kam_put(entry, "path", kam_string(path));
		kam_put(entry, "quote", kam_string(words));
		kam_push(entries, entry);
		put_verdict(row, KAM_VERIFIED, NULL, kam_evidence_places(w->env, w->contact, entries));
		json_decref(entries);
	}
	else if (factor == NULL)
		put_verdict(row, KAM_UNVERIFIED, "it quotes nothing from the contact, and nothing of that name is computed from it", kam_array());
	else
	{
		json_t	   *proof = kam_evidence_json(factor->proof);
		bool		same = hundredths(json_object_get(holder, "impact")) == factor->impact;

		put_verdict(row, same ? KAM_VERIFIED : KAM_UNVERIFIED,
					same ? NULL : kam_printf(w->env->arena, "the factor as computed from the contact counts %+d hundredths", factor->impact),
					kam_evidence_places(w->env, w->contact, proof));
		json_decref(proof);
	}
}

static void
look_through(Walk *w, const json_t *value, const KamStep *at, int depth)
{
	const char *key;
	json_t	   *member;
	size_t		i;

	if (depth > DEPTH)
		return;
	if (json_is_array(value))
	{
		json_array_foreach((json_t *) value, i, member)
			look_through(w, member, &(KamStep) {at, NULL, i}, depth + 1);
	}
	if (!json_is_object(value))
		return;
	json_object_foreach((json_t *) value, key, member)
	{
		KamStep		step = {at, key, 0};

		if (strcmp(key, "evidence") != 0)
			look_through(w, member, &step, depth + 1);
		else if (json_array_size(member) > 0)
			judge_entries(w, &step, value, member);
		else if (json_is_string(member) && json_string_length(member) > 0)
			judge_words(w, &step, value, json_string_value(member));
	}
}

json_t *
kam_decision_evidence(const KamEnv *env, const KamContact *contact, const KamScore *score, const json_t *decision)
{
	Walk		w = {env, contact, score, kam_array()};

	look_through(&w, decision, NULL, 0);
	return w.rows;
}
