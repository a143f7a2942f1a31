# Subjects that are programs: pools of Python, Java, Go and Rust. Python's runs from the tree; the others
# are compiled when there is a compiler, and left out without one. What cannot be compiled is left
# out as well, with a line, unless WERROR is set: a strange tool chain must not keep the rest away.

PROGRAMS     :=
PROGRAMS_OUT := build/release/subjects
# $(call program,name,command): runs the command, quietly when it succeeds.
program = @echo "  $(1)"; mkdir -p $(@D); \
  ( $(2) ) >$@.log 2>&1 || { rm -f $@; tail -n 20 $@.log; echo "$(1) is left out: see $@.log"; $(if $(WERROR),exit 1,true); }

# ---- Java -----------------------------------------------------------------------------------

JAVAC      ?= javac
JAVA_SRC   := $(wildcard bench/subjects/java/*.java)
# One stamp for all classes: the compiler writes more files than it is given.
JAVA_STAMP := $(PROGRAMS_OUT)/java/compiled

$(JAVA_STAMP): $(JAVA_SRC)
	$(call program,$(JAVAC) $@,$(JAVAC) --release 17 -Xlint:all -Werror -d $(@D) $(JAVA_SRC) && touch $@)

PROGRAMS += $(if $(shell command -v $(JAVAC)),$(JAVA_STAMP))

# ---- Go -------------------------------------------------------------------------------------

GO      ?= go
GO_SRC  := $(wildcard bench/subjects/go/*.go) bench/subjects/go/go.mod
GO_POOL := $(PROGRAMS_OUT)/go/pool

$(GO_POOL): $(GO_SRC)
	$(call program,$(GO) $@,cd bench/subjects/go && GOTOOLCHAIN=local GOFLAGS=-mod=mod CGO_ENABLED=0 \
	  $(GO) build -trimpath -o $(CURDIR)/$@ .)

PROGRAMS += $(if $(shell command -v $(GO)),$(GO_POOL))

# ---- Rust -----------------------------------------------------------------------------------
#
# Crates come from Debian's own packages, which lie as sources under CRATES; nothing is fetched. A lock
# file of another version of cargo would stand in the way.

CARGO      ?= cargo
CRATES     ?= /usr/share/cargo/registry
CARGO_FROM := --offline --config 'source.crates-io.replace-with="debian"' \
  --config 'source.debian.directory="$(CRATES)"'
RUST_CELL  := $(shell find bench/subjects/rust/cell -name '*.rs') bench/subjects/rust/cell/Cargo.toml

# $(1) crate: its version is that of the newest source
define rust_rule
RUST_VERSION_$(1) := $$(patsubst $(CRATES)/$(1)-%,%,$$(lastword $$(wildcard $(CRATES)/$(1)-1.*)))
$(PROGRAMS_OUT)/rust/$(1): bench/subjects/rust/$(1)/src/main.rs bench/subjects/rust/$(1)/Cargo.toml $(RUST_CELL)
	$$(call program,$(CARGO) $$@,cd bench/subjects/rust/$(1) && rm -f Cargo.lock && CRATE_VERSION=$$(RUST_VERSION_$(1)) \
	  $(CARGO) build --release $(CARGO_FROM) --target-dir $(CURDIR)/build/release/rust && \
	  cp $(CURDIR)/build/release/rust/release/subject-$(1) $(CURDIR)/$$@)
PROGRAMS += $$(if $$(RUST_VERSION_$(1)),$$(if $$(shell command -v $(CARGO)),$(PROGRAMS_OUT)/rust/$(1)))
endef
$(foreach c,rayon tokio threadpool,$(eval $(call rust_rule,$(c))))

programs: $(PROGRAMS) ## the subjects that are programs
all: programs
TEST_NEEDS += $(PROGRAMS) build/release/weir-bench
.PHONY: programs

ifneq ($(shell command -v $(PYTHON)),)
TESTS += bench/subjects/test_programs.py bench/subjects/test_field.py scripts/test_scripts.py scripts/test_ranking.py scripts/test_agree.py scripts/test_pack.py scripts/test_standing.py
endif
