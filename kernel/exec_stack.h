/* The part of exec that lays out the new program's stack. */
#pragma once

#include "kernel/elf.h"
#include "kernel/exec_args.h"

struct exec_stack {
	struct mm *mm; /* the new address space, its program mapped */
	const struct exec_args *args;
	const struct elf_image *image;
	bool secure;	/* AT_SECURE */
	u32 euid, egid; /* the ids that the program will have */
	vaddr_t sp;	/* result: where argc lies */
};

/* Maps and fills the stack, and maps the vDSO above it; sets mm's marks of it and its auxiliary vector. 0 or -ENOMEM. */
int exec_build_stack(struct exec_stack *s);
