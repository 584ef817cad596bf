/*
 * core/check_temporal.c: does a message place the past where it was?  (spec,
 * "Temporal Accuracy (V14)": a time reference is held against the activities'
 * actual recency.)
 *
 * References that when.h finds are spans of days here, widened by what people
 * mean by them; vague ones ("récemment", "a few weeks ago") stand in a table.
 * A span in which something happened is true.
 */
#include "core/check_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/evidence.h"
#include "core/quantity.h"
#include "core/text.h"
#include "core/when.h"

#define EVER INT32_MAX
#define MOST_FAULTS 20			/* of one message */
#define MOST_VAGUE 20			/* references of one wording */

/* ---- spans of days ---------------------------------------------------------- */

/* Local days, both included. */
typedef struct Span
{
	int64_t		from,
				to;
} Span;

typedef struct Reader
{
	const KamEnv *env;
	const KamContact *contact;
	const KamFacts *facts;
	KamTokens	tokens;
	int64_t		today;
	json_t	   *faults;
	bool	   *taken;			/* tokens already told of */
} Reader;

/* What a word of a reference says about its grain, and how far it may be off, in days. */
static const struct
{
	const char *stem;
	KamWhenGrain grain;
	int			slack;
}			grains[] = {
	{"semaine", KAM_GRAIN_WEEK, 3},
	{"week", KAM_GRAIN_WEEK, 3},
	{"fortnight", KAM_GRAIN_WEEK, 3},
	{"quinzaine", KAM_GRAIN_WEEK, 3},
	{"mois", KAM_GRAIN_MONTH, 15},
	{"month", KAM_GRAIN_MONTH, 15},
	{"trimestre", KAM_GRAIN_QUARTER, 15},
	{"quarter", KAM_GRAIN_QUARTER, 15},
};

/* Slack of a reference without such a word, by the grain that when.h gives. */
static const int slack_of_grain[] = {
	[KAM_GRAIN_TIME] = 1,
	[KAM_GRAIN_DAY] = 1,
	[KAM_GRAIN_WEEK] = 3,
	[KAM_GRAIN_PART] = 10,
	[KAM_GRAIN_MONTH] = 15,
	[KAM_GRAIN_QUARTER] = 45,
};

/* Vague references: days ago, both included, that make them true. */
static const struct
{
	const char *pattern;
	int			from,
				to;
}			vague[] = {
	{"recemment|dernierement", 0, 30},
	{"il y a peu", 0, 30},
	{"l autre jour", 0, 14},
	{"ces derniers jours", 0, 14},
	{"ces dernieres semaines", 0, 60},
	{"ces derniers mois", 0, 210},
	{"il y a quelques jours", 1, 14},
	{"il y a quelques|plusieurs semaines", 8, 90},
	{"il y a quelques|plusieurs mois", 45, 370},
	{"il y a quelque temps", 7, EVER},
	{"il y a longtemps", 60, EVER},
	{"recently|lately", 0, 30},
	{"the other day", 0, 14},
	{"the last few days", 0, 14},
	{"a few days ago|back", 1, 14},
	{"a|several ..1 weeks ago|back", 8, 90},
	{"a|several ..1 months ago|back", 45, 370},
	{"a while ago|back", 14, EVER},
	{"some time ago", 7, EVER},
	{"earlier today", 0, 1},
	{"this morning", 0, 1},
	{"ce matin", 0, 1},
	{"earlier this week", 0, 7},
	{"plus tot cette semaine", 0, 7},
};

/* Words by which a sentence speaks of dealings between us; vague references elsewhere are small talk. */
static const char *const dealings =
	"echang*|discut*|parl*|appel*|rencontr*|ecri*|contact*|repond*|repons*|envoy*|messag*|mail*|email*|courriel*|reunion*|rendez|rdv|"
	"visio*|entretien*|conversation*|discussion*|demo*|spoke*|talk*|discuss*|met|meeting*|exchang*|wrote|written|sent|send|call*|"
	"reach*|chat*|convers*|touch|heard|proposition*|devis|proposal*|quote*|telephon*";

static const char *const negations = "pas|plus|jamais|not|never|sans|without|aucun*|no";

static int
count_span_words(const Reader *r, const char *pattern, int first, int last)
{
	int			n = 0,
				end;

	for (int i = first; i <= last && i >= 0; i++)
		n += kam_phrase_find(&(KamTokens) {r->tokens.source, r->tokens.token + i, 1}, pattern, 0, &end) == 0;
	return n;
}

/* Is a word of the list among the "reach" tokens before "first" in its sentence? */
static bool
stands_before(const Reader *r, const char *pattern, int first, int reach)
{
	int			from = first - reach;

	while (from < first && (from < 0 || r->tokens.token[from].sentence != r->tokens.token[first].sentence))
		from++;
	return count_span_words(r, pattern, from, first - 1) > 0;
}

static bool
sentence_has(const Reader *r, const char *pattern, int token)
{
	int			first = token,
				last = token;
	uint16_t	sentence = r->tokens.token[token].sentence;

	while (first > 0 && r->tokens.token[first - 1].sentence == sentence)
		first--;
	while (last + 1 < r->tokens.count && r->tokens.token[last + 1].sentence == sentence)
		last++;
	return count_span_words(r, pattern, first, last) > 0;
}

/* ---- what happened ------------------------------------------------------------ */

/* The nearest day on which something happened; INT64_MIN when nothing ever did. */
static int64_t
nearest_day(const Reader *r, Span span)
{
	const KamFacts *f = r->facts;
	const KamTime known[] = {f->meeting_last_held, f->demo_at, f->no_show ? f->no_show_at : KAM_NO_TIME};
	int64_t		best = INT64_MIN,
				best_distance = INT64_MAX;

	for (int i = 0; i < r->contact->nactivities + (int) KAM_LENGTHOF(known); i++)
	{
		int			k = i - (int) KAM_LENGTHOF(known);
		KamTime		times[2] = {i < (int) KAM_LENGTHOF(known) ? known[i] : r->contact->activities[k].at,
		k < 0 ? KAM_NO_TIME : r->contact->activities[k].start};

		for (int t = 0; t < 2; t++)
		{
			int64_t		day,
						distance;

			if (times[t] == KAM_NO_TIME || times[t] > r->env->as_of)
				continue;
			day = kam_local_day(&r->contact->zone, times[t]);
			distance = day < span.from ? span.from - day : day > span.to ? day - span.to : 0;
			if (distance < best_distance || (distance == best_distance && day > best))
			{
				best = day;
				best_distance = distance;
			}
		}
	}
	return best;
}

static const char *
day_text(const Reader *r, int64_t day)
{
	int			year,
				month,
				date;

	kam_date_from_days(day, &year, &month, &date);
	return kam_printf(r->env->arena, "%04d-%02d-%02d", year, month, date);
}

/* Tells of a reference unless something happened in its span. */
static void
judge(Reader *r, int first, int last, Span span)
{
	int64_t		nearest = nearest_day(r, span);
	const char *when;
	json_t	   *fault;

	for (int i = first; i <= last; i++)
		r->taken[i] = true;
	if (nearest >= span.from && nearest <= span.to && nearest != INT64_MIN)
		return;
	when = span.from <= r->today - EVER ? kam_printf(r->env->arena, "up to %s", day_text(r, span.to))
		: kam_printf(r->env->arena, "between %s and %s", day_text(r, span.from), day_text(r, span.to));
	fault = kam_object();
	kam_put(fault, "quote", kam_string(kam_token_text(r->env->arena, &r->tokens, first, last)));
	kam_put(fault, "why", kam_string(nearest == INT64_MIN
									 ? "nothing has happened with this contact yet"
									 : kam_printf(r->env->arena, "nothing happened %s; the nearest activity is of %s", when, day_text(r, nearest))));
	kam_push(r->faults, fault);
}

/* ---- references with a date ------------------------------------------------------ */

static int64_t
month_start(int64_t day, int months)
{
	int			year,
				month,
				date;
	int			index;

	kam_date_from_days(day, &year, &month, &date);
	index = year * 12 + month - 1 + months;
	return kam_days_from_date(index / 12, index % 12 + 1, 1);
}

/* The calendar unit in which a reference lies, and what its neighbours allow besides. */
static Span
span_of(const Reader *r, const KamWhen *when)
{
	int64_t		day = kam_local_day(&r->contact->zone, when->at);
	KamWhenGrain grain = when->grain;
	int			slack = slack_of_grain[when->grain];
	Span		span = {day, day};
	int			weekday;

	for (size_t i = 0; i < KAM_LENGTHOF(grains); i++)
		if (count_span_words(r, kam_printf(r->env->arena, "%s*", grains[i].stem), when->first, when->last) > 0)
		{
			grain = grains[i].grain;
			slack = grains[i].slack;
		}
	if (count_span_words(r, "an|ans|annee*|year*", when->first, when->last) > 0)
		slack = 190;

	weekday = (int) (((day + 3) % 7 + 7) % 7);	/* 1970-01-01 was a Thursday */
	if (grain == KAM_GRAIN_WEEK)
		span = (Span) {day - weekday, day - weekday + 6};
	else if (grain == KAM_GRAIN_MONTH)
		span = (Span) {month_start(day, 0), month_start(day, 1) - 1};
	else if (grain == KAM_GRAIN_QUARTER)
		span = (Span) {month_start(day, -2), month_start(day, 3) - 1};
	span.from -= slack;
	span.to += slack;
	if (stands_before(r, "plus|over|more|longtemps", when->first, 3) || count_span_words(r, "plus|over|more", when->first, when->last) > 0)
		span.from = r->today - EVER;
	if (stands_before(r, "moins|under|less|within", when->first, 3) || count_span_words(r, "moins|under|less", when->first, when->last) > 0)
		span.to = r->today;
	return span;
}

static bool
is_taken(const Reader *r, int first, int last)
{
	for (int i = first; i <= last; i++)
		if (r->taken[i])
			return true;
	return false;
}

static void
judge_vague(Reader *r)
{
	for (size_t i = 0; i < KAM_LENGTHOF(vague); i++)
	{
		int			n = 0,
					last;

		for (int first = kam_phrase_find(&r->tokens, vague[i].pattern, 0, &last); first >= 0 && n < MOST_VAGUE;
			 first = kam_phrase_find(&r->tokens, vague[i].pattern, last + 1, &last), n++)
			if (!r->taken[first] && sentence_has(r, dealings, first) && !stands_before(r, negations, first, 8))
				judge(r, first, last, (Span) {r->today - vague[i].to, r->today - vague[i].from});
	}
}

/* ---- dates of dealings ------------------------------------------------------------- */

/* Words that make the date behind them one of our past: "suite à notre échange du 3 mars". */
static const char *const past_leads[] = {
	"suite a", "lors de|du", "depuis", "following our|your|my|up", "since", "after our|your|my", "further to",
	("notre|votre|nos|mon|our|your|my|last ..2 echange*|appel*|reunion*|rendez|rdv|message*|mail*|email*|entretien*|conversation*|"
	 "discussion*|demo*|call*|meeting*|exchange*|proposition*|devis|proposal*"),
};

/* Words of dealings of ours that are over: what has a date in such a sentence happened then. */
static const char *const past_verbs[] = {
	"vous|t ai|avons|a ..2 envoy*|ecrit|transmis|appele*|adresse*|parle*|contacte*|relance*|rencontre*|vu|vue|presente*|montre*",
	"avons|ai ..2 echange*|discute*|parle*|rencontre*",
	"nous ..1 sommes ..2 vus|vues|rencontre*|parle*|croise*|appele*",
	"m|nous|t avez|as|a ..2 ecrit|envoye*|repondu|appele*|contacte*|demande*|transmis|confirme*",
	"i|we ..2 sent|wrote|called|spoke|met|exchanged|discussed|talked|emailed|contacted|showed|presented",
	"you ..2 sent|wrote|called|asked|answered|replied|contacted|told|mentioned",
};

/* Sentences that set a date instead of remembering one. */
static const char *const settings =
	"propos*|schedul*|book*|fix*|plan*|organis*|organiz*|caler|cale|reserv*|set|suggest*|prochain*|next|will|sera|would|serait|seriez|"
	"avant|before|until|confirm*";

/* "une invitation pour le salon d'avril" sets a date, "merci pour notre appel du 3 mars" does not. */
static bool
is_set(const Reader *r, int first)
{
	return sentence_has(r, settings, first) ||
		(stands_before(r, "pour|for", first, 4) && !stands_before(r, "merci|thank*|ask*|demand*", first, 8));
}

static bool
has_past_verb(const Reader *r, int token)
{
	const KamToken *all = r->tokens.token;
	int32_t		sentence = all[token].sentence;
	int			first = token;

	while (first > 0 && all[first - 1].sentence == sentence)
		first--;
	for (int at = first; at < r->tokens.count && all[at].sentence == sentence; at++)
		for (size_t i = 0; i < KAM_LENGTHOF(past_verbs); i++)
			if (kam_phrase_at(&r->tokens, past_verbs[i], at) >= 0)
				return true;
	return false;
}

static bool
speaks_of_past(const Reader *r, int first)
{
	int			from = first > 7 ? first - 7 : 0;

	if (is_set(r, first))
		return false;
	if (has_past_verb(r, first))
		return true;
	for (int at = from; at < first; at++)
		for (size_t i = 0; i < KAM_LENGTHOF(past_leads) && r->tokens.token[at].sentence == r->tokens.token[first].sentence; i++)
		{
			int			end = kam_phrase_at(&r->tokens, past_leads[i], at);

			if (end >= 0 && end < first)
				return true;
		}
	return false;
}

/* The latest day that a date without its year can mean. */
static int64_t
latest_day(const Reader *r, const KamQuantity *date)
{
	int			year,
				month,
				day_of_month;
	int64_t		day;

	if (date->year > 0)
		return kam_days_from_date(date->year, date->month, date->day);
	kam_date_from_days(r->today, &year, &month, &day_of_month);
	day = kam_days_from_date(year, date->month, date->day);
	return day <= r->today ? day : kam_days_from_date(year - 1, date->month, date->day);
}

/* Must a date of the past that neither the activities nor any text of the contact knows be told of? */
static void
judge_date(Reader *r, const KamQuantity *date)
{
	const char *quote = kam_strndup(r->env->arena, r->tokens.source + date->start, date->end - date->start);
	int			first = 0,
				last;
	int64_t		day = latest_day(r, date);
	json_t	   *invented;
	bool		known;

	while (first < r->tokens.count && r->tokens.token[first].end <= date->start)
		first++;
	if (first >= r->tokens.count || r->taken[first])
		return;
	for (last = first; last + 1 < r->tokens.count && r->tokens.token[last + 1].start < date->end;)
		last++;
	if (day > r->today || !(speaks_of_past(r, first) || (date->year > 0 && !date->swappable)))
		return;
	invented = kam_invented_values(r->env, r->contact, NULL, quote);
	known = json_array_size(invented) == 0;
	json_decref(invented);
	for (int i = first; known && i <= last; i++)
		r->taken[i] = true;
	if (!known)
		judge(r, first, last, (Span) {day - 1, day + 1});
}

static void
judge_dates(Reader *r, const char *message)
{
	KamQuantity *q;
	int			n = kam_quantities_find(r->env->arena, message, strnlen(message, KAM_LONGEST_READ), &q);

	for (int i = 0; i < n && json_array_size(r->faults) < MOST_FAULTS; i++)
		if (q[i].kind == KAM_QUANTITY_DATE)
			judge_date(r, &q[i]);
}

/* ---- other references ---------------------------------------------------------------- */

/* "en décembre" is the next one, but the last one where the sentence speaks of what was. */
static bool
is_past(const Reader *r, KamWhen *when)
{
	KamZone		zone = r->contact->zone;
	int			year,
				month,
				day;

	if (when->past)
		return true;
	if ((when->grain != KAM_GRAIN_MONTH && when->grain != KAM_GRAIN_PART) || when->at <= r->env->as_of || !speaks_of_past(r, when->first))
		return false;
	kam_date_from_days(kam_local_day(&zone, when->at), &year, &month, &day);
	when->at -= (kam_days_from_date(year, month, 1) - kam_days_from_date(year - 1, month, 1)) * KAM_DAY;
	return when->at <= r->env->as_of;
}

static void
judge_references(Reader *r)
{
	KamWhen    *when;
	int			n = kam_when_find(r->env->arena, &r->tokens, r->env->as_of, &r->contact->zone, &when);

	for (int i = 0; i < n && json_array_size(r->faults) < MOST_FAULTS; i++)
		if (!is_taken(r, when[i].first, when[i].last) && is_past(r, &when[i]))
			judge(r, when[i].first, when[i].last, span_of(r, &when[i]));
}

/* ---- the whole ------------------------------------------------------------------------ */

json_t *
kam_false_temporal_tokens(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const KamTokens *tokens,
						  const char *message)
{
	Reader		r = {.env = env, .contact = contact, .facts = facts, .tokens = *tokens, .faults = kam_array()};

	r.taken = KAM_NEW_ARRAY(env->arena, bool, r.tokens.count);
	r.today = kam_local_day(&contact->zone, env->as_of);
	judge_vague(&r);
	judge_dates(&r, message);
	judge_references(&r);
	return r.faults;
}

json_t *
kam_false_temporal_claims(const KamEnv *env, const KamContact *contact, const KamFacts *facts, const char *message)
{
	KamTokens	tokens;

	if (message == NULL)
		return kam_array();
	tokens = kam_tokenize(env->arena, message, strnlen(message, KAM_LONGEST_READ));
	return kam_false_temporal_tokens(env, contact, facts, &tokens, message);
}

void
kam_rule_false_temporal_claim(KamGuard *guard)
{
	json_t	   *faults;

	if (!guard->sends || guard->message == NULL)
		return;
	faults = kam_false_temporal_tokens(guard->env, guard->contact, guard->facts, kam_guard_tokens(guard), guard->message);
	for (size_t i = 0; i < json_array_size(faults); i++)
	{
		const json_t *fault = json_array_get(faults, i);

		kam_guard_report(guard, "/selected_content/message", "\"%s\" is not true: %s.",
						 kam_shorten(guard->env->arena, kam_get_string(fault, "quote"), 120), kam_get_string(fault, "why"));
	}
	json_decref(faults);
}
