/* The proxy's address gets its password from a file, escaped, and from nowhere else. */
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "net/proxy.h"

static char directory[] = "/tmp/kam-proxy-XXXXXX";
static char why[300];
static char out[KAM_PROXY_LENGTH];

/* Makes the password's file anew, with this mode. */
static void
put_password(const char *text, mode_t mode)
{
	static bool made = false;
	char		path[200];
	FILE	   *file;

	if (!made && mkdtemp(directory) == NULL)
		abort();
	made = true;
	snprintf(path, sizeof(path), "%s/proxy", directory);
	unlink(path);
	if (text == NULL)
		return;
	file = fopen(path, "w");
	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || chmod(path, mode) != 0)
		abort();
}

TEST(none_stays_none)
{
	put_password("user:secret", 0600);
	CHECK(kam_proxy_address("", directory, out, sizeof(out), why, sizeof(why)));
	CHECK_STR(out, "");
	CHECK(kam_proxy_address(NULL, directory, out, sizeof(out), why, sizeof(why)));
	CHECK_STR(out, "");
}

TEST(without_a_password_the_address_is_as_it_stands)
{
	put_password(NULL, 0);
	CHECK(kam_proxy_address("http://proxy.example:3128", directory, out, sizeof(out), why, sizeof(why)));
	CHECK_STR(out, "http://proxy.example:3128");
	CHECK_STR(why, "");
	CHECK(kam_proxy_address("http://proxy.example:3128", "", out, sizeof(out), why, sizeof(why)));
	CHECK_STR(out, "http://proxy.example:3128");
	CHECK(kam_proxy_address("http://proxy.example:3128", NULL, out, sizeof(out), why, sizeof(why)));
	CHECK_STR(out, "http://proxy.example:3128");
}

TEST(the_password_is_escaped)
{
	put_password("us@er:p/a:s?s#%w\n", 0600);
	CHECK(kam_proxy_address("http://proxy.example:3128", directory, out, sizeof(out), why, sizeof(why)), "%s", why);
	CHECK_STR(out, "http://us%40er:p%2Fa%3As%3Fs%23%25w@proxy.example:3128");
	CHECK(kam_proxy_address("socks5h://10.0.0.1", directory, out, sizeof(out), why, sizeof(why)));
	CHECK_STR(out, "socks5h://us%40er:p%2Fa%3As%3Fs%23%25w@10.0.0.1");
}

TEST(an_open_file_is_refused_and_not_shown)
{
	put_password("user:secret", 0644);
	CHECK(!kam_proxy_address("http://proxy.example:3128", directory, out, sizeof(out), why, sizeof(why)));
	CHECK_STR(out, "");
	CHECK(strstr(why, "0644") != NULL, "%s", why);
	CHECK(strstr(why, "secret") == NULL, "%s", why);
}

TEST(what_does_not_fit_is_refused)
{
	char		small[30];

	put_password("user:secret", 0600);
	CHECK(!kam_proxy_address("http://proxy.example:3128", directory, small, sizeof(small), why, sizeof(why)));
	CHECK_STR(small, "");
	CHECK_STR(why, "the proxy's address is too long");
	CHECK(!kam_proxy_address("proxy.example", directory, out, sizeof(out), why, sizeof(why)));
	CHECK_STR(why, "the proxy's address has no scheme");
	put_password(NULL, 0);
	CHECK(!kam_proxy_address("http://proxy.example:3128/aaaaaaaaaaaaaaaa", directory, small, sizeof(small), why, sizeof(why)));
	CHECK_STR(why, "the proxy's address is too long");
	rmdir(directory);
}

RUN_TESTS()
