# weir-bench: the campaign that runs cells, the analysis of what they measured, and the commands
# that people type.

CAMPAIGN_SRC  := $(filter-out %_test.c bench/analyse/erlang.c,$(wildcard bench/campaign/*.c bench/analyse/*.c))
CAMPAIGN_TEST := $(wildcard bench/campaign/*_test.c bench/analyse/*_test.c)

# The allocator of the tools. Sanitizer flavours keep their own.
ALLOC_LIBS_glibc    :=
ALLOC_LIBS_jemalloc := -Wl,--no-as-needed -ljemalloc -Wl,--as-needed
ALLOC_LIBS_mimalloc := -Wl,--no-as-needed -lmimalloc -Wl,--as-needed
ifeq ($(filter glibc jemalloc mimalloc,$(ALLOC)),)
$(error ALLOC=$(ALLOC): choose glibc, jemalloc or mimalloc)
endif
ALLOC_LIBS_release := $(ALLOC_LIBS_$(ALLOC))

define campaign_rules
build/$(1)/libcampaign.a: $$(call objects,$(1),$$(CAMPAIGN_SRC))
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^

build/$(1)/weir-bench: build/$(1)/bench/main.o build/$(1)/libcampaign.a build/$(1)/libbenchcell.a
	$$(Q)$$(call ld,$(1)) -rdynamic -o $$@ $$(filter %.o %.a,$$^) $$(CELL_LIBS) -ldl \
	  $$(ALLOC_LIBS_$(1))

# Preloaded into cells that count allocations.
build/$(1)/counting.so: build/$(1)/bench/preload/counting.o
	$$(Q)$$(call ld,$(1)) -shared -o $$@ $$^ -ldl
endef
$(foreach f,release debug asan,$(eval $(call campaign_rules,$(f))))

all: build/release/weir-bench build/release/counting.so

# ---- Measuring ------------------------------------------------------------------------------

BUDGET ?= 180
# Seconds of the budget that plots and report take.
BENCH_RESERVE ?= 3
RUN ?=

bench: deps-core-report-peers ## measure the pools on this machine, plot, report (BUDGET=180 seconds)
	@$(MAKE) --no-print-directory build/release/weir-bench build/release/counting.so subjects programs
	@scripts/campaign $(BUDGET) $(BENCH_RESERVE) --field $(FIELD)

# `make bench` measures weir and five rivals; the whole field takes longer.
FIELD ?= main

bench-full: ## the whole field: every pool and configuration that is there, half an hour
	@$(MAKE) --no-print-directory bench FIELD=all BENCH_RESERVE=30 BUDGET=$(if $(filter file default undefined,$(origin BUDGET)),1800,$(BUDGET))

compare: deps-core-peers ## is A faster than B? A and B: subject[:variant], ./pool.so, or runs
	@test -n "$(A)" -a -n "$(B)" || { echo 'make compare A=weir:stealing B=glib' >&2; exit 64; }
	@$(MAKE) --no-print-directory build/release/weir-bench build/release/counting.so subjects programs
	@build/release/weir-bench compare $(ARGS) -- "$(A)" "$(B)"

# A base is made on the old commit: build/release/weir-bench run --keep-plugins --name base …
gate: deps-core ## has weir become slower than BASE=results/… (or BASE=old/weir.so)? for CI
	@test -n "$(BASE)" || { echo 'make gate BASE=results/base (made with --keep-plugins)' >&2; exit 64; }
	@$(MAKE) --no-print-directory build/release/weir-bench build/release/subjects/weir.so
	@build/release/weir-bench gate $(ARGS) -- "$(BASE)"

plot: ## draw the plots of RUN=results/…
	@scripts/plot "$(RUN)"

report: ## make the report of RUN=results/…
	@scripts/report "$(RUN)"
.PHONY: bench bench-full compare gate plot report

# ---- Unit tests -----------------------------------------------------------------------------

CAMPAIGN_TESTS := $(patsubst bench/%_test.c,build/debug/tests/bench/%_test,$(CAMPAIGN_TEST))

# write() is wrapped, so that a test can make it fail or fall short.
$(CAMPAIGN_TESTS): build/debug/tests/bench/%_test: build/debug/bench/%_test.o \
                   build/debug/libcampaign.a build/debug/libbenchcell.a
	@mkdir -p $(@D)
	$(Q)$(call ld,debug) $(if $(findstring store,$*),-Wl$(comma)--wrap=write) -o $@ \
	  $(filter %.o,$^) build/debug/libcampaign.a build/debug/libbenchcell.a $(CELL_LIBS) -ldl -lcmocka
comma := ,

TESTS += $(CAMPAIGN_TESTS)
TEST_NEEDS += build/debug/weir-bench build/debug/counting.so
