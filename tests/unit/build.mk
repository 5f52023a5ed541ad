# Host tests: mm/ and kernel/lib/ as they are, under AddressSanitizer and UBSan.
# Included by tests/build.mk, and stands alone: make -f tests/unit/build.mk unit

UNIT_CC     ?= gcc
UNIT_OUT    := build/unit-$(notdir $(UNIT_CC))
FUZZ_OUT    := build/unit-clang
UNIT_DEFS   := -DCALF_HOST -DCONFIG_DEBUG -D_GNU_SOURCE
UNIT_SAN    ?= -fsanitize=address,undefined -fno-sanitize-recover=undefined
UNIT_CFLAGS := -std=gnu11 -O1 -g -I. -Itests/unit/include $(UNIT_DEFS) $(UNIT_SAN) \
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla \
	-Wpointer-arith -Wwrite-strings -fno-strict-aliasing -fno-omit-frame-pointer \
	-fno-common -fno-builtin -pthread $(if $(filter $(FUZZ_OUT),$(UNIT_OUT)),-fsanitize=fuzzer-no-link)

# string.c and format.c define what the C library defines too: under names of their own.
UNIT_RENAMED := kernel/lib/string.c kernel/lib/format.c tests/unit/test_string.c tests/unit/test_format.c
UNIT_RENAME  := -include tests/unit/include/rename.h

UNIT_SRC  := $(filter-out $(UNIT_RENAMED),$(wildcard kernel/lib/*.c mm/*.c)) \
	arch/x86_64/pcid.c boot/multiboot2.c kernel/cmdline.c kernel/fs/cpio.c kernel/dev/ldisc.c kernel/elf.c \
	kernel/lib/string.c kernel/lib/format.c \
	$(wildcard tests/unit/host/*.c tests/unit/sim/*.c tests/unit/model/*.c)
UNIT_OBJ  := $(UNIT_SRC:%.c=$(UNIT_OUT)/%.o)
UNIT_TEST := $(patsubst tests/unit/%.c,$(UNIT_OUT)/%,$(wildcard tests/unit/test_*.c))

.PHONY: unit unit-build
unit-build: $(UNIT_TEST)

# One binary a subject; the last line says how many checks passed and failed.
unit: unit-build tsan-build
	@tests/unit/run $(UNIT_TEST) $(TSAN_TEST)

TSAN_OUT := build/unit-tsan-$(notdir $(UNIT_CC))
# The tests with threads once more, under ThreadSanitizer.
TSAN_TEST := $(TSAN_OUT)/test_pcid $(TSAN_OUT)/test_threads $(TSAN_OUT)/test_trees
tsan-build:
	@$(MAKE) --no-print-directory -f tests/unit/build.mk UNIT_OUT=$(TSAN_OUT) \
		UNIT_SAN=-fsanitize=thread $(TSAN_TEST)
.PHONY: tsan-build

# The benchmark of two CPUs wants what it measures as it is.
PLAIN_OUT := build/unit-plain-$(notdir $(UNIT_CC))
plain-build:
	@$(MAKE) --no-print-directory -f tests/unit/build.mk UNIT_OUT=$(PLAIN_OUT) UNIT_SAN=-O2 \
		UNIT_DEFS="-DCALF_HOST -D_GNU_SOURCE" \
		$(PLAIN_OUT)/test_scale
.PHONY: plain-build

# Written anew where a source came or went.
$(UNIT_OUT)/sources: FORCE_UNIT
	@mkdir -p $(@D)
	@echo '$(UNIT_SRC)' | cmp -s - $@ || echo '$(UNIT_SRC)' >$@
.PHONY: FORCE_UNIT

$(UNIT_OUT)/lib.a: $(UNIT_OBJ) $(UNIT_OUT)/sources
	@rm -f $@
	@ar rcs $@ $(UNIT_OBJ)

$(UNIT_OUT)/test_%: $(UNIT_OUT)/tests/unit/test_%.o $(UNIT_OUT)/lib.a
	@$(UNIT_CC) $(UNIT_SAN) -pthread -o $@ $^

$(UNIT_OUT)/%.o: %.c tests/unit/build.mk
	@mkdir -p $(@D)
	@echo "  UNITCC $<"
	@$(UNIT_CC) $(UNIT_CFLAGS) $(if $(filter $<,$(UNIT_RENAMED)),$(UNIT_RENAME)) -MMD -MP -c -o $@ $<

# Fuzz targets want clang's libFuzzer; each runs for FUZZ_SECONDS, from what it found interesting
# before (build/unit-clang/corpus) and the seeds in tests/unit/corpus.
FUZZ_SECONDS ?= 60
UNIT_FUZZ := $(patsubst tests/unit/%.c,$(FUZZ_OUT)/%,$(wildcard tests/unit/fuzz_*.c))
ifeq ($(UNIT_OUT),$(FUZZ_OUT))
$(FUZZ_OUT)/fuzz_%: $(FUZZ_OUT)/tests/unit/fuzz_%.o $(FUZZ_OUT)/lib.a
	@$(UNIT_CC) $(UNIT_SAN) -fsanitize=fuzzer -pthread -o $@ $^
fuzz-build: $(UNIT_FUZZ)
else
fuzz-build:
	@$(MAKE) --no-print-directory -f tests/unit/build.mk UNIT_CC=clang fuzz-build
endif
fuzz: fuzz-build
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/unit/run $(UNIT_FUZZ)
.PHONY: fuzz fuzz-build

.SECONDARY: $(UNIT_OBJ) $(UNIT_TEST:$(UNIT_OUT)/%=$(UNIT_OUT)/tests/unit/%.o) \
	$(UNIT_FUZZ:$(FUZZ_OUT)/%=$(FUZZ_OUT)/tests/unit/%.o)
-include $(shell find $(UNIT_OUT) -name '*.d' 2>/dev/null)
