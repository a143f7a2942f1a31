# Flavours of the library and its unit tests alone: nothing of bench/ or stress/ is built in them.
#
# coverage          for make coverage
# gcc-O0 ... clang-lto   the matrix of compilers and optimisation
# aarch64, musl     another machine, another C library; with the plain cmocka.h. Not static: there
#                   fault.c would count what the C library itself allocates

MATRIX := gcc-O0 gcc-O1 gcc-O2 gcc-O3 gcc-lto clang-O0 clang-O1 clang-O2 clang-O3 clang-lto
LIB_FLAVOURS := coverage aarch64 musl $(MATRIX)

# Without assertions, whose failing side no test may reach. Counters that threads share are exact,
# and children that leave by _exit write theirs (test/fault.c).
CC_coverage      := gcc
CFLAGS_coverage  := -O0 -DNDEBUG -DWEIR_COVERAGE --coverage -fprofile-update=atomic
LDFLAGS_coverage := --coverage -Wl,--wrap=_exit

define matrix_flavour
CC_$(1)     := $(if $(filter clang-%,$(1)),$(CLANG),gcc)
CFLAGS_$(1) := -$(lastword $(subst -, ,$(1))) -Werror
endef
$(foreach f,$(MATRIX),$(eval $(call matrix_flavour,$(f))))

# As released, with the linker optimising across files.
CFLAGS_gcc-lto    := -O2 -DNDEBUG -Werror -flto=auto
CFLAGS_clang-lto  := -O2 -DNDEBUG -Werror -flto=$(if $(shell command -v ld.lld),thin,full)
LDFLAGS_clang-lto := $(if $(shell command -v ld.lld),-fuse-ld=lld)

CC_aarch64     := aarch64-linux-gnu-gcc
CFLAGS_aarch64 := -O2 -Werror -Ilib/src/test/plain

# The kernel's headers, which musl-gcc does not look for, without those of the C library beside them.
MUSL_KERNEL  := build/musl/kernel
CC_musl      := musl-gcc
CFLAGS_musl  := -O2 -Werror -Ilib/src/test/plain -idirafter $(MUSL_KERNEL)

build/musl/flags: $(MUSL_KERNEL)/linux
$(MUSL_KERNEL)/linux:
	@mkdir -p $(@D)
	@ln -sfn /usr/include/$(shell gcc -print-multiarch)/asm $(@D)/asm
	@ln -sfn /usr/include/asm-generic $(@D)/asm-generic
	@ln -sfn /usr/include/linux $@
