/* One message over SMTP: what is said to which answer, what an answer means, and that no message can say what is ours to say. */
#include "unit.h"

#include "net/smtp.h"

static char said[20000];

/* Takes all that is to be said, a few bytes at a time. */
static void
listen_to(KamSmtp *talk)
{
	const char *text;
	size_t		len,
				used = strlen(said);

	while ((text = kam_smtp_say(talk, &len)) != NULL)
	{
		size_t		part = len > 7 ? 7 : len;

		memcpy(said + used, text, part);
		used += part;
		said[used] = '\0';
		kam_smtp_said(talk, part);
	}
}

/* The answers, byte by byte. */
static void
answer(KamSmtp *talk, const char *lines)
{
	listen_to(talk);
	for (; *lines; lines++)
		kam_smtp_hear(talk, lines, 1);
	listen_to(talk);
}

static KamSmtp *
begin(const char *body)
{
	said[0] = '\0';
	return kam_smtp_new("a@x.test", "b@y.test", body, strlen(body), false);
}

/* What a body looks like on the wire. */
static const char *
wired(const char *body)
{
	KamSmtp    *talk = begin(body);

	answer(talk, "250 ok\r\n");
	answer(talk, "250 ok\r\n");
	answer(talk, "354 go\r\n");
	CHECK_INT(kam_smtp_handed_over(talk), true);
	answer(talk, "250 kept\r\n");
	CHECK_INT(kam_smtp_end(talk), KAM_SMTP_TAKEN);
	kam_smtp_free(talk);
	return strstr(said, "DATA\r\n") + 6;
}

TEST(a_message_is_taken)
{
	KamSmtp    *talk = begin("hi\r\n");

	answer(talk, "250-one\r\n250 ok\r\n");
	answer(talk, "251 will forward\r\n");
	CHECK_INT(kam_smtp_handed_over(talk), false);
	answer(talk, "354\r\n");
	CHECK_INT(kam_smtp_end(talk), KAM_SMTP_GOING);
	answer(talk, "250 2.0.0 queued as 17\r\n");
	CHECK_INT(kam_smtp_end(talk), KAM_SMTP_TAKEN);
	CHECK_STR(kam_smtp_words(talk), "2.0.0 queued as 17");
	CHECK_STR(said, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nhi\r\n.\r\n");
	kam_smtp_free(talk);
}

TEST(no_body_ends_itself)
{
	CHECK_STR(wired(""), ".\r\n");
	CHECK_STR(wired("a"), "a\r\n.\r\n");
	CHECK_STR(wired(".\r\n..\r\n.a\r\n"), "..\r\n...\r\n..a\r\n.\r\n");
	CHECK_STR(wired("a\n.\nb"), "a\r\n..\r\nb\r\n.\r\n");
	CHECK_STR(wired("a\r.\rb"), "a\r\n..\r\nb\r\n.\r\n");
	CHECK_STR(wired("a\n\r.\r\r\nb\r"), "a\r\n\r\n..\r\n\r\nb\r\n.\r\n");
}

TEST(refusals_are_told_apart)
{
	static const struct
	{
		const char *answers[4];
		KamSmtpEnd	end;
		int			status;
		bool		handed_over;
	}			row[] = {
		{{"550 not from you\r\n"}, KAM_SMTP_SENDER_REFUSED, 550, false},
		{{"451 later\r\n"}, KAM_SMTP_REFUSED, 451, false},
		{{"250 ok\r\n", "550-no\r\n550 such user\r\n"}, KAM_SMTP_REFUSED, 550, false},
		{{"250 ok\r\n", "421 closing\r\n"}, KAM_SMTP_REFUSED, 421, false},
		{{"250 ok\r\n", "250 ok\r\n", "503 no\r\n"}, KAM_SMTP_REFUSED, 503, false},
		{{"250 ok\r\n", "250 ok\r\n", "250 what?\r\n"}, KAM_SMTP_ODD, 250, false},
		{{"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "554 spam\r\n"}, KAM_SMTP_REFUSED, 554, true},
		{{"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "452 full\r\n"}, KAM_SMTP_REFUSED, 452, true},
		/* What is no answer leaves it open whether the message was taken. */
		{{"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "HTTP/1.1 400\r\n"}, KAM_SMTP_ODD, 354, true},
		{{"hello\r\n"}, KAM_SMTP_ODD, 0, false},
		{{"25\r\n"}, KAM_SMTP_ODD, 0, false},
		{{"250;ok\r\n"}, KAM_SMTP_ODD, 0, false},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
	{
		KamSmtp    *talk = begin("x");

		for (int j = 0; j < 4 && row[i].answers[j] != NULL; j++)
			answer(talk, row[i].answers[j]);
		CHECK(kam_smtp_end(talk) == row[i].end, "row %zu: %d", i, kam_smtp_end(talk));
		CHECK(kam_smtp_status(talk) == row[i].status, "row %zu: %d", i, kam_smtp_status(talk));
		CHECK(kam_smtp_handed_over(talk) == row[i].handed_over, "row %zu", i);
		kam_smtp_free(talk);
	}
}

TEST(an_answer_before_the_end_is_a_refusal)
{
	KamSmtp    *talk = begin("a long message");
	size_t		len;

	answer(talk, "250 ok\r\n");
	answer(talk, "250 ok\r\n");
	kam_smtp_hear(talk, "354 go\r\n", 8);
	CHECK(kam_smtp_say(talk, &len) != NULL, "the body");
	kam_smtp_said(talk, 3);
	kam_smtp_hear(talk, "552 too large\r\n", 15);
	CHECK_INT(kam_smtp_end(talk), KAM_SMTP_REFUSED);
	CHECK_INT(kam_smtp_handed_over(talk), false);
	CHECK(kam_smtp_say(talk, &len) == NULL, "nothing is said any more");
	kam_smtp_free(talk);
}

TEST(an_answer_has_its_limits)
{
	KamSmtp    *talk = begin("x");

	for (int i = 0; i < 10000; i++)
		kam_smtp_hear(talk, "2", 1);
	CHECK_INT(kam_smtp_end(talk), KAM_SMTP_ODD);
	kam_smtp_free(talk);
	talk = begin("x");
	listen_to(talk);
	for (int i = 0; i < 1000; i++)
		kam_smtp_hear(talk, "250-more\r\n", 10);
	CHECK_INT(kam_smtp_end(talk), KAM_SMTP_ODD);
	kam_smtp_free(talk);
}

TEST(other_letters_say_so)
{
	KamSmtp    *talk = kam_smtp_new("a@x.test", "b@y.test", "x", 1, true);

	said[0] = '\0';
	listen_to(talk);
	CHECK_STR(said, "MAIL FROM:<a@x.test> SMTPUTF8\r\n");
	kam_smtp_free(talk);
}

RUN_TESTS()
