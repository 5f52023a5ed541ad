/*
 * Process 1: makes the machine usable, runs what the kernel's command line names, reaps, and
 * switches off. What it runs is told by words that the kernel does not know itself:
 *
 *   -- CMD ARG...     one program, by name or path, with its arguments
 *   run="CMD ARG..."  one line for /bin/sh
 *   demo=no           no demo before the shell
 *   (none of these)   the demo, and then a shell
 *
 * When the named command, or the shell, is over, all that is left is killed, a line says how it
 * ended ("init: CMD exited with status N", 128 + signal where one killed it), and the machine goes
 * off. As with busybox, SIGUSR2 switches off, SIGUSR1 halts and SIGTERM restarts.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t shutdown_signal;
static sigset_t asleep; /* the mask while waiting: everything gets through */

#define say(...) dprintf(STDOUT_FILENO, "init: " __VA_ARGS__)

static void on_signal(int sig)
{
	if (sig != SIGCHLD)
		shutdown_signal = sig;
}

/* Signals are let in only while init sleeps, so that none is lost between a look and the sleep. */
static void take_signals(void)
{
	static const int wanted[] = {SIGCHLD, SIGTERM, SIGUSR1, SIGUSR2};
	struct sigaction sa = {.sa_handler = on_signal};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		sigaddset(&set, wanted[i]);
		sigaction(wanted[i], &sa, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigemptyset(&asleep);
}

static void mount_one(const char *type, const char *dir, unsigned long flags, const char *options)
{
	mkdir(dir, 0755);
	if (mount(type, dir, type, flags, options) != 0 && errno != EBUSY)
		say("cannot mount %s on %s: %s\n", type, dir, strerror(errno));
}

static void open_console(void)
{
	int fd;

	if (access("/dev/null", F_OK) != 0)
		mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	if (fcntl(STDOUT_FILENO, F_GETFD) >= 0)
		return;
	do
		fd = open("/dev/console", O_RDWR);
	while (fd >= 0 && fd < STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static void set_hostname(void)
{
	char name[64];
	FILE *f = fopen("/etc/hostname", "r");

	if (!f)
		return;
	if (fgets(name, sizeof(name), f)) {
		name[strcspn(name, "\n")] = '\0';
		if (*name)
			sethostname(name, strlen(name));
	}
	fclose(f);
}

static void set_up(void)
{
	umask(022);
	open_console();
	mount_one("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666");
	mount_one("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_one("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_one("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_one("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	set_hostname();
	setenv("PATH", "/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("TERM", "vt102", 1); /* a serial line: whatever is behind it understands this */
}

/*
 * A serial line does not say how large its terminal is. Some programs then ask the terminal, and wait for ever
 * where what is at the other end is a program.
 */
static void set_size(void)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) || size.ws_col)
		return;
	size.ws_row = 24;
	size.ws_col = 80;
	ioctl(STDIN_FILENO, TIOCSWINSZ, &size);
}

/* Becomes a session with the console as its terminal, then the program. Does not return. */
static void exec_on_console(char *const argv[], const char *file)
{
	setsid();
	ioctl(STDIN_FILENO, TIOCSCTTY, 1);
	set_size();
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &asleep, NULL);
	if (chdir(getenv("HOME")) != 0)
		chdir("/");
	execvp(file, argv);
	say("cannot run %s: %s\n", file, strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Waits for one child, reaping all others, or for a signal that asks for the end. */
static int wait_for(pid_t child)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid == child)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		if (pid < 0 && errno == ECHILD)
			return -1;
		if (shutdown_signal)
			return -1;
		if (pid <= 0)
			sigsuspend(&asleep);
	}
}

/* Runs a program to its end and says how it ended. `name` is what the line calls it. */
static void run(const char *name, const char *file, char *const argv[])
{
	struct termios terminal;
	bool have_terminal = tcgetattr(STDIN_FILENO, &terminal) == 0;
	pid_t pid = fork();
	int status;

	if (pid == 0)
		exec_on_console(argv, file);
	if (pid < 0) {
		say("cannot start %s: %s\n", name, strerror(errno));
		return;
	}
	status = wait_for(pid);
	if (have_terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
	if (status > 128 && status < 128 + NSIG)
		say("%s exited with status %d (%s)\n", name, status, strsignal(status - 128));
	else if (status >= 0)
		say("%s exited with status %d\n", name, status);
}

static void run_shell_line(char *line)
{
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, line, NULL};

	run(line, "/bin/sh", argv);
}

/* The words after `--`, joined by spaces: the name under which their end is reported. */
static void run_words(char **words)
{
	char name[256] = "";
	size_t len = 0;

	for (char **word = words; *word && len < sizeof(name) - 1; word++)
		len +=
		    (size_t)snprintf(name + len, sizeof(name) - len, "%s%s", len ? " " : "", *word);
	run(name, words[0], words);
}

static void print_file(const char *path)
{
	char buf[512];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(STDOUT_FILENO, buf, (size_t)n) < 0)
			break;
	close(fd);
}

static void run_demo_and_shell(void)
{
	const char *demo = getenv("demo");
	char *demo_argv[] = {(char[]){"demo"}, NULL};
	char *shell_argv[] = {(char[]){"-sh"}, NULL}; /* "-": a login shell, reads /etc/profile */

	if (!(demo && strcmp(demo, "no") == 0) && access("/bin/demo", X_OK) == 0)
		run("demo", "/bin/demo", demo_argv);
	if (shutdown_signal)
		return;
	print_file("/etc/motd");
	run("the shell", "/bin/sh", shell_argv);
}

/* True once no child is left; orphans become children of init, so then nobody is. */
static bool reap_all(int milliseconds)
{
	for (; milliseconds >= 0; milliseconds -= 10) {
		pid_t pid;

		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
	}
	return false;
}

static void __attribute__((noreturn)) switch_off(void)
{
	int how = RB_POWER_OFF;

	if (!reap_all(0)) {
		kill(-1, SIGTERM);
		kill(-1, SIGCONT);
		if (!reap_all(500)) {
			kill(-1, SIGKILL);
			reap_all(2000);
		}
	}
	if (shutdown_signal == SIGTERM)
		how = RB_AUTOBOOT;
	else if (shutdown_signal == SIGUSR1)
		how = RB_HALT_SYSTEM;
	sync();
	if (reboot(how) != 0)
		say("cannot switch off: %s\n", strerror(errno));
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	char *line = getenv("run");

	if (getpid() != 1) {
		fprintf(stderr, "init: the kernel starts me, as process 1\n");
		return 1;
	}
	take_signals();
	set_up();
	if (argc > 1)
		run_words(argv + 1);
	else if (line && *line)
		run_shell_line(line);
	else
		run_demo_and_shell();
	switch_off();
}
