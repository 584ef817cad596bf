/*
 * core/agents/values.c: what a phrase may name for one contact: names, dates,
 * things asked for, made fit to stand in a sentence.
 *
 * A CRM holds anything: what would spoil a message (a placeholder, a mail
 * address for a name, a question mark) counts as not there.
 */
#include "core/agents/agents_internal.h"

#include <string.h>

#include "core/reach.h"

#define OBJECTION_DAYS 270		/* older ones are not taken up */

/* Legal forms that nobody says in a message. */
static const char *const legal_form[] = {
	" SAS", " SA", " SARL", " SASU", " SNC", " S.A.S.", " S.A.", " Ltd", " Ltd.", " Limited", " GmbH", " AG", " BV", " B.V.", " NV",
	" AB", " Inc", " Inc.", ", Inc.", " LLC", " plc", " PLC", " S.r.l.", " Srl", " SpA", " S.p.A.", " Corp.", " Corp",
};

/* What a CRM holds when it holds no first name. */
static const char *const no_name[] = {
	"n a", "na", "none", "null", "unknown", "inconnu", "inconnue", "test", "contact", "prenom", "first name", "firstname",
	"monsieur", "madame", "mr", "mrs", "ms", "mme", "m", "dr", "info", "admin", "anonymous", "undefined", "nc", "x", "xx", "xxx",
	"first", "name", "nom", "customer", "client", "user",
};

/* White space runs, no-break ones too, as one space; nothing at the ends; the rest as it stands. */
static char *
one_line(KamArena *arena, const char *text)
{
	char	   *out = kam_alloc(arena, strlen(text) + 1),
			   *p = out;

	while (*text != '\0')
	{
		size_t		blank = strchr(" \t\r\n", *text) != NULL ? 1 : strncmp(text, "\xC2\xA0", 2) == 0 ? 2 :
			strncmp(text, "\xE2\x80\xAF", 3) == 0 ? 3 : 0;

		if (blank == 0)
			*p++ = *text++;
		else
		{
			if (p > out && p[-1] != ' ')
				*p++ = ' ';
			text += blank;
		}
	}
	while (p > out && p[-1] == ' ')
		p--;
	*p = '\0';
	return out;
}

/* On one line; NULL for what would spoil a sentence. */
static char *
on_one_line(KamArena *arena, const char *text, int max_characters)
{
	char	   *out;
	size_t		len;

	if (text == NULL)
		return NULL;
	out = one_line(arena, text);
	len = strlen(out);
	while (len > 0 && strchr(" ,;:", out[len - 1]) != NULL)
		out[--len] = '\0';
	if (len == 0 || kam_characters(out) > max_characters)
		return NULL;
	for (const unsigned char *p = (const unsigned char *) out; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7F || strchr("?{}[]<>|\\", *p) != NULL)
			return NULL;
	return kam_hidden_find(out, len) < len ? NULL : out;
}

/* The same of what others wrote: nothing in it leads anywhere. */
char *
kam_sayable(KamArena *arena, const char *text, int max_characters)
{
	char	   *out = on_one_line(arena, text, max_characters);

	return out == NULL || kam_reach_any(arena, out) ? NULL : out;
}

static bool
is_upper(const unsigned char *p)
{
	return (*p >= 'A' && *p <= 'Z') || (*p == 0xC3 && p[1] >= 0x80 && p[1] <= 0x9E && p[1] != 0x97);
}

static bool
is_lower(const unsigned char *p)
{
	return (*p >= 'a' && *p <= 'z') || (*p == 0xC3 && p[1] >= 0xA0 && p[1] <= 0xBE && p[1] != 0xB7);
}

/* Changes the case of the Latin-1 letter at p. */
static void
set_case(unsigned char *p, bool upper)
{
	if (upper && is_lower(p))
		*(*p == 0xC3 ? p + 1 : p) -= 0x20;
	else if (!upper && is_upper(p))
		*(*p == 0xC3 ? p + 1 : p) += 0x20;
}

/* "INÈS" and "inès" become "Inès", "JEAN-PIERRE" becomes "Jean-Pierre"; what is no name becomes NULL. */
static const char *
first_name(KamArena *arena, const char *raw)
{
	char	   *name = kam_sayable(arena, raw, 30);
	char	   *folded;
	bool		upper = false,
				lower = false,
				start = true;

	if (name == NULL || kam_characters(name) < 2)
		return NULL;
	folded = kam_fold(arena, name);
	for (size_t i = 0; i < KAM_LENGTHOF(no_name); i++)
		if (strcmp(folded, no_name[i]) == 0)
			return NULL;
	for (unsigned char *p = (unsigned char *) name; *p != '\0'; p++)
	{
		if (strchr("0123456789@/_*#=+&%$\"();:!,~^`", *p) != NULL)
			return NULL;
		upper |= is_upper(p);
		lower |= is_lower(p);
	}
	if (strpbrk(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL && !upper && !lower &&
		((unsigned char) name[0] < 0x80 || kam_characters(name) < 2))
		return NULL;
	if (upper == lower)
		return name;
	for (unsigned char *p = (unsigned char *) name; *p != '\0'; p++)
	{
		if (is_upper(p) || is_lower(p))
		{
			set_case(p, start);
			start = false;
		}
		else if (*p == ' ' || *p == '-' || *p == '\'')
			start = true;
	}
	return name;
}

/* The company as people say it. */
static const char *
company_name(KamArena *arena, const char *raw)
{
	char	   *name = kam_sayable(arena, raw, 60);
	size_t		len;

	if (name == NULL || strcmp(kam_fold(arena, name), "n a") == 0)
		return NULL;
	len = strlen(name);
	for (size_t i = 0; i < KAM_LENGTHOF(legal_form); i++)
	{
		size_t		n = strlen(legal_form[i]);

		if (len > n + 1 && strcmp(name + len - n, legal_form[i]) == 0)
		{
			name[len - n] = '\0';
			break;
		}
	}
	return name;
}

/* "Responsable énergie" inside a sentence: "responsable énergie"; "HSE manager" and "Head of Operations" stay. */
static const char *
job_title(KamArena *arena, const char *raw)
{
	char	   *title = kam_sayable(arena, raw, 60);
	unsigned char *p = (unsigned char *) title;

	if (title == NULL || title[0] == '\0')
		return NULL;
	for (unsigned char *q = p; *q != '\0'; q++)
		if (*q == ' ' && is_upper(q + 1) && is_lower(q + (q[1] == 0xC3 ? 3 : 2)))
			return title;
	if (is_upper(p) && is_lower(p + (*p == 0xC3 ? 2 : 1)))
		set_case(p, false);
	return title;
}

const char *
kam_say_date(KamArena *arena, const KamWording *wording, const KamZone *zone, KamTime at, KamTime as_of)
{
	KamCivil	civil = kam_civil_at(zone, at);
	const char *month = wording->month[(civil.month + 11) % 12];
	const char *day = civil.day == 1 && strcmp(wording->language, "fr") == 0 ? "1er" : kam_printf(arena, "%d", civil.day);
	KamTime		apart = as_of > at ? as_of - at : at - as_of;

	return apart > 300 * KAM_DAY ? kam_printf(arena, "%s %s %d", day, month, civil.year) : kam_printf(arena, "%s %s", day, month);
}

static void
set(KamCompose *compose, const char *name, const char *value)
{
	if (compose->nvalues < KAM_VALUES)
		compose->value[compose->nvalues++] = (KamValue) {name, value};
}

/* A value that only says yes. */
static void
set_flag(KamCompose *compose, const char *name, bool there)
{
	set(compose, name, there ? "" : NULL);
}

static void
set_date(KamCompose *compose, const char *name, KamTime at)
{
	set(compose, name, at == KAM_NO_TIME || at > compose->env->as_of ? NULL :
		kam_say_date(compose->env->arena, compose->wording, &compose->in->contact->zone, at, compose->env->as_of));
}

/* The kinds of objection that a phrase may answer. */
static const char *const objection[] = {
	"budget", "timing", "need", "authority", "competition", "security", "integration", "complexity",
};

static bool
objects(const KamEnv *env, const KamFacts *facts, const char *kind)
{
	for (int i = 0; i < facts->objections.count; i++)
		if (facts->objections.item[i]->name != NULL && strcmp(facts->objections.item[i]->name, kind) == 0 &&
			env->as_of - facts->objections.item[i]->activity->at < OBJECTION_DAYS * KAM_DAY)
			return true;
	return false;
}

/* Who of us writes: the owner of the contact, else of the newest activity. */
static const char *
writer(KamArena *arena, const KamContact *contact)
{
	const char *owner = kam_sayable(arena, contact->owner, 60);

	for (int i = contact->nactivities - 1; i >= 0 && owner == NULL; i--)
		if (contact->activities[i].owner != NULL)
			owner = kam_sayable(arena, contact->activities[i].owner, 60);
	return owner != NULL && strchr(owner, '@') == NULL ? owner : NULL;
}

/* A url that may stand in a message. */
static const char *
url_of(KamArena *arena, const json_t *resource)
{
	const char *url = on_one_line(arena, kam_get_string(resource, "url"), 150);

	if (url == NULL)
	{
		const char *raw = kam_get_string(resource, "url");

		/* A query part is the only harmless use of a question mark. */
		if (raw != NULL && strlen(raw) <= 150 && strpbrk(raw, " \n\r\t{}[]<>|\\\"") == NULL)
			url = kam_strdup(arena, raw);
	}
	if (url == NULL || strchr(url, ' ') != NULL)
		return NULL;
	return strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0 ? url : NULL;
}

/* "vous aviez évoqué le comptage vapeur", for the middle and for the beginning of a sentence. */
static void
set_mention(KamCompose *compose, const KamHooks *hooks)
{
	char	   *mention = NULL,
			   *capital = NULL;

	if (hooks->topic != NULL)
	{
		mention = kam_printf(compose->env->arena, "%s%s",
							 hooks->topic_requested ? compose->wording->asked_for : compose->wording->spoke_of, hooks->topic);
		capital = kam_strdup(compose->env->arena, mention);
		set_case((unsigned char *) capital, true);
	}
	set(compose, "mentioned", mention);
	set(compose, "Mentioned", capital);
}

/* The engagement that says most: a comment more than a look. */
static const KamEngagement *
strongest_engagement(const KamFacts *facts)
{
	static const char *const order[] = {"comment", "share", "like", "view"};

	for (size_t k = 0; k < KAM_LENGTHOF(order); k++)
		for (int i = 0; i < facts->nengagement; i++)
			if (strcmp(facts->engagement[i].kind, order[k]) == 0)
				return &facts->engagement[i];
	return NULL;
}

/* The resource's title is what they asked for: naming it twice would sound like a machine. */
static bool
names_resource(KamArena *arena, const KamHooks *hooks)
{
	const char *title = hooks->resource == NULL ? NULL : kam_get_string(hooks->resource, "title");
	const char *thing = hooks->request == NULL ? NULL : strchr(hooks->request, ' ');
	const char *words;

	if (title == NULL || thing == NULL)
		return false;
	words = kam_fold(arena, thing + 1);
	title = kam_fold(arena, title);
	if (strstr(title, words) != NULL)
		return true;
	/* "the data sheet of module 4" and "Module 4 data sheet": every word of weight in the title is asked for */
	for (const char *p = title; *p != '\0';)
	{
		size_t		n = strcspn(p, " ");

		if ((n >= 3 || (*p >= '0' && *p <= '9')) &&
			strstr(kam_printf(arena, " %s ", words), kam_printf(arena, " %.*s ", (int) n, p)) == NULL)
			return false;
		p += n + (p[n] == ' ');
	}
	return true;
}

/* The title of a post of ours in its quotation marks, from the subject of an engagement. */
static const char *
post_title(KamArena *arena, const KamWording *wording, const KamEngagement *engagement)
{
	static const char *const marks[][2] = {{"«", "»"}, {"\xe2\x80\x9c", "\xe2\x80\x9d"}, {"\"", "\""}};
	const char *subject = engagement != NULL ? engagement->activity->subject : NULL;

	for (size_t i = 0; subject != NULL && i < KAM_LENGTHOF(marks); i++)
	{
		const char *from = strstr(subject, marks[i][0]);
		const char *to = from == NULL ? NULL : strstr(from + strlen(marks[i][0]), marks[i][1]);
		char	   *title;
		size_t		len;

		if (to == NULL)
			continue;
		from += strlen(marks[i][0]);
		title = one_line(arena, kam_strndup(arena, from, (size_t) (to - from)));
		len = strlen(title);
		while (len > 0 && strchr(" ?!.", title[len - 1]) != NULL)
			title[--len] = '\0';
		title = kam_sayable(arena, title, 90);
		if (title != NULL)
			return kam_printf(arena, "%s%s%s", wording->post_open, title, wording->post_close);
	}
	return NULL;
}

void
kam_compose_open(const KamEnv *env, const KamInputs *in, const KamHooks *hooks, KamCompose *out)
{
	KamArena   *arena = env->arena;
	const KamContact *contact = in->contact;
	const KamFacts *facts = in->facts;
	const KamActivity *last = facts->last_message;
	const char *owner = writer(arena, contact);
	const KamEngagement *engagement = strongest_engagement(facts);
	const char *kind = engagement != NULL ? engagement->kind : "";
	bool		after_wait = facts->wait != NULL && facts->wait->at != KAM_NO_TIME && facts->wait->at <= env->as_of;

	memset(out, 0, sizeof(*out));
	out->env = env;
	out->in = in;
	out->wording = strcmp(kam_message_language(in), "fr") == 0 ? &kam_wording_fr : &kam_wording_en;
	out->variant = in->plan->variant;
	set(out, "first", first_name(arena, contact->first_name));
	set(out, "company", company_name(arena, contact->company));
	set(out, "job", job_title(arena, contact->job_title));
	set(out, "owner", owner);
	set(out, "rep", owner == NULL ? NULL : kam_strndup(arena, owner, strcspn(owner, " ")));
	set(out, "request", hooks->request_pending ? hooks->request : NULL);
	set_flag(out, "asked", hooks->request_signal != NULL && hooks->request_pending);
	set_flag(out, "wants_meeting", hooks->request_pending && hooks->request_meeting);
	set(out, "topic", hooks->topic);
	set_mention(out, hooks);
	set(out, "question", !hooks->question_pending || hooks->question_words == NULL ? NULL :
		kam_printf(arena, "%s%s", hooks->question_words, out->wording->question_mark));
	set_flag(out, "questioned", hooks->question_pending);
	set(out, "subject", hooks->subject);
	set(out, "resource", hooks->resource == NULL ? NULL : on_one_line(arena, kam_get_string(hooks->resource, "title"), 100));
	set(out, "url", hooks->resource == NULL ? NULL : url_of(arena, hooks->resource));
	set_flag(out, "resource_answers", hooks->resource != NULL && hooks->resource_asked);
	set(out, "deal", facts->active_deal == NULL ? NULL : kam_sayable(arena, facts->active_deal->name, 80));
	set_date(out, "last", last == NULL ? KAM_NO_TIME : last->at);
	set_date(out, "theirs", facts->last_inbound == NULL ? KAM_NO_TIME : facts->last_inbound->at);
	set_date(out, "met", facts->meeting_last_held);
	set_flag(out, "answered", last != NULL && last->direction == KAM_INBOUND);
	set_flag(out, "known", facts->inbound_count > 0 || facts->meeting_last_held != KAM_NO_TIME);
	set_flag(out, "after_wait", after_wait && (facts->last_outbound == NULL || facts->last_outbound->at < facts->wait->at));
	set_flag(out, "noshow_us", facts->no_show && kam_is_our_no_show(facts));
	set_flag(out, "noshow_them", facts->no_show && !kam_is_our_no_show(facts));
	set_flag(out, "pricing", facts->pricing != NULL);
	set_flag(out, "demo", facts->demo_at != KAM_NO_TIME);
	set_flag(out, "positive", facts->positive.count > 0);
	set_flag(out, "selling", out->variant != KAM_CHURN_ACKNOWLEDGEMENT && out->variant != KAM_BREAK_UP_MESSAGE);
	set_flag(out, "topical", out->variant == KAM_FOLLOW_UP || out->variant == KAM_ACTIVE_DEAL ||
			 out->variant == KAM_RE_ENGAGEMENT || out->variant == KAM_ENGAGEMENT_SIGNAL);
	set_flag(out, "same", names_resource(arena, hooks));
	set_flag(out, "wrote", facts->outbound_count > 0);
	set(out, "post", post_title(arena, out->wording, engagement));
	set_flag(out, "like", strcmp(kind, "like") == 0);
	set_flag(out, "comment", strcmp(kind, "comment") == 0);
	set_flag(out, "share", strcmp(kind, "share") == 0);
	set_flag(out, "view", strcmp(kind, "view") == 0);
	for (size_t i = 0; i < KAM_LENGTHOF(objection); i++)
		set_flag(out, objection[i], objects(env, facts, objection[i]));
	kam_index_phrases(out);
}
