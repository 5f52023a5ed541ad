/*
 * Tags of translations (arch/x86_64/pcid.h): threads as CPUs switch between more trees than there are tags, use
 * what they have cached, and flush trees that others walk or have walked, as mmu.c and shootdown.c do.
 *
 *	version		counts the changes of a tree; what a CPU caches is the version that it saw
 *	flushed		the version that no CPU may have anything older of: a flush of it has ended
 *
 *	SEED=n		the first seed; MSEC=n how long
 */
#include "arch/x86_64/pcid.h"
#include "tests/unit/host/tap.h"
#include <pthread.h>
#include <time.h>

#define CPUS  4
#define TREES 9

struct tree {
	struct mmu mmu;
	u64 version, flushed; /* atomic */
};

/* `lock` stands for interrupts being off: a flush by another CPU comes between two things it does. */
struct cpu {
	pthread_mutex_t lock;
	u32 number;
	struct pcids pcids;
	struct tree *walks;
	struct cached {
		struct tree *tree;
		u64 version;
	} cached[PCID_TAGS + 1];
	u64 kept, dropped;
};

static struct tree trees[TREES];
static struct cpu cpus[CPUS];
static bool over;

static struct cached *current_tag(struct cpu *c)
{
	return &c->cached[c->pcids.now];
}

/* As activate() in mmu.c. */
static void go_to(struct cpu *c, struct tree *t)
{
	struct tree *old = c->walks;
	u64 cr3;

	pthread_mutex_lock(&c->lock);
	if (t != old) {
		if (t)
			atomic_or(&t->mmu.cpus, BIT(c->number));
		c->walks = t;
		cr3 = pcid_switch(&c->pcids, t ? &t->mmu : NULL);
		CHECK((cr3 & ~CR3_KEEP) == c->pcids.now && !t == !c->pcids.now);
		if (cr3 & CR3_KEEP) {
			c->kept++;
		} else {
			c->dropped++;
			*current_tag(c) = (struct cached){0};
		}
		if (old)
			atomic_and(&old->mmu.cpus, ~BIT(c->number));
	}
	pthread_mutex_unlock(&c->lock);
}

/* Uses a translation, which is cached from then on. */
static void use(struct cpu *c)
{
	struct cached *at;
	u64 at_least;

	pthread_mutex_lock(&c->lock);
	if (c->walks) {
		at = current_tag(c);
		at_least = atomic_load_acquire(&c->walks->flushed);
		if (!at->tree)
			*at = (struct cached){c->walks, atomic_load_acquire(&c->walks->version)};
		CHECK(at->tree == c->walks);
		CHECK(at->version >= at_least);
	}
	pthread_mutex_unlock(&c->lock);
}

static void drop(struct cpu *c, const struct tree *t, u64 number)
{
	pthread_mutex_lock(&c->lock);
	if (c->walks == t) {
		*current_tag(c) = (struct cached){0};
		pcid_flushed(&c->pcids, number);
	}
	pthread_mutex_unlock(&c->lock);
}

/* As mmu_flush_range(). */
static void change(struct tree *t)
{
	u64 version = atomic_inc(&t->version), number = pcid_count_flush(&t->mmu), flushed;
	u64 walking = __atomic_load_n(&t->mmu.cpus, __ATOMIC_SEQ_CST);

	for (u32 i = 0; i < CPUS; i++)
		if (walking & BIT(i))
			drop(&cpus[i], t, number);
	flushed = atomic_load(&t->flushed);
	while (flushed < version && !atomic_cas(&t->flushed, &flushed, version))
		;
}

static void *run(void *arg)
{
	struct cpu *c = arg;

	rand_state = rand_seed(1) * 977 + c->number + 1;
	while (!atomic_load(&over)) {
		u64 what = rand_below(16);

		if (what < 5)
			go_to(c, rand_below(8) ? &trees[rand_below(TREES)] : NULL);
		else if (what < 15)
			use(c);
		else
			change(&trees[rand_below(TREES)]);
	}
	go_to(c, NULL);
	return NULL;
}

static void race(void)
{
	struct timespec t = {0, (long)env_number("MSEC", 300) * 1000000};
	pthread_t threads[CPUS];
	u64 kept = 0, dropped = 0;

	for (u32 i = 0; i < CPUS; i++) {
		cpus[i].number = i;
		pthread_mutex_init(&cpus[i].lock, NULL);
	}
	for (u32 i = 0; i < CPUS; i++)
		CHECK(!pthread_create(&threads[i], NULL, run, &cpus[i]));
	nanosleep(&t, NULL);
	atomic_store(&over, true);
	for (u32 i = 0; i < CPUS; i++) {
		pthread_join(threads[i], NULL);
		kept += cpus[i].kept;
		dropped += cpus[i].dropped;
	}
	tap_ok(true, "pcid: nothing flushed is used on %d CPUs", CPUS);
	tap_ok(kept > 100 && dropped > 100, "pcid: some is kept (%llu), some is not (%llu)",
	       (unsigned long long)kept, (unsigned long long)dropped);
}

/* One CPU and what it keeps: so many trees as there are tags, in turn. */
static void keeps(void)
{
	struct pcids p = {0};
	struct mmu m[PCID_TAGS + 1] = {{0}};
	unsigned kept = 0;

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < PCID_TAGS; i++)
			kept += !!(pcid_switch(&p, &m[i]) & CR3_KEEP);
	tap_ok(kept == PCID_TAGS, "pcid: each of %d trees keeps its tag", PCID_TAGS);

	pcid_flushed(&p, pcid_count_flush(&m[PCID_TAGS - 1]));
	tap_ok(pcid_switch(&p, NULL) == CR3_KEEP, "pcid: the kernel's tag is 0");
	tap_ok(pcid_switch(&p, &m[PCID_TAGS - 1]) & CR3_KEEP,
	       "pcid: a flush while it walked leaves the rest");
	(void)pcid_count_flush(&m[0]);
	tap_ok(!(pcid_switch(&p, &m[0]) & CR3_KEEP), "pcid: a flush meanwhile drops all");
	(void)pcid_count_flush(&m[0]);
	pcid_flushed(&p, pcid_count_flush(&m[0]));
	tap_ok(pcid_switch(&p, NULL) & CR3_KEEP, "pcid: which is always kept");
	tap_ok(!(pcid_switch(&p, &m[0]) & CR3_KEEP), "pcid: one flush missed, the next one seen");
	tap_ok(!(pcid_switch(&p, &m[PCID_TAGS]) & CR3_KEEP),
	       "pcid: one tree too many takes another's tag");
	m[1].id = 0; /* another tree in its place */
	tap_ok(!(pcid_switch(&p, &m[1]) & CR3_KEEP),
	       "pcid: nor does a new one at the address of an old one");
}

int main(void)
{
	keeps();
	race();
	return tap_done();
}
