/*
 * test/unit/test_diff.c: a diff says what diff -u says, and stays within
 * bounds for texts that have nothing in common.
 */
#include "core/diff.h"

#include "unit.h"

TEST(says_what_diff_says)
{
	static const struct
	{
		const char *from,
				   *to,
				   *want;
	}			rows[] = {
		{"a\nb\n", "a\nb\n", ""},
		{"", "", ""},
		{"", "a\n", "--- x\n+++ y\n@@ -0,0 +1 @@\n+a\n"},
		{"a\n", "", "--- x\n+++ y\n@@ -1 +0,0 @@\n-a\n"},
		{"a\n", "b\n", "--- x\n+++ y\n@@ -1 +1 @@\n-a\n+b\n"},
		{"a", "a\n", "--- x\n+++ y\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
		"--- x\n+++ y\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"},
		/* a line moved: taken out here, put in there */
		{"a\nb\nc\n", "b\nc\na\n", "--- x\n+++ y\n@@ -1,3 +1,3 @@\n-a\n b\n c\n+a\n"},
		/* six kept lines between two changes join them, seven part them */
		{"a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
		"--- x\n+++ y\n@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n"},
		{"a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
		"--- x\n+++ y\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n"},
	};
	KamArena   *arena = kam_arena_new();

	for (size_t i = 0; i < KAM_LENGTHOF(rows); i++)
		CHECK_STR(kam_diff(arena, "x", rows[i].from, "y", rows[i].to), rows[i].want);
	kam_arena_free(arena);
}

/* n lines "PREFIXi". */
static char *
many_lines(KamArena *arena, const char *prefix, int n)
{
	char	   *text = kam_alloc(arena, (size_t) n * 16 + 1);
	char	   *end = text;

	for (int i = 0; i < n; i++)
		end += sprintf(end, "%s%d\n", prefix, i);
	return text;
}

TEST(huge_texts_are_replaced_whole)
{
	KamArena   *arena = kam_arena_new();
	const int	n = 70000;
	const char *diff = kam_diff(arena, "x", many_lines(arena, "a", n), "y", many_lines(arena, "b", n));
	int			lines = 0;

	for (const char *s = diff; (s = strchr(s, '\n')) != NULL; s++)
		lines++;
	CHECK_INT(lines, 2 * n + 3);
	CHECK(strstr(diff, "@@ -1,70000 +1,70000 @@\n-a0\n") != NULL, "%.60s", diff);
	kam_arena_free(arena);
}

RUN_TESTS()
