/* Each way to go wrong: the signal, its si_code and its si_addr; unhandled, the wait status. */
#include "trap.h"

static long page_of(void)
{
	return (long)map_private(PAGE);
}

TEST(null_read_and_write)
{
	EQ(try_read(NULL), SIGSEGV);
	EQ(trap_code, SEGV_MAPERR);
	EQ((long)trap_addr, 0);
	EQ(try_write((void *)0x123, 1), SIGSEGV);
	EQ((long)trap_addr, 0x123);
}

TEST(kernel_addresses)
{
	EQ(try_read((void *)0xffffffff80000000), SIGSEGV);
	EQ(trap_code, SEGV_MAPERR);
	EQ((long)trap_addr, 0xffffffff80000000);
	EQ(try_write((void *)0xffff888000000000, 1), SIGSEGV);
}

TEST(non_canonical_address)
{
	EQ(try_read((void *)0x8000000000000123), SIGSEGV);
	EQ(trap_code, SI_KERNEL);
	EQ((long)trap_addr, 0);
}

TEST(read_only_and_no_access)
{
	unsigned char *p = (void *)page_of();

	EQ(mprotect(p, PAGE, PROT_READ), 0);
	EQ(try_write(p + 5, 1), SIGSEGV);
	EQ(trap_code, SEGV_ACCERR);
	EQ((long)trap_addr, (long)p + 5);
	EQ(try_read(p), 0);
	EQ(mprotect(p, PAGE, PROT_NONE), 0);
	EQ(try_read(p + 6), SIGSEGV);
	EQ(trap_code, SEGV_ACCERR);
	EQ((long)trap_addr, (long)p + 6);
}

TEST(writing_to_text)
{
	EQ(try_write((unsigned char *)page_of, 1), SIGSEGV);
	EQ(trap_code, SEGV_ACCERR);
}

TEST(jump_to_nowhere)
{
	EQ(try_call((void (*)(void))0x1234), SIGSEGV);
	EQ(trap_code, SEGV_MAPERR);
	EQ((long)trap_addr, 0x1234);
	EQ(try_call((void (*)(void))page_of()), SIGSEGV);
	EQ(trap_code, SEGV_ACCERR);
}

TEST(beyond_the_end_of_a_file)
{
	char name[] = "/tmp/faultXXXXXX";
	int fd = mkstemp(name);
	unsigned char *p;

	unlink(name);
	EQ(write(fd, "abc", 3), 3);
	p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(p != MAP_FAILED);
	EQ(try_read(p + PAGE - 1), 0);
	EQ(try_read(p + PAGE + 9), SIGBUS);
	EQ(trap_code, BUS_ADRERR);
	EQ((long)trap_addr, (long)p + PAGE + 9);
	EQ(try_write(p + 2 * PAGE, 1), SIGBUS);
	EQ(ftruncate(fd, 2 * PAGE), 0);
	EQ(try_write(p + PAGE, 1), 0);
	EQ(ftruncate(fd, 0), 0);
	EQ(try_read(p), SIGBUS); /* even what was there before */
	FAILS(write(fd, p, 1), EFAULT);
}

static void divide(void)
{
	volatile int zero = 0, r = 1;

	r /= zero;
}

static void ud2(void)
{
	__asm__ volatile("ud2");
}

static void int3(void)
{
	__asm__ volatile("int3");
}

static void halt(void)
{
	__asm__ volatile("hlt");
}

static void port(void)
{
	__asm__ volatile("outb %al, $0xf4");
}

static void cr3(void)
{
	unsigned long v;

	__asm__ volatile("mov %%cr3, %0" : "=r"(v));
}

static void int_0x21(void)
{
	__asm__ volatile("int $0x21");
}

static void overflow_int(void)
{
	__asm__ volatile("int $0x0e"); /* a page fault by hand: the gate forbids it */
}

static void bad_segment(void)
{
	__asm__ volatile("mov %0, %%fs" ::"r"(0x1234));
}

TEST(exceptions_by_instruction)
{
	EQ(try_call(divide), SIGFPE);
	EQ(trap_code, FPE_INTDIV);
	EQ(try_call(ud2), SIGILL);
	EQ(trap_code, ILL_ILLOPN);
	EQ((long)trap_addr / 64, (long)ud2 / 64);
	EQ(try_call(int3), SIGTRAP);
	EQ(trap_code, SI_KERNEL);
}

TEST(privileged_instructions)
{
	EQ(try_call(halt), SIGSEGV);
	EQ(trap_code, SI_KERNEL);
	EQ(try_call(port), SIGSEGV);
	EQ(try_call(cr3), SIGSEGV);
	EQ(try_call(int_0x21), SIGSEGV);
	EQ(try_call(overflow_int), SIGSEGV);
}

TEST(bad_segment_selector)
{
	EQ(try_call(bad_segment), SIGSEGV);
}

TEST(unhandled_ones_kill_with_their_number)
{
	static const struct {
		void (*fn)(void);
		int sig;
	} t[] = {{divide, SIGFPE}, {ud2, SIGILL}, {int3, SIGTRAP}, {halt, SIGSEGV}};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		int status = status_of(CHILD(t[i].fn()));

		CHECK(WIFSIGNALED(status));
		EQ(WTERMSIG(status), t[i].sig);
	}
}

/* A fault cannot be put off: blocked or ignored, it kills. */
TEST(blocked_or_ignored_faults_kill)
{
	sigset_t set;
	int status;

	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	status = status_of(CHILD(sigprocmask(SIG_BLOCK, &set, NULL); *(volatile int *)8 = 1));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = status_of(CHILD(signal(SIGSEGV, SIG_IGN); *(volatile int *)8 = 1));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void handler_that_faults(int sig)
{
	*(volatile int *)16 = sig;
}

TEST(fault_in_the_handler_kills)
{
	int status = status_of(CHILD(signal(SIGSEGV, handler_that_faults); *(volatile int *)8 = 1));

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST(no_room_for_the_frame_kills)
{
	int status = status_of(
	    CHILD(signal(SIGUSR1, handler_that_faults); pid_t self = getpid();
		  /* kill(2) with the stack pointer in nowhere: no frame can be laid */
		  __asm__ volatile("mov $0x1000, %%rsp; mov $62, %%eax; syscall; ud2" ::"D"(self),
				   "S"(SIGUSR1))));

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST(wild_pointers_to_calls_are_efault)
{
	static const unsigned long bad[] = {8,
					    0x7ffffffff000 - 8,
					    0xffff800000000000,
					    0xffffffff80000000,
					    0xffffffffffffff00,
					    1ul << 62};
	int fd = open("/dev/zero", O_RDWR);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		FAILS(read(fd, (void *)bad[i], 100), EFAULT);
		FAILS(open((char *)bad[i], O_RDONLY), EFAULT);
		FAILS(pipe((int *)bad[i]), EFAULT);
		FAILS(syscall(SYS_clock_gettime, CLOCK_REALTIME, bad[i]), EFAULT);
		FAILS(syscall(SYS_rt_sigprocmask, 0, bad[i], 0, 8), EFAULT);
		FAILS(syscall(SYS_execve, bad[i], 0, 0), EFAULT);
		FAILS(syscall(SYS_nanosleep, bad[i], 0), EFAULT);
	}
}

/* The trap flag: one signal an instruction, and then on. */
static volatile int steps;

static void on_step(int sig, siginfo_t *si, void *context)
{
	EQ(si->si_code, TRAP_TRACE);
	steps++;
}

TEST(single_step)
{
	struct sigaction sa = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &sa, NULL);
	__asm__ volatile("sub $128, %%rsp; pushf; orl $0x100, (%%rsp); popf; nop; nop; pushf;"
			 "andl $~0x100, (%%rsp); popf; add $128, %%rsp" ::
			     : "memory", "cc");
	BETWEEN(steps, 4, 6);
}
