/* System V shared memory: segments, and who is attached to them through fork, exec, exit and munmap. */
#include "trap.h"

#include <sys/ipc.h>
#include <sys/shm.h>

static int segment(size_t size)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);

	REQUIRE(id >= 0);
	return id;
}

static unsigned char *attach(int id, void *at, int flags)
{
	unsigned char *p = shmat(id, at, flags);

	REQUIRE(p != (void *)-1);
	return p;
}

static struct shmid_ds stat_of(int id)
{
	struct shmid_ds ds;

	memset(&ds, 0, sizeof(ds));
	EQ(shmctl(id, IPC_STAT, &ds), 0);
	return ds;
}

static long attached(int id)
{
	return stat_of(id).shm_nattch;
}

/* Removes the segment when the test ends, whatever becomes of the test. */
static void drop(int id)
{
	EQ(shmctl(id, IPC_RMID, NULL), 0);
}

static bool gone(int id)
{
	struct shmid_ds ds;

	return shmctl(id, IPC_STAT, &ds) == -1 && (errno == EINVAL || errno == EIDRM);
}

TEST(a_segment_is_shared_by_its_key)
{
	key_t key = 0x43a1f000 + getpid();
	int id = shmget(key, 2 * PAGE + 5, IPC_CREAT | IPC_EXCL | 0640);
	unsigned char *p;

	REQUIRE(id >= 0);
	FAILS(shmget(key, 1, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	EQ(shmget(key, 0, 0), id);
	EQ(shmget(key, PAGE, IPC_CREAT), id);
	FAILS(shmget(key, 2 * PAGE + 6, 0), EINVAL);
	p = attach(id, NULL, 0);
	EQ(p[2 * PAGE + 5], 0);
	p[3] = 4;
	JOIN(CHILD(unsigned char *q = attach(shmget(key, 0, 0), NULL, 0); EQ(q[3], 4); q[4] = 5));
	EQ(p[4], 5);
	drop(id);
	FAILS(shmget(key, 0, 0), ENOENT);
	EQ(p[3], 4);
}

TEST(shmget_refuses)
{
	FAILS(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600), EINVAL);
	FAILS(shmget(0x7777aaaa, PAGE, 0600), ENOENT);
	FAILS(shmget(IPC_PRIVATE, ~0ul, IPC_CREAT | 0600), EINVAL);
	FAILS(shmctl(-1, IPC_RMID, NULL), EINVAL);
	FAILS(shmctl(0x7fffffff, IPC_RMID, NULL), EINVAL);
	FAILS(shmat(-1, NULL, 0), EINVAL);
	int id = segment(PAGE);
	FAILS(shmctl(id, 77, NULL), EINVAL);
	FAILS(shmctl(id, IPC_STAT, (void *)8), EFAULT);
	FAILS(shmdt((void *)0x10000), EINVAL);
	FAILS(shmdt((void *)0x10001), EINVAL);
	drop(id);
	CHECK(gone(id));
	FAILS(shmat(id, NULL, 0), EINVAL);
}

TEST(what_stat_says)
{
	int id = segment(3 * PAGE - 1);
	struct shmid_ds ds = stat_of(id);
	time_t now = time(NULL);

	EQ(ds.shm_segsz, 3 * PAGE - 1);
	EQ(ds.shm_perm.mode, 0600);
	EQ(ds.shm_perm.uid, geteuid());
	EQ(ds.shm_perm.cuid, geteuid());
	EQ(ds.shm_cpid, getpid());
	EQ(ds.shm_lpid, 0);
	EQ(ds.shm_atime, 0);
	EQ(ds.shm_nattch, 0);
	BETWEEN(ds.shm_ctime, now - 2, now);
	JOIN(CHILD(attach(id, NULL, 0)));
	ds = stat_of(id);
	EQ(ds.shm_nattch, 0);
	CHECK(ds.shm_lpid != getpid() && ds.shm_lpid > 0);
	BETWEEN(ds.shm_atime, now - 2, now + 20);
	BETWEEN(ds.shm_dtime, now - 2, now + 20);
	ds.shm_perm.mode = 0644;
	ds.shm_perm.gid = 7;
	EQ(shmctl(id, IPC_SET, &ds), 0);
	ds = stat_of(id);
	EQ(ds.shm_perm.mode, 0644);
	EQ(ds.shm_perm.gid, 7);
	drop(id);
}

TEST(where_it_is_attached)
{
	int id = segment(2 * PAGE), other = segment(PAGE);
	unsigned char *room = map_anon(16 * PAGE, PROT_NONE, MAP_PRIVATE), *p;

	FAILS(shmat(id, room, 0), EINVAL);     /* taken */
	FAILS(shmat(id, room + 5, 0), EINVAL); /* not a page's */
	FAILS(shmat(id, NULL, SHM_REMAP), EINVAL);
	EQ(munmap(room, 16 * PAGE), 0);
	p = attach(id, room + 5, SHM_RND);
	CHECK(p == room);
	p[PAGE] = 1;
	FAILS(shmat(other, room + PAGE, 0), EINVAL);
	CHECK(attach(other, room + PAGE, SHM_REMAP) == room + PAGE);
	EQ(p[PAGE], 0);
	EQ(attached(id), 1);
	EQ(attached(other), 1);
	EQ(shmdt(room + PAGE), 0);
	EQ(attached(other), 0);
	EQ(shmdt(room), 0);
	EQ(attached(id), 0);
	drop(id);
	drop(other);
}

TEST(read_only_attachments_stay_so)
{
	int id = segment(PAGE);
	unsigned char *p = attach(id, NULL, 0), *q = attach(id, NULL, SHM_RDONLY);

	p[0] = 7;
	EQ(q[0], 7);
	EQ(try_write(q, 1), SIGSEGV);
	FAILS(mprotect(q, PAGE, PROT_READ | PROT_WRITE), EACCES);
	p[0] = 8;
	EQ(q[0], 8);
	EQ(attached(id), 2);
	EQ(shmdt(q), 0);
	EQ(shmdt(p), 0);
	drop(id);
}

static void ret(void)
{
}

TEST(executable_attachments)
{
	int id = segment(PAGE);
	unsigned char *p = attach(id, NULL, SHM_EXEC), *q = attach(id, NULL, 0);

	(void)ret;
	p[0] = 0xc3; /* ret */
	EQ(try_call((void (*)(void))p), 0);
	EQ(try_call((void (*)(void))q), SIGSEGV);
	drop(id);
}

TEST(fork_attaches_the_child)
{
	int id = segment(4 * PAGE), go[2];
	unsigned char *p = attach(id, NULL, 0);
	pid_t pid;
	char c;

	REQUIRE(!pipe(go));
	p[0] = 1;
	pid = CHILD(EQ(read(go[0], &c, 1), 1); EQ(p[0], 2); p[PAGE] = 3);
	EQ(attached(id), 2);
	p[0] = 2;
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
	EQ(attached(id), 1);
	EQ(p[PAGE], 3);
	EQ(shmdt(p), 0);
	EQ(attached(id), 0);
	drop(id);
}

TEST(a_removed_segment_goes_with_its_last_user)
{
	int id = segment(4 * PAGE), go[2];
	unsigned char *p = attach(id, NULL, 0);
	pid_t pid;
	char c;

	REQUIRE(!pipe(go));
	drop(id);
	EQ(stat_of(id).shm_perm.mode & SHM_DEST, SHM_DEST);
	EQ(attached(id), 1);
	pid = CHILD(EQ(read(go[0], &c, 1), 1); p[0] = 9; EQ(attached(id), 1));
	EQ(attached(id), 2);
	CHECK(attach(id, NULL, 0)[0] == 0); /* by its id it can still be had */
	EQ(attached(id), 3);
	JOIN(CHILD(EQ(attached(id), 5)));
	EQ(munmap(p, 4 * PAGE), 0);
	EQ(attached(id), 2);
	JOIN(CHILD(execl("/proc/self/exe", "x", "--quit", NULL)));
	EQ(attached(id), 2);
	/* the attachment whose address was not kept */
	FILE *f = fopen("/proc/self/maps", "r");
	char line[256];
	unsigned long start = 0;
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "/SYSV00000000"))
			sscanf(line, "%lx", &start);
	fclose(f);
	EQ(shmdt((void *)start), 0);
	EQ(attached(id), 1);
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
	CHECK(gone(id));
}

HELPER(quit)
{
	return 0;
}

HELPER(attached)
{
	return attached(atoi(argv[1])) == 1 ? 0 : 1;
}

TEST(exec_detaches)
{
	int id = segment(PAGE), status;
	char text[16];
	pid_t pid;

	snprintf(text, sizeof(text), "%d", id);
	attach(id, NULL, 0);
	pid = CHILD(EQ(attached(id), 2);
		    execl("/proc/self/exe", "sysv_shm", "--attached", text, NULL));
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, 0);
	drop(id);
}

TEST(unmapping_a_part_leaves_two)
{
	int id = segment(8 * PAGE);
	unsigned char *p = attach(id, NULL, 0);

	memset(p, 6, 8 * PAGE);
	EQ(munmap(p + 3 * PAGE, PAGE), 0);
	EQ(attached(id), 2);
	JOIN(CHILD(EQ(attached(id), 4); EQ(munmap(p, PAGE), 0); EQ(attached(id), 4);
		   EQ(munmap(p + PAGE, 2 * PAGE), 0); EQ(attached(id), 3)));
	EQ(attached(id), 2);
	EQ(mprotect(p + PAGE, PAGE, PROT_READ), 0);
	EQ(attached(id), 4);
	EQ(mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
	EQ(attached(id), 4);	/* what was cut stays cut */
	EQ(munmap(p, PAGE), 0); /* the beginning may be gone: what is left is found */
	EQ(shmdt(p), 0);
	EQ(attached(id), 0);
	EQ(try_read(p + 7 * PAGE), SIGSEGV);
	drop(id);
}

TEST(dontfork_leaves_the_child_out)
{
	int id = segment(2 * PAGE);
	unsigned char *p = attach(id, NULL, 0);

	EQ(madvise(p, 2 * PAGE, MADV_DONTFORK), 0);
	JOIN(CHILD(EQ(attached(id), 1); EQ(try_read(p), SIGSEGV)));
	EQ(attached(id), 1);
	drop(id);
}

TEST(moved_by_mremap)
{
	int id = segment(4 * PAGE);
	unsigned char *p = attach(id, NULL, 0), *q,
		      *room = map_anon(8 * PAGE, PROT_NONE, MAP_PRIVATE);

	p[PAGE] = 5;
	q = mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	REQUIRE(q == room);
	EQ(q[PAGE], 5);
	EQ(attached(id), 1);
	EQ(shmdt(q), 0);
	EQ(attached(id), 0);
	drop(id);
}

/* What is mapped in place of the last attachment keeps what it maps, or there is none: never half of it. */
TEST(remapped_after_removal)
{
	int id = shmget(IPC_PRIVATE, 4 * PAGE, 0600);
	char *p = shmat(id, NULL, 0);
	struct shmid_ds ds;

	REQUIRE(id >= 0 && p != (void *)-1);
	p[PAGE] = 'x';
	EQ(shmctl(id, IPC_RMID, NULL), 0);
	if (syscall(SYS_remap_file_pages, p, 4 * PAGE, 0, 1, 0) == 0)
		EQ(p[0], 'x');
	munmap(p, 4 * PAGE);
	FAILS(shmctl(id, IPC_STAT, &ds), EINVAL);
}

TEST(every_share_level_counts_the_same)
{
	int id = segment(4 * MIB);
	unsigned char *p = attach(id, NULL, 0);
	pid_t pids[4];
	int go[2];
	char c;

	REQUIRE(!pipe(go));
	memset(p, 1, 4 * MIB);
	for (int k = 0; k < 4; k++)
		pids[k] = CHILD(EQ(read(go[0], &c, 1), 1); p[k * PAGE] = k + 10);
	EQ(attached(id), 5);
	drop(id);
	EQ(write(go[1], "xxxx", 4), 4);
	for (int k = 0; k < 4; k++)
		JOIN(pids[k]);
	for (int k = 0; k < 4; k++)
		EQ(p[k * PAGE], k + 10);
	EQ(attached(id), 1);
	EQ(shmdt(p), 0);
	CHECK(gone(id));
}

TEST(rights)
{
	int id = segment(PAGE), open_to_read = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0604);
	struct shmid_ds ds;

	if (geteuid() != 0)
		SKIP("not root");
	JOIN(CHILD(
	    EQ(setgid(50), 0); EQ(setuid(50), 0); FAILS(shmat(id, NULL, 0), EACCES);
	    FAILS(shmctl(id, IPC_STAT, &ds), EACCES); FAILS(shmctl(id, IPC_RMID, NULL), EPERM);
	    FAILS(shmat(open_to_read, NULL, 0), EACCES); attach(open_to_read, NULL, SHM_RDONLY);
	    EQ(shmctl(open_to_read, IPC_STAT, &ds), 0);
	    FAILS(shmctl(open_to_read, IPC_SET, &ds), EPERM)));
	drop(id);
	drop(open_to_read);
}

TEST(lists_of_all)
{
	int id = segment(5 * PAGE), highest;
	unsigned char *p = attach(id, NULL, 0);
	struct shm_info si;
	struct shminfo limits;
	struct shmid_ds ds;
	bool found = false;
	char line[300];
	FILE *f;

	p[0] = 1;
	highest = shmctl(0, SHM_INFO, (void *)&si);
	CHECK(highest >= 0);
	CHECK(si.used_ids >= 1);
	CHECK(si.shm_tot >= 5);
	CHECK(si.shm_rss >= 1);
	EQ(shmctl(0, IPC_INFO, (void *)&limits), highest);
	EQ(limits.shmmni, 4096);
	EQ(limits.shmmin, 1);
	for (int k = 0; k <= highest; k++)
		found |= shmctl(k, SHM_STAT, &ds) == id;
	CHECK(found);
	found = false;
	f = fopen("/proc/sysvipc/shm", "r");
	REQUIRE(f);
	CHECK(fgets(line, sizeof(line), f) && strstr(line, "shmid perms"));
	while (fgets(line, sizeof(line), f)) {
		int key, shmid;
		unsigned perms, cpid, lpid;
		unsigned long size, nattch;

		EQ(sscanf(line, "%d %d %o %lu %u %u %lu", &key, &shmid, &perms, &size, &cpid, &lpid,
			  &nattch),
		   7);
		if (shmid != id)
			continue;
		found = true;
		EQ(key, 0);
		EQ(perms, 0600);
		EQ(size, 5 * PAGE);
		EQ(cpid, getpid());
		EQ(nattch, 1);
	}
	CHECK(found);
	fclose(f);
	drop(id);
}

static void set_knob(const char *name, const char *text)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/kernel/%s", name);
	fd = open(path, O_WRONLY);
	REQUIRE(fd >= 0);
	EQ(write(fd, text, strlen(text)), (long)strlen(text));
	close(fd);
}

TEST(limits)
{
	if (geteuid() != 0)
		SKIP("not root");
	set_knob("shmmax", "8192\n");
	FAILS(shmget(IPC_PRIVATE, 8193, IPC_CREAT | 0600), EINVAL);
	drop(segment(8192));
	set_knob("shmmax", "18446744073692774399\n");
	set_knob("shmall", "4\n");
	FAILS(shmget(IPC_PRIVATE, 5 * PAGE, IPC_CREAT | 0600), ENOSPC);
	drop(segment(4 * PAGE));
	set_knob("shmall", "18446744073692774399\n");
	set_knob("shmmni", "1\n");
	int id = segment(PAGE);
	FAILS(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600), ENOSPC);
	set_knob("shmmni", "4096\n");
	drop(id);
}
