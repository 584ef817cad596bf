/*
 * core/check_message.c: the guard's rules of the message: channel, wording as
 * generated, questions, language, placeholders, and who is held responsible
 * for a meeting (spec, "Pre-Decision Safety Checks" V15.1 and V15.2).
 */
#include "core/check_internal.h"

#include <string.h>
#include <strings.h>

#include "core/text.h"

#define MESSAGE "/selected_content/message"
#define FEWEST_WORDS_OF_A_LANGUAGE 8	/* shorter messages show none */
#define LONGEST_PLACEHOLDER 40
#define MOST_BLAMES 20			/* of one wording */
#define MOST_PLACEHOLDERS 20	/* looked up in the contact; more need no telling */

/* ---- phrases ------------------------------------------------------------------ */

/* Does a token match one element of n bytes: "word", "stem*", "a|b"?  Runs for every token: no library call. */
static bool
match_word(const KamToken *token, const char *element, size_t n)
{
	const char *end = element + n;

	while (element < end)
	{
		const char *word = token->word;

		while (element < end && *word != '\0' && *element == *word)
		{
			element++;
			word++;
		}
		if (element == end || *element == '|' ? *word == '\0' : *element == '*')
			return true;
		while (element < end && *element++ != '|')
			;
	}
	return false;
}

/* Matches the rest of a pattern at token i; returns its last token, or -1. */
static int
match_rest(const KamTokens *tokens, const char *pattern, int i, int sentence)
{
	size_t		n = strcspn(pattern, " ");
	const char *rest = pattern[n] == ' ' ? pattern + n + 1 : pattern + n;

	if (n == 3 && pattern[0] == '.')
	{
		for (int skip = 0; skip <= pattern[2] - '0'; skip++)
		{
			int			last = match_rest(tokens, rest, i + skip, sentence);

			if (last >= 0)
				return last;
		}
		return -1;
	}
	if (i >= tokens->count || tokens->token[i].sentence != sentence || !match_word(&tokens->token[i], pattern, n))
		return -1;
	return *rest == '\0' ? i : match_rest(tokens, rest, i + 1, sentence);
}

/* The letters with which the alternatives of an element begin, as bits; other characters share bit 0. */
static uint32_t
letter_bit(char c)
{
	return c >= 'a' && c <= 'z' ? UINT32_C(2) << (c - 'a') : 1;
}

static uint32_t
first_letters(const char *element, size_t n)
{
	uint32_t	letters = letter_bit(element[0]);

	for (size_t i = 1; i < n; i++)
		if (element[i - 1] == '|')
			letters |= letter_bit(element[i]);
	return letters;
}

int
kam_phrase_at(const KamTokens *tokens, const char *pattern, int i)
{
	return match_rest(tokens, pattern, i, tokens->token[i].sentence);
}

int
kam_phrase_find(const KamTokens *tokens, const char *pattern, int from, int *last)
{
	size_t		n = strcspn(pattern, " ");
	const char *rest = pattern[n] == ' ' ? pattern + n + 1 : pattern + n;
	uint32_t	letters = first_letters(pattern, n);

	for (int i = from; i < tokens->count; i++)
	{
		if ((letter_bit(tokens->token[i].word[0]) & letters) == 0 || !match_word(&tokens->token[i], pattern, n))
			continue;
		*last = *rest == '\0' ? i : match_rest(tokens, rest, i + 1, tokens->token[i].sentence);
		if (*last >= 0)
			return i;
	}
	*last = -1;
	return -1;
}

const char *
kam_token_text(KamArena *arena, const KamTokens *tokens, int first, int last)
{
	uint32_t	start = tokens->token[first].start;

	return kam_strndup(arena, tokens->source + start, tokens->token[last].end - start);
}

const KamTokens *
kam_guard_tokens(KamGuard *guard)
{
	if (guard->tokens.source == NULL)
		guard->tokens = kam_tokenize(guard->env->arena, guard->message, strnlen(guard->message, KAM_LONGEST_READ));
	return &guard->tokens;
}

/* ---- channel and content --------------------------------------------------------- */

/* The channels that work, as a list; NULL when none does. */
static const char *
working_channels(const KamGuard *guard)
{
	const char *list = NULL;

	for (int i = KAM_NO_CHANNEL + 1; i < KAM_CHANNELS; i++)
		if (guard->facts->channel[i])
			list = list == NULL ? kam_channel_name((KamChannel) i)
				: kam_printf(guard->env->arena, "%s, %s", list, kam_channel_name((KamChannel) i));
	return list;
}

static void
require_channel(KamGuard *guard, KamChannel channel, const char *path)
{
	const char *list;

	if (channel == KAM_NO_CHANNEL || guard->facts->channel[channel])
		return;
	list = working_channels(guard);
	kam_guard_report(guard, path, "%s does not work for this contact; %s%s.", kam_channel_name(channel),
					 list != NULL ? "these do: " : "no channel does", list != NULL ? list : "");
}

void
kam_rule_channel_unavailable(KamGuard *guard)
{
	const json_t *plan = kam_guard_value(guard, "/sequence_instructions/sequence_plan");

	if (guard->sends)
		require_channel(guard, guard->channel, "/selected_channel");
	for (size_t i = 0; i < json_array_size(plan); i++)
	{
		const char *name = kam_get_string(json_array_get(plan, i), "channel");

		if (name != NULL)
			require_channel(guard, kam_channel_from_name(name),
							kam_printf(guard->env->arena, "/sequence_instructions/sequence_plan/%zu/channel", i));
	}
}

const json_t *
kam_generated_for(const json_t *content, KamChannel channel)
{
	const json_t *generated = kam_get_object(content, "generated_content");
	const char *key;
	json_t	   *value;

	if (generated == NULL || channel == KAM_NO_CHANNEL)
		return NULL;
	json_object_foreach((json_t *) generated, key, value)
		if (strcasecmp(key, kam_channel_name(channel)) == 0)
			return kam_get_string(value, "message") != NULL ? value : NULL;
	return NULL;
}

/* Letter by letter; characters that nobody sees have a rule of their own. */
static bool
is_passed_on(const KamGuard *guard, const char *generated, const char *text)
{
	return strcmp(kam_without_hidden(guard->env->arena, generated), kam_without_hidden(guard->env->arena, text)) == 0;
}

void
kam_rule_content_altered(KamGuard *guard)
{
	const char *subject = kam_guard_words(guard, "/selected_content/subject");
	const json_t *generated;

	if (guard->content == NULL || !guard->sends || guard->message == NULL || guard->channel == KAM_NO_CHANNEL)
		return;
	generated = kam_generated_for(guard->content, guard->channel);
	if (generated == NULL)
		kam_guard_report(guard, MESSAGE, "The content generator wrote no message for %s; the message must be its own, unaltered.",
						 kam_channel_name(guard->channel));
	else if (!is_passed_on(guard, kam_get_string(generated, "message"), guard->message))
		kam_guard_report(guard, MESSAGE, "The message is not the content generator's, which must be passed on without alteration.");
	else if (subject != NULL &&
			 (kam_get_string(generated, "subject") == NULL || !is_passed_on(guard, kam_get_string(generated, "subject"), subject)))
		kam_guard_report(guard, "/selected_content/subject", "The subject is not the content generator's, which must be passed on without alteration.");
}

/* ---- placeholders ------------------------------------------------------------------ */

/* Do these words stand in what the contact's data say, so that brackets around them are theirs? */
static bool
stands_in_contact(const KamGuard *guard, const char *text)
{
	const KamContact *c = guard->contact;
	const char *const names[] = {c->full_name, c->first_name, c->last_name, c->job_title, c->company, c->owner};

	for (size_t i = 0; i < KAM_LENGTHOF(names); i++)
		if (names[i] != NULL && strstr(names[i], text) != NULL)
			return true;
	for (int i = 0; i < c->nactivities; i++)
		if ((c->activities[i].subject != NULL && strstr(c->activities[i].subject, text) != NULL) ||
			(c->activities[i].body != NULL && strstr(c->activities[i].body, text) != NULL))
			return true;
	for (int i = 0; i < c->ndeals; i++)
		if (c->deals[i].name != NULL && strstr(c->deals[i].name, text) != NULL)
			return true;
	return false;
}

static bool
is_letter(unsigned char c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c >= 0x80;
}

/* Is what stands between the brackets a field's name: from a letter on letters, digits, blanks and a few marks? */
static bool
is_field_name(const char *text, size_t n)
{
	if (!is_letter((unsigned char) text[0]) || text[n - 1] == ' ')
		return false;
	for (size_t i = 0; i < n; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (!is_letter(c) && !(c >= '0' && c <= '9') && (c == '\0' || strchr(" _.-'/|", c) == NULL))
			return false;
	}
	return true;
}

/* The closing mark, as near as that of a placeholder; NULL when there is none. */
static const char *
find_close(const char *s, const char *mark)
{
	size_t		n = strlen(mark);

	for (int i = 0; i < LONGEST_PLACEHOLDER + 6 && s[i] != '\0'; i++)
		if (strncmp(s + i, mark, n) == 0)
			return s + i;
	return NULL;
}

/*
 * "{{first_name}}", "{name}", "[Name]", "<company>", "%FIRSTNAME%": returns the
 * length of the placeholder at s, or 0.  Links ("[text](url)", "<https://...>")
 * are none.
 */
static size_t
placeholder_at(const char *s)
{
	static const struct
	{
		const char *open,
				   *close;
	}			marks[] = {
		{"{{", "}}"}, {"{", "}"}, {"[[", "]]"}, {"[", "]"}, {"<", ">"}, {"%", "%"}
	};

	for (size_t i = 0; i < KAM_LENGTHOF(marks); i++)
	{
		size_t		open = strlen(marks[i].open);
		const char *close;
		size_t		n;

		if (strncmp(s, marks[i].open, open) != 0 || (close = find_close(s + open, marks[i].close)) == NULL)
			continue;
		n = (size_t) (close - s) - open;
		while (s[0] != '<' && n > 0 && s[open] == ' ')
			open++, n--;
		while (s[0] != '<' && n > 0 && s[open + n - 1] == ' ')
			n--;
		if (n == 0 || n > LONGEST_PLACEHOLDER || !is_field_name(s + open, n))
			continue;
		if (s[0] == '[' && close[strlen(marks[i].close)] == '(')
			continue;
		/* shares are written "50% of 20%" */
		if (s[0] == '%' && strcspn(s + open, " ") < n)
			continue;
		if (s[0] == '<' && (kam_is_tag(s + 1) || strchr(s + open, '/') == s + open || strcspn(s + open, "/") < n))
			continue;
		return (size_t) (close - s) + strlen(marks[i].close);
	}
	return 0;
}

void
kam_rule_placeholder_left(KamGuard *guard)
{
	size_t		n;
	int			told = 0;

	if (!guard->sends || guard->message == NULL)
		return;
	for (const char *s = guard->message; told < MOST_PLACEHOLDERS && *(s += strcspn(s, "{[<%")) != '\0'; s += n > 0 ? n : 1)
	{
		const char *placeholder;

		if ((n = placeholder_at(s)) == 0)
			continue;
		placeholder = kam_strndup(guard->env->arena, s, n);
		told++;
		if (!stands_in_contact(guard, placeholder))
			kam_guard_report(guard, MESSAGE, "The message still holds the placeholder %s.", placeholder);
	}
}

/* ---- questions, language, wording ----------------------------------------------------- */

void
kam_rule_question_count(KamGuard *guard)
{
	int			n;

	if (guard->sends && guard->message != NULL && (n = kam_count_questions(guard->message)) > 1)
		kam_guard_report(guard, MESSAGE, "The message asks %d questions; it may ask one at most.", n);
}

void
kam_rule_language_differs(KamGuard *guard)
{
	const KamTokens *tokens;
	const char *language;

	if (!guard->sends || guard->message == NULL || guard->facts->language == NULL)
		return;
	tokens = kam_guard_tokens(guard);
	language = tokens->count >= FEWEST_WORDS_OF_A_LANGUAGE ? kam_language(tokens) : NULL;
	if (language != NULL && strcmp(language, guard->facts->language) != 0)
		kam_guard_report(guard, MESSAGE, "The message is in %s; the contact's language is %s.", language, guard->facts->language);
}

void
kam_rule_variant_differs(KamGuard *guard)
{
	const char *variant = kam_guard_words(guard, "/selected_content/variant");
	const char *planned = kam_variant_name(guard->plan->variant);
	bool		known = false;

	for (int i = KAM_FIRST_TOUCH; variant != NULL && i <= KAM_BREAK_UP_MESSAGE; i++)
		known |= strcmp(kam_variant_name((KamVariant) i), variant) == 0;
	if (guard->sends && known && planned != NULL && guard->action == (int) guard->plan->action && strcmp(planned, variant) != 0)
		kam_guard_report(guard, "/selected_content/variant", "The wording is %s where the decision tree says %s (%s).",
						 variant, planned, guard->plan->rule);
}

/* ---- meetings --------------------------------------------------------------------------- */

/* Wordings that hold one side responsible for a meeting that did not take place. */
static const struct
{
	const char *side;			/* who is blamed */
	const char *pattern;
}			blames[] = {
	{"them", "vous|tu n ..2 pas ..1 pu ..2 venir|participer|assister|rejoindre|joindre|connecter|liberer|honorer"},
	{"them", "vous|tu n ..2 pas ..1 pu ..1 etre la|present*|disponible*|connecte*|parmi|des|au"},
	{"them", "vous|tu n etiez|etais|etes|es pas ..1 la|present*|disponible*|venu*|connecte*"},
	{"them", "vous|tu n etiez|etais pas ..1 au|a|dans|sur"},
	{"them", "vous|tu ne vous|t etes|es pas ..2 connecte*|presente*|joint*|rendu*|libere*|montre*"},
	{"them", "vous|tu avez|as ..1 manque|rate|loupe|oublie ..1 notre|le|la|l"},
	{"them", "vous|tu avez|as du|pu ..1 oublier|manquer|rater|louper"},
	{"them", "vous|tu etiez|etais ..1 absent*"},
	{"them", "votre|ton absence"},
	{"them", "ne vous|t ..1 avons|ai|a ..1 pas ..1 vu*"},
	{"them", "vous|t ..1 avons|ai attendu*"},
	{"them", "m|nous avez|as ..1 fait|pose faux|attendre|un"},
	{"them", "you ..1 missed our|the|this|that|your"},
	{"them", "you ..1 could|can not ..1 make|join|attend|come|connect"},
	{"them", "you ..1 could|can not ..1 be there|available|present|with|on|at"},
	{"them", "you ..1 did not ..1 make|join|attend|show|come|connect|turn|dial"},
	{"them", "you ..1 were ..1 not ..1 there|able|available|around|at|on|in|present"},
	{"them", "you ..1 were unable to"},
	{"them", "you ..1 were absent"},
	{"them", "you ..1 never ..1 made|joined|attended|showed|came|connected|turned"},
	{"them", "you ..2 forgot|forgotten ..1 our|the|about"},
	{"them", "your absence"},
	{"them", "we|i|sorry missed you"},
	{"them", "we|i ..1 waited for you"},
	{"them", "we|i were|was ..1 waiting for you"},
	{"them", "we|i did not|never see you"},
	{"them", "we|i never saw you"},
	{"them", "you ..1 stood me|us up"},
	{"us", "je|j|nous n ..2 pas ..1 pu ..2 venir|participer|assister|rejoindre|connecter|liberer|disponible|honorer"},
	{"us", "je|j|nous n ..2 pas ..1 pu ..1 etre la|present*|disponible*|connecte*|parmi|des|au"},
	{"us", "je|nous n etais|etions pas ..1 la|present*|disponible*|connecte*"},
	{"us", "je|nous n etais|etions pas ..1 au|a|dans|sur"},
	{"us", "je|nous ne suis|sommes pas ..1 venu*"},
	{"us", "je|nous ne me|nous suis|sommes pas ..2 connecte*|presente*|joint*|rendu*|libere*|montre*"},
	{"us", "j|nous ai|avons ..1 manque|rate|loupe|oublie ..1 notre|le|la|l"},
	{"us", "j|nous etais|etions ..1 absent*"},
	{"us", "vous|t ai|avons|avoir ..1 fait|pose faux|attendre|un"},
	{"us", "mon|notre absence"},
	{"us", "de ne pas avoir pu ..2 venir|participer|assister|rejoindre|connecter|liberer|disponible|honorer|present*"},
	{"us", "d avoir manque|rate|loupe|oublie notre|le|la"},
	{"us", "i|we|sorry ..1 missed our|the meeting|call|demo|appointment|session|slot"},
	{"us", "i|we ..1 could|can not ..1 make|join|attend|come|connect"},
	{"us", "i|we ..1 could|can not ..1 be there|available|present|with|on|at"},
	{"us", "i|we ..1 did not ..1 make|join|attend|show|come|connect|turn|dial"},
	{"us", "i|we ..1 was|were ..1 not able to ..1 make|join|attend|be|connect"},
	{"us", "i|we ..1 was|were not ..1 there|available|present|at|on|in"},
	{"us", "i|we ..1 was|were unable to ..1 make|join|attend|be|connect"},
	{"us", "i|we ..1 was|were absent"},
	{"us", "i|we ..1 never ..1 made|joined|attended|showed|came|connected|turned"},
	{"us", "i|we ..2 forgot|forgotten ..1 our|the|about"},
	{"us", "for not ..1 joining|attending|making|coming|showing|connecting|being"},
	{"us", "kept|keeping you waiting"},
	{"us", "i|we ..1 stood you up"},
	{"us", "for missing our|the ..1 meeting|call|demo|appointment"},
	{"us", "my|our absence"},
};

static const char meetings[] =
	"reunion*|rendez|rdv|visio*|entretien*|appel*|call*|meeting*|demo*|creneau*|point|echange*|session*|appointment*|slot*|"
	"rencontre*|webinaire*|webinar*|absence|presentation*";

static const char missing[] =
	"pas|not|never|missed|missing|unable|absent*|absence|forgot*|waited|waiting|stood|manque*|manquer|rate|rater|loupe|louper|oublie|oublier|"
	"attendu*|attendre|faux|fait|pose";

/* "If you cannot make the meeting" blames nobody. */
static bool
is_supposed(const KamTokens *sentence, int first)
{
	static const char words[] = "if|si|unless|whether|should|sauf";

	for (int i = 0; i < first; i++)
		if (match_word(&sentence->token[i], words, sizeof words - 1))
			return true;
	return false;
}

/* What is wrong with whom one sentence holds responsible. */
static const char *
sentence_fault(const KamEnv *env, const KamFacts *facts, const KamTokens *sentence, const char **quote)
{
	for (size_t i = 0; i < KAM_LENGTHOF(blames); i++)
	{
		bool		them = strcmp(blames[i].side, "them") == 0;
		int			last,
					n = 0;

		for (int first = kam_phrase_find(sentence, blames[i].pattern, 0, &last); first >= 0 && n < MOST_BLAMES;
			 first = kam_phrase_find(sentence, blames[i].pattern, first + 1, &last), n++)
		{
			if (is_supposed(sentence, first))
				continue;
			*quote = kam_token_text(env->arena, sentence, first, last);
			if (!facts->no_show)
				return "no missed meeting is known";
			if (facts->no_show_responsible == NULL && them)
				return "who missed the meeting is not known, so the contact must not be blamed";
			if (facts->no_show_responsible != NULL && strcmp(facts->no_show_responsible, blames[i].side) != 0)
				return them ? "it was we who missed the meeting" : "it was the contact who missed the meeting";
		}
	}
	return NULL;
}

/* Only sentences that speak of a meeting and of missing something: "nous n'avons pas pu être plus clairs" blames nobody. */
const char *
kam_blame_fault(const KamEnv *env, const KamFacts *facts, const KamTokens *tokens, const char **quote)
{
	const char *fault = NULL;
	int			last;

	for (int from = 0, to; from < tokens->count && fault == NULL; from = to)
	{
		KamTokens	sentence = {tokens->source, tokens->token + from, 0};

		for (to = from; to < tokens->count && tokens->token[to].sentence == tokens->token[from].sentence;)
			to++;
		sentence.count = to - from;
		if (kam_phrase_find(&sentence, missing, 0, &last) >= 0 && kam_phrase_find(&sentence, meetings, 0, &last) >= 0)
			fault = sentence_fault(env, facts, &sentence, quote);
	}
	return fault;
}

void
kam_rule_meeting_responsibility(KamGuard *guard)
{
	const char *quote,
			   *fault;

	if (!guard->sends || guard->message == NULL)
		return;
	fault = kam_blame_fault(guard->env, guard->facts, kam_guard_tokens(guard), &quote);
	if (fault != NULL)
		kam_guard_report(guard, MESSAGE, "\"%s\" holds the wrong side responsible: %s.", kam_shorten(guard->env->arena, quote, 120), fault);
}

/* Wordings that take a meeting or call for held. */
static const char *const held_claims[] = {
	"suite a notre|nos ..1 reunion*|rendez|rdv|visio*|entretien*|meeting*|demo*|presentation*|appel*|call*",
	"lors de notre|nos ..1 reunion*|rendez|rdv|visio*|entretien*|meeting*|demo*|presentation*|appel*|call*",
	"apres notre|nos ..1 reunion*|rendez|rdv|visio*|entretien*|meeting*|demo*|presentation*|appel*|call*",
	"depuis notre|nos ..1 reunion*|rendez|rdv|visio*|entretien*|meeting*|demo*|presentation*|appel*|call*",
	"merci pour|de notre|cette|la ..1 reunion*|rendez|rdv|visio*|entretien*|meeting*|demo*|appel*|call*",
	"following|after|since|during|from ..1 our ..1 meeting*|demo*|call*|appointment*|presentation*",
	"thank|thanks ..1 for the|our|your|a ..2 meeting*|demo*|call*",
	"discussed|agreed|saw|mentioned in|during|at|on our ..1 meeting*|demo*|call*",
	"great|good|nice|pleasure ..1 meeting you",
};

/* Words behind the meeting that say it did not take place yet. */
static const char not_held_words[] =
	"annul*|manqu*|rate*|report*|prevu*|planifi*|decal*|a|propos*|cancel*|missed|scheduled|postponed|planned|rescheduled|that";

/* Is any sign of a meeting or call known, be it a note that speaks of one? */
static bool
has_met(const KamGuard *guard)
{
	const KamContact *c = guard->contact;
	static const char nouns[] = "reunion*|rendez|rdv|visio*|entretien*|appel*|call*|meeting*|met|demo*|presentation*|rencontr*|salon";

	if (guard->facts->meeting_last_held != KAM_NO_TIME || guard->facts->demo_at != KAM_NO_TIME)
		return true;
	for (int i = 0; i < c->nactivities; i++)
	{
		const KamActivity *a = &c->activities[i];
		KamTokens	tokens;

		if (a->at > guard->env->as_of)
			continue;
		if (a->type == KAM_CALL)
			return true;
		if (a->type != KAM_NOTE || a->body == NULL)
			continue;
		tokens = kam_tokenize(guard->env->arena, a->body, strlen(a->body));
		for (int k = 0; k < tokens.count; k++)
			if (match_word(&tokens.token[k], nouns, sizeof nouns - 1))
				return true;
	}
	return false;
}

void
kam_rule_meeting_not_held(KamGuard *guard)
{
	const KamTokens *tokens;

	if (!guard->sends || guard->message == NULL)
		return;
	tokens = kam_guard_tokens(guard);
	for (size_t i = 0; i < KAM_LENGTHOF(held_claims); i++)
	{
		int			last;
		int			first = kam_phrase_find(tokens, held_claims[i], 0, &last);
		int			next;

		if (first < 0)
			continue;
		next = last + (strcmp(tokens->token[last].word, "rendez") == 0 ? 2 : 1);
		if (next < tokens->count && tokens->token[next].sentence == tokens->token[last].sentence &&
			match_word(&tokens->token[next], not_held_words, sizeof not_held_words - 1))
			continue;
		if (has_met(guard))
			return;
		kam_guard_report(guard, MESSAGE, "\"%s\" takes a meeting for held, but none is known.",
						 kam_token_text(guard->env->arena, tokens, first, last));
		return;
	}
}
