# One measured cell: instruments, workloads, and the plug-ins that they are pointed at.
#
# libbenchcell.a holds all of it but main(); weir-stress takes its plug-in loader and instruments
# from the same archive.

CELL_SRC  := $(filter-out %_test.c,$(wildcard bench/*.c bench/measure/*.c bench/workloads/*.c))
CELL_SRC  := $(filter-out bench/main.c,$(CELL_SRC))
CELL_TEST := $(wildcard bench/*_test.c bench/measure/*_test.c bench/workloads/*_test.c)
CELL_LIBS := -ljansson -lz -lm

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

# ---- Subjects: plug-ins ---------------------------------------------------------------------
#
# A subject is bench/subjects/<name>.c. GLib's own code is not built for ThreadSanitizer, which
# would then accuse it, so glib has no plug-in there.

GLIB_CFLAGS := $(shell pkg-config --cflags glib-2.0 2>/dev/null)
GLIB_LIBS   := $(shell pkg-config --libs glib-2.0 2>/dev/null)
# As system headers: their warnings are not ours.
EXTRA_bench_subjects_glib := $(patsubst -I%,-isystem %,$(GLIB_CFLAGS))

SUBJECT_FLAVOURS := release debug stress tsan-gcc tsan-clang asan
SUBJECTS         := $(basename $(notdir $(wildcard bench/subjects/*.c)))
ifeq ($(GLIB_LIBS),)
SUBJECTS := $(filter-out glib,$(SUBJECTS))
endif
SUBJECTS_tsan-gcc   := $(filter-out glib,$(SUBJECTS))
SUBJECTS_tsan-clang := $(filter-out glib,$(SUBJECTS))
subjects_of = $(if $(filter tsan-%,$(1)),$(SUBJECTS_$(1)),$(SUBJECTS))

BROKEN := $(basename $(notdir $(filter-out %/tiny.c,$(wildcard bench/subjects/broken/*.c))))

# $(1) flavour, $(2) subject
define subject_rule
build/$(1)/subjects/$(2).so: build/$(1)/bench/subjects/$(2).o build/$(1)/bench/kernels.o \
                             $(if $(filter weir,$(2)),build/$(1)/libweir.a)
	@mkdir -p $$(@D)
	$$(Q)$$(call ld,$(1)) -shared -Wl,-Bsymbolic -o $$@ $$^ $$(if $$(filter glib,$(2)),$$(GLIB_LIBS))
endef

# $(1) flavour, $(2) broken subject
define broken_rule
build/$(1)/subjects/broken/$(2).so: build/$(1)/bench/subjects/broken/$(2).o \
                                    build/$(1)/bench/subjects/broken/tiny.o
	@mkdir -p $$(@D)
	$$(Q)$$(call ld,$(1)) -shared -o $$@ $$^
endef

$(foreach f,$(SUBJECT_FLAVOURS),\
  $(foreach s,$(call subjects_of,$(f)),$(eval $(call subject_rule,$(f),$(s))))\
  $(foreach s,$(BROKEN),$(eval $(call broken_rule,$(f),$(s))))\
  $(eval SUBJECTS_SO_$(f) := $(patsubst %,build/$(f)/subjects/%.so,$(call subjects_of,$(f)))))
# The plug-ins of a flavour: $(SUBJECTS_SO_release) and so on.

subjects: $(SUBJECTS_SO_release) ## the pools under test, as plug-ins
all: subjects
.PHONY: subjects

# ---- Unit tests -----------------------------------------------------------------------------

CELL_TEST_OBJ := $(patsubst %.c,build/debug/%.o,$(CELL_TEST))
CELL_TESTS    := $(patsubst bench/%_test.c,build/debug/tests/bench/%_test,$(CELL_TEST))

$(CELL_TESTS): build/debug/tests/bench/%_test: build/debug/bench/%_test.o \
               build/debug/bench/subjects/broken/tiny.o build/debug/libbenchcell.a
	@mkdir -p $(@D)
	$(Q)$(call ld,debug) -o $@ $(filter %.o,$^) build/debug/libbenchcell.a $(CELL_LIBS) -lcmocka

TESTS += $(CELL_TESTS)
TEST_NEEDS += $(patsubst %,build/debug/subjects/broken/%.so,$(BROKEN)) \
              $(patsubst %,build/debug/subjects/%.so,$(filter thread glib,$(SUBJECTS)))
