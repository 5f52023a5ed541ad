/* A circular doubly linked list whose links live inside the things listed. */
#pragma once

#include "kernel/lib/atomic.h"
#include "kernel/lib/compiler.h"

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

static inline void list_init(struct list_head *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list_head *l)
{
	return l->next == l;
}

static inline void list_link_(struct list_head *n, struct list_head *prev, struct list_head *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

/* Puts n right after l (at the front, where l is the head). */
static inline void list_add(struct list_head *l, struct list_head *n)
{
	list_link_(n, l, l->next);
}

/* Puts n right before l (at the back, where l is the head). */
static inline void list_add_tail(struct list_head *l, struct list_head *n)
{
	list_link_(n, l->prev, l);
}

/* Unlinks n and leaves it an empty list, so that a second removal does no harm. */
static inline void list_del(struct list_head *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/*
 * The same, where others may find the list empty without its lock, and free its head at once. What they look at
 * is the head's `next`, so that is what removing the last one stores last (the CPU keeps stores in order, the
 * compiler is told to): nothing is written to the head any more.
 */
static inline void list_del_release(struct list_head *n)
{
	struct list_head *prev = n->prev, *next = n->next;

	next->prev = prev;
	atomic_store_release(&prev->next, next);
	list_init(n);
}

/* Moves all of `from` to the back of `to`; `from` is empty afterwards. */
static inline void list_splice_tail(struct list_head *to, struct list_head *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(ptr, type, member)  container_of(ptr, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_last(head, type, member)  list_entry((head)->prev, type, member)

#define list_for_each(pos, head, member)                                                       \
	for (pos = list_entry((head)->next, __typeof__(*pos), member); &pos->member != (head); \
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))

/* As list_for_each, where the body may remove pos. */
#define list_for_each_safe(pos, tmp, head, member)                        \
	for (pos = list_entry((head)->next, __typeof__(*pos), member),    \
	    tmp = list_entry(pos->member.next, __typeof__(*pos), member); \
	     &pos->member != (head);                                      \
	     pos = tmp, tmp = list_entry(tmp->member.next, __typeof__(*tmp), member))
