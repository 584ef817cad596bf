/*
 * core/when_read.h: the state of reading temporal references, and the readers
 * that need each other.  Internal to core/when*.c.
 *
 * Every reader looks at one sentence only, from token i on.  One that returns
 * an index returns the one behind what it read, or i when the words are not
 * there; one that returns bool sets Match.last.  None changes the text or
 * reads behind its end.
 */
#pragma once

#include <string.h>

#include "core/when_days.h"
#include "core/when_words.h"

#define NO_MINUTE (-1)

#define KIND_BIT(kind) (UINT64_C(1) << (kind))
#define BIT2(a, b) (KIND_BIT(WORD_##a) | KIND_BIT(WORD_##b))
#define BIT3(a, b, c) (BIT2(a, b) | KIND_BIT(WORD_##c))

typedef struct Scan
{
	const KamTokens *tokens;
	const KamWhenWord *words;
	KamWhenNow	now;
	int			sentence;		/* the one being read */
	bool		lenient;		/* the text is one expression: weak words count */
	bool		since;			/* "depuis", "since" stands before what is read */
	bool		cue;			/* "suite a", "following" does */
	bool		hint;			/* "lors de", "discussed" does */
	int			depth;			/* of references within references */
	/* month of the last "April 10", for "and 15"; its last token */
	KamWhenDate carried;
	int			carried_at;
	/* the last date of the sentence, for "jusqu'au 24 aout, de retour le 25" */
	KamWhenDate said_before;
	int			said_sentence;
	bool		said_until;		/* it was the end of a stretch */
} Scan;

/* One reference as the words give it. */
typedef struct Match
{
	int			last;
	int64_t		day;
	int64_t		beyond;			/* the day that "after" makes of it; 0: the next one */
	int			minute;			/* of the day */
	KamTime		instant;		/* when hours were counted */
	KamWhenGrain grain;
	bool		past;
	bool		after;
	bool		open;			/* a date without a year */
	bool		week;			/* a whole week: its Monday */
	int			weekday;		/* a weekday alone: 1 = Monday */
	KamWhenDate date;
} Match;

/* A length of time. */
typedef struct Span
{
	int			months,
				days,
				working_days;
	KamTime		hours;			/* microseconds */
} Span;


/* ---- looking at tokens ----------------------------------------------- */

static inline int
kind(const Scan *s, int i)
{
	if (i < 0 || i >= s->tokens->count || s->tokens->token[i].sentence != s->sentence)
		return WORD_NONE;
	return s->words[i].kind;
}

static inline bool
is_kind(const Scan *s, int i, uint64_t set)
{
	int			k = kind(s, i);

	return k != WORD_NONE && (set & KIND_BIT(k)) != 0;
}

static inline int
value(const Scan *s, int i)
{
	return s->words[i].value;
}

static inline bool
flagged(const Scan *s, int i, unsigned flag)
{
	return kind(s, i) != WORD_NONE && (s->words[i].flags & flag) != 0;
}

static inline bool
in_sentence(const Scan *s, int i)
{
	return i >= 0 && i < s->tokens->count && s->tokens->token[i].sentence == s->sentence;
}

static inline bool
has_clause(const Scan *s, int i)
{
	return in_sentence(s, i) && (s->tokens->token[i].flags & KAM_TOKEN_CLAUSE) != 0;
}

static inline bool
is_word(const Scan *s, int i, const char *word)
{
	return in_sentence(s, i) && strcmp(s->tokens->token[i].word, word) == 0;
}

/* Does only a hyphen or slash stand between this token and the one before? */
static inline bool
is_joined(const Scan *s, int i)
{
	const KamToken *token = &s->tokens->token[i];

	if (i == 0 || !in_sentence(s, i) || !in_sentence(s, i - 1))
		return false;
	return token->start - token[-1].end == 1 && s->tokens->source[token[-1].end] != ' ';
}

/* Passes over at most "limit" tokens of the given kinds. */
static inline int
skip(const Scan *s, int i, uint64_t set, int limit)
{
	while (limit-- > 0 && is_kind(s, i, set))
		i++;
	return i;
}

static inline bool
is_unit(const Scan *s, int i, KamUnit unit)
{
	return kind(s, i) == WORD_UNIT && value(s, i) == (int) unit;
}

static inline bool
is_day_number(const Scan *s, int i)
{
	return kind(s, i) == WORD_NUMBER && value(s, i) >= 1 && value(s, i) <= 31;
}

/* ---- when_amounts.c ------------------------------------------------------ */

/* 2 semaines, two to three weeks (the first), a couple of weeks, une quinzaine, 15j, 48h. */
extern int kam_when_read_span(const Scan *s, int start, Span *span);
/* The day, or for hours the instant, a length away from another day. */
extern bool kam_when_add_span(const Scan *s, int64_t from, const Span *span, int sign, Match *m);
/* 14h30, 14 h 30, 14 heures, 3 pm, 3:30 p.m.; minutes of the day. */
extern int kam_when_read_clock(const Scan *s, int i, int *minute);
/* matin, apres-midi, midi, fin de journee, EOD; "exact" when an hour is said. */
extern int kam_when_read_daypart(const Scan *s, int i, int *minute, bool *exact);
/* Passes over the end of a range of hours: "- 10:30", "a 16h", "and 4pm". */
extern int kam_when_skip_range_end(const Scan *s, int i);
/* An hour behind a day: "a 14h", "in the afternoon", "at 10". */
extern void kam_when_read_hour_after(const Scan *s, Match *m);

/* ---- when_dates.c -------------------------------------------------------- */

/* A year behind a month or a quarter: 2027, de l'annee prochaine, of next year. */
extern int kam_when_read_year(const Scan *s, int i, int *year);
/* Is the month word here a month, by what stands around it? */
extern bool kam_when_is_month(const Scan *s, int i);
/* "may" and the like behind a day number or in front of one. */
extern bool kam_when_is_month_word(const Scan *s, int i);
/* Turns a date into the day of the match; false when there is no such date. */
extern bool kam_when_resolve_date(const Scan *s, const KamWhenDate *date, bool past, Match *m);
/* The words of a date, without resolving it: "15 mars 2026", "premier avril", "March 15th", "15/03". */
extern int kam_when_read_date_words(const Scan *s, int i, KamWhenDate *date);
/* "le 15", "the 15th (of next month)", "du 12": a day of the month alone; i is the number. */
extern bool kam_when_read_day_of_month(Scan *s, int i, bool strict, int weekday, Match *m);
/* "le 15 mars dernier", "le 15 mars prochain". */
extern bool kam_when_finish_date(Scan *s, int next, const KamWhenDate *date, Match *m);
/* Any date with a month, and the lists that share one. */
extern bool kam_when_read_date(Scan *s, int i, Match *m);
/* "le dernier vendredi du mois", "first Monday of April"; i is the ordinal. */
extern bool kam_when_read_nth_weekday(Scan *s, int i, Match *m);
/* lundi, mardi 17, Tuesday March 17, mardi en huit, Monday week; i is the day's name. */
extern bool kam_when_read_weekday(Scan *s, int i, int modifier, Match *m);
/* mon, wed, sat: only next to a date, a time or a word that asks for a day. */
extern bool kam_when_read_short_day(Scan *s, int i, Match *m);
/* demain, tomorrow, aujourd'hui, tonight. */
extern bool kam_when_read_near_day(Scan *s, int i, Match *m);

/* ---- when_periods.c ------------------------------------------------------ */

/* A week, month, quarter, half, season or year; index behind it, or i. */
extern int kam_when_read_period(const Scan *s, int i, KamPeriod *period);
/* A period by itself means its first day. */
extern bool kam_when_read_whole_period(Scan *s, int i, Match *m);
/* debut avril, fin du mois, mid-June, end of Q2, early next week. */
extern bool kam_when_read_part(Scan *s, int i, Match *m);
/* EOM, EOY. */
extern bool kam_when_read_period_end(Scan *s, int i, Match *m);
/* Noel, Easter 2027. */
extern bool kam_when_read_holiday(Scan *s, int i, Match *m);
/* A la rentree: 1 September. */
extern bool kam_when_read_rentree(Scan *s, int i, Match *m);
/* semaine du 16 mars, week of March 16, w/c 16 March; i is the word for week. */
extern bool kam_when_read_week_of(Scan *s, int i, Match *m);

/* ---- when_phrases.c ------------------------------------------------------ */

/* One reference that begins at token i. */
extern bool kam_when_read_reference(Scan *s, int i, Match *m);
