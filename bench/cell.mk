# One measured cell: instruments, workloads, and the plug-ins that they are pointed at.
#
# libbenchcell.a holds all of it but main(); weir-stress takes its plug-in loader and instruments
# from the same archive.

CELL_SRC  := $(filter-out %_test.c,$(wildcard bench/*.c bench/measure/*.c bench/workloads/*.c))
CELL_SRC  := $(filter-out bench/main.c,$(CELL_SRC)) bench/analyse/erlang.c
CELL_TEST := $(wildcard bench/*_test.c bench/measure/*_test.c bench/workloads/*_test.c)
CELL_LIBS := -ljansson -lz -lm -ldl

# It defines malloc itself: the compiler must not turn one of its calls into another.
EXTRA_bench_preload_counting := -fno-builtin

# What machine.c says of the build; rewritten only when it says something else.
BUILD_COMMIT := $(shell git describe --always --dirty --abbrev=12 2>/dev/null)
EXTRA_bench_measure_machine = -include build/$(word 2,$(subst /, ,$@))/build.h

# $(1) flavour
define cell_rules
build/$(1)/build.h: FORCE
	@mkdir -p $$(@D)
	@{ echo '#define BUILD_COMMIT "$$(BUILD_COMMIT)"'; \
	  echo '#define BUILD_FLAGS "$$(CFLAGS_$(1)) $$(CFLAGS)"'; } > $$@.$$$$$$$$ && \
	  if cmp -s $$@.$$$$$$$$ $$@; then rm -f $$@.$$$$$$$$; else mv $$@.$$$$$$$$ $$@; fi
build/$(1)/bench/measure/machine.o: build/$(1)/build.h

build/$(1)/libbenchcell.a: $$(call objects,$(1),$$(CELL_SRC))
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
endef
$(foreach f,$(FLAVOURS),$(eval $(call cell_rules,$(f))))

include bench/subjects/subjects.mk

# ---- Unit tests -----------------------------------------------------------------------------

CELL_TEST_OBJ := $(patsubst %.c,build/debug/%.o,$(CELL_TEST))
CELL_TESTS    := $(patsubst bench/%_test.c,build/debug/tests/bench/%_test,$(CELL_TEST))

$(CELL_TESTS): build/debug/tests/bench/%_test: build/debug/bench/%_test.o \
               build/debug/bench/subjects/broken/tiny.o build/debug/bench/test/cell_process.o \
               build/debug/libbenchcell.a
	@mkdir -p $(@D)
	$(Q)$(call ld,debug) -o $@ $(filter %.o,$^) build/debug/libbenchcell.a $(CELL_LIBS) -lcmocka

TESTS += $(CELL_TESTS)
TEST_NEEDS += $(patsubst %,build/debug/subjects/broken/%.so,$(BROKEN)) \
              $(patsubst %,build/debug/subjects/%.so,$(filter thread glib weir,$(SUBJECTS_HERE)))

# The histogram against Java's, where that is installed: see bench/test/test_histogram.py.
build/debug/tests/bench/test/hdr_values: build/debug/bench/test/hdr_values.o build/debug/libcampaign.a \
                                         build/debug/libbenchcell.a
	@mkdir -p $(@D)
	$(Q)$(call ld,debug) -o $@ $^ $(CELL_LIBS)
ifneq ($(shell command -v $(PYTHON)),)
TESTS += bench/test/test_histogram.py bench/test/test_exchange.py bench/test/test_runs.py
TEST_NEEDS += build/debug/tests/bench/test/hdr_values
endif
