# Checks of the library beyond `make test`: sanitizers, valgrind, coverage, other compilers,
# another machine, another C library. Each runs the unit tests; UNIT="token group" picks some.

UNIT ?= $(patsubst lib/src/%_test.c,%,$(LIB_TEST))
# $(call unit_programs,flavours)
unit_programs = $(foreach f,$(1),$(UNIT:%=build/$(f)/tests/lib/%_test))
# The two lines of a recipe that builds the unit tests of some flavours and runs them in one go.
define unit_run
+@$(MAKE) --no-print-directory $(call unit_programs,$(1))
@UNIT_SUMMARY=build/$@.summary scripts/unit $(call unit_programs,$(1))
endef

# $(call installed,TOOL,WORDS): the words where the tool is there
installed = $(if $(shell command -v $(1)),$(2))

unit-%:
	$(call unit_run,$*)

tsan-unit: deps-core-dev ## unit tests under the ThreadSanitizers of gcc and clang
	$(call unit_run,tsan-gcc $(call installed,$(CLANG),tsan-clang))
.PHONY: tsan-unit

asan-unit: deps-core ## unit tests under AddressSanitizer, UBSan and LeakSanitizer
	$(call unit_run,asan)
.PHONY: asan-unit

export UNIT_SLOW

VALGRIND := valgrind -q --fair-sched=yes --leak-check=full --show-leak-kinds=all \
  --errors-for-leak-kinds=definite,indirect,possible --error-exitcode=99

valgrind: deps-core-dev ## unit tests under valgrind's memcheck
	+@scripts/with valgrind=valgrind -- $(MAKE) --no-print-directory unit-debug \
	  UNIT_RUNNER='$(VALGRIND)' UNIT_SLOW=10 UNIT_LIMIT_S=600
.PHONY: valgrind

coverage: deps-core-dev ## lines and branches of lib/src that its unit tests reach; fails under 95 % and 85 %
	@find build/coverage -name '*.gcda' -delete 2>/dev/null; true
	$(call unit_run,coverage)
	@scripts/coverage
.PHONY: coverage

matrix: deps-core-dev-cross ## unit tests with gcc and clang, -O0 to -O3 and LTO (MATRIX="gcc-O3 clang-lto" picks)
	$(call unit_run,$(filter-out $(if $(call installed,$(CLANG),yes),,clang-%),$(MATRIX)))
.PHONY: matrix

# Where Debian's cross compiler keeps the C library of the other machine.
QEMU_AARCH64 := qemu-aarch64 -L /usr/aarch64-linux-gnu

aarch64: deps-core-cross ## cross-build for aarch64, its unit tests under qemu-user
	+@scripts/with aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu qemu-aarch64=qemu-user -- \
	  $(MAKE) --no-print-directory unit-aarch64 UNIT_RUNNER='$(QEMU_AARCH64)' UNIT_SLOW=4
.PHONY: aarch64

musl: deps-core-cross ## build with musl: headers, examples, unit tests
	+@scripts/with musl-gcc=musl-tools -- $(MAKE) --no-print-directory unit-musl
	+@scripts/with musl-gcc=musl-tools -- scripts/test-musl
.PHONY: musl

TESTS += scripts/check-man scripts/test-install
TEST_NEEDS += lib
