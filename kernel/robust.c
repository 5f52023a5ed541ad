/*
 * Robust futexes: locks that a dying task holds. The task keeps a list of them in its own memory,
 * and the kernel walks it at the end: each word that still names the task gets FUTEX_OWNER_DIED,
 * and one waiter is woken to see it. Those of the list that are PI futexes, which their entries say
 * in the lowest bit, futex_exit_pi() hands over.
 */
#include "kernel/futex.h"

#include "arch/uaccess.h"
#include "kernel/syscalls.h"

struct robust_list_head {
	u64 next;
	s64 futex_offset;
	u64 pending;
};

#define ROBUST_LIMIT 2048
#define ENTRY_PI     1ull

SYSCALL2(set_robust_list, struct robust_list_head __user *, head, size_t, len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

SYSCALL3(get_robust_list, s32, pid, u64 __user *, head, size_t __user *, len)
{
	int err = -ESRCH;
	struct task *t;
	u64 list = 0;

	spin_lock(&tasks_lock);
	t = pid ? task_lookup(pid) : current;
	if (t)
		err = task_may_look(t) ? 0 : -EPERM;
	if (!err)
		list = (u64)READ_ONCE(t->robust_list);
	spin_unlock(&tasks_lock);
	if (err)
		return err;
	if (put_user(sizeof(struct robust_list_head), len) || put_user(list, head))
		return -EFAULT;
	return 0;
}

/* `pending`: the task was about to lock or unlock it. False: the word is not there, or not a word. */
static bool mark_owner_dead(struct task *t, u32 __user *word, bool pi, bool pending)
{
	u32 value, seen;

	if (((u64)word & 3) || user_load32(&value, word))
		return false;
	/* It had unlocked the word, and did not come to wake anybody. */
	if (pending && !pi && !value) {
		(void)futex_wake_addr(word, 1);
		return true;
	}
	while ((value & FUTEX_TID_MASK) == (u32)t->tid) {
		if (user_cmpxchg32(word, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &seen))
			return false;
		if (seen == value) {
			if (!pi && value & FUTEX_WAITERS)
				(void)futex_wake_addr(word, 1);
			return true;
		}
		value = seen;
	}
	return true;
}

static bool mark_entry(struct task *t, u64 entry, s64 offset, bool pending)
{
	u64 word = (entry & ~ENTRY_PI) + (u64)offset;

	return mark_owner_dead(t, (u32 __user *)word, entry & ENTRY_PI, pending);
}

void futex_exit_robust(struct task *t)
{
	struct robust_list_head __user *uhead = t->robust_list;
	struct robust_list_head head;
	u64 entry;

	t->robust_list = NULL;
	if (copy_from_user(&head, uhead, sizeof(head)))
		return;
	entry = head.next;
	for (int i = 0; i < ROBUST_LIMIT && (entry & ~ENTRY_PI) != (u64)uhead; i++) {
		u64 next;
		bool broken;

		/* Before the word is given up: its new owner may free the entry. Where it cannot be
		 * read the list ends, but this entry is one of it. */
		broken =
		    copy_from_user(&next, (const void __user *)(entry & ~ENTRY_PI), sizeof(next));
		if (((entry ^ head.pending) & ~ENTRY_PI) &&
		    !mark_entry(t, entry, head.futex_offset, false))
			return;
		if (broken)
			return;
		entry = next;
		cond_resched();
	}
	if (head.pending & ~ENTRY_PI)
		(void)mark_entry(t, head.pending, head.futex_offset, true);
}
