/* SSE, x87 and AVX state: each task's own, over fork, signals, preemption and exec. */
#include "tap.h"
#include <cpuid.h>

typedef unsigned char bytes32[32] __attribute__((aligned(32)));

static bool have_avx(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & (1 << 28)) && (c & (1 << 27));
}

/* All 16 registers at once, so that nothing in between can borrow one. */
#define EACH(X) \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static void set_xmm(const unsigned char *v)
{
#define LOAD(n) "movups " #n "*16(%0), %%xmm" #n "\n\t"
	__asm__ volatile(EACH(LOAD)::"r"(v)
			 : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static void get_xmm(unsigned char *v)
{
#define STORE(n) "movups %%xmm" #n ", " #n "*16(%0)\n\t"
	__asm__ volatile(EACH(STORE)::"r"(v) : "memory");
}

static void set_ymm(const unsigned char *v)
{
#define LOADY(n) "vmovups " #n "*32(%0), %%ymm" #n "\n\t"
	__asm__ volatile(EACH(LOADY)::"r"(v)
			 : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static void get_ymm(unsigned char *v)
{
#define STOREY(n) "vmovups %%ymm" #n ", " #n "*32(%0)\n\t"
	__asm__ volatile(EACH(STOREY)::"r"(v) : "memory");
}

static unsigned char in[512] __attribute__((aligned(64))), out[512] __attribute__((aligned(64)));

static void pattern(unsigned salt)
{
	for (int i = 0; i < 512; i++)
		in[i] = i * 13 + salt;
}

/* A system call by hand, so that no library code touches the registers in between. */
static inline long raw(long nr, long a, long b, long c)
{
	long r = nr;

	__asm__ volatile("syscall"
			 : "+a"(r)
			 : "D"(a), "S"(b), "d"(c)
			 : "rcx", "r8", "r9", "r10", "r11", "memory");
	return r;
}

TEST(xmm_over_fork)
{
	long pid;
	int status;

	pattern(1);
	set_xmm(in);
	pid = raw(SYS_fork, 0, 0, 0);
	get_xmm(out);
	if (pid == 0) {
		CHECK(!memcmp(in, out, 256));
		pattern(9);
		set_xmm(in);
		raw(SYS_sched_yield, 0, 0, 0);
		get_xmm(out);
		CHECK(!memcmp(in, out, 256));
		_exit(tap_failed);
	}
	CHECK(!memcmp(in, out, 256));
	set_xmm(in);
	raw(SYS_wait4, pid, (long)&status, 0);
	get_xmm(out);
	CHECK(!memcmp(in, out, 256));
	EQ(status, 0);
}

TEST(ymm_over_fork)
{
	long pid;
	int status;

	if (!have_avx())
		SKIP("no AVX");
	pattern(3);
	set_ymm(in);
	pid = raw(SYS_fork, 0, 0, 0);
	get_ymm(out);
	CHECK(!memcmp(in, out, 512));
	if (pid == 0)
		_exit(tap_failed);
	set_ymm(in);
	raw(SYS_wait4, pid, (long)&status, 0);
	get_ymm(out);
	CHECK(!memcmp(in, out, 512));
	EQ(status, 0);
}

/* Spins with its own pattern in the registers for a while, so that preemption falls into it. */
static void spin(unsigned salt, bool wide)
{
	long end = now_ms() + 120;

	pattern(salt);
	do {
		if (wide)
			set_ymm(in);
		else
			set_xmm(in);
		for (volatile int i = 0; i < 20000; i++)
			;
		if (wide)
			get_ymm(out);
		else
			get_xmm(out);
		if (!CHECK(!memcmp(in, out, wide ? 512 : 256)))
			return;
	} while (now_ms() < end);
}

TEST(preemption_keeps_them_apart)
{
	pid_t pids[4];

	for (int i = 0; i < 4; i++)
		pids[i] = CHILD(spin(10 * i + 1, i % 2 && have_avx()));
	for (int i = 0; i < 4; i++)
		JOIN(pids[i]);
}

static volatile int hits;

static void clobber(int sig)
{
	static unsigned char junk[512] __attribute__((aligned(64)));

	memset(junk, 0xaa, sizeof(junk));
	if (have_avx())
		set_ymm(junk);
	else
		set_xmm(junk);
	__asm__ volatile("fninit; fldz; fldpi");
	hits++;
}

TEST(a_handler_that_uses_them)
{
	bool wide = have_avx();
	double x;

	signal(SIGUSR1, clobber);
	pattern(5);
	__asm__ volatile("fld1; fld1; faddp");
	if (wide)
		set_ymm(in);
	else
		set_xmm(in);
	raw(SYS_kill, raw(SYS_getpid, 0, 0, 0), SIGUSR1, 0);
	if (wide)
		get_ymm(out);
	else
		get_xmm(out);
	__asm__ volatile("fstpl %0" : "=m"(x));
	EQ(hits, 1);
	CHECK(!memcmp(in, out, wide ? 512 : 256));
	CHECK(x == 2.0);
}

TEST(a_handler_by_timer_while_busy)
{
	struct itimerval every = {{0, 3000}, {0, 3000}}, off = {{0, 0}, {0, 0}};

	signal(SIGALRM, clobber);
	setitimer(ITIMER_REAL, &every, NULL);
	spin(77, have_avx());
	setitimer(ITIMER_REAL, &off, NULL);
	CHECK(hits > 3);
}

TEST(control_words_over_fork_and_handlers)
{
	unsigned mxcsr = 0x1f80 | 0x6000, now; /* round to zero */
	unsigned short cw = 0x0f7f, seen;

	__asm__ volatile("ldmxcsr %0; fldcw %1" ::"m"(mxcsr), "m"(cw));
	signal(SIGUSR1, clobber);
	raise(SIGUSR1);
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(now), "=m"(seen));
	EQ(now & 0x6000, 0x6000);
	EQ(seen, cw);
	JOIN(CHILD(__asm__ volatile("stmxcsr %0; fnstcw %1"
				    : "=m"(now), "=m"(seen));
		   EQ(now & 0x6000, 0x6000); EQ(seen, cw)));
}

HELPER(fresh)
{
	unsigned mxcsr;
	unsigned short cw;

	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(cw));
	EQ(mxcsr, 0x1f80);
	EQ(cw, 0x37f);
	return tap_failed;
}

TEST(exec_starts_afresh)
{
	unsigned mxcsr = 0x1f80 | 0x6000;
	unsigned short cw = 0x0f7f;

	JOIN(CHILD(__asm__ volatile("ldmxcsr %0; fldcw %1" ::"m"(mxcsr), "m"(cw));
		   execl("/proc/self/exe", "fpu", "--fresh", NULL)));
}

TEST(thread_pointer_over_fork)
{
	unsigned long fs = 0, child = 0;

	EQ(syscall(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, &fs), 0);
	CHECK(fs != 0);
	JOIN(CHILD(EQ(syscall(SYS_arch_prctl, 0x1003, &child), 0); EQ(child, fs); errno = 5;
		   sched_yield(); EQ(errno, 5)));
}

TEST(gs_base_is_each_tasks_own)
{
	unsigned long gs = 0;
	static int words[2] = {11, 22};

	EQ(syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, &words[0]), 0);
	JOIN(CHILD(int v; __asm__ volatile("mov %%gs:0, %0"
					   : "=r"(v));
		   EQ(v, 11); EQ(syscall(SYS_arch_prctl, 0x1001, &words[1]), 0); sched_yield();
		   __asm__ volatile("mov %%gs:0, %0"
				    : "=r"(v));
		   EQ(v, 22)));
	EQ(syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &gs), 0);
	EQ(gs, (long)&words[0]);
	FAILS(syscall(SYS_arch_prctl, 0x1002, 1ul << 63), EPERM);
	FAILS(syscall(SYS_arch_prctl, 0x7777, 0), EINVAL);
}

TEST(direction_and_arithmetic_flags_over_fork)
{
	unsigned long flags;
	long pid;
	int status;

	/* carry set at the fork, in parent and child */
	__asm__ volatile("stc; mov $57, %%eax; syscall; pushf; pop %1"
			 : "=a"(pid), "=r"(flags)::"rcx", "r11", "memory", "cc");
	CHECK(flags & 1);
	if (pid == 0)
		_exit(flags & 1 ? 0 : 1);
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 0);
}
