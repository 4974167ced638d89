# Baton. 'make help' lists the targets.
VERSION  := 0.1.0
MAKEFLAGS += --no-print-directory
B        ?= build
PREFIX   ?= /usr/local
VECTORS  ?= ../shared
CC       ?= gcc
CLANG    := $(firstword $(wildcard /usr/bin/clang /usr/bin/clang-14 /usr/bin/clang-16 /usr/bin/clang-19) clang)

PACKAGES := lua5.4 lua5.4-cjson libevent libevent_openssl libcurl openssl
DEPS_TEST := python3

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wconversion -Wstrict-prototypes \
        -Wmissing-prototypes -Wundef -Wwrite-strings -Wredundant-decls -Wdisabled-optimization \
        -Wdouble-promotion -Wmissing-declarations -Wno-sign-conversion -Werror
CFLAGS  ?= -O2 -g
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -DBATON_VERSION='"$(VERSION)"' -DBATON_PREFIX='"$(PREFIX)"' \
        $(WARN) $(CFLAGS) $(SANITIZE) $(shell pkg-config --cflags $(PACKAGES))
LDLIBS  = $(shell pkg-config --libs $(PACKAGES)) -lm -lpthread

SOURCES := $(wildcard core/*.c)
OBJECTS := $(SOURCES:%.c=$(B)/%.o)
LIBRARY := $(B)/libbaton.a
UNITS   := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

all: $(B)/baton                     ## build build/baton

$(B)/baton: $(B)/core/main.o $(LIBRARY)
	$(CC) $(SANITIZE) -o $@ $^ $(LDLIBS)

$(LIBRARY): $(filter-out $(B)/core/main.o,$(OBJECTS))
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/unit/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Icore -MMD -MP -o $@ $< $(LIBRARY) $(LDLIBS)

units: $(UNITS)

$(B)/fuzz/%: tests/fuzz/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Icore -fsanitize=fuzzer -MMD -MP -o $@ $< $(LIBRARY) $(LDLIBS)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

clean:                              ## remove everything built
	rm -rf build

.PHONY: all units clean
