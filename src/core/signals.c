/*
 * core/signals.c: judges what the rules found in one message.
 *
 * match.c says where a rule's words stand.  Here is decided whether they were
 * meant: who speaks, whether a negation, a condition or a question takes them
 * back, which date belongs to them, which name.  What a later message undoes
 * is facts.c's business.
 */
#include "core/signals.h"

#include "core/signals_parts.h"
#include "core/text_chars.h"

#define LONGEST_SUBJECT ((size_t) 2000)	/* bytes that are read */

#define QUOTE_BYTES 160
#define COMPARED_SUBJECTS 30

/* Who speaks. */
#define THEM	KAM_RULE_THEM
#define US		KAM_RULE_US
#define NOTED	KAM_RULE_NOTED
#define ANYBODY (THEM | US | NOTED)

/* What takes a kind back. */
#define BY_NEGATION		1
#define BY_CONDITION	2
#define BY_QUESTION		4
#define BY_ALL			7
/* What a kind needs. */
#define NEEDS_DATE		8		/* a date ahead */
#define MAY_HAVE_DATE	16

/* Who may say a kind, and what takes it back. */
static const struct
{
	unsigned	who;
	unsigned	traits;
}			kinds[KAM_SIGNAL_KINDS] = {
	[KAM_SIGNAL_CHURN] = {THEM | NOTED, BY_ALL},
	[KAM_SIGNAL_OPT_OUT] = {THEM | NOTED, BY_ALL},
	[KAM_SIGNAL_LEFT_COMPANY] = {THEM | NOTED, BY_ALL},
	[KAM_SIGNAL_BOUNCE] = {THEM | NOTED, 0},
	[KAM_SIGNAL_OUT_OF_OFFICE] = {THEM | NOTED, BY_ALL | MAY_HAVE_DATE},
	[KAM_SIGNAL_AUTO_REPLY] = {THEM, BY_QUESTION},
	[KAM_SIGNAL_WAIT] = {THEM | NOTED, BY_NEGATION | NEEDS_DATE},
	[KAM_SIGNAL_MEETING_AGREED] = {ANYBODY, BY_ALL | NEEDS_DATE},
	[KAM_SIGNAL_MEETING_PROPOSED] = {ANYBODY, BY_NEGATION | MAY_HAVE_DATE},
	[KAM_SIGNAL_NO_SHOW_US] = {ANYBODY, BY_CONDITION | BY_NEGATION},
	[KAM_SIGNAL_NO_SHOW_THEM] = {ANYBODY, BY_CONDITION | BY_NEGATION},
	[KAM_SIGNAL_PRICING] = {ANYBODY, 0},
	[KAM_SIGNAL_BUDGET_CONSTRAINT] = {THEM | NOTED, BY_NEGATION | BY_QUESTION},
	[KAM_SIGNAL_DEMO_HELD] = {ANYBODY, BY_ALL},
	[KAM_SIGNAL_DEMO_POSITIVE] = {THEM | NOTED, BY_ALL},
	[KAM_SIGNAL_COMPETITOR] = {ANYBODY, BY_NEGATION | BY_QUESTION},
	[KAM_SIGNAL_COMPETITOR_PREFERRED] = {THEM | NOTED, BY_ALL},
	[KAM_SIGNAL_PILOT] = {ANYBODY, 0},
	[KAM_SIGNAL_PILOT_REVIEW] = {ANYBODY, BY_NEGATION | NEEDS_DATE},
	[KAM_SIGNAL_OBJECTION] = {THEM | NOTED, BY_NEGATION | BY_QUESTION},
	[KAM_SIGNAL_TIMING] = {ANYBODY, BY_ALL | NEEDS_DATE},
	[KAM_SIGNAL_TOUCHPOINT] = {ANYBODY, BY_ALL | NEEDS_DATE},
	[KAM_SIGNAL_POSITIVE] = {THEM | NOTED, BY_NEGATION},
	[KAM_SIGNAL_INTEREST] = {THEM | NOTED, BY_NEGATION},
	[KAM_SIGNAL_QUESTION] = {THEM, 0},
	[KAM_SIGNAL_RENEWED] = {THEM | NOTED, BY_CONDITION | BY_QUESTION},
	[KAM_SIGNAL_DECISION_MAKER] = {ANYBODY, BY_NEGATION},
	[KAM_SIGNAL_CHAMPION] = {THEM | NOTED, BY_NEGATION},
	[KAM_SIGNAL_STAKEHOLDER] = {ANYBODY, BY_NEGATION},
};

unsigned
kam_rule_speakers(const KamRule *rule)
{
	unsigned	own = rule->flags & ANYBODY;

	if (rule->flags & KAM_RULE_AUTOMATIC)
		return KAM_SPEAKER_MACHINE;
	return own ? own & kinds[rule->kind].who : kinds[rule->kind].who;
}


/* ---- quotes and names ------------------------------------------------ */

/* The stretch of [start, end) in which nothing was blanked, the longest one. */
static void
shrink_to_visible(const Reader *r, uint32_t *start, uint32_t *end)
{
	uint32_t	best = *start,
				best_end = *start,
				from = *start;

	if (r->source == r->aligned)
		return;
	for (uint32_t k = *start; k <= *end; k++)
	{
		if (k < *end && r->source[k] == r->aligned[k])
			continue;
		if (k - from > best_end - best)
		{
			best = from;
			best_end = k;
		}
		from = k + 1;
	}
	while (best < best_end && (unsigned char) r->source[best] <= ' ')
		best++;
	while (best_end > best && (unsigned char) r->source[best_end - 1] <= ' ')
		best_end--;
	*start = best;
	*end = best_end;
}

/* The clause around tokens [first, last], at most QUOTE_BYTES long. */
static const char *
quote_of(const Reader *r, int first, int last)
{
	int			a = kam_reader_clause_begin(r, first),
				b = kam_reader_clause_end(r, last);
	uint32_t	start,
				end;

	/* a salutation or the like is not worth a quote of its own: two words more on either side */
	while (b > last && r->tokens.token[b].end - r->tokens.token[a].start > QUOTE_BYTES)
		b--;
	while (a < first && r->tokens.token[b].end - r->tokens.token[a].start > QUOTE_BYTES)
		a++;
	while (b > a && r->tokens.token[b].end - r->tokens.token[a].start > QUOTE_BYTES)
		b--;
	start = r->tokens.token[a].start;
	end = r->tokens.token[b].end;
	if (end - start > QUOTE_BYTES)
		end = start + QUOTE_BYTES;
	while (end > start && ((unsigned char) r->source[end] & 0xC0) == 0x80)
		end--;
	shrink_to_visible(r, &start, &end);
	return kam_strndup(r->env->arena, r->source + start, end - start);
}

static const char *
words_as_written(const Reader *r, int first, int last)
{
	return kam_squash(r->env->arena, kam_strndup(r->env->arena, r->aligned + r->tokens.token[first].start,
												 r->tokens.token[last].end - r->tokens.token[first].start));
}

/* ---- the list -------------------------------------------------------- */

static void
add_signal(Reader *r, KamSignalKind kind, int first, int last, KamTime at, const char *name)
{
	uint32_t	place = r->tokens.token[first].start + (strcmp(r->field, "body") == 0 ? 1000000u : 0);
	int			k;

	/* one finding per kind, name and date; the first in the text stays */
	for (k = 0; k < r->count; k++)
	{
		const KamSignal *s = &r->signal[k];

		if (s->kind == kind && (s->at == at || s->at == KAM_NO_TIME || at == KAM_NO_TIME) &&
			(s->name == name || (s->name && name && strcmp(s->name, name) == 0)))
		{
			if (s->at == KAM_NO_TIME && at != KAM_NO_TIME)
				r->signal[k].at = at;
			return;
		}
	}
	if (r->count == r->room)
	{
		int			room = r->room ? r->room * 2 : 8;
		KamSignal  *signal = KAM_NEW_ARRAY(r->env->arena, KamSignal, room);
		uint32_t   *places = KAM_NEW_ARRAY(r->env->arena, uint32_t, room);

		if (r->count > 0)
		{
			memcpy(signal, r->signal, sizeof(KamSignal) * (size_t) r->count);
			memcpy(places, r->place, sizeof(uint32_t) * (size_t) r->count);
		}
		r->signal = signal;
		r->place = places;
		r->room = room;
	}
	for (k = r->count; k > 0 && r->place[k - 1] > place; k--)
	{
		r->signal[k] = r->signal[k - 1];
		r->place[k] = r->place[k - 1];
	}
	r->signal[k] = (KamSignal) {kind, r->activity, r->field, quote_of(r, first, last), at, name};
	r->place[k] = place;
	r->count++;
}

static const KamSignal *
find_signal(const Reader *r, KamSignalKind kind)
{
	for (int k = 0; k < r->count; k++)
		if (r->signal[k].kind == kind)
			return &r->signal[k];
	return NULL;
}

static void
drop_signals(Reader *r, KamSignalKind kind, const char *field)
{
	int			kept = 0;

	for (int k = 0; k < r->count; k++)
		if (r->signal[k].kind != kind || (field && strcmp(r->signal[k].field, field) != 0))
		{
			r->signal[kept] = r->signal[k];
			r->place[kept++] = r->place[k];
		}
	r->count = kept;
}

/* ---- judging --------------------------------------------------------- */

/* Latest date of an absence: "du 10 au 20 mars". */
static KamTime
return_date(Reader *r, const KamHit *hit, unsigned flags)
{
	const KamWhen *w;
	KamTime		at;

	if (!kam_reader_may_hold_date(r, hit, true))
		return KAM_NO_TIME;
	w = kam_reader_date_of(r, hit, flags);
	if (!w)
		return KAM_NO_TIME;
	at = w->at;
	if (!(flags & KAM_RULE_AFTER))
		for (int k = 0; k < r->whens; k++)
			if (r->when[k].first > w->last && r->when[k].first - w->last <= 3 && kam_reader_same_sentence(r, w->last, r->when[k].first) &&
				!r->when[k].past && r->when[k].at > at)
				at = r->when[k].at;
	return at;
}

static void
judge(Reader *r, const KamHit *hit)
{
	const KamRule *rule = hit->rule;
	unsigned	traits = kinds[rule->kind].traits;
	const char *name = rule->name;
	KamTime		at = KAM_NO_TIME;
	int			last = hit->last;

	if (rule->flags & KAM_RULE_AUTOMATIC && !r->automatic)
		return;
	if (rule->flags & KAM_RULE_HUMAN && r->automatic)
		return;
	if (rule->flags & KAM_RULE_SHORT && r->tokens.count > 8)
		return;
	if (rule->flags & KAM_RULE_WEAK && find_signal(r, KAM_SIGNAL_WAIT))
		return;
	if (rule->flags & KAM_RULE_QUESTION && !(r->tokens.token[hit->first].flags & KAM_TOKEN_QUESTION))
		return;
	if (traits & BY_NEGATION && !(rule->flags & KAM_RULE_NEGATED) && kam_reader_is_negated(r, hit))
		return;
	if (traits & BY_CONDITION && !(rule->flags & KAM_RULE_IFFY) && kam_reader_is_supposed(r, hit))
		return;
	if (traits & BY_QUESTION && !(rule->flags & (KAM_RULE_ASKED | KAM_RULE_QUESTION)) && kam_reader_is_asked(r, hit))
		return;
	if (traits & NEEDS_DATE || rule->flags & (KAM_RULE_DATED | KAM_RULE_DATE_NEAR))
	{
		const KamWhen *w;

		if (!kam_reader_may_hold_date(r, hit, rule->flags & KAM_RULE_DATE_NEAR))
			return;
		w = kam_reader_date_of(r, hit, rule->flags);
		if (!w)
			return;
		at = w->at;
		/* "ce soir" is no next step */
		if (rule->kind == KAM_SIGNAL_TIMING &&
			kam_local_day(&r->contact->zone, at) <= kam_local_day(&r->contact->zone, r->activity->at))
			return;
		if (kam_reader_same_sentence(r, w->last, hit->first) && w->last > last)
			last = w->last;
	}
	else if (rule->kind == KAM_SIGNAL_OUT_OF_OFFICE)
		at = return_date(r, hit, rule->flags);
	else if (traits & MAY_HAVE_DATE && kam_reader_may_hold_date(r, hit, false))
	{
		const KamWhen *w = kam_reader_date_of(r, hit, rule->flags);

		if (w)
			at = w->at;
	}
	if (hit->name_first >= 0 && hit->name_last >= hit->name_first)
		name = words_as_written(r, hit->name_first, hit->name_last);
	add_signal(r, rule->kind, hit->first, last, at, name);
}

/* ---- products -------------------------------------------------------- */

/* A product's words at a token: how many there are, 0 when none. */
static int
product_words(const Reader *r, int token)
{
	int			longest = 0;

	for (int k = 0; k < kam_product_count; k++)
	{
		const char *p = kam_products[k];
		int			n = 0;

		if (p[0] != r->tokens.token[token].word[0])
			continue;
		for (;;)
		{
			size_t		length = strcspn(p, " ");
			const KamToken *t;

			if (token + n >= r->tokens.count || (n > 0 && !kam_reader_same_sentence(r, token, token + n)))
			{
				n = 0;
				break;
			}
			t = &r->tokens.token[token + n];
			if (t->length != length || memcmp(t->word, p, length) != 0)
			{
				n = 0;
				break;
			}
			n++;
			p += length;
			if (*p == '\0')
				break;
			p++;
		}
		if (n > longest)
			longest = n;
	}
	return longest;
}

/* "Zoho CRM", "Monday Sales": the generic word behind belongs to the name. */
static int
name_tail(const Reader *r, int last)
{
	static const char *const tails[] = {"crm", "sales", "cloud", "marketing", "365", "hub", "360", "copilot"};

	while (last + 1 < r->tokens.count && kam_reader_same_sentence(r, last, last + 1) && !(r->tokens.token[last + 1].flags & KAM_TOKEN_CLAUSE) &&
		   WORD_IN(r, last + 1, tails) && (r->tokens.token[last + 1].flags & (KAM_TOKEN_CAPITAL | KAM_TOKEN_NUMBER)))
		last++;
	return last;
}

/* ---- fields ---------------------------------------------------------- */

static bool
product_begins(const Reader *r, int token)
{
	return kam_token_is(&r->hits, token, KAM_CLASS_PRODUCT);
}

/*
 * Is a word that is no whole product a name?  With a capital where the rule
 * takes any name; in small letters only an ambiguous product where the rule
 * asks for one.
 */
static bool
may_be_named(const Reader *r, int token, const KamRule *rule)
{
	bool		any_name = strstr(rule->pattern, "{Name}") != NULL;

	if (r->tokens.token[token].flags & KAM_TOKEN_CAPITAL && any_name)
		return strcmp(r->tokens.token[token].word, "la") != 0;
	if (strstr(rule->pattern, "product") == NULL)
		return true;
	if (any_name || strstr(rule->pattern, "{word_product}") == NULL)
		return false;
	for (int k = 0; k < kam_word_product_count; k++)
		if (kam_reader_word_is(r, token, kam_word_products[k]))
			return true;
	return false;
}

/* Names found by rules, made whole: "Zoho" to "Zoho CRM", "A, B and C" to three. */
static void
judge_competitor(Reader *r, const KamHit *hit)
{
	static const char *const before_days[] = {"on", "next", "this", "by", "until", "till", "last", "before", "since", "from", "to", "every", "for", "after", "of", "and"};
	static const char *const links[] = {"et", "and", "ou", "or", "ni", "nor", "puis"};
	KamHit		one = *hit;

	if (one.name_first < 0 || kam_token_is(&r->hits, one.name_first, KAM_CLASS_CONTACT))
		return;
	/* the day of the week is far more often meant */
	if (kam_reader_word_is(r, one.name_first, "monday") && product_words(r, one.name_first) == 0 && WORD_IN(r, one.name_first - 1, before_days))
		return;
	for (int rounds = 0; rounds < 6; rounds++)
	{
		int			next;
		int			n = product_words(r, one.name_first);

		if (n > 0)
			one.name_last = one.name_first + n - 1;
		else if (!may_be_named(r, one.name_first, hit->rule))
			return;
		one.name_last = name_tail(r, one.name_last);
		if (one.last < one.name_last)
			one.last = one.name_last;
		judge(r, &one);
		next = one.name_last + 1;
		if (next < r->tokens.count && kam_reader_same_sentence(r, one.name_last, next) && WORD_IN(r, next, links))
			next++;
		else if (!(next < r->tokens.count && kam_reader_same_sentence(r, one.name_last, next) && r->tokens.token[next].flags & KAM_TOKEN_CLAUSE))
			break;
		if (next >= r->tokens.count || !kam_reader_same_sentence(r, one.name_last, next) || !(r->tokens.token[next].flags & KAM_TOKEN_CAPITAL) ||
			kam_token_is(&r->hits, next, KAM_CLASS_NOT_NAME) || kam_token_is(&r->hits, next, KAM_CLASS_CONTACT))
			break;
		/* an unknown name in a list only when the list's first one was a product or the link is "and" */
		if (!product_begins(r, next) && !(kam_reader_word_is(r, next - 1, "et") || kam_reader_word_is(r, next - 1, "and") || kam_reader_word_is(r, next - 1, "ou") || kam_reader_word_is(r, next - 1, "or")))
			break;
		one.name_first = one.name_last = next;
		one.first = next < one.first ? next : one.first;
	}
}

/* Do the words show that a machine wrote them? */
static bool
speaks_automatically(Reader *r)
{
	for (int k = 0; k < r->hits.count; k++)
	{
		KamSignalKind kind = r->hits.hit[k].rule->kind;

		if (kind == KAM_SIGNAL_OUT_OF_OFFICE && r->absence)
			return true;
		if (kind == KAM_SIGNAL_AUTO_REPLY)
			judge(r, &r->hits.hit[k]);
	}
	return find_signal(r, KAM_SIGNAL_AUTO_REPLY) != NULL;
}

static void
scan_field(Reader *r, const char *field, const char *source, const char *aligned, size_t length)
{
	r->field = field;
	r->source = source;
	r->aligned = aligned;
	r->tokens = kam_tokenize(kam_scratch(r->env), aligned, length);
	if (r->tokens.count == 0)
		return;
	r->hits = kam_match(kam_scratch(r->env), &r->tokens, r->contact, r->who | (r->automatic || r->absence ? KAM_SPEAKER_MACHINE : 0));
	r->whens = -1;
	/* what only machines say is looked for when a machine speaks */
	if (!r->automatic && speaks_automatically(r))
	{
		r->automatic = true;
		r->hits = kam_match(kam_scratch(r->env), &r->tokens, r->contact, r->who | KAM_SPEAKER_MACHINE);
	}
	/* those that others depend on first */
	for (int k = 0; k < r->hits.count; k++)
		if (r->hits.hit[k].rule->kind == KAM_SIGNAL_AUTO_REPLY || r->hits.hit[k].rule->kind == KAM_SIGNAL_WAIT)
			judge(r, &r->hits.hit[k]);
	for (int k = 0; k < r->hits.count; k++)
	{
		KamSignalKind kind = r->hits.hit[k].rule->kind;

		if (kind == KAM_SIGNAL_COMPETITOR || kind == KAM_SIGNAL_COMPETITOR_PREFERRED)
			judge_competitor(r, &r->hits.hit[k]);
		else if (kind != KAM_SIGNAL_AUTO_REPLY && kind != KAM_SIGNAL_WAIT)
			judge(r, &r->hits.hit[k]);
	}
	/* a sentence with a question mark */
	if (r->who & THEM && !r->automatic)
		for (int k = 0; k < r->tokens.count; k++)
			if (r->tokens.token[k].flags & KAM_TOKEN_QUESTION)
			{
				int			end = k;

				while (end + 1 < r->tokens.count && kam_reader_same_sentence(r, k, end + 1))
					end++;
				add_signal(r, KAM_SIGNAL_QUESTION, k, end, KAM_NO_TIME, NULL);
				k = end;
			}
}

/* ---- the message as a whole ------------------------------------------ */

/* The address a bounce speaks of: the contact's own if it is there, else the first one. */
static const char *
bounced_address(const Reader *r, const char *body)
{
	KamTokens	tokens = kam_tokenize(r->env->arena, body, strlen(body));
	const char *first = NULL;

	for (int k = 0; k < tokens.count; k++)
	{
		const KamToken *t = &tokens.token[k];

		if (!strchr(t->word, '@') || strncmp(t->word, "mailer-daemon@", 14) == 0 || strncmp(t->word, "postmaster@", 11) == 0)
			continue;
		if (r->contact->email && strcasecmp(t->word, r->contact->email) == 0)
			return t->word;
		if (!first)
			first = t->word;
	}
	return first;
}

/* One absence, until the latest of its dates: "closed to the 16th, back on the 17th". */
static void
merge_absences(Reader *r)
{
	KamSignal  *first = NULL;
	int			kept = 0;

	for (int k = 0; k < r->count; k++)
	{
		KamSignal  *s = &r->signal[k];

		if (s->kind == KAM_SIGNAL_OUT_OF_OFFICE && first)
		{
			if (s->at != KAM_NO_TIME && s->at > first->at)
			{
				first->at = s->at;
				first->quote = s->quote;
			}
			continue;
		}
		r->signal[kept] = *s;
		r->place[kept] = r->place[k];
		if (s->kind == KAM_SIGNAL_OUT_OF_OFFICE)
			first = &r->signal[kept];
		kept++;
	}
	r->count = kept;
}

static bool
is_known_product(const char *name)
{
	for (int k = 0; k < kam_product_count; k++)
		if (strncasecmp(kam_products[k], name, strlen(kam_products[k])) == 0)
			return true;
	return false;
}

/*
 * Who ends, leaves or wants silence raises no objection and sets no next step;
 * only money stays a reason.  The firm that somebody leaves is no competitor.
 */
static void
drop_moot(Reader *r)
{
	bool		left = find_signal(r, KAM_SIGNAL_LEFT_COMPANY) != NULL;
	int			kept = 0;

	for (int k = 0; k < r->count; k++)
	{
		const KamSignal *s = &r->signal[k];

		if (s->kind == KAM_SIGNAL_OBJECTION && !(s->name && strcmp(s->name, "budget") == 0))
			continue;
		if (s->kind == KAM_SIGNAL_TIMING || s->kind == KAM_SIGNAL_TOUCHPOINT)
			continue;
		if (left && (s->kind == KAM_SIGNAL_COMPETITOR || s->kind == KAM_SIGNAL_COMPETITOR_PREFERRED) && s->name && !is_known_product(s->name))
			continue;
		r->signal[kept] = *s;
		r->place[kept++] = r->place[k];
	}
	r->count = kept;
}

/* What the findings say of each other. */
static void
settle(Reader *r)
{
	if (r->automatic)
	{
		bool		temporary = false,
					delivery = false;
		static const KamSignalKind believed[] = {KAM_SIGNAL_AUTO_REPLY, KAM_SIGNAL_BOUNCE, KAM_SIGNAL_LEFT_COMPANY, KAM_SIGNAL_OUT_OF_OFFICE};

		for (int kind = 0; kind < KAM_SIGNAL_KINDS; kind++)
		{
			bool		keep = false;

			for (size_t k = 0; k < KAM_LENGTHOF(believed); k++)
				keep |= (int) believed[k] == kind;
			if (!keep)
				drop_signals(r, (KamSignalKind) kind, NULL);
		}
		for (int k = 0; k < r->count; k++)
			if (r->signal[k].kind == KAM_SIGNAL_AUTO_REPLY && r->signal[k].name)
			{
				temporary |= strcmp(r->signal[k].name, "temporary") == 0;
				delivery |= strcmp(r->signal[k].name, "delivery") == 0;
			}
		/* a delay or a full mailbox is no dead address */
		if (temporary)
			drop_signals(r, KAM_SIGNAL_BOUNCE, NULL);
		/* a delivery report knows addresses, an answer knows people */
		if (find_signal(r, KAM_SIGNAL_BOUNCE))
			drop_signals(r, delivery || !find_signal(r, KAM_SIGNAL_LEFT_COMPANY) ? KAM_SIGNAL_LEFT_COMPANY : KAM_SIGNAL_BOUNCE, NULL);
		merge_absences(r);
		for (int k = 0; k < r->count; k++)
		{
			if (r->signal[k].kind == KAM_SIGNAL_BOUNCE)
				r->signal[k].name = bounced_address(r, r->activity->body ? r->activity->body : "");
			else
				r->signal[k].name = NULL;
		}
		/* who is gone for good is not out of office */
		if (find_signal(r, KAM_SIGNAL_LEFT_COMPANY) || find_signal(r, KAM_SIGNAL_BOUNCE))
			drop_signals(r, KAM_SIGNAL_OUT_OF_OFFICE, NULL);
		return;
	}
	if (find_signal(r, KAM_SIGNAL_RENEWED))
	{
		drop_signals(r, KAM_SIGNAL_CHURN, NULL);
		drop_signals(r, KAM_SIGNAL_OPT_OUT, NULL);
	}
	/* praise of a demonstration says that it took place */
	if (!find_signal(r, KAM_SIGNAL_DEMO_HELD))
		drop_signals(r, KAM_SIGNAL_DEMO_POSITIVE, NULL);
	merge_absences(r);
	if (find_signal(r, KAM_SIGNAL_OPT_OUT))
		drop_signals(r, KAM_SIGNAL_WAIT, NULL);
	if (find_signal(r, KAM_SIGNAL_OPT_OUT) || find_signal(r, KAM_SIGNAL_CHURN) || find_signal(r, KAM_SIGNAL_LEFT_COMPANY))
		drop_moot(r);
}

/* Its place among the contact's activities; 0 when it is none of them. */
static int
place_of(const KamContact *contact, const KamActivity *activity)
{
	int			low = 0,
				high = contact->nactivities;

	/* sorted by time: the first of its moment, then itself */
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (contact->activities[middle].at < activity->at)
			low = middle + 1;
		else
			high = middle;
	}
	while (low < contact->nactivities && &contact->activities[low] != activity)
		low++;
	return low < contact->nactivities ? low : 0;
}

/*
 * The subject counts for messages of theirs and for notes, but not when, after
 * "Re:", it repeats an earlier one or what the body quotes.
 */
static bool
subject_counts(const Reader *r, const KamMail *mail)
{
	const KamActivity *a = r->activity;
	const char *bare;
	char		folded[128];
	bool		reply;
	int			compared = 0;

	if (!a->subject || a->direction == KAM_OUTBOUND)
		return a->subject && r->who & NOTED;
	bare = kam_bare_subject(a->subject, &reply);
	if (!reply)
		return true;
	kam_fold_into(folded, sizeof folded, bare, strlen(bare));
	/* the message that is answered is among the last ones */
	for (int k = place_of(r->contact, a) - 1; k >= 0 && compared < COMPARED_SUBJECTS; k--)
	{
		const KamActivity *other = &r->contact->activities[k];
		char		earlier[128];
		bool		answered;
		const char *their_bare;

		if (!other->subject)
			continue;
		compared++;
		their_bare = kam_bare_subject(other->subject, &answered);
		if (strcmp(their_bare, bare) == 0)
			return false;
		/* most differ in their first letter */
		if (kam_ascii_word[(unsigned char) *their_bare] && kam_ascii_word[(unsigned char) *their_bare] != folded[0])
			continue;
		kam_fold_into(earlier, sizeof earlier, their_bare, strlen(their_bare));
		if (strcmp(earlier, folded) == 0)
			return false;
	}
	/* with nothing to compare it with, an answer's subject is taken for a repeated one */
	return compared > 0 && !(mail->blanked && a->body && kam_text_contains(kam_scratch(r->env), a->body, bare));
}

static unsigned
speaker(const KamActivity *a)
{
	if (a->type == KAM_NOTE || a->type == KAM_CALL || a->type == KAM_MEETING || a->direction == KAM_NO_DIRECTION)
		return NOTED;
	return a->direction == KAM_INBOUND ? THEM : US;
}

KamSignals
kam_signals_scan(const KamEnv *env, const KamContact *contact, const KamActivity *activity)
{
	Reader		r = {.env = env, .contact = contact, .activity = activity, .who = speaker(activity)};
	KamMail		mail;

	if (kam_is_engagement(activity->type))
		return (KamSignals) {NULL, 0};
	mail = kam_mail_read(kam_scratch(env), activity);
	r.automatic = mail.automatic;
	r.absence = mail.absence;
	if (subject_counts(&r, &mail))
		scan_field(&r, "subject", activity->subject, activity->subject, strnlen(activity->subject, LONGEST_SUBJECT));
	if (mail.end > mail.start)
		scan_field(&r, "body", activity->body, mail.aligned, mail.end);
	if (r.automatic && activity->subject && !find_signal(&r, KAM_SIGNAL_AUTO_REPLY))
	{
		const char *text = activity->subject;

		r.tokens = kam_tokenize(kam_scratch(env), text, strnlen(text, LONGEST_SUBJECT));
		r.field = "subject";
		r.source = r.aligned = text;
		if (r.tokens.count > 0)
			add_signal(&r, KAM_SIGNAL_AUTO_REPLY, 0, r.tokens.count - 1, KAM_NO_TIME, NULL);
	}
	settle(&r);
	return (KamSignals) {r.signal, r.count};
}
