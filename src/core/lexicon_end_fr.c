/*
 * core/lexicon_end_fr.c: French rules for what ends a relation: churn,
 * opt-out, departure of the contact, and what takes these back.
 *
 * Columns: kind, pattern, unless, flags, name.  The language of patterns is
 * explained in match.h, the classes {name} stand in lexicon_words.c.
 */
#include "core/match.h"

#define CHURN	KAM_SIGNAL_CHURN
#define OPT_OUT KAM_SIGNAL_OPT_OUT
#define LEFT	KAM_SIGNAL_LEFT_COMPANY
#define RENEWED KAM_SIGNAL_RENEWED
#define THEM	KAM_RULE_THEM
#define NOTED	KAM_RULE_NOTED
#define ASKED	(KAM_RULE_ASKED | KAM_RULE_IFFY)
#define NEGATED KAM_RULE_NEGATED
#define SHORT	KAM_RULE_SHORT

/* The contract meant is one of another trade: insurance, rent, a dinner. */
#define OTHER_CONTRACT \
	"({contract} ~2 {other_contract}|{agreement} ~2 {other_contract}|{resilier} ~3 {other_contract}|" \
	"(annul*|arret*|stopp*|quitt*|chang*|cancel*|ended|end|ending|terminat*|stopped|leaving|left) ~3 {other_contract}|{other_contract} ~1 ({agreement}|{contract}))"

/* Contracts of others: a supplier's, a customer's, the lease, the meeting. */
#define NOT_OURS \
	"(" OTHER_CONTRACT "|{their_people}|(un|ce|notre|mon|le|d un) client (qui|resili*|a)|(avec|chez|de|a|par) (notre|nos|mon|leur|un|une|l) ~2 {supplier}|chez eux|" \
	"(notre|nos) ~2 {supplier} ~2 (actuel*|precedent*|historique*)|(contrat*|abonnement*|licence*) {product}|" \
	"envoi|envois|sollicitation*|doublon|doublons|{contact} a|compte (linkedin|bancaire|facebook|google|twitter|instagram|client de|rendu)|(conditions|clause*|modalites|article|delai*|frais|politique|taux|formulaire|bouton|procedure) (de|d) (resiliation|annulation|non)|" \
	"(annul*|arret*|stopp*|interromp*|suspend*|decal*) ~3 (rendez vous|rdv|reunion*|reservation*|commande*|evenement|salon|webinaire|production|livraison*|visite|point|appel))"

static const KamRule rules[] = {
	/* ---- resilier, denoncer, annuler, arreter ... le contrat ---- */
	{CHURN, "{resilier} ~5 {contract}", NOT_OURS, 0, NULL},
	{CHURN, "{we} ~6 {resilier}", NOT_OURS, 0, NULL},
	{CHURN, "(demande* de|procede* a la|confirm* la|confirm* notre|demand* la|demand* notre|notifi* la|notifi* notre|acter la|acte la|acter notre|"
		"enregistre* notre|enregistre* la|valide* notre|souhaitons la|lettre de|courrier de|mail de|vaut|valoir|en vue de|avis de|objet) (resiliation|resilliation)", NOT_OURS, ASKED, NULL},
	{CHURN, "(notre|ma|ici la|presente) (resiliation|resilliation|demande de resiliation)", NOT_OURS, 0, NULL},
	{CHURN, "(resiliation|resilliation|annulation|arret|denonciation|rupture|cloture|fermeture|suppression) (de|du|d|des) (notre|nos|mon|mes|votre|vos|l|la|ce|cet|toutes nos)? ~1 {contract}",
	"(" OTHER_CONTRACT "|{their_people}|{supplier}|conditions|clause*|modalites|article|comment|procedure pour|possible|taux|concurrent*|vos clients)", 0, NULL},
	{CHURN, "(resiliation|annulation|cloture) (de|du|d) (notre|mon|ce) ~2 {contract}", NOT_OURS, ASKED, NULL},
	{CHURN, "(pouvez vous|pourriez vous|peux tu|pourrais tu|tu peux|vous pouvez|vous pourriez|merci de|priere de|veuillez|je vous (prie|demande|remercie) de|vous demand* de|bien vouloir|stp|svp|voulez vous|il faut|il faudrait|faut) "
	"~3 (resilier|annuler|arreter|stopper|cloturer|clore|fermer|couper|desactiver|supprimer|interrompre|denoncer|suspendre|cesser) (notre|nos|mon|mes|l|la|le|les|ce|cet|notre propre|toutes nos|tous nos) ~2 (contrat*|abonnement*|licence*|compte*|prestation*|service*|souscription*|forfait|acces|facturation|espace|collaboration|pilote|partenariat)",
	NOT_OURS, ASKED, NULL},
	{CHURN, "(denonc*|annul*|arret*|stopp*|cess*|interromp*|clotur*|clore|romp*|coup*|suspend*|termin*|abandonn*|revoqu*|lach*) (le|la|l|les|notre|nos|mon|mes|ce|cet|cette|tous nos|toutes nos|definitivement|completement|totalement|votre|vos) ~2 {hard_contract}",
	NOT_OURS, 0, NULL},
	{CHURN, "{we} ~6 (arret*|stopp*|cess*|interromp*|abandonn*|coup*|lach*) (avec vous|avec toi|avec votre|votre|vos|l utilisation|d utiliser|de travailler avec|la solution|l outil|le service|les services|la plateforme|l experience|le logiciel|l aventure|les frais|la prestation|tout|toute collaboration|la ~1 collaboration)",
	NOT_OURS, 0, NULL},
	{CHURN, "{we} ~4 (arret*|stopp*|cess*) ~1 (au|a|des|fin|en) (terme|la fin|echeance|l echeance|fin|maintenant|la date)", NOT_OURS, 0, NULL},
	{CHURN, "(on|nous|je) ~4 (ferm*|clotur*|supprim*|desactiv*|clore) (le|notre|mon|nos|l) (compte*|espace|acces|abonnement*|licence*)", NOT_OURS, 0, NULL},
	{CHURN, "(rend*|restitu*) (les|nos|toutes les) ~1 licence*", NULL, 0, NULL},
	/* ---- mettre fin, mettre un terme, prendre fin ---- */
	{CHURN, "(met|mets|mettre|mettons|mettrons|mettra|mis|mettent|mettant|mettrai) ~1 (fin|un terme|terme|un point final) (a|au|aux|la) ...3 {contract}", NOT_OURS, 0, NULL},
	{CHURN, "(met|mets|mettre|mettons|mettrons|mettra|mettent|mettrai) ~1 (fin|un terme|terme) (a|au|aux) (tout|ca|cela|notre)", NOT_OURS, 0, NULL},
	{CHURN, "(contrat|abonnement|partenariat|collaboration|licences|engagement|prestation) ~3 (s|se) ~1 (arret*|termin*|achev*|clotur*|conclu*) ~3 (au|le|la|fin|a|en|la|definitivement|#)", "(mon contrat|mon cdd|" OTHER_CONTRACT "|quand|automatiquement|{supplier}|(mon|ma) (contrat|mission|cdd))", 0, NULL},
	{CHURN, "(arret*|stopp*|cess*|interromp*|clotur*|clore|romp*|coup*|suspend*|denonc*|annul*|supprim*|desactiv*|ferm*|rompre|rupture|fin|terme) (de|du|d|a|au)? (le|la|l|notre|nos|mon|mes|ce|cet|cette|votre|vos|tous nos|toutes nos)? ~2 (contrat*|abonnement*|licence*|partenariat|collaboration|souscription|compte client|espace client|renouvellement|reconduction|prelevement*|prestation*|acces) ", NOT_OURS, 0, NULL},
	{CHURN, "(merci de|veuillez|priere de|pouvez vous|pourriez vous|peux tu|tu peux|vous pouvez|je vous (prie|demande|remercie) de|vous demand* de|bien vouloir) ~3 (arreter|stopper|cesser|interrompre|couper|desactiver|annuler|bloquer|suspendre|clore|cloturer|fermer|supprimer|resilier) ~2 (renouvellement|reconduction|prelevement*|facturation|abonnement|licence*|contrat|compte|espace|acces|service*|prestation*|souscription)", NOT_OURS, ASKED, NULL},
	{CHURN, "(n|ne) (en|y) ~1 (avons|a|ai|ayant|voyons|trouvons) plus (l usage|l utilite|besoin|usage|utilite|d interet|l interet)", NULL, NEGATED, NULL},
	{CHURN, "(en|y) (rester|restons|reste|restera|resterons|arreter|arretons) la", "(pour aujourd|(la|cette|notre) (discussion|reunion|echange*))", 0, NULL},
	{CHURN, "{we} ~3 (desengag*|retir*|part*) ~4 (fin|au|a la|du|de|le|terme|echeance|en) ~2 (mois|trimestre|contrat|abonnement|annee|juin|juillet|aout|septembre|decembre|terme|echeance|pilote|projet|partenariat|collaboration)", "(conge*|vacances|salon|deplacement|pour|partageons|partag*|partir de|participe*|partons sur|part sur|quitte)", 0, NULL},
	{CHURN, "(ne|n|on) ...2 (reste|restons|resterons|restera|rester|restent|continue|continuons|poursuit|poursuivons) (pas|plus) ~1 (chez|avec|client* (de|chez)) ~1 (vous|toi|votre)", NULL, NEGATED, NULL},
	{CHURN, "(pas|plus) (rester|continuer|poursuivre|travailler|collaborer|repartir|rempiler|renouveler) ~1 (chez|avec|client*) ~1 (vous|toi|votre)", "(aujourd|si)", NEGATED, NULL},
	{CHURN, "(dire|disons|se dire|nous dire) ~1 (au revoir|adieu)", "pas", 0, NULL},
	{CHURN, "{we} ~4 (plus) ~2 (client*|abonne*|utilisateur*) ~2 (chez|de) ~1 (vous|votre|vos)", NULL, NEGATED, NULL},
	{CHURN, "{we} ~5 y ~1 (met|mets|mettre|mettons|mettrons|mettra|mettent) ~1 (fin|un terme)", NULL, 0, NULL},
	{CHURN, "{contract} ~6 (prend|prendra|prendre|prenne) fin", "((mon|ma) (contrat|mission|cdd)|" NOT_OURS ")", 0, NULL},
	{CHURN, "(fin|terme) (de|du|d) (notre|la|l|ce) (contrat|abonnement|collaboration|partenariat|engagement) (au|le|a compter|a partir|effective|effectif)", NOT_OURS, 0, NULL},
	{CHURN, "^ (fin|arret|cloture|annulation|denonciation|rupture|stop) (de|du|d)? (notre|la|l|nos|mon)? (contrat|collaboration|partenariat|abonnement|pilote|licences|compte) $", NULL, 0, NULL},
	{CHURN, "(pas|ni) (de|d) ~1 (reconduction|renouvellement|prolongation|reabonnement)", NULL, NEGATED, NULL},
	/* ---- ne pas renouveler, reconduire, prolonger ---- */
	{CHURN, "(ne|n|pas) ...6 (pas|plus|point|guere|jamais) ...4 (renouvel*|reconduir*|reconduit*|reconduis*|reconduction|prolong*|reabonn*|resign*|re sign*|repartir|repartons|rempil*|re engager|reengag*|renouvellement) ",
	"(" OTHER_CONTRACT "|automatiquement|tacitement|oubli* de|manquer* de|{their_people}|cette annee le salon|aucun probleme pour)", NEGATED, NULL},
	{CHURN, "(ne|n) pas (le|la|les|l|nous)? (renouvel*|reconduir*|prolong*|reabonner|poursuivre|continuer)", "(" OTHER_CONTRACT "|oubli*|{their_people}|discussion*|echange*)", NEGATED, NULL},
	{CHURN, "on (va|veut|souhaite|compte|pense|prefere|peut|pourra|a decide|reconduit|renouvelle|prolonge|continue|repart) ~2 pas ...2 (renouvel*|reconduir*|reconduction|prolonger|continuer avec|repartir|rempiler|l abonnement|le contrat|les licences|la licence)", "(" OTHER_CONTRACT "|{their_people})", NEGATED, NULL},
	{CHURN, "(ne|n|on) ...3 (renouvellera|renouvellerons|renouvelle|renouvelons|reconduit|reconduisons|reconduirons|reconduira|prolonge|prolongeons|prolongerons|rempile|repart|repartons) (pas|plus)", "(" OTHER_CONTRACT "|{their_people})", NEGATED, NULL},
	{CHURN, "(non renouvellement|non reconduction|non prolongation|non renouvele|non reconduit)", "(" OTHER_CONTRACT "|en cas de|{their_people}|conditions)", NEGATED, NULL},
	{CHURN, "(renonc*|renoncons) (a|au) ~2 (renouvel*|reconduction|abonnement|contrat|prolong*)", NULL, 0, NULL},
	{CHURN, "(laiss*) ~3 {hard_contract} ~3 (expirer|s eteindre|arriver a|aller a son terme|tomber|s arreter|mourir|courir jusqu)", NOT_OURS, 0, NULL},
	{CHURN, "(laiss*) (expirer|s eteindre|tomber|courir) ~3 {hard_contract}", NOT_OURS, 0, NULL},
	{CHURN, "(ne|n) ...4 (pas|plus) ...3 (poursuivre|continuer|poursuivrons|continuerons|poursuivons|continuons|poursuit|continue|poursuivra|continuera) ~3 (avec vous|avec toi|avec votre|l abonnement|le contrat|la collaboration|notre collaboration|le pilote|ensemble|l aventure|l experience|notre partenariat|le partenariat|au dela)",
	"((la|cette|notre|nos) (discussion*|echange*|conversation*))", NEGATED, NULL},
	{CHURN, "(pas|plus) ~2 (poursuivre|continuer) ~1 (la collaboration|notre collaboration|l abonnement|le contrat|l aventure|avec vous|le partenariat|l experience|avec votre)", NULL, NEGATED, NULL},
	/* ---- partir, changer, se separer, se passer ---- */
	{CHURN, "(quitt*|delaiss*) (votre|vos|ton|ta|vous) ~1 (solution|outil|plateforme|service*|logiciel|maison|offre)?", "(si vous|reunion|visio|vous (etes|avez)|vous quitt*|poste)", 0, NULL},
	{CHURN, "(nous|on|je) (vous|te) (quitt*|quittons|quitte|lache)", "(reunion|pour aujourd|ce soir|la dessus|bonne)", 0, NULL},
	{CHURN, "(nous|on) ~3 (se |nous )? (separ*|passer|passe|passons|passerons|dispenser) (de|du) (vous|votre|vos|l outil|la solution|la plateforme|ce service|cet outil|cette solution|vos services)", NULL, 0, NULL},
	{CHURN, "(se passer|nous passer|me passer|se dispenser|nous dispenser|se separer|nous separer) (de|du|d) (vous|votre|vos|l outil|la solution|la plateforme|ce service|cet outil|cette solution|ce logiciel|l abonnement)", NULL, 0, NULL},
	{CHURN, "(chang*|changeons) (de|d) (prestataire|fournisseur|outil|solution|logiciel|crm|plateforme|partenaire|cremerie)", "(" OTHER_CONTRACT "|(energie|gaz|electricite|telephon*|internet)|vous (avez|changez|etes)|interess*|pour vous|aimerions|cherch*|envisag*|ravis|avec vous|chez vous|vers vous|j ai change|j ai|je bosse|refractaire*|tout changement|reticen*|resist*)", THEM, NULL},
	{CHURN, "(avons|ai|a|va|allons) ~2 (confie*|confier|basculer|bascul*|migrer|migre) ~6 (a|chez|sur|vers) ~3 (autre|concurrent*|nouveau|{product})", "(depuis|de {product}|il y a|avec vous|chez vous)", 0, NULL},
	{CHURN, "(bascul*|migr*|pass*) ~5 (sur|chez|vers|a) (un autre|une autre|un concurrent|la concurrence|autre chose|{product}|{Name}) ~5 (fin|terme|echeance|donc|et ~3 (arret*|stopp*|resili*|contrat|abonnement))", "(depuis|chez vous|vers vous)", 0, NULL},
	{CHURN, "(plus) ~1 (besoin|l utilite|l usage|utilite) (de|d|du) (votre|vos|l|cet|ce|cette|la|le|notre|nos) ~1 (abonnement|licence*|contrat|service*|solution|outil|plateforme|logiciel|prestation*|compte)", NULL, NEGATED, NULL},
	{CHURN, "(pas|plus) ~3 (aller|irons|ira|allons|va) plus loin ~3 (avec vous|ensemble) ...6 {contract}", NULL, NEGATED, NULL},
	{CHURN, "(irons|ira|aller|va|allons) pas plus loin ...8 (fin|terme|echeance|apres) ~3 {hard_contract}", NULL, NEGATED, NULL},
	{CHURN, "{hard_contract} ...8 (irons|ira|aller|va|allons) pas plus loin", NULL, NEGATED, NULL},
	{CHURN, "(nous|on|je) ~3 (arreter|arretons|arrete|arreterons|arretera|stop) (la $|la pour|la avec|la et|la car|la des|la au|ici|ca|tout|cela|les frais|le massacre)", "((la|cette|ma) (question|discussion|reunion)|pour aujourd)", 0, NULL},
	{CHURN, "(on|nous) ~1 (s|nous) (arret*) (la|ici|au)", "(pour aujourd|reunion)", 0, NULL},
	{CHURN, "(arret*|stopp*|fin) ~1 (la|notre|cette|toute) ~1 (collaboration|prestation|relation commerciale|aventure)", NOT_OURS, 0, NULL},
	{CHURN, "(preavis|lettre recommandee|lrar|recommande) ~6 (resili*|denonc*|contrat|abonnement|depart|fin)", "(" OTHER_CONTRACT "|quel*|combien|duree|{supplier}|possible|article|conditions)", 0, NULL},
	{CHURN, "(donn*|adress*|notifi*|respect*|envo*|transm*) ~3 (notre|le|mon|la) (preavis|lettre de resiliation|resiliation|denonciation)", NOT_OURS, 0, NULL},
	{CHURN, "(a|avec) (regret|contrecoeur) ~8 (arret*|quitt*|mettre fin|resili*|cess*|partir)", NOT_OURS, 0, NULL},
	{CHURN, "(contrat|abonnement|partenariat|licence*|pilote|collaboration) ~3 (ne|n) ...3 (sera|seront|est|sont|serait) (pas|plus) (reconduit*|renouvel*|prolong*|maintenu*|poursuivi*)", OTHER_CONTRACT, NEGATED, NULL},
	{CHURN, "(contrat|abonnement|licence*|pilote|collaboration|partenariat) ~4 (est|sont|sera|seront|etait|doit etre|a ete|soit) (resili*|annul*|arret*|stopp*|cloture*|interromp*|abandonn*|termin*|denonc*)", NOT_OURS, 0, NULL},
	{CHURN, "(pilote|essai|poc|experience) ~3 (s arret*|s arrete|n est pas|ne sera pas|n ira pas) ~2 (la|concluant|ici|reconduit|prolonge|plus loin|poursuivi)", NULL, NEGATED, NULL},
	{CHURN, "(ne|n) ...2 (donn*|donnerons) pas ...2 suite ~3 (pilote|essai|poc|abonnement|contrat)", NULL, NEGATED, NULL},
	{CHURN, "(plus|pas) ~2 (vouloir|veut|voulons|veux|souhaite|souhaitons) ~4 (prelev*|factur*|payer|pay*) ~4 {contract}", NULL, NEGATED, NULL},
	{CHURN, "(derniere) ~1 (facture|echeance|mensualite) ~4 (resili*|contrat|abonnement|avec vous|ensuite)", NULL, 0, NULL},
	{CHURN, "(desabonn*|desengag*|retract*|retirer|retirons|retire) ~2 (de|du|l) (votre|vos|notre|nos|la|le|ce|l)? (service*|plateforme|solution|outil|formule|offre payante|contrat|pilote|partenariat|engagement|abonnement)", NULL, 0, NULL},
	/* said of the contact in a note */
	{CHURN, "(elle|il|client*|ils|contact|{contact}|m|mme) ~5 (resili*|met fin|mettent fin|mettre fin|stopp*|arret*|nous quitt*|denonc*|ne renouvel*|ne reconduit*|part chez|partent chez) ", OTHER_CONTRACT, NOTED, NULL},
	{CHURN, "^ ~3 (resiliation|churn|non renouvellement|non reconduction|depart client|perte client)", NULL, NOTED, NULL},

	/* ---- opt-out ---- */
	{OPT_OUT, "(ne|n) plus ~3 (me|nous|m|etre|j|recevoir|avoir|vouloir) ...4 ({contact_verb_fr}|recevoir|mails|messages|appels|nouvelles|sollicitations|newsletter*|contact|pub*|mail|message)",
	"(souci|probleme|bug|alerte*|notification*|erreur*|doublon*|facture*|julien|depuis|jusqu|d ici|avant|pourquoi|n arrive|{colleague}|a mon sujet)", NEGATED | ASKED, NULL},
	{OPT_OUT, "(ne|n) plus (me|nous|m) ...3 {contact_verb_fr}", "(jusqu|avant|d ici|pendant|cette semaine|ce mois|sur ce numero|a cette adresse|sur mon|pour ce sujet)", NEGATED | ASKED, NULL},
	{OPT_OUT, "(souhait*|veux|veut|voul*|desir*|merci de|aimer*|priere de|demand* de|veuillez|svp|stp|faut|prie de|voudr*) ~1 (ne )? (plus|pas|jamais) ~2 (recevoir|avoir|etre (contact*|relanc*|demarch*|sollicit*|appel*|derang*|ennuy*|spam*|import*|harcel*)|entendre parler)",
	"(avant|jusqu|d ici|facture*|alerte*|notification*|cette semaine|ce mois|en double|erreurs|{colleague}|surpris*)", NEGATED | ASKED, NULL},
	{OPT_OUT, "(ne|n) ...3 (plus|pas|jamais) ~2 (recevoir|avoir) ~3 (mail*|message*|email*|e mails|courriel*|newsletter*|appel*|sollicitation*|communication*|info*|prospection|relance*|publicite*|pub|offre*|emailing*|sms|lettre d information)", "(avant|jusqu|alerte*|notification*|en double|si vous|d erreur|facture*|bugs)", NEGATED | ASKED, NULL},
	{OPT_OUT, "(ne|de) ...2 (plus|pas) ~1 (me|m|nous) ~1 (contacter|ecrire|envoyer|relancer|appeler|solliciter|demarcher|deranger|harceler|spammer|importuner|rappeler|recontacter|mailer|embeter|relancez|contactez|ecrivez|appelez|envoyez|sollicitez|derangez|rappelez|recontactez|contacte|ecris|relance|appelle|envoie|rappelle|recontacte)",
	"(avant|jusqu|d ici|pendant|cette semaine|ce mois|ce numero|cette adresse|apres|le matin|l apres midi|le soir|le vendredi|le lundi|a midi|entre|hesit*|oubli*|manqu*|en copie|si|sauf|ligne directe|portable|depuis|tout de suite|maintenant|aujourd|demain|pour l instant|pour le moment|fixe|le portable|standard)", NEGATED | ASKED, NULL},
	{OPT_OUT, "(ne|n) (veux|veut|voulons|souhaite|souhaitons|desire|desirons) (plus|pas) (de|d|aucun*) ~3 (mail*|message*|email*|e mails|courriel*|newsletter*|appel*|sollicitation*|relance*|pub*|spam*|contact|nouvelles|demarchage|prospection|sms)", "(si|avant|jusqu|alerte*)", NEGATED | ASKED, NULL},
	{OPT_OUT, ", (ne|n) (me|m|nous) (contact*|ecriv*|ecris|envoy*|envoie|relanc*|appel*|sollicit*|demarch*|derang*|harcel*|spam*|rappel*|recontact*) (plus|pas|jamais)", "(avant|jusqu|d ici|pendant|tout de suite|aujourd|demain|maintenant|pour l instant|pour le moment|cette semaine|si |sauf|les factures|fixe|le portable|standard|au bureau)", NEGATED | ASKED, NULL},
	{OPT_OUT, "(ne|n) (me|m|nous) (contact*|ecriv*|ecris|envoy*|envoie|relanc*|appel*|sollicit*|demarch*|derang*|harcel*|spam*|rappel*|recontact*) plus", "(avant|jusqu|d ici|pourquoi|depuis)", NEGATED | ASKED, NULL},
	{OPT_OUT, "(arret*|stop|stopp*|cess*|finissez|fini) ~1 (de|d) ~1 (me|m|nous) ~1 ({contact_verb_fr}|inonder|polluer|embeter|emmerder|saouler|bombarder|contacter)", "((n|ne) (arret*|cess*)|quand|jusqu|{colleague} arrete|n arretez|n arrete|n arreter)", NEGATED | ASKED, NULL},
	{OPT_OUT, "(arret*|stop|stopp*|cess*) (de|d|vos|les|ces|tes|avec|tout|toute|toutes|la|tous|a) ~3 (mail*|message*|email*|e mails|relance*|appel*|spam*|sollicitation*|envoi*|prospection|newsletter*|demarchage|publicite*|communication*|harcelement|pub|courriel*|sms|demarches)", "((n|ne) (arret*|cess*)|{their_people}|serveur|notre|nos|automatiqu*|{we} ~2 (avons|ai|allons) )", NEGATED | ASKED, NULL},
	{OPT_OUT, "(retir*|enlev*|supprim*|ray*|sort*|effac*|radi*|ote*|otez|vir*|desinscri*|desabonn*|exclu*|blacklist*|desinscrir*|bann*) (moi|nous|toi)", "(la facture|le doute|de la boucle|de la reunion|d un doute|de cette reunion|de l invitation)", NEGATED | ASKED, NULL},
	{OPT_OUT, "(me|m|nous) ~1 (retir*|enlev*|supprim*|ray*|sortir|effac*|radi*|oter|vir*|desinscri*|desabonn*|exclu*|blacklist*|desinscrir*|bann*)", "(une|les licences|le doute|inutile|pas besoin|du projet|de l abonnement|{resilier}|contrat|le module|la ligne|de la reunion|de l invitation|de la boucle|comment ca|nous retirons du)", ASKED, NULL},
	{OPT_OUT, "(retir*|enlev*|supprim*|ray*|sort*|effac*|radi*|oter|otez|vir*|exclu*) ~1 (mon|mes|notre|nos|l|cette|ce|mon propre) ~1 (adresse*|email*|e mail|mail*|numero*|nom*|coordonnees|donnees*|contact*|profil|telephone|fiche|infos|informations) ~3 (de|du|dans|des)? ", "({their_people}|doublon*|test|du contrat|de la facture|crm de|compte de {colleague}|{colleague}|etape|import*|export*)", ASKED, NULL},
	{OPT_OUT, "(desinscri*|desabonn*|desinscription|desabonnement|unsubscribe|opt out) ~4 (moi|me|m|mon|ma|de|du|svp|stp|merci|immediat*|liste*)", "({their_people}|inutile|pas besoin|gere*|gestion|contacts|lien de|taux|outil|automatique*|bouton|plateforme|service|vos services|solution|plan|formule|abonnement|offre|forfait)", ASKED, NULL},
	{OPT_OUT, "^ (stop|desinscription|desinscrire|desabonnement|desabonner|unsubscribe|desabo|stop svp|stop merci|stop pub|stop mail*|stop sms|stop spam)", "(comment|{their_people})", SHORT | ASKED, NULL},
	{OPT_OUT, "(demande*|souhait*|veux|voudrais|merci pour|confirm*|exige*) ~3 (ma|notre|la|mon|une) (desinscription|desabonnement|suppression|radiation|retrait) ", "(contrat|compte|abonnement|licence*|facture)", ASKED, NULL},
	{OPT_OUT, "(oppos*|opposition|droit d opposition|droit a l oubli|droit a l effacement|droit de retrait|retire* mon consentement|retrait de mon consentement|retirer mon consentement) ...6 (donnees|prospection|traitement|rgpd|gdpr|personnelles|coordonnees|demarchage|sollicitation*|envoi*|emails|mails|fichier*|base*)?", "(gere*|{their_people}|votre outil|logiciel|liste* d opposition|comment|conseil|votre solution|module)", 0, NULL},
	{OPT_OUT, "(conformement|au titre|en vertu|application|article) ~3 (rgpd|gdpr|cnil|loi informatique) ...14 (supprim*|effac*|retir*|oppos*|cess*|desinscri*|donnees)", "(votre outil|votre solution|{their_people}|heberg*|conforme*)", 0, NULL},
	{OPT_OUT, "(inutile|inutiles|pas la peine|pas besoin|plus la peine|ca ne sert a rien|rien ne sert|aucun interet) (de|d) ~1 (me|m|nous|insister|relancer|revenir|rappeler|recontacter|perdre)", "(avant|jusqu|d ici|desabonn*|desinscri*|resilier|annuler|supprim*|envoyer de|la relancer|le relancer|cette semaine|rappeler aujourd|tout de suite|pendant|demain|l adresse|le lien|le document|le devis|enlever|retirer|present*|expliqu*|forcer|convaincre)", NEGATED | ASKED, NULL},
	{OPT_OUT, "(laiss*|fich*|lach*|foutez|fous) (moi|nous) ~1 (tranquille*|en paix|la paix|svp|stp|respirer|la grappe|les baskets)?", "(jusqu|jusque|le temps|un peu de temps|quelques jours|reflech*|revenir|regarder|voir|un delai|en parler|verifier|cette semaine|finir|savoir|consulter|un moment|le soin|vous|une semaine|deux semaines|moi (le|la|un|une)|nous (le|la|un|une))", ASKED, NULL},
	{OPT_OUT, "(fich*|foutez|fous|laiss*|lach*) (moi|nous) (la paix|tranquille*|en paix|la grappe)", "(jusqu|jusque)", ASKED, NULL},
	{OPT_OUT, "(oubli*|perd*|jet*|effac*|efface) (moi|mon numero|mon adresse|mon email|mon mail|mon contact)", "(pas|mot de passe)", ASKED, NULL},
	{OPT_OUT, "(plus|pas|aucun*) (de|d|besoin de)? ~1 (mail*|message*|email*|relance*|appel*|sollicitation*|spam*|prospection|newsletter*|pub|demarchage) (de votre part|svp|stp|merci|de vous|commercial*|commerciaux|publicit*|s il vous plait|a l avenir)", "(recu|eu|si|pas de message de votre|avant|depuis)", NEGATED, NULL},
	{OPT_OUT, "^ (plus|assez|ras le bol|marre) (de|d) ~1 (mail*|message*|email*|relance*|appel*|sollicitation*|spam*|pub)", NULL, NEGATED, NULL},
	{OPT_OUT, ", plus (de|d|aucun) ~1 (mail*|message*|email*|relance*|appel*|sollicitation*|pub)", "(si|recu|depuis)", NEGATED, NULL},
	{OPT_OUT, "(a l avenir|desormais|dorenavant|definitivement) ~4 (ne|n) ~1 (plus|pas) ...3 ({contact_verb_fr}|recevoir)", NULL, NEGATED | ASKED, NULL},
	{OPT_OUT, "(signal*|porter plainte|plainte|saisir|saisirai|saisis) ~4 (cnil|spam|harcelement|indesirable*)", NULL, ASKED, NULL},
	{OPT_OUT, "(n|pas|jamais) ~2 (donne|autorise|consenti|demande) ~4 (recevoir|mails|messages|contacte|emails|prospection|sollicit*|coordonnees|accord)", "(devis|prix|budget|proposition)", NEGATED, NULL},
	{OPT_OUT, "(ne|n) ...2 (souhait*|veux|veut|voul*|desir*) (plus|pas) ...3 (contact*|sollicit*|relanc*|demarch*|appel*|derang*|entendre|echanger|communication*|mails|messages|spam*)", "(avant|jusqu|d ici|par telephone|cette semaine|ce mois|pour l instant|pour le moment|tout de suite|{colleague}|nos clients|vous relancer|vous deranger|vous appeler|te deranger|en copie)", NEGATED, NULL},
	{OPT_OUT, "(demande|souhaite|veut|exige|a demande|prie) ~2 (de|a|que|d)? (ne)? (plus|etre) ...2 (etre|recevoir|la|le|l|lui|retire*|desinscrit*|supprim*|l appeler|contact*|relanc*|sollicit*)", "(avant|jusqu|rappel*|recontact* (en|dans|le|apres|a|mi|debut|fin)|plus tard)", NOTED | NEGATED, NULL},
	{OPT_OUT, "(ne plus|plus jamais|blacklist*|opt out|stop contact|desinscri*) ~2 (contacter|appeler|relancer|solliciter|demande*|souhaite*|ecrire|deranger|a sa demande)", "(avant|jusqu)", NOTED | NEGATED, NULL},

	/* ---- has left the company ---- */
	{LEFT, "(je|j) ~2 (ai|avais|viens de|vais|quitte|quitterai) ~2 (quitt*|demission*|quitter) ~3 ({company_fr}|mes fonctions|mon poste|{Name})?", "(reunion|bureau a|bureau pour|salle|la reunion|le bureau|la ville|l appel|visio|paris|region|salon|table|outil|vous|solution|abonnement|crm|newsletter|des yeux|maison (ce|a|vers)|groupe whatsapp|groupe linkedin)", 0, NULL},
	{LEFT, "(je|j) (quitte|quitterai|ai quitte|quittais|vais quitter|viens de quitter) ~1 (l|la|le|mes|mon|cette|notre|{Name}) ~1 ({company_fr}|{Name})?", "(reunion|bureau|salle|la ville|l appel|visio|paris|region|table|outil|vous|crm|newsletter|des yeux|france|la france|pays|travail a)", 0, NULL},
	{LEFT, "(je|j|il|elle|{contact}|m|mme|monsieur|madame|{Name}) ~3 (ne|n) ...2 (suis|est|fais|fait|travaille|occupe|exerce|appartien*|fera|travaillera|serai|sera|travaillerai) (plus|pas) ~3 (partie|ici|chez|dans|au sein|en poste|salari*|employ*|a|la|le|l|pour|ce poste|cette fonction|mes fonctions|ses fonctions|cette adresse|des effectifs|membre|collaborat*)",
	"(projet|reunion|comite|groupe de travail|sujet|dossier|bureau|convaincu*|d accord|sur que|jour|disponible|en mesure|a l aise|interess*|aujourd|cette semaine|demain|a meme|la semaine|le decideur|decisionnaire|la personne|le bon|la bonne|l interlocut*|en charge|responsable|{colleague} n|notre {colleague}|collegue*|en conge*|a jour|la pour|le matin|l apres|a temps plein|certain*|sure*|sur de|priorit*|question)", NEGATED, NULL},
	{LEFT, "(ne|n) (fais|fait|faisais|ferai|fera|font) plus partie", "(projet|groupe de travail|priorites|comite|plans|collegue*|notre {colleague}|nos|options|choix|short list)", NEGATED, NULL},
	{LEFT, "(je|j) ~2 (travaille|suis|bosse|exerce|serai|travaillerai|officie) plus ...3 (chez|ici|la|dans|pour|en poste|au sein|a|la bas|de la|de l|salarie*)", "(projet|reunion|sujet|dossier|bureau (a|aujourd)|interess*|dispo*|convaincu*|ce matin|jour|en conge*|a jour|a l aise|a temps|en charge|sur de)", NEGATED, NULL},
	{LEFT, "(je|j) (suis )? (pars|parti*|partirai|m en vais|depart|serai parti*) ~2 (a la|en|de la|de l|vers (de|d)|pour (de|d)) ~1 (retraite|societe|entreprise|boite|nouvelles|nouveaux|autres horizons|preretraite|fin de mois)", "(vacances|conge*|deplacement|reunion)", 0, NULL},
	{LEFT, "(retraite) ~6 (depuis|a partir|a compter|le|fin|prochain*|bien meritee|au)", "({colleague}|notre|contrat|mutuelle|produit*|epargne|caisse|clients|outil|maison)", 0, NULL},
	{LEFT, "(je|j) ~1 (pars|partirai|suis parti*|parti*|vais partir|m en vais|sors) de (chez|la (societe|boite)|l entreprise|cette (societe|entreprise|boite))", "(reunion|bureau)", 0, NULL},
	{LEFT, "(je|j) ~2 (ai ete|suis|serai) ~1 (mute*|muter|licencie*|remercie*|remplace* par|transfere*|reaffecte*|promu* dans une autre)", "(avec|mail)", 0, NULL},
	{LEFT, "(heure|moment|temps) (de|d) ~2 retraite (a sonne|est venu*|est arrive*|approche|sonne)", NULL, 0, NULL},
	{LEFT, "(je|j) ~1 (cesse|ai cesse|cesserai|arrete|termine|quitte|acheve) (mon|mes|toute|ma) (activite*|fonctions|mission*|collaboration|carriere|contrat)", "(avec (vous|votre)|abonnement|a cette heure|pour aujourd)", 0, NULL},
	{LEFT, "(mon|ma) (contrat|mission|cdd|stage|alternance|mandat|periode) ~4 (se termine|s acheve|prend fin|est termine*|s arrete|prendra fin|se terminera|s achevera|arrive a (son )? terme|touche a sa fin)", "(avec vous|votre|abonnement|licence*|essai|pilote|test)", 0, NULL},
	{LEFT, "(je|j) ~3 (pris|prends|prendrai|pris ma|prendre|pars a la|suis a la|suis en|serai en|serai a la) ~1 retraite", NULL, 0, NULL},
	{LEFT, "(j|je) ~2 (ai|viens) ~1 (demissionne*|de demissionner|ete licenci*|pose ma demission|pose ma dem|donne ma demission|remis ma demission|change de (societe|boite|entreprise|employeur|poste|job|travail|metier)|rejoint (une|un|la|l|le|{Name})|pris (un|mes|de) (nouveau*|nouvelles|autre*)|ete (mute|mutee|remercie*)|cesse (mes|d exercer))", "(de poste de travail|ordinateur|le groupe de|groupe whatsapp|la reunion|l appel|la visio|de bureau|equipe projet)", 0, NULL},
	{LEFT, "(je|j) (change|changeais|vais changer|changerai|demissionne|demissionnais) ~1 (de|d)? ~1 (societe|boite|entreprise|employeur|poste|job|travail|metier|vie|cap)?", "(ordinateur|numero|adresse|avis|telephone|de banque|nous|outil|logiciel|crm|fournisseur|solution)", 0, NULL},
	{LEFT, "(mon|ma|notre) (dernier jour|derniere semaine|depart) ~6 (est|sera|etait|le|vendredi|lundi|mardi|mercredi|jeudi|dans|chez|aura|a eu|{company_fr})", "(conges|vacances|salon|formation|en vacances|conference|colleg*|notre {colleague})", 0, NULL},
	{LEFT, "(suite a|depuis|apres|cause de|annonce) (mon|ma|ma mise) (depart|demission|licenciement|retraite|mutation|mutation)", "(vacances|conge*)", 0, NULL},
	{LEFT, "{contact} ~3 (a|ont|avait|vient de|va|est|a ete|ne|n|nous a|qui a|m a) ...3 (quitt*|demission*|parti*|licenci*|plus|change de|retraite|mute*|rejoint|partir|quitter)", "(reunion|bureau|conge*|vacances|disponib*|interess*|de bureau|plus tard|convaincu*|deplacement|la visio|parti pris|parti en (conge*|vacances|week|clientele)|a parti*|{colleague} de {contact})", NEGATED, NULL},
	{LEFT, "(m|mme|mr|monsieur|madame|mlle|{contact}) {Name}? {Name}? {Name}? (a (quitte|demissionne|pris sa retraite|rejoint)|n est plus|ne fait plus|ne travaille plus|est parti*|n occupe plus|n exerce plus|ne collabore plus|est decede*|nous a quitte*|a cesse|a change)", "(bureau aujourd|en conge*|disponible|joignable (aujourd|cette)|a quitte (la reunion|le bureau|la salle)|decideur|notre {colleague}|collegue|la visio)", NEGATED, NULL},
	{LEFT, "^ {Name} {Name}? (a|vient de) ~1 (quitte* (la|l|le|sa|son) (societe|boite|entreprise|groupe|poste)|quitter (la|l|le|sa|son) (societe|boite|entreprise|groupe|poste)|change* de (boite|societe|entreprise|employeur|boulot|job|metier|poste)|changer de (boite|societe|entreprise|employeur|boulot|job|metier|poste)|demissionne*|demissionner|"
	"pris sa retraite|prendre sa retraite|ete (licencie*|mute*|remercie*)|fait valoir ses droits)", "({colleague}|numero|telephone|reunion|visio)", NOTED, NULL},
	{LEFT, "(elle|il|contact) ~1 (a quitte|vient de quitter|quitte|a demissionne|ne travaille plus|ne fait plus partie|n est plus (chez|dans|en poste|salarie*|au sein|la)|est parti* (de|a la)|part a la retraite|part de|change de (boite|societe|poste|entreprise)|est a la retraite|a ete licenci*)", "(reunion|bureau|salle|{colleague}|appel|visio|vacances|conge*)", NOTED | NEGATED, NULL},
	{LEFT, "(plus|pas) (en poste|dans les effectifs|dans l entreprise|dans la societe|chez {Name}|salarie*|au sein de)", "(collegue*|notre {colleague}|nouveau|{colleague} n est plus|ancien*|outil|encore arrive|nos|donnees)", NEGATED, NULL},
	{LEFT, "(destinataire|titulaire|personne|collaborateur|collaboratrice|interlocuteur|utilisateur|correspondant*) ~6 (a quitte|ne fait plus|n est plus|ne travaille plus|est parti*|n appartient plus)", "(notre collaborateur|votre|le projet)", KAM_RULE_AUTOMATIC | NEGATED, NULL},
	{LEFT, "(a quitte|ne fait plus partie|ne travaille plus|n est plus en poste|n appartient plus|fait plus partie|quitte ses fonctions|quitte notre)", "(le projet|vacances|reunion)", KAM_RULE_AUTOMATIC | NEGATED, NULL},
	{LEFT, "(je suis|suis|je serai) (desormais|maintenant|dorenavant|depuis|actuellement)? ~4 (chez un autre|dans une autre|pour une autre|dans un autre|a mon compte|independant*|consultant* independant*|en recherche d emploi|au chomage|sans emploi|freelance|a la retraite|retraite|retraitee)", "(equipe|bureau|reunion|client)", 0, NULL},
	{LEFT, "(fin de mon contrat|fin de ma mission|mon contrat (se termine|s acheve|prend fin|est termine|s arrete)|ma mission (se termine|s acheve|prend fin|est terminee|s arrete)|mon cdd|mon stage (se termine|s acheve|prend fin)|mon alternance (se termine|s acheve)) ", "(avec vous|votre|abonnement|licence*)", 0, NULL},

	/* ---- takes an end back ---- */
	{RENEWED, "(finalement|en fait|au final|apres reflexion|tout compte fait|bonne nouvelle|apres discussion) ~6 (continu*|poursuiv*|rest*|renouvel*|reconduit*|gard*|conserv*|prolong*|maintien*|maintenons|reconduire|resign*) ", "(concurrent*|{product}|contact|pas|plus tard)", 0, NULL},
	{RENEWED, "(annul*|oubli*|ignor*|ne tenez pas compte|ne pas tenir compte|revien* sur|revenons sur) ~3 (resiliation|demande de resiliation|precedent message|message precedent|decision de (resilier|partir|arreter)|dernier message|mon precedent|notre decision|mail precedent|precedent mail|ma demande|notre demande|preavis)", NULL, NEGATED, NULL},
	{RENEWED, "(decid*|choisi*|prefer*|decision) ~2 (de|d) (ne pas|ne plus) (annuler|resilier|arreter|partir|quitter|changer)", NULL, NEGATED, NULL},
	{RENEWED, "(on|nous) (continue|continuons|poursuit|poursuivons|reste|restons|repart|repartons|resignons|signe|resigne) ~2 (ensemble|avec vous|avec toi|avec votre|chez vous|pour un an|pour une annee|encore)", "(si|discussion*|pas|plus|a echanger)", 0, NULL},
	{RENEWED, "(remett*|remet|reinscri*|reabonn*|rajout*) (moi|nous|me) ~3 (liste*|newsletter*|diffusion|destinataires)", NULL, 0, NULL},
	{RENEWED, "(pouvez|peux|pourriez|ok pour|d accord pour|autorise a) ~2 (a nouveau|de nouveau|recommencer) ~2 (m|me|nous|a m)? ~1 {contact_verb_fr}", NULL, 0, NULL},
	{RENEWED, "(renouvel*|reconduction|reconduit|prolong*|prolongation) ~4 (sign*|valid*|accept*|confirm*|ok|d accord|actee|acte)", "(pas|ne|non|si)", 0, NULL},
};

const KamRuleTable kam_rules_end_fr = {rules, KAM_LENGTHOF(rules)};
