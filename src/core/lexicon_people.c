/*
 * core/lexicon_people.c: rules for people (who decides, who supports us, who
 * has which role), for positive answers and for requests, in both languages.
 *
 * Columns: kind, pattern, unless, flags, name (match.h).
 */
#include "core/match.h"

#define DECIDES KAM_SIGNAL_DECISION_MAKER
#define CHAMPION KAM_SIGNAL_CHAMPION
#define PERSON	KAM_SIGNAL_STAKEHOLDER
#define POSITIVE KAM_SIGNAL_POSITIVE
#define INTEREST KAM_SIGNAL_INTEREST
#define THEM	KAM_RULE_THEM
#define NOTED	KAM_RULE_NOTED
#define NEGATED KAM_RULE_NEGATED
#define ASKED	KAM_RULE_ASKED

static const KamRule rules[] = {
	/* ---- who decides ---- */
	{DECIDES, "(c est|sera|reste) <(m|mme|monsieur|madame)? {Name} {Name}?> ~6 (qui ~3 (decide*|valide*|tranche*|signe*|arbitre*|a le dernier mot|tient le budget|porte le budget)|le decideur|la decideuse|decisionnaire)", NULL, 0, NULL},
	{DECIDES, "<{Name} {Name}?> ~5 (decide*|valide*|tranche*|signe*|arbitre*|a le dernier mot|est decisionnaire|tient le budget|porte le budget|a le pouvoir de decision)", "(si|comite|nous|on|je|le #|date)", 0, NULL},
	{DECIDES, "(decision|validation|arbitrage|budget|signature) ~3 (revient a|appartient a|depend de|entre les mains de|passe par|est prise par|chez) <(m|mme|monsieur|madame)? {Name} {Name}?>", NULL, 0, NULL},
	{DECIDES, "<{Name} {Name}?> ~5 (decides|makes the (call|decision*)|has the final say|signs (off|the)|holds the budget|is the decision maker|is our decision maker|has sign off|approves|has the last word|owns the budget|has to approve|needs to approve|will decide)", "(if|we|i|by #)", 0, NULL},
	{DECIDES, "(decision|call|budget|sign off|approval) ~4 (up to|lies with|rests with|sits with|belongs to|is made by|comes from|down to) <{Name} {Name}?>", NULL, 0, NULL},

	/* ---- people with their roles ---- */
	{PERSON, "(notre|nos|mon|ma|le|la|our|my|the) ~1 {person_role} ~4 <{Name} {Name}>", "(chez|de chez|at {Name}|competitor)", 0, NULL},
	{PERSON, "<{Name} {Name}> (notre|mon|ma|le|la|our|my|the|est notre|is our|est la|est le|is the|is my) ~2 {person_role}", NULL, 0, NULL},
	{PERSON, "(collegue|collaborateur|collaboratrice|colleague|assistant|assistante|remplacante|remplacant|successeur|successor|replacement|associe|associee) <{Name} {Name}?>", NULL, 0, NULL},
	{PERSON, "(voyez avec|contactez|adressez vous a|vous adresser a|voir avec|speak to|contact|reach out to|get in touch with|talk to|mettez en copie|ajoutez|copie de|in copy|cc) <(m|mme|monsieur|madame|mr|mrs|ms)? {Name} {Name}>", NULL, 0, NULL},

	/* ---- who supports us ---- */
	{CHAMPION, "(je|j) ~3 (defends|pousse|porte|soutiens|milite|plaide|appuie|vends|recommande|ai recommande|ai defendu|ai pousse|ai vendu) ~6 (projet|sujet|dossier|solution|idee|interne|offre|direction|outil|vous|comite|codir)", "(produit*|nos|clients)", 0, NULL},
	{CHAMPION, "(i|i am|i ve|i have|i will) ~3 (pushing|push|championing|champion|advocating|advocate|fighting|backing|rooting|lobbying|pitched|recommended|recommend|sold|making the case|made the case|supporting|vouch*|selling) ~6 (internally|project|this|it|you|solution|board|management|team|boss|tool|leadership|case)", "(our (clients|customers)|product)", 0, NULL},
	{CHAMPION, "(ambassad*|sponsor interne|internal sponsor|internal champion|champion interne|notre champion|our champion|votre allie*|your ally|big fan of (yours|your|the))", NULL, 0, NULL},

	/* ---- positive answers ---- */
	{POSITIVE, "(interesse*|interessant*|m interesse|nous interesse|ca me parle|ca nous parle|curieux|curieuse|avec plaisir|volontiers|parfait|excellent*|super|genial*|top|impeccable|bonne idee|tres bien|merci beaucoup|merci pour (votre|vos|le|la|les|ces|cette|l)|ravi*|convaincu*|ca marche|d accord|ok pour|partant*|bravo|enchante*|utile|pertinent*|clair|precieux|content*|satisf*|top)", "(pas|peu|mais|si vous|ne|plus|trop|serait)", 0, NULL},
	{POSITIVE, "(interested|interesting|intrigued|curious|keen|love to|happy to|glad to|sounds (good|great|interesting|perfect|like)|looks (good|great|interesting|promising)|great|perfect|excellent|awesome|brilliant|fantastic|good idea|makes sense|thanks for (the|your|sharing|sending|this)|thank you for (the|your|sharing|sending|this)|very helpful|really helpful|useful|appreciate|impressed|works for (me|us)|impressive|spot on|yes please|agreed|deal|count me in|with pleasure)", "(not|but|if|unsubscribe|stop|remove|would be|great if|no longer|too|never)", 0, NULL},

	/* ---- requests for more ---- */
	{INTEREST, "(envoy*|envoi*|transmet*|transmis|partag*|parvenir|adress*|fourn*|communiqu*|recevoir|avoir|obtenir|donn*|besoin d|besoin de|faudrait|manque) ~6 (doc*|brochure*|plaquette*|fiche*|presentation*|devis|tarif*|prix|proposition*|information*|infos|detail*|exemple*|etude*|cas client*|reference*|offre*|lien*|support*|video*|demo*|grille|catalogue|avenant|contrat|planning|cahier|guide|modele|acces|essai|livre blanc|rib|precisions|chiffrage|historique|rapport|version)", "(je vous (envoie|transmets|adresse|partage|fais)|nous vous|ci joint|plus recevoir|je (t|vous)|en piece jointe|merci pour)", ASKED | THEM, NULL},
	{INTEREST, "(aimer*|souhait*|voudr*|veux|voulons|curieux|envie|interesse* (de|d|par|a)|possible (de|d)|possibilite) ~5 (savoir|voir|comprendre|decouvrir|essayer|tester|discuter|echanger|demo*|rencontr*|plus|rendez vous|rdv|appel|tarif*|devis|essai|pilote)", "(pas|plus|ne)", ASKED, NULL},
	{INTEREST, "(m|nous) interesse*", "(pas|ne|plus|peu)", ASKED, NULL},
	{INTEREST, "(send|share|provide|forward|email|get|give|have|see|need|want|receive|resend|show) ~5 (deck*|brochure*|doc*|datasheet*|data sheet*|presentation*|quote*|pricing|price*|proposal*|information|info|details|detail|example*|case study|case studies|reference*|offer|link|slides|video*|demo*|one pager|catalog*|contract|sample*|access|trial|whitepaper|white paper|guide|template*|more about|recording|diagram|roadmap|report|figures)", "(i will|we will|i have (sent|attached)|please find|attached|i am sending|i ll|not need|no longer|do not (send|want|need)|thanks for|did not)", ASKED | THEM, NULL},
	{INTEREST, "(would like|would love|love|keen|curious|interested|like|want|wish|happy|eager) ~3 (to (know|see|learn|understand|hear|try|test|discuss|talk|explore|find out|chat|meet|schedule|book|get)|in (a|the|your|learning|seeing|knowing|hearing|trying)|a (demo|call|quote|trial|chat))", "(not|no longer|stop|unsubscrib*|would you like|removed|be removed)", ASKED, NULL},
	{INTEREST, "(tell me more|know more|learn more|more info*|more details|en savoir plus|dites m en plus|dis m en plus|plus d info*|plus de detail*|plus d elements|how does it work|comment ca (marche|fonctionne)|can you explain|pouvez vous m expliquer|walk me through|call me|appelez moi|rappelez moi)", "(not|pas|plus|never)", ASKED, NULL},
};

const KamRuleTable kam_rules_people = {rules, KAM_LENGTHOF(rules)};
