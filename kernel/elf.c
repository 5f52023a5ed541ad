/*
 * Mapping ELF64 programs: static, static-PIE, and dynamic ones together with their interpreter.
 *
 *	program			where its segments go
 *	ET_EXEC			where they say
 *	ET_DYN, interpreter	at two thirds of the address space, shifted at random
 *	ET_DYN alone		in the mmap area; the heap at two thirds of the address space
 *	the interpreter		in the mmap area
 *
 * as Linux has it, so that /proc/pid/maps reads the same.
 */
#include "kernel/elf.h"

#include "kernel/fs/vfs.h"
#include "kernel/knobs.h"
#include "kernel/lib/string.h"
#include "kernel/random.h"
#include "mm/mman.h"

#define PHDRS_MAX	(65536 / sizeof(struct elf_phdr))
#define DYN_BASE	(ALIGN_DOWN((USER_END + PAGE_SIZE) / 3 * 2, PAGE_SIZE))
#define DYN_RANDOM	BIT(28) /* pages */
#define BRK_RANDOM	(0x02000000ull / PAGE_SIZE)
#define INTERP_PATH_MAX PATH_MAX

/* One file being mapped. */
struct object {
	struct file *file;
	struct elf_header header;
	struct elf_phdr *phdrs;
	vaddr_t lowest, end; /* of its segments, before the shift */
	u64 align;
	vaddr_t bias; /* what is added to each address in it */
};

static int check_header(const struct elf_header *h)
{
	static const u8 magic[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1}; /* 64 bits, little endian */

	if (memcmp(h->ident, magic, sizeof(magic)) != 0)
		return -ENOEXEC;
	if ((h->type != ET_EXEC && h->type != ET_DYN) || h->machine != EM_X86_64)
		return -ENOEXEC;
	if (h->phentsize != sizeof(struct elf_phdr) || !h->phnum || h->phnum > PHDRS_MAX)
		return -ENOEXEC;
	return 0;
}

/* Finds the extent of the segments; refuses what cannot be mapped. */
static int measure(struct object *o)
{
	o->lowest = ~0ull;
	for (unsigned i = 0; i < o->header.phnum; i++) {
		const struct elf_phdr *ph = &o->phdrs[i];

		if (ph->type != PT_LOAD || !ph->memsz)
			continue;
		if (ph->filesz > ph->memsz || ph->vaddr >= USER_END ||
		    ph->memsz > USER_END - ph->vaddr)
			return -EINVAL;
		if ((ph->vaddr ^ ph->offset) & ~PAGE_MASK)
			return -EINVAL;
		o->lowest = min(o->lowest, ALIGN_DOWN(ph->vaddr, PAGE_SIZE));
		o->end = max(o->end, ALIGN_UP(ph->vaddr + ph->memsz, PAGE_SIZE));
		if (ph->align > o->align && !(ph->align & (ph->align - 1)) && ph->align < BIT(40))
			o->align = ph->align;
	}
	return o->end ? 0 : -EINVAL;
}

/* Reads headers; o->phdrs is kmalloc'ed where this succeeds. */
static int open_object(struct object *o, struct file *f, const void *head, size_t head_len)
{
	size_t size;
	int err;

	if (head_len < sizeof(o->header))
		return -ENOEXEC;
	memcpy(&o->header, head, sizeof(o->header));
	err = check_header(&o->header);
	if (err)
		return err;
	o->file = f;
	o->align = PAGE_SIZE;
	size = o->header.phnum * sizeof(struct elf_phdr);
	o->phdrs = kmalloc(size);
	if (!o->phdrs)
		return -ENOMEM;
	if (file_read_kernel(f, o->phdrs, size, (loff_t)o->header.phoff) != (ssize_t)size)
		err = -ENOEXEC;
	else
		err = measure(o);
	if (err)
		kfree(o->phdrs);
	return err;
}

/* Clears what follows the file's bytes in the last page that they share with the bss. */
static int clear_tail(struct mm *mm, vaddr_t from)
{
	static const u8 zeros[PAGE_SIZE];
	size_t n = ALIGN_UP(from, PAGE_SIZE) - from;

	if (n && mm_access(mm, from, (void *)zeros, n, true) != (ssize_t)n)
		return -ENOMEM;
	return 0;
}

static int map_segment(struct mm *mm, const struct object *o, const struct elf_phdr *ph)
{
	vaddr_t at = ph->vaddr + o->bias, start = ALIGN_DOWN(at, PAGE_SIZE);
	vaddr_t file_end = ALIGN_UP(at + ph->filesz, PAGE_SIZE);
	vaddr_t end = ALIGN_UP(at + ph->memsz, PAGE_SIZE);
	unsigned prot = (ph->flags & PF_R ? PROT_READ : 0) | (ph->flags & PF_W ? PROT_WRITE : 0) |
			(ph->flags & PF_X ? PROT_EXEC : 0);
	unsigned flags = MAP_PRIVATE | MAP_FIXED;
	long err;

	if (ph->filesz) {
		err = mm_mmap(mm, start, file_end - start, prot, flags, o->file,
			      ALIGN_DOWN(ph->offset, PAGE_SIZE));
		if (err < 0)
			return (int)err;
		if (ph->memsz > ph->filesz && (ph->flags & PF_W) && clear_tail(mm, at + ph->filesz))
			return -ENOMEM;
	} else {
		file_end = start;
	}
	if (end <= file_end)
		return 0;
	err = mm_mmap(mm, file_end, end - file_end, prot, flags | MAP_ANONYMOUS, NULL, 0);
	return err < 0 ? (int)err : 0;
}

/* Chooses the bias: `base` 0 is "anywhere in the mmap area". */
static int place(struct mm *mm, struct object *o, vaddr_t base)
{
	u64 len = o->end - o->lowest, room = len + o->align - PAGE_SIZE;
	long at;

	if (o->header.type == ET_EXEC)
		return 0;
	if (base) {
		o->bias = ALIGN_DOWN(base, o->align) - ALIGN_DOWN(o->lowest, o->align);
		return o->bias + o->end <= USER_END ? 0 : -ENOMEM;
	}
	/* Nobody else uses this mm: a hole found now stays one. */
	at = mm_mmap(mm, 0, room, 0, MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
	if (at < 0)
		return (int)at;
	mm_munmap(mm, (vaddr_t)at, room);
	o->bias = ALIGN_UP((vaddr_t)at, o->align) - ALIGN_DOWN(o->lowest, o->align);
	/* From the top of the room where the alignment leaves a choice: holes fill from above. */
	if (o->align == PAGE_SIZE)
		o->bias = (vaddr_t)at - o->lowest;
	return 0;
}

static int map_object(struct mm *mm, struct object *o, vaddr_t base)
{
	int err = place(mm, o, base);

	for (unsigned i = 0; !err && i < o->header.phnum; i++)
		if (o->phdrs[i].type == PT_LOAD && o->phdrs[i].memsz)
			err = map_segment(mm, o, &o->phdrs[i]);
	return err;
}

/* mm's marks of code and data, by the program's segments. */
static void mark_segments(struct mm *mm, const struct object *o)
{
	mm->code_start = ~0ull;
	for (unsigned i = 0; i < o->header.phnum; i++) {
		const struct elf_phdr *ph = &o->phdrs[i];
		vaddr_t at = ph->vaddr + o->bias;

		if (ph->type != PT_LOAD || !ph->memsz)
			continue;
		mm->data_start = max(mm->data_start, at);
		mm->data_end = max(mm->data_end, at + ph->filesz);
		if (ph->flags & PF_X) {
			mm->code_start = min(mm->code_start, at);
			mm->code_end = max(mm->code_end, at + ph->filesz);
		}
	}
}

static void place_heap(struct mm *mm, const struct object *o, bool in_mmap_area)
{
	rwsem_assume_held(&mm->lock);
	mm->brk_start = o->end + o->bias;
	if (!mm->no_aslr && randomize_va_space > 1) {
		/* A program alone in the mmap area has no room above it. */
		if (in_mmap_area)
			mm->brk_start = DYN_BASE;
		mm->brk_start += random_u64() % BRK_RANDOM * PAGE_SIZE;
	}
	mm->brk = mm->brk_start;
}

static vaddr_t find_phdrs(const struct object *o)
{
	for (unsigned i = 0; i < o->header.phnum; i++) {
		const struct elf_phdr *ph = &o->phdrs[i];

		if (ph->type == PT_LOAD && o->header.phoff >= ph->offset &&
		    o->header.phoff < ph->offset + ph->filesz)
			return o->header.phoff - ph->offset + ph->vaddr + o->bias;
	}
	return 0;
}

static const struct elf_phdr *find_segment(const struct object *o, u32 type)
{
	for (unsigned i = 0; i < o->header.phnum; i++)
		if (o->phdrs[i].type == type)
			return &o->phdrs[i];
	return NULL;
}

/* Opens the interpreter that PT_INTERP names. ERR_PTR on failure. */
static struct file *open_interp(const struct object *o, const struct elf_phdr *ph)
{
	struct file *f;
	char *path;

	if (ph->filesz < 2 || ph->filesz > INTERP_PATH_MAX)
		return ERR_PTR(-ENOEXEC);
	path = kmalloc(ph->filesz);
	if (!path)
		return ERR_PTR(-ENOMEM);
	if (file_read_kernel(o->file, path, ph->filesz, (loff_t)ph->offset) !=
		(ssize_t)ph->filesz ||
	    path[ph->filesz - 1])
		f = ERR_PTR(-ENOEXEC);
	else
		f = file_open_exec(AT_FDCWD, path, 0);
	kfree(path);
	return f;
}

static int load_interp(struct mm *mm, const struct object *program, const struct elf_phdr *ph,
		       struct elf_image *image)
{
	struct object o = {0};
	struct elf_header head;
	struct file *f = open_interp(program, ph);
	ssize_t n;
	int err;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	n = file_read_kernel(f, &head, sizeof(head), 0);
	err = n < 0 ? (int)n : open_object(&o, f, &head, (size_t)n);
	if (err == -ENOEXEC)
		err = -ELIBBAD;
	if (!err) {
		err = map_object(mm, &o, 0);
		image->interp_base = o.bias;
		image->start = o.header.entry + o.bias;
		kfree(o.phdrs);
	}
	file_put(f);
	return err;
}

static vaddr_t random_dyn_base(const struct mm *mm)
{
	return DYN_BASE + (mm->no_aslr ? 0 : random_u64() % DYN_RANDOM * PAGE_SIZE);
}

int elf_load(struct mm *mm, struct file *f, const void *head, size_t head_len,
	     struct elf_image *image)
{
	const struct elf_phdr *interp, *stack;
	struct object o = {0};
	int err = open_object(&o, f, head, head_len);

	if (err)
		return err;
	interp = find_segment(&o, PT_INTERP);
	stack = find_segment(&o, PT_GNU_STACK);
	err = map_object(mm, &o, interp ? random_dyn_base(mm) : 0);
	if (!err) {
		*image = (struct elf_image){
		    .entry = o.header.entry + o.bias,
		    .start = o.header.entry + o.bias,
		    .phdr = find_phdrs(&o),
		    .phnum = o.header.phnum,
		    .exec_stack = stack && (stack->flags & PF_X),
		};
		mark_segments(mm, &o);
		place_heap(mm, &o, o.header.type == ET_DYN && !interp);
		if (interp)
			err = load_interp(mm, &o, interp, image);
	}
	kfree(o.phdrs);
	return err;
}
