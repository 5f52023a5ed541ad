# Programs for Calf's user mode, and the default initrd. Included by the top Makefile; paths are
# from the root of the tree.
#
#   build/user/<name>     a static Linux program for each user/<name>.c, with user/lib linked in
#   build/initrd.cpio     /init, busybox under all its names, the programs in /bin, user/root
#
# USER_CC names a compiler that makes static programs (default: musl-gcc), BUSYBOX a static
# busybox (default: the host's).

USER_CC ?= musl-gcc
BUSYBOX ?= /bin/busybox

USER_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wvla -Wpointer-arith -Wwrite-strings -I. -ffile-prefix-map=$(CURDIR)=. -D_GNU_SOURCE
USER_LDFLAGS := -static

USER_NAMES := $(patsubst user/%.c,%,$(wildcard user/*.c))
USER_LIB_OBJS := $(patsubst user/%.c,build/user/obj/%.o,$(wildcard user/lib/*.c))
USER_PROGRAMS := $(addprefix build/user/,$(USER_NAMES))
USER_ROOT_FILES := $(shell find user/root -type f)

all: user
.PHONY: user
user: $(USER_PROGRAMS) build/initrd.cpio

build/user/obj/%.o: user/%.c user/build.mk
	@mkdir -p $(@D)
	@echo "  USERCC  $<"
	@$(USER_CC) $(USER_CFLAGS) -MMD -MP -c -o $@ $<

$(USER_PROGRAMS): build/user/%: build/user/obj/%.o $(USER_LIB_OBJS)
	@echo "  USERLD  $@"
	@$(USER_CC) $(USER_CFLAGS) $(USER_LDFLAGS) -o $@ $^

build/initrd.cpio: user/mkinitrd.sh $(USER_PROGRAMS) $(USER_ROOT_FILES) $(BUSYBOX)
	@echo "  INITRD  $@"
	@user/mkinitrd.sh $@ $(BUSYBOX) build/user/init \
		$(filter-out build/user/init,$(USER_PROGRAMS))

-include $(patsubst %,build/user/obj/%.d,$(USER_NAMES)) $(USER_LIB_OBJS:.o=.d)
