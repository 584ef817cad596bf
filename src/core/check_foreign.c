/*
 * core/check_foreign.c: the guard's rules of where a decision leads: links,
 * recipients and accounts that are not the contact's, our owner's or our
 * resources', and what a reader does not see.
 *
 * All that leaves the house is looked at: every text of the final_decision but
 * the reasons, the conditional structures and the checks.  What the contact
 * wrote makes nothing known: a link that stands in their messages alone may be
 * anybody's.
 */
#include "core/check_internal.h"

#include <string.h>
#include <strings.h>

#include "core/address.h"
#include "core/mail.h"
#include "core/reach.h"
#include "core/text.h"

#define MAX_DEPTH 16			/* of the decision that is looked at */
#define MOST_REACHES 40			/* of one text; nobody sends more */
#define MOST_KNOWN 2000
#define LONGEST_TAG 2000
#define LONGEST_RECIPIENT 120

/* ---- what is known ---------------------------------------------------------------- */

typedef struct KamKnown
{
	KamReach   *item;
	int			count,
				room;
	bool		has_outbound;
} KamKnown;

static void
learn(KamGuard *guard, KamReachKind kind, const char *key)
{
	KamKnown   *known = guard->known;

	if (key == NULL || *key == '\0' || known->count == MOST_KNOWN)
		return;
	if (known->count == known->room)
	{
		int			room = known->room > 0 ? known->room * 2 : 32;
		KamReach   *grown = KAM_NEW_ARRAY(guard->env->arena, KamReach, room);

		if (known->count > 0)
			memcpy(grown, known->item, sizeof(KamReach) * (size_t) known->count);
		known->item = grown;
		known->room = room;
	}
	known->item[known->count++] = (KamReach) {kind, NULL, key, false};
}

/* A field that holds one address or link: itself, and the home page of its domain. */
static void
learn_field(KamGuard *guard, const char *text)
{
	KamArena   *arena = guard->env->arena;
	char		address[KAM_ADDRESS_MAX + 1];
	KamAddressKind kind = kam_address(text, strlen(text), address);
	const char *link;

	switch (kind)
	{
		case KAM_ADDRESS_EMAIL:
			learn(guard, KAM_REACH_EMAIL, kam_strdup(arena, address));
			learn(guard, KAM_REACH_LINK, kam_strdup(arena, kam_address_domain(kind, address)));
			return;
		case KAM_ADDRESS_PHONE:
			learn(guard, KAM_REACH_PHONE, kam_phone_key(arena, text));
			return;
		case KAM_ADDRESS_LINKEDIN:
			learn(guard, KAM_REACH_PROFILE, kam_strdup(arena, address));
			return;
		case KAM_ADDRESS_DOMAIN:
		case KAM_ADDRESS_NONE:
			break;
	}
	if ((link = kam_link_key(arena, text)) != NULL && strchr(link, '.') != NULL)
	{
		learn(guard, KAM_REACH_LINK, link);
		learn(guard, KAM_REACH_LINK, kam_strndup(arena, link, strcspn(link, "/?#\\:@")));
	}
}

/* Fields of contact_info that hold an address or a site; a name or a title may hold anything. */
static const char *const address_fields[] = {"mail", "phone", "mobile", "whatsapp", "linkedin", "website", "domain", "site", "url"};

static bool
is_named_like(const char *key, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (const char *p = key; *p != '\0'; p++)
			if (strncasecmp(p, words[i], strlen(words[i])) == 0)
				return true;
	return false;
}

static void
learn_contact(KamGuard *guard)
{
	const json_t *info = kam_get_object(guard->contact->json, "contact_info");
	const char *key;
	json_t	   *value;
	size_t		i;
	json_t	   *one;

	json_object_foreach((json_t *) info, key, value)
	{
		if (!is_named_like(key, address_fields, KAM_LENGTHOF(address_fields)))
			continue;
		if (json_is_string(value))
			learn_field(guard, json_string_value(value));
		else if (json_is_integer(value))
			learn_field(guard, kam_printf(guard->env->arena, "%lld", (long long) json_integer_value(value)));
		json_array_foreach(value, i, one)
			if (json_is_string(one))
				learn_field(guard, json_string_value(one));
	}
}

/* Everything that leads somewhere in a text of ours. */
static void
learn_text(KamGuard *guard, const char *text, size_t len)
{
	KamReach   *found;
	int			n = kam_reach_find(guard->env->arena, text, len, MOST_REACHES, &found);

	for (int i = 0; i < n; i++)
		learn(guard, found[i].kind, found[i].key);
}

static void
learn_resources(KamGuard *guard)
{
	static const char *const texts[] = {"title", "body"};

	for (size_t i = 0; i < json_array_size(guard->house.resources); i++)
	{
		const json_t *row = json_array_get(guard->house.resources, i);

		learn(guard, KAM_REACH_LINK, kam_link_key(guard->env->arena, kam_get_string(row, "url")));
		for (size_t k = 0; k < KAM_LENGTHOF(texts); k++)
			if (kam_get_string(row, texts[k]) != NULL)
				learn_text(guard, kam_get_string(row, texts[k]), strlen(kam_get_string(row, texts[k])));
	}
}

/* What we wrote before; not what we quoted. */
static void
learn_outbound(KamGuard *guard)
{
	const KamContact *contact = guard->contact;

	for (int i = 0; i < contact->nactivities; i++)
	{
		const KamActivity *activity = &contact->activities[i];
		KamMail		ours;

		if (activity->direction != KAM_OUTBOUND || activity->body == NULL || activity->at > guard->env->as_of)
			continue;
		ours = kam_mail_read(guard->env->arena, activity);
		learn_text(guard, ours.aligned + ours.start, ours.end - ours.start);
	}
}

static bool
is_learnt(const KamKnown *known, KamReachKind kind, const char *key)
{
	for (int i = 0; i < known->count; i++)
		if (known->item[i].kind == kind && strcmp(known->item[i].key, key) == 0)
			return true;
	return false;
}

/* The short lists first: what we wrote before is read for what stands in neither. */
static bool
is_known(KamGuard *guard, KamReachKind kind, const char *key)
{
	if (guard->known == NULL)
	{
		guard->known = KAM_NEW(guard->env->arena, KamKnown);
		learn_contact(guard);
		learn_resources(guard);
	}
	if (is_learnt(guard->known, kind, key))
		return true;
	if (!guard->known->has_outbound)
	{
		guard->known->has_outbound = true;
		learn_outbound(guard);
	}
	return is_learnt(guard->known, kind, key);
}

/* ---- what leaves the house ------------------------------------------------------------ */

bool
kam_stays_inside(const char *key)
{
	static const char *const keys[] = {"rationale", "conditional_context", "synthesis_safety_checks", "compliance", "wait_type"};

	for (size_t i = 0; i < KAM_LENGTHOF(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

/* A text that leaves the house. */
typedef struct Text
{
	const char *path,
			   *key,			/* that it stands under */
			   *text;
	KamReach   *found;			/* what in it leads somewhere */
	int			nfound;
} Text;

typedef struct KamSent
{
	Text	   *item;
	int			count,
				room;
	const char *too_deep;		/* where a value was not looked into, or NULL */
} KamSent;

/* Times and enumerations lead nowhere, and times look like numbers. */
static bool
is_plain_field(const char *key)
{
	static const char *const keys[] = {
		"action", "selected_channel", "channel", "execute_at", "reevaluate_at", "timezone", "planned_date", "status", "content_source", "variant",
		"action_type", "date"
	};

	for (size_t i = 0; i < KAM_LENGTHOF(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

static void
take_text(KamGuard *guard, const char *path, const char *key, const char *text)
{
	KamArena   *arena = guard->env->arena;
	KamSent    *sent = guard->sent;
	Text	   *taken;

	if (sent->count == sent->room)
	{
		int			room = sent->room > 0 ? sent->room * 2 : 16;
		Text	   *grown = KAM_NEW_ARRAY(arena, Text, room);

		if (sent->count > 0)
			memcpy(grown, sent->item, sizeof(Text) * (size_t) sent->count);
		sent->item = grown;
		sent->room = room;
	}
	taken = &sent->item[sent->count++];
	*taken = (Text) {path, key, text, NULL, 0};
	if (!is_plain_field(key))
		taken->nfound = kam_reach_find(arena, text, strlen(text), MOST_REACHES, &taken->found);
}

/* Every string below a value, with the key that it stands under. */
static void
take_texts(KamGuard *guard, const json_t *value, const char *path, const char *key, int depth)
{
	KamArena   *arena = guard->env->arena;
	const char *name;
	json_t	   *member;
	size_t		i;

	if (depth > MAX_DEPTH)
	{
		guard->sent->too_deep = path;
		return;
	}
	if (json_is_string(value))
		take_text(guard, path, key, json_string_value(value));
	json_array_foreach((json_t *) value, i, member)
		if (json_is_object(member) || json_is_array(member) || json_is_string(member))
			take_texts(guard, member, kam_printf(arena, "%s/%zu", path, i), key, depth + 1);
	if (!json_is_object(value))
		return;
	json_object_foreach((json_t *) value, name, member)
		if (!(depth == 0 && kam_stays_inside(name)) && (json_is_object(member) || json_is_array(member) || json_is_string(member)))
			take_texts(guard, member, kam_printf(arena, "%s/%s", path, name), name, depth + 1);
}

/* All of them, read once. */
static const KamSent *
sent_texts(KamGuard *guard)
{
	if (guard->sent == NULL)
	{
		guard->sent = KAM_NEW(guard->env->arena, KamSent);
		take_texts(guard, guard->decision, "", "", 0);
	}
	return guard->sent;
}

/* ---- links, recipients, accounts -------------------------------------------------------- */

/* Fields that say to whom: what they hold must be known whatever it looks like.  "email_subject" is none. */
static bool
says_to_whom(const char *key)
{
	static const char *const exact[] = {"to", "cc", "bcc", "from", "send_to", "reply_to", "replyto", "destination", "addressee"};
	static const char *const ends[] = {
		"mail", "phone", "phone_number", "mobile", "whatsapp", "linkedin", "linkedin_url", "profile", "profile_url", "address", "recipient", "recipients"
	};
	size_t		len = strlen(key);

	for (size_t i = 0; i < KAM_LENGTHOF(exact); i++)
		if (strcasecmp(key, exact[i]) == 0)
			return true;
	for (size_t i = 0; i < KAM_LENGTHOF(ends); i++)
		if (len >= strlen(ends[i]) && strcasecmp(key + len - strlen(ends[i]), ends[i]) == 0)
			return true;
	return false;
}

static bool
is_name_of_theirs(const KamGuard *guard, const char *text)
{
	const KamContact *c = guard->contact;
	const char *const names[] = {c->full_name, c->first_name, c->last_name, c->owner};
	KamArena   *arena = guard->env->arena;

	for (size_t i = 0; i < KAM_LENGTHOF(names); i++)
		if (names[i] != NULL && strcmp(kam_fold(arena, names[i]), kam_fold(arena, text)) == 0)
			return true;
	return false;
}

static const char *
quoted(const KamGuard *guard, const char *text)
{
	return kam_shorten(guard->env->arena, text, 120);
}

/* Tells of what one of the rules is after in a text, unless it is known. */
static bool
tell_of(KamGuard *guard, const Text *text, unsigned kinds, const char *what)
{
	bool		told = false;

	for (int i = 0; i < text->nfound; i++)
		if ((kinds >> text->found[i].kind & 1) != 0 && !is_known(guard, text->found[i].kind, text->found[i].key))
		{
			kam_guard_report(guard, text->path, "\"%s\" %s", quoted(guard, text->found[i].text), what);
			told = true;
		}
	return told;
}

#define LINKS (1u << KAM_REACH_LINK)
#define RECIPIENTS (1u << KAM_REACH_EMAIL | 1u << KAM_REACH_PHONE | 1u << KAM_REACH_PROFILE | 1u << KAM_REACH_HANDLE)
#define ACCOUNTS (1u << KAM_REACH_ACCOUNT)

void
kam_rule_foreign_link(KamGuard *guard)
{
	const KamSent *sent = sent_texts(guard);

	if (sent->too_deep != NULL)
		kam_guard_report(guard, kam_shorten(guard->env->arena, sent->too_deep, 200), "What stands here is nested too deep to be read for what it links to.");
	for (int i = 0; i < sent->count; i++)
	{
		if (strlen(sent->item[i].text) > KAM_REACH_LONGEST)
			kam_guard_report(guard, sent->item[i].path, "The text is too long to be read for what it links to.");
		if (sent->item[i].nfound == MOST_REACHES)
			kam_guard_report(guard, sent->item[i].path, "The text holds %d links, addresses and numbers or more: too many to be a message.", MOST_REACHES);
		tell_of(guard, &sent->item[i], LINKS, "leads where no resource, no field of the contact and no earlier message of ours does.");
	}
}

void
kam_rule_foreign_recipient(KamGuard *guard)
{
	const KamSent *sent = sent_texts(guard);

	for (int i = 0; i < sent->count; i++)
	{
		const Text *text = &sent->item[i];

		if (tell_of(guard, text, RECIPIENTS, "is neither the contact's nor ours.") || text->nfound > 0 || !says_to_whom(text->key))
			continue;
		/* a whole message under "email" addresses nobody */
		if (text->text[strspn(text->text, " \t\r\n")] != '\0' && strlen(text->text) <= LONGEST_RECIPIENT && !is_name_of_theirs(guard, text->text) &&
			kam_channel_from_name(text->text) == KAM_NO_CHANNEL)
			kam_guard_report(guard, text->path, "\"%s\" is neither the contact nor their owner.", quoted(guard, text->text));
	}
}

void
kam_rule_foreign_account(KamGuard *guard)
{
	const KamSent *sent = sent_texts(guard);

	for (int i = 0; i < sent->count; i++)
		tell_of(guard, &sent->item[i], ACCOUNTS, "asks for money where no resource of ours does.");
}

/* ---- what a reader does not see ------------------------------------------------------------ */

void
kam_rule_hidden_characters(KamGuard *guard)
{
	const KamSent *sent = sent_texts(guard);

	for (int i = 0; i < sent->count; i++)
	{
		const char *text = sent->item[i].text;
		size_t		len = strlen(text);
		size_t		at = kam_hidden_find(text, len);

		if (at < len)
			kam_guard_report(guard, sent->item[i].path, "The text holds a character that nobody sees, behind \"%s\".",
							 quoted(guard, kam_strndup(guard->env->arena, text, at)));
	}
}

/* A mark as near as it stands in any tag or image that somebody writes. */
static const char *
near(const char *s, char mark)
{
	return memchr(s, mark, strnlen(s, LONGEST_TAG));
}

/* Tags that a mail program acts upon. */
static const char *const tags[] = {
	"a", "abbr", "area", "b", "base", "body", "br", "button", "center", "div", "em", "embed", "font", "form", "frame", "h1", "h2", "h3", "head", "hr", "html", "i",
	"iframe", "img", "input", "li", "link", "meta", "object", "ol", "p", "pre", "script", "small", "span", "strong", "style", "sub", "sup", "svg", "table", "td",
	"template", "textarea", "title", "tr", "u", "ul", "video", "audio", "source", "!--",
};

bool
kam_is_tag(const char *s)
{
	s += *s == '/';
	for (size_t i = 0; i < KAM_LENGTHOF(tags); i++)
	{
		size_t		n = strlen(tags[i]);

		if (strncasecmp(s, tags[i], n) == 0 && (tags[i][0] == '!' || (s[n] != '\0' && strchr(" \t\r\n/>", s[n]) != NULL)) && near(s, '>') != NULL)
			return true;
	}
	return false;
}

/* Where a tag or an image begins, or NULL. */
static const char *
find_markup(const char *text)
{
	const char *close;

	for (const char *s = text; *(s += strcspn(s, "<!")) != '\0'; s++)
		if (*s == '<' ? kam_is_tag(s + 1) : s[1] == '[' && (close = near(s, ']')) != NULL && (close[1] == '(' || close[1] == '['))
			return s;
	return NULL;
}

void
kam_rule_embedded_markup(KamGuard *guard)
{
	const KamSent *sent = sent_texts(guard);

	for (int i = 0; i < sent->count; i++)
	{
		const char *at = find_markup(sent->item[i].text);

		if (at != NULL)
			kam_guard_report(guard, sent->item[i].path, "\"%s\" is no text: a message holds neither tags nor images.",
							 kam_shorten(guard->env->arena, at, 60));
	}
}
