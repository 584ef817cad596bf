/*
 * core/when.c: finds temporal references in a text and turns them into
 * instants (spec, "Temporal Reference Conversion"; contract section 5).
 *
 * Walks over the sentences; what a reference is, when_phrases.c and the
 * readers below it say, and the calendar is when_days.c's.  Nothing here knows
 * what a date is for.
 */
#include "core/when.h"

#include <string.h>

#include "core/when_read.h"

#define DEFAULT_MINUTE (9 * 60)
/* How far back a sentence is searched for "suite a", "following". */
#define CUE_WORDS 7
#define MAX_LOOSE 16

typedef struct Found
{
	Match		match;
	int			first;
	int			sentence;
} Found;

/* An hour whose day stands elsewhere in the sentence. */
typedef struct Loose
{
	int			token,
				minute;
} Loose;

typedef struct List
{
	KamArena   *arena;
	Found	   *found;
	int			count,
				room;
	Loose		loose[MAX_LOOSE];
	int			loose_count;
} List;

/* What stands before a reference and turns it to the past. */
static void
look_back(Scan *s, int i)
{
	int			j = i - 1;

	s->since = s->cue = s->hint = false;
	for (int k = 0; k < 3 && is_kind(s, j, BIT3(ARTICLE, OF, PART)); k++)
		j--;
	s->since = kind(s, j) == WORD_SINCE;
	for (j = i - 1; j >= i - CUE_WORDS && in_sentence(s, j) && !has_clause(s, j + 1); j--)
	{
		if (kind(s, j) != WORD_CUE)
			continue;
		if (value(s, j) == 0)
			s->hint = true;
		/* "la suite", "the following Monday" are none */
		else if (is_word(s, j, "following") ? j < i - 1 : is_kind(s, j + 1, BIT2(A, TO)))
			s->cue = true;
	}
}

/* "20 decembre au 4 janvier", said in between: the first of both is past. */
static void
mend_range(const Scan *s, Found *before, const Found *after)
{
	int			gap = after->first - before->match.last - 1;

	if (!before->match.open || !after->match.open || before->match.day <= after->match.day || gap > 2 ||
		before->match.past || after->match.past || before->match.date.month == 0)
		return;
	if (gap == 0 ? !is_kind(s, after->first, KIND_BIT(WORD_TO)) && !is_joined(s, after->first)
		: !is_kind(s, before->match.last + 1, BIT3(TO, PREPOSITION, ARTICLE)))
		return;
	if (kam_when_day(&s->now, &before->match.date, true, &before->match.day))
		before->match.past = true;
}

/* Does the new reference only say the last one again?  "demain mardi 17", "a la rentree de septembre". */
static bool
merge(const Scan *s, Found *before, const Found *after)
{
	int			gap = after->first - before->match.last - 1;

	const Match *a = &before->match,
			   *b = &after->match;

	if (a->after != b->after || gap > 2 || before->sentence != after->sentence || a->instant != KAM_NO_TIME)
		return false;
	for (int i = a->last + 1; i < after->first; i++)
		if (!is_kind(s, i, BIT3(ARTICLE, OF, ON)))
			return false;
	/* "Tuesday next week", "la semaine prochaine, mardi" */
	if ((a->week && b->weekday > 0) || (a->weekday > 0 && b->week))
	{
		before->match.day = a->week ? a->day + b->weekday - 1 : b->day + a->weekday - 1;
		before->match.past = before->match.day < s->now.today;
	}
	else if (a->day != b->day)
		return false;
	before->match.last = after->match.last;
	if (after->match.grain < before->match.grain)
		before->match.grain = after->match.grain;
	if (after->match.minute != NO_MINUTE)
		before->match.minute = after->match.minute;
	return true;
}

static void
add_match(const Scan *s, List *list, int first, const Match *m)
{
	Found		found = {*m, first, s->sentence};

	if (list->count > 0)
	{
		Found	   *before = &list->found[list->count - 1];

		if (before->sentence == found.sentence)
			mend_range(s, before, &found);
		if (merge(s, before, &found))
			return;
	}
	if (list->count == list->room)
	{
		int			room = list->room == 0 ? 8 : list->room * 2;
		Found	   *bigger = KAM_NEW_ARRAY(list->arena, Found, room);

		if (list->count > 0)
			memcpy(bigger, list->found, sizeof(Found) * (size_t) list->count);
		list->found = bigger;
		list->room = room;
	}
	list->found[list->count++] = found;
}

/* Keep an hour that no day stands next to: "jeudi je suis libre, disons vers 14h". */
static int
keep_loose(const Scan *s, List *list, int i)
{
	const uint64_t introduced = BIT3(A, AT, ABOUT) | BIT3(TO, BETWEEN, FROM) | BIT2(OF, PREPOSITION);
	int			minute,
				next = kam_when_read_clock(s, i, &minute);

	if (next == i)
		return i;
	if (list->loose_count < MAX_LOOSE && minute >= 7 * 60 && minute <= 20 * 60 &&
		(is_kind(s, i - 1, introduced) || has_clause(s, i)))
		list->loose[list->loose_count++] = (Loose) {i, minute};
	return kam_when_skip_range_end(s, next);
}

/* Gives the hours of the sentence just read to its days: the nearest one before, else the first behind. */
static void
attach_loose(const Scan *s, List *list)
{
	for (int k = 0; k < list->loose_count; k++)
	{
		Match	   *best = NULL;

		for (int i = list->count - 1; i >= 0 && list->found[i].sentence == s->sentence; i--)
		{
			Found	   *found = &list->found[i];

			if (found->match.grain != KAM_GRAIN_DAY || found->match.minute != NO_MINUTE || found->match.after)
				continue;
			if (best != NULL && found->first > list->loose[k].token)
			{
				best = &found->match;
				continue;
			}
			best = &found->match;
			if (found->first < list->loose[k].token)
				break;
		}
		if (best != NULL)
		{
			best->minute = list->loose[k].minute;
			best->grain = KAM_GRAIN_TIME;
		}
	}
	list->loose_count = 0;
}

/* Reads every token in turn. */
static void
read_text(Scan *s, List *list)
{
	for (int i = 0; i < s->tokens->count;)
	{
		Match		m;
		int			first = i,
					next;

		if (s->tokens->token[i].sentence != s->sentence)
		{
			attach_loose(s, list);
			s->sentence = s->tokens->token[i].sentence;
		}
		if (s->words[i].kind == WORD_NONE)
		{
			i++;
			continue;
		}
		look_back(s, i);
		if (!kam_when_read_reference(s, i, &m))
		{
			next = keep_loose(s, list, i);
			i = next > i ? next : i + 1;
			continue;
		}
		if (m.grain == KAM_GRAIN_DAY && m.instant == KAM_NO_TIME && !m.after)
			kam_when_read_hour_after(s, &m);
		if (m.date.month > 0 && !m.past)
		{
			s->said_before = m.date;
			s->said_sentence = s->sentence;
			s->said_until = is_kind(s, i, KIND_BIT(WORD_TO)) || is_kind(s, i - 1, BIT2(TO, PREPOSITION));
		}
		/* what the words before the first one add */
		if (kind(s, i) == WORD_Y && is_word(s, i - 1, "il"))
			first--;
		else if (kind(s, i) == WORD_ICI)
			first--;
		else if (kind(s, i) == WORD_AFTER && m.day == s->now.today + 2 && is_word(s, i - 1, "day"))
			first--;
		else if (is_word(s, i, "hier") && is_word(s, i - 1, "avant"))
			first--;
		else if (is_word(s, i, "yesterday") && m.day == s->now.today - 2)
			first -= 2;
		add_match(s, list, first, &m);
		i = m.last + 1;
	}
	attach_loose(s, list);
}

/* The instant of a match. */
static KamTime
instant_of(const Scan *s, const Match *m)
{
	KamCivil	civil = {0};
	int			minute = m->minute == NO_MINUTE ? DEFAULT_MINUTE : m->minute;

	if (m->instant != KAM_NO_TIME)
		return m->instant;
	kam_date_from_days(m->day, &civil.year, &civil.month, &civil.day);
	civil.hour = minute / 60;
	civil.minute = minute % 60;
	return kam_civil_time(s->now.zone, &civil);
}

static int
find_all(KamArena *arena, const KamTokens *tokens, KamTime said, const KamZone *zone, bool lenient, KamWhen **out)
{
	Scan		s = {.tokens = tokens, .sentence = -1, .said_sentence = -1, .lenient = lenient};
	List		list = {.arena = arena};

	*out = NULL;
	s.words = kam_when_words(arena, tokens);
	if (s.words == NULL)
		return 0;
	s.now = kam_when_now(zone, said);
	/* arithmetic on days stays far from the ends of KamTime */
	if (s.now.year < 1 || s.now.year > 9999)
		return 0;
	read_text(&s, &list);
	if (list.count == 0)
		return 0;
	*out = KAM_NEW_ARRAY(arena, KamWhen, list.count);
	for (int i = 0; i < list.count; i++)
	{
		const Found *found = &list.found[i];

		(*out)[i] = (KamWhen) {instant_of(&s, &found->match), found->match.grain, found->first, found->match.last,
			found->match.past, found->match.after};
	}
	return list.count;
}

int
kam_when_find(KamArena *arena, const KamTokens *tokens, KamTime said, const KamZone *zone, KamWhen **out)
{
	return find_all(arena, tokens, said, zone, false, out);
}

bool
kam_when_parse(KamArena *arena, const char *expression, KamTime as_of, const KamZone *zone, KamTime *out)
{
	KamTokens	tokens;
	KamWhen    *found;

	if (kam_time_parse(expression, zone, out))
	{
		if (strlen(expression) <= 10)
			*out = kam_local_clock(zone, *out, 0, 9, 0);
		return true;
	}
	tokens = kam_tokenize(arena, expression, strlen(expression));
	if (find_all(arena, &tokens, as_of, zone, false, &found) == 0 &&
		(tokens.count > 3 || find_all(arena, &tokens, as_of, zone, true, &found) == 0))
		return false;
	*out = found[0].at;
	return true;
}
