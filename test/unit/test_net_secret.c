/*
 * test/unit/test_net_secret.c: a key is read from where it is safe, and from
 * nowhere else; no refusal shows it.
 */
#include "net/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#define KEY "sk-secret-0123456789"

static char directory[64];

static void
make_directory(void)
{
	strcpy(directory, "/tmp/kam-secret-XXXXXX");
	if (mkdtemp(directory) == NULL)
	{
		perror("mkdtemp");
		exit(1);
	}
}

static const char *
in_directory(const char *name)
{
	static char path[2][256];
	static int	turn = 0;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", directory, name);
	return path[turn];
}

static void
put_bytes(const char *name, const void *bytes, size_t len, mode_t mode)
{
	int			fd = open(in_directory(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t) len || fchmod(fd, mode) != 0 || close(fd) != 0)
	{
		perror(name);
		exit(1);
	}
}

static void
put(const char *name, const char *text, mode_t mode)
{
	put_bytes(name, text, strlen(text), mode);
}

static void
drop_directory(void)
{
	char		command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	if (system(command) != 0)
		exit(1);
}

static char key[KAM_KEY_LENGTH];
static char why[512];
static bool found;

static bool
read_secret(const char *provider)
{
	memset(key, 'x', sizeof(key));
	memset(why, 'x', sizeof(why));
	found = false;
	return kam_secret_read(directory, provider, key, sizeof(key), &found, why, sizeof(why));
}

#define CHECK_USED(provider, want) \
	do { CHECK(read_secret(provider), "%s", why); CHECK_STR(key, want); CHECK(found); CHECK_STR(why, ""); } while (0)
#define CHECK_REFUSED(provider, words) \
	do { \
		CHECK(!read_secret(provider)); \
		CHECK(found); \
		CHECK(strstr(why, words) != NULL, "\"%s\" does not say \"%s\"", why, words); \
		CHECK(strstr(why, "0123456789") == NULL, "shows the key: %s", why); \
		CHECK_STR(key, ""); \
	} while (0)

TEST(modes)
{
	static const struct
	{
		mode_t		mode;
		const char *words;		/* NULL: used */
	}			cases[] = {
		{0600, NULL}, {0400, NULL}, {0640, "mode 0640"}, {0604, "mode 0604"}, {0644, "mode 0644"}, {0660, "mode 0660"},
		{0610, "mode 0610"}, {0602, "mode 0602"}, {0777, "mode 0777"}, {04644, "mode 4644"},
	};

	make_directory();
	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		put("anthropic", KEY "\n", cases[i].mode);
		if (cases[i].words == NULL)
			CHECK_USED("anthropic", KEY);
		else
			CHECK_REFUSED("anthropic", cases[i].words);
		unlink(in_directory("anthropic"));
	}
	drop_directory();
}

TEST(contents)
{
	static const struct
	{
		const char *text,
				   *want,		/* or */
				   *words;
	}			cases[] = {
		{KEY, KEY},
		{KEY "\n", KEY},
		{" \t\r\n" KEY " \r\n\r\n", KEY},
		{"k", "k"},
		{"", NULL, "is empty"},
		{" \n\t", NULL, "is empty"},
		{KEY "\nsecond", NULL, "more than one line"},
		{"a\r\nx-evil: 1", NULL, "more than one line"},
		{"a b", NULL, "more than one word"},
		{"a\x01" "b", NULL, "no key has"},
		{"a\x7f", NULL, "no key has"},
		{"\xef\xbb\xbf" KEY, NULL, "no key has"},
		{"cl\xc3\xa9", NULL, "no key has"},
	};

	make_directory();
	for (size_t i = 0; i < KAM_LENGTHOF(cases); i++)
	{
		put("p", cases[i].text, 0600);
		if (cases[i].want)
			CHECK_USED("p", cases[i].want);
		else
			CHECK_REFUSED("p", cases[i].words);
	}
	put_bytes("p", "abc\0def", 7, 0600);
	CHECK_REFUSED("p", "no key has");
	put_bytes("p", "abc\0", 4, 0600);
	CHECK_REFUSED("p", "no key has");
	drop_directory();
}

TEST(lengths)
{
	static char text[KAM_KEY_LENGTH + 100];
	char		small[21];

	make_directory();
	memset(text, 'k', sizeof(text));
	put_bytes("p", text, KAM_KEY_LENGTH - 1, 0600);
	CHECK(read_secret("p"), "%s", why);
	CHECK_INT(strlen(key), KAM_KEY_LENGTH - 1);
	text[KAM_KEY_LENGTH - 1] = '\n';
	put_bytes("p", text, KAM_KEY_LENGTH, 0600);
	CHECK(read_secret("p"), "%s", why);
	text[KAM_KEY_LENGTH - 1] = 'k';
	put_bytes("p", text, KAM_KEY_LENGTH, 0600);
	CHECK_REFUSED("p", "too long");
	put_bytes("p", text, sizeof(text), 0600);
	CHECK_REFUSED("p", "too long");

	put("p", KEY, 0600);
	CHECK(kam_secret_read(directory, "p", small, sizeof(small), &found, why, sizeof(why)));
	CHECK_STR(small, KEY);
	CHECK(!kam_secret_read(directory, "p", small, sizeof(small) - 1, &found, why, sizeof(why)));
	CHECK_STR(small, "");
	drop_directory();
}

TEST(huge_file)
{
	make_directory();
	put("p", KEY, 0600);
	CHECK_INT(truncate(in_directory("p"), (off_t) 1 << 40), 0);
	CHECK_REFUSED("p", "too long");
	drop_directory();
}

TEST(what_is_no_file)
{
	make_directory();
	CHECK_INT(mkdir(in_directory("d"), 0700), 0);
	CHECK_REFUSED("d", "not a regular file");
	/* Nobody writes to it: this must not wait. */
	CHECK_INT(mkfifo(in_directory("pipe"), 0600), 0);
	CHECK_REFUSED("pipe", "not a regular file");
	CHECK_INT(symlink("/dev/zero", in_directory("zero")), 0);
	CHECK_REFUSED("zero", "out of its directory");
	drop_directory();
}

TEST(links)
{
	char		outside[] = "/tmp/kam-secret-outside-XXXXXX";
	int			fd = mkstemp(outside);
	char		command[300];

	make_directory();
	CHECK(fd >= 0 && write(fd, KEY, sizeof(KEY) - 1) > 0 && close(fd) == 0);
	CHECK_INT(symlink(outside, in_directory("absolute")), 0);
	CHECK_REFUSED("absolute", "out of its directory");
	snprintf(command, sizeof(command), "..%s", strrchr(outside, '/'));
	CHECK_INT(symlink(command, in_directory("relative")), 0);
	CHECK_REFUSED("relative", "out of its directory");

	/* A neighbour whose name begins alike is outside too. */
	snprintf(command, sizeof(command), "%s2", directory);
	CHECK_INT(mkdir(command, 0700), 0);
	snprintf(command, sizeof(command), "%s2/p", directory);
	CHECK_INT(rename(outside, command), 0);
	CHECK_INT(symlink(command, in_directory("neighbour")), 0);
	CHECK_REFUSED("neighbour", "out of its directory");
	unlink(command);
	*strrchr(command, '/') = '\0';
	rmdir(command);

	/* Within, as some systems swap secrets: ..data/key. */
	CHECK_INT(mkdir(in_directory("..2026"), 0700), 0);
	put("..2026/p", KEY, 0600);
	CHECK_INT(symlink("..2026", in_directory("..data")), 0);
	CHECK_INT(symlink("..data/p", in_directory("p")), 0);
	CHECK_USED("p", KEY);
	put("..2026/p", KEY, 0644);
	CHECK_REFUSED("p", "mode 0644");

	CHECK_INT(symlink("nothing", in_directory("dangling")), 0);
	CHECK_REFUSED("dangling", "link to nothing");
	CHECK_INT(symlink("loop", in_directory("loop")), 0);
	CHECK_REFUSED("loop", "loop");
	drop_directory();
}

TEST(owner)
{
	make_directory();
	put("p", KEY, 0600);
	if (geteuid() == 0)
	{
		CHECK_INT(chown(in_directory("p"), 12345, 12345), 0);
		CHECK_REFUSED("p", "belongs to user 12345");
	}
	else
		printf("skipped: only root can give files away\n");
	drop_directory();
}

TEST(directory_itself_may_be_a_link)
{
	char		link[80];
	char		real[64];

	make_directory();
	put("p", KEY, 0600);
	strcpy(real, directory);
	snprintf(link, sizeof(link), "%s-link", directory);
	CHECK_INT(symlink(real, link), 0);
	strcpy(directory, link);
	CHECK_USED("p", KEY);
	unlink(link);
	strcpy(directory, real);
	drop_directory();
}

TEST(environment)
{
	make_directory();
	CHECK(!read_secret("my-own.provider"));
	CHECK(!found);
	CHECK(strstr(why, "MY_OWN_PROVIDER_API_KEY") != NULL && strstr(why, "my-own.provider\"") != NULL, "%s", why);

	setenv("MY_OWN_PROVIDER_API_KEY", " " KEY "\n", 1);
	CHECK_USED("my-own.provider", KEY);
	/* The file wins, and one that may not be used is not passed over. */
	put("my-own.provider", "from-file", 0600);
	CHECK_USED("my-own.provider", "from-file");
	put("my-own.provider", "from-file", 0644);
	CHECK_REFUSED("my-own.provider", "mode 0644");
	unlink(in_directory("my-own.provider"));

	setenv("MY_OWN_PROVIDER_API_KEY", KEY "\r\nx: y", 1);
	CHECK_REFUSED("my-own.provider", "more than one line");
	setenv("MY_OWN_PROVIDER_API_KEY", "", 1);
	CHECK(!read_secret("my-own.provider"));
	CHECK(!found);
	setenv("MY_OWN_PROVIDER_API_KEY", KEY, 1);
	CHECK(kam_secret_read(NULL, "my-own.provider", key, sizeof(key), &found, why, sizeof(why)));
	CHECK(kam_secret_read("", "my-own.provider", key, sizeof(key), &found, why, sizeof(why)));
	CHECK(kam_secret_read("/nonexistent/kam", "my-own.provider", key, sizeof(key), &found, why, sizeof(why)));
	unsetenv("MY_OWN_PROVIDER_API_KEY");
	CHECK(!kam_secret_read("", "my-own.provider", key, sizeof(key), &found, why, sizeof(why)));
	CHECK_STR(why, "there is no variable MY_OWN_PROVIDER_API_KEY in the server's environment");
	drop_directory();
}

TEST(names_that_are_paths)
{
	static const char *const name[] = {"../p", "/etc/passwd", "a/b", ".", "..", ".hidden", ""};
	char		directory_above[64];
	static char long_name[5000];

	make_directory();
	put("p", KEY, 0600);
	CHECK_INT(mkdir(in_directory("a"), 0700), 0);
	put("a/b", KEY, 0600);
	put(".hidden", KEY, 0600);
	strcpy(directory_above, directory);
	strcat(directory, "/a");
	CHECK(!read_secret("../p"));
	strcpy(directory, directory_above);
	for (size_t i = 0; i < KAM_LENGTHOF(name); i++)
	{
		CHECK(!read_secret(name[i]), "\"%s\" was read", name[i]);
		CHECK(!found, "\"%s\"", name[i]);
	}
	memset(long_name, 'n', sizeof(long_name) - 1);
	CHECK(!read_secret(long_name));
	CHECK(!found);
	drop_directory();
}

TEST(long_directory)
{
	static char deep[6000];

	memset(deep, 'd', sizeof(deep) - 1);
	*deep = '/';
	CHECK(!kam_secret_read(deep, "p", key, sizeof(key), &found, why, sizeof(why)));
	CHECK(memchr(why, '\0', sizeof(why)) != NULL);
}

TEST(why_may_be_short)
{
	char		brief[12];

	make_directory();
	put("p", KEY, 0644);
	CHECK(!kam_secret_read(directory, "p", key, sizeof(key), &found, brief, sizeof(brief)));
	CHECK(memchr(brief, '\0', sizeof(brief)) != NULL);
	drop_directory();
}

TEST(wiped)
{
	char		text[] = KEY;

	kam_secret_wipe(text, sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++)
		CHECK_INT(text[i], 0);
}

RUN_TESTS()
