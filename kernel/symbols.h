/* Names of kernel functions, from the ELF symbols that the boot loader passed on. */
#pragma once

#include "kernel/lib/types.h"

/* The tables stay where they are: nothing may be put over them. */
void symbols_init(const void *symtab, size_t symtab_size, const char *strtab, size_t strtab_size);
/* The function that holds `addr`, and addr's offset in it; NULL where none is known. */
const char *symbol_name(vaddr_t addr, u64 *offset);
