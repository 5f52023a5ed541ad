/*
 * execve(2): another program takes the place of the current one.
 *
 * The new address space is complete, arguments included, before the old one is touched: whatever
 * can fail, fails while there is still a program to return the error to. That is before the other
 * tasks of the process are ended, which is for good. commit() cannot fail.
 */
#include "kernel/exec_args.h"
#include "kernel/exec_stack.h"
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
	struct fd_room room; /* for what becomes of the descriptors */
	u32 euid, egid;	     /* of the new program */
	bool secure;	     /* they are not the caller's own */
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

/* ---- the address space ---- */

/*
 * Mappings go below the stack, and not into its GiB: fork copies the tables on the stack's path, and
 * the directory of that GiB is to hold the stack and nothing else. At addresses that are not random
 * they begin at the next GiB down; random ones are left a GiB more.
 */
static void set_mmap_base(struct mm *mm)
{
	u64 directory = BIT(30); /* bytes that one maps */
	u64 gap = current->proc->rlimits[RLIMIT_STACK].cur, random = 0;

	gap = max(gap, 128ull << 20);
	gap = min(gap, USER_END / 6 * 5);
	gap += BIT(20); /* the guard gap below the stack */
	if (!mm->no_aslr) {
		gap += BIT(22) * PAGE_SIZE + directory; /* how far down the stack may begin */
		random = random_u64() % BIT(28) * PAGE_SIZE;
	}
	mm->mmap_base = ALIGN_UP(USER_END - gap - random, PAGE_SIZE);
	if (mm->no_aslr)
		mm->mmap_base = ALIGN_DOWN(mm->mmap_base, directory);
}

static int build_stack(struct exec *x)
{
	struct exec_stack s = {
	    .mm = x->mm,
	    .args = &x->args,
	    .image = &x->image,
	    .secure = x->secure,
	    .euid = x->euid,
	    .egid = x->egid,
	};
	int err = exec_build_stack(&s);

	x->sp = s.sp;
	return err;
}

static int build_mm(struct exec *x)
{
	struct mm *mm = mm_create();
	int err;

	if (!mm)
		return -ENOMEM;
	x->mm = mm;
	mm->no_aslr =
	    !randomize_va_space || (current->personality & ADDR_NO_RANDOMIZE && !x->secure);
	mm->oom_score_adj = current->proc->oom_score_adj;
	set_mmap_base(mm);
	err = elf_load(mm, x->file, x->head, x->head_len, &x->image);
	if (!err)
		err = build_stack(x);
	if (!err)
		mm->exe = file_get(x->file);
	return err;
}

/* What the program's ids will be: set-user-ID and set-group-ID bits count, with the owner that they are of. */
static void choose_ids(struct exec *x)
{
	struct inode *i = x->file->inode;
	const struct mount *m = x->file->path.mnt;
	const struct cred *c = &current->cred;

	x->euid = c->euid;
	x->egid = c->egid;
	if (!(m && (m->flags & MS_NOSUID)) && !current->proc->no_new_privs) {
		rwsem_read_lock(&i->lock);
		if (i->mode & S_ISUID)
			x->euid = i->uid;
		if ((i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
			x->egid = i->gid;
		rwsem_read_unlock(&i->lock);
	}
	x->secure = x->euid != c->uid || x->egid != c->gid;
}

/* A process that shares its folder and umask (CLONE_FS) must not set those of a program with rights of its own. */
static int own_fs_context(void)
{
	struct fs_context *copy;

	if (atomic_load(&current->fs->refs) == 1)
		return 0;
	copy = fs_context_fork(current->fs);
	if (!copy)
		return -ENOMEM;
	fs_context_use(copy);
	return 0;
}

/* ---- taking over ---- */

static void set_comm(struct task *t, const char *path)
{
	const char *slash = strrchr(path, '/');

	strlcpy(t->comm, slash ? slash + 1 : path, TASK_COMM_LEN);
}

static void set_ids(struct task *t, const struct exec *x)
{
	t->cred.euid = t->cred.suid = t->cred.fsuid = x->euid;
	t->cred.egid = t->cred.sgid = t->cred.fsgid = x->egid;
	cred_exec_caps(&t->cred);
	cred_changed(t);
	t->proc->dumpable = !x->secure;
}

/*
 * The task gets the new program's memory, rights and name. All at once, as whoever looks into a task sees it
 * (task_may_look): else it might reach the memory of a program that has more rights than itself.
 */
static void become(struct task *t, struct exec *x)
{
	struct mm *old = t->mm, *mm = x->mm;

	task_leave_mm(t);
	spin_lock(&tasks_lock);
	set_ids(t, x);
	set_comm(t, x->name);
	spin_lock(&t->proc->sighand_lock);
	t->mm = t->fault_mm = mm;
	spin_unlock(&t->proc->sighand_lock);
	spin_unlock(&tasks_lock);
	x->mm = NULL;
	mmu_activate(&mm->mmu);
	if (!old)
		return;
	task_note_rss(t, old);
	mm_put_user(old);
}

/* The actions that stay: other tasks might change them, so the table was only room till now. */
static void fill_sighand(struct exec *x)
{
	struct process *p = current->proc;

	spin_lock(&p->sighand_lock);
	for (int sig = 1; sig <= NSIG; sig++)
		if (sighand_action(p, sig).handler == SIG_IGN)
			x->sighand->actions[sig - 1].handler = SIG_IGN;
	spin_unlock(&p->sighand_lock);
}

/*
 * An end to the other tasks of the process. What is needed after that is there before, so that the
 * program goes on where there is no memory. It is too little only where others have opened so many files
 * meanwhile that the table has grown: then there is nobody any more to return the error to.
 */
static int leave_others(struct exec *x)
{
	struct process *p = current->proc;
	int err;

	x->sighand = sighand_create();
	if (!x->sighand)
		return -ENOMEM;
	err = fd_room_make(&x->room);
	if (!err)
		err = threads_end_others();
	if (err)
		return err;
	fill_sighand(x);
	err = fd_table_exec(&x->room);
	if (err) {
		spin_lock(&p->sighand_lock);
		signal_end_group(p, SIGKILL);
		spin_unlock(&p->sighand_lock);
	}
	return err;
}

static void commit(struct exec *x)
{
	struct task *t = current;
	struct process *p = t->proc;

	become(t, x);
	posix_timers_end(t->proc);
	signal_exec(x->sighand);
	x->sighand = NULL;
	t->personality &= ~READ_IMPLIES_EXEC;
	t->robust_list = NULL;
	t->restart = NULL;
	t->exit_signal = SIGCHLD;
	p->membarrier_private = false;
	if (x->secure) {
		t->personality &= ~ADDR_NO_RANDOMIZE;
		p->pdeath_signal = 0;
	}
	arch_exec(task_regs(t), x->image.start, x->sp);
}

static int run(struct exec *x)
{
	int err = gather_args(x);

	if (err)
		return err;
	x->file = file_open_exec(x->dirfd, x->path, x->at_flags);
	if (IS_ERR(x->file)) {
		err = (int)PTR_ERR(x->file);
		x->file = NULL;
		return err;
	}
	err = read_head(x);
	if (!err)
		err = resolve_scripts(x);
	/* A script's interpreter has others, of which it is now known what comes in front. */
	if (!err && x->nr_front) {
		exec_args_free(&x->args);
		err = gather_args(x);
	}
	if (err)
		return err;
	choose_ids(x);
	err = build_mm(x);
	if (!err && x->secure)
		err = own_fs_context();
	if (err)
		return err;
	/* Before a descriptor is closed on exec: that may be how the parent is told. */
	spin_lock(&tasks_lock);
	current->proc->did_exec = true;
	spin_unlock(&tasks_lock);
	if (thread_is_alone()) {
		x->sighand = sighand_without_handlers(current->proc);
		err = x->sighand ? fd_table_exec(&x->room) : -ENOMEM;
	} else {
		err = leave_others(x);
	}
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
	fd_room_free(&x->room);
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
