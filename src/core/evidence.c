/*
 * core/evidence.c: does evidence stand where it says it stands, and the
 * verdict on a claim.
 *
 * Owns paths and quotes, and their repair; the values and names of a claim's
 * text are evidence_values.c's and evidence_names.c's.  All of it only judges:
 * it knows nothing of decisions.  The claim comes from a model, so any JSON
 * may stand anywhere in it.
 */
#include "core/evidence_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/quantity.h"
#include "core/text.h"

#define SHOWN 80				/* bytes of a quote that a message repeats */
#define MOST_REPAIRS 4			/* entries of one claim that are put right */
#define MOST_PIECES 4			/* of a quote that leaves something out */

const char *
kam_verdict_name(KamVerdict verdict)
{
	static const char *const names[] = {"verified", "repaired", "unverified"};

	return names[verdict];
}

/* Nothing but what stands on a keyboard, as most claims: eight bytes at a time. */
static bool
is_plain_ascii(const char *text)
{
	size_t		len = strlen(text),
				i = 0;
	uint64_t	eight;

	for (; i + sizeof eight <= len; i += sizeof eight)
	{
		memcpy(&eight, text + i, sizeof eight);
		/* a high bit, or a byte below 0x20 */
		if (((eight | (eight - UINT64_C(0x2020202020202020))) & UINT64_C(0x8080808080808080)) != 0)
			return false;
	}
	for (; i < len; i++)
		if ((unsigned char) text[i] < 0x20 || (unsigned char) text[i] >= 0x80)
			return false;
	return true;
}

const char *
kam_as_seen(KamArena *arena, const char *text)
{
	if (is_plain_ascii(text))
		return text;
	return kam_plain_forms(arena, kam_without_hidden(arena, text));
}

/* ---- quotes ------------------------------------------------------------- */

static bool
is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

const char *
kam_shown(KamArena *arena, const char *text)
{
	size_t		n = strlen(text);

	if (n <= SHOWN)
		return text;
	for (n = SHOWN; n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80; n--)
		;
	return kam_printf(arena, "%.*s...", (int) n, text);
}

/*
 * The quote without the blanks, quotation marks and ellipses that only frame
 * it; "" when nothing but marks is left.  *cut: which of its ends an ellipsis
 * says to be cut, so that they may lie within a word.
 */
static const char *
unframe(KamArena *arena, const char *quote, unsigned *cut)
{
	const char *squashed = kam_squash(arena, quote);
	size_t		head = strspn(squashed, " .\""),
				n = strlen(squashed);
	unsigned	ends = strstr(kam_strndup(arena, squashed, head), "...") != NULL ? KAM_CUT_BEFORE : 0;
	bool		words = false;

	squashed += head;
	n -= head;
	while (n > 0 && strchr(" .\"", squashed[n - 1]) != NULL)
		n--;
	if (strstr(squashed + n, "...") != NULL)
		ends |= KAM_CUT_BEHIND;
	if (cut != NULL)
		*cut = ends;
	for (size_t i = 0; i < n && !words; i++)
		words = (unsigned char) squashed[i] >= 0x80 || is_word_byte(squashed[i]);
	return words ? kam_strndup(arena, squashed, n) : "";
}

/* What is made of the texts on the way is given back: a contact may be large, and cited often. */
static bool
quote_in_text(KamArena *arena, const char *text, const char *quote, unsigned cut)
{
	KamMark		mark;
	bool		stands;

	if (kam_text_quotes_verbatim(text, quote, cut))
		return true;
	mark = kam_arena_mark(arena);
	stands = kam_text_quotes_verbatim(kam_squash(arena, text), quote, cut) || kam_text_quotes(arena, text, quote, cut);
	kam_arena_rewind(arena, mark);
	return stands;
}

/* A number stands where a quote of it says the same, whatever the spelling: 14400, "14 400". */
static bool
quote_is_number(KamArena *arena, double value, const char *quote)
{
	KamQuantity *said;
	KamQuantity number = {.kind = KAM_QUANTITY_NUMBER, .number = value, .other = value};

	return kam_quantities_find(arena, quote, strlen(quote), &said) == 1 && said->kind != KAM_QUANTITY_DATE &&
		said->kind != KAM_QUANTITY_MONTH && kam_quantity_same(said, &number);
}

/* The scalar in which the quote stands: the value, or the first one inside it; NULL when there is none. */
static const json_t *
quoted_scalar(KamArena *arena, const json_t *value, const char *quote, unsigned cut, int depth)
{
	const char *key;
	const json_t *member,
			   *found = NULL;
	size_t		i;

	if (depth > KAM_CONTACT_DEPTH)
		return NULL;
	switch (json_typeof(value))
	{
		case JSON_STRING:
			return quote_in_text(arena, json_string_value(value), quote, cut) ? value : NULL;
		case JSON_INTEGER:
		case JSON_REAL:
			return quote_is_number(arena, json_number_value(value), quote) ? value : NULL;
		case JSON_TRUE:
			return strcmp(quote, "true") == 0 ? value : NULL;
		case JSON_FALSE:
			return strcmp(quote, "false") == 0 ? value : NULL;
		case JSON_NULL:
			return strcmp(quote, "null") == 0 ? value : NULL;
		case JSON_ARRAY:
			json_array_foreach((json_t *) value, i, member)
				if ((found = quoted_scalar(arena, member, quote, cut, depth + 1)) != NULL)
					return found;
			return NULL;
		case JSON_OBJECT:
			json_object_foreach((json_t *) value, key, member)
				if ((found = quoted_scalar(arena, member, quote, cut, depth + 1)) != NULL)
					return found;
			return NULL;
	}
	return NULL;
}

/* The quote stands there letter by letter, as it mostly does: the rest is for those that do not. */
static bool
stands_verbatim(const json_t *value, const char *quote)
{
	bool		words = false;

	for (const char *p = quote; *p != '\0' && !words; p++)
		words = is_word_byte(*p);
	return words && json_is_string(value) && kam_text_quotes_verbatim(json_string_value(value), quote, 0);
}

/* ---- one entry ------------------------------------------------------------ */

/* One entry of evidence: its path resolves and its quote stands there. */
static const char *
entry_fault(const KamEnv *env, const KamContact *contact, const json_t *entry)
{
	const char *path = kam_get_string(entry, "path");
	const json_t *quote = json_object_get(entry, "quote");
	const json_t *value;
	const char *words;
	unsigned	cut;

	if (path == NULL)
		return "an entry of its evidence has no path";
	value = kam_pointer(contact->json, path);
	if (value == NULL)
		return kam_printf(env->arena, "its path %s leads nowhere in the contact", kam_shown(env->arena, path));
	if (json_is_number(quote) || json_is_boolean(quote))
	{
		if (json_equal(quote, value) || (json_is_number(quote) && json_is_number(value) &&
										 json_number_value(quote) == json_number_value(value)))
			return NULL;
		/* an amount that is written as a text: "5600" */
		if (json_is_number(quote) && json_is_string(value) && quote_is_number(env->arena, json_number_value(quote), json_string_value(value)))
			return NULL;
		return kam_printf(env->arena, "its quote is not the value at %s", kam_shown(env->arena, path));
	}
	if (!json_is_string(quote))
		return kam_printf(env->arena, "its evidence at %s has no quote", kam_shown(env->arena, path));
	if (stands_verbatim(value, json_string_value(quote)))
		return NULL;
	words = unframe(env->arena, json_string_value(quote), &cut);
	if (words[0] == '\0')
		return kam_printf(env->arena, "its evidence at %s quotes nothing", kam_shown(env->arena, path));
	if (quoted_scalar(env->arena, value, words, cut, 0) == NULL)
		return kam_printf(env->arena, "its quote \"%s\" does not stand at %s", kam_shown(env->arena, words), kam_shown(env->arena, path));
	return NULL;
}

/* ---- repair: the one other place -------------------------------------------- */

/* A key as a pointer spells it. */
static const char *
escaped_key(KamArena *arena, const char *key)
{
	char	   *out,
			   *p;

	if (strpbrk(key, "~/") == NULL)
		return key;
	out = p = kam_alloc(arena, strlen(key) * 2 + 1);
	for (; *key != '\0'; key++)
	{
		*p++ = *key == '/' ? '~' : *key;
		if (*key == '~' || *key == '/')
			*p++ = *key == '~' ? '0' : '1';
	}
	return out;
}

const char *
kam_step_pointer(KamArena *arena, const KamStep *step)
{
	if (step == NULL)
		return "";
	return step->key != NULL ? kam_printf(arena, "%s/%s", kam_step_pointer(arena, step->before), escaped_key(arena, step->key))
		: kam_printf(arena, "%s/%zu", kam_step_pointer(arena, step->before), step->index);
}

typedef struct Hunt
{
	KamArena   *arena;
	const char *words;			/* the quote, squashed and without its frame */
	unsigned	cut;
	const char *probe;			/* its longest run of plain letters and digits: without it nothing need be squashed */
	int			found;
	const char *path;			/* of the first one */
} Hunt;

static const char *
longest_run(KamArena *arena, const char *words)
{
	size_t		best = 0,
				most = 0;

	for (size_t i = 0; words[i] != '\0';)
	{
		size_t		n = 0;

		while ((unsigned char) words[i + n] < 0x80 &&
			   ((words[i + n] >= '0' && words[i + n] <= '9') || ((words[i + n] | 0x20) >= 'a' && (words[i + n] | 0x20) <= 'z')))
			n++;
		if (n > most)
		{
			most = n;
			best = i;
		}
		i += n > 0 ? n : 1;
	}
	return kam_strndup(arena, words + best, most);
}

/* Does the quote stand there but for blanks and typographic marks? */
static bool
quoted_as_spelled(KamArena *arena, const char *text, const char *words, unsigned cut)
{
	KamMark		mark;
	bool		stands;

	if (kam_text_quotes_verbatim(text, words, cut))
		return true;
	mark = kam_arena_mark(arena);
	stands = kam_text_quotes_verbatim(kam_squash(arena, text), words, cut);
	kam_arena_rewind(arena, mark);
	return stands;
}

/* Every text of the contact in which the quote stands, until a second one is found. */
static void
hunt(Hunt *h, const json_t *value, const KamStep *at, int depth)
{
	const char *key;
	const json_t *member;
	size_t		i;

	if (depth > KAM_CONTACT_DEPTH || h->found > 1)
		return;
	if (json_is_string(value))
	{
		const char *text = json_string_value(value);

		if (json_string_length(value) < strlen(h->probe) || strstr(text, h->probe) == NULL ||
			!quoted_as_spelled(h->arena, text, h->words, h->cut))
			return;
		if (h->found++ == 0)
			h->path = kam_step_pointer(h->arena, at);
	}
	else if (json_is_array(value))
	{
		json_array_foreach((json_t *) value, i, member)
			hunt(h, member, &(KamStep) {at, NULL, i}, depth + 1);
	}
	else if (json_is_object(value))
	{
		json_object_foreach((json_t *) value, key, member)
			hunt(h, member, &(KamStep) {at, key, 0}, depth + 1);
	}
}

int
kam_quote_places(const KamEnv *env, const KamContact *contact, const char *quote, const char **path)
{
	Hunt		h = {.arena = env->arena};

	h.words = unframe(env->arena, quote, &h.cut);

	h.probe = longest_run(env->arena, h.words);
	*path = NULL;
	if (strlen(h.words) < KAM_QUOTE_TO_FIND || h.probe[0] == '\0')
		return 0;
	hunt(&h, contact->json, NULL, 0);
	/* below a key that no pointer of ours can name it is nowhere */
	if (h.found > 0 && kam_pointer(contact->json, h.path) == NULL)
		return 0;
	*path = h.path;
	return h.found;
}

static json_t *
new_entry(const char *path, const char *quote)
{
	json_t	   *entry = kam_object();

	kam_put(entry, "path", kam_string(path));
	kam_put(entry, "quote", kam_string(quote));
	return entry;
}

/* ---- repair: what a quote leaves out ------------------------------------------ */

/* The next "...", with brackets or without, or NULL; *len is what it takes. */
static char *
next_ellipsis(char *text, size_t *len)
{
	static const char *const marks[] = {"[...]", "(...)", "..."};
	char	   *dots = strstr(text, "...");

	for (size_t i = 0; dots != NULL && i < KAM_LENGTHOF(marks); i++)
	{
		char	   *from = i < 2 && dots > text ? dots - 1 : dots;

		*len = strlen(marks[i]);
		if (strncmp(from, marks[i], *len) == 0)
			return from;
	}
	return NULL;
}

/* The pieces of a quote that leaves something out, unframed; 0 when it does not, or in pieces too small. */
static int
split_quote(KamArena *arena, const char *words, const char *piece[MOST_PIECES])
{
	char	   *rest = kam_strdup(arena, words);
	int			n = 0;

	while (rest != NULL)
	{
		size_t		len = 0;
		char	   *mark = next_ellipsis(rest, &len);

		if (n == MOST_PIECES)
			return 0;
		if (mark != NULL)
			*mark = '\0';
		piece[n] = unframe(arena, rest, NULL);
		if (strlen(piece[n++]) < KAM_PIECE_OF_QUOTE)
			return 0;
		rest = mark != NULL ? mark + len : NULL;
	}
	return n > 1 ? n : 0;
}

/* Where folded words stand among others. */
static const char *
find_words(const char *folded, const char *words)
{
	size_t		n = strlen(words);

	for (const char *at = strstr(folded, words); at != NULL; at = strstr(at + 1, words))
		if ((at == folded || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0') && strncmp(at + n, " not", 4) != 0)
			return at;
	return NULL;
}

/* Do the pieces stand in the text one behind the other? */
static bool
stand_in_order(KamArena *arena, const char *text, const char *const *piece, int n)
{
	const char *folded = kam_fold(arena, text);

	for (int i = 0; i < n; i++)
	{
		const char *words = kam_fold(arena, piece[i]);
		const char *found = words[0] != '\0' ? find_words(folded, words) : NULL;

		if (found == NULL)
			return false;
		folded = found + strlen(words);
	}
	return true;
}

/* Puts an entry right that does not hold, if that can be done: adds what takes its place and says what was done, else NULL. */
static const char *
repair_entry(const KamEnv *env, const KamContact *contact, const json_t *entry, json_t *into)
{
	const char *path = kam_get_string(entry, "path");
	const char *quote = kam_get_string(entry, "quote");
	const json_t *value = path != NULL ? kam_pointer(contact->json, path) : NULL;
	const char *piece[MOST_PIECES];
	const char *words,
			   *place;
	int			n;

	if (quote == NULL)
		return NULL;
	words = unframe(env->arena, quote, NULL);
	if (json_is_string(value) && (n = split_quote(env->arena, words, piece)) > 0 &&
		stand_in_order(env->arena, json_string_value(value), piece, n))
	{
		for (int i = 0; i < n; i++)
			kam_push(into, new_entry(path, piece[i]));
		return kam_printf(env->arena, "its quote at %s leaves words out: its %d parts stand there in that order", kam_shown(env->arena, path), n);
	}
	if (kam_quote_places(env, contact, quote, &place) != 1)
		return NULL;
	kam_push(into, new_entry(place, quote));
	return kam_printf(env->arena, "its quote \"%s\" stands at %s, not at %s", kam_shown(env->arena, words), place,
					  path != NULL ? kam_shown(env->arena, path) : "a place that it names");
}

/* ---- verdicts ------------------------------------------------------------------- */

static const char *
size_fault(const KamEnv *env, const json_t *evidence)
{
	if (json_array_size(evidence) == 0)
		return "the claim has no evidence";
	if (json_array_size(evidence) > KAM_MOST_EVIDENCE)
		return kam_printf(env->arena, "the claim cites more than %d places", KAM_MOST_EVIDENCE);
	return NULL;
}

KamVerdict
kam_evidence_judge(const KamEnv *env, const KamContact *contact, const json_t *evidence,
				   const char **why, json_t **repaired)
{
	const char *fault = size_fault(env, evidence),
			   *done = NULL;
	json_t	   *whole = NULL;
	int			repairs = 0;

	*repaired = NULL;
	for (size_t i = 0; fault == NULL && i < json_array_size(evidence); i++)
	{
		json_t	   *entry = json_array_get(evidence, i);
		const char *wrong = entry_fault(env, contact, entry);

		if (wrong != NULL && whole == NULL)
		{
			whole = kam_array();
			for (size_t k = 0; k < i; k++)
				kam_push(whole, json_incref(json_array_get(evidence, k)));
		}
		if (wrong == NULL && whole != NULL)
			kam_push(whole, json_incref(entry));
		if (wrong == NULL)
			continue;
		done = ++repairs <= MOST_REPAIRS ? repair_entry(env, contact, entry, whole) : NULL;
		fault = done == NULL ? wrong : NULL;
	}
	*why = fault != NULL ? fault : done;
	if (fault != NULL)
	{
		json_decref(whole);
		return KAM_UNVERIFIED;
	}
	*repaired = whole;
	return whole != NULL ? KAM_REPAIRED : KAM_VERIFIED;
}

static const char *
text_fault(const KamEnv *env, const KamContact *contact, const char *text, const json_t *evidence)
{
	const char *fault;

	if (strlen(text) > KAM_LONGEST_CLAIM)
		return kam_printf(env->arena, "the claim is longer than %d bytes", KAM_LONGEST_CLAIM);
	text = kam_as_seen(env->arena, text);
	fault = kam_values_fault(env, contact, text, evidence);
	return fault != NULL ? fault : kam_names_fault(env, contact, text, evidence);
}

static bool
is_blank_text(const char *text)
{
	return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

KamVerdict
kam_claim_judge(const KamEnv *env, const KamContact *contact, const json_t *claim, const char **why, json_t **repaired)
{
	const char *text = kam_get_string(claim, "text");
	const json_t *evidence = kam_get_array(claim, "evidence");
	const char *reason = NULL,
			   *fault;
	json_t	   *whole = NULL;
	KamVerdict	verdict = KAM_UNVERIFIED;

	if (is_blank_text(text))
		reason = "the claim has no text";
	else
		verdict = kam_evidence_judge(env, contact, evidence, &reason, &whole);
	if (verdict != KAM_UNVERIFIED && (fault = text_fault(env, contact, text, whole != NULL ? whole : evidence)) != NULL)
	{
		reason = fault;
		verdict = KAM_UNVERIFIED;
	}
	if (why != NULL)
		*why = verdict == KAM_VERIFIED ? NULL : reason;
	if (repaired != NULL)
		*repaired = NULL;
	if (verdict == KAM_REPAIRED && repaired != NULL)
	{
		*repaired = json_copy((json_t *) claim);
		if (*repaired == NULL)
			kam_out_of_memory();
		kam_put(*repaired, "evidence", whole);
	}
	else
		json_decref(whole);
	return verdict;
}

const char *
kam_evidence_fault(const KamEnv *env, const KamContact *contact, const json_t *evidence)
{
	const char *fault = size_fault(env, evidence);

	for (size_t i = 0; fault == NULL && i < json_array_size(evidence); i++)
		fault = entry_fault(env, contact, json_array_get(evidence, i));
	return fault;
}

const char *
kam_claim_fault(const KamEnv *env, const KamContact *contact, const json_t *claim)
{
	const char *text = kam_get_string(claim, "text");
	const json_t *evidence = kam_get_array(claim, "evidence");
	const char *fault;

	if (is_blank_text(text))
		return "the claim has no text";
	fault = kam_evidence_fault(env, contact, evidence);
	return fault != NULL ? fault : text_fault(env, contact, text, evidence);
}
