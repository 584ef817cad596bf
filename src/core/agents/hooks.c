/*
 * core/agents/hooks.c: what there is to talk about: what they asked for, what
 * they care about, their own words, the resource that answers them.
 *
 * Reads again only the newest few inbound texts.  Never makes anything up: a
 * phrase is a piece of the contact's own text with the possessives turned
 * round (votre fiche -> notre fiche).
 */
#include "core/agents/agents_internal.h"

#include <string.h>

#define TEXT_LIMIT 3000			/* bytes of one message that are read */
#define TOPIC_MESSAGES 2		/* newest inbound ones searched for a matter to take up */
#define PHRASE_TOKENS 11
#define PHRASE_CHARACTERS 70

typedef enum TriggerKind
{
	REQUEST, TOPIC
} TriggerKind;

/* Words after which the object of a request or interest stands. */
typedef struct Trigger
{
	const char *words;
	TriggerKind kind;
	bool		bare;			/* the object may stand without an article */
} Trigger;

static const Trigger triggers[] = {
	{"envoyer", REQUEST, false}, {"envoyez moi", REQUEST, false}, {"envoyez nous", REQUEST, false},
	{"envoie moi", REQUEST, false}, {"transmettre", REQUEST, false}, {"transmettez moi", REQUEST, false},
	{"transmettez nous", REQUEST, false}, {"partager", REQUEST, false}, {"faire parvenir", REQUEST, false},
	{"adresser", REQUEST, false}, {"communiquer", REQUEST, false}, {"refaire", REQUEST, false},
	{"recevoir", REQUEST, false}, {"obtenir", REQUEST, false}, {"possible d avoir", REQUEST, false},
	{"aimerais avoir", REQUEST, false}, {"aimerions avoir", REQUEST, false}, {"voudrais avoir", REQUEST, false},
	{"souhaite avoir", REQUEST, false}, {"souhaitons avoir", REQUEST, false}, {"souhaiterais avoir", REQUEST, false},
	{"pourrais je avoir", REQUEST, false}, {"puis je avoir", REQUEST, false}, {"peut on avoir", REQUEST, false},
	{"pourrait on avoir", REQUEST, false}, {"auriez vous", REQUEST, false}, {"avez vous", REQUEST, false},
	{"il me faudrait", REQUEST, false}, {"il nous faudrait", REQUEST, false}, {"organiser", REQUEST, false},
	{"planifier", REQUEST, false}, {"prevoir", REQUEST, false}, {"caler", REQUEST, false},
	{"preparer", REQUEST, false}, {"chiffrer", REQUEST, false}, {"etablir", REQUEST, false},
	{"besoin d", REQUEST, false}, {"besoin de", REQUEST, false},
	{"send me", REQUEST, false}, {"send us", REQUEST, false}, {"send over", REQUEST, false},
	{"send through", REQUEST, false}, {"send", REQUEST, false}, {"share", REQUEST, false},
	{"forward", REQUEST, false}, {"provide", REQUEST, false}, {"could we have", REQUEST, false},
	{"could i have", REQUEST, false}, {"can i have", REQUEST, false}, {"can we have", REQUEST, false},
	{"can we get", REQUEST, false}, {"could we get", REQUEST, false}, {"can i get", REQUEST, false},
	{"could i get", REQUEST, false}, {"like to get", REQUEST, false}, {"like to have", REQUEST, false},
	{"do you have", REQUEST, false}, {"have you got", REQUEST, false}, {"would like to see", REQUEST, false},
	{"love to see", REQUEST, false}, {"schedule", REQUEST, false}, {"book", REQUEST, false},
	{"set up", REQUEST, false}, {"arrange", REQUEST, false}, {"organise", REQUEST, false},
	{"i would like", REQUEST, false}, {"we would like", REQUEST, false}, {"give us", REQUEST, false},
	{"give me", REQUEST, false}, {"give", REQUEST, false}, {"we need", REQUEST, false}, {"i need", REQUEST, false},
	{"interesse par", TOPIC, false}, {"interessee par", TOPIC, false}, {"interesses par", TOPIC, false},
	{"interessees par", TOPIC, false}, {"interessent a", TOPIC, false}, {"informations sur", TOPIC, false},
	{"renseignements sur", TOPIC, false}, {"en savoir plus sur", TOPIC, false}, {"question sur", TOPIC, false},
	{"questions sur", TOPIC, false}, {"avancer sur", TOPIC, false}, {"travaillons sur", TOPIC, false},
	{"travaille sur", TOPIC, false}, {"concernant", TOPIC, false}, {"interesserait", TOPIC, false},
	{"cherchons", TOPIC, false}, {"recherchons", TOPIC, false}, {"avis technique sur", TOPIC, false},
	{"voudrais voir", TOPIC, false}, {"aimerais voir", TOPIC, false}, {"remplacer", TOPIC, false},
	{"interested in", TOPIC, true}, {"information on", TOPIC, true}, {"information about", TOPIC, true},
	{"more about", TOPIC, true}, {"details on", TOPIC, true}, {"details about", TOPIC, true},
	{"looking for", TOPIC, true}, {"looking at", TOPIC, true}, {"question about", TOPIC, true},
	{"questions about", TOPIC, true}, {"regarding", TOPIC, true}, {"working on", TOPIC, true},
	{"replace", TOPIC, false}, {"struggling with", TOPIC, true}, {"worried about", TOPIC, true},
};

/* Words passed over between the trigger and its object. */
static const char *const particle[] = {
	"moi", "nous", "me", "us", "over", "through", "svp", "please", "eventuellement", "aussi", "also", "egalement",
};

/* Words that may open the object. */
static const char *const article[] = {
	"le", "la", "les", "l", "un", "une", "des", "du", "vos", "votre", "notre", "nos", "mon", "ma", "mes",
	"ce", "cet", "cette", "ces", "quelques", "plusieurs", "plus",
	"a", "an", "the", "your", "our", "my", "some", "more", "any", "this", "that", "these", "those", "two", "three",
};

/* Words that end the object. */
static const char *const stop[] = {
	"si", "car", "mais", "et", "que", "qui", "qu", "dont", "afin", "quand", "lorsque", "avant", "apres", "ou", "parce",
	"puis", "cette", "ce", "demain", "rapidement", "svp", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "semaine",
	"if", "because", "but", "and", "that", "which", "who", "when", "before", "after", "by", "so", "or", "then",
	"please", "asap", "this", "next", "tomorrow", "monday", "tuesday", "wednesday", "thursday", "friday", "until",
	"while", "where", "whether", "cela", "ca", "merci", "thanks", "too", "also", "aussi", "egalement", "deja", "again",
};

/* Words that tell that it is a clause and no thing. */
static const char *const pronoun[] = {
	"je", "j", "tu", "vous", "nous", "on", "il", "elle", "ils", "elles", "me", "m", "moi", "toi", "lui", "leur", "se", "s",
	"i", "we", "you", "they", "it", "he", "she", "us", "him", "them", "is", "are", "was", "were", "am", "will", "not",
	"est", "sont", "ont", "avons", "avez", "suis", "pas", "ne", "n", "how", "what", "why", "comment", "pourquoi",
	"chose", "choses", "idea", "idee", "temps", "time", "peu", "bit", "minute", "minutes", "monde", "soin", "fait",
	"tout", "rien", "quoi", "celui", "celle", "tour", "point", "chance", "occasion",
};

/* Words that cannot end it. */
static const char *const dangling[] = {
	"de", "du", "des", "d", "la", "le", "les", "l", "a", "au", "aux", "sur", "dans", "pour", "par", "avec", "chez", "en",
	"un", "une", "vos", "votre", "nos", "notre", "mon", "ma", "mes", "of", "the", "an", "to", "for", "on", "in", "with", "at", "from",
	"your", "our", "my", "as", "sous", "vers", "entre", "between", "about", "plus", "more", "some", "any",
};

/* After these an object goes on only with an article or a number. */
static const char *const opening[] = {"pour", "for"};

/* Things that are had by meeting. */
static const char *const meeting_word[] = {
	"demo", "demonstration", "appel", "rdv", "rendez", "visio", "echange", "creneau", "call", "meeting",
	"slot", "visite", "visit", "presentation", "walkthrough", "point", "reunion",
};

typedef struct Swap
{
	const char *from,
			   *to;
} Swap;

/* Whose it is, seen from us. */
static const Swap swap[] = {
	{"votre", "notre"}, {"vos", "nos"}, {"notre", "votre"}, {"nos", "vos"}, {"mon", "votre"}, {"ma", "votre"}, {"mes", "vos"},
	{"your", "our"}, {"our", "your"}, {"my", "your"},
};

static bool
is_one_of(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

#define IS_ONE_OF(word, list) is_one_of(word, list, KAM_LENGTHOF(list))

/* Articles, prepositions and the like: words that say nothing by themselves. */
bool
kam_is_small_word(const char *word)
{
	return IS_ONE_OF(word, article) || IS_ONE_OF(word, dangling);
}

/* Tokens that the words take up at i, 0 when they do not stand there. */
static int
match_words(const KamTokens *tokens, int i, const char *words)
{
	int			n = 0;

	while (*words != '\0')
	{
		size_t		len = strcspn(words, " ");

		if (i + n >= tokens->count || tokens->token[i + n].sentence != tokens->token[i].sentence ||
			tokens->token[i + n].length != len || memcmp(tokens->token[i + n].word, words, len) != 0)
			return 0;
		n++;
		words += len;
		words += *words == ' ';
	}
	return n;
}

/* The source words of tokens [first, last] with the possessives turned round. */
static char *
phrase_of(KamArena *arena, const KamTokens *tokens, int first, int last)
{
	char	   *out = kam_strdup(arena, "");
	uint32_t	from = tokens->token[first].start;

	for (int i = first; i <= last; i++)
	{
		const KamToken *token = &tokens->token[i];

		for (size_t s = 0; s < KAM_LENGTHOF(swap); s++)
			if (strcmp(token->word, swap[s].from) == 0)
			{
				out = kam_printf(arena, "%s%.*s%s", out, (int) (token->start - from), tokens->source + from, swap[s].to);
				from = token->end;
				break;
			}
	}
	return kam_printf(arena, "%s%.*s", out, (int) (tokens->token[last].end - from), tokens->source + from);
}

/* The object that begins at token i, as a noun phrase seen from us, or NULL. */
static const char *
object_at(KamArena *arena, const KamTokens *tokens, int i, bool bare, bool *meeting)
{
	int			sentence,
				first,
				last;
	bool		content = false,
				bounded = false;
	char	   *phrase;

	if (i == 0 || i >= tokens->count)
		return NULL;
	sentence = tokens->token[i - 1].sentence;
	while (i < tokens->count && tokens->token[i].sentence == sentence && IS_ONE_OF(tokens->token[i].word, particle))
		i++;
	if (i >= tokens->count || tokens->token[i].sentence != sentence || (tokens->token[i].flags & KAM_TOKEN_CLAUSE))
		return NULL;
	if (!bare && !IS_ONE_OF(tokens->token[i].word, article))
		return NULL;
	first = last = i;
	*meeting = false;
	for (;; i++)
	{
		const KamToken *token;

		if (i >= tokens->count || tokens->token[i].sentence != sentence)
		{
			bounded = true;
			break;
		}
		token = &tokens->token[i];
		if (i > first && ((token->flags & KAM_TOKEN_CLAUSE) || IS_ONE_OF(token->word, stop)))
		{
			bounded = true;
			break;
		}
		if (i > first && IS_ONE_OF(token->word, opening) &&
			(i + 1 >= tokens->count ||
			 !(IS_ONE_OF(tokens->token[i + 1].word, article) || (tokens->token[i + 1].flags & KAM_TOKEN_NUMBER))))
		{
			bounded = true;
			break;
		}
		if (IS_ONE_OF(token->word, pronoun))
			return NULL;
		if (i - first >= PHRASE_TOKENS)
			break;
		content |= token->length >= 3 && !IS_ONE_OF(token->word, article);
		*meeting |= i <= first + 2 && IS_ONE_OF(token->word, meeting_word);
		last = i;
	}
	if (!bounded || !content)
		return NULL;
	while (last > first && IS_ONE_OF(tokens->token[last].word, dangling))
		last--;
	if (last == first && !(bare && tokens->token[first].length >= 4))
		return NULL;
	phrase = kam_sayable(arena, phrase_of(arena, tokens, first, last), PHRASE_CHARACTERS);
	if (phrase != NULL && phrase[0] >= 'A' && phrase[0] <= 'Z' && phrase[1] >= 'a' && phrase[1] <= 'z' &&
		IS_ONE_OF(tokens->token[first].word, article))
		phrase[0] = (char) (phrase[0] + 'a' - 'A');
	return phrase;
}

/*
 * The triggers by kind and first letter, in the order of the table: 1 + the
 * first one, and 1 + the one after each; 0 ends.  Built once.
 */
static struct
{
	bool		built;
	unsigned char first[2]['z' - 'a' + 1];
	unsigned char next[KAM_LENGTHOF(triggers)];
} by_letter;

_Static_assert(KAM_LENGTHOF(triggers) < 255, "a trigger's number must fit a byte");

static void
index_triggers(void)
{
	if (by_letter.built)
		return;
	for (size_t t = KAM_LENGTHOF(triggers); t-- > 0;)
	{
		unsigned char *first = &by_letter.first[triggers[t].kind][triggers[t].words[0] - 'a'];

		by_letter.next[t] = *first;
		*first = (unsigned char) (t + 1);
	}
	by_letter.built = true;
}

/* The first object of a trigger of the kind in sentences [from, to]. */
static const char *
find_object(KamArena *arena, const KamTokens *tokens, TriggerKind kind, int from, int to, bool *meeting)
{
	index_triggers();
	for (int i = 0; i < tokens->count; i++)
	{
		char		letter = tokens->token[i].word[0];

		if (tokens->token[i].sentence < from || tokens->token[i].sentence > to || letter < 'a' || letter > 'z')
			continue;
		for (int t = by_letter.first[kind][letter - 'a']; t > 0; t = by_letter.next[t - 1])
		{
			const Trigger *trigger = &triggers[t - 1];
			int			n = match_words(tokens, i, trigger->words);
			const char *phrase;

			if (n == 0)
				continue;
			phrase = object_at(arena, tokens, i + n, trigger->bare, meeting);
			if (phrase != NULL)
				return phrase;
		}
	}
	return NULL;
}

typedef struct RecentText
{
	const KamActivity *activity;
	KamTokens	tokens;
	const char *source;			/* NUL-terminated new text */
} RecentText;

/* The new text of an activity, bounded and tokenized. */
static void
read_text(KamArena *arena, const KamActivity *activity, RecentText *out)
{
	KamNewText	text = kam_new_text(arena, activity);
	size_t		length = text.text == NULL || text.automatic ? 0 : text.length;

	if (length > TEXT_LIMIT)
		length = TEXT_LIMIT;
	out->activity = activity;
	out->source = kam_strndup(arena, text.text == NULL ? "" : text.text, length);
	out->tokens = kam_tokenize(arena, out->source, length);
}

/* The sentences of the text in which the quote stands; all of them when it does not. */
static void
sentences_of(const RecentText *text, const char *quote, int *from, int *to)
{
	const char *place = quote == NULL || quote[0] == '\0' ? NULL : strstr(text->source, quote);

	*from = 0;
	*to = UINT16_MAX;
	if (place == NULL)
		return;
	*from = -1;
	for (int i = 0; i < text->tokens.count; i++)
	{
		const KamToken *token = &text->tokens.token[i];
		size_t		start = (size_t) (place - text->source);

		if (token->end > start && token->start < start + strlen(quote))
		{
			if (*from < 0)
				*from = token->sentence;
			*to = token->sentence;
		}
	}
	if (*from < 0)
		*from = 0;
}

/* The words of a sentence as they stand, without the closing mark; NULL when too long. */
static const char *
sentence_words(KamArena *arena, const RecentText *text, int sentence, int max_characters)
{
	int			first = -1,
				last = -1;
	char	   *words;
	const char *colon;

	for (int i = 0; i < text->tokens.count; i++)
		if (text->tokens.token[i].sentence == sentence)
		{
			if (first < 0)
				first = i;
			last = i;
		}
	if (first < 0)
		return NULL;
	words = kam_strndup(arena, text->source + text->tokens.token[first].start,
						text->tokens.token[last].end - text->tokens.token[first].start);
	/* "Quick one: can you ..." begins behind the colon */
	colon = strstr(words, ": ");
	if (colon != NULL && colon - words < 24)
		words += colon - words + 2;
	for (char *p = words; *p != '\0'; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	return kam_characters(words) <= max_characters ? words : NULL;
}

/* The recent text that holds a signal; read when it is not there yet. */
static const RecentText *
text_of(KamArena *arena, RecentText *recent, int *nrecent, int max, const KamActivity *activity)
{
	for (int i = 0; i < *nrecent; i++)
		if (recent[i].activity == activity)
			return &recent[i];
	if (*nrecent >= max)
		return NULL;
	read_text(arena, activity, &recent[*nrecent]);
	return &recent[(*nrecent)++];
}

/* ---- their words --------------------------------------------------------- */

/* Adds a quote, newest first, no text twice. */
static void
add_quote(KamHooks *out, const char *text, const KamSignal *signal)
{
	int			place = out->nquotes;

	if (text == NULL || kam_characters(text) < 8)
		return;
	for (int i = 0; i < out->nquotes; i++)
		if (strcmp(out->quote[i].text, text) == 0 || strstr(out->quote[i].text, text) != NULL)
			return;
	while (place > 0 && out->quote[place - 1].activity->at < signal->activity->at)
		place--;
	if (place >= KAM_HOOK_QUOTES)
		return;
	if (out->nquotes < KAM_HOOK_QUOTES)
		out->nquotes++;
	for (int i = out->nquotes - 1; i > place; i--)
		out->quote[i] = out->quote[i - 1];
	out->quote[place] = (KamHook) {
		.text = text, .activity = signal->activity, .field = signal->field,
		.question = signal->kind == KAM_SIGNAL_QUESTION,
	};
}

/* A signal's own quote, cut at a word: still exactly what stands there. */
static const char *
short_quote(KamArena *arena, const KamSignal *signal)
{
	const char *quote = signal->quote;
	const char *line;
	size_t		length;
	int			characters = 0;

	if (quote == NULL)
		return NULL;
	while (*quote == ' ' || *quote == '\n' || *quote == '\r' || *quote == '\t')
		quote++;
	line = strchr(quote, '\n');
	length = line == NULL ? strlen(quote) : (size_t) (line - quote);
	for (size_t i = 0, word = 0; i < length; i++)
	{
		if (quote[i] == ' ')
			word = i;
		characters += ((unsigned char) quote[i] & 0xC0) != 0x80;
		if (characters > KAM_QUOTE_CHARACTERS)
		{
			if (word == 0)
				return NULL;
			length = word;
		}
	}
	while (length > 0 && strchr(" \r\t,;:", quote[length - 1]) != NULL)
		length--;
	return length == 0 ? NULL : kam_strndup(arena, quote, length);
}

static void
add_quotes(KamArena *arena, const KamSignalList *list, KamHooks *out)
{
	for (int i = 0; i < list->count && i < KAM_HOOK_QUOTES; i++)
		if (list->item[i]->activity->direction == KAM_INBOUND)
			add_quote(out, short_quote(arena, list->item[i]), list->item[i]);
}

/* Tokens joined by single spaces, with a space at both ends, for whole-word search. */
static char *
padded(KamArena *arena, const KamTokens *tokens)
{
	size_t		size = 2;
	char	   *out,
			   *p;

	for (int i = 0; i < tokens->count; i++)
		size += tokens->token[i].length + 1u;
	p = out = kam_alloc(arena, size + 1);
	*p++ = ' ';
	for (int i = 0; i < tokens->count; i++)
	{
		memcpy(p, tokens->token[i].word, tokens->token[i].length);
		p += tokens->token[i].length;
		*p++ = ' ';
	}
	*p = '\0';
	return out;
}

/* ---- the whole ------------------------------------------------------------ */

/* The thread's subject without Re:, Fwd:, TR:. */
static const char *
thread_subject(KamArena *arena, const KamInputs *in)
{
	static const char *const prefix[] = {"re:", "re :", "fw:", "fwd:", "tr:", "tr :", "rép:", "ref:"};
	const KamActivity *activity = NULL;
	const char *subject;

	for (int i = in->contact->nactivities - 1; i >= 0 && activity == NULL; i--)
	{
		const KamActivity *a = &in->contact->activities[i];

		if (a->type == KAM_EMAIL && a->subject != NULL && a->subject[0] != '\0' &&
			a->at <= (in->facts->last_message != NULL ? in->facts->last_message->at : a->at) &&
			(kam_is_message(in, i, KAM_INBOUND) || kam_is_message(in, i, KAM_OUTBOUND)))
			activity = a;
	}
	if (activity == NULL)
		return NULL;
	subject = kam_strdup(arena, activity->subject);
	for (bool cut = true; cut;)
	{
		cut = false;
		while (*subject == ' ')
			subject++;
		for (size_t i = 0; i < KAM_LENGTHOF(prefix); i++)
		{
			size_t		n = strlen(prefix[i]),
						k = 0;

			while (k < n && (subject[k] | ((subject[k] >= 'A' && subject[k] <= 'Z') ? 0x20 : 0)) == prefix[i][k])
				k++;
			if (k == n)
			{
				subject += n;
				cut = true;
			}
		}
	}
	subject = kam_sayable(arena, subject, 70);
	return subject == NULL || kam_characters(subject) < 4 ? NULL : subject;
}

/* The newest signal of a list that an inbound message bears. */
static const KamSignal *
newest_inbound(const KamSignalList *list)
{
	for (int i = 0; i < list->count; i++)
		if (list->item[i]->activity->direction == KAM_INBOUND)
			return list->item[i];
	return NULL;
}

/* Nothing that reached them went out since; a mail that bounced reached nobody. */
static bool
is_pending(const KamFacts *facts, const KamSignal *signal)
{
	const KamActivity *ours = facts->last_outbound;

	if (signal == NULL)
		return false;
	if (ours == NULL || ours->at < signal->activity->at)
		return true;
	return facts->bounce != NULL && kam_activity_channel(ours) == KAM_EMAIL_CHANNEL && facts->bounce->activity->at >= ours->at;
}

/* What they asked for and what they ask. */
static void
find_requests(const KamEnv *env, const KamFacts *facts, RecentText *recent, int *nrecent, int max, KamHooks *out)
{
	int			from,
				to;

	for (int i = 0; i < facts->interest.count && i < 3 && out->request == NULL; i++)
	{
		const KamSignal *signal = facts->interest.item[i];
		const RecentText *text;

		if (signal->activity->direction != KAM_INBOUND)
			continue;
		if (out->request_signal == NULL)
			out->request_signal = signal;
		if (signal->activity != out->request_signal->activity)
			break;
		text = text_of(env->arena, recent, nrecent, max, signal->activity);
		if (text == NULL)
			break;
		sentences_of(text, signal->quote, &from, &to);
		out->request = find_object(env->arena, &text->tokens, REQUEST, from, to, &out->request_meeting);
		if (out->request == NULL)
			out->request = find_object(env->arena, &text->tokens, TOPIC, from, to, &out->request_meeting);
		if (out->request != NULL)
			out->request_signal = signal;
	}
	out->request_pending = is_pending(facts, out->request_signal);
	out->question = newest_inbound(&facts->questions);
	out->question_pending = is_pending(facts, out->question);
	if (out->question != NULL)
	{
		const RecentText *text = text_of(env->arena, recent, nrecent, max, out->question->activity);

		if (text != NULL)
		{
			sentences_of(text, out->question->quote, &from, &to);
			if (from == to || to == UINT16_MAX)
				out->question_words = to == UINT16_MAX ? NULL : sentence_words(env->arena, text, from, 140);
			else
				out->question_words = sentence_words(env->arena, text, to, 140);
			out->question_words = out->question_words == NULL ? NULL :
				kam_sayable(env->arena, out->question_words, 140);
			if (out->request == NULL && out->question_pending)
			{
				out->request = find_object(env->arena, &text->tokens, REQUEST, from, to, &out->request_meeting);
				if (out->request != NULL)
				{
					out->request_signal = out->question;
					out->request_pending = true;
				}
			}
		}
	}
}

/* Finds it all; every list it reads is newest first. */
static void
find_hooks(const KamEnv *env, const KamInputs *in, KamHooks *out)
{
	const KamContact *contact = in->contact;
	const KamFacts *facts = in->facts;
	RecentText	recent[KAM_RECENT_MESSAGES + 4];
	KamHaystack hay[KAM_HAYSTACKS];
	int			nrecent = 0,
				nhay = 0,
				seen = 0,
				most;
	bool		meeting;
	bool		match = json_array_size(in->resources) > 0;

	memset(out, 0, sizeof(*out));
	out->language = kam_message_language(in);
	find_requests(env, facts, recent, &nrecent, (int) KAM_LENGTHOF(recent), out);
	/* with a request to answer and no resource to find, older matters are not needed */
	most = match ? KAM_RECENT_MESSAGES : out->request != NULL && out->request_pending ? 0 : TOPIC_MESSAGES;
	for (int i = contact->nactivities - 1; i >= 0 && seen < most; i--)
	{
		const KamActivity *activity = &contact->activities[i];
		const RecentText *text;

		if (!kam_is_message(in, i, KAM_INBOUND))
			continue;
		text = text_of(env->arena, recent, &nrecent, (int) KAM_LENGTHOF(recent), activity);
		if (text == NULL)
			break;
		if (out->topic == NULL)
		{
			const char *topic = find_object(env->arena, &text->tokens, TOPIC, 0, UINT16_MAX, &meeting);
			bool		requested = false;

			if (topic == NULL && seen > 0)
			{
				topic = find_object(env->arena, &text->tokens, REQUEST, 0, UINT16_MAX, &meeting);
				requested = topic != NULL;
			}
			if (topic != NULL && (out->request == NULL || strcmp(topic, out->request) != 0))
			{
				out->topic = topic;
				out->topic_activity = activity;
				out->topic_requested = requested;
			}
		}
		if (match && nhay < KAM_HAYSTACKS)
			hay[nhay++] = (KamHaystack) {padded(env->arena, &text->tokens), seen == 0 ? 1.5 : 1.0 - 0.08 * seen, false};
		seen++;
	}
	if (out->topic == NULL && out->request != NULL && !out->request_pending && !out->request_meeting)
	{
		out->topic = out->request;
		out->topic_activity = out->request_signal->activity;
		out->topic_requested = true;
	}
	add_quotes(env->arena, &facts->questions, out);
	add_quotes(env->arena, &facts->interest, out);
	add_quotes(env->arena, &facts->objections, out);
	add_quotes(env->arena, &facts->positive, out);
	out->subject = thread_subject(env->arena, in);
	if (match)
	{
		const char *const about[] = {contact->company, contact->job_title};
		const KamSignal *const asked[] = {out->request_signal, out->question};

		for (int i = 0; i < 2; i++)
			if (asked[i] != NULL && asked[i]->quote != NULL && nhay < KAM_HAYSTACKS)
			{
				KamTokens	tokens = kam_tokenize(env->arena, asked[i]->quote, strlen(asked[i]->quote));

				hay[nhay++] = (KamHaystack) {padded(env->arena, &tokens), 3.0, true};
			}
		if (out->request != NULL && nhay < KAM_HAYSTACKS)
			hay[nhay++] = (KamHaystack) {kam_printf(env->arena, " %s ", kam_fold(env->arena, out->request)), 3.0, true};
		for (int i = contact->nactivities - 1, notes = 0; i >= 0 && notes < 2; i--)
			if (contact->activities[i].type == KAM_NOTE || contact->activities[i].type == KAM_MEETING)
			{
				RecentText	text;

				read_text(env->arena, &contact->activities[i], &text);
				if (nhay < KAM_HAYSTACKS)
					hay[nhay++] = (KamHaystack) {padded(env->arena, &text.tokens), 0.8, false};
				notes++;
			}
		for (int i = 0; i < 2; i++)
			if (about[i] != NULL && nhay < KAM_HAYSTACKS)
				hay[nhay++] = (KamHaystack) {kam_printf(env->arena, " %s ", kam_fold(env->arena, about[i])), 0.6, false};
		kam_match_resource(env, in, hay, nhay, out);
	}
}

/* ---- kept for the run ------------------------------------------------------- */

/* The hooks of a run, and what they were found in. */
struct KamKept
{
	KamArena   *arena;			/* the run's: an agent may work in one that is dropped sooner */
	const KamContact *contact;	/* NULL: nothing is kept */
	const KamFacts *facts;
	const json_t *resources;
	KamHooks	hooks;
};

struct KamKept *
kam_kept_new(KamArena *arena)
{
	struct KamKept *kept = KAM_NEW(arena, struct KamKept);

	kept->arena = arena;
	return kept;
}

void
kam_hooks_find(const KamEnv *env, const KamInputs *in, KamHooks *out)
{
	struct KamKept *kept = in->kept;
	KamEnv		own = *env;

	if (kept != NULL && kept->contact == in->contact && kept->facts == in->facts && kept->resources == in->resources)
	{
		*out = kept->hooks;
		return;
	}
	if (kept != NULL)
		own.arena = kept->arena;
	find_hooks(&own, in, out);
	if (kept != NULL)
		*kept = (struct KamKept) {kept->arena, in->contact, in->facts, in->resources, *out};
}
