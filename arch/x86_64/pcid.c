/* Which tag a tree has on a CPU: see pcid.h. */
#include "arch/x86_64/pcid.h"

static u64 last_id; /* atomic */

static u64 id_of(struct mmu *m)
{
	u64 id = atomic_load(&m->id), none = 0;

	if (likely(id))
		return id;
	id = atomic_inc(&last_id);
	return atomic_cas(&m->id, &none, id) ? id : none;
}

static u32 find(const struct pcids *p, u64 id)
{
	for (u32 i = 1; i <= PCID_TAGS; i++)
		if (p->tags[i].id == id)
			return i;
	return 0;
}

u64 pcid_switch(struct pcids *p, struct mmu *m)
{
	u64 id, flushes;
	bool keep;

	p->now = 0;
	if (!m)
		return CR3_KEEP; /* nothing of the user's half is ever cached under it */
	id = id_of(m);
	flushes = atomic_load(&m->flushes);
	p->now = find(p, id);
	keep = p->now && p->tags[p->now].flushes == flushes;
	if (!p->now)
		p->now = p->last = p->last % PCID_TAGS + 1;
	p->tags[p->now].id = id;
	p->tags[p->now].flushes = flushes;
	return p->now | (keep ? CR3_KEEP : 0);
}
