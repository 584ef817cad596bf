/*
 * core/steering.c: texts of a contact that try to steer a program.
 *
 * Every text that is not ours is read as it stands and in the other readings
 * that a model might see in it.  In doubt it is found: what follows from a
 * finding is that a decision keeps to the tree, nothing worse.
 */
#include "core/steering_internal.h"

#include <string.h>

#include "core/mail.h"

#define WINDOW ((size_t) 64 * 1024)	/* bytes of a text that are read at once */
#define OVERLAP ((size_t) 1024)	/* of two windows: an order is no longer */
#define JOINED 400				/* bytes of each message that are joined with its neighbour's */
#define DEPTH 64
#define SHORTEST_CODE 16		/* bytes: nothing shorter is decoded to a text */

typedef struct Search
{
	const KamEnv *env;
	const KamContact *contact;
	KamSteering *found;
	int			count,
				most;
} Search;

static void
tell(Search *s, const char *kind, const char *path, const char *quote)
{
	if (s->count < s->most)
		s->found[s->count++] = (KamSteering) {kind, path, kam_shorten(s->env->arena, quote, 160)};
}

/* Small letters of ASCII, blanks made plain. */
static char *
lowered(KamArena *arena, const char *text)
{
	char	   *out = kam_strdup(arena, text);

	for (char *p = out; *p != '\0'; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char) (*p | 0x20) : *p == '\n' || *p == '\t' || *p == '\r' ? ' ' : *p;
	return out;
}

static const char *
order_in(KamArena *arena, const char *text)
{
	KamTokens	tokens;
	const char *found;

	if (text == NULL)
		return NULL;
	tokens = kam_tokenize(arena, text, strlen(text));
	found = kam_steering_order(arena, &tokens);
	return found != NULL ? found : kam_steering_markup(arena, lowered(arena, text));
}

static void
look_at_window(Search *s, const char *text, size_t len, const char *path)
{
	KamArena   *arena = s->env->arena;
	const char *plain,
			   *found,
			   *other;
	int			before = s->count;
	bool		mixed = false;
	KamTokens	tokens;

	text = kam_strndup(arena, text, len);
	if (kam_hidden_find(text, len) < len)
		tell(s, "hidden", path, text + kam_hidden_find(text, len));
	plain = kam_without_hidden(arena, text);
	tokens = kam_tokenize(arena, plain, strlen(plain));
	if ((found = kam_steering_order(arena, &tokens)) != NULL)
		tell(s, "order", path, found);
	if ((found = kam_steering_markup(arena, lowered(arena, plain))) != NULL)
		tell(s, "markup", path, found);
	other = kam_read_lookalikes(arena, plain, &mixed);
	if (mixed)
		tell(s, "lookalike", path, plain);
	else if (strcmp(other, plain) != 0 && s->count == before && (found = order_in(arena, other)) != NULL)
		tell(s, "lookalike", path, found);
	if (len >= SHORTEST_CODE && (other = kam_read_encoded(arena, plain)) != NULL)
		tell(s, "encoded", path, other);
	/* one word turned round orders nothing */
	else if (tokens.count > 1 && ((found = order_in(arena, kam_read_rot13(arena, plain))) != NULL ||
								  (found = order_in(arena, kam_read_backwards(arena, plain))) != NULL))
		tell(s, "encoded", path, found);
}

/* All of it, however long: a model is shown all of it too. */
static void
look_at_text(Search *s, const char *text, const char *path)
{
	size_t		len = strlen(text);
	int			before = s->count;

	for (size_t from = 0; len - from >= 4 && s->count == before; from += WINDOW - OVERLAP)
	{
		look_at_window(s, text + from, len - from < WINDOW ? len - from : WINDOW, path);
		if (len - from <= WINDOW)
			return;
	}
}

/* Names that a contact's members have by contract: nobody chose their words. */
static const char *const usual_names[] = {
	"activities", "activity_type", "amount", "body", "company", "contact_info", "created_on", "currency", "deal_id", "direction", "email",
	"first_name", "full_name", "hubspot_id", "job", "job_title", "language", "last_name", "linkedin_url", "linkedin_urn", "metadata", "name",
	"owner", "phone", "recorded_on", "stage", "stats", "status", "subject", "timezone", "whatsapp",
};

static bool
is_usual(const char *name)
{
	size_t		low = 0;

	for (size_t left = KAM_LENGTHOF(usual_names); left > 0;)
	{
		size_t		half = left / 2;
		int			order = strcmp(name, usual_names[low + half]);

		if (order == 0)
			return true;
		if (order > 0)
		{
			low += half + 1;
			left -= half + 1;
		}
		else
			left = half;
	}
	return false;
}

static void
look_at_value(Search *s, const json_t *value, const char *path, int depth)
{
	const char *key;
	json_t	   *member;
	size_t		i;

	if (depth > DEPTH || s->count >= s->most)
		return;
	if (json_is_string(value))
		look_at_text(s, json_string_value(value), path);
	else if (json_is_array(value))
	{
		json_array_foreach((json_t *) value, i, member)
			if (!json_is_number(member))
				look_at_value(s, member, kam_printf(s->env->arena, "%s/%zu", path, i), depth + 1);
	}
	else if (json_is_object(value))
	{
		json_object_foreach((json_t *) value, key, member)
		{
			KamStep		step = {NULL, key, 0};
			const char *at = kam_printf(s->env->arena, "%s%s", path, kam_step_pointer(s->env->arena, &step));

			if (!is_usual(key))
				look_at_text(s, key, at);
			if (!json_is_number(member))
				look_at_value(s, member, at, depth + 1);
		}
	}
}

/* What a mail of ours quotes is not ours: their message may stand nowhere else. */
static void
look_at_quoted(Search *s, const KamActivity *ours)
{
	const char *quoted = ours->body != NULL ? kam_mail_quoted(s->env->arena, ours) : NULL;

	if (quoted != NULL)
		look_at_text(s, quoted, kam_printf(s->env->arena, "/activities/%d/metadata/body", ours->index));
}

/* The activities in the contact's own order; NULL for one that was not read. */
static const KamActivity **
as_given(const Search *s, size_t count)
{
	const KamActivity **given = KAM_NEW_ARRAY(s->env->arena, const KamActivity *, count);

	for (int i = 0; i < s->contact->nactivities; i++)
		given[s->contact->activities[i].index] = &s->contact->activities[i];
	return given;
}

/* Blanks for all that ends a sentence. */
static void
join(char *out, size_t *used, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[(*used)++] = strchr(".!?:;\n\r()[]\"", text[i]) != NULL ? ' ' : text[i];
	out[(*used)++] = ' ';
	out[*used] = '\0';
}

/* An order that is spread over messages: each one's end beside the next one's beginning. */
static void
look_across(Search *s)
{
	const KamContact *c = s->contact;
	const KamActivity *before = NULL;

	for (int i = 0; i < c->nactivities && s->count < s->most; i++)
	{
		const KamActivity *now = &c->activities[i];
		char	   *text;
		size_t		used = 0,
					n;
		const char *found;

		if (now->direction == KAM_OUTBOUND || now->body == NULL)
			continue;
		if (before != NULL)
		{
			text = kam_alloc(s->env->arena, 2 * JOINED + 4);
			n = strlen(before->body);
			join(text, &used, before->body + (n > JOINED ? n - JOINED : 0), n > JOINED ? JOINED : n);
			join(text, &used, now->body, strnlen(now->body, JOINED));
			if ((found = order_in(s->env->arena, text)) != NULL)
				tell(s, "split", kam_printf(s->env->arena, "/activities/%d/metadata/body", now->index), found);
		}
		before = now;
	}
}

int
kam_steering_find(const KamEnv *env, const KamContact *contact, int most, KamSteering **out)
{
	Search		s = {env, contact, KAM_NEW_ARRAY(env->arena, KamSteering, most), 0, most};
	const char *key;
	json_t	   *value;
	size_t		i;

	json_object_foreach((json_t *) contact->json, key, value)
	{
		if (strcmp(key, "activities") != 0)
		{
			look_at_value(&s, value, kam_printf(env->arena, "/%s", key), 0);
			continue;
		}
		const KamActivity **given = as_given(&s, json_array_size(value));
		json_t	   *activity;

		json_array_foreach(value, i, activity)
		{
			const char *direction = kam_get_string(activity, "direction");

			if (direction == NULL || strcmp(direction, "outbound") != 0)
				look_at_value(&s, activity, kam_printf(env->arena, "/activities/%zu", i), 0);
			else if (given[i] != NULL && s.count < s.most)
				look_at_quoted(&s, given[i]);
		}
	}
	look_across(&s);
	*out = s.found;
	return s.count;
}

int
kam_steering_of(const KamEnv *env, const KamContact *contact, const KamSteering **out)
{
	KamSteered *steered = contact->steered;

	if (!steered->sought)
	{
		KamSteering *found;
		int			count = kam_steering_find(env, contact, KAM_STEERING_MOST, &found);

		/* the search may have been made in an arena that is dropped sooner */
		steered->found = KAM_NEW_ARRAY(contact->arena, KamSteering, count);
		for (int i = 0; i < count; i++)
			steered->found[i] = (KamSteering) {found[i].kind, kam_strdup(contact->arena, found[i].path), kam_strdup(contact->arena, found[i].quote)};
		steered->count = count;
		steered->sought = true;
	}
	*out = steered->found;
	return steered->count;
}

json_t *
kam_steering_json(const KamEnv *env, const KamContact *contact)
{
	const KamSteering *found;
	int			n = kam_steering_of(env, contact, &found);
	json_t	   *list = kam_array();

	for (int i = 0; i < n; i++)
	{
		json_t	   *row = kam_object();

		kam_put(row, "kind", kam_string(found[i].kind));
		kam_put(row, "path", kam_string(found[i].path));
		kam_put(row, "quote", kam_string(found[i].quote));
		kam_push(list, row);
	}
	return list;
}
