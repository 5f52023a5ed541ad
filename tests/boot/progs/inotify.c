/* inotify(7): which events a watch on a file and one on its folder tell, and in which order. */
#include "inotify.h"

#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>

TEST(file_made_written_read_closed)
{
	int in = instance(), fd;
	char c;

	enter_folder();
	EQ(watch(in, ".", IN_ALL_EVENTS), 1);
	fd = open("f", O_CREAT | O_RDWR, 0644);
	TELLS(in, "1:CREATE f, 1:OPEN f");
	EQ(write(fd, "ab", 2), 2);
	TELLS(in, "1:MODIFY f");
	EQ(pread(fd, &c, 1, 0), 1);
	TELLS(in, "1:ACCESS f");
	EQ(read(fd, &c, 1), 0);
	EQ(write(fd, "", 0), 0);
	TELLS(in, "");
	EQ(lseek(fd, 0, SEEK_SET), 0);
	EQ(fchmod(fd, 0600), 0);
	TELLS(in, "1:ATTRIB f");
	close(fd);
	TELLS(in, "1:CLOSE_WRITE f");
	fd = open("f", O_RDONLY);
	close(fd);
	TELLS(in, "1:OPEN f, 1:CLOSE_NOWRITE f");
	EQ(unlink("f"), 0);
	TELLS(in, "1:DELETE f");
	leave_folder();
}

/* The folder's watch is told with the name, then the file's own without. */
TEST(file_and_folder)
{
	int in = instance(), fd;

	enter_folder();
	make_file("f");
	EQ(watch(in, ".", IN_ALL_EVENTS), 1);
	EQ(watch(in, "f", IN_ALL_EVENTS), 2);
	fd = open("f", O_WRONLY | O_APPEND);
	EQ(write(fd, "x", 1), 1);
	TELLS(in, "1:OPEN f, 2:OPEN, 1:MODIFY f, 2:MODIFY");
	close(fd);
	TELLS(in, "1:CLOSE_WRITE f, 2:CLOSE_WRITE");
	EQ(chmod("f", 0600), 0);
	TELLS(in, "1:ATTRIB f, 2:ATTRIB");
	EQ(unlink("f"), 0);
	TELLS(in, "2:ATTRIB, 2:DELETE_SELF, 2:IGNORED, 1:DELETE f");
	leave_folder();
}

TEST(two_instances)
{
	int a = instance(), b = instance();

	enter_folder();
	EQ(watch(a, ".", IN_CREATE), 1);
	EQ(watch(b, ".", IN_OPEN), 1);
	make_file("f");
	TELLS(a, "1:CREATE f");
	TELLS(b, "1:OPEN f");
	close(a);
	make_file("g");
	TELLS(b, "1:OPEN g");
	leave_folder();
}

/* ---- sizes and attributes ---- */

TEST(sizes)
{
	int in = instance(), fd;

	enter_folder();
	make_file("f");
	EQ(watch(in, "f", IN_ALL_EVENTS), 1);
	fd = open("f", O_WRONLY | O_TRUNC);
	TELLS(in, "1:MODIFY, 1:OPEN");
	EQ(ftruncate(fd, 5000), 0);
	TELLS(in, "1:MODIFY");
	EQ(fallocate(fd, 0, 0, 8192), 0);
	TELLS(in, "1:MODIFY");
	EQ(truncate("f", 1), 0);
	TELLS(in, "1:MODIFY");
	close(fd);
	leave_folder();
}

TEST(attributes)
{
	struct timespec t[2] = {{1, 0}, {0, UTIME_OMIT}};
	int in = instance();

	enter_folder();
	make_file("f");
	EQ(watch(in, "f", IN_ALL_EVENTS), 1);
	EQ(chown("f", 1, -1), 0);
	TELLS(in, "1:ATTRIB");
	EQ(chown("f", -1, -1), 0);
	TELLS(in, "");
	EQ(utimensat(AT_FDCWD, "f", NULL, 0), 0);
	TELLS(in, "1:ATTRIB");
	EQ(utimensat(AT_FDCWD, "f", t, 0), 0);
	TELLS(in, "1:ACCESS");
	t[1] = t[0];
	t[0].tv_nsec = UTIME_OMIT;
	EQ(utimensat(AT_FDCWD, "f", t, 0), 0);
	TELLS(in, "1:MODIFY");
	EQ(stat("f", &(struct stat){0}), 0);
	EQ(access("f", R_OK), 0);
	TELLS(in, "");
	leave_folder();
}

/* Who may not run what it writes takes privileges off. */
TEST(write_drops_privileges)
{
	int in = instance();

	enter_folder();
	make_file("f");
	EQ(chmod("f", 06777), 0);
	EQ(watch(in, "f", IN_ATTRIB | IN_MODIFY), 1);
	JOIN(CHILD({
		int fd = open("f", O_WRONLY);

		REQUIRE(setuid(7) == 0);
		EQ(write(fd, "x", 1), 1);
	}));
	TELLS(in, "1:ATTRIB, 1:MODIFY");
	leave_folder();
}

/* ---- folders ---- */

TEST(folders)
{
	int in = instance();
	DIR *d;

	enter_folder();
	EQ(watch(in, ".", IN_ALL_EVENTS), 1);
	EQ(mkdir("d", 0755), 0);
	TELLS(in, "1:CREATE|ISDIR d");
	EQ(watch(in, "d", IN_ALL_EVENTS), 2);
	d = opendir("d");
	while (readdir(d))
		;
	closedir(d);
	TELLS(in,
	      "1:OPEN|ISDIR d, 2:OPEN|ISDIR, 1:ACCESS|ISDIR d, 2:ACCESS|ISDIR, "
	      "1:ACCESS|ISDIR d, 2:ACCESS|ISDIR, 1:CLOSE_NOWRITE|ISDIR d, 2:CLOSE_NOWRITE|ISDIR");
	EQ(chmod("d", 0700), 0);
	TELLS(in, "1:ATTRIB|ISDIR d, 2:ATTRIB|ISDIR");
	make_file("d/f");
	TELLS(in, "2:CREATE f, 2:OPEN f, 2:CLOSE_WRITE f");
	EQ(unlink("d/f"), 0);
	TELLS(in, "2:DELETE f");
	EQ(rmdir("d"), 0);
	TELLS(in, "2:DELETE_SELF, 2:IGNORED, 1:DELETE|ISDIR d");
	leave_folder();
}

TEST(names_of_all_kinds)
{
	struct sockaddr_un addr = {AF_UNIX, "s"};
	int in = instance(), sock = socket(AF_UNIX, SOCK_STREAM, 0);

	enter_folder();
	make_file("f");
	EQ(watch(in, ".", IN_ALL_EVENTS), 1);
	EQ(watch(in, "f", IN_ALL_EVENTS), 2);
	EQ(link("f", "g"), 0);
	TELLS(in, "2:ATTRIB, 1:CREATE g");
	EQ(symlink("f", "l"), 0);
	TELLS(in, "1:CREATE l");
	EQ(mkfifo("p", 0644), 0);
	TELLS(in, "1:CREATE p");
	EQ(bind(sock, (void *)&addr, sizeof(addr)), 0);
	TELLS(in, "1:CREATE s");
	EQ(unlink("f"), 0);
	TELLS(in, "2:ATTRIB, 1:DELETE f");
	EQ(unlink("g"), 0);
	TELLS(in, "2:ATTRIB, 2:DELETE_SELF, 2:IGNORED, 1:DELETE g");
	EQ(unlink("l"), 0);
	TELLS(in, "1:DELETE l");
	leave_folder();
}

/* ---- the end of a file ---- */

TEST(unlinked_while_open)
{
	int in = instance(), fd, keep;

	enter_folder();
	make_file("f");
	fd = open("f", O_RDWR);
	keep = dup(fd);
	EQ(watch(in, ".", IN_ALL_EVENTS), 1);
	EQ(watch(in, "f", IN_ALL_EVENTS), 2);
	EQ(unlink("f"), 0);
	TELLS(in, "2:ATTRIB, 1:DELETE f");
	EQ(write(fd, "x", 1), 1);
	TELLS(in, "1:MODIFY f, 2:MODIFY");
	close(fd);
	TELLS(in, "");
	close(keep);
	TELLS(in, "1:CLOSE_WRITE f, 2:CLOSE_WRITE, 2:DELETE_SELF, 2:IGNORED");
	FAILS(inotify_rm_watch(in, 2), EINVAL);
	leave_folder();
}

TEST(excluded_once_unlinked)
{
	int in = instance(), fd;

	enter_folder();
	make_file("f");
	fd = open("f", O_RDWR);
	EQ(watch(in, ".", IN_ALL_EVENTS | IN_EXCL_UNLINK), 1);
	EQ(watch(in, "f", IN_ALL_EVENTS | IN_EXCL_UNLINK), 2);
	EQ(write(fd, "x", 1), 1);
	TELLS(in, "1:MODIFY f, 2:MODIFY");
	EQ(unlink("f"), 0);
	TELLS(in, "2:ATTRIB, 1:DELETE f");
	EQ(write(fd, "x", 1), 1);
	TELLS(in, "");
	close(fd);
	TELLS(in, "2:DELETE_SELF, 2:IGNORED");
	leave_folder();
}

/* A mapping is a user of the file like a descriptor. */
TEST(closed_by_the_last_user)
{
	int in = instance(), fd;
	char *p;
	pid_t pid;
	int pipes[2];

	enter_folder();
	make_file("f");
	EQ(truncate("f", 4096), 0);
	EQ(watch(in, "f", IN_CLOSE | IN_ACCESS | IN_MODIFY), 1);
	fd = open("f", O_RDWR);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(p != MAP_FAILED);
	REQUIRE(pipe(pipes) == 0);
	pid = CHILD({
		char c;

		close(pipes[1]);
		EQ(read(pipes[0], &c, 1), 0);
	});
	close(fd);
	*p = 1;
	munmap(p, 4096);
	TELLS(in, "");
	close(pipes[1]);
	JOIN(pid);
	TELLS(in, "1:CLOSE_WRITE");
	leave_folder();
}

/* ---- renaming ---- */

TEST(renamed)
{
	int in = instance();

	enter_folder();
	mkdir("a", 0755);
	mkdir("b", 0755);
	make_file("a/f");
	EQ(watch(in, "a", IN_ALL_EVENTS), 1);
	EQ(watch(in, "b", IN_ALL_EVENTS), 2);
	EQ(watch(in, "a/f", IN_ALL_EVENTS), 3);
	EQ(rename("a/f", "a/g"), 0);
	TELLS(in, "1:MOVED_FROM f #1, 1:MOVED_TO g #1, 3:MOVE_SELF");
	EQ(rename("a/g", "b/h"), 0);
	TELLS(in, "1:MOVED_FROM g #2, 2:MOVED_TO h #2, 3:MOVE_SELF");
	EQ(chmod("b/h", 0600), 0);
	TELLS(in, "2:ATTRIB h, 3:ATTRIB");
	EQ(rename("b/h", "i"), 0);
	TELLS(in, "2:MOVED_FROM h #3, 3:MOVE_SELF");
	EQ(chmod("i", 0644), 0);
	TELLS(in, "3:ATTRIB");
	EQ(rename("i", "a/i"), 0);
	TELLS(in, "1:MOVED_TO i #4, 3:MOVE_SELF");
	EQ(rename("a/i", "a/i"), 0);
	FAILS(rename("a/none", "a/i"), ENOENT);
	TELLS(in, "");
	leave_folder();
}

TEST(renamed_folder)
{
	int in = instance();

	enter_folder();
	mkdir("a", 0755);
	mkdir("a/d", 0755);
	EQ(watch(in, "a", IN_ALL_EVENTS), 1);
	EQ(watch(in, "a/d", IN_ALL_EVENTS), 2);
	EQ(rename("a/d", "e"), 0);
	TELLS(in, "1:MOVED_FROM|ISDIR d #1, 2:MOVE_SELF");
	make_file("e/f");
	TELLS(in, "2:CREATE f, 2:OPEN f, 2:CLOSE_WRITE f");
	leave_folder();
}

TEST(renamed_over_another)
{
	int in = instance(), fd;

	enter_folder();
	make_file("f");
	make_file("g");
	make_file("h");
	EQ(watch(in, ".", IN_ALL_EVENTS), 1);
	EQ(watch(in, "f", IN_ALL_EVENTS), 2);
	EQ(watch(in, "g", IN_ALL_EVENTS), 3);
	EQ(rename("f", "g"), 0);
	TELLS(in, "1:MOVED_FROM f #1, 1:MOVED_TO g #1, 3:ATTRIB, 2:MOVE_SELF, 3:DELETE_SELF, "
		  "3:IGNORED");
	fd = open("g", O_RDONLY);
	EQ(rename("h", "g"), 0);
	TELLS(in, "1:OPEN g, 2:OPEN, 1:MOVED_FROM h #2, 1:MOVED_TO g #2, 2:ATTRIB");
	close(fd);
	TELLS(in, "1:CLOSE_NOWRITE g, 2:CLOSE_NOWRITE, 2:DELETE_SELF, 2:IGNORED");
	mkdir("d", 0755);
	mkdir("e", 0755);
	EQ(watch(in, "e", IN_ALL_EVENTS), 4);
	told(in);
	EQ(rename("d", "e"), 0);
	TELLS(in, "1:MOVED_FROM|ISDIR d #3, 1:MOVED_TO|ISDIR e #3, 4:ATTRIB|ISDIR, "
		  "4:DELETE_SELF, 4:IGNORED");
	leave_folder();
}

TEST(exchanged)
{
	int in = instance();

	enter_folder();
	make_file("f");
	mkdir("d", 0755);
	EQ(watch(in, ".", IN_ALL_EVENTS), 1);
	EQ(watch(in, "f", IN_ALL_EVENTS), 2);
	EQ(watch(in, "d", IN_ALL_EVENTS), 3);
	EQ(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "d", 2), 0);
	TELLS(in, "1:MOVED_FROM f #1, 1:MOVED_TO d #1, 2:MOVE_SELF, "
		  "1:MOVED_FROM|ISDIR d #2, 1:MOVED_TO|ISDIR f #2, 3:MOVE_SELF");
	leave_folder();
}

/* ---- other ways to use a file ---- */

TEST(executed)
{
	int in = instance(), status;
	pid_t pid;

	EQ(watch(in, "/progs/inotify", IN_ALL_EVENTS), 1);
	pid = fork();
	if (!pid) {
		execl("/progs/inotify", "inotify", "--nothing", NULL);
		_exit(1);
	}
	status = status_of(pid);
	EQ(status, 0);
	TELLS(in, "1:OPEN, 1:ACCESS, 1:CLOSE_NOWRITE");
}

HELPER(nothing)
{
	return 0;
}

TEST(copied)
{
	int in = instance(), other = instance(), from, to;
	char text[10000] = "";

	enter_folder();
	from = open("f", O_CREAT | O_RDWR, 0644);
	to = open("g", O_CREAT | O_RDWR, 0644);
	EQ(write(from, text, sizeof(text)), sizeof(text));
	EQ(watch(in, "f", IN_ALL_EVENTS), 1);
	EQ(watch(other, "g", IN_ALL_EVENTS), 1);
	EQ(copy_file_range(from, &(off_t){0}, to, NULL, sizeof(text), 0), sizeof(text));
	TELLS(in, "1:ACCESS");
	TELLS(other, "1:MODIFY");
	EQ(sendfile(to, from, &(off_t){0}, sizeof(text)), sizeof(text));
	TELLS(other, "1:MODIFY");
	leave_folder();
}

TEST(vectors)
{
	int in = instance(), fd;
	char a[3], b[3];
	struct iovec v[2] = {{a, 3}, {b, 3}};

	enter_folder();
	fd = open("f", O_CREAT | O_RDWR, 0644);
	EQ(watch(in, ".", IN_ALL_EVENTS), 1);
	EQ(writev(fd, v, 2), 6);
	EQ(pwritev(fd, v, 2, 1), 6);
	EQ(preadv(fd, v, 2, 0), 6);
	EQ(readv(fd, v, 2), 1);
	EQ(pwrite(fd, a, 1, 0), 1);
	TELLS(in, "1:MODIFY f, 1:ACCESS f, 1:MODIFY f");
	leave_folder();
}

TEST(fifo)
{
	int in = instance(), fd;
	char c;

	enter_folder();
	EQ(mkfifo("p", 0644), 0);
	EQ(watch(in, "p", IN_ALL_EVENTS), 1);
	FAILS(open("p", O_WRONLY | O_NONBLOCK), ENXIO);
	TELLS(in, "");
	fd = open("p", O_RDWR);
	EQ(write(fd, "x", 1), 1);
	EQ(read(fd, &c, 1), 1);
	close(fd);
	TELLS(in, "1:OPEN, 1:MODIFY, 1:ACCESS, 1:CLOSE_WRITE");
	leave_folder();
}

/* A pipe has no name but by its descriptor. */
TEST(pipe_by_descriptor)
{
	int in = instance(), p[2];
	char name[64], c;

	REQUIRE(pipe(p) == 0);
	sprintf(name, "/proc/self/fd/%d", p[0]);
	EQ(watch(in, name, IN_ALL_EVENTS), 1);
	EQ(write(p[1], "x", 1), 1);
	EQ(read(p[0], &c, 1), 1);
	TELLS(in, "1:MODIFY, 1:ACCESS");
	close(p[1]);
	close(p[0]);
	TELLS(in, "1:CLOSE_WRITE, 1:CLOSE_NOWRITE");
}

TEST(synthetic_file)
{
	int in = instance(), fd;
	char c;

	EQ(watch(in, "/proc/version", IN_ALL_EVENTS), 1);
	fd = open("/proc/version", O_RDONLY);
	EQ(read(fd, &c, 1), 1);
	close(fd);
	TELLS(in, "1:OPEN, 1:ACCESS, 1:CLOSE_NOWRITE");
	EQ(inotify_rm_watch(in, 1), 0);
	TELLS(in, "1:IGNORED");
	fd = open("/proc/version", O_RDONLY);
	close(fd);
	TELLS(in, "");
}

/* ---- file systems that go ---- */

static void unmounted(int flags)
{
	int in = instance();

	enter_folder();
	mkdir("m", 0755);
	REQUIRE(mount("none", "m", "tmpfs", 0, NULL) == 0);
	make_file("m/f");
	EQ(watch(in, "m/f", IN_OPEN), 1);
	EQ(umount2("m", flags), 0);
	TELLS(in, "1:UNMOUNT, 1:IGNORED");
	FAILS(inotify_rm_watch(in, 1), EINVAL);
	leave_folder();
}

TEST(unmounted_file)
{
	unmounted(0);
	unmounted(MNT_DETACH);
}

TEST(unmounted_root)
{
	int in = instance(), fd;

	enter_folder();
	mkdir("m", 0755);
	REQUIRE(mount("none", "m", "tmpfs", 0, NULL) == 0);
	EQ(watch(in, "m", IN_ALL_EVENTS), 1);
	EQ(watch(in, ".", IN_ALL_EVENTS), 2);
	make_file("m/f");
	TELLS(in, "1:CREATE f, 1:OPEN f, 1:CLOSE_WRITE f");
	fd = open("m/f", O_RDONLY);
	FAILS(umount("m"), EBUSY);
	EQ(umount2("m", MNT_DETACH), 0);
	TELLS(in, "1:OPEN f");
	close(fd);
	TELLS(in, "1:CLOSE_NOWRITE f, 1:UNMOUNT|ISDIR, 1:IGNORED");
	leave_folder();
}

/* ---- what is told once, and what is told in spite of all ---- */

/* A set-group-ID bit without the right to execute is lost to a writer of another group, and only then told of. */
TEST(write_to_a_file_of_a_group)
{
	int in = instance(), fd;

	enter_folder();
	make_file("f");
	EQ(chmod("f", 02666), 0);
	EQ(watch(in, "f", IN_ATTRIB | IN_MODIFY), 1);
	fd = open("f", O_WRONLY);
	JOIN(CHILD(EQ(setuid(1234), 0); EQ(write(fd, "x", 1), 1)));
	TELLS(in, "1:MODIFY");
	EQ(setgroups(0, NULL), 0);
	JOIN(CHILD(EQ(setgid(1234), 0); EQ(setuid(1234), 0); EQ(write(fd, "x", 1), 1)));
	TELLS(in, "1:ATTRIB, 1:MODIFY");
	close(fd);
	leave_folder();
}

TEST(terminal_that_goes)
{
	int in = instance(), master, n;
	char path[32];

	mkdir("/dev/pts", 0755);
	REQUIRE(!mount("devpts", "/dev/pts", "devpts", 0, "mode=620,ptmxmode=666"));
	master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	REQUIRE(master >= 0 && !ioctl(master, TIOCGPTN, &n));
	snprintf(path, sizeof(path), "/dev/pts/%d", n);
	EQ(watch(in, path, IN_DELETE_SELF), 1);
	close(master);
	TELLS(in, "1:DELETE_SELF, 1:IGNORED");
	EQ(umount("/dev/pts"), 0);
}
