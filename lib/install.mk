# make install, make uninstall: headers, both libraries, weir.pc, man pages, examples. PREFIX is
# where it will be used, DESTDIR is put before it while a package is built.

INSTALL    ?= install
INCLUDEDIR ?= $(PREFIX)/include
LIBDIR     ?= $(PREFIX)/lib
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/weir
PKGDIR     ?= $(LIBDIR)/pkgconfig

# $(call below_prefix,folder): as weir.pc says it, so that another prefix moves it along
below_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))

build/release/weir.pc: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$(call below_prefix,$(INCLUDEDIR))' \
	  'libdir=$(call below_prefix,$(LIBDIR))' '' 'Name: weir' \
	  'Description: thread pool' 'Version: $(WEIR_VERSION)' \
	  'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lweir' 'Libs.private: -pthread' > $@

WEIR_REAL     := libweir.so.$(WEIR_VERSION)
MAN_PAGES     := $(wildcard lib/man/*.3 lib/man/*.7)
EXAMPLE_FILES := $(wildcard lib/examples/*)
# "page name" for each function: its page is found under its name too.
man_links = scripts/man-names | while read -r page name; do \
  [ "$$page" = "$$name.3" ] || $(1); done

install: lib build/release/weir.pc ## install the library under PREFIX=/usr/local (DESTDIR= for packages)
	$(INSTALL) -d $(addprefix '$(DESTDIR)',$(INCLUDEDIR)/weir $(LIBDIR) $(PKGDIR) \
	  $(MANDIR)/man3 $(MANDIR)/man7 $(DOCDIR)/examples)
	$(INSTALL) -m 644 lib/include/weir.h '$(DESTDIR)$(INCLUDEDIR)'
	$(INSTALL) -m 644 lib/include/weir/*.h '$(DESTDIR)$(INCLUDEDIR)/weir'
	$(INSTALL) -m 644 build/release/libweir.a '$(DESTDIR)$(LIBDIR)'
	$(INSTALL) -m 755 build/release/$(WEIR_SONAME) '$(DESTDIR)$(LIBDIR)/$(WEIR_REAL)'
	ln -sf $(WEIR_REAL) '$(DESTDIR)$(LIBDIR)/$(WEIR_SONAME)'
	ln -sf $(WEIR_SONAME) '$(DESTDIR)$(LIBDIR)/libweir.so'
	$(INSTALL) -m 644 build/release/weir.pc '$(DESTDIR)$(PKGDIR)'
	$(INSTALL) -m 644 $(filter %.3,$(MAN_PAGES)) '$(DESTDIR)$(MANDIR)/man3'
	$(INSTALL) -m 644 $(filter %.7,$(MAN_PAGES)) '$(DESTDIR)$(MANDIR)/man7'
	@$(call man_links,ln -sf "$$page" '$(DESTDIR)$(MANDIR)/man3/'"$$name.3")
	$(if $(EXAMPLE_FILES),$(INSTALL) -m 644 $(EXAMPLE_FILES) '$(DESTDIR)$(DOCDIR)/examples')
.PHONY: install

# Names each file: a folder may hold what is not ours.
uninstall: ## remove what install put under PREFIX and DESTDIR
	rm -f '$(DESTDIR)$(INCLUDEDIR)/weir.h' $(foreach f,$(wildcard lib/include/weir/*.h),\
	  '$(DESTDIR)$(INCLUDEDIR)/weir/$(notdir $(f))')
	rm -f $(foreach f,libweir.a libweir.so $(WEIR_SONAME) $(WEIR_REAL),'$(DESTDIR)$(LIBDIR)/$(f)') \
	  '$(DESTDIR)$(PKGDIR)/weir.pc'
	rm -f $(foreach f,$(MAN_PAGES),'$(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(f)))/$(notdir $(f))')
	@$(call man_links,rm -f '$(DESTDIR)$(MANDIR)/man3/'"$$name.3")
	rm -f $(foreach f,$(EXAMPLE_FILES),'$(DESTDIR)$(DOCDIR)/examples/$(notdir $(f))')
	-rmdir '$(DESTDIR)$(INCLUDEDIR)/weir' '$(DESTDIR)$(DOCDIR)/examples' '$(DESTDIR)$(DOCDIR)' \
	  2>/dev/null || true
.PHONY: uninstall
