/*
 * The boot loader's tags (Multiboot2 specification 2.0, section 3.6): a total size, then tags of
 * type, size and contents, each on a multiple of 8, up to one of type 0. Nothing in them is
 * trusted: a length is checked before what it covers is read.
 */
#include "boot/multiboot2.h"

#include "kernel/lib/string.h"

enum {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_LOADER = 2,
	TAG_MODULE = 3,
	TAG_MMAP = 6,
	TAG_FRAMEBUFFER = 8,
	TAG_ELF = 9,
	TAG_RSDP_OLD = 14,
	TAG_RSDP_NEW = 15,
};

struct tag {
	u32 type, size;
};

struct tag_module {
	struct tag tag;
	u32 start, end;
	char name[];
};

struct mmap_entry {
	u64 addr, len;
	u32 type, zero;
};

struct tag_mmap {
	struct tag tag;
	u32 entry_size, entry_version;
	u8 entries[];
};

struct tag_framebuffer {
	struct tag tag;
	u64 addr;
	u32 pitch, width, height;
	u8 bpp, type;
	u16 reserved;
	u8 red_shift, red_bits, green_shift, green_bits, blue_shift, blue_bits;
} __packed;

enum { FB_INDEXED = 0, FB_RGB = 1, FB_TEXT = 2 };

struct tag_elf {
	struct tag tag;
	u32 nr, entry_size, names;
	u8 headers[];
};

/* Elf64_Shdr: System V ABI, chapter 4. */
struct elf_section {
	u32 name, type;
	u64 flags, addr, offset, size;
	u32 link, info;
	u64 align, entry_size;
};

#define SHT_SYMTAB 2
#define SHT_STRTAB 3

/* Copies the text that ends the tag; false where no NUL ends it. */
static bool take_text(char *to, size_t size, const char *from, size_t room, bool *cut)
{
	size_t len = strnlen(from, room);

	if (len == room)
		return false;
	*cut = len >= size;
	if (len >= size)
		len = size - 1;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

static const char *take_module(struct boot_info *out, const struct tag *tag)
{
	const struct tag_module *m = (const void *)tag;
	struct boot_module *to = &out->modules[out->nr_modules];
	bool cut;

	if (tag->size <= sizeof(*m))
		return "module tag is too short";
	if (m->start > m->end)
		return "module ends before it starts";
	if (out->nr_modules == BOOT_MAX_MODULES)
		return "more modules than the kernel can note";
	if (!take_text(to->name, sizeof(to->name), m->name, tag->size - sizeof(*m), &cut))
		return "name of a module has no end";
	to->start = m->start;
	to->end = m->end;
	out->nr_modules++;
	return NULL;
}

static const char *take_mmap(struct boot_info *out, const struct tag *tag)
{
	const struct tag_mmap *m = (const void *)tag;
	size_t len, off;

	if (tag->size < sizeof(*m))
		return "memory map tag is too short";
	if (m->entry_size < sizeof(struct mmap_entry) || m->entry_size % 8)
		return "memory map has entries of a wrong size";
	len = tag->size - sizeof(*m);
	for (off = 0; off + m->entry_size <= len; off += m->entry_size) {
		const struct mmap_entry *e = (const void *)(m->entries + off);
		struct boot_range *to = &out->ranges[out->nr_ranges];

		if (!e->len)
			continue;
		if (e->addr + e->len < e->addr)
			return "memory map has a range that wraps around";
		if (out->nr_ranges == BOOT_MAX_RANGES)
			return "memory map has more ranges than the kernel can note";
		to->start = e->addr;
		to->end = e->addr + e->len;
		to->type = e->type;
		out->nr_ranges++;
	}
	return NULL;
}

static const char *take_framebuffer(struct boot_info *out, const struct tag *tag)
{
	const struct tag_framebuffer *f = (const void *)tag;

	if (tag->size < offsetof(struct tag_framebuffer, red_shift))
		return "framebuffer tag is too short";
	if (f->type == FB_RGB && tag->size < sizeof(*f))
		return "framebuffer tag lacks its colours";
	if (f->type != FB_RGB && f->type != FB_TEXT)
		return NULL; /* a palette: not used */
	out->fb.addr = f->addr;
	out->fb.pitch = f->pitch;
	out->fb.width = f->width;
	out->fb.height = f->height;
	out->fb.bpp = f->bpp;
	out->fb.text = f->type == FB_TEXT;
	if (f->type == FB_RGB) {
		out->fb.red_shift = f->red_shift;
		out->fb.green_shift = f->green_shift;
		out->fb.blue_shift = f->blue_shift;
	}
	return NULL;
}

static const char *take_elf(struct boot_info *out, const struct tag *tag)
{
	const struct tag_elf *e = (const void *)tag;
	struct elf_section sym, str;
	u32 i;

	if (tag->size < sizeof(*e))
		return "ELF symbols tag is too short";
	if (e->entry_size < sizeof(sym))
		return "ELF section headers have a wrong size";
	if ((u64)e->nr * e->entry_size > tag->size - sizeof(*e))
		return "ELF section headers do not fit in their tag";
	for (i = 0; i < e->nr; i++) {
		memcpy(&sym, e->headers + (size_t)i * e->entry_size, sizeof(sym));
		if (sym.type == SHT_SYMTAB)
			break;
	}
	if (i == e->nr)
		return NULL; /* stripped */
	if (sym.link >= e->nr)
		return "ELF symbols name no string table";
	memcpy(&str, e->headers + (size_t)sym.link * e->entry_size, sizeof(str));
	if (str.type != SHT_STRTAB || str.size != (u32)str.size || sym.size != (u32)sym.size)
		return "ELF symbols name no string table";
	if (!str.addr || !sym.addr)
		return NULL; /* not loaded */
	out->symtab = sym.addr;
	out->symtab_size = (u32)sym.size;
	out->strtab = str.addr;
	out->strtab_size = (u32)str.size;
	return NULL;
}

/* Version 2 of the ACPI root pointer wins over version 1, in whatever order they come. */
static const char *take_rsdp(struct boot_info *out, const struct tag *tag)
{
	size_t len = tag->size - sizeof(*tag);
	size_t want = tag->type == TAG_RSDP_OLD ? 20 : 36;

	if (len < want)
		return "ACPI root pointer tag is too short";
	if (want > out->rsdp_len) {
		memcpy(out->rsdp, tag + 1, want);
		out->rsdp_len = (u32)want;
	}
	return NULL;
}

static const char *take_tag(struct boot_info *out, const struct tag *tag)
{
	size_t room = tag->size - sizeof(*tag);
	bool cut;

	switch (tag->type) {
	case TAG_CMDLINE:
		if (!take_text(out->cmdline, sizeof(out->cmdline), (const char *)(tag + 1), room,
			       &out->cmdline_cut))
			return "command line has no end";
		return NULL;
	case TAG_LOADER:
		if (!take_text(out->loader, sizeof(out->loader), (const char *)(tag + 1), room,
			       &cut))
			return "name of the boot loader has no end";
		return NULL;
	case TAG_MODULE:
		return take_module(out, tag);
	case TAG_MMAP:
		return take_mmap(out, tag);
	case TAG_FRAMEBUFFER:
		return take_framebuffer(out, tag);
	case TAG_ELF:
		return take_elf(out, tag);
	case TAG_RSDP_OLD:
	case TAG_RSDP_NEW:
		return take_rsdp(out, tag);
	default:
		return NULL; /* tags may be added: section 3.6.1 */
	}
}

const char *multiboot2_parse(const void *tags, u64 pa, size_t limit, struct boot_info *out)
{
	const u8 *base = tags;
	u32 total;
	size_t off = 8;

	memset(out, 0, sizeof(*out));
	if (!pa || pa % 8)
		return "tags are not where they should be";
	if (limit < 8)
		return "tags are too short";
	memcpy(&total, base, sizeof(total));
	if (total < 16 || total > limit)
		return "size of the tags is absurd";
	out->start = pa;
	out->end = pa + total;
	for (;;) {
		const struct tag *tag = (const void *)(base + off);
		const char *wrong;

		if (total - off < sizeof(*tag))
			return "tags have no end";
		if (tag->size < sizeof(*tag) || tag->size > total - off)
			return "a tag is longer than all of them";
		if (tag->type == TAG_END)
			break;
		wrong = take_tag(out, tag);
		if (wrong)
			return wrong;
		off += ALIGN_UP((size_t)tag->size, 8);
		if (off > total)
			return "tags have no end";
	}
	if (!out->nr_ranges)
		return "no memory map";
	return NULL;
}
