/*
 * mmap and its kin against Linux's own: the same random calls, right and wrong ones, go to this
 * process and to mm/; each must end with the same errno, and after each /proc/self/maps must show
 * the same areas. Nothing is touched, so that what Linux knows of faults plays no part.
 *
 * Left out is where Linux itself has changed its mind since 6.1: moving several areas by one
 * mremap, and when mprotect takes back a promise of memory.
 */
#include "mm/area.h"
#include "mm/commit.h"
#include "mm/mman.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/file.h"
#include "tests/unit/sim/memory.h"
#include "tests/unit/sim/mmu.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define BASE   0x200000000000ul
#define PAGES  40
#define FILES  2
#define ROUNDS 60
#define STEPS  150

int memfd_create(const char *name, unsigned flags);
extern int *__errno_location(void);

static struct mm *mm;
static struct file *files[FILES]; /* one to write to, one to read alone */
static int fds[FILES];
static char doing[200];

/* ---- both at once ---- */

static long linux_call(long nr, long a, long b, long c, long d, long e, long f)
{
	long r = syscall(nr, a, b, c, d, e, f);

	return r == -1 ? -*__errno_location() : r;
}

static void compare(long ours, long theirs)
{
	if (ours != theirs)
		tap_fail("linux: %s: %ld, Linux says %ld", doing, ours, theirs);
}

#define DOING(...) snprintf(doing, sizeof(doing), __VA_ARGS__)

/* ---- the areas ---- */

static void one_line(char *to, size_t size, vaddr_t start, vaddr_t end, const char *perms,
		     u64 offset)
{
	snprintf(to, size, "%lx-%lx %s %lx", (start - BASE) >> PAGE_SHIFT,
		 (end - BASE) >> PAGE_SHIFT, perms, offset >> PAGE_SHIFT);
}

static void our_line(char *to, size_t size, const struct area *a)
{
	char perms[5] = {a->flags & VM_READ ? 'r' : '-', a->flags & VM_WRITE ? 'w' : '-',
			 a->flags & VM_EXEC ? 'x' : '-', a->flags & VM_MAYSHARE ? 's' : 'p', 0};

	one_line(to, size, a->start, a->end, perms, a->map ? a->pgoff << PAGE_SHIFT : 0);
}

/* Compares the areas in [BASE, BASE + PAGES) line by line. */
static void compare_maps(void)
{
	struct area *a = area_first(mm);
	FILE *f = fopen("/proc/self/maps", "r");
	char line[500], perms[5], ours[80], theirs[80];
	vaddr_t start, end;
	u64 offset;

	if (!f)
		tap_fail("linux: no /proc/self/maps");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %4s %lx", &start, &end, perms, &offset) != 4 ||
		    end <= BASE || start >= BASE + PAGES * PAGE_SIZE)
			continue;
		one_line(theirs, sizeof(theirs), start, end, perms, offset);
		if (!a)
			tap_fail("linux: %s: no area, Linux has %s", doing, theirs);
		our_line(ours, sizeof(ours), a);
		if (strcmp(ours, theirs))
			tap_fail("linux: %s: area %s, Linux has %s", doing, ours, theirs);
		a = area_next(a);
	}
	fclose(f);
	if (a)
		tap_fail("linux: %s: an area at page %lu, Linux has none", doing,
			 (a->start - BASE) >> PAGE_SHIFT);
}

/* ---- the calls ---- */

struct range {
	vaddr_t at;
	u64 len;
};

/* Most often whole pages inside the region; at times not aligned, or empty. */
static struct range choose_range(void)
{
	u64 first = rand_below(PAGES), n = 1 + rand_below(rand_below(3) ? 6 : PAGES);
	struct range r = {BASE + first * PAGE_SIZE, min(n, PAGES - first) * PAGE_SIZE};

	switch (rand_below(40)) {
	case 0:
		r.at += 1 + rand_below(PAGE_SIZE - 1);
		r.len = min(r.len, (u64)PAGE_SIZE);
		break;
	case 1:
		r.len -= rand_below(PAGE_SIZE);
		break;
	case 2:
		r.len = 0;
		break;
	default:
		break;
	}
	if (r.at + r.len > BASE + PAGES * PAGE_SIZE)
		r.len = BASE + PAGES * PAGE_SIZE - r.at;
	return r;
}

static unsigned choose_prot(void)
{
	return rand_below(3) ? PROT_READ | PROT_WRITE : (unsigned)rand_below(8);
}

static void call_mmap(void)
{
	static const unsigned types[] = {
	    MAP_PRIVATE, MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED, MAP_SHARED_VALIDATE, 0};
	struct range r = choose_range();
	unsigned prot = choose_prot(), flags = types[rand_below(ARRAY_SIZE(types))], n = 0;
	unsigned fixed = rand_below(8) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	u64 offset = rand_below(20) * PAGE_SIZE;
	/* Which of two errors is told is no promise: a file may be refused for its own reasons. */
	bool file = fixed == MAP_FIXED && rand_below(3) == 0;

	if (file)
		n = (unsigned)rand_below(FILES), r.at &= PAGE_MASK;
	else if ((flags & MAP_TYPE) == MAP_PRIVATE)
		flags |= MAP_ANONYMOUS | MAP_NORESERVE;
	else
		return; /* each shared anonymous mapping is a file of its own: nothing ever merges */
	DOING("mmap page %ld len %#lx prot %u flags %#x file %d offset %#lx",
	      (long)(r.at - BASE) >> PAGE_SHIFT, r.len, prot, flags | fixed, file ? (int)n : -1,
	      offset);
	compare(mm_mmap(mm, r.at, r.len, prot, flags | fixed, file ? files[n] : NULL,
			file ? offset : 0),
		linux_call(SYS_mmap, (long)r.at, (long)r.len, prot, flags | fixed,
			   file ? fds[n] : -1, file ? (long)offset : 0));
}

static void call_munmap(void)
{
	struct range r = choose_range();

	DOING("munmap %#lx len %#lx", r.at - BASE, r.len);
	compare(mm_munmap(mm, r.at, r.len),
		linux_call(SYS_munmap, (long)r.at, (long)r.len, 0, 0, 0, 0));
}

static void call_mprotect(void)
{
	struct range r = choose_range();
	unsigned prot = rand_below(30) ? choose_prot() : (unsigned)rand64() & 0x1f;

	DOING("mprotect %#lx len %#lx prot %#x", r.at - BASE, r.len, prot);
	compare(mm_mprotect(mm, r.at, r.len, prot),
		linux_call(SYS_mprotect, (long)r.at, (long)r.len, prot, 0, 0, 0));
}

static void call_madvise(void)
{
	static const int advices[] = {MADV_NORMAL,
				      MADV_RANDOM,
				      MADV_SEQUENTIAL,
				      MADV_WILLNEED,
				      MADV_DONTNEED,
				      MADV_FREE,
				      MADV_DONTFORK,
				      MADV_DOFORK,
				      MADV_WIPEONFORK,
				      MADV_KEEPONFORK,
				      MADV_DONTDUMP,
				      MADV_DODUMP,
				      MADV_COLD,
				      5,
				      7,
				      99};
	struct range r = choose_range();
	int advice = advices[rand_below(ARRAY_SIZE(advices))];

	DOING("madvise %#lx len %#lx advice %d", r.at - BASE, r.len, advice);
	compare(mm_madvise(mm, r.at, r.len, advice),
		linux_call(SYS_madvise, (long)r.at, (long)r.len, advice, 0, 0, 0));
}

static void call_msync(void)
{
	struct range r = choose_range();
	unsigned flags = (unsigned)rand_below(16);

	DOING("msync %#lx len %#lx flags %u", r.at - BASE, r.len, flags);
	compare(mm_msync(mm, r.at, r.len, flags),
		linux_call(SYS_msync, (long)r.at, (long)r.len, flags, 0, 0, 0));
}

static void call_mremap(void)
{
	struct range r = choose_range(), to = choose_range();
	unsigned flags = rand_below(2) ? MREMAP_MAYMOVE | MREMAP_FIXED : 0;
	const struct area *a = area_at(mm, r.at & PAGE_MASK);

	if (!rand_below(4))
		to.len = r.len;
	if (flags && rand_below(6) == 0)
		flags |= MREMAP_DONTUNMAP;
	if (!rand_below(30))
		flags ^= MREMAP_MAYMOVE;
	if (flags & MREMAP_MAYMOVE && !(flags & MREMAP_FIXED))
		return; /* each kernel would choose a place of its own */
	if (flags && (!a || ALIGN_UP(r.at + r.len, PAGE_SIZE) > a->end))
		return;
	if ((flags & MREMAP_FIXED ? to.at : r.at) + to.len > BASE + PAGES * PAGE_SIZE)
		return;
	DOING("mremap %#lx len %#lx to len %#lx flags %u at %#lx", r.at - BASE, r.len, to.len,
	      flags, to.at - BASE);
	compare(
	    mm_mremap(mm, r.at, r.len, to.len, flags, to.at),
	    linux_call(SYS_mremap, (long)r.at, (long)r.len, (long)to.len, flags, (long)to.at, 0));
}

static void step(void)
{
	switch (rand_below(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		call_mmap();
		break;
	case 4:
		call_munmap();
		break;
	case 5:
	case 6:
		call_mprotect();
		break;
	case 7:
	case 8:
		call_madvise();
		break;
	case 9:
		call_msync();
		break;
	default:
		call_mremap();
		break;
	}
	compare_maps();
}

static void open_files(void)
{
	char path[40];

	fds[0] = memfd_create("calf", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	fds[1] = open(path, O_RDONLY);
	if (fds[0] < 0 || fds[1] < 0 || ftruncate(fds[0], 64 * PAGE_SIZE))
		tap_fail("linux: no memfd here");
	files[0] = sim_file(64 * PAGE_SIZE, true, true);
	files[1] = sim_file(64 * PAGE_SIZE, true, false);
}

/* Older ones differ in what is not Calf's to follow. */
static bool is_linux_6(void)
{
	struct utsname u;

	return !uname(&u) && !strcmp(u.sysname, "Linux") && atoi(u.release) >= 6;
}

int main(void)
{
	u64 rounds = env_number("RUNS", ROUNDS);

	if (!is_linux_6()) {
		tap_ok(true, "linux: # SKIP this machine runs no Linux 6");
		return tap_done();
	}

	rand_seed(1);
	sim_memory_init(1, 4096);
	frames_init_zero();
	mm_init();
	vm_overcommit_memory = 1;
	open_files();
	for (u64 i = 0; i < rounds; i++) {
		mm = mm_create();
		CHECK(mm);
		for (unsigned n = 0; n < STEPS; n++)
			step();
		mm_put_user(mm);
		linux_call(SYS_munmap, BASE, PAGES * PAGE_SIZE, 0, 0, 0, 0);
	}
	file_put(files[0]);
	file_put(files[1]);
	tap_ok(true, "linux: %lu calls end as Linux's do, and leave the same areas",
	       rounds * STEPS);
	return tap_done();
}
