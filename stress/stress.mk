# weir-stress: the harness, the subjects that test it, and the targets that point it at a pool.

STRESS_SRC  := $(filter-out %_test.c stress/wrappers.c stress/atomics.c,$(wildcard stress/*.c stress/scenarios/*.c))
STRESS_LIB  := $(filter-out stress/main.c,$(STRESS_SRC)) bench/plugin.c
# Scenarios of weir's own: what no other pool has, and its parts alone.
STRESS_WEIR := $(wildcard stress/weir/*.c stress/structures/*.c)
STRESS_TEST := $(wildcard stress/*_test.c)

# Where a subject that is built from source meets delays: see stress/wrap.h.
comma := ,
STRESS_WRAPPED := pthread_mutex_lock pthread_mutex_trylock pthread_mutex_unlock \
  pthread_rwlock_rdlock pthread_rwlock_wrlock pthread_rwlock_unlock pthread_spin_lock \
  pthread_spin_unlock pthread_cond_wait pthread_cond_timedwait pthread_cond_signal \
  pthread_cond_broadcast sem_wait sem_post pthread_create syscall clock_gettime malloc calloc \
  realloc aligned_alloc
STRESS_WRAP := $(patsubst %,-Wl$(comma)--wrap=%,$(STRESS_WRAPPED))

# Atomic operations become points as well: see stress/atomics.c. A native subject is compiled for
# ThreadSanitizer's runtime, and linked with ours.
ATOMS_stress := -fsanitize=thread
TSAN_ATOMIC  := $(foreach o,load store exchange fetch_add fetch_sub fetch_and fetch_or fetch_xor \
  fetch_nand compare_exchange_strong compare_exchange_weak,$(foreach b,8 16 32 64,atomic$(b)_$(o)))
WRAP_TSAN    := $(patsubst %,-Wl$(comma)--wrap=__tsan_%,$(TSAN_ATOMIC))

# $(call wrap_objects,flavour) and $(call wrap_flags,flavour): what a wrapped subject is linked with.
wrap_objects = build/$(1)/stress/wrappers.o $(if $(filter stress tsan-%,$(1)),build/$(1)/stress/atomics.o)
wrap_flags = $(STRESS_WRAP) $(if $(filter tsan-%,$(1)),$(WRAP_TSAN))

# Reserved names are what -Wl,--wrap asks for.
EXTRA_stress_wrappers := -Wno-reserved-identifier -Wno-unknown-warning-option
EXTRA_stress_atomics := -Wno-reserved-identifier -Wno-unknown-warning-option

define stress_rules
build/$(1)/weir-stress: $$(call objects,$(1),stress/main.c $(STRESS_LIB))
	$$(Q)$$(call ld,$(1)) -rdynamic -o $$@ $$^ -ldl

build/$(1)/stress/subjects/weir.so: build/$(1)/bench/subjects/weir.o build/$(1)/bench/kernels.o $$(call wrap_objects,$(1)) \
    $$(call objects,$(1),$$(STRESS_WEIR)) build/$(1)/libweir.a
	@mkdir -p $$(@D)
	$$(Q)$$(call ld,$(1)) -shared -Wl,-Bsymbolic -o $$@ $$^ $$(call wrap_flags,$(1))

build/$(1)/stress/subjects/%.so: build/$(1)/stress/subjects/%.o \
    build/$(1)/stress/subjects/reference_pool.o $$(call wrap_objects,$(1))
	$$(Q)$$(call ld,$(1)) -shared -o $$@ $$^ $$(call wrap_flags,$(1))

.SECONDARY: $$(call objects,$(1),stress/wrappers.c stress/atomics.c $(wildcard stress/subjects/*.c))
endef
$(foreach f,$(filter-out release,$(FLAVOURS)),$(eval $(call stress_rules,$(f))))

# ---- A subject ------------------------------------------------------------------------------
#
# SUBJECT=my_pool.c is built in the flavour, its pthread calls wrapped; CFLAGS and LIBS are for
# its includes, libraries and further sources. SUBJECT=my_pool.so is taken as it is.
SUBJECT ?=
BUDGET  ?= 60

# $(call stress_subject,flavour): the plug-in that the flavour runs.
stress_subject = $(if $(SUBJECT),$(if $(filter %.c,$(SUBJECT)),$(call own_subject,$(1)),$(SUBJECT)),build/$(1)/stress/subjects/weir.so)
own_subject = build/$(1)/stress/own/$(basename $(notdir $(SUBJECT))).so

# Sources among LIBS are the pool's own, and are built as SUBJECT is.
own_sources = $(filter %.c,$(SUBJECT) $(LIBS))

ifneq ($(filter %.c,$(SUBJECT)),)
define own_rules
build/$(1)/stress/own/$(basename $(notdir $(SUBJECT))).so: $(SUBJECT) $$(call wrap_objects,$(1)) build/$(1)/bench/kernels.o build/$(1)/flags FORCE
	@mkdir -p $$(@D)
	$$(Q)for source in $(own_sources); do \
	  $$(call cc,$(1)) $$(ATOMS_$(1)) -I$(dir $(SUBJECT)) -c -o $$(@D)/$$$$(basename $$$$source .c).o \
	    $$$$source || exit 1; done; \
	$$(call ld,$(1)) -shared -o $$@ $(patsubst %.c,build/$(1)/stress/own/%.o,$(notdir $(own_sources))) \
	  $$(call wrap_objects,$(1)) build/$(1)/bench/kernels.o $$(call wrap_flags,$(1)) $(filter-out %.c,$(LIBS))
endef
$(foreach f,stress tsan-gcc tsan-clang asan debug,$(eval $(call own_rules,$(f))))
endif

# ---- Targets --------------------------------------------------------------------------------

STRESS_ARGS ?=
# The supervisor is always the native one; the episodes run in the flavour's own program.
# $(call stress_run,flavour,seconds)
stress_run = build/stress/weir-stress run --subject=$(call stress_subject,$(1)) --budget=$(2) \
  --report=build/$(1)/report $(if $(filter-out stress,$(1)),--runner=build/$(1)/weir-stress) $(STRESS_ARGS)
stress_needs = build/stress/weir-stress build/$(1)/weir-stress $(call stress_subject,$(1))

half = $(shell echo $$(( ($(BUDGET) + 1) / 2 )))

stress: deps-core ## attack weir, or SUBJECT=my_pool.c, for BUDGET=60 seconds
	@$(MAKE) -s --no-print-directory $(call stress_needs,stress)
	@$(call stress_run,stress,$(BUDGET))
.PHONY: stress

tsan: deps-core-dev ## the same under the ThreadSanitizers of gcc and clang, half the BUDGET each
	@$(MAKE) -s --no-print-directory $(call stress_needs,tsan-gcc) $(call stress_needs,tsan-clang)
	@echo "== gcc's ThreadSanitizer"
	@$(call stress_run,tsan-gcc,$(half))
	@echo "== clang's ThreadSanitizer"
	@$(call stress_run,tsan-clang,$(half))
.PHONY: tsan

asan: deps-core ## the same under AddressSanitizer, UBSan and LeakSanitizer
	@$(MAKE) -s --no-print-directory $(call stress_needs,asan)
	@$(call stress_run,asan,$(BUDGET))
.PHONY: asan

helgrind: deps-core-dev ## advice from valgrind, on weir or SUBJECT=my_pool.c, for 20 seconds
	@$(MAKE) -s --no-print-directory $(call stress_needs,debug)
	@scripts/helgrind $(call stress_subject,debug) --budget=$(if $(filter file,$(origin BUDGET)),20,$(BUDGET)) $(STRESS_ARGS)
.PHONY: helgrind

HOURS ?= 8

soak: deps-core-dev ## rotate everything for HOURS=8 (0.1 will do), a line a minute; ends in a report
	@$(MAKE) -s --no-print-directory $(foreach f,stress tsan-gcc tsan-clang asan,$(call stress_needs,$(f)))
	@scripts/soak $(HOURS)
.PHONY: soak

# MUTANTS="NAME..." for some of them; MUTANT_ARGS="--quick" and so on: scripts/mutants --help.
MUTANT_ARGS ?= --time=900
MUTANT_NEEDS := build/stress/wrap.flags \
                $(foreach f,stress tsan-gcc tsan-clang asan,build/$(f)/weir-stress)

build/stress/wrap.flags: stress/stress.mk
	@mkdir -p $(@D)
	@echo '$(STRESS_WRAP)' > $@
	@echo '$(WRAP_TSAN)' > $(@D)/wrap-tsan.flags

mutants: deps-core-dev ## put known bugs into weir one by one: each must be found, weir itself not accused
	@$(MAKE) -s --no-print-directory $(MUTANT_NEEDS)
	@scripts/mutants $(MUTANT_ARGS) $(MUTANTS)
.PHONY: mutants

all: build/stress/weir-stress

# ---- Unit tests -----------------------------------------------------------------------------

build/debug/tests/stress/%_test: build/debug/stress/%_test.o $(call objects,debug,$(STRESS_LIB))
	@mkdir -p $(@D)
	$(Q)$(call ld,debug) -rdynamic -o $@ $^ -ldl -lcmocka

TESTS += $(patsubst stress/%_test.c,build/debug/tests/stress/%_test,$(STRESS_TEST))
.SECONDARY: $(call objects,debug,$(STRESS_TEST))
TEST_NEEDS += build/debug/weir-stress build/debug/stress/subjects/reference.so \
              build/debug/stress/subjects/broken.so
