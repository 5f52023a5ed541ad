/* Files: reading, writing, seeking, sizes, descriptors. */
#include "tap.h"
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#define NAME "/tmp/file-test"

static int fresh(int flags)
{
	int fd = open(NAME, O_CREAT | O_TRUNC | flags, 0644);

	REQUIRE(fd >= 0);
	return fd;
}

static void holds(const char *want)
{
	char buf[256] = "";

	slurp(NAME, buf, sizeof(buf));
	if (strcmp(buf, want)) {
		say("# the file holds \"%s\", not \"%s\"", buf, want);
		CHECK(!"contents");
	}
	unlink(NAME);
}

TEST(write_seek_overwrite)
{
	int fd = fresh(O_RDWR);
	char buf[8] = "";

	EQ(write(fd, "hello world", 11), 11);
	EQ(lseek(fd, 0, SEEK_CUR), 11);
	EQ(lseek(fd, 6, SEEK_SET), 6);
	EQ(write(fd, "W", 1), 1);
	EQ(lseek(fd, -5, SEEK_END), 6);
	EQ(read(fd, buf, 5), 5);
	CHECK(!strcmp(buf, "World"));
	EQ(read(fd, buf, 5), 0);
	FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
	FAILS(lseek(fd, 0, 99), EINVAL);
	close(fd);
	holds("hello World");
}

TEST(positional)
{
	int fd = fresh(O_RDWR);
	char buf[4] = "";

	EQ(pwrite(fd, "abcdef", 6, 0), 6);
	EQ(lseek(fd, 0, SEEK_CUR), 0);
	EQ(pread(fd, buf, 3, 2), 3);
	CHECK(!strcmp(buf, "cde"));
	EQ(pread(fd, buf, 3, 100), 0);
	FAILS(pread(fd, buf, 3, -1), EINVAL);
	FAILS(pwrite(fd, buf, 3, -1), EINVAL);
	close(fd);
	holds("abcdef");
}

TEST(append)
{
	int fd = fresh(O_RDWR), a;

	EQ(write(fd, "one", 3), 3);
	a = open(NAME, O_WRONLY | O_APPEND);
	EQ(write(a, "two", 3), 3);
	EQ(lseek(a, 0, SEEK_SET), 0);
	EQ(write(a, "three", 5), 5);
	close(fd);
	close(a);
	holds("onetwothree");
}

TEST(sparse_holes_read_zero)
{
	int fd = fresh(O_RDWR);
	static char buf[3 * 4096];
	struct stat st;

	EQ(pwrite(fd, "x", 1, 10 * 4096 + 5), 1);
	EQ(fstat(fd, &st), 0);
	EQ(st.st_size, 10 * 4096 + 6);
	EQ(pread(fd, buf, sizeof(buf), 8 * 4096), 2 * 4096 + 6);
	for (int i = 0; i < 2 * 4096 + 5; i++)
		if (!EQ(buf[i], 0))
			break;
	EQ(buf[2 * 4096 + 5], 'x');
	CHECK(st.st_blocks < 40); /* the hole takes no room */
	close(fd);
	unlink(NAME);
}

TEST(truncate_both_ways)
{
	int fd = fresh(O_RDWR);
	char buf[10];

	EQ(write(fd, "abcdefgh", 8), 8);
	EQ(ftruncate(fd, 3), 0);
	EQ(ftruncate(fd, 6), 0);
	EQ(pread(fd, buf, 10, 0), 6);
	CHECK(!memcmp(buf, "abc\0\0\0", 6));
	EQ(truncate(NAME, 1), 0);
	FAILS(ftruncate(fd, -1), EINVAL);
	FAILS(truncate("/tmp", 0), EISDIR);
	FAILS(truncate("/no/file", 0), ENOENT);
	close(fd);
	fd = open(NAME, O_RDONLY);
	FAILS(ftruncate(fd, 0), EINVAL);
	close(fd);
	holds("a");
}

TEST(vectors)
{
	int fd = fresh(O_RDWR);
	char a[4] = "", b[4] = "";
	struct iovec out[2] = {{"abc", 3}, {"def", 3}}, in[2] = {{a, 2}, {b, 3}};

	EQ(writev(fd, out, 2), 6);
	EQ(lseek(fd, 0, SEEK_SET), 0);
	EQ(readv(fd, in, 2), 5);
	CHECK(!strcmp(a, "ab") && !strcmp(b, "cde"));
	EQ(preadv(fd, in, 2, 4), 2);
	CHECK(!strcmp(a, "ef"));
	close(fd);
	unlink(NAME);
}

TEST(open_flags)
{
	int fd = fresh(O_RDWR);

	FAILS(open(NAME, O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	FAILS(open("/tmp/none", O_RDONLY), ENOENT);
	FAILS(open("/tmp", O_RDWR), EISDIR);
	FAILS(open(NAME, O_RDONLY | O_DIRECTORY), ENOTDIR);
	FAILS(open(NAME "/x", O_RDONLY), ENOTDIR);
	FAILS(open("", O_RDONLY), ENOENT);
	FAILS(open("/tmp/", O_CREAT | O_RDWR, 0600), EISDIR);
	FAILS(open("/tmp/no/dir", O_CREAT | O_RDWR, 0600), ENOENT);
	EQ(write(fd, "x", 1), 1);
	close(fd);
	fd = open(NAME, O_RDONLY);
	FAILS(write(fd, "y", 1), EBADF);
	close(fd);
	fd = open(NAME, O_WRONLY);
	char c;
	FAILS(read(fd, &c, 1), EBADF);
	close(fd);
	holds("x");
}

TEST(reading_a_directory_is_eisdir)
{
	int fd = open("/tmp", O_RDONLY);
	char c;

	FAILS(read(fd, &c, 1), EISDIR);
	close(fd);
}

TEST(descriptors_lowest_first)
{
	int a = dup(1), b = dup(1), c;

	CHECK(b > a);
	close(a);
	c = dup(1);
	EQ(c, a);
	EQ(fcntl(1, F_DUPFD, 100), 100);
	EQ(fcntl(1, F_DUPFD, 100), 101);
	EQ(fcntl(1, F_DUPFD_CLOEXEC, 100), 102);
	EQ(fcntl(102, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(101, F_GETFD), 0);
	EQ(fcntl(101, F_SETFD, FD_CLOEXEC), 0);
	EQ(fcntl(101, F_GETFD), FD_CLOEXEC);
	EQ(dup2(1, 101), 101);
	EQ(fcntl(101, F_GETFD), 0);
	EQ(dup2(1, 1), 1);
	EQ(dup3(1, 101, O_CLOEXEC), 101);
	FAILS(dup3(1, 1, 0), EINVAL);
	FAILS(dup2(999, 5), EBADF);
	FAILS(dup2(1, -1), EBADF);
	FAILS(dup(999), EBADF);
	FAILS(close(999), EBADF);
	FAILS(fcntl(999, F_GETFD), EBADF);
	FAILS(fcntl(1, 9999), EINVAL);
}

TEST(dup_shares_the_offset)
{
	int fd = fresh(O_RDWR), d = dup(fd), again = open(NAME, O_RDONLY);

	EQ(write(fd, "abc", 3), 3);
	EQ(lseek(d, 0, SEEK_CUR), 3);
	EQ(lseek(again, 0, SEEK_CUR), 0);
	close(fd);
	close(d);
	close(again);
	unlink(NAME);
}

TEST(status_flags)
{
	int fd = fresh(O_RDWR | O_APPEND);

	EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_APPEND);
	EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	close(fd);
	unlink(NAME);
}

TEST(close_range_and_cloexec)
{
	for (int i = 50; i < 60; i++)
		dup2(1, i);
	EQ(syscall(SYS_close_range, 52, 57, 0), 0);
	EQ(fcntl(51, F_GETFD), 0);
	FAILS(fcntl(52, F_GETFD), EBADF);
	FAILS(fcntl(57, F_GETFD), EBADF);
	EQ(fcntl(58, F_GETFD), 0);
	FAILS(syscall(SYS_close_range, 60, 50, 0), EINVAL);
}

TEST(removed_but_open)
{
	int fd = fresh(O_RDWR);
	char c;
	struct stat st;

	EQ(write(fd, "z", 1), 1);
	EQ(unlink(NAME), 0);
	FAILS(open(NAME, O_RDONLY), ENOENT);
	EQ(pread(fd, &c, 1, 0), 1);
	EQ(fstat(fd, &st), 0);
	EQ(st.st_nlink, 0);
	close(fd);
}

TEST(stat_fields)
{
	struct stat st, by_path;
	int fd = fresh(O_RDWR);

	EQ(write(fd, "12345", 5), 5);
	EQ(fstat(fd, &st), 0);
	EQ(stat(NAME, &by_path), 0);
	EQ(st.st_ino, by_path.st_ino);
	EQ(st.st_dev, by_path.st_dev);
	EQ(st.st_size, 5);
	EQ(st.st_nlink, 1);
	EQ(st.st_mode, S_IFREG | 0644);
	EQ(st.st_uid, 0);
	EQ(st.st_blksize, 4096);
	NEAR(st.st_mtime, time(NULL), 5);
	EQ(fchmod(fd, 04755), 0);
	EQ(fchown(fd, 12, 34), 0);
	EQ(fstat(fd, &st), 0);
	EQ(st.st_uid, 12);
	EQ(st.st_gid, 34);
	EQ(stat("/dev/null", &st), 0);
	CHECK(S_ISCHR(st.st_mode));
	EQ(st.st_rdev, 0x103);
	FAILS(stat("/none", &st), ENOENT);
	FAILS(syscall(SYS_stat, NAME, 8), EFAULT);
	FAILS(fstat(999, &st), EBADF);
	close(fd);
	unlink(NAME);
}

TEST(times_can_be_set)
{
	struct timespec ts[2] = {{1000, 5}, {2000, 6}};
	struct stat st;
	int fd = fresh(O_RDWR);

	EQ(futimens(fd, ts), 0);
	EQ(fstat(fd, &st), 0);
	EQ(st.st_atim.tv_sec, 1000);
	EQ(st.st_mtim.tv_sec, 2000);
	EQ(st.st_mtim.tv_nsec, 6);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_nsec = UTIME_NOW;
	EQ(utimensat(AT_FDCWD, NAME, ts, 0), 0);
	EQ(stat(NAME, &st), 0);
	EQ(st.st_atim.tv_sec, 1000);
	NEAR(st.st_mtim.tv_sec, time(NULL), 5);
	close(fd);
	unlink(NAME);
}

TEST(devices)
{
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);
	int random = open("/dev/urandom", O_RDONLY);
	char a[64], b[64];

	EQ(read(null, a, 64), 0);
	EQ(write(null, a, 64), 64);
	memset(a, 1, 64);
	EQ(read(zero, a, 64), 64);
	for (int i = 0; i < 64; i++)
		EQ(a[i], 0);
	EQ(write(zero, a, 64), 64);
	EQ(read(random, a, 64), 64);
	EQ(read(random, b, 64), 64);
	CHECK(memcmp(a, b, 64));
	CHECK(open("/dev/random", O_RDONLY) >= 0);
	CHECK(open("/dev/console", O_RDWR | O_NOCTTY) >= 0);
}

TEST(large_file)
{
	int fd = fresh(O_RDWR);
	static unsigned char buf[MIB];

	for (int i = 0; i < 4; i++) {
		memset(buf, i + 1, sizeof(buf));
		EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
	}
	for (int i = 3; i >= 0; i--) {
		EQ(pread(fd, buf, sizeof(buf), i * MIB), sizeof(buf));
		EQ(buf[0], i + 1);
		EQ(buf[MIB - 1], i + 1);
	}
	FAILS(pwrite(fd, buf, 1, 0x7fffffffffffffff), EINVAL);
	close(fd);
	unlink(NAME);
}

TEST(sendfile_between_files)
{
	int in = fresh(O_RDWR), out = open("/tmp/file-out", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char buf[16] = "";
	off_t at = 2;

	EQ(write(in, "0123456789", 10), 10);
	EQ(syscall(SYS_sendfile, out, in, &at, 5), 5);
	EQ(at, 7);
	EQ(lseek(in, 0, SEEK_CUR), 10);
	EQ(pread(out, buf, 16, 0), 5);
	CHECK(!strcmp(buf, "23456"));
	close(in);
	close(out);
	unlink("/tmp/file-out");
	unlink(NAME);
}

/* More than one run of pages, from the middle of one on, holes between, into a pipe that is soon full. */
TEST(sendfile_of_holes_into_a_pipe)
{
	int in = fresh(O_RDWR), p[2];
	char out[64 * 1024];
	off_t at = 100;
	ssize_t n;

	for (int i = 0; i < 40; i += 2)
		EQ(pwrite(in, &(char){'a' + i % 26}, 1, i * PAGE + 200), 1);
	EQ(ftruncate(in, 40 * PAGE + 50), 0);
	REQUIRE(pipe2(p, O_NONBLOCK) == 0);
	for (long total = 0; total < 40L * (long)PAGE - 50; total += n) {
		n = sendfile(p[1], in, &at, MIB);
		REQUIRE(n > 0);
		EQ(at, 100 + total + n);
		EQ(read(p[0], out, sizeof(out)), n);
		for (ssize_t k = 0; k < n; k++) {
			long pos = 100 + total + k, page = pos / (long)PAGE;
			bool written = pos % (long)PAGE == 200 && page < 40 && page % 2 == 0;

			if (out[k] != (written ? 'a' + page % 26 : 0)) {
				EQ(out[k], written ? 'a' + page % 26 : 0);
				EQ(pos, -1);
				return;
			}
		}
	}
	EQ(sendfile(p[1], in, &at, MIB), 0);
	EQ(lseek(in, 0, SEEK_CUR), 0);
	close(in);
	unlink(NAME);
}

TEST(short_reads_and_faults_midway)
{
	int fd = fresh(O_RDWR);
	char *p = map_private(2 * PAGE);

	EQ(munmap(p + PAGE, PAGE), 0);
	memset(p, 'q', PAGE);
	/* what was copied before the hole counts; with nothing copied it is EFAULT */
	EQ(write(fd, p + PAGE - 10, 20), 10);
	FAILS(write(fd, p + PAGE, 20), EFAULT);
	EQ(pread(fd, p + PAGE - 4, 8, 0), 4);
	close(fd);
	unlink(NAME);
}
