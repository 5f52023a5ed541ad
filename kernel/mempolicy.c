/*
 * Memory policy on a machine whose memory is all one node, number 0: which node a page comes from is never in
 * question. A policy is checked as Linux checks it, and kept for get_mempolicy(2).
 */
#include "arch/uaccess.h"
#include "kernel/syscalls.h"
#include "kernel/task.h"

#define MPOL_DEFAULT	    0
#define MPOL_PREFERRED	    1
#define MPOL_BIND	    2
#define MPOL_INTERLEAVE	    3
#define MPOL_LOCAL	    4
#define MPOL_PREFERRED_MANY 5
#define MPOL_MAX	    6

#define MPOL_F_NUMA_BALANCING (1u << 13)
#define MPOL_F_RELATIVE_NODES (1u << 14)
#define MPOL_F_STATIC_NODES   (1u << 15)
#define MPOL_MODE_FLAGS	      (7u << 13)

#define MPOL_F_NODE	    1u
#define MPOL_F_ADDR	    2u
#define MPOL_F_MEMS_ALLOWED 4u

#define MPOL_MF_STRICT	 1u
#define MPOL_MF_MOVE	 2u
#define MPOL_MF_MOVE_ALL 4u

#define MAX_NODES 1024 /* that a mask may name */

/* What a mask of nodes has in it. */
struct nodes {
	bool any, first; /* any node at all; node 0, the one there is */
};

/* One word of the mask, in which bits from `left` on do not count. */
static int nodes_word(struct nodes *out, const u64 __user *p, u64 index, u64 left)
{
	u64 word;

	if (get_user(word, p + index))
		return -EFAULT;
	if (left < 64)
		word &= BIT(left) - 1;
	if (index >= MAX_NODES / 64 && word)
		return -EINVAL;
	out->any |= word != 0;
	out->first |= !index && (word & 1);
	return 0;
}

/* `max` is one more than the bits that the mask has, as Linux has it. */
static int nodes_get(struct nodes *out, const u64 __user *mask, u64 max)
{
	u64 bits = max - 1;
	int err = 0;

	*out = (struct nodes){0};
	if (!bits || !mask)
		return 0;
	if (bits > PAGE_SIZE * 8)
		return -EINVAL;
	for (u64 at = 0; at < bits && !err; at += 64)
		err = nodes_word(out, mask, at / 64, bits - at);
	return err;
}

/* The policy that these ask for, or -EINVAL. */
static long policy_new(u32 mode, const struct nodes *n)
{
	u32 flags = mode & MPOL_MODE_FLAGS;

	mode &= ~MPOL_MODE_FLAGS;
	if (mode >= MPOL_MAX || (flags & MPOL_F_STATIC_NODES && flags & MPOL_F_RELATIVE_NODES) ||
	    (flags & MPOL_F_NUMA_BALANCING && mode != MPOL_BIND))
		return -EINVAL;
	if (mode == MPOL_DEFAULT)
		return n->any ? -EINVAL : 0;
	if (mode == MPOL_PREFERRED && !n->any)
		return flags ? -EINVAL : MPOL_LOCAL;
	if (mode == MPOL_LOCAL)
		return n->any || flags ? -EINVAL : MPOL_LOCAL;
	/* (of other nodes there is no memory) */
	return n->first ? (long)(mode | flags) : -EINVAL;
}

static bool policy_has_nodes(long policy)
{
	u32 mode = (u32)policy & ~MPOL_MODE_FLAGS;

	return mode != MPOL_DEFAULT && mode != MPOL_LOCAL;
}

SYSCALL3(set_mempolicy, u32, mode, const u64 __user *, mask, u64, max)
{
	struct nodes n;
	long policy = nodes_get(&n, mask, max);

	if (!policy)
		policy = policy_new(mode, &n);
	if (policy < 0)
		return policy;
	current->policy = (u16)policy;
	return 0;
}

SYSCALL6(mbind, vaddr_t, start, u64, len, u32, mode, const u64 __user *, mask, u64, max, u32, flags)
{
	vaddr_t end = start + ALIGN_UP(len, PAGE_SIZE);
	struct nodes n;
	long policy = nodes_get(&n, mask, max);

	if (policy)
		return policy;
	if (flags & ~(MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
		return -EINVAL;
	if (flags & MPOL_MF_MOVE_ALL && current->cred.euid != 0)
		return -EPERM;
	if (start & ~PAGE_MASK || end < start)
		return -EINVAL;
	if (end == start)
		return 0;
	policy = policy_new(mode, &n);
	return policy < 0 ? policy : mm_set_policy(current->mm, start, end, (u16)policy);
}

/* Writes the mask: node 0 or none. */
static int nodes_put(u64 __user *mask, u64 max, bool first)
{
	u64 bytes = ALIGN_UP(max - 1, 64) / 8;

	if (bytes > PAGE_SIZE)
		return -EINVAL;
	if (bytes > sizeof(u64) && clear_user(mask + 1, bytes - sizeof(u64)))
		return -EFAULT;
	return bytes ? put_user((u64)first, mask) : 0;
}

/* What is asked for: a policy or a node; *nodes: whether the mask has node 0. */
static long policy_query(vaddr_t addr, u32 flags, bool *nodes)
{
	long policy = current->policy;

	if (flags & ~(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED))
		return -EINVAL;
	*nodes = true;
	if (flags & MPOL_F_MEMS_ALLOWED)
		return flags & (MPOL_F_NODE | MPOL_F_ADDR) ? -EINVAL : 0;
	if (flags & MPOL_F_ADDR) {
		policy = mm_policy(current->mm, addr);
		if (policy < 0)
			return policy;
	} else if (addr) {
		return -EINVAL;
	}
	*nodes = policy_has_nodes(policy);
	if (!(flags & MPOL_F_NODE))
		return policy;
	/* The node of that page, or the next one of an interleaving task: there is one. */
	return flags & MPOL_F_ADDR || ((u32)policy & ~MPOL_MODE_FLAGS) == MPOL_INTERLEAVE ? 0
											  : -EINVAL;
}

SYSCALL5(get_mempolicy, s32 __user *, policy, u64 __user *, mask, u64, max, vaddr_t, addr, u32,
	 flags)
{
	bool nodes;
	long n;

	if (mask && max < 1)
		return -EINVAL;
	n = policy_query(addr, flags, &nodes);
	if (n < 0)
		return n;
	if (policy && put_user((s32)n, policy))
		return -EFAULT;
	return mask ? nodes_put(mask, max, nodes) : 0;
}
