/*
 * Epoll sets that watch each other: how deep, and how many.
 *
 * A wake-up goes up through the sets, with interrupts off; a question goes down, with a set locked at
 * each step. Both end soon only because there is no circle, at most EPOLL_DEPTH_MAX sets are in a
 * row, and from one set not too many ways lead up.
 */
#include "kernel/fs/epoll.h"

#include "kernel/errno.h"

struct rwsem epoll_nest_lock;

#define WAYS_MAX 1000 /* from a set up through those that watch it */

/* `outer` is to watch another set. */
struct nest {
	const struct epoll_set *outer;
	u32 above; /* sets in a row from outer up, itself counted */
	u32 ways;  /* the sets from outer up, each as often as ways lead to it */
};

/* Counts from s up. Under watch_lock. The most sets in a row. */
static u32 count_above(const struct epoll_set *s, u32 *ways)
{
	const struct epoll_item *i;
	u32 highest = 0;

	if (++*ways > WAYS_MAX)
		return 0;
	list_for_each (i, &s->file->watches, watch_link)
		highest = max(highest, count_above(i->set, ways));
	return highest + 1;
}

/* Each way up from s may go on along each from outer. */
static bool too_many_ways(const struct nest *n, const struct epoll_set *s)
{
	u32 ways = 0;

	spin_lock(&watch_lock);
	(void)count_above(s, &ways);
	spin_unlock(&watch_lock);
	return ways * (1 + n->ways) > WAYS_MAX;
}

/* Whether s and the sets below, the first of which is `level` below outer, may be there. */
static int check_below(const struct nest *n, struct epoll_set *s, u32 level)
{
	int err = 0;

	if (s == n->outer || n->above + level > EPOLL_DEPTH_MAX)
		return -ELOOP;
	if (too_many_ways(n, s))
		return -EINVAL;
	rwsem_write_lock(&s->lock);
	for (struct rb_node *at = rb_first(&s->items); at && !err; at = rb_next(at)) {
		struct epoll_set *inner = file_epoll(rb_entry(at, struct epoll_item, node)->file);

		if (inner)
			err = check_below(n, inner, level + 1);
	}
	rwsem_write_unlock(&s->lock);
	return err;
}

int epoll_check_nest(struct epoll_set *outer, struct epoll_set *inner)
{
	struct nest n = {.outer = outer};

	spin_lock(&watch_lock);
	n.above = count_above(outer, &n.ways);
	spin_unlock(&watch_lock);
	return check_below(&n, inner, 1);
}
