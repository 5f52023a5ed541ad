/* Pseudo-terminals: a terminal whose other end is a program. */
#include "tap.h"
#include <dirent.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

struct pair {
	int master, slave;
	char name[32];
};

static void begin(void)
{
	mkdir("/dev/pts", 0755);
	REQUIRE(!mount("devpts", "/dev/pts", "devpts", 0, "gid=5,mode=620,ptmxmode=666"));
}

static void end(void)
{
	EQ(umount2("/dev/pts", MNT_DETACH), 0);
}

static int open_master(char *name)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), n = -1, off = 0;

	REQUIRE(fd >= 0);
	EQ(ioctl(fd, TIOCGPTN, &n), 0);
	EQ(ioctl(fd, TIOCSPTLCK, &off), 0);
	sprintf(name, "/dev/pts/%d", n);
	return fd;
}

static struct pair open_pair(void)
{
	struct pair p;

	p.master = open_master(p.name);
	p.slave = open(p.name, O_RDWR | O_NOCTTY);
	REQUIRE(p.slave >= 0);
	return p;
}

static void set_raw(int fd)
{
	struct termios t;

	EQ(tcgetattr(fd, &t), 0);
	cfmakeraw(&t);
	EQ(tcsetattr(fd, TCSANOW, &t), 0);
}

/* The next read says just this. */
static void reads(int fd, const char *text)
{
	char buf[256] = "";
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	if (!EQ(n, strlen(text)) || !CHECK(!strcmp(buf, text)))
		say("# read \"%.*s\"", (int)n, buf);
}

static void writes(int fd, const char *text)
{
	EQ(write(fd, text, strlen(text)), strlen(text));
}

static bool is_listed(const char *name)
{
	DIR *d = opendir("/dev/pts");
	struct dirent *e;
	bool found = false;

	REQUIRE(d);
	while (!found && (e = readdir(d)))
		found = !strcmp(e->d_name, strrchr(name, '/') + 1);
	closedir(d);
	return found;
}

TEST(names)
{
	char name[32], other[32];
	struct stat st;
	struct statfs fs;
	int a, b, slave, on = 1, locked = 0;

	begin();
	EQ(statfs("/dev/pts", &fs), 0);
	EQ(fs.f_type, 0x1cd1);
	a = open_master(name);
	b = open_master(other);
	CHECK(strcmp(name, other));
	EQ(stat(name, &st), 0);
	EQ(st.st_mode, S_IFCHR | 0620);
	EQ(st.st_rdev >> 8, 136);
	EQ(st.st_gid, 5);
	EQ(ioctl(a, TIOCSPTLCK, &on), 0);
	EQ(ioctl(a, _IOR('T', 0x39, int), &locked), 0);
	EQ(locked, 1);
	FAILS(open(name, O_RDWR | O_NOCTTY), EIO);
	on = 0;
	EQ(ioctl(a, TIOCSPTLCK, &on), 0);
	slave = open(name, O_RDWR | O_NOCTTY);
	REQUIRE(slave >= 0);
	CHECK(isatty(slave) && isatty(a));
	CHECK(!strcmp(ttyname(slave), name));
	close(a);
	FAILS(open(name, O_RDWR | O_NOCTTY), ENOENT);
	FAILS(stat(name, &st), ENOENT);
	close(slave);
	close(b);
	end();
}

/* Programs can change no name there, root or not. */
TEST(names_are_not_for_programs)
{
	struct stat st;
	char name[32];
	int master;

	begin();
	master = open_master(name);
	FAILS(unlink(name), EPERM);
	FAILS(unlink("/dev/pts/ptmx"), EPERM);
	FAILS(rename(name, "/dev/pts/other"), EPERM);
	FAILS(rename("/dev/pts/ptmx", name), EPERM);
	FAILS(link(name, "/dev/pts/other"), EPERM);
	FAILS(symlink("x", "/dev/pts/other"), EPERM);
	FAILS(mkdir("/dev/pts/other", 0777), EPERM);
	FAILS(mknod("/dev/pts/other", S_IFCHR | 0600, makedev(136, 0)), EPERM);
	FAILS(open("/dev/pts/other", O_RDWR | O_CREAT, 0600), EACCES);
	FAILS(open("/dev/pts", O_RDWR | O_TMPFILE, 0600), EOPNOTSUPP);
	EQ(stat(name, &st), 0);
	EQ(st.st_nlink, 1);
	CHECK(is_listed(name) && is_listed("/dev/pts/ptmx"));
	EQ(chmod(name, 0666), 0);
	EQ(chmod("/dev/pts", 0755), 0);
	close(master);
	CHECK(!is_listed(name) && is_listed("/dev/pts/ptmx"));
	end();
}

TEST(both_ways)
{
	struct pair p;
	int n;

	begin();
	p = open_pair();
	writes(p.master, "typed\n");
	reads(p.master, "typed\r\n");
	reads(p.slave, "typed\n");
	writes(p.slave, "shown\n");
	EQ(ioctl(p.master, FIONREAD, &n), 0);
	EQ(n, 7);
	reads(p.master, "shown\r\n");
	writes(p.master, "wrong\025right\004");
	reads(p.slave, "right");
	while (ioctl(p.master, FIONREAD, &n) == 0 && n)
		EQ(read(p.master, &(char){0}, 1), 1);
	set_raw(p.slave);
	writes(p.master, "r\003\n");
	reads(p.slave, "r\003\n");
	writes(p.slave, "\n");
	reads(p.master, "\n");
	fcntl(p.master, F_SETFL, O_NONBLOCK);
	fcntl(p.slave, F_SETFL, O_NONBLOCK);
	FAILS(read(p.master, &n, 1), EAGAIN);
	FAILS(read(p.slave, &n, 1), EAGAIN);
	close(p.slave);
	close(p.master);
	end();
}

static void drain(int fd, long total)
{
	char buf[1000];
	long got = 0;

	while (got < total) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != (char)((got + i) % 251))
				_exit(2);
		got += n;
	}
	EQ(got, total);
}

static void fill(int fd, long total)
{
	char buf[777];
	long done = 0;

	while (done < total) {
		size_t n = total - done < (long)sizeof(buf) ? total - done : (long)sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = (done + i) % 251;
		n = write(fd, buf, n);
		if ((ssize_t)n <= 0)
			break;
		done += n;
	}
	EQ(done, total);
}

/* More than any buffer holds: writers wait for readers. */
TEST(much)
{
	struct pair p;
	pid_t pid;

	begin();
	p = open_pair();
	set_raw(p.slave);
	pid = CHILD(fill(p.slave, 200000));
	drain(p.master, 200000);
	JOIN(pid);
	pid = CHILD(fill(p.master, 100000));
	drain(p.slave, 100000);
	JOIN(pid);
	close(p.slave);
	close(p.master);
	end();
}

static int polled(int fd)
{
	struct pollfd pfd = {fd, POLLIN | POLLOUT, 0};

	EQ(poll(&pfd, 1, 0) >= 0, 1);
	return pfd.revents;
}

/* Where poll says that output finds room, a write of any length writes some. */
TEST(room_for_some)
{
	struct pair p;
	char buf[2000] = "";
	int taken = 0;

	begin();
	p = open_pair();
	set_raw(p.slave);
	fcntl(p.slave, F_SETFL, O_NONBLOCK);
	while (write(p.slave, buf, sizeof(buf)) > 0)
		;
	EQ(errno, EAGAIN);
	CHECK(!(polled(p.slave) & POLLOUT));
	while (!(polled(p.slave) & POLLOUT) && taken++ < 100000)
		EQ(read(p.master, buf, 1), 1);
	BETWEEN(write(p.slave, buf, sizeof(buf)), 1, sizeof(buf));
	close(p.slave);
	close(p.master);
	end();
}

TEST(slave_closes)
{
	struct pair p;

	begin();
	p = open_pair();
	EQ(polled(p.master), POLLOUT);
	writes(p.slave, "last words");
	EQ(polled(p.master), POLLIN | POLLOUT);
	close(p.slave);
	CHECK(polled(p.master) & POLLHUP);
	reads(p.master, "last words");
	FAILS(read(p.master, p.name, 1), EIO);
	p.slave = open(p.name, O_RDWR | O_NOCTTY);
	CHECK(!(polled(p.master) & POLLHUP));
	writes(p.slave, "again");
	reads(p.master, "again");
	close(p.slave);
	close(p.master);
	end();
}

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	signals |= 1 << sig;
}

/* A session on the slave. */
static void take(struct pair *p)
{
	close(p->master);
	REQUIRE(setsid() > 0);
	EQ(ioctl(p->slave, TIOCSCTTY, 0), 0);
	signal(SIGHUP, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGWINCH, on_signal);
	signal(SIGCONT, on_signal);
}

static void await(int sig)
{
	for (int i = 0; i < 500 && !(signals & 1 << sig); i++)
		sleep_ms(10);
	CHECK(signals & 1 << sig);
}

static void session(struct pair *p)
{
	struct winsize w = {0};
	int fd;

	take(p);
	fd = open("/dev/tty", O_RDWR);
	CHECK(fd >= 0);
	writes(fd, "ready");
	await(SIGINT);
	await(SIGWINCH);
	EQ(ioctl(fd, TIOCGWINSZ, &w), 0);
	EQ(w.ws_row, 33);
	writes(fd, "sized");
	await(SIGHUP);
	await(SIGCONT);
	EQ(read(fd, &w, 1), 0);
	FAILS(write(fd, "x", 1), EIO);
	FAILS(ioctl(fd, TIOCGWINSZ, &w), EIO);
	CHECK(polled(fd) & POLLHUP);
	EQ(read(p->slave, &w, 1), 0);
	FAILS(open("/dev/tty", O_RDWR), ENXIO);
}

TEST(a_session)
{
	struct winsize w = {.ws_row = 33, .ws_col = 44};
	struct pair p;
	int group = 0;
	char buf[16];
	pid_t pid;

	begin();
	p = open_pair();
	pid = CHILD(session(&p));
	close(p.slave);
	EQ(read(p.master, buf, 5), 5);
	EQ(ioctl(p.master, TIOCGPGRP, &group), 0);
	EQ(group, pid);
	EQ(ioctl(p.master, TIOCGSID, &group), 0);
	EQ(group, pid);
	writes(p.master, "\003");
	EQ(ioctl(p.master, TIOCSWINSZ, &w), 0);
	do
		EQ(read(p.master, buf, 1), 1);
	while (buf[0] != 's');
	EQ(read(p.master, buf, 4), 4);
	close(p.master);
	JOIN(pid);
	end();
}

/* In the foreground, in a group of its own. */
static void work(struct pair *p, volatile pid_t *job)
{
	*job = getpid();
	signals = 0;
	EQ(setpgid(0, 0), 0);
	signal(SIGTTOU, SIG_IGN);
	EQ(tcsetpgrp(p->slave, getpid()), 0);
	writes(p->slave, "ready");
	await(SIGHUP);
	await(SIGCONT);
}

/* Ends of SIGHUP, as a shell does, once `job` runs. */
static void lead(struct pair *p, volatile pid_t *job)
{
	take(p);
	CHILD(work(p, job));
	signal(SIGHUP, SIG_DFL);
	for (;;)
		pause();
}

/* A leader that ends because its terminal has gone takes the foreground group with it. */
TEST(master_closes_on_a_job)
{
	volatile pid_t *job = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	struct pair p;
	char buf[8];
	pid_t leader;
	int status;

	begin();
	EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	p = open_pair();
	leader = CHILD(lead(&p, job));
	close(p.slave);
	EQ(read(p.master, buf, 5), 5);
	EQ(ioctl(p.master, TIOCGPGRP, &status), 0);
	EQ(status, *job);
	close(p.master);
	status = status_of(leader);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
	JOIN(*job);
	end();
}

/* A reader that sleeps when the master goes. */
TEST(master_closes_under_a_reader)
{
	struct pair p;
	pid_t pid;
	char c;

	begin();
	p = open_pair();
	pid = CHILD(close(p.master); CHECK(read(p.slave, &c, 1) <= 0));
	sleep_ms(100);
	close(p.master);
	JOIN(pid);
	close(p.slave);
	end();
}

TEST(many)
{
	int fds[60];
	char names[60][32];

	begin();
	for (int i = 0; i < 60; i++) {
		fds[i] = open_master(names[i]);
		for (int k = 0; k < i; k++)
			CHECK(strcmp(names[i], names[k]));
	}
	for (int i = 0; i < 60; i++)
		close(fds[i]);
	end();
}
