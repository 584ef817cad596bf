/*
 * core/agents/compose.c: puts a message together from the wording tables.
 *
 * Knows nothing of French or English: phrases are data, values are facts.
 * Never prints a placeholder: a phrase whose value is missing is not usable.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

#define LINKEDIN_CHARACTERS 300
#define WHATSAPP_CHARACTERS 320
#define EMAIL_WORDS 60			/* an e-mail below gets one sentence more */

static const char *
value_of(const KamCompose *compose, const char *name, size_t len)
{
	for (int i = 0; i < compose->nvalues; i++)
		if (strncmp(compose->value[i].name, name, len) == 0 && compose->value[i].name[len] == '\0')
			return compose->value[i].value;
	return NULL;
}

/* ---- phrases ---------------------------------------------------------------- */

/* Another choice in every slot. */
static const char *const slot_salt[KAM_SLOTS] = {
	"subject", "opening", "body", "concern", "extra", "ask", "sign-off", "short", "short-ask", "call", "call-ask", "call-goal",
};

/* The phrase with its values; NULL when a condition fails or a value is missing. */
static char *
expand(const KamCompose *compose, const char *text)
{
	KamArena   *arena = compose->env->arena;
	char		out[2048];
	size_t		used = 0;

	while (*text != '\0')
	{
		const char *brace = strchr(text, '{');
		const char *piece = text;
		size_t		length = brace == NULL ? strlen(text) : (size_t) (brace - text);

		if (used + length >= sizeof(out))
			return NULL;
		memcpy(out + used, piece, length);
		used += length;
		text += length;
		if (brace != NULL)
		{
			const char *name = brace + 1;
			bool		only_if = *name == '?',
						unless = *name == '!';
			const char *value;
			size_t		len;

			name += only_if || unless;
			len = strcspn(name, "}");
			value = value_of(compose, name, len);
			if (unless ? value != NULL : value == NULL)
				return NULL;
			if (!only_if && !unless)
			{
				length = strlen(value);
				if (used + length >= sizeof(out))
					return NULL;
				memcpy(out + used, value, length);
				used += length;
			}
			text = name + len + (name[len] == '}');
		}
	}
	return kam_strndup(arena, out, used);
}

/* Files the variant's phrases by slot, highest rank first; within a rank in table order. */
void
kam_index_phrases(KamCompose *compose)
{
	const KamWording *wording = compose->wording;

	for (int i = 0; i < wording->nphrases; i++)
	{
		const KamPhrase *phrase = &wording->phrase[i];
		const KamPhrase **list = compose->phrase[phrase->slot];
		int			place = compose->nphrases[phrase->slot];

		if ((phrase->variant != KAM_NO_VARIANT && phrase->variant != compose->variant) || place >= KAM_SLOT_PHRASES)
			continue;
		for (; place > 0 && list[place - 1]->rank < phrase->rank; place--)
			list[place] = list[place - 1];
		list[place] = phrase;
		compose->nphrases[phrase->slot]++;
	}
}

/* Do all conditions of a phrase hold, and are its values there? */
static bool
is_usable(const KamCompose *compose, const char *text)
{
	for (text = strchr(text, '{'); text != NULL; text = strchr(text + 1, '{'))
	{
		bool		unless = text[1] == '!';
		const char *name = text + 1 + (unless || text[1] == '?');

		if ((value_of(compose, name, strcspn(name, "}")) != NULL) == unless)
			return false;
	}
	return true;
}

/*
 * The usable phrases of a slot: highest rank first, within a rank beginning
 * where the contact's identity points.  Returns how many.
 */
static int
candidates(const KamCompose *compose, KamSlot slot, const char **out)
{
	uint32_t	hash = kam_identity_hash(compose->in->contact, slot_salt[slot]);
	int			n = 0;

	for (int i = 0; i < compose->nphrases[slot];)
	{
		int			rank = compose->phrase[slot][i]->rank,
					first = n,
					of_rank;
		const char *turned[KAM_SLOT_PHRASES];

		for (; i < compose->nphrases[slot] && compose->phrase[slot][i]->rank == rank; i++)
			if (is_usable(compose, compose->phrase[slot][i]->text))
				out[n++] = compose->phrase[slot][i]->text;
		of_rank = n - first;
		for (int k = 0; k < of_rank; k++)
			turned[k] = out[first + (int) ((hash + (uint32_t) k) % (uint32_t) of_rank)];
		if (of_rank > 1)
			memcpy(out + first, turned, sizeof(char *) * (size_t) of_rank);
	}
	return n;
}

/* The best phrase of a slot, NULL when there is none. */
static const char *
pick(const KamCompose *compose, KamSlot slot)
{
	const char *list[KAM_SLOT_PHRASES];

	return candidates(compose, slot, list) > 0 ? expand(compose, list[0]) : NULL;
}

/* The best phrase that asks nothing, for a message that has its question or may have none. */
static const char *
pick_statement(const KamCompose *compose, KamSlot slot)
{
	const char *list[KAM_SLOT_PHRASES];
	int			n = candidates(compose, slot, list);

	for (int i = 0; i < n; i++)
	{
		const char *text = expand(compose, list[i]);

		if (kam_count_questions(text) == 0)
			return text;
	}
	return NULL;
}

static const char *
pick_ask(const KamCompose *compose, KamSlot slot, bool may_ask)
{
	return may_ask && !compose->no_question ? pick(compose, slot) : pick_statement(compose, slot);
}

static const char *
greeting(const KamCompose *compose, bool short_form)
{
	const KamWording *wording = compose->wording;
	const char *named = expand(compose, short_form ? wording->short_greeting : wording->greeting);

	return named != NULL ? named : short_form ? wording->short_greeting_nameless : wording->greeting_nameless;
}

/* No-break spaces where French typography wants them. */
static char *
space_marks(KamArena *arena, const char *text)
{
	char	   *out = kam_alloc(arena, strlen(text) * 2 + 1),
			   *p = out;

	for (; *text != '\0'; text++)
	{
		bool		before = *text == ' ' && (strchr("?!;", text[1]) != NULL || strncmp(text + 1, "»", 2) == 0 ||
											(text[1] == ':' && (text[2] == ' ' || text[2] == '\n' || text[2] == '\0')));

		if (before && text[1] != '\0')
		{
			*p++ = (char) 0xC2;
			*p++ = (char) 0xA0;
		}
		else if (strncmp(text, "« ", 3) == 0)
		{
			memcpy(p, "«\xC2\xA0", 4);
			p += 4;
			text += 2;
		}
		else
			*p++ = *text;
	}
	*p = '\0';
	return out;
}

/* The text as it goes out. */
static json_t *
finished(const KamCompose *compose, const char *text)
{
	return kam_string(text != NULL && compose->wording->spaced_marks ? space_marks(compose->env->arena, text) : text);
}

/* ---- channels ----------------------------------------------------------------- */

static json_t *
compose_email(const KamCompose *compose)
{
	KamArena   *arena = compose->env->arena;
	const char *opening = pick(compose, KAM_SLOT_OPENING);
	const char *body = pick_statement(compose, KAM_SLOT_BODY);
	const char *concern = pick_statement(compose, KAM_SLOT_CONCERN);
	const char *ask = pick_ask(compose, KAM_SLOT_ASK, opening == NULL || kam_count_questions(opening) == 0);
	const char *owner = value_of(compose, "owner", strlen("owner"));
	char	   *message = kam_printf(arena, "%s\n\n%s", greeting(compose, false), opening == NULL ? "" : opening);
	json_t	   *out = kam_object();

	if (body != NULL && !compose->concise)
		message = kam_printf(arena, "%s\n\n%s", message, body);
	if (concern != NULL)
		message = kam_printf(arena, "%s%s%s", message, body != NULL && !compose->concise ? " " : "\n\n", concern);
	if (!compose->concise && kam_word_count(message) + (ask == NULL ? 0 : kam_word_count(ask)) < EMAIL_WORDS)
	{
		const char *extra = pick_statement(compose, KAM_SLOT_EXTRA);

		if (extra != NULL)
			message = kam_printf(arena, "%s\n\n%s", message, extra);
	}
	if (ask != NULL)
		message = kam_printf(arena, "%s\n\n%s", message, ask);
	message = kam_printf(arena, "%s\n\n%s%s%s", message, pick(compose, KAM_SLOT_SIGN_OFF), owner == NULL ? "" : "\n",
						 owner == NULL ? "" : owner);
	kam_put(out, "subject", finished(compose, pick(compose, KAM_SLOT_SUBJECT)));
	kam_put(out, "message", finished(compose, message));
	return out;
}

/* Greeting, one or two sentences, the request, the rep's first name; the richest that fits. */
static json_t *
compose_short(const KamCompose *compose, int limit)
{
	KamArena   *arena = compose->env->arena;
	const char *rep = value_of(compose, "rep", strlen("rep"));
	const char *list[KAM_SLOT_PHRASES];
	int			n = candidates(compose, KAM_SLOT_SHORT, list);
	json_t	   *out = kam_object();
	char	   *message = NULL;

	for (int i = 0; i < n; i++)
	{
		const char *heart = expand(compose, list[i]);
		bool		asks = kam_count_questions(heart) > 0;
		const char *ask;

		if (compose->no_question && asks)
			continue;
		ask = pick_ask(compose, KAM_SLOT_SHORT_ASK, !asks);
		for (int with_ask = ask != NULL; with_ask >= 0; with_ask--)
		{
			message = kam_printf(arena, "%s %s%s%s%s%s", greeting(compose, true), heart,
								 with_ask ? (strstr(heart, "\n") != NULL ? "\n" : " ") : "",
								 with_ask ? ask : "", rep == NULL ? "" : "\n", rep == NULL ? "" : rep);
			if (kam_characters(message) <= limit)
				goto fits;
		}
	}
fits:
	kam_put(out, "message", finished(compose, message == NULL ? greeting(compose, true) : message));
	return out;
}

/* A script of four lines for the rep. */
static json_t *
compose_call(const KamCompose *compose)
{
	KamArena   *arena = compose->env->arena;
	const KamWording *wording = compose->wording;
	const char *open = pick(compose, KAM_SLOT_CALL);
	const char *ask = pick_ask(compose, KAM_SLOT_CALL_ASK, open == NULL || kam_count_questions(open) == 0);
	const char *goal = pick(compose, KAM_SLOT_CALL_GOAL);
	const char *voicemail = expand(compose, wording->voicemail);
	const char *here = expand(compose, wording->call_here);
	json_t	   *out = kam_object();

	kam_put(out, "message",
			finished(compose, kam_printf(arena, "%s%s\n%s%s %s%s%s\n%s%s\n%s%s",
										 wording->call_goal, goal == NULL ? "" : goal,
										 wording->call_open, greeting(compose, true), here == NULL ? "" : here,
										 here == NULL ? "" : " ", open == NULL ? "" : open,
										 wording->call_then, ask == NULL ? "" : ask,
										 wording->call_voicemail, voicemail != NULL ? voicemail : wording->voicemail_nameless)));
	return out;
}

json_t *
kam_compose(const KamCompose *compose, KamChannel channel)
{
	switch (channel)
	{
		case KAM_EMAIL_CHANNEL:
			return compose_email(compose);
		case KAM_PHONE:
			return compose_call(compose);
		case KAM_WHATSAPP:
			return compose_short(compose, WHATSAPP_CHARACTERS);
		case KAM_LINKEDIN:
		case KAM_NO_CHANNEL:
			break;
	}
	return compose_short(compose, LINKEDIN_CHARACTERS);
}
