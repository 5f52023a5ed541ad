/* Signals: handlers, masks, stacks, restarts, what is pending, and what each default does. */
#include "tap.h"
#include <sys/uio.h>
#include <ucontext.h>

static volatile int hits, last, depth, deepest;
static siginfo_t info;

static void count(int sig)
{
	hits++;
	last = sig;
}

static void keep_info(int sig, siginfo_t *si, void *context)
{
	hits++;
	last = sig;
	info = *si;
}

static void catch_flags(int sig, void (*handler)(int), int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};

	EQ(sigaction(sig, &sa, NULL), 0);
}

static void catch_info(int sig)
{
	struct sigaction sa = {.sa_sigaction = keep_info, .sa_flags = SA_SIGINFO | SA_RESTART};

	EQ(sigaction(sig, &sa, NULL), 0);
}

TEST(handler_runs_and_returns)
{
	catch_flags(SIGUSR1, count, 0);
	for (int i = 1; i <= 3; i++) {
		EQ(raise(SIGUSR1), 0);
		EQ(hits, i);
		EQ(last, SIGUSR1);
	}
}

TEST(registers_survive_a_handler)
{
	unsigned long a = 1, b = 2, c = 3, d = 4, e = 5;
	pid_t self = getpid();
	long r = SYS_kill;

	catch_flags(SIGUSR1, count, 0);
	__asm__ volatile("syscall" : "+a"(r) : "D"(self), "S"(SIGUSR1) : "rcx", "r11", "memory");
	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
	EQ(r, 0);
	EQ(a + b * 10 + c * 100 + d * 1000 + e * 10000, 54321);
	EQ(hits, 1);
}

TEST(info_of_kill)
{
	pid_t parent = getpid(), pid;

	catch_info(SIGUSR1);
	raise(SIGUSR1);
	EQ(info.si_code, SI_TKILL);
	EQ(info.si_pid, getpid());
	kill(getpid(), SIGUSR1);
	EQ(info.si_code, SI_USER);
	EQ(info.si_signo, SIGUSR1);
	pid = CHILD(kill(parent, SIGUSR1));
	JOIN(pid);
	EQ(info.si_pid, pid);
	EQ(info.si_uid, 0);
	EQ(hits, 3);
}

TEST(info_of_sigchld)
{
	pid_t pid;

	catch_info(SIGCHLD);
	pid = CHILD(_exit(33));
	while (!hits)
		sleep_ms(1);
	EQ(info.si_code, CLD_EXITED);
	EQ(info.si_status, 33);
	EQ(info.si_pid, pid);
	waitpid(pid, NULL, 0);
}

TEST(info_of_sigqueue)
{
	union sigval v = {.sival_int = 4711};

	catch_info(SIGRTMIN + 1);
	EQ(sigqueue(getpid(), SIGRTMIN + 1, v), 0);
	EQ(info.si_code, SI_QUEUE);
	EQ(info.si_value.sival_int, 4711);
	EQ(info.si_pid, getpid());
}

TEST(mask_blocks_and_pending_tells)
{
	sigset_t set, old;

	catch_flags(SIGUSR1, count, 0);
	catch_flags(SIGUSR2, count, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR2);
	EQ(hits, 1);
	EQ(last, SIGUSR2);
	EQ(sigpending(&old), 0);
	CHECK(sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
	EQ(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
	EQ(hits, 2); /* a plain signal is pending once */
	EQ(last, SIGUSR1);
	EQ(sigprocmask(SIG_SETMASK, NULL, &old), 0);
	CHECK(!sigismember(&old, SIGUSR1));
	FAILS(sigprocmask(77, &set, NULL), EINVAL);
}

TEST(kill_and_stop_cannot_be_blocked_or_caught)
{
	struct sigaction sa = {.sa_handler = count};
	sigset_t set, now;

	FAILS(sigaction(SIGKILL, &sa, NULL), EINVAL);
	FAILS(sigaction(SIGSTOP, &sa, NULL), EINVAL);
	FAILS(sigaction(0, &sa, NULL), EINVAL);
	FAILS(sigaction(65, &sa, NULL), EINVAL);
	sigfillset(&set);
	EQ(sigprocmask(SIG_SETMASK, &set, NULL), 0);
	EQ(sigprocmask(SIG_SETMASK, NULL, &now), 0);
	CHECK(!sigismember(&now, SIGKILL) && !sigismember(&now, SIGSTOP));
	CHECK(sigismember(&now, SIGTERM));
}

TEST(realtime_signals_queue_in_order)
{
	sigset_t set;
	union sigval v;
	siginfo_t si;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (v.sival_int = 1; v.sival_int <= 5; v.sival_int++)
		EQ(sigqueue(getpid(), SIGRTMIN + 2, v), 0);
	for (int i = 1; i <= 5; i++) {
		EQ(sigwaitinfo(&set, &si), SIGRTMIN + 2);
		EQ(si.si_value.sival_int, i);
	}
	struct timespec none = {0, 0};
	FAILS(sigtimedwait(&set, &si, &none), EAGAIN);
}

static void nest(int sig)
{
	hits++;
	if (++depth > deepest)
		deepest = depth;
	if (hits < 4)
		raise(sig);
	depth--;
}

TEST(own_signal_is_blocked_in_the_handler)
{
	catch_flags(SIGUSR1, nest, 0);
	raise(SIGUSR1);
	EQ(hits, 4);
	EQ(deepest, 1);
	hits = deepest = 0;
	catch_flags(SIGUSR1, nest, SA_NODEFER);
	raise(SIGUSR1);
	EQ(hits, 4);
	EQ(deepest, 4);
}

TEST(sa_mask_is_in_force_in_the_handler)
{
	struct sigaction sa = {.sa_handler = nest};

	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	catch_flags(SIGUSR2, count, 0);
	hits = 3; /* nest raises nothing itself */
	raise(SIGUSR2);
	EQ(last, SIGUSR2);
	raise(SIGUSR1);
	EQ(deepest, 1);
}

TEST(resethand)
{
	struct sigaction sa;

	catch_flags(SIGUSR1, count, SA_RESETHAND);
	raise(SIGUSR1);
	EQ(hits, 1);
	sigaction(SIGUSR1, NULL, &sa);
	CHECK(sa.sa_handler == SIG_DFL);
}

static bool sleeps(pid_t who)
{
	char path[32], buf[512], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", who);
	if (slurp(path, buf, sizeof(buf)) <= 0)
		return false;
	end = strrchr(buf, ')');
	return end && end[2] == 'S';
}

/* In some `ms`, and not before it sleeps. */
static void interrupt_later(pid_t who, int sig, int ms)
{
	CHILD(do sleep_ms(ms); while (!sleeps(who)); kill(who, sig));
}

TEST(read_is_interrupted_or_restarted)
{
	int p[2];
	char c = 0;
	pid_t self = getpid(), pid;

	REQUIRE(!pipe(p));
	catch_flags(SIGUSR1, count, 0);
	interrupt_later(self, SIGUSR1, 20);
	FAILS(read(p[0], &c, 1), EINTR);
	EQ(hits, 1);
	catch_flags(SIGUSR1, count, SA_RESTART);
	pid = CHILD(sleep_ms(20); kill(self, SIGUSR1); sleep_ms(20); EQ(write(p[1], "z", 1), 1));
	EQ(read(p[0], &c, 1), 1);
	EQ(c, 'z');
	EQ(hits, 2);
	JOIN(pid);
}

TEST(waits_and_pauses_under_sa_restart)
{
	pid_t self = getpid(), pid;
	int s;

	catch_flags(SIGUSR1, count, SA_RESTART);
	pid = CHILD(sleep_ms(60));
	interrupt_later(self, SIGUSR1, 15);
	EQ(waitpid(pid, &s, 0), pid);
	EQ(hits, 1);
	interrupt_later(self, SIGUSR1, 15);
	FAILS(pause(), EINTR); /* never restarted */
	EQ(hits, 2);
	interrupt_later(self, SIGUSR1, 15);
	struct timespec ts = {5, 0}, left = {0, 0};
	FAILS(nanosleep(&ts, &left), EINTR);
	BETWEEN(left.tv_sec * 1000 + left.tv_nsec / 1000000, 3000, 4999);
}

TEST(sleep_goes_on_after_stop_and_continue)
{
	pid_t pid = CHILD(long t = now_ms(); struct timespec ts = {0, 150000000};
			  EQ(nanosleep(&ts, NULL), 0); CHECK(now_ms() - t >= 149));

	sleep_ms(20);
	kill(pid, SIGSTOP);
	sleep_ms(20);
	kill(pid, SIGCONT);
	JOIN(pid);
}

TEST(sigsuspend)
{
	sigset_t block, none, now;

	catch_flags(SIGUSR1, count, 0);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGUSR1);
	EQ(hits, 0);
	FAILS(sigsuspend(&none), EINTR);
	EQ(hits, 1);
	sigprocmask(SIG_SETMASK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1)); /* the mask is back */
}

static char *alternate;
static volatile bool was_on_it;

static void on_stack(int sig)
{
	char here;
	stack_t ss;

	was_on_it = &here > alternate && &here < alternate + 16 * PAGE;
	sigaltstack(NULL, &ss);
	EQ(ss.ss_flags & SS_ONSTACK, was_on_it ? SS_ONSTACK : 0);
	if (was_on_it) {
		ss.ss_flags = 0;
		FAILS(sigaltstack(&ss, NULL), EPERM);
	}
	hits++;
}

TEST(sigaltstack_and_its_refusals)
{
	stack_t ss = {.ss_size = 16 * PAGE}, old;

	alternate = map_private(16 * PAGE);
	ss.ss_sp = alternate;
	EQ(sigaltstack(NULL, &old), 0);
	EQ(old.ss_flags, SS_DISABLE);
	EQ(sigaltstack(&ss, NULL), 0);
	catch_flags(SIGUSR1, on_stack, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(was_on_it);
	catch_flags(SIGUSR1, on_stack, 0);
	raise(SIGUSR1);
	CHECK(!was_on_it);
	JOIN(CHILD(EQ(sigaltstack(NULL, &old), 0); CHECK(old.ss_sp == alternate)));
	ss.ss_size = 100;
	FAILS(syscall(SYS_sigaltstack, &ss, NULL), ENOMEM);
	ss.ss_size = 16 * PAGE;
	ss.ss_flags = 1234;
	FAILS(syscall(SYS_sigaltstack, &ss, NULL), EINVAL);
	ss.ss_flags = SS_DISABLE;
	EQ(sigaltstack(&ss, NULL), 0);
	EQ(hits, 2);
}

TEST(fork_keeps_handlers_and_mask_drops_pending)
{
	sigset_t set, now;

	catch_flags(SIGUSR1, count, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	alarm(100);
	JOIN(CHILD(sigpending(&now); CHECK(!sigismember(&now, SIGUSR1)); EQ(alarm(0), 0);
		   sigprocmask(SIG_SETMASK, NULL, &now); CHECK(sigismember(&now, SIGUSR2));
		   raise(SIGUSR1); sigprocmask(SIG_UNBLOCK, &set, NULL); EQ(hits, 1)));
	EQ(hits, 0);
	sigpending(&now);
	CHECK(sigismember(&now, SIGUSR1));
	CHECK(alarm(0) > 90);
}

TEST(ignored_signals)
{
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	signal(SIGTERM, SIG_IGN);
	raise(SIGTERM);
	raise(SIGCHLD);
	raise(SIGURG);
	raise(SIGWINCH);
	raise(SIGCONT);
	/* pending, then ignored: gone */
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR2);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGUSR2, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

TEST(sigpipe_and_epipe)
{
	int p[2], s;

	REQUIRE(!pipe(p));
	close(p[0]);
	s = status_of(CHILD(signal(SIGPIPE, SIG_DFL); _exit(write(p[1], "x", 1))));
	EQ(s, SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	FAILS(write(p[1], "x", 1), EPIPE);
	catch_flags(SIGPIPE, count, 0);
	FAILS(write(p[1], "x", 1), EPIPE);
	EQ(hits, 1);
}

TEST(stop_and_continue_a_busy_process)
{
	volatile long *n = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	pid_t pid = CHILD(for (;;)(*n)++);
	int s;
	long seen;

	sleep_ms(30);
	kill(pid, SIGSTOP);
	EQ(waitpid(pid, &s, WUNTRACED), pid);
	seen = *n;
	sleep_ms(30);
	EQ(*n, seen);
	kill(pid, SIGCONT);
	sleep_ms(30);
	CHECK(*n > seen);
	kill(pid, SIGKILL);
	EQ(waitpid(pid, &s, 0), pid);
}

TEST(cont_runs_its_handler_and_drops_stops)
{
	pid_t pid =
	    CHILD(catch_flags(SIGCONT, count, 0); kill(getpid(), SIGSTOP); CHECK(hits == 1));
	int s;

	EQ(waitpid(pid, &s, WUNTRACED), pid);
	CHECK(WIFSTOPPED(s));
	kill(pid, SIGCONT);
	JOIN(pid);
}

TEST(pending_signals_wait_for_a_stopped_process)
{
	pid_t pid = CHILD(for (;;) pause());
	int s;

	sleep_ms(20); /* the C library's fork blocks signals till its end */
	kill(pid, SIGSTOP);
	EQ(waitpid(pid, &s, WUNTRACED), pid);
	kill(pid, SIGTERM);
	sleep_ms(10);
	EQ(waitpid(pid, &s, WNOHANG), 0);
	kill(pid, SIGCONT);
	EQ(waitpid(pid, &s, 0), pid);
	EQ(s, SIGTERM);
}

static void edit_context(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	hits++;
	uc->uc_mcontext.gregs[REG_RAX] = 4242;
	uc->uc_mcontext.gregs[REG_RBX] = 1001;
	uc->uc_mcontext.gregs[REG_R12] = 1002;
	sigaddset(&uc->uc_sigmask, SIGUSR2);
}

TEST(context_can_be_edited)
{
	struct sigaction sa = {.sa_sigaction = edit_context, .sa_flags = SA_SIGINFO};
	register long r12 __asm__("r12") = 2;
	long r, rbx = 1, self = getpid();
	sigset_t now;

	sigaction(SIGUSR1, &sa, NULL);
	r = SYS_kill;
	/* The frame is one that SYSRET could return to: C's registers must come from it all the same. */
	__asm__ volatile("syscall"
			 : "+a"(r), "+b"(rbx), "+r"(r12)
			 : "D"(self), "S"((long)SIGUSR1)
			 : "rcx", "r11", "memory");
	self = r12; /* before a call can change them */
	EQ(r, 4242);
	EQ(rbx, 1001);
	EQ(self, 1002);
	sigprocmask(SIG_SETMASK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR2));
}

/* rt_sigreturn with a made-up frame must not hand out privilege, nor stop the kernel. */
TEST(forged_frames_kill)
{
	for (int kind = 0; kind < 4; kind++) {
		int s = status_of(
		    CHILD(signal(SIGSEGV, SIG_DFL); unsigned long *fake = map_private(4 * PAGE);
			  memset(fake,
				 kind == 0   ? 0
				 : kind == 1 ? 0xff
					     : 0x55,
				 2 * PAGE);
			  if (kind == 3) fake = (void *)0xffff800000000000;
			  __asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall; ud2" ::"r"(
					       (unsigned long)fake + (kind == 3 ? 0 : PAGE))
					   : "memory")));

		CHECK(WIFSIGNALED(s));
	}
}

static void restore_flags(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	/* IOPL 3, NT, and a kernel code segment: none of it may come through */
	uc->uc_mcontext.gregs[REG_EFL] |= 0x3000 | 0x4000;
	hits++;
}

TEST(flags_from_a_frame_are_filtered)
{
	struct sigaction sa = {.sa_sigaction = restore_flags, .sa_flags = SA_SIGINFO};
	unsigned long flags;

	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	__asm__ volatile("sub $128, %%rsp; pushf; pop %0; add $128, %%rsp" : "=r"(flags)::"cc");
	EQ(flags & 0x3000, 0);
	CHECK(flags & 0x200);
}

static void jump_kernel(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;

	uc->uc_mcontext.gregs[REG_RIP] = 0xffff800000001000;
}

TEST(return_to_a_kernel_or_odd_address_kills)
{
	int s = status_of(
	    CHILD(struct sigaction sa = {.sa_sigaction = jump_kernel, .sa_flags = SA_SIGINFO};
		  sigaction(SIGUSR1, &sa, NULL); raise(SIGUSR1)));

	EQ(s & 0x7f, SIGSEGV);
}

TEST(a_storm_between_two_processes)
{
	enum { N = 300 };
	pid_t self = getpid(), pid;

	catch_flags(SIGUSR1, count, 0);
	pid = CHILD(hits = 0; for (int i = 0; i < N; i++) {
		kill(self, SIGUSR1);
		sched_yield();
	});
	while (waitpid(pid, NULL, 0) != pid)
		;
	BETWEEN(hits, 1, N);
}

static volatile int misaligned;

static void check_alignment(int sig)
{
	hits++;
	misaligned += (unsigned long)__builtin_frame_address(0) % 16 != 0;
}

TEST(frames_are_aligned)
{
	catch_flags(SIGUSR1, check_alignment, 0);
	for (int i = 0; i < 64; i++) {
		/* the signal arrives with the stack pointer at all sorts of places */
		__asm__ volatile(
		    "mov %%rsp, %%rbx; sub %2, %%rsp; syscall; mov %%rbx, %%rsp" ::"a"(SYS_kill),
		    "D"((long)getpid()), "r"(128l + i), "S"((long)SIGUSR1)
		    : "rbx", "rcx", "r11", "memory");
	}
	EQ(hits, 64);
	EQ(misaligned, 0);
}

TEST(sigtimedwait_waits)
{
	struct timespec ts = {0, 40000000};
	sigset_t set;
	siginfo_t si;
	long t = now_ms();
	pid_t self = getpid();

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	FAILS(sigtimedwait(&set, &si, &ts), EAGAIN);
	CHECK(now_ms() - t >= 39);
	ts.tv_sec = 10;
	interrupt_later(self, SIGUSR1, 15);
	EQ(sigtimedwait(&set, &si, &ts), SIGUSR1);
	CHECK(now_ms() - t < 8000);
}
