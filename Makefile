# ehlogate: build, check, demo.  `make help` lists the targets.
#
# Folders and what may include what: see LAYERS below.  The packages that all
# this needs are in contrib/packages.txt and nowhere else.

SHELL   := /bin/bash
BUILD   := build
VERSION := 0.1.0
PREFIX  := /usr/local
PY      := /usr/bin/python3

.DEFAULT_GOAL := all

# VARIANT=asan builds the same program under build/asan with the sanitizers,
# VARIANT=cov under build/cov with the counters of gcov.
VARIANT :=
O       := $(BUILD)/obj$(if $(VARIANT),-$(VARIANT))
OUT     := $(BUILD)$(if $(VARIANT),/$(VARIANT))

LIBS     := yaml-0.1 jansson libpcre2-8 libnftnl libmnl libcap-ng libidn2 \
	    libcares libpsl libssl libcrypto
CPPFLAGS += -D_GNU_SOURCE -DEHLOGATE_VERSION='"$(VERSION)"' -Iproxy -I.
# -fno-strict-aliasing: libev's watcher structs overlay each other.
# -fvisibility=hidden: or jansson would call our json_null for its own.
CFLAGS   += -std=c11 -g -O2 -fno-strict-aliasing -fvisibility=hidden \
	    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual \
	    -Wwrite-strings -Wpointer-arith -Wformat=2 -Wswitch-enum -Wvla \
	    -Werror -include proxy/base/poison.h
ifeq ($(VARIANT),asan)
CFLAGS   += -fsanitize=address,undefined -fno-sanitize-recover=all \
	    -fno-omit-frame-pointer
LDFLAGS  += -fsanitize=address,undefined
else ifeq ($(VARIANT),cov)
CFLAGS   += -O0 -Wno-maybe-uninitialized --coverage -DCOVERAGE
LDFLAGS  += --coverage
else
CFLAGS   += -fstack-protector-strong -fPIE
CPPFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LDFLAGS  += -pie -Wl,-z,relro,-z,now
endif
LDLIBS   += -lev $(shell pkg-config --libs $(LIBS) 2>/dev/null)

SRC  := $(wildcard proxy/*/*.c policy/*.c)
OBJ  := $(SRC:%.c=$(O)/%.o)
MAIN := $(O)/proxy/main.o
DEP  := $(OBJ:.o=.d) $(MAIN:.o=.d)

.PHONY: all
all: $(OUT)/ehlogate ## the program: build/ehlogate

$(OUT)/ehlogate: $(MAIN) $(OBJ) | $(BUILD)/.deps-build
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(O)/%.o: %.c Makefile | $(BUILD)/.deps-build
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(DEP)

# --- packages -------------------------------------------------------------

# Installs what a group of contrib/packages.txt lacks.  As root only; else it
# says what to install.
$(BUILD)/.deps-%: contrib/packages.txt tests/tool/deps
	@mkdir -p $(BUILD)
	@tests/tool/deps $*
	@touch $@

.PHONY: deps
deps: $(BUILD)/.deps-build $(BUILD)/.deps-demo $(BUILD)/.deps-check ## install every package that build, demo and tests need

# --- tests ----------------------------------------------------------------

# A unit test links the files that its first lines name (LINKS: a.c b*.c folder/),
# the base folder, and nothing else.
UNIT_SRC := $(wildcard tests/unit/*_test.c)
UNIT     := $(UNIT_SRC:tests/unit/%.c=$(OUT)/unit/%)
BASE_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard proxy/base/*.c))

links_of = $(patsubst %.c,$(O)/%.o,$(wildcard \
    $(patsubst %/,%/*.c,$(shell sed -n 's|.*LINKS: *\([^ ].*[./][c ]\).*|\1|p' $(1)))))

.SECONDEXPANSION:
$(OUT)/unit/%: tests/unit/%.c $(BASE_OBJ) $$(call links_of,tests/unit/$$*.c) \
    | $(BUILD)/.deps-check
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ \
	    $(filter %.c %.o,$^) $(LDLIBS) -lcmocka

-include $(UNIT:=.d)

.PHONY: unit
unit: $(UNIT) ## build the unit tests
$(UNIT): | $(BUILD)/.deps-build

# Everything that links the program's objects without main.c: test drivers.
TOOLS := $(patsubst tests/tool/%.c,$(OUT)/tool/%,$(wildcard tests/tool/*.c))
$(OUT)/tool/%: tests/tool/%.c $(OBJ)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< \
	    $(OBJ) $(LDLIBS)
# The memory of our own objects, to be refused.
$(OUT)/tool/nomemory: LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
-include $(TOOLS:=.d)

.PHONY: tools
tools: $(TOOLS) ## build the test drivers

# The simulator: sessions from seeds (tests/sim).
SIM_O := $(patsubst %.c,$(O)/%.o,$(wildcard tests/sim/*.c))
$(OUT)/sim: $(SIM_O) $(OBJ)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
-include $(SIM_O:.o=.d)

# The same with one file in the place of another: tests/tool/planted.
.PHONY: planted
planted:
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $(AS) $(PLANTED) $(SIM_O) \
	    $(filter-out $(IN:%.c=$(O)/%.o),$(OBJ)) $(LDLIBS)

.PHONY: simulate
simulate: $(OUT)/sim ## SIM_SESSIONS (10,000,000) sessions from seeds, faults and all
	@$(OUT)/sim --sessions $${SIM_SESSIONS:-10000000} --jobs $$(nproc)

contrib/session.schema.json: proxy/audit/fields.h tests/tool/schema.h
	@$(MAKE) --no-print-directory -s $(OUT)/tool/schema
	$(OUT)/tool/schema >$@

contrib/policy.schema.json contrib/config.schema.json: policy/config_keys.h \
    tests/tool/editor_schema.c tests/tool/editor_facts.h
	@$(MAKE) --no-print-directory -s $(OUT)/tool/editor_schema
	$(OUT)/tool/editor_schema $(@:contrib/%.schema.json=%) >$@

.PHONY: man
man: ## what the tables make of the manual pages
	@$(MAKE) --no-print-directory -s $(OUT)/tool/manual
	@set -e; for page in contrib/man/*.[15]; do \
		$(OUT)/tool/manual $$page >$(BUILD)/page; \
		cmp -s $(BUILD)/page $$page || cp $(BUILD)/page $$page; done

# libFuzzer targets: tests/fuzz/NAME_fuzz.c with every object, by clang.
FUZZ      := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_O    := $(BUILD)/obj-fuzz
FUZZ_OBJ  := $(SRC:%.c=$(FUZZ_O)/%.o)
FUZZFLAGS := -std=c11 -g -O1 -fno-strict-aliasing -fno-omit-frame-pointer \
	     -fvisibility=hidden \
	     -fsanitize=address,undefined,fuzzer-no-link \
	     -fno-sanitize-recover=all -Wall -Wextra
$(FUZZ_O)/%.o: %.c
	@mkdir -p $(@D)
	clang $(CPPFLAGS) $(FUZZFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJ) | $(BUILD)/.deps-check
	@mkdir -p $(@D)
	clang $(CPPFLAGS) $(FUZZFLAGS) -fsanitize=fuzzer -MMD -MP -MF $@.d \
	    -o $@ $< $(FUZZ_OBJ) $(LDLIBS)
.SECONDARY: $(FUZZ_OBJ) $(OBJ)
-include $(FUZZ_OBJ:.o=.d) $(FUZZ:=.d)

.PHONY: fuzz
fuzz: $(FUZZ) ## fuzz every parser for FUZZ_SECONDS (1200) each
	@tests/tool/fuzz $${FUZZ_SECONDS:-1200} $(FUZZ)

.PHONY: check
check: $(BUILD)/.deps-build $(BUILD)/.deps-demo $(BUILD)/.deps-check ## install what it needs and run every test
	@$(MAKE) --no-print-directory -j$$(nproc) all unit tools $(BUILD)/sim
	@$(MAKE) --no-print-directory -j$$(nproc) VARIANT=asan all unit tools \
	    $(BUILD)/asan/sim
	@$(MAKE) --no-print-directory -j$$(nproc) $(FUZZ)
	@$(PY) tests/tool/check.py

.PHONY: coverage
coverage: $(BUILD)/.deps-build $(BUILD)/.deps-check ## which lines of the protocol and the policy the quick suites run
	@$(MAKE) --no-print-directory -s -j$$(nproc) VARIANT=cov all unit tools \
	    $(BUILD)/cov/sim
	@$(PY) tests/tool/coverage.py

SMUGGLING := $(PY) -m pytest -q -p no:cacheprovider tests/perimeter/test_smuggling.py
.PHONY: matrix
matrix: all $(BUILD)/.deps-demo $(BUILD)/.deps-check ## every server, every false end of data, cut at every offset
	@EOD_FULL=1 $(SMUGGLING)

.PHONY: haraka
haraka: all $(BUILD)/.deps-demo $(BUILD)/.deps-check ## the same tests with Haraka too: needs node and npm, and asks npm's registry
	@HARAKA=1 $(SMUGGLING)

.PHONY: soak
soak: all tools $(BUILD)/.deps-demo $(BUILD)/.deps-check ## full load for SOAK_SECONDS (1800), 100,000 messages while workers are killed, a million of each command
	@$(PY) tests/perimeter/soak.py
	@MESSAGES=$${MESSAGES:-100000} SLOW=$${SLOW:-2000} $(PY) -m pytest -q -s \
	    -p no:cacheprovider tests/perimeter/test_load.py
	@MUCH=$${MUCH:-998000} $(PY) -m pytest -q -p no:cacheprovider \
	    tests/perimeter/test_much.py

.PHONY: bench
bench: all $(BUILD)/.deps-demo $(BUILD)/.deps-check ## HAProxy and the gate on one path, and their ratios
	@$(PY) tests/bench/bench.py

.PHONY: bench-tls
bench-tls: all tools $(BUILD)/.deps-demo $(BUILD)/.deps-bench ## nginx and hitch beside the gate: handshakes and octets of TLS
	@$(PY) tests/bench/tls.py

.PHONY: bench-replay
bench-replay: all ## replay over a million sessions: time, memory, and the answer checked
	@$(PY) tests/bench/replay.py

# Benchmarks of parts: tests/bench/NAME.c, as the test drivers.
BENCHES := $(patsubst tests/bench/%.c,$(OUT)/bench/%,$(wildcard tests/bench/*.c))
$(OUT)/bench/%: tests/bench/%.c $(OBJ)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< \
	    $(OBJ) $(LDLIBS)
-include $(BENCHES:=.d)

.PHONY: bench-policy
bench-policy: $(BENCHES) ## what a decision costs, with lists of a million
	@set -e; for bench in $(BENCHES); do $$bench; done

.PHONY: demo
demo: $(BUILD)/.deps-build $(BUILD)/.deps-demo ## a real Exim refuses EXCH_01; behind the gate the mail arrives
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@$(PY) tests/perimeter/demo.py

# --- the house --------------------------------------------------------------

# Which folder may include which (HEADER means that file alone).  A folder may
# always include itself.
define LAYERS
proxy/base:
proxy/smtp: proxy/base
proxy/io: proxy/base
proxy/net: proxy/base
policy: proxy/base
proxy/audit: proxy/base policy/policy.h policy/helo.h policy/lookup.h
proxy/relay: proxy/base proxy/smtp proxy/io proxy/net proxy/audit policy/policy.h policy/helo.h policy/lookup.h
proxy/daemon: proxy/base proxy/io proxy/net proxy/audit proxy/relay policy
proxy/cli: proxy/base proxy/smtp proxy/net proxy/audit proxy/relay proxy/daemon policy proxy/io/resolver_fill.h proxy/io/tls_dane.h
proxy: proxy/base proxy/cli
endef
export LAYERS

.PHONY: layers
layers: ## who includes whom, against the list of allowed edges
	@tests/tool/layers

.PHONY: sizes
sizes: ## lengths of functions and files, the outliers named
	@$(PY) tests/tool/sizes.py

.PHONY: format
format: ## clang-format every C file
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

.PHONY: install
install: all ## install under DESTDIR and PREFIX
	install -D -m 0755 $(OUT)/ehlogate $(DESTDIR)$(PREFIX)/sbin/ehlogate
	install -d $(DESTDIR)$(PREFIX)/share/ehlogate/rules
	install -m 0644 policy/rules/*.yaml $(DESTDIR)$(PREFIX)/share/ehlogate/rules
	install -m 0644 contrib/*.schema.json $(DESTDIR)$(PREFIX)/share/ehlogate
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 0644 contrib/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 contrib/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5

.PHONY: clean
clean: ## remove build/
	rm -rf $(BUILD)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | \
	    awk -F '\t' '{printf "  make %-13s %s\n", $$1, $$2}'
