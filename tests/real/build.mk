# Root file systems out of Debian's packages: `make rootfs PACKAGES="..."`, and those that tests/real boots.
WITHOUT ?=
PACKAGES ?= bash coreutils grep sed gawk mawk tar gzip findutils diffutils procps
ROOTFS ?= build/rootfs.cpio

REAL_DIR := build/tests/real
REAL_tools := bash dash coreutils grep sed gawk mawk tar gzip findutils diffutils procps util-linux bsdutils bsdextrautils mount libc-bin expect less vim-tiny
REAL_WITHOUT_tools := usr/lib/*/gconv usr/lib/*/perl usr/share/perl usr/bin/perl* usr/lib/*/libperl* usr/lib/*/libdb*
REAL_languages := python3 perl-base sqlite3 tcc libc6-dev dash coreutils sed
REAL_WITHOUT_languages := usr/lib/*/gconv usr/lib/*.a usr/lib/*/libcrypto* usr/lib/*/libdb* usr/include/linux/*/*
REAL_servers := bash coreutils sed net-tools redis-server redis-tools
REAL_WITHOUT_servers := usr/lib/*/gconv usr/lib/*/perl* usr/share/perl* usr/bin/perl* usr/lib/*/libperl* usr/lib/*/libdb*
REAL_stress := stress-ng dash coreutils sed net-tools
# Mesa comes with stress-ng, whose stressor of graphics nobody runs here.
REAL_WITHOUT_stress := usr/lib/*/gconv usr/lib/*/dri usr/lib/*/libLLVM* usr/lib/*/libX* usr/lib/*/libxcb* usr/lib/*/libEGL_mesa* usr/lib/*/libglapi* usr/lib/*/perl* usr/share usr/bin/perl* \
	usr/lib/*/libperl* usr/lib/*/libdb* usr/bin/dpkg* usr/bin/tar
REAL_database := bash coreutils sed grep util-linux net-tools postgresql-15
REAL_WITHOUT_database := usr/lib/*/gconv usr/share/i18n usr/lib/*/perl* usr/share/perl* usr/bin/perl* usr/lib/*/libperl* \
	usr/lib/*/libLLVM* usr/lib/*/libz3* usr/lib/postgresql/15/lib/bitcode usr/lib/postgresql/15/lib/llvmjit*
REAL_web := bash coreutils sed grep gawk procps net-tools nginx apache2-utils
REAL_WITHOUT_web := usr/lib/*/gconv usr/lib/*/perl* usr/share/perl* usr/bin/perl* usr/lib/*/libperl*
REAL_load := bash coreutils sed grep rt-tests sysbench memtester
REAL_WITHOUT_load := usr/lib/*/gconv usr/lib/*/perl* usr/share/perl* usr/bin/perl* usr/lib/*/libperl* usr/lib/*/libdb* usr/lib/python3* usr/bin/python3* usr/share/mysql
REAL_python := python3 libpython3.11-testsuite netbase dash coreutils sed net-tools
REAL_WITHOUT_python := usr/lib/*/gconv usr/lib/*/perl* usr/share/perl* usr/bin/perl* usr/lib/*/libperl* usr/lib/*/libdb* \
	usr/lib/python3.11/lib2to3 usr/lib/python3.11/test/[a-rt-z]*data usr/lib/python3.11/test/sndhdrdata usr/lib/python3.11/test/cjkencodings \
	usr/lib/python3.11/test/test_asyncio usr/lib/python3.11/test/test_importlib usr/lib/python3.11/test/test_tools
# Of `make run APP=name`.
REAL_APPS ?= sqlite
REAL_ROOTS = $(patsubst %,$(REAL_DIR)/%.cpio,tools languages servers stress database web load python) $(REAL_APPS:%=build/apps/%.cpio)

$(REAL_DIR)/%.cpio: tests/real/rootfs.sh tests/real/build.mk build/user/init
	@mkdir -p $(@D)
	@echo "  ROOTFS  $@"
	@WITHOUT="$(REAL_WITHOUT_$*)" tests/real/rootfs.sh $@ build/user/init $(REAL_$*)

# What `make run APP=name` boots: user/apps/name says which packages it wants, and becomes /app.
app_line = $$(sed -n 's/^\# $(1): //p' $<)
build/apps/%.cpio: user/apps/% tests/real/rootfs.sh build/user/init
	@mkdir -p $(@D)
	@echo "  ROOTFS  $@"
	@APP=$< WITHOUT="$(call app_line,without)" tests/real/rootfs.sh $@ build/user/init $(call app_line,packages)

.PHONY: rootfs real-roots
rootfs: build/user/init
	@WITHOUT="$(WITHOUT)" tests/real/rootfs.sh $(ROOTFS) build/user/init $(PACKAGES)
	@echo "$(ROOTFS) is made; make run INITRD=$(ROOTFS) boots it"
real-roots: $(REAL_ROOTS) $(LINUX)
