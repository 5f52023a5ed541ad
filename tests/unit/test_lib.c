/* kernel/lib's trees, bitmaps, sort and numbers, each against something simpler. */
#include "kernel/lib/bitmap.h"
#include "kernel/lib/parse.h"
#include "kernel/lib/radix.h"
#include "kernel/lib/rbtree.h"
#include "kernel/lib/sort.h"
#include "tests/unit/host/tap.h"
#include "tests/unit/sim/memory.h"
#include <stdlib.h>
#include <string.h>

/* ---- red-black trees ---- */

#define NODES 400

struct item {
	struct rb_node node;
	u64 key, max, weight; /* max: of the weights in the subtree */
};

static struct item items[NODES];
static bool inside[NODES];
static struct rb_tree tree;

static struct item *item_of(struct rb_node *n)
{
	return n ? rb_entry(n, struct item, node) : NULL;
}

static u64 max_of(struct rb_node *n)
{
	struct item *i = item_of(n), *l = item_of(n->left), *r = item_of(n->right);
	u64 m = i->weight;

	if (l && l->max > m)
		m = l->max;
	return r && r->max > m ? r->max : m;
}

static void update_max(struct rb_node *n)
{
	item_of(n)->max = max_of(n);
}

/* Returns the black height. */
static unsigned check_subtree(struct rb_node *n)
{
	unsigned l, r;
	bool red;

	if (!n)
		return 1;
	red = n->parent_red & 1;
	CHECK(item_of(n)->max == max_of(n));
	CHECK(!n->left || (rb_parent(n->left) == n && !(red && n->left->parent_red & 1)));
	CHECK(!n->right || (rb_parent(n->right) == n && !(red && n->right->parent_red & 1)));
	l = check_subtree(n->left);
	r = check_subtree(n->right);
	CHECK(l == r);
	return l + !red;
}

static void insert(unsigned i)
{
	struct rb_node **link = &tree.root, *parent = NULL;

	items[i].key = i;
	items[i].weight = rand64();
	while (*link) {
		parent = *link;
		link = i < item_of(parent)->key ? &parent->left : &parent->right;
	}
	rb_insert_at(&tree, &items[i].node, parent, link);
}

static void check_order(void)
{
	struct rb_node *n = rb_first(&tree), *last = NULL;

	for (unsigned i = 0; i < NODES; i++) {
		if (!inside[i])
			continue;
		CHECK(n && item_of(n)->key == i);
		CHECK(rb_prev(n) == last);
		last = n;
		n = rb_next(n);
	}
	CHECK(!n && rb_last(&tree) == last);
}

static void test_rbtree(void)
{
	struct item spare;

	rb_init(&tree, update_max);
	for (unsigned step = 0; step < 40000; step++) {
		unsigned i = (unsigned)rand_below(NODES);

		if (inside[i])
			rb_erase(&tree, &items[i].node);
		else
			insert(i);
		inside[i] = !inside[i];
		if (inside[i] && step % 7 == 0) {
			items[i].weight = rand64();
			rb_update(&tree, &items[i].node);
			spare = items[i];
			rb_replace(&tree, &items[i].node, &spare.node);
			memset(&items[i].node, 0xff, sizeof(items[i].node));
			check_subtree(tree.root);
			items[i] = spare;
			rb_replace(&tree, &spare.node, &items[i].node);
		}
		if (step % 16)
			continue;
		CHECK(!tree.root || !(tree.root->parent_red & 1));
		check_subtree(tree.root);
		check_order();
	}
	tap_ok(true, "rbtree: order, colours, links and the hook");
}

/* ---- radix trees ---- */

#define KEYS 300

static struct radix_tree radix;
static u64 keys[KEYS];
static bool stored[KEYS];

static void make_keys(void)
{
	for (unsigned i = 0; i < KEYS; i++)
		keys[i] = i < 100 ? i : rand64() >> rand_below(64);
	keys[KEYS - 1] = ~0ull;
	for (unsigned i = 0; i < KEYS; i++)
		for (unsigned k = 0; k < i; k++)
			if (keys[i] == keys[k])
				keys[i] = rand64(), k = 0;
}

/* The stored index that is the smallest >= from, by looking at all. */
static int first_from(u64 from)
{
	int best = -1;

	for (int i = 0; i < KEYS; i++)
		if (stored[i] && keys[i] >= from && (best < 0 || keys[i] < keys[best]))
			best = i;
	return best;
}

static void test_radix(u64 frames)
{
	radix_init(&radix);
	make_keys();
	for (unsigned step = 0; step < 60000; step++) {
		unsigned i = (unsigned)rand_below(KEYS);
		u64 from = rand_below(2) ? keys[rand_below(KEYS)] : rand64() >> rand_below(64);
		int want = first_from(from);
		bool fail = rand_below(3) == 0;
		void *p;

		CHECK(radix_get(&radix, keys[i]) == (stored[i] ? &keys[i] : NULL));
		p = radix_next(&radix, &from);
		CHECK(p == (want < 0 ? NULL : &keys[want]) && (want < 0 || from == keys[want]));
		if (stored[i] && rand_below(100) < (step / 6000 % 2 ? 90u : 40u)) {
			CHECK(radix_remove(&radix, keys[i]) == &keys[i]);
			stored[i] = false;
			CHECK(!radix_remove(&radix, keys[i]));
			continue;
		}
		alloc_fail_nth = fail ? 1 + rand_below(4) : 0;
		if (!radix_set(&radix, keys[i], &keys[i]))
			stored[i] = true;
		else
			CHECK(fail && !stored[i] && !alloc_fail_nth);
		alloc_fail_nth = 0;
	}
	for (unsigned i = 0; i < KEYS; i++)
		radix_remove(&radix, keys[i]);
	CHECK(radix_empty(&radix) && !radix.height);
	alloc_trim();
	tap_ok(frames_free() == frames, "radix: get, set, next, remove; no node is lost");
}

/* ---- the rest ---- */

static void test_bitmap(void)
{
	enum { BITS = 300 };
	u64 map[BITMAP_WORDS(BITS)] = {0};
	bool ref[BITS] = {0};

	for (unsigned step = 0; step < 20000; step++) {
		size_t at = rand_below(BITS), n = rand_below(BITS - at + 1), i, run = 0,
		       found = BITS;
		bool set = rand_below(2);

		n = rand_below(4) ? min(n, (size_t)9) : n;
		(set ? bitmap_set_range : bitmap_clear_range)(map, at, n);
		for (i = at; i < at + n; i++)
			ref[i] = set;
		at = rand_below(BITS);
		for (i = at; i < BITS && !ref[i]; i++)
			;
		CHECK(bitmap_find_set(map, BITS, at) == i);
		for (i = at; i < BITS && ref[i]; i++)
			;
		CHECK(bitmap_find_clear(map, BITS, at) == i);
		n = 1 + rand_below(20);
		for (i = at; i < BITS && found == BITS; i++) {
			run = ref[i] ? 0 : run + 1;
			if (run == n)
				found = i + 1 - n;
		}
		CHECK(bitmap_find_clear_run(map, BITS, at, n) == found);
		for (i = 0, run = 0; i < BITS; i++)
			run += ref[i];
		CHECK(bitmap_weight(map, BITS) == run && bitmap_test(map, at) == ref[at]);
	}
	tap_ok(true, "bitmap: set, clear, find, weight");
}

static int compare(const void *a, const void *b)
{
	u32 x, y;

	memcpy(&x, a, 4);
	memcpy(&y, b, 4);
	return (x > y) - (x < y);
}

static void test_sort(void)
{
	struct {
		u32 key;
		u8 tail[3];
	} __packed v[200];

	for (unsigned round = 0; round < 2000; round++) {
		size_t n = rand_below(ARRAY_SIZE(v) + 1);
		u64 sum = 0;

		for (size_t i = 0; i < n; i++) {
			v[i].key = (u32)rand_below(1 + rand_below(1000));
			memset(v[i].tail, (u8)v[i].key, 3);
			sum += v[i].key;
		}
		sort(v, n, sizeof(v[0]), compare);
		for (size_t i = 0; i < n; i++) {
			CHECK(!i || v[i - 1].key <= v[i].key);
			CHECK(v[i].tail[2] == (u8)v[i].key);
			sum -= v[i].key;
		}
		CHECK(!sum);
	}
	tap_ok(true, "sort: ordered, and the same elements");
}

static void parses(const char *s, unsigned base, int err, u64 want, size_t used)
{
	const char *end = NULL;
	u64 v = 0;
	int e = parse_u64(s, &end, base, &v);

	if (e != err || (!e && v != want) || end != s + used)
		tap_fail("parse_u64(\"%s\", %u): %d, %lu, %ld used", s, base, e, v, end - s);
}

static void test_parse(void)
{
	s64 s = 0;
	u64 v = 0;

	parses("0", 0, 0, 0, 1);
	parses("12x", 10, 0, 12, 2);
	parses("0x1fG", 0, 0, 31, 4);
	parses("0x", 0, 0, 0, 1);
	parses("017", 0, 0, 15, 3);
	parses("09", 0, 0, 0, 1);
	parses("0xff", 16, 0, 255, 4);
	parses("", 10, -EINVAL, 0, 0);
	parses("-1", 10, -EINVAL, 0, 0);
	parses("18446744073709551615", 10, 0, ~0ull, 20);
	parses("18446744073709551616", 10, -ERANGE, 0, 20);
	tap_ok(!parse_s64("-9223372036854775808", NULL, 10, &s) && s == INT64_MIN &&
		   parse_s64("9223372036854775808", NULL, 10, &s) == -ERANGE &&
		   !parse_s64("+7", NULL, 10, &s) && s == 7,
	       "parse: numbers");
	tap_ok(!parse_size("16M", NULL, &v) && v == 16 << 20 && !parse_size("3g", NULL, &v) &&
		   v == 3ull << 30 && !parse_size("0x10k,", NULL, &v) && v == 16384 &&
		   parse_size("99999999999G", NULL, &v) == -ERANGE,
	       "parse: sizes");
	tap_ok(!parse_setting(" 42\n", 4, &s) && s == 42 && !parse_setting("-1", 2, &s) &&
		   s == -1 && parse_setting("1 2", 3, &s) == -EINVAL &&
		   parse_setting("", 0, &s) == -EINVAL && !parse_setting("123", 1, &s) && s == 1,
	       "parse: settings");
}

int main(void)
{
	u64 frames;

	rand_seed(1);
	sim_memory_init(1, 1024);
	frames = frames_free();
	test_rbtree();
	test_radix(frames);
	test_bitmap();
	test_sort();
	test_parse();
	return tap_done();
}
