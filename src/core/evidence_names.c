/*
 * core/evidence_names.c: the names that a claim states.
 *
 * A name is a word that begins with a capital where no sentence begins and is
 * no ordinary one (months, languages, functions, abbreviations of the trade),
 * a word with a capital inside (PayFit), one with letters of another alphabet,
 * or, at the beginning of a sentence, a common first name.  It must stand somewhere in the contact: in its own data,
 * as a deal's, or in any text.  One that stands nowhere is invented.
 *
 * It runs for every claim of the built-in agents as well: what mostly holds is
 * looked at first, and nothing is copied.
 */
#include "core/evidence_internal.h"

#include <string.h>
#include <strings.h>

#include "core/text_chars.h"

#define LONGEST_TITLE 8			/* longer than any of titles[] */
#define LONGEST_NAME 64			/* bytes of a word that are compared */
#define SHORTEST_BEGINNING 5	/* of a name that may begin a longer word of an address: valmont in valmontgroup.example */
#define SHORTEST_PLURAL 4		/* of a name that may stand there with an s */
#define NEAR_ENOUGH 100			/* bytes around a word that are looked at for its address */

/* ---- words --------------------------------------------------------------------- */

typedef struct Word
{
	size_t		start,			/* bytes of the text, [start, end) */
				end;
	char		folded[LONGEST_NAME + 4];
	int			letters;
	bool		capital,		/* begins with one */
				inner,			/* has one behind a small letter */
				foreign,		/* has a letter of another alphabet */
				digit,
				opens;			/* a sentence, a quotation, an item */
} Word;

/* Words that end with a point and do not end a sentence with it. */
static const char titles[] = " m mr mrs ms mme mlle dr pr me st ste vs no ";

/*
 * With a capital where no sentence begins, and no name all the same: calendar,
 * languages and peoples, functions, what sales speaks of, abbreviations.  Folded.
 */
static const char ordinary[] =
	" i am pm ok nb ps re fw fwd fyi asap eod eow eta tbd tbc rdv"
	" monday tuesday wednesday thursday friday saturday sunday lundi mardi mercredi jeudi vendredi samedi dimanche"
	" january february march april may june july august september october november december"
	" janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre easter christmas noel paques toussaint"
	" jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun"
	" french english german spanish italian portuguese dutch belgian swiss british american canadian european chinese japanese polish"
	" francais francaise anglais anglaise allemand allemande espagnol espagnole italien italienne belge suisse europeen europeenne"
	" mr mrs ms mme mlle dr pr madame monsieur maitre sir"
	" crm erp ceo cto cfo coo cmo cio ciso cpo cro cso chro vp svp evp hr it rh dsi drh daf dg dga pdg raf rssi dpo si qhse rse"
	" roi kpi okr api sdk sso"
	" sla nda poc mvp rfp rfi rfq sow po bu bant meddic icp arr mrr tco smb sme pme eti tpe btob btoc saas paas iaas faq pdf csv xml json html sql url sms"
	" vat tva ht ttc eur usd gbp chf gdpr rgpd iso eu ue uk us usa cet cest utc gmt codir comex copil deei ia ai ml llm ux ui rd csm sdr bdr ae"
	" ged mes wms tms plm pim bi etl cdp dmp cms lms hris sirh gmao cao pao fr en iot http https www cgv cgu rib iban"
	" email mail linkedin whatsapp phone sms call teams zoom slack google outlook excel word powerpoint calendar web internet"
	" open won lost cold aware engaged qualified hot warm growing stable declining high medium low none true false null urgent"
	" inbound outbound prospect lead leads contact deal deals opportunity pipeline account crm company client customer team sales marketing finance"
	" procurement purchasing legal operations production quality logistics engineering product support service services human resources"
	" head director manager officer chief president founder owner lead senior junior vice global regional general managing executive partner consultant"
	" engineer buyer assistant directeur directrice responsable chef cheffe president presidente gerant gerante fondateur fondatrice associe associee"
	" ingenieur ingenieure acheteur acheteuse assistante adjoint adjointe commercial commerciale achats achat informatique technique ventes vente qualite"
	" logistique industriel industrielle juridique ressources humaines financier financiere administratif administrative developpement direction projet"
	" module chapter phase step version level tier quarter budget proposal offer quote contract pilot trial demo meeting webinar workshop onboarding"
	" devis offre contrat pilote essai reunion demonstration rendez vous visio atelier proposition salon projets"
	" our us we they she he it the this that these those their his her you your yes no hello hi dear bonjour merci cordialement bonsoir salut"
	" nous vous ils elles elle il je tu le la les un une des ce cette ces son sa ses leur leurs notre nos votre vos oui non et ou mais donc"
	" and or but in on at of for to from by with as is are was were has have had not if when while since before after because so then"
	" north south east west nord sud est ouest internet covid ";

/* First names that begin sentences; those that are words as well stand in neither language's list. */
static const char first_names[] =
	" adam adele adrien agathe agnes alain alan albert alex alexandra alexandre alexis alice aline amandine amelie anais andre andrea andrew anna anne annie"
	" anthony antoine arnaud arthur audrey aurelie aurelien axel barbara baptiste beatrice benedicte benjamin benoit bernard bertrand boris brigitte bruno camille"
	" carine carole caroline catherine cecile cedric celine chantal charles charlotte christelle christian christine christophe clara clement clementine corinne"
	" cyril damien daniel danielle david deborah delphine denis diane didier dominique edouard elena elise elisabeth elizabeth elodie emilie emily emma emmanuel"
	" eric estelle ethan etienne eva fabien fabrice fanny florence florian francis francois francoise frank frederic gabriel gael gaelle gautier genevieve georges"
	" gerard gilles gregoire gregory guillaume gustave helene henri herve hugo hugues ines irene isabelle jacqueline jacques james jason jean jeanne jennifer jeremie"
	" jeremy jerome jessica joanna joel john jonathan joseph josephine joshua juan julia julian julie julien juliette justine karim karine kate katherine kevin"
	" laetitia laura laure laurence laurent lea leo leon leonard lionel lisa loic louis louise luc lucas lucie lucien ludovic manon manuel marc marcel marguerite"
	" maria marianne marie marina marine marion marius martin martine mathias mathieu mathilde matthew matthieu maud maurice maxime melanie michael michel michelle"
	" mireille mohamed morgane muriel mylene nadia nadine natacha nathalie nicolas nicole noemie olivia olivier oscar pascal pascale patrice patricia patrick paul"
	" pauline peter philippe pierre quentin rachel raphael raymond rebecca regis remi renaud rene richard robert robin rodolphe roger romain ronan roxane samuel"
	" sandra sandrine sarah sebastien serge severine simon solene sonia sophie stefan stephane stephanie steven susan sylvain sylvie tanguy thibault thibaut thierry"
	" thomas timothy tom tristan valentin valentine valerie vanessa veronique victor victoria vincent virginie vivien william xavier yann yannick yves yvonne yasmine zoe ";

static bool
listed(const char *list, const char *word)
{
	char		key[LONGEST_NAME + 8];
	size_t		n = strlen(word);

	key[0] = ' ';
	memcpy(key + 1, word, n);
	memcpy(key + 1 + n, " ", 2);
	return strstr(list, key) != NULL;
}

/* Reads the word that begins here. */
static void
read_word(const char *text, size_t len, size_t at, Word *word)
{
	size_t		n = 0;
	bool		small = false;

	word->letters = 0;
	word->capital = word->inner = word->foreign = word->digit = word->opens = false;
	word->start = at;
	while (at < len)
	{
		Char		ch = read_char((const unsigned char *) text + at, len - at);

		if (ch.kind != CHAR_LETTER && ch.kind != CHAR_DIGIT && ch.kind != CHAR_IGNORED)
			break;
		if (ch.kind == CHAR_LETTER)
		{
			word->capital |= ch.capital && word->letters == 0 && !word->digit;
			word->inner |= ch.capital && small;
			small = !ch.capital;
			word->foreign |= ch.nfold == 0;
			word->letters++;
		}
		word->digit |= ch.kind == CHAR_DIGIT;
		if (ch.kind != CHAR_IGNORED && n + 4 < LONGEST_NAME)
		{
			if (ch.nfold > 0)
				for (int k = 0; k < ch.nfold; k++)
					word->folded[n++] = ch.fold[k];
			else
				for (int k = 0; k < ch.bytes; k++)
					word->folded[n++] = text[at + (size_t) k];
		}
		at += ch.bytes;
	}
	word->folded[n] = '\0';
	word->end = at;
}

/* What stands between two words: does a sentence, a quotation or an item begin behind it? */
static bool
opens_sentence(const char *text, size_t from, size_t to, const Word *before)
{
	bool		blank = false;

	if (before->end == 0)
		return true;
	for (size_t i = from; i < to;)
	{
		Char		ch = read_char((const unsigned char *) text + i, to - i);
		char		c = text[i];

		if (ch.kind == CHAR_QUESTION || ch.kind == CHAR_QUOTE || ch.kind == CHAR_NEWLINE || c == '!' || c == ':' || c == ';' || c == '"' ||
			c == '(' || c == '[' || c == '{' || c == '/' || c == '|' || c == '*' || c == '<' || c == '>' || c == '=')
			return true;
		/* a quotation in plain apostrophes, a dash */
		if ((c == '\'' || c == '-' || ch.kind == CHAR_DASH || ch.kind == CHAR_CLAUSE) && blank && c != ',')
			return true;
		if (ch.kind == CHAR_STOP || c == '.')
			return before->letters > 1 && !listed(titles, before->folded);
		blank |= ch.kind == CHAR_SPACE;
		i += ch.bytes;
	}
	return false;
}

/* ---- what the contact knows ------------------------------------------------------- */

/* Does the word around "at" belong to an address: has it an "@", or a point between letters? */
static bool
in_address(const char *text, size_t len, size_t at)
{
	size_t		from = at,
				to = at;

	while (from > 0 && at - from < NEAR_ENOUGH && (unsigned char) text[from - 1] > ' ')
		from--;
	while (to < len && to - at < NEAR_ENOUGH && (unsigned char) text[to] > ' ')
		to++;
	for (size_t i = from; i + 1 < to; i++)
		if (text[i] == '@' || (text[i] == '.' && i > from && kam_ascii_word[(unsigned char) text[i - 1]] && kam_ascii_word[(unsigned char) text[i + 1]]))
			return true;
	return false;
}

/* May a longer word of the text be meant, of which "at" is the first byte beyond the name: its plural, or one of an address? */
static bool
may_go_on(const char *text, size_t len, size_t at, size_t length)
{
	Char		after;

	if (text[at] == 's' && length >= SHORTEST_PLURAL)
	{
		after = at + 1 < len ? read_char((const unsigned char *) text + at + 1, len - at - 1) : (Char) {CHAR_SPACE, 1, 0, false, {0, 0}};
		if (after.kind != CHAR_LETTER && after.kind != CHAR_DIGIT)
			return true;
	}
	return length >= SHORTEST_BEGINNING && in_address(text, len, at);
}

/* Does the folded word stand in the text, as a word or, when it is long, as the beginning of one in an address? */
static bool
stands_in(const char *text, size_t len, const char *folded)
{
	const unsigned char *s = (const unsigned char *) text;
	size_t		want = strlen(folded);
	bool		inside = false;

	for (size_t i = 0; i < len;)
	{
		Char		ch = read_char(s + i, len - i);
		bool		word = ch.kind == CHAR_LETTER || ch.kind == CHAR_DIGIT;
		char		first = ch.nfold > 0 ? ch.fold[0] : text[i];

		if (word && !inside && first == folded[0])
		{
			size_t		at = i,
						n = 0;
			bool		same = true;

			while (same && n < want && at < len)
			{
				Char		next = read_char(s + at, len - at);
				const char *spelling = next.nfold > 0 ? next.fold : text + at;
				size_t		size = next.nfold > 0 ? next.nfold : next.bytes;

				if (next.kind != CHAR_IGNORED)
				{
					same = (next.kind == CHAR_LETTER || next.kind == CHAR_DIGIT) && n + size <= want && memcmp(spelling, folded + n, size) == 0;
					n += size;
				}
				at += next.bytes;
			}
			if (same && n == want)
			{
				Char		after = at < len ? read_char(s + at, len - at) : (Char) {CHAR_SPACE, 1, 0, false, {0, 0}};

				if ((after.kind != CHAR_LETTER && after.kind != CHAR_DIGIT) || may_go_on(text, len, at, want))
					return true;
			}
		}
		if (ch.kind != CHAR_IGNORED)
			inside = word;
		i += ch.bytes;
	}
	return false;
}

static bool
in_string(const char *text, const char *folded)
{
	return text != NULL && stands_in(text, strlen(text), folded);
}

static bool
in_value(const json_t *value, const char *folded, int depth)
{
	const char *key;
	const json_t *member;
	size_t		i;

	if (value == NULL || depth > KAM_CONTACT_DEPTH)
		return false;
	if (json_is_string(value))
		return stands_in(json_string_value(value), json_string_length(value), folded);
	if (json_is_array(value))
	{
		json_array_foreach((json_t *) value, i, member)
			if (in_value(member, folded, depth + 1))
				return true;
	}
	else if (json_is_object(value))
	{
		json_object_foreach((json_t *) value, key, member)
			if (in_value(member, folded, depth + 1))
				return true;
	}
	return false;
}

/* The people and companies first, then what is cited, then everything. */
static bool
is_known(const KamContact *contact, const json_t *evidence, const char *folded)
{
	const char *const own[] = {contact->full_name, contact->first_name, contact->last_name, contact->company, contact->owner, contact->job_title,
	contact->email, contact->zone.name};

	for (size_t i = 0; i < KAM_LENGTHOF(own); i++)
		if (in_string(own[i], folded))
			return true;
	for (int i = 0; i < contact->ndeals; i++)
		if (in_string(contact->deals[i].name, folded))
			return true;
	for (size_t i = 0; i < json_array_size(evidence); i++)
		if (in_value(kam_pointer(contact->json, kam_get_string(json_array_get(evidence, i), "path")), folded, 0))
			return true;
	return in_value(contact->json, folded, 0);
}

static bool
looks_like_name(const Word *word)
{
	if (word->foreign)
		return true;
	if (!word->capital || word->digit || word->letters < 2)
		return false;
	if (word->inner)
		return true;
	return !word->opens || listed(first_names, word->folded);
}

/* A word of small plain letters, as most are, which is no name: of it only its end and what titles[] asks matters. */
static bool
read_small_word(const char *text, size_t len, size_t at, Word *word)
{
	size_t		end = at,
				n;

	while (end < len && text[end] >= 'a' && text[end] <= 'z')
		end++;
	if (end == at || (end < len && ((unsigned char) text[end] >= 0x80 || kam_ascii_word[(unsigned char) text[end]])))
		return false;
	n = end - at < LONGEST_TITLE ? end - at : LONGEST_TITLE;
	memcpy(word->folded, text + at, n);
	word->folded[n] = '\0';
	word->letters = (int) (end - at);
	word->end = end;
	return true;
}

const char *
kam_names_fault(const KamEnv *env, const KamContact *contact, const char *text, const json_t *evidence)
{
	size_t		len = strlen(text);
	Word		before = {0};

	for (size_t at = 0; at < len;)
	{
		Char		ch;
		Word		word;

		if (read_small_word(text, len, at, &before))
		{
			at = before.end;
			continue;
		}
		ch = read_char((const unsigned char *) text + at, len - at);
		if (ch.kind != CHAR_LETTER && ch.kind != CHAR_DIGIT)
		{
			at += ch.bytes;
			continue;
		}
		read_word(text, len, at, &word);
		if (word.capital)
			word.opens = opens_sentence(text, before.end, at, &before);
		at = word.end;
		if (looks_like_name(&word) && !listed(ordinary, word.folded) && !is_known(contact, evidence, word.folded))
			return kam_printf(env->arena, "the name \"%.*s\" in its text stands nowhere in the contact",
							  (int) (word.end - word.start), text + word.start);
		before = word;
	}
	return NULL;
}
