/*
 * test/unit/test_reach.c: what leads somewhere is found however it is written,
 * and plain text is left alone.
 */
#include "core/reach.h"

#include <string.h>

#include "core/text.h"
#include "unit.h"

/* "kind text" of all that is found, joined by a comma; a link's or number's key behind "=". */
static const char *
reaches(KamArena *arena, const char *text)
{
	static const char *const kinds[] = {"link", "email", "phone", "profile", "handle", "account"};
	KamReach   *found;
	int			n = kam_reach_find(arena, text, strlen(text), 20, &found);
	const char *out = "";

	CHECK(kam_reach_any(arena, text) == (n > 0), "any in \"%s\"", text);
	for (int i = 0; i < n; i++)
		out = kam_printf(arena, "%s%s%s %s", out, i > 0 ? ", " : "", kinds[found[i].kind], found[i].key);
	return out;
}

TEST(what_leads_somewhere_is_found)
{
	static const struct
	{
		const char *text,
				   *found;
	}			rows[] = {
		{"Voir https://lumio.example/docs/fiche-4.", "link lumio.example/docs/fiche-4"},
		{"Voir HTTPS://WWW.Lumio.Example/Docs/ !", "link lumio.example/Docs"},
		{"(https://a.example/x?y=1#z)", "link a.example/x?y=1#z"},
		{"[la fiche](https://evil.example/a)", "link evil.example/a"},
		{"https://lumio.example@evil.example/x", "link lumio.example@evil.example/x"},
		{"ftp://evil.example/x", "link ftp://evil.example/x"},
		{"hxxps://evil.example", "link hxxps://evil.example"},
		{"javascript:alert(1)", "link javascript:alert(1"},
		{"data:text/html;base64,AAAA", "link data:text/html;base64,AAAA"},
		{"Rendez-vous sur evil.com", "link evil.com"},
		{"Rendez-vous sur evil.com/pay maintenant", "link evil.com/pay"},
		{"Evil.Com et www.evil.zz", "link evil.com, link evil.zz"},
		{"bit.ly/3xYz", "link bit.ly/3xYz"},
		{"t.co/abc", "link t.co/abc"},
		{"ev\xE2\x80\x8Bil.com", "link evil.com"},
		{"evil[.]com, evil (dot) com, evil dot com, evil point com", "link evil.com, link evil.com, link evil.com, link evil.com"},
		{"evil\xE3\x80\x82" "com", "link evil.com"},
		{"\xEF\xBD\x85\xEF\xBD\x96\xEF\xBD\x89\xEF\xBD\x8C\xEF\xBC\x8E\xEF\xBD\x83\xEF\xBD\x8F\xEF\xBD\x8D", "link evil.com"},
		{"xn--vil-9ma.xn--p1ai", "link xn--vil-9ma.xn--p1ai"},
		{"192.168.0.1/pay", "link 192.168.0.1/pay"},
		{"evil.com:8080/x", "link evil.com:8080/x"},
		{"Evil.zzz/pay", "link evil.zzz/pay"},

		{"\xC3\x89" "crivez \xC3\xA0 marc@evil.example.", "email marc@evil.example"},
		{"mailto:Marc@Evil.example", "email marc@evil.example"},
		{"marc (at) evil (dot) com", "email marc@evil.com"},
		{"marc[at]evil[.]com", "email marc@evil.com"},
		{"marc arobase evil point com", "email marc@evil.com"},
		{"<marc@evil.example>", "email marc@evil.example"},
		{"a.b+c@evil.example, d@evil.example", "email a.b+c@evil.example, email d@evil.example"},
		{"sur Telegram : @evil_guy", "handle evil guy"},

		{"Appelez le 06 12 34 56 78.", "phone 612345678"},
		{"0612345678", "phone 612345678"},
		{"06.12.34.56.78", "phone 612345678"},
		{"+33 6 12 34 56 78", "phone 612345678"},
		{"+33 (0)6 12 34 56 78", "phone 612345678"},
		{"0033612345678", "phone 612345678"},
		{"Call (212) 555-0123", "phone 125550123"},
		{"212-555-0123", "phone 125550123"},
		{"020 7946 0958", "phone 079460958"},
		{"WhatsApp 33612345678", "phone 612345678"},
		{"tel:+33612345678", "phone 612345678"},

		{"https://www.linkedin.com/in/Jane-Doe/?x=1", "profile linkedin.com/in/jane-doe"},
		{"linkedin.com/in/jane", "profile linkedin.com/in/jane"},
		{"https://linkedin.com/company/acme", "link linkedin.com/company/acme"},

		{"IBAN FR76 3000 6000 0112 3456 7890 189 merci", "account FR7630006000011234567890189"},
		{"fr7630006000011234567890189", "account fr7630006000011234567890189"},
		{"Notre nouvel IBAN : DE00 1111 2222 3333 4444 55", "account DE00111122223333444455"},
		{"BIC : BNPAFRPPXXX", "account BNPAFRPPXXX"},
		{"account number 12345678", "account 12345678"},
		{"Carte 4111 1111 1111 1111", "account 4111111111111111"},
		{"0x52908400098527886E0F7030069857D2E4169EE7", "account 0x52908400098527886E0F7030069857D2E4169EE7"},
		{"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "account 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"},
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		const char *found = reaches(arena, rows[i].text);

		CHECK(strcmp(found, rows[i].found) == 0, "\"%s\": \"%s\", not \"%s\"", rows[i].text, found, rows[i].found);
	}
	kam_arena_free(arena);
}

TEST(plain_text_is_left_alone)
{
	static const char *const texts[] = {
		"Bonjour In\xC3\xA8s, voici la fiche technique du module 4. Souhaitez-vous la parcourir ensemble ?",
		"Merci.Je reviens vers vous. Parfait.Nous y sommes.Il reste un point.La suite demain.",
		"Le tarif est de 14 400 \xE2\x82\xAC par an, soit 1 200,50 \xE2\x82\xAC/mois.",
		"Nous avons \xC3\xA9" "chang\xC3\xA9 le 03/03/2026 \xC3\xA0 10:30, puis le 2026-03-11 et le 02.03.2026 10h.",
		"Entre 9h et 12h30, mardi 24 ou mercredi 25 mars 2026.",
		"p. ex. le module, c.-\xC3\xA0-d. le module 4, etc. M. Dupont, S.A.S. Acier, a.m. et p.m., e.g. this, i.e. that",
		"Version 2.10.3 de Node.js et ASP.NET, fichier devis.pdf, norme ISO 9001:2015, EN 60529",
		"1 250 000 kWh, 100 000 000 EUR, 3 500 000 capteurs",
		"Les r\xC3\xA9sultats (+12 %) sont l\xC3\xA0 : 24/7, 3-4 jours, 2025/2026, 50/50, and/or, et/ou.",
		"Commande 20260001 du 12 mars ; r\xC3\xA9" "f\xC3\xA9rence AB12-3456.",
		"A dot on the map, un point important, le point de mardi",
		"See you at 3pm @ 12", "50% @ 3", "Rendez-vous \xC3\xA0 14 h 30",
		"", " ", ".", "@", "+", "://", "0", "(", "a.", ".a", "www.", "a@", "@b",
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(texts); i++)
		CHECK_STR(reaches(arena, texts[i]), "");
	kam_arena_free(arena);
}

TEST(huge_texts_are_read_in_a_moment)
{
	static const char *const units[] = {"a.", "a@", "@", "0 ", "12.", "a-", "http://", "FR76", "[.]", "+1", "\xE3\x80\x82", "aB1"};
	KamArena   *arena = kam_arena_new();
	size_t		size = 200 * 1000;
	char	   *text = malloc(size + 1);

	for (size_t i = 0; i < KAM_LENGTHOF(units); i++)
	{
		KamReach   *found;

		for (size_t at = 0; at < size; at++)
			text[at] = units[i][at % strlen(units[i])];
		text[size] = '\0';
		CHECK(kam_reach_find(arena, text, size, 40, &found) <= 40, "at most forty");
	}
	free(text);
	kam_arena_free(arena);
}

TEST(links_of_fields)
{
	KamArena   *arena = kam_arena_new();

	CHECK_STR(kam_link_key(arena, " https://www.Acier.example/ "), "acier.example");
	CHECK_STR(kam_link_key(arena, "acier.example/x"), "acier.example/x");
	CHECK_STR(kam_link_key(arena, "two words"), NULL);
	CHECK_STR(kam_link_key(arena, ""), NULL);
	CHECK_STR(kam_link_key(arena, NULL), NULL);
	CHECK_STR(kam_phone_key(arena, "+33 6 12 34 56 78"), "612345678");
	CHECK_STR(kam_phone_key(arena, "none"), NULL);
	kam_arena_free(arena);
}

TEST(hidden_characters_go)
{
	static const struct
	{
		const char *text,
				   *shown;
	}			rows[] = {
		{"Bonjour", "Bonjour"},
		{"\xC3\xA9l\xC3\xA8ve, 14 400\xC2\xA0\xE2\x82\xAC\n\tmerci\r\n", "\xC3\xA9l\xC3\xA8ve, 14 400\xC2\xA0\xE2\x82\xAC\n\tmerci\r\n"},
		{"a\xE2\x80\x8B" "b\xE2\x80\xAE" "c\xEF\xBB\xBF", "abc"},
		{"a\xC2\xAD" "b\x01" "c\x7F", "abc"},
		{"\xF3\xA0\x81\x81tag", "tag"},
		{"\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB ok \xE2\x9D\xA4\xEF\xB8\x8F", "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB ok \xE2\x9D\xA4\xEF\xB8\x8F"},
		{"a\xE2\x80\x8D" "b", "ab"},
		{"bad \xFF\xC3 utf", "bad \xFF\xC3 utf"},
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
	{
		CHECK_STR(kam_without_hidden(arena, rows[i].text), rows[i].shown);
		CHECK((kam_hidden_find(rows[i].text, strlen(rows[i].text)) < strlen(rows[i].text)) == (strcmp(rows[i].text, rows[i].shown) != 0), "%s", rows[i].text);
	}
	kam_arena_free(arena);
}

RUN_TESTS()
