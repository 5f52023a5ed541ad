/*
 * In which order a call looks at what is wrong with a name: slashes behind it, what is there, permissions. Each
 * case was found by a random comparison with Linux.
 */
#include "tap.h"

#define DIR "/tmp/names-test"

static void touch(const char *name)
{
	int fd = open(name, O_CREAT | O_RDWR, 0644);

	REQUIRE(fd >= 0);
	close(fd);
}

static void begin(void)
{
	EQ(chdir("/tmp"), 0);
	REQUIRE(mkdir(DIR, 0755) == 0 && chdir(DIR) == 0);
}

/* All that the tests make, in an order that works. */
static void done(void)
{
	static const char *const names[] = {"a", "b", "f", "g", "l", "d/b", "d/s/x", "d/s", "d"};

	for (unsigned n = 0; n < sizeof(names) / sizeof(*names); n++)
		if (unlink(names[n]) < 0)
			rmdir(names[n]);
	EQ(chdir("/tmp"), 0);
	EQ(rmdir(DIR), 0);
}

TEST(exclusive_creation)
{
	begin();
	FAILS(open("..", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	FAILS(open("./", O_CREAT | O_RDWR, 0600), EISDIR);
	FAILS(open("n/", O_CREAT | O_EXCL | O_RDWR, 0600), EISDIR);
	EQ(symlink("nowhere", "l"), 0);
	FAILS(open("l", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	FAILS(open("l", O_CREAT | O_NOFOLLOW | O_RDWR, 0600), ELOOP);
	done();
}

TEST(a_slash_behind_a_new_name)
{
	begin();
	FAILS(mknod("n/", S_IFREG | 0600, 0), ENOENT);
	FAILS(symlink("x", "n/"), ENOENT);
	touch("a");
	FAILS(link("a", "n/"), ENOENT);
	FAILS(rename("a", "n/"), ENOTDIR);
	FAILS(unlink("a/"), ENOTDIR);
	EQ(mkdir("d/", 0755), 0);
	EQ(rmdir("d/"), 0);
	done();
}

TEST(rename_onto_another_name_of_the_file)
{
	begin();
	touch("a");
	EQ(link("a", "b"), 0);
	EQ(rename("a", "b"), 0);
	EQ(access("a", F_OK), 0);
	FAILS(rename("a", "b/"), ENOTDIR);
	done();
}

TEST(rename_of_and_into_folders)
{
	begin();
	EQ(mkdir("d", 0755), 0);
	EQ(mkdir("d/s", 0755), 0);
	touch("f");
	FAILS(rename("d", "d/s/x"), EINVAL);
	FAILS(rename("d/s", "d"), ENOTEMPTY);
	FAILS(rename("d", "f"), ENOTDIR);
	FAILS(rename("f", "d"), EISDIR);
	FAILS(rename("f", "d/."), EBUSY);
	FAILS(rename("d/..", "f"), EBUSY);
	FAILS(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "d", 1), EEXIST);
	FAILS(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "n", 2), ENOENT);
	FAILS(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "d", 3), EINVAL);
	EQ(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "d", 2), 0);
	EQ(access("f/s", F_OK), 0);
	EQ(rename("f/s", "g"), 0);
	done();
}

TEST(removing_what_is_no_name)
{
	begin();
	FAILS(rmdir("."), EINVAL);
	FAILS(rmdir(".."), ENOTEMPTY);
	FAILS(rmdir("/"), EBUSY);
	FAILS(unlink("."), EISDIR);
	FAILS(unlink("/"), EISDIR);
	touch("f");
	FAILS(rmdir("f"), ENOTDIR);
	done();
}

/* Runs `calls` as nobody, in a folder of root's. */
static void as_nobody(void (*calls)(void))
{
	int status;
	pid_t child;

	if (geteuid())
		_exit(0);
	begin();
	touch("a");
	EQ(mkdir("d", 0755), 0);
	child = fork();
	if (!child) {
		REQUIRE(setgid(65534) == 0 && setuid(65534) == 0);
		calls();
		_exit(tap_failed);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	EQ(status, 0);
	done();
}

static void calls_of_nobody(void)
{
	FAILS(mknod("a", S_IFCHR | 0600, 0x103), EEXIST);
	FAILS(mknod("n", S_IFCHR | 0600, 0x103), EACCES);
	FAILS(mknod("n/", S_IFREG | 0600, 0), ENOENT);
	FAILS(mkdir("d", 0700), EEXIST);
	FAILS(mkdir("e", 0700), EACCES);
	FAILS(rmdir("d"), EACCES);
	FAILS(rename("a", "d"), EACCES);
	FAILS(chmod("a", 0600), EPERM);
	FAILS(chown("a", 65534, 65534), EPERM);
	EQ(chown("a", -1, -1), 0);
	FAILS(utimensat(AT_FDCWD, "a", NULL, 0), EACCES);
	FAILS(truncate("a", 0), EACCES);
}

TEST(refusals_of_nobody)
{
	as_nobody(calls_of_nobody);
}

TEST(positions_at_the_end_of_all)
{
	char buf[16] = "";
	int fd;

	begin();
	fd = open("f", O_CREAT | O_RDWR, 0600);
	FAILS(pwrite(fd, buf, 10, 0x7ffffffffffffffbl), EINVAL);
	FAILS(pread(fd, buf, 10, 0x7ffffffffffffffbl), EINVAL);
	FAILS(lseek(fd, 0, 5), EINVAL);
	FAILS(lseek(open("/dev/null", O_RDONLY), 0, 5), EINVAL);
	FAILS(readlinkat(fd, "", buf, sizeof(buf)), ENOENT);
	close(fd);
	done();
}
