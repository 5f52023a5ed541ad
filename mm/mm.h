/*
 * An address space: areas over a tree of frames. What kernel/ and kernel/fs/ call.
 *
 * mm->lock guards the areas. Faults hold it shared; whatever changes areas, and fork, holds it
 * exclusive. Functions here take it themselves unless they say otherwise, and may sleep on it.
 */
#pragma once

#include "kernel/rwsem.h"
#include "mm/alloc.h"

struct area_set;
struct file;
struct mapping;
struct mm;

enum rss_kind {
	RSS_ANON,
	RSS_FILE,
	RSS_SHMEM,
	RSS_KINDS,
	RSS_NONE = RSS_KINDS, /* not counted: the zero page */
};

/* What one mm did; read without a lock. Machine-wide sums are in mm/stat.h. */
struct mm_stat {
	u64 cow_copy;  /* write faults that copied a frame */
	u64 cow_reuse; /* write faults in which the last owner kept its frame */
	u64 zero_fill; /* frames of zeros handed out */
};

struct mm {
	struct mmu mmu;	   /* the root, and the CPUs that walk it */
	struct page *root; /* its level-4 table; mapcount 0, refcount 1: no entry references it */
	struct rwsem lock; /* LOCK_MM */
	struct area_set *areas __guarded_by(&lock);
	struct family *family;
	struct list_head family_link __guarded; /* in family->members, by family->lock */
	struct list_head all_link;		/* in the list of all mms, mm/rmap.c's */

	/* Up to `exe`, but for brk: set by exec, before others see the mm. */
	vaddr_t mmap_base; /* mmap searches downwards from here */
	vaddr_t brk_start, brk __guarded_by(&lock);
	vaddr_t code_start, code_end, data_start, data_end;
	vaddr_t stack_start; /* the initial stack pointer */
	vaddr_t arg_start, arg_end, env_start, env_end;
	vaddr_t vdso;
	struct file *exe; /* the file executed, referenced; may be NULL. Goes with the last user. */

	u64 total_pages __guarded_by(&lock);  /* of all areas */
	u64 data_pages __guarded_by(&lock);   /* private writable, not stack: VmData */
	u64 stack_pages __guarded_by(&lock);  /* VmStk */
	u64 exec_pages __guarded_by(&lock);   /* VmExe + VmLib */
	u64 locked_pages __guarded_by(&lock); /* of VM_LOCKED areas */
	/* of VM_ACCOUNT areas: what the mm has of Committed_AS */
	u64 commit_pages __guarded_by(&lock);
	u64 peak_total __guarded_by(&lock), peak_rss;

	s64 rss[RSS_KINDS];  /* entries that map a counted frame, by kind. Atomic. */
	u64 table_frames;    /* tables referenced by this tree, shared ones too: VmPTE. Atomic. */
	struct mm_stat stat; /* atomic, each */
	/* The page behind the last one copied on write, and in the bits below how many such faults came
	 * in a row: mm/cow.c's guess. Atomic. */
	u64 streak;

	u32 refs;      /* tasks, and whoever looks through /proc. Atomic. */
	u32 users;     /* tasks alone; the last one out tears the areas down. Atomic. */
	u32 def_flags; /* VM_ bits each new area gets (mlockall) */
	bool no_aslr;
	s16 oom_score_adj;
	bool oom_victim; /* its memory is about to come back */
	u64 name;	 /* mm_name_word()'s; 0: not asked for yet. Atomic. */
};

/* Access that a fault asks for, and protection of areas: Linux's PROT_ values. */
#define PROT_READ      1u
#define PROT_WRITE     2u
#define PROT_EXEC      4u
#define PROT_GROWSDOWN 0x01000000u
#define PROT_GROWSUP   0x02000000u

enum fault_result {
	FAULT_OK,
	FAULT_MAPERR, /* no area there: SIGSEGV, SEGV_MAPERR */
	FAULT_ACCERR, /* the area forbids it: SIGSEGV, SEGV_ACCERR */
	FAULT_BUS,    /* past the file's end, or no room in its file system: SIGBUS, BUS_ADRERR */
	FAULT_OOM,    /* no frame; the caller ends somebody and retries */
};

/* The #PF handler's way in, for user and kernel accesses alike. `access` is one PROT_ bit. Counts
 * the fault in the mm. */
enum fault_result mm_fault(struct mm *mm, vaddr_t va, unsigned access);

void mm_init(void);

/* A new, empty address space for exec: a family of its own. NULL: no memory. */
struct mm *mm_create(void) __must_check;
/*
 * A copy of the parent's address space, copy-on-write as deep as vm_fork_share_level says.
 * `stack` is the user stack pointer: where both sides will write first. NULL: no memory, and nothing
 * has changed.
 */
struct mm *mm_fork(struct mm *parent, vaddr_t stack) __must_check;
/*
 * The auxiliary vector that exec laid down: MM_AUXV_WORDS words, pairs ended by AT_NULL. It is the
 * family's, so fork need not copy it. The caller holds mm->lock and finds mm->areas set.
 */
#define MM_AUXV_WORDS 48
u64 *mm_auxv(struct mm *mm) __must_hold_shared(&mm->lock);
void mm_get(struct mm *mm);	 /* one more `refs` */
void mm_put(struct mm *mm);	 /* the last one frees the struct */
void mm_get_user(struct mm *mm); /* one more task: `users` (mm_create and mm_fork hand out one) */
bool mm_get_live(struct mm *mm); /* mm_get_user() unless the areas are gone already: false */
void mm_put_user(struct mm *mm); /* the last one drops areas, tree and frames, and one `refs` */

/* As mmap(2) and its kin, with Linux's errno values, negative. Addresses come back as long. */
long mm_mmap(struct mm *mm, vaddr_t addr, u64 len, unsigned prot, unsigned flags, struct file *file,
	     u64 offset);
long mm_munmap(struct mm *mm, vaddr_t addr, u64 len);
/* As shmdt(2): unmaps what is left of the watched file that was mapped from `addr` on. */
long mm_detach(struct mm *mm, vaddr_t addr);
long mm_mprotect(struct mm *mm, vaddr_t addr, u64 len, unsigned prot);
long mm_mremap(struct mm *mm, vaddr_t old, u64 old_len, u64 new_len, unsigned flags, vaddr_t new);
long mm_brk(struct mm *mm, vaddr_t brk);
long mm_madvise(struct mm *mm, vaddr_t addr, u64 len, int advice);
long mm_msync(struct mm *mm, vaddr_t addr, u64 len, unsigned flags);
/* Fills vec, one byte a page, bit 0: resident. */
long mm_mincore(struct mm *mm, vaddr_t addr, u64 len, u8 __user *vec);
/*
 * mlock(2), munlock(2), mlockall(2), munlockall(2), but for the pages: the caller goes on with
 * mm_populate_locked(), which brings in those of locked areas in [addr, addr + len) and answers as
 * mlock(2) does where one cannot be had: -ENOMEM, -EAGAIN where memory ran out.
 */
long mm_mlock(struct mm *mm, vaddr_t addr, u64 len, bool on_fault);
long mm_munlock(struct mm *mm, vaddr_t addr, u64 len);
long mm_mlockall(struct mm *mm, unsigned flags);
long mm_munlockall(struct mm *mm);
/* mbind(2) and what get_mempolicy(2) asks of an address. 0 (or the policy), or -EFAULT where there is a hole, -ENOMEM. */
long mm_set_policy(struct mm *mm, vaddr_t start, vaddr_t end, u16 policy);
long mm_policy(struct mm *mm, vaddr_t va);
/* remap_file_pages(2), by mapping anew, with no page brought in. 0 or an errno. */
long mm_remap_file_pages(struct mm *mm, vaddr_t start, u64 len, u64 pgoff, bool populate);
/* The first address at or above va that lies in an area; USER_END: there is none. */
vaddr_t mm_next_area(struct mm *mm, vaddr_t va);
/* Faults taken, or an errno. Holds no lock on entry. */
long mm_populate_locked(struct mm *mm, vaddr_t addr, u64 len);
/* Lays the initial stack area: `size` bytes below `top`, growing down. */
long mm_map_stack(struct mm *mm, vaddr_t top, u64 size);
/* Faults [addr, addr+len) in, for writing where the areas allow it. Holds no lock on entry. */
long mm_populate(struct mm *mm, vaddr_t addr, u64 len);

/*
 * Reads or writes another address space (or one's own): /proc/pid/mem, exec's argument pages. Bytes
 * done, 0 where its last user has left, or -EFAULT.
 */
ssize_t mm_access(struct mm *mm, vaddr_t va, void *buf, size_t len, bool write);

/*
 * Names the byte at va for all who reach it: an object and an offset in it. Of shared memory that is its
 * mapping, of any other, and where the caller says `private`, the mm with va itself. Objects are named by
 * numbers, none of which comes a second time: a name stays good when what it named has gone. 0 where
 * nobody can change the byte: no area holds it, or one of anonymous memory that may not be written.
 */
u64 mm_name_word(struct mm *mm, vaddr_t va, bool private, u64 *offset);

/* What mm asks of kernel/: pages that the current task may lock (RLIMIT_MEMLOCK)... */
u64 mm_lock_limit(void);
/* ...and others of its limits, in bytes, ~0 for none. A limit is the process's, not the mm's, which a child of
 * vfork(2) shares. */
enum mm_limit { MM_LIMIT_STACK, MM_LIMIT_AS, MM_LIMIT_DATA };
u64 mm_limit(enum mm_limit which);

static inline u64 mm_rss(const struct mm *mm)
{
	s64 n = atomic_load(&mm->rss[RSS_ANON]) + atomic_load(&mm->rss[RSS_FILE]) +
		atomic_load(&mm->rss[RSS_SHMEM]);

	return n > 0 ? (u64)n : 0;
}

#define PSS_SHIFT 12

/* One page of a walk: what /proc/pid/smaps, pagemap and the audits see. */
struct page_view {
	vaddr_t va;
	pte_t pte;	   /* the leaf; never none */
	struct page *page; /* NULL for the zero page */
	u64 pss;	   /* this mm's share of the frame, in bytes << PSS_SHIFT */
	bool exclusive;	   /* nobody else reaches the frame through a table */
};
/*
 * Calls fn for each populated page of [start, end) in address order. Caller holds mm->lock shared
 * or exclusive; fn must not sleep, nor take a lock that ranks before a table's. Stops early where fn returns nonzero, and returns that.
 */
int mm_walk(struct mm *mm, vaddr_t start, vaddr_t end, int (*fn)(const struct page_view *, void *),
	    void *arg) __must_hold_shared(&mm->lock);

/* One table of a walk: what /proc/pid/pagetables sees. */
struct table_view {
	vaddr_t start;		  /* what it maps begins here */
	const struct page *table; /* locked: its level, mapcount and live entries hold still */
	bool writable;		  /* W is set in the entry that leads here; so it is of a root */
};
/* Where a table stands in a walk: those above come before what hangs below them. */
u64 table_place(vaddr_t start, unsigned level);
/*
 * Calls fn for each table of the tree whose place is `from` or later, in the order of their places.
 * Locks, and what fn may do, as for mm_walk(). Stops early where fn returns nonzero, and returns that.
 */
int mm_walk_tables(struct mm *mm, u64 from, int (*fn)(const struct table_view *, void *), void *arg)
    __must_hold_shared(&mm->lock);

/*
 * fork_share=N on the command line, /proc/sys/vm/fork_share_level: what hangs below this level of
 * the tree is shared by fork. 0 copies data too, 1 shares data frames, up to 4: all but the root.
 */
#define FORK_SHARE_MAX	TABLE_LEVELS
#define FORK_SHARE_AUTO (TABLE_LEVELS + 1) /* "auto": as mm/fork.c says */
extern int vm_fork_share_level;

/* /proc/sys/vm/cow_streak: pages that one fault may resolve in a sequential streak of writes, up to
 * 32. 1: none but its own. */
extern unsigned vm_cow_streak;
