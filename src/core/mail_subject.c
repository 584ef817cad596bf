/*
 * core/mail_subject.c: what a subject shows: answers, automatic messages.
 */
#include "core/mail_parts.h"

#define LONGEST_PREFIX 6			/* bytes */

const char *
kam_bare_subject(const char *subject, bool *reply)
{
	static const char *const prefixes[] = {"re:", "re :", "re\u00a0:", "r\u00e9:", "r\u00e9\u00a0:", "r\u00e9 :", "r\u00c9p:", "r\u00e9p :", "fwd:", "fw:", "fwd :", "fw :", "tr:",
		"tr :", "tr\u00a0:", "aw:", "wg:", "rv:", "rif:"};
	bool		found;

	*reply = false;
	do
	{
		found = false;
		while (*subject == ' ' || *subject == '\t')
			subject++;
		/* all begin with one of these, and end with a colon */
		if (*subject == '\0' || strchr("rRfFtTaAwW", *subject) == NULL || memchr(subject, ':', strnlen(subject, LONGEST_PREFIX)) == NULL)
			break;
		for (size_t k = 0; k < KAM_LENGTHOF(prefixes) && !found; k++)
			if (strncasecmp(subject, prefixes[k], strlen(prefixes[k])) == 0)
			{
				subject += strlen(prefixes[k]);
				found = *reply = true;
			}
	} while (found);
	return subject;
}

/* Subjects that only machines write; a person's "Re:" in front takes it back. */
bool
kam_subject_is_automatic(const char *subject)
{
	static const char *const openers[] = {"automatic reply", "automatic response", "automatique", "automatic", "automated", "auto", "auto reply", "autoreply", "auto response", "autoresponse", "auto answer", "automated reply",
		"automated response", "reponse automatique", "reponse auto", "reponse d absence", "message d absence", "notification d absence", "avis d absence",
		"absence du bureau", "absent du bureau", "absente du bureau", "out of office", "out of the office", "ooo", "oof", "undeliverable", "undelivered",
		"non delivery", "delivery status notification", "delivery failure", "delivery failed", "delivery delayed", "delivery has failed", "mail delivery", "message delivery", "mail system error",
		"returned mail", "failure notice", "failed delivery", "mail failure", "message not delivered", "message undeliverable", "email delivery failure",
		"warning message delayed", "delayed mail", "non remis", "non distribuable", "non delivre", "non distribue", "echec de remise",
		"echec de la remise", "echec de distribution", "echec de la distribution", "echec de livraison", "echec de l envoi", "echec d envoi", "echec de delivrance", "message non distribue", "message non remis",
		"message non delivre", "remise retardee", "remise differee", "notification d etat de remise", "notification de remise", "notification d echec", "avis de non remise", "avis de non distribution", "avis de non delivrance", "notification de non", "warning could not send", "warning message", "could not deliver", "could not send", "unable to deliver", "message blocked", "message bounced", "bounce", "mail rejected", "rapport de non remise", "retour de courrier",
		"courrier non distribue", "mail non distribue", "accuse de reception", "accuse reception", "confirmation de reception", "accuse de lecture", "lu", "read", "read receipt",
		"delivery receipt", "acknowledgement of receipt", "acknowledgment of receipt", "we have received your", "we received your", "nous avons bien recu votre", "your request has been received",
		"your ticket", "votre ticket", "ticket recu", "ticket created", "ticket received", "new ticket", "case created", "request received", "support request received", "demande enregistree"};
	static const char *const tickets[] = {"ticket", "case", "request", "demande", "incident", "support", "sav"};
	char		text[96];
	bool		reply;
	const char *bare = kam_bare_subject(subject, &reply);

	if (reply)
		return false;
	kam_fold_into(text, sizeof text, bare, strlen(bare));
	if (kam_begins(text, "read") || kam_begins(text, "lu"))
		return strncasecmp(bare, "read:", 5) == 0 || strncasecmp(bare, "lu :", 4) == 0 || strncasecmp(bare, "lu:", 3) == 0 ||
			kam_begins(text, "read receipt");
	if (BEGINS_ANY(text, openers))
		return true;
	/* "Ticket #4821", "[Ticket 4821]", "[#4821]" */
	if (*bare == '[' && strchr(bare, '#') && strchr(bare, ']'))
		return true;
	if (BEGINS_ANY(text, tickets))
	{
		size_t		word = strcspn(text, " ");

		return strchr(bare, '#') != NULL || (text[word] == ' ' && text[word + 1] >= '0' && text[word + 1] <= '9' && *bare == '[') ||
			kam_begins(text, "ticket n") || strstr(bare, "n\u00b0") != NULL;
	}
	return false;
}

/* Subjects that a person away gives to the note that answers for him, and others use too. */
bool
kam_subject_is_absence(const char *subject)
{
	static const char *const openers[] = {"absence", "absent", "absente", "conge", "conges", "en conges", "en conge", "vacances", "en vacances", "away", "on leave",
		"annual leave", "on vacation", "vacation", "on holiday", "holiday", "holidays", "maternity leave", "parental leave", "paternity leave", "leave", "not in the office",
		"fermeture", "en deplacement", "indisponible", "closed", "office closed", "bureau ferme", "pto", "i am away", "i m away", "sick leave", "arret maladie", "conge maternite"};
	char		text[64];
	bool		reply;
	const char *bare = kam_bare_subject(subject, &reply);

	kam_fold_into(text, sizeof text, bare, strlen(bare));
	return !reply && BEGINS_ANY(text, openers);
}
