/*
 * test/unit/unit.h: the few macros the unit tests need.
 *
 *   TEST(adds_up) { CHECK_INT(1 + 1, 2); }
 *   RUN_TESTS()
 *
 * A test registers itself; RUN_TESTS() is main().  Exit status 1 when a check
 * failed or when no check ran at all.  KAM_TEST=substring runs some.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"

typedef struct UnitTest
{
	const char *name;
	void		(*run) (void);
	struct UnitTest *next;
} UnitTest;

static UnitTest *unit_first, **unit_last = &unit_first;
static int	unit_checks,
			unit_failures;
static const char *unit_current;

#define TEST(name_) \
	static void test_##name_(void); \
	static UnitTest unit_##name_ = {#name_, test_##name_, NULL}; \
	__attribute__((constructor)) static void register_##name_(void) \
	{ *unit_last = &unit_##name_; unit_last = &unit_##name_.next; } \
	static void test_##name_(void)

#define CHECK(cond, ...) \
	do { \
		unit_checks++; \
		if (!(cond)) { \
			unit_failures++; \
			printf("not ok: %s (%s:%d): %s: ", unit_current, __FILE__, __LINE__, #cond); \
			printf(" " __VA_ARGS__); \
			printf("\n"); \
		} \
	} while (0)

#define CHECK_INT(a, b) \
	do { \
		long long unit_a = (long long) (a), unit_b = (long long) (b); \
		CHECK(unit_a == unit_b, "%lld, not %lld", unit_a, unit_b); \
	} while (0)

#define CHECK_STR(a, b) \
	do { \
		const char *unit_a = (a), *unit_b = (b); \
		CHECK(unit_a && unit_b ? strcmp(unit_a, unit_b) == 0 : unit_a == unit_b, \
			  "\"%s\", not \"%s\"", unit_a ? unit_a : "(null)", unit_b ? unit_b : "(null)"); \
	} while (0)

static inline void
unit_no_memory(void)
{
	fprintf(stderr, "out of memory\n");
	abort();
}

static inline int
unit_main(void)
{
	const char *only = getenv("KAM_TEST");

	setvbuf(stdout, NULL, _IOLBF, 0);
	kam_out_of_memory = unit_no_memory;
	for (UnitTest *t = unit_first; t; t = t->next)
	{
		if (only && !strstr(t->name, only))
			continue;
		unit_current = t->name;
		t->run();
	}
	printf("%d checks, %d failed\n", unit_checks, unit_failures);
	return unit_failures > 0 || unit_checks == 0;
}

#define RUN_TESTS() int main(void) { return unit_main(); }
