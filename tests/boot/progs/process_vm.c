/* process_vm_readv(2) and process_vm_writev(2): another process's memory, and whose it is afterwards. */
#include "tap.h"

#include <sys/prctl.h>
#include <sys/uio.h>

static char text[] = "to be read from outside";

TEST(reads_in_pieces)
{
	char a[8] = "", b[32] = "";
	struct iovec local[2] = {{a, 5}, {b, 31}}, remote[2] = {{text, 10}, {text + 10, 14}};
	int go[2];
	pid_t pid;
	char c;

	REQUIRE(!pipe(go));
	pid = CHILD(EQ(read(go[0], &c, 1), 1));
	EQ(process_vm_readv(pid, local, 2, remote, 2, 0), 24);
	CHECK(!strcmp(a, "to be"));
	CHECK(!strcmp(b, " read from outside"));
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
}

TEST(writes_are_the_others_alone)
{
	unsigned char *p = map_anon(64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *shared = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	int go[2];
	pid_t pid;
	char c;

	REQUIRE(!pipe(go));
	memset(p, 7, 64 * PAGE);
	pid = CHILD(EQ(read(go[0], &c, 1), 1); EQ(p[PAGE], 'a'); EQ(p[PAGE - 1], 7);
		    EQ(p[2 * PAGE + 99], 'b'); EQ(p[2 * PAGE + 100], 7); EQ(shared[0], 's'));
	unsigned char from[PAGE + 101];
	memset(from, 'a', PAGE);
	memset(from + PAGE, 'b', 101);
	struct iovec local = {from, sizeof(from) - 1}, remote = {p + PAGE, sizeof(from) - 1};
	EQ(process_vm_writev(pid, &local, 1, &remote, 1, 0), PAGE + 100);
	EQ(p[PAGE], 7); /* copied before it was written */
	EQ(p[2 * PAGE], 7);
	struct iovec one = {"s", 1}, there = {shared, 1};
	EQ(process_vm_writev(pid, &one, 1, &there, 1, 0), 1);
	EQ(shared[0], 's');
	/* and what the child writes, a grandchild does not see: frames shared three ways */
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
}

TEST(writes_into_tables_shared_by_many)
{
	size_t len = 4 * MIB;
	unsigned char *p = map_anon(len, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	pid_t pids[3];
	int go[2];
	char c;

	REQUIRE(!pipe(go));
	memset(p, 1, len);
	for (int k = 0; k < 3; k++)
		pids[k] = CHILD(EQ(read(go[0], &c, 1), 1); for (size_t i = 0; i < len; i += PAGE)
				    EQ(p[i], i == k * MIB ? 100 + k : 1));
	for (int k = 0; k < 3; k++) {
		unsigned char v = 100 + k;
		struct iovec local = {&v, 1}, remote = {p + k * MIB, 1};

		EQ(process_vm_writev(pids[k], &local, 1, &remote, 1, 0), 1);
	}
	for (size_t i = 0; i < len; i += PAGE)
		EQ(p[i], 1);
	EQ(write(go[1], "xxx", 3), 3);
	for (int k = 0; k < 3; k++)
		JOIN(pids[k]);
}

TEST(refuses)
{
	unsigned char *p = map_anon(3 * PAGE, PROT_READ, MAP_PRIVATE), buf[2 * PAGE];
	struct iovec local = {buf, sizeof(buf)}, remote = {p, sizeof(buf)}, many[1025];
	pid_t me = getpid();

	EQ(process_vm_readv(me, &local, 1, &remote, 1, 0), 2 * PAGE);
	FAILS(process_vm_readv(me, &local, 1, &remote, 1, 1), EINVAL);
	FAILS(process_vm_readv(999999, &local, 1, &remote, 1, 0), ESRCH);
	FAILS(process_vm_writev(me, &local, 1, &remote, 1, 0), EFAULT);
	memset(many, 0, sizeof(many));
	FAILS(process_vm_readv(me, many, 1025, &remote, 1, 0), EINVAL);
	FAILS(process_vm_readv(me, &local, 1, many, 1025, 0), EINVAL);
	FAILS(process_vm_readv(me, (void *)8, 1, &remote, 1, 0), EFAULT);
	FAILS(process_vm_readv(me, &local, 1, (void *)8, 1, 0), EFAULT);
	EQ(process_vm_readv(me, &local, 0, &remote, 1, 0), 0);
	remote.iov_len = -1;
	FAILS(process_vm_readv(me, &local, 1, &remote, 1, 0), EINVAL);
	/* up to what is not there */
	EQ(munmap(p + 2 * PAGE, PAGE), 0);
	remote = (struct iovec){p + PAGE, 2 * PAGE};
	EQ(process_vm_readv(me, &local, 1, &remote, 1, 0), PAGE);
	remote.iov_base = p + 2 * PAGE;
	FAILS(process_vm_readv(me, &local, 1, &remote, 1, 0), EFAULT);
}

TEST(only_with_the_right_to_look)
{
	char buf[8];
	struct iovec local = {buf, 8}, remote = {text, 8};
	pid_t parent = getpid();

	if (geteuid() != 0)
		SKIP("not root");
	JOIN(CHILD(EQ(setgid(50), 0); EQ(setuid(50), 0);
		   FAILS(process_vm_readv(parent, &local, 1, &remote, 1, 0), EPERM);
		   FAILS(process_vm_writev(1, &local, 1, &remote, 1, 0), EPERM)));
}

/* Its memory is the other user's from the moment on that the new program can be seen in it. */
static volatile int of_the_old_program;

HELPER(stays)
{
	sleep_ms(200);
	return of_the_old_program;
}

static void becomes_another(const char *path, int go)
{
	/* What goes at exec takes its time. */
	size_t eighth = sysconf(_SC_PHYS_PAGES) / 8 * PAGE,
	       much = eighth < 96 * MIB ? eighth : 96 * MIB;
	char *p = map_private(much), c;

	for (size_t i = 0; i < much; i += PAGE)
		p[i] = 1;
	EQ(setgid(1234), 0);
	EQ(setuid(1234), 0);
	prctl(PR_SET_DUMPABLE, 1);
	of_the_old_program = 1;
	EQ(read(go, &c, 1), 1);
	execl(path, "process_vm", "--stays", NULL);
}

static void reads_till_refused(pid_t pid, int go)
{
	int seen = 0;
	struct iovec local = {&seen, sizeof(seen)};
	struct iovec remote = {(void *)&of_the_old_program, sizeof(seen)};

	REQUIRE(!setgid(1234) && !setuid(1234));
	while (process_vm_readv(pid, &local, 1, &remote, 1, 0) < 0 || !seen)
		sched_yield();
	EQ(write(go, "x", 1), 1);
	while (process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0)
		if (!CHECK(seen))
			break;
}

TEST(not_of_a_program_that_raises_its_rights)
{
	const char *path = "/tmp/process_vm_suid";
	pid_t pid, reader;
	int go[2];

	if (geteuid() != 0)
		SKIP("not root");
	JOIN(CHILD(execl("/bin/busybox", "cp", "/progs/process_vm", path, NULL)));
	EQ(chown(path, 77, 0), 0);
	EQ(chmod(path, 04755), 0);
	REQUIRE(!pipe(go));
	pid = CHILD(becomes_another(path, go[0]));
	reader = CHILD(reads_till_refused(pid, go[1]));
	JOIN(pid);
	JOIN(reader);
	EQ(unlink(path), 0);
}
