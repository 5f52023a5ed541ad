/*
 * Everything at once: processes and threads that come and go, fork, execute, signal, stop, continue and
 * kill each other, and meanwhile change their memory in all ways that there are (torture_memory.h), for a
 * time. What is in memory is checked all along, and so is how each process ends; that frames add up
 * afterwards is for the runner to say.
 *
 * `torture seed=N seconds=N` makes the choices of an earlier run again, for longer. Which thread is
 * where when another one chooses is up to the machine.
 */
#include "torture_memory.h"

#include <spawn.h>
#include <sys/prctl.h>

enum { ROOTS = 3, DEPTH = 2 };

static int depth; /* forks between the run's first processes and this one */

static void crew(struct slot *s, int others);

/* ---- children ---- */

static void judge(const struct kid *k, int status)
{
	if (status != k->status && !(k->killed && status == SIGKILL))
		COMPLAIN("# process %d ended with %x, not %x", k->pid, status, k->status);
}

/* Waits for the last of the slot's children. */
static void reap_last(struct slot *s)
{
	struct kid *k = &s->kids[--s->nr_kids];
	int status = 0;

	if (k->lasts) {
		k->killed = true;
		kill(k->pid, SIGKILL);
	}
	if (waitpid(k->pid, &status, 0) != k->pid)
		COMPLAIN("# waitpid for %d: errno %d", k->pid, errno);
	judge(k, status);
}

/* Stops it, unless it ends before that, and lets it go on or kills it as it stands. */
static void stop(struct slot *s, struct kid *k)
{
	int status = 0, how = draw(s, 4) ? SIGCONT : SIGKILL;

	if (kill(k->pid, SIGSTOP))
		COMPLAIN("# SIGSTOP to %d: errno %d", k->pid, errno);
	if (waitpid(k->pid, &status, WUNTRACED) != k->pid)
		COMPLAIN("# waitpid for %d to stop: errno %d", k->pid, errno);
	if (!WIFSTOPPED(status)) {
		judge(k, status);
		*k = s->kids[--s->nr_kids];
		return;
	}
	k->killed |= how == SIGKILL;
	kill(k->pid, how);
}

static void tend(struct slot *s)
{
	int what = draw(s, 5);
	struct kid *k;

	if (!s->nr_kids)
		return;
	k = &s->kids[draw(s, s->nr_kids)];
	if (what == 0) {
		k->killed = true;
		kill(k->pid, SIGKILL);
	} else if (what <= 2) {
		stop(s, k);
	} else if (what == 3 && !k->does_exec) {
		kill(k->pid, SIGUSR1);
	} else {
		reap_last(s);
	}
}

static void reap_all(void)
{
	for (int i = 0; i < SLOTS; i++)
		while (slots[i].nr_kids)
			reap_last(&slots[i]);
}

/* ---- what a child does with its life ---- */

static char exec_code[8];
static char *const exec_args[] = {"torture", "--after_exec", exec_code, NULL};

/* Signals for the program that was are nothing to the one that comes. */
static void execute(int code)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	snprintf(exec_code, sizeof(exec_code), "%d", code);
	execv("/proc/self/exe", exec_args);
	COMPLAIN("# execv: errno %d", errno);
}

HELPER(after_exec)
{
	volatile long *p = map_private(64 * PAGE);
	int code = argc > 1 ? atoi(argv[1]) : 1;

	for (int i = 0; i < 64; i++) {
		if (p[i * 512])
			return 127;
		p[i * 512] = i + 1;
	}
	if (value_of("/proc/self/status", "Threads") != 1)
		return 126;
	for (int i = 0; i < 64; i++)
		if (p[i * 512] != i + 1)
			return 125;
	return code;
}

static void works(struct slot *s, int code)
{
	(void)code;
	for (int i = draw(s, 40); i >= 0 && goes(); i--) {
		store_some(s);
		check_slot(s);
	}
}

static void works_in_company(struct slot *s, int code)
{
	(void)code;
	crew(s, 2);
}

static void executes(struct slot *s, int code)
{
	execute(code);
}

static void *thread_executes(void *arg)
{
	sched_yield();
	execute((int)(long)arg);
	return NULL;
}

/* One thread of several: the others are gone then. */
static void executes_in_company(struct slot *s, int code)
{
	pthread_t t = start(thread_executes, (void *)(long)code);

	crew(s, 2);
	join(t);
}

static void *ends_last(void *arg)
{
	sched_yield();
	_exit((int)(long)arg);
}

static void leader_ends_first(struct slot *s, int code)
{
	check_slot(s);
	start(ends_last, (void *)(long)code);
	RAW_EXIT(0);
}

/* Its child outlives it. */
static void leaves_an_orphan(struct slot *s, int code)
{
	if (fork() == 0) {
		COUNT(processes);
		works(s, code);
	}
}

static void terminates(struct slot *s, int code)
{
	kill(getpid(), SIGTERM);
	COMPLAIN("# SIGTERM did not kill");
}

/* Until somebody kills it, or the run is over. */
static void lasts(struct slot *s, int code)
{
	while (goes())
		store_some(s);
}

static const struct life {
	void (*live)(struct slot *s, int code);
	int signal; /* that ends it; 0: an exit with its code */
	bool does_exec, lasts;
} lives[] = {
    {.live = works},
    {.live = works},
    {.live = works_in_company},
    {.live = executes, .does_exec = true},
    {.live = executes_in_company, .does_exec = true},
    {.live = leader_ends_first},
    {.live = leaves_an_orphan},
    {.live = terminates, .signal = SIGTERM},
    {.live = lasts, .lasts = true},
};

/* A new process, of the one thread that forked. Slots of others are made anew as they are needed. */
NORETURN static void begin(struct slot *s, const struct life *life, int code, uint64_t seed)
{
	COUNT(processes);
	depth++;
	for (int i = 0; i < SLOTS; i++)
		slots[i].nr_kids = slots[i].tid = 0;
	s->tid = tid_now();
	s->random = seed | 1;
	slot_pipe(s);
	check_slot(s);
	common_holds_still(s);
	life->live(s, code);
	check_slot(s);
	reap_all();
	_exit(code);
}

static void fork_one(struct slot *s)
{
	const struct life *life = &lives[draw(s, sizeof(lives) / sizeof(*lives))];
	int code = draw(s, 64);
	uint64_t seed = draw_word(s);
	pid_t pid;

	if (depth == DEPTH)
		return;
	if (s->nr_kids == KIDS) {
		tend(s);
		return;
	}
	pid = fork();
	if (pid == 0)
		begin(s, life, code, seed);
	if (pid < 0)
		COMPLAIN("# fork: errno %d", errno);
	else
		s->kids[s->nr_kids++] = (struct kid){
		    .pid = pid,
		    .status = life->signal ? life->signal : code << 8,
		    .does_exec = life->does_exec,
		    .lasts = life->lasts,
		};
}

static void spawn_one(struct slot *s)
{
	int code = draw(s, 64), err;
	char text[8];
	char *args[] = {"torture", "--after_exec", text, NULL};
	pid_t pid;

	if (s->nr_kids == KIDS)
		return;
	snprintf(text, sizeof(text), "%d", code);
	err = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, NULL);
	if (err)
		COMPLAIN("# posix_spawn: %d", err);
	else
		s->kids[s->nr_kids++] =
		    (struct kid){.pid = pid, .status = code << 8, .does_exec = true};
	COUNT(spawned);
}

/* ---- threads ---- */

static void on_signal(int sig)
{
	if (me)
		me->signals++;
}

static void signal_one(struct slot *s)
{
	int to = draw(s, SLOTS), before = s->signals;

	syscall(SYS_tgkill, getpid(), to == s->index ? s->tid : slots[to].tid, SIGUSR1);
	if (to == s->index && s->signals == before)
		COMPLAIN("# a signal to itself did not come");
}

static void pause_a_little(struct slot *s)
{
	if (draw(s, 4))
		sched_yield();
	else
		sleep_ms(1);
}

static void (*const actions[])(struct slot *) = {
    store_some,	  store_some, check_some, drop_some,	  unmap_some,	  map_some,
    protect_some, move_some,  call_reads, call_writes,	  touch_wrongly,  count_in_common,
    fork_one,	  fork_one,   tend,	  tend,		  signal_one,	  count_in_common,
    spawn_one,	  check_some, map_some,	  protect_common, pause_a_little, count_in_common,
};

static void act(struct slot *s, int times)
{
	while (times-- > 0 && goes()) {
		COUNT(actions);
		actions[draw(s, sizeof(actions) / sizeof(*actions))](s);
	}
	check_slot(s);
}

static void *member(void *arg)
{
	me = arg;
	COUNT(threads);
	me->tid = tid_now();
	act(me, 20 + draw(me, 60));
	me->tid = 0;
	return NULL;
}

/* The process's only thread and `others` work for a while, each on its slot. */
static void crew(struct slot *s, int others)
{
	pthread_t t[SLOTS];
	int n = 0;

	for (int i = 0; i < SLOTS && n < others; i++)
		if (&slots[i] != s && !slots[i].tid) {
			if (!slots[i].nr_kids && depth)
				slot_renew(&slots[i], i, draw_word(s));
			t[n++] = start(member, &slots[i]);
		}
	me = s;
	act(s, 20 + draw(s, 60));
	while (n > 0)
		join(t[--n]);
}

static void root(uint64_t seed)
{
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &act, NULL);
	handle(SIGUSR1, on_signal, SA_RESTART);
	REQUIRE(mmap(COMMON, COMMON_PAGES * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == COMMON);
	for (int i = 0; i < SLOTS; i++)
		slot_renew(&slots[i], i, seed);
	me = &slots[0];
	me->tid = tid_now();
	while (goes())
		crew(me, SLOTS - 1);
	reap_all();
}

/* Orphans come to the test, which waits for them as for its own; one may have been left stopped. */
static void wait_for_all(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) >= 0) {
		if (pid == 0) {
			sleep_ms(5);
			if (!goes())
				kill(0, SIGCONT);
		} else if (WIFSIGNALED(status) && status != SIGKILL && status != SIGTERM) {
			COMPLAIN("# process %d died of %x", pid, status);
		}
	}
}

TEST_FOR(90, everything_at_once)
{
	long seconds = tap_option("seconds", on_host_time() ? 10 : 3);
	long seed = tap_option("seed", now_ms() * 1000 + getpid());

	run = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	run->end = now_ms() + seconds * 1000;
	say("# seed=%ld seconds=%ld", seed, seconds);
	REQUIRE(!prctl(PR_SET_CHILD_SUBREAPER, 1));
	for (int i = 0; i < ROOTS; i++)
		CHILD(root(seed * ROOTS + i));
	wait_for_all();
	say("# %d actions, %d processes, %d threads, %d spawned", run->actions, run->processes,
	    run->threads, run->spawned);
	EQ(run->bad, 0);
	CHECK(run->actions > 0 && run->processes > 0 && run->threads > 0);
}
