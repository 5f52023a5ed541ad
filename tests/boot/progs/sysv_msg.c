/* System V message queues: order, types, limits, waiting. */
#include "tap.h"

#include <limits.h>
#include <sys/ipc.h>
#include <sys/msg.h>

struct note {
	long type;
	char text[9000];
};

static int queue(void)
{
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	REQUIRE(id >= 0);
	return id;
}

static void drop(int id)
{
	EQ(msgctl(id, IPC_RMID, NULL), 0);
}

static int put(int id, long type, const char *text, int flags)
{
	struct note n = {.type = type};

	strcpy(n.text, text);
	return msgsnd(id, &n, strlen(text), flags);
}

/* Receives one and compares it. */
static void expect(int id, long type, int flags, long got_type, const char *text)
{
	struct note n = {0};
	long len = msgrcv(id, &n, sizeof(n.text), type, flags | IPC_NOWAIT);

	EQ(len, (long)strlen(text));
	EQ(n.type, got_type);
	if (len >= 0) {
		n.text[len] = 0;
		CHECK(!strcmp(n.text, text));
	}
}

static struct msqid_ds stat_of(int id)
{
	struct msqid_ds ds;

	memset(&ds, 0, sizeof(ds));
	EQ(msgctl(id, IPC_STAT, &ds), 0);
	return ds;
}

TEST(keys)
{
	key_t key = 0x35600000 + getpid();
	int id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);

	REQUIRE(id >= 0);
	EQ(msgget(key, 0), id);
	FAILS(msgget(key, IPC_CREAT | IPC_EXCL), EEXIST);
	JOIN(CHILD(EQ(put(msgget(key, 0), 4, "from the child", 0), 0)));
	expect(id, 0, 0, 4, "from the child");
	drop(id);
	FAILS(msgget(key, 0), ENOENT);
	FAILS(put(id, 1, "x", 0), EINVAL);
}

TEST(refuses)
{
	int id = queue();
	struct note n = {.type = 1};

	FAILS(put(id, 0, "x", 0), EINVAL);
	FAILS(put(id, -1, "x", 0), EINVAL);
	FAILS(msgsnd(id, &n, 8193, 0), EINVAL);
	FAILS(msgsnd(id, &n, -1, 0), EINVAL);
	FAILS(msgsnd(-1, &n, 1, 0), EINVAL);
	FAILS(msgsnd(id, (void *)8, 1, 0), EFAULT);
	FAILS(msgrcv(id, &n, -1, 0, 0), EINVAL);
	FAILS(msgrcv(id, &n, 1, 0, IPC_NOWAIT), ENOMSG);
	FAILS(msgctl(id, 99, NULL), EINVAL);
	FAILS(msgctl(id, IPC_STAT, (void *)8), EFAULT);
	EQ(put(id, 1, "hello", 0), 0);
	FAILS(msgrcv(id, &n, 3, 0, IPC_NOWAIT), E2BIG);
	EQ(msgrcv(id, &n, 3, 0, IPC_NOWAIT | MSG_NOERROR), 3);
	CHECK(!memcmp(n.text, "hel", 3));
	EQ(stat_of(id).msg_qnum, 0);
	EQ(put(id, 1, "", 0), 0); /* a message may be empty */
	expect(id, 0, 0, 1, "");
	drop(id);
}

TEST(which_message_comes)
{
	int id = queue();

	EQ(put(id, 5, "five", 0), 0);
	EQ(put(id, 3, "three", 0), 0);
	EQ(put(id, 5, "five again", 0), 0);
	EQ(put(id, 2, "two", 0), 0);
	EQ(put(id, 2, "two again", 0), 0);
	expect(id, 3, 0, 3, "three");
	FAILS(msgrcv(id, &(struct note){0}, 100, 3, IPC_NOWAIT), ENOMSG);
	expect(id, -4, 0, 2, "two");
	expect(id, 5, MSG_EXCEPT, 2, "two again");
	FAILS(msgrcv(id, &(struct note){0}, 100, -4, IPC_NOWAIT), ENOMSG);
	expect(id, LONG_MIN, 0, 5, "five");
	expect(id, 0, 0, 5, "five again");
	drop(id);
}

TEST(a_full_queue_makes_the_sender_wait)
{
	int id = queue();
	static struct note n = {.type = 1};
	pid_t pid;

	EQ(msgsnd(id, &n, 8192, 0), 0);
	EQ(msgsnd(id, &n, 8192, 0), 0);
	FAILS(msgsnd(id, &n, 1, IPC_NOWAIT), EAGAIN);
	pid = CHILD(EQ(put(id, 9, "at last", 0), 0));
	sleep_ms(20);
	EQ(stat_of(id).msg_qnum, 2);
	EQ(msgrcv(id, &n, 8192, 0, 0), 8192);
	JOIN(pid);
	expect(id, 9, 0, 9, "at last");
	EQ(stat_of(id).msg_cbytes, 8192);
	drop(id);
}

TEST(receivers_wait_for_theirs)
{
	int id = queue();
	pid_t pids[3];

	for (int k = 0; k < 3; k++)
		pids[k] = CHILD(struct note n; EQ(msgrcv(id, &n, 100, k + 1, 0), 1);
				EQ(n.text[0], 'a' + k));
	sleep_ms(20);
	EQ(put(id, 3, "c", 0), 0);
	EQ(put(id, 2, "b", 0), 0);
	EQ(put(id, 1, "a", 0), 0);
	for (int k = 0; k < 3; k++)
		JOIN(pids[k]);
	EQ(stat_of(id).msg_qnum, 0);
	drop(id);
}

TEST(removal_wakes_who_waits)
{
	int id = queue();
	static struct note n = {.type = 1};
	pid_t pids[3];

	EQ(msgsnd(id, &n, 8192, 0), 0);
	EQ(msgsnd(id, &n, 8192, 0), 0);
	for (int k = 0; k < 2; k++)
		pids[k] = CHILD(FAILS(msgrcv(id, &n, 100, 7, 0), EIDRM));
	pids[2] = CHILD(FAILS(msgsnd(id, &n, 8192, 0), EIDRM));
	sleep_ms(30);
	drop(id);
	for (int k = 0; k < 3; k++)
		JOIN(pids[k]);
}

static void on_alarm(int sig)
{
	(void)sig;
}

TEST(a_signal_ends_the_wait)
{
	int id = queue();
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval t = {{0, 0}, {0, 20000}};
	struct note n;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
	FAILS(msgrcv(id, &n, 10, 0, 0), EINTR);
	drop(id);
}

TEST(what_stat_and_the_lists_say)
{
	int id = queue(), highest;
	struct msqid_ds ds = stat_of(id);
	struct msginfo mi;
	bool found = false;
	char line[200];
	FILE *f;

	EQ(ds.msg_qbytes, 16384);
	EQ(ds.msg_lspid, 0);
	EQ(ds.msg_stime, 0);
	EQ(put(id, 1, "twelve bytes", 0), 0);
	ds = stat_of(id);
	EQ(ds.msg_cbytes, 12);
	EQ(ds.msg_qnum, 1);
	EQ(ds.msg_lspid, getpid());
	CHECK(ds.msg_stime != 0);
	ds.msg_qbytes = 12;
	ds.msg_perm.mode = 0644;
	EQ(msgctl(id, IPC_SET, &ds), 0);
	FAILS(put(id, 1, "x", IPC_NOWAIT), EAGAIN);
	highest = msgctl(0, MSG_INFO, (void *)&mi);
	CHECK(highest >= 0);
	CHECK(mi.msgpool >= 1 && mi.msgmap >= 1 && mi.msgtql >= 12);
	EQ(msgctl(0, IPC_INFO, (void *)&mi), highest);
	EQ(mi.msgmax, 8192);
	EQ(mi.msgmnb, 16384);
	for (int k = 0; k <= highest; k++)
		found |= msgctl(k, MSG_STAT, &ds) == id;
	CHECK(found);
	found = false;
	f = fopen("/proc/sysvipc/msg", "r");
	REQUIRE(f);
	while (fgets(line, sizeof(line), f)) {
		int key, msqid, perms;
		long bytes, n;

		if (sscanf(line, "%d %d %o %ld %ld", &key, &msqid, &perms, &bytes, &n) == 5 &&
		    msqid == id)
			found = perms == 0644 && bytes == 12 && n == 1;
	}
	CHECK(found);
	fclose(f);
	if (geteuid() == 0)
		JOIN(CHILD(EQ(setgid(50), 0); EQ(setuid(50), 0); FAILS(put(id, 1, "x", 0), EACCES);
			   expect(id, 0, 0, 1, "twelve bytes");
			   FAILS(msgctl(id, IPC_RMID, NULL), EPERM); ds.msg_qbytes = 20000;
			   FAILS(msgctl(id, IPC_SET, &ds), EPERM)));
	drop(id);
}

TEST_FOR(120, many_senders_and_receivers)
{
	int id = queue();
	pid_t pids[6];
	volatile long *sums = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	for (int k = 0; k < 3; k++)
		pids[k] = CHILD(for (int i = 1; i <= 200; i++) {
			struct note n = {.type = k + 1};

			memcpy(n.text, &i, sizeof(i));
			REQUIRE(!msgsnd(id, &n, 400, 0));
		});
	for (int k = 0; k < 3; k++)
		pids[3 + k] = CHILD(for (int i = 1; i <= 200; i++) {
			struct note n;
			int got;

			REQUIRE(msgrcv(id, &n, 400, k + 1, 0) == 400);
			memcpy(&got, n.text, sizeof(got));
			EQ(got, i); /* of one type, in order */
			sums[k] += got;
		});
	for (int k = 0; k < 6; k++)
		JOIN(pids[k]);
	for (int k = 0; k < 3; k++)
		EQ(sums[k], 200 * 201 / 2);
	EQ(stat_of(id).msg_qnum, 0);
	drop(id);
}
