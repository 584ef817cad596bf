/*
 * core/mail_tail.c: signatures, disclaimers and the footers of mailings.
 */
#include "core/mail_parts.h"

#include "core/text_chars.h"

static const char *const closings[] = {
	"cordialement", "bien cordialement", "tres cordialement", "cordialement votre", "cdlt", "cdt", "bien a vous", "bien a toi",
	"salutations", "sinceres salutations", "salutations distinguees", "meilleures salutations", "respectueusement", "amicalement", "crdt",
	"sincerement", "bien sincerement", "amities", "a bientot", "bonne journee", "belle journee", "bonne soiree", "bonne fin de journee",
	"excellente journee", "bonne reception", "bon week end", "bonne semaine", "merci", "merci d avance", "merci beaucoup", "merci par avance",
	"au plaisir", "best regards", "kind regards", "regards", "warm regards", "best", "best wishes", "cheers", "thanks",
	"many thanks", "thank you", "thanks in advance", "thanks again", "yours sincerely", "yours faithfully", "sincerely", "all the best",
	"br", "kr", "rgds", "bien respectueusement", "cordiales salutations", "merci et bonne journee", "je vous prie d agreer", "veuillez agreer",
	"veuillez recevoir", "recevez", "dans l attente de votre retour"
};

/* Words that a signature's line does not have and a sentence has. */
static const char sentence_words[] =
	" je j nous on vous tu i we you is are was est sont sera ai avons avez merci que qui ne pas not have has will please si if"
	" me my mes ce c this that ";

#define LONGEST_SENTENCE_WORD 6	/* "please" */

static bool
has_sentence_word(const char *text)
{
	while (*text)
	{
		size_t		n = strcspn(text, " ");
		char		key[12];

		if (n <= LONGEST_SENTENCE_WORD)
		{
			key[0] = ' ';
			memcpy(key + 1, text, n);
			key[n + 1] = ' ';
			key[n + 2] = '\0';
			if (strstr(sentence_words, key))
				return true;
		}
		text += n;
		text += *text == ' ';
	}
	return false;
}

static int
count_words(const char *text)
{
	int			n = *text != '\0';

	for (; *text; text++)
		n += *text == ' ';
	return n;
}

/* Do two letters stand side by side, with a third behind them? */
static bool
holds_pair(const char *s, size_t n, char first, char second)
{
	const char *end = s + n;

	for (const char *p = memchr(s, first, n); p; p = memchr(p + 1, first, (size_t) (end - p - 1)))
		if (end - p > 2 && p[1] == second)
			return true;
	return false;
}

/* A phone number, an address, a link, or parts set off by bars. */
static bool
has_contact_details(const Mail *m, int line)
{
	static const char *const labels[] = {"tel", "t", "mob", "mobile", "m", "port", "portable", "phone", "fax", "office", "direct",
		"web", "site", "email", "mail", "adresse", "siret", "rcs"};
	const Line *l = &m->line[line];
	const char *s = m->body + l->start;
	size_t		n = l->end - l->start;
	char		text[160];
	int			digits = 0,
				others = 0;
	bool		marks = false;

	if (n > 160)
		return false;
	marks = memchr(s, '@', n) != NULL || memchr(s, '|', n) != NULL || holds_pair(s, n, 'w', 'w') || holds_pair(s, n, ':', '/');
	if (!marks)
	{
		for (size_t k = 0; k < n; k++)
			digits += s[k] >= '0' && s[k] <= '9';
		if (digits < 8)
			return false;
	}
	digits = 0;
	mail_fold_line(m, line, text, sizeof text);
	for (const char *p = text; *p; p++)
	{
		digits += *p >= '0' && *p <= '9';
		others += (*p >= 'a' && *p <= 'z') || (unsigned char) *p >= 128;
	}
	if (digits >= 9 && digits > others)
		return true;
	if (BEGINS_ANY(text, labels) && digits >= 8)
		return true;
	if (n < 100 && (memchr(s, '@', n) || strstr(text, "www ") || kam_begins(text, "http") || kam_begins(text, "https")) && count_words(text) <= 10 &&
		!has_sentence_word(text))
		return true;
	return n < 100 && memchr(s, '|', n) && !has_sentence_word(text);
}

/* Could the line stand in a signature? */
static bool
is_signature_line(const Mail *m, int line)
{
	const Line *l = &m->line[line];
	char		last = m->body[l->end - 1];
	char		text[128];

	if (has_contact_details(m, line))
		return true;
	if (l->end - l->start > 80 || last == '?' || last == '!' || last == ':')
		return false;
	mail_fold_line(m, line, text, sizeof text);
	if (kam_begins(text, "ps") || kam_begins(text, "nb") || kam_begins(text, "p s"))
		return false;
	if (has_sentence_word(text))
		return false;
	if (last == '.' && count_words(text) > 3)
		return false;
	return count_words(text) <= 9;
}

/* "Cordialement," alone or with a name behind it. */
static bool
is_closing(const char *text, size_t length)
{
	if (length > 180)
		return false;
	for (size_t k = 0; k < KAM_LENGTHOF(closings); k++)
		if (closings[k][0] == text[0] && kam_begins(text, closings[k]))
		{
			const char *rest = text + strlen(closings[k]);

			if (kam_begins(text, "veuillez") || kam_begins(text, "je vous prie") || kam_begins(text, "recevez"))
				return strstr(text, "salutation") || strstr(text, "sentiment") || strstr(text, "consideration") || strstr(text, "distingu");
			return *rest == '\0' || (count_words(rest + 1) <= 3 && !has_sentence_word(rest + 1));
		}
	return false;
}

static const char *const devices[] = {"envoye de mon", "envoye depuis", "envoye a partir", "envoye avec", "sent from my", "sent from",
	"sent via", "get outlook for", "obtenir outlook", "telecharger outlook", "telechargez outlook", "provenance"};

static bool
is_device_line(const char *text)
{
	return BEGINS_ANY(text, devices);
}

static const char *const disclaimers[] = {"pensez a l environnement", "avant d imprimer", "please consider the environment",
	"think before you print", "n imprimez ce", "confidentiality notice", "avis de confidentialite", "disclaimer", "if you are not the intended",
	"if you have received this", "si vous avez recu ce", "si vous n etes pas le destinataire", "this communication is intended"};

/* Disclaimers only with one of the signs below. */
static const char *const disclaimer_subjects[] = {"ce message", "ce courriel", "ce mail", "cet e mail", "cet email", "le present message",
	"the information", "les informations contenues", "this e mail", "this email", "this message", "the contents of this", "l information contenue",
	"le contenu de ce"};

static bool
is_disclaimer(const char *text)
{
	static const char *const signs[] = {"confiden", "destine", "intended", "privileged", "pieces jointes", "attachments", "destinataire"};

	if (BEGINS_ANY(text, disclaimers))
		return true;
	if (!BEGINS_ANY(text, disclaimer_subjects))
		return false;
	for (size_t k = 0; k < KAM_LENGTHOF(signs); k++)
		if (strstr(text, signs[k]))
			return true;
	return false;
}

static const char *const footer_openers[] = {"si vous ne souhaitez plus recevoir", "si vous ne desirez plus recevoir", "si vous ne voulez plus recevoir",
	"pour ne plus recevoir", "afin de ne plus recevoir", "pour vous desinscrire", "pour vous desabonner", "pour se desinscrire", "pour se desabonner",
	"to unsubscribe", "to stop receiving", "to opt out", "you are receiving this", "you received this", "vous recevez ce", "vous recevez cet",
	"vous avez recu cet", "if you no longer wish", "if you do not wish", "if you don t wish", "if you don t want to receive", "if you would rather not",
	"if you d rather not", "if you prefer not", "if you want to stop receiving", "click here to unsubscribe", "cliquez ici pour vous des",
	"manage your", "manage preferences", "update your preferences", "gerer vos preferences", "gerer mes preferences", "view this email in", "voir la version en ligne",
	"don t want to receive", "no longer want to receive", "vous ne souhaitez plus recevoir", "not interested in these", "reply stop to",
	"repondez stop", "you can unsubscribe", "vous pouvez vous desinscrire", "vous pouvez vous desabonner", "lien de desinscription", "lien de desabonnement"};

static const char *const footer_words[] = {"unsubscribe", "se desabonner", "se desinscrire", "desinscription", "desabonnement", "me desinscrire", "opt out"};

/* The footer of a mailing; "unsubscribe" as somebody's whole answer is none. */
static bool
is_footer(const char *text, const char *raw, size_t length, int lines_before)
{
	if (BEGINS_ANY(text, footer_openers))
		return true;
	if (!BEGINS_ANY(text, footer_words))
		return false;
	return memchr(raw, '|', length) || strstr(text, "http") || strstr(text, " here") || strstr(text, " ici") ||
		(lines_before >= 2 && count_words(text) <= 2 && raw[0] >= 'A' && raw[0] <= 'Z');
}

/* Blank a paragraph from a line on; returns the line behind it. */
static int
cut_paragraph(Mail *m, int line)
{
	int			to = line;

	while (to < m->lines && !mail_line_is_empty(&m->line[to]))
		to++;
	kam_mail_blank_lines(m, line, to);
	return to;
}

/* After a closing: blank what may be a signature, stop at the first line that is text. */
static int
cut_signature(Mail *m, int line, int most)
{
	int			cut = 0;

	for (; line < m->lines && cut < most; line++)
	{
		if (mail_line_is_empty(&m->line[line]))
			continue;
		if (!is_signature_line(m, line))
			break;
		kam_mail_blank_lines(m, line, line + 1);
		cut++;
	}
	return line;
}

/* A paragraph that opens with a name and holds a phone number or the like, below the text. */
static bool
is_signature_paragraph(const Mail *m, int line)
{
	/* the first line turns most paragraphs away */
	if (!is_signature_line(m, line))
		return false;
	for (int k = line; k < m->lines && k < line + 7 && !mail_line_is_empty(&m->line[k]); k++)
		if (has_contact_details(m, k))
			return true;
	return false;
}

/* "-- ", "--", "___": what follows is a signature. */
static bool
is_signature_mark(const char *s, size_t n)
{
	return (n == 2 && memcmp(s, "--", 2) == 0) || (n == 3 && (memcmp(s, "---", 3) == 0 || memcmp(s, "\xE2\x80\x94", 3) == 0)) ||
		(n >= 3 && n < 80 && (*s == '_' || *s == '-' || *s == '*') && (strspn(s, "_") >= n || strspn(s, "-") >= n || strspn(s, "*") >= n));
}

#define FEW_LETTERS ((size_t) 12)	/* bytes */
#define LETTERS 27				/* the last two of three may be none */

/* The place of a text's first three characters in a table; -1 when it begins with no letter. */
static int
opening_of(const char *text)
{
	int			second = text[0] && text[1] >= 'a' && text[1] <= 'z' ? text[1] - 'a' + 1 : 0,
				third = text[0] && text[1] && text[2] >= 'a' && text[2] <= 'z' ? text[2] - 'a' + 1 : 0;

	if (text[0] < 'a' || text[0] > 'z')
		return -1;
	return ((text[0] - 'a' + 1) * LETTERS + second) * LETTERS + third;
}

/* Does the line begin with one of the phrases above?  Spares most lines to be folded and compared as a whole. */
static bool
may_be_cut(const char *raw, size_t length)
{
	static const struct
	{
		const char *const *phrase;
		size_t		count;
	}			tables[] = {
		{closings, KAM_LENGTHOF(closings)}, {devices, KAM_LENGTHOF(devices)}, {disclaimers, KAM_LENGTHOF(disclaimers)},
		{disclaimer_subjects, KAM_LENGTHOF(disclaimer_subjects)}, {footer_openers, KAM_LENGTHOF(footer_openers)},
		{footer_words, KAM_LENGTHOF(footer_words)}
	};
	static uint8_t known[LETTERS * LETTERS * LETTERS];	/* built once; a bit per table */
	static bool built = false;
	char		text[64] = "";
	int			opening;

	if (!built)
	{
		for (size_t k = 0; k < KAM_LENGTHOF(tables); k++)
			for (size_t i = 0; i < tables[k].count; i++)
				known[opening_of(tables[k].phrase[i])] |= (uint8_t) (1 << k);
		built = true;
	}
	/* plain letters need no folding */
	if (length >= 3 && kam_ascii_word[(unsigned char) raw[0]] && kam_ascii_word[(unsigned char) raw[1]] && (unsigned char) raw[2] < 128)
		for (int k = 0; k < 3; k++)
			text[k] = kam_ascii_word[(unsigned char) raw[k]];
	else
		kam_fold_into(text, sizeof text, raw, length < 24 ? length : 24);
	opening = opening_of(text);
	if (opening < 0 || known[opening] == 0)
		return false;
	/* most others part from the phrases within a few letters more */
	if (length > FEW_LETTERS)
	{
		size_t		n = kam_fold_into(text, sizeof text, raw, FEW_LETTERS);
		bool		goes_on = false;

		for (size_t k = 0; k < KAM_LENGTHOF(tables) && !goes_on; k++)
			for (size_t i = 0; known[opening] >> k & 1 && i < tables[k].count && !goes_on; i++)
				goes_on = tables[k].phrase[i][0] == text[0] && strncmp(text, tables[k].phrase[i], strnlen(tables[k].phrase[i], n)) == 0;
		if (!goes_on)
			return false;
	}
	/* the phrases are shorter than this */
	kam_fold_into(text, sizeof text, raw, length);
	for (size_t k = 0; k < KAM_LENGTHOF(tables); k++)
		if (known[opening] >> k & 1 && kam_begins_any(text, tables[k].phrase, tables[k].count))
			return true;
	return false;
}

void
kam_mail_cut_tail(Mail *m)
{
	int			before = 0;		/* lines of text so far */

	for (int k = 0; k < m->lines; k++)
	{
		const Line *l = &m->line[k];
		const char *s = m->body + l->start;
		size_t		n = l->end - l->start;
		char		text[256];

		if (mail_line_is_empty(l))
			continue;
		if (before > 0 && is_signature_mark(s, n))
		{
			bool		dashes = n == 2;

			kam_mail_blank_lines(m, k, k + 1);
			if (dashes)
			{
				kam_mail_blank_lines(m, k, m->lines);
				return;
			}
			k = cut_signature(m, k + 1, 8) - 1;
			continue;
		}
		if (may_be_cut(s, n))
		{
			kam_fold_into(text, sizeof text, s, n);
			if (is_device_line(text))
			{
				kam_mail_blank_lines(m, k, k + 1);
				continue;
			}
			if (is_disclaimer(text) || is_footer(text, s, n, before))
			{
				k = cut_paragraph(m, k) - 1;
				continue;
			}
			if (before > 0 && is_closing(text, n))
			{
				k = cut_signature(m, k + 1, 10) - 1;
				continue;
			}
		}
		if (before > 0 && (k == 0 || mail_line_is_empty(&m->line[k - 1])) && is_signature_paragraph(m, k))
		{
			k = cut_signature(m, k, 10);
			/* a slogan below the address belongs to it */
			k = cut_paragraph(m, k) - 1;
			continue;
		}
		before++;
	}
}
