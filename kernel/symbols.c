/* Looking a code address up in the ELF symbol table (System V ABI, chapter 4). */
#include "kernel/symbols.h"

#include "kernel/lib/string.h"

struct elf_symbol {
	u32 name;
	u8 info, other;
	u16 section;
	u64 value, size;
};

#define STT_NOTYPE 0
#define STT_FUNC   2

static const struct elf_symbol *symbols;
static size_t nr_symbols;
static const char *names;
static size_t names_size;

void symbols_init(const void *symtab, size_t symtab_size, const char *strtab, size_t strtab_size)
{
	symbols = symtab;
	nr_symbols = symtab_size / sizeof(*symbols);
	names = strtab;
	names_size = strtab_size;
	if (strtab_size == 0 || strtab[strtab_size - 1] != '\0')
		nr_symbols = 0; /* a name might run out of the table */
}

/* The nearest symbol at or below addr: labels of assembly have no size. */
const char *symbol_name(vaddr_t addr, u64 *offset)
{
	const struct elf_symbol *best = NULL;

	for (size_t i = 0; i < nr_symbols; i++) {
		const struct elf_symbol *s = &symbols[i];
		unsigned type = s->info & 0xf;

		if (type != STT_FUNC && type != STT_NOTYPE)
			continue;
		if (!s->section || s->value > addr || (s->size && addr - s->value >= s->size))
			continue;
		if (s->name >= names_size || !names[s->name])
			continue;
		if (!best || s->value > best->value ||
		    (s->value == best->value && type == STT_FUNC))
			best = s;
	}
	if (!best)
		return NULL;
	*offset = addr - best->value;
	return names + best->name;
}
