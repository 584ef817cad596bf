# kam: PGXS.  make, make install, make installcheck, make check-tap, make check-core, make check-fuzz, make bench.

EXTENSION = kam
MODULE_big = kam
DATA = kam--1.0.sql
PGFILEDESC = "kam - sales decisions from a contact's history"

CORE_SRCS = $(sort $(wildcard src/core/*.c src/core/*/*.c))
LLM_SRCS = $(sort $(wildcard src/llm/*.c))
NET_SRCS = $(sort $(wildcard src/net/*.c))
ALONE_SRCS = $(CORE_SRCS) $(LLM_SRCS) $(NET_SRCS)
SERVER_SRCS = $(sort $(wildcard src/*.c src/pg/*.c src/store/*.c src/cadence/*.c src/api/*.c src/worker/*.c))
OBJS = $(ALONE_SRCS:.c=.o) $(SERVER_SRCS:.c=.o)
INCLUDED = $(wildcard src/*.h src/*/*.h src/*/*/*.h src/core/*.def)

PG_CONFIG ?= pg_config
PKG_CONFIG ?= pkg-config
JANSSON_CFLAGS := $(shell $(PKG_CONFIG) --cflags jansson)
JANSSON_LIBS := $(shell $(PKG_CONFIG) --libs jansson)
CURL_CFLAGS := $(shell $(PKG_CONFIG) --cflags libcurl)
CURL_LIBS := $(shell $(PKG_CONFIG) --libs libcurl)

WARNINGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers -Wmissing-prototypes -Wstrict-prototypes \
	-Wvla -Wno-declaration-after-statement -Wno-sign-compare
# The server's own headers are not held to these.
# KAM_CPPFLAGS: for builds of the tests (test/property/run).
PG_CPPFLAGS = -Isrc $(JANSSON_CFLAGS) $(CURL_CFLAGS) $(KAM_CPPFLAGS)
PG_CFLAGS = -std=gnu11 $(WARNINGS)
SHLIB_LINK = $(JANSSON_LIBS) $(CURL_LIBS)

REGRESS = $(sort $(patsubst test/regress/sql/%.sql,%,$(wildcard test/regress/sql/*.sql)))
# Its own instance, with kam preloaded: a developer's server is never touched.
REGRESS_OPTS = --inputdir=test/regress --temp-instance=$(CURDIR)/build/regress --temp-config=test/regress/kam.conf --encoding=UTF8 \
	--no-locale --load-extension=kam
ISOLATION = $(sort $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --temp-instance=$(CURDIR)/build/isolation --temp-config=test/isolation/kam.conf --encoding=UTF8 \
	--no-locale --load-extension=kam
EXTRA_CLEAN = build results regression.diffs regression.out tmp_check tmp_check_iso output_iso log

# Bitcode for the server's JIT would buy nothing here and need the server's own clang.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# A server built with gcc hands on flags, and in its headers a printf dialect, that clang does not know.
ifneq ($(findstring clang,$(shell $(CC) --version)),)
override CFLAGS += -Wno-ignored-attributes -Wno-unknown-warning-option -Wno-ignored-optimization-argument
endif

# core/, llm/ and net/ export nothing: their calls need no detour, and small functions can be inlined.
$(ALONE_SRCS:.c=.o): override CFLAGS += -fvisibility=hidden -O3

# Headers are few and small: any change of one rebuilds all.
$(OBJS): $(INCLUDED) Makefile

kam--1.0.sql: scripts/build-sql $(wildcard sql/*.sql prompts/*.md prompts/*.json)
	scripts/build-sql > $@.new
	mv $@.new $@

# initdb refuses root.
installcheck: not-root
.PHONY: not-root
not-root:
	@if [ "$$(id -u)" = 0 ]; then \
		echo "make installcheck starts a server of its own, which root may not: run it as another user who may write here," >&2; \
		echo "for example: setpriv --reuid=postgres --regid=postgres --init-groups make installcheck" >&2; exit 1; fi
	@mkdir -p build

# The tests that start servers of their own: crashes, shutdown, restore.
.PHONY: check-tap
check-tap:
	$(MAKE) --no-print-directory installcheck REGRESS= ISOLATION= TAP_TESTS=1 PROVE_TESTS='$(or $(TAP),test/tap/*.pl)'

# ---- core/, llm/ and net/ alone, without PostgreSQL ----

UNIT_CC ?= cc
UNIT_DIR = build/unit
UNIT_CFLAGS = -std=gnu11 -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all $(WARNINGS) -Isrc -Itest/unit \
	$(JANSSON_CFLAGS) $(CURL_CFLAGS)
UNIT_OBJS = $(patsubst src/%.c,$(UNIT_DIR)/%.o,$(ALONE_SRCS)) $(UNIT_DIR)/zones.o
UNIT_TESTS = $(patsubst test/unit/%.c,$(UNIT_DIR)/%,$(sort $(wildcard test/unit/test_*.c)))

$(UNIT_DIR)/%.o: src/%.c $(INCLUDED)
	@mkdir -p $(@D)
	$(UNIT_CC) $(UNIT_CFLAGS) -c -o $@ $<

$(UNIT_DIR)/zones.o: test/unit/zones.c $(wildcard test/unit/*.h) $(INCLUDED)
	@mkdir -p $(@D)
	$(UNIT_CC) $(UNIT_CFLAGS) -c -o $@ $<

$(UNIT_DIR)/test_%: test/unit/test_%.c $(UNIT_OBJS) $(wildcard test/unit/*.h)
	$(UNIT_CC) $(UNIT_CFLAGS) -o $@ $< $(UNIT_OBJS) $(JANSSON_LIBS) $(CURL_LIBS) -lm -lpthread

.PHONY: check-core
check-core: $(UNIT_TESTS)
	@failed=0; for test in $(UNIT_TESTS); do \
		ASAN_OPTIONS=abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1 ./$$test || { echo "FAILED $$test" >&2; failed=1; }; \
	done; exit $$failed

# ---- fuzzing, clang's libFuzzer ----

FUZZ_CC ?= clang
FUZZ_DIR = build/fuzz
FUZZ_SECONDS ?= 20
FUZZ_CFLAGS = -std=gnu11 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all $(WARNINGS) -Isrc -Itest/unit \
	$(JANSSON_CFLAGS) $(CURL_CFLAGS)
FUZZ_OBJS = $(patsubst src/%.c,$(FUZZ_DIR)/%.o,$(ALONE_SRCS)) $(FUZZ_DIR)/zones.o
FUZZ_TARGETS = $(patsubst test/fuzz/%.c,$(FUZZ_DIR)/%,$(sort $(wildcard test/fuzz/fuzz_*.c)))

$(FUZZ_DIR)/%.o: src/%.c $(INCLUDED)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -c -o $@ $<

$(FUZZ_DIR)/zones.o: test/unit/zones.c $(wildcard test/unit/*.h) $(INCLUDED)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -c -o $@ $<

$(FUZZ_DIR)/fuzz_%: test/fuzz/fuzz_%.c $(FUZZ_OBJS)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $< $(FUZZ_OBJS) $(JANSSON_LIBS) $(CURL_LIBS) -lm -lpthread

.PHONY: check-fuzz
check-fuzz: $(FUZZ_TARGETS)
	@for target in $(FUZZ_TARGETS); do \
		name=$$(basename $$target); mkdir -p $(FUZZ_DIR)/corpus/$$name; \
		seeds=test/fuzz/seeds/$${name#fuzz_}; [ -d $$seeds ] || seeds=; \
		./$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -artifact_prefix=$(FUZZ_DIR)/$$name- -verbosity=0 -print_final_stats=0 \
			$(FUZZ_DIR)/corpus/$$name $$seeds || exit 1; \
	done

# ---- benchmarks, on an installed kam ----

.PHONY: bench
bench:
	@for script in bench/*; do [ -x "$$script" ] && [ -f "$$script" ] || continue; echo "== $$script"; "$$script" || exit 1; done

# ---- the model APIs' stand-in, for tests and benchmarks ----

.PHONY: mock
mock: build/mock/mock
build/mock/mock: $(wildcard test/mock/*.c test/mock/*.h)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARNINGS) $(JANSSON_CFLAGS) -o $@.new $(filter %.c,$^) $(JANSSON_LIBS)
	@mv $@.new $@
