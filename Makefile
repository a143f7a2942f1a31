# weir: one non-recursive build. Each folder adds its own *.mk; everything built lies under
# build/<flavour>/. `make help` lists the targets.

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG      ?= clang
AR         ?= ar
PREFIX     ?= /usr/local
PYTHON     ?= python3
DEPS       ?= auto
# The allocator of the tools: jemalloc where it is installed.
ALLOC      ?= $(if $(wildcard /usr/include/jemalloc/jemalloc.h /usr/local/include/jemalloc/jemalloc.h),jemalloc,glibc)
WERROR     ?=

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

all: ## build library and tools, release flavour
.PHONY: all

# ---- Flavours -------------------------------------------------------------------------------
#
# release    what is measured and installed
# debug      assertions on, no optimisation: unit tests
# stress     release with the library's synchronisation points open to weir-stress
# tsan-gcc, tsan-clang, asan   stress under a sanitizer
#
# In flavours of the library alone, its unit tests run as well: lib/flavours.mk has them.
FLAVOURS := release debug stress tsan-gcc tsan-clang asan

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion $(WERROR)
COMMON   := -std=c11 -D_GNU_SOURCE $(WARNINGS) -fPIC -pthread -g -fno-omit-frame-pointer \
            -fvisibility=hidden -Ilib/include -I.

CC_release    := $(CC)
CC_debug      := $(CC)
CC_stress     := $(CC)
CC_tsan-gcc   := gcc
CC_tsan-clang := $(CLANG)
CC_asan       := $(CC)

CFLAGS_release    := -O2 -DNDEBUG
CFLAGS_debug      := -O0
CFLAGS_stress     := -O2 -DWEIR_STRESS
CFLAGS_tsan-gcc   := -O1 -DWEIR_STRESS -fsanitize=thread
CFLAGS_tsan-clang := -O1 -DWEIR_STRESS -fsanitize=thread
CFLAGS_asan       := -O1 -DWEIR_STRESS -fsanitize=address,undefined -fno-sanitize-recover=all

LDFLAGS_tsan-gcc   := -fsanitize=thread
LDFLAGS_tsan-clang := -fsanitize=thread
LDFLAGS_asan       := -fsanitize=address,undefined

# A task may end its thread (pthread_exit, cancellation): the library's cleanup handlers then run,
# which cost nothing until then when the compiler makes unwind tables for them.
UNWIND := -fexceptions

include lib/flavours.mk

# $(call cc,flavour): the compiler with everything but -c and -o.
cc = $(CC_$(1)) $(COMMON) $(CFLAGS_$(1)) $(CFLAGS)
# $(call ld,flavour): the linker driver.
ld = $(CC_$(1)) -pthread -g $(CFLAGS_$(1)) $(LDFLAGS_$(1)) $(LDFLAGS)
# $(call objects,flavour,sources)
objects = $(patsubst %.c,build/$(1)/%.o,$(2))

# A change of compiler or flags rebuilds: the stamp is rewritten only when its text differs.
define flavour_rules
build/$(1)/flags: FORCE
	@mkdir -p $$(@D)
	@echo '$$(call cc,$(1)) $$(LDFLAGS_$(1)) $$(LDFLAGS) $$(ALLOC)' | cmp -s - $$@ || \
	  echo '$$(call cc,$(1)) $$(LDFLAGS_$(1)) $$(LDFLAGS) $$(ALLOC)' > $$@

build/$(1)/%.o: %.c build/$(1)/flags
	@mkdir -p $$(@D)
	$$(Q)$$(call cc,$(1)) $$(if $$(filter lib/src/% stress/structures/%,$$*),-Ilib/src $$(UNWIND)) $$(if $$(filter lib/src/%,$$*),$$(ATOMS_$(1))) $$(EXTRA_$$(subst /,_,$$*)) -MMD -MP -c -o $$@ $$<
endef
$(foreach f,$(FLAVOURS) $(LIB_FLAVOURS),$(eval $(call flavour_rules,$(f))))

FORCE:
.PHONY: FORCE

V ?= 0
ifeq ($(V),0)
Q = @echo "  $(notdir $(firstword $(CC)))  $@";
endif

# Unit tests: every *_test.c beside its source; each folder appends the programs to TESTS.
TESTS :=

include lib/lib.mk
include bench/bench.mk
include stress/stress.mk

-include $(shell find build -name '*.d' 2>/dev/null)

# ---- Packages -------------------------------------------------------------------------------

# deps-core-dev installs the levels core and dev; `scripts/deps --list` tells what is in a level.
deps: deps-core-report ## install the packages that are missing, or print the line that does
.PHONY: deps

deps-%:
ifneq ($(DEPS),skip)
	@scripts/deps $(subst -, ,$*)
else
	@:
endif

# ---- Checks ---------------------------------------------------------------------------------

test: deps-core-report ## unit tests, known-answer subjects, a smoke run of each command
	@$(MAKE) --no-print-directory test-programs
	@scripts/unit $(TESTS) scripts/test-deps scripts/test-readme
.PHONY: test

test-programs: $(TESTS) $(TEST_NEEDS)
.PHONY: test-programs

lint: deps-core-dev ## layout, warnings as errors with both compilers, static checks
	@scripts/lint
.PHONY: lint

# ---- The rest -------------------------------------------------------------------------------

clean: ## remove build/
	rm -rf build
.PHONY: clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
.PHONY: help
