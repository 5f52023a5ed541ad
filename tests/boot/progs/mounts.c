/* Mounting, and what a mount changes about the names below it. */
#include "trap.h"
#include <sys/mount.h>
#include <sys/statfs.h>

#define DIR "/tmp/mounts-test"

static void begin(void)
{
	if (geteuid())
		_exit(0);
	umount2(DIR, MNT_DETACH);
	rmdir(DIR);
	REQUIRE(mkdir(DIR, 0755) == 0);
}

static void done(void)
{
	EQ(umount2(DIR, 0), 0);
	EQ(rmdir(DIR), 0);
}

TEST(tmpfs_covers_and_uncovers)
{
	struct stat st;

	begin();
	close(open(DIR "/below", O_CREAT | O_RDWR, 0600));
	EQ(mount("none", DIR, "tmpfs", 0, "size=1m,mode=700"), 0);
	EQ(stat(DIR, &st), 0);
	EQ(st.st_mode, S_IFDIR | 0700);
	FAILS(access(DIR "/below", F_OK), ENOENT);
	EQ(stat(DIR "/..", &st), 0);
	EQ(umount2(DIR, 0), 0);
	EQ(access(DIR "/below", F_OK), 0);
	unlink(DIR "/below");
	EQ(rmdir(DIR), 0);
}

TEST(busy_while_in_use)
{
	int fd;

	begin();
	EQ(mount("none", DIR, "tmpfs", 0, ""), 0);
	fd = open(DIR "/f", O_CREAT | O_RDWR, 0600);
	FAILS(umount2(DIR, 0), EBUSY);
	FAILS(rmdir(DIR), EBUSY);
	FAILS(unlink(DIR), EISDIR);
	FAILS(rename(DIR, "/tmp/mounts-other"), EBUSY);
	close(fd);
	EQ(chdir(DIR), 0);
	FAILS(umount2(DIR, 0), EBUSY);
	EQ(chdir("/"), 0);
	done();
	FAILS(umount2("/tmp/none", 0), ENOENT);
}

TEST(a_lazy_one_goes_when_its_user_does)
{
	char buf[4] = "";
	int fd;

	begin();
	EQ(mount("none", DIR, "tmpfs", 0, ""), 0);
	fd = open(DIR "/f", O_CREAT | O_RDWR, 0600);
	EQ(write(fd, "abc", 3), 3);
	EQ(umount2(DIR, MNT_DETACH), 0);
	FAILS(access(DIR "/f", F_OK), ENOENT);
	EQ(pread(fd, buf, 3, 0), 3);
	CHECK(!strcmp(buf, "abc"));
	close(fd);
	EQ(rmdir(DIR), 0);
}

TEST(size_is_a_limit)
{
	static char block[65536];
	long total = 0, n;
	int fd;

	begin();
	EQ(mount("none", DIR, "tmpfs", 0, "size=1m"), 0);
	fd = open(DIR "/f", O_CREAT | O_RDWR, 0600);
	while ((n = write(fd, block, sizeof(block))) > 0)
		total += n;
	EQ(errno, ENOSPC);
	BETWEEN(total, 1 << 19, 1 << 20);
	EQ(ftruncate(fd, 0), 0);
	EQ(write(fd, block, sizeof(block)), sizeof(block));
	close(fd);
	done();
}

/* What page faults bring counts like what is written: where the file system is full there is SIGBUS. */
TEST(size_limits_mappings)
{
	size_t len = 2 * MIB, n = 0;
	unsigned char *p;
	int fd;

	begin();
	EQ(mount("none", DIR, "tmpfs", 0, "size=1m"), 0);
	fd = open(DIR "/f", O_CREAT | O_RDWR, 0600);
	EQ(ftruncate(fd, len), 0);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(p != MAP_FAILED);
	while (n < len / PAGE && try_write(p + n * PAGE, 1) == 0)
		n++;
	EQ(n, MIB / PAGE);
	EQ(try_write(p + n * PAGE, 1), SIGBUS);
	EQ(try_read(p + n * PAGE), SIGBUS);
	FAILS(pwrite(fd, "x", 1, len), ENOSPC);
	EQ(ftruncate(fd, PAGE), 0);
	EQ(ftruncate(fd, len), 0);
	EQ(try_write(p + n * PAGE, 1), 0);
	EQ(munmap(p, len), 0);
	close(fd);
	done();
}

/* Two that fill the last hole need one page between them, not two. */
TEST(last_page_is_enough_for_two)
{
	volatile int *round = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	enum { ROUNDS = 300 };
	volatile char *p;
	pid_t pid;
	int fd;

	if (!on_calf())
		SKIP("Linux takes room before it looks again, and one of them may get SIGBUS");
	begin();
	EQ(mount("none", DIR, "tmpfs", 0, "size=4k"), 0);
	fd = open(DIR "/f", O_CREAT | O_RDWR, 0600);
	EQ(ftruncate(fd, PAGE), 0);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(p != MAP_FAILED);
	pid = CHILD(for (int i = 1; i <= ROUNDS; i++) {
		while (round[0] < i)
			sched_yield();
		p[1] = i;
		round[1] = i;
	});
	for (int i = 1; i <= ROUNDS; i++) {
		EQ(ftruncate(fd, 0), 0);
		EQ(ftruncate(fd, PAGE), 0);
		round[0] = i;
		p[0] = i;
		while (round[1] < i)
			sched_yield();
	}
	JOIN(pid);
	EQ(munmap((void *)p, PAGE), 0);
	close(fd);
	done();
}

TEST(size_of_zero_is_no_limit)
{
	int fd;

	begin();
	EQ(mount("none", DIR, "tmpfs", 0, "size=0"), 0);
	fd = open(DIR "/f", O_CREAT | O_RDWR, 0600);
	EQ(write(fd, "x", 1), 1);
	close(fd);
	done();
}

TEST(read_only)
{
	int fd;

	begin();
	EQ(mount("none", DIR, "tmpfs", 0, ""), 0);
	fd = open(DIR "/f", O_CREAT | O_RDWR, 0600);
	FAILS(mount("none", DIR, NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
	close(fd);
	EQ(mount("none", DIR, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	FAILS(open(DIR "/g", O_CREAT | O_RDWR, 0600), EROFS);
	FAILS(open(DIR "/f", O_RDWR), EROFS);
	FAILS(mkdir(DIR "/d", 0700), EROFS);
	FAILS(unlink(DIR "/f"), EROFS);
	FAILS(chmod(DIR "/f", 0), EROFS);
	FAILS(access(DIR "/f", W_OK), EROFS);
	EQ(access(DIR "/f", R_OK), 0);
	done();
}

TEST(names_do_not_cross)
{
	begin();
	EQ(mount("none", DIR, "tmpfs", 0, ""), 0);
	close(open(DIR "/f", O_CREAT | O_RDWR, 0600));
	FAILS(rename(DIR "/f", "/tmp/mounts-f"), EXDEV);
	FAILS(link(DIR "/f", "/tmp/mounts-f"), EXDEV);
	done();
}

TEST(bind_shows_the_same)
{
	struct stat a, b;

	begin();
	REQUIRE(mkdir("/tmp/mounts-from", 0755) == 0 || errno == EEXIST);
	EQ(mount("/tmp/mounts-from", DIR, NULL, MS_BIND, NULL), 0);
	close(open(DIR "/f", O_CREAT | O_RDWR, 0600));
	EQ(stat(DIR "/f", &a), 0);
	EQ(stat("/tmp/mounts-from/f", &b), 0);
	EQ(a.st_ino, b.st_ino);
	EQ(a.st_dev, b.st_dev);
	unlink(DIR "/f");
	done();
	EQ(rmdir("/tmp/mounts-from"), 0);
}

TEST(refusals)
{
	begin();
	FAILS(mount("none", DIR, "nosuchfs", 0, NULL), ENODEV);
	FAILS(mount("none", "/tmp/none", "tmpfs", 0, NULL), ENOENT);
	FAILS(mount("none", DIR, "tmpfs", 0, "size=x"), EINVAL);
	FAILS(mount("none", "/proc/self/status", "tmpfs", 0, NULL), ENOTDIR);
	FAILS(umount2(DIR, 0), EINVAL);
	EQ(rmdir(DIR), 0);
}
