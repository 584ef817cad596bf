/*
 * core/when_words.c: the vocabulary of temporal references, French and
 * English, and the reading of dates and times written in digits.
 *
 * Only single tokens are judged here; what they say together is when.c's.
 * Nothing is allocated but one array per text.
 */
#include "core/when_words.h"

#include <string.h>

typedef struct Entry
{
	const char *word;
	uint8_t		length;
	uint8_t		kind;
	uint8_t		flags;
	int16_t		value;
} Entry;

#define FR WORD_FRENCH
#define EN WORD_ENGLISH
#define WEAK WORD_WEAK
#define BM WORD_BEFORE_MONTH
#define E(word, kind, value, flags) {word, sizeof(word) - 1, WORD_##kind, flags, value}

/* One list per first letter. */
static const Entry words_a[] = {
	E("a", A, 1, FR | EN), E("about", ABOUT, 0, EN | BM), E("after", AFTER, 0, EN | BM),
	E("afternoon", DAYPART, 14, EN), E("ago", AGO, 0, EN), E("an", UNIT, UNIT_YEAR, FR),
	E("and", AND, 0, EN), E("annee", UNIT, UNIT_YEAR, FR), E("annees", UNIT, UNIT_YEAR, FR | WORD_PLURAL),
	E("ans", UNIT, UNIT_YEAR, FR | WORD_PLURAL), E("aout", MONTH, 8, FR), E("apr", MONTH, 4, EN),
	E("aprem", DAYPART, 14, FR), E("apres", AFTER, 0, FR | BM), E("approximately", ABOUT, 0, EN),
	E("april", MONTH, 4, EN | WORD_NAME), E("around", ABOUT, 0, EN | BM), E("ascension", HOLIDAY, HOLIDAY_ASCENSION, FR),
	E("at", AT, 0, EN), E("au", TO, 0, FR), E("aug", MONTH, 8, EN), E("august", MONTH, 8, EN | WORD_NAME),
	E("aujourd", DAY, 0, FR), E("automne", SEASON, 10, FR), E("autumn", SEASON, 10, EN),
	E("aux", TO, 0, FR), E("avant", BEFORE, 0, FR | BM), E("avec", FOLLOW, 0, FR | WORD_BEFORE_NAME),
	E("avr", MONTH, 4, FR), E("avril", MONTH, 4, FR), E("am", MERIDIEM, 0, EN), E("avenue", BLOCK, 0, FR | EN),
	E("allee", BLOCK, 0, FR), E("as", FOLLOW, 0, EN),
};
static const Entry words_b[] = {
	E("be", FOLLOW, 0, EN), E("because", FOLLOW, 0, EN), E("before", BEFORE, 0, EN | BM),
	E("beginning", PART, PART_START, EN), E("between", BETWEEN, 0, EN | BM), E("bon", ABOUT, 0, FR),
	E("bonjour", FOLLOW, 0, FR | WORD_BEFORE_NAME), E("bonne", ABOUT, 0, FR), E("bonnes", ABOUT, 0, FR), E("boulevard", BLOCK, 0, FR),
	E("break", VACATION, 0, EN), E("business", WORKING, 0, EN), E("but", FOLLOW, 0, EN),
	E("by", PREPOSITION, 0, EN | BM),
};
static const Entry words_c[] = {
	E("c", FOLLOW, 0, FR), E("ca", FOLLOW, 0, FR), E("car", FOLLOW, 0, FR), E("ce", THIS, 0, FR),
	E("cent", NUMERAL, 100, FR), E("cet", THIS, 0, FR), E("cette", THIS, 0, FR), E("chaque", EVERY, 0, FR),
	E("chez", FOLLOW, 0, FR), E("christmas", HOLIDAY, HOLIDAY_CHRISTMAS, EN), E("cinq", NUMERAL, 5, FR),
	E("cinquante", NUMERAL, 50, FR), E("cob", DAYPART, 17, EN | WORD_ORDINAL_FORM), E("coming", NEXT, 0, EN),
	E("commencing", OF, 0, EN), E("compris", FOLLOW, 0, FR), E("conges", VACATION, 0, FR),
	E("convient", FOLLOW, 0, FR), E("couple", COLLECTIVE, 2, EN), E("courant", PREPOSITION, 0, FR | BM),
	E("cc", FOLLOW, 0, WORD_BEFORE_NAME), E("convenu", CUE, 0, FR), E("convenue", CUE, 0, FR),
};
static const Entry words_d[] = {
	E("d", OF, 0, FR | BM), E("dans", IN, 0, FR), E("day", UNIT, UNIT_DAY, EN), E("days", UNIT, UNIT_DAY, EN | WORD_PLURAL),
	E("de", OF, 0, FR | BM), E("dear", FOLLOW, 0, EN | WORD_BEFORE_NAME), E("debut", PART, PART_START, FR | BM),
	E("dec", MONTH, 12, FR | EN), E("december", MONTH, 12, EN), E("decembre", MONTH, 12, FR),
	E("demain", DAY, 1, FR), E("demi", HALF_MORE, 0, FR), E("demie", HALF_MORE, 0, FR),
	E("depuis", SINCE, 0, FR | BM), E("dernier", LAST, 0, FR | BM), E("derniere", LAST, 0, FR | BM), E("des", OF, 0, FR | BM),
	E("deux", NUMERAL, 2, FR), E("deuxieme", ORDINAL, 2, FR), E("dimanche", WEEKDAY, 6, FR),
	E("dix", NUMERAL, 10, FR), E("dizaine", COLLECTIVE, 10, FR), E("donc", FOLLOW, 0, FR),
	E("douzaine", COLLECTIVE, 12, FR), E("douze", NUMERAL, 12, FR), E("du", OF, 0, FR | BM),
	E("during", PREPOSITION, 0, EN | BM), E("discussed", CUE, 0, EN), E("dated", CUE, 0, EN), E("discute", CUE, 0, FR),
};
static const Entry words_e[] = {
	E("each", EVERY, 0, EN), E("early", PART, PART_START, EN | BM), E("easter", HOLIDAY, HOLIDAY_EASTER, EN),
	E("eight", NUMERAL, 8, EN), E("eighteen", NUMERAL, 18, EN), E("eleven", NUMERAL, 11, EN), E("elle", PRONOUN, 0, FR),
	E("end", PART, PART_END, EN | BM), E("en", PREPOSITION, 0, FR | BM), E("entre", BETWEEN, 0, FR | BM),
	E("environ", ABOUT, 0, FR), E("eod", DAYPART, 17, EN | WORD_ORDINAL_FORM), E("eom", PERIOD_END, UNIT_MONTH, EN),
	E("eoq", PERIOD_END, UNIT_QUARTER, EN), E("eow", PERIOD_END, UNIT_WEEK, EN), E("eoy", PERIOD_END, UNIT_YEAR, EN),
	E("est", FOLLOW, 0, FR), E("et", AND, 0, FR), E("etage", BLOCK, 0, FR), E("ete", SEASON, 7, FR),
	E("evening", DAYPART, 18, EN), E("every", EVERY, 0, EN),
	E("echange", CUE, 0, FR), E("echanges", CUE, 0, FR), E("evoque", CUE, 0, FR),
};
static const Entry words_f[] = {
	E("fall", SEASON, 10, EN), E("feb", MONTH, 2, EN), E("february", MONTH, 2, EN),
	E("fetes", VACATION, 1, FR), E("fev", MONTH, 2, FR), E("fevr", MONTH, 2, FR), E("fevrier", MONTH, 2, FR),
	E("fifteen", NUMERAL, 15, EN), E("fifty", NUMERAL, 50, EN), E("fin", PART, PART_END, FR | BM),
	E("first", ORDINAL, 1, EN), E("five", NUMERAL, 5, EN), E("floor", BLOCK, 0, EN), E("following", CUE, 1, EN),
	E("for", PREPOSITION, 0, EN | BM), E("fortnight", UNIT, UNIT_FORTNIGHT, EN), E("forty", NUMERAL, 40, EN),
	E("four", NUMERAL, 4, EN), E("fourteen", NUMERAL, 14, EN), E("fourth", ORDINAL, 4, EN),
	E("fri", SHORT_DAY, 4, EN), E("friday", WEEKDAY, 4, EN), E("from", FROM, 0, EN | BM), E("full", ABOUT, 0, EN),
	E("fois", BLOCK, 0, FR),
};
static const Entry words_g[] = {
	E("give", GIVE, 0, EN), E("good", ABOUT, 0, EN),
};
static const Entry words_h[] = {
	E("h", UNIT, UNIT_HOUR, FR | EN), E("half", UNIT, UNIT_HALF, EN), E("happy", WISH, 0, EN),
	E("have", FOLLOW, 0, EN), E("he", PRONOUN, 0, EN), E("hello", FOLLOW, 0, EN | WORD_BEFORE_NAME),
	E("heure", UNIT, UNIT_HOUR, FR), E("heures", UNIT, UNIT_HOUR, FR | WORD_PLURAL),
	E("hey", FOLLOW, 0, EN | WORD_BEFORE_NAME), E("hi", FOLLOW, 0, EN | WORD_BEFORE_NAME), E("hier", DAY, -1, FR),
	E("hiver", SEASON, 1, FR), E("holiday", VACATION, 1, EN), E("holidays", VACATION, 1, EN),
	E("hour", UNIT, UNIT_HOUR, EN), E("hours", UNIT, UNIT_HOUR, EN | WORD_PLURAL), E("hr", UNIT, UNIT_HOUR, EN),
	E("hrs", UNIT, UNIT_HOUR, EN | WORD_PLURAL), E("hui", HUI, 0, FR), E("huit", NUMERAL, 8, FR),
	E("huitaine", COLLECTIVE, 8, FR),
};
static const Entry words_i[] = {
	E("i", PRONOUN, 0, EN), E("ici", ICI, 0, FR | BM), E("if", FOLLOW, 0, EN), E("il", PRONOUN, 0, FR),
	E("ils", PRONOUN, 0, FR), E("in", IN, 0, EN | BM), E("included", FOLLOW, 0, EN), E("inclus", FOLLOW, 0, FR),
	E("instead", FOLLOW, 0, EN), E("is", FOLLOW, 0, EN), E("it", FOLLOW, 0, EN), E("impasse", BLOCK, 0, FR),
};
static const Entry words_j[] = {
	E("j", J, 0, FR), E("jan", MONTH, 1, EN | WEAK), E("january", MONTH, 1, EN), E("janv", MONTH, 1, FR),
	E("janvier", MONTH, 1, FR), E("je", PRONOUN, 0, FR), E("jeudi", WEEKDAY, 3, FR), E("jour", UNIT, UNIT_DAY, FR),
	E("journee", UNIT, UNIT_DAY, FR), E("jours", UNIT, UNIT_DAY, FR | WORD_PLURAL), E("joyeuses", WISH, 0, FR),
	E("joyeux", WISH, 0, FR), E("juil", MONTH, 7, FR), E("juillet", MONTH, 7, FR), E("juin", MONTH, 6, FR),
	E("jul", MONTH, 7, EN), E("july", MONTH, 7, EN), E("jun", MONTH, 6, EN), E("june", MONTH, 6, EN | WORD_NAME),
	E("jusqu", PREPOSITION, 0, FR | BM), E("jusque", PREPOSITION, 0, FR | BM),
};
static const Entry words_l[] = {
	E("l", ARTICLE, 0, FR), E("la", ARTICLE, 0, FR), E("laisse", GIVE, 0, FR), E("laissez", GIVE, 0, FR),
	E("last", LAST, 0, EN | BM), E("late", PART, PART_END, EN | BM), E("le", ARTICLE, 1, FR), E("les", ARTICLE, 0, FR | WORD_PLURAL),
	E("lundi", WEEKDAY, 0, FR), E("licences", BLOCK, 0, FR),
	E("lors", CUE, 0, FR),
};
static const Entry words_m[] = {
	E("m", FOLLOW, 0, FR), E("ma", DETERMINER, 0, FR), E("mai", MONTH, 5, FR), E("mais", FOLLOW, 0, FR),
	E("mar", MONTH, 3, EN | WEAK), E("march", MONTH, 3, EN | WEAK), E("marche", FOLLOW, 0, FR), E("mardi", WEEKDAY, 1, FR),
	E("mars", MONTH, 3, FR | WEAK), E("matin", DAYPART, 9, FR), E("matinee", DAYPART, 9, FR),
	E("may", MONTH, 5, EN | WEAK), E("me", PRONOUN, 1, FR | EN), E("merci", FOLLOW, 0, FR | WORD_BEFORE_NAME),
	E("mercredi", WEEKDAY, 2, FR), E("merry", WISH, 0, EN), E("mes", DETERMINER, 0, FR), E("mi", PART, PART_MIDDLE, FR | BM),
	E("mid", PART, PART_MIDDLE, EN | BM), E("middle", PART, PART_MIDDLE, EN | BM), E("midday", NOON, 12, EN),
	E("midi", NOON, 12, FR), E("midnight", NOON, 24, EN), E("milieu", PART, PART_MIDDLE, FR | BM),
	E("min", UNIT, UNIT_MINUTE, FR | EN), E("mins", UNIT, UNIT_MINUTE, EN), E("minuit", NOON, 24, FR),
	E("minute", UNIT, UNIT_MINUTE, FR | EN), E("minutes", UNIT, UNIT_MINUTE, FR | EN | WORD_PLURAL),
	E("moi", PRONOUN, 1, FR), E("mois", UNIT, UNIT_MONTH, FR), E("mon", SHORT_DAY, 0, EN),
	E("monday", WEEKDAY, 0, EN), E("month", UNIT, UNIT_MONTH, EN), E("months", UNIT, UNIT_MONTH, EN | WORD_PLURAL),
	E("more", ABOUT, 0, EN), E("morning", DAYPART, 9, EN), E("my", DETERMINER, 0, EN), E("mille", BLOCK, 0, FR),
	E("millions", BLOCK, 0, FR | EN), E("met", CUE, 0, EN),
};
static const Entry words_n[] = {
	E("neuf", NUMERAL, 9, FR), E("new", NEW, 0, EN), E("next", NEXT, 0, EN | BM), E("night", DAYPART, 18, EN),
	E("nine", NUMERAL, 9, EN), E("nineteen", NUMERAL, 19, EN), E("noel", HOLIDAY, HOLIDAY_CHRISTMAS, FR),
	E("noon", NOON, 12, EN), E("nos", DETERMINER, 0, FR), E("not", FOLLOW, 0, EN), E("notre", DETERMINER, 0, FR),
	E("nous", PRONOUN, 1, FR), E("nouvel", NEW, 0, FR), E("nov", MONTH, 11, FR | EN), E("november", MONTH, 11, EN),
	E("novembre", MONTH, 11, FR), E("now", NOW, 0, EN), E("need", FOLLOW, 0, EN),
};
static const Entry words_o[] = {
	E("oct", MONTH, 10, FR | EN), E("october", MONTH, 10, EN), E("octobre", MONTH, 10, FR), E("of", OF, 0, EN | BM),
	E("on", ON, 0, EN), E("one", NUMERAL, 1, EN), E("onze", NUMERAL, 11, FR), E("or", AND, 0, EN | BM),
	E("ou", AND, 0, FR | BM), E("our", DETERMINER, 0, EN), E("ouvrables", WORKING, 0, FR), E("ouvres", WORKING, 0, FR),
	E("option", BLOCK, 0, FR | EN),
};
static const Entry words_p[] = {
	E("paques", HOLIDAY, HOLIDAY_EASTER, FR), E("passe", LAST, 0, FR), E("passee", LAST, 0, FR),
	E("past", LAST, 0, EN), E("pendant", PREPOSITION, 0, FR | BM), E("pentecote", HOLIDAY, HOLIDAY_PENTECOST, FR),
	E("personnes", BLOCK, 0, FR), E("pieces", BLOCK, 0, FR), E("please", FOLLOW, 0, EN), E("plutot", FOLLOW, 0, FR),
	E("pm", MERIDIEM, 12, EN), E("pour", PREPOSITION, 0, FR | BM), E("premier", ORDINAL, 1, FR),
	E("premiere", ORDINAL, 1, FR), E("previous", LAST, 0, EN), E("printemps", SEASON, 4, FR),
	E("prochain", NEXT, 0, FR), E("prochaine", NEXT, 0, FR), E("prochaines", NEXT, 0, FR | WORD_PLURAL),
	E("prochains", NEXT, 0, FR | WORD_PLURAL), E("place", BLOCK, 0, FR | EN), E("places", BLOCK, 0, FR | EN),
	E("people", BLOCK, 0, EN), E("points", BLOCK, 0, FR | EN),
};
static const Entry words_q[] = {
	E("quand", FOLLOW, 0, FR), E("quarante", NUMERAL, 40, FR), E("quarter", UNIT, UNIT_QUARTER, EN),
	E("quarters", UNIT, UNIT_QUARTER, EN | WORD_PLURAL), E("quatorze", NUMERAL, 14, FR), E("quatre", NUMERAL, 4, FR),
	E("quatrieme", ORDINAL, 4, FR), E("que", FOLLOW, 0, FR), E("quinzaine", COLLECTIVE, 15, FR), E("quinze", NUMERAL, 15, FR),
	E("quai", BLOCK, 0, FR),
};
static const Entry words_r[] = {
	E("rentree", RENTREE, 0, FR), E("roughly", ABOUT, 0, EN), E("rue", BLOCK, 0, FR), E("received", CUE, 0, EN), E("recu", CUE, 0, FR),
};
static const Entry words_s[] = {
	E("s", FOLLOW, 0, FR | EN), E("samedi", WEEKDAY, 5, FR), E("sat", SHORT_DAY, 5, EN), E("saturday", WEEKDAY, 5, EN),
	E("second", ORDINAL, 2, FR | EN), E("seconde", ORDINAL, 2, FR), E("seize", NUMERAL, 16, FR),
	E("sem", UNIT, UNIT_WEEK, FR), E("semaine", UNIT, UNIT_WEEK, FR), E("semaines", UNIT, UNIT_WEEK, FR | WORD_PLURAL),
	E("semestre", UNIT, UNIT_HALF, FR), E("semestres", UNIT, UNIT_HALF, FR | WORD_PLURAL), E("sep", MONTH, 9, EN),
	E("sept", MONTH, 9, FR | EN | WEAK), E("september", MONTH, 9, EN), E("septembre", MONTH, 9, FR),
	E("serait", FOLLOW, 0, FR), E("seven", NUMERAL, 7, EN), E("seventeen", NUMERAL, 17, EN), E("she", PRONOUN, 0, EN),
	E("si", FOLLOW, 0, FR), E("since", SINCE, 0, EN | BM), E("six", NUMERAL, 6, FR | EN), E("sixteen", NUMERAL, 16, EN),
	E("sixty", NUMERAL, 60, EN), E("so", FOLLOW, 0, EN), E("soir", DAYPART, 18, FR), E("soiree", DAYPART, 18, FR),
	E("soixante", NUMERAL, 60, FR), E("sous", IN, 0, FR), E("spring", SEASON, 4, EN), E("start", PART, PART_START, EN),
	E("starting", FROM, 0, EN | BM), E("stp", FOLLOW, 0, FR), E("suite", CUE, 1, FR), E("summer", SEASON, 7, EN),
	E("sun", SHORT_DAY, 6, EN), E("sunday", WEEKDAY, 6, EN), E("sur", BLOCK, 0, FR), E("svp", FOLLOW, 0, FR),
	E("salaries", BLOCK, 0, FR), E("seats", BLOCK, 0, EN), E("sent", CUE, 0, EN), E("spoke", CUE, 0, EN), E("signed", CUE, 0, EN),
};
static const Entry words_t[] = {
	E("ten", NUMERAL, 10, EN), E("thanks", FOLLOW, 0, EN | WORD_BEFORE_NAME),
	E("thanksgiving", HOLIDAY, HOLIDAY_THANKSGIVING, EN), E("the", ARTICLE, 0, EN), E("then", FOLLOW, 0, EN),
	E("they", PRONOUN, 0, EN), E("third", ORDINAL, 3, EN), E("thirteen", NUMERAL, 13, EN), E("thirty", NUMERAL, 30, EN),
	E("this", THIS, 0, EN), E("three", NUMERAL, 3, EN), E("through", TO, 0, EN | BM), E("thru", TO, 0, EN | BM),
	E("thu", SHORT_DAY, 3, EN), E("thur", SHORT_DAY, 3, EN), E("thurs", SHORT_DAY, 3, EN), E("thursday", WEEKDAY, 3, EN),
	E("til", PREPOSITION, 0, EN | BM), E("till", PREPOSITION, 0, EN | BM), E("tmr", DAY, 1, EN), E("tmrw", DAY, 1, EN),
	E("to", TO, 0, EN), E("today", DAY, 0, EN), E("tomorrow", DAY, 1, EN), E("tonight", DAY, 0, EN | WORD_PLURAL),
	E("toussaint", HOLIDAY, HOLIDAY_ALL_SAINTS, FR), E("treize", NUMERAL, 13, FR), E("trentaine", COLLECTIVE, 30, FR),
	E("trente", NUMERAL, 30, FR), E("trimestre", UNIT, UNIT_QUARTER, FR),
	E("trimestres", UNIT, UNIT_QUARTER, FR | WORD_PLURAL), E("trois", NUMERAL, 3, FR), E("troisieme", ORDINAL, 3, FR),
	E("tu", PRONOUN, 0, FR), E("tue", SHORT_DAY, 1, EN), E("tues", SHORT_DAY, 1, EN), E("tuesday", WEEKDAY, 1, EN),
	E("twelve", NUMERAL, 12, EN), E("twenty", NUMERAL, 20, EN), E("two", NUMERAL, 2, EN),
};
static const Entry words_u[] = {
	E("un", NUMERAL, 1, FR), E("une", NUMERAL, 1, FR), E("until", PREPOSITION, 0, EN | BM), E("us", PRONOUN, 1, EN),
	E("users", BLOCK, 0, EN), E("utilisateurs", BLOCK, 0, FR),
};
static const Entry words_v[] = {
	E("vacances", VACATION, 0, FR), E("vacation", VACATION, 0, EN), E("vendredi", WEEKDAY, 4, FR),
	E("vers", ABOUT, 0, FR | BM), E("vingt", NUMERAL, 20, FR), E("vingtaine", COLLECTIVE, 20, FR),
	E("vingts", NUMERAL, 20, FR), E("vos", DETERMINER, 0, FR), E("votre", DETERMINER, 0, FR), E("vous", PRONOUN, 0, FR),
	E("vu", CUE, 0, FR), E("vus", CUE, 0, FR),
};
static const Entry words_w[] = {
	E("was", FOLLOW, 0, EN), E("wc", WEEK_OF, 0, EN), E("we", PRONOUN, 0, EN), E("wed", SHORT_DAY, 2, EN),
	E("wednesday", WEEKDAY, 2, EN), E("week", UNIT, UNIT_WEEK, EN), E("weekend", WEEKEND, 0, FR | EN),
	E("weeks", UNIT, UNIT_WEEK, EN | WORD_PLURAL), E("when", FOLLOW, 0, EN), E("will", FOLLOW, 0, EN),
	E("winter", SEASON, 1, EN), E("with", FOLLOW, 0, EN | WORD_BEFORE_NAME), E("within", IN, 0, EN),
	E("wk", UNIT, UNIT_WEEK, EN), E("wks", UNIT, UNIT_WEEK, EN | WORD_PLURAL), E("working", WORKING, 0, EN),
	E("works", FOLLOW, 0, EN), E("would", FOLLOW, 0, EN), E("w", WEEK_OF, 0, EN | WEAK),
};
static const Entry words_x[] = {
	E("xmas", HOLIDAY, HOLIDAY_CHRISTMAS, EN),
};
static const Entry words_y[] = {
	E("y", Y, 0, FR), E("ya", Y, 1, FR), E("year", UNIT, UNIT_YEAR, EN), E("years", UNIT, UNIT_YEAR, EN | WORD_PLURAL),
	E("yesterday", DAY, -1, EN), E("you", PRONOUN, 0, EN), E("your", DETERMINER, 0, EN),
};

#define LIST(letter) {words_##letter, KAM_LENGTHOF(words_##letter)}
#define NO_LIST {NULL, 0}

static const struct
{
	const Entry *entry;
	size_t		count;
}			by_letter[26] = {
	LIST(a), LIST(b), LIST(c), LIST(d), LIST(e), LIST(f), LIST(g), LIST(h), LIST(i), LIST(j), NO_LIST, LIST(l), LIST(m),
	LIST(n), LIST(o), LIST(p), LIST(q), LIST(r), LIST(s), LIST(t), LIST(u), LIST(v), LIST(w), LIST(x), LIST(y), NO_LIST
};

/* Length of the longest word of the vocabulary. */
#define LONGEST 13

/* Kinds of which at least one must stand in a text that holds a reference. */
#define KIND_BIT(kind) (UINT64_C(1) << (kind))
#define ANCHORS \
	(KIND_BIT(WORD_NUMBER) | KIND_BIT(WORD_COUNT) | KIND_BIT(WORD_UNIT) | KIND_BIT(WORD_COLLECTIVE) | \
	 KIND_BIT(WORD_DATE) | KIND_BIT(WORD_MONTH) | KIND_BIT(WORD_WEEKDAY) | KIND_BIT(WORD_SHORT_DAY) | \
	 KIND_BIT(WORD_CLOCK) | KIND_BIT(WORD_QUARTER) | KIND_BIT(WORD_HALF) | KIND_BIT(WORD_WEEK_NUMBER) | \
	 KIND_BIT(WORD_SEASON) | KIND_BIT(WORD_HOLIDAY) | KIND_BIT(WORD_VACATION) | KIND_BIT(WORD_RENTREE) | \
	 KIND_BIT(WORD_WEEKEND) | KIND_BIT(WORD_WEEK_OF) | KIND_BIT(WORD_PERIOD_END) | KIND_BIT(WORD_NEW) | \
	 KIND_BIT(WORD_DAY) | KIND_BIT(WORD_DAYPART) | KIND_BIT(WORD_NOON))

/* The entry of a word, or NULL. */
static const Entry *
find_word(const char *word, size_t length)
{
	unsigned	letter = (unsigned char) word[0] - 'a';

	if (letter >= 26 || length > LONGEST)
		return NULL;
	for (size_t i = 0; i < by_letter[letter].count; i++)
	{
		const Entry *entry = &by_letter[letter].entry[i];

		/* the last letter tells most apart */
		if (entry->length == length && entry->word[length - 1] == word[length - 1] && memcmp(entry->word, word, length) == 0)
			return entry;
	}
	return NULL;
}

/* ---- digits ---------------------------------------------------------- */

/* Reads digits at *s; returns how many, 9 at most. */
static int
read_digits(const char **s, int *value)
{
	int			count = 0;

	*value = 0;
	while (**s >= '0' && **s <= '9' && count < 9)
	{
		*value = *value * 10 + (**s - '0');
		(*s)++;
		count++;
	}
	return count;
}

/* Is the rest of a token one of these words, parted by spaces? */
static bool
is_one_of(const char *rest, const char *list)
{
	size_t		length = strlen(rest);

	for (const char *p = list; *p != '\0';)
	{
		size_t		n = strcspn(p, " ");

		if (n == length && memcmp(p, rest, n) == 0)
			return true;
		p += n + (p[n] == ' ');
	}
	return false;
}

static void
set_date(KamWhenWord *out, int day, int month, int year, unsigned flags)
{
	if (month < 1 || month > 12 || day < 0 || day > 31)
		return;
	if (year > 0 && (year < 1900 || year > 2199))
		return;
	*out = (KamWhenWord) {WORD_DATE, (uint8_t) flags, (int16_t) day, (int16_t) month, (int16_t) year, -1};
}

static void
set_clock(KamWhenWord *out, int hour, int minute)
{
	if (hour <= 24 && minute < 60)
		*out = (KamWhenWord) {WORD_CLOCK, 0, (int16_t) hour, (int16_t) minute, 0, 0};
}

/* An hour of the twelve-hour clock on the 24-hour one; -1 when it is none. */
static int
twelve_hours(int hour, bool afternoon)
{
	if (hour < 1 || hour > 12)
		return -1;
	return hour % 12 + (afternoon ? 12 : 0);
}

/* "t10:00" behind an ISO date; the offset of other zones is not read. */
static void
read_iso_time(const char *s, KamWhenWord *out)
{
	int			hour,
				minute;

	if (out->kind != WORD_DATE || *s++ != 't' || read_digits(&s, &hour) != 2 || *s++ != ':' ||
		read_digits(&s, &minute) != 2 || hour > 23 || minute > 59)
		return;
	out->c = (int16_t) (hour * 60 + minute);
}

/* 15/03, 15/03/2026, 15.03.2026, 2026-03-15, 3/15/2026. */
static void
read_date(int first, int digits, const char *s, KamWhenWord *out)
{
	char		separator = *s++;
	int			second,
				third = 0,
				second_digits = read_digits(&s, &second),
				third_digits = 0;
	unsigned	flags = 0;

	if (*s == separator)
	{
		s++;
		third_digits = read_digits(&s, &third);
	}
	if (digits == 4)
	{
		if (second_digits != 2 || separator == '.' || (third_digits == 0 && separator != '-') || third_digits > 2)
			return;
		set_date(out, third, second, first, 0);
		if (*s == 't')
			read_iso_time(s, out);
		else if (*s != '\0')
			out->kind = WORD_NONE;
		return;
	}
	if (*s != '\0' || digits > 2 || second_digits < 1 || second_digits > 2 || (first == 24 && second == 7))
		return;
	if (third_digits == 2)
	{
		third += 2000;
		flags = separator == '.' ? WORD_WEAK : 0;
	}
	else if (third_digits == 0)
	{
		/* a ratio, a score or a version as likely as a date, when it is not written in full */
		if (separator == '-' || (separator == '.' && second_digits != 2))
			return;
		if (separator == '.' || digits != 2 || second_digits != 2 || first == second || second > 12)
			flags = WORD_WEAK;
	}
	else if (third_digits != 4)
		return;
	if (second > 12 && first <= 12)
		set_date(out, second, first, third, flags);
	else if (first >= 1)
		set_date(out, first, second, third, flags);
}

/* 14:30, 3:30pm, 2.30pm; the rest begins at the separator. */
static void
read_minutes(int hour, const char *s, KamWhenWord *out)
{
	char		separator = *s++;
	int			minute,
				seconds;

	if (read_digits(&s, &minute) != 2)
		return;
	if (separator == ':' && *s == ':')
	{
		s++;
		if (read_digits(&s, &seconds) != 2)
			return;
	}
	if (is_one_of(s, "am pm"))
	{
		hour = twelve_hours(hour, *s == 'p');
		if (hour >= 0)
			set_clock(out, hour, minute);
	}
	else if (separator == ':' && (*s == '\0' || strcmp(s, "h") == 0))
		set_clock(out, hour, minute);
}

/* 14h, 14h30, 48h; the rest begins behind the h. */
static void
read_hours(int hour, const char *s, KamWhenWord *out)
{
	int			minute;
	int			digits = read_digits(&s, &minute);

	if (digits == 2 && (*s == '\0' || is_one_of(s, "mn min m")))
		set_clock(out, hour, minute);
	else if (digits != 0 || (*s != '\0' && !is_one_of(s, "rs r eures eure our ours")))
		return;
	else if (hour <= 24)
		set_clock(out, hour, 0);
	else
		*out = (KamWhenWord) {WORD_COUNT, FR | EN, (int16_t) hour, UNIT_HOUR, 0, 0};
}

/* 15j, 3mois, 15mars, 1er, 3rd, 3pm: letters stick to the number. */
static void
read_suffix(int value, const char *s, KamWhenWord *out)
{
	const Entry *entry;

	if (is_one_of(s, "st nd rd th er ere e eme ieme nde"))
		*out = (KamWhenWord) {WORD_NUMBER, WORD_ORDINAL_FORM, (int16_t) value, 0, 0, 0};
	else if (is_one_of(s, "am pm"))
	{
		if (twelve_hours(value, *s == 'p') >= 0)
			set_clock(out, twelve_hours(value, *s == 'p'), 0);
	}
	else if (is_one_of(s, "j d"))
		*out = (KamWhenWord) {WORD_COUNT, FR | EN, (int16_t) value, UNIT_DAY, 0, 0};
	else if (strcmp(s, "w") == 0)
		*out = (KamWhenWord) {WORD_COUNT, EN, (int16_t) value, UNIT_WEEK, 0, 0};
	else if ((entry = find_word(s, strlen(s))) != NULL)
	{
		if (entry->kind == WORD_UNIT)
			*out = (KamWhenWord) {WORD_COUNT, entry->flags, (int16_t) value, entry->value, 0, 0};
		else if (entry->kind == WORD_MONTH && value >= 1)
			set_date(out, value, entry->value, 0, 0);
	}
}

/* A token that begins with a digit. */
static void
read_number(const char *s, KamWhenWord *out)
{
	int			value;
	int			digits = read_digits(&s, &value);

	if (digits > 4)
		return;
	switch (*s)
	{
		case '\0':
			*out = (KamWhenWord) {WORD_NUMBER, 0, (int16_t) value, 0, 0, 0};
			break;
		case '/':
		case '-':
		case '.':
			read_date(value, digits, s, out);
			if (out->kind == WORD_NONE || *s == '.')
			{
				KamWhenWord clock = {0};

				if (*s == '.' && digits <= 2)
					read_minutes(value, s, &clock);
				if (clock.kind != WORD_NONE)
					*out = clock;
			}
			break;
		case ':':
			if (digits <= 2)
				read_minutes(value, s, out);
			break;
		case 'h':
			if (digits <= 3)
				read_hours(value, s + 1, out);
			break;
		default:
			if (digits <= 3)
				read_suffix(value, s, out);
	}
}

/* T2, Q3, H1, S2, S14, W14, CW14: letters, then one or two digits. */
static void
read_code(const char *s, KamWhenWord *out)
{
	char		letter = *s++;
	int			value,
				digits;
	int			kind = WORD_NONE;

	if (letter == 'c' && *s == 'w')
		letter = *s++;
	digits = read_digits(&s, &value);
	if (digits < 1 || digits > 2 || *s != '\0')
		return;
	if ((letter == 't' || letter == 'q') && digits == 1 && value >= 1 && value <= 4)
		kind = WORD_QUARTER;
	else if ((letter == 'h' || letter == 's') && digits == 1 && value >= 1 && value <= 2)
		kind = WORD_HALF;
	else if ((letter == 's' || letter == 'w') && value >= 1 && value <= 53)
		kind = WORD_WEEK_NUMBER;
	*out = (KamWhenWord) {(uint8_t) kind, 0, (int16_t) value, 0, 0, 0};
}

/* A per cent sign, or a plus or number sign before it, makes a number no date. */
static bool
is_marked(const KamTokens *tokens, int i)
{
	const KamToken *token = &tokens->token[i];
	uint32_t	next = token->end;

	if (token->start > 0 &&
		(tokens->source[token->start - 1] == '+' || tokens->source[token->start - 1] == '#'))
		return true;
	/* the source need not end with a NUL: only what lies before a next token is read */
	if (i + 1 == tokens->count)
		return false;
	while (next < tokens->token[i + 1].start && tokens->source[next] == ' ')
		next++;
	return next < tokens->token[i + 1].start && tokens->source[next] == '%';
}

_Static_assert(WORD_J < 64, "kinds are bits of a 64-bit set");

KamWhenWord *
kam_when_words(KamArena *arena, const KamTokens *tokens)
{
	KamWhenWord *words = NULL;
	uint64_t	seen = 0;

	for (int i = 0; i < tokens->count; i++)
	{
		const KamToken *token = &tokens->token[i];
		const char *word = token->word;
		KamWhenWord found = {0};

		if (token->flags & KAM_TOKEN_MONEY)
			continue;
		if (word[0] >= '0' && word[0] <= '9')
		{
			if (token->length <= 20 && !is_marked(tokens, i))
				read_number(word, &found);
		}
		else if (token->length >= 2 && token->length <= 4 && word[token->length - 1] <= '9' &&
				 word[token->length - 1] >= '0')
			read_code(word, &found);
		else
		{
			const Entry *entry = find_word(word, token->length);

			if (entry != NULL)
			{
				found.kind = entry->kind;
				found.flags = entry->flags;
				found.value = entry->value;
			}
		}
		if (found.kind == WORD_NONE)
			continue;
		if (words == NULL)
			words = KAM_NEW_ARRAY(arena, KamWhenWord, tokens->count);
		words[i] = found;
		seen |= KIND_BIT(found.kind);
	}
	return seen & ANCHORS ? words : NULL;
}
