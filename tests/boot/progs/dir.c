/* Names: folders, links, renames, paths, permissions. */
#include "tap.h"
#include <dirent.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#define D "/tmp/dir-test"

static void enter(void)
{
	REQUIRE(!mkdir(D, 0755));
	REQUIRE(!chdir(D));
}

static void leave(void)
{
	EQ(chdir("/"), 0);
	EQ(rmdir(D), 0);
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

TEST(mkdir_and_rmdir)
{
	struct stat st;

	enter();
	EQ(mkdir("a", 0700), 0);
	EQ(mkdir("a/b", 0755), 0);
	FAILS(mkdir("a", 0700), EEXIST);
	FAILS(mkdir("x/y", 0700), ENOENT);
	FAILS(rmdir("a"), ENOTEMPTY);
	FAILS(rmdir("a/b/."), EINVAL);
	FAILS(unlink("a"), EISDIR);
	EQ(stat("a", &st), 0);
	EQ(st.st_mode, S_IFDIR | 0700);
	EQ(st.st_nlink, 3);
	EQ(rmdir("a/b"), 0);
	EQ(stat("a", &st), 0);
	EQ(st.st_nlink, 2);
	EQ(rmdir("a"), 0);
	FAILS(rmdir("a"), ENOENT);
	spit("f", "");
	FAILS(rmdir("f"), ENOTDIR);
	FAILS(mkdir("f/g", 0700), ENOTDIR);
	EQ(unlink("f"), 0);
	FAILS(unlink("f"), ENOENT);
	leave();
}

TEST(getdents_lists_all_once)
{
	enum { N = 300 };
	char name[32];
	int seen[N] = {0}, dots = 0;
	struct dirent *e;
	DIR *d;

	enter();
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "entry-%d", i);
		spit(name, "");
	}
	d = opendir(".");
	REQUIRE(d);
	while ((e = readdir(d))) {
		int i;

		if (sscanf(e->d_name, "entry-%d", &i) == 1 && i >= 0 && i < N) {
			seen[i]++;
			EQ(e->d_type, DT_REG);
		} else {
			CHECK(!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."));
			EQ(e->d_type, DT_DIR);
			dots++;
		}
	}
	EQ(dots, 2);
	rewinddir(d);
	CHECK(readdir(d));
	closedir(d);
	for (int i = 0; i < N; i++) {
		EQ(seen[i], 1);
		snprintf(name, sizeof(name), "entry-%d", i);
		EQ(unlink(name), 0);
	}
	leave();
}

TEST(getdents_while_removing)
{
	enum { N = 100 };
	char name[32];
	struct dirent *e;
	DIR *d;
	int n = 0;

	enter();
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		spit(name, "");
	}
	d = opendir(".");
	while ((e = readdir(d)))
		if (e->d_name[0] == 'e') {
			EQ(unlink(e->d_name), 0);
			n++;
		}
	closedir(d);
	EQ(n, N);
	leave();
}

TEST(rename_rules)
{
	struct stat st;

	enter();
	spit("a", "A");
	spit("b", "B");
	EQ(rename("a", "b"), 0);
	CHECK(!exists("a"));
	EQ(stat("b", &st), 0);
	EQ(st.st_size, 1);
	EQ(mkdir("d", 0755), 0);
	EQ(mkdir("e", 0755), 0);
	FAILS(rename("b", "d"), EISDIR);
	FAILS(rename("d", "b"), ENOTDIR);
	EQ(rename("b", "d/b"), 0);
	FAILS(rename("e", "d"), ENOTEMPTY);
	EQ(rename("d", "e"), 0); /* onto an empty folder */
	CHECK(exists("e/b"));
	FAILS(rename("e", "e/x"), EINVAL);
	FAILS(rename("none", "x"), ENOENT);
	FAILS(rename("e/b", "none/x"), ENOENT);
	EQ(rename("e/b", "e/b"), 0);
	FAILS(syscall(SYS_renameat2, AT_FDCWD, "e/b", AT_FDCWD, "e", 1), EEXIST);
	EQ(unlink("e/b"), 0);
	EQ(rmdir("e"), 0);
	leave();
}

TEST(rename_moves_folders_with_all_in_them)
{
	char cwd[128];

	enter();
	EQ(mkdir("a", 0755), 0);
	EQ(mkdir("a/b", 0755), 0);
	EQ(mkdir("c", 0755), 0);
	EQ(chdir("a/b"), 0);
	EQ(rename(D "/a", D "/c/moved"), 0);
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, D "/c/moved/b"));
	EQ(chdir(".."), 0);
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, D "/c/moved"));
	EQ(chdir(D), 0);
	EQ(rmdir("c/moved/b") + rmdir("c/moved") + rmdir("c"), 0);
	leave();
}

TEST(hard_links)
{
	struct stat a, b;

	enter();
	spit("a", "one");
	EQ(link("a", "b"), 0);
	EQ(stat("a", &a) + stat("b", &b), 0);
	EQ(a.st_ino, b.st_ino);
	EQ(a.st_nlink, 2);
	spit("b", "other");
	EQ(stat("a", &a), 0);
	EQ(a.st_size, 5);
	EQ(unlink("a"), 0);
	EQ(stat("b", &b), 0);
	EQ(b.st_nlink, 1);
	FAILS(link("b", "b"), EEXIST);
	FAILS(link(".", "x"), EPERM);
	FAILS(link("none", "x"), ENOENT);
	EQ(unlink("b"), 0);
	leave();
}

TEST(symbolic_links)
{
	char buf[64];
	struct stat st;

	enter();
	spit("a", "x");
	EQ(symlink("a", "l"), 0);
	EQ(readlink("l", buf, sizeof(buf)), 1);
	FAILS(syscall(SYS_readlink, "l", buf, 0), EINVAL);
	EQ(lstat("l", &st), 0);
	CHECK(S_ISLNK(st.st_mode));
	EQ(st.st_size, 1);
	EQ(stat("l", &st), 0);
	CHECK(S_ISREG(st.st_mode));
	FAILS(readlink("a", buf, sizeof(buf)), EINVAL);
	FAILS(symlink("x", "l"), EEXIST);
	FAILS(symlink("", "m"), ENOENT);
	FAILS(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	EQ(symlink("loop2", "loop1") + symlink("loop1", "loop2"), 0);
	FAILS(open("loop1", O_RDONLY), ELOOP);
	EQ(symlink("nowhere", "dangling"), 0);
	FAILS(stat("dangling", &st), ENOENT);
	int fd = open("dangling", O_CREAT | O_WRONLY, 0600);
	CHECK(fd >= 0 && exists("nowhere"));
	close(fd);
	EQ(symlink(D "/../dir-test/./a", "absolute"), 0);
	EQ(stat("absolute", &st), 0);
	EQ(unlink("l") + unlink("loop1") + unlink("loop2") + unlink("dangling") +
	       unlink("nowhere") + unlink("absolute"),
	   0);
	CHECK(exists("a"));
	EQ(unlink("a"), 0);
	leave();
}

TEST(links_to_folders_in_a_path)
{
	enter();
	EQ(mkdir("real", 0755), 0);
	EQ(symlink("real", "alias"), 0);
	spit("alias/f", "x");
	CHECK(exists("real/f"));
	CHECK(exists("alias/../real/f"));
	FAILS(rmdir("alias"), ENOTDIR);
	EQ(unlink("alias/f") + unlink("alias") + rmdir("real"), 0);
	leave();
}

TEST(getcwd_chdir_fchdir)
{
	char cwd[128];
	int fd;

	enter();
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, D));
	FAILS(syscall(SYS_getcwd, cwd, 3), ERANGE);
	fd = open("/", O_RDONLY | O_DIRECTORY);
	EQ(fchdir(fd), 0);
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/"));
	EQ(chdir(".."), 0);
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/"));
	FAILS(chdir("/none"), ENOENT);
	FAILS(chdir("/proc/self/exe"), ENOTDIR);
	EQ(chdir("//tmp///dir-test//./../dir-test/"), 0);
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, D));
	JOIN(CHILD(EQ(chdir("/"), 0)));
	CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, D)); /* the child's own */
	leave();
}

TEST(removed_current_folder)
{
	char buf[64];

	JOIN(CHILD(EQ(mkdir("/tmp/gone", 0755), 0); EQ(chdir("/tmp/gone"), 0);
		   EQ(rmdir("/tmp/gone"), 0); FAILS(syscall(SYS_getcwd, buf, sizeof(buf)), ENOENT);
		   FAILS(open("x", O_CREAT | O_WRONLY, 0600), ENOENT); EQ(chdir("/"), 0)));
}

TEST(nothing_moves_into_a_removed_folder)
{
	int d;

	enter();
	spit("f", "x");
	EQ(mkdir("gone", 0755), 0);
	d = open("gone", O_RDONLY | O_DIRECTORY);
	EQ(rmdir("gone"), 0);
	FAILS(renameat(AT_FDCWD, "f", d, "g"), ENOENT);
	FAILS(linkat(AT_FDCWD, "f", d, "g", 0), ENOENT);
	FAILS(mkdirat(d, "g", 0755), ENOENT);
	FAILS(symlinkat("f", d, "g"), ENOENT);
	close(d);
	EQ(unlink("f"), 0);
	leave();
}

TEST(at_calls)
{
	int d;
	struct stat st;

	enter();
	d = open(".", O_RDONLY | O_DIRECTORY);
	EQ(chdir("/"), 0);
	EQ(mkdirat(d, "sub", 0755), 0);
	int fd = openat(d, "sub/f", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	EQ(fstatat(d, "sub/f", &st, 0), 0);
	EQ(fstatat(fd, "", &st, 0x1000 /* AT_EMPTY_PATH */), 0);
	FAILS(fstatat(fd, "x", &st, 0), ENOTDIR);
	FAILS(fstatat(999, "x", &st, 0), EBADF);
	EQ(fstatat(999, "/tmp", &st, 0), 0); /* absolute: the descriptor is not looked at */
	EQ(renameat(d, "sub/f", d, "g"), 0);
	EQ(linkat(d, "g", d, "h", 0), 0);
	EQ(symlinkat("g", d, "s"), 0);
	EQ(faccessat(d, "s", R_OK, 0), 0);
	EQ(fchmodat(d, "g", 0600, 0), 0);
	EQ(unlinkat(d, "g", 0) + unlinkat(d, "h", 0) + unlinkat(d, "s", 0), 0);
	FAILS(unlinkat(d, "sub", 0), EISDIR);
	EQ(unlinkat(d, "sub", AT_REMOVEDIR), 0);
	close(fd);
	close(d);
	leave();
}

TEST(permissions_of_another_user)
{
	enter();
	EQ(mkdir("open", 0777) + chmod("open", 0777), 0);
	EQ(mkdir("shut", 0700), 0);
	spit("mine", "x");
	EQ(chmod("mine", 0600), 0);
	spit("readable", "x");
	JOIN(CHILD(REQUIRE(!setgid(1000) && !setuid(1000)); FAILS(open("mine", O_RDONLY), EACCES);
		   FAILS(access("mine", R_OK), EACCES); CHECK(open("readable", O_RDONLY) >= 0);
		   FAILS(open("readable", O_WRONLY), EACCES);
		   FAILS(open("shut/x", O_CREAT | O_WRONLY, 0600), EACCES);
		   FAILS(open("new", O_CREAT | O_WRONLY, 0600), EACCES);
		   FAILS(unlink("mine"), EACCES); FAILS(chmod("mine", 0777), EPERM);
		   FAILS(chown("mine", 1000, 1000), EPERM);
		   int fd = open("open/x", O_CREAT | O_WRONLY, 0600); CHECK(fd >= 0);
		   EQ(unlink("open/x"), 0)));
	EQ(unlink("mine") + unlink("readable") + rmdir("open") + rmdir("shut"), 0);
	leave();
}

TEST(umask_cuts_modes)
{
	struct stat st;

	enter();
	umask(0);
	EQ(umask(027), 0);
	int fd = open("f", O_CREAT | O_WRONLY, 0666);
	EQ(mkdir("d", 0777), 0);
	EQ(fstat(fd, &st), 0);
	EQ(st.st_mode & 0777, 0640);
	EQ(stat("d", &st), 0);
	EQ(st.st_mode & 0777, 0750);
	close(fd);
	EQ(unlink("f") + rmdir("d"), 0);
	leave();
}

TEST(chroot_hides_the_rest)
{
	char cwd[64];

	enter();
	spit("inside", "x");
	JOIN(CHILD(EQ(chroot("."), 0); EQ(chdir("/"), 0); CHECK(exists("/inside"));
		   CHECK(!exists("/tmp")); EQ(chdir("../../.."), 0); CHECK(exists("inside"));
		   CHECK(getcwd(cwd, sizeof(cwd)) && !strcmp(cwd, "/"))));
	EQ(unlink("inside"), 0);
	leave();
}

TEST(long_names)
{
	static char name[300], path[5000];

	enter();
	memset(name, 'n', 255);
	spit(name, "x");
	CHECK(exists(name));
	EQ(unlink(name), 0);
	name[255] = 'n';
	FAILS(open(name, O_CREAT | O_WRONLY, 0600), ENAMETOOLONG);
	for (int i = 0; i < 2047; i++)
		memcpy(path + 2 * i, "./", 2);
	path[4094] = '.';
	struct stat st;
	EQ(stat(path, &st), 0);
	path[4095] = '/';
	path[4096] = '.';
	FAILS(stat(path, &st), ENAMETOOLONG);
	leave();
}

TEST(access_and_statfs)
{
	struct statfs sf;

	EQ(access("/", R_OK | W_OK | X_OK), 0);
	FAILS(access("/none", F_OK), ENOENT);
	FAILS(access("/", 99), EINVAL);
	EQ(statfs("/proc", &sf), 0);
	EQ(sf.f_type, 0x9fa0);
	EQ(statfs("/tmp", &sf), 0);
	EQ(sf.f_namelen, 255);
	FAILS(statfs("/none", &sf), ENOENT);
}

TEST(deep_folders)
{
	enum { DEPTH = 60 };

	enter();
	for (int i = 0; i < DEPTH; i++)
		REQUIRE(!mkdir("d", 0755) && !chdir("d"));
	spit("bottom", "x");
	EQ(unlink("bottom"), 0);
	for (int i = 0; i < DEPTH; i++)
		REQUIRE(!chdir("..") && !rmdir("d"));
	leave();
}
