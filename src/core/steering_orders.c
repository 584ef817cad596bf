/*
 * core/steering_orders.c: wordings that address a program, or give orders about
 * our workflow that a contact has no business to give.
 *
 * A pattern is what kam_phrase_find reads: words of one sentence, "a|b",
 * "stem*", "..5" for up to five words between.  Markup is looked for as it
 * stands, in small letters.
 */
#include "core/steering_internal.h"

#include <string.h>

static const char *const patterns[] = {
	/* set aside what holds */
	"ignor*|disregard*|forget|bypass*|overrid*|overrul*|neglect* ..5 instruction*|rule*|prompt*|guideline*|polic*|directive*|constraint*|guardrail*|safety|order*|previous|prior|above|facts|tree",
	"ignor*|oubli*|neglig*|contourn*|outrepass*|outre|abstraction|compte ..6 instruction*|consigne*|regle*|prompt*|directive*|precedent*|ordre*|contrainte*|garde|arbre|faits",
	"new|updated|real|actual|following|hidden|secret|final|priority ..1 instruction*|directive*|rules|objective*|orders",
	"nouvelle*|vraie*|veritable*|suivante*|prioritaire*|secrete*|nouveau*|nouvel ..1 instruction*|consigne*|directive*|regle*|objectif*",
	"instruction*|consigne*|directive*|regle* ..2 nouvelle*|prioritaire*|secrete*|suivante*|systeme|cachee*",
	"end|fin|start|begin*|debut ..3 instruction*|prompt|system|context|contexte|data|donnees|untrusted",
	/* who is spoken to */
	"system|developer|hidden|initial|original|secret|internal ..1 prompt*|instruction*|mode|override*|note",
	"system|developer|hidden|secret message*",
	"prompt*|note|mode|instruction* ..1 systeme|developpeur|maintenance|debug|administrateur|admin",
	"developer|debug|admin|god|maintenance|unrestricted|jailbreak* ..0 mode|access",
	"you ..1 are|re ..2 now ..2 a|an|the|in|my|free|no|unrestricted",
	"from now on ..1 you|your|always|all|every",
	"tu|vous ..1 es|etes ..1 maintenant|desormais|dorenavant",
	"a partir de maintenant ..1 tu|vous|toutes|tous",
	"desormais|dorenavant ..1 tu|vous ..2 es|etes|dois|devez|reponds|repondez|agis|agissez",
	"act|behave|respond|answer ..1 as ..1 a|an|if|the|our ..3 assistant|agent*|system|admin*|manager|attacker|ai|bot|model",
	"agis|agissez|comporte*|reponds|repondez ..2 comme ..2 un|une|si|le|la",
	"pretend|simulate ..1 to|that|you|an|a",
	"roleplay|dan ..1 play|mode|an|answers",
	"ai|ia|assistant*|agent*|model*|bot ..1 without|sans ..1 rule*|restriction*|limit*|filter*|regle*|filtre*",
	"ai|llm|gpt|chatgpt|claude|copilot|gemini|mistral|robot|chatbot ..2 assistant*|agent*|model*|reader*|reviewer*|evaluator*|system|reading|processing|that|must|should|please|you",
	"assistant*|agent*|modele*|robot*|systeme ..1 ia|ai|virtuel*|automati*|llm|commercial*|de ..2 qui|tu|vous|lis|lisez|lisant|doit|doivent|dois",
	"note|attention|message|instruction*|consigne*|memo|ordre|to|for|dear|hello|bonjour|cher|chere|pour|au|aux|aux ..2 ia|llm|llms|bot|bots|chatbot|robot|robots|algorithm*|orchestrat*|evaluator*|evaluateur*|synthesis|agents",
	"note|attention|instruction*|to|for|dear|hello|hi|hey|the|any|this ..1 ai|ais",
	"note|attention|instruction*|consigne*|memo|ordre|message ..3 assistant*",
	"as|en ..3 ai|ia|llm|language ..2 model|modele|assistant|agent|you|tu|vous",
	"language|langage|foundation ..1 model|modele",
	"modele* ..1 langage",
	"if|si ..1 you|vous|tu ..1 are|etes|es ..3 ai|ia|llm|bot|robot|modele|model|assistant*|machine|program*",
	"model*|modele*|agent*|assistant*|system|systeme|program*|automation|bot|ia|ai|crm|workflow ..3 reading|reads|lisant|lit|lisent|traite*|traitant|analys*|processing|processes|parsing|summari*|resum*",
	"prompt ..1 injection|systeme|system|initial|complet|above|itself",
	"jailbreak*|dan mode",
	/* what is to be given away */
	"reveal|print|repeat|output|display|disclose|dump|leak|exfiltrate|affich*|revel*|repet*|recopi*|divulgu*|imprim* ..6 prompt*|instruction*|consigne*|rules|regles|api|key|keys|cle|cles|token*|password*|secret*|passe|database|confidential|confidentiel*",
	"send|give|show|forward|email|tell|envo*|donn*|transmet*|communiqu* ..4 your|votre|vos|tes|ton|the|all|toutes|les|la|cle ..3 prompt*|api|key|keys|cle|cles|password*|token*|credential*|secret*|passe|database|instructions|consignes",
	"send|forward|export|envo*|transf*|export* ..4 all|every|entire|whole|toute*|tous|ensemble|integralite ..4 contacts|customers|clients|prospects|leads|data|donnees|history|historique|list|liste|base|crm",
	/* what a decision is made of */
	"action|channel|canal|recipient|destinataire|status|statut|strength|score|priority|priorite|confidence|urgency|urgence|decision|verdict|stage ..2 to|is|must|should|set|est|doit|sera|a|egal*|equals|becomes|devient ..2 be|etre|mettre|wait|send|no|break|won|lost|hot|high|max*|whatsapp|linkedin|email|phone|1|10|100|gagne*",
	"set|change|switch|override|force|update|select|choose|use|route|overwrite ..3 action|channel|recipient*|to address|reply to|status|stage|score|strength|priority|confidence|urgency|verdict",
	"chang*|modifi*|remplac*|forc*|bascul*|redirig*|selectionn*|choisi*|mets|mettez|passe|passez ..4 action|canal|destinataire*|adresse|statut|etape|score|priorite|confiance|urgence|verdict",
	"replace|change|switch|redirect|remplac*|redirig*|substitu* ..5 recipient*|destinataire*|link*|lien*|url*|address*|adresse*|channel*|canal|signature",
	"mark|set|flag|classify|move|close|log|record|marqu*|class*|clotur*|enregistr*|considere* ..7 won|gagne*|lost|perdu*|signe*|signed|qualified|qualifie*|hot|chaud*|closed|approved|opted|optin|consent*",
	"opt|subscribe|enrol|enroll|inscri*|abonn* ..4 everyone|everybody|all|others|colleague*|team|tous|toute|toutes|collegue*|equipe|autres",
	"unsubscribe|remove|suppress|delete|opt|desabonn*|desinscri*|supprim*|retir*|efface* ..4 everyone|everybody|all|every|entire|tous|toute|toutes|ensemble",
	"send|forward|email|write|message|contact|copy|cc|bcc|invite|envo*|transf*|ecri*|contact*|adress*|invit* ..5 everyone|everybody|every|all|tous|toutes|chaque|ensemble ..4 contact*|customer*|client*|prospect*|lead*|colleague*|collegue*|employe*|salarie*|team|equipe|entreprise|company|address*|adresse*|list*|base|competitor*|concurrent*",
	"instead|rather|plutot|lieu ..2 of|to|que|de|du ..4 contact|prospect|destinataire|recipient|usual|habituel*|this|ce",
	"no_action|send_message|break_up|selected_channel|final_decision|execute_at|opportunity_strength|retry_instructions|primary_channel",
	/* checks that are to be passed over, and by whose word */
	"without|skip*|no|bypass*|before|not ..3 validation|approval|human|review|guard|check*|supervision",
	"sans|aucune|inutile|passer|besoin ..4 validation|relecture|approbation|controle|humain*|verification",
	"your|votre|ton|sales|commercial* ..2 manager|director|directeur|directrice|boss|patron|patronne|hierarchie|superieur*|supervisor|ceo|pdg|dg|management|administrator|administrateur",
	"approved|authorized|authorised|validated ..2 by|from ..3 manager|management|security|admin*|compliance|system",
	"approuv*|valid*|autoris* ..3 par ..4 manager|management|securite|admin*|systeme|hierarchie",
	"pre ..0 approved|authorized|authorised|validated|autorise*|approuve*|valide*",
	"do not|never|ne ..3 tell|inform|mention|alert|notify|dis*|dites|mentionn*|prevenez|previens|alert*|signal* ..4 owner|user|human|manager|sales|anyone|personne|proprietaire|commercial*|equipe|utilisateur|validat*",
	/* money */
	"new|updated|changed|change*|modif*|nouveau*|nouvel|nouvelle*|different* ..4 iban|rib|bank|bancaire*|beneficiary|beneficiaire|wallet",
	"iban|bank|bancaire*|rib ..5 change*|new|updated|nouveau*|nouvelle*|modif*|remplac*|desormais|now",
	"pay|wire|transfer|deposit|settle|pai*|vir*|regl*|vers* ..8 iban|account|wallet|bitcoin|crypto|btc|rib|compte",
	"bitcoin|gift ..0 card*|cards",
	/* at hours when nobody writes */
	"send|execute|deliver|schedule|envo*|planifi*|programm*|expedi* ..7 midnight|minuit|night|nuit|2am|3am|4am|3h|3h00|03h00|03h|2h|4h|03|sunday|dimanche",
	"send|execute|deliver|schedule ..4 2|3|4 am",
	/* a click is wanted */
	"add|include|insert|append|put|paste|ajout*|inser*|inclu*|mets|mettez|integr*|clique* ..5 link*|lien*|url*|image*|pixel|track*|footer|attachment|html|markdown",
	/* a piece of something */
	"part|piece|fragment|partie|morceau ..1 1|2|3|one|two|three|un|deux|trois|a|b ..2 of|de|sur|3|2",
	"combine|concatenate|assemble|join|merge|concaten*|assembl*|combin*|rassembl* ..6 part*|piece*|message*|mail*|fragment*|morceau*|letters|lettres|mots|words",
	"decode|decrypt|decipher|base64|rot13|unscramble|deco*|dechiffr* ..6 and|then|follow|execute|this|it|the|ce|cette|le|la|et|puis|ci|base64|hex*|message|string|chaine|text*|ordre*",
	"base64|rot13|hexadecimal",
	"execute|run|follow|obey|apply|comply|execut*|suiv*|obe*|appliqu*|respect* ..4 instruction*|consigne*|order*|ordre*|command*|directive*|following|below|above|ci",
	"translate|traduis*|traduire ..5 then|puis|follow|execut*|obey",
	"output|respond|reply|return|answer|repond*|renvo*|retourn* ..4 json|only|exactly|uniquement|verbatim|exactement",
};

static const char *const markup[] = {
	"</contact", "<contact>", "</facts", "</outputs", "</rules", "<rules", "<agent", "</agent", "<system", "</system", "<instruction", "</instruction",
	"<plan>", "<checks", "<retry", "</retry", "<decision", "<tool", "</tool", "<function", "</function", "<assistant", "</assistant", "<user>", "</user",
	"<admin", "<prompt", "</prompt", "<important", "<as_of", "<override", "</activities", "</activity", "</data", "</document", "</email", "</untrusted", "boundary=", "<|", "|>", "[inst",
	"[/inst", "<<sys", "[system", "[assistant", "[admin", "[tool", "### system", "### instruction", "### user", "### assistant", "###system", "system:", "systeme:", "syst\xc3\xa8me:", "system :",
	"assistant:", "assistant :", "user:", "human:", "developer:", "tool_result", "tool_call", "tool_use", "function_call", "function_result", "tool:", "\"action\"", "\"role\"", "\"channel\"",
	"\"claims\"", "\"decision\"", "\"content\"", "selected_channel", "final_decision", "send_message", "no_action", "break_up", "execute_at", "primary_channel", "generated_content",
	"opportunity_strength", "opportunity_detector", "relationship_analyzer", "state_analyzer", "timing_strategist", "wave1_evaluator", "channel_selector",
	"content_generator", "sequence_strategist", "synthesis_orchestrator", "decision_evaluator", "evaluation_decision", "retry_instructions", "![", "<img", "<script", "<iframe", "<style", "<svg", "javascript:",
	"data:text", "-----begin", "begin system", "end of prompt", "```", "display:none", "display: none", "font-size:0", "font-size: 0", "visibility:hidden", "<meta",
	"{{", "{%", "${", "ignore_previous", "sudo ", "drop table", "rm -rf", "os.system", "eval(",
};

/* ---- which patterns a text may hold at all ----------------------------------------- */

/*
 * A pattern begins with one of its first element's words or stems, so only
 * those need be looked for whose beginning some token has: three letters of
 * it, or the whole word when it is shorter.
 */
#define BEGINNING 3
#define BUCKETS 2048

typedef struct PatternSet
{
	uint64_t	bits[2];
} PatternSet;

_Static_assert(KAM_LENGTHOF(patterns) <= 128, "patterns must fit the set");

static PatternSet beginnings[BUCKETS];
static bool indexed = false;

/* A bit per beginning that some pattern has: most words of a text have none, and their bucket is not looked at. */
#define LETTERS 28				/* none, a to z, anything else */
static uint64_t begun[(LETTERS * LETTERS * LETTERS + 63) / 64];

static unsigned
beginning_of(const char *word, size_t len)
{
	unsigned	at = 0;

	for (size_t i = 0; i < BEGINNING; i++)
		at = at * LETTERS + (i >= len ? 0 : word[i] >= 'a' && word[i] <= 'z' ? (unsigned) (word[i] - 'a') + 1 : LETTERS - 1);
	return at;
}

static unsigned
bucket_of(const char *word, size_t len)
{
	unsigned	hash = 0;

	for (size_t i = 0; i < len && i < BEGINNING; i++)
		hash = hash * 131 + (unsigned char) word[i];
	return hash % BUCKETS;
}

static void
index_patterns(void)
{
	for (size_t i = 0; i < KAM_LENGTHOF(patterns); i++)
	{
		const char *word = patterns[i];
		const char *end = word + strcspn(word, " ");

		while (word < end)
		{
			size_t		len = strcspn(word, "|* ");

			beginnings[bucket_of(word, len)].bits[i / 64] |= UINT64_C(1) << (i % 64);
			begun[beginning_of(word, len) / 64] |= UINT64_C(1) << (beginning_of(word, len) % 64);
			word += strcspn(word, "| ");
			word += *word == '|';
		}
	}
	indexed = true;
}

/* Of several the pattern that stands first. */
const char *
kam_steering_order(KamArena *arena, const KamTokens *tokens)
{
	int			best = KAM_LENGTHOF(patterns),
				first = 0,
				last = 0;

	if (!indexed)
		index_patterns();
	for (int i = 0; i < tokens->count; i++)
	{
		const KamToken *token = &tokens->token[i];
		unsigned	beginning = beginning_of(token->word, token->length);
		const PatternSet *set;

		if (!(begun[beginning / 64] >> (beginning % 64) & 1))
			continue;
		set = &beginnings[bucket_of(token->word, token->length)];
		for (int k = 0; k < 2; k++)
			for (uint64_t left = set->bits[k]; left != 0; left &= left - 1)
			{
				int			pattern = k * 64 + __builtin_ctzll(left),
							end;

				if (pattern >= best || (end = kam_phrase_at(tokens, patterns[pattern], i)) < 0)
					continue;
				best = pattern;
				first = i;
				last = end;
			}
	}
	return best < (int) KAM_LENGTHOF(patterns) ? kam_token_text(arena, tokens, first, last) : NULL;
}

/* ---- markup ------------------------------------------------------------------------ */

/* The pieces of markup by their first two bytes, so that a text is gone through once. */
static uint8_t opens[65536];	/* the first of them + 1 */
static uint8_t next_of[KAM_LENGTHOF(markup)];	/* the next that opens alike + 1 */

_Static_assert(KAM_LENGTHOF(markup) < 255, "markup must fit a byte");

static unsigned
opening_of(const char *s)
{
	return (unsigned) (unsigned char) s[0] << 8 | (unsigned char) s[1];
}

static void
index_markup(void)
{
	for (size_t i = KAM_LENGTHOF(markup); i-- > 0;)
	{
		next_of[i] = opens[opening_of(markup[i])];
		opens[opening_of(markup[i])] = (uint8_t) (i + 1);
	}
}

/* Of several the piece that stands first in the table. */
const char *
kam_steering_markup(KamArena *arena, const char *lower)
{
	static bool markup_indexed = false;
	size_t		best = KAM_LENGTHOF(markup);
	const char *found = NULL;

	if (!markup_indexed)
		index_markup();
	markup_indexed = true;
	for (const char *at = lower; *at != '\0'; at++)
		for (size_t i = opens[opening_of(at)]; i > 0 && i <= best; i = next_of[i - 1])
			if (strncmp(at, markup[i - 1], strlen(markup[i - 1])) == 0)
			{
				best = i - 1;
				found = at;
				break;
			}
	if (found != NULL)
		return kam_shorten(arena, found, 60);
	/* a comment hides what stands in it; those that mail programs put there do not */
	for (const char *at = strstr(lower, "<!--"); at != NULL; at = strstr(at + 1, "<!--"))
		if (strncmp(at, "<!--[if", 7) != 0 && strncmp(at, "<!-- [if", 8) != 0 && strncmp(at, "<!--[endif", 10) != 0)
			return kam_shorten(arena, at, 60);
	return NULL;
}
