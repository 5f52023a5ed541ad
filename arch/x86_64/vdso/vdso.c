/*
 * The vDSO's functions, which run in user mode: clocks read off the time-stamp counter as
 * arch/x86_64/clock.c reads them, and the CPU's number. What they cannot tell, the system call does.
 */
#include "arch/x86_64/segments.h"
#include "arch/x86_64/vdso/data.h"

#define EXPORT	    __attribute__((visibility("default")))
#define NSEC	    1000000000ull
#define NSEC_PER_US 1000ull
#define SYS_gettime 228
#define SYS_getres  229

/* Bits by the clocks' numbers: CLOCK_REALTIME, CLOCK_MONOTONIC, and what runs as they do. */
#define BIT_OF(n)   (1u << (n))
#define WALL_CLOCKS (BIT_OF(0) | BIT_OF(5) | BIT_OF(11))
#define BOOT_CLOCKS (BIT_OF(1) | BIT_OF(4) | BIT_OF(6) | BIT_OF(7))

struct timespec {
	s64 sec, nsec;
};

struct timeval {
	s64 sec, usec;
};

/* The linker puts it one page below this object. */
extern const struct vdso_data vdso_data __attribute__((visibility("hidden")));

EXPORT int __vdso_clock_gettime(s32 clock, struct timespec *to);
EXPORT int __vdso_clock_getres(s32 clock, struct timespec *to);
EXPORT int __vdso_gettimeofday(struct timeval *to, u64 *zone);
EXPORT s64 __vdso_time(s64 *to);
EXPORT long __vdso_getcpu(u32 *cpu, u32 *node, void *unused);

static long system_call(long nr, long a, long b)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b)
			 : "rcx", "r11", "memory");
	return result;
}

/* The fence keeps the reading behind whatever told this task that it may read. */
static u64 boot_ns(void)
{
	u32 lo, hi;

	__asm__ volatile("lfence\n\trdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (u64)((unsigned __int128)(((u64)hi << 32 | lo) - vdso_data.tsc_base) *
			 vdso_data.tsc_mult >>
		     32);
}

static u64 wall_ns(void)
{
	return boot_ns() + (u64)__atomic_load_n(&vdso_data.wall_offset_ns, __ATOMIC_RELAXED);
}

int __vdso_clock_gettime(s32 clock, struct timespec *to)
{
	u32 bit = (u32)clock < 32 ? BIT_OF(clock) : 0;
	u64 ns;

	if (bit & BOOT_CLOCKS)
		ns = boot_ns();
	else if (bit & WALL_CLOCKS)
		ns = wall_ns();
	else
		return (int)system_call(SYS_gettime, clock, (long)to);
	to->sec = (s64)(ns / NSEC);
	to->nsec = (s64)(ns % NSEC);
	return 0;
}

int __vdso_clock_getres(s32 clock, struct timespec *to)
{
	return (int)system_call(SYS_getres, clock, (long)to);
}

int __vdso_gettimeofday(struct timeval *to, u64 *zone)
{
	u64 ns = wall_ns();

	if (to) {
		to->sec = (s64)(ns / NSEC);
		to->usec = (s64)(ns % NSEC / NSEC_PER_US);
	}
	if (zone)
		*zone = 0; /* Greenwich, no summer time */
	return 0;
}

s64 __vdso_time(s64 *to)
{
	s64 now = (s64)(wall_ns() / NSEC);

	if (to)
		*to = now;
	return now;
}

long __vdso_getcpu(u32 *cpu, u32 *node, void *unused)
{
	u32 number;

	(void)unused;
	__asm__ volatile("lsl %1, %0" : "=r"(number) : "r"(CPU_SEL));
	if (cpu)
		*cpu = number;
	if (node)
		*node = 0;
	return 0;
}

#define ALIAS(name)                           \
	extern __typeof__(__vdso_##name) name \
	    __attribute__((weak, alias("__vdso_" #name), visibility("default")))

ALIAS(clock_gettime);
ALIAS(clock_getres);
ALIAS(gettimeofday);
ALIAS(time);
ALIAS(getcpu);
