# Calf: `make help` lists what there is.

CROSS_COMPILE ?= $(if $(shell command -v x86_64-linux-gnu-gcc),x86_64-linux-gnu-)
ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
ifneq ($(findstring clang,$(CC)),)
CC_TARGET := --target=x86_64-linux-gnu
CC_STACK := -mstack-alignment=8
CC_LOCKS := $(shell tests/locks/flags $(CC))
else
CC_STACK := -mpreferred-stack-boundary=3
endif
LD := $(CROSS_COMPILE)ld
OBJCOPY := $(CROSS_COMPILE)objcopy
# What runs on this machine and not on Calf: the host tests and their tools.
HOSTCC ?= gcc
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)

DEBUG ?= 0
BUILD := $(if $(filter 1,$(DEBUG)),build/debug,build)

# --- the kernel ---------------------------------------------------------------------------------

KERNEL_DIRS := boot arch/x86_64 mm kernel kernel/lib kernel/fs kernel/ipc kernel/dev kernel/net
KERNEL_C := $(wildcard $(KERNEL_DIRS:=/*.c))
KERNEL_S := $(wildcard $(KERNEL_DIRS:=/*.S))
KERNEL_OBJS := $(KERNEL_C:%.c=$(BUILD)/%.o) $(KERNEL_S:%.S=$(BUILD)/%.S.o)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla \
	-Wpointer-arith -Wwrite-strings -Wframe-larger-than=1536
KERNEL_CPPFLAGS := -I. -Iarch/x86_64/include -I$(BUILD)/include $(if $(filter 1,$(DEBUG)),-DCONFIG_DEBUG)
KERNEL_CFLAGS := $(CC_TARGET) -std=gnu11 -O2 -g -ffreestanding -fno-pic -mcmodel=kernel \
	-mno-red-zone -mgeneral-regs-only $(CC_STACK) -fno-stack-protector -fno-omit-frame-pointer \
	-fno-strict-aliasing -fno-common -fcf-protection=none -fno-asynchronous-unwind-tables \
	$(WARNINGS) $(CC_LOCKS) $(CFLAGS)
KERNEL_LDFLAGS := -m elf_x86_64 -nostdlib -static --build-id=none -z max-page-size=0x1000 \
	-z noexecstack --fatal-warnings

all: $(BUILD)/calf.elf $(BUILD)/calf compile_commands.json

# Objects depend on the command that made them, so that another compiler or flag rebuilds them.
define COMMAND_
$(CC) $(KERNEL_CPPFLAGS) $(KERNEL_CFLAGS) $(KERNEL_LDFLAGS) $(VDSO_CFLAGS) $(VDSO_LDFLAGS)
endef
$(BUILD)/command: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(COMMAND_))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(COMMAND_))' >$@

# The vDSO: a shared object for user mode, which arch/x86_64/vdso_image.S takes into the kernel.
VDSO_CFLAGS := $(CC_TARGET) -std=gnu11 -O2 -ffreestanding -fPIC -mgeneral-regs-only -fno-stack-protector \
	-fcf-protection=none -fasynchronous-unwind-tables $(WARNINGS)
VDSO_LDFLAGS := -m elf_x86_64 -shared -nostdlib -soname=linux-vdso.so.1 --hash-style=both --eh-frame-hdr \
	--build-id=none -Bsymbolic -z max-page-size=0x1000 -z noexecstack -z defs -s --fatal-warnings
$(BUILD)/vdso.so: arch/x86_64/vdso/vdso.c arch/x86_64/vdso/vdso.ld $(BUILD)/command
	@echo "  VDSO    $@"
	@$(CC) -I. $(VDSO_CFLAGS) -MMD -MP -MT $@ -MF $(BUILD)/vdso.d -c $< -o $(BUILD)/vdso.o
	@$(LD) $(VDSO_LDFLAGS) -T arch/x86_64/vdso/vdso.ld -o $@ $(BUILD)/vdso.o
$(BUILD)/arch/x86_64/vdso_image.S.o: KERNEL_CPPFLAGS += -DVDSO_SO='"$(BUILD)/vdso.so"'
$(BUILD)/arch/x86_64/vdso_image.S.o: $(BUILD)/vdso.so

# Offsets of C structures, for assembly.
$(BUILD)/include/offsets.h: arch/x86_64/asm/offsets.c $(BUILD)/command
	@mkdir -p $(@D)
	@$(CC) $(KERNEL_CPPFLAGS) $(KERNEL_CFLAGS) -MMD -MP -MT $@ -MF $(BUILD)/include/offsets.d \
		$(if $(findstring clang,$(CC)),-fno-integrated-as) -S $< -o $(BUILD)/include/offsets.s
	@sed -n 's/^[^-]*-> *\([A-Z0-9_]*\) *[$$]*\(.*\)/#define \1 \2/p' $(BUILD)/include/offsets.s >$@
$(KERNEL_S:%.S=$(BUILD)/%.S.o): $(BUILD)/include/offsets.h

$(BUILD)/%.o: %.c $(BUILD)/command
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(KERNEL_CPPFLAGS) $(KERNEL_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/%.S.o: %.S $(BUILD)/command
	@mkdir -p $(@D)
	@echo "  AS      $<"
	@$(CC) $(KERNEL_CPPFLAGS) $(KERNEL_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c $< -o $@

# The linker script sees arch/x86_64/layout.h, so it goes through the preprocessor.
$(BUILD)/linker.ld: linker.ld $(BUILD)/command
	@mkdir -p $(@D)
	@$(CC) $(CC_TARGET) -E -P -x c -I. -D__ASSEMBLY__ -MMD -MP -MT $@ -MF $(BUILD)/linker.d $< -o $@

$(BUILD)/objects: FORCE
	@mkdir -p $(@D)
	@echo '$(KERNEL_OBJS)' | cmp -s - $@ || echo '$(KERNEL_OBJS)' >$@

$(BUILD)/calf.elf: $(KERNEL_OBJS) $(BUILD)/linker.ld $(BUILD)/objects
	@echo "  LD      $@"
	@$(LD) $(KERNEL_LDFLAGS) -T $(BUILD)/linker.ld -o $@ $(KERNEL_OBJS)

# What boots: GRUB would load debug information into memory, but the panic wants the symbols.
$(BUILD)/calf: $(BUILD)/calf.elf
	@$(OBJCOPY) --strip-debug $< $@

-include $(KERNEL_OBJS:.o=.d) $(BUILD)/vdso.d $(BUILD)/linker.d $(BUILD)/include/offsets.d

define COMPILE_COMMAND_
{"directory": "$(CURDIR)", "file": "$(1)", "command": "$(CC) $(KERNEL_CPPFLAGS) $(KERNEL_CFLAGS) -c $(1)"},
endef
compile_commands.json: $(BUILD)/command $(BUILD)/objects
	@{ echo '['; printf '%s\n' $(foreach f,$(KERNEL_C),'$(call COMPILE_COMMAND_,$(f))') | \
		sed '$$s/,$$//'; echo ']'; } >$@

# --- user programs, tests -----------------------------------------------------------------------

INITRD ?= build/initrd.cpio
-include user/build.mk
-include tests/build.mk

# --- boot ---------------------------------------------------------------------------------------

CMDLINE ?=
ISO ?= $(BUILD)/calf.iso
ifdef APP
$(if $(wildcard user/apps/$(APP)),,$(error APP is one of $(notdir $(wildcard user/apps/*))))
override INITRD := build/apps/$(APP).cpio
override CMDLINE += -- /app
endif
SMP ?= 1
MEM ?= 2G
UEFI ?= 0
QEMU ?= qemu-system-x86_64
QEMUFLAGS ?=
OVMF ?= $(firstword $(wildcard /usr/share/ovmf/OVMF.fd /usr/share/OVMF/OVMF_CODE.fd \
	/usr/share/edk2/x64/OVMF.4m.fd /usr/share/edk2-ovmf/x64/OVMF.fd))

iso: $(BUILD)/calf $(INITRD)
	@boot/mkiso.sh "$(ISO)" $(BUILD)/calf "$(INITRD)" '$(subst ','\'',$(CMDLINE))'

# By AHCI: the firmware reads a large initrd off such a drive several times as fast as off an IDE one.
QEMU_CD = -device ahci,id=ahci -device ide-cd,bus=ahci.0,drive=cd -drive if=none,id=cd,media=cdrom,readonly=on,file="$(ISO)"
QEMU_COMMAND = $(QEMU) -cpu max -smp $(SMP) -m $(MEM) $(if $(filter 1,$(UEFI)),-bios $(OVMF)) \
	$(QEMU_CD) -boot d -display none -serial mon:stdio -no-reboot \
	-device isa-debug-exit,iobase=0xf4,iosize=4 $(QEMUFLAGS)

# A triple fault ends QEMU with status 0, as a reboot does: its log tells the two apart.
qemu:
	@mkdir -p $(BUILD); log=$$(mktemp $(BUILD)/qemu.XXXXXX); trap 'rm -f '$$log EXIT; \
	$(QEMU_COMMAND) -d cpu_reset -D $$log || exit $$?; \
	if grep -q '^Triple fault' $$log; then echo "QEMU: triple fault" >&2; exit 3; fi

run:
	@$(MAKE) --no-print-directory deps DEPS=run
	@$(MAKE) --no-print-directory iso
	@echo "Ctrl-A x ends QEMU; 'poweroff -f' ends Calf."
	@$(MAKE) --no-print-directory qemu

debug:
	@$(MAKE) --no-print-directory iso
	@echo "In another terminal: gdb -x arch/x86_64/gdb.py $(BUILD)/calf.elf"
	@$(QEMU_COMMAND) -s -S

# --- set-up, style ------------------------------------------------------------------------------

DEPS ?= all
deps:
	@.ci/deps $(DEPS)

SPARSE ?= sparse
SPARSE_FLAGS := -D__CHECKER__ -D__VERSION__='""' -Wno-decl -Wno-non-pointer-null
sparse:
	@command -v $(SPARSE) >/dev/null || { echo "sparse is missing: make deps"; exit 1; }
	@out=$$(for f in $(KERNEL_C); do $(SPARSE) $(SPARSE_FLAGS) $(KERNEL_CPPFLAGS) \
		-std=gnu11 -ffreestanding -m64 $$f 2>&1; done); \
		if [ -n "$$out" ]; then echo "$$out"; exit 1; fi

# clang's check of which lock guards what: see kernel/lock.h. One that lets a field of a C struct name
# another finds more.
LOCKS_CC ?= $(if $(shell command -v clang-22),clang-22,clang)
LOCKS_CFLAGS = --target=x86_64-linux-gnu -std=gnu11 -ffreestanding -mgeneral-regs-only -DCONFIG_DEBUG \
	-Wall -Werror $(LOCKS_FLAGS)
LOCKS_FLAGS = $(eval LOCKS_FLAGS := $$(shell tests/locks/flags $(LOCKS_CC)))$(LOCKS_FLAGS)
check-locks: $(KERNEL_C:%.c=build/locks/%.checked)
build/locks/%.checked: %.c $(BUILD)/include/offsets.h tests/locks/flags
	@mkdir -p $(@D)
	@$(LOCKS_CC) $(KERNEL_CPPFLAGS) $(LOCKS_CFLAGS) -fsyntax-only -MMD -MP -MT $@ -MF $@.d $<
	@touch $@
-include $(KERNEL_C:%.c=build/locks/%.checked.d)

CLANG_FORMAT ?= clang-format
FORMATTED = $(shell git ls-files '*.c' '*.h')
format:
	@$(CLANG_FORMAT) -i $(FORMATTED)
check-style:
	@$(CLANG_FORMAT) --dry-run -Werror $(FORMATTED)

help:
	@echo "make            builds $(BUILD)/calf.elf (CC=clang, DEBUG=1 for the checking build)"
	@echo "make run        installs what is missing, builds, boots in QEMU: stress report, then a shell"
	@echo "make run APP=x  the same, but boots straight into x out of Debian's packages: $(notdir $(wildcard user/apps/*))"
	@echo "make test       installs what is missing, runs the host tests and the QEMU tests; K=word picks"
	@echo "make test-all   the whole matrix of tests"
	@echo "make unit       the host tests alone (UNIT_CC=clang); make fuzz FUZZ_SECONDS=n: the fuzz targets"
	@echo "make bench      measures fork and other paths on Calf and on Debian's Linux: table and pictures"
	@echo "make bench-check  holds Calf's figures against tests/bench/budgets.csv; BENCHFLAGS='--levels auto'"
	@echo "make bench-smp  what two CPUs do side by side, by the clock: Calf against Linux and tests/bench/ratios.csv"
	@echo "make bench-real  how fast Debian's servers and programs are on both: REALFLAGS='--only redis'"
	@echo "make soak       random system calls for an hour, on machines in turn: SOAKFLAGS='--minutes 5'"
	@echo "make iso        an ISO that boots by BIOS and UEFI: INITRD=file CMDLINE='...' ISO=file"
	@echo "make qemu       boots ISO=file: SMP=n MEM=2G UEFI=1 QEMUFLAGS='...'; status 0 after power-off"
	@echo "make debug      the same, stopped, waiting for gdb on port 1234"
	@echo "make rootfs     an initrd of Debian's packages: PACKAGES='bash python3' ROOTFS=build/rootfs.cpio"
	@echo "make deps       installs the programs that all this needs (Debian, Ubuntu; elsewhere names them)"
	@echo "make check-locks  has clang check that what a lock guards is used under it (LOCKS_CC=clang-22)"
	@echo "make sparse     checks user pointers with sparse; make check-style, make format: clang-format"
	@echo "make clean      removes what was built"

clean:
	rm -rf build compile_commands.json

FORCE:
.PHONY: all iso qemu run debug deps sparse check-locks format check-style help clean FORCE
.DELETE_ON_ERROR:
