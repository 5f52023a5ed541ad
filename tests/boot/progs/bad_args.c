/*
 * What each system call answers to arguments of which one is bad: `bad_args --all` prints a line for every call,
 * argument and bad value, which tests/boot/test_bad_args.py holds against what Linux prints.
 *
 * A call is made as a user without rights, in a folder of its own, first with arguments that are all good and
 * then with each replaced in turn. A child makes the calls of one line of the table; where it is killed, or
 * blocks, another goes on behind that.
 */
#include "calls.h"
#include "sysv.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

enum { BLOCK_MS = 900, CASES = 64 };

/* ---- values ---- */

struct value {
	const char *name;
	uint64_t value;
};

/* Descriptors that make_files() opens. */
enum {
	FD_FILE = 10,
	FD_READ_ONLY,
	FD_FOLDER,
	FD_PATH,
	FD_PIPE_IN,
	FD_PIPE_OUT,
	FD_SOCKET,
	FD_EVENT,
	FD_EPOLL,
	FD_TIMER
};
enum { FD_CLOSED = 99 };

static char *page;	/* two pages, zeroed */
static char *read_only; /* a page */
static char *end;	/* of a page with nothing behind it */

#define KERNEL	  0xffff888000000000ull
#define NO_MEMORY 0x1000ull /* nothing is mapped so low */

static uint64_t addr(const void *p)
{
	return (uint64_t)p;
}

static const struct timespec zero_time, bad_seconds = {-1, 0}, bad_nanoseconds = {0, 1000000000};
static struct iovec one_vec, huge_vec, bad_vec;
static struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "name"};
static char long_name[300], long_path[5000];

enum { MOST = 20 };

/* The values of a kind: the first is good. Returns how many. */
static int values_of(char kind, struct value *v)
{
	const struct value fds[] = {{"file", FD_FILE},		 {"-1", -1},
				    {"closed", FD_CLOSED},	 {"huge", 1 << 30},
				    {"read-only", FD_READ_ONLY}, {"folder", FD_FOLDER},
				    {"path", FD_PATH},		 {"pipe-in", FD_PIPE_IN},
				    {"pipe-out", FD_PIPE_OUT},	 {"socket", FD_SOCKET},
				    {"event", FD_EVENT},	 {"epoll", FD_EPOLL},
				    {"timer", FD_TIMER}};
	const struct value folders[] = {{"here", AT_FDCWD},
					{"-1", -1},
					{"closed", FD_CLOSED},
					{"file", FD_FILE},
					{"folder", FD_FOLDER}};
	const struct value buffers[] = {{"page", addr(page)},	   {"null", 0},
					{"low", NO_MEMORY},	   {"read-only", addr(read_only)},
					{"end", addr(end - 2)},	   {"kernel", KERNEL},
					{"no-address", 1ull << 62}};
	const struct value lengths[] = {{"16", 16},
					{"0", 0},
					{"1", 1},
					{"-1", -1},
					{"int-min", 1ull << 31},
					{"long-max", INT64_MAX}};
	const struct value numbers[] = {{"0", 0},
					{"1", 1},
					{"2", 2},
					{"-1", -1},
					{"int-max", INT32_MAX},
					{"int-min", 1u << 31}};
	const struct value flags[] = {{"0", 0}, {"-1", -1}, {"bit-29", 1 << 29}, {"bit-3", 8}};
	const struct value paths[] = {{"file", addr("file")},
				      {"null", 0},
				      {"low", NO_MEMORY},
				      {"kernel", KERNEL},
				      {"empty", addr("")},
				      {"none", addr("none")},
				      {"file/x", addr("file/x")},
				      {"none/x", addr("none/x")},
				      {"folder", addr("folder")},
				      {"closed/x", addr("closed/x")},
				      {"loop", addr("loop")},
				      {"dangling", addr("dangling")},
				      {"others", addr("others")},
				      {"dots", addr("folder/..")},
				      {"long-name", addr(long_name)},
				      {"long-path", addr(long_path)},
				      {"no-end", addr(memset(end - 2, 'x', 2))}};
	const struct value modes[] = {{"644", 0644}, {"-1", -1}};
	const struct value addresses[] = {{"page", addr(page)},	   {"0", 0},
					  {"odd", addr(page) + 1}, {"behind", addr(end)},
					  {"low", NO_MEMORY},	   {"kernel", KERNEL},
					  {"last", -PAGE}};
	const struct value prots[] = {{"rw", 3}, {"-1", -1}, {"16", 16}, {"grows", 0x01000000}};
	const struct value maps[] = {{"private", MAP_PRIVATE | MAP_ANONYMOUS},
				     {"0", 0},
				     {"-1", -1},
				     {"shared", MAP_SHARED},
				     {"validate", 3 | 1 << 30}};
	const struct value times[] = {{"zero", addr(&zero_time)},
				      {"low", NO_MEMORY},
				      {"seconds", addr(&bad_seconds)},
				      {"nanoseconds", addr(&bad_nanoseconds)},
				      {"kernel", KERNEL}};
	const struct value pids[] = {{"self", getpid()},
				     {"1", 1},
				     {"none", 4194303},
				     {"-none", -4194303},
				     {"int-min", 1u << 31}};
	const struct value signals[] = {{"0", 0}, {"-1", -1}, {"65", 65}};
	const struct value clocks[] = {
	    {"monotonic", 1}, {"-1", -1}, {"15", 15}, {"cpu", 2}, {"alarm", 8}};
	const struct value vecs[] = {{"one", addr(&one_vec)},
				     {"null", 0},
				     {"low", NO_MEMORY},
				     {"huge", addr(&huge_vec)},
				     {"bad", addr(&bad_vec)}};
	const struct value sets[] = {{"8", 8}, {"0", 0}, {"16", 16}};
	const struct value argvs[] = {{"null", 0}, {"low", NO_MEMORY}, {"kernel", KERNEL}};
	const struct value opens[] = {{"0", 0},
				      {"-1", -1},
				      {"3", 3},
				      {"folder", O_DIRECTORY},
				      {"nofollow", O_NOFOLLOW},
				      {"creat", O_CREAT},
				      {"bit-29", 1 << 29}};
	const struct value advices[] = {{"0", 0},    {"-1", -1},    {"99", 99},
					{"free", 8}, {"remove", 9}, {"poison", 100}};
	const struct value names[] = {
	    {"name", addr(&name)}, {"null", 0}, {"low", NO_MEMORY}, {"zeroes", addr(page)}};
	const struct value name_lengths[] = {
	    {"110", sizeof(name)}, {"0", 0}, {"1", 1}, {"-1", -1}, {"200", 200}};
	const struct value sockets[] = {{"socket", FD_SOCKET},
					{"-1", -1},
					{"closed", FD_CLOSED},
					{"file", FD_FILE},
					{"path", FD_PATH}};
	const struct value families[] = {
	    {"unix", AF_UNIX}, {"0", 0}, {"-1", -1}, {"inet", AF_INET}, {"99", 99}};
	const struct value types[] = {{"stream", SOCK_STREAM},	{"0", 0},	   {"-1", -1},
				      {"datagram", SOCK_DGRAM}, {"raw", SOCK_RAW}, {"15", 15}};
	/* Of what the caller does not run out. */
	const struct value limits[] = {{"core", 4}, {"-1", -1}, {"16", 16}, {"int-max", INT32_MAX}};
#define KIND(letter, array)                      \
	case letter:                             \
		memcpy(v, array, sizeof(array)); \
		return sizeof(array) / sizeof(*(array))
	switch (kind) {
		KIND('f', fds);
		KIND('d', folders);
		KIND('b', buffers);
		KIND('l', lengths);
		KIND('n', numbers);
		KIND('x', flags);
		KIND('p', paths);
		KIND('m', modes);
		KIND('a', addresses);
		KIND('r', prots);
		KIND('M', maps);
		KIND('t', times);
		KIND('P', pids);
		KIND('s', signals);
		KIND('c', clocks);
		KIND('v', vecs);
		KIND('z', sets);
		KIND('S', argvs);
		KIND('g', opens);
		KIND('A', advices);
		KIND('q', names);
		KIND('Q', name_lengths);
		KIND('k', sockets);
		KIND('F', families);
		KIND('T', types);
		KIND('R', limits);
	}
	abort();
}

/* ---- a child's part ---- */

/* What the child has found, and how far it is: shared. */
struct found {
	int at;		    /* the case that it is at */
	int n;		    /* of all cases, known when the child has begun */
	int err[CASES * 6]; /* 0: no error; -1: not made yet, or its end */
};
static struct found *found;

static void put_at(int fd, int at)
{
	REQUIRE(fd >= 0 && dup2(fd, at) == at);
	close(fd);
}

/* What lies in the folder and is open belongs to the user, but for `others`. */
static void make_files(void)
{
	int fds[2];

	put_at(open("others", O_CREAT | O_RDWR, 0600), FD_FILE);
	EQ(setgid(1000), 0);
	EQ(setuid(1000), 0);
	put_at(open("file", O_CREAT | O_RDWR, 0644), FD_FILE);
	EQ(ftruncate(FD_FILE, 2 * PAGE), 0);
	mkdir("folder", 0755);
	mkdir("closed", 0);
	REQUIRE(!symlink("loop", "loop") && !symlink("none", "dangling"));
	put_at(open("file", O_RDONLY), FD_READ_ONLY);
	put_at(open("folder", O_RDONLY), FD_FOLDER);
	put_at(open("file", O_PATH), FD_PATH);
	REQUIRE(!pipe2(fds, O_NONBLOCK));
	put_at(fds[0], FD_PIPE_IN);
	put_at(fds[1], FD_PIPE_OUT);
	put_at(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), FD_SOCKET);
	put_at(eventfd(0, EFD_NONBLOCK), FD_EVENT);
	put_at(epoll_create1(0), FD_EPOLL);
	put_at(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), FD_TIMER);
}

static void make_memory(void)
{
	char *all = mmap((void *)0x10000000, 8 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	REQUIRE(all != MAP_FAILED);
	page = all;
	read_only = all + 3 * PAGE;
	end = all + 6 * PAGE;
	mprotect(read_only, PAGE, PROT_READ);
	munmap(end, 2 * PAGE);
	one_vec = (struct iovec){page, 16};
	huge_vec = (struct iovec){page, -1};
	bad_vec = (struct iovec){(void *)NO_MEMORY, 16};
	memset(long_name, 'x', sizeof(long_name) - 1);
	for (size_t i = 0; i + 1 < sizeof(long_path); i++)
		long_path[i] = i % 2 ? '/' : '.';
}

/* The i-th case of a call. False: there are fewer. */
static bool arguments(const struct call *c, int i, uint64_t a[6], char *what, size_t size)
{
	struct value v[MOST];
	bool good = i-- == 0;

	snprintf(what, size, "good");
	for (int k = 0; k < 6; k++) {
		int n = k < (int)strlen(c->kinds) ? values_of(c->kinds[k], v) : 0;

		a[k] = n ? v[0].value : 0;
		if (!good && n && i < n - 1 && i >= 0) {
			a[k] = v[i + 1].value;
			snprintf(what, size, "%d:%s", k + 1, v[i + 1].name);
			good = true;
		} else if (!good && n) {
			i -= n - 1;
		}
	}
	return good;
}

/* In a fresh folder, from case `first` on. */
static void make_calls(const struct call *c, int first)
{
	struct itimerval soon = {.it_value.tv_usec = BLOCK_MS * 1000};
	uint64_t a[6];
	char what[32];

	make_memory();
	make_files();
	dup2(open("/dev/null", O_RDWR), 0);
	for (int i = first; arguments(c, i, a, what, sizeof(what)); i++) {
		found->at = i;
		memset(page, 0, 2 * PAGE);
		setitimer(ITIMER_REAL, &soon, NULL);
		found->err[i] =
		    syscall(c->number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
		found->at = i + 1;
	}
	_exit(0);
}

/* ---- all of them ---- */

static void empty_folder(const char *path)
{
	char command[128];

	/* What bad modes left behind may be of any rights; this is root. */
	snprintf(command, sizeof(command), "/bin/busybox rm -rf %s", path);
	if (fork() == 0)
		execl("/bin/sh", "sh", "-c", command, NULL);
	wait(NULL);
}

static void show(const struct call *c, int i, int status)
{
	uint64_t a[6];
	char what[32];

	arguments(c, i, a, what, sizeof(what));
	if (i < found->at)
		printf("%s %s %d\n", c->name, what, found->err[i]);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		printf("%s %s blocks\n", c->name, what);
	else
		printf("%s %s ends %d\n", c->name, what, status);
}

static void try_call(const struct call *c)
{
	const char *folder = "/tmp/bad_args";
	uint64_t a[6];
	char what[32];
	int status;

	make_memory();
	for (int i = 0; arguments(c, i, a, what, sizeof(what));) {
		pid_t pid;

		mkdir(folder, 0777);
		chmod(folder, 0777);
		found->at = i;
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			if (chdir(folder))
				_exit(9);
			make_calls(c, i);
		}
		status = status_of(pid);
		for (; i < found->at; i++)
			show(c, i, status);
		if (status)
			show(c, i++, status);
		empty_folder(folder);
		sweep_ipc();
	}
}

HELPER(all)
{
	found = map_anon(sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED);
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (argc < 2 || !strcmp(argv[1], calls[i].name))
			try_call(&calls[i]);
	fflush(stdout);
	return 0;
}
