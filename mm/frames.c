/*
 * The frame allocator: a buddy system behind per-CPU stacks of single frames.
 *
 *	block		A free block of order n is 2^n frames, aligned to its size. Its first frame
 *			is PAGE_FREE with that order and lies in node.blocks[n]; the others are
 *			PAGE_FREE with PAGE_NO_HEAD.
 *	merged		No two free blocks are buddies (halves of one larger block).
 *	stack		A frame on a CPU's stack is PAGE_FREE with PAGE_NO_HEAD, so that no buddy
 *			merges with it.
 *	count		node.free + every stack's count = the frames that are PAGE_FREE, but for single
 *			ones on their way. Batches move under node.lock, so who counts under it sees
 *			all of one.
 *	looked at	Whether a frame is a block's first is asked, under node.lock, of frames that
 *			other CPUs take and free under their own: so kind and order are read as one,
 *			and outside node.lock no frame is ever PAGE_FREE with an order.
 *	blank		A PAGE_FREE frame has both counts 0. PAGE_ZEROED and PAGE_POISONED on it say
 *			what it holds; each frame has its own, so blocks split and merge freely.
 *
 * Single frames, nearly all of the traffic, are pushed and popped under this CPU's own lock, which
 * nobody else takes but to look for the last free frame. Stacks are filled and emptied in batches;
 * what is freed last, and so is in the cache, is handed out first. Frames that hold zeros (a page
 * table whose entries were emptied one by one, or what an idle CPU filled) have a stack
 * of their own.
 *
 * The reserve is the last few frames of the buddy lists. It is looked at when a stack is refilled
 * and not before: the check then costs nothing in the common case.
 *
 * Rejected: lists through struct page for the CPU's frames, where each push and pop would wait for
 * the line of the neighbour; and a bitmap of free buddies, which says what struct page does.
 */
#include "kernel/lib/string.h"
#include "kernel/panic.h"
#include "mm/alloc.h"
#include "mm/stat.h"

/*
 * A CPU keeps its own frames, and gets new ones in large batches, whose struct pages lie together: frames
 * that go through the node come back from another CPU's cache, and where one CPU's batch ends and
 * another's begins, the two share lines, and what is fetched ahead. Where the host's CPUs are far apart
 * two that touch and free 128 pages each do so 1.2 to 1.3 times as often as one with batches of 32, 1.8
 * with 128, 1.9 with these; where they are near, 1.9 in each case (tests/unit/test_scale.c).
 */
#define STACK_MAX   512
#define STACK_BATCH 256 /* a power of two: one block, where there is one */
#define STACK_SHARE 64	/* a batch is at most that part of what is free */
#define ZEROED_MAX  32	/* that an idle CPU fills with zeros */

#define POISON_BYTE 0xa5

/* Single free frames, last in, first out. */
struct frame_stack {
	u32 count; /* atomic, so that it can be read without the lock */
	struct page *frames[STACK_MAX];
};

/* One CPU's. */
struct cpu_frames {
	spinlock_t lock; /* LOCK_PCP */
	u32 moves;	 /* from plain to zeroed; atomic, so that it can be read without the lock */
	struct frame_stack plain __guarded_by(&lock), zeroed __guarded_by(&lock);
} __aligned(64);

struct node {
	spinlock_t lock; /* LOCK_NODE */
	struct list_head blocks[MAX_ORDER + 1] __guarded_by(&lock);
	u64 counts[MAX_ORDER + 1] __guarded_by(&lock);
	u64 free __guarded_by(&lock);	 /* frames in blocks */
	u64 total;			 /* frames ever added */
	u64 reserve __guarded_by(&lock); /* of free, kept for ALLOC_RESERVE */
};

static struct cpu_frames cpu_frames[MAX_CPUS];
static struct node node;

struct page *page_array;
pfn_t page_array_len;
pfn_t zero_pfn;
u64 alloc_fail_nth;

/* ---- blocks ---- */

/* kind and order as one. */
static inline u16 state_of(enum page_kind kind, unsigned order)
{
	return (u16)(kind | order << 8);
}
_Static_assert(offsetof(struct page, order) == offsetof(struct page, kind) + 1, "see state_of()");

static void block_link(struct page *p, unsigned order) __must_hold(&node.lock)
{
	atomic_store(&p->order, (u8)order);
	list_add(&node.blocks[order], &p->link);
	node.counts[order]++;
}

static void block_unlink(struct page *p) __must_hold(&node.lock)
{
	list_del(&p->link);
	node.counts[p->order]--;
	atomic_store(&p->order, PAGE_NO_HEAD);
}

/* Takes 2^want frames in a row, still PAGE_FREE, out of the smallest block that has them; or NULL.
 */
static struct page *block_take(unsigned want) __must_hold(&node.lock)
{
	unsigned order = want;
	struct page *p;

	while (order <= MAX_ORDER && list_empty(&node.blocks[order]))
		order++;
	if (order > MAX_ORDER)
		return NULL;
	p = list_first(&node.blocks[order], struct page, link);
	block_unlink(p);
	while (order > want) {
		order--;
		block_link(p + (1u << order), order);
	}
	node.free -= 1u << want;
	return p;
}

static bool heads_free_block(const struct page *p, unsigned order)
{
	return atomic_load(&p->kind_order) == state_of(PAGE_FREE, order);
}

/* Gives 2^order frames, PAGE_FREE and PAGE_NO_HEAD, back; merges as far as buddies are free. */
static void block_give(struct page *p, unsigned order) __must_hold(&node.lock)
{
	pfn_t pfn = page_to_pfn(p);

	node.free += 1u << order;
	while (order < MAX_ORDER) {
		pfn_t other = pfn ^ (1u << order);
		struct page *buddy = &page_array[other];

		if (other >= page_array_len || !heads_free_block(buddy, order))
			break;
		block_unlink(buddy);
		pfn &= ~(pfn_t)(1u << order);
		order++;
	}
	block_link(&page_array[pfn], order);
}

/* ---- poison ---- */

#ifdef CONFIG_DEBUG
static void frame_poison(struct page *p)
{
	if (p->flags & PAGE_ZEROED) {
		if (memchr_inv(page_to_virt(p), 0, PAGE_SIZE))
			panic("frame %lu: freed as zeroed, and is not", page_to_pfn(p));
		return;
	}
	memset(page_to_virt(p), POISON_BYTE, PAGE_SIZE);
	p->flags |= PAGE_POISONED;
}

static void frame_check(struct page *p)
{
	int byte = p->flags & PAGE_ZEROED ? 0 : POISON_BYTE;
	u8 *frame = page_to_virt(p);
	u8 *bad;

	if (!(p->flags & (PAGE_ZEROED | PAGE_POISONED)))
		return;
	bad = memchr_inv(frame, byte, PAGE_SIZE);
	if (bad)
		panic("frame %lu: written while free, at offset %ld: %#x", page_to_pfn(p),
		      (long)(bad - frame), *bad);
}
#else
static void frame_poison(struct page *p)
{
	(void)p;
}

static void frame_check(struct page *p)
{
	(void)p;
}
#endif

/* ---- from free to used and back ---- */

static void __noreturn __noinline frame_bad(const struct page *p, const char *what)
{
	panic("frame %lu: %s (kind %u, counts %#lx)", page_to_pfn(p), what, p->kind, p->counts);
}

/* Makes a free frame a used one, without a reference yet. */
static inline void frame_use(struct page *p, enum page_kind kind, unsigned order, unsigned flags)
{
	if (unlikely(p->kind != PAGE_FREE || p->counts))
		frame_bad(p, "not free in the allocator");
	frame_check(p);
	if (flags & ALLOC_ZERO && !(p->flags & PAGE_ZEROED))
		mmu_zero_frame(page_to_pfn(p));
	p->lock.v = 0;
	atomic_store(&p->kind_order, state_of(kind, order));
	p->level = 0;
	p->flags = 0;
	p->private[0] = 0;
	p->private[1] = 0;
}

static inline void frame_unuse(struct page *p, enum page_kind kind)
{
	if (unlikely(p->kind != kind || p->counts || kind <= PAGE_RESERVED))
		frame_bad(p, "freed in a bad state");
	p->flags &= PAGE_ZEROED;
	frame_poison(p);
	atomic_store_release(&p->kind_order, state_of(PAGE_FREE, PAGE_NO_HEAD));
}

/* ---- stacks ---- */

static inline struct cpu_frames *this_cpu_frames(void)
{
	struct cpu_frames *c = &cpu_frames[cpu_id()];

	/* Else GCC multiplies anew for each member. */
	__asm__("" : "+r"(c));
	return c;
}

static void stack_push(struct frame_stack *s, struct page *p)
{
	s->frames[s->count] = p;
	atomic_store(&s->count, s->count + 1);
}

static struct page *stack_pop(struct frame_stack *s)
{
	atomic_store(&s->count, s->count - 1);
	return s->frames[s->count];
}

/* Gives the `n` frames that lay longest on a stack back to the node. Caller holds the CPU's lock.
 */
static void __noinline stack_drain(struct frame_stack *s, u32 n)
{
	spin_lock(&node.lock);
	for (u32 i = 0; i < n; i++)
		block_give(s->frames[i], 0);
	atomic_store(&s->count, s->count - n);
	spin_unlock(&node.lock);
	memmove(s->frames, s->frames + n, s->count * sizeof(s->frames[0]));
}

/*
 * Puts up to STACK_BATCH frames on an empty stack, in blocks as large as there are; fewer where there
 * are few, so that one CPU's stack never holds most of what is left. Caller holds the CPU's lock.
 */
static void __noinline stack_refill(struct frame_stack *s, unsigned flags)
{
	u64 keep = flags & ALLOC_RESERVE ? 0 : READ_ONCE(node.reserve), want = 1;

	spin_lock(&node.lock);
	if (!(flags & ALLOC_RESERVE) && node.free > keep)
		want = min((u64)STACK_BATCH, (node.free - keep) / STACK_SHARE + 1);
	while (want && node.free > keep) {
		unsigned order = 0;
		struct page *p;

		while (order < MAX_ORDER && list_empty(&node.blocks[order]))
			order++;
		while (1u << order > want || 1u << order > node.free - keep)
			order--;
		p = block_take(order);
		for (u32 i = 1u << order; i--;)
			stack_push(s, p + i);
		want -= 1u << order;
	}
	spin_unlock(&node.lock);
}

/* Whoever does not hold the CPU's lock reads while an idle CPU moves frames from one stack to the other: again
 * where it did, or they count twice. */
static u32 stacked(const struct cpu_frames *c)
{
	u32 moves, zeroed, plain;

	do {
		moves = atomic_load_acquire(&c->moves);
		zeroed = atomic_load_acquire(&c->zeroed.count);
		plain = atomic_load_acquire(&c->plain.count);
	} while (zeroed != atomic_load_acquire(&c->zeroed.count) ||
		 moves != atomic_load(&c->moves));
	return plain + zeroed;
}

static void stacks_drain_all(void)
{
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
		struct cpu_frames *c = &cpu_frames[cpu];

		if (!stacked(c))
			continue;
		spin_lock(&c->lock);
		stack_drain(&c->plain, c->plain.count);
		stack_drain(&c->zeroed, c->zeroed.count);
		spin_unlock(&c->lock);
	}
}

/*
 * A single frame from this CPU's stacks, refilled where need be; NULL: neither they nor the node
 * have one to give. Who wants zeros is served from the zeroed ones first, who does not, last.
 */
static struct page *stack_take(struct cpu_frames *c, unsigned flags)
{
	struct page *p = NULL;

	spin_lock(&c->lock);
	if (flags & ALLOC_ZERO && c->zeroed.count) {
		p = stack_pop(&c->zeroed);
	} else {
		if (unlikely(!c->plain.count))
			stack_refill(&c->plain, flags);
		if (likely(c->plain.count))
			p = stack_pop(&c->plain);
		else if (c->zeroed.count)
			p = stack_pop(&c->zeroed);
	}
	spin_unlock(&c->lock);
	return p;
}

static void stack_give(struct cpu_frames *c, struct page *p)
{
	struct frame_stack *s;

	spin_lock(&c->lock);
	s = p->flags & PAGE_ZEROED ? &c->zeroed : &c->plain;
	if (unlikely(s->count == STACK_MAX))
		stack_drain(s, STACK_BATCH);
	stack_push(s, p);
	spin_unlock(&c->lock);
}

/* ---- the public face ---- */

/* True where alloc_fail_nth says that this allocation is the one to fail. */
bool alloc_should_fail(void)
{
	return alloc_fail_nth && --alloc_fail_nth == 0;
}

/* A block, or a single frame that no stack refill could get. */
static struct page *take_from_node(unsigned order, unsigned flags)
{
	u64 keep = flags & ALLOC_RESERVE ? 0 : READ_ONCE(node.reserve);
	struct page *p = NULL;

	for (int try = 0; try < 2; try++) {
		spin_lock(&node.lock);
		if (node.free >= keep + (1u << order))
			p = block_take(order);
		spin_unlock(&node.lock);
		if (p || try)
			break;
		/* Other CPUs' stacks hold the rest, or the buddies of what is free. */
		stacks_drain_all();
	}
	return p;
}

static struct page *__noinline alloc_slow(enum page_kind kind, unsigned order, unsigned flags)
{
	struct page *p;

	ASSERT(order <= MAX_ORDER);
	p = take_from_node(order, flags);
	if (!p)
		return NULL;
	for (u32 i = 0; i < 1u << order; i++)
		frame_use(p + i, kind, i ? PAGE_NO_HEAD : order, flags);
	atomic_store(&p->counts, 1);
	vm_count_n(VM_pgalloc, 1u << order);
	return p;
}

struct page *page_alloc(enum page_kind kind, unsigned order, unsigned flags)
{
	struct page *p;

	if (unlikely(alloc_fail_nth) && alloc_should_fail())
		return NULL;
	if (unlikely(order))
		return alloc_slow(kind, order, flags);
	p = stack_take(this_cpu_frames(), flags);
	if (unlikely(!p))
		return alloc_slow(kind, order, flags);
	frame_use(p, kind, 0, flags);
	atomic_store(&p->counts, 1);
	vm_count(VM_pgalloc);
	return p;
}

static void __noinline free_block(struct page *p, unsigned order)
{
	enum page_kind kind = p->kind;

	if (order > MAX_ORDER)
		frame_bad(p, "freed, and heads no block");
	vm_count_n(VM_pgfree, 1u << order);
	for (u32 i = 0; i < 1u << order; i++)
		frame_unuse(p + i, kind);
	spin_lock(&node.lock);
	block_give(p, order);
	spin_unlock(&node.lock);
}

void page_free(struct page *p)
{
	unsigned order = p->order;
	enum page_kind kind = p->kind;

	if (unlikely(order)) {
		free_block(p, order);
		return;
	}
	vm_count(VM_pgfree);
	frame_unuse(p, kind);
	stack_give(this_cpu_frames(), p);
}

bool frames_zero_one(void)
{
	struct cpu_frames *c = &cpu_frames[cpu_id()];
	struct page *p = NULL;

	spin_lock(&c->lock);
	if (c->zeroed.count < ZEROED_MAX) {
		if (!c->plain.count)
			stack_refill(&c->plain, 0);
		/* It stays where it is counted as free until it is done. */
		if (c->plain.count)
			p = c->plain.frames[c->plain.count - 1];
	}
	if (p) {
		frame_check(p);
		mmu_zero_frame(page_to_pfn(p));
		p->flags = PAGE_ZEROED;
		stack_push(&c->zeroed, stack_pop(&c->plain));
		atomic_inc(&c->moves);
	}
	spin_unlock(&c->lock);
	return p;
}

u64 frames_free(void)
{
	u64 n;

	spin_lock(&node.lock);
	n = node.free;
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
		n += stacked(&cpu_frames[cpu]);
	spin_unlock(&node.lock);
	return n;
}

u64 frames_total(void)
{
	return node.total;
}

void frames_free_by_order(u64 counts[MAX_ORDER + 1])
{
	spin_lock(&node.lock);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		counts[order] = node.counts[order];
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
		counts[0] += stacked(&cpu_frames[cpu]);
	spin_unlock(&node.lock);
}

void frames_trim(void)
{
	stacks_drain_all();
}

static void frame_blank(struct page *p, enum page_kind kind)
{
	*p = (struct page){.kind = (u8)kind, .order = PAGE_NO_HEAD};
}

void frames_init(struct page *array, pfn_t len)
{
	page_array = array;
	page_array_len = len;
	for (pfn_t pfn = 0; pfn < len; pfn++)
		frame_blank(&array[pfn], PAGE_RESERVED);

	memset(&node, 0, sizeof(node));
	spin_init(&node.lock, LOCK_NODE);
	spin_assume_held(&node.lock);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		list_init(&node.blocks[order]);
	memset(cpu_frames, 0, sizeof(cpu_frames));
	for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
		spin_init(&cpu_frames[cpu].lock, LOCK_PCP);
}

void frames_add(pfn_t start, pfn_t end)
{
	ASSERT(start <= end && end <= page_array_len);
	for (pfn_t pfn = start; pfn < end; pfn++) {
		if (page_array[pfn].kind != PAGE_RESERVED)
			panic("frame %lu: added twice", pfn);
		frame_blank(&page_array[pfn], PAGE_FREE);
	}
	spin_lock(&node.lock);
	node.total += end - start;
	node.reserve = min(node.total / 128, 1024ul);
	while (start < end) {
		unsigned order = 0;

		while (order < MAX_ORDER && !(start & ((2u << order) - 1)) &&
		       end - start >= 2u << order)
			order++;
		block_give(&page_array[start], order);
		start += 1u << order;
	}
	spin_unlock(&node.lock);
}

void frames_init_zero(void)
{
	struct page *p = page_alloc(PAGE_KERNEL, 0, ALLOC_ZERO);

	if (!p)
		panic("no memory for the zero page");
	atomic_store(&p->kind, PAGE_RESERVED);
	zero_pfn = page_to_pfn(p);
}
