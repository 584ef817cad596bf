/*
 * core/agents/helpers.c: small things that several built-in agents need:
 * counting messages, English dates, stable choice, claims that hold.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

static const char *const english_month[12] = {
	"January", "February", "March", "April", "May", "June",
	"July", "August", "September", "October", "November", "December",
};

static const char *const count_word[] = {
	"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
};

/* A person's message in that direction; what is automatic the facts know. */
bool
kam_is_message(const KamInputs *in, int i, KamDirection direction)
{
	const KamActivity *activity = &in->contact->activities[i];

	return activity->direction == direction && !kam_is_engagement(activity->type) &&
		activity->type != KAM_NOTE && activity->type != KAM_MEETING &&
		(in->facts->automatic == NULL || !in->facts->automatic[i]);
}

const char *
kam_count_word(KamArena *arena, int n)
{
	if (n >= 0 && n < (int) KAM_LENGTHOF(count_word))
		return count_word[n];
	return kam_printf(arena, "%d", n);
}

const char *
kam_count_of(KamArena *arena, int n, const char *one, const char *many)
{
	return kam_printf(arena, "%s %s", kam_count_word(arena, n), n == 1 ? one : many);
}

const char *
kam_english_date(KamArena *arena, const KamZone *zone, KamTime at)
{
	KamCivil	civil = kam_civil_at(zone, at);

	return kam_printf(arena, "%d %s %d", civil.day, english_month[(civil.month + 11) % 12], civil.year);
}

/* A name for English reasoning. */
const char *
kam_contact_name(KamArena *arena, const KamContact *contact)
{
	if (contact->full_name != NULL && contact->full_name[0] != '\0')
		return kam_squash(arena, contact->full_name);
	if (contact->first_name != NULL && contact->last_name != NULL)
		return kam_squash(arena, kam_printf(arena, "%s %s", contact->first_name, contact->last_name));
	if (contact->first_name != NULL && contact->first_name[0] != '\0')
		return kam_squash(arena, contact->first_name);
	return "the contact";
}

/* Counts every byte that does not continue a character. */
int
kam_characters(const char *text)
{
	int			n = 0;

	for (const unsigned char *p = (const unsigned char *) text; *p != '\0'; p++)
		n += (*p & 0xC0) != 0x80;
	return n;
}

int
kam_word_count(const char *text)
{
	int			n = 0;
	bool		inside = false;

	for (const char *p = text; *p != '\0'; p++)
	{
		bool		space = *p == ' ' || *p == '\n' || *p == '\t' || *p == '\r';

		n += !space && !inside;
		inside = !space;
	}
	return n;
}

/* FNV-1a with a final mix, so that near-equal identities part. */
uint32_t
kam_identity_hash(const KamContact *contact, const char *salt)
{
	const char *const part[] = {
		contact->email, contact->hubspot_id, contact->linkedin, contact->phone,
		contact->full_name, contact->first_name, contact->company, salt,
	};
	uint32_t	h = 2166136261u;

	for (size_t i = 0; i < KAM_LENGTHOF(part); i++)
	{
		for (const char *p = part[i]; p != NULL && *p != '\0'; p++)
			h = (h ^ (unsigned char) *p) * 16777619u;
		h = (h ^ 0xFF) * 16777619u;
	}
	h ^= h >> 16;
	h *= 0x85ebca6bu;
	h ^= h >> 13;
	h *= 0xc2b2ae35u;
	return h ^ h >> 16;
}

json_t *
kam_claim(const char *text, const KamEvidence *evidence)
{
	json_t	   *claim;

	if (evidence == NULL)
		return NULL;
	claim = kam_object();
	kam_put(claim, "text", kam_string(text));
	kam_put(claim, "evidence", kam_evidence_json(evidence));
	return claim;
}

/* A claim that its own evidence does not bear out is never made. */
void
kam_push_claim(const KamEnv *env, const KamContact *contact, json_t *claims, json_t *claim)
{
	if (claim == NULL)
		return;
	if (kam_claim_fault(env, contact, claim) == NULL)
		kam_push(claims, claim);
	else
		json_decref(claim);
}

bool
kam_is_our_no_show(const KamFacts *facts)
{
	return facts->no_show && facts->no_show_responsible != NULL && strcmp(facts->no_show_responsible, "us") == 0;
}

bool
kam_plan_sends(const KamPlan *plan)
{
	return plan->action == KAM_SEND_MESSAGE || plan->action == KAM_BREAK_UP;
}

const char *
kam_message_language(const KamInputs *in)
{
	const char *language = in->facts->language != NULL ? in->facts->language : in->contact->language;

	return language != NULL && strcmp(language, "en") == 0 ? "en" : "fr";
}
