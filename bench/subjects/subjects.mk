# The pools under test, as plug-ins: bench/subjects/<name>.c or <name>.cc makes <name>.so. A pool
# whose package is missing is left out here, and weir-bench list names the package.

CXX ?= g++
ifeq ($(origin CXX),default)
CXX := g++
endif
CLANGXX ?= clang++

CXX_release    := $(CXX)
CXX_debug      := $(CXX)
CXX_stress     := $(CXX)
CXX_tsan-gcc   := g++
CXX_tsan-clang := $(CLANGXX)
CXX_asan       := $(CXX)

# $(call cxx,flavour): the C++ compiler with everything but -c and -o.
cxx = $(CXX_$(1)) $(subst -std=c11,-std=c++17,$(COMMON)) $(CFLAGS_$(1)) $(CFLAGS)

# ---- Who is here ----------------------------------------------------------------------------
#
# SUBJECT_CFLAGS_x, SUBJECT_LIBS_x: of a pool that is not ours; its headers are system headers, their
# warnings are not ours. Probes take a few milliseconds each.

# $(call pkg_cflags,packages), $(call pkg_libs,packages); the latter is empty where one is missing.
pkg_cflags = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(1) 2>/dev/null))
pkg_libs   = $(shell pkg-config --libs $(1) 2>/dev/null)
# $(call has_header,compiler,flags,header): yes or nothing.
has_header = $(shell printf '\043if !__has_include(<$(3)>)\n\043error\n\043endif\n' | \
               $(1) $(2) -x c++ -E - >/dev/null 2>&1 && echo yes)
# $(call has_library,compiler,name): its path when the linker would find it.
has_library = $(findstring /,$(shell $(1) -print-file-name=lib$(2).so 2>/dev/null))

SUBJECT_CFLAGS_glib := $(call pkg_cflags,glib-2.0)
SUBJECT_LIBS_glib   := $(call pkg_libs,glib-2.0)
SUBJECT_CFLAGS_uv   := $(call pkg_cflags,libuv)
SUBJECT_LIBS_uv     := $(call pkg_libs,libuv)
SUBJECT_CFLAGS_apr  := $(call pkg_cflags,apr-util-1 apr-1)
SUBJECT_LIBS_apr    := $(call pkg_libs,apr-util-1 apr-1)

SUBJECTS_HERE := weir thread handmade $(foreach s,glib uv apr,$(if $(SUBJECT_LIBS_$(s)),$(s)))

ifneq ($(shell command -v $(CXX)),)
SUBJECT_CFLAGS_tbb := $(call pkg_cflags,tbb)
SUBJECT_LIBS_tbb   := $(call pkg_libs,tbb)
SUBJECT_CFLAGS_qt  := $(call pkg_cflags,Qt5Concurrent)
SUBJECT_LIBS_qt    := $(call pkg_libs,Qt5Concurrent)
SUBJECT_LIBS_poco  := $(if $(call has_header,$(CXX),,Poco/ThreadPool.h),-lPocoFoundation)
SUBJECT_LIBS_asio  := $(if $(call has_header,$(CXX),,boost/asio/thread_pool.hpp),-pthread)
SUBJECT_LIBS_gomp  := $(if $(call has_library,$(CXX),gomp),-fopenmp)
SUBJECTS_HERE      += $(foreach s,tbb qt poco asio gomp,$(if $(SUBJECT_LIBS_$(s)),$(s)))
endif
ifneq ($(shell command -v $(CLANGXX)),)
SUBJECT_LIBS_libomp := $(if $(call has_header,$(CLANGXX),-fopenmp,omp.h),-fopenmp)
SUBJECTS_HERE       += $(if $(SUBJECT_LIBS_libomp),libomp)
endif

# Pools whose own code is built for ThreadSanitizer: the others it would accuse without reason.
SUBJECTS_SANITIZED := weir thread handmade

SUBJECT_FLAVOURS := release debug stress tsan-gcc tsan-clang asan
subjects_of = $(if $(filter tsan-%,$(1)),$(filter $(SUBJECTS_SANITIZED),$(SUBJECTS_HERE)),$(SUBJECTS_HERE))

# ---- Rules ----------------------------------------------------------------------------------

SUBJECT_CXX  := tbb qt poco asio gomp libomp
SUBJECT_HELP := bench/kernels.c bench/subjects/shared/pending.c

# What the compiler of a .c or .cc needs beside the flavour's own flags.
$(foreach s,glib uv apr,$(eval EXTRA_bench_subjects_$(s) := $(SUBJECT_CFLAGS_$(s))))

# $(1) flavour
define subject_compile_rules
build/$(1)/bench/subjects/%.o: bench/subjects/%.cc build/$(1)/flags
	@mkdir -p $$(@D)
	$$(Q)$$(call cxx,$(1)) $$(SUBJECT_CFLAGS_$$*) -MMD -MP -c -o $$@ $$<

build/$(1)/bench/subjects/gomp.o: bench/subjects/openmp.cc build/$(1)/flags
	@mkdir -p $$(@D)
	$$(Q)$$(call cxx,$(1)) -fopenmp -MMD -MP -c -o $$@ $$<

build/$(1)/bench/subjects/libomp.o: bench/subjects/openmp.cc build/$(1)/flags
	@mkdir -p $$(@D)
	$$(Q)$$(patsubst $$(CXX_$(1))%,$$(CLANGXX)%,$$(call cxx,$(1))) -fopenmp -MMD -MP -c -o $$@ $$<
endef
$(foreach f,$(SUBJECT_FLAVOURS),$(eval $(call subject_compile_rules,$(f))))

# $(call subject_ld,flavour,subject): C++ needs its own library, libomp that of clang.
subject_ld = $(if $(filter $(2),$(SUBJECT_CXX)),$(patsubst $(CC_$(1))%,$(if \
               $(filter libomp,$(2)),$(CLANGXX),$(CXX_$(1)))%,$(call ld,$(1))),$(call ld,$(1)))

# $(1) flavour, $(2) subject
define subject_rule
build/$(1)/subjects/$(2).so: build/$(1)/bench/subjects/$(2).o $$(call objects,$(1),$$(SUBJECT_HELP)) \
                             $(if $(filter weir,$(2)),build/$(1)/libweir.a)
	@mkdir -p $$(@D)
	$$(Q)$$(call subject_ld,$(1),$(2)) -shared -Wl,-Bsymbolic -o $$@ $$^ $$(SUBJECT_LIBS_$(2))
endef

BROKEN := $(basename $(notdir $(filter-out %/tiny.c,$(wildcard bench/subjects/broken/*.c))))

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

# Every C++ subject that is here, read by the compiler and no more: for make lint.
syntax-subjects: $(patsubst %,syntax-%,$(filter $(SUBJECT_CXX),$(SUBJECTS_HERE)))
syntax-%: FORCE
	@$(call cxx,release) $(SUBJECT_CFLAGS_$*) $(if $(filter %omp,$*),-fopenmp) -fsyntax-only \
	  bench/subjects/$(if $(filter %omp,$*),openmp,$*).cc
.PHONY: syntax-subjects

# ---- Unit tests -----------------------------------------------------------------------------

build/debug/tests/bench/subjects/pending_test: $(call objects,debug,bench/subjects/shared/pending_test.c \
                                               bench/subjects/shared/pending.c)
	@mkdir -p $(@D)
	$(Q)$(call ld,debug) -o $@ $^ -lcmocka

build/debug/tests/bench/subjects/field_test: build/debug/bench/subjects/field_test.o build/debug/bench/plugin.o
	@mkdir -p $(@D)
	$(Q)$(call ld,debug) -rdynamic -o $@ $^ -lcmocka -ldl

TESTS      += build/debug/tests/bench/subjects/pending_test build/debug/tests/bench/subjects/field_test
TEST_NEEDS += subjects
