/*
 * The stack that a program starts with: from the top strings, platform, random bytes, the auxiliary
 * vector, envp, argv, and argc at a multiple of 16 (System V ABI for x86-64, section 3.4.1).
 */
#include "kernel/exec_stack.h"

#include "arch/context.h"
#include "kernel/lib/string.h"
#include "kernel/random.h"
#include "kernel/task.h"
#include "kernel/vdso.h"
#include "mm/mman.h"

#define STACK_EXTRA (128 * 1024ull) /* mapped below what is filled in */
#define TABLE_SPAN  BIT(21)	    /* bytes that one page table maps */

enum {
	AT_NULL = 0,
	AT_PHDR = 3,
	AT_PHENT = 4,
	AT_PHNUM = 5,
	AT_PAGESZ = 6,
	AT_BASE = 7,
	AT_FLAGS = 8,
	AT_ENTRY = 9,
	AT_UID = 11,
	AT_EUID = 12,
	AT_GID = 13,
	AT_EGID = 14,
	AT_PLATFORM = 15,
	AT_HWCAP = 16,
	AT_CLKTCK = 17,
	AT_SECURE = 23,
	AT_RANDOM = 25,
	AT_HWCAP2 = 26,
	AT_EXECFN = 31,
	AT_SYSINFO_EHDR = 33,
	AT_MINSIGSTKSZ = 51,
};

static const char platform[] = "x86_64";

struct auxv {
	u64 *at;
	unsigned n;
};

static void aux(struct auxv *v, u64 type, u64 value)
{
	v->at[v->n++] = type;
	v->at[v->n++] = value;
}

/* Fills the auxiliary vector; returns its length in words. */
static unsigned fill_auxv(struct exec_stack *s, vaddr_t platform_at, vaddr_t random_at,
			  vaddr_t name_at) __must_hold_shared(&s->mm->lock)
{
	const struct cred *c = &current->cred;
	const struct elf_image *i = s->image;
	struct auxv v = {mm_auxv(s->mm), 0};

	aux(&v, AT_SYSINFO_EHDR, s->mm->vdso);
	aux(&v, AT_MINSIGSTKSZ, arch_signal_frame_size());
	aux(&v, AT_HWCAP, arch_hwcap());
	aux(&v, AT_PAGESZ, PAGE_SIZE);
	aux(&v, AT_CLKTCK, NSEC_PER_SEC / NSEC_PER_TICK);
	aux(&v, AT_PHDR, i->phdr);
	aux(&v, AT_PHENT, sizeof(struct elf_phdr));
	aux(&v, AT_PHNUM, i->phnum);
	aux(&v, AT_BASE, i->interp_base);
	aux(&v, AT_FLAGS, 0);
	aux(&v, AT_ENTRY, i->entry);
	aux(&v, AT_UID, c->uid);
	aux(&v, AT_EUID, s->euid);
	aux(&v, AT_GID, c->gid);
	aux(&v, AT_EGID, s->egid);
	aux(&v, AT_SECURE, s->secure);
	aux(&v, AT_RANDOM, random_at);
	aux(&v, AT_HWCAP2, arch_hwcap2());
	aux(&v, AT_EXECFN, name_at);
	aux(&v, AT_PLATFORM, platform_at);
	aux(&v, AT_NULL, 0);
	return v.n;
}

static int put(struct exec_stack *s, vaddr_t at, const void *from, size_t n)
{
	return mm_access(s->mm, at, (void *)from, n, true) == (ssize_t)n ? 0 : -ENOMEM;
}

/* Pointers to n strings from `offset` of the buffer on; returns the offset behind them. */
static size_t point_at(const struct exec_args *a, u64 *to, u32 n, size_t offset, vaddr_t strings)
{
	for (u32 i = 0; i < n; i++) {
		to[i] = strings + offset;
		offset += strlen(a->buf + offset) + 1;
	}
	to[n] = 0;
	return offset;
}

static int fill_stack(struct exec_stack *s, vaddr_t top)
{
	const struct exec_args *a = s->args;
	vaddr_t strings = top - sizeof(u64) - a->len;
	vaddr_t platform_at = ALIGN_DOWN(strings - sizeof(platform), 16);
	vaddr_t random_at = platform_at - 16;
	u64 words = 1 + a->argc + 1 + a->envc + 1, random[2], *w;
	struct mm *mm = s->mm;
	unsigned n;
	int err;

	/* Nobody knows the new mm yet. */
	rwsem_assume_held(&mm->lock);
	rwsem_assume_held(&s->mm->lock);
	n = fill_auxv(s, platform_at, random_at, strings + a->name_start);
	s->sp = ALIGN_DOWN(random_at - (words + n) * sizeof(u64), 16);
	w = kmalloc((words + n) * sizeof(u64));
	if (!w)
		return -ENOMEM;
	w[0] = a->argc;
	point_at(a, w + 1, a->argc, 0, strings);
	point_at(a, w + 1 + a->argc + 1, a->envc, a->env_start, strings);
	memcpy(w + words, mm_auxv(mm), n * sizeof(u64));
	random_bytes(random, sizeof(random));

	err = put(s, strings, a->buf, a->len);
	if (!err)
		err = put(s, platform_at, platform, sizeof(platform));
	if (!err)
		err = put(s, random_at, random, sizeof(random));
	if (!err)
		err = put(s, s->sp, w, (words + n) * sizeof(u64));
	kfree(w);
	mm->stack_start = s->sp;
	mm->arg_start = strings;
	mm->arg_end = mm->env_start = strings + a->env_start;
	mm->env_end = strings + a->name_start;
	return err;
}

/*
 * Where the stack's area ends, and the vDSO's begins: below the same page table as the stack's first
 * page, which fork copies anyhow.
 */
static vaddr_t choose_top(const struct mm *mm)
{
	vaddr_t top = USER_END - vdso_size();

	if (!mm->no_aslr)
		top -= random_u64() % BIT(22) * PAGE_SIZE;
	if ((top - 1) / TABLE_SPAN != (top + vdso_size() - 1) / TABLE_SPAN)
		top = ALIGN_UP(top, TABLE_SPAN) - vdso_size();
	return top;
}

int exec_build_stack(struct exec_stack *s)
{
	struct mm *mm = s->mm;
	vaddr_t area_top = choose_top(mm), top = area_top;
	u64 size;
	long err;

	if (!mm->no_aslr)
		top -= random_u64() & 0x1ff0;
	size =
	    ALIGN_UP(s->args->len + (s->args->argc + s->args->envc) * sizeof(u64) + 2 * PAGE_SIZE,
		     PAGE_SIZE) +
	    STACK_EXTRA;
	err = mm_map_stack(mm, area_top, size);
	if (!err)
		err = vdso_map(mm, area_top);
	if (!err && s->image->exec_stack)
		err = mm_mprotect(mm, area_top - size, size, PROT_READ | PROT_WRITE | PROT_EXEC);
	return err ? (int)err : fill_stack(s, top);
}
