/*
 * test/fuzz/fuzz_text.c: any bytes go through every reader of text: tokens and
 * references stay inside the text, in order, and nothing crashes.
 */
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/evidence.h"
#include "core/quantity.h"
#include "core/steering.h"
#include "core/when.h"
#include "zones.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char contact_text[] =
	"{\"contact_info\": {\"full_name\": \"A B\", \"email\": \"a@b.example\"}, \"activities\": [{\"activity_type\": \"email\","
	" \"direction\": \"inbound\", \"recorded_on\": \"2026-03-03T10:00:00Z\", \"metadata\": {\"body\": \"mardi prochain, 300 EUR\"}}]}";

static void
require(bool condition)
{
	if (!condition)
		abort();
}

/* As a claim's words and as a quote of it; what is put right holds. */
static void
judge(const KamEnv *env, const KamContact *contact, const char *text)
{
	static const char *const paths[] = {"/activities/0/metadata/body", "/contact_info/email"};

	for (size_t i = 0; i < KAM_LENGTHOF(paths); i++)
	{
		json_t	   *claim = kam_object(),
				   *evidence = kam_array(),
				   *entry = kam_object(),
				   *repaired;

		kam_put(entry, "path", kam_string(paths[i]));
		kam_put(entry, "quote", kam_string(text));
		kam_push(evidence, entry);
		kam_put(claim, "text", kam_string(text));
		kam_put(claim, "evidence", evidence);
		if (kam_claim_judge(env, contact, claim, NULL, &repaired) == KAM_REPAIRED)
			require(kam_evidence_fault(env, contact, json_object_get(repaired, "evidence")) == NULL);
		json_decref(repaired);
		json_decref(kam_claim_report(env, contact, claim));
		json_decref(claim);
	}
}

/* The readers of messages, against a small contact. */
static void
read_as_message(const KamEnv *env, const char *text)
{
	json_t	   *json = json_loads(contact_text, 0, NULL);
	KamContact	contact;
	KamFacts	facts;
	KamError	error;

	require(kam_contact_parse(env, json, &contact, &error));
	memset(&facts, 0, sizeof facts);
	facts.meeting_last_held = facts.demo_at = facts.no_show_at = KAM_NO_TIME;
	json_decref(kam_false_temporal_claims(env, &contact, &facts, text));
	json_decref(kam_invented_values(env, &contact, NULL, text));
	judge(env, &contact, text);
	/* and as what the contact wrote */
	json_object_set_new(json_object_get(json_array_get(json_object_get(json, "activities"), 0), "metadata"), "body", kam_string(text));
	require(kam_contact_parse(env, json, &contact, &error));
	judge(env, &contact, text);
	json_decref(kam_steering_json(env, &contact));
	json_decref(json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	KamEnv		env = test_env("2026-03-11T10:00:00+01:00");
	KamTokens	tokens = kam_tokenize(env.arena, (const char *) data, size);
	char	   *text = kam_strndup(env.arena, (const char *) data, size);
	KamZone		zone;
	KamWhen    *when;
	KamQuantity *quantity;
	int			n;

	require(kam_zone_find(env.zones, "Europe/Paris", &zone));
	for (int i = 0; i < tokens.count; i++)
	{
		require(tokens.token[i].start <= tokens.token[i].end && tokens.token[i].end <= size);
		require(strlen(tokens.token[i].word) <= tokens.token[i].length);
	}
	n = kam_when_find(env.arena, &tokens, env.as_of, &zone, &when);
	for (int i = 0; i < n; i++)
		require(when[i].first <= when[i].last && when[i].last < tokens.count && (i == 0 || when[i].first > when[i - 1].last));
	n = kam_quantities_find(env.arena, (const char *) data, size, &quantity);
	for (int i = 0; i < n; i++)
		require(quantity[i].start < quantity[i].end && quantity[i].end <= size && (i == 0 || quantity[i].start >= quantity[i - 1].end));

	for (int sure = 0; sure < 2; sure++)
	{
		n = kam_quantities_in_words(env.arena, text, strlen(text), sure, &quantity);
		for (int i = 0; i < n; i++)
			require(quantity[i].start < quantity[i].end && quantity[i].end <= strlen(text) && (i == 0 || quantity[i].start >= quantity[i - 1].end));
	}
	n = kam_months_in_words(env.arena, text, strlen(text), &quantity);
	for (int i = 0; i < n; i++)
		require(quantity[i].start < quantity[i].end && quantity[i].end <= strlen(text) && (i == 0 || quantity[i].start >= quantity[i - 1].end));
	require(strlen(kam_plain_forms(env.arena, text)) <= strlen(text));
	kam_text_quotes(env.arena, text, "l'offre", 0);
	kam_text_quotes(env.arena, "l'offre", text, KAM_CUT_BEFORE | KAM_CUT_BEHIND);

	kam_language(&tokens);
	kam_fold(env.arena, text);
	kam_squash(env.arena, text);
	require(kam_count_questions(text) >= 0);
	kam_text_contains(env.arena, text, "l'offre");
	kam_text_contains(env.arena, "l'offre", text);
	read_as_message(&env, text);
	kam_arena_free(env.arena);
	return 0;
}
