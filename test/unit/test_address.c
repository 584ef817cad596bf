/*
 * test/unit/test_address.c: what stands in a CRM's address fields comes out in
 * one spelling, or as none; and a spelling comes out as itself.
 */
#include "core/address.h"

#include "unit.h"

static const char *
normal(const char *text, KamAddressKind expected)
{
	static char out[KAM_ADDRESS_MAX + 1];
	char		again[KAM_ADDRESS_MAX + 1];
	KamAddressKind kind = kam_address(text, strlen(text), out);

	CHECK(kind == expected, "\"%s\" is %d, not %d", text, (int) kind, (int) expected);
	CHECK_INT(kam_address(out, strlen(out), again), kind);
	CHECK_STR(again, out);
	return out;
}

TEST(emails)
{
	static const struct
	{
		const char *text,
				   *plain;
	}			row[] = {
		{"jane@acme.com", "jane@acme.com"},
		{"  Jane.Doe@ACME.Com \t\n", "jane.doe@acme.com"},
		{"Jane Doe <jane@acme.com>", "jane@acme.com"},
		{"\"Doe, Jane\" <Jane@acme.com> ", "jane@acme.com"},
		{"mailto:jane@acme.com", "jane@acme.com"},
		{"MailTo:jane@acme.com?subject=Hi", "jane@acme.com"},
		{"<mailto:jane@acme.com>", "jane@acme.com"},
		{"'jane@acme.com'", "jane@acme.com"},
		{"jane@acme.com.", "jane@acme.com"},
		{"\xC2\xA0jane@acme.com\xE2\x80\x8B", "jane@acme.com"},
		/* other people, perhaps */
		{"jane+news@acme.com", "jane+news@acme.com"},
		{"j.a.n.e@gmail.com", "j.a.n.e@gmail.com"},
		{"o'neil@acme.com", "o'neil@acme.com"},
		{"jane@mail.acme.co.uk", "jane@mail.acme.co.uk"},
		{"jane@localhost", "jane@localhost"},
		{"+33612345678@sms.example", "+33612345678@sms.example"},
		{"\xC3\x89lo\xC3\xAFse@soci\xC3\xA9t\xC3\xA9.fr", "\xC3\xA9lo\xC3\xAFse@soci\xC3\xA9t\xC3\xA9.fr"},
		{"\xCE\xA9@x.gr", "\xCF\x89@x.gr"},
		{"\xD0\x96@x.ru", "\xD0\xB6@x.ru"},
		{"\xD0\x81@x.ru", "\xD1\x91@x.ru"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(row); i++)
		CHECK_STR(normal(row[i].text, KAM_ADDRESS_EMAIL), row[i].plain);
	CHECK_STR(kam_address_domain(KAM_ADDRESS_EMAIL, "jane@acme.com"), "acme.com");
	CHECK_STR(kam_address_domain(KAM_ADDRESS_DOMAIN, "acme.com"), NULL);
	CHECK_STR(kam_address_domain(KAM_ADDRESS_PHONE, "+33612345678"), NULL);
}

TEST(domains)
{
	static const struct
	{
		const char *text,
				   *plain;
	}			row[] = {
		{"acme.com", "acme.com"},
		{"@Acme.COM", "acme.com"},
		{" mail.acme.co.uk. ", "mail.acme.co.uk"},
		{"xn--socit-esab.fr", "xn--socit-esab.fr"},
		{"SOCI\xC3\x89T\xC3\x89.fr", "soci\xC3\xA9t\xC3\xA9.fr"},
		{"3m.com", "3m.com"},
		{"1and1.org", "1and1.org"},
		{"linkedin.com", "linkedin.com"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(row); i++)
		CHECK_STR(normal(row[i].text, KAM_ADDRESS_DOMAIN), row[i].plain);
}

TEST(phones)
{
	static const struct
	{
		const char *text,
				   *plain;
	}			row[] = {
		{"+33 6 12 34 56 78", "+33612345678"},
		{"0033 6 12 34 56 78", "+33612345678"},
		{"+33 (0)6 12 34 56 78", "+33612345678"},
		{"0033 (0) 6-12-34-56-78", "+33612345678"},
		{"00 33 (0)6 12 34 56 78", "+33612345678"},
		{"(+33) 6.12.34.56.78", "+33612345678"},
		{"tel:+33-6-12-34-56-78;ext=4", "+33612345678"},
		{"33612345678", "+33612345678"},
		{"06.12.34.56.78", "+0612345678"},
		{"06/12/34/56/78", "+0612345678"},
		{"(415) 555-2671", "+4155552671"},
		{"+33\xC2\xA0" "6\xE2\x80\xAF" "12\xE2\x80\x91" "34 56 78", "+33612345678"},
		{"\xE2\x80\xAA+33612345678\xE2\x80\xAC", "+33612345678"},
		{"+0033612345678", "+33612345678"},
		{"+6834000", "+6834000"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(row); i++)
		CHECK_STR(normal(row[i].text, KAM_ADDRESS_PHONE), row[i].plain);
}

TEST(profiles)
{
	static const struct
	{
		const char *text,
				   *plain;
	}			row[] = {
		{"https://www.linkedin.com/in/Jane-Doe-123/", "linkedin.com/in/jane-doe-123"},
		{"http://linkedin.com/in/jane-doe-123", "linkedin.com/in/jane-doe-123"},
		{"linkedin.com/in/jane-doe-123/", "linkedin.com/in/jane-doe-123"},
		{"FR.LinkedIn.com/in/jane-doe-123?locale=fr_FR&x=1#top", "linkedin.com/in/jane-doe-123"},
		{"https://fr.linkedin.com/in/jane-doe-123/en", "linkedin.com/in/jane-doe-123"},
		{"https://www.linkedin.com/in/jane-doe-123/details/experience/", "linkedin.com/in/jane-doe-123"},
		{"https://www.linkedin.com/comm/in/jane", "linkedin.com/in/jane"},
		{"https://m.linkedin.com/mwlite/in/jane", "linkedin.com/in/jane"},
		{"https://www.linkedin.com/in/elo%C3%AFse-%C3%89", "linkedin.com/in/elo\xC3\xAFse-\xC3\xA9"},
		{"https://www.linkedin.com/in/j%41ne%2Ddoe", "linkedin.com/in/jane-doe"},
		{"linkedin.com/in/jane%20doe", "linkedin.com/in/jane%20doe"},
		{"linkedin.com/in/100%25", "linkedin.com/in/100%25"},
		{"linkedin.com/in/a%2541", "linkedin.com/in/a%2541"},
		{"linkedin.com/in/jane@doe", "linkedin.com/in/jane@doe"},
	};

	for (size_t i = 0; i < KAM_LENGTHOF(row); i++)
		CHECK_STR(normal(row[i].text, KAM_ADDRESS_LINKEDIN), row[i].plain);
}

TEST(what_is_none)
{
	static const char *const text[] = {
		"", " ", "n/a", "none", "-", "unknown", "jane", "@", "a@", "@b", "jane@", "jane@@acme.com", "jane doe@acme.com", "a@b.com; c@d.com",
		"a@b.com, c@d.com", "jane@acme..com", "jane@-acme.com", "jane@acme-.com", "jane@.acme.com", "jane@acme.com..", "jane@12.34.56.78",
		"jane@[12.34.56.78]", "jane@ac me.com", "jane@acme.com?x", "mailto:", "mailto:jane", "mailto:linkedin.com/in/x@y.z", "mailto:mailto:jane@acme.com", "tel:jane",
		"http://acme.com", "https://acme.com/in/jane", "http://jane@acme.com", "acme", ".com", "acme.", "acme..com", "*.acme.com", "acme.com/x",
		"1.2.3.4", "192.168.100.200.250.1", "123456", "+12 34 56", "1234567890123456", "+33 6 12 34 56 78 ext 4", "0800 FLOWERS", "12+345678901",
		"linkedin.com/company/acme", "linkedin.com/in/", "linkedin.com/in/?x", "linkedin.com/in/a b", "linkedin.com/in/a%", "linkedin.com/in/a%4",
		"linkedin.com/in/a%%341", "linkedin.com/in/%C3", "linkedin.com/in/%C3%28", "linkedin.com/in/%ED%A0%80", "linkedin.com/in/%F8%88%80%80",
		"linkedin.com/in/%C2%A0x", "linkedin.com/in/<x>", "notlinkedin.com/in/jane", "a.b.linkedin.com/in/jane", "linkedin.com.evil.org/in/jane",
		"urn:li:person:abc", "\xE2\x80\x8B", "<>", "<", "''", "' '",
	};

	for (size_t i = 0; i < KAM_LENGTHOF(text); i++)
		CHECK_STR(normal(text[i], KAM_ADDRESS_NONE), "");
}

/* It must fit an index and the buffer, whatever comes. */
TEST(too_long_is_none)
{
	char		text[KAM_ADDRESS_MAX + 2];
	const char *tail = "@acme.com";

	memset(text, 'a', sizeof(text));
	text[KAM_ADDRESS_MAX] = '\0';
	memcpy(text + KAM_ADDRESS_MAX - strlen(tail), tail, strlen(tail));
	CHECK_INT(strlen(normal(text, KAM_ADDRESS_EMAIL)), KAM_ADDRESS_MAX);
	memset(text, 'a', sizeof(text));
	text[KAM_ADDRESS_MAX + 1] = '\0';
	memcpy(text + KAM_ADDRESS_MAX + 1 - strlen(tail), tail, strlen(tail));
	CHECK_STR(normal(text, KAM_ADDRESS_NONE), "");

	memset(text, '7', sizeof(text));
	text[KAM_ADDRESS_MAX + 1] = '\0';
	CHECK_STR(normal(text, KAM_ADDRESS_NONE), "");
	memset(text, '%', sizeof(text));
	memcpy(text, "linkedin.com/in/", 16);
	text[KAM_ADDRESS_MAX + 1] = '\0';
	CHECK_STR(normal(text, KAM_ADDRESS_NONE), "");
	memset(text + 16, 'z', sizeof(text) - 16);
	text[KAM_ADDRESS_MAX + 1] = '\0';
	CHECK_STR(normal(text, KAM_ADDRESS_NONE), "");
}

/* Pieces that mean something, put together at random: nothing is read beyond the end, and what comes out comes out again. */
TEST(its_own_output_is_stable)
{
	static const char *const piece[] = {
		"a", "Z", "7", "00", "+", "@", ".", "-", "_", " ", "\xC2\xA0", "\xC3\x89", "\xC3", "\xE2\x80\x8B", "\xE2\x80", "%", "%4", "%41", "%C3%A9", "<", ">",
		"'", "\"", "/", "?", "#", ";", "(0)", "(", "mailto:", "tel:", "http://", "linkedin.com/in/", "www.", "acme.com", "comm/", "\x01", "612345678",
	};
	uint32_t	seed = 12345;
	int			found[5] = {0};

	for (int i = 0; i < 200000; i++)
	{
		char		text[128],
				   *exact,
					out[KAM_ADDRESS_MAX + 1],
					again[KAM_ADDRESS_MAX + 1];
		size_t		len = 0;
		int			pieces = 1 + (int) (seed >> 16) % 7;
		KamAddressKind kind;

		for (int k = 0; k < pieces; k++)
		{
			const char *p;

			seed = seed * 1664525u + 1013904223u;
			p = piece[(seed >> 16) % KAM_LENGTHOF(piece)];
			memcpy(text + len, p, strlen(p));
			len += strlen(p);
		}
		/* Exactly as large as it is: the sanitizer sees a read beyond. */
		exact = malloc(len);
		memcpy(exact, text, len);
		kind = kam_address(exact, len, out);
		free(exact);
		found[kind]++;
		if (kam_address(out, strlen(out), again) != kind || strcmp(out, again) != 0)
			CHECK(false, "\"%.*s\" gives \"%s\", that gives \"%s\"", (int) len, text, out, again);
	}
	for (int kind = KAM_ADDRESS_NONE; kind <= KAM_ADDRESS_LINKEDIN; kind++)
		CHECK(found[kind] > 100, "only %d of kind %d", found[kind], kind);
}

RUN_TESTS()
