# weir-stress: the harness, the subjects that test it, and the targets that point it at a pool.

STRESS_SRC  := $(filter-out %_test.c stress/wrappers.c,$(wildcard stress/*.c stress/scenarios/*.c))
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

# Reserved names are what -Wl,--wrap asks for.
EXTRA_stress_wrappers := -Wno-reserved-identifier -Wno-unknown-warning-option

define stress_rules
build/$(1)/weir-stress: $$(call objects,$(1),stress/main.c $(STRESS_LIB))
	$$(Q)$$(call ld,$(1)) -rdynamic -o $$@ $$^ -ldl

build/$(1)/stress/subjects/weir.so: build/$(1)/bench/subjects/weir.o build/$(1)/bench/kernels.o build/$(1)/stress/wrappers.o \
    $$(call objects,$(1),$$(STRESS_WEIR)) build/$(1)/libweir.a
	@mkdir -p $$(@D)
	$$(Q)$$(call ld,$(1)) -shared -Wl,-Bsymbolic -o $$@ $$^ $(STRESS_WRAP)

build/$(1)/stress/subjects/%.so: build/$(1)/stress/subjects/%.o \
    build/$(1)/stress/subjects/reference_pool.o build/$(1)/stress/wrappers.o
	$$(Q)$$(call ld,$(1)) -shared -o $$@ $$^ $(STRESS_WRAP)

.SECONDARY: $$(call objects,$(1),stress/wrappers.c $(wildcard stress/subjects/*.c))
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

ifneq ($(filter %.c,$(SUBJECT)),)
define own_rules
build/$(1)/stress/own/$(basename $(notdir $(SUBJECT))).so: $(SUBJECT) build/$(1)/stress/wrappers.o build/$(1)/bench/kernels.o build/$(1)/flags FORCE
	@mkdir -p $$(@D)
	$$(Q)$$(call cc,$(1)) -I$(dir $(SUBJECT)) $$(LDFLAGS) -shared -o $$@ $(SUBJECT) \
	  build/$(1)/stress/wrappers.o build/$(1)/bench/kernels.o $(STRESS_WRAP) $$(LIBS)
endef
$(foreach f,stress tsan-gcc tsan-clang asan,$(eval $(call own_rules,$(f))))
endif

# ---- Targets --------------------------------------------------------------------------------

STRESS_ARGS ?=
# The supervisor is always the native one; the episodes run in the flavour's own program.
# $(call stress_run,flavour,seconds)
stress_run = build/stress/weir-stress run --subject=$(call stress_subject,$(1)) --budget=$(2) \
  $(if $(filter-out stress,$(1)),--runner=build/$(1)/weir-stress) $(STRESS_ARGS)
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

# MUTANTS="NAME..." for some of them; MUTANT_ARGS="--quick" and so on: scripts/mutants --help.
MUTANT_ARGS ?= --time=900
MUTANT_NEEDS := build/stress/wrap.flags \
                $(foreach f,stress tsan-gcc tsan-clang asan,build/$(f)/weir-stress)

build/stress/wrap.flags: stress/stress.mk
	@mkdir -p $(@D)
	@echo '$(STRESS_WRAP)' > $@

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
