# The tests: host tests in tests/unit, what clang must refuse in tests/locks, a model in tests/model, QEMU tests in tests/boot and tests/real. Included by the Makefile.
BUILD ?= build
MUSL_CC ?= musl-gcc
GLIBC_CC ?= gcc
PYTEST ?= /usr/bin/python3 -m pytest
# Cases at a time. One more than two cores have: many a guest sleeps for a while.
JOBS ?= 3

include tests/unit/build.mk
include tests/bench/build.mk
include tests/real/build.mk

# --- tests/boot ---------------------------------------------------------------------------------

PROG_DIR := $(BUILD)/tests/progs
PROG_HEADERS := $(wildcard tests/boot/progs/*.h)
PROG_SOURCES := $(wildcard tests/boot/progs/*.c)
PROGS := $(PROG_SOURCES:tests/boot/progs/%.c=$(PROG_DIR)/%)
PROG_CFLAGS := -std=gnu11 -O2 -static -Wall -Wextra -Werror -Wno-array-bounds -Wno-stringop-overread \
	-Wno-unused-parameter -Wno-clobbered \
	-Wno-unused-function -Wno-override-init -fno-stack-protector \
	-fno-toplevel-reorder -Itests/boot/progs

$(PROG_DIR)/%: tests/boot/progs/%.c $(PROG_HEADERS)
	@mkdir -p $(@D)
	$(MUSL_CC) $(PROG_CFLAGS) -o $@ $<

# Position-independent and static: the loader must relocate it.
$(PROG_DIR)/exec-pie: tests/boot/progs/exec.c $(PROG_HEADERS)
	@mkdir -p $(@D)
	$(MUSL_CC) $(PROG_CFLAGS) -static-pie -fPIE -o $@ $<

# The same tests of threads by another C library, which makes other calls of the kernel.
GLIBC_PROGS := $(patsubst tests/boot/progs/%.c,$(PROG_DIR)/%_glibc,$(wildcard tests/boot/progs/thread*.c))
$(PROG_DIR)/%_glibc: tests/boot/progs/%.c $(PROG_HEADERS)
	@mkdir -p $(@D)
	$(GLIBC_CC) $(PROG_CFLAGS) -pthread -o $@ $<

# Debian's kernel, the oracle of the tests: out of its package, not installed.
LINUX := build/tests/linux/vmlinuz
$(LINUX):
	@mkdir -p $(@D)
	cd $(@D) && rm -rf *.deb boot lib && \
	apt-get -q -o APT::Sandbox::User=root download "$$(apt-cache depends linux-image-cloud-amd64 | \
		sed -n 's/.*Depends: \(linux-image-[^ ]*cloud-amd64\).*/\1/p' | head -n 1)" && \
	dpkg -x linux-image-*.deb . && cp boot/vmlinuz-* vmlinuz && rm -rf *.deb boot lib usr

.PHONY: boot-progs
boot-progs: $(PROGS) $(PROG_DIR)/exec-pie $(GLIBC_PROGS) $(LINUX)

# --- all together -------------------------------------------------------------------------------

# tests/bench: each budget of tests/bench/budgets.csv is a case, too.
BENCH_CASES ?= tests/bench

# The unit binaries and each test on each machine are pytest cases, so its last line counts all.
PYTEST_RUN = LOCKS_CC=$(LOCKS_CC) CALF_BUILD=$(BUILD) CALF_UNIT=$(UNIT_OUT) CALF_TSAN=$(TSAN_OUT) $(PYTEST) -c tests/boot/pytest.ini \
	-n $(JOBS) $(if $(K),-k '$(K)') $(PYTESTFLAGS) tests/boot tests/unit tests/locks tests/model tests/real \
	$(BENCH_CASES)

# The builds take what make was given, and $(JOBS) where it was given nothing.
PARALLEL = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(JOBS))

.PHONY: test test-all test-build
test-build: all check-locks debug-build unit-build tsan-build fuzz-build boot-progs real-roots $(BENCH_OUT)/micro

# Some machines boot the kernel that checks itself.
.PHONY: debug-build
debug-build:
	@$(MAKE) --no-print-directory DEBUG=1 BUILD=build/debug build/debug/calf

test:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s $(PARALLEL) test-build
	@$(PYTEST_RUN)

test-all:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s $(PARALLEL) test-build REAL_APPS="$(notdir $(wildcard user/apps/*))"
	@CALF_MATRIX=full $(PYTEST_RUN)

# Random system calls for an hour; SOAKFLAGS goes to tests/boot/soak.py.
SOAKFLAGS ?=
.PHONY: soak
soak:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -s $(PARALLEL) all debug-build boot-progs
	@CALF_BUILD=$(BUILD) $(PYTHON) tests/boot/soak.py $(SOAKFLAGS)
