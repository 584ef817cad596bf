/*
 * core/facts.c: from messages to facts (contract section 4).
 *
 * The signals of single messages (signals.c) are put in the order of time;
 * here it is decided who is believed and how the conversation stands.
 * facts_agreed.c and facts_business.c find the rest, facts_json.c shows it.
 */
#include "core/facts_internal.h"
#include "core/mail.h"

#include <string.h>

/* In days; the contract fixes the first three. */
#define STALE_AFTER 30
#define DORMANT_AFTER 90
#define ENGAGEMENT_WITHIN 14
#define UNDATED_ABSENCE_HOLDS 14

#define MAX_LIST 12				/* newest signals kept of a kind */
#define MAX_EVIDENCE 20			/* per fact */

/* ---- who said what ------------------------------------------------------ */

static bool
known_by_now(const KamFinder *f, const KamActivity *a)
{
	return a->at <= f->env->as_of;
}

/* A message of a person: counts for "last contact" and for follow-ups. */
static bool
is_message(const KamFinder *f, int i)
{
	const KamActivity *a = &f->contact->activities[i];

	return a->direction != KAM_NO_DIRECTION && a->type != KAM_MEETING && !kam_is_engagement(a->type) &&
		!f->automatic[i] && known_by_now(f, a);
}

/* What an automatic message can prove; the rest of its text is no statement of the contact. */
static bool
believed_of_automatic(KamSignalKind kind)
{
	return kind == KAM_SIGNAL_LEFT_COMPANY || kind == KAM_SIGNAL_BOUNCE ||
		kind == KAM_SIGNAL_OUT_OF_OFFICE || kind == KAM_SIGNAL_AUTO_REPLY;
}

static void
scan_all(KamFinder *f)
{
	const KamContact *c = f->contact;

	f->of = KAM_NEW_ARRAY(f->env->arena, KamSignals, c->nactivities);
	f->automatic = KAM_NEW_ARRAY(f->env->arena, bool, c->nactivities);
	for (int i = 0; i < c->nactivities; i++)
	{
		KamSignals *s = &f->of[i];
		int			kept = 0;

		if (!known_by_now(f, &c->activities[i]) && c->activities[i].type != KAM_MEETING)
			continue;
		kam_interrupt();
		*s = kam_signals_scan(f->env, c, &c->activities[i]);
		for (int k = 0; k < s->count; k++)
			f->automatic[i] |= s->signal[k].kind == KAM_SIGNAL_AUTO_REPLY;
		if (!f->automatic[i])
			continue;
		for (int k = 0; k < s->count; k++)
			if (believed_of_automatic(s->signal[k].kind))
				s->signal[kept++] = s->signal[k];
		s->count = kept;
	}
}

/* The newest signal of a kind, NULL when there is none. */
const KamSignal *
kam_newest(const KamFinder *f, KamSignalKind kind)
{
	for (int i = f->contact->nactivities - 1; i >= 0; i--)
		for (int k = f->of[i].count - 1; k >= 0; k--)
			if (f->of[i].signal[k].kind == kind)
				return &f->of[i].signal[k];
	return NULL;
}

/* The newest signal of any of some kinds whose date lies in (from, to); of one message the earliest date. */
const KamSignal *
kam_newest_dated(const KamFinder *f, unsigned kinds, KamTime from, KamTime to)
{
	for (int i = f->contact->nactivities - 1; i >= 0; i--)
	{
		const KamSignal *best = NULL;

		for (int k = 0; k < f->of[i].count; k++)
		{
			const KamSignal *s = &f->of[i].signal[k];

			if ((kinds >> s->kind & 1) && s->at != KAM_NO_TIME && s->at > from && s->at < to &&
				(!best || s->at < best->at))
				best = s;
		}
		if (best)
			return best;
	}
	return NULL;
}

/* Is there a human message of theirs after an activity that carries one of these kinds? */
bool
kam_said_later(const KamFinder *f, const KamSignal *since, unsigned kinds)
{
	for (int i = f->contact->nactivities - 1; i >= 0; i--)
	{
		const KamActivity *a = &f->contact->activities[i];

		if (a->at <= since->activity->at)
			return false;
		if (f->automatic[i] || a->direction == KAM_OUTBOUND)
			continue;
		for (int k = 0; k < f->of[i].count; k++)
			if (kinds >> f->of[i].signal[k].kind & 1)
				return true;
	}
	return false;
}

/* The newest signals of a kind, one per name when "by_name". */
KamSignalList
kam_signals_of(const KamFinder *f, unsigned kinds, bool by_name)
{
	KamSignalList list = {KAM_NEW_ARRAY(f->env->arena, const KamSignal *, MAX_LIST), 0};

	for (int i = f->contact->nactivities - 1; i >= 0; i--)
		for (int k = f->of[i].count - 1; k >= 0 && list.count < MAX_LIST; k--)
		{
			const KamSignal *s = &f->of[i].signal[k];
			bool		seen = false;

			if (!(kinds >> s->kind & 1))
				continue;
			for (int j = 0; by_name && j < list.count && !seen; j++)
				seen = s->name && list.item[j]->name &&
					strcmp(kam_fold(f->env->arena, s->name), kam_fold(f->env->arena, list.item[j]->name)) == 0;
			if (!seen)
				list.item[list.count++] = s;
		}
	return list;
}

/* ---- evidence ------------------------------------------------------------ */

/* Appends to a fact's evidence, in order, up to the limit. */
static void
prove(KamFinder *f, KamFactId fact, KamEvidence *evidence)
{
	KamEvidence **tail = &f->facts->evidence[fact];
	int			n = 0;

	for (; *tail && n < MAX_EVIDENCE; n++)
		tail = &(*tail)->next;
	if (n < MAX_EVIDENCE)
		*tail = evidence;
}

void
kam_prove_by_signal(KamFinder *f, KamFactId fact, const KamSignal *signal)
{
	if (signal)
		prove(f, fact, kam_evidence_of_signal(f->env, signal));
}

void
kam_prove_by_activity(KamFinder *f, KamFactId fact, const KamActivity *activity, const char *field)
{
	if (activity)
		prove(f, fact, kam_evidence_at(f->env, f->contact,
									   kam_printf(f->env->arena, "/activities/%d/%s", activity->index, field)));
}

void
kam_prove_by_path(KamFinder *f, KamFactId fact, const char *path)
{
	KamEvidence *evidence = kam_evidence_at(f->env, f->contact, path);

	if (evidence)
		prove(f, fact, evidence);
}

/* ---- conversation ---------------------------------------------------------- */

static void
find_messages(KamFinder *f)
{
	KamFacts   *facts = f->facts;
	const KamContact *c = f->contact;
	const KamActivity *follow_up[MAX_EVIDENCE];	/* the latest, by number modulo */
	int64_t		inbound_day = INT64_MIN,
				last_day = INT64_MIN;

	for (int i = 0; i < c->nactivities; i++)
	{
		const KamActivity *a = &c->activities[i];

		if (!is_message(f, i))
			continue;
		if (a->direction == KAM_INBOUND)
		{
			facts->last_inbound = a;
			facts->inbound_count++;
			facts->distinct_follow_ups = 0;
			inbound_day = kam_local_day(&c->zone, a->at);
			last_day = INT64_MIN;
		}
		else
		{
			int64_t		day = kam_local_day(&c->zone, a->at);

			facts->last_outbound = a;
			facts->outbound_count++;
			if (day != inbound_day && day != last_day)
			{
				facts->distinct_follow_ups++;
				follow_up[facts->distinct_follow_ups % MAX_EVIDENCE] = a;
			}
			last_day = day;
		}
		facts->last_message = a;
	}
	for (int n = facts->distinct_follow_ups; n > 0 && n > facts->distinct_follow_ups - MAX_EVIDENCE; n--)
		kam_prove_by_activity(f, KAM_FACT_DISTINCT_FOLLOW_UPS, follow_up[n % MAX_EVIDENCE], "recorded_on");
	facts->answered = facts->last_message && facts->last_message->direction == KAM_INBOUND;
	kam_prove_by_activity(f, KAM_FACT_LAST_INBOUND_AT, facts->last_inbound, "recorded_on");
	kam_prove_by_activity(f, KAM_FACT_LAST_OUTBOUND_AT, facts->last_outbound, "recorded_on");
}

static void
find_conversation_state(KamFinder *f)
{
	KamFacts   *facts = f->facts;
	KamTime		in = facts->last_inbound ? facts->last_inbound->at : KAM_NO_TIME,
				out = facts->last_outbound ? facts->last_outbound->at : KAM_NO_TIME,
				held = facts->meeting_last_held,
				last = in > out ? in : out;
	const KamActivity *proof = facts->last_message;

	if (held > last)
	{
		last = held;
		proof = facts->meeting_held_activity;
	}
	facts->days_since_last_contact = -1;
	if (last == KAM_NO_TIME)
	{
		facts->state = KAM_CONVERSATION_NONE;
		return;
	}
	facts->days_since_last_contact = (double) ((f->env->as_of - last) / KAM_DAY);
	facts->state = facts->days_since_last_contact > DORMANT_AFTER ? KAM_CONVERSATION_DORMANT :
		facts->days_since_last_contact > STALE_AFTER ? KAM_CONVERSATION_STALE :
		out > in && out >= held ? KAM_CONVERSATION_AWAITING : KAM_CONVERSATION_ACTIVE;
	kam_prove_by_activity(f, KAM_FACT_DAYS_SINCE_LAST_CONTACT, proof, "recorded_on");
	kam_prove_by_activity(f, KAM_FACT_CONVERSATION_STATE, proof, "recorded_on");
}

static void
find_engagement(KamFinder *f)
{
	static const char *const kinds[] = {"like", "view", "comment", "share"};
	KamFacts   *facts = f->facts;
	const KamContact *c = f->contact;
	KamTime		from = f->env->as_of - ENGAGEMENT_WITHIN * KAM_DAY - 1; /* exclusive */

	if (facts->last_outbound && facts->last_outbound->at > from)
		from = facts->last_outbound->at;
	facts->engagement = KAM_NEW_ARRAY(f->env->arena, KamEngagement, c->nactivities);
	for (int i = c->nactivities - 1; i >= 0; i--)
	{
		const KamActivity *a = &c->activities[i];

		if (!kam_is_engagement(a->type) || !known_by_now(f, a) || a->at <= from)
			continue;
		facts->engagement[facts->nengagement++] = (KamEngagement)
		{
			a, kinds[a->type - KAM_LINKEDIN_LIKE]
		};
		kam_prove_by_activity(f, KAM_FACT_ENGAGEMENT, a, "recorded_on");
	}
}

/* ---- channels --------------------------------------------------------------- */

/* Does a mail of theirs prove that the address lives after the bounce? */
static bool
wrote_after(const KamFinder *f, const KamSignal *bounce)
{
	for (int i = f->contact->nactivities - 1; i >= 0; i--)
	{
		const KamActivity *a = &f->contact->activities[i];

		if (a->at <= bounce->activity->at)
			return false;
		if (a->type == KAM_EMAIL && a->direction == KAM_INBOUND && is_message(f, i))
			return true;
	}
	return false;
}

static void
find_channels(KamFinder *f)
{
	KamFacts   *facts = f->facts;
	const KamContact *c = f->contact;
	const struct
	{
		KamChannel	channel;
		bool		there;
		const char *path;
	}			channels[] = {
		{KAM_LINKEDIN, c->linkedin, kam_get_string(kam_get_object(c->json, "contact_info"), "linkedin_url")
			? "/contact_info/linkedin_url" : "/contact_info/linkedin_urn"},
		{KAM_EMAIL_CHANNEL, c->email, "/contact_info/email"},
		{KAM_PHONE, c->phone, "/contact_info/phone"},
		{KAM_WHATSAPP, c->phone && c->whatsapp, "/contact_info/whatsapp"},
	};
	const KamSignal *bounce = kam_newest(f, KAM_SIGNAL_BOUNCE);

	if (c->email && bounce && !wrote_after(f, bounce) &&
		(!bounce->name || kam_text_contains(f->env->arena, bounce->name, c->email)))
	{
		facts->bounce = bounce;
		kam_prove_by_signal(f, KAM_FACT_UNREACHABLE, bounce);
	}
	for (size_t i = 0; i < KAM_LENGTHOF(channels); i++)
	{
		if (!channels[i].there || (channels[i].channel == KAM_EMAIL_CHANNEL && facts->bounce))
			continue;
		facts->channel[channels[i].channel] = true;
		facts->nchannels++;
		kam_prove_by_path(f, KAM_FACT_AVAILABLE_CHANNELS, channels[i].path);
	}
	facts->unreachable = facts->nchannels == 0;
	if (!facts->unreachable)
		facts->evidence[KAM_FACT_UNREACHABLE] = NULL;
}

static void
find_absence(KamFinder *f)
{
	const KamSignal *away = kam_newest(f, KAM_SIGNAL_OUT_OF_OFFICE);
	KamTime		as_of = f->env->as_of;

	if (!away)
		return;
	if (away->at != KAM_NO_TIME ? away->at <= as_of : as_of - away->activity->at > UNDATED_ABSENCE_HOLDS * KAM_DAY)
		return;
	/* whoever writes again is back, unless that message itself tells of the absence */
	if (f->facts->last_inbound && f->facts->last_inbound->at > away->activity->at)
		return;
	f->facts->out_of_office = away;
	kam_prove_by_signal(f, KAM_FACT_OUT_OF_OFFICE, away);
}

/* ---- language ---------------------------------------------------------------------------------- */

/* How many messages are read back for one whose language can be told. */
#define LANGUAGE_LOOKS 6

static const char *
language_of(KamFinder *f, KamDirection direction, const KamActivity **proof)
{
	int			looks = 0;

	for (int i = f->contact->nactivities - 1; i >= 0 && looks < LANGUAGE_LOOKS; i--)
	{
		const KamActivity *a = &f->contact->activities[i];
		KamNewText	fresh;
		KamTokens	tokens;
		const char *language;

		if (a->direction != direction || !a->body || !known_by_now(f, a) || f->automatic[i])
			continue;
		looks++;
		fresh = kam_new_text(kam_scratch(f->env), a);
		tokens = kam_tokenize(kam_scratch(f->env), fresh.text, fresh.length);
		language = kam_language(&tokens);
		if (language)
		{
			*proof = a;
			return language;
		}
	}
	return NULL;
}

/* Zones whose people are written to in French when nothing else tells. */
static const char *const french_zones[] = {
	"Europe/Paris", "Europe/Monaco", "Africa/Abidjan", "Africa/Dakar", "Africa/Tunis", "Africa/Algiers",
	"Africa/Casablanca", "Indian/Reunion", "America/Martinique", "America/Guadeloupe"
};

static void
find_language(KamFinder *f)
{
	static const KamDirection order[] = {KAM_INBOUND, KAM_OUTBOUND, KAM_NO_DIRECTION};
	const KamActivity *proof = NULL;
	const char *language = NULL;

	for (size_t i = 0; i < KAM_LENGTHOF(order) && !language; i++)
	{
		/* our private notes tell less than what the contact's record says */
		if (order[i] == KAM_NO_DIRECTION && f->contact->language)
			break;
		language = language_of(f, order[i], &proof);
	}
	if (proof)
		prove(f, KAM_FACT_LANGUAGE, kam_evidence_at(f->env, f->contact,
													kam_printf(f->env->arena, "/activities/%d/metadata/body", proof->index)));
	else if (f->contact->language)
	{
		language = f->contact->language;
		kam_prove_by_path(f, KAM_FACT_LANGUAGE, "/contact_info/language");
	}
	for (size_t i = 0; !language && i < KAM_LENGTHOF(french_zones); i++)
		if (strcmp(f->contact->zone.name, french_zones[i]) == 0)
			language = "fr";
	f->facts->language = language ? language : "en";
}

/* ---- warnings ------------------------------------------------------------------------------------- */

static void
find_warnings(KamFinder *f)
{
	KamFacts   *facts = f->facts;
	const KamContact *c = f->contact;
	int			past_scheduled = 0,
				overlong = 0;

	facts->warnings = KAM_NEW_ARRAY(f->env->arena, const char *, c->nwarnings + 4);
	for (int i = 0; i < c->nwarnings; i++)
		facts->warnings[facts->nwarnings++] = c->warnings[i];
	for (int i = 0; i < c->nactivities; i++)
	{
		const KamActivity *a = &c->activities[i];

		past_scheduled += a->type == KAM_MEETING && a->status == KAM_MEETING_SCHEDULED && kam_meeting_time(a) <= f->env->as_of;
		overlong += a->body && strnlen(a->body, KAM_LONGEST_MESSAGE + 1) > KAM_LONGEST_MESSAGE;
	}
	if (!c->linkedin)
		facts->warnings[facts->nwarnings++] = "no LinkedIn address";
	if (!c->email && !c->phone)
		facts->warnings[facts->nwarnings++] = "neither e-mail address nor phone number";
	if (past_scheduled)
		facts->warnings[facts->nwarnings++] =
			kam_printf(f->env->arena, "%d past meetings are still marked as scheduled", past_scheduled);
	if (overlong)
		facts->warnings[facts->nwarnings++] =
			kam_printf(f->env->arena, "%d messages are longer than 64 KB: only their beginning was read", overlong);
	kam_sort_texts(facts->warnings, facts->nwarnings);
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

void
kam_facts_find(const KamEnv *env, const KamContact *contact, KamFacts *out)
{
	KamFinder	f = {env, contact, out, NULL, NULL};

	memset(out, 0, sizeof *out);
	scan_all(&f);
	out->automatic = f.automatic;
	find_messages(&f);
	kam_find_meetings(&f);
	find_conversation_state(&f);
	find_engagement(&f);
	kam_find_endings(&f);
	find_channels(&f);
	find_absence(&f);
	kam_find_agreements(&f);
	kam_find_business(&f);
	find_language(&f);
	find_warnings(&f);
}
