# Subjects that are programs: the executors of Python and of Java. Python's runs from the tree;
# Java's is compiled when there is a compiler, and left out without one.

JAVAC      ?= javac
JAVA_SRC   := $(wildcard bench/subjects/java/*.java)
JAVA_OUT   := build/release/subjects/java
# One stamp for all classes: the compiler writes more files than it is given.
JAVA_STAMP := $(JAVA_OUT)/compiled

$(JAVA_STAMP): $(JAVA_SRC)
	@mkdir -p $(@D)
	$(Q)$(JAVAC) --release 17 -Xlint:all -Werror -d $(JAVA_OUT) $(JAVA_SRC) && touch $@

ifneq ($(shell command -v $(JAVAC)),)
programs: $(JAVA_STAMP) ## the subjects that are programs (Java's needs default-jdk-headless)
all: $(JAVA_STAMP)
TEST_NEEDS += $(JAVA_STAMP)
else
programs:
	@echo "Java's executor is left out: no javac (Debian package default-jdk-headless)"
endif
.PHONY: programs

ifneq ($(shell command -v $(PYTHON)),)
TESTS += bench/subjects/test_programs.py scripts/test_scripts.py
endif
