/* mprotect around fork: it must neither hand W back for a shared page, nor take it for ever. */
#include "trap.h"

#define RW (PROT_READ | PROT_WRITE)

TEST(round_trip_in_the_child_does_not_reach_the_parent)
{
	unsigned char *p = map_private(4 * PAGE);

	memset(p, 1, 4 * PAGE);
	JOIN(CHILD(EQ(mprotect(p, 4 * PAGE, PROT_READ), 0); EQ(mprotect(p, 4 * PAGE, RW), 0);
		   memset(p, 2, 4 * PAGE)));
	for (int i = 0; i < 4; i++)
		EQ(p[i * PAGE], 1);
}

TEST(round_trip_in_the_parent_does_not_reach_the_child)
{
	unsigned char *p = map_private(4 * PAGE);
	int go[2];
	char c;
	pid_t pid;

	REQUIRE(!pipe(go));
	memset(p, 1, 4 * PAGE);
	pid = CHILD(EQ(read(go[0], &c, 1), 1); for (int i = 0; i < 4; i++) EQ(p[i * PAGE], 1));
	EQ(mprotect(p, 4 * PAGE, PROT_NONE), 0);
	EQ(mprotect(p, 4 * PAGE, RW), 0);
	memset(p, 2, 4 * PAGE);
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
}

TEST(read_only_at_fork_made_writable_by_each)
{
	unsigned char *p = map_private(2 * PAGE);

	memset(p, 1, 2 * PAGE);
	EQ(mprotect(p, 2 * PAGE, PROT_READ), 0);
	JOIN(CHILD(EQ(try_write(p, 5), SIGSEGV); EQ(mprotect(p, 2 * PAGE, RW), 0);
		   EQ(try_write(p, 5), 0); EQ(p[0], 5)));
	EQ(p[0], 1);
	EQ(try_write(p, 6), SIGSEGV);
	EQ(mprotect(p, 2 * PAGE, RW), 0);
	EQ(try_write(p, 6), 0);
	EQ(p[0], 6);
	EQ(p[PAGE], 1);
}

TEST(none_at_fork_keeps_its_contents)
{
	unsigned char *p = map_private(2 * PAGE);

	memset(p, 7, 2 * PAGE);
	EQ(mprotect(p, 2 * PAGE, PROT_NONE), 0);
	JOIN(CHILD(EQ(try_read(p), SIGSEGV); EQ(mprotect(p, 2 * PAGE, RW), 0); EQ(p[0], 7);
		   p[0] = 8));
	EQ(try_read(p), SIGSEGV);
	EQ(trap_code, SEGV_ACCERR);
	EQ(mprotect(p, 2 * PAGE, RW), 0);
	EQ(p[0], 7);
	EQ(p[PAGE], 7);
}

TEST(writable_again_after_the_child_is_gone)
{
	unsigned char *p = map_private(64 * PAGE);

	memset(p, 1, 64 * PAGE);
	JOIN(CHILD());
	EQ(mprotect(p, 64 * PAGE, PROT_READ), 0);
	EQ(mprotect(p, 64 * PAGE, RW), 0);
	for (int i = 0; i < 64; i++)
		EQ(try_write(p + i * PAGE, 3), 0);
}

TEST(write_never_given_to_untouched_shared_zero)
{
	unsigned char *p = map_private(2 * PAGE);

	EQ(try_read(p), 0);
	EQ(mprotect(p, PAGE, PROT_READ), 0);
	EQ(mprotect(p, PAGE, RW), 0);
	EQ(try_write(p, 9), 0);
	/* had the store gone to the zero page, any other reader would see it */
	EQ(((volatile unsigned char *)map_private(PAGE))[0], 0);
	EQ(((volatile unsigned char *)p)[PAGE], 0);
}

TEST(part_of_an_area)
{
	unsigned char *p = map_private(9 * PAGE);

	memset(p, 1, 9 * PAGE);
	EQ(mprotect(p + 3 * PAGE, 3 * PAGE, PROT_READ), 0);
	JOIN(CHILD(for (int i = 0; i < 9; i++)
		       EQ(try_write(p + i * PAGE, 2), i / 3 == 1 ? SIGSEGV : 0)));
	for (int i = 0; i < 9; i++) {
		EQ(p[i * PAGE], 1);
		EQ(try_write(p + i * PAGE, 2), i / 3 == 1 ? SIGSEGV : 0);
	}
}

TEST(code_and_address_of_the_signal)
{
	unsigned char *p = map_private(3 * PAGE);

	EQ(mprotect(p, PAGE, PROT_READ), 0);
	EQ(try_write(p + 123, 1), SIGSEGV);
	EQ(trap_code, SEGV_ACCERR);
	EQ((long)trap_addr, (long)(p + 123));
	EQ(munmap(p + 2 * PAGE, PAGE), 0);
	EQ(try_write(p + 2 * PAGE + 8, 1), SIGSEGV);
	EQ(trap_code, SEGV_MAPERR);
	EQ((long)trap_addr, (long)(p + 2 * PAGE + 8));
}

TEST(file_pages_around_fork)
{
	char name[] = "/tmp/protectXXXXXX";
	int fd = mkstemp(name);
	unsigned char *p;
	char c;

	unlink(name);
	EQ(write(fd, "abc", 3), 3);
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	REQUIRE(p != MAP_FAILED);
	EQ(p[0], 'a');
	JOIN(CHILD(EQ(mprotect(p, PAGE, RW), 0); EQ(try_write(p, 'z'), 0)));
	EQ(p[0], 'a');
	EQ(mprotect(p, PAGE, RW), 0);
	EQ(try_write(p, 'y'), 0);
	EQ(pread(fd, &c, 1, 0), 1);
	EQ(c, 'a');
}

TEST(exec_permission)
{
	/* mov eax, 42; ret */
	static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
	unsigned char *p = map_private(PAGE);

	memcpy(p, code, sizeof(code));
	EQ(try_call((void (*)(void))p), SIGSEGV);
	EQ(trap_code, SEGV_ACCERR);
	EQ((long)trap_addr, (long)p);
	EQ(mprotect(p, PAGE, PROT_READ | PROT_EXEC), 0);
	EQ(((int (*)(void))p)(), 42);
	JOIN(CHILD(EQ(((int (*)(void))p)(), 42)));
}

TEST(refusals)
{
	unsigned char *p = map_private(4 * PAGE);

	FAILS(syscall(SYS_mprotect, p + 1, PAGE, PROT_READ), EINVAL);
	EQ(mprotect(p, 0, PROT_READ), 0);
	EQ(munmap(p + PAGE, PAGE), 0);
	FAILS(mprotect(p, 3 * PAGE, PROT_READ), ENOMEM);
	FAILS(mprotect((void *)0x7fffffff0000, 16 * PAGE, PROT_READ), ENOMEM);
	FAILS(mprotect(p, PAGE, 0x100), EINVAL);
	FAILS(syscall(SYS_mprotect, p, -PAGE, PROT_READ), ENOMEM);
	FAILS(syscall(SYS_mprotect, p, -1ul, PROT_READ), ENOMEM);
	/* the part before the hole has been changed, as on Linux */
	EQ(try_write(p, 1), SIGSEGV);
	EQ(try_write(p + 2 * PAGE, 1), 0);
}
