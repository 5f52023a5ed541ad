/* Memory policy on one node; remap_file_pages(2); protection keys where there are none. */
#include "tap.h"

enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL };
#define F_NODE	       1
#define F_ADDR	       2
#define F_MEMS_ALLOWED 4
#define STATIC_NODES   (1 << 15)
#define RELATIVE_NODES (1 << 14)

static long set_policy(int mode, unsigned long *mask, unsigned long max)
{
	return syscall(SYS_set_mempolicy, mode, mask, max);
}

static long get_policy(int *mode, unsigned long *mask, unsigned long max, void *addr, int flags)
{
	return syscall(SYS_get_mempolicy, mode, mask, max, addr, flags);
}

static long bind_range(void *p, size_t len, int mode, unsigned long *mask, unsigned long max,
		       int flags)
{
	return syscall(SYS_mbind, p, len, mode, mask, max, flags);
}

TEST(the_policy_of_a_task)
{
	unsigned long node0 = 1, node1 = 2, none = 0, got[32];
	int mode = -1;

	EQ(get_policy(&mode, NULL, 0, NULL, 0), 0);
	EQ(mode, DEFAULT);
	EQ(set_policy(BIND, &node0, 64), 0);
	memset(got, 0xff, sizeof(got));
	EQ(get_policy(&mode, got, 2048, NULL, 0), 0);
	EQ(mode, BIND);
	EQ(got[0], 1);
	EQ(got[1], 0);
	EQ(got[31], 0);
	JOIN(CHILD(EQ(get_policy(&mode, NULL, 0, NULL, 0), 0); EQ(mode, BIND)));
	EQ(set_policy(INTERLEAVE, &node0, 64), 0);
	EQ(get_policy(&mode, NULL, 0, NULL, F_NODE), 0);
	EQ(mode, 0);
	EQ(set_policy(PREFERRED, &none, 64), 0);
	EQ(get_policy(&mode, NULL, 0, NULL, 0), 0);
	EQ(mode, LOCAL);
	EQ(set_policy(BIND | STATIC_NODES, &node0, 64), 0);
	EQ(get_policy(&mode, NULL, 0, NULL, 0), 0);
	EQ(mode, BIND | STATIC_NODES);
	FAILS(set_policy(BIND, &node1, 64), EINVAL);
	FAILS(set_policy(BIND, &none, 64), EINVAL);
	FAILS(set_policy(DEFAULT, &node0, 64), EINVAL);
	FAILS(set_policy(LOCAL, &node0, 64), EINVAL);
	FAILS(set_policy(77, NULL, 0), EINVAL);
	FAILS(set_policy(BIND | STATIC_NODES | RELATIVE_NODES, &node0, 64), EINVAL);
	FAILS(set_policy(BIND, (void *)8, 64), EFAULT);
	FAILS(set_policy(BIND, &node0, 1 << 20), EINVAL);
	EQ(set_policy(DEFAULT, NULL, 0), 0);
	FAILS(get_policy(&mode, NULL, 0, NULL, F_NODE), EINVAL);
	FAILS(get_policy(&mode, NULL, 0, &mode, 0), EINVAL);
	FAILS(get_policy(&mode, NULL, 0, NULL, 8), EINVAL);
	FAILS(get_policy((void *)8, NULL, 0, NULL, 0), EFAULT);
	EQ(get_policy(NULL, got, 2048, NULL, F_MEMS_ALLOWED), 0);
	EQ(got[0], 1);
}

TEST(the_policy_of_a_range)
{
	unsigned long node0 = 1;
	char *p = map_anon(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int mode = -1;

	EQ(bind_range(p + PAGE, 2 * PAGE, BIND, &node0, 64, 0), 0);
	EQ(get_policy(&mode, NULL, 0, p + PAGE, F_ADDR), 0);
	EQ(mode, BIND);
	EQ(get_policy(&mode, NULL, 0, p, F_ADDR), 0);
	EQ(mode, DEFAULT);
	EQ(get_policy(&mode, NULL, 0, p + 3 * PAGE, F_ADDR), 0);
	EQ(mode, DEFAULT);
	p[0] = 1;
	mode = -1;
	EQ(get_policy(&mode, NULL, 0, p, F_ADDR | F_NODE), 0);
	EQ(mode, 0);
	JOIN(CHILD(EQ(get_policy(&mode, NULL, 0, p + 2 * PAGE, F_ADDR), 0); EQ(mode, BIND)));
	EQ(bind_range(p, 8 * PAGE, DEFAULT, NULL, 0, 0), 0);
	EQ(get_policy(&mode, NULL, 0, p + PAGE, F_ADDR), 0);
	EQ(mode, DEFAULT);
	EQ(bind_range(p, 0, BIND, &node0, 64, 0), 0);
	FAILS(bind_range(p + 1, PAGE, BIND, &node0, 64, 0), EINVAL);
	FAILS(bind_range(p, PAGE, BIND, NULL, 0, 0), EINVAL);
	FAILS(bind_range(p, PAGE, BIND, &node0, 64, 64), EINVAL);
	EQ(munmap(p + 4 * PAGE, PAGE), 0);
	FAILS(bind_range(p, 8 * PAGE, BIND, &node0, 64, 0), EFAULT);
	FAILS(get_policy(&mode, NULL, 0, p + 4 * PAGE, F_ADDR), EFAULT);
}

TEST(remap_file_pages_reorders)
{
	int fd = memfd_create("r", 0);
	volatile char *p;

	EQ(ftruncate(fd, 4 * PAGE), 0);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(p != MAP_FAILED);
	for (int k = 0; k < 4; k++)
		p[k * PAGE] = k;
	EQ(syscall(SYS_remap_file_pages, p, PAGE, 0, 3, 0), 0);
	EQ(p[0], 3);
	EQ(p[PAGE], 1);
	p[0] = 9;
	EQ(p[3 * PAGE], 9);
	FAILS(syscall(SYS_remap_file_pages, p, PAGE, PROT_READ, 3, 0), EINVAL);
	FAILS(syscall(SYS_remap_file_pages, p, 0, 0, 3, 0), EINVAL);
	p = map_anon(PAGE, PROT_READ, MAP_PRIVATE);
	FAILS(syscall(SYS_remap_file_pages, p, PAGE, 0, 0, 0), EINVAL);
}

TEST(protection_keys)
{
	char *p = map_anon(PAGE, PROT_READ, MAP_PRIVATE);
	long key;

	FAILS(syscall(SYS_pkey_alloc, 1, 0), EINVAL);
	FAILS(syscall(SYS_pkey_alloc, 0, 4), EINVAL);
	FAILS(syscall(SYS_pkey_free, 15), EINVAL);
	FAILS(syscall(SYS_pkey_mprotect, p, PAGE, PROT_READ, 15), EINVAL);
	EQ(syscall(SYS_pkey_mprotect, p, PAGE, PROT_READ | PROT_WRITE, -1), 0);
	p[0] = 1;
	key = syscall(SYS_pkey_alloc, 0, 0);
	if (key >= 0)
		SKIP("this kernel uses the CPU's protection keys");
	EQ(errno, ENOSPC);
}
