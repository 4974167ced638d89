# Baton. 'make help' lists the targets.
ifeq ($(MAKELEVEL),0) # a make that another one calls shares its jobs
MAKEFLAGS += --no-print-directory -j$(shell nproc)
endif
VERSION   := 0.1.0
B         ?= build
PREFIX    ?= /usr/local
VECTORS   ?= ../shared
FUZZ_TIME ?= 60
SHARE      = $(DESTDIR)$(PREFIX)/share/baton
export VECTORS

# What is needed to build and run, and to test. README.md says what each is for.
DEPS       := gcc make pkg-config liblua5.4-dev lua-cjson-dev libevent-dev libcurl4-openssl-dev libssl-dev zlib1g-dev libpcre2-dev liblinear-dev
DEPS_TEST  := python3
DEPS_LINT  := clang-format-14 lua-check cppcheck
DEPS_FUZZ  := clang-14 libclang-rt-14-dev
DEPS_BENCH := nginx-light wrk python3

CLANG    ?= clang-14
PACKAGES := lua5.4 lua5.4-cjson libevent libevent_openssl libcurl openssl zlib libpcre2-8
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wconversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wundef -Wwrite-strings -Wredundant-decls -Wdouble-promotion \
            -Wmissing-declarations -Wno-sign-conversion -Werror
CFLAGS   ?= -O2 -g
# Not ':=': the packages may be installed by 'make deps' in the same run.
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -DBATON_VERSION='"$(VERSION)"' -DBATON_PREFIX='"$(PREFIX)"' \
             $(WARN) $(CFLAGS) $(SANITIZE) $(shell pkg-config --cflags $(PACKAGES))
# Lua and cjson are linked in: a tenth less work a request than through the shared libraries. Why one function of
# Lua's is wrapped, core/guard.c says.
LDLIBS   = $(subst -llua5.4,-l:liblua5.4.a,$(subst -llua5.4-cjson,-l:liblua5.4-cjson.a,\
             $(shell pkg-config --libs $(PACKAGES)))) -llinear -lm -lpthread \
             -Wl,--wrap=luaT_gettmbyobj,-u,__wrap_luaT_gettmbyobj

SOURCES := $(wildcard core/*.c)
OBJECTS := $(SOURCES:%.c=$(B)/%.o)
LIBRARY := $(B)/libbaton.a
UNITS   := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
BENCHES := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/bench_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

# What classify.task asks: trained when its prompts or the training change, the same bytes each time.
MODEL := scripts/tasks.model

all: $(B)/baton $(MODEL)       ## build build/baton, and train the model of classify.task

$(MODEL): models/generate.lua $(wildcard models/prompts/*.lua core/train*.c core/linear*.c) core/ngrams.c | $(B)/baton
	@echo "  train $@"
	@rm -f $@ # one of another version would not be read
	@$(B)/baton run --policies models/prompts models/generate.lua >$(B)/prompts.jsonl
	@$(B)/baton train --label task --label complexity --group template --hold-back 0.25 --max-bytes 262144 \
	    -o $@ $(B)/prompts.jsonl >$(B)/tasks.report 2>&1 || { cat $(B)/tasks.report; exit 1; }

$(B)/baton: $(B)/core/main.o $(LIBRARY)
	@echo "  link  $@"
	@$(CC) $(SANITIZE) -o $@ $^ $(LDLIBS)

$(LIBRARY): $(filter-out $(B)/core/main.o,$(OBJECTS))
	@rm -f $@
	@$(AR) rcs $@ $^

# Inner loops over the numbers of a vector: several at once, and sqrtf without errno.
$(B)/core/train_narrow.o: CFLAGS_ALL += -O3 -fno-math-errno

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	@$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/unit/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  cc    $<"
	@$(CC) $(CFLAGS_ALL) -Icore -MMD -MP -o $@ $< $(LIBRARY) $(LDLIBS)

$(B)/fuzz/%: tests/fuzz/%.c $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  cc    $<"
	@$(CC) $(CFLAGS_ALL) -Icore -MMD -MP -o $@ $< $(LIBRARY) $(LDLIBS)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

deps:                          ## install what is missing (Debian packages, by apt)
	@sh tests/deps.sh $(DEPS) $(DEPS_TEST)

demo: deps                     ## the shipped policies on simulated models: cost, quality, latency
	@$(MAKE) all
	@python3 tests/demo/demo.py $(if $(DATA),--data $(DATA)) $(if $(COLUMN),--column $(COLUMN))

test: deps                     ## every test; the last line counts them
	@$(MAKE) all units
	@python3 tests/run.py --build $(B)

units: $(UNITS) $(BENCHES)

test-unit: all units           ## only the unit tests and the Lua tests inside the engine
	@python3 tests/run.py --build $(B) --only unit

test-e2e: all                  ## only the end-to-end tests (ONLY=name: a part of them)
	@python3 tests/e2e/run.py $(ONLY)

debug:                         ## build without optimisation, in build/debug
	@$(MAKE) all B=build/debug CFLAGS="-O0 -g3"

asan:                          ## every test under the address, undefined and leak sanitizers
	@sh tests/deps.sh $(DEPS) $(DEPS_TEST) $(DEPS_FUZZ)
	@$(MAKE) all units B=build/asan CC=$(CLANG) CFLAGS="-O1 -g -fno-omit-frame-pointer" \
	    SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
	@python3 tests/run.py --build build/asan

fuzz:                          ## every fuzzer for FUZZ_TIME seconds (60)
	@sh tests/deps.sh $(DEPS) $(DEPS_FUZZ)
	@$(MAKE) fuzzers B=build/fuzz CC=$(CLANG) CFLAGS="-O1 -g" SANITIZE="-fsanitize=fuzzer-no-link,address,undefined"
	@sh tests/fuzz/run.sh build/fuzz/fuzz $(FUZZ_TIME)

fuzz-regress:                  ## only the kept inputs, once each
	@sh tests/deps.sh $(DEPS) $(DEPS_FUZZ)
	@$(MAKE) fuzzers B=build/fuzz CC=$(CLANG) CFLAGS="-O1 -g" SANITIZE="-fsanitize=fuzzer-no-link,address,undefined"
	@sh tests/fuzz/run.sh build/fuzz/fuzz 0

fuzzers: LDLIBS += -fsanitize=fuzzer
fuzzers: $(FUZZERS)

lint:                          ## layout, ranks, banned functions, warnings of cppcheck and luacheck
	@sh tests/deps.sh $(DEPS) $(DEPS_LINT) python3
	@python3 tests/lint.py
	@clang-format-14 --dry-run -Werror core/*.c core/*.h tests/unit/*.[ch] tests/fuzz/*.c
	@cppcheck -q -j "$$(nproc)" --std=c11 --error-exitcode=1 --inline-suppr --suppress=missingIncludeSystem \
	    --enable=warning,portability -D_GNU_SOURCE -DBATON_VERSION='""' -DBATON_PREFIX='""' core
	@luacheck -q scripts policies examples models tests/lua tests/bench/policies
	@echo "lint: clean"

format:                        ## lay the C files out
	@clang-format-14 -i core/*.c core/*.h tests/unit/*.[ch] tests/fuzz/*.c

eval:                          ## routing, intents and personal data on public sets (VECTORS); EVAL="--only NAME": a part
	@$(MAKE) all
	@BATON=$(B)/baton python3 tests/eval/routing.py $(EVAL)
	@test -n '$(EVAL)' || python3 tests/eval/intents.py --build $(B)
	@BATON=$(B)/baton python3 tests/eval/pii.py $(EVAL)

bench:                         ## what a request costs beside nginx, a check beside ajv, each in one run
	@sh tests/deps.sh $(DEPS) $(DEPS_BENCH)
	@$(MAKE) all
	@python3 tests/bench/bench.py $(BENCH)
	@$(MAKE) $(BENCHES)
	@python3 tests/bench/schemas.py $(B)
	@python3 tests/bench/classify.py $(B)

# What an earlier version has installed, and this one does not have, goes; files of others stay.
install: all                   ## install below PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)
	install -m 755 $(B)/baton $(DESTDIR)$(PREFIX)/bin/baton
	cp -R scripts policies examples $(SHARE)/
	@find scripts policies examples -type f | LC_ALL=C sort >$(B)/installed
	@test ! -f $(SHARE)/installed || grep -vxFf $(B)/installed $(SHARE)/installed | \
	    (cd $(SHARE) && xargs -r -d '\n' rm -f --)
	install -m 644 $(B)/installed $(SHARE)/installed

clean:                         ## remove everything built
	rm -rf build $(MODEL)

help:                          ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18

.PHONY: all deps demo test units test-unit test-e2e debug asan fuzz fuzz-regress fuzzers lint format bench eval install \
        clean help
