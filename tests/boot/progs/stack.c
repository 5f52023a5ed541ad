/* The stack grows on demand, keeps its distance to what lies below, and ends at its limit. */
#include "maps.h"
#include "trap.h"

static __attribute__((noinline)) long deep(int frames)
{
	unsigned char here[3000];
	long below;

	here[0] = 1;
	__asm__ volatile("" ::"r"(here) : "memory");
	below = frames ? deep(frames - 1) : 0;
	__asm__ volatile("" ::"r"(here) : "memory");
	return below + (frames ? here[0] : 0);
}

TEST(grows_by_use)
{
	struct region before, after;

	REQUIRE(region_named("[stack]", &before));
	EQ(deep(700), 700);
	REQUIRE(region_named("[stack]", &after));
	EQ(after.end, before.end);
	CHECK(after.start < before.start - MIB);
}

TEST(grows_apart_after_fork)
{
	EQ(deep(300), 300);
	JOIN(CHILD(EQ(deep(600), 600)));
	EQ(deep(600), 600);
}

static void overflow(void)
{
	deep(1 << 30);
}

TEST(overflow_is_a_signal_on_the_alternate_stack)
{
	struct rlimit small = {MIB, RLIM_INFINITY};
	struct sigaction sa = {.sa_sigaction = trap_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t ss = {.ss_sp = map_private(16 * PAGE), .ss_size = 16 * PAGE};
	struct region r;

	EQ(setrlimit(RLIMIT_STACK, &small), 0);
	EQ(sigaltstack(&ss, NULL), 0);
	sigaction(SIGSEGV, &sa, NULL);
	if (!sigsetjmp(trap_out, 1)) {
		overflow();
		CHECK(!"an endless stack");
	}
	EQ(trap_code, SEGV_MAPERR);
	REQUIRE(region_named("[stack]", &r));
	CHECK(r.end - r.start <= MIB);
	CHECK((unsigned long)trap_addr < r.start && (unsigned long)trap_addr > r.start - 64 * PAGE);
}

TEST(overflow_without_one_kills)
{
	int status =
	    status_of(CHILD(struct rlimit small = {MIB, RLIM_INFINITY};
			    setrlimit(RLIMIT_STACK, &small); signal(SIGSEGV, SIG_DFL); overflow()));

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* Linux keeps 256 pages between a growing stack and the area below it. */
TEST(guard_gap)
{
	struct region r;
	unsigned char *low, *wall;

	REQUIRE(region_named("[stack]", &r));
	low = (unsigned char *)r.start;
	wall = mmap(low - 300 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	REQUIRE(wall != MAP_FAILED);
	EQ(try_write(low - 20 * PAGE, 1), 0);
	EQ(try_write(low - 42 * PAGE, 1), 0);
	EQ(try_write(low - 60 * PAGE, 1), SIGSEGV);
	EQ(try_write(low - 298 * PAGE, 1), SIGSEGV);
	EQ(try_write(wall, 1), 0);
}

TEST(none_below_does_not_count_as_a_wall)
{
	struct region r;
	unsigned char *low;

	REQUIRE(region_named("[stack]", &r));
	low = (unsigned char *)r.start;
	REQUIRE(mmap(low - 100 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		     0) != MAP_FAILED);
	EQ(try_write(low - 90 * PAGE, 1), 0);
	EQ(try_write(low - 100 * PAGE, 1), SIGSEGV);
}

TEST(kernel_grows_it_as_well)
{
	struct region r;
	int fd = open("/dev/zero", O_RDONLY);

	REQUIRE(region_named("[stack]", &r));
	EQ(read(fd, (char *)r.start - 10 * PAGE, 64), 64);
	close(fd);
}

TEST(is_not_executable)
{
	unsigned char code[] = {0xc3};

	EQ(try_call((void (*)(void))code), SIGSEGV);
	EQ(trap_code, SEGV_ACCERR);
}
