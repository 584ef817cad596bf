/*
 * core/when_words.h: what a token can mean in a temporal reference.
 * Internal to core/when*.c.
 */
#pragma once

#include "core/text.h"

typedef enum KamWordKind
{
	WORD_NONE,
	/* amounts */
	WORD_NUMBER,				/* value; WORD_ORDINAL_FORM for 1er, 3rd */
	WORD_NUMERAL,				/* number word: value */
	WORD_ORDINAL,				/* first, deuxieme: value */
	WORD_COLLECTIVE,			/* quinzaine 15, couple 2: value */
	WORD_COUNT,					/* 15j, 3mois: value, a = KamUnit */
	WORD_UNIT,					/* value = KamUnit */
	WORD_HALF_MORE,				/* "et demi" */
	WORD_WORKING,				/* ouvres, business */
	/* dates and times in digits */
	WORD_DATE,					/* value = day (0: a month), a = month, b = year or 0, c = minutes of the day or -1 */
	WORD_CLOCK,					/* value = hour, a = minute */
	WORD_MERIDIEM,				/* am 0, pm 12 */
	/* named periods and days */
	WORD_MONTH,					/* value = 1-12 */
	WORD_WEEKDAY,				/* value = 0-6, Monday first */
	WORD_SHORT_DAY,				/* mon, wed: needs a date or a time next to it */
	WORD_QUARTER,				/* T2, Q2 */
	WORD_HALF,					/* H1, S2 */
	WORD_WEEK_NUMBER,			/* S14 */
	WORD_SEASON,				/* value = first month */
	WORD_HOLIDAY,				/* value = KamHoliday */
	WORD_VACATION,
	WORD_RENTREE,
	WORD_WEEKEND,
	WORD_WEEK_OF,				/* w/c */
	WORD_PERIOD_END,			/* eom, eoy: value = KamUnit */
	WORD_NEW,					/* new (year), nouvel (an) */
	WORD_DAY,					/* demain: value = days from today */
	WORD_HUI,
	WORD_DAYPART,				/* value = hour */
	WORD_NOON,					/* an hour of its own: value */
	/* what modifies them */
	WORD_PART,					/* debut, mi, fin: value = KamPart */
	WORD_NEXT,
	WORD_LAST,
	WORD_THIS,
	WORD_EVERY,
	WORD_AFTER,
	WORD_BEFORE,
	WORD_BETWEEN,
	WORD_IN,					/* dans, in, within, sous */
	WORD_ICI,
	WORD_GIVE,
	WORD_Y,						/* il y a */
	WORD_AGO,
	WORD_FROM,
	WORD_NOW,
	WORD_SINCE,
	WORD_CUE,					/* suite a, following: speaks of what was; value 1: surely */
	WORD_ABOUT,
	/* words between */
	WORD_A,						/* French "a", English article */
	WORD_ARTICLE,
	WORD_DETERMINER,
	WORD_OF,
	WORD_TO,
	WORD_AT,
	WORD_ON,
	WORD_AND,
	WORD_PREPOSITION,
	WORD_PRONOUN,
	WORD_FOLLOW,				/* may follow a bare day of the month */
	WORD_BLOCK,					/* a noun that makes a number a count: rue, personnes */
	WORD_WISH,					/* happy, joyeux */
	WORD_J						/* j: pronoun, or day after a number */
} KamWordKind;

typedef enum KamUnit
{
	UNIT_MINUTE,
	UNIT_HOUR,
	UNIT_DAY,
	UNIT_WEEK,
	UNIT_FORTNIGHT,
	UNIT_MONTH,
	UNIT_QUARTER,
	UNIT_HALF,
	UNIT_YEAR
} KamUnit;

typedef enum KamPart
{
	PART_START,
	PART_MIDDLE,
	PART_END,
	PART_WHOLE
} KamPart;

typedef enum KamHoliday
{
	HOLIDAY_NEW_YEAR,
	HOLIDAY_EASTER,
	HOLIDAY_ASCENSION,
	HOLIDAY_PENTECOST,
	HOLIDAY_ALL_SAINTS,
	HOLIDAY_THANKSGIVING,
	HOLIDAY_CHRISTMAS
} KamHoliday;

#define WORD_FRENCH			1
#define WORD_ENGLISH		2
#define WORD_WEAK			4	/* a common word too: counts only next to what makes it a date */
#define WORD_NAME			8	/* a first name too */
#define WORD_BEFORE_MONTH	16	/* makes a weak month or season next to it a date */
#define WORD_ORDINAL_FORM	32
#define WORD_BEFORE_NAME	64	/* hi, with: a name follows */
#define WORD_PLURAL			128

typedef struct KamWhenWord
{
	uint8_t		kind;
	uint8_t		flags;
	int16_t		value;
	int16_t		a,
				b,
				c;
} KamWhenWord;

/*
 * What every token can mean, in the arena; NULL when nothing in the text can
 * be a temporal reference.
 */
extern KamWhenWord *kam_when_words(KamArena *arena, const KamTokens *tokens);
