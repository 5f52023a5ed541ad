/* Address space layout: random for stack, mmap, heap and position-independent programs, or not. */
#include "maps.h"
#include <sys/auxv.h>
#include <sys/personality.h>

#define USER_TOP 0x7ffffffff000

struct layout {
	unsigned long stack, map, heap, vdso, vdso_end;
};

/* Prints where things lie; the program is executed afresh for each look. */
HELPER(where)
{
	struct layout l = {0};
	struct region r;

	if (region_named("[stack]", &r))
		l.stack = r.end;
	l.vdso = getauxval(AT_SYSINFO_EHDR);
	if (region_named("[vdso]", &r))
		l.vdso_end = r.end;
	l.map = (unsigned long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	l.heap = syscall(SYS_brk, 0);
	return write(1, &l, sizeof(l)) != sizeof(l);
}

static struct layout look(unsigned long persona)
{
	struct layout l = {0};
	int p[2];
	pid_t pid;

	REQUIRE(!pipe(p));
	pid = CHILD(personality(persona); dup2(p[1], 1);
		    execl("/proc/self/exe", "aslr", "--where", NULL));
	JOIN(pid);
	EQ(read(p[0], &l, sizeof(l)), sizeof(l));
	close(p[0]);
	close(p[1]);
	return l;
}

static bool randomised(void)
{
	char buf[8];

	return slurp("/proc/sys/kernel/randomize_va_space", buf, sizeof(buf)) > 0 && buf[0] != '0';
}

TEST(differs_between_runs)
{
	int stacks = 0, maps = 0, heaps = 0;
	struct layout first = look(0);

	if (!randomised())
		SKIP("randomisation is off");
	for (int i = 0; i < 4; i++) {
		struct layout l = look(0);

		stacks += l.stack != first.stack;
		maps += l.map != first.map;
		heaps += l.heap != first.heap;
	}
	CHECK(stacks >= 3);
	CHECK(maps >= 3);
	CHECK(heaps >= 2);
}

TEST(off_by_personality)
{
	struct layout first = look(ADDR_NO_RANDOMIZE);

	for (int i = 0; i < 3; i++) {
		struct layout l = look(ADDR_NO_RANDOMIZE);

		EQ(l.stack, first.stack);
		EQ(l.map, first.map);
		EQ(l.heap, first.heap);
	}
	if (!on_calf()) {
		EQ(first.stack, USER_TOP);
		return;
	}
	/* The stack, the vDSO's page of data, the vDSO. */
	EQ(first.stack, first.vdso - PAGE);
	EQ(first.vdso_end, USER_TOP);
}

TEST(personality_is_inherited)
{
	EQ(personality(0xffffffff), 0);
	EQ(personality(ADDR_NO_RANDOMIZE), 0);
	JOIN(CHILD(EQ(personality(0xffffffff), ADDR_NO_RANDOMIZE)));
}

TEST(the_same_after_fork)
{
	struct region mine;

	REQUIRE(region_named("[stack]", &mine));
	JOIN(CHILD(struct region its; REQUIRE(region_named("[stack]", &its));
		   EQ(its.end, mine.end)));
}

TEST(layout_is_sound)
{
	struct layout l = look(0);

	CHECK(l.stack <= USER_TOP && l.stack > 0x7f0000000000);
	CHECK(l.map < l.stack && l.map > 0x7e0000000000);
	CHECK(l.heap > 0x400000 && l.heap < l.map);
	EQ(l.stack % PAGE, 0);
}
