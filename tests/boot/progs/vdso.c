/* The vDSO: what its functions say must be what the system calls say, on every CPU. */
#include "maps.h"
#include <elf.h>
#include <limits.h>
#include <sys/auxv.h>

/* The dynamic symbols of the object, as its own headers tell. */
struct object {
	const char *base;
	const Elf64_Sym *symbols;
	const char *strings;
	const uint32_t *hash;
	const uint16_t *versions;
	const Elf64_Verdef *definitions;
};

static const char *vdso(void)
{
	return (const char *)getauxval(AT_SYSINFO_EHDR);
}

static struct object open_object(void)
{
	struct object o = {.base = vdso()};
	const Elf64_Ehdr *head = (const void *)o.base;
	const Elf64_Phdr *ph;
	const Elf64_Dyn *dyn = NULL;

	REQUIRE(o.base && !memcmp(o.base, ELFMAG, SELFMAG) && head->e_type == ET_DYN);
	ph = (const void *)(o.base + head->e_phoff);
	for (int i = 0; i < head->e_phnum; i++) {
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(o.base + ph[i].p_vaddr);
		if (ph[i].p_type == PT_LOAD)
			EQ(ph[i].p_vaddr, ph[i].p_offset);
	}
	REQUIRE(dyn);
	for (; dyn->d_tag; dyn++) {
		const char *at = o.base + dyn->d_un.d_ptr;

		switch (dyn->d_tag) {
		case DT_SYMTAB:
			o.symbols = (const void *)at;
			break;
		case DT_STRTAB:
			o.strings = at;
			break;
		case DT_HASH:
			o.hash = (const void *)at;
			break;
		case DT_VERSYM:
			o.versions = (const void *)at;
			break;
		case DT_VERDEF:
			o.definitions = (const void *)at;
			break;
		}
	}
	REQUIRE(o.symbols && o.strings && o.versions && o.definitions);
	return o;
}

/* The name of version `index`. */
static const char *version(const struct object *o, unsigned index)
{
	const Elf64_Verdef *def = o->definitions;

	while (def->vd_ndx != index && def->vd_next)
		def = (const void *)((const char *)def + def->vd_next);
	return o->strings + ((const Elf64_Verdaux *)((const char *)def + def->vd_aux))->vda_name;
}

static void *find(const char *name)
{
	struct object o = open_object();
	/* Where there is no table of this kind, as in newer kernels, the strings follow the symbols. */
	unsigned count =
	    o.hash ? o.hash[1] : (o.strings - (const char *)o.symbols) / sizeof(*o.symbols);

	for (unsigned i = 0; i < count; i++)
		if (!strcmp(o.strings + o.symbols[i].st_name, name)) {
			CHECK(!strcmp(version(&o, o.versions[i] & 0x7fff), "LINUX_2.6"));
			return (void *)(o.base + o.symbols[i].st_value);
		}
	return NULL;
}

typedef int (*gettime_fn)(int clock, struct timespec *ts);

static long long ns(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000ll + ts->tv_nsec;
}

static long long by_call(int clock)
{
	struct timespec ts;

	EQ(syscall(SYS_clock_gettime, clock, &ts), 0);
	return ns(&ts);
}

static long long by_vdso(int clock)
{
	static gettime_fn gettime;
	struct timespec ts;

	if (!gettime)
		REQUIRE((gettime = (gettime_fn)find("__vdso_clock_gettime")));
	EQ(gettime(clock, &ts), 0);
	CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	return ns(&ts);
}

/* Asks in turn; no answer may be before the last one. */
static void check_in_turn(int clock, int times)
{
	long long last = by_call(clock);

	for (int i = 0; i < times; i++) {
		long long now = i & 1 ? by_call(clock) : by_vdso(clock);

		if (!CHECK(now >= last)) {
			say("# clock %d, step %d: %lld ns back", clock, i, last - now);
			return;
		}
		last = now;
	}
}

TEST(object)
{
	static const char *const names[] = {"__vdso_clock_gettime", "__vdso_gettimeofday",
					    "__vdso_time",	    "__vdso_getcpu",
					    "clock_gettime",	    "getcpu"};
	struct region r;

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		CHECK(find(names[i]));
	REQUIRE(region_at(vdso(), &r));
	CHECK(!strcmp(r.name, "[vdso]"));
	CHECK(!strcmp(r.perms, "r-xp"));
	EQ(r.start, vdso());
	EQ(r.inode, 0);
	REQUIRE(region_at(vdso() - PAGE, &r));
	CHECK(!strcmp(r.name, "[vvar]"));
	CHECK(!strcmp(r.perms, "r--p"));
}

/* What lies there later is called what it is. */
TEST(unmapped)
{
	char *at = (char *)vdso();
	struct region r;

	REQUIRE(region_at(at, &r));
	EQ(munmap(at, r.end - r.start), 0);
	CHECK(!region_at(at, &r));
	EQ(mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), at);
	REQUIRE(region_at(at, &r));
	CHECK(!strstr(r.name, "vdso"));
}

TEST(clocks_are_the_calls)
{
	static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};

	for (unsigned i = 0; i < sizeof(clocks) / sizeof(*clocks); i++)
		check_in_turn(clocks[i], 5000);
	check_in_turn(CLOCK_MONOTONIC_RAW, 1000);
	check_in_turn(CLOCK_PROCESS_CPUTIME_ID, 1000);
	check_in_turn(CLOCK_THREAD_CPUTIME_ID, 1000);
	by_vdso(CLOCK_REALTIME_COARSE);
	by_vdso(CLOCK_MONOTONIC_COARSE);
	/* What is no clock is the call's to refuse. */
	EQ(((gettime_fn)find("__vdso_clock_gettime"))(99, &(struct timespec){0}), -EINVAL);
	EQ(((gettime_fn)find("__vdso_clock_gettime"))(-1000, &(struct timespec){0}), -EINVAL);
}

/* The least that 1000 readings of the clock took. */
static long cost(gettime_fn gettime)
{
	long least = LONG_MAX;

	for (int round = 0; round < 20; round++) {
		long long began = by_call(CLOCK_MONOTONIC);
		struct timespec ts;
		long took;

		for (int i = 0; i < 1000; i++)
			gettime(CLOCK_MONOTONIC, &ts);
		took = by_call(CLOCK_MONOTONIC) - began;
		least = took < least ? took : least;
	}
	return least;
}

static int call_gettime(int clock, struct timespec *ts)
{
	return syscall(SYS_clock_gettime, clock, ts);
}

/* The functions read the clock by themselves. (Linux's make the call where its clock is another.) */
TEST(is_cheaper_than_the_call)
{
	gettime_fn gettime = (gettime_fn)find("__vdso_clock_gettime");
	long here, there;

	if (!on_calf())
		SKIP("a matter of the clock that Linux chose");
	REQUIRE(gettime);
	here = cost(gettime);
	there = cost(call_gettime);
	if (!CHECK(3 * here < there))
		say("# %ld ns here, %ld ns there", here, there);
}

TEST(times_of_day)
{
	int (*timeofday)(struct timeval *, void *) =
	    (int (*)(struct timeval *, void *))find("__vdso_gettimeofday");
	time_t (*time_of)(time_t *) = (time_t(*)(time_t *))find("__vdso_time");
	struct timeval a, b, c;
	int zone[2] = {9, 9};
	time_t now;

	REQUIRE(timeofday && time_of);
	EQ(syscall(SYS_gettimeofday, &a, NULL), 0);
	EQ(timeofday(&b, zone), 0);
	EQ(syscall(SYS_gettimeofday, &c, NULL), 0);
	CHECK(!timercmp(&b, &a, <) && !timercmp(&c, &b, <));
	EQ(zone[0], 0);
	EQ(zone[1], 0);
	EQ(timeofday(NULL, NULL), 0);
	BETWEEN(time_of(&now), c.tv_sec, c.tv_sec + 2);
	BETWEEN(now, c.tv_sec, c.tv_sec + 2);
	BETWEEN(time_of(NULL), now, now + 2);
}

TEST(every_cpu)
{
	long (*getcpu_of)(unsigned *, unsigned *, void *) =
	    (long (*)(unsigned *, unsigned *, void *))find("__vdso_getcpu");
	long long last = by_vdso(CLOCK_MONOTONIC);
	int cpus = 0;

	REQUIRE(getcpu_of);
	for (int round = 0; round < 50; round++)
		for (int cpu = 0; cpu < 64; cpu++) {
			unsigned at = ~0u, node = ~0u;
			long long now;

			if (pin(0, cpu))
				continue;
			cpus++;
			EQ(getcpu_of(&at, &node, NULL), 0);
			EQ(at, cpu);
			EQ(node, 0);
			now = by_vdso(CLOCK_MONOTONIC);
			CHECK(now >= last);
			last = by_call(CLOCK_MONOTONIC);
			CHECK(last >= now);
		}
	CHECK(cpus >= 50);
	EQ(getcpu_of(NULL, NULL, NULL), 0);
}

TEST(setting_the_clock_shows_at_once)
{
	long long before = by_vdso(CLOCK_REALTIME), boot = by_vdso(CLOCK_MONOTONIC);
	struct timespec to = {before / 1000000000 + 100000, 0};

	EQ(clock_settime(CLOCK_REALTIME, &to), 0);
	BETWEEN(by_vdso(CLOCK_REALTIME) - ns(&to), 0, 10000000000ll);
	check_in_turn(CLOCK_REALTIME, 100);
	to.tv_sec -= 100000;
	EQ(clock_settime(CLOCK_REALTIME, &to), 0);
	BETWEEN(by_vdso(CLOCK_REALTIME) - ns(&to), 0, 10000000000ll);
	CHECK(by_vdso(CLOCK_MONOTONIC) >= boot);
}

HELPER(magic)
{
	return memcmp(vdso(), ELFMAG, SELFMAG) != 0;
}

/* Who writes to the object writes to a copy of his own. */
TEST(private_to_who_writes_to_it)
{
	struct region r;

	/* All of it: Linux does not split it. */
	REQUIRE(region_at(vdso(), &r));
	JOIN(CHILD(REQUIRE(!mprotect((void *)r.start, r.end - r.start,
				     PROT_READ | PROT_WRITE | PROT_EXEC));
		   *(volatile char *)vdso() = 0; EQ(vdso()[0], 0)));
	EQ(memcmp(vdso(), ELFMAG, SELFMAG), 0);
	JOIN(CHILD(execl("/proc/self/exe", "vdso", "--magic", NULL); _exit(99)));
}
