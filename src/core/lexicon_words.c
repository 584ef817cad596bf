/*
 * core/lexicon_words.c: the word classes that the rules call {name}.
 *
 * Words are folded: small letters, no accents, no apostrophes.  "stem*" is
 * every word that begins so, "a_b" two words in a row.  To widen what all
 * rules of a topic understand, add a word here.
 *
 * The first eight classes stand in the order of KamTokenClass (match.h).
 */
#include "core/match.h"

const KamWordClass kam_word_classes[] = {
	/* ---- what the judging of every finding asks for (KamTokenClass) ---- */
	{"not",
		"pas aucun aucune aucunement nullement jamais sans ni guere not never no without neither nor none hardly barely nothing nobody "
	"isnt dont"},
	{"if",
		"si if whether unless might may could pourrait pourraient pourrions pourrais devrait devraient devrions devrais risque risquons risquent "
		"envisage envisageons envisagent envisagerions hesite hesitons hesitent reflechit reflechissons imaginons supposons hypothese eventuelle "
		"eventuellement eventuel considering consider contemplating tempted supposing suppose hypothetically potentially possibly cas "
		"sinon otherwise before peur afraid crains craignons worried"},
	{"ask",
		"comment quand combien pourquoi quel quelle quels quelles lequel ou peut puis peux pourrait pourrions faut doit doivent how what when "
		"why where which can could do does did is are would will should may am have has had who qui quoi y"},
	{"we", "je j nous on i we"},
	{"date",
		"demain lundi mardi mercredi jeudi vendredi samedi dimanche janvier fevrier mars avril mai juin juillet aout septembre octobre "
		"novembre decembre janv fevr fev avr juil sept oct nov dec tomorrow monday tuesday wednesday thursday friday saturday sunday mon tue tues wed "
		"thu thur thurs fri january february march april may june july august september october november december jan feb mar apr jun jul aug sep "
		"semaine* mois annee* an ans jour* heure* trimestre semestre week* month* year* day* quarter* fortnight q1 q2 q3 q4 t1 t2 t3 t4 s1 s2 rentree "
		"matin midi soir ete automne hiver printemps spring summer autumn winter fall noel paques pentecote ascension toussaint easter "
		"christmas today tonight aujourd lendemain surlendemain prochain* next noon morning afternoon quinzaine vacances hour* minutes eoy eom moment*"},
	{"product", ""},
	{"contact_name", ""},
	{"not_name",
		"bonjour bonsoir salut hello hi hey dear cher chere madame monsieur mesdames messieurs mme mr mrs ms mlle merci thanks thank cordialement "
		"lundi mardi mercredi jeudi vendredi samedi dimanche janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre "
		"monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november december "
		"re fwd tr objet subject pour avec chez sur dans les des une mais donc car puis alors enfin ensuite suite apres avant depuis pendant sans "
		"si quand comment comme cela ceci cette votre vos notre nos leur elle elles ils rien tout tous toute toutes oui non ok parfait "
		"what when where who why how which then there here this these those after before since while because still also just let please yes no "
		"sorry great good best kind regards our your their his her its one two crm erp rh it dsi ceo cfo cto cio coo vp rgpd gdpr pdf csv azure ad cc ps nb tva vat sarl sas ltd inc gmbh id url http https faq "
		"europe france paris lyon lille nantes bordeaux toulouse marseille strasbourg rennes london berlin lisbon madrid brussels bruxelles geneve "
		"google outlook teams zoom linkedin gmail office windows microsoft word powerpoint slack docusign quickbooks sso api saas kpi roi b2b q1 q2 "
		"q3 q4 t1 t2 t3 t4 hq uk us usa eu ht ttc eur usd poc "},
	/* ---- shared by all topics ---- */
	{"word_product", ""},
	{"product_start", ""},
	{"us", "vous toi te tu vos votre you your u t"},
	{"ours", "notre nos mon ma mes l le la les ce cet cette our my the this that du au de"},
	{"want",
		"souhait* veu* voul* voudr* aimer* desir* prefer* decid* decision choisi* compt* prevoi* prevu* prevoy* allons vais va vont "
		"want* wish* intend* intention decid* decision plan planning plans prefer* going opted elected chosen like"},
	{"supplier",
		"fournisseur* prestataire* agence* operateur* banque* assureur* assurance* avocat* comptable* cabinet* hebergeur* imprimeur* "
		"traiteur* bailleur* proprietaire transporteur* sous_traitant* freelance* supplier* vendor* agency agencies provider* landlord insurer* bank "
		"telecom* carrier* accountant* lawyer* caterer* contractor* broker* firm firms haulier* courier* consultancy landlords"},
	{"other_contract",
		"assurance* travail bail mutuelle telecom* telephon* mobile* internet fibre electricite gaz energie leasing location menage nettoyage entretien interim "
		"alternance apprentissage stage cdd cdi electricien photocopieur* copieur* imprimante* vehicule* voiture* salle salon hotel vol train "
		"insurance employment lease rent* phone broadband electricity gas cleaning gym magazine netflix spotify newspaper printer* copier* car cars flight hotel "
		"dentist* doctor* appointment* meeting* lunch dinner travel "},
	{"their_people",
		"clients adherents abonnes assures locataires membres patients visiteurs customers subscribers members clients_finaux users_often "
	"tenants shoppers"},
	{"colleague",
		"collegue* collaborateur* collaboratrice* dsi daf pdg dg drh rssi directeur* directrice* responsable* assistant* adjoint* chef boss manager* "
		"predecesseur stagiaire commercial commerciale colleague* director* assistant predecessor intern coworker* teammate* ceo cfo cto cio vp "
		"head lead developer* wife husband femme mari fils fille son_mari daughter brother sister frere soeur ami amie friend "},
	/* ---- the end of a contract ---- */
	{"resilier",
		"resilier resilie resilies resilions resiliez resilient_tous resilierons resilierai resiliera resilieront resiliee resiliees resiliant resiliat* "
		"resillier resillie resillions resilliation* resiliasion"},
	{"end_verb",
		"resilier resilie resilions resiliez resilierons resilierai resiliera resillier denonc* annul* arret* stopp* cess* interromp* clotur* clore "
		"clos ferm* coup* romp* suspend* supprim* desactiv* termin* abandonn* quitt* lach* revoqu*"},
	{"end_noun",
		"resiliation resilliation annulation arret cloture fermeture denonciation rupture cessation interruption suppression desactivation "
		"non_renouvellement non_reconduction terminaison"},
	{"contract",
		"contrat* abonnement* licence* license* engagement collaboration partenariat* pilote poc essai compte* service* prestation* souscription* "
		"formule forfait accord plateforme solution* outil* logiciel* experience aventure relation espace prestations "},
	{"hard_contract", "contrat* abonnement* licence* license* collaboration partenariat* pilote prestation* souscription* forfait engagement formule"},
	{"agreement",
		"contract* subscription* agreement* licen* plan partnership service services pilot trial account* workspace* seat* membership renewal "
		"collaboration deal tool platform software product solution engagement msa retainer package tenant"},
	{"hard_agreement", "contract* subscription* agreement* licen* partnership pilot trial msa retainer membership collaboration engagement"},
	{"cancel", "cancel cancels canceling cancelling canceled cancelled cancellation terminat* discontinu* end ending ends ended stop stopping stopped "
		"close closing quit quitting drop dropping dropped kill killing axe axing ditch* scrap* exit exiting leav* deactivat* delet* shut shutting "
	"wind winding cease ceasing unsubscrib* conclude concluding pull pulling"},
	{"renew", "renew* extend* extension continu* prolong* carry_on keep stay proceed"},
	/* ---- opt-out ---- */
	{"contact_verb_fr",
		"contact* ecri* envo* relanc* appel* solicit* sollicit* demarch* derang* harcel* spam* importun* rappel* mail* recontact* "
	"joindre"},
	{"contact_verb_en",
		"contact* email* e_mail* mail* call* messag* writ* text* bother* spam* chas* pester* ping* harass* solicit* reach* follow* send* dm* pitch*"},
	{"list_fr", "liste* base* fichier* mailing* newsletter* diffusion carnet* sequence* campagne* destinataires envois prospection crm"},
	{"list_en", "list* database* mailing* newsletter* records file crm sequence* campaign* distribution cadence* system"},
	/* ---- time away ---- */
	{"away_fr", "absen* conge* vacances deplacement conference indisponib* rtt maternite paternite maladie arret fermeture formation seminaire"},
	{"company_fr", "societe entreprise groupe boite maison structure organisation organisme etablissement cabinet association agence compagnie equipe effectifs poste fonctions"},
	{"company_en", "company organisation* organization* firm business team group employ employment office_for_good role position"},
	/* ---- deal ---- */
	{"price_noun_fr", "prix tarif* devis chiffrage cout couts montant remise ristourne rabais cotation facturation budget_total bareme tarification"},
	{"price_noun_en", "price* pricing quote* quotation* cost costs fee fees rate_card discount* rates estimate"},
	{"demo", "demo demos demonstration* walkthrough walk_through"},
	{"praise_fr",
		"super aime aimee aimes excellent* excellente genial* top impression* convain* convaincu* seduit* conquis* ravi* enthousia* bluff* emball* ador* "
		"apprec* interessant* pertinent* clair* claire fluide efficace parfait* bravo formidable chouette belle beau enchant* unanimite "
		"epat* plu plait satisf* concluant* utile* brillant* remarquable positif* positive* fan magnifique sympa inspirant* topissime impeccable"},
	{"praise_en",
		"great excellent impress* love* loved amazing fantastic awesome brilliant terrific wonderful liked enjoy* excit* helpful superb "
		"useful convinc* spot_on sold thrilled delighted blown positive exactly perfect nice good fab keen hooked enthusiastic outstanding wowed "
		"slick neat well_received happy pleased stunning cool insightful"},
	{"praise_strong",
		"excellent* genial* impressionn* convaincu* convaincant* convaincue* seduit* conquis* ravi enthousia* bluff* emball* ador* bravo formidable "
		"epat* plu concluant* brillant* magnifique impeccable top chapeau adore impress* loved love amazing fantastic awesome brilliant terrific "
		"wonderful excit* superb thrilled delighted wowed outstanding stunning hooked sold enthusiastic great slick keen blown positive positif* liked enjoyed unanimite epoustoufl* emerveill* "
	"satisf* superbe pertinent* interessant* tres_bien really_good spot_on very_good nickel sympa"},
	{"blame_fr", "decu* decevant* long longue technique trop confus* brouillon* ennuy* mitige* bof moyen* insuffisant* peu rien manqu* complique* lent*"},
	{"blame_en", "disappoint* confus* boring long too underwhelm* unclear missing lack* slow unimpressed clunky rushed fell"},
	{"person_role",
		"directeur directrice dg daf dsi drh rssi pdg gerant gerante president presidente responsable chef cheffe manager director ceo cfo cto "
		"cio coo cmo ciso head vp boss associe associee patron patronne dpo acheteur acheteuse comptable assistante assistant partner president "
	"procurement buyer controller founder fondateur fondatrice owner adjoint adjointe ingenieur technicien"},
	{"integration",
		"integr* connect* synchron* sync syncs syncing plug* api apis webhook* compatib* interfac* branch* passerelle export* import* relier relie link* "
	"lien pont bridge embed* push pousser remont* pull connexion addon extension module"},
};
const int	kam_word_class_count = KAM_LENGTHOF(kam_word_classes);
