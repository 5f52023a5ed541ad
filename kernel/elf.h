/* ELF64 as the System V ABI defines it, and the part of exec that reads it. */
#pragma once

#include "mm/mm.h"

struct file;

struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_phdr {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};

#define ET_EXEC	     2
#define ET_DYN	     3
#define EM_X86_64    62
#define PT_LOAD	     1
#define PT_INTERP    3
#define PT_PHDR	     6
#define PT_GNU_STACK 0x6474e551u
#define PF_X	     1u
#define PF_W	     2u
#define PF_R	     4u

/* A loaded program, as its auxiliary vector describes it. */
struct elf_image {
	vaddr_t entry;	     /* of the program itself: AT_ENTRY */
	vaddr_t start;	     /* where to begin: the interpreter's entry, where there is one */
	vaddr_t interp_base; /* AT_BASE; 0 without an interpreter */
	vaddr_t phdr;	     /* AT_PHDR; 0 where no segment holds them */
	u16 phnum;
	bool exec_stack;
};

/*
 * Maps the program in f into mm, an address space that nobody uses yet, and sets mm's marks of
 * code, data and heap; `head` is the file's first bytes. 0, -ENOEXEC where it is no program of this
 * machine, or another errno; the caller then throws mm away.
 */
int elf_load(struct mm *mm, struct file *f, const void *head, size_t head_len,
	     struct elf_image *image);
