/* execve: what it keeps, what it drops, its limits, and what it refuses with the old image intact. */
#include "maps.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>

/* Checks argv and the environment as they came in. */
HELPER(args)
{
	EQ(argc, 4);
	CHECK(!strcmp(argv[1], "one"));
	CHECK(!strcmp(argv[2], ""));
	CHECK(!strcmp(argv[3], "three words here"));
	CHECK(getenv("A") && !strcmp(getenv("A"), "1"));
	CHECK(getenv("EMPTY") && !strcmp(getenv("EMPTY"), ""));
	return tap_failed;
}

HELPER(status)
{
	return argc > 1 ? atoi(argv[1]) : 0;
}

/* What exec keeps and resets; argv: pid, the descriptors that are to be open and closed. */
HELPER(kept)
{
	struct sigaction sa;
	sigset_t set;

	EQ(getpid(), atoi(argv[1]));
	CHECK(fcntl(atoi(argv[2]), F_GETFD) >= 0);
	FAILS(fcntl(atoi(argv[3]), F_GETFD), EBADF);
	sigaction(SIGUSR1, NULL, &sa);
	CHECK(sa.sa_handler == SIG_DFL); /* was caught */
	sigaction(SIGUSR2, NULL, &sa);
	CHECK(sa.sa_handler == SIG_IGN); /* was ignored */
	sigprocmask(SIG_BLOCK, NULL, &set);
	CHECK(sigismember(&set, SIGHUP)); /* was blocked */
	sigpending(&set);
	CHECK(sigismember(&set, SIGHUP)); /* was pending */
	EQ(alarm(0) > 0, 1);
	EQ(umask(0), 027);
	return tap_failed;
}

HELPER(auxv)
{
	const unsigned char *random = (void *)getauxval(AT_RANDOM);
	const Elf64_Ehdr *header = (void *)0;
	unsigned sum = 0;

	EQ(getauxval(AT_PAGESZ), PAGE);
	EQ(getauxval(AT_CLKTCK), 100);
	EQ(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
	CHECK(getauxval(AT_PHNUM) > 2 && getauxval(AT_PHNUM) < 30);
	CHECK(getauxval(AT_PHDR) != 0);
	CHECK(getauxval(AT_ENTRY) != 0);
	EQ(getauxval(AT_UID), 0);
	EQ(getauxval(AT_EUID), 0);
	EQ(getauxval(AT_GID), 0);
	EQ(getauxval(AT_EGID), 0);
	EQ(getauxval(AT_SECURE), 0);
	CHECK(getauxval(AT_HWCAP) != 0);
	CHECK(!strcmp((char *)getauxval(AT_PLATFORM), "x86_64"));
	CHECK(getauxval(AT_EXECFN) && strstr((char *)getauxval(AT_EXECFN), argv[1]));
	REQUIRE(random);
	for (int i = 0; i < 16; i++)
		sum += random[i];
	CHECK(sum != 0);
	EQ((unsigned long)__builtin_frame_address(0) % 16, 0);
	(void)header;
	return tap_failed;
}

HELPER(count)
{
	long n = 0;

	for (int i = 1; i < argc; i++)
		n += strlen(argv[i]) + 1;
	return n == 100 * 1000 ? 0 : 1;
}

/* Everything of the old image must be gone. */
HELPER(fresh)
{
	unsigned long old = strtoul(argv[1], NULL, 16);
	struct region r;

	CHECK(!region_at((void *)old, &r));
	CHECK(region_named("[stack]", &r));
	CHECK(!strcmp(r.perms, "rw-p"));
	return tap_failed;
}

/* Its ids: real, effective, saved user id, and what AT_SECURE says. */
HELPER(ids)
{
	uid_t r, e, s;

	EQ(getresuid(&r, &e, &s), 0);
	EQ(r, atoi(argv[1]));
	EQ(e, atoi(argv[2]));
	EQ(s, atoi(argv[2]));
	EQ(getauxval(AT_UID), r);
	EQ(getauxval(AT_EUID), e);
	EQ(getauxval(AT_SECURE), r != e);
	EQ(prctl(PR_GET_DUMPABLE), r == e);
	return tap_failed;
}

/* Who calls a program with rights of its own has no say in where it lies. */
HELPER(random)
{
	EQ(personality(0xffffffff) & (ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT), 0);
	return tap_failed;
}

static int run(const char *path, char *const argv[], char *const envp[])
{
	return status_of(CHILD(execve(path, argv, envp); _exit(100 + errno)));
}

#define ARGV(...) ((char *[]){"exec", __VA_ARGS__, NULL})
#define NO_ENV	  ((char *[]){NULL})

TEST(arguments_and_environment)
{
	char *env[] = {"A=1", "EMPTY=", NULL};

	EQ(run("/proc/self/exe", ARGV("--args", "one", "", "three words here"), env), 0);
}

TEST(what_is_kept)
{
	char pid[16], keep[16], drop[16];
	int fd = open("/", O_RDONLY), gone = open("/", O_RDONLY | O_CLOEXEC);

	snprintf(keep, sizeof(keep), "%d", fd);
	snprintf(drop, sizeof(drop), "%d", gone);
	JOIN(CHILD(sigset_t set; sigemptyset(&set); sigaddset(&set, SIGHUP);
		   sigprocmask(SIG_BLOCK, &set, NULL); raise(SIGHUP);
		   signal(SIGUSR1, (void (*)(int))_exit); signal(SIGUSR2, SIG_IGN); alarm(100);
		   umask(027); snprintf(pid, sizeof(pid), "%d", getpid());
		   execv("/proc/self/exe", ARGV("--kept", pid, keep, drop)); _exit(99)));
}

TEST(auxiliary_vector)
{
	EQ(run("/progs/exec", ARGV("--auxv", "/progs/exec"), NO_ENV), 0);
}

TEST(static_pie)
{
	EQ(run("/progs/exec-pie", ARGV("--auxv", "/progs/exec-pie"), NO_ENV), 0);
	EQ(run("/progs/exec-pie", ARGV("--status", "33"), NO_ENV), 33 << 8);
}

TEST(old_image_is_gone)
{
	char where[32];
	void *p = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	*(int *)p = 1;
	snprintf(where, sizeof(where), "%lx", (unsigned long)p);
	EQ(run("/proc/self/exe", ARGV("--fresh", where), NO_ENV), 0);
	EQ(*(int *)p, 1);
}

TEST(a_hundred_thousand_bytes_of_arguments)
{
	enum { N = 1000 };
	static char word[100];
	static char *argv[N + 3];

	memset(word, 'x', 99);
	argv[0] = "exec";
	argv[1] = "--count";
	for (int i = 0; i < N; i++)
		argv[i + 2] = word;
	EQ(run("/proc/self/exe", argv, NO_ENV), 0);
}

TEST(limits_are_e2big)
{
	char *big = map_private(40 * PAGE);
	char *argv[] = {"exec", "--status", "0", big, NULL};
	static char *many[4000];
	struct rlimit small = {512 * 1024, RLIM_INFINITY};

	memset(big, 'x', 32 * PAGE - 1); /* MAX_ARG_STRLEN with its NUL: fits */
	EQ(run("/proc/self/exe", argv, NO_ENV), 0);
	big[32 * PAGE - 1] = 'x';
	FAILS(execv("/proc/self/exe", argv), E2BIG);
	/* all together: a quarter of the stack's limit */
	big[500] = 0;
	for (int i = 0; i < 3999; i++)
		many[i] = big;
	JOIN(CHILD(setrlimit(RLIMIT_STACK, &small);
		   FAILS(execve("/proc/self/exe", many, NO_ENV), E2BIG);
		   FAILS(execve("/proc/self/exe", ARGV("--status"), many), E2BIG)));
}

static void script(const char *path, const char *text, mode_t mode)
{
	spit(path, text);
	EQ(chmod(path, mode), 0);
}

TEST(scripts)
{
	script("/tmp/s1", "#!/progs/exec --status\n", 0755);
	/* the interpreter gets its one argument, then the script's path: status of "/tmp/s1" is 0 */
	EQ(run("/tmp/s1", ARGV("44"), NO_ENV), 0);
	script("/tmp/s2", "#!  /bin/busybox   sh  \nexit $#\n", 0755);
	EQ(run("/tmp/s2", ARGV("a", "b"), NO_ENV), 2 << 8);
	script("/tmp/s3", "#!/tmp/s2\n", 0755); /* a script's interpreter may be a script */
	EQ(run("/tmp/s3", ARGV("a"), NO_ENV), 2 << 8);
	script("/tmp/s4", "#!/tmp/s4\n", 0755);
	EQ(run("/tmp/s4", ARGV("a"), NO_ENV), (100 + ELOOP) << 8);
	script("/tmp/s5", "#!/no/such/interpreter\n", 0755);
	EQ(run("/tmp/s5", ARGV("a"), NO_ENV), (100 + ENOENT) << 8);
	script("/tmp/s6", "#!\n", 0755);
	EQ(run("/tmp/s6", ARGV("a"), NO_ENV), (100 + ENOEXEC) << 8);
	for (char i = '1'; i <= '6'; i++)
		unlink((char[]){'/', 't', 'm', 'p', '/', 's', i, 0});
}

TEST(refusals)
{
	static char *none[] = {"x", NULL};
	char name[300];

	FAILS(execve("/no/such/file", none, NO_ENV), ENOENT);
	FAILS(execve("", none, NO_ENV), ENOENT);
	FAILS(execve("/tmp", none, NO_ENV), EACCES);
	FAILS(execve("/progs/exec/x", none, NO_ENV), ENOTDIR);
	memset(name, 'a', 299);
	name[299] = 0;
	FAILS(execve(name, none, NO_ENV), ENAMETOOLONG);
	script("/tmp/noexec", "#!/bin/sh\n", 0644);
	FAILS(execve("/tmp/noexec", none, NO_ENV), EACCES);
	script("/tmp/empty", "", 0755);
	FAILS(execve("/tmp/empty", none, NO_ENV), ENOEXEC);
	script("/tmp/garbage", "not a program", 0755);
	FAILS(execve("/tmp/garbage", none, NO_ENV), ENOEXEC);
	FAILS(execve((char *)8, none, NO_ENV), EFAULT);
	FAILS(execve("/proc/self/exe", (char **)8, NO_ENV), EFAULT);
	FAILS(execve("/proc/self/exe", (char *[]){(char *)8, NULL}, NO_ENV), EFAULT);
	FAILS(execve("/proc/self/exe", none, (char *[]){(char *)8, NULL}), EFAULT);
	unlink("/tmp/noexec");
	unlink("/tmp/empty");
	unlink("/tmp/garbage");
}

/* Headers that lie: each is refused, or kills the new program, and never the kernel. */
TEST(malformed_elf)
{
	static unsigned char image[8192];
	Elf64_Ehdr *h = (void *)image;
	Elf64_Phdr *p = (void *)(image + sizeof(*h));

	for (int kind = 0; kind < 12; kind++) {
		int fd, status;

		memset(image, 0, sizeof(image));
		memcpy(h->e_ident, ELFMAG, 4);
		h->e_ident[EI_CLASS] = ELFCLASS64;
		h->e_ident[EI_DATA] = ELFDATA2LSB;
		h->e_ident[EI_VERSION] = 1;
		h->e_type = ET_EXEC;
		h->e_machine = EM_X86_64;
		h->e_version = 1;
		h->e_entry = 0x400080;
		h->e_phoff = sizeof(*h);
		h->e_ehsize = sizeof(*h);
		h->e_phentsize = sizeof(*p);
		h->e_phnum = 1;
		*p = (Elf64_Phdr){.p_type = PT_LOAD,
				  .p_flags = PF_R | PF_X,
				  .p_vaddr = 0x400000,
				  .p_filesz = 4096,
				  .p_memsz = 4096,
				  .p_align = 4096};
		/* mov $60, %eax; mov $55, %edi; syscall */
		memcpy(image + 0x80, "\xb8\x3c\0\0\0\xbf\x37\0\0\0\x0f\x05", 12);
		switch (kind) {
		case 0:
			break; /* as it should be */
		case 1:
			h->e_machine = EM_AARCH64;
			break;
		case 2:
			h->e_phnum = 0;
			break;
		case 3:
			h->e_phentsize = 1;
			break;
		case 4:
			h->e_phoff = 1ul << 40;
			break;
		case 5:
			p->p_vaddr = 0xffff800000000000;
			break;
		case 6:
			p->p_memsz = 1ul << 48;
			break;
		case 7:
			p->p_filesz = 8192;
			p->p_memsz = 4096;
			break;
		case 8:
			p->p_vaddr = 0x400010;
			break; /* not congruent to the offset */
		case 9:
			h->e_entry = 0x7000000;
			break;
		case 10:
			h->e_type = ET_REL;
			break;
		case 11:
			h->e_phnum = 0xfff0;
			break;
		}
		fd = open("/tmp/elf", O_WRONLY | O_CREAT | O_TRUNC, 0755);
		EQ(write(fd, image, sizeof(image)), sizeof(image));
		close(fd);
		status = run("/tmp/elf", ARGV("x"), NO_ENV);
		if (kind == 0)
			EQ(status, 55 << 8);
		else
			CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) > 100);
	}
	unlink("/tmp/elf");
}

TEST(cut_off_elf)
{
	static char image[65536];
	int fd = open("/progs/exec", O_RDONLY);
	ssize_t n = read(fd, image, sizeof(image));

	for (int size = 1; size < n; size = size * 3 + 1) {
		int out = open("/tmp/cut", O_WRONLY | O_CREAT | O_TRUNC, 0755), status;

		EQ(write(out, image, size), size);
		close(out);
		status = run("/tmp/cut", ARGV("--status", "0"), NO_ENV);
		CHECK(status != 0);
	}
	unlink("/tmp/cut");
	close(fd);
}

TEST(name_in_proc)
{
	char buf[64];

	REQUIRE(slurp("/proc/self/comm", buf, sizeof(buf)) > 0);
	CHECK(!strcmp(buf, "exec\n"));
	REQUIRE(slurp("/proc/self/cmdline", buf, sizeof(buf)) > 0);
	CHECK(strstr(buf, "exec"));
	EQ(readlink("/proc/self/exe", buf, sizeof(buf)), 11);
	CHECK(!memcmp(buf, "/progs/exec", 11));
}

TEST(fexecve_and_execveat)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char *argv[] = {"exec", "--status", "21", NULL};

	EQ(status_of(CHILD(syscall(SYS_execveat, fd, "", argv, NO_ENV, 0x1000 /* AT_EMPTY_PATH */);
			   _exit(100 + errno))),
	   21 << 8);
}

HELPER(wait)
{
	char c;

	return read(0, &c, 1) == 1 ? 0 : 1;
}

static void copy_self(const char *to)
{
	static char bytes[262144];
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0755);
	ssize_t n = read(in, bytes, sizeof(bytes));

	REQUIRE(n > 0 && n < (ssize_t)sizeof(bytes) && write(out, bytes, n) == n);
	close(in);
	close(out);
}

TEST(what_runs_is_not_written_to)
{
	static const char file[] = "/tmp/exec-busy";
	char *const argv[] = {"busy", "--wait", NULL};
	int go[2], fd;
	pid_t pid;

	copy_self(file);
	fd = open(file, O_WRONLY);
	REQUIRE(fd >= 0);
	FAILS(execve(file, argv, NULL), ETXTBSY);
	close(fd);
	REQUIRE(!pipe(go));
	pid = fork();
	if (pid == 0) {
		dup2(go[0], 0);
		do /* while the other has it open for writing, to see whether it runs */
			execve(file, argv, NULL);
		while (errno == ETXTBSY);
		_exit(9);
	}
	for (int i = 0; i < 500; i++) { /* until it runs */
		fd = open(file, O_WRONLY);
		if (fd < 0)
			break;
		close(fd);
		sleep_ms(2);
	}
	FAILS(open(file, O_WRONLY), ETXTBSY);
	FAILS(open(file, O_RDWR | O_TRUNC), ETXTBSY);
	FAILS(open(file, O_RDONLY | O_TRUNC), ETXTBSY);
	FAILS(truncate(file, 0), ETXTBSY);
	FAILS(open("/proc/self/exe", O_WRONLY), ETXTBSY);
	EQ(write(go[1], "x", 1), 1);
	JOIN(pid);
	fd = open(file, O_WRONLY);
	CHECK(fd >= 0);
	close(fd);
	unlink(file);
}

HELPER(umask)
{
	volatile int *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 9, 0);

	at[0] = geteuid();
	while (!at[1])
		sched_yield();
	at[2] = umask(0);
	return 0;
}

/* Who shares its umask with the caller (CLONE_FS) must not set that of a program with rights of its own. */
TEST(set_user_id_beside_a_shared_umask)
{
	int fd = memfd_create("shared", 0);
	volatile int *at;
	int status;
	pid_t pid;

	REQUIRE(!ftruncate(fd, PAGE) && dup2(fd, 9) == 9);
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	JOIN(CHILD(execl("/bin/busybox", "cp", "/progs/exec", "/tmp/suid", NULL)));
	EQ(chown("/tmp/suid", 77, 0), 0);
	EQ(chmod("/tmp/suid", 04755), 0);
	JOIN(CHILD(
	    setuid(1234); umask(022); pid = syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
	    if (!pid) execl("/tmp/suid", "exec", "--umask", NULL); while (!at[0]) sched_yield();
	    umask(0); at[1] = 1; EQ(waitpid(pid, &status, 0), pid); EQ(status, 0)));
	/* Linux does not raise the rights then. */
	EQ(at[0], on_calf() ? 77 : 1234);
	EQ(at[2], on_calf() ? 022 : 0);
	EQ(unlink("/tmp/suid"), 0);
}

TEST(set_user_id)
{
	static char *plain[] = {"exec", "--ids", "1234", "1234", NULL};
	static char *raised[] = {"exec", "--ids", "1234", "77", NULL};

	JOIN(CHILD(execl("/bin/busybox", "cp", "/progs/exec", "/tmp/suid", NULL)));
	EQ(chown("/tmp/suid", 77, 0), 0);
	EQ(chmod("/tmp/suid", 0755), 0);
	JOIN(CHILD(setuid(1234); execv("/tmp/suid", plain)));
	EQ(chmod("/tmp/suid", 04755), 0);
	JOIN(CHILD(setuid(1234); execv("/tmp/suid", raised)));
	JOIN(CHILD(setuid(1234); personality(ADDR_NO_RANDOMIZE);
		   execl("/tmp/suid", "exec", "--random", NULL)));
	/* who has given up new privileges gets none, nor do its children */
	JOIN(CHILD(setuid(1234); prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		   JOIN(CHILD(execv("/tmp/suid", plain)))));
	EQ(unlink("/tmp/suid"), 0);
}
