/*
 * execve(2): another program takes the place of the current one.
 *
 * The new address space is complete, arguments included, before the old one is touched: whatever
 * can fail, fails while there is still a program to return the error to. commit() cannot fail.
 */
#include "kernel/exec_args.h"
#include "kernel/process.h"

#include "arch/clock.h"
#include "arch/uaccess.h"
#include "kernel/elf.h"
#include "kernel/fs/vfs.h"
#include "kernel/knobs.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/random.h"
#include "kernel/syscalls.h"
#include "mm/mman.h"

#define HEAD_SIZE   256 /* what is read of a file to tell what it is */
#define SCRIPTS_MAX 5	/* that name one another as interpreters */
#define STACK_EXTRA (128 * 1024ull)

#define ADDR_NO_RANDOMIZE 0x0040000u
#define READ_IMPLIES_EXEC 0x0400000u

struct exec {
	s32 dirfd;
	u32 at_flags;
	const char *path; /* what to open */
	const char *name; /* what it is called: AT_EXECFN, and the source of comm */
	struct string_array argv, envp;

	struct file *file;
	u8 head[HEAD_SIZE];
	size_t head_len;

	/* What scripts put before the rest of argv, last one first; kmalloc'ed. */
	char *front[2 * SCRIPTS_MAX + 2];
	u32 nr_front;
	u32 skip; /* strings of argv that they replace: none, or the first */

	struct exec_args args;
	struct mm *mm;
	struct elf_image image;
	vaddr_t sp;
	struct sighand *sighand;
	bool secure;
};

/* ---- scripts ---- */

static int push_front(struct exec *x, const char *s, size_t len)
{
	char *copy;

	copy = kmalloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, s, len);
	copy[len] = 0;
	x->front[x->nr_front++] = copy;
	return 0;
}

static bool is_blank(u8 c)
{
	return c == ' ' || c == '\t';
}

/* Splits "#! interpreter [argument]" in x->head. -ENOEXEC where it names none. */
static int parse_script(const struct exec *x, const char **name, size_t *name_len, const char **arg,
			size_t *arg_len)
{
	const char *s = (const char *)x->head + 2, *end = (const char *)x->head + x->head_len;
	const char *line_end = memchr(s, '\n', (size_t)(end - s));
	bool cut = !line_end && x->head_len == HEAD_SIZE;

	if (!line_end)
		line_end = end;
	if (memchr(s, 0, (size_t)(line_end - s)))
		line_end = memchr(s, 0, (size_t)(line_end - s));
	while (s < line_end && is_blank((u8)*s))
		s++;
	while (line_end > s && is_blank((u8)line_end[-1]))
		line_end--;
	*name = s;
	while (s < line_end && !is_blank((u8)*s))
		s++;
	*name_len = (size_t)(s - *name);
	/* A name that the end of the buffer cuts off would be another program. */
	if (!*name_len || (cut && s == line_end))
		return -ENOEXEC;
	while (s < line_end && is_blank((u8)*s))
		s++;
	*arg = s;
	*arg_len = (size_t)(line_end - s);
	return 0;
}

static int read_head(struct exec *x)
{
	ssize_t n = file_read_kernel(x->file, x->head, HEAD_SIZE, 0);

	if (n < 0)
		return (int)n;
	x->head_len = (size_t)n;
	return 0;
}

/* x->file is a script: x becomes its interpreter, with the script's path as an argument. */
static int open_interpreter(struct exec *x)
{
	const char *name, *arg;
	size_t name_len, arg_len;
	struct file *f;
	int err = parse_script(x, &name, &name_len, &arg, &arg_len);

	if (err)
		return err;
	/* A script that is itself an interpreter is in front already, under the name that it was
	 * opened by. */
	if (!x->nr_front) {
		x->skip = 1;
		err = push_front(x, x->name, strlen(x->name));
	}
	if (!err && arg_len)
		err = push_front(x, arg, arg_len);
	if (!err)
		err = push_front(x, name, name_len);
	if (err)
		return err;
	f = file_open_exec(AT_FDCWD, x->front[x->nr_front - 1], 0);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	file_put(x->file);
	x->file = f;
	return read_head(x);
}

static int resolve_scripts(struct exec *x)
{
	int err = 0;

	for (int depth = 0; !err && x->head_len >= 2 && x->head[0] == '#' && x->head[1] == '!';
	     depth++) {
		if (depth > SCRIPTS_MAX)
			return -ELOOP;
		err = open_interpreter(x);
	}
	return err;
}

/* ---- arguments ---- */

static size_t args_limit(void)
{
	u64 limit = min(current->proc->rlimits[RLIMIT_STACK].cur / 4, 6ull << 20);

	return max(limit, 32 * PAGE_SIZE);
}

static int gather_args(struct exec *x)
{
	struct exec_args *a = &x->args;
	int err = 0;

	a->limit = args_limit();
	for (u32 i = x->nr_front; !err && i > 0; i--) {
		err = exec_args_add(a, x->front[i - 1]);
		a->argc++;
	}
	if (!err)
		err = exec_args_add_array(a, &x->argv, x->skip, &a->argc);
	/* Programs take argv[0] for granted. */
	if (!err && !a->argc) {
		err = exec_args_add(a, "");
		a->argc = 1;
	}
	a->env_start = a->len;
	if (!err)
		err = exec_args_add_array(a, &x->envp, 0, &a->envc);
	a->name_start = a->len;
	return err ? err : exec_args_add(a, x->name);
}

/* ---- the initial stack ---- */

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

/* Fills mm->saved_auxv; returns its length in words. */
static unsigned fill_auxv(struct exec *x, vaddr_t platform_at, vaddr_t random_at, vaddr_t name_at)
{
	const struct cred *c = &current->cred;
	const struct elf_image *i = &x->image;
	struct auxv v = {x->mm->saved_auxv, 0};

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
	aux(&v, AT_EUID, c->euid);
	aux(&v, AT_GID, c->gid);
	aux(&v, AT_EGID, c->egid);
	aux(&v, AT_SECURE, x->secure);
	aux(&v, AT_RANDOM, random_at);
	aux(&v, AT_HWCAP2, arch_hwcap2());
	aux(&v, AT_EXECFN, name_at);
	aux(&v, AT_PLATFORM, platform_at);
	aux(&v, AT_NULL, 0);
	return v.n;
}

static int put(struct exec *x, vaddr_t at, const void *from, size_t n)
{
	return mm_access(x->mm, at, (void *)from, n, true) == (ssize_t)n ? 0 : -ENOMEM;
}

/* Pointers to n strings from `offset` of the buffer on; returns the offset behind them. */
static size_t point_at(const struct exec *x, u64 *to, u32 n, size_t offset, vaddr_t strings)
{
	for (u32 i = 0; i < n; i++) {
		to[i] = strings + offset;
		offset += strlen(x->args.buf + offset) + 1;
	}
	to[n] = 0;
	return offset;
}

/* From the top: strings, platform, random bytes, auxv, envp, argv, argc at a multiple of 16. */
static int fill_stack(struct exec *x, vaddr_t top)
{
	struct exec_args *a = &x->args;
	vaddr_t strings = top - sizeof(u64) - a->len;
	vaddr_t platform_at = ALIGN_DOWN(strings - sizeof(platform), 16);
	vaddr_t random_at = platform_at - 16;
	u64 words = 1 + a->argc + 1 + a->envc + 1, random[2], *w;
	struct mm *mm = x->mm;
	unsigned n;
	int err;

	n = fill_auxv(x, platform_at, random_at, strings + a->name_start);
	x->sp = ALIGN_DOWN(random_at - (words + n) * sizeof(u64), 16);
	w = kmalloc((words + n) * sizeof(u64));
	if (!w)
		return -ENOMEM;
	w[0] = a->argc;
	point_at(x, w + 1, a->argc, 0, strings);
	point_at(x, w + 1 + a->argc + 1, a->envc, a->env_start, strings);
	memcpy(w + words, mm->saved_auxv, n * sizeof(u64));
	random_bytes(random, sizeof(random));

	err = put(x, strings, a->buf, a->len);
	if (!err)
		err = put(x, platform_at, platform, sizeof(platform));
	if (!err)
		err = put(x, random_at, random, sizeof(random));
	if (!err)
		err = put(x, x->sp, w, (words + n) * sizeof(u64));
	kfree(w);
	mm->stack_start = x->sp;
	mm->arg_start = strings;
	mm->arg_end = mm->env_start = strings + a->env_start;
	mm->env_end = strings + a->name_start;
	return err;
}

static int build_stack(struct exec *x)
{
	struct mm *mm = x->mm;
	vaddr_t top = USER_END, area_top = USER_END;
	u64 size;
	long err;

	if (!mm->no_aslr) {
		area_top -= random_u64() % BIT(22) * PAGE_SIZE;
		top = area_top - (random_u64() & 0x1ff0);
	}
	size = ALIGN_UP(x->args.len + (x->args.argc + x->args.envc) * sizeof(u64) + 2 * PAGE_SIZE,
			PAGE_SIZE) +
	       STACK_EXTRA;
	err = mm_map_stack(mm, area_top, size);
	if (!err && x->image.exec_stack)
		err = mm_mprotect(mm, area_top - size, size, PROT_READ | PROT_WRITE | PROT_EXEC);
	return err ? (int)err : fill_stack(x, top);
}

/* ---- the address space ---- */

static void set_mmap_base(struct mm *mm)
{
	u64 gap = current->proc->rlimits[RLIMIT_STACK].cur, random = 0;

	gap = max(gap, 128ull << 20);
	gap = min(gap, USER_END / 6 * 5);
	gap += BIT(20); /* the guard gap below the stack */
	if (!mm->no_aslr) {
		gap += BIT(22) * PAGE_SIZE; /* how far down the stack may begin */
		random = random_u64() % BIT(28) * PAGE_SIZE;
	}
	mm->mmap_base = ALIGN_UP(USER_END - gap - random, PAGE_SIZE);
}

static int build_mm(struct exec *x)
{
	struct process *p = current->proc;
	struct mm *mm = mm_create();
	int err;

	if (!mm)
		return -ENOMEM;
	x->mm = mm;
	mm->no_aslr = !randomize_va_space || (current->personality & ADDR_NO_RANDOMIZE);
	mm->limit_stack = p->rlimits[RLIMIT_STACK].cur;
	mm->limit_as = p->rlimits[RLIMIT_AS].cur;
	mm->limit_data = p->rlimits[RLIMIT_DATA].cur;
	mm->oom_score_adj = p->oom_score_adj;
	set_mmap_base(mm);
	err = elf_load(mm, x->file, x->head, x->head_len, &x->image);
	if (!err)
		err = build_stack(x);
	if (!err)
		mm->exe = file_get(x->file);
	return err;
}

/* ---- taking over ---- */

static void set_comm(struct task *t, const char *path)
{
	const char *slash = strrchr(path, '/');

	strlcpy(t->comm, slash ? slash + 1 : path, TASK_COMM_LEN);
}

static void swap_mm(struct task *t, struct mm *mm)
{
	struct mm *old = t->mm;

	task_leave_mm(t);
	spin_lock(&t->proc->sighand_lock);
	t->mm = mm;
	spin_unlock(&t->proc->sighand_lock);
	mmu_activate(&mm->mmu);
	if (!old)
		return;
	task_note_rss(t, old);
	mm_put_user(old);
}

/* set-user-ID programs: what the new ids would be. */
static void new_ids(const struct exec *x, u32 *euid, u32 *egid)
{
	const struct inode *i = x->file->inode;

	*euid = current->cred.euid;
	*egid = current->cred.egid;
	if (x->file->path.mnt && (x->file->path.mnt->flags & MS_NOSUID))
		return;
	if (i->mode & S_ISUID)
		*euid = i->uid;
	if ((i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		*egid = i->gid;
}

static void commit(struct exec *x)
{
	struct task *t = current;
	struct process *p = t->proc;
	u32 euid, egid;

	new_ids(x, &euid, &egid);
	swap_mm(t, x->mm);
	x->mm = NULL;
	signal_exec(x->sighand);
	x->sighand = NULL;
	t->cred.euid = t->cred.suid = t->cred.fsuid = euid;
	t->cred.egid = t->cred.sgid = t->cred.fsgid = egid;
	t->personality &= ~READ_IMPLIES_EXEC;
	t->robust_list = NULL;
	t->restart = NULL;
	t->exit_signal = SIGCHLD;
	set_comm(t, x->name);
	if (x->secure)
		p->pdeath_signal = 0;
	p->dumpable = true;
	spin_lock(&tasks_lock);
	p->did_exec = true;
	spin_unlock(&tasks_lock);
	arch_exec(task_regs(t), x->image.start, x->sp);
}

static int run(struct exec *x)
{
	struct cred *c = &current->cred;
	u32 euid, egid;
	int err;

	x->file = file_open_exec(x->dirfd, x->path, x->at_flags);
	if (IS_ERR(x->file)) {
		err = (int)PTR_ERR(x->file);
		x->file = NULL;
		return err;
	}
	err = read_head(x);
	if (!err)
		err = resolve_scripts(x);
	if (!err)
		err = gather_args(x);
	if (err)
		return err;
	new_ids(x, &euid, &egid);
	x->secure = euid != c->uid || egid != c->gid;
	err = build_mm(x);
	if (err)
		return err;
	x->sighand = sighand_without_handlers(current->proc);
	if (!x->sighand)
		return -ENOMEM;
	err = fd_table_exec();
	if (!err)
		commit(x);
	return err;
}

/* Runs x, which the caller has filled in down to envp, and drops what it holds. */
static int exec(struct exec *x)
{
	int err = run(x);

	if (x->mm)
		mm_put_user(x->mm);
	if (x->sighand)
		sighand_put(x->sighand);
	if (x->file)
		file_put(x->file);
	while (x->nr_front)
		kfree(x->front[--x->nr_front]);
	exec_args_free(&x->args);
	return err;
}

int kernel_exec(const char *path, const char *const *argv, const char *const *envp)
{
	struct exec *x = kzalloc(sizeof(*x));
	int err;

	if (!x)
		return -ENOMEM;
	x->dirfd = AT_FDCWD;
	x->path = x->name = path;
	x->argv.kernel = argv;
	x->envp.kernel = envp;
	err = exec(x);
	kfree(x);
	return err;
}

/* How a path relative to a descriptor is called: "/dev/fd/3/path". Writes behind the path in its
 * buffer. */
static int name_by_fd(struct exec *x, char *room, size_t size)
{
	int n;

	x->name = x->path;
	if (x->dirfd == AT_FDCWD || x->path[0] == '/')
		return 0;
	n = snprintf(room, size, "/dev/fd/%d%s%s", x->dirfd, x->path[0] ? "/" : "", x->path);
	x->name = room;
	return (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static long user_exec(s32 dirfd, const char __user *upath, char *const __user *const __user *argv,
		      char *const __user *const __user *envp, u32 flags)
{
	struct exec *x = kzalloc(sizeof(*x));
	char *path = kmalloc(2 * PATH_MAX);
	ssize_t n;
	long err = -ENOMEM;

	if (!x || !path)
		goto out;
	n = strncpy_from_user(path, upath, PATH_MAX);
	if (n < 0 || n == PATH_MAX) {
		err = n < 0 ? -EFAULT : -ENAMETOOLONG;
		goto out;
	}
	err = -ENOENT;
	if (!n && !(flags & AT_EMPTY_PATH))
		goto out;
	x->dirfd = dirfd;
	x->at_flags = flags;
	x->path = path;
	x->argv.user = argv;
	x->envp.user = envp;
	err = name_by_fd(x, path + PATH_MAX, PATH_MAX);
	if (!err)
		err = exec(x);
out:
	kfree(path);
	kfree(x);
	return err;
}

SYSCALL3(execve, const char __user *, path, char *const __user *const __user *, argv,
	 char *const __user *const __user *, envp)
{
	return user_exec(AT_FDCWD, path, argv, envp, 0);
}

SYSCALL5(execveat, s32, dirfd, const char __user *, path, char *const __user *const __user *, argv,
	 char *const __user *const __user *, envp, u32, flags)
{
	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	return user_exec(dirfd, path, argv, envp, flags);
}
