/* Robust lists: what of a thread's locks is marked when it ends, however broken the list is. */
#include "futex.h"

#include <stddef.h>

struct node {
	struct robust_list list;
	uint32_t word;
};

static struct robust_list_head head;
static struct node nodes[3];

static void link_nodes(uint32_t tid)
{
	head.futex_offset = offsetof(struct node, word);
	head.list.next = &nodes[0].list;
	nodes[0].list.next = &nodes[1].list;
	nodes[1].list.next = &head.list;
	nodes[0].word = tid | FUTEX_WAITERS;
	nodes[1].word = tid + 1;
	nodes[2].word = tid;
	head.list_op_pending = &nodes[2].list;
}

static void *die_with_list(void *arg)
{
	link_nodes(tid_now());
	if (arg) {
		nodes[2].word = 0;
		*(uint32_t *)arg = tid_now();
	}
	OK(syscall(SYS_set_robust_list, &head, sizeof(head)));
	sleep_ms(20);
	syscall(SYS_exit, 0);
	return NULL;
}

TEST(robust_list)
{
	struct robust_list_head *got;
	struct waiter w;
	size_t len;

	FAILS(syscall(SYS_set_robust_list, &head, 8), EINVAL);
	OK(syscall(SYS_get_robust_list, 0, &got, &len));
	EQ(len, sizeof(head));
	OK(syscall(SYS_get_robust_list, getpid(), &got, &len));
	FAILS(syscall(SYS_get_robust_list, 1 << 21, &got, &len), ESRCH);
	FAILS(syscall(SYS_get_robust_list, 0, (void *)8, &len), EFAULT);

	/* Not joined, since the C library would look at its own list; waits for the word instead. */
	start(die_with_list, NULL);
	for (int i = 0; i < 1000 && !nodes[0].word; i++)
		sleep_ms(1);
	w = (struct waiter){.addr = &nodes[0].word};
	while (!(*(volatile uint32_t *)w.addr & FUTEX_OWNER_DIED))
		futex(w.addr, FUTEX_WAIT, *(volatile uint32_t *)w.addr, NULL, NULL, 0);
	EQ(nodes[0].word, FUTEX_OWNER_DIED | FUTEX_WAITERS);
	await_threads(1);
	CHECK(!(nodes[1].word & FUTEX_OWNER_DIED));
	EQ(nodes[2].word, FUTEX_OWNER_DIED);
}

/* A list in memory that a child's parent sees. */
struct shared_list {
	struct robust_list_head head;
	struct node node;
	volatile int locked;
};

static void own_and_go(struct shared_list *s)
{
	s->head.futex_offset = offsetof(struct node, word);
	s->head.list.next = (void *)((uintptr_t)&s->node.list | 1); /* a PI futex */
	s->node.list.next = &s->head.list;
	OK(syscall(SYS_set_robust_list, &s->head, sizeof(s->head)));
	OK(futex(&s->node.word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	s->locked = 1;
}

/* Who comes while the owner ends waits for it or finds the lock free: it never has an owner that is not
 * there. */
TEST(pi_owner_about_to_die)
{
	struct shared_list *s = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	uint32_t *w = &s->node.word;

	for (int round = 0; goes_on(round, 150); round++) {
		pid_t p;

		s->locked = 0;
		p = CHILD(own_and_go(s));
		while (!s->locked)
			sched_yield();
		for (volatile int i = 0; i < round * 64; i++)
			;
		OK(futex(w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
		EQ(*w & ~FUTEX_WAITERS, (uint32_t)getpid() | FUTEX_OWNER_DIED);
		OK(futex(w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
		EQ(*w, 0);
		JOIN(p);
	}
}

/*
 * Four pages: entries, their words, entries that cannot be read, their words. A good entry, then one of
 * those, and one that is pending.
 */
static void own_list_that_breaks(char *page)
{
	struct robust_list_head *h = (void *)page;
	struct robust_list *good = (void *)(page + 256), *bad = (void *)(page + 2 * PAGE + 256);

	h->futex_offset = PAGE;
	h->list.next = good;
	h->list_op_pending = good + 1;
	good[0].next = bad;
	OK(mprotect(page + 2 * PAGE, PAGE, PROT_NONE));
	OK(syscall(SYS_set_robust_list, h, sizeof(*h)));
}

/* An entry whose link cannot be read is the last one, but is one. The pending one is then none. */
TEST(robust_list_that_breaks)
{
	char *page = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	uint32_t *good = (void *)(page + PAGE + 256), *pending = good + 2;
	uint32_t *bad = (void *)(page + 3 * PAGE + 256);
	pid_t p = CHILD(*good = *bad = *pending = getpid(); own_list_that_breaks(page));

	JOIN(p);
	EQ(*good, FUTEX_OWNER_DIED);
	EQ(*bad, FUTEX_OWNER_DIED);
	EQ(*pending, p);
}

TEST(robust_list_that_loops)
{
	JOIN(CHILD(link_nodes(getpid()); nodes[1].list.next = &nodes[0].list;
		   OK(syscall(SYS_set_robust_list, &head, sizeof(head)))));
	JOIN(CHILD(link_nodes(getpid()); nodes[0].list.next = (void *)8;
		   OK(syscall(SYS_set_robust_list, &head, sizeof(head)))));
	JOIN(CHILD(OK(syscall(SYS_set_robust_list, (void *)8, sizeof(head)))));
}
