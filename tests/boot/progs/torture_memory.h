/*
 * The memory that torture.c works on, and what is done to it.
 *
 *	slot	SLOT_PAGES pages that one thread at a time changes, and for each of them what is to be read
 *		there. Slots lie side by side at a fixed address, which mmap(2) gives to nobody who leaves the
 *		choice to it, so that they share page tables and holes stay holes.
 *	mirror	a second place of the same size for each slot, where mremap(2) moves pages to and back.
 *	common	pages that all threads of a process write to, each to words of its own.
 *
 * A slot is part of its process: a forked child has its own, and whoever forks is the slot's thread, so
 * in the child it is as it was. Of another thread's slot nothing is known there; a child makes it anew.
 * Every choice comes from the slot's random numbers, so a seed makes each thread do the same again.
 */
#pragma once

#include "thread.h"

#include <setjmp.h>
#include <signal.h>

enum { SLOTS = 4, SLOT_PAGES = 192, COMMON_PAGES = 3, KIDS = 2 };

#define ARENA  ((char *)0x1000003000)
#define COMMON (ARENA + SLOTS * SLOT_PAGES * PAGE)
#define MIRROR 0x10005000ul /* from a slot to its mirror */
#define GONE   0x80	    /* a page's protection where there is none */

/* What all processes of a run have in common. */
static struct run {
	volatile long end; /* now_ms() when nobody begins anything more */
	volatile int bad;
	volatile int actions, processes, threads, spawned;
} * run;

#define COUNT(what) __atomic_add_fetch(&run->what, 1, __ATOMIC_RELAXED)

struct kid {
	pid_t pid;
	int status; /* what it ends with, as wait(2) says it */
	bool killed, does_exec;
	bool lasts; /* until it is killed */
};

struct slot {
	char *base;
	uint64_t random, stamp;
	volatile int tid; /* 0: nobody works on it */
	volatile int signals;
	int index, nr_kids;
	int pipe[2];
	struct kid kids[KIDS];
	uint64_t counts[COMMON_PAGES];
	uint64_t want[SLOT_PAGES]; /* the first and the last word of each page */
	uint8_t prot[SLOT_PAGES];
};
static struct slot slots[SLOTS];
static __thread struct slot *me;

/* What was seen and may not be: the run fails, and goes on. */
#define COMPLAIN(...)             \
	do {                      \
		COUNT(bad);       \
		say(__VA_ARGS__); \
	} while (0)

static bool goes(void)
{
	return now_ms() < run->end;
}

static uint64_t draw_word(struct slot *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random * 0x2545f4914f6cdd1dul;
}

/* One of 0..n-1. */
static int draw(struct slot *s, int n)
{
	return (int)((draw_word(s) >> 33) % n);
}

/* ---- faults ---- */

static __thread sigjmp_buf probe;
static __thread volatile int probing;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	char *at = info->si_addr;

	if (at >= COMMON && at < COMMON + COMMON_PAGES * PAGE)
		return; /* a colleague has it read-only for a moment */
	if (probing)
		siglongjmp(probe, 1);
	COMPLAIN("# %d faults at %p, which it may touch", tid_now(), at);
	_exit(1);
}

static bool faults(volatile uint64_t *p, bool store)
{
	bool faulted = true;

	if (!sigsetjmp(probe, 1)) {
		probing = 1;
		if (store)
			*p = 0xbad;
		else
			(void)*p;
		faulted = false;
	}
	probing = 0;
	return faulted;
}

/* ---- pages ---- */

struct range {
	int first, n;
};

static volatile uint64_t *page_at(const struct slot *s, int i)
{
	return (volatile uint64_t *)(s->base + i * PAGE);
}

/* Pages that are there, from a random one on: n of them, 0 where that one is gone. */
static struct range some(struct slot *s)
{
	struct range r = {draw(s, SLOT_PAGES), 0};
	int most = draw(s, 8) ? 24 : SLOT_PAGES;

	most = 1 + draw(s, most);
	while (r.n < most && r.first + r.n < SLOT_PAGES && s->prot[r.first + r.n] != GONE)
		r.n++;
	return r;
}

/* A value that no process and no slot ever had. */
static uint64_t fresh_value(struct slot *s)
{
	return (uint64_t)getpid() << 40 | (uint64_t)s->index << 36 | ++s->stamp;
}

static void store(struct slot *s, int i)
{
	volatile uint64_t *p = page_at(s, i);

	p[0] = p[511] = s->want[i] = fresh_value(s);
}

static void check(const struct slot *s, int i, const volatile uint64_t *p)
{
	if (s->prot[i] & PROT_READ && !(s->prot[i] & GONE) &&
	    (p[0] != s->want[i] || p[511] != s->want[i]))
		COMPLAIN("# %d, slot %d, page %d at %p: %lx and %lx, not %lx", getpid(), s->index,
			 i, (void *)p, p[0], p[511], s->want[i]);
}

static void store_some(struct slot *s)
{
	struct range r = some(s);

	for (int i = r.first; i < r.first + r.n; i++)
		if (s->prot[i] & PROT_WRITE)
			store(s, i);
}

static void check_some(struct slot *s)
{
	struct range r = some(s);

	for (int i = r.first; i < r.first + r.n; i++)
		check(s, i, page_at(s, i));
}

static void check_slot(struct slot *s)
{
	for (int i = 0; i < SLOT_PAGES; i++)
		check(s, i, page_at(s, i));
}

static void drop_some(struct slot *s)
{
	struct range r = some(s);

	if (!r.n)
		return;
	if (madvise(s->base + r.first * PAGE, r.n * PAGE, MADV_DONTNEED))
		COMPLAIN("# madvise: errno %d", errno);
	for (int i = r.first; i < r.first + r.n; i++) {
		s->want[i] = 0;
		check(s, i, page_at(s, i));
	}
}

static void set_range(struct slot *s, struct range r, uint8_t prot)
{
	for (int i = r.first; i < r.first + r.n; i++)
		s->prot[i] = prot;
}

static void unmap_some(struct slot *s)
{
	struct range r = some(s);

	if (r.n && munmap(s->base + r.first * PAGE, r.n * PAGE))
		COMPLAIN("# munmap: errno %d", errno);
	set_range(s, r, GONE);
}

/* Whatever was there gives way. */
static void map_range(struct slot *s, struct range r)
{
	char *at = s->base + r.first * PAGE;

	if (mmap(at, r.n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != at)
		COMPLAIN("# mmap: errno %d", errno);
	set_range(s, r, PROT_READ | PROT_WRITE);
	for (int i = r.first; i < r.first + r.n; i++)
		s->want[i] = 0;
}

static void map_some(struct slot *s)
{
	struct range r = {draw(s, SLOT_PAGES), 1 + draw(s, 48)};

	while (r.first < SLOT_PAGES - 1 && s->prot[r.first] != GONE)
		r.first++;
	if (r.n > SLOT_PAGES - r.first)
		r.n = SLOT_PAGES - r.first;
	map_range(s, r);
}

static void protect_some(struct slot *s)
{
	static const uint8_t kinds[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
					PROT_READ | PROT_WRITE};
	struct range r = some(s);
	uint8_t prot = kinds[draw(s, 4)];

	if (r.n && mprotect(s->base + r.first * PAGE, r.n * PAGE, prot))
		COMPLAIN("# mprotect: errno %d", errno);
	set_range(s, r, prot);
}

static bool move(char *from, char *to, size_t len)
{
	void *at = mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);

	if (at == MAP_FAILED && errno != EFAULT) /* several areas, which mremap(2) refuses */
		COMPLAIN("# mremap: errno %d", errno);
	return at == to;
}

/* To the mirror and back, and written to there. */
static void move_some(struct slot *s)
{
	struct range r = some(s);
	size_t len = r.n * PAGE;
	char *from = s->base + r.first * PAGE, *to = from + MIRROR;

	if (!r.n || !move(from, to, len))
		return;
	for (int i = r.first; i < r.first + r.n; i++) {
		volatile uint64_t *p = page_at(s, i) + MIRROR / sizeof(*p);

		check(s, i, p);
		if (s->prot[i] & PROT_WRITE && i % 2)
			p[0] = p[511] = s->want[i] = fresh_value(s);
	}
	if (!faults(page_at(s, r.first), false))
		COMPLAIN("# %p is there though it was moved", from);
	if (!move(to, from, len))
		COMPLAIN("# mremap, back: errno %d", errno);
}

/* The kernel's own reads and writes. */
static void call_reads(struct slot *s)
{
	int i = draw(s, SLOT_PAGES);
	bool may = s->prot[i] != GONE && s->prot[i] & PROT_READ;
	uint64_t seen = 0;
	ssize_t n = write(s->pipe[1], (void *)page_at(s, i), sizeof(seen));

	if (n != (may ? (ssize_t)sizeof(seen) : -1))
		COMPLAIN("# write(2) from page %d: %ld, errno %d", i, n, errno);
	else if (may &&
		 (read(s->pipe[0], &seen, sizeof(seen)) != sizeof(seen) || seen != s->want[i]))
		COMPLAIN("# write(2) from page %d saw %lx, not %lx", i, seen, s->want[i]);
}

static void call_writes(struct slot *s)
{
	int i = draw(s, SLOT_PAGES);
	bool may = s->prot[i] != GONE && s->prot[i] & PROT_WRITE;
	uint64_t value = fresh_value(s);
	ssize_t n;

	if (write(s->pipe[1], &value, sizeof(value)) != sizeof(value))
		COMPLAIN("# write(2): errno %d", errno);
	n = read(s->pipe[0], (void *)page_at(s, i), sizeof(value));
	if (n != (may ? (ssize_t)sizeof(value) : -1))
		COMPLAIN("# read(2) to page %d: %ld, errno %d", i, n, errno);
	if (n < 0 && read(s->pipe[0], &value, sizeof(value)) != sizeof(value))
		COMPLAIN("# read(2): errno %d", errno);
	if (may) {
		if (page_at(s, i)[511] != s->want[i])
			COMPLAIN("# read(2) to page %d lost its end", i);
		s->want[i] = value;
		page_at(s, i)[511] = value;
		check(s, i, page_at(s, i));
	}
}

static void touch_wrongly(struct slot *s)
{
	int i = draw(s, SLOT_PAGES);
	bool stores = draw(s, 2);
	uint8_t need = stores ? PROT_WRITE : PROT_READ;

	if (s->prot[i] != GONE && s->prot[i] & need)
		return;
	if (!faults(page_at(s, i), stores))
		COMPLAIN("# page %d of slot %d, protection %x, can be touched", i, s->index,
			 s->prot[i]);
}

/* ---- what all threads of a process write to ---- */

static volatile uint64_t *common_word(const struct slot *s, int page)
{
	return (volatile uint64_t *)(COMMON + page * PAGE) + s->index * 8;
}

static void count_in_common(struct slot *s)
{
	int page = draw(s, COMMON_PAGES);

	for (int i = draw(s, 200); i >= 0; i--) {
		volatile uint64_t *word = common_word(s, page);

		if (*word != s->counts[page])
			COMPLAIN("# %d, slot %d lost a store: %lx, not %lx", getpid(), s->index,
				 *word, s->counts[page]);
		*word = s->counts[page] = fresh_value(s);
	}
}

/* The others' stores fault meanwhile, and are done again. */
static void protect_common(struct slot *s)
{
	char *at = COMMON + draw(s, COMMON_PAGES) * PAGE;

	if (mprotect(at, PAGE, PROT_READ) || mprotect(at, PAGE, PROT_READ | PROT_WRITE))
		COMPLAIN("# mprotect: errno %d", errno);
}

/*
 * In a child, by the one thread that it has: no store of the parent's threads shows, then or later.
 * One of them may have been within protect_common().
 */
static void common_holds_still(struct slot *s)
{
	uint64_t seen[COMMON_PAGES][SLOTS];

	if (mprotect(COMMON, COMMON_PAGES * PAGE, PROT_READ | PROT_WRITE))
		COMPLAIN("# mprotect in a child: errno %d", errno);
	for (int round = 0; round < 3; round++) {
		for (int page = 0; page < COMMON_PAGES; page++)
			for (int i = 0; i < SLOTS; i++) {
				uint64_t value = *common_word(&slots[i], page);

				if (round && value != seen[page][i])
					COMPLAIN("# a child sees %lx, which its parent wrote later",
						 value);
				seen[page][i] = value;
			}
		sched_yield();
	}
	for (int page = 0; page < COMMON_PAGES; page++)
		if (seen[page][s->index] != s->counts[page])
			COMPLAIN("# a child lacks a store: %lx, not %lx", seen[page][s->index],
				 s->counts[page]);
}

/* ---- a slot's beginning ---- */

static void slot_pipe(struct slot *s)
{
	if (s->base) {
		close(s->pipe[0]);
		close(s->pipe[1]);
	}
	if (pipe2(s->pipe, O_CLOEXEC | O_NONBLOCK))
		COMPLAIN("# pipe2: errno %d", errno);
}

/* Empty, with random numbers of its own. By the process's only thread. */
static void slot_renew(struct slot *s, int index, uint64_t seed)
{
	slot_pipe(s);
	s->base = ARENA + index * SLOT_PAGES * PAGE;
	s->index = index;
	s->random = (seed + index) * 0x9e3779b97f4a7c15ul | 1;
	s->tid = s->nr_kids = 0;
	map_range(s, (struct range){0, SLOT_PAGES});
	munmap(s->base + MIRROR, SLOT_PAGES * PAGE); /* a move that the fork cut in two */
	for (int page = 0; page < COMMON_PAGES; page++)
		s->counts[page] = *common_word(s, page);
}
