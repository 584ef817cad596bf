/*
 * core/lexicon_dates_fr.c: French rules for what has a date: waits, meetings,
 * next steps; and for missed meetings.
 *
 * Columns: kind, pattern, unless, flags, name (match.h).
 */
#include "core/match.h"

#define WAIT	KAM_SIGNAL_WAIT
#define AGREED	KAM_SIGNAL_MEETING_AGREED
#define PROPOSED KAM_SIGNAL_MEETING_PROPOSED
#define TIMING	KAM_SIGNAL_TIMING
#define TOUCH	KAM_SIGNAL_TOUCHPOINT
#define REVIEW	KAM_SIGNAL_PILOT_REVIEW
#define THEM	KAM_RULE_THEM
#define US		KAM_RULE_US
#define NOTED	KAM_RULE_NOTED
#define ASKED	(KAM_RULE_ASKED | KAM_RULE_IFFY)
#define NEGATED KAM_RULE_NEGATED
#define NEAR	KAM_RULE_DATE_NEAR
#define AFTER	KAM_RULE_AFTER

/* The speaker missed it; the speaker was left waiting. */
#define MISSED(pattern, unless) \
	{KAM_SIGNAL_NO_SHOW_THEM, pattern, unless, THEM | NEGATED, NULL}, {KAM_SIGNAL_NO_SHOW_US, pattern, unless, US | NEGATED, NULL}
#define WAITED(pattern, unless) \
	{KAM_SIGNAL_NO_SHOW_US, pattern, unless, THEM | NEGATED, NULL}, {KAM_SIGNAL_NO_SHOW_THEM, pattern, unless, US | NOTED | NEGATED, NULL}

#define MEET "(rdv|rendez vous|reunion|visio*|appel|call|point|entretien|echange|demo|demonstration|rencontre|creneau|conference|zoom|teams|meet|session|seance|conf call|entrevue|visite)"
#define NOT_AGREED \
	"(annul*|report*|decal*|deplac*|avance*r|impossible|indisponible|empech*|malheureusement|pas disponible|autre creneau|autre date|propose|proposer|proposez|proposition|seriez|serait il|pourriez|pourrions|attente de|disponibilites|salon|seminaire|concert|anniversaire|vacances|conge*|abonnement*|contrat*|licence*|resili*|arret*|renouvel*|reconduir*)"
#define DAY "(lundi|mardi|mercredi|jeudi|vendredi|samedi|demain|tout a l heure|ce soir|cet apres|la semaine|#)"

static const KamRule rules[] = {
	/* ---- contact me later ---- */
	{WAIT, "(recontact*|recontat*|relanc*|relenc*|rappel*|rapel*|contact*|appel*|ecriv*|reecri*|joign*|rejoign*|sollicit*|telephon*|ping*|ecri*|bip*|mail*|retent*|reessay*|represent*) ~1 (moi|nous)", "(je vous|nous vous|pour vous rappeler|{we} (vous|te) (rappel*|recontact*|relanc*|appel*)|pour rappel|ne|{contact} vous)", ASKED | NEAR, NULL},
	{WAIT, "(me|nous|m|la|le) (recontacter|relancer|rappeler|rapeler|rapeller|relencer|recontater|contacter|appeler|ecrire|joindre|solliciter|reecrire|representer|redemander|telephoner|faire signe|refaire signe|faire un point|representer ca)", "(je vais|je vous|nous vous|je dois|ne pas|plus me|plus nous|collegue)", ASKED | NEAR, NULL},
	{WAIT, "(recontactez|relancez|rappelez|rapellez|rapelez|relencez|reecrivez|recontacte|relance|rappelle) (en|dans|a|apres|mi|debut|fin|le|vers|au|plutot|courant|d ici)", "(je|nous (vous|te)|j)", ASKED, NULL},
	{WAIT, "(revenir|revenez|reviens|revener|reveniez|reviendrez|revienne*|repassez|repasser|repasse|retourner|retentez|retenter|retente|reessayez|reessayer|reessaie) (vers|me voir|nous voir|nous|me|a la charge|la dessus|au|en|a|dans|debut|fin|mi|apres|plus tard|votre chance) ~1 (moi|nous)?", "({we} (reviens|revenons|reviendrai|reviendrons|vais|allons|pourrai|pourrons|peux)|je (vous|te)|je (reviens|reviendrai|vais revenir|compte revenir|dois)|permettrai|permets|permet|est repasse*|sommes repasse*|ont repasse*|suis repasse*|je me permets)", ASKED | NEAR, NULL},
	{WAIT, "(reprendre|reprenez|reprends|reprenons|reprend|reprendra|reprendrons|renouer|renouons) ~1 (contact|langue|attache|la discussion|l echange|nos echanges|cette discussion|le sujet|ce sujet|ca|cela|cet echange)", "(je vous|nous vous|je reprends|je reprendrai|{we} reprendr* contact avec vous)", ASKED | NEAR, NULL},
	{WAIT, "(reparl*|rediscut*|reevoqu*|revoi*|revoy*|repench*|reexamin*|reetudi*|reconsider*) ~3 (en|ensemble|ca|cela|le sujet|ce sujet|tout|la question|le projet|ce projet|ce point|dans|a|au|y|plus tard|debut|fin|mi|courant|apres)", "(hier|comite|avec mon|avec ma|avec {colleague}|en interne)", ASKED | NEAR, NULL},
	{WAIT, "(parlons|parler|parlera|parlerons|discut*|echang*|verra|verrons|voyons|a voir|de voir|regarder|regarderons|regardera|pencher|repenser|etudier|retravailler|rouvrir|remettre sur la table|recaler|reporter|repousser|decaler|differer) ~2 (en|ca|cela|le sujet|ce sujet|de nouveau|a nouveau|plutot|tout ca|la suite|le projet|la question|sujet) ~2 (en|dans|a|au|apres|debut|fin|mi|courant|plutot|la rentree|l annee|le mois|la semaine|vers|plus tard|d ici)", "(rdv|rendez vous|c est note|entendu|hier|salon)", ASKED, NULL},
	{WAIT, "(refait*|refaire|fait*|faire|donn*|faites|redonn*|lancez|envoyez|envoie) ~1 (moi|nous|m|me)? ~1 (signe|coucou|un signe|un coup de fil|coup de fil|un coup de telephone|un petit mot|un mail|un message|un rappel|un appel|des nouvelles|une relance)", "({we} (vous|te)|devis|je)", ASKED | NEAR, NULL},
	{WAIT, "(envo*|faire|fait*|mett*|ferez|lanc*) ~4 (rappel|relance|piqure de rappel)", "(je (vous|te)|nous vous|merci pour|{we} ~2 (envo*|fai*))", ASKED, NULL},
	{WAIT, "(refaisons|refaire|refait*|refera|referons|faisons|reprogramm*|recal*|remett*|replanifi*) ~2 (point|tour|echange|appel|call|reunion|rdv|rendez vous|ca|cela)", "(c est note|hier)", ASKED, NULL},
	{WAIT, "(pas|rien) ~3 avant", "(meme pas|signer|recevoir|je ne (serai|suis)|document|livraison|avant tout|hier|je n ai pas)", NEGATED, NULL},
	{WAIT, "(attend*|patient*|laiss*) ~8 (jusqu|avant de|la fin|fin|debut|mi|septembre|janvier|octobre|la rentree|l annee|le mois|la semaine|quelques|encore|deux|trois|un mois|d avoir|d etre|passer|apres|que)", "({we} attend* (votre|vos|le devis|la proposition)|attendre votre|vous attend|je vous attends|j attends|attends votre|en attendant|j attendais|merci d attendre)", ASKED | NEAR, NULL},
	{WAIT, "(laiss*) ~3 (tranquille*|respirer|le temps|du temps|passer|souffler|revenir)", NULL, ASKED | NEAR, NULL},
	{WAIT, "(plutot|mieux|preferable|ideal|idealement|plus simple|prefer*|pertinent|judicieux) ~5 (en|dans|apres|a partir|debut|fin|mi|courant|a la rentree|vers|au mois|l annee prochaine|le mois prochain|la semaine prochaine|au #|au second|au deuxieme|au troisieme|au quatrieme)", "(rdv|rendez vous|{demo}|mardi|jeudi|demarrage|livraison|salon|demarrer|pilote|c est note|reunion)", THEM, NULL},
	{WAIT, "(disponible*|dispo|dispos|joignable*|plus calme|plus de temps|plus de visibilite|visibilite|moins charge*|y verrai plus clair|en saur* plus|saurai plus|y verra plus clair|voir plus clair) ~5 (a partir|apres|qu en|des|en|dans|debut|fin|mi|courant|qu apres|qu a partir|pas avant|semaine)", "(salle|etes vous|seriez|votre|produit|version|fonction*|creneau*)", THEM, NULL},
	{WAIT, "(budget*|arbitrage*|projet|sujet|decision|exercice) ~8 (pas avant|qu en|repouss* a|report* a|decal* a|report* (en|au|a)|repouss* (en|au)|decal* (en|au)|gele* jusqu|differe* a|remis a|remis en|en pause jusqu|en standby jusqu|en stand by jusqu|suspendu* jusqu)", "(lancement de)", 0, NULL},
	{WAIT, "(en pause|en stand by|en standby|en suspens|au frigo|en attente|de cote|en sommeil|entre parentheses) ~2 (jusqu|pendant|d ici)", NULL, THEM | NOTED, NULL},
	{WAIT, "(demande|souhaite|veut|prefere|aimerait|voudrait|propose|dit|suggere|souhaiterait|a demande) ~3 (a |qu on |que je |que nous |etre |de )? ~3 (etre |la |le |l )? ~2 (rappel*|recontact*|relanc*|revien*|revenir|reprenn*|reprendre|recontacte*|appel*|attend*)", "(ne plus|ne revien*|(en conge*|absent*|en vacances|en arret|en deplacement) ~3 revien*)", NOTED, NULL},
	{WAIT, "(a|a re|doit etre|il faut|faut|penser a|prevoir de|a (la|le))  ~2 (rappeler|recontacter|relancer|recontacter|re contacter|revoir)", NULL, NOTED, NULL},
	{WAIT, "(rappel|relance|recontact) ~2 (demande|prevu|souhaite|planifie|a faire|le|en|dans|debut|mi|fin)", NULL, NOTED, NULL},

	/* ---- meetings agreed ---- */
	{AGREED, "(ok|okay|oki|d accord|dacc|entendu|note|noter|parfait|valide|impeccable|nickel|super|va|bon !de|bonne|ca marche|ca roule|top|tres bien|partant*|banco|accord|c est bon|vendu|yes|oui) ~2 (pour|va pour|on dit|disons|a|au|le|merci a|rendez vous|rdv) ~3 " DAY, NOT_AGREED, THEM | US | NOTED, NULL},
	{AGREED, "(c est|bien|je|j ai|nous avons|on a) (note|notee|noter|cale|calee|bloque|bloquee|booke|reserve|reservee|planifie|inscrit|prevu|fixe|confirme|valide|dans l agenda|entendu|parfait|ok)", NOT_AGREED, NEAR, NULL},
	{AGREED, "(confirm*|reconfirm*) ~5 " MEET, NOT_AGREED, NEAR, NULL},
	{AGREED, "(je|nous|on) (vous|te)? (confirm*|bloque|bloquons|cale|reserve|note|prends note|valide) ~6 " DAY, NOT_AGREED, 0, NULL},
	{AGREED, MEET " ~5 (confirme*|fixe*|pris|prise|cale*|valide*|planifie*|programme*|booke*|maintenu*|bloque*|acte*|convenu*|prevu*|aura lieu|est prevu*|arrete*|est bien|tient toujours)", NOT_AGREED, 0, NULL},
	{AGREED, "(on se|nous nous|se) (voit|voyons|verra|verrons|retrouve|retrouvons|retrouvera|retrouverons|parle|parlons|parlera|parlerons|rencontr*|rappelle|rappelons|connecte|fait|dit|appelle|cale)", NOT_AGREED, NEGATED, NULL},
	{AGREED, "(rendez vous|rdv) ~4 " DAY, "(annul*|report*|decal*|deplac*|possible|souhait*|propos*|prendre|fixer|caler|dispo*|hier|dernier|demande|trouver|medecin|dentiste|dernier|passe|client|prospect|banque|merci pour|suite a|empech*|impossible|manqu*|rate*|venu*|lapin|present*|avec notre|avec nos)", 0, NULL},
	{AGREED, "(invitation|invit|invite) ~6 (envoye*|accepte*|recue|partie|pour|valid*|confirme*|bien recue|suit|part)", "(annul*|decline*|report*|linkedin|salon|webinaire|merci pour l invitation|refus*|evenement|soiree)", NEAR, NULL},
	{AGREED, "a accepte ..8 #", "(devis|offre|proposition|tarif*|prix|remise|linkedin|#money|commande|contrat|budget)", NEAR, NULL},
	{AGREED, "(a|ai|avons) (accepte|accepter) ~2 (votre|ton|l|cette|son|une|la) ~1 (invitation|reunion|invit|rdv|rendez vous)", "linkedin", NEAR, NULL},
	{AGREED, DAY " ..6 (me convient|nous convient|me va|nous va|convient|c est parfait|parfait pour|c est ok|c est bon|c est note|ca marche|ca me va|ca nous va|ca roule|ok pour (moi|nous)|va bien|fera l affaire|est parfait|est bon|c est tout bon|sans souci|sans probleme|me conviendrait|est note|est ok|conviendra)", "(ne me|ne nous|pas|annul*|report*|decal*|si|seriez|est ce que|propos*)", 0, NULL},
	{AGREED, "(je|j|nous|on) (serai|serons|sera|y serai|y serons|vous attends|vous attendons|t attends|participerai|viens|viendrai|viendrons|vous recois|vous recevrai|vous recevons|vous accueill*|passe|passerai|passerons|me connecte*|me connecterai)", "(absent*|conge*|retour|vacances|deplacement|disponible*|dispo|joignable|indisponible|salon|annul*|au bureau|ravi*|de passage|contrat|en formation|seminaire|commande|en mesure|y|plus client*|clients|autre chose|la main|plus)", 0, NULL},
	{AGREED, "(je|on|nous) ~1 (vous|t|te|s|nous) (appelle|appellerai|telephone|appelons|attends|attendons|retrouve|verrai|vois) ~2 " DAY, "(si|annul*|report*|decal*)", 0, NULL},
	{AGREED, "(hate|impatient*|plaisir|rejoui*|ravi*|heureux) ~5 (echanger|voir|rencontr*|parler|retrouver|discut*|accueillir|recevoir|revoir)", "(annul*|report*|propos*|si|seriez|dispo*|serait|echanger si|votre disponibilite|quand)", NEGATED, NULL},
	{AGREED, "(on dit|disons|va pour|partons sur|part sur|restons sur|on reste sur|on part sur|gardons|on garde|retenons|on cale|calons) ~1 (le )? " DAY, NOT_AGREED, 0, NULL},
	{AGREED, "^ a (lundi|mardi|mercredi|jeudi|vendredi|demain)", "(annul*|report*|partir|dispo*)", NEAR, NULL},
	{AGREED, ", a (lundi|mardi|mercredi|jeudi|vendredi|demain)", "(annul*|report*|partir de|dispo*|seriez|propos*)", 0, NULL},
	{AGREED, "(elle|il|client*|ils|{contact}) ~3 (ok|d accord|confirme*|accepte*|valide*|partant*) ~2 (pour|le|la|l)", NOT_AGREED, NOTED, NULL},
	{AGREED, "^ ~2 " MEET " ~3 (le|fixe|cale|pris|prevu|avec|a|lundi|mardi|mercredi|jeudi|vendredi|demain)", "(pas|annul*|report*|decal*|lapin|venu*|manqu*|rate|suite a|non|proposer|compte rendu)", NOTED, NULL},

	/* ---- meetings proposed ---- */
	{PROPOSED, "(seriez vous|serais tu|etes vous|es tu|serez vous|vous etes|tu es|vous seriez|tu serais|vous avez|auriez vous|avez vous|aurais tu|as tu) ~3 (disponible*|dispo|dispos|libre*|un creneau|des disponibilites|un moment|une disponibilite|# minutes|le temps)", NULL, ASKED, NULL},
	{PROPOSED, "(propose|proposons|proposez|proposer|proposerais|suggere|pourrions nous|peut on|pourrait on|on pourrait|nous pourrions|on peut|que diriez vous|que dirais tu|ca vous dit|ca te dit|convient il|conviendrait|convient elle) ~8 (" MEET "|" DAY "|voir|appeler|caler|rencontr*|echanger|parler)", "(prix|tarif*|remise)", ASKED, NULL},
	{PROPOSED, "(fixer|caler|planifier|organiser|prevoir|convenir|trouver|bloquer) ~3 (un|une|d un|d une)? ~1 " MEET, NULL, ASKED, NULL},
	{PROPOSED, "(voici|voila) ~2 (mon|le|un) ~1 (lien|calendrier|agenda|calendly)", NULL, US, NULL},

	/* ---- next steps with a date ---- */
	{TIMING, "(je|nous|on|j) (vous|te|lui|leur)? ~1 (envoi*|enverr*|envoy*|transm*|transmet*|fais|ferai|ferons|fait|feront|livr*|rend*|retourn*|renverr*|renvoi*|adress*|remet*|partag*|prepar*|tiens|tiendrai|tiendrons|donn*|dis|dirai|dirons|repond*|revien*|revenons|reviendr*|rappell*|recontact*|relanc*|appell*|ecri*|sign*|valid*|tranch*|decid*|confirm*|soumet*|present*|depos*|lanc*|demarr*|commenc*|boucl*|finalis*|install*|pass*)",
	"(depuis|hier|chaque|tous les|toutes les|collection|salon|notre nouveau|notre site|produit|gamme|magasin|anniversaire|seminaire|absent*|conge*|tout de suite|des que possible|en vacances|# jours|passons (le|un|une) (bon|week)|kiffe*|adore|a plu|autre chose)", AFTER, NULL},
	{TIMING, "(vais|allons|va|vas|compte|comptons|prevois|prevoyons|pense|pensons|dois|devons|doit|souhaite|souhaitons|pourrai|pourrons|devrai*|devrions|aimerais|aimerions|voulons|veux) ~1 (vous |te |le |la |lui )? (envoyer|transmettre|faire|livrer|rendre|retourner|adresser|remettre|partager|donner|dire|repondre|revenir|rappeler|recontacter|relancer|appeler|signer|valider|trancher|decider|confirmer|soumettre|presenter|lancer|demarrer|commencer|boucler|finaliser|statuer|arbitrer|deployer|conclure|passer commande|avancer|debuter)",
	"(depuis|hier|salon|notre nouveau|notre site|magasin|collection)", AFTER | KAM_RULE_IFFY, NULL},
	{TIMING, "(decision*|arbitrage|comite*|codir|comex|conseil|commission|direction|jury|bureau|validation|signature|reponse|retour|feu vert|budget|vote|deliberation|proposition|devis|avenant|contrat|demarrage|deploiement|lancement|kick off|mise en production|mise en service|livraison|installation|go live|echeance|date limite|deadline|remise|depot|soutenance|pilote|poc|bilan|revue|phase|formation|migration|restitution|audit|choix|offre|dossier|commande|cahier des charges|appel d offres) ~10 (le|pour le|avant le|d ici|au plus tard|fixe*|prevu*|prevue|attendu*|aura lieu|se reunit|se reunira|se tient|se tiendra|tranche*|statu*|sera|seront|rendu*|rendra|prise|prendra|tombe*|est pour|est le|debut|fin|mi|lundi|mardi|mercredi|jeudi|vendredi|demain|au|a partir|en|planifie*|courant|donn*|arrete*|cale*|programme*|commence*|demarre*)",
	"(depuis|hier|dernier|derniere|collection|notre nouveau|notre site|salon|seminaire|anniversaire|date de naissance|magasin|du {contact} |a pris|recu*|avons eu|facture*|{resilier}|resiliation|prend fin|arret*|prendra fin|pour rappel|pas reconduit*|absent*|conge*|merci pour|fin de (notre )?(contrat|abonnement)|notre collaboration|mettre fin|cloture|denonciation|renouvel*|suite a|garantie)", AFTER, NULL},
	{TIMING, "(d ici|au plus tard|avant|pour|des) ~1 (le |la |fin |ce )? ~2 (lundi|mardi|mercredi|jeudi|vendredi|demain|fin de semaine|la semaine prochaine|#) ~6 (vous aurez|tu auras|nous aurons|vous recevrez|on aura|je vous|nous vous|vous saurez|aurez|recevrez|sera|seront)", "(absent*|conge*)", 0, NULL},
	{TIMING, "(vous|tu) (aurez|recevrez|auras|recevras|saurez|serez)", "(depuis|conge*|{product}|facture)", AFTER, NULL},
	{TIMING, "(prochaine|prochain|next) (etape|point|echeance|rendez vous|step|action|rdv|jalon|comite|relance)", "(quelle|quel|annul*)", 0, NULL},
	{TIMING, "(relance*|rappel*|recontact*|echange|reunion|point|appel|call|rdv|rendez vous|envoi|envoyer|suivi) ~4 (prevu*|planifie*|programme*|fixe*|cale*|a faire|convenu*)", "(pas|annul*|report*)", 0, NULL},

	/* ---- dated points of contact ---- */
	{TOUCH, "(je|nous|on) ~1 (vous|te|la|le|les)? ~1 (rappell*|recontact*|relanc*|appell*|revien* vers|reviendr* vers|revenons vers|telephon*|reecri*|ecri*|recontacter*|fais signe|ferai signe)", "(hier|depuis|si)", AFTER, NULL},
	{TOUCH, "(vais|allons|compte) ~1 (vous|te|la|le)? ~1 (rappeler|recontacter|relancer|appeler|revenir vers|telephoner|reecrire)", "(hier|depuis|si)", AFTER, NULL},
	{TOUCH, MEET " ~6 (prevu*|planifie*|fixe*|cale*|programme*|confirme*|convenu*|le)", "(hier|dernier|annul*|report*|decal*|suite a|merci pour|manqu*|rate)", 0, NULL},
	{TOUCH, "(relance*|rappel*|recontact*) ~4 (prevu*|le|planifie*|a faire|dans|en|debut|fin|mi)", "(hier|dernier|depuis|pas)", NOTED | US, NULL},

	/* ---- review of a pilot ---- */
	{REVIEW, "(bilan|revue|point|restitution|debrief*|evaluation|conclusion*|fin|resultat*|cloture|synthese) ~3 (de |du |d )? ~2 (pilote|poc|essai|test|experimentation|periode d essai)", "(hier|dernier|depuis)", NEAR, NULL},
	{REVIEW, "(pilote|poc|essai|experimentation) ~6 (jusqu|se termine*|prend fin|s acheve|s arrete|se terminera|fin|bilan|court jusqu|dure jusqu|va jusqu)", "(hier|dernier|depuis)", AFTER, NULL},

	/* ---- missed meetings ---- */
	MISSED("(j|je|nous|on|d) ~2 (ai|avons|avoir|suis|a|ayant)? ~2 (manque|rate|loupe|oublie|zappe|seche|completement oublie|manquer|rater) ~2 (notre|le|la|l|votre|ce|mon|cette|nos|de venir|de me connecter|d etre la) ~2 (rdv|rendez vous|reunion|visio*|appel|call|point|entretien|echange|demo|demonstration|rencontre|creneau|session|zoom|teams|meet|conf*|entrevue|venir|connecter|la)",
	"((manque|rate|loupe|manquer) ~1 (votre|ton|vos|un|tes|l|mon) appel|vous avez|appel en absence|ne (voudr*|veux|souhaite)|votre message|si je|de peur|pour ne pas|a ne pas|{their_people})"),
	MISSED("(desole*|navre*|excus*|pardon|toutes mes excuses|mille excuses|confus*) ~6 (pour|de|d) ...3 (absence|lapin|faux bond|n avoir pas pu|avoir ete absent*|pas avoir ete|pas avoir pu (me connecter|venir|assister|etre|me joindre|me rendre|participer|honorer|vous rejoindre)|rendez vous manque|rdv manque|avoir fait attendre|ne pas avoir pu (me connecter|venir|assister|etre|me joindre|me rendre|participer|honorer|vous rejoindre)|ne pas m etre|m avoir attendu|ne pas etre venu*|vous avoir fait attendre|appel manque|rdv rate|rendez vous rate|t avoir fait attendre|pas etre venu*)", "(reponse tardive|delai|retard de reponse|salon|pas vous avoir repondu)"),
	MISSED("(fait|faire|avoir fait|pose|poser) ~2 (faux bond|un lapin)", "(vous (m|nous) avez|tu m as|nous a|m a|m avez|m as|nous avez|elle|il|client)"),
	MISSED("(n|ne) ...3 (pas|point) ...2 (pu|reussi a|ete en mesure de|ete a meme de) ...2 (me connecter|venir|assister|etre (la|present*|des votres|au rdv|au rendez vous)|me joindre|participer a|honorer|me rendre|vous rejoindre|rejoindre (notre|la|l|le|cette|votre)|assurer|tenir|nous connecter|etre au|prendre notre|prendre l appel|decrocher) ~6 (rdv|rendez vous|reunion|visio*|appel|call|point|demo|demonstration|rencontre|creneau|session|zoom|teams|hier|ce matin|matin|tout a l heure|cet apres|#)", "(a la plateforme|a l outil|au logiciel|mon compte|application|salon|webinaire)"),
	MISSED("(notre|le|la) ~1 (rdv|rendez vous|reunion|visio*|appel|call|point|demo|rencontre) ...6 (m est sorti*|m etait sorti*|sorti* de la tete|m a echappe|sorti* de l esprit|etait pas dans mon agenda|pas dans mon agenda|pas note dans|completement zappe)", NULL),
	WAITED("(je|nous|on) (vous|t|te) (ai|avons|a|attendais|attendions|attendait|attends|attendons) ~1 (attendu*|patiente*|ce matin|hier|cet|a #|depuis #|en vain|tout a l heure|sur|dans|pendant|#)", "(attends (votre|vos)|attendons (votre|vos)|retour|reponse|documents|le #|lundi|mardi|mercredi|jeudi|vendredi|demain)"),
	WAITED("(vous|tu|personne|ni {Name}) ~1 (n|ne) ~1 (etiez|etais|etait|vous etes|t es|s est|avez|as|etes|est) ~1 (pas|personne|jamais)? ~2 (la|present*|connecte*|venu*|au rdv|au rendez vous|presente*|montre*|rejoint|rejoints|honore|pointe|joint|au bout du fil|la visio|la reunion|l appel|decroche|rejoint la)", "(encore connect*|connect* (a|depuis) l|comptes|utilisat*|salon)"),
	WAITED("(attends|attendais|attendions|attendons) ~3 (votre|ton|l) ~1 (appel|visio|connexion|venue|arrivee) ~4 (prevu*|a #|depuis|toujours|encore|ce matin|#)", "(retour|demain|lundi|mardi|mercredi|jeudi|vendredi|prochain*)"),
	WAITED("personne ~1 (ne|n) ...3 (contacte*|appele*|rappele*|rejoint*|joint*)", "(support|depuis (des|plusieurs)|repondu)"),
	WAITED("personne ~2 (au bout du fil|au rendez vous|au rdv|en ligne|sur la visio|dans la salle|a l appel|sur le lien|au telephone|a l heure)", "(salon|support)"),
	WAITED("(vous|tu) (deviez|devais) ~1 (m|nous|me)? ~1 (appeler|rappeler|rejoindre|connecter|contacter|venir|etre la|etre present*)", "(demain|prochain*|lundi|envoyer)"),
	WAITED("(pas|jamais) ~4 (plaisir|honneur|chance) de (vous|te) (voir|avoir|retrouver|entendre|rencontrer)", "(salon|encore|depuis)"),
	MISSED("(impossible|pas reussi|pas parvenu*|incapable|empeche*|empechement|retenu*|coince*|bloque*) ..8 (liberer|joindre|connecter|rejoindre|assister|venir|etre (la|present*)|participer|decrocher) ~5 (appel|visio|reunion|rdv|rendez vous|point|rencontre|demo|entretien|echange)", "(demain|prochain*|pourrai|serai|si)"),
	WAITED("(personne) ~6 (ne|n) ~1 (s est|est|etait|a|nous a) ~2 (presente*|connecte*|venu*|la|present*|rejoint*|rappele|appele|montre|au rendez|decroche)", "(salon|{their_people})"),
	WAITED("(attendu|attente|attendre|connecte*|connectes|en ligne|patiente|presents|sur place|seul*) ~10 (sans vous voir|sans succes|en vain|personne|dans le vide|sans nouvelle*|vous n etes|vous n etiez|tu n etais|sans vous|pour rien|sans te voir)", "(retour|reponse|devis)"),
	WAITED("(vous|tu) (avez|as) ~1 (manque|rate|oublie|loupe|zappe|fait faux bond|pose un lapin|fait attendre|plante) ~3 (notre|le|la|l|rdv|rendez vous|reunion|visio*|appel|call|moi|nous)?", "(mon appel|un appel de|rien|pas|une belle|quelque chose|facture|piece|ligne|de joindre|salon)"),
	WAITED("(vous|tu) (m|nous) (avez|as) (fait faux bond|pose un lapin|plante*|fait attendre|oublie*|laisse* (attendre|en plan))", NULL),
	WAITED("(rendez vous|rdv|reunion|visio*|appel|call|demo) ~4 (manque|rate|non honore|pas honore) ", "(je suis desole*|{we} ~2 (manque|rate)|desole*|excus*|mon absence|de ma part|par ma faute|je|j)"),
	{KAM_SIGNAL_NO_SHOW_THEM, "(elle|il|ils|client*|prospect*|contact|{contact}|personne|m|mme|interlocut*) ~3 (n|ne|pas|jamais) ...4 (venu*|la|present*|presente*|connecte*|honore*|montre*|decroche|rejoint)", "(interesse*|convaincu*|encore|nous ne|je n ai pas|de chez nous|pas la bonne|pas la meme|notre equipe|decideur|travaille plus|ne travaille|en poste|depuis un an)", NOTED | NEGATED, NULL},
	{KAM_SIGNAL_NO_SHOW_THEM, "(rdv|rendez vous|reunion|visio*|appel|call|demo|point) ...8 (pas venu*|pas present*|pas la|absent*|lapin|no show|ne s est pas|non honore|pas honore|pas connecte*|personne|manque|n est pas venu*|n etait pas|jamais venu*|pose un lapin|no|ne se presente pas)", "(de notre cote|par nous|collegue absent|j ai|de ma part|mon absence|la notre|annule)", NOTED | NEGATED, NULL},
	{KAM_SIGNAL_NO_SHOW_THEM, "(no show|lapin|faux bond)", "(de notre cote|de ma part|par nous|j ai|je lui|de notre part|au menu|chasse)", NOTED, NULL},
	{KAM_SIGNAL_NO_SHOW_US, "(j ai|nous avons|on a|de notre cote|de notre part|de ma part|je lui ai|notre equipe) ~4 (manque|rate|oublie|loupe|lapin|faux bond|absent*|pas pu|pas ete) ~4 (rdv|rendez vous|reunion|visio*|appel|call|point|demo|rencontre|connect*|client)?", "(appel (en absence|manque)|n ai pas pu (le|la|les) joindre|joindre)", NOTED | NEGATED, NULL},
	MISSED("(rdv|rendez vous|reunion|visio*|appel|call|point|demo) ~3 (oublie|zappe|loupe|rate) ", "(vous (avez|m avez)|tu (as|m as))"),
	WAITED("(vous|tu) (m|nous) (avez|as) ~1 (oublie*|zappe*|fait attendre|plante*|laisse* tomber)", "(en copie|dans|liste)"),
	WAITED("(aucun|sans) ~1 (signe de vie|nouvelle*) ~6 (rdv|rendez vous|reunion|visio*|appel|call|creneau|#)", "(devis|proposition|relance)"),
	WAITED("(vous|tu) ~3 (absent*|avez pas pu|as pas pu|n avez pas|n as pas) ~5 (rdv|rendez vous|reunion|visio*|appel|call|demo|creneau|connecter|rejoindre|etre des notres)", "(conge*|retour|repondu|lire|regarder|consulter|le temps|apres|vacances|pu (lire|voir|prendre|regarder))"),
};

const KamRuleTable kam_rules_dates_fr = {rules, KAM_LENGTHOF(rules)};
