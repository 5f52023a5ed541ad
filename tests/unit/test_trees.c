/*
 * Address spaces that share tables, each on a CPU of its own, all at once; built with
 * ThreadSanitizer too. test_threads.c has many threads in one address space; here each address
 * space has one thread, and what races is owning, arming, copying and dropping of the tables that
 * they share.
 *
 *	worker		Runs one process: writes and reads its pages, unmaps, protects, empties and
 *			moves them, and forks. A child goes into the nursery, from which another
 *			worker takes it over when it has ended its own process.
 *	observer	Walks the workers' trees as /proc does, and truncates a file that all map.
 *
 * What a process sees is its own business alone, so each word is known at every moment: but for
 * the shared file, where each CPU has words of its own.
 *
 *	SEED=n STEPS=n	one seed gives each thread the same decisions; how they meet is up to the
 *			host. RUNS=n: seeds for each level
 */
#include "mm/mman.h"
#include "mm/rmap.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/file.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"
#include <pthread.h>
#include <string.h>

#define WORKERS	  3 /* CPU 3 is the observer's */
#define NURSERY	  3
#define MIXED	  (FORK_SHARE_AUTO + 1)
#define PAGES	  40
#define WINDOWS	  2
#define FILES_AT  0x80000000ull
#define FILE_SIZE (8 * PAGE_SIZE)
#define CUT_AT	  0x80400000ull /* the file that is truncated: all zeros */

/* Halves of a window lie in different tables; the second in another directory of another GiB. */
static const vaddr_t window[WINDOWS] = {
    0x40200000 - PAGES / 2 * PAGE_SIZE,
    0x180000000 - PAGES / 2 * PAGE_SIZE,
};

struct process {
	struct mm *mm;
	u64 word[WINDOWS][PAGES];
	bool writable[WINDOWS][PAGES];
};

static pthread_mutex_t nursery_lock = PTHREAD_MUTEX_INITIALIZER; /* guards nursery, running */
static struct process first[WORKERS], nursery[NURSERY];
static struct mm *running[WORKERS];
/* Held over a fork where each has a level of its own: there is one knob. */
static pthread_mutex_t level_lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *cut;
static u64 steps, seed;
static int level;
static unsigned workers_left;

static vaddr_t page_at(unsigned w, unsigned page)
{
	return window[w] + page * PAGE_SIZE;
}

static void end_process(unsigned cpu, struct process *p)
{
	sim_run(cpu, NULL);
	mm_put_user(p->mm);
	p->mm = NULL;
}

static void set_running(unsigned cpu, struct mm *mm)
{
	pthread_mutex_lock(&nursery_lock);
	running[cpu] = mm;
	pthread_mutex_unlock(&nursery_lock);
	if (mm)
		sim_run(cpu, mm);
}

/* ---- what a worker does ---- */

static void touch(struct process *p, unsigned w, unsigned page)
{
	vaddr_t va = page_at(w, page) + 8;
	u64 v = 0;

	CHECK(sim_read(va, &v, sizeof(v)) == FAULT_OK);
	CHECK(v == p->word[w][page]);
	v++;
	if (!p->writable[w][page]) {
		CHECK(sim_write(va, &v, sizeof(v)) == FAULT_ACCERR);
		return;
	}
	if (rand_below(4))
		CHECK(sim_write(va, &v, sizeof(v)) == FAULT_OK);
	else
		CHECK(mm_access(p->mm, va, &v, sizeof(v), true) == sizeof(v));
	p->word[w][page] = v;
}

static void change_range(struct process *p, unsigned w)
{
	unsigned page = (unsigned)rand_below(PAGES), n = 1 + (unsigned)rand_below(PAGES - page);
	vaddr_t va = page_at(w, page);
	unsigned what = (unsigned)rand_below(4), prot = PROT_READ | PROT_WRITE;

	switch (what) {
	case 0:
		CHECK(mm_munmap(p->mm, va, n * PAGE_SIZE) == 0);
		CHECK(sim_write(va, &va, 1) == FAULT_MAPERR);
		/* fall through */
	case 1:
		CHECK(mm_mmap(p->mm, va, n * PAGE_SIZE, prot,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0) == (long)va);
		break;
	case 2:
		CHECK(mm_madvise(p->mm, va, n * PAGE_SIZE, MADV_DONTNEED) == 0);
		break;
	default:
		prot = rand_below(2) ? prot : PROT_READ;
		CHECK(mm_mprotect(p->mm, va, n * PAGE_SIZE, prot) == 0);
	}
	for (unsigned i = page; i < page + n; i++) {
		if (what < 3)
			p->word[w][i] = 0;
		if (what != 2)
			p->writable[w][i] = prot & PROT_WRITE;
	}
}

/* There and back, so that the window is whole again: entries move between shared tables. */
static void move_window(struct process *p, unsigned w)
{
	vaddr_t away = window[w] + 0x800000;
	u64 len = PAGES * PAGE_SIZE;

	CHECK(mm_mprotect(p->mm, window[w], len, PROT_READ | PROT_WRITE) == 0);
	for (unsigned i = 0; i < PAGES; i++)
		p->writable[w][i] = true;
	if (mm_mremap(p->mm, window[w], len, len, MREMAP_MAYMOVE | MREMAP_FIXED, away) ==
	    (long)away) {
		CHECK(mm_mremap(p->mm, away, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, window[w]) ==
		      (long)window[w]);
		return;
	}
	/* moved pages and new ones lie in areas of different kinds: then one page stays alone */
	touch(p, w, 0);
}

/* All of a window and so much around it that whole tables go, or whole directories. */
static void drop_window(struct process *p, unsigned w)
{
	u64 around = rand_below(2) ? level_size(2) : level_size(3);
	vaddr_t middle = window[w] + PAGES / 2 * PAGE_SIZE;

	middle = ALIGN_DOWN(middle, around);
	CHECK(mm_munmap(p->mm, middle - (w ? around : 0), around * (1 + w)) == 0);
	CHECK(mm_mmap(p->mm, window[w], PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0) == (long)window[w]);
	for (unsigned i = 0; i < PAGES; i++) {
		p->word[w][i] = 0;
		p->writable[w][i] = true;
	}
}

static void shared_step(unsigned cpu, u64 *mine)
{
	unsigned page = (unsigned)rand_below(FILE_SIZE >> PAGE_SHIFT);
	vaddr_t va = FILES_AT + page * PAGE_SIZE + cpu * 64;
	enum fault_result r;
	u64 v = 0;

	CHECK(sim_read(va, &v, sizeof(v)) == FAULT_OK);
	CHECK(v == mine[page]);
	v = ++mine[page];
	CHECK(sim_write(va, &v, sizeof(v)) == FAULT_OK);
	v = 0;
	r = sim_read(CUT_AT + page * PAGE_SIZE, &v, sizeof(v));
	CHECK(r == FAULT_BUS || (r == FAULT_OK && v == 0));
}

/* The child goes to the nursery; the one whose place it takes ends here. */
static void fork_step(unsigned cpu, struct process *p)
{
	struct process child = *p, old;
	unsigned i = (unsigned)rand_below(NURSERY);

	if (level == MIXED) {
		pthread_mutex_lock(&level_lock);
		vm_fork_share_level = (int)rand_below(FORK_SHARE_AUTO + 1);
	}
	child.mm = mm_fork(p->mm, window[0]);
	if (level == MIXED)
		pthread_mutex_unlock(&level_lock);
	CHECK(child.mm);
	pthread_mutex_lock(&nursery_lock);
	old = nursery[i];
	nursery[i] = child;
	pthread_mutex_unlock(&nursery_lock);
	if (old.mm) {
		mm_put_user(old.mm);
		sim_run(cpu, p->mm);
	}
}

static void change_process(unsigned cpu, struct process *p)
{
	struct process next;
	unsigned i = (unsigned)rand_below(NURSERY);

	pthread_mutex_lock(&nursery_lock);
	next = nursery[i];
	nursery[i].mm = NULL;
	pthread_mutex_unlock(&nursery_lock);
	if (!next.mm)
		return;
	set_running(cpu, NULL);
	end_process(cpu, p);
	*p = next;
	set_running(cpu, p->mm);
}

static void *worker(void *arg)
{
	unsigned cpu = (unsigned)(u64)arg;
	u64 shared[FILE_SIZE >> PAGE_SHIFT] = {0};
	struct process p = first[cpu];

	host_cpu = cpu;
	rand_state = (seed * 31 + cpu) * 0x9e3779b97f4a7c15ull + 1;
	set_running(cpu, p.mm);
	for (u64 i = 0; i < steps; i++) {
		unsigned w = (unsigned)rand_below(WINDOWS), n = (unsigned)rand_below(64);

		if (n < 40)
			touch(&p, w, (unsigned)rand_below(PAGES));
		else if (n < 46)
			shared_step(cpu, shared);
		else if (n < 52)
			change_range(&p, w);
		else if (n < 53)
			move_window(&p, w);
		else if (n < 54)
			drop_window(&p, w);
		else if (n < 59)
			fork_step(cpu, &p);
		else
			change_process(cpu, &p);
	}
	set_running(cpu, NULL);
	end_process(cpu, &p);
	atomic_dec(&workers_left);
	return NULL;
}

/* ---- what the observer does ---- */

struct view {
	u64 pages, pss;
};

static int count_view(const struct page_view *v, void *arg)
{
	struct view *view = arg;

	view->pages += v->page != NULL;
	view->pss += v->pss;
	return 0;
}

static void look(unsigned cpu)
{
	struct view view = {0, 0};
	struct mm *mm;

	pthread_mutex_lock(&nursery_lock);
	mm = running[cpu];
	if (mm && !mm_get_live(mm))
		mm = NULL;
	pthread_mutex_unlock(&nursery_lock);
	if (!mm)
		return;
	rwsem_read_lock(&mm->lock);
	mm_walk(mm, 0, USER_END, count_view, &view);
	rwsem_read_unlock(&mm->lock);
	CHECK(view.pss <= view.pages << (PAGE_SHIFT + PSS_SHIFT));
	mm_put_user(mm);
}

static void *observer(void *arg)
{
	(void)arg;
	rand_state = (seed * 31 + WORKERS) * 0x9e3779b97f4a7c15ull + 1;
	sim_run(WORKERS, NULL);
	while (atomic_load(&workers_left)) {
		for (unsigned cpu = 0; cpu < WORKERS; cpu++)
			look(cpu);
		CHECK(mapping_truncate(file_mapping(cut), rand_below(9) << PAGE_SHIFT) == 0);
	}
	return NULL;
}

/* ---- */

static void first_process(struct process *p)
{
	struct file *f = sim_file(FILE_SIZE, true, true);
	unsigned prot = PROT_READ | PROT_WRITE;

	memset(p, 0, sizeof(*p));
	p->mm = mm_create();
	CHECK(p->mm);
	sim_run(0, p->mm);
	CHECK(mm_mmap(p->mm, FILES_AT, FILE_SIZE, prot, MAP_SHARED | MAP_FIXED, f, 0) ==
	      (long)FILES_AT);
	CHECK(mm_mmap(p->mm, CUT_AT, FILE_SIZE, prot, MAP_PRIVATE | MAP_FIXED, cut, 0) ==
	      (long)CUT_AT);
	for (unsigned w = 0; w < WINDOWS; w++) {
		CHECK(mm_mmap(p->mm, window[w], PAGES * PAGE_SIZE, prot,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0) == (long)window[w]);
		for (unsigned i = 0; i < PAGES; i++) {
			p->writable[w][i] = true;
			if (i % 3)
				touch(p, w, i);
		}
	}
	file_put(f);
}

static void run_once(void)
{
	pthread_t threads[WORKERS], other;

	first_process(&first[0]);
	for (unsigned i = 1; i < WORKERS; i++) {
		first[i] = first[0];
		first[i].mm = mm_fork(first[0].mm, window[0]);
		CHECK(first[i].mm);
	}
	sim_run(0, NULL);
	workers_left = WORKERS;
	for (u64 i = 0; i < WORKERS; i++)
		CHECK(!pthread_create(&threads[i], NULL, worker, (void *)i));
	CHECK(!pthread_create(&other, NULL, observer, NULL));
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	pthread_join(other, NULL);
	host_cpu = 0;
	for (unsigned i = 0; i < NURSERY; i++)
		if (nursery[i].mm)
			end_process(0, &nursery[i]);
}

static void run_level(u64 first_seed, u64 runs)
{
	u64 before;

	alloc_trim();
	before = frames_free();
	for (seed = first_seed; seed < first_seed + runs; seed++) {
		tap_note("level %d, seed %lu", level, seed);
		vm_fork_share_level = level == MIXED ? FORK_SHARE_MAX : level;
		cut = sim_file(FILE_SIZE, true, true);
		run_once();
		file_put(cut);
		alloc_trim();
		CHECK(frames_free() == before && !sim_files);
	}
	tap_ok(true, "trees: level %d, %lu runs of %lu steps on %d CPUs, no frame lost", level,
	       runs, steps, WORKERS);
}

int main(void)
{
	u64 first_seed = env_number("SEED", 1), runs = env_number("RUNS", 3);
	u64 only = env_number("LEVEL", ~0ul);

	steps = env_number("STEPS", 3000);
	sim_memory_init(1, 8192);
	frames_init_zero();
	mm_init();
	for (level = 0; level <= MIXED; level++)
		if (only == ~0ul || only == (u64)level)
			run_level(first_seed, runs);
	return tap_done();
}
