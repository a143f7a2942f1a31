# libweir: static and shared library, unit tests beside the sources.

LIB_SRC  := $(filter-out %_test.c,$(wildcard lib/src/*.c lib/src/platform/*.c))
LIB_TEST := $(wildcard lib/src/*_test.c lib/src/platform/*_test.c)

WEIR_VERSION := 0.1.0
WEIR_SONAME  := libweir.so.0

define lib_rules
build/$(1)/libweir.a: $$(call objects,$(1),$$(LIB_SRC))
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
endef
$(foreach f,$(FLAVOURS) $(LIB_FLAVOURS),$(eval $(call lib_rules,$(f))))

build/release/$(WEIR_SONAME): $(call objects,release,$(LIB_SRC)) lib/weir.map
	$(Q)$(call ld,release) -shared -Wl,-soname,$(WEIR_SONAME) -Wl,--version-script,lib/weir.map \
	  -Wl,-z,defs -o $@ $(filter %.o,$^)

lib: build/release/libweir.a build/release/$(WEIR_SONAME) ## the library alone: needs a compiler and make, nothing else
all: lib
.PHONY: lib

# Unit tests link the debug library with malloc, pthread_create and eventfd wrapped, so that a test
# can make the n-th call fail.
LIB_WRAP := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=free,--wrap=pthread_create,--wrap=eventfd,--wrap=timerfd_create,--wrap=getrandom

LIB_TEST_PROGRAMS := $(patsubst lib/src/%_test.c,build/debug/tests/lib/%_test,$(LIB_TEST))

# The archiver does not know the compilers' own formats: there the objects themselves are linked.
lib_code = $(if $(filter %-lto,$(1)),$(call objects,$(1),$(LIB_SRC)),build/$(1)/libweir.a)
EXTRA_lib_src_test_fault := -fno-lto

define lib_test_rules
$(patsubst lib/src/%_test.c,build/$(1)/tests/lib/%_test,$(LIB_TEST)): build/$(1)/tests/lib/%_test: \
  build/$(1)/lib/src/%_test.o $$(call objects,$(1),$(wildcard lib/src/test/*.c)) $$(call lib_code,$(1))
	@mkdir -p $$(@D)
	$$(Q)$$(call ld,$(1)) $$(LIB_WRAP) -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) \
	  $(if $(filter aarch64 musl,$(1)),,-lcmocka)
endef
LIB_TEST_FLAVOURS := debug tsan-gcc tsan-clang asan $(LIB_FLAVOURS)
$(foreach f,$(LIB_TEST_FLAVOURS),$(eval $(call lib_test_rules,$(f))))

TESTS += $(LIB_TEST_PROGRAMS) scripts/check-headers scripts/check-probes scripts/check-parity

# The examples check what they have done, and are run by the tests.
LIB_EXAMPLES := $(patsubst lib/examples/%.c,build/debug/examples/%,$(wildcard lib/examples/*.c))

build/debug/examples/%: build/debug/lib/examples/%.o build/debug/libweir.a
	@mkdir -p $(@D)
	$(Q)$(call ld,debug) -o $@ $^

TESTS += scripts/test-examples
TEST_NEEDS += $(LIB_EXAMPLES)
.SECONDARY: $(patsubst build/debug/examples/%,build/debug/lib/examples/%.o,$(LIB_EXAMPLES))

include lib/checks.mk
include lib/install.mk
