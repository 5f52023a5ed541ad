/* Keys, ids and permissions of System V IPC. See kernel/ipc/ipc.h. */
#include "kernel/ipc/ipc.h"

#include "arch/clock.h"
#include "kernel/task.h"

static s32 place_of(s32 id)
{
	return id % IPC_PLACES;
}

struct ipc_object *ipc_at(struct ipc_set *s, s32 place)
{
	struct ipc_object *o =
	    place < 0 || place >= IPC_PLACES ? NULL : radix_get(&s->objects, (u64)place);

	return o ? o : ERR_PTR(-EINVAL);
}

struct ipc_object *ipc_find(struct ipc_set *s, s32 id)
{
	struct ipc_object *o = id < 0 ? ERR_PTR(-EINVAL) : ipc_at(s, place_of(id));

	return IS_ERR(o) || o->id == id ? o : ERR_PTR(-EIDRM);
}

static struct ipc_object *find_key(struct ipc_set *s, s32 key) __must_hold(&s->lock)
{
	struct ipc_object *o;

	for (u64 place = 0; (o = ipc_next(s, &place)); place++)
		if (o->key == key)
			return o;
	return NULL;
}

struct ipc_object *ipc_get(struct ipc_set *s, s32 key, u32 flags,
			   int (*fits)(struct ipc_object *o, u64 arg), u64 arg)
{
	struct ipc_object *o = key == IPC_PRIVATE ? NULL : find_key(s, key);
	int err;

	if (!o)
		return key == IPC_PRIVATE || flags & IPC_CREAT ? NULL : ERR_PTR(-ENOENT);
	if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
		return ERR_PTR(-EEXIST);
	err = fits ? fits(o, arg) : 0;
	if (!err)
		err = ipc_may(o, flags);
	return err ? ERR_PTR(err) : o;
}

long ipc_add(struct ipc_set *s, struct ipc_object *o, s32 key, u32 flags)
{
	u64 place = bitmap_find_clear(s->taken, IPC_PLACES, 0);

	if (s->count >= s->limit || place >= IPC_PLACES)
		return -ENOSPC;
	if (radix_set(&s->objects, place, o))
		return -ENOMEM;
	bitmap_set(s->taken, place);
	s->count++;
	o->key = key;
	o->id = (s32)(place + (s->sequence++ & 0xffff) * IPC_PLACES);
	o->uid = o->cuid = current->cred.euid;
	o->gid = o->cgid = current->cred.egid;
	o->mode = flags & IPC_BITS;
	o->ctime = ipc_now();
	return o->id;
}

void ipc_remove(struct ipc_set *s, struct ipc_object *o)
{
	(void)radix_remove(&s->objects, (u64)place_of(o->id));
	bitmap_clear(s->taken, (size_t)place_of(o->id));
	s->count--;
}

struct ipc_object *ipc_next(struct ipc_set *s, u64 *place)
{
	return radix_next(&s->objects, place);
}

s32 ipc_highest(struct ipc_set *s)
{
	s32 last = 0;

	for (u64 place = 0; ipc_next(s, &place); place++)
		last = (s32)place;
	return last;
}

static bool in_group(u32 gid)
{
	const struct cred *c = &current->cred;

	if (c->egid == gid)
		return true;
	for (u32 n = 0; n < c->ngroups; n++)
		if (c->groups[n] == gid)
			return true;
	return false;
}

int ipc_may(const struct ipc_object *o, u32 wants)
{
	u32 euid = current->cred.euid, has = o->mode;

	wants = (wants >> 6 | wants >> 3 | wants) & 7;
	if (euid == 0)
		return 0;
	if (euid == o->uid || euid == o->cuid)
		has >>= 6;
	else if (in_group(o->gid) || in_group(o->cgid))
		has >>= 3;
	return wants & ~has ? -EACCES : 0;
}

int ipc_may_control(const struct ipc_object *o)
{
	u32 euid = current->cred.euid;

	return euid == 0 || euid == o->uid || euid == o->cuid ? 0 : -EPERM;
}

struct ipc_object *ipc_for_stat(struct ipc_set *s, s32 id, bool by_place, bool any)
{
	struct ipc_object *o = by_place ? ipc_at(s, id) : ipc_find(s, id);

	return !IS_ERR(o) && !any && ipc_may(o, IPC_READ) ? ERR_PTR(-EACCES) : o;
}

struct ipc_object *ipc_for_control(struct ipc_set *s, s32 id)
{
	struct ipc_object *o = ipc_find(s, id);

	return !IS_ERR(o) && ipc_may_control(o) ? ERR_PTR(-EPERM) : o;
}

void ipc_show_perm(const struct ipc_object *o, struct user_ipc_perm *out)
{
	*out = (struct user_ipc_perm){
	    .key = o->key,
	    .uid = o->uid,
	    .gid = o->gid,
	    .cuid = o->cuid,
	    .cgid = o->cgid,
	    .mode = o->mode,
	    .seq = (u16)(o->id / IPC_PLACES),
	};
}

int ipc_set_perm(struct ipc_object *o, const struct user_ipc_perm *in)
{
	if (in->uid == ~0u || in->gid == ~0u)
		return -EINVAL;
	o->uid = in->uid;
	o->gid = in->gid;
	o->mode = (o->mode & ~IPC_BITS) | (in->mode & IPC_BITS);
	o->ctime = ipc_now();
	return 0;
}

s64 ipc_now(void)
{
	return (s64)(clock_wall_ns() / NSEC_PER_SEC);
}
